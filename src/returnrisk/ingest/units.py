"""Units that offices write behind a number or a header, and what they are worth in the field's own unit: exact decimals."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal

from returnrisk.contracts import Field

_MONEY = {"元": Decimal(1), "圆": Decimal(1), "元整": Decimal(1), "百元": Decimal(100), "千元": Decimal(1000), "万元": Decimal(10000), "万": Decimal(10000)}  # fmt: skip
_YEARLY = dict.fromkeys(("元/年", "元/人", "元/人年", "元/人·年", "元/人/年", "元/年·人"), Decimal(1))
_LAND = {"亩": Decimal(1), "公顷": Decimal(15)}
_SHARE = {"%": Decimal("0.01")}
_COUNTED = dict.fromkeys(("人", "个", "间", "户", "岁", "天", "次", "名", "头", "㎡", "平方米"), Decimal(1))

UNIT_WORDS = frozenset({*_MONEY, *_YEARLY, *_LAND, *_SHARE, *_COUNTED})
"""Words that name a unit when they stand alone in brackets behind a header."""

_STATED = re.compile(
    r"(?<!填报)(?<!报送)(?<!制表)(?<!编制)(?<!主管)单位:(?:人民币)?((?:[万千百]?元|亩|公顷)(?:[、,/](?:[万千百]?元|亩|公顷))*)(?![^\W\d_])"
)


def factors(field: Field) -> Mapping[str, Decimal]:
    """Unit word to factor into the field's unit; empty for a field that has none.

    Examples
    --------
    >>> from returnrisk.contracts import load_contracts
    >>> factors(load_contracts()["income"].field("gross_cny"))["万元"]
    Decimal('10000')
    """
    unit = field.unit or ""
    if unit == "CNY" or field.name.endswith("_cny"):
        return _MONEY
    if unit.startswith("CNY"):
        return {**_MONEY, **_YEARLY}
    if unit == "mu":
        return _LAND
    if unit == "share" or field.name.endswith("_share"):
        return _SHARE
    return {}


def stated_units(text: str) -> frozenset[str]:
    """Units that a note such as `单位：万元` states for the whole sheet; none for `填报单位：民政局`.

    Examples
    --------
    >>> sorted(stated_units("2024年收入台账　单位：万元"))
    ['万元']
    >>> sorted(stated_units("填报单位：东镇人民政府"))
    []
    """
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", text))
    return frozenset(word for found in _STATED.finditer(plain) for word in re.split(r"[、,/]", found[1]))
