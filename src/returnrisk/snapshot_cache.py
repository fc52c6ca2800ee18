"""Snapshots kept on disk by content: the same store, day, specification and catalogue are never computed twice."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.config import ModelSpec
from returnrisk.features.catalogue import fingerprint
from returnrisk.features.families import catalogue
from returnrisk.features.snapshot import Snapshot, build_snapshot
from returnrisk.store.files import write_atomically
from returnrisk.store.view import Store

if TYPE_CHECKING:
    import pandas as pd

CACHE_SCHEMA = 1
"""Raise it whenever the meaning of a feature changes without its catalogue entry."""


def cached_snapshot(folder: Path, store: Store, as_of: dt.date, *, spec: ModelSpec) -> Snapshot:
    """The snapshot of a day, read from `folder` or computed and kept there."""
    import pandas as pd

    features = catalogue(spec.families)
    identity = json.dumps(
        [CACHE_SCHEMA, store.manifest.fingerprint, asdict(spec.outcome), fingerprint(features)], sort_keys=True, default=str
    )
    path = folder / f"{as_of.isoformat()}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.parquet"
    if (kept := _read(path)) is None:
        made = build_snapshot(store.as_of(as_of), spec=spec.outcome, families=spec.families)
        write_atomically(path, lambda p: made.table.to_parquet(p, index=False))
        kept = pd.read_parquet(path)  # read back: the first answer and the later ones are the same to the last type
    return Snapshot(table=kept, features=features, as_of=as_of)


def _read(path: Path) -> pd.DataFrame | None:
    """The kept table; None where there is none or it is damaged (it is only a cache)."""
    import pandas as pd
    import pyarrow as pa

    try:
        return pd.read_parquet(path)
    except (OSError, pa.ArrowInvalid):
        return None
