"""Simulated figures beside published ones: how far the county is from what is known of real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from returnrisk.simulate.county import SimulatedCounty
from returnrisk.simulate.month import has_job
from returnrisk.simulate.state import SIGNS, Item, ages

SOURCES = {"wage": (6, 9), "operating": (0, 6), "property": (9, 11), "transfer": (11, 17)}
"""Columns of the wide ledger (by `Item`) of each source of income."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One published figure: its name, what was published, the range a simulated one should lie in, and how to compute that."""

    name: str
    published: str
    source: str
    low: float
    high: float
    of: Callable[[SimulatedCounty], float]


def compare_with_published(county: SimulatedCounty) -> pd.DataFrame:
    """Simulated and published figures.

    Parameters
    ----------
    county
        A county that covers 2020 to 2023.

    Returns
    -------
    DataFrame
        One row per figure: figure, simulated, published (text), low, high (a range around the published figure, or the published
        range itself), within, source (with its firmness in FACTS: F firm, S one source, L weak, D computed).

    Examples
    --------
    >>> import datetime as dt
    >>> from returnrisk.simulate import simulate_county
    >>> table = compare_with_published(simulate_county(n_households=200, months=66, start=dt.date(2019, 1, 1), seed=1))
    >>> table.columns.tolist()
    ['figure', 'simulated', 'published', 'low', 'high', 'within', 'source']
    """
    rows = [(f.name, f.of(county), f.published, f.low, f.high, f.source) for f in FIGURES]
    table = pd.DataFrame(rows, columns=["figure", "simulated", "published", "low", "high", "source"])
    table["within"] = table["simulated"].between(table["low"], table["high"])
    return table[["figure", "simulated", "published", "low", "high", "within", "source"]]


def published_markdown(table: pd.DataFrame) -> str:
    """The table of `compare_with_published` as documentation shows it."""
    lines = ["| figure | simulated | published | taken as | within | source |", "|---|---|---|---|---|---|"]
    for row in table.itertuples():
        lines.append(
            f"| {row.figure} | {_short(row.simulated)} | {row.published} | {_short(row.low)} – {_short(row.high)} | "
            f"{'yes' if row.within else '**no**'} | {row.source} |"
        )
    return "\n".join(lines)


def _short(value: Any) -> str:
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 100 else f"{value:.3g}"


def _ex_poor(county: SimulatedCounty) -> set[str]:
    household = county.tables["household"]
    return set(household.loc[household["registered_type"] == "ex_poor", "household_id"])


def _net_a_head(year: int, *, ex_poor: bool | None = None) -> Callable[[SimulatedCounty], float]:
    def of(county: SimulatedCounty) -> float:
        truth = county.truth[county.truth["month_end"] == pd.Timestamp(year, 12, 31)]
        if ex_poor is not None:
            truth = truth[truth["household_id"].isin(_ex_poor(county)) == ex_poor]
        return float(truth["net_12m_cny"].sum() / truth["n_members"].sum())

    return of


