"""Falling below the line and staying below it: `fall`, `entry`, `relapse`, `persistence`.

Estimand of `fall`. On `as_of`, a household is **at risk** when its register net income per head over the latest closed window is at
or above the line and it is not under monitoring. Event, by the specification: `first`: below the line then in force on at least one
settlement day in (as_of, as_of + horizon]; `at_end`: below it on the last of them. Income and the line are those the label's view
knows.

`entry` and `relapse` are `fall` on those who were never, and who were, registered as poor, monitored, or seen below the line on any
settlement day before the latest window's end, as far back as the ledger reaches.

`persistence`: at risk are the unmonitored households below the line on `as_of`; event: below it on the last settlement day
(`at_end`), or on every one (`every`), of the horizon. It says who needs lasting help, and nothing about falling.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from returnrisk.accounts import register_net
from returnrisk.config import OutcomeSpec
from returnrisk.outcomes.labels import Labels, label_days, labels_from
from returnrisk.store.view import View

if TYPE_CHECKING:
    import pandas as pd


def fall_labels(at_risk: pd.DataFrame, *, as_of: dt.date, known: View, spec: OutcomeSpec) -> Labels:
    """Whether the households at risk on `as_of` were below the line on the days that decide, as known to the view `known`.

    Parameters
    ----------
    at_risk
        Column household_id; one row per household at risk on `as_of`.
    known
        The view whose day says how much of the future has closed: nothing learnt after it enters.

    Returns
    -------
    Labels
        One row per household of `at_risk`.
    """
    days = label_days(as_of, spec=spec)
    seen = None
    if days[-1] <= known.last_closed_on("income"):
        account = register_net(known, ends=days, window=spec.window, min_months=spec.min_months)
        seen = account.select("household_id", "ending_on", happened=account.below)
    return labels_from(at_risk, seen, as_of=as_of, n_days=len(days), every=spec.rule == "every")
