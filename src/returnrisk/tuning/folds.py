"""Inner folds: days of the training past that a candidate is fitted and measured on, in the order of time.

    days a fold fits on ── one horizon and the reporting delay ──> its day     the latest folds are taken, one day each

The last day of all lies before the calibration days, and every outcome had closed by the first of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from returnrisk.config import ModelSpec
from returnrisk.errors import ConfigError, NotEnoughDataError
from returnrisk.outcomes import closing_delay
from returnrisk.store.view import Store
from returnrisk.timeline import Split, matured


@dataclass(frozen=True, slots=True)
class Fold:
    """One inner fold: fitted on `fit` with outcomes as known on `day`, measured on `day` with outcomes as known on `known_on`."""

    fit: tuple[dt.date, ...]
    day: dt.date
    known_on: dt.date


def tuning_days(spec: ModelSpec, split: Split) -> tuple[tuple[dt.date, ...], dt.date]:
    """Days that tuning may look at, and the day by which their outcomes are looked at.

    The fit days, by the first calibration day. Where the calibration curve is cross-fitted no day is set apart for it: all days whose
    outcome had closed before the test, by the first test day.
    """
    if spec.calibration.curve_from == "cross_fitted":
        return split.refit, split.test[0]
    return split.fit, split.calibrate[0]


def inner_folds(
    days: Sequence[dt.date], *, known_on: dt.date, n_folds: int, least_days: int, horizon_months: int, delay_days: int
) -> tuple[Fold, ...]:
    """The latest `n_folds` of `days` that have at least `least_days` before them whose outcome had closed by then. Earliest first.

    Raises
    ------
    NotEnoughDataError
        No day has; fewer folds than asked for are taken as they are.
    ConfigError
        Less than one fold or day.

    Examples
    --------
    >>> days = [dt.date(2020, 3, 31), dt.date(2020, 9, 30), dt.date(2021, 3, 31), dt.date(2021, 9, 30)]
    >>> found = inner_folds(days, known_on=dt.date(2022, 12, 31), n_folds=2, least_days=1, horizon_months=6, delay_days=0)
    >>> [(len(f.fit), f.day.isoformat()) for f in found]
    [(2, '2021-03-31'), (3, '2021-09-30')]
    """
    if n_folds < 1 or least_days < 1:
        raise ConfigError(f"{n_folds} folds with at least {least_days} days to fit on: give one or more of each")
    folds = []
    for day in sorted(days):
        fit = tuple(d for d in sorted(days) if matured(d, known_on=day, horizon_months=horizon_months, delay_days=delay_days))
        if len(fit) >= least_days:
            folds.append(Fold(fit, day, known_on))
    if not folds:
        raise NotEnoughDataError(
            f"no inner fold: of {len(days)} days to tune on none lies a horizon of {horizon_months} months and {delay_days} days of reporting after "
            f'{least_days} others. Give more history, fewer calibration days (n_calibrate), or curve_from = "cross_fitted", which sets none apart'
        )
    return tuple(folds[-n_folds:])


def plan_folds(
    store: Store, spec: ModelSpec, split: Split, *, known_on: dt.date, n_folds: int, least_days: int = 2
) -> tuple[Fold, ...]:
    """The inner folds of a specification's split; errors as `inner_folds`.

    Parameters
    ----------
    known_on
        Day of the split: tells the reporting delay, and no outcome.
    """
    days, by = tuning_days(spec, split)
    delay = closing_delay(store.as_of(known_on), spec=spec.outcome)
    return inner_folds(
        days, known_on=by, n_folds=n_folds, least_days=least_days, horizon_months=spec.outcome.horizon_months, delay_days=delay
    )
