"""Origins of a backtest: past days on which a model is made as it would have been made then, and tested on what came after."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from returnrisk.config import ModelSpec
from returnrisk.errors import ConfigError, NotEnoughDataError
from returnrisk.outcomes import closing_delay
from returnrisk.store.view import Store
from returnrisk.timeline import Split, matured, temporal_split
from returnrisk.training import possible_days


@dataclass(frozen=True, slots=True)
class Origin:
    """One day that a model is made for, and the days it learns from: every outcome it learns from had closed, reports in, by `day`."""

    day: dt.date
    split: Split


def plan_origins(store: Store, spec: ModelSpec, *, known_on: dt.date, n_origins: int, step_months: int) -> tuple[Origin, ...]:
    """The latest days with a closed outcome, `step_months` apart, each with its own split. Earliest first.

    An outcome that had not closed by `known_on` is censored: its day is no origin. Between the days an origin learns from and the
    origin lies an embargo of one horizon and the reporting delay.

    Raises
    ------
    ConfigError
        `step_months` is not a multiple of the days' step in the specification.
    NotEnoughDataError
        Fewer days with a closed outcome than origins asked for, or an origin without days to fit or calibrate on.
    """
    if n_origins < 1 or step_months < 1 or step_months % spec.split.step_months:
        raise ConfigError(
            f"{n_origins} origins {step_months} months apart: give at least one, and a multiple of the {spec.split.step_months} months "
            f"that lie between the days of {spec.name}"
        )
    days = possible_days(store, spec, known_on=known_on)
    horizon, delay = spec.outcome.horizon_months, closing_delay(store.as_of(known_on), spec=spec.outcome)
    closed = [d for d in days if matured(d, known_on=known_on, horizon_months=horizon, delay_days=delay)]
    chosen = sorted(closed[:: -(step_months // spec.split.step_months)][:n_origins])
    if len(chosen) < n_origins:
        raise NotEnoughDataError(
            f"{len(chosen)} of {n_origins} origins have an outcome that closed by {known_on} (horizon {horizon} months, reports {delay} "
            "days): give more history, fewer origins, or a shorter step or horizon"
        )
    origins = []
    for n, day in enumerate(chosen, start=1):
        try:
            split = temporal_split(
                [d for d in days if d <= day],
                known_on=known_on,
                horizon_months=horizon,
                delay_days=delay,
                n_calibrate=spec.split.n_calibrate,
                n_test=1,
            )
        except NotEnoughDataError as error:
            raise NotEnoughDataError(f"origin {n} of {n_origins} ({day}): {error}") from error
        origins.append(Origin(day, split))
    return tuple(origins)
