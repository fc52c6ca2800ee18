"""Whether the model's risks are true within townships, registered classes and groups that are easily overlooked.

A model that is calibrated over a county can be too low for one township or for the old who live alone, and its list then misses
them. Groups are read off the snapshot of the day; what a snapshot does not hold (ethnicity) cannot be told here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from returnrisk.config import EvaluationSpec

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Grouping:
    """A way to divide households: words for it, the features it is read off, and the value of every row (missing where unknown)."""

    zh: str
    en: str
    needs: tuple[str, ...]
    of: Callable[[pd.DataFrame], pd.Series]


def _flag(name: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda rows: rows[name]


def _any(name: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda rows: (rows[name] > 0).where(rows[name].notna())


GROUPINGS: Mapping[str, Grouping] = {
    "ex_poor": Grouping("脱贫户", "registered as lifted out of poverty", ("ex_poor",), _flag("ex_poor")),
    "seen_below": Grouping("曾被监测或低于线", "monitored or below the line before", ("seen_below",), _flag("seen_below")),
    "all_old": Grouping(
        "全家60岁以上",
        "all members aged 60 and over",
        ("n_old", "n_members"),
        lambda rows: (rows["n_old"] >= rows["n_members"]).where(rows["n_old"].notna() & rows["n_members"].notna()),
    ),
    "old_head": Grouping(
        "户主65岁以上",
        "head aged 65 and over",
        ("head_age",),
        lambda rows: (rows["head_age"] >= 65).where(rows["head_age"].notna()),
    ),
    "one_person": Grouping(
        "一人户", "one person", ("n_members",), lambda rows: (rows["n_members"] == 1).where(rows["n_members"].notna())
    ),
    "no_labour": Grouping(
        "无普通劳动力",
        "nobody with full labour",
        ("n_full_labour",),
        lambda rows: (rows["n_full_labour"] == 0).where(rows["n_full_labour"].notna()),
    ),
    "disabled": Grouping("有残疾成员", "a disabled member", ("n_disabled",), _any("n_disabled")),
    "seriously_ill": Grouping("有大病成员", "a seriously ill member", ("n_seriously_ill",), _any("n_seriously_ill")),
    "away": Grouping("有外出务工成员", "a member working away", ("n_away",), _any("n_away")),
    "resettled": Grouping("易地搬迁户", "resettled", ("resettled",), _flag("resettled")),
    "remote_village": Grouping("偏远高寒村", "in a remote or high village", ("remote_village",), _flag("remote_village")),
}
"""Asked with yes or no. Townships are a grouping of their own, by code."""
PREFIX, TOWNSHIP = "group_", "township_code"
COLUMNS = (
    "grouping", "zh", "en", "group", "status", "n", "n_events", "n_clusters", "mean_risk", "observed_rate", "observed_over_expected",
    "observed_over_expected_low", "observed_over_expected_high", "calibration_slope", "calibration_slope_low", "calibration_slope_high",
    "calibration_intercept", "calibration_intercept_low", "calibration_intercept_high", "ece", "ece_low", "ece_high",
)  # fmt: skip


def groups_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The groups of snapshot rows: `group_township_code`, and `group_<name>` "yes", "no" or "" (unknown) where its features are there."""
    import pandas as pd

    found = {f"{PREFIX}{TOWNSHIP}": (rows["village_code"] // 1000).astype(str)}
    for name, grouping in GROUPINGS.items():
        if set(grouping.needs) <= set(rows.columns):
            value = grouping.of(rows).astype("float64")
            found[f"{PREFIX}{name}"] = value.map({1.0: "yes", 0.0: "no"}).fillna("")
    return pd.DataFrame(found, index=rows.index)


def group_calibration(predictions: pd.DataFrame, settings: EvaluationSpec) -> pd.DataFrame:
    """Calibration of the model's risk within every group, with intervals from drawing villages.

    Parameters
    ----------
    predictions
        One row per household and day, with village_code, y, `p_model`, the columns of `groups_of` and, where rows stand for others, `weight`.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`: all rows together first (grouping "all"), then townships, then every grouping's yes, no and unknown. mean_risk and
        observed_rate are shares of the group's households; their ratio, slope, intercept and ece as in `calibration.calibration_by_group`.
        Groups with fewer than 20 events (or non-events) have the status "too_few" and nothing but their counts: a rate of so few says nothing.
    """
    import numpy as np

    from returnrisk.calibration import calibration_by_group

    table = calibration_by_group(
        predictions["y"],
        predictions["p_model"],
        {str(c).removeprefix(PREFIX): predictions[c] for c in predictions.columns if str(c).startswith(PREFIX)},
        clusters=predictions["village_code"],
        sample_weight=predictions["weight"] if "weight" in predictions.columns else None,
        n_bootstrap=settings.n_bootstrap,
        seed=settings.seed,
    )
    words = {"all": ("全部", "everyone at risk"), TOWNSHIP: ("乡镇", "township"), **{n: (g.zh, g.en) for n, g in GROUPINGS.items()}}
    table = table.rename(columns={"column": "grouping"}).assign(
        zh=lambda t: t["grouping"].map(lambda name: words[name][0]),
        en=lambda t: t["grouping"].map(lambda name: words[name][1]),
        mean_risk=lambda t: t["expected"] / t["weight"],
        observed_rate=lambda t: t["observed"] / t["weight"],
    )
    table.loc[table["status"] == "too_few", list(COLUMNS[COLUMNS.index("mean_risk") :])] = np.nan
    return table[list(COLUMNS)]


def standing_out(table: pd.DataFrame) -> pd.DataFrame:
    """Groups whose ratio of observed to expected has an interval that leaves out 1; of many true groups one in twenty does."""
    measured = table[(table["status"] == "measured") & (table["grouping"] != "all")]
    outside = (measured["observed_over_expected_low"] > 1) | (measured["observed_over_expected_high"] < 1)
    return measured[outside]
