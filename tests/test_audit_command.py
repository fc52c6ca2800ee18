"""`returnrisk audit leakage SPEC` on a small county: answers, exit codes, the file of figures, and no household in any of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest

from returnrisk import cli, snapshot_cache
from returnrisk.features import families
from returnrisk.leakage import CHECKS, AuditSettings
from returnrisk.project import init_project, open_project
from returnrisk.store.view import open_store
from tests import leaky_panels as leaks
from tests.feature_households import write_rows

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens:UserWarning")
SPEC = """schema = 1
name = "quick"
title_zh = "试"
title_en = "trial"
families = ["support"]
[outcome]
horizon_months = 3
min_months = 3
partial_months = 2
window = { kind = "trailing", months = 3 }
[split]
step_months = 6
min_history_months = 9
n_calibrate = 1
n_test = 1
[learner]
name = "lightgbm"
[learner.params]
n_estimators = 20
num_leaves = 4
[evaluation]
n_bootstrap = 20
"""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on the county without a leak; its specification lies in `models/`."""
    root = init_project(tmp_path_factory.mktemp("audit") / "county", key=b"a key of the audit's tests", synthetic=True).root
    write_rows("audit-command", leaks.rows(7), delay=20).rename(root / "store")
    (root / "models").mkdir()
    (root / "models" / "quick.toml").write_text(SPEC, encoding="utf-8")
    return root


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], project: Path) -> Callable[..., Ended]:
    def call(*arguments: object) -> Ended:
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["returnrisk", "audit", "leakage", *map(str, arguments), "--project", str(project)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        streams = capsys.readouterr()
        assert "Traceback" not in streams.out + streams.err
        return Ended(int(str(ended.value.code)), streams.out, streams.err)

    return call


def test_a_clean_county_ends_with_0_and_every_answer(audit, project, tmp_path):
    ended = audit("quick", "--as-of", leaks.KNOWN_ON, "--json", tmp_path / "audit.json")
    assert ended.code == 0, ended
    assert all(code in ended.out for code in CHECKS)
    assert "a month later" in ended.err  # progress, and only there
    assert "a month later" not in ended.out
    text = (tmp_path / "audit.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert [row["code"] for row in content["checks"]] == sorted(CHECKS)
    assert {row["result"] for row in content["checks"]} <= {"fine", "not_applicable"}
    assert content["problems"] == []
    assert content["settings"] == asdict(AuditSettings())
    assert {row["code"] for row in content["figures"]} >= {"LEAK002", "LEAK003", "LEAK004"}
    homes = open_store(project / "store").as_of(leaks.KNOWN_ON).table("household").household_id.execute()
    assert not any(f"{home}" in (ended.out + ended.err) for home in homes)
    assert {row["what"] for row in content["figures"]}.isdisjoint(map(str, homes))
    # what it kept are snapshots of the store itself, none of a store with other rows
    kept = {path.name[:10] for path in (project / "snapshots").glob("*.parquet")}
    assert len(list((project / "snapshots").glob("*.parquet"))) == len(kept)
    assert set(content["days"]) == kept


@pytest.mark.slow
def test_a_leaking_feature_ends_with_3_and_is_named(audit, project, tmp_path, monkeypatch):
    """A family whose author reads the whole store instead of the view."""
    family = families.FAMILIES["support"]
    name = family.features[0].name

    def leaking(context):
        rows = family.build(context).drop(name)
        later = context.view.store.as_of(leaks.KNOWN_ON).table("support")
        counted = later.group_by("household_id").agg(**{name: later.count()})
        return rows.left_join(counted, "household_id").drop("household_id_right")

    monkeypatch.setitem(families.EVERY, "support", replace(family, build=leaking))
    monkeypatch.setattr(snapshot_cache, "MOST_PROCESSES", 1)  # another process would not know of it
    monkeypatch.setattr(snapshot_cache, "CACHE_SCHEMA", -1)  # nor do snapshots that are kept
    ended = audit(project / "models" / "quick.toml", "--as-of", leaks.KNOWN_ON, "--json", tmp_path / "audit.json")
    content = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert ended.code == 3
    assert "LEAK001" in content["problems"]
    assert name in next(row["what"] for row in content["checks"] if row["code"] == "LEAK001")
    assert name in ended.out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("quik",), 2, "fall-12m"),
        (("quick", "--json", "nowhere/audit.json"), 2, "nowhere"),
        (("quick", "--as-of", "2022-04-30"), 3, "history"),
    ],
)
def test_what_cannot_be_audited_is_said(audit, arguments, code, says):
    ended = audit(*arguments)
    assert (ended.code, says in ended.err) == (code, True), ended


def test_a_specification_by_path_and_by_name_are_the_same(project):
    opened = open_project(project)
    assert opened.specification("quick") == opened.specification(str(project / "models" / "quick.toml"))
