"""The two estimands against the known truth: python benchmarks/untreated.py SEED [SEED ...] [--counties registered] [--households 5000] [--folder F].

Simulated counties of 72 months. "registered": a poorer county where help goes to the once registered, so that of two households alike near
the line one is soon helped and the other hardly ever; "none": the same with no new measures at all; "default": the simulator's own, where
nearly all who come near the line are helped within two months.

In each, the observed and the untreated model are trained on the same rows, with an **oracle**: the same learner and curve on the same rows,
its outcomes drawn from the simulator's own futures without new support (three draws, one future of each day). No weighting can do better
than it at this size. All are held against the true probability of the label's own event, below the line on a settlement day of the next
twelve months, **without new support**, of everybody at risk on file on the test day. Slope: of the line of true on predicted
log-odds (1: right); intercept: of the same with slope 1 (0: right on average); AUC: of falls drawn from the true probability; rank: mean percentile of the registered among all near the line
(under 1.35 lines on file). Intervals: 200 draws of villages; over seeds Student's.

Frames are kept as `compared.parquet` (test day) and `levels.parquet` (days learnt from) in each county's folder;
`benchmarks/untreated_figure.py` draws them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from returnrisk import snapshot_cache
from returnrisk.config import CalibrationSpec, ModelSpec, load_model_spec
from returnrisk.demo import PUBLISHED_KEY
from returnrisk.evaluation.bootstrap import draw_clusters
from returnrisk.evaluation.recalibration import log_odds_of, logistic_level, logistic_line
from returnrisk.features.snapshot import Snapshot
from returnrisk.project import Project, init_project, open_project
from returnrisk.simulate import default_parameters, names, simulate_county, states_at, write_inbox
from returnrisk.simulate.futures import run_futures
from returnrisk.simulate.population import COUNTY_CODE
from returnrisk.simulate.truth import NO_SUPPORT
from returnrisk.store.pseudonyms import pseudonymise
from returnrisk.timeline import add_months, months_between, settlement_days
from returnrisk.training import Training, fit_score, labelled_rows, plan_split, train
from returnrisk.untreated import FAMILIES, censor_helped, months_needed

POORER: Mapping[str, Any] = {
    "line.cny_year": [6250, 6750, 7500, 8250, 9125, 10000, 10875],
    "household.ex_poor_ability": -0.3,
    "loss.calamity_month": 0.0002,
    "support.post_month": 1500.0,
    "support.industry_gross_month": 1300.0,
    "support.credit_month": 500.0,
    "support.relief_head": 3000.0,
    "support.p_delivered": 1.0,
    "support.p_low_ex_poor_month": 0.2,
    "support.p_low_general_month": 0.01,
    "support.p_monitored_month": 0.10,
    "support.p_shock_month": 0.05,
}
"""A line a quarter higher (as many near it), few calamities (which no help forestalls), measures that carry more, and help that goes to the
registered: of two households alike near the line it starts 0.20 a month for the once registered and 0.01 for others. All assumed."""
COUNTIES: Mapping[str, Mapping[str, Any]] = {
    "registered": POORER,
    "none": {**POORER, "support.targeted": False},
    "default": {},
}
MONTHS = 72
DRAWS = 200
ORACLES = 3
FUTURES_LEARNT, FUTURES_TEST = 100, 500
NEAR = 1.35
"""Lines under which offices look at a household (`monitoring.near_line`)."""
KEY = ["household_id", "as_of"]


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


@dataclass(frozen=True)
class Setting:
    """A county with all that is asked of it again and again."""

    name: str
    seed: int
    households: int
    project: Project

    def kept(self, spec: ModelSpec, days: Sequence[dt.date]) -> Callable[[dt.date], Snapshot]:
        """Snapshots of these days, kept in the project."""
        folder, store = self.project.root / "snapshots", self.project.store()
        snapshot_cache.fill(folder, store, days, spec=spec, store_folder=self.project.root / "store", progress=lambda *_: None)
        return lambda day: snapshot_cache.cached_snapshot(folder, store, day, spec=spec)

    def trained(self, estimand: str) -> Training:
        """A model of the estimand."""
        spec, store = specification(estimand), self.project.store()
        known_on = store.last_recorded_on()
        split = plan_split(store, spec, known_on=known_on)
        days = sorted({*split.refit, *split.test})
        snapshots = self.kept(spec, days)
        monthly = self.monthly(spec, days) if estimand == "untreated" else None
        return train(store, spec, split=split, known_on=known_on, snapshots=snapshots, monthly=monthly)

    def monthly(self, spec: ModelSpec, days: Sequence[dt.date]) -> Callable[[dt.date], Snapshot]:
        """Snapshots of the month ends that weights ask for; without new measures no chance of one is learnt, and none is."""
        months = [] if self.name == "none" else months_needed(list(days), horizon_months=spec.outcome.horizon_months)
        return self.kept(replace(spec, families=FAMILIES), months)

    def futures(self, days: Sequence[dt.date], *, n: int) -> pd.DataFrame:
        """Every household of every day: share of futures below the line on a settlement day, with and without new support, and draws of the latter."""
        path = self.project.root / f"futures-{days[0]}-{len(days)}-{n}.parquet"
        if path.exists():
            return pd.read_parquet(path)
        parameters = default_parameters().changed(dict(COUNTIES[self.name]))
        states = states_at(days, n_households=self.households, seed=self.seed, parameters=parameters)
        parts = []
        for day, state in states.items():
            settled = settlement_days(day, horizon_months=12, settlement="quarter_end")
            after = tuple(months_between(day, on) for on in settled)
            part = pd.DataFrame(
                {
                    "household_id": names.household_numbers(state.n_households, county=COUNTY_CODE).to_numpy(),
                    "as_of": pd.Timestamp(day),
                }
            )
            for column, lived in (("true_observed", parameters), ("true_untreated", parameters.changed(NO_SUPPORT))):
                falls = run_futures(state, parameters=lived, n_futures=n, seed=self.seed, settled_after=after)
                part[column] = np.bincount(falls.household, minlength=state.n_households) / n
            for k in range(ORACLES):  # of the last: without new support
                part[f"draw_{k}"] = np.isin(np.arange(state.n_households), falls.household[falls.future == k]).astype(np.int8)
            parts.append(part)
        found = pd.concat(parts, ignore_index=True)
        found["household_id"] = found["household_id"].map(
            pseudonymise(found["household_id"].tolist(), kind="household", key=PUBLISHED_KEY)
        )
        found.to_parquet(path, index=False)
        return found


def compared(setting: Setting) -> tuple[pd.DataFrame, pd.DataFrame, Training]:
    """Test day: one row per household at risk on file with risks and truths; levels of the days learnt from; the untreated model."""
    models = {estimand: setting.trained(estimand) for estimand in ("observed", "untreated")}
    model, store = models["observed"], setting.project.store()
    day, days = model.split.test[0], list(model.split.refit)
    snapshots = setting.kept(model.spec, [*days, day])
    learnt, _ = labelled_rows(store, model.spec, days, known_on=day, snapshots=snapshots)
    lived = setting.futures(days, n=FUTURES_LEARNT)
    learnt = learnt.merge(lived, on=KEY, validate="one_to_one")
    table = snapshots(day).frame()
    table = table[table["stratum"] == "at_risk"]
    X = table[[f.name for f in model.features]].to_numpy("float64")
    rows = table[["household_id", "village_code", "ex_poor", "n_support_active"]].assign(
        ratio=table["net_head_cny_year"] / table["line_cny_year"]
    )
    for estimand, of in models.items():
        rows[estimand] = of.scores["model"].risk(X)
    for k in range(ORACLES):
        parts = {"refit": learnt.assign(y=learnt[f"draw_{k}"])}
        rows[f"oracle_{k}"] = fit_score(model.spec, model.features, parts).risk(X)
    rows["helped_soon"] = rows["household_id"].isin(helped_within_a_year(setting.project, day))
    truth = setting.futures([day], n=FUTURES_TEST).drop(columns=[*(f"draw_{k}" for k in range(ORACLES)), "as_of"])
    return (
        rows.merge(truth, on="household_id", validate="one_to_one"),
        levels(setting, learnt, models["untreated"]),
        models["untreated"],
    )


def levels(setting: Setting, learnt: pd.DataFrame, model: Training) -> pd.DataFrame:
    """By day learnt from: share of falls on file, as they are and weighted to be without new support, beside the truths of the same rows."""
    store, spec = setting.project.store(), model.spec
    found = censor_helped(
        learnt,
        known=store.as_of(model.split.test[0]),
        spec=spec.outcome,
        snapshots=setting.monthly(spec, model.split.refit),
    ).rows
    fell = found["y"].astype("Float64").fillna(0).to_numpy("float64")
    near, poor = learnt["net_head_cny_year"] < NEAR * learnt["line_cny_year"], learnt["ex_poor"] == 1
    kind = np.select([near & poor, near], ["near, registered", "near, others"], "farther")
    frame = learnt[["as_of", "y", "true_observed", "true_untreated"]].assign(kind=kind, helped=found["helped"].to_numpy())
    frame = frame.assign(weight=found["weight"].to_numpy(), weighted=fell * found["weight"].to_numpy())
    grouped = frame.groupby(["as_of", "kind"])
    sums = grouped[["y", "weight", "weighted", "helped", "true_observed", "true_untreated"]].sum()
    return sums.assign(n=grouped.size()).reset_index()


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


def columns_of(model: str) -> list[str]:
    """Columns of risks of a model: the oracle has one for each draw of its outcomes."""
    return [f"oracle_{k}" for k in range(ORACLES)] if model == "oracle" else [model]


def figures(rows: pd.DataFrame, model: str, truth: str, weight: np.ndarray) -> dict[str, float]:
    """What a model is worth against a truth; of the oracle the mean over its draws."""
    p, found = rows[truth].to_numpy(), []
    for column in columns_of(model):
        risk = rows[column].to_numpy()
        log_odds = log_odds_of(risk)
        out = {
            "mean": float(np.average(risk, weights=weight)),
            "slope": logistic_line(log_odds, p, weight)[1],
            "intercept": logistic_level(log_odds, p, weight),
            "AUC": area(risk, p, weight),
        }
        out["below the ceiling"] = area(p, p, weight) - out["AUC"]
        found.append(out | near_risks(rows, column, weight))
    return {key: float(np.mean([out[key] for out in found])) for key in found[0]}


def near_risks(rows: pd.DataFrame, column: str, weight: np.ndarray) -> dict[str, float]:
    """Of those near the line: mean risk of the registered and of the others, and mean percentile of the registered among all of them."""
    near = (rows["ratio"] < NEAR).to_numpy()
    risk, w, poor = rows[column].to_numpy()[near], weight[near], (rows["ex_poor"] == 1).to_numpy()[near]
    _, tied = np.unique(risk, return_inverse=True)
    size = np.bincount(tied, w)
    place = (np.cumsum(size) - size / 2)[tied] / w.sum()
    return {
        "registered": float(np.average(risk[poor], weights=w[poor])),
        "others": float(np.average(risk[~poor], weights=w[~poor])),
        "rank": float(np.average(place[poor], weights=w[poor])),
    }


def drawn(rows: pd.DataFrame) -> list[np.ndarray]:
    """Weights of the rows in every draw of villages; the rows themselves first."""
    codes, villages = pd.factorize(rows["village_code"])
    return [np.ones(len(rows)), *(d[codes] for d in draw_clusters(len(villages), n_bootstrap=DRAWS, seed=0))]


def measured(rows: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """By model: every figure for the rows and their draws, (1 + DRAWS,)."""
    weights = drawn(rows)
    out = {}
    for model, truth in (
        ("observed", "true_untreated"),
        ("untreated", "true_untreated"),
        ("oracle", "true_untreated"),
        ("observed_own", "true_observed"),
    ):
        all_draws = [figures(rows, model.removesuffix("_own"), truth, w) for w in weights]
        out[model] = {key: np.array([f[key] for f in all_draws]) for key in all_draws[0]}
    for truth in ("true_untreated", "true_observed"):
        all_draws = [{"mean": float(np.average(rows[truth], weights=w))} | near_risks(rows, truth, w) for w in weights]
        out[truth] = {key: np.array([f[key] for f in all_draws]) for key in all_draws[0]}
    return out


def cell(values: np.ndarray, digits: int = 3) -> str:
    """Point and 95% interval of the draws."""
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return f"{values[0]:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def report(setting: Setting, rows: pd.DataFrame, level: pd.DataFrame, model: Training) -> dict[str, dict[str, np.ndarray]]:
    """Print the figures of one county."""
    found = measured(rows)
    near = rows["ratio"] < NEAR
    poor = rows["ex_poor"] == 1
    for which, of in (("registered", near & poor), ("others", near & ~poor), ("farther", ~near)):
        print(f"{setting.name} {setting.seed} {which}: {of.sum()}, helped within a year {rows.loc[of, 'helped_soon'].mean():.3f}")
    for who, f in found.items():
        cells = " | ".join(f"{key} {cell(values)}" for key, values in f.items())
        print(f"| {setting.name} | {setting.seed} | {who} | {cells} |", flush=True)
    for a, b in (("untreated", "observed"), ("untreated", "oracle")):
        for key in ("rank", "AUC", "mean", "registered"):
            print(f"| {setting.name} | {setting.seed} | {a} less {b} | {key} | {cell(found[a][key] - found[b][key])} |")
    for key, of in (("all", level), *level.groupby("kind")):
        t = of[["y", "weight", "weighted", "helped", "true_observed", "true_untreated", "n"]].sum()
        print(
            f"learnt from, {key}: n {t['n']:.0f} censored {t['helped'] / t['n']:.3f} falls on file {t['y'] / t['n']:.4f} true as helped "
            f"{t['true_observed'] / t['n']:.4f} weighted {t['weighted'] / t['weight']:.4f} true untreated {t['true_untreated'] / t['n']:.4f}"
        )
    for part, overlap in model.overlap.items():
        print(part, {k: (round(v, 3) if isinstance(v, float) else v) for k, v in overlap.items()}, flush=True)
    return found


def pooled(found: Sequence[dict[str, dict[str, np.ndarray]]]) -> None:
    """Print means over seeds with Student's 95% interval."""
    from scipy.stats import t

    def line(name: str, values: Sequence[float]) -> None:
        half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
        print(f"| {name} | {np.mean(values):.3f} ({np.mean(values) - half:.3f}–{np.mean(values) + half:.3f}) |")

    for model in found[0]:
        for key in found[0][model]:
            line(f"{model} {key}", [f[model][key][0] for f in found])
    for a, b in (
        ("observed", "true_untreated"),
        ("untreated", "true_untreated"),
        ("oracle", "true_untreated"),
        ("untreated", "observed"),
    ):
        for key in ("rank", "registered", "others", "mean"):
            line(f"{a} less {b}: {key}", [f[a][key][0] - f[b][key][0] for f in found])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="+", type=int)
    parser.add_argument("--households", type=int, default=5000)
    parser.add_argument("--counties", nargs="+", default=["registered"], choices=list(COUNTIES))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "returnrisk-untreated")
    asked = parser.parse_args()
    for name in asked.counties:
        found = []
        for seed in asked.seeds:
            project = county(name, seed, households=asked.households, folder=asked.folder)
            setting = Setting(name, seed, asked.households, project)
            rows, level, model = compared(setting)
            rows.to_parquet(project.root / "compared.parquet", index=False)
            level.to_parquet(project.root / "levels.parquet", index=False)
            found.append(report(setting, rows, level, model))
        if len(found) > 1:
            pooled(found)


if __name__ == "__main__":
    main()
