"""Every shipped alert rule fires on a hand-made household and not on its neighbour; names that do not exist stop the run."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from returnrisk.errors import PolicyNameError
from returnrisk.policy import (
    CategoryFact,
    Condition,
    FactWindow,
)
from tests.alert_county import (
    CALM,
    DAY,
    FIRED,
    POLICY,
    VILLAGE,
    categories_of,
    claims,
    county,
    disaster,
    raised,
    rule_of,
    shipped,
    table_fact,
)
from tests.feature_households import County, Tables, day

# -- the shipped rules -------------------------------------------------------------------------------------------------------------


def _schooling(c: County, person: int, start: str, stage: str, status: str, fee: Any = None) -> None:
    row = {"person_id": person, "term_start": day(start), "stage": stage, "status": status, "fee_cny_year": fee}
    c.tables["schooling"].append(row | {"recorded_on": day(start) + dt.timedelta(days=20)})


def _signal(c: County, number: int, household: int, channel: str, code: str = "other") -> None:
    c.tables["signal"].append(
        {"signal_id": number, "household_id": household, "channel": channel, "code": code, "raised_on": day("2024-07-20"), "recorded_on": day("2024-07-22")}
    )  # fmt: skip


def _project(c: County, number: int, household: int, state: str) -> None:
    c.tables["industry_project"].append(
        {"project_id": number, "household_id": household, "project_kind": "planting", "linked_on": day("2022-01-01"), "state": state,
         "state_on": day("2024-06-15"), "recorded_on": day("2024-07-01")}
    )  # fmt: skip


def _loan(c: County, number: int, household: int, *, overdue: bool) -> None:
    c.tables["loan"].append(
        {"loan_id": number, "household_id": household, "kind": "micro_credit", "amount_cny": 50000, "granted_on": day("2022-01-01"),
         "due_on": day("2024-06-30"), "balance_cny": 50000, "overdue": overdue, "recorded_on": day("2024-07-10")}
    )  # fmt: skip


def _certificate(c: County, person: int, grade: int, issued: str) -> None:
    c.tables["disability"].append(
        {"person_id": person, "kind": "physical", "grade": grade, "issued_on": day(issued), "valid_until": None, "recorded_on": day(issued) + dt.timedelta(days=10)}
    )  # fmt: skip


def _job(c: County, person: int, reason: str, *, place: str = "province") -> None:
    c.tables["employment"].append(
        {"person_id": person, "started_on": day("2022-03-01"), "kind": "employee_informal", "place": place, "sector": "construction",
         "monthly_wage_cny": 4000, "ended_on": day("2024-06-20"), "end_reason": reason, "recorded_on": day("2024-07-05")}
    )  # fmt: skip


P, Q = FIRED * 10 + 1, CALM * 10 + 1
HALF = Decimal("0.5") * POLICY.number("regional_disposable_income", DAY)
WHOLE = POLICY.number("regional_disposable_income", DAY)
CASES: dict[str, Any] = {
    "self_application": lambda c: (_signal(c, 1, FIRED, "self_report"), _signal(c, 2, CALM, "hotline")),
    "complaint": lambda c: (_signal(c, 1, FIRED, "hotline"), _signal(c, 2, CALM, "self_report")),
    "cadre_report": lambda c: (_signal(c, 1, FIRED, "cadre"), _signal(c, 2, CALM, "self_report")),
    "injury": lambda c: (_signal(c, 1, FIRED, "hotline", "injury"), _signal(c, 2, CALM, "hotline", "other")),
    "emergency": lambda c: disaster(c, FIRED),
    "dibao_not_received": lambda c: [c.subsidy(CALM, "dibao", f"2024-0{m}-01", "granted", 300) for m in (4, 5, 6)],
    "disability_subsidy_not_received": lambda c: (_certificate(c, P, 2, "2020-01-01"), _certificate(c, Q, 3, "2020-01-01")),
    "self_paid_over_half": lambda c: (c.claim(1, P, "2024-02-01", "inpatient", 99999, HALF + Decimal("0.01")), c.claim(2, Q, "2024-02-01", "inpatient", 99999, HALF)),
    "self_paid_over_all": lambda c: (c.claim(1, P, "2024-02-01", "inpatient", 99999, WHOLE + Decimal("0.01")), c.claim(2, Q, "2024-02-01", "inpatient", 99999, WHOLE)),
    "self_paid_low_income": lambda c: (c.claim(1, P, "2024-02-01", "inpatient", 99999, 10000.01), c.claim(2, Q, "2024-02-01", "inpatient", 99999, 10000)),
    "self_paid_others": lambda c: (c.claim(1, P, "2024-02-01", "inpatient", 99999, 26000.01), c.claim(2, Q, "2024-02-01", "inpatient", 99999, 26000)),
    "self_paid_no_aid": lambda c: [c.claim(i, p, "2024-02-01", "inpatient", 99999, 60000) for i, p in ((1, P), (2, Q))],
    "inpatient_registered": lambda c: (c.claim(1, P, "2024-02-01", "inpatient", 9999, 5000), c.claim(2, Q, "2024-02-01", "inpatient", 9999, 4999.99)),
    "inpatient_general": lambda c: (c.claim(1, P, "2024-02-01", "inpatient", 99999, 20000), c.claim(2, Q, "2024-02-01", "outpatient_chronic", 99999, 20000)),
    "chronic_outpatient": lambda c: (c.claim(1, P, "2024-05-01", "outpatient_chronic", 999, 500), c.claim(2, Q, "2024-05-01", "outpatient_chronic", 999, 499.99)),
    "listed_disease": lambda c: (c.claim(1, P, "2024-05-01", "inpatient", 999, 5, listed=True), c.claim(2, Q, "2024-05-01", "inpatient", 999, 5)),
    "new_severe_disability": lambda c: (_certificate(c, P, 1, "2024-06-10"), _certificate(c, Q, 1, "2024-01-10")),
    "dropout_suspected": lambda c: (_schooling(c, P, "2024-03-01", "primary", "dropped_out"), _schooling(c, Q, "2024-03-01", "primary", "enrolled")),
    "school_cost": lambda c: (_schooling(c, P, "2024-03-01", "tertiary", "enrolled", 10000.01), _schooling(c, Q, "2024-03-01", "tertiary", "enrolled", 10000)),
    "several_students": lambda c: [_schooling(c, p, "2024-03-01", "tertiary", "enrolled") for p in (P, P + 1, Q)],
    "new_dibao": lambda c: [c.subsidy(h, "dibao", s, "granted", 300) for h, s in ((FIRED, "2024-06-01"), (CALM, "2024-05-01"), (CALM, "2024-06-01"))],
    "dibao_cancelled": lambda c: (c.subsidy(FIRED, "dibao", "2024-06-01", "cancelled", 0), c.subsidy(CALM, "dibao", "2024-06-01", "granted", 300)),
    "job_lost": lambda c: (_job(c, P, "dismissed"), _job(c, Q, "care")),
    "migrants_return": lambda c: (_job(c, P, "care", place="outside"), _job(c, Q, "care", place="county")),
    "industry_failed": lambda c: (_project(c, 1, FIRED, "failed"), _project(c, 2, CALM, "running")),
    "loan_overdue": lambda c: (_loan(c, 1, FIRED, overdue=True), _loan(c, 2, CALM, overdue=False)),
    "housing_missing": lambda _: None, "water_missing": lambda _: None, "schooling_missing": lambda c: _schooling(c, P, "2024-03-01", "primary", "suspended"),
    "medical_missing": lambda _: None, "income_fall": lambda _: None,
}  # fmt: skip


def neighbours(rule: str) -> tuple[Tables, dict[str, Any], Any]:
    """Two households that differ in what the rule asks for; the first is to be raised."""
    c = county()
    kind = shipped()[rule].group.get("registered", ("general",))[0]
    bad = {"housing_grade": "D"} if rule == "housing_missing" else {"water_safe": False} if rule == "water_missing" else {}
    c.household(
        FIRED, VILLAGE, members=[{"health_cover": rule != "medical_missing"}, {"health_cover": True}], registered_type=kind, **bad
    )
    c.household(CALM, VILLAGE, members=[{"health_cover": True}, {"health_cover": True}], registered_type=kind)
    CASES[rule](c)
    if rule == "self_paid_no_aid":
        c.tables["medical"][1]["aid_paid_cny"] = 0.01
    facts: dict[str, Any] = {
        f"held_{g}": {FIRED: rule != f"{g}_missing", CALM: True} for g in ("housing", "water", "schooling", "medical")
    }
    for prefix, nets in (("register", (6999, 7000)), ("last_year", (10000, 10000))):
        facts[f"{prefix}_net_cny"] = dict(zip((FIRED, CALM), map(Decimal, nets), strict=True))
        facts |= {f"{prefix}_{n}": {FIRED: v, CALM: v} for n, v in (("members", 2), ("months", 12), ("computable", True))}
    low = int(rule in {"self_paid_low_income", "dibao_not_received"})
    return c.tables, facts, categories_of({(h, name): low for h in (FIRED, CALM) for name in ("dibao", "dibao_margin")})


def test_every_shipped_rule_has_a_case():
    assert set(CASES) == set(shipped())


@pytest.mark.parametrize("rule", sorted(CASES))
def test_a_shipped_rule_fires_on_its_household_and_not_on_the_neighbour(rule):
    tables, facts, categories = neighbours(rule)
    found = raised(tables, shipped()[rule], facts=facts, categories=categories)
    assert list(found.alerts["household_id"]) == [FIRED]
    row, alert = found.rules.iloc[0], found.alerts.iloc[0]
    assert (row["n_yes"], row["n_no"], row["n_cannot_tell"]) == (1, 1, 0)
    assert alert["raised_on"] <= DAY
    assert alert["due_on"] == DAY + dt.timedelta(days=shipped()[rule].due_days)
    assert alert["evidence_zh"]
    assert "{" not in alert["evidence_zh"] + alert["evidence_en"]
    assert alert["state"] == "open"


# -- names that do not exist -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        (table_fact("medicl", "exists"), r"hand\.facts\[1\]: unknown table 'medicl'; did you mean 'medical'"),
        (table_fact("identity", "exists"), "ricted"),
        (table_fact("price", "exists"), "about no household"),
        (table_fact("medical", "sum", "out_of_pocket", comparison="over", number=1), "did you mean 'out_of_pocket_cny'"),
        (table_fact("medical", "sum", "kind", comparison="over", number=1), "no number"),
        (
            table_fact("member", "exists", where=(Condition("ethnicity_group", values=("han",)),), window=FactWindow("now")),
            "unknown column",
        ),
        (table_fact("medical", "exists", where=(Condition("kind", values=("inpatiant",)),)), "did you mean 'inpatient'"),
        (table_fact("medical", "exists", where=(Condition("disease_listed", values=("yes",)),)), "true or false"),
        (table_fact("medical", "exists", date="kind"), "no date"),
        (table_fact("household", "exists", where=(Condition("water_safe", values=(False,)),)), "no date of their own"),
        (table_fact("signal", "exists", per="person"), "does not say which person"),
    ],
)
def test_a_name_that_does_not_exist_stops_before_anything_runs(fact, message):
    with pytest.raises(PolicyNameError, match=message) as caught:
        raised(claims(), rule_of(fact))
    assert caught.value.codes == ("POL024",)


def test_an_unknown_category_names_the_nea():
    with pytest.raises(PolicyNameError, match="did you mean 'dibao'"):
        raised(claims(), rule_of(CategoryFact("dibo", answer=True)), category_labels={"dibao": ("低保", "dibao")})
