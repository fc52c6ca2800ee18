"""Clauses and categories as data: each clause one expression over the facts, the facts it needs, and where it is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.policy import Policy

if TYPE_CHECKING:
    import ibis.expr.types as ir

Holds = Callable[["ir.Table", "Rules"], Any]


@dataclass(frozen=True, slots=True)
class Rules:
    """A pack on a day."""

    policy: Policy
    day: dt.date


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition.

    Attributes
    ----------
    code
        Its short name; unique within a category.
    zh, en
        What it asks.
    holds
        Facts and rules to a boolean column: true, false, NULL (cannot tell).
    needs
        Facts that may be missing when it cannot tell; names of `FACT_LABELS`.
    parameters
        Parameters of the pack it rests on: their reference is the clause's.
    """

    code: str
    zh: str
    en: str
    holds: Holds
    needs: tuple[str, ...]
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Category:
    """A category: every clause must hold.

    Attributes
    ----------
    code, zh, en
        Name of the category.
    clauses
        All must hold.
    in_use
        Name of the pack's flag that switches it on; None: always.
    attention
        Whether it is an attention group (重点关注), not a category of assistance.
    source
        Where the definition was read.
    """

    code: str
    zh: str
    en: str
    clauses: tuple[Clause, ...]
    source: str
    in_use: str | None = None
    attention: bool = False


def all_hold(category: Category, facts: ir.Table, rules: Rules) -> Any:
    """The category's answer as a boolean column: one clause that fails is "no", whatever of the others is unknown."""
    answer = None
    for clause in category.clauses:
        held = clause.holds(facts, rules)
        answer = held if answer is None else answer & held
    return answer
