"""The registry: a damaged bundle is never used, a moved one always, and the catalogue survives crashes and crowds."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from returnrisk.calibration import fit_calibration, restore_calibration
from returnrisk.errors import BundleError, DataError, RegistryError, StoreError, UnknownNameError
from returnrisk.models import LEARNERS, make_learner
from returnrisk.registry import Bundle, BundleContent, Catalogue, load_bundle, write_bundle
from returnrisk.registry.booster_text import booster_problems
from returnrisk.registry.mlflow_home import quiet_mlflow
from returnrisk.registry.sealed_folder import json_bytes, manifest_for
from returnrisk.registry.serving import BundleScorer
from returnrisk.store.lock import exclusive

NAMES = ("line_ratio", "out_of_pocket_12m", "n_members")
SOURCE = Path(__file__).resolve().parents[1] / "src"


def households(n: int = 600, *, seed: int = 7) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, len(NAMES))), columns=list(NAMES))
    frame.loc[rng.random(n) < 0.2, "out_of_pocket_12m"] = np.nan
    y = (rng.random(n) < 1 / (1 + np.exp(1.0 + frame["line_ratio"].to_numpy()))).astype(int)
    return frame, y


def facts(**changed: Any) -> dict[str, Any]:
    days = {"fit": ["2022-03-31", "2022-06-30"], "calibrate": ["2023-09-30"], "test": ["2024-12-31"]}
    metric = {
        "population": "all",
        "score": "model",
        "metric": "auc",
        "value": 0.83,
        "low": 0.8,
        "high": 0.86,
        "n": 4100,
        "base_rate": 0.031,
    }
    return {
        "name": "fall-12m",
        "purpose": "orders visits; decides nothing",
        "cohort": "at or above the line, not monitored",
        "outcome": "first settlement below the line within 12 months",
        "data_fingerprint": "d" * 64,
        "periods": days,
        "n": {"fit": 8000, "calibrate": 4000, "test": 4100},
        "events": {"fit": 240, "calibrate": 118, "test": 127},
        "metrics": [metric],
        "limits": ["simulated data"],
        **changed,
    }


@pytest.fixture(scope="module")
def content() -> BundleContent:
    (frame, y), (later, z) = households(), households(seed=8)
    params: dict[str, dict[str, Any]] = {"lightgbm": {"n_estimators": 12}, "logistic": {}, "income_only": {"column": "line_ratio"}}
    kinds = {"model": "lightgbm", "logistic": "logistic", "income_only": "income_only"}
    learners = {name: make_learner(kind, feature_names=NAMES, params=params[kind]).fit(frame, y) for name, kind in kinds.items()}
    return BundleContent(
        learners={name: learner.to_state() for name, learner in learners.items()},
        calibration={
            name: fit_calibration("sigmoid", learner.decision_function(later), z).to_state() for name, learner in learners.items()
        },
        catalogue="c" * 64,
        features=[{"name": n, "family": "income", "unit": "ratio", "dtype": "float32", "monotone": 0} for n in NAMES],
        spec={"name": "fall-12m", "horizon_months": 12},
        card=facts(),
    )


def other(content: BundleContent, number: int, *, name: str = "fall-12m") -> BundleContent:
    """The same model on other data: another fingerprint."""
    card = facts(name=name, data_fingerprint=f"{number:064d}")
    return dataclasses.replace(content, card=card, spec={**content.spec, "name": name})


@pytest.fixture
def bundle(content: BundleContent, tmp_path: Path) -> Bundle:
    return write_bundle(content, folder=tmp_path / "exported")


# ---------------------------------------------------------------------------------------------------------------- the bundle


def test_a_bundle_gives_back_what_was_put_in(bundle: Bundle, content: BundleContent):
    assert bundle.content == content
    assert bundle.path.name == f"fall-12m-{bundle.fingerprint[:12]}"
    assert bundle.feature_names == list(NAMES)
    assert bundle.booster_text == content.learners["model"]["fitted"]["text"]
    assert bundle.data_fingerprint == "d" * 64
    learners = json.loads((bundle.path / "learners.json").read_text(encoding="utf-8"))
    assert learners["model"]["fitted"] == {"text": {"file": "booster.txt"}}, "the text stands once, in booster.txt"


@pytest.mark.parametrize("kind", [k for k in LEARNERS if k != "lightgbm"])
def test_a_model_of_any_learner_is_sealed_without_a_booster(content: BundleContent, tmp_path: Path, kind: str):
    (frame, y), (later, _) = households(), households(seed=8)
    params: dict[str, dict[str, Any]] = {
        "income_only": {"column": "line_ratio"},
        "vulnerability": {"column": "line_ratio"},
        "alert_rules": {"must_visit": "n_members", "alerts": "n_members"},
    }
    learner = make_learner(kind, feature_names=NAMES, params=params.get(kind, {})).fit(frame, y)
    curve = restore_calibration(content.calibration["model"])
    changed = dataclasses.replace(content, learners={**content.learners, "model": learner.to_state()})
    bundle = write_bundle(changed, folder=tmp_path / "exported")
    assert bundle.content == changed
    assert bundle.booster_text == ""
    assert not (bundle.path / "booster.txt").exists()
    scorer = BundleScorer(load_bundle(bundle.path))
    assert np.array_equal(scorer.risk(later), curve.apply(learner.decision_function(later)))
    reseal(bundle, booster_txt=content.learners["model"]["fitted"]["text"].encode())
    with pytest.raises(BundleError, match=rf"booster\.txt: stands beside a model of kind {kind}"):
        load_bundle(bundle.path)


def test_the_same_content_has_the_same_fingerprint_and_bytes_anywhere(bundle: Bundle, content: BundleContent, tmp_path: Path):
    reordered = dataclasses.replace(
        content, learners=dict(reversed(content.learners.items())), card=dict(reversed(content.card.items()))
    )
    elsewhere = write_bundle(reordered, folder=tmp_path / "项 目" / "exported")
    assert elsewhere.fingerprint == bundle.fingerprint
    for file in bundle.path.iterdir():
        assert file.read_bytes() == (elsewhere.path / file.name).read_bytes(), file.name
        assert str(tmp_path).encode() not in file.read_bytes(), "no absolute path"


def test_the_fingerprint_is_what_sha256sum_says(bundle: Bundle):
    files = sorted(p.name for p in bundle.path.iterdir() if p.name != "manifest.json")
    listed = subprocess.run(["sha256sum", *files], cwd=bundle.path, check=True, capture_output=True).stdout
    again = subprocess.run(["sha256sum"], input=listed, check=True, capture_output=True).stdout
    assert again.decode().split()[0] == bundle.fingerprint


@pytest.mark.parametrize("change", ["card", "spec", "features", "catalogue", "environment"])
def test_another_content_has_another_fingerprint(bundle: Bundle, content: BundleContent, tmp_path: Path, change: str):
    changed = {
        "card": facts(limits=["another"]),
        "spec": {**content.spec, "horizon_months": 6},
        "features": [{**content.features[0], "unit": "CNY"}, *content.features[1:]],
        "catalogue": "e" * 64,
        "environment": {**content.environment, "numpy": "1.0"},
    }[change]
    assert write_bundle(dataclasses.replace(content, **{change: changed}), folder=tmp_path).fingerprint != bundle.fingerprint


def test_writing_again_reuses_the_folder_and_leaves_nothing_beside_it(bundle: Bundle, content: BundleContent):
    before = {p.name: p.stat().st_mtime_ns for p in bundle.path.iterdir()}
    assert write_bundle(content, folder=bundle.path.parent) == bundle
    assert {p.name: p.stat().st_mtime_ns for p in bundle.path.iterdir()} == before
    assert sorted(p.name for p in bundle.path.parent.iterdir()) == [".writing.lock", bundle.path.name]


def test_writing_again_over_a_damaged_bundle_is_refused(bundle: Bundle, content: BundleContent):
    (bundle.path / "card.md").write_text("x", encoding="utf-8")
    with pytest.raises(BundleError, match=r"card\.md"):
        write_bundle(content, folder=bundle.path.parent)


def test_a_moved_and_renamed_bundle_loads_from_another_working_directory(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    shutil.move(bundle.path, moved)
    monkeypatch.chdir(moved.parent)
    loaded = load_bundle(Path("renamed"), fingerprint=bundle.fingerprint)
    assert loaded.content == bundle.content
    assert loaded.fingerprint == bundle.fingerprint


def test_another_bundle_than_the_expected_is_refused(bundle: Bundle):
    with pytest.raises(BundleError, match="whole, but another model"):
        load_bundle(bundle.path, fingerprint="0" * 64)


def test_every_cut_of_every_file_is_refused(bundle: Bundle):
    for file in sorted(bundle.path.iterdir()):
        whole = file.read_bytes()
        for share in (0.0, 0.3, 0.9):
            file.write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(BundleError):
                load_bundle(bundle.path)
        file.write_bytes(whole[:-1])
        with pytest.raises(BundleError):
            load_bundle(bundle.path)
        file.write_bytes(whole)
    assert load_bundle(bundle.path) == bundle


def test_an_edited_leaf_is_refused(bundle: Bundle):
    file = bundle.path / "booster.txt"
    text = file.read_bytes()
    at = text.index(b"leaf_value=") + len(b"leaf_value=") + 3
    file.write_bytes(text[:at] + (b"1" if text[at : at + 1] != b"1" else b"2") + text[at + 1 :])
    assert len(file.read_bytes()) == len(text)
    with pytest.raises(BundleError, match=r"booster\.txt: sha256"):
        load_bundle(bundle.path)


def test_all_failures_are_reported_at_once(bundle: Bundle):
    (bundle.path / "spec.json").unlink()
    (bundle.path / "card.md").write_text("short", encoding="utf-8")
    (bundle.path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(BundleError) as caught:
        load_bundle(bundle.path)
    for part in ("spec.json: missing", "card.md: 5 bytes, expected", "notes.txt: extra", "Take another copy"):
        assert part in str(caught.value)


def test_a_missing_manifest_and_a_missing_folder_are_told_apart(bundle: Bundle, tmp_path: Path):
    (bundle.path / "manifest.json").unlink()
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        load_bundle(bundle.path)
    with pytest.raises(BundleError, match="there is no bundle at"):
        load_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"schema": 2}, "has schema 2; this version of returnrisk reads 1: update"),
        ({"schema": 0}, "older than 1"),
        ({"schema": "1"}, "is no model bundle"),
        ({"schema": True}, "is no model bundle"),
        ({"kind": "other"}, "is no model bundle"),
        ({"files": []}, "lists no files"),
        ({"fingerprint": "0" * 64}, "its fingerprint is not that of the files"),
        ({"name": "other"}, "name or created_from"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(bundle: Bundle, changed: dict[str, Any], message: str):
    file = bundle.path / "manifest.json"
    file.write_bytes(json_bytes({**json.loads(file.read_bytes()), **changed}, what="manifest"))
    with pytest.raises(BundleError, match=message):
        load_bundle(bundle.path)


def test_a_manifest_naming_a_file_outside_is_refused(bundle: Bundle):
    (bundle.path.parent / "outside.txt").write_text("x", encoding="utf-8")
    file = bundle.path / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest["files"]["../outside.txt"] = {"sha256": "0" * 64, "size": 1}
    file.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleError, match=r"\.\./outside\.txt: named by the manifest, but no part of a bundle"):
        load_bundle(bundle.path)


def test_a_link_is_no_plain_file(bundle: Bundle, tmp_path: Path):
    target = tmp_path / "card.md"
    shutil.move(bundle.path / "card.md", target)
    (bundle.path / "card.md").symlink_to(target)
    with pytest.raises(BundleError, match=r"card\.md: not a plain file"):
        load_bundle(bundle.path)


def reseal(bundle: Bundle, **files: bytes) -> None:
    """Change files and make the manifest agree, as a careless tool would."""
    for name, data in files.items():
        (bundle.path / name.replace("_", ".")).write_bytes(data)
    manifest = json.loads((bundle.path / "manifest.json").read_text(encoding="utf-8"))
    data = {p.name: p.read_bytes() for p in bundle.path.iterdir() if p.name != "manifest.json"}
    told = {key: manifest[key] for key in ("schema", "kind", "name", "created_from")}
    (bundle.path / "manifest.json").write_bytes(json_bytes(manifest_for(data, facts=told), what="manifest"))


def test_a_truncated_booster_is_refused_even_when_the_manifest_agrees(bundle: Bundle):
    whole = bundle.booster_text.encode()
    for cut in (len(whole) // 10, len(whole) // 2, whole.index(b"end of trees") + 5, len(whole) - 1):
        reseal(bundle, booster_txt=whole[:cut])
        with pytest.raises(BundleError, match=r"booster\.txt: "):
            load_bundle(bundle.path)
    reseal(bundle, booster_txt=whole)
    assert load_bundle(bundle.path) == bundle


def test_a_card_that_says_two_things_is_refused(bundle: Bundle):
    reseal(bundle, card_md=b"# fall-12m\n\nAUC 0.99\n")
    with pytest.raises(BundleError, match=r"card\.md does not say what card\.json says"):
        load_bundle(bundle.path)


@pytest.mark.parametrize("part", ["spec", "learners", "calibration", "features", "card", "environment"])
def test_a_sealed_file_that_is_not_what_it_should_be_is_refused(bundle: Bundle, part: str):
    for data in (b"[1]", b"{", b'"text"', b"{}"):
        if part == "environment" and data != b"{":
            continue
        reseal(bundle, **{f"{part}_json": data})
        with pytest.raises(BundleError):
            load_bundle(bundle.path)


def test_every_byte_cut_from_a_booster_text_is_noticed(content: BundleContent):
    text = content.learners["model"]["fitted"]["text"].encode()
    assert booster_problems(text, n_features=len(NAMES)) == []
    unnoticed = [cut for cut in range(len(text)) if not booster_problems(text[:cut], n_features=len(NAMES))]
    assert unnoticed == []


def test_a_booster_of_another_shape_is_noticed(content: BundleContent):
    text = content.learners["model"]["fitted"]["text"].encode()
    assert booster_problems(text, n_features=2) == ["max_feature_idx is '2', expected 1 by the feature contract"]
    first = text.index(b"Tree=1\n")
    assert any("tree_sizes announces" in p for p in booster_problems(text[:first] + b"#" + text[first:], n_features=3))
    # a byte moved from one tree to the next: the sum still fits
    moved = text[: first - 1] + text[first : first + 7] + b"\n" + text[first + 7 :]
    assert any("does not begin where tree_sizes says" in p for p in booster_problems(moved, n_features=3))


def test_a_cut_text_does_kill_the_process(content: BundleContent):
    """Why all this: what LightGBM makes of such a text cannot be caught."""
    text = content.learners["model"]["fitted"]["text"]
    cut = text[: text.index("Tree=3")]
    code = """
        import sys, lightgbm
        try:
            lightgbm.Booster(model_str=sys.stdin.read())
        except BaseException:
            sys.exit(0)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(command, input=cut.encode(), capture_output=True, check=False).returncode != 0
    assert booster_problems(cut.encode(), n_features=len(NAMES))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spec": {"name": "Fall:12m"}}, "spec: name is 'Fall:12m'"),
        ({"spec": {}}, "spec: name is 'None'"),
        ({"card": {"name": "fall-12m"}}, "card lacks purpose"),
        ({"card": facts(metrics=[{"score": "model", "metric": "auc", "value": 0.9}])}, "lacks population, low, high, n, base_rate"),
        ({"card": facts(name="other")}, "card: name is 'other'"),
        ({"features": []}, "the contract names none"),
        ({"features": [{"name": "line_ratio"}] * 3}, "stands 3 times"),
        ({"calibration": {}}, "calibration: states for none"),
        ({"learners": {}}, "'model' is missing"),
        ({"card": facts(note=float("nan"))}, "null for NaN"),
        ({"card": facts(limits=[Path()])}, "cannot be written as JSON"),
    ],
)
def test_incomplete_content_is_not_written(content: BundleContent, tmp_path: Path, change: dict[str, Any], message: str):
    with pytest.raises(BundleError, match=message):
        write_bundle(dataclasses.replace(content, **change), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_model_fitted_on_another_order_of_features_is_not_written(content: BundleContent, tmp_path: Path):
    with pytest.raises(BundleError, match="or in another order"):
        write_bundle(dataclasses.replace(content, features=content.features[::-1]), folder=tmp_path)


def test_the_card_shows_every_figure_with_interval_n_and_base_rate(bundle: Bundle):
    card = (bundle.path / "card.md").read_text(encoding="utf-8")
    assert "| model | auc | 0.8300 | 0.8000 to 0.8600 | 4100 | 0.0310 |" in card
    assert "| fit | 2022-03-31 | 2022-06-30 | 2 | 8000 | 240 |" in card
    assert "simulated data" in card


def test_the_card_shows_its_groups_and_none_without_size_and_interval(content: BundleContent, tmp_path: Path):
    group = {
        "zh": "户主性别：女",
        "en": "sex of the head: female",
        "n": 900,
        "n_fallen": 41,
        "recall": 0.2,
        "recall_low": 0.1,
        "recall_high": 0.3,
    }
    group |= {"recall_ratio": 0.5, "recall_ratio_low": 0.25, "recall_ratio_high": 0.75, "claimed": True}
    told = write_bundle(dataclasses.replace(content, card=facts(groups=[group])), folder=tmp_path)
    line = "| 户主性别：女 / sex of the head: female | 900 | 41 | 0.2000 (0.1000 to 0.3000) | 0.5000 (0.2500 to 0.7500) | yes |"
    assert line in (told.path / "card.md").read_text(encoding="utf-8")
    bare = {key: value for key, value in group.items() if key != "recall_low"}
    with pytest.raises(BundleError, match="group 0 lacks recall_low"):
        write_bundle(dataclasses.replace(content, card=facts(groups=[bare])), folder=tmp_path)


def test_a_writer_killed_at_any_moment_leaves_no_half_bundle(content: BundleContent, tmp_path: Path):
    """kill -9 at many moments of writing: the bundle is absent or whole, and writing again succeeds."""
    folder = tmp_path / "exported"
    expected = write_bundle(content, folder=tmp_path / "reference").fingerprint
    (tmp_path / "content.json").write_bytes(json_bytes(dataclasses.asdict(content), what="content"))
    code = """
        import json, sys, threading, os, signal
        from pathlib import Path
        from returnrisk.registry import BundleContent, write_bundle
        content = BundleContent(**json.loads(Path(sys.argv[1]).read_bytes()))
        threading.Timer(float(sys.argv[3]), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        while True:
            write_bundle(content, folder=Path(sys.argv[2]))
            for bundle in Path(sys.argv[2]).glob("fall-12m-*"):
                bundle.rename(bundle.with_name("." + os.urandom(4).hex()))
    """
    for delay in (0.001, 0.004, 0.009, 0.015, 0.02, 0.03):
        run_python(code, tmp_path / "content.json", folder, delay, expect=-signal.SIGKILL)
        for found in folder.glob("fall-12m-*"):
            assert load_bundle(found).fingerprint == expected
        assert write_bundle(content, folder=folder).fingerprint == expected
        assert not list(folder.glob("*.partial")), "the next writer clears what the killed one left"


# ------------------------------------------------------------------------------------------------------------- the catalogue


def run_python(code: str, *arguments: object, expect: int = 0) -> str:
    done = start_python(code, *arguments)
    output, errors = done.communicate(timeout=120)
    assert done.returncode == expect, errors
    return output


def start_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(SOURCE)}
    )


