"""Tables signal and objection: what households and others raise, and what households dispute."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate import filing
from returnrisk.simulate.filing import Note, Sheet, choice_of, office_days
from returnrisk.simulate.groups import on_record
from returnrisk.simulate.month import ACCIDENT, Month
from returnrisk.simulate.schools import IN_SCHOOL
from returnrisk.simulate.state import Bools, Ints, Shock, uniform_days

CHANNELS = ("self_report", "complaint", "hotline", "media", "cadre")
CODES = (
    "illness",
    "injury",
    "job_lost",
    "income_low",
    "disaster",
    "housing",
    "water",
    "schooling",
    "debt",
    "food",
    "other",
)
SUBJECTS = ("listed", "not_listed", "data_wrong", "eliminated", "other")
LISTED, NOT_LISTED, DATA_WRONG, ELIMINATED, _ = range(len(SUBJECTS))
ANSWERS = ("upheld", "partly", "rejected")
SIGNAL = {
    "signal_id": filing.serials("XS"),
    "household_id": filing.households,
    "channel": filing.codes(CHANNELS),
    "code": filing.codes(CODES),
    "raised_on": filing.calendar,
    "recorded_on": filing.calendar,
}
OBJECTION = {
    "objection_id": filing.serials("YY"),
    "household_id": filing.households,
    "raised_on": filing.calendar,
    "subject": filing.codes(SUBJECTS),
    "answer": filing.codes(ANSWERS),
    "answered_on": filing.calendar,
    "recorded_on": filing.calendar,
}


def file_signals(note: Note) -> Sheet:
    """At most one signal a household and month: of what troubles it, the first that somebody raises."""
    month, p = note.month, note.month.parameters
    states = _troubles(note)
    raised = states & (month.rng.random(states.shape) < np.array(p.signal.p_by_code)) & month.alive()[:, None]
    who = np.flatnonzero(raised.any(axis=1))
    who = who[on_record(month, who, 1.0)]
    n, day = len(who), month.event_days(len(who))
    return {
        "signal_id": who * 100_000 + day,
        "household_id": who,
        "channel": choice_of(p.signal.channel_shares, month.rng.random(n)),
        "code": raised[who].argmax(axis=1),
        "raised_on": day,
        "recorded_on": office_days(month, day, p.office.signal_days),
    }


def _troubles(note: Note) -> Bools:
    """What is true of households this month, one column per code."""
    month, state = note.month, note.month.state.households
    shocks, n = month.shocks, month.state.n_households
    was, now = (column == 1 for column in note.member_changed(IN_SCHOOL))
    left = was & ~now & month.state.persons.present & (month.ages() < 16)
    hurt = np.zeros(n, dtype=bool)
    for loss in month.losses:
        hurt[loss.household[loss.hazard == ACCIDENT]] = True
    ratio = month.income_per_head() / month.line
    columns: list[Bools] = [
        shocks[:, Shock.ILLNESS] | shocks[:, Shock.DISABILITY],
        hurt,
        shocks[:, Shock.JOB_LOSS],
        (ratio < 1) & ~state.monitored,
        shocks[:, Shock.WEATHER] | shocks[:, Shock.HARVEST] | shocks[:, Shock.HERD],
        state.housing == 3,  # grade D
        ~state.water_safe,
        month.per_household(left) > 0,
        state.overdue.astype(bool),
        ratio < month.parameters.signal.food_below,
        np.ones(n, dtype=bool),
    ]
    return np.column_stack(columns)


def file_objections(note: Note) -> Sheet:
    """Disputes, and their answers as second rows."""
    month, p, monitoring = note.month, note.month.parameters.signal, note.monitoring
    state = month.state.households
    subject = np.full(month.state.n_households, -1)
    wrong = month.thinned(np.flatnonzero(month.alive()), p.data_wrong_month)
    subject[wrong] = DATA_WRONG
    left_out = np.flatnonzero(~state.monitored & month.alive() & (month.income_per_head() < month.line))
    subject[month.thinned(left_out, p.not_listed_month)] = NOT_LISTED
    if monitoring is not None:
        entered = monitoring.household[monitoring.eliminated < 0]
        closed = monitoring.household[monitoring.eliminated >= 0]
        subject[month.thinned(entered, p.p_listed)] = LISTED
        subject[month.thinned(closed, p.p_eliminated)] = ELIMINATED
    return _disputes(month, np.flatnonzero(subject >= 0), subject)


def _disputes(month: Month, who: Ints, subject: Ints) -> Sheet:
    p, n = month.parameters.signal, len(who)
    day = np.full(n, month.last_day)
    raised = {
        "objection_id": who * 100_000 + day,
        "household_id": who,
        "raised_on": day,
        "subject": subject[who],
        "answer": np.full(n, -1),
        "answered_on": np.full(n, -1),
        "recorded_on": office_days(month, day, month.parameters.office.objection_days),
    }
    answered = raised["recorded_on"] + uniform_days(month.rng, p.answer_days, n)
    again = raised | {
        "answer": choice_of(p.answer_shares, month.rng.random(n)),
        "answered_on": answered,
        "recorded_on": office_days(month, answered, month.parameters.office.objection_days),
    }
    return filing.stacked([raised, filing.pick(again, month.chance(p.p_answered, n))])
