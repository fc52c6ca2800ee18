"""How far features, families and risks of a month have moved from the model's test days, beside chance and the past."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from returnrisk.config import DriftSpec
from returnrisk.drift.reference import RISK, Reference, at_risk_of, risk_bins_of
from returnrisk.drift.stability_index import Bins, FloatArray, IntArray, by_chance, chance_point, psi

if TYPE_CHECKING:
    import pandas as pd

FEATURE_COLUMNS = (
    "feature", "family", "n", "missing", "missing_reference", "psi", "by_chance", "past", "limit", "moved", "threshold", "result",
)  # fmt: skip
FAMILY_COLUMNS = ("family", "n_features", "n_moved", "moved", "threshold", "result", "psi_mean", "psi_max", "first")
LEAST_MOVED = 2
"""One feature is no family."""
RISK_COLUMNS = ("what", "value", "reference", "by_chance", "past", "threshold", "result")


def feature_drift(table: pd.DataFrame, reference: Reference, rule: DriftSpec) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Index of every feature, and the share of every family's that moved.

    Parameters
    ----------
    table
        Snapshot rows of the month: village_code and the features.

    Returns
    -------
    DataFrame
        `FEATURE_COLUMNS`, in the model's order: n households, share missing now and in the reference, psi; `by_chance`, what nineteen of
        twenty pairs of draws of villages stay under; `past`, the largest of earlier days (NaN: too few to tell); `limit`, the largest of the
        rule's, of chance and of `times_past` times the past, beyond which a feature has moved; `threshold`, `alone` times the limit, beyond
        which it is an alarm by itself: of many features one is always the farthest. Where the past is not known nothing has moved, and
        "result" is "cannot_tell" beyond the limit.
    DataFrame
        `FAMILY_COLUMNS`: n_moved features beyond their own threshold, and their share of the family, held against the rule's; mean and largest
        index; first, the feature with that.
    """
    import pandas as pd

    bins, names = reference.bins, list(reference.family_of)
    codes = bins.codes(table)
    now, before = bins.counts_of(codes), reference.counts()
    index, draws = psi(before, now, bins.sizes), by_chance(_by_village(bins, codes, table), bins.sizes)
    features = pd.DataFrame(
        {
            "feature": names,
            "family": list(reference.family_of.values()),
            "n": len(table),
            "missing": now[:, 0] / max(len(table), 1),
            "missing_reference": before[:, 0] / reference.households,
            "psi": index,
            "by_chance": chance_point(draws),
            "past": np.nan if reference.past is None else [reference.past[name] for name in names],
        }
    )
    limit = _limit(features, at_least=rule.feature_psi, rule=rule)
    beyond, past_known = features["psi"] > limit, features["past"].notna()
    features = features.assign(limit=limit, moved=beyond & past_known, threshold=rule.alone * limit)
    features["result"] = _results(features["psi"] > features["threshold"], beyond, past_known)
    rows = []
    for family, part in features.groupby("family", sort=False):
        n_moved = int(part["moved"].sum())
        rows.append(
            {
                "family": family,
                "n_features": len(part),
                "n_moved": n_moved,
                "moved": n_moved / len(part),
                "threshold": rule.family_share,
                "result": "alarm" if n_moved >= max(min(LEAST_MOVED, len(part)), rule.family_share * len(part)) else "fine",
                "psi_mean": float(part["psi"].mean()),
                "psi_max": float(part["psi"].max()),
                "first": part["feature"].iloc[int(part["psi"].argmax())],
            }
        )
    return features[list(FEATURE_COLUMNS)], pd.DataFrame(rows, columns=list(FAMILY_COLUMNS))


def risk_drift(
    table: pd.DataFrame,
    reference: Reference,
    rule: DriftSpec,
    *,
    log_odds: Callable[[pd.DataFrame], FloatArray],
    curve: Callable[[FloatArray], FloatArray],
) -> pd.DataFrame:
    """Index and mean of the risks of the households at risk, by the curve that is in use.

    Returns
    -------
    DataFrame
        `RISK_COLUMNS`, two rows. "psi": of the log-odds, in tenths of the reference. "mean_risk": value and reference are mean risks, past and
        threshold ratios of them. The mean of the reference is that of its percentiles under today's curve. No row where nobody is at risk.
    """
    import pandas as pd

    rows = at_risk_of(table)
    if rows.empty:
        return pd.DataFrame(columns=list(RISK_COLUMNS))
    found = log_odds(rows)
    bins, before = risk_bins_of(reference)
    codes = bins.codes(pd.DataFrame({RISK: found}))
    draws = by_chance(_by_village(bins, codes, rows), bins.sizes)
    mean, mean_before = float(curve(found).mean()), float(curve(np.array(reference.risk.points)).mean())
    past, past_ratio = (np.nan if value is None else value for value in (reference.risk.past, reference.risk.past_ratio))
    index = pd.DataFrame(
        {"what": ["psi"], "psi": psi(before, bins.counts_of(codes), bins.sizes), "by_chance": chance_point(draws), "past": past}
    )
    index["threshold"] = _limit(index, at_least=rule.risk_psi, rule=rule)
    beyond = index["psi"] > index["threshold"]
    index["result"] = _results(beyond, beyond, index["past"].notna())
    index = index.rename(columns={"psi": "value"}).assign(reference=0.0)
    most = np.nanmax([rule.expected_falls_ratio, past_ratio**rule.times_past])
    level = pd.DataFrame({"what": ["mean_risk"], "value": mean, "reference": mean_before, "by_chance": np.nan, "past": past_ratio})
    beyond = ~(level["value"] / mean_before).between(1 / most, most)
    level = level.assign(threshold=most, result=_results(beyond, beyond, level["past"].notna()))
    return pd.concat([index, level], ignore_index=True)[list(RISK_COLUMNS)]


def _by_village(bins: Bins, codes: np.ndarray, rows: pd.DataFrame) -> FloatArray:
    villages, group = np.unique(rows["village_code"].to_numpy(), return_inverse=True)
    place: IntArray = group.astype(np.int64)
    return bins.counts_by(codes, place, n_groups=len(villages))


def _limit(table: pd.DataFrame, *, at_least: float, rule: DriftSpec) -> pd.Series[float]:
    past: pd.Series[float] = rule.times_past * table["past"]
    return past.fillna(0).clip(lower=at_least).clip(lower=table["by_chance"])


def _results(alarm: pd.Series[bool], beyond: pd.Series[bool], past_known: pd.Series[bool]) -> np.ndarray:
    """An alarm only where it is known how far earlier days had moved."""
    return np.where(beyond & ~past_known, "cannot_tell", np.where(alarm, "alarm", "fine"))
