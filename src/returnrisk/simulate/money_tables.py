"""Canonical tables of money: income (wide and long), medical, subsidy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from returnrisk.contracts import load_contracts
from returnrisk.simulate import names
from returnrisk.simulate.coding import Naming, coded, days, joined, month_days
from returnrisk.simulate.month import Month
from returnrisk.simulate.population import COUNTY_CODE
from returnrisk.simulate.records import MonthRecords
from returnrisk.simulate.state import CLAIM_KINDS, PROGRAMMES, CountyState, first_day, last_day

STATUSES = ("granted", "reduced", "cancelled")


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
    frame.insert(1, "period_start", month_days(month, first_day))
    frame["recorded_on"] = days(recorded)
    frame["file_month"] = np.where(correction, np.maximum(stamp - 1, month + 1), month)
    return frame


def income(ledger: pd.DataFrame) -> pd.DataFrame:
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
            "period_end": month_days(period.astype("datetime64[M]").astype(np.int64) + 1970 * 12, last_day),
            "gross_cny": gross[order],
            "cost_cny": cost[order],
            "recorded_on": ledger["recorded_on"].to_numpy()[row],
        }
    )


def medical(naming: Naming, records: Sequence[MonthRecords]) -> pd.DataFrame:
    """One row per claim."""
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


def subsidies(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    """One row per household, programme and change."""
    rows = [r.subsidy for r in records]
    household, programme = np.nonzero(start.state.households.subsidies)
    n = len(household)
    period = [
        np.full(n, first_day(start.state.month - 1)),
        *(np.full(len(r.subsidy.household), first_day(r.month)) for r in records),
    ]
    return pd.DataFrame(
        {
            "household_id": naming.household.take(joined(household, rows, "household")),
            "programme": coded(PROGRAMMES, joined(programme, rows, "programme")),
            "period_start": days(np.concatenate(period)),
            "status": coded(STATUSES, joined(np.zeros(n, dtype=np.int64), rows, "status")),
            "amount_cny": joined(start.state.households.subsidies[household, programme], rows, "amount"),
            "recorded_on": days(joined(np.full(n, start.first_day), rows, "recorded")),
        }
    )
