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

from returnrisk.accounts.households import head_year, is_below, with_households
from returnrisk.accounts.ledger import window_income, window_sums
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

    t = with_households(view, window_sums(view, ends=ends, window=window), ends=ends, window=window)
    computable = (t.months_delivered >= min_months) & t.line_cny_year.notnull()
    below = is_below(t, t.line_cny_year)
    return t.mutate(
        net_head_cny_year=ibis.cases((computable, head_year(t))), computable=computable, below=ibis.cases((computable, below))
    )
