"""What an evaluation gives: numbers with their intervals, n and base rate, never one without the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from returnrisk.errors import UnknownNameError

FloatArray = NDArray[np.float64]

METRICS = (
    "auc",
    "average_precision",
    "precision_at_capacity",
    "recall_at_capacity",
    "brier",
    "ece",
    "calibration_slope",
    "calibration_intercept",
    "tie_share_at_capacity",
)
COMPARED = ("auc", "average_precision", "recall_at_capacity")


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Metrics of one or more scores on the same rows, with intervals by resampling whole villages.

    Attributes
    ----------
    n, n_events, n_clusters
        Rows, events among them, and villages (whatever the clusters are).
    base_rate
        n_events / n.
    level
        Of every interval, such as 0.95.
    n_bootstrap, n_skipped
        Replicates drawn, and those left out because only one class was drawn.
    capacity
        Share of rows that precision and recall refer to; None when lists were given, or neither.
    calibration_curve
        Per score ten bins of equal count by rising score: score, bin, mean_predicted, observed, low, high (Wilson, rows taken as
        independent), n (n / 10, need not be whole).
    lift_curve
        Per score and share of rows visited: score, share, n_visited, recall, precision, lift (precision / base rate).
    point
        Score to metric to value.
    replicates
        Score to metric to value per replicate, (n_bootstrap,), NaN where skipped. Replicate k is the same draw for every score.
    """

    n: int
    n_events: int
    n_clusters: int
    level: float
    n_bootstrap: int
    n_skipped: int
    capacity: float | None
    calibration_curve: pd.DataFrame
    lift_curve: pd.DataFrame
    point: Mapping[str, Mapping[str, float]]
    replicates: Mapping[str, Mapping[str, FloatArray]]

    @property
    def base_rate(self) -> float:
        """Share of rows with the event."""
        return self.n_events / self.n

    def frame(self) -> pd.DataFrame:
        """One row per score and metric: score, metric, value, low, high, n, n_events, base_rate, n_clusters.

        `tie_share_at_capacity` (how much of the list a tie at the cut decided) describes these rows and has no interval. That of
        `ece` lies too high, for a well calibrated score even above the value itself: drawing villages adds noise, and the error
        counts noise in both directions. Replicates in which a threshold separates the classes have no slope and are left out of it.
        """
        records = []
        for score, values in self.point.items():
            for metric in (m for m in METRICS if m in values):
                low, high = self._interval(self.replicates[score].get(metric))
                records.append(
                    {"score": score, "metric": metric, "value": values[metric], "low": low, "high": high, **self._context()}
                )
        return pd.DataFrame(records)

    def wide(self) -> pd.DataFrame:
        """One row per score: score, n, n_events, base_rate, n_clusters, then metric, metric_low, metric_high for every metric."""
        records = []
        for score, rows in self.frame().groupby("score", sort=False):
            record: dict[str, object] = {"score": score, **self._context()}
            for row in rows.to_dict("records"):
                record[row["metric"]] = row["value"]
                if row["metric"] in self.replicates[str(score)]:
                    record |= {f"{row['metric']}_low": row["low"], f"{row['metric']}_high": row["high"]}
            records.append(record)
        return pd.DataFrame(records)

    def differences(self, baseline: str = "income") -> pd.DataFrame:
        """How much better every other score is than `baseline`, village draw by village draw.

        Both scores meet the same draws, so what makes a draw easy for both cancels out: the interval is of the difference, and
        much narrower than two intervals side by side suggest.

        Returns
        -------
        pandas.DataFrame
            One row per other score and metric (auc, average_precision, recall_at_capacity): score, baseline, metric, difference,
            low, high, n, n_events, base_rate, n_clusters.

        Raises
        ------
        UnknownNameError
            `baseline` is not one of the scores.
        """
        if baseline not in self.point:
            raise UnknownNameError("score", baseline, self.point)
        records = []
        for score in (s for s in self.point if s != baseline):
            for metric in COMPARED:
                if metric not in self.point[score]:
                    continue
                low, high = self._interval(self.replicates[score][metric] - self.replicates[baseline][metric])
                difference = self.point[score][metric] - self.point[baseline][metric]
                head = {"score": score, "baseline": baseline, "metric": metric, "difference": difference}
                records.append({**head, "low": low, "high": high, **self._context()})
        columns = ["score", "baseline", "metric", "difference", "low", "high", *self._context()]
        return pd.DataFrame(records, columns=columns)

    def _context(self) -> dict[str, object]:
        return {"n": self.n, "n_events": self.n_events, "base_rate": self.base_rate, "n_clusters": self.n_clusters}

    def _interval(self, replicates: FloatArray | None) -> tuple[float, float]:
        """Percentile interval of the replicates that count; NaN when fewer than two do."""
        valid = np.array([]) if replicates is None else replicates[np.isfinite(replicates)]
        if len(valid) < 2:
            return float("nan"), float("nan")
        low, high = np.quantile(valid, [(1 - self.level) / 2, (1 + self.level) / 2])
        return float(low), float(high)
