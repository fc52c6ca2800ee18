"""The catalogue of models: which versions exist, which is candidate, which is champion. MLflow keeps it; bundles are the truth.

    <project>/mlruns/mlflow.db      runs, metrics, registered models, aliases
    <project>/mlruns/artifacts/     a copy of each bundle as an MLflow model without pickle
    <project>/mlruns/catalogue.lock one writer at a time

`candidate` is the version trained last, `champion` the one that scores, `previous` the champion before it.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from returnrisk.errors import RegistryError, UnknownNameError
from returnrisk.registry.mlflow_home import EXPERIMENT, open_client, quiet_mlflow, sqlite_uri
from returnrisk.registry.studies import log_study_runs
from returnrisk.store.lock import exclusive

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.registry.bundle import Bundle

CANDIDATE, CHAMPION, PREVIOUS = "candidate", "champion", "previous"
_FINGERPRINT, _BUNDLE, _OWN_RUN = "returnrisk.fingerprint", "returnrisk.bundle", "returnrisk.run"
_ABSOLUTE = re.compile(r"/|\\|[A-Za-z]:[\\/]|file:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version of a model.

    `bundle` is the bundle's folder relative to the project; `aliases` are sorted.
    """

    name: str
    version: int
    run_id: str
    fingerprint: str
    bundle: str
    aliases: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """One row."""
        import pandas as pd

        return pd.DataFrame([{field.name: getattr(self, field.name) for field in fields(self)}])


