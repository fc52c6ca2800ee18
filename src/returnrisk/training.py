"""Training: labelled snapshots to a calibrated model with two baselines, each measured on the latest days.

    fit days → learner ──scores calibration days──> calibration curve
    every day closed before the test → learner again (refit) ──> + curve = the model; measured once on the test days

Labels for fitting and calibrating come from the view of the first test day: nothing learnt later enters. Test labels come from the
view of the day the training happens on. Both baselines (income alone, logistic regression) go the same way over the same rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from returnrisk.accuracy import SCORES, Accuracy, measure_accuracy, predict
from returnrisk.calibration import Calibration, SigmoidCalibration, cross_fitted, fit_calibration
from returnrisk.config import LearnerSpec, ModelSpec
from returnrisk.errors import ConfigError, NotEnoughDataError
from returnrisk.features.catalogue import Feature
from returnrisk.features.snapshot import Snapshot
from returnrisk.models import make_learner
from returnrisk.outcomes import Labels, at_risk_rows, closing_delay, is_about_the_line, outcome_labels
from returnrisk.store.view import Store, View
from returnrisk.timeline import Split, add_months, last_closed_month_end, month_end, month_start, temporal_split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SnapshotMaker = Callable[[dt.date], Snapshot]
Progress = Callable[[str, int, int], None]
INCOME_FEATURE = "income_line_ratio"
MINIMUM_EVENTS = 20
"""Events under which neither fitting nor calibrating is attempted (assumed; a rule of thumb for a two-parameter curve)."""


@dataclass(frozen=True, slots=True)
class ScoredLearner:
    """A fitted learner and the curve that turns its log-odds into probabilities."""

    learner: Any
    calibration: Any

    def risk(self, X: np.ndarray) -> np.ndarray:
        """Calibrated probability of each row, (n,)."""
        risk: np.ndarray = self.calibration.apply(self.learner.decision_function(X))
        return risk


@dataclass(frozen=True, slots=True)
class Training:
    """A trained model, its baselines and what they were worth on the test days.

    Attributes
    ----------
    scores
        "model", "logistic", "income": each a `ScoredLearner`.
    accuracy
        What they were worth on the test days, and the predictions that were measured.
    label_counts
        Households by part and label status.
    """

    spec: ModelSpec
    split: Split
    features: tuple[Feature, ...]
    scores: Mapping[str, ScoredLearner]
    accuracy: Accuracy
    label_counts: pd.DataFrame
    known_on: dt.date

    def frame(self) -> pd.DataFrame:
        """The metrics of everyone at risk."""
        return self.accuracy.overall.frame()


def candidate_days(first: dt.date, last: dt.date, *, step_months: int, min_history_months: int, delay_days: int) -> list[dt.date]:
    """Month ends from `last` backwards, `step_months` apart, by which the stated months since `first` had been reported.

    Examples
    --------
    >>> candidate_days(dt.date(2024, 1, 1), dt.date(2025, 9, 30), step_months=3, min_history_months=12, delay_days=45)
    [datetime.date(2025, 3, 31), datetime.date(2025, 6, 30), datetime.date(2025, 9, 30)]
    """
    earliest = month_end(add_months(first, min_history_months - 1))
    days, day = [], month_end(last)
    while last_closed_month_end(day, delay_days=delay_days) >= earliest:
        days.append(day)
        day = add_months(day, -step_months)
    return sorted(days)


def possible_days(store: Store, spec: ModelSpec, *, known_on: dt.date) -> list[dt.date]:
    """Days a snapshot may be taken of: month ends with enough history before them, whose income files came. Earliest first.

    Raises
    ------
    NotEnoughDataError
        No income is on file.
    """
    income = store.as_of(known_on).table("income")
    first = income.period_start.min().execute()
    if first is None or first != first:  # noqa: PLR0124 (NaT)
        raise NotEnoughDataError(f"no income on file on {known_on}: nothing can be learnt")
    first_day = first.date() if hasattr(first, "date") else first
    delay = store.delay_days("income")
    days = candidate_days(
        first_day, known_on, step_months=spec.split.step_months, min_history_months=spec.split.min_history_months, delay_days=delay
    )
    arrived = {m.as_py() for m in store.as_of(known_on).delivered("income").select("month_on").distinct().to_pyarrow()["month_on"]}
    return [d for d in days if month_start(last_closed_month_end(d, delay_days=delay)) in arrived]


def plan_split(
    store: Store, spec: ModelSpec, *, known_on: dt.date, train_known_on: dt.date | None = None, test_from: dt.date | None = None
) -> Split:
    """Which days to fit, calibrate and test on.

    Parameters
    ----------
    known_on
        Day on which everything is looked at.
    train_known_on
        Outcomes for training must have closed by this day (default: the first test day).
    test_from
        First test day allowed (default: right after `train_known_on`).

    Raises
    ------
    NotEnoughDataError
        History too short for horizon, calibration and test.
    ConfigError
        `test_from` without `train_known_on`.
    """
    days = possible_days(store, spec, known_on=known_on)
    if test_from is not None and train_known_on is None:
        raise ConfigError("test_from is given without train_known_on: say by which day training outcomes must have closed")
    if test_from is not None and train_known_on is not None:
        days = [d for d in days if d <= train_known_on or d >= test_from]
    return temporal_split(
        days,
        known_on=known_on,
        horizon_months=spec.outcome.horizon_months,
        delay_days=closing_delay(store.as_of(known_on), spec=spec.outcome),
        n_calibrate=spec.split.n_calibrate,
        n_test=spec.split.n_test,
        train_known_on=train_known_on,
    )


def labelled_rows(
    store: Store, spec: ModelSpec, days: Sequence[dt.date], *, known_on: dt.date, snapshots: SnapshotMaker
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """At-risk snapshot rows of `days` with a closed outcome, and the label counts of all.

    Returns
    -------
    DataFrame
        Snapshot columns plus y (0/1), sorted by day and household.
    DataFrame
        as_of, status, households.
    """
    known = store.as_of(known_on)
    return _labelled(days, lambda day: _labels(store, spec, day, known=known, snapshots=snapshots), snapshots=snapshots)


def _labels(store: Store, spec: ModelSpec, day: dt.date, *, known: View, snapshots: SnapshotMaker) -> Labels:
    at_risk = at_risk_rows(snapshots(day).frame(), view=store.as_of(day), spec=spec.outcome)
    return outcome_labels(at_risk, as_of=day, known=known, spec=spec.outcome)


def _labelled(
    days: Sequence[dt.date], labels_of: Callable[[dt.date], Labels], *, snapshots: SnapshotMaker
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Snapshot rows with a closed outcome, and the label counts."""
    import pandas as pd

    parts, counts = [], []
    for day in days:
        labels = labels_of(day)
        counts.append(labels.counts().rename("households").rename_axis("status").reset_index().assign(as_of=pd.Timestamp(day)))
        closed = labels.frame().dropna(subset="y")[["household_id", "y"]]
        parts.append(snapshots(day).frame().merge(closed, on="household_id", validate="one_to_one").astype({"y": "int8"}))
    return pd.concat(parts, ignore_index=True), pd.concat(counts, ignore_index=True)


