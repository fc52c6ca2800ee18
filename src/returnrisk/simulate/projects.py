"""Industry projects: every village has one, households are linked to it by the measure, and when it fails all of them lose it."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.month import Month
from returnrisk.simulate.state import Floats, Ints, Measure


def run_projects(month: Month) -> None:
    """Some villages' projects fail this month; the next one begins there."""
    villages = month.state.villages
    month.project_failed = month.chance(month.parameters.support.industry_fails_month, len(villages.code))
    villages.project += month.project_failed


def promised_dividend(month: Month, number: Ints) -> Floats:
    """What projects of these numbers promise a linked household a year, CNY: the project's own, for as long as it runs."""
    p = month.parameters.project
    low, high = p.dividend_range
    return np.asarray(np.round(p.dividend_year * (low + (high - low) * (number * 31 % 97) / 96) / 10) * 10)


def dividends(month: Month) -> Floats:
    """Paid in January to whoever is linked to a running project, CNY."""
    households, villages = month.state.households, month.state.villages
    linked = (households.support_left[:, Measure.INDUSTRY] > 0) & households.support_delivered[:, Measure.INDUSTRY]
    number = villages.code * 1000 + villages.project
    return promised_dividend(month, number)[households.village] * linked
