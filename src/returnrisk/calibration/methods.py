"""Calibrations by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from numpy.typing import ArrayLike

from returnrisk.calibration.beta import BetaCalibration
from returnrisk.calibration.isotonic import IsotonicCalibration
from returnrisk.calibration.sigmoid import SigmoidCalibration
from returnrisk.calibration.update import UpdatedCalibration
from returnrisk.calibration.venn_abers import VennAbersCalibration
from returnrisk.errors import UnknownNameError

FittedCalibration = SigmoidCalibration | BetaCalibration | IsotonicCalibration | VennAbersCalibration
Calibration = FittedCalibration | UpdatedCalibration
CalibrationMethod = Literal["sigmoid", "beta", "isotonic", "venn_abers"]
CALIBRATIONS: tuple[CalibrationMethod, ...] = get_args(CalibrationMethod)
"""Simplest first: two numbers, three, one free curve, two."""

_CLASSES: Mapping[str, type[FittedCalibration]] = {
    "sigmoid": SigmoidCalibration,
    "beta": BetaCalibration,
    "isotonic": IsotonicCalibration,
    "venn_abers": VennAbersCalibration,
}


def fit_named(method: str, log_odds: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> FittedCalibration:
    """Fit the calibration of a name; UnknownNameError for another."""
    return _calibration_class(method).fit(log_odds, y, sample_weight)


def restore_calibration(state: Mapping[str, Any]) -> Calibration:
    """Give back the calibration that wrote `state`, reading its `method`.

    Raises
    ------
    UnknownNameError
        `state["method"]` names no calibration.
    BundleError
        The state is incomplete or damaged.
    """
    method = str(state.get("method"))
    return (
        UpdatedCalibration.from_state(state)
        if method == UpdatedCalibration.method
        else _calibration_class(method).from_state(state)
    )


def _calibration_class(method: str) -> type[FittedCalibration]:
    if method not in _CLASSES:
        raise UnknownNameError("calibration", method, _CLASSES)
    return _CLASSES[method]
