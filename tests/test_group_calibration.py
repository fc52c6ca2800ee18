"""Calibration within groups: read off the snapshot, measured by hand's rule, small ones said to be small."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest

from returnrisk.calibration import calibration_by_group
from returnrisk.cli.stages import MOST_GROUPS, group_lines
from returnrisk.config import EvaluationSpec
from returnrisk.errors import DataError
from returnrisk.fairness import group_calibration, groups_of, standing_out
from returnrisk.fairness.calibration import COLUMNS

SETTINGS = EvaluationSpec(n_bootstrap=40)


def households(n: int = 3000, seed: int = 0) -> pd.DataFrame:
    """Rows in four townships of ten villages; in the second township twice as many fall as the risk says, among the disabled half as many."""
    rng = np.random.default_rng(seed)
    village = 999901101000 + 1000 * rng.integers(0, 4, n) + rng.integers(0, 10, n)
    disabled = rng.random(n) < 0.3
    p = np.clip(np.exp(rng.normal(-2.5, 0.5, n)), 0.01, 0.3)
    true = p * np.where(village // 1000 == 999901102, 2.0, 1.0) * np.where(disabled, 0.5, 1.0)
    return pd.DataFrame(
        {
            "village_code": village,
            "y": (rng.random(n) < true).astype("int8"),
            "p_model": p,
            "seen_below": np.arange(n) < 150,
            "n_disabled": np.where(disabled, 1.0, 0.0).astype("float32"),
            "n_members": np.where(np.arange(n) % 5 == 0, np.nan, 2.0).astype("float32"),
            "n_old": np.float32(2.0),
        }
    )


@functools.cache
def table_of_all() -> pd.DataFrame:
    return measured(households())


def measured(rows: pd.DataFrame) -> pd.DataFrame:
    return group_calibration(pd.concat([rows, groups_of(rows)], axis=1), SETTINGS)


def test_groups_by_hand():
    rows = pd.DataFrame(
        {
            "village_code": [999901101001, 999901102001, 999901102002],
            "n_old": [2, 1, np.nan],
            "n_members": [2, 2, 1],
            "head_age": [65, 64, np.nan],
            "n_full_labour": [0, 2, np.nan],
            "ex_poor": [1, 0, np.nan],
        }
    )
    found = groups_of(rows)
    assert found["group_township_code"].tolist() == ["999901101", "999901102", "999901102"]
    for name, values in {
        "all_old": ["yes", "no", ""],
        "head_age": ["65_and_over", "50_to_64", ""],
        "household_size": ["2", "2", "1"],
        "no_labour": ["yes", "no", ""],
        "ex_poor": ["yes", "no", ""],
    }.items():
        assert found[f"group_{name}"].tolist() == values, name
    assert "group_disabled" not in found  # the snapshot has nothing of it


def test_what_is_wrong_in_one_township_and_one_group_is_found_and_the_figures_are_plain_shares():
    rows, table = households(), table_of_all()
    assert table.columns.tolist() == list(COLUMNS)
    by = table.set_index(["grouping", "group"])
    for (grouping, group), member in {
        ("township_code", "999901102"): rows["village_code"] // 1000 == 999901102,
        ("disabled", "yes"): rows["n_disabled"] > 0,
        ("all", ""): rows["y"] >= 0,
    }.items():
        row, part = by.loc[(grouping, group)], rows[member]
        assert (row["n"], row["n_events"]) == (len(part), part["y"].sum())
        assert row["mean_risk"] == pytest.approx(part["p_model"].mean())
        assert row["observed_rate"] == pytest.approx(part["y"].mean())
        assert row["observed_over_expected"] == pytest.approx(part["y"].sum() / part["p_model"].sum())
    odd = standing_out(table).set_index(["grouping", "group"])["observed_over_expected"]
    assert odd["township_code", "999901102"] > 1.3
    assert odd["disabled", "yes"] < 0.75


def test_small_groups_have_their_counts_and_nothing_else():
    table = table_of_all().set_index(["grouping", "group"])
    small = table.loc[("seen_below", "yes")]
    assert small["status"] == "too_few"
    assert (small["n"], small["n_events"]) == (150, households()["y"][:150].sum())
    assert small[list(COLUMNS[COLUMNS.index("mean_risk") :])].isna().all()
    assert table.loc[("all_old", ""), "n"] == 600  # members unknown: a group of its own, told and not guessed


def test_a_weight_is_so_many_households():
    rows = households(1500)
    weight = np.where(np.arange(1500) % 3 == 0, 2.0, 1.0)
    weighted = measured(rows.assign(weight=weight)).drop(columns=["n", "n_events"])
    repeated = measured(rows.loc[rows.index.repeat(weight.astype(int))].reset_index(drop=True)).drop(columns=["n", "n_events"])
    both = (weighted["status"] == "measured") & (repeated["status"] == "measured")
    assert both.sum() > 4
    pd.testing.assert_frame_equal(weighted[both], repeated[both])
    with pytest.raises(DataError, match="1 of 2 weights are not above 0"):
        calibration_by_group([0, 1], [0.1, 0.2], {}, clusters=[1, 2], sample_weight=[1.0, 0.0])


def test_few_lines_say_it_in_words():
    table = table_of_all()
    lines = group_lines(table)
    assert len(lines) <= 2 + MOST_GROUPS
    assert f"{len(table) - 2} 组 groups, 1 组事件太少" in lines[0]  # but for everyone and the small one
    assert "everyone at risk" in lines[1]
    assert any("999901102" in line for line in lines[2:])
