"""Reasons against known shocks: counted by hand, and held against how reasons are really given."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from returnrisk.errors import DataError
from returnrisk.explain import Contributions, reasons_for
from returnrisk.explain.ground_truth import NAMED_BY, family_importance, reasons_against_truth, shares_by_cause
from returnrisk.features.families import FAMILIES, catalogue
from returnrisk.simulate import simulate_county
from returnrisk.simulate.causes import falls_with_causes, shocks_on_file
from returnrisk.simulate.state import Shock

FEATURES = tuple(
    f
    for f in catalogue()
    if f.name
    in (
        "income_line_ratio",
        "recent_wage_change",
        "out_of_pocket_12m_line_ratio",
        "n_disabled",
        "n_disasters_24m",
        "n_jobs_ended_3m",
    )
)
FAMILY = [f.family for f in FEATURES]
NAMES = [f.name for f in FEATURES]


def rows(n: int, **columns: object) -> pd.DataFrame:
    table = {
        "household_id": range(1, n + 1),
        "village_code": [999901001001 + i % 2 for i in range(n)],
        **dict.fromkeys(NAMES, 1.0),
        **columns,
    }
    return pd.DataFrame(table)


def weighing(*heaviest: str) -> list[float]:
    """Contributions: the named features in falling order, all others lower the risk."""
    return [float(len(heaviest) - heaviest.index(n)) if n in heaviest else -1.0 for n in NAMES]


IMPORTANCE = pd.Series({"income": 0.1, "illness": 0.05, "employment": 0.02, "disability": 0.0, "disaster": 0.0})


def test_six_features_of_five_families():
    assert sorted(set(FAMILY)) == ["disability", "disaster", "employment", "illness", "income"]
    assert len(FEATURES) == 6


def test_reasons_counted_by_hand():
    values = np.array(
        [
            weighing("income_line_ratio", "n_jobs_ended_3m"),  # lost a job: named second
            weighing("recent_wage_change"),  # lost a job: an income feature says it
            weighing(
                "income_line_ratio", "out_of_pocket_12m_line_ratio", "n_disabled", "n_jobs_ended_3m"
            ),  # lost a job: only fourth
            weighing("n_jobs_ended_3m"),  # nothing happened
        ]
    )
    shocks = pd.DataFrame(
        {"household_id": [1, 2, 3, 1, 99], "cause": ["job_loss", "job_loss", "job_loss", "disability", "illness"]}
    )
    found = reasons_against_truth(rows(4), Contributions(values, 0.0, 0.0), shocks, features=FEATURES, importance=IMPORTANCE)
    assert found["model"].tolist() == [1, 1, 0, 0]  # household 99 is not explained
    assert found["importance"].tolist() == [1, 1, 1, 0]  # income, illness, employment for everybody
    # by lot, 3 of 5 families: employment names it (income too, for the second, whose income reason is the fall of wages)
    assert found["chance"].tolist() == pytest.approx([1 - 4 / 10, 1 - 1 / 10, 1 - 4 / 10, 1 - 4 / 10])
    # the fourth household's reasons say "job" although nothing happened; of the three others none says "disability" but the third
    assert found["elsewhere"].tolist() == pytest.approx([1, 1, 1, 1 / 3])


def test_a_feature_that_lowers_the_risk_is_no_reason_unless_it_is_all_there_is():
    values = np.array([weighing("income_line_ratio"), [-1.0, -1.0, -1.0, -1.0, -1.0, -0.5]])
    last = NAMES[5]
    cause = next(shock.name.lower() for shock, naming in NAMED_BY.items() if FAMILY[5] in naming.families)
    shocks = pd.DataFrame({"household_id": [1, 2], "cause": [cause, cause]})
    found = reasons_against_truth(rows(2), Contributions(values, 0.0, 0.0), shocks, features=FEATURES, importance=IMPORTANCE)
    assert found["model"].tolist() == [0, 1], last


def test_the_reasons_counted_are_the_reasons_given():
    """On random contributions and gaps: a household counts if a reason it would get names the shock, and only then."""
    rng, n = np.random.default_rng(1), 60
    values = rng.normal(size=(n, len(NAMES)))
    table = rows(n, township_code=999901001, line_cny_year=8000.0)
    table[NAMES] = np.where(rng.random((n, len(NAMES))) < 0.3, np.nan, rng.random((n, len(NAMES))))
    shocks = pd.DataFrame(
        {"household_id": range(1, n + 1), "cause": rng.choice(["job_loss", "illness", "disability", "weather"], n)}
    )
    contributions = Contributions(values, 0.0, 0.0)
    found = reasons_against_truth(table, contributions, shocks, features=FEATURES, importance=IMPORTANCE)
    given = reasons_for(table, contributions, features=FEATURES, population=table, top=3)
    for row in found.to_dict("records"):
        naming, own = NAMED_BY[Shock[row["cause"].upper()]], given[given["household_id"] == row["household_id"]]
        assert bool(row["model"]) == bool((own["family"].isin(naming.families) | own["feature"].isin(naming.features)).any())


def test_every_shock_has_a_name_that_exists():
    assert set(NAMED_BY) == set(Shock)
    names = {f.name for f in catalogue()}
    for naming in NAMED_BY.values():
        assert naming.families <= set(FAMILIES)
        assert naming.features <= names
        assert naming.families or naming.features


def test_a_cause_that_is_no_shock_is_refused():
    shocks = pd.DataFrame({"household_id": [1], "cause": ["drift"]})
    with pytest.raises(DataError, match="drift"):
        reasons_against_truth(rows(1), Contributions(np.zeros((1, 6)), 0.0, 0.0), shocks, features=FEATURES, importance=IMPORTANCE)


class ByIncome:
    """Only the column of income_line_ratio moves the score."""

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return -X[:, NAMES.index("income_line_ratio")]


def test_only_what_moves_the_score_is_important():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, len(NAMES)))
    y = (rng.random(400) < 1 / (1 + np.exp(2 * X[:, NAMES.index("income_line_ratio")]))).astype(float)
    found = family_importance(ByIncome(), X, y, features=FEATURES)
    assert found.index[0] == "income"
    assert found["income"] > 0.2
    assert (found.drop("income") == 0).all()


def test_shares_add_up_and_one_village_has_no_interval():
    found = pd.DataFrame(
        {
            "cause": ["illness"] * 4 + ["death"] * 2, "village_code": [1, 1, 2, 3, 1, 1], "model": [1, 1, 0, 1, 0, 1],
            "elsewhere": 0.25, "importance": [0, 0, 0, 1, 1, 1], "chance": 0.2,
        }
    )  # fmt: skip
    shares = shares_by_cause(found).set_index("cause")
    assert shares.index.tolist() == ["illness", "death", "all"]
    assert shares.loc["illness", ["n", "model", "importance", "better"]].tolist() == [4, 0.75, 0.25, 0.5]
    assert shares.loc["death", "better"] == -0.5
    assert shares.loc["all", "model"] == pytest.approx(4 / 6)
    assert shares.loc["death", ["low", "high", "better_low", "better_high"]].isna().all()
    assert shares.loc["illness", "low"] <= 0.75 <= shares.loc["illness", "high"]


def test_shocks_on_file_agree_with_the_causes_of_falls():
    """Two ways to the same rows: from the falls back to their shock, and from the shocks of the year up to the day."""
    county = simulate_county(n_households=1500, months=36, start=dt.date(2021, 1, 1), seed=3)
    day = dt.date(2022, 12, 31)
    falls = falls_with_causes(county, as_of=day)
    falls = falls[falls["struck_before"]]
    shocks = shocks_on_file(county, as_of=day, within_months=12)
    both = falls.merge(shocks, on=["household_id", "cause"], suffixes=("", "_shock"))
    same = both[both["struck_on"] == both["struck_on_shock"]]  # the latest of its kind is not always the one that made it fall
    assert len(same) > 5
    assert len(same) >= 0.8 * len(falls)
    pd.testing.assert_series_equal(same["recorded_on"], same["recorded_on_shock"], check_names=False)
    assert (same["on_file_at_day"] == same["on_file"]).all()
