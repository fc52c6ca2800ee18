"""How well scores rank and how true they are, with intervals that know villages share their luck."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from returnrisk.errors import ConfigError, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.evaluation.bootstrap import Rows, draw_clusters, measure
from returnrisk.evaluation.curves import calibration_bins, lift
from returnrisk.evaluation.missed_visits import missed_visits
from returnrisk.evaluation.ranking import rank
from returnrisk.evaluation.result import METRICS, Evaluation


def evaluate(  # noqa: PLR0913 (each is one decision of the evaluator, with a default)
    predictions: pd.DataFrame,
    *,
    score_columns: Mapping[str, str],
    capacity: float | None,
    selected: Mapping[str, str] | None = None,
    within: str | None = None,
    weight: str | None = None,
    cluster: str = "village_code",
    n_bootstrap: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> Evaluation:
    """Measure scores on households whose outcome is known.

    Parameters
    ----------
    predictions
        Grain household x as_of: `y` (0 or 1, censored rows already dropped), the cluster column, and one column of probabilities
        in [0, 1] per score. Row order does not matter: the same rows give the same result to the last bit.
    score_columns
        Label to column, such as {"model": "p_model", "income": "p_income"}.
    capacity
        Share of rows that can be visited, in (0, 1]: precision and recall are those of the top floor(share x n) rows, at least
        one. A tie at the cut counts by expected value, and `tie_share_at_capacity` says how much of the list it decided. None:
        no precision and recall, unless `selected` is given.
    selected
        Label to column of true and false: the rows that each score's real list holds. Precision and recall are then the lists'.
    within
        Column, such as "as_of", within each value of which the capacity is taken.
    weight
        Column of numbers of at least 0, not all 0: how many households a row stands for, in every figure, curve and capacity. None: one.
    cluster
        Column whose values are drawn with replacement for the intervals.
    n_bootstrap, seed, level
        Replicates (calibration slope and intercept use the first 200 at most), their seed, and the level of the percentile intervals.

    Returns
    -------
    Evaluation
        auc, average_precision, precision_at_capacity, recall_at_capacity, brier, ece (ten bins of equal count; definition in
        `ranking.expected_calibration_error`), calibration_slope (log-odds of the event regressed on
        log-odds of the score: 1 when risks spread as they should; NaN for a constant or perfectly separating score) and
        calibration_intercept (the same with the slope held at 1, "calibration in the large": 0 when as many events are expected as
        there were, below 0 when too many; Cox 1958, Van Calster et al. 2019).

    Raises
    ------
    UnknownNameError
        A column that is not there.
    DataError
        Outcomes other than 0 and 1, scores missing or outside [0, 1], a missing cluster.
    NotEnoughDataError
        No rows, one class only, or fewer than two clusters.
    ConfigError
        A capacity, level or number of replicates that cannot be meant.

    Examples
    --------
    >>> import pandas as pd
    >>> households = pd.DataFrame({
    ...     "village_code": [101, 101, 102, 102, 103, 103],
    ...     "y": [1, 0, 0, 0, 1, 0],
    ...     "p_model": [0.8, 0.2, 0.3, 0.1, 0.6, 0.1],
    ... })
    >>> result = evaluate(households, score_columns={"model": "p_model"}, capacity=0.34, n_bootstrap=50)
    >>> result.frame().set_index("metric").loc[["auc", "recall_at_capacity"], ["value", "n", "n_events"]].to_dict("list")
    {'value': [1.0, 1.0], 'n': [6, 6], 'n_events': [2, 2]}
    >>> evaluate(households[households["y"] == 0], score_columns={"model": "p_model"}, capacity=0.34)
    Traceback (most recent call last):
        ...
    returnrisk.errors.NotEnoughDataError: of 4 rows 0 are events; ranking needs events and non-events: take more test days or a \
