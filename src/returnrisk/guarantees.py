"""The four guarantees (两不愁三保障 and water) on a day: held, missing, or not known.

A register holds states, so a gap is dated by the record: it is what the offices have on file on the view's day. A gap that nobody
wrote down is not seen.

- `housing`: grade C or D is a gap; no grade on file is unknown.
- `water`: not safe is a gap; an empty cell is unknown.
- `schooling`: a gap where a member's latest term of twelve months is one of compulsory school, suspended or dropped out of;
  unknown where no school file of the township came within twelve months.
- `medical`: a gap where a member has no health cover; unknown where one member's cover is not on file.

Source: DOMAIN §4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, get_args

from returnrisk.accounts import delivered_months, population, window_frame
from returnrisk.config import Guarantee
from returnrisk.store.view import View
from returnrisk.timeline import Window, month_end

if TYPE_CHECKING:
    import ibis.expr.types as ir

GUARANTEES: tuple[Guarantee, ...] = get_args(Guarantee)
UNSAFE_GRADES = ("C", "D")
COMPULSORY = ("primary", "lower_secondary")
OUT_OF_SCHOOL = ("suspended", "dropped_out")


def guarantee_gaps(view: View, *, guarantees: Sequence[Guarantee] = GUARANTEES) -> ir.Table:
    """Which guarantees are missing on the view's day.

    Parameters
    ----------
    guarantees
        Those that are looked at.

    Returns
    -------
    Ibis table, one row per household with a member on the day: household_id, n_members, village_code, township_code and one
    gap_<guarantee> for each (True: missing, False: held, NULL: not known).
    """
    people = population(view, [view.day]).drop("ending_on")
    homes = people.mutate(township_code=people.village_code // 1000)
    t = homes
    for name in guarantees:
        t = t.left_join(_GAPS[name](view, homes), "household_id").drop("household_id_right")
    return t


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
