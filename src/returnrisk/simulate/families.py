"""Households over time: sons who leave with their family, old parents who move in with them, households that move, and ends.

Runs before the month's arrays are laid out, because the number of households grows. A household that has lost its last member
stays in the arrays, without members, land or entitlements.
"""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.month import Month
from returnrisk.simulate.parameters import Parameters
from returnrisk.simulate.population import CHILD, GRANDCHILD, HEAD, OTHER, PARENT, SPOUSE
from returnrisk.simulate.state import CountyState, Households, Ints, Measure, Programme


def rearrange(state: CountyState, rng: np.random.Generator, parameters: Parameters) -> Month:
    """Splits, then joins, then moves; what a household owns goes with its people. Returns the month laid out for what comes next."""
    month = Month(state=state, rng=rng, parameters=parameters)
    _split(month)
    _join(month)
    _move(month)
    month.lay_out()
    return month


def _split(month: Month) -> None:
    """A grown son leaves with one young woman and the small grandchildren, if another grown-up stays."""
    persons, age, p = month.state.persons, month.ages(), month.parameters.family
    sons = month.drawn(len(age), p.split_year / 12)
    son = persons.present[sons] & persons.male[sons] & (persons.relation[sons] == CHILD) & ~persons.in_school[sons]
    sons = sons[son & (age[sons] >= 24) & (age[sons] <= 45)]
    _, first = np.unique(persons.household[sons], return_index=True)
    sons = sons[first]
    heads_family = np.zeros(month.state.n_households, dtype=bool)
    heads_family[persons.household[sons]] = True
    members = np.flatnonzero(persons.present & heads_family[persons.household])
    years, relation = age[members], persons.relation[members]
    wives = members[(relation == OTHER) & ~persons.male[members] & (years >= 19) & (years <= 45)]
    _, first = np.unique(persons.household[wives], return_index=True)
    wives, small = wives[first], members[(relation == GRANDCHILD) & (years < 18)]
    leaving = np.concatenate([sons, wives, small])
    leaves = np.zeros(len(age), dtype=bool)
    leaves[leaving] = True
    stays = members[(years >= 18) & ~leaves[members]]
    may = np.bincount(persons.household[stays], minlength=month.state.n_households) > 0
    sons, wives, small = (who[may[persons.household[who]]] for who in (sons, wives, small))
    if len(sons):
        _found(month, sons, wives, small)


def _found(month: Month, sons: Ints, wives: Ints, small: Ints) -> None:
    """The new households: a share of land and income memory by heads, none of the office decisions but the registration."""
    persons, households = month.state.persons, month.state.households
    parents, n = persons.household[sons], month.state.n_households
    place = np.full(n, -1)
    place[parents] = np.arange(len(parents))
    leaving = np.concatenate([sons, wives, small])
    new = place[persons.household[leaving]]
    size = np.bincount(new, minlength=len(parents))
    share = size / month.members()[parents]
    young = households.take(parents)
    _without_decisions(young)
    for mine, theirs in (
        (young.land_mu, households.land_mu),
        (young.net12, households.net12),
        (young.countable12, households.countable12),
    ):
        part = (share if mine.ndim == 1 else share[:, None]) * mine
        mine[:] = part
        theirs[parents] -= part
    young.land_mu[:] = np.round(young.land_mu, 1)
    households.land_mu[parents] = np.round(households.land_mu[parents], 1)
    young.herd[:] = young.herder[:] = young.remittance[:] = False
    households.append(young)
    for who, relation in ((sons, HEAD), (wives, SPOUSE), (small, CHILD)):
        persons.relation[who] = relation
    persons.joined_day[leaving] = month.first_day  # the whole month's income is theirs
    persons.household[leaving] = n + new
    stay = month.members()
    stay[parents] -= size
    month.known_members = np.concatenate([stay, size])


