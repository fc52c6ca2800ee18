"""Windows as tables, and which of their months the delivery register has: for a township, and for a household younger than the window."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from returnrisk.accounts.residents import young
from returnrisk.errors import NotEnoughDataError
from returnrisk.store.view import View
from returnrisk.timeline import Window

if TYPE_CHECKING:
    import ibis.expr.types as ir


def window_frame(ends: Sequence[dt.date], *, window: Window) -> ir.Table:
    """Windows as a table, one row per end: `ending_on` and `starts_on`."""
    import ibis

    if not ends:
        raise NotEnoughDataError("no window to compute an account for")
    rows = [{"ending_on": end, "starts_on": window.bounds(end)[0]} for end in sorted(set(ends))]
    return ibis.memtable(rows, schema={"ending_on": "date", "starts_on": "date"})


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


def months_of_the_young(view: View, windows: ir.Table) -> ir.Table:
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
