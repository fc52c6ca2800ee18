"""Household: who lives there, who can work, land, and rigid expenditure. Sex and ethnicity are protected and stay out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import divide, in_last_months, zero_where_delivered

if TYPE_CHECKING:
    import ibis.expr.types as ir

INFANT_YEARS, ADULT_YEARS, OLD_YEARS = 6, 16, 60
EMPLOYED = ("employer", "self_employed", "employee_formal", "employee_informal", "public_post", "farming", "family_worker")
EDUCATION_YEARS = {"none": 0, "primary": 6, "lower_secondary": 9, "upper_secondary": 12, "tertiary": 15}
_f = partial(
    Feature,
    family="household",
    record="member",
    verify_zh="核对家庭人口、劳动力和就业状况",
    verify_en="Check who lives there, who can work, and who has work",
)
_home = partial(_f, record="household", verify_zh="核对农户类型和承包地情况", verify_en="Check the kind of household and its land")
FEATURES = (
    _f("n_members", unit="count", zh="家庭人口", en="household members", monotone=0),
    _f("n_children", unit="count", zh="16岁以下人口", en="members under 16", monotone=0),
    _f("n_under_6", unit="count", zh="6岁以下人口", en="members under 6", monotone=0),
    _f("n_old", unit="count", zh="60岁及以上人口", en="members of 60 and over", monotone=0),
    _f("n_working_age", unit="count", zh="16至59岁人口", en="members of 16 to 59", monotone=0),
    _f("n_full_labour", unit="count", zh="普通劳动力人数", en="members with full labour capacity", monotone=-1),
    _f("n_weak_labour", unit="count", zh="弱劳动力或半劳动力人数", en="members with weak labour capacity", monotone=0),
    _f("dependency_ratio", unit="ratio", zh="非劳动年龄人口占比", en="share of members outside working age", monotone=0),
    _f("head_age", unit="age", zh="户主年龄", en="age of the head", monotone=0),
    _f("youngest_age", unit="age", zh="最小成员年龄", en="age of the youngest member", monotone=0),
    _f("mean_age", unit="age", zh="成员平均年龄", en="mean age of members", monotone=0),
    _f("oldest_age", unit="age", zh="最大成员年龄", en="age of the oldest member", monotone=0),
    _f("adult_education_years", unit="years", zh="成年人平均受教育年限", en="mean schooling of adults", monotone=-1),
    _f("head_education_years", unit="years", zh="户主受教育年限", en="schooling of the head", monotone=-1),
    _f("best_education_years", unit="years", zh="成年人最高受教育年限", en="schooling of the most schooled adult", monotone=-1),
    _f("n_students", unit="count", zh="义务教育阶段后在校生人数", en="students beyond compulsory school", monotone=0),
    _f("n_working", unit="count", zh="就业人数", en="members with work", monotone=-1),
    _f("working_share", unit="share", zh="就业人数占比", en="share of members with work", monotone=-1),
    _f("n_formal_employees", unit="count", zh="稳定就业人数", en="members with regular jobs", monotone=-1),
    _f("n_informal_employees", unit="count", zh="灵活务工人数", en="members with casual jobs", monotone=0),
    _f("n_own_account", unit="count", zh="个体经营或雇主人数", en="members with a business of their own", monotone=0),
    _f("head_works", unit="flag", zh="户主有工作", en="the head has work", monotone=-1),
    _f("spouse_works", unit="flag", zh="户主配偶有工作", en="the head's spouse has work", monotone=-1),
    _f("n_idle_adults", unit="count", zh="未就业也未在校的16至59岁人数", en="members of 16 to 59 neither at work nor at school", monotone=0),
    _f("n_unemployed", unit="count", zh="待业人数", en="unemployed members", monotone=1),
    _f("n_away", unit="count", zh="外出务工人数", en="members working away", monotone=0),
    _f("n_employee_insured", unit="count", zh="参加职工医保人数", en="members with a job's health cover", monotone=0),
    _f("n_without_health_cover", unit="count", zh="未参加医保人数", en="members without health cover", monotone=1, responsible="office"),
    _home("land_per_member", unit="mu", zh="人均承包地", en="contracted land per member", monotone=0),
    _home("resettled", unit="flag", zh="易地搬迁户", en="resettled household", monotone=0),
    _home("ex_poor", unit="flag", zh="脱贫户", en="left registered poverty", monotone=0),
    _f("rigid_expense_12m_line_ratio", unit="lines", zh="近12个月人均刚性支出（医疗除外）", en="rigid expenditure of 12 months per head, medical apart", monotone=0, record="expense",
       verify_zh="核对照护、学费、事故等支出票据，符合条件的申请救助", verify_en="Check bills for care, tuition or accidents, and whether relief can be applied for"),
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features, `on_member`, `on_household` and `on_expense`."""
    who = context.members
    age, adult = who.age_years, who.age_years >= ADULT_YEARS
    years = who.education.cases(*EDUCATION_YEARS.items())
    working = who.employment.isin(EMPLOYED)

    def n(condition: Any) -> Any:
        return condition.cast("int64").sum()

    people = who.group_by("household_id").agg(
        on_member=who.on_member.max(),
        n_members=who.count(),
        n_children=n(~adult),
        n_under_6=n(age < INFANT_YEARS),
        n_old=n(age >= OLD_YEARS),
        n_working_age=n(adult & (age < OLD_YEARS)),
        n_full_labour=n(who.labour_capacity == "full"),
        n_weak_labour=n(who.labour_capacity == "weak"),
        head_age=age.max(where=who.relation == "head"),
        youngest_age=age.min(),
        oldest_age=age.max(),
        mean_age=age.mean(),
        adult_education_years=years.mean(where=adult),
        head_education_years=years.max(where=who.relation == "head"),
        best_education_years=years.max(where=adult),
        n_students=n(who.in_school & adult),
        n_working=n(working),
        n_formal_employees=n(who.employment == "employee_formal"),
        n_informal_employees=n(who.employment == "employee_informal"),
        n_own_account=n(who.employment.isin(("self_employed", "employer"))),
        head_works=working.cast("int8").max(where=who.relation == "head"),
        spouse_works=working.cast("int8").max(where=who.relation == "spouse"),
        n_idle_adults=n(adult & (age < OLD_YEARS) & ~working & ~who.in_school.fill_null(False)),
        n_unemployed=n(who.employment == "unemployed"),
        n_away=n(who.works_away),
        n_employee_insured=n(who.employee_insurance),
        n_without_health_cover=n(~who.health_cover),
    )
    people = people.mutate(
        dependency_ratio=1 - divide(people.n_working_age, people.n_members),
        working_share=divide(people.n_working, people.n_members),
    )
    home = context.view.table("household").drop("village_code").rename(on_household="recorded_on")
    t = _expenses(context).left_join(people, "household_id").drop("household_id_right")
    t = t.left_join(home, "household_id").drop("household_id_right")
    return t.mutate(
        land_per_member=divide(t.land_mu, t.n_members),
        resettled=t.resettled.cast("int8"),
        ex_poor=(t.registered_type == "ex_poor").cast("int8"),
        rigid_expense_12m_line_ratio=divide(t.rigid_cny, t.line_heads),
    ).select("household_id", "on_member", "on_household", "on_expense", *[f.name for f in FEATURES])


def _expenses(context: Context) -> ir.Table:
    """Every household of the day with its rigid expenditure of twelve months; illness is told by the claims, with their own family."""
    e = context.view.table("expense")
    e = e.filter((e.kind != "illness") & in_last_months(context, e.period_end, 12))
    rows = e.group_by("household_id").agg(on_expense=e.recorded_on.max(), rigid_cny=e.amount_cny.sum())
    return zero_where_delivered(context, rows, table="expense", columns=("rigid_cny",))


FAMILY = Family(name="household", zh="家庭", en="household", features=FEATURES, build=build)
