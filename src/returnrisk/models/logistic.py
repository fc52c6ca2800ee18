"""Logistic regression with its own preprocessing inside: the honest, simple comparison to the trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.models.base import FloatArray, RiskLearner

WINSOR_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True, slots=True)
class Term:
    """One standardised input of the regression: a feature's value, or whether it is missing.

    `column` is the position in the matrix; a value is clipped to [low, high], a missing one replaced by `fill`, then
    (value - mean) / scale. `coefficient` is in log-odds per training standard deviation.
    """

    column: int
    is_missing: bool
    low: float
    high: float
    fill: float
    mean: float
    scale: float
    coefficient: float

    def apply(self, values: FloatArray) -> FloatArray:
        """Standardised input (n,) from the column's raw values (n,)."""
        missing = np.isnan(values)
        raw = missing.astype(np.float64) if self.is_missing else np.where(missing, self.fill, np.clip(values, self.low, self.high))
        return (raw - self.mean) / self.scale


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

    def __init__(self, *, feature_names: Sequence[str] | None = None, C: float = 1.0) -> None:
        self.feature_names = feature_names
        self.C = C

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn preprocessing and coefficients; input and errors as `LightGBMRisk.fit`."""
        from sklearn.linear_model import LogisticRegression

        matrix, outcome, weight = self._training_input(X, y, sample_weight)
        terms = [term for j in range(matrix.shape[1]) for term in _column_terms(matrix[:, j], column=j)]
        if terms:
            design = np.column_stack([term.apply(matrix[:, term.column]) for term in terms])
            model = LogisticRegression(C=self.C, solver="newton-cholesky", tol=1e-8)
            model.fit(design, outcome, sample_weight=weight)
            self.terms_ = tuple(Term(**{**asdict(t), "coefficient": float(c)}) for t, c in zip(terms, model.coef_[0], strict=True))
            self.intercept_ = float(model.intercept_[0])
        else:  # every column constant: the base rate is all there is
            rate = float(np.average(outcome, weights=weight))
            self.terms_, self.intercept_ = (), float(np.log(rate / (1 - rate)))
        return self

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Log-odds of the event, (n,), not calibrated.

        Summed term by term, not as a matrix product: so a row's last bit does not depend on which rows stand beside it.
        """
        matrix = self._matrix(X)
        total = np.full(len(matrix), self.intercept_)
        for term in self.terms_:
            total += term.coefficient * term.apply(matrix[:, term.column])
        return total

    def _fitted_state(self) -> dict[str, Any]:
        terms = {field.name: [getattr(term, field.name) for term in self.terms_] for field in fields(Term)}
        return {"intercept": self.intercept_, "terms": terms}

    def _restore(self, state: Mapping[str, Any]) -> None:
        names = [field.name for field in fields(Term)]
        rows = zip(*(state["terms"][name] for name in names), strict=True)
        self.terms_ = tuple(Term(**dict(zip(names, row, strict=True))) for row in rows)
        self.intercept_ = float(state["intercept"])


def _column_terms(values: FloatArray, *, column: int) -> list[Term]:
    """Inputs that one column gives, coefficient still 0; none if it tells nothing."""
    missing = np.isnan(values)
    known = values[~missing]
    terms = []
    if known.size:
        low, high = (float(q) for q in np.percentile(known, WINSOR_PERCENTILES))
        if low == high:
            low, high = float(known.min()), float(known.max())
        fill = float(np.median(np.clip(known, low, high)))
        terms.append(Term(column, is_missing=False, low=low, high=high, fill=fill, mean=0.0, scale=1.0, coefficient=0.0))
    if missing.any():
        terms.append(Term(column, is_missing=True, low=0.0, high=1.0, fill=0.0, mean=0.0, scale=1.0, coefficient=0.0))
    scaled = []
    for term in terms:
        raw = term.apply(values)
        if raw.min() < raw.max():
            scaled.append(Term(**{**asdict(term), "mean": float(raw.mean()), "scale": float(raw.std())}))
    return scaled
