"""Table loan: micro-credit as it is lent, falls overdue and is paid back; student loans."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate import filing
from returnrisk.simulate.filing import Note, Sheet, office_days
from returnrisk.simulate.month import Loans, Month
from returnrisk.simulate.schools import TERTIARY, stages
from returnrisk.simulate.state import Bools, Floats, Ints

KINDS = ("micro_credit", "student", "other")
MICRO_CREDIT, STUDENT, _ = range(len(KINDS))
LOAN = {
    "loan_id": filing.serials("DK"),
    "household_id": filing.households,
    "kind": filing.codes(KINDS),
    "amount_cny": filing.plain,
    "granted_on": filing.calendar,
    "due_on": filing.calendar,
    "balance_cny": filing.plain,
    "overdue": filing.plain,
    "recorded_on": filing.calendar,
}


def file_loans(note: Note) -> Sheet:
    """Loans granted, overdue and paid back this month."""
    month, cny = note.month, note.month.state.households.loan_cny
    events = month.loans or Loans(*(np.empty(0, dtype=np.int64),) * 3, np.empty(0))
    new, late, paid = events.granted, events.overdue, events.repaid
    day = month.state.households.loan_day[new]
    sheets = [
        _rows(month, new, cny[new], cny[new], day=day, overdue=np.zeros(len(new), dtype=bool)),
        _rows(month, late, cny[late], cny[late], day=month.event_days(len(late)), overdue=np.ones(len(late), dtype=bool)),
        _rows(
            month,
            paid,
            events.repaid_cny,
            0 * events.repaid_cny,
            day=month.event_days(len(paid)),
            overdue=np.zeros(len(paid), dtype=bool),
        ),
    ]
    return filing.stacked([*sheets, _student_loans(month)] if month.calendar == 8 else sheets)


def open_loans(start: Month) -> Sheet:
    """Loans running on the first day."""
    state = start.state.households
    who = np.flatnonzero(state.loan_cny > 0)
    sheet = _rows(start, who, state.loan_cny[who], state.loan_cny[who], day=state.loan_day[who], overdue=state.overdue[who])
    state.loan_recorded[who] = start.first_day
    return sheet | {"recorded_on": np.full(len(who), start.first_day)}


def _rows(month: Month, who: Ints, amount: Floats, balance: Floats, *, day: Ints, overdue: Bools) -> Sheet:
    """Rows of micro-credit; it falls due when the measure ends."""
    state = month.state.households
    recorded = np.maximum(office_days(month, day, month.parameters.office.loan_days), state.loan_recorded[who] + 1)
    state.loan_recorded[who] = recorded
    granted = state.loan_day[who]
    return {
        "loan_id": who * 100_000 + granted,
        "household_id": who,
        "kind": np.full(len(who), MICRO_CREDIT),
        "amount_cny": amount,
        "granted_on": granted,
        "due_on": state.loan_due[who],
        "balance_cny": balance,
        "overdue": overdue,
        "recorded_on": recorded,
    }


def _student_loans(month: Month) -> Sheet:
    """A loan a year for some students of poor households, due ten years later."""
    persons, households, p = month.state.persons, month.state.households, month.parameters.school
    students = np.flatnonzero(persons.present & persons.in_school)
    students = students[stages(month, students) == TERTIARY]
    poor = (households.ex_poor | month.in_need())[persons.household[students]]
    students = month.thinned(students[poor], p.p_student_loan)
    n, day = len(students), month.event_days(len(students))
    cny = np.full(n, p.student_loan_cny)
    return {
        "loan_id": 10**12 + students * 100_000 + day,
        "household_id": persons.household[students],
        "kind": np.full(n, STUDENT),
        "amount_cny": cny,
        "granted_on": day,
        "due_on": day + 3652,
        "balance_cny": cny,
        "overdue": np.zeros(n, dtype=bool),
        "recorded_on": office_days(month, day, month.parameters.office.loan_days),
    }
