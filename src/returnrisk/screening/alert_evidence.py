"""What a fact of an alert says, in Chinese and English, from the labels of contracts and packs: amounts, days and codes, never a name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from returnrisk.contracts import Contract, Field
from returnrisk.policy import AccountFact, CategoryFact, Fact, GuaranteeFact, Policy, TableFact, Threshold, TownshipFact
from returnrisk.policy.alerts import Condition
from returnrisk.screening.alert_windows import span_of, township_days
from returnrisk.store.view import View

COMPARISON_WORDS = {
    "over": ("高于", "above"),
    "under": ("低于", "below"),
    "at_least": ("不低于", "at least"),
    "at_most": ("不高于", "at most"),
    "is": ("为", "is"),
    "not": ("不为", "is not"),
}
AGGREGATE_WORDS = {
    "sum": ("合计", "total of"),
    "count": ("数", "number of"),
    "max": ("最高", "largest"),
    "min": ("最低", "smallest"),
    "latest": ("最近一次", "latest"),
    "share_of": ("占比", "share of"),
}
GUARANTEE_WORDS = {
    "housing": ("住房安全", "safe housing"),
    "water": ("饮水安全", "safe drinking water"),
    "schooling": ("义务教育", "compulsory schooling"),
    "medical": ("基本医疗", "medical cover"),
}
ACCOUNT_WORDS = {
    "register_net": ("人均纯收入（监测线口径）", "net income per head (monitoring line's account)"),
    "assistance_countable": ("人均可计算收入（低保口径）", "countable income per head (dibao's account)"),
}
CHANGE_WORDS = {"fall": ("比上年下降", "fell from last year by"), "rise": ("比上年上升", "rose from last year by")}
PLACE = "{amount}"


def fact_words(
    view: View, fact: Fact, *, policy: Policy, categories: Mapping[str, tuple[str, str]] | None = None
) -> tuple[str, str]:
    """Chinese and English text of a fact that holds; `{amount}` stands where the household's own number goes.

    Values of columns that never leave the bureau (classification "confidential") are not spelled out.
    """
    if isinstance(fact, GuaranteeFact):
        zh, en = GUARANTEE_WORDS[fact.guarantee]
        return (f"{zh}：无保障", f"{en}: missing") if fact.missing else (f"{zh}：有保障", f"{en}: held")
    if isinstance(fact, CategoryFact):
        zh, en = (categories or {}).get(fact.category, (fact.category, fact.category))
        return (f"符合：{zh}", f"is: {en}") if fact.answer else (f"不符合：{zh}", f"is not: {en}")
    if isinstance(fact, AccountFact):
        return _account_words(fact, policy)
    if isinstance(fact, TownshipFact):
        return _township_words(view, fact, policy)
    return _table_words(view, fact, policy)


def with_amount(text: str, amount: float | None) -> str:
    """The text with the household's number in its place.

    Examples
    --------
    >>> with_amount("个人自付合计 {amount}", 12345.5), with_amount("fell by {amount}", 0.3125)
    ('个人自付合计 12,345.50', 'fell by 0.3125')
    """
    if amount is None or math.isnan(amount):
        return text.replace(f" {PLACE}", "")
    digits = ",.0f" if amount == int(amount) else ",.2f" if abs(amount) >= 1 else ".4f"
    return text.replace(PLACE, f"{amount:{digits}}")


def _account_words(fact: AccountFact, policy: Policy) -> tuple[str, str]:
    (zh, en), (than_zh, than_en) = ACCOUNT_WORDS[fact.account], COMPARISON_WORDS[fact.comparison]
    limit_zh, limit_en = _limit(fact.threshold, policy)
    change_zh, change_en = CHANGE_WORDS[fact.change] if fact.change else ("", "")
    return f"{zh}{change_zh} {PLACE}，{than_zh} {limit_zh}", f"{en} {change_en} {PLACE}, {than_en} {limit_en}".replace("  ", " ")


def _township_words(view: View, fact: TownshipFact, policy: Policy) -> tuple[str, str]:
    contract = view.store.contracts[fact.table]
    before, now = township_days(view, fact)
    shown = [w for w in (_condition_words(contract.field(c.column), c) for c in fact.where) if w is not None]
    about_zh = "，".join([f"{before}至{now}", *(zh for zh, _ in shown)])
    about_en = ", ".join([f"{before} to {now}", *(en for _, en in shown)])
    than_zh, than_en = COMPARISON_WORDS[fact.comparison]
    limit_zh, limit_en = _limit(fact.threshold, policy)
    unit_zh, unit_en = ("人数", "persons") if "person_id" in contract.columns else ("户数", "households")
    return (
        f"本乡镇{contract.label_zh}（{about_zh}）：{unit_zh}下降 {PLACE}，{than_zh} {limit_zh}",
        f"{contract.label_en} in the township ({about_en}): {unit_en} fell by {PLACE}, {than_en} {limit_en}",
    )


def _table_words(view: View, fact: TableFact, policy: Policy) -> tuple[str, str]:
    contract = view.store.contracts[fact.table]
    where = [_condition_words(contract.field(c.column), c) for c in fact.where]
    shown = [w for w in where if w is not None]
    span = span_of(view, fact)
    since = "" if span.starts_on is None else f"{span.starts_on}"
    days_zh = f"{since}至{span.ends_on}" if since else f"截至{span.ends_on}"
    days_en = f"{since} to {span.ends_on}" if since else f"by {span.ends_on}"
    about_zh = "，".join([days_zh, *(zh for zh, _ in shown)])
    about_en = ", ".join([days_en, *(en for _, en in shown)])
    zh, en = f"{contract.label_zh}（{about_zh}）", f"{contract.label_en} ({about_en})"
    if fact.aggregate == "exists":
        return (f"{zh}：有记录", f"{en}: on file") if fact.wanted else (f"{zh}：无记录", f"{en}: nothing on file")
    assert fact.comparison is not None  # noqa: S101
    kind_zh, kind_en = AGGREGATE_WORDS[fact.aggregate]
    than_zh, than_en = COMPARISON_WORDS[fact.comparison]
    column_zh, column_en = _labels(contract, fact.column)
    if fact.answers:
        assert fact.column is not None  # noqa: S101
        codes_zh, codes_en = _codes(contract.field(fact.column), fact.answers)
        return f"{zh}：{kind_zh}{column_zh}{than_zh}{codes_zh}", f"{en}: {kind_en} {column_en} {than_en} {codes_en}"
    limit_zh, limit_en = _limit(fact.threshold, policy)
    one_zh, one_en = ("，一人", ", one person") if fact.per == "person" else ("", "")
    return (
        f"{zh}：{column_zh}{kind_zh}{one_zh} {PLACE}，{than_zh} {limit_zh}",
        f"{en}: {kind_en} {column_en}{one_en} {PLACE}, {than_en} {limit_en}",
    )


def _labels(contract: Contract, column: str | None) -> tuple[str, str]:
    if column is None:
        return "记录", "records"
    field = contract.field(column)
    return field.label_zh, field.label_en


def _condition_words(field: Field, condition: Condition) -> tuple[str, str] | None:
    if field.classification == "confidential":
        return None
    if condition.comparison is not None:
        zh, en = COMPARISON_WORDS[condition.comparison]
        return f"{field.label_zh}{zh}{condition.number}", f"{field.label_en} {en} {condition.number}"
    zh, en = _codes(field, condition.values)
    return f"{field.label_zh}为{zh}", f"{field.label_en}: {en}"


def _codes(field: Field, values: tuple[Any, ...]) -> tuple[str, str]:
    """Codes as people read them; the first spelling the contract has for a code is its Chinese name."""
    if field.classification == "confidential":
        return "（不显示）", "(not shown)"
    names = {code: zh for zh, code in reversed(list(field.codes.items()))}
    yes_no = {True: "是", False: "否"}
    zh = [yes_no[v] if isinstance(v, bool) else str(names.get(v, v)) for v in values]
    en = [("yes" if v else "no") if isinstance(v, bool) else str(v).replace("_", " ") for v in values]
    return "或".join(zh), " or ".join(en)


def _limit(threshold: Any, policy: Policy) -> tuple[str, str]:
    """The threshold, and how it came about with the parameter's label in place of its name."""
    assert isinstance(threshold, Threshold)  # noqa: S101
    if threshold.text == str(threshold.number):
        return threshold.text, threshold.text
    named = [n for n in policy.names if n in threshold.text.split()]
    zh = en = threshold.text
    for name in named:
        label_zh, label_en = policy.label(name)
        zh, en = zh.replace(name, label_zh), en.replace(name, label_en)
    return zh, en
