"""Hazard, vulnerability, scorecard and the short logistic regression: scikit-learn's checks, oracles, and figures worked by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import norm
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from returnrisk.calibration import fit_calibration
from returnrisk.config import load_model_spec, model_spec_names
from returnrisk.errors import ConfigError, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.features.families import FAMILIES
from returnrisk.models import LEARNERS, make_learner, restore_learner
from returnrisk.models.boosting import LightGBMRisk
from returnrisk.models.hazard import HazardRisk
from returnrisk.models.income_only import IncomeOnly
from returnrisk.models.logistic import LogisticRisk
from returnrisk.models.person_periods import DURATION, SEASON, person_periods
from returnrisk.models.scorecard import ScorecardRisk
from returnrisk.models.vulnerability import VulnerabilityRisk

ROOT = Path(__file__).parents[1]
# Two solvers of one concave problem, each stopping by its own rule.
SOLVER_TOLERANCE = 1e-5
# What an explanation may miss (explain/contributions.py allows more).
ADDITIVE_TOLERANCE = 1e-8

NAMES = ("line_ratio", "n_labour", "illness", "flag", "constant", "blank")
FITTED_WITH = {
    "hazard": {},
    "logistic": {},
    "scorecard": {},
    "vulnerability": {"column": "line_ratio"},
}

# -- scikit-learn's own checks ----------------------------------------------------------------------------------------------------

CHECKED = [
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
    unequal = {"hazard", "logistic", "scorecard"}
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


def households(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    labour = rng.integers(0, 4, n).astype(float)
    ratio = np.exp(0.2 + 0.15 * labour + rng.normal(0, 0.5, n))
    illness = np.where(rng.random(n) < 0.8, 0, rng.gamma(1, 1.5, n))
    flag = (rng.random(n) < 0.02).astype(float)
    eta = -1.6 - 1.2 * np.log(ratio) - 0.2 * labour + 0.4 * illness
    X = np.column_stack([ratio, labour, illness, flag, np.full(n, 4.0), np.full(n, np.nan)])
    X[rng.random(n) < 0.1, 2] = np.nan
    X[rng.random(n) < 0.05, 0] = np.nan
    return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)


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
        features = [f for family in spec.families for f in FAMILIES[family].features]
        names = [f.name for f in features]
        assert (spec.outcome, spec.split) == (standard.outcome, standard.split)
        assert "income_line_ratio" in names  # the baseline of income alone needs it
        used = {FAMILIES_OF[c] for c in spec.learner.params["columns"]}
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


FAMILIES_OF = {f.name: name for name, family in FAMILIES.items() for f in family.features}


def test_the_page_lists_every_learner_and_every_specification():
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE) == sorted(LEARNERS)
    for spec in short_specifications():
        assert f"`{spec.name}`" in page


# -- hazard -----------------------------------------------------------------------------------------------------------------------


def quarters(n=6000, seed=1):
    """Households over four quarters with a known hazard, some censored after two."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=n), rng.random(n) < 0.3]).astype(float)
    month = rng.choice([3, 6, 9, 12], n)
    future = person_periods(X, as_of_month=month, months=3, periods=4)
    log_hazard = -3 + 0.7 * future.X[:, 0] + 0.5 * future.X[:, 1] + 0.15 * future.X[:, 2] - 0.4 * (future.X[:, 3] == 12)
    hazard = 1 - np.exp(-np.exp(log_hazard))
    happens = (rng.random(len(hazard)) < hazard).reshape(n, 4)
    first = np.where(happens.any(axis=1), happens.argmax(axis=1) + 1, 5)
    closed = np.where(rng.random(n) < 0.3, 2, 4)
    past = person_periods(X, as_of_month=month, months=3, periods=np.minimum(first, closed), event=first <= closed)
    return X, month, past, 1 - np.prod(1 - hazard.reshape(n, 4), axis=1)


PERIOD_NAMES = ("income", "ill", DURATION, SEASON)


@pytest.fixture(scope="module")
def periods():
    return quarters()


