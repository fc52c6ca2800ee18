"""Jobs lost and found, businesses that fail, and people who give up or grow old."""

from __future__ import annotations

import math

import numpy as np

from returnrisk.simulate.month import Month, factor, has_job, labour_capacity
from returnrisk.simulate.population import age_band
from returnrisk.simulate.state import Bools, Floats, Ints, Measure, Shock, Work


def change_jobs(month: Month) -> None:
    """Everything of this module, in order."""
    _retire(month)
    _lose(month)
    _find(month)
    _give_up(month)


def _retire(month: Month) -> None:
    persons, age = month.state.persons, month.ages()
    old = np.flatnonzero(has_job(persons.work) & (age >= month.parameters.work.retires_at))
    persons.work[old] = Work.FARMING
    persons.away[old] = False
    persons.work[np.flatnonzero((persons.work == Work.FARMING) & (age >= 76))] = Work.INACTIVE


def _lose(month: Month) -> None:
    persons, p, age = month.state.persons, month.parameters.work, month.ages()
    market = month.by_household(np.exp(month.state.market[:, 0]))
    worst = float(market.max())
    together = _laid_off_together(month, market, worst)
    resettled = month.parameters.group.resettled_job_loss_factor
    factors = (p.job_loss_old_factor, p.job_loss_formal_factor, p.job_loss_low_education_factor, resettled)
    bound = min(p.job_loss_month * worst * math.prod(max(f, 1.0) for f in factors), 0.5)
    employed = month.drawn(len(age), bound)
    employed = employed[has_job(persons.work[employed])]
    home = persons.household[employed]
    hazard = p.job_loss_month * market[home]
    hazard *= np.where(age[employed] >= 50, p.job_loss_old_factor, 1.0)
    hazard *= np.where(persons.work[employed] == Work.FORMAL, p.job_loss_formal_factor, 1.0)
    hazard *= np.where(persons.education[employed] <= 1, p.job_loss_low_education_factor, 1.0)
    hazard *= np.where(month.state.households.resettled[home], resettled, 1.0)
    lost = np.concatenate([month.thinned(employed, np.minimum(hazard, 0.5) / bound), together])
    owners = month.drawn(len(age), month.parameters.business.fails_month)
    failed = owners[persons.work[owners] == Work.SELF]
    month.hit(Shock.JOB_LOSS, persons.household[lost])
    month.hit(Shock.LAID_OFF_TOGETHER, persons.household[together])
    month.hit(Shock.BUSINESS_FAILED, persons.household[failed])
    out = np.concatenate([lost, failed])
    persons.work[out] = Work.UNEMPLOYED
    persons.away[out] = False
    persons.months_out[out] = 0


def _laid_off_together(month: Month, market: Floats, worst: float) -> Ints:
    """Migrants of one household often work at one place."""
    persons, p = month.state.persons, month.parameters.work
    closed = month.drawn(month.state.n_households, min(p.laid_off_together_month * worst, 1.0))
    closed = month.thinned(closed, market[closed] / worst)
    hit = np.zeros(month.state.n_households, dtype=bool)
    hit[closed] = True
    members = np.flatnonzero(hit[persons.household])
    return month.thinned(members[persons.away[members] & (persons.work[members] == Work.INFORMAL)], p.p_laid_off_together)


def _find(month: Month) -> None:
    persons, p, age = month.state.persons, month.parameters.work, month.ages()
    persons.carer_left -= persons.carer_left > 0
    free = persons.present & (labour_capacity(month) > 0) & (age < p.retires_at) & (persons.carer_left == 0)
    idle = np.flatnonzero(free & (persons.work == Work.UNEMPLOYED))
    farmers = np.flatnonzero(free & (persons.work == Work.FARMING) & (age < 60))
    ease = _ease(month)
    bound = min(p.farmer_takes_job_month * max(p.need_factor, 1.0) * float(ease.max()) * max(*p.job_again_by_age, 1.0), 0.9)
    farmers = farmers[month.drawn(len(farmers), bound)]
    needs = p.farmer_takes_job_month * np.where(_pressed(month)[persons.household[farmers]], p.need_factor, 1.0)
    may, hazard = np.concatenate([idle, farmers]), np.concatenate([np.full(len(idle), p.job_again_month), needs])
    hazard = np.minimum(hazard * ease[persons.household[may]] * _employable(month, may), 0.9)
    hazard[len(idle) :] /= bound
    found = month.thinned(may, hazard)
    formal = month.chance(p.p_formal, len(found)) & (persons.education[found] >= 2)
    persons.work[found] = np.where(formal, Work.FORMAL, Work.INFORMAL)
    persons.away[found] = month.chance(p.p_away_again, len(found))
    persons.months_out[found] = 0


def _pressed(month: Month) -> Bools:
    """Households whose farming people are readier to take a job: nobody earns, or the line is near."""
    persons = month.state.persons
    earning = has_job(persons.work) | (persons.work == Work.POST) | (persons.work == Work.SELF)
    pressed = np.ones(month.state.n_households, dtype=bool)
    pressed[persons.household[np.flatnonzero(earning)]] = False
    return np.asarray(pressed | month.in_need())


def _ease(month: Month) -> Floats:
    """How easily members of a household find work: the market, delivered measures, a trade that ties them."""
    households, work, p = month.state.households, month.parameters.work, month.parameters.support
    ease = month.by_household(np.exp(-month.state.market[:, 0]))
    for measure, easier in ((Measure.JOB, p.job_factor), (Measure.SKILLS, p.skills_factor)):
        running = (households.support_left[:, measure] > 0) & households.support_delivered[:, measure]
        ease *= factor(running, easier)
    ease *= factor(households.grower | households.herder, work.grower_job_factor)
    return ease


def _employable(month: Month, who: Ints) -> Floats:
    """How easily these persons find work: age, labour capacity."""
    by_age = np.array(month.parameters.work.job_again_by_age)[age_band(month.ages()[who])]
    return np.asarray(by_age * np.where(labour_capacity(month)[who] == 2, 1.0, 0.5))


def _give_up(month: Month) -> None:
    """After months without work: back to the fields; after the fields, nothing."""
    persons, p, age = month.state.persons, month.parameters.work, month.ages()
    idle = np.flatnonzero(persons.present & (persons.work == Work.UNEMPLOYED) & (persons.carer_left == 0))
    persons.months_out[idle] += 1
    gives_up = idle[(persons.months_out[idle] > p.gives_up_after_months) | (age[idle] >= p.retires_at)]
    persons.work[gives_up] = np.where(age[gives_up] < 76, Work.FARMING, Work.INACTIVE)
    grown = persons.present & (persons.work == Work.INACTIVE) & (age >= 23) & (age < 60) & (labour_capacity(month) > 0)
    persons.work[np.flatnonzero(grown)] = Work.FARMING
