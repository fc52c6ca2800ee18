"""A soiled sheet to the bytes of a file: csv through Arrow, workbooks through XlsxWriter. The same sheet gives the same bytes."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from returnrisk.simulate.messy.sheet import SECOND_SHEET, Cell, Formula, Sheet

_CREATED = dt.datetime(2020, 1, 1)  # noqa: DTZ001 (a fixed property, so that the same data give the same bytes)


def write_sheet(sheet: Sheet, folder: Path) -> Path:
    """Write the file and say where."""
    path = folder / sheet.name
    path.parent.mkdir(parents=True, exist_ok=True)
    if sheet.is_workbook:
        _write_workbook(sheet, path)
    else:
        path.write_bytes(_csv_bytes(sheet))
    return path


def _clean_texts(sheet: Sheet, header: str) -> Any:
    """A clean column as the csv shows it (Arrow strings), in the unit of the layout."""
    import pyarrow as pa

    array = pa.Array.from_pandas(sheet.frame[header])
    if pa.types.is_floating(array.type):
        array = array.cast(pa.decimal128(18, 2))
    array = array.cast(pa.string())
    if factor := sheet.layout.factors.get(header):
        texts = [None if text is None else f"{(Decimal(text) / factor).normalize():f}" for text in array.to_pylist()]
        array = pa.array(texts, pa.string())
    return array


def _texts(sheet: Sheet, header: str, lines: Any) -> Any:
    """A column of the file as Arrow strings: clean cells, soiled ones, those of added rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if header in sheet.layout.extra_columns:
        column = pa.array([None if v is None else str(v) for v in sheet.layout.extra_columns[header]], pa.string())
    else:
        column = _clean_texts(sheet, header)
    source = column
    if patches := sheet.patches.get(header):
        mask = np.zeros(len(column), dtype=bool)
        mask[sorted(patches)] = True
        column = pc.replace_with_mask(column, pa.array(mask), pa.array([_shown(patches[r]) for r in sorted(patches)], pa.string()))
    if not len(lines) or lines.min() >= 0:
        return (
            column if len(lines) == len(column) and np.array_equal(lines, np.arange(len(column))) else column.take(pa.array(lines))
        )
    added = [
        _shown(e.cells[header]) if header in e.cells else source[e.source].as_py() if e.source >= 0 else None for e in sheet.extras
    ]
    whole = pa.concat_arrays(
        [column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column, pa.array(added, pa.string())]
    )
    return whole.take(pa.array(np.where(lines >= 0, lines, len(column) - 1 - lines)))


def _shown(cell: Cell) -> str | None:
    if isinstance(cell, Formula):
        return str(cell.value)
    return None if cell is None else str(cell)


def _headings(sheet: Sheet) -> list[list[str]]:
    """The header's rows: one, or parents (each in the first column of its span) above leaves."""
    layout = sheet.layout
    titles = [layout.titles.get(h, h) for h in layout.columns]
    if not layout.parents:
        return [titles]
    top, below = [], []
    before = None
    for header, title in zip(layout.columns, titles, strict=True):
        parent = layout.parents.get(header)
        top.append(title if parent is None else "" if parent == before else parent)
        below.append("" if parent is None else title)
        before = parent
    return [top, below]


def _csv_bytes(sheet: Sheet) -> bytes:
    import pyarrow as pa
    import pyarrow.csv as pc

    lines, layout = sheet.lines(), sheet.layout
    columns = [_texts(sheet, header, lines) for header in layout.columns]
    sink = io.BytesIO()
    options = pc.WriteOptions(include_header=False, quoting_style="needed", delimiter=layout.delimiter)
    pc.write_csv(pa.Table.from_arrays(columns, names=[str(i) for i in range(len(columns))]), sink, options)
    body = sink.getvalue().decode("utf-8")
    if layout.more_cells:
        records = _records(body)
        for place in np.flatnonzero(np.isin(lines, sorted(layout.more_cells))).tolist():
            records[place] += "".join(layout.delimiter + cell for cell in layout.more_cells[int(lines[place])])
        body = "\n".join(records)
    top = io.StringIO()
    writer = csv.writer(top, delimiter=layout.delimiter, lineterminator="\n")
    for row in layout.above:
        writer.writerow([*row, *[""] * (len(columns) - len(row))])
    writer.writerows(_headings(sheet))
    text = top.getvalue() + body + "\n" * layout.empty_lines
    return _encoded(text.replace("\n", layout.line_end), layout.encoding)


