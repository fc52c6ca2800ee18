"""Backtest: origins and their embargo, what was known then, figures against their definition, rules by hand, and what is refused."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from returnrisk.backtest import Backtest, BacktestSettings, backtest, days_of_backtest, grouped_by_outcome, plan_origins
from returnrisk.backtest.choice import choose
from returnrisk.config import LearnerSpec, ModelSpec, SplitSpec
from returnrisk.errors import ConfigError, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.evaluation import evaluate
from returnrisk.features.snapshot import Snapshot, build_snapshot
from returnrisk.store.view import Store
from returnrisk.timeline import matured
from tests.feature_households import copy_rows, day, store_of
from tests.test_training import KNOWN_ON, SPEC, rows, store

BOOSTED = replace(SPEC, name="boosted")
LOGISTIC = replace(SPEC, name="logistic", learner=LearnerSpec("logistic", {"C": 0.05}))
SPECS = (BOOSTED, LOGISTIC)
SETTINGS = BacktestSettings(n_origins=3, step_months=2, n_bootstrap=40)


def maker(source: Store):
    @functools.cache
    def make(on: dt.date) -> Snapshot:
        return build_snapshot(source.as_of(on), spec=SPEC.outcome, families=SPEC.families)

    return lambda on, _: make(on)


snapshots = functools.cache(lambda: maker(store()))


@functools.cache
def found() -> Backtest:
    return backtest(store(), SPECS, known_on=KNOWN_ON, snapshots=snapshots(), settings=SETTINGS)


# -- origins -------------------------------------------------------------------------------------------------------------------


def test_every_outcome_an_origin_learns_from_had_closed_by_then_and_its_own_by_the_end():
    origins = plan_origins(store(), SPEC, known_on=KNOWN_ON, n_origins=3, step_months=2)
    days = [o.day for o in origins]
    assert days == [dt.date(2022, 11, 30), dt.date(2023, 1, 31), dt.date(2023, 3, 31)]
    closed = functools.partial(matured, horizon_months=3, delay_days=20)
    for o in origins:
        assert closed(o.day, known_on=KNOWN_ON)
        assert all(closed(d, known_on=o.day) for d in o.split.refit)
        assert all(closed(d, known_on=o.split.calibrate[0]) for d in o.split.fit)
        assert o.split.test == (o.day,)
    assert len(origins[0].split.refit) < len(origins[2].split.refit)


@pytest.mark.parametrize(("n", "step", "says"), [(20, 2, "of 20 origins"), (7, 2, "origin 1 of 7")])
def test_a_history_too_short_for_the_origins_is_said_before_anything_is_computed(n, step, says):
    def never(*_: object) -> Snapshot:
        raise AssertionError

    with pytest.raises(NotEnoughDataError, match=says):
        backtest(store(), SPECS, known_on=KNOWN_ON, snapshots=never, settings=BacktestSettings(n_origins=n, step_months=step))


@pytest.mark.slow
def test_rows_recorded_after_an_origin_change_nothing_of_what_is_predicted_at_it():
    """The last origin's labels and features may change; the first origin's predictions may not."""
    first = found().origins[0].day
    tables = copy_rows(rows())
    later = [r for r in tables["income"] if r["recorded_on"] > first]
    assert later
    for row in later:
        row["gross_cny"] = (row["gross_cny"] * Decimal("0.85" if row["household_id"] % 2 else "1")).quantize(Decimal("0.01"))
    other = store_of("backtest-later", tables, delay=20)
    again = backtest(other, SPECS, known_on=KNOWN_ON, snapshots=maker(other), settings=SETTINGS)

    def predicted(b: Backtest, on: dt.date) -> pd.DataFrame:
        t = b.predictions[b.predictions["as_of"] == pd.Timestamp(on)]
        return t[["household_id", "p_boosted", "p_logistic", "p_income"]].set_index("household_id").sort_index()

    both = predicted(found(), first).join(predicted(again, first).add_suffix("_again"), how="inner")
    assert len(both) > 200
    for name in ("p_boosted", "p_logistic", "p_income"):
        assert (both[name] == both[f"{name}_again"]).all()
    last = found().origins[-1].day
    assert not predicted(found(), last).equals(predicted(again, last))


# -- figures -------------------------------------------------------------------------------------------------------------------


def test_figures_of_an_origin_are_those_of_an_evaluation_of_its_rows():
    t = found().predictions
    columns = {s: f"p_{s}" for s in ("boosted", "logistic", "income")}
    frame = found().frame()
    for origin, part in t.groupby("as_of"):
        whole = evaluate(part, score_columns=columns, capacity=SPEC.evaluation.capacity, n_bootstrap=20)
        mine = frame[frame["origin"] == origin.date().isoformat()].set_index(["score", "metric"])
        for score, values in whole.point.items():
            for metric in ("auc", "average_precision", "recall_at_capacity", "brier", "calibration_slope"):
                assert mine.at[(score, metric), "value"] == pytest.approx(values[metric])
        assert set(mine["n"]) == {len(part)}
        assert set(mine["n_events"]) == {int(part["y"].sum())}


def test_the_mean_is_of_the_origins_and_its_interval_holds_it():
    auc = found().frame().query("metric == 'auc'")
    for _, part in auc.groupby("score"):
        mean = part[part["origin"] == "mean"].iloc[0]
        assert mean["value"] == pytest.approx(part.loc[part["origin"] != "mean", "value"].mean())
        assert mean["low"] < mean["value"] < mean["high"]


@pytest.mark.slow
def test_the_same_twice_and_in_another_order_of_rows():
    shuffled = store_of("backtest-shuffled", {name: part[::-1] for name, part in copy_rows(rows()).items()}, delay=20)
    again = backtest(shuffled, SPECS, known_on=KNOWN_ON, snapshots=maker(shuffled), settings=SETTINGS)
    pd.testing.assert_frame_equal(again.frame(), found().frame())
    pd.testing.assert_frame_equal(again.choice.followed, found().choice.followed)


def test_a_specification_is_fitted_as_alone_whoever_stands_beside_it():
    alone = backtest(store(), [LOGISTIC], known_on=KNOWN_ON, snapshots=snapshots(), settings=SETTINGS)
    assert (alone.predictions["p_logistic"] == found().predictions["p_logistic"]).all()
    assert (alone.predictions["p_income"] == found().predictions["p_income"]).all()


# -- choice --------------------------------------------------------------------------------------------------------------------

DAYS = [day("2020-01-31"), day("2020-07-31"), day("2021-01-31"), day("2021-07-31")]


def chosen(
    values: list[list[float]],
    *,
    rule: str = "best_mean",
    metric: str = "auc",
    draws: np.ndarray | None = None,
    penalty: float = 1.0,
):
    point = np.array(values)
    replicates = np.repeat(point[None], 3, axis=0) if draws is None else draws
    return choose(
        point,
        replicates,
        scores=["a", "b", "c"],
        days=DAYS[: len(point)],
        closed_by=lambda one, by: (by - one).days >= 360,
        metric=metric,
        rule=rule,
        penalty=penalty,
        level=0.9,
    )


def test_each_rule_may_choose_another():
    values = [[0.90, 0.80, 0.79], [0.70, 0.78, 0.76], [0.80, 0.80, 0.78], [0.84, 0.78, 0.77]]
    assert (chosen(values).chosen, chosen(values).runner_up) == ("a", "b")  # means .81, .79, .775
    assert chosen(values, rule="least_regret").chosen == "a"  # worst regrets .08, .10, .11
    assert chosen(values, rule="variance_penalised").chosen == "b"  # .81 - .085, .79 - .0115, .775 - .0129
    assert chosen(values, rule="variance_penalised", penalty=0.0).chosen == "a"
    assert chosen([[0.1, 0.2, 0.3]] * 2, metric="brier").chosen == "a"  # of an error the smallest


def test_what_following_a_rule_would_have_brought_rests_on_outcomes_closed_by_then():
    values = [[0.90, 0.80, 0.70], [0.60, 0.80, 0.70], [0.70, 0.80, 0.90], [0.80, 0.90, 0.70]]
    t = chosen(values).followed.query("rule == 'best_mean'")
    assert t["n_known"].tolist() == [0, 0, 1, 2]  # half a year apart, closed after a year
    assert [c if isinstance(c, str) else None for c in t["chosen"]] == [
        None,
        None,
        "a",
        "b",
    ]  # means of the first two: .75, .80, .70
    assert t["regret"].tolist()[2:] == pytest.approx([0.20, 0.0])


def test_the_runner_up_is_met_draw_by_draw():
    draws = np.array([[[0.5, 0.4, 0.1]], [[0.9, 0.7, 0.1]], [[0.6, 0.7, 0.1]], [[np.nan, 0.7, 0.1]]])
    c = chosen([[0.8, 0.7, 0.6]], draws=draws)
    assert c.difference == pytest.approx(0.1)
    assert (c.low, c.high) == pytest.approx(tuple(np.quantile([0.1, 0.2, -0.1], [0.05, 0.95])))
    assert c.share_better == pytest.approx(2 / 3)


# -- refused -------------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_compared_is_refused():
    other = replace(SPEC, name="other", outcome=replace(SPEC.outcome, horizon_months=6))
    assert [[s.name for s in g] for g in grouped_by_outcome([BOOSTED, other, LOGISTIC])] == [["boosted", "logistic"], ["other"]]
    far = replace(LOGISTIC, split=SplitSpec(step_months=1, min_history_months=6, n_calibrate=1, n_test=1))
    for specs, says in (
        ((), "no specification"),
        ((BOOSTED, other), "different outcomes"),
        ((BOOSTED, replace(LOGISTIC, name="boosted")), "boosted: a name stands for one"),
        ((replace(BOOSTED, name="income"),), "income for the baseline"),
        ((BOOSTED, replace(far, split=replace(far.split, step_months=4))), "a multiple of the 4 months"),
    ):
        with pytest.raises(ConfigError, match=says):
            days_of_backtest(store(), specs, known_on=KNOWN_ON, settings=SETTINGS)
    with pytest.raises(UnknownNameError, match="unknown metric"):
        BacktestSettings(metric="acc")
    with pytest.raises(UnknownNameError, match="unknown rule"):
        BacktestSettings(rule="luck")


def test_a_household_twice_in_a_snapshot_is_refused_before_anything_is_fitted():
    def doubled(on: dt.date, spec: ModelSpec) -> Snapshot:
        made = snapshots()(on, spec)
        return replace(made, table=pd.concat([made.table, made.table.head(2)], ignore_index=True))

    with pytest.raises(DataError, match="holds 2 households twice"):
        backtest(store(), SPECS, known_on=KNOWN_ON, snapshots=doubled, settings=SETTINGS)


@pytest.mark.slow
def test_a_window_with_too_few_events_is_named_before_anything_is_fitted():
    tables = copy_rows(rows())
    for row in tables["income"]:
        row["gross_cny"] = row["gross_cny"] + 5000
    rich = store_of("backtest-rich", tables, delay=20)
    with pytest.raises(NotEnoughDataError, match=r"test of origin 2022-11-30: 0 events among"):
        backtest(rich, SPECS, known_on=KNOWN_ON, snapshots=maker(rich), settings=SETTINGS)


def test_a_score_that_ranks_backwards_is_left_out_and_the_others_are_compared_as_without_it():
    """Only the fit can tell: the hours of the others are not lost for it."""
    richest_first = LearnerSpec("alert_rules", {"must_visit": "income_line_ratio", "alerts": "n_prior_below_line"})
    backwards = replace(SPEC, name="backwards", learner=richest_first)
    both = backtest(store(), [*SPECS, backwards], known_on=KNOWN_ON, snapshots=snapshots(), settings=SETTINGS)
    assert both.left_out["score"].tolist() == ["backwards"]
    assert "risk does not rise with the score" in both.left_out["why"][0]
    assert str(both.left_out["origin"][0]) in both.left_out["why"][0]
    assert [s.name for s in both.specs] == [s.name for s in SPECS]
    pd.testing.assert_frame_equal(both.predictions, found().predictions)
    pd.testing.assert_frame_equal(both.table(), found().table())
    with pytest.raises(NotEnoughDataError, match=r"no specification could be learnt: origin .*backwards"):
        backtest(store(), [backwards], known_on=KNOWN_ON, snapshots=snapshots(), settings=SETTINGS)
