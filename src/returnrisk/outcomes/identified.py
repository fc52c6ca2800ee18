"""`identified`: the offices put the household under monitoring within the horizon. What offices did, not who was in need.

Identification follows quotas, visits and reports: a household that nobody visits is not identified. A model of it tells where the
present way of working will look; as a measure of need it would repeat what that way misses. It must never order visits.

At risk: every household that is not monitored on `as_of`, whatever its income. Event: a case with identified_on in (as_of, end of
the horizon], as known to the label's view. Not computable: no member at the end, or fewer monthly files of the monitoring register
in the horizon than `min_months` (all of them, if the horizon is shorter).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from returnrisk.accounts import delivered_months, population
from returnrisk.config import OutcomeSpec
from returnrisk.outcomes.labels import Labels, labels_from
from returnrisk.store.view import View
from returnrisk.timeline import add_months, month_end, month_start, months_between

if TYPE_CHECKING:
    import pandas as pd


def identified_labels(at_risk: pd.DataFrame, *, as_of: dt.date, known: View, spec: OutcomeSpec) -> Labels:
    """What became of the households at risk on `as_of`, as known to the view `known` (arguments as in `fall_labels`)."""
    import ibis

    end = add_months(as_of, spec.horizon_months)
    if end > known.last_closed_on("monitoring"):
        return labels_from(at_risk, None, as_of=as_of, n_days=1)
    cases = known.table("monitoring")
    inside = cases.filter((cases.identified_on > ibis.literal(as_of)) & (cases.identified_on <= ibis.literal(end)))
    first = inside.group_by("household_id").agg(identified_on=inside.identified_on.min())
    homes = population(known, [end])
    homes = homes.mutate(township_code=homes.village_code // 1000)
    starts_on = month_start(as_of + dt.timedelta(days=1))
    window = ibis.memtable(
        [{"ending_on": month_end(end), "starts_on": starts_on}], schema={"ending_on": "date", "starts_on": "date"}
    )
    months = delivered_months(known, window, table="monitoring")
    needed = min(spec.min_months, months_between(starts_on, end) + (end == month_end(end)))
    reported = months.filter(months.months_delivered >= needed).select("township_code", is_reported=True)
    t = homes.left_join(first, "household_id").drop("household_id_right")
    t = t.left_join(reported, "township_code").drop("township_code_right")
    happened = ibis.cases((t.is_reported.fill_null(False), t.identified_on.notnull()))
    seen = t.select("household_id", ending_on=ibis.coalesce(t.identified_on, t.ending_on), happened=happened)
    return labels_from(at_risk, seen, as_of=as_of, n_days=1)
