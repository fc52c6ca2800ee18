"""The untreated estimand on tables: who is censored when, what their likes weigh, what it says; and the account without support."""

from __future__ import annotations

import datetime as dt
import functools
import typing
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from returnrisk.config import Estimand, OutcomeSpec, load_model_spec, parse_model_spec
from returnrisk.errors import ConfigError, UnknownNameError
from returnrisk.features.snapshot import Snapshot, build_snapshot
from returnrisk.model_card import model_card
from returnrisk.reports.list_workbook import write_township_workbooks
from returnrisk.reports.texts import text
from returnrisk.store.view import Store
from returnrisk.timeline import Window, add_months, month_end
from returnrisk.training import Training, plan_split, train
from returnrisk.untreated import censor_helped, months_needed, overlap_of, weak_tenths, without_support
from returnrisk.visits import VisitSpec, follow_up, follow_up_counts, select
from tests.feature_households import County, Tables, copy_rows, day, month_starts, store_of
from tests.test_training import KNOWN_ON, SPEC, rows

AS_OF = day("2022-06-30")
YEAR = OutcomeSpec(horizon_months=12)
N = 2000


def snapshot_at(on: dt.date, *, low: np.ndarray) -> Snapshot:
    """Households 0 … N - 1; `low` ones are near the line, and that is all that is known."""
    table = pd.DataFrame(
        {"household_id": np.arange(N), "stratum": "at_risk", "net_head_cny_year": np.where(low, 1.05, 3.0), "line_cny_year": 1.0}
    )
    return Snapshot(table=table, features=(), as_of=on)


def helped_county(starts: dict[int, str]) -> Store:
    county = County(months=month_starts("2022-01", "2022-02"), line=6000, county=999911)
    county.village(999911001001)
    for household, on in starts.items():
        county.household(household, 999911001001)
        county.support(household, "industry", on)
    return store_of("helped", county.tables)


def labels_of(fell: dict[int, str]) -> pd.DataFrame:
    out = pd.DataFrame({"household_id": np.arange(N), "as_of": pd.Timestamp(AS_OF), "y": 0, "event_on": pd.NaT})
    for household, on in fell.items():
        out.loc[household, ["y", "event_on"]] = 1, pd.Timestamp(on)
    return out.astype({"event_on": "datetime64[ns]"})


def censored(starts: dict[int, str], fell: dict[int, str], *, low: np.ndarray | None = None):
    known = helped_county(starts).as_of(day("2024-01-31"))
    near = np.zeros(N, bool) if low is None else low
    return censor_helped(labels_of(fell), known=known, spec=YEAR, snapshots=lambda on: snapshot_at(on, low=near))


def test_only_a_start_after_the_day_and_before_the_outcome_closed_censors():
    starts = {1: "2022-06-30", 2: "2022-07-01", 3: "2023-06-30", 4: "2023-07-01", 5: "2022-10-01", 6: "2022-09-30", 7: "2022-09-02"}
    fell = {5: "2022-09-30", 6: "2022-09-30", 7: "2022-12-31"}
    found = censored(starts, fell).rows.set_index("household_id")
    assert found["helped"][[1, 2, 3, 4, 5, 6, 7]].tolist() == [False, True, True, False, False, True, True]
    assert found["start_month"][[1, 2, 3, 4, 5]].tolist() == [0, 1, 12, 0, 4]
    assert found["y"][[5]].tolist() == [1]
    assert found["y"][[2, 6, 7]].isna().all()
    assert (found["weight"][found["helped"]] == 0).all()
    assert len(found) == N


