"""Labels: 1, 0, or missing with the reason; and how events seen on settlement days become one.

A label is missing as `censored` (the last settlement day had not closed by the label's day; events already seen would otherwise
stand without the non-events of the same window) or `not_computable` (on at least one of the days nothing could be said), counted
and never taken for 0. Whether an event was seen on another day does not matter for that: keeping the events and dropping the
non-events of a township with a missing file would select on the outcome.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from returnrisk.config import OutcomeSpec
from returnrisk.timeline import settlement_days

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Labels:
    """Outcome of every at-risk household of one day.

    `.frame()`: one row per at-risk household: household_id, as_of, y (1, 0 or NA), status ("event", "no_event", "censored",
    "not_computable"), event_on (first settlement day with the event, or NaT).
    """

    table: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """The labels."""
        return self.table

    def counts(self) -> pd.Series:
        """Households by status."""
        return self.table["status"].value_counts().sort_index()


def label_days(as_of: dt.date, *, spec: OutcomeSpec) -> list[dt.date]:
    """Settlement days that decide the label of `as_of`, earliest first; with rule "at_end" the last of the horizon alone."""
    days = settlement_days(as_of, horizon_months=spec.horizon_months, settlement=spec.settlement)
    return days[-1:] if spec.rule == "at_end" else days


def labels_from(at_risk: pd.DataFrame, seen: ir.Table | None, *, as_of: dt.date, n_days: int, every: bool = False) -> Labels:
    """Labels of the households at risk.

    Parameters
    ----------
    at_risk
        Column household_id.
    seen
        household_id, ending_on, happened (bool; NULL where it cannot be said), one row per household and day; None while the
        window is open.
    n_days
        On how many days the label rests: a household with fewer answers is not computable.
    every
        The event must have happened on all days (dated on the last); default on any (dated on the first).
    """
    import pandas as pd

    out = at_risk[["household_id"]].sort_values("household_id").reset_index(drop=True)
    out["as_of"] = pd.Timestamp(as_of)
    if seen is None:
        out = out.assign(n_answers=0, n_events=0, event_on=None)
    else:
        day = seen.ending_on.max(where=seen.happened) if every else seen.ending_on.min(where=seen.happened)
        found = seen.group_by("household_id").agg(
            n_answers=seen.happened.count(), n_events=seen.happened.cast("int64").sum(), event_on=day
        )
        out = out.merge(found.to_pandas(), on="household_id", how="left", validate="one_to_one")
    whole = out["n_answers"].fillna(0) == n_days
    event = whole & (out["n_events"].fillna(0) >= (n_days if every else 1))
    out["event_on"] = pd.to_datetime(out["event_on"]).where(event)
    out["status"] = "censored" if seen is None else "not_computable"
    out.loc[whole, "status"] = "no_event"
    out.loc[event, "status"] = "event"
    out["y"] = out["status"].map({"event": 1, "no_event": 0}).astype("Int8")
    return Labels(table=out[["household_id", "as_of", "y", "status", "event_on"]])
