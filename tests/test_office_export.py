"""Export to a county's system: layouts read and refused, cells by hand, whole folders, and what need not be entered again."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest

from returnrisk.cli.export import SHOWN, check_export
from returnrisk.errors import ContractError, ContractViolation, NotEnoughDataError, UnknownNameError, UsageError
from returnrisk.office_export import (
    CODES,
    ENTRIES,
    ExportMapping,
    ExportResult,
    check_export_mapping,
    export_mappings,
    export_screening,
    files,
    household_numbers,
    load_export_mapping,
    no_reentry,
)
from returnrisk.office_export import export as export_module
from returnrisk.office_export.lint import begins_as_formula
from returnrisk.office_export.tables import FILE_TABLES, export_tables
from returnrisk.policy import load_policy
from returnrisk.screening import Screening, screen
from returnrisk.store.pseudonyms import pseudonym_text, pseudonymise
from returnrisk.store.view import View
from tests.feature_households import MINI_KEY, mini_store, store_of
from tests.screening_households import ADULT, CHILD, DAY, NO_MEDICAL, NOTHING, WHOLE, add_home, county

POOR, OTHER, GAP, SILENT = 101, 102, 103, 104


@functools.cache
def view() -> View:
    """Two households of 脱贫户 (the first monitored), one monitored again, and one of whom nothing but the register came."""
    made = county()
    add_home(made, POOR, year="2000", last_year="20000", registered_type="ex_poor", own=500)
    add_home(made, OTHER, year="20000", people=[{**ADULT, "joined_on": None}], registered_type="ex_poor", enquiry=None)
    add_home(made, GAP, year="5000", people=[ADULT, {**CHILD, "health": None}], village=NO_MEDICAL, water_safe=False)
    add_home(made, SILENT, year=None, last_year=None, village=NOTHING, water_safe=None, housing_grade=None, enquiry=None)
    made.monitoring(POOR, "2024-03-01", "illness")
    made.monitoring(GAP, "2022-03-01", "job_loss", eliminated="2023-03-01", recorded="2023-03-02")
    made.monitoring(GAP, "2024-05-01", "job_loss")
    return store_of("office-export", made.tables).as_of(DAY)


@functools.cache
def screened() -> Screening:
    """The screening, with totals of 减收排查 written by hand."""
    found = screen(view(), policy=load_policy("national"))
    schema = found.income.totals.schema
    rows = [
        total(POOR, WHOLE, "fall", last="70949.00", projected="12345.67", change="-58603.33", share=-0.826, monitored=True),
        total(OTHER, WHOLE, "rise", last="20000", projected="25000", change="5000", share=0.25, monitored=False),
        total(
            GAP, NO_MEDICAL, "unknown", last=None, projected=None, change=None, share=None, monitored=None, missing="not_in_ledger"
        ),
    ]
    totals = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
    return dataclasses.replace(found, income=dataclasses.replace(found.income, totals=totals))


def total(
    household: int, village: int, verdict: str, *, share: float | None, monitored: bool | None, **said: Any
) -> dict[str, Any]:
    money = {f"{name}_cny": None if v is None else Decimal(v) for name, v in said.items() if name != "missing"}
    place = {"household_id": household, "village_code": village, "township_code": village // 1000, "n_members": 2}
    return {**place, **money, "verdict": verdict, "change_share": share, "monitored": monitored, "missing": said.get("missing")}


def layout_file(folder: Path, *parts: str, name: str = "mine", top: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    head = f"schema: 1\nkind: export\nname: {name}\noffice: 乡村振兴局\n{top}files:\n"
    (folder / f"{name}.yaml").write_text(head + "".join(parts), encoding="utf-8")
    return folder


def part(columns: str, **said: str) -> str:
    """One file of a layout; `columns` in the form {a: ..., b: ...}."""
    settings = {"pattern": "a_{day}.csv", "table": "income_totals", **said}
    lines = [f"{key}: {value}" for key, value in {**settings, "columns": columns}.items()]
    return "  - " + "\n    ".join(lines) + "\n"


def layout(folder: Path, *parts: str) -> ExportMapping:
    return load_export_mapping("mine", layout_file(folder, *parts))


def exported(folder: Path, *parts: str, identities: pd.DataFrame | None = None, found: Screening | None = None) -> ExportResult:
    made = layout(folder / "layouts", *parts)
    return export_screening(found or screened(), mapping=made, view=view(), folder=folder / "out", identities=identities)


def lines(result: ExportResult, encoding: str = "utf-8-sig") -> list[str]:
    """A single csv's lines below its header."""
    (path,) = result.paths
    return path.read_bytes().decode(encoding).split("\r\n")[1:-1]


# -- layouts -------------------------------------------------------------------------------------------------------------------


def test_the_catalogue_of_tables_has_the_columns_a_screening_has():
    found, tables = screened(), export_tables()
    real = {name: getattr(found, name).column_names for name in ("categories", "elimination", "checks")}
    real |= {"household_facts": found.households.column_names, "alerts": [c for c in found.alerts.columns if c != "records"]}
    real |= {f"income_{name}": getattr(found.income, name).column_names for name in ("totals", "changes", "causes", "measures")}
    real["monitoring"] = [c for c in view().table("monitoring").columns if c != "recorded_declared"]
    assert sorted(real) == sorted(FILE_TABLES)
    for name, columns in real.items():
        assert sorted(tables[name].fields) == sorted(columns), name


