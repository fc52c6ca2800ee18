"""LEAK006: outcomes of training that were still open when the test began: the same households' same months on both sides."""

from __future__ import annotations

import datetime as dt

from returnrisk.leakage.panel import Panel, training_days
from returnrisk.leakage.result import Finding
from returnrisk.outcomes import closing_delay
from returnrisk.timeline import add_months, matured


def overlapping_windows(panel: Panel) -> Finding:
    """LEAK006."""
    horizon = panel.spec.outcome.horizon_months
    delay = closing_delay(panel.store.as_of(panel.known_on), spec=panel.spec.outcome)
    split = panel.split
    pairs = [
        (name, day, min(later))
        for name, days, later in (
            ("fit before calibration", split.fit, split.calibrate),
            ("training before test", training_days(split), split.test),
        )
        for day in days
        if not matured(day, known_on=min(later), horizon_months=horizon, delay_days=delay)
    ]
    threshold = f"0; embargo of {horizon} months and {delay} days"
    if strangers := panel.strangers():
        return Finding(
            "LEAK006", "problem", "the snapshot of a day holds households more than once, or rows of another day; the other checks left these rows out",
            what=tuple(str(day) for day in strangers), measured=f"{sum(strangers.values())} rows", threshold=threshold,
        )  # fmt: skip
    if not pairs:
        gap = min(min(split.test) - add_months(day, horizon) for day in training_days(split))
        return Finding(
            "LEAK006", "fine", "every training outcome had closed, reports in, before the test began",
            measured=f"closest training window ended {gap.days} days before the test", threshold=threshold,
        )  # fmt: skip
    figures, total = [], 0
    for name, day, later in pairs:
        shared = _shared(panel, day, later)
        figures.append({"what": f"{day} / {later}", "measure": f"household-windows, {name}", "value": shared})
        total += shared
    return Finding(
        "LEAK006", "problem",
        "outcomes learnt from were still open on the first day they are tested on: the same months of the same villages on both sides",
        what=tuple(str(f["what"]) for f in figures), measured=f"{total} household-windows", threshold=threshold, figures=tuple(figures),
    )  # fmt: skip


def _shared(panel: Panel, day: dt.date, later: dt.date) -> int:
    """Households of `later` that were there on `day`, under their own number or, merged or split since, as members of another."""
    left, right = (panel.made(on).frame()["household_id"] for on in (day, later))
    roster = panel.store.as_of(panel.known_on).table("household_roster")
    spells = roster.select("household_id", "person_id").distinct().to_pandas()
    people = spells.loc[spells["household_id"].isin(left), "person_id"]
    related = spells.loc[spells["person_id"].isin(people), "household_id"]
    return int((right.isin(left) | right.isin(related)).sum())
