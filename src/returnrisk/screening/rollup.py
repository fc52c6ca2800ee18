"""Village → township → county, in the form offices pass upward: every count of a level is the sum of the level below.

Denominators are households that can be judged: what cannot be told is counted beside, never as "no fall". Shares are worked out
anew at each level from its own counts.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.policy import Policy
from returnrisk.screening.alert_ledger import UNVERIFIED
from returnrisk.screening.area_sums import areas_of, change, on_areas, share, summed
from returnrisk.screening.facts import ARRIVING
from returnrisk.screening.rollup_codes import (
    alerts_by_area,
    categories_by_area,
    causes_by_area,
    checks_by_area,
    latest_alerts,
    states_by_area,
)
from returnrisk.screening.screen import Screening

if TYPE_CHECKING:
    import pandas as pd

SOURCES = ("operating", "wage", "property", "transfer")
VERDICTS = ("fall", "level", "rise", "unknown")
OFFICE_CAUSE = 9


@dataclass(frozen=True, slots=True, eq=False)
class RollUp:
    """Counts by area. Every frame begins with level, area_code, parent_code, area_zh: county, townships, villages, each by code.

    Attributes
    ----------
    day, pack, county_code, county_name
        Of the screening.
    smallest_cell
        Counts below it are not published (`small_cells`); what offices work with shows all.
    n_unplaced
        Households set aside whose village is not on file.
    areas
        One row per area. n_households (screened by the rules), n_monitored, n_monitored_unknown (the register of cases did
        not come), n_set_aside; 减收排查: n_screened = n_fall + n_level + n_rise +
        n_unknown (verdict of the projected year), fall_share (of those judged); n_same_fall, n_same_judged, same_fall_share (same
        period); same_last_cny, same_this_cny, same_change_share (households judged on the same period), fall_same_... (of these, those
        projected to fall); last_cny, projected_cny, change_share (households judged); n_below_target, gap_target_cny; n_below_line;
        n_fall_<source>; n_alerts (not closed), n_new_alerts, n_overdue (not verified and past their day), n_alerted and n_must_visit (households).
    causes, alerts, categories, elimination, checks
        One row per area and code of the catalogue, with their names (`rollup_codes`).
    coverage
        One row per area: n_households, arrived_<table> (households whose township delivered it within twelve months), n_without_any,
        n_without_income, share_without_any, n_sources_mean.
    veto
        For the county's eyes only: one row per township, township_code, township_zh, n_fall, n_office_cause (cause 9), n_verified (a
        risk confirmed at the door), veto_households, reaches, reaches_office.
    yields
        `AlertYield.frame` with titles; None where no alert is old enough.
    """

    day: dt.date
    pack: str
    county_code: int
    county_name: str
    smallest_cell: int
    n_unplaced: int
    areas: pd.DataFrame
    causes: pd.DataFrame
    alerts: pd.DataFrame
    categories: pd.DataFrame
    elimination: pd.DataFrame
    checks: pd.DataFrame
    coverage: pd.DataFrame
    veto: pd.DataFrame
    yields: pd.DataFrame | None

    def parts(self) -> dict[str, pd.DataFrame]:
        """Every frame by its name."""
        names = ("areas", "causes", "alerts", "categories", "elimination", "checks", "coverage", "veto")
        found = {name: getattr(self, name) for name in names}
        return found if self.yields is None else {**found, "yields": self.yields}


def roll_up(screening: Screening, *, villages: pd.DataFrame, policy: Policy) -> RollUp:
    """Roll a screening up.

    Parameters
    ----------
    screening
        `screen`'s.
    villages
        village_code, village_name, township_name, county_name.
    policy
        The pack it was made with: smallest cell and veto.
    """
    homes = screening.households.to_pandas()
    homes["monitored"] = homes["monitored"].astype("boolean")
    areas = areas_of(villages, seen=_seen(screening, homes))
    place = homes.set_index("household_id")["village_code"]
    causes = causes_by_area(areas, screening)
    counted, unplaced = _areas(areas, screening, homes)
    county = areas.iloc[0]
    return RollUp(
        day=screening.day,
        pack=screening.pack,
        county_code=int(county["area_code"]),
        county_name=str(county["area_zh"]),
        smallest_cell=int(policy.number("smallest_cell", screening.day)),
        n_unplaced=unplaced,
        areas=counted,
        causes=causes,
        alerts=alerts_by_area(areas, screening),
        categories=categories_by_area(areas, screening, place),
        elimination=states_by_area(areas, screening, place),
        checks=checks_by_area(areas, screening, place),
        coverage=_coverage(areas, homes),
        veto=_veto(counted, causes, screening, homes, threshold=int(policy.number("veto_households", screening.day))),
        yields=_yields(screening),
    )


def _seen(screening: Screening, homes: pd.DataFrame) -> list[int]:
    """Every village that something is counted in: an alert outlives its household, and a village its merger with another."""
    parts = (homes, screening.income.frame("totals"), screening.alerts, screening.input_problems.to_pandas())
    return sorted({int(code) for part in parts for code in part["village_code"].dropna().unique()})


def _areas(areas: pd.DataFrame, screening: Screening, homes: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    import pandas as pd

    people = homes[["village_code"]].assign(
        n_households=1, n_monitored=homes["monitored"].fillna(value=False), n_monitored_unknown=homes["monitored"].isna()
    )
    aside, unplaced = _set_aside(screening)
    sums = [
        summed(people),
        summed(aside),
        summed(_totals(screening)),
        summed(_sources(screening)),
        *(summed(part) for part in _alerts(screening)),
    ]
    t = on_areas(areas, pd.concat(sums, axis=1))
    t = _after(t, "n_unknown", "fall_share", share(t["n_fall"], t["n_screened"] - t["n_unknown"]))
    t = _after(t, "n_same_judged", "same_fall_share", share(t["n_same_fall"], t["n_same_judged"]))
    t = _after(t, "same_this_cny", "same_change_share", change(t["same_last_cny"], t["same_this_cny"]))
    t = _after(t, "fall_same_this_cny", "fall_same_change_share", change(t["fall_same_last_cny"], t["fall_same_this_cny"]))
    t = _after(t, "projected_cny", "change_share", change(t["last_cny"], t["projected_cny"]))
    return t, unplaced


def _after(t: pd.DataFrame, column: str, name: str, values: pd.Series[Any]) -> pd.DataFrame:
    """`t` with a column right after another."""
    columns = list(t.columns)
    place = columns.index(column) + 1
    return t.assign(**{name: values})[[*columns[:place], name, *columns[place:]]]


def _set_aside(screening: Screening) -> tuple[pd.DataFrame, int]:
    """Households set aside, by the village on file; how many have none."""
    t = screening.input_problems.to_pandas()
    t = t.loc[t["sets_aside"].astype(bool), ["household_id", "village_code"]].drop_duplicates("household_id")
    placed = t.dropna().astype({"village_code": "int64"})
    return placed[["village_code"]].assign(n_set_aside=1), len(t) - len(placed)


def _totals(screening: Screening) -> pd.DataFrame:
    t = screening.income.frame("totals")
    judged, same = t["verdict"] != "unknown", t["same_verdict"] != "unknown"
    fall = t["verdict"] == "fall"
    below = (t["projected_head_cny_year"] < t["line_cny_year"].astype("float64")).fillna(False)
    gap = t["gap_target_cny"].where(judged)
    return t[["village_code"]].assign(
        n_screened=1,
        **{f"n_{verdict}": t["verdict"] == verdict for verdict in VERDICTS},
        n_same_fall=t["same_verdict"] == "fall",
        n_same_judged=same,
        same_last_cny=t["same_last_cny"].where(same),
        same_this_cny=t["same_this_cny"].where(same),
        fall_same_last_cny=t["same_last_cny"].where(same & fall),
        fall_same_this_cny=t["same_this_cny"].where(same & fall),
        last_cny=t["last_cny"].where(judged),
        projected_cny=t["projected_cny"].where(judged),
        n_below_target=[g is not None and g == g and g > 0 for g in gap],  # noqa: PLR0124 (NaN)
        gap_target_cny=gap,
        n_below_line=below,
    )


def _sources(screening: Screening) -> pd.DataFrame:
    """Falls by source, one row each."""
    t = screening.income.frame("changes")
    t = t.loc[t["verdict"] == "fall", ["village_code", "source"]]
    return t[["village_code"]].assign(**{f"n_fall_{source}": t["source"] == source for source in SOURCES})


def _alerts(screening: Screening) -> tuple[pd.DataFrame, ...]:
    """Alerts that are not closed; households that have one; households that must be visited."""
    t = screening.alerts
    t = t.loc[t["state"] != "closed"]
    overdue = t["state"].isin(UNVERIFIED) & (t["due_on"] < screening.day)
    alerts = t[["village_code"]].assign(n_alerts=1, n_new_alerts=t["is_new"], n_overdue=overdue)
    must = t.loc[t["must_visit"].astype(bool) & t["state"].isin(UNVERIFIED)]
    alerted = latest_alerts(t, by=["household_id"])[["household_id", "village_code"]]
    visited = alerted[alerted["household_id"].isin(must["household_id"])]
    return alerts, alerted[["village_code"]].assign(n_alerted=1), visited[["village_code"]].assign(n_must_visit=1)


def _coverage(areas: pd.DataFrame, homes: pd.DataFrame) -> pd.DataFrame:
    names = [f"arrived_{table}" for table in ARRIVING]
    t = homes[["village_code", *names]].assign(n_households=1, n_sources=homes[names].sum(axis=1))
    t["n_without_any"], t["n_without_income"] = t["n_sources"] == 0, ~t["arrived_income"]
    found = on_areas(areas, summed(t[["village_code", "n_households", *names, "n_without_any", "n_without_income", "n_sources"]]))
    found["share_without_any"] = share(found["n_without_any"], found["n_households"])
    found["n_sources_mean"] = share(found["n_sources"], found["n_households"])
    return found.drop(columns="n_sources")


def _veto(areas: pd.DataFrame, causes: pd.DataFrame, screening: Screening, homes: pd.DataFrame, *, threshold: int) -> pd.DataFrame:
    """What a system comparison can say; whether problems are serious, people find out."""
    towns = areas.loc[areas["level"] == "township", ["area_code", "area_zh", "n_fall"]]
    towns = towns.rename(columns={"area_code": "township_code", "area_zh": "township_zh"}).reset_index(drop=True)
    office = causes.loc[causes["number"] == OFFICE_CAUSE].set_index("area_code")["n_households"]
    falling = screening.income.frame("totals").query("verdict == 'fall'")[["household_id", "township_code"]]
    confirmed = homes.loc[homes["risk_confirmed"].astype("boolean").fillna(False).astype(bool), "household_id"]
    verified = falling.loc[falling["household_id"].isin(confirmed)].groupby("township_code").size()
    towns["n_office_cause"] = towns["township_code"].map(office).fillna(0).astype("int64")
    towns["n_verified"] = towns["township_code"].map(verified).fillna(0).astype("int64")
    towns["veto_households"] = threshold
    towns["reaches"] = towns["n_fall"] >= threshold
    towns["reaches_office"] = towns["n_office_cause"] >= threshold
    return towns


def _yields(screening: Screening) -> pd.DataFrame | None:
    if screening.alert_yield is None:
        return None
    titles = screening.alerts.drop_duplicates("rule").set_index("rule")
    t = screening.alert_yield.frame.copy()
    for column, every in (("title_en", "all alerts"), ("title_zh", "全部预警")):  # each takes the second place
        t.insert(1, column, t["rule"].map(titles[column]).fillna(every))
    return t
