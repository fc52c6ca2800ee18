"""`guarantee_gap` (两不愁三保障 and water): a guarantee that held on `as_of` is missing on file on a later settlement day.

A register holds states, so the gap is dated by the record: what the offices had on file on each settlement day, by that day. A gap
that nobody wrote down is not seen: the outcome says where a warning will appear, and where nobody looks none does.

Gaps are those of `returnrisk.guarantees`, of the guarantees that the specification watches.

At risk: every household that is not monitored and of which every watched guarantee is known on `as_of` and held. Event: any of them
missing on a settlement day of the horizon (`first`) or on the last (`at_end`). Not computable: on one of the days the household has
no member, or one of them is unknown (an empty cell; no school file of its township within twelve months).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from returnrisk.config import OutcomeSpec
from returnrisk.guarantees import guarantee_gaps
from returnrisk.outcomes.labels import Labels, label_days, labels_from
from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd


def gaps(view: View, *, spec: OutcomeSpec) -> ir.Table:
    """Whether a watched guarantee is missing on the view's day.

    Returns
    -------
    Ibis table, one row per household with a member: household_id, ending_on (the view's day), happened (NULL: not all are known).
    """
    import ibis

    t = guarantee_gaps(view, guarantees=spec.guarantees)
    found = [t[f"gap_{name}"] for name in spec.guarantees]
    known, missing = found[0].notnull(), found[0]
    for column in found[1:]:
        known, missing = known & column.notnull(), missing | column
    return t.select("household_id", ending_on=ibis.literal(view.day), happened=ibis.cases((known, missing)))


def guarantee_at_risk(table: pd.DataFrame, *, view: View, spec: OutcomeSpec) -> pd.Series:
    """Which rows of a snapshot are at risk: unmonitored, every watched guarantee known and held."""
    seen = gaps(view, spec=spec)
    held = seen.filter(~seen.happened).select("household_id").to_pandas()["household_id"]
    at_risk: pd.Series = (table["stratum"] != "monitored") & table["household_id"].isin(held)
    return at_risk


def guarantee_labels(at_risk: pd.DataFrame, *, as_of: dt.date, known: View, spec: OutcomeSpec) -> Labels:
    """What became of the households at risk on `as_of`, as known to the view `known` (arguments as in `fall_labels`)."""
    import ibis

    days = label_days(as_of, spec=spec)
    if days[-1] > known.day:
        return labels_from(at_risk, None, as_of=as_of, n_days=len(days))
    # a view of an earlier day knows less than `known`, never more
    seen = ibis.union(*(gaps(known.store.as_of(day), spec=spec) for day in days))
    return labels_from(at_risk, seen, as_of=as_of, n_days=len(days))
