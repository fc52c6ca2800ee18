"""Tuning: which days it looks at and that it sees no other, its budget and seed, the specification it writes, and the study in MLflow."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from returnrisk.config import CalibrationSpec, LearnerSpec, ModelSpec, SplitSpec, load_model_spec, model_spec_names
from returnrisk.errors import ConfigError, NotEnoughDataError
from returnrisk.features.families import catalogue
from returnrisk.features.snapshot import Snapshot
from returnrisk.models import LEARNERS, make_learner
from returnrisk.registry import Catalogue
from returnrisk.timeline import add_months, matured, month_end
from returnrisk.training import labelled_rows, plan_split
from returnrisk.tuning import (
    SPACES,
    Tuned,
    TuningSettings,
    days_of_tuning,
    inner_folds,
    plan_folds,
    space_of,
    specification_text,
    tune,
    tuning_days,
)
from returnrisk.tuning_outputs import write_tuning
from tests.feature_households import day
from tests.test_training import KNOWN_ON, SPEC, snapshots, store

LOGISTIC = replace(
    SPEC,
    name="short",
    learner=LearnerSpec("logistic", {"C": 0.5}),
    split=SplitSpec(step_months=1, min_history_months=6, n_calibrate=1, n_test=1),
)
CROSS = replace(LOGISTIC, calibration=CalibrationSpec(curve_from="cross_fitted"))
QUICK = TuningSettings(n_trials=12, n_folds=2, least_days=1, n_bootstrap=30)


def split_of(spec: ModelSpec):
    return plan_split(store(), spec, known_on=KNOWN_ON)


@functools.cache
def rows_once(days: tuple[dt.date, ...], known_on: dt.date) -> tuple[pd.DataFrame, pd.DataFrame]:
    return labelled_rows(store(), LOGISTIC, days, known_on=known_on, snapshots=snapshots())


def found_with(spec: ModelSpec = LOGISTIC, *, maker=None, settings: TuningSettings = QUICK, seed: int = 0) -> Tuned:
    """A search; on the county as it is, labels are made once for all tests: they take longer than any fit."""
    split = split_of(spec)
    with pytest.MonkeyPatch.context() as patch:
        if maker is None:
            patch.setattr(
                "returnrisk.tuning.study.labelled_rows", lambda _, __, days, *, known_on, **___: rows_once(tuple(days), known_on)
            )
        made = maker or snapshots()
        return tune(store(), spec, split=split, known_on=KNOWN_ON, snapshots=made, settings=settings, seed=seed)


@functools.cache
def found() -> Tuned:
    return found_with()


# -- days ----------------------------------------------------------------------------------------------------------------------


def test_folds_lie_in_the_training_past_with_an_embargo_of_a_horizon_each():
    split = split_of(LOGISTIC)
    folds = plan_folds(store(), LOGISTIC, split, known_on=KNOWN_ON, n_folds=3, least_days=1)
    assert len(folds) == 3
    closed = functools.partial(matured, horizon_months=3, delay_days=20)
    for fold in folds:
        assert {*fold.fit, fold.day} <= set(split.fit)
        assert fold.known_on == split.calibrate[0]
        assert fold.fit
        assert all(closed(d, known_on=fold.day) for d in fold.fit)
        assert closed(fold.day, known_on=fold.known_on)
    assert folds[-1].day == split.fit[-1]
    assert [f.day for f in folds] == sorted(f.day for f in folds)


def test_a_cross_fitted_curve_sets_no_day_apart_and_the_test_stays_unseen():
    split = split_of(CROSS)
    days, by = tuning_days(CROSS, split)
    assert (days, by) == (split.refit, split.test[0])
    assert tuning_days(LOGISTIC, split) == (split.fit, split.calibrate[0])


def test_folds_by_hand_and_too_short_a_past():
    days = [day(x) for x in ("2020-03-31", "2020-06-30", "2020-09-30", "2020-12-31")]
    given = {"known_on": day("2021-12-31"), "horizon_months": 6, "delay_days": 0}
    one = inner_folds(days, n_folds=5, least_days=2, **given)
    assert [(f.fit, f.day) for f in one] == [((days[0], days[1]), days[3])]
    assert [f.day for f in inner_folds(days, n_folds=5, least_days=1, **given)] == [days[2], days[3]]
    assert [f.day for f in inner_folds(days, n_folds=1, least_days=1, **given)] == [days[3]]
    with pytest.raises(NotEnoughDataError, match="of 4 days to tune on none lies a horizon of 6 months"):
        inner_folds(days, n_folds=1, least_days=3, **given)
    with pytest.raises(ConfigError, match="0 folds"):
        inner_folds(days, n_folds=0, least_days=1, **given)


@pytest.mark.parametrize("spec", [LOGISTIC, pytest.param(CROSS, marks=pytest.mark.slow)], ids=["later days", "cross-fitted"])
def test_no_snapshot_beyond_the_training_past_is_asked_for(spec: ModelSpec):
    asked: set[dt.date] = set()

    def make(on: dt.date) -> Snapshot:
        asked.add(on)
        return snapshots()(on)

    settings = replace(QUICK, n_trials=2, n_folds=1)
    found_with(spec, maker=make, settings=settings)
    split = split_of(spec)
    assert max(asked) < split.test[0]
    assert not asked & {*split.test, *(split.calibrate if spec is LOGISTIC else ())}
    assert sorted(asked) == days_of_tuning(store(), spec, split, known_on=KNOWN_ON, settings=settings)


def test_a_feature_that_only_later_days_reveal_changes_nothing():
    """From the first calibration day on, one feature gives the outcome away; the control gives it away on the last fold's own day."""
    split = split_of(LOGISTIC)

    def planted(on: dt.date, *, since: dt.date) -> Snapshot:
        made = snapshots()(on)
        if on < since:
            return made
        later = snapshots()(month_end(add_months(on, 3))).table.set_index("household_id")["income_line_ratio"]
        falls = made.table["household_id"].map(later) < 1
        return replace(made, table=made.table.assign(income_log_ratio=np.where(falls, -3, 3).astype("float32")))

    nowhere = found_with(maker=functools.partial(planted, since=split.calibrate[0]))
    pd.testing.assert_frame_equal(nowhere.trials.drop(columns="seconds"), found().trials.drop(columns="seconds"))
    control = found_with(maker=functools.partial(planted, since=split.fit[-1]), settings=replace(QUICK, n_trials=1))
    assert control.trials.loc[0, "fold_2"] > found().trials.loc[0, "fold_2"] + 0.02
    assert control.trials.loc[0, "fold_1"] == found().trials.loc[0, "fold_1"]


