"""Households with help stay followed up, whatever risk the model gives them: help itself is what makes a risk look low.

    support on file: a measure running on the day, or ended within `MONTHS` before it
        → every such household that is not monitored (monitored ones have their own rhythm) is in the register of follow-up

No risk is read here, so none can end anybody's follow-up. Places on the visit list are few and go by must-visits and risk; who of the
register is not on the list is counted, township by township, and must be followed in another way.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from returnrisk.errors import ConfigError, ContractViolation
from returnrisk.store.pseudonyms import pseudonym_text
from returnrisk.store.view import View
from returnrisk.timeline import add_months

if TYPE_CHECKING:
    import pandas as pd

MONTHS = 12
"""Months after its last measure ended for which a household stays in the register (assumed; no plan states a number)."""
REASONS = {
    "running": ("帮扶中·继续跟踪", "help running: follow-up goes on"),
    "ended": ("帮扶到期·继续跟踪", "help ended lately: follow-up goes on"),
}


def follow_up(view: View, households: pd.DataFrame, *, listed: pd.Series, months: int = MONTHS) -> pd.DataFrame:
    """Register of the unmonitored households whose follow-up goes on because they are, or were lately, helped.

    Parameters
    ----------
    view
        What was known on the day.
    households
        One row per household of the day: household_id, village_code, township_code, stratum (`Scores.table`).
    listed
        household_id of those on the day's visit list.
    months
        Months after the last measure ended.

    Returns
    -------
    One row per household, sorted: as_of (datetime64[s]), township_code, village_code, household_id, pseudonym, state ("running": a measure
    has no end on file by the day; "ended"), started_on (its latest measure), ended_on (NaT while running), reason_zh, reason_en,
    on_list (bool). No risk and no identity.

    Raises
    ------
    ConfigError
        Months below 0.
    ContractViolation
        A household appears twice.
    """
    import pandas as pd

    if months < 0:
        raise ConfigError(f"months is {months}; expected 0 or more")
    if (twice := households["household_id"].duplicated()).any():
        raise ContractViolation(f"{int(twice.sum())} rows repeat a household; expected one row each")
    helped = _helped(view, since=add_months(view.day, -months))
    kept = households.loc[households["stratum"] != "monitored", ["township_code", "village_code", "household_id"]]
    rows = kept.merge(helped, on="household_id", validate="one_to_one").sort_values("household_id", ignore_index=True)
    state = rows["ended_on"].isna().map({True: "running", False: "ended"}).astype("str")
    out = rows.assign(
        as_of=pd.Series(pd.Timestamp(view.day), index=rows.index).astype("datetime64[s]"),
        pseudonym=pd.Series([pseudonym_text(int(key)) for key in rows["household_id"]], index=rows.index, dtype="str"),
        state=state,
        reason_zh=state.map({key: words[0] for key, words in REASONS.items()}).astype("str"),
        reason_en=state.map({key: words[1] for key, words in REASONS.items()}).astype("str"),
        on_list=rows["household_id"].isin(listed),
    )
    columns = ["as_of", "township_code", "village_code", "household_id", "pseudonym", "state", "started_on", "ended_on"]
    return out[[*columns, "reason_zh", "reason_en", "on_list"]]


def _helped(view: View, *, since: dt.date) -> pd.DataFrame:
    """household_id, started_on (latest), ended_on (latest; NaT while a measure runs): a measure running, or ended after `since`."""
    import ibis
    import pandas as pd

    day = ibis.literal(view.day)
    s = view.table("support")
    s = s.filter(s.started_on <= day)
    over = (s.ended_on < day).fill_null(False)
    found = s.group_by("household_id").agg(started_on=s.started_on.max(), ended_on=s.ended_on.max(), n_running=(~over).sum())
    found = found.filter((found.n_running > 0) | (found.ended_on > ibis.literal(since)))
    running = found.n_running > 0
    frame: pd.DataFrame = found.select(
        "household_id", "started_on", ended_on=ibis.ifelse(running, ibis.null("date"), found.ended_on)
    ).to_pandas()
    for column in ("started_on", "ended_on"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[s]")
    return frame


def follow_up_counts(register: pd.DataFrame) -> pd.DataFrame:
    """By township: area_code, follow_up (households in the register), follow_up_not_listed (of them, not on the visit list).

    Examples
    --------
    >>> import pandas as pd
    >>> register = pd.DataFrame({"township_code": [1, 1, 2], "on_list": [True, False, False]})
    >>> follow_up_counts(register).values.tolist()
    [[1, 2, 1], [2, 1, 1]]
    """
    counted = (
        register.assign(missed=~register["on_list"]).groupby("township_code").agg(n=("on_list", "size"), missed=("missed", "sum"))
    )
    counted = counted.rename(columns={"n": "follow_up", "missed": "follow_up_not_listed"})
    return counted.rename_axis("area_code").reset_index().astype("int64")
