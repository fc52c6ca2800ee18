"""What a screening writes: a folder of the day with the county's and the townships' workbooks, a page to publish, and every table.

outputs/<day>/screening/
减收排查_<county>_<day>.xlsx     the county's, with the veto watch
townships/                       a workbook each, with identities: restricted
screening.html, report_data/     to publish: no household, no village, small cells hidden
tables/<part>.parquet            everything, by pseudonym
export/<mapping>/                for the county's existing system, where asked for
manifest.json                    checksums, and what it was made from

All of it is written beside the folder and put in its place at once: after a failure the earlier screening of the day stands as it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import errno
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.policy import Policy
from returnrisk.run_manifest import NAME, seal
from returnrisk.screening import AlertsSince, RollUp, Screening, read_alerts, write_alerts
from returnrisk.screening.alert_ledger import merge_alerts
from returnrisk.screening.income_screening import PARTS
from returnrisk.stage_results import AlertResult, ScreenResult
from returnrisk.store.files import folder_in_place
from returnrisk.store.lock import DEFAULT_TIMEOUT_S, exclusive
from returnrisk.store.names import identities
from returnrisk.store.view import View
from returnrisk.visits.saving import write_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from returnrisk.office_export import ExportMapping, ExportResult


@dataclass(frozen=True, slots=True, eq=False)
class ExportRequest:
    """A layout, and (restricted) the office's own household numbers where it asks for them: household_id, household_number."""

    mapping: ExportMapping
    numbers: pd.DataFrame | None = None

    def named(self, people: pd.DataFrame | None) -> pd.DataFrame | None:
        """Identities with the office's numbers."""
        if self.numbers is None or people is None:
            return people if self.numbers is None else self.numbers
        return people.merge(self.numbers, on="household_id", how="outer")


def write_screening(
    screening: Screening,
    rollup: RollUp,
    folder: Path,
    *,
    view: View,
    policy: Policy,
    villages: pd.DataFrame,
    export: ExportRequest | None = None,
    synthetic: bool = False,
) -> ScreenResult:
    """Write everything of a screening to `folder`, whole or not at all. Files of other people in the folder stay in it.

    Parameters
    ----------
    view
        Of the screening's day; names of people are read from it, for the townships' workbooks alone.
    policy, villages
        The pack, and names of places.
    export
        How the county's existing system wants its files.
    synthetic
        Whether nobody in it exists: the page says so.

    Raises
    ------
    UsageError
        EXP201: the mapping asks for what was not given. EXP203: something else stands where the export is to be. EXP204: more rows than
        a sheet holds. Nothing is written.
    OSError
        The folder cannot be written, a file of it is open (Windows) or in the way, or the disk is full. Nothing is written.
    """
    from returnrisk.reports.screening_page import render_screening_page
    from returnrisk.reports.screening_workbook import write_county_workbook, write_township_workbooks
    from returnrisk.screening import publish

    people = identities(view)
    named = _checked(export, people, folder)
    with folder_in_place(folder) as fresh:
        county = write_county_workbook(rollup, fresh, screening=screening, policy=policy)
        towns = write_township_workbooks(
            rollup, _restricted(fresh / "townships"), screening=screening, policy=policy, villages=villages, identity=people
        )
        page = render_screening_page(publish(rollup), fresh / "screening.html", synthetic=synthetic)
        for name, table in _tables(screening, rollup):
            write_table(table, fresh / "tables" / f"{name}.parquet")
        exported = None if export is None else _export(screening, export, folder=fresh, view=view, named=named)
        seal(fresh, as_of=screening.day.isoformat(), pack=screening.pack, store_fingerprint=view.store.manifest.fingerprint)
        _keep_what_others_put(folder, fresh)

    def placed(path: Path) -> Path:
        return folder / path.relative_to(fresh)

    if exported is not None:
        exported = dataclasses.replace(exported, folder=placed(exported.folder), paths=tuple(map(placed, exported.paths)))
    return ScreenResult(
        screening=screening,
        rollup=rollup,
        folder=folder,
        county_workbook=placed(county),
        township_workbooks=tuple(map(placed, towns)),
        page=placed(page),
        exported=exported,
    )


