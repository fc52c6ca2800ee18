"""Table schooling: one row per pupil in September, others in March; student loans belong to table loan."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate import filing
from returnrisk.simulate.filing import Note, Sheet, office_days, steady
from returnrisk.simulate.month import Month, severe
from returnrisk.simulate.state import Bools, Floats, Ints, Measure, first_day

STAGES = ("preschool", "primary", "lower_secondary", "upper_secondary", "vocational", "tertiary")
PRESCHOOL, PRIMARY, JUNIOR, SENIOR, VOCATIONAL, TERTIARY = range(len(STAGES))
STATUSES = ("enrolled", "suspended", "dropped_out", "graduated")
ENROLLED, SUSPENDED, DROPPED_OUT, GRADUATED = range(len(STATUSES))
IN_SCHOOL = 1
"""Column of the members' photograph."""
SCHOOLING = {
    "person_id": filing.persons,
    "term_start": filing.calendar,
    "stage": filing.codes(STAGES),
    "status": filing.codes(STATUSES),
    "boarding": filing.plain,
    "fee_cny_year": filing.plain,
    "aid_cny_year": filing.plain,
    "recorded_on": filing.calendar,
}


def stages(month: Month, students: Ints) -> Ints:
    """Stage by age; of those of 16 to 18 some learn a trade."""
    age = month.ages()[students]
    upper = np.where(steady(students, 3) < month.parameters.school.p_vocational, VOCATIONAL, SENIOR)
    return np.select([age < 13, age < 16, age < 19], [PRIMARY, JUNIOR, upper], TERTIARY)


def fee_of(month: Month, stage: Ints) -> Floats:
    """What a year costs, CNY."""
    return np.asarray(np.round(np.array(month.parameters.school.fee_cny_year)[stage] * month.price / 10) * 10)


def aid_of(month: Month, students: Ints, stage: Ints) -> Floats:
    """School aid a year, CNY: for ex-poor and monitored households and where the measure runs."""
    households = month.state.households
    helped = households.ex_poor | households.monitored | (households.support_left[:, Measure.SCHOOL_AID] > 0)
    return np.asarray(np.array(month.parameters.school.aid_cny_year)[stage] * helped[month.state.persons.household[students]])


def file_schools(note: Note) -> Sheet:
    """Everybody enrolled at the start of the school year; leavers; in March those whom illness keeps away."""
    month, persons = note.month, note.month.state.persons
    was, now = (column == 1 for column in note.member_changed(IN_SCHOOL))
    age, none = month.ages(), np.zeros(len(persons.household), dtype=bool)
    gone = persons.present & was & ~now if month.calendar == 8 else none
    enrolled = persons.present & now if month.calendar == 8 else none
    away = persons.present & now & (persons.ill_left > 0) if month.calendar == 2 else none
    kinds: list[tuple[Bools, int]] = [
        (enrolled, ENROLLED),
        (gone & (age < 16) & ~severe(persons.disability), DROPPED_OUT),
        (gone & (age < 16) & severe(persons.disability), SUSPENDED),
        (gone & (age >= 16), GRADUATED),
        (away, SUSPENDED),
    ]
    return filing.stacked([_rows(month, np.flatnonzero(mask), status, term=month.first_day) for mask, status in kinds])


def open_schools(start: Month) -> Sheet:
    """Everybody at school on the first day, under the term that began last."""
    month = start.state.month
    term = month - (month % 12 - 8) % 12
    students = np.flatnonzero(start.state.persons.present & start.state.persons.in_school)
    sheet = _rows(start, students, ENROLLED, term=first_day(term))
    return sheet | {"recorded_on": np.full(len(students), start.first_day)}


def _rows(month: Month, students: Ints, status: int, *, term: int) -> Sheet:
    stage, persons = stages(month, students), month.state.persons
    attends = status == ENROLLED
    boards = steady(students, 5) < np.array(month.parameters.school.p_boarding)[stage]
    term_start = np.full(len(students), term)
    recorded = office_days(month, term_start, month.parameters.office.schooling_days)
    return {
        "person_id": students,
        "term_start": term_start,
        "stage": stage,
        "status": np.full(len(students), status),
        "boarding": boards & attends,
        "fee_cny_year": fee_of(month, stage) * attends,
        "aid_cny_year": aid_of(month, students, stage) * attends,
        "recorded_on": np.maximum(recorded, persons.roster_recorded[students]),
    }
