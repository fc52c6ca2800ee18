"""Every kind of outcome besides `fall`: by hand with all statuses, and against plain Python on a whole county."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest

from returnrisk.config import HardshipSpec, OutcomeKind, OutcomeSpec
from returnrisk.contracts import load_contracts
from returnrisk.outcomes import OUTCOMES, account_path, at_risk_rows, closing_delay, label_days, outcome_labels, strata
from returnrisk.store.tables import write_store
from returnrisk.store.view import Store, View, open_store
from returnrisk.timeline import add_months, last_closed_month_end, month_end, month_start
from tests.feature_households import (
    DELIVERED,
    County,
    Ledger,
    Tables,
    day,
    month_starts,
    rough_rows,
    rough_store,
    scratch_folder,
    store_of,
)
from tests.hand_county import typed
from tests.office_households import row
from tests.test_outcomes import plain_account, plain_strata

AS_OF, ALL_CLOSED = day("2023-06-30"), day("2024-07-20")
V1, V2 = 999905001001, 999905002001
NAMES = (
    "QUIET", "CARE", "BILL", "TWO_BOOKS", "CARED_FOR", "LOST_FILE", "GONE", "DROP", "HALF", "FRESH", "WATCHED", "FOUND", "AT_ONCE", "LATE", "STUCK",
    "OUT", "BACK", "GONE_POOR", "CRACKED", "DRY", "DROPOUT", "UNINSURED", "BLANK", "BLANKED", "UNSAFE",
)  # fmt: skip
NUMBER = {name: number for number, name in enumerate(NAMES, start=1)}
OFFICES = (*DELIVERED, "expense", "schooling")


def rows() -> Tables:
    county = County(months=month_starts("2021-01", "2024-12"), line=6000, county=999905)
    county.village(V1)
    county.village(V2)
    county.deliver(V1 // 1000, tables=OFFICES)
    missing = {"expense": [day("2024-01-01")], "monitoring": [day("2023-12-01")], "schooling": county.months}
    county.deliver(V2 // 1000, tables=OFFICES, without=missing)
    _homes(county)
    _incomes(county)
    _burdens(county)
    _registers(county)
    return county.tables


def _homes(county: County) -> None:
    safe = {"housing_grade": "A", "water_safe": True}
    homes = {"BLANK": {"housing_grade": "A"}, "UNSAFE": {"housing_grade": "D", "water_safe": True}}
    for name, number in NUMBER.items():
        member: dict[str, Any] = {"health_cover": True}
        if name.startswith("GONE"):
            member["spell_recorded_on"] = day("2021-12-31")
        members = [member, {**member, "relation": "child"}] if name == "DROPOUT" else [member]
        county.household(number, V2 if name == "LOST_FILE" else V1, members=members, **homes.get(name, safe))
    for name in ("GONE", "GONE_POOR"):
        spell = next(r for r in county.tables["household_roster"] if r["household_id"] == NUMBER[name])
        county.tables["household_roster"].append({**spell, "left_on": day("2023-11-15"), "recorded_on": day("2023-11-20")})


def _incomes(county: County) -> None:
    def earn(name: str, first: str, last: str, monthly: int) -> None:
        county.income(NUMBER[name], "wage", "local_work", month_starts(first, last), monthly)

    low = ("STUCK", "OUT", "BACK", "GONE_POOR")
    for name in set(NAMES) - {*low, "DROP", "HALF", "FRESH"}:
        earn(name, "2021-01", "2024-12", 1000)
    for name in low:
        earn(name, "2021-01", "2024-12", 100)
    county.income(NUMBER["OUT"], "transfer", "remittance", month_starts("2023-07", "2024-12"), 900)
    county.income(NUMBER["BACK"], "transfer", "remittance", [day("2023-06-01")], 7000)
    for name, later in (("DROP", 400), ("HALF", 500)):
        earn(name, "2021-01", "2023-06", 1000)
        earn(name, "2023-07", "2024-12", later)
    earn("FRESH", "2022-06", "2024-12", 1000)


def _burdens(county: County) -> None:
    def spend(name: str, kind: str, months: list[dt.date], amount: int) -> None:
        for month in months:
            row(county, "expense", household_id=NUMBER[name], kind=kind, period_start=f"{month}", period_end=f"{month_end(month)}",
                amount_cny=amount, recorded=f"{month_end(month)}")  # fmt: skip

    spend("CARE", "elder_care", month_starts("2023-10", "2024-12"), 1200)
    spend("BILL", "illness", [day("2023-08-01")], 6500)
    county.claim(1, NUMBER["BILL"] * 10 + 1, "2023-08-10", "inpatient", 9000, 5000)
    spend("TWO_BOOKS", "illness", [day("2023-08-01")], 4000)  # the same bills, seen by two offices
    county.claim(2, NUMBER["TWO_BOOKS"] * 10 + 1, "2023-08-10", "inpatient", 9000, 5000)
    spend("CARED_FOR", "disability_care", month_starts("2021-01", "2024-12"), 1000)


def _registers(county: County) -> None:
    county.monitoring(NUMBER["WATCHED"], "2023-01-10", "other")
    county.monitoring(NUMBER["FOUND"], "2023-11-10", "illness", recorded="2023-11-20")
    county.monitoring(NUMBER["AT_ONCE"], "2023-06-30", "illness", recorded="2023-07-05")
    county.monitoring(NUMBER["LATE"], "2024-07-01", "illness")

    def home(name: str, recorded: str, **columns: Any) -> None:
        old = next(r for r in county.tables["household"] if r["household_id"] == NUMBER[name])
        county.tables["household"].append({**old, **columns, "recorded_on": day(recorded)})

    home("CRACKED", "2023-11-05", housing_grade="C")
    home("DRY", "2024-01-10", water_safe=False)
    home("DRY", "2024-03-20", water_safe=True)
    home("BLANKED", "2023-12-01", water_safe=None)
    person = next(r for r in county.tables["member"] if r["person_id"] == NUMBER["UNINSURED"] * 10 + 1)
    county.tables["member"].append({**person, "health_cover": False, "recorded_on": day("2024-05-01")})
    for start, status, recorded in (("2023-03-01", "enrolled", "2023-04-15"), ("2023-09-01", "dropped_out", "2023-10-15")):
        row(county, "schooling", person_id=NUMBER["DROPOUT"] * 10 + 2, term_start=start, stage="lower_secondary", status=status, recorded=recorded)  # fmt: skip


@functools.cache
def hand_store() -> Store:
    return store_of("outcome-kinds", rows(), delay=20)


def spec_of(kind: OutcomeKind, **changes: Any) -> OutcomeSpec:
    return replace(OutcomeSpec(kind=kind, rule="every" if kind == "persistence" else "first"), **changes)


def status_table(view: View, spec: OutcomeSpec) -> pd.DataFrame:
    """What a snapshot says of strata."""
    return strata(view, account_path(view, spec=spec), spec=spec).to_pandas().sort_values("household_id", ignore_index=True)


def at_risk_on(spec: OutcomeSpec, *, store: Store, as_of: dt.date) -> pd.DataFrame:
    view = store.as_of(as_of)
    return at_risk_rows(status_table(view, spec), view=view, spec=spec)


@functools.cache
def at_risk_by_hand(spec: OutcomeSpec) -> pd.DataFrame:
    return at_risk_on(spec, store=hand_store(), as_of=AS_OF)


def found(spec: OutcomeSpec, known_on: dt.date = ALL_CLOSED) -> dict[str, tuple[str, str]]:
    """Name to status and event day of those at risk."""
    at_risk = at_risk_by_hand(spec)
    labels = outcome_labels(at_risk, as_of=AS_OF, known=hand_store().as_of(known_on), spec=spec).frame()
    assert list(labels["y"].dropna().astype(int)) == [int(s == "event") for s in labels["status"] if s in ("event", "no_event")]
    days = ["" if pd.isna(d) else f"{d:%Y-%m-%d}" for d in labels["event_on"]]
    return {NAMES[h - 1]: (s, d) for h, s, d in zip(labels["household_id"], labels["status"], days, strict=True)}


def expect(found_labels: dict[str, tuple[str, str]], events: dict[str, str], *, unknown: set[str], not_at_risk: set[str]) -> None:
    expected = {
        name: ("event", events[name]) if name in events else ("not_computable" if name in unknown else "no_event", "")
        for name in NAMES
    }
    assert found_labels == {name: label for name, label in expected.items() if name not in not_at_risk}


POOR = {"STUCK", "OUT", "BACK", "GONE_POOR"}
MONITORED = {"WATCHED"}
FALLS = {"DROP": "2024-06-30"}  # 400 a month since July 2023; at 500 a month HALF is on the line, not below it


def test_entry_and_relapse_are_the_two_parts_of_fall():
    fall, entry, relapse = (found(spec_of(kind)) for kind in ("fall", "entry", "relapse"))
    assert entry | relapse == fall
    assert not set(entry) & set(relapse)
    assert set(relapse) == {"FRESH"}  # nothing before June 2022: seen below on the settlement days of that year
    expect(fall, FALLS, unknown={"GONE"}, not_at_risk=POOR | MONITORED)


@pytest.mark.parametrize(
    ("rule", "events"),
    [("every", {"STUCK": "2024-06-30"}), ("at_end", {"STUCK": "2024-06-30", "BACK": "2024-06-30"})],
)
def test_persistence_by_hand(rule: Any, events: dict[str, str]):
    labels = found(spec_of("persistence", rule=rule))
    assert set(labels) == POOR
    expect(labels, events, unknown={"GONE_POOR"}, not_at_risk=set(NAMES) - POOR)


def hardship(event: Any, **thresholds: float) -> OutcomeSpec:
    return spec_of("hardship", hardship=HardshipSpec(event=event, **thresholds))


def test_hardship_after_rigid_expenditure_by_hand():
    """12 000 a year and a line of 6 000. Four are below it without any expenditure: the event is there already.

    DROPOUT are two and exactly on the line.
    """
    not_at_risk = {"CARED_FOR", *POOR, *MONITORED}
    events = {"CARE": "2024-03-31", "BILL": "2023-09-30", **FALLS}
    expect(found(hardship("net_of_rigid")), events, unknown={"LOST_FILE", "GONE"}, not_at_risk=not_at_risk)
    # at 1.2 lines: 5 000 of one bill are enough, and so is an income of 7 200 with nothing spent
    wider = {**events, "CARE": "2024-03-31", "TWO_BOOKS": "2023-09-30", "DROP": "2024-03-31", "HALF": "2024-06-30"}
    unknown = {"LOST_FILE", "GONE"}
    expect(found(hardship("net_of_rigid", line_ratio=1.2)), wider, unknown=unknown, not_at_risk={*not_at_risk, "DROPOUT"})


def test_surge_by_hand():
    """More than 60% of income: 7 200 of 12 000 in March 2024 are exactly 60% and none."""
    unknown = {"LOST_FILE", "GONE", "GONE_POOR"}
    expect(found(hardship("surge")), {"CARE": "2024-06-30"}, unknown=unknown, not_at_risk={"CARED_FOR", *MONITORED})


def test_collapse_by_hand():
    """Half of the year before is a collapse; FRESH has no earlier income, so nothing that could collapse.

    BACK had 8 200 in the year to June 2023 and 1 200 in the year after.
    """
    events = dict.fromkeys(("DROP", "HALF", "BACK"), "2024-06-30")
    expect(found(hardship("collapse")), events, unknown={"GONE", "GONE_POOR"}, not_at_risk={"FRESH", *MONITORED})


def test_a_gap_in_the_guarantees_by_hand():
    """LOST_FILE's township sends no school files; a water supply cut in January and mended in March is seen by the month only."""
    unmonitored = set(NAMES) - MONITORED - {"BLANK", "UNSAFE", "LOST_FILE"}
    events = {"CRACKED": "2023-12-31", "DROPOUT": "2023-12-31", "UNINSURED": "2024-06-30"}
    unknown, not_at_risk = {"BLANKED", "GONE", "GONE_POOR"}, set(NAMES) - unmonitored
    expect(found(spec_of("guarantee_gap")), events, unknown=unknown, not_at_risk=not_at_risk)
    monthly = {"CRACKED": "2023-11-30", "DROPOUT": "2023-10-31", "UNINSURED": "2024-05-31", "DRY": "2024-01-31"}
    expect(found(spec_of("guarantee_gap", settlement="month_end")), monthly, unknown=unknown, not_at_risk=not_at_risk)
    housing = found(spec_of("guarantee_gap", guarantees=("housing",)))
    expect(housing, {"CRACKED": "2023-12-31"}, unknown={"GONE", "GONE_POOR"}, not_at_risk=MONITORED | {"UNSAFE"})


