"""What households are told apart by and may never be scored with: sex and ethnicity group of the head, minority area.

Read from the view of the day itself, because no snapshot holds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from returnrisk.features.common import where
from returnrisk.store.view import View

if TYPE_CHECKING:
    import pandas as pd

ATTRIBUTES = ("head_sex", "head_ethnicity_group", "minority_area")


def household_attributes(view: View) -> pd.DataFrame:
    """Protected attributes of every household on file on the view's day.

    Returns
    -------
    pandas.DataFrame
        One row per household, sorted: household_id, head_sex ("female", "male"), head_ethnicity_group ("minority", "majority"),
        minority_area (1.0, 0.0, of the village lived in). Missing where the files do not say, and where two heads differ.
    """
    import ibis

    day = ibis.literal(view.day)
    spells = view.table("household_roster")
    here = (spells.joined_on.isnull() | (spells.joined_on <= day)) & (spells.left_on.isnull() | (spells.left_on >= day))
    heads = spells.filter(here & (spells.relation == "head")).select("household_id", "person_id").distinct()
    states = view.table("member").select("person_id", "sex", "ethnicity_group")
    people = heads.left_join(states, "person_id")

    def agreed(value: Any) -> Any:
        return where(value.min() == value.max(), value.min())

    persons = people.group_by("household_id").agg(head_sex=agreed(people.sex), head_ethnicity_group=agreed(people.ethnicity_group))
    villages = view.table("village")
    places = villages.select("village_code", minority_area=villages.minority_area.cast("float64"))
    homes = view.table("household").select("household_id", "village_code")
    t = homes.left_join(places, "village_code").drop("village_code_right")
    t = t.left_join(persons, "household_id").drop("household_id_right")
    found: pd.DataFrame = t.select("household_id", *ATTRIBUTES).order_by("household_id").to_pandas()
    return found
