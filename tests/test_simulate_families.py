"""Households over time: splits, joins, moves, ends; what the roster and the other tables tell of them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from returnrisk.simulate import default_parameters, initial_state, load_state, month_rng, simulate_county, step
from returnrisk.simulate.families import rearrange

START = dt.date(2021, 1, 1)


@pytest.fixture(scope="module")
def county():
    """Changes are made ten times as frequent, to see many."""
    often = {"family.split_year": 0.12, "family.join_year": 0.3, "family.move_year": 0.03}
    return simulate_county(n_households=1500, months=24, start=START, seed=8, parameters=default_parameters().changed(often))


def spells(county):
    """The roster's last word on every spell."""
    rows = county.tables["household_roster"].sort_values("recorded_on", kind="stable")
    return rows.drop_duplicates(["person_id", "household_id", "joined_on"], keep="last")


def test_nobody_is_in_two_households_at_once(county):
    rows = spells(county).sort_values(["person_id", "joined_on"], na_position="first", kind="stable")
    again = rows["person_id"].eq(rows["person_id"].shift(-1))
    assert again.sum() > 100
    left, joined = rows.loc[again, "left_on"], rows["joined_on"].shift(-1)[again]
    assert left.notna().all()
    assert (left < joined).all()
    assert (rows["household_id"].shift(-1)[again] != rows.loc[again, "household_id"]).all()


def test_a_split_makes_a_household_of_a_son_his_wife_and_their_children_in_the_same_village(county):
    home = county.tables["household"].drop_duplicates("household_id").set_index("household_id")
    founded = home.index[home["recorded_on"] > pd.Timestamp("2021-01-01")]
    assert len(founded) > 50
    rows = spells(county)
    first = rows[rows["household_id"].isin(founded)].sort_values("joined_on", kind="stable")
    day = first.groupby("household_id")["joined_on"].transform("min")
    founders = first[first["joined_on"] == day]
    assert (founders[founders["relation"] == "head"].groupby("household_id").size() == 1).all()
    assert {"head", "spouse", "child"} <= set(founders["relation"]) <= {"head", "spouse", "child", "other", "grandchild"}
    before = rows[rows["left_on"].notna()].merge(founders, on="person_id", suffixes=("", "_new"))
    before = before[before["left_on"] < before["joined_on_new"]]
    same = (
        home["village_code"].reindex(before["household_id"]).to_numpy()
        == home["village_code"].reindex(before["household_id_new"]).to_numpy()
    )
    assert same.mean() > 0.95  # the parents may have moved since


def test_a_household_is_on_file_before_anything_else_is_filed_of_it(county):
    """Of every day's files, then: no row names a household whose card comes later or never."""
    card = county.tables["household"].groupby("household_id")["recorded_on"].min()
    for name, frame in county.tables.items():
        if "household_id" in frame:
            named = frame[frame["household_id"].notna()]
            assert (named["recorded_on"] >= named["household_id"].map(card)).all(), name


def test_a_household_that_ended_has_no_members_and_no_rows_of_later_life(county):
    members = np.bincount(county.state.persons.household, county.state.persons.present, county.state.n_households)
    ended = np.flatnonzero(members == 0)
    assert len(ended) > 30
    numbers = {f"999901-{i + 1:07d}" for i in ended}
    rows = spells(county)
    assert rows.loc[rows["household_id"].isin(numbers), "left_on"].notna().all()
    last = county.truth.groupby("household_id")["month_end"].max()
    income = county.tables["income"][county.tables["income"]["household_id"].isin(numbers)]
    assert (income["period_end"] <= income["household_id"].map(last).fillna(income["period_end"]) + pd.Timedelta(days=31)).all()
    assert county.state.households.land_mu[ended].sum() == 0
    assert not county.state.households.monitored[ended].any()
    assert (county.state.households.support_left[ended] == 0).all()


def test_a_move_changes_village_and_address_and_keeps_the_household(county):
    rows = county.tables["household"].sort_values("recorded_on", kind="stable")
    moved = rows.groupby("household_id")["village_code"].nunique()
    moved = moved.index[moved > 1]
    assert len(moved) > 20
    codes = rows[rows["household_id"].isin(moved)].groupby("household_id")["village_code"].agg(["first", "last"])
    assert (codes["first"] // 1000 == codes["last"] // 1000).all()  # within the township
    places = county.tables["identity"].groupby("household_id")["address"].nunique()
    assert (places[moved] > 1).all()


def test_nothing_is_gained_or_lost_by_rearranging():
    """Land, a year's income and people are what they were, whoever has them."""
    often = default_parameters().changed({"family.split_year": 1.0, "family.join_year": 1.0, "family.move_year": 0.2})
    state = initial_state(n_households=1000, start=START, seed=2)
    land, income, people = state.households.land_mu.sum(), state.households.net12.sum(), state.persons.present.sum()
    before = state.n_households
    rearrange(state, np.random.default_rng(1), often)
    assert state.n_households > before + 10
    assert (np.bincount(state.persons.household, state.persons.present, state.n_households) == 0).sum() > 5
    assert state.persons.present.sum() == people
    assert np.isclose(state.households.net12.sum(), income)
    assert abs(state.households.land_mu.sum() - land) < 0.11 * (state.n_households - before)
    heads = np.bincount(state.persons.household, state.persons.present & (state.persons.relation == 0), state.n_households)
    members = np.bincount(state.persons.household, state.persons.present, state.n_households)
    assert (heads == (members > 0)).all()


def test_a_state_with_new_households_is_saved_and_goes_on(tmp_path):
    often = default_parameters().changed({"family.split_year": 0.5, "family.join_year": 0.5})
    state = initial_state(n_households=300, start=START, seed=5)
    n = state.n_households
    for _ in range(6):
        step(state, month_rng(5, state.month), often)
    assert state.n_households > n
    state.save(tmp_path / "state.npz")
    again = load_state(tmp_path / "state.npz")
    one, other = (step(s, month_rng(5, s.month), often) for s in (state, again))
    assert np.array_equal(one.truth.net12, other.truth.net12)
    assert np.array_equal(one.ledger.household, other.ledger.household)
