"""The gates against models that are bad on purpose, on the shipped specification: a leaky, a miscalibrated and a harmful one."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from returnrisk.demo import DemoResult, run_demo
from returnrisk.errors import GateRefusedError
from returnrisk.project import Project, open_project
from returnrisk.registry import BundleContent
from returnrisk.store.files import sha256_of, write_json
from returnrisk.store.tables import _fingerprint, _manifest_content, read_manifest
from returnrisk.training import labelled_rows
from tests.test_promotion import another_version, shifted

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    return run_demo(tmp_path_factory.mktemp("gates") / "demo")


@pytest.fixture
def project(county: DemoResult, tmp_path: Path) -> Project:
    """A copy, judged by every gate."""
    root = shutil.copytree(county.folder, tmp_path / "county")
    (root / "models" / "fall-12m.toml").unlink()  # the demo's own leaves the linter out
    return open_project(root)


def refused(project: Project) -> list[str]:
    """Codes of the gates that refuse the candidate; none where it is promoted."""
    with contextlib.suppress(GateRefusedError):
        project.promote(by="analyst")
    line = project.verify_audit().lines[-1]
    return sorted(code for code, result in line.facts["gates"].items() if result == "failed")


def test_the_shipped_model_passes_every_gate_and_the_bad_ones_fail_their_own(project: Project):
    assert refused(project) == [], "the model as it is, the linter among its judges"
    another_version(project, shifted(0.9))
    assert refused(project) == ["GATE003"], "every risk more than twice what it should be: the order, and so the list, is the same"
    another_version(project, as_logistic)
    assert "GATE005" not in refused(project), "a plain logistic regression harms no group"
    another_version(project, lambda content: turned_against_the_old(as_logistic(content)))
    codes = refused(project)
    assert "GATE005" in codes
    last = project.verify_audit().lines[-1]
    assert last.event == "refused"
    assert project.model()[0].version == 1


def as_logistic(content: BundleContent) -> BundleContent:
    """The baseline in place of the model."""
    return replace(
        content,
        learners={**content.learners, "model": content.learners["logistic"]},
        calibration={**content.calibration, "model": content.calibration["logistic"]},
    )


def turned_against_the_old(content: BundleContent) -> BundleContent:
    """The older the head, the lower the risk: falls of the old leave the list."""
    state = content.learners["model"]
    terms = state["fitted"]["terms"]
    age = state["feature_names"].index("head_age")
    ages = [i for i, column in enumerate(terms["column"]) if column == age and not terms["is_missing"][i]]
    assert ages
    coefficient = [-1.5 if i in ages else c for i, c in enumerate(terms["coefficient"])]
    fitted = {**state["fitted"], "terms": {**terms, "coefficient": coefficient}}
    return replace(content, learners={**content.learners, "model": {**state, "fitted": fitted}})


def test_a_model_that_learnt_from_backdated_records_is_refused(project: Project, county: DemoResult):
    """Someone wrote, under a day long past, who had asked for help: of those who fell later. No recording day betrays it."""
    trained = county.training.training
    days = sorted({*trained.split.refit, *trained.split.test})
    rows, _ = labelled_rows(project.store(), project.spec, days, known_on=trained.known_on, snapshots=project.snapshot)
    write_signals(project.root / "store", rows[rows["y"] == 1])
    leaky = open_project(project.root)
    leaky.train(as_of=trained.known_on)
    assert "GATE006" in refused(leaky)
    with pytest.raises(GateRefusedError, match=r"GATE006 .*LEAK00"):
        leaky.promote()
    assert leaky.model()[0].version == 1


def write_signals(store: Path, falls: pd.DataFrame) -> None:
    """Reports of hunger on the day before each as_of from which the household fell, recorded that day; file and manifest in order."""
    manifest = read_manifest(store)
    entry = manifest.tables["signal"]
    table = pq.read_table(store / entry.file)
    day = (pd.to_datetime(falls["as_of"]) - pd.Timedelta(days=1)).dt.date.to_numpy()
    made = pd.DataFrame({
        "signal_id": range(9_000_000_000, 9_000_000_000 + len(falls)), "household_id": falls["household_id"].to_numpy(),
        "channel": table["channel"][0].as_py(), "code": "food", "raised_on": day, "recorded_on": day, "recorded_declared": True,
        "superseded_on": None,
    })  # fmt: skip
    more = pa.Table.from_pandas(made[table.column_names], schema=table.schema, preserve_index=False)
    fresh = store / "signal" / "backdated.parquet"
    pq.write_table(pa.concat_tables([table, more]), fresh)
    longer = replace(entry, file="signal/backdated.parquet", sha256=sha256_of(fresh), n_rows=entry.n_rows + len(falls))
    tables = {**manifest.tables, "signal": longer}
    write_json(store / "manifest.json", _manifest_content(replace(manifest, tables=tables, fingerprint=_fingerprint(tables))))
