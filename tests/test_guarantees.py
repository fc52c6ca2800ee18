"""The four guarantees by hand: each held, missing or unknown for itself, whatever is known of the others."""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd

from returnrisk.guarantees import GUARANTEES, guarantee_gaps
from returnrisk.store.view import Store
from tests.feature_households import County, day, month_starts, store_of

VILLAGE, NO_SCHOOL_FILE = 999902001001, 999902002001
SAFE, UNSAFE, UNKNOWN, DROPPED, BACK_AT_SCHOOL, LONG_AGO, LEFT, EMPTY_CELL = range(101, 109)
HELD = {"housing_grade": "A", "water_safe": True}


@functools.cache
def store() -> Store:
    county = County(months=month_starts("2024-01", "2024-12"), line=7000)
    for code in (VILLAGE, NO_SCHOOL_FILE):
        county.village(code)
    county.deliver(999902001, tables=("income", "schooling"))
    county.deliver(999902002, tables=("income",))
    covered, child = {"health_cover": True}, {"health_cover": True, "relation": "child"}
    county.household(SAFE, VILLAGE, members=[covered, covered], **HELD)
    county.household(UNSAFE, VILLAGE, members=[covered, {"health_cover": False}], housing_grade="D", water_safe=False)
    county.household(UNKNOWN, NO_SCHOOL_FILE, members=[{"health_cover": None}], housing_grade=None, water_safe=None)
    for number in (DROPPED, BACK_AT_SCHOOL, LONG_AGO):
        county.household(number, VILLAGE, members=[covered, child], **HELD)
    county.household(LEFT, VILLAGE, members=[covered, {**child, "left_on": day("2024-11-30")}], **HELD)
    # one member without cover and one of whom nothing is known: the gap is not certain for the household's register
    county.household(
        EMPTY_CELL, VILLAGE, members=[{"health_cover": False}, {"health_cover": None}], housing_grade="C", water_safe=True
    )
    for household, term, status in (
        (DROPPED, "2024-03-01", "enrolled"),
        (DROPPED, "2024-09-01", "dropped_out"),
        (BACK_AT_SCHOOL, "2024-03-01", "suspended"),
        (BACK_AT_SCHOOL, "2024-09-01", "enrolled"),
        (LONG_AGO, "2023-12-31", "dropped_out"),
        (LEFT, "2024-09-01", "dropped_out"),
    ):
        county.tables["schooling"].append(
            {
                "person_id": household * 10 + 2,
                "term_start": day(term),
                "stage": "primary",
                "status": status,
                "recorded_on": day(term),
            }
        )
    return store_of("guarantees", county.tables)


def gaps_on(text: str, **chosen: Any) -> pd.DataFrame:
    return guarantee_gaps(store().as_of(day(text)), **chosen).to_pandas().set_index("household_id")


def test_every_guarantee_for_itself():
    found = gaps_on("2025-01-31")  # all files of 2024 are in; twelve months begin on 1 February 2024
    held = dict.fromkeys(GUARANTEES, False)
    expected = {
        SAFE: held,
        UNSAFE: {"housing": True, "water": True, "schooling": False, "medical": True},
        UNKNOWN: dict.fromkeys(GUARANTEES),
        DROPPED: {**held, "schooling": True},
        BACK_AT_SCHOOL: held,
        LONG_AGO: held,
        LEFT: held,
        EMPTY_CELL: {**held, "housing": True, "medical": None},
    }
    assert set(found.index) == set(expected)
    for household, want in expected.items():
        for name, value in want.items():
            cell = found.loc[household, f"gap_{name}"]
            assert (None if pd.isna(cell) else bool(cell)) is value, (household, name)
    assert found.loc[LEFT, ["n_members", "township_code"]].tolist() == [1, 999902001]


def test_only_what_was_asked_for_and_only_as_of_the_day():
    assert not gaps_on("2024-08-31").loc[DROPPED, "gap_schooling"]
    assert gaps_on("2024-11-30").loc[LEFT, "gap_schooling"]  # the last day of a stay still counts
    assert [c for c in gaps_on("2024-11-30", guarantees=("water",)).columns if c.startswith("gap_")] == ["gap_water"]
