"""The true probability of a fall: futures are exact copies of the process, errors are honest, causes follow their rule."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools

import numpy as np
import pandas as pd
import pytest

from returnrisk.errors import ConfigError
from returnrisk.simulate import default_parameters, initial_state, month_rng, simulate_county
from returnrisk.simulate import futures as futures_module
from returnrisk.simulate import truth as truth_module
from returnrisk.simulate.causes import _cause, falls_with_causes
from returnrisk.simulate.foreseeable import ceiling, weighted_auc
from returnrisk.simulate.futures import run_futures, tiled
from returnrisk.simulate.month import Month
from returnrisk.simulate.process import advance, step
from returnrisk.simulate.state import Shock
from returnrisk.simulate.truth import NO_SUPPORT, TrueRisk, content_key, fallen, states_at, true_risk

START, DAY = dt.date(2020, 1, 1), dt.date(2020, 12, 31)
QUARTERS = (3, 6, 9, 12)
SEED, N_HOUSEHOLDS = 3, 300
Z_MAX = 4.0
"""Standard errors by which two estimates of the same thing may differ: one in 16 000, and seeds are fixed."""


@pytest.fixture(scope="module")
def county():
    return simulate_county(n_households=N_HOUSEHOLDS, months=24, start=START, seed=SEED)


@pytest.fixture(scope="module")
def state():
    return states_at([DAY], n_households=N_HOUSEHOLDS, start=START, seed=SEED)[DAY]


@pytest.fixture(scope="module")
def risk(state):
    return true_risk(state, parameters=default_parameters(), n_futures=400, seed=1)


@pytest.fixture(scope="module")
def unsupported(state):
    return true_risk(state, parameters=default_parameters(), n_futures=400, seed=1, new_support=False)


def test_a_state_at_a_day_is_that_of_the_county(county, state):
    """Truth at the day, and the shocks to come: the same generator gives the county's next month."""
    now = county.truth[county.truth["month_end"] == pd.Timestamp(DAY)]
    lives = np.bincount(state.persons.household, state.persons.present, state.n_households) > 0
    assert np.array_equal(now["net_12m_cny"].to_numpy(), state.households.net12.sum(axis=1)[lives])
    assert np.array_equal(now["monitored"].to_numpy(), state.households.monitored[lives])
    month = advance(state.copy(), month_rng(SEED, state.month), default_parameters())
    later = county.truth[county.truth["month_end"] == pd.Timestamp("2021-01-31")]
    assert np.array_equal(later["net_12m_cny"].to_numpy(), month.net_year()[month.alive()])
    assert np.array_equal(later["shock_job_loss"].to_numpy(), month.shocks[month.alive(), Shock.JOB_LOSS])


def test_at_risk_is_by_the_true_state(county, risk):
    at_risk = fallen(county.truth, as_of=DAY)["household_id"]
    assert risk.frame()["household_id"].tolist() == at_risk.tolist()


def test_states_are_refused_inside_a_month_and_before_the_start():
    with pytest.raises(ConfigError, match="not on 2020-05-15"):
        states_at([dt.date(2020, 5, 15)], n_households=100, start=START)


# --- copies are exact ------------------------------------------------------------------------------------------------------------


def test_one_copy_lives_exactly_as_the_state_itself():
    """Before anybody has gone, so that the same persons draw the same numbers."""
    state = initial_state(n_households=200, start=START, seed=5)
    everybody = np.flatnonzero(state.persons.present)
    for name, array in state.persons.items():
        setattr(state.persons, name, array[everybody])
    copy, itself = tiled(state, 1), state.copy()
    for _ in range(12):
        advance(copy, month_rng(9, copy.month), default_parameters())
        advance(itself, month_rng(9, itself.month), default_parameters())
    for part in ("villages", "households", "persons"):
        for name, array in getattr(itself, part).items():
            np.testing.assert_allclose(getattr(getattr(copy, part), name), array, rtol=1e-12, atol=1e-9, err_msg=name)


