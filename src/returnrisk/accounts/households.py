"""From a window's sums to the account of every household: who lives there, how many months were delivered, per head and year."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from returnrisk.accounts.ledger import AMOUNTS
from returnrisk.accounts.lines import lines_of_places
from returnrisk.accounts.months import delivered_months, months_of_the_young, window_frame
from returnrisk.accounts.residents import population
from returnrisk.store.view import View
from returnrisk.timeline import Window

if TYPE_CHECKING:
    import ibis.expr.types as ir


def with_households(view: View, sums: ir.Table, *, ends: Sequence[dt.date], window: Window) -> ir.Table:
    """The sums of every household with members on a window's last day; zero for one that has none.

    Parameters
    ----------
    sums
        One row per household and end: household_id, ending_on and the columns of `AMOUNTS`.

    Returns
    -------
    Ibis table, one row per household and end: household_id, village_code, ending_on, n_members, line_cny_year (NULL: none in
    force), months_delivered (that count for the household), and the amounts (decimals).
    """
    import ibis

    zero = ibis.literal(0, "decimal(38,2)")
    windows = window_frame(ends, window=window)
    joined = (
        population(view, ends)
        .left_join(_places(view, windows), ["village_code", "ending_on"])
        .drop("village_code_right", "ending_on_right")
        .left_join(months_of_the_young(view, windows), ["household_id", "ending_on"])
        .drop("household_id_right", "ending_on_right")
        .left_join(sums, ["household_id", "ending_on"])
    )
    return joined.select(
        "household_id",
        "village_code",
        "ending_on",
        "n_members",
        "line_cny_year",
        months_delivered=ibis.coalesce(joined.months_since_new, joined.months_delivered, 0),
        **{name: joined[name].cast("decimal(38,2)").fill_null(zero) for name in AMOUNTS},
    )


def head_year(account: ir.Table) -> Any:
    """Net income per head, scaled to twelve months by the months delivered (float64; NULL where there are none)."""
    return account.net_cny.cast("float64") * 12 / (account.months_delivered * account.n_members).nullif(0)


def is_below(account: ir.Table, line_cny_year: Any) -> Any:
    """Whether net income per head and year is below a line (a column or a decimal literal).

    Exact: cross-multiplied decimals, so that a household exactly on the line is never below it. Says nothing about `computable`.
    """
    return account.net_cny * 12 < line_cny_year * (account.n_members * account.months_delivered)


def _places(view: View, windows: ir.Table) -> ir.Table:
    """Delivered months and line of every village and window: village_code, ending_on, months_delivered, line_cny_year."""
    villages = view.table("household").select("village_code", township_code=lambda t: t.village_code // 1000).distinct()
    at = villages.cross_join(windows.select("ending_on"))
    months = delivered_months(view, windows)
    came = at.left_join(months, ["township_code", "ending_on"]).select("village_code", "ending_on", "months_delivered")
    lines = lines_of_places(view, at.select("village_code", "ending_on"))
    t = came.left_join(lines, ["village_code", "ending_on"])
    return t.select("village_code", "ending_on", "months_delivered", "line_cny_year")
