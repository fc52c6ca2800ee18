"""How likely each household was to be visited: a design that is known because it was drawn, and logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from returnrisk.errors import ConfigError, DataError
from returnrisk.visits import listed

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]


def visit_plan(scores: pd.DataFrame, *, per_township: int, random_places: int, seed: int) -> pd.DataFrame:
    """Fill a list's places, some of them by lot, and log the chance that each household had.

    Must-visits and the model's places are certain, as `visits.listed` fills them; `random_places` more in every township are drawn, each
    household that is left as likely as the next. Without places by lot nobody learns anything of the households that the model leaves
    out, and no weight can mend that afterwards.

    Parameters
    ----------
    scores
        One row per household of one day: household_id, township_code, stratum, risk.
    per_township
        Places that are not drawn by lot (must-visits are always listed, also past them).
    random_places
        Places by lot in every township, beside the others.
    seed
        Of the lot; the same households in another order are drawn alike.

    Returns
    -------
    pandas.DataFrame
        household_id, slot ("must_visit", "model", "random", "none"), chance (0 to 1; 0 for the monitored, whom no list visits); in the
        order of `scores`.

    Raises
    ------
    ConfigError
        A number of places below zero.

    Examples
    --------
    >>> import pandas as pd
    >>> four = pd.DataFrame({"household_id": [1, 2, 3, 4], "township_code": 9, "stratum": "at_risk", "risk": [0.4, 0.3, 0.2, 0.1]})
    >>> visit_plan(four, per_township=1, random_places=1, seed=0)["chance"].round(2).tolist()
    [1.0, 0.33, 0.33, 0.33]
    """
    import pandas as pd

    if min(per_township, random_places) < 0:
        raise ConfigError(f"per_township is {per_township} and random_places {random_places}; expected 0 or more households")
    frame = scores[["household_id", "township_code", "stratum", "risk"]].reset_index(drop=True)
    certain = listed(frame, per_township=per_township)
    left = ~certain & (frame["stratum"] != "monitored").to_numpy()
    n_left = pd.Series(left).groupby(frame["township_code"]).transform("sum").to_numpy()
    by_lot = np.minimum(1.0, random_places / np.maximum(n_left, 1))
    by_key = frame.assign(place=np.arange(len(frame))).loc[left].sort_values("household_id")
    by_key["lot"] = np.random.default_rng(seed).permutation(len(by_key))
    drawn = by_key.loc[by_key.groupby("township_code")["lot"].rank() <= random_places, "place"].to_numpy()
    slot = np.where(certain, np.where(frame["stratum"] == "below_line", "must_visit", "model"), "none").astype(object)
    slot[drawn] = "random"
    chance = np.where(certain, 1.0, np.where(left, by_lot, 0.0))
    return pd.DataFrame({"household_id": frame["household_id"], "slot": pd.Series(slot, dtype="str"), "chance": chance})


def chance_over_rounds(chances: ArrayLike) -> FloatArray:
    """Chance of at least one visit in several rounds, each drawn without regard to who was drawn before, (n,).

    Parameters
    ----------
    chances
        (n, rounds) of every round as it was logged.

    Raises
    ------
    DataError
        Not a matrix of shares.

    Examples
    --------
    >>> chance_over_rounds([[0.5, 0.5], [0.0, 0.1]]).tolist()
    [0.75, 0.1]
    """
    matrix = np.asarray(chances, dtype=np.float64)
    if matrix.ndim != 2 or not ((matrix >= 0) & (matrix <= 1)).all():
        raise DataError("chances must be a matrix of households by rounds, each from 0 to 1; none may be missing")
    return np.asarray(1 - np.prod(1 - matrix, axis=1)).round(15)


def observed_share(happened: ArrayLike, *, among: ArrayLike, classes: ArrayLike) -> FloatArray:
    """In how many of the rows `among` it happened, class by class, given to every row of the class, (n,); 0 where nobody was asked.

    Two uses. Where no chance was logged but visits depended on the score's band alone, `observed_share(verified, among=everybody,
    classes=band)` is the chance, and estimates weighted with it are those of Begg and Greenes (1983). Where some of the visited were
    not met, chance × `observed_share(met, among=visited, classes=c)` is the chance of an outcome, if within a class who was met
    says nothing of the outcome (weighting classes; Little 1986).

    Examples
    --------
    >>> observed_share([True, False, False, True], among=[True, True, False, True], classes=["a", "a", "a", "b"]).tolist()
    [0.5, 0.5, 0.5, 1.0]
    """
    asked = np.asarray(among, dtype=bool)
    yes = np.asarray(happened, dtype=bool)
    names, index = np.unique(np.asarray(classes), return_inverse=True)
    if not len(asked) == len(yes) == len(index):
        raise DataError(f"{len(yes)} rows that happened or not, {len(asked)} among them, {len(index)} classes; expected one length")
    counts = [np.bincount(index, weights=rows, minlength=len(names)) for rows in (yes & asked, asked)]
    return np.asarray(counts[0] / np.maximum(counts[1], 1))[index]
