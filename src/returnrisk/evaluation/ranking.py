"""Numbers that follow from a ranking under row weights, many sets of weights at once, after one sort.

Rows lie by falling score; rows of one score form a tie group. Along that order the weight, the events and the errors are summed
up, and whatever is cut (a capacity, a bin) is read off those sums by linear interpolation. Inside a tie group that is the expected
value under a random order of the tied rows, so no answer depends on how rows happen to lie.

Arrays: n rows, g tie groups, b sets of weights; weights are (b, n) in ranked order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

N_BINS = 10
# A share of a whole number of rows, such as 0.29 * 100, may come out a hair below the whole number that is meant.
ROUNDING_SLACK = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Rows by falling score.

    order
        (n,) positions of the rows, highest score first.
    starts
        (g,) where each tie group begins within `order`.
    score, outcome
        (n,) in ranked order; the outcome is 0.0 or 1.0.
    eventful
        Tie groups that hold an event; the others add nothing to areas.
    """

    order: IntArray
    starts: IntArray
    score: FloatArray
    outcome: FloatArray
    eventful: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Cumulated:
    """Sums from the top of a ranking, (b, g + 1), the first column 0: weight, and weight of events."""

    weight: FloatArray
    events: FloatArray


def rank(score: FloatArray, outcome: FloatArray) -> Ranking:
    """Sort rows by falling score, stably, and find the tie groups."""
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], outcome[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    eventful = np.flatnonzero(np.add.reduceat(hits, starts) > 0)
    return Ranking(order=order, starts=starts, score=ranked, outcome=hits, eventful=eventful)


def cumulate(values: FloatArray, ranking: Ranking) -> FloatArray:
    """Running sums (b, g + 1) over tie groups of `values` (b, n)."""
    grouped = values if len(ranking.starts) == values.shape[1] else np.add.reduceat(values, ranking.starts, axis=1)
    result = np.zeros((len(values), len(ranking.starts) + 1))
    np.cumsum(grouped, axis=1, out=result[:, 1:])
    return result


def cumulate_weights(weights: FloatArray, ranking: Ranking) -> Cumulated:
    """Running weight and running events of a ranking."""
    return Cumulated(weight=cumulate(weights, ranking), events=cumulate(weights * ranking.outcome, ranking))


def areas(sums: Cumulated, ranking: Ranking) -> tuple[FloatArray, FloatArray]:
    """Area under the ROC curve and average precision, each (b,); NaN where only one class has weight.

    A tied pair of an event and a non-event counts one half (Mann-Whitney). Average precision is the sum over tie groups of the
    group's share of all events times the precision down to its end: scikit-learn's definition of both.
    """
    above, end = ranking.eventful, ranking.eventful + 1
    group_events = sums.events[:, end] - sums.events[:, above]
    clear_above = sums.weight[:, above] - sums.events[:, above]
    clear_end = sums.weight[:, end] - sums.events[:, end]
    total, events = sums.weight[:, -1], sums.events[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        misranked = (group_events * (clear_above + clear_end)).sum(axis=1) / 2
        auc = 1 - misranked / (events * (total - events))
        precision = np.where(group_events > 0, sums.events[:, end] / sums.weight[:, end], 0.0)
        average_precision = (group_events * precision).sum(axis=1) / events
    one_class = (events <= 0) | (events >= total)
    return np.where(one_class, np.nan, auc), np.where(one_class, np.nan, average_precision)


def brier(weights: FloatArray, ranking: Ranking) -> FloatArray:
    """Weighted mean of (score - outcome) squared, (b,)."""
    squared = (ranking.score - ranking.outcome) ** 2
    result: FloatArray = (weights * squared).sum(axis=1) / weights.sum(axis=1)
    return result


def expected_calibration_error(weights: FloatArray, sums: Cumulated, ranking: Ranking) -> FloatArray:
    """Expected calibration error over ten bins of exactly equal weight, (b,).

    The ranking is cut at every tenth of the total weight. The error is the sum over bins of |events - expected events| divided by
    the total weight. A row (or a tie group) that lies across a cut is divided in proportion; so bins are equally heavy for any n,
    and neither ties nor row order matter.
    """
    surplus = cumulate(weights * (ranking.outcome - ranking.score), ranking)
    total = sums.weight[:, -1:]
    cuts = total * (np.arange(N_BINS + 1) / N_BINS)
    result: FloatArray = np.abs(np.diff(interpolate(cuts, sums.weight, surplus), axis=1)).sum(axis=1) / total[:, 0]
    return result


def capacity_of(share: float, weight: FloatArray) -> FloatArray:
    """How many rows a share of `weight` rows is: rounded down, at least 1 of any, 0 of none."""
    return np.minimum(weight, np.maximum(1.0, np.floor(share * weight + ROUNDING_SLACK)))


def chance_of_place(score: FloatArray, weight: FloatArray, *, share: float) -> FloatArray:
    """Chance of each row to be among the top `share` of the weight, (n,): 1 above the cut, 0 below it, the same for all of a tie at it."""
    ranking = rank(score, np.zeros(len(score)))
    sums = cumulate(weight[None, ranking.order], ranking)[0]
    heavy = np.diff(sums)
    room = capacity_of(share, sums[-1:]) - sums[:-1]
    taken = np.clip(np.divide(room, heavy, out=np.zeros(len(heavy)), where=heavy > 0), 0.0, 1.0)
    chance = np.empty(len(score))
    chance[ranking.order] = np.repeat(taken, np.diff(np.append(ranking.starts, len(score))))
    return chance


def events_within(capacity: FloatArray, sums: Cumulated) -> FloatArray:
    """Events among the top `capacity` (b, k) rows, (b, k); expected value where the cut goes through a tie group."""
    return interpolate(capacity, sums.weight, sums.events)


def tied_at_cut(capacity: FloatArray, sums: Cumulated) -> FloatArray:
    """How many of the top `capacity` (b, 1) rows were drawn from a tie group that the cut divides, (b,); 0 for a clean cut."""
    result = np.zeros(len(capacity))
    for row, wanted in enumerate(capacity[:, 0]):
        weight = sums.weight[row]
        end = int(np.searchsorted(weight, wanted, side="left"))
        if weight[end] > wanted:
            result[row] = wanted - weight[end - 1]
    return result


def interpolate(at: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Row by row, y (b, m) over x (b, m, rising) read at `at` (b, k)."""
    return np.stack([np.interp(a, x_row, y_row) for a, x_row, y_row in zip(at, x, y, strict=True)])
