"""Quarantined rows as a workbook that the office which sent them can correct and send back.

One workbook per table, one sheet per set of original columns, one line per quarantined row: where it stands, what is wrong with it,
then the row as it was sent under the original headers, wrong cells coloured. It is the only place where a quarantined row's cells are
written, it holds nothing but what the office itself sent, and it is for that office: the folder is open to its owner alone.

`corrections.py` reads the workbook back.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Contract
from returnrisk.errors import IngestError
from returnrisk.ingest.accounting import ReadSheet
from returnrisk.ingest.headers import HeaderMap
from returnrisk.ingest.sheets import RawSheet
from returnrisk.ingest.spelling import MARK
from returnrisk.store.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

SHEET_PREFIX = "隔离更正"
"""Every sheet to be corrected is called so, with a number; a workbook with such a sheet is a correction, whatever its name."""
FRONT_HEADERS = ("来源文件", "来源工作表", "来源行号", "问题代码", "问题说明", "问题字段", "回执码")
"""Our own columns, before the original ones; the last is hidden and ties the line to its row (see `receipt`)."""
NOTE_HEADER = "更正说明"
"""Our own column after the original ones, for the office."""
WITHDRAW = "作废"
"""Written by the office into the note: the row is not meant to be there at all."""
FILE_PREFIX = "隔离更正单"
LONGEST_CELL = 32_767
ROWS_PER_SHEET = 500_000
_TITLE = "隔离更正单　{label}　（{office}）"
_ADVICE = (
    "请在原列中直接更正（有底色的是有问题的单元格），前七列不要改动；不应存在的行请在最后一列“更正说明”填“作废”。保存后把本文件放回 inbox 文件夹，再次运行 "
    "returnrisk ingest。未改动的行仍为隔离。  Correct the coloured cells in place, leave the first seven columns alone; write 作废 in the last "
    "column for a row that should not exist. Put the saved file back into the inbox and run `returnrisk ingest` again."
)
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """One row as it was last sent, and why it is not accepted.

    `row_number` counts as in the accounting; `cells` stand under the sheet's headers (all None for a row that could not be cut into
    cells); `wrong` are positions in `cells`; `reasons` are (code, Chinese text, field as the office calls it); `attempt` is 1 where
    no correction was applied yet.
    """

    row_number: int
    cells: tuple[str | None, ...]
    reasons: tuple[tuple[str, str, str], ...]
    wrong: frozenset[int]
    attempt: int


@dataclass(frozen=True, slots=True)
class QuarantinedSheet:
    """The quarantined rows of one sheet of one file, in the order of their numbers."""

    table_name: str
    label_zh: str
    office: str
    file: str
    sheet: str
    sha256: str
    headers: tuple[str, ...]
    rows: tuple[QuarantinedRow, ...]


def receipt(sha256: str, *, sheet: str, row_number: int, attempt: int) -> str:
    """What ties a line of a workbook to one row of one file's content: given only to rows that were quarantined.

    Examples
    --------
    >>> receipt("ab" * 32, sheet="", row_number=7, attempt=1)
    '1.abababababab.096d33cf'
    """
    check = hashlib.sha256(f"{attempt}\x1f{sha256}\x1f{sheet}\x1f{row_number}".encode()).hexdigest()
    return f"{attempt}.{sha256[:12]}.{check[:8]}"


def shown(cell: str | None) -> str:
    r"""A cell as the workbook shows it: one that could not be kept (an identity number stored as a number) is left blank.

    Examples
    --------
    >>> shown(" 张\x01三 "), shown(None), shown(MARK + "ING015")
    (' 张三 ', '', '')
    """
    if cell is None or cell.startswith(MARK):
        return ""
    return _FORBIDDEN.sub("", cell)[:LONGEST_CELL]


def quarantined_sheet(contract: Contract, sheet: ReadSheet, *, reasons: Iterable[Mapping[str, Any]]) -> QuarantinedSheet:
    """The rows of one sheet that `reasons` name, with the cells they were sent with.

    Parameters
    ----------
    contract
        Of the table the sheet was read as.
    sheet
        As it entered the checks, corrections applied.
    reasons
        Rows of the quarantine accounting; those of other sheets are passed over.
    """
    raw = sheet.raw
    by_row: dict[int, list[Mapping[str, Any]]] = {}
    for reason in reasons:
        if (reason["file"], reason["sheet"]) == (raw.file, raw.sheet):
            by_row.setdefault(int(reason["row_number"]), []).append(reason)
    cells = cells_of(raw, by_row)
    columns = _columns_of_fields(sheet.headers, raw.headers)
    blank = (None,) * len(raw.headers)
    rows = []
    for number in sorted(by_row):
        found = by_row[number]
        places = {str(r["field"]): sorted(i for f in str(r["field"]).split(",") for i in columns.get(f, ())) for r in found}
        found = sorted(found, key=lambda r: (places[str(r["field"])] or [len(blank)], str(r["code"]), str(r["field"])))
        rows.append(
            QuarantinedRow(
                row_number=number,
                cells=cells.get(number, blank),
                reasons=tuple((str(r["code"]), str(r["text_zh"]), _said(contract, raw, str(r["field"]), places)) for r in found),
                wrong=frozenset(i for where in places.values() for i in where),
                attempt=sheet.attempts.get(number, 0) + 1,
            )
        )
    return QuarantinedSheet(
        contract.name, contract.label_zh, contract.office, raw.file, raw.sheet, sheet.sha256, raw.headers, tuple(rows)
    )


def cells_of(raw: RawSheet, numbers: Iterable[int]) -> dict[int, tuple[str | None, ...]]:
    """Cells under the sheet's headers by row number; rows that could not be cut into cells are not there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = raw.table.filter(pc.is_in(raw.table["row_number"], value_set=pa.array(sorted(numbers), pa.int64())))
    columns = [wanted[h].to_pylist() for h in raw.headers]
    return dict(zip(wanted["row_number"].to_pylist(), zip(*columns, strict=True), strict=True))


