"""The learners: state, input checks, monotonicity, and SHAP values against brute force over every subset."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from returnrisk.errors import BundleError, ConfigError, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.models import LEARNERS, make_learner, restore_learner
from returnrisk.models.boosting import LightGBMRisk, check_model_text
from returnrisk.models.income_only import IncomeOnly
from returnrisk.models.logistic import LogisticRisk

NAMES = ("line_ratio", "人口 number", "illness_cny", "flag", "constant", "gap")
PARAMS = {
    "average": {
        "members": [{"name": "lightgbm", "params": {"n_estimators": 15, "num_leaves": 7}}, {"name": "logistic", "weight": 2}]
    },
    "lightgbm": {"n_estimators": 25, "num_leaves": 7, "min_child_samples": 20, "seed": 3},
    "logistic": {},
    "income_only": {"column": "line_ratio"},
    "hazard": {},
    "scorecard": {},
    "vulnerability": {"column": "line_ratio"},
    "alert_rules": {"must_visit": "flag", "alerts": "人口 number"},
}
# TreeSHAP multiplies and divides fractions along a path where brute force only adds: the last digits differ.
SHAP_TOLERANCE = 1e-9
# Two runs of the same solver on the same numbers, standardised by two programs.
SOLVER_TOLERANCE = 1e-6


def households(n=1500, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack(
        [
            np.exp(rng.normal(0.4, 0.5, n)),
            rng.integers(1, 7, n),
            np.where(rng.random(n) < 0.8, 0, rng.gamma(1, 3000, n)),
            rng.random(n) < 0.003,
            np.full(n, 4.0),
            rng.normal(size=n),
        ]
    )
    eta = -1.5 - 1.2 * np.log(X[:, 0]) + 0.2 * X[:, 1] + X[:, 2] / 5000
    X[rng.random(n) < 0.15, 2] = np.nan
    X[rng.random(n) < 0.05, 0] = np.nan
    X[rng.random(n) < 0.4, 5] = np.nan
    return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)


@pytest.fixture(scope="module")
def data():
    return households()


@pytest.fixture(scope="module", params=LEARNERS)
def fitted(request, data):
    return make_learner(request.param, feature_names=NAMES, monotone={"line_ratio": -1}, params=PARAMS[request.param]).fit(*data)


def test_state_survives_json_bit_for_bit(fitted, data):
    text = json.dumps(fitted.to_state(), allow_nan=False)
    restored = restore_learner(json.loads(text))
    assert type(restored) is type(fitted)
    assert restored.feature_names_ == NAMES
    assert json.dumps(restored.to_state(), allow_nan=False) == text
    assert restored.decision_function(data[0]).tobytes() == fitted.decision_function(data[0]).tobytes()
    if isinstance(fitted, LightGBMRisk):
        assert restored.contributions(data[0][:50]).tobytes() == fitted.contributions(data[0][:50]).tobytes()


def test_a_row_scores_the_same_wherever_it_stands(fitted, data):
    X = data[0]
    scores = fitted.decision_function(X)
    order = np.random.default_rng(1).permutation(len(X))
    assert fitted.decision_function(X[order]).tobytes() == scores[order].tobytes()
    assert np.concatenate([fitted.decision_function(X[i : i + 1]) for i in range(40)]).tobytes() == scores[:40].tobytes()


def test_probabilities_are_the_log_odds_in_another_dress(fitted, data):
    X, y = data
    p = fitted.predict_proba(X)
    assert p.shape == (len(X), 2)
    assert fitted.classes_.tolist() == [0, 1]
    np.testing.assert_allclose(np.log(p[:, 1] / p[:, 0]), fitted.decision_function(X), rtol=1e-9, atol=1e-9)
    assert np.array_equal(fitted.predict(X), (p[:, 1] > 0.5).astype(int))
    assert 0.55 < fitted.score(X, y) <= 1


def test_ranks_better_than_chance_on_new_households(fitted):
    if fitted.kind == "vulnerability":
        pytest.skip("it does not learn from outcomes, and these incomes do not hang on the other columns; see test_estimators")
    if fitted.kind == "alert_rules":
        pytest.skip("its order is given, and no column here is a number of alerts; see test_alert_score")
    X, y = households(seed=5)
    s = fitted.decision_function(X)
    assert (s[y == 1][:, None] > s[y == 0][None, :]).mean() > 0.6


def test_fit_is_repeatable_and_clone_forgets(fitted, data):
    twin = clone(fitted)
    assert not hasattr(twin, "classes_")
    assert twin.fit(*data).to_state() == fitted.to_state()


@pytest.mark.parametrize("name", LEARNERS)
def test_input_that_cannot_be_meant_is_refused(name, data):
    X, y = data
    learner = make_learner(name, feature_names=NAMES, params=PARAMS[name])
    with pytest.raises(DataError, match=r"4 columns.* knows 6 \(line_ratio"):
        learner.fit(X[:, :4], y)
    with pytest.raises(DataError, match=r"infinite values in gap \(2 rows\)"):
        learner.fit(np.where(np.isin(np.arange(len(X)), [3, 9])[:, None] & (np.arange(6) == 5), np.inf, X), y)
    with pytest.raises(DataError, match="1 of 1500 outcomes"):
        learner.fit(X, np.where(np.arange(len(y)) == 0, np.nan, y))
    with pytest.raises(DataError, match="one outcome per row"):
        learner.fit(X, y[:-1])
    with pytest.raises(DataError, match="not a number"):
        learner.fit([["a"] * 6], [1])
    with pytest.raises(DataError, match="dimensions"):
        learner.fit(X[:, 0], y)
    with pytest.raises(DataError, match="sample_weight"):
        learner.fit(X, y, sample_weight=-np.ones(len(y)))
    with pytest.raises(NotEnoughDataError, match="0 are events"):
        learner.fit(X, np.zeros(len(y)))
    with pytest.raises(NotEnoughDataError):
        learner.fit(X, y, sample_weight=(y == 0).astype(float))


def test_prediction_checks_columns(fitted, data):
    with pytest.raises(DataError, match="7 columns"):
        fitted.decision_function(np.column_stack([data[0], data[0][:, 0]]))
    frame = pd.DataFrame(data[0], columns=NAMES)
    assert np.array_equal(fitted.decision_function(frame), fitted.decision_function(data[0]))
    with pytest.raises(DataError, match="column 0 of the frame is 'gap'"):
        fitted.decision_function(frame[list(reversed(NAMES))])


def test_make_learner_knows_its_names():
    with pytest.raises(UnknownNameError, match="did you mean 'logistic'"):
        make_learner("logistik", feature_names=NAMES)
    with pytest.raises(UnknownNameError, match="lightgbm hyper-parameter 'num_leafs'; did you mean 'num_leaves'"):
        make_learner("lightgbm", feature_names=NAMES, params={"num_leafs": 3})
    with pytest.raises(UnknownNameError, match="hyper-parameter 'monotone'"):
        make_learner("lightgbm", feature_names=NAMES, params={"monotone": {}})
    for name in LEARNERS:
        with pytest.raises(UnknownNameError, match="monotone feature 'line_ration'"):
            make_learner(name, feature_names=NAMES, monotone={"line_ration": -1})
    with pytest.raises(ConfigError, match="direction of 'gap' is 2"):
        make_learner("lightgbm", feature_names=NAMES, monotone={"gap": 2})
    with pytest.raises(ConfigError, match="distinct"):
        make_learner("logistic", feature_names=("a", "b", "a"))


def test_names_from_a_frame_or_numbered(data):
    X, y = data
    assert LogisticRisk().fit(pd.DataFrame(X, columns=NAMES), y).feature_names_ == NAMES
    assert LogisticRisk().fit(X, y).feature_names_ == ("f0", "f1", "f2", "f3", "f4", "f5")


def test_damaged_states_are_refused(fitted):
    state = fitted.to_state()
    with pytest.raises(UnknownNameError, match="learner 'None'"):
        restore_learner({})
    with pytest.raises(BundleError, match="schema 99"):
        restore_learner(state | {"schema": 99})
    with pytest.raises(BundleError, match="of kind 'other'"):
        type(fitted).from_state(state | {"kind": "other"})
    for part in ("params", "fitted", "feature_names"):
        with pytest.raises(BundleError, match="incomplete or damaged"):
            restore_learner({k: v for k, v in state.items() if k != part})
    with pytest.raises(BundleError):
        restore_learner(state | {"fitted": {}})


# -- LightGBM ---------------------------------------------------------------------------------------------------------------------


def shap_by_brute_force(booster, x):
    """Shapley values of the conditional expectation that each tree itself defines: unknown features follow the training rows."""
    p = booster.num_feature()
    trees = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]

    def rows(node):
        return node.get("internal_count", node.get("leaf_count"))

    def expectation(node, known):
        if "split_feature" not in node:
            return node["leaf_value"]
        left, right = node["left_child"], node["right_child"]
        if node["split_feature"] not in known:
            share = rows(left) / (rows(left) + rows(right))
            return share * expectation(left, known) + (1 - share) * expectation(right, known)
        value = x[node["split_feature"]]
        if math.isnan(value) and node["missing_type"] == "NaN":
            goes_left = node["default_left"]
        else:
            goes_left = (0.0 if math.isnan(value) else value) <= node["threshold"]
        return expectation(left if goes_left else right, known)

    worth = {
        known: sum(expectation(t, known) for t in trees) for k in range(p + 1) for known in itertools.combinations(range(p), k)
    }
    values = np.zeros(p + 1)
    values[p] = worth[()]
    for j in range(p):
        for known in (s for s in worth if j not in s):
            share = math.factorial(len(known)) * math.factorial(p - len(known) - 1) / math.factorial(p)
            values[j] += share * (worth[tuple(sorted((*known, j)))] - worth[known])
    return values


@pytest.mark.parametrize("weighted", [False, True])
def test_contributions_equal_brute_force_shapley(data, weighted):
    X, y = data
    weight = np.random.default_rng(2).uniform(0.5, 2, len(y)) if weighted else None
    learner = LightGBMRisk(feature_names=NAMES, monotone={"line_ratio": -1}, n_estimators=8, num_leaves=6, seed=1).fit(X, y, weight)
    rows = X[np.r_[:10, np.flatnonzero(np.isnan(X[:, [0, 2]]).all(axis=1))[:5]]]
    got = learner.contributions(rows)
    assert got.shape == (15, 7)
    np.testing.assert_allclose(got, [shap_by_brute_force(learner.booster, x) for x in rows], rtol=0, atol=SHAP_TOLERANCE)
    np.testing.assert_allclose(got.sum(axis=1), learner.decision_function(rows), rtol=0, atol=SHAP_TOLERANCE)
    assert (np.abs(got[:, :3]).max(axis=0) > 1e-3).all()  # the comparison is not of zeros


def test_monotone_everywhere_also_beside_missing_values():
    rng = np.random.default_rng(4)
    n, p = 6000, 8
    X = rng.normal(size=(n, p)) + 0.8 * rng.normal(size=(n, 1))
    eta = -2 + 1.2 * np.sin(2 * X[:, 0]) - X[:, 1] * (X[:, 2] > 0) + np.abs(X[:, 3])
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    X[rng.random((n, p)) < 0.25] = np.nan
    names = tuple(f"x{j}" for j in range(p))
    directions = {"x0": 1, "x1": -1, "x2": 1, "x3": 1, "x4": -1, "x5": -1}
    common = {"n_estimators": 120, "num_leaves": 31, "learning_rate": 0.1, "min_child_samples": 20, "seed": 0}
    grid = np.linspace(-4, 4, 161)

    def worst_step(learner):
        worst = 0.0
        for name, direction in directions.items():
            rows = np.repeat(X[:60], len(grid), axis=0)
            rows[:, names.index(name)] = np.tile(grid, 60)
            steps = np.diff(learner.decision_function(rows).reshape(60, -1), axis=1) * direction
            worst = min(worst, steps.min())
        return worst

    free = LightGBMRisk(feature_names=names, **common).fit(X, y)
    bound = LightGBMRisk(feature_names=names, monotone=directions, **common).fit(X, y)
    assert worst_step(free) < -0.1
    assert worst_step(bound) > -1e-12  # leaf sums are added in floating point


def test_model_text_is_plain_and_independent_of_threads(data):
    X, y = data
    one, two = (LightGBMRisk(feature_names=NAMES, n_estimators=10, num_threads=k).fit(X, y) for k in (1, 2))
    text = one.to_state()["fitted"]["text"]
    assert text.isascii()
    assert "feature_names=f0 f1 f2 f3 f4 f5\n" in text
    assert one.decision_function(X).tobytes() == two.decision_function(X).tobytes()


def test_a_cut_model_text_never_reaches_the_parser(data):
    learner = LightGBMRisk(feature_names=NAMES, n_estimators=5).fit(*data)
    state = learner.to_state()
    text = state["fitted"]["text"]
    for cut in [0, 3, 100, *range(500, len(text) - 60, 173)]:
        with pytest.raises(BundleError, match="cut or damaged"):
            restore_learner(state | {"fitted": {"text": text[:cut]}})
    with pytest.raises(BundleError, match="6 features where 5"):
        check_model_text(text, n_features=5)


def test_nothing_to_split_on_gives_the_base_rate():
    X, y = np.full((60, 2), 3.0), np.arange(60) % 4 == 0
    for learner in (LightGBMRisk(n_estimators=3).fit(X, y), LogisticRisk().fit(X, y)):
        np.testing.assert_allclose(learner.predict_proba(X)[:, 1], 0.25, atol=1e-9)
        restored = restore_learner(json.loads(json.dumps(learner.to_state())))
        assert restored.decision_function(X).tobytes() == learner.decision_function(X).tobytes()


def test_nobody_to_score_is_an_empty_answer(fitted):
    assert fitted.predict_proba(np.empty((0, 6))).shape == (0, 2)
    if isinstance(fitted, LightGBMRisk):
        assert fitted.contributions(np.empty((0, 6))).shape == (0, 7)


# -- logistic regression ----------------------------------------------------------------------------------------------------------


def test_logistic_equals_scikit_learn_on_hand_made_columns(data):
    X, y = data
    known = X[:, [1, 2]].copy()
    known[np.isnan(known[:, 1]), 1] = 0
    low, high = np.percentile(known, [0.5, 99.5], axis=0)
    scaled = StandardScaler().fit_transform(np.clip(known, low, high))
    weight = np.random.default_rng(0).uniform(0.2, 3, len(y))
    oracle = LogisticRegression(C=0.05, solver="newton-cholesky", tol=1e-10).fit(scaled, y, sample_weight=weight)
    ours = LogisticRisk(C=0.05).fit(known, y, weight)
    np.testing.assert_allclose(ours.decision_function(known), oracle.decision_function(scaled), atol=SOLVER_TOLERANCE)


def test_logistic_preprocessing(data):
    X, y = data
    learner = LogisticRisk(feature_names=NAMES).fit(X, y)
    kept = {(NAMES[t.column], t.is_missing) for t in learner.terms_}
    # A flag in 0.3% of rows survives winsorising; a constant goes; columns with missing values say so.
    assert kept == {(n, False) for n in NAMES if n != "constant"} | {(n, True) for n in ("line_ratio", "illness_cny", "gap")}
    row = np.array([[1.3, 3.0, 100.0, 0.0, 4.0, 0.0]])

    def moved(column, value):
        changed = row.copy()
        changed[0, column] = value
        return learner.decision_function(changed)[0]

    assert moved(4, 99.0) == learner.decision_function(row)[0]
    assert moved(1, np.nan) == moved(1, np.median(X[:, 1]))
    assert moved(0, 1e9) == moved(0, np.nanpercentile(X[:, 0], 99.5))
    filled = moved(5, np.nanmedian(np.clip(X[:, 5], *np.nanpercentile(X[:, 5], [0.5, 99.5]))))
    says_missing = next(t for t in learner.terms_ if t.is_missing and t.column == 5)
    assert moved(5, np.nan) == pytest.approx(filled + says_missing.coefficient / says_missing.scale, abs=1e-12)


def test_logistic_does_not_mind_the_unit(data):
    X, y = data
    a = LogisticRisk().fit(X, y).decision_function(X)
    b = LogisticRisk().fit(X * [1, 1, 1e-4, 1, 1, 1000], y).decision_function(X * [1, 1, 1e-4, 1, 1, 1000])
    np.testing.assert_allclose(a, b, atol=SOLVER_TOLERANCE)


# -- income only ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def income(data):
    return make_learner("income_only", feature_names=NAMES, params=PARAMS["income_only"]).fit(*data)


@given(a=st.floats(-50, 500), b=st.floats(-50, 500))
def test_poorer_is_never_less_risky(income, a, b):
    rows = np.full((2, 6), np.nan)
    rows[:, 0] = a, b
    s = income.decision_function(rows)
    if a + 1e-9 < b:
        assert s[0] > s[1]
    elif a == b:
        assert s[0] == s[1]


def test_missing_income_gets_the_base_rate(income, data):
    np.testing.assert_allclose(income.predict_proba(np.full((1, 6), np.nan))[0, 1], data[1].mean(), rtol=1e-12)


def test_income_only_recovers_the_slope_it_was_made_with():
    rng = np.random.default_rng(8)
    ratio = np.exp(rng.normal(0.5, 0.6, 60_000))
    y = (rng.random(60_000) < 1 / (1 + np.exp(1.0 + 1.7 * np.log(np.maximum(ratio, 0.2))))).astype(int)
    learner = IncomeOnly(feature_names=("r",), column="r").fit(ratio[:, None], y)
    assert learner.slope_ == pytest.approx(-1.7, abs=0.08)  # four standard errors
    assert learner.intercept_ == pytest.approx(-1.0, abs=0.05)


def test_income_only_weights_are_copies():
    rng = np.random.default_rng(9)
    ratio, times = np.exp(rng.normal(0.5, 0.6, 300)), rng.integers(0, 4, 300)
    y = (rng.random(300) < 0.4 / ratio.clip(1)).astype(int)
    weighted = IncomeOnly(feature_names=("r",), column="r").fit(ratio[:, None], y, times)
    copied = IncomeOnly(feature_names=("r",), column="r").fit(np.repeat(ratio, times)[:, None], np.repeat(y, times))
    grid = np.linspace(0.1, 5, 20)[:, None]
    np.testing.assert_allclose(weighted.decision_function(grid), copied.decision_function(grid), atol=1e-4)


def test_income_only_keeps_its_direction_against_the_data():
    ratio = np.linspace(0.5, 3, 200)[:, None]
    y = (np.arange(200) % 5 == 0) & (ratio[:, 0] > 1.5)
    learner = IncomeOnly(feature_names=("r",), column="r").fit(ratio, y)
    assert (np.diff(learner.decision_function(ratio)) < 0).all()
    assert learner.predict_proba(ratio)[:, 1].mean() == pytest.approx(y.mean(), abs=1e-6)


def test_income_only_separable_data_stay_finite():
    ratio = np.linspace(0.5, 3, 100)[:, None]
    learner = IncomeOnly(feature_names=("r",), column="r").fit(ratio, ratio[:, 0] < 1)
    assert np.isfinite([learner.slope_, learner.intercept_]).all()


def test_income_only_says_what_is_missing(data):
    with pytest.raises(ConfigError, match="needs `column`"):
        IncomeOnly(feature_names=NAMES).fit(*data)
    with pytest.raises(UnknownNameError, match="did you mean 'line_ratio'"):
        IncomeOnly(feature_names=NAMES, column="lineratio").fit(*data)
    with pytest.raises(ConfigError, match="floor"):
        IncomeOnly(feature_names=NAMES, column="line_ratio", floor=0.0).fit(*data)
    blank = data[0].copy()
    blank[:, 0] = np.nan
    with pytest.raises(NotEnoughDataError, match="0 rows with a recorded 'line_ratio'"):
        IncomeOnly(feature_names=NAMES, column="line_ratio").fit(blank, data[1])
