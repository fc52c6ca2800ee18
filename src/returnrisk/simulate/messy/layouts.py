"""Dirt in the layout of a file: encoding, delimiter, what stands above the header, headers, columns, units, merged cells, sheets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from returnrisk.simulate.messy.rows import NO_QUARANTINE
from returnrisk.simulate.messy.scaled import scaled_column, scaled_sheet, unit_on_first_sheet
from returnrisk.simulate.messy.sheet import Cell, Column, Planned, Sheet, pick

SMALL = 6000
"""Rows up to which a file may become a workbook or have a column rewritten: an office's form, not a ledger of years."""
EXTRA_HEADERS = ("备注", "序号", "有无违法记录")


@dataclass(frozen=True, slots=True)
class LayoutDirt:
    """One kind of dirt in a layout; two of one `family` never meet in one file."""

    kind: str
    family: str
    fits: Callable[[Sheet], bool]
    plant: Callable[[np.random.Generator, Sheet], bool]


def _csv(sheet: Sheet) -> bool:
    return not sheet.is_workbook


def _book(sheet: Sheet) -> bool:
    return sheet.is_workbook


def other_encoding(rng: np.random.Generator, sheet: Sheet) -> bool:
    """GB18030 without a word about it, or UTF-16 with its mark."""
    sheet.layout.encoding = str(pick(rng, ("gb18030", "utf-16", "utf-16-be")))
    sheet.plan(Planned("other_encoding", "ING027", "recovered"))
    return True


def no_mark(_: np.random.Generator, sheet: Sheet) -> bool:
    """UTF-8 without its mark, lines ending as on other systems: read like any other, so no code."""
    sheet.layout.line_end = "\n"
    sheet.layout.encoding = "utf-8"
    sheet.plan(Planned("utf8_without_mark", "", "recovered"))
    return True


def other_delimiter(rng: np.random.Generator, sheet: Sheet) -> bool:
    """Tabs or semicolons in a file that calls itself csv."""
    sheet.layout.delimiter = str(pick(rng, ("\t", ";")))
    sheet.plan(Planned("other_delimiter", "ING028", "recovered"))
    return True


def rows_above_header(rng: np.random.Generator, sheet: Sheet) -> bool:
    """A title, who reports, and an empty line."""
    rows = [[f"模拟县{sheet.contract.label_zh}统计表"], ["填报单位：模拟县乡村振兴局"], ["填报日期：2024年6月1日"], [""]]
    sheet.put_above(rows[: 1 + int(rng.integers(len(rows)))])
    sheet.plan(Planned("rows_above_header", "ING029", "recovered"))
    return True


def header_levels(_: np.random.Generator, sheet: Sheet) -> bool:
    """A header over two rows: 种植业 over 收入 and 成本."""
    parents: dict[str, str] = {}
    wide = [c.header for c in sheet.columns if c.wide]
    for header in wide:
        for measure in ("收入", "成本"):
            stem = header.removesuffix(measure)
            if stem != header and f"{stem}收入" in wide and f"{stem}成本" in wide:
                parents[header] = stem
                sheet.layout.titles[header] = measure
    sheet.layout.parents = parents
    sheet.plan(Planned("header_levels", "ING030", "recovered"))
    return bool(parents)


