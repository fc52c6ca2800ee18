"""Attention groups (重点关注): whom the plans name, beyond who is in need by income; the severely disabled are a category (`severe_disability`). DOMAIN §2."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from returnrisk.screening.assistance_categories import ILLNESS_NEEDS, seriously_ill
from returnrisk.screening.clauses import Category, Clause, Rules
from returnrisk.screening.logic import money, over

if TYPE_CHECKING:
    import ibis.expr.types as ir


def _reaches(on_file: str, parameter: str, months: int) -> Any:
    """Cost of twelve months at least `months` times the parameter."""

    def holds(facts: ir.Table, rules: Rules) -> Any:
        limit = money(rules.policy.number(parameter, rules.day) * Decimal(months))
        return over(facts[on_file], facts.medical_own_12m_cny.notnull(), limit, reached=True)

    return holds


def _major_illness(facts: ir.Table, rules: Rules) -> Any:
    return (
        facts.has_seriously_ill_member
        | facts.has_listed_disease
        | _reaches("inpatient_on_file_cny", "major_illness_cost_year", 1)(facts, rules)
    )


def _unaided(facts: ir.Table, _: Rules) -> Any:
    return ~(facts.receives_dibao | facts.supported | facts.monitored)


def _first(facts: ir.Table, rules: Rules) -> Any:
    ill = seriously_ill(facts, rules, "medical_on_file_cny") | facts.has_seriously_ill_member
    return facts.has_disabled | ~facts.has_full_labour | ill | facts.had_emergency


def _group(code: str, zh: str, en: str, *clauses: Clause) -> Category:
    return Category(code, zh, en, clauses, "DOMAIN §2", attention=True)


ATTENTION: tuple[Category, ...] = (
    _group("attention_major_illness", "大病重病", "major illness",
           Clause("major_illness", "患大病、目录内重大疾病，或年住院自付达到规定", "registered, listed, or inpatient cost reached", _major_illness,
                  ("has_seriously_ill_member", "has_listed_disease", "medical_own_12m_cny"), ("major_illness_cost_year",))),
    _group("attention_chronic_illness", "负担较重的慢性病", "heavy chronic illness",
           Clause("chronic_cost", "一名成员慢性病门诊月均自付达到规定", "one member's own cost of chronic illness a month reached",
                  _reaches("chronic_person_max_on_file_cny", "chronic_cost_month", 12), ("medical_own_12m_cny",), ("chronic_cost_month",))),
    _group("attention_several_disabled", "一户多残", "several disabled",
           Clause("several_disabled", "残疾成员达到规定人数", "as many disabled members as the pack says", lambda f, _: f.several_disabled, ("several_disabled",),
                  ("several_disabled",))),
    _group("attention_old_keep_disabled", "以老养残", "the old keep the disabled",
           Clause("elders_keep_disabled", "有残疾成员和老人，无未残疾的劳动年龄成员", "a disabled member, an old one, and no adult below that age who is not disabled",
                  lambda f, _: f.elders_keep_disabled, ("elders_keep_disabled",), ("elder_age",))),
    _group("attention_frail_elder", "高龄失能老人", "frail old",
           Clause("frail_elder", "有高龄、重残老人，或有老人照料支出", "a very old or severely disabled old member, or cost of care for one",
                  lambda f, _: f.has_frail_elder | f.has_elder_care_cost, ("has_frail_elder", "has_elder_care_cost"), ("elder_age", "frail_elder_age"))),
    _group("attention_unaided", "主动发现（尚未获得帮扶）", "not yet aided",
           Clause("unaided", "无低保、无帮扶措施、非监测对象", "no dibao, no support, not monitored", _unaided, ("receives_dibao", "supported", "monitored")),
           Clause("disabled_weak_ill_or_emergency", "有残疾、无或弱劳动力、重病或突发情况", "disabled, no or weak labour, serious illness, or an emergency", _first,
                  ("has_disabled", "has_full_labour", "has_seriously_ill_member", "had_emergency", *ILLNESS_NEEDS), ("emergency_months",))),
)  # fmt: skip
