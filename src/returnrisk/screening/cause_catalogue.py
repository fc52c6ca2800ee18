"""The ten causes of a fall in income, and the words for their evidence; `{on}` is a day, `{detail}` a code in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from returnrisk.store.view import View


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause: its number in the plan's list, code, and names. `whose`: who may have failed (never the household)."""

    number: int
    code: str
    zh: str
    en: str
    whose: str = "nobody"


CAUSES = (
    Cause(1, "farming_shrank", "种植养殖减少", "farming or livestock shrank"),
    Cause(2, "job_lost", "务工岗位减少", "a job was lost"),
    Cause(3, "post_lost", "公益岗位或帮扶车间岗位减少", "a public post or workshop job was lost"),
    Cause(4, "dividend_cut", "产业分红减少", "dividends of an industry project were cut"),
    Cause(5, "no_micro_credit", "未获小额信贷支持", "no micro-credit any more"),
    Cause(6, "dibao_cancelled", "低保取消", "dibao was cancelled"),
    Cause(7, "subsidy_cut", "政策性补贴减少或取消", "a policy subsidy was reduced or cancelled"),
    Cause(8, "disaster", "种养业受灾", "crops or livestock were hit by a disaster"),
    Cause(9, "support_not_delivered", "帮扶措施未落实（部门责任）", "the office has not delivered its support", "office"),
    Cause(10, "other", "其他原因", "other"),
)
NUMBERS = {cause.code: cause.number for cause in CAUSES}

TEXTS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("farming_shrank", "income"): ("种养业收入同期减少", "income of crops, livestock or forestry is lower than in the same months"),
    ("job_lost", "employment"): ("家庭成员{on}离开{detail}务工岗位", "a member's job ({detail}) ended on {on}"),
    ("job_lost", "member"): ("家庭成员{on}登记为{detail}", "a member was registered as {detail} on {on}"),
    ("job_lost", "income"): ("务工收入大幅减少，就业台账无务工结束的记录，请核实", "wages fell steeply without a record of a job that ended: to be verified"),
    ("post_lost", "employment"): ("家庭成员{on}离开{detail}", "a member's {detail} ended on {on}"),
    ("post_lost", "support"): ("{detail}于{on}结束", "the measure {detail} ended on {on}"),
    ("post_lost", "income"): ("公益性岗位收入大幅减少，就业台账无岗位结束的记录，请核实", "wages of a public post fell steeply without a record of a post that ended: to be verified"),
    ("dividend_cut", "industry_project"): ("所联结产业项目{on}起{detail}", "the linked industry project is {detail} since {on}"),
    ("dividend_cut", "income"): ("集体分红大幅减少，请核实项目", "dividends fell steeply: the project is to be looked at"),
    ("no_micro_credit", "loan"): ("小额信贷{on}到期或还清，未再获贷款", "micro-credit fell due or was repaid on {on}, no new one since"),
    ("no_micro_credit", "support"): ("{detail}帮扶于{on}结束，未再获贷款", "the measure {detail} ended on {on}, no new loan since"),
    ("dibao_cancelled", "subsidy"): ("低保自{on}停发", "dibao is cancelled since {on}"),
    ("dibao_cancelled", "income"): ("低保金大幅减少，补贴台账无取消的记录，请核实", "dibao fell steeply without a record of a cancellation: to be verified"),
    ("subsidy_cut", "subsidy"): ("{detail}自{on}减发或停发", "{detail} is reduced or cancelled since {on}"),
    ("subsidy_cut", "income"): ("政策性补贴收入大幅减少，补贴台账无减少或取消的记录，请核实", "policy subsidies fell steeply without a record of a decision: to be verified"),
    ("disaster", "disaster"): ("{on}受灾（{detail}）", "hit by a disaster ({detail}) on {on}"),
    ("disaster", "hazard"): ("所在地{on}发生灾害（{detail}），种养业收入同期减少", "a hazard ({detail}) struck the area on {on}, and farm income is lower"),
    ("support_not_delivered", "support"): ("{detail}措施登记于{on}，主管部门至今未落实", "the office has not delivered the measure {detail}, registered for {on}"),
    ("other", "household_roster"): ("家庭成员{on}减少", "the household has a member less since {on}"),
    ("other", "income"): ("{detail}减少，台账未见其他原因，请入户了解", "{detail} fell; the records do not say why: to be asked at the door"),
}  # fmt: skip
"""By cause and the table that the evidence lies in."""
AMOUNT = ("；同期减少{cny}元", "; {cny} CNY less in the months on file")
NO_ITEM = ("已到账月份之外的收入", "income of the months not yet on file")

DETAIL_FIELDS = {
    ("job_lost", "employment"): "place", ("job_lost", "member"): "employment", ("post_lost", "employment"): "kind",
    ("post_lost", "support"): "measure", ("dividend_cut", "industry_project"): "state", ("no_micro_credit", "support"): "measure",
    ("subsidy_cut", "subsidy"): "programme", ("disaster", "disaster"): "hazard_kind", ("disaster", "hazard"): "hazard_kind",
    ("support_not_delivered", "support"): "measure", ("other", "income"): "item",
}  # fmt: skip
"""Column that `{detail}` is a code of."""


def wording(view: View) -> list[dict[str, str]]:
    """Every text with every code it may name: cause, table_name, detail, text_zh, text_en; codes in the contracts' words."""
    rows = []
    for (cause, table), (zh, en) in TEXTS.items():
        labels = {"": NO_ITEM}
        if field := DETAIL_FIELDS.get((cause, table)):
            for text, code in view.store.contracts[table].field(field).codes.items():
                labels.setdefault(str(code), (text, str(code).replace("_", " ")))
        for detail, (detail_zh, detail_en) in labels.items():
            said = {"text_zh": zh.replace("{detail}", detail_zh), "text_en": en.replace("{detail}", detail_en)}
            rows.append({"cause": cause, "table_name": table, "detail": detail, **said})
    return rows
