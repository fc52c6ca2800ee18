"""Which months the screening looks at on a day. All windows end with a month whose reports were due by then."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from returnrisk.policy import Policy
from returnrisk.store.view import View
from returnrisk.timeline import IncomeYear, Window, add_months, month_end, months_between

YEAR = Window("trailing", 12)


@dataclass(frozen=True, slots=True)
class ScreeningWindows:
    """Windows of one day.

    Attributes
    ----------
    day
        The day of screening.
    income, income_end
        Window of the accounts. Trailing: it ends with the latest closed month. Income year: the running one up to there, once so many
        of its months can be on file as the pack asks for; before that the year settled last.
    last_year_end
        Last day of the same window one year before.
    cost_end
        Last day of the twelve months that cost is looked at over: the latest for which medical and expense files were both due.
    min_months
        Months on file under which income is not computable.
    """

    day: dt.date
    income: Window
    income_end: dt.date
    last_year_end: dt.date
    cost_end: dt.date
    min_months: int


def screening_windows(view: View, *, policy: Policy) -> ScreeningWindows:
    """The windows of the view's day by the pack's rules (`income_window`, `min_months`)."""
    day = view.day
    latest, months = view.last_closed_on("income"), int(policy.number("min_months", day))
    end, window = latest, YEAR
    before = add_months(latest, -12)
    if policy.choice("income_window", day) == "income_year":
        window, running = Window("income_year"), IncomeYear.containing(latest)
        if months_between(running.first_day, latest) + 1 < months:
            running = IncomeYear(running.year - 1)
        end, before = min(latest, running.last_day), IncomeYear(running.year - 1).last_day
    cost_end = min(view.last_closed_on("medical"), view.last_closed_on("expense"))
    return ScreeningWindows(
        day=day, income=window, income_end=end, last_year_end=before, cost_end=month_end(cost_end), min_months=months
    )
