"""Scores for a curve from learners as strong as the one the curve is for, on households they did not see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.calibration.checks import FloatArray
from returnrisk.errors import ConfigError, DataError, NotEnoughDataError

FOLDS = 5
Learn = Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], FloatArray]]


def cross_fitted(learn: Learn, X: ArrayLike, y: ArrayLike, *, clusters: ArrayLike, n_folds: int = FOLDS) -> FloatArray:
    """Log-odds of every row from a learner fitted on the other folds of clusters, (n,).

    A curve learnt from a learner that was fitted on few early days does not fit the learner that is then fitted on all days: more rows
    make it less overconfident, and its log-odds another scale. Here every fold is scored by a learner fitted on four fifths of
    the very rows of the final one. A whole village is in one fold: its households share their luck, and a household's days are never
    divided. What this does not show the curve is drift from these days to later ones: only the test days do.

    Parameters
    ----------
    learn
        From features (k, f) and outcomes (k,) to a function that gives log-odds of features.
    X, y
        (n, f) and (n,) of 0 and 1.
    clusters
        (n,) villages; sorted, they go to the folds in turn: the same folds for the same villages, whatever the order of rows.

    Raises
    ------
    DataError
        Shapes differ.
    NotEnoughDataError
        Fewer clusters than folds, or one outcome only outside a fold.
    ConfigError
        Fewer than two folds.

    References
    ----------
    Niculescu-Mizil, Caruana (2005), Predicting good probabilities with supervised learning (cross-validated scores for calibration).

    Examples
    --------
    >>> learn = lambda X, y: lambda new: np.full(len(new), np.log(y.mean() / (1 - y.mean())))
    >>> cross_fitted(learn, np.zeros((4, 1)), [1, 0, 1, 0], clusters=["a", "a", "b", "b"], n_folds=2).tolist()
    [0.0, 0.0, 0.0, 0.0]
    """
    features, outcome = np.asarray(X), np.asarray(y)
    if n_folds < 2:
        raise ConfigError(f"n_folds is {n_folds}; expected 2 or more")
    villages, index = np.unique(np.asarray(clusters), return_inverse=True)
    if not len(features) == len(outcome) == len(index):
        raise DataError(
            f"{len(features)} rows of features, {len(outcome)} outcomes, {len(index)} clusters; expected the same number"
        )
    if len(villages) < n_folds:
        raise NotEnoughDataError(
            f"{len(villages)} clusters cannot be divided into {n_folds} folds: calibrate on later days instead"
        )
    fold = index % n_folds
    scores = np.empty(len(outcome))
    for k in range(n_folds):
        out = fold == k
        if len(np.unique(outcome[~out])) < 2:
            raise NotEnoughDataError(
                f"outside fold {k + 1} of {n_folds} all {int((~out).sum())} rows have the same outcome: give more rows"
            )
        scores[out] = learn(features[~out], outcome[~out])(features[out])
    return scores
