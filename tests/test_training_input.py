"""What is refused before anything is fitted: each in words that say what to do, in training and in backtest."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from returnrisk import training as training_module
from returnrisk.backtest import BacktestSettings, backtest
from returnrisk.config import LearnerSpec, ModelSpec, load_model_spec, model_spec_names
from returnrisk.errors import ConfigError, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.features.families import FAMILIES, catalogue
from returnrisk.features.snapshot import Snapshot
from returnrisk.models import LEARNERS, make_learner
from returnrisk.training import plan_split, train
from returnrisk.training_input import (
    MINIMUM_EVENTS,
    MINIMUM_HOUSEHOLDS,
    put_together,
    refuse_few,
    refuse_unknown_names,
    set_aside,
    what_is_known,
)
from tests.test_training import KNOWN_ON, SPEC, snapshots, store

SETTINGS = BacktestSettings(n_origins=1, step_months=2, n_bootstrap=5)
BOTH = pytest.mark.parametrize("how", ["train", "backtest"])


@pytest.fixture(autouse=True)
def nothing_is_fitted(monkeypatch: pytest.MonkeyPatch):
    """Whatever is refused is refused before: no learner may be asked to fit."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("fitted")

    monkeypatch.setattr(training_module, "fit_score", never)
    monkeypatch.setattr("returnrisk.backtest.run.fit_score", never)


def learnt(how: str, spec: ModelSpec = SPEC, *, change=lambda table: table):
    def changed(on: dt.date) -> Snapshot:
        made = snapshots()(on)
        return replace(made, table=change(made.table.copy()), features=catalogue(spec.families))

    if how == "train":
        split = plan_split(store(), spec, known_on=KNOWN_ON)
        return train(store(), spec, split=split, known_on=KNOWN_ON, snapshots=changed)
    return backtest(store(), [spec], known_on=KNOWN_ON, snapshots=lambda on, _: changed(on), settings=SETTINGS)


@BOTH
def test_the_county_as_it_is_gets_as_far_as_fitting(how: str):
    with pytest.raises(AssertionError, match="fitted"):
        learnt(how)


