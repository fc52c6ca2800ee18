"""Snapshots kept on disk by content: the same store, day, specification and catalogue are never computed twice.

Building one takes a processor more thought (expressions, SQL) than the engine work, so many days are shared among processes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.accounts import kept_periods
from returnrisk.config import ModelSpec, parse_model_spec
from returnrisk.features.alerts import alert_counts
from returnrisk.features.catalogue import fingerprint
from returnrisk.features.families import catalogue
from returnrisk.features.snapshot import Snapshot, build_snapshot
from returnrisk.policy import Policy
from returnrisk.store.files import write_atomically
from returnrisk.store.view import Store, open_store

if TYPE_CHECKING:
    import pandas as pd

CACHE_SCHEMA = 4
"""Raise it whenever the meaning of a column changes without a catalogue entry doing so."""
WORTH_A_PROCESS = 4
"""Days under which another process would take longer to start than it saves."""
MOST_PROCESSES = 4


def cached_snapshot(folder: Path, store: Store, as_of: dt.date, *, spec: ModelSpec) -> Snapshot:
    """The snapshot of a day, read from `folder` or computed and kept there."""
    import pandas as pd

    features = catalogue(spec.families)
    path = _path(folder, store, as_of, spec=spec)
    if (kept := _read(path)) is None:
        made = build_snapshot(store.as_of(as_of), spec=spec.outcome, families=spec.families)
        write_atomically(path, lambda p: made.table.to_parquet(p, index=False))
        kept = pd.read_parquet(path)  # read back: the first answer and the later ones are the same to the last type
    return Snapshot(table=kept, features=features, as_of=as_of)


def cached_alerts(folder: Path, store: Store, as_of: dt.date, *, policy: Policy) -> pd.DataFrame | None:
    """Alerts of a day by a pack (`features.alerts.alert_counts`), read from `folder` or computed and kept there; None: no values on the day."""
    identity = json.dumps([CACHE_SCHEMA, store.manifest.fingerprint, repr(policy)])
    path = folder / f"alerts-{as_of.isoformat()}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.parquet"
    if (kept := _read(path)) is not None:
        return kept
    view = store.as_of(as_of)
    with kept_periods(view):
        made = alert_counts(view, policy=policy)
    if made is not None:
        write_atomically(path, lambda p: made.to_parquet(p, index=False))
    return made


def fill(
    folder: Path,
    store: Store,
    days: Sequence[dt.date],
    *,
    spec: ModelSpec,
    store_folder: Path,
    progress: Callable[[str, int, int], None],
) -> None:
    """Compute the snapshots of `days` that are not kept yet, on as many processors as there are.

    A process that dies costs its days a second computation, by whoever asks for them; its errors come up there.
    """
    missing = [day for day in days if not _path(folder, store, day, spec=spec).is_file()]
    n = max(1, min(os.cpu_count() or 1, MOST_PROCESSES, len(missing) // WORTH_A_PROCESS))
    parts = [missing[k::n] for k in range(n)]
    others = [_start(folder, store_folder, part, spec=spec) for part in parts[1:]]
    try:
        for i, day in enumerate(parts[0]):
            progress("snapshot", i * n, len(missing))
            cached_snapshot(folder, store, day, spec=spec)
    finally:
        for other in others:
            other.wait()


def _start(folder: Path, store_folder: Path, days: list[dt.date], *, spec: ModelSpec) -> subprocess.Popen[str]:
    """Another Python that computes `days`: a fresh one, so that no caller's script is imported again."""
    task = {"folder": str(folder), "store": str(store_folder), "spec": spec.as_dict(), "days": [d.isoformat() for d in days]}
    process = subprocess.Popen(
        [sys.executable, "-m", "returnrisk.snapshot_cache"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    if process.stdin is None:  # never: it was asked for
        return process
    with process.stdin as stream:
        json.dump(task, stream)
    return process


def _work() -> None:
    """What a process started by `fill` does."""
    task = json.load(sys.stdin)
    store, spec = open_store(Path(task["store"])), parse_model_spec(task["spec"])
    for day in task["days"]:
        cached_snapshot(Path(task["folder"]), store, dt.date.fromisoformat(day), spec=spec)


def _path(folder: Path, store: Store, as_of: dt.date, *, spec: ModelSpec) -> Path:
    told = asdict(spec.outcome)  # of the outcome a snapshot knows the account alone: one serves fall, entry, relapse and hardship
    account = {name: told[name] for name in ("account", "window", "settlement", "min_months", "partial_months")}
    identity = json.dumps(
        [CACHE_SCHEMA, store.manifest.fingerprint, account, fingerprint(catalogue(spec.families))],
        sort_keys=True,
        default=str,
    )
    return folder / f"{as_of.isoformat()}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.parquet"


def _read(path: Path) -> pd.DataFrame | None:
    """The kept table; None where there is none or it is damaged (it is only a cache)."""
    import pandas as pd
    import pyarrow as pa

    try:
        return pd.read_parquet(path)
    except (OSError, pa.ArrowInvalid):
        return None


if __name__ == "__main__":
    _work()
