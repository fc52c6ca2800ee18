"""Strata and the outcome `fall`: by hand, and against plain Python on a whole county."""

from __future__ import annotations

import datetime as dt
import functools
from collections import Counter
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from returnrisk.config import OutcomeSpec
from returnrisk.outcomes import account_path, fall_labels, label_days, strata
from returnrisk.store.view import Store, View
from returnrisk.timeline import Window, last_closed_month_end, month_end
from tests.feature_households import (
    County,
    Ledger,
    Tables,
    day,
    mini_folder,
    mini_store,
    month_starts,
    read_rows,
    rough_rows,
    rough_store,
    store_of,
)

AS_OF = day("2023-06-30")
ALL_CLOSED = day("2024-07-20")
"""The first day on which the last settlement day, 2024-06-30, is closed with its delay of 20 days."""
FIRST = OutcomeSpec()
VILLAGE, MISSING_JANUARY, NO_FILES_VILLAGE = 999903001001, 999903002001, 999903003001

# Households, by what happens to them after 30 June 2023. The line is 6 000 a year, all live alone.
STAY, ON_LINE, DIP, BETWEEN, STOPS, SEPTEMBER, LEFT, LEFT_POOR, LEFT_AT_ONCE, PART, PART_POOR = range(1, 12)
# By what was known on that day.
(WATCHED, ELIMINATED, ELIMINATED_THAT_DAY, ELIMINATION_LATE, ELIMINATION_AHEAD, IDENTIFIED_LATE, WATCHED_POOR, TWICE, POOR, NO_FILES,
 WATCHED_NO_FILES, NEW, SEEN, EX_POOR, GONE_BEFORE) = range(20, 35)  # fmt: skip


