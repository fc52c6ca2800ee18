"""Half-delivered months: a township's ledger of one month, most of whose rows never came, though the month is registered as sent."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from returnrisk.simulate.messy.sheet import Planned, Sheet

KEPT = 0.25
"""Share of the rows that come: well below the half that readers ask for."""
EARLIER = 4
"""Deliveries of the same township that must have come before, so that anybody can know what is usual."""
FEWEST = 40
"""Households below which a township's month is too small to judge."""


def plant_half_deliveries(by_table: Mapping[str, list[Sheet]], *, rate: float, rng: np.random.Generator) -> None:
    """Take most rows of some townships' ledger months away; their register entries must be refused (ING020)."""
    if not rate or not {"delivery", "income", "household"} <= by_table.keys():
        return
    register = by_table["delivery"][0]
    households = _households_by_township(by_table["household"])
    able = _eligible(register, households)
    chosen = sorted(rng.permutation(len(able))[: max(1, round(rate * len(able)))].tolist()) if able else []
    seen: set[str] = set()
    for row, township, month in (able[i] for i in chosen):
        if township in seen:  # what is usual must itself be usual
            continue
        seen.add(township)
        register.plan(Planned("half_delivered", "ING020", "quarantined", row=row, field="period_start"))
        for sheet in by_table["income"]:
            _withhold(sheet, households[township], month, rng)


def _households_by_township(sheets: list[Sheet]) -> dict[str, set[str]]:
    """Households that were never on file elsewhere, by the nine digits of their township."""
    parts = []
    for sheet in sheets:
        household, village = sheet.column_of("household_id"), sheet.column_of("village_code")
        if household and village:
            parts.append(sheet.frame[[household.header, village.header]].set_axis(["household", "village"], axis=1))
    homes = pd.concat(parts)
    homes["township"] = homes["village"].str.slice(0, 9)
    only = homes.groupby("household")["township"].agg(["nunique", "first"])
    only = only[only["nunique"] == 1]
    return {str(t): set(rows.index) for t, rows in only.groupby("first")}


def _eligible(register: Sheet, households: Mapping[str, set[str]]) -> list[tuple[int, str, str]]:
    """Register rows of the ledger (row, township, month) with enough before them."""
    columns = {n: c.header for n in ("table_name", "township_code", "period_start") if (c := register.column_of(n))}
    names = register.column_of("table_name")
    frame = register.frame[list(columns.values())].set_axis(list(columns), axis=1)
    labels = {label for label, code in names.field.codes.items() if code == "income"} if names else set()
    ledger = frame[frame["table_name"].isin(labels)]
    found = []
    for township, rows in ledger.groupby("township_code", sort=True):
        if len(households.get(str(township), ())) < FEWEST:
            continue
        months = rows["period_start"].str.slice(0, 7).sort_values()
        found += [(int(str(i)), str(township), month) for i, month in list(months.items())[EARLIER:]]
    return found


def _withhold(sheet: Sheet, households: set[str], month: str, rng: np.random.Generator) -> None:
    household, period = sheet.column_of("household_id"), sheet.column_of("period_start")
    if household is None or period is None:
        return
    here = sheet.frame[household.header].isin(households) & sheet.frame[period.header].str.startswith(month)
    for row in np.flatnonzero(here.to_numpy()).tolist():
        if rng.random() < KEPT or sheet.taken[row]:
            continue
        sheet.removed.add(row)
        if sheet.silent[row]:
            sheet.taken[row] = True
        else:
            sheet.plan(Planned("half_delivered", "", "not_sent", row=row))
