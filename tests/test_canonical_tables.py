"""The tables beside the core, as their offices would send them: read, typed, versioned, and as known on a day."""

from __future__ import annotations

import datetime as dt
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from returnrisk.contracts import load_contracts
from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.simulate import simulate_county
from returnrisk.store.coverage import coverage
from returnrisk.store.view import Store, open_store

KEY = b"a key for the canonical tables"
SHEETS = {
    "灾害事件": "受灾地区代码,灾种,发生日期,结束日期,灾情等级,农作物受灾面积,上报日期\n999901,洪涝,2024-06-01,,较重,1200.5,2024-06-03\n"
    "999901,洪涝,2024-06-01,2024-06-09,重度,1800,2024-06-12\n",
    "农产品价格": "品种,监测月份,收购价\n生猪,2024-05,15.2\n牛羊,2024-05,60\n",
    "产业项目": "项目编号,户编号,产业类型,带动日期,运营状态,状态变更日期,约定分红\nXM-0001,{house},养殖,2023-01-01,失败,2024-05-20,1500\n",
    "刚性支出": "户编号,支出类别,月份,自付金额\n{house},失能老人照护支出,2024-05,820.50\n",
    "残疾人证": "身份证号码,残疾类别,残疾等级,发证日期,有效期至\n{person},肢体,二级,2024-05-01,2034-04-30\n{person},视力,4,2024-05-01,\n",
    "受灾农户": "户编号,灾害类型,受灾时间,直接经济损失,理赔金额,是否住房受损,登记日期\n{house},火灾,2024-05-02,5000,6000,是,2024-05-09\n",
    "务工台账": "身份证号码,务工开始日期,就业形式,务工区域,行业,月收入,失业日期,失业原因,登记日期\n"
    "{person},2023-03-01,灵活就业,省外,建筑业,4200,,,2023-03-20\n{person},2023-03-01,灵活就业,省外,建筑业,4200,2024-05-05,企业倒闭,2024-06-01\n",
    "学籍信息": "身份证号码,学期,就读学段,就学状态,是否住校,学杂费,年资助金额,登记日期\n{person},2024-03-01,初中,辍学,否,800,1250,2024-06-10\n",
    "贷款台账": "借据号,户编号,贷款种类,放款金额,放款日期,还款到期日,余额,是否逾期,登记日期\n"
    "JJ-0001,{house},小额信贷,50000,2022-06-01,2025-06-01,50000,否,2022-06-05\nJJ-0001,{house},小额信贷,50000,2022-06-01,2025-06-01,30000,是,2024-06-05\n",
    "防贫保": "户编号,险种,起保日期,终保日期,自缴保费,理赔金额,理赔日期,承保日期\n{house},防返贫保险,2024-01-01,2024-12-31,20,0,,2023-12-20\n",
    "热线工单": "工单编号,户编号,来源渠道,诉求类型,受理日期\nGD-0001,{house},12345热线,饮水困难不是代码,2024-05-30\nGD-0002,{house},热线电话,饮水,2024-05-30\n",
    "走访记录": "户编号,入户日期,核实结果,核实风险,名单编号\n{house},2024-05-31,风险属实,饮水安全,2024-04-30\n",
    "经济状况核对": "户编号,财产类型,估值,查询日期\n{house},机动车,38000,2024-05-15\n",
    "查询授权": "户编号,授权事项,签署日期,有效期至,撤销日期,登记日期\n{house},经济状况核对,2024-05-01,2025-04-30,,2024-05-02\n",
    "申诉台账": "申诉编号,户编号,申诉日期,申诉事项,复核结果,办结日期,登记日期\nSS-0001,{house},2024-05-01,数据错误,,,2024-05-03\n"
    "SS-0001,{house},2024-05-01,数据错误,部分成立,2024-05-20,2024-05-21\n",
    "帮扶责任人": "责任人编号,负责村代码,岗位类别,月走访户数,到岗日期,离任日期,登记日期\nZR-0001,{village},帮扶干部,12,2024-01-01,,2024-01-10\n",
}  # fmt: skip
"""One file per table: named and headed by aliases, codes in Chinese."""
TABLES = (
    "asset", "authorisation", "disability", "disaster", "employment", "expense", "hazard", "industry_project", "insurance", "loan",
    "objection", "price", "schooling", "signal", "visit", "visitor",
)  # fmt: skip
LAST = dt.date(2024, 12, 31)