def rows() -> Tables:
    county = County(months=month_starts("2021-01", "2024-12"), line=6000, county=999903)
    for code in (VILLAGE, MISSING_JANUARY, NO_FILES_VILLAGE):
        county.village(code)
    county.deliver(VILLAGE // 1000)
    county.deliver(MISSING_JANUARY // 1000, without={"income": [day("2024-01-01")]})
    _futures(county)
    _pasts(county)
    return county.tables


def _futures(county: County) -> None:
    always = county.months
    for number in (STAY, ON_LINE, DIP, BETWEEN, STOPS, SEPTEMBER):
        county.household(number, VILLAGE)
    for number in (PART, PART_POOR):
        county.household(number, MISSING_JANUARY)
    for number, left in ((LEFT, "2023-11-15"), (LEFT_POOR, "2023-11-15"), (LEFT_AT_ONCE, "2023-07-10")):
        stayed, known = {"spell_recorded_on": day("2021-12-31")}, day(left) + dt.timedelta(days=5)
        county.household(number, VILLAGE, members=[stayed])
        spell = county.tables["household_roster"][-1]
        county.tables["household_roster"].append({**spell, "left_on": day(left), "recorded_on": known})

    def earn(number: int, months: list[dt.date], monthly: int) -> None:
        county.income(number, "wage", "local_work", months, monthly)

    for number in (STAY, LEFT, LEFT_AT_ONCE):
        earn(number, always, 600)
    earn(ON_LINE, always, 500)
    earn(PART, [m for m in always if m != day("2024-01-01")], 600)
    earn(STOPS, month_starts("2021-01", "2023-11"), 600)
    # once a year: no window without a lump but those named
    for month in ("2021-02", "2022-01", "2022-12", "2024-01"):  # DIP: nothing in January to December 2023
        earn(DIP, [day(f"{month}-01")], 6500)
    for month in ("2021-10", "2022-10", "2023-12"):  # BETWEEN: nothing up to 31 October and up to 30 November 2023
        earn(BETWEEN, [day(f"{month}-01")], 6500)
    for number in (SEPTEMBER, LEFT_POOR, PART_POOR):  # 8 × 600 up to 30 September 2023, a lump in October
        earn(number, month_starts("2021-01", "2023-05"), 600)
        earn(number, [day("2023-10-01")], 6000)


def _pasts(county: County) -> None:
    for number in (
        WATCHED,
        ELIMINATED,
        ELIMINATED_THAT_DAY,
        ELIMINATION_LATE,
        ELIMINATION_AHEAD,
        IDENTIFIED_LATE,
        WATCHED_POOR,
        TWICE,
        POOR,
    ):
        county.household(number, VILLAGE)
        county.income(number, "wage", "local_work", county.months, 100 if number in (WATCHED_POOR, POOR) else 600)
    for number in (NO_FILES, WATCHED_NO_FILES):
        county.household(number, NO_FILES_VILLAGE)
        county.income(number, "wage", "local_work", county.months, 600)
    county.household(NEW, VILLAGE, members=[{"joined_on": day("2023-06-15")}])
    county.household(SEEN, VILLAGE)
    county.income(SEEN, "wage", "local_work", month_starts("2022-06", "2024-12"), 1000)
    county.household(EX_POOR, VILLAGE, registered_type="ex_poor")
    county.income(EX_POOR, "wage", "local_work", county.months, 600)
    county.household(GONE_BEFORE, VILLAGE, members=[{"left_on": day("2023-06-29")}])
    county.income(GONE_BEFORE, "wage", "local_work", county.months, 600)
    for number in (WATCHED, WATCHED_POOR, WATCHED_NO_FILES):
        county.monitoring(number, "2023-01-10", "other")
    county.monitoring(ELIMINATED, "2021-03-10", "other", eliminated="2023-03-01", recorded="2023-03-05")
    county.monitoring(ELIMINATED_THAT_DAY, "2021-03-10", "other", eliminated="2023-06-30", recorded="2023-06-30")
    county.monitoring(ELIMINATION_LATE, "2022-01-10", "other")
    county.monitoring(ELIMINATION_LATE, "2022-01-10", "other", eliminated="2023-05-01", recorded="2023-07-10")
    county.monitoring(ELIMINATION_AHEAD, "2022-01-10", "other", eliminated="2023-08-01", recorded="2023-06-15")
    county.monitoring(IDENTIFIED_LATE, "2023-06-10", "other", recorded="2023-07-05")
    county.monitoring(TWICE, "2022-01-10", "other", eliminated="2022-06-30", recorded="2022-07-05")
    county.monitoring(TWICE, "2023-05-10", "illness")


@functools.cache
def hand_store() -> Store:
    return store_of("outcomes", rows(), delay=20)


def strata_frame(view: View, spec: OutcomeSpec) -> pd.DataFrame:
    return strata(view, account_path(view, spec=spec), spec=spec).to_pandas().set_index("household_id").sort_index()


@pytest.fixture(scope="module")
def status() -> pd.DataFrame:
    return strata_frame(hand_store().as_of(AS_OF), FIRST)


def test_every_household_belongs_to_one_stratum(status: pd.DataFrame):
    expected = {
        WATCHED: "monitored",
        ELIMINATED: "at_risk",
        ELIMINATED_THAT_DAY: "at_risk",
        ELIMINATION_LATE: "monitored",  # eliminated in May, but the office recorded it in July
        ELIMINATION_AHEAD: "monitored",  # to be eliminated in August
        IDENTIFIED_LATE: "at_risk",  # identified in June, recorded in July
        WATCHED_POOR: "monitored",
        TWICE: "monitored",
        POOR: "below_line",
        NO_FILES: "not_computable",
        WATCHED_NO_FILES: "monitored",
        NEW: "not_computable",  # no member yet when the account's window ended
        SEEN: "at_risk",
        EX_POOR: "at_risk",
        ON_LINE: "at_risk",
        **dict.fromkeys((STAY, DIP, BETWEEN, STOPS, SEPTEMBER, LEFT, LEFT_POOR, LEFT_AT_ONCE, PART, PART_POOR), "at_risk"),
    }
    assert status["stratum"].to_dict() == dict(sorted(expected.items()))
    assert GONE_BEFORE not in status.index


def test_strata_carry_the_account_they_rest_on(status: pd.DataFrame):
    assert set(pd.to_datetime(status["account_on"]).dt.date) == {day("2023-05-31")}
    assert status.loc[STAY, "net_head_cny_year"] == 7200
    assert status.loc[POOR, "net_head_cny_year"] == 1200
    assert status.loc[STAY, "line_cny_year"] == 6000
    assert pd.isna(status.loc[NO_FILES, "net_head_cny_year"])


def test_seen_below_is_registered_monitored_or_below_on_an_earlier_settlement_day(status: pd.DataFrame):
    seen = set(status.index[status["seen_below"]])
    assert seen == {
        WATCHED, WATCHED_NO_FILES, ELIMINATED, ELIMINATED_THAT_DAY, ELIMINATION_LATE, ELIMINATION_AHEAD, WATCHED_POOR, TWICE, POOR, SEEN, EX_POOR,
    }  # fmt: skip


def test_below_only_now_is_not_seen_below_before():
    """A household that falls on the latest window for the first time has not been *seen* below before it."""
    tables = rows()
    tables["income"] = [r for r in tables["income"] if not (r["household_id"] == STAY and r["period_start"] >= day("2023-03-01"))]
    later = strata_frame(store_of("first-fall", tables, delay=20).as_of(AS_OF), FIRST)
    assert later.loc[STAY, "stratum"] == "below_line"  # 9 × 600 in June 2022 to May 2023
    assert not later.loc[STAY, "seen_below"]


# -- labels --------------------------------------------------------------------------------------------------------------------

FUTURES = {
    #                first, quarter-end; month-end; 30 September; at the end
    STAY: ("no_event", "no_event", "no_event", "no_event"),
    ON_LINE: ("no_event", "no_event", "no_event", "no_event"),
    DIP: ("event", "event", "no_event", "no_event"),
    BETWEEN: ("no_event", "event", "no_event", "no_event"),
    STOPS: ("event", "event", "no_event", "event"),
    SEPTEMBER: ("event", "event", "event", "no_event"),
    LEFT: ("not_computable", "not_computable", "no_event", "not_computable"),
    LEFT_POOR: ("not_computable", "not_computable", "event", "not_computable"),
    LEFT_AT_ONCE: ("not_computable", "not_computable", "not_computable", "not_computable"),
    PART: ("not_computable", "not_computable", "no_event", "not_computable"),
    PART_POOR: ("not_computable", "not_computable", "event", "not_computable"),
    EX_POOR: ("no_event", "no_event", "no_event", "no_event"),
}
VARIANTS = {
    "quarter_end": FIRST,
    "month_end": replace(FIRST, settlement="month_end"),
    "income_year_end": replace(FIRST, settlement="income_year_end"),
    "at_end": replace(FIRST, rule="at_end"),
}


def labels_on(known_on: dt.date, *, spec: OutcomeSpec = FIRST, store: Store | None = None) -> pd.DataFrame:
    at_risk = pd.DataFrame({"household_id": sorted(FUTURES, reverse=True)})
    return (
        fall_labels(at_risk, as_of=AS_OF, known=(store or hand_store()).as_of(known_on), spec=spec)
        .frame()
        .set_index("household_id")
    )


@pytest.mark.parametrize(("position", "variant"), list(enumerate(VARIANTS)))
def test_labels_by_hand(position: int, variant: str):
    labels = labels_on(ALL_CLOSED, spec=VARIANTS[variant])
    assert labels["status"].to_dict() == {household: futures[position] for household, futures in sorted(FUTURES.items())}
    meaning = {"event": 1, "no_event": 0}
    assert [None if pd.isna(y) else int(y) for y in labels["y"]] == [meaning.get(s) for s in labels["status"]]
    assert set(labels["as_of"]) == {pd.Timestamp(AS_OF)}


def test_the_days_that_decide():
    assert label_days(AS_OF, spec=FIRST) == [day(x) for x in ("2023-09-30", "2023-12-31", "2024-03-31", "2024-06-30")]
    assert label_days(AS_OF, spec=VARIANTS["income_year_end"]) == [day("2023-09-30")]
    assert label_days(AS_OF, spec=VARIANTS["at_end"]) == [day("2024-06-30")]
    assert len(label_days(AS_OF, spec=VARIANTS["month_end"])) == 12


@pytest.mark.parametrize("known_on", ["2024-07-19", "2024-01-31", "2023-10-19"])
def test_an_open_window_is_censored_and_counted(known_on: str):
    labels = labels_on(day(known_on))
    quiet = [h for h, futures in FUTURES.items() if futures[0] == "no_event"]
    assert set(labels.loc[quiet, "status"]) == {"censored"}
    assert labels["y"].loc[quiet].isna().all()
    assert len(labels) == len(FUTURES)


def test_before_any_settlement_day_has_closed_everyone_is_censored():
    at_risk = pd.DataFrame({"household_id": [STAY, DIP]})
    labels = fall_labels(at_risk, as_of=AS_OF, known=hand_store().as_of(day("2023-10-19")), spec=FIRST)
    assert labels.counts().to_dict() == {"censored": 2}


def test_only_closed_windows_give_labels():
    """DESIGN §6: only windows that have closed give labels. On a half-open window events alone would be known: everyone would be an event."""
    labels = labels_on(day("2024-01-31"))
    assert labels["y"].isna().all()


def test_counts_add_up():
    at_risk = pd.DataFrame({"household_id": sorted(FUTURES)})
    labels = fall_labels(at_risk, as_of=AS_OF, known=hand_store().as_of(ALL_CLOSED), spec=FIRST)
    assert labels.counts().to_dict() == dict(Counter(f[0] for f in FUTURES.values()))


def test_a_correction_counts_from_the_day_it_was_recorded():
    """DIP did earn in June 2023; the office put it on file on 2024-08-01."""
    tables = rows()
    tables["income"].append(
        {"household_id": DIP, "source": "wage", "item": "local_work", "period_start": day("2023-06-01"), "period_end": day("2023-06-30"),
         "gross_cny": 7000, "cost_cny": 0, "recorded_on": day("2024-08-01")}
    )  # fmt: skip
    store = store_of("corrected", tables, delay=20)
    before, after = labels_on(day("2024-07-31"), store=store), labels_on(day("2024-08-01"), store=store)
    assert before.loc[DIP, "status"] == "event"
    assert after.loc[DIP, "status"] == "no_event"
    pd.testing.assert_frame_equal(before, labels_on(day("2024-07-31")))


def test_a_line_recorded_late_counts_from_the_day_it_was_recorded():
    """A line of 8 000 in force since 2024-06-01, recorded on 2024-09-01: 7 200 is below it, once it is known."""
    tables = rows()
    tables["line"].append(
        {"area_code": 999903, "valid_from": day("2024-06-01"), "line_cny_year": 8000, "recorded_on": day("2024-09-01")}
    )
    store = store_of("later-line", tables, delay=20)
    assert labels_on(day("2024-08-31"), store=store).loc[STAY, "status"] == "no_event"
    assert labels_on(day("2024-09-01"), store=store).loc[STAY, "status"] == "event"


def test_nobody_at_risk_gives_no_labels():
    empty = pd.DataFrame({"household_id": pd.Series([], dtype="int64")})
    labels = fall_labels(empty, as_of=AS_OF, known=hand_store().as_of(ALL_CLOSED), spec=FIRST)
    assert labels.frame().empty
    assert labels.counts().empty


# -- a whole county, computed a second time --------------------------------------------------------------------------------------


def plain_strata(ledger: Ledger, spec: OutcomeSpec, *, delay: int) -> dict[int, tuple[str, bool]]:
    """Household to stratum and seen-below."""
    now = last_closed_month_end(ledger.known_on, delay_days=delay)
    account = plain_account(ledger, spec, now)
    history = plain_history(ledger, spec, now)
    cases: dict[int, list[Any]] = {}
    for case in ledger.tables["monitoring"]:
        cases.setdefault(case["household_id"], []).append(case["eliminated_on"])
    ex_poor = {r["household_id"] for r in ledger.tables["household"] if r["registered_type"] == "ex_poor"}
    result = {}
    for household in ledger.members(ledger.known_on):
        ends = cases.get(household, [])
        below = account.get(household, {}).get("below")
        if any(end is None or end > ledger.known_on for end in ends):
            stratum = "monitored"
        elif below is None:
            stratum = "not_computable"
        else:
            stratum = "below_line" if below else "at_risk"
        before = any(past.get(household, {}).get("below") for past in history)
        result[household] = (stratum, bool(ends) or household in ex_poor or bool(before))
    return result


def plain_history(ledger: Ledger, spec: OutcomeSpec, now: dt.date) -> list[dict[int, Any]]:
    """The account on every settlement day before `now` whose window lies inside the ledger."""
    first = min(row["period_start"] for row in ledger.tables["income"])
    months = {"month_end": range(1, 13), "quarter_end": (3, 6, 9, 12), "income_year_end": (9,)}[spec.settlement]
    ends = [month_end(month) for month in month_starts(f"{first:%Y-%m}", f"{now:%Y-%m}")]
    days = [end for end in ends if end < now and end.month in months and spec.window.bounds(end)[0] >= first]
    return [plain_account(ledger, spec, end) for end in days]


def plain_account(ledger: Ledger, spec: OutcomeSpec, end: dt.date) -> dict[int, Any]:
    return ledger.account(spec.window.bounds(end)[0], end, min_months=spec.min_months)


def plain_status(ledger: Ledger, spec: OutcomeSpec, as_of: dt.date, households: list[int]) -> dict[int, str]:
    days = label_days(as_of, spec=spec)
    seen = [plain_account(ledger, spec, d) for d in days]
    result = {}
    for household in households:
        below = [account.get(household, {}).get("below") for account in seen]
        # a fall seen beside a day nobody can settle is no label: its neighbours who did not fall have none either
        result[household] = "not_computable" if None in below else "event" if True in below else "no_event"
    return result


@functools.cache
def county(name: str) -> tuple[Store, Tables]:
    return (mini_store(), read_rows(mini_folder())) if name == "mini" else (rough_store(), rough_rows())


COUNTY_CASES = [
    ("mini", "2021-06-30", "2022-09-30", replace(FIRST, horizon_months=12)),
    ("rough", "2021-12-31", "2022-09-30", replace(FIRST, horizon_months=6, min_months=9)),
    (
        "rough",
        "2021-03-31",
        "2022-03-31",
        replace(FIRST, rule="at_end", horizon_months=9, window=Window("trailing", 3), min_months=2),
    ),
    (
        "rough",
        "2021-06-30",
        "2022-06-30",
        replace(FIRST, horizon_months=6, settlement="month_end", window=Window("trailing", 6), min_months=6),
    ),
]


@pytest.mark.parametrize(("name", "as_of", "known_on", "spec"), COUNTY_CASES)
def test_strata_and_labels_of_a_county_equal_plain_python(name: str, as_of: str, known_on: str, spec: OutcomeSpec):
    store, tables = county(name)
    delay = store.delay_days("income")
    found = strata_frame(store.as_of(day(as_of)), spec)
    expected = plain_strata(Ledger(tables, day(as_of)), spec, delay=delay)
    assert {h: (s, bool(b)) for h, s, b in zip(found.index, found["stratum"], found["seen_below"], strict=True)} == expected
    at_risk = found.index[found["stratum"] == "at_risk"]
    labels = fall_labels(pd.DataFrame({"household_id": at_risk}), as_of=day(as_of), known=store.as_of(day(known_on)), spec=spec)
    statuses = labels.frame().set_index("household_id")["status"].to_dict()
    assert statuses == plain_status(Ledger(tables, day(known_on)), spec, day(as_of), list(at_risk))


def test_the_county_cases_hold_what_the_comparison_is_for():
    store, _ = county("rough")
    seen: Counter[str] = Counter()
    for _, as_of, known_on, spec in COUNTY_CASES[1:]:
        found = strata_frame(store.as_of(day(as_of)), spec)
        seen.update(found["stratum"])
        at_risk = found.index[found["stratum"] == "at_risk"]
        labels = fall_labels(pd.DataFrame({"household_id": at_risk}), as_of=day(as_of), known=store.as_of(day(known_on)), spec=spec)
        seen.update(labels.frame()["status"])
    assert set(seen) == {"at_risk", "below_line", "monitored", "not_computable", "event", "no_event"}
