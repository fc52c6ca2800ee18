"""The chain on one small county: complete, repeatable to the byte, blind to row order, silent about who people are."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import random
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from pandas.testing import assert_frame_equal
from python_calamine import CalamineWorkbook

from returnrisk.accuracy import ORDERS, POPULATIONS, RANKING, SCORES
from returnrisk.demo import PUBLISHED_KEY, run_demo
from returnrisk.errors import (
    BundleError,
    ConfigError,
    IngestError,
    NotEnoughDataError,
    PseudonymKeyError,
    RegistryError,
    ReturnRiskError,
    StoreError,
    UnknownNameError,
)
from returnrisk.project import Project, init_project, open_project
from returnrisk.registry import load_bundle
from returnrisk.registry.serving import BundleScorer
from returnrisk.run_manifest import read_manifest_of_run
from returnrisk.store.files import sha256_of
from returnrisk.store.pseudonyms import pseudonym_text, pseudonymise
from returnrisk.timeline import add_months, month_end
from returnrisk.training import labelled_rows
from returnrisk.visits import strata

SMALL_DAY = dt.date(2025, 3, 31)
SMALL_KEY = b"key of the small county of the tests"
RELABELLED = 1e-6
"""Other keys sum neighbours' and household's floats in another order; a float32 feature may move by its last bit."""


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def outputs(project: Project, as_of: dt.date) -> dict[str, bytes]:
    """What a run wrote on a day; the tables of a training stand in a folder of their own."""
    return {
        name: content for name, content in bytes_below(project.output_folder(as_of)).items() if not name.startswith("training/")
    }


def rows_of(path: Path) -> tuple[list[list[Any]], str]:
    """Header and records of a csv or xlsx as they stand there, and the csv's encoding."""
    if path.suffix == ".xlsx":
        return CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python(), ""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return list(csv.reader(io.StringIO(path.read_text(encoding=encoding), newline=""))), encoding
        except UnicodeDecodeError:
            continue
    raise AssertionError(path)


def sheet_of(path: Path, name: str) -> list[list[Any]]:
    book = CalamineWorkbook.from_path(str(path))
    return book.get_sheet_by_name(name).to_python() if name in book.sheet_names else []


def write_rows(path: Path, rows: list[list[Any]], encoding: str) -> None:
    if path.suffix == ".csv":
        stream = io.StringIO(newline="")
        csv.writer(stream).writerows(rows)
        path.write_bytes(stream.getvalue().encode(encoding))
        return
    path.unlink()
    with xlsxwriter.Workbook(str(path), {"strings_to_numbers": False, "strings_to_formulas": False}) as book:
        sheet = book.add_worksheet("数据")
        for i, row in enumerate(rows):
            for j, cell in enumerate(row):
                if cell != "":
                    (sheet.write_string if isinstance(cell, str) else sheet.write_number)(i, j, cell)


def disturb(inbox: Path, *, seed: int) -> int:
    """Rows and columns of every file in another order, every csv in the other encoding; returns the number of rows that moved."""
    rng, moved = random.Random(seed), 0  # noqa: S311 (nothing secret)
    for path in sorted(inbox.iterdir()):
        (header, *records), encoding = rows_of(path)
        before = [list(r) for r in records]
        rng.shuffle(records)
        moved += sum(a != b for a, b in zip(before, records, strict=True))
        order = rng.sample(range(len(header)), len(header))
        other = {"utf-8-sig": "gb18030", "gb18030": "utf-8-sig", "": ""}[encoding]
        write_rows(path, [[row[j] for j in order] for row in (header, *records)], other)
    return moved


def edit(path: Path, column: str, change: Callable[[str], str]) -> None:
    (header, *records), encoding = rows_of(path)
    at = header.index(column)
    write_rows(path, [header, *([*r[:at], change(r[at]), *r[at + 1 :]] for r in records)], encoding)


# ---- everything is there, and adds up ------------------------------------------------------------------------------------------


def test_a_run_writes_every_file_and_seals_it_with_its_checksum(demo):
    folder = demo.run.visits.parquet.parent
    townships = demo.run.frame()["township_code"].unique()
    names = set(outputs(open_project(demo.folder), demo.as_of))
    data = {
        f"report_data/{n}.parquet"
        for n in (
            *("coverage", "strata", "make_up", "metrics", "populations", "differences", "calibration_curve", "lift_curve"),
            *("reached", "fairness", "drift"),
        )
    }
    lists = {f"lists/走访名单_{t}_{demo.as_of}.xlsx" for t in townships}
    tables = {f"{n}.parquet" for n in ("scores", "reasons", "visits", "visit_chances", "follow_up")}
    assert names == {"manifest.json", "report.html", "drift.csv"} | tables | data | lists
    manifest = read_manifest_of_run(folder)
    assert manifest["files"] == {name: sha256_of(folder / name) for name in names - {"manifest.json"}}
    assert manifest["as_of"] == demo.as_of.isoformat() == folder.name
    assert manifest["model_version"] == demo.run.model_version == "fall-12m/1"
    assert manifest["model_fingerprint"] == demo.training.bundle.fingerprint
    assert manifest["store_fingerprint"] == demo.run.ingest.manifest.fingerprint


def test_every_input_row_has_one_fate(demo):
    counts = demo.run.ingest.report.files
    by_hand = {p.name: sum(any(cell != "" for cell in row) for row in rows_of(p)[0][1:]) for p in (demo.folder / "inbox").iterdir()}
    assert counts.set_index("file")["n_input"].to_dict() == by_hand
    assert (counts["n_input"] == counts[["n_accepted", "n_duplicate", "n_quarantined"]].sum(axis=1)).all()
    beside = pd.read_csv(demo.folder / "store" / demo.run.ingest.manifest.accounting / "files.csv", encoding="utf-8-sig")
    assert (
        beside[["n_input", "n_accepted", "n_duplicate", "n_quarantined"]].sum().to_dict()
        == counts[["n_input", "n_accepted", "n_duplicate", "n_quarantined"]].sum().to_dict()
    )
    assert counts["n_quarantined"].sum() > 0
    assert counts["n_duplicate"].sum() > 0


