"""Files to tables of text, each row with its number: csv here, workbooks in `workbooks`, Parquet below.

Nothing is interpreted here but the header, the cell's own type and which rows are data. A number in a column of identity numbers is
marked, because its last digits are already lost (TRAPS: an 18-digit number does not fit a float).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from returnrisk.errors import IngestError
from returnrisk.ingest.codes import stop
from returnrisk.ingest.header_rows import LOOKED_AT, FoundHeader, find_header
from returnrisk.ingest.sheets import Expected, Notice, Origin, RawSheet, assembled, no_header
from returnrisk.ingest.spelling import mark
from returnrisk.ingest.workbooks import read_workbook

TEXT_KINDS = (".csv", ".txt", ".tsv")
WORKBOOK_KINDS = (".xlsx", ".xlsm", ".xls")
READABLE = (*TEXT_KINDS, *WORKBOOK_KINDS, ".parquet")
DELIMITERS = (",", "\t", ";")
SAMPLE = 65_536
"""So many characters from the top tell delimiter and header."""


def read_file(path: Path, *, expected: Expected) -> list[RawSheet]:
    """Read one file.

    Parameters
    ----------
    expected
        The table it holds: `expected_of(contract, mapping)`.

    Raises
    ------
    IngestError
        The file is empty, of an unknown kind, damaged, in an unknown encoding, or without a header.
    """
    kind = path.suffix.lower()
    if kind in TEXT_KINDS:
        return [_read_csv(path, expected)]
    if kind in WORKBOOK_KINDS:
        return read_workbook(path, expected)
    if kind == ".parquet":
        return [_read_parquet(path, expected)]
    raise IngestError(
        stop("ING003", path.name, f"files of kind '{path.suffix}' are not read; expected one of {', '.join(READABLE)}")
    )


@dataclass(frozen=True, slots=True)
class DecodedText:
    """A text file as text, as UTF-8 bytes, and the encoding it came in."""

    text: str
    utf8: bytes
    encoding: str


def decode(path: Path) -> DecodedText:
    """Text of a file: by its mark, else strictly as UTF-8, else strictly as GB18030.

    Raises
    ------
    IngestError
        Empty, or none of the three.
    """
    content = path.read_bytes()
    if not content.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise IngestError(stop("ING001", path.name, f"{path.name} is empty: a delivered file needs at least its header"))
    marked = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
    start = next((m for m in marked if content.startswith(m)), b"")
    for encoding in [marked[start]] if start else ["utf-8", "gb18030"]:
        body = content[len(start) :]
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:  # UTF-16 without its mark, or no text at all
            break
        return DecodedText(text, body if encoding == "utf-8" else text.encode(), encoding)
    raise IngestError(
        stop("ING002", path.name, "it is neither UTF-8 nor GB18030 nor UTF-16 with its mark: save it again as CSV UTF-8")
    )


def first_records(text: str, delimiter: str) -> list[list[str | None]]:
    """The first records of a text file as trimmed cells."""
    import csv
    import io

    reader = csv.reader(io.StringIO(text[:SAMPLE], newline=""), delimiter=delimiter)
    return [[cell.strip() or None for cell in record] for record in islice(reader, LOOKED_AT)]


def _laid_out(path: Path, text: str, expected: Expected) -> tuple[str, list[list[str | None]], FoundHeader]:
    """Delimiter and header: those under which most columns are known."""
    best: tuple[str, list[list[str | None]], FoundHeader] | None = None
    for delimiter in DELIMITERS:
        rows = first_records(text, delimiter)
        header = find_header(rows, expected.known, fixed=expected.fixed)
        if header and (best is None or header.rank > best[2].rank):
            best = (delimiter, rows, header)
        if header and header.n_known > 1 and header.n_known == sum(bool(c.levels) for c in header.columns):
            break
    if best is None:
        raise IngestError(no_header(path.name, expected))
    return best


def _read_csv(path: Path, expected: Expected) -> RawSheet:
    import pyarrow as pa
    from pyarrow import csv

    decoded = decode(path)
    quotes = decoded.utf8.count(b'"')
    if quotes % 2:
        raise IngestError(
            stop(
                "ING004",
                path.name,
                "a quotation mark is never closed, so that lines would vanish into one cell; correct it and save again",
            )
        )
    delimiter, rows, header = _laid_out(path, decoded.text, expected)
    names = [f"c{i}" for i in range(len(header.columns))]
    odd: dict[int, str] = {}

    def skip(row: Any) -> str:
        odd[row.number] = row.text
        return "skip"

    try:
        table = csv.read_csv(
            pa.py_buffer(decoded.utf8),
            read_options=csv.ReadOptions(use_threads=False, column_names=names),  # the header is read as a row: it may repeat names
            parse_options=csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip, ignore_empty_lines=False
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )
    except pa.ArrowInvalid:
        # the engine's own message quotes the offending row
        raise IngestError(
            stop("ING004", path.name, "it cannot be read as csv: quotes or line ends are damaged; save it again")
        ) from None
    end = header.first + header.depth
    numbers = [n for n in range(1, table.num_rows + len(odd) + 1) if n not in odd]
    below = sum(1 for n in numbers[: end + 1] if n <= end)
    columns = [table[name].slice(below).combine_chunks() for name in names]
    numbers = numbers[below:]
    swallowed: list[int] = []
    if quotes:
        columns, numbers, swallowed = _without_joined_rows(columns, numbers, delimiter=delimiter)
    notices = [Notice("ING027", decoded.encoding, 1)] if decoded.encoding != "utf-8" else []
    notices += [Notice("ING028", {"\t": "tab", ";": "semicolon"}[delimiter], 1)] if delimiter != "," else []
    epoch = expected.mapping.date_epoch if expected.mapping else None
    sheet = assembled(
        columns,
        numbers,
        origin=Origin(path.name, "", header, expected, above=rows[: header.first], epoch=epoch),
        notices=notices,
        malformed={n: _cells(text, delimiter) for n, text in odd.items() if n > end},
    )
    return replace(sheet, malformed_rows=tuple(sorted((*sheet.malformed_rows, *swallowed))))


def _cells(record: str, delimiter: str) -> list[str]:
    import csv
    import io

    return next(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter), [])


def _without_joined_rows(columns: list[Any], numbers: list[int], *, delimiter: str) -> tuple[list[Any], list[int], list[int]]:
    """Set aside records with a cell that holds a whole row: a stray quotation mark has joined lines into it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    joined = pa.array([False] * len(numbers), pa.bool_())
    for column in columns:
        lines = pc.match_substring(column, "\n")
        if not pc.any(lines).as_py():
            continue
        whole = pc.greater_equal(pc.count_substring(column, delimiter), max(1, len(columns) - 1))
        joined = pc.or_(joined, pc.fill_null(pc.and_(lines, whole), fill_value=False))
    bad = joined.to_pylist()
    swallowed = [n for n, is_bad in zip(numbers, bad, strict=True) if is_bad]
    if not swallowed:
        return columns, numbers, []
    keep = pc.invert(joined)
    return [c.filter(keep) for c in columns], [n for n, is_bad in zip(numbers, bad, strict=True) if not is_bad], swallowed


