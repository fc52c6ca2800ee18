"""Every kind of dirt has a code and does what its code says: read as it was meant, set aside and counted, refused, or it stops."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from returnrisk.config import HalfDeliverySpec
from returnrisk.contracts import load_contracts
from returnrisk.errors import ContractError, IngestError
from returnrisk.ingest.accounting import ReadSheet, account_table
from returnrisk.ingest.codes import CODES
from returnrisk.ingest.half_delivery import half_delivered
from returnrisk.ingest.headers import map_file
from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.ingest.mapping import load_mappings, read_mapping
from returnrisk.ingest.old_workbooks import read_old_workbook
from returnrisk.ingest.readers import read_file, sheet_of_table
from returnrisk.ingest.sheets import expected_of
from returnrisk.ingest.table import ingest_table
from returnrisk.store.pseudonyms import pseudonymise
from returnrisk.store.tables import read_manifest
from returnrisk.store.view import connect

KEY = b"a key for the ingest tests"
P1, P2, P3 = "999901198001010016", "99990119810101003X", "999901198201010010"
LEDGER = "户编号,月份,种植业收入,种植业成本,养老金,登记日期\n"
ROW = "H-0001,2024-01,1000,200,,2024-02-10\n"
MEMBERS = "身份证号码,性别,出生日期,登记日期\n"
HOUSEHOLD = "户编号,村代码,农户类型,易地搬迁户,承包地面积,建档日期,登记日期\n"
XLS = Path(__file__).with_name("test_ingest_ledger.xls")


class Read:
    """One file of one table through the whole chain: stored rows, counts, reasons and notices."""

    def __init__(self, engine: Any, path: Path, table: str, *, mapping: Any = None, county: int | None = None) -> None:
        contract = load_contracts()[table]
        read = read_file(path, expected=expected_of(contract, mapping))
        sheets = [ReadSheet(s, h, "") for s, h in zip(read, map_file(read, contract, mapping), strict=True)]
        result = ingest_table(
            engine, contract, sheets=[(s.raw, s.headers) for s in sheets], parents={}, key=KEY, delay_days=0, county=county
        )
        account = account_table(contract, sheets, result)
        self.rows = result.accepted.to_pyarrow().to_pylist()
        self.counts = pd.DataFrame(account.files).iloc[0].to_dict()
        self.reasons = sorted((r["row_number"], r["code"], r["field"]) for r in account.quarantined)
        self.duplicates = sorted((d["row_number"], d["of_row_number"]) for d in account.duplicates)
        self.notices = {(n["code"], n["field"]): n["n"] for n in account.notices}
        self.codes = {n["code"] for n in account.notices}
        said = account.files[0]
        assert said["n_input"] == said["n_accepted"] + said["n_duplicate"] + said["n_quarantined"]

    def column(self, name: str) -> list[Any]:
        order = sorted(self.rows, key=lambda r: str(sorted((k, str(v)) for k, v in r.items())))
        return [r[name] for r in order]


@pytest.fixture(scope="module")
def engine():
    return connect()


@pytest.fixture
def read(engine, tmp_path):
    def reader(content: str | bytes, table: str = "income", name: str = "", **options: Any) -> Read:
        path = tmp_path / (name or f"{table}.csv")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Read(engine, path, table, **options)

    return reader


def household(number: str) -> int:
    return pseudonymise([number], kind="household", key=KEY)[number]


def person(number: str) -> int:
    return pseudonymise([number], kind="person", key=KEY)[number]


def book(rows: list[list[Any]], *, merge: tuple[tuple[int, int, int, int], ...] = (), options: dict[str, Any] | None = None,
         more: Any = None) -> bytes:  # fmt: skip
    """A workbook of one sheet; `merge` are first row, first column, last row, last column."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True, **(options or {})}) as out:
        sheet = out.add_worksheet("数据")
        for area in merge:
            sheet.merge_range(*area, "")
        day = out.add_format({"num_format": "yyyy-mm-dd"})
        for i, row in enumerate(rows):
            for j, cell in enumerate(row):
                if isinstance(cell, str):
                    sheet.write_string(i, j, cell)
                elif isinstance(cell, dt.date):
                    sheet.write_datetime(i, j, cell, day)
                elif cell is not None:
                    sheet.write_number(i, j, cell)
        if more:
            more(out, sheet)
    return stream.getvalue()


# ------------------------------------------------------------------------------------------------------- a code, a test


def test_every_code_is_tested_by_its_number():
    told = "".join(p.read_text(encoding="utf-8") for p in Path(__file__).parent.glob("test_*.py"))
    assert [c for c in CODES if c not in told] == []


# ------------------------------------------------------------------------------------------------ text files as they come


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030"])
@pytest.mark.parametrize(("delimiter", "ends"), [(",", "\n"), ("\t", "\r\n"), (";", "\r\n")])
def test_encodings_and_delimiters_are_recognised_and_the_odd_ones_named(tmp_path, encoding, delimiter, ends):
    """ING027 and ING028."""
    text = (LEDGER + ROW).replace(",", delimiter).replace("\n", ends)
    content = ("\ufeff" + text).encode(encoding) if encoding == "utf-16-be" else text.encode(encoding)
    (tmp_path / "收入台账.csv").write_bytes(content)
    (sheet,) = read_file(tmp_path / "收入台账.csv", expected=expected_of(load_contracts()["income"]))
    assert sheet.table.to_pylist() == [
        {"户编号": "H-0001", "月份": "2024-01", "种植业收入": "1000", "种植业成本": "200", "养老金": None, "登记日期": "2024-02-10", "row_number": 2}
    ]  # fmt: skip
    codes = {n.code for n in sheet.notices}
    assert ("ING027" in codes) == (encoding not in ("utf-8", "utf-8-sig"))
    assert ("ING028" in codes) == (delimiter != ",")


