"""Does the register of monitored households agree with the other files? Coded checks, after the ones Guizhou's offices run (FACTS).

Each answers for every household that is or was monitored: problem, fine, cannot tell (a file is missing), or not applicable. A problem
is a question to the office that wrote the record; it says nothing about the household.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.accounts import account_net, claims_of_households
from returnrisk.policy import Policy
from returnrisk.screening.windows import YEAR, screening_windows
from returnrisk.store.view import View
from returnrisk.timeline import add_months, month_end, month_start

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

RESULTS = ("problem", "fine", "cannot_tell", "not_applicable")


@dataclass(frozen=True, slots=True)
class Case:
    """What a check is made from: view and pack of the day, and the facts of households that are or were monitored."""

    view: View
    policy: Policy
    facts: ir.Table

    def number(self, name: str) -> int:
        """A whole number of the pack."""
        return int(self.policy.number(name, self.view.day))


@dataclass(frozen=True, slots=True)
class Finding:
    """Columns of a check over its table: whether it applies (and if not, why), whether it is a problem (NULL: cannot tell)."""

    table: ir.Table
    applies: Any
    why_not: Any
    problem: Any
    missing: str


@dataclass(frozen=True, slots=True)
class Check:
    """A check of the register of monitored households."""

    code: str
    zh: str
    en: str
    find: Callable[[Case], Finding]


def _illness_without_cost(case: Case) -> Finding:
    """No medical cost, whoever paid it, from twelve months before the identification to the day; files of those twelve months all came."""
    import ibis

    t = case.facts
    came = _months_before(case)
    claims = claims_of_households(case.view).filter(lambda c: c.total_cny > 0).select("household_id", paid_on="treated_on")
    spent = case.view.table("expense").filter(lambda e: (e.kind == "illness") & (e.amount_cny > 0))
    costs = claims.union(spent.select("household_id", paid_on="period_end"))
    joined = costs.inner_join(t.select("household_id", "identified_on"), "household_id")
    since = (joined.identified_on - ibis.interval(months=12)).cast("date")
    paid = joined.filter(joined.paid_on >= since).select("household_id").distinct()
    t = t.left_join(paid.mutate(has_cost=True), "household_id").drop("household_id_right")
    t = t.left_join(came, "household_id").drop("household_id_right")
    problem = ibis.cases((t.has_cost.fill_null(False), False), (t.months_before.fill_null(0) >= 12, True))
    return Finding(
        t, t.monitored.fill_null(False) & (t.risk_type == "illness"), "other_cause_or_not_monitored", problem, "medical_own_12m_cny"
    )


def _months_before(case: Case) -> ir.Table:
    """Delivered months of the medical files in the twelve before the month of identification: household_id, months_before."""
    import ibis

    t = case.facts.select("household_id", "township_code", "identified_on")
    months = case.view.delivered("medical").select("township_code", "month_on").distinct()
    j = t.inner_join(months, "township_code")
    first = j.identified_on.truncate("M")
    j = j.filter((j.month_on < first) & (j.month_on >= (first - ibis.interval(months=12)).cast("date")))
    return j.group_by("household_id").agg(months_before=j.count())


def _disability_without_disabled(case: Case) -> Finding:
    """Nobody disabled today, nor by a certificate in force when the household was identified (it may have lapsed, its holder died)."""
    t = case.facts
    spells = case.view.table("household_roster").select("household_id", "person_id", "joined_on", "left_on")
    c = case.view.table("disability").select("person_id", "issued_on", "valid_until").inner_join(spells, "person_id")
    c = c.inner_join(t.select("household_id", "identified_on"), "household_id")
    was_there = (c.joined_on.isnull() | (c.joined_on <= c.identified_on)) & (c.left_on.isnull() | (c.left_on >= c.identified_on))
    in_force = (c.issued_on <= c.identified_on) & (c.valid_until.isnull() | (c.valid_until >= c.identified_on))
    had = c.filter(was_there & in_force).select("household_id").distinct().mutate(had_disabled=True)
    t = t.left_join(had, "household_id").drop("household_id_right")
    applies = t.monitored.fill_null(False) & (t.risk_type == "disability")
    return Finding(t, applies, "other_cause_or_not_monitored", ~(t.has_disabled | t.had_disabled.fill_null(False)), "has_disabled")


def _no_labour_with_labour(case: Case) -> Finding:
    t = case.facts
    applies = t.monitored.fill_null(False) & (t.risk_type == "labour_shortage")
    return Finding(t, applies, "other_cause_or_not_monitored", t.has_full_labour, "has_full_labour")


def _soon_exit(case: Case) -> Finding:
    """Of any spell: who was taken out too soon and had to be taken in again is the case that matters most."""
    import ibis

    t, day = case.facts, ibis.literal(case.view.day)
    s = case.view.table("monitoring").filter(lambda m: m.eliminated_on.notnull() & (m.eliminated_on <= day))
    soonest = (s.identified_on + ibis.interval(months=case.number("soonest_exit_months"))).cast("date")
    exits = s.mutate(is_soon=s.eliminated_on < soonest).group_by("household_id").agg(is_soon=lambda m: m.is_soon.any())
    t = t.left_join(exits, "household_id").drop("household_id_right")
    return Finding(t, t.is_soon.notnull(), "not_eliminated", t.is_soon, "")


def _poor_exit(case: Case) -> Finding:
    """Register account of the twelve months up to the exit (the latest closed month at most) below the line then in force."""
    import ibis

    t, day = case.facts, case.view.day
    windows = screening_windows(case.view, policy=case.policy)
    months = case.number("exit_check_months")
    start = month_start(add_months(day, -months))
    closed = case.view.last_closed_on("income")
    ends = [month_end(add_months(start, k)) for k in range(-1, months + 1)]
    ends = sorted({min(end, closed) for end in ends})
    account = account_net(case.view, account="register_net", ends=ends, window=YEAR, min_months=windows.min_months)
    account = account.select("household_id", "ending_on", "below").semi_join(t, "household_id")
    # the last month that had ended on the day of the exit
    whole = (t.eliminated_on + ibis.interval(days=1)).cast("date").truncate("M")
    before = (whole - ibis.interval(days=1)).cast("date")
    t = t.mutate(exit_end=ibis.least(before, ibis.literal(closed)))
    t = t.left_join(account, [t.household_id == account.household_id, t.exit_end == account.ending_on]).drop("household_id_right")
    applies = t.eliminated_on.notnull() & (t.eliminated_on >= ibis.literal(start)) & (t.eliminated_on <= ibis.literal(day))
    return Finding(t, applies, "no_recent_exit", t.below, "register_head_cny_year")


def _no_measure(case: Case) -> Finding:
    """No delivered measure on file that ran on or after the day of identification, though one was due."""
    import ibis

    t, day = case.facts, ibis.literal(case.view.day)
    s = case.view.table("support").filter(lambda t: t.delivered).select("household_id", "started_on", "ended_on")
    s = s.inner_join(t.select("household_id", "identified_on"), "household_id")
    helped = s.filter((s.started_on <= day) & (s.ended_on.isnull() | (s.ended_on >= s.identified_on)))
    t = t.left_join(helped.select("household_id").distinct().mutate(is_helped=True), "household_id").drop("household_id_right")
    due = (t.identified_on + ibis.interval(months=case.number("measure_due_months"))).cast("date") < day
    problem = ibis.cases((t.is_helped.fill_null(False), False), (t.arrived_support, True))
    return Finding(t, t.monitored.fill_null(False) & due.fill_null(False), "not_monitored_or_not_due", problem, "supported")


CHECKS: tuple[Check, ...] = (
    Check("SCR001", "因病纳入但无医疗支出", "cause illness, no medical cost", _illness_without_cost),
    Check(
        "SCR002",
        "因残纳入但纳入时和现在均无残疾成员",
        "cause disability, no disabled member then or now",
        _disability_without_disabled,
    ),
    Check("SCR003", "缺劳动力纳入但有劳动力", "cause lack of labour, a member with full capacity", _no_labour_with_labour),
    Check("SCR004", "纳入后过快消除", "exit soon after entry", _soon_exit),
    Check("SCR005", "消除时收入低于监测线", "income below the line at exit", _poor_exit),
    Check("SCR006", "纳入满期无帮扶措施", "no measure though one was due", _no_measure),
)
WHY_NOT = {
    "other_cause_or_not_monitored": ("风险类型不同或不在监测", "another cause, or not monitored"),
    "not_eliminated": ("未标注消除", "not eliminated"),
    "no_recent_exit": ("近期无消除记录", "no recent exit"),
    "not_monitored_or_not_due": ("不在监测或未到期", "not monitored, or not due yet"),
}


def consistency(view: View, facts: ir.Table, *, policy: Policy) -> ir.Table:
    """Every check for every household that is or was monitored.

    Parameters
    ----------
    view, facts, policy
        As of `household_facts`; `facts` is its (kept) table.

    Returns
    -------
    Ibis table, one row per household and check: household_id, code, result (one of `RESULTS`), missing_fields (where it cannot be
    told), why_not (a key of `WHY_NOT`, where it does not apply; else empty).

    Raises
    ------
    PolicyDateError
        A parameter has no value on the day.
    """
    import ibis

    case = Case(view, policy, facts.filter(facts.identified_on.notnull()))
    parts = []
    for check in CHECKS:
        f = check.find(case)
        result = ibis.cases((~f.applies, "not_applicable"), (f.problem, "problem"), (~f.problem, "fine"), else_="cannot_tell")
        parts.append(
            f.table.select(
                "household_id",
                code=ibis.literal(check.code),
                result=result,
                missing_fields=ibis.ifelse(result == "cannot_tell", f.missing, ""),
                why_not=ibis.ifelse(result == "not_applicable", f.why_not, ""),
            )
        )
    return ibis.union(*parts)


def consistency_counts(found: ir.Table) -> pd.DataFrame:
    """Households by check and result: code, zh, en and n_<result> for each of `RESULTS`; a row for every check."""
    counted = found.group_by("code").agg(**{f"n_{r}": found.count(where=found.result == r) for r in RESULTS}).to_pandas()
    table: pd.DataFrame = counted.set_index("code").reindex([c.code for c in CHECKS], fill_value=0)
    table.insert(0, "en", [c.en for c in CHECKS])
    table.insert(0, "zh", [c.zh for c in CHECKS])
    return table.reset_index(names="code")