@pytest.mark.slow
def test_outcomes_learnt_after_the_first_calibration_day_change_nothing():
    from tests.feature_households import store_of
    from tests.test_training import corrected, rows

    first = split_of(LOGISTIC).calibrate[0]
    after = store_of("tuning-later", corrected(rows(), recorded_on=first + dt.timedelta(days=1)), delay=20)
    again = tune(after, LOGISTIC, split=split_of(LOGISTIC), known_on=KNOWN_ON, snapshots=snapshots(), settings=QUICK)
    pd.testing.assert_frame_equal(again.trials.drop(columns="seconds"), found().trials.drop(columns="seconds"))


# -- search --------------------------------------------------------------------------------------------------------------------


def test_the_first_trial_is_the_specification_and_the_best_is_never_worse():
    t = found().trials
    assert len(t) == QUICK.n_trials
    assert t.loc[0, "param_C"] == 0.5
    assert t.loc[0, "state"] == "complete"
    complete = t[t["state"] == "complete"]
    assert found().best == complete.sort_values(["value", "trial"], ascending=[False, True])["trial"].iloc[0]
    best = t.set_index("trial").loc[found().best]
    assert found().gain == pytest.approx(best["value"] - t.loc[0, "value"])
    assert found().gain >= 0
    assert found().low <= found().gain <= found().high
    assert best["value"] == pytest.approx(np.mean([best[f"fold_{k}"] for k in (1, 2)]))


def test_a_fold_by_hand():
    """The last fold of the best trial: fitted and measured with scikit-learn's own AUC."""
    from sklearn.metrics import roc_auc_score

    fold = found().folds[-1]
    fit, _ = labelled_rows(store(), LOGISTIC, fold.fit, known_on=fold.day, snapshots=snapshots())
    seen, _ = labelled_rows(store(), LOGISTIC, [fold.day], known_on=fold.known_on, snapshots=snapshots())
    names = [f.name for f in catalogue(LOGISTIC.families)]
    learner = make_learner("logistic", feature_names=names, params=dict(found().tuned.learner.params))
    learner.fit(fit[names].to_numpy("float64"), fit["y"].to_numpy())
    auc = roc_auc_score(seen["y"], learner.decision_function(seen[names].to_numpy("float64")))
    assert found().trials.set_index("trial").loc[found().best, "fold_2"] == pytest.approx(auc)


def test_the_same_seed_gives_the_same_and_another_another():
    again, other = found_with(), found_with(seed=1)
    pd.testing.assert_frame_equal(again.trials.drop(columns="seconds"), found().trials.drop(columns="seconds"), check_exact=True)
    assert again.tuned == found().tuned
    assert (again.gain, again.low, again.high) == (found().gain, found().low, found().high)
    assert not other.trials["param_C"].equals(found().trials["param_C"])


def test_hopeless_trials_are_given_up_and_never_the_best():
    many = found_with(settings=replace(QUICK, n_trials=25))
    pruned = many.trials[many.trials["state"] == "pruned"]
    assert len(pruned) > 0
    assert pruned["fold_2"].isna().all()
    assert pruned["trial"].min() > 4  # five whole trials first
    assert many.best not in set(pruned["trial"])


