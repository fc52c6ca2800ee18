"""Ingest: every input row ends accepted, duplicate or quarantined because; nothing is lost, nothing private is said, no order decides."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import shutil
import zipfile
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from returnrisk.contracts import load_contracts
from returnrisk.errors import IngestError, PseudonymKeyError, ReturnRiskError, UnknownNameError
from returnrisk.ingest.accounting import ReadSheet, account_table
from returnrisk.ingest.headers import map_headers, recognise_table
from returnrisk.ingest.inbox import IngestResult, ingest_inbox
from returnrisk.ingest.readers import read_file
from returnrisk.ingest.sheets import expected_of
from returnrisk.ingest.table import ingest_table
from returnrisk.simulate import planted_faults, simulate_county, write_inbox
from returnrisk.store.pseudonyms import pseudonymise
from returnrisk.store.tables import read_manifest, verify_files, write_store
from returnrisk.store.view import connect, open_store

KEY = b"a key for the ingest tests"
P1, P2, P3 = "999901198001010016", "99990119810101003X", "999901198201010010"
WIDE = "户编号,月份,种植业收入,种植业成本,养老金,登记日期\n"
SECRETS = (
    "张模拟甲",
    "李模拟乙",
    "王模拟丙",
    "13800000001",
    "13800000002",
    "13800000003",
    "东镇甲村一组",
    P1,
    P2,
    P3,
    "H-0001",
    "H-0002",
    "H-0003",
)


def xlsx(header: list[str], rows: list[list[Any]], *, hidden: list[list[Any]] | None = None, more: Any = None) -> bytes:
    """A workbook: text as text, numbers as numbers, (number, format) formatted, None left out."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as book:
        sheet = book.add_worksheet("数据")
        sheet.write_row(0, 0, header)
        for i, row in enumerate(rows, start=1):
            for j, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(i, j, value)
                elif isinstance(value, dt.date):
                    sheet.write_datetime(i, j, value, book.add_format({"num_format": "yyyy/m/d"}))
                elif isinstance(value, tuple):
                    sheet.write_number(i, j, value[0], book.add_format({"num_format": value[1]}))
                elif value is not None:
                    sheet.write_number(i, j, value)
        if hidden:
            extra = book.add_worksheet("旧表")
            for i, row in enumerate([header, *hidden]):
                extra.write_row(i, 0, row)
            extra.hide()
        if more:
            more(book, sheet)
    return stream.getvalue()


def rewritten(workbook: bytes, old: bytes, new: bytes) -> bytes:
    """The workbook with one piece of its XML replaced."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as source, zipfile.ZipFile(stream, "w") as target:
        parts = {name: source.read(name) for name in source.namelist()}
        assert sum(old in part for part in parts.values()) == 1
        for name, part in parts.items():
            target.writestr(name, part.replace(old, new))
    return stream.getvalue()


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def clean_files() -> dict[str, str | bytes]:
    return {
        "行政村名单.csv": "村代码,村名称,乡镇名称,登记日期\n999901001001,甲村,东镇,2020-01-01\n999901002001,乙村,西镇,2020-01-01\n",
        "农户基本信息.csv": "户编号,村代码,农户类型,登记日期\nH-0001,999901001001,脱贫户,2020-01-01\nH-0002,999901002001,一般农户,2020-01-01\n",
        "家庭成员关系.csv": f"身份证号码,户编号,与户主关系,加入日期,登记日期\n{P1},H-0001,户主,2014-01-01,2020-01-01\n",
        "家庭成员信息.csv": f"身份证号码,性别,出生日期,登记日期\n{P1},男,1980-01-01,2020-01-01\n",
        "收入台账_2024-01.csv": WIDE + "H-0001,2024-01,1000,200,,2024-02-10\nH-0002,2024-01,,,300.5,2024-02-11\n",
        "数据送达登记.csv": "数据表,乡镇代码,所属期起,所属期止,送达日期\n收入台账,999901001,2024-01-01,2024-01-31,2024-02-15\n",
        "监测线.csv": "地区代码,生效日期,监测线标准,登记日期\n999901,2020-01-01,5000,2020-01-01\n",
        "补贴发放_2024.csv": "户编号,补贴项目,月份,发放状态,发放金额\nH-0001,低保金,2024-01,发放,200\n",
    }


def dirty_files() -> dict[str, str | bytes]:
    files = clean_files()
    files["行政村名单.csv"] = (
        "村代码,村名称,乡镇名称,重点村,登记日期\n"
        "999901001001,甲村,东镇,是,2020-01-01\n"  # 2
        "999901002001,乙村,西镇,否,2020-01-01\n"  # 3
        "99990100,丙村,东镇,也许,2020-01-01\n"  # 4: too short a code, and neither yes nor no
    )
    files["农户基本信息.xlsx"] = xlsx(
        ["户编号", "村代码", "农户类型", "住房等级", "房间数", "登记日期"],
        [
            ["H-0001", "999901001001", "脱贫户", "A级", 3, "2020-01-01"],  # 2
            ["H-0002", 999901002001, "一般农户", "B", None, dt.date(2020, 1, 1)],  # 3
            ["H-0003", "99990100", "脱贫户", None, 3, "2020-01-01"],  # 4: its village is quarantined
            [None] * 6,  # 5: blank
            [20240001, "999901001001", "脱贫户", None, 3, "2020-01-01"],  # 6: number stored as a number
            ["H1", "999901001001", "脱贫户", None, 3, "2020-01-01"],  # 7: malformed number
            ["H-0004", "999901001001", "脱贫户", "E级", 3, "2020-01-01"],  # 8: unknown code
            ["H-0005", "999901001001", "脱贫户", None, 99, "2020-01-01"],  # 9: out of range
            ["H-0006", "999901001001", "  ", None, 3, "2020-01-01"],  # 10: required, blank
            ["H-0007", "999901009999", "脱贫户", None, 3, "2020-01-01"],  # 11: village nobody delivered
            ["  ", "\u3000", None, None, None, None],  # 12: blank
        ],
        hidden=[["H-0099", "999901001001", "脱贫户", "A级", 3, "2020-01-01"]],
    )
    del files["农户基本信息.csv"]
    files["家庭成员关系.csv"] = (
        "身份证号码,户编号,与户主关系,加入日期,登记日期\n"
        f"{P1},H-0001,户主,2014-01-01,2020-01-01\n"  # 2
        f"{P2},h-0002,本人,2014/1/1,2020-01-01\n"  # 3: case and form of dates do not matter
        f"{P3},H-0003,户主,2014-01-01,2020-01-01\n"  # 4: household fell
        "\n"  # 5: blank
        f"{P3[:-1]},H-0001,子女,2014-01-01,2020-01-01\n"  # 6: 17 digits
        f"{P3},H-0001,子女\n"  # 7: cells missing
        f"{P3},H-0001,子女,2014-01-01,2020-01-01,又一格\n"  # 8: a cell too many
        ",,,,\n"  # 9: blank
    )
    files["家庭成员信息.csv"] = (
        "身份证号码,性别,出生日期,婚姻状况,备注,登记日期\n"
        f"{P1},男,1980-01-01,,迁入,2020-01-01\n"
        f"{P2},女,1981-01-01,,,2020-01-01\n"
        f"{P3},女,1982-01-01,,低收入,2020-01-01\n"  # 4: its membership fell
        f"{P2},女,1981-13-01,,,2020-03-01\n"  # 5: no date
    )
    files["户主联系信息.xlsx"] = xlsx(
        ["户编号", "户主姓名", "联系电话", "家庭住址", "登记日期"],
        [
            ["H-0001", "张模拟甲", 13800000001, "东镇甲村一组", "2020-01-01"],
            ["H-0002", "李模拟乙", "13800000002", None, "2020-01-01"],
            ["H-0003", "王模拟丙", "13800000003", None, "2020-01-01"],  # 4: household fell
        ],
    )
    files["收入台账_2024-01.csv"] = WIDE + (
        "H-0001,2024-01,1000,200,,2024-02-10\n"  # 2
        "H-0002,2024-01,100,,约3000,2024-02-10\n"  # 3: one bad cell
        "H-0001,2024-01,1000,200,,2024-02-10\n"  # 4: repeats 2
        "H-0003,2024-01,,,300,2024-02-10\n"  # 5: household fell
        "H-0001,2024-02,-5,,千元,2024-03-10\n"  # 6: out of range, and a bad cell
        "H-0002,2024-02,,,300,2024-03-10\n"  # 7: contradicts 8
        "H-0002,2024-02,,,310,2024-03-10\n"  # 8
        "H-0002,2024-03,,,300,2024-03-30\n"  # 9: recorded before the period ended
        "H-0002,2024-04,,,300,2024-05-10\n"  # 10
        "H-0002,2024-04,,,320,2024-06-10\n"  # 11: a correction, recorded later
    )
    files["2/收入台账_2024-01.csv"] = WIDE + (
        "H-0001,2024-01,1000.00,200,,2024-02-10\n"  # repeats the other file's 2, written otherwise
        "H-0001,2024-05,7,,,2024-06-10\n"
    )
    files["补贴发放_2024.csv"] = (
        '户编号,补贴项目,月份,发放状态,发放金额,登记日期\nH-0001,低保金,2024-01,发放,"1,200",2024-02-20\nH-0001,低保金,2024-02,发放,200,2024-03-20\n'
    )
    return files


QUARANTINED = {
    ("村名单", 4): [("CON003", "village_code"), ("ING011", "key_village")],
    ("户信息", 4): [("CON006", "village_code")],
    ("户信息", 6): [("ING015", "household_id")],
    ("户信息", 7): [("ING014", "household_id")],
    ("户信息", 8): [("ING012", "housing_grade")],
    ("户信息", 9): [("CON003", "rooms")],
    ("户信息", 10): [("CON001", "registered_type")],
    ("户信息", 11): [("CON006", "village_code")],
    ("成员关系", 4): [("CON006", "household_id")],
    ("成员关系", 6): [("ING014", "person_id")],
    ("成员关系", 7): [("ING018", "")],
    ("成员关系", 8): [("ING018", "")],
    ("成员信息", 4): [("CON006", "person_id")],
    ("成员信息", 5): [("ING011", "born_on")],
    ("联系信息", 4): [("CON006", "household_id")],
    ("收入", 3): [("ING011", "养老金")],
    ("收入", 5): [("CON006", "household_id")],
    ("收入", 6): [("CON003", "种植业收入"), ("ING011", "养老金")],
    ("收入", 7): [("ING016", "household_id,person_id,source,item,period_start")],
    ("收入", 8): [("ING016", "household_id,person_id,source,item,period_start")],
    ("收入", 9): [("CON007", "period_end")],
}
SHORT = {"行政村名单.csv": "村名单", "农户基本信息.xlsx": "户信息", "家庭成员关系.csv": "成员关系", "家庭成员信息.csv": "成员信息",
         "户主联系信息.xlsx": "联系信息", "收入台账_2024-01.csv": "收入", "补贴发放_2024.csv": "补贴"}  # fmt: skip


@dataclass(frozen=True)
class Done:
    inbox: Path
    store: Path
    result: IngestResult

    def rows(self, table: str) -> list[dict[str, Any]]:
        return pq.read_table(self.store / self.result.manifest.tables[table].file).to_pylist()


@pytest.fixture(scope="module")
def dirty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dirty")
    inbox = write(folder / "inbox", dirty_files())
    return Done(inbox, folder / "store", ingest_inbox(inbox, folder / "store", key=KEY))


@pytest.fixture(scope="module")
def county(tmp_path_factory):
    folder = tmp_path_factory.mktemp("county")
    simulated = simulate_county(n_households=60, months=14)
    write_inbox(simulated, folder / "inbox")
    return simulated, Done(folder / "inbox", folder / "store", ingest_inbox(folder / "inbox", folder / "store", key=KEY))


@pytest.fixture(scope="module")
def engine():
    return connect()


@dataclass(frozen=True)
class One:
    """One table's files through the reader, the headers and the table: accepted rows and the fate of the others."""

    accepted: pd.DataFrame
    files: pd.DataFrame
    quarantine: list[tuple[int, str, str]]
    duplicates: list[tuple[int, int]]
    table: Any


