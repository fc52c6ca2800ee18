"""Two projects that many tests read: made once, changed by nobody (work on a copy)."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from returnrisk.demo import DemoResult, run_demo
from returnrisk.project import Project, init_project, open_project

DEMO_HOUSEHOLDS, DEMO_MONTHS = 900, 69
"""About the smallest county on which the shipped specification trains: two fitting days, and safely 20 events in every part."""
SMALL_KEY = b"key of the small county of the tests"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """The whole chain, once: `returnrisk demo` on 900 households and not quite six years."""
    return run_demo(tmp_path_factory.mktemp("county") / "demo", households=DEMO_HOUSEHOLDS, months=DEMO_MONTHS)


@pytest.fixture
def demo_copy(demo: DemoResult, tmp_path: Path) -> Project:
    """A demo project of one's own, to be changed."""
    return open_project(shutil.copytree(demo.folder, tmp_path / "copy"))


@pytest.fixture(scope="session")
def small_inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a county of 60 households and 15 months, ending on 31 March 2025: too short to train on, enough to ingest and score."""
    from returnrisk.simulate import simulate_county, write_inbox

    folder = tmp_path_factory.mktemp("small") / "inbox"
    write_inbox(simulate_county(n_households=60, months=15, start=dt.date(2024, 1, 1), seed=3), folder)
    return folder


@pytest.fixture
def small_project(small_inbox: Path, tmp_path: Path) -> Callable[..., Project]:
    """Makes a project on the small county's files: `small_project("name", key=b"...")`; not ingested, no model."""

    def make(name: str = "small", *, key: bytes = SMALL_KEY, county_zh: str = "测试县") -> Project:
        project = init_project(tmp_path / name, key=key, county_zh=county_zh, synthetic=True)
        shutil.copytree(small_inbox, project.root / "inbox", dirs_exist_ok=True)
        return project

    return make
