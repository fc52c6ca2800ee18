"""Tables hazard and disaster: what struck where, and what offices say it cost whom."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate import filing
from returnrisk.simulate.filing import Note, Sheet, office_days, steady
from returnrisk.simulate.groups import on_record
from returnrisk.simulate.month import ANIMAL_DISEASE, DROUGHT, HAZARDS, Month, Strike
from returnrisk.simulate.state import Bools, Ints

SEVERITIES = ("light", "moderate", "severe")
HAZARD = {
    "area_code": filing.plain,
    "hazard_kind": filing.codes(HAZARDS),
    "started_on": filing.calendar,
    "ended_on": filing.calendar,
    "severity": filing.codes(SEVERITIES),
    "affected_mu": filing.plain,
    "recorded_on": filing.calendar,
}
DISASTER = {
    "household_id": filing.households,
    "hazard_kind": filing.codes(HAZARDS),
    "happened_on": filing.calendar,
    "loss_cny": filing.plain,
    "insured_paid_cny": filing.plain,
    "house_damaged": filing.plain,
    "recorded_on": filing.calendar,
}


def file_hazards(note: Note) -> Sheet:
    """Droughts by township, floods and animal disease by village."""
    month = note.month
    return filing.stacked([_hazard(month, strike) for strike in month.strikes] or [_hazard(month, _nothing(month))])


def _nothing(month: Month) -> Strike:
    n = len(month.state.villages.code)
    return Strike(DROUGHT, np.zeros(n, dtype=bool), np.zeros(n))


def _hazard(month: Month, strike: Strike) -> Sheet:
    villages, households = month.state.villages, month.state.households
    land = np.bincount(households.village, households.land_mu, len(villages.code))
    damaged = land * strike.damage * strike.hit
    area = villages.code // 1000 if strike.hazard == DROUGHT else villages.code
    code, place = np.unique(area[strike.hit], return_inverse=True)
    first = np.full(len(code), month.last_day)
    np.minimum.at(first, place, month.strike_day[strike.hit])
    worst = np.zeros(len(code))
    np.maximum.at(worst, place, strike.damage[strike.hit])
    mu = np.bincount(place, damaged[strike.hit], len(code)).round(1)
    lasted = month.rng.integers(15, 60, len(code)) if strike.hazard == DROUGHT else month.rng.integers(1, 15, len(code))
    return {
        "area_code": code,
        "hazard_kind": np.full(len(code), strike.hazard),
        "started_on": first,
        "ended_on": first + lasted,
        "severity": np.searchsorted([0.35, 0.5], worst),
        "affected_mu": np.where(strike.hazard == ANIMAL_DISEASE, np.nan, mu),
        "recorded_on": office_days(month, first + lasted, month.parameters.office.hazard_days),
    }


def understating(month: Month, households: Ints) -> Bools:
    """Households of townships that report less than there was (DOMAIN 7.4)."""
    p = month.parameters.traps
    code = month.state.villages.code[month.state.households.village[households]] // 1000
    return np.asarray((steady(code, 7) < p.share_understating_townships) & p.strategic_reporting)


def file_disasters(note: Note) -> Sheet:
    """Losses that an office learns of; where losses are understated some are left out and the others halved."""
    month, p = note.month, note.month.parameters.traps
    sheets = []
    for loss in month.losses:
        n = len(loss.household)
        kept = on_record(month, loss.household, month.parameters.loss.p_recorded)
        hides = understating(month, loss.household)
        kept &= ~(hides & month.chance(p.p_loss_not_reported, n))
        told = np.round(loss.cny * np.where(hides, p.understated_loss_factor, 1.0))
        first = {
            "household_id": loss.household,
            "hazard_kind": loss.hazard,
            "happened_on": loss.day,
            "loss_cny": told,
            "insured_paid_cny": np.full(n, np.nan),
            "house_damaged": loss.house,
            "recorded_on": office_days(month, loss.day, month.parameters.office.disaster_days),
        }
        paid = np.maximum(month.last_day + 25, first["recorded_on"] + 1)  # insurers pay in the next month
        again = first | {"insured_paid_cny": loss.insured, "recorded_on": paid}
        sheets += [filing.pick(first, kept), filing.pick(again, kept & (loss.insured > 0))]
    return filing.stacked(sheets) if sheets else {name: np.empty(0, dtype=np.int64) for name in DISASTER}
