"""Changed coding: codes that came or went, shares of codes that moved, amounts in another unit; by the month in which rows were recorded."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from returnrisk.config import DriftSpec
from returnrisk.contracts import Contract
from returnrisk.drift.stability_index import FloatArray, psi
from returnrisk.store.view import View
from returnrisk.timeline import add_months, month_end

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

YEAR = 12
ALL_ROWS = ""
"""In the place of a column: all rows of the table."""
LEAST_OF_A_CODE = 10
"""Rows that a code must have, or must have been expected to have, to come or go (assumed)."""
LEAST_PAST = 6
"""Earlier months under which it cannot be told what is usual."""
CODE_COLUMNS = ("table_name", "column", "code", "check", "n", "value", "past", "threshold", "result")
UNIT_COLUMNS = ("table_name", "column", "n", "median", "median_before", "value", "past", "threshold", "result")
UNITS = (10.0, 100.0, 10_000.0)
"""Factors between units in use: jiao, fen, 万元."""


def code_counts(view: View, *, tables: Collection[str]) -> pd.DataFrame:
    """Rows recorded in the month and in each of the 24 before, in all and by code.

    Returns
    -------
    DataFrame
        table_name, column, code, lag (0: the month that ends with the day), n; column and code are "" where all rows of a table are counted.
    """
    import pandas as pd

    parts = []
    for name in _known(view, tables):
        found = _counted(_recent(view, name), _coded(view.store.contracts[name]))
        parts.append(found.assign(table_name=name))
    order = ["table_name", "column", "code", "lag", "n"]
    return (
        pd.concat(parts, ignore_index=True)[order].sort_values(order, ignore_index=True) if parts else pd.DataFrame(columns=order)
    )


def code_drift(counted: pd.DataFrame, rule: DriftSpec) -> pd.DataFrame:
    """Coded columns of the month against the year before, from `code_counts`.

    Returns
    -------
    DataFrame
        `CODE_COLUMNS`, by table, column, check and code. check "shares": value is the index of the column's codes against the year before, past the
        largest that any of the twelve months before had against its own year. "appeared" (value: the code's share now) and "vanished" (its
        share in the year before) have a row where it happened, "codes" where nothing did. Columns with fewer than `min_rows` rows in the month are "cannot_tell".
    """
    import pandas as pd

    records: list[dict[str, Any]] = []
    for (name, column), part in counted[counted["column"] != ALL_ROWS].groupby(["table_name", "column"]):
        records += [{"table_name": name, "column": column, **r} for r in _of_column(part, rule)]
    return pd.DataFrame(records, columns=list(CODE_COLUMNS))


def unit_drift(view: View, rule: DriftSpec, *, tables: Collection[str]) -> pd.DataFrame:
    """Median of every amount above zero recorded in the month against that of the months of the year before.

    Returns
    -------
    DataFrame
        `UNIT_COLUMNS`, by table and column: n amounts in the month, median now, median of the months before, value (their ratio), past (the
        largest ratio, either way, of the twelve months before against the months before them).
    """
    import pandas as pd

    records: list[dict[str, Any]] = []
    for name in _known(view, tables):
        columns = [
            f.name
            for f in view.store.contracts[name].fields
            if f.type.startswith("decimal") and f.name.endswith(("_cny", "_cny_year"))
        ]
        if not columns:
            continue
        rows = _recent(view, name)
        measures = {c: rows[c].cast("float64").median(where=rows[c] > 0) for c in columns}
        measures |= {f"n_{c}": rows[c].count(where=rows[c] > 0) for c in columns}
        found = rows.group_by("lag").agg(**measures).to_pandas().set_index("lag").reindex(range(2 * YEAR + 1))
        for column in columns:
            n = found[f"n_{column}"].fillna(0).to_numpy(dtype=np.float64)
            medians = found[column].to_numpy(dtype=np.float64)
            records.append({"table_name": name, "column": column, **_of_amount(n, medians, rule)})
    return pd.DataFrame(records, columns=list(UNIT_COLUMNS))


def nearest_unit(ratio: float) -> float:
    """The factor between two units that a ratio of medians is nearest to, 1/10 000 to 10 000.

    Examples
    --------
    >>> nearest_unit(9100.0), nearest_unit(0.09)
    (10000.0, 0.1)
    """
    known = [factor for unit in UNITS for factor in (unit, 1 / unit)]
    return min(known, key=lambda factor: abs(np.log(ratio / factor)))


def _known(view: View, tables: Collection[str]) -> list[str]:
    stored = view.store.manifest.tables
    return [name for name in sorted(tables) if name in stored and not view.store.contracts[name].restricted]


def _coded(contract: Contract) -> list[str]:
    return [f.name for f in contract.fields if f.valid_values is not None and f.type == "string"]


def _recent(view: View, name: str) -> ir.Table:
    """Rows recorded in the month up to the day and the 24 before, with `lag` in months."""
    import ibis

    day = view.day
    rows = view.table(name)
    rows = rows.filter(rows.recorded_on > ibis.literal(add_months(day, -2 * YEAR - 1)))
    months = (day.year - rows.recorded_on.year()) * YEAR + day.month - rows.recorded_on.month()
    after = 0 if day == month_end(day) else (rows.recorded_on.day() > day.day).cast("int64")
    return rows.mutate(lag=(months - after).cast("int64"))


def _counted(rows: ir.Table, columns: list[str]) -> pd.DataFrame:
    """column, code, lag, n of all rows and of several coded columns, in one question to the engine."""
    import ibis

    def of(part: ir.Table, code: Any, column: str) -> ir.Table:
        return part.group_by("lag", code=code).agg(n=lambda t: t.count()).mutate(column=ibis.literal(column))

    parts = [of(rows, ibis.literal(""), ALL_ROWS), *(of(rows.filter(rows[c].notnull()), rows[c], c) for c in columns)]
    found: pd.DataFrame = (parts[0] if len(parts) == 1 else ibis.union(*parts)).to_pandas()
    return found


def _of_column(part: pd.DataFrame, rule: DriftSpec) -> list[dict[str, Any]]:
    """Both questions to one column: have its shares moved, and has a code come or gone."""
    counts = part.pivot_table(index="lag", columns="code", values="n", aggfunc="sum").reindex(range(2 * YEAR + 1)).fillna(0)
    counts = counts.sort_index(axis=1)
    table = counts.to_numpy(dtype=np.float64)
    size, n = table.shape[1], table.sum(axis=1)
    blank = {"code": "", "n": int(n[0]), "value": np.nan, "past": np.nan, "threshold": np.nan, "result": "cannot_tell"}
    few = n[0] < rule.min_rows or n[1 : YEAR + 1].sum() < rule.min_rows
    index = np.array([_against_year(table, lag, size) if n[lag] >= rule.min_rows else np.nan for lag in range(YEAR + 1)])
    past = index[1:][~np.isnan(index[1:])]
    if few or len(past) < LEAST_PAST:
        return [blank | {"check": check} for check in ("shares", "codes")]
    threshold = max(rule.codes_psi, rule.times_past * float(past.max()), 3 * (size - 1) / n[0])
    shares = {"value": float(index[0]), "past": float(past.max()), "threshold": threshold}
    moved = blank | shares | {"check": "shares", "result": "alarm" if index[0] > threshold else "fine"}
    changed = [
        blank | {"code": str(code), "check": check, "value": value, "threshold": rule.new_code_share, "result": "alarm"}
        for place, code in enumerate(counts.columns)
        for check, value in _came_or_went(table, place, rule)
    ]
    return [moved, *(changed or [blank | {"check": "codes", "threshold": rule.new_code_share, "result": "fine"}])]


def _came_or_went(table: FloatArray, place: int, rule: DriftSpec) -> list[tuple[str, float]]:
    """Whether the code at a place appeared or vanished in the month, and its share of the rows now or before."""
    n, before = table.sum(axis=1), table[1 : YEAR + 1]
    share_now, share_before = float(table[0, place] / n[0]), float(before[:, place].sum() / before.sum())
    if table[1:, place].sum() == 0 and share_now >= rule.new_code_share and table[0, place] >= LEAST_OF_A_CODE:
        return [("appeared", share_now)]
    # a code that is not used every month cannot be missed in one
    usual = share_before >= rule.new_code_share and share_before * n[0] >= LEAST_OF_A_CODE
    if table[0, place] == 0 and usual and (before[n[1 : YEAR + 1] > 0, place] > 0).all():
        return [("vanished", share_before)]
    return []


def _against_year(table: FloatArray, lag: int, size: int) -> float:
    year = table[lag + 1 : lag + 1 + YEAR].sum(axis=0)
    return float(psi(year, table[lag], size)) if year.sum() > 0 else float("nan")


def _of_amount(n: FloatArray, medians: FloatArray, rule: DriftSpec) -> dict[str, Any]:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(n >= rule.min_rows, np.log(medians), np.nan)
    usual = [float(np.nanmedian(logs[lag + 1 : lag + 1 + YEAR])) if np.isfinite(logs[lag + 1 : lag + 1 + YEAR]).any() else np.nan
             for lag in range(YEAR + 1)]  # fmt: skip
    moved = logs[: YEAR + 1] - np.array(usual)
    past = np.abs(moved[1:][~np.isnan(moved[1:])])
    empty = {"n": int(n[0]), "median": medians[0], "median_before": np.nan, "value": np.nan, "past": np.nan, "threshold": np.nan}
    if np.isnan(moved[0]) or len(past) < LEAST_PAST:
        return {**empty, "result": "cannot_tell"}
    threshold = max(float(np.log(rule.unit_factor)), rule.times_past * float(past.max()))
    return {
        "n": int(n[0]),
        "median": float(medians[0]),
        "median_before": float(np.exp(usual[0])),
        "value": float(np.exp(moved[0])),
        "past": float(np.exp(past.max())),
        "threshold": float(np.exp(threshold)),
        "result": "alarm" if abs(moved[0]) > threshold else "fine",
    }
