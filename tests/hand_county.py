"""A county small enough to work out by hand: three households in two villages, two years of months."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa

from returnrisk.contracts import load_contracts
from returnrisk.store.tables import Manifest, write_store
from returnrisk.timeline import add_months, month_end

VILLAGE_A, VILLAGE_B = 999901001001, 999901002001
SMITH, FARMER, ELDER = 11, 22, 33
START = dt.date(2022, 1, 1)
MONTHS = 36
DELAY = dt.timedelta(days=20)


def months() -> list[dt.date]:
    return [add_months(START, k) for k in range(MONTHS)]


def rows() -> dict[str, list[dict[str, Any]]]:
    """Canonical rows by table. Smith: 1 000 a month of wages until 2023-12, then nothing. Farmer: 12 000 crops each October, 2 000 cost
    each April. Elder: 300 pension a month, one member of two leaves on 2023-06-30."""
    base = dt.date(2021, 12, 31)
    tables: dict[str, list[dict[str, Any]]] = {
        "village": [
            {"village_code": code, "village_name": name, "township_name": town, "remote": code == VILLAGE_B, "recorded_on": base}
            for code, name, town in ((VILLAGE_A, "甲村", "东镇"), (VILLAGE_B, "乙村", "西镇"))
        ],
        "household": [
            {
                "household_id": SMITH,
                "village_code": VILLAGE_A,
                "registered_type": "ex_poor",
                "registered_on": dt.date(2014, 1, 1),
                "rooms": 4,
                "recorded_on": base,
            },
            {
                "household_id": FARMER,
                "village_code": VILLAGE_A,
                "registered_type": "general",
                "land_mu": 6,
                "housing_grade": "C",
                "recorded_on": base,
            },
            {"household_id": ELDER, "village_code": VILLAGE_B, "registered_type": "general", "recorded_on": base},
        ],
        "household_roster": [],
        "member": [],
        "income": [],
        "line": [{"area_code": 999901, "valid_from": dt.date(2022, 1, 1), "line_cny_year": 5000, "recorded_on": base}],
        "delivery": [],
    }
    people = [
        (1, SMITH, "head", dt.date(1980, 5, 1), "full", "employee_informal", None),
        (2, SMITH, "child", dt.date(2012, 5, 1), "none", "inactive", None),
        (3, FARMER, "head", dt.date(1975, 5, 1), "full", "farming", None),
        (4, FARMER, "spouse", dt.date(1976, 5, 1), "weak", "farming", None),
        (5, ELDER, "head", dt.date(1950, 5, 1), "none", "inactive", None),
        (6, ELDER, "spouse", dt.date(1951, 5, 1), "none", "inactive", dt.date(2023, 6, 30)),
    ]
    for person, household, relation, born, labour, work, left in people:
        spell = {"person_id": person, "household_id": household, "relation": relation, "joined_on": dt.date(2014, 1, 1)}
        tables["household_roster"].append({**spell, "recorded_on": base})
        if left:
            tables["household_roster"].append({**spell, "left_on": left, "recorded_on": left + dt.timedelta(days=5)})
        tables["member"].append(
            {"person_id": person, "sex": "female", "born_on": born, "labour_capacity": labour, "employment": work,
             "health": "healthy", "disability_grade": 0, "health_cover": True, "recorded_on": base}
        )  # fmt: skip
    for month in months():
        end = month_end(month)
        for township in (999901001, 999901002):
            for table in ("income", "medical", "subsidy", "support", "monitoring"):
                tables["delivery"].append(
                    {
                        "table_name": table,
                        "township_code": township,
                        "period_start": month,
                        "period_end": end,
                        "recorded_on": end + DELAY,
                    }
                )
        if month < dt.date(2024, 1, 1):
            tables["income"].append(_income(SMITH, "wage", "local_work", month, 1000))
        if month.month == 10:
            tables["income"].append(_income(FARMER, "operating", "crops", month, 12000))
        if month.month == 4:
            tables["income"].append(_income(FARMER, "operating", "crops", month, 0, cost=2000))
        tables["income"].append(_income(ELDER, "transfer", "pension", month, 300))
    return tables


def _income(household: int, source: str, item: str, month: dt.date, gross: int, *, cost: int = 0) -> dict[str, Any]:
    return {
        "household_id": household, "person_id": None, "source": source, "item": item, "period_start": month,
        "period_end": month_end(month), "gross_cny": gross, "cost_cny": cost, "recorded_on": month_end(month) + DELAY,
    }  # fmt: skip


def typed(tables: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Canonical rows as typed Ibis tables."""
    contracts = load_contracts()
    result = {}
    for name, content in tables.items():
        contract = contracts[name]
        arrow = {
            "int64": pa.int64(),
            "string": pa.string(),
            "date": pa.date32(),
            "boolean": pa.bool_(),
            "decimal(18,2)": pa.decimal128(18, 2),
        }
        schema = pa.schema([(f.name, arrow[f.type]) for f in contract.fields])
        result[name] = ibis.memtable(
            pa.Table.from_pylist([{c: row.get(c) for c in contract.columns} for row in content], schema=schema)
        )
    return result


def write(folder: Path, tables: Mapping[str, list[dict[str, Any]]] | None = None) -> Manifest:
    """Write the county (or a changed copy of it) as a store with a 20-day delay for every table."""
    contracts = load_contracts()
    return write_store(folder, typed(tables or rows()), contracts=contracts, delays=dict.fromkeys(contracts, 20))
