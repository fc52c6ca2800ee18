"""Files and folders that are either whole or as they were: written beside, flushed, then put in place at once."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, flush it to disk and put it in place; on any failure leave no trace.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_atomically(folder / "a.txt", lambda p: p.write_text("whole")).read_text()
    'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".part-{secrets.token_hex(6)}{path.suffix}")
    try:
        write(temporary)
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


@contextlib.contextmanager
def folder_in_place(folder: Path, *, mode: int = 0o777) -> Iterator[Path]:
    """Give an empty folder beside `folder` to be filled, and put it in its place when the block ends; on any failure `folder` stays as it was.

    Parameters
    ----------
    folder
        What stands there is replaced as a whole. One writer at a time.
    mode
        Permissions of the new folder, less the umask (no effect on Windows).

    Raises
    ------
    OSError
        A file stands in its place, or another program holds one of its files open (Windows).

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "a"
    >>> with folder_in_place(place) as fresh:
    ...     _ = (fresh / "b.txt").write_text("whole")
    >>> sorted(p.name for p in place.parent.rglob("*"))
    ['a', 'b.txt']
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file stands where a folder is to be", str(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.iterdir():
        if re.fullmatch(rf"\.part-{re.escape(folder.name)}-[0-9a-f]{{12}}", left.name):  # of a process that was killed
            shutil.rmtree(left, ignore_errors=True)
    fresh, old = (folder.with_name(f".{what}-{folder.name}-{secrets.token_hex(6)}") for what in ("part", "old"))
    try:
        fresh.mkdir(mode=mode)
        yield fresh
        if folder.exists():
            folder.replace(old)
        fresh.replace(folder)
    finally:
        if old.exists() and not folder.exists():
            old.replace(folder)
        for left in (fresh, old):
            shutil.rmtree(left, ignore_errors=True)


def write_json(path: Path, content: Mapping[str, Any]) -> Path:
    """Write `content` as sorted, indented JSON, atomically."""
    text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    return write_atomically(path, lambda p: p.write_text(text, encoding="utf-8"))