def log(catalogue: Catalogue, bundle: Bundle, **changed: Any):
    given: dict[str, Any] = {
        "metrics": {"auc": 0.83, "auc_low": 0.8},
        "params": {"horizon_months": 12, "learner": {"n_estimators": 12}},
        "tags": {"as_of": "2025-06-30"},
        "bundle_location": f"models/exported/{bundle.path.name}",
    }
    return catalogue.log_training(bundle, **{**given, **changed})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("项目 #1 100%")


@pytest.fixture(scope="module")
def catalogue(project: Path) -> Catalogue:
    return Catalogue(project / "mlruns")


@pytest.fixture
def new_bundle(content: BundleContent, project: Path, request: pytest.FixtureRequest):
    """Makes bundles of a model named after the test, so that tests may share one database."""
    name = request.node.name.replace("test_", "").replace("_", "-")[:48]

    def make(number: int) -> Bundle:
        return write_bundle(other(content, number, name=name), folder=project / "models" / "exported")

    return make


def test_a_training_becomes_a_version_with_alias_candidate(catalogue: Catalogue, new_bundle, project: Path):
    bundle = new_bundle(1)
    version = log(catalogue, bundle)
    assert (version.name, version.version, version.fingerprint) == (bundle.name, 1, bundle.fingerprint)
    assert version.aliases == ("candidate",)
    assert load_bundle(project / version.bundle, fingerprint=version.fingerprint) == bundle
    assert (
        catalogue.resolve(bundle.name, "candidate")
        == catalogue.resolve(bundle.name, 1)
        == catalogue.resolve(bundle.name, "1")
        == version
    )
    assert (project / "mlruns" / "mlflow.db").is_file()

    from mlflow import MlflowClient

    run = MlflowClient(catalogue.tracking_uri).get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"auc": 0.83, "auc_low": 0.8}
    assert run.data.params == {"horizon_months": "12", "learner.n_estimators": "12"}
    assert run.data.tags["as_of"] == "2025-06-30"
    assert run.data.tags["returnrisk.data"] == bundle.data_fingerprint
    copied = project / "mlruns" / "artifacts" / version.run_id / "artifacts" / "model" / "data" / bundle.path.name
    assert load_bundle(copied, fingerprint=bundle.fingerprint).content == bundle.content


