"""Quarantined rows go to their office as a workbook, come back corrected, and every line of it is accounted for."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from returnrisk.errors import IngestError
from returnrisk.ingest.corrections import is_correction_workbook, read_correction_workbook
from returnrisk.ingest.inbox import IngestResult, ingest_inbox
from returnrisk.ingest.quarantine_workbook import FRONT_HEADERS, NOTE_HEADER, QuarantinedRow, QuarantinedSheet, workbook_bytes

KEY = b"a key for the correction tests"
P1, P2 = "999901198001010016", "99990119810101003X"
INCOME = "收入台账_2024-01.csv"
HEADER_LINE = 3  # title, advice, header


def files() -> dict[str, str]:
    return {
        "行政村名单.csv": "村代码,村名称,乡镇名称,登记日期\n999901001001,甲村,东镇,2020-01-01\n",
        "农户基本信息.csv": (
            "户编号,村代码,农户类型,住房等级,登记日期\n"
            "H-0001,999901001001,脱贫户,A级,2020-01-01\n"
            "H-0002,999901001001,一般农户,E级,2020-01-01\n"  # 3: no such grade; all that refers to it falls too
        ),
        "家庭成员关系.csv": (
            "身份证号码,户编号,与户主关系,加入日期,登记日期\n"
            f"{P1},H-0001,户主,2014-01-01,2020-01-01\n"
            f"{P2[:-1]},H-0001,子女,2014-01-01,2020-01-01\n"  # 3: a digit short
            f"{P2},H-0001,子女\n"  # 4: cells missing
        ),
        "家庭成员信息.csv": f"身份证号码,性别,出生日期,登记日期\n{P1},男,1980-01-01,2020-01-01\n",
        INCOME: (
            "户编号,月份,种植业收入,养老金,登记日期\n"
            "H-0001,2024-01,1000,,2024-02-10\n"  # 2
            "H-0001,2024-02,=1+1,约300,2024-03-10\n"  # 3: two bad cells, one looks like a formula
            "H-0001,2024-03,5,,2024-04-10\n"  # 4: contradicts 5
            "H-0001,2024-03,6,,2024-04-10\n"  # 5
            "H-0002,2024-01,7,,2024-02-10\n"  # 6: its household fell
            "H-0001,2024-04,abc,,2024-05-10\n"  # 7: nobody corrects it
        ),
        "数据送达登记.csv": "数据表,乡镇代码,所属期起,所属期止,送达日期\n收入台账,999901001,2024-01-01,2024-01-31,2024-02-15\n",
        "监测线.csv": "地区代码,生效日期,监测线标准,登记日期\n999901,2020-01-01,5000,2020-01-01\n",
    }


@dataclass(frozen=True)
class County:
    root: Path
    result: IngestResult

    @property
    def workbooks(self) -> dict[str, Path]:
        return {p.name.split("_")[2]: p for p in sorted((self.root / "quarantine").glob("*.xlsx"))}

    def quarantined(self) -> set[tuple[str, int, str]]:
        return {(q.file, q.row_number, q.code) for q in self.result.report.quarantine.itertuples()}

    def rows(self, table: str) -> list[dict[str, Any]]:
        return pq.read_table(self.root / "store" / self.result.manifest.tables[table].file).to_pylist()

    def fates(self) -> dict[tuple[str, int], tuple[str, str]]:
        return {(c.file, c.row_number): (c.state, c.code) for c in self.result.report.corrections.itertuples()}

    def counts(self, file: str) -> tuple[int, ...]:
        f = self.result.report.files.set_index("file").loc[file]
        return (f.n_input, f.n_accepted, f.n_duplicate, f.n_quarantined, f.n_withdrawn)


def ingest(root: Path) -> County:
    return County(root, ingest_inbox(root / "inbox", root / "store", key=KEY))


def lines(path: Path) -> dict[int, dict[str, Any]]:
    """Line number to cells by header, as calamine (another reader than the one the office uses) gives them."""
    book = CalamineWorkbook.from_path(str(path))
    assert book.sheet_names == ["隔离更正1"]
    rows = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    header = rows[HEADER_LINE - 1]
    return {i: dict(zip(header, row, strict=True)) for i, row in enumerate(rows[HEADER_LINE:], start=HEADER_LINE + 1)}


def line_of(path: Path, row: int) -> int:
    (found,) = [i for i, cells in lines(path).items() if cells["来源行号"] == str(row)]
    return found


def correct(path: Path, target: Path, changes: dict[int, dict[str, Any]]) -> None:
    """Open the workbook as an office would, change cells of rows (by their original number) and save it elsewhere."""
    book = openpyxl.load_workbook(path)
    page = book.worksheets[0]
    columns = {c.value: c.column for c in page[HEADER_LINE]}
    for row, cells in changes.items():
        for header, value in cells.items():
            page.cell(line_of(path, row), columns[header]).value = value
    book.save(target)


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> County:
    root = tmp_path_factory.mktemp("first")
    (root / "inbox").mkdir()
    for name, text in files().items():
        (root / "inbox" / name).write_text(text, encoding="utf-8")
    return ingest(root)


@pytest.fixture(scope="module")
def second(first, tmp_path_factory) -> County:
    """Everything corrected but one row of the ledger; one of two contradicting rows withdrawn; one row wrong again."""
    root = tmp_path_factory.mktemp("second") / "county"
    shutil.copytree(first.root, root)
    made = first.workbooks
    inbox = root / "inbox"
    correct(made["农户"], inbox / made["农户"].name, {3: {"住房等级": "B级"}})
    roster = {
        3: {"身份证号码": P2},
        4: {"身份证号码": P2, "户编号": "H-0001", "与户主关系": "子女", "加入日期": "2014-01-01", "登记日期": "2020-01-01"},
    }
    correct(made["家庭成员关系"], inbox / "家庭成员关系已改.xlsx", roster)
    ledger = {3: {"种植业收入": 200, "养老金": "还是不知道"}, 4: {NOTE_HEADER: "作废"}}
    (inbox / "民政局").mkdir()
    correct(made["收入台账"], inbox / "民政局" / "任意名称.xlsx", ledger)
    return ingest(root)


@pytest.fixture(scope="module")
def third(second, tmp_path_factory) -> County:
    """The second round: what was wrong again is corrected in the workbook that came of it."""
    root = tmp_path_factory.mktemp("third") / "county"
    shutil.copytree(second.root, root)
    made = second.workbooks["收入台账"]
    correct(made, root / "inbox" / made.name, {3: {"养老金": "300"}, 7: {"种植业收入": "12.5"}})
    return ingest(root)


# ---------------------------------------------------------------------------------------------------- what goes out


def test_every_quarantined_row_stands_in_its_tables_workbook_with_the_cells_that_were_sent(first):
    assert first.quarantined() == {
        ("农户基本信息.csv", 3, "ING012"),
        ("家庭成员关系.csv", 3, "ING014"),
        ("家庭成员关系.csv", 4, "ING018"),
        (INCOME, 3, "ING011"),
        (INCOME, 4, "ING016"),
        (INCOME, 5, "ING016"),
        (INCOME, 6, "CON006"),
        (INCOME, 7, "ING011"),
    }
    assert set(first.workbooks) == {"农户", "家庭成员关系", "收入台账"}
    sent = {row: dict(zip(files()[INCOME].split("\n")[0].split(","), text.split(","), strict=True))
            for row, text in enumerate(files()[INCOME].strip().split("\n")[1:], start=2)}  # fmt: skip
    shown = {int(cells["来源行号"]): cells for cells in lines(first.workbooks["收入台账"]).values()}
    assert sorted(shown) == [3, 4, 5, 6, 7]
    for row, cells in shown.items():
        assert {h: cells[h] for h in sent[row]} == sent[row]
        assert cells["来源文件"] == INCOME
        assert cells[NOTE_HEADER] == ""
    assert shown[3]["问题代码"] == "ING011"
    assert shown[3]["问题说明"] == "种植业收入不是数字；养老金不是数字"
    assert shown[3]["问题字段"] == "种植业收入；养老金"
    assert shown[6]["问题字段"] == "户编号"
    assert tuple(shown[3])[: len(FRONT_HEADERS)] == FRONT_HEADERS


def test_a_row_that_could_not_be_cut_into_cells_is_shown_blank_and_a_short_number_as_it_was(first):
    shown = {int(cells["来源行号"]): cells for cells in lines(first.workbooks["家庭成员关系"]).values()}
    assert shown[3]["身份证号码"] == P2[:-1]
    assert {shown[4][h] for h in ("身份证号码", "户编号", "与户主关系")} == {""}
    assert shown[4]["问题代码"] == "ING018"


def test_cells_are_text_wrong_ones_are_coloured_and_nothing_is_a_formula_or_a_link(first):
    page = openpyxl.load_workbook(first.workbooks["收入台账"]).worksheets[0]
    columns = {c.value: c.column for c in page[HEADER_LINE]}
    line = line_of(first.workbooks["收入台账"], 3)
    cells = {h: page.cell(line, columns[h]) for h in columns}
    assert cells["种植业收入"].value == "=1+1"
    assert {c.data_type for c in cells.values() if c.value is not None} == {"s"}
    assert {c.number_format for h, c in cells.items() if h not in FRONT_HEADERS} == {"@"}
    coloured = {h for h, c in cells.items() if c.fill.fgColor.rgb == "FFFFD9B3"}
    assert coloured == {"种植业收入", "养老金"}
    assert page.column_dimensions[cells["回执码"].column_letter].hidden


def test_the_folder_is_closed_to_others_and_the_same_rows_give_the_same_bytes(first, tmp_path):
    folder = first.root / "quarantine"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in folder.iterdir()} == {0o600}
    again = tmp_path / "again"
    shutil.copytree(first.root / "inbox", again / "inbox")
    repeated = ingest(again)
    assert {n: p.read_bytes() for n, p in first.workbooks.items()} == {n: p.read_bytes() for n, p in repeated.workbooks.items()}
    assert {p.name for p in first.workbooks.values()} == {p.name for p in repeated.workbooks.values()}


def test_no_number_leaves_the_workbook_for_the_accounting(first, second):
    for done in (first, second):
        for path in (done.root / "store").rglob("*.csv"):
            text = path.read_text(encoding="utf-8-sig")
            assert not any(secret in text for secret in (P1, P2[:-1], "H-0001", "约300"))


# ------------------------------------------------------------------------------------------------------ what comes back


def test_corrected_rows_are_accepted_in_their_own_file_and_their_quarantine_is_closed(second):
    assert second.quarantined() == {(INCOME, 3, "ING011"), (INCOME, 7, "ING011")}
    assert second.fates() == {
        ("农户基本信息.csv", 3): ("closed", ""),
        ("家庭成员关系.csv", 3): ("closed", ""),
        ("家庭成员关系.csv", 4): ("closed", ""),  # says the same as row 3 now: a duplicate, and no longer open
        (INCOME, 3): ("open", ""),
        (INCOME, 4): ("withdrawn", ""),
        (INCOME, 5): ("unchanged", ""),
        (INCOME, 6): ("unchanged", ""),
        (INCOME, 7): ("unchanged", ""),
    }
    closed = second.result.report.corrections.set_index(["file", "row_number"]).loc[("家庭成员关系.csv", 3)]
    assert (closed.by_file, closed.by_sheet, closed.by_row_number) == ("家庭成员关系已改.xlsx", "隔离更正1", HEADER_LINE + 1)


def test_counts_still_add_up(first, second, third):
    assert first.counts(INCOME) == (6, 1, 0, 5, 0)
    assert second.counts(INCOME) == (5, 3, 0, 2, 1)  # rows 2, 5 and 6; 3 and 7; 4 is withdrawn
    assert third.counts(INCOME) == (5, 5, 0, 0, 1)
    assert first.counts("家庭成员关系.csv") == (3, 1, 0, 2, 0)
    assert second.counts("家庭成员关系.csv") == (3, 2, 1, 0, 0)
    for done in (first, second, third):
        done.result.report.require_balance()
        assert set(done.result.report.files.n_input) <= {0, 1, 2, 3, 5, 6}


def test_the_store_holds_what_the_offices_corrected(second, third):
    months = {r["period_start"].month: r["gross_cny"] for r in second.rows("income") if r["gross_cny"] != 7}
    assert months == {1: Decimal(1000), 3: Decimal(6)}
    assert len({r["household_id"] for r in second.rows("income")}) == 2  # the orphan's household is there now
    assert len(second.rows("household_roster")) == 2
    amounts = sorted((r["period_start"].month, r["item"], r["gross_cny"]) for r in third.rows("income"))
    assert amounts == [
        (1, "crops", Decimal(7)),
        (1, "crops", Decimal(1000)),
        (2, "crops", Decimal(200)),
        (2, "pension", Decimal(300)),
        (3, "crops", Decimal(6)),
        (4, "crops", Decimal("12.50")),
    ]


def test_a_row_wrong_again_goes_out_again_as_it_was_last_sent_and_a_second_round_overrules_the_first(second, third):
    shown = {int(cells["来源行号"]): cells for cells in lines(second.workbooks["收入台账"]).values()}
    assert sorted(shown) == [3, 7]
    assert (shown[3]["种植业收入"], shown[3]["养老金"]) == ("200", "还是不知道")
    assert shown[3]["问题字段"] == "养老金"
    assert third.quarantined() == set()
    assert third.workbooks == {}
    states = third.result.report.corrections
    row_3 = states[(states.file == INCOME) & (states.row_number == 3)]
    assert sorted(row_3.state) == ["closed", "superseded"]


def test_a_second_run_changes_nothing_and_a_cleared_folder_is_filled_again(second, tmp_path):
    root = tmp_path / "county"
    shutil.copytree(second.root, root)
    before = (root / "store" / "manifest.json").read_bytes()
    again = ingest(root)
    assert (root / "store" / "manifest.json").read_bytes() == before
    assert again.fates() == second.fates()
    shutil.rmtree(root / "quarantine")
    assert set(ingest(root).workbooks) == {"收入台账"}
    assert (root / "store" / "manifest.json").read_bytes() == before


def test_a_workbook_that_closed_rows_may_not_disappear(second, tmp_path):
    root = tmp_path / "county"
    shutil.copytree(second.root, root)
    (root / "inbox" / "家庭成员关系已改.xlsx").unlink()
    with pytest.raises(IngestError, match=r"家庭成员关系已改\.xlsx"):
        ingest(root)


def test_corrections_of_rows_that_wait_for_none_are_refused_with_a_code(first, tmp_path):
    root = tmp_path / "county"
    shutil.copytree(first.root, root)
    made = first.workbooks["收入台账"]
    # one line now claims the accepted row 2, one has lost its receipt, two copies contradict each other about row 7
    correct(made, root / "inbox" / "甲.xlsx", {3: {"来源行号": "2"}, 6: {"回执码": ""}, 7: {"种植业收入": "1"}})
    correct(made, root / "inbox" / "乙.xlsx", {7: {"种植业收入": "2"}, 4: {NOTE_HEADER: "作废"}})
    correct(made, root / "inbox" / "丙.xlsx", {4: {NOTE_HEADER: "作废"}})
    # the household file is replaced: its rows are others now
    correct(first.workbooks["农户"], root / "inbox" / "丁.xlsx", {3: {"住房等级": "B级"}})
    (root / "inbox" / "农户基本信息.csv").write_text(files()["农户基本信息.csv"] + "H-0003,999901001001,脱贫户,A级,2020-01-01\n")
    done = ingest(root)
    fates = {(c.by_file, c.file, c.row_number, c.state, c.code) for c in done.result.report.corrections.itertuples()}
    assert {f for f in fates if f[3] != "unchanged"} == {
        ("甲.xlsx", INCOME, 2, "refused", "ING070"),
        ("甲.xlsx", INCOME, 6, "refused", "ING070"),
        ("甲.xlsx", INCOME, 7, "refused", "ING072"),
        ("乙.xlsx", INCOME, 7, "refused", "ING072"),
        ("丁.xlsx", "农户基本信息.csv", 3, "refused", "ING071"),
        ("丙.xlsx", INCOME, 4, "withdrawn", ""),
        ("乙.xlsx", INCOME, 4, "duplicate", ""),
    }
    refused = done.result.report.corrections.query("state == 'refused'")
    assert refused.text_zh.str.contains(r"[\u4e00-\u9fff]").all()
    assert refused.text_en.str.contains(r"[a-z]").all()
    assert done.quarantined() == first.quarantined() - {(INCOME, 4, "ING016"), (INCOME, 5, "ING016")}
    assert Decimal(1000) in {r["gross_cny"] for r in done.rows("income")}


# ------------------------------------------------------------------------------------------------- recognised and refused


def test_a_correction_is_known_by_its_sheets_not_by_its_name(first, tmp_path):
    other = openpyxl.Workbook()
    other.save(tmp_path / "隔离更正单_民政局.xlsx")
    assert not is_correction_workbook(tmp_path / "隔离更正单_民政局.xlsx")
    (tmp_path / "broken.xlsx").write_bytes(b"PK no zip")
    assert not is_correction_workbook(tmp_path / "broken.xlsx")
    assert not is_correction_workbook(Path(__file__).with_name("test_ingest_ledger.xls"))
    renamed = shutil.copy(first.workbooks["收入台账"], tmp_path / "x.xlsx")
    assert is_correction_workbook(renamed)


@pytest.mark.parametrize("form", ["csv", "sheet renamed"])
def test_a_workbook_in_disguise_is_never_read_as_more_rows(first, tmp_path, form):
    root = tmp_path / "county"
    shutil.copytree(first.root, root)
    made = first.workbooks["收入台账"]
    if form == "csv":
        rows = CalamineWorkbook.from_path(str(made)).get_sheet_by_index(0).to_python(skip_empty_area=False)
        text = "\n".join(",".join(str(c).replace(",", "，").replace("\n", "") for c in row) for row in rows)
        (root / "inbox" / f"{made.stem}.csv").write_text(text, encoding="gb18030")
    else:
        book = openpyxl.load_workbook(made)
        book.worksheets[0].title = "Sheet1"
        book.save(root / "inbox" / made.name)
    with pytest.raises(IngestError, match="would be counted twice"):
        ingest(root)


def test_moved_columns_stop_the_run(first, tmp_path):
    book = openpyxl.load_workbook(first.workbooks["收入台账"])
    book.worksheets[0].delete_cols(4)
    book.save(tmp_path / "moved.xlsx")
    with pytest.raises(IngestError, match="columns of the quarantine workbook were moved"):
        read_correction_workbook(tmp_path / "moved.xlsx", file="moved.xlsx")


def test_columns_of_the_original_may_stand_in_any_order_but_none_may_go(first, tmp_path):
    book = openpyxl.load_workbook(first.workbooks["收入台账"])
    page = book.worksheets[0]
    page.cell(HEADER_LINE, len(FRONT_HEADERS) + 1).value = "户号"
    root = tmp_path / "county"
    shutil.copytree(first.root, root)
    book.save(root / "inbox" / "其他列.xlsx")
    assert set(ingest(root).fates().values()) == {("refused", "ING073")}


def test_control_characters_and_overlong_cells_do_not_break_a_workbook():
    row = QuarantinedRow(2, ("a\x01b", "长" * 40_000, None), (("ING011", "不是数字", "x"),), frozenset({0}), 1)
    sheet = QuarantinedSheet("income", "收入台账", "乡村振兴局", "f.csv", "", "0" * 64, ("x", "y", "z"), (row,))
    other = replace(sheet, file="g.csv", headers=("x",), rows=(replace(row, cells=('=HYPERLINK("http://a")',)),))
    book = openpyxl.load_workbook(io.BytesIO(workbook_bytes([sheet, other])))
    assert book.sheetnames == ["隔离更正1", "隔离更正2"]  # other columns, another sheet
    found = {page.cell(HEADER_LINE + 1, len(FRONT_HEADERS) + 1).value for page in book.worksheets}
    assert found == {"ab", '=HYPERLINK("http://a")'}
