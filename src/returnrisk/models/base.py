"""What the learners share: checked input, and a state that is JSON."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from returnrisk.config import refuse_reweighting
from returnrisk.errors import BundleError, ConfigError, DataError, NotEnoughDataError, UnknownNameError

FloatArray = NDArray[np.float64]
STATE_SCHEMA = 1
# A linear predictor this near to the reference: its change of log-odds is below what an explanation may miss.
NOT_MOVED = 1e-9


class RiskLearner(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn carries no types
    """Base of the learners: binary outcome, NaN for missing, log-odds out.

    After `fit`: `classes_` (0, 1), `feature_names_`, `n_features_in_`.
    """

    kind: ClassVar[str]
    feature_names: Sequence[str] | None
    feature_names_: tuple[str, ...]
    n_features_in_: int
    classes_: NDArray[np.int64]

    @abstractmethod
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from rows whose outcome is known."""

    @abstractmethod
    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Log-odds of the event, (n,), not calibrated."""

    @abstractmethod
    def _fitted_state(self) -> dict[str, Any]:
        """Learned quantities only, JSON-able."""

    @abstractmethod
    def _restore(self, state: Mapping[str, Any]) -> None:
        """Set the learned quantities from what `_fitted_state` gave."""

    def __sklearn_tags__(self) -> Any:
        """Two classes, NaN allowed: what scikit-learn and its checks ask of an estimator."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    @classmethod
    def build(cls, *, feature_names: Sequence[str], monotone: dict[str, int], params: dict[str, Any]) -> Self:
        """Build from a specification; `make_learner` is the way in."""
        names = _checked_names(feature_names)
        check_monotone(monotone, names)
        refuse_reweighting(params, where=f"the {cls.kind} learner")
        known = set(cls._get_param_names()) - {"feature_names", "monotone"}
        for name in params:
            if name not in known:
                raise UnknownNameError(f"{cls.kind} hyper-parameter", name, known)
        if "monotone" in inspect.signature(cls).parameters:
            params = {**params, "monotone": monotone}
        return cls(feature_names=names, **params)

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """(n, 2): probability of no event and of the event, from the uncalibrated log-odds."""
        event = sigmoid(self.decision_function(X))
        return np.column_stack([1.0 - event, event])

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """1 where the event is likelier than not; lists use ranks and calibrated risks instead."""
        likelier = self.decision_function(X) > 0
        return self.classes_[likelier.astype(np.int64)]

    def to_state(self) -> dict[str, Any]:
        """JSON-able state: kind, schema, feature names, hyper-parameters, and what was learned.

        Returns
        -------
        dict
            Only str, int, float, bool, None, list and dict; no NaN. Python's `json` keeps every float to the last bit.
        """
        check_is_fitted(self, "classes_")
        params = self.get_params(deep=False)
        params.pop("feature_names")
        return {
            "kind": self.kind,
            "schema": STATE_SCHEMA,
            "feature_names": list(self.feature_names_),
            "params": {k: _plain(v) for k, v in params.items()},
            "fitted": self._fitted_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Give back the learner that wrote `state`.

        Raises
        ------
        BundleError
            Another kind, another schema, or a part is missing or damaged.
        """
        if state.get("kind") != cls.kind or state.get("schema") != STATE_SCHEMA:
            raise BundleError(
                f"this state is of kind {state.get('kind')!r}, schema {state.get('schema')!r};"
                f" expected {cls.kind!r}, schema {STATE_SCHEMA}: load it with the version of returnrisk that wrote it"
            )
        try:
            names = tuple(state["feature_names"])
            learner = cls(feature_names=names, **state["params"])
            learner._remember(names)
            learner._restore(state["fitted"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the state of a {cls.kind} learner is incomplete or damaged ({error}); export it again") from error
        return learner

    def _remember(self, names: tuple[str, ...]) -> None:
        self.feature_names_ = names
        self.n_features_in_ = len(names)
        self.classes_ = np.array([0, 1], dtype=np.int64)

    def _positions(self, columns: Sequence[str] | None) -> list[int]:
        """Where the named columns stand in the matrix, in the order of the matrix; all of them if none are named.

        Raises
        ------
        UnknownNameError
            A name that is no column.
        ConfigError
            No name at all, or one name twice.
        """
        if columns is None:
            return list(range(len(self.feature_names_)))
        for name in _checked_names(columns):
            if name not in self.feature_names_:
                raise UnknownNameError("feature", name, self.feature_names_)
        return sorted(self.feature_names_.index(name) for name in columns)

    def _training_input(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Checked matrix, outcome and weights (ones if none), all float64; remembers the feature names."""
        columns = getattr(X, "columns", None)
        names = self.feature_names if self.feature_names is not None else columns
        matrix = _float_matrix(X)
        self._remember(_checked_names(names) if names is not None else tuple(f"f{j}" for j in range(matrix.shape[1])))
        self._check_columns(X, matrix)
        outcome = _checked_outcome(y, len(matrix))
        weight = _checked_weight(sample_weight, len(matrix))
        events = weight[outcome == 1].sum()
        if not 0 < events < weight.sum():
            raise NotEnoughDataError(
                f"{self.kind} learns from events and non-events; of {len(outcome)} rows {int(outcome.sum())} are events"
                " (with weight): widen the fit period or the cohort"
            )
        return matrix, outcome, weight

    def _matrix(self, X: ArrayLike) -> FloatArray:
        """Checked matrix for prediction, float64 (n, p)."""
        check_is_fitted(self, "classes_")
        matrix = _float_matrix(X)
        self._check_columns(X, matrix)
        return matrix

    def _check_columns(self, X: ArrayLike, matrix: FloatArray) -> None:
        known = ", ".join(self.feature_names_[:8]) + (", ..." if len(self.feature_names_) > 8 else "")
        if matrix.shape[1] != len(self.feature_names_):
            raise DataError(
                f"the matrix has {matrix.shape[1]} columns, the {self.kind} learner knows {len(self.feature_names_)} ({known}):"
                " build the matrix from the learner's own feature_names_"
            )
        columns = getattr(X, "columns", None)
        columns = None if columns is None else tuple(str(name) for name in columns)
        if columns is not None and columns != self.feature_names_:
            at = next(j for j, (a, b) in enumerate(zip(columns, self.feature_names_, strict=True)) if a != b)
            raise DataError(
                f"column {at} of the frame is '{columns[at]}', the {self.kind} learner expects '{self.feature_names_[at]}':"
                " select the columns as frame[list(learner.feature_names_)]"
            )
        bad = np.isinf(matrix).sum(axis=0)
        if bad.any():
            listed = ", ".join(f"{self.feature_names_[j]} ({bad[j]} rows)" for j in np.flatnonzero(bad)[:8])
            raise DataError(
                f"infinite values in {listed}; what is not known must be NaN: guard the division or logarithm that made them"
            )


def canonical_order(matrix: FloatArray, outcome: FloatArray, weight: FloatArray) -> NDArray[np.intp]:
    """An order of the rows that depends on what they hold and not on how they came, so that sums round the same way."""
    return np.lexsort([weight, outcome, *matrix.T])


def share_out(change: FloatArray, parts: FloatArray) -> FloatArray:
    """A change (n,) split in proportion to the parts (n, p) of the linear predictor that made it; rows without any get 0.

    The Aumann-Shapley value of a function of a sum: every part moves from 0 to its value at the same pace.
    """
    moved = parts.sum(axis=1)
    still = np.abs(moved) < NOT_MOVED
    return parts * np.where(still, 0.0, change / np.where(still, 1.0, moved))[:, None]


def sigmoid(log_odds: FloatArray) -> FloatArray:
    """Probability of a log-odds, without overflow."""
    with np.errstate(over="ignore"):  # exp(750) is inf and 1 / inf is the right answer
        return 1.0 / (1.0 + np.exp(-log_odds))


def check_monotone(monotone: Mapping[str, int], names: Sequence[str]) -> None:
    """Refuse a direction for a feature that is not there, or other than -1, 0 and 1."""
    for name, direction in monotone.items():
        if name not in names:
            raise UnknownNameError("monotone feature", name, names)
        if direction not in (-1, 0, 1):
            raise ConfigError(f"monotone direction of '{name}' is {direction!r}; expected -1 (falls), 0 (free) or 1 (rises)")


def _plain(value: Any) -> Any:
    """A hyper-parameter as JSON gives it back."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _checked_names(names: Sequence[str]) -> tuple[str, ...]:
    result = tuple(str(name) for name in names)
    twice = sorted({name for name in result if result.count(name) > 1})
    if twice or not result:
        raise ConfigError(f"feature names must be distinct and at least one; twice or more: {', '.join(twice) or 'none'}")
    return result


def _float_matrix(X: ArrayLike) -> FloatArray:
    if getattr(getattr(X, "dtype", None), "kind", "") == "c":
        raise DataError("the matrix holds complex numbers; expected real ones, NaN where nothing is recorded")
    try:
        matrix = np.ascontiguousarray(np.asarray(X, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise DataError("the matrix holds what is not a number; expected numbers, NaN where nothing is recorded") from error
    if matrix.ndim != 2:
        raise DataError(f"the matrix has {matrix.ndim} dimensions; expected 2: one row per household, one column per feature")
    return matrix


def _checked_outcome(y: ArrayLike, n: int) -> FloatArray:
    try:
        outcome = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("the outcomes hold what is not a number; expected 0 and 1") from error
    if outcome.shape != (n,):
        raise DataError(f"{n} rows but outcomes of shape {outcome.shape}; expected one outcome per row")
    odd = int((~np.isin(outcome, (0.0, 1.0))).sum())
    if odd:
        raise DataError(f"{odd} of {n} outcomes are neither 0 nor 1; drop censored rows before learning")
    return outcome


def _checked_weight(sample_weight: ArrayLike | None, n: int) -> FloatArray:
    if sample_weight is None:
        return np.ones(n)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n,) or not np.isfinite(weight).all() or (weight < 0).any():
        raise DataError(f"sample_weight must be {n} finite numbers of at least 0, one per row; found shape {weight.shape}")
    return weight
