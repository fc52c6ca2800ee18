"""The township's workbook and the html report, opened again as a reader opens them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest

from returnrisk.errors import ContractViolation, NotEnoughDataError
from returnrisk.evaluation import Evaluation, evaluate
from returnrisk.fairness import measure_fairness
from returnrisk.reports.html_report import ReportContent, render
from returnrisk.reports.list_workbook import write_township_workbooks
from returnrisk.reports.small_counts import publish_make_up, publish_strata
from returnrisk.reports.summary import accuracy
from returnrisk.reports.texts import catalogue
from returnrisk.visits import VisitList, VisitSpec, select, strata

AS_OF = pd.Timestamp("2025-09-30")
TOWNSHIPS = ("河口镇", "青山乡", "白水镇", "云岭彝族乡")
HEADER_ROW = 5
SIXTEEN_DIGITS = 1e-15  # XlsxWriter writes numbers with as many
REASONS = (
    (
        "近12个月人均工资性收入 4 320 元，比上年同期少 38%（上年同期 6 968 元；记录日 2025-08-31）",
        "wage income per head over 12 months 4,320 CNY, 38% less than a year before (6,968; recorded 2025-08-31)",
        "外出务工人员近况、工资是否拖欠",
        "who works away now, unpaid wages",
    ),
    (
        "医保报销后自付医疗费 23 400 元，为上年全家收入的 61%（全县中位 4%；记录日 2025-07-15）",
        "medical cost after insurance 23,400 CNY, 61% of last year's income (county median 4%; recorded 2025-07-15)",
        "住院结算单、是否申请医疗救助",
        "hospital bills, whether medical aid was applied for",
    ),
    (
        "低保金自 2025 年 5 月起停发，此前每月 420 元（记录日 2025-05-20）",
        "minimum living allowance stopped in May 2025, before 420 CNY a month (recorded 2025-05-20)",
        "停发原因、渐退期是否落实",
        "why it stopped, whether the gradual exit was kept",
    ),
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def a_county(n: int = 1200, *, seed: int = 11) -> dict[str, pd.DataFrame]:
    """Scores, reasons, must-visit reasons, villages and identities of a county with four townships."""
    rng = np.random.default_rng(seed)
    villages = pd.DataFrame(
        [
            {
                "village_code": 530123100201 + 1000 * t + v,
                "village_name": f"{name[0]}{'大小上下'[v]}村",
                "township_code": 530123100 + t,
            }
            | {"township_name": name, "county_name": "示例县"}
            for t, name in enumerate(TOWNSHIPS)
            for v in range(4)
        ]
    )
    place = villages.iloc[rng.integers(0, len(villages), n)].reset_index(drop=True)
    ids = rng.choice(2**62, n, replace=False).astype("int64")
    scores = pd.DataFrame({"household_id": ids, "as_of": AS_OF, "village_code": place["village_code"]}).assign(
        township_code=place["township_code"],
        stratum=rng.choice(["at_risk", "below_line", "monitored", "not_computable"], n, p=[0.92, 0.012, 0.04, 0.028]),
        risk=rng.beta(0.6, 16, n),
    )
    long = [
        {"household_id": key, "position": place + 1, "text_zh": zh, "text_en": en, "verify_zh": check_zh, "verify_en": check_en}
        for key in ids
        for place, (zh, en, check_zh, check_en) in enumerate(REASONS)
    ]
    must = scores.loc[scores["stratum"] == "below_line", ["household_id"]].assign(
        position=1,
        text_zh="近12个月人均纯收入 7 150 元，已低于监测线 8 700 元",
        text_en="net income per head 7,150 CNY, already below the line of 8,700",
        verify_zh="近12个月各项收入",
        verify_en="all income of 12 months",
    )
    identity = pd.DataFrame({"household_id": ids}).assign(
        head_name=[f"户主{key % 99991}甲" for key in ids],
        phone=[f"0{key % 10**10:010d}" for key in ids],
        address=[f"{name}{key % 9 + 1}组{key % 120 + 1}号" for name, key in zip(place["village_name"], ids, strict=True)],
    )
    return {"scores": scores, "reasons": pd.DataFrame(long), "must": must, "villages": villages, "identity": identity}


def listed(county: dict[str, pd.DataFrame], *, per_township: int = 20) -> VisitList:
    return select(
        county["scores"],
        county["reasons"],
        spec=VisitSpec(per_township=per_township),
        villages=county["villages"],
        model_version="fall-12m/3",
        must_visit_reasons=county["must"],
    )


@pytest.fixture(scope="module")
def county() -> dict[str, pd.DataFrame]:
    return a_county()


@pytest.fixture(scope="module")
def visit_list(county) -> VisitList:
    return listed(county)


@pytest.fixture(scope="module")
def books(county, visit_list, tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("lists")
    return write_township_workbooks(visit_list.frame(), county["identity"], folder, horizon_months=12, make_up=visit_list.make_up())


def column(sheet, name: str) -> list:
    """Cells of the list under the header `name`, rows of households only."""
    heads = {str(cell.value).replace("\n", ""): cell.column for cell in sheet[HEADER_ROW]}
    n = sum(isinstance(sheet.cell(row, 1).value, int) for row in range(HEADER_ROW + 1, sheet.max_row + 1))
    return [sheet.cell(row, heads[name]) for row in range(HEADER_ROW + 1, HEADER_ROW + 1 + n)]


# ------------------------------------------------------------------------------------------------------------- the workbook


def test_one_workbook_per_township_with_its_own_households_only(books, visit_list, county) -> None:
    frame = visit_list.frame().merge(county["identity"], on="household_id")
    assert [path.name for path in books] == [f"走访名单_{530123100 + t}_2025-09-30.xlsx" for t in range(len(TOWNSHIPS))]
    for path, (_, own) in zip(books, frame.groupby("township_code"), strict=True):
        content = "".join(zipfile.ZipFile(path).read(name).decode() for name in zipfile.ZipFile(path).namelist())
        sheet = openpyxl.load_workbook(path).worksheets[0]
        assert [cell.value for cell in column(sheet, "户代码")] == own["pseudonym"].tolist()
        others = frame.loc[frame["township_code"] != own["township_code"].iloc[0]]
        for secret in (*others["pseudonym"], *others["phone"], *others["township_name"].unique()):
            assert secret not in content
        assert not any(str(key) in content for key in frame["household_id"])


def test_cells_are_text_where_digits_must_survive(books, visit_list, county) -> None:
    sheet = openpyxl.load_workbook(books[0]).worksheets[0]
    own = visit_list.frame().query("township_code == 530123100").merge(county["identity"], on="household_id", how="left")
    own = own.sort_values("rank")
    for name, values in (("电话", own["phone"]), ("户主姓名", own["head_name"]), ("住址", own["address"])):
        assert [cell.value for cell in column(sheet, name)] == values.tolist()
        assert {cell.data_type for cell in column(sheet, name)} == {"s"}
    assert column(sheet, "电话")[0].value.startswith("0")
    assert [cell.value for cell in column(sheet, "序号")] == own["rank"].tolist()


def test_must_visits_show_no_probability_and_the_others_their_risk(books, visit_list) -> None:
    sheet = openpyxl.load_workbook(books[0]).worksheets[0]
    own = visit_list.frame().query("township_code == 530123100")
    shown = [cell.value for cell in column(sheet, "返贫风险概率")]
    n_must = (own["kind"] == "must_visit").sum()
    assert shown[:n_must] == ["—"] * n_must != []
    assert shown[n_must:] == pytest.approx(own["risk"].tolist()[n_must:], rel=SIXTEEN_DIGITS)
    words = {"below_line": "已低于线", "high": "高", "medium": "中", "low": "低"}
    assert [cell.value for cell in column(sheet, "风险等级")] == own["tier"].map(words).tolist()
    kinds = [cell.value for path in books for cell in column(openpyxl.load_workbook(path).worksheets[0], "类别")]
    assert sum("收入资料不全" in kind for kind in kinds) == (~visit_list.frame()["computable"]).sum() > 0


def test_reasons_stand_numbered_and_say_what_to_verify(books) -> None:
    sheet = openpyxl.load_workbook(books[0]).worksheets[0]
    first = column(sheet, "走访理由")[0].value
    assert first.splitlines()[0].startswith("1. 近12个月人均纯收入 7 150 元，已低于监测线")
    assert len(first.splitlines()) == 3
    assert column(sheet, "核实要点")[0].value.startswith("近12个月各项收入；")
    assert column(sheet, "走访理由")[0].alignment.wrap_text


def test_sheet_is_set_up_for_paper_and_for_filling_in(books) -> None:
    sheet = openpyxl.load_workbook(books[0]).worksheets[0]
    assert sheet.title == "走访名单"
    assert sheet.freeze_panes == f"D{HEADER_ROW + 1}"
    assert sheet.print_title_rows == f"${HEADER_ROW}:${HEADER_ROW}"
    assert (sheet.page_setup.orientation, sheet.page_setup.paperSize, sheet.page_setup.fitToHeight) == ("landscape", 9, 0)
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert "&P" in sheet.oddFooter.center.text
    rules = {rule.type: rule for rule in sheet.data_validations.dataValidation}
    assert rules["list"].formula1 == '"情况属实,情况不实,已解决,未见到人,需再核实"'
    findings = column(sheet, "走访结果")
    assert str(rules["list"].sqref) == f"{findings[0].coordinate}:{findings[-1].coordinate}"
    assert rules["date"].showErrorMessage
    assert all(sheet.row_dimensions[cell.row].height >= 45 for cell in findings)


def test_the_list_says_that_it_decides_nothing_and_is_signed(books) -> None:
    sheet = openpyxl.load_workbook(books[0]).worksheets[0]
    texts = [str(row[0].value) for row in sheet.iter_rows(max_col=1) if row[0].value]
    assert any("不对任何人作任何认定" in words and "可以提出异议" in words for words in texts)
    assert "走访人（签字）" in texts[-1]
    assert "审核人（签字）" in texts[-1]


def test_english_sheet_has_the_same_order_and_no_identity(books, visit_list, county) -> None:
    sheet = openpyxl.load_workbook(books[1])["English list"]
    own = visit_list.frame().query("township_code == 530123101")
    rows = list(sheet.iter_rows(min_row=4, max_row=3 + len(own), values_only=True))
    assert [row[2] for row in rows] == own["pseudonym"].tolist()
    content = " ".join(str(value) for row in rows for value in row)
    identity = county["identity"].set_index("household_id").loc[own["household_id"]]
    assert not any(value in content for value in (*identity["phone"], *identity["head_name"], *identity["address"]))
    assert "decides nothing about anybody" in sheet.cell(2, 1).value


def test_notes_state_tiers_meaning_day_version_and_own_township(books, visit_list) -> None:
    sheet = openpyxl.load_workbook(books[2])["说明 Notes"]
    notes = "\n".join(f"{zh}|{en}" for zh, en in sheet.iter_rows(max_col=2, values_only=True) if zh)
    own = visit_list.make_up().set_index("area_code").loc[530123102]
    expected = [
        "高：概率 15.0% 及以上",
        "2025-09-30",
        "fall-12m/3",
        "12 个月内",
        f"未列入 {own['left_out']} 户",
        "nobody met",
        "不是政策规定",
    ]
    assert [words for words in expected if words not in notes] == []


def test_same_data_in_any_order_and_from_parquet_give_the_same_bytes(books, county, tmp_path) -> None:
    again = listed({name: frame.sample(frac=1, random_state=3) for name, frame in county.items()})
    read = pq.read_table(again.write_parquet(tmp_path / "list.parquet")).to_pandas().sample(frac=1, random_state=4)
    identity = county["identity"].sample(frac=1, random_state=5)
    second = write_township_workbooks(read, identity, tmp_path / "again", horizon_months=12, make_up=again.make_up())
    assert [path.read_bytes() for path in second] == [path.read_bytes() for path in books]


def test_no_clock_in_the_workbook(books) -> None:
    with zipfile.ZipFile(books[0]) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
        core = archive.read("docProps/core.xml").decode()
    assert set(re.findall(r"\d{4}-\d{2}-\d{2}T[0-9:]+Z", core)) == {"2025-09-30T00:00:00Z"}


@pytest.mark.parametrize("empty", [None, pd.DataFrame(columns=["household_id", "head_name", "phone", "address"])])
def test_without_identities_the_columns_are_blank_and_the_notes_say_so(visit_list, tmp_path, empty) -> None:
    path = write_township_workbooks(visit_list.frame(), empty, tmp_path, horizon_months=12)[0]
    book = openpyxl.load_workbook(path)
    assert {cell.value for cell in column(book.worksheets[0], "户主姓名")} == {None}
    notes = "".join(str(value) for row in book["说明 Notes"].iter_rows(values_only=True) for value in row)
    assert "20 户没有姓名、电话或住址记录" in notes


def test_hostile_texts_stay_text(visit_list, county, tmp_path) -> None:
    hostile = ["=1+1", "http://example.org", "0012", "a\x01b\x1fc\nd", "+86 138", "@cmd"]
    identity = county["identity"].assign(head_name=np.resize(hostile, len(county["identity"])))
    path = write_township_workbooks(visit_list.frame(), identity, tmp_path, horizon_months=12)[0]
    cells = column(openpyxl.load_workbook(path).worksheets[0], "户主姓名")
    assert {cell.value for cell in cells} <= {"=1+1", "http://example.org", "0012", "abc d", "+86 138", "@cmd"}
    with zipfile.ZipFile(path) as archive:
        sheet, everything = archive.read("xl/worksheets/sheet1.xml").decode(), archive.namelist()
    assert "<f>" not in sheet
    assert "<hyperlink" not in sheet
    assert not any("rels" in name and "sheet1" in name for name in everything)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: pd.concat([f, f.head(1)]), "1 listed households more than once"),
        (lambda f: f.assign(phone=13812345678), "phone holds a int; expected text"),
        (lambda f: f.drop(columns="address"), "no column address"),
        (lambda f: f.assign(address="长" * 40_000), "longer than the 32 767 characters"),
    ],
)
def test_identities_that_cannot_be_shown_whole_are_refused(visit_list, county, tmp_path, change, message) -> None:
    own = county["identity"].loc[county["identity"]["household_id"].isin(visit_list.frame()["household_id"])]
    with pytest.raises(ContractViolation, match=message):
        write_township_workbooks(visit_list.frame(), change(own), tmp_path, horizon_months=12)
    assert list(tmp_path.iterdir()) == []


def test_lists_that_cannot_be_meant_are_refused(visit_list, tmp_path) -> None:
    frame = visit_list.frame()
    with pytest.raises(NotEnoughDataError, match="empty"):
        write_township_workbooks(frame.head(0), None, tmp_path, horizon_months=12)
    for wrong in (
        frame.assign(model_version=["a"] + ["b"] * (len(frame) - 1)),
        pd.concat([frame, frame.head(1)]),
        frame.drop(columns="risk"),
    ):
        with pytest.raises(ContractViolation):
            write_township_workbooks(wrong, None, tmp_path, horizon_months=12)


def test_a_disk_that_takes_no_more_leaves_the_old_list_and_nothing_else(visit_list, county, tmp_path) -> None:
    resource = pytest.importorskip("resource", reason="file size limits exist on POSIX systems only")
    path = write_township_workbooks(visit_list.frame(), None, tmp_path, horizon_months=12)[0]
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_township_workbooks(visit_list.frame(), county["identity"], tmp_path, horizon_months=12)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == before
    assert path in before


# --------------------------------------------------------------------------------------------------------------- the report


def predictions(villages: pd.DataFrame, *, n: int = 4000, seed: int = 3) -> pd.DataFrame:
    """Outcomes from a known risk, and three scores that see it more and less clearly."""
    rng = np.random.default_rng(seed)
    latent, noise = rng.normal(size=(2, n))

    def probability(logit: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-logit))

    return pd.DataFrame(
        {
            "village_code": villages["village_code"].to_numpy()[rng.integers(0, len(villages), n)],
            "y": (rng.random(n) < probability(-4.2 + 1.5 * latent)).astype(int),
            "p_model": probability(-4 + 1.3 * (0.9 * latent + 0.3 * noise)),
            "p_logistic": probability(-4 + 1.1 * (0.8 * latent + 0.6 * noise)),
            "p_income": probability(-3.9 + 0.9 * (0.5 * latent + 0.9 * noise)),
        }
    )


def coverage() -> pd.DataFrame:
    """Ten tables, one of which never arrived."""
    names = {
        "village": "行政村",
        "household": "农户",
        "member": "家庭成员",
        "income": "收入",
        "medical": "医疗费用",
        "subsidy": "补贴",
    }
    frame = pd.DataFrame({"table_name": list(names), "zh": list(names.values())})
    frame = frame.assign(n_rows=980, n_files=2, n_input=1000, n_accepted=985, n_duplicate=10, n_quarantined=5)
    frame = frame.assign(
        first_period=dt.date(2021, 10, 31), last_period=dt.date(2025, 8, 31), delivered_share=[1, 1, 1, 0.75, 1, 1]
    )
    missing = {"table_name": "support", "zh": "帮扶措施", "delivered_share": 0.0} | dict.fromkeys(
        ("n_rows", "n_files", "n_input", "n_accepted", "n_duplicate", "n_quarantined"), 0
    )
    return pd.concat([frame, pd.DataFrame([missing])], ignore_index=True)


def apart(made: Evaluation) -> pd.DataFrame:
    return pd.concat([made.frame().assign(population=name) for name in ("relapse", "entry")], ignore_index=True)


@pytest.fixture(scope="module")
def content(county, visit_list) -> ReportContent:
    made = evaluate(
        predictions(county["villages"]),
        score_columns={"model": "p_model", "logistic": "p_logistic", "income": "p_income"},
        capacity=0.1,
        n_bootstrap=100,
    )
    return ReportContent(
        as_of=dt.date(2025, 9, 30),
        area="示例县",
        model_version="fall-12m/3",
        horizon_months=12,
        at_end=False,
        evaluated_from=dt.date(2024, 6, 30),
        evaluated_until=dt.date(2024, 9, 30),
        capacity=0.1,
        level=made.level,
        strata=strata(county["scores"]),
        make_up=visit_list.make_up(),
        coverage=coverage(),
        metrics=made.frame(),
        populations=apart(made),
        differences=made.differences("income"),
        calibration_curve=made.calibration_curve,
        lift_curve=made.lift_curve,
        synthetic=True,
    )


@pytest.fixture(scope="module")
def page(content, tmp_path_factory) -> Path:
    return render(content, tmp_path_factory.mktemp("报告") / "report.html")


def test_falls_reached_in_time_are_told_with_their_lists_and_lead(content, tmp_path) -> None:
    columns = ("score", "reached", "reached_low", "reached_high", "missed", "missed_low", "missed_high", "reached_per_100")
    apart = ("difference", "difference_low", "difference_high")
    rows = [
        dict(zip((*columns, *apart), ("model", 0.62, 0.5, 0.7, 0.38, 0.3, 0.5, 7.25, np.nan, np.nan, np.nan), strict=True)),
        dict(zip((*columns, *apart), ("income", 0.4, 0.3, 0.5, 0.6, 0.5, 0.7, 4.5, 0.22, 0.1, 0.3), strict=True)),
    ]
    reached = pd.DataFrame(rows).assign(lead_days=30, n_falls=1204, n_lists=4, n_named=960)
    made = render(dataclasses.replace(content, reached=reached), tmp_path / "report.html")
    html = without_library(made)
    assert "1,204 户中，4 份名单至少提前 30 天点到 62.0% (50.0%–70.0%)，漏访率 38.0% (30.0%–50.0%)" in html
    assert (
        "named 62.0% (50.0%–70.0%) at least 30 days before: a missed-visit rate of 38.0% (30.0%–50.0%); by income alone 60.0%"
        in html
    )
    table = html.split(catalogue()["table.reached"].zh)[-1].split("</table>")[0]
    for shown in ("38.0%", "30.0% – 50.0%", "60.0%", "+22.0 pp (+10.0 ~ +30.0)", "960", "7.2", "4.5"):
        assert shown in table, shown
    assert pd.read_parquet(made.parent / "report_data" / "reached.parquet")["missed"].tolist() == [0.38, 0.6]
    assert catalogue()["table.reached"].zh not in without_library(render(content, tmp_path / "without.html"))


def test_who_is_missed_more_is_told_group_by_group_and_small_groups_are_not(content, county, tmp_path) -> None:
    rows = predictions(county["villages"])
    rng = np.random.default_rng(0)
    old = rng.random(len(rows)) < 0.4
    fell = rows["y"] == 1
    rows = rows.assign(
        household_id=np.arange(len(rows)), as_of=AS_OF, on_list=rng.random(len(rows)) < np.where(fell, np.where(old, 0.1, 0.7), 0.1)
    )
    groups = pd.DataFrame({"all_old": np.where(old, "yes", "no"), "head_sex": "male"})
    groups.loc[:2, "head_sex"] = "female"
    table = measure_fairness(rows, groups, selected="on_list", n_bootstrap=60)
    made = render(dataclasses.replace(content, fairness=table), tmp_path / "report.html")
    html = without_library(made).split(f"{catalogue()['table.fairness'].zh}</span>")[-1].split("</section>")[0]
    yes = table.query("grouping == 'all_old' and group == 'yes' and grouping_2 == ''").iloc[0]
    shown = [
        f"{yes['n']:,}",
        f"{yes['recall']:.1%}",
        f"{yes['recall_low']:.1%} – {yes['recall_high']:.1%}",
        "漏得更多（校正后成立）",
    ]
    shown += ["全家60岁以上：是", "all members aged 60 and over: yes", "不公布", "误报一个的可能不超过 5%"]
    assert [words for words in shown if words not in html] == []
    saved = pd.read_parquet(made.parent / "report_data" / "fairness.parquet")
    shuffled = dataclasses.replace(content, fairness=table.sample(frac=1, random_state=2))
    assert render(shuffled, tmp_path / "again" / "report.html").read_bytes() == made.read_bytes()
    assert saved["grouping"].drop_duplicates().tolist() == ["all", "head_sex", "all_old"]
    assert saved.query("grouping == 'head_sex'")["n"].isna().all()
    assert saved.query("grouping == 'all_old'")["claimed"].tolist() == [True, False]
    assert catalogue()["table.fairness"].zh not in without_library(render(content, tmp_path / "without.html"))


def without_library(page: Path) -> str:
    """The page without the drawing library, which is the longest script by far."""
    html = page.read_text(encoding="utf-8")
    return html.replace(max(re.findall(r"<script>.*?</script>", html, flags=re.DOTALL), key=len), "")


def test_page_shows_figures_with_n_base_rate_and_interval(page, content) -> None:
    html = without_library(page)
    auc = content.metrics.query("metric == 'auc' and score == 'model'").iloc[0]
    shown = [
        f"{auc['value']:.3f}",
        f"{auc['low']:.3f}–{auc['high']:.3f}",
        f"{auc['n']:,}",
        f"{auc['n_events']:,}",
        f"{auc['base_rate']:.2%}",
    ]
    assert [words for words in shown if words not in html] == []
    assert html.count("<table>") == 8
    for row in re.findall(r"<tr>(.*?)</tr>", html.split('id="accuracy"')[1].split("<details>")[0], flags=re.DOTALL):
        if "<td" in row:
            assert f"<td>{auc['n']:,}</td>" in row
            assert f"<td>{auc['base_rate']:.2%}</td>" in row


def test_every_section_and_the_limits_are_there_in_both_languages(page) -> None:
    html = without_library(page)
    texts = catalogue()
    for key in texts:
        if key.startswith(("section.", "limits.")):
            assert texts[key].zh in html, key
    assert "Help hides risk" in html
    assert "线索，不是认定" in html
    assert "模拟数据" in html
    assert re.search(r'<tr class="missing">.*帮扶措施.*未送达', html)


def test_no_household_appears_in_the_page_or_beside_it(page, county, visit_list) -> None:
    html = page.read_text(encoding="utf-8")
    frames = {path.stem: pd.read_parquet(path) for path in page.parent.joinpath("report_data").iterdir()}
    assert set(frames) == {
        "strata",
        "make_up",
        "coverage",
        "metrics",
        "populations",
        "differences",
        "calibration_curve",
        "lift_curve",
    }
    everything = html + "".join(frame.to_csv() for frame in frames.values())
    rows = visit_list.frame()
    personal = (
        *rows["pseudonym"],
        *map(str, county["scores"]["household_id"]),
        *county["identity"]["phone"],
        *county["identity"]["head_name"],
    )
    assert not [value for value in personal if value in everything]
    assert not any(name in html for name in county["villages"]["village_name"])


def test_same_content_in_any_order_gives_the_same_bytes(page, content, tmp_path) -> None:
    frames = {
        f.name: getattr(content, f.name) for f in dataclasses.fields(content) if isinstance(getattr(content, f.name), pd.DataFrame)
    }
    shuffled = {name: frame.sample(frac=1, random_state=place) for place, (name, frame) in enumerate(frames.items())}
    again = render(dataclasses.replace(content, **shuffled), tmp_path / "report.html")
    assert again.read_bytes() == page.read_bytes()
    for path in page.parent.joinpath("report_data").iterdir():
        assert path.read_bytes() == tmp_path.joinpath("report_data", path.name).read_bytes(), path.name


def test_no_address_but_names_of_standards(page) -> None:
    html = page.read_text(encoding="utf-8")
    hosts = set(re.findall(r"https?://([^/\"'`\s<>)]+)", html))
    assert hosts <= {"www.w3.org", "vega.github.io", "github.com"}, hosts
    assert not re.search(r"<(?:link|img|iframe|script[^>]+src)", without_library(page))
    assert "default-src 'none'" in html


def test_names_from_data_cannot_become_markup(content, tmp_path) -> None:
    hostile = "</script><script>alert(1)</script>"
    make_up = content.make_up.assign(area_name=hostile)
    html = without_library(render(dataclasses.replace(content, make_up=make_up, area=hostile), tmp_path / "report.html"))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def small(counts: list[int], *, at_risk: int = 500) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make-up and strata of a county whose townships have so many must-visits, all with 40 listed."""
    towns = pd.DataFrame({"level": "township", "area_code": 530123100 + np.arange(len(counts)), "must_visit": counts, "listed": 40})
    towns = towns.assign(model=towns["listed"] - towns["must_visit"], random=0, over_capacity=0)
    total = towns[["must_visit", "listed", "model", "random", "over_capacity"]].sum()
    made = pd.concat([towns, pd.DataFrame([{"level": "county", "area_code": 530123} | total.to_dict()])], ignore_index=True)
    strata_ = pd.DataFrame(
        {"stratum": ["at_risk", "below_line"], "households": [at_risk - sum(counts), sum(counts)], "expected_falls": [9.0, None]}
    )
    return made, strata_


