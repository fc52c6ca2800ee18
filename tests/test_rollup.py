"""Roll-up: every count adds up from villages to the county, agrees with a recount, and says what a screening made by hand says."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import math
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from returnrisk.policy import load_policy
from returnrisk.screening import ALERT_STATES, STATES, RollUp, Screening, publish, roll_up, screen
from returnrisk.screening.cause_catalogue import CAUSES
from returnrisk.screening.facts import ARRIVING
from tests.feature_households import mini_store
from tests.rollup_tables import DAY, RULES, TOTALS, screening_of, villages
from tests.small_cell_audit import KEYS, unsafe

VILLAGES = [999901101201, 999901101202, 999901102201, 999901102202, 999901103201, 999901103202, 999901103203]
EMPTY = 999901103203
NATIONAL = load_policy("national")


@functools.cache
def simulated() -> tuple[Screening, RollUp]:
    """The simulated county, its households put into six villages of three townships; a seventh village has none."""
    screening = screen(mini_store().as_of(dt.date(2022, 7, 28)), policy=NATIONAL)
    ids = screening.households["household_id"].to_pylist()
    place = {h: VILLAGES[i * i % 11 % 6] for i, h in enumerate(ids)}

    def moved(frame: pd.DataFrame) -> pd.DataFrame:
        code = frame["household_id"].map(place)
        return frame.assign(village_code=code, **({"township_code": code // 1000} if "township_code" in frame else {}))

    def table(found: pa.Table) -> pa.Table:
        return pa.Table.from_pandas(moved(found.to_pandas()), preserve_index=False)

    income = screening.income
    parts = {name: table(getattr(income, name)) for name in ("totals", "changes", "causes")}
    aside = pd.DataFrame(
        {
            "household_id": [1, 1, 2, 3, 4],
            "village_code": [*VILLAGES[:1] * 2, VILLAGES[3], None, VILLAGES[0]],
            "sets_aside": [True] * 4 + [False],
        }
    )
    made = dataclasses.replace(
        screening,
        households=table(screening.households),
        alerts=moved(screening.alerts),
        income=dataclasses.replace(income, **parts),
        input_problems=pa.Table.from_pandas(aside.astype({"village_code": "Int64"}), preserve_index=False),
    )
    return made, roll_up(made, villages=villages(VILLAGES), policy=NATIONAL)


def adding(frame: pd.DataFrame) -> list[str]:
    return [c for c in frame.columns if (c.startswith(("n_", "arrived_")) and c != "n_sources_mean") or c.endswith("_cny")]


# -- the simulated county --------------------------------------------------------------------------------------------------------------


def test_every_count_and_every_yuan_adds_up_from_villages_to_townships_to_the_county():
    _, r = simulated()
    for table, key in KEYS.items():
        frame = getattr(r, table)
        columns = adding(frame)
        assert columns, table
        by = ["area_code", *([key] if key else [])]
        for level, below in (("county", "township"), ("township", "village")):
            upper = frame[frame["level"] == level].set_index(by)[columns].sort_index()
            lower = (
                frame[frame["level"] == below].assign(area_code=lambda t: t["parent_code"]).groupby(by)[columns].sum().sort_index()
            )
            pd.testing.assert_frame_equal(upper, lower, check_dtype=False)


def test_the_county_is_what_a_recount_of_the_tables_gives():
    s, r = simulated()
    t, homes, alerts = s.frame(), s.households.to_pandas(), s.alerts
    county = r.areas.iloc[0]
    assert county["n_households"] == len(homes)
    assert county["n_monitored"] == int((homes["monitored"] == True).sum())  # noqa: E712 (missing is not true)
    assert county["n_set_aside"] == 2
    assert r.n_unplaced == 1
    for verdict, n in t["verdict"].value_counts().items():
        assert county[f"n_{verdict}"] == n
    judged = t[t["verdict"] != "unknown"]
    assert county["fall_share"] == pytest.approx((t["verdict"] == "fall").sum() / len(judged))
    assert county["last_cny"] == sum(judged["last_cny"])
    assert county["projected_cny"] == sum(judged["projected_cny"])
    same = t[t["same_verdict"] != "unknown"]
    falling = same[same["verdict"] == "fall"]
    assert county["fall_same_this_cny"] == sum(falling["same_this_cny"])
    last, this = sum(falling["same_last_cny"]), sum(falling["same_this_cny"])
    assert county["fall_same_change_share"] == pytest.approx(float((this - last) / abs(last)))
    assert county["n_alerts"] == len(alerts[alerts["state"] != "closed"])
    assert county["n_alerted"] == alerts.loc[alerts["state"] != "closed", "household_id"].nunique()
    assert county["n_fall"] > 0
    assert county["n_alerts"] > 0


@pytest.mark.parametrize("village", VILLAGES)
def test_a_village_is_what_a_recount_of_its_households_gives(village: int):
    s, r = simulated()
    row = r.areas.set_index("area_code").loc[village]
    t = s.frame().query("village_code == @village")
    assert (row["level"], row["parent_code"], row["area_zh"]) == ("village", village // 1000, f"村{village % 1000}")
    assert row["n_screened"] == len(t)
    assert row["n_below_line"] == (t["projected_head_cny_year"] < t["line_cny_year"].astype(float)).sum()
    changes = s.income.frame("changes").query("village_code == @village and verdict == 'fall'")
    assert [row[f"n_fall_{x}"] for x in ("operating", "wage", "property", "transfer")] == [
        (changes["source"] == x).sum() for x in ("operating", "wage", "property", "transfer")
    ]
    causes = s.income.frame("causes").query("village_code == @village")
    found = r.causes[r.causes["area_code"] == village].set_index("cause")
    assert found["n_households"].to_dict() == {c.code: (causes["cause"] == c.code).sum() for c in CAUSES}
    assert set(found["n_fall_any"]) == {causes["household_id"].nunique()}
    assert found["n_explained"].sum() == causes["explained_cny"].notna().sum()
    assert sum(found["explained_cny"]) == sum(causes["explained_cny"].dropna(), Decimal(0))


def test_codes_are_a_recount_of_their_tables():
    s, r = simulated()
    place = s.households.to_pandas().set_index("household_id")["village_code"]
    answers = s.categories.to_pandas()
    answers["area_code"] = answers["household_id"].map(place) // 1000
    yes = answers[answers["answer"] == 1].groupby(["area_code", "category"]).size()
    unknown = answers[answers["answer"].isna()].groupby(["area_code", "category"]).size()
    found = r.categories[r.categories["level"] == "township"].set_index(["area_code", "category"])
    assert found["n_yes"].to_dict() == yes.reindex(found.index, fill_value=0).to_dict()
    assert found["n_cannot_tell"].to_dict() == unknown.reindex(found.index, fill_value=0).to_dict()
    assert found["n_yes"].sum() > 0
    county = r.elimination[r.elimination["level"] == "county"]
    assert county["state"].tolist() == [*STATES, "cannot_tell"]
    assert county["n_households"].sum() == r.areas.iloc[0]["n_monitored"]
    checks = s.checks.to_pandas()
    problems = r.checks[r.checks["level"] == "county"].set_index("code")["n_problem"]
    assert problems.sum() == (checks["result"] == "problem").sum()
    rules = r.alerts[r.alerts["level"] == "county"].set_index("rule")
    assert rules["n_alerts"].to_dict() == s.alerts.groupby("rule").size().reindex(rules.index, fill_value=0).to_dict()
    assert (rules[[f"n_{state}" for state in ALERT_STATES]].sum(axis=1) == rules["n_alerts"]).all()


def test_every_area_has_a_row_for_every_code_counties_first_then_townships_then_villages():
    _, r = simulated()
    codes = [999901, 999901101, 999901102, 999901103, *VILLAGES]
    assert r.areas["area_code"].tolist() == r.coverage["area_code"].tolist() == codes
    for table, key in KEYS.items():
        frame = getattr(r, table)
        assert list(frame.columns[:4]) == ["level", "area_code", "parent_code", "area_zh"]
        if key:
            assert [tuple(x) for x in frame[["area_code", key]].to_numpy()] == [(a, c) for a in codes for c in frame[key].unique()]


def test_a_village_without_households_has_zeros_and_no_shares():
    _, r = simulated()
    for frame in (getattr(r, table) for table in KEYS):
        empty = frame[frame["area_code"] == EMPTY]
        assert len(empty) > 0
        assert (empty[adding(frame)].astype(float) == 0).all().all()
        assert empty[[c for c in frame.columns if "share" in c or c == "n_sources_mean"]].isna().all().all()


def test_the_simulated_county_is_published_without_small_counts():
    _, r = simulated()
    assert unsafe(publish(r), r) == []


# -- a screening made by hand ----------------------------------------------------------------------------------------------------------

ONE, TWO, THREE = 999901101201, 999901101202, 999901102201


def yuan(last: int, projected: int, *, same: tuple[int, int] = (0, 0), **more: Any) -> dict[str, Any]:
    money = {"last_cny": last, "projected_cny": projected, "same_last_cny": same[0], "same_this_cny": same[1]}
    return {**{c: Decimal(v).quantize(Decimal("0.01")) for c, v in money.items()}, **more}


HOMES: list[dict[str, Any]] = [
    {"household_id": 1, "village_code": ONE, "monitored": True, "state": "track", "risk_confirmed": True,
     "totals": yuan(1000, 700, same=(600, 450), verdict="fall", same_verdict="fall", gap_target_cny=Decimal("400.50"), projected_head_cny_year=6999.99),
     "falls": ["wage", "transfer"], "causes": {"job_lost": Decimal("200.25"), "support_not_delivered": None}, "categories": {"dibao": 1}, "checks": {"SCR001": "problem"}},
    {"household_id": 2, "village_code": ONE, "monitored": None,
     "totals": yuan(2000, 2300, same=(900, 1000), verdict="rise", same_verdict="rise", projected_head_cny_year=7000.0), "categories": {"dibao": None}},
    {"household_id": 3, "village_code": TWO, "missing": ["income", "visit"], "monitored": True, "state": None,
     "totals": yuan(99999, 0, verdict="unknown", same_verdict="unknown", gap_target_cny=None, projected_head_cny_year=None), "categories": {"dibao": 0}, "checks": {"SCR001": "cannot_tell"}},
    {"household_id": 4, "village_code": TWO, "missing": list(ARRIVING),
     "totals": yuan(500, 500, same=(77, 88), verdict="level", same_verdict="unknown"), "falls": ["wage"], "causes": {"job_lost": None}},
    {"household_id": 5, "village_code": THREE},
]  # fmt: skip
PAST, AHEAD = DAY - dt.timedelta(days=1), DAY
ALERTS: list[dict[str, Any]] = [
    {"rule": "housing", "household_id": 1, "state": "open", "due_on": PAST, "must_visit": True},
    {"rule": "housing", "household_id": 1, "state": "open", "due_on": AHEAD, "is_new": False},
    {"rule": "housing", "household_id": 2, "state": "closed", "due_on": PAST, "is_new": False, "must_visit": True},
    {"rule": "water", "household_id": 2, "state": "visited", "due_on": PAST, "is_new": False, "must_visit": True},
    {"rule": "old_rule", "household_id": 3, "state": "verified_risk", "due_on": PAST, "is_new": False, "must_visit": True},
]
PROBLEMS = [
    {"household_id": 90, "village_code": TWO, "sets_aside": True},
    {"household_id": 90, "village_code": TWO, "sets_aside": True},  # two problems, one household
    {"household_id": 91, "village_code": None, "sets_aside": True},
    {"household_id": 5, "village_code": THREE, "sets_aside": False},
]


@functools.cache
def by_hand() -> RollUp:
    screening = screening_of(HOMES, alerts=ALERTS, problems=PROBLEMS)
    return roll_up(screening, villages=villages([ONE, TWO, THREE]), policy=NATIONAL)


def area(area_code: int, table: str = "areas", **of: str) -> dict[str, Any]:
    frame = getattr(by_hand(), table)
    for column, value in of.items():
        frame = frame[frame[column] == value]
    (row,) = frame[frame["area_code"] == area_code].to_dict("records")
    return row


def told(row: dict[str, Any], *columns: str) -> list[Any]:
    return [row[c] for c in columns]


def test_shares_are_of_households_that_can_be_judged():
    town, village = area(999901101), area(TWO)
    assert told(town, "n_monitored_unknown") == [1]
    assert told(town, "n_households", "n_monitored", "n_screened", "n_fall", "n_level", "n_rise", "n_unknown") == [
        4,
        2,
        4,
        1,
        1,
        1,
        1,
    ]
    assert town["fall_share"] == pytest.approx(1 / 3)  # the fourth cannot be judged
    assert told(town, "n_same_fall", "n_same_judged", "same_fall_share") == [1, 2, 0.5]
    assert told(village, "n_screened", "n_unknown", "fall_share", "n_same_judged") == [2, 1, 0.0, 0]
    assert math.isnan(village["same_fall_share"])
    assert math.isnan(area(999901102)["fall_share"])  # a household, none screened


def test_yuan_are_of_households_that_can_be_judged():
    town = area(999901101)
    assert told(town, "last_cny", "projected_cny") == [Decimal("3500.00"), Decimal("3500.00")]
    assert town["change_share"] == 0
    assert told(town, "same_last_cny", "same_this_cny") == [Decimal("1500.00"), Decimal("1450.00")]
    assert town["same_change_share"] == pytest.approx(-50 / 1500)
    assert told(town, "fall_same_last_cny", "fall_same_this_cny", "fall_same_change_share") == [
        Decimal("600.00"),
        Decimal("450.00"),
        -0.25,
    ]
    assert told(town, "n_below_target", "gap_target_cny", "n_below_line") == [
        1,
        Decimal("400.50"),
        1,
    ]  # 7000 a head is not below 7000
    assert math.isnan(area(TWO)["same_change_share"])


def test_falls_of_sources_are_counted_whatever_the_total_does():
    assert told(area(999901), "n_fall_operating", "n_fall_wage", "n_fall_property", "n_fall_transfer") == [0, 2, 0, 1]


def test_closed_alerts_are_not_counted_and_overdue_is_not_verified_past_its_day():
    county = area(999901)
    assert told(county, "n_alerts", "n_new_alerts", "n_overdue", "n_alerted", "n_must_visit") == [4, 1, 2, 3, 2]
    housing = area(ONE, "alerts", rule="housing")
    assert told(housing, "n_alerts", "n_households", "n_new", "n_open", "n_visited", "n_closed", "n_overdue") == [
        3,
        2,
        1,
        2,
        0,
        1,
        1,
    ]
    assert [area(999901, "alerts", rule=r)["n_alerts"] for r in (*RULES, "old_rule")] == [3, 1, 0, 1]
    assert area(999901, "alerts", rule="old_rule")["n_verified_risk"] == 1
    assert [area(999901, "alerts", rule=r)["n_overdue"] for r in ("water", "old_rule")] == [1, 0]  # visited is not verified


def test_causes_are_of_households_with_any():
    assert told(area(999901101, "causes", cause="job_lost"), "n_households", "n_fall_any", "share", "explained_cny", "n_explained") == [
        2, 2, 1.0, Decimal("200.25"), 1,
    ]  # fmt: skip
    assert told(area(999901101, "causes", cause="support_not_delivered"), "share", "explained_cny") == [0.5, Decimal("0.00")]
    assert math.isnan(area(THREE, "causes", cause="job_lost")["share"])


def test_categories_states_and_checks_keep_what_cannot_be_told_apart():
    assert told(area(999901, "categories", category="dibao"), "n_yes", "n_no", "n_cannot_tell") == [1, 1, 1]
    assert {state: area(999901, "elimination", state=state)["n_households"] for state in [*STATES, "cannot_tell"]} == {
        "eliminable": 0, "continue": 0, "track": 1, "cannot_tell": 1,
    }  # fmt: skip
    assert told(area(999901, "checks", code="SCR001"), "n_problem", "n_fine", "n_cannot_tell") == [1, 0, 1]


def test_households_set_aside_are_counted_where_their_village_is_known():
    assert [area(code)["n_set_aside"] for code in (999901, 999901101, ONE, TWO, THREE)] == [1, 1, 0, 1, 0]
    assert by_hand().n_unplaced == 1


def test_coverage_counts_files_by_household():
    town = area(999901101, "coverage")
    assert told(town, "n_households", "arrived_income", "arrived_visit", "arrived_loan") == [4, 2, 2, 3]
    assert told(town, "n_without_any", "n_without_income", "share_without_any") == [1, 2, 0.25]
    n = len(ARRIVING)
    assert town["n_sources_mean"] == pytest.approx((n + n + (n - 2)) / 4)


@pytest.mark.parametrize(("n_fall", "n_office"), [(4, 5), (5, 4)])
def test_the_veto_is_reached_at_five_households(n_fall: int, n_office: int):
    fall = {"totals": {**TOTALS, "verdict": "fall"}, "causes": {"other": None}, "risk_confirmed": True}
    office = {"totals": TOTALS, "causes": {"support_not_delivered": None}, "risk_confirmed": True}
    homes = [*[fall] * n_fall, *[office] * n_office]
    screening = screening_of([{**home, "household_id": i, "village_code": ONE} for i, home in enumerate(homes)])
    veto = roll_up(screening, villages=villages([ONE, THREE]), policy=NATIONAL).veto
    first, second = veto.to_dict("records")
    assert told(first, "township_code", "township_zh", "n_fall", "n_office_cause", "n_verified") == [
        999901101,
        "镇101",
        n_fall,
        n_office,
        n_fall,
    ]
    assert told(first, "veto_households", "reaches", "reaches_office") == [5, n_fall == 5, n_office == 5]
    assert told(second, "n_fall", "n_office_cause", "n_verified", "reaches", "reaches_office") == [0, 0, 0, False, False]


def test_the_order_of_the_rows_does_not_matter():
    screening = screening_of(HOMES[::-1], alerts=ALERTS[::-1], problems=PROBLEMS[::-1])
    again = roll_up(screening, villages=villages([THREE, ONE, TWO]), policy=NATIONAL)
    for name, frame in by_hand().parts().items():
        pd.testing.assert_frame_equal(frame, getattr(again, name))