def test_those_like_the_helped_weigh_more_and_all_weights_add_up_to_all():
    low = np.arange(N) < 400
    starts = {h: f"2022-{7 + h % 6:02d}-15" for h in range(200)} | dict.fromkeys(range(400, 420), "2022-11-10")
    found = censored(starts, {}, low=low)
    weight, stay = found.rows["weight"].to_numpy(), found.rows["stay"].to_numpy()
    assert weight[200:400] == pytest.approx(2.0, rel=0.06)
    assert weight[420:] == pytest.approx(1600 / 1580, rel=0.02)
    assert weight.sum() == pytest.approx(N, rel=0.03)
    assert stay[:400] == pytest.approx(0.5, abs=0.02)
    overlap = overlap_of(found.rows, risk=low.astype(float))
    assert overlap["n_helped"] == 220
    assert overlap["share_no_overlap"] == 0
    assert overlap["effective_size"] < N - 220
    assert overlap["effective_size_by_tenth"][-1] == pytest.approx(0, abs=200)


def test_a_blow_may_make_help_likelier_far_from_the_line_and_rarer_near_it():
    """Two rules of one office; a sum of log-odds would take the struck near the line for helped, and weigh their falls too much."""
    low, struck = np.arange(N) < 1000, np.arange(N) % 2 == 0
    share = np.select([low & struck, low, struck], [0.05, 0.5, 0.3], 0.0)
    helped = np.random.default_rng(0).random(N) < share
    table = snapshot_at(AS_OF, low=low).frame().assign(months_since_disaster=np.where(struck, 2.0, np.nan))
    known = helped_county({h: f"2022-{7 + h % 6:02d}-15" for h in np.flatnonzero(helped)}).as_of(day("2024-01-31"))
    found = censor_helped(
        labels_of({}), known=known, spec=YEAR, snapshots=lambda on: Snapshot(table=table, features=(), as_of=on)
    ).rows
    for group in (low & struck, low & ~struck, ~low & struck, ~low & ~struck):
        stayed = group & ~helped
        assert found["weight"][stayed].mean() == pytest.approx(group.sum() / stayed.sum(), rel=0.06)


def test_tenths_where_hardly_anybody_stayed_unhelped_are_named():
    low = np.arange(N) < 200
    starts = {h: f"2022-{7 + h % 6:02d}-15" for h in range(190)}
    found = censored(starts, {}, low=low)
    overlap = overlap_of(found.rows, risk=low.astype(float))
    assert overlap["effective_size_by_tenth"][-1] <= 10
    assert weak_tenths(overlap) == [10]
    assert weak_tenths(overlap_of(censored({}, {}).rows, risk=low.astype(float))) == []


def test_months_needed_start_at_the_day_and_end_before_the_horizon():
    ends = months_needed([AS_OF, day("2022-09-30")], horizon_months=12)
    assert (ends[0], ends[-1], len(ends)) == (AS_OF, day("2023-08-31"), 15)


@functools.cache
def county_with_help() -> Store:
    """The county of `test_training`, where those who look poor are helped every month with a chance of one in eight."""
    tables, rng = copy_rows(rows()), np.random.default_rng(3)
    income = pd.DataFrame(tables["income"])
    for month, group in income.groupby("period_start"):
        for household, amount in zip(group["household_id"], group["gross_cny"], strict=True):
            if float(amount) < 800 and rng.random() < 0.125:
                start = add_months(month, 2)
                row = {"household_id": household, "measure": "industry", "started_on": start, "delivered": True, "ended_on": None}
                tables.setdefault("support", []).append(row | {"recorded_on": start})
    return with_files(tables, name="training-helped")


def with_files(tables: Tables, *, name: str) -> Store:
    return store_of(name, tables, delay=20)


def trained_on(store: Store, estimand: str) -> Training:
    @functools.cache
    def snapshots(on: dt.date) -> Snapshot:
        return build_snapshot(store.as_of(on), spec=SPEC.outcome, families=SPEC.families)

    @functools.cache
    def monthly(on: dt.date) -> Snapshot:
        return build_snapshot(store.as_of(on), spec=SPEC.outcome, families=("support",))

    spec = replace(SPEC, estimand=estimand)
    split = plan_split(store, spec, known_on=KNOWN_ON)
    return train(store, spec, split=split, known_on=KNOWN_ON, snapshots=snapshots, monthly=monthly)


