"""Command line: parse, call `project`, show progress, end with an exit code.

0 done · 1 failed with a reason · 2 usage · 3 data or check findings · 4 gate refused.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from returnrisk.errors import ReturnRiskError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.project import Project

STAGE_WORDS = {
    "simulate": "模拟 simulate", "export": "导出文件 export files", "read": "读取文件 read files", "check": "核对数据 check tables",
    "write": "写入数据仓 write store", "snapshot": "快照 snapshots", "label": "标签 labels", "fit": "训练 fit", "evaluate": "评估 evaluate",
    "register": "登记模型 register", "score": "评分 score", "visits": "走访名单 visit list", "report": "报告 report",
}  # fmt: skip

app = App(
    name="returnrisk",
    help="返贫风险：哪些农户可能返贫致贫，先走访谁。Which rural households may fall back into poverty, and whom to visit first.",
    help_on_error=False,
)
models_app = App(name="models", help="模型登记簿。The model registry.")
benchmark_app = App(name="benchmark", help="在公开真实数据上检验。Measure on public real data.")
app.command(models_app)
app.command(benchmark_app)

ProjectDir = Annotated[Path, Parameter(name="--project", help="项目文件夹。The project folder.")]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="只输出JSON。Print JSON only.")]
AsOf = Annotated[dt.date, Parameter(name="--as-of", help="数据日 YYYY-MM-DD。The day: nothing recorded later is seen.")]
HERE = Path()


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A progress line per stage on the terminal; nothing with --json."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("{task.description:<28}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=False) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bars.update(task, completed=bars.tasks[task].total)
                    bars.stop_task(task)
                tasks[stage] = bars.add_task(STAGE_WORDS.get(stage, stage), total=max(total, 1))
            bars.update(tasks[stage], completed=done, total=max(total, 1))

        yield report
        for task in tasks.values():
            bars.update(task, completed=bars.tasks[task].total)


@contextmanager
def _opened(folder: Path, *, quiet: bool) -> Iterator[Project]:
    from returnrisk.project import open_project

    with _progress(quiet=quiet) as report:
        yield replace(open_project(folder), progress=report)


def _show(content: dict[str, Any], *, as_json: bool, table: pd.DataFrame | None = None, text: str = "") -> None:
    """Print a result: JSON for programs, a table and a line for people."""
    if as_json:
        if table is not None:
            content = {**content, "table": json.loads(table.to_json(orient="records", date_format="iso"))}
        print(json.dumps(content, ensure_ascii=False, indent=2, default=str))
        return
    if table is not None:
        print(table.to_string(index=False))
    print(text or "\n".join(f"{k}: {v}" for k, v in content.items()))


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
    _show({"project": place}, as_json=json_, text=f"{place}\n{advice}")


@app.command
def simulate(
    out: Path, *, households: int = 5000, months: int = 84, seed: int = 0, setting: str = "default", json_: AsJson = False
) -> None:
    """Simulate a county and write it as the files departments send.

    Parameters
    ----------
    out
        Folder for the files.
    households
        How many households the county has.
    months
        How many months, from October 2018 on.
    seed
        Of every draw.
    setting
        default (2 to 4% of those at risk fall in a year) or stable (0.8 to 1.2%).
    """
    from returnrisk.demo import START
    from returnrisk.simulate import setting_parameters, simulate_county, write_inbox

    parameters = setting_parameters(setting)

    with _progress(quiet=json_) as report:
        report("simulate", 0, 1)
        county = simulate_county(n_households=households, months=months, start=START, seed=seed, parameters=parameters)
        report("export", 0, 1)
        files = write_inbox(county, out)
    _show({"files": len(files), "folder": out.as_posix()}, as_json=json_, text=f"{len(files)} files in {out}")


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
    with _opened(project, quiet=json_) as opened:
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
    _show(content, as_json=json_, table=counts, text=text)
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
    with _opened(project, quiet=json_) as opened:
        result = opened.train(as_of=as_of)
    version = f"{result.version.name}/{result.version.version}"
    content = {
        "model": version,
        "bundle": result.bundle.path.relative_to(project).as_posix(),
        "fingerprint": result.bundle.fingerprint,
    }
    _show(content, as_json=json_, table=metric_table(result.training.accuracy.frame()))


@app.command
def evaluate(*, project: ProjectDir = HERE, model: str = "candidate", as_of: AsOf | None = None, json_: AsJson = False) -> None:
    """Measure a registered model again on its test days.

    Parameters
    ----------
    model
        Alias (candidate, champion, previous) or version number.
    """
    with _opened(project, quiet=json_) as opened:
        result = opened.evaluate(which=_which(model), as_of=as_of)
    _show({"model": model}, as_json=json_, table=metric_table(result.frame()))


@app.command
def score(*, as_of: AsOf, project: ProjectDir = HERE, model: str = "champion", json_: AsJson = False) -> None:
    """Risks and reasons of every household on a day."""
    with _opened(project, quiet=json_) as opened:
        result = opened.score(as_of=as_of, which=_which(model))
    strata = result.frame().groupby("stratum").size().rename("households").reset_index()
    _show({"model": result.model_version, "as_of": as_of}, as_json=json_, table=strata)


@app.command
def visits(*, as_of: AsOf, project: ProjectDir = HERE, model: str = "champion", json_: AsJson = False) -> None:
    """The priority visit list of a day: a workbook per township."""
    with _opened(project, quiet=json_) as opened:
        result = opened.visits(opened.score(as_of=as_of, which=_which(model)))
    content = {"listed": len(result.frame()), "workbooks": [p.as_posix() for p in result.workbooks]}
    _show(
        content,
        as_json=json_,
        table=result.visit_list.make_up()[["area_name", "capacity", "must_visit", "model", "listed", "left_out"]],
    )


@app.command
def report(*, as_of: AsOf, project: ProjectDir = HERE, model: str = "champion", json_: AsJson = False) -> None:
    """The evaluator's page for the list of a day."""
    with _opened(project, quiet=json_) as opened:
        scores = opened.score(as_of=as_of, which=_which(model))
        result = opened.report(scores, opened.visits(scores), which=_which(model))
    _show({"report": result.path.as_posix()}, as_json=json_)


