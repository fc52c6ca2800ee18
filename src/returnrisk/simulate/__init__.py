"""A documented synthetic county with known truth, and the files its departments would send.

    draw_population → burn-in → step, step, step … → tables (simulate_county) → files (write_inbox)

The process, its equations and what it was seen to do: docs/simulator.md. Every number: parameters.toml.
"""

from __future__ import annotations

from returnrisk.simulate.county import SimulatedCounty, initial_state, month_rng, simulate_county
from returnrisk.simulate.export import planted_faults, write_inbox
from returnrisk.simulate.parameters import Parameters, default_parameters, load_parameters, setting_names, setting_parameters
from returnrisk.simulate.process import step
from returnrisk.simulate.state import CountyState, load_state

__all__ = [
    "CountyState",
    "Parameters",
    "SimulatedCounty",
    "default_parameters",
    "initial_state",
    "load_parameters",
    "load_state",
    "month_rng",
    "planted_faults",
    "setting_names",
    "setting_parameters",
    "simulate_county",
    "step",
    "write_inbox",
]
