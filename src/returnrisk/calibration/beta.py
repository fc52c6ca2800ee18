"""Beta calibration: a line on the log-odds scale whose slope may differ at the top, shrunk towards one slope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.calibration.checks import FloatArray, Reading, checked_rows, finite, logistic, refuse_order
from returnrisk.errors import NotEnoughDataError

BEND_DEVIATION = 1.0
"""How far the two slopes differ before anything is seen: standard deviation of a normal prior around no difference (assumed)."""


@dataclass(frozen=True, slots=True)
class BetaCalibration:
    """log-odds of risk = intercept + low x ln p - high x ln(1 - p), p the learner's probability; low and high at least 0, one above.

    Where p is small the slope over the learner's log-odds is `low`, where it is near 1 `high`; equal, they are the sigmoid. At a
    base rate of a few per cent few households tell the second from the first, so their difference is shrunk towards 0 by a normal
    prior of standard deviation 1 (`BEND_DEVIATION`): with few events the curve is the sigmoid, with many the prior is not felt. The
    intercept is not penalised: on the calibration rows the mean risk equals the base rate. A slope that would be negative is 0.

    Attributes
    ----------
    intercept, low, high
        In log-odds; 0, 1, 1 change nothing.
    n, n_events
        Rows it was fitted on.

    References
    ----------
    Kull, Silva Filho, Flach (2017), Beta calibration: a well-founded and easily implemented improvement on logistic calibration for
    binary classifiers. The penalty is ours.

    Examples
    --------
    >>> calibration = BetaCalibration.fit([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0], [0, 0, 1, 0, 1, 1])
    >>> low, high = calibration.apply([-3.0, 2.0])
    >>> bool(0 < low < high < 1)
    True
    >>> BetaCalibration(intercept=0.0, low=1.0, high=1.0, n=2, n_events=1).apply([0.0]).tolist()
    [0.5]
    """

    method: ClassVar[str] = "beta"

    intercept: float
    low: float
    high: float
    n: int
    n_events: int

    @classmethod
    def fit(cls, log_odds: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the three numbers; parameters and errors as `SigmoidCalibration.fit`."""
        from returnrisk.evaluation.recalibration import penalised_logistic, separated

        x, outcome, weight = checked_rows(log_odds, y, sample_weight)
        used = weight > 0
        x, outcome, weight = x[used], outcome[used], weight[used]
        if x.min() == x.max() or separated(x, outcome):
            raise NotEnoughDataError(
                f"on {len(x)} calibration rows ({int(outcome.sum())} events) the score is constant or separates the classes, so that no"
                " slope is best; lengthen the calibration period"
            )

        def fitted(columns: FloatArray, penalty: FloatArray) -> tuple[float, ...]:
            return penalised_logistic(columns, outcome, weight, penalty=np.pad(penalty, ((1, 0), (1, 0))))

        # over (low, high): |high - low|^2 / (2 sd^2)
        tie = np.array([[1.0, -1.0], [-1.0, 1.0]]) / BEND_DEVIATION**2
        columns = _columns(x)
        intercept, low, high = fitted(columns, tie)
        if low < 0 or high < 0:  # the loss is convex: the best allowed curve has the negative slope at 0
            kept = int(low < 0)
            intercept, only = fitted(columns[:, [kept]], tie[kept : kept + 1, kept : kept + 1])
            low, high = (0.0, only) if kept else (only, 0.0)
        if min(low, high) < 0 or max(low, high) <= 0:
            refuse_order(outcome, found=f"slopes {low:.4f} and {high:.4f}")
        return cls(intercept=intercept, low=low, high=high, n=len(x), n_events=int(outcome.sum()))

    def apply(self, log_odds: ArrayLike) -> FloatArray:
        """Risk in (0, 1), same shape; rises with the log-odds as far as float64 can tell."""
        x = finite(log_odds)
        return logistic(self.intercept + self.high * x + (self.high - self.low) * np.logaddexp(0, -x))

    def band(self, log_odds: ArrayLike) -> None:  # noqa: ARG002 (the same question to every calibration)
        """None: one curve and no second; an interval of its numbers would not be one of a household's risk."""
        return

    def to_state(self) -> dict[str, Any]:
        """JSON-able state; `restore_calibration` gives the same risks from it, bit for bit."""
        return {
            "method": self.method,
            "intercept": self.intercept,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "n_events": self.n_events,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Give back the calibration that wrote `state`; BundleError if it is another's or damaged."""
        with Reading(cls.method, state):
            intercept, low, high = (float(state[name]) for name in ("intercept", "low", "high"))
            if not (np.isfinite([intercept, low, high]).all() and min(low, high) >= 0 and max(low, high) > 0):
                raise ValueError("slopes not above 0")
            return cls(intercept=intercept, low=low, high=high, n=int(state["n"]), n_events=int(state["n_events"]))


def _columns(x: FloatArray) -> FloatArray:
    """Columns ln p and -ln(1 - p) of log-odds, (n, 2), without overflow."""
    return np.stack([-np.logaddexp(0, -x), np.logaddexp(0, x)], axis=1)
