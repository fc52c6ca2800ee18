"""The whole screening of a day: every part speaks of the same households, bad input is set aside and counted, alerts are raised once."""

from __future__ import annotations

import datetime as dt
import functools
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from returnrisk.errors import DataError, NotEnoughDataError, PolicyPackError, UsageError
from returnrisk.policy import load_policy
from returnrisk.screening import (
    Screening,
    categories_in_use,
    read_alerts,
    screen,
    screen_income,
    screen_since,
    write_alerts,
)
from returnrisk.screening.alert_ledger import merge_alerts
from returnrisk.store.view import View
from tests.feature_households import County, day, store_of
from tests.screening_households import ADULT, CHILD, DAY, add_home, county

NATIONAL = load_policy("national")
SOUND, EX_POOR, TWO_HEADS, HIT = 101, 102, 103, 104


def made() -> County:
    """Four households: one sound, one that left poverty, one with two heads, one hit by a disaster ten days before the day."""
    c = county()
    for number in (SOUND, EX_POOR, TWO_HEADS, HIT):
        add_home(c, number, people=[ADULT, CHILD])
    for row in c.tables["household"]:
        row["registered_type"] = "ex_poor" if row["household_id"] in {EX_POOR, TWO_HEADS} else "general"
    for row in c.tables["household_roster"]:
        if row["household_id"] == TWO_HEADS:
            row["relation"] = "head"
    c.tables["disaster"].append(
        {
            "household_id": HIT,
            "hazard_kind": "flood",
            "happened_on": day("2025-01-20"),
            "loss_cny": Decimal(90000),
            "housing_damaged": True,
            "recorded_on": day("2025-01-21"),
        }
    )
    return c


@functools.cache
def view() -> View:
    return store_of("screen", made().tables, delay=20).as_of(DAY)


@functools.cache
def screened() -> Screening:
    return screen(view(), policy=NATIONAL)


def households(table: Any) -> set[int]:
    return set(table.to_pandas()["household_id"])


def test_every_part_speaks_of_the_households_that_were_not_set_aside():
    found = screened()
    left = {SOUND, EX_POOR, HIT}
    assert households(found.households) == left
    assert households(found.categories) == left
    assert len(found.categories) == len(left) * len(categories_in_use(NATIONAL, DAY))
    assert set(found.alerts["household_id"]) <= left
    assert (found.rules["n_households"] == len(left)).all()
    assert households(found.income.totals) == {EX_POOR}
    assert (found.day, found.pack) == (DAY, "national")


def test_a_household_set_aside_is_named_with_its_code_and_counted():
    found = screened()
    problems = found.input_problems.to_pandas()
    assert problems.loc[problems["sets_aside"], ["household_id", "code"]].to_numpy().tolist() == [[TWO_HEADS, "SCR102"]]
    counts = found.input_counts.set_index("code")
    assert counts.loc["SCR102", ["result", "n_households", "n_rows"]].tolist() == ["problem", 1, 2]
    assert set(counts.drop(["SCR102", "SCR107"])["result"]) <= {"fine", "not_applicable"}


def test_income_without_the_household_is_the_same_for_the_others():
    whole = screen_income(view(), policy=NATIONAL).frame("totals").set_index("household_id")
    part = screened().frame().set_index("household_id")
    assert set(whole.index) - set(part.index) == {TWO_HEADS}
    assert part.equals(whole.loc[part.index])


def test_the_ledger_keeps_an_alert_once_and_says_what_is_new(tmp_path: Path):
    first = screened()
    mine = first.alerts[first.alerts["household_id"] == HIT]
    assert "emergency" in set(mine["rule"])
    assert first.alerts["is_new"].all()
    write_alerts(tmp_path / "ledger.csv", merge_alerts(None, first.alerts))
    ledger = read_alerts(tmp_path / "ledger.csv")
    again = screen(view(), policy=NATIONAL, known=ledger)
    assert again.alerts["alert_id"].tolist() == first.alerts["alert_id"].tolist()
    assert again.alerts["is_new"].all(), "the same day again: its own alerts are still its new ones"
    later = screen(view().store.as_of(DAY + dt.timedelta(days=1)), policy=NATIONAL, known=ledger)
    assert set(first.alerts["alert_id"]) <= set(later.alerts["alert_id"])
    assert not later.alerts.loc[later.alerts["alert_id"].isin(first.alerts["alert_id"]), "is_new"].any()


def test_a_past_day_is_screened_as_if_the_later_ones_had_not_been():
    ledger = screened().alerts.assign(screened_on=DAY + dt.timedelta(days=30))
    past = screen(view(), policy=NATIONAL, known=ledger)
    assert past.alerts["alert_id"].tolist() == screened().alerts["alert_id"].tolist()
    assert past.alerts["is_new"].all()


def test_since_gives_only_what_was_recorded_from_the_day_on():
    found = screen_since(view(), policy=NATIONAL, since=day("2025-01-21"))
    assert (found.alerts["raised_on"] >= day("2025-01-21")).all()
    assert ("emergency", HIT) in set(zip(found.alerts["rule"], found.alerts["household_id"], strict=True))
    assert screen_since(view(), policy=NATIONAL, since=day("2025-01-22")).alerts.empty
    ids = set(screened().alerts.loc[screened().alerts["raised_on"] >= day("2025-01-21"), "alert_id"])
    assert set(found.alerts["alert_id"]) == ids
    assert found.frame() is found.alerts


def test_since_after_the_day_is_refused():
    with pytest.raises(UsageError, match="--since 2025-02-01 lies after --as-of 2025-01-31"):
        screen_since(view(), policy=NATIONAL, since=day("2025-02-01"))


@pytest.mark.parametrize("pack", ["gansu-style", "guangxi-style"])
def test_another_provinces_pack_is_refused(pack: str):
    with pytest.raises(PolicyPackError, match="POL016"):
        screen(view(), policy=load_policy(pack))


def test_nobody_on_file_is_said():
    with pytest.raises(NotEnoughDataError, match="nobody is on file on 2025-01-31"):
        screen(store_of("nobody", county().tables, delay=20).as_of(DAY), policy=NATIONAL)


def saved(folder: Path, change: Any) -> Path:
    """The ledger of the day, changed as a text."""
    path = folder / "ledger.csv"
    write_alerts(path, screened().alerts)
    path.write_bytes(change(path.read_text(encoding="utf-8-sig")))
    return path


def test_a_ledger_that_an_office_program_saved_is_read(tmp_path: Path):
    path = saved(tmp_path, lambda text: text.replace("2025-01-31", "2025/1/31").encode())
    assert set(read_alerts(path)["screened_on"]) == {DAY}
    assert read_alerts(path)["alert_id"].tolist() == sorted(screened().alerts["alert_id"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.encode("gb18030"), "cannot be read as csv in UTF-8"),
        (lambda _: b"", "cannot be read as csv in UTF-8"),
        (lambda text: text.replace("2025-01-31", "soon").encode(), "cells of screened_on are not what was written"),
        (lambda text: text.replace("evidence_zh", "evidence").encode(), "lacks evidence_zh"),
        (lambda text: (text + text.splitlines()[-1] + "\n").encode(), "1 alerts are in the ledger twice"),
    ],
)
def test_a_ledger_that_was_damaged_is_refused(tmp_path: Path, change: Any, says: str):
    with pytest.raises(DataError, match=says):
        read_alerts(saved(tmp_path, change))
