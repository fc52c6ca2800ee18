"""A source blank at score time: the features that go are those a snapshot without its tables loses, and the table says what that costs."""

from __future__ import annotations

import datetime as dt
import functools

import numpy as np
import pandas as pd
import pytest

from returnrisk.config import CalibrationSpec, LearnerSpec, ModelSpec
from returnrisk.errors import ConfigError, NotEnoughDataError, UnknownNameError
from returnrisk.features.families import catalogue
from returnrisk.features.snapshot import build_snapshot
from returnrisk.missing_sources import (
    SOURCES,
    features_of_source,
    missing_source_table,
    train_for_missing,
    with_source_dropout,
    without_source,
)
from returnrisk.training import fit_score

FEATURES = catalogue(["illness", "employment", "loans"])
NAMES = [f.name for f in FEATURES]
DAY = dt.date(2025, 3, 31)
SPEC = ModelSpec(
    schema=1,
    name="quick",
    title_zh="试",
    title_en="trial",
    families=("illness", "employment", "loans"),
    learner=LearnerSpec("lightgbm", {"n_estimators": 40, "num_leaves": 6, "learning_rate": 0.1, "min_child_samples": 40}),
    calibration=CalibrationSpec(curve_from="later_days", refit=False),
)


def household_days(n=4000, *, seed, on="2022-12-31"):
    """Falls hang on medical cost above all, on jobs a little, and on loans not at all; a serious illness on the roster tells of the cost."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({name: rng.normal(size=n) for name in NAMES})
    village = rng.integers(0, 40, n)
    rows["n_seriously_ill"] = rows["out_of_pocket_12m_line_ratio"] + rng.normal(size=n)
    log_odds = -2.5 + 1.5 * rows["out_of_pocket_12m_line_ratio"] - 0.5 * rows["n_with_job"]
    return rows.assign(
        household_id=np.arange(n),
        as_of=pd.Timestamp(on),
        village_code=village,
        township_code=village // 10,
        stratum="at_risk",
        y=(rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int),
    )


@functools.cache
def models():
    parts = {name: household_days(seed=seed) for seed, name in enumerate(("fit", "calibrate"))}
    parts["refit"] = parts["fit"]
    dropped = train_for_missing(SPEC, FEATURES, parts, seed=3)
    return {"as trained": fit_score(SPEC, FEATURES, parts, seed=3), "trained for it": dropped}


@functools.cache
def table():
    return missing_source_table(models(), household_days(seed=9), FEATURES, per_township=60, n_bootstrap=60)


def at(model, source, metric):
    rows = table().set_index(["model", "source", "metric"])
    return rows.loc[(model, source, metric)]


def rebuilt(project, whole, gone):
    """The features of the day from a store in which these sources never delivered anything."""
    tables = [table for source in gone for table in SOURCES[source]]

    def change(name, rows):
        if name == "delivery":
            return rows.filter(~rows.table_name.isin(tables))
        return rows.limit(0) if name in tables else rows

    bare = project.store().rewritten(change, name=f"without {gone}")
    return build_snapshot(bare.as_of(DAY), spec=project.spec.outcome, families=project.spec.families).frame()[whole.names]


@pytest.mark.parametrize("gone", [tuple(SOURCES), *(pytest.param((source,), marks=pytest.mark.slow) for source in SOURCES)])
def test_what_goes_blank_is_what_a_snapshot_without_the_tables_loses(small, gone):
    whole = small.snapshot(DAY)
    blank = whole.frame()
    assert blank[features_of_source(gone[0], whole.features)].notna().to_numpy().any()
    for source in gone:
        blank = without_source(blank, whole.features, source=source)
    pd.testing.assert_frame_equal(rebuilt(small, whole, gone), blank[whole.names], check_dtype=False)


def test_every_source_has_features_and_none_has_another_ones():
    features = catalogue()
    owned = [name for source in SOURCES for name in features_of_source(source, features)]
    assert len(owned) == len(set(owned)) > 70
    assert all(features_of_source(source, features) for source in SOURCES)
    kept = {f.name for f in features} - set(owned)
    assert {f.record for f in features if f.name in kept} == {"income", "member", "household", "village", "neighbours"}


def test_the_source_that_matters_costs_most_and_a_useless_one_nothing():
    lost = {source: -at("as trained", source, "auc")["change"] for source in ("medical", "employment", "loan")}
    assert lost["medical"] > 0.05 > lost["employment"] > 0.005 > abs(lost["loan"])
    assert at("as trained", "medical", "auc")["change_high"] < 0
    changed = {source: at("as trained", source, "list_changed")["value"] for source in lost}
    assert changed["medical"] > changed["employment"] > changed["loan"] > 0
    assert at("as trained", "none", "list_changed")["value"] == 0
    assert at("as trained", "none", "auc")["change"] == 0


def test_a_model_trained_for_it_ranks_and_calibrates_better_when_it_happens():
    plain, ready = (at(model, "medical", "auc")["value"] for model in ("as trained", "trained for it"))
    assert ready > plain + 0.01
    distance = {model: abs(at(model, "medical", "calibration_slope")["value"] - 1) for model in ("as trained", "trained for it")}
    assert distance["trained for it"] < distance["as trained"]
    assert at("trained for it", "none", "auc")["value"] > at("as trained", "none", "auc")["value"] - 0.02


def test_figures_are_those_of_the_blanked_rows():
    from sklearn.metrics import roc_auc_score

    rows, model = household_days(seed=9), models()["as trained"]
    blank = rows.copy()
    blank[[f.name for f in FEATURES if f.record == "medical"]] = np.nan
    assert at("as trained", "medical", "auc")["value"] == pytest.approx(
        roc_auc_score(rows["y"], model.risk(blank[NAMES].to_numpy()))
    )
    listed = {}
    for label, frame in (("whole", rows), ("blank", blank)):
        risk = pd.Series(model.risk(frame[NAMES].to_numpy()))
        listed[label] = risk.groupby(rows["township_code"]).rank(ascending=False) <= 60
    assert at("as trained", "medical", "list_changed")["value"] == pytest.approx(
        (listed["whole"] & ~listed["blank"]).sum() / listed["whole"].sum(), abs=0.02
    )
    assert (table()["low"] <= table()["high"]).all()
    assert set(table()["source"]) == {"none", "medical", "employment", "loan"}
    assert at("as trained", "medical", "auc")["n_features"] == 9
    mixed = missing_source_table(models(), rows.sample(frac=1, random_state=2), FEATURES, per_township=60, n_bootstrap=60)
    pd.testing.assert_frame_equal(table(), mixed, rtol=1e-9)


def test_dropout_takes_one_source_of_the_stated_share_of_rows():
    rows = household_days(seed=1)
    dropped = with_source_dropout(rows, FEATURES, sources=["medical", "employment"], share=0.6, seed=4)
    medical, jobs = (dropped[features_of_source(s, FEATURES)].isna() for s in ("medical", "employment"))
    assert (medical.all(axis=1) == medical.any(axis=1)).all()
    assert not (medical.any(axis=1) & jobs.any(axis=1)).any()
    assert medical.any(axis=1).mean() == pytest.approx(0.3, abs=0.03)
    assert jobs.any(axis=1).mean() == pytest.approx(0.3, abs=0.03)
    rest = [c for c in rows if c not in {*medical, *jobs}]
    pd.testing.assert_frame_equal(dropped[rest], rows[rest])
    pd.testing.assert_frame_equal(with_source_dropout(rows, FEATURES, sources=["medical"], share=0.0), rows)


def test_bad_input_is_refused():
    rows = household_days(500, seed=1)
    with pytest.raises(UnknownNameError, match="did you mean 'medical'"):
        missing_source_table(models(), rows, FEATURES, per_township=5, sources=["medicall"])
    with pytest.raises(
        ConfigError, match="no feature of the model rests on source 'visit'; those that some do: medical, employment, loan"
    ):
        missing_source_table(models(), rows, FEATURES, per_township=5, sources=["visit"])
    with pytest.raises(ConfigError, match="models is empty"):
        missing_source_table({}, rows, FEATURES, per_township=5)
    with pytest.raises(NotEnoughDataError, match="0 are events"):
        missing_source_table(models(), rows.assign(y=0), FEATURES, per_township=5)
    with pytest.raises(NotEnoughDataError, match="nobody is listed"):
        missing_source_table(models(), rows, FEATURES, per_township=0)
    with pytest.raises(ConfigError, match="share is 2"):
        with_source_dropout(rows, FEATURES, sources=["medical"], share=2)
    with pytest.raises(ConfigError, match="nothing to take away"):
        missing_source_table(models(), rows, catalogue(["income"]), per_township=5)
