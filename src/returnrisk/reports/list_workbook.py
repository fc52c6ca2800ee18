"""One workbook per township: what a cadre carries to the door, and nothing of any other township."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from returnrisk.config import Estimand
from returnrisk.errors import ContractViolation, NotEnoughDataError
from returnrisk.reports.cells import printable
from returnrisk.reports.list_sheets import TownshipList, write_english, write_follow_up, write_list, write_notes
from returnrisk.reports.texts import Text, text
from returnrisk.store.files import write_atomically
from returnrisk.visits.spec import DEFAULT_TIERS, Tier

IDENTITY_COLUMNS = ("head_name", "phone", "address")
_LIST_COLUMNS = (
    *("as_of", "township_code", "township_name", "village_name", "household_id", "pseudonym", "rank", "kind"),
    *("computable", "risk", "tier", "reason_1_zh", "reason_1_en", "verify_zh", "verify_en", "model_version"),
)


def write_township_workbooks(  # noqa: PLR0913 (one argument per thing a workbook states)
    visit_list: pd.DataFrame,
    identity: pd.DataFrame | None,
    folder: Path,
    *,
    horizon_months: int,
    at_end: bool = False,
    tiers: Sequence[Tier] = DEFAULT_TIERS,
    make_up: pd.DataFrame | None = None,
    estimand: Estimand = "observed",
    follow_up: pd.DataFrame | None = None,
    drift: Callable[[int], Text | None] | None = None,
) -> list[Path]:
    """Write `走访名单_<township_code>_<as_of>.xlsx` into `folder` for every township on the list, each whole or not at all.

    Parameters
    ----------
    visit_list
        `VisitList.frame()`, or the same read back from Parquet.
    identity
        Restricted: household_id, head_name, phone, address, all texts. None or empty leaves these columns blank.
    folder
        Made if it does not exist.
    horizon_months, at_end
        What the model predicts: below the line within so many months, or at their end.
    tiers
        The tiers of the `VisitSpec` the list was made with.
    make_up
        `VisitList.make_up()`; its row of the township goes into the notes.
    estimand
        What the risk is of: as households are helped, or without new help; the notes say it.
    follow_up
        `visits.follow_up` with village_name: the township's part becomes a sheet.
    drift
        A township's code to what its list must say of the month (`drift.MonthDrift.list_line`), None where there is nothing to say.

    Returns
    -------
    list of Path
        One per township, by township code. The same list and identities give the same bytes, in whatever order their rows come.

    Raises
    ------
    NotEnoughDataError
        The list is empty.
    ContractViolation
        Missing columns, several days or model versions, identity given twice for a household or not as text, or a text longer
        than a cell holds.
    OSError
        The folder cannot be written or the disk is full; files already there stay as they were.

    Examples
    --------
    >>> import tempfile
    >>> row = dict.fromkeys(("reason_1_zh", "reason_1_en", "verify_zh", "verify_en"), "…") | {"kind": "model", "computable": True}
    >>> row |= {"as_of": "2025-09-30", "township_code": 530123100, "township_name": "河口镇", "village_name": "大田村", "rank": 1}
    >>> row |= {"household_id": 11, "pseudonym": "0000-0000-0000B", "risk": 0.2, "tier": "high", "model_version": "fall-12m/1"}
    >>> [path.name for path in write_township_workbooks(pd.DataFrame([row]), None, Path(tempfile.mkdtemp()), horizon_months=12)]
    ['走访名单_530123100_2025-09-30.xlsx']
    """
    as_of, model_version = _checked(visit_list)
    rows = _with_identity(visit_list, identity).sort_values(["township_code", "rank"], ignore_index=True)
    register = None if follow_up is None else _with_identity(follow_up, identity).sort_values("household_id")
    areas = {} if make_up is None else {int(area["area_code"]): area for area in make_up.to_dict("records")}
    paths = []
    for township_code, part in rows.groupby("township_code"):
        content = TownshipList(
            rows=part.reset_index(drop=True),
            township=str(part["township_name"].iloc[0]),
            as_of=as_of,
            model_version=model_version,
            tiers=tuple(tiers),
            horizon_months=horizon_months,
            at_end=at_end,
            n_without_identity=int((part[list(IDENTITY_COLUMNS)] == "").all(axis=1).sum()),
            area=areas.get(int(str(township_code))),
            estimand=estimand,
            follow_up=None if register is None else register[register["township_code"] == township_code],
            drift=None if drift is None else drift(int(str(township_code))),
        )
        data = workbook_bytes(content)
        path = folder / f"走访名单_{township_code}_{as_of.isoformat()}.xlsx"
        paths.append(write_atomically(path, lambda p, data=data: p.write_bytes(data)))  # type: ignore[misc]
    return paths


def workbook_bytes(content: TownshipList) -> bytes:
    """The workbook of one township; its created date is the list's day, never the clock's."""
    import xlsxwriter

    stream = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(stream, options) as book:
        book.set_properties(
            {
                "title": text("workbook.title", township=content.township).zh,
                "author": "returnrisk",
                "created": dt.datetime.combine(content.as_of, dt.time(), tzinfo=dt.UTC),
            }
        )
        write_list(book, content)
        write_follow_up(book, content)
        write_notes(book, content)
        write_english(book, content)
    return stream.getvalue()


def _checked(visit_list: pd.DataFrame) -> tuple[dt.date, str]:
    if missing := [column for column in _LIST_COLUMNS if column not in visit_list.columns]:
        raise ContractViolation(f"the visit list has no column {', '.join(missing)}; give VisitList.frame()")
    if visit_list.empty:
        raise NotEnoughDataError("the visit list is empty: there is no township to write a workbook for")
    days = sorted({day.date() for day in pd.to_datetime(visit_list["as_of"])})
    versions = sorted({str(version) for version in visit_list["model_version"]})
    if len(days) > 1 or len(versions) > 1:
        found = ", ".join([*map(str, days), *versions])
        raise ContractViolation(f"expected a list of one day and one model version, found {found}; write each list for itself")
    if (twice := visit_list["household_id"].duplicated()).any():
        raise ContractViolation(f"{int(twice.sum())} rows of the visit list repeat a household; expected one row each")
    return days[0], versions[0]


def _with_identity(visit_list: pd.DataFrame, identity: pd.DataFrame | None) -> pd.DataFrame:
    """The list with three text columns, blank where nothing is on file."""
    if identity is None or identity.empty:
        return visit_list.assign(**dict.fromkeys(IDENTITY_COLUMNS, ""))
    if missing := [column for column in ("household_id", *IDENTITY_COLUMNS) if column not in identity.columns]:
        raise ContractViolation(f"identity has no column {', '.join(missing)}")
    known = identity.loc[identity["household_id"].isin(visit_list["household_id"]), ["household_id", *IDENTITY_COLUMNS]]
    if (twice := known["household_id"].duplicated()).any():
        raise ContractViolation(
            f"identity holds {int(twice.sum())} listed households more than once; expected one row each, as known on the day"
        )
    cleaned = known.assign(**{column: [_identity_text(value, column) for value in known[column]] for column in IDENTITY_COLUMNS})
    merged = visit_list.merge(cleaned, on="household_id", how="left", validate="one_to_one")
    return merged.fillna(dict.fromkeys(IDENTITY_COLUMNS, ""))


def _identity_text(value: object, column: str) -> str:
    """The value on one line; a number is refused, since digits were already lost or may be."""
    if isinstance(value, str):
        return " ".join(printable(value).split())
    if value is None or bool(pd.isna(value)):  # type: ignore[call-overload]
        return ""
    raise ContractViolation(f"identity column {column} holds a {type(value).__name__}; expected text, or leading zeros are lost")
