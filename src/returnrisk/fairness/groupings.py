"""Every way in which households are told apart: its words, what it needs, and the group of every row.

The one home of groupings: calibration within groups and `measure_fairness` read the same. Most are read off the snapshot; what a snapshot
may not hold comes from `attributes.household_attributes`. Townships are a grouping of their own, by code.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

Words = tuple[str, str]
YES_NO: Mapping[str, Words] = {"yes": ("是", "yes"), "no": ("否", "no")}
UNKNOWN: Words = ("不详", "not known")
PREFIX, TOWNSHIP = "group_", "township_code"
EVERYONE: Words = ("全部", "everyone at risk")
PLACE_RECORDS = ("on_village", "on_neighbours", "on_alert")
"""Record dates of a snapshot that are of a place, or of rules: they say nothing of how well the household itself is on file."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """A way to divide households.

    Attributes
    ----------
    zh, en
        What it asks.
    needs
        Columns without which it cannot be told: features, columns of a snapshot's status, attributes.
    of
        Rows to the group of each, missing where unknown.
    groups
        Every group with its words, in the order of tables.
    """

    zh: str
    en: str
    needs: tuple[str, ...]
    of: Callable[[pd.DataFrame], pd.Series]
    groups: Mapping[str, Words] = field(default_factory=lambda: YES_NO)


def _yes(holds: pd.Series, known: pd.Series) -> pd.Series:
    return holds.map({True: "yes", False: "no"}).where(known)


def _any(name: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda rows: _yes(rows[name] > 0, rows[name].notna())


def _band(name: str, edges: tuple[float, ...], labels: tuple[str, ...]) -> Callable[[pd.DataFrame], pd.Series]:
    """Half-open bands [edge, next edge)."""

    def banded(rows: pd.DataFrame) -> pd.Series:
        import pandas as pd

        return pd.cut(rows[name].astype("float64"), edges, right=False, labels=labels).astype(object)

    return banded


def _all_old(rows: pd.DataFrame) -> pd.Series:
    return _yes(rows["n_old"] >= rows["n_members"], rows["n_old"].notna() & rows["n_members"].notna())


def _aided(rows: pd.DataFrame) -> pd.Series:
    """低保 or a delivered measure in force (who is monitored is not at risk); one that is known to be there is enough."""
    held = (rows["dibao_granted"] > 0) | (rows["n_support_active"] > 0)
    return _yes(held, held | (rows["dibao_granted"].notna() & rows["n_support_active"].notna()))


def _known(rows: pd.DataFrame) -> pd.Series:
    """Third of the day's rows by kinds of record on file about the household; equal ones stay together, so thirds are about that."""
    import numpy as np

    dates = [c for c in rows.columns if str(c).startswith("on_") and c not in PLACE_RECORDS]
    kinds = rows[dates].notna().sum(axis=1)
    by_day = kinds.groupby(rows["as_of"])
    low, high = (by_day.transform("quantile", share) for share in (1 / 3, 2 / 3))
    third = np.select([kinds <= low, kinds <= high], ["least", "middle"], "most")
    return kinds.astype(object).mask(kinds.notna(), third)


