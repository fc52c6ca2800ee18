"""`returnrisk screen` and `policy account` on a project folder: what is written, again, since a day, and how wrong input ends."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import stat
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from returnrisk import cli
from returnrisk.errors import StoreError
from returnrisk.project import Project, init_project, open_project
from returnrisk.run_manifest import read_manifest_of_run
from returnrisk.screening import read_alerts
from returnrisk.screening_outputs import alert_ledger
from returnrisk.stage_results import ScreenResult
from returnrisk.store.files import sha256_of
from returnrisk.store.pseudonyms import pseudonym_text

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens:UserWarning")
DAY = dt.date(2023, 7, 28)
Ended = tuple[int, str, str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A county of 150 households on file, not screened yet."""
    from returnrisk.simulate import simulate_county, write_inbox

    project = init_project(tmp_path_factory.mktemp("screen") / "county", key=b"key of the screened county", county_zh="模拟县")
    write_inbox(simulate_county(n_households=150, months=34, start=dt.date(2020, 10, 1), seed=2), project.root / "inbox")
    project.ingest()
    return project


@pytest.fixture(scope="module")
def screened(made: Project) -> ScreenResult:
    return made.screen(as_of=DAY)


@pytest.fixture
def copy(made: Project, screened: ScreenResult, tmp_path: Path) -> Project:
    """A screened project of one's own."""
    return open_project(shutil.copytree(made.root, tmp_path / "county"))


@pytest.fixture
def returnrisk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["returnrisk", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "400")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        streams = capsys.readouterr()
        assert "Traceback" not in streams.out + streams.err
        return int(ended.value.code or 0), streams.out, streams.err

    return call


def files_of(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): sha256_of(p) for p in sorted(folder.rglob("*")) if p.is_file() and p.name[0] != "."}


def test_a_screening_writes_workbooks_a_page_every_table_and_its_manifest_last(made, screened):
    folder = made.root / "outputs" / "2023-07-28" / "screening"
    assert screened.folder == folder
    names = set(files_of(folder))
    assert "减收排查_999901_2023-07-28.xlsx" in names
    towns = screened.frame()
    assert {f"townships/减收排查_{code}_2023-07-28.xlsx" for code in towns["area_code"]} <= names
    assert {"screening.html", "tables/households.parquet", "tables/income_causes.parquet", "tables/rollup_veto.parquet"} <= names
    manifest = read_manifest_of_run(folder)
    assert set(manifest["files"]) == names - {"manifest.json"}
    assert all(sha256_of(folder / name) == digest for name, digest in manifest["files"].items())
    assert (manifest["as_of"], manifest["pack"]) == ("2023-07-28", "national")
    assert stat.S_IMODE((folder / "townships").stat().st_mode) == 0o700
    homes = pd.read_parquet(folder / "tables" / "households.parquet")
    assert len(homes) == int(towns["n_households"].sum()) > 100
    assert not {"head_name", "phone", "address"} & set(homes.columns)


def test_names_are_in_the_townships_workbooks_alone(made, screened):
    people = made.store().identity(DAY).to_pandas()
    names = set(people["head_name"])
    zipped = {path: path.read_bytes() for path in screened.folder.rglob("*.xlsx")}
    shown = {path.name: _texts(path) & names for path in zipped}
    assert not shown[screened.county_workbook.name]
    assert any(shown[path.name] for path in screened.township_workbooks)
    for path in (p for p in screened.folder.rglob("*") if p.suffix in {".parquet", ".html", ".json"}):
        assert not any(name.encode() in path.read_bytes() for name in names), path.name


def _texts(path: Path) -> set[str]:
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_path(path)
    return {str(cell) for sheet in book.sheet_names for row in book.get_sheet_by_name(sheet).to_python() for cell in row}


def test_again_gives_the_same_bytes_and_leaves_the_ledger_as_it_was(copy):
    before, ledger = files_of(copy.root / "outputs"), (copy.root / "alerts" / "ledger.csv").read_bytes()
    (copy.root / "outputs" / "2023-07-28" / "screening" / "townships" / "减收排查_999901999_2023-07-28.xlsx").write_bytes(b"old")
    copy.screen(as_of=DAY)
    assert files_of(copy.root / "outputs") == before
    assert (copy.root / "alerts" / "ledger.csv").read_bytes() == ledger


def test_alerts_since_a_day_go_into_the_ledger_once(made, tmp_path):
    fresh = open_project(shutil.copytree(made.root, tmp_path / "county", ignore=shutil.ignore_patterns("outputs", "alerts")))
    since = DAY - dt.timedelta(days=60)
    found = fresh.screen_since(as_of=DAY, since=since)
    assert len(found.frame()) > 0
    assert (found.frame()["raised_on"] >= since).all()
    assert len(found.workbooks) == found.frame()["township_code"].nunique()
    ledger = read_alerts(fresh.root / "alerts" / "ledger.csv")
    assert set(ledger["alert_id"]) == set(found.frame()["alert_id"])
    month = fresh.screen(as_of=DAY + dt.timedelta(days=3))
    kept = month.screening.alerts.set_index("alert_id").loc[list(ledger["alert_id"])]
    assert not kept["is_new"].any()
    assert set(kept["screened_on"]) == {DAY}


