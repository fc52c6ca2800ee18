"""Workbooks (xlsx, xls) to sheets of text: cell types kept apart, merged cells filled down, hidden sheets named and left alone."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from returnrisk.errors import IngestError
from returnrisk.ingest.codes import stop
from returnrisk.ingest.header_rows import LOOKED_AT, FoundHeader, find_header
from returnrisk.ingest.old_workbooks import read_old_workbook
from returnrisk.ingest.sheets import Expected, Notice, Origin, RawSheet, assembled, no_header
from returnrisk.ingest.spelling import ROWS_SHOWN, mark, serial_date

Rows = list[list[Any]]
Merged = Sequence[tuple[tuple[int, int], tuple[int, int]]]
NOT_COMPUTED = "#FORMULA"
_FORMULA_WITHOUT_VALUE = r'<c r="([A-Z]+)(\d+)"(?![^>]*\bt="str")[^>]*><f(?:\s[^>]*)?(?:/>|>[^<]*</f>)(?:<v\s*/>|<v></v>)?</c>'
FEW_CELLS = 2
"""A sheet none of whose rows has more filled cells than this explains something: it is no table."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Rows and columns of a sheet that are not shown, counted from 0."""

    rows: frozenset[int] = frozenset()
    columns: frozenset[int] = frozenset()


def read_workbook(path: Path, expected: Expected) -> list[RawSheet]:
    """All visible sheets of a workbook that hold the table.

    A hidden sheet is never read: offices hide what they no longer stand by. It is named in a notice with the number of its rows.
    Hidden rows and columns of a visible sheet are read, and counted in a notice.

    Raises
    ------
    IngestError
        Damaged or empty, or a visible sheet holds rows but no header that is known.
    """
    pages, hidden = _pages(path, expected)
    left_out = [Notice("ING026", name, n) for name in hidden if (n := _n_filled(pages[name].rows))]
    found: list[RawSheet] = []
    for name, page in pages.items():
        if name in hidden or not _n_filled(page.rows):
            continue
        is_meant = expected.mapping is None or expected.mapping.takes_sheet(name)
        sheet = _read_sheet(page, file=path.name, sheet=name, expected=expected) if is_meant else None
        if sheet is None:
            left_out.append(Notice("ING050", name, _n_filled(page.rows)))
        else:
            found.append(sheet)
    if not found:
        raise IngestError(stop("ING001", path.name, "it holds no visible sheet with content"))
    return [_with_notices(found[0], left_out), *found[1:]]


@dataclass(frozen=True, slots=True)
class _Page:
    """A sheet as it lies in the workbook, and the year that its date serials count from."""

    rows: Rows
    merged: Merged
    hidden: Hidden
    epoch: int | None


def _pages(path: Path, expected: Expected) -> tuple[dict[str, _Page], list[str]]:
    """Every sheet by its name, and the names of those that are hidden."""
    from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

    try:
        book = CalamineWorkbook.from_path(str(path))
        sheets = {m.name: book.get_sheet_by_name(m.name) for m in book.sheets_metadata}
        hidden = [m.name for m in book.sheets_metadata if m.visible != SheetVisibleEnum.Visible]
        contents: dict[str, Rows] = {name: sheet.to_python(skip_empty_area=False) for name, sheet in sheets.items()}
        merged: dict[str, Merged] = {name: sheet.merged_cell_ranges or () for name, sheet in sheets.items()}
    except (CalamineError, OSError, ValueError) as error:
        detail = f"it cannot be read as {path.suffix.lower()[1:]} ({type(error).__name__}): open it and save it again"
        raise IngestError(stop("ING004", path.name, detail)) from error
    epoch = None
    unseen: dict[str, Hidden] = {}
    if path.suffix.lower() != ".xls":
        epoch = _epoch(path)
        for name, text in _sheet_texts(path):
            if name in contents:
                _restore_error_cells(contents[name], text)
                unseen[name] = _hidden_in(text)
    elif old := read_old_workbook(path):
        epoch = old.epoch
        for rows, errors in zip(contents.values(), old.errors, strict=False):
            _put_back(rows, errors)
    epoch = epoch or (expected.mapping.date_epoch if expected.mapping else None)
    pages = {name: _Page(rows, merged[name], unseen.get(name, Hidden()), epoch) for name, rows in contents.items()}
    return pages, hidden


