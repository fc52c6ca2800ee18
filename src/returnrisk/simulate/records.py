"""What is put on file each month, as arrays of indices and codes; `tables` turns them into canonical frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from returnrisk.simulate.health import Claims
from returnrisk.simulate.month import Month, labour_capacity
from returnrisk.simulate.population import HEAD
from returnrisk.simulate.state import COSTS, Bools, Floats, Ints, Measure, uniform_days
from returnrisk.simulate.watch import MonitoringRows, SupportRows

MONTHLY_TABLES = (
    *("income", "medical", "subsidy", "support", "monitoring", "member", "household"),
    *("hazard", "price", "industry_project", "expense", "disability", "disaster", "employment", "schooling"),
    *("loan", "insurance", "signal", "visit", "visitor", "asset", "authorisation", "objection"),
)
GRANTED, REDUCED, CANCELLED = range(3)


@dataclass(frozen=True, slots=True)
class Rows:
    """`subject` (person or household index) with the coded columns of its row; `recorded` day."""

    subject: Ints
    values: Ints
    recorded: Ints


@dataclass(frozen=True, slots=True)
class SubsidyRows:
    """An entitlement that started or changed; `status` granted, reduced, cancelled."""

    household: Ints
    programme: Ints
    status: Ints
    amount: Floats
    recorded: Ints


@dataclass(frozen=True, slots=True)
class LedgerRows:
    """Rows of the wide ledger: `items` by `Item`, NaN where blank; `correction` tells the second entries."""

    household: Ints
    items: Floats
    correction: Bools
    recorded: Ints


@dataclass(frozen=True, slots=True)
class DeliveryRows:
    """Files that arrived: table (index of MONTHLY_TABLES) and township."""

    table: Ints
    township: Ints
    recorded: Ints


@dataclass(frozen=True, slots=True)
class Truth:
    """Per household at the month end: net income of twelve months (CNY), members, monitored, shocks of the month."""

    net12: Floats
    members: Ints
    monitored: Bools
    shocks: Bools
    line: float


@dataclass(slots=True)
class MonthRecords:
    """Everything one month put on file."""

    month: int
    member: Rows
    roster: Rows
    household: Rows
    identity: Rows
    subsidy: SubsidyRows
    ledger: LedgerRows
    delivery: DeliveryRows
    truth: Truth
    claims: Claims | None = None
    support: SupportRows | None = None
    monitoring: MonitoringRows | None = None
    sheets: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Photograph:
    """Everything of which a change is put on file: one row per person or household, coded."""

    members: Ints
    roster: Ints
    households: Ints
    heads: Ints
    subsidies: Floats
    links: Ints
    projects: Floats

    def changed_members(self, month: Month, after: Photograph) -> Rows:
        """Rows of present persons whose particulars changed, and of new ones."""
        changed = _changed(self.members, after.members) & month.state.persons.present
        persons = month.state.persons
        persons.member_recorded[:] = np.maximum(persons.member_recorded, persons.roster_recorded - 1)  # the roster comes first
        return _file(month, np.flatnonzero(changed), after.members, persons.member_recorded)

    def changed_roster(self, month: Month, after: Photograph) -> Rows:
        """Persons who came, left or stand in another relation to the head; value columns: relation, joined day, left day, household.

        Who moved from one household to another has two rows: the end of one spell and the start of the next.
        """
        persons = month.state.persons
        who = np.flatnonzero(_changed(self.roster, after.roster))
        days = month.event_days(len(who))
        joined = persons.joined_day[who]
        days = np.where(joined >= month.first_day, joined, days)
        recorded = month.recorded(days, persons.roster_recorded[who])
        moved = np.flatnonzero(who < len(self.roster))
        moved = moved[self.roster[who[moved], 2] != persons.household[who[moved]]]
        was = self.roster[who[moved]]
        persons.roster_recorded[who] = recorded
        left = np.where(persons.present[who], -1, days)
        now = np.column_stack([persons.relation[who], joined, left, persons.household[who]])
        spell_ends = np.column_stack([was[:, 0], was[:, 3], joined[moved] - 1, was[:, 2]])
        return Rows(
            subject=np.concatenate([who[moved], who]),
            values=np.concatenate([spell_ends, now]),
            recorded=np.concatenate([recorded[moved], recorded]),
        )

    def changed_households(self, month: Month, after: Photograph) -> Rows:
        """Households that are new, moved, or whose house or water changed; a new one's card is opened before anything else is filed."""
        who = np.flatnonzero(_changed(self.households, after.households) & month.alive())
        filed = _file(month, who, after.households, month.state.households.recorded)
        new = who >= len(self.households)
        filed.recorded[new] = month.state.households.recorded[who[new]] = month.first_day
        return filed

    def changed_heads(self, month: Month, after: Photograph) -> Rows:
        """Households with a new head or address; value columns: head, village."""
        changed = _changed(
            np.column_stack([self.heads, self.households[:, 2]]), np.column_stack([after.heads, after.households[:, 2]])
        )
        who = np.flatnonzero(changed & month.alive())
        return _file(month, who, np.column_stack([after.heads, after.households[:, 2]]), month.state.households.identity_recorded)

    def changed_subsidies(self, month: Month, after: Photograph) -> SubsidyRows:
        """Entitlements whose monthly amount changed."""
        was, now = np.zeros_like(after.subsidies), after.subsidies
        was[: len(self.subsidies)] = self.subsidies
        household, programme = np.nonzero(was != now)
        old, new = was[household, programme], now[household, programme]
        days = uniform_days(month.rng, month.parameters.reporting.subsidy_days, len(household))
        return SubsidyRows(
            household=household,
            programme=programme,
            status=np.select([new == 0, new < old], [CANCELLED, REDUCED], GRANTED),
            amount=new,
            recorded=month.first_day + days,
        )