def grouped_header(_: np.random.Generator, sheet: Sheet) -> bool:
    """Groups over columns that keep their names: 基本情况 over the first half, 登记情况 over the second."""
    shown = sheet.layout.columns
    sheet.layout.parents = {h: "登记情况" if i >= len(shown) // 2 else "基本情况" for i, h in enumerate(shown)}
    sheet.plan(Planned("grouped_header", "ING029", "recovered"))
    sheet.plan(Planned("line_above_header", "ING024", "set_aside"))
    return True


def _runs(sheet: Sheet, column: Column) -> list[list[int]]:
    """Rows with the same value of a column, two or more; the file is sorted by it."""
    values = sheet.frame[column.header]
    sheet.layout.order = np.argsort(values.fillna("").to_numpy(dtype=str), kind="stable")
    groups = values.groupby(values, sort=True).indices
    return [np.asarray(rows).tolist() for rows in groups.values() if len(rows) > 1]


def merged_cells(rng: np.random.Generator, sheet: Sheet) -> bool:
    """The household's number once, over all its rows."""
    column = sheet.column_of("household_id")
    if column is None or sheet.layout.merged or column.header in sheet.locked:
        return False
    runs = _runs(sheet, column)
    chosen = [runs[i] for i in sorted(rng.permutation(len(runs))[:40].tolist())]
    if not chosen:
        return False
    sheet.locked.add(column.header)
    sheet.layout.merged = [(column.header, run) for run in chosen]
    for run in chosen:
        for row in (r for r in run if sheet.is_free(r)):
            sheet.plan(Planned("merged_cells", "ING031", "recovered", row=row, field=column.field.name))
    return True


def merged_amount(rng: np.random.Generator, sheet: Sheet) -> bool:
    """One amount over two rows: nobody can know how it is shared."""
    column = next((c for c in sheet.columns if c.shape == "money" and c.header not in sheet.locked), None)
    n = len(sheet.frame)
    if column is None or sheet.layout.merged or n < 8 or sheet.table in NO_QUARANTINE:
        return False
    for first in sorted(2 * i for i in rng.permutation(n // 2 - 1)[:3].tolist()):
        run = [first, first + 1]
        if sheet.text(first, column.header) is None or not all(sheet.is_free(r) for r in run):
            continue
        sheet.layout.merged.append((column.header, run))
        for row in run:
            sheet.plan(Planned("merged_amount", "ING048", "quarantined", row=row, field=column.field.name))
    return bool(sheet.layout.merged)


def hidden_sheet(_: np.random.Generator, sheet: Sheet) -> bool:
    """Last year's rows on a sheet nobody is to see: some of the rows with other amounts."""
    shown = list(sheet.frame.columns)
    rows: list[list[Cell]] = [list(shown)]
    for row in range(min(5, len(sheet.frame))):
        rows.append(
            [(sheet.text(row, h) or "") + ("0" if c.shape == "money" else "") for h, c in zip(shown, sheet.columns, strict=True)]
        )
    sheet.layout.hidden_sheets["旧数据"] = rows
    sheet.plan(Planned("hidden_sheet", "ING026", "dropped"))
    return True


def note_sheet(_: np.random.Generator, sheet: Sheet) -> bool:
    """A sheet that explains how to fill the form."""
    sheet.layout.note_sheets["填表说明"] = [["填表说明"], ["1", "登记日期为录入系统之日"], ["2", "金额单位为元，保留两位小数"]]
    sheet.plan(Planned("sheet_without_table", "ING050", "dropped"))
    return True


def renamed_column(rng: np.random.Generator, sheet: Sheet) -> bool:
    """Headers with stars, numbering, spaces and units; or another of the names the contract knows."""
    shown = [c for c in sheet.columns if c.header in sheet.layout.columns and c.header not in sheet.layout.titles]
    for n, i in enumerate(rng.permutation(len(shown))[:3].tolist()):
        column = shown[i]
        forms = [f"*{column.header}", f"{column.header[:1]} {column.header[1:]}", f"（{i + 1}）{column.header}"]
        if column.shape == "money" and column.header not in sheet.layout.factors:
            forms.append(f"{column.header}（元）")
        sheet.layout.titles[column.header] = str(pick(rng, forms[:1] if n == 0 else forms))
    if not shown:
        return False
    sheet.plan(Planned("renamed_column", "ING043", "recovered"))
    return True


def other_alias(rng: np.random.Generator, sheet: Sheet) -> bool:
    """A header that the contract knows under another name: no dirt to a reader, so no code."""
    known = [
        c
        for c in sheet.columns
        if not c.wide and len(c.field.aliases) > 1 and c.header in sheet.layout.columns and c.header not in sheet.layout.titles
    ]
    taken = set(sheet.frame.columns)
    for i in rng.permutation(len(known)).tolist():
        others = [a for a in known[i].field.aliases if a not in taken and a not in sheet.layout.parents]
        if others:
            sheet.layout.titles[known[i].header] = str(pick(rng, others))
            sheet.plan(Planned("other_alias", "", "recovered", field=known[i].field.name))
            return True
    return False


def extra_column(rng: np.random.Generator, sheet: Sheet) -> bool:
    """A column nobody asked for, among them one that the contracts refuse to take: legal records."""
    header = str(pick(rng, EXTRA_HEADERS))
    n = len(sheet.frame)
    values: list[Cell] = (
        [str(i + 1) for i in range(n)]
        if header == "序号"
        else [("已核对" if header == "备注" else "无") if i % 7 == 0 else None for i in range(n)]
    )
    sheet.layout.extra_columns[header] = values
    sheet.layout.columns.insert(0 if header == "序号" else len(sheet.layout.columns), header)
    if header == "备注":  # twice under one name, and once under none
        for key, title in (("备注 2", "备注"), ("备注 3", "")):
            sheet.layout.extra_columns[key] = ["见附件，\n已核𠮷" if i % 5 == 0 else None for i in range(n)]
            sheet.layout.columns.append(key)
            sheet.layout.titles[key] = title
    sheet.plan(Planned("extra_column", "ING044", "dropped", field=header))
    return True


def add_attitudes(sheet: Sheet, attitudes: pd.DataFrame) -> None:
    """What a careless office writes beside its households (`attitude_columns`), and the contracts refuse to take."""
    number = sheet.column_of("household_id")
    known = attitudes.set_index("household_id")
    if number is None:
        return
    for header in known.columns:
        sheet.layout.extra_columns[header] = sheet.frame[number.header].map(known[header]).tolist()
        sheet.layout.columns.append(header)
        sheet.plan(Planned("attitude_columns", "ING044", "dropped", field=header))


def missing_column(rng: np.random.Generator, sheet: Sheet) -> bool:
    """An optional column left away: its values are unknown, everything else stands."""
    optional = [
        c for c in sheet.columns if not c.field.required and not c.field.is_key and not c.wide and c.header not in sheet.locked
    ]
    optional = [c for c in optional if c.shape != "identifier" and sheet.frame[c.header].notna().any()]
    if not optional:
        return False
    column = pick(rng, optional)
    sheet.layout.columns.remove(column.header)
    sheet.locked.add(column.header)
    sheet.plan(Planned("missing_column", "", "dropped", field=column.field.name))
    return True


def empty_columns(_: np.random.Generator, sheet: Sheet) -> bool:
    """Columns without a header and without a cell: a spreadsheet's formatting saved as csv."""
    for key in ("空 1", "空 2"):
        sheet.layout.extra_columns[key] = [None] * len(sheet.frame)
        sheet.layout.columns.append(key)
        sheet.layout.titles[key] = ""
    sheet.plan(Planned("empty_columns", "", "recovered"))
    return True


def empty_lines(_: np.random.Generator, sheet: Sheet) -> bool:
    """Empty lines after the last."""
    sheet.layout.empty_lines = 2
    sheet.plan(Planned("empty_lines", "ING022", "set_aside"))
    sheet.plan(Planned("empty_lines", "ING022", "set_aside"))
    return True


def other_column_order(rng: np.random.Generator, sheet: Sheet) -> bool:
    """The columns in another order."""
    sheet.layout.columns = [sheet.layout.columns[i] for i in rng.permutation(len(sheet.layout.columns)).tolist()]
    sheet.plan(Planned("other_column_order", "", "recovered"))
    return True


def other_file_name(rng: np.random.Generator, sheet: Sheet) -> bool:
    """A name as it came by mail, in a folder of its own."""
    stem, kind = sheet.name.rsplit(".", 1)
    sheet.name = str(pick(rng, (f"乡镇报送/{stem}.{kind}", f"【模拟县】{stem}（上报版）(1).{kind}", f"{stem}-终稿.{kind.upper()}")))
    sheet.plan(Planned("other_file_name", "", "recovered"))
    return True


def second_sheet(_: np.random.Generator, sheet: Sheet) -> bool:
    """The second half of the rows on a sheet of its own."""
    if not sheet.can_be_parted:
        return False
    sheet.layout.second_sheet_at = len(sheet.frame) // 2
    sheet.plan(Planned("second_sheet", "", "recovered"))
    return True


def hidden_rows(rng: np.random.Generator, sheet: Sheet) -> bool:
    """Rows that a filter hides: as good as the others."""
    sheet.layout.hidden_rows = sorted(rng.permutation(len(sheet.frame))[: max(1, len(sheet.frame) // 10)].tolist())
    sheet.plan(Planned("hidden_rows", "ING053", "recovered"))
    return True


def date_1904(_: np.random.Generator, sheet: Sheet) -> bool:
    """A workbook that counts days from 1904."""
    sheet.layout.date_1904 = True
    sheet.plan(Planned("epoch_1904", "", "recovered"))
    return True


def date_cells(rng: np.random.Generator, sheet: Sheet) -> bool:
    """A column of real dates instead of texts."""
    dates = [c for c in sheet.columns if c.shape == "date" and c.header not in sheet.locked and c.header in sheet.layout.columns]
    if not dates:
        return False
    column = pick(rng, dates)
    sheet.layout.date_columns.add(column.header)
    sheet.locked.add(column.header)
    sheet.plan(Planned("date_cells", "", "recovered", field=column.field.name))
    return True


def as_workbook(_: np.random.Generator, sheet: Sheet) -> bool:
    """A csv of old sent as a workbook this time."""
    if not 8 <= len(sheet.frame) <= SMALL // 2:
        return False
    sheet.name = sheet.name.removesuffix(".csv") + ".xlsx"
    sheet.plan(Planned("other_file_kind", "", "recovered"))
    return True


def _small(sheet: Sheet) -> bool:
    return len(sheet.frame) <= SMALL


LAYOUT_DIRT = (
    LayoutDirt("other_file_kind", "file", lambda s: _csv(s) and s.table != "delivery", as_workbook),
    LayoutDirt("other_file_name", "name", lambda _: True, other_file_name),
    LayoutDirt("other_column_order", "order", lambda _: True, other_column_order),
    LayoutDirt("empty_lines", "tail", _csv, empty_lines),
    LayoutDirt("other_encoding", "encoding", _csv, other_encoding),
    LayoutDirt("utf8_without_mark", "encoding", _csv, no_mark),
    LayoutDirt("other_delimiter", "delimiter", _csv, other_delimiter),
    LayoutDirt("epoch_1904", "epoch", _book, date_1904),
    LayoutDirt("unit_on_first_sheet", "merged", lambda s: _book(s) and _small(s) and s.table != "income", unit_on_first_sheet),
    LayoutDirt("missing_column", "missing", lambda s: _small(s) and s.table not in ("household", "member"), missing_column),
    LayoutDirt("extra_column", "extra", _small, extra_column),
    LayoutDirt("empty_columns", "extra", _small, empty_columns),
    LayoutDirt("header_levels", "header", lambda s: _small(s) and any(c.wide for c in s.columns), header_levels),
    LayoutDirt(
        "grouped_header", "header", lambda s: _small(s) and len(s.columns) > 3 and not s.layout.second_sheet_at, grouped_header
    ),
    LayoutDirt("scaled_column", "unit", _small, scaled_column),
    LayoutDirt("scaled_sheet", "unit", _small, scaled_sheet),
    LayoutDirt("renamed_column", "titles", _small, renamed_column),
    LayoutDirt("other_alias", "titles", _small, other_alias),
    LayoutDirt("date_cells", "date_cells", _book, date_cells),
    LayoutDirt("merged_amount", "merged", _book, merged_amount),
    LayoutDirt("merged_cells", "merged", _book, merged_cells),
    LayoutDirt("second_sheet", "merged", _book, second_sheet),
    LayoutDirt("hidden_rows", "hidden", _book, hidden_rows),
    LayoutDirt("rows_above_header", "above", _small, rows_above_header),
    LayoutDirt("hidden_sheet", "sheets", _book, hidden_sheet),
    LayoutDirt("sheet_without_table", "notes", _book, note_sheet),
)
"""Every kind of dirt in a layout, in the order it is planted."""
