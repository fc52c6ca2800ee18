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
from typing import TYPE_CHECKING

from returnrisk.accounts.ledger import SOURCES, window_income, window_sums
from returnrisk.accounts.lines import lines_of_places
from returnrisk.accounts.months import delivered_months, months_of_the_young, window_frame
from returnrisk.accounts.residents import population
from returnrisk.store.view import View
from returnrisk.timeline import Window

if TYPE_CHECKING:
    import ibis.expr.types as ir


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


def _places(view: View, windows: ir.Table) -> ir.Table:
    """Delivered months and line of every village and window: village_code, ending_on, months_delivered, line_cny_year."""
    villages = view.table("household").select("village_code", township_code=lambda t: t.village_code // 1000).distinct()
    at = villages.cross_join(windows.select("ending_on"))
    months = delivered_months(view, windows)
    came = at.left_join(months, ["township_code", "ending_on"]).select("village_code", "ending_on", "months_delivered")
    lines = lines_of_places(view, at.select("village_code", "ending_on"))
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
        .left_join(months_of_the_young(view, windows), ["household_id", "ending_on"])
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
