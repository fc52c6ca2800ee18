"""Exact Shapley contributions of the boosted trees, with additivity asserted on every batch.

Scale: log-odds before calibration. Calibration by a rising curve keeps their sign and order. Background: the training rows' own
distribution, as the trees' node counts hold it (path-dependent TreeSHAP; Lundberg et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.errors import ExplanationError

if TYPE_CHECKING:
    import numpy as np

ADDITIVITY_TOLERANCE = 1e-6
"""Largest gap in log-odds between the sum of contributions and the score; float64 sums of a few hundred trees stay below 1e-9."""
CHUNK_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Contributions:
    """Contributions of one batch.

    Attributes
    ----------
    values
        (households, features), log-odds.
    base
        Log-odds of the expected score.
    largest_gap
        Largest difference between base + sum of values and the score.
    """

    values: np.ndarray
    base: float
    largest_gap: float


def explain_rows(learner: Any, X: np.ndarray) -> Contributions:
    """Contributions of every feature to every row's score.

    Parameters
    ----------
    learner
        A fitted learner with `contributions` and `decision_function`.
    X
        (n, p) float64 with NaN, the same values prediction saw.

    Raises
    ------
    ExplanationError
        The contributions of some row do not add up to its score: such reasons are not shown to anybody.
    """
    import numpy as np

    parts = [learner.contributions(X[i : i + CHUNK_ROWS]) for i in range(0, len(X), CHUNK_ROWS)]
    full = np.vstack(parts) if parts else np.zeros((0, X.shape[1] + 1))
    gaps = np.abs(full.sum(axis=1) - learner.decision_function(X)) if len(X) else np.zeros(0)
    largest = float(gaps.max(initial=0.0))
    if not largest <= ADDITIVITY_TOLERANCE:
        bad = int((~(gaps <= ADDITIVITY_TOLERANCE)).sum())
        raise ExplanationError(
            f"contributions of {bad} of {len(X)} rows miss the score by up to {largest:.2g} log-odds (allowed {ADDITIVITY_TOLERANCE:g}): "
            f"the model file and this version of LightGBM do not fit; train again"
        )
    return Contributions(values=full[:, :-1], base=float(full[0, -1]) if len(full) else 0.0, largest_gap=largest)
