"""Columns that some offices keep and that nobody may use (DOMAIN 7.6): 等靠要, written more often about the groups seen less."""

from __future__ import annotations

import numpy as np
import pandas as pd

from returnrisk.simulate.county import SimulatedCounty
from returnrisk.simulate.filing import steady
from returnrisk.simulate.groups import seen_less
from returnrisk.simulate.month import Month

ATTITUDE_COLUMNS = ("思想动态", "是否等靠要")


def attitude_columns(county: SimulatedCounty) -> pd.DataFrame:
    """What a careless office would add to the household file.

    Parameters
    ----------
    county
        From `simulate_county`.

    Returns
    -------
    DataFrame
        One row per household: household_id and `ATTITUDE_COLUMNS`, texts. They depend on the household's group and on nothing that
        it does: who learns from them learns prejudice. Only household_id where `traps.attitude_fields` is off.

    Examples
    --------
    >>> from returnrisk.simulate import simulate_county
    >>> columns = attitude_columns(simulate_county(n_households=200, months=1, seed=1))
    >>> list(columns), sorted(columns["是否等靠要"].unique())
    (['household_id', '思想动态', '是否等靠要'], ['否', '是'])
    """
    p, state = county.parameters.traps, county.state
    who = pd.Index(county.tables["household"]["household_id"].unique()).sort_values()
    if not p.attitude_fields:
        return pd.DataFrame({"household_id": who})
    place = who.str.rsplit("-", n=1).str[-1].astype(int).to_numpy() - 1
    month = Month.of(state, np.random.default_rng(county.seed), county.parameters)
    blamed = steady(place, 43) < np.where(seen_less(month)[place], p.p_attitude_unseen, p.p_attitude)
    texts = {"思想动态": np.where(blamed, "内生动力不足", "正常"), "是否等靠要": np.where(blamed, "是", "否")}
    return pd.DataFrame({"household_id": who, **texts})
