"""Why households really fell: the shock behind every fall, and whether any office had it on file.

Rule. A household that is below the line on `fell_on` lacks so much: line x members - net income of twelve months. Every shock of the
twelve months up to `fell_on` is credited with what that income lost from the month before it struck to the month before the next
shock (the last one: to `fell_on`). The largest loss names the cause, if the losses together make up what is lacking; `sufficient`
says whether that loss alone does. If they do not, the cause is `line` (the line in force on the day would have been kept), else
`members` (the members of the day would have kept it), else `drift` (wages, prices and yields moving slowly).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from returnrisk.simulate.county import SimulatedCounty
from returnrisk.simulate.state import Shock
from returnrisk.simulate.truth import fallen
from returnrisk.timeline import Settlement

MONTHS = 12
_MORE_TELLING = (Shock.LAID_OFF_TOGETHER,)
"""Of several shocks of one month the first in `Shock` names it, unless one of these is among them."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Rows that name a shock: of this household, its village or one of its members, dated within some days of the shock's month."""

    table: str
    day: str
    where: Mapping[str, tuple[object, ...]]
    days_after: int = 31


_NO_WORK = Trace("member", "recorded_on", {"employment": ("unemployed",)})
_JOB_ENDED = Trace("employment", "ended_on", {"end_reason": ("dismissed", "contract_ended", "firm_closed")})
_JOB_SIGNAL = Trace("signal", "raised_on", {"code": ("job_lost",)}, 62)
_CROPS_LOST = Trace("disaster", "happened_on", {"hazard_kind": ("drought", "flood", "hail", "frost", "landslide", "other")}, 62)
_LOSS_SIGNAL = Trace("signal", "raised_on", {"code": ("disaster",)}, 62)
TRACES: dict[Shock, tuple[Trace, ...]] = {
    Shock.ILLNESS: (
        Trace("member", "recorded_on", {"health": ("serious",)}),
        Trace("medical", "treated_on", {"disease_listed": (True,)}),
        Trace("signal", "raised_on", {"code": ("illness", "injury")}, 62),
    ),
    Shock.DISABILITY: (
        Trace("member", "recorded_on", {"disability_grade": (1, 2, 3, 4)}),
        Trace("disability", "issued_on", {}, 365),
    ),
    Shock.JOB_LOSS: (_NO_WORK, _JOB_ENDED, _JOB_SIGNAL),
    Shock.LAID_OFF_TOGETHER: (_NO_WORK, _JOB_ENDED, _JOB_SIGNAL),
    Shock.WEATHER: (
        _CROPS_LOST,
        _LOSS_SIGNAL,
        Trace("hazard", "started_on", {"hazard_kind": ("drought", "flood", "hail", "frost", "landslide")}),
    ),
    Shock.HERD: (
        Trace("disaster", "happened_on", {"hazard_kind": ("animal_disease", "other")}, 62),
        _LOSS_SIGNAL,
        Trace("hazard", "started_on", {"hazard_kind": ("animal_disease",)}),
    ),
    Shock.DEATH: (Trace("household_roster", "left_on", {}),),
    Shock.DIBAO_LOST: (Trace("subsidy", "recorded_on", {"programme": ("dibao",), "status": ("cancelled",)}),),
    Shock.REMITTANCE_LOST: (Trace("signal", "raised_on", {"code": ("income_low",)}, 62),),
    Shock.BUSINESS_FAILED: (
        _NO_WORK,
        Trace("employment", "ended_on", {"kind": ("self_employed",)}),
        Trace("industry_project", "state_on", {"state": ("failed",)}),
        Trace("support", "ended_on", {"measure": ("industry",)}),
    ),
    Shock.CALAMITY: (Trace("disaster", "happened_on", {"hazard_kind": ("fire", "other")}, 62), _LOSS_SIGNAL),
    Shock.HARVEST: (_CROPS_LOST, _LOSS_SIGNAL),
    Shock.WAGE_DEFAULT: (Trace("signal", "raised_on", {"code": ("income_low", "debt")}, 62),),
}
"""Where a shock may leave a row that names it. What it takes from the income ledger comes later, and does not say why."""


