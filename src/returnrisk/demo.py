"""The demonstration: a simulated county, its files with all the dirt that offices leave in them, and the real chain on those files."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from returnrisk.config import load_model_spec
from returnrisk.contracts import load_contracts
from returnrisk.errors import ConfigError, GateRefusedError
from returnrisk.project import Project, init_project
from returnrisk.resources import data_folder
from returnrisk.stage_results import Promotion, RunResult, TrainResult
from returnrisk.store.files import write_atomically
from returnrisk.timeline import add_months, month_end, temporal_split
from returnrisk.training import candidate_days

START = dt.date(2018, 10, 1)
PUBLISHED_KEY = b"published demonstration key: never use it for real households"
SPEC = "fall-12m"
MARKER = ".returnrisk-demo"
PLANTED = "planted-dirt.csv"


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo made."""

    folder: Path
    as_of: dt.date
    training: TrainResult
    promotion: Promotion
    run: RunResult
    n_planted: int
    n_kinds: int

    def text(self) -> str:
        """Where everything is, and the figures that matter."""
        metrics = self.training.frame().set_index("score")
        counts = self.run.ingest.report.frame()
        model, income = metrics.loc["model"], metrics.loc["income"]
        lists = self.run.visits.parquet.parent / "lists"
        shown = self.run.visits.workbooks[0]
        rows = (
            f"{int(counts['n_input'].sum()):,} rows in {int(counts['n_files'].sum())} files: {int(counts['n_accepted'].sum()):,} accepted, "
            f"{int(counts['n_duplicate'].sum())} duplicate, {int(counts['n_quarantined'].sum())} quarantined"
        )
        accuracy = (
            f"AUC {model['auc']:.3f} ({model['auc_low']:.3f}–{model['auc_high']:.3f}), income only {income['auc']:.3f} "
            f"({income['auc_low']:.3f}–{income['auc_high']:.3f}); n = {model['n']:,.0f}, base rate {model['base_rate']:.3f}"
        )
        made = f"{len(self.run.visits.workbooks)} townships, {len(self.run.frame())} households"
        lines = (
            f"数据 data         {rows}",
            f"脏数据 dirt       {self.n_planted:,} faults of {self.n_kinds} kinds planted, as offices make them; the key: {self.folder / PLANTED}",
            f"模型 model        {self.run.model_version}  {accuracy}",
            f"模型文件 bundle   {self.training.bundle.path}",
            f"晋级门 gates      {self._gates()}",
            f"走访名单 list     {lists / shown.name}  ({made})",
            f"报告 report       {self.run.report}",
            "化名密钥为公开演示密钥，不得用于真实农户 / the pseudonym key is the demo's published one: never use it for real households",
        )
        return "\n".join(lines)

    def _gates(self) -> str:
        counts = self.promotion.frame()["result"].value_counts()
        words = {
            "passed": "通过 passed",
            "failed": "未通过而被越过 failed, overridden",
            "not_applicable": "不适用 not applicable",
            "off": "关闭 off",
        }
        return ", ".join(f"{counts[result]} {text}" for result, text in words.items() if result in counts)


def run_demo(
    out: Path, *, households: int = 5000, months: int = 84, seed: int = 0, progress: Callable[[str, int, int], None] | None = None
) -> DemoResult:
    """Simulate, write messy files, ingest, train, promote, score, list, report.

    Raises
    ------
    ConfigError
        `out` exists and is not an earlier demo.
    NotEnoughDataError
        Too few months to fit, calibrate and test.
    """
    from returnrisk.simulate import simulate_county
    from returnrisk.simulate.messy import write_messy_inbox

    report = progress or (lambda *_: None)
    if out.exists() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise ConfigError(f"{out.name} exists and is not an earlier demo: name another folder")
    _refuse_short_history(months)
    if out.exists():
        shutil.rmtree(out)
    project = replace(
        init_project(out, key=PUBLISHED_KEY, county_zh="模拟县", county_en="Simulated County", synthetic=True), progress=report
    )
    (out / MARKER).write_text("made by `returnrisk demo`; safe to delete\n", encoding="utf-8")
    write_atomically(out / "models" / f"{SPEC}.toml", lambda path: path.write_text(_demo_specification(), encoding="utf-8"))
    report("simulate", 0, 1)
    county = simulate_county(n_households=households, months=months, start=START, seed=seed)
    report("export", 0, 1)
    key = write_messy_inbox(county, out / "inbox")
    key.items.to_csv(out / PLANTED, index=False, lineterminator="\n")
    del county
    as_of = month_end(add_months(START, months - 1))
    project.ingest()
    trained = project.train(as_of=as_of)
    promotion = _promote(project)
    run = project.run(as_of=as_of)
    return DemoResult(
        folder=out,
        as_of=as_of,
        training=trained,
        promotion=promotion,
        run=run,
        n_planted=len(key.items),
        n_kinds=key.items["kind"].nunique(),
    )


def _promote(project: Project) -> Promotion:
    """As anybody promotes; a county too small for its gates is promoted by an override, which the trail and the last lines show."""
    try:
        return project.promote(by="demo")
    except GateRefusedError:
        return project.promote(override=True, reason="a demonstration on simulated data: nobody is visited by it", by="demo")


def _demo_specification() -> str:
    """The shipped specification, without the one gate that takes as long as everything else together."""
    text = (data_folder("models") / f"{SPEC}.toml").read_text(encoding="utf-8")
    without = "leakage = false   # 演示省时；真实使用请删去此行 / the demo saves time here; delete this line for real use"
    return text.replace("leakage = true", without)


def _refuse_short_history(months: int) -> None:
    """Say before the work what training would say after it: too few months for fit, calibration and test."""
    spec = load_model_spec(SPEC)
    last, delay = month_end(add_months(START, months - 1)), load_contracts()["income"].delay_days
    days = candidate_days(
        START, last, step_months=spec.split.step_months, min_history_months=spec.split.min_history_months, delay_days=delay
    )
    temporal_split(
        days,
        known_on=last,
        horizon_months=spec.outcome.horizon_months,
        delay_days=delay,
        n_calibrate=spec.split.n_calibrate,
        n_test=spec.split.n_test,
    )
