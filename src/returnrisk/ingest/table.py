"""One canonical table out of its files: typed, checked, de-duplicated, every row accounted for.

Order of decisions for a row: another number of cells (ING018) → unreadable cells, another county and contract checks (all reasons
are listed) → exact repetition of an earlier row (duplicate) → same key and recording day but other values (ING016, all of them: no
order decides who is right) → refers to a row that was not accepted (CON006) → what the caller refuses when all that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Check, Contract, row_checks
from returnrisk.ingest.agreement import (
    keys_repeat,
    reason,
    said_once,
    two_names,
    wide_names,
    without_conflicts,
    without_duplicates,
    without_orphans,
    without_rows,
)
from returnrisk.ingest.codes import code
from returnrisk.ingest.county import outside_county
from returnrisk.ingest.headers import HeaderMap
from returnrisk.ingest.sheets import Notice, RawSheet
from returnrisk.ingest.spelling import mark
from returnrisk.ingest.stacks import RAW, Stack, stacked
from returnrisk.ingest.values import PARSE_TEXTS, parse_value, unreadable

if TYPE_CHECKING:
    import ibis.expr.types as ir

Late = Callable[[Any], list[dict[str, Any]]]
"""Looks at the rows that are left (with their input `row`) and gives the reasons of those it refuses."""


@dataclass(frozen=True, slots=True)
class TableResult:
    """Accepted rows (an engine table, contract columns and recorded_declared) and the fate of every input row.

    Rows are positions in the concatenated input; `accepted_rows` are those that stand in `accepted`, and wide rows without any
    amount. `notices` are those of each sheet, `two_names` the rows whose key also stands under another name.
    """

    accepted: ir.Table
    accepted_rows: list[int]
    quarantined: list[dict[str, Any]]
    duplicates: list[dict[str, Any]]
    notices: list[list[Notice]]
    two_names: list[int]


def ingest_table(
    con: Any,
    contract: Contract,
    *,
    sheets: list[tuple[RawSheet, HeaderMap]],
    parents: Mapping[str, ir.Table],
    key: bytes | None,
    delay_days: int,
    county: int | None = None,
    late: Late | None = None,
) -> TableResult:
    """Turn the sheets of one table into accepted rows and an account of the rest.

    Parameters
    ----------
    sheets
        Raw sheets with their header maps; their rows are numbered through in this order.
    parents
        Accepted tables this one may refer to.
    delay_days
        Added to the period end where a file has no recording day.
    county
        Six digits that area codes must begin with (None: any).
    late
        A last look at what would be accepted.
    """
    import ibis

    stacks, notices = stacked(sheets, contract, key=key)
    groups = [_typed_group(con, contract, s, index=i, delay_days=delay_days, county=county) for i, s in enumerate(stacks)]
    good = groups[0].good if len(groups) == 1 else ibis.union(*(g.good for g in groups))
    good = con.create_table(f"good_{contract.name}", good, temp=True, overwrite=True)
    duplicates: list[dict[str, Any]] = []
    conflicts: list[dict[str, Any]] = []
    # a wide row becomes several, whose keys may be those of other rows
    repeats = keys_repeat(good, contract)
    meets_others = repeats or bool(contract.wide_columns)
    if repeats:
        good, duplicates = without_duplicates(con, good, contract)
    named_twice = two_names(good, contract)
    silent = _rows_without_amount(good, contract)
    rows = _long(con, good, contract)
    if meets_others:
        rows, conflicts = without_conflicts(con, rows, contract)
    rows, orphans = without_orphans(con, rows, contract, parents)
    refused_late = late(rows) if late else []
    if refused_late:
        rows = without_rows(rows, [r["row"] for r in refused_late])
    refused = {r["row"] for r in (*conflicts, *orphans, *refused_late)}
    spoken = set(rows.select("row").distinct().to_pyarrow()["row"].to_pylist())
    if meets_others:
        rows = said_once(con, rows, contract)
    return TableResult(
        accepted=rows.select(*contract.columns, "recorded_declared"),
        accepted_rows=sorted(spoken | (silent - refused)),
        quarantined=[r for g in groups for r in g.quarantined] + conflicts + orphans + refused_late,
        duplicates=duplicates,
        notices=notices,
        two_names=named_twice,
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Sheets of the same columns, typed: good rows with all wide columns of the contract, and the reasons of the others."""

    good: ir.Table
    quarantined: list[dict[str, Any]]


