"""Causes of 减收 against the simulator's known shocks: python benchmarks/screening_causes.py SEED [SEED ...] [--households 5000].

Each seed's county is simulated, put on file, ingested and screened on 28 July 2023 and 2024. Prints the tables of docs/screening.md: for
every cause with a shock of its own, precision and recall among households with a fall; what the others were named beside; and how far
the projection was from what the year brought.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
from pathlib import Path

import pandas as pd

from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.policy import load_policy
from returnrisk.screening.cause_catalogue import CAUSES
from returnrisk.screening.income_screening import IncomeScreening, screen_income
from returnrisk.simulate import SimulatedCounty, simulate_county, write_inbox
from returnrisk.store.pseudonyms import pseudonymise
from returnrisk.store.view import open_store
from returnrisk.timeline import add_months

KEY = b"a key for timing causes"
START, MONTHS = dt.date(2020, 10, 1), 48
DAYS = (dt.date(2023, 7, 28), dt.date(2024, 7, 28))
LOOKBACK_MONTHS = 12
"""Shocks count from so many months before this year's first day: the policy's `cause_lookback_months`."""
SHOCKS = {
    "job_lost": ("job_loss", "laid_off_together"),
    "dividend_cut": ("business_failed",),
    "dibao_cancelled": ("dibao_lost",),
    "disaster": ("weather", "herd", "harvest", "calamity"),
}
"""Causes with a shock of their own. `business_failed` counts for households linked to a project only; the others have a business."""
SOURCE = {"job_lost": "wage", "dividend_cut": "operating", "dibao_cancelled": "transfer", "disaster": "operating"}
OTHER_SHOCKS = ("illness", "disability", "death", "remittance_lost", "wage_default", "business_failed")
"""Shocks that none of the first nine causes speaks of."""


def shocked(county: SimulatedCounty, found: IncomeScreening) -> pd.DataFrame:
    """One row per household, one flag per cause and shock: whether it struck in the window; by pseudonym."""
    truth = county.truth
    since = pd.Timestamp(add_months(found.comparison.this_start, -LOOKBACK_MONTHS))
    inside = truth[(truth["month_end"] >= since) & (truth["month_end"] <= pd.Timestamp(add_months(found.day, 1).replace(day=1)))]
    flags = inside.groupby("household_id")[[c for c in truth if c.startswith("shock_")]].any()
    linked = flags.index.isin(county.tables["industry_project"]["household_id"])
    wide = pd.DataFrame({name: flags[[f"shock_{s}" for s in shocks]].any(axis=1) for name, shocks in SHOCKS.items()})
    wide["dividend_cut"] &= linked
    wide["other"] = flags[[f"shock_{s}" for s in OTHER_SHOCKS]].any(axis=1)
    wide["any"] = flags.any(axis=1)
    numbers = pseudonymise(wide.index.astype(str), kind="household", key=KEY)
    return wide.set_axis([numbers[str(h)] for h in wide.index], axis=0)


def scored(county: SimulatedCounty, found: IncomeScreening) -> pd.DataFrame:
    """One row per household with a fall: named_<cause>, true_<cause>, fell_<source>."""
    changes, causes = found.frame("changes"), found.frame("causes")
    fell = changes.pivot_table(index="household_id", columns="source", values="verdict", aggfunc="first") == "fall"
    fell = fell[fell.any(axis=1)].add_prefix("fell_")
    named = pd.crosstab(causes["household_id"], causes["cause"]).gt(0).reindex(columns=[c.code for c in CAUSES], fill_value=False)
    true = shocked(county, found).add_prefix("true_")
    out = fell.join(named.add_prefix("named_")).join(true)
    return out.fillna(dict.fromkeys(out, False)).astype(bool)


def evidenced(found: IncomeScreening, rows: pd.DataFrame) -> pd.DataFrame:
    """One row per household and cause with a shock of its own: its evidence, and whether the shock struck."""
    causes = found.frame("causes")
    causes = causes[causes["cause"].isin(SHOCKS)]
    state = causes["detail"].where(causes["table_name"] == "industry_project", "")
    struck = [bool(rows.at[h, f"true_{c}"]) for h, c in zip(causes["household_id"], causes["cause"], strict=True)]
    return pd.DataFrame({"cause": causes["cause"], "evidence": causes["table_name"] + " " + state, "struck": struck})


def projected(county: SimulatedCounty, found: IncomeScreening) -> pd.DataFrame:
    """Total of the year as projected and as it was, where the whole of both years is in the comparison."""
    numbers = pseudonymise(county.truth["household_id"].astype(str).unique(), kind="household", key=KEY)
    ends = county.truth[county.truth["month_end"] == pd.Timestamp(found.comparison.this_end)]
    was = pd.Series(ends["net_12m_cny"].to_numpy(), index=[numbers[h] for h in ends["household_id"]], name="was")
    t = found.frame("totals")
    t = t[t["missing"].isna() & (t["months_last"] == 12)].set_index("household_id").join(was, how="inner")
    last, made = t["last_cny"].astype(float), t["projected_cny"].astype(float)
    edge = 0.05 * last.abs()
    rise, fall = t["was"] - last > edge, last - t["was"] > edge
    verdict = pd.Series("level", index=t.index).mask(rise, "rise").mask(fall, "fall")
    return pd.DataFrame({"error": (made - t["was"]) / t["was"].abs(), "named": t["verdict"], "was": verdict})


def print_causes(rows: pd.DataFrame) -> None:
    """Markdown of the two tables of causes."""
    print(f"\nhouseholds with a fall: {len(rows)}\n")
    print(
        "| 原因 cause | shocks | named | struck | precision | recall | recall where the source fell | struck among all with a fall |"
    )
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for code, shocks in SHOCKS.items():
        named, true = rows[f"named_{code}"], rows[f"true_{code}"]
        material = true & rows[f"fell_{SOURCE[code]}"]
        shares = ((named & true).sum() / named.sum(), named[true].mean(), named[material].mean(), true.mean())
        shown = " | ".join(f"{share:.2f}" for share in shares)
        print(f"| {code} | {', '.join(shocks)} | {named.sum()} | {true.sum()} | {shown} |")
    print("\n| 原因 cause | named | of them struck by a shock of other | by any shock |\n|---|--:|--:|--:|")
    for cause in CAUSES:
        if cause.code not in SHOCKS and rows[f"named_{cause.code}"].any():
            those = rows[rows[f"named_{cause.code}"]]
            print(f"| {cause.code} | {len(those)} | {those['true_other'].mean():.2f} | {those['true_any'].mean():.2f} |")


def print_evidence(rows: pd.DataFrame) -> None:
    """Markdown of precision by what the cause was named on."""
    print("\n| 原因 cause | evidence | named | precision |\n|---|---|--:|--:|")
    for (cause, evidence), struck in rows.groupby(["cause", "evidence"])["struck"]:
        print(f"| {cause} | {evidence.strip()} | {len(struck)} | {struck.mean():.2f} |")


def print_projection(rows: pd.DataFrame) -> None:
    """Markdown of verdicts as projected and as the year turned out."""
    absolute = rows["error"].abs()
    print(f"\nprojection of the year: {len(rows)} households, median error {rows['error'].median():+.3f}, ", end="")
    print(f"median absolute error {absolute.median():.3f}, 90th percentile {absolute.quantile(0.9):.3f}\n")
    table = pd.crosstab(rows["named"], rows["was"])
    print("| projected \\ was | " + " | ".join(table.columns) + " |\n|---|" + "--:|" * len(table.columns))
    for name, counts in table.iterrows():
        print(f"| {name} | " + " | ".join(str(n) for n in counts) + " |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="+", type=int)
    parser.add_argument("--households", type=int, default=5000)
    asked = parser.parse_args()
    policy, scores, proofs, years = load_policy("national"), [], [], []
    for seed in asked.seeds:
        county = simulate_county(n_households=asked.households, months=MONTHS, start=START, seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            write_inbox(county, Path(folder) / "inbox")
            ingest_inbox(Path(folder) / "inbox", Path(folder) / "store", key=KEY)
            store = open_store(Path(folder) / "store", verify=False)
            for day in DAYS:
                found = screen_income(store.as_of(day), policy=policy)
                scores.append(scored(county, found))
                proofs.append(evidenced(found, scores[-1]))
                years.append(projected(county, found))
    print_causes(pd.concat(scores))
    print_evidence(pd.concat(proofs))
    print_projection(pd.concat(years))


if __name__ == "__main__":
    main()