def falls_with_causes(
    county: SimulatedCounty, *, as_of: dt.date, horizon_months: int = 12, settlement: Settlement = "quarter_end"
) -> pd.DataFrame:
    """Every actual fall of those at risk on a day, the shock that caused it, and who could have known.

    Returns
    -------
    One row per fall, by household: household_id, as_of, fell_on, cause (a `Shock` in lower case, "line", "members" or "drift"),
    sufficient (its loss alone made the household fall), struck_on (month end of the shock; NaT without one), struck_before (on or
    before `as_of`), loss_cny, lacking_cny, n_shocks (months with a shock in the year up to the fall), recorded_on (first day on which a row naming the shock was on
    file; NaT if never), on_file_at_day, on_file_at_fall.

    Raises
    ------
    ConfigError
        The truth does not reach from `as_of` to the last settlement day.

    Examples
    --------
    >>> from returnrisk.simulate import simulate_county
    >>> county = simulate_county(n_households=300, months=24, start=dt.date(2021, 1, 1), seed=1)
    >>> falls = falls_with_causes(county, as_of=dt.date(2021, 12, 31))
    >>> bool((falls["fell_on"] > falls["as_of"]).all())
    True
    """
    outcome = fallen(county.truth, as_of=as_of, horizon_months=horizon_months, settlement=settlement)
    falls = outcome.loc[outcome["fell"], ["household_id", "fell_on"]].assign(as_of=pd.Timestamp(as_of))
    falls = _attributed(falls.reset_index(drop=True), county.truth)
    falls["recorded_on"] = _first_on_file(falls, county.tables)
    falls["struck_before"] = falls["struck_on"] <= falls["as_of"]
    falls["on_file_at_day"] = falls["recorded_on"] <= falls["as_of"]
    falls["on_file_at_fall"] = falls["recorded_on"] <= falls["fell_on"]
    columns = ["household_id", "as_of", "fell_on", "cause", "sufficient", "struck_on", "struck_before", "loss_cny", "lacking_cny"]
    return falls[[*columns, "n_shocks", "recorded_on", "on_file_at_day", "on_file_at_fall"]]


def shocks_on_file(county: SimulatedCounty, *, as_of: dt.date, within_months: int = MONTHS) -> pd.DataFrame:
    """Every kind of shock that struck a household in the months up to a day, and whether a row naming it was on file by then.

    Returns
    -------
    One row per household and kind of shock, the latest of its kind: household_id, cause (a `Shock` in lower case), struck_on (month
    end), recorded_on (first day on which a row naming it was on file; NaT if never), on_file (by `as_of`).

    Examples
    --------
    >>> from returnrisk.simulate import simulate_county
    >>> county = simulate_county(n_households=300, months=24, start=dt.date(2021, 1, 1), seed=1)
    >>> shocks = shocks_on_file(county, as_of=dt.date(2022, 6, 30))
    >>> bool((shocks["struck_on"] <= "2022-06-30").all()), bool(shocks["on_file"].any())
    (True, True)
    """
    day = pd.Timestamp(as_of)
    columns = [f"shock_{shock.name.lower()}" for shock in Shock]
    truth = county.truth
    window = truth[(truth["month_end"] <= day) & (truth["month_end"] > day - pd.DateOffset(months=within_months))]
    struck = window.melt(id_vars=["household_id", "month_end"], value_vars=columns, var_name="cause", value_name="struck")
    latest = struck[struck["struck"]].groupby(["household_id", "cause"])["month_end"].max().rename("struck_on").reset_index()
    latest["cause"] = latest["cause"].str.removeprefix("shock_")
    latest["recorded_on"] = _first_on_file(latest, county.tables)
    return latest.assign(on_file=latest["recorded_on"] <= day)


