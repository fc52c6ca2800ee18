"""All canonical tables of a simulated county."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from returnrisk.contracts import Contract, load_contracts
from returnrisk.errors import ContractError
from returnrisk.simulate import money_tables, office_tables, people_tables
from returnrisk.simulate.clerks import further_frames
from returnrisk.simulate.coding import Naming
from returnrisk.simulate.filing import Sheet
from returnrisk.simulate.month import Month
from returnrisk.simulate.parameters import Parameters
from returnrisk.simulate.records import MonthRecords
from returnrisk.simulate.state import CountyState


def canonical_tables(
    records: Sequence[MonthRecords],
    ledger: pd.DataFrame,
    *,
    opening: Mapping[str, Sheet],
    baseline: CountyState,
    final: CountyState,
    parameters: Parameters,
) -> dict[str, pd.DataFrame]:
    """Every contract's table; ContractError if a contract requires what the process does not make."""
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
        **further_frames(naming, opening, [r.sheets for r in records]),
    }
    return {name: _in_order(frames[name], load_contracts()[name]) for name in sorted(frames)}


def _in_order(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Columns in the contract's order; optional ones that this county's offices do not collect stay away."""
    if missing := [f.name for f in contract.fields if f.required and f.name not in frame]:
        raise ContractError(f"the simulator makes no {', '.join(missing)} for table {contract.name}, which its contract requires")
    return frame[[name for name in contract.columns if name in frame]]