@functools.cache
def helped_training() -> Training:
    return trained_on(county_with_help(), "untreated")


@pytest.mark.slow
def test_training_leaves_out_the_helped_weighs_the_rest_and_says_so():
    found, plain = helped_training(), trained_on(county_with_help(), "observed")
    assert set(found.overlap) == {"learnt", "test"}
    assert found.overlap["test"]["n_helped"] > 20
    kept = found.accuracy.predictions
    assert len(kept) == len(plain.accuracy.predictions) - found.overlap["test"]["n_helped"]
    assert kept["weight"].sum() == pytest.approx(len(plain.accuracy.predictions), rel=0.1)
    assert plain.overlap == {}
    card = model_card(found, data_fingerprint="x")
    assert card["estimand"] == "untreated"
    assert "假定没有未记录的混杂" in card["limits"][0]
    assert "assuming no unmeasured confounding" in card["limits"][1]
    assert "weighted to stand for all (assuming no unmeasured confounding)" in " ".join(card["limits"])
    assert card["overlap"]["test"]["share_helped"] > 0
    assert len(card["overlap"]["learnt"]["effective_size_by_tenth"]) == 10
    weak = {"effective_size_by_tenth": [9.0] * 9 + [2.0], "rows_by_tenth": [10.0] * 10}
    told = model_card(replace(found, overlap={"learnt": weak}), data_fingerprint="x")["limits"]
    assert "第 10 组" in told[-2]
    assert told[-1].startswith("Overlap fails: of the ten tenths of risk, lowest first, in 10 ")
    fine = {"effective_size_by_tenth": [9.0] * 10, "rows_by_tenth": [10.0] * 10}
    assert "Overlap fails" not in str(model_card(replace(found, overlap={"learnt": fine}), data_fingerprint="x")["limits"])
    observed = model_card(plain, data_fingerprint="x")
    assert "as households are helped today" in observed["limits"][1]
    assert "overlap" not in observed


@pytest.mark.slow
def test_weighted_figures_are_those_of_the_weights():
    from sklearn.metrics import roc_auc_score

    rows = helped_training().accuracy.predictions
    overall = helped_training().accuracy.overall.frame().set_index(["score", "metric"])["value"]
    weighted = roc_auc_score(rows["y"], rows["p_model"], sample_weight=rows["weight"])
    assert overall["model", "auc"] == pytest.approx(weighted, abs=1e-12)
    assert weighted != pytest.approx(roc_auc_score(rows["y"], rows["p_model"]), abs=1e-6)
    brier = np.average((rows["y"] - rows["p_model"]) ** 2, weights=rows["weight"])
    assert overall["model", "brier"] == pytest.approx(brier, abs=1e-12)


@pytest.mark.slow
def test_where_nobody_is_helped_both_estimands_are_one():
    store = with_files(copy_rows(rows()), name="training-unhelped")
    observed, untreated = trained_on(store, "observed"), trained_on(store, "untreated")
    left, right = (t.accuracy.predictions.set_index(["household_id", "as_of"])["p_model"] for t in (observed, untreated))
    pd.testing.assert_series_equal(left, right, check_exact=True)
    assert untreated.overlap["learnt"]["effective_size"] == untreated.overlap["learnt"]["n_rows"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"outcome": {"kind": "hardship"}}, "kind"),
        ({"learner": {"name": "vulnerability"}}, "vulnerability"),
        ({"calibration": {"method": "auto"}}, "auto"),
        ({"estimand": "treated"}, "expected one of 'observed', 'untreated'"),
    ],
)
def test_specifications_that_cannot_be_untreated_are_refused(change, told):
    base = {"schema": 1, "name": "a", "title_zh": "甲", "title_en": "A", "families": ["income"], "estimand": "untreated"}
    assert parse_model_spec(base).estimand == "untreated"
    with pytest.raises(ConfigError, match=told):
        parse_model_spec(base | change)


