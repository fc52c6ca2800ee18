"""The priority visit list: rules, conservation, order of rows, ties, refusals, and the Parquet file."""

from __future__ import annotations

import datetime as dt
import errno
import os

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from returnrisk.errors import ConfigError, ContractViolation, ExplanationError, NotEnoughDataError
from returnrisk.store.pseudonyms import pseudonym_text
from returnrisk.visits import Tier, VisitList, VisitSpec, lot_seed, select, strata, visit_plan
from returnrisk.visits.selection import stable_hash

AS_OF = pd.Timestamp("2025-09-30")
VERSION = "fall-12m/3"
VILLAGES = pd.DataFrame(
    {
        "village_code": [530123100201, 530123100202, 530123101201, 530124100201],
        "village_name": ["大田村", "小河村", "石板村", "新寨村"],
        "township_code": [530123100, 530123100, 530123101, 530124100],
        "township_name": ["河口镇", "河口镇", "青山乡", "白水镇"],
    }
)


def county(n: int = 400, *, seed: int = 1, decimals: int = 2) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Scores, reasons and must-visit reasons; risks are rounded so that ties happen."""
    rng = np.random.default_rng(seed)
    place = VILLAGES.iloc[rng.integers(0, 3, n)].reset_index(drop=True)
    scores = pd.DataFrame(
        {
            "household_id": rng.choice(2**62, n, replace=False).astype("int64"),
            "as_of": AS_OF,
            "village_code": place["village_code"],
            "township_code": place["township_code"],
            "stratum": rng.choice(["at_risk", "below_line", "monitored", "not_computable"], n, p=[0.8, 0.05, 0.05, 0.1]),
            "risk": rng.beta(1, 20, n).round(decimals),
        }
    )
    long = pd.DataFrame({"household_id": np.repeat(scores["household_id"], 4), "position": np.tile([1, 2, 3, 4], n)})
    number = long["position"].astype("str")
    reasons = long.assign(
        text_zh="工资性收入减少，原因" + number,
        text_en="wage income fell, cause " + number,
        verify_zh="核实务工情况",
        verify_en="ask about work",
    )
    must = scores.loc[scores["stratum"] == "below_line", ["household_id"]].assign(
        position=1,
        text_zh="人均纯收入已低于监测线",
        text_en="net income per head already below the line",
        verify_zh="核对近12个月收入",
        verify_en="check the income of the last 12 months",
    )
    return scores, reasons, must


def listed(scores: pd.DataFrame, reasons: pd.DataFrame, must: pd.DataFrame | None, *, per_township: int = 40) -> VisitList:
    return select(
        scores,
        reasons,
        spec=VisitSpec(per_township=per_township),
        villages=VILLAGES,
        model_version=VERSION,
        must_visit_reasons=must,
    )


def test_columns_and_order_of_the_list() -> None:
    frame = listed(*county()).frame()
    assert list(frame.columns) == [
        "as_of",
        "township_code",
        "township_name",
        "village_code",
        "village_name",
        "household_id",
        "pseudonym",
        "rank",
        "kind",
        "computable",
        "risk",
        "tier",
        "reason_1_zh",
        "reason_1_en",
        "reason_2_zh",
        "reason_2_en",
        "reason_3_zh",
        "reason_3_en",
        "verify_zh",
        "verify_en",
        "model_version",
    ]
    assert frame.equals(frame.sort_values(["township_code", "rank"], ignore_index=True))
    for _, part in frame.groupby("township_code"):
        assert part["rank"].tolist() == list(range(1, len(part) + 1))
        assert part["kind"].tolist() == sorted(part["kind"], reverse=True)  # must_visit before model
    assert frame["pseudonym"].tolist() == [pseudonym_text(key) for key in frame["household_id"]]
    assert set(frame["model_version"]) == {VERSION}
    assert set(frame["as_of"]) == {AS_OF}


def test_nobody_left_out_has_a_higher_risk_than_somebody_listed_by_the_model() -> None:
    scores, reasons, must = county(seed=5)
    frame = listed(scores, reasons, must, per_township=30).frame()
    out = scores.loc[~scores["household_id"].isin(frame["household_id"])]
    assert (out["stratum"] != "below_line").all(), "a must-visit was dropped"
    assert set(scores.loc[scores["household_id"].isin(frame["household_id"]), "stratum"]) == {
        "at_risk",
        "below_line",
        "not_computable",
    }
    ranked_out = out.loc[out["stratum"] != "monitored"].groupby("township_code")["risk"].max()
    lowest_in = frame.loc[frame["kind"] == "model"].groupby("township_code")["risk"].min()
    assert (lowest_in >= ranked_out.reindex(lowest_in.index)).all()


@pytest.mark.parametrize("per_township", [0, 3, 40, 10_000])
def test_every_household_is_counted_once(per_township: int) -> None:
    scores, reasons, must = county(seed=2)
    made = listed(scores, reasons, must, per_township=per_township)
    for level in ("township", "county"):
        areas = made.make_up().loc[lambda areas, level=level: areas["level"] == level]
        assert areas["households"].sum() == len(scores)
        assert (areas["households"] == areas["listed"] + areas["left_out"] + areas["monitored"]).all()
        assert (areas["listed"] == areas["must_visit"] + areas["model"]).all()
        assert areas["listed"].sum() == len(made.frame())
        assert areas["must_visit"].sum() == (scores["stratum"] == "below_line").sum()
    townships = made.make_up().query("level == 'township'")
    assert (townships["listed"] <= (townships["capacity"] + townships["over_capacity"])).all()
    assert (townships["over_capacity"] == (townships["must_visit"] - per_township).clip(lower=0)).all()


def test_must_visits_pass_the_capacity_and_are_counted() -> None:
    scores, reasons, must = county()
    made = listed(scores, reasons, must, per_township=2)
    areas = made.make_up().set_index("area_code")
    n_must = (scores.query("township_code == 530123100")["stratum"] == "below_line").sum()
    assert n_must > 2
    assert areas.loc[530123100, "over_capacity"] == n_must - 2
    assert areas.loc[530123100, ["listed", "model"]].tolist() == [n_must, 0]


def test_a_township_without_any_scored_household_is_shown_with_zeros() -> None:
    areas = listed(*county()).make_up().set_index("area_code")
    assert areas.loc[530124100, ["households", "listed"]].tolist() == [0, 0]
    assert areas.loc[530124, "capacity"] == 40


def test_not_computable_households_stay_eligible_and_marked() -> None:
    scores, reasons, must = county()
    scores.loc[scores["stratum"] == "not_computable", "risk"] = 0.9
    made = listed(scores, reasons, must, per_township=60)
    marked = made.frame().query("not computable")["household_id"]
    assert set(marked) <= set(scores.query("stratum == 'not_computable'")["household_id"])
    assert len(marked) == made.make_up().query("level == 'township'")["not_computable_listed"].sum() > 0


def test_shuffled_rows_give_the_same_list_and_the_same_bytes(tmp_path) -> None:
    tables = county(n=1500, decimals=2)
    first = listed(*tables)
    shuffled = [table.sample(frac=1, random_state=seed) for seed, table in enumerate(tables)]
    second = listed(*shuffled)
    pd.testing.assert_frame_equal(first.frame(), second.frame())
    pd.testing.assert_frame_equal(first.make_up(), second.make_up())
    one, two = first.write_parquet(tmp_path / "1.parquet"), second.write_parquet(tmp_path / "2.parquet")
    assert one.read_bytes() == two.read_bytes()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), per_township=st.integers(0, 30), decimals=st.integers(1, 3))
def test_property_list_is_the_brute_force_list(seed: int, per_township: int, decimals: int) -> None:
    scores, reasons, must = county(n=90, seed=seed, decimals=decimals)
    made = listed(scores, reasons, must, per_township=per_township)
    scores = scores.assign(hash=stable_hash(scores["household_id"].to_numpy()))
    for township, part in scores.groupby("township_code"):
        must_ids = (
            part.query("stratum == 'below_line'").sort_values(["risk", "hash"], ascending=[False, True])["household_id"].tolist()
        )
        others = part.query("stratum in ('at_risk', 'not_computable')").sort_values(["risk", "hash"], ascending=[False, True])
        free = max(per_township - len(must_ids), 0)
        expected = must_ids + others["household_id"].tolist()[:free]
        assert made.frame().query("township_code == @township")["household_id"].tolist() == expected
        cut = others["risk"].iloc[free] if len(others) > free else None
        tied = int((others["risk"].iloc[:free] == cut).sum()) if cut is not None else 0
        assert made.make_up().set_index("area_code").loc[township, "ties_at_cut"] == tied


def test_ties_at_the_cut_are_counted_and_do_not_favour_small_keys() -> None:
    scores, reasons, _ = county(n=300)
    scores = scores.assign(risk=0.1, stratum="at_risk", household_id=np.arange(300))
    reasons = reasons.assign(household_id=np.repeat(np.arange(300), 4))
    made = listed(scores, reasons, None, per_township=20)
    assert made.ties_at_cut == 40  # every place of both townships
    assert 110 < made.frame()["household_id"].mean() < 190, "ties follow the size of the key"
    assert listed(scores, reasons, None, per_township=300).ties_at_cut == 0


def test_splitmix64_gives_the_published_sequence() -> None:
    gamma = 0x9E3779B97F4A7C15
    states = np.array([(1234567 + k * gamma) % 2**64 for k in range(3)], dtype=np.uint64).astype(np.int64)
    # Rosetta Code, "Pseudo-random numbers/Splitmix64", seed 1234567
    assert stable_hash(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_tiers_follow_thresholds_and_a_must_visit_has_none_by_risk() -> None:
    scores, reasons, must = county(n=60)
    scores["risk"] = np.resize([0.15, 0.1499, 0.05, 0.0499, 0.0, 1.0], 60)
    frame = listed(scores, reasons, must, per_township=100).frame()
    by_model = frame.query("kind == 'model'").drop_duplicates("risk").set_index("risk")["tier"]
    assert by_model.to_dict() == {1.0: "high", 0.15: "high", 0.1499: "medium", 0.05: "medium", 0.0499: "low", 0.0: "low"}
    assert set(frame.query("kind == 'must_visit'")["tier"]) == {"below_line"}


def test_must_visit_reason_stands_first_and_verification_is_joined_once() -> None:
    scores, reasons, must = county()
    frame = listed(scores, reasons, must).frame()
    row = frame.query("kind == 'must_visit'").iloc[0]
    assert row["reason_1_zh"] == "人均纯收入已低于监测线"
    assert row["reason_2_zh"] == "工资性收入减少，原因1"
    assert row["verify_zh"] == "核对近12个月收入；核实务工情况"
    assert row["verify_en"] == "check the income of the last 12 months; ask about work"
    model = frame.query("kind == 'model'").iloc[0]
    assert [model[f"reason_{k}_en"][-1] for k in (1, 2, 3)] == ["1", "2", "3"]
    assert model["verify_zh"] == "核实务工情况"


def test_fewer_reasons_than_places_leave_missing_values() -> None:
    scores, reasons, must = county()
    frame = listed(scores, reasons.query("position == 1"), must).frame()
    assert frame.query("kind == 'model'")["reason_2_zh"].isna().all()
    assert frame["reason_1_zh"].notna().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: pd.concat([s, s.head(2)]), "2 households appear more than once"),
        (lambda s: s.assign(risk=s["risk"].where(s.index != 3)), "1 risks are missing or outside"),
        (lambda s: s.assign(risk=s["risk"] + 1.01), "risks are missing or outside"),
        (lambda s: s.assign(stratum="rich"), "unknown strata rich; known: at_risk"),
        (lambda s: s.assign(as_of=[AS_OF, *[AS_OF + pd.Timedelta(days=1)] * (len(s) - 1)]), "found 2025-09-30, 2025-10-01"),
        (lambda s: s.drop(columns=["stratum", "risk"]), "no column stratum, risk"),
        (lambda s: s.assign(village_code=999), "villages that are not on file: 999"),
        (lambda s: s.assign(township_code=530124100), "another township than their village"),
    ],
)
def test_scores_that_cannot_be_ranked_are_refused(change, message: str) -> None:
    scores, reasons, must = county()
    with pytest.raises(ContractViolation, match=message):
        listed(change(scores), reasons, must)


def test_refusals_name_pseudonyms_and_all_failures_at_once() -> None:
    scores, reasons, must = county()
    broken = pd.concat([scores, scores.head(1)]).assign(stratum="rich")
    with pytest.raises(ContractViolation) as caught:
        listed(broken, reasons, must)
    assert pseudonym_text(int(scores["household_id"].iloc[0])) in str(caught.value)
    assert str(scores["household_id"].iloc[0]) not in str(caught.value)
    assert "unknown strata rich" in str(caught.value)


def test_no_scores_and_no_version_are_refused() -> None:
    scores, reasons, must = county()
    with pytest.raises(NotEnoughDataError, match="no scores"):
        listed(scores.head(0), reasons, must)
    with pytest.raises(ConfigError, match="model_version is blank"):
        select(scores, reasons, spec=VisitSpec(), villages=VILLAGES, model_version=" ", must_visit_reasons=must)


def test_a_score_without_a_reason_is_refused() -> None:
    scores, reasons, must = county()
    chosen = listed(scores, reasons, must).frame().query("kind == 'model'")["household_id"]
    with pytest.raises(ExplanationError, match=r"2 of .* listed households have no reason"):
        listed(scores, reasons.loc[~reasons["household_id"].isin(chosen.head(2))], must)
    with pytest.raises(ExplanationError, match=r"blank texts .verify_zh"):
        listed(scores, reasons.assign(verify_zh=" "), must)


def test_must_visit_reasons_for_others_and_double_positions_are_refused() -> None:
    scores, reasons, must = county()
    other = must.assign(household_id=scores.query("stratum == 'at_risk'")["household_id"].iloc[: len(must)].to_numpy())
    with pytest.raises(ContractViolation, match="not below the line"):
        listed(scores, reasons, other)
    with pytest.raises(ContractViolation, match="share household and position"):
        listed(scores, pd.concat([reasons, reasons.head(1)]), must)


def test_specifications_that_cannot_be_meant_are_refused() -> None:
    low, high = Tier("low", "低", "low", 0.0), Tier("high", "高", "high", 0.3)
    for wrong in ({"per_township": -1}, {"top_reasons": 0}, {"tiers": ()}, {"tiers": (low, high)}, {"tiers": (high,)}):
        with pytest.raises(ConfigError):
            VisitSpec(**wrong)
    with pytest.raises(ConfigError, match="tier names"):
        VisitSpec(tiers=(Tier("low", "高", "high", 0.3), low))


def test_strata_count_everybody_and_expect_falls_only_where_one_can_fall() -> None:
    scores, _, _ = county()
    counted = strata(scores).set_index("stratum")
    assert counted["households"].sum() == len(scores)
    assert counted.loc["at_risk", "expected_falls"] == pytest.approx(scores.query("stratum == 'at_risk'")["risk"].sum())
    assert counted.loc[["below_line", "monitored"], "expected_falls"].isna().all()


def test_parquet_reads_back_as_the_frame_without_identity_columns(tmp_path) -> None:
    made = listed(*county())
    path = made.write_parquet(tmp_path / "out" / "list.parquet")
    table = pq.read_table(path)
    assert str(table.schema.field("as_of").type) == "date32[day]"
    assert table.column("as_of")[0].as_py() == dt.date(2025, 9, 30)
    assert table.column("pseudonym").to_pylist() == made.frame()["pseudonym"].tolist()
    assert not {"head_name", "phone", "address"} & set(table.column_names)
    assert table.schema.metadata is None
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_older_list_and_no_temporary_file(tmp_path, monkeypatch) -> None:
    made = listed(*county())
    path = made.write_parquet(tmp_path / "list.parquet")
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        listed(*county(seed=9)).write_parquet(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# ---- places by lot -----------------------------------------------------------------------------------------------------------------


def with_lot(scores, reasons, must, *, seed: int = 5, random_places: int = 7, per_township: int = 20) -> VisitList:
    spec = VisitSpec(per_township=per_township, random_places=random_places)
    return select(scores, reasons, spec=spec, villages=VILLAGES, model_version=VERSION, must_visit_reasons=must, seed=seed)


def test_places_by_lot_come_beside_those_by_risk_and_after_them() -> None:
    scores, reasons, must = county()
    plain, made = listed(scores, reasons, must, per_township=20).frame(), with_lot(scores, reasons, must)
    frame = made.frame()
    by_lot = frame.query("kind == 'random'")
    certain = frame.query("kind != 'random'").reset_index(drop=True)
    pd.testing.assert_frame_equal(certain, plain)
    assert by_lot.groupby("township_code").size().tolist() == [7, 7]
    assert not set(by_lot["household_id"]) & set(scores.query("stratum in ('monitored', 'below_line')")["household_id"])
    assert (frame["rank"] == frame.groupby("township_code").cumcount() + 1).all()
    assert by_lot["reason_1_zh"].str.len().gt(0).all()
    areas = made.make_up().query("level == 'township'")
    assert (areas["listed"] == areas["must_visit"] + areas["model"] + areas["random"]).all()
    assert (areas["households"] == areas["listed"] + areas["left_out"] + areas["monitored"]).all()
    ranked = frame.query("kind == 'model'").groupby("township_code")["risk"].sum()
    assert np.allclose(areas.set_index("area_code").loc[ranked.index, "expected_falls_listed"], ranked)


def test_the_log_holds_the_chance_of_everybody() -> None:
    scores, reasons, must = county()
    made = with_lot(scores, reasons, must)
    log, frame = made.chances().set_index("household_id"), made.frame().set_index("household_id")
    assert sorted(log.index) == sorted(scores["household_id"])
    assert (log.loc[frame.index, "slot"] == frame["kind"]).all()
    assert (log.drop(frame.index)["slot"] == "none").all()
    stratum = scores.set_index("household_id")["stratum"]
    assert (log.loc[stratum[stratum == "monitored"].index, "chance"] == 0).all()
    assert (log.query("slot in ('must_visit', 'model')")["chance"] == 1).all()
    uncertain = log.query("0 < chance < 1")
    assert np.allclose(uncertain.groupby("township_code")["chance"].sum(), 7)  # so many places, whoever gets them
    assert set(uncertain["slot"]) == {"random", "none"}


def test_the_lot_is_of_the_seed_and_the_day_and_not_of_the_order_of_rows() -> None:
    scores, reasons, must = county()
    drawn = {
        name: frozenset(with_lot(s, reasons, must, seed=seed).frame().query("kind == 'random'")["household_id"])
        for name, s, seed in (
            ("first", scores, 5),
            ("shuffled", scores.sample(frac=1, random_state=1), 5),
            ("seed", scores, 6),
            ("day", scores.assign(as_of=AS_OF + pd.Timedelta(days=30)), 5),
        )
    }
    assert drawn["first"] == drawn["shuffled"]
    assert len({drawn["first"], drawn["seed"], drawn["day"]}) == 3


def test_over_many_lots_households_are_listed_as_often_as_the_log_says() -> None:
    scores, _, _ = county()
    plans = [visit_plan(scores, per_township=20, random_places=7, seed=lot_seed(seed, AS_OF.date())) for seed in range(300)]
    often = np.mean([plan["slot"] != "none" for plan in plans], axis=0)
    chance = plans[0]["chance"].to_numpy()
    spread = np.sqrt(chance * (1 - chance) / len(plans))
    assert (np.abs(often - chance) <= 4.5 * spread).all()
    assert ((often - chance)[spread > 0] / spread[spread > 0]).std() == pytest.approx(1, abs=0.2)


def test_a_township_with_fewer_left_than_places_by_lot_lists_them_all() -> None:
    scores, reasons, must = county(60)
    log = with_lot(scores, reasons, must, random_places=1000).chances()
    assert {"must_visit", "model", "random"} <= set(log["slot"])
    assert (log["chance"] == (log["slot"] != "none")).all()
    assert sorted(log.query("slot == 'none'")["household_id"]) == sorted(scores.query("stratum == 'monitored'")["household_id"])


def test_places_by_lot_below_zero_are_refused() -> None:
    with pytest.raises(ConfigError, match="random_places is -1"):
        VisitSpec(random_places=-1)
