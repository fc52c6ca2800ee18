"""Row accounting: every input row ends accepted, duplicate of another, or quarantined because; nothing is lost silently."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Contract
from returnrisk.errors import IngestError
from returnrisk.ingest.agreement import NAMED_ONCE
from returnrisk.ingest.codes import code
from returnrisk.ingest.headers import HeaderMap
from returnrisk.ingest.sheets import Notice, RawSheet
from returnrisk.ingest.spelling import ROWS_SHOWN
from returnrisk.ingest.table import TableResult

if TYPE_CHECKING:
    import pandas as pd

QUARANTINE_COLUMNS = ("table_name", "file", "sheet", "row_number", "code", "field", "text_zh", "text_en")
DUPLICATE_COLUMNS = ("table_name", "file", "sheet", "row_number", "of_file", "of_sheet", "of_row_number")
FILE_COLUMNS = (
    "table_name", "file", "sheet", "sha256", "n_input", "n_accepted", "n_duplicate", "n_quarantined", "n_blank", "unknown_columns", "n_unknown_cells",
    "n_header", "n_total", "n_note", "n_repeated_header", "n_withdrawn",
)  # fmt: skip
NOTICE_COLUMNS = ("table_name", "file", "sheet", "code", "field", "n", "rows", "text_zh", "text_en")


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of every row.

    Attributes
    ----------
    files
        One row per file and sheet: counts that add up (n_input = n_accepted + n_duplicate + n_quarantined); apart from them the rows
        that are no data (header, blank, totals, notes, the header repeated, withdrawn by the office), which with n_input make up all rows of the sheet; and
        the columns nobody asked for with the number of filled cells dropped.
    quarantine
        One row per quarantined input row and reason: file, sheet, row number, code, field, text in both languages. No cell value.
    duplicates
        One row per duplicate input row, naming the row it repeats.
    notices
        What was put right while reading, or left out: file, sheet, code, column, how many cells, rows or sheets, the first row
        numbers, text in both languages. No cell value.
    corrections
        One row per line of a quarantine workbook sent back: the row it is about and what became of it. A corrected row is counted in
        the file it was first sent in.
    """

    files: pd.DataFrame
    quarantine: pd.DataFrame
    duplicates: pd.DataFrame
    notices: pd.DataFrame
    corrections: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Counts by table."""
        counts = ["n_input", "n_accepted", "n_duplicate", "n_quarantined", "n_blank"]
        by_table = self.files.groupby("table_name", sort=True)
        return by_table[counts].sum().assign(n_files=by_table["file"].nunique()).reset_index()

    def require_balance(self) -> None:
        """IngestError when a file's counts do not add up (a defect of this package, never of the data)."""
        f = self.files
        off = f[f.n_input != f.n_accepted + f.n_duplicate + f.n_quarantined]
        if len(off):
            raise IngestError(f"row accounting does not add up for {', '.join(off.file)}: nothing was written; please report this")


