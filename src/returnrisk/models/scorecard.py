"""A scorecard that a county can work out by hand: a few facts in bands, whole points, and a table from points to risk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from returnrisk.errors import ConfigError
from returnrisk.models.base import FloatArray, RiskLearner, canonical_order, check_monotone, sigmoid

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.features.catalogue import Feature

# The line from points to log-odds keeps its direction; too flat to move a risk where points tell nothing.
FLATTEST_SLOPE = 1e-6
INVERSE_PENALTY = 1e4
# Log-odds between the best and the worst household below which there is nothing to give points for.
LEAST_EFFECT = 1e-3
# Gain of the log-likelihood per row at which the search for the bands' effects stops: points are rounded, risks fitted afterwards.
LEAST_GAIN = 1e-10


@dataclass(frozen=True, slots=True)
class Bands:
    """One feature of the card: values from `cuts[k - 1]` to below `cuts[k]` get `points[k]`, missing ones `missing_points`."""

    column: int
    cuts: tuple[float, ...]
    points: tuple[int, ...]
    missing_points: int

    def of(self, values: FloatArray) -> NDArray[np.int64]:
        """Points (n,) of a column's raw values (n,)."""
        band = np.searchsorted(np.array(self.cuts), values, side="right")
        known = np.array(self.points, dtype=np.int64)[np.minimum(band, len(self.cuts))]
        return np.where(np.isnan(values), self.missing_points, known)