def _typed_group(con: Any, contract: Contract, stack: Stack, *, index: int, delay_days: int, county: int | None) -> _Group:
    import ibis

    raw = con.create_table(f"raw_{contract.name}_{index}", stack.table, temp=True, overwrite=True)
    typed, checks = _typed(raw, contract, marks=stack.marks, delay_days=delay_days)
    if county is not None:
        checks += outside_county(typed, contract, county)
    flags = {f"fail_{i}": ~c.passes for i, c in enumerate(checks)}
    flagged = con.create_table(f"typed_{contract.name}_{index}", typed.mutate(**flags), temp=True, overwrite=True)
    bad = ibis.or_(*(flagged[name] for name in flags))
    wide = {
        f"wide_{i}": flagged[f"wide_{i}"] if f"wide_{i}" in flagged.columns else ibis.null(contract.field(w.measure).type)
        for i, w in enumerate(contract.wide_columns)
    }
    good = flagged.filter(~bad).select("row", "recorded_declared", *contract.columns, **wide)
    return _Group(good=good, quarantined=_reasons(flagged.filter(bad), checks))


def _typed(
    raw: ir.Table, contract: Contract, *, marks: Mapping[str, frozenset[str]], delay_days: int
) -> tuple[ir.Table, list[Check]]:
    """Typed columns beside the raw ones, and every check a row is held to before it meets other rows."""
    import ibis

    present = set(raw.columns)
    values: dict[str, Any] = {}
    unread: list[tuple[str, str, str, str]] = []
    is_wide = any(c.startswith(f"{RAW}wide_") for c in present)
    set_by_wide = {k for w in contract.wide_columns for k in (*w.sets, w.measure)} if is_wide else set()
    for f in contract.fields:
        if RAW + f.name not in present:
            values[f.name] = ibis.null(f.type)
        elif f.pseudonym:
            values[f.name] = raw[f.name]
            unread.append((f.name, "ING014", f"{f.label_zh}格式不符", f"{f.name} is malformed"))
        else:
            values[f.name] = parse_value(raw[RAW + f.name], f)
            number, zh, en = PARSE_TEXTS["string" if f.codes else f.type]
            unread.append((f.name, number, f.label_zh + zh, f"{f.name} {en}"))
    table = raw.mutate(**values)
    table = _derive_dates(table, contract, present, delay_days=delay_days)
    checks = []
    for name, number, zh, en in unread:
        label = contract.field(name).label_zh
        checks += _reading_checks(table, name, label, generic=(number, zh, en), marks=marks.get(name, frozenset()))
    table, wide_checks = _typed_wide(table, contract, marks) if is_wide else (table, [])
    own = [c for c in row_checks(table, contract) if c.field not in set_by_wide]
    return table, [*checks, *wide_checks, *_not_said_twice(own, table, {name for name, *_ in unread}, contract)]


def _reading_checks(
    table: ir.Table, name: str, label: str, *, generic: tuple[str, str, str], marks: frozenset[str], field: str = ""
) -> list[Check]:
    """That a cell could be read: one check for each mark that stands in the column, and for dates what the calendar says."""
    text, value = table[RAW + name], table[name]
    number, zh, en = generic
    checks = []
    unread = unreadable(text, value)
    for own in sorted(marks - {number}):
        says = code(own)
        unmarked = (text != mark(own)).fill_null(True)
        unread &= unmarked
        checks.append(Check(own, field or name, unmarked, f"{label}：{says.text_zh}", f"{field or name}: {says.text_en}"))
    if number in marks or value.type().is_date():
        checks.append(Check(number, field or name, ~unread, zh, en))
    return checks


def _not_said_twice(checks: list[Check], table: ir.Table, parsed: set[str], contract: Contract) -> list[Check]:
    """An unreadable cell is not also reported as empty, nor the date derived from it as missing."""
    derived = {"period_end": "period_start", "recorded_on": contract.recording_basis}

    def once(check: Check) -> Check:
        if check.code != "CON001":
            return check
        if check.field in parsed:
            return replace(check, passes=check.passes | table[RAW + check.field].notnull())
        basis = derived.get(check.field)
        basis = "period_start" if basis == "period_end" and basis not in parsed else basis
        return replace(check, passes=check.passes | table[basis].isnull()) if basis in parsed else check

    return [once(c) for c in checks]


