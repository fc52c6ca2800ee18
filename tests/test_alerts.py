"""Alerts: every aggregate and boundary by hand, every shipped rule on one household and not on its neighbour, ids, ledger, closing, yield."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pytest

from returnrisk.errors import PolicyNameError, UsageError
from returnrisk.policy import AccountFact, AlertRule, CategoryFact, Condition, FactWindow, GuaranteeFact, TableFact, Threshold, load_policy
from returnrisk.screening.alert_ledger import RAISED_COLUMNS, alert_states, merge_alerts, read_alerts, write_alerts
from returnrisk.screening.alert_windows import span_of
from returnrisk.screening.alert_yield import alert_yield
from returnrisk.screening.alerts import RaisedAlerts, raise_alerts
from returnrisk.store.view import View
from returnrisk.timeline import month_end
from tests.feature_households import BASE, County, Tables, copy_rows, day, month_starts, store_of

DAY = dt.date(2024, 7, 31)
VILLAGE, OTHER_TOWNSHIP = 999902001001, 999902002001
MONTHS = month_starts("2022-01", "2024-07")
SOURCES = (
    "income", "medical", "subsidy", "support", "monitoring", "disability", "disaster", "employment", "schooling", "loan", "signal", "visit",
    "industry_project", "expense", "insurance",
)  # fmt: skip
POLICY = load_policy("national")
FIRED, CALM = 101, 102


def county() -> County:
    c = County(months=MONTHS, line=6000)
    for code in (VILLAGE, OTHER_TOWNSHIP):
        c.village(code)
    c.deliver(VILLAGE // 1000, tables=SOURCES)
    return c


def facts_of(view: View, **columns: Mapping[int, Any]) -> Any:
    """Facts as the screening has them, of hand-made households: what a test does not give is not known."""
    types = {
        "registered_type": "string", "monitored": "boolean", "resettled": "boolean", "has_labour": "boolean", "held_housing": "boolean",
        "held_water": "boolean", "held_schooling": "boolean", "held_medical": "boolean", "register_net_cny": "decimal(18,2)",
        "register_members": "int64", "register_months": "int64", "register_computable": "boolean", "last_year_net_cny": "decimal(18,2)",
        "last_year_members": "int64", "last_year_months": "int64", "last_year_computable": "boolean",
        "assistance_net_cny": "decimal(18,2)", "assistance_members": "int64", "assistance_months": "int64", "assistance_computable": "boolean",
    }  # fmt: skip
    homes = view.table("household").to_pandas().sort_values("household_id")
    rows = [
        {"household_id": h, "village_code": v, "township_code": v // 1000, **{n: columns.get(n, {}).get(h) for n in types}}
        | ({} if "registered_type" in columns else {"registered_type": r})
        for h, v, r in zip(homes["household_id"], homes["village_code"], homes["registered_type"], strict=True)
    ]
    return table_of(rows, {"household_id": "int64", "village_code": "int64", "township_code": "int64", **types})


def table_of(rows: list[dict[str, Any]], types: Mapping[str, str]) -> Any:
    schema = ibis.schema(types).to_pyarrow()
    return ibis.memtable(pa.Table.from_pylist([{n: r[n] for n in types} for r in rows], schema=schema))


def exact_rows(tables: Tables) -> Tables:
    """Cents are written as 0.01 here and stored as decimals."""
    return {n: [{k: Decimal(str(v)) if isinstance(v, float) else v for k, v in r.items()} for r in rows] for n, rows in tables.items()}


def categories_of(answers: Mapping[tuple[int, str], int | None]) -> Any:
    rows = [{"household_id": h, "category": c, "answer": a} for (h, c), a in answers.items()]
    return table_of(rows, {"household_id": "int64", "category": "string", "answer": "int8"})


@functools.cache
def shipped() -> dict[str, AlertRule]:
    return {r.name: r for r in POLICY.alert_rules(DAY, every=True)}


def rule_of(*facts: Any, name: str = "hand", **group: Any) -> AlertRule:
    return replace(shipped()["emergency"], name=name, facts=facts, group=group, due_days=15)


def table_fact(table: str, aggregate: str, column: str | None = None, **said: Any) -> TableFact:
    number = said.pop("number", None)
    defaults: dict[str, Any] = {
        "per": "household", "where": (), "window": FactWindow("calendar_year"), "date": None, "comparison": None, "answers": (), "wanted": True
    }  # fmt: skip
    threshold = None if number is None else Threshold(Decimal(str(number)), str(number))
    return TableFact(table=table, aggregate=aggregate, column=column, threshold=threshold, **(defaults | said))  # type: ignore[arg-type]


def raised(tables: Tables, rule: AlertRule, *, on: dt.date = DAY, categories: Any = None, facts: Mapping[str, Any] | None = None, **said: Any) -> RaisedAlerts:  # fmt: skip
    view = store_of("alerts", exact_rows(tables)).as_of(on)
    return raise_alerts(view, policy=POLICY, facts=facts_of(view, **(facts or {})), categories=categories, rules=[rule], **said)


def answers(tables: Tables, fact: TableFact) -> tuple[int, int, int]:
    """For how many households the fact holds, does not, cannot be told."""
    row = raised(tables, rule_of(fact)).rules.iloc[0]
    return int(row["n_yes"]), int(row["n_no"]), int(row["n_cannot_tell"])


# -- aggregates and boundaries -----------------------------------------------------------------------------------------------------


def claims(*amounts: float, complete: bool = True) -> Tables:
    """One household with claims of the year; `complete`: every monthly file came."""
    c = county()
    c.household(FIRED, VILLAGE if complete else OTHER_TOWNSHIP)
    for i, amount in enumerate(amounts):
        c.claim(i + 1, FIRED * 10 + 1, f"2024-0{i + 1}-05", "inpatient", 99999, amount)
    return c.tables


@pytest.mark.parametrize(
    ("comparison", "amounts", "complete", "expected"),
    [
        ("over", (600, 400), True, (0, 1, 0)),
        ("over", (600, 400.01), True, (1, 0, 0)),
        ("over", (600, 400.01), False, (1, 0, 0)),
        ("over", (600,), False, (0, 0, 1)),
        ("over", (), True, (0, 1, 0)),
        ("over", (), False, (0, 0, 1)),
        ("at_least", (600, 400), True, (1, 0, 0)),
        ("at_least", (600, 399.99), True, (0, 1, 0)),
        ("under", (600, 400), True, (0, 1, 0)),
        ("under", (600, 399.99), True, (1, 0, 0)),
        ("under", (600,), False, (0, 0, 1)),
        ("under", (600, 400), False, (0, 1, 0)),
        ("under", (), True, (1, 0, 0)),
        ("at_most", (600, 400), True, (1, 0, 0)),
        ("at_most", (600, 400.01), False, (0, 1, 0)),
    ],
)
def test_a_sum_at_its_threshold_and_with_files_missing(comparison, amounts, complete, expected):
    fact = table_fact("medical", "sum", "out_of_pocket_cny", comparison=comparison, number=1000)
    assert answers(claims(*amounts, complete=complete), fact) == expected


@pytest.mark.parametrize(
    ("aggregate", "comparison", "number", "expected", "expected_incomplete"),
    [
        ("max", "over", 599.99, (1, 0, 0), (1, 0, 0)),
        ("max", "over", 600, (0, 1, 0), (0, 0, 1)),
        ("max", "under", 600, (0, 1, 0), (0, 1, 0)),
        ("max", "under", 600.01, (1, 0, 0), (0, 0, 1)),
        ("min", "under", 400.01, (1, 0, 0), (1, 0, 0)),
        ("min", "at_most", 399.99, (0, 1, 0), (0, 0, 1)),
        ("min", "over", 400, (0, 1, 0), (0, 1, 0)),
        ("min", "at_least", 400, (1, 0, 0), (0, 0, 1)),
        ("count", "at_least", 2, (1, 0, 0), (1, 0, 0)),
        ("count", "over", 2, (0, 1, 0), (0, 0, 1)),
    ],
)
def test_largest_smallest_and_number(aggregate, comparison, number, expected, expected_incomplete):
    fact = table_fact("medical", aggregate, None if aggregate == "count" else "out_of_pocket_cny", comparison=comparison, number=number)
    assert answers(claims(600, 400), fact) == expected
    assert answers(claims(600, 400, complete=False), fact) == expected_incomplete


def test_a_count_of_different_values_counts_a_person_once():
    fact = table_fact("medical", "count", "person_id", comparison="at_least", number=2)
    assert answers(claims(600, 400), fact) == (0, 1, 0)


def test_a_share_is_of_all_rows_of_the_window():
    tables = claims(600, 400)
    tables["medical"][0]["kind"] = "outpatient_chronic"
    where = (Condition("kind", values=("outpatient_chronic",)),)
    share = functools.partial(table_fact, "medical", "share_of", "out_of_pocket_cny", where=where)
    assert answers(tables, share(comparison="at_least", number=0.6)) == (1, 0, 0)
    assert answers(tables, share(comparison="over", number=0.6)) == (0, 1, 0)
    assert answers(claims(), share(comparison="over", number=0.6)) == (0, 0, 1)


def test_an_empty_cell_that_decides_is_not_a_no():
    tables = claims(600)
    tables["medical"][0]["disease_listed"] = None
    listed = (Condition("disease_listed", values=(True,)),)
    assert answers(tables, table_fact("medical", "exists", where=listed)) == (0, 0, 1)
    assert answers(tables, table_fact("medical", "exists", where=listed, wanted=False)) == (0, 0, 1)
    assert answers(claims(600), table_fact("medical", "exists", where=listed)) == (0, 1, 0)
    assert answers(claims(600), table_fact("medical", "exists", where=listed, wanted=False)) == (1, 0, 0)


def test_per_person_takes_the_person_with_most_and_per_household_all_of_them():
    c = county()
    c.household(FIRED, VILLAGE, members=[{}, {}])
    for i in (1, 2):
        c.claim(i, FIRED * 10 + i, "2024-05-05", "inpatient", 9999, 600)
    of = functools.partial(table_fact, "medical", "sum", "out_of_pocket_cny", comparison="over", number=1000)
    assert answers(c.tables, of()) == (1, 0, 0)
    assert answers(c.tables, of(per="person")) == (0, 1, 0)


def test_the_latest_row_decides_and_must_itself_fulfil_what_is_asked():
    c = county()
    c.household(FIRED, VILLAGE)
    for start, stage, status in (("2023-09-01", "lower_secondary", "dropped_out"), ("2024-03-01", "upper_secondary", "enrolled")):
        c.tables["schooling"].append(
            {"person_id": FIRED * 10 + 1, "term_start": day(start), "stage": stage, "status": status, "recorded_on": day(start)}
        )
    fact = shipped()["dropout_suspected"].facts[0]
    assert answers(c.tables, fact) == (0, 1, 0)
    c.tables["schooling"].pop()
    assert answers(c.tables, fact) == (1, 0, 0)
    assert answers(c.tables, replace(fact, comparison="not")) == (0, 1, 0)


@pytest.mark.parametrize(
    ("window", "aggregate", "on", "first", "last"),
    [
        # medical files are due 45 days after the month: on 31 July those of May are the latest
        (FactWindow("months", 1), "sum", DAY, "2024-05-01", "2024-05-31"),
        (FactWindow("months", 1), "exists", DAY, "2024-05-01", "2024-07-31"),
        (FactWindow("months", 12, 1), "exists", DAY, "2023-05-01", "2024-04-30"),
        (FactWindow("days", 31), "exists", DAY, "2024-07-01", "2024-07-31"),
        (FactWindow("days", 10, 5), "exists", DAY, "2024-07-17", "2024-07-26"),
        (FactWindow("calendar_year"), "sum", DAY, "2024-01-01", "2024-07-31"),
        (FactWindow("calendar_year"), "sum", dt.date(2024, 1, 31), "2023-01-01", "2023-12-31"),
        (FactWindow("calendar_month"), "sum", DAY, "2024-05-01", "2024-05-31"),
        (FactWindow("income_year"), "sum", DAY, "2023-10-01", "2024-07-31"),
        (FactWindow("now"), "latest", DAY, "2023-08-01", "2024-07-31"),
    ],
)
def test_a_window_ends_with_what_can_be_on_file(window, aggregate, on, first, last):
    view = store_of("alerts", claims()).as_of(on)
    span = span_of(view, table_fact("medical", aggregate, window=window))
    assert (span.starts_on and str(span.starts_on), str(span.ends_on)) == (first, last)


@pytest.mark.parametrize(
    ("net", "last", "comparison", "expected"),
    [(7000, 10000, "over", (0, 1, 0)), (6999.99, 10000, "over", (1, 0, 0)), (7000, 10000, "at_least", (1, 0, 0)), (7000, 0, "over", (0, 0, 1)), (-5, 10000, "over", (1, 0, 0)), (None, 10000, "over", (0, 0, 1))],
)  # fmt: skip
def test_a_fall_is_compared_exactly_and_needs_both_years(net, last, comparison, expected):
    c = county()
    c.household(FIRED, VILLAGE)
    facts = {"register_net_cny": net, "register_members": 2, "register_months": 12, "register_computable": net is not None}
    facts |= {"last_year_net_cny": last, "last_year_members": 2, "last_year_months": 12, "last_year_computable": True}
    fact = AccountFact("register_net", "fall", comparison, Threshold(Decimal("0.3"), "0.3"))
    found = raised(c.tables, rule_of(fact), facts={k: {FIRED: None if v is None else Decimal(str(v)) if "cny" in k else v} for k, v in facts.items()})
    assert tuple(found.rules.iloc[0][["n_yes", "n_no", "n_cannot_tell"]]) == expected


@pytest.mark.parametrize(("comparison", "expected"), [("under", 0), ("at_most", 1), ("at_least", 1), ("over", 0)])
def test_an_account_exactly_on_the_number(comparison, expected):
    c = county()
    c.household(FIRED, VILLAGE)
    facts = {"register_net_cny": Decimal("6000"), "register_members": 3, "register_months": 6, "register_computable": True}
    fact = AccountFact("register_net", None, comparison, Threshold(Decimal(4000), "4000"))
    found = raised(c.tables, rule_of(fact), facts={k: {FIRED: v} for k, v in facts.items()})
    assert len(found.alerts) == expected


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
        {"project_id": number, "household_id": household, "project_kind": "crop", "linked_on": day("2022-01-01"), "state": state,
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


def _disaster(c: County, household: int) -> None:
    c.tables["disaster"].append(
        {"household_id": household, "hazard_kind": "accident", "happened_on": day("2024-07-16"), "loss_cny": 9000, "recorded_on": day("2024-07-18")}
    )  # fmt: skip


def _job(c: County, person: int, reason: str) -> None:
    c.tables["employment"].append(
        {"person_id": person, "started_on": day("2022-03-01"), "kind": "migrant", "place": "province", "sector": "construction",
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
    "emergency": lambda c: _disaster(c, FIRED),
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
    "job_lost": lambda c: (_job(c, P, "dismissed"), _job(c, Q, "returned")),
    "industry_failed": lambda c: (_project(c, 1, FIRED, "failed"), _project(c, 2, CALM, "running")),
    "loan_overdue": lambda c: (_loan(c, 1, FIRED, overdue=True), _loan(c, 2, CALM, overdue=False)),
    "housing_missing": lambda c: None, "water_missing": lambda c: None, "schooling_missing": lambda c: _schooling(c, P, "2024-03-01", "primary", "suspended"),
    "medical_missing": lambda c: None, "income_fall": lambda c: None,
}  # fmt: skip


def neighbours(rule: str) -> tuple[Tables, dict[str, Any], Any]:
    """Two households that differ in what the rule asks for; the first is to be raised."""
    c = county()
    kind = {"registered": [("ex_poor")]}.get("", None) or shipped()[rule].group.get("registered", ("general",))[0]
    bad = {"housing_grade": "D"} if rule == "housing_missing" else {"water_safe": False} if rule == "water_missing" else {}
    c.household(FIRED, VILLAGE, members=[{"health_cover": rule != "medical_missing"}, {"health_cover": True}], registered_type=kind, **bad)
    c.household(CALM, VILLAGE, members=[{"health_cover": True}, {"health_cover": True}], registered_type=kind)
    CASES[rule](c)
    if rule == "self_paid_no_aid":
        c.tables["medical"][1]["aid_paid_cny"] = 0.01
    facts: dict[str, Any] = {f"held_{g}": {FIRED: rule != f"{g}_missing", CALM: True} for g in ("housing", "water", "schooling", "medical")}
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


# -- ids, since, known -------------------------------------------------------------------------------------------------------------

OVER = table_fact("medical", "sum", "out_of_pocket_cny", comparison="over", number=1000)


def test_later_records_and_another_order_of_rows_change_no_id():
    tables = claims(600, 500, 50)
    first = raised(tables, rule_of(OVER), on=dt.date(2024, 2, 29)).alerts
    assert list(first["records"]) == ["medical:claim_id=1;medical:claim_id=2"]
    assert list(first["raised_on"]) == [dt.date(2024, 2, 15)]
    shuffled = {name: rows[::-1] for name, rows in copy_rows(tables).items()}
    for on in (dt.date(2024, 4, 30), DAY):
        later = raised(shuffled, rule_of(OVER), on=on).alerts
        assert list(later["alert_id"]) == list(first["alert_id"])
        assert list(later["raised_on"]) == list(first["raised_on"])
        assert raised(shuffled, rule_of(OVER), on=on, known=first).alerts.empty


def test_each_new_event_is_an_alert_of_its_own_and_since_keeps_those_recorded_from_the_day_on():
    c = county()
    c.household(FIRED, VILLAGE)
    _disaster(c, FIRED)
    one = raised(c.tables, shipped()["emergency"]).alerts
    c.tables["disaster"].append({**c.tables["disaster"][0], "happened_on": day("2024-07-25"), "recorded_on": day("2024-07-30")})
    two = raised(c.tables, shipped()["emergency"]).alerts
    assert len(two) == 2
    assert set(one["alert_id"]) < set(two["alert_id"])
    assert list(raised(c.tables, shipped()["emergency"], since=dt.date(2024, 7, 30)).alerts["raised_on"]) == [dt.date(2024, 7, 30)]
    assert len(raised(c.tables, shipped()["emergency"], known=one).alerts) == 1


def test_nothing_recorded_after_the_day_matters():
    tables = claims(600, 500)
    tables["medical"][1]["recorded_on"] = DAY + dt.timedelta(days=1)
    assert raised(tables, rule_of(OVER)).alerts.empty
    tables["medical"][1]["recorded_on"] = DAY
    assert len(raised(tables, rule_of(OVER)).alerts) == 1


def test_a_category_that_cannot_be_told_raises_nothing_and_is_counted():
    c = county()
    c.household(FIRED, VILLAGE)
    found = raised(c.tables, rule_of(CategoryFact("dibao", answer=True)), categories=categories_of({(FIRED, "dibao"): None}))
    assert found.alerts.empty
    assert found.rules.iloc[0]["n_cannot_tell"] == 1
    with pytest.raises(UsageError, match="hand ask for a category"):
        raised(c.tables, rule_of(CategoryFact("dibao", answer=True)))


# -- names that do not exist -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        (table_fact("medicl", "exists"), r"hand\.facts\[1\]: unknown table 'medicl'; did you mean 'medical'"),
        (table_fact("identity", "exists"), "restricted"),
        (table_fact("price", "exists"), "about no household"),
        (table_fact("medical", "sum", "out_of_pocket", comparison="over", number=1), "did you mean 'out_of_pocket_cny'"),
        (table_fact("medical", "sum", "kind", comparison="over", number=1), "no number"),
        (table_fact("member", "exists", where=(Condition("ethnicity_group", values=("han",)),), window=FactWindow("now")), "unknown column"),
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


def test_an_unknown_category_names_the_nearest():
    with pytest.raises(PolicyNameError, match="did you mean 'dibao'"):
        raised(claims(), rule_of(CategoryFact("dibo", answer=True)), category_labels={"dibao": ("低保", "dibao")})


# -- over time ---------------------------------------------------------------------------------------------------------------------


def visited(tables: Tables, on: str, finding: str) -> None:
    tables["visit"].append({"household_id": FIRED, "visited_on": day(on), "finding": finding, "recorded_on": day(on)})


def state_after(tables: Tables, alerts: pd.DataFrame, on: dt.date) -> str:
    return str(alert_states(store_of("alerts", tables).as_of(on), alerts)["state"].iloc[0])


def test_a_finding_verifies_and_only_the_county_s_approval_closes():
    tables = claims(600, 500)
    alerts = raised(tables, rule_of(OVER), on=dt.date(2024, 2, 29)).alerts
    visited(tables, "2024-02-10", "risk_confirmed")  # before the deciding claim was recorded: answers another question
    visited(tables, "2024-03-05", "not_at_home")
    visited(tables, "2024-03-10", "risk_confirmed")
    visited(tables, "2024-06-10", "no_risk")
    closure = {"alert_id": alerts["alert_id"].iloc[0], "applied_by": "medical_insurance", "applied_on": day("2024-06-20")}
    tables["alert_closure"] = [
        {**closure, "approved_on": None, "recorded_on": day("2024-06-20")},
        {**closure, "approved_on": day("2024-07-01"), "recorded_on": day("2024-07-02")},
    ]
    states = {"2024-02-29": "open", "2024-03-05": "visited", "2024-03-31": "verified_risk", "2024-06-30": "verified_none"}
    states |= {"2024-07-01": "verified_none", "2024-07-02": "closed"}
    assert {d: state_after(tables, alerts, day(d)) for d in states} == states


def test_a_state_recorded_anew_after_its_closure_is_raised_again_and_otherwise_never():
    c = county()
    c.household(FIRED, VILLAGE, housing_grade="D")
    rule, facts = rule_of(GuaranteeFact("housing", missing=True)), {"held_housing": {FIRED: False}}
    first = raised(c.tables, rule, facts=facts).alerts
    closure = {"alert_id": first["alert_id"].iloc[0], "applied_by": "housing", "applied_on": day("2024-03-01"), "approved_on": day("2024-03-10")}
    c.tables["alert_closure"] = [{**closure, "recorded_on": day("2024-03-10")}]
    assert raised(c.tables, rule, facts=facts, known=first).alerts.empty
    c.tables["household"].append({**c.tables["household"][0], "recorded_on": day("2024-05-01")})
    again = raised(c.tables, rule, facts=facts, known=first).alerts
    assert len(again) == 1
    assert set(again["alert_id"]).isdisjoint(first["alert_id"])
    assert raised(c.tables, rule, facts=facts, known=merge_alerts(first, again)).alerts.empty


def test_the_ledger_keeps_the_first_and_writes_the_same_bytes(tmp_path):
    tables = claims(600, 500)
    early, late = (raised(tables, rule_of(OVER), on=on).alerts for on in (dt.date(2024, 2, 29), DAY))
    ledger = merge_alerts(merge_alerts(None, early), late)
    assert list(ledger["screened_on"]) == [dt.date(2024, 2, 29)]
    path = write_alerts(tmp_path / "alerts.csv", ledger)
    read = read_alerts(path)
    assert read is not None
    assert list(read.columns) == list(RAISED_COLUMNS)
    assert write_alerts(tmp_path / "again.csv", read).read_bytes() == path.read_bytes()
    assert raised(tables, rule_of(OVER), known=read).alerts.empty
    assert read_alerts(tmp_path / "none.csv") is None


def test_yield_counts_households_of_the_named_months():
    c = county()
    for h in (FIRED, CALM, 103, 104):
        c.household(h, VILLAGE)
    for h in (FIRED, CALM, 103, 104):
        c.tables["disaster"].append(
            {"household_id": h, "hazard_kind": "accident", "happened_on": day("2024-07-02"), "loss_cny": 9, "recorded_on": day("2024-07-03")}
        )
    c.tables["visit"] += [
        {"household_id": h, "visited_on": day("2024-07-04"), "finding": f, "recorded_on": day("2024-07-04")}
        for h, f in ((FIRED, "risk_confirmed"), (CALM, "no_risk"), (103, "not_at_home"))
    ]
    c.monitoring(FIRED, "2024-07-10", "disaster")
    c.monitoring(104, "2023-01-10", "illness")
    view = store_of("alerts", c.tables).as_of(DAY)
    alerts = raised(c.tables, shipped()["emergency"]).alerts
    found = alert_yield(view, alerts, months=[DAY])
    assert (found.unit, found.months) == ("households", ("2024-07",))
    assert "2024-07" in found.label_zh
    row = found.frame.set_index("rule").loc["*"]
    names = ["n_alerts", "n_households", "n_visited", "n_verified", "n_verified_risk", "n_unregistered", "n_registered"]
    assert [int(row[n]) for n in names] == [4, 4, 3, 2, 1, 3, 1]
    assert row["share_registered"] == pytest.approx(1 / 3)
    assert row["low_registered"] < 1 / 3 < row["high_registered"]
    assert alert_yield(view, alerts, months=[dt.date(2024, 6, 1)]).frame["n_alerts"].tolist() == [0]
