"""Whom lists miss more: against counting by hand, fairlearn and scikit-learn, on known truth, and nothing small to be had by subtraction."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, count, false_positive_rate, selection_rate, true_positive_rate
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from sklearn.metrics import precision_score, recall_score

from returnrisk.accuracy import Accuracy
from returnrisk.cli.stages import fairness_lines
from returnrisk.config import EvaluationSpec, parse_model_spec
from returnrisk.errors import ConfigError, ContractViolation, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.evaluation.ranking import chance_of_place
from returnrisk.fairness import (
    COLUMNS,
    GROUPINGS,
    compare_to_chance,
    groups_of,
    household_attributes,
    measure_fairness,
    words_of,
)
from returnrisk.features.catalogue import Feature
from returnrisk.features.families import catalogue
from returnrisk.features.snapshot import STATUS_COLUMNS
from returnrisk.reports.small_counts import publish_groups
from returnrisk.reports.texts import catalogue as texts

SAME = 1e-12
"""Sums of ones and of dyadic weights are exact; a quotient differs in its last bits at most."""
DAYS = pd.to_datetime(["2024-03-31", "2024-06-30"])
STATUSES = {"measured", "no_events", "too_few", "one_village"}


def county(
    n: int = 1500, seed: int = 0, *, harm: float = 0.0, n_villages: int = 40, p_fall: float = 0.15
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Households on two days, falls that villages share luck in, a list; `old` households that fell are on it less often by `harm`."""
    rng = np.random.default_rng(seed)
    village = rng.integers(0, n_villages, n)
    old, poor = rng.random(n) < 0.3, rng.random(n) < 0.4
    remote = (rng.permutation(n_villages) < n_villages // 4)[village]
    fell = rng.random(n) < p_fall
    luck = rng.beta(6, 4, n_villages)[village]
    groups = pd.DataFrame({"old": np.where(old, "yes", "no"), "poor": np.where(poor, "yes", "no")})
    groups["remote"] = np.where(remote, "yes", "no")
    groups["band"] = rng.choice(["a", "b", ""], n, p=[0.5, 0.45, 0.05])
    days = []
    for day in DAYS:
        on_list = rng.random(n) < np.where(fell, np.clip(luck - harm * old, 0, 1), 0.1)
        part = {"household_id": np.arange(n) + 500, "as_of": day, "village_code": village + 530123100200, "y": fell.astype(int)}
        days.append(pd.DataFrame(part).assign(p_model=rng.integers(1, 128, n) / 256, on_list=on_list))
    return pd.concat(days, ignore_index=True), pd.concat([groups] * len(DAYS), ignore_index=True)


@functools.cache
def table_of_all() -> pd.DataFrame:
    rows, groups = county()
    return measure_fairness(rows, groups, selected="on_list", n_bootstrap=60)


def row_of(table: pd.DataFrame, grouping: str, group: str, grouping_2: str = "", group_2: str = "") -> pd.Series:
    (row,) = (
        r for _, r in table.iterrows() if (r.grouping, r.group, r.grouping_2, r.group_2) == (grouping, group, grouping_2, group_2)
    )
    return row


# ------------------------------------------------------------------------------------------------------------------- figures


def test_by_hand():
    """Two villages, one day: of the old 1 of 2 falls is on the list, of the others 2 of 3."""
    rows = pd.DataFrame(
        {
            "household_id": range(10),
            "as_of": DAYS[0],
            "village_code": [1, 1, 1, 1, 1, 2, 2, 2, 2, 2],
            "y": [1, 0, 1, 0, 0, 1, 1, 1, 0, 0],
            "p_model": 0.25,
            "on_list": [True, True, True, False, False, False, True, False, False, True],
        }
    )
    old = pd.DataFrame({"old": ["yes", "yes", "no", "no", "no", "yes", "no", "no", "no", "no"]})
    table = measure_fairness(rows, old, selected="on_list", min_events=1, n_bootstrap=20)
    yes = row_of(table, "old", "yes")
    assert (yes["n"], yes["n_households"], yes["n_events"], yes["n_fallen"], yes["n_clusters"]) == (3, 3, 2, 2, 2)
    figures = {"base_rate": 2 / 3, "selection_rate": 2 / 3, "recall": 1 / 2, "missed": 1 / 2, "precision": 1 / 2}
    figures |= {"false_positive_rate": 1.0, "observed_over_expected": 2 / 0.75, "recall_difference": 1 / 2 - 2 / 3}
    figures |= {"recall_ratio": 3 / 4}
    for name, value in figures.items():
        assert yes[name] == pytest.approx(value, rel=SAME), name
    assert row_of(table, "old", "no")["recall_difference"] == pytest.approx(2 / 3 - 1 / 2, rel=SAME)
    everyone = table.iloc[0]
    assert (everyone["grouping"], everyone["n"], everyone["recall"]) == ("all", 10, pytest.approx(3 / 5, rel=SAME))
    assert np.isnan(everyone["recall_difference"])
    assert tuple(table.columns) == COLUMNS


@pytest.mark.parametrize("weighted", [False, True])
def test_rates_are_those_of_fairlearn_and_scikit_learn(weighted):
    rows, groups = county(seed=3)
    rows["w"] = np.where(rows["household_id"] % 3 == 0, 2.5, 1.0)
    weight = rows["w"].to_numpy() if weighted else None
    table = measure_fairness(rows, groups, selected="on_list", weight="w" if weighted else None, min_events=1, n_bootstrap=20)
    metrics = {"recall": true_positive_rate, "selection_rate": selection_rate, "false_positive_rate": false_positive_rate}
    metrics |= {"precision": precision_score, "n": count}
    params = {m: {"sample_weight": weight} for m in metrics if m != "n"} if weighted else {}
    for names in (*((name,) for name in groups), *itertools.combinations(groups, 2)):
        frame = MetricFrame(
            metrics=metrics, y_true=rows["y"], y_pred=rows["on_list"], sensitive_features=groups[list(names)], sample_params=params
        )
        for labels, theirs in frame.by_group.iterrows():
            key = labels if isinstance(labels, tuple) else (labels,)
            if len(names) == 2 and "" in key:
                continue  # unknown is in no intersection
            mine = row_of(table, names[0], key[0], *((names[1], key[1]) if len(names) == 2 else ()))
            for metric in metrics:
                assert mine[metric] == pytest.approx(theirs[metric], rel=SAME, abs=SAME), (names, key, metric)
    old = (groups["old"] == "yes").to_numpy()
    part = {"sample_weight": weight[old]} if weighted else {}
    rest = {"sample_weight": weight[~old]} if weighted else {}
    apart = recall_score(rows["y"][old], rows["on_list"][old], **part) - recall_score(
        rows["y"][~old], rows["on_list"][~old], **rest
    )
    assert row_of(table, "old", "yes")["recall_difference"] == pytest.approx(apart, abs=SAME)


def test_intervals_are_those_of_drawing_villages_one_by_one():
    rows, groups = county(n=400, n_villages=12, seed=5)
    table = measure_fairness(rows, groups, selected="on_list", min_events=5, n_bootstrap=150, seed=7)
    counts = np.random.default_rng(7).multinomial(12, np.full(12, 1 / 12), size=150)
    by_village = [rows[rows["village_code"] == code].index for code in sorted(rows["village_code"].unique())]
    drawn = []
    for times in counts:
        at = np.concatenate([np.repeat(index, t) for index, t in zip(by_village, times, strict=True)])
        one, old = rows.loc[at], (groups["old"] == "yes")[at].to_numpy()
        recalls = [one["on_list"].to_numpy()[(one["y"] == 1).to_numpy() & of].mean() for of in (old, ~old)]
        drawn.append((recalls[0], recalls[0] - recalls[1]))
    yes = row_of(table, "old", "yes")
    ends = np.quantile(drawn, [0.025, 0.975], axis=0)
    np.testing.assert_allclose([yes["recall_low"], yes["recall_high"]], ends[:, 0], rtol=SAME)
    np.testing.assert_allclose([yes["recall_difference_low"], yes["recall_difference_high"]], ends[:, 1], rtol=1e-9)


def test_neither_row_order_nor_names_of_villages_matter():
    rows, groups = county(n=500)
    rows["w"] = np.random.default_rng(1).random(len(rows))
    one = measure_fairness(rows, groups, selected="on_list", weight="w", n_bootstrap=30)
    order = np.random.default_rng(2).permutation(len(rows))
    renamed = rows.assign(village_code=rows["village_code"].map("v{}".format)).iloc[order]
    again = measure_fairness(renamed, groups.iloc[order], selected="on_list", weight="w", n_bootstrap=30)
    pd.testing.assert_frame_equal(one, again, check_exact=True)


def test_a_weight_counts_as_so_many_households_and_a_certain_chance_as_a_place():
    rows, groups = county(n=300, seed=2)
    times = np.where(rows["household_id"] % 2 == 0, 2, 1)
    copies = rows.loc[rows.index.repeat(times)].assign(copy=lambda f: f.groupby(["household_id", "as_of"]).cumcount())
    copies = copies.assign(household_id=copies["household_id"] * 10 + copies["copy"]).reset_index(drop=True)
    same = groups.loc[groups.index.repeat(times)].reset_index(drop=True)
    shown = [c for c in COLUMNS if not c.startswith(("n", "status", "p_", "claimed"))]
    weighted = measure_fairness(rows.assign(w=times), groups, selected="on_list", weight="w", min_events=1, n_bootstrap=30)
    plain = measure_fairness(copies, same, selected="on_list", min_events=1, n_bootstrap=30)
    pd.testing.assert_frame_equal(weighted[shown], plain[shown])
    chances = measure_fairness(rows.assign(on_list=rows["on_list"] * 1.0), groups, selected="on_list", min_events=1, n_bootstrap=30)
    pd.testing.assert_frame_equal(chances, measure_fairness(rows, groups, selected="on_list", min_events=1, n_bootstrap=30))


def test_intersections_are_every_two_known_groups_with_enough_falls_and_no_whole_group():
    rows, groups = county(seed=4)
    groups["village_kind"] = groups["remote"].map({"yes": "far", "no": "near"})  # the same division twice
    table = measure_fairness(rows, groups, selected="on_list", min_events=25, n_bootstrap=20)
    crossed = table[table["grouping_2"] != ""]
    expected = set()
    for first, second in itertools.combinations(groups, 2):
        for (a, b), part in rows.groupby([groups[first], groups[second]]):
            n_fallen = part.loc[part["y"] == 1, "household_id"].nunique()
            whole = len(part) in ((groups[first] == a).sum(), (groups[second] == b).sum())
            if a and b and n_fallen >= 25 and not whole:
                expected.add((first, a, second, b, len(part), part["household_id"].nunique(), part["y"].sum(), n_fallen))
    keys = ["grouping", "group", "grouping_2", "group_2", "n", "n_households", "n_events", "n_fallen"]
    assert set(crossed[keys].itertuples(index=False, name=None)) == expected
    assert len(expected) > 8
    assert "village_kind" not in crossed.query("grouping == 'remote'")["grouping_2"].tolist()
    assert crossed["en"].str.contains("; ").all()


def test_a_household_that_fell_is_one_event_however_many_days_it_is_looked_at():
    rows, groups = county(n=120, seed=1)
    fallen = rows.loc[rows["y"] == 1, "household_id"].unique()
    groups["few"] = np.where(rows["household_id"].isin(fallen[:12]), "yes", "no")
    table = measure_fairness(rows, groups[["few"]], selected="on_list", min_events=13, n_bootstrap=20)
    few = row_of(table, "few", "yes")
    assert (few["n_events"], few["n_fallen"], few["status"]) == (24, 12, "too_few")


# ---------------------------------------------------------------------------------------------------------- small, odd and wrong


def test_groups_without_falls_of_one_and_of_one_village_have_their_counts_and_a_status():
    rows, groups = county(seed=6)
    first = rows["village_code"] == rows["village_code"].min()
    groups["odd"] = np.select(
        [(rows["y"] == 0) & (rows["household_id"] % 7 == 0), rows["household_id"] == 501, first & (rows["y"] == 1)],
        ["safe", "alone", "one village"],
        "rest",
    )
    table = measure_fairness(rows, groups, selected="on_list", min_events=1, n_bootstrap=20)
    assert set(table["status"]) <= STATUSES
    safe, here = row_of(table, "odd", "safe"), row_of(table, "odd", "one village")
    alone = row_of(measure_fairness(rows, groups, selected="on_list", min_events=20, n_bootstrap=20), "odd", "alone")
    assert (safe["status"], safe["n_events"]) == ("no_events", 0)
    assert safe["n"] > 100
    assert (here["status"], here["n_clusters"]) == ("one_village", 1)
    assert (alone["n"], alone["n_households"]) == (2, 1)
    assert alone["status"] in ("no_events", "too_few")
    rates = [c for c in COLUMNS if c.startswith(("base", "sel", "rec", "miss", "prec", "false", "obs", "p_"))]
    for row in (safe, here, alone):
        assert row[rates].isna().all()
        assert not row["claimed"]
    assert {f"fairness.{s}" for s in STATUSES - {"measured"}} <= set(texts())


def test_a_group_that_is_everybody_is_measured_and_compared_with_nobody():
    rows, _ = county(n=300)
    table = measure_fairness(rows, pd.DataFrame({"same": ["yes"] * len(rows)}), selected="on_list", n_bootstrap=20)
    row = row_of(table, "same", "yes")
    assert row["status"] == "measured"
    assert row["recall"] == table.iloc[0]["recall"]
    assert np.isnan(row["recall_difference"])
    assert np.isnan(row["p_adjusted"])
    assert "跌破太少，不能比较" in fairness_lines(table)[0]


def test_refusals():
    rows, groups = county(n=100)
    ask = functools.partial(measure_fairness, selected="on_list", n_bootstrap=20)
    with pytest.raises(ContractViolation, match="3 rows are of a household and day that stand there already"):
        ask(pd.concat([rows, rows.head(3)], ignore_index=True), pd.concat([groups, groups.head(3)], ignore_index=True))
    with pytest.raises(ContractViolation, match="groups has 7 rows of other households than the 200 predictions"):
        ask(rows, groups.head(7))
    with pytest.raises(NotEnoughDataError, match="of 200 rows none is an event"):
        ask(rows.assign(y=0), groups)
    with pytest.raises(NotEnoughDataError, match="all 200 rows lie in one village"):
        ask(rows.assign(village_code=1), groups)
    with pytest.raises(UnknownNameError, match="unknown column 'on_lst'; did you mean 'on_list'"):
        measure_fairness(rows, groups, selected="on_lst")
    for change, message in {
        "y": "200 of 200 rows have a 'y' that is neither 0 nor 1",
        "p_model": "200 of 200 rows have a 'p_model' that is missing or outside",
        "on_list": "200 of 200 rows have a 'on_list' that is missing or no chance",
    }.items():
        with pytest.raises(DataError, match=message):
            ask(rows.assign(**{change: 1.5}), groups)
    with pytest.raises(DataError, match="household, day or village that is missing"):
        ask(rows.assign(village_code=rows["village_code"].where(rows.index > 0)), groups)
    with pytest.raises(DataError, match="'w' that is missing or below 0"):
        ask(rows.assign(w=-1.0), groups, weight="w")
    with pytest.raises(ConfigError, match="min_events 0"):
        ask(rows, groups, min_events=0)
    content = {"schema": 1, "name": "a", "title_zh": "甲", "title_en": "A", "families": ["income"]}
    with pytest.raises(ConfigError, match="min_group_events is 0; expected 1 or more"):
        parse_model_spec({**content, "evaluation": {"min_group_events": 0}})


# -------------------------------------------------------------------------------------------------------------------- the truth


def test_a_planted_harm_of_known_size_is_found_and_its_interval_holds_it():
    found, held, runs = 0, 0, 12
    for seed in range(runs):
        rows, groups = county(seed=seed, harm=0.35)
        row = row_of(measure_fairness(rows, groups, selected="on_list", n_bootstrap=100, seed=seed), "old", "yes")
        found += row["claimed"]
        held += row["recall_difference_low"] <= -0.345 <= row["recall_difference_high"]  # a little less: chances end at 0
    assert found == runs
    assert held >= runs - 3


def false_alarms(seeds: range) -> float:
    alarms = [
        measure_fairness(*county(n=700, seed=seed), selected="on_list", n_bootstrap=2, seed=seed)["claimed"].any() for seed in seeds
    ]
    return float(np.mean(alarms))


def test_no_harm_is_claimed_where_there_is_none():
    """Forty counties of some twenty comparisons each: uncontrolled, half of them would show a harm. Two errors of forty wide."""
    assert false_alarms(range(100, 140)) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 40)


