"""Evaluation: scikit-learn and explicit row copies as oracles, ties by every order, known truth, shuffles to the last bit."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from returnrisk.errors import ConfigError, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.evaluation import METRICS, evaluate
from returnrisk.evaluation import ranking as rk
from returnrisk.evaluation.bootstrap import draw_clusters
from returnrisk.evaluation.curves import wilson_interval
from returnrisk.evaluation.recalibration import log_odds_of, logistic_level, logistic_levels, logistic_line, logistic_lines

# Sums of a few thousand doubles in another order.
EXACT = 1e-12
# Newton here and in scikit-learn both stop well below this.
SOLVER_TOLERANCE = 1e-6
SCORES = {"model": "p_model", "logistic": "p_logistic", "income": "p_income"}


def expit(x):
    return 1 / (1 + np.exp(-x))


def predictions(n=3000, n_villages=40, seed=0, village_spread=0.5):
    """Households whose true log-odds is known: p_model is the truth, p_logistic blurred, p_income coarse and full of ties."""
    rng = np.random.default_rng(seed)
    village = rng.integers(0, n_villages, n)
    eta = rng.normal(-2.3, 1, n) + rng.normal(0, village_spread, n_villages)[village]
    return pd.DataFrame(
        {
            "household_id": rng.permutation(n),
            "as_of": pd.Timestamp("2024-06-30") + pd.to_timedelta(90 * rng.integers(0, 3, n), unit="D"),
            "village_code": 130_000_000_000 + village,
            "y": (rng.random(n) < expit(eta)).astype(int),
            "p_model": expit(eta),
            "p_logistic": expit(0.7 * eta + rng.normal(0, 0.5, n)),
            "p_income": np.round(expit(eta + rng.normal(0, 1, n)), 2),
        }
    )


def value(evaluation, metric, score="model", column="value"):
    return evaluation.frame().set_index(["score", "metric"]).loc[(score, metric), column]


def copies(score, y, times):
    return np.repeat(score, times), np.repeat(y, times)


def found_by_hand(score, y, k):
    """Events among the top k, tied rows at the cut by expected value."""
    cut = np.sort(score)[::-1][k - 1]
    above, tied = score > cut, score == cut
    return y[above].sum() + (k - above.sum()) * y[tied].mean()


def ece_by_hand(score, y):
    """Ten bins out of ten copies of every row (so that each cut falls between copies); tied rows share their outcomes."""
    frame = pd.DataFrame({"p": score, "y": y}).sort_values("p")
    frame["y"] = frame.groupby("p")["y"].transform("mean")
    bins = np.array_split(np.repeat(frame.to_numpy(float), 10, axis=0), 10)
    return sum(len(part) * abs(part[:, 0].mean() - part[:, 1].mean()) for part in bins) / (10 * len(frame))


# -- the numbers themselves --------------------------------------------------------------------------------------------------------


def level_by_statsmodels(p, y) -> float:
    """Intercept of the logistic regression of y with the log-odds of p as offset."""
    offset = log_odds_of(np.asarray(p, dtype=float))
    glm = sm.GLM(np.asarray(y, dtype=float), np.ones((len(y), 1)), family=sm.families.Binomial(), offset=offset)
    return float(glm.fit(tol=1e-12).params[0])


@pytest.mark.parametrize("score", SCORES)
def test_point_estimates_equal_scikit_learn(score):
    frame = predictions()
    result = evaluate(frame, score_columns=SCORES, capacity=0.1, n_bootstrap=2)
    p, y = frame[SCORES[score]], frame["y"]
    assert value(result, "auc", score) == pytest.approx(roc_auc_score(y, p), abs=EXACT)
    assert value(result, "average_precision", score) == pytest.approx(average_precision_score(y, p), abs=EXACT)
    assert value(result, "brier", score) == pytest.approx(brier_score_loss(y, p), abs=EXACT)
    assert value(result, "ece", score) == pytest.approx(ece_by_hand(p.to_numpy(), y.to_numpy()), abs=EXACT)
    found = found_by_hand(p.to_numpy(), y.to_numpy(), 300)
    assert value(result, "precision_at_capacity", score) == pytest.approx(found / 300, abs=EXACT)
    assert value(result, "recall_at_capacity", score) == pytest.approx(found / y.sum(), abs=EXACT)
    oracle = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(log_odds_of(p.to_numpy())[:, None], y)
    assert value(result, "calibration_slope", score) == pytest.approx(oracle.coef_[0, 0], abs=SOLVER_TOLERANCE)
    assert value(result, "calibration_intercept", score) == pytest.approx(level_by_statsmodels(p, y), abs=SOLVER_TOLERANCE)


@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.floats(0.01, 10)), min_size=2, max_size=40).filter(
        lambda rows: len({y for _, y, _ in rows}) == 2
    )
)
def test_weighted_areas_equal_scikit_learn(rows):
    score, y, w = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    ranking = rk.rank(score / 4, y)
    weights = w[ranking.order][None, :]
    auc, average_precision = rk.areas(rk.cumulate_weights(weights, ranking), ranking)
    assert auc[0] == pytest.approx(roc_auc_score(y, score, sample_weight=w), abs=1e-9)
    assert average_precision[0] == pytest.approx(average_precision_score(y, score, sample_weight=w), abs=1e-9)
    assert rk.brier(weights, ranking)[0] == pytest.approx(brier_score_loss(y, score / 4, sample_weight=w), abs=1e-9)


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=2, max_size=6).filter(lambda rows: any(y for _, y in rows)),
    k=st.integers(1, 6),
)
def test_ties_count_as_the_mean_over_every_order(rows, k):
    score, y = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    k = min(k, len(rows))
    found = [y[list(p)][:k].sum() for p in itertools.permutations(range(len(y))) if (np.diff(score[list(p)]) <= 0).all()]
    ranking = rk.rank(score, y)
    sums = rk.cumulate_weights(np.ones((1, len(y))), ranking)
    assert rk.events_within(np.array([[float(k)]]), sums)[0, 0] == pytest.approx(np.mean(found), abs=EXACT)


def test_tie_share_says_how_much_of_the_list_a_tie_decided():
    frame = predictions(n=100).assign(p_model=np.repeat([0.9, 0.5, 0.1], [6, 10, 84]))
    assert value(evaluate(frame, score_columns={"model": "p_model"}, capacity=0.1, n_bootstrap=2), "tie_share_at_capacity") == 0.4
    assert value(evaluate(frame, score_columns={"model": "p_model"}, capacity=0.06, n_bootstrap=2), "tie_share_at_capacity") == 0


@given(share=st.integers(1, 100), n=st.integers(1, 5000))
@example(share=29, n=100)  # 0.29 * 100 is 28.999999999999996
def test_capacity_is_the_floor_meant_by_a_decimal_share(share, n):
    assert rk.capacity_of(share / 100, np.array([float(n)]))[0] == max(1, share * n // 100)


def test_ece_bins_are_equally_heavy_whatever_n():
    frame = predictions(n=1234)
    bins = evaluate(frame, score_columns={"model": "p_model"}, capacity=None, n_bootstrap=2)
    curve = bins.calibration_curve
    assert curve["n"].tolist() == pytest.approx([123.4] * 10)
    assert np.average(abs(curve["mean_predicted"] - curve["observed"])) == pytest.approx(value(bins, "ece"), abs=EXACT)
    assert curve["mean_predicted"].mean() == pytest.approx(frame["p_model"].mean(), abs=EXACT)
    assert curve["observed"].mean() == pytest.approx(frame["y"].mean(), abs=EXACT)
    assert curve["mean_predicted"].is_monotonic_increasing
    assert ((curve["low"] <= curve["observed"]) & (curve["observed"] <= curve["high"])).all()


def test_wilson_equals_scipy():
    events, n = np.array([0.0, 1, 7, 20]), np.array([20.0, 20, 20, 20])
    low, high = wilson_interval(events, n, level=0.9)
    for k in range(4):
        oracle = binomtest(int(events[k]), 20).proportion_ci(0.9, method="wilson")
        assert (low[k], high[k]) == pytest.approx((oracle.low, oracle.high), abs=EXACT)


def test_lift_curve_meets_the_numbers_at_capacity():
    frame = predictions()
    result = evaluate(frame, score_columns=SCORES, capacity=0.123, within="as_of", n_bootstrap=2)
    curve = result.lift_curve.set_index(["score", "share"])
    for score in SCORES:
        at = curve.loc[(score, 0.123)]
        assert at["recall"] == value(result, "recall_at_capacity", score)
        assert at["precision"] == value(result, "precision_at_capacity", score)
        assert at["lift"] == pytest.approx(at["precision"] / result.base_rate, abs=EXACT)
        assert curve.loc[(score, 1.0), ["recall", "lift", "n_visited"]].tolist() == pytest.approx([1, 1, 3000])
        assert curve.loc[score, "recall"].is_monotonic_increasing


# -- capacity by day, and a list that was really used -------------------------------------------------------------------------------


def test_capacity_within_each_day():
    frame = predictions()
    result = evaluate(frame, score_columns=SCORES, capacity=0.1, within="as_of", n_bootstrap=2)
    days = [day for _, day in frame.groupby("as_of")]
    rooms = [len(day) // 10 for day in days]
    for score, column in SCORES.items():
        found = sum(found_by_hand(d[column].to_numpy(), d["y"].to_numpy(), k) for d, k in zip(days, rooms, strict=True))
        assert value(result, "precision_at_capacity", score) == pytest.approx(found / sum(rooms), abs=EXACT)
        assert value(result, "recall_at_capacity", score) == pytest.approx(found / frame["y"].sum(), abs=EXACT)


def test_a_given_list_replaces_the_capacity():
    frame = predictions().assign(**{f"list_{s}": lambda f, k=k: f["household_id"] % k == 0 for k, s in enumerate(SCORES, start=6)})
    lists = {score: f"list_{score}" for score in SCORES}
    result = evaluate(frame, score_columns=SCORES, capacity=None, selected=lists, n_bootstrap=50)
    for score in SCORES:
        listed = frame[frame[f"list_{score}"]]
        assert value(result, "precision_at_capacity", score) == pytest.approx(listed["y"].mean(), abs=EXACT)
        assert value(result, "recall_at_capacity", score) == pytest.approx(listed["y"].sum() / frame["y"].sum(), abs=EXACT)
    assert "tie_share_at_capacity" not in set(result.frame()["metric"])
    compared = result.differences().query("metric == 'recall_at_capacity' and score == 'model'").iloc[0]
    assert compared["difference"] == value(result, "recall_at_capacity", "model") - value(result, "recall_at_capacity", "income")
    assert result.replicates["model"]["precision_at_capacity"].std() > 0.005


# -- the bootstrap -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("within", [None, "as_of"])
def test_replicates_equal_explicit_copies_of_villages(within):
    frame = predictions(n=60, n_villages=6, seed=3).sort_values("household_id", ignore_index=True)
    n_bootstrap = 25
    result = evaluate(frame, score_columns=SCORES, capacity=0.15, within=within, n_bootstrap=n_bootstrap, seed=11)
    draws = draw_clusters(6, n_bootstrap=n_bootstrap, seed=11).astype(int)
    assert (draws.sum(axis=1) == 6).all()
    villages = np.sort(frame["village_code"].unique())
    oracle = {score: [] for score in SCORES}
    for draw in draws:
        drawn = pd.concat(
            [frame[frame["village_code"] == v] for v, times in zip(villages, draw, strict=True) for _ in range(times)]
        )
        if drawn["y"].nunique() < 2:
            continue
        for score, column in SCORES.items():
            p, y = drawn[column].to_numpy(), drawn["y"].to_numpy()
            days = [drawn] if within is None else [day for _, day in drawn.groupby(within)]
            rooms = [max(1, int(np.floor(0.15 * len(day) + 1e-9))) for day in days]
            found = sum(found_by_hand(d[column].to_numpy(), d["y"].to_numpy(), k) for d, k in zip(days, rooms, strict=True))
            line = logistic_line(log_odds_of(p), y.astype(float), np.ones(len(y)))
            oracle[score].append(
                {
                    "auc": roc_auc_score(y, p),
                    "average_precision": average_precision_score(y, p),
                    "precision_at_capacity": found / sum(rooms),
                    "recall_at_capacity": found / y.sum(),
                    "brier": brier_score_loss(y, p),
                    "ece": ece_by_hand(p, y),
                    "calibration_slope": line[1],
                    "calibration_intercept": level_by_statsmodels(p, y),
                }
            )
    assert result.n_skipped == n_bootstrap - len(oracle["model"])
    for score, records in oracle.items():
        for metric, expected in pd.DataFrame(records).items():
            got = result.replicates[score][metric][~np.isnan(result.replicates[score]["auc"])]
            tolerance = SOLVER_TOLERANCE if "calibration" in metric else EXACT
            np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance, err_msg=f"{score} {metric}")
            low, high = np.nanquantile(expected, [0.025, 0.975])  # a separated replicate has no line
            assert value(result, metric, score, "low") == pytest.approx(low, abs=tolerance)
            assert value(result, metric, score, "high") == pytest.approx(high, abs=tolerance)


def test_differences_use_the_same_draws():
    result = evaluate(predictions(), score_columns=SCORES, capacity=0.1, n_bootstrap=200)
    rows = result.differences(baseline="income").set_index(["score", "metric"])
    assert set(rows.index) == {(s, m) for s in ("model", "logistic") for m in ("auc", "average_precision", "recall_at_capacity")}
    for (score, metric), row in rows.iterrows():
        assert row["difference"] == value(result, metric, score) - value(result, metric, "income")
        paired = result.replicates[score][metric] - result.replicates["income"][metric]
        assert (row["low"], row["high"]) == pytest.approx(tuple(np.quantile(paired, [0.025, 0.975])), abs=EXACT)
        apart = sum(value(result, metric, s, "high") - value(result, metric, s, "low") for s in (score, "income"))
        assert row["high"] - row["low"] < apart
    with pytest.raises(UnknownNameError, match="did you mean 'income'"):
        result.differences(baseline="incom")
    assert evaluate(predictions(), score_columns={"income": "p_income"}, capacity=0.1, n_bootstrap=2).differences().empty


def test_intervals_know_that_villages_share_their_luck():
    alike = predictions(n=4000, n_villages=25, seed=1, village_spread=1.5).assign(p_model=0.15)
    by_village = evaluate(alike, score_columns={"model": "p_model"}, capacity=None, n_bootstrap=200)
    by_household = evaluate(alike, score_columns={"model": "p_model"}, capacity=None, n_bootstrap=200, cluster="household_id")
    widths = [value(e, "brier", column="high") - value(e, "brier", column="low") for e in (by_village, by_household)]
    assert widths[0] > 2 * widths[1]


def test_auc_interval_covers_the_truth():
    truth, covered = norm.cdf(1.2 / np.sqrt(2)), 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y = (rng.random(600) < 0.2).astype(int)
        frame = pd.DataFrame({"village_code": rng.integers(0, 60, 600), "y": y, "p": expit(rng.normal(1.2 * y - 2, 1))})
        result = evaluate(frame, score_columns={"model": "p"}, capacity=None, n_bootstrap=120, seed=seed)
        covered += value(result, "auc", column="low") <= truth <= value(result, "auc", column="high")
    assert covered >= 50  # 95% of 60 is 57; fewer than 50 would have a chance of 1 in 400 at a true 93%


def test_a_true_risk_is_found_well_calibrated():
    result = evaluate(predictions(n=20_000, n_villages=200), score_columns=SCORES, capacity=0.1, n_bootstrap=200)
    assert value(result, "ece") < 0.012
    assert value(result, "calibration_slope", column="low") < 1 < value(result, "calibration_slope", column="high")
    assert value(result, "calibration_intercept", column="low") < 0 < value(result, "calibration_intercept", column="high")
    # The coarse score carries noise of the size of its signal: its log-odds are too far apart.
    assert value(result, "calibration_slope", "income", "high") < 0.9
    assert value(result, "ece", "income", "low") > value(result, "ece", "model", "high")


def test_draws_with_one_class_are_left_out_and_counted():
    frame = pd.DataFrame({"village_code": np.repeat([1, 2, 3], 4), "y": [1, 0, 1, 0] + [0] * 8, "p": np.linspace(0.9, 0.1, 12)})
    result = evaluate(frame, score_columns={"model": "p"}, capacity=0.25, n_bootstrap=300)
    none_drawn = (draw_clusters(3, n_bootstrap=300, seed=0)[:, 0] == 0).sum()
    assert result.n_skipped == none_drawn
    assert 50 < none_drawn < 130  # (2/3)^3 of 300
    assert all(np.isnan(values).sum() >= none_drawn for values in result.replicates["model"].values())
    assert np.isfinite(result.frame().query("metric == 'auc'")[["low", "high"]]).all(axis=None)


# -- metamorphic -------------------------------------------------------------------------------------------------------------------


def test_shuffled_rows_give_the_same_bytes():
    frame = predictions(n=900)
    frame = pd.concat([frame, frame.head(30).assign(household_id=lambda f: f["household_id"] + 5000)], ignore_index=True)
    shuffled = frame.sample(frac=1, random_state=4)
    a, b = (evaluate(f, score_columns=SCORES, capacity=0.1, within="as_of", n_bootstrap=40) for f in (frame, shuffled))
    for one, two in zip(*([e.frame(), e.wide(), e.differences(), e.calibration_curve, e.lift_curve] for e in (a, b)), strict=True):
        pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_village_names_never_matter_and_ranks_survive_a_monotone_transform():
    frame = predictions()
    renamed = frame.assign(village_code="v" + frame["village_code"].astype(str), p_model=frame["p_model"] ** 3)
    a, b = (evaluate(f, score_columns={"model": "p_model"}, capacity=0.1, n_bootstrap=40) for f in (frame, renamed))
    for metric in ("auc", "average_precision", "precision_at_capacity", "recall_at_capacity"):
        for column in ("value", "low", "high"):
            assert value(a, metric, column=column) == pytest.approx(value(b, metric, column=column), abs=EXACT)
    assert value(b, "calibration_slope") < 0.6


# -- what is shown, and what is refused --------------------------------------------------------------------------------------------


def test_frames():
    result = evaluate(predictions(), score_columns=SCORES, capacity=0.1, n_bootstrap=30)
    frame, wide = result.frame(), result.wide()
    assert frame.columns.tolist() == ["score", "metric", "value", "low", "high", "n", "n_events", "base_rate", "n_clusters"]
    assert frame["metric"].tolist() == list(METRICS) * 3
    assert frame["n_clusters"].eq(40).all()
    with_interval = frame[frame["metric"] != "tie_share_at_capacity"]
    assert (with_interval["low"] <= with_interval["high"]).all()
    assert wide["score"].tolist() == list(SCORES)
    assert wide.loc[0, "auc_low"] == value(result, "auc", column="low")
    assert "tie_share_at_capacity_low" not in wide
    assert result.lift_curve.columns.tolist() == ["score", "share", "n_visited", "recall", "precision", "lift"]
    none = evaluate(predictions(), score_columns=SCORES, capacity=None, n_bootstrap=2)
    assert not set(none.frame()["metric"]) & {"precision_at_capacity", "recall_at_capacity", "tie_share_at_capacity"}


def test_a_constant_score_has_no_line_but_everything_else():
    frame = predictions().assign(p_model=lambda f: f["y"].mean())
    result = evaluate(frame, score_columns={"model": "p_model"}, capacity=0.1, n_bootstrap=20)
    assert value(result, "auc") == 0.5
    assert value(result, "ece") == pytest.approx(0, abs=EXACT)
    assert value(result, "tie_share_at_capacity") == 1
    assert np.isnan(value(result, "calibration_slope"))


def test_refusals():
    frame = predictions(n=200)

    def refused(error, match, changed=frame, **settings):
        with pytest.raises(error, match=match):
            evaluate(changed, **({"score_columns": {"model": "p_model"}, "capacity": 0.1} | settings))

    refused(UnknownNameError, "column 'p_modell'; did you mean 'p_model'", score_columns={"model": "p_modell"})
    refused(UnknownNameError, "column 'village'", cluster="village")
    refused(ConfigError, "capacity is 10", capacity=10)
    refused(ConfigError, "level is 95", level=95)
    refused(ConfigError, "n_bootstrap is 1", n_bootstrap=1)
    refused(ConfigError, "score_columns is empty", score_columns={})
    refused(NotEnoughDataError, "of 200 rows 0 are events", frame.assign(y=0))
    refused(NotEnoughDataError, "of 200 rows 200 are events", frame.assign(y=1))
    refused(NotEnoughDataError, "of 0 rows", frame.head(0))
    refused(NotEnoughDataError, "lie in one 'village_code'", frame.assign(village_code=7))
    refused(DataError, "1 of 200 rows have a 'y'", frame.assign(y=frame["y"].where(frame.index > 0)))
    refused(DataError, "1 of 200 rows have a 'p_model'", frame.assign(p_model=frame["p_model"].where(frame.index > 0)))
    refused(DataError, "outside", frame.assign(p_model=frame["p_model"] * 3))
    refused(
        DataError,
        "1 of 200 rows have no value in village_code",
        frame.assign(village_code=frame["village_code"].where(frame.index > 0)),
    )
    refused(DataError, "'on_list' must be true or false", frame.assign(on_list="no"), selected={"model": "on_list"})
    refused(ConfigError, "expected one of each score", selected={"logistic": "y"})


def test_certain_scores_can_be_evaluated():
    frame = predictions().assign(p_model=lambda f: (f["p_model"] > 0.3).astype(float))
    result = evaluate(frame, score_columns={"model": "p_model"}, capacity=0.1, n_bootstrap=20)
    assert 0 < value(result, "calibration_slope") < 0.2


def test_lines_for_many_weights_equal_one_by_one():
    rng = np.random.default_rng(6)
    x = rng.standard_t(3, 500)
    y = (rng.random(500) < expit(0.5 * x - 1)).astype(float)
    weights = rng.integers(0, 4, (20, 500)).astype(float)
    start = logistic_line(x, y, np.ones(500))
    together = logistic_lines(x, y, weights, start=start)
    np.testing.assert_allclose(together, [logistic_line(x, y, w) for w in weights], atol=1e-9)
    only_events = np.where(y == 1, 1.0, 0.0)[None, :]
    assert np.isnan(logistic_lines(x, y, only_events, start=start)).all()
    levels = logistic_levels(x, y, weights, start=0.0)
    np.testing.assert_allclose(levels, [logistic_level(x, y, w) for w in weights], atol=1e-9)
    np.testing.assert_allclose(logistic_levels(x, y, weights, start=-15.0), levels, atol=1e-9)  # from far below as well
    assert np.isnan(logistic_levels(x, y, only_events, start=0.0)).all()


def test_fifty_thousand_rows_in_seconds():
    frame = predictions(n=50_000, n_villages=400)
    begun = time.perf_counter()
    evaluate(frame, score_columns=SCORES, capacity=0.1, within="as_of", n_bootstrap=100)
    assert time.perf_counter() - begun < 15  # about 1.5 s on two idle cores; 500 replicates take 5.5 s
