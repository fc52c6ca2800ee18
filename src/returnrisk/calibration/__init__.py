"""From a learner's log-odds to a risk that may be read as a share: of a hundred such households so many will fall.

Fitted on later time than the learner. A sigmoid and a beta calibration keep every difference of rank; an isotonic and a Venn-Abers
calibration join neighbours into plateaus (and so make ties): rank by log-odds or by a sigmoid's risk. `docs/calibration.md` says when
to take which; `choose_calibration` lets later days decide, `recalibrate` follows new periods without retraining.
"""

from returnrisk.calibration.beta import BetaCalibration
from returnrisk.calibration.choice import CalibrationChoice, choose_calibration, fit_calibration
from returnrisk.calibration.comparison import compare_calibrations
from returnrisk.calibration.cross_fitting import cross_fitted
from returnrisk.calibration.groups import calibration_by_group
from returnrisk.calibration.isotonic import IsotonicCalibration
from returnrisk.calibration.methods import CALIBRATIONS, Calibration, CalibrationMethod, restore_calibration
from returnrisk.calibration.sigmoid import SigmoidCalibration
from returnrisk.calibration.update import UpdatedCalibration, recalibrate
from returnrisk.calibration.venn_abers import VennAbersCalibration

__all__ = [
    "CALIBRATIONS",
    "BetaCalibration",
    "Calibration",
    "CalibrationChoice",
    "CalibrationMethod",
    "IsotonicCalibration",
    "SigmoidCalibration",
    "UpdatedCalibration",
    "VennAbersCalibration",
    "calibration_by_group",
    "choose_calibration",
    "compare_calibrations",
    "cross_fitted",
    "fit_calibration",
    "recalibrate",
    "restore_calibration",
]