wider cohort
    """
    _check_settings(score_columns, capacity=capacity, n_bootstrap=n_bootstrap, level=level)
    if selected is not None and set(selected) != set(score_columns):
        raise ConfigError(f"selected names lists of {', '.join(selected)}; expected one of each score: {', '.join(score_columns)}")
    lists = sorted(set(selected.values())) if selected else []
    named = [*score_columns.values(), *lists, *([within] if within else []), *([weight] if weight else [])]
    frame = _checked(predictions, columns=["y", cluster, *named], scores=list(score_columns.values()), cluster=cluster, lists=lists)
    rows = _rows(frame, cluster=cluster, within=within, weight=weight)
    draws = draw_clusters(rows.n_clusters, n_bootstrap=n_bootstrap, seed=seed)
    point, replicates, bins, lifts = {}, {}, [], []
    for label, column in score_columns.items():
        score = frame[column].to_numpy(dtype=np.float64)
        on_list = frame[selected[label]].to_numpy(dtype=bool).astype(np.float64) if selected else None
        point[label], replicates[label] = measure(score, rows, draws, capacity=capacity, on_list=on_list)
        bins.append(calibration_bins(rank(score, rows.outcome), level=level, weight=rows.weight).assign(score=label))
        days = [rank(score[day], rows.outcome[day]) for day in rows.days]
        lifts.append(lift(days, capacity=capacity, weights=[rows.weight[day] for day in rows.days]).assign(score=label))
    skipped = np.isnan(next(iter(replicates.values()))["auc"])
    return Evaluation(
        n=len(frame),
        n_events=int(rows.outcome.sum()),
        n_clusters=rows.n_clusters,
        level=level,
        n_bootstrap=n_bootstrap,
        n_skipped=int(skipped.sum()),
        capacity=capacity if selected is None else None,
        calibration_curve=_label_first(bins),
        lift_curve=_label_first(lifts),
        point=point,
        replicates=replicates,
    )


def _label_first(parts: list[pd.DataFrame]) -> pd.DataFrame:
    frame = pd.concat(parts, ignore_index=True)
    return frame[["score", *(column for column in frame.columns if column != "score")]]


def _check_settings(score_columns: Mapping[str, str], *, capacity: float | None, n_bootstrap: int, level: float) -> None:
    if not score_columns:
        raise ConfigError("score_columns is empty; name at least one score, such as {'model': 'p_model'}")
    if capacity is not None and not 0 < capacity <= 1:
        raise ConfigError(f"capacity is {capacity}; expected a share of the rows, above 0 and at most 1")
    if not 0 < level < 1:
        raise ConfigError(f"level is {level}; expected a share between 0 and 1, such as 0.95")
    if n_bootstrap < 2:
        raise ConfigError(f"n_bootstrap is {n_bootstrap}; an interval needs at least 2 replicates, 500 are usual")


def _checked(predictions: pd.DataFrame, *, columns: list[str], scores: list[str], cluster: str, lists: list[str]) -> pd.DataFrame:
    """Refuse what cannot be evaluated, and put the rows into an order of their own."""
    for column in columns:
        if column not in predictions.columns:
            raise UnknownNameError("column", column, map(str, predictions.columns))
    n = len(predictions)
    outcome = predictions["y"].to_numpy(dtype=np.float64, na_value=np.nan)
    odd = int((~np.isin(outcome, (0.0, 1.0))).sum())
    if odd:
        raise DataError(f"{odd} of {n} rows have a 'y' that is neither 0 nor 1; drop censored rows before evaluating")
    for column in scores:
        score = predictions[column].to_numpy(dtype=np.float64, na_value=np.nan)
        bad = int((~((score >= 0) & (score <= 1))).sum())
        if bad:
            raise DataError(
                f"{bad} of {n} rows have a '{column}' that is missing or outside [0, 1]; expected calibrated probabilities"
            )
    if no_list := [column for column in lists if not predictions[column].dropna().isin([True, False]).all()]:
        raise DataError(f"'{no_list[0]}' must be true or false: whether the row was on the list")
    lost = int(predictions[list({*columns} - {*scores, "y"})].isna().any(axis=1).sum())
    if lost:
        raise DataError(
            f"{lost} of {n} rows have no value in {', '.join(c for c in columns if c not in {*scores, 'y'})}; fill or drop them"
        )
    events = int(outcome.sum())
    if not 0 < events < n:
        raise NotEnoughDataError(
            f"of {n} rows {events} are events; ranking needs events and non-events: take more test days or a wider cohort"
        )
    n_clusters = predictions[cluster].nunique()
    if n_clusters < 2:
        raise NotEnoughDataError(f"all {n} rows lie in one '{cluster}'; intervals resample it: take at least 2, better 30 or more")
    # Rows equal in all these columns are interchangeable, so this order is the same however the rows came.
    order = list(dict.fromkeys(columns))
    return predictions[order].sort_values(order, kind="stable", ignore_index=True)


def _rows(frame: pd.DataFrame, *, cluster: str, within: str | None, weight: str | None) -> Rows:
    codes, names = pd.factorize(frame[cluster], sort=True)
    days: tuple[NDArray[np.int64], ...] = (np.arange(len(frame)),)
    if within is not None:
        day_codes, day_names = pd.factorize(frame[within], sort=True)
        days = tuple(np.flatnonzero(day_codes == day) for day in range(len(day_names)))
    stands_for = np.ones(len(frame)) if weight is None else frame[weight].to_numpy(dtype=np.float64)
    events = float(stands_for @ frame["y"].to_numpy(dtype=np.float64))
    if not (np.isfinite(stands_for) & (stands_for >= 0)).all() or not 0 < events < stands_for.sum():
        raise DataError(f"'{weight}' must be finite, at least 0, and above 0 for some events and some others")
    return Rows(
        outcome=frame["y"].to_numpy(dtype=np.float64),
        weight=stands_for,
        cluster=codes.astype(np.int64),
        n_clusters=len(names),
        days=days,
    )


__all__ = ["METRICS", "Evaluation", "evaluate", "missed_visits"]