class Catalogue:
    """Registered models under `mlruns` (or at another MLflow, by `tracking_uri`).

    Nothing is created before the first training is logged. Safe for several processes; safe to repeat.

    Parameters
    ----------
    mlruns
        Folder of database, artifacts and lock; `<project>/mlruns`.
    tracking_uri
        An MLflow server instead of the database in `mlruns`.

    Examples
    --------
    >>> import tempfile
    >>> catalogue = Catalogue(Path(tempfile.mkdtemp()) / "mlruns")
    >>> catalogue.versions().columns.tolist()
    ['name', 'version', 'aliases', 'fingerprint', 'bundle']
    >>> catalogue.resolve("fall-12m", "champion")
    Traceback (most recent call last):
        ...
    returnrisk.errors.UnknownNameError: unknown model 'fall-12m'; known: none
    """

    def __init__(self, mlruns: Path, tracking_uri: str | None = None) -> None:
        self._mlruns = mlruns.resolve()
        self._remote = tracking_uri

    @property
    def tracking_uri(self) -> str:
        """Address to give to MLflow itself, for its pages or `mlflow.pyfunc.load_model`."""
        return self._remote or sqlite_uri(self._mlruns)

    def log_training(
        self,
        bundle: Bundle,
        *,
        metrics: Mapping[str, float],
        params: Mapping[str, object],
        tags: Mapping[str, str],
        bundle_location: str,
        files: Mapping[str, bytes] | None = None,
    ) -> ModelVersion:
        """Log a run, register its bundle as a version, and give that version the alias `candidate`.

        A bundle that is registered already (same fingerprint) gets the alias back, and no second version.

        Parameters
        ----------
        bundle
            As `write_bundle` returned it.
        metrics, params, tags
            Written to the run; nested parameters are joined by dots.
        bundle_location
            The bundle's folder, relative to the project.
        files
            Name to content: what the run keeps below `evaluation/` beside the model.

        Raises
        ------
        RegistryError
            The catalogue cannot be reached, or something would store an absolute path.
        """
        location = _relative(bundle_location)
        flat = _flattened(params)
        _refuse_absolute_paths({**flat, **tags})
        with self._writing() as client:
            known = [v for v in _versions_of(client, bundle.name) if v.fingerprint == bundle.fingerprint]
            if known:
                version = known[-1].version
                client.set_model_version_tag(bundle.name, str(version), _BUNDLE, location)
            else:
                run_id = _log_run(client, bundle, metrics=metrics, params=flat, tags=tags, owner=self._owner(), files=files or {})
                version = _register(client, bundle, run_id=run_id, location=location)
            client.set_registered_model_alias(bundle.name, CANDIDATE, str(version))
            return _find(client, bundle.name, version)

    def log_study(
        self,
        name: str,
        *,
        trials: pd.DataFrame,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> str:
        """Log a search for hyper-parameters: one run for it, and one below it for every trial; no model is registered.

        Parameters
        ----------
        name
            Of the specification that was tuned.
        trials
            One row per trial (`tuning.Tuned.trials`): trial, state, `param_…`, and numbers (missing ones are left out).
        params, metrics, tags
            Of the search itself.

        Returns
        -------
        str
            Id of the search's run.

        Raises
        ------
        RegistryError
            The catalogue cannot be reached, or something would store an absolute path.
        """
        flat = _flattened(params)
        _refuse_absolute_paths({**flat, **tags})
        with self._writing() as client:
            return log_study_runs(client, name, trials=trials, params=flat, metrics=metrics, tags={**tags, _OWN_RUN: self._owner()})

    def promote(
        self,
        name: str,
        *,
        version: int | None = None,
        expected_champion: int | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        """Make a version (default: the candidate) the champion; the old champion becomes `previous`.

        Parameters
        ----------
        expected_champion
            The champion that the version was judged against, 0 for none: another one there now is an error. None: whichever there is.
        tags
            Written to the version: who approved it, what the gates said.

        Raises
        ------
        UnknownNameError
            No such model, version or candidate.
        RegistryError
            The catalogue cannot be reached, another champion was promoted since, or (on a server, which cannot compare and set) at the same time.
        """
        self._require(name)
        with self._writing() as client:
            chosen = _find(client, name, CANDIDATE if version is None else version)
            champion = next((v for v in _versions_of(client, name) if CHAMPION in v.aliases), None)
            found = 0 if champion is None else champion.version
            if expected_champion is not None and found != expected_champion:
                was, now = (f"{name}/{v}" if v else "nobody" for v in (expected_champion, found))
                raise RegistryError(
                    f"{name}/{chosen.version} was judged against {was}, but {now} is champion now: somebody promoted meanwhile. "
                    f"Nothing was moved; promote again to be judged against {now}"
                )
            for key, value in sorted((tags or {}).items()):
                client.set_model_version_tag(name, str(chosen.version), f"returnrisk.{key}", value)
            if champion is not None and champion.version != chosen.version:
                client.set_registered_model_alias(name, PREVIOUS, str(champion.version))
            client.set_registered_model_alias(name, CHAMPION, str(chosen.version))
            return _read_back(client, name, chosen)

    def rollback(self, name: str) -> ModelVersion:
        """Make the previous champion the champion again; the one it replaces becomes `previous`, so that rolling back twice changes nothing.

        Raises
        ------
        UnknownNameError
            No such model, or no champion.
        RegistryError
            There is no earlier champion, or the catalogue cannot be reached.
        """
        self._require(name)
        with self._writing() as client:
            champion = _find(client, name, CHAMPION)
            previous = next((v for v in _versions_of(client, name) if PREVIOUS in v.aliases), champion)
            if previous.version == champion.version:
                raise RegistryError(
                    f"{name} has no champion before the one it has: nothing to roll back to. `returnrisk models list` shows the versions, "
                    "`returnrisk models promote --version N` chooses one"
                )
            # champion first: a process killed between the two leaves the version that was asked for in charge
            client.set_registered_model_alias(name, CHAMPION, str(previous.version))
            client.set_registered_model_alias(name, PREVIOUS, str(champion.version))
            return _read_back(client, name, previous)

    def versions(self, name: str | None = None) -> pd.DataFrame:
        """One row per version, by name and then in the order they were made.

        Returns
        -------
        pandas.DataFrame
            `name`, `version` (int64), `aliases` (sorted, joined by ", "), `fingerprint`, `bundle` (relative to the project).

        Raises
        ------
        UnknownNameError
            `name` is given and there is no such model.
        """
        import pandas as pd

        found: list[ModelVersion] = []
        if name is not None:
            self._require(name)
        if self._exists():
            with self._reading() as client:
                names = [name] if name is not None else _model_names(client)
                found = [version for each in names for version in _versions_of(client, each)]
                if name is not None and not found:
                    raise UnknownNameError("model", name, _model_names(client))
        columns: dict[str, pd.Series[Any]] = {
            "name": pd.Series([v.name for v in found], dtype="str"),
            "version": pd.Series([v.version for v in found], dtype="int64"),
            "aliases": pd.Series([", ".join(v.aliases) for v in found], dtype="str"),
            "fingerprint": pd.Series([v.fingerprint for v in found], dtype="str"),
            "bundle": pd.Series([v.bundle for v in found], dtype="str"),
        }
        return pd.DataFrame(columns)

    def resolve(self, name: str, alias_or_version: str | int) -> ModelVersion:
        """The version of `name` that has this alias or number.

        Raises
        ------
        UnknownNameError
            No such model, alias or version; the message names those there are.
        """
        self._require(name)
        with self._reading() as client:
            return _find(client, name, alias_or_version)

    def _exists(self) -> bool:
        return self._remote is not None or (self._mlruns / "mlflow.db").exists()

    def _require(self, name: str) -> None:
        if not self._exists():
            raise UnknownNameError("model", name, [])

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Any]:
        """A client, alone: the lock is held until the block ends."""
        with quiet_mlflow():
            self._mlruns.mkdir(parents=True, exist_ok=True)
            with exclusive(self._mlruns / "catalogue.lock"):
                client = open_client(self._mlruns, tracking_uri=self._remote)
                _sweep_killed_runs(client, owner=self._owner())
                yield client

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Any]:
        """A client; the lock is held only while the database may still have to be made or moved."""
        with quiet_mlflow():
            self._mlruns.mkdir(parents=True, exist_ok=True)
            with exclusive(self._mlruns / "catalogue.lock"):
                client = open_client(self._mlruns, tracking_uri=self._remote)
            yield client

    def _owner(self) -> str:
        """Whose unfinished runs we may call dead while we hold the lock: all of our own database, on a server only this folder's."""
        if self._remote is None:
            return "mlruns"
        import hashlib
        import platform

        return hashlib.sha256(f"{platform.node()}\n{self._mlruns}".encode()).hexdigest()[:16]


