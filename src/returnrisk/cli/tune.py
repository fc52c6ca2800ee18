"""`returnrisk tune`: hyper-parameters searched in the training past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from returnrisk.cli.common import HERE, AsJson, AsOf, ProjectDir, app, project_at, show

if TYPE_CHECKING:
    from returnrisk.tuning import Tuned


@app.command
def tune(
    spec: str | None = None,
    *,
    project: ProjectDir = HERE,
    as_of: AsOf | None = None,
    trials: int = 30,
    seconds: float | None = None,
    seed: int | None = None,
    metric: Literal["auc", "average_precision"] = "auc",
    json_: AsJson = False,
) -> None:
    """Search a specification's hyper-parameters on days before its calibration and test; write models/NAME-tuned.toml.

    Nothing is trained with it: hold both against each other in a backtest.

    Parameters
    ----------
    spec
        Path of a .toml file, or name of a specification; default the project's model.
    trials
        How many parameters are tried; the first are the specification's own.
    seconds
        No new trial starts after so many seconds; the result then depends on the machine.
    seed
        Of the search; default the project's. Same seed, same result.
    metric
        What is made large on the inner folds.
    """
    from returnrisk.tuning import TuningSettings

    settings = TuningSettings(n_trials=trials, seconds=seconds, metric=metric)
    with project_at(project, quiet=json_) as opened:
        result = opened.tune(spec, as_of=as_of, settings=settings, seed=seed)
    found = result.found
    best = found.trials.loc[found.trials["trial"] == found.best].iloc[0]
    content = {
        "specification": result.specification.as_posix(),
        "folder": result.folder.as_posix(),
        "metric": metric,
        "folds": [f.day for f in found.folds],
        "best": found.best,
        "value": float(best["value"]),
        "gain": found.gain,
        "low": found.low,
        "high": found.high,
        "params": dict(found.tuned.learner.params),
    }
    show(content, as_json=json_, table=found.trials.round(4), text=f"{_sentence(found)}\n{result.specification.as_posix()}")


def _sentence(found: Tuned) -> str:
    """What was found and what it is worth, in both languages."""
    states = found.trials["state"].value_counts()
    gain = f"{found.settings.metric} {found.gain:+.4f} ({found.low:+.4f}, {found.high:+.4f})"
    n, pruned = len(found.trials), int(states.get("pruned", 0))
    return (
        f"{n} 次试验（{pruned} 次提前放弃），{len(found.folds)} 折；最好的是第 {found.best} 次，比原参数：{gain}。这是选它时所用的日子上的数，偏乐观：请用 backtest 比较\n"
        f"{n} trials ({pruned} given up), {len(found.folds)} folds; best is trial {found.best}, against the parameters as they stand: {gain}. "
        "On the days it was chosen by, so too good: hold both against each other with `returnrisk backtest`"
    )