@pytest.mark.slow
def test_a_simulated_county_has_no_code_that_the_catalogue_does_not_know():
    simulated = mini_store().as_of(dt.date(2022, 8, 31))
    found = screen(simulated, policy=load_policy("national"))
    tables = export_tables()
    frames = {
        "household_facts": found.households,
        "checks": found.checks,
        "categories": found.categories,
        "elimination": found.elimination,
    }
    frames |= {f"income_{name}": getattr(found.income, name) for name in ("totals", "changes", "causes", "measures")}
    looked_at = 0
    for name, table in {**frames, "alerts": found.alerts}.items():
        for field in tables[name].fields.values():
            if field.codes is not None:
                values = set(table[field.name].dropna()) if name == "alerts" else set(table[field.name].to_pylist()) - {None}
                looked_at += len(values)
                assert values <= field.codes, f"{name}.{field.name}"
    assert looked_at > 50


def test_shipped_layouts_can_be_used():
    assert export_mappings() == ["national-style"]
    assert check_export_mapping("national-style") == []
    assert "假定" in load_export_mapping("national-style").description


def test_a_layout_of_the_county_hides_the_shipped_one_and_an_unknown_one_is_said_so(tmp_path: Path):
    folder = layout_file(tmp_path, part("{a: household_id}"), name="national-style")
    assert len(load_export_mapping("national-style", folder).files) == 1
    layout_file(folder, part("{a: household_id}"))
    assert export_mappings(folder) == ["mine", "national-style"]
    with pytest.raises(UnknownNameError, match=r"EXP103.*did you mean 'mine'"):
        load_export_mapping("mime", folder)


WRONG: dict[str, tuple[str, str]] = {
    "a: [": ("EXP101", "line"),
    part("{a: household_id, a: verdict}"): ("EXP101", "given twice: a"),
    part("{a: household_id}", patern="x"): ("EXP102", r"files\[1\].*'patern'; did you mean 'pattern'"),
    part("{a: household_id}", format="ods"): ("EXP102", r"files\[1\]\.format.*unknown value 'ods'"),
    part("{a: household_id}", encoding="big5"): ("EXP102", r"encoding.*known: gb18030, gbk, utf-8-sig"),
    part("{a: household_id}", delimiter="x"): ("EXP102", r"files\[1\]\.delimiter"),
    part("{}"): ("EXP102", "has no column"),
    part("{a: 3}"): ("EXP102", r"columns\.a: is neither a field nor a mapping of field"),
    part("{a: {field: verdict, constant: x}}"): ("EXP102", "one of field, constant, blank"),
    part("{a: {blank: false}}"): ("EXP102", "can only be true"),
    part("{a: {field: verdict, required: on}}"): ("EXP102", "neither true nor false"),
    part("{a: {field: verdict, max_length: 2.5}}"): ("EXP102", "max_length: is no whole number of at least 1"),
    part("{a: household_id}", table="income_total"): ("EXP104", "did you mean 'income_totals'"),
    part("{a: verdict}", complaints="named"): ("EXP108", "complaints: is for a file of alerts"),
    part("{a: rule}", table="alerts", complaints="loud"): ("EXP102", "complaints: unknown value"),
    part("{a: alerts.state}"): ("EXP104", r"columns\.a: unknown table 'alerts'"),
    part("{a: verdikt}"): ("EXP105", "did you mean 'verdict'"),
    part("{a: village.name}"): ("EXP105", "unknown field of village"),
    part("{a: household_id}", where="{verdit: fall}"): ("EXP105", r"where\.income_totals\.verdit"),
    part("{a: {field: verdict, values: {fell: 1}}}"): ("EXP106", "unknown code of verdict 'fell'; did you mean 'fall'"),
    part("{a: household_id}", where="{verdict: [fall, fell]}"): ("EXP106", "'fell'"),
    part("{a: {field: monitored, values: {yes: 1}}}"): ("EXP106", "known: false, true"),
    part("{a: {field: answer, values: {true: 1}}}", table="categories"): ("EXP106", "known: no, yes"),
    part("{a: household_roster.person_id}"): ("EXP107", "never enter the store"),
    part("{身份证号码: household_id}"): ("EXP107", r"columns\.身份证号码: identity numbers"),
    part("{a: {field: verdict, unit: 万元}}"): ("EXP108", r"a\.unit: is 万元; income_totals.verdict may have none"),
    part("{a: {field: last_cny, unit: 亩}}"): ("EXP108", "may have 元, 千元, 万元"),
    part("{a: {field: n_members, decimals: 1}}"): ("EXP108", "is no amount"),
    part("{a: {field: last_cny, values: {x: y}}}"): ("EXP108", "has no codes"),
    part("{a: {field: identity.head_name, values: {x: y}}}"): ("EXP108", "has no codes"),
    part("{a: {blank: true, required: true}}"): ("EXP108", "leave out every row"),
    part("{a: {constant: x, unit: 元}}"): ("EXP108", "are for a field"),
    part('{a: {constant: "=1+1"}}'): ("EXP108", "begins as a formula"),
    part('{a: {field: verdict, values: {fall: "+1"}}}'): ("EXP108", "begins as a formula"),
    part('{a: {constant: "\U00020000"}}', encoding="gbk"): ("EXP108", "cannot be written in gbk"),
    part("{a: household_id}", where="{last_cny: 5}"): ("EXP108", "nothing of a money"),
    part("{a: household_id}", date_format="'%d/%B/%Y'"): ("EXP108", "date_format"),
    part("{a: household_id}", pattern="'a_{tag}.csv'"): ("EXP109", r"placeholders are \{day\}"),
    part("{a: household_id}", pattern="'../a.csv'"): ("EXP109", "no file name"),
    part("{a: household_id}", pattern="problems.csv"): ("EXP109", "no file name"),
    part("{a: household_id}", format="xlsx"): ("EXP109", "do not go together"),
    part("{a: household_id}", sheet="x"): ("EXP109", "a csv has no sheets"),
    part("{a: household_id}") * 2: ("EXP109", "written twice"),
    part("{a: {field: verdict, values: {level: 持平, unknown: 持平}}}"): ("EXP110", "stands for unknown and for an answer"),
    part("{a: {field: monitored, values: {false: 否, null: 否}}}"): ("EXP110", "'否' stands for unknown"),
    part("{宗教信仰: verdict}"): ("EXP112", "religion is never collected"),
}


