"""Labels of the visited, and labels by quota, against the truth: python benchmarks/selective_labels.py [households] [seeds]."""

from __future__ import annotations

import datetime as dt
import sys

import numpy as np
import pandas as pd

from returnrisk.config import LearnerSpec, ModelSpec
from returnrisk.features.families import catalogue
from returnrisk.selective_labels import (
    chance_over_rounds,
    estimate_from_verified,
    learn_from_verified,
    observed_share,
    quota_sensitivity,
)
from returnrisk.selective_labels.simulated_visits import simulated_visit_chances
from returnrisk.simulate import default_parameters, simulate_county
from returnrisk.simulate.county import SimulatedCounty
from returnrisk.simulate.truth import fallen
from returnrisk.visits import visit_plan

START = dt.date(2020, 1, 1)
DAYS = (dt.date(2021, 12, 31), dt.date(2022, 12, 31))
MONTHS = 48
METRICS = (("", "prevalence"), ("income", "auc"), ("poorest", "recall"), ("poorest", "precision"))
BAD_TIME = {"work.job_loss_month": 0.015, "work.laid_off_together_month": 0.012, "work.job_again_month": 0.05}
FEATURES = tuple(f for f in catalogue(["income"]) if f.name in ("income_line_ratio", "income_log_ratio"))
SPEC = ModelSpec(
    schema=1, name="income", title_zh="收入", title_en="income", families=("income",), learner=LearnerSpec("logistic", {"C": 1.0})
)


def at_risk(county: SimulatedCounty, day: dt.date) -> pd.DataFrame:
    """Everybody at risk on the day with the true outcome, a score from income alone, and the poorest tenth."""
    now = county.truth[county.truth["month_end"] == pd.Timestamp(day)].set_index("household_id")
    rows = fallen(county.truth, as_of=day).rename(columns={"fell": "y"})
    home = county.tables["household"].drop_duplicates("household_id").set_index("household_id")["village_code"]
    rows["village_code"] = rows["household_id"].map(home)
    rows["township_code"] = rows["village_code"] // 1000
    ratio = rows["household_id"].map(now["net_per_head_cny"] / now["line_cny_year"])
    rows["income_line_ratio"], rows["income_log_ratio"] = ratio, np.log(ratio)
    rows["income"] = 1 / (1 + np.exp(2.5 + 2.0 * np.log(ratio)))
    rows["poorest"] = ratio < ratio.quantile(0.1)
    return rows.astype({"y": float})


def looked_up(county: SimulatedCounty, rows: pd.DataFrame, day: dt.date, *, households: int) -> pd.DataFrame:
    """The outcome only of those met at home in the year after the day, with the logged chance."""
    log = simulated_visit_chances(
        day, n_households=households, start=START, seed=county.seed, parameters=county.parameters
    ).set_index("household_id")
    log = log.reindex(rows["household_id"])
    visits = county.tables["visit"]
    year = visits[
        visits["visited_on"].between(pd.Timestamp(day) + pd.Timedelta(days=1), pd.Timestamp(day) + pd.DateOffset(years=1))
    ]
    met = year[year["finding"].isin(("risk_confirmed", "no_risk"))]
    chance = chance_over_rounds(log.filter(like="month_").to_numpy())
    visited, verified = (rows["household_id"].isin(of["household_id"]).to_numpy() for of in (year, met))
    answered = observed_share(verified, among=visited, classes=log["home"].to_numpy())
    return rows.assign(chance=chance * answered, verified=verified)


