"""The monitoring line of a place on a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir


def lines_in_force(view: View, households: ir.Table) -> ir.Table:
    """The line of each household and day: the most specific area's latest one that was valid by then.

    Parameters
    ----------
    households
        Table with household_id, village_code and ending_on.

    Returns
    -------
    Ibis table: household_id, ending_on, line_cny_year (NULL where no line was in force).
    """
    at = households.select("household_id", "ending_on", "village_code").distinct()
    lines = lines_of_places(view, at.select("village_code", "ending_on").distinct())
    return at.left_join(lines, ["village_code", "ending_on"]).select("household_id", "ending_on", "line_cny_year")


def lines_of_places(view: View, places: ir.Table) -> ir.Table:
    """The line of each village and day of `places` that has one: village_code, ending_on, line_cny_year."""
    import ibis

    line = view.table("line").select("area_code", "valid_from", "line_cny_year")
    village = places.village_code
    candidates = ibis.union(
        *(places.mutate(area_code=village // 10**digits, level=ibis.literal(6 - digits, "int8")) for digits in (0, 3, 6))
    )
    valid = candidates.join(line, ["area_code", candidates.ending_on >= line.valid_from])
    best = ibis.row_number().over(
        ibis.window(group_by=[valid.village_code, valid.ending_on], order_by=[valid.level.desc(), valid.valid_from.desc()])
    )
    return valid.mutate(choice=best).filter(lambda t: t.choice == 0).select("village_code", "ending_on", "line_cny_year")