def _records(body: str) -> list[str]:
    """Lines of a csv, those joined that a quoted cell runs over."""
    records: list[str] = []
    is_open = False
    for line in body.split("\n"):
        if is_open:
            records[-1] += f"\n{line}"
        else:
            records.append(line)
        is_open ^= line.count('"') % 2 == 1
    return records


def _encoded(text: str, encoding: str) -> bytes:
    return b"\xfe\xff" + text.encode(encoding) if encoding == "utf-16-be" else text.encode(encoding)


def _write_workbook(sheet: Sheet, path: Path) -> None:
    import xlsxwriter

    layout = sheet.layout
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "date_1904": layout.date_1904}
    with xlsxwriter.Workbook(str(path), options) as book:
        book.set_properties({"created": _CREATED})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for name, rows in layout.note_sheets.items():
            _write_rows(book.add_worksheet(name), rows)
        page = book.add_worksheet(sheet.sheet_name)
        page.activate()
        pages = {sheet.sheet_name: page}
        if layout.second_sheet_at:
            pages[SECOND_SHEET] = book.add_worksheet(SECOND_SHEET)
        for name, rows in layout.hidden_sheets.items():
            hidden = book.add_worksheet(name)
            _write_rows(hidden, rows)
            hidden.hide()
        for i, row in enumerate(layout.above):
            page.write_string(i, 0, row[0])
        for name, own in pages.items():
            _write_headings(sheet, own, first=len(layout.above) if name == sheet.sheet_name else 0)
        lines = sheet.lines()
        places = [(pages[name], number - 1) for name, number in sheet.places(lines)]
        for j, header in enumerate(layout.columns):
            for (own, i), cell in zip(places, _cells(sheet, header, lines), strict=True):
                _write_cell(own, (i, j), cell, day=day)
        for line in np.flatnonzero(np.isin(lines, layout.hidden_rows)).tolist():
            own, i = places[line]
            own.set_row(i, None, None, {"hidden": True})
        _merge(sheet, page, lines)


def _write_cell(page: Any, at: tuple[int, int], cell: Cell | dt.date, *, day: Any) -> None:
    if isinstance(cell, str):
        page.write_string(*at, cell)
    elif isinstance(cell, dt.date):
        page.write_datetime(*at, cell, day)
    elif isinstance(cell, Formula):
        page.write_formula(*at, cell.expression, None, cell.value)
    elif cell is not None:
        page.write_number(*at, cell)


def _write_rows(page: Any, rows: list[list[Cell]]) -> None:
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            if cell not in (None, ""):
                page.write_string(i, j, str(cell))


def _write_headings(sheet: Sheet, page: Any, *, first: int) -> None:
    headings = _headings(sheet)
    for i, row in enumerate(headings, start=first):
        page.write_row(i, 0, row)
    if len(headings) == 1:
        return
    top, below = headings
    for j, title in enumerate(top):
        if title and not below[j]:
            page.merge_range(first, j, first + 1, j, title)
        elif title:
            last = j
            while last + 1 < len(top) and not top[last + 1] and below[last + 1]:
                last += 1
            if last > j:
                page.merge_range(first, j, first, last, title)


def _cells(sheet: Sheet, header: str, lines: Any) -> Iterator[Cell | dt.date]:
    """A column of the workbook: numbers as numbers, days as days where the layout says so, everything else as text."""
    texts = _texts(sheet, header, lines).to_pylist()
    patches = sheet.patches.get(header, {})
    numeric = header in sheet.frame and sheet.frame[header].dtype.kind in "fi"
    for line, text in zip(lines.tolist(), texts, strict=True):
        own = patches.get(line) if line >= 0 else sheet.extras[-1 - line].cells.get(header)
        if text in (None, ""):
            yield None
        elif own is not None:
            yield own
        elif numeric:
            yield float(text)
        elif header in sheet.layout.date_columns and (line >= 0 or sheet.extras[-1 - line].source >= 0):
            yield dt.date.fromisoformat(text if text.count("-") > 1 else f"{text}-01")
        else:
            yield text


def _merge(sheet: Sheet, page: Any, lines: Any) -> None:
    place = {int(line): i for i, line in enumerate(lines)}
    for header, run in sheet.layout.merged:
        column = sheet.layout.columns.index(header)
        first, last = place[run[0]] + sheet.n_above, place[run[-1]] + sheet.n_above
        value = sheet.text(run[0], header)
        page.merge_range(first, column, last, column, "")
        if sheet.frame[header].dtype.kind in "fi":
            page.write_number(first, column, float(str(value)))
        else:
            page.write_string(first, column, str(value))
