"""The average of several learners' log-odds: what one of them sees by chance, the others rarely see too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.errors import ConfigError, UnknownNameError
from returnrisk.models.base import FloatArray, RiskLearner

DEFAULT_MEMBERS: tuple[Mapping[str, Any], ...] = ({"name": "lightgbm"}, {"name": "logistic"})
MEMBER_KEYS = ("name", "params", "weight")
SEED_STEP = 1000
"""Seeds of members with draws are this far apart, so that two runs with neighbouring seeds share none."""


class AverageRisk(RiskLearner):
    """Weighted mean of the log-odds of several learners, each fitted on the same rows.

    Explanations stay exact: every member's contributions add up to its own log-odds, so their weighted mean adds up to the
    average's. Weights are given, not learned: learning them needs held-out time that a county has little of.

    Parameters
    ----------
    feature_names
        Names of the columns, in order. None: taken from a frame's columns, else f0, f1, ...
    monotone
        Handed to every member that heeds directions.
    members
        What to average: mappings with `name` (a learner with contributions), and where wished `params` (its hyper-parameters) and `weight`
        (default 1). A member with draws gets a seed of its own, unless its `params` name one. None: LightGBM and logistic regression.
    seed
        From which the members' seeds follow.

    References
    ----------
    Breiman (1996), Bagging predictors; Claeskens, Magnus, Vasnev, Wang (2016), The forecast combination puzzle: why equal weights.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 2))
    >>> y = (rng.random(400) < 1 / (1 + np.exp(X[:, 0]))).astype(int)
    >>> members = [{"name": "logistic"}, {"name": "lightgbm", "params": {"n_estimators": 20}, "weight": 2}]
    >>> learner = AverageRisk(feature_names=("line_ratio", "noise"), members=members).fit(X, y)
    >>> parts = [m.decision_function(X) for m in learner.members_]
    >>> bool(np.allclose(learner.decision_function(X), (parts[0] + 2 * parts[1]) / 3))
    True
    >>> AverageRisk(members=[{"name": "average"}]).fit(X, y)
    Traceback (most recent call last):
        ...
    returnrisk.errors.ConfigError: average: member 0 is an average itself; name its members here
    """

    kind: ClassVar[str] = "average"
    members_: tuple[RiskLearner, ...]

    def __init__(
        self,
        *,
        feature_names: Sequence[str] | None = None,
        monotone: Mapping[str, int] | None = None,
        members: Sequence[Mapping[str, Any]] | None = None,
        seed: int = 0,
    ) -> None:
        self.feature_names = feature_names
        self.monotone = monotone
        self.members = members
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit every member; input and errors as `LightGBMRisk.fit`.

        Raises
        ------
        ConfigError
            No member, a weight that is not above 0, or an average within the average.
        UnknownNameError
            An unknown learner, or a key or hyper-parameter that is none.
        """
        matrix, outcome, weight = self._training_input(X, y, sample_weight)
        members = [self._member(i, given) for i, given in enumerate(self._given())]
        self.weights()
        weighted = None if sample_weight is None else weight
        self.members_ = tuple(member.fit(matrix, outcome, weighted) for member in members)
        return self

    def weights(self) -> FloatArray:
        """Weights of the members, adding up to 1."""
        given = np.array([float(member.get("weight", 1.0)) for member in self._given()])
        if not (np.isfinite(given).all() and (given > 0).all()):
            raise ConfigError(f"average: weights are {given.tolist()}; expected numbers above 0")
        shares: FloatArray = given / given.sum()
        return shares

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Log-odds of the event, (n,): the members' weighted mean, not calibrated."""
        matrix = self._matrix(X)
        return self._mean([member.decision_function(matrix) for member in self.members_])

    def contributions(self, X: ArrayLike) -> FloatArray:
        """What each feature adds to the log-odds, (n, p + 1), last the expected value: the weighted mean of the members'.

        A row sums to `decision_function`, since every member's does.
        """
        matrix = self._matrix(X)
        return self._mean([member.contributions(matrix) for member in self.members_])

    def _mean(self, parts: list[FloatArray]) -> FloatArray:
        # one by one: a matrix product may round a row differently beside other rows
        mean = np.zeros_like(parts[0])
        for weight, part in zip(self.weights(), parts, strict=True):
            mean += weight * part
        return mean

    def _given(self) -> Sequence[Mapping[str, Any]]:
        given = DEFAULT_MEMBERS if self.members is None else self.members
        if not given:
            raise ConfigError("average: no members; name at least one learner")
        for i, member in enumerate(given):
            for key in member:
                if key not in MEMBER_KEYS:
                    raise UnknownNameError(f"key of the average's member {i}", key, MEMBER_KEYS)
            if "name" not in member:
                raise ConfigError(f"average: member {i} has no name; name its learner")
        return given

    def _member(self, i: int, given: Mapping[str, Any]) -> RiskLearner:
        from returnrisk.models import make_learner

        name, params = str(given["name"]), dict(given.get("params", {}))
        if name == self.kind:
            raise ConfigError(f"average: member {i} is an average itself; name its members here")
        member = make_learner(name, feature_names=self.feature_names_, monotone=self.monotone, params=params)
        if not hasattr(member, "contributions"):
            raise ConfigError(f"average: member {i}, {name}, cannot explain its score; leave it out")
        if "seed" in member.get_params(deep=False) and "seed" not in params:
            member.set_params(seed=self.seed * SEED_STEP + i)
        return member

    def _fitted_state(self) -> dict[str, Any]:
        return {"members": [member.to_state() for member in self.members_]}

    def _restore(self, state: Mapping[str, Any]) -> None:
        from returnrisk.models import restore_learner

        self.members_ = tuple(restore_learner(member) for member in state["members"])
        if len(self.members_) != len(self._given()):
            raise ValueError(f"{len(self.members_)} fitted members for {len(self._given())} named")
