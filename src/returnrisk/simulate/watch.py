"""Monitoring: who is identified (noisy, partly by quota), who is closed, and what help they get."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from returnrisk.simulate.groups import seen_factor
from returnrisk.simulate.month import Month, factor, labour_capacity
from returnrisk.simulate.quota import within_quota
from returnrisk.simulate.state import Bools, Floats, Ints, Measure, Shock, Work

UNSTABLE, MARGINAL, SUDDEN = range(3)
RISK_OF_SHOCK = np.array([0, 1, 4, 3, 5, 6, 6, 6, 5, 3, 4, 4, 3])
"""Risk type (illness, disability, schooling, disaster, job_loss, industry, other) that each `Shock` is filed under."""


@dataclass(frozen=True, slots=True)
class MonitoringRows:
    """Identifications and eliminations as filed; `eliminated` is -1 while open."""

    household: Ints
    identified: Ints
    category: Ints
    risk_type: Ints
    channel: Ints
    eliminated: Ints
    recorded: Ints


@dataclass(frozen=True, slots=True)
class SupportRows:
    """Measures as filed; `ended` is -1 while running."""

    household: Ints
    measure: Ints
    started: Ints
    delivered: Bools
    ended: Ints
    recorded: Ints


def note_shocks(month: Month) -> None:
    """Remember the month and kind of each household's latest shock."""
    households = month.state.households
    hit = np.flatnonzero(month.shocks.any(axis=1))
    households.shock_month[hit] = month.state.month
    households.shock_kind[hit] = month.shocks[hit].argmax(axis=1)


def recently_hit(month: Month) -> Bools:
    """Hit by something within half a year."""
    return np.asarray(month.state.households.shock_month >= month.state.month - 6)


def identify(month: Month) -> MonitoringRows:
    """New monitored households of the month, and those whose risk is closed."""
    if month.calendar == 0:
        month.state.identified[:] = 0
    new = _identified(month)
    closed = _closed(month)
    households = month.state.households
    month.state.identified += np.bincount(
        month.state.villages.township[households.village[new]], minlength=len(month.state.identified)
    )
    days = month.event_days(len(new))
    above = (month.income_per_head() >= month.line) | (households.out_of_pocket > month.parameters.monitoring.sudden_out_of_pocket)
    sudden = (recently_hit(month) & above)[new]
    households.monitored[new] = True
    households.monitored_day[new] = days
    households.category[new] = np.select([sudden, households.ex_poor[new]], [SUDDEN, UNSTABLE], MARGINAL)
    households.risk_type[new] = np.where(recently_hit(month)[new], RISK_OF_SHOCK[households.shock_kind[new]], 6)
    households.channel[new] = month.rng.choice(4, len(new), p=month.parameters.monitoring.channel_shares)
    households.monitored[closed] = False
    who = np.concatenate([new, closed])
    ended = np.concatenate([np.full(len(new), -1), month.event_days(len(closed))])
    recorded = month.recorded(np.where(ended >= 0, ended, households.monitored_day[who]), households.monitored_recorded[who])
    households.monitored_recorded[who] = recorded
    return MonitoringRows(
        household=who,
        identified=households.monitored_day[who],
        category=households.category[who],
        risk_type=households.risk_type[who],
        channel=households.channel[who],
        eliminated=ended,
        recorded=recorded,
    )


def _identified(month: Month) -> Ints:
    households, p = month.state.households, month.parameters.monitoring
    income, hit = month.income_per_head(), recently_hit(month)
    sudden = hit & (households.out_of_pocket > p.sudden_out_of_pocket)
    chance = np.full(len(income), p.p_other_month)
    for who, probability in (
        (sudden, p.p_sudden_month),
        (hit & (income < p.near_line * month.line), p.p_near_and_shock_month),
        (income < month.line, p.p_below_line_month),
    ):
        chance[np.flatnonzero(who)] = probability
    chance *= seen_factor(month)
    chance *= factor(households.ex_poor, p.ex_poor_factor)
    may = ~households.monitored & month.alive()
    found = np.flatnonzero(may & month.chance(chance))
    if not month.parameters.traps.quota_binding:
        return found
    return within_quota(month, found, may)


