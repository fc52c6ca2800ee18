"""`guarantee_gap` (两不愁三保障 and water): a guarantee that held on `as_of` is missing on file on a later settlement day.

A register holds states, so the gap is dated by the record: what the offices had on file on each settlement day, by that day. A gap
that nobody wrote down is not seen: the outcome says where a warning will appear, and where nobody looks none does.

Gaps, of those the specification watches: `housing` grade C or D · `water` not safe · `schooling` a child out of compulsory school
in the latest term of twelve months · `medical` a member without health cover.

At risk: every household that is not monitored and of which every watched guarantee is known on `as_of` and held. Event: any of them
missing on a settlement day of the horizon (`first`) or on the last (`at_end`). Not computable: on one of the days the household has
no member, or one of them is unknown (an empty cell; no school file of its township within twelve months).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from returnrisk.accounts import delivered_months, population, window_frame
from returnrisk.config import Guarantee, OutcomeSpec
from returnrisk.outcomes.labels import Labels, label_days, labels_from
from returnrisk.store.view import View
from returnrisk.timeline import Window, month_end

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

UNSAFE_GRADES = ("C", "D")
COMPULSORY = ("primary", "lower_secondary")
OUT_OF_SCHOOL = ("suspended", "dropped_out")


def gaps(view: View, *, spec: OutcomeSpec) -> ir.Table:
    """Whether a watched guarantee is missing on the view's day.

    Returns
    -------
    Ibis table, one row per household with a member: household_id, ending_on (the view's day), happened (NULL: not all are known).
    """
    import ibis

    people = population(view, [view.day])
    homes = people.mutate(township_code=people.village_code // 1000)
    t = homes
    for name in spec.guarantees:
        t = t.left_join(_GAPS[name](view, homes), "household_id").drop("household_id_right")
    found = [t[f"gap_{name}"] for name in spec.guarantees]
    known, missing = found[0].notnull(), found[0]
    for column in found[1:]:
        known, missing = known & column.notnull(), missing | column
    return t.select("household_id", ending_on=ibis.literal(view.day), happened=ibis.cases((known, missing)))


def guarantee_at_risk(table: pd.DataFrame, *, view: View, spec: OutcomeSpec) -> pd.Series:
    """Which rows of a snapshot are at risk: unmonitored, every watched guarantee known and held."""
    seen = gaps(view, spec=spec)
    held = seen.filter(~seen.happened).select("household_id").to_pandas()["household_id"]
    at_risk: pd.Series = (table["stratum"] != "monitored") & table["household_id"].isin(held)
    return at_risk


def guarantee_labels(at_risk: pd.DataFrame, *, as_of: dt.date, known: View, spec: OutcomeSpec) -> Labels:
    """What became of the households at risk on `as_of`, as known to the view `known` (arguments as in `fall_labels`)."""
    import ibis

    days = label_days(as_of, spec=spec)
    if days[-1] > known.day:
        return labels_from(at_risk, None, as_of=as_of, n_days=len(days))
    # a view of an earlier day knows less than `known`, never more
    seen = ibis.union(*(gaps(known.store.as_of(day), spec=spec) for day in days))
    return labels_from(at_risk, seen, as_of=as_of, n_days=len(days))


def _unsafe_house(view: View, homes: ir.Table) -> ir.Table:
    rows = view.table("household").semi_join(homes, "household_id")
    return rows.select("household_id", gap_housing=rows.housing_grade.isin(UNSAFE_GRADES))


def _unsafe_water(view: View, homes: ir.Table) -> ir.Table:
    rows = view.table("household").semi_join(homes, "household_id")
    return rows.select("household_id", gap_water=~rows.water_safe)


def _persons(view: View) -> ir.Table:
    import ibis

    day, spells = ibis.literal(view.day), view.table("household_roster")
    here = (spells.joined_on.isnull() | (spells.joined_on <= day)) & (spells.left_on.isnull() | (spells.left_on >= day))
    return spells.filter(here).select("household_id", "person_id").distinct()


def _uncovered(view: View, homes: ir.Table) -> ir.Table:
    import ibis

    who = _persons(view).semi_join(homes, "household_id")
    m = who.left_join(view.table("member").select("person_id", "health_cover"), "person_id").drop("person_id_right")
    found = m.group_by("household_id").agg(n=m.count(), n_known=m.health_cover.count(), lacking=(~m.health_cover).any())
    return found.select("household_id", gap_medical=ibis.cases((found.n == found.n_known, found.lacking)))


def _out_of_school(view: View, homes: ir.Table) -> ir.Table:
    import ibis

    year = window_frame([month_end(view.day)], window=Window("trailing", 12))
    start = Window("trailing", 12).bounds(month_end(view.day))[0]
    rows = view.table("schooling")
    rows = rows.filter((rows.term_start >= ibis.literal(start)) & (rows.term_start <= ibis.literal(view.day)))
    newest = ibis.row_number().over(ibis.window(group_by=rows.person_id, order_by=rows.term_start.desc())) == 0
    latest = rows.mutate(is_newest=newest).filter(lambda t: t.is_newest & t.stage.isin(COMPULSORY) & t.status.isin(OUT_OF_SCHOOL))
    out = latest.inner_join(_persons(view), "person_id").select("household_id").distinct().mutate(is_out=True)
    came = homes.semi_join(delivered_months(view, year, table="schooling"), "township_code").select("household_id")
    t = came.left_join(out, "household_id")
    return t.select("household_id", gap_schooling=t.is_out.fill_null(False))


_GAPS: Mapping[Guarantee, Callable[[View, ir.Table], ir.Table]] = {
    "housing": _unsafe_house,
    "water": _unsafe_water,
    "schooling": _out_of_school,
    "medical": _uncovered,
}
