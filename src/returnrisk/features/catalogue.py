"""What a feature is: name, family, unit, direction, words for a cadre, and the record it rests on."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from returnrisk.config import OutcomeSpec
from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir

Unit = Literal[
    "lines", "log_ratio", "log_change", "ratio", "cny", "share", "count", "months", "years", "age", "flag", "grade", "mu", "rooms"
]
FamilyName = Literal[
    "income", "illness", "disability", "disaster", "subsidy", "employment", "household", "schooling", "housing", "loans", "insurance",
    "industry", "support", "monitoring", "signals", "area", "alerts", "season",
]  # fmt: skip
Responsible = Literal["household_facts", "office", "market_or_nature", "area"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of a snapshot.

    Attributes
    ----------
    unit
        `lines` is a multiple of the monitoring line, `log_ratio` and `log_change` are natural logs of such multiples and of their
        change (shown to people as multiples and per cent), `ratio` and `share` are plain.
    monotone
        1: more of it can only raise the risk of being below the line, −1: only lower it, 0: no constraint. Given to the learner of
        an outcome about the line.
    zh, en
        A noun phrase a reason can start with; the value, the comparison and the record's date follow it.
    verify_zh, verify_en
        What to check at the door.
    responsible
        Whose matter it is: an office's failure is never worded as the household's.
    shown_as
        The feature that stands for it in a reason, where its own value is not one a person could check.
    record
        Name of the record date column (`on_<record>`) that the value rests on.
    """

    name: str
    family: FamilyName
    unit: Unit
    zh: str
    en: str
    monotone: Literal[-1, 0, 1]
    verify_zh: str
    verify_en: str
    record: str
    responsible: Responsible = "household_facts"
    shown_as: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What every family is computed from; the tables are materialised once and shared.

    Attributes
    ----------
    view
        What was known on the day.
    spec
        Account, window and line rule.
    ending_on
        Last day of the account's latest window.
    path
        The account now and at earlier settlement days (`outcomes.account_path`).
    now
        The path's latest window only.
    ledger
        The latest window's rows of the ledger (`accounts.window_income`).
    items
        Their sums: household_id, source, item, net_cny, gross_cny, cost_cny, estimated_cny, stated_cny, on_income.
    homes
        Households with a member on the day: household_id, village_code, township_code, n_members, line_heads (members times the line,
        CNY a year; NULL without an account), and for every table of `ARRIVING` `arrived_<table>`: its township delivered it at least
        once in the last twelve months.
    arrived
        Names of the tables that any township delivered in the last twelve months.
    members
        Their members (`accounts.living_members`).
    """

    view: View
    spec: OutcomeSpec
    ending_on: dt.date
    path: ir.Table
    now: ir.Table
    ledger: ir.Table
    items: ir.Table
    homes: ir.Table
    members: ir.Table
    arrived: frozenset[str]


@dataclass(frozen=True, slots=True)
class Family:
    """A family of features.

    `build` returns one row per household: household_id, the features, and `on_<record>` dates. Households without a row get NULL.
    `tables` are those without any of which the whole family is unknown; empty where it never is.
    """

    name: FamilyName
    zh: str
    en: str
    features: tuple[Feature, ...]
    build: Callable[[Context], Any]
    tables: tuple[str, ...] = ()

    def records(self) -> list[str]:
        """Its record date columns, each once."""
        return list(dict.fromkeys(f"on_{f.record}" for f in self.features))


def fingerprint(features: tuple[Feature, ...]) -> str:
    """SHA-256 of the catalogue entries: changes when any of them does."""
    text = json.dumps([asdict(f) for f in features], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
