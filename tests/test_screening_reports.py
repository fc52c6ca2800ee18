"""The screening's workbooks and page, opened again as an officer opens them; figures are worked by hand."""

from __future__ import annotations

import dataclasses
import datetime as dt
import zipfile
from decimal import Decimal
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from returnrisk.errors import ContractViolation
from returnrisk.policy import load_policy
from returnrisk.reports.screening_page import render_screening_page
from returnrisk.reports.screening_workbook import write_alert_workbooks, write_county_workbook, write_township_workbooks
from returnrisk.screening import AlertsSince, AlertYield, IncomeScreening, Screening
from returnrisk.screening.cause_catalogue import CAUSES
from returnrisk.screening.comparison_months import Comparison
from returnrisk.store.pseudonyms import pseudonym_text

DAY = dt.date(2025, 7, 28)
COUNTY, RIVER, HILL = 530123, 530123100, 530123101
VILLAGES = pd.DataFrame(
    {
        "village_code": [530123100201, 530123100202, 530123101201],
        "village_name": ["=1+1村", "小\x07田\n村", "山后村"],
        "township_code": [RIVER, RIVER, HILL],
        "township_name": ["河口&镇", "河口&镇", "青山乡"],
        "county_name": "示例县",
    }
)
WHERE = {11: 530123100201, 12: 530123100201, 13: 530123100202, 21: 530123101201}
POLICY = load_policy("national")
# household: last year, same period last and this year, projected, verdict of the projected year, gap to the target, gap to the line
INCOME = {
    11: ("40000.00", "30000.00", "20000.00", "28000.50", "fall", "15999.50", 1200.0),
    12: ("30000.00", "20000.00", "26000.00", "39000.00", "rise", "0.00", 0.0),
    13: ("9000.00", None, None, None, "unknown", None, None),
    21: ("50000.00", "40000.00", "30000.00", "36000.00", "fall", "19000.00", 0.0),
}
SOURCES = ("operating", "wage", "property", "transfer")
CHANGES = {
    11: ("-12000.50", "0.00", "1.00", "0.00"),
    12: ("-500.00", "9500.00", "0.00", "0.00"),
    13: (None, None, None, None),
    21: ("0.00", "-14000.00", "0.00", "0.00"),
}
FELL = {  # household: cause, text, explained
    11: [("disaster", "2025-05-01受灾（旱灾）；同期减少9000.00元", "9000.00"), ("support_not_delivered", "产业帮扶措施登记于2025-01-02，主管部门至今未落实", None)],
    12: [("farming_shrank", "种养业收入同期减少；同期减少500.00元", "500.00")],
    21: [("job_lost", "家庭成员2025-03-01离开省外务工岗位；同期减少14000.00元", "14000.00")],
}  # fmt: skip
ALERTS = (  # id, rule, title, household, office, channel, records, evidence, state, due
    ("a1", "housing_missing", "住房安全无保障", 11, "住建局", "department", "household:household_id=11", "住房安全：无保障", "open", dt.date(2025, 7, 1)),
    ("a2", "complaint", "信访、热线或舆情反映", 11, "乡村振兴局", "complaint", "signal:signal_id=1", "群众反映", "visited", dt.date(2025, 8, 1)),
    ("a3", "self_application", "农户自主申报", 13, "乡村振兴局", "self_report", "signal:signal_id=2", "自报", "open", dt.date(2025, 8, 2)),
    ("a4", "housing_missing", "住房安全无保障", 21, "住建局", "department", "household:household_id=21", "住房安全：无保障", "verified_risk", dt.date(2025, 8, 3)),
    ("a5", "housing_missing", "住房安全无保障", 12, "住建局", "department", "household:household_id=12", "住房安全：无保障", "closed", dt.date(2025, 8, 4)),
)  # fmt: skip


