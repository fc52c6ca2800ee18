"""Lists compared and changes explained: known values by hand, laws that must hold, and a county whose lists change for known reasons."""

from __future__ import annotations

import datetime as dt
import functools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from returnrisk.config import CalibrationSpec, LearnerSpec, ModelSpec
from returnrisk.errors import ConfigError, DataError, NotEnoughDataError
from returnrisk.features.families import catalogue
from returnrisk.features.snapshot import Snapshot
from returnrisk.run_manifest import runs_before, seal
from returnrisk.stability import (
    ListState,
    compare_lists,
    explain_change,
    persistence,
    rank_biased_overlap,
    retrain_on_resamples,
    training_parts,
    weight_of_top,
)
from returnrisk.stability.agreement import spearman
from returnrisk.stability.retraining import resampled
from returnrisk.timeline import add_months, month_end
from returnrisk.training import ScoredLearner
from returnrisk.visits import listed

FEATURES = catalogue(["illness", "employment"])
NAMES = [f.name for f in FEATURES]
COST, JOBS = NAMES.index("out_of_pocket_12m_line_ratio"), NAMES.index("n_with_job")


# -- rank-biased overlap --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "p", "value"),
    [
        ("abcd", "abcd", 0.9, 1.0),
        ("abc", "xyz", 0.9, 0.0),
        # agreements 0, 1, 1, 3/4: 0/2 + 1/4 + 1/8 + 3/4/16, and 3/4/16 for all that would follow
        ("abcd", "bace", 0.5, 1 / 4 + 1 / 8 + 3 / 64 + 3 / 64),
        # short "ab", long "axb": overlaps 1, 1, 2 at depths 1, 2, 3, put into equation 32
        ("ab", "axb", 0.5, 0.5 + 0.125 + (2 / 3) / 8 + (1 * 1 / (2 * 3)) / 8 + (1 / 3 + 1 / 2) / 8),
        # a prefix says all there is to say: nothing contradicts it
        ("a", "abc", 0.9, 1.0),
    ],
)
def test_rank_biased_overlap_by_hand(first, second, p, value):
    assert rank_biased_overlap(first, second, p=p) == pytest.approx(value, abs=1e-12)
    assert rank_biased_overlap(second, first, p=p) == pytest.approx(value, abs=1e-12)


def definition(first, second, p):
    """Extrapolated overlap of two rankings of one length, summed until nothing is left: the agreement at the end goes on for ever."""
    n, total = len(first), 0.0
    for depth in range(1, 4000):
        seen = min(depth, n)
        agreement = len(set(first[:seen]) & set(second[:seen])) / seen
        total += (1 - p) * p ** (depth - 1) * agreement
    return total


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(9)), st.permutations(range(6, 15)), st.sampled_from([0.5, 0.9, 0.98]))
def test_rank_biased_overlap_is_the_infinite_sum(first, second, p):
    assert rank_biased_overlap(first, second, p=p) == pytest.approx(definition(first, second, p), abs=1e-9)


def test_the_top_weighs_most():
    order = list(range(40))
    top, bottom = order.copy(), order.copy()
    top[0], top[1] = 1, 0
    bottom[-1], bottom[-2] = 38, 39
    assert rank_biased_overlap(order, top, p=0.9) < rank_biased_overlap(order, bottom, p=0.9) < 1


def test_weight_of_the_top_is_webbers_86_per_cent():
    assert weight_of_top(10, p=0.9) == pytest.approx(0.8556, abs=1e-4)
    assert weight_of_top(50, p=0.98) == pytest.approx(0.86, abs=0.01)
    assert [weight_of_top(n, p=persistence(n)) > 0.85 for n in (5, 40)] == [True, True]


def test_impossible_rankings_are_refused():
    with pytest.raises(ConfigError, match="between 0 and 1"):
        rank_biased_overlap("ab", "ba", p=1.0)
    with pytest.raises(DataError, match="1 of 3 places"):
        rank_biased_overlap("aba", "ba", p=0.9)


# -- two lists ------------------------------------------------------------------------------------------------------------------


