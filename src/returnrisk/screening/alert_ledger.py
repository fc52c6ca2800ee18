"""Alerts over time: every alert ever raised, once, and how far each has come.

    open → visited → verified_risk | verified_none        by findings in `visit`
                   ↘ closed                               only by a department's application and the county's approval (`alert_closure`)

The ledger keeps what was raised; where an alert stands is worked out from what was on file on a day, and never written down twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.errors import DataError
from returnrisk.store.files import write_atomically
from returnrisk.store.view import View

if TYPE_CHECKING:
    import pandas as pd

RAISED_COLUMNS = (
    "alert_id", "rule", "title_zh", "title_en", "household_id", "village_code", "township_code", "office", "channel", "cause", "must_visit",
    "raised_on", "screened_on", "due_on", "records", "value", "threshold", "evidence_zh", "evidence_en",
)  # fmt: skip
"""What is known of an alert when it is raised. Days: `raised_on` the deciding record was recorded, `screened_on` the screening that first
raised it, `due_on` so many days after that."""
STATE_COLUMNS = ("state", "visited_on", "verified_on", "applied_by", "applied_on", "closed_on")
STATES = ("open", "visited", "verified_risk", "verified_none", "closed")
DAYS = ("raised_on", "screened_on", "due_on")
VERIFYING = {"risk_confirmed": "verified_risk", "no_risk": "verified_none"}
"""Findings that verify; nobody at home, moved away or refused is a visit that verified nothing."""


def alert_states(view: View, alerts: pd.DataFrame) -> pd.DataFrame:
    """Where alerts stand on the view's day.

    Parameters
    ----------
    alerts
        One row per alert, at least alert_id, household_id, raised_on.

    Returns
    -------
    DataFrame, the same rows in the same order with `STATE_COLUMNS` (in place of any it has): `visited_on` the first visit on or after the
    day the deciding record was recorded, `verified_on` the latest that found a risk or none, which decides; `applied_by`, `applied_on` and
    `closed_on` (the approval) from the closures. An application alone leaves the alert as it is.
    """
    import pandas as pd

    t = alerts.drop(columns=[c for c in STATE_COLUMNS if c in alerts.columns])
    visits = _visits(view, t)
    t = t.merge(visits, on="alert_id", how="left").merge(_closures(view), on="alert_id", how="left")
    state = pd.Series("open", index=t.index, dtype=object)
    state = state.mask(t["visited_on"].notna(), "visited")
    state = state.mask(t["finding"].notna(), t["finding"].map(VERIFYING))
    state = state.mask(t["closed_on"].notna(), "closed")
    t = t.assign(state=state)
    ordered: pd.DataFrame = t[[*(c for c in t.columns if c not in {*STATE_COLUMNS, "finding"}), *STATE_COLUMNS]]
    return ordered


def _visits(view: View, alerts: pd.DataFrame) -> pd.DataFrame:
    """First visit, and latest verifying one, on or after the day of each alert."""
    import pandas as pd

    rows = view.table("visit")
    rows = rows.filter(rows.visited_on <= view.day).select("household_id", "visited_on", "finding").to_pandas()
    rows["visited_on"] = pd.to_datetime(rows["visited_on"]).dt.date
    t = alerts[["alert_id", "household_id", "raised_on"]].merge(rows, on="household_id")
    t = t[t["visited_on"] >= t["raised_on"]].sort_values(["alert_id", "visited_on"])
    first = t.groupby("alert_id", as_index=False)["visited_on"].min()
    found = t[t["finding"].isin(list(VERIFYING))].drop_duplicates("alert_id", keep="last")
    found = found[["alert_id", "visited_on", "finding"]].rename(columns={"visited_on": "verified_on"})
    both: pd.DataFrame = first.merge(found, on="alert_id", how="left")
    return both


def _closures(view: View) -> pd.DataFrame:
    """Latest application of each alert, and the day of its approval."""
    import pandas as pd

    rows = view.table("alert_closure")
    t = rows.select("alert_id", "applied_by", "applied_on", "approved_on").to_pandas()
    for column in ("applied_on", "approved_on"):
        t[column] = pd.to_datetime(t[column]).dt.date.astype(object).where(t[column].notna(), None)
    closed = t["approved_on"].map(lambda d: d is not None and d <= view.day)
    found: pd.DataFrame = t.assign(closed_on=t["approved_on"].where(closed, None)).drop(columns="approved_on")
    return found


def approvals(view: View) -> dict[str, object]:
    """Day on which the county approved closing each alert: alert_id to date."""
    t = _closures(view)
    t = t[t["closed_on"].notna()]
    return dict(zip(t["alert_id"], t["closed_on"], strict=True))


def merge_alerts(known: pd.DataFrame | None, raised: pd.DataFrame) -> pd.DataFrame:
    """The ledger with what a screening raised: an alert that is in it already stays as it was first raised. Sorted by alert_id."""
    import pandas as pd

    columns = list(RAISED_COLUMNS)
    parts = [raised[columns]] if known is None or known.empty else [known[columns], raised[columns]]
    t = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    return t.drop_duplicates("alert_id", keep="first").sort_values("alert_id", ignore_index=True)


def write_alerts(path: Path, alerts: pd.DataFrame) -> Path:
    """Write the ledger, csv (UTF-8 with a mark, as office programs expect), sorted by alert_id: the same alerts give the same bytes."""
    t = alerts[list(RAISED_COLUMNS)].sort_values("alert_id")
    text = t.to_csv(index=False, lineterminator="\n", float_format="%.10g")
    return write_atomically(path, lambda p: p.write_bytes(text.encode("utf-8-sig")))


def read_alerts(path: Path) -> pd.DataFrame | None:
    """The ledger, or None where no screening has written one yet.

    Raises
    ------
    DataError
        The file lacks a column, holds an alert twice or a day that is none, or was saved by another program in another encoding.
    """
    import pandas as pd

    if not path.exists():
        return None
    try:
        t = pd.read_csv(path, encoding="utf-8-sig", dtype={"alert_id": "str", "records": "str"})
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(
            f"{path.name}: the ledger of alerts cannot be read as csv in UTF-8 ({type(error).__name__}); put back an earlier copy, or save it "
            "as “CSV UTF-8”"
        ) from error
    if missing := [c for c in RAISED_COLUMNS if c not in t.columns]:
        raise DataError(
            f"{path.name}: the ledger of alerts lacks {', '.join(missing)}; put back an earlier copy, or screen into another folder"
        )
    if n := int(t["alert_id"].duplicated().sum()):
        raise DataError(f"{path.name}: {n} alerts are in the ledger twice; put back an earlier copy, or screen into another folder")
    for column in DAYS:
        days = pd.to_datetime(t[column], errors="coerce", format="mixed")
        if n := int(days.isna().sum()):
            raise DataError(f"{path.name}: {n} cells of {column} hold no day; put back an earlier copy")
        t[column] = days.dt.date
    return t[list(RAISED_COLUMNS)]
