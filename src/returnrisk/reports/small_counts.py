"""Counts of one to four households already below the line are not published exactly: a village knows who they are.

A township's must-visits of 1 to 4 become the range 1–4, and what would give them away becomes a range too: the township's count by
model (listed minus those by lot minus must-visits), every sum over such townships, and in the strata those at risk (the rest). Ranges are built from
what is published, so that no subtraction tells more than "1 to 4". Counts of other people are not of a sensitive state and stay
exact. The township's own workbook, which names the households, is not a publication.
"""

from __future__ import annotations

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
