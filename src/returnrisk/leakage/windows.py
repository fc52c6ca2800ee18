"""LEAK006: outcomes of training that were still open when the test began: the same households' same months on both sides."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING

from returnrisk.leakage.panel import Panel
from returnrisk.leakage.result import Finding
from returnrisk.outcomes import closing_delay
from returnrisk.timeline import add_months, matured

if TYPE_CHECKING:
    import pandas as pd


def overlapping_windows(panel: Panel) -> Finding:
    """LEAK006."""
    horizon = panel.spec.outcome.horizon_months
    delay = closing_delay(panel.store.as_of(panel.known_on), spec=panel.spec.outcome)
    split = panel.split
    pairs = [
        (name, day, min(later))
        for name, days, later in (
            ("fit before calibration", split.fit, split.calibrate),
            ("training before test", sorted({*split.fit, *split.calibrate, *split.refit}), split.test),
        )
        for day in days
        if not matured(day, known_on=min(later), horizon_months=horizon, delay_days=delay)
    ]
    threshold = f"0; embargo of {horizon} months and {delay} days"
    if strangers := _rows_of_other_days(panel):
        return Finding(
            "LEAK006", "problem", "the snapshot of a day holds households more than once, or rows of another day",
            what=tuple(str(day) for day in strangers), measured=f"{sum(strangers.values())} rows", threshold=threshold,
        )  # fmt: skip
    if not pairs:
        gap = min(min(split.test) - add_months(day, horizon) for day in (*split.fit, *split.calibrate, *split.refit))
        return Finding(
            "LEAK006", "fine", "every training outcome had closed, reports in, before the test began",
            measured=f"closest training window ended {gap.days} days before the test", threshold=threshold,
        )  # fmt: skip
    figures, total = [], 0
    for name, day, later in pairs:
        shared = _shared(panel.made(day).frame(), panel.made(later).frame())
        figures.append({"what": f"{day} / {later}", "measure": f"household-windows, {name}", "value": shared})
        total += shared
    return Finding(
        "LEAK006", "problem" if total else "fine",
        "outcomes learnt from were still open on the first day they are tested on: the same months of the same households on both sides",
        what=tuple(str(f["what"]) for f in figures), measured=f"{total} household-windows", threshold=threshold, figures=tuple(figures),
    )  # fmt: skip


def _shared(left: pd.DataFrame, right: pd.DataFrame) -> int:
    return int(left["household_id"].isin(right["household_id"]).sum())


def _rows_of_other_days(panel: Panel) -> dict[dt.date, int]:
    import pandas as pd

    days: Iterable[dt.date] = panel.days_made()
    tables = {day: panel.made(day).frame() for day in days}
    counts = {day: int(((t["as_of"] != pd.Timestamp(day)) | t["household_id"].duplicated()).sum()) for day, t in tables.items()}
    return {day: n for day, n in counts.items() if n}
