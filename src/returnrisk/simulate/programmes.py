"""Entitlements: pensions, disability and farm subsidies by rule; 低保 by an administrative rule with noise."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.groups import seen_factor
from returnrisk.simulate.month import Month, has_job, severe
from returnrisk.simulate.state import Bools, Floats, Ints, Measure, Programme, Shock


def entitle(month: Month, *, deciding: bool) -> None:
    """Set the month's entitlements; `deciding` says whether a full year of income is known."""
    _by_rule(month)
    _ecology(month)
    if deciding:
        _dibao(month)


def _by_rule(month: Month) -> None:
    persons, households, p = month.state.persons, month.state.households, month.parameters.transfer
    rate = round(p.pension_month * month.price_at(month.state.month - month.calendar))
    households.subsidies[:, Programme.PENSION] = month.per_household(month.ages() >= p.pension_age) * rate
    low_income = households.ex_poor | (households.subsidies[:, Programme.DIBAO] > 0) | households.monitored
    living = month.per_household(persons.disability > 0) * p.disability_living_month
    households.subsidies[:, Programme.DISABILITY_LIVING] = living * low_income
    households.subsidies[:, Programme.DISABILITY_CARE] = month.per_household(severe(persons.disability)) * p.disability_care_month
    households.subsidies[:, Programme.FARM_SUPPORT] = np.round(households.land_mu * p.farm_support_mu_year / 12, 2)
    if month.calendar == 10:  # settled once a year, paid in December
        migrants = month.per_household(has_job(persons.work) & persons.away)
        households.subsidies[:, Programme.TRANSPORT] = np.round(migrants * households.ex_poor * p.transport_year / 12, 2)


def _ecology(month: Month) -> None:
    households, p, n = month.state.households, month.parameters.transfer, month.state.n_households
    amount = households.subsidies[:, Programme.ECOLOGY]
    villages, factors = month.state.villages, (2 / 3, 2.0)  # twice as often, or more, in remote ones
    changes = month.drawn(n, p.ecology_ends_month + p.ecology_cut_month)
    changes = changes[amount[changes] > 0]
    ends = month.chance(p.ecology_ends_month / (p.ecology_ends_month + p.ecology_cut_month), len(changes))
    new = month.drawn(n, p.ecology_starts_month * max(factors))
    new = new[(amount[new] <= 0) & month.alive()[new]]
    new = month.thinned(new, np.array(factors)[villages.remote[households.village[new]].view(np.int8)] / max(factors))
    amount[changes] = np.where(ends, 0.0, np.round(amount[changes] * 0.6, 2))
    amount[new] = round(p.ecology_year / 12, 2)


def assessed_income(month: Month, households: Ints, *, exact: Bools) -> Floats:
    """Countable income a head and year of these households as the office sees it: the truth times noise, unless `exact`."""
    sd = month.parameters.dibao.sd_assessment
    countable = month.state.households.countable12[households].sum(axis=1) / np.maximum(month.members()[households], 1)
    noise = sd * month.rng.standard_normal(len(countable))
    return np.asarray(countable * np.exp(np.where(exact, 0.0, noise)))


def _dibao(month: Month) -> None:
    households, p = month.state.households, month.parameters.dibao
    amount = households.subsidies[:, Programme.DIBAO]
    line = p.line_share * month.line
    net = (households.support_left[:, Measure.SAFETY_NET] > 0) & households.support_delivered[:, Measure.SAFETY_NET]
    chance = p.applies_month * seen_factor(month)
    chance[np.flatnonzero(net)] = month.parameters.support.safety_net_applies
    has, applies = amount > 0, month.chance(chance) & month.alive()
    who = np.flatnonzero((has & (households.review_month == month.calendar)) | (applies & ~has))
    review, errs = has[who], month.parameters.traps.dibao_errors
    assessed = assessed_income(month, who, exact=review & (not errs))
    p_lost = np.where(assessed > p.exit_above * line, p.p_exit, p.p_wrong_exit if errs else 0.0)
    lost = review & month.chance(p_lost)
    renewed = np.where(review, ~lost, assessed < line)
    low, high = p.amount_shares
    due = np.clip(line - assessed, low * line, high * line) * month.members()[who] / 12
    amount[who[renewed]] = np.round(due[renewed] / 10) * 10
    amount[who[lost]] = 0.0
    month.hit(Shock.DIBAO_LOST, who[lost])
