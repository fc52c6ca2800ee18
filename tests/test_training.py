"""Training: which days, which labels, and that nothing learnt later enters the model."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from returnrisk.config import EvaluationSpec, LearnerSpec, ModelSpec, OutcomeSpec, SplitSpec, load_model_spec
from returnrisk.errors import ConfigError, NotEnoughDataError
from returnrisk.features.snapshot import Snapshot, build_snapshot
from returnrisk.outcomes import fall_labels
from returnrisk.store.view import Store, open_store
from returnrisk.timeline import Window, add_months, last_closed_month_end, month_end
from returnrisk.training import SCORES, Training, candidate_days, labelled_rows, plan_split, train
from returnrisk.training_input import MINIMUM_EVENTS
from tests.feature_households import MINI_KEY, County, Tables, copy_rows, day, month_starts, store_of

KNOWN_ON = day("2023-07-31")
SPEC = ModelSpec(
    schema=1, name="quick", title_zh="试", title_en="trial", families=("income",),
    outcome=OutcomeSpec(horizon_months=3, window=Window("trailing", 3), settlement="month_end", min_months=3),
    split=SplitSpec(step_months=2, min_history_months=6, n_calibrate=1, n_test=1),
    learner=LearnerSpec("lightgbm", {"n_estimators": 40, "num_leaves": 6, "min_child_samples": 20, "bagging_fraction": 0.7}),
    evaluation=EvaluationSpec(n_bootstrap=20),
)  # fmt: skip
N_HOUSEHOLDS = 400


@functools.cache
def rows() -> Tables:
    """400 households in ten villages, months July 2021 to June 2023: levels persist, months vary; many live near the line of 6 000."""
    rng = np.random.default_rng(7)
    county = County(months=month_starts("2021-07", "2023-06"), line=6000, county=999905)
    villages = [county.village(999905000000 + (1 + k // 5) * 1000 + k) for k in range(10)]
    for township in sorted({v // 1000 for v in villages}):
        county.deliver(township, tables=("income",))
    level = np.exp(rng.normal(np.log(900), 0.5, N_HOUSEHOLDS))
    state = rng.normal(0, 0.3, N_HOUSEHOLDS)
    for i in range(N_HOUSEHOLDS):
        county.household(1000 + i, villages[i % len(villages)])
    for month in county.months:
        state = 0.8 * state + rng.normal(0, 0.3, N_HOUSEHOLDS)
        for i, amount in enumerate(np.round(level * np.exp(state), 2)):
            county.income(1000 + i, "wage", "local_work", [month], Decimal(f"{amount:.2f}"))
    return county.tables


@functools.cache
def store() -> Store:
    return store_of("training", rows(), delay=20)


def snapshots_of(source: Store):
    @functools.cache
    def make(on: dt.date) -> Snapshot:
        return build_snapshot(source.as_of(on), spec=SPEC.outcome, families=SPEC.families)

    return make


snapshots = functools.cache(lambda: snapshots_of(store()))


def trained_on(source: Store, *, maker: Any = None, **options: Any) -> Training:
    """A training on the labels of `source`; snapshots from the county as it is unless a maker is given."""
    split = plan_split(source, SPEC, known_on=KNOWN_ON)
    return train(source, SPEC, split=split, known_on=KNOWN_ON, snapshots=maker or snapshots(), **options)


def metric(found: Training, name: str) -> pd.DataFrame:
    """Rows of one metric by score: value, low, high, n, base_rate."""
    frame = found.frame()
    return frame[frame["metric"] == name].set_index("score")


@functools.cache
def training() -> Training:
    return trained_on(store())


# -- days ----------------------------------------------------------------------------------------------------------------------


def test_candidate_days_by_hand():
    days = candidate_days(day("2021-01-01"), day("2022-06-15"), step_months=2, min_history_months=12, delay_days=20)
    # twelve months since January 2021 were reported by 20 January 2022: 31 January is too early on this grid, which ends in June
    assert days == [day("2022-02-28"), day("2022-04-30"), day("2022-06-30")]
    assert candidate_days(day("2022-01-01"), day("2022-06-30"), step_months=1, min_history_months=12, delay_days=0) == []


@given(
    st.dates(dt.date(2015, 1, 1), dt.date(2020, 12, 31)),
    st.integers(0, 80),
    st.sampled_from([1, 2, 3, 6]),
    st.integers(1, 24),
    st.integers(0, 60),
)
def test_candidate_days_have_their_history_and_none_is_left_out(first, later, step, history, delay):
    first = first.replace(day=1)
    last = month_end(add_months(first, later))
    days = candidate_days(first, last, step_months=step, min_history_months=history, delay_days=delay)
    assert days == sorted(set(days))
    needed = month_end(add_months(first, history - 1))
    for k in range(later // step + 2):
        on = add_months(last, -step * k)
        assert (on in days) == (last_closed_month_end(on, delay_days=delay) >= needed)


def test_the_plan_by_hand():
    split = plan_split(store(), SPEC, known_on=KNOWN_ON)
    assert split.test == (day("2023-03-31"),)  # to 30 June, known on 20 July
    assert split.calibrate == (day("2022-11-30"),)  # to 28 February, known on 20 March
    assert split.fit == tuple(
        day(x) for x in ("2022-01-31", "2022-03-31", "2022-05-31", "2022-07-31")
    )  # to 31 October, known on 20 November


def test_training_known_on_a_given_day_tests_on_all_that_comes_after():
    split = plan_split(store(), SPEC, known_on=KNOWN_ON, train_known_on=day("2022-12-31"))
    assert split.test == (day("2023-01-31"), day("2023-03-31"))
    assert split.calibrate == (day("2022-07-31"),)  # to 31 October, known on 20 November; the next on this grid ends in December
    assert split.fit == tuple(day(x) for x in ("2022-01-31", "2022-03-31"))
    later = plan_split(store(), SPEC, known_on=KNOWN_ON, train_known_on=day("2022-12-31"), test_from=day("2023-03-01"))
    assert later.test == (day("2023-03-31"),)
    assert later.fit == split.fit


def test_a_first_test_day_alone_is_refused_and_not_ignored():
    with pytest.raises(ConfigError, match="test_from is given without train_known_on"):
        plan_split(store(), SPEC, known_on=KNOWN_ON, test_from=day("2023-06-30"))


@pytest.mark.parametrize(("known_on", "what"), [("2021-07-31", "no income on file"), ("2022-04-30", "no days left to")])
def test_a_history_too_short_is_refused(known_on: str, what: str):
    with pytest.raises(NotEnoughDataError, match=what):
        plan_split(store(), SPEC, known_on=day(known_on))


# -- labelled rows -------------------------------------------------------------------------------------------------------------


def test_labelled_rows_are_those_at_risk_with_a_closed_outcome():
    days = [day("2022-05-31"), day("2022-07-31")]
    found, counts = labelled_rows(store(), SPEC, days, known_on=KNOWN_ON, snapshots=snapshots())
    assert found["y"].dtype == np.int8
    assert found.groupby("as_of")["household_id"].apply(lambda h: h.is_monotonic_increasing).all()
    assert list(found["as_of"].drop_duplicates()) == [pd.Timestamp(d) for d in days]
    for on in days:
        table = snapshots()(on).frame()
        at_risk = table[table["stratum"] == "at_risk"]
        labels = fall_labels(at_risk, as_of=on, known=store().as_of(KNOWN_ON), spec=SPEC.outcome).frame().dropna(subset="y")
        own = found[found["as_of"] == pd.Timestamp(on)]
        assert own.set_index("household_id")["y"].to_dict() == labels.set_index("household_id")["y"].to_dict()
        assert counts.loc[counts["as_of"] == pd.Timestamp(on), "households"].sum() == len(at_risk)
        assert 0 < own["y"].mean() < 0.5


def test_an_open_horizon_gives_no_rows_and_is_counted():
    on = day("2023-05-31")  # July has not been reported by the end of July
    found, counts = labelled_rows(store(), SPEC, [on], known_on=KNOWN_ON, snapshots=snapshots())
    assert found.empty
    assert counts["status"].tolist() == ["censored"]
    assert counts["households"].sum() == (snapshots()(on).frame()["stratum"] == "at_risk").sum()


# -- a model -------------------------------------------------------------------------------------------------------------------


def test_what_a_training_holds():
    found = training()
    assert set(found.scores) == set(SCORES)
    assert [f.name for f in found.features] == snapshots()(KNOWN_ON).names
    expected, _ = labelled_rows(store(), SPEC, found.split.test, known_on=KNOWN_ON, snapshots=snapshots())
    assert list(found.accuracy.predictions.columns) == [
        "household_id",
        "as_of",
        "village_code",
        "seen_below",
        "y",
        "p_model",
        "p_logistic",
        "p_income",
        "group_township_code",
        "group_head_sex",
        "group_head_ethnicity",
        "group_seen_below",
        "group_minority_area",
    ]
    pd.testing.assert_frame_equal(
        found.accuracy.predictions[["household_id", "as_of", "y"]], expected[["household_id", "as_of", "y"]]
    )
    risks = found.accuracy.predictions[[f"p_{s}" for s in SCORES]]
    assert risks.gt(0).all(axis=None)
    assert risks.lt(1).all(axis=None)
    auc = metric(found, "auc")
    assert set(auc.index) == set(SCORES)
    assert (auc["n"] == len(expected)).all()
    assert auc["base_rate"].tolist() == pytest.approx([expected["y"].mean()] * 3)
    assert (auc["value"] > 0.6).all()


def test_label_counts_cover_every_household_at_risk():
    found = training()
    counts = found.label_counts
    assert list(counts["part"].drop_duplicates()) == ["fit", "calibrate", "refit", "test"]
    for part, days in (("fit", found.split.fit), ("calibrate", found.split.calibrate), ("test", found.split.test)):
        at_risk = sum((snapshots()(on).frame()["stratum"] == "at_risk").sum() for on in days)
        assert counts.loc[counts["part"] == part, "households"].sum() == at_risk
    assert not counts["status"].eq("censored").any()


def test_income_alone_ranks_by_income_and_nothing_else():
    found = training()
    on = found.split.test[0]
    own = found.accuracy.predictions.merge(snapshots()(on).frame()[["household_id", "income_line_ratio"]], on="household_id")
    ordered = own.sort_values("income_line_ratio")
    assert ordered["p_income"].is_monotonic_decreasing
    assert own["p_income"].nunique() > 20


@functools.cache
def training_again() -> tuple[Training, list[tuple[str, int, int]]]:
    """The same once more, and the progress that was reported."""
    seen: list[tuple[str, int, int]] = []
    return trained_on(store(), progress=lambda *step: seen.append(step)), seen


def test_training_again_gives_the_same_bits_and_another_seed_another_model():
    again, _ = training_again()
    pd.testing.assert_frame_equal(again.accuracy.predictions, training().accuracy.predictions, check_exact=True)
    pd.testing.assert_frame_equal(again.frame(), training().frame(), check_exact=True)
    other = trained_on(store(), seed=1)
    assert (other.accuracy.predictions["p_model"] != training().accuracy.predictions["p_model"]).any()
    pd.testing.assert_series_equal(other.accuracy.predictions["p_income"], training().accuracy.predictions["p_income"])


def test_progress_is_reported_stage_by_stage():
    _, seen = training_again()
    assert [name for name, _, _ in seen] == ["label"] * 4 + ["fit"] * 3 + ["evaluate"]
    assert all(0 <= done < total for _, done, total in seen)


# -- nothing learnt later ------------------------------------------------------------------------------------------------------


def corrected(tables: Tables, *, recorded_on: dt.date) -> Tables:
    """Wages since April 2022 of every second household are corrected on a day: high becomes low and low becomes high."""
    changed = copy_rows(tables)
    changed["income"] += [
        {
            **row,
            "gross_cny": Decimal(700) if row["gross_cny"] < 500 else Decimal(90),
            "recorded_on": max(recorded_on, row["recorded_on"] + dt.timedelta(days=1)),
        }
        for row in tables["income"]
        if row["period_start"] >= day("2022-04-01") and row["household_id"] % 2
    ]
    return changed


def risks_on(fitted: Training, on: dt.date) -> dict[str, np.ndarray]:
    matrix = snapshots()(on).matrix()
    return {name: score.risk(matrix) for name, score in fitted.scores.items()}


def test_labels_for_training_are_those_known_on_the_first_test_day():
    """Corrections recorded the day after the first test day turn past outcomes round: the model may not hear of it, its test must."""
    first_test = training().split.test[0]
    after = trained_on(store_of("after", corrected(rows(), recorded_on=first_test + dt.timedelta(days=1)), delay=20))
    assert after.split == training().split
    for name, risk in risks_on(training(), first_test).items():
        assert risk.tobytes() == risks_on(after, first_test)[name].tobytes(), name
    assert after.accuracy.predictions["household_id"].equals(training().accuracy.predictions["household_id"])
    assert (after.accuracy.predictions["y"] != training().accuracy.predictions["y"]).any()


def test_corrections_known_on_the_first_test_day_do_reach_the_model():
    """The control: a day earlier they are known."""
    first_test = training().split.test[0]
    before = trained_on(store_of("before", corrected(rows(), recorded_on=first_test), delay=20))
    for name, risk in risks_on(training(), first_test).items():
        assert (risk != risks_on(before, first_test)[name]).mean() > 0.5, name


# -- too little ----------------------------------------------------------------------------------------------------------------


def test_too_few_events_are_refused_with_their_number():
    tables = copy_rows(rows())
    for row in tables["income"]:
        row["gross_cny"] += 2000
    rich = store_of("rich", tables, delay=20)
    with pytest.raises(NotEnoughDataError, match=rf"fit: 0 events among \d+ household-days; at least {MINIMUM_EVENTS}"):
        trained_on(rich)


@pytest.mark.parametrize("part", ["calibrate", "test"])
def test_too_few_events_in_any_part_are_refused(part: str):
    """A part of three villages' households has fewer than twenty events; the others keep theirs."""
    split = training().split
    few = set(getattr(split, part))

    def make(on: dt.date) -> Snapshot:
        snapshot = snapshots()(on)
        return replace(snapshot, table=snapshot.table.head(60)) if on in few else snapshot

    with pytest.raises(NotEnoughDataError, match=f"^{part}: "):
        trained_on(store(), maker=make)


