"""The backtest itself: labels of every origin first, then every specification fitted at every origin, then measured on one set of draws."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from returnrisk.backtest.choice import RULES, choose
from returnrisk.backtest.origins import Origin, plan_origins
from returnrisk.backtest.result import Backtest, Measured
from returnrisk.config import LearnerSpec, ModelSpec
from returnrisk.errors import ConfigError, NotEnoughDataError, UnknownNameError
from returnrisk.evaluation import METRICS
from returnrisk.features.families import catalogue
from returnrisk.features.snapshot import Snapshot
from returnrisk.outcomes import at_risk_rows, closing_delay, outcome_labels
from returnrisk.store.view import Store
from returnrisk.timeline import matured
from returnrisk.training import INCOME_FEATURE, Progress, fit_score
from returnrisk.training_input import (
    SET_ASIDE_COLUMNS,
    put_together,
    refuse_few,
    refuse_twice,
    refuse_unknown_names,
    refuse_untold,
    refuse_unweighted,
    what_is_known,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SnapshotsOf = Callable[[dt.date, ModelSpec], Snapshot]
"""Gives the snapshot of a day for the outcome and families of a specification (cached or not)."""
TREES = ("lightgbm", "average")
"""Learners that leave the interpreter free while they are fitted: they go beside the others."""
INCOME = "income"
"""Name of the simplest thing a county could do: income alone. It is always among the scores."""


@dataclass(frozen=True, slots=True)
class BacktestSettings:
    """How a backtest is made and what decides.

    Attributes
    ----------
    n_origins, step_months
        How many past days a model is made for, and the months between them.
    metric, rule, penalty
        Metric the rules look at, the rule that decides (`choice.RULES`), and the standard deviations that "variance_penalised" takes off.
    n_bootstrap, level
        Draws of villages, and the level of every interval.
    """

    n_origins: int = 6
    step_months: int = 3
    metric: str = "auc"
    rule: str = "best_mean"
    penalty: float = 1.0
    n_bootstrap: int = 300
    level: float = 0.95

    def __post_init__(self) -> None:
        compared = [m for m in METRICS if not m.startswith(("calibration", "tie"))]
        if self.metric not in compared:
            raise UnknownNameError("metric", self.metric, compared)
        if self.rule not in RULES:
            raise UnknownNameError("rule", self.rule, RULES)
        if self.n_bootstrap < 2 or not 0 < self.level < 1 or self.penalty < 0:
            raise ConfigError(
                f"n_bootstrap {self.n_bootstrap}, level {self.level}, penalty {self.penalty}: give at least 2 draws, a level between 0 "
                "and 1 and a penalty of 0 or more"
            )


@dataclass(frozen=True, slots=True)
class _Outcomes:
    """Who was at risk and what became of them: household_id and y. Rows are put together origin by origin, all at once would not fit.

    Attributes
    ----------
    learnt
        By origin and day learnt from, as known at the origin.
    tests
        By origin, as known on the day of the backtest.
    set_aside
        Features that never differ among what a score learns from at an origin: origin, score, feature, family, why.
    """

    learnt: Mapping[tuple[dt.date, dt.date], pd.DataFrame]
    tests: Mapping[dt.date, pd.DataFrame]
    set_aside: pd.DataFrame


def grouped_by_outcome(specs: Sequence[ModelSpec]) -> list[tuple[ModelSpec, ...]]:
    """Specifications of one outcome together, in the order they came: only these can be compared."""
    groups: dict[object, list[ModelSpec]] = {}
    for spec in specs:
        groups.setdefault(spec.outcome, []).append(spec)
    return [tuple(group) for group in groups.values()]


def with_all_families(specs: Sequence[ModelSpec]) -> ModelSpec:
    """The first specification with the feature families of all: one snapshot of a day serves every model."""
    return replace(specs[0], families=tuple(sorted({family for spec in specs for family in spec.families})))


def days_of_backtest(
    store: Store, specs: Sequence[ModelSpec], *, known_on: dt.date, settings: BacktestSettings | None = None
) -> list[dt.date]:
    """Every day that a snapshot will be asked for, earliest first; fails as `backtest` would, before anything is computed."""
    settings = settings or BacktestSettings()
    _refuse_specs(specs)
    planned = _planned(store, specs, known_on=known_on, settings=settings)
    every = [o for group in planned.values() for o in group]
    return sorted({day for o in every for day in (o.day, *(d for days in _parts(o).values() for d in days))})


def _planned(
    store: Store, specs: Sequence[ModelSpec], *, known_on: dt.date, settings: BacktestSettings
) -> dict[str, tuple[Origin, ...]]:
    """Origins of every specification, by name: the same days, each with the specification's own split."""
    found = {
        s.name: plan_origins(store, s, known_on=known_on, n_origins=settings.n_origins, step_months=settings.step_months)
        for s in specs
    }
    days = [o.day for o in found[specs[0].name]]
    if any([o.day for o in others] != days for others in found.values()):
        raise ConfigError("the specifications take days of different steps or histories: their [split] must agree to be compared")
    return found


