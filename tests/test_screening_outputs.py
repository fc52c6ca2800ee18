"""The folders a screening writes: whole or as they were, whatever goes wrong on the way, and nothing of other people's lost."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from returnrisk.errors import StoreError, UsageError
from returnrisk.office_export import load_export_mapping
from returnrisk.policy import load_policy
from returnrisk.project import init_project
from returnrisk.reports import screening_page
from returnrisk.run_manifest import read_manifest_of_run, seal
from returnrisk.screening import AlertsSince, RollUp, Screening, roll_up, screen
from returnrisk.screening_outputs import ExportRequest, alert_ledger, write_alerts_since, write_screening
from returnrisk.stage_results import AlertResult, ScreenResult
from returnrisk.store.files import sha256_of
from returnrisk.store.names import village_names
from returnrisk.store.view import View
from tests.feature_households import scratch_folder, store_of
from tests.screening_households import DAY, add_home, county

SINCE = dt.date(2025, 1, 1)


@functools.cache
def made() -> tuple[View, Screening, RollUp, pd.DataFrame]:
    """A county of two households, one of them with a disaster this month."""
    rows = county()
    for number in (101, 102):
        add_home(rows, number)
    on = dt.date(2025, 1, 22)
    rows.tables["disaster"].append(
        {"household_id": 101, "happened_on": on, "recorded_on": on, "hazard_kind": "flood", "loss_cny": 9000}
    )
    view = store_of("screening-outputs", rows.tables).as_of(DAY)
    policy = load_policy("national")
    found = screen(view, policy=policy)
    villages = village_names(view, county_zh="模拟县")
    return view, found, roll_up(found, villages=villages, policy=policy), villages


def write_month(folder: Path, **said: Any) -> ScreenResult:
    view, found, rollup, villages = made()
    return write_screening(found, rollup, folder, view=view, policy=load_policy("national"), villages=villages, **said)


def write_since(folder: Path) -> AlertResult:
    view, found, _, villages = made()
    since = AlertsSince(day=DAY, since=SINCE, pack="national", steps=("县认定",), alerts=found.alerts, rules=found.rules)
    return write_alerts_since(since, folder, view=view, villages=villages)


WRITERS = [write_month, write_since]


@functools.cache
def once(write: Any) -> Path:
    """Where a folder was written once; only to be copied."""
    folder: Path = write(scratch_folder("screening-outputs-written") / write.__name__ / "made").folder
    return folder


def earlier(write: Any, folder: Path) -> Path:
    """An earlier run's folder, made from older data: any writing over its workbooks or manifest shows."""
    shutil.copytree(once(write), folder)
    for path in (*folder.rglob("*.xlsx"), *folder.rglob("manifest.json")):
        path.write_bytes(b"older")
    return folder


def everything_under(folder: Path) -> dict[str, str]:
    """Every file and folder, hidden ones too, with checksums."""
    return {p.relative_to(folder).as_posix(): sha256_of(p) if p.is_file() else "" for p in sorted(folder.rglob("*"))}


@contextlib.contextmanager
def files_no_larger_than(n_bytes: int) -> Iterator[None]:
    """A limit of the system's own: writing further fails as on a full disk."""
    resource = pytest.importorskip("resource")  # not on Windows
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("write", WRITERS)
def test_what_is_written_is_sealed_and_nothing_else_is_left(tmp_path: Path, write: Any):
    result = write(tmp_path / "day" / "made")
    assert [p.name for p in (tmp_path / "day").iterdir()] == ["made"]
    assert everything_under(result.folder) == everything_under(once(write))
    files = {name for name, digest in everything_under(result.folder).items() if digest}
    assert set(read_manifest_of_run(result.folder)["files"]) == files - {"manifest.json"}
    paths = result.workbooks if write is write_since else (result.county_workbook, result.page, *result.township_workbooks)
    assert {p.relative_to(result.folder).as_posix() for p in paths} <= files
    assert len(paths) > 0


@pytest.mark.parametrize("write", WRITERS)
def test_a_file_that_cannot_be_written_leaves_the_earlier_run_whole(tmp_path: Path, write: Any):
    sizes = sorted(p.stat().st_size for p in once(write).rglob("*") if p.is_file() and p.name != "manifest.json")
    folder = earlier(write, tmp_path / "day" / "made")
    before = everything_under(tmp_path)
    limit = (sizes[0] + sizes[-1]) // 2
    assert sizes[0] <= limit < sizes[-1]  # some could be written, some could not
    with files_no_larger_than(limit), pytest.raises(OSError, match="too large"):
        write(folder)
    assert everything_under(tmp_path) == before
    with files_no_larger_than(limit), pytest.raises(OSError, match="too large"):
        write(tmp_path / "other" / "made")
    assert list((tmp_path / "other").iterdir()) == []