def test_nothing_in_the_artifacts_is_a_pickle_has_a_colon_or_an_absolute_path(catalogue: Catalogue, new_bundle, project: Path):
    version = log(catalogue, new_bundle(1))
    files = [p for p in (project / "mlruns" / "artifacts" / version.run_id).rglob("*") if p.is_file()]
    assert {"MLmodel", "booster.txt", "manifest.json"} <= {p.name for p in files}
    for file in files:
        assert file.suffix not in {".pkl", ".pickle", ".joblib"}
        assert not any(mark in file.name for mark in ':*?"<>|')
        assert str(project).encode() not in file.read_bytes(), file.name
        assert file.read_bytes()[:1] != b"\x80", "a pickle"


def test_the_same_bundle_is_registered_once(catalogue: Catalogue, new_bundle):
    first, second = log(catalogue, new_bundle(1)), log(catalogue, new_bundle(2))
    assert (first.version, second.version) == (1, 2)
    again = log(catalogue, new_bundle(1), bundle_location="models/exported/moved")
    assert (again.version, again.run_id, again.bundle) == (1, first.run_id, "models/exported/moved")
    assert again.aliases == ("candidate",)
    assert catalogue.versions(first.name)["aliases"].tolist() == ["candidate", ""]


def test_promotion_moves_champion_and_keeps_the_previous(catalogue: Catalogue, new_bundle):
    bundles = [new_bundle(number) for number in (1, 2, 3)]
    name = bundles[0].name
    log(catalogue, bundles[0])
    assert catalogue.promote(name).aliases == ("candidate", "champion")
    with pytest.raises(UnknownNameError, match="previous"):
        catalogue.resolve(name, "previous")
    log(catalogue, bundles[1])
    assert catalogue.promote(name).version == 2
    assert catalogue.promote(name).version == 2, "promoting the champion again"
    assert catalogue.resolve(name, "previous").version == 1, "changes nothing"
    log(catalogue, bundles[2])
    assert catalogue.resolve(name, "champion").version == 2, "training alone promotes nobody"
    assert catalogue.promote(name, version=1).aliases == ("champion",), "back to an older one; it is no longer previous"
    listed = catalogue.versions(name)
    assert listed["version"].tolist() == [1, 2, 3]
    assert listed["aliases"].tolist() == ["champion", "previous", "candidate"]
    assert listed["fingerprint"].tolist() == [bundle.fingerprint for bundle in bundles]
    assert listed["bundle"].tolist() == [f"models/exported/{bundle.path.name}" for bundle in bundles]


