"""Nothing recorded after a day reaches what is computed for that day: everything later is rewritten, and not one bit may change.

Three rewritings of the county's history after the day, of every table: later rows changed, flipped, deleted and replaced; every row
ever recorded corrected afterwards; every table as if its first row came after the day. The control rewrites what came *before* with
the same functions and must move every feature: else the test could not fail.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from returnrisk.accounts import register_net_items
from returnrisk.config import OutcomeSpec
from returnrisk.contracts import Contract, Field, load_contracts
from returnrisk.features.families import FAMILIES, catalogue
from returnrisk.features.snapshot import STATUS_COLUMNS, build_snapshot
from returnrisk.outcomes import fall_labels
from returnrisk.store.view import Store
from returnrisk.timeline import Window
from tests.feature_households import Row, Tables, copy_rows, day, first_people, rough_rows, rough_store, store_of
from tests.office_rows import DELIVERED

DAY = day("2022-03-31")
SPEC = OutcomeSpec(min_months=9)
LABEL_SPEC = replace(SPEC, horizon_months=6)
LABEL_AS_OF = day("2021-06-30")
CONTRACTS = load_contracts()
CENT = Decimal("0.01")
NUMBERS = ("claim_id", "loan_id", "project_id", "signal_id", "objection_id", "visitor_id")
RESTRICTED = {name for name, contract in CONTRACTS.items() if contract.restricted}


# -- rewriting history ---------------------------------------------------------------------------------------------------------


def changed_value(field: Field, row: Row) -> Any:
    """Another valid value of a column: the next code, the other truth, three times the amount, years earlier."""
    value = row[field.name]
    if field.valid_values is not None:
        codes = list(field.valid_values)
        return codes[(codes.index(value) + 1) % len(codes)] if value in codes else codes[0]
    if field.type == "boolean":
        return not value
    if field.type == "decimal(18,2)":
        return min((value or Decimal(0)) * 3 + Decimal("777.77"), Decimal(9000))
    if field.type == "date":
        return (value or row["recorded_on"]) - dt.timedelta(days=800)
    if field.name == "rooms":
        return ((value or 0) + 5) % 60
    return value


def rewritten(row: Row, contract: Contract) -> Row:
    """The row with everything changed but its key, the day it was recorded, and the period it speaks of."""
    fixed = {*contract.key, "recorded_on", "period_end"}
    new = {f.name: row[f.name] if f.name in fixed else changed_value(f, row) for f in contract.fields}
    if contract.name == "household":
        new["village_code"] = (
            row["village_code"] // 1000 * 1000 + 3 - row["village_code"] % 1000
        )  # the other village of the township
    if contract.name == "household_roster":
        new["left_on"] = None if row["left_on"] else new["left_on"]
    if contract.name == "medical":
        new |= {
            "person_id": row["person_id"],
            "in_scope_cny": Decimal(0),
            "out_of_pocket_cny": (new["total_cny"] / 2).quantize(CENT),
        }
        new["treated_on"] = row["treated_on"] - dt.timedelta(days=40)
    if contract.name == "member":
        new["disability_grade"] = (row["disability_grade"] + 1) % 4
    if contract.name == "disability":
        new["grade"] = row["grade"] % 4 + 1
    return new | _other_ends(row, contract)


def _other_ends(row: Row, contract: Contract) -> Row:
    """What began on a day of its key ends otherwise: the open now, the closed never, cover after forty days or after four hundred."""
    if contract.name in ("employment", "hazard"):
        return {"ended_on": None if row["ended_on"] else row["recorded_on"] - dt.timedelta(days=1)}
    if contract.name == "authorisation":
        return {"valid_until": None, "withdrawn_on": None if row["withdrawn_on"] else row["recorded_on"]}
    if contract.name == "insurance":
        long = (row["valid_until"] - row["valid_from"]).days > 40
        return {
            "valid_until": row["valid_from"] + dt.timedelta(days=40 if long else 400),
            "paid_on": None if row["paid_on"] else row["recorded_on"],
        }
    return {}


def one_per_key(rows: list[Row], contract: Contract) -> list[Row]:
    kept: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        kept.setdefault((*(row[k] for k in contract.key), row["recorded_on"]), row)
    return list(kept.values())


@functools.cache
def people() -> dict[int, list[int]]:
    return first_people(rough_rows())


def moved_keys(rows: list[Row], contract: Contract) -> list[Row]:
    """The same facts under other keys: another month, item, programme, measure, spell, claim, person."""
    key_codes = [f for f in contract.fields if f.is_key and f.valid_values is not None and f.name not in ("table_name", "source")]
    added = []
    for i, row in enumerate(rows):
        new = dict(row)
        for field in key_codes:
            new[field.name] = changed_value(field, row)
        if number := next((k for k in contract.key if k in NUMBERS), None):
            new[number] = row[number] % 10**15 + i
        elif contract.name == "income":
            new["person_id"] = None if row["person_id"] else people().get(row["household_id"], [None])[0]
        elif not key_codes and (dates := [f.name for f in contract.fields if f.is_key and f.type == "date"]):
            new[dates[0]] = (row[dates[0]] or day("2005-01-01")) - dt.timedelta(days=31)
        elif not key_codes:
            continue
        added.append(new)
    return added


Rewriting = Callable[[list[Row], Contract], list[Row]]


def apply(rows: list[Row], contract: Contract, *, concerns: Callable[[Row], bool]) -> list[Row]:
    """Of the facts that `concerns` picks: a third deleted, a third changed, a third changed and given other keys as well."""
    needed = _needed(rows, contract, concerns)
    result = [row for row in rows if not concerns(row)]
    order: dict[tuple[Any, ...], int] = {}
    for row in filter(concerns, rows):
        i = order.setdefault(tuple(row[k] for k in contract.key), len(order))
        if i % 3 == 0 and id(row) not in needed:
            continue
        result.append(rewritten(row, contract))
        if i % 3 == 2:
            result += [rewritten(r, contract) for r in moved_keys([row], contract)]
    return one_per_key(result, contract)


def _needed(rows: list[Row], contract: Contract, concerns: Callable[[Row], bool]) -> set[int]:
    """Rows that other tables refer to and that are the only one of their household, person or village."""
    parent = {"village": "village_code", "household": "household_id", "household_roster": "person_id", "member": "person_id"}.get(
        contract.name
    )
    if parent is None:
        return set()
    kept = {row[parent] for row in rows if not concerns(row)}
    return {id(row) for row in rows if row[parent] not in kept}


def rewrite_later_rows(tables: Tables) -> Tables:
    """Rows recorded after the day: changed, flipped, deleted, and others added."""
    return {
        name: rows if name in RESTRICTED else apply(rows, CONTRACTS[name], concerns=lambda r: r["recorded_on"] > DAY)
        for name, rows in tables.items()
    }


def correct_everything_later(tables: Tables) -> Tables:
    """Every fact ever recorded is corrected on the day after, and a third of the facts get a namesake then."""
    tomorrow = DAY + dt.timedelta(days=1)
    result = {}
    for name, rows in tables.items():
        contract = CONTRACTS[name]
        before = [row for row in rows if row["recorded_on"] <= DAY]
        corrections = [rewritten({**row, "recorded_on": tomorrow}, contract) for row in reversed(before)]
        namesakes = [{**row, "recorded_on": tomorrow} for row in moved_keys(before[::3], contract)]
        result[name] = one_per_key([*before, *corrections, *namesakes], contract)
    return result


def forget_later_rows(tables: Tables) -> Tables:
    """What the store held on the day itself."""
    return {name: [row for row in rows if row["recorded_on"] <= DAY] for name, rows in tables.items()}


def rewrite_earlier_rows(tables: Tables) -> Tables:
    """The control: the same changes to what was recorded by the day (the delivery register and the line stay)."""
    keep = {*RESTRICTED, "delivery", "line"}
    result = {
        name: rows if name in keep else apply(rows, CONTRACTS[name], concerns=lambda r: r["recorded_on"] <= DAY)
        for name, rows in tables.items()
    }
    # `rewritten` sends people away: leave most households at home, so that there is somebody to compare
    result["household_roster"] = [
        {**row, "left_on": None} if row["household_id"] % 4 and row["recorded_on"] <= DAY else row
        for row in result["household_roster"]
    ]
    yesterday = {
        "village",
        "household",
        "income",
        "price",
        "schooling",
        "hazard",
    }  # a fact may also have been recorded on another day
    for row in (row for name in yesterday for row in result[name]):
        if row["recorded_on"] <= DAY and row.get("period_end") != row["recorded_on"]:
            row["recorded_on"] -= dt.timedelta(days=1)
    return result


def rewrite_earlier_deliveries(tables: Tables) -> Tables:
    """The control for what rests on the delivery register and the lines alone: one township sent two ledgers of three, the line is higher."""
    first = min(row["township_code"] for row in tables["delivery"])
    lost = [
        r
        for r in tables["delivery"]
        if (r["table_name"], r["township_code"]) == ("income", first) and r["period_start"].month % 3 == 0
    ]
    lines = [{**row, "line_cny_year": row["line_cny_year"] + 3000} for row in tables["line"]]
    return {**tables, "delivery": [r for r in tables["delivery"] if r not in lost], "line": lines}


REWRITINGS = {
    "rewrite later rows": rewrite_later_rows,
    "correct everything later": correct_everything_later,
    "forget later rows": forget_later_rows,
}


@functools.cache
def rewritten_store(name: str) -> Store:
    return store_of(name.replace(" ", "-"), REWRITINGS[name](copy_rows(rough_rows())))


# -- what must not change ------------------------------------------------------------------------------------------------------


def snapshot_frame(store: Store, on: dt.date, spec: OutcomeSpec = SPEC) -> pd.DataFrame:
    return build_snapshot(store.as_of(on), spec=spec).frame()


@functools.cache
def truth(on: dt.date) -> pd.DataFrame:
    return snapshot_frame(rough_store(), on)


def differing_columns(left: pd.DataFrame, right: pd.DataFrame) -> list[str]:
    """Columns that differ in any bit; every column when the households are not the same."""
    if list(left.columns) != list(right.columns) or not left["household_id"].equals(right["household_id"]):
        return list(left.columns)
    return [c for c in left.columns if not _same_bits(left[c], right[c])]


def _same_bits(left: pd.Series, right: pd.Series) -> bool:
    if left.dtype != right.dtype:
        return False
    if left.dtype == np.float32:
        return left.isna().equals(right.isna()) and left.dropna().to_numpy().tobytes() == right.dropna().to_numpy().tobytes()
    return left.equals(right)


@pytest.mark.parametrize("name", REWRITINGS)
def test_rewriting_what_was_recorded_later_changes_not_one_bit(name: str):
    found, expected = snapshot_frame(rewritten_store(name), DAY), truth(DAY)
    assert differing_columns(found, expected) == []
    names = {f.name for f in catalogue()}
    assert names | set(STATUS_COLUMNS) <= set(expected.columns)
    assert {f"on_{f.record}" for f in catalogue()} <= set(expected.columns)


def test_an_earlier_day_does_not_change_either():
    """Half a year before the rewriting began; another window too."""
    on, spec = day("2021-09-15"), OutcomeSpec(window=Window("income_year"), min_months=4)
    found = snapshot_frame(rewritten_store("correct everything later"), on, spec)
    assert differing_columns(found, snapshot_frame(rough_store(), on, spec)) == []


@pytest.mark.parametrize("name", REWRITINGS)
def test_labels_and_items_known_on_the_day_do_not_change(name: str):
    at_risk = pd.DataFrame({"household_id": sorted({r["household_id"] for r in rough_rows()["household"]})})
    labels, items = [], []
    for store in (rough_store(), rewritten_store(name)):
        view = store.as_of(DAY)
        labels.append(fall_labels(at_risk, as_of=LABEL_AS_OF, known=view, spec=LABEL_SPEC).frame())
        rows = register_net_items(view, ends=[day("2021-12-31")], window=Window()).to_pandas()
        items.append(rows.sort_values(["household_id", "source", "item"], ignore_index=True))
    pd.testing.assert_frame_equal(labels[0], labels[1], check_exact=True)
    pd.testing.assert_frame_equal(items[0], items[1], check_exact=True)
    assert set(labels[0]["status"]) >= {"event", "no_event"}


def test_tables_whose_first_row_comes_after_the_day_are_as_absent():
    """A source that joins later must not be felt before: neither by its rows nor by its being there."""
    tables = forget_later_rows(copy_rows(rough_rows()))
    joining = {name: tables.pop(name) for name in ("medical", "subsidy", "support", "monitoring", *DELIVERED, "price")}
    tables["delivery"] = [row for row in tables["delivery"] if row["table_name"] not in joining]
    late = {
        name: one_per_key([{**row, "recorded_on": DAY + dt.timedelta(days=9)} for row in rows], CONTRACTS[name])
        for name, rows in joining.items()
    }
    absent = snapshot_frame(store_of("absent", tables), DAY)
    later = snapshot_frame(store_of("late", {**tables, **late}), DAY)
    assert differing_columns(later, absent) == []
    unknown = ["n_claims_12m", "n_programmes_granted", "n_support_active", "n_times_monitored", "disabled_without_subsidy"]
    whole = ("disaster", "employment", "schooling", "loans", "insurance", "industry", "signals")
    unknown += [f.name for f in catalogue(whole)]
    assert absent[unknown].isna().all(axis=None)


# -- the test can fail -----------------------------------------------------------------------------------------------------------


@functools.cache
def control_changes(rewrite: Callable[[Tables], Tables]) -> frozenset[str]:
    """Columns that differ for some household in both, when history before the day is rewritten."""
    changed = snapshot_frame(store_of("control", rewrite(copy_rows(rough_rows()))), DAY).set_index("household_id")
    expected = truth(DAY).set_index("household_id")
    both = expected.index.intersection(changed.index)
    assert len(both) >= 20
    left, right = expected.loc[both], changed.loc[both]
    return frozenset(c for c in left.columns if not _same_bits(left[c], right[c]))


def test_rewriting_the_past_moves_every_feature_and_every_record_date():
    moved = control_changes(rewrite_earlier_rows)
    assert {f.name for f in catalogue()} - moved == {"n_prior_settlements"}  # which rests on the delivery register alone
    dates = {f"on_{f.record}" for f in catalogue()} - {"on_neighbours"}  # the end of a window, a matter of the day alone
    assert dates | {"stratum", "seen_below", "net_head_cny_year"} <= moved


def test_rewriting_past_deliveries_and_lines_moves_what_rests_on_them():
    moved = control_changes(rewrite_earlier_deliveries)
    assert {"stratum", "line_cny_year", "income_line_ratio", "n_prior_settlements", "village_below_share"} <= moved


@pytest.mark.parametrize("family", FAMILIES)
def test_rewriting_the_past_moves_every_family(family: str):
    assert {f.name for f in FAMILIES[family].features} & control_changes(rewrite_earlier_rows)


def test_the_rewritings_do_rewrite():
    """Every table is touched after the day, and seen later the county is another one."""
    original = rough_rows()
    for name, rewrite in REWRITINGS.items():
        tables = rewrite(copy_rows(original))
        for table in set(original) - RESTRICTED:
            found, expected = facts(tables, table), facts(original, table)
            assert found != expected, (name, table)
            assert {f for f in found if f[-1] <= DAY} == {f for f in expected if f[-1] <= DAY}, (name, table)
    later = day("2022-08-31")
    stores = (rewritten_store("correct everything later"), rough_store())
    found, expected = (build_snapshot(s.as_of(later), spec=SPEC, families=("income", "household", "area")).frame() for s in stores)
    assert len(differing_columns(found, expected)) > 20


def facts(tables: Tables, name: str) -> set[tuple[Any, ...]]:
    """Rows as tuples, the day of recording last."""
    columns = [c for c in CONTRACTS[name].columns if c != "recorded_on"]
    return {(*(row.get(c) for c in columns), row["recorded_on"]) for row in tables[name]}