@pytest.mark.parametrize("text", WRONG, ids=[f"{code}-{n}" for n, (code, _) in enumerate(WRONG.values())])
def test_a_wrong_layout_is_refused_with_file_and_key(tmp_path: Path, text: str):
    code, said = WRONG[text]
    folder = layout_file(tmp_path, text)
    problems = check_export_mapping("mine", folder)
    assert [p.code for p in problems] == [code], problems
    assert re.search(said, str(problems[0]))
    with pytest.raises(ContractError, match=f"^{code} mine"):
        load_export_mapping("mine", folder)


def test_every_problem_of_a_layout_is_said_at_once(tmp_path: Path):
    folder = layout_file(
        tmp_path, part("{a: verdikt, 证件号码: {blank: true}}"), part("{b: nobody}", pattern="b.csv"), top="confirmed: false\n"
    )
    assert [(p.code, p.key) for p in check_export_mapping("mine", folder)] == [
        ("EXP111", "confirmed"), ("EXP105", "files[1].columns.a"), ("EXP105", "files[2].columns.b")
    ]  # fmt: skip
    layout_file(folder, part("{a: household_id}"), name="other")
    (folder / "other.yaml").rename(folder / "third.yaml")
    assert [p.code for p in check_export_mapping("third", folder)] == ["EXP102"]
    (folder / "mine.yaml").write_bytes("名: 字".encode("gb18030"))
    assert [p.code for p in check_export_mapping("mine", folder)] == ["EXP101"]
    (folder / "mine.yaml").write_text("schema: 1\nkind: files\nname: mine\n", encoding="utf-8")
    assert [p.code for p in check_export_mapping("mine", folder)] == ["EXP102"]


# -- cells ---------------------------------------------------------------------------------------------------------------------


def test_a_gb18030_csv_reads_back_as_it_was_meant(tmp_path: Path):
    columns = (
        "{户: household_id, 村: village_code, 村名: village.village_name, 乡镇: village.township_code, 类型: {field: household_facts.registered_type, "
        'values: {ex_poor: "01", general: "02"}}, 监测: {field: monitored, values: {true: 是, false: 否, null: 无法判断}}, '
        "上年: {field: last_cny, unit: 万元}, 预计: {field: projected_cny, unit: 万元, decimals: 2}, 差: {field: change_cny, decimals: 0}, "
        '幅: {field: change_share, unit: "%", decimals: 1}, 人口: n_members, 结论: verdict, 填: {blank: true}, 源: {constant: 筛查𠮷}}'
    )
    result = exported(tmp_path, part(columns, encoding="gb18030"))
    frame = pd.read_csv(result.paths[0], encoding="gb18030", dtype=str, keep_default_na=False)
    assert result.paths[0].name == "a_20250131.csv"
    assert frame.to_numpy().tolist() == [
        [
            pseudonym_text(POOR),
            "999902001001",
            "村1",
            "999902001",
            "01",
            "是",
            "7.094900",
            "1.23",
            "-58603",
            "-82.6",
            "2",
            "fall",
            "",
            "筛查𠮷",
        ],
        [
            pseudonym_text(OTHER),
            "999902001001",
            "村1",
            "999902001",
            "01",
            "否",
            "2.000000",
            "2.50",
            "5000",
            "25.0",
            "2",
            "rise",
            "",
            "筛查𠮷",
        ],
        [pseudonym_text(GAP), "999902003001", "村1", "999902003", "02", "无法判断", "", "", "", "", "2", "unknown", "", "筛查𠮷"],
    ]
    assert result.problems.empty


def test_a_workbook_holds_sheets_with_numbers_as_numbers_and_the_rest_as_text(tmp_path: Path):
    found = dataclasses.replace(screened(), alerts=screened().alerts.assign(title_zh="=HYPERLINK(1)"))
    result = exported(
        tmp_path,
        part(
            "{村: village_code, 上年: {field: last_cny, unit: 万元, decimals: 4}, 监测: monitored}",
            pattern="a.xlsx",
            sheet="减收户",
            format="xlsx",
        ),
        part(
            "{事项: title_zh, 日: raised_on}",
            pattern="a.xlsx",
            sheet="预警",
            table="alerts",
            format="xlsx",
            date_format="'%Y年%m月%d日'",
        ),
        found=found,
    )
    book = openpyxl.load_workbook(result.paths[0])
    assert book.sheetnames == ["减收户", "预警"]
    assert [[c.value for c in row] for row in book["减收户"].rows] == [
        ["村", "上年", "监测"], ["999902001001", 7.0949, "是"], ["999902001001", 2, "否"], ["999902003001", None, None]
    ]  # fmt: skip
    title, on = book["预警"][2]
    assert (title.value, title.data_type, on.data_type) == ("=HYPERLINK(1)", "s", "s")
    assert re.fullmatch(r"20\d\d年\d\d月\d\d日", on.value)
    assert book["减收户"]["B2"].number_format == "0.0000"


