"""Chances of a visit over several rounds, and chances that nobody logged; `visits.visit_plan` draws a list and gives its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from returnrisk.errors import DataError

FloatArray = NDArray[np.float64]


def chance_over_rounds(chances: ArrayLike) -> FloatArray:
    """Chance of at least one visit in several rounds, each drawn without regard to who was drawn before, (n,).

    Parameters
    ----------
    chances
        (n, rounds) of every round as it was logged.

    Raises
    ------
    DataError
        Not a matrix of shares.

    Examples
    --------
    >>> chance_over_rounds([[0.5, 0.5], [0.0, 0.1]]).tolist()
    [0.75, 0.1]
    """
    matrix = np.asarray(chances, dtype=np.float64)
    if matrix.ndim != 2 or not ((matrix >= 0) & (matrix <= 1)).all():
        raise DataError("chances must be a matrix of households by rounds, each from 0 to 1; none may be missing")
    return np.asarray(1 - np.prod(1 - matrix, axis=1)).round(15)


def observed_share(happened: ArrayLike, *, among: ArrayLike, classes: ArrayLike) -> FloatArray:
    """In how many of the rows `among` it happened, class by class, given to every row of the class, (n,); 0 where nobody was asked.

    Two uses. Where no chance was logged but visits depended on the score's band alone, `observed_share(verified, among=everybody,
    classes=band)` is the chance, and estimates weighted with it are those of Begg and Greenes (1983). Where some of the visited were
    not met, chance × `observed_share(met, among=visited, classes=c)` is the chance of an outcome, if within a class who was met
    says nothing of the outcome (weighting classes; Little 1986).

    Examples
    --------
    >>> observed_share([True, False, False, True], among=[True, True, False, True], classes=["a", "a", "a", "b"]).tolist()
    [0.5, 0.5, 0.5, 1.0]
    """
    asked = np.asarray(among, dtype=bool)
    yes = np.asarray(happened, dtype=bool)
    names, index = np.unique(np.asarray(classes), return_inverse=True)
    if not len(asked) == len(yes) == len(index):
        raise DataError(f"{len(yes)} rows that happened or not, {len(asked)} among them, {len(index)} classes; expected one length")
    counts = [np.bincount(index, weights=rows, minlength=len(names)) for rows in (yes & asked, asked)]
    return np.asarray(counts[0] / np.maximum(counts[1], 1))[index]
