"""Readable inputs of a regression: a column's value or its absence, winsorised, filled and standardised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from returnrisk.models.base import FloatArray

WINSOR_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True, slots=True)
class Term:
    """One standardised input of the regression: a feature's value, or whether it is missing.

    `column` is the position in the matrix; a value is clipped to [low, high], a missing one replaced by `fill`, then
    (value - mean) / scale. `coefficient` is per training standard deviation, on the scale of its learner.
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


def column_terms(values: FloatArray, *, column: int, fill: Literal["median", "mean"]) -> list[Term]:
    """Inputs that one column gives, coefficient still 0; none if it tells nothing (constant, or missing in every row).

    The value is clipped at its 0.5 and 99.5 percentiles (a column whose two percentiles coincide, such as a rare flag, keeps its
    range); missing values become its median or mean; a column with missing values adds an input that says so.
    """
    missing = np.isnan(values)
    known = values[~missing]
    terms = []
    if known.size:
        low, high = (float(q) for q in np.percentile(known, WINSOR_PERCENTILES))
        if low == high:
            low, high = float(known.min()), float(known.max())
        clipped = np.clip(known, low, high)
        filled = float(np.median(clipped) if fill == "median" else np.mean(clipped))
        terms.append(Term(column, is_missing=False, low=low, high=high, fill=filled, mean=0.0, scale=1.0, coefficient=0.0))
    if missing.any():
        terms.append(Term(column, is_missing=True, low=0.0, high=1.0, fill=0.0, mean=0.0, scale=1.0, coefficient=0.0))
    scaled = []
    for term in terms:
        raw = term.apply(values)
        if raw.min() < raw.max():
            scaled.append(replace(term, mean=float(raw.mean()), scale=float(raw.std())))
    return scaled


def matrix_terms(matrix: FloatArray, *, columns: Sequence[int], fill: Literal["median", "mean"]) -> list[Term]:
    """Inputs of the chosen columns, in their order."""
    return [term for j in columns for term in column_terms(matrix[:, j], column=j, fill=fill)]


def design(terms: Sequence[Term], matrix: FloatArray) -> FloatArray:
    """Standardised inputs (n, number of terms)."""
    return np.column_stack([np.empty((len(matrix), 0)), *(term.apply(matrix[:, term.column]) for term in terms)])


def with_coefficients(terms: Sequence[Term], coefficients: Sequence[float] | FloatArray) -> tuple[Term, ...]:
    """The terms with what was estimated for them."""
    return tuple(replace(term, coefficient=float(c)) for term, c in zip(terms, coefficients, strict=True))


def linear_predictor(terms: Sequence[Term], intercept: float, matrix: FloatArray) -> FloatArray:
    """Intercept plus every term's part, (n,).

    Summed term by term, not as a matrix product: so a row's last bit does not depend on which rows stand beside it.
    """
    total = np.full(len(matrix), intercept)
    for term in terms:
        total += term.coefficient * term.apply(matrix[:, term.column])
    return total


def linear_parts(terms: Sequence[Term], matrix: FloatArray) -> FloatArray:
    """What each column adds to the linear predictor, (n, p); against a row at the training means, where all parts are 0."""
    parts = np.zeros(matrix.shape)
    for term in terms:
        parts[:, term.column] += term.coefficient * term.apply(matrix[:, term.column])
    return parts


def terms_state(terms: Sequence[Term]) -> dict[str, list[Any]]:
    """JSON-able form of the terms."""
    return {field.name: [getattr(term, field.name) for term in terms] for field in fields(Term)}


def terms_from_state(state: Mapping[str, Sequence[Any]]) -> tuple[Term, ...]:
    """Terms from what `terms_state` gave; KeyError or ValueError where a part is missing."""
    names = [field.name for field in fields(Term)]
    rows = zip(*(state[name] for name in names), strict=True)
    return tuple(Term(**dict(zip(names, row, strict=True))) for row in rows)
