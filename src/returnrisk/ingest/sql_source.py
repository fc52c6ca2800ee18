"""A query as a source: its answer lands in the inbox as a Parquet file, and is from then on a file like any other.

    [[sources]]                                     # in returnrisk.toml
    name = "yibao"
    table = "medical"
    url = "postgres://reader:${YIBAO_PASSWORD}@10.1.2.3/yibao"      # or duckdb://data/x.duckdb, sqlite://data/x.db
    query = "select * from settled where paid"

The connection only reads. The answer is sorted by all its columns, so that the same rows give the same bytes whatever order the
database has them in; the file is replaced only when they change. Passwords come from the environment; no address, user or password
is ever part of a message, the accounting or the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from returnrisk.config import SqlSourceSpec
from returnrisk.contracts import Contract, load_contracts
from returnrisk.errors import ConfigError, IngestError, UnknownNameError
from returnrisk.ingest.headers import recognise_table
from returnrisk.store.files import sha256_of, write_atomically

SCHEMES = ("duckdb", "postgres", "postgresql", "sqlite")
FOLDER = "sql"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def fetch_sources(
    sources: Sequence[SqlSourceSpec], *, root: Path, inbox: Path, contracts: Mapping[str, Contract] | None = None
) -> list[Path]:
    """Ask every source and lay its answer into `inbox/sql/`.

    Parameters
    ----------
    root
        What file databases are named relative to.

    Returns
    -------
    list of Path
        The files, in the order of the sources.

    Raises
    ------
    ConfigError
        A name, table or address that cannot be meant, or a variable of the environment that is not set.
    IngestError
        A database cannot be reached or does not answer the query; every file stays as it was.
    """
    known = contracts or load_contracts()
    files = [inbox / FOLDER / _file_name(s, known) for s in sources]
    if len(set(files)) < len(files):
        raise ConfigError("two sources have one name and table: give each its own name")
    answers = [fetch(s, root=root) for s in sources]  # all of them before the first file is touched
    return [_laid_down(answer, file) for answer, file in zip(answers, files, strict=True)]


def fetch(source: SqlSourceSpec, *, root: Path) -> Any:
    """The answer to a source's query as a sorted Arrow table; see `fetch_sources`."""
    try:
        con = _connected(source, root)
        try:
            table = _answer(con, source.query)
        finally:
            con.disconnect()
        return table.sort_by([(name, "ascending") for name in table.column_names])
    except (ConfigError, ImportError):
        raise
    except Exception as error:  # noqa: BLE001 (every driver has its own; all of them quote the address, or rows)
        problem = f"source '{source.name}' does not answer ({type(error).__name__}): check its url and query; nothing was ingested"
        raise IngestError(problem) from None


def _answer(con: Any, query: str) -> Any:
    import pyarrow as pa

    if con.name != "postgres":
        return con.sql(query).to_pyarrow()
    # there Ibis makes a view to learn the columns' types, which a connection that only reads may not
    with con.raw_sql(query) as cursor:
        names = [column.name for column in cursor.description]
        rows = cursor.fetchall()
    return pa.Table.from_arrays([pa.array([row[i] for row in rows]) for i in range(len(names))], names=names)


def _laid_down(table: Any, file: Path) -> Path:
    import pyarrow.parquet as pq

    fresh = write_atomically(
        file.with_name(f".{file.name}"), lambda p: pq.write_table(table, p, compression="zstd", write_page_checksum=True)
    )
    if file.is_file() and sha256_of(file) == sha256_of(fresh):
        fresh.unlink()
    else:
        fresh.replace(file)
    return file


def _file_name(source: SqlSourceSpec, contracts: Mapping[str, Contract]) -> str:
    if source.table not in contracts:
        raise UnknownNameError(f"table of source '{source.name}'", source.table, contracts)
    name = f"{source.name}_{contracts[source.table].file_aliases[0]}.parquet"
    if not re.fullmatch(r"[\w-]{1,40}", source.name):
        raise ConfigError(
            f"the source name '{source.name}' is no name of letters, digits, - and _: it becomes part of a file's name"
        )
    try:
        told = recognise_table(name, contracts).name
    except IngestError:
        told = ""
    if told != source.table:
        raise ConfigError(f"the source name '{source.name}' contains the name of another table: call it otherwise")
    return name


def _connected(source: SqlSourceSpec, root: Path) -> Any:
    """A connection that cannot write."""
    import ibis

    url = _expanded(source)
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise ConfigError(
            f"source '{source.name}' has no url of a kind that is read; expected one of {', '.join(SCHEMES)}, then ://"
        )
    if scheme in ("postgres", "postgresql"):
        return _postgres(url, source.name)
    path = root / unquote(url.partition("://")[2])
    if not path.is_file():
        raise ConfigError(f"source '{source.name}': there is no file {path.name}")
    if scheme == "duckdb":
        return ibis.duckdb.connect(path, read_only=True)
    import sqlite3

    return ibis.sqlite.from_connection(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True))


def _postgres(url: str, name: str) -> Any:
    from importlib.util import find_spec

    import ibis

    if find_spec("psycopg") is None:  # ibis's own message would show the call
        raise ConfigError(f"source '{name}' is in PostgreSQL: install the extra, pip install 'returnrisk[postgres]'")
    parts = urlsplit(url)
    return ibis.postgres.connect(
        host=parts.hostname,
        port=parts.port or 5432,
        user=unquote(parts.username or "") or None,
        password=unquote(parts.password or "") or None,
        database=parts.path.lstrip("/"),
        options="-c default_transaction_read_only=on",
    )


def _expanded(source: SqlSourceSpec) -> str:
    """The url with `${NAME}` taken from the environment; a password may hold any character."""
    from urllib.parse import quote

    if missing := [name for name in _VARIABLE.findall(source.url) if name not in os.environ]:
        raise ConfigError(f"source '{source.name}' needs the environment variable {', '.join(missing)}")
    return _VARIABLE.sub(lambda found: quote(os.environ[found[1]], safe=""), source.url)
