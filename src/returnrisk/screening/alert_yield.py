"""What alerts led to: of the households alerted in named months, how many were verified with risk, how many registered afterwards.

This is what a list of a model competes with. Unit: households, each counted once per rule however many alerts it had.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.errors import NotEnoughDataError
from returnrisk.screening.alert_ledger import alert_states
from returnrisk.store.view import View
from returnrisk.timeline import month_start

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
EVERY_RULE = "*"


@dataclass(frozen=True, slots=True)
class AlertYield:
    """Yield of the alerts of some months.

    Attributes
    ----------
    label_zh, label_en
        What is reported.
    unit
        "households".
    months
        Calendar months ("2024-03") in which the alerts were first raised.
    known_on
        Day up to which visits and registrations were on file: later months can still grow.
    level
        Of the intervals (Wilson's, households taken as independent).
    frame
        One row per rule, and first one for all of them (rule "*"): rule, n_alerts, n_households, n_visited, n_verified (a finding of risk
        or none), n_verified_risk, n_unregistered (not being monitored on the day of the screening that raised the alert), n_registered (of
        these, identified after that day), and share_, low_, high_ of verified_risk (of n_households) and of registered (of n_unregistered; missing where that is
        zero).
    """

    label_zh: str
    label_en: str
    unit: str
    months: tuple[str, ...]
    known_on: dt.date
    level: float
    frame: pd.DataFrame


def alert_yield(view: View, alerts: pd.DataFrame, *, months: Sequence[dt.date]) -> AlertYield:
    """Yield of the alerts first raised in some months, each followed from its screening's day (`screened_on`) to the view's.

    What happened between the record and the screening is no fruit of the alert. Alerts raised on the view's day are left out: nothing
    can have come of them yet.

    Parameters
    ----------
    alerts
        The ledger: every alert ever raised.
    months
        Any day of each calendar month.

    Raises
    ------
    NotEnoughDataError
        No month is named.
    """
    import pandas as pd

    named = sorted({month_start(m) for m in months})
    if not named:
        raise NotEnoughDataError("name the months whose alerts are to be followed up")
    raised = alerts[[month_start(d) in named and d < view.day for d in alerts["screened_on"]]]
    t = _followed(view, raised)
    rows = [_row(EVERY_RULE, t), *(_row(str(rule), part) for rule, part in t.groupby("rule"))]
    months_text = tuple(f"{m:%Y-%m}" for m in named)
    return AlertYield(
        label_zh=f"预警转化率：{'、'.join(months_text)}预警的户中，核实有风险和此后纳入监测的户",
        label_en=f"yield of the alerts of {', '.join(months_text)}: households verified with risk, and registered afterwards",
        unit="households",
        months=months_text,
        known_on=view.day,
        level=LEVEL,
        frame=pd.DataFrame(rows),
    )


def _followed(view: View, alerts: pd.DataFrame) -> pd.DataFrame:
    """Each alert with: visited, verified, verified_risk, unregistered (when alerted), registered (later)."""
    import pandas as pd

    # closing an alert does not undo what was found
    found = alert_states(view, alerts)
    t = found[["alert_id", "rule", "household_id", "screened_on"]].assign(
        visited=found["visited_on"].notna(), verified=found["verified_on"].notna()
    )
    risk = _risky(view, found)
    rows = view.table("monitoring").select("household_id", "identified_on", "eliminated_on").to_pandas()
    for column in ("identified_on", "eliminated_on"):
        rows[column] = pd.to_datetime(rows[column])
    spells = t[["alert_id", "household_id", "screened_on"]].merge(rows, on="household_id")
    day = pd.to_datetime(spells["screened_on"])
    running = (spells["identified_on"] <= day) & (spells["eliminated_on"].isna() | (spells["eliminated_on"] > day))
    later = (spells["identified_on"] > day) & (spells["identified_on"] <= pd.Timestamp(view.day))
    unregistered = ~t["alert_id"].isin(spells.loc[running, "alert_id"])
    registered = unregistered & t["alert_id"].isin(spells.loc[later, "alert_id"])
    return t.assign(verified_risk=t["alert_id"].isin(risk), unregistered=unregistered, registered=registered)


def _risky(view: View, found: pd.DataFrame) -> set[str]:
    """Alerts whose deciding visit confirmed a risk."""
    import pandas as pd

    rows = view.table("visit").select("household_id", "visited_on", "finding").to_pandas()
    rows["verified_on"] = pd.to_datetime(rows["visited_on"]).dt.date
    t = found[["alert_id", "household_id", "verified_on"]].merge(rows, on=["household_id", "verified_on"])
    return set(t.loc[t["finding"] == "risk_confirmed", "alert_id"])


def _row(rule: str, t: pd.DataFrame) -> dict[str, Any]:
    flags = ["visited", "verified", "verified_risk", "unregistered", "registered"]
    homes = t.groupby("household_id")[flags].any()
    row: dict[str, Any] = {"rule": rule, "n_alerts": len(t), "n_households": len(homes)}
    row |= {f"n_{name}": int(homes[name].sum()) for name in flags}
    for name, of in (("verified_risk", "n_households"), ("registered", "n_unregistered")):
        share, low, high = wilson(row[f"n_{name}"], row[of])
        row |= {f"share_{name}": share, f"low_{name}": low, f"high_{name}": high}
    return row


def wilson(events: int, n: int, *, level: float = LEVEL) -> tuple[float, float, float]:
    """Share of n, and Wilson's interval of it; missing where n is zero.

    Examples
    --------
    >>> [round(x, 4) for x in wilson(5, 10)]
    [0.5, 0.2366, 0.7634]
    """
    from statistics import NormalDist

    if n == 0:
        return float("nan"), float("nan"), float("nan")
    z, p = NormalDist().inv_cdf((1 + level) / 2), events / n
    middle, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return p, low if events else 0.0, high if events < n else 1.0  # exact at the ends, where rounding is not