def test_hazard_equals_statsmodels(periods):
    _, _, past, _ = periods
    learner = HazardRisk(feature_names=PERIOD_NAMES, columns=("ill",), duration=DURATION, season=SEASON, penalty=0)
    learner.fit(past.X, past.y)
    ill = past.X[:, 1]
    levels = [past.X[:, 2] == k for k in (2, 3, 4)] + [past.X[:, 3] == k for k in (6, 9, 12)]
    inputs = np.column_stack([np.ones(len(ill)), (ill - ill.mean()) / ill.std(), *levels]).astype(float)
    oracle = sm.GLM(past.y, inputs, family=sm.families.Binomial(link=sm.families.links.CLogLog())).fit()
    table = learner.table()
    np.testing.assert_allclose(table["coefficient"], oracle.params, atol=SOLVER_TOLERANCE)
    np.testing.assert_allclose(table["standard_error"], oracle.bse, atol=SOLVER_TOLERANCE)
    np.testing.assert_allclose(learner.predict_proba(past.X)[:, 1], oracle.predict(inputs), atol=SOLVER_TOLERANCE)
    np.testing.assert_allclose(table["low"], np.exp(oracle.conf_int()[:, 0]), rtol=1e-4)
    assert table["input"].tolist() == ["", "value", "2", "3", "4", "6", "9", "12"]


def test_penalised_hazard_equals_a_general_optimiser(data):
    X, y = data[0][:, [1, 3]], data[1]
    weight = np.random.default_rng(0).uniform(0.3, 2, len(y))
    learner = HazardRisk(penalty=7.0).fit(X, y, weight)
    inputs = np.column_stack([np.ones(len(X)), (X - X.mean(axis=0)) / X.std(axis=0)])

    def loss(b):
        hazard = np.exp(inputs @ b)
        return -weight @ np.where(y == 1, np.log(-np.expm1(-hazard)), -hazard) + 3.5 * (b[1:] ** 2).sum()

    oracle = minimize(loss, [-1.0, 0, 0], method="BFGS", options={"gtol": 1e-5}).x
    ours = [learner.intercept_, *(t.coefficient for t in learner.terms_)]
    np.testing.assert_allclose(ours, oracle, atol=1e-4)
    assert learner.table()["standard_error"].isna().all()


def test_a_vanishing_penalty_is_none(data):
    X, y = data[0][:, :4], data[1]
    none, hardly = (HazardRisk(penalty=p).fit(X, y).decision_function(X) for p in (0, 1e-9))
    np.testing.assert_allclose(none, hardly, atol=SOLVER_TOLERANCE)


def test_one_fit_gives_the_risk_over_any_horizon(periods):
    X, month, past, truth = periods
    learner = HazardRisk(feature_names=PERIOD_NAMES, duration=DURATION, season=SEASON).fit(past.X, past.y)
    risks = []
    for k in (1, 2, 4):
        future = person_periods(X, as_of_month=month, months=3, periods=k)
        risks.append(learner.risk_over(future.X, household=future.household))
        by_hand = 1 - np.prod(1 - learner.predict_proba(future.X)[:, 1].reshape(-1, k), axis=1)
        np.testing.assert_allclose(risks[-1], by_hand, rtol=1e-12)
    assert (risks[0] < risks[1]).all()
    assert (risks[1] < risks[2]).all()
    # 6 000 households, about 1 500 events, some censored: the standard error of the mean risk is near 0.005
    assert risks[2].mean() == pytest.approx(truth.mean(), abs=0.015)
    assert np.corrcoef(risks[2], truth)[0, 1] > 0.98


def test_row_by_row_in_any_order(periods):
    X, month, past, _ = periods
    learner = HazardRisk(feature_names=PERIOD_NAMES, duration=DURATION, season=SEASON).fit(past.X, past.y)
    future = person_periods(X[:50], as_of_month=month[:50], months=3, periods=4)
    order = np.random.default_rng(0).permutation(200)
    mixed = learner.risk_over(future.X[order], household=future.household[order])
    np.testing.assert_allclose(mixed, learner.risk_over(future.X, household=future.household), rtol=1e-12)


