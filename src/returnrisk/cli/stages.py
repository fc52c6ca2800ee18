"""Commands on a project folder, one per stage: files → store → model → risks → list → report, and the monthly job."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from returnrisk.cli.common import HERE, AsJson, AsOf, ProjectDir, app, folded_table, models_app, project_at, show
from returnrisk.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

MOST_GROUPS = 5
"""Lines of groups that are printed; all are in the file."""


@app.command
def init(*, project: ProjectDir = HERE, county_zh: str = "", county_en: str = "", json_: AsJson = False) -> None:
    """Make a project folder: configuration, inbox and a fresh pseudonym key.

    Parameters
    ----------
    county_zh
        Name of the county on lists and reports, in Chinese.
    county_en
        The same in English.
    """
    from returnrisk.project import init_project

    made = init_project(project, county_zh=county_zh, county_en=county_en)
    place = (made.root / "returnrisk.toml").as_posix()
    advice = "把各部门文件放入 inbox/ 后运行 returnrisk ingest / put the files into inbox/, then run `returnrisk ingest`"
    show({"project": place}, as_json=json_, text=f"{place}\n{advice}")


@app.command
def ingest(*, project: ProjectDir = HERE, suggest: Path | None = None, out: Path | None = None, json_: AsJson = False) -> int:
    """Read the inbox into the store; every row ends accepted, duplicate or quarantined.

    Exit 3 when rows were quarantined or corrections refused.

    Parameters
    ----------
    suggest
        A foreign file: only propose which table it is and which column is which field, for a person to confirm.
    out
        With --suggest: where to write the draft, e.g. sources/NAME/mapping.yaml of the project.
    """
    if suggest is not None:
        return _suggest(suggest, out=out, as_json=json_)
    if out is not None:
        raise UsageError("--out names the draft that --suggest writes: give both")
    with project_at(project, quiet=json_) as opened:
        result = opened.ingest()
    counts = result.report.frame()
    n = int(counts["n_quarantined"].sum())
    refused = int((result.report.corrections["state"] == "refused").sum())
    place = f"store/{result.manifest.accounting}"
    text = f"隔离 {n} 行，见 {place}/quarantine.csv / {n} rows quarantined, see {place}/quarantine.csv"
    if n:
        text += "\n请各部门更正 quarantine/ 中的工作簿后放回 inbox/ / offices correct the workbooks in quarantine/, then put them into inbox/"
    if refused:
        text += f"\n{refused} 行更正未采用，见 {place}/corrections.csv / {refused} corrections refused, see {place}/corrections.csv"
    content = {"store": result.manifest.fingerprint, "quarantined": n, "corrections_refused": refused}
    show(content, as_json=json_, table=counts, text=text)
    return 3 if n or refused else 0


def _suggest(file: Path, *, out: Path | None, as_json: bool) -> int:
    """Print a proposed mapping, and write it as a draft when a place is given. Nothing in the project is touched."""
    from rich.console import Console

    from returnrisk.ingest.suggest import suggest_mapping
    from returnrisk.ingest.suggest_draft import mapping_draft, suggestion_table, write_draft

    found = suggest_mapping(file)
    if out is not None:
        write_draft(mapping_draft(found, name=out.resolve().parent.name), out)
    if as_json:
        sheets = [{"sheet": s.sheet, "table": s.table, "columns": s.frame().to_dict("records")} for s in found]
        print(json.dumps({"file": file.name, "draft": out and out.as_posix(), "sheets": sheets}, ensure_ascii=False, indent=2))
        return 0
    for s in found:
        Console().print(suggestion_table(s))
    print(
        f"草案 {out.as_posix()}，请逐行核对 / draft written: check every line" if out else "--out 写出草案 / --out writes the draft"
    )
    return 0


@app.command
def train(*, project: ProjectDir = HERE, as_of: AsOf | None = None, json_: AsJson = False) -> None:
    """Train, calibrate and test the model on what was known on a day; register it as candidate."""
    with project_at(project, quiet=json_) as opened:
        result = opened.train(as_of=as_of)
    version = f"{result.version.name}/{result.version.version}"
    content = {
        "model": version,
        "bundle": result.bundle.path.relative_to(project).as_posix(),
        "fingerprint": result.bundle.fingerprint,
        "set_aside": result.training.set_aside["feature"].tolist(),
        "evaluation": result.folder.relative_to(project).as_posix(),
    }
    groups = result.tables["calibration_groups"]
    if json_:
        content |= {name: json.loads(table.to_json(orient="records")) for name, table in result.tables.items() if name != "metrics"}
    reached = reached_lines(result.training.accuracy.reached)
    compared = difference_lines(result.tables["differences"])
    text = "\n".join(
        [
            *(f"{k}: {v}" for k, v in content.items()),
            *compared,
            *reached,
            *fairness_lines(result.tables["fairness"]),
            *group_lines(groups),
        ]
    )
    show(content, as_json=json_, table=metric_table(result.training.accuracy.frame()), text=text)


@app.command
def evaluate(*, project: ProjectDir = HERE, model: str = "candidate", as_of: AsOf | None = None, json_: AsJson = False) -> None:
    """Measure a registered model again on its test days.

    Parameters
    ----------
    model
        Alias (candidate, champion, previous) or version number.
    """
    with project_at(project, quiet=json_) as opened:
        result, spec = opened.evaluate(which=which_version(model), as_of=as_of), opened.spec
    differences, fairness = result.overall.differences("model"), result.fairness(spec.evaluation)
    content: dict[str, Any] = {"model": model}
    if json_:
        content |= {"differences": json.loads(differences.to_json(orient="records"))}
        content |= {"fairness": json.loads(fairness.to_json(orient="records"))}
        content |= {} if result.reached is None else {"falls_reached": json.loads(result.reached.to_json(orient="records"))}
    show(
        content,
        as_json=json_,
        table=metric_table(result.frame()),
        text="\n".join(
            [f"model: {model}", *difference_lines(differences), *reached_lines(result.reached), *fairness_lines(fairness)]
        ),
    )


@app.command
def score(*, as_of: AsOf, project: ProjectDir = HERE, model: str = "champion", json_: AsJson = False) -> None:
    """Risks and reasons of every household on a day."""
    with project_at(project, quiet=json_) as opened:
        result = opened.score(as_of=as_of, which=which_version(model))
    strata = result.frame().groupby("stratum").size().rename("households").reset_index()
    show({"model": result.model_version, "as_of": as_of}, as_json=json_, table=strata)


@app.command
def visits(*, as_of: AsOf, project: ProjectDir = HERE, model: str = "champion", json_: AsJson = False) -> None:
    """The priority visit list of a day: a workbook per township."""
    with project_at(project, quiet=json_) as opened:
        result = opened.visits(opened.score(as_of=as_of, which=which_version(model)))
    register = result.follow_up
    content = {
        "listed": len(result.frame()),
        "follow_up": len(register),
        "follow_up_not_listed": int((~register["on_list"]).sum()),
        "workbooks": [p.as_posix() for p in result.workbooks],
    }
    show(
        content,
        as_json=json_,
        table=result.visit_list.make_up()[["area_name", "capacity", "must_visit", "model", "random", "listed", "left_out"]],
    )


@app.command
def report(*, as_of: AsOf, project: ProjectDir = HERE, model: str = "champion", json_: AsJson = False) -> None:
    """The evaluator's page for the list of a day."""
    with project_at(project, quiet=json_) as opened:
        scores = opened.score(as_of=as_of, which=which_version(model))
        result = opened.report(scores, opened.visits(scores), which=which_version(model))
    show({"report": result.path.as_posix()}, as_json=json_)


