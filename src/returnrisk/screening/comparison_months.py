"""Last year and this year side by side: which months of the ledger may be compared, township by township.

A month is compared only if it is on file in both years. Months of last year that never came are in neither year's figure; months of this
year that are not on file yet, or never came, are *open*: they are projected. A file of several months (a quarter) is compared as a whole
or not at all. A household younger than the window is compared from the first whole month of its stay.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.accounts import delivered_inside, window_frame, young
from returnrisk.policy import Policy
from returnrisk.store.view import View
from returnrisk.timeline import IncomeYear, Window, add_months, months_between

if TYPE_CHECKING:
    import ibis.expr.types as ir

Hold = Callable[[str, "ir.Table"], "ir.Table"]
"""Gives a table back, computed once under a name: what is built on it stays small, and small expressions compile fast."""
YEAR = Window("trailing", 12)
TWO_YEARS = Window("trailing", 24)
COMPARED, OPEN, LEFT_OUT = "compared", "open", "left_out"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two years of twelve months: last year ends the day before this one starts; `closed_on` ends the last month whose files were due.

    Examples
    --------
    >>> Comparison.ending(dt.date(2025, 9, 30), closed_on=dt.date(2025, 5, 31)).last_start
    datetime.date(2023, 10, 1)
    """

    last_start: dt.date
    last_end: dt.date
    this_start: dt.date
    this_end: dt.date
    closed_on: dt.date

    @classmethod
    def ending(cls, this_end: dt.date, *, closed_on: dt.date) -> Comparison:
        """The twelve months up to `this_end` and the twelve before."""
        last_end = add_months(this_end, -12)
        return cls(YEAR.bounds(last_end)[0], last_end, YEAR.bounds(this_end)[0], this_end, closed_on)

    @property
    def ends(self) -> list[dt.date]:
        """Last days of the two years."""
        return [self.last_end, self.this_end]


def comparison_on(view: View, *, policy: Policy) -> Comparison:
    """The two years that a screening on the view's day compares: the policy's `income_change_window`.

    `income_year`: the income year of the last closed month and the one before it, so that months are open until it is settled; until
    `same_period_min_months` of it have closed nothing could be told of it, and the year just settled is compared with the one before;
    `trailing_12`: the twelve months up to the last closed month and the twelve before.
    """
    closed_on = view.last_closed_on("income")
    if policy.choice("income_change_window", view.day) == "trailing_12":
        return Comparison.ending(closed_on, closed_on=closed_on)
    found = Comparison.ending(IncomeYear.containing(closed_on).last_day, closed_on=closed_on)
    n_closed = (closed_on.year - found.this_start.year) * 12 + closed_on.month - found.this_start.month + 1
    if n_closed < int(policy.number("same_period_min_months", view.day)):
        return Comparison.ending(found.last_end, closed_on=closed_on)
    return found


def compared_classes(view: View, households: ir.Table, comparison: Comparison) -> ir.Table:
    """Households with what decides which of their months count: class_id and known_from (NULL: before last year) beside their columns."""
    late = young(view, window_frame([comparison.this_end], window=TWO_YEARS)).select("household_id", "known_from")
    t = households.left_join(late, "household_id").drop("household_id_right")
    month = (t.known_from.year() * 12 + t.known_from.month()).fill_null(0)
    return t.mutate(class_id=(t.township_code * 10**5 + month).cast("int64"))