class ScorecardRisk(RiskLearner):
    """Whole points by bands, from a logistic regression on the bands whose steps never go against a monotone direction.

    Every feature is cut into bands: at given cuts, or at quantiles of its training values written with three digits; where more than
    one band's share of the rows has the lowest value (no hospital stay, no loss), that value is a band of its own. The effects are
    those of an L2-penalised logistic regression; a feature with a direction gets steps between neighbouring bands that are 0 or
    more in that direction. They are moved so that the lowest is 0, scaled so that the most a household can have is about
    `total_points`, and rounded; neighbouring bands with equal points become one, unless their cuts were given; then a logistic regression on the sum of the rounded points gives the risk.

    Parameters
    ----------
    feature_names
        Names of the columns, in order.
    monotone
        Feature name to -1, 0 or 1; heeded exactly, also after rounding. Missing values are free: a missing record may mean either.
    columns
        Features on the card; None: all.
    cuts
        Feature name to the ascending lower ends of all bands but the first; others are cut at quantiles.
    n_bands
        Bands of a feature without given cuts, at most.
    total_points
        About the most a household can have.
    penalty
        Half of it times the squared steps is taken off the log-likelihood; above 0.

    Notes
    -----
    Missing values of a feature that was never missing in training get the training rows' mean points of it, rounded. Weights of the
    rows weight the likelihood; quantiles are of the rows.

    References
    ----------
    Siddiqi (2006), Credit risk scorecards (bands, points, one table). Ustun and Rudin (2019), Learning optimized risk scores,
    measure what rounding costs; here the risk is fitted after rounding.

    Examples
    --------
    >>> import numpy as np
    >>> flag = np.repeat([0.0, 1.0], 100)[:, None]
    >>> y = np.r_[np.arange(100) < 10, np.arange(100) < 50]
    >>> card = ScorecardRisk(feature_names=("n_seriously_ill",), monotone={"n_seriously_ill": 1}, penalty=1e-6).fit(flag, y)
    >>> card.points([[0.0], [1.0]]).tolist(), card.predict_proba([[0.0], [1.0]])[:, 1].round(2).tolist()
    ([0, 100], [0.1, 0.5])
    >>> print(card.table()[["feature", "band_en", "points"]].to_string(index=False))
            feature      band_en  points
    n_seriously_ill      below 1       0
    n_seriously_ill    1 or more     100
    n_seriously_ill not recorded      50
    >>> ScorecardRisk(feature_names=("a",), cuts={"a": [2.0, 1.0]}).fit(flag, y)
    Traceback (most recent call last):
        ...
    returnrisk.errors.ConfigError: scorecard: cuts of 'a' are [2.0, 1.0]; expected ascending numbers
    """

    kind: ClassVar[str] = "scorecard"
    bands_: tuple[Bands, ...]
    mean_points_: tuple[float, ...]
    slope_: float
    intercept_: float

    def __init__(
        self,
        *,
        feature_names: Sequence[str] | None = None,
        monotone: Mapping[str, int] | None = None,
        columns: Sequence[str] | None = None,
        cuts: Mapping[str, Sequence[float]] | None = None,
        n_bands: int = 4,
        total_points: int = 100,
        penalty: float = 1.0,
    ) -> None:
        self.feature_names = feature_names
        self.monotone = monotone
        self.columns = columns
        self.cuts = cuts
        self.n_bands = n_bands
        self.total_points = total_points
        self.penalty = penalty

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn cuts, points and the line from points to log-odds; input and errors as `LightGBMRisk.fit`.

        Raises
        ------
        ConfigError, UnknownNameError
            Fewer than two bands, no points, no penalty, cuts that do not rise, or a feature that is no column.
        """
        matrix, outcome, weight = self._training_input(X, y, sample_weight)
        check_monotone(self.monotone or {}, self.feature_names_)
        self._check_settings()
        used = self._positions(self.columns)
        order = canonical_order(matrix[:, used], outcome, weight)
        matrix, outcome, weight = matrix[order], outcome[order], weight[order]
        cuts = [self._cuts_of(matrix[:, j], self.feature_names_[j]) for j in used]
        blocks = [
            _steps(matrix[:, j], c, int((self.monotone or {}).get(self.feature_names_[j], 0)))
            for j, c in zip(used, cuts, strict=True)
        ]
        effects = _step_effects(blocks, outcome, weight, self.penalty)
        by_band = [_band_effects(block, effect) for block, effect in zip(blocks, effects, strict=True)]
        most = sum(float(np.ptp(e[~np.isnan(e)])) for e in by_band)
        unit = most / self.total_points if most > LEAST_EFFECT else np.inf
        self.bands_, means = (), []
        for j, c, effect in zip(used, cuts, by_band, strict=True):
            band, mean = _rounded(matrix[:, j], Bands(j, c, (), 0), effect, unit)
            self.bands_ += (band if self.feature_names_[j] in (self.cuts or {}) else _merged(band),)
            means.append(mean)
        self.mean_points_ = tuple(means)
        self._fit_line(self._total(matrix), outcome, weight)
        return self

    def points(self, X: ArrayLike) -> NDArray[np.int64]:
        """Points of each row, (n,), as they would be added up by hand."""
        return self._total(self._matrix(X))

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Log-odds of the event, (n,), a straight line in the points; not calibrated."""
        points = self.points(X).astype(np.float64)
        return self.intercept_ + self.slope_ * points

    def contributions(self, X: ArrayLike) -> FloatArray:
        """What each feature adds to the log-odds against the mean points of the training rows, (n, p + 1).

        Exact Shapley values where features are taken as independent. The last column is the reference; a row sums to `decision_function`.
        """
        matrix = self._matrix(X)
        parts = np.zeros(matrix.shape)
        for band, mean in zip(self.bands_, self.mean_points_, strict=True):
            parts[:, band.column] = self.slope_ * (band.of(matrix[:, band.column]) - mean)
        return np.column_stack([parts, np.full(len(matrix), self.intercept_ + self.slope_ * sum(self.mean_points_))])

    def table(self, features: Sequence[Feature] = ()) -> pd.DataFrame:
        """The printed card: one row per feature and band.

        Parameters
        ----------
        features
            Catalogue entries that give the labels; a feature without one is called by its name.

        Returns
        -------
        DataFrame
            feature, zh, en (labels), band_zh, band_en, low, high (of the band, high not in it; NaN: open, or not recorded), points.
        """
        import pandas as pd

        labels = {f.name: (f.zh, f.en) for f in features}
        rows = []
        for band in self.bands_:
            name = self.feature_names_[band.column]
            ends = [np.nan, *band.cuts, np.nan]
            zh, en = labels.get(name, (name, name))
            for low, high, points in zip(ends, ends[1:], band.points, strict=False):
                rows.append((name, zh, en, *_band_words(low, high), low, high, points))
            rows.append((name, zh, en, "无记录", "not recorded", np.nan, np.nan, band.missing_points))
        return pd.DataFrame(rows, columns=["feature", "zh", "en", "band_zh", "band_en", "low", "high", "points"])

    def risk_table(self, *, step: int = 5, risk: Callable[[FloatArray], FloatArray] = sigmoid) -> pd.DataFrame:
        """From points to risk, for every `step` points from the fewest to the most the card can give.

        Parameters
        ----------
        risk
            Log-odds to probability: a calibration's `apply`; without one the card's own risk, which is not calibrated.

        Returns
        -------
        DataFrame
            points, risk.
        """
        import pandas as pd

        most = sum(max(*band.points, band.missing_points) for band in self.bands_)
        fewest = sum(min(*band.points, band.missing_points) for band in self.bands_)
        points = np.unique([*range(fewest, most, step), most])
        return pd.DataFrame({"points": points, "risk": risk(self.intercept_ + self.slope_ * points)})

    def _total(self, matrix: FloatArray) -> NDArray[np.int64]:
        total = np.zeros(len(matrix), dtype=np.int64)
        for band in self.bands_:
            total += band.of(matrix[:, band.column])
        return total

    def _fit_line(self, points: NDArray[np.int64], outcome: FloatArray, weight: FloatArray) -> None:
        from sklearn.linear_model import LogisticRegression

        rate = float(np.average(outcome, weights=weight))
        self.slope_, self.intercept_ = FLATTEST_SLOPE, float(np.log(rate / (1 - rate)))
        center, spread = float(points.mean()), float(points.std())
        if spread > 0:
            model = LogisticRegression(C=INVERSE_PENALTY, solver="newton-cholesky", tol=1e-10)
            model.fit(((points - center) / spread)[:, None], outcome, sample_weight=weight)
            slope = float(model.coef_[0, 0]) / spread
            if slope > FLATTEST_SLOPE:
                self.slope_, self.intercept_ = slope, float(model.intercept_[0]) - slope * center

    def _check_settings(self) -> None:
        for name, least in (("n_bands", 2), ("total_points", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"scorecard: {name} is {getattr(self, name)}; expected {least} or more")
        if not self.penalty > 0:
            raise ConfigError(f"scorecard: penalty is {self.penalty}; expected more than 0, so that points stay finite")
        for name, cuts in (self.cuts or {}).items():
            self._positions([name])
            if not len(cuts) or not np.isfinite(cuts).all() or (np.diff(cuts) <= 0).any():
                raise ConfigError(f"scorecard: cuts of '{name}' are {list(cuts)}; expected ascending numbers")

    def _cuts_of(self, values: FloatArray, name: str) -> tuple[float, ...]:
        if self.cuts and name in self.cuts:
            return tuple(float(c) for c in self.cuts[name])
        known = values[~np.isnan(values)]
        distinct = np.unique(known)
        if len(distinct) <= self.n_bands:
            return tuple(float(v) for v in distinct[1:])
        n, first = self.n_bands, []
        if (known == distinct[0]).mean() > 1 / n:
            known, n, first = known[known > distinct[0]], n - 1, [float(distinct[1])]
        quantiles = np.quantile(known, np.arange(1, n) / n, method="higher")
        cuts = {float(f"{q:.3g}") for q in quantiles} | set(first)
        return tuple(sorted(c for c in cuts if distinct[0] < c <= distinct[-1]))

    def _fitted_state(self) -> dict[str, Any]:
        return {
            "bands": [[b.column, list(b.cuts), list(b.points), b.missing_points] for b in self.bands_],
            "mean_points": list(self.mean_points_),
            "slope": self.slope_,
            "intercept": self.intercept_,
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.bands_ = tuple(
            Bands(int(j), tuple(float(c) for c in cuts), tuple(int(p) for p in points), int(missing))
            for j, cuts, points, missing in state["bands"]
        )
        self.mean_points_ = tuple(float(m) for m in state["mean_points"])
        self.slope_, self.intercept_ = float(state["slope"]), float(state["intercept"])


@dataclass(frozen=True, slots=True)
class Steps:
    """The regression's inputs of one feature.

    Attributes
    ----------
    inputs
        (n, k): for each cut, and last for a missing value, whether the step is taken.
    meaning
        (bands + 1, k): which steps a household of each band, and last of a missing value, has taken.
    least
        (k,) lower bound of each step: 0 where a direction holds, else none.
    """

    inputs: FloatArray
    meaning: FloatArray
    least: FloatArray


def _steps(values: FloatArray, cuts: tuple[float, ...], direction: int) -> Steps:
    k = len(cuts)
    meaning = np.zeros((k + 2, k + 1))
    for at in range(k):
        if direction < 0:
            meaning[: at + 1, at] = 1  # below the cut
        elif direction > 0:
            meaning[at + 1 : k + 1, at] = 1  # at the cut or above
        else:
            meaning[at + 1, at] = 1  # this band against the lowest
    meaning[k + 1, k] = 1
    band = np.where(np.isnan(values), k + 1, np.searchsorted(np.array(cuts), values, side="right"))
    least = np.full(k + 1, 0.0 if direction else -np.inf)
    least[k] = -np.inf
    return Steps(meaning[band], meaning, least)


def _step_effects(blocks: Sequence[Steps], outcome: FloatArray, weight: FloatArray, penalty: float) -> list[FloatArray]:
    """Log-odds of every step by penalised likelihood under the bounds, per feature."""
    from scipy.optimize import minimize

    least = np.concatenate([[-np.inf], *(block.least for block in blocks)])
    inputs, pattern = _patterns(np.column_stack([np.ones(len(outcome)), *(block.inputs for block in blocks)]))
    rows = np.bincount(pattern, weights=weight)
    events = np.bincount(pattern, weights=weight * outcome)
    total = weight.sum()
    rate = float(events.sum() / total)
    start = np.zeros(inputs.shape[1])
    start[0] = np.log(rate / (1 - rate))

    def loss(where: FloatArray) -> tuple[float, FloatArray]:
        log_odds = inputs @ where
        pulled = np.r_[0.0, where[1:]] * penalty
        value = rows @ np.logaddexp(0, log_odds) - events @ log_odds + pulled @ where / 2
        slope = inputs.T @ (rows * sigmoid(log_odds) - events) + pulled
        return float(value / total), slope / total

    bounds = [(None if np.isinf(low) else low, None) for low in least]
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2000, "ftol": LEAST_GAIN, "gtol": 1e-7}
    )
    ends = np.cumsum([len(block.least) for block in blocks])
    return list(np.split(found.x[1:], ends[:-1]))


