"""What the county is at the end of a month: everything that the next month depends on, in flat arrays, copyable and saveable.

Months are counted `year * 12 + month - 1`; days are days since 1970-01-01; money is CNY.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from returnrisk.errors import StoreError

Floats = NDArray[np.float64]
Ints = NDArray[np.signedinteger[Any]]
Bools = NDArray[np.bool_]

STATE_SCHEMA = 3
"""Raised when a field of the state changes; an older file is refused."""


class Work:
    """What a person does for a living: plain numbers (numpy is slow to compare bytes with an IntEnum) that index `EMPLOYMENT`."""

    INACTIVE: Final = 0
    FARMING: Final = 1
    INFORMAL: Final = 2
    FORMAL: Final = 3
    POST: Final = 4
    SELF: Final = 5
    UNEMPLOYED: Final = 6


class Item(IntEnum):
    """Columns of the wide ledger."""

    CROPS = 0
    CROPS_COST = 1
    LIVESTOCK = 2
    LIVESTOCK_COST = 3
    BUSINESS = 4
    BUSINESS_COST = 5
    MIGRANT = 6
    LOCAL = 7
    POST = 8
    RENT = 9
    DIVIDEND = 10
    DIBAO = 11
    PENSION = 12
    POLICY = 13
    DISABILITY = 14
    RELIEF = 15
    REMITTANCE = 16


class Programme(IntEnum):
    """Columns of the subsidy matrix, in the contract's order."""

    DIBAO = 0
    PENSION = 1
    DISABILITY_LIVING = 2
    DISABILITY_CARE = 3
    FARM_SUPPORT = 4
    ECOLOGY = 5
    TRANSPORT = 6


class Measure(IntEnum):
    """Columns of the support matrices, in the contract's order."""

    INDUSTRY = 0
    JOB = 1
    PUBLIC_POST = 2
    MICRO_CREDIT = 3
    MEDICAL_AID = 4
    TEMPORARY_RELIEF = 5
    SCHOOL_AID = 6
    HOUSING = 7
    SAFETY_NET = 8
    SKILLS = 9


class Market(IntEnum):
    """Columns of a county's markets."""

    LABOUR = 0
    LIVESTOCK = 1
    CROPS = 2
    CASH_CROP = 3


class Insured(IntEnum):
    """Columns of the insurance matrices, in the contract's order."""

    GUARD = 0
    CROP = 1
    LIVESTOCK = 2
    ACCIDENT = 3
    HOUSE = 4


class Shock(IntEnum):
    """What hit a household; the numbers index the truth frame's columns."""

    ILLNESS = 0
    DISABILITY = 1
    JOB_LOSS = 2
    WEATHER = 3
    HERD = 4
    DEATH = 5
    DIBAO_LOST = 6
    REMITTANCE_LOST = 7
    BUSINESS_FAILED = 8
    HARVEST = 9
    LAID_OFF_TOGETHER = 10
    WAGE_DEFAULT = 11
    CALAMITY = 12


COSTS = np.array([Item.CROPS_COST, Item.LIVESTOCK_COST, Item.BUSINESS_COST])
SIGNS = np.where(np.isin(np.arange(len(Item)), COSTS), -1.0, 1.0)
"""Factor of each ledger column in net income."""

RELATIONS = ("head", "spouse", "child", "parent", "grandchild", "other")
SEXES = ("female", "male")
EDUCATIONS = ("none", "primary", "lower_secondary", "upper_secondary", "tertiary")
LABOURS = ("none", "weak", "full")
EMPLOYMENT = ("inactive", "farming", "employee_informal", "employee_formal", "public_post", "self_employed", "unemployed")
HEALTHS = ("healthy", "chronic", "serious")
GROUPS = ("majority", "minority")
HOUSING = ("A", "B", "C", "D")
PROGRAMMES = ("dibao", "pension", "disability_living", "disability_care", "farm_support", "ecology", "transport")
MEASURES = (
    "industry",
    "job",
    "public_post",
    "micro_credit",
    "medical_aid",
    "temporary_relief",
    "school_aid",
    "housing",
    "safety_net",
    "skills",
)
CATEGORIES = ("unstable", "marginal", "sudden")
RISK_TYPES = ("illness", "disability", "schooling", "disaster", "job_loss", "industry", "other")
CHANNELS = ("self_report", "cadre", "department", "complaint")
CLAIM_KINDS = ("inpatient", "outpatient_chronic", "outpatient")