@app.command
def run(*, as_of: AsOf, project: ProjectDir = HERE, json_: AsJson = False) -> None:
    """The monthly job: ingest, score with the champion, visit list, report. Safe to repeat."""
    with project_at(project, quiet=json_) as opened:
        result = opened.run(as_of=as_of)
    content = {
        "model": result.model_version,
        "listed": len(result.frame()),
        "lists": (result.visits.parquet.parent / "lists").as_posix(),
        "report": result.report.as_posix(),
        "quarantined": int(result.ingest.report.frame()["n_quarantined"].sum()),
        "drift_alarms": [f"{check.code} {check.said.zh} / {check.said.en}" for check in result.visits.drift.alarms if check.said],
    }
    # why names came and went since the last run: by data, model or places
    changed = None if result.change is None else result.change.counts()
    show(content, as_json=json_, table=changed)


@models_app.command(name="list")
def list_models(*, project: ProjectDir = HERE, json_: AsJson = False) -> None:
    """All registered versions."""
    with project_at(project, quiet=True) as opened:
        versions = opened.catalogue().versions()
    none = "还没有登记的模型，先运行 returnrisk train / no model is registered yet: run `returnrisk train`"
    show(
        {"versions": len(versions)},
        as_json=json_,
        table=versions if len(versions) or json_ else None,
        text="" if len(versions) else none,
    )