def _read_parquet(path: Path, expected: Expected) -> RawSheet:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
    except (pa.ArrowException, OSError) as error:
        raise IngestError(stop("ING004", path.name, f"it cannot be read as Parquet ({type(error).__name__})")) from None
    return sheet_of_table(table, file=path.name, expected=expected)


def sheet_of_table(table: Any, *, file: str, expected: Expected) -> RawSheet:
    """A typed Arrow table (Parquet, or the answer to a query) as a sheet; row 1 is its first row.

    Raises
    ------
    IngestError
        None of its columns is known, or one holds lists or structures.
    """
    header = find_header([list(table.column_names)], expected.known)
    if header is None:
        raise IngestError(no_header(file, expected))
    columns = [
        _as_text(table.column(c.position), kind=expected.type_of(c), where=f"{file}, column {c.name}") for c in header.columns
    ]
    numbers = range(1, table.num_rows + 1)
    sheet = assembled(columns, numbers, origin=Origin(file, "", header, expected, typed=True))
    return replace(sheet, n_header=0)


def _as_text(column: Any, *, kind: str, where: str) -> Any:
    """A typed column as text: days as ISO days, whole floats without `.0`, identifiers that are numbers as marks."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    column = column.dictionary_decode() if pt.is_dictionary(column.type) else column
    if pt.is_string(column.type) or pt.is_large_string(column.type):
        return column.cast(pa.string())
    if kind == "identifier" and not pt.is_null(column.type):
        return pc.if_else(pc.is_valid(column), pa.scalar(mark("ING015")), pa.scalar(None, pa.string()))
    if pt.is_boolean(column.type):
        return pc.if_else(column, pa.scalar("是"), pa.scalar("否"))
    if pt.is_temporal(column.type) and not pt.is_time(column.type) and not pt.is_duration(column.type):
        return pc.strftime(column.cast(pa.timestamp("us")), format="%Y-%m-%d")
    if pt.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
        return pc.replace_substring_regex(column.cast(pa.decimal128(30, 6)).cast(pa.string()), r"\.?0+$", "")
    if pt.is_integer(column.type) or pt.is_decimal(column.type) or pt.is_null(column.type):
        return column.cast(pa.string())
    raise IngestError(stop("ING003", where, f"values of type {column.type} are not read"))
