"""Tables authorisation and asset: what households allow an office to look up, and what it finds while they allow it."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate import filing
from returnrisk.simulate.filing import Note, Sheet, office_days
from returnrisk.simulate.month import Month
from returnrisk.simulate.state import Floats, Ints, Programme, Work

SCOPES = ("asset_query", "data_sharing")
ASSET_QUERY, DATA_SHARING = range(len(SCOPES))
KINDS = ("savings", "house", "vehicle", "business")
SAVINGS, HOUSE, VEHICLE, BUSINESS = range(len(KINDS))
AUTHORISATION = {
    "household_id": filing.households,
    "scope": filing.codes(SCOPES),
    "granted_on": filing.calendar,
    "valid_until": filing.calendar,
    "withdrawn_on": filing.calendar,
    "recorded_on": filing.calendar,
}
ASSET = {
    "household_id": filing.households,
    "kind": filing.codes(KINDS),
    "value_cny": filing.plain,
    "checked_on": filing.calendar,
    "recorded_on": filing.calendar,
}


def file_authorisations(note: Note) -> Sheet:
    """Those newly identified or newly on 低保 sign; a few take it back later."""
    month, p = note.month, note.month.parameters.means
    sheets = []
    asked = _asked(note)
    for scope, share in ((ASSET_QUERY, p.p_asset_query), (DATA_SHARING, p.p_data_sharing)):
        who = month.thinned(asked, share)
        n = len(who)
        granted = month.event_days(n)
        first = {
            "household_id": who,
            "scope": np.full(n, scope),
            "granted_on": granted,
            "valid_until": granted + p.valid_days,
            "withdrawn_on": np.full(n, -1),
            "recorded_on": office_days(month, granted, month.parameters.office.authorisation_days),
        }
        withdrawn = first["recorded_on"] + month.rng.integers(60, 200, n)
        again = first | {"withdrawn_on": withdrawn, "recorded_on": withdrawn + 1}
        sheets += [first, filing.pick(again, month.chance(p.p_withdrawn, n))]
    return filing.stacked(sheets)


def _asked(note: Note) -> Ints:
    """Households newly monitored or newly on 低保 this month."""
    was = np.zeros(note.month.state.n_households, dtype=bool)
    was[: len(note.before.subsidies)] = note.before.subsidies[:, Programme.DIBAO] > 0
    asked = ~was & (note.after.subsidies[:, Programme.DIBAO] > 0)
    if note.monitoring is not None:
        asked[note.monitoring.household[note.monitoring.eliminated < 0]] = True
    return np.flatnonzero(asked)


def file_assets(note: Note, authorisations: Sheet) -> Sheet:
    """One row for each asset found within two weeks of the authorisation."""
    month = note.month
    signed = (authorisations["scope"] == ASSET_QUERY) & (authorisations["withdrawn_on"] < 0)
    who, granted = authorisations["household_id"][signed], authorisations["granted_on"][signed]
    checked = granted + month.rng.integers(1, 15, len(who))
    values = _values(month, who)
    row, kind = np.nonzero(values > 0)
    day = checked[row]
    return {
        "household_id": who[row],
        "kind": kind,
        "value_cny": values[row, kind],
        "checked_on": day,
        "recorded_on": office_days(month, day, month.parameters.office.asset_days),
    }


def _values(month: Month, who: Ints) -> Floats:
    """CNY by household and kind, more where more is earned; 0: there is none."""
    p, n, persons = month.parameters.means, len(who), month.state.persons
    wealth = np.exp(month.state.households.ability[who])
    owners = month.per_household(persons.work == Work.SELF)[who] > 0
    values = np.zeros((n, len(KINDS)))
    values[:, SAVINGS] = np.maximum(month.net_year()[who], 0.0) * month.between(p.savings_share, n)
    values[:, HOUSE] = month.between(p.house_cny, n) * wealth
    values[:, VEHICLE] = month.between(p.vehicle_cny, n) * wealth * month.chance(p.p_vehicle, n)
    values[:, BUSINESS] = month.between(p.business_cny, n) * wealth * owners
    return np.round(values / 100) * 100
