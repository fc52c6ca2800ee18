"""What an account asks of a policy pack, as small tables of rules by window: the rules in force on a window's last day make it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from returnrisk.errors import UnknownNameError
from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir


class PolicyValues(Protocol):
    """A policy pack's values on a day; an unknown name, or a day before the first value, is its error to raise."""

    def number(self, name: str, day: dt.date) -> Decimal:
        """Value of a numeric parameter."""

    def flag(self, name: str, day: dt.date) -> bool:
        """Value of a yes-or-no parameter."""

    def listed(self, name: str, day: dt.date) -> tuple[str, ...]:
        """Value of a parameter that is a list of codes."""


def excluded_items(view: View, policy: PolicyValues, *, ends: Sequence[dt.date]) -> ir.Table:
    """Items of income that `assistance_excluded_items` leaves out: ending_on, item, is_excluded (true).

    Raises
    ------
    UnknownNameError
        The pack names an item that the income contract does not have: it would be counted without a word.
    """
    import ibis

    rows = [
        {"ending_on": end, "item": item, "is_excluded": True}
        for end in sorted(set(ends))
        for item in _listed_items(view, policy, "assistance_excluded_items", end)
    ]
    return ibis.memtable(rows, schema={"ending_on": "date", "item": "string", "is_excluded": "boolean"})


def employment_cost_shares(view: View, policy: PolicyValues, *, ends: Sequence[dt.date]) -> ir.Table | None:
    """Items that cost of employment comes off, and their share that it is: ending_on, item, cost_share. None: no end deducts any.

    Raises
    ------
    UnknownNameError
        `employment_cost_items` names an item that the income contract does not have.
    """
    import ibis

    rows = [
        {"ending_on": end, "item": item, "cost_share": policy.number("employment_cost_share", end)}
        for end in sorted(set(ends))
        if policy.flag("deduct_employment_cost", end)
        for item in _listed_items(view, policy, "employment_cost_items", end)
    ]
    return ibis.memtable(rows, schema={"ending_on": "date", "item": "string", "cost_share": "decimal(20,6)"}) if rows else None


def minimum_wages(policy: PolicyValues, *, ends: Sequence[dt.date]) -> ir.Table | None:
    """Minimum wage of a month, for the ends where it stands in for wages nobody stated: ending_on, month_cny. None: at no end."""
    import ibis

    days = [end for end in sorted(set(ends)) if policy.flag("unverified_wage_is_minimum", end)]
    rows = [{"ending_on": end, "month_cny": policy.number("minimum_wage_month", end)} for end in days]
    return ibis.memtable(rows, schema={"ending_on": "date", "month_cny": "decimal(18,2)"}) if rows else None


def _listed_items(view: View, policy: PolicyValues, name: str, day: dt.date) -> list[str]:
    known = view.store.contracts["income"].field("item").valid_values or ()
    items = sorted(set(policy.listed(name, day)))
    for item in items:
        if item not in known:
            raise UnknownNameError(f"item of income (policy parameter {name})", item, known)
    return items