def test_rolling_back_swaps_champion_and_previous_and_needs_both(catalogue: Catalogue, new_bundle):
    name = log(catalogue, new_bundle(1)).name
    with pytest.raises(UnknownNameError, match="'champion'; known: 1, candidate"):
        catalogue.rollback(name)
    catalogue.promote(name)
    with pytest.raises(RegistryError, match="nothing to roll back to"):
        catalogue.rollback(name)
    log(catalogue, new_bundle(2))
    catalogue.promote(name)
    assert catalogue.rollback(name).aliases == ("champion",)
    assert [catalogue.resolve(name, alias).version for alias in ("champion", "previous", "candidate")] == [1, 2, 2]
    assert catalogue.rollback(name).version == 2, "and back again"
    assert [catalogue.resolve(name, alias).version for alias in ("champion", "previous")] == [2, 1]
    with pytest.raises(UnknownNameError, match="unknown model"):
        catalogue.rollback("it's")


def test_unknown_names_are_refused_with_those_there_are(catalogue: Catalogue, new_bundle):
    name = log(catalogue, new_bundle(1)).name
    with pytest.raises(UnknownNameError, match=f"unknown model '{name}x'; did you mean '{name}'"):
        catalogue.resolve(f"{name}x", "candidate")
    with pytest.raises(UnknownNameError, match="unknown model"):
        catalogue.promote("it's")
    with pytest.raises(UnknownNameError, match="unknown model"):
        catalogue.versions(f"{name}x")
    with pytest.raises(UnknownNameError, match=r"unknown version or alias of model .* 'champion'; known: 1, candidate"):
        catalogue.resolve(name, "champion")
    with pytest.raises(UnknownNameError, match="'7'"):
        catalogue.promote(name, version=7)


