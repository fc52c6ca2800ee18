"""Coded records to canonical frames, with baseline rows for what was on file at the start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from returnrisk.contracts import load_contracts
from returnrisk.simulate import names
from returnrisk.simulate.month import Month
from returnrisk.simulate.parameters import Parameters
from returnrisk.simulate.population import COUNTY_CODE
from returnrisk.simulate.records import MONTHLY_TABLES, MonthRecords, photograph
from returnrisk.simulate.state import (
    CATEGORIES,
    CHANNELS,
    CLAIM_KINDS,
    EDUCATIONS,
    EMPLOYMENT,
    GROUPS,
    HEALTHS,
    HOUSING,
    LABOURS,
    MEASURES,
    PROGRAMMES,
    RELATIONS,
    RISK_TYPES,
    SEXES,
    CountyState,
    Ints,
    Shock,
    first_day,
    last_day,
)

STATUSES = ("granted", "reduced", "cancelled")
_NO_DAY = -1


def coded(values: Sequence[str], codes: Any) -> Any:
    """Texts of code numbers."""
    return pd.array(list(values), dtype="str").take(np.asarray(codes, dtype=np.int64))


def days(numbers: Ints) -> pd.Series[Any]:
    """Day numbers as dates; negative ones are missing."""
    stamps = numbers.astype("datetime64[D]").astype("datetime64[s]")
    return pd.Series(np.where(numbers < 0, np.datetime64("NaT"), stamps))