def _columns_of_fields(headers: HeaderMap, names: tuple[str, ...]) -> dict[str, list[int]]:
    """Positions of a field's columns; a wide column goes by its own header."""
    places: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        for field in {headers.fields.get(name), name if name in headers.wide else None} - {None}:
            places.setdefault(str(field), []).append(i)
    return places


def _said(contract: Contract, raw: RawSheet, field: str, places: Mapping[str, list[int]]) -> str:
    """A field as the office calls it: its own header, else the contract's label."""
    if places[field]:
        return "、".join(raw.headers[i] for i in places[field])
    labels = {f.name: f.label_zh for f in contract.fields}
    return "、".join(labels.get(f, f) for f in field.split(",") if f)


def write_quarantine_workbooks(sheets: Sequence[QuarantinedSheet], folder: Path) -> list[Path]:
    """Write one workbook per table into `folder`, and remove those of earlier runs.

    Parameters
    ----------
    sheets
        Of all tables; sheets without rows are passed over.
    folder
        Made if it does not exist, and closed to everyone but its owner (no effect on Windows).

    Returns
    -------
    list of Path
        By name. The name ends in a digest of the content, so that a later round never overwrites an earlier one in the inbox. The
        same rows give the same bytes.

    Raises
    ------
    IngestError
        A cell could not be written whole.
    OSError
        The folder cannot be written or the disk is full; workbooks already there stay.
    """
    by_table: dict[str, list[QuarantinedSheet]] = {}
    for sheet in sorted((s for s in sheets if s.rows), key=lambda s: (s.file, s.sheet)):
        by_table.setdefault(sheet.table_name, []).append(sheet)
    if by_table:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    written = []
    for name in sorted(by_table):
        content = by_table[name]
        data = workbook_bytes(content)
        path = folder / workbook_name(content)
        written.append(write_atomically(path, lambda p, data=data: _write_closed(p, data)))  # type: ignore[misc]
    for stale in set(folder.glob(f"{FILE_PREFIX}_*.xlsx")) - set(written):
        stale.unlink()
    return sorted(written)


def workbooks_stand(quarantine: pd.DataFrame, folder: Path) -> bool:
    """Whether the workbooks of these quarantined rows are still where they were written."""
    return len(list(folder.glob(f"{FILE_PREFIX}_*.xlsx"))) == quarantine["table_name"].nunique()


def workbook_name(content: Sequence[QuarantinedSheet]) -> str:
    """File name of one table's workbook: office, table, digest of what is in it."""
    digest = hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return re.sub(r'[\\/:*?"<>|\s]', "_", f"{FILE_PREFIX}_{content[0].office}_{content[0].label_zh}_{digest}.xlsx")


def _write_closed(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)


