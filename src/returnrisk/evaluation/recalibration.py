"""The straight line on the log-odds scale that would best recalibrate a score: logistic regression in two numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MAX_STEPS = 50
MAX_HALVINGS = 30
STEP_TOLERANCE = 1e-10
# Log-odds of probabilities that a plateau has set to exactly 0 or 1 would be infinite.
PROBABILITY_MARGIN = 1e-12
PROBABILITY_LOG_ODDS = 30.0


def log_odds_of(probability: FloatArray) -> FloatArray:
    """Log-odds of probabilities, those within 1e-12 of 0 or 1 moved there."""
    p = np.clip(probability, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
    return np.log(p) - np.log1p(-p)


def logistic_line(x: FloatArray, target: FloatArray, weight: FloatArray) -> tuple[float, float]:
    """Intercept and slope of an unpenalised logistic regression of `target` on one `x`.

    Newton's method with step halving. The likelihood is concave, so a stop is the maximum; there is none when x is constant or
    separates the outcomes, and the answer is then (nan, nan).

    Parameters
    ----------
    x, target, weight
        (n,); the target lies in [0, 1] (fractions are allowed), weights are at least 0.

    Examples
    --------
    >>> x = np.array([-1.0, -1.0, -1.0, 1.0, 1.0, 1.0])
    >>> intercept, slope = logistic_line(x, np.array([1.0, 0, 0, 1, 1, 0]), np.ones(6))
    >>> round(abs(intercept), 9), round(slope, 6) == round(float(np.log(2)), 6)
    (0.0, True)
    >>> logistic_line(x, np.array([0.0, 0, 0, 1, 1, 1]), np.ones(6))
    (nan, nan)
    """
    used = weight > 0
    x, target, weight = x[used], target[used], weight[used]
    rate = float(np.average(target, weights=weight)) if len(x) else 0.0
    if not 0 < rate < 1 or x.min() == x.max() or separated(x, target):
        return float("nan"), float("nan")
    center, spread = float(x.mean()), float(x.std())
    z = (x - center) / spread
    line = np.array([[np.log(rate / (1 - rate)), 0.0]])
    loss = _loss(line[0], z, target, weight)
    for _ in range(MAX_STEPS):
        step = _newton_step(line, z, target, weight[None, :])
        for _ in range(MAX_HALVINGS):
            moved = _loss((line + step)[0], z, target, weight)
            if moved <= loss:
                break
            step = step / 2
        line, loss = line + step, moved
        if np.abs(step).max() < STEP_TOLERANCE:
            slope = float(line[0, 1]) / spread
            return float(line[0, 0]) - slope * center, slope
    return float("nan"), float("nan")


def logistic_level(eta: FloatArray, target: FloatArray, weight: FloatArray) -> float:
    """What must be added to all log-odds so that as many events are expected as there were; targets of both classes.

    Examples
    --------
    >>> round(logistic_level(np.zeros(4), np.array([1.0, 1, 1, 0]), np.ones(4)), 6) == round(float(np.log(3)), 6)
    True
    """
    level = 0.0
    low, high = -2 * PROBABILITY_LOG_ODDS, 2 * PROBABILITY_LOG_ODDS
    wanted = float((weight * target).sum())
    for _ in range(2 * MAX_STEPS):  # Newton's method, kept between bounds that close in on the root
        p = 1 / (1 + np.exp(-np.clip(eta + level, -PROBABILITY_LOG_ODDS, PROBABILITY_LOG_ODDS)))
        missing, curvature = wanted - float((weight * p).sum()), float((weight * p * (1 - p)).sum())
        low, high = (level, high) if missing > 0 else (low, level)
        moved = level + missing / curvature
        moved = moved if low < moved < high else (low + high) / 2
        if abs(moved - level) < STEP_TOLERANCE:
            return moved
        level = moved
    return level


def logistic_lines(x: FloatArray, target: FloatArray, weights: FloatArray, *, start: tuple[float, float]) -> FloatArray:
    """`logistic_line` for many sets of weights (b, n), from a start nearby: (b, 2), NaN where it did not settle."""
    lines = np.tile(np.asarray(start), (len(weights), 1))
    open_rows = np.arange(len(weights))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for _ in range(MAX_STEPS):
            step = _newton_step(lines[open_rows], x, target, weights[open_rows])
            lines[open_rows] += step
            open_rows = open_rows[~(np.abs(step).max(axis=1) < STEP_TOLERANCE) & np.isfinite(step).all(axis=1)]
            if not len(open_rows):
                break
    lines[open_rows] = np.nan
    lines[~np.isfinite(lines).all(axis=1)] = np.nan
    return lines


def logistic_levels(eta: FloatArray, target: FloatArray, weights: FloatArray, *, start: float) -> FloatArray:
    """`logistic_level` for many sets of weights (b, n), from a start nearby: (b,), NaN where it did not settle."""
    levels = np.full(len(weights), start)
    open_rows = np.arange(len(weights))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for _ in range(MAX_STEPS):
            p = 1 / (1 + np.exp(-(levels[open_rows, None] + eta)))
            of = weights[open_rows]
            step = (of * (target - p)).sum(axis=1) / (of * p * (1 - p)).sum(axis=1)
            step = np.clip(step, -1, 1)  # from far below the root a full step would end far above it
            levels[open_rows] += step
            open_rows = open_rows[~(np.abs(step) < STEP_TOLERANCE) & np.isfinite(step)]
            if not len(open_rows):
                break
    levels[open_rows] = np.nan
    levels[~np.isfinite(levels)] = np.nan
    return levels


def _newton_step(lines: FloatArray, x: FloatArray, target: FloatArray, weights: FloatArray) -> FloatArray:
    """One Newton step (b, 2) from lines (b, 2: intercept, slope) under weights (b, n)."""
    p = 1 / (1 + np.exp(-(lines[:, :1] + lines[:, 1:] * x)))
    residual = weights * (target - p)
    curvature = weights * p * (1 - p)
    g0, g1 = residual.sum(axis=1), (residual * x).sum(axis=1)
    moment = curvature * x
    h00, h01, h11 = curvature.sum(axis=1), moment.sum(axis=1), (moment * x).sum(axis=1)
    determinant = h00 * h11 - h01 * h01
    return np.stack([(h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant], axis=1)


def _loss(line: FloatArray, x: FloatArray, target: FloatArray, weight: FloatArray) -> float:
    eta = line[0] + line[1] * x
    return float((weight * (np.logaddexp(0, eta) - target * eta)).sum())


def penalised_logistic(columns: FloatArray, target: FloatArray, weight: FloatArray, *, penalty: FloatArray) -> tuple[float, ...]:
    """Intercept and coefficients of a logistic regression with a quadratic penalty, by Newton's method with step halving.

    Parameters
    ----------
    columns
        (n, k), without the intercept.
    target, weight
        (n,); the target lies in [0, 1].
    penalty
        (1 + k, 1 + k), positive semi-definite: half of coefficients' quadratic form in it is added to the loss. Whoever calls makes
        sure that there is a finite best.

    Raises
    ------
    ArithmeticError
        It did not settle: there is no finite best, or columns are collinear.

    Examples
    --------
    >>> x = np.array([[-1.0], [-1.0], [-1.0], [1.0], [1.0], [1.0]])
    >>> _, slope = penalised_logistic(x, np.array([1.0, 0, 0, 1, 1, 0]), np.ones(6), penalty=np.zeros((2, 2)))
    >>> round(slope, 6) == round(float(np.log(2)), 6)
    True
    """
    center = np.average(columns, axis=0, weights=weight)  # the intercept must not be told from a column's level by rounding alone
    rate = float(np.average(target, weights=weight))
    design = np.column_stack([np.ones(len(target)), columns - center])
    theta = np.zeros(design.shape[1])
    theta[0] = np.log(rate / (1 - rate))

    def loss(at: FloatArray) -> float:
        eta = design @ at
        return float((weight * (np.logaddexp(0, eta) - target * eta)).sum() + at @ penalty @ at / 2)

    best = loss(theta)
    for _ in range(MAX_STEPS):
        p = 1 / (1 + np.exp(-(design @ theta)))
        gradient = design.T @ (weight * (target - p)) - penalty @ theta
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        for _ in range(MAX_HALVINGS):
            moved = loss(theta + step)
            if moved <= best:
                break
            step = step / 2
        theta, best = theta + step, moved
        if np.abs(step).max() < STEP_TOLERANCE * max(1.0, float(np.abs(theta).max())):
            return float(theta[0] - center @ theta[1:]), *map(float, theta[1:])
    raise ArithmeticError(f"logistic regression of {len(target)} rows on {columns.shape[1]} columns did not settle")


def separated(x: FloatArray, target: FloatArray) -> bool:
    """Whether a threshold on x divides pure events from pure non-events, so that no finite slope is best."""
    could_be_event, could_be_none = x[target > 0], x[target < 1]
    return bool(could_be_event.min() >= could_be_none.max() or could_be_event.max() <= could_be_none.min())