def _with_notices(sheet: RawSheet, more: list[Notice]) -> RawSheet:
    return replace(sheet, notices=(*sheet.notices, *more))


def _n_filled(rows: Rows) -> int:
    return sum(any(cell not in ("", None) for cell in row) for row in rows)


def _read_sheet(page: _Page, *, file: str, sheet: str, expected: Expected) -> RawSheet | None:
    """One sheet; None when it only explains."""
    import pyarrow as pa

    rows, merged, epoch = page.rows, page.merged, page.epoch
    top = [[_header_text(cell) for cell in row] for row in rows[:LOOKED_AT]]
    for (row, column), (last_row, last_column) in merged:
        for i in range(row, min(last_row + 1, len(top))):
            for j in range(column, min(last_column + 1, len(top[i]))):
                top[i][j] = top[row][column]
    header = find_header(top, expected.known, fixed=expected.fixed)
    if header is None:
        if max(sum(cell not in ("", None) for cell in row) for row in rows) <= FEW_CELLS:
            return None
        raise IngestError(no_header(f"{file}, sheet {sheet}", expected))
    above = [[_header_text(cell) for cell in row] for row in rows[: header.first]]
    end = header.first + header.depth
    kinds = [expected.type_of(c) for c in header.columns]
    body, notices = _filled_down(rows, merged, end=end, header=header, kinds=kinds)
    columns, serials = [], []
    for j, kind in enumerate(kinds):
        cells = [cell_text(row[j], kind, epoch) for row in body]
        columns.append(pa.array(cells, pa.string()))
        n = sum(isinstance(row[j], int | float) and _is_serial(row[j]) for row in body) if kind == "date" and epoch else 0
        serials += [Notice("ING039", header.columns[j].name, n)] if n else []
    numbers = range(end + 1, end + 1 + len(body))
    origin = Origin(file, sheet, header, expected, above=above, typed=True, epoch=epoch)
    return assembled(columns, numbers, origin=origin, notices=[*notices, *serials, *_read_all_the_same(page.hidden, body, header)])


def _filled_down(rows: Rows, merged: Merged, *, end: int, header: FoundHeader, kinds: Sequence[str]) -> tuple[Rows, list[Notice]]:
    """Rows below the header with cells merged over rows filled in.

    An amount merged over several rows belongs to all of them together: filling it down would invent money, so all are refused.
    """
    width = len(header.columns)
    body = [[*row, *[""] * (width - len(row))] for row in rows[end:]]
    filled: dict[str, int] = {}
    for (first, column), (last, _) in merged:
        if first < end or last == first or column >= width:
            continue
        value = body[first - end][column]
        if value in ("", None):
            continue
        refused = kinds[column] == "decimal(18,2)"
        for i in range(first - end, min(last + 1 - end, len(body))):
            body[i][column] = mark("ING048") if refused else value
        if not refused:
            name = header.columns[column].name
            filled[name] = filled.get(name, 0) + last - first
    return body, [Notice("ING031", name, n) for name, n in sorted(filled.items())]


def _header_text(cell: Any) -> str | None:
    text = "" if cell is None else str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
    return text.strip() or None


def _is_serial(cell: float) -> bool:
    return float(cell).is_integer() and 20_000 <= cell <= 80_000


def cell_text(cell: Any, kind: str, epoch: int | None) -> str | None:
    """A workbook's typed cell as the text a column of `kind` is read from; None for an empty one."""
    if cell == "" or cell is None:
        return None
    if isinstance(cell, str):
        return cell
    if kind == "identifier":  # also one that a spreadsheet took for a day
        return mark("ING015")
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, dt.datetime | dt.date):
        return cell.isoformat()[:10]
    if isinstance(cell, int | float):
        return _number_text(cell, kind, epoch)
    return str(cell)  # a time of day or a duration: read as text, refused by its field


