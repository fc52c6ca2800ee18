"""Permanent codes of what can be wrong with an export; `docs/export.md` shows this table, and a test holds it to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CODES: Mapping[str, tuple[str, str]] = {
    "EXP001": ("必填项为空，该行未导出", "a required cell is empty: the row is left out"),
    "EXP002": ("代码没有对应的外部代码，该行未导出", "a code without one of theirs: the row is left out"),
    "EXP003": ("有编码或文件容纳不了的字符，该行未导出", "a character the encoding or file cannot hold: the row is left out"),
    "EXP004": ("超过最大长度，该行未导出", "longer than the layout allows: the row is left out"),
    "EXP005": ("文本形似公式，前面加了撇号", "a text that begins as a formula: written with an apostrophe before it"),
    "EXP101": ("不是YAML，或同一键写了两次", "not YAML, or a key given twice"),
    "EXP102": ("键未知、缺失或形式不对", "a key is unknown, missing or of the wrong form"),
    "EXP103": ("没有这个导出映射", "no such export mapping"),
    "EXP104": ("没有这张表", "no such table"),
    "EXP105": ("没有这个字段", "no such field"),
    "EXP106": ("不是该字段的代码", "no code of the field"),
    "EXP107": ("索要身份证号：库中从不保存", "asks for an identity number: none is ever kept"),
    "EXP108": ("设置与字段不符", "a setting that does not fit the field"),
    "EXP109": ("文件名或工作表名不可用或重复", "a file or sheet name that cannot be used, or is used twice"),
    "EXP110": ("把“无法判断”写成了“否”", "cannot tell written as no"),
    "EXP111": ("仍是草稿", "still a draft"),
    "EXP112": ("索要不得采集的内容", "asks for what may never be collected"),
    "EXP113": (
        "会让人看出谁投诉、举报或被反映过，仍可使用",
        "lets readers see who complained or was reported: usable all the same",
    ),
    "EXP201": ("映射索要联系信息，但未提供", "the mapping asks for identities and they were not given"),
    "EXP202": ("筛查与数据视图不是同一天", "screening and view are of different days"),
    "EXP203": ("目标文件夹不是导出文件夹", "the folder holds something that is no export"),
    "EXP204": ("行数超过工作表上限", "more rows than a sheet holds"),
    "EXP205": ("联系信息一户两行或不是文本", "identities twice for a household, or not as text"),
    "EXP206": ("联系信息中有身份证号", "identity numbers among the identities"),
}
"""Code → Chinese and English. 0xx: a row of an export; 1xx: a mapping; 2xx: what was asked for."""
NOTICES = ("EXP005", "EXP113")
"""Problems of a row that is written, or of a mapping that can be used, all the same."""


@dataclass(frozen=True, slots=True)
class MappingProblem:
    """One thing that is wrong with a mapping: code, mapping, key (empty: the file) and what to do about it."""

    code: str
    mapping: str
    key: str
    text: str

    @property
    def blocks(self) -> bool:
        """Whether the mapping cannot be used before it is mended."""
        return self.code not in NOTICES

    def __str__(self) -> str:
        """Code, place, what is wrong."""
        return f"{self.code} {self.mapping}{f', {self.key}' if self.key else ''}: {self.text}"
