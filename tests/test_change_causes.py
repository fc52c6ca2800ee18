"""Causes of a fall and measures: a hand-worked household for every cause, every kind of its evidence, and what must not be named."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any

import pytest

from returnrisk.contracts import load_contracts
from returnrisk.policy import load_policy
from returnrisk.screening.cause_catalogue import CAUSES, DETAIL_FIELDS, NUMBERS, TEXTS
from returnrisk.screening.cause_evidence import EVIDENCE, SOURCE_OF_MEASURE
from returnrisk.screening.income_screening import IncomeScreening, screen_income
from returnrisk.screening.measures import ANY_CAUSE, LABOUR, MEASURES
from tests.feature_households import day
from tests.income_change_households import DAY, causes_store

CLOSED = day("2025-06-30")
LESS = Decimal(5400)


@functools.cache
def found() -> IncomeScreening:
    return screen_income(causes_store().as_of(DAY), policy=load_policy("national"))


@functools.cache
def causes() -> dict[int, dict[str, dict[str, Any]]]:
    result: dict[int, dict[str, dict[str, Any]]] = {}
    for row in found().causes.to_pylist():
        result.setdefault(row["household_id"], {})[row["cause"]] = row
    return result


@pytest.mark.parametrize(
    ("household", "cause", "table", "detail", "event_on", "explained"),
    [
        (101, "farming_shrank", "income", "", CLOSED, LESS),
        (102, "disaster", "disaster", "flood", day("2024-11-05"), Decimal(3000)),
        (102, "farming_shrank", "income", "", CLOSED, Decimal(2400)),
        (103, "disaster", "disaster", "flood", day("2024-11-05"), LESS),
        (104, "disaster", "hazard", "animal_disease", day("2024-12-01"), None),
        (105, "farming_shrank", "income", "", CLOSED, LESS),
        (111, "job_lost", "employment", "outside", day("2024-12-15"), LESS),
        (112, "job_lost", "member", "unemployed", day("2024-12-20"), LESS),
        (113, "job_lost", "income", "", CLOSED, LESS),
        (115, "job_lost", "employment", "outside", day("2025-07-10"), None),
        (121, "post_lost", "employment", "public_post", day("2025-01-31"), LESS),
        (122, "post_lost", "support", "public_post", day("2025-02-28"), LESS),
        (123, "post_lost", "income", "", CLOSED, LESS),
        (124, "post_lost", "employment", "workshop", day("2025-01-31"), LESS),
        (131, "dividend_cut", "industry_project", "failed", day("2024-12-10"), Decimal(1500)),
        (132, "dividend_cut", "income", "", CLOSED, Decimal(2000)),
        (133, "dividend_cut", "industry_project", "suspended", day("2024-12-10"), Decimal(2000)),
        (141, "no_micro_credit", "loan", "", day("2025-01-05"), None),
        (143, "no_micro_credit", "support", "micro_credit", day("2025-02-01"), None),
        (151, "dibao_cancelled", "subsidy", "", day("2024-12-01"), LESS),
        (153, "dibao_cancelled", "income", "", CLOSED, LESS),
        (161, "subsidy_cut", "subsidy", "ecology", day("2025-01-01"), LESS),
        (162, "subsidy_cut", "subsidy", "farm_support", day("2025-02-01"), LESS),
        (163, "subsidy_cut", "income", "", CLOSED, LESS),
        (171, "support_not_delivered", "support", "industry", day("2025-01-10"), None),
        (114, "other", "income", "migrant_work", CLOSED, Decimal(3600)),
        (152, "other", "income", "dibao", CLOSED, LESS),
        (181, "other", "income", "remittance", CLOSED, LESS),
        (182, "other", "household_roster", "", day("2025-01-15"), None),
        (185, "other", "income", "local_work", CLOSED, Decimal(360)),
    ],
)
def test_a_cause_has_its_evidence(household: int, cause: str, table: str, detail: str, event_on: Any, explained: Decimal | None):
    row = causes()[household][cause]
    assert (row["table_name"], row["detail"], row["event_on"], row["explained_cny"]) == (table, detail, event_on, explained)
    assert row["number"] == NUMBERS[cause]
    assert row["event_on"] <= DAY
    assert row["recorded_on"] <= DAY


@pytest.mark.parametrize(
    ("household", "named"),
    [
        (101, {"farming_shrank"}),
        (102, {"disaster", "farming_shrank"}),
        (103, {"disaster"}),
        (104, {"disaster"}),  # the hazard of its township stands for its fall
        (105, {"farming_shrank"}),
        (114, {"other"}),
        (115, {"job_lost", "other"}),  # remittances fell for a reason of their own
        (116, {"other"}),  # in work again
        (117, {"job_lost"}),  # by the ledger
        (133, {"dividend_cut", "farming_shrank"}),
        (141, {"no_micro_credit"}),
        (142, {"other"}),  # has a new loan
        (172, {"other"}),
        (173, {"other"}),
        (174, {"other"}),
        (182, {"other"}),  # who earned it left: no job was lost
        (183, {"job_lost", "dibao_cancelled"}),
    ],
)
def test_nothing_else_is_named(household: int, named: set[str]):
    assert set(causes()[household]) == named


def test_only_a_fall_has_causes():
    assert 184 not in causes()
    fell = {r["household_id"] for r in found().changes.to_pylist() if r["verdict"] == "fall"}
    assert set(causes()) == fell


def test_every_fall_of_a_source_has_a_cause_of_it_or_an_open_one():
    for row in found().changes.to_pylist():
        if row["verdict"] == "fall" and row["source"] != "total":
            mine = causes()[row["household_id"]]
            assert "other" in mine or row["source"] in {r["source"] for r in mine.values()}, row


def test_causes_are_placed_by_the_yuan_they_explain():
    assert [(r["place"], r["cause"]) for r in sorted(causes()[183].values(), key=lambda r: r["place"])] == [
        (1, "job_lost"),
        (2, "dibao_cancelled"),
    ]
    assert [r["place"] for r in causes()[115].values() if r["cause"] == "job_lost"] == [2]  # how much it explains cannot be said


def test_texts_say_day_and_amount_in_both_languages():
    row = causes()[111]["job_lost"]
    assert row["text_zh"] == "家庭成员2024-12-15离开省外务工岗位；同期减少5400.00元"
    assert row["text_en"] == "a member's job (outside) ended on 2024-12-15; 5400.00 CNY less in the months on file"
    for rows in causes().values():
        for r in rows.values():
            assert r["text_zh"]
            assert "{" not in r["text_zh"] + r["text_en"]


def test_support_not_delivered_is_the_offices_failure():
    row = causes()[171]["support_not_delivered"]
    assert row["text_zh"] == "产业帮扶措施登记于2025-01-10，主管部门至今未落实"
    assert row["text_en"] == "the office has not delivered the measure industry, registered for 2025-01-10"
    assert [c.code for c in CAUSES if c.whose == "office"] == ["support_not_delivered"]


def test_the_catalogue_is_whole():
    contracts = load_contracts()
    assert [c.number for c in CAUSES] == list(range(1, 11))
    assert [e.__name__ for e in EVIDENCE] == [c.code for c in CAUSES[:-1]]
    assert {cause for cause, _ in TEXTS} == set(NUMBERS)
    for (cause, table), (zh, en) in TEXTS.items():
        said = (("{detail}" in zh), ("{detail}" in en))
        assert said == ((cause, table) in DETAIL_FIELDS,) * 2, (cause, table)
    for (_, table), field in DETAIL_FIELDS.items():
        assert contracts[table].field(field).codes
    assert set(SOURCE_OF_MEASURE) <= set(contracts["support"].field("measure").valid_values or ())


# -- measures ---------------------------------------------------------------------------------------------------------------------


@functools.cache
def measures() -> dict[int, set[tuple[str, str, str]]]:
    result: dict[int, set[tuple[str, str, str]]] = {}
    for row in found().measures.to_pylist():
        result.setdefault(row["household_id"], set()).add((row["cause"], row["labour"], row["measure"]))
    return result


@pytest.mark.parametrize(
    ("household", "expected"),
    [
        (111, {("job_lost", "able", m) for m in ("placement", "transport_subsidy", "skills")}),
        (191, {("job_lost", "weak", "public_post")}),
        (192, {("job_lost", "unable", "safety_net")}),
        (193, {("job_lost", "unknown", "verify_labour")}),
        (194, {("job_lost", "unable", "safety_net")}),
        (195, {("job_lost", "weak", "public_post")}),
        (171, {("support_not_delivered", "able", "deliver_support"), ("support_not_delivered", "able", "responsible_person")}),
        (141, {("no_micro_credit", "able", "micro_credit")}),
    ],
)
def test_measures_follow_cause_and_labour(household: int, expected: set[tuple[str, str, str]]):
    assert measures()[household] == expected


def test_every_cause_has_a_measure_for_everybody():
    for cause in NUMBERS:
        for labour in LABOUR:
            assert [m for m in MEASURES if m.cause in (cause, ANY_CAUSE) and labour in m.labour], (cause, labour)


def test_motivation_is_never_inferred():
    words = " ".join(m.code + m.zh + m.en for m in MEASURES)
    assert not any(word in words for word in ("扶志", "扶智", "等靠要", "motivation"))
