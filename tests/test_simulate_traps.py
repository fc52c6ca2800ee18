"""The traps of DOMAIN 7: each can be switched, has the size it is said to have, and changes nothing else."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest

from returnrisk.contracts import load_contracts
from returnrisk.simulate import default_parameters, initial_state, month_rng, simulate_county
from returnrisk.simulate.attitudes import ATTITUDE_COLUMNS, attitude_columns
from returnrisk.simulate.clerks import file_all
from returnrisk.simulate.filing import Note
from returnrisk.simulate.groups import old_and_alone, seen_less
from returnrisk.simulate.month import Month
from returnrisk.simulate.process import _live_through, advance
from returnrisk.simulate.records import photograph
from returnrisk.simulate.state import Programme, Shock

START = dt.date(2021, 1, 1)
N_HOUSEHOLDS, MONTHS, SEED = 1500, 24, 6


def county_with(**traps):
    """The same county with some traps switched."""
    changed = default_parameters().changed({f"traps.{name}": value for name, value in traps.items()})
    return simulate_county(n_households=N_HOUSEHOLDS, months=MONTHS, start=START, seed=SEED, parameters=changed)


@pytest.fixture(scope="module")
def county():
    return county_with()


def differing(one, other):
    """Tables whose rows differ."""
    return {name for name in one.tables if not one.tables[name].equals(other.tables[name])}


def identified_by_year(county):
    """New monitored households by township and calendar year."""
    rows = county.tables["monitoring"]
    rows = rows[rows["eliminated_on"].isna() & (rows["identified_on"] >= pd.Timestamp(START))]
    home = county.tables["household"].drop_duplicates("household_id").set_index("household_id")["village_code"]
    township = rows["household_id"].map(home) // 1000
    return rows.groupby([township.to_numpy(), rows["identified_on"].dt.year.to_numpy()]).size().unstack(fill_value=0)


# --- 2: labels follow quotas -----------------------------------------------------------------------------------------------------


def test_every_township_enters_exactly_its_quota(county):
    counts = identified_by_year(county)
    villages = county.tables["household"].drop_duplicates("household_id")["village_code"] // 1000
    allotted = default_parameters().monitoring.quota_year * villages.value_counts().sort_index()
    assert (counts.sub(allotted, axis=0).abs() < 1).all(axis=None)


def test_in_a_bad_time_more_are_entered_without_quotas_and_no_more_with_them(county):
    """Jobs lost three times as often: the count follows need only where no quota holds it."""
    hard, counts = {"work.job_loss_month": 0.015, "work.laid_off_together_month": 0.012, "work.job_again_month": 0.05}, {}
    for quota in (True, False):
        parameters = default_parameters().changed(hard | {"traps.quota_binding": quota})
        bad = simulate_county(n_households=N_HOUSEHOLDS, months=MONTHS, start=START, seed=SEED, parameters=parameters)
        counts[quota] = identified_by_year(bad)
    bound, free = counts[True], counts[False]
    assert (bound == identified_by_year(county)).to_numpy().mean() > 0.8  # a household more or less may change the quota by one
    assert free.to_numpy().sum() > 1.5 * bound.to_numpy().sum()
    size = county.tables["household"].drop_duplicates("household_id")["village_code"].floordiv(1000).value_counts().sort_index()
    assert free.div(size, axis=0).to_numpy().std() > 2 * bound.div(size, axis=0).to_numpy().std()


# --- 3: only the visited are verified --------------------------------------------------------------------------------------------


def test_only_visits_change_when_everybody_is_visited(county):
    everybody = county_with(only_visited_verified=False)
    assert differing(county, everybody) == {"visit"}
    assert county.truth.equals(everybody.truth)
    some, every = (c.tables["visit"][c.tables["visit"]["visited_on"] < "2022-01-01"] for c in (county, everybody))
    present = county.truth.loc[county.truth["month_end"] == pd.Timestamp("2021-06-30"), "household_id"]
    assert every.groupby("household_id").size().reindex(present, fill_value=0).between(0, 1).all()
    assert every["household_id"].isin(present).mean() > 0.97
    assert present.isin(every["household_id"]).mean() > 0.97
    assert 0.1 < present.isin(some["household_id"]).mean() < 0.6
    assert set(every["finding"]) == {"risk_confirmed", "no_risk"}


def test_the_visited_are_not_like_the_others(county):
    """Visits go where risk is looked for, so what they find says little about the rest."""
    everybody = county_with(only_visited_verified=False)
    seen, all_of_them = (
        (c.tables["visit"].query("finding in ('risk_confirmed', 'no_risk')")["finding"] == "risk_confirmed").mean()
        for c in (county, everybody)
    )
    assert seen > 1.5 * all_of_them


# --- 4: strategic and sloppy -----------------------------------------------------------------------------------------------------


def test_strategic_reporting_halves_losses_of_some_townships_and_hides_risks(county):
    honest = county_with(strategic_reporting=False)
    assert differing(county, honest) == {"disaster", "visit"}
    assert county.truth.equals(honest.truth)
    key = ["household_id", "hazard_kind", "happened_on", "recorded_on"]
    both = honest.tables["disaster"].merge(county.tables["disaster"], on=key, how="left", suffixes=("", "_told"))
    told = both["loss_cny_told"] / both["loss_cny"]
    home = county.tables["household"].drop_duplicates("household_id").set_index("household_id")["village_code"]
    hides = (told < 0.99).groupby((both["household_id"].map(home) // 1000).to_numpy()).any()
    assert 0 < hides.sum() < len(hides)
    missing = told.isna() & (both["household_id"].map(home) // 1000).map(hides)
    assert np.allclose(told[told < 0.99], 0.5, atol=0.02)
    assert told.isna().sum() == missing.sum() > 0
    confirmed = [(c.tables["visit"]["finding"] == "risk_confirmed").sum() for c in (county, honest)]
    assert confirmed[0] < confirmed[1]


def test_sloppy_reporting_is_late_wrong_and_copied(county):
    tidy = county_with(sloppy_reporting=False)
    assert county.truth.equals(tidy.truth)
    assert tidy.ledger.duplicated(["household_id", "period_start"]).sum() == 0
    assert 0.005 < county.ledger.duplicated(["household_id", "period_start"]).mean() < 0.011
    cards, own = (c.tables["household"].drop_duplicates("household_id").set_index("household_id") for c in (county, tidy))
    copied = (cards["land_mu"] != own["land_mu"]) | (cards["rooms"] != own["rooms"])
    assert 0.01 < copied.mean() < 0.03
    assert cards.drop(columns=["land_mu", "rooms"]).equals(own.drop(columns=["land_mu", "rooms"]))
    late, usual = ((c.tables["signal"]["recorded_on"] - c.tables["signal"]["raised_on"]).dt.days for c in (county, tidy))
    assert usual.max() <= 5
    assert 0.01 < (late > 5).mean() < 0.09
    for table in ("member", "subsidy", "medical", "support", "monitoring", "delivery", "household_roster"):
        one, other = (c.tables[table].drop(columns="recorded_on") for c in (county, tidy))
        assert one.equals(other), table


# --- 5: groups seen less ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def months_notes():
    """A year of months, each as the clerks see it before they write."""
    state, notes = initial_state(n_households=N_HOUSEHOLDS, start=START, seed=SEED), []
    for _ in range(12):
        month = Month.of(state, month_rng(SEED, state.month), default_parameters())
        before = photograph(month)
        claims, _, monitoring = _live_through(month, deciding=True)
        note = Note(month=month, before=before, after=photograph(month), claims=claims, monitoring=monitoring)
        notes.append(copy.deepcopy(note))
        state.month += 1
    return notes


def filed(note, **traps):
    """What clerks write of one month under switched traps."""
    note = copy.deepcopy(note)
    note.month.parameters = default_parameters().changed({f"traps.{name}": value for name, value in traps.items()})
    note.month.rng = np.random.default_rng(5)
    return file_all(note)


@pytest.mark.parametrize("table", ["disaster", "signal", "expense"])
def test_less_of_the_groups_seen_less_is_recorded_and_as_much_of_others(months_notes, table):
    unseen, others = [0, 0], [0, 0]
    for note in months_notes:
        less = seen_less(note.month)
        for place, switch in enumerate((True, False)):
            who = filed(note, unseen_groups=switch)[table]["household_id"]
            unseen[place] += less[who].sum()
            others[place] += (~less[who]).sum()
    assert others[0] == others[1] > 20
    ratio, expected = unseen[0] / unseen[1], default_parameters().traps.recorded_factor
    assert abs(ratio - expected) < 4 * np.sqrt(expected * (1 - expected) / unseen[1])


def test_unseen_groups_are_visited_and_helped_less(months_notes):
    """Of households near the line, with and without the trap."""
    shares = {}
    for switch in (True, False):
        visited = [
            seen_less(note.month)[filed(note, unseen_groups=switch, only_visited_verified=True)["visit"]["household_id"]]
            for note in months_notes
        ]
        shares[switch] = np.concatenate(visited).mean()
    assert shares[True] < 0.9 * shares[False]


# --- 6: attitude fields ----------------------------------------------------------------------------------------------------------


def test_attitude_columns_are_prejudice_and_no_contract_takes_them(county):
    columns = attitude_columns(county)
    month = Month.of(county.state, np.random.default_rng(0), county.parameters)
    numbers = pd.Index(county.tables["household"]["household_id"].unique()).sort_values()
    less = pd.Series(seen_less(month)[numbers.str.slice(7).astype(int) - 1], index=numbers)
    blamed = columns.set_index("household_id")["是否等靠要"] == "是"
    assert blamed[less].mean() > 1.5 * blamed[~less].mean()
    for contract in load_contracts().values():
        assert not set(ATTITUDE_COLUMNS) & set(contract.headers()), contract.name
    off = dataclasses.replace(county, parameters=default_parameters().changed({"traps.attitude_fields": False}))
    assert list(attitude_columns(off)) == ["household_id"]


# --- 7: 低保 loss is a cause and a decision ------------------------------------------------------------------------------------------


def wrongly_ended(*, errors):
    """Of the 低保 ended at the yearly review, the share whose true countable income does not stand above the exit line."""
    parameters = default_parameters().changed({"traps.dibao_errors": errors})
    state = initial_state(n_households=3000, start=START, seed=SEED, parameters=parameters)
    wrong = []
    for _ in range(24):
        before = state.households.countable12.sum(axis=1)
        month = advance(state, month_rng(SEED, state.month), parameters)
        lost = np.flatnonzero(month.shocks[: len(before), Shock.DIBAO_LOST])
        p = parameters.dibao
        above = before[lost] / np.maximum(month.members()[lost], 1) > p.exit_above * p.line_share * month.line
        wrong.append(~above)
        assert (state.households.subsidies[lost, Programme.DIBAO] == 0).all()
    return np.concatenate(wrong)


def test_some_dibao_is_lost_by_mistake_and_none_when_offices_see_the_truth():
    by_mistake, exact = wrongly_ended(errors=True), wrongly_ended(errors=False)
    assert len(by_mistake) > 50
    assert 0.10 < by_mistake.mean() < 0.45
    assert exact.mean() < 0.03  # members who came or went between the two looks


# --- true disparities ------------------------------------------------------------------------------------------------------------


def test_groups_differ_in_true_risk_and_in_monitoring():
    """Below the line and not monitored: more in every group that is seen less."""
    below, listed, n = {}, {}, {}
    for seed in (0, 1, 2):
        state = initial_state(n_households=5000, start=START, seed=seed)
        for step_number in range(24):
            month = advance(state, month_rng(seed, state.month), default_parameters())
            if step_number % 6 != 5:
                continue
            villages, households = state.villages, state.households
            groups = {
                "remote": villages.remote[households.village],
                "minority": households.minority,
                "resettled": households.resettled,
                "old_alone": old_and_alone(month),
            }
            groups["others"] = month.alive() & ~np.logical_or.reduce(list(groups.values()))
            poor = (month.income_per_head() < month.line) & month.alive()
            for name, mask in groups.items():
                below[name] = below.get(name, 0) + (poor & mask).sum()
                listed[name] = listed.get(name, 0) + (poor & mask & households.monitored).sum()
                n[name] = n.get(name, 0) + (mask & month.alive()).sum()
    for name in ("remote", "minority", "resettled", "old_alone"):
        assert below[name] / n[name] > 1.1 * below["others"] / n["others"], name
    together = sum(listed[g] for g in below if g != "others") / sum(below[g] for g in below if g != "others")
    assert together < 0.95 * listed["others"] / below["others"]