def _number_text(cell: float, kind: str, epoch: int | None) -> str:
    if kind == "date":
        if _is_serial(cell):
            return serial_date(int(cell), epoch=epoch) if epoch else mark("ING047")
        if 1900 <= cell < 2200 and f"{cell:.2f}".endswith(".10"):
            return mark("ING046")  # as a number, 2023.1 and 2023.10 are the same
    # a spreadsheet's 0.1 + 0.2 is 0.30000000000000004: six decimals are more than any field keeps
    return str(int(cell)) if float(cell).is_integer() else f"{cell:.6f}".rstrip("0").rstrip(".")


def _epoch(path: Path) -> int:
    """The year that the workbook's date serials count from."""
    import re
    import zipfile

    try:
        with zipfile.ZipFile(path) as package:
            book = package.read("xl/workbook.xml").decode()
    except (KeyError, zipfile.BadZipFile, UnicodeDecodeError):
        return 1900
    return 1904 if re.search(r'<(?:\w+:)?workbookPr\b[^>]*\bdate1904="(1|true|on)"', book) else 1900


def _sheet_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Name and XML of each sheet, one after the other, where the package is laid out as office programs do."""
    import re
    import zipfile

    with zipfile.ZipFile(path) as package:
        parts = set(package.namelist())
        if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= parts:
            return  # laid out otherwise; the reader made sense of it, we have nothing to add
        book = package.read("xl/workbook.xml").decode()
        links = package.read("xl/_rels/workbook.xml.rels").decode()
        for tag in re.findall(r"<sheet [^>]*>", book):
            name, link = (re.search(pattern, tag) for pattern in (r'\bname="([^"]*)"', r'r:id="([^"]*)"'))
            target = link and re.search(rf'<Relationship [^>]*Id="{re.escape(link[1])}"[^>]*>', links)
            part = target and re.search(r'Target="/?(?:xl/)?([^"]*)"', target[0])
            if name and part and f"xl/{part[1]}" in parts:
                yield html.unescape(name[1]), package.read(f"xl/{part[1]}").decode()


def _restore_error_cells(rows: Rows, sheet: str) -> None:
    """Put `#DIV/0!` and the like back, which the reader gives as empty: a failed formula is not a blank cell.

    Nor is one that no program has computed yet.
    """
    import re

    errors = re.findall(r'<c r="([A-Z]+)(\d+)"[^>]*\bt="e"[^>]*>.*?<v>([^<]*)</v>', sheet)
    errors += [(column, row, NOT_COMPUTED) for column, row in re.findall(_FORMULA_WITHOUT_VALUE, sheet)]
    _put_back(rows, {(int(row) - 1, _column_number(column)): error for column, row, error in errors})


def _hidden_in(sheet: str) -> Hidden:
    import re

    if ' hidden="' not in sheet:
        return Hidden()
    is_hidden = re.compile(r'\shidden="(?:1|true|on)"')
    rows = [re.search(r'\sr="(\d+)"', tag) for tag in re.findall(r"<row\s[^>]*>", sheet) if is_hidden.search(tag)]
    columns: set[int] = set()
    for tag in re.findall(r"<col\s[^>]*>", sheet):
        first, last = (re.search(rf'\s{end}="(\d+)"', tag) for end in ("min", "max"))
        if is_hidden.search(tag) and first and last:
            columns.update(range(int(first[1]) - 1, int(last[1])))
    return Hidden(frozenset(int(r[1]) - 1 for r in rows if r), frozenset(columns))


def _read_all_the_same(hidden: Hidden, body: Rows, header: FoundHeader) -> list[Notice]:
    """Hidden rows with content and hidden columns of the table: a filter or a narrow screen hides them, they are data like the others."""
    end = header.first + header.depth
    rows = [end + i + 1 for i, row in enumerate(body) if end + i in hidden.rows and any(cell not in ("", None) for cell in row)]
    said = [Notice("ING053", "", len(rows), tuple(rows[:ROWS_SHOWN]))] if rows else []
    return said + [Notice("ING053", c.name, 1) for c in header.columns if c.position in hidden.columns and c.target]


def _column_number(letters: str) -> int:
    """0 for A, 26 for AA."""
    return sum((ord(letter) - 64) * int(26**k) for k, letter in enumerate(reversed(letters))) - 1


def _put_back(rows: Rows, errors: dict[tuple[int, int], str]) -> None:
    for (i, j), error in errors.items():
        if i < len(rows) and j < len(rows[i]):
            rows[i][j] = error
