"""A screening in the layout of the county's existing system: whole files or none, and a record of every row that was left out."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.errors import UsageError
from returnrisk.office_export.cells import CellWriter
from returnrisk.office_export.codes import CODES, NOTICES
from returnrisk.office_export.files import SHEET_ROWS, Sheet, csv_bytes, replace_folder, require_free, workbook_bytes
from returnrisk.office_export.identities import check_identities
from returnrisk.office_export.lint import file_name
from returnrisk.office_export.mapping import ExportFile, ExportMapping
from returnrisk.office_export.rows import Sources
from returnrisk.screening import Screening
from returnrisk.store.view import View

if TYPE_CHECKING:
    import pandas as pd

PROBLEM_COLUMNS = ("code", "zh", "en", "left_out", "file", "sheet", "header", "field", "household", "key", "detail")
FILE_COLUMNS = ("file", "sheet", "table_name", "n_rows", "n_not_selected", "n_left_out", "n_written")
PROBLEMS_FILE = "problems.csv"


@dataclass(frozen=True, slots=True, eq=False)
class ExportResult:
    """What was written.

    Attributes
    ----------
    day, mapping, folder
        The screening's day, the layout's name, and where the files are.
    paths
        The data files, sorted by name; `problems.csv` and `manifest.json` lie beside them.
    files
        DataFrame, one row per csv or sheet (`FILE_COLUMNS`): n_rows = n_not_selected (by `where`) + n_left_out + n_written.
    problems
        DataFrame, one row per cell (`PROBLEM_COLUMNS`), as in `problems.csv`: households by pseudonym, never a cell's content but a
        code that is not mapped.
    """

    day: dt.date
    mapping: str
    folder: Path
    paths: tuple[Path, ...]
    files: pd.DataFrame
    problems: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Counts by file."""
        return self.files

    def problem_counts(self) -> pd.DataFrame:
        """Problems by code, file, sheet and column, with n_cells; the most frequent first."""
        keys = ["code", "zh", "en", "file", "sheet", "header"]
        counted = self.problems.groupby(keys, as_index=False, sort=True).agg(n_cells=("household", "size"))
        ordered: pd.DataFrame = counted.sort_values(["n_cells", *keys], ascending=[False, *[True] * 6], ignore_index=True)
        return ordered


def export_screening(
    screening: Screening, *, mapping: ExportMapping, view: View, folder: Path, identities: pd.DataFrame | None = None
) -> ExportResult:
    """Write a screening in a layout.

    Parameters
    ----------
    screening
        What is exported.
    mapping
        `load_export_mapping`.
    view
        The store on the screening's day: monitoring, places, the register of households.
    folder
        A folder of the export's own; an earlier export in it is replaced as a whole.
    identities
        Restricted: household_id and what the layout asks of head_name, phone, address, household_number (texts). Read only where it asks.

    Returns
    -------
    ExportResult
        The same screening gives the same bytes.

    Raises
    ------
    UsageError
        EXP201: the layout asks for identities that were not given. EXP202: the view is of another day. EXP203: the folder holds
        something else. EXP204: more rows than a sheet holds. Nothing is written.
    ContractViolation
        EXP205: identities twice for a household, or not as text. EXP206: a column of them holds identity numbers.
    OSError
        The disk is full, or a file of the earlier export is open; that export stays.
    """
    if view.day != screening.day:
        raise UsageError(f"EXP202 the screening is of {screening.day}, the view of {view.day}: give the view it was made from")
    check_identities(identities, mapping.asks_identities)
    require_free(folder)
    sources = Sources(screening, view, identities)
    placeholders = {"day": f"{view.day:%Y%m%d}", "year": f"{view.day:%Y}", "month": f"{view.day:%m}"}
    sheets: dict[str, list[tuple[ExportFile, Sheet]]] = {}
    counts: list[tuple[Any, ...]] = []
    problems: list[tuple[Any, ...]] = []
    for file in mapping.files:
        name = file_name(file.pattern, placeholders)
        sheet, count = _sheet(file, sources, name=name, problems=problems)
        sheets.setdefault(name, []).append((file, sheet))
        counts.append(count)
    found, listed = _frame(counts, FILE_COLUMNS), _frame(problems, PROBLEM_COLUMNS)
    files = {name: _content(parts, view.day) for name, parts in sheets.items()}
    listing = csv_bytes(PROBLEM_COLUMNS, _texts(problems), encoding="utf-8-sig", delimiter=",")
    manifest = {"mapping": mapping.name, "day": view.day.isoformat(), "pack": screening.pack, "rows": found.to_dict("records")}
    replace_folder(folder, {**files, PROBLEMS_FILE: listing}, manifest=manifest)
    return ExportResult(view.day, mapping.name, folder, tuple(folder / name for name in sorted(files)), found, listed)


def _sheet(file: ExportFile, sources: Sources, *, name: str, problems: list[tuple[Any, ...]]) -> tuple[Sheet, tuple[Any, ...]]:
    """The rows of one csv or sheet that can be written, and the count of all; what is wrong is added to `problems`."""
    rows = sources.rows(file)
    n = len(rows.households)
    left_out = set()
    written = []
    writers = [CellWriter(file, c, sources.tables[c.table].fields[c.field].kind if c.field else None) for c in file.columns]
    for writer, values in zip(writers, rows.values, strict=True):
        cells = writer.cells(values, n)
        written.append([cell.text for cell in cells])
        for at, cell in enumerate(cells):
            if not cell.problem:
                continue
            leaves = cell.problem not in NOTICES
            left_out |= {at} if leaves else set()
            place = (name, file.sheet, writer.column.header, writer.column.source, rows.households[at], rows.keys[at], cell.detail)
            problems.append((cell.problem, *CODES[cell.problem], leaves, *place))
    kept = [row for at, row in enumerate(zip(*written, strict=True)) if at not in left_out]
    if file.format == "xlsx" and len(kept) >= SHEET_ROWS:
        raise UsageError(f"EXP204 {name}: {len(kept)} rows are more than a sheet holds: write a csv, or choose rows with `where`")
    sheet = Sheet(
        name=file.sheet,
        header=[c.header for c in file.columns],
        rows=kept,
        decimals=[w.decimals if w.is_number else None for w in writers],
    )
    return sheet, (name, file.sheet, file.table, rows.n_all, rows.n_all - n, len(left_out), len(kept))


def _content(parts: list[tuple[ExportFile, Sheet]], day: dt.date) -> bytes:
    file, sheet = parts[0]
    if file.format == "xlsx":
        return workbook_bytes([s for _, s in parts], day=day)
    return csv_bytes(sheet.header, sheet.rows, encoding=file.encoding, delimiter=file.delimiter)


def _texts(problems: list[tuple[Any, ...]]) -> list[list[str]]:
    at = PROBLEM_COLUMNS.index("left_out")
    return [[("1" if v else "0") if n == at else str(v) for n, v in enumerate(row)] for row in problems]


def _frame(rows: list[tuple[Any, ...]], columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True)) if rows else {c: [] for c in columns})
