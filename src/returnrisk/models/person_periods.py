"""Household-days as person-periods: one row per household and period at risk, with the period's number and the month it ends in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from returnrisk.errors import DataError

DURATION, SEASON = "period", "period_end_month"
"""Names of the two columns that `person_periods` adds, in this order, after the features."""


@dataclass(frozen=True, slots=True)
class PersonPeriods:
    """Rows for `HazardRisk`, in the order of household, then period.

    Attributes
    ----------
    X
        (m, p + 2): the household's features as they were on `as_of`, `period` (1, 2, ...), `period_end_month` (1 to 12).
    household
        (m,) position of the household among the rows that were given; `HazardRisk.risk_over` takes it.
    y
        (m,) 1 in the period of the event, else 0; None where only the future is laid out.
    """

    X: NDArray[np.float64]
    household: NDArray[np.int64]
    y: NDArray[np.int8] | None


def person_periods(
    X: ArrayLike,
    *,
    as_of_month: ArrayLike,
    months: int,
    periods: ArrayLike,
    event: ArrayLike | None = None,
) -> PersonPeriods:
    """Lay households out over the periods they were (or are to be) at risk in.

    Parameters
    ----------
    X
        (n, p): one row per household-day.
    as_of_month
        (n,) calendar month (1 to 12) that ends with `as_of`; or one number for all.
    months
        Months of a period: 3 where income is settled on quarter ends.
    periods
        (n,) how many periods count: up to and including that of the event, or those closed so far without one (censored; 0: none).
        For a risk over a horizon: its number of periods, one number for all.
    event
        (n,) 1 where the event came in the last of them, 0 where it had not come; None for a horizon to come.

    Raises
    ------
    DataError
        Shapes that do not fit, a month outside 1 to 12, a negative count, or an event in no period.

    Examples
    --------
    A household on 30 June that fell in its third quarter, and one of which two quarters are closed:

    >>> laid = person_periods([[0.9], [2.0]], as_of_month=6, months=3, periods=[3, 2], event=[1, 0])
    >>> laid.X.tolist()
    [[0.9, 1.0, 9.0], [0.9, 2.0, 12.0], [0.9, 3.0, 3.0], [2.0, 1.0, 9.0], [2.0, 2.0, 12.0]]
    >>> laid.y.tolist(), laid.household.tolist()
    ([0, 0, 1, 0, 0], [0, 0, 0, 1, 1])
    """
    matrix = np.asarray(X, dtype=np.float64)
    try:
        count = np.broadcast_to(np.asarray(periods), (len(matrix),)).astype(np.int64)
        month = np.broadcast_to(np.asarray(as_of_month), (len(matrix),)).astype(np.int64)
        came = None if event is None else np.broadcast_to(np.asarray(event), (len(matrix),)).astype(bool)
    except ValueError as error:
        raise DataError(f"{len(matrix)} rows, but as_of_month, periods or event of another length") from error
    if matrix.ndim != 2 or months < 1 or (count < 0).any() or not np.isin(month, range(1, 13)).all():
        raise DataError("expected a matrix, periods of 1 month or more, counts of 0 or more and months from 1 to 12")
    if came is not None and (came & (count == 0)).any():
        raise DataError(f"{int((came & (count == 0)).sum())} rows have an event but no period that it came in")
    household = np.repeat(np.arange(len(matrix)), count)
    number = np.arange(len(household)) - np.repeat(np.cumsum(count) - count, count) + 1
    ends_in = (month[household] - 1 + number * months) % 12 + 1
    y = None if came is None else (came[household] & (number == count[household])).astype(np.int8)
    return PersonPeriods(np.column_stack([matrix[household], number, ends_in]).astype(np.float64), household, y)
