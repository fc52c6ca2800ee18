"""Table employment: job spells as the labour office has them, consistent with what members do."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate import filing
from returnrisk.simulate.filing import Note, Sheet, choice_of, office_days, steady
from returnrisk.simulate.groups import on_record
from returnrisk.simulate.month import Month
from returnrisk.simulate.state import Bools, Floats, Ints, Shock, Work

KINDS = ("employee_formal", "employee_informal", "public_post", "workshop", "self_employed")
FORMAL, INFORMAL, POST, WORKSHOP, SELF = range(len(KINDS))
PLACES = ("village", "county", "province", "outside")
SECTORS = ("manufacturing", "construction", "services", "agriculture", "other")
REASONS = ("dismissed", "contract_ended", "firm_closed", "illness", "care", "other")
DISMISSED, CONTRACT_ENDED, FIRM_CLOSED, ILLNESS, CARE, OTHER = range(len(REASONS))
WORK, AWAY = 3, 4
"""Columns of the members' photograph."""
_KIND_OF_WORK = np.full(Work.UNEMPLOYED + 1, -1)
_KIND_OF_WORK[[Work.FORMAL, Work.INFORMAL, Work.POST, Work.SELF]] = FORMAL, INFORMAL, POST, SELF
EMPLOYMENT = {
    "person_id": filing.persons,
    "started_on": filing.calendar,
    "kind": filing.codes(KINDS),
    "place": filing.codes(PLACES),
    "sector": filing.codes(SECTORS),
    "monthly_wage_cny": filing.plain,
    "ended_on": filing.calendar,
    "end_reason": filing.codes(REASONS),
    "recorded_on": filing.calendar,
}


def file_spells(note: Note) -> Sheet:
    """Spells that began or ended: a job lost, found, changed, or left for home or for the town."""
    month, persons = note.month, note.month.state.persons
    was, now = note.member_changed(WORK)
    was_away, now_away = note.member_changed(AWAY)
    now = np.where(persons.present, now, Work.INACTIVE)
    had, has = _KIND_OF_WORK[was] * (was >= 0) - (was < 0), _KIND_OF_WORK[now]
    changed = (had != has) | ((had >= 0) & (was_away != now_away))
    ended = np.flatnonzero(changed & (had >= 0) & (persons.job_day >= 0))
    first, last = month.first_day, month.last_day
    leaving = month.rng.integers(first, last - 5, len(ended))
    end = _rows(month, ended, was[ended], was_away[ended].astype(bool))
    recorded = np.maximum(office_days(month, leaving, month.parameters.office.employment_days), persons.job_recorded[ended] + 1)
    end |= {"ended_on": leaving, "end_reason": _why(note, ended), "recorded_on": recorded}
    begun = np.flatnonzero(changed & (has >= 0))
    persons.job_day[ended] = -1
    start = _begin(month, begun, now[begun], now_away[begun].astype(bool), month.rng.integers(last - 4, last + 1, len(begun)))
    return filing.stacked([end, start])


def open_spells(start: Month) -> Sheet:
    """Jobs held on the first day; those of which no beginning is on file began some time in the last six years."""
    persons = start.state.persons
    who = np.flatnonzero(persons.present & (_KIND_OF_WORK[persons.work] >= 0) & (persons.job_day < 0))
    earlier = start.first_day - 31 - (steady(who, 19) * 365 * 6).astype(np.int64)
    earlier = np.maximum(earlier, persons.born_day[who] + 16 * 366)
    unknown = _begin(start, who, persons.work[who], persons.away[who], np.minimum(earlier, start.first_day - 1))
    who = np.setdiff1d(
        np.flatnonzero(persons.present & (persons.job_day >= 0) & (_KIND_OF_WORK[persons.work] >= 0)), unknown["person_id"]
    )
    known = _rows(start, who, persons.work[who], persons.away[who])
    sheet = filing.stacked([unknown, known])
    persons.job_recorded[sheet["person_id"]] = start.first_day
    return sheet | {"recorded_on": np.full(len(sheet["person_id"]), start.first_day)}


def _begin(month: Month, who: Ints, work: Ints, away: Bools, day: Ints) -> Sheet:
    """New spells, as far as the office hears of them."""
    p, persons = month.parameters.spell, month.state.persons
    known = on_record(month, persons.household[who], 1.0)
    known &= month.chance(np.where(work == Work.INFORMAL, p.p_recorded_informal, p.p_recorded_formal))
    who, work, away, day = who[known], work[known], away[known], day[known]
    persons.job_day[who] = day
    sheet = _rows(month, who, work, away)
    persons.job_recorded[who] = sheet["recorded_on"]
    return sheet


def _rows(month: Month, who: Ints, work: Ints, away: Bools) -> Sheet:
    p, day = month.parameters.spell, month.state.persons.job_day[who]
    job = who * 100_003 + day
    kind = _KIND_OF_WORK[work]
    kind = np.where((kind == INFORMAL) & ~away & (steady(job, 23) < p.p_workshop), WORKSHOP, kind)
    near = np.where((kind == POST) | (kind == WORKSHOP) | (steady(job, 29) < p.p_village), 0, 1)
    far = np.where(steady(job, 29) < p.p_outside_province, 3, 2)
    sector = np.where(away, choice_of(p.sector_away, steady(job, 31)), choice_of(p.sector_local, steady(job, 31)))
    sector = np.where(kind == WORKSHOP, 0, np.where(kind == POST, 2, sector))
    recorded = office_days(month, day, month.parameters.office.employment_days)
    return {
        "person_id": who,
        "started_on": day,
        "kind": kind,
        "place": np.where(away, far, near),
        "sector": sector,
        "monthly_wage_cny": _wage(month, who, work, away),
        "ended_on": np.full(len(who), -1),
        "end_reason": np.full(len(who), -1),
        "recorded_on": np.maximum(recorded, month.state.persons.roster_recorded[who]),
    }


def _wage(month: Month, who: Ints, work: Ints, away: Bools) -> Floats:
    """What the job pays, as told to the office: to the next hundred; not known for the self-employed."""
    persons, households, p = month.state.persons, month.state.households, month.parameters.work
    level = 0.5 * households.ability[persons.household[who]] + persons.skill[who]
    level = level + month.parameters.member.wage_per_education_step * (persons.education[who] - 2)
    local = p.local_wage_month / p.share_brought_home  # the register counts a share of either
    wage = np.where(away, p.migrant_wage_month, local) * np.exp(level + p.formal_premium * (work == Work.FORMAL))
    wage = np.where(work == Work.POST, month.parameters.support.post_month, wage)
    return np.where(work == Work.SELF, np.nan, np.round(wage * month.price / 100) * 100)


def _why(note: Note, who: Ints) -> Ints:
    """Why these jobs ended."""
    month, persons = note.month, note.month.state.persons
    together = month.shocks[persons.household[who], Shock.LAID_OFF_TOGETHER]
    dismissed = month.rng.random(len(who)) < 0.6
    return np.select(
        [
            ~persons.present[who],
            persons.ill_left[who] > 0,
            persons.carer_left[who] > 0,
            together & (persons.work[who] == Work.UNEMPLOYED),
            (persons.work[who] == Work.UNEMPLOYED) & dismissed,
            persons.work[who] == Work.UNEMPLOYED,
        ],
        [OTHER, ILLNESS, CARE, FIRM_CLOSED, DISMISSED, CONTRACT_ENDED],
        OTHER,
    )
