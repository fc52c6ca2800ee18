"""The scorecard: worked by hand, read off the printed card, and never against a direction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from returnrisk.calibration import fit_calibration
from returnrisk.errors import ConfigError, UnknownNameError
from returnrisk.features.families import FAMILIES
from returnrisk.models.scorecard import ScorecardRisk
from tests.short_list_households import NAMES, households


@pytest.fixture(scope="module")
def data():
    return households()


def two_flags():
    """Odds 1/8; four times as high with the first flag, twice with the second: 67 and 33 of 100 points."""
    X = np.repeat([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], 90, axis=0)
    events = {0: 10, 1: 30, 2: 18, 3: 45}
    return X, np.concatenate([np.arange(90) < events[k] for k in range(4)])


def test_scorecard_worked_by_hand():
    X, y = two_flags()
    card = ScorecardRisk(feature_names=("ill", "job_lost"), monotone={"ill": 1, "job_lost": 1}, penalty=1e-6).fit(X, y)
    assert card.points([[0, 0], [1, 0], [0, 1], [1, 1]]).tolist() == [0, 67, 33, 100]
    np.testing.assert_allclose(card.predict_proba([[0, 0], [1, 0], [0, 1], [1, 1]])[:, 1], [1 / 9, 1 / 3, 1 / 5, 1 / 2], atol=0.002)
    table = card.table()
    assert table["band_zh"].tolist() == ["低于1", "1及以上", "无记录"] * 2
    assert table["points"].tolist() == [0, 67, 34, 0, 33, 16]  # not recorded: the mean of the rows, 33.5 and 16.5, to even
    risks = card.risk_table(step=50)
    assert risks["points"].tolist() == [0, 50, 100]
    np.testing.assert_allclose(risks["risk"].iloc[[0, 2]], [1 / 9, 1 / 2], atol=0.002)


def test_the_printed_card_is_all_one_needs(data):
    X, y = data
    card = ScorecardRisk(feature_names=NAMES, monotone={"line_ratio": -1}, cuts={"line_ratio": [1.25, 1.5, 2.0]}).fit(X, y)
    by_hand = np.zeros(len(X))
    for row in card.table().itertuples():
        values = X[:, NAMES.index(row.feature)]
        if row.band_en == "not recorded":
            here = np.isnan(values)
        else:
            here = (np.isnan(row.low) | (values >= row.low)) & (np.isnan(row.high) | (values < row.high)) & ~np.isnan(values)
        by_hand += row.points * here
    assert np.array_equal(card.points(X), by_hand)
    assert card.table().query("feature == 'line_ratio'")["band_en"].tolist() == [
        "below 1.25",
        "1.25 to below 1.5",
        "1.5 to below 2",
        "2 or more",
        "not recorded",
    ]
    assert 90 <= card.risk_table()["points"].max() <= 110
    assert (card.table()["points"] >= 0).all()
    labels = ScorecardRisk(feature_names=("n_seriously_ill",)).fit(X[:, [3]], y).table(FAMILIES["illness"].features)
    assert set(labels["zh"]) == {"患大病成员数"}
    curve = fit_calibration("sigmoid", card.decision_function(X), y)
    assert (np.diff(card.risk_table(risk=curve.apply)["risk"]) > 0).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), direction=st.sampled_from([-1, 1]), bands=st.integers(2, 6))
def test_points_never_go_against_a_direction(seed, direction, bands):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(300, 2)).round(1)
    X[rng.random((300, 2)) < 0.1] = np.nan
    y = rng.random(300) < 1 / (1 + np.exp(-np.nan_to_num(rng.normal() * X[:, 0] + np.sin(3 * X[:, 1]))))
    card = ScorecardRisk(feature_names=("a", "b"), monotone={"a": direction, "b": direction}, n_bands=bands).fit(X, y)
    for band in card.bands_:
        assert (np.diff(band.points) * direction >= 0).all()
        assert min(*band.points, band.missing_points) == 0
    grid = np.column_stack([np.linspace(-4, 4, 60), np.zeros(60)])
    assert (np.diff(card.decision_function(grid)) * direction >= 0).all()


def test_without_a_direction_the_middle_may_be_worst():
    x = np.repeat([0.0, 1.0, 2.0], 200)
    y = np.concatenate([np.arange(200) < k for k in (20, 100, 20)])
    free = ScorecardRisk(feature_names=("x",)).fit(x[:, None], y)
    low, middle, high = free.bands_[0].points
    assert middle == 100
    assert max(low, high) < 10  # the penalty pulls towards the lowest band, not towards neither
    bound = ScorecardRisk(feature_names=("x",), monotone={"x": 1}).fit(x[:, None], y)
    assert (bound.bands_[0].cuts, bound.bands_[0].points) == ((1.0,), (0, 100))  # 2 is in the band of 1: equal points


def test_a_feature_that_goes_the_forbidden_way_gets_no_points():
    x = np.repeat([0.0, 1.0, 2.0], 200)[:, None]
    y = np.concatenate([np.arange(200) < k for k in (20, 40, 100)])
    card = ScorecardRisk(feature_names=("x",), monotone={"x": -1}).fit(x, y)
    assert card.bands_[0].points == (0,)
    assert card.table()["band_zh"].tolist() == ["所有记录值", "无记录"]
    np.testing.assert_allclose(card.predict_proba(x)[:, 1], y.mean(), atol=1e-9)


def test_many_zeros_are_a_band_of_their_own():
    loss = np.r_[np.zeros(900), np.linspace(1, 5, 100)]
    y = np.r_[np.arange(900) % 20 == 0, np.arange(100) % 3 == 0]
    card = ScorecardRisk(feature_names=("loss",), monotone={"loss": 1}).fit(loss[:, None], y)
    assert card.bands_[0].cuts[0] == 1.0
    given_cuts = ScorecardRisk(feature_names=("loss",), monotone={"loss": 1}, cuts={"loss": [1.0, 2.0, 3.0, 4.0]}).fit(
        loss[:, None], y
    )
    assert len(given_cuts.bands_[0].points) == 5
    assert card.bands_[0].points[0] == 0


def test_missing_records_get_points_of_their_own():
    x = np.r_[np.zeros(300), np.ones(300), np.full(300, np.nan)]
    y = np.concatenate([np.arange(300) < k for k in (30, 60, 150)])
    card = ScorecardRisk(feature_names=("x",), monotone={"x": 1}).fit(x[:, None], y)
    assert card.bands_[0].missing_points == 100
    assert 0 < card.bands_[0].points[1] < 60


def test_scorecard_settings_that_cannot_be_meant(data):
    X, y = data
    for wrong, match in (
        ({"n_bands": 1}, "n_bands"),
        ({"total_points": 0}, "total_points"),
        ({"penalty": 0.0}, "penalty"),
        ({"cuts": {"illness": []}}, "ascending"),
        ({"cuts": {"illness": [1.0, np.inf]}}, "ascending"),
    ):
        with pytest.raises(ConfigError, match=match):
            ScorecardRisk(feature_names=NAMES, **wrong).fit(X, y)
    with pytest.raises(UnknownNameError, match="did you mean 'illness'"):
        ScorecardRisk(feature_names=NAMES, cuts={"ilness": [1.0]}).fit(X, y)
