"""How likely the simulated county's visitors were to call, month by month: the log that a real list has to keep."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from returnrisk.errors import ConfigError
from returnrisk.simulate import names
from returnrisk.simulate.county import initial_state, month_rng
from returnrisk.simulate.doorstep import _visited  # the very chances that its clerks draw with
from returnrisk.simulate.parameters import Parameters, default_parameters
from returnrisk.simulate.population import COUNTY_CODE
from returnrisk.simulate.process import advance
from returnrisk.simulate.state import month_number


def simulated_visit_chances(
    as_of: dt.date,
    *,
    months: int = 12,
    n_households: int = 5000,
    start: dt.date = dt.date(2019, 10, 1),
    seed: int = 0,
    parameters: Parameters | None = None,
) -> pd.DataFrame:
    """Chance of a visit in each month after a day, in the county that `simulate_county` makes of the same arguments.

    A month's chance depends on what happened up to it (a shock brings visitors), not on who was visited before: visits change nothing in
    the simulated county. So over months they multiply (`chance_over_rounds`).

    Returns
    -------
    pandas.DataFrame
        One row per household in the arrays: household_id, home (whether on the day somebody of 16 or over lives there and not away), and
        month_1 .. month_n (0 without members). Under `traps.only_visited_verified = false` everybody is visited once a year instead:
        1 in the household's month, 0 in the others.

    Raises
    ------
    ConfigError
        The day lies before `start`, or there is no month.
    """
    parameters = parameters or default_parameters()
    last = month_number(as_of)
    if as_of < start or months < 1:
        raise ConfigError(f"as_of is {as_of} and months {months}; expected a day from {start} on and at least 1 month")
    state = initial_state(n_households=n_households, start=start, seed=seed, parameters=parameters)
    rounds, home = [], np.zeros(0, dtype=bool)
    for number in range(state.month, last + months + 1):
        month = advance(state, month_rng(seed, number), parameters)
        state.month = number  # `advance` has turned the page; the clerks write before
        if number == last:
            persons = state.persons
            home = month.per_household(persons.present & (month.ages() >= 16) & ~persons.away) > 0
        elif number > last:
            every = np.arange(state.n_households) % 12 == month.calendar
            chance = _visited(month) if parameters.traps.only_visited_verified else every.astype(np.float64)
            rounds.append(np.where(month.alive(), chance, 0.0))
        state.month = number + 1
    n = state.n_households
    numbers = names.household_numbers(n, county=COUNTY_CODE)
    columns = {f"month_{i + 1}": np.pad(chance, (0, n - len(chance))) for i, chance in enumerate(rounds)}
    return pd.DataFrame({"household_id": numbers.take(np.arange(n)), "home": np.pad(home, (0, n - len(home))), **columns})
