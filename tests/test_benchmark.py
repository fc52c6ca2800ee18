"""The EPH benchmark: on small slices of the real files, and (slow) on all of them against the figures to reach."""

from __future__ import annotations

import gzip
import json
import os
import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from returnrisk import benchmark
from returnrisk.benchmark import BenchmarkResult, run_eph, write_records
from returnrisk.errors import IngestError, NotEnoughDataError, UsageError

EPH = Path(os.environ.get("RETURNRISK_EPH") or Path(__file__).resolve().parents[2] / "shared" / "data" / "eph")
pytestmark = pytest.mark.skipif(not EPH.is_dir(), reason="the EPH files are not here; set RETURNRISK_EPH to their folder")
EARLY = ("08t1", "08t2", "08t3", "08t4", "09t1", "09t2")
LATE = ("11t1", "11t2", "11t3", "11t4", "12t1", "12t2")
"""Six quarters are the fewest for one quarter ahead: one to fit, two to calibrate, their outcomes, one to test and its outcome."""
SHARE = 6
"""One dwelling in so many is kept in a slice: still a few hundred events a quarter."""
FIGURES = ("auc", "ap", "precision_at_10", "recall_at_10", "brier", "ece")
AIMS = {1: 0.845, 4: 0.82}
"""AUC for entry that issue 2 asks for inside this folder, by quarters ahead."""


def kept(line: bytes, at: int) -> bool:
    return zlib.crc32(line.split(b"\t")[at].strip()) % SHARE == 0


def lines_of(quarters: tuple[str, ...]) -> Iterator[tuple[Path, bytes, list[bytes]]]:
    """Relative path, header and the lines of every dwelling in `SHARE` of each file of the quarters."""
    for kind in ("hogar", "indiv"):
        for quarter in quarters:
            path = Path(kind, f"{kind}_a{quarter}.tsv.gz")
            header, *lines = gzip.decompress((EPH / path).read_bytes()).splitlines(keepends=True)
            at = header.strip().split(b"\t").index(b"CODUSU")
            yield path, header, [line for line in lines if kept(line, at)]


def write_slice(folder: Path, quarters: tuple[str, ...], *, shuffled: int | None = None) -> Path:
    for path, header, lines in lines_of(quarters):
        if shuffled is not None:
            random.Random(shuffled).shuffle(lines)  # noqa: S311 (nothing secret)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(header + b"".join(lines), compresslevel=1, mtime=0))
    return folder


def run_one_quarter(folder: Path, monkeypatch: pytest.MonkeyPatch, *, until: str, start: str) -> BenchmarkResult:
    """The benchmark at one horizon: six quarters do not reach four ahead."""
    monkeypatch.setattr(benchmark, "SPECS", {1: benchmark.SPECS[1]})
    return run_eph(folder, train_until=until, test_from=start)


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slice(tmp_path_factory.mktemp("eph-early"), EARLY)


@pytest.fixture(scope="module")
def measured(early: Path) -> BenchmarkResult:
    with pytest.MonkeyPatch.context() as patch:
        return run_one_quarter(early, patch, until="2008Q4", start="2009Q1")


def check_records(records: tuple[dict, ...], quarters: set[int]) -> None:
    assert {(r["set"], r["quarters"], r["score"]) for r in records} == {
        (s, q, p) for s in ("entry", "relapse") for q in quarters for p in ("model", "logistic", "income")
    }
    assert len(records) == 6 * len(quarters)
    for record in records:
        assert isinstance(record["n"], int)
        assert 0 < record["base_rate"] < 1
        for name in (*FIGURES, "recall_at_10_head_65", "recall_at_10_head_under_65"):
            assert 0 <= record[f"{name}_low"] <= record[f"{name}_high"], (record["set"], record["score"], name)
            if name != "ece":  # villages drawn twice add error by chance: its interval may lie above it
                assert record[f"{name}_low"] <= record[name] <= record[f"{name}_high"], (record["set"], record["score"], name)
            assert 0 <= record[name] <= 1
    by_set = {(r["set"], r["quarters"]): set() for r in records}
    for record in records:
        by_set[record["set"], record["quarters"]].add((record["n"], record["base_rate"]))
    assert all(len(found) == 1 for found in by_set.values())  # every score on the same households


