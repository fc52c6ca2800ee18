"""The alert rules as a score: the screening's own alerts, counted as of the day, ranked as a county would, beside the models."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from returnrisk.accuracy import _order
from returnrisk.backtest import BacktestSettings, backtest
from returnrisk.config import LearnerSpec, load_model_spec
from returnrisk.errors import PolicyDateError
from returnrisk.features import alerts
from returnrisk.features.families import FAMILIES, catalogue
from returnrisk.features.snapshot import Snapshot, build_snapshot
from returnrisk.models import make_learner
from returnrisk.policy import load_policy
from returnrisk.project import Project
from returnrisk.screening import screen_since
from returnrisk.snapshot_cache import cached_alerts
from tests.test_training import KNOWN_ON, SPEC, snapshots, store

NAMES = ("n_must_visit_alerts", "n_alerts")
ALERTS = replace(SPEC, name="alerts", families=("income", "alerts"), learner=LearnerSpec("alert_rules"))


def rules(**params: object):
    return make_learner("alert_rules", feature_names=NAMES, params=params)


# -- the counts ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def on_the_day(small: Project) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Snapshot, and alerts of the screening itself, of one day."""
    view = small.store().as_of(dt.date(2025, 3, 31))
    snapshot = build_snapshot(view, spec=load_model_spec("fall-12m").outcome, families=["income", "alerts"])
    raised = screen_since(view, policy=load_policy("national"), since=dt.date(2000, 1, 1)).alerts
    return snapshot.frame().set_index("household_id"), raised


def test_the_counts_are_the_alerts_of_the_screening(on_the_day):
    snapshot, raised = on_the_day
    assert len(raised) > 5
    for name, part in (("n_alerts", raised), ("n_must_visit_alerts", raised[raised["must_visit"]])):
        expected = part["household_id"].value_counts().reindex(snapshot.index).fillna(0)
        pd.testing.assert_series_equal(snapshot[name], expected.astype("float32"), check_names=False, check_index_type=False)
    latest = pd.to_datetime(raised.groupby("household_id")["raised_on"].max()).reindex(snapshot.index)
    pd.testing.assert_series_equal(snapshot["on_alert"], latest.astype(snapshot["on_alert"].dtype), check_names=False)


def test_the_other_columns_are_what_they_are_without_the_family(small: Project, on_the_day):
    view = small.store().as_of(dt.date(2025, 3, 31))
    alone = build_snapshot(view, spec=load_model_spec("fall-12m").outcome, families=["income"]).frame().set_index("household_id")
    pd.testing.assert_frame_equal(on_the_day[0][alone.columns], alone)


def test_a_day_before_the_packs_first_values_is_unknown_and_not_zero(small: Project, monkeypatch: pytest.MonkeyPatch):
    def never(_: str) -> None:
        raise PolicyDateError("no value", codes=("POL006",))

    monkeypatch.setattr(alerts, "household_facts", lambda *_, **__: never(""))
    view = small.store().as_of(dt.date(2025, 3, 31))
    frame = build_snapshot(view, spec=load_model_spec("fall-12m").outcome, families=["income", "alerts"]).frame()
    assert frame[list(NAMES)].isna().all(axis=None)


def test_the_family_is_there_on_request_only():
    assert "alerts" not in FAMILIES
    assert not {f.name for f in catalogue()} & set(NAMES)
    assert [f.name for f in catalogue(["alerts"])] == ["n_alerts", "n_must_visit_alerts"]


# -- the county's own pack, as an order beside the scores -----------------------------------------------------------------------------


def test_an_order_is_by_visits_asked_for_and_then_by_alerts_and_a_day_without_values_ranks_nobody():
    early, late = dt.date(2019, 3, 31), dt.date(2024, 3, 31)
    households = pd.DataFrame({"household_id": [1, 2, 3, 4, 1, 2], "as_of": pd.to_datetime([late] * 4 + [early] * 2)})
    counts = pd.DataFrame({"household_id": [2, 3, 4, 9], "n_alerts": [3, 1, 2, 1], "n_must_visit_alerts": [0, 1, 1, 1]})
    place = _order(households, "alerts", alerts=lambda day: counts if day == late else None)
    assert place[:4].argsort().tolist() == [0, 1, 2, 3]
    assert ((place >= 0) & (place < 1)).all()
    assert place[[0, 4, 5]].tolist() == [0, 0, 0]
    assert set(_order(households, "random", alerts=lambda _: None)) == {0.5}


