"""One month in the making: the state being changed, the random numbers, and what is looked up again and again."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from returnrisk.simulate.parameters import Parameters
from returnrisk.simulate.state import (
    Bools,
    CountyState,
    Floats,
    Ints,
    Shock,
    Work,
    ages,
    as_date,
    first_day,
    last_day,
    month_number,
)


@dataclass(slots=True)
class Month:
    """The month `state.month`; `shocks` has one row per household, one column per `Shock`."""

    state: CountyState
    parameters: Parameters
    rng: np.random.Generator
    shocks: Bools
    relief: Floats
    known_ages: Ints | None = None
    known_capacity: Ints | None = None

    @classmethod
    def of(cls, state: CountyState, rng: np.random.Generator, parameters: Parameters) -> Month:
        """The month that `state` is about to live through."""
        n = state.n_households
        return cls(state=state, parameters=parameters, rng=rng, shocks=np.zeros((n, len(Shock)), dtype=bool), relief=np.zeros(n))

    @property
    def calendar(self) -> int:
        """0 for January to 11 for December."""
        return self.state.month % 12

    @property
    def price(self) -> float:
        """Price and wage level, 1 at the reference month."""
        return self.price_at(self.state.month)

    def price_at(self, month: int) -> float:
        """Price and wage level of another month."""
        clock = self.parameters.clock
        reference = month_number(as_iso(clock.reference_month))
        return float((1 + clock.growth_year) ** ((month - reference) / 12))

    @property
    def line(self) -> float:
        """Monitoring line in force at the end of the month, CNY a head and year."""
        return self.parameters.line_on(as_date(last_day(self.state.month)))

    @property
    def first_day(self) -> int:
        """First day of the month as a day number."""
        return first_day(self.state.month)

    @property
    def last_day(self) -> int:
        """Last day of the month as a day number."""
        return last_day(self.state.month)

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

    def between(self, bounds: tuple[float, ...], n: int) -> Floats:
        """`n` uniform numbers between two bounds."""
        return self.rng.uniform(bounds[0], bounds[1], n)

    def per_household(self, weights: Floats | Bools) -> Floats:
        """Sum over the present members of every household."""
        persons = self.state.persons
        return np.bincount(persons.household, weights * persons.present, self.state.n_households).astype(np.float64)

    def members(self) -> Ints:
        """Present members of every household."""
        return self.per_household(np.ones(len(self.state.persons.household))).astype(np.int64)

    def income_per_head(self) -> Floats:
        """Net income of the last twelve months a head, CNY."""
        return np.asarray(self.state.households.net12.sum(axis=1) / self.members())

    def in_need(self) -> Bools:
        """Households so near the line that they look for more."""
        return np.asarray(self.income_per_head() < self.parameters.household.need_below * self.line)

    def hit(self, shock: Shock, households: Ints | Bools) -> None:
        """Note a shock of these households (indices or a mask)."""
        self.shocks[households, shock] = True

    def event_days(self, n: int) -> Ints:
        """A day within the month for each of `n` events."""
        return self.rng.integers(self.first_day, self.last_day + 1, n)

    def recorded(self, days: Ints, last: Ints | None = None) -> Ints:
        """Days on which an office records events of `days`, later than the last row on file."""
        delays = self.parameters.reporting.other_days
        recorded = days + self.rng.integers(delays[0], delays[1] + 1, len(days))
        return recorded if last is None else np.maximum(recorded, last + 1)


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
    none = (age < 16) | (age >= 76) | persons.in_school | (persons.ill_left > 0) | severe(persons.disability)
    weak = (age >= 62) | (persons.disability > 0) | (persons.chronic & (age >= 50))
    return np.where(none, 0, 2 - weak)


def severe(disability: Ints) -> Bools:
    """Grade 1 or 2."""
    return np.asarray((disability == 1) | (disability == 2))