def scores(n=400, *, seed=0):
    rng = np.random.default_rng(seed)
    village = rng.integers(0, 20, n)
    strata = rng.choice(["at_risk", "not_computable", "below_line", "monitored"], n, p=[0.8, 0.1, 0.05, 0.05])
    return pd.DataFrame(
        {
            "household_id": np.arange(n),
            "village_code": village,
            "township_code": village // 5,
            "stratum": strata,
            "risk": rng.random(n),
        }
    )


def noisy(first, *, amount, seed=1):
    risk = first["risk"] + amount * np.random.default_rng(seed).normal(size=len(first))
    return first.assign(risk=(risk - risk.min()) / np.ptp(risk))


def test_a_list_agrees_with_itself_and_less_with_more_noise():
    first = scores()
    same = compare_lists(first, first.sample(frac=1, random_state=3), per_township=10, n_bootstrap=20)
    assert same.frame()["value"].tolist() == pytest.approx([1.0] * 5)
    values = [compare_lists(first, noisy(first, amount=a), per_township=10, n_bootstrap=0) for a in (0.02, 0.2, 2.0)]
    for metric in ("kept", "jaccard", "spearman", "rbo"):
        assert np.all(np.diff([v.value(metric) for v in values]) < 0), metric


def test_overlap_by_counting():
    first, second = scores(), noisy(scores(), amount=0.2)
    found = compare_lists(first, second, per_township=10, n_bootstrap=100)
    one, two = (set(s.loc[listed(s, per_township=10), "household_id"]) for s in (first, second))
    ranked = set(first.loc[first["stratum"].isin(["at_risk", "not_computable"]), "household_id"])
    by_model = one & ranked
    assert found.value("kept") == pytest.approx(len(by_model & two) / len(by_model))
    assert found.value("jaccard") == pytest.approx(len(by_model & two & ranked) / len(by_model | (two & ranked)))
    assert found.value("kept_with_must_visits") == pytest.approx(len(one & two) / len(one))
    table = found.frame().set_index("metric")
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    assert table["resampled"].to_dict()["rbo"] == "townships"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=30))
def test_spearman_is_scipys(pairs):
    x, y = np.array(pairs, dtype=float).T
    if np.ptp(x) and np.ptp(y):
        assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    else:
        assert np.isnan(spearman(x, y))


def test_more_places_lose_nobody():
    first = scores()
    assert compare_lists(first, first, per_township=10, per_township_then=15, n_bootstrap=0).value("kept") == 1.0
    assert compare_lists(first, first, per_township=15, per_township_then=10, n_bootstrap=0).value("kept") < 1.0


def test_reasons_by_hand():
    first = scores(60, seed=2).assign(stratum="at_risk", township_code=1, risk=np.linspace(1, 0, 60))
    one = pd.DataFrame(
        [(k, i + 1, f) for k in range(3) for i, f in enumerate(("income", "illness"))],
        columns=["household_id", "position", "family"],
    )
    two = pd.DataFrame(
        [
            (0, 1, "income"),
            (0, 2, "illness"),
            (1, 1, "illness"),
            (1, 2, "income"),
            (2, 1, "income"),
            (2, 2, "area"),
            (50, 1, "area"),
        ],
        columns=["household_id", "position", "family"],
    )
    found = compare_lists(first, first, per_township=3, reasons=(one, two), n_bootstrap=0).frame().set_index("metric")
    assert found.loc[["first_reason", "same_reasons", "shared_reasons"], "value"].tolist() == pytest.approx(
        [2 / 3, 2 / 3, (1 + 1 + 1 / 3) / 3]
    )
    assert found.loc["first_reason", "n"] == 3


def test_unusable_scores_are_refused():
    first = scores()
    with pytest.raises(NotEnoughDataError, match="0 places"):
        compare_lists(first, first, per_township=0)
    with pytest.raises(DataError, match="1 households stand more than once"):
        compare_lists(pd.concat([first, first.head(1)]), first, per_township=5)


# -- why a list changed ---------------------------------------------------------------------------------------------------------


class Line:
    """A learner one can compute by hand: weights times features, missing ones count as nothing."""

    def __init__(self, **weights):
        self.weights = np.array([weights.get(name, 0.0) for name in NAMES])

    def contributions(self, X):
        return np.column_stack([np.nan_to_num(X) * self.weights, np.zeros(len(X))])

    def decision_function(self, X):
        return np.nan_to_num(X) @ self.weights