def _closed(month: Month) -> Ints:
    """Stable above the line for long enough, and never a household without labour."""
    households, p = month.state.households, month.parameters.monitoring
    stays = households.monitored & month.alive()
    long = month.first_day - households.monitored_day > 30 * p.stable_months
    stable = month.income_per_head() >= p.stable_above * month.line
    closing = month.thinned(np.flatnonzero(stays & long & stable & ~recently_hit(month)), p.p_exit_month)
    ended = np.flatnonzero(households.monitored & ~month.alive())
    return np.concatenate([closing[_labour_of(month, closing)], ended])


def _labour_of(month: Month, households: Ints) -> Bools:
    """Which of these households have somebody who can work."""
    looked_at, persons = np.zeros(month.state.n_households, dtype=bool), month.state.persons
    looked_at[households] = True
    members = np.flatnonzero(looked_at[persons.household] & persons.present)
    return month.counted(members[labour_capacity(month)[members] > 0])[households] > 0


def help_out(month: Month) -> SupportRows:
    """End, deliver and start measures; what is delivered works from this month on."""
    households, width = month.state.households, len(Measure)
    running, ended = _end(month)
    waiting = running[~households.support_delivered[np.divmod(running, width)]]
    late = month.thinned(waiting, month.parameters.support.p_delivered_later_month)
    households.support_delivered[np.divmod(late, width)] = True
    started = _start(month, ended) if month.parameters.support.targeted else late[:0]
    event = np.concatenate([ended, late, started])  # a place in the matrix of households and measures has one event at most
    order = np.argsort(event, kind="stable")
    event, days = event[order], month.event_days(len(event))
    over, new = order < len(ended), order >= len(ended) + len(late)
    household, measure = np.divmod(event, width)
    households.support_day[household[new], measure[new]] = days[new]
    recorded = month.recorded(days, np.where(new, -1, households.support_recorded[household, measure]))
    households.support_recorded[household, measure] = recorded
    return SupportRows(
        household=household,
        measure=measure,
        started=households.support_day[household, measure],
        delivered=households.support_delivered[household, measure],
        ended=np.where(over, days, -1),
        recorded=recorded,
    )


def _end(month: Month) -> tuple[Ints, Ints]:
    """Measures still running and those that end now, as places in the matrix of households and measures."""
    households, persons, width = month.state.households, month.state.persons, len(Measure)
    running = np.flatnonzero(households.support_left > 0)
    household, measure = np.divmod(running, width)
    households.support_left[household, measure] -= 1
    linked = household[measure == Measure.INDUSTRY]
    fails = linked[month.project_failed[households.village[linked]]]
    households.support_left[fails, Measure.INDUSTRY] = 0
    month.hit(Shock.BUSINESS_FAILED, fails)
    households.support_left[np.flatnonzero(month.members() == 0)] = 0
    over = households.support_left[household, measure] == 0
    without_post = np.zeros(month.state.n_households, dtype=bool)
    without_post[household[over & (measure == Measure.PUBLIC_POST)]] = True
    posted = np.flatnonzero(persons.work == Work.POST)
    persons.work[posted[without_post[persons.household[posted]]]] = Work.FARMING
    return running[~over], running[over]


