"""Micro-credit: lent with the measure, due when it ends, overdue where a household is too poor to pay back.

What a household that ended owed is paid from what it leaves, in the same month.
"""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.month import Loans, Month
from returnrisk.simulate.state import Measure, first_day


def lend(month: Month) -> None:
    """New loans, loans that fall due, and old ones settled; who cannot pay may have to sell the herd."""
    households, p = month.state.households, month.parameters.loan
    runs = households.support_left[:, Measure.MICRO_CREDIT] > 0
    delivered = households.support_delivered[:, Measure.MICRO_CREDIT]
    owes, alive = households.loan_cny > 0, month.alive()
    new, ended = np.flatnonzero(runs & delivered & ~owes & alive), np.flatnonzero(owes & ~alive)
    poor = month.income_per_head() < p.overdue_below * month.line
    due = np.flatnonzero(owes & alive & (households.loan_due <= month.first_day) & ~households.overdue)
    fails = poor[due] & month.chance(p.p_overdue, len(due))
    late, paid = due[fails], due[~fails]
    settled = month.thinned(np.flatnonzero(owes & alive & households.overdue & ~runs & ~poor), p.settles_month)
    amount = np.round((p.amount_mean + p.amount_sd * month.rng.standard_normal(len(new))) / 1000) * 1000
    households.loan_cny[new] = np.clip(amount, 5000.0, p.amount_max)
    households.loan_day[new] = month.event_days(len(new))
    left = households.support_left[new, Measure.MICRO_CREDIT]
    due_on = np.array([first_day(month.state.month + months) for months in range(max(month.parameters.support.months) + 1)])
    households.loan_due[new] = due_on[left]
    households.overdue[late] = True
    sold = month.thinned(late, p.p_sells_herd)
    households.herd[sold] = False
    households.herder[sold] = False
    paid = np.concatenate([paid, settled, ended])
    month.loans = Loans(granted=new, overdue=late, repaid=paid, repaid_cny=households.loan_cny[paid])
    households.loan_cny[paid] = 0.0
    households.overdue[paid] = False
