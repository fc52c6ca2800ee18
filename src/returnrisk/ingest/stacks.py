"""Sheets of the same columns under each other: cells respelt, identifiers turned into pseudonyms, what was put right counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from returnrisk.contracts import Contract
from returnrisk.ingest.headers import HeaderMap
from returnrisk.ingest.sheets import Notice, RawSheet
from returnrisk.ingest.spelling import ROWS_SHOWN, Reading, respell
from returnrisk.ingest.values import Pseudonymised, pseudonymise_columns, refusal

RAW = "raw__"
"""Prefix of the text columns, so that a field and its text can stand side by side."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Sheets with the same columns as one Arrow table, and per field the codes its marked cells are refused under."""

    table: Any
    marks: Mapping[str, frozenset[str]]


def stacked(
    sheets: list[tuple[RawSheet, HeaderMap]], contract: Contract, *, key: bytes | None
) -> tuple[list[Stack], list[list[Notice]]]:
    """Sheets of the same columns under each other: one text column per field and wide column found, plus `row`.

    Identifiers are already pseudonyms. `row` numbers the rows of all sheets through, in the order the sheets were given.

    Returns
    -------
    tuple
        The stacks, and for each sheet what was put right in its cells.
    """
    import pyarrow as pa

    parts: dict[frozenset[str], list[Any]] = {}
    marks: dict[frozenset[str], dict[str, set[str]]] = {}
    notices: list[list[Notice]] = []
    offset = 0
    identified = _identified(sheets, contract, key=key)
    for i, (sheet, headers) in enumerate(sheets):
        columns, found, said = _columns(sheet, headers, contract, identified=identified[i])
        n = sheet.table.num_rows
        columns["row"] = pa.array(range(offset, offset + n), pa.int64())
        kind = frozenset(columns)
        parts.setdefault(kind, []).append(pa.table(columns))
        for name, codes in found.items():
            marks.setdefault(kind, {}).setdefault(name, set()).update(codes)
        notices.append(said)
        offset += n
    return [
        Stack(
            pa.concat_tables([part.select(same[0].column_names) for part in same]),
            {name: frozenset(codes) for name, codes in marks.get(kind, {}).items()},
        )
        for kind, same in parts.items()
    ], notices


def _identified(
    sheets: list[tuple[RawSheet, HeaderMap]], contract: Contract, *, key: bytes | None
) -> list[dict[str, Pseudonymised]]:
    """For each sheet its identifier columns as pseudonyms, by field."""
    done: list[dict[str, Pseudonymised]] = [{} for _ in sheets]
    for field in (f for f in contract.fields if f.pseudonym):
        holding = [
            (i, sheet.table[header])
            for i, (sheet, headers) in enumerate(sheets)
            for header, name in headers.fields.items()
            if name == field.name
        ]
        if holding:
            for (i, _), made in zip(holding, pseudonymise_columns([c for _, c in holding], field, key=key), strict=True):
                done[i][field.name] = made
    return done


def _columns(
    sheet: RawSheet, headers: HeaderMap, contract: Contract, *, identified: Mapping[str, Pseudonymised]
) -> tuple[dict[str, Any], dict[str, frozenset[str]], list[Notice]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    columns: dict[str, Any] = {}
    marks: dict[str, frozenset[str]] = {}
    said: list[Notice] = []
    targets = [(h, name, contract.field(name)) for h, name in headers.fields.items()]
    targets += [(h, f"wide_{i}", contract.field(contract.wide_columns[i].measure)) for h, i in headers.wide.items()]
    numbers = sheet.table["row_number"].combine_chunks()
    for header, name, field in targets:
        if field.pseudonym:
            made = identified[name]
            columns[name] = made.pseudonyms
            # the natural number stops here: downstream only whether there was one
            columns[RAW + name], found, positions = made.presence, made.marks, made.positions
        else:
            labels = headers.mapping.values.get(name, {}) if headers.mapping else {}
            is_unclear = header in headers.unit_unclear
            reading = Reading(headers.factors.get(header, Decimal(1)), sheet.typed, sheet.epoch, labels, is_unclear)
            done = respell(sheet.table[header], field, reading, refuse=refusal(field))
            columns[RAW + name], found, positions = done.column, done.marks, done.positions
        if found:
            marks[name] = found
        said += [
            Notice(code, header, len(rows), tuple(pc.take(numbers, rows[:ROWS_SHOWN]).to_pylist()))
            for code, rows in positions.items()
        ]
    for name, value in headers.constants.items():
        columns[RAW + name] = pa.array([value] * sheet.table.num_rows, pa.string())
    said += [
        Notice("ING044", h, sheet.table.num_rows - sheet.table[h].null_count)
        for h in headers.unknown
        if not (headers.mapping and headers.mapping.ignores(h))
    ]
    if headers.mapping:
        said.append(Notice("ING051", headers.mapping.source, 1))
    return columns, marks, said
