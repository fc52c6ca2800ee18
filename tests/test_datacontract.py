"""Interoperability: datacontract-cli, a program of others, accepts every contract and the store of a county.

It lives in an environment of its own (its libraries are not ours), made once from `tests/datacontract/requirements.lock`.

What it reads is not quite our contract, and why:

- our key names a thing, and key with `recorded_on` one version of it; some keys have a part that may be empty (an income of nobody in
  particular). ODCS has primary keys without empty parts only. So the document under test states the grain of a stored file as a rule:
  no duplicates of key and `recorded_on`.
- all tables stand in one document, for a reference is followed inside a document only.
- it casts Parquet files into the contract's types before it looks, so that it cannot check types there and says so. The same files
  behind views of a DuckDB database have types that it does check.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from returnrisk.contracts import load_contracts
from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.resources import data_folder
from tests.office_files import add_office_files

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
LOCK = Path(__file__).with_name("datacontract") / "requirements.lock"
UNCHECKED = "Checking types in parquet files is not supported yet."
FOLDER = data_folder("data_contracts")


@pytest.fixture(scope="session")
def datacontract() -> Path:
    """The program, in an environment named after its lock file, so that a new lock makes a new one."""
    home = ROOT / ".venv" / f"datacontract-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    if not (home / "complete").is_file():
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(scripts / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*pip, "--requirement", str(LOCK)], check=True)
        (home / "complete").touch()
    return scripts / "datacontract"


def run(datacontract: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONUTF8": "1", "COLUMNS": "200"}
    return subprocess.run(
        [str(datacontract), *map(str, arguments)], capture_output=True, text=True, check=False, env=environment, encoding="utf-8"
    )


def document_of(folder: Path) -> dict[str, Any]:
    """One ODCS document of all tables, over the Parquet files in `folder` and over views of them."""
    schemas = []
    for name, contract in load_contracts().items():
        table = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))["schema"][0]
        for column in table["properties"]:
            column.pop("primaryKey", None)
            column.pop("primaryKeyPosition", None)
        grain = {"properties": [*contract.key, "recorded_on"]}
        table["quality"] = [{"type": "library", "metric": "duplicateValues", "mustBe": 0, "arguments": grain}]
        schemas.append(table)
    servers = [
        {"server": "files", "type": "local", "format": "parquet", "path": (folder / "{model}.parquet").as_posix()},
        {"server": "views", "type": "duckdb", "database": (folder / "views.duckdb").as_posix(), "schema": "main"},
    ]
    head = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "returnrisk.store", "version": "1.0.0", "status": "active"}
    return {**head, "servers": servers, "schema": schemas}


@pytest.fixture(scope="module")
def store_files(small_inbox: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parquet files of a store that holds every table, as the store wrote them, each under its table's name."""
    folder = tmp_path_factory.mktemp("datacontract")
    add_office_files(small_inbox, folder / "inbox")
    manifest = ingest_inbox(folder / "inbox", folder / "store", key=b"a key for the other program").manifest
    assert set(manifest.tables) == set(load_contracts())
    (folder / "files").mkdir()
    for name, stored in manifest.tables.items():
        shutil.copy(folder / "store" / stored.file, folder / "files" / f"{name}.parquet")
    return folder / "files"


def checks_of(datacontract: Path, folder: Path, server: str) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    (folder / "views.duckdb").unlink(missing_ok=True)
    with duckdb.connect(str(folder / "views.duckdb")) as con:
        for name in load_contracts():
            con.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{(folder / name).as_posix()}.parquet')")
    document = folder / "store.odcs.yaml"
    document.write_text(yaml.safe_dump(document_of(folder), allow_unicode=True, sort_keys=False), encoding="utf-8")
    assert run(datacontract, "lint", document).returncode == 0
    answer = folder / f"{server}.json"
    answer.unlink(missing_ok=True)
    done = run(datacontract, "test", document, "--server", server, "--output-format", "json", "--output", answer)
    return done, json.loads(answer.read_text(encoding="utf-8"))["checks"]


def test_it_accepts_every_contract_and_no_broken_one(datacontract, tmp_path):
    refused = {
        name: done.stdout for name in load_contracts() if (done := run(datacontract, "lint", FOLDER / f"{name}.yaml")).returncode
    }
    assert not refused
    content = (FOLDER / "loan.yaml").read_text(encoding="utf-8").replace("logicalType: boolean", "logicalType: boolen")
    (tmp_path / "loan.yaml").write_text(content, encoding="utf-8")
    assert run(datacontract, "lint", tmp_path / "loan.yaml").returncode != 0


def test_it_accepts_the_parquet_files_of_a_store(datacontract, store_files):
    done, checks = checks_of(datacontract, store_files, "files")
    assert done.returncode == 0, done.stdout[-3000:]
    not_passed = Counter((c["result"], c["type"], c["reason"]) for c in checks if c["result"] != "passed")
    n_columns = sum(len(c.columns) for c in load_contracts().values())
    assert not_passed == {("warning", "field_type", UNCHECKED): n_columns}


def test_it_accepts_types_values_keys_and_references_of_the_same_files(datacontract, store_files):
    done, checks = checks_of(datacontract, store_files, "views")
    assert done.returncode == 0, done.stdout[-3000:]
    assert {c["result"] for c in checks} == {"passed"}
    fields = [f for c in load_contracts().values() for f in c.fields]
    ran = Counter(c["type"] for c in checks)
    assert ran == {
        "field_is_present": len(fields),
        "field_type": len(fields),
        "field_required": sum(f.required for f in fields),
        "field_invalid_values": sum(f.valid_values is not None for f in fields),
        "field_regex": sum(f.pattern is not None and f.type == "string" for f in fields),
        "field_minimum": sum(f.minimum is not None for f in fields),
        "field_maximum": sum(f.maximum is not None for f in fields),
        "field_relationships": sum(f.references is not None for f in fields),
        "model_duplicate_values": len(load_contracts()),
    }


def _with(column: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = [value, *table[column].to_pylist()[1:]]
        return table.set_column(
            table.column_names.index(column), table.schema.field(column), pa.array(values, table.schema.field(column).type)
        )

    return change


def _as_text(table: pa.Table) -> pa.Table:
    return table.set_column(table.column_names.index("overdue"), "overdue", table["overdue"].cast(pa.string()))


@pytest.mark.parametrize(
    ("plant", "kind", "field"),
    [
        (_with("kind", "usury"), "field_invalid_values", "kind"),
        (_with("amount_cny", -1), "field_minimum", "amount_cny"),
        (_with("household_id", 1), "field_relationships", "household_id"),
        (_with("due_on", None), "field_required", "due_on"),
        (_as_text, "field_type", "overdue"),
        (lambda table: pa.concat_tables([table, table.slice(0, 1)]), "model_duplicate_values", None),
        (lambda table: table.drop_columns(["granted_on"]), "field_is_present", "granted_on"),
    ],
)
def test_it_finds_the_one_planted_error(datacontract, store_files, tmp_path, plant, kind, field):
    files = shutil.copytree(store_files, tmp_path / "files")
    pq.write_table(plant(pq.read_table(files / "loan.parquet")), files / "loan.parquet")
    done, checks = checks_of(datacontract, files, "views")
    assert done.returncode != 0
    failed = {(c["model"], c["type"], c["field"]) for c in checks if c["result"] != "passed"}
    assert ("loan", kind, field) in failed
    assert {(model, column) for model, _, column in failed} == {("loan", field)}
