"""The register account: net income of a household over a window, itemised, per head, and against the line then in force.

`register_net` (人均纯收入, the monitoring line's account) = wage + operating + property + transfer − production cost, every item.
Per head = sum / members living in the household on the window's last day. A window with missing deliveries is scaled to a year by
its delivered months; with fewer than `min_months` of them it is *not computable*: never low income, never zero. The months of a
household begin with the first whole month of its present existence: a new or returned household is not poor for want of a past.

Estimand and time basis: the figure is computed from what the view knows; the same window can differ between two views when records
came late. Comparisons with the line are exact (decimals); ratios are float64. Source: DOMAIN §2–3.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from returnrisk.errors import NotEnoughDataError
from returnrisk.store.view import View
from returnrisk.timeline import Window

if TYPE_CHECKING:
    import ibis.expr.types as ir

SOURCES = ("operating", "wage", "property", "transfer", "unallocated")
MOST_WINDOWS = 60
"""Windows of which a whole number can hold a set, one binary digit each."""


def window_frame(ends: Sequence[dt.date], *, window: Window) -> ir.Table:
    """Windows as a table, one row per end: `ending_on` and `starts_on`."""
    import ibis

    if not ends:
        raise NotEnoughDataError("no window to compute an account for")
    rows = [{"ending_on": end, "starts_on": window.bounds(end)[0]} for end in sorted(set(ends))]
    return ibis.memtable(rows, schema={"ending_on": "date", "starts_on": "date"})


def population(view: View, ends: Sequence[dt.date]) -> ir.Table:
    """Households with at least one member on each of the days `ends`.

    Returns
    -------
    Ibis table, one row per household and day: household_id, ending_on, n_members, village_code.
    """
    import ibis

    days = dict(enumerate(sorted(set(ends))))
    spells = view.table("household_roster")

    def living(day: dt.date) -> Any:
        on = ibis.literal(day)
        return (spells.joined_on.isnull() | (spells.joined_on <= on)) & (spells.left_on.isnull() | (spells.left_on >= on))

    # a column for each day, then a row: no spell is repeated for every day it spans. Two spells of one person are one member
    persons = spells.group_by("household_id", "person_id").agg(**{f"lives_{k}": living(day).any() for k, day in days.items()})
    counted = persons.group_by("household_id").agg(**{f"n_{k}": persons[f"lives_{k}"].cast("int64").sum() for k in days})
    t = counted.cross_join(
        ibis.memtable([{"k": k, "ending_on": day} for k, day in days.items()], schema={"k": "int64", "ending_on": "date"})
    )
    n_members = ibis.cases(*((t.k == k, t[f"n_{k}"]) for k in days)).cast("int64")
    present = t.select("household_id", "ending_on", n_members=n_members).filter(lambda t: t.n_members > 0)
    homes = view.table("household").select("household_id", "village_code")
    return present.inner_join(homes, "household_id")


def stays(view: View) -> ir.Table:
    """Unbroken times in which a household had a member, one row each: household_id, begun_on (NULL: from before the register).

    A stay that follows another without a day between is the same one.
    """
    return view.derived("stays", lambda: _stays(view))


def _stays(view: View) -> ir.Table:
    import ibis

    spells = view.table("household_roster").select("household_id", "joined_on", "left_on")
    always = (ibis.literal(dt.date(1, 1, 1)), ibis.literal(dt.date(9999, 12, 30)))
    spells = spells.mutate(joined_on=spells.joined_on.fill_null(always[0]), left_on=spells.left_on.fill_null(always[1]))
    earlier = ibis.window(group_by=spells.household_id, order_by=[spells.joined_on, spells.left_on], preceding=(None, 1))
    t = spells.mutate(left_before=spells.left_on.max().over(earlier))
    begins = t.left_before.isnull() | (t.joined_on > (t.left_before + ibis.interval(days=1)).cast("date"))
    begun = t.filter(begins).select("household_id", begun_on="joined_on")
    return begun.mutate(begun_on=begun.begun_on.nullif(always[0])).distinct()


def young(view: View, windows: ir.Table) -> ir.Table:
    """Households whose present stay began within a window: household_id, ending_on, known_from (first day of its first whole month)."""
    import ibis

    begun = stays(view)
    late = begun.filter(begun.begun_on.notnull())
    inside = late.join(windows, [late.begun_on > windows.starts_on, late.begun_on <= windows.ending_on])
    latest = inside.group_by("household_id", "ending_on").agg(begun_on=inside.begun_on.max())
    whole = (latest.begun_on + ibis.interval(months=1) - ibis.interval(days=1)).cast("date").truncate("M")
    return latest.select("household_id", "ending_on", known_from=whole)


def delivered_inside(view: View, windows: ir.Table, *, table: str = "income") -> ir.Table:
    """Months of each window that arrived in a period lying wholly inside it: township_code, ending_on, month_on, each once.

    A quarter's file that reaches beyond the window counts with none of its months, as its rows do.
    """
    files = view.delivered(table)
    inside = files.join(windows, [files.period_start >= windows.starts_on, files.period_end <= windows.ending_on])
    return inside.select("township_code", "ending_on", "month_on").distinct()


def delivered_months(view: View, windows: ir.Table, *, table: str = "income") -> ir.Table:
    """Number of months of each window that were delivered, by township: township_code, ending_on, months_delivered."""
    months = delivered_inside(view, windows, table=table)
    return months.group_by("township_code", "ending_on").agg(months_delivered=months.count())


def lines_in_force(view: View, households: ir.Table) -> ir.Table:
    """The line of each household and day: the most specific area's latest one that was valid by then.

    Parameters
    ----------
    households
        Table with household_id, village_code and ending_on.

    Returns
    -------
    Ibis table: household_id, ending_on, line_cny_year (NULL where no line was in force).
    """
    at = households.select("household_id", "ending_on", "village_code").distinct()
    lines = _lines_of_places(view, at.select("village_code", "ending_on").distinct())
    return at.left_join(lines, ["village_code", "ending_on"]).select("household_id", "ending_on", "line_cny_year")


def _lines_of_places(view: View, places: ir.Table) -> ir.Table:
    """The line of each village and day of `places` that has one: village_code, ending_on, line_cny_year."""
    import ibis

    line = view.table("line").select("area_code", "valid_from", "line_cny_year")
    village = places.village_code
    candidates = ibis.union(
        *(places.mutate(area_code=village // 10**digits, level=ibis.literal(6 - digits, "int8")) for digits in (0, 3, 6))
    )
    valid = candidates.join(line, ["area_code", candidates.ending_on >= line.valid_from])
    best = ibis.row_number().over(
        ibis.window(group_by=[valid.village_code, valid.ending_on], order_by=[valid.level.desc(), valid.valid_from.desc()])
    )
    return valid.mutate(choice=best).filter(lambda t: t.choice == 0).select("village_code", "ending_on", "line_cny_year")


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
    periods = view.derived("income_periods", lambda: _periods(view))
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


def register_net_items(view: View, *, ends: Sequence[dt.date], window: Window) -> ir.Table:
    """The account, itemised.

    Returns
    -------
    Ibis table, one row per household, window end, source and item: household_id, ending_on, source, item, gross_cny, cost_cny,
    net_cny (CNY of the window, decimals). The net of a household and end adds up to `register_net`'s.
    """
    rows = window_income(view, ends=ends, window=window)
    return rows.group_by("household_id", "ending_on", "source", "item").agg(
        gross_cny=rows.gross_cny.sum(), cost_cny=rows.cost_cny.sum(), net_cny=rows.net_cny.sum()
    )


def _months_of_the_young(view: View, windows: ir.Table) -> ir.Table:
    """Delivered months of each window since a young household's stay began: household_id, ending_on, months_since_new."""
    new = young(view, windows)
    homes = view.table("household").select("household_id", township_code=lambda t: t.village_code // 1000)
    placed = new.inner_join(homes, "household_id")
    months = delivered_inside(view, windows)
    since = placed.left_join(
        months,
        [
            placed.township_code == months.township_code,
            placed.ending_on == months.ending_on,
            placed.known_from <= months.month_on,
        ],
    )
    return since.group_by("household_id", "ending_on").agg(months_since_new=since.month_on.count())


def _places(view: View, windows: ir.Table) -> ir.Table:
    """Delivered months and line of every village and window: village_code, ending_on, months_delivered, line_cny_year."""
    villages = view.table("household").select("village_code", township_code=lambda t: t.village_code // 1000).distinct()
    at = villages.cross_join(windows.select("ending_on"))
    months = delivered_months(view, windows)
    came = at.left_join(months, ["township_code", "ending_on"]).select("village_code", "ending_on", "months_delivered")
    lines = _lines_of_places(view, at.select("village_code", "ending_on"))
    t = came.left_join(lines, ["village_code", "ending_on"])
    return t.select("village_code", "ending_on", "months_delivered", "line_cny_year")


def register_net(view: View, *, ends: Sequence[dt.date], window: Window, min_months: int) -> ir.Table:
    """Net income of every household at each window end, per head and against the line.

    Parameters
    ----------
    view
        What was known on a day.
    ends
        Last days of the windows (month ends).
    window
        Which months each window holds.
    min_months
        Delivered months under which a window is not computable.

    Returns
    -------
    Ibis table, one row per household with members on `ending_on` and window end: household_id, village_code, ending_on, n_members,
    months_delivered, net_cny, net_<source>_cny and gross_cny (CNY of the window, decimals), line_cny_year,
    net_head_cny_year (float64: per head and scaled to twelve months), computable, below (NULL where not computable).
    """
    import ibis

    zero = ibis.literal(0, "decimal(38,2)")
    windows = window_frame(ends, window=window)
    amounts = ["net_cny", "gross_cny", *[f"net_{s}_cny" for s in SOURCES]]
    sums = window_sums(view, ends=ends, window=window)
    joined = (
        population(view, ends)
        .left_join(_places(view, windows), ["village_code", "ending_on"])
        .drop("village_code_right", "ending_on_right")
        .left_join(_months_of_the_young(view, windows), ["household_id", "ending_on"])
        .drop("household_id_right", "ending_on_right")
        .left_join(sums, ["household_id", "ending_on"])
    )
    t = joined.select(
        "household_id",
        "village_code",
        "ending_on",
        "n_members",
        "line_cny_year",
        months_delivered=ibis.coalesce(joined.months_since_new, joined.months_delivered, 0),
        **{name: joined[name].cast("decimal(38,2)").fill_null(zero) for name in amounts},
    )
    computable = (t.months_delivered >= min_months) & t.line_cny_year.notnull()
    yearly = t.net_cny.cast("float64") * 12 / (t.months_delivered * t.n_members).nullif(0)
    # exact: cross-multiplied decimals, so that a household exactly on the line is never below it
    below = t.net_cny * 12 < t.line_cny_year * (t.n_members * t.months_delivered)
    return t.mutate(
        net_head_cny_year=ibis.cases((computable, yearly)), computable=computable, below=ibis.cases((computable, below))
    )
