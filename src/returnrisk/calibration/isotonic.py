"""Isotonic calibration: any rising curve, as many corners as the rows ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.calibration.checks import FloatArray, Reading, checked_rows, finite, refuse_order


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

    method: ClassVar[str] = "isotonic"

    knots: tuple[float, ...]
    risks: tuple[float, ...]
    n: int
    n_events: int

    @classmethod
    def fit(cls, log_odds: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the curve; parameters and errors as `SigmoidCalibration.fit`, a flat curve instead of a slope not above 0."""
        from sklearn.isotonic import IsotonicRegression

        x, outcome, weight = checked_rows(log_odds, y, sample_weight)
        margin = 1 / (len(x) + 2)
        model = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip")
        model.fit(x, outcome, sample_weight=weight)
        knots, risks = np.asarray(model.X_thresholds_, np.float64), np.asarray(model.y_thresholds_, np.float64)
        if risks[0] == risks[-1]:
            refuse_order(outcome, found="one flat curve")
        return cls(knots=tuple(knots.tolist()), risks=tuple(risks.tolist()), n=len(x), n_events=int(outcome.sum()))

    def apply(self, log_odds: ArrayLike) -> FloatArray:
        """Risk in (0, 1), same shape; never falls with the log-odds."""
        return np.asarray(np.interp(finite(log_odds), self.knots, self.risks), dtype=np.float64)

    def band(self, log_odds: ArrayLike) -> None:  # noqa: ARG002 (the same question to every calibration)
        """None: one curve and no second; `venn_abers` is the isotonic calibration that shows how far one more household would move it."""
        return

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
        with Reading(cls.method, state):
            knots, risks = tuple(map(float, state["knots"])), tuple(map(float, state["risks"]))
            rising = np.all(np.diff(knots) > 0) and np.all(np.diff(risks) >= 0)
            if len(knots) != len(risks) or not knots or not rising or not 0 < risks[0] <= risks[-1] < 1:
                raise ValueError("knots and risks do not rise together within (0, 1)")
            return cls(knots=knots, risks=risks, n=int(state["n"]), n_events=int(state["n_events"]))
