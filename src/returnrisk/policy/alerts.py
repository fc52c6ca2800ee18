"""Alert rules as data: who is to be looked at, on which facts, within how many days. What they say, not how it is computed.

A rule holds for a household when its group does and every one of its facts does; a fact that cannot be told makes the rule
"cannot tell", never "no".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, get_args

from returnrisk.policy.model import Kind, Multiple, Reference

Aggregate = Literal["sum", "count", "max", "min", "exists", "latest", "share_of"]
Comparison = Literal["over", "under", "at_least", "at_most", "is", "not"]
Channel = Literal["department", "self_report", "complaint", "cadre", "emergency"]
WindowForm = Literal["months", "days", "calendar_year", "calendar_month", "income_year", "now"]
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)
NUMBER_COMPARISONS: tuple[Comparison, ...] = ("over", "under", "at_least", "at_most")
RISING_COMPARISONS: tuple[Comparison, ...] = ("over", "at_least")
"""Comparisons that more on file can only make true."""
CHANNELS: tuple[Channel, ...] = get_args(Channel)
ACCOUNTS = ("register_net", "assistance_countable")
GUARANTEES = ("housing", "water", "schooling", "medical")
CAUSES = ("illness", "disability", "schooling", "disaster", "job_loss", "industry", "labour_shortage", "other")
"""Codes of `monitoring.risk_type`."""
GROUP_KEYS = ("registered", "category", "monitored", "resettled", "with_labour")
"""What a group may ask for: `registered` type, `category` answered yes, and yes/no facts of the household."""


@dataclass(frozen=True, slots=True)
class FactWindow:
    """Which days a fact looks at, up to the day of screening; `skip` leaves out that many of the latest months or days.

    "months": the last `length` calendar months and the days since; "days": the last `length` days; "calendar_year", "calendar_month",
    "income_year": the running one; "now": what holds on the day.
    """

    form: WindowForm
    length: int = 0
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """A row counts when `column` is one of `values`, or compares with `number`."""

    column: str
    values: tuple[str | int | bool, ...] = ()
    comparison: Comparison | None = None
    number: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Threshold:
    """The number a fact is compared with on the day, and how it came about ("0.5 × regional_disposable_income = 9465.50")."""

    number: Decimal
    text: str


@dataclass(frozen=True, slots=True)
class TableFact:
    """One aggregate of one canonical table, per household or per person (then: of any person), compared with one thing.

    `column` is what is summed, counted (None: rows; else its different values), looked for at its latest, or shared. `exists` asks
    for a row (or, `wanted` false, for none). `latest` compares with codes (`answers`, comparison "is" or "not") or with a number.
    `share_of` is the sum over the rows of `where` divided by the sum over all rows of the window. `date` is the column that must lie
    in the window (None: the table's own).
    """

    table: str
    per: Literal["household", "person"]
    aggregate: Aggregate
    column: str | None
    where: tuple[Condition, ...]
    window: FactWindow
    date: str | None
    comparison: Comparison | None
    threshold: Multiple | Decimal | Threshold | None
    answers: tuple[str | int | bool, ...]
    wanted: bool


@dataclass(frozen=True, slots=True)
class CategoryFact:
    """The household's answer to a category is yes (`answer` true) or no (false); "cannot tell" is neither."""

    category: str
    answer: bool


@dataclass(frozen=True, slots=True)
class GuaranteeFact:
    """A guarantee (housing, water, schooling, medical) is known to be missing, or known to be held."""

    guarantee: str
    missing: bool


@dataclass(frozen=True, slots=True)
class AccountFact:
    """Per head and year, an account fell (or rose) by more than a share over twelve months, or is over or under a number now."""

    account: str
    change: Literal["fall", "rise"] | None
    comparison: Comparison
    threshold: Multiple | Decimal | Threshold


@dataclass(frozen=True, slots=True)
class TownshipFact:
    """In the household's township fewer rows of a table hold than `months` before: fewer by more than (or at least) a share.

    What is counted is persons where rows are about persons, else households; only rows for which `where` holds.
    """

    table: str
    where: tuple[Condition, ...]
    months: int
    comparison: Comparison
    threshold: Multiple | Decimal | Threshold


Fact = TableFact | CategoryFact | GuaranteeFact | AccountFact | TownshipFact


@dataclass(frozen=True, slots=True)
class AlertEntry:
    """An alert rule as one pack writes it: its keys, unread. A nearer pack's keys replace those of the farther one."""

    name: str
    pack: str
    keys: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alert rule. Those that `Policy.alert_rules` gives have numbers as thresholds, and days in which a finding is due.

    `group` maps a key of `GROUP_KEYS` to what the household must be: any of several codes, or true or false. `office` brings it through
    `channel`; `cause` is a code of `monitoring.risk_type`; `pack` is the nearest pack that says anything of it.
    """

    name: str
    title_zh: str
    title_en: str
    pack: str
    kind: Kind
    reference: Reference | None
    office: str
    channel: Channel
    cause: str
    must_visit: bool
    due_days: int | None
    group: Mapping[str, tuple[str, ...] | bool]
    facts: tuple[Fact, ...]
    on: bool
    valid_from: dt.date | None
    until: dt.date | None
