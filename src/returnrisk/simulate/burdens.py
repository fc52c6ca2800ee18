"""Table expense: rigid expenditure that the civil affairs office learns of."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate import filing
from returnrisk.simulate.filing import Note, Sheet, office_days
from returnrisk.simulate.groups import on_record
from returnrisk.simulate.month import ACCIDENT, FIRE, Month, severe
from returnrisk.simulate.schools import SENIOR, TERTIARY, aid_of, fee_of, stages
from returnrisk.simulate.state import Bools, Floats, Ints, first_day

KINDS = ("illness", "disability_care", "elder_care", "disaster", "accident", "tuition", "other_rigid")
ILLNESS, CARE, ELDER, DISASTER, ACCIDENTS, TUITION, OTHER = range(len(KINDS))
EXPENSE = {
    "household_id": filing.households,
    "kind": filing.codes(KINDS),
    "period_start": filing.calendar,
    "period_end": filing.calendar,
    "amount_cny": filing.plain,
    "recorded_on": filing.calendar,
}


def file_expenses(note: Note) -> Sheet:
    """Bills of the month, in September the school year's tuition, in December the year's care."""
    month, p, n = note.month, note.month.parameters.expense, note.month.state.n_households
    persons = month.state.persons
    bills = np.bincount(persons.household[note.claims.person], note.claims.out_of_pocket, n)
    sheets = [_rows(month, ILLNESS, np.where(bills >= p.illness_from_cny, bills, 0.0))]
    for kind, hazards in ((DISASTER, (FIRE,)), (ACCIDENTS, (ACCIDENT,))):
        cost = np.zeros(n)
        for loss in month.losses:
            of_kind = np.isin(loss.hazard, hazards)
            np.add.at(cost, loss.household[of_kind], (loss.cny - loss.insured)[of_kind])
        sheets.append(_rows(month, kind, cost))
    other = np.where(month.chance(p.other_month, n), month.between(p.other_cny, n) * month.price, 0.0)
    sheets.append(_rows(month, OTHER, other * month.alive()))
    if month.calendar == 8:
        sheets.append(_rows(month, TUITION, _tuition(month)))
    if month.calendar == 11:
        disabled = month.per_household(severe(persons.disability))
        sheets.append(_rows(month, CARE, disabled * p.disability_care_year * month.price, year=True))
        frail = (month.ages() >= p.elder_age) & ~severe(persons.disability)
        sheets.append(_rows(month, ELDER, month.per_household(frail) * p.elder_care_year * month.price, year=True))
    return filing.stacked(sheets)


def _tuition(month: Month) -> Floats:
    """What upper schools and universities cost a household after aid, CNY for the school year."""
    persons, n = month.state.persons, month.state.n_households
    students = np.flatnonzero(persons.present & persons.in_school)
    stage = stages(month, students)
    paid = fee_of(month, stage) - aid_of(month, students, stage)
    counts = ((stage >= SENIOR) & (stage <= TERTIARY)) & (paid >= month.parameters.expense.tuition_from_cny)
    return np.bincount(persons.household[students[counts]], paid[counts], n).astype(np.float64)


def _rows(month: Month, kind: int, cny: Floats, *, year: bool = False) -> Sheet:
    who: Ints = np.flatnonzero(cny > 0)
    known: Bools = on_record(month, who, month.parameters.expense.p_recorded)
    last = np.full(len(who), month.last_day)
    sheet = {
        "household_id": who,
        "kind": np.full(len(who), kind),
        "period_start": np.full(len(who), first_day(month.state.month - 11) if year else month.first_day),
        "period_end": last,
        "amount_cny": np.round(cny[who], 2),
        "recorded_on": office_days(month, last, month.parameters.office.expense_days),
    }
    return filing.pick(sheet, known)  # drawn for all of them, so that one more on record changes no other row
