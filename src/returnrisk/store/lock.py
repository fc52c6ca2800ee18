"""A lock between processes, on every system, that a killed process cannot leave behind.

SQLite's own file lock does the work: it exists on Windows as on Linux, waits by itself, and the operating system releases it when
the process dies, so there is no stale marker to detect and no process number to trust. The lock file stays, empty.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from returnrisk.errors import StoreError

DEFAULT_TIMEOUT_S = 120.0  # first creation of an MLflow database takes 2 to 5 s; four processes may queue for it


@contextlib.contextmanager
def exclusive(path: Path, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Iterator[None]:
    """Hold the lock at `path` (created when absent) while the block runs; one holder at a time, across processes and threads.

    Parameters
    ----------
    path
        The lock file; its folder must exist, on a local disk.
    timeout_s
        Seconds to wait for the present holder.

    Raises
    ------
    StoreError
        Another process still holds the lock after `timeout_s`, or the file cannot be created.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, exclusive(Path(folder, "a.lock")):
    ...     print("alone")
    alone
    """
    try:
        connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None)
    except sqlite3.Error as error:
        raise StoreError(
            f"the lock file {path.name} cannot be opened in {path.parent}: {error}. Check that it is writable"
        ) from error
    with contextlib.closing(connection):
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{path.name} in {path.parent} is held by another process ({error}; waited up to {timeout_s:g} s): "
                "wait until it has finished, then repeat"
            ) from error
        yield