def test_rows_that_the_layout_cannot_hold_are_left_out_and_listed(tmp_path: Path):
    columns = '{户: household_id, 额: {field: last_cny, required: true}, 论: {field: verdict, values: {fall: "1", unknown: "9"}}}'
    result = exported(tmp_path, part(columns))
    assert lines(result) == [f"{pseudonym_text(POOR)},70949.00,1"]
    assert result.files.to_dict("records") == [
        {"file": "a_20250131.csv", "sheet": "", "table_name": "income_totals", "n_rows": 3, "n_not_selected": 0, "n_left_out": 2, "n_written": 1}
    ]  # fmt: skip
    listed = pd.read_csv(tmp_path / "out" / "problems.csv", keep_default_na=False)
    assert listed[["code", "left_out", "header", "field", "household", "detail"]].to_numpy().tolist() == [
        ["EXP001", 1, "额", "income_totals.last_cny", pseudonym_text(GAP), ""],
        ["EXP002", 1, "论", "income_totals.verdict", pseudonym_text(OTHER), "rise"],
    ]
    assert result.problem_counts()[["code", "header", "n_cells"]].to_numpy().tolist() == [["EXP001", "额", 1], ["EXP002", "论", 1]]


@pytest.mark.parametrize(("policy", "written"), [("blank", ["1", "", "9"]), ("keep", ["1", "rise", "9"])])
def test_an_unmapped_code_may_be_blank_or_kept(tmp_path: Path, policy: str, written: list[str]):
    columns = f'{{户: household_id, 论: {{field: verdict, unmapped: {policy}, values: {{fall: "1", unknown: "9"}}}}}}'
    assert [line.split(",")[1] for line in lines(exported(tmp_path, part(columns)))] == written


def test_unknown_is_blank_and_never_no(tmp_path: Path):
    result = exported(tmp_path, part("{a: {field: monitored, values: {true: Y, false: N}}, b: {constant: .}}"))
    assert lines(result) == ["Y,.", "N,.", ",."]
    answers = exported(tmp_path / "b", part("{a: household_id, b: answer}", table="categories", where="{category: dibao}"))
    told = {r["household_id"]: r["answer"] for r in screened().categories.to_pylist() if r["category"] == "dibao"}
    assert told == {POOR: 1, OTHER: 0, GAP: 1, SILENT: None}
    assert [line.split(",")[1] for line in lines(answers)] == ["是", "否", "是", ""]


def test_rows_are_chosen_by_equality_by_a_list_and_by_unknown(tmp_path: Path):
    def chosen(where: str, **said: str) -> list[str]:
        return lines(exported(tmp_path, part("{a: household_id}", where=where, **said)))

    poor, other, gap = (pseudonym_text(h) for h in (POOR, OTHER, GAP))
    assert chosen("{verdict: [fall, rise]}") == [poor, other]
    assert chosen("{monitored: [true, null]}") == [poor, gap]
    assert chosen("{household_facts.registered_type: general}") == [gap]
    assert chosen("{eliminated_on: null}", table="monitoring") == [poor, gap]
    assert chosen("{identified_on: 2022-03-01}", table="monitoring") == [gap]
    assert chosen("{verdict: level}") == []


def test_what_cannot_be_written_or_is_too_long_leaves_its_row_out(tmp_path: Path):
    people = pd.DataFrame(
        {
            "household_id": [POOR, OTHER, GAP],
            "head_name": ["王\U00020bb7", "李十二三", "张三"],
            "phone": ["+8613900000000", None, "-12.5"],
        }
    )
    columns = "{户: household_id, 名: {field: identity.head_name, max_length: 3}, 话: identity.phone}"
    result = exported(tmp_path, part(columns, encoding="gbk"), identities=people)
    assert lines(result, "gbk") == [f"{pseudonym_text(GAP)},张三,-12.5"]
    assert result.problems[["code", "household", "left_out", "detail"]].to_numpy().tolist() == [
        ["EXP003", pseudonym_text(POOR), True, ""],
        ["EXP004", pseudonym_text(OTHER), True, "4 > 3"],
        ["EXP005", pseudonym_text(POOR), False, ""],
    ]
    everything = b"".join(
        p.read_bytes() for p in (tmp_path / "out").glob("*") if p.suffix == ".json" or p.name == "problems.csv"
    ).decode()
    assert not any(secret in everything for secret in ("王", "李十", "张三", "13900000000", "𠮷"))


def test_a_text_that_begins_as_a_formula_is_written_as_text(tmp_path: Path):
    people = pd.DataFrame({"household_id": [POOR, OTHER, GAP], "address": ["=1+1", "@sum", "老街\t3号"]})
    result = exported(tmp_path, part("{a: identity.address}"), identities=people)
    assert lines(result) == ["'=1+1", "'@sum"]
    assert list(result.problems["code"]) == ["EXP005", "EXP005", "EXP003"]
    assert not any(begins_as_formula(text) for text in ("-", "-3", "-3.25", "3-1", "", "村=1"))
    assert all(begins_as_formula(text) for text in ("-3+1", "=a", "+1", "＝1", "@x", "--3", "-a"))


# -- nobody sees who complained -------------------------------------------------------------------------------------------------

SPOKEN = {POOR: "complaint", OTHER: "hotline", GAP: "cadre", SILENT: "self_report"}
"""Through which channel somebody spoke of each household."""
TELLS = re.compile(r"信访|热线|投诉|舆情|干部|申报|反映|complain|hotline|media|cadre|applied|self_report|signal", re.IGNORECASE)
EVERY_WORD = "{户: household_id, 规则: rule, 题: title_zh, 题en: title_en, 门: office, 据: evidence_zh, 据en: evidence_en, 渠: channel, 因: cause, 值: value, 线: threshold}"


