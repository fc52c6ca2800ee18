"""`returnrisk models recalibrate`: a registered model follows new periods without being trained again."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from returnrisk.cli.common import HERE, AsJson, ProjectDir, models_app, project_at, show
from returnrisk.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

_MODEL = re.compile(r"(?P<name>[^@/\\]+)(?:@(?P<alias>[^@/\\]+)|/(?P<version>[0-9]+))?")


@models_app.command(name="recalibrate")
def recalibrate_model(
    model: str,
    *,
    known_on: Annotated[
        dt.date, Parameter(name="--known-on", help="看结果的日子 YYYY-MM-DD。The day on which outcomes are looked at.")
    ],
    project: ProjectDir = HERE,
    held_out: int = 1,
    update: Literal["tested", "intercept", "line"] = "tested",
    json_: AsJson = False,
) -> None:
    """Move a registered model's curve to the outcomes that have closed since; the learner stays. Registered as candidate.

    Parameters
    ----------
    model
        NAME, NAME@ALIAS or NAME/VERSION; NAME alone is its champion.
    held_out
        How many of the latest closed days are not learnt from, and judge the curve before and after.
    update
        What may move: nothing, the level, or level and slope, as the new outcomes ask for (tested); or one of the latter.
    """
    name, which = named_version(model)
    with project_at(project, quiet=json_) as opened:
        result = opened.recalibrate(name, which=which, known_on=known_on, n_held_out=held_out, update=update)
    found = result.found
    content = {
        "parent": found.parent,
        "model": None if result.version is None else f"{result.version.name}/{result.version.version}",
        "update": found.updates["model"].update,
        "learnt_from": [day.isoformat() for day in found.days.learn],
        "held_out": [day.isoformat() for day in found.days.held_out],
        "fingerprint": None if result.bundle is None else result.bundle.fingerprint,
    }
    stays = f"新的结果不要求改动曲线，未登记新版本 / the new outcomes ask for no other curve: {found.parent} stays, nothing is registered"
    lines = [f"{k}: {v if isinstance(v, str) else ', '.join(v)}" for k, v in content.items() if v]
    text = "\n".join([*lines, *([stays] if result.version is None else ["学习器不变 / the learner is unchanged"])])
    show(content, as_json=json_, table=result.frame() if json_ else comparison_table(result.frame()), text=text)


def named_version(model: str) -> tuple[str, str | int]:
    """Name, and alias or version number, of "NAME", "NAME@ALIAS" or "NAME/VERSION".

    Examples
    --------
    >>> named_version("fall-12m"), named_version("fall-12m@candidate"), named_version("fall-12m/3")
    (('fall-12m', 'champion'), ('fall-12m', 'candidate'), ('fall-12m', 3))
    """
    parts = _MODEL.fullmatch(model)
    if parts is None:
        raise UsageError(f"'{model}' names no model version; expected NAME, NAME@ALIAS or NAME/VERSION, such as fall-12m@champion")
    return parts["name"], int(parts["version"]) if parts["version"] else parts["alias"] or "champion"


def comparison_table(frame: pd.DataFrame) -> pd.DataFrame:
    """The comparison as people read it, with intervals, n and events."""
    columns = ("before", "after", "difference")
    said = {
        c: [f"{v:.4f} ({low:.4f}, {high:.4f})" for v, low, high in frame[[c, f"{c}_low", f"{c}_high"]].to_numpy()] for c in columns
    }
    return frame[["metric"]].assign(**said, n=frame["n"], events=frame["n_events"])
