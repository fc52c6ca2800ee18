"""Beta and Venn-Abers calibration: scipy and brute-force refits as oracles, and whether the band keeps what is proved of it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from returnrisk.calibration import BetaCalibration, SigmoidCalibration, VennAbersCalibration, fit_calibration
from returnrisk.errors import NotEnoughDataError

# scipy's L-BFGS-B stops at about 1e-6 of the loss
SCIPY_TOLERANCE = 2e-4
# sums of at most a few dozen whole numbers, divided
ROUNDING = 1e-12


def scored(n, *, base=-4.0, slope=1.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(base, 1.2, n)
    return x, (rng.random(n) < 1 / (1 + np.exp(-slope * x))).astype(int)


# -- beta ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [1.0, -0.1])
def test_beta_equals_a_general_optimiser(slope):
    x, y = scored(800, base=-0.5, seed=2)
    if slope < 0:  # a learner too sure at the top: the slope there would be negative
        x = np.where(x > 0, 6 * x, x)
    w = np.random.default_rng(1).uniform(0, 2, 800)
    u = np.stack([-np.logaddexp(0, -x), np.logaddexp(0, x)], axis=1)

    def loss(theta):
        eta = theta[0] + u @ theta[1:]
        return (w * (np.logaddexp(0, eta) - y * eta)).sum() + (theta[2] - theta[1]) ** 2 / 2

    oracle = minimize(loss, [0.0, 1.0, 1.0], bounds=[(None, None), (0, None), (0, None)], options={"ftol": 1e-15, "gtol": 1e-9})
    ours = BetaCalibration.fit(x, y, w)
    np.testing.assert_allclose([ours.intercept, ours.low, ours.high], oracle.x, atol=SCIPY_TOLERANCE)


@pytest.mark.parametrize("seed", range(6))
def test_beta_with_a_slope_at_its_bound_equals_a_general_optimiser(seed):
    rng = np.random.default_rng(seed)
    x = np.r_[rng.normal(-3, 1, 300), rng.normal(6, 3, 100)]
    y = (rng.random(400) < np.where(x > 0, 0.5, 1 / (1 + np.exp(-1.5 * x - 2)))).astype(int)
    if seed % 2:  # mirrored: now the lower slope meets its bound
        x, y = -x, 1 - y
    u = np.stack([-np.logaddexp(0, -x), np.logaddexp(0, x)], axis=1)

    def loss(theta):
        eta = theta[0] + u @ theta[1:]
        return (np.logaddexp(0, eta) - y * eta).sum() + (theta[2] - theta[1]) ** 2 / 2

    oracle = minimize(loss, [0.0, 1.0, 1.0], bounds=[(None, None), (0, None), (0, None)], options={"ftol": 1e-15, "gtol": 1e-9})
    ours = BetaCalibration.fit(x, y)
    assert loss([ours.intercept, ours.low, ours.high]) <= oracle.fun + 1e-6
    np.testing.assert_allclose([ours.intercept, ours.low, ours.high], oracle.x, atol=5e-3)


def test_beta_keeps_the_base_rate_and_bends_where_the_truth_does():
    rng = np.random.default_rng(0)
    x = rng.normal(-1.5, 2, 60_000)
    eta = -0.5 + 0.7 * -np.logaddexp(0, -x) + 1.6 * np.logaddexp(0, x)
    y = (rng.random(len(x)) < 1 / (1 + np.exp(-eta))).astype(int)
    calibration = BetaCalibration.fit(x, y)
    assert calibration.apply(x).mean() == pytest.approx(y.mean(), abs=1e-9)
    assert (calibration.low, calibration.high) == (pytest.approx(0.7, abs=0.06), pytest.approx(1.6, abs=0.12))


def test_beta_with_few_events_is_the_sigmoid():
    x, y = scored(1500, seed=4)  # a few dozen events, none of them likely beforehand
    assert 20 <= y.sum() <= 80
    beta, sigmoid = BetaCalibration.fit(x, y), SigmoidCalibration.fit(x, y)
    assert abs(beta.high - beta.low) < 1
    np.testing.assert_allclose(beta.apply(x).mean(), sigmoid.apply(x).mean(), atol=1e-9)
    np.testing.assert_allclose(beta.apply(x), sigmoid.apply(x), atol=0.03)


@given(a=st.floats(-30, 15), gap=st.floats(1e-5, 10), low=st.floats(0.05, 3), high=st.floats(0.05, 3))
def test_beta_rises_strictly_unless_flat_in_float64(a, gap, low, high):
    first, second = BetaCalibration(intercept=-1.0, low=low, high=high, n=2, n_events=1).apply([a, a + gap])
    assert first < second or second > 1 - 1e-9


def test_beta_needs_an_overlap():
    x = np.arange(20.0)
    for y in (x >= 12, x < 12):
        with pytest.raises(NotEnoughDataError, match="separates the classes"):
            BetaCalibration.fit(x, y)
    with pytest.raises(NotEnoughDataError, match="constant"):
        BetaCalibration.fit(np.zeros(20), x >= 12)


# -- Venn-Abers -----------------------------------------------------------------------------------------------------------------------


def refitted(x, y, score, weight=None):
    """p0 and p1 of one score by the definition: two isotonic regressions."""
    w = np.ones(len(x)) if weight is None else weight
    return [
        IsotonicRegression().fit(np.r_[x, score], np.r_[y, label], sample_weight=np.r_[w, 1]).predict([score])[0]
        for label in (0, 1)
    ]


@pytest.mark.parametrize("kind", ["distinct", "tied", "weighted"])
def test_venn_abers_equals_refitting(kind):
    rng = np.random.default_rng(3)
    tried = 0
    for _ in range(16):
        n = int(rng.integers(4, 30))
        x = rng.integers(0, 6, n).astype(float) if kind == "tied" else rng.normal(size=n)
        y = (rng.random(n) < rng.choice([0.1, 0.3, 0.6])).astype(int)
        w = rng.integers(1, 4, n).astype(float) if kind == "weighted" else None
        try:
            calibration = VennAbersCalibration.fit(x, y, w)
        except NotEnoughDataError:
            continue
        tried += 1
        levels = np.unique(x)
        places = np.r_[levels, (levels[1:] + levels[:-1]) / 2, levels[0] - 1, levels[-1] + 1]
        got = np.stack(calibration.band(places), axis=1)
        np.testing.assert_allclose(got, [refitted(x, y, s, w) for s in places], atol=ROUNDING)
    assert tried > 5


def test_a_place_between_neighbouring_numbers_does_not_exist():
    low = 1.0
    x = np.array([0.0, low, np.nextafter(low, 2), 3.0])
    y = np.array([0, 1, 0, 1])
    calibration = VennAbersCalibration.fit(x, y)
    np.testing.assert_allclose(
        np.stack(calibration.band(x), axis=1), [refitted(np.arange(4.0), y, s) for s in range(4)], atol=ROUNDING
    )


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(st.integers(-40, 40), st.booleans()), min_size=4, max_size=60),
    asked=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20),
)
def test_band_holds_the_point_rises_and_knows_order_only(rows, asked):
    x, y = np.array([r[0] for r in rows], float) / 4, np.array([r[1] for r in rows], int)
    try:
        calibration = VennAbersCalibration.fit(x, y)
    except NotEnoughDataError:
        return
    places = np.sort(np.r_[asked, x])
    low, high = calibration.band(places)
    point = calibration.apply(places)
    assert ((low < high) & (low <= point) & (point <= high) & (point > 0) & (point < 1)).all()
    for values in (low, high, point):
        assert (np.diff(values) >= 0).all()
    stretched = VennAbersCalibration.fit(np.sinh(x / 4) * 7 - 2, y)
    again = np.stack(stretched.band(np.sinh(x / 4) * 7 - 2))
    np.testing.assert_allclose(again, np.stack(calibration.band(x)), atol=ROUNDING)


def test_one_of_the_two_is_calibrated_and_neither_alone_is():
    """Vovk and Petej's theorem: p1 of those who fell and p0 of those who did not is perfectly calibrated, for any n and any scores."""
    rng = np.random.default_rng(7)
    picked, lows, highs, outcomes, truths = [], [], [], [], []
    for _ in range(3000):
        x = np.round(rng.normal(-3, 1.5, 81), 1)  # ties on purpose; the score is not even a log-odds of the truth
        truth = 0.02 + 0.5 / (1 + np.exp(-2 * (x + 1)))
        y = (rng.random(81) < truth).astype(int)
        try:
            calibration = VennAbersCalibration.fit(x[:80], y[:80])
        except NotEnoughDataError:
            low, high = np.array([y[:80].sum() / 81]), np.array([(y[:80].sum() + 1) / 81])  # a flat fit: the definition by hand
            if 0 < y[:80].sum() < 80:
                low, high = (np.array([v]) for v in refitted(x[:80], y[:80], x[80]))
        else:
            low, high = calibration.band(x[80:])
        lows.append(low[0])
        highs.append(high[0])
        outcomes.append(y[80])
        truths.append(truth[80])
        picked.append(high[0] if y[80] else low[0])
    low, high, y, p, truth = map(np.array, (lows, highs, outcomes, picked, truths))
    # the sum of y - p over any part that p alone picks out has mean 0; its deviation is below root of sum of p (1 - p)
    for part in (p >= 0, p < 0.02, (p >= 0.02) & (p < 0.1), (p >= 0.1) & (p < 0.3), p >= 0.3):
        assert part.sum() > 30
        assert abs((y - p)[part].sum()) < 4 * np.sqrt((p * (1 - p))[part].sum() + 1)
    for too_much in (truth - low, high - truth):
        assert too_much.mean() > 4 * too_much.std() / np.sqrt(len(p))


