"""MLflow kept in its place: a quiet import without pickle or telemetry, a database made under a lock, folders that may move.

MLflow stores absolute addresses of its artifacts. When the project folder has moved, `open_client` rewrites them to where the
folder lies now; otherwise MLflow would read from, and write to, the old place.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from returnrisk.errors import RegistryError

EXPERIMENT = "returnrisk"
_PASSWORD = re.compile(r"//[^/@\s]+@")
"""Account and password in an address."""
# What MLflow 3.17 itself warns of on import and on first opening a database, and no user can act on.
_MLFLOW_WARNINGS = (r"[\s\S]*Any type hint is inferred as AnyType", r"[\s\S]*``noload`` loader strategy is deprecated")
_ENVIRONMENT = {
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)


@contextlib.contextmanager
def quiet_mlflow() -> Iterator[None]:
    """MLflow imported without pickle and telemetry; silent inside the block; its failures come out as `RegistryError`.

    The log level is restored afterwards. Nothing is lost by the silence: whatever fails also raises.
    """
    os.environ.update(_ENVIRONMENT)  # MLflow reads them when imported and when used
    with warnings.catch_warnings():
        for message in _MLFLOW_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        import mlflow.exceptions
        import mlflow.pyfunc
        import sqlalchemy.exc

        loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        except (mlflow.exceptions.MlflowException, sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
            first_line = _PASSWORD.sub("//***@", next(iter(str(error).splitlines()), type(error).__name__))
            raise RegistryError(
                f"the model catalogue cannot be used: {first_line}. Check that mlruns/mlflow.db is whole, writable and of this MLflow, or that "
                "the server of tracking_uri answers; bundles do not depend on it and can still be loaded by path"
            ) from error
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def sqlite_uri(mlruns: Path) -> str:
    """MLflow's address of `<mlruns>/mlflow.db`."""
    return _sqlite(mlruns / "mlflow.db")


def _sqlite(database: Path) -> str:
    return f"sqlite:///{database.as_posix()}"


def open_client(mlruns: Path, *, tracking_uri: str | None) -> Any:
    """An `MlflowClient` on a database that exists, with the experiment `returnrisk`; call it under the lock and `quiet_mlflow`.

    Parameters
    ----------
    mlruns
        Absolute folder of the database and artifacts.
    tracking_uri
        Another MLflow than the one in `mlruns`; its artifacts are then that server's business.
    """
    from mlflow import MlflowClient

    uri = tracking_uri or sqlite_uri(mlruns)
    location = None
    if tracking_uri is None:
        location = (mlruns / "artifacts").as_uri()
        _prepare_database(mlruns, location=location)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        client.create_experiment(EXPERIMENT, artifact_location=location)
    elif experiment.lifecycle_stage == "deleted":  # somebody tidied up in MLflow's pages
        client.restore_experiment(experiment.experiment_id)
    return client


def _prepare_database(mlruns: Path, *, location: str) -> None:
    """Make the database if there is none: under another name first, since one half made can be neither used nor finished."""
    database = mlruns / "mlflow.db"
    if database.exists():
        _follow_the_folder(database, location=location)
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for left_by_killed_process in mlruns.glob(".mlflow.db.partial*"):
        left_by_killed_process.unlink()
    partial = mlruns / ".mlflow.db.partial"
    # Made here and not by MlflowClient, which would place the default experiment's artifacts in the working directory.
    store = SqlAlchemyStore(_sqlite(partial), location)  # type: ignore[no-untyped-call]
    store.engine.dispose()  # closes the file: Windows renames no open one
    partial.replace(database)


def _follow_the_folder(database: Path, *, location: str) -> None:
    """Rewrite addresses under the experiment's recorded folder to `location`, if the folder has moved."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "experiments" not in tables:
            return
        row = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", (EXPERIMENT,)).fetchone()
        if row is None or row[0] == location:
            return
        old = row[0]
        for table, column in _LOCATIONS:
            if table in tables:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (location, len(old) + 1, old, len(old) + 1, f"{old}/"),
                )
