"""What every command shares: the app, its common options, a progress line, and how a result is shown."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from returnrisk.project import Project

STAGE_WORDS = {
    "simulate": "模拟 simulate", "export": "导出文件 export files", "read": "读取文件 read files", "check": "核对数据 check tables",
    "write": "写入数据仓 write store", "snapshot": "快照 snapshots", "label": "标签 labels", "fit": "训练 fit", "evaluate": "评估 evaluate",
    "register": "登记模型 register", "score": "评分 score", "visits": "走访名单 visit list", "report": "报告 report",
    "screen": "排查 screening", "gates": "晋级门 gates", "trial": "调参 trials", "workbooks": "工作簿 workbooks", "drift": "漂移 drift",
    "LEAK001": "登记日 recording days", "LEAK002": "单个特征 single features", "LEAK003": "晚到一个月 a month later",
    "LEAK004": "结果变量 outcome columns", "LEAK005": "识别之后 after identification", "LEAK006": "窗口重叠 windows",
    "LEAK007": "区域汇总 area aggregates",
}  # fmt: skip

app = App(
    name="returnrisk",
    help="返贫风险：哪些农户可能返贫致贫，先走访谁。Which rural households may fall back into poverty, and whom to visit first.",
    help_on_error=False,
)
models_app = App(name="models", help="模型登记簿。The model registry.")
benchmark_app = App(name="benchmark", help="在公开真实数据上检验。Measure on public real data.")
policy_app = App(name="policy", help="政策规则包。The rules of a county, as data.")
export_app = App(name="export", help="导出到县里已有的系统。Files for the county's existing system.")
audit_app = App(name="audit", help="检查模型会不会用到不该知道的。Whether a model knows what it could not have known.")
app.command(models_app)
app.command(benchmark_app)
app.command(policy_app)
app.command(export_app)
app.command(audit_app)

ProjectDir = Annotated[Path, Parameter(name="--project", help="项目文件夹。The project folder.")]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="只输出JSON。Print JSON only.")]
AsOf = Annotated[dt.date, Parameter(name="--as-of", help="数据日 YYYY-MM-DD。The day: nothing recorded later is seen.")]
HERE = Path()


@contextmanager
def progress_bars(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
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
def project_at(folder: Path, *, quiet: bool) -> Iterator[Project]:
    """The project of a folder, its stages showing their progress."""
    from returnrisk.project import open_project

    with progress_bars(quiet=quiet) as report:
        yield replace(open_project(folder), progress=report)


def show(content: dict[str, Any], *, as_json: bool, table: pd.DataFrame | None = None, text: str = "") -> None:
    """Print a result: JSON for programs, a table and a line for people."""
    if as_json:
        if table is not None:
            content = {**content, "table": json.loads(table.to_json(orient="records", date_format="iso"))}
        print(json.dumps(content, ensure_ascii=False, indent=2, default=str))
        return
    if table is not None:
        print(table.to_string(index=False))
    print(text or "\n".join(f"{k}: {v}" for k, v in content.items()))


def folded_table(*headers: str, title: str | None = None) -> Table:
    """A table for the terminal. Long words go on in the next line: a name cut short could not be asked for."""
    from rich.table import Table

    table = Table(title=title)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table
