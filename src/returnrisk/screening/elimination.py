"""Whether a monitored household's risk is gone, in the three states of the plans, with the criterion that decides.

- `eliminable` 可标注风险消除: above the line and stably so, guarantees held, the risk gone, rigid expenditure under control;
- `continue` 继续帮扶: the risk is not gone, or it is and what remains is not stable;
- `track` 暂不标注、持续跟踪: nobody can work and the household lives on a safety net.

A lead for the office: only the department applies and the county approves. Source: DOMAIN §2, FACTS.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.policy import Policy
from returnrisk.screening.assistance_categories import ILLNESS_NEEDS, seriously_ill
from returnrisk.screening.categories import first_of, listed
from returnrisk.screening.clauses import Holds, Rules
from returnrisk.screening.logic import money, over, when

if TYPE_CHECKING:
    import ibis.expr.types as ir

STATES = {
    "eliminable": ("可标注风险消除", "may be marked as eliminated"),
    "continue": ("继续帮扶", "help goes on"),
    "track": ("暂不标注、持续跟踪", "not marked, tracked on"),
}


@dataclass(frozen=True, slots=True)
class Criterion:
    """What must hold for elimination; `needs` as of `Clause`. The text says what it is when it does not hold."""

    code: str
    zh: str
    en: str
    holds: Holds
    needs: tuple[str, ...]


def _income_above(facts: ir.Table, rules: Rules) -> Any:
    needed = (money(rules.policy.number("elimination_above", rules.day)) * facts.line_cny_year).cast("decimal(18,2)")
    above = facts.register_net_cny * 12 > needed * (facts.register_members * facts.register_months)
    return when(facts.register_computable, above)


def _guarantees_held(facts: ir.Table, _: Rules) -> Any:
    return facts.held_housing & facts.held_water & facts.held_schooling & facts.held_medical


def _risk_gone(facts: ir.Table, rules: Rules) -> Any:
    """By the cause on file; a risk confirmed at the door is not gone. Causes that no file speaks of are for the door alone."""
    import ibis

    gone = ibis.cases(
        (facts.risk_type == "illness", ~(seriously_ill(facts, rules, "medical_on_file_cny") | facts.has_seriously_ill_member)),
        (facts.risk_type == "schooling", facts.held_schooling),
        (facts.risk_type == "disaster", ~facts.had_emergency),
        (facts.risk_type == "job_loss", facts.has_paid_work & ~facts.has_unemployed_member),
        else_=~facts.risk_confirmed,
    )
    return gone & ~facts.risk_confirmed.fill_null(False)


RISK_NEEDS = {
    **dict.fromkeys((*ILLNESS_NEEDS, "has_seriously_ill_member"), "illness"),
    "held_schooling": "schooling",
    "had_emergency": "disaster",
    **dict.fromkeys(("has_paid_work", "has_unemployed_member"), "job_loss"),
}
"""Facts that say whether a risk is gone, and the risk they speak of: of another one nobody need ask for them."""


def _rigid_controlled(facts: ir.Table, rules: Rules) -> Any:
    import ibis

    share = money(rules.policy.number("elimination_rigid_share", rules.day))
    income = ibis.greatest(facts.register_net_cny, ibis.literal(0, "decimal(18,2)"))
    over_share = over(facts.rigid_on_file_cny * facts.register_months, facts.rigid_12m_cny.notnull(), share * (income * 12))
    return when(facts.register_computable, ~over_share)


CRITERIA: tuple[Criterion, ...] = (
    Criterion("labour", "无劳动力", "nobody can work", lambda f, _: f.has_labour, ("has_labour",)),
    Criterion(
        "income_above_line",
        "人均纯收入未高于监测线",
        "net income per head is not above the line",
        _income_above,
        ("register_head_cny_year",),
    ),
    Criterion(
        "guarantees_held",
        "保障有缺项",
        "a guarantee is missing",
        _guarantees_held,
        ("held_housing", "held_water", "held_schooling", "held_medical"),
    ),
    Criterion(
        "risk_gone",
        "致险原因未消除",
        "the cause is still there",
        _risk_gone,
        ("risk_confirmed", *RISK_NEEDS),
    ),
    Criterion("income_stable", "收入不稳定", "income is not steady", lambda f, _: f.stably_above, ("stably_above",)),
    Criterion(
        "rigid_controlled",
        "刚性支出不可控",
        "rigid expenditure is not under control",
        _rigid_controlled,
        ("rigid_12m_cny", "register_head_cny_year"),
    ),
)
"""In the order in which the first that fails decides; the last two are "gone but not stable"."""
TRACK = Criterion(
    "no_labour_on_safety_net",
    "无劳动力且靠兜底保障",
    "nobody can work, and a safety net carries the household",
    lambda f, _: ~f.has_labour & (f.receives_dibao | f.on_safety_net),
    ("has_labour", "receives_dibao", "on_safety_net"),
)
ALL_HOLD = "all_hold"


def elimination(facts: ir.Table, *, policy: Policy, day: dt.date) -> ir.Table:
    """State of every household that is monitored on the day.

    Parameters
    ----------
    facts, policy, day
        As of `categories`.

    Returns
    -------
    Ibis table, one row per monitored household: household_id, state (a key of `STATES`; NULL: cannot tell), criterion (the code that
    decides, `all_hold` where all do; where it cannot be told, the first that is open), missing_fields (codes parted by commas, sorted).

    Raises
    ------
    PolicyDateError
        A parameter has no value on the day.
    """
    import ibis

    rules = Rules(policy, day)
    every = (TRACK, *CRITERIA)
    t = facts.filter(facts.monitored)
    t = t.mutate(**{f"holds_{c.code}": c.holds(t, rules) for c in every})
    held = {c.code: t[f"holds_{c.code}"] for c in CRITERIA}
    track = t[f"holds_{TRACK.code}"]
    fails, opens = None, track.isnull()
    for answer in held.values():
        failed = (~answer).fill_null(False)
        fails = failed if fails is None else fails | failed
        opens = opens | answer.isnull()
    state = ibis.cases((track, "track"), (track.isnull(), None), (fails, "continue"), (opens, None), else_="eliminable")
    failing = first_of({code: (~answer).fill_null(False) for code, answer in held.items()})
    open_ones = first_of({TRACK.code: track.isnull(), **{code: answer.isnull() for code, answer in held.items()}})
    criterion = ibis.cases((track, TRACK.code), (state == "continue", failing), (state == "eliminable", ALL_HOLD), else_=open_ones)
    missing: dict[str, Any] = {}
    for c in every:
        for need in c.needs:
            found = t[f"holds_{c.code}"].isnull() & t[need].isnull()
            if c.code == "risk_gone" and need in RISK_NEEDS:
                found &= (t.risk_type == RISK_NEEDS[need]).fill_null(False)
            missing[need] = missing[need] | found if need in missing else found
    return t.select(
        "household_id", state=state, criterion=criterion, missing_fields=ibis.ifelse(state.isnull(), listed(missing), "")
    )