def test_hazard_refuses_what_it_cannot_know(periods):
    X, month, past, _ = periods
    learner = HazardRisk(feature_names=PERIOD_NAMES, duration=DURATION, season=SEASON).fit(past.X, past.y)
    late = person_periods(X[:3], as_of_month=month[:3], months=3, periods=6)
    with pytest.raises(DataError, match="6 rows have a 'period' that training did not hold"):
        learner.risk_over(late.X, household=late.household)
    with pytest.raises(DataError, match="whole numbers"):
        learner.risk_over(past.X[:3], household=[0.0, 1.0, 2.0])
    with pytest.raises(DataError, match="1 households have no period"):
        learner.risk_over(past.X[:3], household=[0, 0, 2])
    with pytest.raises(DataError, match="have no 'period'"):
        HazardRisk(feature_names=PERIOD_NAMES, duration=DURATION).fit(np.where([0, 0, 1, 0], np.nan, past.X), past.y)
    with pytest.raises(ConfigError, match="levels"):
        HazardRisk(feature_names=PERIOD_NAMES, duration="income").fit(past.X, past.y)
    with pytest.raises(ConfigError, match="name it once"):
        HazardRisk(feature_names=PERIOD_NAMES, duration=DURATION, columns=("ill", DURATION)).fit(past.X, past.y)
    with pytest.raises(ConfigError, match="penalty"):
        HazardRisk(penalty=-1.0).fit(past.X, past.y)


def test_separable_rows_need_a_penalty():
    X = np.linspace(-1, 1, 200)[:, None]
    y = X[:, 0] > 0.3
    assert np.isfinite(HazardRisk().fit(X, y).decision_function(X)).all()
    with pytest.raises(NotEnoughDataError, match="set a penalty above 0"):
        HazardRisk(penalty=0).fit(X, y)
    twice = np.random.default_rng(0).normal(size=(200, 1)) @ np.ones((1, 2))
    with pytest.raises(NotEnoughDataError, match="combinations"):
        HazardRisk(penalty=0).fit(twice, np.arange(200) % 3 == 0)


def test_person_periods_refuse_what_does_not_fit():
    with pytest.raises(DataError, match="no period that it came in"):
        person_periods([[1.0]], as_of_month=3, months=3, periods=0, event=1)
    with pytest.raises(DataError, match="another length"):
        person_periods([[1.0], [2.0]], as_of_month=[3, 6, 9], months=3, periods=1)
    with pytest.raises(DataError, match="months from 1 to 12"):
        person_periods([[1.0]], as_of_month=13, months=3, periods=1)
    assert person_periods([[1.0]], as_of_month=3, months=3, periods=0).X.shape == (0, 3)


# -- vulnerability ----------------------------------------------------------------------------------------------------------------


def two_groups():
    """Log incomes 0.2 ± 0.4 without labour and 0.6 ± 0.3 with it: means and variances of both groups are seen at once."""
    log_income = np.r_[np.tile([-0.2, 0.6], 50), np.tile([0.3, 0.9], 50)]
    return np.column_stack([np.exp(log_income), np.repeat([0.0, 1.0], 100)]), np.arange(200) % 7 == 0


def test_vulnerability_worked_by_hand():
    X, y = two_groups()
    learner = VulnerabilityRisk(feature_names=("ratio", "labour"), column="ratio").fit(X, y)
    vep = learner.predict_proba([[np.nan, 0.0], [np.nan, 1.0]])[:, 1]
    np.testing.assert_allclose(vep, [0.308538, 0.022750], atol=1e-6)  # Phi(-0.2 / 0.4), Phi(-0.6 / 0.3) in any table
    assert (learner.n_used_, learner.n_floored_) == (200, 0)


def test_vulnerability_equals_three_steps_in_statsmodels():
    rng = np.random.default_rng(2)
    n = 3000
    labour, age = rng.integers(0, 4, n).astype(float), rng.choice([30.0, 40.0, 50.0, 60.0], n)
    sd = np.sqrt(0.1 + 0.05 * labour)
    ratio = np.exp(0.3 + 0.1 * labour - 0.005 * age + sd * rng.normal(size=n))
    weight = rng.uniform(0.5, 2, n)
    inputs = sm.add_constant(np.column_stack([labour, age]))
    log_income = np.log(np.maximum(ratio, 0.05))
    squared = sm.WLS(log_income, inputs, weights=weight).fit().resid ** 2
    first = sm.WLS(squared, inputs, weights=weight).fit()
    theta = sm.WLS(squared, inputs, weights=weight / first.fittedvalues**2).fit()
    beta = sm.WLS(log_income, inputs, weights=weight / theta.fittedvalues).fit()
    vep = norm.cdf(-beta.fittedvalues / np.sqrt(theta.fittedvalues))
    X = np.column_stack([ratio, labour, age])
    learner = VulnerabilityRisk(feature_names=("ratio", "labour", "age"), column="ratio").fit(X, rng.random(n) < 0.1, weight)
    np.testing.assert_allclose(learner.predict_proba(X)[:, 1], vep, atol=1e-9)
    assert learner.table()["feature"].tolist() == ["intercept", "labour", "age"]