@functools.cache
def spoken_of() -> tuple[View, Screening]:
    """Four households of each of whom somebody said something, one of them with a disaster besides."""
    made = county()
    for number in SPOKEN:
        add_home(made, number, year="20000", last_year="20000")
    for number, channel in SPOKEN.items():
        on = dt.date(2025, 1, 20)
        made.tables["signal"].append(
            {"signal_id": number, "household_id": number, "raised_on": on, "recorded_on": on, "channel": channel, "code": "other"}
        )
    on = dt.date(2025, 1, 22)
    made.tables["disaster"].append(
        {"household_id": POOR, "happened_on": on, "recorded_on": on, "hazard_kind": "flood", "loss_cny": Decimal(9000)}
    )
    seen = store_of("office-export-said", made.tables).as_of(DAY)
    return seen, screen(seen, policy=load_policy("national"))


def spoken_export(folder: Path, *parts: str, shipped: bool = False) -> tuple[ExportResult, dict[str, list[list[str]]]]:
    """An export of them, and the rows of its csv by household."""
    seen, found = spoken_of()
    mapping = load_export_mapping("national-style") if shipped else layout(folder / "layouts", *parts)
    result = export_screening(found, mapping=mapping, view=seen, folder=folder / "out")
    path = next(p for p in result.paths if p.suffix == ".csv")
    encoding = "gb18030" if shipped else "utf-8-sig"
    frame = pd.read_csv(path, encoding=encoding, dtype=str, keep_default_na=False)
    rows: dict[str, list[list[str]]] = {}
    for row in frame.to_numpy().tolist():
        rows.setdefault(row[list(frame.columns).index("户" if "户" in frame else "户识别码")], []).append(row)
    return result, rows


def test_the_shipped_layout_names_nobody_who_complained_or_was_reported(tmp_path: Path):
    _, found = spoken_of()
    rests = found.alerts.loc[found.alerts["records"].str.contains("signal:"), ["household_id", "rule"]]
    assert dict(zip(rests["household_id"], rests["rule"], strict=True)) == {
        POOR: "complaint", OTHER: "complaint", GAP: "cadre_report", SILENT: "self_application"
    }  # fmt: skip
    result, rows = spoken_export(tmp_path, shipped=True)
    neutral = {tuple(row[at] for at in (7, 8, 9, 15)) for of in rows.values() for row in of if row[7] == "综合信息核查"}
    assert neutral == {("综合信息核查", "", "县级主管部门", "请入户全面核实收入、支出、住房、饮水、教育、医疗情况")}
    assert {household: sum(row[7] == "综合信息核查" for row in of) for household, of in rows.items()} == {
        pseudonym_text(household): 1 for household in SPOKEN
    }
    written = [cell for of in rows.values() for row in of for cell in row]
    assert [cell for cell in written if TELLS.search(cell)] == []
    assert any("灾害" in row[7] for row in rows[pseudonym_text(POOR)])  # what no one said of it keeps its own words
    assert result.files["n_left_out"].sum() == 0


def test_no_field_of_an_alert_tells_the_channels_apart(tmp_path: Path):
    _, rows = spoken_export(tmp_path, part(EVERY_WORD, table="alerts"))
    neutral = {household: [row[1:] for row in of if row[1] == "general_check"] for household, of in rows.items()}
    only = [
        "general_check",
        "综合信息核查",
        "general check",
        "县级主管部门",
        "请入户全面核实收入、支出、住房、饮水、教育、医疗情况",
    ]
    only += ["look at income, expenditure, housing, water, schooling and medical cover", "", "", "", ""]
    assert neutral == {pseudonym_text(household): [only] for household in SPOKEN}
    for where in ("{channel: [complaint, cadre, self_report]}", "{rule: [complaint, cadre_report, self_application]}"):
        assert spoken_export(tmp_path / where[1:5], part(EVERY_WORD, table="alerts", where=where))[1] == {}
    _, rows = spoken_export(tmp_path / "kept", part(EVERY_WORD, table="alerts", where="{channel: [department, emergency]}"))
    assert all(row[1] != "general_check" for of in rows.values() for row in of)
    assert any(row[1] == "emergency" for row in rows[pseudonym_text(POOR)])


def test_a_layout_that_asks_for_the_complaints_gets_them_and_is_warned_of(tmp_path: Path):
    asked = part(
        "{户: household_id, 题: title_zh, 据: evidence_zh, 期: due_on}",
        table="alerts",
        complaints="named",
        where="{channel: complaint}",
    )
    _, rows = spoken_export(tmp_path, asked)
    assert {household: [row[1] for row in of] for household, of in rows.items()} == {
        pseudonym_text(household): ["信访、热线或舆情反映"] for household in (POOR, OTHER)
    }
    problems = check_export_mapping("mine", tmp_path / "layouts")
    assert [(p.code, p.key, p.blocks) for p in problems] == [
        ("EXP113", f"files[1].{key}", False) for key in ("columns.题", "columns.据", "where.alerts.channel")
    ]


def test_how_a_household_was_identified_is_warned_of_too(tmp_path: Path):
    folder = layout_file(
        tmp_path, part("{户: household_id, 渠: channel}", table="monitoring"), part(EVERY_WORD, table="alerts", pattern="b.csv")
    )
    assert [(p.code, p.key) for p in check_export_mapping("mine", folder)] == [("EXP113", "files[1].columns.渠")]
    assert load_export_mapping("mine", folder).files[1].complaints == "neutral"