def workbook_bytes(content: Sequence[QuarantinedSheet]) -> bytes:
    """The workbook of one table; its created date is fixed, never the clock's."""
    import xlsxwriter

    stream = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    title = _TITLE.format(label=content[0].label_zh, office=content[0].office)
    with xlsxwriter.Workbook(stream, options) as book:
        book.set_properties({"title": title, "author": "returnrisk", "created": dt.datetime(2000, 1, 1, tzinfo=dt.UTC)})
        formats = _formats(book)
        for i, (headers, lines) in enumerate(_pages(content), start=1):
            _write_page(book.add_worksheet(f"{SHEET_PREFIX}{i}"), headers, lines, title=title, formats=formats)
    return stream.getvalue()


def _pages(content: Sequence[QuarantinedSheet]) -> Iterator[tuple[tuple[str, ...], list[tuple[QuarantinedSheet, QuarantinedRow]]]]:
    """Lines of the same original columns together, never more than a sheet holds."""
    by_headers: dict[tuple[str, ...], list[tuple[QuarantinedSheet, QuarantinedRow]]] = {}
    for sheet in content:
        by_headers.setdefault(sheet.headers, []).extend((sheet, row) for row in sheet.rows)
    for headers in sorted(by_headers):
        lines = by_headers[headers]
        for start in range(0, len(lines), ROWS_PER_SHEET):
            yield headers, lines[start : start + ROWS_PER_SHEET]


def _formats(book: Any) -> dict[str, Any]:
    cell = {
        "font_name": "Microsoft YaHei",
        "font_size": 10,
        "valign": "top",
        "border": 1,
        "border_color": "#BFBFBF",
        "num_format": "@",
    }
    shapes = {
        "title": {"font_name": "Microsoft YaHei", "font_size": 14, "bold": True},
        "advice": {"font_name": "Microsoft YaHei", "font_size": 9, "text_wrap": True, "valign": "top"},
        "header": cell | {"bold": True, "bg_color": "#DCE6F1", "text_wrap": True},
        "front": cell | {"bg_color": "#F2F2F2", "text_wrap": True},
        "cell": cell,
        "wrong": cell | {"bg_color": "#FFD9B3", "bold": True},
    }
    return {name: book.add_format(shape) for name, shape in shapes.items()}


def _write_page(
    page: Any,
    headers: tuple[str, ...],
    lines: list[tuple[QuarantinedSheet, QuarantinedRow]],
    *,
    title: str,
    formats: Mapping[str, Any],
) -> None:
    """Title, advice, header, one line per row; every cell is text, so that a corrected identity number stays one."""

    def put(row: int, column: int, value: str, shape: str) -> None:
        # XlsxWriter shortens or skips what it cannot hold and only its return code says so
        code = (
            page.write_string(row, column, value, formats[shape]) if value else page.write_blank(row, column, None, formats[shape])
        )
        if code:
            raise IngestError(
                f"line {row + 1}, column {column + 1} of the quarantine workbook cannot be written; nothing was put in place"
            )

    n_front, last = len(FRONT_HEADERS), len(FRONT_HEADERS) + len(headers)
    put(0, 0, title, "title")
    page.merge_range(1, 0, 1, min(last, 12), _ADVICE, formats["advice"])
    page.set_row(1, 44)
    for column, header in enumerate((*FRONT_HEADERS, *headers, NOTE_HEADER)):
        put(2, column, shown(header), "header")
    for line, (sheet, row) in enumerate(lines, start=3):
        for column, value in enumerate(_front(sheet, row)):
            put(line, column, shown(value), "front")
        for i, cell in enumerate(row.cells):
            put(line, n_front + i, shown(cell), "wrong" if i in row.wrong else "cell")
        put(line, last, "", "cell")
    for column, width in enumerate((22, 10, 8, 9, 30, 16)):
        page.set_column(column, column, width)
    page.set_column(n_front - 1, n_front - 1, 12, None, {"hidden": True})
    page.set_column(n_front, last - 1, 18, formats["cell"])  # also new lines are text
    page.set_column(last, last, 24, formats["cell"])
    page.freeze_panes(3, 3)


def _front(sheet: QuarantinedSheet, row: QuarantinedRow) -> tuple[str, ...]:
    codes, texts, fields = (list(dict.fromkeys(part)) for part in zip(*row.reasons, strict=True))
    token = receipt(sheet.sha256, sheet=sheet.sheet, row_number=row.row_number, attempt=row.attempt)
    return (
        sheet.file,
        sheet.sheet,
        str(row.row_number),
        "；".join(codes),
        "；".join(texts),
        "；".join(f for f in fields if f),
        token,
    )
