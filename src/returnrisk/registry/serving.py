"""From a bundle to a calibrated risk: the one path, used by this package and by MLflow alike.

MLflow loads `returnrisk.registry.serving` by name (its `loader_module`) and hands it the folder of the bundle among the model's
artifacts: no pickle and no code travels with the model, only the verified bundle.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.errors import DataError, UnknownNameError
from returnrisk.registry.bundle import MODEL, Bundle, load_bundle

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


class BundleScorer:
    """A bundle with its learners and calibrations restored once.

    Parameters
    ----------
    bundle
        As `load_bundle` returned it, verified.
    """

    def __init__(self, bundle: Bundle) -> None:
        from returnrisk.calibration import restore_calibration
        from returnrisk.models import restore_learner

        self.bundle = bundle
        self.learners = {name: restore_learner(state) for name, state in sorted(bundle.learners.items())}
        self.calibrations = {name: restore_calibration(state) for name, state in sorted(bundle.calibration.items())}

    def risk(self, frame: pd.DataFrame, *, learner: str = MODEL) -> NDArray[np.float64]:
        """Calibrated probability of the event, (n,), one per row of `frame` in its order.

        Parameters
        ----------
        frame
            The features of the contract by name, in any order, numbers with NaN for missing; further columns are not looked at.
        learner
            `model`, or one of those it is compared with.

        Raises
        ------
        DataError
            Columns of the contract are missing (all are named) or hold no numbers.
        UnknownNameError
            The bundle has no such learner.
        """
        if learner not in self.learners:
            raise UnknownNameError("learner of this bundle", learner, self.learners)
        if absent := [name for name in self.bundle.feature_names if name not in frame.columns]:
            raise DataError(
                f"{len(absent)} of {len(self.bundle.feature_names)} features of {self.bundle.path.name} are missing: {', '.join(absent[:8])}"
                f"{', ...' if len(absent) > 8 else ''}. Build the frame as the contract in features.json says"
            )
        restored = self.learners[learner]
        matrix = _as_float64(frame, list(restored.feature_names_))
        risk: NDArray[np.float64] = self.calibrations[learner].apply(restored.decision_function(matrix))
        return risk

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> NDArray[np.float64]:  # noqa: ARG002 (MLflow's signature)
        """`risk` of `model`, under the name by which MLflow calls it."""
        return self.risk(model_input)


def _as_float64(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    try:
        return frame[names].astype("float64")
    except (TypeError, ValueError) as error:
        dtypes = sorted({f"{name} ({frame[name].dtype})" for name in names if frame[name].dtype.kind not in "biuf"})
        raise DataError(f"features must be numbers, NaN where nothing is recorded; found {', '.join(dtypes[:8])}") from error


def _load_pyfunc(path: str) -> BundleScorer:
    """What MLflow calls with the folder of the bundle."""
    return BundleScorer(load_bundle(Path(path)))
