"""Facts of cost: own medical cost after every insurer, listed diseases, and rigid expenditure, of twelve months.

Amounts `..._on_file_cny` are what is on file, a lower bound where a month's file never came; the amount without `on_file` is NULL there.
Illness reaches two offices: rigid expenditure takes the larger of the expense register's and the claims', never their sum, and only where
it is serious (`rigid_illness_serious_only`): a listed disease, or cost above last year's income. Care of a disabled member is rigid where a
member is severely disabled by the list of grades the pack has for expenditure hardship.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from returnrisk.accounts import claims_of_households, delivered_months, window_frame
from returnrisk.policy import Policy
from returnrisk.screening.logic import money, over, when
from returnrisk.screening.windows import YEAR, ScreeningWindows
from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir

CARE = "disability_care"
JUDGED_BY = ("has_severe_disability_for_expenditure", "last_year_net_cny", "last_year_months", "last_year_computable")
"""Facts of other parts that tell whether a cost is rigid."""


def cost_facts(view: View, homes: ir.Table, *, policy: Policy, windows: ScreeningWindows) -> ir.Table:
    """One row per household of `homes` (household_id, township_code and `JUDGED_BY`)."""
    import ibis

    needed = int(policy.number("min_cost_months", windows.day))
    t = homes
    for table in ("medical", "expense"):
        months = delivered_months(view, window_frame([windows.cost_end], window=YEAR), table=table)
        months = months.select("township_code", **{f"{table}_months": months.months_delivered})
        t = t.left_join(months, "township_code").drop("township_code_right")
    t = t.mutate(medical_months=t.medical_months.fill_null(0), expense_months=t.expense_months.fill_null(0))
    for right in (_medical(view, homes, windows=windows), _expenses(view, windows=windows)):
        t = t.left_join(right, "household_id").drop("household_id_right")
    amounts = [c for c in t.columns if c.endswith("_on_file_cny")]
    t = t.mutate(**{c: t[c].cast("decimal(18,2)").fill_null(ibis.literal(0, "decimal(18,2)")) for c in amounts})
    whole_medical, whole_expense = t.medical_months >= needed, t.expense_months >= needed
    listed = ibis.cases(
        (t.n_listed_disease.fill_null(0) > 0, True), (whole_medical & (t.n_listed_unknown.fill_null(0) == 0), False)
    )
    t = t.mutate(has_listed_disease=listed, n_listed_disease=t.n_listed_disease.fill_null(0))
    illness = ibis.greatest(t.illness_on_file_cny, t.medical_on_file_cny)
    rigid_illness = _serious(t, illness, whole_medical & whole_expense, policy=policy, windows=windows)
    kinds = policy.listed("rigid_kinds", windows.day)
    t = t.mutate(rigid_illness=rigid_illness, illness_on_file_cny=illness, whole_medical=whole_medical, whole_expense=whole_expense)
    rigid, complete = _rigid(t, kinds)
    t = t.mutate(
        medical_own_12m_cny=when(t.whole_medical, t.medical_on_file_cny),
        rigid_on_file_cny=rigid,
        rigid_12m_cny=when(complete, rigid),
        has_elder_care_cost=ibis.cases((t.elder_care_on_file_cny > 0, True), (t.whole_expense, False)),
    )
    inner = [f"{kind}_on_file_cny" for kind in KINDS]
    return t.drop("township_code", *JUDGED_BY, "n_listed_unknown", "rigid_illness", "whole_medical", "whole_expense", *inner)


KINDS = ("illness", CARE, "elder_care", "disaster", "accident", "tuition", "other_rigid")


def over_last_year(facts: ir.Table, spent: Any, complete: Any, *, share: Any) -> Any:
    """Whether cost of twelve months is above a share of last year's household income (register account, scaled to twelve months)."""
    import ibis

    income = ibis.greatest(facts.last_year_net_cny, ibis.literal(0, "decimal(18,2)"))
    above = over(spent * facts.last_year_months, complete, money(share) * (income * 12))
    return ibis.cases((complete & (spent == 0), False), (facts.last_year_computable, above))


def _serious(t: ir.Table, illness: Any, complete: Any, *, policy: Policy, windows: ScreeningWindows) -> Any:
    """Whether cost of illness is rigid (the 重病 rule, on whichever office's amount is larger); NULL where nothing tells."""
    import ibis

    day = windows.day
    if not policy.flag("rigid_illness_serious_only", day):
        return ibis.literal(value=True)
    by_cost = over_last_year(t, illness, complete, share=policy.number("serious_illness_share", day))
    return by_cost | t.has_listed_disease if policy.flag("listed_disease_counts", day) else by_cost


def _rigid(t: ir.Table, kinds: tuple[str, ...]) -> tuple[Any, Any]:
    """Rigid expenditure on file, and whether that is all of it."""
    import ibis

    total, complete = ibis.literal(0, "decimal(18,2)"), t.whole_expense
    if "illness" in kinds:
        complete = complete & t.whole_medical
    conditions = {"illness": t.rigid_illness, CARE: t.has_severe_disability_for_expenditure}
    for kind in kinds:
        spent = t[f"{kind}_on_file_cny"]
        if kind in conditions:
            counts = conditions[kind]
            complete = complete & (counts.notnull() | (spent == 0))
            spent = ibis.ifelse(counts.fill_null(False), spent, ibis.literal(0, "decimal(18,2)"))
        total = total + spent
    return total.cast("decimal(18,2)"), complete


def _medical(view: View, homes: ir.Table, *, windows: ScreeningWindows) -> ir.Table:
    """Claims of the window by household (who lived there on the day of treatment), and of its worst-off member."""
    import ibis

    start, end = (ibis.literal(d) for d in YEAR.bounds(windows.cost_end))
    c = claims_of_households(view).semi_join(homes, "household_id")
    c = c.filter((c.treated_on >= start) & (c.treated_on <= end))
    persons = c.group_by("household_id", "person_id").agg(
        own=c.out_of_pocket_cny.sum(),
        inpatient=c.out_of_pocket_cny.sum(where=c.kind == "inpatient"),
        chronic=c.out_of_pocket_cny.sum(where=c.kind == "outpatient_chronic"),
        listed=c.disease_listed.any(),
        unknown=c.disease_listed.isnull().any(),
    )
    listed = persons.listed.fill_null(False)
    return persons.group_by("household_id").agg(
        medical_on_file_cny=persons.own.sum(),
        medical_person_max_on_file_cny=persons.own.max(),
        inpatient_on_file_cny=persons.inpatient.sum(),
        chronic_person_max_on_file_cny=persons.chronic.max(),
        n_listed_disease=listed.cast("int64").sum(),
        n_listed_unknown=(persons.unknown & ~listed).cast("int64").sum(),
    )


def _expenses(view: View, *, windows: ScreeningWindows) -> ir.Table:
    import ibis

    start, end = (ibis.literal(d) for d in YEAR.bounds(windows.cost_end))
    e = view.table("expense")
    e = e.filter((e.period_start >= start) & (e.period_end <= end))
    return e.group_by("household_id").agg(**{f"{kind}_on_file_cny": e.amount_cny.sum(where=e.kind == kind) for kind in KINDS})