def _checked(export: ExportRequest | None, people: pd.DataFrame | None, folder: Path) -> pd.DataFrame | None:
    """Identities that the export asks for; what it cannot be made from or overwrite is said before anything is written."""
    from returnrisk.office_export import check_identities
    from returnrisk.office_export.files import require_free

    if export is None:
        return None
    named = export.named(people)
    check_identities(named, export.mapping.asks_identities)
    require_free(folder / "export" / export.mapping.name)
    return named


def _export(screening: Screening, export: ExportRequest, *, folder: Path, view: View, named: pd.DataFrame | None) -> ExportResult:
    from returnrisk.office_export import export_screening

    place = _restricted(folder / "export") / export.mapping.name
    return export_screening(screening, mapping=export.mapping, view=view, identities=named, folder=place)


def write_alerts_since(found: AlertsSince, folder: Path, *, view: View, villages: pd.DataFrame) -> AlertResult:
    """Write a workbook for each township with an alert since a day, the alerts as Parquet and a manifest: whole or not at all.

    Raises
    ------
    OSError
        As `write_screening`. Nothing is written.
    """
    import pyarrow as pa

    from returnrisk.reports.screening_workbook import write_alert_workbooks

    with folder_in_place(folder) as fresh:
        books = write_alert_workbooks(found, _restricted(fresh / "townships"), villages=villages, identity=identities(view))
        write_table(pa.Table.from_pandas(found.alerts, preserve_index=False), fresh / "alerts.parquet")
        seal(
            fresh,
            as_of=found.day.isoformat(),
            since=found.since.isoformat(),
            pack=found.pack,
            store_fingerprint=view.store.manifest.fingerprint,
        )
        _keep_what_others_put(folder, fresh)
    return AlertResult(found=found, folder=folder, workbooks=tuple(folder / book.relative_to(fresh) for book in books))


def _restricted(folder: Path) -> Path:
    """A folder for files with names of people: its owner's alone (no effect on Windows)."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _keep_what_others_put(folder: Path, fresh: Path) -> None:
    """Copy to `fresh` the files of `folder` that no screening wrote. A township without a workbook any more keeps no old one.

    Raises
    ------
    OSError
        One has the name of a folder of the screening, or the other way round, or cannot be read.
    """
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        inside = path.relative_to(folder)
        of_a_run = inside.parts[0] == "export" or inside.match("townships/*.xlsx") or path.name.startswith(".part-")
        target = fresh / inside
        if of_a_run or inside == Path(NAME) or target.is_file():
            continue
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a file stands where a folder is to be", str(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)


def _tables(screening: Screening, rollup: RollUp) -> Iterator[tuple[str, pa.Table]]:
    """Every table of a screening and its roll-up, by pseudonym."""
    import pyarrow as pa

    for name in ("households", "categories", "elimination", "checks", "input_problems"):
        yield name, getattr(screening, name)
    for part in PARTS:
        yield f"income_{part}", getattr(screening.income, part)
    for name in ("alerts", "rules", "check_counts", "input_counts"):
        yield name, pa.Table.from_pandas(getattr(screening, name), preserve_index=False)
    for name, frame in rollup.parts().items():
        yield f"rollup_{name}", pa.Table.from_pandas(frame, preserve_index=False)


@dataclass
class AlertLedger:
    """Every alert the county ever raised, held by one process at a time."""

    path: Path
    known: pd.DataFrame | None

    def take_in(self, alerts: pd.DataFrame, *, day: dt.date) -> bool:
        """Add what a screening of `day` raised; an alert in it already stays as it was first raised.

        A day before that of the latest alert is looked back at: nothing is added (False), or its alerts would be overdue from birth.
        """
        if self.known is not None and len(self.known) and day < max(self.known["screened_on"]):
            return False
        merged = merge_alerts(self.known, alerts)
        write_alerts(self.path, merged)
        self.known = merged
        return True


@contextlib.contextmanager
def alert_ledger(folder: Path, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Iterator[AlertLedger]:
    """The ledger in `folder`, which no other process changes meanwhile; the folder is made when the first alerts are taken in.

    Parameters
    ----------
    folder
        `alerts/` of a project; the lock lies beside it.
    timeout_s
        Seconds to wait for another process.

    Raises
    ------
    DataError
        The ledger is damaged.
    StoreError
        Another screening still holds it after `timeout_s`.
    """
    with exclusive(folder.with_name(f".{folder.name}.lock"), timeout_s=timeout_s):
        path = folder / "ledger.csv"
        yield AlertLedger(path=path, known=read_alerts(path))