def truth_of(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    """The figures of everybody."""
    everybody = estimate_from_verified(
        rows.assign(chance=1.0, verified=True), scores={"income": "income"}, lists={"poorest": "poorest"}, n_bootstrap=2
    ).frame()
    values = everybody[everybody["estimator"] == "weighted"].set_index(["name", "metric"])["value"]
    return {metric: float(values[metric]) for metric in METRICS}


def only_the_visited(households: int, seeds: int) -> None:
    """Trap 3 on and off."""
    print(
        "\n## Only the visited are verified\n\n| trap | seed | day | verified | events worth | figure | truth | weighted | naive |"
    )
    held: dict[tuple[bool, str, str], list[bool]] = {}
    for trap in (True, False):
        parameters = default_parameters().changed({"traps.only_visited_verified": trap})
        for seed in range(seeds):
            county = simulate_county(n_households=households, months=MONTHS, start=START, seed=seed, parameters=parameters)
            for day in DAYS:
                rows = at_risk(county, day)
                seen = looked_up(county, rows, day, households=households)
                found = estimate_from_verified(
                    seen, scores={"income": "income"}, lists={"poorest": "poorest"}, no_support="leave_out", n_bootstrap=300
                )
                table, truth = found.frame().set_index(["estimator", "name", "metric"]), truth_of(rows)
                for metric in METRICS:
                    cells = []
                    for estimator in ("weighted", "naive"):
                        row = table.loc[(estimator, *metric)]
                        inside = bool(row["low"] <= truth[metric] <= row["high"])
                        held.setdefault((trap, estimator, metric[1]), []).append(inside)
                        cells.append(f"{row['value']:.4f} ({row['low']:.4f}-{row['high']:.4f}) {'holds' if inside else 'MISSES'}")
                    head = ["on" if trap else "off", seed, day, f"{found.n_verified}/{found.n}", f"{found.effective_events:.0f}"]
                    print("| " + " | ".join(map(str, [*head, metric[1], f"{truth[metric]:.4f}", *cells])) + " |", flush=True)
                if trap:
                    learn(rows, seen)
    for (trap, estimator, metric), inside in held.items():
        print(
            f"trap {'on ' if trap else 'off'} {estimator:9s} {metric:11s} interval holds the truth {sum(inside)} of {len(inside)}"
        )


def learn(rows: pd.DataFrame, seen: pd.DataFrame) -> None:
    """Expected over observed falls of everybody, of models learnt from the visited with and without weights."""
    cells = []
    for weighted in (True, False):
        model = learn_from_verified(SPEC, FEATURES, seen[seen["chance"] > 0], weighted=weighted)
        risk = model.risk(rows[[f.name for f in FEATURES]].to_numpy())
        cells.append(f"{'weighted' if weighted else 'naive'} {risk.mean() / rows['y'].mean():.2f}")
    print("learnt from the visited, expected over observed:", ", ".join(cells))


def places_by_lot(households: int, seeds: int) -> None:
    """A list of our own at 40 places a township, so many of them by lot: how often the intervals hold the county's truth."""
    print(
        "\n## Places by lot\n\n| seed | townships | by lot in each | events worth, mean | lots warned of | figure | truth | weighted, mean | holds | naive, mean | holds |"
    )
    for seed in range(seeds):
        county = simulate_county(n_households=households, months=MONTHS, start=START, seed=seed)
        rows = at_risk(county, DAYS[1])
        rows = rows.assign(stratum="at_risk", household_id=np.arange(len(rows)))
        truth = truth_of(rows)
        for by_lot in (10, 40, 100):
            parts, worth = [], []
            for lot in range(100):
                plan = visit_plan(rows.assign(risk=rows["income"]), per_township=40, random_places=by_lot, seed=lot)
                seen = rows.assign(chance=plan["chance"].to_numpy(), verified=(plan["slot"] != "none").to_numpy())
                found = estimate_from_verified(
                    seen, scores={"income": "income"}, lists={"poorest": "poorest"}, n_bootstrap=150, seed=lot
                )
                parts.append(found.frame().assign(lot=lot))
                worth.append((found.effective_events, bool(found.notes)))
            table = pd.concat(parts)
            events, warned = np.mean(worth, axis=0)
            head = [seed, rows["township_code"].nunique(), by_lot, f"{events:.0f}", f"{warned:.0%}"]
            for metric in METRICS:
                cells = []
                for estimator in ("weighted", "naive"):
                    of = table[(table["estimator"] == estimator) & (table["name"] == metric[0]) & (table["metric"] == metric[1])]
                    holds = ((of["low"] <= truth[metric]) & (truth[metric] <= of["high"])).mean()
                    cells += [f"{of['value'].mean():.4f}", f"{holds:.0%}"]
                print("| " + " | ".join(map(str, [*head, metric[1], f"{truth[metric]:.4f}", *cells])) + " |", flush=True)


def by_quota(households: int, seeds: int) -> None:
    """Trap 2 on and off, in a usual and in a bad time: what was entered, what was true, and the table at the true assumption."""
    print(
        "\n## Quota\n\n| time | trap | seed | entered | fell | let in | true share | table, prevalence from - to | at the true pair |"
    )
    for time, changed in (("usual", {}), ("bad", BAD_TIME)):
        for trap in (True, False):
            parameters = default_parameters().changed(changed | {"traps.quota_binding": trap})
            for seed in range(seeds):
                county = simulate_county(n_households=households, months=MONTHS, start=START, seed=seed, parameters=parameters)
                day = DAYS[1]
                rows = at_risk(county, day)
                cases = county.tables["monitoring"]
                later = cases["identified_on"].between(
                    pd.Timestamp(day) + pd.Timedelta(days=1), pd.Timestamp(day) + pd.DateOffset(years=1)
                )
                entered = rows["household_id"].isin(cases.loc[later, "household_id"])
                rows = rows.assign(entered=entered.astype(float), risk=rows["income"], listed=rows["poorest"])
                both = float((rows["entered"] * rows["y"]).sum())
                c, f = both / rows["y"].sum(), both / rows["entered"].sum()
                grid = quota_sensitivity(rows, n_bootstrap=50)
                at = quota_sensitivity(rows, let_in=(1.0, c, 0.5 * c), true_shares=(f,), n_bootstrap=200)
                pair = at[np.isclose(at["let_in"], c)].iloc[0]
                true_recall = rows.loc[rows["y"] == 1, "poorest"].mean()
                told = (
                    f"recall truth {true_recall:.3f}, alike {pair['recall_if_alike']:.3f}"
                    f" ({pair['recall_if_alike_low']:.3f}-{pair['recall_if_alike_high']:.3f}),"
                    f" bounds {pair['recall_lowest']:.3f}-{pair['recall_highest']:.3f}"
                )
                head = [time, "on" if trap else "off", seed, f"{rows['entered'].mean():.4f}", f"{rows['y'].mean():.4f}", f"{c:.2f}"]
                span = f"{grid['prevalence'].min():.4f} - {grid['prevalence'].max():.4f}"
                print("| " + " | ".join(map(str, [*head, f"{f:.2f}", span, told])) + " |", flush=True)


def main(households: int = 5000, seeds: int = 3) -> None:
    """Print the three tables."""
    by_quota(households, seeds)
    only_the_visited(households, seeds)
    places_by_lot(households, min(seeds, 2))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
