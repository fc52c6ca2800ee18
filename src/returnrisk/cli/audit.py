"""`returnrisk audit`: leakage, stability, drift, the trail of what was done, and whether a past list can be made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from returnrisk.cli.common import HERE, AsJson, AsOf, ProjectDir, audit_app, folded_table, project_at, show
from returnrisk.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.drift import MonthDrift
    from returnrisk.leakage import LeakageAudit
    from returnrisk.stability import StabilityAudit

RESULTS = {
    "problem": "有问题 problem",
    "fine": "未发现 fine",
    "cannot_tell": "无法判断 cannot tell",
    "not_applicable": "不适用 not applicable",
}
JsonFile = Annotated[Path, Parameter(name="--json")]


@audit_app.command(name="leakage")
def check_leakage(spec: str, *, project: ProjectDir = HERE, as_of: AsOf | None = None, json_: JsonFile | None = None) -> int:
    """Look for leakage in what a model would be trained on: seven checks, LEAK001 to LEAK007. Exit 3 when one finds a problem.

    Nothing is trained or registered. That nothing is found does not prove that there is nothing.

    Parameters
    ----------
    spec
        A model specification: a .toml file, or the name of one of the project's models/ or of a shipped one.
    json_
        A file to write every answer and every figure to, as JSON.
    """
    if json_ is not None and not json_.parent.is_dir():
        raise UsageError(f"--json names a file in {json_.parent.name}, a folder that does not exist")  # before minutes of work
    with project_at(project, quiet=False) as opened:
        audit = opened.audit_leakage(spec, as_of=as_of)
    if json_ is not None:
        from returnrisk.store.files import write_atomically

        text = json.dumps(_content(audit), ensure_ascii=False, indent=2) + "\n"
        write_atomically(json_, lambda path: path.write_text(text, encoding="utf-8"))
    _print(audit)
    return audit.exit_code


def _content(audit: LeakageAudit) -> dict[str, Any]:
    """Everything that was answered, as JSON holds it: NaN is null, a day is a text."""
    checks, figures = (json.loads(t.to_json(orient="records", double_precision=15)) for t in (audit.frame(), audit.details()))
    return {
        "specification": audit.spec_name,
        "known_on": audit.known_on.isoformat(),
        "days": [day.isoformat() for day in audit.days],
        "problems": [finding.code for finding in audit.problems],
        "settings": audit.settings.as_dict(),
        "checks": checks,
        "figures": figures,
    }


def _print(audit: LeakageAudit) -> None:
    from rich.console import Console

    table = folded_table("检查 check", "结果 result", "何处 what", "数值 measured", title=f"{audit.spec_name} · {audit.known_on}")
    for row in audit.frame().to_dict("records"):
        table.add_row(
            f"{row['code']}\n{row['zh']}\n{row['en']}", RESULTS[row["result"]], row["what"], f"{row['measured']}\n{row['why']}"
        )
    console = Console()
    console.print(table)
    n = len(audit.problems)
    console.print(
        f"{n} 项有问题 / {n} checks found a problem" if n else "未发现泄漏；这不证明没有 / nothing found, which proves nothing more"
    )


AGAINST = {
    "villages": "换一批村训练 / learnt from other villages",
    "seed": "只换随机种子 / another seed only",
    "month": "与上月相比 / the month before",
}


@audit_app.command(name="stability")
def check_stability(
    spec: str, *, project: ProjectDir = HERE, as_of: AsOf | None = None, resamples: int = 20, json_: JsonFile | None = None
) -> None:
    """Retrain on resampled villages, on other seeds and as of a month before: how far the list stays, and what moved it.

    Lists of month ends are compared, by default the last one on file. Nothing is registered. Written to outputs/ of the day, in stability/.

    Parameters
    ----------
    spec
        A model specification: a .toml file, or the name of one of the project's models/ or of a shipped one.
    resamples
        Draws of villages.
    json_
        A file to write every figure to, as JSON.
    """
    if json_ is not None and not json_.parent.is_dir():
        raise UsageError(f"--json names a file in {json_.parent.name}, a folder that does not exist")  # before minutes of work
    with project_at(project, quiet=False) as opened:
        found = opened.audit_stability(spec, as_of=as_of, n_resamples=resamples)
    if json_ is not None:
        from returnrisk.store.files import write_atomically

        text = json.dumps(_stability(found), ensure_ascii=False, indent=2) + "\n"
        write_atomically(json_, lambda path: path.write_text(text, encoding="utf-8"))
    _print_stability(found)


def _stability(found: StabilityAudit) -> dict[str, Any]:
    tables = {
        "agreement": found.table,
        "steps": found.change.steps,
        "causes": found.change.counts(),
        "orders": found.change.by_order,
    }
    return {
        "specification": found.spec_name,
        "as_of": found.as_of.isoformat(),
        "before": found.before.isoformat(),
        "by_lot": found.chance,
        "resamples_not_learnt": found.n_failed,
        **{name: json.loads(table.to_json(orient="records", double_precision=15)) for name, table in tables.items()},
    }


def _print_stability(found: StabilityAudit) -> None:
    from rich.console import Console

    from returnrisk.stability import WORDS
    from returnrisk.stability.audit import NAMES

    console = Console()
    table = folded_table("", "模型 model", "仅按收入 income only", title=f"{found.spec_name} · {found.as_of}")
    for against, title in AGAINST.items():
        table.add_section()
        table.add_row(f"[bold]{title}[/bold]", "", "")
        of = {score: t.set_index("metric") for score, t in found.table[found.table["against"] == against].groupby("score")}
        for metric in of["model"].index:
            cells = [_figure(of[score], metric) if score in of else "" for score in ("model", "income")]
            table.add_row(" / ".join(NAMES[metric]), *cells)
    console.print(table)
    console.print(f"抽签名单的重合 / a list drawn by lot would keep: {found.chance:.3f}")
    changed = found.change.counts()
    moves = folded_table("原因 cause", "", "进入 entered", "离开 left", title=f"{found.before} → {found.as_of}")
    for row in changed.to_dict("records"):
        detail = "" if row["detail"] == row["cause"] else " / ".join(WORDS[row["detail"]])
        moves.add_row(" / ".join(WORDS[row["cause"]]), detail, str(row["entered"]), str(row["left"]))
    console.print(moves)


def _figure(of: pd.DataFrame, metric: str) -> str:
    if metric not in of.index:
        return ""
    value, low, high = (float(str(of.loc[metric, column])) for column in ("value", "low", "high"))
    return f"{value:.3f} ({low:.3f}–{high:.3f})" if low == low else f"{value:.3f}"  # noqa: PLR0124 (NaN)


@audit_app.command
def verify(*, project: ProjectDir = HERE, head: str | None = None, json_: AsJson = False) -> int:
    """Check the audit trail: every line changed, missing or moved is named. Exit 3 when there is one.

    Parameters
    ----------
    head
        A hash that an earlier check printed and that was noted elsewhere: it must still be there.
    """
    with project_at(project, quiet=True) as opened:
        found = opened.verify_audit(head=head)
    problems = [{"line": p.line, "zh": p.zh, "en": p.en} for p in found.problems]
    content = {"lines": len(found.lines), "head": found.head, "torn": list(found.torn), "problems": problems}
    said = [f"{p.zh} / {p.en}" for p in found.problems]
    torn = [f"第{n}行为中断时未写完的行，其操作未进行 / line {n} was left half-written by a killed process" for n in found.torn]
    whole = f"{len(found.lines)} 行，完整 / {len(found.lines)} lines, whole"
    note = f"末行哈希（请另处留存）/ hash of the last line, to be noted elsewhere: {found.head}"
    show(content, as_json=json_, text="\n".join([*(said or [whole]), *torn, note]))
    return found.exit_code


@audit_app.command
def reproduce(*, as_of: AsOf, project: ProjectDir = HERE, json_: AsJson = False) -> int:
    """Make the last run of a day again from stored inputs and compare every byte. Exit 3 when it differs or its inputs are gone.

    Nothing of the run is touched.
    """
    with project_at(project, quiet=json_) as opened:
        found = opened.reproduce(as_of=as_of)
    content = {
        "as_of": as_of,
        "model": found.facts["model"],
        "same": found.same,
        "reason": found.reason,
        "differing": list(found.differing),
    }
    same = f"{as_of} 的名单重新生成，逐字节一致 / the run of {as_of} came out the same to the byte ({found.facts['model']})"
    other = "\n".join([f"未能复现 / not reproduced: {found.reason}", *found.differing])
    show(content, as_json=json_, text=same if found.same else other)
    return found.exit_code


@audit_app.command(name="drift")
def check_drift(
    *, project: ProjectDir = HERE, as_of: AsOf | None = None, model: str = "champion", json_: JsonFile | None = None
) -> int:
    """Hold a month against the days its model was tested on: ten checks, DRIFT001 to DRIFT010. Exit 3 with an alarm.

    By default the last month end on file. Nothing is registered. Written to outputs/ of the day, in drift/.

    Parameters
    ----------
    model
        Alias (candidate, champion, previous) or version number.
    json_
        A file to write every answer to, as JSON.
    """
    if json_ is not None and not json_.parent.is_dir():
        raise UsageError(f"--json names a file in {json_.parent.name}, a folder that does not exist")
    with project_at(project, quiet=False) as opened:
        found = opened.audit_drift(as_of=as_of, which=int(model) if model.isdigit() else model)
    if json_ is not None:
        from returnrisk.store.files import write_atomically

        content = {
            "as_of": found.as_of.isoformat(),
            "model": found.model_version,
            "held_against": [str(d) for d in found.reference_days],
        }
        tables = {
            name: json.loads(t.to_json(orient="records")) for name, t in (("summary", found.summary()), ("checks", found.frame()))
        }
        text = json.dumps({**content, **tables}, ensure_ascii=False, indent=2) + "\n"
        write_atomically(json_, lambda path: path.write_text(text, encoding="utf-8"))
    _print_drift(found)
    return found.exit_code


def _print_drift(found: MonthDrift) -> None:
    from rich.console import Console

    table = folded_table(
        "检查 check", "已查 looked at", "报警 alarms", "无法判断 cannot tell", title=f"{found.model_version} · {found.as_of}"
    )
    for row in found.summary().to_dict("records"):
        counts = (str(row[name]) for name in ("n_checked", "n_alarms", "n_cannot_tell"))
        table.add_row(f"{row['code']} {row['zh']}\n{row['en']}", *counts)
    console = Console()
    console.print(table)
    for check in found.alarms:
        said = check.said
        if said is not None:
            console.print(
                f"{check.code} {said.zh}\n         {said.en}\n         → {check.do.zh} / {check.do.en}",
                highlight=False,
                markup=False,
            )
    n = len(found.alarms)
    console.print(f"{n} 项报警 / {n} alarms" if n else "没有报警 / no alarm")
