"""Members living in each household on the view's day, with their latest recorded state; used by several families."""

from __future__ import annotations

from typing import TYPE_CHECKING

from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir

ADULT_YEARS = 16
OLD_YEARS = 60


def living_members(view: View) -> ir.Table:
    """One row per member present on the day: household_id, relation, age_years, and the columns of `member`.

    The protected ones are left out; all are NULL for a person of the roster whose state nobody recorded.
    """
    import ibis

    day = ibis.literal(view.day)
    spells = view.table("household_roster")
    here = spells.filter(
        (spells.joined_on.isnull() | (spells.joined_on <= day)) & (spells.left_on.isnull() | (spells.left_on >= day))
    )
    states = view.table("member").rename(on_member="recorded_on").drop("sex", "ethnicity_group", "recorded_declared")
    # two open spells of one person (a corrected first day makes a second key) are one member; a person without a state is one too
    persons = here.group_by("person_id", "household_id").agg(relation=here.relation.min())
    t = persons.left_join(states, "person_id").drop("person_id_right")
    before_birthday = (view.day.month * 100 + view.day.day) < (t.born_on.month() * 100 + t.born_on.day())
    return t.mutate(age_years=view.day.year - t.born_on.year() - before_birthday.cast("int64"))
