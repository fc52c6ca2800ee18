"""Writing and opening the store: one Parquet file per canonical table, versions resolved, checksums in a manifest written last.

    store/manifest.json                 what is in force: tables, files, checksums, delays
    store/accounting/<inputs>/*.csv     what became of every input row
    store/<table>/<sha256>.parquet      rows sorted by key and recorded_on, with recorded_declared and superseded_on added
    store/restricted/identity/...       names, telephones, addresses: read only when a list is rendered

Grain of every file: one row per key and version. A version is known while `recorded_on <= day < superseded_on`; `superseded_on`
(NULL for the latest) is computed here, once, so that reading as of a day is a filter.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Contract, check_table
from returnrisk.errors import StoreError
from returnrisk.store.files import sha256_of, write_atomically, write_json
from returnrisk.store.lock import exclusive

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

STORE_SCHEMA = 1
VERSION_COLUMNS = ("recorded_declared", "superseded_on")


@dataclass(frozen=True, slots=True)
class StoredTable:
    """What the manifest says of one table."""

    name: str
    file: str
    sha256: str
    n_rows: int
    delay_days: int
    restricted: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """The store in force.

    `fingerprint` changes exactly when a table's content or delay does, `inputs` when any file or setting it was made from does;
    `accounting` is the folder (in the store) with the fate of every input row.
    """

    tables: Mapping[str, StoredTable]
    fingerprint: str
    sources: tuple[Mapping[str, Any], ...]
    inputs: str = ""
    accounting: str = ""


def with_versions(table: ir.Table, contract: Contract) -> ir.Table:
    """Add `superseded_on`: the recording day of the next version of the same key, NULL for the latest.

    Rows that share key and `recorded_on` must not exist (ingest quarantines conflicts); the contract check refuses them.
    """
    import ibis

    if "recorded_declared" not in table.columns:
        table = table.mutate(recorded_declared=ibis.literal(False))
    later = ibis.window(group_by=[table[k] for k in contract.key], order_by=table.recorded_on)
    return table.mutate(superseded_on=table.recorded_on.lead().over(later))


def write_store(
    folder: Path,
    tables: Mapping[str, ir.Table],
    *,
    contracts: Mapping[str, Contract],
    delays: Mapping[str, int] | None = None,
    sources: tuple[Mapping[str, Any], ...] = (),
    inputs: str = "",
    accounting: Mapping[str, pd.DataFrame] | None = None,
) -> Manifest:
    """Check canonical tables and make them the store in force.

    Parameters
    ----------
    folder
        The store's folder; an older store stays in force until the new manifest is in place.
    tables
        Ibis tables with exactly the contract's columns (and optionally `recorded_declared`), by name.
    delays
        Reporting delay in days by table where it differs from the contract's.
    sources
        Counts of the files the tables came from, kept in the manifest.
    inputs
        Fingerprint of everything the tables were made from.
    accounting
        Frames written as csv beside the tables, in force together with them.

    Raises
    ------
    ContractViolation
        A table breaks its contract; nothing is written.
    StoreError
        Another process has been writing this store for two minutes.
    """
    for name, table in tables.items():
        plain = table.drop(*[c for c in VERSION_COLUMNS if c in table.columns])
        check_table(plain, contracts[name], referenced=tables)
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / "writing.lock"):  # another writer would remove what this one has written but not yet named
        stored = {
            name: _write_table(folder, tables[name], contracts[name], delay=(delays or {}).get(name, contracts[name].delay_days))
            for name in sorted(tables)
        }
        manifest = Manifest(
            tables=stored,
            fingerprint=_fingerprint(stored),
            sources=sources,
            inputs=inputs,
            accounting=_write_accounting(folder, accounting or {}, inputs),
        )
        write_json(folder / "manifest.json", _manifest_content(manifest))
        _remove_unreferenced(folder, manifest, contracts)
    return manifest


def _write_accounting(folder: Path, frames: Mapping[str, pd.DataFrame], inputs: str) -> str:
    """Write the frames under a name of their own, so that the ones in force are never touched."""
    home = Path("accounting", inputs[:16] or "none")
    for name, frame in frames.items():
        text = frame.to_csv(index=False, lineterminator="\n")
        write_atomically(folder / home / f"{name}.csv", lambda p, text=text: p.write_text(text, encoding="utf-8-sig"))  # type: ignore[misc]
    return home.as_posix() if frames else ""


def _write_table(folder: Path, table: ir.Table, contract: Contract, *, delay: int) -> StoredTable:
    home = Path("restricted", contract.name) if contract.restricted else Path(contract.name)
    order = [*contract.key, "recorded_on"]
    rows = with_versions(table, contract).select(*contract.columns, *VERSION_COLUMNS).order_by(order)
    fresh = write_atomically(
        folder / home / f"new-{secrets.token_hex(4)}.parquet", lambda p: rows.to_parquet(p, compression="zstd")
    )
    digest = sha256_of(fresh)
    final = folder / home / f"{digest[:16]}.parquet"
    fresh.replace(final)
    if contract.restricted:  # names and telephones: for the owner of the folder only (no effect on Windows)
        final.chmod(0o600)
        final.parent.chmod(0o700)
    import pyarrow.parquet as pq

    n_rows = pq.ParquetFile(final).metadata.num_rows
    return StoredTable(contract.name, (home / final.name).as_posix(), digest, n_rows, delay, contract.restricted)


def _fingerprint(tables: Mapping[str, StoredTable]) -> str:
    import hashlib

    text = "\n".join(f"{t.name} {t.sha256} {t.delay_days}" for t in sorted(tables.values(), key=lambda t: t.name))
    return hashlib.sha256(text.encode()).hexdigest()


def _manifest_content(manifest: Manifest) -> dict[str, Any]:
    return {
        "schema": STORE_SCHEMA,
        "fingerprint": manifest.fingerprint,
        "tables": {
            t.name: {"file": t.file, "sha256": t.sha256, "n_rows": t.n_rows, "delay_days": t.delay_days, "restricted": t.restricted}
            for t in manifest.tables.values()
        },
        "sources": list(manifest.sources),
        "inputs": manifest.inputs,
        "accounting": manifest.accounting,
    }


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the store in `folder`.

    Raises
    ------
    StoreError
        No store, a damaged manifest, or one of another schema.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise StoreError("there is no store yet: put the departments' files into inbox/ and run `returnrisk ingest`")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != STORE_SCHEMA:
            raise StoreError(
                f"the store has schema {content['schema']}; this version reads {STORE_SCHEMA}: run `returnrisk ingest` again"
            )
        tables = {name: StoredTable(name=name, **entry) for name, entry in content["tables"].items()}
        sources = tuple(content["sources"])
        manifest = Manifest(tables, content["fingerprint"], sources, content["inputs"], content["accounting"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"store/manifest.json is damaged ({type(error).__name__}): run `returnrisk ingest` again") from error
    if _fingerprint(manifest.tables) != manifest.fingerprint:
        raise StoreError("store/manifest.json has been changed since it was written: run `returnrisk ingest` again")
    return manifest


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Compare every file with its checksum; StoreError lists what is missing or changed."""
    problems = []
    for table in manifest.tables.values():
        path = folder / table.file
        if not path.is_file():
            problems.append(f"{table.file} is missing")
        elif sha256_of(path) != table.sha256:
            problems.append(f"{table.file} has changed since it was written")
    if problems:
        raise StoreError("the store is damaged: " + "; ".join(problems) + ". Run `returnrisk ingest` again")


def _remove_unreferenced(folder: Path, manifest: Manifest, contracts: Mapping[str, Contract]) -> None:
    """Remove what an earlier manifest named and this one does not; anything else in the folder is not ours."""
    keep = {folder / t.file for t in manifest.tables.values()}
    homes = [folder / name for name in contracts] + [folder / "restricted" / name for name in contracts]
    for file in (f for home in homes if home.is_dir() for f in home.glob("*.parquet")):
        if file not in keep:
            with contextlib.suppress(PermissionError):  # another program still reads it (Windows): the next run removes it
                file.unlink()
    for home in (folder / "accounting").glob("*"):
        if home.is_dir() and home != folder / manifest.accounting:
            shutil.rmtree(home)
