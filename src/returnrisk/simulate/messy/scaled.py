"""Dirt in the unit of amounts: 万元 said behind a column, above a sheet, or above one of two sheets."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.messy.rows import NO_QUARANTINE
from returnrisk.simulate.messy.sheet import Column, Planned, Sheet, pick

TEN_THOUSAND = 10_000


def _money(sheet: Sheet) -> list[Column]:
    return [c for c in sheet.columns if c.shape == "money" and c.header not in sheet.locked]


def scaled_column(rng: np.random.Generator, sheet: Sheet) -> bool:
    """A column of amounts in 万元, as its header says."""
    money = [
        c
        for c in _money(sheet)
        if c.field.unit == "CNY" and c.header not in sheet.layout.titles and sheet.frame[c.header].notna().any()
    ]
    if not money:
        return False
    column = pick(rng, money)
    sheet.layout.factors[column.header] = TEN_THOUSAND
    sheet.layout.titles[column.header] = f"{column.header}（万元）"
    sheet.locked.add(column.header)
    sheet.plan(Planned("scaled_column", "ING034", "recovered", field=column.header))
    return True


def scaled_sheet(_: np.random.Generator, sheet: Sheet) -> bool:
    """All amounts in 万元, as a line above the header says."""
    money = _money(sheet)
    if not money or any(c.header in sheet.layout.titles for c in money):
        return False
    _in_ten_thousands(sheet, money)
    sheet.plan(Planned("scaled_sheet", "ING034", "recovered"))
    return True


def _in_ten_thousands(sheet: Sheet, money: list[Column]) -> None:
    sheet.put_above([["单位：万元"]])
    for column in money:
        sheet.layout.factors[column.header] = TEN_THOUSAND
        sheet.locked.add(column.header)


def unit_on_first_sheet(_: np.random.Generator, sheet: Sheet) -> bool:
    """The second half of the rows on a sheet of its own, and 万元 said above the first alone: what the others mean is nobody's to know.

    Not in the ledger: with half of its rows refused the month would not count as delivered, which is a kind of dirt of its own.
    """
    money, half = _money(sheet), len(sheet.frame) // 2
    if sheet.table in NO_QUARANTINE or sheet.layout.factors or any(c.header in sheet.layout.titles for c in money):
        return False
    spoken = [[c.field.name for c in money if sheet.frame[c.header].fillna(0).iat[row] != 0] for row in range(len(sheet.frame))]
    if not sheet.can_be_parted or not any(spoken[:half]) or not any(spoken[half:]):
        return False
    _in_ten_thousands(sheet, money)
    sheet.layout.second_sheet_at = half
    sheet.plan(Planned("unit_on_first_sheet", "ING034", "recovered"))
    for row in (r for r in range(half, len(spoken)) if spoken[r]):
        sheet.plan(Planned("unit_on_first_sheet", "ING052", "quarantined", row=row, field=spoken[row][0]))
    sheet.taken[:] = True  # a row repeated on the other sheet would be in another unit
    return True
