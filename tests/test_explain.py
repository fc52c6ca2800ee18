"""Reasons: additive or refused, ordered, comparable, dated, and in words a cadre can check."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from returnrisk.config import OutcomeSpec
from returnrisk.errors import ExplanationError
from returnrisk.explain import Contributions, below_line_reasons, contributions, explain_rows, reasons_for
from returnrisk.explain.reasons import MINIMUM_COMPARED, REASON_COLUMNS
from returnrisk.explain.words import amount, reason_texts
from returnrisk.features.catalogue import Feature
from returnrisk.features.families import FAMILIES, catalogue
from returnrisk.features.snapshot import Snapshot, build_snapshot
from returnrisk.models import make_learner
from tests.feature_households import day, rough_store

ENTRIES = {f.name: f for f in catalogue()}


# -- additivity ----------------------------------------------------------------------------------------------------------------


@dataclass
class FakeLearner:
    """Adds up its matrix; `error` is what each row's contributions miss."""

    error: Any = 0.0
    seen: int = 0

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return X.sum(axis=1) + 0.5

    def contributions(self, X: np.ndarray) -> np.ndarray:
        error = self.error[self.seen :][: len(X)] if isinstance(self.error, list) else self.error
        self.seen += len(X)
        values = np.column_stack([X, np.full(len(X), 0.5)])
        values[:, 0] += error
        return values


X = np.arange(12.0).reshape(4, 3)


def test_contributions_base_and_gap():
    found = explain_rows(FakeLearner(), X)
    assert found.values.tolist() == X.tolist()
    assert found.base == 0.5
    assert found.largest_gap == 0


@pytest.mark.parametrize("error", [1e-5, -3.0, float("nan"), float("inf")])
def test_contributions_that_do_not_add_up_are_refused(error: float):
    with pytest.raises(ExplanationError, match=r"contributions of 1 of 4 rows miss the score"):
        explain_rows(FakeLearner(error=[0, 0, error, 0]), X)


def test_the_last_bits_of_a_double_are_forgiven():
    assert explain_rows(FakeLearner(error=1e-9), X).largest_gap == pytest.approx(1e-9, rel=1e-3)


def test_every_chunk_is_explained_and_checked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(contributions, "CHUNK_ROWS", 3)
    many = np.arange(30.0).reshape(10, 3)
    assert explain_rows(FakeLearner(), many).values.tolist() == many.tolist()
    with pytest.raises(ExplanationError, match="1 of 10 rows"):
        explain_rows(FakeLearner(error=[0] * 9 + [1]), many)


def test_nobody_to_explain_is_no_error():
    found = explain_rows(FakeLearner(), X[:0])
    assert found.values.shape == (0, 3)


@functools.cache
def county() -> Snapshot:
    return build_snapshot(rough_store().as_of(day("2022-03-31")), spec=OutcomeSpec(min_months=9))


@functools.cache
def explained() -> tuple[Any, Contributions]:
    """Trees grown on the rough county (on who is poor for his age, so that several families speak), and their contributions."""
    matrix = county().matrix()
    ranks = county().frame()[["income_line_ratio", "head_age"]].rank(pct=True).fillna(0.5)
    y = ranks["income_line_ratio"].to_numpy() < ranks["head_age"].to_numpy()
    settings = {"n_estimators": 30, "num_leaves": 6, "min_child_samples": 5, "learning_rate": 0.2}
    learner = make_learner("lightgbm", feature_names=county().names, params=settings).fit(matrix, y.astype(int))
    return learner, explain_rows(learner, matrix)


def test_real_trees_add_up():
    learner, found = explained()
    total = found.base + found.values.sum(axis=1)
    assert total == pytest.approx(learner.decision_function(county().matrix()), abs=1e-9)
    assert np.abs(found.values).max() > 0.1


# -- reasons by hand -----------------------------------------------------------------------------------------------------------

PICKED = (
    "income_line_ratio",
    "income_change_12m",
    "n_inpatient_12m",
    "months_since_inpatient",
    "dibao_cancelled_12m",
    "has_public_post",
    "head_age",
)
FEATURES = tuple(ENTRIES[name] for name in PICKED)
TOWN_A, TOWN_B = 999901001, 999901002
DATES = {
    "on_income": "2024-08-20",
    "on_medical": "2024-07-01",
    "on_subsidy": "2024-06-15",
    "on_support": None,
    "on_member": "2022-01-01",
}


