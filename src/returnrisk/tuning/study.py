"""The search itself: candidates drawn by Optuna, measured on the inner folds, hopeless ones given up early.

Trial 0 is the specification as it stands, so that the best is never worse on the folds than what there is. That the best of many looks
better than it is follows from choosing it: `Tuned.gain` is a figure on the folds, and only a backtest tells what it is worth.

References
----------
Akiba, Sano, Yanase, Ohta, Koyama (2019), Optuna: a next-generation hyperparameter optimization framework. Bergstra, Bardenet, Bengio,
Kégl (2011), Algorithms for hyper-parameter optimization (the tree-structured Parzen estimator). Varma, Simon (2006), Bias in error
estimation when using cross-validation for model selection (why the figure of the best is too good).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from returnrisk.config import LearnerSpec, ModelSpec
from returnrisk.errors import ConfigError, UsageError
from returnrisk.features.catalogue import Feature
from returnrisk.features.families import catalogue
from returnrisk.features.snapshot import Snapshot
from returnrisk.store.view import Store
from returnrisk.timeline import Split
from returnrisk.training import Progress, labelled_rows, new_learner
from returnrisk.training_input import (
    put_together,
    refuse_few,
    refuse_unknown_names,
    refuse_untold,
    refuse_unweighted,
    what_is_known,
)
from returnrisk.tuning.folds import Fold, plan_folds
from returnrisk.tuning.spaces import space_of

if TYPE_CHECKING:
    import pandas as pd
    from optuna.trial import FrozenTrial, Trial

FloatArray = NDArray[np.float64]
Metric = Literal["auc", "average_precision"]
METRICS = ("auc", "average_precision")
TRIALS_BEFORE_PRUNING = 5
"""Whole trials before any is given up: under a median of fewer, half of them would be by chance."""


@dataclass(frozen=True, slots=True)
class TuningSettings:
    """How long to search, and for what.

    Attributes
    ----------
    n_trials, seconds
        Budget: trials in all (the specification's own is the first), and seconds after which no new trial starts (None: no limit). The
        seconds make the result depend on the machine: the same seed gives the same result where they do not run out.
    n_folds, least_days
        Inner folds at most, and the days each must have to fit on.
    metric
        What is made large, on each fold, then the plain mean: "auc" or "average_precision". Both are of the order of households, which is
        what hyper-parameters move; the level is calibrated afterwards.
    n_bootstrap, level
        Draws of villages for the interval of the gain, and its level.
    """

    n_trials: int = 30
    seconds: float | None = None
    n_folds: int = 3
    least_days: int = 2
    metric: Metric = "auc"
    n_bootstrap: int = 300
    level: float = 0.95

    def __post_init__(self) -> None:
        if self.n_trials < 1 or (self.seconds is not None and not self.seconds > 0):
            raise ConfigError(
                f"a budget of {self.n_trials} trials and {self.seconds} seconds: give at least one trial, and more than 0 seconds"
            )
        if self.metric not in METRICS or self.n_bootstrap < 2 or not 0 < self.level < 1:
            raise ConfigError(
                f"metric {self.metric!r}, {self.n_bootstrap} draws, level {self.level}: give one of {', '.join(METRICS)}, 2 or more, and 0 to 1"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """What a search found.

    Attributes
    ----------
    spec
        The specification it started from.
    tuned
        The same with the best parameters, named `<name>-tuned`.
    folds
        Inner folds, earliest first.
    trials
        One row per trial: trial, state ("complete", "pruned"), the mean over the folds it was measured on (`value`), `fold_1` … (NaN where
        it was given up before), `param_<name>`, and seconds. Trial 0 is the specification as it stands.
    best
        Number of the best trial: the highest mean, of equal ones the first.
    gain, low, high
        Mean metric of the best less that of the specification as it stands, over the folds, with an interval over villages drawn with
        replacement (the same draws for both and every fold). Of the best of many, on the folds it was chosen by: too good.
    """

    spec: ModelSpec
    tuned: ModelSpec
    folds: tuple[Fold, ...]
    settings: TuningSettings
    seed: int
    trials: pd.DataFrame
    best: int
    gain: float
    low: float
    high: float

    def frame(self) -> pd.DataFrame:
        """The trials."""
        return self.trials


@dataclass(frozen=True, slots=True)
class _Data:
    """A fold's matrices: what is fitted on, and what is measured on."""

    X: FloatArray
    y: NDArray[np.int8]
    X_day: FloatArray
    rows: pd.DataFrame


def tune(
    store: Store,
    spec: ModelSpec,
    *,
    split: Split,
    known_on: dt.date,
    snapshots: Callable[[dt.date], Snapshot],
    settings: TuningSettings | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Tuned:
    """Search the parameters of a specification's learner in the training past of its split.

    Nothing of the calibration and test days enters, neither features nor outcomes: a fold is fitted on days whose outcome had closed by its
    own day, as known then, and measured on that day, as known on the first calibration day. After every fold a trial whose running mean lies
    below the median of those before it at that fold is given up.

    Parameters
    ----------
    split
        Days, from `plan_split`.
    known_on
        Day of the split.
    snapshots
        Gives the snapshot of a day, with the families of the specification.
    seed
        Of the search, of the learner and of the draws.

    Raises
    ------
    ConfigError
        The learner has nothing to tune.
    NotEnoughDataError
        The days are too few for an inner fold; too few households or events in one, or a family of which nothing is known: said before
        anything is fitted.
    UsageError
        Optuna is not installed.
    """
    settings, report = settings or TuningSettings(), progress or (lambda *_: None)
    refuse_unknown_names(spec)
    refuse_unweighted(spec, what="tuning")
    space_of(spec.learner.name)
    optuna = _optuna()
    features = catalogue(spec.families)
    folds = plan_folds(store, spec, split, known_on=known_on, n_folds=settings.n_folds, least_days=settings.least_days)
    data = _data_of(store, spec, folds, features, snapshots=snapshots, report=report)
    search = _Search(spec=spec, features=features, data=data, settings=settings, seed=seed)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=TRIALS_BEFORE_PRUNING, n_warmup_steps=0),
    )
    started = time.perf_counter()
    for k in range(settings.n_trials):
        if k and settings.seconds is not None and time.perf_counter() - started > settings.seconds:
            break
        report("trial", k, settings.n_trials)
        search.run(study, own=k == 0)
    best = max(search.means, key=lambda n: (search.means[n], -n))
    gain, low, high = search.gain(best)
    learner = replace(spec.learner, params={**spec.learner.params, **search.params[best]})
    return Tuned(
        spec=spec,
        tuned=replace(spec, name=f"{spec.name}-tuned", learner=learner),
        folds=folds,
        settings=settings,
        seed=seed,
        trials=search.frame(study.get_trials(deepcopy=False)),
        best=best,
        gain=gain,
        low=low,
        high=high,
    )


