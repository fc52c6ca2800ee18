"""Whether the model's risks are true within townships, registered classes and groups that are easily overlooked.

A model that is calibrated over a county can be too low for one township or for the old who live alone, and its list then misses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from returnrisk.config import EvaluationSpec
from returnrisk.fairness.groupings import EVERYONE, GROUPINGS, PREFIX, TOWNSHIP

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "grouping", "zh", "en", "group", "status", "n", "n_events", "n_clusters", "mean_risk", "observed_rate", "observed_over_expected",
    "observed_over_expected_low", "observed_over_expected_high", "calibration_slope", "calibration_slope_low", "calibration_slope_high",
    "calibration_intercept", "calibration_intercept_low", "calibration_intercept_high", "ece", "ece_low", "ece_high",
)  # fmt: skip


def group_calibration(predictions: pd.DataFrame, settings: EvaluationSpec) -> pd.DataFrame:
    """Calibration of the model's risk within every group, with intervals from drawing villages.

    Parameters
    ----------
    predictions
        One row per household and day, with village_code, y, `p_model`, the columns of `groups_of` and, where rows stand for others, `weight`.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`: all rows together first (grouping "all"), then townships, then every grouping's groups, unknown among them. mean_risk and
        observed_rate are shares of the group's households; their ratio, slope, intercept and ece as in `calibration.calibration_by_group`.
        Groups with fewer than `settings.min_group_events` events (or non-events) have the status "too_few" and nothing but their counts: a rate of so few says nothing.
    """
    import numpy as np

    from returnrisk.calibration import calibration_by_group

    table = calibration_by_group(
        predictions["y"],
        predictions["p_model"],
        {str(c).removeprefix(PREFIX): predictions[c] for c in predictions.columns if str(c).startswith(PREFIX)},
        clusters=predictions["village_code"],
        sample_weight=predictions["weight"] if "weight" in predictions.columns else None,
        least_events=settings.min_group_events,
        n_bootstrap=settings.n_bootstrap,
        seed=settings.seed,
    )
    words = {"all": EVERYONE, TOWNSHIP: ("乡镇", "township"), **{n: (g.zh, g.en) for n, g in GROUPINGS.items()}}
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
