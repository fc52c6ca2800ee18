"""建议措施（供参考）: what may help, by cause of the fall and by who can work. Advice to a person who decides; nothing here is a decision.

Able to work: development; weak: a public post or a workshop first; unable: the safety net. Motivation is never inferred: no measure of
this catalogue speaks of it. Source: DOMAIN §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from returnrisk.accounts import living_members
from returnrisk.screening.people_facts import ADULT_YEARS
from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir

LABOUR = {
    "able": ("有劳动能力", "somebody is able to work"), "weak": ("弱劳动力或半劳动力", "weak or half labour only"),
    "unable": ("无劳动能力", "nobody is able to work"), "unknown": ("劳动能力不详", "labour capacity is not on file"),
}  # fmt: skip
ANYBODY = tuple(LABOUR)
WORKING = ("able", "weak")
ANY_CAUSE = "any"


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure that may be suggested for a cause to households with this labour."""

    cause: str
    labour: tuple[str, ...]
    code: str
    zh: str
    en: str


MEASURES = (
    Measure("farming_shrank", ("able",), "technical_help", "种养技术指导、产销对接", "technical help and sales for crops and livestock"),
    Measure("farming_shrank", ("able",), "other_project", "对接其他产业项目", "a link to another industry project"),
    Measure("farming_shrank", ("weak",), "public_post", "优先安排公益性岗位或帮扶车间", "a public post or workshop first"),
    Measure("job_lost", ("able",), "placement", "岗位推荐、劳务对接", "placement in a job"),
    Measure("job_lost", ("able",), "transport_subsidy", "务工交通补助", "transport subsidy for work away"),
    Measure("job_lost", ("able",), "skills", "技能培训", "training"),
    Measure("job_lost", ("weak",), "public_post", "优先安排公益性岗位或帮扶车间", "a public post or workshop first"),
    Measure("post_lost", ("weak",), "public_post", "优先重新安排公益性岗位或帮扶车间", "another public post or workshop first"),
    Measure("post_lost", ("able",), "placement", "岗位推荐、劳务对接", "placement in a job"),
    Measure("dividend_cut", ANYBODY, "other_project", "核查联结项目，转接其他产业项目", "look into the project, link to another one"),
    Measure("dividend_cut", ("able",), "technical_help", "自主发展种养业技术指导", "technical help for crops and livestock of one's own"),
    Measure("no_micro_credit", WORKING, "micro_credit", "协助申请或续办小额信贷", "help with an application for micro-credit"),
    Measure("dibao_cancelled", ANYBODY, "dibao_review", "复核低保资格，落实救助渐退", "re-check the entitlement, gradual exit"),
    Measure("dibao_cancelled", ("able",), "placement", "岗位推荐、劳务对接", "placement in a job"),
    Measure("dibao_cancelled", ("weak",), "public_post", "优先安排公益性岗位或帮扶车间", "a public post or workshop first"),
    Measure("subsidy_cut", ANYBODY, "replacement", "核对应享补贴，落实替代增收措施", "check every entitlement, find a replacement"),
    Measure("disaster", ANYBODY, "disaster_relief", "落实救灾救助", "disaster relief"),
    Measure("disaster", ANYBODY, "insurance_claim", "协助保险理赔", "help with the insurance claim"),
    Measure("disaster", WORKING, "production_recovery", "恢复生产技术和物资支持", "help to produce again"),
    Measure("support_not_delivered", ANYBODY, "deliver_support", "主管部门限期落实措施", "the office delivers the measure by a day"),
    Measure("support_not_delivered", ANYBODY, "responsible_person", "调整帮扶责任人", "another responsible person"),
    Measure("other", ANYBODY, "visit", "入户核实减收原因", "a visit to find out why"),
    Measure(ANY_CAUSE, ("unable",), "safety_net", "纳入低保、特困或临时救助兜底", "dibao, 特困 or temporary relief"),
    Measure(ANY_CAUSE, ("unknown",), "verify_labour", "先核实劳动能力，再定措施", "first find out who can work"),
)  # fmt: skip
"""`any` holds for every cause."""


def labour_of_households(view: View, households: ir.Table) -> ir.Table:
    """Who can work, by present adults: household_id, labour (able: somebody fully; weak; unable: nobody, all known; unknown)."""
    import ibis

    t = living_members(view).semi_join(households, "household_id")
    adult = (t.age_years >= ADULT_YEARS).fill_null(True)  # a child does no work, whatever was written down
    n = t.group_by("household_id").agg(
        n_full=t.count(where=adult & (t.labour_capacity == "full")),
        n_weak=t.count(where=adult & (t.labour_capacity == "weak")),
        n_unknown=t.count(where=adult & t.labour_capacity.isnull()),
    )
    labour = ibis.cases((n.n_full > 0, "able"), (n.n_unknown > 0, "unknown"), (n.n_weak > 0, "weak"), else_="unable")
    return n.select("household_id", labour=labour)


def suggested_measures(view: View, causes: ir.Table, *, households: ir.Table) -> ir.Table:
    """Measures for every household with a cause.

    Parameters
    ----------
    causes
        `change_causes` of the view.
    households
        Households with their members on the day.

    Returns
    -------
    Ibis table, one row per household, cause and measure: household_id, village_code, township_code, cause, number, labour, measure, text_zh,
    text_en. Advisory: a human confirms.
    """
    import ibis

    every = sorted({m.cause for m in MEASURES} - {ANY_CAUSE})
    rows = [
        {"cause": cause, "labour": labour, "measure": m.code, "text_zh": m.zh, "text_en": m.en}
        for m in MEASURES
        for cause in (every if m.cause == ANY_CAUSE else [m.cause])
        for labour in m.labour
    ]
    catalogue = ibis.memtable(rows, schema=dict.fromkeys(("cause", "labour", "measure", "text_zh", "text_en"), "string"))
    t = causes.select("household_id", "village_code", "township_code", "cause", "number")
    t = t.inner_join(labour_of_households(view, households), "household_id")
    return t.inner_join(catalogue, ["cause", "labour"])