def test_records_of_a_slice_are_whole_and_written_as_a_list(measured, tmp_path):
    check_records(measured.records, {1})
    read = json.loads(write_records(measured, tmp_path / "eph.json").read_text(encoding="utf-8"))
    assert isinstance(read, list)
    assert read == list(measured.records)
    assert len(measured.frame()) == len(measured.table()) == 6


def test_figures_are_those_of_the_test_rows(measured):
    """AUC, AP, precision and recall of the top tenth, Brier: computed a second time from the predictions."""
    rows = measured.trainings[1].accuracy.predictions
    assert (rows["as_of"] >= "2009-03-31").all()
    for record in measured.records:
        part = rows if record["set"] == "entry" else rows[rows["seen_below"]]
        y, p = part["y"].to_numpy(), part[f"p_{record['score']}"].to_numpy()
        assert record["n"] == len(part)
        assert record["base_rate"] == pytest.approx(y.mean())
        assert record["auc"] == pytest.approx(roc_auc_score(y, p))
        assert record["ap"] == pytest.approx(average_precision_score(y, p))
        assert record["brier"] == pytest.approx(np.mean((p - y) ** 2))
        order, k = np.argsort(-p, kind="stable"), len(y) // 10
        if p[order[k - 1]] > p[order[k]]:  # no tie at the cut: the top tenth is one set
            hits = y[order[:k]].sum()
            assert record["recall_at_10"] == pytest.approx(hits / y.sum())
            assert record["precision_at_10"] == pytest.approx(hits / k)


def test_the_slice_is_split_in_time_with_its_outcomes_inside(measured):
    split = measured.trainings[1].split
    days = [*split.fit, *split.calibrate, *split.test]
    assert [d.isoformat() for d in days] == ["2008-03-31", "2008-06-30", "2008-09-30", "2009-03-31"]
    assert measured.trainings[1].label_counts.query("status == 'event'").groupby("part")["households"].sum().min() >= 20


def test_the_model_beats_income_alone_on_a_slice(measured):
    auc = {(r["set"], r["score"]): r["auc"] for r in measured.records}
    assert auc["entry", "model"] > auc["entry", "income"] + 0.02
    assert auc["entry", "model"] > 0.75


def test_four_quarters_ahead_need_more_quarters(early, monkeypatch):
    monkeypatch.setattr(benchmark, "SPECS", {4: benchmark.SPECS[4]})
    with pytest.raises(NotEnoughDataError, match="horizon 12 months"):
        run_eph(early, train_until="2008Q4", test_from="2009Q1")


@pytest.mark.parametrize(
    "quarters", [("2010-4", "2011Q1"), ("2010Q5", "2011Q1"), ("2010Q4", "soon"), ("2010Q4", "2010Q4"), ("2011Q1", "2010Q4")]
)
def test_quarters_that_cannot_be_meant_are_refused_before_reading(tmp_path, quarters):
    with pytest.raises(UsageError):
        run_eph(tmp_path / "not even there", train_until=quarters[0], test_from=quarters[1])
    with pytest.raises(UsageError, match="2009-4"):
        run_eph(tmp_path / "not even there", train_until="2010Q4", test_from="2011Q1", rolling=["2009-4"])


