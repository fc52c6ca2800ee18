"""Canonical tables of what offices do: support, monitoring, delivery, line; and the truth behind all of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from returnrisk.simulate import names
from returnrisk.simulate.coding import NO_DAY, Naming, coded, days, joined, month_days
from returnrisk.simulate.month import Month
from returnrisk.simulate.parameters import Parameters
from returnrisk.simulate.population import COUNTY_CODE
from returnrisk.simulate.records import MONTHLY_TABLES, MonthRecords
from returnrisk.simulate.state import CATEGORIES, CHANNELS, MEASURES, RISK_TYPES, CountyState, Shock, first_day, last_day


def support(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    """One row per measure and event."""
    rows, state = [r.support for r in records if r.support is not None], start.state.households
    household, measure = np.nonzero(state.support_left > 0)
    n = len(household)
    return pd.DataFrame(
        {
            "household_id": naming.household.take(joined(household, rows, "household")),
            "measure": coded(MEASURES, joined(measure, rows, "measure")),
            "started_on": days(joined(state.support_day[household, measure], rows, "started")),
            "delivered": joined(state.support_delivered[household, measure], rows, "delivered"),
            "ended_on": days(joined(np.full(n, NO_DAY), rows, "ended")),
            "recorded_on": days(joined(np.full(n, start.first_day), rows, "recorded")),
        }
    )


def monitoring(naming: Naming, start: Month, records: Sequence[MonthRecords]) -> pd.DataFrame:
    """One row per identification, and another when it is closed."""
    rows, state = [r.monitoring for r in records if r.monitoring is not None], start.state.households
    here = np.flatnonzero(state.monitored)
    return pd.DataFrame(
        {
            "household_id": naming.household.take(joined(here, rows, "household")),
            "identified_on": days(joined(state.monitored_day[here], rows, "identified")),
            "category": coded(CATEGORIES, joined(state.category[here], rows, "category")),
            "risk_type": coded(RISK_TYPES, joined(state.risk_type[here], rows, "risk_type")),
            "channel": coded(CHANNELS, joined(state.channel[here], rows, "channel")),
            "eliminated_on": days(joined(np.full(len(here), NO_DAY), rows, "eliminated")),
            "recorded_on": days(joined(np.full(len(here), start.first_day), rows, "recorded")),
        }
    )


def deliveries(naming: Naming, records: Sequence[MonthRecords]) -> pd.DataFrame:
    """One row per file that arrived."""
    rows = [r.delivery for r in records]
    month = np.repeat([r.month for r in records], [len(r.delivery.table) for r in records])
    villages = naming.state.villages
    township_code = np.zeros(len(naming.state.identified), dtype=np.int64)
    township_code[villages.township] = villages.code // 1000
    return pd.DataFrame(
        {
            "table_name": coded(MONTHLY_TABLES, np.concatenate([r.table for r in rows])),
            "township_code": township_code[np.concatenate([r.township for r in rows])],
            "period_start": month_days(month, first_day),
            "period_end": month_days(month, last_day),
            "recorded_on": days(np.concatenate([r.recorded for r in rows])),
        }
    )


def lines(parameters: Parameters) -> pd.DataFrame:
    """The monitoring line by first day in force."""
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
    """What was true at every month end, by household that then had members."""
    truths = [r.truth for r in records]
    alive = [np.flatnonzero(t.members) for t in truths]
    n = [len(a) for a in alive]
    net12 = np.concatenate([t.net12[a] for t, a in zip(truths, alive, strict=True)])
    members = np.concatenate([t.members[a] for t, a in zip(truths, alive, strict=True)])
    line = np.repeat([t.line for t in truths], n)
    shocks = np.concatenate([t.shocks[a] for t, a in zip(truths, alive, strict=True)])
    frame = pd.DataFrame(
        {
            "household_id": names.household_numbers(final.n_households, county=COUNTY_CODE).take(np.concatenate(alive)),
            "month_end": month_days(np.repeat([r.month for r in records], n), last_day),
            "net_12m_cny": net12,
            "n_members": members,
            "net_per_head_cny": net12 / members,
            "line_cny_year": line,
            "monitored": np.concatenate([t.monitored[a] for t, a in zip(truths, alive, strict=True)]),
        }
    )
    for shock in Shock:
        frame[f"shock_{shock.name.lower()}"] = shocks[:, shock]
    return frame
