"""Division codes over time: successors by date, a table the county may replace, and old codes in files read as today's."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from returnrisk.errors import ContractError
from returnrisk.ingest.divisions import COLUMNS, load_divisions, parse_divisions
from returnrisk.ingest.inbox import IngestResult, ingest_inbox
from returnrisk.simulate.names import TOWNSHIPS

KEY = b"a key for the division tests"
HEAD = ",".join(COLUMNS) + "\n"
D = dt.date


def table(*lines: str):
    return parse_divisions(HEAD + "".join(f"{line}\n" for line in lines), where="divisions.csv")


def test_a_code_is_what_it_was_on_the_day_and_its_successor_after():
    known = load_divisions()
    assert known.resolve(350681, on=D(2021, 2, 1)) == 350681
    assert known.resolve(350681, on=D(2021, 2, 2)) == 350604
    assert known.resolve(350604, on=D(2021, 2, 2)) == 350604
    assert known.resolve(350604, on=D(2021, 2, 1)) is None  # not yet


def test_successors_are_followed_as_far_as_the_day_reaches():
    known = load_divisions()
    days = {D(2015, 6, 1): 999901092, D(2016, 6, 1): 999901091, D(2020, 1, 1): 999901001}
    assert {day: known.resolve(999901092, on=day) for day in days} == days


def test_a_code_used_again_for_another_place_is_told_by_its_day():
    known = table("111111,甲,,2000-01-01,222222,,x", "111111,乙,2010-01-01,,,,x", "222222,丙,2000-01-01,,,,x")
    assert known.resolve(111111, on=D(1999, 1, 1)) == 111111
    assert known.resolve(111111, on=D(2005, 1, 1)) == 222222
    assert known.resolve(111111, on=D(2012, 1, 1)) == 111111
    assert known.successors([111111], current={222222}) == {}  # in use again: nobody knows which is meant


def test_a_code_split_among_several_has_no_one_successor():
    known = table("111111,甲,,2000-01-01,,,x", "222222,乙,2000-01-01,,,,x")
    assert known.resolve(111111, on=D(2005, 1, 1)) is None
    assert known.successors([111111], current={222222}) == {}


def test_only_a_successor_in_use_replaces_a_code():
    known = load_divisions()
    assert known.successors([999901092001, 999901091002], current={999901001001}) == {999901092001: 999901001001}


def test_unknown_are_codes_of_a_county_whose_table_is_complete():
    known = load_divisions()
    assert known.unknown([999901077, 999901077001, 999901001, 999901001777, 530123001, 350604]) == [999901077, 999901077001]


def test_the_shipped_table_names_its_sources_and_the_simulated_townships():
    known = load_divisions()
    assert all(d.source for d in known.rows)
    current = {d.code: d.name_zh for d in known.rows if 999901001 <= d.code <= 999901999 and d.valid_until is None}
    assert current == {999901001 + i: name for i, name in enumerate(TOWNSHIPS)}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["1111,甲,,,,,x"], "line 2: code '1111' has not 6, 9 or 12 digits"),
        (["111111,甲,,,22,,x"], "line 2: successor '22'"),
        (["111111,甲,,,222222,,x"], "a successor needs the day"),
        (["111111,甲,2001-13-01,,,,x"], "line 2: "),
        (["111111,甲,2005-01-01,2001-01-01,,,x"], "valid_from is not before valid_until"),
        (["111111,甲,,,,street,x"], "neither township nor village"),
        (["111111001,甲,,,,village,x"], "complete_to stands on a county"),
        (["111111,甲,,,,,x", "111111,乙,2001-01-01,,,,x"], "111111 means two places on one day"),
        (["111111,甲,,2001-01-01,222222,,x", "222222,乙,,2001-01-01,111111,,x"], "succeeded by itself"),
    ],
)
def test_a_wrong_table_is_refused_with_every_problem(lines, says):
    with pytest.raises(ContractError, match=says):
        table(*lines)


def test_all_problems_are_told_at_once_and_other_columns_refused():
    with pytest.raises(ContractError, match=r"line 2: [\s\S]*line 3: "):
        table("1,甲,,,,,x", "2,乙,,,,,x")
    with pytest.raises(ContractError, match="expected the columns code"):
        parse_divisions("code,name\n", where="divisions.csv")


# ------------------------------------------------------------------------------------------------------------- at ingest

VILLAGES = "村代码,村名称,乡镇名称,登记日期\n999901001001,甲村,云溪镇,2020-01-01\n999901001002,乙村,云溪镇,2020-01-01\n"
FILES = {
    "行政村名单.csv": VILLAGES,
    "农户基本信息.csv": (
        "户编号,村代码,农户类型,登记日期\n"
        "H-0001,999901001001,脱贫户,2020-01-01\n"
        "H-0002,999901091002,脱贫户,2020-01-01\n"  # 3: the village's code before the merger
        "H-0003,999901092001,脱贫户,2015-06-01\n"  # 4: two mergers ago, on a day when the code was right
        "H-0004,999901077001,脱贫户,2020-01-01\n"  # 5: no such township
    ),
    "家庭成员关系.csv": "身份证号码,户编号,与户主关系,加入日期,登记日期\n999901198001010016,H-0001,户主,2014-01-01,2020-01-01\n",
    "家庭成员信息.csv": "身份证号码,性别,出生日期,登记日期\n999901198001010016,男,1980-01-01,2020-01-01\n",
    "收入台账_2024-01.csv": "户编号,月份,种植业收入,登记日期\nH-0001,2024-01,1000,2024-02-10\n",
    "数据送达登记.csv": "数据表,乡镇代码,所属期起,所属期止,送达日期\n收入台账,999901091,2024-01-01,2024-01-31,2024-02-15\n",
    "监测线.csv": "地区代码,生效日期,监测线标准,登记日期\n999901,2020-01-01,5000,2020-01-01\n",
}


def ingest(root: Path) -> IngestResult:
    return ingest_inbox(root / "inbox", root / "store", key=KEY)


def rows(root: Path, result: IngestResult, name: str) -> list[dict]:
    return pq.read_table(root / "store" / result.manifest.tables[name].file).to_pylist()


@pytest.fixture(scope="module")
def county(tmp_path_factory) -> tuple[Path, IngestResult]:
    root = tmp_path_factory.mktemp("county")
    (root / "inbox").mkdir()
    for name, text in FILES.items():
        (root / "inbox" / name).write_text(text, encoding="utf-8")
    return root, ingest(root)


def test_old_codes_in_files_are_read_as_todays(county):
    root, result = county
    assert sorted(r["village_code"] for r in rows(root, result, "household")) == [999901001001, 999901001001, 999901001002]
    assert [r["township_code"] for r in rows(root, result, "delivery")] == [999901001]
    assert [r["area_code"] for r in rows(root, result, "line")] == [999901]


def test_what_was_replaced_and_what_is_unknown_is_named_and_counted(county):
    _, result = county
    said = {(n.table_name, n.code, n.n, n.rows) for n in result.report.notices.itertuples() if n.code in ("ING065", "ING066")}
    assert said == {("household", "ING065", 2, "第3、4行"), ("household", "ING066", 1, "第5行"), ("delivery", "ING065", 1, "第2行")}
    named = result.report.notices.query("code == 'ING066'").field.item()
    assert named == "村代码：999901077001"
    quarantined = [(q.file, q.row_number, q.code) for q in result.report.quarantine.itertuples()]
    assert quarantined == [("农户基本信息.csv", 5, "CON006")]


def test_the_workbook_shows_the_office_the_code_it_sent(county, tmp_path):
    from python_calamine import CalamineWorkbook

    root, _ = county
    (made,) = (root / "quarantine").glob("*.xlsx")
    cells = [str(c) for row in CalamineWorkbook.from_path(str(made)).get_sheet_by_index(0).to_python() for c in row]
    assert "999901077001" in cells


def test_a_countys_own_table_replaces_the_shipped_one(county, tmp_path):
    root = Path(shutil.copytree(county[0], tmp_path / "own"))
    (root / "divisions.csv").write_text(HEAD + "999901077001,旧村,,2010-01-01,999901001002,,本县民政局\n", encoding="gb18030")
    result = ingest(root)
    codes = sorted(r["village_code"] for r in rows(root, result, "household"))
    assert codes == [999901001001, 999901001002]  # what the shipped table knew is known no more
    assert {(q.row_number, q.code) for q in result.report.quarantine.itertuples() if q.table_name == "household"} == {
        (3, "CON006"),
        (4, "CON006"),
    }


def test_a_code_the_villages_have_is_never_touched(county, tmp_path):
    root = Path(shutil.copytree(county[0], tmp_path / "kept"))
    more = "999901091002,旧村,旧溪乡,2015-01-01\n"
    (root / "inbox" / "行政村名单.csv").write_text(VILLAGES + more, encoding="utf-8")
    result = ingest(root)
    codes = sorted(r["village_code"] for r in rows(root, result, "household"))
    assert codes == [999901001001, 999901001001, 999901091002]
    assert result.report.notices.query("code == 'ING065' and table_name == 'household'").n.tolist() == [1]


def test_the_wheel_carries_the_table():
    import tomllib

    root = Path(__file__).resolve().parents[1]
    wheel = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "data_contracts/**/*.csv" in wheel["include"]
    assert (root / "data_contracts" / "divisions" / "divisions.csv").is_file()
