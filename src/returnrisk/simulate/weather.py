"""What neighbours share: drought, flood, animal disease, the labour market and the price of livestock."""

from __future__ import annotations

import math

import numpy as np

from returnrisk.simulate.month import ANIMAL_DISEASE, DROUGHT, FLOOD, Month, Strike
from returnrisk.simulate.state import Shock


def strike(month: Month) -> None:
    """Everything of this module, in order."""
    _markets(month)
    _recover(month)
    _drought(month)
    _flood(month)
    _disease(month)
    _harvest_failure(month)
    _noise(month)


def _markets(month: Month) -> None:
    work, farm, prices = month.parameters.work, month.parameters.farm, month.parameters.price
    persistence = np.array([work.market_persistence, *[farm.price_persistence] * 3])
    sd = np.array([work.market_sd, farm.price_sd, prices.crop_sd, prices.cash_crop_sd])  # by Market
    innovation = sd * np.sqrt(1 - persistence**2) * month.rng.standard_normal(month.state.market.shape)
    month.state.market[:] = persistence * month.state.market + innovation


def _recover(month: Month) -> None:
    villages = month.state.villages
    villages.herd_damage *= 1 - month.parameters.weather.herd_recovers_month
    if month.calendar == 1:  # the new year's crop starts whole
        villages.crop_damage[:] = 0.0
        villages.flood_damage[:] = 0.0
        month.state.households.harvest_kept[:] = 1.0
        month.state.households.herd_kept[:] = 1.0


def _drought(month: Month) -> None:
    villages, p = month.state.villages, month.parameters.weather
    n, n_townships = len(villages.code), len(month.state.identified)
    if 4 <= month.calendar <= 7:
        county = month.chance(p.p_drought_month, month.state.n_counties)[villages.county]
        township = month.chance(p.p_township_hit, n_townships)[villages.township]
        hit = county & township & month.chance(p.p_village_hit, n)
        damage = month.between(p.drought_damage, n)
        villages.crop_damage[hit] = np.maximum(villages.crop_damage[hit], damage[hit])
        month.strikes.append(Strike(DROUGHT, hit, damage))
        month.hit(Shock.WEATHER, hit[month.state.households.village])


def _flood(month: Month) -> None:
    villages, p = month.state.villages, month.parameters.weather
    n = len(villages.code)
    if 5 <= month.calendar <= 8:
        hit = month.chance(p.p_flood_month, n)
        damage = month.between(p.flood_damage, n)
        villages.flood_damage[hit] = np.maximum(villages.flood_damage[hit], damage[hit])
        month.strikes.append(Strike(FLOOD, hit, damage))
        month.hit(Shock.WEATHER, hit[month.state.households.village])


def _disease(month: Month) -> None:
    villages, households, p = month.state.villages, month.state.households, month.parameters.weather
    n = len(villages.code)
    hit = month.chance(p.p_animal_disease_month, n)
    damage = month.between(p.disease_damage, n)
    villages.herd_damage[hit] = np.maximum(villages.herd_damage[hit], damage[hit])
    month.strikes.append(Strike(ANIMAL_DISEASE, hit, damage))
    month.hit(Shock.HERD, hit[households.village] & households.herd)


def _harvest_failure(month: Month) -> None:
    """A household's own bad luck, likelier for growers and in some villages year after year."""
    villages, households, p = month.state.villages, month.state.households, month.parameters.farm
    if month.calendar not in (8, 9, 0):
        return
    kept = 1 - month.between(p.failure_damage, month.state.n_households)
    if month.calendar in (8, 9):  # at the harvest itself
        hazard = np.where(households.grower, p.failure_month, p.failure_month_other) * villages.hazard[households.village]
        failed = month.chance(np.minimum(hazard, 0.5))
        households.harvest_kept[failed] = np.minimum(households.harvest_kept[failed], kept[failed])
        month.hit(Shock.HARVEST, failed)
    if month.calendar == 0:  # at the sale itself
        unsold = households.herder & month.chance(np.minimum(p.herder_failure_month * villages.hazard[households.village], 0.5))
        households.herd_kept[unsold] = np.minimum(households.herd_kept[unsold], kept[unsold])
        month.hit(Shock.HERD, unsold)


def _noise(month: Month) -> None:
    """Slow AR(1) deviations of operating, wage and remittance income, one of each per household."""
    p, noise = month.parameters.noise, month.state.households.noise
    innovation = math.sqrt(1 - p.persistence**2)
    noise *= p.persistence
    for column, sd in enumerate((p.sd_operating, p.sd_wage, p.sd_remittance)):
        noise[:, column] += month.rng.standard_normal(len(noise)) * (sd * innovation)
