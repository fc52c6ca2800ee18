"""Table insurance: policies at the new year, and what they paid; 防贫保 pays above a start line of a month's own cost of illness."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate import filing
from returnrisk.simulate.filing import Note, Sheet, office_days
from returnrisk.simulate.month import Month
from returnrisk.simulate.state import Bools, Insured, Ints, first_day

KINDS = ("poverty_guard", "crop", "livestock", "accident", "house")
INSURANCE = {
    "household_id": filing.households,
    "kind": filing.codes(KINDS),
    "valid_from": filing.calendar,
    "valid_until": filing.calendar,
    "premium_cny": filing.plain,
    "paid_out_cny": filing.plain,
    "paid_on": filing.calendar,
    "recorded_on": filing.calendar,
}


def file_policies(note: Note) -> Sheet:
    """In January the year's policies; then one row a month for each policy that paid."""
    month, state = note.month, note.month.state.households
    paid = np.zeros(state.insured.shape, dtype=bool)
    for loss in month.losses:
        paid[loss.household[loss.insured > 0], loss.cover] = True
    paid[:, Insured.GUARD] = _guarded(note)
    day = month.last_day + 1 + month.rng.integers(0, 25, int(paid.sum()))  # insurers pay in the next month
    payments = _rows(month, *np.nonzero(paid), day=day)
    if month.calendar != 0:
        return payments
    held, kind = np.nonzero(state.insured)
    signed = np.full(len(held), month.first_day)
    policies = _rows(month, held, kind, day=signed) | {"paid_on": np.full(len(held), -1), "paid_out_cny": np.zeros(len(held))}
    return filing.stacked([policies, payments])


def open_policies(start: Month) -> Sheet:
    """Policies of the running year."""
    state = start.state.households
    held, kind = np.nonzero(state.insured)
    none = np.full(len(held), -1)
    sheet = _rows(start, held, kind, day=np.full(len(held), start.first_day - 1))
    state.insurance_recorded[held] = start.first_day
    known = np.full(len(held), start.first_day)
    return sheet | {"paid_on": none, "paid_out_cny": np.zeros(len(held)), "recorded_on": known}


def _guarded(note: Note) -> Bools:
    """Households that 防贫保 pays for this month's bills."""
    month, state, p = note.month, note.month.state.households, note.month.parameters.cover
    own = np.bincount(month.state.persons.household[note.claims.person], note.claims.out_of_pocket, month.state.n_households)
    due = np.round(p.guard_share * (own - p.guard_start) * state.insured[:, Insured.GUARD])
    due = np.minimum(np.maximum(due, 0.0), p.guard_max - state.paid_out[:, Insured.GUARD])
    state.paid_out[:, Insured.GUARD] += due
    return np.asarray(due > 0)


def _rows(month: Month, who: Ints, kind: Ints, *, day: Ints) -> Sheet:
    state, p = month.state.households, month.parameters
    recorded = np.maximum(office_days(month, day, p.office.insurance_days), state.insurance_recorded[who] + 1)
    np.maximum.at(state.insurance_recorded, who, recorded)
    year = month.state.month - month.calendar
    return {
        "household_id": who,
        "kind": kind,
        "valid_from": np.full(len(who), first_day(year)),
        "valid_until": np.full(len(who), first_day(year + 12) - 1),
        "premium_cny": np.array(p.cover.premium_cny)[kind],
        "paid_out_cny": state.paid_out[who, kind],
        "paid_on": day,
        "recorded_on": recorded,
    }
