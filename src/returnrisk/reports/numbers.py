"""Numbers as a report writes them; a missing one is a dash, never 0."""

from __future__ import annotations

import datetime as dt
import math

import pandas as pd

MISSING = "—"
_PLACES = {"brier": ".4f", "ece": ".4f", "calibration_slope": ".2f", "calibration_intercept": ".2f", "average_precision": ".3f"}


def count(value: float | None) -> str:
    """Whole number with thousands separated.

    Examples
    --------
    >>> count(12345.0), count(float("nan"))
    ('12,345', '—')
    """
    return MISSING if _missing(value) else f"{value:,.0f}"


def share(value: float | None, *, places: int = 1) -> str:
    """Percentage.

    Examples
    --------
    >>> share(0.0312), share(None)
    ('3.1%', '—')
    """
    return MISSING if _missing(value) else f"{value:.{places}%}"


def span(low: int, high: int) -> str:
    """A count, or the range that is published in its place.

    Examples
    --------
    >>> span(9, 9), span(10, 13), span(1, 4)
    ('9', '10–13', '<5')
    """
    if low == high:
        return count(low)
    return "<5" if (low, high) == (1, 4) else f"{count(low)}–{count(high)}"


def about(low: int, high: int) -> str:
    """A count, or the middle of its published range to the nearest ten.

    Examples
    --------
    >>> about(4580, 4580), about(4579, 4595)
    ('4,580', '≈4,590')
    """
    return count(low) if low == high else f"≈{count(round((low + high) / 20) * 10)}"


def metric(name: str, value: float) -> str:
    """A metric as it is usually written: shares in per cent, scores with their decimals.

    Examples
    --------
    >>> metric("recall_at_capacity", 0.4261), metric("auc", 0.8423), metric("calibration_slope", 0.97)
    ('42.6%', '0.842', '0.97')
    """
    if _missing(value):
        return MISSING
    if name.endswith("_at_capacity"):
        return share(value)
    return f"{value:{_PLACES.get(name, '.3f')}}".replace("-", "−")


def interval(name: str, low: float, high: float) -> str:
    """An interval in the decimals of its metric, or nothing where there is none.

    Examples
    --------
    >>> interval("auc", 0.81, 0.87), interval("calibration_intercept", -0.07, 0.65), interval("auc", float("nan"), 0.9)
    ('0.810–0.870', '−0.07 ~ 0.65', '')
    """
    if _missing(low) or _missing(high):
        return ""
    return f"{metric(name, low)}{' ~ ' if low < 0 else '–'}{metric(name, high)}"


def difference(name: str, value: float, low: float, high: float) -> str:
    """A difference with its interval, signs always written; shares differ by percentage points.

    Examples
    --------
    >>> difference("auc", 0.05, -0.01, 0.11), difference("recall_at_capacity", 0.175, 0.12, 0.217)
    ('+0.050 (−0.010 ~ +0.110)', '+17.5 pp (+12.0 ~ +21.7)')
    """
    points = name.endswith("_at_capacity")

    def signed(number: float) -> str:
        if _missing(number):
            return MISSING
        sign = "−" if number < 0 else "+"
        return sign + (f"{abs(number) * 100:.1f}" if points else metric(name, abs(number)))

    return f"{signed(value)}{' pp' if points else ''} ({signed(low)} ~ {signed(high)})"


def month(value: object) -> str:
    """Year and month of a day, or the text as it is.

    Examples
    --------
    >>> month(dt.date(2025, 8, 31)), month(None)
    ('2025-08', '—')
    """
    if isinstance(value, str):
        return value
    if value is None or bool(pd.isna(value)):  # type: ignore[call-overload]
        return MISSING
    return f"{value:%Y-%m}" if isinstance(value, dt.date) else str(value)


def _missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