def month_states(view: View, classes: ir.Table, comparison: Comparison) -> ir.Table:
    """What becomes of each month: class_id, slot (0 to 11), state (compared, open, left_out), last_arrived (whether last year's came at all)."""
    import ibis

    slots = [
        {"slot": k, "last_on": add_months(comparison.last_start, k), "this_on": add_months(comparison.this_start, k)}
        for k in range(12)
    ]
    months = ibis.memtable(slots, schema={"slot": "int64", "last_on": "date", "this_on": "date"})
    arrived = delivered_inside(view, window_frame(comparison.ends, window=YEAR)).select("township_code", "month_on").distinct()
    arrived = arrived.filter(arrived.month_on <= ibis.literal(comparison.closed_on)).mutate(is_there=True)
    kinds = classes.select("class_id", "township_code", "known_from").distinct()
    t = kinds.cross_join(months)
    for year in ("last", "this"):
        came = arrived.select("township_code", month_on="month_on", is_there="is_there")
        t = t.left_join(came, [t.township_code == came.township_code, t[f"{year}_on"] == came.month_on])
        known = t.known_from.isnull() | (t[f"{year}_on"] >= t.known_from)
        t = t.mutate(**{f"{year}_arrived": t.is_there.fill_null(False), f"{year}_there": t.is_there.fill_null(False) & known})
        t = t.drop("is_there", "month_on", "township_code_right")
    t = t.left_join(_pieces(view, months.select("slot"), comparison), ["township_code", "slot"])
    t = t.drop("township_code_right", "slot_right").mutate(piece=lambda t: t.piece.fill_null(t.slot))
    whole = ibis.window(group_by=[t.class_id, t.piece])
    is_last = t.last_there.cast("int8").min().over(whole) == 1
    is_both = (t.last_there & t.this_there).cast("int8").min().over(whole) == 1
    return t.select("class_id", "slot", "last_arrived", state=ibis.cases((is_both, COMPARED), (is_last, OPEN), else_=LEFT_OUT))


def _pieces(view: View, slots: ir.Table, comparison: Comparison) -> ir.Table:
    """Months that came together in a file of either year belong to one piece: township_code, slot, piece."""
    import ibis

    files = view.delivered("income").select("township_code", "period_start", "period_end").distinct()
    blocks = _slots_of(files, comparison)
    by_township = blocks.select("township_code").distinct().cross_join(slots)
    long = blocks.filter(blocks.first_slot < blocks.last_slot)
    # a month is tied to the one before it if a file holds both
    tied = by_township.left_join(
        long,
        [by_township.township_code == long.township_code, long.first_slot < by_township.slot, long.last_slot >= by_township.slot],
    )
    ties = tied.group_by("township_code", "slot").agg(is_tied=tied.first_slot.count() > 0)
    running = ibis.cumulative_window(group_by=ties.township_code, order_by=ties.slot)
    return ties.select("township_code", "slot", piece=(~ties.is_tied).cast("int64").sum().over(running))


def _slots_of(periods: ir.Table, comparison: Comparison) -> ir.Table:
    """Periods that lie wholly inside one of the two years, with first_slot, last_slot and is_this."""
    import ibis

    def inside(first: dt.date, last: dt.date) -> Any:
        return (periods.period_start >= ibis.literal(first)) & (periods.period_end <= ibis.literal(last))

    is_last, is_this = inside(comparison.last_start, comparison.last_end), inside(comparison.this_start, comparison.this_end)
    t = periods.mutate(is_this=is_this).filter(is_last | is_this)
    origin = comparison.last_start.year * 12 + comparison.last_start.month
    shift = t.is_this.cast("int64") * months_between(comparison.last_start, comparison.this_start)
    return t.mutate(
        first_slot=t.period_start.year() * 12 + t.period_start.month() - origin - shift,
        last_slot=t.period_end.year() * 12 + t.period_end.month() - origin - shift,
    )


def period_states(view: View, states: ir.Table, comparison: Comparison) -> ir.Table:
    """What becomes of the ledger's periods: class_id, period_start, period_end, is_this, state (compared or open, the others left away).

    A period is compared if all its months are, and open if all are on file last year.
    """
    import ibis

    periods = _slots_of(view.table("income").select("period_start", "period_end").distinct(), comparison)
    t = periods.join(states, [periods.first_slot <= states.slot, periods.last_slot >= states.slot])
    whole = t.group_by("class_id", "period_start", "period_end", "is_this").agg(
        n=t.count(), n_compared=t.count(where=t.state == COMPARED), n_left_out=t.count(where=t.state == LEFT_OUT)
    )
    state = ibis.cases((whole.n == whole.n_compared, COMPARED), (whole.n_left_out == 0, OPEN))
    t = whole.mutate(state=state).filter(lambda t: t.state.notnull() & ((t.state == COMPARED) | ~t.is_this))
    return t.select("class_id", "period_start", "period_end", "is_this", is_compared=t.state == COMPARED)


def month_counts(states: ir.Table) -> ir.Table:
    """Months by class: class_id, months_last (of last year in the comparison), months_same (compared), months_arrived (of last year)."""
    return states.group_by("class_id").agg(
        months_last=states.count(where=states.state != LEFT_OUT),
        months_same=states.count(where=states.state == COMPARED),
        months_arrived=states.count(where=states.last_arrived),
    )