def _without_decisions(households: Households) -> None:
    """Forget what offices decided and recorded about the household these are copied from."""
    for name in ("subsidies", "support_left", "support_day", "support_delivered", "out_of_pocket", "owed", "insured"):
        getattr(households, name)[:] = 0
    for name in ("paid_out", "payout_due", "loan_cny", "overdue", "monitored"):
        getattr(households, name)[:] = 0
    for name in (
        "shock_month",
        "monitored_day",
        "monitored_recorded",
        "support_recorded",
        "recorded",
        "identity_recorded",
        "loan_day",
        "loan_due",
    ):
        getattr(households, name)[:] = -1
    for name in ("link_recorded", "insurance_recorded", "loan_recorded"):
        getattr(households, name)[:] = -1


def _join(month: Month) -> None:
    """One or two old people give up their household and move in with a younger one of the same village."""
    persons, households, age, n = month.state.persons, month.state.households, month.ages(), month.state.n_households
    leaving, members = month.drawn(n, month.parameters.family.join_year / 12), month.members()
    leaving = leaving[(members[leaving] > 0) & (members[leaving] <= 2)]
    looked_at = np.zeros(n, dtype=bool)
    looked_at[leaving] = True
    who = np.flatnonzero(looked_at[persons.household] & persons.present)
    leaving = leaving[month.counted(who[age[who] < 60])[leaving] == 0]
    near = np.zeros(len(month.state.villages.code), dtype=bool)
    near[households.village[leaving]] = True
    looked_at = near[households.village] & (members < 7)
    who = np.flatnonzero(looked_at[persons.household] & persons.present)
    hosts = np.flatnonzero(month.counted(who[(age[who] >= 30) & (age[who] < 60)]))
    hosts = hosts[np.argsort(households.village[hosts], kind="stable")]
    start = np.searchsorted(households.village[hosts], households.village[leaving])
    count = np.searchsorted(households.village[hosts], households.village[leaving], side="right") - start
    leaving, start, count = leaving[count > 0], start[count > 0], count[count > 0]
    if not len(leaving):
        return
    host = np.full(n, -1)
    host[leaving] = hosts[start + (month.rng.random(len(leaving)) * count).astype(np.int64)]
    day = np.zeros(n, dtype=np.int64)
    day[leaving] = month.event_days(len(leaving))
    who = np.flatnonzero(persons.present & (host >= 0)[persons.household])
    for of_household in (households.land_mu, households.net12, households.countable12):
        np.add.at(of_household, host[leaving], of_household[leaving])
    persons.joined_day[who] = day[persons.household[who]]
    persons.household[who] = host[persons.household[who]]
    persons.relation[who] = PARENT
    np.add.at(members, host[leaving], members[leaving])
    members[leaving] = 0
    _dissolve(households, leaving)


def _move(month: Month) -> None:
    """A household moves to another village of its township, to the resettlement site if there is one."""
    villages, households = month.state.villages, month.state.households
    movers = month.drawn(month.state.n_households, month.parameters.family.move_year / 12)
    bound = households.support_left[movers, Measure.INDUSTRY] > 0  # linked to the village's project
    movers = movers[month.alive()[movers] & ~households.resettled[movers] & ~bound]
    order = np.lexsort((month.rng.random(len(villages.code)), ~villages.resettlement, villages.township))
    first = order[np.searchsorted(villages.township[order], villages.township[households.village[movers]])]
    changes = first != households.village[movers]
    movers, target = movers[changes], first[changes]
    households.village[movers] = target
    households.resettled[movers] |= villages.resettlement[target]


def end_empty(month: Month, left: Ints) -> None:
    """Of the households that somebody `left`, those whose last member died or went lose land and entitlements."""
    empty = np.unique(left[month.members()[left] == 0])
    month.net_year()[empty] = 0.0
    _dissolve(month.state.households, empty)


def _dissolve(households: Households, gone: Ints) -> None:
    """Nothing is left of a household but its records; offices close monitoring and measures themselves."""
    for name in (
        "land_mu",
        "net12",
        "countable12",
        "owed",
        "payout_due",
        "herd",
        "herder",
        "remittance",
        "out_of_pocket",
        "insured",
    ):
        getattr(households, name)[gone] = 0
    households.subsidies[gone, Programme.ECOLOGY :] = 0.0
    households.subsidies[gone, Programme.DIBAO] = 0.0
