"""Fields that may not even be described (DOMAIN §7.6), and fields that may be described only as `protected`.

Words are looked for in everything a contract says of a table, a column or a code: names, labels, aliases, descriptions. English
words must stand as words of their own (`court`, not `courtyard`; a stem ends in `*`), Chinese ones anywhere in the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

REFUSED_WORDS: Mapping[str, tuple[str, ...]] = {
    "legal records": (
        "legal*", "illegal*", "lawsuit*", "crime", "crimes", "criminal*", "convict*", "offence*", "offender*", "arrest*",
        "prison*", "jail*", "court", "courts", "judicial*", "verdict*", "probation*", "parole*", "dishonest*", "drug use", "drug abuse",
        "犯罪", "违法", "违纪", "法律", "司法", "涉案", "涉法", "刑事", "刑罚", "刑满", "判刑", "服刑", "前科", "案底", "拘留", "羁押", "逮捕", "监狱",
        "社区矫正", "诉讼", "判决", "失信", "老赖", "吸毒", "戒毒", "涉黑", "涉恶",
    ),
    "religion": (
        "religio*", "faith", "belief*", "believer*", "church*", "mosque*", "temple*", "worship*", "sect",
        "宗教", "信仰", "教派", "信众", "教徒", "邪教", "礼拜",
    ),
    "attitude": (
        "attitude*", "motivation*", "unmotivated", "lazy", "lazier", "laziness", "work ethic", "willpower", "diligence",
        "态度", "思想", "等靠要", "懒", "内生动力", "志气", "精神面貌", "不思进取",
    ),
    "family planning": (
        "family planning", "birth control", "birth quota", "contracepti*", "sterili*", "abortion*", "excess birth*",
        "计划生育", "计生", "超生", "违规生育", "违法生育", "节育", "绝育", "结扎", "避孕", "流产",
    ),
}  # fmt: skip
"""What may not be collected: kind of field to the words that give it away."""

PROTECTED_WORDS = ("sex", "gender", "ethnic*", "nationality", "minority", "性别", "民族")
"""What may be collected only as `protected`: to look for harm to groups, never to score."""


@cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    stems = [re.escape(w).replace(r"\*", "[a-z]*").replace(r"\ ", " ") for w in words]
    latin = [s for s, w in zip(stems, words, strict=True) if w.isascii()]
    return re.compile("|".join([rf"(?<![a-z])(?:{'|'.join(latin)})(?![a-z])", *(w for w in words if not w.isascii())]))


def _spaced(text: str) -> str:
    """Lower case, with names like `criminal_record` and `courtCase` taken apart into words."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return re.sub(r"[\s_\-./]+", " ", apart).lower()


def refused_word(text: str) -> tuple[str, str] | None:
    """The word of `text` that gives away a refused field and its kind, or None.

    Examples
    --------
    >>> refused_word("criminalRecord_flag")
    ('legal records', 'criminal')
    >>> refused_word("是否有等靠要思想")
    ('attitude', '等靠要')
    >>> refused_word("courtyard area") is None
    True
    """
    for kind, words in REFUSED_WORDS.items():
        if found := _pattern(words).search(_spaced(text)):
            return kind, found.group()
    return None


def names_protected(text: str) -> bool:
    """Whether `text` names sex or ethnicity.

    Examples
    --------
    >>> names_protected("民族类别"), names_protected("ethnicity_group"), names_protected("Sussex")
    (True, True, False)
    """
    return _pattern(PROTECTED_WORDS).search(_spaced(text)) is not None
