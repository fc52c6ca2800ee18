"""Coded records to canonical frames, with baseline rows for what was on file at the start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from returnrisk.contracts import load_contracts
from returnrisk.simulate import names
from returnrisk.simulate.month import Month
from returnrisk.simulate.parameters import Parameters
from returnrisk.simulate.population import COUNTY_CODE
from returnrisk.simulate.records import MONTHLY_TABLES, MonthRecords, photograph
from returnrisk.simulate.state import (
    CATEGORIES,
    CHANNELS,
    CLAIM_KINDS,
    EDUCATIONS,
    EMPLOYMENT,
    GROUPS,
    HEALTHS,
    HOUSING,
    LABOURS,
    MEASURES,
    PROGRAMMES,
    RELATIONS,
    RISK_TYPES,
    SEXES,
    CountyState,
    Ints,
    Shock,
    first_day,
    last_day,
)

STATUSES = ("granted", "reduced", "cancelled")
_NO_DAY = -1


def coded(values: Sequence[str], codes: Any) -> Any:
    """Texts of code numbers."""
    return pd.array(list(values), dtype="str").take(np.asarray(codes, dtype=np.int64))


def days(numbers: Ints) -> pd.Series[Any]:
    """Day numbers as dates; negative ones are missing."""
    stamps = numbers.astype("datetime64[D]").astype("datetime64[s]")
    return pd.Series(np.where(numbers < 0, np.datetime64("NaT"), stamps))


class Naming:
    """Natural keys and fixed columns of households and persons."""

    def __init__(self, final: CountyState) -> None:
        persons = final.persons
        self.state = final
        self.household = names.household_numbers(final.n_households, county=COUNTY_CODE)
        self.person = names.identity_numbers(persons.born_day, persons.male, county=COUNTY_CODE)
        self.village = names.village_names(len(final.villages.code))


def wide_ledger(records: Sequence[MonthRecords], final: CountyState) -> pd.DataFrame:
    """All rows of the wide ledger; `file_month` is the month of the file a row comes in (later than its own for corrections)."""
    headers = [column.header for column in load_contracts()["income"].wide_columns]
    items = np.concatenate([r.ledger.items for r in records])
    household = np.concatenate([r.ledger.household for r in records])
    month = np.repeat([r.month for r in records], [len(r.ledger.household) for r in records])
    recorded = np.concatenate([r.ledger.recorded for r in records])
    correction = np.concatenate([r.ledger.correction for r in records])
    stamp = recorded.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + 1970 * 12
    frame = pd.DataFrame(items, columns=headers)
    frame.insert(0, "household_id", names.household_numbers(final.n_households, county=COUNTY_CODE).take(household))
    frame.insert(1, "period_start", _month_days(month, first_day))
    frame["recorded_on"] = days(recorded)
    frame["file_month"] = np.where(correction, np.maximum(stamp - 1, month + 1), month)
    return frame


def _month_days(months: Ints, edge: Callable[[int], int]) -> pd.Series[Any]:
    """First or last day of each month."""
    unique, place = np.unique(months, return_inverse=True)
    return days(np.array([edge(int(m)) for m in unique])[place])


def canonical_tables(
    records: Sequence[MonthRecords], ledger: pd.DataFrame, *, baseline: CountyState, final: CountyState, parameters: Parameters
) -> dict[str, pd.DataFrame]:
    """Every contract's table, columns in the contract's order."""
    naming = Naming(final)
    start = Month.of(baseline, np.random.default_rng(0), parameters)
    frames = {
        "village": _villages(naming, start),
        "household": _households(naming, start, records),
        "household_roster": _roster(naming, start, records),
        "member": _members(naming, start, records),
        "identity": _identities(naming, start, records),
        "income": _income(ledger),
        "medical": _medical(naming, records),
        "subsidy": _subsidies(naming, start, records),
        "support": _support(naming, start, records),
        "monitoring": _monitoring(naming, start, records),
        "delivery": _deliveries(naming, records),
        "line": _lines(parameters),
    }
    return {name: frames[name][list(load_contracts()[name].columns)] for name in sorted(frames)}


def _joined(first: Any, rows: Sequence[Any], field: str) -> Any:
    """Baseline values followed by those of every month."""
    return np.concatenate([first, *(getattr(r, field) for r in rows)])


def _villages(naming: Naming, start: Month) -> pd.DataFrame:
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


def _households(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    state, rows = naming.state.households, [r.household for r in records]
    n = naming.state.n_households
    who = _joined(np.arange(n), rows, "subject")
    values = _joined(photograph(start).households, rows, "values")
    return pd.DataFrame(
        {
            "household_id": naming.household.take(who),
            "village_code": naming.state.villages.code[state.village[who]],
            "registered_type": coded(("general", "ex_poor"), state.ex_poor[who]),
            "registered_on": days(state.registered_day[who]),
            "resettled": state.resettled[who],
            "housing_grade": coded(HOUSING, values[:, 0]),
            "water_safe": values[:, 1].astype(bool),
            "flood_prone": state.flood_prone[who],
            "rooms": state.rooms[who],
            "land_mu": state.land_mu[who],
            "recorded_on": days(_joined(np.full(n, start.first_day), rows, "recorded")),
        }
    )


def _roster(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    persons, rows = start.state.persons, [r.roster for r in records]
    here = np.flatnonzero(persons.present)
    first = np.column_stack([persons.relation[here], persons.joined_day[here], np.full(len(here), _NO_DAY)])
    who = _joined(here, rows, "subject")
    values = _joined(first, rows, "values")
    return pd.DataFrame(
        {
            "person_id": naming.person.take(who),
            "household_id": naming.household.take(naming.state.persons.household[who]),
            "relation": coded(RELATIONS, values[:, 0]),
            "joined_on": days(values[:, 1]),
            "left_on": days(values[:, 2]),
            "recorded_on": days(_joined(np.full(len(here), start.first_day), rows, "recorded")),
        }
    )


def _members(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    persons, rows = naming.state.persons, [r.member for r in records]
    here = np.flatnonzero(start.state.persons.present)
    who = _joined(here, rows, "subject")
    values = _joined(photograph(start).members[here], rows, "values")
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
            "recorded_on": days(_joined(np.full(len(here), start.first_day), rows, "recorded")),
        }
    )


def _identities(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    rows, n = [r.identity for r in records], naming.state.n_households
    who = _joined(np.arange(n), rows, "subject")
    heads = _joined(photograph(start).heads[:, None], rows, "values")[:, 0]
    village = naming.state.households.village[who]
    townships = [names.TOWNSHIPS[t] for t in naming.state.villages.township]
    places = [f"模拟县{township}{name}" for township, name in zip(townships, naming.village, strict=True)]
    return pd.DataFrame(
        {
            "household_id": naming.household.take(who),
            "head_name": names.person_names(heads),
            "phone": names.telephones(who),
            "address": [f"{places[v]}{h + 1}号" for v, h in zip(village.tolist(), who.tolist(), strict=True)],
            "recorded_on": days(_joined(np.full(n, start.first_day), rows, "recorded")),
        }
    )


def _income(ledger: pd.DataFrame) -> pd.DataFrame:
    """The wide ledger as one row per item."""
    wide = load_contracts()["income"].wide_columns
    by_item: dict[tuple[str, str], dict[str, str]] = {}
    for column in wide:
        by_item.setdefault((column.sets["source"], column.sets["item"]), {})[column.measure] = column.header
    kinds = sorted(by_item)
    parts = []
    for kind, (_, headers) in enumerate(sorted(by_item.items())):
        gross = ledger[headers["gross_cny"]].to_numpy()
        cost = ledger[headers["cost_cny"]].to_numpy() if "cost_cny" in headers else np.full(len(gross), np.nan)
        rows = np.flatnonzero(~(np.isnan(gross) & np.isnan(cost)))
        parts.append((rows, np.full(len(rows), kind), np.nan_to_num(gross[rows]), np.nan_to_num(cost[rows])))
    row, kind_of, gross, cost = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(row, kind="stable")
    row, kind_of = row[order], kind_of[order]
    period = ledger["period_start"].to_numpy()[row]
    return pd.DataFrame(
        {
            "household_id": ledger["household_id"].array.take(row),
            "person_id": pd.array([None], dtype="str").take(np.zeros(len(row), dtype=np.int64)),
            "source": coded([source for source, _ in kinds], kind_of),
            "item": coded([item for _, item in kinds], kind_of),
            "period_start": period,
            "period_end": _month_days(period.astype("datetime64[M]").astype(np.int64) + 1970 * 12, last_day),
            "gross_cny": gross[order],
            "cost_cny": cost[order],
            "recorded_on": ledger["recorded_on"].to_numpy()[row],
        }
    )


def _medical(naming: Naming, records: Sequence[MonthRecords]) -> pd.DataFrame:
    claims = [r.claims for r in records if r.claims is not None]

    def column(field: str) -> Any:
        return np.concatenate([getattr(c, field) for c in claims])

    number = column("number")
    return pd.DataFrame(
        {
            "claim_id": pd.array([f"YL{i:010d}" for i in number.tolist()], dtype="str"),
            "person_id": naming.person.take(column("person")),
            "treated_on": days(column("day")),
            "kind": coded(CLAIM_KINDS, column("kind")),
            "disease_listed": column("listed"),
            "total_cny": column("total"),
            "in_scope_cny": column("in_scope"),
            "basic_paid_cny": column("basic"),
            "serious_paid_cny": column("serious"),
            "commercial_paid_cny": column("commercial"),
            "aid_paid_cny": column("aid"),
            "out_of_pocket_cny": column("out_of_pocket"),
            "recorded_on": days(column("recorded")),
        }
    )


def _subsidies(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    rows = [r.subsidy for r in records]
    household, programme = np.nonzero(start.state.households.subsidies)
    n = len(household)
    period = [np.full(n, first_day(start.state.month - 1)), *(np.full(len(r.subsidy.household), first_day(r.month)) for r in records)]
    return pd.DataFrame(
        {
            "household_id": naming.household.take(_joined(household, rows, "household")),
            "programme": coded(PROGRAMMES, _joined(programme, rows, "programme")),
            "period_start": days(np.concatenate(period)),
            "status": coded(STATUSES, _joined(np.zeros(n, dtype=np.int64), rows, "status")),
            "amount_cny": _joined(start.state.households.subsidies[household, programme], rows, "amount"),
            "recorded_on": days(_joined(np.full(n, start.first_day), rows, "recorded")),
        }
    )


def _support(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    rows, state = [r.support for r in records if r.support is not None], start.state.households
    household, measure = np.nonzero(state.support_left > 0)
    n = len(household)
    return pd.DataFrame(
        {
            "household_id": naming.household.take(_joined(household, rows, "household")),
            "measure": coded(MEASURES, _joined(measure, rows, "measure")),
            "started_on": days(_joined(state.support_day[household, measure], rows, "started")),
            "delivered": _joined(state.support_delivered[household, measure], rows, "delivered"),
            "ended_on": days(_joined(np.full(n, _NO_DAY), rows, "ended")),
            "recorded_on": days(_joined(np.full(n, start.first_day), rows, "recorded")),
        }
    )


def _monitoring(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    rows, state = [r.monitoring for r in records if r.monitoring is not None], start.state.households
    here = np.flatnonzero(state.monitored)
    return pd.DataFrame(
        {
            "household_id": naming.household.take(_joined(here, rows, "household")),
            "identified_on": days(_joined(state.monitored_day[here], rows, "identified")),
            "category": coded(CATEGORIES, _joined(state.category[here], rows, "category")),
            "risk_type": coded(RISK_TYPES, _joined(state.risk_type[here], rows, "risk_type")),
            "channel": coded(CHANNELS, _joined(state.channel[here], rows, "channel")),
            "eliminated_on": days(_joined(np.full(len(here), _NO_DAY), rows, "eliminated")),
            "recorded_on": days(_joined(np.full(len(here), start.first_day), rows, "recorded")),
        }
    )


def _deliveries(naming: Naming, records: Sequence[MonthRecords]) -> pd.DataFrame:
    rows = [r.delivery for r in records]
    month = np.repeat([r.month for r in records], [len(r.delivery.table) for r in records])
    villages = naming.state.villages
    township_code = np.zeros(len(naming.state.identified), dtype=np.int64)
    township_code[villages.township] = villages.code // 1000
    return pd.DataFrame(
        {
            "table_name": coded(MONTHLY_TABLES, np.concatenate([r.table for r in rows])),
            "township_code": township_code[np.concatenate([r.township for r in rows])],
            "period_start": _month_days(month, first_day),
            "period_end": _month_days(month, last_day),
            "recorded_on": days(np.concatenate([r.recorded for r in rows])),
        }
    )


def _lines(parameters: Parameters) -> pd.DataFrame:
    line, n = parameters.line, len(parameters.line.valid_from)
    since = pd.Series(pd.to_datetime(list(line.valid_from))).astype("datetime64[s]")
    return pd.DataFrame(
        {
            "area_code": np.full(n, COUNTY_CODE),
            "valid_from": since,
            "line_cny_year": np.array(line.cny_year, dtype=np.float64),
            "reference": [f"模拟县监测线（{year}年）" for year in since.dt.year],
            "recorded_on": since,
        }
    )


def truth_frame(records: Sequence[MonthRecords], final: CountyState) -> pd.DataFrame:
    """What was true at every month end, by household."""
    n, truths = final.n_households, [r.truth for r in records]
    net12 = np.concatenate([t.net12 for t in truths])
    members = np.concatenate([t.members for t in truths])
    line = np.repeat([t.line for t in truths], n)
    shocks = np.concatenate([t.shocks for t in truths])
    frame = pd.DataFrame(
        {
            "household_id": names.household_numbers(n, county=COUNTY_CODE).take(np.tile(np.arange(n), len(records))),
            "month_end": _month_days(np.repeat([r.month for r in records], n), last_day),
            "net_12m_cny": net12,
            "n_members": members,
            "net_per_head_cny": net12 / members,
            "line_cny_year": line,
            "monitored": np.concatenate([t.monitored for t in truths]),
        }
    )
    for shock in Shock:
        frame[f"shock_{shock.name.lower()}"] = shocks[:, shock]
    return frame
