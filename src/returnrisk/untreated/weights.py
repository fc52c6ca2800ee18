"""Weights of rows that were never helped, so that they stand for those that were: on plain arrays, without any table.

    person-months of a row:  1 … until it falls, is helped, or its horizon ends
    chance of a start in each, given what was on file before it  →  weight = 1 / product of (1 - chance), 0 for a row that was helped

A row's outcome is one of a whole horizon, but it closes when the row falls: a row that fell in its third month had to stay unhelped
for three months only. Its weight is therefore that of the month it closed in. The factor that steadies weights must then be the same
for both outcomes: it is the chance of staying unhelped **over the whole horizon**, given what was known at the start. (Cutting it off
at the closing month too, as is right for a model of monthly hazards, would make falls heavier than others by that very factor.)

References
----------
Robins, Finkelstein (2000), Correcting for noncompliance and dependent censoring with inverse probability of censoring weighted log-rank
tests. Hernán, Brumback, Robins (2000), Marginal structural models to estimate the causal effect of zidovudine (stabilised weights,
pooled logistic regression). Cole, Hernán (2008), Constructing inverse probability weights for marginal structural models (trimming).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from returnrisk.errors import DataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
LEAST_STAY = 0.05
"""Chance of staying unhelped under which a row is said to have no likes among the unhelped; weights are cut at one over it (assumed)."""


@dataclass(frozen=True, slots=True, eq=False)
class PersonMonths:
    """Months in which a row could have been helped, by row, then month.

    Attributes
    ----------
    row
        (m,) position of the row.
    month
        (m,) 1 for the first month after `as_of`.
    started
        (m,) whether a new measure started in it (at most the last of a row).
    helped
        (n,) rows that were helped before their outcome closed, or in the very month: censored.
    """

    row: IntArray
    month: IntArray
    started: BoolArray
    helped: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Weights of rows; 0 for those that were helped.

    Attributes
    ----------
    population
        (n,) one over the chance of having stayed unhelped until the outcome closed, trimmed: the weighted rows are like all rows.
        For curves and figures.
    fitting
        (n,) the same times the chance, given the facts at the start, of staying unhelped over the whole horizon: steadier, and as good for a
        learner that knows these facts.
    largest
        Largest weight before trimming.
    n_trimmed
        Rows whose weight was cut at `1 / least_stay`.
    """

    population: FloatArray
    fitting: FloatArray
    largest: float
    n_trimmed: int


def person_months_of(start: ArrayLike, close: ArrayLike) -> PersonMonths:
    """Lay rows out over the months in which they could have been helped.

    Parameters
    ----------
    start
        (n,) month of the first new measure after `as_of` (1 is the first); 0: none.
    close
        (n,) month in which the outcome closed: that of the fall, else the last of the horizon.

    Raises
    ------
    DataError
        Shapes differ, a month below 0, or an outcome that closed in no month.

    Examples
    --------
    One that was helped in its second month, and one that fell in its third and was helped in its fifth:

    >>> laid = person_months_of([2, 5], [12, 3])
    >>> laid.month.tolist(), laid.started.tolist(), laid.helped.tolist()
    ([1, 2, 1, 2, 3], [False, True, False, False, False], [True, False])
    """
    first, last = np.asarray(start, dtype=np.int64), np.asarray(close, dtype=np.int64)
    if first.shape != last.shape or first.ndim != 1 or (first < 0).any() or (last < 1).any():
        raise DataError("expected two rows of months of one length: starts of 0 or more, closings of 1 or more")
    helped = (first > 0) & (first <= last)
    months = np.where(helped, first, last)
    row = np.repeat(np.arange(len(months)), months)
    month = np.arange(len(row)) - np.repeat(np.cumsum(months) - months, months) + 1
    return PersonMonths(row=row, month=month, started=helped[row] & (month == months[row]), helped=helped)


def censoring_weights(
    chance: ArrayLike, laid: PersonMonths, *, stay: ArrayLike | None = None, least_stay: float = LEAST_STAY
) -> Weights:
    """Inverse-probability-of-censoring weights of rows.

    Parameters
    ----------
    chance
        (m,) probability of a start in each of the person-months, given what was on file before it.
    laid
        The person-months.
    stay
        (n,) chance of staying unhelped over the whole horizon given the facts at the start (default 1: not stabilised).
    least_stay
        Weights are cut at one over it. An absolute bound, not a percentile: falls are so rare that the largest hundredth of all
        weights may hold most of the falls.

    Raises
    ------
    DataError
        Shapes differ, or a chance that is none.

    Examples
    --------
    Half are helped in the first month; of two rows with one month, the one that was not helped counts for both.

    >>> laid = person_months_of([1, 0], [1, 1])
    >>> censoring_weights([0.5, 0.5], laid).population.tolist()
    [0.0, 2.0]
    """
    hazard = np.asarray(chance, dtype=np.float64)
    n = len(laid.helped)
    kept = np.ones(n) if stay is None else np.asarray(stay, dtype=np.float64)
    if hazard.shape != laid.row.shape or kept.shape != (n,):
        raise DataError(f"{len(laid.row)} person-months of {n} rows, but chances of shape {hazard.shape} and stays {kept.shape}")
    if not ((hazard >= 0) & (hazard <= 1)).all() or not ((kept >= 0) & (kept <= 1)).all():
        raise DataError("chances of a start, and of staying unhelped, must be probabilities")
    with np.errstate(divide="ignore"):  # a certain start: nobody can have stayed, and nobody has a weight of it
        unhelped = np.exp(np.bincount(laid.row, weights=np.log1p(-hazard), minlength=n))
    with np.errstate(divide="ignore"):
        raw = np.where(laid.helped, 0.0, 1.0 / unhelped)
    population = np.minimum(raw, 1.0 / least_stay)
    return Weights(
        population=population,
        fitting=population * kept,
        largest=float(raw.max(initial=0.0)),
        n_trimmed=int((raw > 1.0 / least_stay).sum()),
    )


def effective_size(weight: ArrayLike) -> float:
    """How many rows of equal weight would tell as much: square of the sum over the sum of squares (Kish 1965); 0 for none.

    Examples
    --------
    >>> effective_size([1.0, 1.0, 0.0]), round(effective_size([1.0, 9.0]), 2)
    (2.0, 1.22)
    """
    w = np.asarray(weight, dtype=np.float64)
    squares = float((w**2).sum())
    return float(w.sum()) ** 2 / squares if squares else 0.0