def train(  # noqa: PLR0913 (every one is a table, a day or a choice that a caller must be able to make)
    store: Store,
    spec: ModelSpec,
    *,
    split: Split,
    known_on: dt.date,
    snapshots: SnapshotMaker,
    seed: int = 0,
    train_known_on: dt.date | None = None,
    per_township: int | None = None,
    progress: Progress | None = None,
) -> Training:
    """Fit, calibrate and test the model of `spec` and its two baselines.

    Parameters
    ----------
    split
        Days, from `plan_split`.
    known_on
        Day whose view gives the test labels.
    snapshots
        Gives the snapshot of a day (cached or not).
    train_known_on
        Day whose view gives the labels for fitting and calibrating; default the first test day.
    per_township
        Places of the real list per township: precision and recall are then those of the lists each score would have made; else,
        and for any outcome but `fall`, they are taken at the specification's share of households.

    Raises
    ------
    NotEnoughDataError
        Too few events to fit, calibrate or test on.
    """
    import pandas as pd

    report = progress or (lambda *_: None)
    parts, counts = {}, []
    again = split.refit if spec.calibration.refit else split.fit
    stages = (("fit", split.fit), ("calibrate", split.calibrate), ("refit", again), ("test", split.test))
    views = {False: store.as_of(train_known_on or split.test[0]), True: store.as_of(known_on)}

    @cache  # the days of fitting and of calibrating are days of the refit as well
    def labels(day: dt.date, *, is_test: bool) -> Labels:
        return _labels(store, spec, day, known=views[is_test], snapshots=snapshots)

    for i, (name, days) in enumerate(stages):
        report("label", i, len(stages))
        parts[name], counted = _labelled(days, partial(labels, is_test=name == "test"), snapshots=snapshots)
        counts.append(counted.assign(part=name))
        refuse_few_events(parts[name]["y"], name)
    features = snapshots(split.test[0]).features
    scores = {}
    for i, name in enumerate(SCORES):
        report("fit", i, len(SCORES))
        scores[name] = fit_score(_score_spec(name, spec), features, parts, seed=seed)
    report("evaluate", 0, 1)
    names = [f.name for f in features]

    def risk(rows: pd.DataFrame, name: str) -> np.ndarray:
        return scores[name].risk(rows[names].to_numpy("float64"))

    is_fall = spec.outcome.kind == "fall"  # lists are made with a fall, and entries and relapses are parts of one
    predictions = predict(parts["test"], risk=risk, snapshots=snapshots, per_township=per_township if is_fall else None)
    return Training(
        spec=spec,
        split=split,
        features=features,
        scores=scores,
        accuracy=measure_accuracy(predictions, spec.evaluation, apart=is_fall),
        label_counts=pd.concat(counts, ignore_index=True)[["part", "as_of", "status", "households"]],
        known_on=known_on,
    )


