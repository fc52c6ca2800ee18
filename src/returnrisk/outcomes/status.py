"""Who is where on a day: the account's path, and the stratum of every household that has a member.

On a day every household with a member belongs to exactly one stratum: `monitored` · `not_computable` (too few delivered months, or
no line; stays eligible for visits) · `below_line` (unmonitored and already below: a must-visit, no fall to predict) · `at_risk`.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from returnrisk.accounts import population, register_net
from returnrisk.config import OutcomeSpec
from returnrisk.store.view import View
from returnrisk.timeline import add_months, months_between, settlement_days

if TYPE_CHECKING:
    import ibis.expr.types as ir

HISTORY_LAGS_MONTHS = (3, 6, 9, 12, 15, 18, 21, 24)
"""Months before the latest window's end at which the account is looked at again (quarter steps, two years)."""


def account_end(view: View, *, spec: OutcomeSpec) -> dt.date:
    """Last day of the latest window the account can be looked at on the view's day.

    The latest closed month; for an income-year window, which is whole only when it is settled, the latest closed settlement day.
    """
    latest = view.last_closed_on("income")
    if spec.window.kind == "trailing":
        return latest
    return settlement_days(add_months(latest, -12), horizon_months=12, settlement=spec.settlement)[-1]


def account_path(view: View, *, spec: OutcomeSpec, lags: tuple[int, ...] = HISTORY_LAGS_MONTHS) -> ir.Table:
    """The account now and at earlier settlement days, as known now.

    Returns
    -------
    Ibis table: columns of `register_net` plus `lag_months` (0 for the latest closed window) and `settled` (as many delivered months
    as a settlement needs), one row per household and lag. `computable` and the figures per head need `partial_months` only; `below`
    is NULL where not settled.
    """
    import ibis

    now = account_end(view, spec=spec)
    ends = {lag: add_months(now, -lag) for lag in (0, *lags)}
    enough = min(spec.partial_months, spec.min_months)
    path = register_net(view, ends=list(ends.values()), window=spec.window, min_months=enough)
    cases = [(path.ending_on == ibis.literal(end), ibis.literal(lag, "int16")) for lag, end in ends.items()]
    settled = path.computable & (path.months_delivered >= spec.min_months)
    return path.mutate(lag_months=ibis.cases(*cases), settled=settled, below=ibis.cases((settled, path.below)))


def settlement_history(view: View, *, spec: OutcomeSpec) -> list[dt.date]:
    """Settlement days on file before the latest window's end, earliest first; the first is the first with a whole window."""
    first = view.table("income").period_start.min().to_pyarrow().as_py()
    if first is None:
        return []
    now = account_end(view, spec=spec)
    span = max(12, months_between(first, now) + 1)
    days = settlement_days(first - dt.timedelta(days=1), horizon_months=span, settlement=spec.settlement)
    return [day for day in days if day < now and spec.window.bounds(day)[0] >= first]


def below_before(view: View, *, spec: OutcomeSpec) -> ir.Table:
    """Households seen below the line on a settlement day before the latest window's end, as known now: household_id, each once."""
    days = settlement_history(view, spec=spec)
    if not days:
        return view.table("household").select("household_id").limit(0)
    past = register_net(view, ends=days, window=spec.window, min_months=spec.min_months)
    return past.filter(past.below).select("household_id").distinct()


def strata(view: View, path: ir.Table, *, spec: OutcomeSpec) -> ir.Table:
    """The stratum of every household that has a member on the view's day.

    Parameters
    ----------
    path
        `account_path` of the same view and specification.

    Returns
    -------
    Ibis table, one row per household: household_id, village_code, stratum, seen_below (bool: registered, monitored or seen below
    the line before; the relapse population), net_head_cny_year, line_cny_year, account_on (last day of the account's window).
    """
    import ibis

    people = population(view, [view.day]).select("household_id", "village_code")
    now = path.filter(path.lag_months == 0).select("household_id", "settled", "below", "net_head_cny_year", "line_cny_year")
    before = below_before(view, spec=spec).mutate(below_before=True)
    cases = view.table("monitoring")
    watched = cases.group_by("household_id").agg(
        is_monitored=(cases.eliminated_on.isnull() | (cases.eliminated_on > ibis.literal(view.day))).any(), was_monitored=True
    )
    registered = view.table("household").select("household_id", ex_poor=lambda t: t.registered_type == "ex_poor")
    joined = people
    for right in (now, before, watched, registered):
        joined = joined.left_join(right, "household_id").drop("household_id_right")
    t = joined.mutate(
        is_monitored=joined.is_monitored.fill_null(False),
        settled=joined.settled.fill_null(False),
        seen_below=joined.ex_poor.fill_null(False) | joined.was_monitored.fill_null(False) | joined.below_before.fill_null(False),
    )
    stratum = ibis.cases((t.is_monitored, "monitored"), (~t.settled, "not_computable"), (t.below, "below_line"), else_="at_risk")
    return t.select(
        "household_id",
        "village_code",
        "seen_below",
        "net_head_cny_year",
        "line_cny_year",
        stratum=stratum,
        account_on=path.ending_on.max(where=path.lag_months == 0).as_scalar(),
    )