GATE_WORDS = {"passed": "通过 passed", "failed": "未通过 failed", "off": "关闭 off", "not_applicable": "不适用 n/a"}


@models_app.command
def promote(
    *,
    project: ProjectDir = HERE,
    version: int | None = None,
    override: Annotated[bool, Parameter(negative="")] = False,
    reason: str = "",
    by: str | None = None,
    json_: AsJson = False,
) -> None:
    """Make a version the champion that lists are made with, if the gates let it; the old champion becomes previous. Exit 4 when one refuses.

    Parameters
    ----------
    version
        Version number (default: the candidate).
    override
        Promote although gates refuse; needs --reason and --by, and is recorded for ever.
    reason
        Why the gates are overridden. No personal data.
    by
        Role or account that answers for it (default: the operating system's account).
    """
    with project_at(project, quiet=json_) as opened:
        result = opened.promote(version=version, override=override, reason=reason, by=by)
    moved, gates = result.version, result.frame()
    content = {"champion": f"{moved.name}/{moved.version}", "fingerprint": moved.fingerprint, "overridden": result.overridden}
    if json_:
        show(content, as_json=True, table=gates)
        return
    _print_gates(gates)
    show(content, as_json=False)


def _print_gates(gates: pd.DataFrame) -> None:
    from rich.console import Console

    table = folded_table("门 gate", "结果 result", "数值 measured", "界限 limit")
    for g in gates.to_dict("records"):
        table.add_row(f"{g['code']} {g['zh']}\n{g['en']}", GATE_WORDS[g["result"]], g["measured"], g["limit"])
    Console().print(table)


@models_app.command
def rollback(*, project: ProjectDir = HERE, by: str | None = None, json_: AsJson = False) -> None:
    """Make the previous champion the champion again; the one it replaces becomes previous.

    Parameters
    ----------
    by
        Role or account that answers for it (default: the operating system's account).
    """
    with project_at(project, quiet=True) as opened:
        moved = opened.rollback(by=by)
    show({"champion": f"{moved.name}/{moved.version}", "fingerprint": moved.fingerprint}, as_json=json_)


def difference_lines(differences: pd.DataFrame) -> list[str]:
    """What each baseline is better or worse by than the model, met by the same draws of villages: a line per baseline."""
    lines = ["与模型之差（同样的重抽样）/ against the model, same draws of villages:"]
    for score, rows in differences.groupby("score", sort=False):
        figures = [f"{r.metric} {r.difference:+.3f} ({r.low:+.3f}, {r.high:+.3f})" for r in rows.itertuples()]
        lines.append(f"  {score}: {'; '.join(figures)}")
    return lines


def reached_lines(reached: pd.DataFrame | None) -> list[str]:
    """The missed-visit rate of each score's lists over one horizon, a line per score; none without lists."""
    if reached is None:
        return []
    first = reached.iloc[0]
    lines = [
        f"漏访率 missed-visit rate: {first['n_falls']} 户跌破 falls, {first['n_lists']} 份名单 lists, 至少提前 {first['lead_days']} 天 days before"
    ]
    for r in reached.itertuples():
        apart = f"; 模型多点到 model names more by {r.difference:+.3f} ({r.difference_low:+.3f}, {r.difference_high:+.3f})"
        lines.append(
            f"  {r.score}: {r.missed:.3f} ({r.missed_low:.3f}–{r.missed_high:.3f}), {r.reached_per_100:.1f} per 100{'' if r.Index == 0 else apart}"
        )
    return lines


