"""Which sources came late, not at all, or with far fewer rows than usual.

Lateness is told by the register of deliveries, whose rows already leave out what was only half a delivery (ING020). A source's age is the
number of months since the end of the latest period it has delivered; it is held against the ages of the 24 months before, each as it was
known then, so that an office that reports by the quarter is not late twice in a quarter. Usual is the third largest of them (what happened
once or twice is no habit), or the age in the same month of either year before, if that was larger (a short February). Earlier months are looked
at some days before their end (`late_days`), so that a file that always comes about the end of a month is not late when it comes just after it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from returnrisk.config import DriftSpec
from returnrisk.drift.coding import ALL_ROWS
from returnrisk.store.view import View
from returnrisk.timeline import add_months

if TYPE_CHECKING:
    import pandas as pd

MONTHS = 24
"""How far back tells what is usual."""
LEAST_MONTHS = 12
"""Months of ages or rows under which nothing is judged."""
COUNTY = 0
"""In the place of a township's code: the county."""
AGE_COLUMNS = ("table_name", "township_code", "age_months", "usual_months", "threshold", "result")
ROW_COLUMNS = ("table_name", "n", "usual", "year_before", "threshold", "result")


def delivery_ages(view: View, rule: DriftSpec, *, tables: Collection[str], expected: Collection[str] = ()) -> pd.DataFrame:
    """Age of every source, in the county and by township.

    Parameters
    ----------
    tables
        Those the model rests on.
    expected
        Those that had been delivered when the model was tested: one of them that has not come for two years is missing.

    Returns
    -------
    DataFrame
        `AGE_COLUMNS`, by table and township: township_code (0: the county, of whose townships the first to deliver counts), months, result
        ("alarm", "fine", "cannot_tell"). A township is not told what is true of the county. A source that never came has no row.
    """
    import pandas as pd

    files = _files(view, tables)
    places = pd.concat([files, files.assign(township_code=COUNTY)])
    ages = pd.DataFrame(
        {lag: _ages(places, add_months(view.day, -lag), early=rule.late_days if lag else 0) for lag in range(MONTHS + 1)}
    )
    gone = [name for name in sorted(expected) if name in tables and name not in set(files["table_name"])]
    rows = [
        {"table_name": name, "township_code": COUNTY, "age_months": float(MONTHS + 1), "usual_months": np.nan,
         "threshold": float(MONTHS), "result": "alarm"}
        for name in gone
    ]  # fmt: skip
    for (name, township), row in zip(ages.index, ages.to_numpy(), strict=True):
        before = np.sort(row[1:][~np.isnan(row[1:])])
        usual = float(np.nanmax([before[-3], row[LEAST_MONTHS], row[MONTHS]])) if len(before) >= LEAST_MONTHS else np.nan
        threshold = usual + rule.late_months
        late = "cannot_tell" if np.isnan(usual) else "alarm" if not row[0] < threshold else "fine"
        rows.append(
            {"table_name": name, "township_code": int(township), "age_months": float(row[0]), "usual_months": usual,
             "threshold": threshold, "result": late}
        )  # fmt: skip
    table = pd.DataFrame(rows, columns=list(AGE_COLUMNS)).sort_values(["table_name", "township_code"], ignore_index=True)
    county_late = set(table.loc[(table["township_code"] == COUNTY) & (table["result"] == "alarm"), "table_name"])
    said_already = (table["township_code"] != COUNTY) & table["table_name"].isin(county_late)
    return table[~said_already].reset_index(drop=True)


def _files(view: View, tables: Collection[str]) -> pd.DataFrame:
    """Deliveries of the last years: table_name, township_code, period_end, recorded_on."""
    import ibis

    known = view.table("delivery")
    recent = known.filter(
        known.table_name.isin(sorted(tables)) & (known.period_end > ibis.literal(add_months(view.day, -2 * MONTHS)))
    )
    days = recent.group_by("table_name", "township_code", "period_end").agg(recorded_on=recent.recorded_on.min())
    found: pd.DataFrame = days.to_pandas().astype({"period_end": "datetime64[s]", "recorded_on": "datetime64[s]"})
    return found


def _ages(files: pd.DataFrame, day: dt.date, *, early: int) -> pd.Series[Any]:
    """Months to `day` since the end of the latest period that had come `early` days before it, by table and place."""
    import pandas as pd

    seen_on = pd.Timestamp(day) - pd.Timedelta(days=early)
    known = files[(files["recorded_on"] <= seen_on) & (files["period_end"] > pd.Timestamp(add_months(day, -MONTHS)))]
    latest = known.groupby(["table_name", "township_code"])["period_end"].max()
    ages: pd.Series[Any] = ((day.year - latest.dt.year) * 12 + day.month - latest.dt.month).astype("float64")
    return ages


def row_counts(counted: pd.DataFrame, rule: DriftSpec) -> pd.DataFrame:
    """Rows that each table got in the month, against the months before.

    Parameters
    ----------
    counted
        `coding.code_counts`.

    Returns
    -------
    DataFrame
        `ROW_COLUMNS`, by table: n in the month; usual, the second smallest of the twelve months before; year_before, of the same month; threshold, the
        rule's share of the smaller of the two. Tables with fewer than `min_rows` usual rows are "cannot_tell".
    """
    import pandas as pd

    rows = []
    for name, part in counted[counted["column"] == ALL_ROWS].groupby("table_name"):
        of = part.set_index("lag")["n"].reindex(range(LEAST_MONTHS + 1), fill_value=0)
        usual, year_before = float(of.iloc[1:].nsmallest(2).iloc[-1]), float(of.iloc[LEAST_MONTHS])
        least = rule.rows_share * min(usual, year_before)
        result = "cannot_tell" if usual < rule.min_rows else "alarm" if of.iloc[0] < least else "fine"
        rows.append(
            {
                "table_name": name,
                "n": int(of.iloc[0]),
                "usual": usual,
                "year_before": year_before,
                "threshold": least,
                "result": result,
            }
        )
    return pd.DataFrame(rows, columns=list(ROW_COLUMNS))
