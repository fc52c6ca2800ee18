"""The inbox of a project to its store: every file read, every row accounted for, the new store put in force at once.

The store is a function of the inbox: each run reads all of it, so a correction is simply a later row and nothing depends on the
order in which files came. A file that fed the store and has disappeared from the inbox stops the run: its rows would be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Contract, load_contracts, load_order
from returnrisk.errors import IngestError, StoreError, UnknownNameError
from returnrisk.ingest.accounting import DUPLICATE_COLUMNS, FILE_COLUMNS, QUARANTINE_COLUMNS, IngestReport, frame_of
from returnrisk.ingest.corrections import (
    Corrected,
    SheetToCorrect,
    apply_corrections,
    correction_frame,
    is_correction_workbook,
    read_correction_workbook,
)
from returnrisk.ingest.headers import HeaderMap, map_headers, recognise_table
from returnrisk.ingest.quarantine_workbook import FILE_PREFIX, QuarantinedSheet, quarantined_sheet, write_quarantine_workbooks
from returnrisk.ingest.readers import RawSheet, read_file
from returnrisk.ingest.table import TableResult, ingest_table
from returnrisk.store.files import sha256_of
from returnrisk.store.tables import Manifest, read_manifest, verify_files, write_store
from returnrisk.store.view import connect

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
ACCOUNTS = ("files", "quarantine", "duplicates", "corrections")
INGEST_VERSION = 2
"""Raise it whenever the same files would be read otherwise: the store is then made anew."""
REQUIRED_TABLES = ("village", "household", "household_roster", "member", "income", "delivery", "line")


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The store now in force, and the fate of every input row."""

    manifest: Manifest
    report: IngestReport

    def frame(self) -> pd.DataFrame:
        """Row counts by table."""
        return self.report.frame()


@dataclass(frozen=True, slots=True)
class _Sheet:
    raw: RawSheet
    headers: HeaderMap
    sha256: str


def ingest_inbox(
    inbox: Path,
    store: Path,
    *,
    key: bytes | None,
    delays: Mapping[str, int] | None = None,
    contracts: Mapping[str, Contract] | None = None,
    quarantine_folder: Path | None = None,
    progress: Progress | None = None,
) -> IngestResult:
    """Read all files of `inbox` and replace the store.

    Parameters
    ----------
    inbox
        Folder of csv and xlsx files, named after their table (see the contracts' file aliases).
    key
        Secret for pseudonyms.
    delays
        Reporting delay in days by table, where it is not the contract's.
    quarantine_folder
        Where the workbooks of quarantined rows go that offices correct and send back (by putting them into the inbox).
    progress
        Called with (stage, done, total).

    Raises
    ------
    IngestError
        A file cannot be read or recognised, a required table is missing, or a file that fed the store has gone. All files'
        problems are listed; the store stays as it was.
    """
    known = contracts or load_contracts()
    for name in delays or {}:
        if name not in known:
            raise UnknownNameError("table in delay_days", name, known)
    report = progress or (lambda *_: None)
    inputs = _inputs_fingerprint(inbox, key=key, delays=delays, contracts=known)
    if (before := _unchanged(store, inputs)) is not None and _workbooks_stand(before.report, quarantine_folder):
        return before
    _refuse_lost_files(inbox, store)
    by_table, corrected = _corrected(inbox, _read_all(inbox, known, progress=report), known)
    waiting: list[QuarantinedSheet] = []
    con = connect()
    accepted: dict[str, Any] = {}
    quarantined: list[dict[str, Any]] = []
    duplicates: list[dict[str, Any]] = []
    files: list[dict[str, Any]] = []
    order = [name for name in load_order(known) if name in by_table]
    for i, name in enumerate(order):
        report("check", i, len(order))
        sheets = by_table.pop(name)
        delay = (delays or {}).get(name, known[name].delay_days)
        result = ingest_table(
            con, known[name], sheets=[(s.raw, s.headers) for s in sheets], parents=accepted, key=key, delay_days=delay
        )
        accepted[name] = result.accepted
        account = _account(known[name], sheets, result, withdrawn=corrected.withdrawn)
        waiting += [
            quarantined_sheet(
                known[name], s.raw, s.headers, sha256=s.sha256, reasons=account[1], attempts=corrected.attempts_of(s.raw)
            )
            for s in sheets
        ]
        files += account[0]
        quarantined += account[1]
        duplicates += account[2]
    corrections = correction_frame(corrected.fates, still_open={(q["file"], q["sheet"], q["row_number"]) for q in quarantined})
    outcome = IngestReport(
        files=frame_of([*files, *_closing_workbooks(inbox, corrections)], FILE_COLUMNS),
        quarantine=frame_of(quarantined, QUARANTINE_COLUMNS),
        duplicates=frame_of(duplicates, DUPLICATE_COLUMNS),
        corrections=corrections,
    )
    outcome.require_balance()
    report("write", 0, 1)
    if quarantine_folder is not None:
        write_quarantine_workbooks(waiting, quarantine_folder)
    sources = tuple({str(k): v for k, v in row.items()} for row in outcome.files.to_dict("records"))
    manifest = write_store(
        store,
        accepted,
        contracts=known,
        delays=delays,
        sources=sources,
        inputs=inputs,
        accounting={name: getattr(outcome, name) for name in ACCOUNTS},
    )
    report("write", 1, 1)
    return IngestResult(manifest=manifest, report=outcome)


