"""Births, deaths, marriages, school years and who heads the household."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.month import Month, severe
from returnrisk.simulate.population import CHILD, GRANDCHILD, HEAD, OTHER, PARENT, SPOUSE, draw_education, new_persons
from returnrisk.simulate.state import Bools, Ints, Shock, Work


def live(month: Month) -> Ints:
    """Everything of this module, in order; returns the households that somebody left."""
    gone = np.concatenate([_die(month), _marry_out(month)])
    _succeed(month, gone)
    _arrive(month)
    if month.calendar == 8:
        _new_school_year(month)
    left: Ints = month.state.persons.household[gone]
    return left


def _leave(month: Month, leaving: Ints, *, may_empty: bool = False) -> Ints:
    """Take present members out, but nobody from a household that would be left empty unless it `may_empty`."""
    persons = month.state.persons
    if not may_empty:
        home = persons.household[leaving]
        stay = month.members() - np.bincount(home, minlength=month.state.n_households)
        leaving = leaving[stay[home] > 0]
    month.members_changed(persons.household[leaving], -1)
    persons.present[leaving] = False
    persons.work[leaving] = Work.INACTIVE
    persons.away[leaving] = False
    return leaving


def _die(month: Month) -> Ints:
    persons, p, age = month.state.persons, month.parameters.life, month.ages()
    oldest = p.death_year_at_25 * np.exp(p.death_growth * (age.max() - 25)) / 12 * max(p.death_serious_factor, 1.0)
    bound = min(oldest, 0.2)
    who = month.drawn(len(age), bound)
    who = who[persons.present[who]]
    hazard = p.death_year_at_25 * np.exp(p.death_growth * (age[who] - 25)) / 12
    hazard = np.minimum(hazard * np.where(persons.ill_left[who] > 0, p.death_serious_factor, 1.0), 0.2)
    dead = _leave(month, month.thinned(who, hazard / bound), may_empty=True)
    month.hit(Shock.DEATH, persons.household[dead])
    return dead


def _marry_out(month: Month) -> Ints:
    persons, age = month.state.persons, month.ages()
    who = month.drawn(len(age), month.parameters.life.marry_out_month)
    may = persons.present[who] & ~persons.male[who] & (persons.relation[who] == CHILD) & ~persons.in_school[who]
    return _leave(month, who[may & (age[who] >= 20) & (age[who] <= 28)])


def _succeed(month: Month, gone: Ints) -> None:
    """Where the head is gone, the spouse or else the oldest grown-up under 70 heads the same household."""
    persons, age = month.state.persons, month.ages()
    headless = np.zeros(month.state.n_households, dtype=bool)
    headless[persons.household[gone[persons.relation[gone] == HEAD]]] = True
    if not headless.any():
        return
    candidates = np.flatnonzero(persons.present & headless[persons.household])
    years = age[candidates]
    rank = np.where(persons.relation[candidates] == SPOUSE, 1000, 0) + np.where((years >= 18) & (years < 70), 500, 0) + years
    order = candidates[np.lexsort((candidates, -rank, persons.household[candidates]))]
    first = np.ones(len(order), dtype=bool)
    first[1:] = persons.household[order][1:] != persons.household[order][:-1]
    new_heads = order[first]
    was = np.zeros(month.state.n_households, dtype=np.int64)
    was[persons.household[new_heads]] = persons.relation[new_heads]
    others = order[~first]
    persons.relation[others] = _seen_from(was[persons.household[others]], persons.relation[others])
    persons.relation[new_heads] = HEAD


def _seen_from(new_head_was: Ints, relation: Ints) -> Ints:
    """Relation to the new head, who was spouse, child, parent, grandchild or other of the old one."""
    by_child = np.select([relation == SPOUSE, relation == GRANDCHILD], [PARENT, CHILD], OTHER)
    by_spouse = np.where(relation == PARENT, OTHER, relation)
    by_parent = np.select([relation == PARENT, relation == CHILD], [SPOUSE, GRANDCHILD], OTHER)
    return np.select(
        [new_head_was == SPOUSE, new_head_was == CHILD, new_head_was == PARENT], [by_spouse, by_child, by_parent], OTHER
    )


def _arrive(month: Month) -> None:
    """Newborns and wives of sons."""
    persons, p, age = month.state.persons, month.parameters.life, month.ages()
    who = month.drawn(len(age), p.birth_month)
    mother = persons.present[who] & ~persons.male[who] & ~persons.in_school[who] & (persons.relation[who] != PARENT)
    mothers = who[mother & (age[who] >= 21) & (age[who] <= 38)]
    who = month.drawn(len(age), p.marry_in_month)
    son = persons.present[who] & persons.male[who] & (persons.relation[who] == CHILD)
    sons = who[son & (age[who] >= 22) & (age[who] <= 30)]
    n_born, n_wives = len(mothers), len(sons)
    days = month.event_days(n_born + n_wives)
    relation = np.where(np.isin(persons.relation[mothers], (HEAD, SPOUSE)), CHILD, GRANDCHILD)
    wife_days = month.first_day - (365.2425 * month.rng.uniform(21, 28, n_wives)).astype(np.int64)
    arrived = new_persons(
        month.rng,
        month.parameters,
        household=np.concatenate([persons.household[mothers], persons.household[sons]]),
        relation=np.concatenate([relation, np.full(n_wives, OTHER)]),
        male=np.concatenate([month.chance(0.52, n_born), np.zeros(n_wives, dtype=bool)]),
        born_day=np.concatenate([days[:n_born], wife_days]),
    )
    arrived.joined_day[:] = days
    grown = np.arange(n_born + n_wives) >= n_born
    arrived.education[grown] = draw_education(month.rng, np.full(n_wives, 25))
    arrived.work[grown] = Work.FARMING
    persons.append(arrived)
    month.members_changed(arrived.household, 1)


def _new_school_year(month: Month) -> None:
    persons, p, age = month.state.persons, month.parameters.member, month.ages()
    was = persons.in_school.copy()
    draw = month.rng.random(len(age))
    able = persons.present & ~severe(persons.disability)
    goes_on = np.select(
        [age < 6, age < 16, age == 16, age < 19, age == 19, age < 23],
        [False, True, draw < p.p_school_16_18, True, draw < p.p_school_19_22, True],
        default=False,
    )
    drops_out = _dropping_out(month)
    persons.in_school[:] = able & goes_on & (was | (age < 16)) & ~drops_out
    done = np.select([age < 13, age < 16, age < 19, age < 23], [0, 1, 2, 3], 4)
    studied = was | persons.in_school
    persons.education[studied] = done[studied]
    left = was & ~persons.in_school & persons.present & (age >= 16)
    persons.work[left] = Work.UNEMPLOYED
    persons.months_out[left] = 0


def _dropping_out(month: Month) -> Bools:
    """Pupils of 13 to 15 who leave for a year, likelier from poor households; the next autumn they are brought back."""
    persons, p = month.state.persons, month.parameters.school
    out = np.zeros(len(persons.household), dtype=bool)
    pupils = np.flatnonzero(persons.in_school & (month.ages() >= 13) & (month.ages() < 16))
    poor = month.in_need()[persons.household[pupils]]
    out[month.thinned(pupils, p.p_drop_out * np.where(poor, p.drop_out_poor_factor, 1.0))] = True
    return out
