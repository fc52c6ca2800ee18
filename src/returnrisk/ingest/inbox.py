"""The inbox of a project to its store: every file read, every row accounted for, the new store put in force at once.

The store is a function of the inbox: each run reads all of it, so a correction is simply a later row and nothing depends on the
order in which files came. A file that fed the store and has disappeared from the inbox stops the run: its rows would be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.config import HalfDeliverySpec
from returnrisk.contracts import Contract, load_contracts, load_order
from returnrisk.errors import IngestError, StoreError, UnknownNameError
from returnrisk.ingest.accounting import (
    DUPLICATE_COLUMNS,
    FILE_COLUMNS,
    NOTICE_COLUMNS,
    QUARANTINE_COLUMNS,
    IngestReport,
    ReadSheet,
    TableAccount,
    account_table,
    frame_of,
)
from returnrisk.ingest.codes import stop
from returnrisk.ingest.corrections import closing_workbooks, correct, correction_frame, is_correction_workbook
from returnrisk.ingest.county import home_county
from returnrisk.ingest.divisions import Divisions, load_divisions, with_current_codes
from returnrisk.ingest.half_delivery import half_delivered, refuse_unknown_tables
from returnrisk.ingest.headers import map_file, recognise_table
from returnrisk.ingest.mapping import FileMapping, load_mappings, mapping_of
from returnrisk.ingest.quarantine_workbook import QuarantinedSheet, quarantined_sheet, workbooks_stand, write_quarantine_workbooks
from returnrisk.ingest.readers import read_file
from returnrisk.ingest.sheets import expected_of
from returnrisk.ingest.table import ingest_table
from returnrisk.store.files import sha256_of
from returnrisk.store.tables import Manifest, read_manifest, verify_files, write_store
from returnrisk.store.view import connect

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
ACCOUNTS = ("files", "quarantine", "duplicates", "notices", "corrections")
QUARANTINE, DIVISIONS = "quarantine", "divisions.csv"
INGEST_VERSION = 5
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


def ingest_inbox(
    inbox: Path,
    store: Path,
    *,
    key: bytes | None,
    delays: Mapping[str, int] | None = None,
    contracts: Mapping[str, Contract] | None = None,
    mappings: Sequence[FileMapping] | None = None,
    half_delivery: HalfDeliverySpec | None = None,
    progress: Progress | None = None,
) -> IngestResult:
    """Read all files of `inbox` and replace the store.

    Beside the store lie `quarantine/`, the workbooks of quarantined rows, which offices correct and which are then put into the inbox,
    and the county's own `divisions.csv`, if it has one.

    Parameters
    ----------
    inbox
        Folder of csv, xlsx, xls and Parquet files, named after their table (see the contracts' file aliases) or as a mapping says.
    key
        Secret for pseudonyms.
    delays
        Reporting delay in days by table, where it is not the contract's.
    mappings
        How files of foreign layout are read (default: the shipped ones).
    half_delivery
        When a delivery holds too little to count (default: `HalfDeliverySpec()`).
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
    reading = load_mappings(contracts=known) if mappings is None else tuple(mappings)
    rule = half_delivery or HalfDeliverySpec()
    refuse_unknown_tables(rule, known)
    divisions = load_divisions(store.parent / DIVISIONS)
    settings = (sorted((delays or {}).items()), sorted(known.items()), reading, rule, divisions)
    inputs = _inputs_fingerprint(inbox, key=key, settings=settings)
    before = _unchanged(store, inputs)
    if before is not None and workbooks_stand(before.report.quarantine, store.parent / QUARANTINE):
        return before
    _refuse_lost_files(inbox, store)
    by_table, fates = correct(
        _read_all(inbox, known, reading, progress=report), known, workbooks=_correction_workbooks(inbox), inbox=inbox
    )
    delay_of = {name: (delays or {}).get(name, contract.delay_days) for name, contract in known.items()}
    accepted, accounts, waiting = _check_all(
        by_table, known, key=key, delays=delay_of, rule=rule, divisions=divisions, progress=report
    )
    quarantine = frame_of([row for a in accounts for row in a.quarantined], QUARANTINE_COLUMNS)
    corrections = correction_frame(fates, quarantine=quarantine)
    files = [row for a in accounts for row in a.files] + closing_workbooks(corrections, inbox=inbox)
    outcome = IngestReport(
        files=frame_of(files, FILE_COLUMNS),
        quarantine=quarantine,
        duplicates=frame_of([row for a in accounts for row in a.duplicates], DUPLICATE_COLUMNS),
        notices=frame_of([row for a in accounts for row in a.notices], NOTICE_COLUMNS),
        corrections=corrections,
    )
    outcome.require_balance()
    report("write", 0, 1)
    write_quarantine_workbooks(waiting, store.parent / QUARANTINE)  # before the store: a run that dies in between does it again
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


def _check_all(
    by_table: dict[str, list[ReadSheet]],
    contracts: Mapping[str, Contract],
    *,
    key: bytes | None,
    delays: Mapping[str, int],
    rule: HalfDeliverySpec,
    divisions: Divisions,
    progress: Progress,
) -> tuple[dict[str, Any], list[TableAccount], list[QuarantinedSheet]]:
    """Accepted rows, account and waiting rows of every table: parents first, deliveries last, when it is known what was delivered."""
    con = connect()
    accepted: dict[str, Any] = {}
    accounts = []
    waiting: list[QuarantinedSheet] = []
    villages: set[int] = set()
    order = sorted((name for name in load_order(contracts) if name in by_table), key=lambda name: name == "delivery")
    county = home_county((s.raw, s.headers) for s in by_table["village"])
    for i, name in enumerate(order):
        progress("check", i, len(order))
        sheets = by_table.pop(name)
        current = with_current_codes(sheets, contracts[name], divisions, villages=villages)
        late = partial(half_delivered, tables=accepted, delays=delays, rule=rule) if name == "delivery" else None
        result = ingest_table(
            con,
            contracts[name],
            sheets=[(s.raw, s.headers) for s in current],
            parents=accepted,
            key=key,
            delay_days=delays[name],
            county=county,
            late=late,
        )
        accepted[name] = result.accepted
        if name == "village":
            villages = set(result.accepted.village_code.to_pyarrow().to_pylist())
        accounts.append(account_table(contracts[name], current, result))
        waiting += [quarantined_sheet(contracts[name], s, reasons=accounts[-1].quarantined) for s in sheets]
    return accepted, accounts, waiting


def _inputs_fingerprint(inbox: Path, *, key: bytes | None, settings: tuple[Any, ...]) -> str:
    """Changes with any file's content or place, the key, a setting, or this package's version of them."""
    import hashlib
    import hmac

    files = [f"{p.relative_to(inbox).as_posix()} {sha256_of(p)}" for p in _inbox_files(inbox)]
    text = "\n".join([*files, *map(repr, settings), str(INGEST_VERSION)]).encode()
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
        detail = f"{len(gone)} files that fed the store are no longer in the inbox, e.g. {', '.join(gone[:5])}: their rows would be lost. "
        raise IngestError(stop("ING009", "inbox", detail + "Put them back, or delete store/manifest.json to start anew on purpose"))


def _inbox_files(inbox: Path) -> list[Path]:
    return sorted(p for p in inbox.rglob("*") if p.is_file() and not p.name.startswith((".", "~$")))


def _correction_workbooks(inbox: Path) -> list[Path]:
    return [p for p in _inbox_files(inbox) if is_correction_workbook(p)]


def _read_all(
    inbox: Path, contracts: Mapping[str, Contract], mappings: Sequence[FileMapping], *, progress: Progress
) -> dict[str, list[ReadSheet]]:
    paths = [p for p in _inbox_files(inbox) if not is_correction_workbook(p)]
    if not paths:
        raise IngestError(stop("ING010", "inbox", "the inbox is empty: put the departments' csv and xlsx files there"))
    by_table: dict[str, list[ReadSheet]] = {}
    problems: list[str] = []
    for i, path in enumerate(paths):
        progress("read", i, len(paths))
        try:
            for name, sheet in _read_one(path, inbox, contracts, mappings):
                by_table.setdefault(name, []).append(sheet)
        except IngestError as error:
            problems.append(str(error))
    missing = [f"{contracts[t].label_zh} ({t})" for t in REQUIRED_TABLES if t not in by_table and not problems]
    if missing:
        problems.append(stop("ING010", "inbox", f"no file for {', '.join(missing)}: without them nothing can be computed"))
    if problems:
        raise IngestError("nothing was ingested; the store is as it was:\n  " + "\n  ".join(problems))
    return by_table


def _read_one(
    path: Path, inbox: Path, contracts: Mapping[str, Contract], mappings: Sequence[FileMapping]
) -> list[tuple[str, ReadSheet]]:
    """The sheets of one file, each with the table it belongs to."""
    mapping = mapping_of(path.name, mappings)
    contract = contracts[mapping.table] if mapping else recognise_table(path.name, contracts)
    digest = sha256_of(path)
    name = path.relative_to(inbox).as_posix()
    sheets = read_file(path, expected=expected_of(contract, mapping))
    return [
        (contract.name, ReadSheet(replace(sheet, file=name), headers, digest))
        for sheet, headers in zip(sheets, map_file(sheets, contract, mapping), strict=True)
    ]
