"""The page of what the rules ask, made from the registries: `python -m returnrisk.screening.rules_page FILE`.

Nothing on the page is written by hand; a test compares the committed page with what the registries give.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from returnrisk.screening.bad_input import INPUT_CHECKS
from returnrisk.screening.categories import CATEGORIES
from returnrisk.screening.cause_catalogue import CAUSES
from returnrisk.screening.clauses import Category
from returnrisk.screening.consistency import CHECKS
from returnrisk.screening.elimination import CRITERIA, STATES, TRACK
from returnrisk.screening.facts import FACT_LABELS
from returnrisk.screening.measures import LABOUR, MEASURES

OPENING = """# 规则问什么 · What the rules ask

本页由程序中的登记表生成（`make dictionary`），请勿手改。每个回答为 是 / 否 / 无法判断；无法判断时写明缺哪一项，从不当作否。一切都是线索，由人核实、由部门认定。

Made from the registries (`make dictionary`); do not edit. Every answer is yes, no or cannot tell, with what is missing named; cannot tell is never
no. Everything here is a lead: people verify, offices decide. Numbers are parameters of the pack: `returnrisk policy show --as-of DAY`.
"""
PARTS = {
    "categories": (
        "分类 · Categories",
        "全部条件都成立才是。Every condition must hold.",
    ),
    "attention": ("重点关注 · Attention groups", "同上，不等于任何待遇资格。As above; no entitlement follows from one."),
    "elimination": (
        "风险消除 · Risk elimination",
        "按次序，第一个不成立的标准决定。In this order the first criterion that does not hold decides.",
    ),
    "checks": (
        "监测台账核对 · Checks of the register",
        "问的是记录，不是农户。A question to the office that wrote the record, not about the household.",
    ),
    "input": (
        "输入核对 · Checks of the input",
        "“搁置”的户不参加筛查，只计数。A household that is set aside is screened no further, and counted.",
    ),
    "causes": ("减收原因与建议措施 · Causes of a fall, and suggested measures", "供参考，由人确认。Advisory; a person confirms."),
}


def rules_page() -> str:
    """The page: categories with their clauses, elimination, checks, causes with measures."""
    tables = {
        "categories": _categories(c for c in CATEGORIES if not c.attention),
        "attention": _categories(c for c in CATEGORIES if c.attention),
        "elimination": _elimination(),
        "checks": _table(("代码 Code", "检查 Check"), [(c.code, f"{c.zh} {c.en}") for c in CHECKS]),
        "input": _table(
            ("代码 Code", "检查 Check", "搁置 set aside"),
            [(c.code, f"{c.zh} {c.en}", "是 yes" if c.sets_aside else "否 no") for c in INPUT_CHECKS],
        ),
        "causes": _causes(),
    }
    parts = [OPENING]
    for name, (title, says) in PARTS.items():
        parts += [f"## {title}\n", f"{says}\n", "\n".join(tables[name]) + "\n"]
    return "\n".join(parts)


def _categories(chosen: Iterable[Category]) -> Iterator[str]:
    rows = []
    for category in chosen:
        used = f"<br>仅当 only with `{category.in_use}`" if category.in_use else ""
        for place, clause in enumerate(category.clauses):
            name = f"{category.zh} {category.en}{used}" if place == 0 else ""
            rows.append((name, f"{clause.zh} {clause.en}", _codes(clause.parameters), _facts(clause.needs)))
    return _table(("分类 Category", "条件 Condition", "参数 Parameters", "可能缺 What may be missing"), rows)


def _elimination() -> Iterator[str]:
    zh, en = STATES["track"]
    rows = [(f"{TRACK.zh} {TRACK.en}", f"{zh} {en}", _facts(TRACK.needs))]
    rows += [(f"{c.zh} {c.en}", " ".join(STATES["continue"]), _facts(c.needs)) for c in CRITERIA]
    rows.append(("全部成立 all hold", " ".join(STATES["eliminable"]), ""))
    return _table(("情形 Case", "状态 State", "可能缺 What may be missing"), rows)


def _causes() -> Iterator[str]:
    rows = []
    for cause in CAUSES:
        for place, measure in enumerate(m for m in MEASURES if m.cause in (cause.code, "any")):
            who = "、".join(LABOUR[code][0] for code in measure.labour) if len(measure.labour) < len(LABOUR) else "不限 anybody"
            rows.append((f"{cause.number} {cause.zh} {cause.en}" if place == 0 else "", f"{measure.zh} {measure.en}", who))
    return _table(("原因 Cause", "建议措施 Measure", "适用 For households with"), rows)


def _codes(names: Iterable[str]) -> str:
    return "<br>".join(f"`{name}`" for name in names)


def _facts(names: Iterable[str]) -> str:
    return "<br>".join(FACT_LABELS[name][0] for name in names)


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headers)} |"
    yield "|" + "---|" * len(headers)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def main(arguments: Sequence[str]) -> None:
    """Write the page to the file named."""
    if len(arguments) != 1:
        raise SystemExit("usage: python -m returnrisk.screening.rules_page FILE")
    Path(arguments[0]).write_text(rules_page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