CURVE = SimpleNamespace(apply=lambda z: 1 / (1 + np.exp(-z)))


def model(**weights):
    return ScoredLearner(learner=Line(**weights), calibration=CURVE)


def snapshot(n=300, *, seed=0, day=dt.date(2024, 6, 30), **change):
    rng = np.random.default_rng(seed)
    table = scores(n, seed=seed).drop(columns="risk").assign(as_of=pd.Timestamp(day), line_cny_year=8000.0)
    values = pd.DataFrame(rng.normal(size=(n, len(NAMES))).astype("float32"), columns=NAMES)
    return Snapshot(table=pd.concat([table, values], axis=1).assign(**change), features=FEATURES, as_of=day)


OLD, NEW = model(out_of_pocket_12m_line_ratio=1.0), model(out_of_pocket_12m_line_ratio=1.0, n_with_job=-0.6)


def moved_month(seed=5):
    """A month later: some facts differ, some households came, went, moved or changed stratum."""
    rng = np.random.default_rng(seed)
    before = snapshot()
    table = before.frame().copy()
    some = rng.random(len(table)) < 0.3
    table.loc[some, NAMES[COST]] += rng.normal(size=some.sum()).astype("float32")
    table.loc[rng.random(len(table)) < 0.04, "stratum"] = "monitored"
    table.loc[rng.random(len(table)) < 0.03, "stratum"] = "below_line"
    table.loc[rng.random(len(table)) < 0.03, "township_code"] = 2
    table = table[rng.random(len(table)) > 0.03]
    came = snapshot(12, seed=9).frame().assign(household_id=lambda t: t["household_id"] + 1000)
    return before, Snapshot(table=pd.concat([table, came], ignore_index=True), features=FEATURES, as_of=dt.date(2024, 7, 31))


def outer_lists(before, after):
    return [set(s.scores().loc[listed(s.scores(), per_township=s.per_township), "household_id"]) for s in (before, after)]


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_left_over(seed):
    one, two = moved_month(seed)
    before, after = ListState(one, OLD, 10), ListState(two, NEW, 13)
    first, second = outer_lists(before, after)
    found = explain_change(before, after)
    rows = found.frame()
    assert set(rows.loc[rows["direction"] == "entered", "household_id"]) == second - first
    assert set(rows.loc[rows["direction"] == "left", "household_id"]) == first - second
    assert rows["household_id"].is_unique
    assert rows[["cause", "detail", "cause_zh", "detail_en"]].notna().all().all()
    assert set(rows["cause"]) == {"data", "model", "capacity"}
    assert (found.by_order[["data", "model", "capacity"]].sum(axis=1) == len(rows)).all()
    assert found.by_order.set_index("order").loc["data → model → capacity"].to_dict() == rows["cause"].value_counts().to_dict()
    net = (found.steps["entered"] - found.steps["left"]).sum()
    assert net == len(second) - len(first)
    assert found.counts()[["entered", "left"]].to_numpy().sum() == len(rows)


def test_one_swap_alone_is_named_whatever_the_order():
    one, two = moved_month()
    base = ListState(one, OLD, 10)
    for cause, other in {
        "data": ListState(two, OLD, 10),
        "model": ListState(one, NEW, 10),
        "capacity": ListState(one, OLD, 7),
    }.items():
        found = explain_change(base, other, order=("capacity", "model", "data"))
        assert len(found.frame())
        assert set(found.frame()["cause"]) == {cause}
        assert (found.by_order[cause] == len(found.frame())).all()
    assert explain_change(base, base).frame().empty


def test_the_first_swap_that_moves_a_household_is_its_cause():
    """Entered by data, pushed out by the model, let in by more places: data. Its first move goes the way it went in the end."""
    one, two = moved_month()
    before, after = ListState(one, OLD, 10), ListState(two, NEW, 13)
    lists = [
        set(s.loc[listed(s, per_township=n), "household_id"])
        for s, n in ((before.scores(), 10), (ListState(two, OLD, 10).scores(), 10), (after.scores(), 10), (after.scores(), 13))
    ]
    for row in explain_change(before, after).frame().to_dict("records"):
        step = {"data": 1, "model": 2, "capacity": 3}[row["cause"]]
        on = [row["household_id"] in held for held in lists]
        assert on[0] == on[step - 1] != on[step]
        assert on[step] == (row["direction"] == "entered")


