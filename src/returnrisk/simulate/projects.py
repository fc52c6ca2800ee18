"""Industry projects: every village has one, households are linked to it by the measure, and when it fails all of them lose it."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.month import Month
from returnrisk.simulate.parameters import Parameters
from returnrisk.simulate.state import Floats, Measure


def draw_dividends(rng: np.random.Generator, parameters: Parameters, n: int) -> Floats:
    """What `n` new projects promise each linked household a year, CNY."""
    p = parameters.project
    low, high = p.dividend_range
    return np.round(p.dividend_year * rng.uniform(low, high, n) / 10) * 10


def run_projects(month: Month) -> None:
    """Some villages' projects fail this month; the next one begins there."""
    villages = month.state.villages
    month.project_failed = month.chance(month.parameters.support.industry_fails_month, len(villages.code))
    villages.project += month.project_failed
    new = draw_dividends(month.rng, month.parameters, int(month.project_failed.sum()))
    villages.dividend[month.project_failed] = new


def dividends(month: Month) -> Floats:
    """Paid in January to whoever is linked to a running project, CNY."""
    households = month.state.households
    linked = (households.support_left[:, Measure.INDUSTRY] > 0) & households.support_delivered[:, Measure.INDUSTRY]
    return month.state.villages.dividend[households.village] * linked
