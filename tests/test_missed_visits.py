"""The missed-visit rate: against counting by hand, what it may not see, its interval on a known truth, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from returnrisk.accuracy import FEWEST_FALLS, _reached
from returnrisk.config import EvaluationSpec
from returnrisk.errors import ContractViolation, NotEnoughDataError
from returnrisk.evaluation import missed_visits
from returnrisk.evaluation.missed_visits import COLUMNS

DAYS = pd.to_datetime(["2024-03-31", "2024-06-30", "2024-09-30", "2024-12-31"])
FALLS = pd.to_datetime(["2024-06-30", "2024-09-30", "2024-12-31", "2025-03-31"])
SCORES = {"model": "listed_model", "income": "listed_income"}


def county(n=200, seed=0, n_villages=12, p_fall=0.3):
    """Households at risk on the first day, their falls, and two scores' lists of four quarters."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < p_fall).astype(int)
    ids = rng.permutation(n) + 1000
    event = pd.Series(FALLS[rng.integers(0, 4, n)]).where(y == 1)
    at_risk = pd.DataFrame({"household_id": ids, "as_of": DAYS[0], "village_code": ids % n_villages, "y": y, "event_on": event})
    everyone = [pd.DataFrame({"household_id": np.r_[ids, 1, 2], "as_of": day}) for day in DAYS]
    lists = pd.concat(everyone, ignore_index=True)
    for column, share in (("listed_model", 0.3), ("listed_income", 0.15)):
        lists[column] = rng.random(len(lists)) < share
    return at_risk, lists


def by_hand(at_risk, lists, column, lead_days):
    """Falls named in time, one household after the other."""
    reached = 0
    fell = [row for row in at_risk.itertuples() if row.y == 1 and row.as_of == lists["as_of"].min()]
    for row in fell:
        mine = lists[(lists["household_id"] == row.household_id) & lists[column]]
        reached += any((row.event_on - day).days >= lead_days for day in mine["as_of"])
    return reached, len(fell)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), lead_days=st.sampled_from([0, 1, 30, 91, 92, 180, 400]))
def test_every_figure_is_what_counting_gives(seed, lead_days):
    at_risk, lists = county(n=60, seed=seed)
    found = missed_visits(at_risk, lists, score_columns=SCORES, lead_days=lead_days, n_bootstrap=20).set_index("score")
    for score, column in SCORES.items():
        reached, n = by_hand(at_risk, lists, column, lead_days)
        row = found.loc[score]
        assert (row["n_falls"], row["n_lists"], row["n_named"]) == (n, 4, lists[column].sum())
        assert row["reached"] == pytest.approx(reached / n)
        assert row["missed"] == pytest.approx(1 - reached / n)
        assert row["reached_per_100"] == pytest.approx(100 * reached / lists[column].sum())
    assert found.loc["income", "difference"] == pytest.approx(found.loc["model", "reached"] - found.loc["income", "reached"])
    assert np.isnan(found.loc["model", "difference"])


def test_a_list_of_the_day_of_the_fall_or_later_comes_too_late():
    at_risk, lists = county()
    lists["listed_model"] = lists.merge(at_risk[["household_id", "event_on"]], how="left")["event_on"] <= lists["as_of"]
    found = missed_visits(at_risk, lists, score_columns=SCORES, lead_days=1).iloc[0]
    assert (found["reached"], found["missed"], found["reached_per_100"]) == (0, 1, 0)


def test_who_is_named_on_every_list_is_always_reached_and_never_counted_twice():
    at_risk, lists = county()
    found = missed_visits(at_risk, lists.assign(listed_model=True), score_columns=SCORES).iloc[0]
    assert (found["reached"], found["reached_low"], found["reached_high"], found["missed"]) == (1, 1, 1, 0)
    assert found["reached_per_100"] == pytest.approx(100 * at_risk["y"].sum() / len(lists))


def test_only_who_was_at_risk_on_the_first_day_counts_and_a_shorter_lead_never_reaches_fewer():
    at_risk, lists = county()
    later = at_risk.assign(as_of=DAYS[1], household_id=at_risk["household_id"] + 5000)
    pd.testing.assert_frame_equal(
        missed_visits(pd.concat([at_risk, later]), lists, score_columns=SCORES), missed_visits(at_risk, lists, score_columns=SCORES)
    )
    by_lead = [missed_visits(at_risk, lists, score_columns=SCORES, lead_days=d)["reached"][0] for d in (0, 30, 120, 200, 300)]
    assert by_lead == sorted(by_lead, reverse=True)
    assert by_lead[0] > by_lead[-1]