def population() -> pd.DataFrame:
    """Six households of township A and two of township B (too few to compare with)."""
    rows = [
        # household, town, income, change, stays, months since, dibao lost, public post, age
        (1, TOWN_A, 1.0, -0.5, 0, np.nan, 1, 0, 40),
        (2, TOWN_A, 2.0, 0.1, 1, 3, 0, 1, 50),
        (3, TOWN_A, 3.0, 0.2, 2, 6, 0, 1, 60),
        (4, TOWN_A, 4.0, np.nan, 3, 9, 0, 1, 70),
        (5, TOWN_A, 5.0, np.nan, 4, np.nan, 0, 0, 80),
        (6, TOWN_A, np.nan, np.nan, np.nan, np.nan, 0, 0, np.nan),
        (7, TOWN_B, 9.0, 0.4, 5, 12, 1, 0, 20),
        (8, TOWN_B, 11.0, 0.4, 7, 15, 1, 1, 30),
    ]
    frame = pd.DataFrame(rows, columns=["household_id", "township_code", *PICKED]).astype(dict.fromkeys(PICKED, "float32"))
    return frame.assign(line_cny_year=8000.0, **{c: pd.to_datetime(d) for c, d in DATES.items()})


def reasons(values: list[list[float]], *, households: list[int], top: int = 3) -> pd.DataFrame:
    rows = population().set_index("household_id").loc[households].reset_index()
    given = Contributions(values=np.array(values), base=-3.0, largest_gap=0.0)
    return reasons_for(rows, given, features=FEATURES, population=population(), top=top)


def test_families_are_summed_ordered_and_cut():
    found = reasons([[0.5, 0.4, 0.2, 0.1, 1.0, -0.5, 0.05]], households=[1], top=3)
    assert found["family"].tolist() == ["subsidy", "income", "illness"]
    assert found["position"].tolist() == [1, 2, 3]
    assert found["contribution"].tolist() == pytest.approx([1.0, 0.9, 0.3])
    assert list(found.columns) == list(REASON_COLUMNS)


def test_only_families_that_raise_the_risk_are_reasons():
    found = reasons([[0.5, -0.6, 0.2, 0.1, -1.0, -0.5, 0.05]], households=[2], top=5)
    assert found["family"].tolist() == ["illness", "household"]


def test_everybody_has_a_reason_the_least_lowering_one_when_none_raises():
    found = reasons([[-0.5, -0.6, -0.2, -0.1, -1.0, -0.5, -0.4]], households=[2])
    assert found["family"].tolist() == ["illness"]
    assert found["contribution"].tolist() == pytest.approx([-0.3])


def test_equal_families_keep_the_order_of_the_features():
    found = reasons([[0.25, 0.25, 0.5, 0.0, 0.5, 0.5, 0.5]], households=[2], top=5)
    assert found["family"].tolist() == ["income", "illness", "subsidy", "support", "household"]


def test_a_family_is_shown_by_its_weightiest_recorded_fact():
    found = reasons([[0.1, 0.9, 0.3, 0.8, 0, 0, 0], [0.1, 0.9, 0.3, 0.8, 0, 0, 0]], households=[1, 4], top=2)
    shown = {(row.household_id, row.family): row.feature for row in found.itertuples()}
    assert shown == {
        (1, "income"): "income_change_12m",
        (1, "illness"): "n_inpatient_12m",  # months since a stay: none recorded
        (4, "income"): "income_line_ratio",  # the change is not recorded
        (4, "illness"): "months_since_inpatient",
    }


def test_a_family_without_any_record_says_so():
    found = reasons([[0.4, 0.5, 0.9, 0, 0, 0, 0]], households=[6], top=2)
    assert found["text_zh"].str.contains("无记录，请现场核实").all()
    assert found["text_en"].str.contains("no record, please find out").all()
    assert found["value"].isna().all()
    assert not found["text_zh"].str.contains("nan|中位数").any()


