"""Income per head relative to the line, and nothing else: the simplest thing a county could do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.errors import ConfigError, NotEnoughDataError, UnknownNameError
from returnrisk.models.base import FloatArray, RiskLearner

# The ranking is fixed (poorer first). Should training data want it the other way, the slope stops here: order kept, risk flat.
FLATTEST_SLOPE = -1e-6
# On the standardised scale; too weak to move an estimate (1e-4 against hundreds), strong enough to keep separable data finite.
INVERSE_PENALTY = 1e4


class IncomeOnly(RiskLearner):
    """Rank by one column, income per head divided by the line: the lower, the riskier.

    The log-odds is a straight line in the logarithm of the ratio, fitted by logistic regression with a slope below 0. Below `floor`
    (and for a negative ratio) the logarithm goes on along its tangent, so that poorer is always riskier. A household without a
    ratio gets the base rate of the training rows.

    Parameters
    ----------
    feature_names
        Names of the columns, in order.
    column
        Name of the ratio's column.
    floor
        Ratio below which the tangent replaces the logarithm; above 0.
    poorer_is_riskier
        Hold the slope below 0. False for an outcome that is not about the line (a collapse of income rather meets those who had
        a good year): the slope is what the training rows say.

    Examples
    --------
    >>> import numpy as np
    >>> ratio = np.array([[0.9], [1.0], [1.2], [1.5], [2.0], [3.0]])
    >>> learner = IncomeOnly(feature_names=("line_ratio",), column="line_ratio").fit(ratio, [1, 1, 0, 1, 0, 0])
    >>> risk = learner.predict_proba([[-0.5], [1.0], [2.0], [np.nan]])[:, 1]
    >>> bool(risk[0] > risk[1] > risk[2]), round(float(risk[3]), 6)
    (True, 0.5)
    >>> IncomeOnly(feature_names=("line_ratio",), column="ratio").fit(ratio, [1, 1, 0, 1, 0, 0])
    Traceback (most recent call last):
        ...
    returnrisk.errors.UnknownNameError: unknown feature 'ratio'; did you mean 'line_ratio'? known: line_ratio
    """

    kind: ClassVar[str] = "income_only"
    slope_: float
    intercept_: float
    base_log_odds_: float

    def __init__(
        self,
        *,
        feature_names: Sequence[str] | None = None,
        column: str | None = None,
        floor: float = 0.2,
        poorer_is_riskier: bool = True,
    ) -> None:
        self.feature_names = feature_names
        self.column = column
        self.floor = floor
        self.poorer_is_riskier = poorer_is_riskier

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit slope and intercept on the rows with a ratio; input and errors as `LightGBMRisk.fit`.

        Raises
        ------
        ConfigError, UnknownNameError
            No column named, one that is not there, or a floor of 0 or less.
        NotEnoughDataError
            The rows with a ratio hold only events, or none.
        """
        from sklearn.linear_model import LogisticRegression

        matrix, outcome, weight = self._training_input(X, y, sample_weight)
        if not self.floor > 0:
            raise ConfigError(f"income_only: floor is {self.floor}; expected a ratio above 0")
        position = self._log_ratio(matrix)
        known = ~np.isnan(position) & (weight > 0)
        if len(np.unique(outcome[known])) < 2:
            raise NotEnoughDataError(
                f"income_only: the {int(known.sum())} rows with a recorded '{self.column}' hold {int(outcome[known].sum())} events;"
                " expected events and non-events: widen the fit period or deliver the income table"
            )
        self.base_log_odds_ = _log_odds(float(np.average(outcome, weights=weight)))
        center, spread = float(position[known].mean()), float(position[known].std()) or 1.0
        model = LogisticRegression(C=INVERSE_PENALTY, solver="newton-cholesky", tol=1e-10)
        model.fit((position[known, None] - center) / spread, outcome[known], sample_weight=weight[known])
        self.slope_ = float(model.coef_[0, 0]) / spread
        self.intercept_ = float(model.intercept_[0]) - self.slope_ * center
        if self.poorer_is_riskier and self.slope_ > FLATTEST_SLOPE:
            self.slope_ = FLATTEST_SLOPE
            self.intercept_ = _log_odds(float(np.average(outcome[known], weights=weight[known]))) - self.slope_ * center
        return self

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Log-odds of the event, (n,), falling in the ratio; the base rate's where the ratio is missing."""
        position = self._log_ratio(self._matrix(X))
        return np.where(np.isnan(position), self.base_log_odds_, self.intercept_ + self.slope_ * position)

    def _log_ratio(self, matrix: FloatArray) -> FloatArray:
        """Logarithm of the ratio (n,), continued along its tangent below `floor`; NaN stays NaN."""
        if self.column is None:
            raise ConfigError("income_only needs `column`: the feature that holds income per head divided by the line")
        if self.column not in self.feature_names_:
            raise UnknownNameError("feature", self.column, self.feature_names_)
        ratio = matrix[:, self.feature_names_.index(self.column)]
        tangent = np.log(self.floor) + (ratio - self.floor) / self.floor
        return np.where(ratio < self.floor, tangent, np.log(np.maximum(ratio, self.floor)))

    def _fitted_state(self) -> dict[str, Any]:
        return {"slope": self.slope_, "intercept": self.intercept_, "base_log_odds": self.base_log_odds_}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.slope_, self.intercept_ = float(state["slope"]), float(state["intercept"])
        self.base_log_odds_ = float(state["base_log_odds"])


def _log_odds(rate: float) -> float:
    return float(np.log(rate / (1 - rate)))