GROUPINGS: Mapping[str, Grouping] = {
    "head_sex": Grouping(
        "户主性别", "sex of the head", ("head_sex",), lambda rows: rows["head_sex"], {"female": ("女", "female"), "male": ("男", "male")}
    ),
    "head_age": Grouping(
        "户主年龄",
        "age of the head",
        ("head_age",),
        _band("head_age", (0, 50, 65, float("inf")), ("under_50", "50_to_64", "65_and_over")),
        {"under_50": ("50岁以下", "under 50"), "50_to_64": ("50至64岁", "50 to 64"), "65_and_over": ("65岁及以上", "65 and over")},
    ),
    "head_ethnicity": Grouping(
        "户主民族类别",
        "ethnicity group of the head",
        ("head_ethnicity_group",),
        lambda rows: rows["head_ethnicity_group"],
        {"minority": ("少数民族", "minority"), "majority": ("汉族", "majority")},
    ),
    "disabled": Grouping("有残疾成员", "a disabled member", ("n_disabled",), _any("n_disabled")),
    "seriously_ill": Grouping("有大病成员", "a seriously ill member", ("n_seriously_ill",), _any("n_seriously_ill")),
    "household_size": Grouping(
        "家庭人口",
        "household members",
        ("n_members",),
        _band("n_members", (1, 2, 3, 5, float("inf")), ("1", "2", "3_to_4", "5_and_over")),
        {"1": ("1人", "1"), "2": ("2人", "2"), "3_to_4": ("3至4人", "3 to 4"), "5_and_over": ("5人及以上", "5 and over")},
    ),
    "all_old": Grouping("全家60岁以上", "all members aged 60 and over", ("n_old", "n_members"), _all_old),
    "no_labour": Grouping(
        "无普通劳动力",
        "nobody with full labour",
        ("n_full_labour",),
        lambda rows: _yes(rows["n_full_labour"] == 0, rows["n_full_labour"].notna()),
    ),
    "away": Grouping("有外出务工成员", "a member working away", ("n_away",), _any("n_away")),
    "ex_poor": Grouping("脱贫户", "registered as lifted out of poverty", ("ex_poor",), _any("ex_poor")),
    "seen_below": Grouping("曾被监测或低于线", "monitored or below the line before", ("seen_below",), _any("seen_below")),
    "aided": Grouping("在享低保或帮扶措施", "holds 低保 or a measure", ("dibao_granted", "n_support_active"), _aided),
    "resettled": Grouping("易地搬迁户", "resettled", ("resettled",), _any("resettled")),
    "remote_village": Grouping("偏远高寒村", "in a remote or high village", ("remote_village",), _any("remote_village")),
    "minority_area": Grouping("民族聚居村", "in a minority area", ("minority_area",), _any("minority_area")),
    "poverty_village": Grouping("脱贫村", "in a village that left poverty", ("poverty_village",), _any("poverty_village")),
    "key_village": Grouping("重点村", "in a key village", ("key_village",), _any("key_village")),
    "resettlement_site": Grouping("易地搬迁安置村", "in a resettlement site", ("resettlement_site",), _any("resettlement_site")),
    "on_file": Grouping(
        "在档资料",
        "what the files know",
        ("as_of", "on_member", "on_household"),
        _known,
        {"least": ("最少的三分之一", "least known third"), "middle": ("中间", "middle third"), "most": ("最多的三分之一", "best known third")},
    ),
}  # fmt: skip


def groups_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The groups of snapshot rows, with whatever attributes were joined to them.

    Returns
    -------
    pandas.DataFrame
        Index as `rows`; text: `group_township_code`, and `group_<name>` of every grouping whose columns are there, "" where unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"village_code": [530123100201] * 3, "n_members": [1.0, 4.0, float("nan")]})
    >>> groups_of(rows)["group_household_size"].tolist()
    ['1', '3_to_4', '']
    """
    import pandas as pd

    found = {f"{PREFIX}{TOWNSHIP}": (rows["village_code"] // 1000).astype(str)}
    for name, grouping in GROUPINGS.items():
        if set(grouping.needs) <= set(rows.columns):
            value = grouping.of(rows)
            found[f"{PREFIX}{name}"] = value.where(value.notna(), "").astype(str)
    return pd.DataFrame(found, index=rows.index)


def in_order(grouping: str, groups: Collection[str]) -> list[str]:
    """Groups as tables list them: in the grouping's own order, others after them by name, unknown last.

    Examples
    --------
    >>> in_order("head_age", {"", "65_and_over", "under_50"}), in_order("county", ["b", "", "a"])
    (['under_50', '65_and_over', ''], ['a', 'b', ''])
    """
    known = list(GROUPINGS[grouping].groups) if grouping in GROUPINGS else []
    return sorted(groups, key=lambda g: (g == "", known.index(g) if g in known else len(known), g))


def words_of(grouping: str, group: str) -> Words:
    """A group in both languages; names that no grouping here has stand as they are.

    Examples
    --------
    >>> words_of("disabled", "yes"), words_of("head_age", ""), words_of("all", "")
    (('有残疾成员：是', 'a disabled member: yes'), ('户主年龄：不详', 'age of the head: not known'), ('全部', 'everyone at risk'))
    """
    if grouping == "all":
        return EVERYONE
    known = GROUPINGS.get(grouping)
    asks: Words = (known.zh, known.en) if known else (grouping, grouping)
    said = (known.groups if known else {}).get(group, (group, group) if group else UNKNOWN)
    return f"{asks[0]}：{said[0]}", f"{asks[1]}: {said[1]}"
