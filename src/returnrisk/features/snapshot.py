"""A snapshot: one row per household of a day, with stratum, features and the dates of the records they rest on.

Only an as-of view enters, so nothing recorded after the day can. Values are rounded once, to float32, at the end; prediction and
explanation share them. Rows are sorted by household, so the same store gives the same bytes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.accounts import population
from returnrisk.config import OutcomeSpec
from returnrisk.errors import NotEnoughDataError
from returnrisk.features.catalogue import Context, Feature
from returnrisk.features.families import FAMILIES, catalogue
from returnrisk.features.people import living_members
from returnrisk.outcomes import account_end, account_path, strata
from returnrisk.store.view import View

if TYPE_CHECKING:
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


def build_snapshot(view: View, *, spec: OutcomeSpec, families: Iterable[str] | None = None) -> Snapshot:
    """Compute the features of every household with a member on the view's day.

    Parameters
    ----------
    view
        What was known on the day.
    spec
        Account, window and line rule, shared with the outcome.
    families
        Names of feature families; default all.

    Raises
    ------
    NotEnoughDataError
        No household has a member on the day.
    UnknownNameError
        A family that does not exist.
    """
    entries = catalogue(families)
    wanted = [FAMILIES[name] for name in FAMILIES if any(f.family == name for f in entries)]
    context = _context(view, spec)
    status = strata(view, context.path, spec=spec).to_pandas()
    if status.empty:
        raise NotEnoughDataError(f"no household has a member on {view.day}: is the day before the first delivery?")
    table = _status(status, view.day)
    for family in wanted:
        table = _add_family(table, family.build(context), [f.name for f in family.features])
    names = [f.name for f in entries]
    dates = sorted(c for c in table.columns if c.startswith("on_"))
    table[names] = table[names].astype("float32")
    ordered = table[[*STATUS_COLUMNS, *names, *dates]]
    return Snapshot(table=ordered, features=entries, as_of=view.day)


def _context(view: View, spec: OutcomeSpec) -> Context:
    con = view.store.con

    def kept(name: str, rows: Any) -> Any:
        return con.create_table(f"snapshot_{name}", rows, temp=True, overwrite=True)

    people = population(view, [view.day]).drop("ending_on")
    path = kept("path", account_path(view, spec=spec))
    return Context(
        view=view,
        spec=spec,
        ending_on=account_end(view, spec=spec),
        path=path,
        now=kept("now", path.filter(path.lag_months == 0)),
        homes=kept("homes", people.mutate(township_code=people.village_code // 1000)),
        members=kept("members", living_members(view)),
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


def _add_family(table: pd.DataFrame, rows: Any, names: list[str]) -> pd.DataFrame:
    """Join one family's rows; a record date another family already gave is kept as the later of the two."""
    import pandas as pd

    typed = rows.mutate(**{name: rows[name].cast("float64") for name in names})
    frame = typed.to_pandas()
    dates = [c for c in frame.columns if c.startswith("on_")]
    frame[dates] = frame[dates].apply(pd.to_datetime)
    shared = [c for c in dates if c in table.columns]
    joined = table.merge(
        frame.rename(columns={c: f"{c}__new" for c in shared}), on="household_id", how="left", validate="one_to_one"
    )
    for column in shared:
        joined[column] = joined[[column, f"{column}__new"]].max(axis=1)
    return joined.drop(columns=[f"{c}__new" for c in shared])