def _start(month: Month, ended: Ints) -> Ints:
    """Who gets which new measure (places in the matrix): the more a household looks at risk, the likelier."""
    households, p = month.state.households, month.parameters.support
    low = month.income_per_head() < month.parameters.monitoring.near_line * month.line
    may = np.flatnonzero((households.monitored | recently_hit(month) | low | households.ex_poor) & month.alive())
    chance = np.where(low[may], np.where(households.ex_poor[may], p.p_low_ex_poor_month, p.p_low_general_month), p.p_ex_poor_month)
    chance[recently_hit(month)[may]] = p.p_shock_month
    chance[households.monitored[may]] = p.p_monitored_month
    offered = month.thinned(may, chance * seen_factor(month)[may])
    free = households.support_left[offered] == 0
    row = np.full(month.state.n_households, -1)
    row[offered] = np.arange(len(offered))
    just_ended = ended[row[ended // len(Measure)] >= 0]
    free[row[just_ended // len(Measure)], just_ended % len(Measure)] = False
    weights = _fitting(month, offered) * free
    total = weights.sum(axis=1)
    draw = month.rng.random(len(total)) * total
    picked = np.minimum((np.cumsum(weights, axis=1) <= draw[:, None]).sum(axis=1), len(Measure) - 1)
    household, measure = offered[total > 0], picked[total > 0]
    households.support_left[household, measure] = np.array(p.months)[measure]
    relief, relieved = measure == Measure.TEMPORARY_RELIEF, household[measure == Measure.TEMPORARY_RELIEF]
    households.support_delivered[household, measure] = month.chance(p.p_delivered, len(household)) | relief
    _take_posts(month, household[measure == Measure.PUBLIC_POST])
    month.relief[relieved] += p.relief_head * month.members()[relieved] * month.price
    households.housing[household[measure == Measure.HOUSING]] = 1
    return np.asarray(household * len(Measure) + measure)


def _fitting(month: Month, offered: Ints) -> Floats:
    """Weight of each measure for each household offered one: jobs where somebody can work, a safety net where nobody can."""
    persons, households, n = month.state.persons, month.state.households, month.state.n_households
    place = np.full(n, -1)
    place[offered] = np.arange(len(offered))
    who = np.flatnonzero((place >= 0)[persons.household] & persons.present)
    row, work, able = place[persons.household[who]], persons.work[who], labour_capacity(month)[who] > 0
    at_home = ~persons.away[who] & (month.ages()[who] < 68)

    def anybody(mask: Bools) -> Bools:
        return np.bincount(row[mask], minlength=len(offered)) > 0

    idle, hands = anybody((work == Work.UNEMPLOYED) & at_home), anybody((work == Work.FARMING) & able & at_home)
    labour, ill, student = anybody(able), anybody(persons.ill_left[who] > 0), anybody(persons.in_school[who])
    low = (month.income_per_head() < month.line)[offered]
    weights = np.zeros((len(offered), len(Measure)))
    weights[:, Measure.INDUSTRY] = 2.0 * hands
    weights[:, Measure.JOB] = 3.0 * idle + 0.5 * hands
    weights[:, Measure.PUBLIC_POST] = 2.0 * hands
    weights[:, Measure.MICRO_CREDIT] = 0.6 * labour
    weights[:, Measure.MEDICAL_AID] = 2.0 * ill
    weights[:, Measure.TEMPORARY_RELIEF] = 0.3 + 1.0 * ill + 0.7 * low
    weights[:, Measure.SCHOOL_AID] = 0.6 * student
    weights[:, Measure.HOUSING] = 2.0 * (households.housing[offered] >= 2)
    weights[:, Measure.SAFETY_NET] = 2.0 * ~labour + 0.8 * low
    weights[:, Measure.SKILLS] = 0.6 * labour
    return weights


def _take_posts(month: Month, households: Ints) -> None:
    """The youngest able farming member takes the public post."""
    persons = month.state.persons
    offered = np.zeros(month.state.n_households, dtype=bool)
    offered[households] = True
    who = np.flatnonzero(persons.present & (persons.work == Work.FARMING) & offered[persons.household])
    candidates = who[~persons.away[who] & (labour_capacity(month)[who] > 0) & (month.ages()[who] < 68)]
    order = candidates[np.lexsort((candidates, -persons.born_day[candidates], persons.household[candidates]))]
    _, first = np.unique(persons.household[order], return_index=True)
    persons.work[order[first]] = Work.POST
