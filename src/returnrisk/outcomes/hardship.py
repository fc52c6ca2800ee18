"""Hardship (支出型困难, 突发严重困难): income after rigid expenditure, collapse of income, surge of expenditure. Never a fall.

Rigid expenditure of a window is what the civil affairs office put on file for it (care, schooling, disaster, accident, other) plus
illness: the larger of the office's own figure and the out-of-pocket claims of those who lived in the household on the day of
treatment. The same bills reach both offices, so they are never added. Both parts are scaled by their delivered months, as income is.

Estimands, one specification each (`hardship.event`), looked at on the settlement days of the horizon as known to the label's view:

- `net_of_rigid`: (net income − rigid expenditure) per head is below `line_ratio` times the line then in force.
- `collapse`: net income per head is at least `collapse_share` lower than in the window that ended twelve months before. Not
  computable where that earlier income was not positive.
- `surge`: rigid expenditure is more than `surge_share` of net income (any at all, where there was no net income).

At risk: every household that is not monitored, whatever its income, for which the same event can be computed on `as_of` and had not
happened already. Income may be above the line all the time: that is what these outcomes are for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from returnrisk.accounts import claims_of_households, delivered_months, register_net, window_frame
from returnrisk.config import OutcomeSpec
from returnrisk.outcomes.labels import Labels, label_days, labels_from
from returnrisk.outcomes.status import account_end
from returnrisk.store.view import View
from returnrisk.timeline import add_months

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

RIGID_TABLES = ("expense", "medical")


def closing_tables(spec: OutcomeSpec) -> tuple[str, ...]:
    """Tables whose reports must be in before a settlement day is closed."""
    return ("income",) if spec.hardship.event == "collapse" else ("income", *RIGID_TABLES)


def hardship_seen(view: View, *, ends: Sequence[dt.date], spec: OutcomeSpec) -> ir.Table:
    """Whether the hardship of the specification is there at each window end.

    Returns
    -------
    Ibis table, one row per household with members on `ending_on`: household_id, ending_on, happened (NULL: not computable).
    """
    return _collapse(view, ends, spec) if spec.hardship.event == "collapse" else _burden(view, ends, spec)


def hardship_at_risk(table: pd.DataFrame, *, view: View, spec: OutcomeSpec) -> pd.Series:
    """Which rows of a snapshot are at risk: unmonitored, computable, and the event has not happened already."""
    end = account_end(view, spec=spec)
    while end > min(view.last_closed_on(name) for name in closing_tables(spec)):
        end = add_months(end, -1)
    seen = hardship_seen(view, ends=[end], spec=spec)
    free = seen.filter(~seen.happened).select("household_id").to_pandas()["household_id"]
    at_risk: pd.Series = (table["stratum"] != "monitored") & table["household_id"].isin(free)
    return at_risk


def hardship_labels(at_risk: pd.DataFrame, *, as_of: dt.date, known: View, spec: OutcomeSpec) -> Labels:
    """What became of the households at risk on `as_of`, as known to the view `known` (arguments as in `fall_labels`)."""
    days = label_days(as_of, spec=spec)
    closed = all(days[-1] <= known.last_closed_on(name) for name in closing_tables(spec))
    seen = hardship_seen(known, ends=days, spec=spec) if closed else None
    return labels_from(at_risk, seen, as_of=as_of, n_days=len(days))


def _collapse(view: View, ends: Sequence[dt.date], spec: OutcomeSpec) -> ir.Table:
    import ibis

    before = {end: add_months(end, -12) for end in ends}
    account = register_net(view, ends=[*before, *before.values()], window=spec.window, min_months=spec.min_months)
    heads = account.select("household_id", "ending_on", head_cny=account.net_head_cny_year)
    later = ibis.memtable(
        [{"ending_on": end, "before_on": earlier} for end, earlier in before.items()],
        schema={"ending_on": "date", "before_on": "date"},
    )
    now = heads.inner_join(later, "ending_on")
    earlier = heads.select("household_id", before_on="ending_on", head_before_cny="head_cny")
    t = now.left_join(earlier, ["household_id", "before_on"])
    known = t.head_cny.notnull() & (t.head_before_cny > 0)
    happened = ibis.cases((known, t.head_cny <= t.head_before_cny * (1 - spec.hardship.collapse_share)))
    return t.select("household_id", "ending_on", happened=happened)


def _burden(view: View, ends: Sequence[dt.date], spec: OutcomeSpec) -> ir.Table:
    import ibis

    account = register_net(view, ends=ends, window=spec.window, min_months=spec.min_months)
    t = account.mutate(township_code=account.village_code // 1000)
    for right, keys in (
        *((_months(view, ends, spec, table=name), ("township_code", "ending_on")) for name in RIGID_TABLES),
        (_expenses(view, ends, spec), ("household_id", "ending_on")),
        (_claims(view, ends, spec), ("household_id", "ending_on")),
    ):
        t = t.left_join(right, list(keys)).drop(*[f"{key}_right" for key in keys])

    def yearly(amount: ir.Column, months: ir.Column) -> ir.Column:
        return amount.cast("float64").fill_null(0.0) * 12 / months.nullif(0)

    illness = ibis.greatest(yearly(t.illness_cny, t.months_expense), yearly(t.claims_cny, t.months_medical))
    rigid = (yearly(t.other_cny, t.months_expense) + illness) / t.n_members
    whole = (t.months_expense >= spec.min_months) & (t.months_medical >= spec.min_months) & t.computable
    if spec.hardship.event == "surge":
        over = rigid > spec.hardship.surge_share * ibis.greatest(t.net_head_cny_year, 0.0)
    else:
        over = t.net_head_cny_year - rigid < t.line_cny_year.cast("float64") * spec.hardship.line_ratio
    return t.select("household_id", "ending_on", happened=ibis.cases((whole.fill_null(False), over)))


def _months(view: View, ends: Sequence[dt.date], spec: OutcomeSpec, *, table: str) -> ir.Table:
    months = delivered_months(view, window_frame(ends, window=spec.window), table=table)
    return months.rename(**{f"months_{table}": "months_delivered"})


def _expenses(view: View, ends: Sequence[dt.date], spec: OutcomeSpec) -> ir.Table:
    windows, e = window_frame(ends, window=spec.window), view.table("expense")
    rows = e.join(windows, [e.period_start >= windows.starts_on, e.period_end <= windows.ending_on])
    ill = rows.kind == "illness"
    return rows.group_by("household_id", "ending_on").agg(
        illness_cny=rows.amount_cny.sum(where=ill), other_cny=rows.amount_cny.sum(where=~ill)
    )


def _claims(view: View, ends: Sequence[dt.date], spec: OutcomeSpec) -> ir.Table:
    windows, c = window_frame(ends, window=spec.window), claims_of_households(view)
    rows = c.join(windows, [c.treated_on >= windows.starts_on, c.treated_on <= windows.ending_on])
    return rows.group_by("household_id", "ending_on").agg(claims_cny=rows.out_of_pocket_cny.sum())