def test_the_command_warns_and_lets_the_layout_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = layout_file(tmp_path / "export", part("{户: household_id, 题: title_zh}", table="alerts", complaints="named"))
    assert check_export("mine", project=tmp_path) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "mine: 可用 usable，1 处提醒 warnings\n  EXP113 mine, files[1].columns.题: alerts.title_zh shows who complained"
    )
    layout_file(folder, part("{户: household_id, 题: title_zh, 误: nothing}", table="alerts", complaints="named"))
    assert check_export("mine", project=tmp_path) == 3
    assert capsys.readouterr().out.startswith("mine: 1 个问题 problems，1 处提醒 warnings\n")


# -- folders and what is asked ---------------------------------------------------------------------------------------------------


def test_identities_are_needed_only_where_the_layout_asks_for_them(tmp_path: Path):
    asks = part("{户: household_id, 号: identity.household_number, 名: identity.head_name}")
    for given in (None, pd.DataFrame({"household_id": [POOR], "head_name": ["甲"]})):
        with pytest.raises(UsageError, match=r"EXP201 .*household_number"):
            exported(tmp_path, asks, identities=given)
    people = pd.DataFrame({"household_id": [POOR, GAP], "head_name": ["甲", "乙"], "household_number": ["0001", None]})
    assert [line.split(",")[1:] for line in lines(exported(tmp_path, asks, identities=people))] == [
        ["0001", "甲"],
        ["", ""],
        ["", "乙"],
    ]
    with pytest.raises(ContractViolation, match="EXP205 identities: 1 households"):
        exported(tmp_path, asks, identities=pd.concat([people, people.head(1)]))
    with pytest.raises(ContractViolation, match="EXP205 identities: column household_number is not text"):
        exported(tmp_path, asks, identities=people.assign(household_number=[1, 2]))
    assert exported(tmp_path / "b", part("{a: household_id}"), identities=people.assign(head_name=[1, 2])).problems.empty


@pytest.mark.parametrize("text", ["11010519491231002X", "老街3号（１１０１０５１９４９１２３１００２ｘ）"])
def test_identity_numbers_in_disguise_are_refused(tmp_path: Path, text: str):
    people = pd.DataFrame({"household_id": [POOR], "household_number": [text]})
    with pytest.raises(ContractViolation, match="EXP206 identities: 1 cells of column household_number") as raised:
        exported(tmp_path, part("{户编号: identity.household_number}"), identities=people)
    assert "1949" not in str(raised.value)
    assert not (tmp_path / "out").exists()
    people = people.assign(household_number=["110105194912310021"])  # its check digit is no person's
    assert (
        lines(exported(tmp_path, part("{a: {constant: x}, 户编号: identity.household_number}"), identities=people))[0]
        == "x,110105194912310021"
    )


def test_the_offices_own_numbers_meet_the_pseudonyms_that_ingest_made():
    raw = [" ＨＨ－000001 ", "hh-000002"]
    made = household_numbers(raw, key=MINI_KEY).set_index("household_number")["household_id"].to_dict()
    assert made == {text: pseudonymise([text], kind="household", key=MINI_KEY)[text] for text in ("HH-000001", "hh-000002")}


SAID = "{a: rule, b: title_zh, c: title_en, d: office, e: evidence_zh, f: evidence_en, g: channel, h: cause, i: value, j: alert_id}"


@pytest.mark.parametrize("because", ["channel", "records"])
def test_that_somebody_complained_is_told_to_no_reader_unless_the_layout_says_so(tmp_path: Path, because: str):
    alerts = screened().alerts.copy()
    first = alerts["rule"] == alerts["rule"].iloc[0]
    changed = {"channel": "complaint"} if because == "channel" else {"records": "signal:signal_id=5"}
    alerts.loc[first, [*changed, "title_zh", "title_en", "office", "evidence_zh", "evidence_en", "cause"]] = [
        *changed.values(), "群众信访反映", "a complaint", "信访局", "12345来电反映", "a call to 12345", "illness",
    ]  # fmt: skip
    found = dataclasses.replace(screened(), alerts=alerts)
    told = alerts.loc[first, ["rule", "title_zh", "title_en", "office", "evidence_zh", "evidence_en"]].iloc[0]
    quiet = exported(tmp_path / "quiet", part(SAID, table="alerts"), found=found)
    text = "\n".join(lines(quiet))
    assert len(lines(quiet)) == len(alerts)
    assert [words for words in told if words in text] == []
    assert text.count("综合信息核查") == first.sum()
    named = exported(tmp_path / "named", part(SAID, table="alerts", complaints="named"), found=found)
    assert all(words in "\n".join(lines(named)) for words in told)
    by_rule = exported(tmp_path / "rule", part(SAID, table="alerts", where=f"{{rule: {told['rule']}}}"), found=found)
    assert lines(by_rule) == []  # a filter tells no more than a column


def test_a_day_without_alerts_gives_an_empty_file(tmp_path: Path):
    found = dataclasses.replace(screened(), alerts=screened().alerts.head(0))
    result = exported(tmp_path, part("{a: alert_id, b: village.village_name}", table="alerts", where="{state: open}"), found=found)
    assert result.paths[0].read_text(encoding="utf-8-sig") == "a,b\n"
    assert result.files["n_written"].tolist() == [0]


def test_a_view_of_another_day_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"EXP202 .*2025-01-31.*2025-01-30"):
        export_screening(
            screened(),
            mapping=load_export_mapping("national-style"),
            view=view().store.as_of(dt.date(2025, 1, 30)),
            folder=tmp_path,
        )


