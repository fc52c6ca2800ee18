"""`returnrisk backtest`: models of one outcome held against each other, each made anew at several past days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.cli.common import HERE, AsJson, ProjectDir, app, project_at, show
from returnrisk.errors import NotEnoughDataError

if TYPE_CHECKING:
    from returnrisk.backtest import Backtest
    from returnrisk.project import Project
    from returnrisk.stage_results import BacktestResult


@app.command(name="backtest")
def backtest_models(
    *specs: str,
    project: ProjectDir = HERE,
    as_of: dt.date | None = None,
    origins: int = 6,
    step: int = 3,
    metric: str = "auc",
    rule: str = "best_mean",
    json_: AsJson = False,
) -> None:
    """Compare models at several past days: each is fitted as it would have been then and measured on what came after.

    Specifications of different outcomes are compared apart. Income alone is always beside them. An outcome that cannot be compared (too few events,
    a source that never came) does not keep the others from it: it is named at the end, and the command ends with an error.

    Parameters
    ----------
    specs
        Paths of .toml files, or names of the project's or the shipped specifications; default the project's model.
    as_of
        Day on which everything is looked at; default the latest record's.
    origins
        How many past days a model is made for.
    step
        Months between them.
    metric
        What the rules look at: auc, average_precision, precision_at_capacity, recall_at_capacity, brier, ece.
    rule
        What decides: best_mean, least_regret, variance_penalised.
    """
    from returnrisk.backtest import BacktestSettings

    settings = BacktestSettings(n_origins=origins, step_months=step, metric=metric, rule=rule)
    results: list[BacktestResult] = []
    refused: list[str] = []
    with project_at(project, quiet=json_) as opened:
        for group in _by_outcome(opened, specs):
            try:
                results += opened.backtest(group, as_of=as_of, settings=settings)
            except NotEnoughDataError as error:
                refused.append(f"{', '.join(Path(name).stem for name in group)}: {error}")
    if json_:
        show(
            {"backtests": [{"folder": r.folder.as_posix(), **_content(r.found)} for r in results], "refused": refused}, as_json=True
        )
    for r in () if json_ else results:
        show(
            {},
            as_json=False,
            table=r.found.table().round(3),
            text="\n".join((_sentence(r.found), *_left_out(r.found), r.folder.as_posix(), "")),
        )
    if refused:
        raise NotEnoughDataError("\n".join(refused))


def _by_outcome(opened: Project, names: Sequence[str]) -> list[list[str]]:
    """Names of one outcome together; every specification is read before anything is fitted."""
    from returnrisk.backtest import grouped_by_outcome

    named = {name: opened.specification(name) for name in names or [opened.spec.name]}
    return [[n for n, spec in named.items() if spec in group] for group in grouped_by_outcome(list(named.values()))]


def _content(found: Backtest) -> dict[str, object]:
    choice = found.choice
    missing = found.table().astype(object).where(lambda t: t.notna(), None)
    return {
        "known_on": found.known_on,
        "origins": [o.day for o in found.origins],
        "metric": choice.metric,
        "rule": choice.rule,
        "chosen": choice.chosen,
        "runner_up": choice.runner_up,
        "difference": None if choice.runner_up is None else choice.difference,
        "low": None if choice.low != choice.low else choice.low,
        "high": None if choice.high != choice.high else choice.high,
        "left_out": found.left_out[["score", "why"]].to_dict("records"),
        "table": missing.to_dict("records"),
    }


def _sentence(found: Backtest) -> str:
    """What was chosen, in both languages."""
    c = found.choice
    days = f"{found.origins[0].day} … {found.origins[-1].day}"
    if c.runner_up is None:
        return f"{len(found.origins)} 个起点 {days}；只有 {c.chosen} / {len(found.origins)} origins; {c.chosen} alone"
    gain = f"{c.metric} {c.difference:+.3f} ({c.low:+.3f}, {c.high:+.3f})"
    return (
        f"{len(found.origins)} 个起点 {days}；按 {c.rule} 选 {c.chosen}，比次优 {c.runner_up}：{gain}\n"
        f"{len(found.origins)} origins; by {c.rule}: {c.chosen}; against {c.runner_up}: {gain}, better in {c.share_better:.0%} of draws"
    )


def _left_out(found: Backtest) -> list[str]:
    return [f"未参与比较 / not compared: {why}" for why in found.left_out["why"]]
