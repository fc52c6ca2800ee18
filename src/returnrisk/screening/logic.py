"""Three answers: yes, no, cannot tell. An unknown input is NULL, and SQL's logic does the rest; what decides here never takes it for no.

"On file" amounts are lower bounds: money that is on file was spent, whatever file is still missing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir


def when(condition: Any, value: Any) -> Any:
    """`value` where the condition holds, NULL elsewhere."""
    import ibis

    return ibis.cases((condition, value))


def any_of(known: Any, unknown: Any) -> Any:
    """Whether one is there: `known` how many certainly are, `unknown` of how many nothing is known (counts; NULL is none)."""
    return at_least(known, unknown, 1)


def at_least(known: Any, unknown: Any, number: int) -> Any:
    """Whether `number` are there: yes when so many certainly are, no when not even the unknown ones would do."""
    import ibis

    sure, open_ones = known.fill_null(0), unknown.fill_null(0)
    return ibis.cases((sure >= number, True), (sure + open_ones < number, False))


def over(on_file: Any, complete: Any, limit: Any, *, reached: bool = False) -> Any:
    """Whether an amount is over a limit (`reached`: at least it): what is on file can only grow while files are missing."""
    import ibis

    above = (on_file >= limit) if reached else (on_file > limit)
    return ibis.cases((limit.isnull(), None), (above, True), (complete, False))


def money(value: Decimal) -> Any:
    """A number of the pack as an exact constant (up to four digits behind the point)."""
    import ibis

    return ibis.literal(value, "decimal(18,4)")


def head_below(facts: ir.Table, account: str, line_cny_year: Decimal) -> Any:
    """Whether net income per head and year is below a line; NULL where the account cannot be computed.

    Exact (see `accounts.is_below`): on the line is not below it. `account`: "register" or "assistance".
    """
    heads = facts[f"{account}_members"] * facts[f"{account}_months"]
    below = facts[f"{account}_net_cny"] * 12 < money(line_cny_year) * heads
    return when(facts[f"{account}_computable"], below)
