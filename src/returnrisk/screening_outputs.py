"""What a screening writes: a folder of the day with the county's and the townships' workbooks, a page to publish, and every table.

outputs/<day>/screening/
减收排查_<county>_<day>.xlsx     the county's, with the veto watch
townships/                       a workbook each, with identities: restricted
screening.html, report_data/     to publish: no household, no village, small cells hidden
tables/<part>.parquet            everything, by pseudonym
export/<mapping>/                for the county's existing system, where asked for
manifest.json                    last: checksums, and what it was made from
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.policy import Policy
from returnrisk.run_manifest import seal, unseal
from returnrisk.screening import AlertsSince, RollUp, Screening, read_alerts, write_alerts
from returnrisk.screening.alert_ledger import merge_alerts
from returnrisk.screening.income_screening import PARTS
from returnrisk.stage_results import AlertResult, ScreenResult
from returnrisk.store.lock import DEFAULT_TIMEOUT_S, exclusive
from returnrisk.store.names import identities
from returnrisk.store.view import View
from returnrisk.visits.saving import write_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from returnrisk.office_export import ExportMapping


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
    """Write everything of a screening to `folder`; its manifest last, so that a folder without one is not a whole screening.

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
        EXP201: the mapping asks for what was not given. Nothing is written.
    OSError
        The folder cannot be written or the disk is full.
    """
    from returnrisk.office_export import check_identities, export_screening
    from returnrisk.reports.screening_page import render_screening_page
    from returnrisk.reports.screening_workbook import write_county_workbook, write_township_workbooks
    from returnrisk.screening import publish

    people = identities(view)
    named = people if export is None else export.named(people)
    if export is not None:
        check_identities(named, export.mapping.asks_identities)
    unseal(folder)
    county = write_county_workbook(rollup, folder, screening=screening, policy=policy)
    towns = write_township_workbooks(
        rollup, _restricted(folder / "townships"), screening=screening, policy=policy, villages=villages, identity=people
    )
    _keep_only(folder / "townships", towns)
    page = render_screening_page(publish(rollup), folder / "screening.html", synthetic=synthetic)
    for name, table in _tables(screening, rollup):
        write_table(table, folder / "tables" / f"{name}.parquet")
    exported = None
    if export is not None:
        place = _restricted(folder / "export") / export.mapping.name
        exported = export_screening(screening, mapping=export.mapping, view=view, identities=named, folder=place)
    for other in (p for p in folder.glob("export/*") if exported is None or p != exported.folder):
        shutil.rmtree(other)  # of an earlier run of the day, by another layout
    seal(folder, as_of=screening.day.isoformat(), pack=screening.pack, store_fingerprint=view.store.manifest.fingerprint)
    return ScreenResult(
        screening=screening,
        rollup=rollup,
        folder=folder,
        county_workbook=county,
        township_workbooks=tuple(towns),
        page=page,
        exported=exported,
    )


def write_alerts_since(found: AlertsSince, folder: Path, *, view: View, villages: pd.DataFrame) -> AlertResult:
    """Write a workbook for each township with an alert since a day, and the alerts as Parquet; the manifest last."""
    import pyarrow as pa

    from returnrisk.reports.screening_workbook import write_alert_workbooks

    unseal(folder)
    books = write_alert_workbooks(found, _restricted(folder / "townships"), villages=villages, identity=identities(view))
    _keep_only(folder / "townships", books)
    write_table(pa.Table.from_pandas(found.alerts, preserve_index=False), folder / "alerts.parquet")
    seal(
        folder,
        as_of=found.day.isoformat(),
        since=found.since.isoformat(),
        pack=found.pack,
        store_fingerprint=view.store.manifest.fingerprint,
    )
    return AlertResult(found=found, folder=folder, workbooks=tuple(books))


def _restricted(folder: Path) -> Path:
    """A folder for files with names of people: its owner's alone (no effect on Windows)."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _keep_only(folder: Path, books: list[Path]) -> None:
    """A township that has no workbook any more must not keep an old one."""
    for stale in set(folder.glob("*.xlsx")) - set(books):
        stale.unlink()


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

    def take_in(self, alerts: pd.DataFrame) -> None:
        """Add what is new; an alert in it already stays as it was first raised."""
        merged = merge_alerts(self.known, alerts)
        write_alerts(self.path, merged)
        self.known = merged


@contextlib.contextmanager
def alert_ledger(folder: Path, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Iterator[AlertLedger]:
    """The ledger in `folder` (made if need be), which no other process changes meanwhile.

    Raises
    ------
    DataError
        The ledger is damaged.
    StoreError
        Another screening still holds it after `timeout_s`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / ".ledger.lock", timeout_s=timeout_s):
        path = folder / "ledger.csv"
        yield AlertLedger(path=path, known=read_alerts(path))
