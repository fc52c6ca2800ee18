"""Do the reasons name the shock: python benchmarks/explanations.py SEED [SEED ...] [--households 4000] [--months 60] [--folder F].

Each seed's county is simulated, put on file and ingested; the shipped model is learnt from every quarter-end whose outcome had closed
before the last day with a known outcome, and explained on that day. Shocks of the twelve months before it come from the simulator's
truth; whether a row naming one was on file from the tables themselves. Counties of all seeds are put together, villages are resampled.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from returnrisk import snapshot_cache
from returnrisk.config import CalibrationSpec, load_model_spec
from returnrisk.demo import PUBLISHED_KEY
from returnrisk.explain import explain_rows
from returnrisk.explain.ground_truth import family_importance, reasons_against_truth, shares_by_cause
from returnrisk.features.snapshot import Snapshot
from returnrisk.project import init_project
from returnrisk.simulate import simulate_county, write_inbox
from returnrisk.simulate.causes import falls_with_causes, shocks_on_file
from returnrisk.simulate.state import Shock
from returnrisk.store.pseudonyms import pseudonymise
from returnrisk.timeline import add_months, month_end
from returnrisk.training import fit_score, labelled_rows, possible_days

SHOCKS = tuple(shock.name.lower() for shock in Shock)


def of_county(seed: int, *, households: int, months: int, folder: Path) -> tuple[pd.DataFrame, pd.Series, dict[str, int]]:
    """Shocks with whether reasons name them, importance by family, and counts of falls by who could have known."""
    county = simulate_county(n_households=households, months=months, seed=seed)
    root = folder / f"{seed}-{households}-{months}"
    project = init_project(root, key=PUBLISHED_KEY, county_zh="模拟县", county_en="Simulated County", synthetic=True)
    write_inbox(county, root / "inbox")
    project.ingest()
    spec = load_model_spec("fall-12m")
    spec = replace(spec, calibration=CalibrationSpec(method="sigmoid", curve_from="cross_fitted"))
    store, kept_in = project.store(), root / "snapshots"
    known_on = store.last_recorded_on()
    horizon = spec.outcome.horizon_months
    closed = [
        day
        for day in possible_days(store, spec, known_on=known_on)
        if month_end(add_months(day, horizon)) <= store.as_of(known_on).last_closed_on("income")
    ]
    day = closed[-1]
    learn_from = [d for d in closed if month_end(add_months(d, horizon)) <= store.as_of(day).last_closed_on("income")]
    snapshot_cache.fill(kept_in, store, [*learn_from, day], spec=spec, store_folder=root / "store", progress=lambda *_: None)

    def kept(on: dt.date) -> Snapshot:
        return snapshot_cache.cached_snapshot(kept_in, store, on, spec=spec)

    rows, _ = labelled_rows(store, spec, learn_from, known_on=day, snapshots=kept)
    test, _ = labelled_rows(store, spec, [day], known_on=known_on, snapshots=kept)
    now = kept(day)
    learner = fit_score(spec, now.features, {"refit": rows}).learner
    names = [f.name for f in now.features]
    importance = family_importance(learner, test[names].to_numpy("float64"), test["y"].to_numpy(), features=now.features, seed=seed)

    falls, shocks = falls_with_causes(county, as_of=day), shocks_on_file(county, as_of=day)
    fell = falls[["household_id", "cause", "on_file_at_day", "struck_before"]].assign(fell=True)
    shocks = shocks.merge(fell[["household_id", "cause", "fell"]], on=["household_id", "cause"], how="left").fillna({"fell": False})
    by_pseudonym = pseudonymise(shocks["household_id"].unique().tolist(), kind="household", key=PUBLISHED_KEY)
    shocks["household_id"] = shocks["household_id"].map(by_pseudonym)
    at_risk = now.frame()[lambda t: t["stratum"] == "at_risk"].reset_index(drop=True)
    contributions = explain_rows(learner, at_risk[names].to_numpy("float64"))
    found = reasons_against_truth(at_risk, contributions, shocks, features=now.features, importance=importance)
    struck = fell["cause"].isin(SHOCKS)
    counts = {
        "falls": len(fell),
        "no shock (line, members, drift)": int((~struck).sum()),
        "struck after the day": int((struck & ~fell["struck_before"]).sum()),
        "struck before, not on file": int((struck & fell["struck_before"] & ~fell["on_file_at_day"]).sum()),
        "on file": int((struck & fell["struck_before"] & fell["on_file_at_day"]).sum()),
    }
    return found.assign(seed=seed, village_code=found["village_code"].astype(str) + f"-{seed}"), importance, counts


def main() -> None:
    """Print who could have known, and the table by cause."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="+", type=int)
    parser.add_argument("--households", type=int, default=4000)
    parser.add_argument("--months", type=int, default=60)
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="returnrisk-explanations-"))
    made = [of_county(seed, households=asked.households, months=asked.months, folder=folder) for seed in asked.seeds]
    print("families by permutation importance:", *(", ".join(importance.index[:3]) for _, importance, _ in made), sep="\n  ")
    print(pd.DataFrame([counts for *_, counts in made]).sum().to_string())
    found = pd.concat([f for f, *_ in made], ignore_index=True)
    found.to_parquet(folder / "reasons.parquet", index=False)
    for title, mine in (
        ("on file", found[found["on_file"]]),
        ("on file, and fell because of it", found[found["on_file"] & found["fell"]]),
        ("not on file, and fell because of it", found[~found["on_file"] & found["fell"]]),
    ):
        print(f"\n{title}\n{shares_by_cause(mine).round(3).to_string(index=False) if len(mine) else 'none'}", flush=True)


if __name__ == "__main__":
    main()
