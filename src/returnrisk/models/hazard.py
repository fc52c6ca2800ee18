"""Discrete-time hazard: the chance of the event in a period for those still at risk at its start, and the risk over any horizon.

The model is the grouped-data form of proportional hazards (Prentice and Gloeckler 1978; Allison 1982): in period t,

    h_t = 1 - exp(-exp(a_t + s_m + x'b))

with a level a_t for the duration (the number of the period), s_m for the season and x held at what was on file on `as_of`. Given x,
the risk by the end of period K is 1 - prod_{t<=K} (1 - h_t): one fit serves every horizon, and a household whose outcome is known
for two of four periods still teaches two of them (censoring is taken to be independent of the event, given x).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.errors import ConfigError, DataError, NotEnoughDataError
from returnrisk.models.base import FloatArray, RiskLearner, canonical_order, share_out
from returnrisk.models.terms import (
    Term,
    design,
    linear_parts,
    linear_predictor,
    matrix_terms,
    terms_from_state,
    terms_state,
    with_coefficients,
)

if TYPE_CHECKING:
    import pandas as pd

# exp(6.5) = 665: a cumulative hazard at which the event is certain to any precision; keeps exp() and log-odds finite.
HIGHEST_LOG_HAZARD = 6.5
LOWEST_LOG_HAZARD = -700.0
MOST_STEPS = 100
# Gain of the penalised log-likelihood, relative to its size, at which the search stops.
LEAST_GAIN = 1e-13


@dataclass(frozen=True, slots=True)
class Level:
    """One level of duration or season: what it adds to the log cumulative hazard, against the lowest level of its column."""

    column: int
    value: float
    coefficient: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Coefficients (k,) of intercept and inputs, and their standard errors (k,) or None where a penalty makes them unusable."""

    coefficients: FloatArray
    standard_errors: FloatArray | None


