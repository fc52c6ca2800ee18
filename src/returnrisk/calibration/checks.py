"""What every calibration asks of rows, and what it says of a damaged state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from returnrisk.errors import BundleError, DataError, NotEnoughDataError

FloatArray = NDArray[np.float64]
Band = tuple[FloatArray, FloatArray]

# The nearest to 0 and 1 that still lie strictly between: a risk is never certain.
LEAST, MOST = float(np.finfo(np.float64).tiny), 1 - float(np.finfo(np.float64).epsneg)


def logistic(eta: FloatArray) -> FloatArray:
    """1 / (1 + exp(-eta)), kept strictly between 0 and 1."""
    with np.errstate(over="ignore"):  # exp(750) is inf and 1 / inf is the right answer
        return np.clip(1 / (1 + np.exp(-eta)), LEAST, MOST)


class Reading:
    """Turns whatever is wrong with a state into a BundleError that says so."""

    def __init__(self, method: str, state: Mapping[str, Any]) -> None:
        self.method = method
        self.found = state.get("method")

    def __enter__(self) -> None:
        if self.found != self.method:
            raise BundleError(f"this state is of calibration {self.found!r}; expected {self.method!r}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (KeyError, TypeError, ValueError)):
            raise BundleError(
                f"the state of a {self.method} calibration is incomplete or damaged ({error}); export it again"
            ) from error


def finite(log_odds: ArrayLike) -> FloatArray:
    """Log-odds as float64; DataError if any is missing or infinite."""
    x = np.asarray(log_odds, dtype=np.float64)
    bad = int((~np.isfinite(x)).sum())
    if bad:
        raise DataError(f"{bad} of {x.size} log-odds are missing or infinite; only computable households have a score to calibrate")
    return x


def checked_rows(log_odds: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log-odds, outcomes and weights, each (n,), of both outcomes; DataError or NotEnoughDataError if they are not."""
    x, outcome = finite(log_odds), np.asarray(y, dtype=np.float64)
    weight = np.ones(x.shape) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if x.ndim != 1 or outcome.shape != x.shape or weight.shape != x.shape:
        raise DataError(
            f"log-odds, outcomes and weights have shapes {x.shape}, {outcome.shape}, {weight.shape}; expected (n,) for all"
        )
    odd = int((~np.isin(outcome, (0.0, 1.0))).sum())
    if odd or not np.isfinite(weight).all() or (weight < 0).any():
        raise DataError(
            f"{odd} of {x.size} outcomes are neither 0 nor 1, or a weight is negative or not finite; drop censored rows first"
        )
    if not 0 < weight[outcome == 1].sum() < weight.sum():
        raise NotEnoughDataError(
            f"of {x.size} calibration rows {int(outcome.sum())} are events (with weight); calibration needs events and non-events:"
            " lengthen the calibration period or widen the cohort"
        )
    return x, outcome, weight


def refuse_order(outcome: FloatArray, *, found: str) -> NoReturn:
    """Refuse a curve that does not rise: every calibration says it in the same words."""
    raise NotEnoughDataError(
        f"on {len(outcome)} calibration rows ({int(outcome.sum())} events) risk does not rise with the score ({found}): the learner"
        " does not rank on later time, or the period is too short; check the learner, or lengthen the calibration period"
    )
