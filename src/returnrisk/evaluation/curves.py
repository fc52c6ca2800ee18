"""The two curves behind the numbers: calibration in ten bins, and what a list of any length finds."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from returnrisk.evaluation.ranking import N_BINS, Ranking, capacity_of, cumulate, cumulate_weights, events_within, interpolate

FloatArray = NDArray[np.float64]
LIFT_SHARES = tuple(step / 100 for step in range(1, 101))


def wilson_interval(events: FloatArray, n: FloatArray, *, level: float) -> tuple[FloatArray, FloatArray]:
    """Wilson's interval of a binomial share.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.

    Examples
    --------
    >>> low, high = wilson_interval(np.array([0.0, 5.0]), np.array([10.0, 10.0]), level=0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.237], [0.278, 0.763])
    """
    z2 = NormalDist().inv_cdf(0.5 + level / 2) ** 2
    share = events / n
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return np.clip(center - half, 0.0, 1.0), np.clip(center + half, 0.0, 1.0)


def calibration_bins(ranking: Ranking, *, level: float, weight: FloatArray | None = None) -> pd.DataFrame:
    """Ten bins of equal count (or weight) by rising score: bin, mean_predicted, observed, low, high, n.

    The bins are those of the expected calibration error; n is the same in all and need not be whole. The interval is Wilson's
    for independent rows: it does not know that villages share their luck, nor that weighted rows tell less than their weight says.
    """
    of_rows = (np.ones(len(ranking.order)) if weight is None else weight[ranking.order])[None, :]
    sums = cumulate_weights(of_rows, ranking)
    predicted = cumulate(of_rows * ranking.score, ranking)
    n = float(of_rows.sum()) / N_BINS
    cuts = np.arange(N_BINS + 1, dtype=np.float64)[None, :] * n
    events = np.diff(interpolate(cuts, sums.weight, sums.events))[0, ::-1]
    mean = np.diff(interpolate(cuts, sums.weight, predicted))[0, ::-1] / n
    events = np.clip(events, 0.0, n)
    low, high = wilson_interval(events, np.full(N_BINS, n), level=level)
    return pd.DataFrame(
        {"bin": np.arange(1, N_BINS + 1), "mean_predicted": mean, "observed": events / n, "low": low, "high": high, "n": n}
    )


def lift(rankings: list[Ranking], *, capacity: float | None, weights: list[FloatArray] | None = None) -> pd.DataFrame:
    """What the top share of the list finds: share, n_visited, recall, precision, lift; shares 1% to 100%, and the capacity.

    The share is taken within each ranking (day) and added up, rounded as the capacity is.
    """
    shares = np.array(sorted({*LIFT_SHARES, *([] if capacity is None else [capacity])}))
    visited, found, events, total = np.zeros(len(shares)), np.zeros(len(shares)), 0.0, 0.0
    for k, ranking in enumerate(rankings):
        of_rows = (np.ones(len(ranking.order)) if weights is None else weights[k][ranking.order])[None, :]
        sums = cumulate_weights(of_rows, ranking)
        size = float(of_rows.sum())
        taken = np.concatenate([capacity_of(share, np.array([size])) for share in shares])
        visited += taken
        found += events_within(taken[None, :], sums)[0]
        events += float(sums.events[0, -1])
        total += size
    precision = found / visited
    return pd.DataFrame(
        {
            "share": shares,
            "n_visited": visited.astype(np.int64),
            "recall": found / events,
            "precision": precision,
            "lift": precision / (events / total),
        }
    )
