"""From a learner's log-odds to a risk that may be read as a share: of a hundred such households so many will fall.

Fitted on later time than the learner. A sigmoid keeps every difference of rank; an isotonic calibration joins neighbours into plateaus
(and so makes ties): rank by log-odds or by a sigmoid's risk, and take isotonic only where events are plentiful.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from returnrisk.errors import BundleError, DataError, NotEnoughDataError, UnknownNameError

FloatArray = NDArray[np.float64]
CalibrationMethod = Literal["isotonic", "sigmoid"]
CALIBRATIONS: tuple[CalibrationMethod, ...] = ("isotonic", "sigmoid")

# The nearest to 0 and 1 that still lie strictly between: a risk is never certain.
LEAST, MOST = float(np.finfo(np.float64).tiny), 1 - float(np.finfo(np.float64).epsneg)


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

    method: ClassVar[CalibrationMethod] = "sigmoid"

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

        x, outcome, weight = _checked(log_odds, y, sample_weight)
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
            _refuse_order(outcome, found=f"slope {slope:.4f}")
        return cls(intercept=intercept, slope=slope, n=len(x), n_events=int(outcome.sum()), smooth_targets=smooth_targets)

    def apply(self, log_odds: ArrayLike) -> FloatArray:
        """Risk in (0, 1), same shape; rises strictly with the log-odds as far as float64 can tell."""
        x = _finite(log_odds)
        with np.errstate(over="ignore"):  # exp(750) is inf and 1 / inf is the right answer
            return np.clip(1 / (1 + np.exp(-(self.intercept + self.slope * x))), LEAST, MOST)

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
        with _Reading(cls.method, state):
            result = cls(**{name: state[name] for name in ("intercept", "slope", "n", "n_events", "smooth_targets")})
            if not (np.isfinite(result.intercept) and np.isfinite(result.slope) and result.slope > 0):
                raise ValueError("slope not above 0")
        return result


@dataclass(frozen=True, slots=True)
class IsotonicCalibration:
    """risk = a rising curve through the calibration rows, as flat or steep as they are; flat outside their range.

    The curve is the isotonic least-squares fit, kept within 1 / (n + 2) of 0 and 1 (n rows): what was never seen is not impossible.
    Between knots it is a straight line.

    Attributes
    ----------
    knots, risks
        Log-odds and risk at the corners of the curve, both rising.
    n, n_events
        Rows it was fitted on.

    References
    ----------
    Zadrozny, Elkan (2002), Transforming classifier scores into accurate multiclass probability estimates.

    Examples
    --------
    >>> calibration = IsotonicCalibration.fit([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0], [0, 0, 1, 0, 1, 1])
    >>> calibration.apply([-9.0, -0.5, 9.0]).tolist()
    [0.125, 0.5, 0.875]
    """

    method: ClassVar[CalibrationMethod] = "isotonic"

    knots: tuple[float, ...]
    risks: tuple[float, ...]
    n: int
    n_events: int

    @classmethod
    def fit(cls, log_odds: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the curve; parameters and errors as `SigmoidCalibration.fit`, a flat curve instead of a slope not above 0."""
        from sklearn.isotonic import IsotonicRegression

        x, outcome, weight = _checked(log_odds, y, sample_weight)
        margin = 1 / (len(x) + 2)
        model = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip")
        model.fit(x, outcome, sample_weight=weight)
        knots, risks = np.asarray(model.X_thresholds_, np.float64), np.asarray(model.y_thresholds_, np.float64)
        if risks[0] == risks[-1]:
            _refuse_order(outcome, found="one flat curve")
        return cls(knots=tuple(knots.tolist()), risks=tuple(risks.tolist()), n=len(x), n_events=int(outcome.sum()))

    def apply(self, log_odds: ArrayLike) -> FloatArray:
        """Risk in (0, 1), same shape; never falls with the log-odds."""
        return np.asarray(np.interp(_finite(log_odds), self.knots, self.risks), dtype=np.float64)

    def to_state(self) -> dict[str, Any]:
        """JSON-able state; `restore_calibration` gives the same risks from it, bit for bit."""
        return {
            "method": self.method,
            "knots": list(self.knots),
            "risks": list(self.risks),
            "n": self.n,
            "n_events": self.n_events,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Give back the calibration that wrote `state`; BundleError if it is another's or damaged."""
        with _Reading(cls.method, state):
            knots, risks = tuple(map(float, state["knots"])), tuple(map(float, state["risks"]))
            rising = np.all(np.diff(knots) > 0) and np.all(np.diff(risks) >= 0)
            if len(knots) != len(risks) or not knots or not rising or not 0 < risks[0] <= risks[-1] < 1:
                raise ValueError("knots and risks do not rise together within (0, 1)")
            return cls(knots=knots, risks=risks, n=int(state["n"]), n_events=int(state["n_events"]))


Calibration = SigmoidCalibration | IsotonicCalibration


def fit_calibration(method: str, log_odds: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Calibration:
    """Fit the calibration that a model specification names, "sigmoid" or "isotonic".

    Raises
    ------
    UnknownNameError
        Another name.
    DataError, NotEnoughDataError
        As `SigmoidCalibration.fit`.

    Examples
    --------
    >>> fit_calibration("sigmoid", [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0], [0, 0, 1, 0, 1, 1]).n_events
    3
    """
    return _calibration_class(method).fit(log_odds, y, sample_weight)


def restore_calibration(state: Mapping[str, Any]) -> Calibration:
    """Give back the calibration that wrote `state`, reading its `method`.

    Raises
    ------
    UnknownNameError
        `state["method"]` names no calibration.
    BundleError
        The state is incomplete or damaged.
    """
    return _calibration_class(str(state.get("method"))).from_state(state)


def _calibration_class(method: str) -> type[SigmoidCalibration | IsotonicCalibration]:
    if method == "sigmoid":
        return SigmoidCalibration
    if method == "isotonic":
        return IsotonicCalibration
    raise UnknownNameError("calibration", method, CALIBRATIONS)


class _Reading:
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


def _finite(log_odds: ArrayLike) -> FloatArray:
    x = np.asarray(log_odds, dtype=np.float64)
    bad = int((~np.isfinite(x)).sum())
    if bad:
        raise DataError(f"{bad} of {x.size} log-odds are missing or infinite; only computable households have a score to calibrate")
    return x


def _checked(log_odds: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    x, outcome = _finite(log_odds), np.asarray(y, dtype=np.float64)
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


def _refuse_order(outcome: FloatArray, *, found: str) -> NoReturn:
    raise NotEnoughDataError(
        f"on {len(outcome)} calibration rows ({int(outcome.sum())} events) risk does not rise with the score ({found}): the learner"
        " does not rank on later time, or the period is too short; check the learner, or lengthen the calibration period"
    )