def test_neither_row_order_nor_names_of_villages_matter():
    at_risk, lists = county()
    shuffled = at_risk.sample(frac=1, random_state=1).assign(village_code=lambda f: f["village_code"].map("v{:02d}".format))
    one = missed_visits(at_risk, lists, score_columns=SCORES)
    pd.testing.assert_frame_equal(one, missed_visits(shuffled, lists.sample(frac=1, random_state=2), score_columns=SCORES))
    assert tuple(one.columns) == COLUMNS


def test_weights_count_as_copies_of_a_household():
    at_risk, lists = county(n=80)
    rng = np.random.default_rng(5)
    times = rng.integers(1, 4, len(at_risk))
    copies = at_risk.loc[at_risk.index.repeat(times)].assign(copy=lambda f: f.groupby("household_id").cumcount())
    own = copies.assign(household_id=copies["household_id"] * 10 + copies["copy"])
    listed = lists.merge(
        own[["household_id", "copy"]].assign(of=copies["household_id"].to_numpy()), left_on="household_id", right_on="of"
    )
    listed = listed.assign(household_id=listed["household_id_y"])[["household_id", "as_of", *SCORES.values()]]
    weighted = missed_visits(at_risk.assign(w=times), lists, score_columns=SCORES, weight="w")
    plain = missed_visits(own, listed, score_columns=SCORES)
    for column in ("reached", "reached_low", "reached_high", "missed", "difference", "difference_low"):
        np.testing.assert_allclose(weighted[column], plain[column])


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Villages share their luck: each has a chance of its own of being named in time, 0.6 on average."""
    held, runs = 0, 200
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        village = np.repeat(np.arange(60), rng.integers(2, 12, 60))
        named = rng.random(len(village)) < rng.beta(3, 2, 60)[village]
        at_risk = pd.DataFrame(
            {"household_id": np.arange(len(village)), "as_of": DAYS[0], "village_code": village, "y": 1, "event_on": FALLS[3]}
        )
        lists = at_risk[["household_id", "as_of"]].assign(listed_model=named)
        found = missed_visits(at_risk, lists, score_columns={"model": "listed_model"}, n_bootstrap=300, seed=seed).iloc[0]
        held += found["reached_low"] <= 0.6 <= found["reached_high"]
    assert 0.89 <= held / runs <= 0.985  # percentile intervals of 60 villages are a little short; three errors of 200 runs wide


def test_refusals():
    at_risk, lists = county()
    with pytest.raises(ContractViolation, match="households holds 1 households twice on a day"):
        missed_visits(pd.concat([at_risk, at_risk.head(1)]), lists, score_columns=SCORES)
    with pytest.raises(ContractViolation, match="lists holds 3 households twice on a day"):
        missed_visits(at_risk, pd.concat([lists, lists.head(3)]), score_columns=SCORES)
    with pytest.raises(ContractViolation, match="falls have no event_on"):
        missed_visits(at_risk.assign(event_on=pd.NaT), lists, score_columns=SCORES)
    with pytest.raises(NotEnoughDataError, match="0 of the households at risk on 2024-03-31 fell, in 0 villages"):
        missed_visits(at_risk.assign(y=0), lists, score_columns=SCORES)
    with pytest.raises(NotEnoughDataError, match="fell, in 1 villages; two are needed"):
        missed_visits(at_risk.assign(village_code=1), lists, score_columns=SCORES)


def test_few_falls_are_not_told_of():
    at_risk, lists = county()
    fallen = at_risk.index[at_risk["y"] == 1]
    settings = EvaluationSpec(n_bootstrap=20, lead_days=60)
    enough = at_risk.assign(y=at_risk.index.isin(fallen[:FEWEST_FALLS]).astype(int))
    told = _reached(enough, lists, ("model", "income"), settings)
    assert told["lead_days"].tolist() == [60, 60]
    assert told["n_falls"].tolist() == [FEWEST_FALLS] * 2
    assert (
        _reached(enough.assign(y=at_risk.index.isin(fallen[1:FEWEST_FALLS]).astype(int)), lists, ("model", "income"), settings)
        is None
    )
    assert _reached(enough.assign(y=0), lists, ("model", "income"), settings) is None