def test_an_export_replaces_an_export_and_nothing_else(tmp_path: Path):
    first = exported(tmp_path, part("{a: household_id}", pattern="old.csv"))
    assert first.folder.stat().st_mode & 0o077 == 0 or first.folder.drive
    exported(tmp_path, part("{a: household_id}", pattern="new.csv"))
    assert sorted(p.name for p in first.folder.iterdir()) == ["manifest.json", "new.csv", "problems.csv"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["layouts", "out"]
    (first.folder / "manifest.json").unlink()
    with pytest.raises(UsageError, match="EXP203 out holds something"):
        exported(tmp_path, part("{a: household_id}"))
    assert (first.folder / "new.csv").is_file()


def test_a_failure_leaves_the_earlier_export_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = exported(tmp_path, part("{a: household_id}"))
    kept = {p.name: p.read_bytes() for p in before.folder.iterdir()}
    written: list[Path] = []
    real = files._write

    def full(path: Path, content: bytes) -> None:
        if written:
            raise OSError(28, "no space left")
        written.append(path)
        real(path, content)

    monkeypatch.setattr(files, "_write", full)
    with pytest.raises(OSError, match="no space left"):
        exported(tmp_path, part("{a: verdict}"))
    assert {p.name: p.read_bytes() for p in before.folder.iterdir()} == kept
    assert sorted(p.name for p in tmp_path.iterdir()) == ["layouts", "out"]


def test_a_folder_that_cannot_be_put_in_place_brings_the_old_one_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = exported(tmp_path, part("{a: household_id}"))
    kept = {p.name: p.read_bytes() for p in before.folder.iterdir()}
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self.name.startswith(".part-"):
            raise PermissionError(13, "in use")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(PermissionError, match="in use"):
        exported(tmp_path, part("{a: verdict}"))
    assert {p.name: p.read_bytes() for p in before.folder.iterdir()} == kept


def test_more_rows_than_a_sheet_holds_are_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(export_module, "SHEET_ROWS", 3)
    with pytest.raises(UsageError, match=r"EXP204 a\.xlsx: 3 rows"):
        exported(tmp_path, part("{a: household_id}", pattern="a.xlsx", format="xlsx"))
    assert not (tmp_path / "out").exists()


def test_the_same_screening_in_another_order_gives_the_same_bytes(tmp_path: Path):
    found = screened()
    turned = dataclasses.replace(
        found,
        alerts=found.alerts.iloc[::-1].reset_index(drop=True),
        households=found.households.take(list(range(found.households.num_rows))[::-1]),
        income=dataclasses.replace(found.income, totals=found.income.totals.take([2, 0, 1])),
    )
    made = [
        export_screening(each, mapping=load_export_mapping("national-style"), view=view(), folder=tmp_path / name)
        for name, each in (("a", found), ("b", turned))
    ]
    assert {p.name: p.read_bytes() for p in made[0].folder.iterdir()} == {p.name: p.read_bytes() for p in made[1].folder.iterdir()}
    for result in made:
        counted = result.files
        assert (counted["n_rows"] == counted["n_not_selected"] + counted["n_left_out"] + counted["n_written"]).all()
        assert counted["n_written"].tolist() == [len(found.alerts), 1, 2]


# -- what need not be entered again ----------------------------------------------------------------------------------------------


@functools.cache
def list_of(*, with_screening: bool = False) -> pd.DataFrame:
    return no_reentry(view(), mapping=load_export_mapping("national-style"), screening=screened() if with_screening else None)


def form(table: str, field: str, frame: pd.DataFrame | None = None) -> tuple[Any, ...]:
    rows = list_of() if frame is None else frame
    row = rows[(rows["part"] == "form") & (rows["table_name"] == table) & (rows["field"] == field)]
    assert len(row) == 1
    found = row.iloc[0]
    assert found["n_households"] == 4
    return found["entry"], found["n_on_file"], found["n_not_named"]


ON_FILE: dict[tuple[str, str], tuple[str, int, int]] = {
    ("household", "registered_type"): ("none", 4, 0),
    ("household", "water_safe"): ("where_missing", 3, 0),
    ("household", "registered_on"): ("where_missing", 2, 0),  # the two that were never registered have none to tell
    ("household", "cooking_fuel"): ("all", 0, 0),
    ("household_roster", "joined_on"): ("none", 4, 0),  # an empty one: since before the register
    ("household_roster", "left_on"): ("none", 4, 0),  # an empty one says that they live there
    ("member", "born_on"): ("none", 4, 0),
    ("member", "health"): ("where_missing", 3, 0),  # one child of the third household
    ("medical", "out_of_pocket_cny"): ("where_missing", 1, 1),  # one treated, one not, two townships without a file
    ("medical", "commercial_paid_cny"): ("where_missing", 0, 1),
    ("income", "gross_cny"): ("where_missing", 3, 0),  # the fourth stands in no ledger: no answer
    ("monitoring", "identified_on"): ("where_missing", 2, 1),  # none came from the fourth's township
    ("monitoring", "eliminated_on"): ("where_missing", 2, 1),
    ("loan", "balance_cny"): ("all", 0, 0),  # no file ever
    ("asset", "value_cny"): ("all", 0, 0),  # an enquiry, but no file registered as delivered
}


def test_what_is_on_file_is_counted_by_hand():
    # the ledger of January is not due on the day; the twelve months are those of 2024
    assert {of: form(*of) for of in ON_FILE} == ON_FILE


@pytest.mark.slow
def test_what_is_on_file_agrees_with_plain_python_on_a_simulated_county():
    """Tables with a file in every month and members' rows, worked out again person by person."""
    simulated = mini_store().as_of(dt.date(2022, 6, 30))
    rows = {
        n: simulated.table(n).to_pyarrow().to_pylist()
        for n in ("household_roster", "household", "member", "loan", "employment", "delivery")
    }
    day, states = simulated.day, {r["person_id"]: r for r in rows["member"]}
    members: dict[int, set[int]] = {}
    for r in rows["household_roster"]:
        if (r["joined_on"] or dt.date.min) <= day <= (r["left_on"] or dt.date.max):
            members.setdefault(r["household_id"], set()).add(r["person_id"])
    town = {r["household_id"]: r["village_code"] // 1000 for r in rows["household"] if r["household_id"] in members}
    arrived = {
        name: {r["township_code"] for r in rows["delivery"] if r["table_name"] == name and r["period_end"] >= dt.date(2021, 7, 1) and r["period_start"] <= day}
        for name in ("loan", "employment")
    }  # fmt: skip
    home = {person: household for household, people in members.items() for person in people}
    of: dict[str, dict[int, list[dict[str, Any]]]] = {"loan": {}, "employment": {}}
    for r in rows["loan"]:
        of["loan"].setdefault(r["household_id"], []).append(r)
    for r in rows["employment"]:
        if r["person_id"] in home:
            of["employment"].setdefault(home[r["person_id"]], []).append(r)

    def expected(name: str, field: str) -> tuple[int, int]:
        there = [h for h in town if town[h] in arrived[name]]
        named = [h for h in there if h in of[name]]
        return sum(all(r[field] is not None for r in of[name][h]) for h in named), len(there) - len(named)

    frame = (
        no_reentry(simulated, mapping=load_export_mapping("national-style"))
        .query("part == 'form'")
        .set_index(["table_name", "field"])
    )
    assert (frame["n_households"] == len(town)).all()
    for name, field in (("loan", "balance_cny"), ("employment", "monthly_wage_cny"), ("employment", "kind")):
        assert tuple(frame.loc[(name, field), ["n_on_file", "n_not_named"]]) == expected(name, field), (name, field)
    for field in ("education", "employee_insurance", "health"):
        whole = sum(all(p in states and states[p][field] is not None for p in members[h]) for h in town)
        assert frame.loc[("member", field), "n_on_file"] == whole
    assert (
        0 < frame.loc[("employment", "monthly_wage_cny"), "n_on_file"] < frame.loc[("employment", "kind"), "n_on_file"] < len(town)
    )


def test_columns_of_the_layout_say_where_they_come_from():
    plain, told = (list_of(with_screening=w).query("part == 'layout'").set_index(["file", "header"]) for w in (False, True))
    alerts, fall = "预警线索_{day}.csv", "减收与监测_{day}.xlsx 减收户"
    assert plain.loc[(alerts, "证件号码"), "entry"] == "blank"
    assert tuple(plain.loc[(alerts, "户识别码"), ["table_name", "office", "entry"]]) == ("household", "乡村振兴局", "none")
    assert tuple(plain.loc[(alerts, "村名称"), ["table_name", "entry", "n_on_file"]]) == ("village", "none", 4)
    assert plain.loc[(fall, "增减额（元）"), "entry"] == "computed"
    assert plain.loc[(fall, "增减额（元）"), ["n_households", "n_on_file", "share_on_file"]].isna().all()
    assert tuple(told.loc[(fall, "增减额（元）"), ["n_households", "n_on_file"]]) == (3, 2)
    assert told.loc[(fall, "增减额（元）"), "share_on_file"] == pytest.approx(2 / 3)
    assert set(list_of()["entry"]) <= set(ENTRIES)
    assert not list_of()["entry_zh"].isna().any()


def test_what_is_shown_agrees_with_what_it_says():
    frame = list_of().query("part == 'form' and entry in ['none', 'where_missing', 'all']")
    assert set(frame["entry"]) == {"none", "where_missing", "all"}
    shown = frame[list(SHOWN)].assign(entry=frame["entry"])
    assert ((shown["share_answered"] == 1) == (shown["entry"] == "none")).all()
    assert ((shown["share_answered"] == 0) == (shown["entry"] == "all")).all()
    assert ((shown["n_on_file"] + shown["n_not_named"]) == shown["share_answered"] * 4).all()


def test_identities_are_counted_only_when_given(tmp_path: Path):
    assert form("identity", "phone")[0] == "not_looked_at"
    people = pd.DataFrame({"household_id": [POOR, OTHER, 999], "head_name": ["甲", "乙", "丙"], "phone": ["1", None, "3"]})
    mapping = layout(
        tmp_path, part("{名: identity.head_name, 号: identity.household_number, 源: {constant: x}, 宗教信仰: {blank: true}}")
    )
    frame = no_reentry(view(), mapping=mapping, identities=people)
    assert form("identity", "phone", frame) == ("where_missing", 1, 0)
    assert frame["entry"].head(4).tolist() == ["where_missing", "not_looked_at", "constant", "never"]


def test_nobody_on_file_is_said_so():
    with pytest.raises(NotEnoughDataError, match="nobody is on file on 2000-01-01"):
        no_reentry(view().store.as_of(dt.date(2000, 1, 1)), mapping=load_export_mapping("national-style"))


def test_the_page_lists_every_code_and_entry():
    page = (Path(__file__).resolve().parents[1] / "docs" / "export.md").read_text(encoding="utf-8")
    rows = [f"| {code} | {zh} | {en} |" for code, (zh, en) in CODES.items()]
    rows += [f"| `{entry}` | {zh} | {en} |" for entry, (zh, en) in ENTRIES.items()]
    missing = [row for row in rows if row not in page]
    assert missing == []
    assert set(re.findall(r"EXP\d{3}", page)) <= set(CODES)