def one(engine: Any, folder: Path, table: str, files: dict[str, str | bytes], *, delay: int | None = None) -> One:
    contract = load_contracts()[table]
    # the engine compiles a part per wide column: the three that these tests use are enough, whole inboxes use them all
    contract = replace(contract, wide_columns=tuple(w for w in contract.wide_columns if w.header in WIDE.split(",")))
    write(folder, files)
    sheets = []
    for name in files:
        for sheet in read_file(folder / name, expected=expected_of(contract)):
            sheets.append(ReadSheet(sheet, map_headers(sheet, contract), ""))
    result = ingest_table(
        engine, contract, sheets=[(s.raw, s.headers) for s in sheets], parents={}, key=KEY,
        delay_days=contract.delay_days if delay is None else delay,
    )  # fmt: skip
    account = account_table(contract, sheets, result)
    assert balanced(pd.DataFrame(account.files)), account.files
    return One(
        accepted=result.accepted.to_pandas(),
        files=pd.DataFrame(account.files).set_index("file"),
        quarantine=sorted((q["row_number"], q["code"], q["field"]) for q in account.quarantined),
        duplicates=sorted((d["row_number"], d["of_row_number"]) for d in account.duplicates),
        table=result.accepted,
    )


def household(number: str) -> int:
    return pseudonymise([number], kind="household", key=KEY)[number]


def store_bytes(store: Path) -> dict[str, bytes]:
    return {p.relative_to(store).as_posix(): p.read_bytes() for p in sorted(store.rglob("*.parquet"))}


# ---------------------------------------------------------------------------------------------------- row accounting


def balanced(files: pd.DataFrame) -> bool:
    return bool((files.n_input == files.n_accepted + files.n_duplicate + files.n_quarantined).all())


def test_every_planted_error_is_quarantined_with_its_code_and_field_and_nothing_else_is(dirty):
    found: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for r in dirty.result.report.quarantine.to_dict("records"):
        found.setdefault((SHORT[r["file"]], r["row_number"]), []).append((r["code"], r["field"]))
    assert {k: sorted(v) for k, v in found.items()} == {k: sorted(v) for k, v in QUARANTINED.items()}


def test_every_reason_is_given_in_chinese_and_english(dirty):
    reasons = dirty.result.report.quarantine
    assert reasons.text_zh.str.contains(r"[\u4e00-\u9fff]").all()
    assert reasons.text_en.str.contains(r"[a-z]").all()
    bad = reasons[(reasons.file == "收入台账_2024-01.csv") & (reasons.row_number == 3)].iloc[0]
    assert (bad.text_zh, bad.text_en) == ("养老金不是数字", "养老金 is not a number")


