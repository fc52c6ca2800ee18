"""The ladder of civil affairs: dibao, its margin, the two forms of expenditure hardship, single person, other low income, gradual exit.

Income is `assistance_countable`; every line is the pack's of the day. On a line is not below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from returnrisk.screening.clauses import Category, Clause, Rules, all_hold
from returnrisk.screening.cost_facts import over_last_year
from returnrisk.screening.logic import head_below, money, over, when

if TYPE_CHECKING:
    import ibis.expr.types as ir

INCOME = ("assistance_head_cny_year",)
RIGID_PARAMETERS = ("rigid_kinds", "rigid_illness_serious_only")


def _below(line: str) -> Any:
    return lambda facts, rules: head_below(facts, "assistance", rules.policy.number(line, rules.day))


def _not_below(line: str) -> Any:
    return lambda facts, rules: ~head_below(facts, "assistance", rules.policy.number(line, rules.day))


def _assets_within(facts: ir.Table, rules: Rules) -> Any:
    """Savings per head, houses, vehicle, business within the pack's limits; NULL where no enquiry may be looked at."""
    p, day = rules.policy, rules.day
    ok = facts.savings_cny <= money(p.number("savings_head_limit", day)) * facts.n_members
    ok = ok & (facts.n_houses <= int(p.number("houses_limit", day)))
    if not p.flag("vehicle_allowed", day):
        ok = ok & ~facts.has_vehicle
    if not p.flag("business_allowed", day):
        ok = ok & ~facts.has_business
    return ok


def _income_less_rigid_below_margin(facts: ir.Table, rules: Rules) -> Any:
    """(Income of a year − rigid expenditure of twelve months) per head below the margin line, in exact decimals."""
    line = money(rules.policy.number("dibao_margin_line", rules.day))
    room = facts.assistance_net_cny * 12 - line * (facts.assistance_members * facts.assistance_months)
    spent = facts.rigid_on_file_cny * facts.assistance_months
    # room < spent: as for `over`, what is on file is enough for a yes
    return when(facts.assistance_computable, over(spent, facts.rigid_12m_cny.notnull(), room))


def _rigid_share_above(facts: ir.Table, rules: Rules) -> Any:
    """Rigid expenditure of twelve months above the pack's ratio of a year's income (FACTS: "above"); without income, any is above it."""
    import ibis

    ratio = money(rules.policy.number("hard_expenditure_ratio", rules.day))
    income = ibis.greatest(facts.assistance_net_cny, ibis.literal(0, "decimal(18,2)"))
    spent = facts.rigid_on_file_cny * facts.assistance_months
    return when(facts.assistance_computable, over(spent, facts.rigid_12m_cny.notnull(), ratio * (income * 12)))


BELOW_DIBAO = Clause(
    "below_dibao_line",
    "人均收入低于低保标准",
    "income per head below the dibao line",
    _below("dibao_line"),
    INCOME,
    ("dibao_line",),
)
NOT_BELOW_DIBAO = Clause(
    "not_below_dibao_line",
    "人均收入不低于低保标准",
    "income per head not below the dibao line",
    _not_below("dibao_line"),
    INCOME,
    ("dibao_line",),
)
BELOW_MARGIN = Clause(
    "below_margin_line",
    "人均收入低于低保边缘线",
    "income per head below the margin line",
    _below("dibao_margin_line"),
    INCOME,
    ("dibao_margin_line",),
)
NOT_BELOW_MARGIN = Clause(
    "not_below_margin_line",
    "人均收入不低于低保边缘线",
    "income per head not below the margin line",
    _not_below("dibao_margin_line"),
    INCOME,
    ("dibao_margin_line",),
)
ASSETS = Clause(
    "assets_within_limits",
    "家庭财产符合规定",
    "assets within the limits",
    _assets_within,
    ("asset_checked_on",),
    ("savings_head_limit", "houses_limit", "vehicle_allowed", "business_allowed", "authorisation_needed"),
)
NOT_ON_DIBAO = Clause("not_on_dibao", "未享受低保", "not receiving dibao", lambda f, _: ~f.receives_dibao, ("receives_dibao",))
NOT_TEKUN = Clause("not_tekun", "非特困供养", "not in destitute care", lambda f, _: ~f.receives_tekun, ("receives_tekun",))
BELOW_REGIONAL = Clause(
    "below_regional_income",
    "人均收入低于上年度当地居民人均可支配收入",
    "income per head below last year's local disposable income",
    _below("regional_disposable_income"),
    INCOME,
    ("regional_disposable_income",),
)
DIBAO = Category("dibao", "低保（符合条件）", "eligible for dibao", (BELOW_DIBAO, ASSETS), "DOMAIN §2")
DIBAO_MARGIN = Category("dibao_margin", "低保边缘", "dibao margin", (NOT_BELOW_DIBAO, BELOW_MARGIN, ASSETS), "DOMAIN §2")


