"""LightGBM as a risk learner: monotone by feature name, deterministic, and kept as LightGBM's own text.

Monotone constraints use the method "basic". Measured with LightGBM 4.7.0 on matrices with missing values: "intermediate" and
"advanced" gave scores that moved the forbidden way (by up to 0.06 log-odds; the more liberal the method, the more often), "basic"
never did, and the three ranked equally well within 0.003 AUC. `path_smooth` breaks even "basic" and is therefore not offered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.errors import BundleError
from returnrisk.models.base import FloatArray, RiskLearner, check_monotone

if TYPE_CHECKING:
    import lightgbm

# Hyper-parameters handed to LightGBM under their own names.
SETTINGS = (
    "learning_rate",
    "num_leaves",
    "max_depth",
    "min_child_samples",
    "min_child_weight",
    "lambda_l2",
    "min_split_gain",
    "max_bin",
    "feature_fraction",
    "bagging_fraction",
    "bagging_freq",
    "seed",
    "num_threads",
)


class LightGBMRisk(RiskLearner):
    """Gradient-boosted trees with monotone constraints.

    Parameters
    ----------
    feature_names
        Names of the columns, in order. None: taken from a frame's columns, else f0, f1, ...
    monotone
        Feature name to -1, 0 or 1: the score never rises (never falls) with the recorded value. What happens when the value is
        missing is free: a missing record may mean either.
    n_estimators, learning_rate, num_leaves, max_depth, min_child_samples, min_child_weight, lambda_l2, min_split_gain, max_bin
        As in LightGBM.
    feature_fraction, bagging_fraction, bagging_freq
        Share of features per tree; share of rows per bag, drawn anew every `bagging_freq` trees (0: no bagging).
    seed
        Of every draw. Same rows in the same order, same seed: same model text.
    num_threads
        Threads for fitting and predicting; predictions do not depend on it. One by default: beside other work on two cores, two
        threads waited for each other and took 3 to 12 times as long as one.

    Notes
    -----
    Fitting depends on row order (bagging draws by position; sums are rounded): give rows sorted by key. Missing values have
    their own branch; `zero_as_missing` and native categorical splits are off, since they make fast SHAP wrong.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 2))
    >>> y = (rng.random(400) < 1 / (1 + np.exp(X[:, 0]))).astype(int)
    >>> learner = LightGBMRisk(feature_names=("line_ratio", "noise"), monotone={"line_ratio": -1}, n_estimators=20).fit(X, y)
    >>> low, high = learner.decision_function([[-1.0, 0.0], [1.0, 0.0]])
    >>> bool(low > high)
    True
    >>> LightGBMRisk(feature_names=("line_ratio", "noise"), monotone={"ratio": -1}).fit(X, y)
    Traceback (most recent call last):
        ...
    returnrisk.errors.UnknownNameError: unknown monotone feature 'ratio'; did you mean 'line_ratio'? known: line_ratio, noise
    """

    kind: ClassVar[str] = "lightgbm"

    def __init__(  # noqa: PLR0913 (scikit-learn finds hyper-parameters by name in the signature)
        self,
        *,
        feature_names: Sequence[str] | None = None,
        monotone: Mapping[str, int] | None = None,
        n_estimators: int = 300,
        learning_rate: float = 0.03,
        num_leaves: int = 15,
        max_depth: int = -1,
        min_child_samples: int = 50,
        min_child_weight: float = 1e-3,
        lambda_l2: float = 5.0,
        min_split_gain: float = 0.0,
        max_bin: int = 255,
        feature_fraction: float = 0.7,
        bagging_fraction: float = 0.8,
        bagging_freq: int = 1,
        seed: int = 0,
        num_threads: int = 1,
    ) -> None:
        self.feature_names = feature_names
        self.monotone = monotone
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.max_depth = max_depth
        self.min_child_samples = min_child_samples
        self.min_child_weight = min_child_weight
        self.lambda_l2 = lambda_l2
        self.min_split_gain = min_split_gain
        self.max_bin = max_bin
        self.feature_fraction = feature_fraction
        self.bagging_fraction = bagging_fraction
        self.bagging_freq = bagging_freq
        self.seed = seed
        self.num_threads = num_threads

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Grow `n_estimators` trees on the log-loss.

        Parameters
        ----------
        X
            (n, p) numbers, NaN where nothing is recorded.
        y
            (n,) 0 or 1.
        sample_weight
            (n,) of at least 0, or None.

        Raises
        ------
        DataError
            Wrong shape, infinite values, or an outcome that is neither 0 nor 1.
        NotEnoughDataError
            Only events, or none.
        UnknownNameError
            A monotone feature that is not a column.
        """
        import lightgbm

        matrix, outcome, weight = self._training_input(X, y, sample_weight)
        check_monotone(self.monotone or {}, self.feature_names_)
        settings = self._settings()
        data = lightgbm.Dataset(
            matrix,
            label=outcome,
            weight=None if sample_weight is None else weight,
            # Plain names: LightGBM's text format knows neither blanks nor Chinese.
            feature_name=[f"f{j}" for j in range(matrix.shape[1])],
            params=settings,
        )
        booster = lightgbm.train(settings, data, num_boost_round=self.n_estimators)
        # The text is the truth, also for the learner that has just been fitted: a restored one cannot differ.
        self._read_text(booster.model_to_string())
        return self

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Log-odds of the event, (n,): the raw score of the trees, not calibrated."""
        return self._predict(X, raw_score=True)

    def contributions(self, X: ArrayLike) -> FloatArray:
        """Exact SHAP values of the log-odds (path-dependent TreeSHAP, weighted by the training rows in each node).

        Returns
        -------
        numpy.ndarray
            (n, p + 1), log-odds: one column per feature, last the expected value; a row sums to `decision_function`.

        References
        ----------
        Lundberg, Erion, Lee (2018), Consistent individualized feature attribution for tree ensembles.
        """
        return self._predict(X, pred_contrib=True)

    @property
    def booster(self) -> lightgbm.Booster:
        """The fitted LightGBM booster; its features are called f0, f1, ... in the order of `feature_names_`."""
        return self._booster

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "objective": "binary",
            "verbose": -1,
            "deterministic": True,
            "force_col_wise": True,  # row by row it reads every feature for every tree, whatever feature_fraction: twice as long
            "feature_pre_filter": False,
            "zero_as_missing": False,
            "use_missing": True,
            **{name: getattr(self, name) for name in SETTINGS},
        }
        directions = [int((self.monotone or {}).get(name, 0)) for name in self.feature_names_]
        if any(directions):  # a method without any constraint kills the process (LightGBM issue 6841)
            settings |= {"monotone_constraints": directions, "monotone_constraints_method": "basic"}
        return settings

    def _predict(self, X: ArrayLike, **wanted: bool) -> FloatArray:
        matrix = self._matrix(X)
        if not len(matrix):  # LightGBM refuses what is a list of nobody
            return np.empty((0, matrix.shape[1] + 1) if "pred_contrib" in wanted else 0)
        return np.asarray(self._booster.predict(matrix, num_threads=self.num_threads, **wanted), dtype=np.float64)

    def _read_text(self, text: str) -> None:
        import lightgbm

        check_model_text(text, n_features=self.n_features_in_)
        self._text = text
        self._booster = lightgbm.Booster(model_str=text)

    def _fitted_state(self) -> dict[str, Any]:
        return {"text": self._text}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._read_text(state["text"])


def check_model_text(text: str, *, n_features: int) -> None:
    """Refuse a LightGBM text that is cut or is not of `n_features` features: its parser would kill the process.

    A changed digit inside a tree cannot be seen here; the checksum of the bundle sees it.

    Raises
    ------
    BundleError
        The header, the trees' announced sizes, or the trailer do not fit.

    Examples
    --------
    >>> check_model_text("tree", n_features=3)
    Traceback (most recent call last):
        ...
    returnrisk.errors.BundleError: the LightGBM text is cut or damaged (no tree sizes in its header); export the model again
    """
    sizes = re.search(r"^tree_sizes=([0-9 ]*)$", text, flags=re.MULTILINE)
    last = re.search(r"^max_feature_idx=(\d+)$", text, flags=re.MULTILINE)
    first, end = text.find("\nTree=0\n") + 1, text.find("\nend of trees\n") + 1
    if not text.startswith("tree\n") or sizes is None or last is None:
        what = "no tree sizes in its header"
    elif not text.isascii() or not 0 < first < end or sum(map(int, sizes[1].split())) != end - first:
        what = "its trees are not as long as its header says"
    elif "\nend of parameters\n" not in text[end:]:
        what = "no trailer"
    elif int(last[1]) + 1 != n_features:
        what = f"it has {int(last[1]) + 1} features where {n_features} are expected"
    else:
        return
    raise BundleError(f"the LightGBM text is cut or damaged ({what}); export the model again")