def group_lines(groups: pd.DataFrame) -> list[str]:
    """Calibration by group in words: how many groups were measured, and of those whose interval leaves out 1 the ones farthest off."""
    from returnrisk.fairness import standing_out

    parts = groups[groups["grouping"] != "all"]
    small, odd = int((parts["status"] == "too_few").sum()), standing_out(groups)
    farthest = odd["observed_over_expected"].map(math.log).abs().sort_values(ascending=False, kind="stable").index[:MOST_GROUPS]
    counted = f"分组校准 calibration by group: {len(parts) - small} 组 groups, {small} 组事件太少 with too few events; {len(odd)} 组观测/预期的区间不含1 "
    counted += "whose interval of observed / expected leaves out 1 (偶然也有约二十分之一 one in twenty does by chance)"
    if len(odd) > MOST_GROUPS:
        counted += "; 相差最大的 the farthest off:"
    shown = groups.loc[[*groups.index[groups["grouping"] == "all"], *farthest]]
    return [counted] + [
        f"  {r.zh} {r.en} {r.group}: {r.observed_over_expected:.2f} ({r.observed_over_expected_low:.2f}–{r.observed_over_expected_high:.2f}), "
        f"n {r.n}, events {r.n_events}"
        for r in shown.itertuples()
    ]


def fairness_lines(table: pd.DataFrame) -> list[str]:
    """Whom the lists miss more: how many comparisons were made, and of what stands after control (else of all) the group least on the list."""
    among = table[table["p_adjusted"].notna()]
    pairs = int((among["grouping_2"] != "").sum())
    head = f"谁被漏掉得更多 who is missed more: 比较 compared {len(among) - pairs} 组 groups, {pairs} 个两组交叉 intersections; "
    stands = among[among["claimed"]]
    if among.empty:
        return [head + "跌破太少，不能比较 too few falls to compare"]
    if stands.empty:
        said = "校正后没有一组的差别成立（不等于没有差别） no difference stands after control (not shown is not absent); 名单上最少的 the least on the list:"
    else:
        crossed = int((stands["grouping_2"] != "").sum())
        said = f"校正后 {len(stands) - crossed} 组、{crossed} 个交叉漏得更多 groups and intersections missed more after control; 名单上最少的 the least on the list:"
    shown = among if stands.empty else stands
    r = shown.assign(crossed=shown["grouping_2"] != "").sort_values(["crossed", "recall"], kind="stable").iloc[0]
    figures = f"{100 * r['recall_difference']:+.1f} pp ({100 * r['recall_difference_low']:+.1f}, {100 * r['recall_difference_high']:+.1f})"
    reached = f"在名单上 on the list {r['recall']:.1%} ({r['recall_low']:.1%}–{r['recall_high']:.1%})"
    return [head + said, f"  {r['zh']} {r['en']}: {reached}, {figures}, n {r['n']}, fell {r['n_fallen']}"]


def which_version(model: str) -> str | int:
    """A version number, or the alias that `--model` names."""
    return int(model) if model.isdigit() else model


def metric_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Metrics as people read them: all of everyone at risk, ranking and list of entry and relapse; with intervals, n and base rate."""
    shown = frame[(frame["population"] == "all") | frame["metric"].isin(("auc", "recall_at_capacity"))]
    shown = shown.assign(
        figure=[f"{r.value:.3f} ({r.low:.3f}–{r.high:.3f})" for r in shown.itertuples()],
        base_rate=shown["base_rate"].map("{:.4f}".format),
    )
    shown = shown.rename(columns={"n_events": "events"})
    grain = ["population", "metric", "n", "events", "base_rate"]
    wide = shown.pivot_table(index=grain, columns="score", values="figure", aggfunc="first", sort=False).reset_index()
    wide.columns.name = None
    wide = wide.fillna("–")  # an order is no probability: it has no calibration
    return wide[["population", "metric", *dict.fromkeys(shown["score"]), "n", "events", "base_rate"]]