def test_counts_of_every_file_add_up_and_are_those_of_the_files(dirty):
    files = dirty.result.report.files.set_index("file")
    assert balanced(files)
    found = {f: (r.n_input, r.n_accepted, r.n_duplicate, r.n_quarantined, r.n_blank) for f, r in files.iterrows()}
    assert found == {
        "行政村名单.csv": (3, 2, 0, 1, 0),
        "农户基本信息.xlsx": (9, 2, 0, 7, 2),
        "家庭成员关系.csv": (6, 2, 0, 4, 2),
        "家庭成员信息.csv": (4, 2, 0, 2, 0),
        "户主联系信息.xlsx": (3, 2, 0, 1, 0),
        "收入台账_2024-01.csv": (10, 2, 2, 6, 0),
        "2/收入台账_2024-01.csv": (2, 2, 0, 0, 0),
        "补贴发放_2024.csv": (2, 2, 0, 0, 0),
        "数据送达登记.csv": (1, 1, 0, 0, 0),
        "监测线.csv": (1, 1, 0, 0, 0),
    }  # fmt: skip
    by_table = dirty.result.report.frame().set_index("table_name")
    assert by_table.loc["income", ["n_input", "n_accepted", "n_duplicate", "n_quarantined", "n_files"]].tolist() == [12, 4, 2, 6, 2]


def test_duplicates_name_the_row_they_repeat_also_in_another_file(dirty):
    found = [
        tuple(r) for r in dirty.result.report.duplicates[["file", "row_number", "of_file", "of_row_number"]].itertuples(index=False)
    ]
    # files are taken in the order of their names: the folder comes first
    first = ("2/收入台账_2024-01.csv", 2)
    assert found == [("收入台账_2024-01.csv", 2, *first), ("收入台账_2024-01.csv", 4, *first)]


def test_only_good_rows_are_in_the_store(dirty):
    known = {household("H-0001"), household("H-0002")}
    assert {r["household_id"] for r in dirty.rows("household")} == known
    assert {r["household_id"] for r in dirty.rows("identity")} == known
    found = sorted((r["household_id"] == household("H-0001"), r["period_start"], r["item"], r["gross_cny"], r["cost_cny"], r["recorded_on"])
                   for r in dirty.rows("income"))  # fmt: skip
    d = dt.date
    assert found == [
        (False, d(2024, 4, 1), "pension", Decimal(300), Decimal(0), d(2024, 5, 10)),
        (False, d(2024, 4, 1), "pension", Decimal(320), Decimal(0), d(2024, 6, 10)),
        (True, d(2024, 1, 1), "crops", Decimal(1000), Decimal(200), d(2024, 2, 10)),
        (True, d(2024, 5, 1), "crops", Decimal(7), Decimal(0), d(2024, 6, 10)),
    ]


def test_a_hidden_sheet_is_ignored(dirty):
    assert household("H-0099") not in {r["household_id"] for r in dirty.rows("household")}
    assert (dirty.result.report.files.file == "农户基本信息.xlsx").sum() == 1


def test_a_number_cell_of_a_telephone_keeps_all_its_digits(dirty):
    assert sorted(r["phone"] for r in dirty.rows("identity")) == ["13800000001", "13800000002"]


def test_unknown_columns_are_named_and_their_filled_cells_counted(dirty):
    files = dirty.result.report.files.set_index("file")
    assert files.loc["家庭成员信息.csv", "unknown_columns"] == "婚姻状况、备注"
    assert files.loc["家庭成员信息.csv", "n_unknown_cells"] == 2
    assert (files.drop("家庭成员信息.csv").n_unknown_cells == 0).all()


def test_a_period_end_nobody_gave_is_the_end_of_the_month(dirty):
    assert {(r["period_start"], r["period_end"]) for r in dirty.rows("income")} == {
        (dt.date(2024, m, 1), dt.date(2024, m, last)) for m, last in ((1, 31), (4, 30), (5, 31))
    }


def test_the_accounting_beside_the_store_is_the_report(dirty):
    report = dirty.result.report
    for name, frame in (("files", report.files), ("quarantine", report.quarantine), ("duplicates", report.duplicates)):
        text = (dirty.store / dirty.result.manifest.accounting / f"{name}.csv").read_text(encoding="utf-8-sig")
        written = list(csv.DictReader(io.StringIO(text)))
        assert [tuple(r) for r in written[:1]] == [tuple(frame.columns)][: len(written)]
        assert [list(r.values()) for r in written] == [[str(v) for v in r] for r in frame.itertuples(index=False)], name


def test_the_simulated_faults_and_no_others_are_found(county):
    """The simulator names what it planted; membership not yet on file is the one thing it does not plant."""
    simulated, done = county
    faults = planted_faults(simulated)
    report = done.result.report
    assert balanced(report.files)
    planted = {(f.file, f.row + 1) for f in faults[faults.kind == "duplicate"].itertuples()}
    assert {(d.file, d.row_number) for d in report.duplicates.itertuples()} == planted
    bad = {(f.file, f.row + 1, f.column) for f in faults[faults.kind == "bad_amount"].itertuples()}
    other = report.quarantine[report.quarantine.code != "ING011"]
    assert len(report.quarantine) - len(other) == len(bad)
    assert set(other.code) <= {"CON006"}
    read = {p.name: sum(1 for line in p.read_bytes().splitlines() if line.strip()) - 1 for p in done.inbox.glob("*.csv")}
    counted = report.files.set_index("file").n_input
    assert {name: counted[name] for name in read} == read


# ------------------------------------------------------------------------------------------ no order decides anything


def shuffled(path: Path, rng: np.random.Generator, *, encoding: str) -> bytes:
    if path.suffix == ".csv":
        raw = path.read_bytes()
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("gb18030")
        header, *rows = list(csv.reader(io.StringIO(text)))
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows([header, *(rows[i] for i in rng.permutation(len(rows)))])
        return stream.getvalue().encode(encoding)
    from python_calamine import CalamineWorkbook

    header, *rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    return xlsx(header, [[None if c == "" else c for c in rows[i]] for i in rng.permutation(len(rows))])


def test_shuffled_rows_other_encodings_and_other_file_names_give_the_same_bytes(county, tmp_path):
    _, done = county
    rng = np.random.default_rng(20261107)
    files: dict[str, str | bytes] = {}
    for i, path in enumerate(sorted(done.inbox.iterdir())):
        encoding = ("gb18030", "utf-8", "utf-8-sig")[i % 3]
        files[f"{9 - i % 7}/{'重报_' if i % 2 else ''}{path.name}"] = shuffled(path, rng, encoding=encoding)
    again = ingest_inbox(write(tmp_path / "inbox", files), tmp_path / "store", key=KEY)
    assert again.manifest.fingerprint == done.result.manifest.fingerprint
    assert store_bytes(tmp_path / "store") == store_bytes(done.store)
    counts = ["n_input", "n_accepted", "n_duplicate", "n_quarantined", "n_blank", "n_files"]
    assert again.report.frame()[counts].values.tolist() == done.result.report.frame()[counts].values.tolist()
    reasons = ["table_name", "code", "field", "text_zh", "text_en"]
    assert sorted(again.report.quarantine[reasons].values.tolist()) == sorted(
        done.result.report.quarantine[reasons].values.tolist()
    )


