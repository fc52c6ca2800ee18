"""Promotion through the gates, overrides, the trail they leave, and past lists made again."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
import pytest

from returnrisk import cli
from returnrisk.errors import GateRefusedError, NotEnoughDataError, RegistryError, UnknownNameError, UsageError
from returnrisk.fairness import household_attributes
from returnrisk.held_out import held_out_days, held_out_rows, known_on, measure_bundle
from returnrisk.model_card import metric_records
from returnrisk.project import Project, open_project
from returnrisk.registry import BundleContent, ModelVersion, write_bundle
from returnrisk.registry.mlflow_home import open_client, quiet_mlflow
from returnrisk.store.files import sha256_of, write_json
from returnrisk.store.tables import _fingerprint, _manifest_content, read_manifest

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens:UserWarning")


def another_version(project: Project, change: Callable[[BundleContent], BundleContent], *, measured: bool = True) -> ModelVersion:
    """Register a changed copy of the champion, its card telling the truth about it."""
    _, bundle = project.model("champion")
    content = change(bundle.content)
    made = write_bundle(content, folder=project.root / "models" / "trial")
    if measured:
        store = project.store()
        rows = held_out_rows(
            store, project.spec, held_out_days(made), known_on=known_on(made), snapshots=project.snapshot, monthly=lambda _: None
        )
        found = measure_bundle(
            made,
            rows,
            project.spec,
            snapshots=project.snapshot,
            per_township=project.config.visits.per_township,
            attributes=lambda day: household_attributes(store.as_of(day)),
        )
        content = replace(content, card={**content.card, "metrics": metric_records(found)})
    sealed = write_bundle(content, folder=project.root / "models" / "exported")
    where = sealed.path.relative_to(project.root).as_posix()
    return project.catalogue().log_training(sealed, metrics={}, params={}, tags={}, bundle_location=where)


def shifted(by: float) -> Callable[[BundleContent], BundleContent]:
    """The same order of households; every risk another."""

    def change(content: BundleContent) -> BundleContent:
        curve = content.calibration["model"]
        return replace(
            content, calibration={**content.calibration, "model": {**curve, "intercept": float(curve["intercept"]) + by}}
        )

    return change


def of_other_data(content: BundleContent) -> BundleContent:
    return replace(content, card={**content.card, "data_fingerprint": "f" * 64})


def events(project: Project) -> list[str]:
    return [line.event for line in project.verify_audit().lines]


def test_the_demo_is_promoted_by_its_gates_and_leaves_a_whole_trail(demo):
    project = open_project(demo.folder)
    results = dict(zip(demo.promotion.frame()["code"], demo.promotion.frame()["result"], strict=True))
    assert results.pop("GATE004") == "not_applicable"
    assert {results.pop("GATE002"), results.pop("GATE006")} == {"off"}, "the tests' specification leaves these out"
    assert set(results.values()) == {"passed"}
    assert not demo.promotion.overridden
    found = project.verify_audit()
    assert found.problems == ()
    assert events(project)[:5] == ["ingest", "train", "promote", "ingest", "run"]
    promoted = found.lines[2]
    assert promoted.by == "demo"
    assert promoted.facts["gates"]["GATE003"] == "passed"
    store = project.store().manifest.fingerprint
    assert {found.lines[0].facts["store"], found.lines[1].facts["data"], found.lines[4].facts["data"]} == {store}
    version = demo.promotion.version
    with quiet_mlflow():
        client = open_client(project.root / "mlruns", tracking_uri=None)
        tags = client.get_model_version(version.name, str(version.version)).tags
    assert tags["returnrisk.approved_by"] == "demo"
    assert tags["returnrisk.approved_at"] == promoted.at
    assert json.loads(tags["returnrisk.gates"]) == promoted.facts["gates"]


def test_the_trail_holds_nothing_of_a_household(demo):
    """No number on file, name, code of a list or pseudonym stands in it."""
    text = (demo.folder / "audit" / "trail.jsonl").read_text(encoding="utf-8")
    listed = demo.run.visits.frame()
    codes = {str(v) for column in ("household_id", "household_code") if column in listed for v in listed[column]}
    assert codes
    assert not [code for code in codes if code in text]


def test_a_miscalibrated_version_is_refused_for_that_and_nothing_moves(demo_copy, returnrisk):
    bad = another_version(demo_copy, shifted(1.2))
    before = demo_copy.catalogue().versions()
    with pytest.raises(GateRefusedError) as refused:
        demo_copy.promote(by="analyst")
    text = str(refused.value)
    assert "1 of 8 gates refuse" in text
    assert "GATE003 calibrated" in text
    assert f"fall-12m/{bad.version} is not promoted" in text
    assert demo_copy.catalogue().versions().equals(before)
    last = demo_copy.verify_audit().lines[-1]
    assert (last.event, last.by, last.facts["gates"]["GATE003"]) == ("refused", "analyst", "failed")
    ended = returnrisk("models", "promote", "--project", demo_copy.root, "--by", "analyst", "--json")
    assert ended.code == 4
    assert "GATE003" in ended.err


def test_an_override_needs_a_reason_and_a_name_and_is_recorded(demo_copy, returnrisk):
    bad = another_version(demo_copy, shifted(1.2))
    for wrong in ({"override": True}, {"override": True, "reason": "flood"}, {"override": True, "by": "chief", "reason": " "}):
        with pytest.raises(UsageError, match="needs a reason and the name"):
            demo_copy.promote(**wrong)
    with pytest.raises(UsageError, match="no override"):
        demo_copy.promote(reason="flood")
    with pytest.raises(UsageError, match="reason holds what looks like"):
        demo_copy.promote(override=True, reason="see 11010519491231002X", by="chief")
    assert demo_copy.model()[0].version == 1
    at = ("--project", demo_copy.root, "--override", "--reason", "洪灾后先用新模型", "--by", "chief")
    ended = returnrisk("models", "promote", *at, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["overridden"] is True
    assert demo_copy.model()[0].version == bad.version
    last = demo_copy.verify_audit().lines[-1]
    assert (last.event, last.by, last.facts["reason"]) == ("override", "chief", "洪灾后先用新模型")
    assert last.facts["before"] == "fall-12m/1"
    assert demo_copy.verify_audit().problems == ()


def test_an_override_that_no_gate_asked_for_is_a_promotion(demo_copy):
    """Promoting the champion again: nothing refuses, so nothing is overridden."""
    made = demo_copy.promote(version=1, override=True, reason="habit", by="chief")
    assert not made.overridden
    line = demo_copy.verify_audit().lines[-1]
    assert (line.event, "reason" in line.facts) == ("promote", False)
    assert {a.code: a.measured for a in made.gates}["GATE004"] == "it is the champion"


def test_a_model_of_unknown_data_is_refused(demo_copy):
    another_version(demo_copy, of_other_data)
    with pytest.raises(GateRefusedError, match=r"GATE007 .*data fingerprint ffffffffffffffff is of no store"):
        demo_copy.promote()


def test_a_card_that_says_more_than_is_measured_is_refused(demo_copy):
    def boast(content: BundleContent) -> BundleContent:
        metrics = [
            {**m, "value": 0.95} if (m["population"], m["score"], m["metric"]) == ("all", "model", "auc") else m
            for m in content.card["metrics"]
        ]
        return replace(content, card={**content.card, "metrics": metrics})

    another_version(demo_copy, boast, measured=False)
    with pytest.raises(GateRefusedError, match=r"GATE007 .*card says auc 0.95, measured again it is"):
        demo_copy.promote()


def test_a_grouping_that_there_is_not_is_said_before_anything_is_measured(demo_copy):
    path = demo_copy.root / "models" / "fall-12m.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('"head_sex"', '"head_sexx"'), encoding="utf-8")
    with pytest.raises(UnknownNameError, match="did you mean 'head_sex'"):
        open_project(demo_copy.root).promote()


def test_a_champion_that_came_between_is_not_overwritten(demo_copy, monkeypatch):
    """While the gates judged version 2 against version 1, somebody made version 3 champion."""
    second = another_version(demo_copy, shifted(0.01))
    third = another_version(demo_copy, shifted(0.02))
    judged = Project._evidence

    def meanwhile(self: Project, *arguments: Any) -> Any:
        found = judged(self, *arguments)
        self.catalogue().promote("fall-12m", version=third.version)
        return found

    monkeypatch.setattr(Project, "_evidence", meanwhile)
    with pytest.raises(RegistryError, match=f"judged against fall-12m/1, but fall-12m/{third.version} is champion now"):
        demo_copy.promote(version=second.version)
    assert demo_copy.model()[0].version == third.version
    assert events(demo_copy)[-2:] == ["promote", "not_moved"]


def test_a_slightly_moved_version_is_compared_with_the_champion_and_promoted(demo_copy):
    second = another_version(demo_copy, shifted(0.01))
    made = demo_copy.promote()
    assert made.version.version == second.version
    answer = {a.code: a for a in made.gates}["GATE004"]
    assert answer.result == "passed"
    assert answer.measured.startswith("+0.000")
    back = demo_copy.rollback(by="chief")
    assert back.version == 1
    line = demo_copy.verify_audit().lines[-1]
    assert (line.event, line.by, line.facts["model"]) == ("rollback", "chief", "fall-12m/1")


# ---- past lists made again -----------------------------------------------------------------------------------------------------


def test_a_past_run_is_made_again_to_the_byte(demo, demo_copy, returnrisk):
    before = {p: p.read_bytes() for p in (demo_copy.root / "outputs").rglob("*") if p.is_file()}
    ended = returnrisk("audit", "reproduce", "--project", demo_copy.root, "--as-of", demo.as_of, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["same"] is True
    assert {p: p.read_bytes() for p in (demo_copy.root / "outputs").rglob("*") if p.is_file()} == before
    assert not list(demo_copy.root.glob(".reproduce-*"))
    assert events(demo_copy)[-1] == "reproduce"


def test_a_run_whose_folder_was_changed_is_still_proved_by_the_trail(demo, demo_copy):
    shutil.rmtree(demo_copy.output_folder(demo.as_of))
    assert demo_copy.reproduce(as_of=demo.as_of).same


def test_other_settings_and_erased_inputs_are_said(demo, demo_copy, returnrisk):
    config = demo_copy.root / "returnrisk.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("per_township = 40", "per_township = 30"), encoding="utf-8")
    found = open_project(demo_copy.root).reproduce(as_of=demo.as_of)
    assert (found.same, found.exit_code) == (False, 3)
    assert "is another than then" in found.reason
    config.write_text(text, encoding="utf-8")
    cut = lose_rows(demo_copy)
    ended = returnrisk("audit", "reproduce", "--project", cut.root, "--as-of", demo.as_of)
    assert ended.code == 3
    assert "inputs were erased since" in " ".join(ended.out.split())


def test_a_run_that_came_out_otherwise_names_the_files(demo, demo_copy):
    """The list on file is that of a champion moved by hand: the trail of the run knows another manifest."""
    folder = demo_copy.output_folder(demo.as_of)
    line = next(line for line in demo_copy.verify_audit().lines if line.event == "run")
    from returnrisk.reproduction import compare

    again = demo_copy.root / "again"
    shutil.copytree(folder, again)
    manifest = json.loads((again / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["visits.parquet"] = "0" * 64
    (again / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    found = compare(line.facts, was=folder, again=again)
    assert (found.same, found.differing) == (False, ("visits.parquet",))
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    assert "cannot be told" in compare(line.facts, was=folder, again=again).reason


def test_a_day_without_a_run_is_said_with_those_there_are(demo, demo_copy):
    with pytest.raises(NotEnoughDataError, match=f"no run of 2001-01-31; it has: {demo.as_of}"):
        demo_copy.reproduce(as_of=dt.date(2001, 1, 31))


def lose_rows(project: Project) -> Project:
    """The same store with one subsidy record fewer, as an erasure leaves it: file, checksum and manifest in order."""
    folder = project.root / "store"
    manifest = read_manifest(folder)
    entry = manifest.tables["subsidy"]
    fresh = folder / "subsidy" / "erased.parquet"
    pq.write_table(pq.read_table(folder / entry.file).slice(1), fresh)
    erased = replace(entry, file="subsidy/erased.parquet", sha256=sha256_of(fresh), n_rows=entry.n_rows - 1)
    tables = {**manifest.tables, "subsidy": erased}
    write_json(folder / "manifest.json", _manifest_content(replace(manifest, tables=tables, fingerprint=_fingerprint(tables))))
    return open_project(project.root)


def test_verify_names_a_changed_line_and_ends_with_3(demo_copy, returnrisk):
    whole = returnrisk("audit", "verify", "--project", demo_copy.root, "--json")
    assert whole.code == 0
    head = json.loads(whole.out)["head"]
    trail = demo_copy.root / "audit" / "trail.jsonl"
    text = trail.read_text(encoding="utf-8")
    trail.write_text(text.replace('"by":"demo"', '"by":"nobody"'), encoding="utf-8")
    ended = returnrisk("audit", "verify", "--project", demo_copy.root)
    assert ended.code == 3
    assert "line 3 was changed" in " ".join(ended.out.split())
    trail.write_text(text, encoding="utf-8")
    assert returnrisk("audit", "verify", "--project", demo_copy.root, "--head", head).code == 0
    assert returnrisk("audit", "verify", "--project", demo_copy.root, "--head", "0f" * 32).code == 3
    assert returnrisk("audit", "verify", "--project", demo_copy.root, "--head", "short").code == 2
    assert {"verify", "reproduce"} <= set(cli.audit_app)
