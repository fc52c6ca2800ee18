"""Two calibrations of one learner on the same households, and whether the new one is truer there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.calibration.checks import FloatArray
from returnrisk.errors import ConfigError, DataError, NotEnoughDataError

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.evaluation.bootstrap import Rows

COMPARED = ("log_loss", "brier", "observed_over_expected", "calibration_slope", "calibration_intercept", "ece")
LEAST_RISK = 1e-12


def compare_calibrations(
    y: ArrayLike,
    before: ArrayLike,
    after: ArrayLike,
    *,
    clusters: ArrayLike,
    n_bootstrap: int = 300,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Measure two risks of the same rows, and their difference, with intervals by drawing whole clusters.

    Estimands: log loss and Brier score (means over rows; proper scores, the lower the truer), events over the sum of risks (1), slope and
    intercept of the logistic regression of the outcome on the log-odds of the risk (1 and 0), and the error over ten bins of equal count (above
    0 by chance alone). Both risks meet the same draws: the interval of a difference is of the difference. Intervals leave out that years differ.

    Parameters
    ----------
    y, before, after
        (n,) outcomes 0 or 1 and two risks in [0, 1], of days that neither was learnt from.
    clusters
        (n,) what shares its luck: villages.
    n_bootstrap, seed, level
        Replicates (slope and intercept use the first 200 at most), their seed, and the level of the percentile intervals.

    Returns
    -------
    pandas.DataFrame
        One row per metric of `COMPARED`: metric; before, after and difference (after less before), each with `_low` and `_high`; n, n_events,
        n_clusters.

    Raises
    ------
    DataError
        Shapes differ, outcomes other than 0 and 1, risks missing or outside [0, 1].
    NotEnoughDataError
        One outcome only, or fewer than two clusters.
    ConfigError
        A level or number of replicates that cannot be meant.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(0.01, 0.2, 4000)
    >>> y = rng.random(4000) < p
    >>> found = compare_calibrations(y, p / 2, p, clusters=np.arange(4000) % 50).set_index("metric")
    >>> bool(found.loc["log_loss", "difference_high"] < 0), bool(found.loc["observed_over_expected", "before"] > 1.5)
    (True, True)
    """
    import pandas as pd

    from returnrisk.evaluation.bootstrap import draw_clusters

    if not 0 < level < 1 or n_bootstrap < 2:
        raise ConfigError(f"level {level}, n_bootstrap {n_bootstrap}: expected a level within (0, 1), and 2 or more")
    rows, risks = _checked(y, before, after, clusters)
    draws = draw_clusters(rows.n_clusters, n_bootstrap=n_bootstrap, seed=seed)
    measured = {name: _measured(risk, rows, draws) for name, risk in risks.items()}
    context = {"n": len(rows.outcome), "n_events": int(rows.outcome.sum()), "n_clusters": rows.n_clusters}
    records = []
    for metric in COMPARED:
        values = {name: (point[metric], replicates[metric]) for name, (point, replicates) in measured.items()}
        values["difference"] = (values["after"][0] - values["before"][0], values["after"][1] - values["before"][1])
        record: dict[str, object] = {"metric": metric}
        for name, (value, replicates) in values.items():
            valid = replicates[np.isfinite(replicates)]
            low, high = np.quantile(valid, [(1 - level) / 2, (1 + level) / 2]) if len(valid) > 1 else (np.nan, np.nan)
            record |= {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}
        records.append(record | context)
    return pd.DataFrame(records)


def _measured(risk: FloatArray, rows: Rows, draws: FloatArray) -> tuple[dict[str, float], dict[str, FloatArray]]:
    """Metrics of the rows as they are, and per draw."""
    from returnrisk.evaluation.bootstrap import measure

    point, replicates = measure(risk, rows, draws, capacity=None)
    kept = np.clip(risk, LEAST_RISK, 1 - LEAST_RISK)
    loss = -np.where(rows.outcome == 1, np.log(kept), np.log1p(-kept))
    of = {"n": np.ones(len(risk)), "loss": loss, "event": rows.outcome, "risk": risk}
    sums = {name: np.bincount(rows.cluster, weights=values, minlength=rows.n_clusters) for name, values in of.items()}
    drawn = {name: draws @ each for name, each in sums.items()}
    point |= {"log_loss": float(loss.mean()), "observed_over_expected": float(rows.outcome.sum() / risk.sum())}
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw of villages without any risk
        replicates |= {"log_loss": drawn["loss"] / drawn["n"], "observed_over_expected": drawn["event"] / drawn["risk"]}
    return point, replicates


def _checked(y: ArrayLike, before: ArrayLike, after: ArrayLike, clusters: ArrayLike) -> tuple[Rows, dict[str, FloatArray]]:
    """Rows in an order of their own: the same rows give the same figures, however they came."""
    from returnrisk.evaluation.bootstrap import Rows

    outcome, cluster = np.asarray(y, dtype=np.float64), np.asarray(clusters)
    risks = {"before": np.asarray(before, dtype=np.float64), "after": np.asarray(after, dtype=np.float64)}
    shapes = {"y": outcome.shape, "clusters": cluster.shape, **{name: risk.shape for name, risk in risks.items()}}
    if outcome.ndim != 1 or len(set(shapes.values())) > 1:
        raise DataError(f"shapes differ: {shapes}; expected (n,) for all")
    wrong = {"outcomes are neither 0 nor 1": ~np.isin(outcome, (0.0, 1.0))}
    wrong |= {f"risks {name} are missing or outside [0, 1]": ~((risk >= 0) & (risk <= 1)) for name, risk in risks.items()}
    for what, bad in wrong.items():
        if bad.any():
            raise DataError(f"{int(bad.sum())} of {len(outcome)} {what}")
    order = np.lexsort((outcome, risks["after"], risks["before"], cluster))
    villages, index = np.unique(cluster[order], return_inverse=True)
    if len(villages) < 2 or not 0 < outcome.sum() < len(outcome):
        raise NotEnoughDataError(
            f"{len(outcome)} rows of {len(villages)} clusters with {int(outcome.sum())} events: comparing calibrations needs both outcomes and "
            "at least two clusters"
        )
    rows = Rows(
        outcome=outcome[order], weight=np.ones(len(outcome)), cluster=index.astype(np.int64), n_clusters=len(villages), days=()
    )
    return rows, {name: risk[order] for name, risk in risks.items()}
