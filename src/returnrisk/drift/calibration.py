"""Whether the risks of earlier lists came true, once their outcomes have matured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from returnrisk.calibration import calibration_by_group
from returnrisk.config import DriftSpec, EvaluationSpec
from returnrisk.evaluation.recalibration import FloatArray

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("observed_over_expected", "calibration_slope", "calibration_intercept")
CALIBRATION_COLUMNS = (
    "day", "status", "n", "n_events", "n_clusters", "observed", "expected",
    *(f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")), "result",
)  # fmt: skip
ALL_DAYS = "all"


def calibration_drift(rows: pd.DataFrame, risk: FloatArray, *, settings: EvaluationSpec, rule: DriftSpec) -> pd.DataFrame:
    """Falls observed over falls expected, slope and intercept, of days that the model was neither learnt from nor tested on.

    Parameters
    ----------
    rows
        Labelled rows (`training.labelled_rows`) of these days; with `weight`, how many households each stands for.
    risk
        (n,) what the model said then.

    Returns
    -------
    DataFrame
        `CALIBRATION_COLUMNS`, all days together first (day "all"), then each; intervals by drawing villages, as everywhere. result of all days:
        "alarm" where the ratio lies beyond the rule's with an interval that leaves out 1, or the slope's interval ends below the rule's;
        "cannot_tell" with fewer than 20 falls. Single days are shown and not judged.
    """
    found = calibration_by_group(
        rows["y"],
        risk,
        {"day": rows["as_of"].dt.strftime("%Y-%m-%d")},
        clusters=rows["village_code"],
        sample_weight=rows["weight"] if "weight" in rows.columns else None,
        n_bootstrap=settings.n_bootstrap,
        seed=settings.seed,
    )
    found["day"] = found["group"].where(found["column"] == "day", ALL_DAYS)
    found["result"] = [_result(found.iloc[0].to_dict(), rule), *[""] * (len(found) - 1)]
    return found[list(CALIBRATION_COLUMNS)]


def _result(of: Mapping[Any, Any], rule: DriftSpec) -> str:
    if of["status"] != "measured":
        return "cannot_tell"
    ratio, low, high = (of[f"observed_over_expected{end}"] for end in ("", "_low", "_high"))
    off = abs(np.log(ratio)) > np.log(rule.calibration_ratio) and not low <= 1 <= high
    return "alarm" if off or of["calibration_slope_high"] < rule.calibration_slope else "fine"
