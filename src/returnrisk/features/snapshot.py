"""A snapshot: one row per household of a day, with stratum, features and the dates of the records they rest on.

Only an as-of view enters, so nothing recorded after the day can. Values are rounded once, to float32, at the end; prediction and
explanation share them. Rows are sorted by household, so the same store gives the same bytes.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.accounts import kept_periods, living_members, population, window_income
from returnrisk.config import OutcomeSpec
from returnrisk.errors import NotEnoughDataError
from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import ARRIVING
from returnrisk.features.families import EVERY, catalogue
from returnrisk.outcomes import account_end, account_path, strata
from returnrisk.store.view import View
from returnrisk.timeline import Window, month_end

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import numpy as np
    import pandas as pd

STATUS_COLUMNS = (
    "household_id", "as_of", "village_code", "township_code", "stratum", "seen_below", "net_head_cny_year", "line_cny_year", "account_on",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Features of one day.

    Attributes
    ----------
    table
        One row per household: status columns, float32 features, `on_<record>` dates.
    features
        Catalogue entries of the feature columns, in order.
    as_of
        The day.
    """

    table: pd.DataFrame
    features: tuple[Feature, ...]
    as_of: dt.date

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    @property
    def names(self) -> list[str]:
        """Names of the feature columns."""
        return [f.name for f in self.features]

    def matrix(self) -> np.ndarray:
        """Features as float64 holding float32 values, shape (households, features), NaN where unknown."""
        return self.table[self.names].to_numpy("float64")


def build_snapshot(
    view: View, *, spec: OutcomeSpec, families: Iterable[str] | None = None, spent: dict[str, float] | None = None
) -> Snapshot:
    """Compute the features of every household with a member on the view's day.

    Parameters
    ----------
    view
        What was known on the day.
    spec
        Account, window and line rule, shared with the outcome.
    families
        Names of feature families; default all.
    spent
        Filled with the seconds of every step and family, for benchmarks.

    Raises
    ------
    NotEnoughDataError
        No household has a member on the day.
    UnknownNameError
        A family that does not exist.
    """
    entries = catalogue(families)
    wanted = [EVERY[name] for name in EVERY if any(f.family == name for f in entries)]
    clock = _Clock({} if spent is None else spent)
    with kept_periods(view):
        return _snapshot(view, spec, wanted, entries, clock=clock)


def _snapshot(view: View, spec: OutcomeSpec, wanted: list[Family], entries: tuple[Feature, ...], *, clock: _Clock) -> Snapshot:
    import pandas as pd

    clock.lap("periods")
    context = _context(view, spec)
    clock.lap("context")
    rows = strata(view, context.path, spec=spec).to_pandas()
    if rows.empty:
        raise NotEnoughDataError(f"no household has a member on {view.day}: is the day before the first delivery?")
    status = _status(rows, view.day)
    clock.lap("strata")
    households = status["household_id"].to_numpy()
    columns: dict[str, np.ndarray] = {}
    for family in wanted:
        built = None if _never_came(context, family) else family.build(context)
        _add_family(columns, built, family, households=households)
        clock.lap(family.name)
    ordered = [*(f.name for f in entries), *sorted(c for c in columns if c.startswith("on_"))]
    table = pd.concat([status, pd.DataFrame({name: columns.pop(name) for name in ordered})], axis=1)
    return Snapshot(table=table, features=entries, as_of=view.day)


class _Clock:
    """Seconds between laps, by name; nothing of it enters a snapshot."""

    def __init__(self, spent: dict[str, float]) -> None:
        self.spent, self.since = spent, time.perf_counter()

    def lap(self, name: str) -> None:
        """Book the time since the last lap under `name`."""
        now = time.perf_counter()
        self.spent[name], self.since = now - self.since, now