@app.command
def run(*, as_of: AsOf, project: ProjectDir = HERE, json_: AsJson = False) -> None:
    """The monthly job: ingest, score with the champion, visit list, report. Safe to repeat."""
    with _opened(project, quiet=json_) as opened:
        result = opened.run(as_of=as_of)
    content = {
        "model": result.model_version,
        "listed": len(result.frame()),
        "lists": (result.visits.parquet.parent / "lists").as_posix(),
        "report": result.report.as_posix(),
        "quarantined": int(result.ingest.report.frame()["n_quarantined"].sum()),
    }
    _show(content, as_json=json_)


@models_app.command(name="list")
def list_models(*, project: ProjectDir = HERE, json_: AsJson = False) -> None:
    """All registered versions."""
    with _opened(project, quiet=True) as opened:
        versions = opened.catalogue().versions()
    none = "还没有登记的模型，先运行 returnrisk train / no model is registered yet: run `returnrisk train`"
    _show(
        {"versions": len(versions)},
        as_json=json_,
        table=versions if len(versions) or json_ else None,
        text="" if len(versions) else none,
    )


@models_app.command
def promote(*, project: ProjectDir = HERE, version: int | None = None, json_: AsJson = False) -> None:
    """Move alias champion to a version (default: the candidate); the old champion becomes previous.

    Parameters
    ----------
    version
        Version number.
    """
    with _opened(project, quiet=True) as opened:
        moved = opened.promote(version=version)
    _show({"champion": f"{moved.name}/{moved.version}", "fingerprint": moved.fingerprint}, as_json=json_)


@benchmark_app.command
def eph(
    *,
    data: Path,
    train_until: str = "2010Q4",
    test_from: str = "2011Q1",
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Real households: Argentina's quarterly panel through the same accounts, features, outcome and model code.

    Parameters
    ----------
    data
        Folder with `hogar/` and `indiv/` files.
    train_until
        Outcomes for training are realised up to this quarter.
    test_from
        Test rows start at this quarter or later.
    json_file
        Write the records there.
    """
    from returnrisk.benchmark import run_eph, write_records

    with _progress(quiet=False) as progress:
        result = run_eph(data, train_until=train_until, test_from=test_from, progress=progress)
    print(result.rows())
    print(result.table().to_string(index=False))
    if json_file is not None:
        write_records(result, json_file)


@app.command
def demo(*, out: Path = Path("demo"), households: int = 5000, months: int = 84, seed: int = 0, json_: AsJson = False) -> None:
    """Simulate a county and run the whole chain on its files.

    Parameters
    ----------
    out
        Folder for the demo project; made anew.
    households
        How many households the county has.
    months
        How many months, from October 2018 on.
    seed
        Of every draw.
    """
    from returnrisk.demo import run_demo

    with _progress(quiet=json_) as progress:
        result = run_demo(out, households=households, months=months, seed=seed, progress=progress)
    content = {
        "folder": result.folder.as_posix(),
        "as_of": result.as_of,
        "model": result.run.model_version,
        "bundle": result.training.bundle.path.as_posix(),
        "lists": (result.run.visits.parquet.parent / "lists").as_posix(),
        "report": result.run.report.as_posix(),
    }
    _show(content, as_json=json_, text=result.text())


def _which(model: str) -> str | int:
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
    return wide[["population", "metric", *dict.fromkeys(shown["score"]), "n", "events", "base_rate"]]


def main() -> None:
    """Entry point: run a command, print errors of this package as one message, end with its exit code."""
    from cyclopts import CycloptsError

    try:
        code = app(exit_on_error=False, result_action="return_value")
    except CycloptsError:
        sys.exit(UsageError.exit_code)
    except ReturnRiskError as error:
        print(f"错误 / error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        print(
            f"错误 / error: {error.strerror or error}{f' ({Path(error.filename).name})' if error.filename else ''}", file=sys.stderr
        )
        sys.exit(1)
    except Exception as error:
        # a library's message may quote cells: only its kind is shown, unless the user asks for all of it
        if os.environ.get("RETURNRISK_TRACEBACK"):
            raise
        print(f"错误 / error: {type(error).__name__}; RETURNRISK_TRACEBACK=1 显示详情 / shows all of it", file=sys.stderr)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
