"""Tables visit and visitor: who is visited, what is found at the door, and who goes."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate import filing
from returnrisk.simulate.filing import Note, Sheet, office_days, steady
from returnrisk.simulate.groups import seen_factor
from returnrisk.simulate.hazards import understating
from returnrisk.simulate.month import Month
from returnrisk.simulate.state import Bools, Ints, Shock, first_day
from returnrisk.simulate.watch import recently_hit

FINDINGS = ("risk_confirmed", "no_risk", "not_at_home", "moved_away", "refused")
CONFIRMED, NO_RISK, NOT_AT_HOME, MOVED_AWAY, REFUSED = range(len(FINDINGS))
RISKS = ("illness", "disability", "schooling", "disaster", "job_loss", "industry", "housing", "water", "other")
ILLNESS, DISABILITY, _, DISASTER, JOB_LOSS, INDUSTRY, HOUSING, WATER, OTHER = range(len(RISKS))
ROLES = ("grid_worker", "village_team", "helper", "township")
GRID_WORKER, VILLAGE_TEAM, HELPER, TOWNSHIP = range(len(ROLES))
_RISK_OF_SHOCK = np.full(len(Shock), OTHER)
_RISK_OF_SHOCK[[Shock.ILLNESS, Shock.DEATH, Shock.DISABILITY]] = ILLNESS, ILLNESS, DISABILITY
_RISK_OF_SHOCK[[Shock.JOB_LOSS, Shock.LAID_OFF_TOGETHER, Shock.WAGE_DEFAULT]] = JOB_LOSS
_RISK_OF_SHOCK[[Shock.WEATHER, Shock.HERD, Shock.HARVEST, Shock.CALAMITY]] = DISASTER
_RISK_OF_SHOCK[Shock.BUSINESS_FAILED] = INDUSTRY
VISIT = {
    "household_id": filing.households,
    "visited_on": filing.calendar,
    "finding": filing.codes(FINDINGS),
    "verified_risk": filing.codes(RISKS),
    "recorded_on": filing.calendar,
}
VISITOR = {
    "visitor_id": filing.serials("ZF"),
    "village_code": filing.plain,
    "role": filing.codes(ROLES),
    "capacity_month": filing.plain,
    "valid_from": filing.calendar,
    "valid_until": filing.calendar,
    "recorded_on": filing.calendar,
}


def at_risk(month: Month) -> Bools:
    """What a visitor who saw everything would call a risk: near the line, hit and not far from it, an unsafe house or water."""
    state, p = month.state.households, month.parameters
    ratio = month.income_per_head() / month.line
    low = ratio < p.monitoring.near_line
    hit = recently_hit(month) & (ratio < p.household.need_below)
    return np.asarray((low | hit | (state.housing >= 2) | ~state.water_safe) & month.alive())


def file_visits(note: Note) -> Sheet:
    """One visit at most a household and month; its finding is all that anybody verified (DOMAIN 7.3)."""
    month, p = note.month, note.month.parameters
    if p.traps.only_visited_verified:
        who = np.flatnonzero(month.chance(_visited(month)) & month.alive())
    else:
        who = np.flatnonzero((np.arange(month.state.n_households) % 12 == month.calendar) & month.alive())
    truly = at_risk(month)[who]
    finding = _found(month, who, truly) if p.traps.only_visited_verified else np.where(truly, CONFIRMED, NO_RISK)
    day = month.event_days(len(who))
    return {
        "household_id": who,
        "visited_on": day,
        "finding": finding,
        "verified_risk": np.where(finding == CONFIRMED, _why(month, who), -1),
        "recorded_on": office_days(month, day, p.office.visit_days),
    }


def _visited(month: Month) -> np.ndarray:
    """How likely each household is visited this month."""
    state, p = month.state.households, month.parameters.visit
    low = month.income_per_head() < month.parameters.monitoring.near_line * month.line
    chance = np.select(
        [state.monitored, recently_hit(month), low, state.ex_poor],
        [p.p_monitored_month, p.p_hit_month, p.p_low_month, p.p_ex_poor_month],
        p.p_other_month,
    )
    return np.asarray(chance * seen_factor(month))


def _found(month: Month, who: Ints, truly: Bools) -> Ints:
    """What is entered: nobody in, refusals, risks overlooked or imagined, and risks that a township would rather not have."""
    p, n = month.parameters.visit, len(who)
    persons = month.state.persons
    grown = persons.present & (month.ages() >= 16)
    at_home = (month.per_household(grown & ~persons.away) > 0)[who]
    seen = np.where(truly, month.chance(p.p_confirms, n), month.chance(p.p_false_alarm, n))
    seen &= ~(understating(month, who) & month.chance(month.parameters.traps.p_risk_not_confirmed, n))
    draw = month.rng.random(n)
    absent = np.where(at_home, p.p_not_at_home, p.p_not_at_home_away)
    return np.select(
        [draw < absent, draw < absent + p.p_refused, draw < absent + p.p_refused + p.p_moved_away, seen],
        [NOT_AT_HOME, REFUSED, MOVED_AWAY, CONFIRMED],
        NO_RISK,
    )


def _why(month: Month, who: Ints) -> Ints:
    state = month.state.households
    shock = _RISK_OF_SHOCK[state.shock_kind[who]]
    return np.select([recently_hit(month)[who], state.housing[who] >= 2, ~state.water_safe[who]], [shock, HOUSING, WATER], OTHER)


def open_visitors(start: Month) -> Sheet:
    """Everybody who goes to see households on the first day: grid workers, village teams, helpers, township staff."""
    place, village, role = _places(start)
    return _visitors(start, place, village, role, since=_since(start, place, (start.state.month - 1) // 12))


def file_visitors(note: Note) -> Sheet:
    """On 1 January some are replaced: the one leaves on 31 December, the other takes over. Nothing in other months."""
    month, year = note.month, note.month.state.month // 12
    place, village, role = _places(month)
    changes = (steady(place, year) < month.parameters.visit.turnover_year) & (month.calendar == 0)
    place, village, role = place[changes], village[changes], role[changes]
    was = _visitors(month, place, village, role, since=_since(month, place, year - 1))
    was |= {"valid_until": np.full(len(place), month.first_day - 1)}
    now = _visitors(month, place, village, role, since=np.full(len(place), month.first_day))
    changed = filing.stacked([was, now])
    return changed | {"recorded_on": changed["recorded_on"] + 5}


def _places(month: Month) -> tuple[Ints, Ints, Ints]:
    """Key, village and role of every place that somebody fills."""
    villages, p = month.state.villages, month.parameters.visit
    size = np.bincount(month.state.households.village[month.alive()], minlength=len(villages.code))
    grid = np.maximum(np.rint(size / p.households_per_grid_worker), 1).astype(np.int64)
    counts = np.column_stack([grid, p.village_team * villages.poverty, np.rint(size / 40).astype(np.int64), np.ones_like(size)])
    kind = np.repeat(np.arange(counts.size), counts.ravel())
    village, role = np.divmod(kind, len(ROLES))
    nth = np.arange(len(kind)) - np.searchsorted(kind, kind)
    return kind * 100 + nth, village, role


def _since(month: Month, place: Ints, year: int) -> Ints:
    """The last 1 January on which each place changed hands, 2010 at the earliest."""
    since = np.full(len(place), first_day(2010 * 12))
    for earlier in range(2011, year + 1):
        since[steady(place, earlier) < month.parameters.visit.turnover_year] = first_day(earlier * 12)
    return since


def _visitors(month: Month, place: Ints, village: Ints, role: Ints, *, since: Ints) -> Sheet:
    return {
        "visitor_id": place * 100_000 + since,
        "village_code": month.state.villages.code[village],
        "role": role,
        "capacity_month": np.array(month.parameters.visit.capacity_month)[role],
        "valid_from": since,
        "valid_until": np.full(len(role), -1),
        "recorded_on": np.full(len(role), month.first_day),
    }
