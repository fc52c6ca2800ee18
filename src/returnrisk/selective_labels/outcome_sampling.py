"""Rows drawn, doubled or weighted by their outcome: the probability is wrong by a known constant on the log-odds scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from returnrisk.errors import ConfigError


def corrected_for_sampling(log_odds: ArrayLike, *, per_event: float, per_other: float) -> NDArray[np.float64]:
    """Log-odds of a model learnt on resampled rows, put back to the population: `log_odds - ln(per_event / per_other)`.

    Exact for the log-odds of the population that the resampled rows stand for, because within an outcome the draw does not look at
    features (King and Zeng 2001, eq. 7; Elkan 2001, theorem 2). A learner that shrinks, or trees that average over leaves, fit the
    resampled rows and not their log-odds: the constant mends the level, not what was lost of the slope.

    Parameters
    ----------
    per_event, per_other
        How often a row of each outcome is counted: the share kept (undersampling), the number of copies, or the class weight.

    Raises
    ------
    ConfigError
        Either is not above 0.

    Examples
    --------
    >>> balanced = [0.0]                      # a fifty-fifty guess after keeping 2 of 98 others for each 2 events
    >>> p = 1 / (1 + np.exp(-corrected_for_sampling(balanced, per_event=1.0, per_other=2 / 98)))
    >>> round(float(p[0]), 12)
    0.02
    """
    if not (per_event > 0 and per_other > 0):
        raise ConfigError(f"per_event is {per_event} and per_other {per_other}; expected both above 0: how often a row is counted")
    return np.subtract(np.asarray(log_odds, dtype=np.float64), np.log(per_event / per_other), dtype=np.float64)
