"""Code numbers, day numbers and indices as the texts, dates and natural keys of canonical tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from returnrisk.simulate import names
from returnrisk.simulate.population import COUNTY_CODE
from returnrisk.simulate.state import CountyState, Ints

NO_DAY = -1


class Naming:
    """Natural keys and fixed columns of households and persons."""

    def __init__(self, final: CountyState) -> None:
        persons = final.persons
        self.state = final
        self.household = names.household_numbers(final.n_households, county=COUNTY_CODE)
        self.person = names.identity_numbers(persons.born_day, persons.male, county=COUNTY_CODE)
        self.village = names.village_names(len(final.villages.code))


def coded(values: Sequence[str], codes: Any) -> Any:
    """Texts of code numbers."""
    return pd.array(list(values), dtype="str").take(np.asarray(codes, dtype=np.int64))


def days(numbers: Ints) -> pd.Series[Any]:
    """Day numbers as dates; negative ones are missing."""
    stamps = numbers.astype("datetime64[D]").astype("datetime64[s]")
    return pd.Series(np.where(numbers < 0, np.datetime64("NaT"), stamps))


def month_days(months: Ints, edge: Callable[[int], int]) -> pd.Series[Any]:
    """First or last day of each month."""
    unique, place = np.unique(months, return_inverse=True)
    return days(np.array([edge(int(m)) for m in unique])[place])


def joined(first: Any, rows: Sequence[Any], field: str) -> Any:
    """Baseline values followed by those of every month."""
    return np.concatenate([first, *(getattr(r, field) for r in rows)])
