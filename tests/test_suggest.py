"""A proposed mapping: right table, right columns, evidence without a cell, and a draft that reads the file once a person confirmed it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import xlsxwriter

from returnrisk import cli
from returnrisk.contracts import load_contracts
from returnrisk.errors import ConfigError, ContractError, IngestError
from returnrisk.ingest.headers import map_headers, recognise_table
from returnrisk.ingest.mapping import read_mapping
from returnrisk.ingest.readers import read_file
from returnrisk.ingest.sheets import expected_of
from returnrisk.ingest.suggest import Suggestion, suggest_mapping
from returnrisk.ingest.suggest_draft import mapping_draft, write_draft
from returnrisk.ingest.table import ingest_table
from returnrisk.simulate.names import identity_numbers
from returnrisk.store.view import connect

KEY = b"sixteen bytes at least"
TREATMENTS = ("普通住院", "慢特病门诊", "统筹门诊")
FOREIGN = [
    "序号",
    "证件号",
    "报销总费用（万元）",
    "就诊时间",
    "经办人",
    "就诊类别",
    "个人自付额",
    "单据编号",
    "政策内费用",
    "大病标记",
]
RIGHT = {
    "证件号": "person_id",
    "报销总费用（万元）": "total_cny",
    "就诊时间": "treated_on",
    "就诊类别": "kind",
    "个人自付额": "out_of_pocket_cny",
    "单据编号": "claim_id",
    "政策内费用": "in_scope_cny",
}


def people(n: int) -> list[str]:
    rng = np.random.default_rng(5)
    return [str(x) for x in identity_numbers(rng.integers(-10_000, 12_000, n), rng.random(n) < 0.5, county=999901)]


def foreign_rows(n: int = 120) -> list[list[str]]:
    rng = np.random.default_rng(6)
    ids = people(n)
    return [
        [str(i + 1), ids[i], f"{rng.integers(1, 500) / 100:.2f}", f"2024年{rng.integers(1, 13)}月{rng.integers(1, 28)}日", "王模拟甲",
         TREATMENTS[i % 3], str(rng.integers(10, 900)), f"YB{i:08d}", str(rng.integers(10, 900)), "是" if i % 5 else "否"]
        for i in range(n)
    ]  # fmt: skip


def written(path: Path, header: list[str], rows: list[list[str]], *, order: list[int] | None = None, above: str = "") -> Path:
    order = order or list(range(len(header)))
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([[row[j] for j in order] for row in (header, *rows)])
    path.write_text(above + stream.getvalue(), encoding="utf-8")
    return path


def proposed(suggestion: Suggestion) -> dict[str, str]:
    return {c.header: c.name for c in suggestion.columns if c.name}


@pytest.fixture(scope="module")
def foreign(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    return written(folder / "2024年6月导出.csv", FOREIGN, foreign_rows(), above="某县医疗保障局结算数据,,,,,,,,,\n")


@pytest.fixture(scope="module")
def suggestion(foreign) -> Suggestion:
    (found,) = suggest_mapping(foreign)
    return found


def test_a_foreign_file_is_told_by_headers_and_cells_together(suggestion):
    assert suggestion.table == "medical"
    assert (suggestion.header_row, suggestion.header_rows) == (2, 1)  # a title stands above
    found = proposed(suggestion)
    assert {h: found.get(h) for h in RIGHT} == RIGHT


def test_a_column_that_belongs_nowhere_is_left_out_and_said_so(suggestion):
    by_header = {c.header: c for c in suggestion.columns}
    for header in ("序号", "经办人"):
        assert by_header[header].name is None
        assert by_header[header].confidence == 0
        assert "不入库" in by_header[header].evidence[0]
    assert [c.header for c in suggestion.columns] == FOREIGN


def test_units_forms_labels_and_missing_fields_are_told(suggestion):
    by_header = {c.header: c for c in suggestion.columns}
    assert by_header["报销总费用（万元）"].unit == "万元"
    assert any("2024年6月1日" in e for e in by_header["就诊时间"].evidence)
    assert set(by_header["就诊类别"].values) == set(TREATMENTS)
    assert by_header["就诊类别"].values["普通住院"] == "inpatient"
    assert "basic_paid_cny" in suggestion.missing


def test_confidence_grows_with_likeness_and_proof(suggestion):
    by_header = {c.header: c.confidence for c in suggestion.columns}
    assert by_header["证件号"] > 0.95  # every check digit is right
    assert 0.35 <= by_header["报销总费用（万元）"] < by_header["个人自付额"] <= 1


def test_the_order_of_columns_does_not_matter(foreign, suggestion, tmp_path):
    order = [int(i) for i in np.random.default_rng(3).permutation(len(FOREIGN))]
    (shuffled,) = suggest_mapping(written(tmp_path / foreign.name, FOREIGN, foreign_rows(), order=order))
    assert proposed(shuffled) == proposed(suggestion)
    assert {c.header: round(c.confidence, 9) for c in shuffled.columns} == {
        c.header: round(c.confidence, 9) for c in suggestion.columns
    }


def test_no_cell_of_anybody_is_in_table_draft_or_evidence(foreign, suggestion):
    said = mapping_draft([suggestion], name="x") + str(suggestion) + suggestion.frame().to_csv()
    for row in foreign_rows():
        for j, cell in enumerate(row):
            if FOREIGN[j] in ("证件号", "经办人", "单据编号", "就诊时间"):
                assert cell not in said


def test_rare_or_long_labels_are_not_repeated(tmp_path):
    rows = foreign_rows(60)
    rows[0][5] = "住院张模拟甲"  # one row's own words in a column of codes
    (found,) = suggest_mapping(written(tmp_path / "导出.csv", FOREIGN, rows))
    kind = next(c for c in found.columns if c.header == "就诊类别")
    assert "住院张模拟甲" not in str(found)
    assert any("1种写法须人工对应" in e for e in kind.evidence)


@pytest.mark.parametrize(
    "name", ["member", "household", "medical", "subsidy", "support", "monitoring", "identity", "household_roster", "village"]
)
def test_every_table_of_the_simulated_county_is_recognised_without_its_name(small_inbox, tmp_path, name):
    contracts = load_contracts()
    path = next(p for p in sorted(small_inbox.rglob("*.*")) if recognise_table(p.name, contracts).name == name)
    copy = tmp_path / f"a{path.suffix}"
    copy.write_bytes(path.read_bytes())
    (found,) = suggest_mapping(copy)
    assert found.table == name
    own = contracts[name].headers()
    assert proposed(found) == {c.header: own[c.header] for c in found.columns if c.header in own}
    assert not found.missing


def test_a_wide_ledger_is_told_by_its_items(small_inbox, tmp_path):
    path = next(p for p in sorted(small_inbox.rglob("*收入台账*.csv")))
    copy = tmp_path / "x.csv"
    copy.write_bytes(path.read_bytes())
    (found,) = suggest_mapping(copy)
    assert found.table == "income"
    assert {"种植业收入", "养老金"} <= set(proposed(found).values())


# ------------------------------------------------------------------------------------------------------------- the draft


def test_a_draft_is_refused_until_a_person_confirms_it_and_then_reads_the_file(foreign, suggestion):
    contracts = load_contracts()
    draft = mapping_draft([suggestion], name="county_yibao")
    with pytest.raises(ContractError, match="is a draft"):
        read_mapping(draft, where="x/mapping.yaml", contracts=contracts)
    confirmed = draft.replace("confirmed: false", "confirmed: true")
    zeros = "".join(f"      {f}: '0'\n" for f in suggestion.missing)  # what the person adds by hand
    (mapping,) = read_mapping(confirmed + "    constants:\n" + zeros, where="x/mapping.yaml", contracts=contracts)
    assert mapping.table == "medical"
    contract = contracts["medical"]
    (sheet,) = read_file(foreign, expected=expected_of(contract, mapping))
    result = ingest_table(
        connect(), contract, sheets=[(sheet, map_headers(sheet, contract, mapping))], parents={}, key=KEY, delay_days=30
    )
    assert {r["code"] for r in result.quarantined} <= {"CON007"}  # made-up amounts do not add up; everything was read
    rows = foreign_rows()
    read = sheet.table.to_pylist()
    assert [r["证件号"] for r in read] == [row[1] for row in rows]


def test_a_draft_never_overwrites(tmp_path):
    target = tmp_path / "s" / "mapping.yaml"
    write_draft("a", target)
    with pytest.raises(ConfigError, match="never overwritten"):
        write_draft("b", target)
    assert target.read_text(encoding="utf-8") == "a"


def test_the_pattern_of_a_draft_leaves_months_open(suggestion):
    assert 'pattern: "*导出*.csv"' in mapping_draft([suggestion], name="x")


def test_the_command_prints_a_table_and_writes_the_draft(foreign, tmp_path, capsys):
    out = tmp_path / "sources" / "yibao" / "mapping.yaml"
    assert cli.ingest(suggest=foreign, out=out) == 0
    shown = capsys.readouterr().out
    assert "person_id" in shown
    assert 'name: "yibao"' in out.read_text(encoding="utf-8")
    assert cli.ingest(suggest=foreign, json_=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sheets"][0]["table"] == "medical"
    assert {c["header"]: c["field"] for c in told["sheets"][0]["columns"]}["证件号"] == "person_id"


# -------------------------------------------------------------------------------------------------------------- bad input


def test_cells_of_a_file_without_a_header_are_not_shown_as_one(tmp_path):
    written(tmp_path / "无表头.csv", *(foreign_rows()[:1]), foreign_rows()[1:])
    try:
        found = suggest_mapping(tmp_path / "无表头.csv")
    except IngestError as error:
        said = str(error)
    else:
        said = str(found) + mapping_draft(found, name="x")
    assert not any(row[1] in said or row[7] in said for row in foreign_rows())


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", b""), ("a.xlsx", b"no workbook"), ("a.doc", b"x"), ("a.csv", b"only,a,header\n")]
)
def test_a_file_nothing_can_be_said_of_stops(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(IngestError):
        suggest_mapping(tmp_path / name)


def test_a_workbook_with_a_hidden_sheet_a_title_and_numbers_as_numbers(tmp_path):
    path = tmp_path / "表.xlsx"
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet("明细")
        page.merge_range(0, 0, 0, 3, "2024年农户情况")
        page.write_row(1, 0, ["农户编号", "所在村代码", "危房等级", "去年评语"])
        for i in range(30):
            page.write_row(2 + i, 0, [f"H-{i:04d}", 999901001001, "ABCD"[i % 4] + "级", "好"])
        book.add_worksheet("旧").hide()
    (found,) = suggest_mapping(path)
    assert (found.table, found.sheet, found.header_row) == ("household", "明细", 2)
    assert proposed(found) == {"农户编号": "household_id", "所在村代码": "village_code", "危房等级": "housing_grade"}
