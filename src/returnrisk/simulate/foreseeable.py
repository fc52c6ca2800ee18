"""Nature's ceiling: how well falls could be ranked by somebody who knew the state and the process, but not the luck to come."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from returnrisk.errors import ConfigError
from returnrisk.simulate.state import Bools, Floats, Ints
from returnrisk.simulate.truth import TrueRisk


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Area under the curve of the true probability, one row per day.

    `.frame()`: as_of, new_support, n_at_risk, expected_falls, falls (actual), expected (AUC in expectation), low, high (what 95% of the
    counties that could follow from the day's state would show), realised (AUC against what happened), rate_low, rate_high (95% of the
    fall rates that could follow). `falls` and `realised` are missing where no outcome was given.
    """

    table: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """The ceiling by day."""
        return self.table


def ceiling(risks: Sequence[TrueRisk], *, fell: Mapping[dt.date, Bools] | None = None) -> Ceiling:
    """Area under the curve of the true probability, in expectation and against what happened.

    In expectation: over pairs of one household that falls and one that does not, weighted with their true probabilities, how often the
    first was the riskier one. Half the futures rank and the other half weigh, and the other way round, so that the luck of the
    futures does not flatter the ranking.

    Parameters
    ----------
    risks
        One per day.
    fell
        By day (`as_of`): what happened, one entry per household of the county, looked at for those at risk only. Only for futures
        with new support: what happened had it.

    Raises
    ------
    ConfigError
        An outcome has another number of households.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> household, future = np.nonzero(rng.random((200, 400)) < np.linspace(0, 0.2, 200)[:, None])
    >>> risk = TrueRisk(pd.Timestamp("2024-03-31").date(), 400, True, np.ones(200, dtype=bool), household, future)
    >>> round(float(ceiling([risk]).frame()["expected"].iloc[0]), 2)
    0.68
    """
    return Ceiling(table=pd.DataFrame([_row(risk, (fell or {}).get(risk.as_of)) for risk in risks]))


def _row(risk: TrueRisk, fell: Bools | None) -> dict[str, object]:
    place = np.cumsum(risk.at_risk) - 1  # household → row among those at risk
    n = int(risk.at_risk.sum())
    p = risk.p_fall()[risk.at_risk]
    half = risk.n_futures // 2
    first = risk.counts(0, half)[risk.at_risk] / half
    second = risk.counts(half)[risk.at_risk] / (risk.n_futures - half)
    expected = (weighted_auc(first, second) + weighted_auc(second, first)) / 2
    bounds = np.searchsorted(risk.future, np.arange(risk.n_futures + 1))
    ranks = [_mid_ranks(second)] * half + [_mid_ranks(first)] * (risk.n_futures - half)  # a future never ranks itself
    spans = zip(ranks, pairwise(bounds), strict=True)
    aucs = [_auc(rank, place[risk.household[a:b]]) for rank, (a, b) in spans if 0 < b - a < n]
    low, high = np.quantile(aucs, [0.025, 0.975]) if aucs else (np.nan, np.nan)
    rate_low, rate_high = np.quantile(np.diff(bounds) / n, [0.025, 0.975])
    row: dict[str, object] = {
        "as_of": pd.Timestamp(risk.as_of),
        "new_support": risk.new_support,
        "n_at_risk": n,
        "expected_falls": float(p.sum()),
        "falls": np.nan,
        "expected": expected,
        "low": low,
        "high": high,
        "realised": np.nan,
        "rate_low": rate_low,
        "rate_high": rate_high,
    }
    if fell is not None and risk.new_support:
        if len(fell) != len(risk.at_risk):
            raise ConfigError(f"the outcome of {risk.as_of} has {len(fell)} households; expected {len(risk.at_risk)}")
        who = np.flatnonzero(fell[risk.at_risk])
        row["falls"] = len(who)
        row["realised"] = _auc(_mid_ranks(p), who) if 0 < len(who) < n else np.nan
    return row


def weighted_auc(score: Floats, p: Floats) -> float:
    """Expected area under the curve of `score` when each household falls with its own probability `p`.

    Examples
    --------
    >>> weighted_auc(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    1.0
    """
    _, level = np.unique(score, return_inverse=True)
    falls, stays = np.bincount(level, p), np.bincount(level, 1 - p)
    below = np.cumsum(stays) - stays
    pairs = falls.sum() * stays.sum() - float((p * (1 - p)).sum())  # nobody is paired with itself
    won = float((falls * (below + stays / 2)).sum()) - float((p * (1 - p)).sum()) / 2
    return float(won / pairs) if pairs > 0 else float("nan")


def _mid_ranks(score: Floats) -> Floats:
    """Rank from 1, ties shared."""
    _, level, count = np.unique(score, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[level])


def _auc(rank: Floats, fell: Ints) -> float:
    n, events = len(rank), len(fell)
    return float((rank[fell].sum() - events * (events + 1) / 2) / (events * (n - events)))
