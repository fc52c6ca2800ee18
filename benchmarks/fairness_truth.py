"""Does the fairness table find harm, and only harm that is there? python benchmarks/fairness_truth.py chance [--replicates 200] | files PROJECT [--seed 0].

chance   synthetic predictions whose truth is known: how often any harm is claimed where there is none (at most 5% is promised), and how often a planted
         one of known size is found, by size and by kind of group
files    a demonstration (`returnrisk demo --out PROJECT`), whose simulated truth is known: what the table shows of remote villages by the falls on file and by the true ones, and
         what it would show had their offices not recorded a share of the falls: at random, or only where nobody came
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from returnrisk.accuracy import Accuracy
from returnrisk.demo import PUBLISHED_KEY, START
from returnrisk.fairness import measure_fairness
from returnrisk.project import open_project
from returnrisk.simulate import fallen, simulate_county
from returnrisk.store.pseudonyms import pseudonymise

DAYS = pd.to_datetime(["2024-03-31", "2024-06-30", "2024-09-30", "2024-12-31"])
RECALL = 0.4
"""Share of the falls of a household outside any harmed group that is on the list."""


def county(
    rng: np.random.Generator,
    *,
    n_villages: int = 50,
    n_households: int = 4800,
    falls: float = 0.05,
    harm: Mapping[str, float] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Household-days of four test days, and their groups; villages share luck, a household's days are alike, `harm` lowers a group's recall by so much.

    About as many falls as in the demonstration (some 220 households, 500 household-days). Twelve groupings: four of villages (a tenth to a half of them),
    eight of households, two of which overlap with others.
    """
    village = np.sort(rng.integers(0, n_villages, n_households))
    of_village = {f"place_{int(100 * p)}": _some(rng, n_villages, p)[village] for p in (0.1, 0.2, 0.3, 0.5)}
    own = {f"kind_{int(100 * p)}": rng.random(n_households) < p for p in (0.05, 0.1, 0.2, 0.3, 0.5)}
    own["like_20"] = np.where(rng.random(n_households) < 0.7, own["kind_20"], rng.random(n_households) < 0.2)
    own["like_place"] = np.where(rng.random(n_households) < 0.5, of_village["place_20"], rng.random(n_households) < 0.3)
    groups = pd.DataFrame({name: np.where(holds, "yes", "no") for name, holds in {**of_village, **own}.items()})
    groups["band"] = rng.choice(["a", "b", "c"], n_households, p=[0.3, 0.5, 0.2])
    luck = rng.normal(0, 0.4, n_villages)[village]
    fell = rng.random(n_households) < falls * np.exp(rng.normal(0, 0.3, n_villages)[village])
    less = sum((size * (groups[name] == "yes").to_numpy() for name, size in (harm or {}).items()), np.zeros(n_households))
    center = np.clip(_logistic(np.log(RECALL / (1 - RECALL)) + luck) - less, 0.01, 0.99)
    listed_if_fell = rng.beta(4 * center, 4 * (1 - center))  # a household's own, so that its days are alike
    first = rng.integers(-2, 4, n_households)  # it falls after the first days only, or is at risk from later ones on
    days = []
    for d, day in enumerate(DAYS):
        y = fell & (d >= first) & (d < first + 4)
        on_list = rng.random(n_households) < np.where(y, listed_if_fell, 0.05)
        rows = {"household_id": np.arange(n_households), "as_of": day, "village_code": village, "y": y.astype(int)}
        days.append(pd.DataFrame(rows).assign(p_model=0.5 * on_list + 0.01, on_list=on_list))
    return pd.concat(days, ignore_index=True), pd.concat([groups] * len(DAYS), ignore_index=True)


def _some(rng: np.random.Generator, n: int, share: float) -> np.ndarray:
    """Exactly a share of n, at random."""
    return rng.permutation(n) < round(share * n)


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def claims(seed: int, **settings: object) -> pd.DataFrame:
    """The table of one synthetic county."""
    rows, groups = county(np.random.default_rng(seed), **settings)  # type: ignore[arg-type]
    return measure_fairness(rows, groups, selected="on_list", n_bootstrap=100, seed=seed)


