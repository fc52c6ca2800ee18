"""Illness, disability, the bills, and the chain that pays them: basic → serious → commercial → aid → out of pocket."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from returnrisk.simulate.month import Month, has_job
from returnrisk.simulate.population import draw_disability_grade
from returnrisk.simulate.state import Bools, Floats, Ints, Measure, Programme, Shock, Work, uniform_days

INPATIENT, CHRONIC, OUTPATIENT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Claims:
    """One entry per settled claim; `commercial` is NaN where the person has no such cover."""

    number: Ints
    person: Ints
    day: Ints
    kind: Ints
    listed: Bools
    total: Floats
    in_scope: Floats
    basic: Floats
    serious: Floats
    commercial: Floats
    aid: Floats
    out_of_pocket: Floats
    recorded: Ints


def fall_ill(month: Month) -> Claims:
    """Onsets and recoveries of the month, and its claims."""
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
    ending = persons.ill_left == 1
    persons.ill_left -= persons.ill_left > 0
    age = month.ages()
    disabled = ending & (persons.disability == 0) & month.chance(p.p_disabled_after_serious, len(age))
    _disable(month, disabled & persons.present)
    back = ending & (age >= 18) & ~persons.in_school & persons.present & ~np.isin(persons.disability, (1, 2))
    searches = back & (age < 60) & month.chance(p.p_back_to_work, len(age))
    persons.work[searches] = Work.UNEMPLOYED
    persons.work[back & ~searches & (age < 72)] = Work.FARMING
    persons.months_out[back] = 0


def _onset(month: Month) -> Bools:
    persons, p, age = month.state.persons, month.parameters.health, month.ages()
    hazard = p.serious_month_at_40 * np.exp(p.serious_growth * (age - 40))
    onset = persons.present & (persons.ill_left == 0) & month.chance(np.minimum(hazard, 0.05))
    n = int(onset.sum())
    persons.ill_left[onset] = uniform_days(month.rng, p.serious_months, n)
    persons.chronic |= onset
    persons.work[onset] = Work.INACTIVE
    persons.away[onset] = False
    month.hit(Shock.ILLNESS, persons.household[onset])
    chronic = p.chronic_month_at_40 * np.exp(p.chronic_growth * (age - 40))
    persons.chronic |= persons.present & month.chance(np.minimum(chronic, 0.05))
    return onset


def _carers(month: Month, onset: Bools) -> None:
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
    persons = month.state.persons
    hazard = month.parameters.health.disability_month * np.interp(month.ages(), [0, 20, 60, 90], [0.3, 0.6, 1.6, 4.0])
    _disable(month, persons.present & (persons.disability == 0) & month.chance(hazard))


def _disable(month: Month, who: Bools) -> None:
    persons = month.state.persons
    persons.disability[who] = draw_disability_grade(month.rng, month.parameters, int(who.sum()))
    stops = who & np.isin(persons.disability, (1, 2))
    persons.work[stops] = Work.INACTIVE
    persons.away[stops] = False
    month.hit(Shock.DISABILITY, persons.household[who])


def _bills(month: Month, onset: Bools) -> tuple[Ints, Ints, Bools, Floats]:
    """Person, kind, listed disease and total of every bill of the month."""
    persons, p, age = month.state.persons, month.parameters.health, month.ages()
    n, weight = len(age), np.interp(age, [0, 5, 30, 60, 85], [1.6, 0.7, 0.7, 1.6, 3.0])
    ill = (persons.ill_left > 0) & ~onset
    covered_by = [
        (persons.present & month.chance(p.outpatient_month * weight), OUTPATIENT, False, p.outpatient_cny),
        (persons.present & month.chance(p.inpatient_month * weight), INPATIENT, False, p.inpatient_cny),
        (persons.present & persons.chronic & month.chance(p.chronic_claim_month, n), CHRONIC, False, p.chronic_claim_cny),
        (persons.present & onset, INPATIENT, True, p.serious_first_cny),
        (persons.present & ill & month.chance(p.serious_next_month, n), INPATIENT, True, p.serious_next_cny),
    ]
    who, kinds, listed, totals = [], [], [], []
    for mask, kind, is_listed, median in covered_by:
        found = np.flatnonzero(mask)
        who.append(found)
        kinds.append(np.full(len(found), kind))
        listed.append(np.full(len(found), is_listed))
        totals.append(median * month.price * np.exp(p.sd_log_cost * month.rng.standard_normal(len(found))))
    person = np.concatenate(who)
    order = np.argsort(person, kind="stable")
    total = np.round(np.minimum(np.concatenate(totals), 800_000.0), 2)
    return person[order], np.concatenate(kinds)[order], np.concatenate(listed)[order], total[order]


def _settle(month: Month, person: Ints, kind: Ints, listed: Bools, total: Floats) -> Claims:
    """Let every insurer pay its share; the serious-illness insurance looks at the person's calendar year."""
    persons, households, p = month.state.persons, month.state.households, month.parameters.insurance
    home = persons.household[person]
    covered = persons.cover[person]
    in_scope = np.round(total * month.rng.uniform(*p.in_scope_share, len(person)), 2)
    rate = np.array([p.basic_rate_inpatient, p.basic_rate_chronic, p.basic_rate_outpatient])[kind]
    basic = np.round(np.maximum(in_scope - np.where(kind == INPATIENT, p.basic_deductible, 0.0), 0.0) * rate * covered, 2)
    own = in_scope - basic
    before = persons.own_in_scope[person] + _earlier_in_month(person, own)
    dibao = households.subsidies[home, Programme.DIBAO] > 0
    watched = dibao | households.monitored[home] | households.ex_poor[home]
    start = np.where(watched, p.serious_start_poor, p.serious_start)
    serious = p.serious_rate * (np.maximum(before + own - start, 0.0) - np.maximum(before - start, 0.0))
    serious = np.round(serious * covered, 2)
    np.add.at(persons.own_in_scope, person, own)
    has_commercial = households.commercial_cover[home]
    left = total - basic - serious
    commercial = np.round(p.commercial_rate * np.maximum(left - p.commercial_start, 0.0) * has_commercial, 2)
    in_scope_left = np.clip(own - serious - commercial, 0.0, None)
    helped = watched | (households.support_left[home, Measure.MEDICAL_AID] > 0)
    aid_rate = np.select([dibao, helped], [p.aid_rate_dibao, p.aid_rate_watched], 0.0)
    aid = np.round(aid_rate * np.maximum(in_scope_left - p.aid_start, 0.0) * covered * (kind != OUTPATIENT), 2)
    out_of_pocket = np.round(np.maximum(left - commercial - aid, 0.0), 2)
    households.out_of_pocket *= 0.92
    np.add.at(households.out_of_pocket, home, out_of_pocket)
    number = month.state.n_claims + np.arange(len(person))
    month.state.n_claims += len(person)
    day = np.maximum(month.event_days(len(person)), persons.born_day[person])
    return Claims(
        number=number,
        person=person,
        day=day,
        kind=kind,
        listed=listed,
        total=total,
        in_scope=in_scope,
        basic=basic,
        serious=serious,
        commercial=np.where(has_commercial, commercial, np.nan),
        aid=aid,
        out_of_pocket=out_of_pocket,
        recorded=day + uniform_days(month.rng, month.parameters.reporting.medical_days, len(person)),
    )


def _earlier_in_month(person: Ints, own: Floats) -> Floats:
    """What the same person was already left with this month (claims sorted by person)."""
    if not len(person):
        return own
    total = np.cumsum(own) - own
    starts = np.flatnonzero(np.r_[True, person[1:] != person[:-1]])
    return np.asarray(total - np.repeat(total[starts], np.diff(np.r_[starts, len(person)])))