@pytest.mark.slow
def test_the_rate_of_false_alarms_is_at_most_five_in_a_hundred():
    assert false_alarms(range(1000, 1600)) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 600)


def test_p_values_without_control_are_even_and_with_control_the_least_is():
    rng = np.random.default_rng(0)
    own, least = [], []
    for seed in range(200):
        found = compare_to_chance(rng.standard_t(5, size=(25, 12)) * rng.gamma(1, 1, size=(25, 1)), n_flips=400, seed=seed)
        own.append(found.p_value[0])
        least.append(found.p_adjusted.min())
        assert (found.p_adjusted >= found.p_value - 1e-12).all()
    for p in (own, least):
        assert abs(np.mean(np.array(p) <= 0.2) - 0.2) < 3 * np.sqrt(0.2 * 0.8 / 200)


def test_the_same_comparison_twice_costs_nothing_and_few_villages_prove_nothing():
    rng = np.random.default_rng(3)
    pulls = rng.normal(0.6, 1, size=(30, 1))
    alone, twice = compare_to_chance(pulls), compare_to_chance(np.column_stack([pulls, -pulls, pulls]))
    np.testing.assert_allclose(twice.p_adjusted, alone.p_adjusted[0])
    few = compare_to_chance(np.abs(rng.normal(size=(5, 1))))
    assert few.p_value[0] > 0.05  # however large: of five villages one sign pattern in sixteen is as rare
    assert compare_to_chance(np.zeros((8, 2))).p_adjusted.tolist() == [1.0, 1.0]