def _log_run(
    client: Any,
    bundle: Bundle,
    *,
    metrics: Mapping[str, float],
    params: Mapping[str, str],
    tags: Mapping[str, str],
    owner: str,
    files: Mapping[str, bytes],
) -> str:
    """A finished run with the model among its artifacts; FAILED if anything goes wrong, RUNNING only while this process lives."""
    from mlflow.entities import Metric, Param

    experiment = client.get_experiment_by_name(EXPERIMENT)
    own = {**tags, _FINGERPRINT: bundle.fingerprint, _OWN_RUN: owner, "returnrisk.data": bundle.data_fingerprint}
    run = client.create_run(experiment.experiment_id, tags=own, run_name=bundle.path.name)
    run_id = str(run.info.run_id)
    try:
        client.log_batch(
            run_id,
            metrics=[Metric(key, float(metrics[key]), run.info.start_time, 0) for key in sorted(metrics)],
            params=[Param(key, params[key]) for key in sorted(params)],
        )
        with tempfile.TemporaryDirectory(prefix="returnrisk-") as folder:
            model = Path(folder, "model")
            _save_pyfunc(bundle, model)
            client.log_artifacts(run_id, str(model), "model")
            for name in sorted(files):
                Path(folder, name).write_bytes(files[name])
                client.log_artifact(run_id, str(Path(folder, name)), "evaluation")
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")
    return run_id


def _save_pyfunc(bundle: Bundle, path: Path) -> None:
    """The bundle as an MLflow model: its folder as data, our own loader as code; no pickle, no absolute path."""
    import mlflow.pyfunc

    made_with = bundle.content.environment
    requirements = [f"{library}=={made_with[library]}" for library in sorted(made_with) if made_with[library] != "not installed"]
    mlflow.pyfunc.save_model(
        path=str(path),
        loader_module="returnrisk.registry.serving",
        data_path=str(bundle.path),
        pip_requirements=requirements,
        metadata={"fingerprint": bundle.fingerprint},
    )


