"""The two estimands against the known truth: python benchmarks/untreated.py SEED [SEED ...] [--households 3000] [--futures 1000] [--folder F].

Three simulated counties a seed, the same but for help: as it is by default (nearly all who come near the line are helped within two
months), help that is given to fewer (so that some like them stay unhelped), and none. In each the observed and the untreated model
are trained on the same rows and held against the true probability of a fall **without new support** (`true_risk(new_support=False)`)
of the households at risk on the test day, by the true state and by the file. Slope and intercept: the true probability's log-odds
line on those of the model (1 and 0: it is right on average); AUC: of a fall of the true probability, its ceiling that of the true
probability itself. Intervals: 200 draws of villages.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from returnrisk import snapshot_cache
from returnrisk.config import CalibrationSpec, ModelSpec, load_model_spec
from returnrisk.demo import PUBLISHED_KEY
from returnrisk.evaluation.bootstrap import draw_clusters
from returnrisk.evaluation.recalibration import log_odds_of, logistic_line
from returnrisk.features.snapshot import Snapshot
from returnrisk.project import Project, init_project, open_project
from returnrisk.simulate import default_parameters, simulate_county, states_at, true_risk, write_inbox
from returnrisk.store.pseudonyms import pseudonymise
from returnrisk.timeline import add_months
from returnrisk.training import Training, plan_split, train
from returnrisk.untreated import FAMILIES, months_needed

COUNTIES: Mapping[str, Mapping[str, float | bool]] = {
    "default": {},
    "fewer": {
        "support.p_low_ex_poor_month": 0.10,
        "support.p_low_general_month": 0.08,
        "support.p_monitored_month": 0.10,
        "support.p_shock_month": 0.03,
    },
    "none": {"support.targeted": False},
}
MONTHS = 72
DRAWS = 200


def specification(estimand: str) -> ModelSpec:
    """The shipped model with one test day, and its curve from villages left out (the history is short)."""
    spec = load_model_spec("fall-12m")
    return replace(
        spec,
        estimand=estimand,
        split=replace(spec.split, n_calibrate=1, n_test=1),
        calibration=CalibrationSpec(method="sigmoid", curve_from="cross_fitted"),
    )


def county(name: str, seed: int, *, households: int, folder: Path) -> Project:
    """The county's project, made once."""
    root = folder / f"{name}-{seed}-{households}"
    if (root / "store").exists():
        return open_project(root)
    project = init_project(root, key=PUBLISHED_KEY, county_zh="模拟县", county_en="Simulated County", synthetic=True)
    parameters = default_parameters().changed(dict(COUNTIES[name]))
    write_inbox(simulate_county(n_households=households, months=MONTHS, seed=seed, parameters=parameters), root / "inbox")
    project.ingest()
    return project


def trained(project: Project, spec: ModelSpec) -> Training:
    """A model of the estimand; snapshots are kept in the project."""
    store, folder = project.store(), project.root / "snapshots"
    known_on = store.last_recorded_on()
    split = plan_split(store, spec, known_on=known_on)
    days = sorted({*split.refit, *split.test})
    thin = replace(spec, families=FAMILIES)
    wanted = [(spec, days)]
    if spec.estimand == "untreated":
        wanted.append((thin, months_needed(days, horizon_months=spec.outcome.horizon_months)))
    for which, of in wanted:
        snapshot_cache.fill(folder, store, of, spec=which, store_folder=project.root / "store", progress=lambda *_: None)

    def kept(which: ModelSpec, day: dt.date) -> Snapshot:
        return snapshot_cache.cached_snapshot(folder, store, day, spec=which)

    return train(store, spec, split=split, known_on=known_on, snapshots=partial(kept, spec), monthly=partial(kept, thin))


def compared(
    project: Project, name: str, seed: int, *, households: int, futures: int
) -> tuple[pd.DataFrame, Mapping[str, Training]]:
    """One row per household at risk on the test day: both models' risks, both truths, ratio to the line, village."""
    parameters = default_parameters().changed(dict(COUNTIES[name]))
    models = {estimand: trained(project, specification(estimand)) for estimand in ("observed", "untreated")}
    model = models["observed"]
    day = model.split.test[0]
    state = states_at([day], n_households=households, seed=seed, parameters=parameters)[day]
    kept = project.root / "truth"
    frames = []
    for column, new_support in (("true_untreated", False), ("true_observed", True)):
        risk = true_risk(state, parameters=parameters, n_futures=futures, seed=seed, new_support=new_support, folder=kept)
        frames.append(risk.frame()[["household_id", "p_fall"]].rename(columns={"p_fall": column}))
    truth = frames[0].merge(frames[1], on="household_id")
    numbers = pseudonymise(truth["household_id"].tolist(), kind="household", key=PUBLISHED_KEY)
    truth["household_id"] = truth["household_id"].map(numbers)
    table = snapshot_cache.cached_snapshot(project.root / "snapshots", project.store(), day, spec=model.spec).frame()
    table = table[table["stratum"] == "at_risk"]
    X = table[[f.name for f in model.features]].to_numpy("float64")
    rows = table[["household_id", "village_code"]].assign(ratio=table["net_head_cny_year"] / table["line_cny_year"])
    for estimand, of in models.items():
        rows[estimand] = of.scores["model"].risk(X)
    rows["helped_soon"] = rows["household_id"].isin(helped_within_a_year(project, day))
    return rows.merge(truth, on="household_id", validate="one_to_one"), models


