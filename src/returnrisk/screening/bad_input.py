"""Input that cannot be right: each kind has a code, is counted, and the run goes on without what it spoils.

Looked at as known on the view's day; ledger and expenditure of the two years that the screening reads. Ingest refuses most of it, but a store may be older than
the rule, or written by other means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from returnrisk.accounts import lines_in_force, living_members, population
from returnrisk.policy import Policy
from returnrisk.screening.comparison_months import comparison_on
from returnrisk.store.view import View
from returnrisk.timeline import Window, month_end

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd


@dataclass(frozen=True, slots=True)
class InputCheck:
    """A check: `find` gives household_id and n_rows of what is wrong.

    `sets_aside`: the household's figures cannot be trusted, and screening goes on without it; else only the rows are left out, which
    count nowhere by themselves. `tables` without any row make the check not applicable.
    """

    code: str
    zh: str
    en: str
    tables: tuple[str, ...]
    sets_aside: bool
    find: Callable[[View, Policy], ir.Table]


def _no_members(view: View, _: Policy) -> ir.Table:
    import ibis

    homes = view.table("household").select("household_id").distinct()
    return homes.anti_join(view.table("household_roster"), "household_id").mutate(n_rows=ibis.literal(1, "int64"))


def _two_heads(view: View, _: Policy) -> ir.Table:
    who = living_members(view)
    heads = who.filter(who.relation == "head").group_by("household_id").agg(n_rows=lambda t: t.count())
    return heads.filter(heads.n_rows > 1)


def _read(view: View, policy: Policy, table: str) -> ir.Table:
    """Rows of the months that a screening reads: the last 24, and both years of 减收排查."""
    import ibis

    rows = view.table(table)
    start = min(Window("trailing", 24).bounds(month_end(view.day))[0], comparison_on(view, policy=policy).last_start)
    return rows.filter(rows.period_end >= ibis.literal(start))


def _other_household(view: View, policy: Policy) -> ir.Table:
    """Ledger rows that name a person of the roster who never lived in the household."""
    rows = _read(view, policy, "income")
    named = rows.filter(rows.person_id.notnull()).group_by("household_id", "person_id").agg(n_rows=lambda t: t.count())
    roster = view.table("household_roster").select("household_id", "person_id").distinct()
    strangers = named.anti_join(roster, ["household_id", "person_id"]).semi_join(roster, "person_id")
    return strangers.group_by("household_id").agg(n_rows=strangers.n_rows.sum())


def _unknown_household(view: View, policy: Policy) -> ir.Table:
    rows = _read(view, policy, "income").group_by("household_id").agg(n_rows=lambda t: t.count())
    return rows.anti_join(view.table("household"), "household_id")


def _negative(view: View, policy: Policy) -> ir.Table:
    rows, e = (_read(view, policy, name) for name in ("income", "expense"))
    ledger = rows.filter((rows.cost_cny < 0) | (rows.gross_cny < 0)).select("household_id")
    found = ledger.union(e.filter(e.amount_cny < 0).select("household_id"))
    return found.group_by("household_id").agg(n_rows=found.count())


def _future(view: View, _: Policy) -> ir.Table:
    import ibis

    rows = view.table("income")
    rows = rows.filter(rows.period_end > ibis.literal(view.day))
    return rows.group_by("household_id").agg(n_rows=rows.count())


def _other_line(view: View, policy: Policy) -> ir.Table:
    """Households whose line on file is another than the pack's; accounts go by the file."""
    import ibis

    here = population(view, [view.day])
    lines = lines_in_force(view, here.select("household_id", "village_code", "ending_on"))
    pack_line = ibis.literal(policy.number("monitoring_line", view.day), "decimal(18,2)")
    return lines.filter(lines.line_cny_year != pack_line).select("household_id").distinct().mutate(n_rows=ibis.literal(1, "int64"))


INPUT_CHECKS: tuple[InputCheck, ...] = (
    InputCheck("SCR101", "户内无成员", "household without members", ("household",), sets_aside=True, find=_no_members),
    InputCheck("SCR102", "一户两名户主", "two heads in one household", ("household_roster",), sets_aside=True, find=_two_heads),
    InputCheck(
        "SCR103",
        "收入台账记有他户成员",
        "ledger names a person of another household",
        ("income",),
        sets_aside=True,
        find=_other_household,
    ),
    InputCheck(
        "SCR104",
        "收入台账的农户不在名册",
        "ledger of a household that is not on file",
        ("income",),
        sets_aside=False,
        find=_unknown_household,
    ),
    InputCheck("SCR105", "金额或成本为负数", "negative amount or cost", ("income", "expense"), sets_aside=True, find=_negative),
    InputCheck("SCR106", "收入日期在未来", "income dated in the future", ("income",), sets_aside=False, find=_future),
    InputCheck(
        "SCR107",
        "监测线文件与规则包不一致（按文件计算）",
        "the line on file differs from the pack's (the file is used)",
        ("line",),
        sets_aside=False,
        find=_other_line,
    ),
)


def bad_input(view: View, *, policy: Policy) -> ir.Table:
    """What is wrong in the input.

    Raises
    ------
    PolicyDateError
        The pack has no monitoring line on the view's day.

    Returns
    -------
    Ibis table, one row per household and check that finds something: household_id, code, n_rows (rows concerned), sets_aside.
    """
    import ibis

    parts = [
        check.find(view, policy).select(
            "household_id", "n_rows", code=ibis.literal(check.code), sets_aside=ibis.literal(check.sets_aside)
        )
        for check in INPUT_CHECKS
    ]
    typed = [part.select("household_id", "code", n_rows=part.n_rows.cast("int64"), sets_aside=part.sets_aside) for part in parts]
    return ibis.union(*typed)


def set_aside(found: ir.Table) -> ir.Table:
    """Households (household_id, each once) that screening goes on without; `found` is `bad_input`'s."""
    return found.filter(found.sets_aside).select("household_id").distinct()


def bad_input_counts(view: View, found: ir.Table) -> pd.DataFrame:
    """One row per check.

    Returns
    -------
    DataFrame
        code, zh, en, result ("problem", "fine" or, where none of its tables has a row, "not_applicable"), n_households, n_rows,
        sets_aside.
    """
    import pandas as pd

    n = found.group_by("code").agg(n_households=found.count(), n_rows=found.n_rows.sum()).to_pandas().set_index("code")
    filled = {
        name: view.table(name).count().to_pyarrow().as_py() > 0 for name in sorted({t for c in INPUT_CHECKS for t in c.tables})
    }
    rows = []
    for check in INPUT_CHECKS:
        households, lines = (int(n.at[check.code, c]) if check.code in n.index else 0 for c in ("n_households", "n_rows"))
        result = "problem" if households else "fine" if any(filled[t] for t in check.tables) else "not_applicable"
        rows.append((check.code, check.zh, check.en, result, households, lines, check.sets_aside))
    return pd.DataFrame(rows, columns=["code", "zh", "en", "result", "n_households", "n_rows", "sets_aside"])
