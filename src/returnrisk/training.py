"""Training: labelled snapshots to a calibrated model with two baselines, each measured on the latest days.

    fit days → learner ──scores calibration days──> calibration curve
    every day closed before the test → learner again (refit) ──> + curve = the model; measured once on the test days

Labels for fitting and calibrating come from the view of the first test day: nothing learnt later enters. Test labels come from the
view of the day the training happens on. Both baselines (income alone, logistic regression) go the same way over the same rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from returnrisk.accuracy import SCORES, Accuracy, AlertsOf, measure_accuracy
from returnrisk.calibration import Calibration, SigmoidCalibration, cross_fitted, fit_calibration
from returnrisk.config import LearnerSpec, ModelSpec
from returnrisk.errors import ConfigError, NotEnoughDataError
from returnrisk.fairness import household_attributes
from returnrisk.features.catalogue import Feature
from returnrisk.features.snapshot import Snapshot, build_snapshot
from returnrisk.models import make_learner
from returnrisk.outcomes import Labels, at_risk_rows, closing_delay, is_about_the_line, outcome_labels
from returnrisk.store.view import Store, View
from returnrisk.timeline import Split, add_months, last_closed_month_end, month_end, month_start, temporal_split
from returnrisk.training_input import refuse_few, refuse_twice, refuse_unknown_names, refuse_untold, what_is_known
from returnrisk.untreated import FAMILIES, Censored, censor_helped, overlap_of, with_weights

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SnapshotMaker = Callable[[dt.date], Snapshot]
Progress = Callable[[str, int, int], None]
INCOME_FEATURE = "income_line_ratio"


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
    set_aside
        Features that never differ among the rows learnt from and so have no weight: feature, family, why (constant, missing).
    overlap
        With the estimand "untreated", for the days "learnt" from and those of the "test": what the weights rest on (`untreated.overlap_of`).
    """

    spec: ModelSpec
    split: Split
    features: tuple[Feature, ...]
    scores: Mapping[str, ScoredLearner]
    accuracy: Accuracy
    label_counts: pd.DataFrame
    set_aside: pd.DataFrame
    known_on: dt.date
    overlap: Mapping[str, Mapping[str, float | list[float]]] = field(default_factory=dict)

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
    UnknownNameError
        The specification names a family, hyper-parameter or feature that does not exist.
    """
    refuse_unknown_names(spec)
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
        Snapshot columns plus y (0/1) and event_on, sorted by day and household.
    DataFrame
        as_of, status, households.
    """
    known = store.as_of(known_on)
    return _labelled(days, lambda day: _labels(store, spec, day, known=known, snapshots=snapshots), snapshots=snapshots)


def _labels(store: Store, spec: ModelSpec, day: dt.date, *, known: View, snapshots: SnapshotMaker) -> Labels:
    everyone = snapshots(day).frame()
    refuse_twice(everyone, day)
    at_risk = at_risk_rows(everyone, view=store.as_of(day), spec=spec.outcome)
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
        closed = labels.frame().dropna(subset="y")[["household_id", "y", "event_on"]]
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
    monthly: SnapshotMaker | None = None,
    alerts: AlertsOf | None = None,
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
    monthly
        With the estimand "untreated": gives the snapshot, with the families of `untreated.FAMILIES`, of any month end (default: computed).
        Rows that were helped are then in no part, those like them weigh more (`untreated.censor_helped`), and every figure is weighted.
    alerts
        Gives the alerts of a test day: the county's rules and chance are then measured beside the scores (`accuracy.ORDERS`).

    Raises
    ------
    NotEnoughDataError
        Too few households or events to fit, calibrate or test on, or a family of which nothing is known: said before anything is fitted.
    DataError
        A snapshot holds a household twice.
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
        refuse_few(parts[name], name)
    overlap: dict[str, Censored] = {}
    everyone: dict[str, pd.DataFrame] = {}
    if spec.estimand == "untreated":
        report("weigh", 0, 1)
        facts = monthly or _month_ends(store, spec)
        learnt = pd.concat([parts["fit"], parts["calibrate"], parts["refit"]]).drop_duplicates(["household_id", "as_of"])
        everyone = {"learnt": learnt, "test": parts["test"]}
        overlap = {
            name: censor_helped(rows, known=views[name == "test"], spec=spec.outcome, snapshots=facts)
            for name, rows in everyone.items()
        }
        for name, rows in parts.items():
            parts[name] = with_weights(rows, overlap["test" if name == "test" else "learnt"])
            refuse_few(parts[name], name)
    features = snapshots(split.test[0]).features
    aside = refuse_untold(what_is_known(parts["refit"], features), spec, "refit")
    scores = {}
    for i, name in enumerate(SCORES):
        report("fit", i, len(SCORES))
        scores[name] = fit_score(score_spec(name, spec), features, parts, seed=seed)
    report("evaluate", 0, 1)
    names = [f.name for f in features]

    def risk(rows: pd.DataFrame, name: str) -> np.ndarray:
        return scores[name].risk(rows[names].to_numpy("float64"))

    is_fall = spec.outcome.kind == "fall"  # lists are made with a fall, and entries and relapses are parts of one
    accuracy = measure_accuracy(
        parts["test"],
        spec.evaluation,
        risk=risk,
        snapshots=snapshots,
        per_township=per_township if is_fall else None,
        alerts=alerts,
        attributes=lambda day: household_attributes(store.as_of(day)),
        apart=is_fall,
    )
    return Training(
        spec=spec,
        split=split,
        features=features,
        scores=scores,
        accuracy=accuracy,
        label_counts=pd.concat(counts, ignore_index=True)[["part", "as_of", "status", "households"]],
        set_aside=aside,
        known_on=known_on,
        overlap={name: overlap_of(found.rows, risk=risk(everyone[name], "model")) for name, found in overlap.items()},
    )