def by_chance(replicates: int) -> None:
    """False alarms without harm, and finds of planted harm."""
    print("| county | counties | compared | any false claim | of groups | of intersections |\n|---|---|---|---|---|---|")
    for label, settings in (("50 villages", {}), ("20 villages", {"n_villages": 20})):
        found = [claims(seed, **settings) for seed in range(replicates)]
        any_of = [t["claimed"].any() for t in found]
        groups = [(t["claimed"] & (t["grouping_2"] == "")).any() for t in found]
        crossed = [(t["claimed"] & (t["grouping_2"] != "")).any() for t in found]
        n = np.mean([t["p_adjusted"].notna().sum() for t in found])
        print(f"| {label} | {replicates} | {n:.0f} | {_share(any_of)} | {_share(groups)} | {_share(crossed)} |", flush=True)
    few = max(replicates // 8, 20)
    print(
        "\n| harmed | recall lower by | counties | found | difference, mean | interval holds it | any claim of groups apart |\n|---|---|---|---|---|---|---|"
    )
    for name in ("kind_30", "kind_10", "place_30", "place_10"):
        for size in (0.1, 0.2, 0.3):
            found = [claims(10_000 + seed, harm={name: size}) for seed in range(few)]
            rows = [t[(t["grouping"] == name) & (t["group"] == "yes") & (t["grouping_2"] == "")].iloc[0] for t in found]
            apart = {"kind_30": ("kind_50", "kind_5", "band"), "kind_10": ("kind_50", "kind_5", "band")}.get(
                name, ("kind_50", "band")
            )
            wrong = [(t["claimed"] & t["grouping"].isin(apart) & (t["grouping_2"] == "")).any() for t in found]
            told = [r["recall_difference"] for r in rows if r["status"] == "measured"]
            held = [
                r["recall_difference_low"] <= -_true(size) <= r["recall_difference_high"] for r in rows if r["status"] == "measured"
            ]
            cells = [
                name,
                f"{size:.0%}",
                few,
                _share([r["claimed"] for r in rows]),
                f"{np.mean(told):+.3f}",
                _share(held),
                _share(wrong),
            ]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def _true(size: float) -> float:
    """By how much lower the recall truly is: a share of chances that would go below 0.01 stops there."""
    center = _logistic(np.log(RECALL / (1 - RECALL)) + np.random.default_rng(0).normal(0, 0.4, 200_000))
    return float(np.mean(center - np.clip(center - size, 0.01, 0.99)))


def _share(held: list[bool]) -> str:
    """A share of replicates with its standard error."""
    p = float(np.mean(held))
    return f"{p:.1%} ± {np.sqrt(p * (1 - p) / len(held)):.1%}"


def by_files(folder: Path, *, seed: int, draws: int = 40) -> None:
    """Remote villages in the table: falls on file, true falls, and falls on file of which a share was never recorded."""
    project = open_project(folder)
    settings, accuracy = project.spec.evaluation, project.evaluate(orders=False)
    rows = accuracy.predictions
    remote, listed = rows["group_remote_village"] == "yes", rows["listed_model"].astype(bool)
    print(
        "| falls | remote: n fell | base rate | observed / expected | on the list | against others | claimed |\n|---|---|---|---|---|---|---|"
    )
    _told("on file", [accuracy.fairness(settings)])
    true = _true_falls(rows, project.store().last_recorded_on(), seed=seed)
    known = true.notna()
    _told("true", [_with(accuracy, rows[known].assign(y=true[known].astype(int))).fairness(settings)])
    rng = np.random.default_rng(seed)
    for label, lost in (
        ("a third of remote falls not recorded, at random", remote),
        ("half of remote falls not recorded where nobody came", remote & ~listed),
    ):
        share = 1 / 3 if "third" in label else 1 / 2
        tables = []
        for _ in range(draws):
            luck = rows["household_id"].map(pd.Series(rng.random(rows["household_id"].nunique()), rows["household_id"].unique()))
            tables.append(_with(accuracy, rows.assign(y=rows["y"].where(~(lost & (luck < share)), 0))).fairness(settings))
        _told(f"{label} ({draws} draws)", tables)


def _true_falls(rows: pd.DataFrame, end: dt.date, *, seed: int) -> pd.Series:
    """1.0 or 0.0 by the simulated truth of each row's own day; missing where the household was not truly at risk."""
    months = (end.year - START.year) * 12 + end.month - START.month + 1
    county = simulate_county(n_households=5000, months=months, start=START, seed=seed)
    parts = []
    for day in sorted(rows["as_of"].unique()):
        found = fallen(county.truth, as_of=pd.Timestamp(day).date())
        code = pseudonymise(found["household_id"].tolist(), kind="household", key=PUBLISHED_KEY)
        parts.append(found.assign(household_id=found["household_id"].map(code), as_of=day)[["household_id", "as_of", "fell"]])
    both = rows[["household_id", "as_of"]].merge(pd.concat(parts), how="left", on=["household_id", "as_of"], validate="one_to_one")
    return both["fell"].astype("float64").set_axis(rows.index)


def _with(accuracy: Accuracy, rows: pd.DataFrame) -> Accuracy:
    return Accuracy(rows, overall=accuracy.overall, populations={})


def _told(label: str, tables: list[pd.DataFrame]) -> None:
    """One line on remote villages; of several draws the mean."""
    part = pd.concat([t[(t["grouping"] == "remote_village") & (t["group"] == "yes") & (t["grouping_2"] == "")] for t in tables])
    row = part.select_dtypes("number").mean()

    def percent(name: str) -> str:
        return f"{row[name]:.1%} ({row[f'{name}_low']:.1%} to {row[f'{name}_high']:.1%})"

    level = (
        f"{row['observed_over_expected']:.2f} ({row['observed_over_expected_low']:.2f}–{row['observed_over_expected_high']:.2f})"
    )
    cells = [label, f"{row['n_fallen']:.0f}", f"{row['base_rate']:.2%}", level, percent("recall"), percent("recall_difference")]
    print("| " + " | ".join([*cells, f"{part['claimed'].mean():.0%}"]) + " |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    chance, files = commands.add_parser("chance"), commands.add_parser("files")
    chance.add_argument("--replicates", type=int, default=200)
    files.add_argument("project", type=Path)
    files.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.what == "chance":
        by_chance(asked.replicates)
    else:
        by_files(asked.project, seed=asked.seed)


if __name__ == "__main__":
    main()
