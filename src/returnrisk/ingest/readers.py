"""Files to tables of text: csv (UTF-8 with or without mark, GB18030) and xlsx, each row with its number in the file.

Nothing is interpreted here but the cell's own type: a date cell becomes `YYYY-MM-DD`, a whole number loses its `.0`. A number in a
column of identity numbers is marked, because its last digits are already lost (TRAPS: an 18-digit number does not fit a float).
"""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from returnrisk.errors import IngestError

NUMBER_IN_IDENTIFIER = "\x00number"
"""What a numeric cell of an identifier column is replaced by; no pattern accepts it."""

READABLE = (".csv", ".xlsx")


@dataclass(frozen=True, slots=True)
class RawSheet:
    """One sheet (a csv is one sheet) as text.

    `table` has one string column per header and `row_number`, the record's number in the file counting the header as 1.
    `malformed_rows` are records with another number of cells than the header, or with lines joined by a stray quotation mark; they
    are not in `table`.
    """

    file: str
    sheet: str
    table: Any
    headers: tuple[str, ...]
    malformed_rows: tuple[int, ...]
    n_blank: int


def read_file(path: Path, *, identifier_headers: Iterable[str]) -> list[RawSheet]:
    """Read one csv or xlsx file.

    Raises
    ------
    IngestError
        The file is empty, of an unknown kind, damaged, or in an encoding that is none of the three.
    """
    if path.suffix.lower() == ".csv":
        return [_read_csv(path)]
    if path.suffix.lower() == ".xlsx":
        return _read_xlsx(path, identifiers=frozenset(identifier_headers))
    raise IngestError(f"{path.name}: files of kind '{path.suffix}' are not read; expected one of {', '.join(READABLE)}")


def _decode(path: Path) -> str:
    content = path.read_bytes()
    if not content.strip():
        raise IngestError(f"{path.name} is empty: a delivered file needs at least its header")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise IngestError(f"{path.name} is neither UTF-8 nor GB18030: save it again as CSV UTF-8")


def _read_csv(path: Path) -> RawSheet:
    import csv as plain_csv
    import io

    import pyarrow as pa
    from pyarrow import csv

    text = _decode(path)
    if text.count('"') % 2:
        raise IngestError(
            f"{path.name}: a quotation mark is never closed, so that lines would vanish into one cell; correct it and save again"
        )
    header = [h.strip() for h in next(plain_csv.reader(io.StringIO(text, newline="")), [])]
    names = [f"c{i}" for i in range(len(header))]
    malformed: list[int] = []

    def skip(row: Any) -> str:
        malformed.append(row.number)
        return "skip"

    try:
        table = csv.read_csv(
            pa.py_buffer(text.encode()),
            read_options=csv.ReadOptions(use_threads=False, column_names=names),  # the header is read as a row: it may repeat names
            parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )
    except pa.ArrowInvalid:
        # the engine's own message quotes the offending row
        raise IngestError(f"{path.name} cannot be read as csv: quotes or line ends are damaged; save it again") from None
    numbers = sorted(set(range(1, table.num_rows + len(malformed) + 1)) - set(malformed))[1:]
    kept, columns = _headed_columns(header, [table[name].slice(1) for name in names], where=path.name)
    columns, numbers, swallowed = _without_joined_rows(columns, numbers)
    malformed += swallowed
    return _sheet(path.name, "", pa.table(dict(zip(kept, columns, strict=True))), kept, numbers, tuple(malformed))