def test_details_say_what_of_the_data_changed():
    one, two = moved_month()
    rows = explain_change(ListState(one, OLD, 10), ListState(two, OLD, 10)).frame().set_index("household_id")
    a, b = one.frame().set_index("household_id"), two.frame().set_index("household_id")
    for key, row in rows.iterrows():
        if key not in a.index or key not in b.index:
            assert row["detail"] == ("gone_from_file" if key in a.index else "new_on_file")
        elif row["detail"] == "others":
            change = b.loc[key, NAMES[COST]] - a.loc[key, NAMES[COST]]
            assert change == 0 or (change > 0) != (row["direction"] == "entered")
        elif row["detail"] == "own_facts":
            assert row["family"] == "illness"  # all that the learner looks at and that was changed
            change = b.loc[key, NAMES[COST]] - a.loc[key, NAMES[COST]]
            assert row["log_odds_change"] == pytest.approx(change, abs=1e-5)
            assert (row["log_odds_change"] > 0) == (row["direction"] == "entered")
    assert set(rows["detail"]) >= {"own_facts", "others", "stratum"}


def test_a_new_model_names_the_family_it_came_to_weigh():
    one = snapshot()
    rows = explain_change(ListState(one, OLD, 10), ListState(one, NEW, 10)).frame().set_index("household_id")
    jobs = one.frame().set_index("household_id")[NAMES[JOBS]]
    told = rows.dropna(subset="family")
    assert set(told["family"]) == {"employment"}
    assert told["log_odds_change"].to_numpy() == pytest.approx(-0.6 * jobs[told.index].to_numpy(), abs=1e-6)


def test_other_features_and_half_an_order_are_refused():
    one = snapshot()
    with pytest.raises(ConfigError, match="each once"):
        explain_change(ListState(one, OLD, 10), ListState(one, NEW, 10), order=("data", "model"))
    other = Snapshot(table=one.table, features=FEATURES[:3], as_of=one.as_of)
    with pytest.raises(DataError, match="other features"):
        explain_change(ListState(one, OLD, 10), ListState(other, NEW, 10))


# -- retraining -----------------------------------------------------------------------------------------------------------------

SPEC = ModelSpec(
    schema=1,
    name="quick",
    title_zh="试",
    title_en="trial",
    families=("illness", "employment"),
    learner=LearnerSpec("lightgbm", {"n_estimators": 30, "num_leaves": 6, "learning_rate": 0.1, "min_child_samples": 40, "bagging_fraction": 0.8, "bagging_freq": 1}),
    calibration=CalibrationSpec(curve_from="later_days", refit=False),
)  # fmt: skip


