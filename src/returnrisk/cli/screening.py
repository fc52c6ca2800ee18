"""`returnrisk screen`: the county by its rules, with or without a model; or only the alerts of the last days."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from returnrisk.cli.common import HERE, AsJson, AsOf, ProjectDir, app, project_at, show
from returnrisk.errors import UsageError
from returnrisk.policy import load_policy

if TYPE_CHECKING:
    from returnrisk.policy import Policy
    from returnrisk.project import Project
    from returnrisk.stage_results import AlertResult, ScreenResult

Since = Annotated[
    dt.date | None,
    Parameter(name="--since", help="只看此日起登记的预警 YYYY-MM-DD。Only alerts on what was recorded since this day."),
]
TRIAL = "试算或回看：预警台账未改动 / a trial with another pack, or a day before the ledger's latest alert: the ledger was left as it is"
TOWNSHIP_COLUMNS = (
    "area_zh",
    "n_screened",
    "n_fall",
    "fall_share",
    "n_unknown",
    "same_change_share",
    "n_alerts",
    "n_new_alerts",
    "n_overdue",
)


@app.command
def screen(
    *,
    as_of: AsOf,
    since: Since = None,
    project: ProjectDir = HERE,
    pack: str | None = None,
    export: str | None = None,
    numbers: Path | None = None,
    json_: AsJson = False,
) -> None:
    """Screen every household by the county's rules: categories, alerts, 减收排查, roll-up, workbooks. Needs no model; safe to repeat.

    Parameters
    ----------
    pack
        Another policy pack than the project's: a trial, in a folder of its own; the ledger of alerts stays as it is.
    export
        Also write the files of the county's existing system, by this mapping.
    numbers
        A csv with the office's own household numbers (column 户编号), for a mapping that asks for them.
    """
    if numbers is not None and export is None:
        raise UsageError("--numbers belongs to --export: name the mapping")
    if since is not None and export is not None:
        raise UsageError("--export belongs to the whole screening: leave out --since")
    with project_at(project, quiet=json_) as opened:
        rules = _pack(opened, pack)
        if since is not None:
            _show_alerts(opened.screen_since(as_of=as_of, since=since, policy=rules), as_json=json_)
            return
        result = opened.screen(as_of=as_of, policy=rules, export=export, numbers=numbers)
    _show_screening(result, as_json=json_)


def _pack(project: Project, name: str | None) -> Policy | None:
    return None if name is None else load_policy(name, project.root / "policy")


def _show_screening(result: ScreenResult, *, as_json: bool) -> None:
    areas = result.rollup.areas
    county = areas[areas["level"] == "county"].iloc[0]
    inputs = result.screening.input_counts
    problems = inputs[inputs["result"] == "problem"]
    content = {
        "as_of": result.screening.day,
        "pack": result.screening.pack,
        "households": int(county["n_households"]),
        "screened": int(county["n_screened"]),
        "falling": int(county["n_fall"]),
        "unknown": int(county["n_unknown"]),
        "alerts": int(county["n_alerts"]),
        "new_alerts": int(county["n_new_alerts"]),
        "overdue": int(county["n_overdue"]),
        "set_aside": int(problems.loc[problems["sets_aside"], "n_households"].sum()),
        "county": result.county_workbook.as_posix(),
        "townships": result.township_workbooks[0].parent.as_posix() if result.township_workbooks else "",
        "page": result.page.as_posix(),
        "in_ledger": result.in_ledger,
    }
    if result.exported is not None:
        content["export"] = result.exported.folder.as_posix()
    counts = {name: content[name] for name in ("screened", "falling", "unknown", "alerts", "new_alerts", "overdue")}
    said = [
        "排查 {screened} 户，减收 {falling} 户，无法判断 {unknown} 户；未销号预警 {alerts} 条，新增 {new_alerts}，逾期 {overdue}".format(
            **counts
        ),
        "{screened} households screened, {falling} with a fall, {unknown} cannot be told; {alerts} alerts not closed, {new_alerts} new, "
        "{overdue} overdue".format(**counts),
        *(f"{row['code']} {row['zh']} {row['en']}: {row['n_households']}" for row in problems.to_dict("records")),
        *(() if result.in_ledger else (TRIAL,)),
        *(str(content[name]) for name in ("county", "townships", "page", "export") if content.get(name)),
    ]
    shown = result.frame()[list(TOWNSHIP_COLUMNS)].round(3)
    show(content, as_json=as_json, table=shown, text="\n".join(said))


def _show_alerts(result: AlertResult, *, as_json: bool) -> None:
    found = result.found
    content = {
        "as_of": found.day,
        "since": found.since,
        "pack": found.pack,
        "alerts": len(found.alerts),
        "households": int(found.alerts["household_id"].nunique()),
        "workbooks": [path.as_posix() for path in result.workbooks],
        "in_ledger": result.in_ledger,
    }
    said = f"{found.since} 起登记的新预警 {content['alerts']} 条，{content['households']} 户 / {content['alerts']} new alerts, {content['households']} households"
    counts = found.rules[["rule", "n_yes", "n_cannot_tell", "n_alerts"]]
    show(
        content,
        as_json=as_json,
        table=counts,
        text="\n".join([said, *(() if result.in_ledger else (TRIAL,)), *(path.as_posix() for path in result.workbooks)]),
    )