def test_an_empty_catalogue_answers_and_creates_nothing(tmp_path: Path):
    catalogue = Catalogue(tmp_path / "mlruns")
    assert catalogue.versions().empty
    assert catalogue.versions().dtypes.astype(str).tolist() == ["str", "int64", "str", "str", "str"]
    for ask in (catalogue.promote, catalogue.rollback, catalogue.versions, lambda name: catalogue.resolve(name, 1)):
        with pytest.raises(UnknownNameError, match="known: none"):
            ask("fall-12m")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("location", ["/x/models", "C:\\models\\x", "..\\x", "a/../../x", "file:///x", "", "\\\\server\\share"])
def test_an_absolute_bundle_location_is_refused(tmp_path: Path, bundle: Bundle, location: str):
    with pytest.raises(RegistryError, match="expected a folder relative to the project"):
        log(Catalogue(tmp_path / "mlruns"), bundle, bundle_location=location)


def test_absolute_paths_in_params_and_tags_are_refused_by_key(tmp_path: Path, bundle: Bundle):
    with pytest.raises(RegistryError, match=r"absolute path: data\.folder, source\."):
        log(Catalogue(tmp_path / "mlruns"), bundle, params={"data": {"folder": Path("/srv/x")}}, tags={"source": "D:/x"})
    assert not (tmp_path / "mlruns").exists()