# -- the whole way -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_simulated_county_end_to_end(tmp_path: Path):
    """1 200 simulated households × 66 months through files and ingest; half a year ahead, so that there are events enough."""
    from returnrisk.ingest.inbox import ingest_inbox
    from returnrisk.simulate import simulate_county, write_inbox

    county = simulate_county(n_households=1200, months=66, seed=3)
    write_inbox(county, tmp_path / "inbox")
    ingest_inbox(tmp_path / "inbox", tmp_path / "store", key=MINI_KEY)
    source = open_store(tmp_path / "store")
    shipped = load_model_spec("fall-12m")
    spec = replace(shipped, outcome=replace(shipped.outcome, horizon_months=6))

    @functools.cache
    def make(on: dt.date) -> Snapshot:
        return build_snapshot(source.as_of(on), spec=spec.outcome, families=spec.families)

    split = plan_split(source, spec, known_on=county.end)
    found = train(source, spec, split=split, known_on=county.end, snapshots=make)
    auc = metric(found, "auc")
    assert auc.loc["model", "n"] == len(found.accuracy.predictions)
    assert len(found.accuracy.predictions) > 500
    assert auc.loc["model", "value"] > 0.7
    assert (auc["low"] < auc["value"]).all()
    assert (auc["value"] < auc["high"]).all()
    assert found.accuracy.predictions["p_model"].mean() == pytest.approx(found.accuracy.predictions["y"].mean(), abs=0.03)
