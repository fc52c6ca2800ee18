"""A rare event needs no balance: counting rows by outcome spoils the probability, the prior correction mends the level, and no
specification may ask for it."""

from __future__ import annotations

import numpy as np
import pytest

from returnrisk.config import REWEIGHTING, load_model_spec, parse_model_spec
from returnrisk.errors import ConfigError
from returnrisk.evaluation.recalibration import logistic_line
from returnrisk.models import LEARNERS, make_learner
from returnrisk.selective_labels import corrected_for_sampling

RATES = {0.01: -5.25, 0.04: -3.7}
"""Base rate, and the intercept that gives about it."""


def rows(n, *, intercept, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    truth = intercept + X[:, 0] + 0.6 * X[:, 1]
    return X, (rng.random(n) < 1 / (1 + np.exp(-truth))).astype(int)


def resampled(X, y, how, *, seed=0):
    """Rows, outcomes, weights, and how often an event and another row is counted; events and others then weigh the same."""
    rng = np.random.default_rng(seed)
    events, others = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    odds = len(others) / len(events)
    if how == "undersampled":
        kept = np.sort(np.concatenate([events, rng.choice(others, len(events), replace=False)]))
        return X[kept], y[kept], None, 1.0, 1 / odds
    if how == "duplicated":
        copies = round(odds)
        kept = np.sort(np.concatenate([np.repeat(events, copies), others]))
        return X[kept], y[kept], None, float(copies), 1.0
    if how == "class weights":
        return X, y, np.where(y == 1, odds, 1.0), odds, 1.0
    return X, y, None, 1.0, 1.0


LEARNER_PARAMS = {
    "logistic": {"C": 1e4},
    "lightgbm": {"n_estimators": 60, "num_leaves": 5, "learning_rate": 0.08, "min_child_samples": 50, "bagging_freq": 0},
}


def scored(learner, how, rate):
    """Log-odds and outcomes on rows of the same county, never resampled; before and after the correction."""
    X, y, weight, per_event, per_other = resampled(*rows(30_000, intercept=RATES[rate], seed=1), how)
    names = [f"f{j}" for j in range(X.shape[1])]
    fitted = make_learner(learner, feature_names=names, params=LEARNER_PARAMS[learner]).fit(X, y, sample_weight=weight)
    X_new, y_new = rows(30_000, intercept=RATES[rate], seed=2)
    raw = fitted.decision_function(X_new)
    return raw, corrected_for_sampling(raw, per_event=per_event, per_other=per_other), y_new


def expected_over_observed(log_odds, y):
    return float((1 / (1 + np.exp(-log_odds))).mean() / y.mean())


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("how", ["undersampled", "duplicated", "class weights"])
@pytest.mark.parametrize("learner", LEARNER_PARAMS)
def test_balancing_multiplies_the_risk_and_the_correction_takes_it_back(learner, how, rate):
    raw, corrected, y = scored(learner, how, rate)
    assert 0.7 * rate < y.mean() < 1.3 * rate
    plain, _, _ = scored(learner, "as they are", rate)
    once = np.ones(len(y))
    assert 0.8 < expected_over_observed(plain, y) < 1.25
    assert expected_over_observed(raw, y) > 6
    assert logistic_line(raw, y.astype(float), once)[0] < -2
    assert expected_over_observed(corrected, y) == pytest.approx(expected_over_observed(plain, y), abs=0.2)
    slopes = [logistic_line(log_odds, y.astype(float), once)[1] for log_odds in (corrected, plain)]
    assert slopes[0] == pytest.approx(slopes[1], abs=0.15)  # what both lack of 1 is the luck of 300 events
    assert (np.argsort(raw, kind="stable") == np.argsort(corrected, kind="stable")).all()


def test_balancing_does_not_rank_better():
    from sklearn.metrics import roc_auc_score

    for learner in LEARNER_PARAMS:
        areas = {how: roc_auc_score(*reversed(scored(learner, how, 0.01)[1:])) for how in ("as they are", "undersampled")}
        assert areas["undersampled"] < areas["as they are"] + 0.01


def test_the_correction_is_that_of_king_and_zeng_and_of_elkan():
    true_rate, sampled_rate = 0.02, 0.5
    p = np.array([0.1, 0.5, 0.9])
    kept_other = true_rate / (1 - true_rate) * (1 - sampled_rate) / sampled_rate
    corrected = 1 / (1 + np.exp(-corrected_for_sampling(np.log(p / (1 - p)), per_event=1, per_other=kept_other)))
    king_zeng = np.log(p / (1 - p)) - np.log((1 - true_rate) / true_rate * sampled_rate / (1 - sampled_rate))
    elkan = true_rate * (p - p * sampled_rate) / (sampled_rate - p * sampled_rate + true_rate * p - sampled_rate * true_rate)
    np.testing.assert_allclose(corrected, 1 / (1 + np.exp(-king_zeng)))
    np.testing.assert_allclose(corrected, elkan)


@pytest.mark.parametrize("name", sorted(REWEIGHTING))
def test_no_specification_may_count_rows_by_outcome(name):
    content = load_model_spec("fall-12m").as_dict()
    content["families"] = list(content["families"])
    content["learner"] = {"name": "lightgbm", "params": {name: 1}}
    for part in ("outcome", "split", "calibration", "evaluation"):
        content.pop(part)
    with pytest.raises(ConfigError, match=f"learner.params names {name}: it counts households by their outcome"):
        parse_model_spec(content)
    for learner in LEARNERS:
        with pytest.raises(ConfigError, match=f"the {learner} learner names {name}"):
            make_learner(learner, feature_names=["a"], params={name: 1})


def test_every_name_that_lightgbm_knows_for_it_is_refused():
    import lightgbm

    aliases = lightgbm.basic._ConfigAliases._get_all_param_aliases()
    for name in ("is_unbalance", "scale_pos_weight", "pos_bagging_fraction", "neg_bagging_fraction"):
        assert {name, *aliases[name]} <= REWEIGHTING