def test_three_encodings_are_read_alike(tmp_path):
    text = WIDE + "H-0001,2024-01,1000,200,,2024-02-10\n"
    tables = []
    for encoding in ("utf-8", "utf-8-sig", "gb18030"):
        (tmp_path / "收入台账.csv").write_bytes(text.encode(encoding))
        (sheet,) = read_file(tmp_path / "收入台账.csv", expected=expected_of(load_contracts()["income"]))
        tables.append(sheet.table)
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    assert tables[0].column_names[0] == "户编号"


def test_csv_and_workbooks_of_two_programs_are_read_alike(tmp_path):
    import openpyxl

    header, row = ["户编号", "月份", "养老金", "登记日期"], ["H-0001", "2024-01", 300.5, "2024-02-10"]
    (tmp_path / "收入台账a.xlsx").write_bytes(xlsx(header, [row]))
    book = openpyxl.Workbook()
    for line in (header, row):
        book.active.append(line)
    book.save(tmp_path / "收入台账b.xlsx")
    (tmp_path / "收入台账c.csv").write_text(",".join(header) + "\r\n" + ",".join(map(str, row)) + "\r\n", encoding="utf-8")
    tables = [
        read_file(tmp_path / f"收入台账{n}", expected=expected_of(load_contracts()["income"]))[0].table
        for n in ("a.xlsx", "b.xlsx", "c.csv")
    ]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_both_of_two_contradicting_rows_go_whichever_comes_first(engine, tmp_path, order):
    rows = ["H-0001,2024-01,100,,,2024-02-10", "H-0001,2024-01,101,,,2024-02-10", "H-0002,2024-01,5,,,2024-02-10"]
    done = one(engine, tmp_path, "income", {"收入台账.csv": WIDE + "\n".join(rows[i] for i in order) + "\n"})
    assert [q[1] for q in done.quarantine] == ["ING016", "ING016"]
    assert done.accepted.gross_cny.tolist() == [Decimal(5)]


def test_a_row_that_repeats_a_contradicting_one_is_no_witness(engine, tmp_path):
    rows = ["H-0001,2024-01,100,,,2024-02-10", "H-0001,2024-01,100,,,2024-02-10", "H-0001,2024-01,101,,,2024-02-10"]
    done = one(engine, tmp_path, "income", {"收入台账.csv": WIDE + "\n".join(rows) + "\n"})
    assert done.quarantine[0][:2] == (2, "ING016")
    assert done.quarantine[1][:2] == (4, "ING016")
    assert done.duplicates == [(3, 2)]
    assert len(done.accepted) == 0


def test_the_same_key_recorded_on_another_day_is_a_correction_not_a_contradiction(engine, tmp_path):
    rows = ["H-0001,2024-01,100,,,2024-02-10", "H-0001,2024-01,101,,,2024-02-11"]
    done = one(engine, tmp_path, "income", {"收入台账.csv": WIDE + "\n".join(rows) + "\n"})
    assert done.quarantine == []
    assert sorted(done.accepted.gross_cny) == [Decimal(100), Decimal(101)]


def test_what_two_wide_rows_say_alike_is_kept_once(engine, tmp_path):
    rows = ["H-0001,2024-01,100,,,2024-02-10", "H-0001,2024-01,100,,50,2024-02-10"]
    for order in (rows, rows[::-1]):
        done = one(engine, tmp_path, "income", {"收入台账.csv": WIDE + "\n".join(order) + "\n"})
        assert done.quarantine == []
        assert sorted(done.accepted[["item", "gross_cny"]].itertuples(index=False, name=None)) == [
            ("crops", Decimal(100)),
            ("pension", Decimal(50)),
        ]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])
def test_what_an_accepted_row_says_is_stored_although_a_quarantined_one_said_it_too(engine, tmp_path, order):
    rows = ["H-0001,2024-01,100,,50,2024-02-10", "H-0001,2024-01,100,,,2024-02-10", "H-0001,2024-01,,,60,2024-02-10"]
    done = one(engine, tmp_path, "income", {"收入台账.csv": WIDE + "\n".join(rows[i] for i in order) + "\n"})
    assert [q[1] for q in done.quarantine] == ["ING016", "ING016"]
    assert done.files.n_accepted.tolist() == [1]
    assert done.accepted[["item", "gross_cny"]].values.tolist() == [["crops", Decimal(100)]]


def number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


cells = st.sampled_from(["", "0", "12", "350.5", "1000.25", "99999.99", "约3000", "-1", "见附表"])
ledgers = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9), cells, cells, cells, st.booleans()), min_size=1, max_size=12)


@settings(max_examples=3, deadline=None)
@given(ledger=ledgers)
def test_the_store_holds_exactly_the_money_of_accepted_rows(engine, tmp_path_factory, ledger):
    """Oracle in plain Python: a row counts when all its cells are readable and in range; repeated rows count once."""
    rows = {}
    for household_number, month, gross, cost, pension, repeat in ledger:
        rows[household_number, month] = (gross, cost, pension, repeat)
    lines, expected, n_bad, n_repeated = [], Decimal(0), 0, 0
    for (h, month), (gross, cost, pension, repeat) in rows.items():
        lines += [f"H-{h:04d},2024-{month:02d},{gross},{cost},{pension},2024-11-10"] * (1 + repeat)
        amounts = [number(c) for c in (gross, cost, pension)]
        if any(c and (a is None or a < 0) for c, a in zip((gross, cost, pension), amounts, strict=True)):
            n_bad += 1 + repeat
            continue
        n_repeated += repeat
        expected += (amounts[0] or 0) - (amounts[1] or 0) + (amounts[2] or 0)
    folder = tmp_path_factory.mktemp("ledger")
    done = one(engine, folder, "income", {"收入台账.csv": WIDE + "\n".join(lines) + "\n"})
    write_store(folder / "store", {"income": done.table}, contracts=load_contracts())
    stored = pq.read_table(folder / "store" / read_manifest(folder / "store").tables["income"].file).to_pylist()
    assert sum((r["gross_cny"] - r["cost_cny"] for r in stored), Decimal(0)) == expected
    counts = done.files.iloc[0]
    assert (counts.n_input, counts.n_quarantined, counts.n_duplicate) == (len(lines), n_bad, n_repeated)


# --------------------------------------------------------------------------------------------- files of several kinds


def test_a_long_and_a_wide_file_of_one_table_are_both_kept(engine, tmp_path):
    long = "户编号,收入来源,收入项目,所属期起,收入金额,成本金额,登记日期\nH-0009,工资性收入,外出务工,2024-01,500,0,2024-02-10\n"
    done = one(engine, tmp_path, "income", {"收入台账_宽.csv": WIDE + "H-0001,2024-01,,,3,2024-02-10\n", "收入台账_长.csv": long})
    assert sorted(done.accepted[["item", "gross_cny"]].itertuples(index=False, name=None)) == [
        ("migrant_work", Decimal(500)),
        ("pension", Decimal(3)),
    ]
    assert done.files.n_accepted.tolist() == [1, 1]


def test_errors_of_a_long_row_are_still_found_beside_a_wide_file(engine, tmp_path):
    long = "户编号,收入来源,收入项目,所属期起,收入金额,成本金额,登记日期\nH-0009,,外出务工,2024-01,500,0,2024-02-10\nH-0009,工资性收入,外出务工,2024-01,500,-1,2024-02-10\n"
    done = one(engine, tmp_path, "income", {"收入台账_长.csv": long, "收入台账_宽.csv": WIDE + "H-0001,2024-01,,,3,2024-02-10\n"})
    assert done.quarantine == [(2, "CON001", "source"), (3, "CON003", "cost_cny")]