def test_venn_abers_of_many_rows_is_near_the_truth_narrow_and_quick():
    x, y = scored(40_000)
    start = time.process_time()
    calibration = VennAbersCalibration.fit(x, y)
    fitted = time.process_time()
    new, _ = scored(100_000, seed=9)
    low, high = calibration.band(new)
    point = calibration.apply(new)
    done = time.process_time()
    assert fitted - start < 5  # measured 0.2 s
    assert done - fitted < 1  # measured 0.03 s
    truth = 1 / (1 + np.exp(-new))
    assert np.abs(point - truth).mean() < 0.004
    assert (high - low)[np.argsort(new)[10_000:90_000]].mean() < 0.01
    assert (high - low)[np.argsort(new)[-10:]].mean() > 0.02  # few rows at the top: it says so


def test_weights_of_nothing_are_no_rows():
    x, y = scored(3000, seed=5)
    weight = np.r_[np.ones(2000), np.zeros(1000)]
    assert (
        VennAbersCalibration.fit(x, y, weight).apply(x).tobytes() == VennAbersCalibration.fit(x[:2000], y[:2000]).apply(x).tobytes()
    )


@pytest.mark.parametrize("method", ["sigmoid", "beta", "isotonic"])
def test_one_curve_has_no_band(method):
    calibration = fit_calibration(method, *scored(2000, base=-2.0))
    assert calibration.band([-3.0, 0.0]) is None


@pytest.mark.parametrize("method", ["beta", "venn_abers"])
def test_extreme_scores_are_answered(method):
    x, y = scored(3000)
    x = np.r_[x, -1e300, 1e300] if method == "venn_abers" else x
    p = fit_calibration(method, x, np.r_[y, 0, 1] if method == "venn_abers" else y).apply([-1e308, -750.0, 0.0, 750.0, 1e308])
    assert (np.diff(p) >= 0).all()
    assert 0 < p[0] <= p[-1] < 1