def test_small_counts_cannot_be_told_apart_from_what_is_published() -> None:
    published = []
    for counts in ([1, 0, 7, 40], [4, 0, 7, 40], [2, 0, 7, 40]):
        make_up, strata_ = small(counts)
        shown = publish_make_up(make_up)
        published.append(shown.to_csv() + publish_strata(strata_, shown).to_csv())
    assert len(set(published)) == 1
    exact, _ = small([0, 5, 7, 40])
    shown = publish_make_up(exact)
    assert (shown["must_visit_low"] == exact["must_visit"]).all()
    assert (shown["must_visit_high"] == exact["must_visit"]).all()


def test_ranges_hold_the_truth_and_add_up() -> None:
    make_up, strata_ = small([3, 1, 9, 0])
    shown = publish_make_up(make_up)
    for name in ("must_visit", "model"):
        assert make_up[name].between(shown[f"{name}_low"], shown[f"{name}_high"]).all()
    assert shown.query("level == 'county'")[["must_visit_low", "must_visit_high"]].values.tolist() == [[11, 17]]
    counted = publish_strata(strata_, shown)
    assert strata_["households"].between(counted["households_low"], counted["households_high"]).all()


def test_page_hides_small_counts(page, visit_list) -> None:
    towns = visit_list.make_up().query("level == 'township'")
    assert towns["must_visit"].between(1, 4).any(), "the county of these tests has no small count to hide"
    html = without_library(page)
    for town in towns.to_dict("records"):
        row = re.search(rf'<th scope="row">{town["area_name"]}</th>(.*?)</tr>', html, flags=re.DOTALL).group(1)
        hidden = 1 <= town["must_visit"] <= 4
        must, model = re.findall("<td>(.*?)</td>", row)[2:4]
        assert (must == "&lt;5") == hidden
        assert (model == str(town["model"])) == (not hidden)