def test_a_quoted_line_break_is_part_of_its_cell_and_a_stray_quotation_mark_is_no_cell(read):
    """ING018 only where a whole row was swallowed."""
    header = "户编号,户主姓名,联系电话,家庭住址,登记日期\n"
    done = read(header + 'H-0001,张模拟甲,1,"东镇\n甲村,一组",2020-01-01\nH-0002,李模拟乙,2,乙村,2020-01-01\n', "identity")
    assert sorted(r["address"] for r in done.rows) == ["东镇\n甲村,一组", "乙村"]
    assert done.reasons == []
    done = read(header + 'H-0001,张,1,"甲村,2020-01-01\nH-0002,李,2,"乙村,2020-01-01\nH-0003,王,3,丙村,2020-01-01\n', "identity")
    assert done.reasons == [(2, "ING018", "")]
    assert done.counts["n_accepted"] == 1


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("收入台账.csv", b"", "ING001", "is empty"),
        ("收入台账.csv", (LEDGER + ROW).encode("utf-16-le"), "ING002", "save it again"),
        ("收入台账.csv", b"\xff\x80\x81" * 50, "ING002", "save it again"),
        ("收入台账.pdf", b"%PDF", "ING003", ".xls"),
        ("收入台账.xls", b"<html><table></table></html>", "ING004", "save it again"),
        ("收入台账.csv", (LEDGER + 'H-0001,"2024-01\n').encode(), "ING004", "never closed"),
        ("收入台账.parquet", b"PAR1 no", "ING004", "Parquet"),
        ("某某表.csv", (LEDGER + ROW).encode(), "ING005", "fits no table"),
        ("收入台账.csv", f"{ROW}{ROW}".encode(), "ING006", "names the columns"),
        ("收入台账.csv", "户编号,月份,养老\nH-0001,2024-01,5\n".encode(), "ING007", "gross_cny"),
        ("收入台账.csv", "户编号,户号,月份,养老金\nH-0001,H-0001,2024-01,5\n".encode(), "ING008", "household_id"),
        ("收入台账.csv", "户编号,月份,经营性收入\n,,种植业\nH-0001,2024-01,5\n".encode(), "ING008", "income as well as cost"),
        ("收入台账.csv", "单位：元/万元\n户编号,月份,养老金\nH-0001,2024-01,5\n".encode(), "ING049", "万元 and 元"),
        ("收入台账.csv", "户编号,月份,养老金（公顷）\nH-0001,2024-01,5\n".encode(), "ING049", "no unit of gross_cny"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_stops_with_its_code_and_the_store_as_it_was(tmp_path, clean_store, name, content, code, words):
    inbox, store = clean_store
    before = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    (inbox / name).write_bytes(content)
    with pytest.raises(IngestError) as caught:
        ingest_inbox(inbox, store, key=KEY)
    message = str(caught.value)
    assert f"{name}: {code} {CODES[code].text_zh} / {CODES[code].text_en}: " in message
    assert words in message
    assert {p: p.read_bytes() for p in store.rglob("*") if p.is_file()} == before
    assert [secret for secret in ("H-0001", P1, str(tmp_path)) if secret in message] == []


def inbox_files() -> dict[str, str]:
    return {
        "行政村名单.csv": "村代码,村名称,乡镇名称,登记日期\n999901001001,甲村,东镇,2020-01-01\n999901002001,乙村,西镇,2020-01-01\n",
        "农户基本信息.csv": "户编号,村代码,农户类型,登记日期\nH-0001,999901001001,脱贫户,2020-01-01\n",
        "家庭成员关系.csv": f"身份证号码,户编号,与户主关系,加入日期,登记日期\n{P1},H-0001,户主,2014-01-01,2020-01-01\n",
        "家庭成员信息.csv": f"身份证号码,性别,出生日期,登记日期\n{P1},男,1980-01-01,2020-01-01\n",
        "收入台账_2024-01.csv": LEDGER + ROW,
        "数据送达登记.csv": "数据表,乡镇代码,所属期起,所属期止,送达日期\n收入台账,999901001,2024-01-01,2024-01-31,2024-02-15\n",
        "监测线.csv": "地区代码,生效日期,监测线标准,登记日期\n999901,2020-01-01,5000,2020-01-01\n",
    }


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    write(folder / "inbox", inbox_files())
    ingest_inbox(folder / "inbox", folder / "store", key=KEY)
    return folder


@pytest.fixture
def clean_store(made_once, tmp_path):
    import shutil

    shutil.copytree(made_once, tmp_path / "project")
    return tmp_path / "project" / "inbox", tmp_path / "project" / "store"


def test_a_lost_file_and_a_missing_table_stop_with_their_codes(clean_store, tmp_path):
    inbox, store = clean_store
    (inbox / "监测线.csv").unlink()
    with pytest.raises(IngestError, match="ING009"):
        ingest_inbox(inbox, store, key=KEY)
    with pytest.raises(IngestError, match="ING010"):
        ingest_inbox(inbox, tmp_path / "another", key=KEY)


# ------------------------------------------------------------------------------------------------- above, between and below


def test_titles_above_and_notes_below_and_totals_between_are_set_aside_and_every_row_counted(read):
    """ING022 blank, ING023 totals, ING024 notes, ING025 the header again, ING029 rows above the header."""
    text = (
        "模拟县收入台账,,,,,\n"  # 1 title
        "\n"  # 2 blank
        "填报单位：东镇人民政府,,,填报日期：2024-02-10,,\n"  # 3
        f"{LEDGER}{ROW}"  # 4, 5
        ",,,,,\n"  # 6 blank
        "东镇小计,,1000,200,,\n"  # 7
        f"{LEDGER}"  # 8 repeated
        "H-0002,2024-01,,,300,2024-02-10\n"  # 9
        "合  计,,1000,200,300,\n"  # 10
        "注：1. 金额为到户数。,,,,,\n"  # 11
        "2. 数据截至二月底。,,,,,\n"  # 12
        "填表人：张模拟甲,,审核人：李模拟乙,,联系电话：13800000001,\n"  # 13
    )
    done = read(text)
    assert sorted(r["gross_cny"] for r in done.rows) == [Decimal(300), Decimal(1000)]
    assert done.reasons == []
    c = done.counts
    assert (c["n_input"], c["n_header"], c["n_blank"], c["n_total"], c["n_note"], c["n_repeated_header"]) == (2, 1, 2, 2, 5, 1)
    n_rows = len(text.splitlines())
    assert n_rows == sum(c[k] for k in ("n_input", "n_header", "n_blank", "n_total", "n_note", "n_repeated_header"))
    assert {("ING023", ""): 2, ("ING024", ""): 5, ("ING025", ""): 1, ("ING029", ""): 2}.items() <= done.notices.items()


def test_short_total_and_note_lines_of_a_text_file_are_no_malformed_rows(read):
    done = read(f"收入台账\n{LEDGER}{ROW}合计,1000\n填表人：张模拟甲\n\nH-0002,2024-01,5\n")
    assert done.reasons == [(7, "ING018", "")]
    c = done.counts
    assert (c["n_total"], c["n_note"], c["n_blank"], c["n_accepted"]) == (1, 2, 1, 1)


def test_a_row_that_names_a_household_is_data_whatever_its_words(read):
    done = read(
        "户编号,户主姓名,联系电话,家庭住址,登记日期\nH-0001,小计,,合计,2020-01-01\nH-0002,单位,,备注：无,2020-01-01\n", "identity"
    )
    assert done.counts["n_accepted"] == 2
    assert done.counts["n_total"] == done.counts["n_note"] == 0


def test_a_township_whose_name_begins_like_a_note_is_data(read):
    done = read("村代码,村名称,乡镇名称,登记日期\n999901001001,附城村,注溪乡,2020-01-01\n", "village")
    assert [r["township_name"] for r in done.rows] == ["注溪乡"]


# -------------------------------------------------------------------------------------------------------- headers in levels


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("户编号,月份,工资性收入,,登记日期\n,,外出务工,本地务工,\n", "30,20"),
        ("户编号,月份,工资性收入,,登记日期\n,,外出务工工资,本地务工工资,\n", "30,20"),
        ("户编号,月份,外出务工,本地务工,登记日期\n,,工资,工资,\n", "30,20"),
    ],
)
def test_two_levels_of_header_are_joined(read, header, cells):
    """ING030."""
    done = read(f"{header}H-0001,2024-01,{cells},2024-02-10\n")
    assert sorted((r["source"], r["item"], r["gross_cny"]) for r in done.rows) == [
        ("wage", "local_work", Decimal(20)),
        ("wage", "migrant_work", Decimal(30)),
    ]
    assert done.notices["ING030", ""] == 2
    assert done.counts["n_header"] == 2