def test_every_household_of_the_day_is_scored_once_and_the_strata_add_up(demo):
    project = open_project(demo.folder)
    table = demo.run.scores.frame()
    from returnrisk.accounts import population

    present = population(project.store().as_of(demo.as_of), [demo.as_of]).select("household_id").to_pandas()["household_id"]
    assert sorted(table["household_id"]) == sorted(present)
    assert table["risk"].between(0, 1).all()
    assert table[["risk_logistic", "risk_income_only"]].apply(lambda c: c.between(0, 1)).all(axis=None)
    counted = strata(table).set_index("stratum")["households"]
    assert counted.to_dict() == {"not_computable": 0} | table["stratum"].value_counts().to_dict() | {
        s: int((table["stratum"] == s).sum()) for s in counted.index
    }
    below = table["net_head_cny_year"] < table["line_cny_year"]
    assert not below[table["stratum"] == "at_risk"].any()
    assert below[table["stratum"] == "below_line"].all()
    townships = demo.run.visits.visit_list.make_up().query("level == 'township'").set_index("area_code")
    assert townships["households"].to_dict() == table.groupby("township_code").size().to_dict()
    assert (townships["listed"] + townships["left_out"] + townships["monitored"] == townships["households"]).all()


def test_the_list_holds_all_must_visits_the_highest_risks_and_a_reason_each(demo):
    table, listed = demo.run.scores.frame().set_index("household_id"), demo.run.frame()
    capacity = open_project(demo.folder).config.visits.per_township
    assert listed["household_id"].is_unique
    must = set(table.index[table["stratum"] == "below_line"])
    assert must
    assert must == set(listed.loc[listed["kind"] == "must_visit", "household_id"])
    assert set(table.loc[listed["household_id"], "stratum"]) <= {"below_line", "at_risk", "not_computable"}
    for township, rows in listed.groupby("township_code"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert len(rows) == max(capacity, int((rows["kind"] == "must_visit").sum()))
        chosen = rows.loc[rows["kind"] == "model", "household_id"]
        others = table[(table["township_code"] == township) & table["stratum"].isin(["at_risk", "not_computable"])].drop(chosen)
        assert table.loc[chosen, "risk"].min() >= others["risk"].max()
        assert table.loc[chosen, "risk"].is_monotonic_decreasing
    for column in ("reason_1_zh", "reason_1_en", "verify_zh", "verify_en"):
        assert (listed[column].str.strip().str.len() > 0).all(), column
    below = listed[listed["kind"] == "must_visit"]
    assert below["reason_1_zh"].str.contains("已低于监测线").all()


def test_files_on_disk_say_what_the_results_say(demo):
    folder = demo.run.visits.parquet.parent
    listed = demo.run.frame()
    read = pd.read_parquet(demo.run.visits.parquet)
    assert read["household_id"].tolist() == listed["household_id"].tolist()
    assert read["risk"].tolist() == listed["risk"].tolist()
    assert_frame_equal(pd.read_parquet(folder / "scores.parquet"), demo.run.scores.frame(), check_dtype=False)
    for path in demo.run.visits.workbooks:
        township = int(path.name.split("_")[1])
        cells = {cell for row in CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python() for cell in row}
        assert set(listed.loc[listed["township_code"] == township, "pseudonym"]) <= cells
        assert not set(listed.loc[listed["township_code"] != township, "pseudonym"]) & cells


def test_risks_and_reasons_come_from_the_sealed_bundle(demo):
    """The bundle, loaded by path, gives the same risks to the cached snapshot; contributions of a family add up over its features."""
    project = open_project(demo.folder)
    bundle = load_bundle(demo.training.bundle.path)
    snapshot = project.snapshot(demo.as_of).frame()
    scores = demo.run.scores.frame()
    assert BundleScorer(bundle).risk(snapshot).tolist() == scores["risk"].tolist()
    import lightgbm

    raw = lightgbm.Booster(model_str=bundle.booster_text)
    contributions = raw.predict(snapshot[bundle.feature_names].to_numpy("float64"), pred_contrib=True)
    by_hand = pd.DataFrame(contributions[:, :-1], index=snapshot["household_id"], columns=[f["family"] for f in bundle.features])
    by_family = by_hand.T.groupby(level=0).sum().T
    reasons = demo.run.scores.reasons
    for row in reasons.sample(50, random_state=1).itertuples():
        assert row.contribution == pytest.approx(by_family.loc[row.household_id, row.family], abs=1e-9)
        recorded = snapshot.loc[snapshot["household_id"] == row.household_id, row.feature].iloc[0]
        assert row.value == pytest.approx(recorded, nan_ok=True)


def test_every_result_gives_a_frame(demo):
    project = open_project(demo.folder)
    results = [
        demo.training,
        demo.run,
        demo.run.visits,
        demo.run.scores,
        demo.training.training,
        demo.run.ingest.report,
        project.snapshot(demo.as_of),
    ]
    results += [demo.training.training.accuracy, demo.training.training.accuracy.overall, demo.run.visits.visit_list]
    assert all(isinstance(result.frame(), pd.DataFrame) and len(result.frame()) for result in results)
    assert isinstance(demo.run.ingest.frame(), pd.DataFrame)


def test_no_accuracy_without_n_base_rate_and_interval(demo):
    metrics = demo.training.training.frame().query("metric != 'tie_share_at_capacity'")  # that one describes, it measures nothing
    assert set(metrics["score"]) == {*SCORES, *ORDERS}
    assert metrics[["n", "n_events", "base_rate", "low", "high"]].notna().all(axis=None)
    inside = metrics[metrics["metric"] != "ece"]  # resampling adds to it: its interval may lie above it (`Evaluation.frame`)
    assert (inside["low"] <= inside["value"]).all()
    assert (inside["value"] <= inside["high"]).all()
    predictions = demo.training.training.accuracy.predictions
    assert (metrics["n"] == len(predictions)).all()
    assert (metrics["n_events"] == predictions["y"].sum()).all()
    card = json.loads((demo.training.bundle.path / "card.json").read_text(encoding="utf-8"))
    assert {m["score"] for m in card["metrics"]} == {*SCORES, *ORDERS}
    assert all(m["n"] and m["base_rate"] is not None for m in card["metrics"])
    assert card["groups"]
    assert all(g["n_fallen"] >= demo.training.training.spec.evaluation.min_group_events for g in card["groups"])
    assert all(m["low"] is not None and m["high"] is not None for m in card["metrics"] if m["metric"] != "tie_share_at_capacity")


def test_a_training_keeps_its_tables_in_its_run_and_in_the_outputs(demo):
    project = open_project(demo.folder)
    assert demo.training.folder == project.output_folder(demo.as_of) / "training" / "fall-12m"
    written = bytes_below(demo.training.folder)
    assert set(written) == {f"{n}.csv" for n in ("metrics", "differences", "calibration_groups", "falls_reached", "fairness")} | {
        "manifest.json"
    }
    (artifacts,) = (demo.folder / "mlruns" / "artifacts").rglob("evaluation")
    assert bytes_below(artifacts) == {name: content for name, content in written.items() if name != "manifest.json"}
    table = pd.read_csv(demo.training.folder / "calibration_groups.csv")
    everyone = table.iloc[0]
    predictions = demo.training.training.accuracy.predictions
    assert (everyone["n"], everyone["n_events"]) == (len(predictions), predictions["y"].sum())
    towns = table[table["grouping"] == "township_code"]
    assert towns["n"].sum() == everyone["n"]
    assert {"ex_poor", "disabled", "all_old", "remote_village"} <= set(table["grouping"])


def test_the_fairness_of_a_training_is_of_its_lists_and_tells_protected_groups_apart(demo):
    accuracy = demo.training.training.accuracy
    table = pd.read_csv(demo.training.folder / "fairness.csv", keep_default_na=False, na_values=[""])
    rows = accuracy.predictions
    everyone = table.iloc[0]
    assert everyone["n_fallen"] == rows.loc[rows["y"] == 1, "household_id"].nunique()
    recall = accuracy.overall.wide().set_index("score").loc["model", "recall_at_capacity"]
    assert everyone["recall"] == pytest.approx(recall)
    assert {"head_sex", "head_ethnicity", "minority_area", "aided", "on_file", "head_age"} <= set(table["grouping"])
    one_way = table[table["grouping_2"].isna()]
    assert one_way[one_way["grouping"] == "head_sex"]["n"].sum() == len(rows)
    page = pd.read_parquet(demo.run.report.parent / "report_data" / "fairness.parquet")
    assert len(page) == len(one_way)
    told = page[page["status"] != "hidden"][["n", "n_events"]].min()
    assert told["n"] >= 5
    assert "谁被漏掉得更多" in demo.run.report.read_text(encoding="utf-8")
    spec = open_project(demo.folder).spec
    assert not {"head_sex", "head_ethnicity_group", "minority_area"} & {f.name for f in demo.training.training.features}
    assert_frame_equal(
        open_project(demo.folder).evaluate().fairness(spec.evaluation), accuracy.fairness(spec.evaluation), check_exact=True
    )


def test_the_alert_rules_and_chance_stand_beside_the_scores_as_orders(demo):
    overall = demo.training.training.accuracy.overall
    for name in ORDERS:
        assert set(overall.point[name]) <= set(RANKING)
        assert {"auc", "average_precision", "recall_at_capacity"} <= set(overall.point[name])
    assert overall.point["random"]["auc"] == 0.5
    assert overall.point["random"]["average_precision"] == pytest.approx(overall.base_rate)
    paired = demo.training.tables["differences"].set_index(["score", "metric"])
    assert set(paired.index.get_level_values("score")) == {"logistic", "income", *ORDERS}
    assert paired.loc[("random", "auc"), "difference"] == pytest.approx(0.5 - overall.point["model"]["auc"])


@pytest.mark.slow
def test_the_alert_rules_are_those_of_the_countys_own_pack(demo, demo_copy):
    overall = demo.training.training.accuracy.overall
    config = demo_copy.root / "returnrisk.toml"
    config.write_text(config.read_text(encoding="utf-8").replace('pack = "national"', 'pack = "guangxi-style"'), encoding="utf-8")
    again = open_project(demo_copy.root).evaluate(which=1).overall
    assert again.point["model"] == overall.point["model"]
    assert again.point["alerts"]["auc"] != overall.point["alerts"]["auc"]


# ---- the same data give the same bytes -----------------------------------------------------------------------------------------


def test_a_moved_project_run_again_gives_the_same_bytes(demo, demo_copy, tmp_path):
    """Repeated in another folder, from cached snapshots: lists, tables, page and manifest stay the same to the byte."""
    before = outputs(demo_copy, demo.as_of)
    moved = open_project(shutil.move(demo_copy.root, tmp_path / "另一处 moved"))
    again = moved.run(as_of=demo.as_of)
    assert outputs(moved, demo.as_of) == before
    assert again.model_version == "fall-12m/1"
    _, bundle = moved.model()
    assert bundle.path.is_relative_to(moved.root)
    assert bundle.fingerprint == demo.training.bundle.fingerprint


@pytest.mark.slow
def test_shuffled_files_give_the_same_list_report_and_model(demo, tmp_path):
    """Rows and columns in another order, encodings swapped, one file in a sub-folder: same store, bytes and trained bundle."""
    fresh = init_project(tmp_path / "shuffled", key=PUBLISHED_KEY, county_zh="模拟县", county_en="Simulated County", synthetic=True)
    inbox = shutil.copytree(demo.folder / "inbox", fresh.root / "inbox", dirs_exist_ok=True)
    n_rows = int(demo.run.ingest.report.frame()["n_input"].sum())
    assert disturb(inbox, seed=5) > 0.9 * n_rows
    (inbox / "民政").mkdir()
    (inbox / "监测对象.xlsx").rename(inbox / "民政" / "监测对象.xlsx")
    for name in ("mlruns", "models"):
        shutil.copytree(demo.folder / name, fresh.root / name)
    again = fresh.run(as_of=demo.as_of)
    assert again.ingest.manifest.fingerprint == demo.run.ingest.manifest.fingerprint
    assert outputs(fresh, demo.as_of) == outputs(open_project(demo.folder), demo.as_of)
    trained = fresh.train(as_of=demo.as_of)
    assert trained.bundle.fingerprint == demo.training.bundle.fingerprint
    assert trained.version.version == 1  # the same model is not registered twice
    assert bytes_below(trained.bundle.path) == bytes_below(demo.training.bundle.path)


LEARNERS = {
    "hazard": '[learner.params]\npenalty = 5.0\ncolumns = ["income_log_ratio", "n_seriously_ill", "n_out_of_work_12m", "village_below_share"]',
    "scorecard": '[learner.params]\ncolumns = ["income_line_ratio", "n_seriously_ill", "n_out_of_work_12m", "village_below_share"]',
    "vulnerability": '[learner.params]\ncolumn = "income_line_ratio"\ncolumns = ["n_members", "n_full_labour", "n_seriously_ill", "ex_poor"]',
    "logistic": "[learner.params]\nC = 0.2",
}


@pytest.mark.parametrize(
    "learner", ["hazard", *(pytest.param(name, marks=pytest.mark.slow) for name in LEARNERS if name != "hazard")]
)
def test_a_model_of_any_learner_goes_the_whole_way_to_a_list_with_reasons(demo, demo_copy, learner):
    path = demo_copy.root / "models" / "fall-12m.toml"
    text = path.read_text(encoding="utf-8")
    start, end = text.index("[learner]"), text.index("[calibration]")
    path.write_text(f'{text[:start]}[learner]\nname = "{learner}"\n{LEARNERS[learner]}\n\n{text[end:]}', encoding="utf-8")
    project = open_project(demo_copy.root)
    trained = project.train(as_of=demo.as_of)
    assert not (trained.bundle.path / "booster.txt").exists()
    project.promote(version=trained.version.version)
    listed = project.run(as_of=demo.as_of)
    everyone = listed.scores.table.set_index("household_id")
    assert everyone["risk"].between(0, 1).all()
    assert everyone["risk"].nunique() > 20  # a scorecard has whole points
    reasons = listed.scores.reasons
    assert set(reasons["feature"]) <= set(trained.bundle.feature_names) | set(reasons["feature"][reasons["family"] == "income"])
    assert (reasons.groupby("household_id")["position"].min() == 1).all()
    assert set(listed.frame()["household_id"]) <= set(everyone.index)
    assert_frame_equal(project.evaluate().frame(), trained.training.accuracy.frame(), check_exact=True)


def test_evaluating_again_gives_exactly_what_training_measured(demo):
    project = open_project(demo.folder)
    trained = demo.training.training.accuracy
    for which in ("candidate", "champion", 1):
        assert_frame_equal(project.evaluate(which=which).frame(), trained.frame(), check_exact=True)
    again = project.evaluate()
    assert_frame_equal(again.overall.differences("income"), trained.overall.differences("income"), check_exact=True)
    assert set(again.populations) == set(trained.populations)


def test_precision_and_recall_are_those_of_the_lists_that_would_have_been_made(demo_copy, demo):
    """The test days are run as a month's list; what those lists hold and miss is counted household by household."""
    accuracy = demo.training.training.accuracy
    days = sorted(accuracy.predictions["as_of"].unique())
    found = []
    for day in days:
        scores = demo_copy.score(as_of=pd.Timestamp(day).date(), which="candidate")
        found.append(demo_copy.visits(scores).frame()[["household_id", "as_of"]].assign(on_list=True))
    rows = accuracy.predictions.merge(pd.concat(found), on=["household_id", "as_of"], how="left")
    on_list = rows["on_list"].notna()
    overall = accuracy.overall.wide().set_index("score").loc["model"]
    assert overall["precision_at_capacity"] == pytest.approx(rows.loc[on_list, "y"].mean())
    assert overall["recall_at_capacity"] == pytest.approx(rows.loc[on_list, "y"].sum() / rows["y"].sum())
    assert 0 < on_list.sum() < len(rows)
    first = pd.Timestamp(days[0]).date()
    known_on = demo.training.training.known_on
    outcomes, _ = labelled_rows(demo_copy.store(), demo_copy.spec, [first], known_on=known_on, snapshots=demo_copy.snapshot)
    lists = {pd.Timestamp(part["as_of"].iloc[0]): set(part["household_id"]) for part in found}
    fell = [(row.household_id, row.event_on - pd.Timedelta(days=30)) for row in outcomes.itertuples() if row.y == 1]
    in_time = [any(who in named for day, named in lists.items() if day <= latest) for who, latest in fell]
    reached = accuracy.reached.set_index("score").loc["model"]
    assert (reached["n_falls"], reached["n_lists"], reached["n_named"]) == (len(fell), len(days), sum(map(len, lists.values())))
    assert reached["reached"] == pytest.approx(np.mean(in_time))
    assert 0 < reached["reached"] < 1
    assert_frame_equal(demo_copy.evaluate(orders=True).reached, accuracy.reached, check_exact=True)


def test_entry_and_relapse_are_measured_apart(demo):
    accuracy = demo.training.training.accuracy
    frame = accuracy.frame()
    assert set(frame["population"]) == {"all", *accuracy.populations}
    n = frame[frame["metric"] == "auc"].groupby("population")["n"].first()
    for name, seen in POPULATIONS.items():
        rows = accuracy.predictions[accuracy.predictions["seen_below"] == seen]
        if rows["y"].nunique() == 2:
            assert n[name] == len(rows)
    assert n.drop("all").sum() <= n["all"]


def test_a_cached_snapshot_is_the_computed_one(demo_copy, demo):
    cached = demo_copy.snapshot(demo.as_of)
    kept = bytes_below(demo_copy.root / "snapshots")
    shutil.rmtree(demo_copy.root / "snapshots")
    computed = demo_copy.snapshot(demo.as_of)
    assert_frame_equal(cached.frame(), computed.frame(), check_exact=True)
    assert cached.features == computed.features
    (name,) = bytes_below(demo_copy.root / "snapshots")
    assert (demo_copy.root / "snapshots" / name).read_bytes() == kept[name]


def test_a_damaged_cached_snapshot_is_not_used(demo_copy, demo):
    expected = demo_copy.snapshot(demo.as_of).frame()
    (path,) = (demo_copy.root / "snapshots").glob(f"{demo.as_of}-*.parquet")
    path.write_bytes(path.read_bytes()[:-200])
    try:
        found = demo_copy.snapshot(demo.as_of).frame()
    except ReturnRiskError as error:
        assert "snapshot" in str(error)  # noqa: PT017 (either is right: an error with a reason, or computed anew)
    else:
        assert_frame_equal(found, expected)


# ---- drift ---------------------------------------------------------------------------------------------------------------------


def test_a_run_holds_its_month_against_the_model_and_says_so_in_report_and_file(demo, demo_copy):
    month = demo.run.visits.drift
    test_days = demo.training.bundle.card["periods"]["test"]
    assert [day.isoformat() for day in month.reference_days] == test_days
    written = pd.read_csv(demo_copy.output_folder(demo.as_of) / "drift.csv", encoding="utf-8-sig", keep_default_na=False)
    assert written["code"].tolist() == [check.code for check in month.checks]
    assert set(written.loc[written["code"] == "DRIFT002", "subject"]) == set(demo.training.bundle.feature_names)
    page = demo.run.report.read_text(encoding="utf-8")
    assert "本月数据与训练时相比" in page
    assert ("本月没有报警" in page) == (not month.alarms)
    said = [month.list_line(int(code)) for code in demo.run.frame()["township_code"].unique()]
    sheets = [CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python() for path in demo.run.visits.workbooks]
    assert [any("本月数据提示" in str(row[0]) for row in sheet) for sheet in sheets] == [line is not None for line in said]
    assert_frame_equal(demo_copy.drift(as_of=demo.as_of).frame(), month.frame())


def test_an_audit_of_drift_looks_at_outcomes_and_seals_what_it_found(demo, demo_copy):
    month = demo_copy.audit_drift(as_of=demo.as_of)
    folder = demo_copy.output_folder(demo.as_of) / "drift"
    assert read_manifest_of_run(folder)["model_version"] == "fall-12m/1"
    (check,) = (c for c in month.checks if c.code == "DRIFT004")
    last = dt.date.fromisoformat(demo.training.bundle.card["periods"]["test"][-1])
    later = [d for d in pd.read_csv(folder / "calibration.csv")["day"] if d != "all"] if "calibration" in month.tables else []
    assert all(day > last.isoformat() for day in later)
    assert (check.result == "cannot_tell") == (
        "calibration" not in month.tables or month.tables["calibration"].loc[0, "n_events"] < 20
    )
    again = bytes_below(folder)
    demo_copy.audit_drift(as_of=demo.as_of)
    assert bytes_below(folder) == again


def test_a_model_of_before_there_was_a_reference_still_makes_lists(demo, demo_copy):
    from returnrisk.registry import write_bundle

    old = replace(demo.training.bundle.content, reference=None)
    bundle = write_bundle(old, folder=demo_copy.root / "models" / "exported")
    registered = demo_copy.catalogue().log_training(
        bundle, metrics={}, params={}, tags={}, bundle_location=bundle.path.relative_to(demo_copy.root).as_posix()
    )
    scores = demo_copy.score(as_of=demo.as_of, which=registered.version)
    made = demo_copy.visits(scores)
    assert made.drift.reference_days == ()
    assert made.frame()["household_id"].tolist() == demo.run.frame()["household_id"].tolist()
    assert "无从比较" in (demo_copy.output_folder(demo.as_of) / "drift.csv").read_text(encoding="utf-8-sig")


# ---- the demo ------------------------------------------------------------------------------------------------------------------


def test_the_demo_says_where_everything_is(demo):
    text = demo.text()
    for path in (demo.training.bundle.path, demo.run.visits.workbooks[0], demo.run.report):
        assert str(path) in text
    counts = demo.run.ingest.report.frame()
    assert f"{counts['n_input'].sum():,} rows" in text
    assert f"{len(demo.run.frame())} households" in text
    assert re.search(
        r"AUC 0\.\d{3} \(0\.\d{3}–[01]\.\d{3}\), income only 0\.\d{3} \(0\.\d{3}–[01]\.\d{3}\); n = [\d,]+, base rate 0\.\d{3}",
        text,
    )
    assert "fall-12m/1" in text
    assert "never use it for real households" in text


def test_a_demo_that_is_too_short_is_refused_before_any_work(tmp_path):
    with pytest.raises(NotEnoughDataError, match="history"):
        run_demo(tmp_path / "demo", households=900, months=24)
    assert not (tmp_path / "demo").exists()


@pytest.mark.slow
def test_the_demo_itself_runs_on_the_shipped_specification(tmp_path):
    stages: list[str] = []
    result = run_demo(tmp_path / "demo", households=900, months=84, progress=lambda stage, *_: stages.append(stage))
    split = result.training.training.split
    assert (len(split.calibrate), len(split.test)) == (4, 4)
    assert next(iter(dict.fromkeys(stages))) == "simulate"
    assert {"read", "check", "write", "label", "fit", "evaluate", "register", "score", "visits", "report"} <= set(stages)
    manifest = read_manifest_of_run(result.run.report.parent)
    assert len(manifest["files"]) > 10
    auc = result.training.frame().set_index("score")["auc"]
    assert auc["model"] > 0.7


# ---- metamorphic ---------------------------------------------------------------------------------------------------------------


def test_names_change_what_is_read_not_who_comes_first(demo, small_copy):
    """Villages, householders and county renamed: the same risks, ranks and reasons; the new names stand where names belong."""
    plain, renamed = (small_copy(name, model_of=demo) for name in ("plain", "renamed"))
    edit(renamed.root / "inbox" / "行政村名单.xlsx", "村名称", lambda name: f"新{name}")
    edit(renamed.root / "inbox" / "户主联系信息.xlsx", "户主姓名", lambda name: f"{name}改")
    renamed.ingest()
    renamed = Project(root=renamed.root, config=replace(renamed.config, county_zh="改名县"))
    lists = [project.visits(project.score(as_of=SMALL_DAY)) for project in (plain, renamed)]
    first, second = (found.frame() for found in lists)
    assert_frame_equal(first.drop(columns="village_name"), second.drop(columns="village_name"), check_exact=True)
    assert ("新" + first["village_name"]).tolist() == second["village_name"].tolist()
    assert set(lists[1].visit_list.make_up()["area_name"]) - set(lists[0].visit_list.make_up()["area_name"]) == {"改名县"}
    names = {str(row[1]) for row in rows_of(renamed.root / "inbox" / "户主联系信息.xlsx")[0][1:]}
    cells = {str(c) for path in lists[1].workbooks for row in rows_of(path)[0] for c in row}
    assert len(names & cells) == len(second)


@pytest.mark.slow
def test_another_key_gives_other_pseudonyms_and_the_same_risks(demo, small_copy):
    keys = (SMALL_KEY, b"2" * 32)
    first, second = (small_copy(name, model_of=demo) for name in ("one", "two"))
    (second.root / "pseudonym.key").write_bytes(keys[1])
    second.ingest()
    tables = [project.score(as_of=SMALL_DAY).frame() for project in (first, second)]
    assert not set(tables[0]["household_id"]) & set(tables[1]["household_id"])
    natural = sorted({str(row[0]) for row in rows_of(first.root / "inbox" / "农户基本信息.xlsx")[0][1:]})
    by_number = []
    for key, table in zip(keys, tables, strict=True):
        made = pseudonymise(natural, kind="household", key=key)
        by_number.append(
            table.assign(number=table["household_id"].map({v: k for k, v in made.items()})).set_index("number").sort_index()
        )
    columns = ["village_code", "stratum", "net_head_cny_year", "line_cny_year"]
    assert_frame_equal(by_number[0][columns], by_number[1][columns], check_exact=True)
    assert by_number[0]["risk"].to_numpy() == pytest.approx(by_number[1]["risk"].to_numpy(), abs=RELABELLED)


@pytest.mark.slow  # the mutation test of the store does the same for every feature
def test_what_was_recorded_after_the_day_changes_nothing(demo, small_copy):
    """Every later row taken out of the files: everything computed for the day stays the same."""
    day = dt.date(2025, 2, 28)  # the first month end with twelve closed months
    whole, cut = (small_copy(name, model_of=demo) for name in ("whole", "cut"))
    for path in sorted((cut.root / "inbox").iterdir()):
        (header, *records), encoding = rows_of(path)
        at = next(i for i, name in enumerate(header) if name in {"登记日期", "送达日期"})
        kept = [r for r in records if dt.date.fromisoformat(str(r[at])[:10]) <= day]
        if not kept:
            path.unlink()
        elif len(kept) < len(records):
            write_rows(path, [header, *kept], encoding)
    (cut.root / "store" / "manifest.json").unlink()  # otherwise the lost files stop it
    cut.ingest()
    assert whole.store().manifest.fingerprint != cut.store().manifest.fingerprint
    assert cut.store().last_recorded_on() <= day < whole.store().last_recorded_on()
    scored = [project.score(as_of=day) for project in (whole, cut)]
    assert_frame_equal(scored[0].frame(), scored[1].frame(), check_exact=True)
    assert_frame_equal(scored[0].reasons, scored[1].reasons, check_exact=True)
    assert_frame_equal(whole.snapshot(day).frame(), cut.snapshot(day).frame(), check_exact=True)


# ---- candidate, champion, previous ---------------------------------------------------------------------------------------------


def test_candidate_champion_and_previous_follow_training_and_promotion(demo, demo_copy):
    config = demo_copy.root / "returnrisk.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("seed = 0", "seed = 7"), encoding="utf-8")
    project = open_project(demo_copy.root)
    second = project.train(as_of=demo.as_of)
    assert second.bundle.fingerprint != demo.training.bundle.fingerprint
    aliases = project.catalogue().versions().set_index("version")["aliases"].to_dict()
    assert aliases == {1: "champion", 2: "candidate"}
    assert project.model()[0].version == 1
    assert project.promote().version.version == 2
    aliases = project.catalogue().versions().set_index("version")["aliases"].to_dict()
    assert aliases == {1: "previous", 2: "candidate, champion"}
    scored = project.score(as_of=demo.as_of)
    assert (scored.model_version, scored.fingerprint) == ("fall-12m/2", second.bundle.fingerprint)
    assert project.rollback().aliases == ("champion",)
    back = project.score(as_of=demo.as_of)
    assert_frame_equal(back.frame(), demo.run.scores.frame(), check_exact=True)
    with pytest.raises(UnknownNameError, match="9"):
        project.promote(version=9)


def test_a_look_with_another_model_does_not_break_the_seal_of_a_run(demo, demo_copy):
    """Scoring a day again with the candidate must not leave files that the run's manifest contradicts."""
    config = demo_copy.root / "returnrisk.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("seed = 0", "seed = 7"), encoding="utf-8")
    project = open_project(demo_copy.root)
    project.train(as_of=demo.as_of)
    project.visits(project.score(as_of=demo.as_of, which="candidate"))
    folder = project.output_folder(demo.as_of)
    if (folder / "manifest.json").is_file():
        manifest = read_manifest_of_run(folder)
        assert manifest["files"] == {name: sha256_of(folder / name) for name in manifest["files"]}


def test_without_a_champion_nothing_is_listed_and_the_advice_says_what_to_do(small_copy, demo):
    project = small_copy()
    for call in (lambda: project.run(as_of=SMALL_DAY), lambda: project.score(as_of=SMALL_DAY)):
        with pytest.raises(RegistryError, match="returnrisk train"):
            call()
    with pytest.raises(ReturnRiskError, match="fall-12m"):
        project.promote()
    assert not list((project.root / "outputs").iterdir())
    bundle = demo.training.bundle
    shutil.copytree(bundle.path, project.root / "models" / "exported" / bundle.path.name)
    where = f"models/exported/{bundle.path.name}"
    project.catalogue().log_training(bundle, metrics={}, params={}, tags={}, bundle_location=where)
    with pytest.raises(RegistryError, match="models promote"):
        project.run(as_of=SMALL_DAY)


def test_a_champion_of_another_specification_does_not_speak_for_this_one(demo, demo_copy):
    """The list says "within 12 months" because the model was trained so; a specification edited afterwards must not change the claim."""
    own = demo_copy.root / "models" / "fall-12m.toml"
    own.write_text(own.read_text(encoding="utf-8").replace("horizon_months = 12", "horizon_months = 6"), encoding="utf-8")
    project = open_project(demo_copy.root)
    assert project.spec.outcome.horizon_months == 6
    before = demo.run.visits.workbooks[0].read_bytes()
    try:
        made = project.visits(project.score(as_of=demo.as_of))
    except ReturnRiskError as error:
        assert "train" in str(error)  # noqa: PT017 (refused with advice, or the model's own horizon: both are right)
    else:
        assert made.workbooks[0].read_bytes() == before


# ---- refusals ------------------------------------------------------------------------------------------------------------------


def test_a_day_before_the_data_is_refused(demo):
    project = open_project(demo.folder)
    with pytest.raises(NotEnoughDataError, match="2010-01-01"):
        project.score(as_of=dt.date(2010, 1, 1))
    with pytest.raises(NotEnoughDataError):
        project.train(as_of=dt.date(2021, 6, 30))
    assert not project.output_folder(dt.date(2010, 1, 1)).exists()


def test_a_day_long_after_the_data_is_refused(demo_copy):
    """Five years without a file: nobody's income is computable, and a list of everybody's old risks would mislead."""
    with pytest.raises(NotEnoughDataError):
        demo_copy.visits(demo_copy.score(as_of=dt.date(2030, 6, 30)))


def test_too_short_a_history_names_what_is_missing(small):
    with pytest.raises(NotEnoughDataError, match="history"):
        small.train(as_of=SMALL_DAY)


def test_a_damaged_store_is_refused_and_made_whole_by_ingest(small_copy):
    project = small_copy()
    (income,) = (project.root / "store" / "income").glob("*.parquet")
    whole = income.read_bytes()
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 1
    income.write_bytes(bytes(flipped))
    with pytest.raises(StoreError, match="has changed"):
        project.snapshot(SMALL_DAY)
    income.unlink()
    with pytest.raises(StoreError, match="missing"):
        project.snapshot(SMALL_DAY)
    (project.root / "store" / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match="damaged"):
        project.store()
    (project.root / "store" / "manifest.json").unlink()
    with pytest.raises(StoreError, match="returnrisk ingest"):
        project.store()
    project.ingest()
    assert income.read_bytes() == whole
    assert len(project.snapshot(SMALL_DAY).frame()) > 0


def test_a_damaged_bundle_is_refused_before_anything_is_written(demo, demo_copy):
    before = outputs(demo_copy, demo.as_of)
    _, bundle = demo_copy.model()
    booster = bundle.path / "booster.txt"
    booster.write_bytes(booster.read_bytes()[: len(booster.read_bytes()) // 2])
    for call in (lambda: demo_copy.run(as_of=demo.as_of), lambda: demo_copy.evaluate(which="champion")):
        with pytest.raises(BundleError, match=r"booster\.txt"):
            call()
    shutil.rmtree(bundle.path)
    with pytest.raises(BundleError, match="no bundle"):
        demo_copy.score(as_of=demo.as_of)
    assert outputs(demo_copy, demo.as_of) == before


def test_an_exchanged_bundle_is_not_the_registered_one(demo_copy, demo):
    """Another whole bundle under the registered name: sealed correctly, and still refused."""
    _, bundle = demo_copy.model()
    card = bundle.path / "card.json"
    from returnrisk.registry.sealed_folder import json_bytes, manifest_for

    card.write_bytes(card.read_bytes().replace(b'"name": "fall-12m"', b'"name": "fall-12m" '))
    files = {p.name: p.read_bytes() for p in bundle.path.iterdir() if p.name != "manifest.json"}
    old = json.loads((bundle.path / "manifest.json").read_text(encoding="utf-8"))
    facts = {k: v for k, v in old.items() if k not in {"fingerprint", "files"}}
    (bundle.path / "manifest.json").write_bytes(json_bytes(manifest_for(files, facts=facts), what="manifest"))
    with pytest.raises(BundleError):
        demo_copy.score(as_of=demo.as_of)


def test_missing_or_short_key_stops_ingest_before_the_store(small_copy):
    project = small_copy()
    shutil.rmtree(project.root / "store")
    (project.root / "pseudonym.key").unlink()
    with pytest.raises(PseudonymKeyError, match=r"pseudonym\.key"):
        project.ingest()
    (project.root / "pseudonym.key").write_bytes(b"short")
    with pytest.raises(PseudonymKeyError, match="16"):
        project.ingest()
    assert not (project.root / "store" / "manifest.json").exists()


def test_a_project_is_made_once_and_opened_only_where_there_is_one(tmp_path):
    made = init_project(tmp_path / "p", county_zh="甲县")
    key, config = (tmp_path / "p" / "pseudonym.key"), (tmp_path / "p" / "returnrisk.toml")
    before = key.read_bytes(), config.read_bytes()
    with pytest.raises(ConfigError, match="exists already"):
        init_project(tmp_path / "p")
    assert (key.read_bytes(), config.read_bytes()) == before
    assert key.stat().st_mode & 0o077 == 0
    assert len(before[0]) >= 32
    assert init_project(tmp_path / "q").root != made.root
    assert (tmp_path / "q" / "pseudonym.key").read_bytes() != before[0]
    with pytest.raises(ConfigError, match="returnrisk init"):
        open_project(tmp_path)
    config.write_text(config.read_text(encoding="utf-8").replace("seed = 0", "sed = 0"), encoding="utf-8")
    with pytest.raises(UnknownNameError, match="did you mean 'seed'"):
        open_project(tmp_path / "p")
    config.write_text("schema = 99\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="99"):
        open_project(tmp_path / "p")


def test_quotes_in_a_county_name_do_not_break_the_configuration(tmp_path):
    name = '"甲"县\\'
    assert init_project(tmp_path / "p", county_zh=name).config.county_zh == name


def test_a_file_that_fed_the_store_and_is_gone_stops_the_run(demo, demo_copy):
    before = bytes_below(demo_copy.root / "store"), outputs(demo_copy, demo.as_of)
    gone = next((demo_copy.root / "inbox").glob("收入台账_*.csv"))
    gone.unlink()
    with pytest.raises(IngestError, match=re.escape(gone.name)):
        demo_copy.run(as_of=demo.as_of)
    assert (bytes_below(demo_copy.root / "store"), outputs(demo_copy, demo.as_of)) == before


# ---- nobody can be recognised --------------------------------------------------------------------------------------------------


def secrets_of(inbox: Path) -> dict[str, set[str]]:
    """What must never appear: natural numbers, names, telephones and addresses of the inbox."""
    found: dict[str, set[str]] = {"id": set(), "household": set(), "name": set(), "phone": set(), "address": set()}
    kinds = {"身份证号码": "id", "户编号": "household", "户主姓名": "name", "联系电话": "phone", "家庭住址": "address"}
    for path in inbox.iterdir():
        header, *records = rows_of(path)[0]
        for i, column in enumerate(header):
            if column in kinds:
                found[kinds[column]] |= {str(r[i]) for r in records if r[i] != ""}
    return found


FOLLOW_UP_SHEET = "继续跟踪"


def texts_in(path: Path) -> Iterator[str]:
    """All text and all whole numbers a file holds, whatever its format; of a list's workbook everything but its sheets with identities:
    the first (the list, or the records to correct) and the register of follow-up.
    """
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        yield str(table.schema.metadata or "") + " ".join(table.column_names)
        for column in table.columns:
            if pa.types.is_floating(column.type):
                column = pa.compute.cast(column.filter(pa.compute.is_finite(column)), pa.decimal128(38, 6))  # noqa: PLW2901
            yield "\n".join(map(str, column.unique().to_pylist()))
    elif path.suffix == ".xlsx":
        book = CalamineWorkbook.from_path(str(path))
        private = [n for n, name in enumerate(book.sheet_names, start=1) if n == 1 or name == FOLLOW_UP_SHEET]
        for n, name in enumerate(book.sheet_names, start=1):
            if n not in private:
                yield "\n".join(str(c) for row in book.get_sheet_by_name(name).to_python() for c in row)
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if not member.endswith(("sharedStrings.xml", *(f"sheet{n}.xml" for n in private))):
                    yield archive.read(member).decode("utf-8", "replace")
    else:
        yield path.read_bytes().decode("utf-8", "replace")


def leaks(text: str, secrets: dict[str, set[str]]) -> list[str]:
    """Kinds of secrets that stand in `text`: by their pattern first, then looked up."""
    patterns = {
        "id": r"(?<![0-9A-Za-z])\d{17}[\dXx](?![0-9A-Za-z])",
        "household": r"999901-?\d{7}",
        "phone": r"(?<!\d)1\d{10}(?!\d)",
    }
    found = [kind for kind, pattern in patterns.items() if secrets[kind] & set(re.findall(pattern, text))]
    surnames = set(re.findall(r"[\u4e00-\u9fff]+[0-9]*号?", text))
    return found + [
        kind for kind in ("name", "address") if any(s in t for t in surnames for s in secrets[kind] if len(s) <= len(t))
    ]


def test_no_output_shows_a_name_a_number_or_an_address(demo):
    secrets = secrets_of(demo.folder / "inbox")
    assert {kind: len(found) > 400 for kind, found in secrets.items()} == dict.fromkeys(secrets, True)
    restricted = next((demo.folder / "store" / "restricted").rglob("*.parquet"))
    assert {"name", "phone", "address"} <= {
        kind for text in texts_in(restricted) for kind in leaks(text, secrets)
    }  # the scan sees them
    first_sheets = {str(c) for path in demo.run.visits.workbooks for row in rows_of(path)[0] for c in row}
    assert len(first_sheets & secrets["name"]) > 100  # and there they belong
    followed = {str(c) for path in demo.run.visits.workbooks for row in sheet_of(path, FOLLOW_UP_SHEET) for c in row}
    assert followed & secrets["name"]
    assert not (first_sheets | followed) & (secrets["id"] | secrets["household"])
    scanned = 0
    for path in sorted(p for p in demo.folder.rglob("*") if p.is_file()):
        place = path.relative_to(demo.folder).parts
        if place[0] == "inbox" or place[:2] == ("store", "restricted"):
            continue
        scanned += 1
        found = {kind for text in (*texts_in(path), "/".join(place)) for kind in leaks(text, secrets)}
        assert not found, (path.relative_to(demo.folder).as_posix(), found)
    assert scanned > 50
    assert not leaks(demo.text(), secrets)


def test_identities_stay_in_the_restricted_part_of_the_store(demo):
    manifest = json.loads((demo.folder / "store" / "manifest.json").read_text(encoding="utf-8"))
    assert {name for name, table in manifest["tables"].items() if table["restricted"]} == {"identity"}
    for path in (demo.folder / "store").rglob("*.parquet"):
        columns = set(pq.read_schema(path).names)
        assert ("restricted" in path.parts) == bool(columns & {"head_name", "phone", "address"})
    for frame in (demo.run.frame(), demo.run.scores.frame(), demo.run.scores.reasons, demo.training.training.accuracy.predictions):
        assert not set(frame.columns) & {"head_name", "phone", "address", "person_id"}


def test_the_page_shows_no_household(demo):
    page = demo.run.report.read_text(encoding="utf-8")
    listed = demo.run.scores.frame()["household_id"]
    assert not [i for i in listed if str(i) in page or pseudonym_text(int(i)) in page]
    for path in demo.run.report.parent.glob("report_data/*.parquet"):
        assert "household_id" not in pq.read_schema(path).names


def test_neither_path_nor_run_id_nor_clock_is_in_an_output(demo):
    run_id = demo.training.version.run_id
    year = str(dt.datetime.now(tz=dt.UTC).year)
    assert int(year) >= 2026  # the simulated county ends before
    for path in sorted((demo.folder / "outputs").rglob("*")):
        if path.is_file():
            for text in texts_in(path):
                assert str(demo.folder) not in text, path.name
                assert run_id not in text, path.name
                assert not re.search(rf"{year}-\d\d-\d\d", text), path.name
    for path in demo.training.bundle.path.iterdir():
        content = path.read_text(encoding="utf-8")
        assert str(demo.folder) not in content
        assert run_id not in content


# ---- places by lot -----------------------------------------------------------------------------------------------------------------


def test_places_by_lot_are_on_the_list_explained_and_logged_for_good(demo_copy, demo):
    config = demo_copy.root / "returnrisk.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("random_places = 0", "random_places = 4"), encoding="utf-8")
    project, day = open_project(demo_copy.root), demo.as_of
    before = project.visit_chances(since=day, until=day)
    assert set(before["chance"]) == {0.0, 1.0}  # the demo's own run had no lot
    ran = project.run(as_of=day)
    listed, log = ran.frame(), pd.read_parquet(project.output_folder(day) / "visit_chances.parquet").set_index("household_id")
    by_lot = listed.query("kind == 'random'")
    assert by_lot.groupby("township_code").size().eq(4).all()
    assert by_lot["reason_1_zh"].str.len().gt(0).all()
    assert set(listed.query("kind != 'random'")["household_id"]) == set(demo.run.frame()["household_id"])
    sheets = [rows for path in ran.visits.workbooks for rows in rows_of(path)[0]]
    assert sum("抽查" in row for row in sheets) == len(by_lot)
    made = json.loads((project.output_folder(day) / "manifest.json").read_text(encoding="utf-8"))
    assert made["random_places"] == 4
    assert "visit_chances.parquet" in made["files"]
    assert "另抽查" in ran.report.read_text(encoding="utf-8")
    earlier = month_end(add_months(day, -1))
    project.run(as_of=earlier)
    chances = project.visit_chances(since=earlier, until=day).set_index("household_id")
    logs = [
        log["chance"],
        pd.read_parquet(project.output_folder(earlier) / "visit_chances.parquet").set_index("household_id")["chance"],
    ]
    one, two = (of.reindex(chances.index).fillna(0) for of in logs)
    assert np.allclose(chances["chance"], 1 - (1 - one) * (1 - two))
    assert (chances["rounds"] <= 2).all()
    with pytest.raises(NotEnoughDataError, match="no finished run"):
        project.visit_chances(since=dt.date(2020, 1, 1), until=dt.date(2020, 12, 31))
