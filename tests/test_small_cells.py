"""What is published of a roll-up: no small count is shown, and none can be worked out of all that is."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from returnrisk.policy import load_policy
from returnrisk.reports.screening_page import render_screening_page
from returnrisk.screening import Published, RollUp, Screening, publish, roll_up
from tests.rollup_tables import random_screening, screening_of, villages
from tests.small_cell_audit import cells, unsafe, unsafe_yuan

NATIONAL = load_policy("national")
TOWNS = [999901101, 999901102, 999901103]


def rolled(screening: Screening, names: pd.DataFrame) -> RollUp:
    return roll_up(screening, villages=names, policy=NATIONAL)


def counted(screening: Screening) -> dict[tuple[str, str], dict[tuple[int, str], int]]:
    """Of how many households each sum of yuan is."""
    t, causes = screening.income.frame("totals"), screening.income.frame("causes")
    same, judged = t["same_verdict"] != "unknown", t["verdict"] != "unknown"
    of = {"same_last_cny": same, "same_this_cny": same, "last_cny": judged, "projected_cny": judged}
    of |= dict.fromkeys(("fall_same_last_cny", "fall_same_this_cny"), same & (t["verdict"] == "fall"))
    of |= {"gap_target_cny": judged & (t["gap_target_cny"].astype(float) > 0)}
    found: dict[tuple[str, str], dict[tuple[int, str], int]] = {}
    for column, rows in of.items():
        sizes = pd.concat([t[rows].groupby(t["village_code"] // k).size() for k in (1000, 1_000_000)])
        found["areas", column] = {(int(a), ""): int(n) for a, n in sizes.items()}
    causes = causes[causes["explained_cny"].notna()]
    parts = [causes.groupby([causes["village_code"] // k, "cause"]).size() for k in (1000, 1_000_000)]
    found["causes", "explained_cny"] = {(int(a), str(c)): int(n) for part in parts for (a, c), n in part.items()}
    return found


def few_others(p: Published, of: dict[tuple[str, str], dict[tuple[int, str], int]]) -> list[int]:
    """Areas that show yuan of all judged on the same period and of the falling among them, where few are left."""
    both = p.areas[p.areas["same_last_cny"].notna() & p.areas["fall_same_last_cny"].notna()]
    every, falling = of["areas", "same_last_cny"], of["areas", "fall_same_last_cny"]
    return [a for a in both["area_code"] if falling.get((a, "")) and 0 < every.get((a, ""), 0) - falling[a, ""] < p.smallest_cell]


def county_of(*groups: tuple[int, int, dict]) -> RollUp:
    """Households of the townships: (township 0, 1 or 2, how many, what they have)."""
    homes = [home | {"village_code": TOWNS[t] * 1000 + 201} for t, n, home in groups for _ in range(n)]
    homes = [{"household_id": i + 1, **home} for i, home in enumerate(homes)]
    return rolled(screening_of(homes), villages([t * 1000 + 201 for t in TOWNS]))


def shown(frame: pd.DataFrame, column: str) -> list[int | None]:
    return [None if pd.isna(v) else int(v) for v in frame[column]]


def verdict(of: str) -> dict:
    return {"totals": {"verdict": of, "same_verdict": "unknown" if of == "unknown" else "level"}}


def test_a_small_count_hides_a_second_township_so_that_the_county_does_not_give_it_away():
    r = county_of(
        *((t, n, {"monitored": True, "state": "continue"}) for t, n in ((0, 3), (1, 20), (2, 30))), *((t, 50, {}) for t in range(3))
    )
    p = publish(r)
    assert shown(p.areas, "n_monitored") == [53, None, None, 30]
    assert shown(p.elimination[p.elimination["state"] == "continue"], "n_households") == [53, None, None, 30]
    assert shown(p.elimination[p.elimination["state"] == "track"], "n_households") == [0, 0, 0, 0]  # zeros are shown
    assert shown(p.areas, "n_households") == [203, 53, 70, 80]


def test_parts_of_a_row_hide_another_part_in_two_townships():
    """3 unknown of 33 in the first township and 15 in the second: either could be had from the county or from the row."""
    r = county_of(
        (0, 30, verdict("rise")),
        (0, 3, verdict("unknown")),
        (1, 30, verdict("rise")),
        (1, 15, verdict("unknown")),
        (2, 40, verdict("rise")),
    )
    p = publish(r)
    assert shown(p.areas, "n_unknown") == [18, None, None, 0]
    assert shown(p.areas, "n_rise") == [100, None, None, 40]
    assert shown(p.areas, "n_screened") == [118, 33, 45, 40]
    assert shown(p.areas, "n_same_judged") == [100, None, None, 40]  # or the unknown were the rest
    share = p.areas["fall_share"]
    assert share.isna().tolist() == [False, True, True, False]  # the denominator would give the unknown away


def test_a_county_total_that_is_small_is_hidden_with_everything_that_adds_up_to_it():
    p = publish(county_of((0, 4, {"monitored": True, "state": "track"}), (0, 60, {}), (1, 50, {})))
    assert shown(p.areas, "n_monitored") == [None, None, 0, 0]
    assert shown(p.elimination[p.elimination["state"] == "track"], "n_households") == [None, None, 0, 0]


def test_a_township_of_few_households_takes_its_coverage_with_it():
    p = publish(county_of((0, 5, {}), (1, 40, {}), (2, 60, {})))
    assert shown(p.areas, "n_households") == [105, None, None, 60]
    assert shown(p.coverage, "arrived_income") == [105, None, None, 60]
    assert p.coverage["n_sources_mean"].isna().tolist() == [False, True, True, False]


def test_nothing_is_hidden_where_nothing_is_small():
    r = county_of(*((t, 12, {**verdict(v), "monitored": True, "state": "track"}) for t in range(3) for v in ("rise", "unknown")))
    p = publish(r)
    assert not any(pd.isna(v) for v in cells(p).values())
    assert p.areas["last_cny"].tolist() == r.areas.loc[r.areas["level"] != "village", "last_cny"].tolist()
    assert p.areas["last_cny"].iloc[0] == Decimal(36 * 200)


def test_yuan_of_few_households_are_hidden_and_cannot_be_had_by_subtraction():
    """Sums of 9, 12 and 40 households: the first is hidden, and the second with it."""
    groups = (
        (0, 9, verdict("rise")),
        (0, 30, verdict("unknown")),
        (1, 12, verdict("rise")),
        (1, 15, verdict("unknown")),
        (2, 40, verdict("rise")),
    )
    p = publish(county_of(*groups))
    assert [v is None for v in p.areas["last_cny"]] == [False, True, True, False]
    assert p.areas["change_share"].isna().tolist() == [False, True, True, False]


def test_yuan_of_the_falling_are_hidden_where_they_would_tell_those_of_a_few_others():
    """40 judged on the same period in each township; all but 5, and all but 15, fall."""
    groups = [
        (t, n, verdict(v))
        for t, n, v in ((0, 35, "fall"), (0, 5, "rise"), (1, 25, "fall"), (1, 15, "rise"), (2, 20, "fall"), (2, 20, "rise"))
    ]
    p = publish(county_of(*groups))
    assert [v is None for v in p.areas["same_last_cny"]] == [False] * 4
    assert p.areas["fall_same_last_cny"].iloc[1] is None


def test_published_tables_have_the_columns_of_the_roll_up_and_no_village():
    screening, names = random_screening(1, [60, 40, 3])
    r = rolled(screening, names)
    p = publish(r)
    for name, frame in p.parts().items():
        whole = getattr(r, name)
        assert list(frame.columns) == [c for c in whole.columns if c != "n_monitored_unknown"]
        assert set(frame["level"]) == {"county", "township"}
        assert len(frame) == (whole["level"] != "village").sum()
        counts = [c for c in frame.columns if c.startswith(("n_", "arrived_")) and c != "n_sources_mean"]
        assert set(map(str, frame[counts].dtypes)) == {"Int64"}
    assert (p.day, p.pack, p.county_code, p.county_name, p.smallest_cell) == (r.day, "national", 999901, "测试县", 10)
    assert "veto" not in p.parts()


@settings(max_examples=6, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), sizes=st.lists(st.sampled_from([0, 1, 4, 9, 15, 40, 70]), min_size=1, max_size=3).filter(any))
def test_no_small_count_can_be_worked_out_of_all_that_is_published(seed: int, sizes: list[int]):
    screening, names = random_screening(seed, sizes)
    r = rolled(screening, names)
    p = publish(r)
    assert unsafe(p, r) == []
    assert unsafe_yuan(p, r, counted(screening)) == []
    assert few_others(p, counted(screening)) == []


def test_a_county_of_some_hundred_households():
    screening, names = random_screening(11, [150, 120, 60, 30, 8])
    r = rolled(screening, names)
    p = publish(r)
    assert unsafe(p, r) == []
    assert unsafe_yuan(p, r, counted(screening)) == []
    assert few_others(p, counted(screening)) == []
    truth, left = cells(r), [c for c, v in cells(p).items() if not pd.isna(v)]
    large = [c for c, v in truth.items() if v >= 10]
    assert len(set(left) & set(large)) > 0.6 * len(large)  # it is not had by hiding everything


def test_the_audit_finds_what_hiding_small_counts_alone_leaves_open():
    screening, names = random_screening(11, [90, 70])
    r = rolled(screening, names)
    p = publish(r)
    areas = r.areas[r.areas["level"] != "village"].reset_index(drop=True)
    counts = [c for c in areas.columns if c.startswith("n_")]
    naive = areas.assign(**{c: areas[c].astype("Int64").mask((areas[c] > 0) & (areas[c] < 10)) for c in counts})
    assert {c[0][0] for c in unsafe(dataclasses.replace(p, areas=naive), r)} >= {"areas"}


def test_the_same_roll_up_hides_the_same():
    screening, names = random_screening(5, [30, 20, 9])
    r = rolled(screening, names)
    once, again = publish(r), publish(r)
    for name, frame in once.parts().items():
        pd.testing.assert_frame_equal(frame, getattr(again, name))


@pytest.mark.parametrize(
    ("counts", "kept"), [((40, 20, 20), ["*", "housing", "water"]), ((40, 37, 3), ["housing"]), ((6, 3, 3), [])]
)
def test_yields_of_rules_with_small_counts_are_left_out_and_the_line_of_all_with_them(counts, kept, tmp_path):
    homes = [{"household_id": i, "village_code": TOWNS[i % 2] * 1000 + 201} for i in range(1, 81)]
    alerts = [{"rule": rule, "household_id": i, "is_new": False} for rule in ("housing", "water") for i in range(1, 81)]
    r = rolled(screening_of(homes, alerts=alerts), villages([t * 1000 + 201 for t in TOWNS]))
    frame = pd.DataFrame({"rule": ["*", "housing", "water"], "n_alerts": counts, "n_visited": 0, "share_registered": np.nan})
    published = publish(dataclasses.replace(r, yields=frame))
    found = published.yields
    assert ([] if found is None else found["rule"].tolist()) == kept
    page = render_screening_page(published, tmp_path / "page.html")
    assert not (tmp_path / "report_data" / "yields.parquet").exists()
    assert "n_verified_risk" not in page.read_text(encoding="utf-8")
