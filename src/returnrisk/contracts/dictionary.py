"""The data dictionary in Chinese and English, made from the contracts: `python -m returnrisk.contracts.dictionary FILE`.

Nothing on the page is written by hand; a test compares the committed page with what the contracts give.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from returnrisk.contracts.model import CLASSIFICATIONS, RHYTHMS, Contract, Field
from returnrisk.contracts.parsing import load_contracts
from returnrisk.contracts.refused import REFUSED_WORDS

OFFICES_EN = {
    "乡村振兴局": "rural revitalisation bureau",
    "医保局": "healthcare security bureau",
    "民政局": "civil affairs bureau",
    "财政局": "finance bureau",
    "应急管理局": "emergency management bureau",
    "农业农村局": "agriculture and rural affairs bureau",
    "残联": "disabled persons' federation",
    "人社局": "human resources and social security bureau",
    "教育局": "education bureau",
    "金融办": "financial work office",
    "乡镇": "township",
}
"""Offices of the shipped contracts; another one is shown by its own name alone."""
RHYTHMS_ZH = dict(zip(RHYTHMS, ("随事件", "按月", "按季", "每半年", "每年"), strict=True))
CLASSES_ZH = dict(zip(CLASSIFICATIONS, ("内部", "化名", "敏感", "保密", "受限"), strict=True))
TYPES_ZH = {"int64": "整数", "string": "文本", "date": "日期", "boolean": "是/否", "decimal(18,2)": "金额或小数"}
REFUSED_ZH = {"legal records": "违法及司法记录", "religion": "宗教信仰", "attitude": "态度评价", "family planning": "计划生育"}

OPENING = """# 数据字典 · Data dictionary

本页由 `data_contracts/*.yaml` 生成（`make dictionary`），请勿手改。每张表的每一行都带登记日期 `recorded_on`：某日所见，即截至该日已登记的最新一行。

