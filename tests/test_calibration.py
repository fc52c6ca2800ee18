"""Calibration: known truth recovered, likelihood equations and min-max formula as oracles, nothing certain, states exact."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from returnrisk.calibration import (
    CALIBRATIONS,
    IsotonicCalibration,
    SigmoidCalibration,
    fit_calibration,
    restore_calibration,
)
from returnrisk.errors import BundleError, DataError, NotEnoughDataError, UnknownNameError

# Newton stops when a step is below 1e-10 on the standardised scale.
EQUATION_TOLERANCE = 1e-6


def scored(n=4000, intercept=-1.0, slope=0.7, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(-2, 1.5, n)
    return x, (rng.random(n) < 1 / (1 + np.exp(-(intercept + slope * x)))).astype(int)


@pytest.fixture(scope="module", params=CALIBRATIONS)
def calibration(request):
    return fit_calibration(request.param, *scored())


def test_sigmoid_recovers_the_line_it_was_made_with():
    calibration = SigmoidCalibration.fit(*scored(200_000))
    assert calibration.slope == pytest.approx(0.7, abs=0.03)  # about four standard errors
    assert calibration.intercept == pytest.approx(-1.0, abs=0.05)
    assert (calibration.n, calibration.n_events) == (200_000, scored(200_000)[1].sum())


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_sigmoid_solves_the_likelihood_equations(smooth, weighted):
    x, y = scored(500)
    w = np.random.default_rng(1).uniform(0, 3, 500) if weighted else np.ones(500)
    calibration = SigmoidCalibration.fit(x, y, w, smooth_targets=smooth)
    events, others = w[y == 1].sum(), w[y == 0].sum()
    target = np.where(y == 1, (events + 1) / (events + 2), 1 / (others + 2)) if smooth else y
    residual = w * (target - calibration.apply(x))
    assert abs(residual.sum()) < EQUATION_TOLERANCE
    assert abs((residual * x).sum()) < EQUATION_TOLERANCE
    if not smooth:
        assert np.average(calibration.apply(x), weights=w) == pytest.approx(np.average(y, weights=w), abs=1e-9)


def test_isotonic_equals_the_min_max_formula():
    x, y = scored(60, intercept=1.0, slope=1.0, seed=3)
    order = np.argsort(x)
    means = [[y[order][j : k + 1].mean() if j <= k else np.nan for k in range(60)] for j in range(60)]
    oracle = [max(min(means[j][k] for k in range(i, 60)) for j in range(i + 1)) for i in range(60)]
    margin = 1 / 62
    got = IsotonicCalibration.fit(x, y).apply(x[order])
    np.testing.assert_allclose(got, np.clip(oracle, margin, 1 - margin), atol=1e-12)


def test_weights_are_copies():
    x, y = scored(400)
    times = np.random.default_rng(2).integers(0, 4, 400)
    grid = np.linspace(-8, 5, 50)
    weighted = SigmoidCalibration.fit(x, y, times).apply(grid)
    np.testing.assert_allclose(weighted, SigmoidCalibration.fit(np.repeat(x, times), np.repeat(y, times)).apply(grid), atol=1e-9)


def test_row_order_does_not_matter(calibration):
    x, y = scored()
    order = np.random.default_rng(5).permutation(len(x))
    again = fit_calibration(calibration.method, x[order], y[order])
    grid = np.linspace(-12, 12, 100)
    np.testing.assert_allclose(again.apply(grid), calibration.apply(grid), atol=1e-12)


@pytest.mark.parametrize("method", CALIBRATIONS)
def test_calibrates_new_households(method):
    x, y = scored(100_000, seed=11)
    p = fit_calibration(method, *scored(40_000)).apply(x)
    for part in np.array_split(np.argsort(x), 10):
        assert p[part].mean() == pytest.approx(y[part].mean(), abs=0.02)  # four standard errors of both samples


def test_state_survives_json_bit_for_bit(calibration):
    state = calibration.to_state()
    restored = restore_calibration(json.loads(json.dumps(state, allow_nan=False)))
    assert restored == calibration
    grid = np.linspace(-50, 50, 1001)
    assert restored.apply(grid).tobytes() == calibration.apply(grid).tobytes()


@given(a=st.floats(-1e6, 1e6), b=st.floats(-1e6, 1e6))
def test_rises_and_is_never_certain(calibration, a, b):
    low, high = calibration.apply([min(a, b), max(a, b)])
    assert 0 < low <= high < 1


@given(a=st.floats(-30, 15), gap=st.floats(1e-6, 10))
def test_sigmoid_rises_strictly(a, gap):
    low, high = SigmoidCalibration(intercept=-1.0, slope=0.7, n=2, n_events=1).apply([a, a + gap])
    assert low < high


@pytest.mark.parametrize("method", CALIBRATIONS)
def test_refusals(method):
    x, y = scored(300)
    with pytest.raises(NotEnoughDataError, match="300 calibration rows 0 are events"):
        fit_calibration(method, x, np.zeros(300))
    with pytest.raises(NotEnoughDataError, match="events"):
        fit_calibration(method, x, y, (y == 1).astype(float))
    falling = np.r_[np.arange(300) % 4 > 0, np.arange(100) % 4 == 0]
    with pytest.raises(NotEnoughDataError, match="does not rise with the score"):
        fit_calibration(method, np.repeat([0.0, 1.0], [300, 100]), falling)
    with pytest.raises(DataError, match="2 of 300 log-odds"):
        fit_calibration(method, np.r_[np.nan, np.inf, x[2:]], y)
    with pytest.raises(DataError, match="shapes"):
        fit_calibration(method, x, y[:-1])
    with pytest.raises(DataError, match="1 of 300 outcomes"):
        fit_calibration(method, x, np.r_[2, y[1:]])
    with pytest.raises(DataError, match="missing or infinite"):
        fit_calibration(method, x, y).apply([np.nan])


def test_sigmoid_needs_an_overlap_unless_smoothed():
    x, y = np.arange(20.0), np.arange(20) >= 12
    with pytest.raises(NotEnoughDataError, match="separates the classes"):
        SigmoidCalibration.fit(x, y)
    with pytest.raises(NotEnoughDataError, match="separates the classes"):
        SigmoidCalibration.fit(-x, y)
    with pytest.raises(NotEnoughDataError, match="constant"):
        SigmoidCalibration.fit(np.zeros(20), y)
    smoothed = SigmoidCalibration.fit(x, y, smooth_targets=True)
    assert 0 < smoothed.slope < 10


def test_names_and_damaged_states(calibration):
    with pytest.raises(UnknownNameError, match="did you mean 'sigmoid'"):
        fit_calibration("sigmoidal", *scored(50))
    with pytest.raises(UnknownNameError):
        restore_calibration({})
    state = calibration.to_state()
    with pytest.raises(BundleError, match="expected"):
        type(calibration).from_state(state | {"method": "other"})
    with pytest.raises(BundleError, match="incomplete or damaged"):
        restore_calibration({k: v for k, v in state.items() if k != "n"})
    damages = {
        "sigmoid": [{"slope": -1.0}],
        "beta": [{"high": -1.0}, {"low": 0.0, "high": 0.0}, {"intercept": float("nan")}],
        "isotonic": [{"risks": state.get("risks", [])[::-1]}],
        "venn_abers": [
            {"values0": state.get("values1"), "starts0": state.get("starts1")},
            {"values1": state.get("values1", [])[1:]},
            {"starts0": state.get("starts0", [])[::-1]},
            {"values1": [v + 1 for v in state.get("values1", [])]},
        ],
    }
    for damage in damages[calibration.method]:
        with pytest.raises(BundleError, match="incomplete or damaged"):
            restore_calibration(state | damage)
