"""Sigmoid calibration: a straight line on the log-odds scale, two numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.calibration.checks import FloatArray, Reading, checked_rows, finite, logistic, refuse_order
from returnrisk.errors import NotEnoughDataError


@dataclass(frozen=True, slots=True)
class SigmoidCalibration:
    """risk = 1 / (1 + exp(-(intercept + slope x log-odds))), slope above 0.

    Unpenalised maximum likelihood, so that on the calibration rows the mean risk equals the base rate. Platt's smoothed targets
    are off by default (they pull the mean risk off the base rate) and worth turning on when there are only a few dozen events.

    Attributes
    ----------
    intercept, slope
        In log-odds; 0 and 1 change nothing.
    n, n_events
        Rows it was fitted on.
    smooth_targets
        Whether events counted as (N+ + 1) / (N+ + 2) and non-events as 1 / (N- + 2).

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines.

    Examples
    --------
    >>> calibration = SigmoidCalibration.fit([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0], [0, 0, 1, 0, 1, 1])
    >>> low, high = calibration.apply([-3.0, 2.0])
    >>> bool(0 < low < high < 1)
    True
    >>> SigmoidCalibration.fit([-3.0, -2.0, 1.0, 2.0], [1, 1, 0, 1])
    Traceback (most recent call last):
        ...
    returnrisk.errors.NotEnoughDataError: on 4 calibration rows (3 events) risk does not rise with the score (slope -0.5667): the \
learner does not rank on later time, or the period is too short; check the learner, or lengthen the calibration period
    """

    method: ClassVar[str] = "sigmoid"

    intercept: float
    slope: float
    n: int
    n_events: int
    smooth_targets: bool = False

    @classmethod
    def fit(
        cls, log_odds: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *, smooth_targets: bool = False
    ) -> Self:
        """Fit intercept and slope.

        Parameters
        ----------
        log_odds
            (n,) of the learner, on rows it was not fitted on.
        y
            (n,) 0 or 1.
        sample_weight
            (n,) of at least 0, or None.

        Raises
        ------
        DataError
            Shapes differ, values are not finite, or an outcome is neither 0 nor 1.
        NotEnoughDataError
            One class only, a constant score, a score that separates the classes, or a slope that is not above 0.
        """
        from returnrisk.evaluation.recalibration import logistic_line

        x, outcome, weight = checked_rows(log_odds, y, sample_weight)
        events = float(weight[outcome == 1].sum())
        others = float(weight.sum()) - events
        target = np.where(outcome == 1, (events + 1) / (events + 2), 1 / (others + 2)) if smooth_targets else outcome
        intercept, slope = logistic_line(x, target, weight)
        if np.isnan(slope):
            raise NotEnoughDataError(
                f"on {len(x)} calibration rows ({int(outcome.sum())} events) the score is constant or separates the classes, so that no"
                " slope is best; lengthen the calibration period, or turn smooth_targets on"
            )
        if slope <= 0:
            refuse_order(outcome, found=f"slope {slope:.4f}")
        return cls(intercept=intercept, slope=slope, n=len(x), n_events=int(outcome.sum()), smooth_targets=smooth_targets)

    def apply(self, log_odds: ArrayLike) -> FloatArray:
        """Risk in (0, 1), same shape; rises strictly with the log-odds as far as float64 can tell."""
        return logistic(self.intercept + self.slope * finite(log_odds))

    def band(self, log_odds: ArrayLike) -> None:  # noqa: ARG002 (the same question to every calibration)
        """None: one curve and no second; an interval of its two numbers would not be one of a household's risk."""
        return

    def to_state(self) -> dict[str, Any]:
        """JSON-able state; `restore_calibration` gives the same risks from it, bit for bit."""
        return {
            "method": self.method,
            "intercept": self.intercept,
            "slope": self.slope,
            "n": self.n,
            "n_events": self.n_events,
            "smooth_targets": self.smooth_targets,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Give back the calibration that wrote `state`; BundleError if it is another's or damaged."""
        with Reading(cls.method, state):
            result = cls(**{name: state[name] for name in ("intercept", "slope", "n", "n_events", "smooth_targets")})
            if not (np.isfinite(result.intercept) and np.isfinite(result.slope) and result.slope > 0):
                raise ValueError("slope not above 0")
        return result
