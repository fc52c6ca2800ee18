"""What the visited tell of everybody: every verified household stands for 1 / chance households.

Estimands, all of the households given (not of the visited): the share with the event; the AUC of a score; precision and recall of a
list; slope and intercept of the calibration line. Assumption: the chance of being verified is the one given, whatever the outcome
(true of a lot that was drawn and logged).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from returnrisk.errors import ConfigError, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.evaluation import ranking as rk
from returnrisk.evaluation.bootstrap import SLOPE_REPLICATES, draw_clusters
from returnrisk.evaluation.recalibration import log_odds_of, logistic_level, logistic_levels, logistic_line, logistic_lines

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
FEW_EVENTS = 20
"""Effective events under which a note says that the interval is not to be relied on (assumed, as `training.MINIMUM_EVENTS`)."""
LARGE_SHARE = 0.1
"""Share of the whole weight on one household from which a note says so (assumed)."""
FEW_BY_LOT = 5
"""Events among the verified that stand for more than two households each, under which a note says that there are too few (assumed)."""
CHUNK = 50


@dataclass(frozen=True, slots=True, eq=False)
class VerifiedEstimates:
    """Estimates from verified households only, weighted and not.

    Attributes
    ----------
    table
        One row per estimator ("weighted": Hajek 1971, normalised; "horvitz_thompson": divided by the known number of households;
        "naive": the verified as they are), name of score or list ("" for none) and metric: value, low, high.
    n, n_verified, n_events
        Households, those verified, events among them.
    effective_sample, effective_events
        Kish's (sum w)^2 / sum w^2, over the verified and over the events.
    share_without_support
        Of the households whose chance was zero; above 0 only if they were left out on demand.
    prevalence_bounds
        Of all households given, with the unsupported counted as none and as all events (Manski 1990); the prevalence twice if none.
    notes
        What to heed, in words.
    """

    table: pd.DataFrame
    n: int
    n_verified: int
    n_events: int
    effective_sample: float
    effective_events: float
    share_without_support: float
    prevalence_bounds: tuple[float, float]
    notes: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table


def effective_sample(weight: ArrayLike) -> float:
    """Kish's effective sample size, (sum w)^2 / sum w^2 (Kish 1965); 0 of no weight.

    Examples
    --------
    >>> effective_sample([1.0, 1.0, 1.0]), round(effective_sample([100.0, 1.0, 1.0]), 2)
    (3.0, 1.04)
    """
    w = np.asarray(weight, dtype=np.float64)
    return float(w.sum() ** 2 / (w**2).sum()) if w.any() else 0.0


def estimate_from_verified(
    rows: pd.DataFrame,
    *,
    scores: Mapping[str, str] | None = None,
    lists: Mapping[str, str] | None = None,
    no_support: Literal["refuse", "leave_out"] = "refuse",
    cluster: str = "village_code",
    n_bootstrap: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> VerifiedEstimates:
    """Estimate prevalence and the worth of scores and lists where outcomes are known of verified households only.

    Parameters
    ----------
    rows
        One row per household of the population: chance (of being verified, from the log), verified (bool), y (0 or 1 where verified; what
        stands elsewhere is never read), the cluster, scores and lists. Row order does not matter beyond rounding.
    scores
        Label to column of probabilities: auc, calibration_slope, calibration_intercept.
    lists
        Label to column of true and false: precision, recall.
    no_support
        What to do with households whose chance was zero. "refuse"; or "leave_out": estimate for the others, say so, and give bounds.
    cluster, n_bootstrap, seed, level
        Villages drawn with replacement, as in `evaluation.evaluate`. Within a village the draw of the households verified is part of what
        varies between replicates.

    Raises
    ------
    DataError
        A chance outside 0 to 1 or missing, a verified household without outcome or with chance zero.
    NotEnoughDataError
        Households without support and `no_support="refuse"`; fewer than two villages; one outcome only among the verified.

    References
    ----------
    Horvitz and Thompson (1952); Hajek (1971); Begg and Greenes (1983) for accuracy under partial verification; Alonzo and Pepe (2005)
    for the weighted AUC.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"village_code": [1, 1, 1, 2, 2, 2], "chance": [1.0, 0.5, 0.5, 1.0, 0.5, 0.5],
    ...                      "verified": [True, True, False, True, False, True], "y": [1.0, 0, None, 1, None, 0]})
    >>> found = estimate_from_verified(rows, n_bootstrap=20).frame().set_index(["estimator", "metric"])["value"]
    >>> round(float(found["weighted", "prevalence"]), 3), float(found["naive", "prevalence"])
    (0.333, 0.5)
    """
    scores, lists = scores or {}, lists or {}
    if n_bootstrap < 2 or not 0 < level < 1:
        raise ConfigError(f"n_bootstrap is {n_bootstrap} and level {level}; expected 2 or more, and a share such as 0.95")
    sample, lost = _sample(rows, scores=scores, lists=lists, cluster=cluster, no_support=no_support)
    draws = draw_clusters(sample.n_villages, n_bootstrap=n_bootstrap, seed=seed)
    records = []
    for estimator, weight in (("weighted", sample.weight), ("naive", np.ones(len(sample.y)))):
        records += _records(sample, weight, draws, estimator=estimator, level=level)
    total = draws @ np.bincount(sample.village, weights=sample.weight * sample.y, minlength=sample.n_villages)
    size = draws @ sample.village_size
    value = float((sample.weight * sample.y).sum() / sample.village_size.sum())
    records.append(_record("horvitz_thompson", "", "prevalence", value, total / size, level=level))
    return _estimates(records, sample, lost=lost)


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """The verified households with support, and how many households with support each village has."""

    y: FloatArray
    weight: FloatArray
    village: NDArray[np.int64]
    village_size: FloatArray
    n_villages: int
    scores: Mapping[str, FloatArray]
    lists: Mapping[str, FloatArray]


def _sample(
    rows: pd.DataFrame, *, scores: Mapping[str, str], lists: Mapping[str, str], cluster: str, no_support: str
) -> tuple[_Sample, float]:
    import pandas as pd

    for column in ("chance", "verified", "y", cluster, *scores.values(), *lists.values()):
        if column not in rows.columns:
            raise UnknownNameError("column", column, map(str, rows.columns))
    chance, verified = rows["chance"].to_numpy(np.float64, na_value=np.nan), rows["verified"].to_numpy(bool)
    _check_chances(chance, verified)
    supported = chance > 0
    lost = float(1 - supported.mean()) if len(rows) else 0.0
    if lost and no_support == "refuse":
        raise NotEnoughDataError(
            f"{int((~supported).sum())} of {len(rows)} households could not have been visited (chance 0): nothing that was seen speaks for"
            " them. Give every township places by lot (visit_plan), or ask for the others only with no_support='leave_out'"
        )
    kept = rows.loc[supported]
    codes, villages = pd.factorize(kept[cluster], sort=True)
    if len(villages) < 2:
        raise NotEnoughDataError(f"the households lie in {len(villages)} '{cluster}'; intervals resample it: take at least 2")
    seen = verified[supported]
    y = kept.loc[seen, "y"].to_numpy(np.float64, na_value=np.nan)
    if not np.isin(y, (0.0, 1.0)).all():
        raise DataError(
            f"{int((~np.isin(y, (0.0, 1.0))).sum())} of {len(y)} verified households have a y that is neither 0 nor 1; mark those not"
            " met as not verified"
        )
    if not 0 < y.sum() < len(y):
        raise NotEnoughDataError(f"of {len(y)} verified households {int(y.sum())} have the event; expected some and not all")
    values = {name: _probabilities(kept.loc[seen, column], column) for name, column in scores.items()}
    on_list = {name: kept.loc[seen, column].to_numpy(bool).astype(np.float64) for name, column in lists.items()}
    return _Sample(
        y=y,
        weight=1 / chance[supported][seen],
        village=codes[seen].astype(np.int64),
        village_size=np.bincount(codes, minlength=len(villages)).astype(np.float64),
        n_villages=len(villages),
        scores=values,
        lists=on_list,
    ), lost


def _check_chances(chance: FloatArray, verified: BoolArray) -> None:
    if odd := int((~((chance >= 0) & (chance <= 1))).sum()):
        raise DataError(
            f"{odd} of {len(chance)} chances are missing or outside 0 to 1; expected what was logged for every household"
        )
    if wrong := int((verified & (chance == 0)).sum()):
        raise DataError(
            f"{wrong} households were verified although their logged chance is 0: the log is not that of these visits; leave out visits"
            " that no list sent anybody to"
        )


def _probabilities(column: pd.Series, name: str) -> FloatArray:
    values = column.to_numpy(np.float64, na_value=np.nan)
    if odd := int((~((values >= 0) & (values <= 1))).sum()):
        raise DataError(f"{odd} of {len(values)} verified households have a '{name}' that is missing or outside [0, 1]")
    return values


def _records(sample: _Sample, weight: FloatArray, draws: FloatArray, *, estimator: str, level: float) -> list[dict[str, object]]:
    """One per metric: the value at the rows as they are, the interval from villages drawn."""
    once = np.ones((1, sample.n_villages))
    point = _at(sample, weight, once)
    parts = [_at(sample, weight, draws[begin : begin + CHUNK]) for begin in range(0, len(draws), CHUNK)]
    replicates = {key: np.concatenate([part[key] for part in parts]) for key in point}
    records = [_record(estimator, *key, float(point[key][0]), replicates[key], level=level) for key in point]
    for name, score in sample.scores.items():
        x = log_odds_of(score)
        line, level_at = logistic_line(x, sample.y, weight), logistic_level(x, sample.y, weight)
        drawn = draws[:SLOPE_REPLICATES, sample.village] * weight
        levels = logistic_levels(x, sample.y, drawn, start=level_at)
        slopes = logistic_lines(x, sample.y, drawn, start=line)[:, 1] if np.isfinite(line[1]) else np.array([np.nan])
        records.append(_record(estimator, name, "calibration_intercept", level_at, levels, level=level))
        records.append(_record(estimator, name, "calibration_slope", line[1], slopes, level=level))
    return records


def _at(sample: _Sample, weight: FloatArray, times_drawn: FloatArray) -> dict[tuple[str, str], FloatArray]:
    """Every metric but the line, (b,) each, by name of score or list and metric."""
    w = np.take(times_drawn, sample.village, axis=1) * weight
    events = w * sample.y
    with np.errstate(invalid="ignore", divide="ignore"):  # a replicate without events, or without the list, has no such figure
        result = {("", "prevalence"): events.sum(axis=1) / w.sum(axis=1)}
        for name, on_list in sample.lists.items():
            found = (events * on_list).sum(axis=1)
            result[name, "precision"] = found / (w * on_list).sum(axis=1)
            result[name, "recall"] = found / events.sum(axis=1)
    for name, score in sample.scores.items():
        ranking = rk.rank(score, sample.y)
        result[name, "auc"] = rk.areas(rk.cumulate_weights(w[:, ranking.order], ranking), ranking)[0]
    return result


def _record(estimator: str, name: str, metric: str, value: float, replicates: FloatArray, *, level: float) -> dict[str, object]:
    valid = replicates[np.isfinite(replicates)]
    low, high = np.quantile(valid, [(1 - level) / 2, (1 + level) / 2]) if len(valid) > 1 else (np.nan, np.nan)
    return {"estimator": estimator, "name": name, "metric": metric, "value": value, "low": float(low), "high": float(high)}


def _estimates(records: list[dict[str, object]], sample: _Sample, *, lost: float) -> VerifiedEstimates:
    import pandas as pd

    weight, events = sample.weight, sample.weight[sample.y == 1]
    prevalence = float((weight * sample.y).sum() / weight.sum())
    notes = []
    if lost:
        notes.append(f"{lost:.1%} of the households could not have been visited: figures are of the others only")
    if effective_sample(events) < FEW_EVENTS:
        notes.append(
            f"the {len(events)} events found are worth {effective_sample(events):.1f} equally likely ones: the interval is not to be relied"
            f" on under {FEW_EVENTS}; more places by lot, or more rounds"
        )
    spoken_for = weight > 2
    share, n_by_lot = float(weight[spoken_for].sum() / weight.sum()), int(sample.y[spoken_for].sum())
    if share > LARGE_SHARE and n_by_lot < FEW_BY_LOT:
        notes.append(
            f"{int(spoken_for.sum())} verified households speak for {share:.0%} of all, and {n_by_lot} of them had the event: with fewer"
            f" than {FEW_BY_LOT} the figures are too low or too high by luck and the interval is too short; more places by lot"
        )
    if (largest := float(weight.max() / weight.sum())) > LARGE_SHARE:
        notes.append(f"one household carries {largest:.0%} of the whole weight")
    return VerifiedEstimates(
        table=pd.DataFrame(records),
        n=round(float(sample.village_size.sum()) / (1 - lost)),
        n_verified=len(sample.y),
        n_events=len(events),
        effective_sample=effective_sample(weight),
        effective_events=effective_sample(events),
        share_without_support=lost,
        prevalence_bounds=(prevalence * (1 - lost), prevalence * (1 - lost) + lost),
        notes=tuple(notes),
    )