def helped_within_a_year(project: Project, day: dt.date) -> set[int]:
    """Households with a measure that started in the twelve months after a day, as on file in the end."""
    store = project.store()
    starts = store.as_of(store.last_recorded_on()).table("support").select("household_id", "started_on").to_pandas()
    started = pd.to_datetime(starts["started_on"])
    after = (started > pd.Timestamp(day)) & (started <= pd.Timestamp(add_months(day, 12)))
    return set(starts.loc[after, "household_id"])


def area(score: np.ndarray, p: np.ndarray, weight: np.ndarray) -> float:
    """Expected area under the ROC curve of falls drawn with probability p; ties count one half."""
    order = np.argsort(score, kind="stable")
    fall, not_fall = (weight * p)[order], (weight * (1 - p))[order]
    _, group = np.unique(score[order], return_inverse=True)
    falls, others = np.bincount(group, fall), np.bincount(group, not_fall)
    return float((falls * (np.cumsum(others) - others / 2)).sum() / (falls.sum() * others.sum()))


def figures(rows: pd.DataFrame, column: str, truth: str, weight: np.ndarray) -> dict[str, float]:
    """What a model is worth against a truth."""
    risk, p = rows[column].to_numpy(), rows[truth].to_numpy()
    intercept, slope = logistic_line(log_odds_of(risk), p, weight)
    return {
        "mean": float(np.average(risk, weights=weight)),
        "true mean": float(np.average(p, weights=weight)),
        "slope": slope,
        "intercept": intercept,
        "AUC": area(risk, p, weight),
        "regret": area(p, p, weight) - area(risk, p, weight),
    }


def with_intervals(rows: pd.DataFrame, column: str, truth: str) -> dict[str, tuple[float, float, float]]:
    """Figures and their 95% intervals, villages drawn with replacement."""
    codes, villages = pd.factorize(rows["village_code"])
    point = figures(rows, column, truth, np.ones(len(rows)))
    draws = [figures(rows, column, truth, d[codes]) for d in draw_clusters(len(villages), n_bootstrap=DRAWS, seed=0)]
    return {k: (v, *np.nanpercentile([d[k] for d in draws], [2.5, 97.5])) for k, v in point.items()}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="+", type=int)
    parser.add_argument("--households", type=int, default=3000)
    parser.add_argument("--futures", type=int, default=1000)
    parser.add_argument("--counties", nargs="+", default=list(COUNTIES))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "returnrisk-untreated")
    asked = parser.parse_args()
    for seed in asked.seeds:
        for name in asked.counties:
            project = county(name, seed, households=asked.households, folder=asked.folder)
            rows, models = compared(project, name, seed, households=asked.households, futures=asked.futures)
            rows.to_parquet(project.root / "compared.parquet")
            report(name, seed, rows, models["untreated"])


def report(name: str, seed: int, rows: pd.DataFrame, model: Training) -> None:
    """Print the figures of one county."""
    soon = rows["helped_soon"]
    groups = {
        "all": rows,
        "helped within a year": rows[soon],
        "not helped": rows[~soon],
        "near (<1.4 lines)": rows[rows["ratio"] < 1.4],
        "far (1.4 and more)": rows[rows["ratio"] >= 1.4],
    }
    for group, of in groups.items():
        for column in ("observed", "untreated"):
            found = with_intervals(of, column, "true_untreated")
            cells = " | ".join(f"{v:.4f} ({low:.4f}–{high:.4f})" for v, low, high in found.values())
            print(f"| {name} | {seed} | {group} | {len(of)} | {column} | {cells} |", flush=True)
    ceiling = rows["true_untreated"].to_numpy()
    print(f"ceiling {area(ceiling, ceiling, np.ones(len(rows))):.4f}; true observed mean {rows['true_observed'].mean():.4f}")
    for part, overlap in model.overlap.items():
        print(part, {k: (round(v, 4) if isinstance(v, float) else v) for k, v in overlap.items()}, flush=True)
    metrics = model.frame()
    print(metrics[metrics["score"] == "model"][["metric", "value", "low", "high"]].to_string())


if __name__ == "__main__":
    main()
