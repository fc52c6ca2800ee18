"""The demonstration: a simulated county, its files, and the real chain on those files."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from returnrisk.errors import ConfigError
from returnrisk.project import RunResult, TrainResult, init_project
from returnrisk.timeline import add_months, month_end

START = dt.date(2019, 10, 1)
PUBLISHED_KEY = b"published demonstration key: never use it for real households"
MARKER = ".returnrisk-demo"


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo made."""

    folder: Path
    as_of: dt.date
    training: TrainResult
    run: RunResult

    def text(self) -> str:
        """Where everything is, and the figures that matter."""
        metrics = self.training.frame().set_index("score")
        counts = self.run.ingest.report.frame()
        model, income = metrics.loc["model"], metrics.loc["income"]
        lists = self.run.visits.parquet.parent / "lists"
        shown = self.run.visits.workbooks[0]
        return "\n".join(
            (
                f"数据 data         {int(counts['n_input'].sum()):,} rows in {int(counts['n_files'].sum())} files: "
                f"{int(counts['n_accepted'].sum()):,} accepted, {int(counts['n_duplicate'].sum())} duplicate, "
                f"{int(counts['n_quarantined'].sum())} quarantined",
                f"模型 model        {self.run.model_version}  AUC {model['auc']:.3f} ({model['auc_low']:.3f}–{model['auc_high']:.3f}), income only "
                f"{income['auc']:.3f} ({income['auc_low']:.3f}–{income['auc_high']:.3f}); n = {int(model['n']):,}, base rate {model['base_rate']:.3f}",
                f"模型文件 bundle    {self.training.bundle.path}",
                f"走访名单 list     {lists}  ({len(self.run.visits.workbooks)} townships, {len(self.run.frame())} households), e.g. {shown.name}",
                f"报告 report       {self.run.report}",
                "化名密钥为公开演示密钥，不得用于真实农户 / the pseudonym key is the published one of the demo: never use it for real households",
            )
        )


def run_demo(
    out: Path, *, households: int = 5000, months: int = 72, seed: int = 0, progress: Callable[[str, int, int], None] | None = None
) -> DemoResult:
    """Simulate, write files, ingest, train, promote, score, list, report.

    Raises
    ------
    ConfigError
        `out` exists and is not an earlier demo.
    """
    from returnrisk.simulate import simulate_county, write_inbox

    report = progress or (lambda *_: None)
    if out.exists() and any(out.iterdir()):
        if not (out / MARKER).is_file():
            raise ConfigError(f"{out.name} exists and is not an earlier demo: name another folder")
        shutil.rmtree(out)
    project = replace(
        init_project(out, key=PUBLISHED_KEY, county_zh="模拟县", county_en="Simulated County", synthetic=True), progress=report
    )
    (out / MARKER).write_text("made by `returnrisk demo`; safe to delete\n", encoding="utf-8")
    report("simulate", 0, 1)
    county = simulate_county(n_households=households, months=months, start=START, seed=seed)
    report("export", 0, 1)
    write_inbox(county, out / "inbox")
    del county
    as_of = month_end(add_months(START, months - 1))
    project.ingest()
    trained = project.train(as_of=as_of)
    project.promote()
    return DemoResult(folder=out, as_of=as_of, training=trained, run=project.run(as_of=as_of))
