"""The manifest of a folder that a run wrote: every file with its checksum, and what it was made from. Written last."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from returnrisk.store.files import sha256_of, write_json

NAME = "manifest.json"


def seal(folder: Path, **made_from: Any) -> Path:
    """Write the manifest of everything in `folder` but what is hidden or lies in a sealed folder inside it; `made_from` goes in beside the checksums."""
    inside = [p.parent for p in folder.rglob(NAME) if p.parent != folder]
    own = (p for p in folder.rglob("*") if p.is_file() and p.name != NAME and not _is_hidden(p.relative_to(folder)))
    files = sorted(p for p in own if not any(p.is_relative_to(other) for other in inside))
    content = {"schema": 1, **made_from, "files": {p.relative_to(folder).as_posix(): sha256_of(p) for p in files}}
    write_json(folder / NAME, content)
    return folder / NAME


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def unseal(folder: Path) -> None:
    """Before anything in a folder is written anew: what is there is no whole run any more."""
    (folder / NAME).unlink(missing_ok=True)


def read_manifest_of_run(folder: Path) -> dict[str, Any]:
    """The manifest a run left in `outputs/<day>/`."""
    content: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
    return content


def runs_before(outputs: Path, day: dt.date) -> Iterator[tuple[dt.date, dict[str, Any]]]:
    """Whole runs under `outputs/<day>/` of earlier days with their manifests, latest first."""
    days = {path.parent.name: path.parent for path in outputs.glob(f"*/{NAME}")}
    for name in sorted(days, reverse=True):
        if name < day.isoformat() and "model_version" in (made := read_manifest_of_run(days[name])):
            yield dt.date.fromisoformat(name), made
