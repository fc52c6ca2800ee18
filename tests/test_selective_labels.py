"""Estimates from verified households speak of all: oracles by hand and by scikit-learn, and the simulated county's truth."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from returnrisk.config import LearnerSpec, ModelSpec
from returnrisk.errors import ConfigError, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.features.families import catalogue
from returnrisk.selective_labels import (
    chance_over_rounds,
    corrected_for_sampling,
    effective_sample,
    estimate_from_verified,
    learn_from_verified,
    observed_share,
)
from returnrisk.selective_labels.simulated_visits import simulated_visit_chances
from returnrisk.simulate import default_parameters, simulate_county
from returnrisk.simulate.truth import fallen
from returnrisk.visits import visit_plan


def households(n=6000, *, seed=0, base=-3.0):
    """A county with a score that ranks falls, villages with luck of their own."""
    rng = np.random.default_rng(seed)
    village = rng.integers(0, 60, n)
    x = rng.normal(size=n)
    p = 1 / (1 + np.exp(-(base + 1.3 * x + rng.normal(0, 0.3, 60)[village])))
    return pd.DataFrame(
        {
            "household_id": np.arange(n),
            "village_code": 1000 + village,
            "township_code": 1 + village // 12,
            "stratum": "at_risk",
            "risk": 1 / (1 + np.exp(-(base + 1.3 * x))),
            "y": (rng.random(n) < p).astype(float),
        }
    )


def with_visits(rows, chance, *, seed=1):
    verified = np.random.default_rng(seed).random(len(rows)) < chance
    return rows.assign(chance=chance, verified=verified, y=rows["y"].where(verified), listed=rows["risk"] > 0.15)


def values(found, column="value"):
    return found.frame().set_index(["estimator", "name", "metric"])[column]


# --- the chances -----------------------------------------------------------------------------------------------------------------


def test_places_by_lot_are_drawn_as_often_as_the_log_says():
    rows = households(300).assign(stratum=np.where(np.arange(300) < 20, "monitored", "at_risk"))
    rows.loc[30:33, "stratum"] = "below_line"
    plans = [visit_plan(rows, per_township=10, random_places=6, seed=seed) for seed in range(120)]
    first = plans[0]
    assert all(plan["chance"].equals(first["chance"]) for plan in plans)
    drawn = np.mean([plan["slot"] == "random" for plan in plans], axis=0)
    by_lot = ((first["chance"] > 0) & (first["chance"] < 1)).to_numpy()
    se = np.sqrt(first["chance"] * (1 - first["chance"]) / len(plans)).to_numpy()
    assert (np.abs(drawn - first["chance"])[by_lot] < 5 * se[by_lot]).all()
    assert set(first.loc[30:33, "slot"]) == {"must_visit"}
    assert (first.loc[:19, "chance"] == 0).all()
    assert (first["slot"].eq("random").groupby(rows["township_code"]).sum() == 6).all()


def test_the_lot_does_not_hang_on_row_order():
    rows = households(300)
    mixed = rows.sample(frac=1, random_state=3)
    one = visit_plan(rows, per_township=5, random_places=4, seed=2).set_index("household_id")
    other = visit_plan(mixed, per_township=5, random_places=4, seed=2).set_index("household_id").loc[one.index]
    pd.testing.assert_frame_equal(one, other)
    assert (visit_plan(rows, per_township=5, random_places=9999, seed=2)["chance"] == 1).all()
    with pytest.raises(ConfigError, match="random_places is -1"):
        visit_plan(rows, per_township=5, random_places=-1, seed=2)


def test_rounds_multiply_what_is_missed():
    assert chance_over_rounds([[0.1, 0.2, 0.0], [1.0, 0.0, 0.0]]) == pytest.approx([1 - 0.9 * 0.8, 1.0])
    with pytest.raises(DataError, match="from 0 to 1"):
        chance_over_rounds([[0.1, np.nan]])


# --- the estimates ---------------------------------------------------------------------------------------------------------------


def test_by_hand():
    rows = pd.DataFrame(
        {
            "village_code": [1, 1, 1, 2, 2],
            "chance": [1.0, 0.5, 0.25, 0.5, 0.2],
            "verified": [True, True, True, True, False],
            "y": [1, 0, 1, 0, np.nan],
            "p": [0.9, 0.4, 0.3, 0.2, 0.1],
            "on": [True, True, False, False, False],
        }
    )
    found = values(estimate_from_verified(rows, scores={"p": "p"}, lists={"on": "on"}, n_bootstrap=5))
    assert found["weighted", "", "prevalence"] == pytest.approx(5 / 9)
    assert found["horvitz_thompson", "", "prevalence"] == pytest.approx(5 / 5)
    assert found["naive", "", "prevalence"] == 0.5
    assert found["weighted", "on", "precision"] == pytest.approx(1 / 3)
    assert found["weighted", "on", "recall"] == pytest.approx(1 / 5)
    assert found["naive", "on", "recall"] == 0.5
    assert found["weighted", "p", "auc"] == pytest.approx((1 * 2 + 1 * 2 + 4 * 2 + 0) / (5 * 4))


def test_the_weighted_area_and_line_are_those_of_scikit_learn_and_statsmodels():
    import statsmodels.api as sm

    rows = with_visits(households(), np.random.default_rng(5).uniform(0.2, 1.0, 6000))
    found = values(estimate_from_verified(rows, scores={"m": "risk"}, lists={"l": "listed"}, n_bootstrap=5))
    seen = rows[rows["verified"]]
    weight = 1 / seen["chance"]
    assert found["weighted", "m", "auc"] == pytest.approx(roc_auc_score(seen["y"], seen["risk"], sample_weight=weight), abs=1e-12)
    log_odds = np.log(seen["risk"] / (1 - seen["risk"]))
    fit = sm.GLM(seen["y"], sm.add_constant(log_odds), family=sm.families.Binomial(), freq_weights=weight).fit()
    assert found["weighted", "m", "calibration_slope"] == pytest.approx(fit.params.to_numpy()[1], abs=1e-6)
    ones, family = np.ones((len(seen), 1)), sm.families.Binomial()
    level = sm.GLM(seen["y"], ones, family=family, offset=log_odds, freq_weights=weight).fit()
    assert found["weighted", "m", "calibration_intercept"] == pytest.approx(level.params.to_numpy()[0], abs=1e-6)


def test_everybody_verified_gives_the_same_twice():
    rows = with_visits(households(1500), np.ones(1500))
    found = estimate_from_verified(rows, scores={"m": "risk"}, lists={"l": "listed"}, n_bootstrap=50)
    assert found.effective_sample == found.n == found.n_verified == 1500
    both = values(found).unstack("estimator").dropna()
    np.testing.assert_allclose(both["weighted"], both["naive"])
    assert values(found)["weighted", "", "prevalence"] == pytest.approx(rows["y"].mean())


def test_begg_and_greenes_is_the_same_with_the_chance_seen_in_each_class():
    """Verification hangs on the test alone: sensitivity and specificity by their formula, from counts."""
    rows = households(8000, base=-1.5)
    test = rows["risk"] > 0.3
    rows = with_visits(rows, np.where(test, 0.9, 0.1)).assign(listed=test)
    share = observed_share(rows["verified"], among=np.ones(len(rows)), classes=test)
    found = values(estimate_from_verified(rows.assign(chance=share), lists={"l": "listed"}, n_bootstrap=5))
    seen = rows[rows["verified"]]
    event_given = {t: seen.loc[test[seen.index] == t, "y"].mean() for t in (True, False)}
    of_test = {True: test.mean(), False: 1 - test.mean()}
    prevalence = sum(event_given[t] * of_test[t] for t in of_test)
    assert found["weighted", "", "prevalence"] == pytest.approx(prevalence)
    assert found["weighted", "l", "recall"] == pytest.approx(event_given[True] * of_test[True] / prevalence)
    assert found["weighted", "l", "precision"] == pytest.approx(event_given[True])
    assert found["naive", "l", "recall"] > found["weighted", "l", "recall"] + 0.1


def test_the_weighted_interval_holds_the_truth_and_the_naive_does_not():
    """Visits go by what will happen as well as by the score; the log knows how likely each was."""
    held = {"weighted": 0, "naive": 0}
    runs = 60
    for seed in range(runs):
        rows = households(3000, seed=seed, base=-2.5)
        chance = np.clip(0.08 + 0.5 * rows["risk"] + 0.3 * rows["y"], 0, 1).to_numpy()
        found = estimate_from_verified(with_visits(rows, chance, seed=1000 + seed), n_bootstrap=150, seed=seed).frame()
        for estimator in held:
            row = found[(found["estimator"] == estimator) & (found["metric"] == "prevalence")].iloc[0]
            held[estimator] += row["low"] <= rows["y"].mean() <= row["high"]
    assert held["weighted"] >= 0.85 * runs
    assert held["naive"] == 0


def test_the_weighted_mean_is_right_on_average_and_horvitz_thompson_too():
    rows = households(2000, base=-2.0)
    chance = (0.05 + 0.9 * rows["risk"]).to_numpy()
    found = pd.concat(
        estimate_from_verified(with_visits(rows, chance, seed=seed), scores={"m": "risk"}, n_bootstrap=2).frame()
        for seed in range(200)
    )
    means = found.groupby(["estimator", "metric"])["value"].agg(["mean", "sem"])
    truth = rows["y"].mean()
    for estimator in ("weighted", "horvitz_thompson"):
        assert abs(means.loc[(estimator, "prevalence"), "mean"] - truth) < 4 * means.loc[(estimator, "prevalence"), "sem"] + 0.001
    assert means.loc[("naive", "prevalence"), "mean"] > 1.5 * truth
    assert abs(means.loc[("weighted", "auc"), "mean"] - roc_auc_score(rows["y"], rows["risk"])) < 0.01


def test_what_stands_as_outcome_of_the_unverified_is_never_read():
    rows = with_visits(households(2000), np.full(2000, 0.5))
    one = estimate_from_verified(rows, scores={"m": "risk"}, n_bootstrap=20).frame()
    other = estimate_from_verified(rows.assign(y=rows["y"].fillna(1.0)), scores={"m": "risk"}, n_bootstrap=20).frame()
    pd.testing.assert_frame_equal(one, other)
    mixed = estimate_from_verified(rows.sample(frac=1, random_state=1), scores={"m": "risk"}, n_bootstrap=20).frame()
    pd.testing.assert_frame_equal(one, mixed, rtol=1e-9)


def test_half_the_chances_leave_the_weighted_mean_and_double_horvitz_thompson():
    rows = with_visits(households(2000), np.full(2000, 0.5))
    one, half = (values(estimate_from_verified(r, n_bootstrap=5)) for r in (rows, rows.assign(chance=0.25)))
    assert half["weighted", "", "prevalence"] == pytest.approx(one["weighted", "", "prevalence"])
    assert half["horvitz_thompson", "", "prevalence"] == pytest.approx(2 * one["horvitz_thompson", "", "prevalence"])


# --- no support ------------------------------------------------------------------------------------------------------------------


def test_a_list_without_places_by_lot_is_refused():
    rows = households(3000)
    plan = visit_plan(rows, per_township=100, random_places=0, seed=0)
    seen = rows.assign(chance=plan["chance"].to_numpy(), verified=plan["chance"].to_numpy() > 0)
    with pytest.raises(NotEnoughDataError, match="2500 of 3000 households could not have been visited"):
        estimate_from_verified(seen)
    found = estimate_from_verified(seen, no_support="leave_out", n_bootstrap=20)
    assert found.share_without_support == pytest.approx(2500 / 3000)
    assert found.n == 3000
    assert "83.3% of the households could not have been visited" in found.notes[0]
    low, high = found.prevalence_bounds
    assert low <= rows["y"].mean() <= high
    assert low == pytest.approx(seen.loc[seen["verified"], "y"].sum() / 3000)


def test_few_events_behind_large_weights_are_told():
    rows = with_visits(households(3000, base=-5), np.where(np.arange(3000) < 40, 0.01, 0.5))
    rows.loc[0, ["verified", "y"]] = True, 1.0
    notes = " ".join(estimate_from_verified(rows, n_bootstrap=20).notes)
    assert "not to be relied on" in notes
    assert effective_sample([]) == 0.0


def test_a_lot_that_found_nobody_is_told_though_the_list_found_many():
    rows = households(3000)
    plan = visit_plan(rows, per_township=100, random_places=8, seed=0)
    seen = rows.assign(chance=plan["chance"].to_numpy(), verified=(plan["slot"] != "none").to_numpy())
    seen.loc[plan["slot"] == "random", "y"] = 0.0
    found = estimate_from_verified(seen, n_bootstrap=20)
    assert found.effective_events > 50
    assert "40 verified households speak for 83% of all, and 0 of them had the event" in found.notes[0]


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"chance": np.nan}, DataError, "missing or outside 0 to 1"),
        ({"chance": 1.5}, DataError, "missing or outside 0 to 1"),
        ({"chance": 0.0, "verified": True}, DataError, "logged chance is 0"),
        ({"verified": True, "y": np.nan}, DataError, "neither 0 nor 1"),
        ({"risk": np.nan, "verified": True, "y": 0.0}, DataError, "outside \\[0, 1\\]"),
    ],
)
def test_bad_input_is_refused(changed, error, words):
    rows = with_visits(households(500), np.full(500, 0.5))
    for column, value in changed.items():
        rows.loc[3, column] = value
    with pytest.raises(error, match=words):
        estimate_from_verified(rows, scores={"m": "risk"})


def test_other_bad_input_is_refused():
    rows = with_visits(households(500), np.full(500, 0.5))
    with pytest.raises(UnknownNameError, match="chance"):
        estimate_from_verified(rows.drop(columns="chance"))
    with pytest.raises(NotEnoughDataError, match="0 have the event"):
        estimate_from_verified(rows.assign(y=0.0))
    with pytest.raises(NotEnoughDataError, match="at least 2"):
        estimate_from_verified(rows.assign(village_code=1))
    with pytest.raises(ConfigError, match="n_bootstrap is 1"):
        estimate_from_verified(rows, n_bootstrap=1)
    with pytest.raises(DataError, match="one length"):
        observed_share([True], among=[True, True], classes=[1, 2])
    with pytest.raises(ConfigError, match="above 0"):
        corrected_for_sampling([0.0], per_event=0.0, per_other=1.0)


# --- the simulated county: trap 3 on and off ---------------------------------------------------------------------------------------

START, DAY = dt.date(2021, 1, 1), dt.date(2022, 6, 30)
LATER = (pd.Timestamp(DAY) + pd.Timedelta(days=1), pd.Timestamp(DAY) + pd.DateOffset(years=1))


def simulated(n_households, *, seed, trap):
    """A county, its log of visiting chances, and its visits in the year after the day."""
    parameters = default_parameters().changed({"traps.only_visited_verified": trap})
    county = simulate_county(n_households=n_households, months=30, start=START, seed=seed, parameters=parameters)
    log = simulated_visit_chances(DAY, n_households=n_households, start=START, seed=seed, parameters=parameters)
    visits = county.tables["visit"]
    return county, log.set_index("household_id"), visits[visits["visited_on"].between(*LATER)]


def at_risk_and_looked_up(county, log, visits):
    """Everybody at risk with the truth, and the same with the outcome of the visited only."""
    rows = fallen(county.truth, as_of=DAY).rename(columns={"fell": "y"}).astype({"y": float})
    home = county.tables["household"].drop_duplicates("household_id").set_index("household_id")["village_code"]
    rows["village_code"] = rows["household_id"].map(home)
    verified = rows["household_id"].isin(visits["household_id"])
    chance = chance_over_rounds(log.loc[rows["household_id"]].filter(like="month_").to_numpy())
    return rows["y"].mean(), rows.assign(chance=chance, verified=verified, y=rows["y"].where(verified))


def test_the_simulated_log_is_that_of_the_visits_made():
    _, log, visits = simulated(1500, seed=6, trap=True)
    chance = log.filter(like="month_").to_numpy()
    counted = visits.groupby(["household_id", visits["visited_on"].dt.to_period("M")]).size().unstack(fill_value=0)
    made = counted.reindex(log.index, fill_value=0).to_numpy()
    for low, high in ((0.0, 0.005), (0.005, 0.05), (0.05, 0.2), (0.2, 0.5)):
        inside = (chance > low) & (chance <= high)
        expected, spread = chance[inside].sum(), np.sqrt((chance * (1 - chance))[inside].sum())
        assert inside.sum() > 300
        assert abs(made[inside].sum() - expected) < 4 * spread
    assert made[chance == 0].sum() == 0


def test_with_the_trap_off_the_visited_are_everybody():
    truth, rows = at_risk_and_looked_up(*simulated(600, seed=2, trap=False))
    found = estimate_from_verified(rows[rows["chance"] > 0], n_bootstrap=50)
    table = values(found)
    assert set(rows["chance"]) <= {0.0, 1.0}
    assert (rows["chance"] == 1).mean() > 0.97  # the others moved away, or their last member died
    assert table["weighted", "", "prevalence"] == table["naive", "", "prevalence"] == pytest.approx(truth, abs=0.003)


@pytest.mark.slow
def test_with_the_trap_on_weights_find_the_truth_and_the_visited_alone_do_not():
    for seed in (0, 1, 2):
        truth, rows = at_risk_and_looked_up(*simulated(4000, seed=seed, trap=True))
        found = estimate_from_verified(rows, no_support="leave_out")
        assert found.share_without_support < 0.01
        table = found.frame().set_index(["estimator", "metric"])
        weighted, naive = (table.loc[(estimator, "prevalence")] for estimator in ("weighted", "naive"))
        assert weighted["low"] <= truth <= weighted["high"]
        assert naive["low"] > 1.3 * truth


# --- learning from the visited ------------------------------------------------------------------------------------------------------


FEATURES = tuple(f for f in catalogue(["income"]) if f.name in ("income_line_ratio", "income_log_ratio"))
SPEC = ModelSpec(schema=1, name="i", title_zh="收", title_en="i", families=("income",), learner=LearnerSpec("logistic", {"C": 1.0}))


def test_a_model_learnt_from_the_visited_speaks_of_all_only_with_weights():
    """Visits follow falls: the visited fall more than their features say."""
    rows = households(8000, base=-2.5)
    rows["income_log_ratio"] = -np.log(rows["risk"] / (1 - rows["risk"]))
    rows["income_line_ratio"] = np.exp(rows["income_log_ratio"] / 4)
    truth, matrix = rows["y"].mean(), rows[[f.name for f in FEATURES]].to_numpy()
    seen = with_visits(rows, np.clip(0.1 + 0.4 * rows["y"], 0, 1).to_numpy())
    ratio = {w: learn_from_verified(SPEC, FEATURES, seen, weighted=w).risk(matrix).mean() / truth for w in (True, False)}
    assert ratio[True] == pytest.approx(1, abs=0.12)
    assert ratio[False] > 2
    with pytest.raises(NotEnoughDataError, match="no weight makes the others speak"):
        learn_from_verified(SPEC, FEATURES, seen.assign(chance=0.0))
    with pytest.raises(NotEnoughDataError, match="verified: 0 events"):
        learn_from_verified(SPEC, FEATURES, seen.assign(y=0.0))