def photograph(month: Month) -> Photograph:
    """The state of everything that is put on file."""
    persons, households = month.state.persons, month.state.households
    health = np.where(persons.ill_left > 0, 2, persons.chronic)
    columns = (
        persons.education,
        persons.in_school,
        labour_capacity(month),
        persons.work,
        persons.away,
        health,
        persons.disability,
        persons.cover,
    )
    head_of = np.flatnonzero((persons.relation == HEAD) & persons.present)
    heads = np.full(month.state.n_households, -1)
    heads[persons.household[head_of]] = head_of
    return Photograph(
        members=np.column_stack(columns).astype(np.int64),
        roster=np.column_stack([persons.relation, persons.present, persons.household, persons.joined_day]).astype(np.int64),
        households=np.column_stack([households.housing, households.water_safe, households.village]).astype(np.int64),
        heads=heads,
        subsidies=households.subsidies.copy(),
        links=np.column_stack(
            [households.support_left[:, Measure.INDUSTRY], households.support_delivered[:, Measure.INDUSTRY]]
        ).astype(np.int64),
        projects=np.column_stack([month.state.villages.project, month.state.villages.dividend]),
    )


def _changed(before: Ints, after: Ints) -> Bools:
    """Rows that differ; rows that were not there before count."""
    changed = np.ones(len(after), dtype=bool)
    changed[: len(before)] = (before != after[: len(before)]).any(axis=1)
    return changed


def _file(month: Month, who: Ints, values: Ints, last_recorded: Ints) -> Rows:
    recorded = month.recorded(month.event_days(len(who)), last_recorded[who])
    last_recorded[who] = recorded
    return Rows(subject=who, values=values[who], recorded=recorded)


def file_ledger(month: Month, income: Floats, *, never: Bools) -> LedgerRows:
    """The month's rows of the wide ledger, first entries and later corrections; none from townships whose file `never` comes."""
    p, rng = month.parameters.reporting, month.rng
    township = month.state.villages.township[month.state.households.village]
    filed = np.flatnonzero((income != 0).any(axis=1) & ~never[township])
    n = len(filed)
    late = month.chance(p.p_income_late, n) & month.parameters.traps.sloppy_reporting
    delay = np.where(late, uniform_days(rng, p.income_late_days, n), uniform_days(rng, p.income_days, n))
    recorded = month.last_day + delay
    items = np.where(income[filed] == 0, np.nan, income[filed])
    rows, columns, entered = _wrong_entries(month, income[filed])
    corrected = np.full((len(rows), items.shape[1]), np.nan)
    corrected[np.arange(len(rows)), columns] = items[rows, columns]
    with_cost = np.flatnonzero(np.isin(columns, COSTS - 1))  # gross and cost of an item are one canonical row
    corrected[with_cost, columns[with_cost] + 1] = items[rows[with_cost], columns[with_cost] + 1]
    items[rows, columns] = entered
    corrected_on = recorded[rows] + uniform_days(rng, p.correction_days, len(rows))
    return LedgerRows(
        household=np.concatenate([filed, filed[rows]]),
        items=np.concatenate([items, corrected]),
        correction=np.arange(n + len(rows)) >= n,
        recorded=np.concatenate([recorded, corrected_on]),
    )


def _wrong_entries(month: Month, income: Floats) -> tuple[Ints, Ints, Floats]:
    """Rows whose largest gross amount is first entered wrongly: row, item, and the amount entered."""
    p = month.parameters.reporting
    rows = np.flatnonzero(month.chance(p.p_correction, len(income)) & month.parameters.traps.sloppy_reporting)
    gross = np.where(np.isin(np.arange(income.shape[1]), COSTS), -1.0, income[rows])
    columns = gross.argmax(axis=1)
    amount = income[rows, columns]
    entered = (amount * month.between(p.correction_factor, len(rows))).round()
    wrong = (entered != amount) & (amount > 0)
    return rows[wrong], columns[wrong], entered[wrong]


def deliveries(month: Month, *, never: Bools) -> DeliveryRows:
    """Which files arrived for the month: all of every township, but the income ledger of those where it `never` comes."""
    p, n = month.parameters.reporting, len(never)
    late, soon = p.income_arrives_days, (p.other_days[1], p.other_days[1] + 2)
    further = [(d, d + 2) for d in (max(_usual_days(month, table)) for table in MONTHLY_TABLES[7:])]
    bounds = np.array([late, late, (p.subsidy_days[1], p.subsidy_days[1] + 3), soon, soon, soon, soon, *further])
    table, township = np.divmod(np.arange(len(MONTHLY_TABLES) * n), n)
    recorded = month.last_day + month.rng.integers(bounds[table, 0], bounds[table, 1] + 1)
    arrived = ~((table == 0) & never[township])
    return DeliveryRows(table=table[arrived], township=township[arrived], recorded=recorded[arrived])


def _usual_days(month: Month, table: str) -> tuple[int, ...]:
    """How long an office takes to record; who visits is known at once."""
    return (0,) if table == "visitor" else getattr(month.parameters.office, f"{table}_days")


def month_truth(month: Month) -> Truth:
    """What is true at the month end, whatever is on file."""
    households = month.state.households
    return Truth(
        net12=month.net_year(),
        members=month.members(),
        monitored=households.monitored.copy(),
        shocks=month.shocks.copy(),
        line=month.line,
    )
