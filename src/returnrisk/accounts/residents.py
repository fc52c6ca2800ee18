"""Who lives where: members of a household on a day, and the times in which it existed at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir


def population(view: View, ends: Sequence[dt.date]) -> ir.Table:
    """Households with at least one member on each of the days `ends`.

    Returns
    -------
    Ibis table, one row per household and day: household_id, ending_on, n_members, village_code.
    """
    import ibis

    days = dict(enumerate(sorted(set(ends))))
    spells = view.table("household_roster")

    def living(day: dt.date) -> Any:
        on = ibis.literal(day)
        return (spells.joined_on.isnull() | (spells.joined_on <= on)) & (spells.left_on.isnull() | (spells.left_on >= on))

    # a column for each day, then a row: no spell is repeated for every day it spans. Two spells of one person are one member
    persons = spells.group_by("household_id", "person_id").agg(**{f"lives_{k}": living(day).any() for k, day in days.items()})
    counted = persons.group_by("household_id").agg(**{f"n_{k}": persons[f"lives_{k}"].cast("int64").sum() for k in days})
    t = counted.cross_join(
        ibis.memtable([{"k": k, "ending_on": day} for k, day in days.items()], schema={"k": "int64", "ending_on": "date"})
    )
    n_members = ibis.cases(*((t.k == k, t[f"n_{k}"]) for k in days)).cast("int64")
    present = t.select("household_id", "ending_on", n_members=n_members).filter(lambda t: t.n_members > 0)
    homes = view.table("household").select("household_id", "village_code")
    return present.inner_join(homes, "household_id")


def stays(view: View) -> ir.Table:
    """Unbroken times in which a household had a member, one row each: household_id, begun_on (NULL: from before the register).

    A stay that follows another without a day between is the same one.
    """
    return view.derived("stays", lambda: _stays(view))


def _stays(view: View) -> ir.Table:
    import ibis

    spells = view.table("household_roster").select("household_id", "joined_on", "left_on")
    always = (ibis.literal(dt.date(1, 1, 1)), ibis.literal(dt.date(9999, 12, 30)))
    spells = spells.mutate(joined_on=spells.joined_on.fill_null(always[0]), left_on=spells.left_on.fill_null(always[1]))
    earlier = ibis.window(group_by=spells.household_id, order_by=[spells.joined_on, spells.left_on], preceding=(None, 1))
    t = spells.mutate(left_before=spells.left_on.max().over(earlier))
    begins = t.left_before.isnull() | (t.joined_on > (t.left_before + ibis.interval(days=1)).cast("date"))
    begun = t.filter(begins).select("household_id", begun_on="joined_on")
    return begun.mutate(begun_on=begun.begun_on.nullif(always[0])).distinct()


def young(view: View, windows: ir.Table) -> ir.Table:
    """Households whose present stay began within a window: household_id, ending_on, known_from (first day of its first whole month)."""
    import ibis

    begun = stays(view)
    late = begun.filter(begun.begun_on.notnull())
    inside = late.join(windows, [late.begun_on > windows.starts_on, late.begun_on <= windows.ending_on])
    latest = inside.group_by("household_id", "ending_on").agg(begun_on=inside.begun_on.max())
    whole = (latest.begun_on + ibis.interval(months=1) - ibis.interval(days=1)).cast("date").truncate("M")
    return latest.select("household_id", "ending_on", known_from=whole)


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


def claims_of_households(view: View) -> ir.Table:
    """Claims with the household the person lived in on the day of treatment: it paid, also for a member who has died or left since."""
    claims, spells = view.table("medical"), view.table("household_roster")
    lived = spells.select("person_id", "household_id", "joined_on", "left_on")
    inside = claims.join(
        lived,
        [
            claims.person_id == lived.person_id,
            lived.joined_on.isnull() | (lived.joined_on <= claims.treated_on),
            lived.left_on.isnull() | (lived.left_on >= claims.treated_on),
        ],
    ).drop("person_id_right", "joined_on", "left_on")
    return inside.distinct(on=["claim_id", "household_id"])
