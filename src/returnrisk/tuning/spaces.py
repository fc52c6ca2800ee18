"""What may be tuned of every learner, and between which bounds: the one place where that is said.

The bounds are assumed: wide enough to hold what counties of 1 000 to 100 000 households were seen to want, narrow enough that no trial
is hopeless. What a specification fixes for readability or by definition (lists of features, cuts, columns) is never tuned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from returnrisk.errors import ConfigError

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


@dataclass(frozen=True, slots=True)
class Whole:
    """Whole numbers from `low` to `high`, both possible; `log`: equally likely by the factor, not by the difference."""

    low: int
    high: int
    log: bool = False

    def draw(self, trial: BaseTrial, name: str) -> int:
        """A value for one trial."""
        return int(trial.suggest_int(name, self.low, self.high, log=self.log))

    def nearest(self, value: float) -> int:
        """The possible value nearest to another."""
        return round(min(max(value, self.low), self.high))


@dataclass(frozen=True, slots=True)
class Real:
    """Numbers from `low` to `high`; `log` as of `Whole`. Three digits are kept: a specification is read by people."""

    low: float
    high: float
    log: bool = False

    def draw(self, trial: BaseTrial, name: str) -> float:
        """A value for one trial."""
        return float(f"{trial.suggest_float(name, self.low, self.high, log=self.log):.3g}")

    def nearest(self, value: float) -> float:
        """The possible value nearest to another."""
        return float(min(max(value, self.low), self.high))


Range = Whole | Real

SPACES: Mapping[str, Mapping[str, Range]] = {
    "lightgbm": {
        "n_estimators": Whole(50, 600, log=True),
        "learning_rate": Real(0.01, 0.1, log=True),
        "num_leaves": Whole(4, 31, log=True),
        "min_child_samples": Whole(20, 300, log=True),
        "lambda_l2": Real(0.1, 100.0, log=True),
        "feature_fraction": Real(0.3, 1.0),
        "bagging_fraction": Real(0.5, 1.0),
    },
    "logistic": {"C": Real(0.001, 10.0, log=True)},
    "hazard": {"penalty": Real(0.01, 1000.0, log=True)},
    "scorecard": {"n_bands": Whole(2, 8), "total_points": Whole(20, 200, log=True), "penalty": Real(0.01, 100.0, log=True)},
    "vulnerability": {"floor": Real(0.01, 0.5, log=True), "least_variance": Real(0.01, 0.5, log=True)},
}
"""Learner → hyper-parameter → range. A learner that is not here has nothing to tune."""


def space_of(learner: str) -> Mapping[str, Range]:
    """The ranges of a learner.

    Raises
    ------
    ConfigError
        It has nothing to tune.

    Examples
    --------
    >>> space_of("logistic")
    {'C': Real(low=0.001, high=10.0, log=True)}
    >>> space_of("income_only")
    Traceback (most recent call last):
        ...
    returnrisk.errors.ConfigError: a learner of kind income_only has nothing to tune; those that do: hazard, lightgbm, logistic, scorecard, vulnerability
    """
    if learner not in SPACES:
        raise ConfigError(f"a learner of kind {learner} has nothing to tune; those that do: {', '.join(sorted(SPACES))}")
    return SPACES[learner]
