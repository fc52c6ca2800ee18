"""Counts of one to four households already below the line are not published exactly: a village knows who they are.

A township's must-visits of 1 to 4 become the range 1–4, and what would give them away becomes a range too: the township's count by
model (listed minus those by lot minus must-visits), every sum over such townships, and in the strata those at risk (the rest). Ranges are built from
what is published, so that no subtraction tells more than "1 to 4". Counts of other people are not of a sensitive state and stay
exact. The township's own workbook, which names the households, is not a publication.

Groups (`publish_groups`) divide everybody, whose number is published: one hidden group is what the others leave. Another goes with it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

SMALLEST_SHOWN = 5


def publish_make_up(make_up: pd.DataFrame) -> pd.DataFrame:
    """Replace must_visit and model by must_visit_low, must_visit_high, model_low and model_high.

    `over_capacity` is missing where it would tell a hidden count (a capacity below five).

    Examples
    --------
    >>> towns = pd.DataFrame({"level": ["township", "township", "county"], "area_code": [530123100, 530123101, 530123]})
    >>> towns = towns.assign(must_visit=[3, 9, 12], listed=[40, 40, 80], model=[37, 31, 68], random=0, over_capacity=0)
    >>> publish_make_up(towns)[["must_visit_low", "must_visit_high", "model_low", "model_high"]].values.tolist()
    [[1, 4, 36, 39], [9, 9, 31, 31], [10, 13, 67, 70]]
    """
    hidden = (make_up["level"] == "township") & make_up["must_visit"].between(1, SMALLEST_SHOWN - 1)
    low = make_up["must_visit"].mask(hidden, 1)
    high = make_up["must_visit"].mask(hidden, SMALLEST_SHOWN - 1)
    telling = (hidden & (make_up["over_capacity"] > 0)).to_numpy()
    county = make_up["level"] == "county"
    towns = make_up.loc[~county].assign(low=low, high=high, telling=telling[~county])
    sums = towns.groupby(towns["area_code"] // 1000)[["low", "high", "telling"]].sum()
    low = low.mask(county, make_up["area_code"].map(sums["low"])).astype("int64")
    high = high.mask(county, make_up["area_code"].map(sums["high"])).astype("int64")
    tells = county & (make_up["area_code"].map(sums["telling"]) > 0)
    ranked = make_up["listed"] - make_up["random"]
    return make_up.drop(columns=["must_visit", "model"]).assign(
        must_visit_low=low,
        must_visit_high=high,
        model_low=(ranked - high).clip(lower=0),
        model_high=ranked - low,
        over_capacity=make_up["over_capacity"].astype("Int64").mask(tells | telling),
    )


def publish_strata(strata: pd.DataFrame, published_make_up: pd.DataFrame) -> pd.DataFrame:
    """Replace households by households_low and households_high, wide enough not to undo `publish_make_up`."""
    counties = published_make_up.loc[published_make_up["level"] == "county"]
    below_low, below_high = int(counties["must_visit_low"].sum()), int(counties["must_visit_high"].sum())
    count = strata.set_index("stratum")["households"]
    below = int(count.get("below_line", 0))
    low = strata["households"].mask(strata["stratum"] == "below_line", below_low)
    high = strata["households"].mask(strata["stratum"] == "below_line", below_high)
    at_risk = strata["stratum"] == "at_risk"
    return strata.drop(columns="households").assign(
        households_low=low.mask(at_risk, low - (below_high - below)).astype("int64"),
        households_high=high.mask(at_risk, high + (below - below_low)).astype("int64"),
    )


def publish_groups(table: pd.DataFrame, *, smallest: int = SMALLEST_SHOWN) -> pd.DataFrame:
    """What of `fairness.measure_fairness` may be published: no intersections, and nothing of groups whose counts could be known to be small.

    A group is hidden whole, counts and rates, where 1 to `smallest` - 1 of its household-days, households, falls, fallen households or of those that did
    not fall are all there is. So are as many others of its grouping, the fewest first, as keep every small count possible from 1 up to `smallest` for a
    reader who takes what is shown from the total.

    Returns
    -------
    pandas.DataFrame
        Rows of groups, everyone first; counts Int64, <NA> where hidden (not always a small one); status "hidden" there, and rates NaN.

    Examples
    --------
    >>> table = pd.DataFrame({"grouping": ["all", "a", "a", "a"], "group": ["", "x", "y", "z"], "grouping_2": "", "n": [900, 500, 397, 3]})
    >>> counts = {"n_households": table["n"], "n_events": [90, 60, 29, 1], "n_fallen": [90, 60, 29, 1], "n_clusters": 9}
    >>> table = table.assign(**counts, status="measured", recall=0.5, claimed=False)
    >>> publish_groups(table)[["group", "status", "n"]].values.tolist()
    [['', 'measured', 900], ['x', 'measured', 500], ['y', 'hidden', <NA>], ['z', 'hidden', <NA>]]
    """
    shown = table[table["grouping_2"] == ""].reset_index(drop=True)
    told = shown[["n", "n_households", "n_events", "n_fallen"]].assign(n_others=shown["n"] - shown["n_events"]).to_numpy()
    hidden = np.zeros(len(shown), dtype=bool)
    for place in shown[shown["grouping"] != "all"].groupby("grouping", sort=False).groups.values():
        hidden[place] = _hidden_groups(told[place], smallest=smallest)
    counts = ["n", "n_households", "n_events", "n_fallen", "n_clusters"]
    rates = [c for c in shown.columns if shown[c].dtype == "float64"]
    return shown.assign(
        **{c: shown[c].astype("Int64").mask(hidden) for c in counts},
        **{c: shown[c].mask(hidden) for c in rates},
        status=shown["status"].mask(hidden, "hidden"),
        claimed=shown["claimed"] & ~hidden,
    )


def _hidden_groups(counts: np.ndarray, *, smallest: int) -> np.ndarray:
    """Which rows of counts (groups, columns), of columns whose sums are known, are hidden, (groups,)."""
    small = (counts > 0) & (counts < smallest)
    hidden = np.array(small.any(axis=1))
    for other in np.argsort(counts[:, 0], kind="stable"):
        at_stake = small[hidden].any(axis=0)
        # one of them can be `smallest` while every other hidden one has at least 1, and 1 while the others take the rest
        enough = counts[hidden].sum(axis=0) >= smallest + hidden.sum() - 1
        if not hidden.any() or (hidden.sum() > 1 and enough[at_stake].all()):
            break
        hidden[other] = True
    return hidden
