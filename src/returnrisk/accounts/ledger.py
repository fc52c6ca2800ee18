"""The ledger's rows that count in a window, one by one and summed: what every account is made of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from returnrisk.accounts.months import delivered_inside, window_frame
from returnrisk.accounts.residents import stays, young
from returnrisk.store.view import View
from returnrisk.timeline import Window

if TYPE_CHECKING:
    import ibis.expr.types as ir

SOURCES = ("operating", "wage", "property", "transfer", "unallocated")
AMOUNTS = ("net_cny", "gross_cny", *(f"net_{source}_cny" for source in SOURCES))
"""Columns of a window's sums."""
MOST_WINDOWS = 60
"""Windows of which a whole number can hold a set, one binary digit each."""


def window_income(view: View, *, ends: Sequence[dt.date], window: Window) -> ir.Table:
    """Income rows that lie wholly inside each window, with the window's `ending_on`: the account before it is summed.

    Rows of a month that the delivery register does not have for the household's township, or from before its present stay, are left
    out: their month is not counted in the scaling either, so that sum and months always speak of the same time.
    """
    windows = window_frame(ends, window=window)
    classes = _classes(view, windows)
    counted = _counted_periods(view, windows, classes)
    rows = _placed_income(view, classes, ends=ends, window=window).inner_join(counted, ["slot", "period_start", "period_end"])
    return rows.drop("class_id", "slot").mutate(net_cny=rows.gross_cny - rows.cost_cny)


def window_sums(view: View, *, ends: Sequence[dt.date], window: Window) -> ir.Table:
    """The rows of `window_income`, summed: household_id, ending_on, gross_cny, net_cny, net_<source>_cny (decimals)."""
    import ibis

    days = sorted(set(ends))
    if len(days) > MOST_WINDOWS:
        parts = (days[i : i + MOST_WINDOWS] for i in range(0, len(days), MOST_WINDOWS))
        return ibis.union(*(window_sums(view, ends=part, window=window) for part in parts))
    windows = window_frame(days, window=window)
    classes = _classes(view, windows)
    counted = _counted_periods(view, windows, classes)
    digits = ibis.memtable(
        [{"ending_on": day, "digit": 2**k} for k, day in enumerate(days)], schema={"ending_on": "date", "digit": "int64"}
    )
    # a period counts in several windows: the ledger is added up once, by the set of windows a row counts in, and then the few sums are
    sets = counted.inner_join(digits, "ending_on").group_by("slot", "period_start", "period_end").agg(held=lambda t: t.digit.sum())
    sets = sets.mutate(held=sets.held.cast("int64"))
    rows = _placed_income(view, classes, ends=days, window=window).inner_join(sets, ["slot", "period_start", "period_end"])
    rows = rows.mutate(net_cny=rows.gross_cny - rows.cost_cny)
    sums = {f"net_{s}_cny": rows.net_cny.sum(where=rows.source == s) for s in SOURCES}
    sums |= {"net_cny": rows.net_cny.sum(), "gross_cny": rows.gross_cny.sum()}
    # such a sum fits where an amount fits, and narrow decimals add up several times faster
    parts = rows.group_by("household_id", "held").agg(**{name: total.cast("decimal(18,2)") for name, total in sums.items()})
    held = sets.select("held").distinct()
    held = held.join(digits, (held.held & digits.digit) != 0).drop("digit")
    whole = parts.inner_join(held, "held")
    return whole.group_by("household_id", "ending_on").agg(**{name: whole[name].sum() for name in sums})


def kept_periods(view: View) -> AbstractContextManager[None]:
    """While it lasts, the ledger's periods are looked up once: for a caller that looks at many windows of one view."""
    return view.kept("income_periods", lambda: _periods(view))


def ledger_periods(view: View) -> ir.Table:
    """The ledger's different periods, few beside its rows: period_start, period_end."""
    return view.derived("income_periods", lambda: _periods(view))


def _periods(view: View) -> ir.Table:
    return view.table("income").select("period_start", "period_end").distinct()


def _classes(view: View, windows: ir.Table) -> ir.Table:
    """Households by what decides which of their months count: household_id, township_code, class_id.

    Those of a township that have lived there ever since, or whose only stay among the windows began on the same day, are one class;
    a household that came back more than once is a class of its own.
    """
    import ibis

    begun = stays(view)
    among = windows.aggregate(first=windows.starts_on.min(), last=windows.ending_on.max())
    late = begun.cross_join(among).filter(lambda t: (t.begun_on > t.first) & (t.begun_on <= t.last))
    late = late.group_by("household_id").agg(n_stays=late.count(), begun_on=late.begun_on.max())
    homes = view.table("household").select("household_id", township_code=lambda t: t.village_code // 1000)
    t = homes.left_join(late, "household_id").drop("household_id_right")
    begun_day = (t.begun_on.year() * 12 + t.begun_on.month()) * 31 + t.begun_on.day()
    alike = t.township_code * 10**7 + begun_day.fill_null(0)
    return t.select(
        "household_id", "township_code", class_id=ibis.cases((t.n_stays > 1, -1 - t.household_id), else_=alike).cast("int64")
    )


def _counted_periods(view: View, windows: ir.Table, classes: ir.Table) -> ir.Table:
    """Which of the ledger's periods count in which window, by class: slot (see `_slot`), period_start, period_end, ending_on."""
    periods = ledger_periods(view)
    held = periods.join(windows, [periods.period_start >= windows.starts_on, periods.period_end <= windows.ending_on])
    held = held.mutate(month_on=held.period_start.truncate("M")).drop("starts_on")
    arrived = held.inner_join(delivered_inside(view, windows), ["ending_on", "month_on"])
    # one household stands for its class
    one = classes.group_by("class_id", "township_code").agg(household_id=classes.household_id.min())
    of_class = one.inner_join(arrived, "township_code")
    t = of_class.left_join(young(view, windows), ["household_id", "ending_on"])
    t = t.filter(t.known_from.isnull() | (t.month_on >= t.known_from))
    return t.select("period_start", "period_end", "ending_on", slot=_slot(t))


def _placed_income(view: View, classes: ir.Table, *, ends: Sequence[dt.date], window: Window) -> ir.Table:
    """Income rows between the first and the last day of the windows, with their household's class."""
    import ibis

    income = view.table("income")
    first, last = min(window.bounds(end)[0] for end in ends), max(ends)
    # as constants: the engine then takes no more of the ledger than the windows hold
    rows = income.filter((income.period_start >= ibis.literal(first)) & (income.period_end <= ibis.literal(last)))
    placed = rows.inner_join(classes.select("household_id", "class_id"), "household_id")
    return placed.mutate(slot=_slot(placed))


def _slot(rows: ir.Table) -> Any:
    """A key over household and period: the engine then joins the many rows last, instead of every household with every period."""
    return rows.class_id + rows.period_start.month()
