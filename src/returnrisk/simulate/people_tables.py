"""Canonical tables of places and people: village, household, household_roster, member, identity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from returnrisk.simulate import names
from returnrisk.simulate.coding import NO_DAY, Naming, coded, days, joined
from returnrisk.simulate.filing import steady
from returnrisk.simulate.month import Month
from returnrisk.simulate.records import MonthRecords, photograph
from returnrisk.simulate.state import EDUCATIONS, EMPLOYMENT, GROUPS, HEALTHS, HOUSING, LABOURS, RELATIONS, SEXES, Ints


def villages(naming: Naming, start: Month) -> pd.DataFrame:
    """One row per village."""
    villages = naming.state.villages
    return pd.DataFrame(
        {
            "village_code": villages.code,
            "village_name": naming.village,
            "township_name": [names.TOWNSHIPS[t] for t in villages.township],
            "poverty_village": villages.poverty,
            "key_village": villages.key,
            "resettlement_site": villages.resettlement,
            "remote": villages.remote,
            "minority_area": villages.minority,
            "recorded_on": days(np.full(len(villages.code), start.first_day)),
        }
    )


def households(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    """One row per household and change of house or water."""
    state, rows = naming.state.households, [r.household for r in records]
    here = np.flatnonzero(start.alive())
    n, who = len(here), joined(here, rows, "subject")
    values = joined(photograph(start).households[here], rows, "values")
    card = _copied_from(start, who, state.village)
    return pd.DataFrame(
        {
            "household_id": naming.household.take(who),
            "village_code": naming.state.villages.code[values[:, 2]],
            "registered_type": coded(("general", "ex_poor"), state.ex_poor[who]),
            "registered_on": days(state.registered_day[who]),
            "resettled": state.resettled[who],
            "housing_grade": coded(HOUSING, values[:, 0]),
            "water_safe": values[:, 1].astype(bool),
            "flood_prone": state.flood_prone[who],
            "rooms": state.rooms[card],
            "land_mu": state.land_mu[card],
            "recorded_on": days(joined(np.full(n, start.first_day), rows, "recorded")),
        }
    )


def _copied_from(start: Month, who: Ints, village: Ints) -> Ints:
    """Whose land and rooms stand on each household's card: its own, or by copying those of its neighbour on the list (DOMAIN 7.4)."""
    p, before = start.parameters.traps, np.maximum(who - 1, 0)
    copied = (steady(who, 41) < p.p_card_copied) & (village[who] == village[before]) & p.sloppy_reporting
    return np.where(copied, before, who)


def roster(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    """One row per person and change of membership or relation."""
    persons, rows = start.state.persons, [r.roster for r in records]
    here = np.flatnonzero(persons.present)
    first = np.column_stack([persons.relation[here], persons.joined_day[here], np.full(len(here), NO_DAY), persons.household[here]])
    who = joined(here, rows, "subject")
    values = joined(first, rows, "values")
    return pd.DataFrame(
        {
            "person_id": naming.person.take(who),
            "household_id": naming.household.take(values[:, 3]),
            "relation": coded(RELATIONS, values[:, 0]),
            "joined_on": days(values[:, 1]),
            "left_on": days(values[:, 2]),
            "recorded_on": days(joined(np.full(len(here), start.first_day), rows, "recorded")),
        }
    )


def members(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    """One row per person and change of particulars."""
    persons, rows = naming.state.persons, [r.member for r in records]
    here = np.flatnonzero(start.state.persons.present)
    who = joined(here, rows, "subject")
    values = joined(photograph(start).members[here], rows, "values")
    return pd.DataFrame(
        {
            "person_id": naming.person.take(who),
            "sex": coded(SEXES, persons.male[who]),
            "ethnicity_group": coded(GROUPS, naming.state.households.minority[persons.household[who]]),
            "born_on": pd.Series(persons.born_day[who].astype("datetime64[D]").astype("datetime64[s]")),
            "education": coded(EDUCATIONS, values[:, 0]),
            "in_school": values[:, 1].astype(bool),
            "labour_capacity": coded(LABOURS, values[:, 2]),
            "employment": coded(EMPLOYMENT, values[:, 3]),
            "works_away": values[:, 4].astype(bool),
            "health": coded(HEALTHS, values[:, 5]),
            "disability_grade": values[:, 6],
            "health_cover": values[:, 7].astype(bool),
            "recorded_on": days(joined(np.full(len(here), start.first_day), rows, "recorded")),
        }
    )


def identities(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    """One row per household and head: names that are nobody's."""
    rows, before = [r.identity for r in records], photograph(start)
    here = np.flatnonzero(start.alive())
    n, who = len(here), joined(here, rows, "subject")
    heads, village = joined(np.column_stack([before.heads, before.households[:, 2]])[here], rows, "values").T
    townships = [names.TOWNSHIPS[t] for t in naming.state.villages.township]
    places = [f"模拟县{township}{name}" for township, name in zip(townships, naming.village, strict=True)]
    return pd.DataFrame(
        {
            "household_id": naming.household.take(who),
            "head_name": names.person_names(heads),
            "phone": names.telephones(who),
            "address": [f"{places[v]}{h + 1}号" for v, h in zip(village.tolist(), who.tolist(), strict=True)],
            "recorded_on": days(joined(np.full(n, start.first_day), rows, "recorded")),
        }
    )
