"""Two projects that many tests read: made once, changed by nobody (work on a copy)."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from returnrisk.config import load_model_spec
from returnrisk.demo import PUBLISHED_KEY, START, DemoResult
from returnrisk.project import Project, init_project, open_project
from returnrisk.resources import data_folder
from returnrisk.timeline import add_months, month_end
from tests.command import Command, command
from tests.made_once import made_once, open_shared_folder, remove_shared_folder

HOUSEHOLDS, MONTHS = 1800, 66
"""About the smallest county that two calibration days and one test day can be learnt from, with safely 20 events in every part."""
GATES = {
    "leakage = true": "leakage = false",
    "better_than_income = true": "better_than_income = false",
    "min_events = 50": "min_events = 20",
}
"""The long gate, and those that a county of this size cannot pass: with one test day it has too few falls to show anything."""
DAYS = {"step_months": 5, "n_calibrate": 2, "n_test": 1}
SMALL_KEY = b"key of the small county of the tests"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the workers inherit the folder
        open_shared_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        remove_shared_folder()


LONGEST = ("test_project", "test_cli", "test_promotion")
"""Files that share the demo below: on one processor, and first, so that it is made once and nobody waits for it in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep a file's tests on one processor: they share what is made once. (pytest-xdist's own groups are lost on pytest 9.)"""
    from xdist.scheduler import LoadScopeScheduling

    class FilesTogether(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "demo" if Path(file).stem in LONGEST else file

    return FilesTogether(config, log)


def shorter_specification() -> str:
    """The shipped specification with fewer calibration and test days, and without the gates of `GATES`: everything else as it is."""
    text = (data_folder("models") / "fall-12m.toml").read_text(encoding="utf-8")
    split = load_model_spec("fall-12m").split
    for name, count in DAYS.items():
        line = f"{name} = {getattr(split, name)}\n"
        assert line in text
        text = text.replace(line, f"{name} = {count}\n")
    for line, instead in GATES.items():
        assert line in text
        text = text.replace(line, instead)
    return text


@pytest.fixture
def returnrisk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The entry point in this process: arguments in, exit code and both streams out."""
    return command(monkeypatch, capsys)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """The whole chain, once, as `returnrisk demo` runs it, on a smaller county and with fewer test days."""
    from returnrisk.simulate import simulate_county, write_inbox

    root = tmp_path_factory.mktemp("county") / "demo"
    project = init_project(root, key=PUBLISHED_KEY, county_zh="模拟县", county_en="Simulated County", synthetic=True)
    (root / "models").mkdir()
    (root / "models" / "fall-12m.toml").write_text(shorter_specification(), encoding="utf-8")
    write_inbox(simulate_county(n_households=HOUSEHOLDS, months=MONTHS, start=START, seed=0), root / "inbox")
    as_of = month_end(add_months(START, MONTHS - 1))
    project.ingest()
    trained = project.train(as_of=as_of)
    promotion = project.promote(by="demo")
    run = project.run(as_of=as_of)
    return DemoResult(folder=root, as_of=as_of, training=trained, promotion=promotion, run=run, n_planted=0, n_kinds=0)


@pytest.fixture
def demo_copy(demo: DemoResult, tmp_path: Path) -> Project:
    """A demo project of one's own, to be changed."""
    return open_project(shutil.copytree(demo.folder, tmp_path / "copy"))


@pytest.fixture(scope="session")
def small_inbox() -> Path:
    """Files of a county of 60 households and 15 months, ending on 31 March 2025: too short to train on, enough to ingest and score."""
    from returnrisk.simulate import simulate_county, write_inbox

    county = {"n_households": 60, "months": 15, "start": dt.date(2024, 1, 1), "seed": 3}
    return made_once("small-inbox", lambda folder: write_inbox(simulate_county(**county), folder))


@pytest.fixture(scope="session")
def small(small_inbox: Path) -> Project:
    """A project on the small county's files, ingested; no model."""

    def make(folder: Path) -> None:
        project = init_project(folder, key=SMALL_KEY, county_zh="测试县", synthetic=True)
        shutil.copytree(small_inbox, project.root / "inbox", dirs_exist_ok=True)
        project.ingest()

    return open_project(made_once("small", make))


@pytest.fixture
def small_copy(small: Project, tmp_path: Path) -> Callable[..., Project]:
    """Copies the small project, to be changed: `small_copy("name")`; with `model_of=demo` it gets that project's model folders."""

    def copy(name: str = "small", *, model_of: DemoResult | None = None) -> Project:
        root = shutil.copytree(small.root, tmp_path / name)
        for folder in ("mlruns", "models") if model_of else ():
            shutil.copytree(model_of.folder / folder, root / folder)
        return open_project(root)

    return copy
