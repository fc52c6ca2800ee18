"""One canonical table out of its files: typed, checked, de-duplicated, every row accounted for.

Order of decisions for a row: another number of cells (ING018) → unreadable cells and contract checks (all reasons are listed) →
exact repetition of an earlier row (duplicate) → same key and recording day but other values (ING016, all of them: no order decides
who is right) → refers to a row that was not accepted (CON006).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Check, Contract, row_checks
from returnrisk.ingest.headers import HeaderMap
from returnrisk.ingest.readers import RawSheet
from returnrisk.ingest.values import PARSE_TEXTS, parse_value, pseudonymise_column, unreadable

if TYPE_CHECKING:
    import ibis.expr.types as ir

RAW = "raw__"
"""Prefix of the text columns, so that a field and its text can stand side by side."""


@dataclass(frozen=True, slots=True)
class TableResult:
    """Accepted rows (an engine table, contract columns and recorded_declared) and the fate of every input row.

    Rows are positions in the concatenated input; `accepted_rows` are those that stand in `accepted`, and wide rows without any
    amount.
    """

    accepted: ir.Table
    accepted_rows: list[int]
    quarantined: list[dict[str, Any]]
    duplicates: list[dict[str, Any]]


def ingest_table(
    con: Any,
    contract: Contract,
    *,
    sheets: list[tuple[RawSheet, HeaderMap]],
    parents: Mapping[str, ir.Table],
    key: bytes | None,
    delay_days: int,
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
    """
    import ibis

    groups = [
        _typed_group(con, contract, raw, index=i, delay_days=delay_days) for i, raw in enumerate(_stacks(sheets, contract, key=key))
    ]
    good = groups[0].good if len(groups) == 1 else ibis.union(*(g.good for g in groups))
    good = con.create_table(f"good_{contract.name}", good, temp=True, overwrite=True)
    good, duplicates = _without_duplicates(con, good, contract)
    silent = _rows_without_amount(good, contract)
    rows = _long(con, good, contract)
    rows, conflicts = _without_conflicts(con, rows, contract)
    rows, orphans = _without_orphans(con, rows, contract, parents)
    refused = {reason["row"] for reason in (*conflicts, *orphans)}
    spoken = set(rows.select("row").distinct().to_pyarrow()["row"].to_pylist())
    rows = _said_once(con, rows, contract)
    return TableResult(
        accepted=rows.select(*contract.columns, "recorded_declared"),
        accepted_rows=sorted(spoken | (silent - refused)),
        quarantined=[reason for g in groups for reason in g.quarantined] + conflicts + orphans,
        duplicates=duplicates,
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Sheets of the same columns, typed: good rows with all wide columns of the contract, and the reasons of the others."""

    good: ir.Table
    quarantined: list[dict[str, Any]]


def _typed_group(con: Any, contract: Contract, stack: Any, *, index: int, delay_days: int) -> _Group:
    import ibis

    raw = con.create_table(f"raw_{contract.name}_{index}", stack, temp=True, overwrite=True)
    typed, checks = _typed(raw, contract, delay_days=delay_days)
    flagged = typed.mutate(**{f"fail_{i}": ~c.passes for i, c in enumerate(checks)})
    any_fail: Any = ibis.literal(False)
    for i in range(len(checks)):
        any_fail |= flagged[f"fail_{i}"]
    flagged = con.create_table(f"typed_{contract.name}_{index}", flagged.mutate(bad=any_fail), temp=True, overwrite=True)
    wide = {
        f"wide_{i}": flagged[f"wide_{i}"] if f"wide_{i}" in flagged.columns else ibis.null(contract.field(w.measure).type)
        for i, w in enumerate(contract.wide_columns)
    }
    good = flagged.filter(~flagged.bad).select("row", "recorded_declared", *contract.columns, **wide)
    return _Group(good=good, quarantined=_reasons(flagged.filter("bad"), checks))


def _stacks(sheets: list[tuple[RawSheet, HeaderMap]], contract: Contract, *, key: bytes | None) -> list[Any]:
    """Sheets of the same columns under each other: one text column per field and wide column found, plus `row`.

    Identifiers are already pseudonyms. `row` numbers the rows of all sheets through, in the order the sheets were given.
    """
    import pyarrow as pa

    stacks: dict[frozenset[str], list[Any]] = {}
    offset = 0
    for sheet, headers in sheets:
        n = sheet.table.num_rows
        columns: dict[str, Any] = {"row": pa.array(range(offset, offset + n), pa.int64())}
        for header, field_name in headers.fields.items():
            columns[RAW + field_name] = sheet.table[header]
            field = contract.field(field_name)
            if field.pseudonym:
                columns[field_name] = pseudonymise_column(sheet.table[header], field, key=key)
                # the natural number stops here: downstream only whether there was one
                columns[RAW + field_name] = _presence(sheet.table[header])
        for header, index in headers.wide.items():
            columns[f"{RAW}wide_{index}"] = sheet.table[header]
        stacks.setdefault(frozenset(columns), []).append(pa.table(columns))
        offset += n
    return [pa.concat_tables([part.select(parts[0].column_names) for part in parts]) for parts in stacks.values()]


def _presence(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.is_valid(column), pa.scalar("present"), pa.scalar(None, pa.string()))


def _typed(raw: ir.Table, contract: Contract, *, delay_days: int) -> tuple[ir.Table, list[Check]]:
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
            unread.append((f.name, "ING014", f"{f.label_zh}格式不符或按数字存储", f"{f.name} is malformed, or stored as a number"))
        else:
            values[f.name] = parse_value(raw[RAW + f.name], f)
            code, zh, en = PARSE_TEXTS["string" if f.codes else f.type]
            unread.append((f.name, code, f.label_zh + zh, f"{f.name} {en}"))
    table = raw.mutate(**values)
    table = _derive_dates(table, contract, present, delay_days=delay_days)
    checks = [Check(code, name, ~unreadable(table[RAW + name], table[name]), zh, en) for name, code, zh, en in unread]
    table, wide_checks = _typed_wide(table, contract) if is_wide else (table, [])
    own = [c for c in row_checks(table, contract) if c.field not in set_by_wide]
    return table, [*checks, *wide_checks, *_not_said_twice(own, table, {name for name, *_ in unread})]


def _not_said_twice(checks: list[Check], table: ir.Table, parsed: set[str]) -> list[Check]:
    """An unreadable cell is not also reported as empty."""
    return [
        replace(c, passes=c.passes | table[RAW + c.field].notnull()) if c.code == "CON001" and c.field in parsed else c
        for c in checks
    ]


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
    for name in (*sorted(measures), *_wide_names(table, contract)):
        blank &= table[name].isnull()
    return set(table.filter(blank).select("row").to_pyarrow()["row"].to_pylist())


def _typed_wide(table: ir.Table, contract: Contract) -> tuple[ir.Table, list[Check]]:
    checks, values = [], {}
    for i, wide in enumerate(contract.wide_columns):
        if f"{RAW}wide_{i}" not in table.columns:
            continue
        measure = contract.field(wide.measure)
        text = table[f"{RAW}wide_{i}"]
        value = parse_value(text, measure)
        values[f"wide_{i}"] = value
        checks.append(
            Check("ING011", wide.header, ~unreadable(text, value), f"{wide.header}不是数字", f"{wide.header} is not a number")
        )
        if measure.minimum is not None and measure.maximum is not None:
            inside = ((value >= measure.minimum) & (value <= measure.maximum)).fill_null(True)
            text_en = f"{wide.header} is outside {measure.minimum} to {measure.maximum}"
            checks.append(Check("CON003", wide.header, inside, f"{wide.header}超出范围", text_en))
    return table.mutate(**values), checks


def _reasons(bad: ir.Table, checks: list[Check]) -> list[dict[str, Any]]:
    flags = bad.select("row", *[f"fail_{i}" for i in range(len(checks))]).to_pyarrow().to_pylist()
    return [_reason(flag["row"], check) for flag in flags for i, check in enumerate(checks) if flag[f"fail_{i}"]]


def _reason(row: int, check: Check) -> dict[str, Any]:
    return {"row": row, "code": check.code, "field": check.field, "text_zh": check.text_zh, "text_en": check.text_en}


def _wide_names(table: ir.Table, contract: Contract) -> list[str]:
    return [f"wide_{i}" for i in range(len(contract.wide_columns)) if f"wide_{i}" in table.columns]


def _without_duplicates(con: Any, table: ir.Table, contract: Contract) -> tuple[ir.Table, list[dict[str, Any]]]:
    """Rows whose every value repeats an earlier row's are set aside; the earliest (one with a stated day first) stays."""
    import ibis

    values = [*contract.columns, *_wide_names(table, contract)]
    suspects = _repeated(con, table, [*contract.key, "recorded_on"], name=f"suspect_{contract.name}")
    # a stated recording day outweighs the same day declared, whatever the order of files
    suspects = suspects.mutate(weight=suspects.row + suspects.recorded_declared.cast("int64") * 2**40)
    first = suspects.weight.min().over(ibis.window(group_by=[suspects[v] for v in values])) % 2**40
    repeated = suspects.mutate(first_row=first).filter(lambda t: t.row != t.first_row).select("row", "first_row")
    pairs = sorted(repeated.to_pyarrow().to_pylist(), key=lambda pair: pair["row"])
    return _without_rows(table, [pair["row"] for pair in pairs]), pairs


def _repeated(con: Any, table: ir.Table, key: list[str], *, name: str) -> ir.Table:
    """Rows whose key stands more than once: few, so that everything costly is done on them alone."""
    twice = table.group_by(key).agg(n_same=table.count()).filter(lambda t: t.n_same > 1).drop("n_same")
    return con.create_table(name, table.semi_join(twice, [table[k].identical_to(twice[k]) for k in key]), temp=True, overwrite=True)


def _without_rows(table: ir.Table, rows: list[int]) -> ir.Table:
    """`table` without the given input rows."""
    import ibis

    if not rows:
        return table
    return table.anti_join(ibis.memtable({"row": sorted(set(rows))}, schema={"row": "int64"}), "row")


def _long(con: Any, table: ir.Table, contract: Contract) -> ir.Table:
    """Canonical rows with the input `row` they came from; a wide row becomes one per item it fills."""
    import ibis

    keep = ["row", "recorded_declared", *contract.columns]
    if not contract.wide_columns:
        return con.create_table(f"long_{contract.name}", table.select(keep), temp=True, overwrite=True)
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


def _without_conflicts(con: Any, rows: ir.Table, contract: Contract) -> tuple[ir.Table, list[dict[str, Any]]]:
    """Input rows that contradict another about the same key on the same recording day are all quarantined."""
    import ibis

    key = [*contract.key, "recorded_on"]
    suspects = _repeated(con, rows, key, name=f"said_twice_{contract.name}")
    if not suspects.count().execute():
        return rows, []
    first = suspects.row.min().over(ibis.window(group_by=[suspects[c] for c in contract.columns]))
    distinct = suspects.mutate(first_row=first).filter(lambda t: t.row == t.first_row)
    conflicting = _repeated(con, distinct, key, name=f"conflict_{contract.name}").select(key).distinct()
    hit = suspects.semi_join(conflicting, [suspects[k].identical_to(conflicting[k]) for k in key]).select("row").distinct()
    positions = sorted(hit.to_pyarrow()["row"].to_pylist())
    text = Check(
        "ING016",
        ",".join(contract.key),
        None,
        "同一主键同日登记的内容互相矛盾",
        "contradicts another row of the same key and recording day",
    )
    kept = con.create_table(f"kept_{contract.name}", _without_rows(rows, positions), temp=True, overwrite=True)
    return kept, [_reason(p, text) for p in positions]


def _said_once(con: Any, rows: ir.Table, contract: Contract) -> ir.Table:
    """What several input rows say in the same words (two offices, one item) is stored once; all of them are accepted."""
    key = [*contract.key, "recorded_on"]
    again = _repeated(con, rows, key, name=f"again_{contract.name}")
    if not again.count().execute():
        return rows
    weighed = again.mutate(weight=again.row + again.recorded_declared.cast("int64") * 2**40)
    first = weighed.group_by(key).agg(row=weighed.weight.min() % 2**40)
    later = again.anti_join(first, [again.row == first.row, *(again[k].identical_to(first[k]) for k in key)])
    once = rows.anti_join(later, [rows.row == later.row, *(rows[k].identical_to(later[k]) for k in key)])
    return con.create_table(f"once_{contract.name}", once, temp=True, overwrite=True)


def _without_orphans(
    con: Any, rows: ir.Table, contract: Contract, parents: Mapping[str, ir.Table]
) -> tuple[ir.Table, list[dict[str, Any]]]:
    """Input rows that refer to a household, person or village that was not accepted."""
    reasons: list[dict[str, Any]] = []
    for f in contract.fields:
        if not f.references or f.references[0] not in parents:
            continue
        parent = parents[f.references[0]]
        known = parent.select(**{f.name: parent[f.references[1]]}).distinct()
        orphan = rows.filter(rows[f.name].notnull()).anti_join(known, f.name).select("row").distinct()
        positions = sorted(orphan.to_pyarrow()["row"].to_pylist())
        if not positions:
            continue
        text = Check(
            "CON006",
            f.name,
            None,
            f"{f.label_zh}在{f.references[0]}中不存在",
            f"{f.name} names no accepted row of {f.references[0]}",
        )
        reasons += [_reason(p, text) for p in positions]
        rows = con.create_table(f"kept_{contract.name}_{f.name}", _without_rows(rows, positions), temp=True, overwrite=True)
    return rows, reasons
