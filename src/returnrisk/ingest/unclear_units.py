"""Columns whose unit is nobody's to know: they state none, while the same file states another one for the same field elsewhere.

A sheet that says nothing is in the field's own unit (元). It is no longer so where a neighbouring sheet speaks of 万元, or where a note or
a second header among the rows does: then nothing is guessed, and an amount waits unless its cell names its unit. A mapping's unit decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from returnrisk.contracts import Contract, Field
from returnrisk.ingest.header_rows import FoundColumn
from returnrisk.ingest.mapping import FileMapping
from returnrisk.ingest.sheets import RawSheet, field_of
from returnrisk.ingest.units import factors


def unclear_units(sheets: Sequence[RawSheet], contract: Contract, mapping: FileMapping | None = None) -> list[frozenset[str]]:
    """For each sheet of one file the names of the columns whose unit is not clear."""
    measured = [_measured(sheet, contract) for sheet in sheets]
    stated: list[dict[str, set[str]]] = []
    for sheet, columns in zip(sheets, measured, strict=True):
        by_field: dict[str, set[str]] = {}
        for column, field in columns:
            unit = _unit_stated(sheet, column, field, mapping)
            by_field.setdefault(field.name, set()).update([unit] if unit else [])
        stated.append(by_field)
    unclear = []
    for i, (sheet, columns) in enumerate(zip(sheets, measured, strict=True)):
        elsewhere = {
            field.name
            for field in {f.name: f for _, f in columns}.values()
            if not stated[i][field.name]
            and any(factors(field).get(u, 1) != 1 for j, other in enumerate(stated) if j != i for u in other.get(field.name, ()))
        }
        unclear.append(
            frozenset(c.name for c, f in columns if f.name in elsewhere or _is_contradicted_below(sheet, c, f, mapping=mapping))
        )
    return unclear


def _measured(sheet: RawSheet, contract: Contract) -> list[tuple[FoundColumn, Field]]:
    """Columns whose field can be in several units."""
    fields = [(column, field_of(column, contract)) for column in sheet.columns]
    return [(column, field) for column, field in fields if field is not None and factors(field)]


def _unit_stated(sheet: RawSheet, column: FoundColumn, field: Field, mapping: FileMapping | None) -> str | None:
    """The unit that mapping, header or sheet state for a column."""
    own = (mapping.unit_of(column.name, field.name) if mapping else None) or column.unit
    return own or (sheet.unit if sheet.unit in factors(field) else None)


def _is_contradicted_below(sheet: RawSheet, column: FoundColumn, field: Field, *, mapping: FileMapping | None) -> bool:
    """Whether a note or a second header below says another unit than holds for the column."""
    if mapping and mapping.unit_of(column.name, field.name):
        return False
    known: Mapping[str, Decimal] = factors(field)
    holds = known.get(column.unit or sheet.unit or "", Decimal(1))
    for told in sheet.units_below:
        if told.column == column.name:
            unit = told.unit or sheet.unit
        elif not told.column and not column.unit and told.unit in known:
            unit = told.unit
        else:
            continue
        if known.get(unit or "", Decimal(1)) != holds:
            return True
    return False
