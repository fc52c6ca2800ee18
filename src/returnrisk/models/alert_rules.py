"""The alert rules as a score: what a county would visit by if it had its rules and no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.errors import UnknownNameError
from returnrisk.models.base import FloatArray, RiskLearner

# More alerts first is the county's order, whatever the rows say. Should they want it the other way, the slope stops here.
FLATTEST_SLOPE = 1e-6
INVERSE_PENALTY = 1e4


class AlertRules(RiskLearner):
    """Rank by alerts: those that ask for a visit first, then all of them; equal numbers are equal.

    Position = visits asked for + n / (n + 1) of all alerts: lexicographic, since the second is below 1. The log-odds is a straight line
    in the position, fitted by logistic regression with a slope above 0: the order is the rules', only the level is learnt. A household whose
    alerts are not known gets the base rate.

    Parameters
    ----------
    feature_names
        Names of the columns, in order.
    must_visit, alerts
        Columns of the two numbers.

    Examples
    --------
    >>> learner = AlertRules(feature_names=("n_must_visit_alerts", "n_alerts"))
    >>> X = [[0.0, 0.0], [0.0, 2.0], [1.0, 1.0], [2.0, 2.0]]
    >>> risk = learner.fit(X * 20, [0, 0, 1, 1] * 19 + [1, 1, 0, 0]).predict_proba(X)[:, 1]
    >>> bool((np.diff(risk) > 0).all())
    True
    >>> AlertRules(feature_names=("n_alerts",)).fit([[0.0], [1.0]], [0, 1])
    Traceback (most recent call last):
        ...
    returnrisk.errors.UnknownNameError: unknown feature 'n_must_visit_alerts'; known: n_alerts
    """

    kind: ClassVar[str] = "alert_rules"
    slope_: float
    intercept_: float
    base_log_odds_: float

    def __init__(
        self,
        *,
        feature_names: Sequence[str] | None = None,
        must_visit: str = "n_must_visit_alerts",
        alerts: str = "n_alerts",
    ) -> None:
        self.feature_names = feature_names
        self.must_visit = must_visit
        self.alerts = alerts

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit slope and intercept on the rows with known alerts; input and errors as `LightGBMRisk.fit`.

        Raises
        ------
        UnknownNameError
            One of the two columns is not there.
        """
        from sklearn.linear_model import LogisticRegression

        matrix, outcome, weight = self._training_input(X, y, sample_weight)
        position = self._position(matrix)
        known = ~np.isnan(position) & (weight > 0)
        self.base_log_odds_ = _log_odds(float(np.average(outcome, weights=weight)))
        self.slope_, self.intercept_ = FLATTEST_SLOPE, self.base_log_odds_
        if len(np.unique(outcome[known])) < 2 or len(np.unique(position[known])) < 2:
            return self
        model = LogisticRegression(C=INVERSE_PENALTY, solver="newton-cholesky", tol=1e-10)
        model.fit(position[known, None], outcome[known], sample_weight=weight[known])
        self.slope_, self.intercept_ = float(model.coef_[0, 0]), float(model.intercept_[0])
        if self.slope_ < FLATTEST_SLOPE:
            self.slope_ = FLATTEST_SLOPE
            self.intercept_ = _log_odds(float(np.average(outcome[known], weights=weight[known])))
        return self

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Log-odds of the event, (n,), rising with the alerts; the base rate's where they are not known."""
        position = self._position(self._matrix(X))
        return np.where(np.isnan(position), self.base_log_odds_, self.intercept_ + self.slope_ * position)

    def contributions(self, X: ArrayLike) -> FloatArray:
        """What each column adds to the log-odds against a household without alerts, (n, p + 1); the last is the reference.

        The two parts of the position times the slope, exact since they add up; where the alerts are not known the reference is the
        base rate's.
        """
        matrix = self._matrix(X)
        visits, every = self._columns()
        parts = np.zeros((len(matrix), matrix.shape[1] + 1))
        known = ~np.isnan(self._position(matrix))
        n = matrix[known][:, [visits, every]]
        parts[np.flatnonzero(known), visits] += self.slope_ * n[:, 0]
        parts[np.flatnonzero(known), every] += self.slope_ * n[:, 1] / (n[:, 1] + 1)
        parts[:, -1] = np.where(known, self.intercept_, self.base_log_odds_)
        return parts

    def _columns(self) -> tuple[int, int]:
        for name in (self.must_visit, self.alerts):
            if name not in self.feature_names_:
                raise UnknownNameError("feature", name, self.feature_names_)
        return self.feature_names_.index(self.must_visit), self.feature_names_.index(self.alerts)

    def _position(self, matrix: FloatArray) -> FloatArray:
        visits, every = self._columns()
        return alert_position(matrix[:, visits], matrix[:, every])

    def _fitted_state(self) -> dict[str, Any]:
        return {"slope": self.slope_, "intercept": self.intercept_, "base_log_odds": self.base_log_odds_}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.slope_, self.intercept_ = float(state["slope"]), float(state["intercept"])
        self.base_log_odds_ = float(state["base_log_odds"])


def alert_position(n_must_visit: ArrayLike, n_alerts: ArrayLike) -> FloatArray:
    """Where a county with rules and no model would place households, (n,): by alerts that ask for a visit, then by all alerts.

    Examples
    --------
    >>> alert_position([0, 0, 1, 2], [0, 3, 1, 2]).round(2).tolist()
    [0.0, 0.75, 1.5, 2.67]
    """
    visits, every = (np.maximum(np.asarray(n, dtype=np.float64), 0.0) for n in (n_must_visit, n_alerts))
    return np.asarray(visits + every / (every + 1))


def _log_odds(rate: float) -> float:
    return float(np.log(rate / (1 - rate)))
