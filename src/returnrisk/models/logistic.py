"""Logistic regression with its own preprocessing inside: the honest, simple comparison to the trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.models.base import FloatArray, RiskLearner
from returnrisk.models.terms import (
    Term,
    design,
    linear_parts,
    linear_predictor,
    matrix_terms,
    terms_from_state,
    terms_state,
    with_coefficients,
)


class LogisticRisk(RiskLearner):
    """L2 logistic regression on winsorised, imputed, standardised columns.

    Every column is clipped at its training 0.5 and 99.5 percentiles (a column whose two percentiles coincide, such as a rare
    flag, keeps its range), its missing values become the training median, and a column with missing values in training adds an
    input that says so. Inputs that were constant in training are dropped. Percentiles, medians, means and standard deviations
    are of the rows, not weighted; `sample_weight` weights the likelihood.

    Parameters
    ----------
    feature_names
        Names of the columns, in order. None: taken from a frame's columns, else f0, f1, ...
    C
        Inverse strength of the penalty, as in scikit-learn; the intercept is not penalised.
    columns
        Features it may use: a short list that people can read. None: all.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 2))
    >>> y = (rng.random(400) < 1 / (1 + np.exp(X[:, 0]))).astype(int)
    >>> learner = LogisticRisk(feature_names=("line_ratio", "noise")).fit(X, y)
    >>> [term.coefficient < -0.5 for term in learner.terms_]
    [True, False]
    >>> learner.decision_function([[0.0, 0.0, 0.0]])
    Traceback (most recent call last):
        ...
    returnrisk.errors.DataError: the matrix has 3 columns, the logistic learner knows 2 (line_ratio, noise): build the matrix \
from the learner's own feature_names_
    """

    kind: ClassVar[str] = "logistic"
    terms_: tuple[Term, ...]
    intercept_: float

    def __init__(self, *, feature_names: Sequence[str] | None = None, C: float = 1.0, columns: Sequence[str] | None = None) -> None:
        self.feature_names = feature_names
        self.C = C
        self.columns = columns

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn preprocessing and coefficients; input and errors as `LightGBMRisk.fit`."""
        from sklearn.linear_model import LogisticRegression

        matrix, outcome, weight = self._training_input(X, y, sample_weight)
        terms = matrix_terms(matrix, columns=self._positions(self.columns), fill="median")
        if terms:
            model = LogisticRegression(C=self.C, solver="newton-cholesky", tol=1e-8)
            model.fit(design(terms, matrix), outcome, sample_weight=weight)
            self.terms_ = with_coefficients(terms, model.coef_[0])
            self.intercept_ = float(model.intercept_[0])
        else:  # every column constant: the base rate is all there is
            rate = float(np.average(outcome, weights=weight))
            self.terms_, self.intercept_ = (), float(np.log(rate / (1 - rate)))
        return self

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Log-odds of the event, (n,), not calibrated."""
        matrix = self._matrix(X)
        return linear_predictor(self.terms_, self.intercept_, matrix)

    def contributions(self, X: ArrayLike) -> FloatArray:
        """What each feature adds to the log-odds against a household at the training means, (n, p + 1); the last is the intercept.

        Exact Shapley values where features are taken as independent (a linear model); a row sums to `decision_function`.
        """
        matrix = self._matrix(X)
        parts = linear_parts(self.terms_, matrix)
        return np.column_stack([parts, np.full(len(parts), self.intercept_)])

    def _fitted_state(self) -> dict[str, Any]:
        return {"intercept": self.intercept_, "terms": terms_state(self.terms_)}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.terms_ = terms_from_state(state["terms"])
        self.intercept_ = float(state["intercept"])
