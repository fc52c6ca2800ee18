"""The tables beside the core, as their offices would send them: read, typed, versioned, and as known on a day."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from returnrisk.contracts import load_contracts
from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.store.coverage import coverage
from returnrisk.store.view import Store, open_store
from tests.office_files import NAMED, TABLES, add_office_files

KEY = b"a key for the canonical tables"
LAST = dt.date(2024, 12, 31)


@pytest.fixture(scope="module")
def county_store(small_inbox: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, pd.DataFrame, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("canonical")
    inbox = folder / "inbox"
    names = add_office_files(small_inbox, inbox)
    result = ingest_inbox(inbox, folder / "store", key=KEY)
    mine = result.report.quarantine[result.report.quarantine.file.str.contains(NAMED)]
    return open_store(folder / "store"), mine, names


def rows(store: Store, table: str, day: dt.date = LAST, **where: Any) -> list[dict[str, Any]]:
    """Rows of the hand-written files: the simulator may fill the same tables with its own."""
    view = store.as_of(day).table(table)
    for column, value in where.items():
        view = view.filter(view[column] == value)
    return view.order_by(view.columns).to_pyarrow().to_pylist()


def test_the_only_row_refused_is_the_one_with_an_unknown_code(county_store):
    _, quarantine, _ = county_store
    assert [(r["table_name"], r["row_number"], r["code"], r["field"]) for r in quarantine.to_dict("records")] == [
        ("signal", 2, "ING012", "code")
    ]


def test_every_table_of_an_office_is_in_the_store_and_in_the_coverage(county_store):
    store, _, _ = county_store
    frame = coverage(store.as_of(LAST)).set_index("table_name")
    for name in TABLES:
        assert frame.n_rows[name] > 0, name
        assert frame.first_period.notna()[name], name
        assert frame.zh[name] == load_contracts()[name].label_zh


def test_codes_amounts_and_yes_or_no_arrive_as_the_contract_says(county_store):
    store, _, _ = county_store
    [fire] = rows(store, "disaster", hazard_kind="fire", happened_on=dt.date(2024, 5, 2))
    assert (fire["loss_cny"], fire["insured_paid_cny"], fire["house_damaged"]) == (Decimal(5000), Decimal(6000), True)
    grades = {(r["kind"], r["grade"]) for r in rows(store, "disability", issued_on=dt.date(2024, 5, 1))}
    assert grades >= {("physical", 2), ("vision", 4)}
    [term] = rows(store, "schooling", term_start=dt.date(2024, 3, 1), fee_cny_year=Decimal(800))
    assert (term["stage"], term["status"], term["boarding"]) == ("lower_secondary", "dropped_out", False)
    [signal] = rows(store, "signal", channel="hotline", raised_on=dt.date(2024, 5, 30))
    assert signal["code"] == "water"
    [visit] = rows(store, "visit", list_id="2024-04-30")
    assert (visit["finding"], visit["verified_risk"]) == ("risk_confirmed", "water")
    [project] = rows(store, "industry_project", dividend_cny_year=Decimal(1500), state_on=dt.date(2024, 5, 20))
    assert (project["project_kind"], project["state"]) == ("livestock", "failed")
    [car] = rows(store, "asset", value_cny=Decimal(38000), checked_on=dt.date(2024, 5, 15))
    assert car["kind"] == "vehicle"
    [guard] = rows(store, "insurance", premium_cny=Decimal(20), recorded_on=dt.date(2023, 12, 20))
    assert (guard["kind"], guard["paid_on"]) == ("poverty_guard", None)
    [visitor] = rows(store, "visitor", capacity_month=12, recorded_on=dt.date(2024, 1, 10))
    assert (visitor["role"], visitor["valid_until"]) == ("helper", None)
    [allowed] = rows(store, "authorisation", granted_on=dt.date(2024, 5, 1), valid_until=dt.date(2025, 4, 30))
    assert (allowed["scope"], allowed["withdrawn_on"]) == ("asset_query", None)


def test_a_file_without_recording_days_is_known_after_the_declared_delay(county_store):
    store, _, _ = county_store
    [care] = rows(store, "expense", kind="elder_care", amount_cny=Decimal("820.50"))
    assert care["period_end"] == dt.date(2024, 5, 31)  # a month says its end itself
    assert care["recorded_declared"]
    assert care["recorded_on"] == dt.date(2024, 6, 30)  # 31 May and 30 days
    assert not rows(store, "expense", dt.date(2024, 6, 29), kind="elder_care", amount_cny=Decimal("820.50"))
    [pig] = rows(store, "price", product="pig", period_start=dt.date(2024, 5, 1), price_cny_kg=Decimal("15.20"))
    assert pig["recorded_on"] == dt.date(2024, 6, 15)  # end of the month and 15 days


@pytest.mark.parametrize(
    ("table", "where", "column", "first", "before", "after"),
    [
        ("hazard", {"area_code": 999901, "started_on": dt.date(2024, 6, 1)}, "ended_on", dt.date(2024, 6, 11), None, dt.date(2024, 6, 9)),
        ("employment", {"started_on": dt.date(2023, 3, 1), "monthly_wage_cny": Decimal(4200)}, "end_reason", dt.date(2024, 5, 31),
         None, "firm_closed"),
        ("loan", {"granted_on": dt.date(2022, 6, 1), "amount_cny": Decimal(50000)}, "balance_cny", dt.date(2024, 6, 4),
         Decimal(50000), Decimal(30000)),
        ("objection", {"raised_on": dt.date(2024, 5, 1), "subject": "data_wrong"}, "answer", dt.date(2024, 5, 20), None, "partly"),
    ],
)  # fmt: skip
def test_a_later_row_of_the_same_key_changes_only_what_later_days_see(county_store, table, where, column, first, before, after):
    store, _, _ = county_store
    assert [r[column] for r in rows(store, table, first, **where)] == [before]
    assert [r[column] for r in rows(store, table, first + dt.timedelta(days=1), **where)] == [after]


def test_no_number_of_a_loan_a_case_or_a_visitor_stands_in_the_store(county_store):
    store, _, names = county_store
    for table, column in (("loan", "loan_id"), ("signal", "signal_id"), ("visitor", "visitor_id"), ("objection", "objection_id"),
                          ("industry_project", "project_id"), ("disability", "person_id")):  # fmt: skip
        assert str(store.as_of(LAST).table(table).schema()[column]) == "int64"
        text = str(rows(store, table))
        assert not [
            n for n in ("JJ-0001", "GD-0002", "ZR-0001", "SS-0001", "XM-0001", names["person"], names["house"]) if n in text
        ]