def _inputs_fingerprint(
    inbox: Path, *, key: bytes | None, delays: Mapping[str, int] | None, contracts: Mapping[str, Contract]
) -> str:
    """Changes with any file's content or place, the key, a delay, a contract or this package's version of them."""
    import hashlib
    import hmac

    files = [f"{p.relative_to(inbox).as_posix()} {sha256_of(p)}" for p in _inbox_files(inbox)]
    settings = [repr(sorted((delays or {}).items())), repr(sorted(contracts.items())), str(INGEST_VERSION)]
    text = "\n".join([*files, *settings]).encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest() if key else hashlib.sha256(text).hexdigest()


def _unchanged(store: Path, inputs: str) -> IngestResult | None:
    """The result in force, when it was made from exactly these inputs and is still whole."""
    import pandas as pd

    try:
        manifest = read_manifest(store)
        if manifest.inputs != inputs:
            return None
        verify_files(store, manifest)
        frames = {name: pd.read_csv(store / manifest.accounting / f"{name}.csv", keep_default_na=False) for name in ACCOUNTS}
    except (StoreError, OSError, ValueError):  # not whole any more: made anew
        return None
    return IngestResult(manifest=manifest, report=IngestReport(**frames))


def _refuse_lost_files(inbox: Path, store: Path) -> None:
    try:
        before = read_manifest(store)
    except StoreError:
        return
    gone = sorted({s["file"] for s in before.sources if not (inbox / s["file"]).is_file()})
    if gone:
        raise IngestError(
            f"{len(gone)} files that fed the store are no longer in the inbox, e.g. {', '.join(gone[:5])}: their rows would be lost. "
            f"Put them back, or delete store/manifest.json to start anew on purpose"
        )


def _inbox_files(inbox: Path) -> list[Path]:
    return sorted(p for p in inbox.rglob("*") if p.is_file() and not p.name.startswith((".", "~$")))


def _read_all(inbox: Path, contracts: Mapping[str, Contract], *, progress: Progress) -> dict[str, list[_Sheet]]:
    paths = [p for p in _inbox_files(inbox) if not is_correction_workbook(p)]
    if not paths:
        raise IngestError("the inbox is empty: put the departments' csv and xlsx files there")
    by_table: dict[str, list[_Sheet]] = {}
    problems: list[str] = []
    for i, path in enumerate(paths):
        progress("read", i, len(paths))
        try:
            contract = recognise_table(path.name, contracts)
            identifiers = [h for f in contract.fields if f.pseudonym for h in f.headers]
            digest = sha256_of(path)
            for sheet in read_file(path, identifier_headers=identifiers):
                named = RawSheet(
                    path.relative_to(inbox).as_posix(), sheet.sheet, sheet.table, sheet.headers, sheet.malformed_rows, sheet.n_blank
                )
                by_table.setdefault(contract.name, []).append(_Sheet(named, map_headers(sheet, contract), digest))
        except IngestError as error:
            problems.append(str(error))
    missing = [f"{contracts[t].label_zh} ({t})" for t in REQUIRED_TABLES if t not in by_table and not problems]
    if missing:
        problems.append(f"no file for {', '.join(missing)}: without them nothing can be computed")
    if problems:
        raise IngestError("nothing was ingested; the store is as it was:\n  " + "\n  ".join(problems))
    return by_table


def _corrected(
    inbox: Path, by_table: dict[str, list[_Sheet]], contracts: Mapping[str, Contract]
) -> tuple[dict[str, list[_Sheet]], Corrected]:
    """The sheets with the corrections of all workbooks in the inbox applied, and what became of these."""
    workbooks = [p for p in _inbox_files(inbox) if is_correction_workbook(p)]
    lines = [line for p in workbooks for line in read_correction_workbook(p, file=p.relative_to(inbox).as_posix())]
    flat = [(name, s) for name, sheets in by_table.items() for s in sheets]
    identifiers = {name: {f.name for f in contracts[name].fields if f.pseudonym} for name in by_table}
    corrected = apply_corrections(
        [
            SheetToCorrect(n, s.raw, s.headers, s.sha256, frozenset(h for h, f in s.headers.fields.items() if f in identifiers[n]))
            for n, s in flat
        ],
        lines,
    )
    replaced: dict[str, list[_Sheet]] = {}
    for (name, sheet), raw in zip(flat, corrected.sheets, strict=True):
        replaced.setdefault(name, []).append(_Sheet(raw, sheet.headers, sheet.sha256))
    return replaced, corrected


