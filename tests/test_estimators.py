"""Hazard, vulnerability, scorecard and the short logistic regression: scikit-learn's checks, oracles, and figures worked by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from returnrisk.config import load_model_spec, model_spec_names
from returnrisk.errors import ConfigError, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.features.families import EVERY
from returnrisk.models import LEARNERS, make_learner, restore_learner
from returnrisk.models.alert_rules import AlertRules
from returnrisk.models.average import AverageRisk
from returnrisk.models.boosting import LightGBMRisk
from returnrisk.models.hazard import HazardRisk
from returnrisk.models.income_only import IncomeOnly
from returnrisk.models.logistic import LogisticRisk
from returnrisk.models.scorecard import ScorecardRisk
from returnrisk.models.vulnerability import VulnerabilityRisk
from tests.short_list_households import ADDITIVE_TOLERANCE, NAMES, households

ROOT = Path(__file__).parents[1]
FAMILIES_OF = {f.name: name for name, family in EVERY.items() for f in family.features}

FITTED_WITH = {
    "hazard": {},
    "logistic": {},
    "scorecard": {},
    "vulnerability": {"column": "line_ratio"},
}

# -- scikit-learn's own checks ----------------------------------------------------------------------------------------------------

CHECKED = [
    AverageRisk(members=[{"name": "lightgbm", "params": {"n_estimators": 5}}, {"name": "logistic"}]),
    AlertRules(must_visit="f0", alerts="f0"),
    HazardRisk(),
    IncomeOnly(column="f0"),
    LightGBMRisk(n_estimators=5),
    LogisticRisk(),
    ScorecardRisk(),
    VulnerabilityRisk(column="f0"),
]
OWN_ERRORS = "refuses with DataError of this package's error tree, where the check wants a ValueError or its own wording"
ONLY_0_AND_1 = "an outcome is 0 or 1 (event or not); the check's labels are others, and to guess which means a fall would be worse"
ROW_STATISTICS = (
    "percentiles, means and bands are of the rows, weights weight the likelihood (as documented): a weight is not a copy"
)
EXPECTED_FAILURES = {
    "check_n_features_in_after_fitting": OWN_ERRORS,
    "check_all_zero_sample_weights_error": OWN_ERRORS,
    "check_complex_data": OWN_ERRORS,
    "check_dtype_object": OWN_ERRORS,
    "check_estimators_empty_data_messages": OWN_ERRORS,
    "check_estimator_sparse_tag": OWN_ERRORS,
    "check_estimator_sparse_array": OWN_ERRORS,
    "check_estimator_sparse_matrix": OWN_ERRORS,
    "check_classifiers_one_label": OWN_ERRORS,
    "check_classifiers_one_label_sample_weights": OWN_ERRORS,
    "check_classifiers_train": OWN_ERRORS,
    "check_classifiers_regression_target": OWN_ERRORS,
    "check_classifier_not_supporting_multiclass": OWN_ERRORS,
    "check_supervised_y_no_nan": OWN_ERRORS,
    "check_fit1d": OWN_ERRORS,
    "check_fit2d_1sample": OWN_ERRORS,
    "check_fit2d_predict1d": OWN_ERRORS,
    "check_requires_y_none": OWN_ERRORS,
    "check_estimators_dtypes": ONLY_0_AND_1,
    "check_sample_weights_pandas_series": ONLY_0_AND_1,
    "check_sample_weights_shape": ONLY_0_AND_1,
    "check_sample_weights_not_overwritten": ONLY_0_AND_1,
    "check_classifiers_classes": ONLY_0_AND_1,
    "check_fit2d_1feature": ONLY_0_AND_1,
    "check_sample_weights_not_an_array": ONLY_0_AND_1,
    "check_classifier_data_not_an_array": ONLY_0_AND_1,
    "check_supervised_y_2d": "an outcome of shape (n, 1) is refused: it is as likely a table given for a column",
}


def expected_failures(learner):
    unequal = {"average", "hazard", "logistic", "scorecard"}
    if learner.kind in unequal:
        return EXPECTED_FAILURES | {"check_sample_weight_equivalence_on_dense_data": ROW_STATISTICS}
    if learner.kind == "vulnerability":
        few = "the check gives 27 rows for 30 columns; no regression can be fitted to them"
        return EXPECTED_FAILURES | {"check_sample_weight_equivalence_on_dense_data": few}
    return EXPECTED_FAILURES


def test_every_learner_is_checked():
    assert CHECKED
    assert sorted(learner.kind for learner in CHECKED) == sorted(LEARNERS)


@parametrize_with_checks(CHECKED)
def test_scikit_learn_contract(estimator, check):
    """A check that is expected to fail must fail, and by a refusal: one that passes some day is taken off the list."""
    if check.func.__name__ in expected_failures(estimator):
        with pytest.raises((DataError, AssertionError)):
            check(estimator)
    else:
        check(estimator)


def test_expected_failures_are_names_of_checks():
    names = {check.func.__name__ for _, check in estimator_checks_generator(HazardRisk())}
    assert set(expected_failures(HazardRisk())) <= names
    assert len(names) > 50


# -- what all of them keep to -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data():
    return households()


@pytest.fixture(scope="module", params=sorted(FITTED_WITH))
def fitted(request, data):
    monotone = {"line_ratio": -1, "n_labour": -1, "illness": 1}
    return make_learner(request.param, feature_names=NAMES, monotone=monotone, params=FITTED_WITH[request.param]).fit(*data)


def test_contributions_add_up_to_the_score(fitted, data):
    parts = fitted.contributions(data[0])
    assert parts.shape == (len(data[0]), len(NAMES) + 1)
    np.testing.assert_allclose(parts.sum(axis=1), fitted.decision_function(data[0]), rtol=0, atol=ADDITIVE_TOLERANCE)
    assert not parts[:, 4:6].any()  # constant, and missing everywhere
    assert np.abs(parts[:, 1]).max() > 0.05
    assert fitted.contributions(np.empty((0, 6))).shape == (0, 7)


def test_constant_and_blank_columns_change_nothing(fitted, data):
    other = data[0].copy()
    other[:, 4] = np.nan
    other[:, 5] = 3.0
    assert fitted.decision_function(other).tobytes() == fitted.decision_function(data[0]).tobytes()


@pytest.mark.parametrize("name", ["hazard", "scorecard", "vulnerability"])
def test_rows_in_another_order_give_the_same_bytes(name, data):
    X, y = data
    weight = np.random.default_rng(3).uniform(0.5, 2, len(y))
    order = np.random.default_rng(4).permutation(len(y))
    one = make_learner(name, feature_names=NAMES, params=FITTED_WITH[name]).fit(X, y, weight)
    two = make_learner(name, feature_names=NAMES, params=FITTED_WITH[name]).fit(X[order], y[order], weight[order])
    assert json.dumps(one.to_state()) == json.dumps(two.to_state())


@pytest.mark.parametrize("name", sorted(FITTED_WITH))
def test_named_columns_only(name, data):
    X, y = data
    params = FITTED_WITH[name] | {"columns": ["illness", "n_labour"]}
    short = make_learner(name, feature_names=NAMES, params=params).fit(X, y)
    other = X.copy()
    other[:, 3] = 1 - other[:, 3]
    assert short.decision_function(other).tobytes() == short.decision_function(X).tobytes()
    restored = restore_learner(json.loads(json.dumps(short.to_state(), allow_nan=False)))
    assert restored.to_state() == short.to_state()
    with pytest.raises(UnknownNameError, match="did you mean 'illness'"):
        make_learner(name, feature_names=NAMES, params=FITTED_WITH[name] | {"columns": ["ilness"]}).fit(X, y)
    with pytest.raises(ConfigError, match="at least one"):
        make_learner(name, feature_names=NAMES, params=FITTED_WITH[name] | {"columns": []}).fit(X, y)


def test_a_short_logistic_is_a_logistic_of_those_columns(data):
    X, y = data
    short = LogisticRisk(feature_names=NAMES, columns=("n_labour", "illness")).fit(X, y)
    alone = LogisticRisk(feature_names=("n_labour", "illness")).fit(X[:, 1:3], y)
    assert short.decision_function(X).tobytes() == alone.decision_function(X[:, 1:3]).tobytes()


@pytest.mark.parametrize("name", sorted(FITTED_WITH))
def test_all_columns_missing(name, data):
    X, y = np.full((200, 6), np.nan), data[1][:200]
    learner = make_learner(name, feature_names=NAMES, params=FITTED_WITH[name])
    if name == "vulnerability":
        with pytest.raises(NotEnoughDataError, match="0 rows have a recorded 'line_ratio'"):
            learner.fit(X, y)
    else:
        np.testing.assert_allclose(learner.fit(X, y).predict_proba(data[0][:50])[:, 1], y.mean(), atol=1e-6)


# -- shipped specifications -------------------------------------------------------------------------------------------------------


def short_specifications():
    return [s for name in model_spec_names() if (s := load_model_spec(name)).name.startswith("fall-12m-")]


def test_shipped_specifications_name_features_that_are_there():
    specs = short_specifications()
    assert {s.learner.name for s in specs} >= {"hazard", "logistic", "scorecard", "vulnerability"}
    standard = load_model_spec("fall-12m")
    for spec in specs:
        features = [f for family in spec.families for f in EVERY[family].features]
        names = [f.name for f in features]
        assert (spec.outcome, spec.split) == (standard.outcome, standard.split)
        assert "income_line_ratio" in names  # the baseline of income alone needs it
        used = {FAMILIES_OF[c] for c in spec.learner.params.get("columns", ("n_alerts", "n_must_visit_alerts"))}
        assert used <= set(spec.families)
        assert set(spec.families) - used <= {"income"}
        rng = np.random.default_rng(0)
        X = np.abs(rng.normal(1, 1, (400, len(names))))
        learner = make_learner(
            spec.learner.name, feature_names=names, monotone={f.name: f.monotone for f in features}, params=spec.learner.params
        ).fit(X, rng.random(400) < 0.2)
        np.testing.assert_allclose(
            learner.contributions(X).sum(axis=1), learner.decision_function(X), rtol=0, atol=ADDITIVE_TOLERANCE
        )


def test_the_page_lists_every_learner_and_every_specification():
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE) == sorted(LEARNERS)
    for spec in short_specifications():
        assert f"`{spec.name}`" in page
