"""A month's ledger: one row per household, one column per item of the wide file, whole CNY."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.month import Month, factor, has_job, labour_capacity
from returnrisk.simulate.projects import dividends
from returnrisk.simulate.state import EDUCATIONS, EMPLOYMENT, Floats, Item, Market, Measure, Programme, Shock, Work


def earn(month: Month) -> Floats:
    """Everything a household took in and spent on production this month; zero means no such income."""
    ledger = month.ledger
    _wages(month, ledger)
    _farm(month, ledger)
    _business(month, ledger)
    _property(month, ledger)
    _transfers(month, ledger)
    return np.rint(ledger, out=ledger)


def _noisy(month: Month, n: int) -> Floats:
    return np.exp(month.parameters.noise.sd_month * month.rng.standard_normal(n))


def _wages(month: Month, ledger: Floats) -> None:
    persons, households, p = month.state.persons, month.state.households, month.parameters.work
    n, who = month.state.n_households, np.flatnonzero(persons.present & has_job(persons.work))
    step = month.parameters.member.wage_per_education_step * (np.arange(len(EDUCATIONS)) - 2.0)
    terms = np.add.outer(step, np.where(np.arange(len(EMPLOYMENT)) == Work.FORMAL, p.formal_premium, 0.0)).ravel()
    home, away = persons.household[who], persons.away[who]
    log_wage = (0.5 * households.ability + households.noise[:, 1])[home] + persons.skill[who]
    log_wage += terms[(persons.education * len(EMPLOYMENT) + persons.work)[who]]  # by education and work
    log_wage += month.parameters.noise.sd_month * month.rng.standard_normal(len(who))
    wage = np.exp(log_wage, out=log_wage)
    weak = month.parameters.health.weak_wage_factor
    wage *= month.price * np.array([weak, weak, 1.0])[labour_capacity(month)[who]]
    migrants = np.flatnonzero(away)
    migrant = wage[migrants] * (p.migrant_wage_month * p.share_brought_home * p.migrant_season[month.calendar])
    locals_ = month.thinned(np.flatnonzero(~away), p.p_local_month_worked)
    local = wage[locals_] * (p.local_wage_month * p.local_season[month.calendar])
    ledger[:, Item.MIGRANT] = _settled(month, np.bincount(home[migrants], migrant, n).astype(np.float64, copy=False))
    ledger[:, Item.LOCAL] = np.bincount(home[locals_], local, n)
    posts = np.flatnonzero(persons.work == Work.POST)
    np.add.at(ledger[:, Item.POST], persons.household[posts], month.parameters.support.post_month * month.price)


def _settled(month: Month, wages: Floats) -> Floats:
    """What of the migrants' wages comes this month: some employers pay most of it in January, and not all of them do."""
    households, p, n = month.state.households, month.parameters.work, month.state.n_households
    now = factor(households.paid_yearly, p.share_paid_monthly) * wages
    households.owed += wages - now
    if month.calendar == 0:
        hazard = p.p_default * month.state.villages.hazard[households.village]
        defaults = month.chance(np.minimum(hazard, 0.5)) & (households.owed > 12 * p.migrant_wage_month * 0.1)
        lost = np.where(defaults, month.between(p.share_lost, n), 0.0)
        now = now + households.owed * (1 - lost)
        households.owed[:] = 0.0
        month.hit(Shock.WAGE_DEFAULT, defaults)
    return np.asarray(now)


def _hands(month: Month) -> Floats:
    """Labour at home for field and stable, in full workers."""
    persons, capacity = month.state.persons, labour_capacity(month)
    who = np.flatnonzero(persons.present & (capacity > 0) & ~persons.away)
    by_work = np.full(len(EMPLOYMENT), 0.3)
    by_work[[Work.FARMING, Work.UNEMPLOYED]] = 1.0, 0.5
    time = np.outer([0.0, 0.6, 1.0], by_work).ravel()[(capacity * len(EMPLOYMENT) + persons.work)[who]]  # by capacity and work
    return np.bincount(persons.household[who], time, month.state.n_households).astype(np.float64, copy=False)


def _farm(month: Month, ledger: Floats) -> None:
    households, villages, p, m = month.state.households, month.state.villages, month.parameters.farm, month.calendar
    hands, n, grower = _hands(month), month.state.n_households, households.grower
    used = np.minimum(households.land_mu, p.mu_per_worker * hands * factor(grower, 1.6))
    level = month.price * np.exp(0.5 * households.ability + households.noise[:, 0])
    normal = used * p.crop_gross_mu_year * factor(grower, p.grower_value_factor) * level
    kept = households.harvest_kept * (1 - villages.crop_damage[households.village])
    flooded = np.flatnonzero((villages.flood_damage > 0)[households.village])
    prone = np.where(households.flood_prone[flooded], month.parameters.weather.flood_prone_factor, 0.8)
    kept[flooded] *= 1 - np.minimum(villages.flood_damage[households.village[flooded]] * prone, 1.0)
    crop_price, cash_price = (month.by_household(np.exp(month.state.market[:, k])) for k in (Market.CROPS, Market.CASH_CROP))
    season = p.crop_season[m] * crop_price
    season += grower * (p.grower_season[m] * cash_price - season)
    ledger[:, Item.CROPS] = normal * season * kept * _noisy(month, n)
    ledger[:, Item.CROPS_COST] = normal * (p.crop_cost_share * p.crop_cost_season[m])
    _herd(month, ledger, hands, level)
    if m == 11:
        ledger[:, Item.RENT] = np.where(
            households.land_mu - used >= 1, (households.land_mu - used) * p.rent_mu_year * month.price, 0.0
        )
    _industry_measure(month, ledger)
    ledger[:, Item.CROPS_COST] += month.ruined
    ledger[:, Item.CROPS] += month.payout[:, 0]  # insurers pay for what was lost
    ledger[:, Item.LIVESTOCK] += month.payout[:, 1]