@pytest.mark.parametrize(
    ("low", "high", "words"), [(0.01, 0.1, "高于只看收入"), (-0.1, -0.01, "不应使用"), (-0.02, 0.1, "分不出高下")]
)
def test_words_claim_no_more_than_the_interval_allows(content, low, high, words) -> None:
    frames = {
        "metrics": content.metrics,
        "differences": content.differences.assign(difference=(low + high) / 2, low=low, high=high),
    }
    assert words in "".join(said.zh for said in accuracy(frames, content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: {"metrics": c.metrics.assign(n=range(len(c.metrics)))}, "measured on different households"),
        (lambda c: {"coverage": c.coverage.assign(n_accepted=1)}, "not the sum of accepted"),
        (lambda c: {"strata": c.strata.assign(household_id=1)}, "never shows single households"),
        (lambda c: {"make_up": pd.concat([c.make_up, c.make_up])}, "make_up repeats"),
        (lambda c: {"lift_curve": c.lift_curve.drop(columns="recall")}, "lift_curve has no column recall"),
    ],
)
def test_content_that_would_mislead_is_refused(content, tmp_path, change, message) -> None:
    with pytest.raises(ContractViolation, match=message):
        render(dataclasses.replace(content, **change(content)), tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_at_end_is_said_as_such(content, tmp_path) -> None:
    html = without_library(render(dataclasses.replace(content, at_end=True, synthetic=False), tmp_path / "report.html"))
    assert "满 12 个月时" in html
    assert "12 个月内至少有一个结算日" not in html
    assert "模拟数据" not in html


def test_texts_fit_their_uses_in_both_languages() -> None:
    for key, found in catalogue().items():
        assert found.zh.strip(), key
        assert found.en.strip(), key
        fields = [set(re.findall(r"{(\w+)}", words)) for words in (found.zh, found.en)]
        assert fields[0] == fields[1], key


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; the page was not opened in a browser")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"])
        yield opened
        opened.close()


@pytest.mark.parametrize("width", [1200, 390])
def test_page_opens_offline_draws_and_switches_language(browser, page, width) -> None:
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900})
    tab = context.new_page()
    complaints, requests = [], []
    tab.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(page.as_uri())
    tab.wait_for_function("document.querySelectorAll('[data-drawn=yes]').length === 3")
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert tab.locator(".drawing svg").count() == 3
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert "只看收入" in tab.locator("#drawing-calibration").text_content()
    assert "优先走访名单报告" in tab.locator("h1").inner_text()
    tab.locator("input[name=language][value=both]").focus()
    tab.keyboard.press("ArrowRight")
    assert "Priority visit list" not in tab.locator("h1").inner_text()
    tab.keyboard.press("ArrowRight")
    assert "优先走访" not in tab.locator("h1").inner_text()
    tab.emulate_media(media="print")
    assert {"优先走访名单报告", "Priority visit list: report"} <= set(tab.locator("h1 span").all_inner_texts())
    context.close()
