"""One household's account, in words: what counts, what does not, what is deducted, and what it comes to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from returnrisk.accounts.assistance import EMPLOYMENT_COST, MINIMUM_WAGE
from returnrisk.accounts.itemised import Account, account_items, account_net
from returnrisk.accounts.ledger import SOURCES
from returnrisk.accounts.policy_values import PolicyValues
from returnrisk.errors import NotEnoughDataError
from returnrisk.store.view import View
from returnrisk.timeline import Window

if TYPE_CHECKING:
    import pandas as pd

Labels = Mapping[str, tuple[str, str]]
ACCOUNT_LABELS: Mapping[Account, tuple[str, str]] = {
    "register_net": ("人均纯收入（监测线口径）", "net income (account of the monitoring line)"),
    "assistance_countable": ("家庭可计算收入（社会救助口径）", "countable income (account of social assistance)"),
}
PART_LABELS: Labels = {"counted": ("计入", "counted"), "deducted": ("扣减", "deducted"), "excluded": ("不计入", "not counted")}
RULE_LABELS: Labels = {
    MINIMUM_WAGE: ("按最低工资计入（无工资记录，估算）", "minimum wage, no wage on file (assumed)"),
    EMPLOYMENT_COST: ("就业成本（按比例，估算）", "cost of employment, by its share (assumed)"),
}


@dataclass(frozen=True, slots=True)
class HouseholdAccount:
    """An account of one household and window.

    Attributes
    ----------
    account, household_id, starts_on, ending_on
        Which account, whose (a pseudonym), and its window.
    n_members, months_delivered
        Members on the last day; months on file that count.
    net_cny
        Net income of the window, CNY: the sum of the items' amount_cny.
    computable
        Whether enough months are on file (for the register account: and a line in force).
    net_head_cny_year
        Net income per head, scaled to twelve months; None where not computable.
    items
        One row per item: source, item, part, each with _zh and _en; gross_cny, cost_cny, amount_cny (Decimal), assumed (bool).
    """

    account: Account
    household_id: int
    starts_on: dt.date
    ending_on: dt.date
    n_members: int
    months_delivered: int
    net_cny: Decimal
    computable: bool
    net_head_cny_year: float | None
    items: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """The items."""
        return self.items


def household_account(
    view: View,
    household_id: int,
    *,
    account: Account,
    ending_on: dt.date,
    window: Window,
    min_months: int,
    policy: PolicyValues | None = None,
) -> HouseholdAccount:
    """The account of one household, with the labels of the income contract.

    Parameters
    ----------
    household_id
        The household's pseudonym.
    ending_on
        Last day of the window (a month end). The other parameters are those of `account_net`.

    Raises
    ------
    NotEnoughDataError
        The household has no member on `ending_on`, as known to the view.
    UnknownNameError, UsageError
        As `account_items`.
    """
    ends = [ending_on]
    nets = account_net(view, account=account, ends=ends, window=window, min_months=min_months, policy=policy)
    found = nets.filter(nets.household_id == household_id).to_pyarrow().to_pylist()
    if not found:
        raise NotEnoughDataError(
            f"no account for household {household_id}: it has no member on {ending_on}, as known on {view.day}; "
            "is the number right, and the day after its registration?"
        )
    rows = account_items(view, account=account, ends=ends, window=window, policy=policy)
    net = found[0]
    return HouseholdAccount(
        account=account,
        household_id=household_id,
        starts_on=window.bounds(ending_on)[0],
        ending_on=ending_on,
        n_members=net["n_members"],
        months_delivered=net["months_delivered"],
        net_cny=net["net_cny"],
        computable=net["computable"],
        net_head_cny_year=net["net_head_cny_year"],
        items=_in_words(view, rows.filter(rows.household_id == household_id).to_pandas()),
    )


def _in_words(view: View, items: pd.DataFrame) -> pd.DataFrame:
    contract = view.store.contracts["income"]
    labels = {
        "source": _labels(contract.field("source").codes),
        "item": {**_labels(contract.field("item").codes), **RULE_LABELS},
        "part": PART_LABELS,
    }
    order = {"part": list(PART_LABELS), "source": list(SOURCES)}
    items = items.assign(**{f"{c}_order": items[c].map(places.index) for c, places in order.items()})
    items = items.sort_values(["part_order", "source_order", "item"], ignore_index=True)
    for column, texts in labels.items():
        for i, language in enumerate(("zh", "en")):
            items[f"{column}_{language}"] = [texts[code][i] for code in items[column]]
    names = [name for column in labels for name in (column, f"{column}_zh", f"{column}_en")]
    return items[[*names, "gross_cny", "cost_cny", "amount_cny", "assumed"]]


def _labels(codes: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Code to its first Chinese text and to its own words."""
    texts: dict[str, tuple[str, str]] = {}
    for text, code in codes.items():
        texts.setdefault(code, (text, code.replace("_", " ")))
    return texts