def test_three_merged_levels_of_a_workbook_tell_income_from_cost(read):
    rows = [
        ["收入台账", None, None, None, None, None, None],
        ["户编号", "月份", "经营性收入", None, None, None, "登记日期"],
        [None, None, "种植业", None, "养殖业", None, None],
        [None, None, "收入", "成本", "收入", "成本", None],
        ["H-0001", "2024-01", 10, 1, 20, 2, "2024-02-10"],
    ]
    done = read(book(rows, merge=((0, 0, 0, 6), (1, 0, 3, 0), (1, 1, 3, 1), (1, 2, 1, 5), (2, 2, 2, 3), (2, 4, 2, 5), (1, 6, 3, 6))),
                name="收入台账.xlsx")  # fmt: skip
    assert sorted((r["item"], r["gross_cny"], r["cost_cny"]) for r in done.rows) == [
        ("crops", Decimal(10), Decimal(1)),
        ("livestock", Decimal(20), Decimal(2)),
    ]


def test_a_row_of_units_and_a_row_of_column_numbers_belong_to_the_header(read):
    done = read("户编号,月份,种植业收入,养老金,登记日期\n,,万元,（元）,\n甲,乙,1,2,3\nH-0001,2024-01,0.5,300,2024-02-10\n")
    assert sorted(r["gross_cny"] for r in done.rows) == [Decimal(300), Decimal(5000)]
    assert done.counts["n_header"] == 3
    assert done.reasons == []


def test_headers_spelt_otherwise_are_recognised_and_named_and_extra_columns_dropped_and_counted(read):
    """ING043 and ING044."""
    text = "*户 编号,月份（必填）,养老金\n(元),２、登记日期,备注,,备注\nH-0001,2024-01,300,2024-02-10,迁入,x,\n"
    text = '*户 编号,月份（必填）,"养老金\n(元)",2、登记日期,备注,,备注\nH-0001,2024-01,300,2024-02-10,迁入,x,\n'
    done = read(text)
    assert [r["gross_cny"] for r in done.rows] == [Decimal(300)]
    assert {f for c, f in done.notices if c == "ING043"} == {"*户编号", "月份（必填）", "养老金(元)", "2、登记日期"}
    assert done.counts["unknown_columns"] == "备注、（第6列）、备注（第7列）"
    assert done.counts["n_unknown_cells"] == 2
    assert done.notices["ING044", "备注"] == 1


# ---------------------------------------------------------------------------------------------------------------- workbooks


def test_merged_cells_are_filled_down_but_no_amount_is(read):
    """ING031 fills; ING048 refuses an amount that stands once for several rows."""
    rows = [
        ["户编号", "收入来源", "收入项目", "所属期起", "收入金额", "成本金额", "登记日期"],
        ["H-0001", "工资性收入", "外出务工", "2024-01", 500, 0, "2024-02-10"],
        [None, None, "本地务工", "2024-01", 100, 0, "2024-02-10"],
        ["H-0002", "工资性收入", "外出务工", "2024-01", 900, 0, "2024-02-10"],
        ["H-0002", "工资性收入", "本地务工", "2024-01", None, 0, "2024-02-10"],
    ]
    done = read(book(rows, merge=((1, 0, 2, 0), (1, 1, 2, 1), (3, 4, 4, 4))), name="收入台账.xlsx")
    assert sorted((r["household_id"] == household("H-0001"), r["item"], r["gross_cny"]) for r in done.rows) == [
        (True, "local_work", Decimal(100)),
        (True, "migrant_work", Decimal(500)),
    ]
    assert done.reasons == [(4, "ING048", "gross_cny"), (5, "ING048", "gross_cny")]
    assert {("ING031", "户编号"): 1, ("ING031", "收入来源"): 1}.items() <= done.notices.items()


def test_a_hidden_sheet_and_a_sheet_of_explanations_are_named_and_not_read(read):
    """ING026 and ING050."""

    def more(out, sheet):
        hidden = out.add_worksheet("旧表")
        hidden.write_row(0, 0, ["户编号", "月份", "养老金"])
        hidden.write_row(1, 0, ["H-0099", "2024-01", "9"])
        hidden.hide()
        words = out.add_worksheet("填表说明")
        words.write_column(0, 0, ["一、按户填写", "二、金额为元"])

    rows = [["户编号", "月份", "养老金", "登记日期"], ["H-0001", "2024-01", 300, "2024-02-10"]]
    done = read(book(rows, more=more), name="收入台账.xlsx")
    assert [r["household_id"] for r in done.rows] == [household("H-0001")]
    assert {("ING026", "旧表"): 2, ("ING050", "填表说明"): 2}.items() <= done.notices.items()


