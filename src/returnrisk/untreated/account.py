"""The account without the support that is in it: arithmetic, and no estimate of what would happen without support.

Estimand: register net income per head over the latest closed window less the transfers of support in it, against the same line. It is
the sense in which a published study of 45 141 households found 1.13% below the line with direct support and 18.09% without it. A
household without the transfer would work, borrow or migrate differently: nothing of that is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from returnrisk.accounts import head_year, is_below, kept_periods, register_net, window_income
from returnrisk.config import OutcomeSpec
from returnrisk.errors import ConfigError, UnknownNameError
from returnrisk.outcomes import account_end
from returnrisk.store.view import View

if TYPE_CHECKING:
    import pandas as pd

SUPPORT_ITEMS = ("cash_benefit", "dibao", "disability_subsidy", "policy_subsidy", "scholarship", "temporary_relief")
"""Transfers taken away by default: paid because of need or by policy. Pensions and unemployment benefit are insurance, a public post
(`public_post`) is pay for work: name them to take them away too."""


def without_support(view: View, *, spec: OutcomeSpec | None = None, items: Sequence[str] = SUPPORT_ITEMS) -> pd.DataFrame:
    """Every household's account with and without the transfers of support.

    Parameters
    ----------
    view
        What was known on a day; the window is the latest closed one.
    spec
        Window, and months that must be delivered (`partial_months`, as for features); default that of `OutcomeSpec`.
    items
        Income items that count as support.

    Returns
    -------
    DataFrame
        One row per household with a member, sorted: household_id, village_code, ending_on, n_members, line_cny_year,
        net_head_cny_year, support_head_cny_year, without_head_cny_year (per head, scaled to twelve months), below, below_without (bool;
        <NA> where not computable: too few delivered months, or no line).

    Raises
    ------
    UnknownNameError
        An item that the income contract does not have.
    ConfigError
        No item.
    NotEnoughDataError
        No window has closed.
    """
    import ibis

    rules = spec or OutcomeSpec()
    known = view.store.contracts["income"].field("item").valid_values or ()
    if not items:
        raise ConfigError("items is empty: name the income items that count as support")
    for item in items:
        if item not in known:
            raise UnknownNameError("item of income", item, known)
    end = account_end(view, spec=rules)
    with kept_periods(view):
        account = register_net(view, ends=[end], window=rules.window, min_months=min(rules.partial_months, rules.min_months))
        paid = window_income(view, ends=[end], window=rules.window)
        paid = paid.filter(paid.item.isin(list(items)))
        paid = paid.group_by("household_id").agg(support_cny=paid.net_cny.sum().cast("decimal(38,2)"))
        t = account.left_join(paid, "household_id").drop("household_id_right")
        rest = t.mutate(net_cny=t.net_cny - t.support_cny.fill_null(ibis.literal(0).cast("decimal(38,2)")))
        frame: pd.DataFrame = rest.select(
            "household_id",
            "village_code",
            "ending_on",
            "n_members",
            "line_cny_year",
            "net_head_cny_year",
            "computable",
            "below",
            without_head_cny_year=head_year(rest),
            below_without=is_below(rest, rest.line_cny_year),
        ).to_pandas()
    frame = frame.sort_values("household_id", ignore_index=True)
    for column in ("line_cny_year", "net_head_cny_year", "without_head_cny_year"):
        frame[column] = frame[column].astype("float64")
    frame["without_head_cny_year"] = frame["without_head_cny_year"].where(frame["computable"])
    for column in ("below", "below_without"):
        frame[column] = frame[column].astype("boolean").where(frame["computable"])
    support = (frame["net_head_cny_year"] - frame["without_head_cny_year"]).round(2) + 0.0
    frame["support_head_cny_year"] = support
    columns = ["household_id", "village_code", "ending_on", "n_members", "line_cny_year", "net_head_cny_year"]
    return frame[[*columns, "support_head_cny_year", "without_head_cny_year", "below", "below_without"]]