def futures_of(state, *, side_by_side, rounds, seed):
    """By county: falls, mean income a head, members, monitored, shocks by kind, 低保, running measures; after a year."""
    found = []
    for number in range(rounds):
        many = tiled(state, side_by_side)
        rng = np.random.default_rng([seed, number])
        fell, shocks = np.zeros(many.n_households, dtype=bool), 0
        n = many.n_households
        for after in range(1, 13):
            month = advance(many, rng, default_parameters())
            shocks = shocks + month.shocks[:n].astype(int)
            if after in QUARTERS:
                fell |= (month.income_per_head() < month.line)[:n] & (month.members()[:n] > 0)
        households = many.households
        columns = [fell, month.net_year()[:n] / month.members().mean(), month.members()[:n], households.monitored[:n]]
        columns += [households.subsidies[:n, 0], (households.support_left[:n] > 0).sum(axis=1)]
        by_household = np.column_stack([*columns, shocks])
        found.append(by_household.reshape(side_by_side, -1, by_household.shape[1]))
    return np.concatenate(found)


@pytest.fixture(scope="module")
def side_by_side(state):
    return futures_of(state, side_by_side=20, rounds=12, seed=1)


def test_counties_side_by_side_have_the_distribution_of_counties_apart(state, side_by_side):
    """Means and spreads between counties of everything that matters; and household by household, falls."""
    apart = futures_of(state, side_by_side=1, rounds=120, seed=2)
    one, other = side_by_side.mean(axis=1), apart.mean(axis=1)
    se = np.sqrt(one.var(axis=0) / len(one) + other.var(axis=0) / len(other))
    moves = se > 0
    assert moves.sum() >= 16
    assert (np.abs(one.mean(axis=0) - other.mean(axis=0))[moves] < Z_MAX * se[moves]).all()
    spread = [
        counties[:, moves].var(axis=0) for counties in (one, other)
    ]  # markets and weather make counties differ as much as alone
    fourth = [((c - c.mean(axis=0)) ** 4).mean(axis=0)[moves] for c in (one, other)]  # droughts are few: tails are heavy
    se = np.sqrt(sum((f - v**2) / len(c) for f, v, c in zip(fourth, spread, (one, other), strict=True)))
    assert (np.abs(spread[0] - spread[1]) < Z_MAX * se).all()
    falls, n = side_by_side[:, :, 0].sum(axis=0), len(side_by_side)
    other_falls, m = apart[:, :, 0].sum(axis=0), len(apart)
    pooled = (falls + other_falls) / (n + m)
    tested = (pooled > 0.02) & (pooled < 0.98)
    z = (falls / n - other_falls / m)[tested] / np.sqrt((pooled * (1 - pooled))[tested] * (1 / n + 1 / m))
    assert tested.sum() > 30
    assert 0.6 < (z**2).mean() < 1.5


def test_counties_side_by_side_share_nothing(state, side_by_side):
    """Same round, same generator: their markets are drawn apart and their incomes do not move together."""
    many = tiled(state, 50)
    advance(many, np.random.default_rng(1), default_parameters())
    assert len(np.unique(many.market[:, 0])) == 50
    income = side_by_side[:, :, 1].mean(axis=1).reshape(12, 20)
    between, within = income.mean(axis=1).var(ddof=1), income.var(axis=1, ddof=1).mean()
    assert between < 2.5 * within / 20  # F(11, 228) exceeds 2.5 once in 200


