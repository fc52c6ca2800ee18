"""A documented synthetic county with known truth, and the files its departments would send.

    draw_population → burn-in → step, step, step … → tables (simulate_county) → files (write_inbox)

    state → true_risk (2 000 futures) → ceiling;  county → falls_with_causes

The process, its equations and what it was seen to do: docs/simulator.md; the truth: docs/truth.md. Every number: parameters.toml.
"""

from __future__ import annotations

from returnrisk.simulate.causes import falls_with_causes
from returnrisk.simulate.county import SimulatedCounty, initial_state, month_rng, simulate_county
from returnrisk.simulate.export import planted_faults, write_inbox
from returnrisk.simulate.foreseeable import Ceiling, ceiling
from returnrisk.simulate.parameters import Parameters, default_parameters, load_parameters, setting_names, setting_parameters
from returnrisk.simulate.process import step
from returnrisk.simulate.state import CountyState, load_state
from returnrisk.simulate.truth import TrueRisk, fallen, states_at, true_risk

__all__ = [
    "Ceiling",
    "CountyState",
    "Parameters",
    "SimulatedCounty",
    "TrueRisk",
    "ceiling",
    "default_parameters",
    "fallen",
    "falls_with_causes",
    "initial_state",
    "load_parameters",
    "load_state",
    "month_rng",
    "planted_faults",
    "setting_names",
    "setting_parameters",
    "simulate_county",
    "states_at",
    "step",
    "true_risk",
    "write_inbox",
]