def test_the_command_says_what_was_found_and_where(copy, returnrisk, screened):
    county = screened.rollup.areas.iloc[0]
    code, out, _ = returnrisk("screen", "--as-of", DAY, "--project", copy.root)
    assert code == 0
    assert f"排查 {county['n_screened']} 户，减收 {county['n_fall']} 户" in out
    assert "减收排查_999901_2023-07-28.xlsx" in out
    code, out, _ = returnrisk("screen", "--as-of", DAY, "--since", "2023-07-01", "--project", copy.root, "--json")
    said = json.loads(out)
    assert (code, said["since"], said["alerts"]) == (0, "2023-07-01", len(since_july(screened)))
    assert said["households"] == since_july(screened)["household_id"].nunique()


def since_july(screened: ScreenResult) -> pd.DataFrame:
    """Alerts that the whole screening of the day raised already: the same day's are still its new ones."""
    alerts = screened.screening.alerts
    return alerts[alerts["is_new"] & (alerts["raised_on"] >= dt.date(2023, 7, 1))]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--since", "2023-08-01"), "lies after"),
        (("--since", "2023-07-01", "--export", "x"), "leave out --since"),
        (("--pack", "gansu-style"), "POL016"),
        (("--pack", "jia"), "unknown policy pack 'jia'"),
        (("--export", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_screened_ends_before_anything_is_written(copy, returnrisk, arguments, says):
    before = files_of(copy.root)
    code, _, err = returnrisk("screen", "--as-of", DAY, "--project", copy.root, *arguments)
    assert code != 0
    assert says in err
    assert files_of(copy.root) == before


def test_a_pack_with_a_typo_ends_before_anything_is_written(copy, returnrisk):
    (copy.root / "policy").mkdir()
    text = "schema: 1\nname: jia\ntitle: {zh: 甲县, en: Jia}\nparent: national\nalerts:\n  job_lots: {on: true}\n"
    (copy.root / "policy" / "jia.yaml").write_text(text, encoding="utf-8")
    before = files_of(copy.root)
    code, _, err = returnrisk("screen", "--as-of", DAY, "--project", copy.root, "--pack", "jia")
    assert code == 2
    assert "jia" in err
    assert "job_lots" in err
    assert files_of(copy.root) == before


def test_a_damaged_ledger_ends_before_anything_is_written(copy, returnrisk):
    ledger = copy.root / "alerts" / "ledger.csv"
    text = ledger.read_text(encoding="utf-8-sig").splitlines()
    ledger.write_text("\n".join([*text, text[-1]]), encoding="utf-8-sig")
    before = files_of(copy.root)
    code, _, err = returnrisk("screen", "--as-of", DAY, "--project", copy.root)
    assert (code, "1 alerts are in the ledger twice" in err) == (3, True)
    assert files_of(copy.root) == before


def test_the_ledger_is_one_screenings_at_a_time(tmp_path):
    with (
        alert_ledger(tmp_path / "alerts"),
        pytest.raises(StoreError, match="held by another process"),
        alert_ledger(tmp_path / "alerts", timeout_s=0.1),
    ):
        pass


def test_an_account_is_printed_by_number_and_by_code(made, returnrisk):
    number = "999901-0000012"
    view = made.store().as_of(DAY)
    found = made.account(number, as_of=DAY, account="assistance_countable")
    assert view.table("household").filter(lambda t: t.household_id == found.household_id).count().to_pyarrow().as_py() > 0
    ask = ("policy", "account", "--as-of", DAY, "--project", made.root, "--account", "assistance_countable")
    code, out, _ = returnrisk(*ask, number)
    assert code == 0
    assert f"{found.net_cny:,.2f}" in out
    assert pseudonym_text(found.household_id) in out
    code, again, _ = returnrisk(*ask, pseudonym_text(found.household_id))
    assert (code, again) == (0, out)
    content = json.loads(returnrisk(*ask, number, "--json")[1])
    assert Decimal(content["net_cny"]) == sum(Decimal(item["amount_cny"]) for item in content["items"])
    for nobody in ("nobody-7", "999901-9999999"):  # the second has as many digits as a code
        code, _, err = returnrisk(*ask, nobody)
        assert (code, "no household of that number" in err, nobody in err) == (3, True, False)


def test_a_project_without_data_is_left_as_it_is(copy, tmp_path, returnrisk):
    root = tmp_path / "empty"
    shutil.copytree(copy.root, root, ignore=lambda *_: ["store", "outputs", "alerts"])
    before = sorted(p.relative_to(root) for p in root.rglob("*"))
    code, _, err = returnrisk("screen", "--as-of", DAY, "--project", root)
    assert code != 0
    assert "ingest" in err
    assert sorted(p.relative_to(root) for p in root.rglob("*")) == before


def test_a_trial_with_another_pack_and_a_look_back_leave_the_ledger_as_it_is(copy, returnrisk):
    (copy.root / "policy").mkdir()
    head = "schema: 1\nname: trial\ntitle: {zh: 试算, en: trial}\nparent: national\n"
    (copy.root / "policy" / "trial.yaml").write_text(head + "alerts:\n  income_fall: {on: true}\n", encoding="utf-8")
    before = files_of(copy.root)
    ledger = (copy.root / "alerts" / "ledger.csv").read_bytes()
    code, out, err = returnrisk("screen", "--as-of", DAY, "--project", copy.root, "--pack", "trial", "--json")
    assert (code, json.loads(out or "{}").get("in_ledger")) == (0, False), err
    assert (copy.root / "outputs" / str(DAY) / "screening-trial" / "manifest.json").is_file()
    code, out, _ = returnrisk("screen", "--as-of", "2023-05-28", "--project", copy.root)
    assert (code, "台账未改动" in out) == (0, True)
    assert (copy.root / "alerts" / "ledger.csv").read_bytes() == ledger
    after = files_of(copy.root)
    assert {path: after[path] for path in before} == before