def money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def an_income(*, anybody_fell: bool = True) -> IncomeScreening:
    keys = ("last_cny", "same_last_cny", "same_this_cny", "projected_cny", "verdict", "gap_target_cny", "gap_line_head_cny")
    totals, changes, causes, measures = [], [], [], []
    for home, values in INCOME.items():
        row = dict(zip(keys, values, strict=True)) | {"household_id": home, "village_code": WHERE[home], "n_members": 3}
        row |= {key: money(row[key]) for key in keys if key not in ("verdict", "gap_line_head_cny")}
        row |= {"township_code": WHERE[home] // 1000, "registered_type": "ex_poor", "monitored": home == 13}
        change = None if row["projected_cny"] is None else row["projected_cny"] - row["last_cny"]
        row |= {"change_cny": change, "change_share": None if change is None else float(change / row["last_cny"])}
        row["verdict"] = row["verdict"] if anybody_fell or row["verdict"] != "fall" else "level"
        totals.append(row)
        for source, cny in zip(SOURCES, CHANGES[home], strict=True):
            changes.append({"household_id": home, "source": source, "change_cny": money(cny)})
        for cause, said, explained in FELL.get(home, []) if anybody_fell else []:
            number = next(c.number for c in CAUSES if c.code == cause)
            key = {"household_id": home, "cause": cause, "number": number}
            causes.append(key | {"text_zh": said, "explained_cny": money(explained)})
            measures += [key | {"measure": m, "text_zh": m} for m in ("技能培训", "岗位推荐")]
    named = {"household_id": pa.int64(), "cause": pa.string(), "number": pa.int64(), "text_zh": pa.string()}
    return IncomeScreening(
        day=DAY,
        comparison=Comparison.ending(dt.date(2025, 9, 30), closed_on=dt.date(2025, 5, 31)),
        totals=pa.Table.from_pylist(totals),
        changes=pa.Table.from_pylist(changes),
        causes=pa.Table.from_pylist(causes, schema=pa.schema(named | {"explained_cny": pa.decimal128(18, 2)})),
        measures=pa.Table.from_pylist(measures, schema=pa.schema(named | {"measure": pa.string()})),
    )


def the_alerts() -> pd.DataFrame:
    names = ("alert_id", "rule", "title_zh", "household_id", "office", "channel", "records", "evidence_zh", "state", "due_on")
    t = pd.DataFrame([dict(zip(names, alert, strict=True)) for alert in ALERTS])
    village = t["household_id"].map(WHERE)
    return t.assign(
        village_code=village,
        township_code=village // 1000,
        raised_on=dt.date(2025, 6, 1),
        must_visit=True,
        is_new=True,
        title_en=t["rule"],
        evidence_en=t["evidence_zh"],
        cause="illness",
        value=1.0,
        threshold=1.0,
    )


def a_screening(*, anybody_fell: bool = True) -> Screening:
    row = {"rule": "*", "n_households": 200, "n_verified_risk": 30, "n_unregistered": 150, "n_registered": 15}
    row |= {"share_verified_risk": 0.15, "low_verified_risk": 0.107, "high_verified_risk": 0.206}
    row |= {"share_registered": 0.1, "low_registered": 0.061, "high_registered": 0.158}
    one = row | {"rule": "housing_missing", "n_households": 40, "n_verified_risk": 10, "share_verified_risk": 0.25}
    inputs = pd.DataFrame(
        {"code": ["SCR101", "SCR102"], "zh": ["户内无成员", "一户两名户主"], "en": ["a", "b"], "result": ["fine", "problem"]}
    ).assign(n_households=[0, 2], n_rows=[0, 4], sets_aside=True)
    aside = pa.table({"household_id": [98, 99], "code": ["SCR102"] * 2, "n_rows": [2, 2], "sets_aside": [True, True]})
    return Screening(
        day=DAY,
        pack="national",
        households=pa.table({"household_id": list(WHERE)}),
        categories=pa.table({"household_id": [11]}),
        elimination=pa.table({"household_id": [13]}),
        checks=pa.table({"household_id": [13]}),
        check_counts=pd.DataFrame(),
        input_problems=aside,
        input_counts=inputs,
        alerts=the_alerts(),
        rules=pd.DataFrame(),
        alert_yield=AlertYield("预警转化率", "yield", "households", ("2025-04", "2025-05"), DAY, 0.95, pd.DataFrame([row, one])),
        income=an_income(anybody_fell=anybody_fell),
    )


@dataclasses.dataclass(frozen=True)
class HandRollUp:
    """A roll-up added up by the test, level by level."""

    areas: pd.DataFrame
    causes: pd.DataFrame
    alerts: pd.DataFrame
    categories: pd.DataFrame
    elimination: pd.DataFrame
    checks: pd.DataFrame
    coverage: pd.DataFrame
    veto: pd.DataFrame
    day: dt.date = DAY
    pack: str = "national"
    county_code: int = COUNTY
    county_name: str = "示例县"
    smallest_cell: int = 10
    n_unplaced: int = 1


def places() -> pd.DataFrame:
    rows = [("county", COUNTY, 0, "示例县"), ("township", RIVER, COUNTY, "河口&镇"), ("township", HILL, COUNTY, "青山乡")]
    rows += [("village", v, v // 1000, name) for v, name in zip(VILLAGES["village_code"], VILLAGES["village_name"], strict=True)]
    return pd.DataFrame(rows, columns=["level", "area_code", "parent_code", "area_zh"])


def added(by_village: dict[str, tuple[object, object, object]]) -> pd.DataFrame:
    """Values of the three villages, and their sums above."""
    found = {}
    for name, (a, b, c) in by_village.items():
        found[name] = [a + b + c, a + b, c, a, b, c]
    return places().assign(**found)


def a_rollup(*, anybody_fell: bool = True) -> HandRollUp:
    none = (Decimal(0),) * 3
    on = (1, 0, 1) if anybody_fell else (0, 0, 0)
    areas = added(
        {
            "n_households": (1200, 34, 500), "n_monitored": (0, 1, 0), "n_monitored_unknown": (0, 2, 0), "n_set_aside": (1, 0, 0), "n_screened": (2, 1, 1), "n_fall": on,
            "n_level": (0, 0, 0), "n_rise": (1, 0, 0), "n_unknown": (0, 1, 0), "n_same_fall": on, "n_same_judged": (2, 0, 1),
            "same_last_cny": (Decimal("50000.00"), Decimal(0), Decimal("40000.00")),
            "same_this_cny": (Decimal("46000.00"), Decimal(0), Decimal("30000.00")),
            "fall_same_last_cny": none, "fall_same_this_cny": none, "last_cny": none, "projected_cny": none, "n_below_target": on,
            "gap_target_cny": (Decimal("15999.50"), Decimal(0), Decimal("19000.00")), "n_below_line": (1, 0, 0),
            "n_fall_operating": (2, 0, 0), "n_fall_wage": (0, 0, 1), "n_fall_property": (0, 0, 0), "n_fall_transfer": (0, 0, 0),
            "n_alerts": (2, 1, 1), "n_new_alerts": (2, 1, 1), "n_overdue": (1, 0, 0), "n_alerted": (1, 1, 1), "n_must_visit": (1, 1, 0),
        }
    )  # fmt: skip
    judged = (areas["n_screened"] - areas["n_unknown"]).astype(float)
    areas = areas.assign(
        fall_share=areas["n_fall"] / judged.where(judged > 0),
        same_fall_share=areas["n_same_fall"] / areas["n_same_judged"].where(areas["n_same_judged"] > 0),
        same_change_share=[-14 / 90, -0.08, -0.25, -0.08, float("nan"), -0.25],
        fall_same_change_share=float("nan"),
        change_share=float("nan"),
    )
    falls = {"disaster": (1, 0, 0), "support_not_delivered": (1, 0, 0), "farming_shrank": (1, 0, 0), "job_lost": (0, 0, 1)}
    cny = {"disaster": "9000", "farming_shrank": "500"}
    causes = []
    for c in CAUSES:
        n = falls.get(c.code, (0, 0, 0)) if anybody_fell else (0, 0, 0)
        t = added({"n_households": n, "n_fall_any": (2, 0, 1) if anybody_fell else (0, 0, 0)})
        amount = Decimal(cny.get(c.code, "0"))
        t = t.assign(number=c.number, cause=c.code, cause_zh=c.zh, cause_en=c.en, explained_cny=[amount, amount, 0, amount, 0, 0])
        causes.append(t.assign(share=t["n_households"] / t["n_fall_any"].where(t["n_fall_any"] > 0)))
    alerts = []
    for rule, title, office, channel, n, shut in (
        ("complaint", "信访、热线或舆情反映", "乡村振兴局", "complaint", (1, 0, 0), 0),
        ("housing_missing", "住房安全无保障", "住建局", "department", (2, 0, 1), 1),
        ("self_application", "农户自主申报", "乡村振兴局", "self_report", (0, 1, 0), 0),
    ):
        zero = dict.fromkeys(("n_open", "n_visited", "n_verified_risk", "n_verified_none", "n_overdue"), (0, 0, 0))
        t = added({"n_alerts": n, "n_households": n, "n_new": n, **zero, "n_closed": (shut, 0, 0)})
        alerts.append(t.assign(rule=rule, title_zh=title, title_en=rule, office=office, channel=channel))
    categories = added({"n_yes": (3, 0, 12), "n_no": (1190, 34, 480), "n_cannot_tell": (7, 0, 8)}).assign(
        category="dibao", zh="低保", en="dibao"
    )
    elimination = added({"n_households": (0, 1, 0)}).assign(state="continue", zh="继续帮扶", en="help goes on")
    checks = added({"n_problem": (0, 1, 0), "n_fine": (0, 0, 0), "n_cannot_tell": (0, 0, 0)}).assign(
        code="SCR006", zh="无帮扶措施", en="none"
    )
    coverage = added(
        {
            "n_households": (1200, 34, 500),
            "arrived_income": (1200, 34, 0),
            "n_without_any": (0, 0, 500),
            "n_without_income": (0, 0, 500),
        }
    )
    coverage = coverage.assign(share_without_any=coverage["n_without_any"] / coverage["n_households"], n_sources_mean=1.0)
    veto = pd.DataFrame(
        {"township_code": [RIVER, HILL], "township_zh": ["河口&镇", "青山乡"], "n_fall": [7, 1], "n_office_cause": [1, 0]}
    )
    veto = veto.assign(n_verified=0, veto_households=5, reaches=[True, False], reaches_office=False)
    return HandRollUp(areas, by_area(causes), by_area(alerts), categories, elimination, checks, coverage, veto)


def by_area(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Area by area, each with every code."""
    return (
        pd.concat([p.assign(place=range(6)) for p in parts])
        .sort_values("place", kind="stable")
        .drop(columns="place")
        .reset_index(drop=True)
    )


IDENTITY = pd.DataFrame({"household_id": [11, 12, 21], "head_name": ["张\x01三", "李四", "王五"], "phone": "1", "address": "x"})


def county_book(folder: Path, **kinds: bool) -> tuple[Path, openpyxl.Workbook]:
    path = write_county_workbook(a_rollup(**kinds), folder, screening=a_screening(**kinds), policy=POLICY)
    return path, openpyxl.load_workbook(path)


def township_books(folder: Path, identity: pd.DataFrame | None = IDENTITY, **kinds: bool) -> dict[int, openpyxl.Workbook]:
    paths = write_township_workbooks(
        a_rollup(**kinds), folder, screening=a_screening(**kinds), policy=POLICY, villages=VILLAGES, identity=identity
    )
    assert [p.name for p in paths] == [f"减收排查_{code}_2025-07-28.xlsx" for code in (RIVER, HILL)]
    return {code: openpyxl.load_workbook(path) for code, path in zip((RIVER, HILL), paths, strict=True)}


def rows_of(sheet: object) -> list[tuple[object, ...]]:
    return list(sheet.iter_rows(values_only=True))


def row_with(sheet: object, first: str, *, at: int = 0) -> tuple[object, ...]:
    """The row whose cell `at` is this text, from that cell on."""
    return next(row[at:] for row in rows_of(sheet) if row[at] == first)


def everything(book: openpyxl.Workbook) -> str:
    said = [str(c) for sheet in book for row in rows_of(sheet) for c in row if c is not None]
    heads = [f"{s.title}{s.oddHeader.left.text}{s.oddFooter.left.text}{s.oddFooter.right.text}" for s in book]
    return "\n".join([*said, *heads])


def heads_of(sheet: object, first: str = "序号") -> list[str]:
    row = next(row for row in rows_of(sheet) if row[0] == first)
    return [str(c).replace("\n", "") for c in row]


def test_the_county_page_shows_the_figures_worked_by_hand(tmp_path):
    path, book = county_book(tmp_path)
    assert path.name == "减收排查_530123_2025-07-28.xlsx"
    sheet = book["县表"]
    assert row_with(sheet, "在册户数（规则筛查）")[1] == 1734
    assert row_with(sheet, "数据有误、搁置未查")[1] == 2  # one placed, one of unknown village
    fall = row_with(sheet, "预计全年减收（占可判断户）")
    assert fall[1] == 2
    assert fall[2] == pytest.approx(2 / 3)  # four screened, one unknown
    change = row_with(sheet, "本年同期收入（元）及增减")
    assert change[1:3] == (76000, pytest.approx(-14 / 90))
    assert row_with(sheet, "距增收目标缺口（元）")[1] == pytest.approx(34999.50)
    assert row_with(sheet, "8 种养业受灾", at=4)[:4] == ("8 种养业受灾", 1, pytest.approx(1 / 3), 9000)
    assert row_with(sheet, "9 帮扶措施未落实（部门责任）", at=4)[:4] == (
        "9 帮扶措施未落实（部门责任）",
        1,
        pytest.approx(1 / 3),
        "—",
    )  # amount unknown
    assert row_with(sheet, "有一项或多项收入减少的户", at=4)[1] == 3
    assert row_with(sheet, "住房安全无保障", at=9)[1] == 2  # three, one of them closed
    assert row_with(sheet, "核实有风险（占预警户）", at=4)[:3] == ("核实有风险（占预警户）", 30, 0.15)
    assert row_with(sheet, "低保", at=9)[:4] == ("低保", 15, 1704, 15)


def test_totals_are_the_rows_of_the_level_above(tmp_path):
    _, book = county_book(tmp_path)
    towns, villages = book["乡镇表"], book["村表"]
    at = heads_of(towns).index("在册户数")
    assert [(r[1], r[at]) for r in rows_of(towns) if r[at] in (1234, 500, 1734)] == [
        ("河口&镇", 1234),
        ("青山乡", 500),
        ("示例县合计", 1734),
    ]
    at = heads_of(villages).index("在册户数")
    found = [(r[0], r[1], r[2], r[at]) for r in rows_of(villages) if isinstance(r[at], int)]
    assert found == [
        (1, "河口&镇", "=1+1村", 1200),
        (2, "河口&镇", "小田 村", 34),
        (None, "河口&镇小计", None, 1234),
        (3, "青山乡", "山后村", 500),
        (None, "青山乡小计", None, 500),
        (None, "示例县合计", None, 1734),
    ]


def test_county_sheets_by_cause_rule_coverage_and_checks(tmp_path):
    _, book = county_book(tmp_path)
    causes = row_with(book["减收原因"], "示例县合计", at=1)
    assert causes[2:6] == (3, 1, pytest.approx(1 / 3), 1)  # with a fall; cause 1, its share; cause 2
    alerts = book["预警"]
    rule = row_with(alerts, "住房安全无保障")
    assert rule[1:5] == ("住建局", "部门比对", 3, 3)
    assert rule[12:16] == (40, 10, 0.25, "10.7%–20.6%")
    assert row_with(alerts, "农户自主申报")[12] == "—"  # no alert of this rule in the months: no yield, not 0
    assert "2025-04、2025-05" in everything(book)
    assert row_with(book["数据到位"], "青山乡", at=1)[:7] == ("青山乡", 500, 0, 1, 500, 1, 500)
    checks = [row[:4] for row in rows_of(book["数据核对"]) if row[1] in ("SCR102", "SCR006")]
    assert checks == [
        ("示例县", "SCR102", "一户两名户主", 2),
        ("示例县", "SCR006", "无帮扶措施", 1),
        ("河口&镇", "SCR006", "无帮扶措施", 1),
    ]


def test_the_veto_watch_is_the_county_s_alone(tmp_path):
    _, county = county_book(tmp_path)
    watch = county["否决项观察"]
    assert row_with(watch, "河口&镇", at=1)[1:7] == (7, 1, 0, 5, "是", "否")
    assert row_with(watch, "青山乡", at=1)[5] == "否"
    for book in township_books(tmp_path / "t").values():
        assert not [s for s in book.sheetnames if "否决" in s]
        assert "否决" not in everything(book)
        assert "veto" not in everything(book).lower()


def test_a_township_gets_its_own_households_and_nobody_else_s(tmp_path):
    books = township_books(tmp_path)
    river, hill = everything(books[RIVER]), everything(books[HILL])
    assert "张三" in river
    assert "王五" not in river
    assert "青山乡" not in river
    assert "山后村" not in river
    assert "王五" in hill
    assert not [word for word in ("张三", "李四", "河口", "田") if word in hill]
    for book, whose in ((river, (11, 12, 13)), (hill, (21,))):
        for home in WHERE:
            assert (pseudonym_text(home) in book.replace("\n", "")) == (home in whose)
    assert row_with(books[RIVER]["村表"], "河口&镇合计", at=1)[1] == 1234


def test_a_falling_household_s_line(tmp_path):
    book = township_books(tmp_path)[RIVER]
    sheet = book["户表"]
    values = row_with(sheet, "张三", at=2)
    assert values[1].replace("\n", "") == pseudonym_text(11)
    assert values[2:4] == ("脱贫户", 3)
    assert values[4:10] == (40000, 30000, 20000, 28000.5, -11999.5, pytest.approx(-0.2999875))
    assert values[10:14] == (-12000.5, 0, 1, 0)
    assert values[14] == (
        "8 种养业受灾：2025-05-01受灾（旱灾）；同期减少9000.00元\n9 帮扶措施未落实（部门责任）：产业帮扶措施登记于2025-01-02，主管部门至今未落实"
    )
    assert values[15:18] == (15999.5, 1200, "技能培训；岗位推荐")
    assert values[18:20] == (None, None)  # for the visit
    assert row_with(sheet, "合计\n1 户", at=1)[5] == 40000
    names = [r[2] for r in rows_of(book["单项减收户表"])]
    assert "李四" in names
    assert "张三" not in names


def test_what_somebody_said_of_a_household_stays_unsaid(tmp_path):
    """No channel, no title that means a complaint, no evidence, no office that would tell; the county's own book names them."""
    book = township_books(tmp_path)[RIVER]
    words = everything(book)
    for tell in ("信访", "热线", "舆情", "群众反映", "自主申报", "自报", "complaint", "signal", "乡村振兴局", "渠道"):
        assert tell not in words, tell
    alerts = [r[4] for r in rows_of(book["预警户表"]) if isinstance(r[0], int)]
    assert sorted(alerts) == ["住房安全无保障", "综合信息核查", "综合信息核查"]  # the closed one is done with
    housing = row_with(book["预警户表"], "住房安全无保障", at=4)
    assert housing[:7] == (
        "住房安全无保障",
        "住房安全：无保障",
        "住建局",
        *(pd.Timestamp(day).to_pydatetime() for day in ("2025-06-01", "2025-07-01")),
        "是",
        "待核查",
    )
    assert row_with(book["乡镇表"], "综合信息核查", at=9)[:2] == ("综合信息核查", 2)
    assert "信访、热线或舆情反映" in everything(county_book(tmp_path / "c")[1])


def test_every_workbook_says_the_countys_steps(tmp_path):
    books = [county_book(tmp_path)[1], *township_books(tmp_path).values()]
    for book in books:
        words = everything(book)
        assert "本县认定程序：申请 → 入户核实 → 民主评议 → 公示 → 乡镇审核 → 县认定。" in words
        assert "application → verification at home → discussion in the village → public notice" in words


def test_alerts_that_do_not_wait_for_the_month(tmp_path):
    alerts = the_alerts()
    found = AlertsSince(
        day=DAY,
        since=dt.date(2025, 7, 20),
        pack="national",
        steps=("入户核实", "县认定", "张榜"),
        alerts=alerts,
        rules=alerts[["rule", "channel"]],
    )
    river, hill = write_alert_workbooks(found, tmp_path / "a", villages=VILLAGES, identity=IDENTITY)
    assert (river.name, hill.name) == (f"预警_{RIVER}_2025-07-28.xlsx", f"预警_{HILL}_2025-07-28.xlsx")
    book = openpyxl.load_workbook(river)
    assert book.sheetnames == ["预警户表", "说明 Notes"]
    words = everything(book)
    assert not [tell for tell in ("信访", "自主申报", "群众反映", "乡村振兴局", "王五") if tell in words]
    assert "2025-07-20" in words
    assert "本县认定程序：入户核实 → 县认定 → 张榜。" in words
    assert "verification at home → decision by the county → 张榜." in words
    assert "其中 1 户没有户主姓名记录" in words  # household 13
    again = dataclasses.replace(found, alerts=alerts.iloc[::-1].reset_index(drop=True))
    for one, two in zip(
        (river, hill), write_alert_workbooks(again, tmp_path / "b", villages=VILLAGES, identity=IDENTITY), strict=True
    ):
        assert one.read_bytes() == two.read_bytes()
    nothing = dataclasses.replace(found, alerts=alerts.iloc[:0])
    assert write_alert_workbooks(nothing, tmp_path / "c", villages=VILLAGES) == []


def test_plain_values_print_set_up_and_lines_to_sign(tmp_path):
    path, county = county_book(tmp_path)
    books = [
        (path, county),
        *((tmp_path / "t" / f"减收排查_{c}_2025-07-28.xlsx", b) for c, b in township_books(tmp_path / "t").items()),
    ]
    for file, book in books:
        with zipfile.ZipFile(file) as parts:
            sheets = [parts.read(n).decode() for n in parts.namelist() if n.startswith("xl/worksheets/sheet")]
        assert not [s for s in sheets if "<f>" in s or "<f " in s or "<hyperlink" in s]
        for sheet in book:
            assert sheet.page_setup.orientation == "landscape"
            assert sheet.page_setup.paperSize == (8 if sheet.max_column > 16 and not sheet.page_setup.fitToHeight else 9)
            assert sheet.page_setup.fitToWidth in (None, 1)  # one page wide is what the file format means by leaving it out
            assert sheet.sheet_properties.pageSetUpPr.fitToPage
            assert sheet.print_area
            assert sheet.oddHeader.left.text
            assert "2025-07-28" in sheet.oddHeader.right.text
            assert "&P" in sheet.oddFooter.center.text or "Page" in sheet.oddFooter.center.text
            if sheet.title in ("说明 Notes", "English summary"):
                continue
            assert any("填表人" in str(r[0]) and "审核人" in str(r[0]) and "（盖章）" in str(r[0]) for r in rows_of(sheet)), (
                sheet.title
            )
            assert sheet.freeze_panes
            if sheet.title == "县表" or (sheet.title == "乡镇表" and book is not county):
                assert sheet.page_setup.fitToHeight in (None, 1)
            else:
                assert sheet.page_setup.fitToHeight == 0
                assert sheet.print_title_rows, sheet.title
    cell = next(c for row in county["乡镇表"].iter_rows() for c in row if c.value == 1734)
    assert cell.number_format.startswith("#,##0")
    share = next(c for row in county["县表"].iter_rows() for c in row if c.value == pytest.approx(2 / 3))
    assert share.number_format.startswith("0.0%")


def test_the_same_screening_gives_the_same_bytes(tmp_path):
    one, _ = county_book(tmp_path / "a")
    two, _ = county_book(tmp_path / "b")
    assert one.read_bytes() == two.read_bytes()
    township_books(tmp_path / "a")
    township_books(tmp_path / "b", IDENTITY.iloc[::-1])
    for code in (RIVER, HILL):
        name = f"减收排查_{code}_2025-07-28.xlsx"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_county_where_nobody_fell(tmp_path):
    _, county = county_book(tmp_path, anybody_fell=False)
    assert row_with(county["县表"], "预计全年减收（占可判断户）")[1:3] == (0, 0)
    assert row_with(county["县表"], "8 种养业受灾", at=4)[1:3] == (0, "—")  # no household with a fall: no share
    book = township_books(tmp_path / "t", anybody_fell=False)[HILL]
    assert "本乡镇没有预计全年减收的户。" in everything(book)
    assert any("填表人" in str(r[0]) for r in rows_of(book["户表"]))


def test_missing_names_are_blank_and_counted(tmp_path):
    book = township_books(tmp_path, None)[RIVER]
    assert "其中 3 户没有户主姓名记录" in everything(book)
    assert "张三" not in everything(book)
    with pytest.raises(ContractViolation, match="more than once"):
        township_books(tmp_path, pd.concat([IDENTITY, IDENTITY]))
    with pytest.raises(ContractViolation, match="not text"):
        township_books(tmp_path, IDENTITY.assign(head_name=1))


def test_another_day_s_roll_up_is_refused(tmp_path):
    rollup = dataclasses.replace(a_rollup(), day=dt.date(2025, 6, 28))
    with pytest.raises(ContractViolation, match="one day and pack"):
        write_county_workbook(rollup, tmp_path, screening=a_screening(), policy=POLICY)
    assert not list(tmp_path.iterdir())


# -- the page -------------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class HandPublished:
    """What publishing leaves: county and townships, some counts hidden."""

    frames: dict[str, pd.DataFrame]
    day: dt.date = DAY
    pack: str = "national"
    county_code: int = COUNTY
    county_name: str = "示例<县>"
    smallest_cell: int = 10

    def parts(self) -> dict[str, pd.DataFrame]:
        return self.frames


def published() -> HandPublished:
    rollup, frames = a_rollup(), {}
    for name in ("areas", "causes", "alerts", "categories", "elimination", "checks", "coverage"):
        t = getattr(rollup, name)
        t = t.loc[t["level"] != "village"].reset_index(drop=True)
        counts = [c for c in t.columns if c.startswith(("n_", "arrived_")) and c != "n_sources_mean"]
        frames[name] = t.assign(**{c: t[c].astype("Int64").mask(t[c].between(1, 9)) for c in counts})
    return HandPublished(frames)


def test_the_page_hides_small_counts_and_shows_no_household_no_village_no_veto(tmp_path):
    path = render_screening_page(published(), tmp_path / "page.html", synthetic=True)
    page = path.read_text(encoding="utf-8")
    assert "＊" in page
    assert "1 至 9 户" in page
    assert "1,234" in page
    assert "1,734" in page
    assert not [
        word
        for word in ("村</th>", "1+1", "山后", "否决", "veto", "信访", "自主申报", "self_application", "complaint")
        if word in page
    ]
    assert "示例&lt;县&gt;" in page
    assert "http" not in page.replace("http-equiv", "")  # opens without a network
    files = sorted(p.stem for p in (tmp_path / "report_data").iterdir())
    assert files == ["alerts", "areas", "categories", "causes", "checks", "coverage", "elimination"]
    areas = pq.read_table(tmp_path / "report_data" / "areas.parquet").to_pandas()
    assert set(areas["level"]) == {"county", "township"}
    assert pd.isna(areas["n_fall"]).all()
    alerts = pq.read_table(tmp_path / "report_data" / "alerts.parquet")
    assert "channel" not in alerts.column_names
    told = {(row["area_code"], row["rule"]): row["n_alerts"] for row in alerts.to_pylist()}
    assert told == {
        (a, r): 0 if (a, r) == (HILL, "said") else None for a in (COUNTY, RIVER, HILL) for r in ("housing_missing", "said")
    }


def test_the_page_has_the_same_bytes_twice(tmp_path):
    one = render_screening_page(published(), tmp_path / "a" / "page.html")
    two = render_screening_page(published(), tmp_path / "b" / "page.html")
    assert one.read_bytes() == two.read_bytes()
    for file in (tmp_path / "a" / "report_data").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / "report_data" / file.name).read_bytes()


def test_villages_and_the_veto_watch_are_never_published(tmp_path):
    rollup = a_rollup()
    with pytest.raises(ContractViolation, match="village"):
        render_screening_page(HandPublished(published().frames | {"causes": rollup.causes}), tmp_path / "page.html")
    with pytest.raises(ContractViolation, match="veto"):
        render_screening_page(HandPublished(published().frames | {"veto": rollup.veto}), tmp_path / "page.html")
    assert not list(tmp_path.iterdir())
