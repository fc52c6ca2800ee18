"""Discrete-time hazard: statsmodels and a general optimiser as oracles, known hazards, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize

from returnrisk.errors import ConfigError, DataError, NotEnoughDataError
from returnrisk.models.hazard import HazardRisk
from returnrisk.models.person_periods import DURATION, SEASON, person_periods
from tests.short_list_households import households

# Two solvers of one concave problem, each stopping by its own rule.
SOLVER_TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def data():
    return households()


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
