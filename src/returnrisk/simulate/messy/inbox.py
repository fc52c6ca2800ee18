"""A county's clean files, soiled at stated rates: the messy inbox and the key to it.

    clean files → layouts (per file) → by table, parents first: rows whose household or person will be refused, half deliveries,
    rows and cells → files, key

A clean row is soiled at most once. Everything depends on the county's seed alone.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from returnrisk.contracts import Contract, load_contracts, load_order
from returnrisk.errors import ConfigError
from returnrisk.simulate.attitudes import attitude_columns
from returnrisk.simulate.county import SimulatedCounty
from returnrisk.simulate.export import inbox_files
from returnrisk.simulate.messy.cells import CELL_DIRT, CellDirt
from returnrisk.simulate.messy.files import write_sheet
from returnrisk.simulate.messy.half import plant_half_deliveries
from returnrisk.simulate.messy.key import PlantedKey, key_of, refused_values
from returnrisk.simulate.messy.layouts import LAYOUT_DIRT, add_attitudes
from returnrisk.simulate.messy.rates import DirtRates, default_rates
from returnrisk.simulate.messy.rows import FILE_ROW_DIRT, NO_QUARANTINE, ROW_DIRT, RowDirt, other_county_file
from returnrisk.simulate.messy.sheet import Planned, Sheet, clean_sheet

TRIES = 40
"""So many rows are tried for each one that is to be soiled, before a kind is given up in a table."""


def without_own_faults(county: SimulatedCounty) -> SimulatedCounty:
    """The county with the clean export's own planted faults switched off."""
    return dataclasses.replace(
        county, parameters=county.parameters.changed({"export.p_duplicate_row": 0.0, "export.p_bad_cell": 0.0})
    )


def write_messy_inbox(county: SimulatedCounty, folder: Path, *, rates: DirtRates | None = None) -> PlantedKey:
    """Write everything on file at the county's end as hurried offices would send it.

    Parameters
    ----------
    county
        From `simulate_county`.
    folder
        Made if it is not there; files of the same names are replaced.
    rates
        How often each kind is planted (default: `default_rates()`).

    Returns
    -------
    PlantedKey
        What was planted where. The same county and rates give the same bytes and the same key.

    Raises
    ------
    ConfigError
        A clean file's name fits no table.

    Examples
    --------
    >>> import datetime as dt, tempfile
    >>> from returnrisk.simulate import simulate_county
    >>> county = simulate_county(n_households=60, months=4, start=dt.date(2024, 1, 1), seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     key = write_messy_inbox(county, Path(folder))
    >>> sorted(set(key.items.outcome))[:3]
    ['added', 'dropped', 'duplicate']
    """
    sheets = soiled_sheets(county, rates=rates or default_rates())
    folder.mkdir(parents=True, exist_ok=True)
    for sheet in sheets:
        write_sheet(sheet, folder)
    return key_of(sheets)


def soiled_sheets(county: SimulatedCounty, *, rates: DirtRates) -> list[Sheet]:
    """The county's files with all dirt planted, not yet written."""
    contracts = load_contracts()
    sheets = [clean_sheet(f.name, f.frame, _table_of(f.name, contracts)) for f in inbox_files(without_own_faults(county))]
    rng = _rng(county.seed, "attitude_columns")
    if rng.random() < rates.of["attitude_columns"]:
        add_attitudes(next(s for s in sheets if s.table == "household"), attitude_columns(county))
    _plant_layouts(sheets, rates, seed=county.seed)
    by_table: dict[str, list[Sheet]] = {}
    for sheet in sheets:
        by_table.setdefault(sheet.table, []).append(sheet)
    for own in by_table.values():
        for sheet in own:
            sheet.siblings = [o for o in own if o is not sheet]
    order = [name for name in load_order(contracts) if name in by_table]
    plant_half_deliveries(by_table, rate=rates.of["half_delivered"], rng=_rng(county.seed, "half_delivered"))
    homes = _homes(by_table)
    rng = _rng(county.seed, "other_county_file")
    if rng.random() < rates.of["other_county_file"]:
        sheets.append(other_county_file(rng, by_table["household"][0]))
    gone: dict[tuple[str, str], frozenset[str]] = {}
    for name in order:
        own = by_table[name]
        for sheet in own:
            _refuse_with_parents(sheet, gone)
        _plant_rows(own, rates, homes, seed=county.seed)
        for table, field in {f.references for c in contracts.values() for f in c.fields if f.references}:
            if table == name:
                gone[table, field] = refused_values(own, field)
    return sheets


def _rng(seed: int, what: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(what.encode())])


def _table_of(name: str, contracts: Mapping[str, Contract]) -> Contract:
    hits = [(len(alias), c.name) for c in contracts.values() for alias in c.file_aliases if alias in name]
    if not hits:
        raise ConfigError(f"the file name {name} fits no table")
    return contracts[max(hits)[1]]


