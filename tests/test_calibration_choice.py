"""Choice by held-out days, calibration within groups, and updates on a new period."""

from __future__ import annotations

import datetime as dt
import json
import typing

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from returnrisk.calibration import (
    CALIBRATIONS,
    SigmoidCalibration,
    UpdatedCalibration,
    calibration_by_group,
    choose_calibration,
    cross_fitted,
    fit_calibration,
    recalibrate,
    restore_calibration,
)
from returnrisk.config import CalibrationSpec
from returnrisk.errors import BundleError, ConfigError, DataError, NotEnoughDataError, UnknownNameError

DAYS = [dt.date(2020 + k // 4, 3 * (k % 4) + 1, 1) for k in range(6)]
IDENTITY = SigmoidCalibration(intercept=0.0, slope=1.0, n=2, n_events=1)
# statsmodels stops at 1e-8 of the deviance
GLM_TOLERANCE = 1e-5


def logistic(x):
    return 1 / (1 + np.exp(-x))


def county(n=3000, *, truth=logistic, days=DAYS, seed=0):
    """Scores and outcomes per day; days differ in level as years do."""
    rng = np.random.default_rng(seed)
    scores, outcomes = {}, {}
    for day in days:
        x = rng.normal(-3.5, 1.3, n)
        scores[day], outcomes[day] = x, (rng.random(n) < truth(x + rng.normal(0, 0.2))).astype(int)
    return scores, outcomes


def test_names_agree_with_the_specification():
    assert typing.get_args(typing.get_type_hints(CalibrationSpec)["method"]) == (*CALIBRATIONS, "auto")


def test_auto_is_the_chosen_method_fitted_on_all_days():
    scores, outcomes = county(truth=lambda x: np.where(x > -2.5, 0.25, 0.01))
    x, y = (np.concatenate([part[d] for d in DAYS]) for part in (scores, outcomes))
    day = np.repeat(np.array(DAYS, dtype="datetime64[ns]"), 3000)
    chosen = choose_calibration(scores, outcomes).method
    assert chosen != "sigmoid"
    assert fit_calibration("auto", x, y, day=day) == fit_calibration(chosen, x, y)
    with pytest.raises(ConfigError, match="needs the day of every row"):
        fit_calibration("auto", x, y)
    with pytest.raises(NotEnoughDataError, match="0 of 1 calibration days"):
        fit_calibration("auto", x, y, day=np.full(len(x), day[0]))


# -- choice ---------------------------------------------------------------------------------------------------------------------------


def test_a_straight_truth_gets_the_simplest():
    choice = choose_calibration(*county())
    assert choice.method == "sigmoid"
    assert choice.table["method"].tolist() == list(CALIBRATIONS)
    assert choice.table["chosen"].tolist() == [True, False, False, False]
    assert (choice.table["worse"] >= 0).all()
    assert len(choice.per_day) == len(CALIBRATIONS) * len(DAYS)


def test_a_step_gets_a_free_curve():
    choice = choose_calibration(*county(truth=lambda x: np.where(x > -2.5, 0.25, 0.01)))
    assert choice.method in ("isotonic", "venn_abers")
    table = choice.table.set_index("method")
    assert table.loc["sigmoid", "worse"] > table.loc["sigmoid", "worse_se"]


def test_the_table_is_leave_one_day_out_by_hand():
    scores, outcomes = county(800, days=DAYS[:3])
    choice = choose_calibration(scores, outcomes, methods=["beta", "sigmoid"])
    losses = []
    for judge in DAYS[:3]:
        learnt = [d for d in DAYS[:3] if d != judge]
        fitted = fit_calibration(
            "sigmoid", np.concatenate([scores[d] for d in learnt]), np.concatenate([outcomes[d] for d in learnt])
        )
        p, y = fitted.apply(scores[judge]), outcomes[judge]
        losses.append(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())
    assert choice.table.set_index("method").loc["sigmoid", "log_loss"] == pytest.approx(np.mean(losses), abs=1e-12)
    wide = choice.per_day.pivot(index="day", columns="method", values="log_loss")
    worse = (wide["sigmoid"] - wide["beta"]).to_numpy() * (1 if wide["beta"].mean() < wide["sigmoid"].mean() else -1)
    other = choice.table.set_index("method").loc["sigmoid" if wide["beta"].mean() < wide["sigmoid"].mean() else "beta"]
    assert other["worse"] == pytest.approx(worse.mean(), abs=1e-12)
    assert other["worse_se"] == pytest.approx(worse.std(ddof=1) / np.sqrt(3), abs=1e-12)


def test_forward_and_embargo_fit_on_fewer_days():
    scores, outcomes = county(1500)
    assert set(choose_calibration(scores, outcomes, scheme="forward").per_day["day"]) == set(DAYS[1:])
    year = choose_calibration(scores, outcomes, embargo_days=365)
    assert set(year.per_day["day"]) == {DAYS[0], DAYS[1], DAYS[4], DAYS[5]}
    with pytest.raises(NotEnoughDataError, match="0 of 6 calibration days"):
        choose_calibration(scores, outcomes, embargo_days=3000)


def test_order_of_days_and_methods_does_not_matter():
    scores, outcomes = county(800)
    again = choose_calibration(dict(reversed(scores.items())), outcomes, methods=CALIBRATIONS[::-1])
    pd.testing.assert_frame_equal(again.table, choose_calibration(scores, outcomes).table)


def test_a_method_that_cannot_be_fitted_is_told_and_not_chosen():
    x = np.r_[np.arange(50.0), np.arange(50.0)]
    y = np.r_[np.arange(50) >= 25, np.arange(50) >= 25].astype(int)  # separated: no slope is best
    choice = choose_calibration({DAYS[0]: x, DAYS[1]: x}, {DAYS[0]: y, DAYS[1]: y})
    table = choice.table.set_index("method")
    assert choice.method == "isotonic"
    assert "separates the classes" in table.loc["sigmoid", "problem"]
    with pytest.raises(NotEnoughDataError, match="no calibration could be fitted"):
        choose_calibration({DAYS[0]: x, DAYS[1]: x}, {DAYS[0]: y, DAYS[1]: y}, methods=["sigmoid"])


def test_choice_refuses():
    scores, outcomes = county(300, days=DAYS[:2])
    with pytest.raises(UnknownNameError, match="did you mean 'beta'"):
        choose_calibration(scores, outcomes, methods=["betta"])
    with pytest.raises(UnknownNameError, match="scheme"):
        choose_calibration(scores, outcomes, scheme="backward")
    with pytest.raises(ConfigError):
        choose_calibration(scores, outcomes, methods=[])
    with pytest.raises(DataError, match="2020-04-01 in one of them only"):
        choose_calibration(scores, {DAYS[0]: outcomes[DAYS[0]]})
    with pytest.raises(DataError, match="2020-01-01: 1 of 300 log-odds"):
        choose_calibration({**scores, DAYS[0]: np.r_[np.nan, scores[DAYS[0]][1:]]}, outcomes)


# -- cross-fitting ----------------------------------------------------------------------------------------------------------------------


def test_every_row_is_scored_by_a_learner_that_never_saw_its_village():
    rng = np.random.default_rng(0)
    village = rng.integers(0, 23, 400)
    X, y = np.column_stack([village, rng.normal(size=400)]), rng.integers(0, 2, 400)

    def learn(X, y):
        seen = set(X[:, 0])
        return lambda new: np.where([v in seen for v in new[:, 0]], np.nan, y.mean())

    scores = cross_fitted(learn, X, y, clusters=village)
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) == 5
    order = rng.permutation(400)
    np.testing.assert_allclose(cross_fitted(learn, X[order], y[order], clusters=village[order]), scores[order], atol=1e-15)


def test_a_curve_of_a_weaker_learner_is_too_timid_for_a_stronger_and_a_cross_fitted_one_is_not():
    """Forty features of which few matter: with few rows a learner is overconfident, and its curve flattens the better one's scores."""
    rng = np.random.default_rng(1)
    effect = np.r_[np.full(5, 0.5), np.zeros(35)]

    def rows(n):
        X = rng.normal(size=(n, 40))
        return X, (rng.random(n) < logistic(X @ effect - 3)).astype(float)

    def learn(X, y):
        theta = sm.GLM(y, sm.add_constant(X), family=sm.families.Binomial()).fit().params
        return lambda new: theta[0] + new @ theta[1:]

    early, later, test = rows(1500), rows(6000), rows(20_000)
    X, y = (np.concatenate(part) for part in zip(early, later, strict=True))
    final = learn(X, y)
    weaker = fit_calibration("sigmoid", learn(*early)(later[0]), later[1])
    same = fit_calibration("sigmoid", cross_fitted(learn, X, y, clusters=np.arange(len(y)) % 50), y)

    def slope(calibration):
        return recalibrate(calibration, final(test[0]), test[1], update="line").slope

    assert slope(weaker) > 1.2
    assert slope(same) == pytest.approx(1, abs=0.1)  # four standard errors


def test_cross_fitting_refuses():
    def learn(X, y):
        return lambda new: np.zeros(len(new))

    X, y = np.zeros((10, 1)), np.arange(10) % 2
    with pytest.raises(ConfigError, match="2 or more"):
        cross_fitted(learn, X, y, clusters=y, n_folds=1)
    with pytest.raises(NotEnoughDataError, match="2 clusters cannot be divided into 5"):
        cross_fitted(learn, X, y, clusters=y)
    with pytest.raises(NotEnoughDataError, match="outside fold 1 of 2"):
        cross_fitted(learn, X, y, clusters=y, n_folds=2)
    with pytest.raises(DataError, match="9 outcomes"):
        cross_fitted(learn, X, y[1:], clusters=y)


# -- groups ---------------------------------------------------------------------------------------------------------------------------


def grouped(n=6000, seed=0):
    rng = np.random.default_rng(seed)
    eta = rng.normal(-3, 1, n)
    town = rng.choice(["101", "102"], n)
    village = np.char.add(town, rng.integers(0, 20, n).astype(str))
    return eta, town, village, rng


def test_groups_find_the_township_that_is_wrong_and_equal_statsmodels():
    eta, town, village, rng = grouped()
    p = logistic(eta)
    y = rng.random(len(p)) < logistic(np.where(town == "102", 0.8 + eta, eta))
    table = calibration_by_group(y, p, {"township_code": town}, clusters=village).set_index("group")
    good, bad = table.loc["101"], table.loc["102"]
    assert good["observed_over_expected_low"] < 1 < good["observed_over_expected_high"]
    assert bad["observed_over_expected_low"] > 1.3
    for name in ("101", "102"):
        part = town == name
        oracle = sm.GLM(y[part].astype(float), sm.add_constant(eta[part]), family=sm.families.Binomial()).fit().params
        level = (
            sm.GLM(y[part].astype(float), np.ones((part.sum(), 1)), family=sm.families.Binomial(), offset=eta[part]).fit().params
        )
        got = table.loc[name, ["calibration_intercept", "calibration_slope"]].to_numpy(float)
        np.testing.assert_allclose(got, [level[0], oracle[1]], atol=GLM_TOLERANCE)
        assert table.loc[name, "observed_over_expected"] == pytest.approx(y[part].sum() / p[part].sum(), abs=1e-12)
        assert table.loc[name, "expected"] == pytest.approx(p[part].sum(), abs=1e-9)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = []
    for seed in range(40):
        eta, _, village, rng = grouped(1500, seed=seed)
        p = logistic(eta)
        row = calibration_by_group(rng.random(1500) < p, p, {}, clusters=village, n_bootstrap=100).iloc[0]
        held.append(row["observed_over_expected_low"] < 1 < row["observed_over_expected_high"])
    assert np.mean(held) > 0.8  # 0.95 is meant; four standard errors of 40


def test_small_groups_are_listed_and_rows_may_come_in_any_order():
    eta, _, village, rng = grouped(3000)
    p = logistic(eta)
    y = (rng.random(3000) < p).astype(int)
    kind = np.where(np.arange(3000) < 30, None, np.where(np.arange(3000) < 1500, "watched", "ordinary"))
    one = np.where(np.arange(3000) < 1500, "here", "there")
    village = np.where(one == "here", "1", village)
    frame = pd.DataFrame({"kind": kind, "place": one})
    table = calibration_by_group(y, p, frame, clusters=village, n_bootstrap=50)
    assert table[["column", "group"]].to_numpy().tolist() == [
        ["all", ""], ["kind", ""], ["kind", "ordinary"], ["kind", "watched"], ["place", "here"], ["place", "there"],
    ]  # fmt: skip
    assert table["status"].tolist() == ["measured", "too_few", "measured", "one_cluster", "one_cluster", "measured"]
    small = table.iloc[1]
    assert (small["n"], small["n_events"]) == (30, y[:30].sum())
    assert np.isnan(small["calibration_slope"])
    assert np.isfinite(table.iloc[4]["calibration_slope"])
    assert np.isnan(table.iloc[4]["ece_low"])
    order = rng.permutation(3000)
    again = calibration_by_group(y[order], p[order], frame.iloc[order], clusters=village[order], n_bootstrap=50)
    pd.testing.assert_frame_equal(again, table, check_exact=True)


def test_groups_refuse():
    p, village = np.array([0.1, 0.2]), np.array([1, 2])
    with pytest.raises(DataError, match="shapes differ"):
        calibration_by_group([0, 1], p, {"a": [1]}, clusters=village)
    with pytest.raises(DataError, match="1 of 2 outcomes"):
        calibration_by_group([0, 2], p, {}, clusters=village)
    with pytest.raises(DataError, match="1 of 2 risks"):
        calibration_by_group([0, 1], [0.1, np.nan], {}, clusters=village)
    with pytest.raises(DataError, match="1 of 2 clusters"):
        calibration_by_group([0, 1], p, {}, clusters=["a", None])
    with pytest.raises(ConfigError):
        calibration_by_group([0, 1], p, {}, clusters=village, level=1.0)


# -- updates --------------------------------------------------------------------------------------------------------------------------


def period(n=6000, *, intercept=0.0, slope=1.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(-3, 1, n)
    return x, (rng.random(n) < logistic(intercept + slope * x)).astype(int), rng.integers(0, 60, n)


@pytest.mark.parametrize(
    ("moved", "wanted"), [({}, "none"), ({"intercept": 0.6}, "intercept"), ({"intercept": 0.9, "slope": 1.6}, "line")]
)
def test_the_smallest_update_that_is_asked_for(moved, wanted):
    x, y, village = period(**moved, seed=2)
    updated = recalibrate(IDENTITY, x, y, clusters=village)
    assert updated.update == wanted
    if wanted == "none":
        assert updated.apply(x).tobytes() == IDENTITY.apply(x).tobytes()
    else:
        assert updated.apply(x).mean() == pytest.approx(y.mean(), abs=1e-9)


def test_updates_equal_statsmodels():
    x, y, _ = period(intercept=0.4, slope=1.3)
    eta = 0.5 + 0.8 * x
    base = SigmoidCalibration(intercept=0.5, slope=0.8, n=2, n_events=1)
    line = sm.GLM(y, sm.add_constant(eta), family=sm.families.Binomial()).fit()
    ours = recalibrate(base, x, y, update="line")
    np.testing.assert_allclose([ours.intercept, ours.slope], line.params, atol=GLM_TOLERANCE)
    level = sm.GLM(y, np.ones(len(y)), offset=eta, family=sm.families.Binomial()).fit()
    assert recalibrate(base, x, y, update="intercept").intercept == pytest.approx(level.params[0], abs=GLM_TOLERANCE)


def test_test_of_the_slope_equals_statsmodels_with_clusters():
    x, y, village = period(1500, slope=1.15)
    fit = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": village, "use_correction": False}
    )
    m = len(np.unique(village))
    spread = np.asarray(fit.cov_params()) * m / (m - 1)
    off = fit.params - [0, 1]
    p = recalibrate(IDENTITY, x, y, clusters=village).p_values
    assert p["any"] == pytest.approx(np.exp(-off @ np.linalg.solve(spread, off) / 2), rel=1e-3)
    from scipy.stats import norm

    assert p["slope"] == pytest.approx(2 * norm.sf(abs(off[1]) / np.sqrt(spread[1, 1])), rel=1e-3)


def test_nothing_wrong_is_seldom_changed_and_clusters_matter():
    changed = {"with": 0, "without": 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x, village = rng.normal(-3, 1, 2400), np.repeat(np.arange(60), 40)
        luck = rng.normal(0, 0.8, 60)  # a village's year; the mean over villages is as the calibration says
        y = rng.random(2400) < logistic(x + luck[village] - 0.29)
        changed["with"] += recalibrate(IDENTITY, x, y, clusters=village).update != "none"
        changed["without"] += recalibrate(IDENTITY, x, y).update != "none"
    assert changed["with"] < changed["without"]
    assert changed["with"] <= 14  # 5% is meant, more with a slope that luck flattens a little; four standard errors


def test_few_events_leave_the_slope():
    x, y, _ = period(1300, intercept=-0.2, slope=0.5, seed=1)
    rows = np.r_[np.flatnonzero(y == 1)[:60], np.flatnonzero(y == 0)[:900]]
    assert recalibrate(IDENTITY, x[rows], y[rows]).update in ("intercept", "none")
    with pytest.raises(NotEnoughDataError, match=r"60 events among 960 rows .* at least 100"):
        recalibrate(IDENTITY, x[rows], y[rows], update="line")
    with pytest.raises(NotEnoughDataError, match="at least 20"):
        recalibrate(IDENTITY, x[rows][50:], y[rows][50:])


def test_updates_refuse():
    x, y, village = period(3000)
    with pytest.raises(NotEnoughDataError, match="no longer ranks"):
        recalibrate(IDENTITY, -x, y)
    with pytest.raises(ConfigError, match="expected tested"):
        recalibrate(IDENTITY, x, y, update="slope")
    with pytest.raises(DataError, match="clusters"):
        recalibrate(IDENTITY, x, y, clusters=village[:-1])
    with pytest.raises(NotEnoughDataError, match="2 clusters"):
        recalibrate(IDENTITY, x, y, clusters=village % 2)


@pytest.mark.parametrize("method", CALIBRATIONS)
def test_an_update_of_an_update_survives_json_and_says_what_it_came_from(method):
    x, y, _ = period(8000)
    first = recalibrate(fit_calibration(method, x, y), *period(intercept=0.5, seed=3)[:2], update="line")
    second = recalibrate(first, *period(intercept=-0.5, seed=4)[:2], update="intercept")
    state = json.loads(json.dumps(second.to_state(), allow_nan=False))
    assert (state["base"]["method"], state["base"]["base"]["method"]) == ("updated", method)
    restored = restore_calibration(state)
    grid = np.linspace(-40, 40, 801)
    assert restored == second
    assert restored.apply(grid).tobytes() == second.apply(grid).tobytes()
    assert (np.diff(second.apply(grid)) >= 0).all()
    if method == "venn_abers":
        low, high = restored.band(grid)
        assert ((low <= second.apply(grid)) & (second.apply(grid) <= high)).all()
    else:
        assert restored.band(grid) is None
    for damage in ({"slope": -1.0}, {"update": "other"}, {"base": 3}, {"p_values": None}):
        with pytest.raises(BundleError):
            UpdatedCalibration.from_state(state | damage)
