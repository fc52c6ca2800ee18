"""The key of a messy inbox: what was planted where, and what must become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from returnrisk.simulate.messy.sheet import Sheet

ITEM_COLUMNS = ("kind", "code", "outcome", "table_name", "file", "sheet", "row_number", "origin", "field")


@dataclass(frozen=True, slots=True)
class PlantedKey:
    """Everything planted in a messy inbox.

    Attributes
    ----------
    items
        One row per planted thing: `kind`, the `code` it must get (empty: none), the `outcome`, `table_name`, `file`, `sheet`, `row_number`
        (1 is the first row of the sheet; 0: the whole file, or a row that never came), `origin` (position of the clean row in its clean
        file; -1: none), `field`.
    origins
        By file: the key columns and recording day of every clean row (natural, in clear), by field name. Grain: rows of the clean file.
    added
        Rows that the messy store must have and the clean one must not: `table_name`, and key columns and recording day as text.
    tables
        Table of each file.
    """

    items: pd.DataFrame
    origins: Mapping[str, pd.DataFrame]
    added: pd.DataFrame
    tables: Mapping[str, str]

    def frame(self) -> pd.DataFrame:
        """Items by kind and outcome."""
        return self.items.groupby(["kind", "code", "outcome"], sort=True).size().rename("planted").reset_index()


def key_of(sheets: list[Sheet]) -> PlantedKey:
    """The key of soiled sheets."""
    items, added = [], []
    for sheet in sheets:
        lines = sheet.lines()
        number = {int(line): i for i, line in enumerate(lines)} if sheet.planned else {}
        places = sheet.places(lines) if sheet.planned else []
        for p in sheet.planned:
            line = -1 - p.extra if p.extra >= 0 else p.row
            is_row = (p.extra >= 0 or p.row >= 0) and line in number
            page, at = places[number[line]] if is_row else (sheet.sheet_name, 0)
            items.append((p.kind, p.code, p.outcome, sheet.table, sheet.name, page, at, p.row, p.field))
            if p.outcome == "added":
                added.append({"table_name": sheet.table, **_identity_of_extra(sheet, p.extra)})
    frame = pd.DataFrame(items, columns=list(ITEM_COLUMNS)).sort_values(list(ITEM_COLUMNS), ignore_index=True)
    return PlantedKey(
        items=frame,
        origins={s.name: identities(s) for s in sheets},
        added=pd.DataFrame(added),
        tables={s.name: s.table for s in sheets},
    )


def identities(sheet: Sheet) -> pd.DataFrame:
    """Key columns and recording day of the clean rows, by field name."""
    names = (*sheet.contract.key, "recorded_on")
    columns = [c for c in sheet.columns if not c.wide and c.field.name in names]
    return sheet.frame[[c.header for c in columns]].set_axis([c.field.name for c in columns], axis=1)


def _identity_of_extra(sheet: Sheet, extra: int) -> dict[str, object]:
    row = sheet.extras[extra]
    own = identities(sheet).iloc[row.source].to_dict()
    for c in sheet.columns:
        if c.field.name in own and c.header in row.cells:
            own[c.field.name] = row.cells[c.header]
    return {str(k): v for k, v in own.items()}


def refused_values(sheets: list[Sheet], field_name: str) -> frozenset[str]:
    """Values of a field that no accepted row of these soiled sheets will hold."""
    alive: set[str] = set()
    every: set[str] = set()
    for sheet in sheets:
        column = sheet.column_of(field_name)
        if column is None:
            continue
        refused = np.zeros(len(sheet.frame), dtype=bool)
        refused[[p.row for p in sheet.planned if p.row >= 0 and p.outcome in ("quarantined", "not_sent")]] = True
        values = sheet.frame[column.header]
        alive |= set(values[~refused].dropna())
        every |= set(values.dropna())
    return frozenset(every - alive)