def _workbooks_stand(report: IngestReport, folder: Path | None) -> bool:
    """Whether the workbooks of quarantined rows have not been cleared away since they were written."""
    expected = report.quarantine["table_name"].nunique()
    return folder is None or len(list(folder.glob(f"{FILE_PREFIX}_*.xlsx"))) == expected


def _closing_workbooks(inbox: Path, corrections: pd.DataFrame) -> list[dict[str, Any]]:
    """Workbooks in force, as files without rows of their own: losing one would open its rows again without a word."""
    in_force = corrections[corrections.state.isin(["closed", "withdrawn", "open"])]
    counts = {c: 0 for c in FILE_COLUMNS if c.startswith("n_")}
    return [
        {"table_name": table, "file": file, "sheet": sheet, "sha256": sha256_of(inbox / file), **counts, "unknown_columns": ""}
        for table, file, sheet in sorted(set(zip(in_force.table_name, in_force.by_file, in_force.by_sheet, strict=True)))
    ]


def _account(
    contract: Contract, sheets: list[_Sheet], result: TableResult, *, withdrawn: Mapping[tuple[str, str], int] | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Positions in the concatenated input back to file, sheet and row number; counts per sheet."""
    import bisect

    starts = [0]
    for sheet in sheets:
        starts.append(starts[-1] + sheet.raw.table.num_rows)
    numbers = [sheet.raw.table["row_number"] for sheet in sheets]

    def place(row: int) -> tuple[int, dict[str, Any]]:
        i = bisect.bisect_right(starts, row) - 1
        raw = sheets[i].raw
        return i, {"file": raw.file, "sheet": raw.sheet, "row_number": numbers[i][row - starts[i]].as_py()}

    bad: list[set[int]] = [set() for _ in sheets]
    quarantined = []
    for reason in result.quarantined:
        i, where = place(reason["row"])
        bad[i].add(reason["row"])
        quarantined.append({"table_name": contract.name, **where, **{k: v for k, v in reason.items() if k != "row"}})
    for i, sheet in enumerate(sheets):
        for number in sheet.raw.malformed_rows:
            text = {
                "code": "ING018",
                "field": "",
                "text_zh": "单元格数与表头不符，或引号使多行并入一格",
                "text_en": "another number of cells than the header, or lines joined by a stray quotation mark",
            }
            place_ = {"file": sheet.raw.file, "sheet": sheet.raw.sheet, "row_number": number}
            quarantined.append({"table_name": contract.name, **place_, **text})
        bad[i].update(-n for n in sheet.raw.malformed_rows)
    repeated = [0] * len(sheets)
    duplicates = []
    for pair in result.duplicates:
        i, where = place(pair["row"])
        _, first = place(pair["first_row"])
        repeated[i] += 1
        duplicates.append({"table_name": contract.name, **where, **{f"of_{k}": v for k, v in first.items()}})
    accepted = [0] * len(sheets)
    for row in result.accepted_rows:
        accepted[bisect.bisect_right(starts, row) - 1] += 1
    files = [
        _file_counts(
            contract,
            sheet,
            n_accepted=accepted[i],
            n_quarantined=len(bad[i]),
            n_duplicate=repeated[i],
            n_withdrawn=(withdrawn or {}).get((sheet.raw.file, sheet.raw.sheet), 0),
        )
        for i, sheet in enumerate(sheets)
    ]
    return files, quarantined, duplicates


def _file_counts(
    contract: Contract, sheet: _Sheet, *, n_accepted: int, n_quarantined: int, n_duplicate: int, n_withdrawn: int
) -> dict[str, Any]:
    n_input = sheet.raw.table.num_rows + len(sheet.raw.malformed_rows)
    dropped = sum(sheet.raw.table.num_rows - sheet.raw.table[h].null_count for h in sheet.headers.unknown)
    return {
        "table_name": contract.name,
        "file": sheet.raw.file,
        "sheet": sheet.raw.sheet,
        "sha256": sheet.sha256,
        "n_input": n_input,
        "n_accepted": n_accepted,
        "n_duplicate": n_duplicate,
        "n_quarantined": n_quarantined,
        "n_withdrawn": n_withdrawn,
        "n_blank": sheet.raw.n_blank,
        "unknown_columns": "、".join(sheet.headers.unknown),
        "n_unknown_cells": dropped,
    }