# -- names ---------------------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"families": ("incom",)}, "unknown feature family 'incom'; did you mean 'income'"),
        (
            {"learner": LearnerSpec("logistic", {"columns": ["income_log_ratoi"]})},
            "unknown feature of quick 'income_log_ratoi'; did you mean 'income_log_ratio'",
        ),
        ({"learner": LearnerSpec("logistic", {"columns": ["n_students"]})}, r"of quick \(of family schooling|of family household"),
        (
            {"learner": LearnerSpec("scorecard", {"cuts": {"income_line": [1.0]}})},
            "'income_line'; did you mean 'income_line_ratio'",
        ),
        ({"learner": LearnerSpec("income_only", {"column": "ratio"})}, "unknown feature of quick 'ratio'"),
        ({"learner": LearnerSpec("lightgbm", {"n_estimator": 5})}, "'n_estimator'; did you mean 'n_estimators'"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_before_anything_is_computed(how: str, change: dict, says: str):
    def never(_: pd.DataFrame) -> pd.DataFrame:
        raise AssertionError("computed")

    with pytest.raises((UnknownNameError, ConfigError), match=says):
        learnt(how, replace(SPEC, **change), change=never)


def test_every_shipped_specification_names_what_exists():
    for name in model_spec_names():
        refuse_unknown_names(load_model_spec(name))


# -- households and outcomes ---------------------------------------------------------------------------------------------------


@BOTH
def test_a_household_twice_is_refused(how: str):
    with pytest.raises(DataError, match=r"snapshot of 20\d\d-\d\d-\d\d holds 3 households twice"):
        learnt(how, change=lambda t: pd.concat([t, t.head(3)], ignore_index=True))


@BOTH
def test_a_cohort_smaller_than_the_minimum_is_refused_with_both_numbers(how: str):
    def few(table: pd.DataFrame) -> pd.DataFrame:
        """Poor households, so that events are enough: it is their number that is not."""
        near = table[table["stratum"] == "at_risk"].sort_values(["income_line_ratio", "household_id"])["household_id"]
        return table[table["household_id"].isin(near.head(99))]

    with pytest.raises(NotEnoughDataError, match=rf"\d+ households at risk .* at least {MINIMUM_HOUSEHOLDS} are needed"):
        learnt(how, change=few)


@pytest.mark.parametrize(("events", "others"), [(200, 0), (0, 200), (MINIMUM_EVENTS - 1, 200), (200, MINIMUM_EVENTS - 1)])
def test_one_class_and_too_few_of_either_are_refused(events: int, others: int):
    rows = pd.DataFrame({"household_id": np.arange(events + others), "y": np.repeat([1, 0], [events, others])})
    with pytest.raises(NotEnoughDataError, match=f"^calibrate: {events} events among {events + others} household-days"):
        refuse_few(rows, "calibrate")


def test_what_reaches_the_minimum_is_taken():
    n = MINIMUM_HOUSEHOLDS
    rows = pd.DataFrame({"household_id": np.arange(n), "y": (np.arange(n) < MINIMUM_EVENTS).astype(int)})
    refuse_few(rows, "fit")
    with pytest.raises(NotEnoughDataError, match=f"{n - 1} households"):
        refuse_few(rows.assign(household_id=np.minimum(rows["household_id"], n - 2)), "fit")


@BOTH
def test_a_horizon_longer_than_the_data_is_refused_with_its_length(how: str):
    far = replace(SPEC, outcome=replace(SPEC.outcome, horizon_months=36))
    with pytest.raises(NotEnoughDataError, match="horizon 36 months"):
        learnt(how, far)


# -- features ------------------------------------------------------------------------------------------------------------------


@BOTH
def test_a_family_of_which_nothing_is_known_is_refused_with_the_tables_that_did_not_arrive(how: str):
    spec = replace(SPEC, families=("income", "signals", "loans"))

    def without(table: pd.DataFrame) -> pd.DataFrame:
        absent = [f.name for family in ("signals", "loans") for f in FAMILIES[family].features]
        return table.assign(**dict.fromkeys(absent, np.float32("nan")))

    with pytest.raises(
        NotEnoughDataError,
        match=r"of family loans \(no loan arrived\), signals \(neither signal nor visit arrived\)|of family signals",
    ) as found:
        learnt(how, spec, change=without)
    assert "loans (no loan arrived)" in str(found.value)
    assert "signals (neither signal nor visit arrived)" in str(found.value)


@pytest.mark.parametrize("how", ["train"])
def test_one_known_value_in_the_family_is_enough(how: str):
    def nearly_without(table: pd.DataFrame) -> pd.DataFrame:
        absent = [f.name for f in FAMILIES["loans"].features]
        table = table.assign(**dict.fromkeys(absent, np.float32("nan")))
        table[absent[0]] = np.arange(len(table), dtype="float32")
        return table

    with pytest.raises(AssertionError, match="fitted"):
        learnt(how, replace(SPEC, families=("income", "loans")), change=nearly_without)


@BOTH
def test_a_learner_whose_one_feature_never_differs_is_refused(how: str):
    spec = replace(SPEC, learner=LearnerSpec("income_only", {"column": "income_line_ratio"}))
    with pytest.raises(
        NotEnoughDataError, match="income_line_ratio never differ among the rows learnt from: quick has nothing to rank by"
    ):
        learnt(how, spec, change=lambda t: t.assign(income_line_ratio=np.float32(1.5)))


def test_what_is_set_aside_is_told_the_same_from_the_parts_as_from_the_whole():
    names = ["income_line_ratio", "income_log_ratio", "income_change_12m", "income_variation"]
    features = [f for f in catalogue(["income"]) if f.name in names]
    rows = pd.DataFrame(
        {
            "income_line_ratio": [1.0, 1.0, 1.0, 1.0],
            "income_log_ratio": [np.nan] * 4,
            "income_change_12m": [np.nan, 2.0, 2.0, 2.0],  # known or not is something
            "income_variation": [0.0, 0.0, 3.0, 3.0],  # constant in each half
        }
    ).astype("float32")
    whole = what_is_known(rows, features)
    halves = put_together([what_is_known(rows.head(2), features), what_is_known(rows.tail(2), features)])
    pd.testing.assert_frame_equal(whole, halves)
    assert set_aside(whole, features).to_numpy().tolist() == [
        ["income_line_ratio", "income", "constant"],
        ["income_log_ratio", "income", "missing"],
    ]


@pytest.mark.parametrize("name", LEARNERS)
def test_no_learner_gives_weight_to_a_feature_that_never_differed(name: str):
    """So the columns of a snapshot can stay as they are: set aside means of no weight, whatever the value is later."""
    rng = np.random.default_rng(0)
    ratio, labour = np.exp(rng.normal(0.4, 0.5, 1500)), rng.integers(0, 4, 1500)
    X = np.column_stack([ratio, labour, np.zeros(1500), np.full(1500, np.nan)]).astype(float)
    y = (rng.random(1500) < 1 / (1 + np.exp(ratio + 0.5 * labour))).astype(int)
    params = {"column": "ratio"} if name in ("income_only", "vulnerability") else {}
    params = {"must_visit": "labour", "alerts": "ratio"} if name == "alert_rules" else params
    learner = make_learner(name, feature_names=("ratio", "labour", "constant", "missing"), params=params).fit(X, y)
    later = X.copy()
    later[:, 2], later[:, 3] = 7.0, rng.normal(size=1500)
    np.testing.assert_array_equal(learner.decision_function(X), learner.decision_function(later))


def test_a_backtest_does_not_take_outcomes_as_they_were_for_those_without_new_help():
    untreated = replace(SPEC, estimand="untreated")
    with pytest.raises(ConfigError, match=r'a backtest takes outcomes as they were.*estimand "untreated"'):
        backtest(store(), [untreated], known_on=KNOWN_ON, snapshots=lambda *_: pytest.fail("asked"), settings=SETTINGS)