def weighted_rows(
    store: Store, spec: ModelSpec, rows: pd.DataFrame, *, known_on: dt.date, monthly: SnapshotMaker | None = None
) -> pd.DataFrame:
    """Rows of `labelled_rows` as the specification's estimand takes them: as they are, or those never helped, with their weights."""
    if spec.estimand == "observed":
        return rows
    facts = monthly or _month_ends(store, spec)
    return with_weights(rows, censor_helped(rows, known=store.as_of(known_on), spec=spec.outcome, snapshots=facts))


def _month_ends(store: Store, spec: ModelSpec) -> SnapshotMaker:
    @cache
    def made(day: dt.date) -> Snapshot:
        return build_snapshot(store.as_of(day), spec=spec.outcome, families=FAMILIES)

    return made


def fit_score(spec: ModelSpec, features: tuple[Feature, ...], parts: Mapping[str, pd.DataFrame], *, seed: int = 0) -> ScoredLearner:
    """Fit the learner of a specification and its calibration curve.

    Parameters
    ----------
    parts
        "fit", "calibrate" and "refit": labelled rows (`labelled_rows`). The curve comes from the learner of "fit" on "calibrate" or, where
        the specification says so, from villages left out of "refit"; the learner that is kept is that of "refit". With the estimand
        "untreated" they hold `fit_weight` (for learners) and `weight` (for curves).

    Raises
    ------
    ConfigError
        Estimand "untreated", and rows without weights.
    """
    import numpy as np

    names = [f.name for f in features]
    weighted = spec.estimand == "untreated"
    if weighted and any("fit_weight" not in rows for rows in parts.values()):
        raise ConfigError(
            f"{spec.name} has the estimand 'untreated', but its rows are not weighted: only `train` and `evaluate` weigh them"
        )

    def learn(X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> Any:
        return new_learner(spec, features, seed=seed).fit(X, y, sample_weight=weight)

    def content(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        return rows[names].to_numpy("float64"), rows["y"].to_numpy(), rows["fit_weight"].to_numpy() if weighted else None

    def learn_some(index: np.ndarray, _: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        X, y, weight = content(parts["refit"].iloc[index[:, 0]])
        learner = learn(X, y, weight)
        return lambda new: np.asarray(learner.decision_function(content(parts["refit"].iloc[new[:, 0]])[0]))

    if spec.calibration.curve_from == "cross_fitted":
        rows = parts["refit"]
        villages = rows["village_code"].astype(str).to_numpy()
        held_out = cross_fitted(learn_some, np.arange(len(rows))[:, None], rows["y"].to_numpy(), clusters=villages)
    else:
        rows = parts["calibrate"]
        held_out = learn(*content(parts["fit"])).decision_function(rows[names].to_numpy("float64"))
    y, weight = rows["y"].to_numpy(), rows["weight"].to_numpy() if weighted else None
    try:
        calibration: Calibration = fit_calibration(spec.calibration.method, held_out, y, weight, day=rows["as_of"])
    except NotEnoughDataError:
        if spec.learner.name != "income_only":
            raise
        # poorest first may rank no better than chance (another outcome, a quarter of harvest): it stays the baseline it is, with its risks as learnt
        calibration = SigmoidCalibration(intercept=0.0, slope=1.0, n=len(y), n_events=int(y.sum()))
    return ScoredLearner(learner=learn(*content(parts["refit"])), calibration=calibration)


def new_learner(spec: ModelSpec, features: Sequence[Feature], *, seed: int = 0) -> Any:
    """The unfitted learner of a specification for a matrix with these features as columns; directions where the outcome has them."""
    wanted = spec.learner
    params = {**wanted.params, "seed": seed} if wanted.name in ("lightgbm", "average") else wanted.params
    monotone = {f.name: f.monotone for f in features if f.monotone and is_about_the_line(spec.outcome)}
    return make_learner(wanted.name, feature_names=[f.name for f in features], monotone=monotone, params=params)


def score_spec(name: str, spec: ModelSpec) -> ModelSpec:
    """The specification of a score: the model's own, or the same with a baseline's learner."""
    if name == "income":
        return replace(spec, learner=LearnerSpec("income_only", {"column": INCOME_FEATURE}))
    return replace(spec, learner=LearnerSpec("logistic", {"C": 0.05})) if name == "logistic" else spec