def test_observed_is_the_default_and_both_are_said_in_two_languages():
    assert load_model_spec("fall-12m").estimand == "observed"
    for estimand in typing.get_args(Estimand):
        said = text(f"estimand.{estimand}")
        assert "概率低不是停止跟踪或帮扶的理由" in said.zh
        assert "ends nobody's follow-up and nobody's help" in said.en


def test_a_low_risk_never_ends_the_follow_up_of_those_monitored_or_below_the_line():
    """Monitored: followed whatever the risk and never ranked; below the line: visited whatever the risk."""
    place = {"village_code": 530123100201, "township_code": 530123100}
    scores = pd.DataFrame({"household_id": range(1, 7), "as_of": pd.Timestamp("2025-09-30"), **place})
    scores["stratum"] = ["monitored", "monitored", "at_risk", "at_risk", "below_line", "not_computable"]
    reasons = pd.DataFrame({"household_id": range(1, 7), "position": 1, "text_zh": "收入下降", "text_en": "income fell"})
    reasons = reasons.assign(verify_zh="核实收入", verify_en="check the income")
    villages = pd.DataFrame([place | {"village_name": "大田村", "township_name": "河口镇"}])
    for risk in (0.0, 0.5, 1.0):
        chosen = select(
            scores.assign(risk=[risk, risk, 0.2, 0.1, risk, 0.05]),
            reasons,
            spec=VisitSpec(per_township=2),
            villages=villages,
            model_version="m/1",
        )
        assert chosen.make_up()["monitored"].tolist() == [2, 2]
        assert chosen.frame().query("kind == 'must_visit'")["household_id"].tolist() == [5]
        assert not set(chosen.frame()["household_id"]) & {1, 2}


