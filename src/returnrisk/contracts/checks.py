"""Contracts compiled to checks inside the engine: the same ones quarantine rows at ingest and refuse a finished table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.contracts.model import OPERATORS, Contract, Field
from returnrisk.errors import ContractError, ContractViolation

if TYPE_CHECKING:
    import ibis.expr.types as ir

SAMPLE_KEYS = 5
"""How many failing keys a message shows per check: enough to find them, few enough to read."""


@dataclass(frozen=True, slots=True)
class Check:
    """One compiled check: `passes` is a boolean expression over the table (never NULL)."""

    code: str
    field: str
    passes: Any
    text_zh: str
    text_en: str


def row_checks(table: ir.Table, contract: Contract) -> list[Check]:
    """Checks that a row can be held to on its own, as Ibis expressions over `table` (columns of the contract's types).

    An empty optional value passes every check but its own. Expressions are never NULL.
    """
    checks: list[Check] = []

    def add(code: str, field: str, passes: Any, text_zh: str, text_en: str) -> None:
        checks.append(Check(code, field, passes.fill_null(True) if code != "CON001" else passes, text_zh, text_en))

    for f in contract.fields:
        column = table[f.name]
        if f.required:
            add("CON001", f.name, column.notnull(), f"{f.label_zh}为空", f"{f.name} is empty")
        if f.valid_values is not None:
            add("CON002", f.name, column.isin(f.valid_values), f"{f.label_zh}不在代码表内", f"{f.name} is not in the code list")
        if f.minimum is not None:
            add("CON003", f.name, column >= f.minimum, f"{f.label_zh}小于{f.minimum}", f"{f.name} is below {f.minimum}")
        if f.maximum is not None:
            add("CON003", f.name, column <= f.maximum, f"{f.label_zh}大于{f.maximum}", f"{f.name} is above {f.maximum}")
        if f.pattern is not None:
            text = column if f.type == "string" else column.cast("string")  # digits, or a day as YYYY-MM-DD
            add("CON004", f.name, text.re_search(f.pattern), f"{f.label_zh}格式不符", f"{f.name} is not of the stated form")
    for rule in contract.row_rules:
        left, right = contract.field(rule.left), contract.field(rule.right)
        add(
            "CON007",
            rule.left,
            OPERATORS[rule.op](table[rule.left], table[rule.right]),
            f"{left.label_zh}应{rule.op}{right.label_zh}",
            f"{rule.left} should be {rule.op} {rule.right}",
        )
    return checks


def _key_checks(table: ir.Table, contract: Contract) -> Any:
    """Keys (with recorded_on) that stand more than once, and how often."""
    key = [*contract.key, "recorded_on"]
    return table.group_by(key).agg(n=table.count()).filter(lambda t: t.n > 1)


def check_table(table: ir.Table, contract: Contract, *, referenced: Mapping[str, ir.Table]) -> None:
    """Refuse a finished canonical table that breaks its contract.

    Parameters
    ----------
    table
        Rows of one canonical table, typed.
    referenced
        The tables its references lead to, by name.

    Raises
    ------
    ContractViolation
        Every failed check, with the number of rows and up to five keys (pseudonyms) each.
    """
    problems = _column_problems(table, contract)
    if problems:
        raise ContractViolation(f"table {contract.name} breaks its contract:\n  " + "\n  ".join(problems))
    checks = row_checks(table, contract)
    counts = (
        table.aggregate([(~c.passes).cast("int64").sum().name(f"c{i}") for i, c in enumerate(checks)]).to_pyarrow().to_pylist()[0]
    )
    for i, check in enumerate(checks):
        if counts[f"c{i}"]:
            problems.append(f"{check.code} {check.text_en}: {_failing(table.filter(~check.passes), contract, counts[f'c{i}'])}")
    repeated = _key_checks(table, contract)
    if n_repeated := repeated.count().execute():
        problems.append(f"CON005 key {contract.key} with recorded_on is not unique: {_failing(repeated, contract, n_repeated)}")
    for f in contract.fields:
        if f.references and f.references[0] in referenced:
            orphans = orphan_rows(table, f, referenced[f.references[0]])
            if n_orphans := orphans.count().execute():
                problems.append(
                    f"CON006 {f.name} refers to {'.'.join(f.references)} that is not there: {_failing(orphans, contract, n_orphans)}"
                )
    if problems:
        raise ContractViolation(f"table {contract.name} breaks its contract:\n  " + "\n  ".join(problems))


def orphan_rows(table: ir.Table, field: Field, parent: ir.Table) -> ir.Table:
    """Rows whose `field` is given but names no row of `parent`."""
    if field.references is None:
        raise ContractError(f"{field.name} refers to nothing")
    keys = parent.select(**{field.name: parent[field.references[1]]}).distinct()
    return table.filter(table[field.name].notnull()).anti_join(keys, field.name)


def _column_problems(table: ir.Table, contract: Contract) -> list[str]:
    have = dict(table.schema().items())
    problems = [f"CON008 column {c} is missing" for c in contract.columns if c not in have]
    problems += [f"CON008 column {c} is unknown to the contract" for c in have if c not in contract.columns]
    for f in contract.fields:
        if f.name in have and str(have[f.name]).removeprefix("!").replace(" ", "") != f.type:
            problems.append(f"CON008 column {f.name} is {have[f.name]}, expected {f.type}")
    return problems


def _failing(rows: ir.Table, contract: Contract, n: int) -> str:
    key = list(contract.key)
    sample = rows.select(key).order_by(key).limit(SAMPLE_KEYS).to_pyarrow().to_pylist()
    shown = "; ".join(", ".join(f"{k}={row[k]}" for k in key) for row in sample)
    return f"{n} rows, e.g. {shown}"
