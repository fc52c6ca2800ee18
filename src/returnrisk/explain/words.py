"""Numbers in the words of a cadre: yuan, times, per cent, yes and no."""

from __future__ import annotations

import math

from returnrisk.features.catalogue import Feature, Unit

_PLAIN: dict[Unit, tuple[str, str, int]] = {
    "cny": ("元", " yuan", 0),
    "count": ("", "", 0),
    "months": ("个月", " months", 0),
    "years": ("年", " years", 1),
    "age": ("岁", " years", 0),
    "grade": ("级", "", 0),
    "mu": ("亩", " mu", 1),
    "rooms": ("间", " rooms", 0),
    "ratio": ("", "", 2),
}


def amount(value: float, unit: Unit, *, line_cny_year: float) -> tuple[str, str]:
    """A value in Chinese and in English.

    Parameters
    ----------
    line_cny_year
        The household's line: multiples of it are shown in yuan a year, which a person can check.

    Examples
    --------
    >>> amount(1.05, "lines", line_cny_year=8000)
    ('8,400元', '8,400 yuan')
    >>> amount(-0.25, "log_change", line_cny_year=8000), amount(1.0, "flag", line_cny_year=8000)
    (('-22%', '-22%'), ('是', 'yes'))
    >>> amount(float("nan"), "count", line_cny_year=8000)
    ('无记录', 'no record')
    """
    if math.isnan(value):
        return "无记录", "no record"
    if unit == "flag":
        return ("是", "yes") if value >= 0.5 else ("否", "no")
    if unit == "log_ratio":
        return amount(math.exp(value), "lines", line_cny_year=line_cny_year)
    if unit == "lines":
        if math.isnan(line_cny_year):
            return f"监测线的{value:.2f}倍", f"{value:.2f} × the line"
        return amount(value * line_cny_year, "cny", line_cny_year=line_cny_year)
    if unit == "log_change":
        return (f"{math.expm1(value):+.0%}",) * 2
    if unit == "share":
        return (f"{value:.0%}",) * 2
    zh, en, digits = _PLAIN[unit]
    number = f"{value + 0.0:,.{digits}f}"
    number = number.removeprefix("-") if float(number.replace(",", "")) == 0 else number
    return number + zh, number + en


def reason_texts(
    feature: Feature, value: float, comparison: float, recorded: str, *, line_cny_year: float, of_county: bool = False
) -> tuple[str, str]:
    """The sentence of one reason, in Chinese and in English: what, how much, against what, recorded when.

    `recorded` is an ISO date or empty; `of_county` says that the comparison is the county's, the township being too small.
    """
    if math.isnan(value):
        zh, en = f"{feature.zh}：无记录，请现场核实", f"{feature.en}: no record, please find out"
        return zh, en
    place_zh, place_en = ("全县", "county") if of_county else ("同乡镇", "township")
    own_zh, own_en = amount(value, feature.unit, line_cny_year=line_cny_year)
    if feature.unit == "flag":
        share = "" if math.isnan(comparison) else f"{comparison if value >= 0.5 else 1 - comparison:.0%}"
        notes = [f"{place_zh}{share}的户如此" if share else "", f"登记于{recorded}" if recorded else ""]
        notes_en = [f"{share} of the {place_en}'s households" if share else "", f"recorded {recorded}" if recorded else ""]
    else:
        typical_zh, typical_en = amount(comparison, feature.unit, line_cny_year=line_cny_year)
        notes = [f"{place_zh}中位数{typical_zh}", f"登记于{recorded}" if recorded else ""]
        notes_en = [f"{place_en} median {typical_en}", f"recorded {recorded}" if recorded else ""]
    tail_zh, tail_en = "，".join(n for n in notes if n), ", ".join(n for n in notes_en if n)
    return f"{feature.zh}：{own_zh}" + (f"（{tail_zh}）" if tail_zh else ""), f"{feature.en}: {own_en}" + (
        f" ({tail_en})" if tail_en else ""
    )