class HazardRisk(RiskLearner):
    """Complementary log-log regression for one period, or for person-period rows with duration and season.

    Without `duration`, a row is a household-day and its period the whole horizon. With it, a row is one period of a household at
    risk at the period's start (`returnrisk.models.person_periods.person_periods` makes them): `decision_function` and
    `predict_proba` speak of that period, `risk_over` of all periods of a household.

    What is estimated: the probability that a household at risk on `as_of`, with these facts on file and helped as households are
    helped today, has its first event in the period, given none before in the window. It is associational: no effect of a measure.

    Parameters
    ----------
    feature_names
        Names of the columns, in order.
    columns
        Features it may use; None: all but duration and season. Values are winsorised and standardised, a missing one becomes the
        mean and adds an input that says so; a column that is constant or wholly missing in training is left out.
    duration, season
        Columns whose values are levels (number of the period; month the period ends in). Only levels seen in training have a
        hazard.
    penalty
        Half of it times the squared coefficients (not of the intercept) is taken off the log-likelihood. Above 0 so that a rare
        flag that all its households share with the event keeps a finite coefficient; 0: maximum likelihood with standard errors.

    Notes
    -----
    Monotone directions are not heeded: a sign is an estimate. With `penalty` 0 the fit is statsmodels' GLM (Binomial, CLogLog).
    Above 0 it is Fisher scoring with step halving: statsmodels' `fit_regularized` descends one coordinate at a time in Python,
    which 100 000 rows do not allow. Standard errors take rows as independent: periods of one household are (their likelihood
    factorises), household-days that overlap are not, and their errors come out too small.

    References
    ----------
    Prentice, Gloeckler (1978), Regression analysis of grouped survival data. Allison (1982), Discrete-time methods for the
    analysis of event histories. van Houwelingen (2007), Dynamic prediction by landmarking (facts held at `as_of`).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.column_stack([rng.normal(size=4000), rng.integers(1, 5, 4000)])
    >>> y = rng.random(4000) < 1 - np.exp(-np.exp(-2 - X[:, 0]))
    >>> learner = HazardRisk(feature_names=("line_ratio", "period"), duration="period", penalty=0).fit(X, y)
    >>> learner.table()["feature"].tolist()
    ['intercept', 'line_ratio', 'period', 'period', 'period']
    >>> year = np.array([[0.3, 1], [0.3, 2], [0.3, 3], [0.3, 4]])
    >>> risk, = learner.risk_over(year, household=[0, 0, 0, 0])
    >>> bool(np.isclose(risk, 1 - np.prod(1 - learner.predict_proba(year)[:, 1])))
    True
    >>> learner.predict_proba([[0.3, 5]])
    Traceback (most recent call last):
        ...
    returnrisk.errors.DataError: 1 rows have a 'period' that training did not hold; it held 1, 2, 3, 4: a hazard is known for those only
    """

    kind: ClassVar[str] = "hazard"
    terms_: tuple[Term, ...]
    levels_: tuple[Level, ...]
    intercept_: float
    standard_errors_: tuple[float, ...] | None

    def __init__(
        self,
        *,
        feature_names: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        duration: str | None = None,
        season: str | None = None,
        penalty: float = 1.0,
    ) -> None:
        self.feature_names = feature_names
        self.columns = columns
        self.duration = duration
        self.season = season
        self.penalty = penalty

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from household-days, or from person-periods; input and errors as `LightGBMRisk.fit`.

        Raises
        ------
        ConfigError
            A negative penalty; duration or season among `columns`.
        NotEnoughDataError
            Without a penalty: inputs that separate events from non-events, or that are combinations of each other.
        """
        matrix, outcome, weight = self._training_input(X, y, sample_weight)
        if not self.penalty >= 0:
            raise ConfigError(f"hazard: penalty is {self.penalty}; expected 0 or more")
        clocks, used = self._clocks(), self._inputs()
        order = canonical_order(matrix[:, [*used, *clocks]], outcome, weight)
        matrix, outcome, weight = matrix[order], outcome[order], weight[order]
        terms = matrix_terms(matrix, columns=used, fill="mean")
        self.levels_ = tuple(Level(j, float(v), 0.0) for j in clocks for v in _levels(matrix[:, j], self.feature_names_[j]))
        free = [level for level in self.levels_ if not self._is_lowest(level)]
        inputs = np.column_stack(
            [np.ones(len(matrix)), design(terms, matrix), *(matrix[:, level.column] == level.value for level in free)]
        )
        fit = _most_likely if self.penalty == 0 else _penalised
        estimate = fit(inputs, outcome, weight, self.penalty)
        coefficients = estimate.coefficients.tolist()
        self.intercept_ = coefficients[0]
        self.terms_ = with_coefficients(terms, coefficients[1 : 1 + len(terms)])
        of_level = dict(zip(((level.column, level.value) for level in free), coefficients[1 + len(terms) :], strict=True))
        self.levels_ = tuple(Level(v.column, v.value, of_level.get((v.column, v.value), 0.0)) for v in self.levels_)
        self.standard_errors_ = None if estimate.standard_errors is None else tuple(estimate.standard_errors.tolist())
        return self

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Log-odds of the event in the row's period, (n,), not calibrated."""
        return _log_odds(self._log_hazard(self._matrix(X)))

    def risk_over(self, X: ArrayLike, *, household: ArrayLike) -> FloatArray:
        """Probability of the event in any of a household's periods, 1 - prod(1 - h).

        Parameters
        ----------
        X
            (m, p): one row per household and period, with duration and season where the learner has them.
        household
            (m,) whole numbers from 0: whose period the row is.

        Returns
        -------
        numpy.ndarray
            (n,) for households 0 to n - 1, not calibrated.

        Raises
        ------
        DataError
            A household without any period, or numbers that do not fit the rows.
        """
        matrix = self._matrix(X)
        whose = np.asarray(household)
        if whose.shape != (len(matrix),) or whose.dtype.kind not in "iu" or (whose < 0).any():
            raise DataError(
                f"household must be {len(matrix)} whole numbers from 0, one per row; found {whose.dtype}, shape {whose.shape}"
            )
        empty = int((np.bincount(whose) == 0).sum())
        if empty:
            raise DataError(f"{empty} households have no period; number those that have from 0 without a gap")
        return np.asarray(-np.expm1(-np.bincount(whose, weights=np.exp(self._log_hazard(matrix)))))

    def contributions(self, X: ArrayLike) -> FloatArray:
        """What each feature adds to the log-odds against a household at the training means in the lowest period, (n, p + 1).

        The linear predictor is shared out exactly; its curve to log-odds by the Aumann-Shapley rule. The last column is the log-odds
        of the reference; a row sums to `decision_function`.
        """
        matrix = self._matrix(X)
        parts = linear_parts(self.terms_, matrix)
        for j, effect in self._level_effects(matrix).items():
            parts[:, j] += effect
        base = float(_log_odds(np.array([self.intercept_]))[0])
        return np.column_stack([share_out(self.decision_function(matrix) - base, parts), np.full(len(matrix), base)])

    def table(self) -> pd.DataFrame:
        """The estimates: one row per input.

        Returns
        -------
        DataFrame
            feature, input ("value", "missing", or the level), coefficient (log hazard per training standard deviation; for a level
            against the lowest), hazard_ratio, standard_error, low and high of its 95% interval (NaN with a penalty).
        """
        import pandas as pd

        rows = [("intercept", "", self.intercept_)]
        rows += [(self.feature_names_[t.column], "missing" if t.is_missing else "value", t.coefficient) for t in self.terms_]
        rows += [(self.feature_names_[v.column], f"{v.value:g}", v.coefficient) for v in self.levels_ if not self._is_lowest(v)]
        frame = pd.DataFrame(rows, columns=["feature", "input", "coefficient"])
        error = np.full(len(rows), np.nan) if self.standard_errors_ is None else np.array(self.standard_errors_)
        ratio = np.exp(frame["coefficient"])
        low, high = (np.exp(frame["coefficient"] + side * 1.959964 * error) for side in (-1, 1))
        return frame.assign(hazard_ratio=ratio, standard_error=error, low=low, high=high)

    def _clocks(self) -> list[int]:
        return [self._positions([name])[0] for name in (self.duration, self.season) if name is not None]

    def _inputs(self) -> list[int]:
        clocks = self._clocks()
        if self.columns is None:
            return [j for j in range(len(self.feature_names_)) if j not in clocks]
        for name in (self.duration, self.season):
            if name in self.columns:
                raise ConfigError(f"hazard: '{name}' is duration or season and also among columns; name it once")
        return self._positions(self.columns)

    def _is_lowest(self, level: Level) -> bool:
        return level.value == min(other.value for other in self.levels_ if other.column == level.column)

    def _log_hazard(self, matrix: FloatArray) -> FloatArray:
        """Logarithm of the period's cumulative hazard (n,)."""
        total = linear_predictor(self.terms_, self.intercept_, matrix)
        for effect in self._level_effects(matrix).values():
            total += effect
        return np.clip(total, LOWEST_LOG_HAZARD, HIGHEST_LOG_HAZARD)

    def _level_effects(self, matrix: FloatArray) -> dict[int, FloatArray]:
        effects: dict[int, FloatArray] = {}
        for j in dict.fromkeys(level.column for level in self.levels_):
            effects[j] = np.full(len(matrix), np.nan)
            levels = [level for level in self.levels_ if level.column == j]
            for level in levels:
                effects[j][matrix[:, j] == level.value] = level.coefficient
            strange = int(np.isnan(effects[j]).sum())
            if strange:
                raise DataError(
                    f"{strange} rows have a '{self.feature_names_[j]}' that training did not hold; it held"
                    f" {', '.join(f'{level.value:g}' for level in levels)}: a hazard is known for those only"
                )
        return effects

    def _fitted_state(self) -> dict[str, Any]:
        return {
            "intercept": self.intercept_,
            "terms": terms_state(self.terms_),
            "levels": [[level.column, level.value, level.coefficient] for level in self.levels_],
            "standard_errors": None if self.standard_errors_ is None else list(self.standard_errors_),
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.intercept_, self.terms_ = float(state["intercept"]), terms_from_state(state["terms"])
        self.levels_ = tuple(Level(int(j), float(value), float(c)) for j, value, c in state["levels"])
        errors = state["standard_errors"]
        self.standard_errors_ = None if errors is None else tuple(float(e) for e in errors)


def _levels(values: FloatArray, name: str) -> FloatArray:
    if np.isnan(values).any():
        raise DataError(f"{int(np.isnan(values).sum())} rows have no '{name}'; every person-period has its duration and season")
    levels = np.unique(values)
    if len(levels) > 120:
        raise ConfigError(f"hazard: '{name}' has {len(levels)} levels; expected a count of periods or months, at most 120")
    return levels


def _log_odds(log_hazard: FloatArray) -> FloatArray:
    """log(h / (1 - h)) = log(exp(H) - 1) with H the cumulative hazard; for a small H that is log H."""
    hazard = np.exp(log_hazard)
    return np.where(hazard > 30, hazard, np.log(np.expm1(np.minimum(hazard, 30))))


def _most_likely(inputs: FloatArray, outcome: FloatArray, weight: FloatArray, _: float) -> Estimate:
    """Maximum likelihood by statsmodels; weights count as so many rows."""
    import warnings

    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, DomainWarning, PerfectSeparationWarning

    kept = weight > 0
    family = sm.families.Binomial(link=sm.families.links.CLogLog())
    if np.linalg.matrix_rank(inputs[kept]) < inputs.shape[1]:
        raise NotEnoughDataError("hazard: some inputs are combinations of others; name fewer columns, or set a penalty above 0")
    with warnings.catch_warnings():
        for kind in (PerfectSeparationWarning, ConvergenceWarning, DomainWarning, RuntimeWarning):
            warnings.simplefilter("error", kind)
        try:
            result = sm.GLM(outcome[kept], inputs[kept], family=family, freq_weights=weight[kept]).fit(
                tol=1e-12, maxiter=MOST_STEPS
            )
        except (PerfectSeparationWarning, ConvergenceWarning, RuntimeWarning, ValueError, np.linalg.LinAlgError) as error:
            raise NotEnoughDataError(
                "hazard: without a penalty the fit has no end: some input tells events from non-events without error;"
                " set a penalty above 0"
            ) from error
    return Estimate(np.asarray(result.params), np.asarray(result.bse))


def _penalised(inputs: FloatArray, outcome: FloatArray, weight: FloatArray, penalty: float) -> Estimate:
    """Maximum of the log-likelihood less penalty / 2 times the squared coefficients, by Fisher scoring with step halving."""
    ridge = np.full(inputs.shape[1], penalty)
    ridge[0] = 0.0
    coefficients = np.zeros(inputs.shape[1])
    rate = np.average(outcome, weights=weight)
    coefficients[0] = np.log(-np.log1p(-rate))

    def hazard_at(where: FloatArray) -> tuple[FloatArray, float]:
        hazard = np.exp(np.clip(inputs @ where, -30.0, HIGHEST_LOG_HAZARD))
        fit = np.where(outcome == 1, np.log(-np.expm1(-hazard)), -hazard)
        return hazard, float(weight @ fit - ridge @ where**2 / 2)

    hazard, gained = hazard_at(coefficients)
    for _ in range(MOST_STEPS):
        event = -np.expm1(-hazard)
        slope = inputs.T @ (weight * (outcome - event) * hazard / event) - ridge * coefficients
        curve = (inputs * (weight * hazard**2 * (1 - event) / event)[:, None]).T @ inputs + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        for _ in range(30):
            tried, value = hazard_at(coefficients + step)
            if value >= gained:
                break
            step /= 2
        else:
            return Estimate(coefficients, None)
        coefficients, hazard, before, gained = coefficients + step, tried, gained, value
        if gained - before <= LEAST_GAIN * abs(gained):
            return Estimate(coefficients, None)
    raise NotEnoughDataError(f"hazard: no end of the fit after {MOST_STEPS} steps; raise the penalty, or name fewer columns")
