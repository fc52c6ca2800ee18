"""Groups that differ in true risk and in how well offices see them: remote, minority, resettled, old and alone (DOMAIN 7.5)."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.month import Month, factor
from returnrisk.simulate.parameters import Parameters
from returnrisk.simulate.state import Bools, Floats, Households, Ints


def differ(rng: np.random.Generator, parameters: Parameters, households: Households, *, old_alone: Bools) -> None:
    """Give minority, resettled and old households what sets them apart; remote villages differ by `village.remote_prosperity`."""
    p = parameters.group
    households.ability += np.where(households.minority, p.minority_ability, 0.0)
    households.ability += np.where(households.resettled, p.resettled_ability, 0.0)
    households.land_mu[:] = np.round(households.land_mu * np.where(households.resettled, p.resettled_land_factor, 1.0), 1)
    gives_up = old_alone & (rng.random(len(old_alone)) > p.old_alone_herd_factor)
    households.herd &= ~gives_up
    households.herder &= ~gives_up


def old_and_alone(month: Month) -> Bools:
    """Households with nobody younger than `group.old_age`."""
    persons, old = month.state.persons, month.alive()
    old[persons.household[np.flatnonzero(persons.present & (month.ages() < month.parameters.group.old_age))]] = False
    return old


def seen_less(month: Month) -> Bools:
    """Households of remote or minority villages, resettled ones, and the old who live alone."""
    villages, households = month.state.villages, month.state.households
    if month.known_seen_less is None:
        place = (villages.remote | villages.minority)[households.village]
        month.known_seen_less = place | households.resettled | old_and_alone(month)
    return month.known_seen_less


def seen_factor(month: Month) -> Floats:
    """Factor on being noticed by an office, per household."""
    p = month.parameters.traps
    return factor(seen_less(month), p.seen_factor if p.unseen_groups else 1.0)


def on_record(month: Month, households: Ints, probability: float) -> Bools:
    """Which facts about these households an office records at all: fewer in the groups seen less."""
    p = month.parameters.traps
    less = factor(seen_less(month)[households], p.recorded_factor if p.unseen_groups else 1.0)
    return np.asarray(month.rng.random(len(households)) < probability * less)
