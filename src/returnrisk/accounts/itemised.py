"""The two accounts in one form: `register_net` and `assistance_countable`, by item and summed. A caller names the one it uses.

The net of a household and window is the sum of its items' `amount_cny`: what is counted less what is deducted. An excluded item
shows what came in and adds nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from returnrisk.accounts.assistance import assistance_items, item_rows
from returnrisk.accounts.households import head_year, with_households
from returnrisk.accounts.ledger import SOURCES
from returnrisk.accounts.policy_values import PolicyValues
from returnrisk.accounts.register import register_net, register_net_items
from returnrisk.errors import UnknownNameError, UsageError
from returnrisk.store.view import View
from returnrisk.timeline import Window

if TYPE_CHECKING:
    import ibis.expr.types as ir

Account = Literal["register_net", "assistance_countable"]
ACCOUNTS: tuple[Account, ...] = get_args(Account)


def account_items(
    view: View, *, account: Account, ends: Sequence[dt.date], window: Window, policy: PolicyValues | None = None
) -> ir.Table:
    """An account, itemised.

    Parameters
    ----------
    account
        Which of the two.
    ends
        Last days of the windows (month ends); the pack's rules are those in force on them.
    window
        Which months each window holds.
    policy
        The county's pack: needed by `assistance_countable`, not looked at by `register_net`.

    Returns
    -------
    Ibis table, one row per household, window end, source, item and part: household_id, ending_on, source, item, part ("counted",
    "excluded", "deducted"), gross_cny and cost_cny (CNY of the window as stated, or as the rule made them; decimals), amount_cny
    (what the item adds to the net: gross − cost if counted, −cost if deducted, 0 if excluded), assumed (true: made by a rule of
    the pack, stated by nobody). Households without members on the window's last day have items and no net.

    Raises
    ------
    UnknownNameError
        No such account, or the pack excludes an item that the income contract does not have.
    UsageError
        `assistance_countable` without a pack.
    NotEnoughDataError
        No window.
    """
    rules = _rules_of(account, policy)
    if rules is not None:
        return assistance_items(view, ends=ends, window=window, policy=rules)
    t = register_net_items(view, ends=ends, window=window)
    return item_rows(t, part="counted", gross_cny=t.gross_cny, cost_cny=t.cost_cny, amount_cny=t.net_cny)


def account_net(
    view: View,
    *,
    account: Account,
    ends: Sequence[dt.date],
    window: Window,
    min_months: int,
    policy: PolicyValues | None = None,
) -> ir.Table:
    """Net income of every household by an account, in total and per head.

    Parameters
    ----------
    min_months
        Delivered months under which a window is not computable. The other parameters, and the errors, are those of `account_items`.

    Returns
    -------
    Ibis table, one row per household with members on `ending_on` and window end: household_id, village_code, ending_on, n_members,
    months_delivered, net_cny, net_<source>_cny and gross_cny (CNY of the window, decimals; gross of what is counted),
    net_head_cny_year (float64: per head and scaled to twelve months; NULL where not computable), computable. `register_net` has
    line_cny_year and below as well and needs a line to be computable; `is_below` compares the other with a line of the pack.
    """
    rules = _rules_of(account, policy)
    if rules is None:
        return register_net(view, ends=ends, window=window, min_months=min_months)
    import ibis

    rows = assistance_items(view, ends=ends, window=window, policy=rules)
    sums = {f"net_{s}_cny": rows.amount_cny.sum(where=rows.source == s) for s in SOURCES}
    sums |= {"net_cny": rows.amount_cny.sum(), "gross_cny": rows.gross_cny.sum(where=rows.part == "counted")}
    t = with_households(view, rows.group_by("household_id", "ending_on").agg(**sums), ends=ends, window=window)
    computable = t.months_delivered >= min_months
    return t.drop("line_cny_year").mutate(net_head_cny_year=ibis.cases((computable, head_year(t))), computable=computable)


def _rules_of(account: Account, policy: PolicyValues | None) -> PolicyValues | None:
    """The pack of an account that needs one; None for the one that needs none."""
    if account not in ACCOUNTS:
        raise UnknownNameError("account", account, ACCOUNTS)
    if account == "register_net":
        return None
    if policy is None:
        raise UsageError("account 'assistance_countable' needs a policy pack: its exclusions and deductions are the county's")
    return policy
