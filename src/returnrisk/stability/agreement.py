"""How alike two rankings and two lists are: overlap, rank-biased overlap, Spearman's correlation, agreement of reasons.

Nothing here knows about models: what is compared are keys in an order, or two frames of scored households of one county.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.errors import ConfigError, DataError, NotEnoughDataError
from returnrisk.evaluation.bootstrap import draw_clusters
from returnrisk.visits import listed
from returnrisk.visits.selection import stable_hash

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

RANKED = ("at_risk", "not_computable")
"""Strata that the model ranks: must-visits are on every list, the monitored on none."""
LIST_METRICS = ("kept", "jaccard", "kept_with_must_visits")
REASON_METRICS = ("first_reason", "same_reasons", "shared_reasons")
_SCORE_COLUMNS = ("household_id", "village_code", "township_code", "stratum", "risk")


def rank_biased_overlap(first: Sequence[Hashable], second: Sequence[Hashable], *, p: float) -> float:
    """Top-weighted agreement of two rankings, 0 (nothing in common) to 1 (the same order); best first, no ties, lengths may differ.

    A reader looks at the first place and goes on to the next one with chance `p`; the value is the agreement expected at the depth
    where the reading stops, the agreement at the end being taken to go on (RBO_EXT, equation 32 of Webber, Moffat and Zobel 2010).

    Raises
    ------
    ConfigError
        `p` is not between 0 and 1.
    DataError
        An item stands twice in a ranking.

    Examples
    --------
    >>> round(rank_biased_overlap("ab", "ba", p=0.5), 6), rank_biased_overlap("ab", "cd", p=0.5)
    (0.5, 0.0)
    """
    _check_p(p)
    short, long = sorted((list(first), list(second)), key=len)
    for ranking in (short, long):
        if len(set(ranking)) < len(ranking):
            raise DataError(f"{len(ranking) - len(set(ranking))} of {len(ranking)} places of a ranking hold an item named before")
    if not short:
        return 1.0 if not long else 0.0
    s, n = len(short), len(long)
    seen_short: set[Hashable] = set()
    seen_long: set[Hashable] = set()
    common, common_short, total = 0, 0, 0.0
    for depth in range(1, n + 1):
        item = long[depth - 1]
        common += item in seen_short
        seen_long.add(item)
        if depth <= s:
            seen_short.add(short[depth - 1])
            common += short[depth - 1] in seen_long
        if depth == s:
            common_short = common
        beyond = common_short * (depth - s) / s if depth > s else 0.0
        total += (common + beyond) / depth * p**depth
    return (1 - p) / p * total + ((common - common_short) / n + common_short / s) * p**n


def weight_of_top(depth: int, *, p: float) -> float:
    """Share of rank-biased overlap's weight that lies on the first `depth` places (equation 21 of Webber, Moffat and Zobel 2010).

    Examples
    --------
    >>> round(weight_of_top(10, p=0.9), 2)
    0.86
    """
    _check_p(p)
    tail = math.log(1 / (1 - p)) - sum(p**i / i for i in range(1, depth))
    return 1 - p ** (depth - 1) + (1 - p) / p * depth * tail


def persistence(per_township: int) -> float:
    """The `p` by which a list's places hold 86% of the weight: 1 - 1 / places; one half for a single place."""
    return 1 - 1 / max(per_township, 2)


def _check_p(p: float) -> None:
    if not 0 < p < 1:
        raise ConfigError(f"p is {p}; expected between 0 and 1, such as 0.9, by which the first ten places hold 86% of the weight")


