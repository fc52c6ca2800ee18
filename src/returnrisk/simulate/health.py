"""Illness, disability, the bills, and the chain that pays them: basic → serious → commercial → aid → out of pocket."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from returnrisk.simulate.month import Month, has_job, severe
from returnrisk.simulate.population import draw_disability_grade
from returnrisk.simulate.state import Bools, Floats, Ints, Measure, Programme, Shock, Work, uniform_days

INPATIENT, CHRONIC, OUTPATIENT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Settled:
    """One entry per settled bill, sorted by person; CNY."""

    person: Ints
    kind: Ints
    listed: Bools
    total: Floats
    in_scope: Floats
    basic: Floats
    serious: Floats
    commercial: Floats
    aid: Floats
    out_of_pocket: Floats


@dataclass(frozen=True, slots=True)
class Claims(Settled):
    """Settled bills as put on file; `commercial` is NaN where the person has no such cover."""

    number: Ints
    day: Ints
    recorded: Ints


def fall_ill(month: Month) -> Settled:
    """Onsets and recoveries of the month, and its bills."""
    persons = month.state.persons
    if month.calendar == 0:
        persons.own_in_scope[:] = 0.0
    _recover(month)
    onset = _onset(month)
    _carers(month, onset)
    _disabilities(month)
    return _settle(month, *_bills(month, onset))


def _recover(month: Month) -> None:
    persons, p = month.state.persons, month.parameters.health
    ending = np.flatnonzero((persons.ill_left == 1) & persons.present)
    persons.ill_left -= persons.ill_left > 0
    _disable(month, month.thinned(ending[persons.disability[ending] == 0], p.p_disabled_after_serious))
    age = month.ages()[ending]
    able = (age >= 18) & ~persons.in_school[ending] & ~severe(persons.disability[ending])
    back, age = ending[able], age[able]
    searches = (age < 60) & month.chance(p.p_back_to_work, len(age))
    persons.work[back[searches]] = Work.UNEMPLOYED
    persons.work[back[~searches & (age < 72)]] = Work.FARMING
    persons.months_out[back] = 0


def _onset(month: Month) -> Ints:
    persons, p = month.state.persons, month.parameters.health
    struck = _struck_by_age(month, p.serious_month_at_40, p.serious_growth)
    onset: Ints = struck[persons.ill_left[struck] == 0]
    persons.ill_left[onset] = uniform_days(month.rng, p.serious_months, len(onset))
    persons.chronic[onset] = True
    persons.work[onset] = Work.INACTIVE
    persons.away[onset] = False
    month.hit(Shock.ILLNESS, persons.household[onset])
    persons.chronic[_struck_by_age(month, p.chronic_month_at_40, p.chronic_growth)] = True
    return onset


def _struck_by_age(month: Month, at_40: float, growth: float) -> Ints:
    """Present persons struck by what grows exponentially with age, at most 5% a month."""
    age = month.ages()
    bound = min(at_40 * math.exp(growth * (int(age.max()) - 40)), 0.05)
    who = month.drawn(len(age), bound)
    who = who[month.state.persons.present[who]]
    hazard: Floats = np.minimum(at_40 * np.exp(growth * (age[who] - 40)), 0.05)
    return month.thinned(who, hazard / bound)


def _carers(month: Month, onset: Ints) -> None:
    """In some households one employed member stops working to care."""
    persons, p = month.state.persons, month.parameters.health
    ill = np.zeros(month.state.n_households, dtype=bool)
    ill[persons.household[onset]] = True
    candidates = np.flatnonzero(persons.present & has_job(persons.work) & ill[persons.household])
    candidates = month.rng.permutation(candidates)
    _, first = np.unique(persons.household[candidates], return_index=True)
    carers = candidates[first]
    carers = carers[month.chance(p.p_carer_stops, len(carers))]
    persons.work[carers] = Work.UNEMPLOYED
    persons.away[carers] = False
    persons.months_out[carers] = 0
    persons.carer_left[carers] = uniform_days(month.rng, p.carer_months, len(carers))


def _disabilities(month: Month) -> None:
    persons, age, factors = month.state.persons, month.ages(), (0.3, 0.6, 1.6, 4.0)
    who = month.drawn(len(age), month.parameters.health.disability_month * max(factors))
    who = who[persons.present[who] & (persons.disability[who] == 0)]
    _disable(month, month.thinned(who, np.interp(age[who], [0, 20, 60, 90], factors) / max(factors)))


def _disable(month: Month, who: Ints) -> None:
    persons = month.state.persons
    persons.disability[who] = draw_disability_grade(month.rng, month.parameters, len(who))
    stops = who[severe(persons.disability[who])]
    persons.work[stops] = Work.INACTIVE
    persons.away[stops] = False
    month.hit(Shock.DISABILITY, persons.household[who])


def _treated(month: Month, hazard: float) -> Ints:
    """Persons treated this month at a rate that falls and rises with age."""
    age, weights = month.ages(), (1.6, 0.7, 0.7, 1.6, 3.0)
    who = month.drawn(len(age), hazard * max(weights))
    return month.thinned(who, np.interp(age[who], [0, 5, 30, 60, 85], weights) / max(weights))


def _bills(month: Month, onset: Ints) -> tuple[Ints, Ints, Bools, Floats]:
    """Person, kind, listed disease and total of every bill of the month."""
    persons, p = month.state.persons, month.parameters.health
    ill_before = persons.ill_left > 0
    ill_before[onset] = False
    ill = np.flatnonzero(ill_before)
    covered_by = [
        (_treated(month, p.outpatient_month), OUTPATIENT, False, p.outpatient_cny),
        (_treated(month, p.inpatient_month), INPATIENT, False, p.inpatient_cny),
        (month.thinned(np.flatnonzero(persons.chronic), p.chronic_claim_month), CHRONIC, False, p.chronic_claim_cny),
        (onset, INPATIENT, True, p.serious_first_cny),
        (month.thinned(ill, p.serious_next_month), INPATIENT, True, p.serious_next_cny),
    ]
    people = [who[persons.present[who] & (persons.joined_day[who] < month.first_day)] for who, *_ in covered_by]
    person, counts = np.concatenate(people), [len(who) for who in people]
    kind = np.repeat([kind for _, kind, _, _ in covered_by], counts)
    listed = np.repeat([is_listed for _, _, is_listed, _ in covered_by], counts)
    median = np.repeat([cny for *_, cny in covered_by], counts) * month.price
    total = np.minimum(median * np.exp(p.sd_log_cost * month.rng.standard_normal(len(person))), p.dearest_cny).round(2)
    order = np.argsort(person, kind="stable")
    return person[order], kind[order], listed[order], total[order]


def _settle(month: Month, person: Ints, kind: Ints, listed: Bools, total: Floats) -> Settled:
    """Let every insurer pay its share."""
    persons, households = month.state.persons, month.state.households
    home = persons.household[person]
    in_scope = (total * month.between(month.parameters.insurance.in_scope_share, len(person))).round(2)
    basic, serious, commercial, aid = _shares(month, person, kind, total, in_scope)
    out_of_pocket = np.maximum(total - basic - serious - commercial - aid, 0.0).round(2)
    households.out_of_pocket *= month.parameters.health.memory_month
    households.out_of_pocket += np.bincount(home, out_of_pocket, month.state.n_households)
    return Settled(
        person=person,
        kind=kind,
        listed=listed,
        total=total,
        in_scope=in_scope,
        basic=basic,
        serious=serious,
        commercial=commercial,
        aid=aid,
        out_of_pocket=out_of_pocket,
    )


def file_claims(month: Month, settled: Settled) -> Claims:
    """Number the month's bills and say when each person was treated and when that came on file."""
    persons, n = month.state.persons, len(settled.person)
    number = month.state.n_claims + np.arange(n)
    month.state.n_claims += n
    day = month.event_days(n)
    recorded = day + uniform_days(month.rng, month.parameters.reporting.medical_days, n)
    covered = month.state.households.commercial_cover[persons.household[settled.person]]
    columns = {field.name: getattr(settled, field.name) for field in dataclasses.fields(settled)}
    columns["commercial"] = np.where(covered, settled.commercial, np.nan)
    return Claims(
        **columns,
        number=number,
        day=day,
        recorded=np.maximum(recorded, persons.roster_recorded[settled.person]),  # nobody is treated who is not on the roster
    )