def test_an_index_points_into_its_own_copy(state):
    thrice = tiled(state, 3)
    n = state.n_households
    villages = len(state.villages.code)
    assert np.array_equal(thrice.persons.household // n, np.repeat([0, 1, 2], len(thrice.persons.household) // 3))
    assert np.array_equal(thrice.households.village // villages, np.repeat([0, 1, 2], n))
    assert np.array_equal(thrice.villages.township // len(state.identified), np.repeat([0, 1, 2], villages))
    assert np.array_equal(thrice.villages.county, np.repeat([0, 1, 2], villages))


def test_the_last_quarter_is_judged_by_the_line_of_its_own_day(state):
    """Of futures that end on 31 December: the line of the next 1 January changes nothing, that of the 1 January before does."""
    line, falls = default_parameters().line, []
    for raised in (None, 2022, 2021):
        values = [
            cny * (3 if raised and int(day[:4]) >= raised else 1) for day, cny in zip(line.valid_from, line.cny_year, strict=True)
        ]
        parameters = default_parameters().changed({"line.cny_year": values})
        falls.append(run_futures(state, parameters=parameters, n_futures=4, seed=0, settled_after=QUARTERS))
    usual, after, inside = falls
    np.testing.assert_array_equal(after.household, usual.household)
    np.testing.assert_array_equal(after.future, usual.future)
    assert len(inside.household) > 2 * len(usual.household)


def test_the_state_is_left_as_it_was(state):
    before = state.copy()
    run_futures(state, parameters=default_parameters(), n_futures=100, seed=0, settled_after=(1,), processes=1)
    for part in ("villages", "households", "persons"):
        for name, array in getattr(before, part).items():
            assert np.array_equal(array, getattr(getattr(state, part), name)), name


def test_any_number_of_processes_gives_the_same_answer(state, monkeypatch):
    monkeypatch.setattr(futures_module, "HOUSEHOLDS_AT_ONCE", 10 * N_HOUSEHOLDS)
    monkeypatch.setattr(futures_module, "WORTH_A_PROCESS", 0)
    arguments = {"parameters": default_parameters(), "n_futures": 100, "seed": 4, "settled_after": (3,)}
    one, two = run_futures(state, processes=1, **arguments), run_futures(state, processes=2, **arguments)
    assert len(one.household) > 100
    assert np.array_equal(one.household, two.household)
    assert np.array_equal(one.future, two.future)


def test_no_records_live_the_same_month():
    state = initial_state(n_households=200, start=START, seed=6)
    other = state.copy()
    for _ in range(4):
        truth = step(state, month_rng(6, state.month), default_parameters()).truth
        month = advance(other, month_rng(6, other.month), default_parameters())
        assert np.array_equal(truth.net12, month.net_year())
        assert np.array_equal(truth.shocks, month.shocks)


def test_rare_events_are_drawn_with_their_probability(state):
    month = Month.of(state.copy(), np.random.default_rng(8), default_parameters())
    for bound in (0.0005, 0.01, 0.2, 0.6):
        drawn = [month.drawn(1000, bound) for _ in range(2000)]
        counts = np.array([len(places) for places in drawn])
        assert abs(counts.mean() - 1000 * bound) < Z_MAX * np.sqrt(1000 * bound * (1 - bound) / 2000)
        assert 0.9 < counts.var() / (1000 * bound * (1 - bound)) < 1.1
        hits = np.bincount(np.concatenate(drawn), minlength=1000)
        z = (hits - 2000 * bound) / np.sqrt(2000 * bound * (1 - bound))
        assert 0.85 < (z**2).mean() < 1.15
        assert all((np.diff(places) > 0).all() for places in drawn)
    assert len(month.drawn(1000, 0.0)) == 0


# --- probabilities ---------------------------------------------------------------------------------------------------------------


def test_standard_errors_are_the_spread_of_independent_batches(risk):
    """Twenty batches of twenty futures: the spread of a batch's probability over what the error says."""
    frame = risk.frame()
    batches = np.array([risk.counts(first, first + 20)[risk.at_risk] / 20 for first in range(0, 400, 20)])
    often = frame["p_fall"].to_numpy() > 0.02
    assert often.sum() > 30
    spread = batches.var(axis=0, ddof=1)[often] / 20
    assert 0.85 < (spread / frame["se"].to_numpy()[often] ** 2).mean() < 1.15
    never = frame[frame["n_falls"] == 0]
    assert (never["se"] > 0).all()


def test_another_seed_differs_by_the_standard_error(state, risk):
    again = true_risk(state, parameters=default_parameters(), n_futures=400, seed=2).frame()
    frame = risk.frame()
    z = (frame["p_fall"] - again["p_fall"]) / np.sqrt(frame["se"] ** 2 + again["se"] ** 2)
    assert (z.abs() < Z_MAX + 1).all()
    assert 0 < z.std() < 1.2


def test_what_happened_is_among_what_could_happen(county, risk):
    row = ceiling([risk], fell={DAY: outcome_of(county, risk)}).frame().iloc[0]
    assert row["rate_low"] <= row["falls"] / row["n_at_risk"] <= row["rate_high"]
    margin = (row["high"] - row["low"]) / 2  # four standard errors instead of two
    assert row["low"] - margin <= row["realised"] <= row["high"] + margin


def outcome_of(county, risk):
    happened = fallen(county.truth, as_of=risk.as_of)
    fell = np.zeros(len(risk.at_risk), dtype=bool)
    fell[happened.loc[happened["fell"], "household_id"].str.slice(-7).astype(int) - 1] = True
    return fell


def test_without_new_support_risk_is_higher_on_average(risk, unsupported):
    """Paired by household; some may gain by others' loss, the mean may not."""
    difference = unsupported.frame()["p_fall"] - risk.frame()["p_fall"]
    error = np.sqrt((risk.frame()["se"] ** 2 + unsupported.frame()["se"] ** 2).sum()) / len(difference)
    assert difference.mean() > Z_MAX * error
    assert unsupported.frame()["household_id"].equals(risk.frame()["household_id"])


def test_without_new_support_nothing_starts_and_what_runs_goes_on(state):
    later = state.copy()
    before = later.households.support_left.copy()
    advance(later, np.random.default_rng(1), default_parameters().changed(NO_SUPPORT))
    n = len(before)
    assert (later.households.support_left[:n][before == 0] == 0).all()
    assert (later.households.support_left[:n][before > 1] > 0).mean() > 0.9


# --- kept by content -------------------------------------------------------------------------------------------------------------


def test_the_same_question_is_computed_once(state, risk, tmp_path, monkeypatch):
    arguments = {"parameters": default_parameters(), "n_futures": 200, "folder": tmp_path}
    first = true_risk(state, **arguments)
    monkeypatch.setattr(truth_module, "run_futures", lambda *_, **__: pytest.fail("computed again"))
    again = true_risk(state.copy(), **arguments)
    pd.testing.assert_frame_equal(first.frame(), again.frame())
    assert len(list(tmp_path.iterdir())) == 1


def test_another_question_has_another_key(state):
    parameters, question = default_parameters(), {"n_futures": 200, "seed": 0, "settled_after": QUARTERS}
    richer = state.copy()
    richer.households.net12[0, 0] += 1.0
    keys = {
        content_key(state, parameters, question),
        content_key(richer, parameters, question),
        content_key(state, parameters.changed(NO_SUPPORT), question),
        content_key(state, parameters, question | {"seed": 1}),
        content_key(state, parameters, question | {"settled_after": (12,)}),
    }
    assert len(keys) == 5
    assert content_key(state.copy(), parameters, question) in keys


# --- ceiling ---------------------------------------------------------------------------------------------------------------------


def test_expected_area_is_that_of_outcomes_drawn():
    rng = np.random.default_rng(1)
    p = np.round(rng.beta(0.3, 4, 60), 1)  # with ties
    won = pairs = 0.0
    for i, j in itertools.permutations(range(60), 2):
        weight = p[i] * (1 - p[j])
        pairs += weight
        won += weight * ((p[i] > p[j]) + 0.5 * (p[i] == p[j]))
    assert weighted_auc(p, p) == pytest.approx(won / pairs, rel=1e-12)


def known_risk(p, *, n_futures, seed=0):
    household_of = np.random.default_rng(seed).random((n_futures, len(p))) < p
    future, household = np.nonzero(household_of)
    return TrueRisk(DAY, n_futures, True, np.ones(len(p), dtype=bool), household, future)


def test_the_luck_of_few_futures_does_not_flatter_the_ceiling():
    """Nobody differs, so no ranking is better than chance, however few the futures."""
    nobody_differs = known_risk(np.full(2000, 0.03), n_futures=200)
    assert ceiling([nobody_differs]).frame()["expected"].iloc[0] == pytest.approx(0.5, abs=0.02)
    p = nobody_differs.p_fall()
    assert weighted_auc(p, p) > 0.55  # what ranking and weighing with the same futures would say


def test_the_interval_holds_what_happens_nineteen_times_in_twenty():
    p = np.random.default_rng(3).beta(0.2, 6, 1500)
    risk = known_risk(p, n_futures=800)
    fell = [np.random.default_rng([7, seed]).random(len(p)) < p for seed in range(200)]
    row = ceiling([risk], fell={DAY: fell[0]}).frame().iloc[0]
    areas = np.array([area(risk.p_fall(), happened) for happened in fell])
    assert row["realised"] == pytest.approx(areas[0], rel=1e-12)
    assert 180 <= ((areas >= row["low"]) & (areas <= row["high"])).sum() <= 199
    assert row["low"] < row["expected"] < row["high"]


def area(score, fell):
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(fell, score)


def test_an_outcome_of_another_county_is_refused(risk):
    with pytest.raises(ConfigError, match="has 7 households"):
        ceiling([risk], fell={DAY: np.zeros(7, dtype=bool)})


# --- causes ----------------------------------------------------------------------------------------------------------------------


def path(*, net, members=None, line=None, shocks=()):
    """A household's truth over 25 months from 31 January 2020, in thousands; `shocks` are (month, kind)."""
    n = 25
    frame = pd.DataFrame(
        {
            "month_end": pd.date_range("2020-01-31", periods=n, freq="ME"),
            "net_12m_cny": np.asarray(net, dtype=float) * 1000,
            "n_members": members or [4] * n,
            "line_cny_year": line or [6000.0] * n,
        }
    )
    for shock in Shock:
        frame[f"shock_{shock.name.lower()}"] = [(month, shock) in shocks for month in range(n)]
    return frame


DAY_OF_PATH, FELL_ON = pd.Timestamp("2020-12-31"), pd.Timestamp("2021-06-30")  # months 11 and 17


def cause_of(frame):
    cause, sufficient, struck_on, loss, lacking, n_shocks = _cause(frame, DAY_OF_PATH, FELL_ON)
    return cause, sufficient, None if np.isnat(struck_on) else pd.Timestamp(struck_on).month, loss, lacking, n_shocks


def test_the_larger_loss_names_the_cause():
    net = [30] * 13 + [29] * 2 + [29, 22, 22] + [22] * 7  # 1 lost by the harvest, 7 by the illness; 24 is the line
    found = cause_of(path(net=net, shocks=[(13, Shock.HARVEST), (15, Shock.ILLNESS)]))
    assert found == ("illness", True, 4, 7000.0, 2000.0, 2)


def test_losses_that_fall_short_only_together():
    net = [30] * 13 + [27] * 2 + [27, 23, 23] + [23] * 7
    found = cause_of(path(net=net, line=[7000.0] * 25, shocks=[(13, Shock.HARVEST), (15, Shock.ILLNESS)]))
    assert found == ("illness", False, 4, 4000.0, 5000.0, 2)


def test_a_job_lost_with_others_is_called_so():
    shocks = [(15, Shock.JOB_LOSS), (15, Shock.LAID_OFF_TOGETHER)]
    assert cause_of(path(net=[30] * 16 + [22] * 9, shocks=shocks))[0] == "laid_off_together"


def test_a_shock_before_the_year_is_no_cause():
    assert cause_of(path(net=[26] * 12 + [23] * 13, shocks=[(5, Shock.ILLNESS)]))[0] == "drift"


def test_without_a_loss_the_line_the_members_or_drift_are_to_blame():
    flat = [25] * 25
    assert cause_of(path(net=flat, line=[6000.0] * 12 + [6500.0] * 13))[0] == "line"
    assert cause_of(path(net=flat, members=[4] * 14 + [5] * 11))[0] == "members"
    assert cause_of(path(net=[26] * 12 + [23] * 13))[0] == "drift"
    gain = path(net=[22] * 10 + [25] * 3 + [26] * 12, line=[6000.0] * 12 + [7000.0] * 13, shocks=[(13, Shock.HARVEST)])
    assert cause_of(gain)[0] == "line"


@pytest.fixture(scope="module")
def larger():
    return simulate_county(n_households=2000, months=24, start=START, seed=SEED)


@pytest.fixture(scope="module")
def falls(larger):
    return falls_with_causes(larger, as_of=DAY)


def test_every_fall_has_one_cause(larger, falls):
    outcome = fallen(larger.truth, as_of=DAY)
    assert falls["household_id"].tolist() == outcome.loc[outcome["fell"], "household_id"].tolist()
    assert len(falls) > 30
    named = ~falls["cause"].isin(["line", "members", "drift"])
    assert (falls["struck_on"].notna() == named).all()
    assert (falls.loc[named, "struck_on"] > falls.loc[named, "fell_on"] - pd.DateOffset(years=1)).all()
    assert not falls["on_file_at_day"][~falls["struck_before"]].any()
    assert falls["on_file_at_fall"][falls["on_file_at_day"]].all()


def test_a_shock_is_on_file_from_the_day_its_row_was_recorded(larger, falls):
    """Without the tables nobody knew; with rows recorded later, later."""
    blind = falls_with_causes(dataclasses.replace(larger, tables={}), as_of=DAY)
    assert blind["recorded_on"].isna().all()
    assert blind["cause"].equals(falls["cause"])
    known = falls["recorded_on"].notna()
    assert known.sum() >= 3
    late = {name: table.assign(recorded_on=table["recorded_on"] + pd.DateOffset(years=9)) for name, table in larger.tables.items()}
    delayed = falls_with_causes(dataclasses.replace(larger, tables=late), as_of=DAY)
    assert not delayed["on_file_at_fall"].any()


def test_a_truth_too_short_is_refused(county):
    with pytest.raises(ConfigError, match="does not cover 2022-03-31"):
        fallen(county.truth, as_of=dt.date(2021, 12, 31))
