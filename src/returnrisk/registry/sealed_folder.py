"""A folder of files under a manifest: written whole or not at all, and verified whole before anything in it is read.

The manifest is written last and names every other file with its size and sha256. The fingerprint is the sha256 of the lines
`<sha256>  <name>` in the order of names, which is what `sha256sum` prints for the files, sorted by name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from returnrisk.errors import BundleError
from returnrisk.store.lock import exclusive

MANIFEST = "manifest.json"
WRITING_LOCK = ".writing.lock"


def json_bytes(value: object, *, what: str) -> bytes:
    r"""`value` as canonical JSON: sorted keys, UTF-8, a newline at the end.

    Raises
    ------
    BundleError
        It holds something JSON cannot say (NaN, an infinity, an object): `what` names the part.

    Examples
    --------
    >>> json_bytes({"b": 1, "a": "县"}, what="example").decode()
    '{\n "a": "县",\n "b": 1\n}\n'
    """
    try:
        return (json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise BundleError(
            f"{what} cannot be written as JSON: {error}. Give plain numbers, texts, lists and dictionaries; null for NaN"
        ) from error


def fingerprint_of(digests: Mapping[str, str]) -> str:
    """Fingerprint of files by their sha256, whatever their order.

    Examples
    --------
    >>> fingerprint_of({"b": "2", "a": "1"}) == fingerprint_of({"a": "1", "b": "2"})
    True
    """
    return hashlib.sha256("".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()).hexdigest()


def manifest_for(files: Mapping[str, bytes], *, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of `files`: `facts`, then fingerprint, then sha256 and size of each file."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    entries = {name: {"sha256": digests[name], "size": len(data)} for name, data in files.items()}
    fingerprint = fingerprint_of(digests)
    return {**facts, "fingerprint": fingerprint, "files": entries}


def write_sealed(files: Mapping[str, bytes], *, manifest: Mapping[str, Any], path: Path) -> bool:
    """Write `files` and their manifest as the folder `path`: a sibling first, synced, the manifest last, then one rename.

    Returns
    -------
    bool
        False when `path` was there already (another writer was first); the caller verifies it.

    Raises
    ------
    BundleError
        The folder cannot be written (disk full, no permission).
    RegistryError
        Another process is writing into the parent folder and does not finish.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / WRITING_LOCK):
            for left_by_killed_writer in folder.glob(".*.partial"):  # we hold the lock: nobody writes them any more
                shutil.rmtree(left_by_killed_writer)
            if path.exists():
                return False
            partial = folder / f".{path.name}.partial"
            _fill(partial, files, manifest)
            partial.rename(path)
            _sync_folder(folder)
    except OSError as error:
        raise BundleError(f"bundle {path.name} cannot be written in {folder}: {error}") from error
    return True


def _fill(partial: Path, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    partial.mkdir()
    try:
        for name, data in sorted(files.items()):
            _write_synced(partial / name, data)
        _write_synced(partial / MANIFEST, json_bytes(manifest, what="the manifest"))
        _sync_folder(partial)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the folder `path`, not yet believed.

    Raises
    ------
    BundleError
        There is no folder, no manifest, or it is not what a manifest looks like.
    """
    if not path.is_dir():
        raise BundleError(f"there is no bundle at {path}: give the folder that holds {MANIFEST}")
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise BundleError(
            f"{path.name} has no {MANIFEST}: it was never finished, or is no bundle. Train again or take another copy"
        ) from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{MANIFEST} of {path.name} cannot be read ({error}): take another copy") from error
    if not isinstance(manifest, dict):
        raise BundleError(f"{MANIFEST} of {path.name} is a {type(manifest).__name__}; expected an object: take another copy")
    return manifest


def read_sealed(path: Path, *, manifest: Mapping[str, Any], expected: frozenset[str]) -> dict[str, bytes]:
    """Every file of the folder, each proven to be what the manifest says.

    Raises
    ------
    BundleError
        Files are missing, extra, of another size or another sha256: all of them are listed at once.
    """
    entries = manifest.get("files")
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise BundleError(f"{MANIFEST} of {path.name} lists no files: take another copy")
    present = {entry.name for entry in path.iterdir()}
    problems = [f"{name}: not in the manifest" for name in sorted(expected - set(entries))]
    problems += [f"{name}: named by the manifest, but no part of a bundle" for name in sorted(set(entries) - expected)]
    problems += [f"{name}: extra, no part of a bundle; remove it" for name in sorted(present - expected - {MANIFEST})]
    files: dict[str, bytes] = {}
    for name in sorted(expected & set(entries)):
        files[name] = b""
        problems += _file_problems(path / name, entries[name], files)
    digests = {str(name): str(entry.get("sha256")) for name, entry in entries.items()}
    if manifest.get("fingerprint") != fingerprint_of(digests):
        problems.append(f"{MANIFEST}: its fingerprint is not that of the files it lists")
    if (path / MANIFEST).read_bytes() != json_bytes(manifest, what=MANIFEST):
        problems.append(f"{MANIFEST}: changed since it was written")
    if problems:
        raise BundleError(
            f"bundle {path.name} is damaged; nothing of it was used:\n  "
            + "\n  ".join(problems)
            + "\nTake another copy or train again"
        )
    return files


def _file_problems(file: Path, entry: Mapping[str, Any], files: dict[str, bytes]) -> list[str]:
    if file.is_symlink() or not file.is_file():
        return [f"{file.name}: missing" if not file.exists() else f"{file.name}: not a plain file"]
    size = file.stat().st_size
    if size != entry.get("size"):  # before reading: a wrong file may be huge
        return [f"{file.name}: {size} bytes, expected {entry.get('size')}"]
    files[file.name] = file.read_bytes()
    found = hashlib.sha256(files[file.name]).hexdigest()
    return [] if found == entry.get("sha256") else [f"{file.name}: sha256 {found[:12]}…, expected {str(entry.get('sha256'))[:12]}…"]


def _write_synced(file: Path, data: bytes) -> None:
    with file.open("xb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows keeps directory entries itself and cannot open a folder
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
