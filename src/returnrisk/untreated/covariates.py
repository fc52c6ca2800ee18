"""What offices had on file about a household at the end of a month, as they decide about help in the next one: numbers for a regression.

Facts come from snapshots of the month's last day, so nothing recorded later enters. How near the line a household is, and how long
ago the latest measure began, are cut into steps: a threshold ("near the line") is not a straight line.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from returnrisk.features.snapshot import Snapshot

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
SnapshotMaker = Callable[[dt.date], Snapshot]
FAMILIES = ("support", "monitoring", "disaster", "employment", "illness", "household", "signals")
"""Feature families that hold the facts below."""
RATIO_STEPS = (0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2.0, 2.5, 3.5)
"""Net income per head over the line."""
MONTHS_STEPS = (1, 2, 4, 7, 13, 25)
"""Months since something; more, or never: nothing."""
SINCE = (
    "months_since_support",
    "months_since_disaster",
    "months_since_inpatient",
    "months_since_job_ended",
    "months_since_elimination",
)
STRUCK = ("months_since_disaster", "months_since_inpatient", "months_since_job_ended")
STRUCK_MONTHS, NEAR_RATIO = 7, 1.4
"""A blow on file within half a year, and an income so near the line that offices look at it."""
PLAIN = (
    "n_support_active", "n_support_undelivered", "n_support_ended_12m", "has_public_post", "has_industry_support", "n_times_monitored",
    "n_disasters_24m", "house_damaged_24m", "n_area_hazards_12m", "n_jobs_ended_3m", "n_out_of_work_12m", "n_unemployed", "n_away",
    "out_of_pocket_3m_line_ratio", "out_of_pocket_12m_line_ratio", "n_inpatient_12m", "n_seriously_ill", "n_members", "n_children", "n_old",
    "n_full_labour", "n_weak_labour", "n_students", "resettled", "ex_poor", "n_signals_3m", "risk_confirmed_12m", "n_guarantee_signals_12m",
)  # fmt: skip
"""Facts taken as they are."""


def facts_of(table: pd.DataFrame) -> dict[str, FloatArray]:
    """Numbers by name, (n,) each, of the rows of a snapshot; NaN where a fact is unknown, and none that the snapshot lacks."""
    line = table["line_cny_year"].to_numpy(np.float64, copy=True)
    line[line <= 0] = np.nan
    ratio: FloatArray = table["net_head_cny_year"].to_numpy(np.float64) / line
    facts: dict[str, FloatArray] = _steps("ratio", ratio, RATIO_STEPS)
    facts["ratio_unknown"] = np.isnan(ratio).astype(np.float64)
    facts["monitored"] = np.asarray(table["stratum"] == "monitored", dtype=np.float64)
    for name in (n for n in SINCE if n in table):
        facts |= _steps(name, table[name].to_numpy(np.float64), MONTHS_STEPS)
    facts |= {name: table[name].to_numpy(np.float64) for name in PLAIN if name in table}
    return facts | _together(table, low=np.asarray(ratio < NEAR_RATIO), monitored=facts["monitored"] == 1)


def _together(table: pd.DataFrame, *, low: NDArray[np.bool_], monitored: NDArray[np.bool_]) -> dict[str, FloatArray]:
    """Facts that count otherwise together: offices help by one rule for the once poor, another for the struck and the monitored.

    A sum of log-odds cannot say that a blow makes help likelier for most and, where another rule takes over, rarer for those already near
    the line. Who falls was mostly struck: without these, the weights of those who fell are too large.
    """
    found = {"low_and_monitored": low & monitored}
    kinds = [table[name].to_numpy(np.float64) < STRUCK_MONTHS for name in STRUCK if name in table]
    if kinds:
        struck = np.logical_or.reduce(kinds)
        found |= {"struck": struck, "low_and_struck": low & struck}
    if "ex_poor" in table:
        poor = low & (table["ex_poor"].to_numpy(np.float64) == 1)
        found |= {"low_and_ex_poor": poor, "low_ex_poor_and_monitored": poor & monitored}
        found |= {"low_ex_poor_and_struck": poor & found["struck"]} if kinds else {}
    return {name: flag.astype(np.float64) for name, flag in found.items()}


def facts_at(
    households: NDArray[np.int64], months: NDArray[np.int64], *, ends: Sequence[dt.date], snapshots: SnapshotMaker
) -> tuple[FloatArray, list[str]]:
    """Facts of households at month ends, (m, p) and their names; all NaN for one that the month's snapshot does not have.

    Parameters
    ----------
    households, months
        (m,) household and position of its month within `ends`.
    """
    import pandas as pd

    matrix: FloatArray | None = None
    names: list[str] = []
    for k, end in enumerate(ends):
        at = np.flatnonzero(months == k)
        if not len(at):
            continue
        table = snapshots(end).frame()
        facts = facts_of(table) | _season(end, len(table))
        if matrix is None:
            names = list(facts)
            matrix = np.full((len(households), len(names)), np.nan)
        place = pd.Index(table["household_id"].to_numpy()).get_indexer(households[at])
        found = place >= 0
        matrix[at[found]] = np.column_stack([facts[name] for name in names])[place[found]]
    return (np.empty((0, 0)) if matrix is None else matrix), names


def _season(end: dt.date, n: int) -> dict[str, FloatArray]:
    """Year and quarter of the month to come: offices' means differ from year to year."""
    return {
        "year": np.full(n, float(end.year)),
        **{f"quarter_{q}": np.full(n, float((end.month % 12) // 3 == q)) for q in (1, 2, 3)},
    }


def _steps(name: str, values: FloatArray, bounds: Sequence[float]) -> dict[str, FloatArray]:
    """One flag per bound: under it. NaN is under none."""
    return {f"{name}<{bound:g}": (values < bound).astype(np.float64) for bound in bounds}