@dataclass(slots=True)
class Arrays:
    """Equally long arrays, one per field."""

    def copy(self, *, room: int = 0) -> Self:
        """An independent copy, with room left for so many more entries."""
        return type(self)(**{name: _with_room(array, room) if room else array.copy(order="K") for name, array in self.items()})

    def items(self) -> list[tuple[str, NDArray[Any]]]:
        """Field names and arrays."""
        return [(f.name, getattr(self, f.name)) for f in dataclasses.fields(self)]

    def append(self, more: Self) -> None:
        """Add entries at the end; indices of the others, types and memory layout stay. Room is left for the next ones."""
        for name, array in more.items():
            mine = getattr(self, name)
            n, grown, room = len(mine), len(mine) + len(array), mine.base
            if not (isinstance(room, np.ndarray) and len(room) >= grown and _begins(mine, room)):
                room = np.asarray(_with_room(mine, len(array) + n // 20).base)
            room[n:grown] = array
            setattr(self, name, room[:grown])

    def take(self, places: Ints) -> Self:
        """The entries at these places, in arrays of their own."""
        return type(self)(**{name: array[places] for name, array in self.items()})


def _with_room(array: NDArray[Any], room: int) -> NDArray[Any]:
    """A copy of the same type and memory layout that begins an array with `room` more entries."""
    roomy = np.empty_like(array, shape=(len(array) + room, *array.shape[1:]))
    roomy[: len(array)] = array
    return roomy[: len(array)]


def _begins(array: NDArray[Any], room: NDArray[Any]) -> bool:
    """Whether the entries of `array` are the first ones of `room`."""
    mine, its = array.__array_interface__, room.__array_interface__
    return bool(mine["data"] == its["data"] and array.strides == room.strides)


@dataclass(slots=True)
class Villages(Arrays):
    """One entry per village."""

    code: Ints
    county: Ints
    township: Ints
    poverty: Bools
    key: Bools
    resettlement: Bools
    remote: Bools
    minority: Bools
    prosperity: Floats
    hazard: Floats  # how much likelier harvests fail here
    crop_damage: Floats
    flood_damage: Floats
    herd_damage: Floats
    project: Ints  # serial number of the village's industry project
    dividend: Floats  # what it promises a linked household a year, CNY


@dataclass(slots=True)
class Households(Arrays):
    """One entry per household; matrices have one row per household."""

    village: Ints
    ex_poor: Bools
    registered_day: Ints
    resettled: Bools
    housing: Ints
    water_safe: Bools
    flood_prone: Bools
    rooms: Ints
    land_mu: Floats
    minority: Bools
    commercial_cover: Bools
    ability: Floats
    noise: Floats  # operating, wage, remittance
    herd: Bools
    grower: Bools  # lives mainly from one cash crop
    herder: Bools  # lives mainly from stock sold once a year
    harvest_kept: Floats  # share of this year's crop that the household's own bad luck left
    herd_kept: Floats  # the same for a herder's sale
    paid_yearly: Bools  # migrants whose employer settles before Spring Festival
    owed: Floats  # wages not yet settled, CNY
    remittance: Bools
    review_month: Ints  # calendar month in which 低保 is looked at again
    subsidies: Floats  # CNY a month by Programme
    net12: Floats  # net income of the last twelve months, one column per calendar month
    countable12: Floats  # the same without dibao, pension and disability subsidies
    out_of_pocket: Floats  # fading sum, CNY
    shock_month: Ints
    shock_kind: Ints
    monitored: Bools
    monitored_day: Ints
    monitored_recorded: Ints  # day of the last row on file
    category: Ints
    risk_type: Ints
    channel: Ints
    support_left: Ints  # months by Measure; 0 not running
    support_day: Ints
    support_delivered: Bools
    support_recorded: Ints
    recorded: Ints
    identity_recorded: Ints
    insured: Bools  # this year, by Insured
    paid_out: Floats  # this year, CNY by Insured
    payout_due: Floats  # CNY for crops and livestock that come next month
    loan_cny: Floats  # micro-credit not yet paid back
    loan_day: Ints
    loan_due: Ints
    overdue: Bools
    link_recorded: Ints  # days of the last rows on file
    insurance_recorded: Ints
    loan_recorded: Ints


@dataclass(slots=True)
class Persons(Arrays):
    """One entry per person who ever belonged to a household."""

    household: Ints
    present: Bools
    relation: Ints
    male: Bools
    born_day: Ints
    education: Ints
    in_school: Bools
    work: Ints
    away: Bools
    skill: Floats
    months_out: Ints  # months without work
    carer_left: Ints  # months of caring still to come
    chronic: Bools
    ill_left: Ints  # months of serious illness still to come
    disability: Ints
    cover: Bools
    own_in_scope: Floats  # in-scope cost left to the person this calendar year
    joined_day: Ints  # -1: there from the start
    member_recorded: Ints  # day of the last row on file
    roster_recorded: Ints
    job_day: Ints  # first day of the job as the labour office has it; -1: not on file
    job_recorded: Ints


@dataclass(slots=True)
class CountyState:
    """The county at the end of month `month - 1`: `month` is the next one to be simulated.

    `market` holds the deviations of the labour market and of prices (log points, by `Market`), one row per county; `identified` the new
    monitored households of the calendar year by township; `n_claims` numbers claims. Usually there is one county; `futures.tiled` lays
    many side by side that share nothing, so what a whole county shares is drawn `n_counties` times and looked up by
    `villages.county`.
    """

    month: int
    n_claims: int
    market: Floats
    identified: Ints
    villages: Villages
    households: Households
    persons: Persons

    def copy(self, *, room: int = 0) -> CountyState:
        """An independent copy: stepping one leaves the other as it was; with room for so many newcomers it steps quicker."""
        return CountyState(
            month=self.month,
            n_claims=self.n_claims,
            market=self.market.copy(),
            identified=self.identified.copy(),
            villages=self.villages.copy(),
            households=self.households.copy(room=room),
            persons=self.persons.copy(room=room),
        )

    @property
    def n_households(self) -> int:
        """Number of households that ever were; those that ended have no member."""
        return len(self.households.village)

    @property
    def n_counties(self) -> int:
        """Number of counties side by side."""
        return len(self.market)

    def save(self, path: Path) -> None:
        """Write the state as one npz file of plain arrays (no pickle); an existing file is replaced in one step."""
        arrays: dict[str, Any] = {
            "schema": np.array(STATE_SCHEMA),
            "month": np.array(self.month),
            "n_claims": np.array(self.n_claims),
            "market": self.market,
            "identified": self.identified,
        }
        for part in ("villages", "households", "persons"):
            arrays |= {f"{part}.{name}": array for name, array in getattr(self, part).items()}
        temporary = path.with_name(path.name + ".tmp")
        with temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        os.replace(temporary, path)  # noqa: PTH105 (the atomic one)


def load_state(path: Path) -> CountyState:
    """Read a state written by `CountyState.save`.

    Raises
    ------
    StoreError
        The file is of another schema, or lacks a part.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if int(arrays.get("schema", -1)) != STATE_SCHEMA:
        raise StoreError(f"{path.name} holds a state of schema {arrays.get('schema')}; expected {STATE_SCHEMA}: simulate anew")

    def part(kind: type[Any], prefix: str) -> Any:
        names = [f.name for f in dataclasses.fields(kind)]
        if missing := [n for n in names if f"{prefix}.{n}" not in arrays]:
            raise StoreError(f"{path.name} lacks {', '.join(missing)} of {prefix}: simulate anew")
        return kind(**{name: arrays[f"{prefix}.{name}"] for name in names})

    return CountyState(
        month=int(arrays["month"]),
        n_claims=int(arrays["n_claims"]),
        market=arrays["market"],
        identified=arrays["identified"],
        villages=part(Villages, "villages"),
        households=part(Households, "households"),
        persons=part(Persons, "persons"),
    )


def month_number(day: dt.date) -> int:
    """Month of `day` as a number.

    Examples
    --------
    >>> month_number(dt.date(2019, 10, 1))
    24237
    """
    return day.year * 12 + day.month - 1


@cache
def first_day(month: int) -> int:
    """First day of a month, in days since 1970-01-01.

    Examples
    --------
    >>> first_day(month_number(dt.date(1970, 2, 1)))
    31
    """
    return dt.date(month // 12, month % 12 + 1, 1).toordinal() - dt.date(1970, 1, 1).toordinal()


def last_day(month: int) -> int:
    """Last day of a month, in days since 1970-01-01."""
    return first_day(month + 1) - 1


def as_date(day: int) -> dt.date:
    """A day number as a date."""
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(day))


def ages(born_day: Ints, month: int) -> Ints:
    """Completed years at the first day of a month."""
    return ((first_day(month) - born_day) * 10_000 // 3_652_425).astype(np.int16)


def uniform_days(rng: np.random.Generator, bounds: tuple[int, ...], size: int) -> Ints:
    """Whole days, both bounds included."""
    return rng.integers(bounds[0], bounds[1] + 1, size)