def test_an_amount_beside_wide_columns_is_not_lost_silently(engine, tmp_path):
    text = "户编号,收入来源,收入项目,所属期起,收入金额,成本金额,养老金,登记日期\nH-0009,工资性收入,外出务工,2024-01,500,0,77,2024-02-10\n"
    try:
        done = one(engine, tmp_path, "income", {"收入台账.csv": text})
    except IngestError:
        return  # refusing the file is an answer; accepting the row without its 500 is none
    kept = sorted(done.accepted.gross_cny)
    assert kept == [Decimal(77), Decimal(500)] or (done.quarantine and kept == [])


def test_a_file_without_recording_days_gets_the_declared_delay_and_is_flagged(engine, tmp_path):
    done = one(
        engine, tmp_path, "income", {"收入台账.csv": "户编号,月份,养老金\nH-0001,2024-01,300\nH-0001,2024-02,300\n"}, delay=20
    )
    found = sorted((r.period_end.date(), r.recorded_on.date(), r.recorded_declared) for r in done.accepted.itertuples())
    assert found == [(dt.date(2024, 1, 31), dt.date(2024, 2, 20), True), (dt.date(2024, 2, 29), dt.date(2024, 3, 20), True)]


def test_files_with_and_without_recording_days_stand_side_by_side(engine, tmp_path):
    files: dict[str, str | bytes] = {
        "收入台账a.csv": WIDE + "H-0001,2024-01,,,3,2024-02-10\n",
        "收入台账b.csv": "户编号,月份,养老金\nH-0009,2024-01,77\n",
    }
    for order in (files, dict(reversed(files.items()))):
        done = one(engine, tmp_path, "income", order)
        assert done.quarantine == []
        found = sorted((r.gross_cny, r.recorded_on.date(), bool(r.recorded_declared)) for r in done.accepted.itertuples())
        assert found == [(Decimal(3), dt.date(2024, 2, 10), False), (Decimal(77), dt.date(2024, 3, 16), True)]


def test_a_day_that_is_given_outweighs_the_same_day_declared_whatever_the_order(engine, tmp_path):
    declared, given = "户编号,月份,养老金\nH-0001,2024-01,77\n", "户编号,月份,养老金,登记日期\nH-0001,2024-01,77,2024-02-20\n"
    for first, second in ((declared, given), (given, declared)):
        done = one(engine, tmp_path, "income", {"收入台账a.csv": first, "收入台账b.csv": second}, delay=20)
        assert done.quarantine == []
        assert done.accepted.gross_cny.tolist() == [Decimal(77)]
        assert done.accepted.recorded_declared.tolist() == [False]


def test_files_with_and_without_period_ends_stand_side_by_side(engine, tmp_path):
    files: dict[str, str | bytes] = {
        "收入台账a.csv": WIDE + "H-0001,2024-02,,,3,2024-03-10\n",
        "收入台账b.csv": "户编号,月份,所属期止,养老金,登记日期\nH-0009,2024-01,2024-03-31,77,2024-04-10\n",
    }
    done = one(engine, tmp_path, "income", files)
    assert done.quarantine == []
    assert sorted(r.period_end.date() for r in done.accepted.itertuples()) == [dt.date(2024, 2, 29), dt.date(2024, 3, 31)]


def test_a_claim_without_recording_day_is_known_a_delay_after_the_treatment(engine, tmp_path):
    header = "结算单号,身份证号码,就诊日期,就诊类别,医疗总费用,政策范围内费用,基本医保支付,大病保险支付,医疗救助支付,个人自付\n"
    done = one(
        engine, tmp_path, "medical", {"医疗费用结算.csv": header + f"C-0001,{P1},2024-01-05,住院,100,80,10,0,0,90\n"}, delay=45
    )
    assert done.quarantine == []
    assert [r.recorded_on.date() for r in done.accepted.itertuples()] == [dt.date(2024, 2, 19)]


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("member", f"身份证号码,性别,出生日期,健康状况\n{P1},男,1980-01-01,患有大病\n"),
        ("household", "户编号,村代码,农户类型,建档日期\nH-0001,999901001001,脱贫户,2014-01-01\n"),
    ],
    ids=["member", "household"],
)
def test_a_state_without_recording_day_is_refused_for_nobody_knows_since_when(engine, tmp_path, table, text):
    """A day of birth or of registration says nothing about when today's health was known."""
    with pytest.raises(IngestError, match="登记日期"):
        one(engine, tmp_path, table, {"x.csv": text})


def test_a_monthly_entitlement_without_recording_day_is_not_known_before_its_month_and_the_delay_are_over(engine, tmp_path):
    done = one(
        engine,
        tmp_path,
        "subsidy",
        {"补贴发放.csv": "户编号,补贴项目,月份,发放状态,发放金额\nH-0001,低保金,2024-01,发放,100\n"},
        delay=30,
    )
    assert [r.recorded_on.date() for r in done.accepted.itertuples()] == [dt.date(2024, 3, 1)]


@pytest.mark.parametrize("form", ["csv", "csv without a last newline", "xlsx"])
def test_a_delivered_empty_file_is_no_error(engine, tmp_path, form):
    header = WIDE.strip()
    content = {"csv": WIDE, "csv without a last newline": header, "xlsx": xlsx(header.split(","), [])}[form]
    done = one(engine, tmp_path, "income", {f"收入台账.{form[:4].strip()}": content})
    assert done.files.n_input.tolist() == [0]
    assert len(done.accepted) == 0
    assert done.quarantine == []


def test_a_file_whose_every_row_is_malformed_is_quarantined_not_fatal(engine, tmp_path):
    done = one(engine, tmp_path, "income", {"收入台账.csv": WIDE + "H-0001,2024-01\nH-0002,2024-01,1\n"})
    assert done.quarantine == [(2, "ING018", ""), (3, "ING018", "")]


def test_row_numbers_hold_in_a_file_of_many_blocks_with_line_breaks_inside_cells(tmp_path):
    rows = [f"H-{i:06d},2024-01,{i % 1000},1,,2024-02-10" for i in range(40000)]
    rows[100] = "H-000001,2024-01"
    rows[20000] = '"H-x\n1",2024-01'
    rows[25000] = 'H-025000,2024-01,1,2,"3\n",2024-02-10'
    rows[30000] = ""
    rows[35000] = "H-035000,2024-01,1,2,3,2024-02-10,extra"
    rows[39990] = "H-999999,2024-01,bad,1,,2024-02-10"
    path = tmp_path / "收入台账.csv"
    path.write_text(WIDE + "\n".join(rows) + "\n", encoding="utf-8")
    assert path.stat().st_size > 1_300_000  # more than one block of the reader
    (sheet,) = read_file(path, expected=expected_of(load_contracts()["income"]))
    assert sheet.malformed_rows == (102, 20002, 35002)
    assert sheet.set_aside["ING022"] == 1
    found = dict(zip(sheet.table["户编号"].to_pylist(), sheet.table["row_number"].to_pylist(), strict=True))
    assert len(found) == 40000 - 3 - 1
    assert (found["H-000000"], found["H-025000"], found["H-029999"], found["H-030001"]) == (2, 25002, 30001, 30003)
    assert (found["H-999999"], found["H-039999"]) == (39992, 40001)


# ------------------------------------------------------------------------------------------------------ cells and types

HOUSEHOLD = "户编号,村代码,农户类型,房间数,承包地面积,建档日期,登记日期\n"