def refuse_few_events(y: pd.Series, part: str) -> None:
    """Neither fit, calibrate nor test on fewer than `MINIMUM_EVENTS` of either outcome."""
    events = int(y.sum())
    if min(events, len(y) - events) < MINIMUM_EVENTS:
        raise NotEnoughDataError(
            f"{part}: {events} events among {len(y)} household-days; at least {MINIMUM_EVENTS} of each outcome are needed. Give more history, "
            f"more households or a longer horizon"
        )


def fit_score(spec: ModelSpec, features: tuple[Feature, ...], parts: Mapping[str, pd.DataFrame], *, seed: int = 0) -> ScoredLearner:
    """Fit the learner of a specification and its calibration curve.

    Parameters
    ----------
    parts
        "fit", "calibrate" and "refit": labelled rows (`labelled_rows`). The curve comes from the learner of "fit" on "calibrate" or, where
        the specification says so, from villages left out of "refit"; the learner that is kept is that of "refit".
    """
    names = [f.name for f in features]
    wanted = spec.learner
    if wanted.name in ("lightgbm", "average"):
        wanted = LearnerSpec(wanted.name, {**wanted.params, "seed": seed})

    def learn(X: np.ndarray, y: np.ndarray) -> Any:
        monotone = {f.name: f.monotone for f in features if f.monotone and is_about_the_line(spec.outcome)}
        learner = make_learner(wanted.name, feature_names=names, monotone=monotone, params=wanted.params)
        return learner.fit(X, y)

    def content(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        return rows[names].to_numpy("float64"), rows["y"].to_numpy()

    if spec.calibration.curve_from == "cross_fitted":
        rows = parts["refit"]
        villages = rows["village_code"].astype(str).to_numpy()
        held_out = cross_fitted(lambda X, y: learn(X, y).decision_function, *content(rows), clusters=villages)
    else:
        rows = parts["calibrate"]
        held_out = learn(*content(parts["fit"])).decision_function(rows[names].to_numpy("float64"))
    y = rows["y"].to_numpy()
    try:
        calibration: Calibration = fit_calibration(spec.calibration.method, held_out, y, day=rows["as_of"])
    except NotEnoughDataError:
        if wanted.name != "income_only" or is_about_the_line(spec.outcome):
            raise
        # poorest first does not rank an outcome that is not about the line: it stays the baseline it is, with its risks as learnt
        calibration = SigmoidCalibration(intercept=0.0, slope=1.0, n=len(y), n_events=int(y.sum()))
    return ScoredLearner(learner=learn(*content(parts["refit"])), calibration=calibration)


def _score_spec(name: str, spec: ModelSpec) -> ModelSpec:
    """The specification of a score: the model's own, or the same with a baseline's learner."""
    if name == "income":
        return replace(spec, learner=LearnerSpec("income_only", {"column": INCOME_FEATURE}))
    return replace(spec, learner=LearnerSpec("logistic", {"C": 0.05})) if name == "logistic" else spec