def test_a_page_that_fails_leaves_the_earlier_run_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = earlier(write_month, tmp_path / "made")
    before = everything_under(tmp_path)

    def fails(*_: object, **__: object) -> Path:
        raise RuntimeError("no page")

    monkeypatch.setattr(screening_page, "render_screening_page", fails)
    with pytest.raises(RuntimeError, match="no page"):
        write_month(folder)
    assert everything_under(tmp_path) == before


IN_THE_WAY = [
    (write_month, "tables"),
    (write_month, "tables/rules.parquet/note.txt"),
    (write_month, "report_data"),
    (write_since, "townships"),
    (write_since, "alerts.parquet/note.txt"),
]


@pytest.mark.parametrize(("write", "name"), IN_THE_WAY, ids=[f"{w.__name__}-{n}" for w, n in IN_THE_WAY])
def test_a_file_in_the_way_is_kept_and_nothing_is_written(tmp_path: Path, write: Any, name: str):
    folder = tmp_path / "made"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("somebody's", encoding="utf-8")
    (folder / "manifest.json").write_text("older", encoding="utf-8")
    before = everything_under(tmp_path)
    with pytest.raises(OSError, match=r"folder|exists|directory"):
        write(folder)
    assert everything_under(tmp_path) == before


@pytest.mark.parametrize("write", WRITERS)
def test_a_file_where_the_folder_is_to_be_is_kept(tmp_path: Path, write: Any):
    (tmp_path / "made").write_text("somebody's", encoding="utf-8")
    with pytest.raises(NotADirectoryError, match="a file stands where a folder is to be"):
        write(tmp_path / "made")
    assert (tmp_path / "made").read_text(encoding="utf-8") == "somebody's"
    assert [p.name for p in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("write", WRITERS)
def test_notes_of_other_people_stay_and_old_workbooks_do_not(tmp_path: Path, write: Any):
    before = everything_under(once(write))
    folder = earlier(write, tmp_path / "made")
    for name in ("批注.txt", "tables/mine.csv", "townships/说明.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine", encoding="utf-8")
    (folder / "townships" / "减收排查_999902999_2025-01-31.xlsx").write_bytes(b"old")
    killed = tmp_path / ".part-made-0123456789ab" / "townships"
    killed.mkdir(parents=True)
    (killed / "names.xlsx").write_bytes(b"names")
    write(folder)
    after = everything_under(folder)
    assert {name for name in after if name not in before} - {"tables"} == {"批注.txt", "tables/mine.csv", "townships/说明.txt"}
    assert {name: after[name] for name in before} == before
    assert [p.name for p in tmp_path.iterdir()] == ["made"]


def test_an_export_goes_with_the_screening_or_not_at_all(tmp_path: Path):
    asked = ExportRequest(load_export_mapping("national-style"))
    result = write_month(tmp_path / "made", export=asked)
    assert result.exported is not None
    assert result.exported.folder == tmp_path / "made" / "export" / "national-style"
    assert all(p.is_file() and p.parent == result.exported.folder for p in result.exported.paths)
    assert len(result.exported.paths) == 2
    (result.exported.folder / "manifest.json").write_text("{}", encoding="utf-8")
    before = everything_under(tmp_path)
    with pytest.raises(UsageError, match="EXP203"):
        write_month(tmp_path / "made", export=asked)
    assert everything_under(tmp_path) == before
    write_month(tmp_path / "made")
    assert not (tmp_path / "made" / "export").exists()


def test_what_a_killed_run_left_hidden_is_sealed_in_no_manifest(tmp_path: Path):
    for name in ("a.txt", ".part-made-0123456789ab/b.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    seal(tmp_path)
    assert list(read_manifest_of_run(tmp_path)["files"]) == ["a.txt"]


def test_a_project_without_a_store_is_left_as_it_was(tmp_path: Path):
    project = init_project(tmp_path / "county", key=b"key of the county without a store")
    before = everything_under(tmp_path)
    with pytest.raises(StoreError, match="there is no store yet"):
        project.screen(as_of=DAY)
    with pytest.raises(StoreError, match="there is no store yet"):
        project.screen_since(as_of=DAY, since=SINCE)
    assert everything_under(tmp_path) == before


def test_a_screening_that_fails_leaves_no_folder_of_alerts(tmp_path: Path):
    with alert_ledger(tmp_path / "alerts") as ledger:
        assert ledger.known is None  # and nothing is taken in
    assert not (tmp_path / "alerts").exists()
    with alert_ledger(tmp_path / "alerts") as ledger:
        ledger.take_in(made()[1].alerts, day=DAY)
    assert [p.name for p in (tmp_path / "alerts").iterdir()] == ["ledger.csv"]