def backtest(
    store: Store,
    specs: Sequence[ModelSpec],
    *,
    known_on: dt.date,
    snapshots: SnapshotsOf,
    settings: BacktestSettings | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Backtest:
    """Make every model anew at every origin, as it would have been made then, and compare them on what came after.

    The estimand of a metric is its value on the households at risk on the origins' days with a known outcome; "mean" is the plain mean
    over origins. At an origin labels are those known on that day and the learner, its curve and its refit follow the specification.

    Parameters
    ----------
    specs
        Specifications of one outcome, each with its own name; income alone is added as the baseline.
    known_on
        Day on which everything is looked at: outcomes that had not closed by then are censored.
    seed
        Of the learners and of the draws of villages.

    Raises
    ------
    ConfigError
        No specification, several outcomes, or a name twice.
    NotEnoughDataError
        History too short for the origins, or too few events to fit, calibrate or test on at any of them: said before anything is fitted.
        Or no specification could be learnt; one that cannot, while others can, is left out of the comparison (`Backtest.left_out`).
    DataError
        A snapshot holds a household twice: said before anything is fitted.
    """
    settings, report = settings or BacktestSettings(), progress or (lambda *_: None)
    _refuse_specs(specs)
    whole = with_all_families(specs)

    def made(day: dt.date) -> Snapshot:
        return snapshots(day, whole)

    origins = _planned(store, specs, known_on=known_on, settings=settings)
    days = [o.day for o in origins[specs[0].name]]
    outcomes = _outcomes(store, specs, origins, known_on=known_on, snapshots=made, report=report)
    predictions, left_out = _predictions(specs, origins, outcomes, snapshots=made, seed=seed, report=report)
    compared = tuple(s for s in specs if s.name not in set(left_out["score"]))
    if not compared:
        raise NotEnoughDataError("no specification could be learnt: " + "; ".join(left_out["why"]))
    scores = [*(s.name for s in compared), INCOME]
    report("evaluate", 0, 1)
    measured = Measured.of(
        predictions,
        scores=scores,
        capacity=specs[0].evaluation.capacity,
        n_bootstrap=settings.n_bootstrap,
        seed=seed,
        level=settings.level,
    )
    delay = closing_delay(store.as_of(known_on), spec=specs[0].outcome)
    horizon = specs[0].outcome.horizon_months
    point, replicates = measured.of_metric(settings.metric)
    return Backtest(
        known_on=known_on,
        specs=compared,
        origins=tuple(origins[specs[0].name]),
        predictions=predictions,
        left_out=left_out,
        set_aside=outcomes.set_aside,
        measured=measured,
        choice=choose(
            point,
            replicates,
            scores=scores,
            days=days,
            closed_by=lambda day, by: matured(day, known_on=by, horizon_months=horizon, delay_days=delay),
            metric=settings.metric,
            rule=settings.rule,
            penalty=settings.penalty,
            level=settings.level,
        ),
    )


def _refuse_specs(specs: Sequence[ModelSpec]) -> None:
    if not specs:
        raise ConfigError("no specification: name at least one model to backtest")
    names = [s.name for s in specs]
    if twice := sorted({n for n in [*names, INCOME] if [*names, INCOME].count(n) > 1}):
        raise ConfigError(f"{', '.join(twice)}: a name stands for one specification, and {INCOME} for the baseline")
    if len(grouped_by_outcome(specs)) > 1:
        raise ConfigError("the specifications ask for different outcomes: only models of one outcome can be compared")
    for spec in specs:
        refuse_unknown_names(spec)
        refuse_unweighted(spec, what="a backtest")


def _outcomes(
    store: Store,
    specs: Sequence[ModelSpec],
    origins: Mapping[str, tuple[Origin, ...]],
    *,
    known_on: dt.date,
    snapshots: Callable[[dt.date], Snapshot],
    report: Progress,
) -> _Outcomes:
    """Every outcome that will be learnt from or tested on; whatever is wrong with them is said here, before anything is fitted."""
    import pandas as pd

    spec = specs[0]

    @cache
    def at_risk(day: dt.date) -> pd.DataFrame:
        frame = snapshots(day).frame()
        refuse_twice(frame, day)
        return at_risk_rows(frame, view=store.as_of(day), spec=spec.outcome)

    def closed(day: dt.date, by: dt.date) -> pd.DataFrame:
        labels = outcome_labels(at_risk(day), as_of=day, known=store.as_of(by), spec=spec.outcome)
        return labels.frame().dropna(subset="y")[["household_id", "y"]].astype({"y": "int8"})

    every = [o for group in origins.values() for o in group]
    pairs = sorted({(o.day, day) for o in every for days in _parts(o).values() for day in days})
    days = sorted({o.day for o in every})
    learnt, tests = {}, {}
    for i, (origin, day) in enumerate(pairs):
        report("label", i, len(pairs) + len(days))
        learnt[origin, day] = closed(day, origin)
    for i, origin in enumerate(days):
        report("label", len(pairs) + i, len(pairs) + len(days))
        tests[origin] = closed(origin, known_on)
        refuse_few(tests[origin], f"test of origin {origin}")
    for o in every:
        for name, of in _parts(o).items():
            refuse_few(pd.concat([learnt[o.day, day] for day in of]), f"origin {o.day}, {name} on {of[0]} to {of[-1]}")
    return _Outcomes(learnt, tests, _set_aside(specs, origins, learnt, snapshots=snapshots))


def _set_aside(
    specs: Sequence[ModelSpec],
    origins: Mapping[str, tuple[Origin, ...]],
    learnt: Mapping[tuple[dt.date, dt.date], pd.DataFrame],
    *,
    snapshots: Callable[[dt.date], Snapshot],
) -> pd.DataFrame:
    """What tells nothing at an origin; a family of which nothing is known, or nothing left to rank by, is refused."""
    import pandas as pd

    @cache
    def known(origin: dt.date, day: dt.date) -> pd.DataFrame:
        snapshot = snapshots(day)
        return what_is_known(_rows(snapshot, learnt[origin, day]), snapshot.features)

    found = []
    for spec in specs:
        for o in origins[spec.name]:
            of = o.split.refit if spec.calibration.refit else o.split.fit
            part = f"origin {o.day}, {spec.name} on {of[0]} to {of[-1]}"
            found.append(
                refuse_untold(put_together(known(o.day, day) for day in of), spec, part).assign(origin=o.day, score=spec.name)
            )
    return pd.concat(found, ignore_index=True)[["origin", "score", *SET_ASIDE_COLUMNS]]


def _parts(origin: Origin) -> dict[str, tuple[dt.date, ...]]:
    split = origin.split
    return {"fit": split.fit, "calibrate": split.calibrate, "refit": split.refit}


def _predictions(
    specs: Sequence[ModelSpec],
    origins: Mapping[str, tuple[Origin, ...]],
    outcomes: _Outcomes,
    *,
    snapshots: Callable[[dt.date], Snapshot],
    seed: int,
    report: Progress,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Probabilities of every score for the households of every origin; and origin, score and why of those that could not be learnt.

    Whether a learner ranks at all shows only when it is fitted: the hours of the others are not lost for it.
    """
    import pandas as pd

    income = replace(specs[0], name=INCOME, learner=LearnerSpec("income_only", {"column": INCOME_FEATURE}))
    every = {**{s.name: (s, origins[s.name]) for s in specs}, INCOME: (income, origins[specs[0].name])}
    n_origins, found, left_out = len(origins[specs[0].name]), [], {}
    for k in range(n_origins):
        day = origins[specs[0].name][k].day
        learnt = {d for _, group in every.values() for of in _parts(group[k]).values() for d in of}
        rows = pd.concat([_rows(snapshots(d), outcomes.learnt[day, d]) for d in sorted(learnt)], ignore_index=True)
        test = _rows(snapshots(day), outcomes.tests[day])
        frame = test[["household_id", "as_of", "village_code", "township_code", "seen_below", "y"]].copy()

        asked = {name: (spec, group[k]) for name, (spec, group) in every.items() if name not in left_out}
        risks = {}
        with ThreadPoolExecutor(max_workers=1) as beside:
            trees = {
                name: beside.submit(_risks, *of, rows, test, seed=seed) for name, of in asked.items() if of[0].learner.name in TREES
            }
            for n, name in enumerate(sorted(asked, key=lambda name: name in trees)):
                report("fit", k * len(every) + n, n_origins * len(every))
                try:
                    risks[f"p_{name}"] = trees[name].result() if name in trees else _risks(*asked[name], rows, test, seed=seed)
                except NotEnoughDataError as error:
                    if name == INCOME:
                        raise
                    left_out[name] = {"origin": day, "score": name, "why": f"origin {day}, {name}: {error}"}
        found.append(frame.assign(**{f"p_{name}": risks[f"p_{name}"] for name in asked if name not in left_out}))
    table = pd.concat(found, ignore_index=True).drop(columns=[f"p_{name}" for name in left_out], errors="ignore")
    return table, pd.DataFrame(list(left_out.values()), columns=["origin", "score", "why"])


def _risks(spec: ModelSpec, origin: Origin, rows: pd.DataFrame, test: pd.DataFrame, *, seed: int) -> np.ndarray:
    """Fit on the rows of an origin's days, and give the probabilities of its test."""
    import pandas as pd

    features = catalogue(spec.families)
    parts = {part: rows[rows["as_of"].isin(pd.to_datetime(list(of)))] for part, of in _parts(origin).items()}
    if not spec.calibration.refit:
        parts["refit"] = parts["fit"]
    return fit_score(spec, features, parts, seed=seed).risk(test[[f.name for f in features]].to_numpy("float64"))


def _rows(snapshot: Snapshot, outcomes: pd.DataFrame) -> pd.DataFrame:
    return snapshot.frame().merge(outcomes, on="household_id", validate="one_to_one")
