"""A model learnt from verified households that speaks of all: the learner and its curve both weighted by 1 / chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from returnrisk.calibration import cross_fitted, fit_calibration
from returnrisk.config import ModelSpec
from returnrisk.errors import NotEnoughDataError
from returnrisk.features.catalogue import Feature
from returnrisk.training import ScoredLearner, new_learner
from returnrisk.training_input import refuse_few

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd


def learn_from_verified(
    spec: ModelSpec, features: tuple[Feature, ...], rows: pd.DataFrame, *, weighted: bool = True
) -> ScoredLearner:
    """Fit the learner of a specification on verified rows, and its curve on villages left out, both weighted by 1 / chance.

    The estimand is the risk among all households that could have been visited. If who was visited depended on the features alone, a learner
    flexible enough needs no weights, and they only cost precision; they are needed where it also depended on what came later (a visit
    because something happened) and for a learner that is simpler than the truth. Weights are scaled to a mean of 1, so that penalties
    and leaf sizes keep their meaning.

    Parameters
    ----------
    rows
        The features, village_code, chance, verified and y, as for `estimate_from_verified`.
    weighted
        False: the verified as they are, for comparison.

    Raises
    ------
    NotEnoughDataError
        Households with chance zero, or fewer than twenty verified with either outcome.
    """
    if not (rows["chance"] > 0).all():
        raise NotEnoughDataError(
            f"{int((~(rows['chance'] > 0)).sum())} of {len(rows)} households could not have been visited: no weight makes the others speak"
            " for them; leave them out, and say that the model is not for them"
        )
    seen = rows[rows["verified"].to_numpy(bool)]
    refuse_few(seen, "verified")
    names = [f.name for f in features]
    weight = 1 / seen["chance"].to_numpy(np.float64) if weighted else np.ones(len(seen))
    weight = weight / weight.mean()

    def learn(with_weight: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        learner = new_learner(spec, features)
        learner.fit(with_weight[:, :-1], y, sample_weight=with_weight[:, -1])
        return lambda new: learner.decision_function(new[:, :-1])

    content = np.column_stack([seen[names].to_numpy(np.float64), weight])  # the weight travels with its row through the folds
    y = seen["y"].to_numpy(np.float64)
    held_out = cross_fitted(learn, content, y, clusters=seen["village_code"].astype(str).to_numpy())
    calibration = fit_calibration(spec.calibration.method, held_out, y, weight, day=seen.get("as_of"))
    final = new_learner(spec, features)
    return ScoredLearner(learner=final.fit(content[:, :-1], y, sample_weight=weight), calibration=calibration)
