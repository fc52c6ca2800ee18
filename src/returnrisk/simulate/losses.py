"""What hazards cost households: crops, stock, houses, accidents; insurers pay a share the month after."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.month import (
    ACCIDENT,
    ANIMAL_DISEASE,
    FIRE,
    FLOOD,
    FROST,
    HAIL,
    LANDSLIDE,
    OTHER_HAZARD,
    Loss,
    Month,
    Strike,
)
from returnrisk.simulate.state import Bools, Floats, Insured, Ints, Shock

HOUSE_D = 3
"""Index of the worst grade of `HOUSING`."""


def suffer(month: Month) -> None:
    """Pay last month's claims, renew policies in January, reckon this month's losses."""
    households = month.state.households
    month.payout, households.payout_due = households.payout_due, np.zeros_like(households.payout_due)
    if month.calendar == 0:
        _renew(month)
    month.strike_day = month.event_days(len(month.state.villages.code))
    month.strikes = [part for strike in month.strikes for part in _with_landslides(month, strike)]
    for strike in month.strikes:
        _struck(month, strike.hazard, strike.hit, strike.damage)
    _own_bad_luck(month)
    _calamities(month)
    _fires_and_accidents(month)


def crop_value(month: Month, households: Ints) -> Floats:
    """A year's crop of these households as offices reckon it, CNY."""
    farm, of = month.parameters.farm, month.state.households
    worth = np.where(of.grower[households], farm.grower_value_factor, 1.0) * month.parameters.loss.crop_standard_mu
    return np.asarray(of.land_mu[households] * worth * month.price)


def herd_value(month: Month, households: Ints) -> Floats:
    """The stock of these households as offices reckon it, CNY."""
    of = month.state.households
    scale = np.where(of.herder[households], month.parameters.farm.herder_scale, 1.0) * of.herd[households]
    return np.asarray(scale * month.parameters.loss.herd_standard_cny * month.price)


def _renew(month: Month) -> None:
    """Policies of the calendar year: most who had one keep it; 防贫保 covers whoever is watched."""
    households, p, n = month.state.households, month.parameters.cover, month.state.n_households
    households.paid_out[:] = 0.0
    willing = np.array([0.0, p.p_crop, p.p_livestock, p.p_accident, p.p_house])
    had = households.insured.any(axis=1, keepdims=True) & households.insured
    keeps = month.rng.random((n, len(Insured))) < np.where(had, p.p_renews, willing * (1 - p.p_renews) / (1 - willing))
    first = ~households.insured[:, Insured.CROP :].any()
    if first:  # nobody had any: the first year there is
        keeps = month.rng.random((n, len(Insured))) < willing
    keeps[:, Insured.GUARD] = households.ex_poor | households.monitored
    keeps[:, Insured.CROP] &= households.land_mu > 0
    keeps[:, Insured.LIVESTOCK] &= households.herd
    households.insured[:] = keeps & month.alive()[:, None]


def _with_landslides(month: Month, strike: Strike) -> list[Strike]:
    """Some floods in remote villages come as landslides."""
    if strike.hazard != FLOOD:
        return [strike]
    slides = month.state.villages.remote & month.chance(month.parameters.loss.p_landslide_remote, len(strike.hit))
    return [
        Strike(FLOOD, strike.hit & ~slides, strike.damage),
        Strike(LANDSLIDE, strike.hit & slides, strike.damage),
    ]


def _struck(month: Month, hazard: int, hit: Bools, damage: Floats) -> None:
    """Everybody of the villages with something to lose."""
    households, p = month.state.households, month.parameters.loss
    who = np.flatnonzero(hit[households.village] & month.alive())
    share = damage[households.village[who]]
    if hazard == ANIMAL_DISEASE:
        _lose(month, who, np.full(len(who), hazard), herd_value(month, who) * share, Insured.LIVESTOCK)
        return
    kind = np.full(len(who), hazard)
    if hazard in (FLOOD, LANDSLIDE):
        prone = np.where(households.flood_prone[who], month.parameters.weather.flood_prone_factor, 0.8)
        share = np.minimum(share * prone, 1.0)
    house = month.chance(share * p.p_house_damaged_flood) if hazard in (FLOOD, LANDSLIDE) else np.zeros(len(who), dtype=bool)
    _lose(month, who, kind, crop_value(month, who) * share, Insured.CROP, house=house)


def _own_bad_luck(month: Month) -> None:
    households = month.state.households
    if month.calendar in (8, 9):
        who = np.flatnonzero(month.shocks[:, Shock.HARVEST] & month.alive())
        kind = np.array([HAIL, FROST, OTHER_HAZARD])[month.rng.integers(0, 3, len(who))]
        _lose(month, who, kind, crop_value(month, who) * (1 - households.harvest_kept[who]), Insured.CROP)
    if month.calendar == 0:
        who = np.flatnonzero(month.shocks[:, Shock.HERD] & (households.herd_kept < 1) & month.alive())
        ill = who[month.chance(0.5, len(who))]  # the others found no buyer: no disaster
        _lose(
            month, ill, np.full(len(ill), OTHER_HAZARD), herd_value(month, ill) * (1 - households.herd_kept[ill]), Insured.LIVESTOCK
        )


def _calamities(month: Month) -> None:
    """What strikes rich and poor alike and ruins what they put into their work: stores burnt, goods stolen, an advance never seen again.

    The loss is a share of a year's income and stands in the ledger as cost of production.
    """
    p = month.parameters.loss
    who = month.drawn(month.state.n_households, p.calamity_month)
    who = who[month.members()[who] > 0]
    lost = np.round(month.between(p.calamity_share, len(who)) * np.maximum(month.net_year()[who], 0.0))
    month.ruined[who] = lost
    month.hit(Shock.CALAMITY, who)
    _lose(month, who, np.where(month.chance(p.p_calamity_fire, len(who)), FIRE, OTHER_HAZARD), lost, Insured.HOUSE)


def _fires_and_accidents(month: Month) -> None:
    p, alive = month.parameters.loss, month.alive()
    burnt = month.drawn(month.state.n_households, p.fire_month)
    burnt = burnt[alive[burnt]]
    cost = month.between(p.fire_cny, len(burnt)) * month.price
    _lose(month, burnt, np.full(len(burnt), FIRE), cost, Insured.HOUSE, house=month.chance(p.p_house_damaged, len(burnt)))
    hurt = month.drawn(month.state.n_households, p.accident_month)
    hurt = hurt[alive[hurt]]
    _lose(month, hurt, np.full(len(hurt), ACCIDENT), month.between(p.accident_cny, len(hurt)) * month.price, Insured.ACCIDENT)


def _lose(month: Month, who: Ints, hazard: Ints, cny: Floats, cover: Insured, *, house: Bools | None = None) -> None:
    """Note the losses of one kind, what insurers will pay, and houses no longer safe."""
    households = month.state.households
    cny = np.round(cny)
    some = cny > 0
    who, hazard, cny = who[some], hazard[some], cny[some]
    damaged = np.zeros(len(who), dtype=bool) if house is None else house[some]
    paid = np.round(cny * month.parameters.cover.pays_share * households.insured[who, cover])
    households.paid_out[who, cover] += paid
    if cover in (Insured.CROP, Insured.LIVESTOCK):
        households.payout_due[who, cover - Insured.CROP] += paid
    households.housing[who[damaged]] = HOUSE_D
    day = month.strike_day[households.village[who]] if cover in (Insured.CROP, Insured.LIVESTOCK) else month.event_days(len(who))
    month.losses.append(Loss(household=who, hazard=hazard, day=day, cny=cny, insured=paid, cover=int(cover), house=damaged))
