"""Which rows of a table a fact of an alert rule looks at, and whether all the files that could hold one have come.

Windows of months and years end with the last month whose reports were due (`View.last_closed_on`), so that a table reported 45 days late
is not looked at before it can be there.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Contract
from returnrisk.policy import FactWindow, TableFact, TownshipFact
from returnrisk.store.view import View
from returnrisk.timeline import IncomeYear, add_months, month_end, month_start, months_between

if TYPE_CHECKING:
    import ibis.expr.types as ir

REGISTERS = ("household", "member", "household_roster")
"""Tables with a row for everybody: a missing row or cell is "not known", whatever files came."""
HELD_BETWEEN = {
    "authorisation": ("granted_on", "valid_until"),
    "disability": ("issued_on", "valid_until"),
    "employment": ("started_on", "ended_on"),
    "household_roster": ("joined_on", "left_on"),
    "insurance": ("valid_from", "valid_until"),
    "monitoring": ("identified_on", "eliminated_on"),
    "support": ("started_on", "ended_on"),
}
"""Tables whose rows hold from a day to a day: `now` are those that hold on the day of screening."""


@dataclass(frozen=True, slots=True)
class Span:
    """The days a fact looks at, both inclusive; `starts_on` None: from ever. `closed_on` ends the last month whose files were due."""

    starts_on: dt.date | None
    ends_on: dt.date
    closed_on: dt.date

    @property
    def n_due(self) -> int:
        """Calendar months of the span whose files were due."""
        if self.starts_on is None:
            return 0
        return max(0, months_between(self.starts_on, min(self.ends_on, self.closed_on)) + 1)


def own_date(contract: Contract) -> str | None:
    """The column that dates a row of a table: its recording basis, else its first date that is always there; None: a register."""
    dates = [f.name for f in contract.fields if f.type == "date" and f.required and f.name != "recorded_on"]
    if contract.name in REGISTERS:
        return None
    return contract.recording_basis or (dates[0] if dates else None)


def is_state(contract: Contract) -> bool:
    """Whether a row says how something stands until it changes (a house, a loan), not what happened in a period or on a day."""
    keys = [contract.field(name) for name in contract.key]
    return contract.rhythm != "event" and not any(f.type == "date" or f.pseudonym == "claim" for f in keys)


def span_of(view: View, fact: TableFact) -> Span:
    """The days of a fact on the view's day.

    Whole months for what is added up, counted or compared; where only the presence or the latest state of something is asked, also the
    days since, so that nothing waits for the month to close.
    """
    window, contract, day = fact.window, view.store.contracts[fact.table], view.day
    closed = day if fact.table in REGISTERS else view.last_closed_on(fact.table)
    if window.form == "now":
        periodic = not is_state(contract) and fact.table not in HELD_BETWEEN and own_date(contract) is not None
        return Span(add_months(day, -12) + dt.timedelta(days=1) if periodic else None, day, closed)
    if window.form == "days":
        end = day - dt.timedelta(days=window.skip)
        return Span(end - dt.timedelta(days=window.length - 1), end, closed)
    if window.form == "months":
        last = month_end(add_months(closed, -window.skip))
        since = window.skip == 0 and fact.aggregate in {"exists", "latest"}
        return Span(month_start(add_months(last, 1 - window.length)), day if since else last, closed)
    if window.form == "calendar_month":
        return Span(month_start(closed), min(month_end(closed), day), closed)
    if window.form == "income_year":
        year = IncomeYear.containing(closed)
        return Span(year.first_day, min(year.last_day, day), closed)
    return Span(dt.date(closed.year, 1, 1), min(dt.date(closed.year, 12, 31), day), closed)


def rows_of(view: View, fact: TableFact) -> ir.Table:
    """Rows of the fact's table in its window, with `household_id`.

    A row about a person belongs to the household the person lived in on the row's day (`now`: lives in on the day of screening).
    """
    import ibis

    span, contract = span_of(view, fact), view.store.contracts[fact.table]
    rows = view.table(fact.table)
    date = fact.date or own_date(contract)
    if fact.window.form == "now" and fact.table in HELD_BETWEEN:
        rows = _holding(rows, fact.table, view.day)
    elif date is not None:
        rows = rows.filter(rows[date] <= ibis.literal(span.ends_on))
        if span.starts_on is not None:
            rows = rows.filter(rows[date] >= ibis.literal(span.starts_on))
    if "household_id" in contract.columns:
        return rows
    if fact.table == "member":
        return _states_of_members(view, rows)
    lived_on = ibis.literal(view.day) if fact.window.form == "now" or date is None else rows[date]
    return _in_households(view, rows, lived_on)


def held_on(view: View, table: str, day: dt.date) -> ir.Table:
    """Rows of a table of `HELD_BETWEEN` that held on a day, with the `household_id` in which their person lived then."""
    import ibis

    rows = _holding(view.table(table), table, day)
    return rows if "household_id" in view.store.contracts[table].columns else _in_households(view, rows, ibis.literal(day))


def township_days(view: View, fact: TownshipFact) -> tuple[dt.date, dt.date]:
    """The two days whose counts are compared: the end of the last month whose files were due, and `months` before it."""
    closed = month_end(view.last_closed_on(fact.table))
    return month_end(add_months(closed, -fact.months)), closed


def complete_for_township(view: View, fact: TownshipFact) -> ir.Table:
    """Townships whose files of both months and of those between came, one column: township_code."""
    asked = TableFact(
        table=fact.table,
        per="household",
        aggregate="count",
        column=None,
        where=(),
        window=FactWindow("months", fact.months + 1),
        date=None,
        comparison=None,
        threshold=None,
        answers=(),
        wanted=True,
    )
    whole = complete(view, asked)
    assert whole is not None  # noqa: S101 (a register is not in `HELD_BETWEEN`, but for the roster: refused by the checks)
    return whole


def _holding(rows: ir.Table, table: str, on: dt.date) -> ir.Table:
    import ibis

    start, end = HELD_BETWEEN[table]
    day = ibis.literal(on)
    return rows.filter((rows[start].isnull() | (rows[start] <= day)) & (rows[end].isnull() | (rows[end] >= day)))


def _in_households(view: View, rows: ir.Table, lived_on: Any) -> ir.Table:
    rows = rows.mutate(lived_on=lived_on)
    spells = view.table("household_roster").select("household_id", "person_id", "joined_on", "left_on")
    t = rows.inner_join(spells, "person_id")
    there = (t.joined_on.isnull() | (t.joined_on <= t.lived_on)) & (t.left_on.isnull() | (t.left_on >= t.lived_on))
    # two spells of one person in one household (a corrected first day makes a second key) are one
    return t.filter(there).drop("joined_on", "left_on", "lived_on").distinct()


def _states_of_members(view: View, states: ir.Table) -> ir.Table:
    """Everybody who lives in a household on the day; all cells are NULL for a person whose state nobody recorded."""
    import ibis

    day, spells = ibis.literal(view.day), view.table("household_roster")
    here = (spells.joined_on.isnull() | (spells.joined_on <= day)) & (spells.left_on.isnull() | (spells.left_on >= day))
    who = spells.filter(here).select("household_id", "person_id").distinct()
    return who.left_join(states, "person_id").drop("person_id_right")


def complete(view: View, fact: TableFact) -> ir.Table | None:
    """Townships of which all files that could hold a row of the fact have come, one column: township_code. None: the table is a register.

    A monthly table: one file for each month of the window whose reports were due. Tables of any other rhythm, and `now`: a file that
    speaks of the last twelve months.
    """
    import ibis

    if fact.table in REGISTERS:
        return None
    span, contract = span_of(view, fact), view.store.contracts[fact.table]
    months = view.delivered(fact.table)
    first = ibis.literal(month_start(add_months(view.day, -11)))
    recent = months.filter((months.month_on >= first) & (months.month_on <= ibis.literal(view.day)))
    if fact.window.form == "now" or contract.rhythm != "monthly" or span.n_due == 0:
        return recent.select("township_code").distinct()
    assert span.starts_on is not None  # noqa: S101 (only `now` has none)
    due = (months.month_on >= ibis.literal(month_start(span.starts_on))) & (
        months.month_on <= ibis.literal(min(span.ends_on, span.closed_on))
    )
    came = months.filter(due).group_by("township_code").agg(n=months.month_on.nunique())
    return came.filter(came.n >= span.n_due).select("township_code")