def test_mlflow_stays_quiet_and_its_loggers_as_they_were(catalogue: Catalogue, new_bundle, capfd: pytest.CaptureFixture[str]):
    import mlflow

    levels = {name: logging.getLogger(name).level for name in ("mlflow", "alembic")}
    log(catalogue, new_bundle(1))
    catalogue.versions()
    assert capfd.readouterr() == ("", "")
    assert {name: logging.getLogger(name).level for name in levels} == levels
    assert mlflow.active_run() is None
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_broken_database_is_a_registry_error(tmp_path: Path, bundle: Bundle):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(b"no database at all, but long enough to look like a file" * 40)
    with pytest.raises(RegistryError, match="bundles do not depend on it"):
        Catalogue(tmp_path / "mlruns").versions()
    with pytest.raises(RegistryError, match=r"mlflow\.db"):
        log(Catalogue(tmp_path / "mlruns"), bundle)


def test_a_place_that_cannot_be_written_is_a_registry_error(tmp_path: Path, bundle: Bundle):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(RegistryError, match="catalogue cannot be used"):
        log(Catalogue(tmp_path / "file" / "mlruns"), bundle)
    with pytest.raises(BundleError, match="cannot be written"):
        write_bundle(bundle.content, folder=tmp_path / "file" / "exported")


