"""漏访率, the missed-visit rate: of the households that fell, how many no list had named in time.

Estimand. Of the households at risk on the first list's day that fell within one horizon of it, the share named by any list of that
horizon that was made at least `lead_days` before the fall ("reached"); its complement is the missed-visit rate. A fall is dated by
the settlement day on which it was first seen: it happened at some time in the months before, so the real lead is shorter. A fall
soon after the first list has few lists that could name it, and counts as it is: that is what lists are up against.

This is no 漏评率 (missed identification among households surveyed and not registered): that one needs a survey. A named household is
taken for a visited one; whether anybody went is not on file here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from returnrisk.errors import ContractViolation, NotEnoughDataError
from returnrisk.evaluation.bootstrap import draw_clusters

COLUMNS = (
    "score", "lead_days", "n_falls", "n_lists", "n_named", "reached", "reached_low", "reached_high", "missed", "missed_low", "missed_high",
    "reached_per_100", "difference", "difference_low", "difference_high",
)  # fmt: skip


def missed_visits(
    households: pd.DataFrame,
    lists: pd.DataFrame,
    *,
    score_columns: Mapping[str, str],
    lead_days: int = 30,
    weight: str | None = None,
    n_bootstrap: int = 300,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Reached and missed falls of each score's own lists.

    Parameters
    ----------
    households
        Grain household x as_of, those at risk with a known outcome: household_id, as_of, village_code, y (0 or 1), event_on (day of the
        fall; missing without one). Of these the rows of the first list's day count.
    lists
        Grain household x as_of, everybody on the day of each list: household_id, as_of, and one column of true and false per score.
    score_columns
        Label to column of `lists`. The first is what the others are compared with.
    lead_days
        Days before the fall by which a list must have been made.
    weight
        Column of `households`: how many households a row stands for.
    n_bootstrap, seed, level
        Villages drawn with replacement (the same draws for every score), their seed, and the level of the percentile intervals.

    Returns
    -------
    pandas.DataFrame
        One row per score, `COLUMNS`: n_falls (rows), n_lists, n_named (places of all lists together), reached and missed (shares of falls) with
        intervals, reached_per_100 (falls reached per hundred places), difference (reached, first score less this one; missing for the first).

    Raises
    ------
    NotEnoughDataError
        Nobody at risk on the first day fell, or those who did lived in fewer than two villages.
    ContractViolation
        A household twice on a day, or a fall without its day.

    Examples
    --------
    >>> day = pd.to_datetime(["2024-03-31", "2024-06-30"])
    >>> at_risk = pd.DataFrame({
    ...     "household_id": [1, 2, 3, 4], "as_of": day[0], "village_code": [7, 7, 8, 8], "y": [1, 1, 1, 0],
    ...     "event_on": pd.to_datetime(["2024-06-30", "2024-12-31", "2024-12-31", None]),
    ... })
    >>> named = pd.DataFrame({
    ...     "household_id": [1, 2, 3, 4] * 2, "as_of": day.repeat(4), "by_model": [False, False, True, True, True, True, False, False],
    ... })
    >>> found = missed_visits(at_risk, named, score_columns={"model": "by_model"}, n_bootstrap=20)
    >>> found[["n_falls", "n_lists", "n_named", "reached", "missed"]].round(3).values.tolist()  # 1 was named on the day it fell: too late
    [[3.0, 2.0, 4.0, 0.667, 0.333]]
    """
    for name, table in (("households", households), ("lists", lists)):
        if n := int(table.duplicated(["household_id", "as_of"]).sum()):
            raise ContractViolation(f"{name} holds {n} households twice on a day; one row per household and day is expected")
    first = lists["as_of"].min()
    falls = households[(households["as_of"] == first) & (households["y"] == 1)].sort_values("household_id")
    if n := int(falls["event_on"].isna().sum()):
        raise ContractViolation(f"{n} falls have no event_on: whether a list came in time cannot be said")
    village, cluster = np.unique(falls["village_code"].to_numpy(), return_inverse=True)
    if len(village) < 2:
        raise NotEnoughDataError(
            f"{len(falls)} of the households at risk on {first:%Y-%m-%d} fell, in {len(village)} villages; two are needed"
        )
    named = lists.merge(falls[["household_id", "event_on"]], on="household_id")
    in_time = named[named["as_of"] <= named["event_on"] - pd.Timedelta(days=lead_days)]
    count = np.ones(len(falls)) if weight is None else falls[weight].to_numpy("float64")
    draws = draw_clusters(len(village), n_bootstrap=n_bootstrap, seed=seed)
    once = np.ones((1, len(village)))
    total = np.bincount(cluster, weights=count, minlength=len(village))
    ends = ((1 - level) / 2, (1 + level) / 2)
    records: list[dict[str, Any]] = []
    drawn_first: np.ndarray | None = None
    for label, column in score_columns.items():
        reached_ids = in_time.loc[in_time[column].astype(bool), "household_id"].unique()
        hit = count * falls["household_id"].isin(reached_ids).to_numpy()
        found = np.bincount(cluster, weights=hit, minlength=len(village))
        reached = _ratio(once @ found, once @ total)[0]
        drawn = _ratio(draws @ found, draws @ total)
        low, high = np.nanquantile(drawn, ends)
        places = int(lists[column].sum())
        difference = {"difference": np.nan, "difference_low": np.nan, "difference_high": np.nan}
        if drawn_first is None:
            drawn_first = drawn
        else:
            apart = np.nanquantile(drawn_first - drawn, ends)
            difference = {
                "difference": records[0]["reached"] - reached,
                "difference_low": apart[0],
                "difference_high": apart[1],
            }
        records.append(
            {
                "score": label,
                "lead_days": lead_days,
                "n_falls": len(falls),
                "n_lists": lists["as_of"].nunique(),
                "n_named": places,
                "reached": reached,
                "reached_low": low,
                "reached_high": high,
                "missed": 1 - reached,
                "missed_low": 1 - high,
                "missed_high": 1 - low,
                "reached_per_100": 100 * hit.sum() / places if places else np.nan,
                **difference,
            }
        )
    return pd.DataFrame(records, columns=list(COLUMNS))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Share, NaN for a draw of villages in which nobody fell (they are those of falls only: weights of 0 are the only case)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(part / whole)
