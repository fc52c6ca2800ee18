"""Regret to nature's ceiling: python benchmarks/regret.py SEED [SEED ...] [--households 20000] [--months 48] [--futures 500] [--taught 0] [--folder F].

Each seed's county is simulated, put on file, ingested, and the shipped model learnt from every quarter-end whose outcome had closed by the last
day (curve from villages left out: no day is kept back, for the truth needs no outcome). On that last day the model and its two baselines are held against the true probability of a fall with help as it goes:
expected AUC of each ranking when every household falls with its own true probability; regret is what the true probability's own
ranking has more. Half of the futures rank and the other half weigh, and back, so that the truth is not flattered by its own luck. One row per seed, then the mean over seeds with its 95% interval (t, seeds are independent counties).

With `--taught N` (futures of every day learnt from) scores more, on the same rows, that say where regret comes from:

    another_life  the model's learner, taught by what happened in one future of each day: outcomes of days apart that do not overlap
    taught        the model's learner, taught by the true probabilities: what no better labels could mend
    large         many large trees, taught by what happened: what is lost when they believe chance
    ten_lives     the same, taught by ten futures of each day
    files         the same, taught by the true probabilities: what is left is (nearly) what the files do not tell
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from returnrisk import snapshot_cache
from returnrisk.config import CalibrationSpec, LearnerSpec, ModelSpec, load_model_spec
from returnrisk.demo import PUBLISHED_KEY
from returnrisk.features.snapshot import Snapshot
from returnrisk.project import Project, init_project, open_project
from returnrisk.simulate import default_parameters, simulate_county, states_at, true_risk, write_inbox
from returnrisk.simulate.foreseeable import weighted_auc
from returnrisk.simulate.truth import TrueRisk
from returnrisk.store.pseudonyms import pseudonymise
from returnrisk.timeline import add_months, month_end
from returnrisk.training import fit_score, labelled_rows, new_learner, possible_days, score_spec

SCORES = ("model", "logistic", "income")
Risk = Callable[[np.ndarray], np.ndarray]
"""Feature rows to anything that rises with the risk."""
TAUGHT = ("another_life", "taught", "large", "ten_lives", "files")
LIVES = 10
LARGE = {
    "n_estimators": 1500,
    "num_leaves": 31,
    "min_child_samples": 20,
    "lambda_l2": 1.0,
    "feature_fraction": 0.5,
    "num_threads": 2,
}


def county(seed: int, *, households: int, months: int, folder: Path) -> Project:
    """The county's project, made once."""
    root = folder / f"{seed}-{households}-{months}"
    if (root / "store").exists():
        return open_project(root)
    project = init_project(root, key=PUBLISHED_KEY, county_zh="模拟县", county_en="Simulated County", synthetic=True)
    write_inbox(simulate_county(n_households=households, months=months, seed=seed), root / "inbox")
    project.ingest()
    return project


def learnt(project: Project) -> tuple[dict[str, Risk], Snapshot, pd.DataFrame]:
    """The scores, the snapshot of the last day, and the rows they learnt from; snapshots are kept in the project."""
    spec = load_model_spec("fall-12m")
    spec = replace(spec, calibration=CalibrationSpec(method="sigmoid", curve_from="cross_fitted"))
    store, folder = project.store(), project.root / "snapshots"
    today = store.last_recorded_on()
    today = today if today == month_end(today) else month_end(add_months(today, -1))
    closed = [
        day
        for day in possible_days(store, spec, known_on=today)
        if month_end(add_months(day, spec.outcome.horizon_months)) <= store.as_of(today).last_closed_on("income")
    ]
    snapshot_cache.fill(folder, store, [*closed, today], spec=spec, store_folder=project.root / "store", progress=lambda *_: None)

    def kept(day: dt.date) -> Snapshot:
        return snapshot_cache.cached_snapshot(folder, store, day, spec=spec)

    rows, _ = labelled_rows(store, spec, closed, known_on=today, snapshots=kept)
    now = kept(today)
    specs = {name: score_spec(name, spec) for name in SCORES}
    return {name: fit_score(of, now.features, {"refit": rows}).risk for name, of in specs.items()}, now, rows


