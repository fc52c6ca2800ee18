"""From a learner's log-odds to a risk that may be read as a share: of a hundred such households so many will fall.

Fitted on later time than the learner. A sigmoid and a beta calibration keep every difference of rank; an isotonic and a Venn-Abers
calibration join neighbours into plateaus (and so make ties): rank by log-odds or by a sigmoid's risk. `docs/calibration.md` says when
to take which; `choose_calibration` lets later days decide, `recalibrate` follows new periods without retraining.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from numpy.typing import ArrayLike

from returnrisk.calibration.beta import BetaCalibration
from returnrisk.calibration.isotonic import IsotonicCalibration
from returnrisk.calibration.sigmoid import SigmoidCalibration
from returnrisk.calibration.venn_abers import VennAbersCalibration
from returnrisk.errors import UnknownNameError

Calibration = SigmoidCalibration | BetaCalibration | IsotonicCalibration | VennAbersCalibration
CalibrationMethod = Literal["sigmoid", "beta", "isotonic", "venn_abers"]
__all__ = [
    "CALIBRATIONS",
    "BetaCalibration",
    "Calibration",
    "CalibrationMethod",
    "IsotonicCalibration",
    "SigmoidCalibration",
    "VennAbersCalibration",
    "fit_calibration",
    "restore_calibration",
]
CALIBRATIONS: tuple[CalibrationMethod, ...] = get_args(CalibrationMethod)
"""Simplest first: two numbers, three, one free curve, two."""

_CLASSES: Mapping[str, type[Calibration]] = {
    "sigmoid": SigmoidCalibration,
    "beta": BetaCalibration,
    "isotonic": IsotonicCalibration,
    "venn_abers": VennAbersCalibration,
}


def fit_calibration(method: str, log_odds: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Calibration:
    """Fit the calibration that a model specification names: "sigmoid", "beta", "isotonic" or "venn_abers".

    Raises
    ------
    UnknownNameError
        Another name.
    DataError, NotEnoughDataError
        As `SigmoidCalibration.fit`.

    Examples
    --------
    >>> fit_calibration("sigmoid", [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0], [0, 0, 1, 0, 1, 1]).n_events
    3
    """
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
    return _calibration_class(str(state.get("method"))).from_state(state)


def _calibration_class(method: str) -> type[Calibration]:
    if method not in _CLASSES:
        raise UnknownNameError("calibration", method, _CLASSES)
    return _CLASSES[method]
