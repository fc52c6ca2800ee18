"""What a policy pack says: parameters with dated values, their units and references, as frozen dataclasses."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from returnrisk.policy.alerts import AlertEntry

Value = Decimal | bool | str | tuple[str, ...]
Kind = Literal["rule", "assumed"]
ValueType = Literal["number", "flag", "choice", "list"]


@dataclass(frozen=True, slots=True)
class UnitForm:
    """How a unit is said and which values it may have; `whole`: no fractions; `money`: a multiple is rounded to the fen; `positive`: never zero."""

    zh: str
    en: str
    type: ValueType = "number"
    maximum: Decimal | None = None
    whole: bool = False
    money: bool = False
    positive: bool = False


UNITS: Mapping[str, UnitForm] = {
    "cny_per_head_year": UnitForm("元/人·年", "CNY per head and year", money=True, positive=True),
    "cny_per_head": UnitForm("元/人", "CNY per head", money=True),
    "cny_year": UnitForm("元/年", "CNY a year", money=True, positive=True),
    "cny_month": UnitForm("元/月", "CNY a month", money=True, positive=True),
    "cny": UnitForm("元", "CNY", money=True),
    "months": UnitForm("个月", "months", whole=True),
    "days": UnitForm("天", "days", whole=True),
    "years": UnitForm("岁或年", "years", whole=True),
    "households": UnitForm("户", "households", whole=True),
    "count": UnitForm("个", "number of", whole=True),
    "share": UnitForm("占比", "share from 0 to 1", maximum=Decimal(1)),
    "ratio": UnitForm("倍", "ratio"),
    "flag": UnitForm("是/否", "true or false", type="flag"),
    "choice": UnitForm("单选", "one of a closed list", type="choice"),
    "list": UnitForm("多选", "several of a closed list", type="list"),
}
"""Units a parameter may have. No value is negative."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a rule is written, or what an assumption leans on."""

    document: str
    article: str = ""


@dataclass(frozen=True, slots=True)
class Multiple:
    """A number said as `factor` times the parameter `base` on the same day."""

    base: str
    factor: Decimal


@dataclass(frozen=True, slots=True)
class DatedValue:
    """A value and the days it is in force: from `valid_from` until the next one begins, or until the day `until` (inclusive)."""

    valid_from: dt.date
    content: Value | Multiple
    until: dt.date | None = None
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter as one pack writes it; label, unit, choices and bounds are None where it leaves them to its parent.

    `least` and `most` bound a number, or how many words a list has.
    """

    name: str
    kind: Kind
    values: tuple[DatedValue, ...]
    label_zh: str | None = None
    label_en: str | None = None
    unit: str | None = None
    choices: tuple[str, ...] | None = None
    reference: Reference | None = None
    least: Decimal | None = None
    most: Decimal | None = None

    def on(self, day: dt.date) -> DatedValue | None:
        """The value in force on `day` in this pack alone."""
        begun = [v for v in self.values if v.valid_from <= day]
        latest = begun[-1] if begun else None
        return None if latest is None or (latest.until is not None and latest.until < day) else latest


@dataclass(frozen=True, slots=True)
class Pack:
    """One file of rules: its own parameters and alert rules, and the name of the pack it inherits from."""

    name: str
    title_zh: str
    title_en: str
    parent: str | None
    areas: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    alerts: Mapping[str, AlertEntry]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The value of one parameter on one day, and how it came about.

    `pack` is the pack that gave it, `valid_from` the day it came into force there, `steps` one text per link: the pack's own value
    or multiple, then the value that was multiplied, and before them the nearer packs that had nothing in force.
    """

    name: str
    value: Value
    unit: str
    pack: str
    valid_from: dt.date
    kind: Kind
    reference: Reference | None
    steps: tuple[str, ...]
