"""What several families share: zero where a delivered table has no row, and safe ratios."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from returnrisk.features.catalogue import Context
from returnrisk.timeline import Window, month_end

if TYPE_CHECKING:
    import ibis.expr.types as ir

ARRIVING = (
    "medical", "subsidy", "support", "monitoring", "expense", "disability", "disaster", "hazard", "employment", "schooling", "loan", "insurance",
    "industry_project", "signal", "visit",
)  # fmt: skip
"""Tables whose missing file is told from an empty one by the delivery register."""
LOG_FLOOR = 0.05
"""Ratios to the line are logged from 5% up: below it the household is in need whatever the digit."""


def log_ratio(ratio: Any) -> Any:
    """Natural log of a ratio, floored at `LOG_FLOOR`; NULL stays NULL (the greater of NULL and a number is not, on every engine)."""
    import ibis

    return where(ratio.notnull(), ibis.greatest(ratio, LOG_FLOOR).ln())


def divide(numerator: Any, denominator: Any) -> Any:
    """`numerator / denominator` as float64, NULL where the denominator is zero."""
    return numerator.cast("float64") / denominator.cast("float64").nullif(0)


def where(condition: Any, value: Any) -> Any:
    """`value` where the condition holds, NULL elsewhere."""
    import ibis

    return ibis.cases((condition, value))


def months_since(day: dt.date, dates: Any) -> Any:
    """Calendar months from `dates` to `day`."""
    return (day.year - dates.year()) * 12 + day.month - dates.month()


def in_last_months(context: Context, dates: Any, months: int) -> Any:
    """Whether `dates` fall in the `months` months up to the view's day."""
    import ibis

    end = month_end(context.view.day)
    start = Window("trailing", months).bounds(end)[0]
    return (dates >= ibis.literal(start)) & (dates <= ibis.literal(context.view.day))


def zero_where_delivered(context: Context, rows: ir.Table, *, table: str, columns: Sequence[str]) -> ir.Table:
    """One row per household of the day: `rows` and line_heads, with 0 in `columns` where the table was delivered and has no row.

    A township whose file did not arrive in the last twelve months has NULL: a missing file is unknown, an empty one is zero.
    """
    homes = context.homes.select("household_id", "line_heads", has_arrived=f"arrived_{table}")
    joined = homes.left_join(rows, "household_id").drop("household_id_right")
    filled = {c: where(joined.has_arrived, joined[c].cast("float64").fill_null(0.0)) for c in columns}
    return joined.mutate(**filled).drop("has_arrived")


def latest_subsidies(context: Context) -> ir.Table:
    """Subsidy rows that have begun by the day, with `is_latest` (of its programme) and `current` (latest and not cancelled)."""
    import ibis

    s = context.view.table("subsidy")
    s = s.filter(s.period_start <= ibis.literal(context.view.day))
    latest_first = ibis.window(group_by=[s.household_id, s.programme], order_by=s.period_start.desc())
    s = s.mutate(is_latest=ibis.row_number().over(latest_first) == 0)
    return s.mutate(current=s.is_latest & (s.status != "cancelled"))
