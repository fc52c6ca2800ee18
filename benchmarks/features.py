"""Time one snapshot: python benchmarks/features.py [households] [simulated] [store]; the budget is 100 000 households in 20 s on 2 cores.

A county of `simulated` households and 48 months, tiled to as many as are asked for (`tiling.py`). Prints the seconds of every step and
family, and of the whole.
"""

from __future__ import annotations

import datetime as dt
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tiling import large_county

from returnrisk.config import load_model_spec
from returnrisk.features.families import FAMILIES
from returnrisk.features.snapshot import build_snapshot
from returnrisk.store.view import Store


def main(households: int = 100_000, simulated: int = 5000, source: str = "") -> None:
    """Print what a snapshot costs; `source` is the folder of a store to tile instead of a simulated one."""
    spec = load_model_spec("fall-12m")
    with tempfile.TemporaryDirectory() as scratch:
        store = large_county(Path(scratch), households=households, simulated=simulated, source=source)
        report(store, spec.outcome, store.last_recorded_on())


def report(store: Store, outcome: Any, day: dt.date) -> None:
    """Print rows, seconds by step and family, seconds of the whole, and the largest memory."""
    manifest = store.manifest
    print({name: table.n_rows for name, table in manifest.tables.items()})
    spent: dict[str, float] = {}
    begin = time.perf_counter()
    snapshot = build_snapshot(store.as_of(day), spec=outcome, spent=spent)
    whole = time.perf_counter() - begin
    for name, seconds in spent.items():
        print(f"{name:12} {seconds:6.2f} s  {len(FAMILIES[name].features) if name in FAMILIES else '':>3}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{'whole':12} {whole:6.2f} s  {len(snapshot.names)} features, {len(snapshot.table)} households, peak {peak:.1f} GB")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]), *sys.argv[3:4])