@dataclass(frozen=True, slots=True, eq=False)
class ListAgreement:
    """How alike two lists of one county are; `table` has one row per metric."""

    table: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Metric, value, low, high, n (what it is taken over) and resampled ("villages" or "townships").

        kept: share of the first list's places by model whose household stands on the second (by model or as must-visit). jaccard: of the
        places by model of both. kept_with_must_visits: of all places of the first. spearman: of the risks of households that both rank.
        rbo: rank-biased overlap of the whole rankings, township by township, weighted by the first list's places. first_reason,
        same_reasons, shared_reasons: of households with reasons in both, the share whose first reason is of one family, whose top
        families are the same in any order, and the mean share of families in common (Jaccard).
        """
        return self.table

    def value(self, metric: str) -> float:
        """One metric."""
        return float(self.table.set_index("metric")["value"][metric])


def compare_lists(
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    per_township: int,
    per_township_then: int | None = None,
    reasons: tuple[pd.DataFrame, pd.DataFrame] | None = None,
    n_bootstrap: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> ListAgreement:
    """Two lists, made by the rule of `visits` from two sets of scores of one county.

    Parameters
    ----------
    first, second
        One row per household: household_id, village_code, township_code, stratum, risk.
    per_township
        Places of the first list per township; `per_township_then` of the second (default the same).
    reasons
        Of both: household_id, position, family (`explain.reasons_for`); agreement is taken over households by model on both lists.
    n_bootstrap, seed, level
        Villages drawn with replacement (townships for `rbo`, of which there are few: a rough interval). 0 gives no intervals. They say
        how far the figure depends on which villages the county has, not how the scores came about.

    Raises
    ------
    NotEnoughDataError
        Nobody is on the first list by model.
    DataError
        A household stands twice.
    """
    import numpy as np
    import pandas as pd

    a, b = _with_list(first, per_township), _with_list(second, per_township_then or per_township)
    if not a["by_model"].any():
        raise NotEnoughDataError(f"with {per_township} places per township nobody is listed by the model; give more places")
    both = a.merge(b, on="household_id", how="outer", suffixes=("", "_2"), sort=True)
    both["village_code"] = both["village_code"].fillna(both["village_code_2"])
    for name in ("by_model", "listed", "by_model_2", "listed_2"):
        both[name] = both[name].fillna(value=False).astype(bool)
    one, two, listed_two = both["by_model"], both["by_model_2"], both["listed_2"]
    ratios = {
        "kept": (one & listed_two, one),
        "jaccard": (one & two, one | two),
        "kept_with_must_visits": (both["listed"] & listed_two, both["listed"]),
    }
    if reasons is not None:
        agreement = _reasons_of(both.loc[one & two, "household_id"], *reasons)
        mine = both["household_id"].map(agreement["shared_reasons"]).notna()
        ratios |= {name: (both["household_id"].map(agreement[name]).fillna(0.0), mine) for name in REASON_METRICS}
    tails = [(1 - level) / 2, (1 + level) / 2]
    villages = both["village_code"].to_numpy()
    rows = [_ratio(name, *of, villages, n_bootstrap=n_bootstrap, seed=seed, tails=tails) for name, of in ratios.items()]
    rows.append(_spearman(both, n_bootstrap=n_bootstrap, seed=seed, tails=tails))
    rows.append(_rbo(a, b, p=persistence(per_township), n_bootstrap=n_bootstrap, seed=seed, tails=tails))
    return ListAgreement(table=pd.DataFrame(rows).astype({"n": np.int64}))


def in_order(scores: pd.DataFrame) -> pd.DataFrame:
    """Households that the model ranks, in the order of the list: by township, falling risk, then the hash that decides ties."""
    import numpy as np

    ranked = scores[scores["stratum"].isin(RANKED)]
    hashes = stable_hash(ranked["household_id"].to_numpy(dtype=np.int64))
    order = np.lexsort((hashes, -ranked["risk"].to_numpy(), ranked["township_code"].to_numpy()))
    return ranked.iloc[order]


def _with_list(scores: pd.DataFrame, per_township: int) -> pd.DataFrame:
    frame = scores.loc[:, list(_SCORE_COLUMNS)].reset_index(drop=True)
    if n := int(frame["household_id"].duplicated().sum()):
        raise DataError(f"{n} households stand more than once in the scores; give one row each")
    frame["listed"] = listed(frame, per_township=per_township)
    frame["by_model"] = frame["listed"] & frame["stratum"].isin(RANKED)
    return frame


def _reasons_of(households: pd.Series, first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Agreement by household that has reasons in both, one column per metric."""
    import pandas as pd

    def families(reasons: pd.DataFrame) -> dict[int, list[str]]:
        mine = reasons[reasons["household_id"].isin(households)].sort_values(["household_id", "position"])
        return {int(str(key)): list(part) for key, part in mine.groupby("household_id")["family"]}

    one, two = families(first), families(second)
    records = {
        key: {
            "first_reason": float(one[key][0] == two[key][0]),
            "same_reasons": float(set(one[key]) == set(two[key])),
            "shared_reasons": len(set(one[key]) & set(two[key])) / len(set(one[key]) | set(two[key])),
        }
        for key in one
        if key in two
    }
    return pd.DataFrame.from_dict(records, orient="index", columns=list(REASON_METRICS), dtype="float64")


