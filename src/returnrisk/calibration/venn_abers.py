"""Inductive Venn-Abers calibration: what isotonic regression would say of a household if it fell, and if it did not.

    the household's score with outcome 0 among the calibration rows ──isotonic fit──> p0
    the household's score with outcome 1 among the calibration rows ──isotonic fit──> p1

Both are step functions of the score alone, so all their values are computed once, when fitted. An isotonic fit at a place is the slope,
there, of the greatest convex minorant of cumulated events over cumulated rows; with one more event at that place it is the slope of
the common lower tangent of the points to the left and the points to the right moved by (1, 1). Going right, both ends of that
tangent only move right: all tangents together take one pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.calibration.checks import Band, FloatArray, Reading, checked_rows, finite, refuse_order

STEP_TOLERANCE = 1e-12
"""Two fits that differ by less are one: rounding of sums, far below one household in any county."""


@dataclass(frozen=True, slots=True)
class VennAbersCalibration:
    """Two rising step functions p0 <= p1 of the score, and between them risk = p1 / (1 - p0 + p1).

    What is proved: if calibration rows and the new household are exchangeable, the one of the two that the outcome picks (p1 of who
    falls, p0 of who does not) is perfectly calibrated. What is not: nothing is said of one household's own true probability, the band
    is no interval that covers it, and a county's next year is not exchangeable with its last. The band is wide where the calibration
    rows are few; with few events the risk leans towards one half there (the mean risk then lies above the base rate). Only the order
    of the scores matters, so a strictly rising change of scale changes nothing. Steps are ties: rank by log-odds.

    Attributes
    ----------
    starts0, values0
        Where each step of p0 begins (that log-odds included), (k,), and p0 before the first and from each start on, (k + 1,).
    starts1, values1
        The same of p1.
    n, n_events
        Rows it was fitted on.

    References
    ----------
    Vovk, Petej (2014), Venn-Abers predictors; Vovk, Petej, Fedorova (2015), Large-scale probabilistic predictors with and without
    guarantees of validity (inductive form, one pass after sorting, and the point that is minimax under log loss).

    Examples
    --------
    >>> calibration = VennAbersCalibration.fit([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0], [0, 0, 1, 0, 1, 1])
    >>> low, high = calibration.band([-9.0, -0.5, 9.0])
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.333, 0.667], [0.333, 0.667, 1.0])
    >>> calibration.apply([-9.0, -0.5, 9.0]).round(3).tolist()
    [0.25, 0.5, 0.75]
    """

    method: ClassVar[str] = "venn_abers"

    starts0: tuple[float, ...]
    values0: tuple[float, ...]
    starts1: tuple[float, ...]
    values1: tuple[float, ...]
    n: int
    n_events: int

    @classmethod
    def fit(cls, log_odds: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Compute both step functions; parameters and errors as `SigmoidCalibration.fit`, a flat curve instead of a slope not above 0.

        A weight counts as so many rows; the household to come counts once. Takes O(n log n).
        """
        x, outcome, weight = checked_rows(log_odds, y, sample_weight)
        used = weight > 0
        scores, group = np.unique(x[used], return_inverse=True)
        rows: FloatArray = np.bincount(group, weights=weight[used]).astype(np.float64)
        events: FloatArray = np.bincount(group, weights=weight[used] * outcome[used]).astype(np.float64)
        total_rows, total_events = np.cumsum(rows), np.cumsum(events)
        if (total_events * total_rows[-1] >= total_events[-1] * total_rows * (1 - 1e-12)).all():
            refuse_order(outcome, found="one flat curve")
        starts1, values1 = _steps(scores, _with_one_event(rows, events))
        # no event on this scale is an event on the mirrored one
        starts0, values0 = _steps(scores, 1 - _with_one_event(rows[::-1], (rows - events)[::-1])[::-1])
        return cls(starts0, values0, starts1, values1, n=len(x), n_events=int(outcome.sum()))

    def apply(self, log_odds: ArrayLike) -> FloatArray:
        """Risk in (0, 1), same shape; never falls with the log-odds."""
        low, high = self.band(log_odds)
        return np.clip(high / (1 - low + high), low, high)

    def band(self, log_odds: ArrayLike) -> Band:
        """p0 and p1, each of the same shape, p0 <= risk <= p1: a multiprobability, not an interval of the household's true risk."""
        x = finite(log_odds)
        low = np.asarray(self.values0)[np.searchsorted(self.starts0, x, side="right")]
        high = np.asarray(self.values1)[np.searchsorted(self.starts1, x, side="right")]
        return low, high

    def to_state(self) -> dict[str, Any]:
        """JSON-able state; `restore_calibration` gives the same risks from it, bit for bit."""
        lists = {name: list(getattr(self, name)) for name in ("starts0", "values0", "starts1", "values1")}
        return {"method": self.method, **lists, "n": self.n, "n_events": self.n_events}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Give back the calibration that wrote `state`; BundleError if it is another's or damaged."""
        with Reading(cls.method, state):
            starts0, values0, starts1, values1 = (
                tuple(map(float, state[name])) for name in ("starts0", "values0", "starts1", "values1")
            )
            for starts, values in ((starts0, values0), (starts1, values1)):
                if len(values) != len(starts) + 1 or not (np.all(np.diff(starts) > 0) and np.all(np.diff(values) > 0)):
                    raise ValueError("steps do not rise")
                if not 0 <= values[0] <= values[-1] <= 1:
                    raise ValueError("values outside [0, 1]")
            result = cls(starts0, values0, starts1, values1, n=int(state["n"]), n_events=int(state["n_events"]))
            places = np.array([-np.finfo(np.float64).max, *result.starts0, *result.starts1])
            low, high = result.band(places)
            if not (low < high).all():
                raise ValueError("p0 not below p1")
            return result