def _patterns(inputs: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """The different rows of a matrix of 0 and 1, and which of them each row is: many households take the same steps."""
    packed = np.packbits(inputs.astype(bool), axis=1)
    _, first, which = np.unique(packed.view(np.dtype((np.void, packed.shape[1]))).ravel(), return_index=True, return_inverse=True)
    return inputs[first], which


def _band_effects(block: Steps, effect: FloatArray) -> FloatArray:
    """Log-odds of each band, and last of a missing value, against the lowest of them; NaN where training never had it missing."""
    total = block.meaning @ effect
    if not block.inputs[:, -1].any():
        total[-1] = np.nan
    return np.asarray(total - np.nanmin(total))


def _rounded(values: FloatArray, band: Bands, effect: FloatArray, unit: float) -> tuple[Bands, float]:
    """The feature with its whole points, and the mean of them over the training rows."""
    points = np.rint(effect / unit)
    known = tuple(int(p) for p in points[:-1])
    missing = 0 if np.isnan(effect[-1]) else int(points[-1])
    done = Bands(band.column, band.cuts, known, missing)
    mean = float(done.of(values).mean())
    return (Bands(band.column, band.cuts, known, round(mean)) if np.isnan(effect[-1]) else done), mean


def _merged(band: Bands) -> Bands:
    """The same points with fewer bands: neighbours of equal points are one."""
    kept = [k for k in range(len(band.cuts)) if band.points[k] != band.points[k + 1]]
    cuts, points = tuple(band.cuts[k] for k in kept), (band.points[0], *(band.points[k + 1] for k in kept))
    return Bands(band.column, cuts, points, band.missing_points)


def _band_words(low: float, high: float) -> tuple[str, str]:
    if np.isnan(low) and np.isnan(high):
        return "所有记录值", "any value"
    if np.isnan(low):
        return f"低于{high:g}", f"below {high:g}"
    if np.isnan(high):
        return f"{low:g}及以上", f"{low:g} or more"
    return f"{low:g}至{high:g}（不含）", f"{low:g} to below {high:g}"