def days_of_tuning(
    store: Store, spec: ModelSpec, split: Split, *, known_on: dt.date, settings: TuningSettings | None = None
) -> list[dt.date]:
    """Every day that a snapshot will be asked for, earliest first; fails as `tune` would, before anything is computed."""
    settings = settings or TuningSettings()
    refuse_unknown_names(spec)
    refuse_unweighted(spec, what="tuning")
    space_of(spec.learner.name)
    _optuna()
    folds = plan_folds(store, spec, split, known_on=known_on, n_folds=settings.n_folds, least_days=settings.least_days)
    return sorted({day for fold in folds for day in (*fold.fit, fold.day)})


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise UsageError("tuning needs Optuna: install returnrisk[tune]") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _data_of(
    store: Store,
    spec: ModelSpec,
    folds: Sequence[Fold],
    features: tuple[Feature, ...],
    *,
    snapshots: Callable[[dt.date], Snapshot],
    report: Progress,
) -> list[_Data]:
    """Labelled matrices of every fold; whatever is wrong with them is said here."""
    names = [f.name for f in features]
    kept = cache(snapshots)
    found = []
    for i, fold in enumerate(folds):
        report("label", i, len(folds))
        fit, _ = labelled_rows(store, spec, fold.fit, known_on=fold.day, snapshots=kept)
        day, _ = labelled_rows(store, spec, [fold.day], known_on=fold.known_on, snapshots=kept)
        part = f"fold of {fold.day}"
        refuse_few(fit, f"{part}, fit on {fold.fit[0]} to {fold.fit[-1]}")
        refuse_few(day, f"{part}, measured")
        refuse_untold(put_together([what_is_known(fit, features)]), spec, part)
        found.append(
            _Data(
                X=fit[names].to_numpy("float64"),
                y=fit["y"].to_numpy("int8"),
                X_day=day[names].to_numpy("float64"),
                rows=day[["household_id", "village_code", "y"]],
            )
        )
    return found