# ------------------------------------------------------------------------------------------------------------------- groupings


def test_every_grouping_rests_on_columns_that_exist_and_no_protected_one_is_a_feature():
    features = {f.name for f in catalogue()}
    records = {f"on_{f.record}" for f in catalogue() if isinstance(f, Feature)}
    attributes = {"head_sex", "head_ethnicity_group", "minority_area"}
    for name, grouping in GROUPINGS.items():
        assert set(grouping.needs) <= features | records | attributes | set(STATUS_COLUMNS), name
    assert not attributes & features


def test_bands_thirds_and_help_by_hand():
    rows = pd.DataFrame(
        {
            "village_code": 999901101001,
            "as_of": DAYS[0],
            "n_members": np.array([1, 2, 3, 4, 5, np.nan], dtype="float32"),
            "head_age": [49.0, 50.0, 64.0, 65.0, 90.0, np.nan],
            "head_sex": ["female", "male", None, "male", "female", np.nan],
            "dibao_granted": [1.0, 0.0, np.nan, np.nan, 0.0, 1.0],
            "n_support_active": [0.0, 0.0, 2.0, 0.0, 1.0, np.nan],
            "on_member": DAYS[0],
            "on_household": [DAYS[0]] * 4 + [pd.NaT] * 2,
            "on_expense": [DAYS[0]] * 2 + [pd.NaT] * 4,
            "on_village": [pd.NaT] * 2 + [DAYS[0]] * 4,
        }
    )
    found = groups_of(rows)
    for name, values in {
        "household_size": ["1", "2", "3_to_4", "3_to_4", "5_and_over", ""],
        "head_age": ["under_50", "50_to_64", "50_to_64", "65_and_over", "65_and_over", ""],
        "head_sex": ["female", "male", "", "male", "female", ""],
        "aided": ["yes", "no", "yes", "", "yes", "yes"],
        "on_file": ["most", "most", "middle", "middle", "least", "least"],
    }.items():
        assert found[f"group_{name}"].tolist() == values, name
        for group in set(values):
            assert all(words_of(name, group))


