"""A quota's label under a range of assumptions: the truth lies in the table where the assumption is true, and never one figure alone."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from returnrisk.errors import ConfigError, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.selective_labels import quota_sensitivity
from returnrisk.simulate import default_parameters, simulate_county
from returnrisk.simulate.truth import fallen


def county(n=40_000, *, let_in=0.4, true_share=1.0, by_risk=False, seed=0):
    """Cases, and who was entered: at random among cases (and non-cases), or the riskiest of the cases first."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    risk = 1 / (1 + np.exp(3.0 - 1.2 * x))
    case = rng.random(n) < risk
    room = round(let_in * case.sum())
    first = np.argsort(-risk if by_risk else rng.random(n), kind="stable")
    entered = np.zeros(n)
    entered[first[case[first]][:room]] = 1
    wrongly = round(room * (1 - true_share) / true_share)
    entered[rng.choice(np.flatnonzero(~case), wrongly, replace=False)] = 1
    rows = pd.DataFrame({"village_code": rng.integers(0, 100, n), "entered": entered, "risk": risk, "listed": risk > 0.15})
    return rows, case


def at(table, *, let_in, true_share):
    return table[np.isclose(table["let_in"], let_in) & np.isclose(table["true_share"], true_share)].iloc[0]


@pytest.mark.parametrize("true_share", [1.0, 0.5])
def test_under_the_true_assumption_every_figure_is_the_true_one(true_share):
    rows, case = county(true_share=true_share)
    row = at(quota_sensitivity(rows, let_in=(1, 0.4, 0.2), true_shares=(1, 0.5), n_bootstrap=30), let_in=0.4, true_share=true_share)
    listed = rows["listed"].to_numpy()
    assert row["prevalence"] == pytest.approx(case.mean(), rel=0.002)
    truths = {"recall": listed[case].mean(), "precision": case[listed].mean(), "auc": roc_auc_score(case, rows["risk"])}
    for metric, truth in truths.items():
        assert row[f"{metric}_if_alike_low"] - 0.01 <= truth <= row[f"{metric}_if_alike_high"] + 0.01
        assert row[f"{metric}_if_alike"] == pytest.approx(truth, abs=0.04)
    assert row["risk_times"] == pytest.approx(case.mean() / rows["risk"].mean(), rel=0.002)
    assert row["recall_lowest"] <= truths["recall"] <= row["recall_highest"]


def test_where_the_quota_takes_the_worst_first_only_the_bounds_hold():
    rows, case = county(by_risk=True)
    row = at(quota_sensitivity(rows, let_in=(1, 0.4, 0.2), true_shares=(1,), n_bootstrap=30), let_in=0.4, true_share=1)
    truth = rows["listed"][case].mean()
    assert not row["alike_possible"] or row["recall_if_alike"] > truth + 0.1
    assert row["recall_lowest"] <= truth <= row["recall_highest"]
    assert row["precision_lowest"] <= case[rows["listed"]].mean() <= row["precision_highest"]


def test_by_hand_and_by_brute_force():
    """Ten households, two entered; every way of choosing the cases that fits the assumption lies within the bounds, and both are met."""
    import itertools

    rows = pd.DataFrame({"village_code": [1, 2] * 5, "entered": [1, 1] + [0] * 8, "risk": 0.2, "listed": [1, 0, 1, 1] + [0] * 6})
    table = quota_sensitivity(rows, let_in=(1, 0.5, 0.4), true_shares=(1, 0.5), n_bootstrap=10)
    for c, f in ((0.5, 1.0), (0.5, 0.5), (0.4, 1.0)):
        row = at(table, let_in=c, true_share=f)
        inside, cases = round(2 * f), round(2 * f / c)
        listed = rows["listed"].to_numpy()
        recalls = [
            listed[[*a, *b]].mean()
            for a in itertools.combinations((0, 1), inside)
            for b in itertools.combinations(range(2, 10), cases - inside)
        ]
        assert (row["recall_lowest"], row["recall_highest"]) == pytest.approx((min(recalls), max(recalls)))
        assert row["prevalence"] == pytest.approx(cases / 10)
        assert row["risk_times"] == pytest.approx(cases / 10 / 0.2)


def test_fewer_let_in_more_cases_and_bounds_hold_the_alike():
    rows, _ = county(5000)
    table = quota_sensitivity(rows, n_bootstrap=20)
    by_share = table[table["true_share"] == 1].sort_values("let_in", ascending=False)
    assert by_share["prevalence"].is_monotonic_increasing
    assert by_share["recall_lowest"].is_monotonic_decreasing
    at_most = rows["listed"].sum() / (by_share["prevalence"] * len(rows))  # a list finds no more cases than it has places
    assert (by_share["recall_highest"] <= at_most + 1e-12).all()
    fine = table[table["alike_possible"]]
    assert len(fine) > 5
    assert (fine["recall_if_alike"] >= fine["recall_lowest"] - 1e-9).all()
    assert (fine["recall_if_alike"] <= fine["recall_highest"] + 1e-9).all()
    assert (table["prevalence"] <= 1).all()
    mixed = quota_sensitivity(rows.sample(frac=1, random_state=1), n_bootstrap=20)
    pd.testing.assert_frame_equal(table, mixed, rtol=1e-9)