def _ratio(
    name: str, part: Any, whole: Any, villages: np.ndarray, *, n_bootstrap: int, seed: int, tails: list[float]
) -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    codes, known = pd.factorize(villages, sort=True)
    above = np.bincount(codes, weights=np.asarray(part, dtype=float), minlength=len(known))
    below = np.bincount(codes, weights=np.asarray(whole, dtype=float), minlength=len(known))
    with np.errstate(invalid="ignore"):
        value = float(above.sum() / below.sum()) if below.sum() else float("nan")
        draws = draw_clusters(len(known), n_bootstrap=n_bootstrap, seed=seed)
        low, high = _interval((draws @ above) / (draws @ below), tails)
    return {"metric": name, "value": value, "low": low, "high": high, "n": int(below.sum()), "resampled": "villages"}


def _spearman(both: pd.DataFrame, *, n_bootstrap: int, seed: int, tails: list[float]) -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    ranked = both[both["stratum"].isin(RANKED) & both["stratum_2"].isin(RANKED)]
    x, y = ranked["risk"].to_numpy(), ranked["risk_2"].to_numpy()
    codes, known = pd.factorize(ranked["village_code"], sort=True)
    members = [np.flatnonzero(codes == k) for k in range(len(known))]
    drawn = []
    for counts in draw_clusters(len(known), n_bootstrap=n_bootstrap, seed=seed) if len(known) else ():
        index = np.concatenate([np.repeat(members[k], int(counts[k])) for k in np.flatnonzero(counts)])
        drawn.append(spearman(x[index], y[index]))
    low, high = _interval(np.array(drawn), tails)
    return {"metric": "spearman", "value": spearman(x, y), "low": low, "high": high, "n": len(ranked), "resampled": "villages"}


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation, ties by their mean rank; NaN where either is constant."""
    import numpy as np
    import pandas as pd

    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(pd.Series(x).rank(), pd.Series(y).rank())[0, 1])


def _rbo(a: pd.DataFrame, b: pd.DataFrame, *, p: float, n_bootstrap: int, seed: int, tails: list[float]) -> dict[str, Any]:
    import numpy as np

    one = {town: part["household_id"].tolist() for town, part in in_order(a).groupby("township_code")}
    two = {town: part["household_id"].tolist() for town, part in in_order(b).groupby("township_code")}
    places = a[a["by_model"]].groupby("township_code").size()
    values = np.array([rank_biased_overlap(one[town], two.get(town, []), p=p) for town in places.index])
    weights = places.to_numpy(dtype=float)
    draws = draw_clusters(len(values), n_bootstrap=n_bootstrap, seed=seed)
    low, high = _interval((draws @ (weights * values)) / (draws @ weights), tails) if len(values) > 1 else (float("nan"),) * 2
    value = float((weights * values).sum() / weights.sum())
    return {"metric": "rbo", "value": value, "low": low, "high": high, "n": len(values), "resampled": "townships"}


def _interval(values: np.ndarray, tails: list[float]) -> tuple[float, float]:
    import numpy as np

    valid = values[np.isfinite(values)]
    if len(valid) < 2:
        return float("nan"), float("nan")
    low, high = np.quantile(valid, tails)
    return float(low), float(high)