def fate(engine: Any, folder: Path, column: int, values: list[str]) -> dict[str, Any]:
    """What became of one cell text each: the stored value, or the codes of its quarantine."""
    lines = []
    for i, value in enumerate(values):
        row = [f"H-{i:04d}", "999901001001", "脱贫户", "3", "1.5", "2014-01-01", "2020-01-01"]
        row[column] = f'"{value}"'
        lines.append(",".join(row))
    name = ["household_id", "village_code", "registered_type", "rooms", "land_mu", "registered_on", "recorded_on"][column]
    done = one(engine, folder, "household", {"农户基本信息.csv": HOUSEHOLD + "\n".join(lines) + "\n"})
    of = {household(f"H-{i:04d}"): v for i, v in enumerate(values)}
    found: dict[str, Any] = {values[row - 2]: code for row, code, _ in done.quarantine}
    for r in done.table.to_pyarrow().to_pylist():
        found[of[r["household_id"]]] = r[name]
    return found


def test_a_whole_number_is_read_only_from_a_whole_number(engine, tmp_path):
    found = fate(engine, tmp_path, 3, ["3", " 4 ", "007", "5.0", "3.7", "1_0", "0x10", "1e1", "三", "３", "3间", "-1"])
    refused = dict.fromkeys(["3.7", "1_0", "0x10", "三", "3间"], "ING011")
    assert {k: v for k, v in found.items() if k not in ("1e1", "３")} == {
        "3": 3,
        " 4 ": 4,
        "007": 7,
        "5.0": 5,
        "-1": "CON003",
    } | refused
    assert found["1e1"] in (10, "ING011")
    assert found["３"] in (3, "ING011")


def test_a_code_that_a_spreadsheet_rounded_is_not_another_place(engine, tmp_path):
    """Excel shows 999901001001 as 9.99901E+11 and saves what it shows."""
    found = fate(engine, tmp_path, 1, ["9.99901E+11", "999901001001.4", "999901001001.0", "999901001001"])
    assert found["9.99901E+11"] == "ING011"
    assert found["999901001001.4"] == "ING011"
    assert found["999901001001"] == found["999901001001.0"] == 999901001001


def test_money_is_read_only_from_plain_numbers(engine, tmp_path):
    found = fate(
        engine, tmp_path, 4, ["3", "3.5", "3.50", ".5", "nan", "inf", "1_000", "1,000.5", "100元", "0.1万", "约3", "-1", "99999"]
    )
    assert found.pop(".5") in (Decimal("0.5"), "ING011")
    good = {"3": Decimal(3), "3.5": Decimal("3.5"), "3.50": Decimal("3.5")}
    good["1,000.5"] = Decimal("1000.5")
    bad = dict.fromkeys(["nan", "inf", "1_000", "100元", "0.1万", "约3"], "ING011")  # an area has no yuan
    assert found == good | bad | {"-1": "CON003", "99999": "CON003"}


def test_days_are_read_from_the_forms_offices_write_and_from_nothing_that_only_looks_like_one(engine, tmp_path):
    good = {"2014-01-05": dt.date(2014, 1, 5), "2014-1-5": dt.date(2014, 1, 5), "2014/01/05": dt.date(2014, 1, 5), "2014-03": dt.date(2014, 3, 1),
            "2014/3": dt.date(2014, 3, 1)}  # fmt: skip
    bad = ["2014-02-30", "2014-13-01", "infinity", "-infinity", "epoch", "today", "2014-01-05 (BC)", "2014-01-05 abc", "-2014-01-01",
           "20205-01-01", "不详"]  # fmt: skip
    told = {"14-1-5": "ING013", "44444": "ING047"}
    found = fate(engine, tmp_path, 5, [*good, *bad, *told, "2014-01-05 00:00:00"])
    assert found.pop("2014-01-05 00:00:00") in (dt.date(2014, 1, 5), "ING011")
    assert found == good | dict.fromkeys(bad, "ING011") | told


def test_a_time_in_a_column_of_money_is_one_quarantined_row(engine, tmp_path):
    cells: list[Any] = [(0.5, "hh:mm"), (1.5, "[h]:mm:ss"), 5]
    rows = [[f"H-{i:04d}", "2024-01", cell, "2024-02-10"] for i, cell in enumerate(cells)]
    done = one(engine, tmp_path, "income", {"收入台账.xlsx": xlsx(["户编号", "月份", "养老金", "登记日期"], rows)})
    assert done.quarantine == [(2, "ING011", "养老金"), (3, "ING011", "养老金")]
    assert done.accepted.gross_cny.tolist() == [Decimal(5)]


def test_a_computed_amount_is_rounded_to_its_cents(engine, tmp_path):
    """A spreadsheet keeps 17 digits of a binary number; nobody typed them."""
    noisy = {
        "0.125": "0.30000000000000004",
        "0.25": "1234.5600000000001",
        "0.375": "333.3333333333333",
        "0.5": "1199.9999999999998",
        "0.75": "5.684341886080802E-14",
    }
    rows = [[f"H-{i:04d}", "2024-01", float(v), "2024-02-10"] for i, v in enumerate(noisy)]
    content = xlsx(["户编号", "月份", "养老金", "登记日期"], rows)
    for short, long in noisy.items():
        content = rewritten(content, f"<v>{short}</v>".encode(), f"<v>{long}</v>".encode())
    done = one(engine, tmp_path, "income", {"收入台账.xlsx": content})
    assert done.quarantine == []
    assert sorted(done.accepted.gross_cny) == [Decimal(0), Decimal("0.30"), Decimal("333.33"), Decimal(1200), Decimal("1234.56")]


def test_a_third_decimal_of_land_does_not_cost_a_household_its_place(engine, tmp_path):
    assert fate(engine, tmp_path, 4, ["3.705"])["3.705"] in (Decimal("3.70"), Decimal("3.71"))


def test_a_formula_that_failed_is_not_an_empty_cell(engine, tmp_path):
    rows = [[f"H-{i:04d}", "2024-01", None, 7, "2024-02-10"] for i in range(3)]

    def failed(_, sheet):
        sheet.write_formula(1, 2, "=1/0", None, "#DIV/0!")
        sheet.write_formula(2, 2, "=NA()", None, "#N/A")

    content = xlsx(["户编号", "月份", "养老金", "种植业收入", "登记日期"], rows, more=failed)
    done = one(engine, tmp_path, "income", {"收入台账.xlsx": content})
    assert done.quarantine == [(2, "ING011", "养老金"), (3, "ING011", "养老金")]
    assert done.accepted.gross_cny.tolist() == [Decimal(7)]


def test_cell_types_of_a_workbook(engine, tmp_path):
    header = ["户编号", "月份", "种植业收入", "养老金", "登记日期"]
    rows = [
        ["H-0001", dt.date(2024, 1, 1), 1000.0, 0.1 + 0.2, dt.date(2024, 2, 10)],
        ["H-0002", "2024-01", 1, None, 45332],  # a day that lost its format is a number
    ]
    done = one(engine, tmp_path, "income", {"收入台账.xlsx": xlsx(header, rows)})
    assert done.quarantine == []
    assert sorted(done.accepted.gross_cny) == [Decimal("0.30"), Decimal(1), Decimal(1000)]
    assert {r.recorded_on.date() for r in done.accepted.itertuples()} == {dt.date(2024, 2, 10)}
    assert {r.period_start.date() for r in done.accepted.itertuples()} == {dt.date(2024, 1, 1)}


