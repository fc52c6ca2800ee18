"""A county simulated month by month, its tables in canonical names, and the truth behind them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from returnrisk.errors import ConfigError
from returnrisk.simulate.clerks import open_all
from returnrisk.simulate.money_tables import wide_ledger
from returnrisk.simulate.month import Month
from returnrisk.simulate.office_tables import truth_frame
from returnrisk.simulate.parameters import Parameters, default_parameters
from returnrisk.simulate.population import draw_population
from returnrisk.simulate.process import step
from returnrisk.simulate.state import CountyState, month_number
from returnrisk.simulate.tables import canonical_tables

OPENING = 1
"""Marks the random numbers of what is on file on the first day."""


@dataclass(frozen=True, slots=True)
class SimulatedCounty:
    """What a simulated county put on file, and what was true.

    Attributes
    ----------
    tables
        Canonical tables by name, natural keys in clear (household number, synthetic ID number), every row that was or will be
        recorded, also after `end`; optional columns that no office here collects are left out. Days are `datetime64[s]`, money float64 CNY, codes canonical.
    ledger
        The income table as the wide file has it: one row per household, month and entry; `items` columns named by header.
    truth
        One row per household that then had members, and month: household_id, month_end, net_12m_cny, n_members, line_cny_year, net_per_head_cny, monitored,
        and one boolean per shock.
    state
        The county at the end; `step` goes on from here.
    start, end
        First and last simulated day.
    """

    tables: dict[str, pd.DataFrame]
    ledger: pd.DataFrame
    truth: pd.DataFrame
    state: CountyState
    parameters: Parameters
    start: dt.date
    end: dt.date
    seed: int


def month_rng(seed: int, month: int) -> np.random.Generator:
    """Random numbers of one month: they depend on seed and month only, so a run can stop and go on anywhere."""
    return np.random.default_rng([seed, month])


def initial_state(
    *, n_households: int = 5000, start: dt.date = dt.date(2019, 10, 1), seed: int = 0, parameters: Parameters | None = None
) -> CountyState:
    """The county on the day before `start`, after a burn-in that leaves nothing on file.

    Raises
    ------
    ConfigError
        `start` is not the first of a month, or there are fewer than 50 households.

    Examples
    --------
    >>> state = initial_state(n_households=100, start=dt.date(2020, 1, 1), seed=3)
    >>> state.n_households, state.month == month_number(dt.date(2020, 1, 1))
    (100, True)
    """
    if start.day != 1 or n_households < 50:
        raise ConfigError(f"start is {start} and n_households {n_households}; expected the first of a month and at least 50")
    parameters = parameters or default_parameters()
    clock, first = parameters.clock, month_number(start)
    begin = first - clock.burn_in_months
    state = draw_population(np.random.default_rng([seed, 0]), parameters, n_households=n_households, month=begin)
    for month in range(begin, first):
        step(state, month_rng(seed, month), parameters, deciding=month - begin >= clock.settled_months)
    return state


def simulate_county(
    *,
    n_households: int = 5000,
    months: int = 72,
    start: dt.date = dt.date(2019, 10, 1),
    seed: int = 0,
    parameters: Parameters | None = None,
) -> SimulatedCounty:
    """Simulate one county.

    Parameters
    ----------
    n_households
        Households on the first day; splits, joins and ends change their number.
    months
        Months on file, from `start`.
    start
        First of a month.
    seed
        Everything random depends on it: the same arguments give the same county.
    parameters
        Default: the shipped `parameters.toml`.

    Returns
    -------
    SimulatedCounty
        Tables, truth and final state.

    Raises
    ------
    ConfigError
        `start` is not the first of a month, or there are too few households or months.

    Examples
    --------
    >>> county = simulate_county(n_households=100, months=3, start=dt.date(2024, 1, 1), seed=1)
    >>> county.end, county.truth["month_end"].nunique()
    (datetime.date(2024, 3, 31), 3)
    >>> simulate_county(n_households=100, months=0)
    Traceback (most recent call last):
        ...
    returnrisk.errors.ConfigError: months is 0; expected at least 1
    """
    if months < 1:
        raise ConfigError(f"months is {months}; expected at least 1")
    parameters = parameters or default_parameters()
    state = initial_state(n_households=n_households, start=start, seed=seed, parameters=parameters)
    first = month_number(start)
    opening = open_all(Month.of(state, np.random.default_rng([seed, first, OPENING]), parameters))
    baseline = state.copy()
    records = [step(state, month_rng(seed, month), parameters) for month in range(first, first + months)]
    ledger = wide_ledger(records, state)
    return SimulatedCounty(
        tables=canonical_tables(records, ledger, opening=opening, baseline=baseline, final=state, parameters=parameters),
        ledger=ledger,
        truth=truth_frame(records, state),
        state=state,
        parameters=parameters,
        start=start,
        end=dt.date((first + months) // 12, (first + months) % 12 + 1, 1) - dt.timedelta(days=1),
        seed=seed,
    )