def test_comparisons_are_the_townships_or_the_countys_where_it_is_too_small():
    everything = [1.0, 0, 1.0, 0, 1.0, 1.0, 1.0]
    found = reasons([everything, everything], households=[2, 7], top=5).set_index(["household_id", "feature"])["comparison"]
    assert found[2, "income_line_ratio"] == 3.0  # of 1, 2, 3, 4, 5; one is not recorded
    assert found[2, "n_inpatient_12m"] == 2.0
    assert found[2, "dibao_cancelled_12m"] == pytest.approx(1 / 6)
    assert found[2, "has_public_post"] == 0.5
    assert found[7, "income_line_ratio"] == 4.0  # two in the township: the county's 1, 2, 3, 4, 5, 9, 11
    assert found[7, "dibao_cancelled_12m"] == pytest.approx(3 / 8)
    assert MINIMUM_COMPARED == 5


def test_a_comparison_with_the_county_is_not_called_the_townships():
    found = reasons([[1.0, 0, 0, 0, 0.5, 0, 0]], households=[7], top=2)
    assert not found["text_zh"].str.contains("同乡镇").any()
    assert not found["text_en"].str.contains("township").any()


def test_value_date_and_text_are_the_households_own():
    found = reasons([[1.0, 0, 0.5, 0, 0, 0.2, 0]], households=[2]).set_index("feature")
    assert found["value"].to_dict() == {"income_line_ratio": 2.0, "n_inpatient_12m": 1.0, "has_public_post": 1.0}
    assert [None if pd.isna(d) else f"{d:%Y-%m-%d}" for d in found["record_date"]] == ["2024-08-20", "2024-07-01", None]
    assert found.loc["income_line_ratio", "text_zh"] == "人均纯收入：16,000元（同乡镇中位数24,000元，登记于2024-08-20）"
    assert (
        found.loc["income_line_ratio", "text_en"]
        == "net income per head: 16,000 yuan (township median 24,000 yuan, recorded 2024-08-20)"
    )
    assert found.loc["has_public_post", "text_zh"] == f"{ENTRIES['has_public_post'].zh}：是（同乡镇50%的户如此）"
    assert found.loc["n_inpatient_12m", "verify_zh"] == ENTRIES["n_inpatient_12m"].verify_zh


def test_a_no_is_compared_with_the_noes():
    """One of six lost 低保; a household that did not is like the other 83%, not like 17%."""
    found = reasons([[0, 0, 0, 0, 1.0, 0, 0]], households=[3], top=1)
    assert found["text_zh"].tolist() == [f"{ENTRIES['dibao_cancelled_12m'].zh}：否（同乡镇83%的户如此，登记于2024-06-15）"]
    assert found["text_en"].str.contains("no (83% of the township", regex=False).all()


def test_a_figure_nobody_can_check_is_shown_by_the_one_that_can():
    logged, plain = ENTRIES["income_log_ratio"], ENTRIES["income_line_ratio"]
    assert logged.shown_as == plain.name
    rows = population().assign(income_log_ratio=np.float32(math.log(0.05)), income_line_ratio=np.float32(-0.25))
    given = Contributions(values=np.array([[2.0, 0.1]] * len(rows)), base=0.0, largest_gap=0.0)
    found = reasons_for(rows, given, features=(logged, plain), population=rows, top=1)
    assert set(found["feature"]) == {"income_line_ratio"}
    assert found["text_zh"].str.contains("：-2,000元", regex=False).all()
    assert found["contribution"].tolist() == pytest.approx([2.1] * len(rows))


def test_nobody_to_explain_gives_an_empty_frame():
    rows = population()
    given = Contributions(values=np.zeros((0, len(FEATURES))), base=0.0, largest_gap=0.0)
    found = reasons_for(rows.iloc[:0], given, features=FEATURES, population=rows, top=3)
    assert list(found.columns) == list(REASON_COLUMNS)
    assert found.empty


# -- what holds for every county and every contribution ------------------------------------------------------------------------


def every_reason(values: np.ndarray, *, top: int) -> pd.DataFrame:
    given = Contributions(values=values, base=0.0, largest_gap=0.0)
    return reasons_for(county().frame(), given, features=county().features, population=county().frame(), top=top)