def test_identified_by_hand():
    """AT_ONCE was identified on the day itself; LATE a day after the horizon; LOST_FILE's register lacks a month."""
    labels = found(spec_of("identified"))
    expect(labels, {"FOUND": "2023-11-10"}, unknown={"LOST_FILE", "GONE", "GONE_POOR"}, not_at_risk=MONITORED)
    nine = found(spec_of("identified", min_months=9))
    assert nine["LOST_FILE"] == ("no_event", "")


@pytest.mark.parametrize("kind", get_args(OutcomeKind))
def test_an_open_window_is_censored_for_everybody(kind: OutcomeKind):
    last = day("2024-06-29") if kind == "guarantee_gap" else day("2024-07-19")  # states on file need no reporting delay
    statuses = {status for status, _ in found(spec_of(kind), last).values()}
    assert statuses == {"censored"}


def test_hardship_waits_for_every_table_it_rests_on():
    """With claims 60 days late the last settlement day closes on 29 August; income alone closes it on 20 July."""
    folder = scratch_folder("delays")
    write_store(
        folder, typed(rows()), contracts=load_contracts(), delays={"income": 20, "medical": 60, "expense": 30, "monitoring": 15}
    )
    store = open_store(folder)
    view, delays = store.as_of(AS_OF), {"collapse": 20, "surge": 60, "net_of_rigid": 60}
    assert {event: closing_delay(view, spec=hardship(event)) for event in delays} == delays
    assert closing_delay(view, spec=spec_of("guarantee_gap")) == 0
    assert closing_delay(view, spec=spec_of("identified")) == 15
    for event, known_on, is_open in (
        ("collapse", "2024-07-20", False),
        ("surge", "2024-08-28", True),
        ("surge", "2024-08-29", False),
    ):
        at_risk = at_risk_on(hardship(event), store=store, as_of=AS_OF)
        labels = outcome_labels(at_risk, as_of=AS_OF, known=store.as_of(day(known_on)), spec=hardship(event))
        assert ("censored" in labels.counts()) is is_open


