"""Jobs lost and found, businesses that fail, and people who give up or grow old."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.month import Month, has_job, labour_capacity
from returnrisk.simulate.population import age_band
from returnrisk.simulate.state import Floats, Ints, Measure, Shock, Work


def change_jobs(month: Month) -> None:
    """Everything of this module, in order."""
    _retire(month)
    _lose(month)
    _find(month)
    _give_up(month)


def _retire(month: Month) -> None:
    persons, age = month.state.persons, month.ages()
    old = has_job(persons.work) & (age >= month.parameters.work.retires_at)
    persons.work[old] = Work.FARMING
    persons.away[old] = False
    persons.work[(persons.work == Work.FARMING) & (age >= 76)] = Work.INACTIVE


def _lose(month: Month) -> None:
    persons, p, age = month.state.persons, month.parameters.work, month.ages()
    market = month.by_household(np.exp(month.state.market[:, 0]))
    employed = np.flatnonzero(persons.present & has_job(persons.work))
    home, years = persons.household[employed], age[employed]
    hazard = p.job_loss_month * market[home]
    hazard = hazard * np.where(years >= 50, p.job_loss_old_factor, 1.0)
    hazard = hazard * np.where(persons.work[employed] == Work.FORMAL, p.job_loss_formal_factor, 1.0)
    hazard = hazard * np.where(persons.education[employed] <= 1, p.job_loss_low_education_factor, 1.0)
    hazard = hazard * np.where(month.state.households.resettled[home], month.parameters.group.resettled_job_loss_factor, 1.0)
    closed = month.chance(p.laid_off_together_month * market)  # migrants of one household often work at one place
    migrants = persons.away[employed] & (persons.work[employed] == Work.INFORMAL)
    together = month.thinned(employed[migrants & closed[home]], p.p_laid_off_together)
    lost = np.concatenate([month.thinned(employed, np.minimum(hazard, 0.5)), together])
    owners = np.flatnonzero(persons.present & (persons.work == Work.SELF))
    failed = month.thinned(owners, month.parameters.business.fails_month)
    month.hit(Shock.JOB_LOSS, persons.household[lost])
    month.hit(Shock.LAID_OFF_TOGETHER, persons.household[together])
    month.hit(Shock.BUSINESS_FAILED, persons.household[failed])
    out = np.concatenate([lost, failed])
    persons.work[out] = Work.UNEMPLOYED
    persons.away[out] = False
    persons.months_out[out] = 0


def _find(month: Month) -> None:
    persons, p, age = month.state.persons, month.parameters.work, month.ages()
    persons.carer_left -= persons.carer_left > 0
    capacity = labour_capacity(month)
    seeks = (persons.work == Work.UNEMPLOYED) | ((persons.work == Work.FARMING) & (age < 60))
    may = np.flatnonzero(persons.present & seeks & (capacity > 0) & (age < p.retires_at) & (persons.carer_left == 0))
    home = persons.household[may]
    hazard = np.where(persons.work[may] == Work.UNEMPLOYED, p.job_again_month, p.farmer_takes_job_month * _need(month)[home])
    found = month.thinned(may, np.minimum(hazard * _ease(month)[home] * _employable(month, may), 0.9))
    formal = month.chance(p.p_formal, len(found)) & (persons.education[found] >= 2)
    persons.work[found] = np.where(formal, Work.FORMAL, Work.INFORMAL)
    persons.away[found] = month.chance(p.p_away_again, len(found))
    persons.months_out[found] = 0


def _need(month: Month) -> Floats:
    """How much readier farming people of a household are to take a job, where nobody earns or the line is near."""
    persons = month.state.persons
    earning = has_job(persons.work) | (persons.work == Work.POST) | (persons.work == Work.SELF)
    pressed = (month.per_household(earning) == 0) | month.in_need()
    return np.where(pressed, month.parameters.work.need_factor, 1.0)


def _ease(month: Month) -> Floats:
    """How easily members of a household find work: the market, delivered measures, a trade that ties them."""
    households, work, p = month.state.households, month.parameters.work, month.parameters.support
    ease = month.by_household(np.exp(-month.state.market[:, 0]))
    for measure, factor in ((Measure.JOB, p.job_factor), (Measure.SKILLS, p.skills_factor)):
        running = (households.support_left[:, measure] > 0) & households.support_delivered[:, measure]
        ease *= np.where(running, factor, 1.0)
    ease *= np.where(households.grower | households.herder, work.grower_job_factor, 1.0)
    return ease


def _employable(month: Month, who: Ints) -> Floats:
    """How easily these persons find work: age, labour capacity."""
    by_age = np.array(month.parameters.work.job_again_by_age)[age_band(month.ages()[who])]
    return np.asarray(by_age * np.where(labour_capacity(month)[who] == 2, 1.0, 0.5))


def _give_up(month: Month) -> None:
    """After months without work: back to the fields; after the fields, nothing."""
    persons, p, age = month.state.persons, month.parameters.work, month.ages()
    idle = persons.present & (persons.work == Work.UNEMPLOYED) & (persons.carer_left == 0)
    persons.months_out[idle] += 1
    gives_up = idle & ((persons.months_out > p.gives_up_after_months) | (age >= p.retires_at))
    persons.work[gives_up] = np.where(age[gives_up] < 76, Work.FARMING, Work.INACTIVE)
    grown = persons.present & (persons.work == Work.INACTIVE) & (age >= 23) & (age < 60) & (labour_capacity(month) > 0)
    persons.work[grown] = Work.FARMING
