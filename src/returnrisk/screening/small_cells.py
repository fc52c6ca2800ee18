"""What of a roll-up may leave the county's own offices: county and townships, no small count, and none that can be worked out.

Zeros are shown. A count from 1 to `smallest_cell` - 1 is not, and neither are as many others as keep it from being had by subtraction
(`small_cells_hiding`): a hidden count may therefore be a large one. Shares and yuan go with the counts they rest on.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.screening.alert_yield import EVERY_RULE
from returnrisk.screening.rollup import RollUp
from returnrisk.screening.small_cells_hiding import hidden_counts
from returnrisk.screening.small_cells_relations import CODES, count_columns, counts_of, one_name

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Flags = np.ndarray[Any, np.dtype[np.bool_]]
    Numbers = np.ndarray[Any, np.dtype[np.int64]]

LEVELS = ("county", "township")
OFFICE_ONLY = ["n_monitored_unknown"]
"""What a reader has no use for, and would take small counts from."""
SHARES: dict[str, dict[str, tuple[str, ...]]] = {
    "areas": {
        "fall_share": ("n_fall", "n_screened", "n_unknown"),
        "same_fall_share": ("n_same_fall", "n_same_judged"),
        "same_change_share": ("same_last_cny", "same_this_cny"),
        "fall_same_change_share": ("fall_same_last_cny", "fall_same_this_cny"),
        "change_share": ("last_cny", "projected_cny"),
    },
    "causes": {"share": ("n_households", "n_fall_any")},
    "coverage": {"share_without_any": ("n_without_any", "n_households"), "n_sources_mean": ("n_households", "arrived_")},
}
"""Shares and means, and what they are worked out from (`arrived_`: every such column): they are hidden with any of it."""
_SAME, _JUDGED = ({"n_same_judged": 1},), ({"n_screened": 1, "n_unknown": -1},)
_FALL_SAME = ({"n_fall": 1, "n_same_judged": 1, "n_screened": -1}, {"n_same_judged": 1, "n_fall": -1})
MONEY: dict[str, dict[str, tuple[dict[str, int], ...]]] = {
    "areas": {
        "same_last_cny": _SAME,
        "same_this_cny": _SAME,
        "fall_same_last_cny": _FALL_SAME,
        "fall_same_this_cny": _FALL_SAME,
        "last_cny": _JUDGED,
        "projected_cny": _JUDGED,
        "gap_target_cny": ({"n_below_target": 1},),
    },
    "causes": {"explained_cny": ({"n_explained": 1},)},
}
"""Yuan, and how many households at least they are of (sums of counts, the least of them; the second of `fall_same_`: how many at least are
what `same_` has more). The counts of the first with + must be shown themselves."""


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """A roll-up without small counts: county and townships, columns as of `RollUp`. The alerts' channel is for whoever renders them: it is not to be shown.

    Attributes
    ----------
    day, pack, county_code, county_name, smallest_cell
        As of `RollUp`.
    areas, causes, alerts, categories, elimination, checks, coverage
        Counts are Int64, <NA> where hidden (not always a small one); yuan None, shares NaN where they rest on what is hidden.
    yields
        Rules whose counts are all zero or not small and whose alerts of the county are all shown; the line of all rules only with every rule.
        None where nothing is left.
    """

    day: dt.date
    pack: str
    county_code: int
    county_name: str
    smallest_cell: int
    areas: pd.DataFrame
    causes: pd.DataFrame
    alerts: pd.DataFrame
    categories: pd.DataFrame
    elimination: pd.DataFrame
    checks: pd.DataFrame
    coverage: pd.DataFrame
    yields: pd.DataFrame | None

    def parts(self) -> dict[str, pd.DataFrame]:
        """Every frame by its name."""
        found = {name: getattr(self, name) for name in CODES}
        return found if self.yields is None else {**found, "yields": self.yields}


def publish(rollup: RollUp) -> Published:
    """What of a roll-up may be published.

    Parameters
    ----------
    rollup
        `roll_up`'s; `smallest_cell` of its pack decides.
    """
    tables = {name: _upper(getattr(rollup, name)) for name in CODES}
    counts = counts_of(tables)
    hidden = dict(zip(counts.names, hidden_counts(counts, smallest=rollup.smallest_cell), strict=True))
    shown = {name: _without(name, frame, hidden, rollup.smallest_cell) for name, frame in tables.items()}
    return Published(
        day=rollup.day,
        pack=rollup.pack,
        county_code=rollup.county_code,
        county_name=rollup.county_name,
        smallest_cell=rollup.smallest_cell,
        yields=_yields(rollup, shown["alerts"]),
        **shown,
    )


def _upper(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["level"].isin(LEVELS)].drop(columns=OFFICE_ONLY, errors="ignore").reset_index(drop=True)


def _without(table: str, frame: pd.DataFrame, hidden: dict[Any, Flags], smallest: int) -> pd.DataFrame:
    """The table with what is hidden left out."""
    import numpy as np
    import pandas as pd

    key = CODES[table]
    codes = frame[key].astype(str) if key else pd.Series("", index=frame.index)
    flags = pd.DataFrame(data=False, index=frame.index, columns=frame.columns)
    for code in codes.unique():
        rows = codes == code
        for column in count_columns(frame):
            flags.loc[rows, column] = hidden[one_name(table, code, column)]
        for column, basis in MONEY.get(table, {}).items():
            part, needed = frame[rows], [c for c, sign in basis[0].items() if sign > 0]
            households = np.min([part[list(terms)].to_numpy() @ list(terms.values()) for terms in basis], axis=0)
            nothing = (part[needed] == 0).any(axis=1).to_numpy()
            resting = flags.loc[rows, needed].any(axis=1).to_numpy()
            flags.loc[rows, column] = _hidden_yuan(np.maximum(households, 0), resting, nothing, smallest)
    for column, rests_on in SHARES.get(table, {}).items():
        flags[column] = flags[[c for c in frame.columns if c.startswith(rests_on)]].any(axis=1)
    return frame.assign(
        **{c: _masked(frame[c], flags[c]) for c in frame.columns if c in set(count_columns(frame)) or flags[c].any()}
    )


def _masked(values: pd.Series[Any], hidden: pd.Series[bool]) -> pd.Series[Any]:
    """Counts Int64 with <NA>, yuan with None, shares with NaN."""
    import pandas as pd

    name = str(values.name)
    if name.endswith("_cny"):
        return pd.Series([None if h else v for v, h in zip(values, hidden, strict=True)], index=values.index, dtype="object")
    return values.mask(hidden) if values.dtype == "float64" else values.astype("Int64").mask(hidden)


def _hidden_yuan(households: Numbers, resting: Flags, nothing: Flags, smallest: int) -> Flags:
    """Of one column (county first), what is hidden: sums of too few households, and others until what is hidden together is not.

    Parameters
    ----------
    households
        At least so many each sum is of.
    resting
        Rests on a hidden count.
    nothing
        Of no household: zero, and shown.
    """
    import numpy as np

    hidden = (resting | (households < smallest)) & ~nothing
    order = [i for i in np.argsort(households[1:], kind="stable") + 1 if not nothing[i]]
    while True:
        towns = [i for i in order if hidden[i]]
        enough = len(towns) > 1 and households[towns].sum() >= smallest
        if (hidden[0] and towns) or (not hidden[0] and not towns) or (not hidden[0] and enough):
            return hidden
        left = [i for i in order if not hidden[i]]
        if not left:  # one township is the county, or all together are too few
            hidden[0] = True
            return hidden
        hidden[left[0]] = True


def _yields(rollup: RollUp, alerts: pd.DataFrame) -> pd.DataFrame | None:
    """Rules without a small count, whose alerts of the county hide nothing that this line would tell."""
    if rollup.yields is None:
        return None
    frame = rollup.yields
    columns = count_columns(frame)
    counts = frame[columns]
    fine = ((counts == 0) | (counts >= rollup.smallest_cell)).all(axis=1)
    county = alerts[alerts["level"] == "county"].set_index("rule")[count_columns(alerts)]
    whole = county.index[county.notna().all(axis=1)]
    every = frame["rule"] == EVERY_RULE
    kept = fine & frame["rule"].isin(whole)
    if kept[~every].all():
        kept |= every & fine
    found = frame[kept].reset_index(drop=True)
    return None if found.empty else found.astype(dict.fromkeys(columns, "Int64"))
