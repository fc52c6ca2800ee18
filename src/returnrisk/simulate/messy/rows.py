"""Dirt in whole rows: repetitions, contradictions, rows of nobody or of another county, rows that are no data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from returnrisk.simulate.messy.sheet import Cell, Column, ExtraRow, Planned, Sheet, clean_sheet, pick

NO_QUARANTINE = frozenset({"village", "line", "delivery"})
"""Tables that everything hangs on: their rows are soiled only so that they are recovered, or by a row added."""
OTHER_COUNTY = "999902"


@dataclass(frozen=True, slots=True)
class RowDirt:
    """One kind of dirt in a row; `plant` answers False where that row cannot carry it."""

    kind: str
    fits: Callable[[Sheet], bool]
    plant: Callable[[np.random.Generator, Sheet, int], bool]


def _anywhere(_: Sheet) -> bool:
    return True


def _may_quarantine(sheet: Sheet) -> bool:
    return sheet.table not in NO_QUARANTINE


def _place(rng: np.random.Generator, sheet: Sheet, row: int) -> int:
    """Right below the row, or at the end of the file."""
    return int(pick(rng, (row, len(sheet.frame))))


def duplicate_row(rng: np.random.Generator, sheet: Sheet, row: int) -> bool:
    """The row again."""
    extra = sheet.insert(ExtraRow(_place(rng, sheet, row), row, {}))
    sheet.plan(Planned("duplicate_row", "ING021", "duplicate", row=row, extra=extra))
    return True


def _otherwise(sheet: Sheet, row: int, column: Column) -> Cell:
    """Another value of the same kind; None where none is safe."""
    text = sheet.text(row, column.header)
    if text is None or column.header in sheet.locked:
        return None
    if column.shape in ("money", "measure"):
        return str(Decimal(text) + 1)
    if column.shape == "boolean":
        return {"是": "否", "否": "是"}.get(text)
    if column.shape == "code":
        meant = column.field.codes.get(text)
        return next((label for label, code in column.field.codes.items() if code != meant), None)
    return text + "二" if column.shape == "text" else None


def sent_again(rng: np.random.Generator, sheet: Sheet, row: int) -> bool:
    """The row again in a later file of the same office."""
    later = [o for o in sheet.siblings if Path(o.name) > Path(sheet.name)]
    later = [o for o in later if not (o.layout.factors or o.locked or sheet.layout.factors or sheet.locked)]
    if not later:
        return False
    other: Sheet = pick(rng, later)
    cells: dict[str, Cell] = {c.header: sheet.text(row, c.header) for c in sheet.columns}
    other.plan(Planned("sent_again", "ING021", "duplicate", extra=other.insert(ExtraRow(len(other.frame), -1, cells))))
    sheet.taken[row] = True
    return True


def conflicting_rows(rng: np.random.Generator, sheet: Sheet, row: int) -> bool:
    """The row again with another value, recorded on the same day: nobody can know which is right."""
    # not what another field's rule compares: that row would be refused for another reason
    compared = {name for rule in sheet.contract.row_rules for name in (rule.left, rule.right)}
    for i in rng.permutation(len(sheet.columns)).tolist():
        column = sheet.columns[i]
        if not column.wide and (column.field.is_key or column.field.name in compared or column.field.references):
            continue
        other = _otherwise(sheet, row, column)
        if other is not None:
            extra = sheet.insert(ExtraRow(_place(rng, sheet, row), row, {column.header: other}))
            sheet.plan(Planned("conflicting_rows", "ING016", "quarantined", row=row, field=column.field.name))
            sheet.plan(Planned("conflicting_rows", "ING016", "quarantined", extra=extra, field=column.field.name))
            return True
    return False


def _compared(sheet: Sheet) -> list[tuple[Column, Column]]:
    """Columns that the contract compares with each other, both in the file."""
    pairs = [(sheet.column_of(rule.left), sheet.column_of(rule.right)) for rule in sheet.contract.row_rules]
    return [(left, right) for left, right in pairs if left and right and not {left.header, right.header} & sheet.locked]


def contradicting_fields(_: np.random.Generator, sheet: Sheet, row: int) -> bool:
    """A day after the day it must precede, or a part greater than its whole."""
    for left, right in _compared(sheet):
        text, other = sheet.text(row, left.header), sheet.text(row, right.header)
        if text is None or other is None or (len(text) != len(other) and left.shape == "date"):
            continue
        if left.shape == "date":
            value = (dt.date.fromisoformat(other) + dt.timedelta(days=400)).isoformat()
        elif left.shape == "money":
            value = str(Decimal(other) + 1000)
        else:
            continue
        sheet.soil(row, left, value, Planned("contradicting_fields", "CON007", "quarantined", row=row, field=left.field.name))
        return True
    return False


def _area_column(sheet: Sheet) -> Column | None:
    return next(
        (c for n in ("village_code", "township_code", "area_code") if (c := sheet.column_of(n)) and c.header not in sheet.locked),
        None,
    )


def other_county(rng: np.random.Generator, sheet: Sheet, row: int) -> bool:
    """A row that belongs to the neighbouring county."""
    area = _area_column(sheet)
    text = area and sheet.text(row, area.header)
    if not area or not text:
        return False
    cells: dict[str, Cell] = {area.header: OTHER_COUNTY + text[6:]}
    household = sheet.column_of("household_id")
    if household:
        cells[household.header] = f"{OTHER_COUNTY}-{row + 1:07d}"
    extra = sheet.insert(ExtraRow(_place(rng, sheet, row), row, cells))
    sheet.plan(Planned("other_county", "ING019", "quarantined", extra=extra, field=area.field.name))
    sheet.taken[row] = True
    return True


def other_county_file(rng: np.random.Generator, household: Sheet) -> Sheet:
    """The household file of the neighbouring county, a few rows of it."""
    sheet = clean_sheet(f"邻县{household.name}", household.frame.iloc[:0], household.contract)
    area, number = household.column_of("village_code"), household.column_of("household_id")
    for row in sorted(rng.permutation(len(household.frame))[:5].tolist()):
        cells: dict[str, Cell] = {c.header: household.text(row, c.header) for c in household.columns}
        for column in (area, number):
            if column:
                cells[column.header] = OTHER_COUNTY + str(cells[column.header])[6:]
        sheet.plan(Planned("other_county_file", "ING019", "quarantined", extra=sheet.insert(ExtraRow(0, -1, cells))))
    return sheet


def orphan_row(rng: np.random.Generator, sheet: Sheet, row: int) -> bool:
    """A row of a household the county does not know."""
    household = sheet.column_of("household_id")
    if household is None or household.header in sheet.locked:
        return False
    cells: dict[str, Cell] = {household.header: f"{OTHER_COUNTY}-{row + 1:07d}"}
    extra = sheet.insert(ExtraRow(_place(rng, sheet, row), row, cells))
    sheet.plan(Planned("orphan_row", "CON006", "quarantined", extra=extra, field="household_id"))
    sheet.taken[row] = True
    return True


def two_names(rng: np.random.Generator, sheet: Sheet, row: int) -> bool:
    """The same number under another name, recorded later: a new head, or two people under one number."""
    name, recorded = sheet.column_of("head_name"), sheet.column_of("recorded_on")
    if name is None or recorded is None:
        return False
    day = dt.date.fromisoformat(str(sheet.text(row, recorded.header))) + dt.timedelta(days=1 + int(rng.integers(300)))
    key = sheet.column_of("household_id")
    same = sheet.frame[key.header] == sheet.frame[key.header].iat[row] if key else pd.Series(dtype=bool)
    if (sheet.frame.loc[same, recorded.header] == day.isoformat()).any():
        return False
    extra = sheet.insert(ExtraRow(_place(rng, sheet, row), row, {name.header: "钱模拟二", recorded.header: day.isoformat()}))
    sheet.plan(Planned("two_names", "ING045", "added", row=row, extra=extra, field="head_name"))
    return True


def total_row(rng: np.random.Generator, sheet: Sheet, _: int) -> bool:
    """合计 at the end, 小计 among the rows."""
    amounts = {c.header for c in sheet.columns if c.shape == "money"}
    heads = [h for h in sheet.layout.columns[:2] if h not in amounts]
    if not heads:
        return False
    head, n = str(pick(rng, heads)), len(sheet.frame)
    cells: dict[str, Cell] = {head: str(pick(rng, ("合计", "小计", "总　计", "合　计", "云溪镇小计", "合计（元）", "总计：")))}
    for c in sheet.columns:
        if c.shape == "money" and c.header in sheet.layout.columns and c.header not in sheet.layout.factors:
            cells[c.header] = f"{pd.to_numeric(sheet.frame[c.header]).sum():.2f}"
    after = int(rng.integers(n)) if "小计" in str(cells[head]) else n
    extra = sheet.insert(ExtraRow(after, -1, cells))
    sheet.plan(Planned("total_row", "ING023", "set_aside", extra=extra))
    return True


def note_row(rng: np.random.Generator, sheet: Sheet, _: int) -> bool:
    """Who filled the form, and what is to be noted, below the last row."""
    text = pick(
        rng,
        (
            "填表人：李模拟　　审核人：王模拟",
            "注：本表由各乡镇汇总上报，逾期不补。",
            "（说明：空白为无）",
            "制表单位：模拟县乡村振兴局",
        ),
    )
    extra = sheet.insert(ExtraRow(len(sheet.frame), -1, {sheet.layout.columns[0]: str(text)}))
    sheet.plan(Planned("note_row", "ING024", "set_aside", extra=extra))
    return True


def blank_row(rng: np.random.Generator, sheet: Sheet, _: int) -> bool:
    """An empty row between two others."""
    extra = sheet.insert(ExtraRow(int(rng.integers(max(1, len(sheet.frame) - 1))), -1, {}))
    sheet.plan(Planned("blank_row", "ING022", "set_aside", extra=extra))
    return True


def repeated_header(rng: np.random.Generator, sheet: Sheet, _: int) -> bool:
    """The header again at the top of a printed page."""
    titles: dict[str, Cell] = {h: sheet.layout.titles.get(h, h) for h in sheet.layout.columns}
    extra = sheet.insert(ExtraRow(int(rng.integers(len(sheet.frame))), -1, titles))
    sheet.plan(Planned("repeated_header", "ING025", "set_aside", extra=extra))
    return True


def wrong_cell_count(_: np.random.Generator, sheet: Sheet, row: int) -> bool:
    """A line with cells beyond the last column."""
    sheet.layout.more_cells[row] = ["见备注", "1"]
    sheet.plan(Planned("wrong_cell_count", "ING018", "quarantined", row=row))
    return True


def _is_of_a_household(sheet: Sheet) -> bool:
    """Whether the household is part of the key: only then another number makes another row, and no contradiction."""
    column = sheet.column_of("household_id")
    return column is not None and column.field.is_key and column.field.references is not None


def _is_csv(sheet: Sheet) -> bool:
    return not sheet.is_workbook and _may_quarantine(sheet)


def _has_room(sheet: Sheet) -> bool:
    return len(sheet.frame) >= 3 and not sheet.layout.merged and not sheet.layout.parents


ROW_DIRT = (
    RowDirt("duplicate_row", _anywhere, duplicate_row),
    RowDirt("sent_again", lambda s: bool(s.siblings), sent_again),
    RowDirt("conflicting_rows", _may_quarantine, conflicting_rows),
    RowDirt("contradicting_fields", lambda s: _may_quarantine(s) and bool(_compared(s)), contradicting_fields),
    RowDirt("other_county", lambda s: s.table != "village" and _area_column(s) is not None, other_county),
    RowDirt("orphan_row", lambda s: _may_quarantine(s) and _is_of_a_household(s), orphan_row),
    RowDirt("two_names", lambda s: s.table == "identity", two_names),
    RowDirt("wrong_cell_count", _is_csv, wrong_cell_count),
)
FILE_ROW_DIRT = (
    RowDirt("total_row", _has_room, total_row),
    RowDirt("blank_row", _has_room, blank_row),
    RowDirt("repeated_header", _has_room, repeated_header),
    RowDirt("note_row", _anywhere, note_row),
)
"""Rows that are no data: so many per file, whatever its length; notes last, for they stand below everything."""