def _context(view: View, spec: OutcomeSpec) -> Context:
    con = view.store.con

    def kept(name: str, rows: Any) -> Any:
        return con.create_table(f"snapshot_{name}", rows, temp=True, overwrite=True)

    path = kept("path", account_path(view, spec=spec))
    now = kept("now", path.filter(path.lag_months == 0))
    files = kept("files", _recent_files(view))
    ending_on = account_end(view, spec=spec)
    ledger = kept("ledger", window_income(view, ends=[ending_on], window=spec.window).drop("recorded_declared", "ending_on"))
    return Context(
        view=view,
        spec=spec,
        ending_on=ending_on,
        path=path,
        now=now,
        ledger=ledger,
        items=kept("items", _items(ledger)),
        homes=kept("homes", _homes(view, now, files)),
        members=kept("members", living_members(view)),
        arrived=frozenset(files.select("table_name").distinct().to_pyarrow()["table_name"].to_pylist()),
    )


def _recent_files(view: View) -> ir.Table:
    """Which township delivered which table in the twelve months to the day: table_name, township_code, each once."""
    import ibis

    start, end = Window("trailing", 12).bounds(month_end(view.day))
    files = view.table("delivery")
    inside = files.filter((files.period_start >= ibis.literal(start)) & (files.period_end <= ibis.literal(end)))
    return inside.select("table_name", "township_code").distinct()


def _homes(view: View, now: ir.Table, files: ir.Table) -> ir.Table:
    people = population(view, [view.day]).drop("ending_on")
    people = people.mutate(township_code=people.village_code // 1000)
    flags = {f"arrived_{name}": (files.table_name == name).any() for name in ARRIVING}
    t = people.left_join(files.group_by("township_code").agg(**flags), "township_code").drop("township_code_right")
    lines = now.select("household_id", line_heads=now.n_members * now.line_cny_year)
    t = t.left_join(lines, "household_id").drop("household_id_right")
    return t.mutate(**{name: t[name].fill_null(False) for name in flags})


def _items(rows: ir.Table) -> ir.Table:
    return rows.group_by("household_id", "source", "item").agg(
        net_cny=rows.net_cny.sum(),
        gross_cny=rows.gross_cny.sum(),
        cost_cny=rows.cost_cny.sum(),
        on_income=rows.recorded_on.max(),
        estimated_cny=rows.gross_cny.sum(where=rows.estimated),
        stated_cny=rows.gross_cny.sum(where=rows.estimated.notnull()),
    )


def _status(status: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    import pandas as pd

    table = status.sort_values("household_id", kind="stable").reset_index(drop=True)
    table["as_of"] = pd.Timestamp(day)
    table["account_on"] = pd.to_datetime(table["account_on"])
    table["township_code"] = table["village_code"] // 1000
    table["line_cny_year"] = table["line_cny_year"].astype("float64")
    table["net_head_cny_year"] = table["net_head_cny_year"].astype("float64")
    return table[list(STATUS_COLUMNS)]


def _never_came(context: Context, family: Family) -> bool:
    """Whether nothing of the family can be known: no row of its tables in the store, and no township that delivered one of them."""
    stored = context.view.store.manifest.tables
    return bool(family.tables) and not any(
        name in context.arrived or (name in stored and stored[name].n_rows > 0) for name in family.tables
    )


def _add_family(columns: dict[str, np.ndarray], rows: ir.Table | None, family: Family, *, households: np.ndarray) -> None:
    """Add one family's columns in the order of `households` (no rows: all unknown).

    A record date another family already gave is kept as the later of the two.
    """
    import numpy as np
    import pandas as pd

    names, dates = [f.name for f in family.features], family.records()
    found, at = None, np.full(len(households), -1)
    if rows is not None:
        found = rows.select("household_id", *dates, **{name: rows[name].cast("float64") for name in names}).to_pyarrow()
        at = pd.Index(found["household_id"].to_numpy()).get_indexer(households)  # refuses two rows of one household

    def in_order(name: str, unknown: Any, dtype: str) -> np.ndarray:
        values = np.empty(0, dtype) if found is None else found[name].to_numpy().astype(dtype)
        ordered: np.ndarray = np.append(values, np.array([unknown], dtype))[at]  # the last one, at -1, is for those without a row
        return ordered

    for name in names:
        columns[name] = in_order(name, np.nan, "float32")
    for name in dates:
        values = in_order(name, "NaT", "datetime64[ns]")
        columns[name] = np.fmax(columns[name], values) if name in columns else values  # NaT is left aside
