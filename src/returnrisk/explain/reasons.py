"""From contributions to reasons: families that raise the risk, each shown by the fact in it that weighs most.

Grain of the result: one row per household and position (1 = weighs most). A family's contribution is the sum over its features; it
is shown through its feature with the largest contribution among those with a recorded value, with the household's own value, the
township's median (share for yes/no facts; the county's where a township has fewer than `MINIMUM_COMPARED` households) and the day
the record was made. Attitudes and legal records cannot appear: no contract collects them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from returnrisk.explain.contributions import Contributions
from returnrisk.explain.words import reason_texts
from returnrisk.features.catalogue import Feature

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MINIMUM_COMPARED = 5
REASON_COLUMNS = (
    "household_id", "position", "family", "feature", "value", "comparison", "record_date", "contribution",
    "text_zh", "text_en", "verify_zh", "verify_en",
)  # fmt: skip


def reasons_for(
    rows: pd.DataFrame, contributions: Contributions, *, features: tuple[Feature, ...], population: pd.DataFrame, top: int
) -> pd.DataFrame:
    """The `top` reasons of each household.

    Parameters
    ----------
    rows
        Snapshot rows of the households to explain, in the order of `contributions`.
    features
        Catalogue entries, in column order.
    population
        The whole snapshot of the day: comparisons are taken from it.
    top
        Reasons per household; fewer where fewer families raise the risk, never fewer than one.

    Returns
    -------
    DataFrame
        Columns `REASON_COLUMNS`, sorted by household and position.
    """
    import numpy as np
    import pandas as pd

    members = families_of(features)
    families = list(members)
    sums = np.column_stack([contributions.values[:, members[name]].sum(axis=1) for name in families])
    values = rows[[f.name for f in features]].to_numpy("float64")
    shown = {name: shown_features(contributions.values, values, columns) for name, columns in members.items()}
    typical = _comparisons(population, features)
    order = np.argsort(-sums, axis=1, kind="stable")
    records = rows.to_dict("list")
    by_name = {f.name: f for f in features}
    made: list[dict[str, Any]] = []
    for i in range(len(rows)):
        kept = [j for j in order[i, :top] if sums[i, j] > 0] or [int(order[i, 0])]
        for position, j in enumerate(kept, start=1):
            feature = features[shown[families[j]][i]]
            feature = by_name.get(feature.shown_as or feature.name, feature)
            made.append(_reason(records, i, feature, position, float(sums[i, j]), typical))
    return pd.DataFrame(made, columns=list(REASON_COLUMNS)).sort_values(
        ["household_id", "position"], kind="stable", ignore_index=True
    )


def families_of(features: tuple[Feature, ...]) -> dict[str, list[int]]:
    """Columns of every family, in the order in which families and features come."""
    columns: dict[str, list[int]] = {}
    for i, feature in enumerate(features):
        columns.setdefault(feature.family, []).append(i)
    return columns


def shown_features(contributions: np.ndarray, values: np.ndarray, columns: list[int]) -> np.ndarray:
    """For each row the column of a family to show: largest contribution among recorded values, else among all.

    `contributions` and `values` are (n, p); `columns` are the family's.
    """
    import numpy as np

    mine, unknown = contributions[:, columns], np.isnan(values[:, columns])
    recorded = np.where(unknown, -np.inf, mine)
    best = np.where(unknown.all(axis=1), mine.argmax(axis=1), recorded.argmax(axis=1))
    shown: np.ndarray = np.asarray(columns)[best]
    return shown


def _comparisons(population: pd.DataFrame, features: tuple[Feature, ...]) -> dict[tuple[int, str], tuple[float, bool]]:
    """Median (mean for flags) by township and feature, and whether it is the county's because the township is too small."""
    names = [f.name for f in features]
    flags = [f.name for f in features if f.unit == "flag"]
    others = [n for n in names if n not in flags]
    by_town = population.groupby("township_code", sort=True)
    table = by_town[others].median().join(by_town[flags].mean())
    counts = by_town[names].count()
    county = {**population[others].median().to_dict(), **population[flags].mean().to_dict()}
    return {
        (int(town), name): (float(table.loc[town, name]), False)
        if counts.loc[town, name] >= MINIMUM_COMPARED
        else (float(county[name]), True)
        for town in table.index
        for name in names
    }


def _reason(
    records: dict[Any, list[Any]],
    i: int,
    feature: Feature,
    position: int,
    contribution: float,
    typical: dict[tuple[int, str], tuple[float, bool]],
) -> dict[str, Any]:
    import pandas as pd

    value = float(records[feature.name][i])
    comparison, of_county = typical[records["township_code"][i], feature.name]
    recorded = records.get(f"on_{feature.record}", [pd.NaT] * (i + 1))[i]
    day = "" if pd.isna(recorded) else f"{recorded:%Y-%m-%d}"
    text_zh, text_en = reason_texts(
        feature, value, comparison, day, line_cny_year=float(records["line_cny_year"][i]), of_county=of_county
    )
    if feature.family == "income" and records.get("stratum", [""] * (i + 1))[i] == "not_computable":
        text_zh, text_en = (
            f"{text_zh}（收入资料不全，按已到月份折算）",
            f"{text_en} (income on file is incomplete; scaled from the months that arrived)",
        )
    return {
        "household_id": records["household_id"][i], "position": position, "family": feature.family, "feature": feature.name,
        "value": value, "comparison": comparison, "record_date": recorded, "contribution": contribution,
        "text_zh": text_zh, "text_en": text_en, "verify_zh": feature.verify_zh, "verify_en": feature.verify_en,
    }  # fmt: skip


def below_line_reasons(rows: pd.DataFrame) -> pd.DataFrame:
    """The reason of households already below the line and not under monitoring: must-visits.

    Parameters
    ----------
    rows
        Snapshot rows of stratum `below_line`.
    """
    import pandas as pd

    made = []
    for row in rows.sort_values("household_id").to_dict("records"):
        recorded = row.get("on_income", pd.NaT)
        net = math.floor(row["net_head_cny_year"])  # never rounded up to the line itself
        made.append(
            {
                "household_id": row["household_id"], "position": 1, "family": "income", "feature": "income_line_ratio",
                "value": row["net_head_cny_year"] / row["line_cny_year"], "comparison": 1.0, "record_date": recorded, "contribution": float("nan"),
                "text_zh": f"人均纯收入{net:,}元，已低于监测线{row['line_cny_year']:,.0f}元，且未纳入监测（截至{row['account_on']:%Y-%m-%d}）",
                "text_en": f"net income per head {net:,} yuan is already below the line of "
                f"{row['line_cny_year']:,.0f} and the household is not monitored (up to {row['account_on']:%Y-%m-%d})",
                "verify_zh": "核实收入下降原因，符合条件的按程序申请监测或救助",
                "verify_en": "Find out why income fell; where conditions hold, start the application for monitoring or aid",
            }
        )  # fmt: skip
    return pd.DataFrame(made, columns=list(REASON_COLUMNS))