def test_attributes_are_those_of_the_head_and_the_village_on_the_day(small):
    store = small.store()
    day = store.last_recorded_on()
    view = store.as_of(day)
    found = household_attributes(view).set_index("household_id")
    roster, member = view.table("household_roster").to_pandas(), view.table("member").to_pandas().set_index("person_id")
    minority = view.table("village").to_pandas().set_index("village_code")["minority_area"]
    home = view.table("household").to_pandas().set_index("household_id")["village_code"]
    on = pd.Timestamp(day)
    here = roster[~(roster["joined_on"] > on) & ~(roster["left_on"] < on) & (roster["relation"] == "head")]
    heads = here.drop_duplicates(["household_id", "person_id"]).groupby("household_id")["person_id"].agg(list)
    assert found.index.tolist() == sorted(home.index)
    assert len(heads) > 50
    for household, persons in heads.items():
        if len(persons) == 1 and persons[0] in member.index:
            for column, of in (("head_sex", "sex"), ("head_ethnicity_group", "ethnicity_group")):
                told = member.loc[persons[0], of]
                assert found.loc[household, column] == told or (pd.isna(told) and pd.isna(found.loc[household, column]))
        assert found.loc[household, "minority_area"] == float(minority[home[household]])
    assert found["head_sex"].nunique() == 2