def parts(n=1500, *, strength=1.5):
    made = {}
    for seed, name in enumerate(("fit", "calibrate")):
        rng = np.random.default_rng(seed)
        rows = snapshot(n, seed=seed + 50).frame()
        log_odds = -2 + strength * (rows[NAMES[COST]] - 0.5 * rows[NAMES[JOBS]])
        made[name] = rows.assign(y=(rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype("int8"))
    return {**made, "refit": made["fit"]}


@functools.cache
def retrained(resample, strength=1.5):
    return retrain_on_resamples(SPEC, parts(strength=strength), snapshot(), per_township=10, resample=resample, n_resamples=4)


@pytest.mark.parametrize("resample", ["villages", "households", "seed"])
def test_retraining_on_resamples(resample):
    found = retrained(resample)
    table = found.frame().set_index("metric")
    assert table.loc["kept", "n"] == 4
    assert 0.3 < table.loc["kept", "mean"] < 1
    assert table.loc["spearman", "mean"] > 0.7
    everyone = found.households
    assert everyone["frequency"].between(0, 1).all()
    # the same number of places in every resample; those on the list now are those most often on it
    places = everyone["listed"].sum()
    assert everyone["frequency"].sum() == pytest.approx(places)
    assert everyone.loc[everyone["listed"], "frequency"].mean() == pytest.approx(table.loc["kept", "mean"])
    assert (everyone["risk_low"] <= everyone["risk_high"]).all()


def test_a_signal_makes_a_list_stable_and_noise_does_not():
    strong, none = (retrained("villages", strength).frame().set_index("metric")["mean"] for strength in (1.5, 0.3))
    assert strong["kept"] > none["kept"] + 0.2
    assert strong["spearman"] > none["spearman"] + 0.2


def test_what_is_drawn_stays_together():
    whole = parts(300)
    drawn = resampled(whole, by="village_code", seed=4)
    counts = {
        name: rows["village_code"].value_counts() / whole[name]["village_code"].value_counts() for name, rows in drawn.items()
    }
    shared = pd.DataFrame(counts).fillna(0.0)
    assert (shared["fit"] == shared["calibrate"]).all()
    assert shared["fit"].sum() == whole["fit"]["village_code"].nunique()
    assert set(shared["fit"].astype(int)) >= {0, 1, 2}
    again = resampled({k: v.copy() for k, v in whole.items()}, by="village_code", seed=4)
    pd.testing.assert_frame_equal(drawn["fit"], again["fit"])


def test_what_cannot_be_retrained_is_refused():
    with pytest.raises(ConfigError, match="at least twice"):
        retrain_on_resamples(SPEC, parts(200), snapshot(), per_township=10, n_resamples=1)
    weighted = ModelSpec(schema=1, name="w", title_zh="", title_en="", families=("illness",), estimand="untreated")
    with pytest.raises(ConfigError, match="observed"):
        training_parts(SimpleNamespace(), weighted, SimpleNamespace(), snapshots=lambda day: snapshot(day=day))


# -- in a project ----------------------------------------------------------------------------------------------------------------


def test_whole_runs_before_a_day_come_latest_first(tmp_path):
    for name, made in {"2024-03-31": {"model_version": "m/1"}, "2024-05-31": {"model_version": "m/2"}, "2024-04-30": {}}.items():
        (tmp_path / name).mkdir()
        seal(tmp_path / name, **made)
    (tmp_path / "2024-06-30").mkdir()  # broken off: no manifest
    found = list(runs_before(tmp_path, dt.date(2024, 7, 31)))
    assert [(day.isoformat(), made["model_version"]) for day, made in found] == [("2024-05-31", "m/2"), ("2024-03-31", "m/1")]
    assert [day.isoformat() for day, _ in runs_before(tmp_path, dt.date(2024, 5, 31))] == ["2024-03-31"]


@pytest.mark.slow
def test_a_second_months_run_says_why_names_came_and_went(demo_copy):
    day = demo_copy.store().last_recorded_on()
    day = day if day == month_end(day) else month_end(add_months(day, -1))
    before = month_end(add_months(day, -1))
    first = demo_copy.run(as_of=before)
    assert first.change is None
    second = demo_copy.run(as_of=day)
    old, new = (set(r.frame()["household_id"]) for r in (first, second))
    rows = second.change.frame()
    assert set(rows.loc[rows["direction"] == "entered", "household_id"]) == new - old
    assert set(rows.loc[rows["direction"] == "left", "household_id"]) == old - new
    assert (rows["cause"] == "data").all()  # the same champion, the same places
    written = pd.read_csv(second.visits.parquet.parent / "list_change.csv")
    assert len(written) == len(rows) > 0


@pytest.mark.slow
def test_the_audit_of_a_project(demo_copy):
    found = demo_copy.audit_stability(n_resamples=2)
    table = found.frame().set_index(["against", "score", "metric"])["value"]
    assert found.chance < table["villages", "model", "kept"] < 1
    assert table["villages", "income", "kept"] > 0.9  # income needs no learning
    assert table["seed", "model", "spearman"] > table["villages", "model", "spearman"] - 0.05
    assert set(found.change.frame()["cause"]) <= {"data", "model"}
    folder = demo_copy.output_folder(found.as_of) / "stability" / demo_copy.spec.name
    assert {p.name for p in folder.iterdir()} == {
        "agreement.csv", "change.csv", "steps.csv", "orders.csv", "households.parquet", "manifest.json"
    }  # fmt: skip
