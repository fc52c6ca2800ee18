"""A new period moves the risks, not the model: the smallest update that the new outcomes ask for.

closed testing:  is anything wrong? ──no──> nothing      is the slope wrong too? ──no──> intercept      ──yes──> intercept and slope
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.calibration.checks import Band, FloatArray, Reading, checked_rows, logistic
from returnrisk.errors import ConfigError, DataError, NotEnoughDataError

Update = Literal["none", "intercept", "line"]
EVENTS_FOR_INTERCEPT = 20
EVENTS_FOR_SLOPE = 100
"""Events of the new period under which the slope stays: fewer cannot tell a slope (Vergouwe et al. 2005: a hundred to validate)."""


class Curve(Protocol):
    """What an update asks of a calibration."""

    def apply(self, log_odds: ArrayLike) -> FloatArray:
        """Risk of log-odds."""

    def band(self, log_odds: ArrayLike) -> Band | None:
        """Two risks of log-odds, or None."""

    def to_state(self) -> dict[str, Any]:
        """JSON-able state."""


@dataclass(frozen=True, slots=True)
class UpdatedCalibration:
    """log-odds of risk = intercept + slope x log-odds of the earlier calibration's risk; the learner is the same.

    Attributes
    ----------
    base
        The calibration that was updated (itself updated, perhaps): `to_state` holds its whole state.
    update
        "intercept" (the level only, slope 1) or "line".
    intercept, slope
        In log-odds; 0 and 1 change nothing.
    p_values
        Of the tests that chose: "any" (two numbers, at once) and "slope"; empty where the update was asked for by name.
    n, n_events
        Rows of the new period.

    Examples
    --------
    >>> from returnrisk.calibration import SigmoidCalibration
    >>> base = SigmoidCalibration(intercept=0.0, slope=1.0, n=10, n_events=3)
    >>> UpdatedCalibration(base, "intercept", intercept=0.0, slope=1.0, n=10, n_events=3).apply([0.0]).tolist()
    [0.5]
    """

    method: ClassVar[str] = "updated"

    base: Curve
    update: Update
    intercept: float
    slope: float
    n: int
    n_events: int
    p_values: Mapping[str, float] = field(default_factory=dict)

    def apply(self, log_odds: ArrayLike) -> FloatArray:
        """Risk in (0, 1), same shape; rises where the earlier one rises."""
        return self._moved(self.base.apply(log_odds))

    def band(self, log_odds: ArrayLike) -> Band | None:
        """The earlier calibration's band, moved alike: what is proved of a Venn-Abers band is not proved of a moved one."""
        band = self.base.band(log_odds)
        return None if band is None else (self._moved(band[0]), self._moved(band[1]))

    def to_state(self) -> dict[str, Any]:
        """JSON-able state; `restore_calibration` gives the same risks from it, bit for bit."""
        return {
            "method": self.method,
            "base": self.base.to_state(),
            "update": self.update,
            "intercept": self.intercept,
            "slope": self.slope,
            "n": self.n,
            "n_events": self.n_events,
            "p_values": dict(self.p_values),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Give back the calibration that wrote `state`; BundleError if it is another's or damaged."""
        from returnrisk.calibration.methods import restore_calibration

        with Reading(cls.method, state):
            if not isinstance(state["base"], Mapping) or state["update"] not in ("none", "intercept", "line"):
                raise ValueError("no earlier calibration, or an unknown update")
            result = cls(
                base=restore_calibration(state["base"]),
                update=state["update"],
                intercept=float(state["intercept"]),
                slope=float(state["slope"]),
                n=int(state["n"]),
                n_events=int(state["n_events"]),
                p_values={name: float(p) for name, p in dict(state["p_values"]).items()},
            )
            if not (np.isfinite([result.intercept, result.slope]).all() and result.slope > 0):
                raise ValueError("slope not above 0")
        return result

    def _moved(self, risk: FloatArray) -> FloatArray:
        from returnrisk.evaluation.recalibration import log_odds_of

        return risk if self.update == "none" else logistic(self.intercept + self.slope * log_odds_of(risk))


def recalibrate(
    calibration: Curve,
    log_odds: ArrayLike,
    y: ArrayLike,
    *,
    update: Literal["tested", "none", "intercept", "line"] = "tested",
    clusters: ArrayLike | None = None,
    level: float = 0.05,
) -> UpdatedCalibration:
    """Follow a new period: correct the level, or level and slope, of an earlier calibration, and leave the learner as it is.

    "tested" is a closed test: first whether intercept and slope together differ from 0 and 1; if not, nothing is changed; then
    whether the slope differs from 1; if not, the intercept alone is corrected. Every step is a Wald test with the covariance of
    households within `clusters` (villages share their luck, and a household on several days is one household): without clusters
    rows count as independent and the test changes too much. Fewer than 100 events leave the slope alone, fewer than 20 are refused.

    Parameters
    ----------
    calibration
        What gives risks today.
    log_odds, y
        (n,) of the same learner and (n,) outcomes 0 or 1, on days after those of `calibration`.
    update
        "tested", or an update by name.
    clusters
        (n,) villages, or None.
    level
        Of each test.

    Raises
    ------
    DataError
        Shapes differ, values are not finite, or an outcome is neither 0 nor 1.
    NotEnoughDataError
        Too few events or non-events, a risk that is constant or separates the classes, or does not rise with the outcome.
    ConfigError
        An unknown update, or a level outside (0, 1).

    References
    ----------
    Steyerberg, Borsboom, van Houwelingen et al. (2004), Validation and updating of predictive logistic regression models; Janssen et
    al. (2008), Updating methods improved the performance of a clinical prediction model in new patients; Vergouwe et al. (2017), A
    closed testing procedure to select an appropriate method for updating prediction models.

    Examples
    --------
    >>> from returnrisk.calibration import SigmoidCalibration
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(-3, 1, 4000)
    >>> y = rng.random(4000) < 1 / (1 + np.exp(-x - 0.7))
    >>> updated = recalibrate(SigmoidCalibration(intercept=0.0, slope=1.0, n=10, n_events=3), x, y)
    >>> updated.update, updated.slope, bool(0.5 < updated.intercept < 0.9)
    ('intercept', 1.0, True)
    """
    from returnrisk.evaluation.recalibration import log_odds_of, logistic_level, logistic_line

    if update not in ("tested", "none", "intercept", "line") or not 0 < level < 1:
        raise ConfigError(
            f"update '{update}' at level {level}: expected tested, none, intercept or line, and a level between 0 and 1"
        )
    x, outcome, weight = checked_rows(log_odds, y, None)
    events, n = int(outcome.sum()), len(outcome)
    needed = EVENTS_FOR_SLOPE if update == "line" else EVENTS_FOR_INTERCEPT
    if min(events, n - events) < needed:
        raise NotEnoughDataError(
            f"{events} events among {n} rows of the new period; at least {needed} of each outcome are needed: keep the calibration, or "
            "wait for more outcomes"
        )
    eta = log_odds_of(calibration.apply(x))
    line = logistic_line(eta, outcome, weight)
    if not np.isfinite(line).all() or line[1] <= 0:
        raise NotEnoughDataError(
            f"on {n} rows ({events} events) of the new period the outcome does not rise with the risk (slope {line[1]:.4f}): the learner "
            "no longer ranks, and no calibration helps; train again"
        )
    p_values: dict[str, float] = {}
    if update == "tested":
        p_values = _tests(eta, outcome, line, clusters=clusters)
        update = _chosen(p_values, level=level, slope_allowed=min(events, n - events) >= EVENTS_FOR_SLOPE)
    moves = {"none": (0.0, 1.0), "intercept": (logistic_level(eta, outcome, weight), 1.0), "line": line}
    intercept, slope = moves[update]
    return UpdatedCalibration(calibration, update, intercept=intercept, slope=slope, n=n, n_events=events, p_values=p_values)


def _chosen(p_values: Mapping[str, float], *, level: float, slope_allowed: bool) -> Update:
    if not slope_allowed:
        return "intercept" if p_values["level"] < level else "none"
    if p_values["any"] >= level:
        return "none"
    return "line" if p_values["slope"] < level else "intercept"


def _tests(eta: FloatArray, outcome: FloatArray, line: tuple[float, float], *, clusters: ArrayLike | None) -> dict[str, float]:
    """P-values of: intercept and slope at once, slope alone, and the level alone under slope 1."""
    group = np.arange(len(eta)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    if group.shape != eta.shape:
        raise DataError(f"clusters have shape {group.shape}; expected {eta.shape}, one per row")
    m = int(group.max()) + 1
    if m <= 2:
        raise NotEnoughDataError(
            f"{m} clusters: no standard error can be told from so few; give finer clusters, or name the update"
        )
    design = np.column_stack([np.ones(len(eta)), eta])

    def covariance(of: FloatArray, at: tuple[float, float]) -> FloatArray:
        p = logistic(at[0] + at[1] * eta)
        bread = np.linalg.inv((of * (p * (1 - p))[:, None]).T @ of)
        scores = of * (outcome - p)[:, None]
        sums = np.stack([np.bincount(group, weights=column, minlength=m) for column in scores.T], axis=1)
        spread: FloatArray = bread @ (sums.T @ sums) @ bread * m / (m - 1)
        return spread

    both = covariance(design, line)
    off = np.array([line[0], line[1] - 1])
    from returnrisk.evaluation.recalibration import logistic_level

    level = logistic_level(eta, outcome, np.ones(len(eta)))
    alone = covariance(design[:, :1], (level, 1.0))[0, 0]
    return {
        "any": math.exp(-float(off @ np.linalg.solve(both, off)) / 2),  # chi-square, two degrees of freedom
        "slope": math.erfc(abs(off[1]) / math.sqrt(2 * both[1, 1])),
        "level": math.erfc(abs(level) / math.sqrt(2 * alone)),
    }