# ------------------------------------------------------------------------------------------------------- files refused


def refused(folder: Path, files: dict[str, str | bytes], *, fresh: bool = True) -> str:
    store = folder / "store"
    before = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    with pytest.raises(IngestError) as caught:
        ingest_inbox(write(folder / "inbox", files), store, key=KEY)
    assert {p: p.read_bytes() for p in store.rglob("*") if p.is_file()} == before
    assert not (fresh and before)
    assert str(folder) not in str(caught.value)
    return str(caught.value)


def test_a_missing_required_column_is_named_with_what_it_may_be(tmp_path):
    files = clean_files() | {"农户基本信息.csv": "户主编号,村代码,登记日期\nH-0001,999901001001,2020-01-01\n"}
    message = refused(tmp_path, files)
    assert "农户基本信息.csv" in message
    assert "户编号 (household_id), is it '户主编号'?" in message
    assert "农户类型 (registered_type)" in message


def test_two_columns_that_claim_one_field_are_refused(tmp_path):
    files = clean_files() | {
        "农户基本信息.csv": "户编号,户编码,村代码,农户类型,登记日期\nH-0001,H-0001,999901001001,脱贫户,2020-01-01\n"
    }
    message = refused(tmp_path, files)
    assert "several columns claim household_id" in message
    assert "农户基本信息.csv" in message


@pytest.mark.parametrize("header", ["户编号,村代码,村代码,农户类型,登记日期", "户编号,村代码,村代码 ,农户类型,登记日期"])
def test_a_header_twice_is_refused(tmp_path, header):
    message = refused(
        tmp_path, clean_files() | {"农户基本信息.csv": header + "\nH-0001,999901001001,999901001001,脱贫户,2020-01-01\n"}
    )
    assert "农户基本信息.csv" in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("未知表.csv", "a,b\n1,2\n", "fits no table"),
        ("收入台账.doc", "x", "'.doc'"),
        ("收入台账.csv", "", "is empty"),
        ("收入台账.csv", " \n\n", "is empty"),
        ("收入台账.csv", "户编号,月份\n".encode("utf-16-le"), "neither UTF-8 nor GB18030"),
        ("收入台账.xlsx", b"", "cannot be read as xlsx"),
        ("收入台账.xlsx", b"PK\x03\x04 not a workbook", "cannot be read as xlsx"),
        ("收入台账.xlsx", xlsx(["户编号", "月份"], [["H-0001", "2024-01"]])[:3000], "cannot be read as xlsx"),
        ("收入台账.xlsx", xlsx([], []), "no visible sheet"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path, name, content, words):
    message = refused(tmp_path, clean_files() | {name: content})
    assert name in message
    assert words in message


def test_a_name_that_fits_two_tables_is_refused():
    with pytest.raises(IngestError, match=r"several tables \(monitoring, support\)"):
        recognise_table("监测对象和帮扶措施.csv", load_contracts())


def test_a_column_that_is_empty_from_top_to_bottom_does_no_harm(engine, tmp_path):
    """A spreadsheet writes one comma more for every column that was ever formatted."""
    done = one(engine, tmp_path, "income", {"收入台账.csv": WIDE.strip() + ",,\nH-0001,2024-01,1,,,2024-02-10,,\n"})
    assert done.quarantine == []
    assert done.files.n_accepted.tolist() == [1]


def test_the_problems_of_all_files_are_listed_at_once(tmp_path):
    files = clean_files() | {"未知表.csv": "a\n1\n", "监测线.csv": "", "农户基本信息.csv": "户编号\nH-0001\n"}
    message = refused(tmp_path, files)
    assert all(name in message for name in ("未知表.csv", "监测线.csv", "农户基本信息.csv"))


def test_a_table_nothing_can_do_without_is_asked_for(tmp_path):
    files = clean_files()
    del files["监测线.csv"]
    assert "监测线 (line)" in refused(tmp_path, files)


def test_an_empty_inbox_is_refused_and_open_office_files_do_not_count(tmp_path):
    assert "inbox is empty" in refused(tmp_path, {"~$收入台账.xlsx": "x", ".DS_Store": "x"})


def test_without_a_key_nothing_is_ingested(tmp_path):
    inbox = write(tmp_path / "inbox", clean_files())
    with pytest.raises(PseudonymKeyError, match="key"):
        ingest_inbox(inbox, tmp_path / "store", key=None)
    assert not (tmp_path / "store" / "manifest.json").exists()


def test_a_delay_of_a_table_that_does_not_exist_is_refused(tmp_path):
    inbox = write(tmp_path / "inbox", clean_files())
    with pytest.raises(UnknownNameError, match="did you mean 'income'"):
        ingest_inbox(inbox, tmp_path / "store", key=KEY, delays={"incom": 3})


# --------------------------------------------------------------------------------------------------- the inbox over time


def check_accounting(store: Path) -> None:
    """The accounting beside the store speaks of the store in force."""
    manifest = read_manifest(store)
    verify_files(store, manifest)
    text = (store / manifest.accounting / "files.csv").read_text(encoding="utf-8-sig")
    written = [(r["file"], r["sha256"], r["n_input"]) for r in csv.DictReader(io.StringIO(text))]
    assert written == [(s["file"], s["sha256"], str(s["n_input"])) for s in manifest.sources]


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    inbox = write(folder / "inbox", clean_files())
    return Done(inbox, folder / "store", ingest_inbox(inbox, folder / "store", key=KEY))


@pytest.fixture
def project(clean, tmp_path):
    shutil.copytree(clean.inbox, tmp_path / "inbox")
    shutil.copytree(clean.store, tmp_path / "store")
    return Done(tmp_path / "inbox", tmp_path / "store", clean.result)


def test_the_same_inbox_again_changes_nothing_and_tells_the_same(dirty):
    before = {p: p.read_bytes() for p in dirty.store.rglob("*") if p.is_file()}
    again = ingest_inbox(dirty.inbox, dirty.store, key=KEY)
    assert again.manifest == dirty.result.manifest
    for name in ("files", "quarantine", "duplicates"):
        pd.testing.assert_frame_equal(getattr(again.report, name), getattr(dirty.result.report, name))
    assert {p: p.read_bytes() for p in dirty.store.rglob("*") if p.is_file()} == before


class StartedAnewError(Exception):
    """Files are being read: the store in force was not simply taken."""


def starts_anew(project: Done, **options: Any) -> bool:
    def stop(stage: str, done: int, total: int) -> None:
        raise StartedAnewError

    try:
        ingest_inbox(project.inbox, project.store, progress=stop, **{"key": KEY, **options})
    except StartedAnewError:
        return True
    return False


def test_the_store_is_taken_as_it_is_only_when_nothing_it_was_made_from_changed(project):
    assert not starts_anew(project)
    assert starts_anew(project, key=b"another key of enough bytes")
    assert starts_anew(project, delays={"income": 9})
    assert starts_anew(project, contracts={**load_contracts(), "village": replace(load_contracts()["village"], version="9.9.9")})
    with pytest.raises(PseudonymKeyError):
        ingest_inbox(project.inbox, project.store, key=None)
    for name in ("files.csv", "quarantine.csv", "duplicates.csv"):
        path = project.store / project.result.manifest.accounting / name
        good = path.read_bytes()
        path.write_bytes(b"")
        assert starts_anew(project), name
        path.unlink()
        assert starts_anew(project), name
        path.write_bytes(good)
    damaged = project.store / project.result.manifest.tables["income"].file
    good = damaged.read_bytes()
    damaged.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    assert starts_anew(project)
    damaged.write_bytes(good)
    assert not starts_anew(project)
    (project.inbox / "收入台账_2024-01.csv").rename(project.inbox / "收入台账_2024-1.csv")
    with pytest.raises(IngestError, match="no longer in the inbox"):
        starts_anew(project)