def _herd(month: Month, ledger: Floats, hands: Floats, level: Floats) -> None:
    households, villages, p, m = month.state.households, month.state.villages, month.parameters.farm, month.calendar
    who = np.flatnonzero(households.herd & (hands >= 0.3))
    herder, stock = households.herder[who], 1 - villages.herd_damage[households.village[who]]
    size = np.minimum(hands[who], p.hands_for_full_herd) / p.hands_for_full_herd * factor(herder, p.herder_scale)
    herd = size * p.herd_gross_month * level[who]
    season = p.herd_season[m] + herder * (p.herder_season[m] * households.herd_kept[who] - p.herd_season[m])
    price = month.by_household(np.exp(month.state.market[:, 1]))[who]
    ledger[who, Item.LIVESTOCK] = herd * season * stock * price * _noisy(month, len(who))
    cost = 0.5 + 0.5 * stock
    cost += herder * (p.herder_cost_season[m] - cost)
    ledger[who, Item.LIVESTOCK_COST] = herd * p.herd_cost_share * cost


def _industry_measure(month: Month, ledger: Floats) -> None:
    households, p = month.state.households, month.parameters.support
    left, delivered = households.support_left[:, Measure.INDUSTRY], households.support_delivered[:, Measure.INDUSTRY]
    runs = np.flatnonzero((left > 0) & delivered)
    gross = p.industry_gross_month * month.price * _noisy(month, len(runs))
    ledger[runs, Item.LIVESTOCK] += gross
    ledger[runs, Item.LIVESTOCK_COST] += gross * p.industry_cost_share


def _business(month: Month, ledger: Floats) -> None:
    persons, households, p = month.state.persons, month.state.households, month.parameters.business
    who, owners = np.unique(persons.household[np.flatnonzero(persons.work == Work.SELF)], return_counts=True)
    normal = owners * p.gross_month * month.price * np.exp(0.6 * households.ability[who] + households.noise[who, 0])
    ledger[who, Item.BUSINESS] = normal * _noisy(month, len(who))
    lost = month.chance(p.loss_month, len(who))
    month.hit(Shock.BUSINESS_FAILED, who[lost])
    ledger[who, Item.BUSINESS_COST] = normal * (p.cost_share + lost * month.between(p.loss_months, len(who)))
    runs = (households.support_left[:, Measure.MICRO_CREDIT] > 0) & households.support_delivered[:, Measure.MICRO_CREDIT]
    ledger[np.flatnonzero(runs), Item.BUSINESS] += month.parameters.support.credit_month * month.price


def _property(month: Month, ledger: Floats) -> None:
    households, p = month.state.households, month.parameters.farm
    if month.calendar == 0:
        share = np.where(households.ex_poor, 1.0, p.dividend_general_factor)
        ledger[:, Item.DIVIDEND] = share * p.dividend_head_year * month.members() * month.price + dividends(month)


def _transfers(month: Month, ledger: Floats) -> None:
    households, p, n = month.state.households, month.parameters.transfer, month.state.n_households
    ends = month.drawn(n, p.remittance_ends_month)
    ends = ends[households.remittance[ends]]
    bound = p.remittance_starts_month * max(p.remittance_need_factor, 1.0)
    may = month.drawn(n, bound)
    may = may[~households.remittance[may] & month.alive()[may]]
    hazard = p.remittance_starts_month * np.where(month.in_need()[may], p.remittance_need_factor, 1.0)
    households.remittance[month.thinned(may, hazard / bound)] = True
    households.remittance[ends] = False
    month.hit(Shock.REMITTANCE_LOST, ends)
    who = np.flatnonzero(households.remittance)
    level = month.price * np.exp(0.4 * households.ability[who] + households.noise[who, 2])
    size = np.sqrt(month.members()[who] / 3)
    ledger[who, Item.REMITTANCE] = size * p.remittance_month * level * _noisy(month, len(who))
    subsidies = households.subsidies
    ledger[:, Item.DIBAO] = subsidies[:, Programme.DIBAO]
    ledger[:, Item.PENSION] = subsidies[:, Programme.PENSION]
    ledger[:, Item.DISABILITY] = subsidies[:, Programme.DISABILITY_LIVING] + subsidies[:, Programme.DISABILITY_CARE]
    paid_in = {3: Programme.FARM_SUPPORT, 5: Programme.ECOLOGY, 11: Programme.TRANSPORT}
    if month.calendar in paid_in:
        ledger[:, Item.POLICY] = 12 * subsidies[:, paid_in[month.calendar]]
    ledger[:, Item.RELIEF] = month.relief
