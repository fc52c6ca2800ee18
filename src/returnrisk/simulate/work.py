"""Jobs lost and found, businesses that fail, and people who give up or grow old."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.month import Month, has_job, labour_capacity
from returnrisk.simulate.population import age_band
from returnrisk.simulate.state import Bools, Floats, Measure, Shock, Work


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
    hazard = p.job_loss_month * np.exp(month.state.market[0])
    hazard = (
        hazard
        * np.where(age >= 50, p.job_loss_old_factor, 1.0)
        * np.where(persons.work == Work.FORMAL, p.job_loss_formal_factor, 1.0)
    )
    hazard = hazard * np.where(persons.education <= 1, p.job_loss_low_education_factor, 1.0)
    lost = persons.present & has_job(persons.work) & month.chance(np.minimum(hazard, 0.5))
    failed = persons.present & (persons.work == Work.SELF) & month.chance(month.parameters.business.fails_month, len(age))
    together = _laid_off_together(month)
    lost |= together
    month.hit(Shock.JOB_LOSS, persons.household[lost])
    month.hit(Shock.LAID_OFF_TOGETHER, persons.household[together])
    month.hit(Shock.BUSINESS_FAILED, persons.household[failed])
    persons.work[lost | failed] = Work.UNEMPLOYED
    persons.away[lost | failed] = False
    persons.months_out[lost | failed] = 0


def _laid_off_together(month: Month) -> Bools:
    """Migrants of one household often work at one place and lose it together."""
    persons, p = month.state.persons, month.parameters.work
    closed = month.chance(p.laid_off_together_month * np.exp(month.state.market[0]), month.state.n_households)
    migrants = persons.present & persons.away & has_job(persons.work) & (persons.work == Work.INFORMAL)
    return np.asarray(migrants & closed[persons.household] & month.chance(p.p_laid_off_together, len(migrants)))


def _help_factor(month: Month) -> Floats:
    """How much delivered measures speed up finding work, per person."""
    households, p = month.state.households, month.parameters.support
    running = (households.support_left > 0) & households.support_delivered
    factor = np.where(running[:, Measure.JOB], p.job_factor, 1.0) * np.where(running[:, Measure.SKILLS], p.skills_factor, 1.0)
    return np.asarray(factor[month.state.persons.household])


def _find(month: Month) -> None:
    persons, p, age = month.state.persons, month.parameters.work, month.ages()
    persons.carer_left -= persons.carer_left > 0
    capacity = labour_capacity(month)
    able = persons.present & (capacity > 0) & (age < p.retires_at) & (persons.carer_left == 0)
    ease = np.exp(-month.state.market[0]) * np.array(p.job_again_by_age)[age_band(age)] * np.where(capacity == 2, 1.0, 0.5)
    special = month.state.households.grower | month.state.households.herder
    ease = ease * _help_factor(month) * np.where(special[persons.household], p.grower_job_factor, 1.0)
    searching = able & (persons.work == Work.UNEMPLOYED)
    farming = able & (persons.work == Work.FARMING) & (age < 60)
    earning = persons.present & (has_job(persons.work) | (persons.work == Work.POST) | (persons.work == Work.SELF))
    pressed = (month.per_household(earning) == 0) | month.in_need()
    need = np.where(pressed, p.need_factor, 1.0)[persons.household]
    hazard = np.where(searching, p.job_again_month, 0.0) + np.where(farming, p.farmer_takes_job_month * need, 0.0)
    found = month.chance(np.minimum(hazard * ease, 0.9))
    n = int(found.sum())
    formal = month.chance(p.p_formal, n) & (persons.education[found] >= 2)
    persons.work[found] = np.where(formal, Work.FORMAL, Work.INFORMAL)
    persons.away[found] = month.chance(p.p_away_again, n)
    persons.months_out[found] = 0


def _give_up(month: Month) -> None:
    """After months without work: back to the fields; after the fields, nothing."""
    persons, p, age = month.state.persons, month.parameters.work, month.ages()
    idle = persons.present & (persons.work == Work.UNEMPLOYED) & (persons.carer_left == 0)
    persons.months_out[idle] += 1
    gives_up = idle & ((persons.months_out > p.gives_up_after_months) | (age >= p.retires_at))
    persons.work[gives_up] = np.where(age[gives_up] < 76, Work.FARMING, Work.INACTIVE)
    grown = persons.present & (persons.work == Work.INACTIVE) & (age >= 23) & (age < 60) & (labour_capacity(month) > 0)
    persons.work[grown] = Work.FARMING