def test_without_lists_the_top_share_of_each_day_stands_for_one():
    rows, groups = county(n=400)
    groups = groups.add_prefix("group_")
    spec = EvaluationSpec(capacity=0.1, n_bootstrap=20)
    rows["p_model"] = np.where(rows["as_of"] == DAYS[0], rows["p_model"], 0.125)  # the second day is one tie
    table = Accuracy(pd.concat([rows, groups], axis=1), overall=None, populations={}).fairness(spec)
    first = rows[rows["as_of"] == DAYS[0]]
    cut = first["p_model"].sort_values(ascending=False).iloc[39]
    above, tied = first["p_model"] > cut, first["p_model"] == cut
    expected = first.loc[above, "y"].sum() + first.loc[tied, "y"].mean() * (40 - above.sum()) + 0.1 * rows.loc[400:, "y"].sum()
    assert table.iloc[0]["recall"] == pytest.approx(expected / rows["y"].sum())
    assert table.iloc[0]["selection_rate"] == pytest.approx(0.1)
    weight = np.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(chance_of_place(np.array([0.9, 0.5, 0.5, 0.1]), weight, share=0.4), [1, 0.6, 0.6, 0])


# ------------------------------------------------------------------------------------------------------------------- published


def published_from(counts: list[tuple[int, int]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table of one grouping with (household-days, falls) per group, and what is published of it."""
    n, events = zip(*counts, strict=True)
    table = pd.DataFrame(
        {"grouping": ["all", *["a"] * len(counts)], "group": ["", *map(str, range(len(counts)))], "grouping_2": ""}
    )
    table = table.assign(n=[sum(n), *n], n_events=[sum(events), *events], status="measured", recall=0.5, claimed=False)
    table = table.assign(n_households=table["n"], n_fallen=table["n_events"], n_clusters=3)
    return table, publish_groups(table)


def possible(left: list[int], k: int, place: int, of: tuple[int, int]) -> tuple[float, float]:
    """Least and most that n, falls or non-falls of one of k hidden groups can be, each with somebody, for who knows their sums."""
    coefficients = np.zeros(2 * k)
    coefficients[[place, k + place]] = of
    within = np.hstack([-np.eye(k), np.eye(k)])  # no more fell than there are
    sums = np.kron(np.eye(2), np.ones(k))
    bounds = [(1, None)] * k + [(0, None)] * k
    ends = [
        linprog(sign * coefficients, A_ub=within, b_ub=np.zeros(k), A_eq=sums, b_eq=left, bounds=bounds).fun * sign
        for sign in (1, -1)
    ]
    return ends[0] - 1e-6, ends[1] + 1e-6


@given(
    counts=st.lists(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), min_size=2, max_size=6),
    big=st.integers(50, 5000),
)
@settings(deadline=None, max_examples=40)
def test_no_small_count_can_be_had_by_subtraction(counts, big):
    """For every count of 1 to 4 a reader can think of tables that agree with all that is shown, with 1 in its place and with 5."""
    table, shown = published_from([*counts, (big, big // 2)])
    groups, told = shown.iloc[1:], table.iloc[1:]
    hidden = groups["status"] == "hidden"
    small = ((told[["n", "n_events"]] > 0) & (told[["n", "n_events"]] < 5)).any(axis=1) | (told["n"] - told["n_events"]).between(
        1, 4
    )
    assert hidden[small].all()
    assert hidden.any() == small.any()
    assert groups.loc[hidden, ["n", "n_households", "n_events", "n_fallen", "n_clusters", "recall"]].isna().all().all()
    if hidden.any():
        left = [int(table[c].iloc[0] - groups[c].sum()) for c in ("n", "n_events")]  # what subtraction gives
        for place, (n, events) in enumerate(told.loc[hidden, ["n", "n_events"]].itertuples(index=False)):
            for count, of in ((n, (1, 0)), (events, (0, 1)), (n - events, (1, -1))):
                if 1 <= count <= 4:
                    least, most = possible(left, hidden.sum(), place, of)
                    assert least <= 1
                    assert most >= 5
    same = groups.loc[~hidden, ["n", "n_events"]].astype("int64")
    pd.testing.assert_frame_equal(same, told.loc[~hidden, ["n", "n_events"]].astype("int64"))


def test_publishing_leaves_out_intersections_and_hides_no_more_than_it_must():
    _, shown = published_from([(500, 60), (300, 30), (40, 8)])
    assert (shown["status"] == "measured").all()
    _, shown = published_from([(500, 60), (300, 30), (3, 1)])
    assert shown["status"].tolist() == ["measured", "measured", "hidden", "hidden"]
    _, shown = published_from([(4000, 60), (2, 0)])
    assert shown["status"].tolist() == ["measured", "hidden", "hidden"]
    table = table_of_all()
    assert (publish_groups(table)["grouping_2"] == "").all()
    assert (table["grouping_2"] != "").any()


# ------------------------------------------------------------------------------------------------------------------------ words


def test_lines_say_what_stands_with_size_and_interval_and_never_that_nothing_is_there():
    head, line = fairness_lines(table_of_all())
    among = table_of_all().dropna(subset="p_adjusted")
    pairs = (among["grouping_2"] != "").sum()
    assert f"compared {len(among) - pairs} 组 groups, {pairs} 个两组交叉 intersections" in head
    assert "no difference stands after control (not shown is not absent)" in head
    rows, groups = county(harm=0.35)
    table = measure_fairness(rows, groups, selected="on_list", n_bootstrap=60)
    head, line = fairness_lines(table)
    row = row_of(table, "old", "yes")
    assert "missed more after control" in head
    assert "old: yes" in line
    for shown in (f"{row['recall']:.1%}", f"{100 * row['recall_difference_low']:+.1f}", f"n {row['n']}", f"fell {row['n_fallen']}"):
        assert shown in line
    for said in (head, line, *(t.zh + t.en for key, t in texts().items() if "fairness" in key)):
        assert "公平模型" not in said
        assert "fair model" not in said.lower()