def test_the_follow_up_of_the_helped_goes_on_whatever_the_risk():
    county = County(months=month_starts("2022-01", "2022-02"), line=6000, county=999913)
    village = county.village(999913001001)
    for household in range(1, 9):
        county.household(household, village)
    county.support(1, "industry", "2021-01-10")  # running
    county.support(2, "industry", "2021-01-10", ended="2021-08-01", recorded="2021-08-02")
    county.support(3, "industry", "2020-01-10", ended="2021-06-30", recorded="2021-07-01")  # too long ago
    county.support(4, "industry", "2021-01-10", ended="2021-08-01", recorded="2021-08-02")
    county.support(4, "skills", "2021-09-10")
    county.support(5, "skills", "2022-07-01")  # starts after the day
    county.support(6, "skills", "2022-01-01")  # monitored: followed in their own rhythm
    county.support(7, "skills", "2022-01-01", delivered=False)  # promised
    view = store_of("follow-up", county.tables, delay=20).as_of(AS_OF)
    scores = pd.DataFrame({"household_id": range(1, 9), "village_code": village, "township_code": village // 1000})
    scores["stratum"] = ["at_risk", "at_risk", "at_risk", "below_line", "at_risk", "monitored", "not_computable", "at_risk"]
    found = follow_up(view, scores, listed=pd.Series([4, 8]))
    assert found["household_id"].tolist() == [1, 2, 4, 7]
    assert found["state"].tolist() == ["running", "ended", "running", "running"]
    assert found["reason_zh"].tolist()[:2] == ["帮扶中·继续跟踪", "帮扶到期·继续跟踪"]
    assert found["on_list"].tolist() == [False, False, True, False]
    assert follow_up_counts(found).values.tolist() == [[village // 1000, 4, 3]]
    assert follow_up(view, scores, listed=pd.Series([4]), months=0)["household_id"].tolist() == [1, 4, 7]
    assert follow_up(view, scores, listed=pd.Series([4]), months=13)["household_id"].tolist() == [1, 2, 3, 4, 7]
    for risk in (0.0, 1.0):  # nothing that a model says enters
        pd.testing.assert_frame_equal(
            follow_up(view, scores.sample(frac=1, random_state=1).assign(risk=risk), listed=pd.Series([4, 8])), found
        )
    with pytest.raises(ConfigError, match="months"):
        follow_up(view, scores, listed=pd.Series([4]), months=-1)


def test_the_workbook_says_who_is_followed_and_how_many_no_place_reaches(tmp_path):
    from openpyxl import load_workbook

    place = {"township_code": 530123100, "village_name": "大田村"}
    row = dict.fromkeys(("reason_1_zh", "reason_1_en", "verify_zh", "verify_en"), "…") | {
        "kind": "model",
        "computable": True,
        "risk": 0.2,
    }
    row |= place | {"as_of": "2025-09-30", "township_name": "河口镇", "rank": 1, "household_id": 11, "pseudonym": "0000-0000-0000B"}
    listed = pd.DataFrame([row | {"tier": "high", "model_version": "fall-12m/1"}])
    register = pd.DataFrame({"household_id": [12, 11], "pseudonym": ["P-12", "P-11"], "on_list": [False, True]}).assign(**place)
    register = register.assign(reason_zh="帮扶中·继续跟踪", reason_en="help running")
    counts = follow_up_counts(register)
    make_up = counts.assign(capacity=1, listed=1, left_out=3, monitored=2, over_capacity=0, ties_at_cut=0)
    (path,) = write_township_workbooks(listed, None, tmp_path, horizon_months=12, make_up=make_up, follow_up=register)
    book = load_workbook(path)
    cells = [[c.value for c in r] for r in book["继续跟踪"].iter_rows(min_row=3)]
    assert [c[4:] for c in cells] == [
        ["P-11", "帮扶中·继续跟踪", "在走访名单上"],
        ["P-12", "帮扶中·继续跟踪", "不在名单，另行安排"],
    ]
    notes = " ".join(str(c.value) for r in book["说明 Notes"].iter_rows() for c in r)
    assert "2 户（见“继续跟踪”表）" in notes
    assert "其中 1 户不在本名单" in notes


def test_account_without_support():
    months = month_starts("2022-01", "2022-12")
    county = County(months=months, line=6000, county=999912)
    village = county.village(999912001001)
    county.deliver(village // 1000, tables=("income",), without={"income": []})
    for household in (1, 2, 3):
        county.household(household, village, members=[{}, {}])
    county.income(1, "wage", "local_work", months, Decimal("900.00"))
    county.income(1, "transfer", "dibao", months, Decimal("200.00"))
    county.income(2, "wage", "local_work", months, Decimal("1000.00"))
    county.income(2, "transfer", "dibao", months, Decimal("0.01"))
    county.income(3, "wage", "public_post", months, Decimal("1200.00"))
    view = store_of("without-support", county.tables, delay=20).as_of(day("2023-01-31"))
    spec = OutcomeSpec(window=Window("trailing", 12))
    found = without_support(view, spec=spec).set_index("household_id")
    assert found["net_head_cny_year"].tolist() == [6600.0, pytest.approx(6000.06), 7200.0]
    assert found["support_head_cny_year"].tolist() == [1200.0, pytest.approx(0.06), 0.0]
    assert found["without_head_cny_year"].tolist() == [5400.0, 6000.0, 7200.0]
    assert found["below"].tolist() == [False, False, False]
    assert found["below_without"].tolist() == [True, False, False]  # on the line is not below it
    without_posts = without_support(view, spec=spec, items=("public_post",)).set_index("household_id")
    assert without_posts["below_without"].tolist() == [False, False, True]
    assert month_end(found["ending_on"].iloc[0].date()) == day("2022-12-31")
    with pytest.raises(UnknownNameError, match="dibao"):
        without_support(view, spec=spec, items=("dibaoo",))
    with pytest.raises(ConfigError, match="empty"):
        without_support(view, spec=spec, items=())
