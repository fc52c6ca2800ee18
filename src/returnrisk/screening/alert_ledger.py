"""Alerts over time: every alert ever raised, once, and how far each has come.

    open → visited → verified_risk | verified_none        by findings in `visit`, from the day of the screening that raised it on
                   ↘ closed                               only by a department's application and the county's approval (`alert_closure`)

The ledger keeps what was raised; where an alert stands is worked out from what was on file on a day, and never written down twice.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.errors import DataError
from returnrisk.store.files import write_atomically
from returnrisk.store.pseudonyms import pseudonym_text, read_pseudonym_text
from returnrisk.store.view import View

if TYPE_CHECKING:
    import pandas as pd

RAISED_COLUMNS = (
    "alert_id", "rule", "title_zh", "title_en", "household_id", "village_code", "township_code", "office", "channel", "cause", "must_visit",
    "raised_on", "screened_on", "due_on", "records", "value", "threshold", "evidence_zh", "evidence_en",
)  # fmt: skip
"""What is known of an alert when it is raised. Days: `raised_on` the deciding record was recorded, `screened_on` the screening that first
raised it, from when on it is followed up, `due_on` so many days after that."""
STATE_COLUMNS = ("state", "visited_on", "verified_on", "applied_by", "applied_on", "closed_on")
STATES = ("open", "visited", "verified_risk", "verified_none", "closed")
UNVERIFIED = ("open", "visited")
"""Still to be verified: nobody came, or came and found nothing out."""
DAYS = ("raised_on", "screened_on", "due_on")
VERIFYING = {"risk_confirmed": "verified_risk", "no_risk": "verified_none"}
"""Findings that verify; nobody at home, moved away or refused is a visit that verified nothing."""


def alert_states(view: View, alerts: pd.DataFrame) -> pd.DataFrame:
    """Where alerts stand on the view's day.

    Parameters
    ----------
    alerts
        One row per alert, at least alert_id, household_id, screened_on.

    Returns
    -------
    DataFrame, the same rows in the same order with `STATE_COLUMNS` (in place of any it has): `visited_on` the first visit on or after
    `screened_on`, `verified_on` the latest that found a risk or none, which decides; `applied_by`, `applied_on` and `closed_on` (the
    approval) from the closures. An application alone leaves the alert as it is. A visit before the alert was raised answered another
    question, however late the screening came.
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
    """First visit, and latest verifying one, on or after the day each alert was first raised."""
    import pandas as pd

    rows = view.table("visit")
    rows = rows.filter(rows.visited_on <= view.day).select("household_id", "visited_on", "finding").to_pandas()
    rows["visited_on"] = pd.to_datetime(rows["visited_on"]).dt.date
    t = alerts[["alert_id", "household_id", "screened_on"]].merge(rows, on="household_id")
    t = t[t["visited_on"] >= t["screened_on"]].sort_values(["alert_id", "visited_on"])
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
    """Write the ledger, csv (UTF-8 with a mark, as office programs expect), sorted by alert_id: the same alerts give the same bytes.

    Households are written as on the lists (`pseudonym_text`): of a number of nineteen digits an office program keeps fifteen.
    """
    t = alerts[list(RAISED_COLUMNS)].sort_values("alert_id")
    t = t.assign(household_id=[pseudonym_text(h) for h in t["household_id"]])
    text = t.to_csv(index=False, lineterminator="\n", float_format="%.10g")
    return write_atomically(path, lambda p: p.write_bytes(text.encode("utf-8-sig")))


def read_alerts(path: Path) -> pd.DataFrame | None:
    """The ledger, or None where no screening has written one yet. One that an office program saved again is read where nothing was lost.

    Raises
    ------
    DataError
        The file lacks a column, holds an alert twice, or a cell that is not what was written there (a household that is no code of a list,
        a day that is none or in another order, a blank); or was saved in another encoding.
    """
    import pandas as pd

    if not path.exists():
        return None
    try:
        t = pd.read_csv(path, encoding="utf-8-sig", dtype="str", keep_default_na=False)
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
    for column, (expected, read) in _CELLS.items():
        t[column] = _cells(path, t[column], expected, read)
    return t[list(RAISED_COLUMNS)]


def _cells(path: Path, column: pd.Series, expected: str, read: Callable[[str], object]) -> pd.Series:
    """Every cell read; none of the cells themselves is ever named."""
    import pandas as pd

    found: list[object] = []
    bad: list[int] = []
    for line, text in enumerate(column, start=2):  # the heading is line 1
        try:
            found.append(read(text))
        except ValueError:
            bad.append(line)
    if bad:
        lines = ", ".join(map(str, bad[:5])) + (" …" if len(bad) > 5 else "")
        raise DataError(
            f"{path.name}: {len(bad)} cells of {column.name} are not what was written there ({expected} is expected), lines {lines}: the "
            "ledger was changed by another program; put back an earlier copy"
        )
    return pd.Series(found, index=column.index, dtype=None if found else object)


def _text(text: str) -> str:
    if not text:
        raise ValueError
    return text


def _alert_id(text: str) -> str:
    if not _ALERT_ID.fullmatch(text):
        raise ValueError
    return text


def _day(text: str) -> dt.date:
    """2024-03-05, and 2024/3/5 as office programs in Chinese write it; never a day whose order has to be guessed."""
    if not (found := _DAY.fullmatch(text)):
        raise ValueError
    year, month, day = (int(part) for part in (found[1], found[3], found[4]))
    return dt.date(year, month, day)


def _number(text: str) -> float:
    return float(text) if text else float("nan")


def _yes_no(text: str) -> bool:
    if (found := {"true": True, "false": False}.get(text.lower())) is None:
        raise ValueError
    return found


def _optional(text: str) -> str | None:
    return text or None


def _code(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError
    return int(text)


_ALERT_ID = re.compile(r"a[0-9a-f]{15}")
_DAY = re.compile(r"(\d{4})([-/])(\d{1,2})\2(\d{1,2})")
_CELLS: dict[str, tuple[str, Callable[[str], object]]] = {
    "alert_id": ("the letter a and fifteen hexadecimal digits", _alert_id),
    "household_id": ("a household code, XXXX-XXXX-XXXXX", read_pseudonym_text),
    **dict.fromkeys(("village_code", "township_code"), ("all digits of the code", _code)),
    **dict.fromkeys(("rule", "title_zh", "title_en", "office", "channel", "records"), ("a text", _text)),
    **dict.fromkeys(("cause", "evidence_zh", "evidence_en"), ("a text or nothing", _optional)),
    "must_visit": ("True or False", _yes_no),
    **dict.fromkeys(DAYS, ("a day as 2024-03-05 or 2024/3/5", _day)),
    **dict.fromkeys(("value", "threshold"), ("a number or nothing", _number)),
}
"""How each column of the ledger is read."""