def test_seconds_end_the_search_after_the_trial_that_is_running():
    short = found_with(settings=replace(QUICK, n_trials=10_000, seconds=0.001))
    assert 1 <= len(short.trials) <= 2


def test_trees_are_tuned_within_their_space():
    boosted = replace(LOGISTIC, name="trees", learner=LearnerSpec("lightgbm", {"n_estimators": 30, "bagging_freq": 1}))
    tuned = found_with(boosted, settings=TuningSettings(n_trials=3, n_folds=1, n_bootstrap=5))
    for name, r in space_of("lightgbm").items():
        drawn = tuned.trials.loc[1:, f"param_{name}"]
        assert drawn.between(r.low, r.high).all()
    assert tuned.trials.loc[0, "param_n_estimators"] == 30
    assert tuned.tuned.learner.params["bagging_freq"] == 1  # what is not searched stays


@pytest.mark.parametrize("name", sorted(SPACES))
def test_every_space_names_hyper_parameters_of_its_learner(name: str):
    assert name in LEARNERS
    known = make_learner(name, feature_names=("a", "b"), params={"column": "a"} if name == "vulnerability" else {}).get_params()
    assert set(space_of(name)) <= set(known)
    for key, r in space_of(name).items():
        assert r.low < r.high, key
        assert r.nearest(known[key]) >= r.low


def test_what_cannot_be_searched_is_refused():
    alone = replace(LOGISTIC, learner=LearnerSpec("income_only", {"column": "income_line_ratio"}))
    with pytest.raises(ConfigError, match="income_only has nothing to tune"):
        found_with(alone)
    for wrong in ({"n_trials": 0}, {"seconds": 0.0}, {"metric": "brier"}, {"level": 1.0}):
        with pytest.raises(ConfigError):
            TuningSettings(**wrong)
    with pytest.raises(NotEnoughDataError, match=r"no inner fold.*cross_fitted"):
        found_with(replace(LOGISTIC, split=SplitSpec(step_months=2, min_history_months=10, n_calibrate=1, n_test=1)))


# -- what is written -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", model_spec_names())
def test_every_shipped_specification_comes_back_from_its_text(name: str, tmp_path: Path):
    shipped = load_model_spec(name)
    path = tmp_path / f"{name}.toml"
    path.write_text(specification_text(shipped, comment="两行\ntwo lines"), encoding="utf-8")
    assert load_model_spec(path) == shipped


def test_a_value_that_toml_cannot_say_is_refused():
    with pytest.raises(ConfigError, match=r"learner\.params\.columns is None"):
        specification_text(replace(LOGISTIC, learner=LearnerSpec("logistic", {"columns": None})))


def test_the_tuned_specification_is_written_beside_and_never_over(tmp_path: Path):
    place = tmp_path / "models" / "short-tuned.toml"
    write = functools.partial(write_tuning, found(), tmp_path / "out", specification=place, known_on=KNOWN_ON, fingerprint="f" * 64)
    result = write()
    read = load_model_spec(place)
    assert read == found().tuned
    assert read.name == "short-tuned"
    assert {**LOGISTIC.as_dict(), "name": 0, "learner": 0} == {**read.as_dict(), "name": 0, "learner": 0}
    assert len(pd.read_csv(result.folder / "trials.csv")) == QUICK.n_trials
    with pytest.raises(ConfigError, match="exists already and is not overwritten"):
        write()


def test_the_study_goes_to_mlflow_with_every_trial(tmp_path: Path):
    from mlflow import MlflowClient

    from returnrisk.registry.mlflow_home import quiet_mlflow

    catalogue_ = Catalogue(tmp_path / "mlruns")
    trials = found_with(settings=replace(QUICK, n_trials=8, n_folds=2)).trials
    study = catalogue_.log_study("short", trials=trials, params={"learner": "logistic"}, metrics={"gain": 0.1}, tags={"seed": "0"})
    with quiet_mlflow():
        client = MlflowClient(tracking_uri=catalogue_.tracking_uri)
        runs = client.search_runs([client.get_run(study).info.experiment_id], max_results=100)
    below = {r.info.run_name: r for r in runs if r.data.tags.get("mlflow.parentRunId") == study}
    assert sorted(below) == sorted(f"tune-short-{k}" for k in range(8))
    assert {r.info.status for r in runs} == {"FINISHED"}
    for row in trials.to_dict("records"):
        run = below[f"tune-short-{row['trial']}"]
        assert run.data.tags["state"] == row["state"]
        assert float(run.data.params["C"]) == row["param_C"]
        assert run.data.metrics["value"] == pytest.approx(row["value"])
    assert catalogue_.versions().empty  # no model was registered
