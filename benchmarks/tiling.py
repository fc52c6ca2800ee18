"""A large county for timing: a simulated one put on file once, its tables then tiled, each tile with keys of its own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from returnrisk.contracts import Contract, load_contracts
from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.simulate import simulate_county, write_inbox
from returnrisk.store.tables import VERSION_COLUMNS, write_store
from returnrisk.store.view import Store, open_store

KEY = b"a key for timing only"
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


def large_county(folder: Path, *, households: int, simulated: int, source: str = "") -> Store:
    """A store of about so many households, 48 months, in `folder`.

    Parameters
    ----------
    simulated
        Households of the county that is tiled.
    source
        Folder of a store to tile instead.
    """
    if not source:
        write_inbox(simulate_county(n_households=simulated, months=48, seed=0), folder / "inbox")
        ingest_inbox(folder / "inbox", folder / "one", key=KEY)
    one = open_store(Path(source) if source else folder / "one", verify=False)
    per_tile = one.manifest.tables["household"].n_rows if source else simulated
    return tiled(one, folder / "many", tiles=math.ceil(households / per_tile))
