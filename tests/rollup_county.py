"""A simulated county of some hundred households, screened once."""

from __future__ import annotations

import datetime as dt
import functools
import shutil
from typing import TYPE_CHECKING

from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.policy import load_policy
from returnrisk.screening import Screening, screen
from returnrisk.simulate import simulate_county, write_inbox
from returnrisk.store.names import village_names
from returnrisk.store.view import open_store
from tests.feature_households import scratch_folder

if TYPE_CHECKING:
    import pandas as pd

NATIONAL = load_policy("national")
START, MONTHS, HOUSEHOLDS = dt.date(2022, 8, 1), 24, 160
DAY = dt.date(2024, 7, 28)


@functools.cache
def screened() -> tuple[Screening, pd.DataFrame]:
    """The screening, and the villages by name."""
    folder = scratch_folder("rolled-up")
    write_inbox(simulate_county(n_households=HOUSEHOLDS, months=MONTHS, start=START, seed=5), folder / "inbox")
    ingest_inbox(folder / "inbox", folder / "store", key=b"key of the county that is rolled up")
    view = open_store(folder / "store", verify=False).as_of(DAY)
    found = screen(view, policy=NATIONAL), village_names(view, county_zh="模拟县")
    shutil.rmtree(folder)
    return found
