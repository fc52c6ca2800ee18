"""The average of learners: arithmetic by hand, exact reasons, seeds, and what it refuses. The contract of every learner is in test_models."""

from __future__ import annotations

import json

import numpy as np
import pytest

from returnrisk.errors import BundleError, ConfigError, UnknownNameError
from returnrisk.explain.contributions import explain_rows
from returnrisk.models import make_learner, restore_learner
from returnrisk.models.average import AverageRisk
from tests.short_list_households import ADDITIVE_TOLERANCE, NAMES, households

TREES = {"n_estimators": 20, "num_leaves": 5}
MEMBERS = [{"name": "lightgbm", "params": TREES, "weight": 3}, {"name": "logistic", "params": {"C": 0.2}}]
MONOTONE = {"line_ratio": -1}


@pytest.fixture(scope="module")
def data():
    return households()


def average(data, members, *, seed=0):
    return AverageRisk(feature_names=NAMES, monotone=MONOTONE, members=members, seed=seed).fit(*data)


def test_the_score_is_the_weighted_mean_of_the_members_own(data):
    """Each member fitted alone, the mean taken by hand: log-odds and contributions."""
    trees = make_learner("lightgbm", feature_names=NAMES, monotone=MONOTONE, params=TREES | {"seed": 7000}).fit(*data)
    line = make_learner("logistic", feature_names=NAMES, params={"C": 0.2}).fit(*data)
    learner = average(data, MEMBERS, seed=7)
    X = data[0]
    expected = (3 * trees.decision_function(X) + line.decision_function(X)) / 4
    np.testing.assert_allclose(learner.decision_function(X), expected, rtol=0, atol=1e-12)
    parts = (3 * trees.contributions(X) + line.contributions(X)) / 4
    np.testing.assert_allclose(learner.contributions(X), parts, rtol=0, atol=1e-12)


def test_reasons_add_up_and_are_zero_for_what_says_nothing(data):
    parts = average(data, MEMBERS).contributions(data[0])
    np.testing.assert_allclose(
        parts.sum(axis=1), average(data, MEMBERS).decision_function(data[0]), rtol=0, atol=ADDITIVE_TOLERANCE
    )
    assert not parts[:, 4:6].any()  # constant, and missing everywhere
    assert explain_rows(average(data, MEMBERS), data[0]).largest_gap < ADDITIVE_TOLERANCE


def test_one_member_is_that_member_whatever_its_weight(data):
    alone = make_learner("logistic", feature_names=NAMES, params={}).fit(*data)
    learner = average(data, [{"name": "logistic", "weight": 0.3}])
    assert learner.decision_function(data[0]).tobytes() == alone.decision_function(data[0]).tobytes()


def test_members_with_draws_differ_and_a_named_seed_stays(data):
    bagged = {"n_estimators": 10, "bagging_fraction": 0.5}
    learner = average(
        data, [{"name": "lightgbm", "params": bagged}] * 2 + [{"name": "lightgbm", "params": bagged | {"seed": 5}}], seed=2
    )
    assert [member.seed for member in learner.members_] == [2000, 2001, 5]
    first, second, _ = (member.decision_function(data[0]) for member in learner.members_)
    assert not np.array_equal(first, second)


def test_averaging_seeds_steadies_the_score(data):
    """The spread over seeds of the mean of eight is well below that of one (a third, were they independent)."""
    one = {"name": "lightgbm", "params": {"n_estimators": 15, "bagging_fraction": 0.5, "feature_fraction": 0.5}}
    spread = {
        n: np.std([average(data, [one] * n, seed=s).decision_function(data[0]) for s in range(6)], axis=0).mean() for n in (1, 8)
    }
    assert spread[8] < 0.6 * spread[1]


def test_weights_of_rows_reach_every_member(data):
    X, y = data
    weight = np.where(np.arange(len(y)) < len(y) // 2, 0.0, 1.0)
    learner = AverageRisk(feature_names=NAMES, members=MEMBERS).fit(X, y, weight)
    for member, given in zip(learner.members_, MEMBERS, strict=True):
        alone = make_learner(given["name"], feature_names=NAMES, params=given["params"]).fit(X, y, weight)
        assert member.decision_function(X).tobytes() == alone.decision_function(X).tobytes()


@pytest.mark.parametrize(
    ("members", "error", "text"),
    [
        ([], ConfigError, "no members"),
        ([{"params": {}}], ConfigError, "member 0 has no name"),
        ([{"name": "logistic", "weight": 0}], ConfigError, "above 0"),
        ([{"name": "average"}], ConfigError, "an average itself"),
        ([{"name": "income_only", "params": {"column": "line_ratio"}}], ConfigError, "cannot explain its score"),
        ([{"name": "logistik"}], UnknownNameError, "did you mean 'logistic'"),
        ([{"name": "logistic", "wieght": 2}], UnknownNameError, "did you mean 'weight'"),
        ([{"name": "logistic", "params": {"CC": 2}}], UnknownNameError, "hyper-parameter 'CC'"),
    ],
)
def test_members_that_cannot_be_meant_are_refused(data, members, error, text):
    with pytest.raises(error, match=text):
        average(data, members)


def test_a_state_that_lost_a_member_is_refused(data):
    state = json.loads(json.dumps(average(data, MEMBERS).to_state(), allow_nan=False))
    assert (
        restore_learner(state).decision_function(data[0]).tobytes() == average(data, MEMBERS).decision_function(data[0]).tobytes()
    )
    state["fitted"]["members"].pop()
    with pytest.raises(BundleError, match="1 fitted members for 2 named"):
        restore_learner(state)
