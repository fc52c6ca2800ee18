"""Time one snapshot: python benchmarks/features.py [households] [simulated] [store]; the budget is 100 000 households in 20 s on 2 cores.

A county of `simulated` households and 48 months is simulated and put on file once; its tables are then tiled, each tile with keys of
its own, to as many households as are asked for. Prints the seconds of every step and family, and of the whole.
"""

from __future__ import annotations

import datetime as dt
import math
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from returnrisk.config import load_model_spec
from returnrisk.contracts import Contract, load_contracts
from returnrisk.features.families import FAMILIES
from returnrisk.features.snapshot import build_snapshot
from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.simulate import simulate_county, write_inbox
from returnrisk.store.tables import VERSION_COLUMNS, write_store
from returnrisk.store.view import Store, open_store

KEY = b"a key for timing features"
MOST_TILES = 1024
"""Pseudonyms are spread over 63 bits: a tile's number takes the place of their last ten."""


def tiled(source: Store, folder: Path, *, tiles: int) -> Store:
    """The store's tables `tiles` times over: other households, persons, claims, villages and townships, the same county."""
    import ibis

    contracts = load_contracts()
    manifest = source.manifest
    number = ibis.memtable({"tile": list(range(tiles))}, schema={"tile": "int64"})
    tables = {}
    for name, stored in manifest.tables.items():
        if stored.restricted:
            continue
        rows = source._tables[name].drop(*VERSION_COLUMNS)  # noqa: SLF001 (every version, which no view shows)
        tables[name] = _tile(rows.cross_join(number), contracts[name])
    write_store(folder, tables, contracts=contracts, delays={n: s.delay_days for n, s in manifest.tables.items()})
    return open_store(folder, verify=False)


def _tile(rows: Any, contract: Contract) -> Any:
    """Keys of the tile; a table without any (prices, the county's line) is kept once."""
    changed = {}
    for field in contract.fields:
        if field.pseudonym or (field.references and field.references[1].endswith("_id")):
            changed[field.name] = rows[field.name] - rows[field.name] % MOST_TILES + rows.tile
        elif field.name == "village_code":
            changed[field.name] = _moved(rows.village_code, rows.tile, 1000)
        elif field.name == "township_code":
            changed[field.name] = _moved(rows.township_code, rows.tile, 1)
    if not changed:
        return rows.filter(rows.tile == 0).drop("tile")
    return rows.mutate(**changed).drop("tile")


def _moved(code: Any, tile: Any, unit: int) -> Any:
    """Township number 101 of tile 3 becomes 401 or so: each tile has townships of its own, in the same county."""
    county = code // (1000 * unit) * (1000 * unit)
    township = code // unit % 1000
    return county + ((township + tile * 37) % 1000) * unit + code % unit


def main(households: int = 100_000, simulated: int = 5000, source: str = "") -> None:
    """Print what a snapshot costs; `source` is the folder of a store to tile instead of a simulated one."""
    spec = load_model_spec("fall-12m")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if not source:
            write_inbox(simulate_county(n_households=simulated, months=48, seed=0), folder / "inbox")
            ingest_inbox(folder / "inbox", folder / "one", key=KEY)
        one = open_store(Path(source) if source else folder / "one", verify=False)
        per_tile = one.manifest.tables["household"].n_rows if source else simulated
        store = tiled(one, folder / "many", tiles=math.ceil(households / per_tile))
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
