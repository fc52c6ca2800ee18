"""ING052: an amount without a unit waits where the same file gives its field another unit elsewhere; nothing is guessed."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from returnrisk.contracts import load_contracts
from returnrisk.ingest.accounting import ReadSheet, account_table
from returnrisk.ingest.headers import map_file
from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.ingest.mapping import read_mapping
from returnrisk.ingest.readers import read_file
from returnrisk.ingest.sheets import expected_of
from returnrisk.ingest.table import ingest_table
from returnrisk.store.view import connect

KEY = b"a key for the tests of units"
WIDE = ["户编号", "月份", "养老金", "登记日期"]
Sheets = dict[str, list[list[Any]]]


def book(sheets: Sheets) -> bytes:
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as out:
        for name, rows in sheets.items():
            page = out.add_worksheet(name)
            for i, row in enumerate(rows):
                page.write_row(i, 0, row)
    return stream.getvalue()


def row(number: int, amount: Any) -> list[Any]:
    return [f"H-{number:04d}", "2024-01", amount, "2024-02-10"]


@pytest.fixture(scope="module")
def engine():
    return connect()


@pytest.fixture
def read(engine, tmp_path):
    """Amounts stored, reasons (sheet, row, code, field) and codes of notices of one file."""

    def reader(
        content: bytes | Sheets, table: str = "income", *, measure: str = "gross_cny", mapping: Any = None
    ) -> tuple[list[Decimal], list[tuple[Any, ...]], set[str]]:
        contract = load_contracts()[table]
        path = tmp_path / (f"{table}.xlsx" if isinstance(content, dict) else f"{table}.csv")
        path.write_bytes(book(content) if isinstance(content, dict) else content)
        found = read_file(path, expected=expected_of(contract, mapping))
        sheets = [ReadSheet(s, h, "") for s, h in zip(found, map_file(found, contract, mapping), strict=True)]
        result = ingest_table(engine, contract, sheets=[(s.raw, s.headers) for s in sheets], parents={}, key=KEY, delay_days=0)
        account = account_table(contract, sheets, result)
        amounts = sorted(r[measure] for r in result.accepted.to_pyarrow().to_pylist())
        reasons = sorted((r["sheet"], r["row_number"], r["code"], r["field"]) for r in account.quarantined)
        return amounts, reasons, {n["code"] for n in account.notices}

    return reader


@pytest.mark.parametrize(
    ("title", "header"),
    [(["收入台账　单位：万元"], WIDE), (["收入台账"], ["户编号", "月份", "养老金（万元）", "登记日期"])],
)
def test_a_sheet_without_a_unit_waits_where_another_sheet_is_in_ten_thousands(read, title, header):
    """A cell that names its unit is read, nought needs none, an empty one says nothing; text that is no number stays ING011."""
    silent = [WIDE, row(2, 3000), row(3, "3000元"), row(4, 0), row(5, "0.3万元"), row(6, "约1"), row(7, None), row(8, "￥5")]
    amounts, reasons, codes = read({"一月": [title, header, row(1, 0.5)], "二月": silent})
    assert amounts == [Decimal(0), Decimal(3000), Decimal(3000), Decimal(5000)]
    assert reasons == [("二月", 2, "ING052", "养老金"), ("二月", 6, "ING011", "养老金"), ("二月", 8, "ING052", "养老金")]
    assert "ING034" in codes


def test_the_silent_sheet_may_stand_first_and_hold_its_amounts_in_other_columns(read):
    """The field counts, not the column: a long sheet in 万元 makes a wide one unclear."""
    long = [
        ["户编号", "收入来源", "收入项目", "所属期起", "收入金额（万元）", "成本金额（元）", "登记日期"],
        ["H-0001", "工资性收入", "外出务工", "2024-01", 0.5, 0, "2024-02-10"],
    ]
    wide = [["户编号", "月份", "养老金", "种植业成本", "登记日期"], ["H-0002", "2024-01", 300, 20, "2024-02-10"]]
    amounts, reasons, _ = read({"宽": wide, "长": long})
    assert amounts == [Decimal(5000)]
    assert reasons == [("宽", 2, "ING052", "养老金")]  # costs are in 元 wherever a unit is stated: they stay as they are


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([WIDE], [WIDE]),  # nobody says anything: 元
        ([["单位：元"], WIDE], [WIDE]),  # 元 is what the other means anyway
        ([["单位：万元"], WIDE], [["单位：元"], WIDE]),
        ([["单位：万元"], WIDE], [["户编号", "月份", "养老金(元)", "登记日期"]]),
    ],
)
def test_sheets_that_agree_or_speak_for_themselves_are_read(read, first, second):
    amounts, reasons, _ = read({"一月": [*first, row(1, 0)], "二月": [*second, row(2, 3000)]})
    assert (amounts, reasons) == ([Decimal(0), Decimal(3000)], [])


def test_a_column_beside_one_in_ten_thousands_is_read_as_its_header_says_nothing(read):
    """Within one header 元 is what a column is in that says nothing, on every sheet that says so alike."""
    header = ["户编号", "月份", "种植业收入（万元）", "养老金", "登记日期"]
    rows = [["H-0001", "2024-01", 0.5, 300, "2024-02-10"]], [["H-0002", "2024-01", 0.25, 200, "2024-02-10"]]
    amounts, reasons, _ = read({"一月": [header, *rows[0]], "二月": [header, *rows[1]]})
    assert (amounts, reasons) == ([Decimal(200), Decimal(300), Decimal(2500), Decimal(5000)], [])


LINES = "H-0001,2024-01,0.5,2024-02-10\n"
MORE = "H-0002,2024-01,3000,2024-02-10\n"


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (f"户编号,月份,养老金（万元）,登记日期\n{LINES}户编号,月份,养老金,登记日期\n{MORE}", [2, 4]),
        (f"户编号,月份,养老金,登记日期\n{LINES}户编号,月份,养老金（万元）,登记日期\n{MORE}", [2, 4]),
        (f"户编号,月份,养老金,登记日期\n{LINES}单位：万元,,,\n{MORE}", [2, 4]),
        (f"户编号,月份,养老金,登记日期\n{LINES}{MORE}注：金额单位：万元\n", [2, 3]),  # a line of fewer cells
        (f"单位：万元,,,\n户编号,月份,养老金,登记日期\n{LINES}{MORE}单位：元,,,\n", [3, 4]),
        (f"户编号,月份,养老金（万元）,登记日期\n{LINES}户编号,月份,养老金（万元）,登记日期\n", []),
        (f"单位：万元,,,\n户编号,月份,养老金,登记日期\n{LINES}单位：万元,,,\n户编号,月份,养老金,登记日期\n", []),
        (f"户编号,月份,养老金,登记日期\n,,（万元）,\n{LINES}户编号,月份,养老金,登记日期\n", []),  # the first header, repeated
        (f"户编号,月份,养老金(元),登记日期\n{LINES}注：单位：万元,,,\n", []),  # the column's own word is nearer
        (f"户编号,月份,养老金,登记日期\n{LINES}填表单位：万元乡人民政府,,,\n", []),
    ],
)
def test_tables_under_each_other_on_one_sheet(read, text, refused):
    _, reasons, _ = read(text.encode())
    assert [(r[1], r[2]) for r in reasons] == [(n, "ING052") for n in refused]


MAPPING = """
schema: 1
kind: files
name: test
office: 民政局
description: test
confirmed: true
files:
  - pattern: "income.xlsx"
    table: income
    columns: {户编号: household_id, 月份: period_start, 养老金: 养老金, 登记日期: recorded_on}
    units: {养老金: 千元}
