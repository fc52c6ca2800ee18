"""Files of the tables beside the core, as their offices would send them: named and headed by aliases, codes in Chinese."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

from returnrisk.simulate import simulate_county

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
    "销号台账": "预警编号,销号申请部门,申请日期,审批日期,登记日期\na0123456789abcde,医保局,2024-05-01,,2024-05-02\n"
    "a0123456789abcde,医保局,2024-05-01,2024-05-20,2024-05-21\n",
    "帮扶责任人": "责任人编号,负责村代码,岗位类别,月走访户数,到岗日期,离任日期,登记日期\nZR-0001,{village},帮扶干部,12,2024-01-01,,2024-01-10\n",
}  # fmt: skip
"""One file per table: named and headed by aliases, codes in Chinese."""
TABLES = (
    "alert_closure", "asset", "authorisation", "disability", "disaster", "employment", "expense", "hazard", "industry_project", "insurance", "loan",
    "objection", "price", "schooling", "signal", "visit", "visitor",
)  # fmt: skip
NAMED = "手工"
"""In the name of every hand-written file."""


def add_office_files(small_inbox: Path, inbox: Path) -> dict[str, str]:
    """Copy the small county's files and add one per table; the numbers of the household, person and village they speak of."""
    shutil.copytree(small_inbox, inbox)
    county = simulate_county(n_households=60, months=15, start=dt.date(2024, 1, 1), seed=3)
    roster = county.tables["household_roster"].iloc[0]
    village = str(county.tables["village"].village_code.iloc[0])
    names = {"house": str(roster["household_id"]), "person": str(roster["person_id"]), "village": village}
    for name, text in SHEETS.items():
        (inbox / f"{name}_{NAMED}.csv").write_text(text.format(**names), encoding="utf-8")
    return names
