"""ING053: rows that a filter hides and columns folded away are data, and the report says that they were read."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from returnrisk.contracts import load_contracts
from returnrisk.ingest.readers import read_file
from returnrisk.ingest.sheets import expected_of

HEADER = ["户编号", "月份", "养老金", "登记日期", "备注"]
ROWS = [[f"H-{i:04d}", "2024-01", 100 + i, "2024-02-10", "x"] for i in range(1, 16)]


def by_xlsxwriter() -> bytes:
    """Title, header on row 2, a filter that shows one household, the amounts and the notes folded away, hidden blank rows below."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as out:
        page = out.add_worksheet("数据")
        for i, row in enumerate([["收入台账"], HEADER, *ROWS]):
            page.write_row(i, 0, row)
        page.set_row(0, None, None, {"hidden": True})
        page.autofilter(1, 0, 1 + len(ROWS), 4)
        page.filter_column(0, "x == H-0001")
        for i in range(3, 2 + len(ROWS) + 5):
            page.set_row(i, None, None, {"hidden": True})
        page.set_column(2, 2, None, None, {"hidden": True})
        page.set_column(4, 6, None, None, {"hidden": True})
    return stream.getvalue()


def by_openpyxl() -> bytes:
    book = openpyxl.Workbook()
    page = book.active
    page.title = "数据"
    for row in [["收入台账"], HEADER, *ROWS]:
        page.append(row)
    for i in [1, *range(4, 3 + len(ROWS))]:
        page.row_dimensions[i].hidden = True
    page.column_dimensions["C"].hidden = True
    page.column_dimensions["E"].hidden = True
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def read(content: bytes, tmp_path) -> Any:
    (tmp_path / "收入台账.xlsx").write_bytes(content)
    (sheet,) = read_file(tmp_path / "收入台账.xlsx", expected=expected_of(load_contracts()["income"]))
    return sheet


@pytest.mark.parametrize("made", [by_xlsxwriter, by_openpyxl])
def test_hidden_rows_and_columns_are_read_and_counted(tmp_path, made):
    sheet = read(made(), tmp_path)
    assert [Decimal(v) for v in sheet.table["养老金"].to_pylist()] == [Decimal(100 + i) for i in range(1, 16)]
    said = {n.field: (n.n, n.rows) for n in sheet.notices if n.code == "ING053"}
    assert said == {"": (14, tuple(range(4, 14))), "养老金": (1, ())}  # neither blank rows nor a column nobody asked for


def test_nothing_hidden_nothing_said(tmp_path):
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as out:
        page = out.add_worksheet("数据")
        for i, row in enumerate([HEADER, *ROWS]):
            page.write_row(i, 0, row)
        page.write_string(2, 4, '<row r="3" hidden="1">')  # a text that looks like one is escaped in the file
    assert "ING053" not in {n.code for n in read(stream.getvalue(), tmp_path).notices}
