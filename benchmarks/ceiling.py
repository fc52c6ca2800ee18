"""Nature's ceiling on several counties: python benchmarks/ceiling.py SEED [SEED ...] [--futures 500] [--households 5000].

Prints the table of docs/truth.md: a row for each seed and day, and the mean over the seeds with its 95% interval (seeds are what is
repeated: the days of one seed share a county, so they are averaged first).
"""

from __future__ import annotations

import argparse
import datetime as dt

import numpy as np
import pandas as pd
from scipy import stats

from returnrisk.simulate import ceiling, default_parameters, fallen, simulate_county, states_at, true_risk

DAYS = (dt.date(2021, 12, 31), dt.date(2022, 12, 31))
MONTHS = 51
"""October 2019 to December 2023: a year beyond the last day."""


def ceilings(seed: int, *, households: int, futures: int) -> pd.DataFrame:
    """The ceiling of one county on each day, and what happened."""
    truth = simulate_county(n_households=households, months=MONTHS, seed=seed).truth
    states = states_at(DAYS, n_households=households, seed=seed)
    risks = [true_risk(states[day], parameters=default_parameters(), n_futures=futures, seed=seed) for day in DAYS]
    fell = {}
    for risk in risks:
        happened = fallen(truth, as_of=risk.as_of)
        numbers = happened.loc[happened["fell"], "household_id"].str.slice(-7).astype(int)
        fell[risk.as_of] = np.isin(np.arange(len(risk.at_risk)), numbers - 1)
    return ceiling(risks, fell=fell).frame().assign(seed=seed)


def pooled(table: pd.DataFrame, column: str) -> str:
    """Mean over the seeds with the interval of Student's t."""
    by_seed = table.groupby("seed")[column].mean()
    if len(by_seed) < 2:
        return f"{by_seed.mean():.3f}"
    half = stats.t.ppf(0.975, len(by_seed) - 1) * by_seed.std(ddof=1) / len(by_seed) ** 0.5
    return f"{by_seed.mean():.3f} ({by_seed.mean() - half:.3f}–{by_seed.mean() + half:.3f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="+", type=int)
    parser.add_argument("--futures", type=int, default=500)
    parser.add_argument("--households", type=int, default=5000)
    asked = parser.parse_args()
    print(
        "| seed | day | at risk | falls expected | fell | ceiling expected | low–high | realised |\n|---|---|---|---|---|---|---|---|"
    )
    parts = []
    for seed in asked.seeds:
        parts.append(ceilings(seed, households=asked.households, futures=asked.futures))
        for row in parts[-1].itertuples():
            print(
                f"| {seed} | {row.as_of:%Y-%m-%d} | {row.n_at_risk} | {row.expected_falls:.0f} | {row.falls:.0f} | {row.expected:.3f} | "
                f"{row.low:.3f}–{row.high:.3f} | {row.realised:.3f} |",
                flush=True,
            )
    table = pd.concat(parts)
    print(f"| all | | | | | {pooled(table, 'expected')} | | {pooled(table, 'realised')} |")


if __name__ == "__main__":
    main()
