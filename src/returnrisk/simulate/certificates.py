"""Table disability: certificates, some months after the disability, and not for everybody."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate import filing
from returnrisk.simulate.filing import Note, Sheet, choice_of, office_days, steady
from returnrisk.simulate.groups import on_record
from returnrisk.simulate.month import Month
from returnrisk.simulate.state import Ints, uniform_days

KINDS = ("vision", "hearing", "speech", "physical", "intellectual", "mental", "multiple")
GRADE = 6
"""Column of the members' photograph."""
DISABILITY = {
    "person_id": filing.persons,
    "kind": filing.codes(KINDS),
    "grade": filing.plain,
    "issued_on": filing.calendar,
    "valid_until": filing.calendar,
    "recorded_on": filing.calendar,
}


def file_certificates(note: Note) -> Sheet:
    """Certificates of those disabled this month, issued in the months to come."""
    month, p = note.month, note.month.parameters.certificate
    was, now = note.member_changed(GRADE)
    who = np.flatnonzero((was <= 0) & (now > 0) & month.state.persons.present)
    who = who[on_record(month, month.state.persons.household[who], p.p_certified)]
    issued = month.event_days(len(who)) + uniform_days(month.rng, p.issued_days, len(who))
    return _rows(month, who, issued, office_days(month, issued, month.parameters.office.disability_days))


def open_certificates(start: Month) -> Sheet:
    """Certificates that the disabled have on the first day, issued within the last nine years."""
    persons = start.state.persons
    who = np.flatnonzero(persons.present & (persons.disability > 0))
    who = who[on_record(start, persons.household[who], start.parameters.certificate.p_certified)]
    issued = start.first_day - 30 - (steady(who, 13) * 365 * 9).astype(np.int64)
    issued = np.maximum(issued, persons.born_day[who] + 1)
    return _rows(start, who, np.minimum(issued, start.first_day), np.full(len(who), start.first_day))


def _rows(month: Month, who: Ints, issued: Ints, recorded: Ints) -> Sheet:
    p = month.parameters.certificate
    return {
        "person_id": who,
        "kind": choice_of(p.kind_shares, steady(who, 17)),
        "grade": month.state.persons.disability[who],
        "issued_on": issued,
        "valid_until": issued + 365 * p.valid_years,
        "recorded_on": np.maximum(recorded, month.state.persons.roster_recorded[who]),
    }