def _plant_layouts(sheets: list[Sheet], rates: DirtRates, *, seed: int) -> None:
    """Each kind on its share of the files that can carry it, at least one; two kinds of a family never meet."""
    used: dict[int, set[str]] = {id(s): set() for s in sheets}
    n_files = {s.table: sum(o.table == s.table for o in sheets) for s in sheets}
    for dirt in LAYOUT_DIRT:
        rng, rate = _rng(seed, dirt.kind), rates.of[dirt.kind]
        able = [s for s in sheets if rate and dirt.fits(s) and dirt.family not in used[id(s)]]
        if dirt.family == "missing":  # never a column of a whole table
            able = [s for s in able if n_files[s.table] > 3]
        wanted = max(1, round(rate * len(able))) if able else 0
        for i in rng.permutation(len(able)).tolist():
            if not wanted:
                break
            if dirt.plant(rng, able[i]):
                used[id(able[i])].add(dirt.family)
                wanted -= 1
    for row_dirt in FILE_ROW_DIRT:
        rng, rate = _rng(seed, row_dirt.kind), rates.of[row_dirt.kind]
        able = [s for s in sheets if rate and row_dirt.fits(s)]
        for i in rng.permutation(len(able))[: max(1, round(rate * len(able)))].tolist():
            row_dirt.plant(rng, able[i], -1)


def _refuse_with_parents(sheet: Sheet, gone: Mapping[tuple[str, str], frozenset[str]]) -> None:
    """Plan the refusal of rows whose household or person will have no accepted row."""
    orphan = np.zeros(len(sheet.frame), dtype=bool)
    for column in sheet.columns:
        if values := gone.get(column.field.references or ("", "")):
            orphan |= sheet.frame[column.header].isin(values).to_numpy()
    rows = set(np.flatnonzero(orphan & ~sheet.silent).tolist())
    if not rows:
        return
    sheet.planned = [p for p in sheet.planned if p.kind != "merged_cells" or p.row not in rows]
    refused = {p.row for p in sheet.planned if p.outcome in ("quarantined", "not_sent")}
    for row in sorted(rows - refused):
        sheet.plan(Planned("knock_on", "CON006", "quarantined", row=row))


def _homes(by_table: Mapping[str, list[Sheet]]) -> dict[str, str]:
    """For each kind of cell or row dirt the table with most rows that can carry it: there it is planted at least once."""
    homes = {}
    size = {name: sum(len(s.frame) for s in own) for name, own in by_table.items()}
    for dirt in (*CELL_DIRT, *ROW_DIRT):
        able = [name for name, own in by_table.items() if any(_fits(dirt, s) for s in own)]
        if able:
            homes[dirt.kind] = max(able, key=lambda name: (size[name], name))
    return homes


def _fits(dirt: CellDirt | RowDirt, sheet: Sheet) -> bool:
    if isinstance(dirt, RowDirt):
        return dirt.fits(sheet)
    if dirt.outcome == "quarantined" and sheet.table in NO_QUARANTINE:
        return False
    return any(dirt.fits(sheet, column) for column in sheet.columns)


def _plant_rows(sheets: list[Sheet], rates: DirtRates, homes: Mapping[str, str], *, seed: int) -> None:
    """Row and cell dirt of one table."""
    table = sheets[0].table
    for dirt in (*ROW_DIRT, *CELL_DIRT):
        rng, rate = _rng(seed, f"{dirt.kind} {table}"), rates.of[dirt.kind]
        able = [s for s in sheets if rate and _fits(dirt, s)]
        ends = np.cumsum([len(s.frame) for s in able])
        if not able or not ends[-1]:
            continue
        expected = rate * int(ends[-1])
        wanted = int(expected) + (rng.random() < expected % 1)
        wanted = max(wanted, 1) if homes.get(dirt.kind) == table else wanted
        for place in rng.integers(int(ends[-1]), size=wanted * TRIES).tolist():
            if not wanted:
                break
            i = int(np.searchsorted(ends, place, side="right"))
            row = place - (int(ends[i - 1]) if i else 0)
            if able[i].is_free(row) and row not in able[i].removed and _plant_one(dirt, rng, able[i], row):
                wanted -= 1


def _plant_one(dirt: CellDirt | RowDirt, rng: np.random.Generator, sheet: Sheet, row: int) -> bool:
    if isinstance(dirt, RowDirt):
        return dirt.plant(rng, sheet, row)
    able = [c for c in sheet.columns if dirt.fits(sheet, c)]
    for i in rng.permutation(len(able)).tolist():
        column = able[i]
        text = sheet.text(row, column.header)
        if (text is None) is not dirt.on_empty or (dirt.on_empty and column.field.required and not column.wide):
            continue
        value = dirt.soil(rng, text or "", column, sheet)
        if value is not None:
            name = column.header if column.wide else column.field.name
            sheet.soil(row, column, value, Planned(dirt.kind, dirt.code, dirt.outcome, row=row, field=name))
            return True
    return False
