"""Roll-up of what no longer has its place: alerts and households set aside of villages that are gone, households that moved."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from returnrisk.policy import load_policy
from returnrisk.screening import IncomeScreening, RollUp, Screening, publish, roll_up
from returnrisk.screening.facts import ARRIVING

NATIONAL = load_policy("national")
DAY, MAY, JUNE = dt.date(2024, 7, 28), dt.date(2024, 5, 28), dt.date(2024, 6, 28)
RIVER, FIELD, HILL = 999901101201, 999901101202, 999901102201
MERGED, OTHER_TOWN = 999901101203, 999901109201
"""Not on file any more: a village of a township that is, and one whose township is gone as well."""
VILLAGES = pd.DataFrame(
    {
        "village_code": [RIVER, FIELD, HILL],
        "village_name": ["河村", "田村", "山村"],
        "township_name": ["一镇", "一镇", "二镇"],
        "county_name": "测试县",
    }
)
HOMES = {1: RIVER, 2: RIVER, 3: FIELD, 4: HILL}
Alert = tuple[str, str, int, int, dt.date, bool]
"""alert, rule, household, village when it was raised, day it was first raised, must be visited."""
ALERTS: list[Alert] = [
    ("a1", "water", 1, RIVER, MAY, True),
    ("a2", "water", 7, MERGED, MAY, False),  # households 7 and 8 are not on file any more
    ("a3", "housing", 8, OTHER_TOWN, JUNE, True),
    ("b1", "water", 4, FIELD, MAY, True),  # moved from the field to the hill
    ("b0", "water", 4, HILL, JUNE, False),
    ("b2", "housing", 4, FIELD, MAY, False),
]
ASIDE = [(90, MERGED), (91, None)]
KEYS = {"areas": None, "coverage": None, "causes": "cause", "alerts": "rule", "categories": "category", "elimination": "state", "checks": "code"}  # fmt: skip


def empty(**types: pa.DataType) -> pa.Table:
    return pa.schema(list(types.items())).empty_table()


def a_screening(alerts: list[Alert]) -> Screening:
    home, yuan = {"household_id": pa.int64(), "village_code": pa.int64()}, pa.decimal128(18, 2)
    totals = {
        **home, "township_code": pa.int64(), "verdict": pa.string(), "same_verdict": pa.string(), "same_last_cny": yuan, "same_this_cny": yuan,
        "last_cny": yuan, "projected_cny": yuan, "projected_head_cny_year": pa.float64(), "line_cny_year": yuan, "gap_target_cny": yuan,
    }  # fmt: skip
    ledger: list[dict[str, Any]] = [
        {
            "alert_id": name, "rule": rule, "household_id": household, "village_code": village, "screened_on": day, "must_visit": must,
            "title_zh": rule, "title_en": rule, "office": "某局", "channel": "department", "state": "open", "due_on": DAY, "is_new": False,
        }
        for name, rule, household, village, day, must in alerts
    ]  # fmt: skip
    facts: dict[str, Any] = {f"arrived_{table}": [True] * len(HOMES) for table in ARRIVING}
    known = pa.array([False] * len(HOMES))
    return Screening(
        day=DAY,
        pack="national",
        households=pa.table(
            {
                "household_id": list(HOMES),
                "village_code": list(HOMES.values()),
                "monitored": known,
                "risk_confirmed": known,
                **facts,
            }
        ),
        categories=empty(household_id=pa.int64(), category=pa.string(), answer=pa.int8()),
        elimination=empty(household_id=pa.int64(), state=pa.string()),
        checks=empty(household_id=pa.int64(), code=pa.string(), result=pa.string()),
        check_counts=pd.DataFrame(),
        input_problems=pa.table(
            {
                "household_id": [home for home, _ in ASIDE],
                "village_code": pa.array([village for _, village in ASIDE], pa.int64()),
                "sets_aside": [True] * len(ASIDE),
            }
        ),
        input_counts=pd.DataFrame(),
        alerts=pd.DataFrame(ledger),
        rules=pd.DataFrame(columns=["rule", "title_zh", "title_en", "office", "channel"]),
        alert_yield=None,
        income=IncomeScreening(
            day=DAY,
            comparison=None,  # type: ignore[arg-type]
            totals=empty(**totals),
            changes=empty(**home, source=pa.string(), verdict=pa.string()),
            causes=empty(**home, cause=pa.string(), number=pa.int64(), explained_cny=yuan),
            measures=pa.table({}),
        ),
    )


def rolled(alerts: list[Alert]) -> RollUp:
    return roll_up(a_screening(alerts), villages=VILLAGES, policy=NATIONAL)


def told(frame: pd.DataFrame, column: str, level: str) -> dict[int, int]:
    """What is not zero, by area."""
    t = frame[frame["level"] == level]
    return {int(code): int(n) for code, n in zip(t["area_code"], t[column], strict=True) if n}


def test_what_is_counted_in_a_village_that_is_gone_is_in_its_township_and_in_the_village():
    r = rolled(ALERTS)
    assert told(r.areas, "n_alerts", "county") == {999901: 6}
    assert told(r.areas, "n_alerts", "township") == {999901101: 4, 999901102: 1, 999901109: 1}
    assert told(r.areas, "n_alerts", "village") == {RIVER: 1, FIELD: 2, MERGED: 1, HILL: 1, OTHER_TOWN: 1}
    assert told(r.areas, "n_set_aside", "village") == {MERGED: 1}
    assert r.n_unplaced == 1
    names = r.areas.set_index("area_code")["area_zh"]
    assert (names[RIVER], names[MERGED], names[OTHER_TOWN]) == ("河村", str(MERGED), str(OTHER_TOWN))
    assert r.areas["area_code"].tolist() == [999901, 999901101, 999901102, 999901109, RIVER, FIELD, MERGED, HILL, OTHER_TOWN]


@pytest.mark.parametrize(("table", "key"), KEYS.items())
def test_every_count_adds_up_although_villages_are_gone(table: str, key: str | None):
    frame = getattr(rolled(ALERTS), table)
    columns = [c for c in frame.columns if c.startswith(("n_", "arrived_")) and c != "n_sources_mean"]
    by = [key] if key else []
    for upper, lower in (("county", "township"), ("township", "village")):
        whole = frame[frame["level"] == upper].set_index(["area_code", *by])[columns].sort_index()
        parts = frame[frame["level"] == lower].groupby(["parent_code", *by])[columns].sum().rename_axis(whole.index.names)
        pd.testing.assert_frame_equal(whole, parts.sort_index(), check_dtype=False)


def test_a_household_that_moved_is_counted_once_where_its_latest_alert_is():
    """Household 4: two alerts on the field in May, one on the hill in June. It must be visited, wherever the alert that says so is."""
    r = rolled(ALERTS)
    assert told(r.areas, "n_alerted", "village") == {RIVER: 1, MERGED: 1, HILL: 1, OTHER_TOWN: 1}
    assert told(r.areas, "n_must_visit", "village") == {RIVER: 1, HILL: 1, OTHER_TOWN: 1}
    water, housing = (r.alerts[r.alerts["rule"] == rule] for rule in ("water", "housing"))
    assert told(water, "n_households", "village") == {RIVER: 1, MERGED: 1, HILL: 1}
    assert told(housing, "n_households", "village") == {FIELD: 1, OTHER_TOWN: 1}


def test_alerts_in_another_order_give_the_same():
    r, again = rolled(ALERTS), rolled(ALERTS[::-1])
    for name, frame in r.parts().items():
        pd.testing.assert_frame_equal(frame, again.parts()[name])


def test_more_households_with_alerts_than_on_file_are_published_without_small_counts():
    gone: list[Alert] = [(f"c{i:02}", "water", 100 + i, HILL, MAY, False) for i in range(30)]
    p = publish(rolled([*ALERTS, *gone]))
    assert told(rolled([*ALERTS, *gone]).areas, "n_alerted", "township")[999901102] == 31
    counts = [c for c in p.areas.columns if c.startswith("n_")]
    shown = {int(v) for column in counts for v in p.areas[column].dropna()}
    assert not shown & set(range(1, 10))
    assert p.areas["n_alerted"].dropna().gt(0).any()  # not had by hiding everything