class _Search:
    """Runs trials and remembers what each was, and what the best and the first one scored."""

    def __init__(
        self, *, spec: ModelSpec, features: tuple[Feature, ...], data: Sequence[_Data], settings: TuningSettings, seed: int
    ) -> None:
        self.spec, self.features, self.data, self.settings, self.seed = spec, features, data, settings, seed
        self.space = space_of(spec.learner.name)
        stands = new_learner(spec, features).get_params(deep=False)
        self.own = {name: stands[name] for name in self.space}
        self.means: dict[int, float] = {}
        self.params: dict[int, dict[str, Any]] = {}
        self.scores: dict[int, list[FloatArray]] = {}
        self.by_fold: dict[int, list[float]] = {}
        self.seconds: dict[int, float] = {}

    def run(self, study: Any, *, own: bool) -> None:
        """One trial: the specification's own parameters, or drawn ones."""
        import optuna

        if own:  # the sampler learns from it as from any other, at the nearest value of the space
            study.enqueue_trial({name: r.nearest(self.own[name]) for name, r in self.space.items()})
        trial = study.ask()
        try:
            value = self._measured(trial, own=own)
        except optuna.TrialPruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, value)

    def _measured(self, trial: Trial, *, own: bool) -> float:
        import optuna

        drawn = {name: r.draw(trial, name) for name, r in self.space.items()}
        params = self.own if own else drawn
        self.params[trial.number] = params
        started = time.perf_counter()
        values: list[float] = []
        scores: list[FloatArray] = []
        self.by_fold[trial.number] = values
        try:
            for k, fold in enumerate(self.data):
                scores.append(self._score(params, fold))
                values.append(self._metric(scores[-1], fold.rows["y"].to_numpy("float64")))
                mean = float(np.mean(values))
                trial.report(mean, k)
                if not own and k < len(self.data) - 1 and trial.should_prune():
                    raise optuna.TrialPruned
        finally:
            self.seconds[trial.number] = time.perf_counter() - started
        if own or mean > max(self.means.values()):
            self.scores[trial.number] = scores
        self.means[trial.number] = mean
        return mean

    def _score(self, params: Mapping[str, Any], fold: _Data) -> FloatArray:
        learner = LearnerSpec(self.spec.learner.name, {**self.spec.learner.params, **params})
        spec = replace(self.spec, learner=learner)
        fitted = new_learner(spec, self.features, seed=self.seed).fit(fold.X, fold.y)
        return np.asarray(fitted.decision_function(fold.X_day))

    def _metric(self, score: FloatArray, y: FloatArray) -> float:
        from returnrisk.evaluation import ranking

        whole = ranking.rank(score, y)
        auc, average_precision = ranking.areas(ranking.cumulate_weights(np.ones((1, len(y))), whole), whole)
        return float((auc if self.settings.metric == "auc" else average_precision)[0])

    def gain(self, best: int) -> tuple[float, float, float]:
        """Mean metric of a trial less that of the first, and its interval over draws of villages."""
        import pandas as pd

        from returnrisk.evaluation.bootstrap import Rows, draw_clusters, measure

        codes, villages = pd.factorize(pd.concat([d.rows["village_code"] for d in self.data]), sort=True)
        draws = draw_clusters(len(villages), n_bootstrap=self.settings.n_bootstrap, seed=self.seed)
        point, replicates, start = [], [], 0
        for k, fold in enumerate(self.data):
            n = len(fold.rows)
            cluster = codes[start : start + n].astype(np.int64)
            rows = Rows(
                outcome=fold.rows["y"].to_numpy("float64"),
                weight=np.ones(len(fold.rows)),
                cluster=cluster,
                n_clusters=len(villages),
                days=(),
            )
            start += n
            one, other = (measure(self.scores[t][k], rows, draws, capacity=None) for t in (best, 0))
            point.append(one[0][self.settings.metric] - other[0][self.settings.metric])
            replicates.append(one[1][self.settings.metric] - other[1][self.settings.metric])
        means = np.mean(replicates, axis=0)
        valid = means[np.isfinite(means)]
        low, high = (
            np.quantile(valid, [(1 - self.settings.level) / 2, (1 + self.settings.level) / 2])
            if len(valid) > 1
            else (np.nan, np.nan)
        )
        return float(np.mean(point)), float(low), float(high)

    def frame(self, trials: Sequence[FrozenTrial]) -> pd.DataFrame:
        """`Tuned.trials`."""
        import pandas as pd

        rows = []
        for t in trials:
            values = self.by_fold[t.number]
            row: dict[str, Any] = {"trial": t.number, "state": t.state.name.lower(), "value": float(np.mean(values))}
            row |= {f"fold_{k + 1}": values[k] if k < len(values) else np.nan for k in range(len(self.data))}
            row |= {f"param_{name}": self.params[t.number].get(name) for name in self.space}
            rows.append(row | {"seconds": self.seconds[t.number]})
        return pd.DataFrame(rows)