def seriously_ill(facts: ir.Table, rules: Rules, on_file: str) -> Any:
    """Own cost above the pack's share of last year's household income, or, where the pack says so, a listed disease."""
    share = rules.policy.number("serious_illness_share", rules.day)
    by_cost = over_last_year(facts, facts[on_file], facts.medical_own_12m_cny.notnull(), share=share)
    return by_cost | facts.has_listed_disease if rules.policy.flag("listed_disease_counts", rules.day) else by_cost


ILLNESS_NEEDS = ("last_year_head_cny_year", "medical_own_12m_cny", "has_listed_disease")
ILLNESS_PARAMETERS = ("serious_illness_share", "listed_disease_counts")


def _single_person(facts: ir.Table, rules: Rules) -> Any:
    return facts.has_severe_disability | seriously_ill(facts, rules, "medical_person_max_on_file_cny")


def _not_margin(facts: ir.Table, rules: Rules) -> Any:
    return ~all_hold(DIBAO_MARGIN, facts, rules)


ASSISTANCE: tuple[Category, ...] = (
    DIBAO,
    DIBAO_MARGIN,
    Category(
        "expenditure_hardship", "支出型困难", "expenditure hardship (income less rigid expenditure)",
        (
            NOT_ON_DIBAO, NOT_TEKUN, BELOW_REGIONAL,
            Clause("income_less_rigid_below_margin", "收入扣除刚性支出后低于低保边缘线", "income less rigid expenditure below the margin line",
                   _income_less_rigid_below_margin, (*INCOME, "rigid_12m_cny"), ("dibao_margin_line", *RIGID_PARAMETERS)),
            ASSETS,
        ),
        "DOMAIN §2", in_use="expenditure_hardship_form",
    ),
    Category(
        "hard_expenditure", "刚性支出困难", "rigid-expenditure hardship (share of income)",
        (
            NOT_ON_DIBAO, NOT_TEKUN,
            Clause("not_margin", "非低保边缘", "not of the dibao margin", _not_margin, (*INCOME, "asset_checked_on")),
            BELOW_REGIONAL,
            Clause("rigid_share_above", "刚性支出占家庭收入超过规定比例", "rigid expenditure above the ratio of income",
                   _rigid_share_above, (*INCOME, "rigid_12m_cny"), ("hard_expenditure_ratio", *RIGID_PARAMETERS)),
            ASSETS,
        ),
        "FACTS", in_use="hard_expenditure_form",
    ),
    Category(
        "single_dibao", "单人保（符合条件）", "single-person dibao",
        (
            *DIBAO_MARGIN.clauses,
            Clause("severe_or_seriously_ill", "有重残或重病成员", "a severely disabled or seriously ill member", _single_person,
                   ("has_severe_disability", *ILLNESS_NEEDS),
                   ("severe_disability_grades", "severe_disability_grades_intellectual_mental", *ILLNESS_PARAMETERS)),
        ),
        "DOMAIN §2",
    ),
    Category(
        "other_low_income", "其他低收入", "other low income",
        (NOT_BELOW_MARGIN, Clause("below_other_line", "人均收入低于其他低收入线", "income per head below the line of other low income",
                                  _below("other_low_income_line"), INCOME, ("other_low_income_line",))),
        "DOMAIN §2",
    ),
    Category(
        "gradual_exit", "救助渐退期", "gradual exit",
        (
            Clause("on_dibao", "正在享受低保", "receiving dibao", lambda f, _: f.receives_dibao, ("receives_dibao",)),
            NOT_BELOW_DIBAO,
            Clause("was_below_within_period", "渐退期前人均收入低于低保标准", "income per head was below the line a gradual exit's months ago",
                   lambda f, _: f.was_below_dibao, ("was_below_dibao",), ("gradual_exit_months",)),
        ),
        "DOMAIN §2",
    ),
    Category(
        "serious_illness", "重病", "serious illness",
        (Clause("cost_over_income_or_listed", "自付医疗费超过上年家庭总收入，或患目录内重大疾病", "own cost above last year's household income, or a listed disease",
                lambda f, r: seriously_ill(f, r, "medical_on_file_cny"), ILLNESS_NEEDS, ILLNESS_PARAMETERS),),
        "DOMAIN §2",
    ),
    Category(
        "severe_disability", "重残", "severe disability",
        (Clause("severe_member", "有重度残疾成员", "a severely disabled member", lambda f, _: f.has_severe_disability, ("has_severe_disability",),
                ("severe_disability_grades", "severe_disability_grades_intellectual_mental")),),
        "DOMAIN §2",
    ),
)  # fmt: skip