def test_an_assumption_that_the_data_contradict_is_said_so():
    """Entered cases so well ranked that a quarter of true cases among them would need an area above 1."""
    rows, _ = county(20_000, true_share=1.0, by_risk=True)
    row = at(quota_sensitivity(rows, true_shares=(1, 0.25), n_bootstrap=10), let_in=0.5, true_share=0.25)
    assert not row["alike_possible"]
    assert np.isnan(row["auc_if_alike"])
    assert row["recall_lowest"] <= row["recall_highest"]


def test_one_assumption_is_refused_and_so_is_what_cannot_be_meant():
    rows, _ = county(500)
    with pytest.raises(ConfigError, match="give at least 3"):
        quota_sensitivity(rows, let_in=(0.5, 0.5, 0.5))
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        quota_sensitivity(rows, let_in=(0.0, 0.5, 1.0))
    with pytest.raises(NotEnoughDataError, match="0 were entered"):
        quota_sensitivity(rows.assign(entered=0))
    with pytest.raises(NotEnoughDataError, match="at least 2"):
        quota_sensitivity(rows.assign(village_code=1))
    with pytest.raises(DataError, match="0 or 1"):
        quota_sensitivity(rows.assign(entered=0.5))
    with pytest.raises(UnknownNameError, match="listed"):
        quota_sensitivity(rows.drop(columns="listed"))
    with pytest.raises(ConfigError, match="n_bootstrap is 1"):
        quota_sensitivity(rows, n_bootstrap=1)


# --- the simulated county: trap 2 on and off, in a usual and in a bad time ------------------------------------------------------------

START, DAY = dt.date(2021, 1, 1), dt.date(2022, 6, 30)
BAD_TIME = {"work.job_loss_month": 0.015, "work.laid_off_together_month": 0.012, "work.job_again_month": 0.05}


def simulated(*, quota, bad):
    """Those at risk on a day: who was entered and who fell in the year after it, the poorest tenth as the list."""
    parameters = default_parameters().changed((BAD_TIME if bad else {}) | {"traps.quota_binding": quota})
    county = simulate_county(n_households=3000, months=30, start=START, seed=4, parameters=parameters)
    rows = fallen(county.truth, as_of=DAY)
    now = county.truth[county.truth["month_end"] == pd.Timestamp(DAY)].set_index("household_id")
    ratio = rows["household_id"].map(now["net_per_head_cny"] / now["line_cny_year"])
    cases = county.tables["monitoring"]
    later = cases["identified_on"].between(pd.Timestamp(DAY) + pd.Timedelta(days=1), pd.Timestamp(DAY) + pd.DateOffset(years=1))
    home = county.tables["household"].drop_duplicates("household_id").set_index("household_id")["village_code"]
    return rows.assign(
        village_code=rows["household_id"].map(home),
        entered=rows["household_id"].isin(cases.loc[later, "household_id"]).astype(float),
        risk=1 / (1 + np.exp(2.5 + 2.0 * np.log(ratio))),
        listed=ratio < ratio.quantile(0.1),
    )


@pytest.mark.slow
def test_on_the_simulator_the_quota_hides_a_bad_time_and_the_table_holds_the_truth():
    entered, fell = {}, {}
    for quota in (True, False):
        for bad in (True, False):
            rows = simulated(quota=quota, bad=bad)
            entered[quota, bad], fell[quota, bad] = rows["entered"].mean(), rows["fell"].mean()
            table = quota_sensitivity(rows, n_bootstrap=20)
            assert table["prevalence"].min() < rows["fell"].mean() < table["prevalence"].max()
            both = (rows["entered"] * rows["fell"]).sum()
            c, f = both / rows["fell"].sum(), both / rows["entered"].sum()
            assert c < 0.6
            assert f < 0.9
            pair = at(quota_sensitivity(rows, let_in=(1, c, c / 2), true_shares=(f,), n_bootstrap=20), let_in=c, true_share=f)
            assert pair["prevalence"] == pytest.approx(rows["fell"].mean())
            assert pair["recall_lowest"] <= rows.loc[rows["fell"], "listed"].mean() <= pair["recall_highest"]
    assert fell[True, True] > 1.4 * fell[True, False]
    assert 0.8 < entered[True, True] / entered[True, False] < 1.2  # as many entered as ever
    assert entered[False, True] > 1.2 * entered[False, False]  # without a quota the label follows need
