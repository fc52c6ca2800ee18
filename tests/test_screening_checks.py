"""Risk elimination in its three states, the register's agreement with other files, and input that cannot be right; each by hand."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from returnrisk.contracts import load_contracts
from returnrisk.policy import load_policy
from returnrisk.screening import (
    CHECKS,
    INPUT_CHECKS,
    RESULTS,
    WHY_NOT,
    bad_input,
    bad_input_counts,
    consistency,
    consistency_counts,
    elimination,
    kept_facts,
    set_aside,
)
from returnrisk.screening.elimination import CRITERIA
from returnrisk.store.tables import write_store
from returnrisk.store.view import View, open_store
from tests.feature_households import County, Row, day, month_starts, scratch_folder, store_of
from tests.hand_county import typed
from tests.screening_households import ADULT, CHILD, DAY, NO_EXPENSE, NO_MEDICAL, NOTHING, WHOLE, add_home, county, person

NATIONAL = load_policy("national")
UNABLE = person(labour_capacity="none")
STEADY: Row = {"year": "20000", "last_year": "20000"}


def monitor(made: County, number: int, identified: str, risk: str, *, gone: str = "", finding: str = "", measure: str = "") -> None:
    made.monitoring(number, identified, risk, eliminated=gone, recorded=gone or identified)
    if finding:
        row = {"household_id": number, "visited_on": day("2024-12-20"), "finding": finding, "recorded_on": day("2024-12-21")}
        made.tables["visit"].append(row)
    if measure:
        made.support(number, measure, "2024-02-01")


# the household, what is on file of its monitoring, and the state with the criterion that decides
ELIMINATION: dict[str, tuple[Row, Row, tuple[str | None, str]]] = {
    "all hold": ({}, {"finding": "no_risk"}, ("eliminable", "all_hold")),
    "nobody looked": ({}, {}, (None, "risk_gone")),
    "nobody at home": ({}, {"finding": "not_at_home"}, (None, "risk_gone")),
    "confirmed at the door": ({}, {"finding": "risk_confirmed"}, ("continue", "risk_gone")),
    "on the line": ({"year": "8700"}, {"finding": "no_risk"}, ("continue", "income_above_line")),
    "a fen above, not for six months": (
        {"year": "0", "last_year": "0", "ledger": [("operating", "crops", "2024-09", "8700.01", "0")]}, {"finding": "no_risk"}, ("continue", "income_stable")),
    "no ledger": ({"year": None, "last_year": None}, {"finding": "no_risk"}, (None, "income_above_line")),
    "no ledger, house unsafe": ({"year": None, "last_year": None, "housing_grade": "D"}, {}, ("continue", "guarantees_held")),
    "nobody able, on dibao": ({"people": [UNABLE], "dibao": "granted"}, {"finding": "no_risk"}, ("track", "no_labour_on_safety_net")),
    "nobody able, safety net": ({"people": [UNABLE]}, {"finding": "no_risk", "measure": "safety_net"}, ("track", "no_labour_on_safety_net")),
    "nobody able, no net": ({"people": [UNABLE]}, {"finding": "no_risk"}, ("continue", "labour")),
    "capacity unknown, on dibao": ({"people": [person(labour_capacity=None)], "dibao": "granted"}, {"finding": "no_risk"}, (None, "no_labour_on_safety_net")),
    "rigid 40 percent": ({"expenses": {"tuition": "8000"}}, {"finding": "no_risk"}, ("eliminable", "all_hold")),
    "rigid over 40 percent": ({"expenses": {"tuition": "8000.01"}}, {"finding": "no_risk"}, ("continue", "rigid_controlled")),
    "rigid unknown": ({"village": NO_EXPENSE}, {"finding": "no_risk"}, (None, "rigid_controlled")),
    "ill, cost over income": ({"own": "20000.01"}, {"risk": "illness"}, ("continue", "risk_gone")),
    "ill, cured": ({"own": "100"}, {"risk": "illness"}, ("eliminable", "all_hold")),
    "ill on the register": ({"own": "100", "people": [person(health="serious")]}, {"risk": "illness"}, ("continue", "risk_gone")),
    "one works, another does not": (
        {"people": [person(employment="self_employed"), person(employment="unemployed")]}, {"risk": "job_loss"}, ("continue", "risk_gone")),
    "no work": ({"people": [person(employment="unemployed")]}, {"risk": "job_loss"}, ("continue", "risk_gone")),
    "work again": ({"people": [person(employment="self_employed")]}, {"risk": "job_loss"}, ("eliminable", "all_hold")),
    "disaster long ago": ({}, {"risk": "disaster"}, ("eliminable", "all_hold")),
    "water unknown": ({"water_safe": None}, {"finding": "no_risk"}, (None, "guarantees_held")),
    "eliminated already": ({}, {"gone": "2024-10-01"}, (None, "")),
}  # fmt: skip


@functools.cache
def states() -> pd.DataFrame:
    made = county()
    made.tables["line"][0]["line_cny_year"] = 8700
    for number, (columns, monitoring, _) in enumerate(ELIMINATION.values(), start=101):
        add_home(made, number, **{**STEADY, **columns})
        filed = dict(monitoring)
        monitor(made, number, "2023-06-01", filed.pop("risk", "other"), **filed)
    view = store_of("elimination", made.tables, delay=20).as_of(DAY)
    with kept_facts(view, policy=NATIONAL) as facts:
        return elimination(facts, policy=NATIONAL, day=DAY).to_pandas().set_index("household_id")


def test_what_is_missing_is_asked_for_by_the_risk_on_file():
    asked = states()["missing_fields"]
    number = {name: list(ELIMINATION).index(name) + 101 for name in ELIMINATION}
    assert asked[number["nobody looked"]] == "risk_confirmed"  # of an unnamed risk nobody asks for work or claims


@pytest.mark.parametrize("name", ELIMINATION)
def test_risk_elimination(name: str):
    number, expected = list(ELIMINATION).index(name) + 101, ELIMINATION[name][2]
    if not expected[1]:
        assert number not in states().index
        return
    row = states().loc[number]
    assert (None if pd.isna(row["state"]) else row["state"], row["criterion"]) == expected, dict(row)
    assert (row["missing_fields"] == "") == (expected[0] is not None)


def test_every_criterion_decides_once_by_hand():
    deciding = {criterion for _, _, (state, criterion) in ELIMINATION.values() if state == "continue"}
    assert {c.code for c in CRITERIA} <= deciding


# (household, monitoring) → the result of one check
CONSISTENCY: dict[str, dict[str, tuple[Row, Row, str]]] = {
    "SCR001": {
        "no cost": ({}, {"risk": "illness"}, "problem"),
        "cost since": ({"own": "1"}, {"risk": "illness"}, "fine"),
        "the register of expenditure has it": ({"expenses": {"illness": "5000"}}, {"risk": "illness"}, "fine"),
        "free treatment": ({"listed": True}, {"risk": "illness"}, "problem"),
        "no files": ({"village": NO_MEDICAL}, {"risk": "illness"}, "cannot_tell"),
        "no files, cost on file": ({"village": NO_MEDICAL, "own": "1"}, {"risk": "illness"}, "fine"),
        "identified before all files": ({}, {"risk": "illness", "identified": "2022-12-31"}, "cannot_tell"),
        "other cause": ({}, {"risk": "disaster"}, "other_cause_or_not_monitored"),
        "eliminated": ({}, {"risk": "illness", "gone": "2024-10-01"}, "other_cause_or_not_monitored"),
    },
    "SCR002": {
        "nobody disabled": ({}, {"risk": "disability"}, "problem"),
        "a disabled member": ({"people": [person(disability_grade=4)]}, {"risk": "disability"}, "fine"),
        "a certificate that lapsed since": ({}, {"risk": "disability", "certificate": ("2020-01-01", "2024-01-10")}, "fine"),
        "one that lapsed before": ({}, {"risk": "disability", "certificate": ("2020-01-01", "2024-01-09")}, "problem"),
        "one issued after, lapsed": ({}, {"risk": "disability", "certificate": ("2024-01-11", "2024-06-30")}, "problem"),
        "not known": ({"people": [person(disability_grade=None)], "village": NOTHING}, {"risk": "disability"}, "cannot_tell"),
        "other cause": ({}, {"risk": "illness"}, "other_cause_or_not_monitored"),
    },
    "SCR003": {
        "an able adult": ({}, {"risk": "labour_shortage"}, "problem"),
        "weak labour": ({"people": [person(labour_capacity="weak")]}, {"risk": "labour_shortage"}, "fine"),
        "a child said to be able": (
            {"people": [UNABLE, {**CHILD, "labour_capacity": "full"}]}, {"risk": "labour_shortage"}, "fine"),
        "not known": ({"people": [person(labour_capacity=None)]}, {"risk": "labour_shortage"}, "cannot_tell"),
        "other cause": ({}, {"risk": "other"}, "other_cause_or_not_monitored"),
        "eliminated": ({}, {"risk": "labour_shortage", "gone": "2024-10-01"}, "other_cause_or_not_monitored"),
    },
    "SCR004": {
        "six months": ({}, {"identified": "2024-01-10", "gone": "2024-07-10"}, "fine"),
        "a day less": ({}, {"identified": "2024-01-10", "gone": "2024-07-09"}, "problem"),
        "too soon, and taken in again": ({}, {"before": ("2023-01-10", "2023-02-10")}, "problem"),
        "still monitored": ({}, {}, "not_eliminated"),
    },
    "SCR005": {
        "on the line": ({"year": "7000"}, {"gone": "2024-12-31"}, "fine"),
        "a fen below": ({"year": "6999.99"}, {"gone": "2024-12-31"}, "problem"),
        "the month is not over": ({"year": "6999.99", "last_year": "9000"}, {"gone": "2024-05-31"}, "fine"),
        "long ago": ({"year": "1"}, {"identified": "2023-01-10", "gone": "2023-12-31"}, "no_recent_exit"),
        "still monitored": ({"year": "1"}, {}, "no_recent_exit"),
        "few months": ({"people": [person(joined_on=dt.date(2024, 6, 1))]}, {"gone": "2024-12-31"}, "cannot_tell"),
    },
    "SCR006": {
        "none": ({}, {}, "problem"),
        "one": ({}, {"measure": "job"}, "fine"),
        "not due": ({}, {"identified": "2024-12-31"}, "not_monitored_or_not_due"),
        "due yesterday": ({}, {"identified": "2024-12-30"}, "problem"),
        "no files": ({"village": NOTHING}, {}, "cannot_tell"),
        "ended before": ({}, {"identified": "2024-09-01", "early": True}, "problem"),
        "not delivered": ({}, {"undelivered": True}, "problem"),
        "eliminated": ({}, {"gone": "2024-10-01"}, "not_monitored_or_not_due"),
    },
}  # fmt: skip
LISTED = [(code, name) for code, cases in CONSISTENCY.items() for name in cases]


def certify(made: County, person: int, issued: str, until: str) -> None:
    made.tables["disability"].append(
        {"person_id": person, "kind": "physical", "grade": 2, "issued_on": day(issued), "valid_until": day(until), "recorded_on": day(issued)}
    )  # fmt: skip


@functools.cache
def checked() -> tuple[pd.DataFrame, pd.DataFrame]:
    made = county()
    for number, (code, name) in enumerate(LISTED, start=101):
        columns, monitoring, _ = CONSISTENCY[code][name]
        add_home(made, number, **columns)
        filed: dict[str, Any] = {"identified": "2024-01-10", "risk": "other", **monitoring}
        if earlier := filed.pop("before", None):
            made.monitoring(number, earlier[0], "other", eliminated=earlier[1], recorded=earlier[1])
        if certificate := filed.pop("certificate", None):
            certify(made, number * 10 + 1, *certificate)
        if filed.pop("undelivered", False):
            made.support(number, "job", "2024-02-01", delivered=False)
        if filed.pop("early", False):
            made.support(number, "job", "2024-02-01", ended="2024-08-31")
        monitor(made, number, filed.pop("identified"), filed.pop("risk"), **filed)
    add_home(made, 999)
    view = store_of("consistency", made.tables, delay=20).as_of(DAY)
    with kept_facts(view, policy=NATIONAL) as facts:
        found = consistency(view, facts, policy=NATIONAL)
        return found.to_pandas().set_index(["household_id", "code"]).sort_index(), consistency_counts(found)


@pytest.mark.parametrize(("code", "name"), LISTED)
def test_consistency_checks(code: str, name: str):
    row = checked()[0].loc[(LISTED.index((code, name)) + 101, code)]
    expected = CONSISTENCY[code][name][2]
    assert row["result"] == ("not_applicable" if expected in WHY_NOT else expected), dict(row)
    assert row["why_not"] == (expected if expected in WHY_NOT else "")
    assert (row["missing_fields"] != "") == (expected == "cannot_tell")


def test_consistency_counts_add_up_and_leave_the_never_monitored_out():
    table, counts = checked()
    assert 999 not in table.index.get_level_values("household_id")
    assert counts["code"].tolist() == [c.code for c in CHECKS]
    assert (counts[[f"n_{r}" for r in RESULTS]].sum(axis=1) == len(LISTED)).all()


def spoil(made: County, number: int, code: str) -> None:
    """Make the household an instance of what the check finds."""
    roster = [r for r in made.tables["household_roster"] if r["household_id"] == number]
    if code == "SCR101":
        for row in roster:
            made.tables["household_roster"].remove(row)
        made.tables["member"] = [r for r in made.tables["member"] if r["person_id"] // 10 != number]
    elif code == "SCR102":
        roster[1]["relation"] = "head"
    elif code == "SCR103":
        made.income(number, "wage", "local_work", month_starts("2024-03", "2024-04"), 10, person=9991)
    elif code == "SCR104":
        made.tables["household"].remove(next(r for r in made.tables["household"] if r["household_id"] == number))
    elif code == "SCR107":
        own = next(r for r in made.tables["line"])
        made.tables["line"].append({**own, "area_code": WHOLE, "line_cny_year": Decimal(8701)})
    elif code == "SCR105":
        made.income(number, "operating", "livestock", [day("2024-03-01")], 10, cost=Decimal("-0.01"))
    else:
        made.income(number, "operating", "livestock", [day("2025-02-01")], 10, recorded_on=day("2025-01-20"))


def unchecked(name: str, made: County) -> View:
    """The rows as a store written by other means: nothing refuses what the contracts forbid."""
    contracts = {
        table: replace(c, row_rules=(), fields=tuple(replace(f, references=None, minimum=None) for f in c.fields))
        for table, c in load_contracts().items()
    }
    folder = scratch_folder(name)
    write_store(folder, typed(made.tables), contracts=contracts, delays=dict.fromkeys(contracts, 20))
    return open_store(folder).as_of(DAY)


ROWS = {"SCR101": 1, "SCR102": 2, "SCR103": 2, "SCR104": 2, "SCR105": 1, "SCR106": 1, "SCR107": 1}


def sound_county() -> County:
    made = county()
    for row in made.tables["line"]:
        row["line_cny_year"] = NATIONAL.number("monitoring_line", DAY)
    add_home(made, 101, people=[ADULT, CHILD])
    add_home(made, 999, people=[ADULT, CHILD], village=NO_MEDICAL)
    return made


def test_a_sound_county_is_fine():
    view = store_of("sound", sound_county().tables, delay=20).as_of(DAY)
    found = bad_input(view, policy=NATIONAL)
    assert found.count().to_pyarrow().as_py() == 0
    assert set(bad_input_counts(view, found)["result"]) == {"fine"}


@pytest.mark.parametrize("check", INPUT_CHECKS, ids=lambda c: c.code)
def test_bad_input_is_counted_and_the_run_goes_on(check: Any):
    made = sound_county()
    spoil(made, 101, check.code)
    view = unchecked(check.code, made)
    found = bad_input(view, policy=NATIONAL)
    assert found.to_pandas().to_dict("records") == [
        {"household_id": 101, "code": check.code, "n_rows": ROWS[check.code], "sets_aside": check.sets_aside}
    ]
    counts = bad_input_counts(view, found).set_index("code")
    assert counts.loc[check.code, ["result", "n_households", "n_rows"]].tolist() == ["problem", 1, ROWS[check.code]]
    with kept_facts(view, policy=NATIONAL, without=set_aside(found)) as facts:
        left = facts.to_pandas()
    assert left["household_id"].tolist() == ([101, 999] if check.code in {"SCR106", "SCR107"} else [999])
    assert left["assistance_net_cny"].tolist() == [Decimal("20000.00")] * len(left)


def test_input_checks_without_their_tables_do_not_apply():
    made = county()
    made.tables["line"] = []
    view = store_of("empty", made.tables, delay=20).as_of(DAY)
    assert set(bad_input_counts(view, bad_input(view, policy=NATIONAL))["result"]) == {"not_applicable"}


def test_negative_amounts_are_looked_for_in_the_months_that_are_read():
    made = county()
    for number in (101, 102):
        add_home(made, number)
    made.income(101, "operating", "livestock", [day("2023-10-01")], 10, cost=Decimal(-5))  # last year of 减收排查
    old = {"household_id": 102, "kind": "tuition", "period_start": day("2022-01-01"), "period_end": day("2022-01-31")}
    made.tables["expense"].append({**old, "amount_cny": Decimal(-5), "recorded_on": day("2022-02-10")})
    found = bad_input(unchecked("negative-months", made), policy=NATIONAL).to_pandas()
    assert found[found["code"] == "SCR105"]["household_id"].tolist() == [101]