def test_a_declared_delay_is_the_contract_s_unless_the_project_says_otherwise(clean):
    """The clean inbox has one file without recording days: entitlements of January."""
    assert clean.result.manifest.tables["subsidy"].delay_days == load_contracts()["subsidy"].delay_days == 30
    view = open_store(clean.store).as_of
    assert view(dt.date(2024, 2, 29)).table("subsidy").count().execute() == 0
    assert view(dt.date(2024, 3, 1)).table("subsidy").recorded_declared.execute().tolist() == [True]


def test_a_changed_file_of_the_same_size_and_time_is_noticed(project):
    path = project.inbox / "收入台账_2024-01.csv"
    stat = path.stat()
    path.write_bytes(path.read_bytes().replace("户编号".encode(), "户编嗷".encode()))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(IngestError, match="户编号"):
        ingest_inbox(project.inbox, project.store, key=KEY)


def test_a_new_month_adds_rows_a_later_row_corrects_and_another_delay_is_kept_to(project):
    (project.inbox / "收入台账_2024-02.csv").write_text(
        WIDE + "H-0001,2024-02,,,300,2024-03-10\nH-0001,2024-01,900,200,,2024-03-10\n", encoding="utf-8"
    )
    damaged = project.store / project.result.manifest.tables["village"].file
    damaged.write_bytes(b"damaged")
    result = ingest_inbox(project.inbox, project.store, key=KEY, delays={"subsidy": 7})
    store = open_store(project.store)

    def seen(table: str, column: str, day: dt.date) -> list[Any]:
        return sorted(store.as_of(day).table(table).to_pyarrow()[column].to_pylist())

    assert seen("income", "gross_cny", dt.date(2024, 3, 9)) == [Decimal("300.5"), Decimal(1000)]
    assert seen("income", "gross_cny", dt.date(2024, 3, 10)) == [Decimal(300), Decimal("300.5"), Decimal(900)]
    assert result.manifest.tables["subsidy"].delay_days == 7
    assert seen("subsidy", "recorded_on", dt.date(2024, 2, 6)) == []
    assert seen("subsidy", "recorded_on", dt.date(2024, 2, 7)) == [dt.date(2024, 2, 7)]
    assert result.manifest.fingerprint != project.result.manifest.fingerprint
    assert result.manifest.tables["village"] == project.result.manifest.tables["village"]
    check_accounting(project.store)


def test_a_file_that_fed_the_store_and_has_gone_stops_the_run(project):
    (project.inbox / "收入台账_2024-01.csv").unlink()
    message = refused(project.inbox.parent, {}, fresh=False)
    assert "收入台账_2024-01.csv" in message
    assert "lost" in message
    verify_files(project.store, read_manifest(project.store))


def test_a_refused_file_leaves_the_store_in_force(project):
    message = refused(project.inbox.parent, {"收入台账_2024-02.csv": ""}, fresh=False)
    assert "the store is as it was" in message
    assert read_manifest(project.store).fingerprint == project.result.manifest.fingerprint


# ----------------------------------------------------------------------------------------------------------- privacy


def texts_of(store: Path) -> dict[str, str]:
    """Everything a store says outside its restricted folder: texts, bytes, and every value and every bit of metadata of a table."""
    said = {}
    for path in sorted(p for p in store.rglob("*") if p.is_file() and "restricted" not in p.relative_to(store).parts):
        said[path.name] = path.read_bytes().decode("utf-8", errors="replace")
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            table = file.read()
            said[path.name] += repr(file.metadata.metadata) + "\n".join(
                str(v) for c in table.columns for v in c.unique().to_pylist()
            )
    return said


def test_no_name_telephone_address_or_number_leaves_the_restricted_folder(dirty):
    said = texts_of(dirty.store)
    assert {"files.csv", "quarantine.csv", "duplicates.csv", "manifest.json"} <= set(said)
    for secret in (*SECRETS, "H-0004", KEY.decode(), "约3000", "20240001"):
        assert [f for f, text in said.items() if secret in text] == [], secret
    assert "甲村" in "".join(said.values())  # the search does find what is there
    assert "张模拟甲" in [r["head_name"] for r in dirty.rows("identity")]


def test_no_name_telephone_or_number_of_a_simulated_county_leaves_the_restricted_folder(county):
    simulated, done = county
    said = "\n".join(texts_of(done.store).values())
    identity, member = simulated.tables["identity"], simulated.tables["member"]
    secrets = {*identity.head_name, *identity.phone, *identity.address.dropna(), *identity.household_id, *member.person_id}
    secrets |= {*simulated.tables["medical"].claim_id}
    assert len(secrets) > 500
    assert [s for s in secrets if str(s) in said] == []


def test_quarantine_and_duplicates_hold_no_cell(dirty):
    report = dirty.result.report
    assert list(report.quarantine.columns) == ["table_name", "file", "sheet", "row_number", "code", "field", "text_zh", "text_en"]
    assert list(report.duplicates.columns) == ["table_name", "file", "sheet", "row_number", "of_file", "of_sheet", "of_row_number"]
    text = (
        report.quarantine.to_csv()
        + report.duplicates.to_csv()
        + report.files.to_csv()
        + json.dumps(list(dirty.result.manifest.sources), default=str)
    )
    assert [s for s in SECRETS if s in text] == []


NO_HEADER: dict[str, dict[str, str | bytes]] = {
    "csv": {"户主联系信息.csv": "H-0001,张模拟甲,13800000001,东镇甲村一组,2020-01-01\nH-0002,李模拟乙,13800000002,,2020-01-01\n"},
    "csv, one row": {"户主联系信息.csv": "H-0001,张模拟甲,13800000001,东镇甲村一组,2020-01-01\n"},
    "csv, a cell twice": {
        "户主联系信息.csv": "H-0001,张模拟甲,张模拟甲,13800000001,2020-01-01\nH-0002,李模拟乙,,13800000002,2020-01-01\n"
    },
    "xlsx": {"户主联系信息.xlsx": xlsx(["H-0001", "张模拟甲", "13800000001"], [["H-0002", "李模拟乙", "13800000002"]])},
    "xlsx, a gap": {
        "户主联系信息.xlsx": xlsx(["H-0001", "张模拟甲", "", "13800000001"], [["H-0002", "李模拟乙", "x", "13800000002"]])
    },
    "roster": {"家庭成员关系.csv": f"{P1},H-0001,户主,2014-01-01,2020-01-01\n{P2},H-0002,户主,2014-01-01,2020-01-01\n"},
}


@pytest.mark.parametrize("form", sorted(NO_HEADER))
def test_a_file_without_its_header_is_refused_without_repeating_what_it_says(tmp_path, form):
    """The first row of data stands where the header should: an error that lists the columns found would print a person."""
    with pytest.raises(ReturnRiskError) as caught:
        ingest_inbox(write(tmp_path / "inbox", clean_files() | NO_HEADER[form]), tmp_path / "store", key=KEY)
    assert next(iter(NO_HEADER[form])) in str(caught.value)
    assert [s for s in SECRETS if s in str(caught.value)] == []