def test_vulnerability_finds_the_share_below_the_line_next_time():
    X, _ = households(40_000, seed=7)
    learner = VulnerabilityRisk(feature_names=NAMES, column="line_ratio", columns=["n_labour"]).fit(X, X[:, 3])
    for labour in range(4):
        truth = norm.cdf(-(0.2 + 0.15 * labour) / 0.5)
        vep = learner.predict_proba([[np.nan, labour, np.nan, 0, 4, np.nan]])[0, 1]
        assert vep == pytest.approx(truth, abs=0.02)  # 9 500 households a group: four standard errors


def test_vulnerability_does_not_look_at_the_outcome(data):
    X, y = data
    one, two = (VulnerabilityRisk(feature_names=NAMES, column="line_ratio").fit(X, labels) for labels in (y, 1 - y))
    assert one.to_state() == two.to_state()


def test_ratios_without_a_logarithm_count_as_the_floor():
    X, y = two_groups()
    states = []
    for low in (0.05, 0.0, -3.0):
        X[:5, 0] = low
        states.append(VulnerabilityRisk(feature_names=("ratio", "labour"), column="ratio").fit(X, y).to_state()["fitted"])
    assert states[0] == states[1] == states[2]


def test_a_linear_variance_never_turns_negative():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, 4000)
    ratio = np.exp(0.5 + np.where(x > 0.7, 1.2, 0.01) * rng.normal(size=4000))
    X = np.column_stack([ratio, x])
    learner = VulnerabilityRisk(feature_names=("ratio", "x"), column="ratio").fit(X, x > 0.9)
    assert learner.n_floored_ > 0
    assert np.isfinite(learner.decision_function(X)).all()
    np.testing.assert_allclose(learner.contributions(X).sum(axis=1), learner.decision_function(X), rtol=0, atol=ADDITIVE_TOLERANCE)


def test_vulnerability_says_what_is_missing(data):
    X, y = data
    with pytest.raises(ConfigError, match="take it out of columns"):
        VulnerabilityRisk(feature_names=NAMES, column="line_ratio", columns=NAMES).fit(X, y)
    with pytest.raises(UnknownNameError, match="did you mean 'line_ratio'"):
        VulnerabilityRisk(feature_names=NAMES, column="lineratio").fit(X, y)
    with pytest.raises(ConfigError, match="floor is 0"):
        VulnerabilityRisk(feature_names=NAMES, column="line_ratio", floor=0.0).fit(X, y)
    with pytest.raises(NotEnoughDataError, match="no spread"):
        VulnerabilityRisk(feature_names=NAMES, column="constant").fit(X, y)
    with pytest.raises(NotEnoughDataError, match="4 rows have"):
        VulnerabilityRisk(column="f0").fit(np.random.default_rng(0).normal(size=(4, 4)), [0, 1, 0, 1])


# -- scorecard --------------------------------------------------------------------------------------------------------------------


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
    assert bound.bands_[0].points == (0, 100, 100)
    against = ScorecardRisk(feature_names=("x",), monotone={"x": -1}).fit(x[:, None], 1 - (x > 0) * y)
    assert against.bands_[0].points[0] >= against.bands_[0].points[-1]


def test_many_zeros_are_a_band_of_their_own():
    loss = np.r_[np.zeros(900), np.linspace(1, 5, 100)]
    y = np.r_[np.arange(900) % 20 == 0, np.arange(100) % 3 == 0]
    card = ScorecardRisk(feature_names=("loss",), monotone={"loss": 1}).fit(loss[:, None], y)
    assert card.bands_[0].cuts[0] == 1.0
    assert len(card.bands_[0].points) == 4
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