def test_every_kind_is_there_once_and_named_in_the_documentation():
    assert set(OUTCOMES) == set(get_args(OutcomeKind))
    text = (Path(__file__).parents[1] / "docs" / "outcomes.md").read_text(encoding="utf-8")
    for kind, outcome in OUTCOMES.items():
        assert f"`{kind}`" in text
        assert outcome.zh in text, kind
        assert outcome.en in text, kind


# -- a whole county, computed a second time ----------------------------------------------------------------------------------------

ROUGH_AS_OF, ROUGH_KNOWN = day("2021-12-31"), day("2022-09-30")
Event = Callable[[Ledger, OutcomeSpec, dt.date], dict[int, bool | None]]


def months_of(ledger: Ledger, household: int, table: str, start: dt.date, end: dt.date) -> int:
    return sum(start <= month <= end for month in ledger.delivered(ledger.village_of[household] // 1000, table))


def plain_burden(ledger: Ledger, spec: OutcomeSpec, end: dt.date) -> dict[int, bool | None]:
    start = spec.window.bounds(end)[0]
    lived = [
        (r["person_id"], r["household_id"], r["joined_on"] or dt.date.min, r["left_on"] or dt.date.max)
        for r in ledger.tables["household_roster"]
    ]
    result: dict[int, bool | None] = {}
    for household, account in plain_account(ledger, spec, end).items():
        spent = [
            e
            for e in ledger.tables["expense"]
            if e["household_id"] == household and start <= e["period_start"] and e["period_end"] <= end
        ]
        persons = [(p, joined, left) for p, h, joined, left in lived if h == household]
        claims = [
            c["out_of_pocket_cny"]
            for c in ledger.tables["medical"]
            if start <= c["treated_on"] <= end
            and any(p == c["person_id"] and joined <= c["treated_on"] <= left for p, joined, left in persons)
        ]
        n_expense, n_medical = (months_of(ledger, household, t, start, end) for t in ("expense", "medical"))
        if min(n_expense, n_medical) < spec.min_months or not account["computable"]:
            result[household] = None
            continue
        illness = max(
            Fraction(sum(e["amount_cny"] for e in spent if e["kind"] == "illness")) * 12 / n_expense,
            Fraction(sum(claims)) * 12 / n_medical,
        )
        rigid = (Fraction(sum(e["amount_cny"] for e in spent if e["kind"] != "illness")) * 12 / n_expense + illness) / account[
            "n_members"
        ]
        head = Fraction(account["net_cny"]) * 12 / (account["months_delivered"] * account["n_members"])
        h = spec.hardship
        result[household] = (
            rigid > Fraction(str(h.surge_share)) * max(head, 0)
            if h.event == "surge"
            else head - rigid < Fraction(account["line_cny_year"]) * Fraction(str(h.line_ratio))
        )
    return result


def plain_collapse(ledger: Ledger, spec: OutcomeSpec, end: dt.date) -> dict[int, bool | None]:
    now, before = plain_account(ledger, spec, end), plain_account(ledger, spec, add_months(end, -12))
    result: dict[int, bool | None] = {}
    for household, account in now.items():
        earlier = before.get(household, {}).get("net_head_cny_year", float("nan"))
        known = account["computable"] and earlier > 0
        result[household] = account["net_head_cny_year"] <= earlier * (1 - spec.hardship.collapse_share) if known else None
    return result


def plain_gaps(ledger: Ledger, spec: OutcomeSpec, on: dt.date) -> dict[int, bool | None]:
    """The ledger must be the one known on the day itself."""
    home = {r["household_id"]: r for r in ledger.tables["household"]}
    cover = {r["person_id"]: r["health_cover"] for r in ledger.tables["member"]}
    start = month_start(add_months(month_end(on), -11))
    newest: dict[int, Any] = {}
    for term in sorted(ledger.tables["schooling"], key=lambda r: r["term_start"]):
        if start <= term["term_start"] <= on:
            newest[term["person_id"]] = term
    result: dict[int, bool | None] = {}
    for household in ledger.members(on):
        people = {
            r["person_id"]
            for r in ledger.tables["household_roster"]
            if r["household_id"] == household and (r["joined_on"] or dt.date.min) <= on <= (r["left_on"] or dt.date.max)
        }
        grade, water = home[household]["housing_grade"], home[household]["water_safe"]
        covers = [cover.get(person) for person in people]
        out = [
            p
            for p in people
            if p in newest
            and newest[p]["stage"] in ("primary", "lower_secondary")
            and newest[p]["status"] in ("suspended", "dropped_out")
        ]
        facts = {
            "housing": None if grade is None else grade in "CD",
            "water": None if water is None else not water,
            "schooling": bool(out) if months_of(ledger, household, "schooling", start, month_end(on)) else None,
            "medical": None if None in covers else not all(covers),
        }
        watched = [facts[name] for name in spec.guarantees]
        result[household] = None if None in watched else any(watched)
    return result


def plain_at_risk(ledger: Ledger, spec: OutcomeSpec, event: Event, end: dt.date) -> list[int]:
    free = {household for household, happened in event(ledger, spec, end).items() if happened is False}
    stratum = plain_strata(ledger, spec, delay=rough_store().delay_days("income"))
    return sorted(h for h, (s, _) in stratum.items() if s != "monitored" and h in free)


def statuses(answers: list[dict[int, bool | None]], households: list[int]) -> dict[int, str]:
    def status(household: int) -> str:
        seen = [answer.get(household) for answer in answers]
        return "not_computable" if None in seen else "event" if any(seen) else "no_event"

    return {household: status(household) for household in households}


ROUGH = {"horizon_months": 6, "min_months": 9}
BURDENS = [
    (spec_of("hardship", **ROUGH, hardship=HardshipSpec("net_of_rigid", line_ratio=1.3)), plain_burden),
    (spec_of("hardship", **ROUGH, hardship=HardshipSpec("surge", surge_share=0.2)), plain_burden),
    (spec_of("hardship", **ROUGH, hardship=HardshipSpec("collapse", collapse_share=0.15)), plain_collapse),
]


@pytest.mark.parametrize(("spec", "event"), BURDENS, ids=["net_of_rigid", "surge", "collapse"])
def test_hardship_of_a_county_equals_plain_python(spec: OutcomeSpec, event: Event):
    store = rough_store()
    slowest = "income" if spec.hardship.event == "collapse" else "medical"
    end = last_closed_month_end(ROUGH_AS_OF, delay_days=store.delay_days(slowest))
    at_risk = at_risk_on(spec, store=store, as_of=ROUGH_AS_OF)
    expected = plain_at_risk(Ledger(rough_rows(), ROUGH_AS_OF), spec, event, end)
    assert sorted(at_risk["household_id"]) == expected
    labels = outcome_labels(at_risk, as_of=ROUGH_AS_OF, known=store.as_of(ROUGH_KNOWN), spec=spec).frame()
    later = Ledger(rough_rows(), ROUGH_KNOWN)
    answers = [event(later, spec, d) for d in label_days(ROUGH_AS_OF, spec=spec)]
    result = labels.set_index("household_id")["status"].to_dict()
    assert result == statuses(answers, expected)
    assert {"event", "no_event"} <= set(result.values())


def test_gaps_of_a_county_equal_plain_python():
    spec, store = spec_of("guarantee_gap", **ROUGH, guarantees=("housing", "water", "medical", "schooling")), rough_store()
    at_risk = at_risk_on(spec, store=store, as_of=ROUGH_AS_OF)
    expected = plain_at_risk(Ledger(rough_rows(), ROUGH_AS_OF), spec, plain_gaps, ROUGH_AS_OF)
    assert sorted(at_risk["household_id"]) == expected
    labels = outcome_labels(at_risk, as_of=ROUGH_AS_OF, known=store.as_of(ROUGH_KNOWN), spec=spec).frame()
    answers = [plain_gaps(Ledger(rough_rows(), d), spec, d) for d in label_days(ROUGH_AS_OF, spec=spec)]
    result = labels.set_index("household_id")["status"].to_dict()
    assert result == statuses(answers, expected)
    assert set(result.values()) >= {"event"}


def test_identified_of_a_county_equals_plain_python():
    spec, store = spec_of("identified", **ROUGH), rough_store()
    at_risk = at_risk_on(spec, store=store, as_of=ROUGH_AS_OF)
    labels = outcome_labels(at_risk, as_of=ROUGH_AS_OF, known=store.as_of(ROUGH_KNOWN), spec=spec).frame()
    later, end = Ledger(rough_rows(), ROUGH_KNOWN), add_months(ROUGH_AS_OF, 6)
    cases = {r["household_id"] for r in later.tables["monitoring"] if ROUGH_AS_OF < r["identified_on"] <= end}
    there = later.members(end)
    expected = {}
    for household in at_risk["household_id"]:
        reported = months_of(later, household, "monitoring", add_months(month_start(end), -5), end) >= 6
        expected[household] = (
            "not_computable" if household not in there or not reported else "event" if household in cases else "no_event"
        )
    result = labels.set_index("household_id")["status"].to_dict()
    assert result == expected
    assert {"event", "no_event"} <= set(result.values())
