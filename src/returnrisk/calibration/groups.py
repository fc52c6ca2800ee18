"""Whether risks are true within townships, registered types and any other part of those at risk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.calibration.checks import FloatArray
from returnrisk.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

LEAST_EVENTS = 20
MEASURES = ("observed_over_expected", "calibration_slope", "calibration_intercept", "ece")


def calibration_by_group(  # noqa: PLR0913 (each is rows, or one decision of the evaluator with a default)
    y: ArrayLike,
    p: ArrayLike,
    groups: Mapping[str, ArrayLike],
    *,
    clusters: ArrayLike,
    sample_weight: ArrayLike | None = None,
    least_events: int = LEAST_EVENTS,
    n_bootstrap: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Calibration of a probability within every group, with intervals by resampling whole clusters.

    Estimands: observed over expected is events over the sum of risks (1: the level is right); slope is that of the logistic
    regression of the outcome on the log-odds of the risk within the group (1), intercept that of the same with the slope held at 1 (0); ece is the error over ten bins of equal
    count, which lies above 0 by chance alone, the more so the fewer the rows. Clusters are drawn within the group. Nothing is
    corrected for how many groups are looked at: of twenty true ones one interval misses.

    Parameters
    ----------
    y, p
        (n,) outcomes 0 or 1 and risks in [0, 1]; censored rows already dropped.
    groups
        Name such as "township_code" to (n,) values; a data frame of such columns will do. A missing value is the group "".
    clusters
        (n,) what shares its luck: villages.
    sample_weight
        (n,) how many households each row stands for; None: one. Numbers of events and rows are counted without it.
    least_events
        Groups with fewer events or non-events are listed with status "too_few" and not measured.
    n_bootstrap, seed, level
        Replicates (slope and intercept use the first 200 at most), their seed, and the level of the percentile intervals.

    Returns
    -------
    pandas.DataFrame
        One row per column and group, in order: column, group, status ("measured", "too_few", "one_cluster": no intervals), n,
        n_events, n_clusters, weight (sum; n without weights), observed, expected (weighted events and sum of risks); then every measure with `_low` and `_high`, NaN where not
        measured. The first row is of all rows together (column "all", group "").

    Raises
    ------
    DataError
        Shapes differ, outcomes other than 0 and 1, risks missing or outside [0, 1], a missing cluster.
    ConfigError
        A level, a number of replicates or of events that cannot be meant.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(0.01, 0.2, 4000)
    >>> y = rng.random(4000) < p
    >>> table = calibration_by_group(y, p, {"township_code": ["101"] * 3990 + ["102"] * 10}, clusters=np.arange(4000) % 50)
    >>> table[["column", "group", "status", "n"]].to_numpy().tolist()
    [['all', '', 'measured', 4000], ['township_code', '101', 'measured', 3990], ['township_code', '102', 'too_few', 10]]
    """
    import pandas as pd

    if not 0 < level < 1 or n_bootstrap < 1 or least_events < 1:
        raise ConfigError(
            f"level {level}, n_bootstrap {n_bootstrap}, least_events {least_events}: expected a level within (0, 1), and 1 or more"
        )
    columns = {name: pd.Series(np.asarray(groups[name], dtype=object)) for name in groups}
    outcome, risk, cluster, weight = _checked(y, p, clusters, columns, sample_weight)
    # the same rows in another order are the same rows, to the last bit
    order = np.lexsort((weight, outcome, risk, cluster))
    outcome, risk, cluster, weight = outcome[order], risk[order], cluster[order], weight[order]
    parts: list[tuple[str, str, np.ndarray]] = [("all", "", np.ones(len(outcome), dtype=bool))]
    for name, values in columns.items():
        labels = values.map(lambda v: "" if pd.isna(v) else str(v)).to_numpy()[order]
        parts += [(name, label, labels == label) for label in sorted(set(labels))]
    rows = []
    for name, label, member in parts:
        part = (outcome[member], risk[member], cluster[member], weight[member])
        measured = _measured(*part, (least_events, n_bootstrap, seed, level))
        rows.append({"column": name, "group": label, **measured})
    bounds = [f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")]
    head = ["column", "group", "status", "n", "n_events", "n_clusters", "weight", "observed", "expected"]
    return pd.DataFrame(rows).reindex(columns=[*head, *bounds])


def _measured(
    outcome: FloatArray, risk: FloatArray, cluster: np.ndarray, weight: FloatArray, settings: tuple[int, int, int, float]
) -> dict[str, object]:
    from returnrisk.evaluation.bootstrap import Rows, draw_clusters, measure

    least_events, n_bootstrap, seed, level = settings
    villages, index = np.unique(cluster, return_inverse=True)
    events, n = int(outcome.sum()), len(outcome)
    row: dict[str, object] = {
        "status": "measured",
        "n": n,
        "n_events": events,
        "n_clusters": len(villages),
        "weight": float(weight.sum()),
        "observed": float(weight @ outcome),
        "expected": float(weight @ risk),
    }
    if min(events, n - events) < least_events:
        return row | {"status": "too_few"}
    rows = Rows(outcome=outcome, weight=weight, cluster=index.astype(np.int64), n_clusters=len(villages), days=())
    draws = draw_clusters(len(villages), n_bootstrap=n_bootstrap, seed=seed)
    point, replicates = measure(risk, rows, draws, capacity=None)
    sums = [np.bincount(index, weights=values, minlength=len(villages)) for values in (weight * outcome, weight * risk)]
    point["observed_over_expected"] = float(weight @ outcome) / float(weight @ risk)
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw of villages without any risk
        replicates["observed_over_expected"] = (draws @ sums[0]) / (draws @ sums[1])
    row |= {name: point[name] for name in MEASURES}
    if len(villages) == 1:
        return row | {"status": "one_cluster"}
    for name in MEASURES:
        valid = replicates[name][np.isfinite(replicates[name])]
        ends = np.quantile(valid, [(1 - level) / 2, (1 + level) / 2]) if len(valid) > 1 else (np.nan, np.nan)
        row |= {f"{name}_low": float(ends[0]), f"{name}_high": float(ends[1])}
    return row


def _checked(
    y: ArrayLike, p: ArrayLike, clusters: ArrayLike, columns: Mapping[str, pd.Series], sample_weight: ArrayLike | None
) -> tuple[FloatArray, FloatArray, np.ndarray, FloatArray]:
    import pandas as pd

    outcome, risk = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    cluster = np.asarray(clusters)
    weight = np.ones(outcome.shape) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    shapes = {
        "y": outcome.shape,
        "p": risk.shape,
        "clusters": cluster.shape,
        "weights": weight.shape,
        **{n: c.shape for n, c in columns.items()},
    }
    if outcome.ndim != 1 or len(set(shapes.values())) > 1:
        raise DataError(f"shapes differ: {shapes}; expected (n,) for all")
    wrong = {
        "outcomes are neither 0 nor 1": ~np.isin(outcome, (0.0, 1.0)),
        "risks are missing or outside [0, 1]": ~((risk >= 0) & (risk <= 1)),
        "clusters are missing": pd.isna(cluster),
        "weights are not above 0": ~(weight > 0),
    }
    for what, bad in wrong.items():
        if bad.any():
            raise DataError(f"{int(bad.sum())} of {len(outcome)} {what}")
    return outcome, risk, cluster, weight