FIRST_USE = """
    import sys
    from pathlib import Path
    from returnrisk.registry import Catalogue, load_bundle
    bundle = load_bundle(Path(sys.argv[2]))
    version = Catalogue(Path(sys.argv[1])).log_training(bundle, metrics={}, params={}, tags={}, bundle_location="models/x")
    print(version.version)
"""


@pytest.mark.slow
def test_a_process_killed_while_making_the_database_hinders_nobody(content: BundleContent, tmp_path: Path):
    bundle = write_bundle(content, folder=tmp_path / "exported")
    killed = """
        import os, signal, sys, threading
        from returnrisk.registry import mlflow_home
        with mlflow_home.quiet_mlflow():
            import mlflow.store.tracking.sqlalchemy_store
        threading.Timer(float(sys.argv[3]), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
    """
    seen = set()
    for delay in (0.3, 0.8, 1.3):
        home = tmp_path / f"mlruns-{delay}"
        process = start_python(textwrap.dedent(killed) + textwrap.dedent(FIRST_USE), home, bundle.path, delay)
        process.communicate(timeout=120)
        assert process.returncode in {0, -signal.SIGKILL}
        seen.add(((home / ".mlflow.db.partial").exists(), (home / "mlflow.db").exists()))
        assert run_python(FIRST_USE, home, bundle.path) == "1\n"
        assert not list(home.glob(".mlflow.db*"))
    assert (True, False) in seen, "at least one was killed half way"


def test_three_processes_may_open_a_fresh_database_at_once(content: BundleContent, tmp_path: Path):
    """Two train the same model, one another: no crash, one version per fingerprint, in whatever order."""
    bundles = [write_bundle(other(content, number), folder=tmp_path / "exported") for number in (1, 1, 2)]
    running = [start_python(FIRST_USE, tmp_path / "mlruns", bundle.path) for bundle in bundles]
    told = []
    for process in running:
        output, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
        told.append(int(output))
    assert told[0] == told[1] != told[2]
    listed = Catalogue(tmp_path / "mlruns").versions()
    assert listed["version"].tolist() == [1, 2]
    assert set(listed["fingerprint"]) == {bundle.fingerprint for bundle in bundles}


def test_a_killed_run_is_swept_and_holds_no_lock(catalogue: Catalogue, new_bundle, project: Path):
    bundle = new_bundle(1)
    code = """
        import sys, time
        from pathlib import Path
        from returnrisk.registry import Catalogue, load_bundle, catalogue
        def stall(*_):
            print("stalled", flush=True)
            time.sleep(600)
        catalogue._save_pyfunc = stall
        bundle = load_bundle(Path(sys.argv[2]))
        Catalogue(Path(sys.argv[1])).log_training(bundle, metrics={}, params={}, tags={}, bundle_location="x")
    """
    log(catalogue, new_bundle(2))
    process = start_python(code, project / "mlruns", bundle.path)
    assert process.stdout is not None
    assert process.stdout.readline() == "stalled\n"
    with (
        pytest.raises(StoreError, match="held by another process"),
        exclusive(project / "mlruns" / "catalogue.lock", timeout_s=0.2),
    ):
        pytest.fail("two holders")
    process.kill()
    process.communicate()
    assert statuses(project, bundle.fingerprint) == ["RUNNING"]
    version = log(catalogue, bundle)
    assert version.version == 2, "the killed run registered nothing"
    assert statuses(project, bundle.fingerprint) == ["KILLED", "FINISHED"]


def statuses(project: Path, fingerprint: str) -> list[str]:
    query = """SELECT status FROM runs JOIN tags USING (run_uuid) WHERE tags.key = 'returnrisk.fingerprint' AND tags.value = ? ORDER BY start_time"""
    with contextlib.closing(sqlite3.connect(project / "mlruns" / "mlflow.db")) as connection:
        return [status for (status,) in connection.execute(query, (fingerprint,))]


def test_a_run_that_fails_is_marked_failed_and_registers_nothing(catalogue: Catalogue, new_bundle, project: Path):
    bundle = new_bundle(1)
    with pytest.raises(RegistryError, match="catalogue cannot be used"):
        log(catalogue, bundle, metrics={"no:such*name?": 1.0})
    assert statuses(project, bundle.fingerprint) == ["FAILED"]
    with pytest.raises(UnknownNameError):
        catalogue.versions(bundle.name)


