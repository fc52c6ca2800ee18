"""Places by lot beside those by risk, and the chance that every household had of a visit: logged, or nobody can be weighed by it later.

must-visits, places by risk          → certain (chance 1)
all others that a list may hold      → `random_places` of the township's, each as likely as the next
monitored                            → no list visits them (chance 0)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from returnrisk.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

SLOTS = ("must_visit", "model", "random", "none")


def with_lot(frame: pd.DataFrame, *, certain: NDArray[np.bool_], random_places: int, seed: int | Sequence[int]) -> pd.DataFrame:
    """Add slot (one of `SLOTS`) and chance (0 to 1) to households of one day.

    Parameters
    ----------
    frame
        One row per household: household_id, township_code, stratum.
    certain
        (n,) who is listed without a lot: must-visits and the places by risk.
    random_places
        Places by lot in every township, beside the others.
    seed
        Of the lot (a sequence: of the project and of the day); the same households in another order are drawn alike.

    Raises
    ------
    ConfigError
        Places below zero.
    """
    import pandas as pd

    if random_places < 0:
        raise ConfigError(f"random_places is {random_places}; expected 0 or more households")
    left = ~certain & (frame["stratum"] != "monitored").to_numpy()
    n_left = pd.Series(left).groupby(frame["township_code"].to_numpy()).transform("sum").to_numpy()
    by_key = pd.DataFrame(
        {
            "place": np.flatnonzero(left),
            "key": frame["household_id"].to_numpy()[left],
            "town": frame["township_code"].to_numpy()[left],
        }
    ).sort_values("key")
    by_key["lot"] = np.random.default_rng(seed).permutation(len(by_key))
    drawn = by_key.loc[by_key.groupby("town")["lot"].rank() <= random_places, "place"].to_numpy()
    slot = np.where(certain, np.where(frame["stratum"] == "below_line", "must_visit", "model"), "none").astype(object)
    slot[drawn] = "random"
    chance = np.where(certain, 1.0, np.where(left, np.minimum(1.0, random_places / np.maximum(n_left, 1)), 0.0))
    return frame.assign(slot=pd.Series(slot, index=frame.index, dtype="str"), chance=chance)
