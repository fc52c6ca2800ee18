"""A query as a source: its answer becomes a file of the inbox, sorted, read only, and no password is ever told."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from returnrisk.config import SqlSourceSpec, load_project_config
from returnrisk.errors import ConfigError, IngestError, UnknownNameError
from returnrisk.ingest.sql_source import fetch, fetch_sources
from returnrisk.project import CONFIG_FILE, Project, open_project

ROWS = [("M-0000007", "999901199001010017", 100), ("M-0000003", "999901198001010016", 250), ("M-0000005", None, None)]
QUERY = "select claim as 结算单号, person as 身份证号码, amount as 医疗总费用 from settled"
PASSED = "correct horse/battery@staple"


def source(url: str, *, name: str = "yibao", table: str = "medical", query: str = QUERY) -> SqlSourceSpec:
    return SqlSourceSpec(name=name, table=table, url=url, query=query)


@pytest.fixture
def databases(tmp_path) -> dict[str, str]:
    with duckdb.connect(str(tmp_path / "x.duckdb")) as con:
        con.execute("create table settled (claim varchar, person varchar, amount decimal(18, 2))")
        con.executemany("insert into settled values (?, ?, ?)", ROWS)
    lite = sqlite3.connect(tmp_path / "x.db")
    lite.execute("create table settled (claim text, person text, amount integer)")
    lite.executemany("insert into settled values (?, ?, ?)", ROWS)
    lite.commit()
    lite.close()
    return {"duckdb": "duckdb://x.duckdb", "sqlite": "sqlite://x.db"}


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_the_answer_is_a_sorted_file_of_the_inbox(databases, tmp_path, kind):
    (file,) = fetch_sources([source(databases[kind])], root=tmp_path, inbox=tmp_path / "inbox")
    assert file.relative_to(tmp_path).as_posix() == "inbox/sql/yibao_医疗费用结算.parquet"
    table = pq.read_table(file)
    assert table["结算单号"].to_pylist() == ["M-0000003", "M-0000005", "M-0000007"]
    assert [None if v is None else int(v) for v in table["医疗总费用"].to_pylist()] == [250, None, 100]
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_rows_in_another_order_give_the_same_bytes_and_leave_the_file_alone(databases, tmp_path):
    asked = source(databases["duckdb"])
    (file,) = fetch_sources([asked], root=tmp_path, inbox=tmp_path / "inbox")
    before, made = file.read_bytes(), file.stat().st_mtime_ns
    turned = source(databases["duckdb"], query=QUERY + " order by claim desc")
    fetch_sources([turned], root=tmp_path, inbox=tmp_path / "inbox")
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (before, made)


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
@pytest.mark.parametrize("query", ["delete from settled", "drop table settled", "insert into settled values ('a', 'b', 1)"])
def test_nothing_is_ever_written(databases, tmp_path, kind, query):
    with pytest.raises(IngestError, match="does not answer"):
        fetch(source(databases[kind], query=query), root=tmp_path)
    assert fetch(source(databases[kind]), root=tmp_path).num_rows == len(ROWS)


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_wrong_query_says_so_without_showing_anything(databases, tmp_path, kind):
    with pytest.raises(IngestError) as caught:
        fetch(source(databases[kind], query="select secret_column from settled"), root=tmp_path)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_one_dead_source_leaves_every_file_as_it_was(databases, tmp_path):
    good = source(databases["duckdb"])
    (file,) = fetch_sources([good], root=tmp_path, inbox=tmp_path / "inbox")
    before = file.read_bytes()
    changed = source(databases["duckdb"], query=QUERY + " limit 1")
    dead = source(databases["sqlite"], name="dead", query="select nothing")
    with pytest.raises(IngestError, match="'dead'"):
        fetch_sources([changed, dead], root=tmp_path, inbox=tmp_path / "inbox")
    assert file.read_bytes() == before


def test_a_password_comes_from_the_environment_and_is_never_told(tmp_path, monkeypatch):
    asked = source("postgres://reader:${SQL_SOURCE_SECRET}@127.0.0.1:1/nowhere")
    with pytest.raises(ConfigError, match="SQL_SOURCE_SECRET"):
        fetch(asked, root=tmp_path)
    monkeypatch.setenv("SQL_SOURCE_SECRET", PASSED)
    with pytest.raises((IngestError, ConfigError)) as caught:  # refused there, or no driver here
        fetch(asked, root=tmp_path)
    assert PASSED not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    assert "reader" not in repr(asked)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"url": "oracle://x"}, "no url of a kind"),
        ({"url": "duckdb://absent.duckdb"}, "no file absent.duckdb"),
        ({"url": "duckdb://x.duckdb", "name": "../up"}, "becomes part of a file's name"),
        ({"url": "duckdb://x.duckdb", "name": "农户基本信息"}, "name of another table"),
    ],
)
def test_what_cannot_be_meant_is_refused(databases, tmp_path, wrong, says):
    with pytest.raises(ConfigError, match=says):
        fetch_sources([source(**wrong)], root=tmp_path, inbox=tmp_path / "inbox")
    assert not (tmp_path / "inbox").exists()


def test_an_unknown_table_and_two_sources_of_one_name_are_refused(databases, tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'medical'"):
        fetch_sources([source("duckdb://x.duckdb", table="medicale")], root=tmp_path, inbox=tmp_path)
    with pytest.raises(ConfigError, match="one name"):
        fetch_sources([source(databases["duckdb"])] * 2, root=tmp_path, inbox=tmp_path)


# ------------------------------------------------------------------------------------------------- through the project


def with_source(project: Project, url: str, query: str) -> Project:
    config = project.root / CONFIG_FILE
    declared = f'\n[[sources]]\nname = "ledger"\ntable = "subsidy"\nurl = "{url}"\nquery = """{query}"""\n'
    config.write_text(config.read_text(encoding="utf-8") + declared, encoding="utf-8")
    return open_project(project.root)


def test_rows_of_a_database_are_accounted_for_like_those_of_a_file(small_copy, small):
    """The subsidy files of a county moved into a database: the store is the same, and a bad row is named by its place."""
    project = small_copy("sql")
    files = sorted(p for p in (project.root / "inbox").rglob("*补贴*") if p.is_file())
    assert files
    with duckdb.connect(str(project.root / "county.duckdb")) as con:
        con.execute(f"create table paid as select * from read_csv({[str(p) for p in files]}, all_varchar=true)")
        con.execute("create table broken as select * replace ('很多' as \"月发放金额\") from paid limit 1")
    for path in files:
        path.unlink()
    (project.root / "store" / "manifest.json").unlink()
    result = with_source(project, "duckdb://county.duckdb", "select * from paid union all select * from broken").ingest()
    before, after = small.store().manifest.tables["subsidy"], result.manifest.tables["subsidy"]
    assert (before.sha256, before.n_rows) == (after.sha256, after.n_rows)
    (account,) = result.report.files.query("table_name == 'subsidy'").to_dict("records")
    assert account["file"].startswith("sql/ledger_")
    assert account["n_quarantined"] >= 1
    assert account["n_input"] == account["n_accepted"] + account["n_duplicate"] + account["n_quarantined"]


def test_the_configuration_is_read_and_misspelt_keys_are_refused(tmp_path):
    config = tmp_path / CONFIG_FILE
    config.write_text(
        'schema = 1\n[[sources]]\nname = "a"\ntable = "medical"\nurl = "sqlite://x"\nquery = "select 1"\n', encoding="utf-8"
    )
    assert load_project_config(config).sources[0].table == "medical"
    config.write_text(
        'schema = 1\n[[sources]]\nname = "a"\ntabel = "medical"\nurl = "sqlite://x"\nquery = "select 1"\n', encoding="utf-8"
    )
    with pytest.raises(UnknownNameError, match="did you mean 'table'"):
        load_project_config(config)


# ----------------------------------------------------------------------------------------------------------- PostgreSQL


@pytest.fixture
def postgres():
    """A server of one's own in a temporary folder, where the programs and the driver are installed; never run by root."""
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is an extra")
    program = shutil.which("pg_ctl")
    if program is None:
        pytest.skip("no PostgreSQL server is installed")
    home = Path(tempfile.mkdtemp(prefix="pg"))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(home, "nobody")
        who = {"user": "nobody"}
    port = 20_000 + os.getpid() % 20_000

    def run(*arguments: str) -> None:
        subprocess.run([program, *arguments, "-D", str(home / "data")], check=True, stdout=subprocess.DEVNULL, cwd=home, **who)

    run("initdb", "-o", "-A trust -U owner")
    run(
        "start",
        "-w",
        "-l",
        str(home / "log"),
        "-o",
        f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={home}",
    )
    yield f"127.0.0.1:{port}"
    run("stop", "-m", "immediate")
    shutil.rmtree(home)


def test_postgresql_is_read_and_never_written(postgres, tmp_path: Path):
    import psycopg

    with psycopg.connect(f"postgresql://owner@{postgres}/postgres") as con:
        con.execute("create table settled (claim text, person text, amount numeric(18, 2))")
        for row in ROWS:
            con.execute("insert into settled values (%s, %s, %s)", row)
    url = f"postgres://owner@{postgres}/postgres"
    assert fetch(source(url), root=tmp_path)["结算单号"].to_pylist() == ["M-0000003", "M-0000005", "M-0000007"]
    with pytest.raises(IngestError, match="does not answer"):
        fetch(source(url, query="delete from settled returning claim"), root=tmp_path)