def test_a_visible_sheet_with_rows_but_an_unknown_header_is_not_lost(read):
    def more(out, sheet):
        other = out.add_worksheet("二月")
        for i in range(3):
            other.write_row(i, 0, ["甲", "乙", "丙", "丁"])

    rows = [["户编号", "月份", "养老金", "登记日期"], ["H-0001", "2024-01", 300, "2024-02-10"]]
    with pytest.raises(IngestError, match="ING006") as caught:
        read(book(rows, more=more), name="收入台账.xlsx")
    assert "二月" in str(caught.value)


@pytest.mark.parametrize("epoch", [1900, 1904])
def test_date_cells_and_date_serials_of_both_epochs(read, epoch):
    """ING039: a serial that lost its format is counted from the workbook's own epoch."""
    day, month = dt.date(2024, 2, 10), dt.date(2024, 1, 1)
    start = dt.date(1899, 12, 30) if epoch == 1900 else dt.date(1904, 1, 1)
    rows = [
        ["户编号", "月份", "养老金", "登记日期"],
        ["H-0001", month, 300, day],
        ["H-0002", (month - start).days, 301, (day - start).days],
        ["H-0003", 202401, 302, 20240210],
        ["H-0004", 2024.5, 303, "2024-06-10"],
        ["H-0005", 2024.1, 304, "2024-12-10"],  # January, or October that lost its nought
    ]
    done = read(book(rows, options={"date_1904": epoch == 1904, "default_date_format": "yyyy-mm-dd"}), name="收入台账.xlsx")
    found = sorted((r["gross_cny"], r["period_start"], r["recorded_on"]) for r in done.rows)
    assert found == [
        *((Decimal(n), month, day) for n in (300, 301, 302)),
        (Decimal(303), dt.date(2024, 5, 1), dt.date(2024, 6, 10)),
    ]
    assert done.reasons == [(6, "ING046", "period_start")]
    assert {("ING039", "月份"): 1, ("ING039", "登记日期"): 1}.items() <= done.notices.items()


def test_an_old_workbook(engine):
    """A .xls as an office program writes it: title, unit, two merged levels, merged identifiers, totals, a hidden and a notes sheet."""
    done = Read(engine, XLS, "income")
    assert sorted((r["item"], r["gross_cny"], r["period_start"], r["recorded_on"]) for r in done.rows) == [
        ("local_work", Decimal(500), dt.date(2024, 1, 1), dt.date(2024, 2, 10)),
        ("migrant_work", Decimal(1200), dt.date(2024, 1, 1), dt.date(2024, 2, 10)),
        ("migrant_work", Decimal(1300), dt.date(2024, 2, 1), dt.date(2024, 3, 10)),  # recorded: a serial without a date format
        ("pension", Decimal(200), dt.date(2024, 2, 1), dt.date(2024, 3, 10)),
    ]
    assert done.reasons == [(7, "ING015", "household_id")]
    assert {"ING026", "ING029", "ING030", "ING031", "ING034", "ING050"} <= done.codes


def test_an_old_workbook_of_the_other_epoch_whose_formula_failed(engine):
    """A .xls that counts from 1904, with a serial and #DIV/0!: the reader tells neither, the records do."""
    done = Read(engine, XLS.with_name("test_ingest_epoch.xls"), "income")
    assert sorted((r["gross_cny"], r["recorded_on"]) for r in done.rows) == [
        (Decimal(n), dt.date(2024, 2, 10)) for n in (300, 300, 301)
    ]
    assert done.reasons == [(4, "ING011", "养老金")]


