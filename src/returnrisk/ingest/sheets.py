"""What a reader hands on: one sheet as columns of text, its header understood, and everything that is no row of data counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from returnrisk.contracts import Contract, Field
from returnrisk.errors import IngestError
from returnrisk.ingest.codes import stop
from returnrisk.ingest.header_rows import LOOKED_AT, FoundColumn, FoundHeader, KnownHeaders, known_headers
from returnrisk.ingest.mapping import FileMapping
from returnrisk.ingest.non_data import UnitTold, Verdict, judge_rows
from returnrisk.ingest.units import factors, stated_units

TRIMMED = " \t\r\n\u3000\u00a0\ufeff"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something put right or left out, counted: never a cell. `rows` are the first row numbers, where rows are meant."""

    code: str
    field: str
    n: int
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RawSheet:
    """One sheet (a csv is one sheet) as text.

    `table` has one string column per column name and `row_number`, the record's number in the file counting from 1.
    `malformed_rows` are records with another number of cells than the header, or with lines joined by a stray quotation mark; they
    are not in `table`. `set_aside` counts by code the rows that are no data; `n_header` the rows of the header itself.
    `typed` and `epoch` are those of `spelling.Reading`; `unit` is the unit stated for the whole sheet above its header, `units_below`
    what rows below the header say of units.
    """

    file: str
    sheet: str
    table: Any
    columns: tuple[FoundColumn, ...]
    malformed_rows: tuple[int, ...] = ()
    set_aside: Mapping[str, int] = field(default_factory=dict)
    n_header: int = 1
    notices: tuple[Notice, ...] = ()
    typed: bool = False
    epoch: int | None = None
    unit: str | None = None
    units_below: tuple[UnitTold, ...] = ()

    @property
    def headers(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(c.name for c in self.columns)

    @property
    def where(self) -> str:
        """File and sheet, for messages."""
        return f"{self.file}, sheet {self.sheet}" if self.sheet else self.file


@dataclass(frozen=True, slots=True)
class Expected:
    """What a reader must know of the table a file holds: its contract, the headers it may carry, and a source's mapping."""

    contract: Contract
    known: KnownHeaders
    mapping: FileMapping | None = None

    @property
    def fixed(self) -> tuple[int, int] | None:
        """Header rows as the mapping states them, counted from 0."""
        return (self.mapping.header_row - 1, self.mapping.header_rows) if self.mapping and self.mapping.header_row else None

    def identifier_patterns(self) -> dict[str, str]:
        """Pattern of each identifier field."""
        return {f.name: f.source_pattern or "" for f in self.contract.fields if f.pseudonym}

    def type_of(self, column: FoundColumn) -> str:
        """The field type a column is read as; empty for one nobody asked for."""
        target = column.target
        if target is None or target.unclear:
            return ""
        if target.wide >= 0:
            return self.contract.field(self.contract.wide_columns[target.wide].measure).type
        return "identifier" if self.contract.field(target.field).pseudonym else self.contract.field(target.field).type


def expected_of(contract: Contract, mapping: FileMapping | None = None) -> Expected:
    """What a file of this table looks like, with the headers that a source's mapping adds."""
    return Expected(contract, known_headers(contract, mapping.columns if mapping else None), mapping)


def no_header(where: str, expected: Expected) -> str:
    """The message of a sheet whose header was not found. No cell of it is shown: the first row may be data."""
    required = "、".join(f.label_zh for f in expected.contract.fields if f.required)
    return stop(
        "ING006", where, f"no row among the first {LOOKED_AT} names the columns of {expected.contract.label_zh}: {required}"
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the columns of a sheet come from: file, sheet, its header and the rows above, and what is known of its cells."""

    file: str
    sheet: str
    header: FoundHeader
    expected: Expected
    above: Sequence[Sequence[str | None]] = ()
    typed: bool = False
    epoch: int | None = None


def assembled(
    columns: Sequence[Any],
    numbers: Sequence[int],
    *,
    origin: Origin,
    notices: Iterable[Notice] = (),
    malformed: Mapping[int, Sequence[str]] | None = None,
) -> RawSheet:
    """Trim cells, set aside what is no data, name the columns.

    Parameters
    ----------
    columns
        Arrow string arrays, one per column of the header; rows below the header only.
    numbers
        Row number of each of their rows.
    notices
        What the reader itself put right.
    malformed
        Records with another number of cells: their cells by row number.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    header = origin.header
    trimmed = []
    filled = pa.array([False] * len(numbers), pa.bool_())
    for column in columns:
        text = pc.utf8_trim(column, characters=TRIMMED)
        text = pc.if_else(pc.equal(text, ""), None, text)
        trimmed.append(text)
        filled = pc.or_(filled, pc.is_valid(text))
    empty = {c.position for c, text in zip(header.columns, trimmed, strict=True) if not c.levels and text.null_count == len(text)}
    kept = [c for c in header.columns if c.position not in empty]
    table = pa.table({**{c.name: trimmed[c.position] for c in kept}, "row_number": pa.array(list(numbers), pa.int64())})
    n_blank = table.num_rows
    table = table.filter(filled)
    n_blank -= table.num_rows
    judged = judge_rows(table, kept, patterns=origin.expected.identifier_patterns(), malformed=malformed or {})
    verdicts = judged.counts
    top = [[c for c in row if c] for row in origin.above]
    aside = {
        "ING022": n_blank + verdicts[Verdict.BLANK] + sum(not row for row in top),
        "ING023": verdicts[Verdict.TOTAL],
        "ING024": verdicts[Verdict.NOTE] + sum(bool(row) for row in top),
        "ING025": verdicts[Verdict.HEADER],
    }
    said = [*notices, *_of_header(header, kept, n_above=sum(bool(row) for row in top))]
    said += [Notice(code, "", aside[code]) for code in ("ING023", "ING024", "ING025") if aside[code]]
    where = f"{origin.file}, sheet {origin.sheet}" if origin.sheet else origin.file
    return RawSheet(
        file=origin.file,
        sheet=origin.sheet,
        table=judged.table,
        columns=tuple(kept),
        malformed_rows=judged.malformed,
        set_aside=aside,
        n_header=header.depth,
        notices=tuple(said),
        typed=origin.typed,
        epoch=origin.epoch,
        unit=_unit_of_sheet([cell for row in top for cell in row], where=where),
        units_below=judged.units,
    )


def _of_header(header: FoundHeader, kept: Sequence[FoundColumn], *, n_above: int) -> list[Notice]:
    said = []
    if n_above:
        said.append(Notice("ING029", "", n_above))
    if header.depth > 1:
        said.append(Notice("ING030", "", header.depth))
    said += [Notice("ING043", c.name, 1) for c in kept if c.renamed]
    return said


def _unit_of_sheet(notes: Sequence[str], *, where: str) -> str | None:
    """The one unit that the lines above the header state.

    Raises
    ------
    IngestError
        They state several units of money: nobody can know which column is in which.
    """
    stated = sorted({unit for note in notes for unit in stated_units(note)})
    money = [u for u in stated if u.endswith("元")]
    if len(money) > 1:
        raise IngestError(
            stop(
                "ING049",
                where,
                f"the lines above the header speak of {' and '.join(money)}; write the unit behind each column's name",
            )
        )
    return money[0] if money else None


def field_of(column: FoundColumn, contract: Contract) -> Field | None:
    """The field whose values a column holds (a wide column: its measure's); None for a column nobody asked for."""
    target = column.target
    if target is None or target.unclear:
        return None
    return contract.field(contract.wide_columns[target.wide].measure if target.wide >= 0 else target.field)


def factor_of(column: FoundColumn, contract: Contract, *, sheet_unit: str | None, mapping: FileMapping | None, where: str) -> Any:
    """What the numbers of a column are to be multiplied with (Decimal), from mapping, header or the sheet's stated unit.

    Raises
    ------
    IngestError
        The stated unit is none of the field's.
    """
    from decimal import Decimal

    f = field_of(column, contract)
    if f is None:
        return Decimal(1)
    known = factors(f)
    unit = (mapping.unit_of(column.name, f.name) if mapping else None) or column.unit
    if unit is None:
        return known.get(sheet_unit, Decimal(1)) if sheet_unit else Decimal(1)
    if unit in known:
        return known[unit]
    if known and unit not in ("元", "亩", "%"):
        raise IngestError(stop("ING049", where, f"column '{column.name}' is in '{unit}', which is no unit of {f.name}"))
    return Decimal(1)