def test_files_that_are_missing_or_damaged_are_named(tmp_path, early):
    with pytest.raises(IngestError, match="not even there"):
        run_eph(tmp_path / "not even there", train_until="2008Q4", test_from="2009Q1")
    broken = tmp_path / "broken"
    for kind in ("hogar", "indiv"):
        name = f"{kind}_a08t1.tsv.gz"
        (broken / kind).mkdir(parents=True)
        content = (early / kind / name).read_bytes()
        (broken / kind / name).write_bytes(content[: len(content) // 2] if kind == "indiv" else content)
    with pytest.raises(IngestError, match="indiv_a08t1"):
        run_eph(broken, train_until="2008Q4", test_from="2009Q1")


def test_recall_by_age_of_the_head_is_that_of_one_list(measured):
    """The two recalls, weighted by their events, are the recall of the list; and they are what counting by hand says."""
    training = measured.trainings[1]
    rows = training.accuracy.predictions.copy()
    rows["head_age"] = np.where(np.arange(len(rows)) % 5 == 0, 70.0, 40.0)
    rows.loc[rows.index[:3], "head_age"] = np.nan
    found = benchmark.recall_by_head(rows, "p_model", training.spec.evaluation)
    top = rows.sort_values(["p_model", "household_id", "as_of"], ascending=[False, True, True]).head(round(0.1 * len(rows)))
    for part, chosen in (("head_65", rows["head_age"] >= 65), ("head_under_65", ~(rows["head_age"] >= 65))):
        events = rows[chosen & (rows["y"] == 1)]
        assert found[f"recall_at_10_{part}"] == pytest.approx(events.index.isin(top.index).mean())
        assert found[f"recall_at_10_{part}_low"] <= found[f"recall_at_10_{part}"] <= found[f"recall_at_10_{part}_high"]
    nobody = benchmark.recall_by_head(rows.assign(head_age=30.0), "p_model", training.spec.evaluation)
    assert nobody["recall_at_10_head_65"] is nobody["recall_at_10_head_65_low"] is None


@pytest.mark.slow
def test_a_rolling_split_is_tested_on_the_year_after_it(early, monkeypatch):
    """The split that was asked for, once more as a rolling one: the same training, and the starts of the year after it alone."""
    monkeypatch.setattr(benchmark, "SPECS", {1: benchmark.SPECS[1]})
    monkeypatch.setattr(benchmark, "ROLLING_QUARTERS", 1)
    result = run_eph(early, train_until="2008Q4", test_from="2009Q1", rolling=["2008Q4", "2008Q2"])
    check_records(result.rolling, {1})  # up to 2008Q2 there is nothing to fit: left out
    assert result.rolling == result.records  # one quarter after 2008Q4 can be tested in this slice, and so it is in both
    assert {(r["train_until"], r["test_from"]) for r in result.rolling} == {("2008Q4", "2009Q1")}
    assert len(result.frame()) == 12


@pytest.mark.slow
def test_shuffled_files_give_the_same_records(measured, tmp_path, monkeypatch):
    again = run_one_quarter(write_slice(tmp_path, EARLY, shuffled=11), monkeypatch, until="2008Q4", start="2009Q1")
    assert again.records == measured.records


@pytest.mark.slow
def test_later_quarters_run_when_they_lie_in_the_folder(tmp_path, monkeypatch):
    result = run_one_quarter(write_slice(tmp_path, LATE), monkeypatch, until="2011Q4", start="2012Q1")
    check_records(result.records, {1})
    assert (result.trainings[1].accuracy.predictions["as_of"] == "2012-03-31").all()


@pytest.mark.slow
def test_all_quarters_reach_the_aims():
    """Train on outcomes to 2010Q4, test from 2011Q1: AUC for entry at least .845 one quarter and .82 four quarters ahead."""
    result = run_eph(EPH, train_until="2010Q4", test_from="2011Q1")
    check_records(result.records, {1, 4})
    auc = {(r["set"], r["quarters"], r["score"]): r for r in result.records}
    for quarters, aim in AIMS.items():
        model, income = auc["entry", quarters, "model"], auc["entry", quarters, "income"]
        assert model["auc"] >= aim
        assert model["auc_low"] > income["auc_high"]
        assert model["ece"] < 0.03
        assert auc["relapse", quarters, "model"]["auc"] > auc["relapse", quarters, "income"]["auc"]
