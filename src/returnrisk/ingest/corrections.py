"""Corrected quarantine workbooks back in: a corrected row stands in place of the quarantined one, in its own file and number.

A line is tied to its row by the receipt the workbook was written with (content of the file, sheet, row number, round), so that a line
for a row that was never quarantined, or of a file that has been replaced since, is refused. Rounds follow each other: a line of the
second round overrules the first, whatever the workbooks are called and in whatever order they are read. A line that was not changed is
no correction: its row stays as it was.
"""

from __future__ import annotations

import html
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from returnrisk.contracts import Contract
from returnrisk.errors import IngestError
from returnrisk.ingest.accounting import FILE_COLUMNS, ReadSheet, frame_of
from returnrisk.ingest.codes import code
from returnrisk.ingest.quarantine_workbook import FRONT_HEADERS, NOTE_HEADER, SHEET_PREFIX, WITHDRAW, cells_of, receipt, shown
from returnrisk.ingest.sheets import TRIMMED
from returnrisk.ingest.workbooks import cell_text
from returnrisk.store.files import sha256_of

if TYPE_CHECKING:
    import pandas as pd

State = Literal["closed", "withdrawn", "open", "unchanged", "superseded", "duplicate", "refused"]
"""closed: the corrected row is accepted (or repeats one that is) · withdrawn: the office says it should not exist · open: wrong again ·
unchanged: no correction · superseded: a later round corrects it · duplicate: the same correction again · refused: see the code."""
CORRECTION_COLUMNS = (
    "table_name", "file", "sheet", "row_number", "by_file", "by_sheet", "by_row_number", "state", "code", "text_zh", "text_en",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CorrectionLine:
    """One line of a workbook sent back: the row it is about, and its cells by original header, as the workbook holds them."""

    file: str
    sheet: str
    row_number: int
    receipt: str
    by_file: str
    by_sheet: str
    by_row_number: int
    cells: Mapping[str, Any]
    note: str


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one line; `state` is "applied" until the checks have seen the corrected row."""

    line: CorrectionLine
    table_name: str
    file: str
    state: State | Literal["applied"]
    code: str = ""


def is_correction_workbook(path: Path) -> bool:
    """Whether a file is a quarantine workbook sent back: told by the names of its sheets, whatever the file is called."""
    from python_calamine import CalamineError, CalamineWorkbook

    kind = path.suffix.lower()
    try:
        if kind in (".xlsx", ".xlsm"):  # a large ledger need not be opened to learn its sheets' names
            with zipfile.ZipFile(path) as package:
                book = package.read("xl/workbook.xml").decode("utf-8", "replace")
            names = [html.unescape(n) for n in re.findall(r'<(?:\w+:)?sheet [^>]*?\bname="([^"]*)"', book)]
        elif kind == ".xls":
            names = CalamineWorkbook.from_path(str(path)).sheet_names
        else:
            return False
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, CalamineError):
        return False  # the ordinary reader says what is wrong with it
    return any(name.startswith(SHEET_PREFIX) for name in names)


def read_correction_workbook(path: Path, *, file: str) -> list[CorrectionLine]:
    """The lines of a quarantine workbook that was sent back.

    Parameters
    ----------
    file
        Its name in the accounting.

    Raises
    ------
    IngestError
        It cannot be opened, or its own columns were moved, renamed or removed.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(str(path))
        pages = {
            n: book.get_sheet_by_name(n).to_python(skip_empty_area=False) for n in book.sheet_names if n.startswith(SHEET_PREFIX)
        }
    except (CalamineError, OSError, ValueError) as error:
        raise IngestError(
            f"{file}: the corrected workbook cannot be read ({type(error).__name__}): open and save it again"
        ) from error
    return [line for name, rows in sorted(pages.items()) for line in _lines(rows, file=file, sheet=name)]


def _lines(rows: Sequence[Sequence[Any]], *, file: str, sheet: str) -> list[CorrectionLine]:
    top = next((i for i, row in enumerate(rows[:10]) if row and str(row[0]).strip() == FRONT_HEADERS[0]), None)
    header = [str(cell).strip() for cell in rows[top]] if top is not None else []
    while header and not header[-1]:
        header.pop()
    n_front = len(FRONT_HEADERS)
    originals = header[n_front:-1]
    if (
        top is None
        or tuple(header[:n_front]) != FRONT_HEADERS
        or header[-1] != NOTE_HEADER
        or len(set(originals)) != len(originals)
    ):
        raise IngestError(
            f"{file}, sheet {sheet}: the columns of the quarantine workbook were moved or renamed; expected {'、'.join(FRONT_HEADERS)}, the "
            f"original columns and {NOTE_HEADER}. Correct a fresh copy, changing only the cells of the original columns"
        )
    found = []
    for number, row in enumerate(rows[top + 1 :], start=top + 2):
        if not any(str(cell).strip() for cell in row):
            continue
        where = [str(_plain(cell)).strip() for cell in row[:n_front]]
        found.append(
            CorrectionLine(
                file=where[0],
                sheet=where[1],
                row_number=int(where[2]) if re.fullmatch(r"\d{1,9}", where[2]) else 0,
                receipt=where[-1],
                by_file=file,
                by_sheet=sheet,
                by_row_number=number,
                cells=dict(zip(originals, row[n_front : n_front + len(originals)], strict=True)),
                note=str(row[len(header) - 1]).strip(TRIMMED),
            )
        )
    return found


def _plain(cell: Any) -> Any:
    """7.0, as a spreadsheet may give a row number back, as 7."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def correct(
    by_table: Mapping[str, Sequence[ReadSheet]], contracts: Mapping[str, Contract], *, workbooks: Iterable[Path], inbox: Path
) -> tuple[dict[str, list[ReadSheet]], list[Fate]]:
    """Put the cells of workbooks sent back in place of the quarantined rows' own.

    Parameters
    ----------
    by_table
        Every sheet that was read.
    workbooks
        Quarantine workbooks; their order does not matter.
    inbox
        The folder their names are given relative to.

    Returns
    -------
    tuple
        The sheets in the order given (row numbers stay, a withdrawn row is taken out and counted), and the fate of every line.

    Raises
    ------
    IngestError
        A workbook cannot be read, or was read as an ordinary file.
    """
    lines = [line for p in workbooks for line in read_correction_workbook(p, file=p.relative_to(inbox).as_posix())]
    sheets = [_Target(contracts[name], s) for name, own in by_table.items() for s in own]
    if mistaken := sorted({t.sheet.raw.file for t in sheets if set(FRONT_HEADERS) <= set(t.sheet.raw.headers)}):
        raise IngestError(
            f"{', '.join(mistaken)}: a quarantine workbook whose sheets were renamed or saved as csv; its rows would be counted twice. Save it "
            f"as xlsx with the sheets called {SHEET_PREFIX}1, … as they were"
        )
    rounds, fates = _by_row(lines, sheets)
    changed: dict[int, dict[int, _Change]] = {}
    sent = {t: cells_of(sheets[t].sheet.raw, [n for i, n in rounds if i == t]) for t in {t for t, _ in rounds}}
    for (target, number), by_attempt in sorted(rounds.items()):
        change, told = _one_row(sheets[target], sent[target].get(number), by_attempt)
        fates += told
        if change is not None:
            changed.setdefault(target, {})[number] = change
    corrected: dict[str, list[ReadSheet]] = {name: [] for name in by_table}
    for i, s in enumerate(sheets):
        corrected[s.contract.name].append(_with_changes(s.sheet, changed.get(i, {})))
    return corrected, fates


@dataclass(frozen=True, slots=True)
class _Target:
    """A sheet and the contract of its table."""

    contract: Contract
    sheet: ReadSheet

    def kind(self, header: str) -> str:
        """What a cell of a column is read as: see `workbooks`."""
        headers = self.sheet.headers
        name = self.contract.wide_columns[headers.wide[header]].measure if header in headers.wide else headers.fields.get(header)
        if name is None:
            return ""
        field = self.contract.field(name)
        return "identifier" if field.pseudonym else field.type


def _by_row(
    lines: Iterable[CorrectionLine], sheets: Sequence[_Target]
) -> tuple[dict[tuple[int, int], dict[int, list[CorrectionLine]]], list[Fate]]:
    """Lines by (sheet, row number) and round; and the fate of those that are about no row."""
    by_place: dict[tuple[str, str], list[int]] = {}
    for i, s in enumerate(sheets):
        by_place.setdefault((s.sheet.sha256[:12], s.sheet.raw.sheet), []).append(i)
    fates: list[Fate] = []
    rounds: dict[tuple[int, int], dict[int, list[CorrectionLine]]] = {}
    for line in sorted(lines, key=lambda x: (x.by_file, x.by_sheet, x.by_row_number)):
        target, attempt, problem = _target(line, sheets, by_place)
        if target is None:
            fates.append(Fate(line, "", line.file, "refused", problem))
        elif set(line.cells) != set(sheets[target].sheet.raw.headers):
            fates.append(Fate(line, sheets[target].contract.name, sheets[target].sheet.raw.file, "refused", "ING073"))
        else:
            rounds.setdefault((target, line.row_number), {}).setdefault(attempt, []).append(line)
    return rounds, fates


@dataclass(frozen=True, slots=True)
class _Change:
    """A row's cells after the last correction (None: withdrawn), and that correction's round."""

    cells: tuple[str | None, ...] | None
    attempt: int


def _target(
    line: CorrectionLine, sheets: Sequence[_Target], by_place: Mapping[tuple[str, str], list[int]]
) -> tuple[int | None, int, str]:
    """Sheet and round a line is about, or the code why there is none; a renamed file is known by its content."""
    parts = line.receipt.split(".")
    if len(parts) != 3 or not parts[0].isdigit():
        return None, 0, "ING070"
    attempt = int(parts[0])
    found = by_place.get((parts[1], line.sheet), [])
    named = [i for i in found if sheets[i].sheet.raw.file == line.file] or found
    if not named:
        return None, 0, "ING071"
    made = receipt(sheets[named[0]].sheet.sha256, sheet=line.sheet, row_number=line.row_number, attempt=attempt)
    return (named[0], attempt, "") if made == line.receipt else (None, 0, "ING070")


def _one_row(
    target: _Target, sent: tuple[str | None, ...] | None, by_attempt: Mapping[int, list[CorrectionLine]]
) -> tuple[_Change | None, list[Fate]]:
    """Rounds of one row in their order: each is compared with the cells it was issued with, those the round before left."""
    cells = sent or (None,) * len(target.sheet.raw.headers)  # a row that could not be cut into cells went out blank
    fates: list[Fate] = []
    change: _Change | None = None
    in_force: list[Fate] = []

    def fate(line: CorrectionLine, state: State | Literal["applied"], number: str = "") -> Fate:
        return Fate(line, target.contract.name, target.sheet.raw.file, state, number)

    for attempt in sorted(by_attempt):
        wanted: dict[tuple[str | None, ...] | None, list[CorrectionLine]] = {}
        for line in by_attempt[attempt]:
            new = None if line.note == WITHDRAW else _new_cells(target, line, cells)
            wanted.setdefault(new, []).append(line)
        fates += [fate(line, "unchanged") for line in wanted.pop(cells, [])]
        if len(wanted) > 1:
            fates += [fate(line, "refused", "ING072") for same in wanted.values() for line in same]
        for new, same in wanted.items() if len(wanted) == 1 else ():
            fates += [replace(f, state="superseded") for f in in_force]
            in_force = [fate(same[0], "applied" if new is not None else "withdrawn")]
            fates += [fate(line, "duplicate") for line in same[1:]]
            change = _Change(new, attempt)
        if change is not None:
            if change.cells is None:
                later = [line for a in sorted(by_attempt) if a > attempt for line in by_attempt[a]]
                fates += [fate(line, "refused", "ING070") for line in later]
                break
            cells = change.cells
    return change, fates + in_force


def _new_cells(target: _Target, line: CorrectionLine, before: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """A cell that still says what the workbook showed keeps what the file holds."""
    cells = []
    for header, old in zip(target.sheet.raw.headers, before, strict=True):
        text = cell_text(line.cells[header], target.kind(header), 1900)
        new = (text or "").strip(TRIMMED) or None
        cells.append(old if (new or "") == shown(old).strip(TRIMMED) else new)
    return tuple(cells)


def _with_changes(sheet: ReadSheet, changes: Mapping[int, _Change]) -> ReadSheet:
    """The sheet with changed rows in place; a row that could not be cut into cells takes its place by number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not changes:
        return sheet
    raw = sheet.raw
    numbers = pa.array(sorted(changes), pa.int64())
    rest = raw.table.filter(pc.invert(pc.is_in(raw.table["row_number"], value_set=numbers)))
    kept = [(n, c.cells) for n, c in sorted(changes.items()) if c.cells is not None]
    fresh = {h: pa.array([cells[i] for _, cells in kept], pa.string()) for i, h in enumerate(raw.headers)}
    fresh["row_number"] = pa.array([n for n, _ in kept], pa.int64())
    table = pa.concat_tables([rest, pa.table(fresh).select(rest.column_names)]).sort_by("row_number")
    return replace(
        sheet,
        raw=replace(raw, table=table, malformed_rows=tuple(n for n in raw.malformed_rows if n not in changes)),
        attempts={number: change.attempt for number, change in changes.items()},
        n_withdrawn=len(changes) - len(kept),
    )


def correction_frame(fates: Iterable[Fate], *, quarantine: pd.DataFrame) -> pd.DataFrame:
    """One row per line sent back: which row it is about, and what became of it.

    Parameters
    ----------
    quarantine
        Of the accounting, after the checks.
    """
    still_open = set(zip(quarantine["file"], quarantine["sheet"], quarantine["row_number"], strict=True))
    rows = []
    for f in fates:
        place = (f.file, f.line.sheet, f.line.row_number)
        state = ("open" if place in still_open else "closed") if f.state == "applied" else f.state
        entry = code(f.code) if f.code else None
        rows.append(
            {
                "table_name": f.table_name,
                "file": f.file,
                "sheet": f.line.sheet,
                "row_number": f.line.row_number,
                "by_file": f.line.by_file,
                "by_sheet": f.line.by_sheet,
                "by_row_number": f.line.by_row_number,
                "state": state,
                "code": f.code,
                "text_zh": entry.text_zh if entry else "",
                "text_en": entry.text_en if entry else "",
            }
        )
    return frame_of(rows, CORRECTION_COLUMNS)


def closing_workbooks(corrections: pd.DataFrame, *, inbox: Path) -> list[dict[str, Any]]:
    """Workbooks whose corrections are in force, as files without rows of their own: losing one would open rows without a word."""
    in_force = corrections[corrections.state.isin(["closed", "withdrawn", "open"])]
    blank = {c: 0 if c.startswith("n_") else "" for c in FILE_COLUMNS}
    return [
        {**blank, "table_name": table, "file": file, "sheet": sheet, "sha256": sha256_of(inbox / file)}
        for table, file, sheet in sorted(set(zip(in_force.table_name, in_force.by_file, in_force.by_sheet, strict=True)))
    ]