def _register(client: Any, bundle: Bundle, *, run_id: str, location: str) -> int:
    if bundle.name not in _model_names(client):
        client.create_registered_model(bundle.name, description=str(bundle.card["purpose"]))
    source = f"{client.get_run(run_id).info.artifact_uri}/model"
    tags = {_FINGERPRINT: bundle.fingerprint, _BUNDLE: location}
    return int(client.create_model_version(bundle.name, source=source, run_id=run_id, tags=tags).version)


def _sweep_killed_runs(client: Any, *, owner: str) -> None:
    """Mark our runs left RUNNING as KILLED: runs only run under the lock, which we hold, so their process is gone."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    ours = f"attributes.status = 'RUNNING' and tags.`{_OWN_RUN}` = '{owner}'"
    for run in client.search_runs([experiment.experiment_id], filter_string=ours):
        client.set_terminated(run.info.run_id, "KILLED")


def _model_names(client: Any) -> list[str]:
    return sorted(model.name for model in _all_pages(client.search_registered_models))


def _versions_of(client: Any, name: str) -> list[ModelVersion]:
    """Our versions of a model, oldest first; none when nobody registered it."""
    names = _model_names(client)
    if name not in names:
        return []
    aliases: dict[int, list[str]] = {}
    for alias, version in client.get_registered_model(name).aliases.items():
        aliases.setdefault(int(version), []).append(alias)
    versions = [
        ModelVersion(
            name=name,
            version=int(found.version),
            run_id=str(found.run_id),
            fingerprint=found.tags[_FINGERPRINT],
            bundle=found.tags.get(_BUNDLE, ""),
            aliases=tuple(sorted(aliases.get(int(found.version), []))),
        )
        for found in _all_pages(client.search_model_versions, filter_string=f"name='{name}'")
        if _FINGERPRINT in found.tags  # others were registered by hand
    ]
    return sorted(versions, key=lambda version: version.version)


def _find(client: Any, name: str, alias_or_version: str | int) -> ModelVersion:
    versions = _versions_of(client, name)
    if not versions:
        raise UnknownNameError("model", name, _model_names(client))
    wanted = str(alias_or_version)
    for version in versions:
        if wanted == str(version.version) or wanted in version.aliases:
            return version
    known = [*(str(version.version) for version in versions), *(alias for version in versions for alias in version.aliases)]
    raise UnknownNameError(f"version or alias of model {name}", wanted, known)


def _read_back(client: Any, name: str, chosen: ModelVersion) -> ModelVersion:
    """The version as it now stands, proven champion: a server takes the alias from whoever writes last."""
    now = _find(client, name, CHAMPION)
    if now.version != chosen.version:
        raise RegistryError(
            f"{name}/{chosen.version} was made champion, but {name}/{now.version} is: another promotion came at the same moment and won. "
            f"Look at both (`returnrisk models list`), and promote again if need be"
        )
    return now


def _all_pages(search: Any, **arguments: Any) -> Iterator[Any]:
    token = None
    while True:
        page = search(**arguments, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _flattened(params: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat.update(_flattened(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _relative(location: str) -> str:
    """`location` with forward slashes, proven to stay inside the project."""
    path = PurePosixPath(location.replace("\\", "/"))
    if not location or _ABSOLUTE.match(location) or ".." in path.parts:
        raise RegistryError(
            f"bundle_location is '{location}'; expected a folder relative to the project, such as models/exported/<bundle>"
        )
    return str(path)


def _refuse_absolute_paths(texts: Mapping[str, str]) -> None:
    """An absolute path in the catalogue tells where somebody's files lie, and is wrong once the folder moves."""
    if paths := sorted(key for key, text in texts.items() if _ABSOLUTE.match(text)):
        raise RegistryError(f"params or tags hold an absolute path: {', '.join(paths)}. Give it relative to the project")