@pytest.mark.parametrize(
    "content", [b"", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x01" * 2000, b"<html/>"]
)
def test_what_is_no_old_workbook_tells_nothing(tmp_path, content):
    (tmp_path / "x.xls").write_bytes(content)
    assert read_old_workbook(tmp_path / "x.xls") is None


def test_a_formula_that_nobody_computed_is_no_blank_cell(read):
    import openpyxl

    made = openpyxl.Workbook()
    for row in (
        ["户编号", "月份", "养老金", "登记日期"],
        ["H-0001", "2024-01", "=1+1", "2024-02-10"],
        ["H-0002", "2024-01", 5, "2024-02-10"],
    ):
        made.active.append(row)
    stream = io.BytesIO()
    made.save(stream)
    done = read(stream.getvalue(), name="收入台账.xlsx")
    assert done.reasons == [(2, "ING011", "养老金")]
    assert [r["gross_cny"] for r in done.rows] == [Decimal(5)]


# ------------------------------------------------------------------------------------------------------------------ Parquet


def test_parquet_files_keep_their_types_and_refuse_numbers_as_identifiers(read, tmp_path):
    table = pa.table(
        {
            "户编号": ["H-0001", "H-0002"],
            "月份": pa.array([dt.date(2024, 1, 1), dt.date(2024, 2, 1)]),
            "养老金": pa.array([300.5, None]),
            "低保金": pa.array([Decimal("1.10"), Decimal("2.00")]),
            "登记日期": pa.array([dt.datetime(2024, 3, 1, 10, 30), dt.datetime(2024, 3, 2)]),  # noqa: DTZ001
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    done = read((tmp_path / "x.parquet").read_bytes(), name="收入台账.parquet")
    assert sorted((r["item"], r["gross_cny"], r["recorded_on"].day) for r in done.rows) == [
        ("dibao", Decimal("1.10"), 1),
        ("dibao", Decimal("2.00"), 2),
        ("pension", Decimal("300.50"), 1),
    ]
    numbers = pa.table(
        {"身份证号码": pa.array([999901198001010016]), "性别": ["男"], "出生日期": ["1980-01-01"], "登记日期": ["2020-01-01"]}
    )
    (sheet,) = [sheet_of_table(numbers, file="成员", expected=expected_of(load_contracts()["member"]))]
    assert sheet.table["身份证号码"].to_pylist() == ["\x1aING015"]
    assert sheet.n_header == 0


# ------------------------------------------------------------------------------------------------------------------- values


def values(read: Any, column: int, cells: list[str], **options: Any) -> dict[str, Any]:
    """What became of one cell each: the stored value or the codes of its refusal."""
    lines = []
    for i, cell in enumerate(cells):
        row = [f"H-{i:04d}", "999901001001", "脱贫户", "否", "1.5", "2014-01-01", "2020-01-01"]
        row[column] = f'"{cell}"'
        lines.append(",".join(row))
    name = ["household_id", "village_code", "registered_type", "resettled", "land_mu", "registered_on", "recorded_on"][column]
    done = read(HOUSEHOLD + "\n".join(lines) + "\n", "household", **options)
    found: dict[str, Any] = {cells[row - 2]: code for row, code, _ in done.reasons}
    of = {household(f"H-{i:04d}"): cell for i, cell in enumerate(cells)}
    return found | {of[r["household_id"]]: r[name] for r in done.rows}


def test_amounts_as_offices_write_them(read):
    """ING032 width and spaces, ING033 separators and currency, ING034 units, ING035 nothing, ING036 brackets, ING011 the rest."""
    cells = {
        "1234.5": "1234.50", "１，２３４.５０元": "1234.50", "￥1,234.50": "1234.50", "¥ 1,234.50": "1234.50", "1,234,567": "1234567",
        "1.2万元": "12000", "0.12345万": "1234.50", "3千元": "3000", "\u00a0500\u3000": "500", "500 元整": "500", "人民币500元": "500",
    }  # fmt: skip
    nothing = ["—", "－", "-", "/", "无", "N/A", "——"]
    bad = ["约3000", "1,23", "12,34.5", "5%", "3间", "1 2 3 x", "千元", "(5", "1e3", "待核实"]
    rows = [f'H-{i:04d},2024-01,,,"{c}",2024-02-10\n' for i, c in enumerate([*cells, *nothing, *bad])]
    done = read(LEDGER + "".join(rows))
    numbers = {household(f"H-{i:04d}"): c for i, c in enumerate([*cells, *nothing, *bad])}
    assert {numbers[r["household_id"]]: r["gross_cny"] for r in done.rows} == {c: Decimal(v) for c, v in cells.items()}
    assert [(code, field) for _, code, field in done.reasons] == [("ING011", "养老金")] * len(bad)
    assert done.counts["n_accepted"] == len(cells) + len(nothing)
    assert {("ING032", "养老金"): 4, ("ING034", "养老金"): 3, ("ING035", "养老金"): len(nothing)}.items() <= done.notices.items()
    assert done.notices["ING033", "养老金"] == 6


def test_brackets_mean_less_than_nothing_and_are_then_out_of_range(read):
    """ING036: read as negative; the contract then says that income is not."""
    done = read(f"{LEDGER}H-0001,2024-01,（500）,200,,2024-02-10\n")
    assert done.reasons == [(2, "CON003", "种植业收入")]
    assert done.notices["ING036", "种植业收入"] == 1


def test_a_percentage_is_read_where_a_share_is_meant():
    """ING037."""
    from dataclasses import replace

    from returnrisk.ingest.spelling import Reading, respell

    share = replace(load_contracts()["household"].field("land_mu"), name="insured_share", unit="share")
    done = respell(pa.array(["60%", "0.25", "１2.5％"]), share, Reading())
    assert done.column.to_pylist() == ["0.6", "0.25", "0.125"]
    assert done.positions["ING037"].to_pylist() == [0, 2]


@pytest.mark.parametrize(
    ("header", "above"),
    [("养老金（万元）", ""), ("养老金\uff08单位：万元\uff09", ""), ("养老金/x", None), ("养老金", "收入台账　　　　单位：万元\n")],
)
def test_wan_yuan_is_scaled_exactly_from_header_or_note(read, header, above):
    """ING034; a cell that names its own unit is taken at its word."""
    if above is None:
        with pytest.raises(IngestError, match="ING007"):
            read(f"户编号,月份,{header},登记日期\nH-0001,2024-01,1,2024-02-10\n")
        return
    done = read(
        f"{above}户编号,月份,{header},登记日期\nH-0001,2024-01,0.123456,2024-02-10\nH-0002,2024-01,300元,2024-02-10\nH-0003,2024-01,约1,2024-02-10\n"
    )
    assert sorted(r["gross_cny"] for r in done.rows) == [Decimal(300), Decimal("1234.56")]
    assert done.reasons == [(3 + bool(above) + 1, "ING011", "养老金")]
    assert done.notices["ING034", next(f for c, f in done.notices if c == "ING034")] == 1


def test_a_unit_that_a_note_states_for_an_office_is_no_unit(read):
    done = read(f"填报单位：万元乡人民政府\n{LEDGER}{ROW}")
    assert [r["gross_cny"] for r in done.rows] == [Decimal(1000)]


def test_days_as_offices_write_them(read):
    """ING038 other forms, ING013 two digits of the year, ING046 January or October, ING047 a serial of no epoch."""
    good = {"2014年6月1日": "2014-06-01", "2014 年 6 月": "2014-06-01", "20140601": "2014-06-01", "201406": "2014-06-01", "2014.6.1": "2014-06-01",
            "2014.6": "2014-06-01", "2014-6-1": "2014-06-01", "2014/06/01": "2014-06-01", "２０１４．６．１": "2014-06-01",
            "2014-06-01 14:33:21": "2014-06-01", "2014-06-01T14:33": "2014-06-01"}  # fmt: skip
    marked = {"14-6-1": "ING013", "14年6月1日": "ING013", "6/1/14": "ING013", "2014.1": "ING046", "41791": "ING047"}
    bad = dict.fromkeys(["2014.13", "20141301", "2014年2月30日", "6月1日", "不详", "1/2014", "20140601日"], "ING011")
    found = values(read, 5, [*good, *marked, *bad, "—"])
    assert found.pop("—") is None
    assert found == {c: dt.date.fromisoformat(d) for c, d in good.items()} | marked | bad


def test_no_last_day_is_no_missing_day():
    from dataclasses import replace

    from returnrisk.ingest.spelling import Reading, respell

    until = replace(load_contracts()["income"].field("period_end"), name="valid_until")
    assert respell(pa.array(["长期", "2024-1-1"]), until, Reading()).column.to_pylist() == [None, "2024-1-1"]
    assert respell(pa.array(["长期"]), replace(until, name="born_on"), Reading()).column.to_pylist() == ["长期"]


@pytest.mark.parametrize("witness", ["2014.10", "2014.01"])
def test_a_month_after_a_point_is_clear_where_the_column_shows_its_noughts(read, witness):
    found = values(read, 5, ["2014.1", witness])
    assert found == {"2014.1": dt.date(2014, 1, 1), witness: dt.date(2014, int(witness[5:]), 1)}


def test_yes_and_no_in_every_way(read):
    """ING040."""
    yes, no = ["是", "√", "✓", "1", "有", "Yes", "Ｙ"], ["否", "×", "0", "无", "no"]
    found = values(read, 3, [*yes, *no, "/", "也许"])
    assert found == dict.fromkeys(yes, True) | dict.fromkeys(no, False) | {"/": None, "也许": "ING011"}
    done = read(HOUSEHOLD + "H-0001,999901001001,脱贫户,√,1,2014-01-01,2020-01-01\n", "household")
    assert done.notices["ING040", "易地搬迁户"] == 1


def test_labels_are_found_whatever_their_spaces_and_width(read):
    """ING041, and ING012 for what is in no list."""
    found = values(read, 2, ["脱贫户", "脱 贫 户", "脱贫户\u3000", "EX_POOR", "贫困户", "ｇｅｎｅｒａｌ"])
    assert found == {"脱贫户": "ex_poor", "脱 贫 户": "ex_poor", "脱贫户\u3000": "ex_poor", "EX_POOR": "ex_poor", "ｇｅｎｅｒａｌ": "general",
                     "贫困户": "ING012"}  # fmt: skip
    done = read(HOUSEHOLD + "H-0001,999901001001,脱 贫户,否,1,2014-01-01,2020-01-01\n", "household")
    assert done.notices["ING041", "农户类型"] == 1


def test_free_text_keeps_its_punctuation_and_loses_its_wide_digits(read):
    done = read(
        "户编号,户主姓名,联系电话,家庭住址,登记日期\nH-0001,张模拟甲,１３８０００００００１,甲村（一组）５号,2020-01-01\n",
        "identity",
    )
    assert [(r["phone"], r["address"]) for r in done.rows] == [("13800000001", "甲村（一组）5号")]
    assert {c for c, _ in done.notices} == {"ING032"}


# -------------------------------------------------------------------------------------------------------------- identifiers


def test_identifiers_are_made_canonical_or_refused_each_for_its_own_reason(read):
    """ING042 mended; ING014 malformed, ING015 a number, ING017 the old 15 digits."""
    cells = [P1, P2.lower(), f"'{P3}", "９９９９０１198001010024", "999901 19800101 0032", "999901800101003", "9.99901E+17", "99990119800101001",
             "无"]  # fmt: skip
    done = read(MEMBERS + "".join(f'"{c}",男,1980-01-01,2020-01-01\n' for c in cells), "member")
    expected = {person(n) for n in (P1, P2, P3, "999901198001010024", "999901198001010032")}
    assert {r["person_id"] for r in done.rows} == expected
    assert done.notices["ING042", "身份证号码"] == 4
    assert done.reasons == [
        (7, "ING017", "person_id"),
        (8, "ING015", "person_id"),
        (9, "ING014", "person_id"),
        (10, "ING014", "person_id"),
    ]


def test_an_identifier_stored_as_a_number_is_refused_never_cast(read):
    rows = [
        ["身份证号码", "性别", "出生日期", "登记日期"],
        [P1, "男", "1980-01-01", "2020-01-01"],
        [float(P3), "男", "1982-01-01", "2020-01-01"],
    ]
    done = read(book(rows), "member", name="家庭成员信息.xlsx")
    assert done.reasons == [(3, "ING015", "person_id")]
    assert [r["person_id"] for r in done.rows] == [person(P1)]


def test_an_identifier_that_a_spreadsheet_took_for_a_day_is_refused(read):
    rows = [["户编号", "月份", "养老金", "登记日期"], [dt.date(2024, 1, 1), "2024-01", 300, "2024-02-10"]]
    assert read(book(rows), name="收入台账.xlsx").reasons == [(2, "ING015", "household_id")]


# ------------------------------------------------------------------------------------------------------ rows against rows


def test_duplicates_and_contradictions_are_found_below_their_spelling(read):
    """ING021 (the same row, written otherwise) and ING016 (another amount for the same key and day)."""
    text = LEDGER + 'H-0001,2024-01,"1,000",200,,2024-02-10\nH-0001,2024年1月,1000元,200.00,—,2024.2.10\n'
    done = read(text)
    assert done.duplicates == [(3, 2)]
    assert len(done.rows) == 1
    done = read(text + "H-0001,202401,1001,200,,20240210\n")
    assert [(r, c) for r, c, _ in done.reasons] == [(2, "ING016"), (4, "ING016")]
    assert done.rows == []


def test_two_names_for_one_number_are_kept_and_pointed_out(read):
    """ING045."""
    header = "户编号,户主姓名,联系电话,家庭住址,登记日期\n"
    done = read(
        header + "H-0001,张模拟甲,1,,2020-01-01\nH-0001,李模拟乙,1,,2021-01-01\nH-0002,王模拟丙,2,,2020-01-01\n", "identity"
    )
    assert done.counts["n_accepted"] == 3
    assert done.notices["ING045", "head_name"] == 2
    assert done.reasons == []


def test_rows_of_another_county_are_refused(read):
    """ING019 for villages, townships and counties; the contract still says what is no code at all."""
    cells = ["999901001001", "999902001001", "520181001001", "99990100", "'999901001001"]
    found = values(read, 1, cells, county=999901)
    assert found.pop("'999901001001") == 999901001001
    assert found == {cells[0]: 999901001001, cells[1]: "ING019", cells[2]: "ING019", cells[3]: 99990100}
    line = "地区代码,生效日期,监测线标准,登记日期\n"
    done = read(
        line + "".join(f"{a},2020-01-01,5000,2020-01-01\n" for a in (999901, 999901001, 999902, 999902001)), "line", county=999901
    )
    assert done.reasons == [(4, "ING019", "area_code"), (5, "ING019", "area_code")]


def test_the_county_is_that_of_most_villages(tmp_path):
    files = inbox_files()
    files["行政村名单.csv"] += "520181001001,丙村,北镇,2020-01-01\n"
    files["农户基本信息.csv"] += "H-0002,520181001001,脱贫户,2020-01-01\n"
    report = ingest_inbox(write(tmp_path / "inbox", files), tmp_path / "store", key=KEY).report
    assert report.quarantine[["file", "row_number", "code"]].values.tolist() == [
        ["农户基本信息.csv", 3, "CON006"],
        ["农户基本信息.csv", 3, "ING019"],
        ["行政村名单.csv", 4, "ING019"],
    ] or report.quarantine[["file", "row_number", "code"]].values.tolist() == [
        ["农户基本信息.csv", 3, "ING019"],
        ["行政村名单.csv", 4, "ING019"],
    ]


# --------------------------------------------------------------------------------------------------------- half a delivery


def months(n: int) -> list[dt.date]:
    return [dt.date(2023 + i // 12, i % 12 + 1, 1) for i in range(n)]


VILLAGES = {"001": 999901001001, "002": 999901002001}


def refused_deliveries(engine: Any, *, short: dict[tuple[str, int], int], n_months: int, rule: HalfDeliverySpec | None = None,
                       rest_came: dt.date | None = None) -> list[tuple[str, int, dt.date]]:  # fmt: skip
    """Two townships of 24 households; `short` says how many a township's file of month i holds, `rest_came` when the others followed."""
    homes = [(i, t) for i, t in enumerate(t for t in VILLAGES for _ in range(24))]
    ledger, deliveries = [], []
    for i, month in enumerate(months(n_months)):
        end = months(n_months + 1)[i + 1] - dt.timedelta(days=1)
        came = end + dt.timedelta(days=10)
        for t in VILLAGES:
            n = short.get((t, i), 24)
            arrivals = [came, rest_came] if n < 24 and rest_came else [came]
            deliveries += [(t, i, end, day) for day in arrivals]
            own = [h for h, where in homes if where == t]
            ledger += [(h, month, end, came) for h in own[:n]]
            ledger += [(h, month, end, rest_came) for h in own[n:] if rest_came]
    day = pa.date32()
    household_table = pa.table({"household_id": [h for h, _ in homes], "village_code": [VILLAGES[t] for _, t in homes],
                                "recorded_on": pa.array([dt.date(2020, 1, 1)] * 48, day)})  # fmt: skip
    income = pa.table({"household_id": [r[0] for r in ledger], **{c: pa.array([r[k] for r in ledger], day) for k, c in
                       enumerate(("period_start", "period_end", "recorded_on"), start=1)}})  # fmt: skip
    delivery = pa.table(
        {
            "row": pa.array(range(len(deliveries)), pa.int64()),
            "table_name": ["income"] * len(deliveries),
            "township_code": [VILLAGES[d[0]] // 1000 for d in deliveries],
            "period_start": pa.array([months(n_months)[d[1]] for d in deliveries], day),
            "period_end": pa.array([d[2] for d in deliveries], day),
            "recorded_on": pa.array([d[3] for d in deliveries], day),
        }
    )
    made = {n: engine.create_table(f"half_{n}", t, temp=True, overwrite=True) for n, t in
            (("household", household_table), ("income", income), ("delivery", delivery))}  # fmt: skip
    reasons = half_delivered(made["delivery"], tables=made, delays={"income": 15}, rule=rule or HalfDeliverySpec())
    assert {r["code"] for r in reasons} <= {"ING020"}
    return [(deliveries[r["row"]][0], deliveries[r["row"]][1], deliveries[r["row"]][3]) for r in reasons]


def test_a_township_that_is_missing_from_a_file_or_sent_a_part_has_not_delivered(engine):
    """ING020: absent in June, 11 of 24 in July; 12 of 24 count."""
    found = refused_deliveries(engine, short={("001", 5): 0, ("002", 6): 11, ("001", 7): 12}, n_months=8)
    assert [r[:2] for r in found] == [("001", 5), ("002", 6)]


def test_what_is_usual_needs_enough_earlier_deliveries_and_households(engine):
    assert refused_deliveries(engine, short={("001", 2): 0}, n_months=4) == []
    assert [r[:2] for r in refused_deliveries(engine, short={("001", 3): 0}, n_months=4)] == [("001", 3)]
    assert refused_deliveries(engine, short={("001", 3): 0}, n_months=4, rule=HalfDeliverySpec(min_usual=25)) == []
    assert refused_deliveries(engine, short={("001", 3): 0}, n_months=4, rule=HalfDeliverySpec(shares={})) == []


def test_a_later_delivery_of_the_rest_counts_from_its_own_arrival_and_changes_nothing_before(engine):
    """Only the first, half one is refused: what was known between the two arrivals stays as it was."""
    first = refused_deliveries(engine, short={("001", 5): 5}, n_months=8)
    both = refused_deliveries(engine, short={("001", 5): 5}, n_months=8, rest_came=dt.date(2023, 9, 20))
    assert [r[:2] for r in first] == [("001", 5)]
    assert both == first


def test_a_refused_delivery_is_accounted_for_like_any_row_and_not_in_the_store(tmp_path):
    files = inbox_files()
    homes = [f"H-{i:04d}" for i in range(1, 22)]
    files["农户基本信息.csv"] = "户编号,村代码,农户类型,登记日期\n" + "".join(
        f"{h},999901001001,脱贫户,2020-01-01\n" for h in homes
    )
    ledger, delivery = ["户编号,月份,养老金,登记日期\n"], ["数据表,乡镇代码,所属期起,所属期止,送达日期\n"]
    for i, month in enumerate(months(5)):
        end = months(6)[i + 1] - dt.timedelta(days=1)
        came = end + dt.timedelta(days=9)
        ledger += [f"{h},{month:%Y-%m},100,{came}\n" for h in (homes[:3] if i == 4 else homes)]
        delivery.append(f"收入台账,999901001,{month},{end},{came}\n")
    files |= {"收入台账_2024-01.csv": "".join(ledger), "数据送达登记.csv": "".join(delivery)}
    result = ingest_inbox(write(tmp_path / "inbox", files), tmp_path / "store", key=KEY)
    assert result.report.quarantine[["file", "row_number", "code"]].values.tolist() == [["数据送达登记.csv", 6, "ING020"]]
    assert result.manifest.tables["delivery"].n_rows == 4


# ------------------------------------------------------------------------------------------------------------------ mappings


def settlement(rows: list[list[Any]]) -> bytes:
    top = [
        ["模拟县医保结算清单（2024年1月）"],
        ["统计口径：已结算"],
        ["序号", "结算流水号", "参保人", None, "待遇类型", "出院（就诊）日期", "费用", None, "基金支付", None, None, None, "个人负担", "入库时间", "定点机构", "大病标识"],
        [None, None, "姓名", "证件号码", None, None, "总额", "目录内", "统筹", "大病", "补充", "救助", None, None, None, None],
    ]  # fmt: skip
    merge = ((0, 0, 0, 15), (2, 2, 2, 3), (2, 6, 2, 7), (2, 8, 2, 11))
    return book([*top, *rows], merge=merge).replace(b"", b"")


def test_a_bureau_s_own_layout_is_read_through_its_mapping(engine, tmp_path):
    """ING051, with units, labels, levels and unwanted columns as the mapping says; the shipped example."""
    (mapping,) = [m for m in load_mappings() if m.source == "yibao_settlement"]
    row = [1, "C-0001", "张模拟甲", P1, "异地住院", "2024-01-05", 1.5, 12000, 8000, 1000, 0, 500, 5500, "2024-02-01", "县医院", "√"]
    stream = io.BytesIO(settlement([row]))
    (tmp_path / "2024年1月医保结算清单.xlsx").write_bytes(rename_sheet(stream.getvalue(), "结算数据"))
    done = Read(engine, tmp_path / "2024年1月医保结算清单.xlsx", "medical", mapping=mapping)
    assert done.reasons == []
    (stored,) = done.rows
    assert (stored["kind"], stored["disease_listed"], stored["treated_on"]) == ("inpatient", True, dt.date(2024, 1, 5))
    amounts = {k: v for k, v in stored.items() if k.endswith("_cny")}
    assert amounts == {
        "total_cny": Decimal(15000), "in_scope_cny": Decimal(12000), "basic_paid_cny": Decimal(8000), "serious_paid_cny": Decimal(1000),
        "commercial_paid_cny": Decimal(0), "aid_paid_cny": Decimal(500), "out_of_pocket_cny": Decimal(5500),
    }  # fmt: skip
    assert done.counts["unknown_columns"] == ""
    assert done.notices["ING051", "yibao_settlement"] == 1


def rename_sheet(content: bytes, name: str) -> bytes:
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w") as target:
        for part in source.namelist():
            target.writestr(part, source.read(part).replace("数据".encode(), name.encode()))
    return out.getvalue()


MAPPING = """
schema: 1
kind: files
name: test
files:
  - pattern: "发放表*.csv"
    table: subsidy
    columns: {户编号: household_id, 发放年月: period_start, 金额: amount_cny, 情况: status}
    units: {金额: 千元}
    values: {status: {正常: 发放}}
    constants: {programme: 低保金}
    date_epoch: 1900
"""


def test_a_mapping_gives_constants_units_labels_and_the_epoch_of_a_text_file_and_finds_its_files_in_the_inbox(tmp_path):
    mappings = read_mapping(MAPPING, where="test", contracts=load_contracts())
    files = inbox_files() | {"发放表_东镇.csv": "户编号,发放年月,金额,情况\nH-0001,45292,0.2,正常\n"}
    ingest_inbox(write(tmp_path / "inbox", files), tmp_path / "store", key=KEY, mappings=mappings)
    (row,) = pq.read_table(tmp_path / "store" / read_manifest(tmp_path / "store").tables["subsidy"].file).to_pylist()
    assert (row["programme"], row["period_start"], row["amount_cny"]) == ("dibao", dt.date(2024, 1, 1), Decimal(200))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("table: subsidy", "table: subsidies", "did you mean 'subsidy'"),
        ("amount_cny", "amount", "unknown field 'amount'"),
        ("units: {金额: 千元}", "units: {金额: 块}", "no known unit"),
        ("units: {金额: 千元}", "units: {钱: 千元}", "which is no column"),
        ("{正常: 发放}", "{正常: 好}", "in no code list"),
        ("date_epoch: 1900", "date_epoch: 1901", "date_epoch"),
        ("schema: 1", "schema: 2", "schema 2"),
        ("    table: subsidy", "    tabel: subsidy", "did you mean 'table'"),
        ("programme: 低保金", "amount_cny: 5", "given by two columns"),
        ("kind: files", "kind: files\n  x: [", "not YAML"),
    ],
)
def test_a_wrong_mapping_is_refused_with_what_is_wrong(old, new, words):
    assert old in MAPPING
    with pytest.raises(ContractError, match=words):
        read_mapping(MAPPING.replace(old, new), where="test/mapping.yaml", contracts=load_contracts())


def test_a_file_that_two_mappings_claim_is_refused(tmp_path):
    mappings = read_mapping(MAPPING, where="a", contracts=load_contracts()) * 2
    files = inbox_files() | {"发放表.csv": "户编号,发放年月,金额,情况\n"}
    with pytest.raises(IngestError, match="ING005"):
        ingest_inbox(write(tmp_path / "inbox", files), tmp_path / "store", key=KEY, mappings=mappings)


def test_the_survey_mapping_is_of_another_kind():
    assert "eph" not in {m.source for m in load_mappings()}


# --------------------------------------------------------------------------------------------------------- nothing private


def test_notices_hold_no_cell_and_stand_beside_the_store(tmp_path):
    files = inbox_files()
    files["家庭成员信息.csv"] = files["家庭成员信息.csv"].replace(P1, f"'{P1}")
    files["收入台账_2024-01.csv"] = (
        f"收入台账（张模拟甲）\n{LEDGER}H-0001,2024年1月,１０００,—,,2024-02-10\n填表人：李模拟乙,,,,,\n"
    )
    result = ingest_inbox(write(tmp_path / "inbox", files), tmp_path / "store", key=KEY)
    said = "".join(p.read_text(encoding="utf-8-sig") for p in (tmp_path / "store" / "accounting").rglob("*.csv"))
    assert {"ING029", "ING024", "ING032", "ING035", "ING038", "ING042"} <= set(result.report.notices.code)
    assert [s for s in ("张模拟甲", "李模拟乙", P1, "H-0001", "１０００") if s in said] == []
    assert "第3行" in said
    again = ingest_inbox(tmp_path / "inbox", tmp_path / "store", key=KEY)
    pd.testing.assert_frame_equal(again.report.notices, result.report.notices)
