"""Workbooks of the screening: one of the county, passed upward as it is; one of each township, with its own households only."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.errors import ContractViolation
from returnrisk.policy import Policy
from returnrisk.reports.screening_content import Content, named
from returnrisk.reports.screening_form import write_form
from returnrisk.reports.screening_households import (
    TownshipHouseholds,
    alert_rows,
    county_households,
    numbered,
    write_households,
)
from returnrisk.reports.screening_notes import county_notes, since_notes, township_notes, write_english, write_notes
from returnrisk.reports.screening_sheets import Place, one_line
from returnrisk.reports.screening_tables import COUNTY_SHEETS, write_areas
from returnrisk.reports.texts import text
from returnrisk.screening import AlertsSince, Screening
from returnrisk.screening.neutral_rules import neutral_rules
from returnrisk.store.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.screening.rollup import RollUp


def workbook_name(code: int, day: dt.date) -> str:
    """File name of an area's workbook.

    Examples
    --------
    >>> workbook_name(530123, dt.date(2025, 7, 28))
    '减收排查_530123_2025-07-28.xlsx'
    """
    return f"减收排查_{code}_{day.isoformat()}.xlsx"


def write_county_workbook(rollup: RollUp, folder: Path, *, screening: Screening, policy: Policy) -> Path:
    """Write the county's workbook into `folder`, whole or not at all.

    Sheets: 县表 (one page), 乡镇表, 村表, 减收原因, 预警, 预警分布, 分类, 数据到位, 数据核对, 否决项观察, 说明, English summary. No household.

    Parameters
    ----------
    rollup, screening
        Of the same day and pack.
    folder
        Made if it does not exist.
    policy
        The pack that the screening was made with.

    Returns
    -------
    Path
        `减收排查_<county_code>_<day>.xlsx`. The same screening gives the same bytes.

    Raises
    ------
    ContractViolation
        Roll-up, screening and policy are not of one day and pack.
    OSError
        The folder cannot be written or the disk is full; an older file stays as it was.
    """
    content = _content(rollup, screening, policy)
    name = one_line(rollup.county_name) or str(rollup.county_code)
    place = Place(rollup.county_code, name, name, screening.day, screening.pack, private=False)

    def sheets(book: Any) -> None:
        write_form(book, content, rollup.county_code, place, county=True)
        write_areas(book, content, place, villages=False)
        write_areas(book, content, place, villages=True)
        for write in COUNTY_SHEETS:
            write(book, content, place)
        write_notes(book, place, county_notes(content))
        write_english(book, content, place)

    data = _book(place, text("screening.title_county", area=name).zh, sheets)
    path = folder / workbook_name(place.code, place.day)
    return write_atomically(path, lambda p: p.write_bytes(data))


def write_township_workbooks(
    rollup: RollUp,
    folder: Path,
    *,
    screening: Screening,
    policy: Policy,
    villages: pd.DataFrame,
    identity: pd.DataFrame | None = None,
) -> list[Path]:
    """Write every township's workbook into `folder`: its own figures and households, no veto watch, no channel of a signal.

    Sheets: 乡镇表 (one page), 村表, 户表 (projected to fall), 单项减收户表 (a source falls, the total does not or is unknown), 预警户表, 说明.

    Parameters
    ----------
    rollup, screening, policy
        As of `write_county_workbook`.
    folder
        Restricted: the workbooks hold names. Made if it does not exist; who may read it is the caller's to say.
    villages
        village_code, village_name.
    identity
        Restricted: household_id, head_name (text). None or empty leaves names blank.

    Returns
    -------
    list of Path
        `减收排查_<township_code>_<day>.xlsx`, by township code. The same screening and identities give the same bytes.

    Raises
    ------
    ContractViolation
        Roll-up, screening and policy are not of one day and pack; or identity lacks a column, names a household twice, or is not text.
    OSError
        The folder cannot be written or the disk is full; files already there stay as they were.
    """
    content = _content(rollup, screening, policy)
    households = county_households(content, villages=villages, heads=_heads(identity))
    townships = rollup.areas.loc[rollup.areas["level"] == "township"]
    county = one_line(rollup.county_name)
    paths = []
    for code, name in named(townships).items():
        place = Place(code, name, county, screening.day, screening.pack, private=True)
        data = _township_bytes(content, place, households.of(code))
        paths.append(
            write_atomically(folder / workbook_name(code, place.day), lambda p, data=data: p.write_bytes(data))  # type: ignore[misc]
        )
    return paths


def write_alert_workbooks(
    found: AlertsSince, folder: Path, *, villages: pd.DataFrame, identity: pd.DataFrame | None = None
) -> list[Path]:
    """Write a workbook for every township with an alert that does not wait for the month: 预警户表 and 说明.

    Parameters
    ----------
    found
        `screen_since`'s.
    folder, identity
        As of `write_township_workbooks`.
    villages
        village_code, village_name, township_code, township_name, county_name.

    Returns
    -------
    list of Path
        `预警_<township_code>_<day>.xlsx`, by township code; empty where nothing was raised. The same alerts give the same bytes.

    Raises
    ------
    ContractViolation
        Identity lacks a column, names a household twice, or is not text.
    OSError
        The folder cannot be written or the disk is full; files already there stay as they were.
    """
    names = dict(zip(villages["village_code"], villages["village_name"], strict=True))
    neutral = neutral_rules(found.rules, found.alerts)
    rows = alert_rows(found.alerts, neutral=neutral, names=names, heads=_heads(identity))
    towns = villages.drop_duplicates("township_code").set_index("township_code")
    facts = text("screening.facts_since", day=found.day, since=found.since, pack=found.pack)
    paths = []
    for code, own in rows.groupby("township_code"):
        township = int(str(code))
        known = township in towns.index
        name, county = (one_line(towns.at[township, column]) if known else "" for column in ("township_name", "county_name"))
        place = Place(township, name or str(township), county, found.day, found.pack, private=True)
        n = int(own.loc[own["head"] == "", "household_id"].nunique())

        def sheets(book: Any, own: pd.DataFrame = own, place: Place = place, n: int = n) -> None:
            write_households(book, facts, place, "alerted", numbered(own))
            write_notes(book, place, since_notes(found, n_without_name=n))

        data = _book(place, text("screening.title_alerted", area=place.name).zh, sheets)
        path = folder / f"预警_{township}_{found.day.isoformat()}.xlsx"
        paths.append(write_atomically(path, lambda p, data=data: p.write_bytes(data)))  # type: ignore[misc]
    return paths


def _township_bytes(content: Content, place: Place, households: TownshipHouseholds) -> bytes:
    def sheets(book: Any) -> None:
        write_form(book, content, place.code, place, county=False)
        write_areas(book, content, place, villages=True, within=place.code)
        for name in ("falling", "source_only", "alerted"):
            write_households(book, content.facts(), place, _SHEETS[name], getattr(households, name))
        write_notes(book, place, township_notes(content, n_without_name=households.n_without_name))

    return _book(place, text("screening.title_township", area=place.name).zh, sheets)


_SHEETS = {"falling": "households", "source_only": "source_only", "alerted": "alerted"}


def _book(place: Place, title: str, sheets: Callable[[Any], None]) -> bytes:
    """The workbook's bytes; its created date is the day of the screening, never the clock's."""
    import xlsxwriter

    stream = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(stream, options) as book:
        created = dt.datetime.combine(place.day, dt.time(), tzinfo=dt.UTC)
        book.set_properties({"title": title, "author": "returnrisk", "created": created})
        sheets(book)
    return stream.getvalue()


def _content(rollup: RollUp, screening: Screening, policy: Policy) -> Content:
    found = {(rollup.day, rollup.pack), (screening.day, screening.pack), (screening.day, policy.name)}
    if len(found) > 1:
        said = "; ".join(sorted(f"{day} {pack}" for day, pack in found))
        raise ContractViolation(f"expected roll-up, screening and policy of one day and pack, found {said}; roll up this screening")
    return Content(rollup, screening, policy, neutral_rules(rollup.alerts, screening.alerts))


def _heads(identity: pd.DataFrame | None) -> dict[int, str]:
    """Names of heads; a number is refused, and so is a household named twice."""
    if identity is None or identity.empty:
        return {}
    if absent := [column for column in ("household_id", "head_name") if column not in identity.columns]:
        raise ContractViolation(f"identity has no column {', '.join(absent)}")
    if n := int(identity["household_id"].duplicated().sum()):
        raise ContractViolation(f"identity holds {n} households more than once; expected one row each, as known on the day")
    if n := sum(not isinstance(name, str) and one_line(name) != "" for name in identity["head_name"]):
        raise ContractViolation(f"identity column head_name holds {n} values that are not text")
    return {int(key): one_line(name) for key, name in zip(identity["household_id"], identity["head_name"], strict=True)}
