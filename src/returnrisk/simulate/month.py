"""One month in the making: the state being changed, the random numbers, and what is looked up again and again."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field

import numpy as np

from returnrisk.simulate.parameters import Parameters
from returnrisk.simulate.state import (
    Bools,
    CountyState,
    Floats,
    Ints,
    Item,
    Shock,
    Work,
    ages,
    as_date,
    first_day,
    last_day,
    month_number,
)

HAZARDS = (
    "drought",
    "flood",
    "hail",
    "frost",
    "animal_disease",
    "earthquake",
    "landslide",
    "epidemic",
    "fire",
    "accident",
    "other",
)
DROUGHT, FLOOD, HAIL, FROST, ANIMAL_DISEASE, _, LANDSLIDE, _, FIRE, ACCIDENT, OTHER_HAZARD = range(len(HAZARDS))


@dataclass(frozen=True, slots=True)
class Strike:
    """What struck villages: kind of hazard, mask of the villages, damage as a share of crop or herd."""

    hazard: int
    hit: Bools
    damage: Floats


@dataclass(frozen=True, slots=True)
class Loss:
    """What a hazard cost households this month: true CNY, what insurers pay, whether the house is damaged."""

    household: Ints
    hazard: Ints
    day: Ints
    cny: Floats
    insured: Floats
    cover: int
    house: Bools


@dataclass(frozen=True, slots=True)
class Loans:
    """Households whose micro-credit was granted, fell overdue or was paid back this month, and how much they had owed."""

    granted: Ints
    overdue: Ints
    repaid: Ints
    repaid_cny: Floats


@dataclass(slots=True)
class Month:
    """The month `state.month`; `shocks` has one row per household, one column per `Shock`."""

    state: CountyState
    parameters: Parameters
    rng: np.random.Generator
    calendar: int = field(init=False)  # 0 for January to 11 for December
    price: float = field(init=False)  # level of prices and wages, 1 at the reference month
    line: float = field(init=False)  # monitoring line in force at the end of the month, CNY a head and year
    first_day: int = field(init=False)
    last_day: int = field(init=False)
    shocks: Bools = field(init=False)
    relief: Floats = field(init=False)
    ledger: Floats = field(init=False)
    payout: Floats = field(init=False)
    ruined: Floats = field(init=False)
    strike_day: Ints = field(init=False)
    project_failed: Bools = field(init=False)
    strikes: list[Strike] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    loans: Loans | None = None
    known_ages: Ints | None = None
    known_capacity: Ints | None = None
    known_members: Ints | None = None
    known_seen_less: Bools | None = None
    known_net_year: Floats | None = None
    known_per_head: Floats | None = None

    def __post_init__(self) -> None:
        """Look up what holds for the whole month."""
        self.calendar = self.state.month % 12
        self.price = self.price_at(self.state.month)
        self.first_day, self.last_day = first_day(self.state.month), last_day(self.state.month)
        self.line = self.parameters.line_on(as_date(self.last_day))

    @classmethod
    def of(cls, state: CountyState, rng: np.random.Generator, parameters: Parameters) -> Month:
        """The month that `state` is about to live through."""
        month = cls(state=state, parameters=parameters, rng=rng)
        month.lay_out()
        return month

    def lay_out(self) -> None:
        """Room for what the month will bring to every household and village there is now."""
        n, n_villages = self.state.n_households, len(self.state.villages.code)
        self.shocks = np.zeros((len(Shock), n), dtype=bool).T  # columns in one piece
        self.relief, self.ruined, self.payout = np.zeros(n), np.zeros(n), np.zeros((n, 2))
        self.ledger = np.zeros((len(Item), n)).T
        self.strike_day, self.project_failed = np.zeros(n_villages, dtype=np.int64), np.zeros(n_villages, dtype=bool)

    def price_at(self, month: int) -> float:
        """Price and wage level of another month."""
        clock = self.parameters.clock
        reference = month_number(as_iso(clock.reference_month))
        return float((1 + clock.growth_year) ** ((month - reference) / 12))

    def ages(self) -> Ints:
        """Age of every person at the first day of the month."""
        born, known = self.state.persons.born_day, self.known_ages
        if known is None:
            known = ages(born, self.state.month)
        elif len(known) < len(born):  # somebody came
            known = np.concatenate([known, ages(born[len(known) :], self.state.month)])
        self.known_ages = known
        return known

    def chance(self, probability: Floats | float, size: int | None = None) -> Bools:
        """Which of them happen, independently."""
        n = len(probability) if isinstance(probability, np.ndarray) else size
        return np.asarray(self.rng.random(n) < probability)

    def drawn(self, size: int, bound: float) -> Ints:
        """Places among `size`, in order, each picked with the same probability: costs what is picked, not what is there.

        For rare events: draw with a bound on the hazard, then keep some with `thinned`, looking at those picked only.
        """
        if bound > 0.25:
            return np.flatnonzero(self.rng.random(size) < bound)
        expected = size * bound
        if expected <= 0:
            return np.empty(0, dtype=np.int64)
        places = self._steps(bound, int(expected + 6 * math.sqrt(expected) + 10)) - 1
        while places[-1] < size:
            places = np.concatenate([places, places[-1] + self._steps(bound, 10)])
        return places[: np.searchsorted(places, size)].astype(np.int64)

    def _steps(self, bound: float, n: int) -> Floats:
        """Running sum of `n` geometric numbers: whole parts of exponential ones, which are quicker to draw."""
        return np.cumsum(np.floor(self.rng.standard_exponential(n) * (-1 / math.log1p(-bound))) + 1)

    def thinned(self, who: Ints, probability: Floats | float) -> Ints:
        """Those of `who` to whom it happens, independently."""
        return who[self.rng.random(len(who)) < probability]

    def between(self, bounds: tuple[float, ...], n: int) -> Floats:
        """`n` uniform numbers between two bounds."""
        return self.rng.uniform(bounds[0], bounds[1], n)

    def per_household(self, weights: Floats | Bools) -> Floats:
        """Sum over the present members of every household; of a mask, how many."""
        persons = self.state.persons
        if weights.dtype == np.bool_:
            return self.counted(np.flatnonzero(np.logical_and(weights, persons.present))).astype(np.float64)
        return np.bincount(persons.household, weights * persons.present, self.state.n_households).astype(np.float64)

    def counted(self, persons: Ints) -> Ints:
        """How many of these persons (indices) every household has."""
        return np.bincount(self.state.persons.household[persons], minlength=self.state.n_households)

    def alive(self) -> Bools:
        """Households that still have a member."""
        return self.members() > 0

    def members(self) -> Ints:
        """Present members of every household; kept, so `members_changed` must be told who comes and goes."""
        if self.known_members is None:
            self.known_members = self.counted(np.flatnonzero(self.state.persons.present))
        return self.known_members

    def members_changed(self, households: Ints, by: int) -> None:
        """One member more or less in each of these households (repeated for more)."""
        np.add.at(self.members(), households, by)
        self.known_per_head = None

    def net_year(self) -> Floats:
        """Net income of the last twelve months, CNY; kept until the month itself is in it."""
        if self.known_net_year is None:
            self.known_net_year = self.state.households.net12.sum(axis=1)
        return self.known_net_year

    def income_per_head(self) -> Floats:
        """Net income of the last twelve months a head, CNY."""
        if self.known_per_head is None:
            self.known_per_head = self.net_year() / np.maximum(self.members(), 1)
        return self.known_per_head

    def by_household(self, of_county: Floats) -> Floats:
        """What whole counties share, as every household has it."""
        villages = self.state.villages
        return np.asarray(of_county[villages.county][self.state.households.village])

    def in_need(self) -> Bools:
        """Households so near the line that they look for more."""
        return np.asarray(self.income_per_head() < self.parameters.household.need_below * self.line)

    def hit(self, shock: Shock, households: Ints | Bools) -> None:
        """Note a shock of these households (indices or a mask)."""
        households = np.flatnonzero(households) if households.dtype == np.bool_ else households  # a mask is slow to set by
        self.shocks[households, shock] = True

    def event_days(self, n: int) -> Ints:
        """A day within the month for each of `n` events."""
        return self.rng.integers(self.first_day, self.last_day + 1, n)

    def recorded(self, days: Ints, last: Ints | None = None) -> Ints:
        """Days on which an office records events of `days`, later than the last row on file."""
        delays = self.parameters.reporting.other_days
        recorded = days + self.rng.integers(delays[0], delays[1] + 1, len(days))
        return recorded if last is None else np.maximum(recorded, last + 1)


def factor(mask: Bools, value: float) -> Floats:
    """`value` where the mask holds, 1 elsewhere; a third of the time of `numpy.where`."""
    return np.asarray(mask * (value - 1.0) + 1.0)


def as_iso(text: str) -> dt.date:
    """A date written YYYY-MM-DD."""
    return dt.date.fromisoformat(text)


def has_job(work: Ints) -> Bools:
    """Employed by somebody else (formal or not)."""
    return np.asarray((work == Work.FORMAL) | (work == Work.INFORMAL))


def labour_capacity(month: Month) -> Ints:
    """0 none, 1 weak, 2 full for every person, from age, school, illness and disability.

    Computed anew while `month.known_capacity` is None; `step` keeps it once school and health of the month are settled.
    """
    if month.known_capacity is not None:
        return month.known_capacity
    persons, age = month.state.persons, month.ages()
    some = (age >= 16) & (age < 76) & ~persons.in_school & (persons.ill_left <= 0) & ~severe(persons.disability)
    full = (age < 62) & (persons.disability <= 0) & ~(persons.chronic & (age >= 50))
    return some.view(np.int8) + (some & full)


def severe(disability: Ints) -> Bools:
    """Grade 1 or 2."""
    return np.asarray((disability == 1) | (disability == 2))
