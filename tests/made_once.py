"""What is dear is made once per test run, by the process that needs it first; the others wait for it and only read."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from returnrisk.store.lock import exclusive

SHARED = "RETURNRISK_TESTS"
"""Environment variable with the folder that all processes of a run share."""


def open_shared_folder() -> None:
    os.environ[SHARED] = tempfile.mkdtemp(prefix="returnrisk-tests-")


def remove_shared_folder() -> None:
    shutil.rmtree(os.environ.pop(SHARED), ignore_errors=True)


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder that `make` makes (it is given the path), the same for all processes of the run. To be read, or copied."""
    root = Path(os.environ[SHARED])
    folder, unfinished = root / name, root / f"{name}.part"
    with exclusive(root / f"{name}.lock", timeout_s=900):
        if not folder.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(folder)
    return folder
