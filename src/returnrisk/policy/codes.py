"""Permanent codes of what can be wrong with the rules as data; `docs/policy.md` shows this table, and a test holds it to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CODES: Mapping[str, tuple[str, str]] = {
    "POL001": ("不是YAML，或同一键写了两次", "not YAML, or a key given twice"),
    "POL002": ("键未知、缺失或形式不对", "a key is unknown, missing or of the wrong form"),
    "POL003": ("没有这个规则包或上级包", "no such pack, or no such parent"),
    "POL004": ("上级包相互循环", "packs inherit from each other in a circle"),
    "POL005": ("没有这个参数", "no such parameter"),
    "POL006": ("所问日期早于最早的值", "the day is before the first value"),
    "POL007": ("所问日期没有生效的值", "no value is in force on the day: the last one has ended"),
    "POL008": ("两个值的生效期重叠", "two values are in force on the same day"),
    "POL009": ("值的类型或范围与单位不符", "a value does not fit its unit"),
    "POL010": ("下级包改动了单位", "a pack changes the unit of a parameter it inherits"),
    "POL011": ("标为规定却没有文件依据", "a rule without the document it is written in"),
    "POL012": ("倍数相互循环", "multiples lead back to themselves"),
    "POL013": ("倍数的基数不存在、不是数或单位不同类", "a multiple of what is no number, or of another kind of unit"),
    "POL014": ("取值不在列出的选项中", "a value outside its list of choices"),
    "POL015": ("首次出现的参数缺名称或单位", "a parameter without label or unit where it first appears"),
    "POL016": ("规则包不适用于该地区", "the pack is not for this area"),
    "POL017": ("按另一种类型读取参数", "a parameter asked for as what it is not"),
    "POL018": ("线的高低次序不对", "a line lies below the one it must not be below"),
    "POL020": ("预警规则的写法不对", "an alert rule is not written as one"),
    "POL021": ("预警规则没有条件", "an alert rule without facts"),
    "POL022": ("预警规则引用的参数不存在或不是数", "an alert rule names a parameter that is no number"),
    "POL023": ("预警规则缺少必要内容", "an alert rule is incomplete"),
    "POL024": (
        "预警规则用到不存在的表、列、代码或类别",
        "an alert rule names a table, column, code or category that does not exist",
    ),
}
"""Code → Chinese and English."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a pack: code, pack, key (empty: the file) and what to do about it."""

    code: str
    pack: str
    key: str
    text: str

    def __str__(self) -> str:
        """Code, place, what is wrong."""
        return f"{self.code} {self.pack}{f', {self.key}' if self.key else ''}: {self.text}"
