"""Commands that need no project of one's own: a simulated county, the demonstration, the benchmark on real households."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from returnrisk.cli.common import AsJson, app, benchmark_app, progress_bars, show


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

    with progress_bars(quiet=json_) as report:
        report("simulate", 0, 1)
        county = simulate_county(n_households=households, months=months, start=START, seed=seed, parameters=parameters)
        report("export", 0, 1)
        files = write_inbox(county, out)
    show({"files": len(files), "folder": out.as_posix()}, as_json=json_, text=f"{len(files)} files in {out}")


@benchmark_app.command
def eph(
    *,
    data: Path,
    train_until: str = "2010Q4",
    test_from: str = "2011Q1",
    rolling: tuple[str, ...] = (),
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
    rolling
        Quarters that further splits are trained up to, each tested on the starts of the year after: --rolling 2009Q4 --rolling 2011Q2.
    json_file
        Write the records there.
    """
    from returnrisk.benchmark import run_eph, write_records

    with progress_bars(quiet=False) as progress:
        result = run_eph(data, train_until=train_until, test_from=test_from, rolling=rolling, progress=progress)
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

    with progress_bars(quiet=json_) as progress:
        result = run_demo(out, households=households, months=months, seed=seed, progress=progress)
    content = {
        "folder": result.folder.as_posix(),
        "as_of": result.as_of,
        "model": result.run.model_version,
        "bundle": result.training.bundle.path.as_posix(),
        "lists": (result.run.visits.parquet.parent / "lists").as_posix(),
        "report": result.run.report.as_posix(),
    }
    show(content, as_json=json_, text=result.text())