"""


def test_a_unit_that_the_mapping_declares_decides(read):
    (mapping,) = read_mapping(MAPPING, where="test", contracts=load_contracts())
    amounts, reasons, _ = read({"一月": [["单位：万元"], WIDE, row(1, 0.5)], "二月": [WIDE, row(2, 3)]}, mapping=mapping)
    assert (amounts, reasons) == ([Decimal(500), Decimal(3000)], [])


def test_areas_wait_like_amounts(read):
    head = ["户编号", "村代码", "农户类型", "承包地面积", "登记日期"]
    scaled = ["承包地面积（公顷）" if h == "承包地面积" else h for h in head]
    homes = [["H-0001", "999901001001", "脱贫户", 1, "2020-01-01"]], [["H-0002", "999901001001", "脱贫户", 7, "2020-01-01"]]
    areas, reasons, _ = read({"一": [scaled, *homes[0]], "二": [head, *homes[1]]}, "household", measure="land_mu")
    assert (areas, reasons) == ([Decimal(15)], [("二", 2, "ING052", "land_mu")])


INBOX = {
    "行政村名单.csv": "村代码,村名称,乡镇名称,登记日期\n999901001001,甲村,东镇,2020-01-01\n",
    "农户基本信息.csv": "户编号,村代码,农户类型,登记日期\nH-0001,999901001001,脱贫户,2020-01-01\nH-0002,999901001001,脱贫户,2020-01-01\n",
    "家庭成员关系.csv": "身份证号码,户编号,与户主关系,加入日期,登记日期\n999901198001010016,H-0001,户主,2014-01-01,2020-01-01\n",
    "家庭成员信息.csv": "身份证号码,性别,出生日期,登记日期\n999901198001010016,男,1980-01-01,2020-01-01\n",
    "数据送达登记.csv": "数据表,乡镇代码,所属期起,所属期止,送达日期\n收入台账,999901001,2024-01-01,2024-01-31,2024-02-15\n",
    "监测线.csv": "地区代码,生效日期,监测线标准,登记日期\n999901,2020-01-01,5000,2020-01-01\n",
}


def test_the_office_writes_the_unit_behind_the_amount_and_sends_it_back(tmp_path: Path):
    inbox, store = tmp_path / "inbox", tmp_path / "store"
    inbox.mkdir()
    for name, text in INBOX.items():
        (inbox / name).write_text(text, encoding="utf-8")
    (inbox / "收入台账.xlsx").write_bytes(book({"一": [["单位：万元"], WIDE, row(1, 0.5)], "二": [WIDE, row(2, 3000)]}))
    done = ingest_inbox(inbox, store, key=KEY)
    assert [(q.sheet, q.code) for q in done.report.quarantine.itertuples()] == [("二", "ING052")]
    (waiting,) = (tmp_path / "quarantine").glob("*.xlsx")
    open_book = openpyxl.load_workbook(waiting)
    page = open_book.worksheets[0]
    columns = {c.value: c.column for c in page[3]}
    assert "万元" in str(page.cell(4, columns["问题说明"]).value)
    assert str(page.cell(4, columns["养老金"]).value) == "3000"
    page.cell(4, columns["养老金"]).value = "3000元"
    open_book.save(inbox / waiting.name)
    done = ingest_inbox(inbox, store, key=KEY)
    assert len(done.report.quarantine) == 0
    assert done.frame().set_index("table_name").n_accepted["income"] == 2
