"""The learners a model specification may name; `docs/models.md` has them side by side.

All take the same matrix (float64, NaN where nothing is recorded), give log-odds, and keep their fitted state as JSON, never
as a pickle. A log-odds is not yet a risk: `returnrisk.calibration` turns it into one, on later time than the learner was fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from returnrisk.models.base import RiskLearner

LEARNERS = ("alert_rules", "average", "hazard", "income_only", "lightgbm", "logistic", "scorecard", "vulnerability")


class Learner(Protocol):
    """What every learner can do; `X` is (n, p) with columns in the order of `feature_names_`."""

    feature_names_: tuple[str, ...]
    classes_: NDArray[np.int64]

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from rows whose outcome is known."""

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Log-odds of the event, (n,), not calibrated."""

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """(n, 2): probability of no event and of the event, not calibrated."""

    def to_state(self) -> dict[str, Any]:
        """JSON-able state; `restore_learner` gives the same predictions from it, bit for bit."""


def _learner_class(name: str) -> type[RiskLearner]:
    if name == "lightgbm":
        from returnrisk.models.boosting import LightGBMRisk

        return LightGBMRisk
    if name == "logistic":
        from returnrisk.models.logistic import LogisticRisk

        return LogisticRisk
    if name == "income_only":
        from returnrisk.models.income_only import IncomeOnly

        return IncomeOnly
    if name == "hazard":
        from returnrisk.models.hazard import HazardRisk

        return HazardRisk
    if name == "vulnerability":
        from returnrisk.models.vulnerability import VulnerabilityRisk

        return VulnerabilityRisk
    if name == "average":
        from returnrisk.models.average import AverageRisk

        return AverageRisk
    if name == "scorecard":
        from returnrisk.models.scorecard import ScorecardRisk

        return ScorecardRisk
    if name == "alert_rules":
        from returnrisk.models.alert_rules import AlertRules

        return AlertRules
    from returnrisk.errors import UnknownNameError

    raise UnknownNameError("learner", name, LEARNERS)


def make_learner(
    name: str,
    *,
    feature_names: Sequence[str],
    monotone: Mapping[str, int] | None = None,
    params: Mapping[str, Any] | None = None,
) -> RiskLearner:
    """Build an unfitted learner by its name in a model specification.

    Parameters
    ----------
    name
        One of `LEARNERS`.
    feature_names
        Names of the columns of the matrix, in order.
    monotone
        Feature name to -1 (risk never rises with the value), 0 or 1. LightGBM and the scorecard heed it: a regression's sign is an
        estimate, and income-only has one direction by definition. Names are checked for all.
    params
        Hyper-parameters of that learner (the keywords of its class).

    Raises
    ------
    UnknownNameError
        An unknown learner, hyper-parameter, or a monotone feature that is not among `feature_names`.
    ConfigError
        A value that cannot be meant, such as a monotone direction of 2.

    Examples
    --------
    >>> make_learner("income_only", feature_names=("line_ratio", "n_members"), params={"column": "line_ratio"}).column
    'line_ratio'
    >>> make_learner("ligthgbm", feature_names=("line_ratio",))
    Traceback (most recent call last):
        ...
    returnrisk.errors.UnknownNameError: unknown learner 'ligthgbm'; did you mean 'lightgbm'? known: alert_rules, average, hazard, income_only, lightgbm, logistic, scorecard, vulnerability
    """
    learner_class = _learner_class(name)
    return learner_class.build(feature_names=feature_names, monotone=dict(monotone or {}), params=dict(params or {}))


def restore_learner(state: Mapping[str, Any]) -> RiskLearner:
    """Give back the fitted learner that wrote `state`; its predictions are the same bit for bit.

    Raises
    ------
    UnknownNameError
        `state["kind"]` names no learner.
    BundleError
        The state is incomplete or damaged.
    """
    return _learner_class(str(state.get("kind"))).from_state(state)


__all__ = ["LEARNERS", "Learner", "make_learner", "restore_learner"]
