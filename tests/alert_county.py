"""Households made by hand for the tests of alerts, and the one call that screens them."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import ibis
import pyarrow as pa

from returnrisk.policy import (
    AlertRule,
    FactWindow,
    TableFact,
    Threshold,
    load_policy,
)
from returnrisk.screening.alerts import RaisedAlerts, raise_alerts
from returnrisk.store.view import Store, View
from tests.feature_households import County, Tables, day, month_starts, store_of

DAY = dt.date(2024, 7, 31)
VILLAGE, OTHER_TOWNSHIP = 999902001001, 999902002001
MONTHS = month_starts("2022-01", "2024-07")
SOURCES = (
    "income", "medical", "subsidy", "support", "monitoring", "disability", "disaster", "employment", "schooling", "loan", "signal", "visit",
    "industry_project", "expense", "insurance",
)  # fmt: skip
POLICY = load_policy("national")
FIRED, CALM = 101, 102


def county() -> County:
    c = County(months=MONTHS, line=6000)
    for code in (VILLAGE, OTHER_TOWNSHIP):
        c.village(code)
    c.deliver(VILLAGE // 1000, tables=SOURCES)
    return c


def facts_of(view: View, **columns: Mapping[int, Any]) -> Any:
    """Facts as the screening has them, of hand-made households: what a test does not give is not known."""
    types = {
        "registered_type": "string", "monitored": "boolean", "resettled": "boolean", "has_labour": "boolean", "held_housing": "boolean",
        "held_water": "boolean", "held_schooling": "boolean", "held_medical": "boolean", "register_net_cny": "decimal(18,2)",
        "register_members": "int64", "register_months": "int64", "register_computable": "boolean", "last_year_net_cny": "decimal(18,2)",
        "last_year_members": "int64", "last_year_months": "int64", "last_year_computable": "boolean",
        "assistance_net_cny": "decimal(18,2)", "assistance_members": "int64", "assistance_months": "int64", "assistance_computable": "boolean",
    }  # fmt: skip
    homes = view.table("household").to_pandas().sort_values("household_id")
    rows = [
        {"household_id": h, "village_code": v, "township_code": v // 1000, **{n: columns.get(n, {}).get(h) for n in types}}
        | ({} if "registered_type" in columns else {"registered_type": r})
        for h, v, r in zip(homes["household_id"], homes["village_code"], homes["registered_type"], strict=True)
    ]
    return table_of(rows, {"household_id": "int64", "village_code": "int64", "township_code": "int64", **types})


def table_of(rows: list[dict[str, Any]], types: Mapping[str, str]) -> Any:
    schema = ibis.schema(types).to_pyarrow()
    return ibis.memtable(pa.Table.from_pylist([{n: r[n] for n in types} for r in rows], schema=schema))


def exact_rows(tables: Tables) -> Tables:
    """Cents are written as 0.01 here and stored as decimals."""
    return {
        n: [{k: Decimal(str(v)) if isinstance(v, float) else v for k, v in r.items()} for r in rows] for n, rows in tables.items()
    }


def store_for(tables: Tables) -> Store:
    """The store of hand-made rows; the same rows give the same one."""
    rows = exact_rows(tables)
    name = f"alerts-{hashlib.sha256(repr(sorted(rows.items())).encode()).hexdigest()[:12]}"
    if name not in _STORES:
        _STORES[name] = store_of(name, rows)
    return _STORES[name]


_STORES: dict[str, Store] = {}


def disaster(c: County, household: int) -> None:
    c.tables["disaster"].append(
        {"household_id": household, "hazard_kind": "accident", "happened_on": day("2024-07-16"), "loss_cny": 9000, "recorded_on": day("2024-07-18")}
    )  # fmt: skip


def categories_of(answers: Mapping[tuple[int, str], int | None]) -> Any:
    rows = [{"household_id": h, "category": c, "answer": a} for (h, c), a in answers.items()]
    return table_of(rows, {"household_id": "int64", "category": "string", "answer": "int8"})


@functools.cache
def shipped() -> dict[str, AlertRule]:
    return {r.name: r for r in POLICY.alert_rules(DAY, every=True)}


def rule_of(*facts: Any, name: str = "hand", **group: Any) -> AlertRule:
    return replace(shipped()["emergency"], name=name, facts=facts, group=group, due_days=15)


def table_fact(table: str, aggregate: str, column: str | None = None, **said: Any) -> TableFact:
    number = said.pop("number", None)
    defaults: dict[str, Any] = {
        "per": "household", "where": (), "window": FactWindow("calendar_year"), "date": None, "comparison": None, "answers": (), "wanted": True
    }  # fmt: skip
    threshold = None if number is None else Threshold(Decimal(str(number)), str(number))
    return TableFact(table=table, aggregate=aggregate, column=column, threshold=threshold, **(defaults | said))  # type: ignore[arg-type]


def raised(tables: Tables, rule: AlertRule, *, on: dt.date = DAY, categories: Any = None, facts: Mapping[str, Any] | None = None, **said: Any) -> RaisedAlerts:  # fmt: skip
    view = store_for(tables).as_of(on)
    return raise_alerts(view, policy=POLICY, facts=facts_of(view, **(facts or {})), categories=categories, rules=[rule], **said)


def claims(*amounts: float, complete: bool = True) -> Tables:
    """One household with claims of the year; `complete`: every monthly file came."""
    c = county()
    c.household(FIRED, VILLAGE if complete else OTHER_TOWNSHIP)
    for i, amount in enumerate(amounts):
        c.claim(i + 1, FIRED * 10 + 1, f"2024-0{i + 1}-05", "inpatient", 99999, amount)
    return c.tables