@pytest.mark.parametrize("seed", range(3))
def test_reasons_of_random_contributions(seed: int):
    values = np.random.default_rng(seed).normal(size=county().matrix().shape) - 0.05
    found, frame = every_reason(values, top=3), county().frame()
    assert set(found["household_id"]) == set(frame["household_id"])
    assert found[["household_id", "position"]].equals(found[["household_id", "position"]].sort_values(["household_id", "position"]))
    family = {f.name: f.family for f in county().features}
    place = {h: i for i, h in enumerate(frame["household_id"])}
    for household, own in found.groupby("household_id"):
        sums = {name: sum(values[place[household], [f.family == name for f in county().features]]) for name in FAMILIES}
        expected = sorted((v for v in sums.values() if v > 0), reverse=True)[:3] or [max(sums.values())]
        assert own["position"].tolist() == list(range(1, len(own) + 1))
        assert own["contribution"].tolist() == pytest.approx(expected, abs=1e-12)
        assert [sums[f] for f in own["family"]] == pytest.approx(own["contribution"].tolist(), abs=1e-12)
        assert [family[name] for name in own["feature"]] == own["family"].tolist()


def test_family_sums_of_real_trees_add_up_to_the_score():
    _, found = explained()
    raising = every_reason(found.values, top=len(FAMILIES)).groupby("household_id")["contribution"].sum()
    lowering = every_reason(-found.values, top=len(FAMILIES)).groupby("household_id")["contribution"].sum()
    both_signs = {  # a household whose families all point one way shows one of the other sign all the same
        h for h, v in zip(county().frame()["household_id"], found.values, strict=True) if _has_both_signs(v)
    }
    total = dict(zip(county().frame()["household_id"], found.values.sum(axis=1), strict=True))
    assert len(both_signs) > 50
    for household in both_signs:
        assert raising[household] - lowering[household] == pytest.approx(total[household], abs=1e-9)


def _has_both_signs(row: np.ndarray) -> bool:
    sums = [row[[f.family == name for f in county().features]].sum() for name in FAMILIES]
    return min(sums) < 0 < max(sums)


def test_reasons_of_real_trees_show_what_is_on_record():
    _, found = explained()
    shown, frame = every_reason(found.values, top=3), county().frame().set_index("household_id")
    for row in shown.itertuples():
        own = frame.loc[row.household_id]
        assert row.value == pytest.approx(float(own[row.feature]), nan_ok=True)
        recorded = own[f"on_{ENTRIES[row.feature].record}"]
        assert row.record_date == recorded or (pd.isna(row.record_date) and pd.isna(recorded))
        assert (f"{recorded:%Y-%m-%d}" in row.text_zh) if not pd.isna(recorded) and not math.isnan(row.value) else True
    assert shown["text_zh"].str.contains("登记于").any()


def test_no_text_speaks_of_a_protected_attribute_or_an_attitude():
    _, found = explained()
    shown = every_reason(found.values, top=3)
    texts = [*shown["text_zh"], *shown["text_en"], *shown["verify_zh"], *shown["verify_en"]]
    texts += [t for f in catalogue() for t in (f.zh, f.en, f.verify_zh, f.verify_en)]
    refused = ("性别", "民族", "男", "女", "宗教", "等靠要", "懒", "违法", "犯罪", "计划生育", "ethnic", "minority", "female", " male", "sex", "religio", "lazy", "attitude", "crime")  # fmt: skip
    assert not [(word, text) for text in texts for word in refused if word in text.lower()]


def test_an_offices_failure_is_not_worded_as_the_households():
    failures = [
        f
        for f in catalogue()
        if f.name in ("n_support_undelivered", "disabled_without_subsidy", "n_cancelled_12m", "n_without_health_cover")
    ]
    assert len(failures) == 4
    assert {f.responsible for f in failures} == {"office"}


# -- below the line ------------------------------------------------------------------------------------------------------------