@pytest.fixture(scope="module")
def county_store(small_inbox: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, pd.DataFrame, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("canonical")
    inbox = Path(shutil.copytree(small_inbox, folder / "inbox"))
    county = simulate_county(n_households=60, months=15, start=dt.date(2024, 1, 1), seed=3)
    roster = county.tables["household_roster"].iloc[0]
    village = county.tables["village"].village_code.iloc[0]
    names = {"house": roster["household_id"], "person": roster["person_id"], "village": village}
    for name, text in SHEETS.items():
        (inbox / f"{name}_手工.csv").write_text(text.format(**names), encoding="utf-8")
    result = ingest_inbox(inbox, folder / "store", key=KEY)
    mine = result.report.quarantine[result.report.quarantine.file.str.contains("手工")]
    return open_store(folder / "store"), mine, names


def rows(store: Store, table: str, day: dt.date = LAST, **where: Any) -> list[dict[str, Any]]:
    """Rows of the hand-written files: the simulator may fill the same tables with its own."""
    view = store.as_of(day).table(table)
    for column, value in where.items():
        view = view.filter(view[column] == value)
    return view.order_by(view.columns).to_pyarrow().to_pylist()


def test_the_only_row_refused_is_the_one_with_an_unknown_code(county_store):
    _, quarantine, _ = county_store
    assert [(r["table_name"], r["row_number"], r["code"], r["field"]) for r in quarantine.to_dict("records")] == [
        ("signal", 2, "ING012", "code")
    ]


def test_every_table_of_an_office_is_in_the_store_and_in_the_coverage(county_store):
    store, _, _ = county_store
    frame = coverage(store.as_of(LAST)).set_index("table_name")
    for name in TABLES:
        assert frame.n_rows[name] > 0, name
        assert frame.first_period.notna()[name], name
        assert frame.zh[name] == load_contracts()[name].label_zh


def test_codes_amounts_and_yes_or_no_arrive_as_the_contract_says(county_store):
    store, _, _ = county_store
    [fire] = rows(store, "disaster", hazard_kind="fire", happened_on=dt.date(2024, 5, 2))
    assert (fire["loss_cny"], fire["insured_paid_cny"], fire["house_damaged"]) == (Decimal(5000), Decimal(6000), True)
    grades = {(r["kind"], r["grade"]) for r in rows(store, "disability", issued_on=dt.date(2024, 5, 1))}
    assert grades >= {("physical", 2), ("vision", 4)}
    [term] = rows(store, "schooling", term_start=dt.date(2024, 3, 1), fee_cny_year=Decimal(800))
    assert (term["stage"], term["status"], term["boarding"]) == ("lower_secondary", "dropped_out", False)
    [signal] = rows(store, "signal", channel="hotline", raised_on=dt.date(2024, 5, 30))
    assert signal["code"] == "water"
    [visit] = rows(store, "visit", list_id="2024-04-30")
    assert (visit["finding"], visit["verified_risk"]) == ("risk_confirmed", "water")
    [project] = rows(store, "industry_project", dividend_cny_year=Decimal(1500), state_on=dt.date(2024, 5, 20))
    assert (project["project_kind"], project["state"]) == ("livestock", "failed")
    [car] = rows(store, "asset", value_cny=Decimal(38000), checked_on=dt.date(2024, 5, 15))
    assert car["kind"] == "vehicle"
    [guard] = rows(store, "insurance", premium_cny=Decimal(20), recorded_on=dt.date(2023, 12, 20))
    assert (guard["kind"], guard["paid_on"]) == ("poverty_guard", None)
    [visitor] = rows(store, "visitor", capacity_month=12, recorded_on=dt.date(2024, 1, 10))
    assert (visitor["role"], visitor["valid_until"]) == ("helper", None)
    [allowed] = rows(store, "authorisation", granted_on=dt.date(2024, 5, 1), valid_until=dt.date(2025, 4, 30))
    assert (allowed["scope"], allowed["withdrawn_on"]) == ("asset_query", None)


def test_a_file_without_recording_days_is_known_after_the_declared_delay(county_store):
    store, _, _ = county_store
    [care] = rows(store, "expense", kind="elder_care", amount_cny=Decimal("820.50"))
    assert care["period_end"] == dt.date(2024, 5, 31)  # a month says its end itself
    assert care["recorded_declared"]
    assert care["recorded_on"] == dt.date(2024, 6, 30)  # 31 May and 30 days
    assert not rows(store, "expense", dt.date(2024, 6, 29), kind="elder_care", amount_cny=Decimal("820.50"))
    [pig] = rows(store, "price", product="pig", period_start=dt.date(2024, 5, 1), price_cny_kg=Decimal("15.20"))
    assert pig["recorded_on"] == dt.date(2024, 6, 15)  # end of the month and 15 days


@pytest.mark.parametrize(
    ("table", "where", "column", "first", "before", "after"),
    [
        ("hazard", {"area_code": 999901, "started_on": dt.date(2024, 6, 1)}, "ended_on", dt.date(2024, 6, 11), None, dt.date(2024, 6, 9)),
        ("employment", {"started_on": dt.date(2023, 3, 1), "monthly_wage_cny": Decimal(4200)}, "end_reason", dt.date(2024, 5, 31),
         None, "firm_closed"),
        ("loan", {"granted_on": dt.date(2022, 6, 1), "amount_cny": Decimal(50000)}, "balance_cny", dt.date(2024, 6, 4),
         Decimal(50000), Decimal(30000)),
        ("objection", {"raised_on": dt.date(2024, 5, 1), "subject": "data_wrong"}, "answer", dt.date(2024, 5, 20), None, "partly"),
    ],
)  # fmt: skip
def test_a_later_row_of_the_same_key_changes_only_what_later_days_see(county_store, table, where, column, first, before, after):
    store, _, _ = county_store
    assert [r[column] for r in rows(store, table, first, **where)] == [before]
    assert [r[column] for r in rows(store, table, first + dt.timedelta(days=1), **where)] == [after]


def test_no_number_of_a_loan_a_case_or_a_visitor_stands_in_the_store(county_store):
    store, _, names = county_store
    for table, column in (("loan", "loan_id"), ("signal", "signal_id"), ("visitor", "visitor_id"), ("objection", "objection_id"),
                          ("industry_project", "project_id"), ("disability", "person_id")):  # fmt: skip
        assert str(store.as_of(LAST).table(table).schema()[column]) == "int64"
        text = str(rows(store, table))
        assert not [
            n for n in ("JJ-0001", "GD-0002", "ZR-0001", "SS-0001", "XM-0001", names["person"], names["house"]) if n in text
        ]
