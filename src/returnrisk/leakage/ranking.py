"""AUC with villages drawn with replacement, for many scores on the same rows and the same draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from returnrisk.evaluation.ranking import areas, cumulate_weights, rank

FloatArray = NDArray[np.float64]
CHUNK_CELLS = 2_000_000
"""Weights (draws × rows) held at once."""


def auc(score: FloatArray, y: FloatArray) -> float:
    """Area under the ROC curve; ties count one half. NaN with one class.

    Examples
    --------
    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0.0, 0.0, 1.0, 1.0]))
    0.875
    """
    ranking = rank(score, y)
    return float(areas(cumulate_weights(np.ones((1, len(y))), ranking), ranking)[0][0])


def auc_draws(score: FloatArray, y: FloatArray, *, cluster: NDArray[np.int64], draws: FloatArray) -> FloatArray:
    """AUC of every draw, (b,); `cluster` (n,) is 0 to k − 1, `draws` (b, k) says how often each was drawn."""
    ranking = rank(score, y)
    ordered = cluster[ranking.order]
    step = max(1, CHUNK_CELLS // len(y))
    parts = [areas(cumulate_weights(draws[k : k + step][:, ordered], ranking), ranking)[0] for k in range(0, len(draws), step)]
    return np.concatenate(parts)


def interval(replicates: FloatArray, *, level: float) -> tuple[float, float]:
    """Percentile interval of the replicates that have both classes; NaN with fewer than two."""
    valid = replicates[np.isfinite(replicates)]
    if len(valid) < 2:
        return float("nan"), float("nan")
    low, high = np.quantile(valid, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