def test_must_visits_say_how_far_below_the_line():
    rows = pd.DataFrame(
        {
            "household_id": [9, 3],
            "net_head_cny_year": [7999.99, -120.5],
            "line_cny_year": [8000.0, 8000.0],
            "account_on": pd.to_datetime(["2024-08-31"] * 2),
            "on_income": [pd.Timestamp("2024-09-20"), pd.NaT],
        }
    )
    found = below_line_reasons(rows).set_index("household_id")
    assert list(found.index) == [3, 9]
    assert found.loc[9, "text_zh"].startswith("人均纯收入7,999元，已低于监测线8,000元")
    assert "截至2024-08-31" in found.loc[9, "text_zh"]
    assert found.loc[9, "record_date"] == pd.Timestamp("2024-09-20")
    assert "-121" in found.loc[3, "text_zh"]
    assert found["value"].tolist() == pytest.approx([-120.5 / 8000, 7999.99 / 8000])
    assert found["position"].tolist() == [1, 1]
    assert below_line_reasons(rows.iloc[:0]).columns.tolist() == list(REASON_COLUMNS)


# -- words ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "zh", "en"),
    [
        (0.0, "lines", "0元", "0 yuan"),
        (-0.5, "lines", "-4,000元", "-4,000 yuan"),
        (1.23456, "lines", "9,876元", "9,876 yuan"),
        (0.0, "log_ratio", "8,000元", "8,000 yuan"),
        (math.log(0.25), "log_ratio", "2,000元", "2,000 yuan"),
        (math.log(2), "log_change", "+100%", "+100%"),
        (math.log(0.75), "log_change", "-25%", "-25%"),
        (0.0, "log_change", "+0%", "+0%"),
        (12345.6, "cny", "12,346元", "12,346 yuan"),
        (-0.3, "cny", "0元", "0 yuan"),
        (0.336, "share", "34%", "34%"),
        (1.0, "share", "100%", "100%"),
        (3.0, "count", "3", "3"),
        (7.0, "months", "7个月", "7 months"),
        (9.5, "years", "9.5年", "9.5 years"),
        (63.0, "age", "63岁", "63 years"),
        (1.0, "flag", "是", "yes"),
        (0.0, "flag", "否", "no"),
        (3.0, "grade", "3级", "3"),
        (0.75, "mu", "0.8亩", "0.8 mu"),
        (1.0, "ratio", "1.00", "1.00"),
        (-0.001, "ratio", "0.00", "0.00"),
        (math.nan, "lines", "无记录", "no record"),
        (math.nan, "flag", "无记录", "no record"),
    ],
)
def test_amounts_in_words(value: float, unit: Any, zh: str, en: str):
    assert amount(value, unit, line_cny_year=8000) == (zh, en)


def test_without_a_line_an_amount_is_a_multiple_of_it():
    assert amount(1.5, "lines", line_cny_year=math.nan) == ("监测线的1.50倍", "1.50 × the line")


@pytest.mark.parametrize("unit", sorted({f.unit for f in catalogue()}))
def test_every_unit_of_the_catalogue_has_words(unit: Any):
    zh, en = amount(1.0, unit, line_cny_year=8000)
    assert zh
    assert en.isascii()
    assert en


@pytest.mark.parametrize("feature", [ENTRIES["dibao_granted"], ENTRIES["n_members"]], ids=lambda f: f.name)
@pytest.mark.parametrize("recorded", ["", "2024-01-31"])
@pytest.mark.parametrize("comparison", [math.nan, 0.25])
def test_a_sentence_has_no_empty_brackets_and_no_nan(feature: Feature, recorded: str, comparison: float):
    zh, en = reason_texts(feature, 1.0, comparison, recorded, line_cny_year=8000)
    assert zh.startswith(feature.zh)
    assert en.startswith(feature.en)
    assert "（）" not in zh
    assert "()" not in en
    assert "nan" not in zh + en
    assert recorded in zh
    assert recorded in en


def test_words_do_not_depend_on_the_contract_of_the_feature_but_its_unit():
    feature = replace(ENTRIES["n_members"], zh="人数", en="people")
    assert reason_texts(feature, 4.0, 3.0, "2024-01-31", line_cny_year=math.nan) == (
        "人数：4（同乡镇中位数3，登记于2024-01-31）",
        "people: 4 (township median 3, recorded 2024-01-31)",
    )