Made from `data_contracts/*.yaml` (`make dictionary`); do not edit. Every row of every table carries the day it was recorded; what is seen as
of a day is the latest row recorded by then.
"""
CLASSES = """
| 类别 Class | 含义 | Meaning |
|---|---|---|
| 内部 internal | 县内使用 | used inside the county |
| 化名 pseudonym | 带密钥的散列值；原号码不入库 | a keyed hash; the number itself never enters the store |
| 敏感 sensitive | 健康、残疾、金融、未成年人就学：仅在必要处使用 | health, disability, finance, schooling of minors: only where a task needs it |
| 保密 confidential | 绝不出本局；名单与报告不显示 | never outside the bureau; no list and no report shows it |
| 受限 restricted | 只在生成走访名单时使用 | read only when a list is rendered |
| 保护 protected | 用于检查各群体是否被漏、被错，绝不用于评分 | for assessing harm to groups, never for scoring |
"""


def data_dictionary(contracts: Mapping[str, Contract]) -> str:
    """The page: what may not be collected, an overview of the tables, and one section per table.

    Parameters
    ----------
    contracts
        By table name; the page keeps their order.

    Returns
    -------
    str
        Markdown, Chinese first; the same contracts give the same bytes.

    Examples
    --------
    >>> page = data_dictionary(load_contracts())
    >>> "| `balance_cny` | 贷款余额 | outstanding principal |" in page
    True
    """
    protected = [f"`{c.name}.{f.name}` {f.label_zh} {f.label_en}" for c in contracts.values() for f in c.fields if f.protected]
    refused = "；".join(REFUSED_ZH[kind] for kind in REFUSED_WORDS), "; ".join(REFUSED_WORDS)
    parts = [
        OPENING,
        f"\n## 不得采集 · Never collected\n\n{refused[0]}。数据合同中出现此类字段即被拒绝。\n\n{refused[1]}: a contract that names such a field is refused.\n",
        f"\n## 类别 · Classes\n{CLASSES}\n保护字段 · Protected columns: {'；'.join(protected)}\n",
        "\n## 表 · Tables\n\n| 表 Table | 中文 | English | 部门 Office | 频次 Rhythm | 滞后 Delay | 列 Columns |\n|---|---|---|---|---|---|---|\n",
        *(_overview_row(c) for c in contracts.values()),
        *(_section(c) for c in contracts.values()),
    ]
    return "".join(parts)


def _overview_row(c: Contract) -> str:
    cells = (f"[`{c.name}`](#{c.name})", c.label_zh, c.label_en, _office(c), _rhythm(c), _days(c.delay_days), str(len(c.fields)))
    return _row(cells)


def _section(c: Contract) -> str:
    facts = [f"部门 Office: {_office(c)}", f"频次 Rhythm: {_rhythm(c)}", f"滞后 Delay: {_days(c.delay_days)}"]
    lines = [
        f'\n<a id="{c.name}"></a>\n\n## `{c.name}` {c.label_zh} · {c.label_en}\n',
        f"{c.description_zh}\n\n{c.description_en}\n",
        "- " + " · ".join(facts),
        f"- {_recording(c)}",
        f"- 文件名含 File names with: {'、'.join(c.file_aliases)}",
        *([f"- 行规则 Row rules: {'；'.join(f'`{r.left} {r.op} {r.right}`' for r in c.row_rules)}"] if c.row_rules else []),
        "\n| 列 Column | 中文 | English | 类型 Type | 性质 Marks | 取值与单位 Values and units | 其他表头 Other headers | 说明 Notes |\n|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join(lines) + "\n" + "".join(_column_row(f) for f in c.fields) + _wide(c)


def _column_row(f: Field) -> str:
    notes = f"{f.description_zh} {f.description_en}".strip()
    type_ = f"{TYPES_ZH[f.type]} `{f.type}`"
    return _row((f"`{f.name}`", f.label_zh, f.label_en, type_, _marks(f), _values(f), "、".join(f.aliases), notes))


def _wide(c: Contract) -> str:
    """Headers that hold one measure of one canonical row."""
    if not c.wide_columns:
        return ""
    rows = (_row((w.header, ", ".join(f"`{k}` = `{v}`" for k, v in w.sets.items()), f"`{w.measure}`")) for w in c.wide_columns)
    return (
        "\n宽表表头 · Headers of a file with a column per item:\n\n| 表头 Header | 行 Row | 填入 Fills |\n|---|---|---|\n"
        + "".join(rows)
    )


def _recording(c: Contract) -> str:
    if c.recording_basis is None:
        return "登记日期必须写明 The file must state `recorded_on`"
    basis = "所属月末" if c.recording_basis == "period_start" else c.field(c.recording_basis).label_zh
    basis_en = "the month's end" if c.recording_basis == "period_start" else f"`{c.recording_basis}`"
    return f"无登记日期时取{basis}加{c.delay_days}天，并作标记 Without `recorded_on`: {basis_en} plus {_days_en(c.delay_days)}, flagged"


def _marks(f: Field) -> str:
    marks = [
        *(["主键 key"] if f.is_key else []),
        *(["必填 required"] if f.required else []),
        *([f"{CLASSES_ZH[f.classification]} {f.classification}"] if f.classification != "internal" else []),
        *(["保护 protected"] if f.protected else []),
        *([f"→ `{'.'.join(f.references)}`"] if f.references else []),
    ]
    return "；".join(marks)


def _values(f: Field) -> str:
    """Codes with the labels a file may use, or range and unit."""
    if f.valid_values is not None:
        labels = {v: [str(k) for k, code in f.codes.items() if code == v and str(k) != str(v)] for v in f.valid_values}
        return "；".join(f"`{v}` {'、'.join(labels[v])}".strip() for v in f.valid_values)
    span = f"{f.minimum:,.0f}–{f.maximum:,.0f}" if f.minimum is not None and f.maximum is not None else ""
    return " ".join(part for part in (span, f.unit) if part)


def _office(c: Contract) -> str:
    return f"{c.office} {OFFICES_EN.get(c.office, '')}".strip()


def _rhythm(c: Contract) -> str:
    return f"{RHYTHMS_ZH[c.rhythm]} {c.rhythm}"


def _days(n: int) -> str:
    return f"{n}天 {_days_en(n)}"


def _days_en(n: int) -> str:
    return f"{n} day{'' if n == 1 else 's'}"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def main(arguments: Sequence[str]) -> None:
    """Write the page of the shipped contracts to the file named by the only argument."""
    if len(arguments) != 1:
        raise SystemExit("usage: python -m returnrisk.contracts.dictionary FILE")
    Path(arguments[0]).write_text(data_dictionary(load_contracts()), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
