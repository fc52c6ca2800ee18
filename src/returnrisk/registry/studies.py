"""A search for hyper-parameters in MLflow: a run for the search, a run below it for every trial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from returnrisk.registry.mlflow_home import EXPERIMENT

if TYPE_CHECKING:
    import pandas as pd

_PARENT = "mlflow.parentRunId"
_PARAM = "param_"


def log_study_runs(
    client: Any,
    name: str,
    *,
    trials: pd.DataFrame,
    params: Mapping[str, str],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
) -> str:
    """Write the runs; those of pruned trials say so in the tag `state`. Finished, or FAILED if anything goes wrong."""
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    study = _run(client, experiment, f"tune-{name}", tags=tags, params=params, metrics=metrics, end=False)
    try:
        for trial in trials.to_dict("records"):
            given = {str(k).removeprefix(_PARAM): str(v) for k, v in trial.items() if str(k).startswith(_PARAM)}
            numbers = {str(k): float(v) for k, v in trial.items() if not str(k).startswith(_PARAM) and k not in ("trial", "state")}
            own = {**tags, _PARENT: study, "state": str(trial["state"])}
            _run(client, experiment, f"tune-{name}-{trial['trial']}", tags=own, params=given, metrics=numbers)
    except BaseException:
        client.set_terminated(study, "FAILED")
        raise
    client.set_terminated(study, "FINISHED")
    return study


def _run(
    client: Any,
    experiment: str,
    run_name: str,
    *,
    tags: Mapping[str, str],
    params: Mapping[str, str],
    metrics: Mapping[str, float],
    end: bool = True,
) -> str:
    from mlflow.entities import Metric, Param

    run = client.create_run(experiment, tags=dict(tags), run_name=run_name)
    run_id = str(run.info.run_id)
    try:
        client.log_batch(
            run_id,
            metrics=[Metric(k, float(v), run.info.start_time, 0) for k, v in sorted(metrics.items()) if math.isfinite(v)],
            params=[Param(k, v) for k, v in sorted(params.items())],
        )
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    if end:
        client.set_terminated(run_id, "FINISHED")
    return run_id