def _with_one_event(rows: FloatArray, events: FloatArray) -> FloatArray:
    """Isotonic value of one more event at every place, (2m + 1,): below the first score, at it, between it and the next, ...

    Parameters
    ----------
    rows, events
        (m,) weight and weight of events at each distinct score, rising.
    """
    x = [0.0, *np.cumsum(rows).tolist()]
    y = [0.0, *np.cumsum(events).tolist()]
    m = len(rows)
    after = _next_corners(x, y)
    corners = [0]  # lower hull of the points to the left
    j, k, values = 0, 0, []
    for place in range(2 * m + 1):
        left, right = place // 2, (place + 1) // 2  # points 0..left lie before the new event, right..m after it
        if place and place % 2 == 0:
            while len(corners) > 1 and _slope(x, y, corners[-2], corners[-1]) >= _slope(x, y, corners[-1], left):
                corners.pop()
            corners.append(left)
            j = min(j, len(corners) - 1)
        k = max(k, right)
        while True:
            here = corners[j]
            slope = _slope_over(x, y, here, k)
            while k < m and (further := _slope_over(x, y, here, after[k])) <= slope:
                k, slope = after[k], further
            if j + 1 == len(corners) or _slope(x, y, here, corners[j + 1]) >= slope:
                break
            j += 1
        values.append(slope)
    return np.maximum.accumulate(np.clip(values, 0, 1))  # rising but for the last digit


def _next_corners(x: list[float], y: list[float]) -> list[int]:
    """For every point the next corner of the lower hull of the points from it on."""
    last = len(x) - 1
    after = [last] * len(x)
    for i in range(last - 1, -1, -1):
        k = i + 1
        while k < last and _slope(x, y, i, k) >= _slope(x, y, k, after[k]):
            k = after[k]
        after[i] = k
    return after


def _slope(x: list[float], y: list[float], i: int, k: int) -> float:
    return (y[k] - y[i]) / (x[k] - x[i])


def _slope_over(x: list[float], y: list[float], i: int, k: int) -> float:
    """From point i on the left to point k on the right of one more event."""
    return (y[k] - y[i] + 1) / (x[k] - x[i] + 1)


def _steps(scores: FloatArray, values: FloatArray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Values at all places as a step function: where it rises, and its values."""
    begins = np.empty(2 * len(scores) + 1)
    begins[0] = -np.inf
    begins[1::2], begins[2::2] = scores, np.nextafter(scores, np.inf)  # "just above a score" is the next number there is
    exists = np.append(begins[:-1] < begins[1:], True)  # where no number lies between two scores there is no place
    begins, values = begins[exists], values[exists]
    rises = np.flatnonzero(np.diff(values) > STEP_TOLERANCE) + 1
    return tuple(begins[rises].tolist()), tuple(values[[0, *rises]].tolist())
