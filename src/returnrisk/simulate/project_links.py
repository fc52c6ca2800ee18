"""Table industry_project: which household is linked to its village's project, and what became of it."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate import filing
from returnrisk.simulate.filing import Note, Sheet, office_days
from returnrisk.simulate.month import Month
from returnrisk.simulate.state import Floats, Ints, Measure

PROJECT_KINDS = ("planting", "livestock", "processing", "tourism", "photovoltaic", "other")
STATES = ("running", "suspended", "failed", "ended")
RUNNING, SUSPENDED, FAILED, ENDED = range(len(STATES))
INDUSTRY_PROJECT = {
    "project_id": filing.serials("XM"),
    "household_id": filing.households,
    "project_kind": filing.codes(PROJECT_KINDS),
    "linked_on": filing.calendar,
    "state": filing.codes(STATES),
    "state_on": filing.calendar,
    "dividend_cny_year": filing.plain,
    "recorded_on": filing.calendar,
}


def file_links(note: Note) -> Sheet:
    """Links that began (suspended until the support is delivered), began to run, failed with the project, or ended."""
    month, state = note.month, note.month.state.households
    was = np.zeros_like(note.after.links)
    was[: len(note.before.links)] = note.before.links
    left, delivered = note.after.links.T
    stopped = (was[:, 0] > 0) & (left == 0)
    begun = (was[:, 0] == 0) & (left > 0)
    runs = (was[:, 0] > 0) & (left > 0) & (was[:, 1] == 0) & (delivered > 0)
    who = np.flatnonzero(stopped | begun | runs)
    failed = month.project_failed[state.village[who]]
    kind = np.select([stopped[who] & failed, stopped[who], delivered[who] > 0], [FAILED, ENDED, RUNNING], SUSPENDED)
    linked = state.support_day[who, Measure.INDUSTRY]
    day = np.where(begun[who], linked, np.maximum(month.event_days(len(who)), linked))
    village, over = state.village[who], stopped[who]  # a link that stopped belongs to the project of the month's start
    serial = np.where(over, note.before.projects[village, 0], note.after.projects[village, 0]).astype(np.int64)
    promised = np.where(over, note.before.projects[village, 1], note.after.projects[village, 1])
    return _rows(month, who, kind, linked, day, serial=serial, promised=promised)


def open_links(start: Month) -> Sheet:
    """Links that exist on the first day."""
    state = start.state.households
    who = np.flatnonzero(state.support_left[:, Measure.INDUSTRY] > 0)
    kind = np.where(state.support_delivered[who, Measure.INDUSTRY], RUNNING, SUSPENDED)
    linked = state.support_day[who, Measure.INDUSTRY]
    villages, village = start.state.villages, state.village[who]
    sheet = _rows(start, who, kind, linked, linked, serial=villages.project[village], promised=villages.dividend[village])
    state.link_recorded[who] = start.first_day
    return sheet | {"recorded_on": np.full(len(who), start.first_day)}


def _rows(month: Month, who: Ints, kind: Ints, linked: Ints, day: Ints, *, serial: Ints, promised: Floats) -> Sheet:
    state, villages = month.state.households, month.state.villages
    recorded = np.maximum(office_days(month, day, month.parameters.office.industry_project_days), state.link_recorded[who] + 1)
    state.link_recorded[who] = recorded
    number = villages.code[state.village[who]] * 1000 + serial
    return {
        "project_id": number,
        "household_id": who,
        "project_kind": filing.choice_of(month.parameters.project.kind_shares, filing.steady(number, 11)),
        "linked_on": linked,
        "state": kind,
        "state_on": day,
        "dividend_cny_year": promised,
        "recorded_on": recorded,
    }
