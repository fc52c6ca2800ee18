"""Rows of the further tables as clerks write them: coded columns by table, turned into canonical frames at the end.

A `Sheet` maps a table's columns to equally long arrays: indices of households or persons, code numbers, day numbers (-1: missing),
CNY. A process file offers `file_…(note)`, called every month, and `open_…(start)` for what is on file on the first day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from returnrisk.simulate.coding import Naming, coded, days
from returnrisk.simulate.health import Claims
from returnrisk.simulate.month import Month
from returnrisk.simulate.records import Photograph
from returnrisk.simulate.state import Ints, uniform_days
from returnrisk.simulate.watch import MonitoringRows

Sheet = dict[str, NDArray[Any]]
Decoder = Callable[[Naming, NDArray[Any]], Any]


@dataclass(frozen=True, slots=True)
class Note:
    """What a clerk sees of the month: how it ended, what changed in it, the claims and decisions of other offices."""

    month: Month
    before: Photograph
    after: Photograph
    claims: Claims
    monitoring: MonitoringRows | None

    def member_changed(self, column: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """A column of the members' photograph before (-1 for newcomers) and after."""
        was = np.full(len(self.after.members), -1)
        was[: len(self.before.members)] = self.before.members[:, column]
        return was, self.after.members[:, column]


def office_days(month: Month, days_after: Ints, bounds: tuple[int, ...]) -> Ints:
    """When an office records events of these days: within its usual delay, and some much later (DOMAIN 7.4)."""
    p = month.parameters.traps
    n = len(days_after)
    delay = uniform_days(month.rng, bounds, n)
    late = month.chance(p.p_office_late, n) & p.sloppy_reporting
    much = (month.between(p.late_factor, n) * max(bounds)).astype(np.int64)
    return days_after + np.where(late, much, delay)


def pick(sheet: Mapping[str, NDArray[Any]], rows: NDArray[Any]) -> Sheet:
    """Some rows (mask or indices) of a sheet."""
    return {name: column[rows] for name, column in sheet.items()}


def stacked(sheets: Sequence[Sheet]) -> Sheet:
    """Sheets of the same columns under each other."""
    return {name: np.concatenate([sheet[name] for sheet in sheets]) for name in sheets[0]}


def steady(numbers: Ints, salt: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each key, always the same for the same key: what a person or a job keeps without being stored.

    Examples
    --------
    >>> bool((steady(np.arange(3), 1) == steady(np.arange(3), 1)).all())
    True
    """
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt * 0x632BE59BD9B4E019 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2.0**53


def choice_of(shares: tuple[float, ...], draw: NDArray[np.float64]) -> Ints:
    """Index of the share that each number in [0, 1) falls into."""
    return np.minimum(np.searchsorted(np.cumsum(shares), draw, side="right"), len(shares) - 1)


def households(naming: Naming, values: NDArray[Any]) -> Any:
    """Household numbers."""
    return naming.household.take(values)


def persons(naming: Naming, values: NDArray[Any]) -> Any:
    """ID numbers."""
    return naming.person.take(values)


def calendar(_: Naming, values: NDArray[Any]) -> Any:
    """Days; -1 is missing."""
    return days(values)


def plain(_: Naming, values: NDArray[Any]) -> Any:
    """Numbers and yes or no as they are."""
    return values


def codes(texts: Sequence[str]) -> Decoder:
    """Texts of code numbers; -1 is missing."""

    def decode(_: Naming, values: NDArray[Any]) -> Any:
        if (values >= 0).all():
            return coded(texts, values)
        return pd.array([*texts, None], dtype="str").take(np.where(values < 0, len(texts), values))

    return decode


def serials(prefix: str) -> Decoder:
    """Numbers of files, loans or people as offices write them."""

    def decode(_: Naming, values: NDArray[Any]) -> Any:
        return pd.array([f"{prefix}{number:013d}" for number in values.tolist()], dtype="str")

    return decode


def frame(naming: Naming, columns: Mapping[str, Decoder], sheets: Sequence[Sheet]) -> pd.DataFrame:
    """The table of all these sheets, in the order of time."""
    filled = [sheet for sheet in sheets if len(next(iter(sheet.values())))]
    whole = stacked(filled) if filled else {name: np.empty(0, dtype=np.int64) for name in columns}
    return pd.DataFrame({name: decode(naming, whole[name]) for name, decode in columns.items()})
