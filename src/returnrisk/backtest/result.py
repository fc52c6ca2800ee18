"""What a backtest gives: every metric of every score at every origin and over them, with intervals from one set of draws."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from returnrisk.evaluation import METRICS

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.backtest.choice import Choice
    from returnrisk.backtest.origins import Origin
    from returnrisk.config import ModelSpec

FloatArray = NDArray[np.float64]
MEAN = "mean"


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Metrics by origin and score.

    Attributes
    ----------
    days, scores
        Origins, earliest first, and names of the scores.
    counts
        Rows and events of every origin, (origins, 2), and villages in all.
    point, replicates
        Metric to (origins, scores), and to (draws, origins, scores): draw k is the same villages for every score and origin; NaN where
        it has one class only.
    """

    days: tuple[dt.date, ...]
    scores: tuple[str, ...]
    counts: NDArray[np.int64]
    n_villages: int
    level: float
    point: dict[str, FloatArray]
    replicates: dict[str, FloatArray]

    @classmethod
    def of(
        cls, predictions: pd.DataFrame, *, scores: Sequence[str], capacity: float, n_bootstrap: int, seed: int, level: float
    ) -> Measured:
        """Measure `p_<score>` of every origin (column as_of); the share `capacity` of households is taken within each."""
        import pandas as pd

        from returnrisk.evaluation.bootstrap import Rows, draw_clusters, measure

        rows = predictions.sort_values(["as_of", "village_code", "household_id"], ignore_index=True)
        codes, villages = pd.factorize(rows["village_code"], sort=True)
        draws = draw_clusters(len(villages), n_bootstrap=n_bootstrap, seed=seed)
        days = sorted(rows["as_of"].unique())
        found: list[list[tuple[dict[str, float], dict[str, FloatArray]]]] = []
        counts = []
        for day in days:
            at = np.flatnonzero((rows["as_of"] == day).to_numpy())
            y = rows["y"].to_numpy("float64")[at]
            part = Rows(
                outcome=y,
                weight=np.ones(len(at)),
                cluster=codes[at].astype(np.int64),
                n_clusters=len(villages),
                days=(np.arange(len(at)),),
            )
            found.append([measure(rows[f"p_{s}"].to_numpy("float64")[at], part, draws, capacity=capacity) for s in scores])
            counts.append([len(at), int(y.sum())])
        metrics = [m for m in METRICS if m in found[0][0][0] and m in found[0][0][1]]
        return cls(
            days=tuple(pd.Timestamp(d).date() for d in days),
            scores=tuple(scores),
            counts=np.array(counts, dtype=np.int64),
            n_villages=len(villages),
            level=level,
            point={m: np.array([[p[m] for p, _ in of_day] for of_day in found]) for m in metrics},
            replicates={m: np.array([[r[m] for _, r in of_day] for of_day in found]).transpose(2, 0, 1) for m in metrics},
        )

    def of_metric(self, metric: str) -> tuple[FloatArray, FloatArray]:
        """(origins, scores) and (draws, origins, scores)."""
        return self.point[metric], self.replicates[metric]

    def frame(self) -> pd.DataFrame:
        """One row per origin ("mean" over them last), score and metric: origin, score, metric, value, low, high, n, n_events, n_villages."""
        import pandas as pd

        rows = []
        for s, score in enumerate(self.scores):
            for metric, point in self.point.items():
                for k, day in enumerate(self.days):
                    n, events = self.counts[k]
                    low, high = self._interval(self.replicates[metric][:, k, s])
                    rows.append(
                        [day.isoformat(), score, metric, float(point[k, s]), low, high, int(n), int(events), self.n_villages]
                    )
                n, events = self.counts.sum(axis=0)
                low, high = self._interval(self.replicates[metric][:, :, s].mean(axis=1))
                rows.append([MEAN, score, metric, float(point[:, s].mean()), low, high, int(n), int(events), self.n_villages])
        return pd.DataFrame(rows, columns=["origin", "score", "metric", "value", "low", "high", "n", "n_events", "n_villages"])

    def _interval(self, replicates: FloatArray) -> tuple[float, float]:
        valid = replicates[np.isfinite(replicates)]
        if len(valid) < 2:
            return float("nan"), float("nan")
        low, high = np.quantile(valid, [(1 - self.level) / 2, (1 + self.level) / 2])
        return float(low), float(high)


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """A backtest of one outcome.

    Attributes
    ----------
    known_on
        Day on which everything was looked at.
    origins
        The days a model was made for, with the days it learnt from (of the first specification).
    predictions
        One row per household at risk with a known outcome and origin: household_id, as_of, village_code, township_code, seen_below, y,
        `p_<score>`.
    set_aside
        Features that never differ among what a score learns from at an origin, and so have no weight: origin, score, feature, family, why
        (constant, missing).
    left_out
        Specifications that could not be learnt at an origin, and so are not compared: origin, score, why.
    measured, choice
        The figures, and what the rules make of them.
    """

    known_on: dt.date
    specs: tuple[ModelSpec, ...]
    origins: tuple[Origin, ...]
    predictions: pd.DataFrame
    set_aside: pd.DataFrame
    left_out: pd.DataFrame
    measured: Measured
    choice: Choice

    def frame(self) -> pd.DataFrame:
        """Every figure (`Measured.frame`)."""
        return self.measured.frame()

    def table(self) -> pd.DataFrame:
        """One row per score, best first by the rule.

        Returns
        -------
        DataFrame
            score, learner, the metric's mean over origins with low and high, least and largest over origins, worst_regret (distance to the
            best of an origin), and the means of recall_at_capacity, calibration_slope and ece.
        """
        import pandas as pd

        metric = self.choice.metric
        mean = self.frame().query("origin == @MEAN", local_dict={"MEAN": MEAN}).set_index(["score", "metric"])
        point, _ = self.measured.of_metric(metric)
        sign = -1.0 if metric in ("brier", "ece") else 1.0
        regret = ((sign * point).max(axis=1, keepdims=True) - sign * point).max(axis=0)
        learners = {s.name: s.learner.name for s in self.specs}
        rows = []
        for s, score in enumerate(self.measured.scores):
            row: dict[str, Any] = {"score": score, "learner": learners.get(score, "income_only")}
            row |= {
                metric: mean.at[(score, metric), "value"],
                "low": mean.at[(score, metric), "low"],
                "high": mean.at[(score, metric), "high"],
            }
            row |= {"least": float(point[:, s].min()), "largest": float(point[:, s].max()), "worst_regret": float(regret[s])}
            row |= {m: mean.at[(score, m), "value"] for m in ("recall_at_capacity", "calibration_slope", "ece") if m != metric}
            rows.append(row)
        places = self.choice.by_rule.query("rule == @rule", local_dict={"rule": self.choice.rule}).set_index("score")["place"]
        return pd.DataFrame(rows).sort_values("score", key=lambda names: names.map(places), kind="stable", ignore_index=True)

    def origins_frame(self) -> pd.DataFrame:
        """One row per origin: origin, learnt_from, learnt_to, n_days, n, n_events, base_rate of its test."""
        import pandas as pd

        rows = [
            [o.day, o.split.refit[0], o.split.refit[-1], len(o.split.refit), int(n), int(events), events / n]
            for o, (n, events) in zip(self.origins, self.measured.counts, strict=True)
        ]
        return pd.DataFrame(rows, columns=["origin", "learnt_from", "learnt_to", "n_days", "n", "n_events", "base_rate"])
