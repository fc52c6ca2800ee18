"""`returnrisk policy account`: one household's income in one of the two accounts, item by item."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from returnrisk.accounts import Account
from returnrisk.cli.common import HERE, AsJson, AsOf, ProjectDir, folded_table, policy_app, project_at

if TYPE_CHECKING:
    from returnrisk.accounts import HouseholdAccount

MARK = "（估算 assumed）"


@policy_app.command(name="account")
def show_account(
    household: str, *, as_of: AsOf, account: Account = "register_net", project: ProjectDir = HERE, json_: AsJson = False
) -> None:
    """One household's account: what counts, what is deducted, what does not count, and what it comes to.

    Parameters
    ----------
    household
        The household's number as on file, or its code on a list (XXXX-XXXX-XXXXX). No name is printed.
    account
        register_net (of the monitoring line) or assistance_countable (of the 低保 lines).
    """
    with project_at(project, quiet=True) as opened:
        found = opened.account(household, as_of=as_of, account=account)
    if json_:
        print(json.dumps(_content(found), ensure_ascii=False, indent=2, default=str))
        return
    _print(found)


def _content(found: HouseholdAccount) -> dict[str, object]:
    names = ("account", "starts_on", "ending_on", "n_members", "months_delivered", "net_cny", "computable", "net_head_cny_year")
    return {name: getattr(found, name) for name in names} | {"items": found.items.to_dict("records")}


def _print(found: HouseholdAccount) -> None:
    from rich.console import Console

    from returnrisk.accounts.statement import ACCOUNT_LABELS
    from returnrisk.store.pseudonyms import pseudonym_text

    zh, en = ACCOUNT_LABELS[found.account]
    table = folded_table("部分\npart", "来源\nsource", "项目\nitem", title=f"{zh}\n{en}（元 CNY）")
    for name in ("收入\ngross", "成本\ncost", "计\namount"):
        table.add_column(name, justify="right")
    for row in found.items.to_dict("records"):
        words = [f"{row[f'{name}_zh']}\n{row[f'{name}_en']}" for name in ("part", "source", "item")]
        words[-1] += MARK if row["assumed"] else ""
        amounts = (f"{row[column]:,.2f}" for column in ("gross_cny", "cost_cny", "amount_cny"))
        table.add_row(*words, *amounts)
    console = Console()
    console.print(table)
    console.print(f"{pseudonym_text(found.household_id)} · {found.starts_on} – {found.ending_on} · {found.n_members} 人 members")
    console.print(f"到账 {found.months_delivered} 个月 months on file · 合计 net {found.net_cny:,.2f} 元 CNY")
    head = f"{found.net_head_cny_year:,.2f} 元 CNY" if found.net_head_cny_year is not None else "无法计算 not computable"
    console.print(f"人均（折全年）per head and year: {head}")