def taught(rows: pd.DataFrame, now: Snapshot, *, seed: int, households: int, futures: int) -> dict[str, Risk]:
    """The scores of `TAUGHT`."""
    days = sorted(day.date() for day in rows["as_of"].unique())
    states = states_at(days, n_households=households, seed=seed)
    true = []
    for day in days:
        truth = true_risk(states[day], parameters=default_parameters(), n_futures=futures, seed=seed)
        half = shares(truth).assign(as_of=pd.Timestamp(day))
        lived = {"one": truth.counts(0, 1)[truth.at_risk], "ten": truth.counts(0, LIVES)[truth.at_risk] / LIVES}
        true.append(half.assign(p=(half["first"] + half["second"]) / 2, **lived))
    of = rows.merge(pd.concat(true), on=["household_id", "as_of"], validate="one_to_one").copy()
    spec, names = load_model_spec("fall-12m"), [f.name for f in now.features]
    large = replace(spec, learner=LearnerSpec("lightgbm", {**spec.learner.params, **LARGE}))

    def taught_by(share: str, spec: ModelSpec) -> Risk:
        """Log-odds of a learner for which each row counts as a fall with its share, and as none with the rest; a curve would change no rank."""
        both = pd.concat([of.assign(fell=fell, weight=of[share] if fell else 1 - of[share]) for fell in (0, 1)])
        both = both[both["weight"] > 0].sort_values(["as_of", "household_id", "fell"])
        X, y, weight = (both[c].to_numpy() for c in (names, "fell", "weight"))
        return new_learner(spec, now.features).fit(X.astype("float64"), y, sample_weight=weight).decision_function

    return {
        "another_life": taught_by("one", spec),
        "taught": taught_by("p", spec),
        "large": taught_by("y", large),
        "ten_lives": taught_by("ten", large),
        "files": taught_by("p", large),
    }


def shares(truth: TrueRisk) -> pd.DataFrame:
    """household_id (pseudonym) and the shares of falls in either half of the futures, of households at risk."""
    half = truth.n_futures // 2
    frame = truth.frame()[["household_id"]].assign(
        first=truth.counts(0, half)[truth.at_risk] / half,
        second=truth.counts(half)[truth.at_risk] / (truth.n_futures - half),
    )
    return frame.assign(
        household_id=frame["household_id"].map(pseudonymise(frame["household_id"].tolist(), kind="household", key=PUBLISHED_KEY))
    )


def areas(scores: dict[str, Risk], now: Snapshot, truth: TrueRisk) -> dict[str, float]:
    """Expected areas of the true ranking and of every score, over households at risk by the truth and by the file."""
    table = now.frame()
    rows = table[table["stratum"] == "at_risk"].merge(shares(truth), on="household_id", validate="one_to_one")
    X = rows[[f.name for f in now.features]].to_numpy("float64")
    first, second = rows["first"].to_numpy(), rows["second"].to_numpy()
    p = (first + second) / 2
    found = {"n": len(rows), "expected_falls": float(p.sum())}
    found["ceiling"] = (weighted_auc(first, second) + weighted_auc(second, first)) / 2
    return found | {name: weighted_auc(score(X), p) for name, score in scores.items()}


def main() -> None:
    """Print one row a seed, then the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="+", type=int)
    parser.add_argument("--households", type=int, default=20_000)
    parser.add_argument("--months", type=int, default=48)
    parser.add_argument("--futures", type=int, default=500)
    parser.add_argument("--taught", type=int, default=0, help="futures of every day learnt from, for learners taught by the truth")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "returnrisk-regret")
    asked = parser.parse_args()
    rows, names = [], (*SCORES, *(TAUGHT if asked.taught else ()))
    print(
        "| seed | day | days learnt from | n | falls expected | ceiling | "
        + " | ".join(f"{s} (regret)" for s in names)
        + " | min |"
    )
    for seed in asked.seeds:
        started = time.perf_counter()
        project = county(seed, households=asked.households, months=asked.months, folder=asked.folder)
        scores, now, learnt_from = learnt(project)
        day, n_days = now.as_of, learnt_from["as_of"].nunique()
        if asked.taught:
            scores |= taught(learnt_from, now, seed=seed, households=asked.households, futures=asked.taught)
        state = states_at([day], n_households=asked.households, seed=seed)[day]
        truth = true_risk(state, parameters=default_parameters(), n_futures=asked.futures, seed=seed, folder=project.root / "truth")
        found = areas(scores, now, truth)
        rows.append(found)
        cells = " | ".join(f"{found[s]:.3f} ({found['ceiling'] - found[s]:.3f})" for s in names)
        minutes = (time.perf_counter() - started) / 60
        print(
            f"| {seed} | {day} | {n_days} | {found['n']} | {found['expected_falls']:.0f} | {found['ceiling']:.3f} | {cells} | {minutes:.1f} |",
            flush=True,
        )
    if len(rows) > 1:
        table = pd.DataFrame(rows)
        for score in names:
            regret = table["ceiling"] - table[score]
            half = stats.t.ppf(0.975, len(rows) - 1) * regret.std(ddof=1) / np.sqrt(len(rows))
            print(
                f"{score}: mean regret {regret.mean():.4f} ({regret.mean() - half:.4f}–{regret.mean() + half:.4f}), {len(rows)} seeds"
            )


if __name__ == "__main__":
    main()