def _year(county: SimulatedCounty, year: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """First entries of the ledger of a year, and their net amounts by column."""
    ledger = county.ledger.drop_duplicates(["household_id", "period_start"])
    ledger = ledger[ledger["period_start"].dt.year == year]
    return ledger, ledger.iloc[:, 2 : 2 + len(Item)].fillna(0.0) * SIGNS


def _share_of(source: str, *, year: int, ex_poor: bool = False) -> Callable[[SimulatedCounty], float]:
    def of(county: SimulatedCounty) -> float:
        ledger, net = _year(county, year)
        rows = net[ledger["household_id"].isin(_ex_poor(county))] if ex_poor else net
        first, last = SOURCES[source]
        return float(rows.iloc[:, first:last].to_numpy().sum() / rows.to_numpy().sum())

    return of


def _first_half(county: SimulatedCounty) -> float:
    ledger, net = _year(county, 2022)
    monthly = net.sum(axis=1).groupby(ledger["period_start"].dt.month).sum()
    return float(monthly.loc[1:6].sum() / monthly.sum())


def _quintile_ratio(county: SimulatedCounty) -> float:
    truth = county.truth[county.truth["month_end"] == pd.Timestamp(2021, 12, 31)].sort_values("net_per_head_cny")
    fifth = np.searchsorted(truth["n_members"].cumsum().to_numpy() / truth["n_members"].sum(), [0.2, 0.8])
    low, high = truth.iloc[: fifth[0]], truth.iloc[fifth[1] :]
    means = [part["net_12m_cny"].sum() / part["n_members"].sum() for part in (high, low)]
    return float(means[0] / means[1])


def _members(county: SimulatedCounty) -> float:
    truth = county.truth
    return float(truth["n_members"].sum() / len(truth))


def _migrant_age(county: SimulatedCounty) -> float:
    persons = county.state.persons
    away = persons.present & persons.away & has_job(persons.work)
    return float(ages(persons.born_day, county.state.month)[away].mean())


def _wage(place: tuple[str, ...]) -> Callable[[SimulatedCounty], float]:
    def of(county: SimulatedCounty) -> float:
        spells = county.tables["employment"]
        spells = spells[(spells["started_on"].dt.year == 2023) & spells["kind"].isin(["employee_formal", "employee_informal"])]
        return float(spells.loc[spells["place"].isin(place), "monthly_wage_cny"].mean())

    return of


def _post(county: SimulatedCounty) -> float:
    spells = county.tables["employment"]
    return float(spells.loc[spells["kind"] == "public_post", "monthly_wage_cny"].mean())


def _disabled(county: SimulatedCounty) -> float:
    persons = county.state.persons
    return float((persons.disability > 0)[persons.present].mean())


def _severe(county: SimulatedCounty) -> float:
    persons = county.state.persons
    grade = persons.disability[persons.present & (persons.disability > 0)]
    return float((grade <= 2).mean())


def _monitored_persons(county: SimulatedCounty) -> float:
    truth = county.truth
    return float(truth.loc[truth["monitored"], "n_members"].sum() / truth["n_members"].sum())


def _new_monitored(county: SimulatedCounty) -> float:
    rows = county.tables["monitoring"]
    new = rows[rows["eliminated_on"].isna() & rows["identified_on"].dt.year.isin([2020, 2021, 2022])]
    return float(len(new) / 3 / county.truth.groupby("month_end").size().mean())


def _eliminated(county: SimulatedCounty) -> float:
    """Share of the ever identified from 2018 on whose risk was closed by the county's end."""
    rows = county.tables["monitoring"]
    key = ["household_id", "identified_on"]
    return float(rows[rows["eliminated_on"].notna()].drop_duplicates(key).shape[0] / rows.drop_duplicates(key).shape[0])


def _catastrophic(county: SimulatedCounty) -> float:
    """Own cost of a year above 40% of what is left of income after subsistence, the national standard (two thirds of the line)."""
    claims = county.tables["medical"]
    claims = claims[claims["treated_on"].dt.year == 2021]
    home = county.tables["household_roster"].drop_duplicates("person_id", keep="last").set_index("person_id")["household_id"]
    own = claims.groupby(claims["person_id"].map(home))["out_of_pocket_cny"].sum()
    truth = county.truth[county.truth["month_end"] == pd.Timestamp(2021, 12, 31)].set_index("household_id")
    able = truth["net_12m_cny"] - truth["line_cny_year"] / 1.5 * truth["n_members"]
    return float((own.reindex(truth.index, fill_value=0.0) > 0.4 * able.clip(lower=1.0)).mean())


def _credit(county: SimulatedCounty) -> float:
    loans = county.tables["loan"]
    return float(loans[loans["kind"] == "micro_credit"].drop_duplicates("loan_id")["amount_cny"].mean())


def _falls(county: SimulatedCounty, *, ex_poor: bool, years: int) -> float:
    """Of those at risk at the end of 2019, the share ever below the line at a quarter end within `years`."""
    truth = county.truth
    now = truth[truth["month_end"] == pd.Timestamp(2019, 12, 31)]
    at_risk = now[~now["monitored"] & (now["net_per_head_cny"] >= now["line_cny_year"])]["household_id"]
    at_risk = at_risk[at_risk.isin(_ex_poor(county))] if ex_poor else at_risk
    later = truth[truth["month_end"].dt.is_quarter_end & truth["month_end"].dt.year.between(2020, 2019 + years)]
    below = later.loc[later["net_per_head_cny"] < later["line_cny_year"], "household_id"]
    return float(at_risk.isin(set(below)).mean())


FIGURES = (
    Figure("net income a head, ex-poor, 2021, CNY", "12 550", "FACTS F/D", 11_300, 13_800, _net_a_head(2021, ex_poor=True)),
    Figure("the same, 2022", "14 342", "FACTS F/D", 12_900, 15_800, _net_a_head(2022, ex_poor=True)),
    Figure("net income a head, all, 2021, CNY", "14 051 (脱贫县, disposable)", "FACTS F", 12_600, 15_500, _net_a_head(2021)),
    Figure("the same, 2022", "15 111", "FACTS F", 13_600, 16_600, _net_a_head(2022)),
    Figure("wage share, 2022", "0.42 rural 2023; 0.35 poor areas 2019", "FACTS F/S", 0.35, 0.55, _share_of("wage", year=2022)),
    Figure("operating share, 2022", "0.34; 0.36", "FACTS F/S", 0.22, 0.37, _share_of("operating", year=2022)),
    Figure("property share, 2022", "0.025; 0.014", "FACTS F/S", 0.01, 0.04, _share_of("property", year=2022)),
    Figure("transfer share, 2022", "0.21; 0.27", "FACTS F/S", 0.15, 0.28, _share_of("transfer", year=2022)),
    Figure("wage share, ex-poor, 2022", "0.665 (Yunnan)", "FACTS F", 0.5, 0.7, _share_of("wage", year=2022, ex_poor=True)),
    Figure(
        "operating share, ex-poor, 2022", "0.22 (Yunnan)", "FACTS F", 0.17, 0.27, _share_of("operating", year=2022, ex_poor=True)
    ),
    Figure("first half of the year's income", "0.488 (2024)", "FACTS D", 0.468, 0.508, _first_half),
    Figure("richest over poorest fifth, 2021", "7.5 (Fujian)", "FACTS F", 4.0, 8.0, _quintile_ratio),
    Figure("members a household", "3.35; 3.98; 3.90", "FACTS S/D", 3.35, 4.0, _members),
    Figure("mean age of migrants", "43.1 (2023)", "FACTS F", 41.5, 44.5, _migrant_age),
    Figure("monthly wage away, 2023, CNY", "5 441", "FACTS F", 4_600, 6_250, _wage(("province", "outside"))),
    Figure("monthly wage at home, 2023, CNY", "4 131", "FACTS F", 3_500, 4_750, _wage(("village", "county"))),
    Figure("public post, CNY a month", "300 – 1 500", "FACTS S", 300, 1_500, _post),
    Figure("disabled", "0.0634 (2006)", "FACTS S/D", 0.055, 0.08, _disabled),
    Figure("severe among the disabled", "0.296", "FACTS S/D", 0.26, 0.5, _severe),
    Figure(
        "monitored, stock of persons", "0.0263 (Baoshan 2021); plans about 0.05", "FACTS S; DOMAIN", 0.02, 0.05, _monitored_persons
    ),
    Figure("newly monitored a year", "0.0093 (Baoshan 2021)", "FACTS D", 0.0093, 0.015, _new_monitored),
    Figure("eliminated among those ever monitored", "0.25 – 0.62; 0.68", "FACTS S/F", 0.25, 0.7, _eliminated),
    Figure("catastrophic health spending, 2021", "0.109 or 0.183 (rural 2018)", "FACTS F", 0.08, 0.2, _catastrophic),
    Figure("micro-credit, mean, CNY", "about 43 000", "FACTS F/D", 40_000, 46_000, _credit),
    Figure(
        "ex-poor who fall within 4 years",
        "about 0.15 relapse in 3 – 5 years",
        "FACTS F",
        0.08,
        0.2,
        lambda c: _falls(c, ex_poor=True, years=4),
    ),
)
