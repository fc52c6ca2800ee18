"""All canonical tables of a simulated county."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from returnrisk.contracts import load_contracts
from returnrisk.simulate import money_tables, office_tables, people_tables
from returnrisk.simulate.coding import Naming
from returnrisk.simulate.month import Month
from returnrisk.simulate.parameters import Parameters
from returnrisk.simulate.records import MonthRecords
from returnrisk.simulate.state import CountyState


def canonical_tables(
    records: Sequence[MonthRecords], ledger: pd.DataFrame, *, baseline: CountyState, final: CountyState, parameters: Parameters
) -> dict[str, pd.DataFrame]:
    """Every contract's table, columns in the contract's order."""
    naming = Naming(final)
    start = Month.of(baseline, np.random.default_rng(0), parameters)
    frames = {
        "village": people_tables.villages(naming, start),
        "household": people_tables.households(naming, start, records),
        "household_roster": people_tables.roster(naming, start, records),
        "member": people_tables.members(naming, start, records),
        "identity": people_tables.identities(naming, start, records),
        "income": money_tables.income(ledger),
        "medical": money_tables.medical(naming, records),
        "subsidy": money_tables.subsidies(naming, start, records),
        "support": office_tables.support(naming, start, records),
        "monitoring": office_tables.monitoring(naming, start, records),
        "delivery": office_tables.deliveries(naming, records),
        "line": office_tables.lines(parameters),
    }
    return {name: frames[name][list(load_contracts()[name].columns)] for name in sorted(frames)}
