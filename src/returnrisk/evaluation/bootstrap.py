"""Every metric for the rows as they are and for villages drawn with replacement, the same draws for every score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from returnrisk.evaluation import ranking as rk
from returnrisk.evaluation.recalibration import log_odds_of, logistic_level, logistic_levels, logistic_line, logistic_lines

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Weights are made for as many replicates at once as fit a processor's cache.
CHUNK_CELLS = 400_000
# A slope takes ten times as long as all else; two hundred replicates give its interval well enough.
SLOPE_REPLICATES = 200


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows under evaluation, in an order that does not depend on how they came.

    outcome
        (n,) 0.0 or 1.0.
    weight
        (n,) how many rows each stands for: 1.0, unless rows that are missing are stood for by others.
    cluster
        (n,) 0 to n_clusters - 1.
    days
        Positions of the rows within each value of `within`; one entry, all rows, if the share is taken of the whole.
    """

    outcome: FloatArray
    weight: FloatArray
    cluster: IntArray
    n_clusters: int
    days: tuple[IntArray, ...]


def draw_clusters(n_clusters: int, *, n_bootstrap: int, seed: int) -> FloatArray:
    """How often each cluster was drawn, (n_bootstrap, n_clusters): as many draws as clusters, with replacement."""
    shares = np.full(n_clusters, 1 / n_clusters)
    return np.random.default_rng(seed).multinomial(n_clusters, shares, size=n_bootstrap).astype(np.float64)


def measure(
    score: FloatArray, rows: Rows, draws: FloatArray, *, capacity: float | None, on_list: FloatArray | None = None
) -> tuple[dict[str, float], dict[str, FloatArray]]:
    """All metrics of one score: at the rows as they are, and per replicate (b,), NaN where a replicate has one class only.

    `on_list` (n,) is 1.0 for rows on the score's real list; it takes the place of `capacity`.
    """
    overall = rk.rank(score, rows.outcome)
    by_day = [(day, rk.rank(score[day], rows.outcome[day])) for day in rows.days]

    def at(times_drawn: FloatArray) -> dict[str, FloatArray]:
        result = _whole_ranking(overall, _drawn(rows, times_drawn, overall.order))
        if on_list is not None:
            result |= _of_list(rows, _drawn(rows, times_drawn), on_list)
        elif capacity is not None:
            weights = [(day, _drawn(rows, times_drawn, index[day.order])) for index, day in by_day]
            result |= _at_capacity(weights, capacity=capacity)
        return result

    once = np.ones((1, rows.n_clusters))
    point = {name: float(value[0]) for name, value in at(once).items()}
    replicates = _in_chunks(at, draws, n_rows=len(score))
    one_class = np.isnan(replicates["auc"])
    for values in replicates.values():
        values[one_class] = np.nan
    if on_list is None and capacity is not None:
        point["tie_share_at_capacity"] = _tie_share(
            [(day, rows.weight[index[day.order]]) for index, day in by_day], capacity=capacity
        )
    _add_line(score, rows, draws, point=point, replicates=replicates)
    return point, replicates


def _drawn(rows: Rows, times_drawn: FloatArray, order: NDArray[np.intp] | slice = slice(None)) -> FloatArray:
    """Weights (b, k) of some rows when villages are drawn so often."""
    return np.asarray(np.take(times_drawn, rows.cluster[order], axis=1) * rows.weight[order])


def _whole_ranking(ranking: rk.Ranking, weights: FloatArray) -> dict[str, FloatArray]:
    sums = rk.cumulate_weights(weights, ranking)
    auc, average_precision = rk.areas(sums, ranking)
    return {
        "auc": auc,
        "average_precision": average_precision,
        "brier": rk.brier(weights, ranking),
        "ece": rk.expected_calibration_error(weights, sums, ranking),
    }


def _at_capacity(days: list[tuple[rk.Ranking, FloatArray]], *, capacity: float) -> dict[str, FloatArray]:
    taken = found = events = np.zeros(len(days[0][1]))
    for ranking, weights in days:
        sums = rk.cumulate_weights(weights, ranking)
        room = rk.capacity_of(capacity, sums.weight[:, -1:])
        taken = taken + room[:, 0]
        found = found + rk.events_within(room, sums)[:, 0]
        events = events + sums.events[:, -1]
    return _precision_recall(taken, found, events)


def _of_list(rows: Rows, weights: FloatArray, on_list: FloatArray) -> dict[str, FloatArray]:
    listed, events = weights * on_list, (weights * rows.outcome).sum(axis=1)
    return _precision_recall(listed.sum(axis=1), (listed * rows.outcome).sum(axis=1), events)


def _precision_recall(taken: FloatArray, found: FloatArray, events: FloatArray) -> dict[str, FloatArray]:
    with np.errstate(invalid="ignore"):  # 0 / 0: an empty list has no precision
        return {"precision_at_capacity": found / taken, "recall_at_capacity": found / events}


def _tie_share(days: list[tuple[rk.Ranking, FloatArray]], *, capacity: float) -> float:
    """Share of the list that was filled from a tie which the cut divides."""
    tied = taken = 0.0
    for ranking, weight in days:
        sums = rk.cumulate_weights(weight[None, :], ranking)
        room = rk.capacity_of(capacity, sums.weight[:, -1:])
        tied += float(rk.tied_at_cut(room, sums)[0])
        taken += float(room[0, 0])
    return tied / taken


def _add_line(
    score: FloatArray, rows: Rows, draws: FloatArray, *, point: dict[str, float], replicates: dict[str, FloatArray]
) -> None:
    """Slope of the recalibrating line (NaN for a constant or separating score), and the intercept with the slope held at 1."""
    x = log_odds_of(score)
    at_zero, slope = logistic_line(x, rows.outcome, rows.weight)
    level = logistic_level(x, rows.outcome, rows.weight)
    point |= {"calibration_slope": slope, "calibration_intercept": level}
    used = np.flatnonzero(~np.isnan(replicates["auc"]))[:SLOPE_REPLICATES]
    found = {name: np.full(len(draws), np.nan) for name in ("calibration_slope", "calibration_intercept")}

    def both(chunk: FloatArray) -> dict[str, FloatArray]:
        weights = _drawn(rows, chunk)
        drawn = {"calibration_intercept": logistic_levels(x, rows.outcome, weights, start=level)}
        if np.isfinite(slope):
            drawn["calibration_slope"] = logistic_lines(x, rows.outcome, weights, start=(at_zero, slope))[:, 1]
        return drawn

    if len(used):
        for name, values in _in_chunks(both, draws[used], n_rows=len(x)).items():
            found[name][used] = values
    replicates |= found


def _in_chunks(function: Callable[[FloatArray], dict[str, FloatArray]], draws: FloatArray, *, n_rows: int) -> dict[str, FloatArray]:
    size = max(1, CHUNK_CELLS // n_rows)
    parts = [function(draws[begin : begin + size]) for begin in range(0, len(draws), size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