def test_mlflow_gives_the_same_risks_as_our_own_path(
    catalogue: Catalogue, new_bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from returnrisk.registry.serving import BundleScorer

    bundle = new_bundle(1)
    version = log(catalogue, bundle)
    frame, _ = households(200, seed=11)
    own = BundleScorer(bundle).risk(frame)
    monkeypatch.chdir(tmp_path)
    with mlflow_at(catalogue):
        import mlflow

        loaded = mlflow.pyfunc.load_model(f"models:/{version.name}@candidate")
        theirs = loaded.predict(frame[[*reversed(NAMES)]].assign(more=1.0))
    np.testing.assert_array_equal(theirs, own)
    assert own.shape == (200,)
    assert 0 < own.min() < own.max() < 1
    assert list(tmp_path.iterdir()) == [], "MLflow wrote nothing into the working directory"


@contextlib.contextmanager
def mlflow_at(catalogue: Catalogue):
    with quiet_mlflow():
        import mlflow

        before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
        mlflow.set_tracking_uri(catalogue.tracking_uri)
        mlflow.set_registry_uri(catalogue.tracking_uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(before[0])
            mlflow.set_registry_uri(before[1])


def test_scoring_says_which_features_are_missing_or_no_numbers(bundle: Bundle):
    from returnrisk.registry.serving import BundleScorer

    scorer = BundleScorer(bundle)
    frame, _ = households(5)
    with pytest.raises(DataError, match=r"1 of 3 features of .* are missing: n_members"):
        scorer.risk(frame.drop(columns="n_members"))
    with pytest.raises(DataError, match="found n_members"):
        scorer.risk(frame.assign(n_members="four"))
    with pytest.raises(UnknownNameError, match="did you mean 'logistic'"):
        scorer.risk(frame, learner="logistics")


def test_a_moved_project_keeps_its_catalogue(content: BundleContent, tmp_path: Path):
    """MLflow stores absolute addresses; the catalogue follows the folder, and nothing is written to the old place."""
    old, new = tmp_path / "old", tmp_path / "新 place"
    first = write_bundle(content, folder=old / "models" / "exported")
    log(Catalogue(old / "mlruns"), first)
    shutil.move(old, new)
    catalogue = Catalogue(new / "mlruns")
    version = catalogue.resolve("fall-12m", "candidate")
    assert load_bundle(new / version.bundle, fingerprint=version.fingerprint).content == content
    with mlflow_at(catalogue):
        import mlflow

        frame, _ = households(20)
        assert len(mlflow.pyfunc.load_model("models:/fall-12m@candidate").predict(frame)) == 20
    assert log(catalogue, write_bundle(other(content, 5), folder=new / "models" / "exported")).version == 2
    assert not old.exists()
    with contextlib.closing(sqlite3.connect(new / "mlruns" / "mlflow.db")) as connection:
        assert old.as_uri() not in "\n".join(connection.iterdump())


def test_the_lock_lets_one_in_at_a_time(tmp_path: Path):
    path = tmp_path / "a.lock"
    code = """
        import sys, time
        from pathlib import Path
        from returnrisk.store.lock import exclusive
        for _ in range(15):
            with exclusive(Path(sys.argv[1])):
                counter = Path(sys.argv[2])
                seen = int(counter.read_text())
                time.sleep(0.001)
                counter.write_text(str(seen + 1))
    """
    counter = tmp_path / "counter"
    counter.write_text("0", encoding="utf-8")
    for process in [start_python(code, path, counter) for _ in range(3)]:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert counter.read_text(encoding="utf-8") == "45"


def test_importing_the_registry_is_cheap():
    code = """
        import sys, time
        start = time.perf_counter()
        import returnrisk.registry
        heavy = {"mlflow", "lightgbm", "pandas", "numpy", "sklearn", "sqlalchemy"} & set(sys.modules)
        assert not heavy, heavy
        assert time.perf_counter() - start < 2
    """
    run_python(code)


def test_of_several_promoters_judged_against_one_champion_the_lock_lets_one_through(catalogue: Catalogue, new_bundle):
    name = log(catalogue, new_bundle(1)).name
    with pytest.raises(RegistryError, match=f"judged against {name}/1, but nobody is champion now"):
        catalogue.promote(name, expected_champion=1)
    assert catalogue.promote(name, expected_champion=0, tags={"approved_by": "chief"}).version == 1
    log(catalogue, new_bundle(2))
    log(catalogue, new_bundle(3))
    assert catalogue.promote(name, version=2, expected_champion=1).version == 2
    with pytest.raises(RegistryError, match=f"{name}/3 was judged against {name}/1, but {name}/2 is champion now"):
        catalogue.promote(name, version=3, expected_champion=1)
    assert catalogue.resolve(name, "champion").version == 2