def frame_of(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    """A DataFrame of `rows` with these columns, sorted by all of them, also when there are none."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(columns))
    return frame.sort_values(list(columns), kind="stable").reset_index(drop=True)


@dataclass(frozen=True, slots=True)
class ReadSheet:
    """A sheet of the inbox with its columns mapped and its file's checksum.

    `attempts` counts by row number the corrections in place, `n_withdrawn` the rows the office took back.
    """

    raw: RawSheet
    headers: HeaderMap
    sha256: str
    attempts: Mapping[int, int] = field(default_factory=dict)
    n_withdrawn: int = 0


@dataclass(frozen=True, slots=True)
class TableAccount:
    """Rows of the four frames of an `IngestReport`, for one table."""

    files: list[dict[str, Any]]
    quarantined: list[dict[str, Any]]
    duplicates: list[dict[str, Any]]
    notices: list[dict[str, Any]]


def account_table(contract: Contract, sheets: list[ReadSheet], result: TableResult) -> TableAccount:
    """Positions in the concatenated input back to file, sheet and row number; counts per sheet."""
    places = _Places(sheets)
    bad: list[set[int]] = [set() for _ in sheets]
    quarantined = []
    for reason in result.quarantined:
        i, where = places.of(reason["row"])
        bad[i].add(reason["row"])
        quarantined.append({"table_name": contract.name, **where, **{k: v for k, v in reason.items() if k != "row"}})
    for i, sheet in enumerate(sheets):
        bad[i].update(-n for n in sheet.raw.malformed_rows)
        quarantined += [_malformed(contract, sheet.raw, number) for number in sheet.raw.malformed_rows]
    repeated = [0] * len(sheets)
    duplicates = []
    for pair in result.duplicates:
        i, where = places.of(pair["row"])
        _, first = places.of(pair["first_row"])
        repeated[i] += 1
        duplicates.append({"table_name": contract.name, **where, **{f"of_{k}": v for k, v in first.items()}})
    accepted = [0] * len(sheets)
    for row in result.accepted_rows:
        accepted[places.sheet_of(row)] += 1
    files = [
        _file_counts(contract, sheet, n_accepted=accepted[i], n_quarantined=len(bad[i]), n_duplicate=repeated[i])
        for i, sheet in enumerate(sheets)
    ]
    said = [[*sheet.raw.notices, *result.notices[i]] for i, sheet in enumerate(sheets)]
    for i, rows in enumerate(places.by_sheet(result.two_names)):
        if rows:
            said[i].append(Notice("ING045", NAMED_ONCE[contract.name], len(rows), tuple(rows[:ROWS_SHOWN])))
    notices = [_notice(contract, sheet.raw, n) for sheet, own in zip(sheets, said, strict=True) for n in own]
    return TableAccount(files, quarantined, duplicates, notices)


class _Places:
    """From a position in the concatenated input to file, sheet and row number."""

    def __init__(self, sheets: list[ReadSheet]) -> None:
        self._sheets = sheets
        self._starts = [0]
        for sheet in sheets:
            self._starts.append(self._starts[-1] + sheet.raw.table.num_rows)
        self._numbers = [sheet.raw.table["row_number"] for sheet in sheets]

    def sheet_of(self, row: int) -> int:
        return bisect.bisect_right(self._starts, row) - 1

    def of(self, row: int) -> tuple[int, dict[str, Any]]:
        i = self.sheet_of(row)
        raw = self._sheets[i].raw
        return i, {"file": raw.file, "sheet": raw.sheet, "row_number": self._numbers[i][row - self._starts[i]].as_py()}

    def by_sheet(self, rows: list[int]) -> list[list[int]]:
        """Row numbers of these rows, by sheet."""
        numbers: list[list[int]] = [[] for _ in self._sheets]
        for row in rows:
            i, where = self.of(row)
            numbers[i].append(where["row_number"])
        return numbers


def _malformed(contract: Contract, raw: RawSheet, number: int) -> dict[str, Any]:
    return {
        "table_name": contract.name,
        "file": raw.file,
        "sheet": raw.sheet,
        "row_number": number,
        "code": "ING018",
        "field": "",
        "text_zh": "单元格数与表头不符，或引号使多行并入一格",
        "text_en": "another number of cells than the header, or lines joined by a stray quotation mark",
    }


def _notice(contract: Contract, raw: RawSheet, notice: Notice) -> dict[str, Any]:
    says = code(notice.code)
    rows = f"第{'、'.join(map(str, notice.rows))}行" if notice.rows else ""
    return {
        "table_name": contract.name,
        "file": raw.file,
        "sheet": raw.sheet,
        "code": notice.code,
        "field": notice.field,
        "n": notice.n,
        "rows": rows,
        "text_zh": says.text_zh,
        "text_en": says.text_en,
    }


def _file_counts(contract: Contract, sheet: ReadSheet, *, n_accepted: int, n_quarantined: int, n_duplicate: int) -> dict[str, Any]:
    raw = sheet.raw
    unknown = [h for h in sheet.headers.unknown if not (sheet.headers.mapping and sheet.headers.mapping.ignores(h))]
    return {
        "table_name": contract.name,
        "file": raw.file,
        "sheet": raw.sheet,
        "sha256": sheet.sha256,
        "n_input": raw.table.num_rows + len(raw.malformed_rows),
        "n_accepted": n_accepted,
        "n_duplicate": n_duplicate,
        "n_quarantined": n_quarantined,
        "n_blank": raw.set_aside.get("ING022", 0),
        "unknown_columns": "、".join(unknown),
        "n_unknown_cells": sum(raw.table.num_rows - raw.table[h].null_count for h in unknown),
        "n_header": raw.n_header,
        "n_total": raw.set_aside.get("ING023", 0),
        "n_note": raw.set_aside.get("ING024", 0),
        "n_repeated_header": raw.set_aside.get("ING025", 0),
        "n_withdrawn": sheet.n_withdrawn,
    }