def _derive_dates(table: ir.Table, contract: Contract, present: set[str], *, delay_days: int) -> ir.Table:
    """Period end = end of its month; recording day = that (or the row's own date) plus the declared delay, flagged."""
    import ibis

    if "period_end" in contract.columns and RAW + "period_end" not in present:
        table = table.mutate(period_end=_end_of_month(table.period_start))
    if RAW + "recorded_on" in present:
        return table.mutate(recorded_declared=ibis.literal(False))
    basis = contract.recording_basis
    if basis is None:
        return table.mutate(recorded_declared=ibis.literal(False))
    day = _end_of_month(table.period_start) if basis == "period_start" else table[basis]
    late = (day.cast("timestamp") + ibis.interval(days=delay_days)).date()
    return table.mutate(recorded_on=late, recorded_declared=ibis.literal(True))


def _end_of_month(day: Any) -> Any:
    import ibis

    return (day.truncate("M").cast("timestamp") + ibis.interval(months=1) - ibis.interval(days=1)).date()


def _rows_without_amount(table: ir.Table, contract: Contract) -> set[int]:
    """Wide rows all of whose amounts are blank: accepted, and nothing to store."""
    if not contract.wide_columns:
        return set()
    measures = {w.measure for w in contract.wide_columns}
    blank = table[next(iter(sorted(measures)))].isnull()
    for name in (*sorted(measures), *wide_names(table, contract)):
        blank &= table[name].isnull()
    return set(table.filter(blank).select("row").to_pyarrow()["row"].to_pylist())


def _typed_wide(table: ir.Table, contract: Contract, marks: Mapping[str, frozenset[str]]) -> tuple[ir.Table, list[Check]]:
    checks: list[Check] = []
    values: dict[str, Any] = {}
    for i, wide in enumerate(contract.wide_columns):
        name = f"wide_{i}"
        if RAW + name in table.columns:
            values[name] = parse_value(table[RAW + name], contract.field(wide.measure))
    table = table.mutate(**values)
    for i, wide in enumerate(contract.wide_columns):
        name = f"wide_{i}"
        if name not in table.columns:
            continue
        measure = contract.field(wide.measure)
        generic = ("ING011", f"{wide.header}不是数字", f"{wide.header} is not a number")
        checks += _reading_checks(table, name, wide.header, generic=generic, marks=marks.get(name, frozenset()), field=wide.header)
        if measure.minimum is not None and measure.maximum is not None:
            value = table[name]
            inside = ((value >= measure.minimum) & (value <= measure.maximum)).fill_null(True)
            text_en = f"{wide.header} is outside {measure.minimum} to {measure.maximum}"
            checks.append(Check("CON003", wide.header, inside, f"{wide.header}超出范围", text_en))
    return table, checks


def _reasons(bad: ir.Table, checks: list[Check]) -> list[dict[str, Any]]:
    flags = bad.select("row", *[f"fail_{i}" for i in range(len(checks))]).to_pyarrow().to_pylist()
    return [reason(flag["row"], check) for flag in flags for i, check in enumerate(checks) if flag[f"fail_{i}"]]


def _long(con: Any, table: ir.Table, contract: Contract) -> ir.Table:
    """Canonical rows with the input `row` they came from; a wide row becomes one per item it fills."""
    import ibis

    keep = ["row", "recorded_declared", *contract.columns]
    if not contract.wide_columns:
        return table.select(keep)
    grouped: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    for i, w in enumerate(contract.wide_columns):
        grouped.setdefault(tuple(w.sets.items()), {})[w.measure] = f"wide_{i}"
    measures = sorted({w.measure for w in contract.wide_columns})
    direct = table[measures[0]].notnull()
    for measure in measures:
        direct |= table[measure].notnull()
    parts = [table.filter(direct).select(keep)]
    for sets, columns in grouped.items():
        filled: Any = ibis.literal(False)
        for column in columns.values():
            filled |= table[column].notnull()
        zero = ibis.literal(0, "decimal(18,2)")
        amounts = {m: table[columns[m]].fill_null(zero) if m in columns else zero for m in measures}
        parts.append(table.filter(filled).mutate(**{k: ibis.literal(v) for k, v in sets}, **amounts).select(keep))
    return con.create_table(f"long_{contract.name}", ibis.union(*parts), temp=True, overwrite=True)