def _without_joined_rows(columns: list[Any], numbers: list[int]) -> tuple[list[Any], list[int], list[int]]:
    """Set aside records with a cell that holds a line break and a comma: a stray quotation mark has joined lines into it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    joined = pa.array([False] * len(numbers), pa.bool_())
    for column in columns:
        both = pc.and_(pc.match_substring(column, "\n"), pc.match_substring(column, ","))
        joined = pc.or_(joined, pc.fill_null(both.combine_chunks() if hasattr(both, "combine_chunks") else both, fill_value=False))
    bad = joined.to_pylist()
    swallowed = [n for n, is_bad in zip(numbers, bad, strict=True) if is_bad]
    if not swallowed:
        return columns, numbers, []
    keep = pc.invert(joined)
    return [c.filter(keep) for c in columns], [n for n, is_bad in zip(numbers, bad, strict=True) if not is_bad], swallowed


def _headed_columns(header: list[str], columns: list[Any], *, where: str) -> tuple[tuple[str, ...], list[Any]]:
    """Columns under their headers; one without a header is ignored when it is empty.

    Raises
    ------
    IngestError
        The first row is no header of distinct names. It may be data, so no cell of it is shown.
    """
    named = [i for i, h in enumerate(header) if h]
    stray = [i for i, h in enumerate(header) if not h and columns[i].null_count < len(columns[i])]
    kept = tuple(header[i] for i in named)
    if not kept or stray or len(set(kept)) != len(kept):
        raise IngestError(
            f"{where}: the first row is not a header of distinct names over {len(header)} columns; put the column names there and "
            f"nothing above"
        )
    return kept, [columns[i] for i in named]


def _read_xlsx(path: Path, *, identifiers: frozenset[str]) -> list[RawSheet]:
    import pyarrow as pa
    from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

    try:
        book = CalamineWorkbook.from_path(str(path))
        visible = [m.name for m in book.sheets_metadata if m.visible == SheetVisibleEnum.Visible]
        contents = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in visible}
    except (CalamineError, OSError, ValueError) as error:
        raise IngestError(f"{path.name} cannot be read as xlsx ({type(error).__name__}): open it and save it again") from error
    _restore_error_cells(path, contents)
    sheets = []
    for name, rows in contents.items():
        if not any(any(cell != "" for cell in row) for row in rows):
            continue
        identity = [str(cell).strip() in identifiers for cell in rows[0]]
        columns = [pa.array([_cell_text(row[i], identity[i]) for row in rows[1:]], pa.string()) for i in range(len(rows[0]))]
        kept, named = _headed_columns([str(cell).strip() for cell in rows[0]], columns, where=f"{path.name}, sheet {name}")
        table = pa.table(dict(zip(kept, named, strict=True)))
        sheets.append(_sheet(path.name, name, table, kept, range(2, len(rows) + 1), ()))
    if not sheets:
        raise IngestError(f"{path.name} holds no visible sheet with content")
    return sheets


def _restore_error_cells(path: Path, contents: dict[str, list[list[Any]]]) -> None:
    """Put `#DIV/0!` and the like back, which the reader gives as empty: a failed formula is not a blank cell."""
    import re
    import zipfile

    with zipfile.ZipFile(path) as package:
        parts = set(package.namelist())
        if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= parts:
            return  # laid out otherwise than office programs do; the reader made sense of it, we have nothing to add
        book = package.read("xl/workbook.xml").decode()
        links = package.read("xl/_rels/workbook.xml.rels").decode()
        for tag in re.findall(r"<sheet [^>]*>", book):
            name, link = (re.search(pattern, tag) for pattern in (r'\bname="([^"]*)"', r'r:id="([^"]*)"'))
            target = link and re.search(rf'<Relationship [^>]*Id="{re.escape(link[1])}"[^>]*>', links)
            part = target and re.search(r'Target="/?(?:xl/)?([^"]*)"', target[0])
            rows = contents.get(html.unescape(name[1])) if name else None
            if not part or rows is None or f"xl/{part[1]}" not in parts:
                continue
            sheet = package.read(f"xl/{part[1]}").decode()
            for column, row, error in re.findall(r'<c r="([A-Z]+)(\d+)"[^>]*\bt="e"[^>]*>.*?<v>([^<]*)</v>', sheet):
                i, j = int(row) - 1, sum((ord(letter) - 64) * 26**k for k, letter in enumerate(reversed(column))) - 1
                if i < len(rows) and j < len(rows[i]):
                    rows[i][j] = error


def _cell_text(cell: Any, is_identifier: bool) -> str | None:  # noqa: FBT001
    if cell == "" or cell is None:
        return None
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, dt.datetime | dt.date):
        return cell.isoformat()[:10]
    if is_identifier:
        return NUMBER_IN_IDENTIFIER
    if isinstance(cell, int | float):
        # a spreadsheet's 0.1 + 0.2 is 0.30000000000000004: six decimals are more than any field keeps
        return str(int(cell)) if float(cell).is_integer() else f"{cell:.6f}".rstrip("0").rstrip(".")
    return str(cell)  # a time of day or a duration: read as text, refused by its field


def _sheet(
    file: str, sheet: str, table: Any, headers: tuple[str, ...], numbers: Iterable[int], malformed: tuple[int, ...]
) -> RawSheet:
    """Trim cells, number the rows, drop the blank ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {}
    for header in headers:
        trimmed = pc.utf8_trim(table[header], characters=" \t\r\n\u3000\u00a0\ufeff")
        columns[header] = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
    filled = pa.array([False] * table.num_rows, pa.bool_())
    for column in columns.values():
        filled = pc.or_(filled, pc.is_valid(column))
    numbered = pa.table({**columns, "row_number": pa.array(list(numbers), pa.int64())}).filter(filled)
    return RawSheet(file, sheet, numbered, headers, malformed, table.num_rows - numbered.num_rows)