@pytest.mark.slow
def test_the_alerts_of_a_day_are_kept_by_pack(small: Project, on_the_day, tmp_path):
    store, day = small.store(), dt.date(2025, 3, 31)
    made = cached_alerts(tmp_path, store, day, policy=load_policy("national"))
    assert made.set_index("household_id")["n_alerts"].to_dict() == on_the_day[1]["household_id"].value_counts().to_dict()
    (kept,) = tmp_path.iterdir()
    pd.testing.assert_frame_equal(cached_alerts(tmp_path, store, day, policy=load_policy("national")), made)
    assert list(tmp_path.iterdir()) == [kept]
    other = cached_alerts(tmp_path, store, day, policy=load_policy("guangxi-style"))
    assert len(list(tmp_path.iterdir())) == 2
    assert other["n_alerts"].sum() != made["n_alerts"].sum()


# -- the order -----------------------------------------------------------------------------------------------------------------


def test_visits_asked_for_come_first_then_the_number_and_equals_are_equal():
    X = np.array([[0, 0], [0, 1], [0, 7], [1, 1], [1, 3], [2, 2]], dtype=float)
    y = np.tile([0, 0, 1, 0, 1, 1], 30)
    score = rules().fit(np.tile(X, (30, 1)), y).decision_function(X)
    assert (np.diff(score) > 0).all()
    same = rules().fit(np.tile(X, (30, 1)), y).decision_function(X[[3, 3]])
    assert same[0] == same[1]


def test_the_order_holds_when_outcomes_want_it_the_other_way_and_unknown_is_the_base_rate():
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], 50, axis=0)
    y = np.r_[np.arange(50) < 25, np.arange(50) < 5].astype(int)
    learner = rules().fit(X, y)
    low, high = learner.decision_function([[0.0, 0.0], [1.0, 1.0]])
    assert 0 < high - low < 1e-4
    assert learner.predict_proba([[np.nan, np.nan]])[0, 1] == pytest.approx(0.3)


def test_nothing_ever_raised_is_the_base_rate():
    learner = rules().fit(np.zeros((40, 2)), np.arange(40) < 10)
    assert learner.predict_proba([[0.0, 0.0]])[0, 1] == pytest.approx(0.25)


def test_contributions_add_up():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 4, (200, 2)).astype(float)
    X[::17] = np.nan
    learner = rules().fit(X, rng.random(200) < 0.3)
    np.testing.assert_allclose(learner.contributions(X).sum(axis=1), learner.decision_function(X), atol=1e-12)


# -- beside the models ---------------------------------------------------------------------------------------------------------


@functools.cache
def with_alerts(on: dt.date) -> Snapshot:
    """The training county with alerts that are right somewhat more often than not."""
    made = snapshots()(on)
    rng = np.random.default_rng(on.toordinal())
    poor = (made.table["income_line_ratio"] < 1.5).to_numpy()
    every = rng.poisson(np.where(poor, 1.2, 0.4))
    columns = {"n_alerts": every, "n_must_visit_alerts": rng.binomial(every, 0.4)}
    table = made.table.assign(**{name: values.astype("float32") for name, values in columns.items()})
    return replace(made, table=table, features=catalogue(ALERTS.families))


@pytest.mark.slow
def test_the_rules_stand_in_a_backtest_with_the_auc_of_their_own_order():
    logistic = replace(SPEC, name="logistic", learner=LearnerSpec("logistic", {"C": 0.05}))
    settings = BacktestSettings(n_origins=1, step_months=2, n_bootstrap=20)
    found = backtest(store(), [ALERTS, logistic], known_on=KNOWN_ON, snapshots=lambda on, _: with_alerts(on), settings=settings)
    assert set(found.table()["score"]) == {"alerts", "logistic", "income"}
    rows = found.predictions.merge(with_alerts(found.origins[0].day).table[["household_id", *NAMES]], on="household_id")
    position = rows["n_must_visit_alerts"] * 1000 + rows["n_alerts"]
    auc = found.frame().query("metric == 'auc' and origin != 'mean'").set_index("score")["value"]
    assert auc["alerts"] == pytest.approx(roc_auc_score(rows["y"], position))
    assert 0.5 < auc["alerts"] < auc["logistic"]


def test_the_shipped_specification_is_of_the_outcome_of_the_others():
    spec = load_model_spec("fall-12m-alerts")
    standard = load_model_spec("fall-12m")
    assert (spec.outcome, spec.split, spec.learner.name) == (standard.outcome, standard.split, "alert_rules")
