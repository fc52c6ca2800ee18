"""The syntax of alert rules: what a rule says, how packs override it, and every way in which one is refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from returnrisk.contracts import load_contracts
from returnrisk.errors import PolicyPackError
from returnrisk.policy import (
    AccountFact,
    AlertRule,
    CategoryFact,
    Condition,
    FactWindow,
    GuaranteeFact,
    Policy,
    TableFact,
    Threshold,
    load_policy,
    policy_names,
    read_policy,
)
from returnrisk.policy.alerts import CAUSES

DAY = dt.date(2022, 7, 1)
CHEAP = """
  a_rule:
    title: {zh: 甲, en: a}
    on: true
    kind: assumed
    office: 医保局
    channel: department
    cause: illness
    must_visit: true
    FACTS
"""


def write(folder: Path, alerts: str, *, name: str = "own", parent: str | None = "national") -> Path:
    above = f"parent: {parent}\n" if parent else ""
    text = f"schema: 1\nname: {name}\ntitle: {{zh: 某, en: some}}\n{above}alerts:\n{alerts}"
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def rule_with(folder: Path, facts: str, **keys: str) -> AlertRule:
    alerts = CHEAP.replace("FACTS", f"facts: [{facts}]") + "".join(f"    {k}: {v}\n" for k, v in keys.items())
    policy = load_policy("own", write(folder, alerts))
    return next(rule for rule in policy.alert_rules(DAY, every=True) if rule.name == "a_rule")


def named(policy: Policy, day: dt.date = DAY) -> set[str]:
    return {rule.name for rule in policy.alert_rules(day)}


# ---- the shipped rules ---------------------------------------------------------------------------------------------------------


def test_thresholds_of_places_are_off_until_a_county_switches_them_on():
    national = load_policy("national")
    assert named(national) == {
        "housing_missing",
        "water_missing",
        "schooling_missing",
        "medical_missing",
        "self_application",
        "emergency",
        "complaint",
        "cadre_report",
        "dibao_not_received",
        "disability_subsidy_not_received",
    }
    assert named(load_policy("gansu-style")) - named(national) == {
        "self_paid_over_half",
        "self_paid_over_all",
        "dropout_suspected",
        "job_lost",
    }


@pytest.mark.parametrize("name", ["national", "gansu-style", "guangxi-style"])
def test_rules_name_tables_columns_and_codes_that_exist(name):
    assert name in policy_names()
    contracts = load_contracts()
    for rule in load_policy(name).alert_rules(DAY, every=True):
        assert rule.title_zh
        assert rule.title_en
        assert rule.facts
        assert rule.reference or rule.kind == "assumed"
        for fact in (f for f in rule.facts if isinstance(f, TableFact)):
            contract = contracts[fact.table]
            for condition in fact.where:
                codes = contract.field(condition.column).valid_values
                assert codes is None or set(condition.values) <= set(codes), (rule.name, condition)
            if fact.column:
                column = contract.field(fact.column)
                assert column.valid_values is None or set(fact.answers) <= set(column.valid_values)
            if fact.date:
                assert contract.field(fact.date).type == "date"
            if fact.per == "person":
                assert "person_id" in contract.columns
    assert contracts["monitoring"].field("risk_type").valid_values == CAUSES


def test_yangyuan_compares_with_last_years_income_of_the_day():
    rules = {rule.name: rule for rule in load_policy("gansu-style").alert_rules(DAY)}
    (half,), (whole,) = rules["self_paid_over_half"].facts, rules["self_paid_over_all"].facts
    assert half == TableFact(
        table="medical",
        per="household",
        aggregate="sum",
        column="out_of_pocket_cny",
        where=(),
        window=FactWindow("calendar_year"),
        date="treated_on",
        comparison="over",
        threshold=Threshold(Decimal("9465.50"), "0.5 × regional_disposable_income = 9465.50"),
        answers=(),
        wanted=True,
    )
    assert whole.threshold == Threshold(Decimal(18931), "regional_disposable_income = 18931")
    assert rules["self_paid_over_half"].group == {"registered": ("ex_poor",)}
    assert (rules["self_paid_over_half"].due_days, rules["emergency"].due_days) == (15, 0)


# ---- the syntax ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ("{category: dibao, answer: yes}", CategoryFact("dibao", answer=True)),
        ("{category: dibao, answer: no}", CategoryFact("dibao", answer=False)),
        ("{guarantee: water, missing: true}", GuaranteeFact("water", missing=True)),
        (
            "{account: register_net, change: fall, over: 0.3}",
            AccountFact("register_net", "fall", "over", Threshold(Decimal("0.3"), "0.3")),
        ),
        (
            "{account: assistance_countable, under: {parameter: dibao_line}}",
            AccountFact("assistance_countable", None, "under", Threshold(Decimal(4400), "dibao_line = 4400")),
        ),
    ],
)
def test_facts_that_are_not_about_a_table(tmp_path, facts, expected):
    assert rule_with(tmp_path, facts).facts == (expected,)


def test_a_fact_about_a_table_says_everything(tmp_path):
    fact = "{table: employment, per: person, count: rows, where: {end_reason: dismissed, monthly_wage_cny: {under: 1500.5}}, "
    fact += "window: {months: 11, skip: 1}, date: ended_on, at_least: 2}"
    rule = rule_with(tmp_path, fact, group="{category: [dibao], monitored: false}", due_days="3", until="2022-07-01")
    (found,) = rule.facts
    assert isinstance(found, TableFact)
    assert found.where == (
        Condition("end_reason", ("dismissed",)),
        Condition("monthly_wage_cny", (), "under", Decimal("1500.5")),
    )
    assert (found.aggregate, found.column, found.per) == ("count", None, "person")
    assert found.window == FactWindow("months", 11, 1)
    assert (rule.group, rule.due_days) == ({"category": ("dibao",), "monitored": False}, 3)
    policy = load_policy("own", tmp_path)
    assert "a_rule" in named(policy)
    assert "a_rule" not in named(policy, dt.date(2022, 7, 2))
    latest = rule_with(tmp_path, "{table: loan, latest: overdue, is: true}").facts[0]
    assert isinstance(latest, TableFact)
    assert (latest.window, latest.comparison, latest.answers) == (FactWindow("now"), "is", (True,))
    absent = rule_with(tmp_path, "{table: subsidy, exists: false, window: {days: 31}}").facts[0]
    assert isinstance(absent, TableFact)
    assert (absent.wanted, absent.comparison) == (False, None)


def test_a_nearer_pack_changes_the_keys_it_names(tmp_path):
    folder = write(tmp_path, "  job_lost: {on: true}\n  emergency: {on: false}\n  complaint: {kind: assumed, due_days: 5}\n")
    policy = load_policy("own", folder)
    national = {rule.name: rule for rule in load_policy("national").alert_rules(DAY, every=True)}
    own = {rule.name: rule for rule in policy.alert_rules(DAY, every=True)}
    assert named(policy) == named(load_policy("national")) - {"emergency"} | {"job_lost"}
    assert own["complaint"].due_days == 5
    assert own["complaint"].facts == national["complaint"].facts
    assert (own["job_lost"].pack, own["injury"].pack) == ("own", "national")


FACT = "facts: [{guarantee: water, missing: true}]"
REFUSED = {
    "no facts": ("POL021", "facts: []"),
    "facts not said": ("POL023", ""),
    "about nothing": ("POL020", "facts: [{missing: true}]"),
    "about two things": ("POL020", "facts: [{guarantee: water, category: dibao}]"),
    "unknown guarantee": ("POL020", "facts: [{guarantee: watr, missing: true}]"),
    "unknown account": ("POL020", "facts: [{account: net, over: 1}]"),
    "answer of neither kind": ("POL020", "facts: [{category: dibao, answer: maybe}]"),
    "asks for nothing": ("POL020", "facts: [{table: medical, window: now}]"),
    "asks for two things": ("POL020", "facts: [{table: medical, sum: a, max: a, window: now, over: 1}]"),
    "compares with nothing": ("POL020", "facts: [{table: medical, sum: a, window: now}]"),
    "compares twice": ("POL020", "facts: [{table: medical, sum: a, window: now, over: 1, under: 3}]"),
    "a sum that is a code": ("POL020", "facts: [{table: medical, sum: a, window: now, is: [b]}]"),
    "exists and over": ("POL020", "facts: [{table: medical, exists: true, window: now, over: 1}]"),
    "exists maybe": ("POL020", "facts: [{table: medical, exists: yes, window: now}]"),
    "no window": ("POL020", "facts: [{table: medical, sum: a, over: 1}]"),
    "half a month": ("POL020", "facts: [{table: medical, sum: a, window: {months: 0.5}, over: 1}]"),
    "unknown calendar": ("POL020", "facts: [{table: medical, sum: a, window: {calendar: week}, over: 1}]"),
    "misspelt key": ("POL020", "facts: [{table: medical, sum: a, wndow: now, over: 1}]"),
    "threshold in words": ("POL020", "facts: [{table: medical, sum: a, window: now, over: much}]"),
    "negative factor": ("POL020", "facts: [{table: medical, sum: a, window: now, over: {times: dibao_line, factor: -1}}]"),
    "unknown parameter": ("POL022", "facts: [{table: medical, sum: a, window: now, over: {parameter: dibao_lin}}]"),
    "parameter that is a flag": ("POL022", "facts: [{table: medical, sum: a, window: now, over: {parameter: vehicle_allowed}}]"),
    "unknown group": ("POL020", FACT + "\n    group: {registred: [ex_poor]}"),
    "group of words for a flag": ("POL020", FACT + "\n    group: {monitored: yes}"),
    "unknown channel": ("POL020", FACT.replace("facts", "channl: x\n    facts")),
    "half a due day": ("POL020", FACT + "\n    due_days: 1.5"),
    "until in words": ("POL020", FACT + "\n    until: soon"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_rule_is_refused_with_its_code_and_named(tmp_path, case):
    code, keys = REFUSED[case]
    folder = write(tmp_path, CHEAP.replace("FACTS", keys))
    problems = read_policy("own", folder)[1]
    assert {p.code for p in problems} == {code}
    assert all(p.key.startswith("a_rule") for p in problems)
    with pytest.raises(PolicyPackError, match=f"{code} own, a_rule"):
        load_policy("own", folder)


def test_closed_lists_and_missing_keys_of_a_rule(tmp_path):
    alerts = CHEAP.replace("FACTS", FACT).replace("department", "post").replace("illness", "fate").replace("on: true", "on: yes")
    problems = read_policy("own", write(tmp_path, alerts))[1]
    assert sorted(p.key for p in problems) == ["a_rule.cause", "a_rule.channel", "a_rule.on"]
    problems = read_policy("own", write(tmp_path, "  a_rule: {on: true}\n"))[1]
    assert [p.code for p in problems] == ["POL023"]
    assert "title, kind, office, channel, cause, must_visit, facts" in problems[0].text
    problems = read_policy("own", write(tmp_path, CHEAP.replace("FACTS", FACT).replace("assumed", "rule")))[1]
    assert [p.code for p in problems] == ["POL011"]
    problems = read_policy("own", write(tmp_path, "  emergency: {due_days: 3}\n"))[1]
    assert [p.code for p in problems] == ["POL023"]
    problems = read_policy("own", write(tmp_path, "  emergency: [on]\n"))[1]
    assert [p.code for p in problems] == ["POL020"]
    problems = read_policy("own", write(tmp_path, CHEAP.replace("FACTS", FACT), parent=None))[1]
    assert [(p.code, p.key) for p in problems] == [("POL022", "a_rule")]