def _shares(month: Month, person: Ints, kind: Ints, total: Floats, in_scope: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Paid by basic, serious-illness (which looks at the person's calendar year), commercial insurance and medical aid."""
    persons, households, p = month.state.persons, month.state.households, month.parameters.insurance
    home, covered = persons.household[person], persons.cover[person]
    rate = np.array([p.basic_rate_inpatient, p.basic_rate_chronic, p.basic_rate_outpatient])[kind] * covered
    basic = (np.maximum(in_scope - (kind == INPATIENT) * p.basic_deductible, 0.0) * rate).round(2)
    own = in_scope - basic
    before = persons.own_in_scope[person] + _earlier_in_month(person, own)
    last = np.flatnonzero(np.append(person[1:] != person[:-1], True))[: len(person)]
    persons.own_in_scope[person[last]] = (before + own)[last]
    dibao = households.subsidies[home, Programme.DIBAO] > 0
    watched = dibao | households.monitored[home] | households.ex_poor[home]
    start = np.where(watched, p.serious_start_poor, p.serious_start)
    above = np.maximum(before + own - start, 0.0) - np.maximum(before - start, 0.0)
    serious = (p.serious_rate * above * covered).round(2)
    left = total - basic - serious
    commercial = (p.commercial_rate * np.maximum(left - p.commercial_start, 0.0) * households.commercial_cover[home]).round(2)
    helped = watched | _has_medical_aid(month, home)
    aid_rate = np.where(dibao, p.aid_rate_dibao, np.where(helped, p.aid_rate_watched, 0.0))
    in_scope_left = np.maximum(own - serious - commercial - p.aid_start, 0.0)
    aid = (aid_rate * in_scope_left * covered * (kind != OUTPATIENT)).round(2)
    return basic, serious, commercial, aid


def _has_medical_aid(month: Month, who: Ints) -> Bools:
    households = month.state.households
    running = households.support_left[who, Measure.MEDICAL_AID] > 0
    return np.asarray(running & households.support_delivered[who, Measure.MEDICAL_AID])


def _earlier_in_month(person: Ints, own: Floats) -> Floats:
    """What the same person was already left with this month (claims sorted by person)."""
    if not len(person):
        return own
    total = np.cumsum(own) - own
    starts = np.flatnonzero(np.r_[True, person[1:] != person[:-1]])
    return np.asarray(total - np.repeat(total[starts], np.diff(np.r_[starts, len(person)])))
