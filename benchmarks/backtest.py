"""Rolling-origin backtest, timed: python benchmarks/backtest.py [--households 20000] [--months 84] [--origins 6] [--seed 0] [--folder F].

A county is simulated, put on file and ingested once; then every shipped specification of fall-12m's outcome is made anew at every origin,
from an empty snapshot cache. Prints processor-independent facts first (households, days, rows), then seconds per stage as the clock
had them, and the largest memory of this process and of those it started.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from returnrisk.backtest import BacktestSettings
from returnrisk.config import load_model_spec, model_spec_names
from returnrisk.demo import PUBLISHED_KEY
from returnrisk.project import Project, init_project, open_project
from returnrisk.simulate import simulate_county, write_inbox

GIB = 1024 * 1024
"""ru_maxrss is in KiB on Linux."""


def county(seed: int, *, households: int, months: int, folder: Path) -> Project:
    """The county's project, made once."""
    root = folder / f"{seed}-{households}-{months}"
    if (root / "store").exists():
        return open_project(root)
    project = init_project(root, key=PUBLISHED_KEY, county_zh="模拟县", county_en="Simulated County", synthetic=True)
    write_inbox(simulate_county(n_households=households, months=months, seed=seed), root / "inbox")
    project.ingest()
    return project


def main() -> None:
    """Print the comparison and what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--households", type=int, default=20_000)
    parser.add_argument("--months", type=int, default=84)
    parser.add_argument("--origins", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "returnrisk-backtest")
    parser.add_argument("--only-county", action="store_true", help="simulate and ingest, then stop")
    asked = parser.parse_args()
    started = time.perf_counter()
    project = county(asked.seed, households=asked.households, months=asked.months, folder=asked.folder)
    print(f"county ready after {time.perf_counter() - started:.0f} s", flush=True)
    if asked.only_county:
        return
    outcome = load_model_spec("fall-12m").outcome
    names = [name for name in model_spec_names() if load_model_spec(name).outcome == outcome]
    shutil.rmtree(project.root / "snapshots", ignore_errors=True)
    seconds: dict[str, float] = {}
    last = ["plan", time.perf_counter()]

    def progress(stage: str, _done: int, _total: int) -> None:
        now = time.perf_counter()
        seconds[last[0]] = seconds.get(last[0], 0.0) + now - last[1]
        last[:] = [stage, now]

    project = replace(project, progress=progress)
    (result,) = project.backtest(names, settings=BacktestSettings(n_origins=asked.origins))
    progress("end", 1, 1)
    print(f"{len(names)} specifications: {', '.join(names)}")
    print(result.frame().to_string(index=False))
    print("seconds:", ", ".join(f"{stage} {spent:.0f}" for stage, spent in seconds.items()), f"; all {sum(seconds.values()):.0f}")
    peak = {
        who: resource.getrusage(of).ru_maxrss / GIB
        for who, of in (("here", resource.RUSAGE_SELF), ("started", resource.RUSAGE_CHILDREN))
    }
    print(f"largest memory: {peak['here']:.1f} GiB here, {peak['started']:.1f} GiB in a process it started")


if __name__ == "__main__":
    main()