def _attributed(falls: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """The rule above, one fall at a time: a county has a few hundred."""
    mine = truth[truth["household_id"].isin(falls["household_id"])].sort_values(["household_id", "month_end"])
    by_household = {str(household): path for household, path in mine.groupby("household_id")}
    keys = zip(falls["household_id"].tolist(), falls["as_of"].tolist(), falls["fell_on"].tolist(), strict=True)
    rows = [_cause(by_household[household], day, fell_on) for household, day, fell_on in keys]
    names = ["cause", "sufficient", "struck_on", "loss_cny", "lacking_cny", "n_shocks"]
    out = falls.join(pd.DataFrame(rows, columns=names, index=falls.index))
    return out.assign(struck_on=pd.to_datetime(out["struck_on"]), sufficient=out["sufficient"].astype(bool))


def _cause(path: pd.DataFrame, as_of: pd.Timestamp, fell_on: pd.Timestamp) -> tuple[object, ...]:
    ends = path["month_end"].to_numpy()
    now, day = int(np.searchsorted(ends, fell_on.to_datetime64())), int(np.searchsorted(ends, as_of.to_datetime64()))
    net, members = path["net_12m_cny"].to_numpy(), path["n_members"].to_numpy()
    line = path["line_cny_year"].to_numpy()
    shocks = path[[f"shock_{shock.name.lower()}" for shock in Shock]].to_numpy(dtype=bool)
    lacking = float(line[now] * members[now] - net[now])
    first = max(now - MONTHS + 1, 1)
    struck = first + np.flatnonzero(shocks[first : now + 1].any(axis=1))
    losses = net[struck - 1] - net[np.append(struck[1:] - 1, now)] if len(struck) else np.empty(0)
    if losses[losses > 0].sum() >= lacking:
        place = int(losses.argmax())
        month, loss = int(struck[place]), float(losses[place])
        return _name(shocks[month]), loss >= lacking, ends[month], loss, lacking, len(struck)
    if net[now] >= line[day] * members[now]:
        cause = "line"
    elif net[now] >= line[now] * members[day]:
        cause = "members"
    else:
        cause = "drift"
    return cause, False, np.datetime64("NaT"), float("nan"), lacking, len(struck)


def _name(shocks: np.ndarray) -> str:
    telling = [shock for shock in _MORE_TELLING if shocks[shock]]
    return (telling[0] if telling else Shock(int(shocks.argmax()))).name.lower()


def _first_on_file(falls: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> pd.Series[Any]:
    """First day on which a row naming the cause was on file."""
    found = []
    for shock, traces in TRACES.items():
        wanted = falls.loc[falls["cause"] == shock.name.lower(), ["household_id", "struck_on"]]
        for trace in traces:
            if len(wanted) and trace.table in tables:
                found.append(_on_file(wanted, trace, tables))
    if not found:
        return pd.Series(pd.NaT, index=falls.index, dtype="datetime64[s]")
    first: pd.Series[Any] = pd.concat(found).groupby(level=0).min()
    return first.reindex(falls.index)


def _on_file(wanted: pd.DataFrame, trace: Trace, tables: Mapping[str, pd.DataFrame]) -> pd.Series[Any]:
    """By fall: recording days of the rows of one trace."""
    rows = tables[trace.table]
    for column, values in trace.where.items():
        rows = rows[rows[column].isin(values)]
    rows = rows[rows[trace.day].notna()]
    keyed = wanted.reset_index(names="fall")
    if "household_id" in rows:
        keyed = keyed.merge(rows, on="household_id")
    elif "person_id" in rows:
        people = tables["household_roster"][["person_id", "household_id"]].drop_duplicates()
        keyed = keyed.merge(people, on="household_id").merge(rows, on="person_id")
    else:
        homes = tables["household"][["household_id", "village_code"]].drop_duplicates()
        keyed = keyed.merge(homes, on="household_id").merge(rows, how="cross")
        area, village = keyed["area_code"], keyed["village_code"]
        keyed = keyed[(area == village) | (area == village // 1000) | (area == village // 1_000_000)]
    begin = keyed["struck_on"].dt.to_period("M").dt.start_time
    near = (keyed[trace.day] >= begin) & (keyed[trace.day] <= keyed["struck_on"] + pd.Timedelta(days=trace.days_after))
    recorded: pd.Series[Any] = keyed[near].set_index("fall")["recorded_on"]
    return recorded
