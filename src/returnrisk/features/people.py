"""Members living in each household on the view's day, with their latest recorded state; used by several families."""

from __future__ import annotations

from typing import TYPE_CHECKING

from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir

ADULT_YEARS = 16
OLD_YEARS = 60


def living_members(view: View) -> ir.Table:
    """One row per member present on the day: household_id, relation, age_years, and the columns of `member` (not the protected ones)."""
    import ibis

    day = ibis.literal(view.day)
    spells = view.table("household_roster")
    here = spells.filter((spells.joined_on.isnull() | (spells.joined_on <= day)) & (spells.left_on.isnull() | (spells.left_on >= day)))
    states = view.table("member").rename(on_member="recorded_on").drop("sex", "ethnicity_group", "recorded_declared")
    t = here.select("person_id", "household_id", "relation").inner_join(states, "person_id")
    before_birthday = (view.day.month * 100 + view.day.day) < (t.born_on.month() * 100 + t.born_on.day())
    return t.mutate(age_years=view.day.year - t.born_on.year() - before_birthday.cast("int64"))
