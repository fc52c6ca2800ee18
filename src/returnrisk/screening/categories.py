"""Every household's answer to every category in use: yes, no, or cannot tell with the missing facts named, and the clauses it rests on."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from returnrisk.policy import Policy
from returnrisk.screening.assistance_categories import ASSISTANCE
from returnrisk.screening.attention import ATTENTION
from returnrisk.screening.clauses import Category, Rules

if TYPE_CHECKING:
    import ibis.expr.types as ir

CATEGORIES: tuple[Category, ...] = (*ASSISTANCE, *ATTENTION)


def categories_in_use(policy: Policy, day: dt.date) -> tuple[Category, ...]:
    """Categories the pack uses on a day; a form a county does not use is not answered."""
    return tuple(c for c in CATEGORIES if c.in_use is None or policy.flag(c.in_use, day))


def categories(facts: ir.Table, *, policy: Policy, day: dt.date) -> ir.Table:
    """Answers of every household to every category in use.

    Parameters
    ----------
    facts
        `household_facts` of the day (kept as a table: it is read once for each category).
    policy, day
        The county's pack, and the day whose values hold.

    Returns
    -------
    Ibis table, one row per household and category in use: household_id, category (code), answer (int8: 1 yes, 0 no, NULL cannot
    tell), clauses_met, clauses_failed, clauses_unknown and missing_fields (codes parted by commas, sorted; empty text for none;
    missing_fields has some exactly where the answer is NULL).

    Raises
    ------
    PolicyDateError
        A parameter has no value on the day.
    """
    import ibis

    rules = Rules(policy, day)
    return ibis.union(*(_answers(facts, category, rules) for category in categories_in_use(policy, day)))


def _answers(facts: ir.Table, category: Category, rules: Rules) -> ir.Table:
    import ibis

    held = {clause.code: clause.holds(facts, rules) for clause in category.clauses}
    t = facts.mutate(**{f"clause_{code}": answer for code, answer in held.items()})
    answer: Any = None
    for code in held:
        answer = t[f"clause_{code}"] if answer is None else answer & t[f"clause_{code}"]
    missing: dict[str, Any] = {}
    for clause in category.clauses:
        unknown = t[f"clause_{clause.code}"].isnull()
        for need in clause.needs:
            open_need = unknown & t[need].isnull()
            missing[need] = missing[need] | open_need if need in missing else open_need
    return t.select(
        "household_id",
        category=ibis.literal(category.code),
        answer=answer.cast("int8"),
        clauses_met=listed({code: t[f"clause_{code}"].fill_null(False) for code in held}),
        clauses_failed=listed({code: (~t[f"clause_{code}"]).fill_null(False) for code in held}),
        clauses_unknown=listed({code: t[f"clause_{code}"].isnull() for code in held}),
        missing_fields=ibis.ifelse(answer.isnull(), listed(missing), ""),
    )


def listed(named: dict[str, Any]) -> Any:
    """Names whose condition holds, sorted and parted by commas; an empty text for none."""
    import ibis

    parts = [ibis.ifelse(named[name], f"{name},", "") for name in sorted(named)]
    text = parts[0]
    for part in parts[1:]:
        text = text + part
    return text.substr(0, ibis.greatest(text.length() - 1, 0))


def first_of(named: dict[str, Any]) -> Any:
    """Name of the first condition that holds, in the given order; NULL where none does."""
    import ibis

    return ibis.cases(*((condition, name) for name, condition in named.items()))
