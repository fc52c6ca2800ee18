"""Roll-up by area and code: causes, alert rules, categories, states of elimination, checks. Every area has a row for every code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from returnrisk.screening.alert_ledger import UNVERIFIED
from returnrisk.screening.area_sums import AREA, on_areas_and_codes, share, summed
from returnrisk.screening.categories import CATEGORIES
from returnrisk.screening.cause_catalogue import CAUSES
from returnrisk.screening.consistency import CHECKS
from returnrisk.screening.elimination import STATES
from returnrisk.screening.screen import Screening

if TYPE_CHECKING:
    import pandas as pd

CANNOT_TELL = "cannot_tell"
RULE = ("rule", "title_zh", "title_en", "office", "channel")


def causes_by_area(areas: pd.DataFrame, screening: Screening) -> pd.DataFrame:
    """Households by area and cause; several causes per household, so shares may add to more than one.

    Returns
    -------
    DataFrame
        number, cause, cause_zh, cause_en, n_households, n_fall_any (households with any cause: the denominator), share, explained_cny
        (where it can be said), n_explained (households of which it can).
    """
    import pandas as pd

    t = screening.income.frame("causes")
    rows = t[["village_code", "cause", "explained_cny"]].assign(n_households=1, n_explained=t["explained_cny"].notna())
    sums = summed(rows, by=["cause"])
    codes = pd.DataFrame([(c.number, c.code, c.zh, c.en) for c in CAUSES], columns=["number", "cause", "cause_zh", "cause_en"])
    found = on_areas_and_codes(areas, codes, sums, key="cause")
    falling = summed(t.drop_duplicates("household_id")[["village_code"]].assign(n=1))["n"]
    found["n_fall_any"] = found["area_code"].map(falling).fillna(0).astype("int64")
    found["share"] = share(found["n_households"], found["n_fall_any"])
    return found[[*AREA, *codes.columns, "n_households", "n_fall_any", "share", "explained_cny", "n_explained"]]


def alerts_by_area(areas: pd.DataFrame, screening: Screening) -> pd.DataFrame:
    """Alerts by area and rule (in force, or in the ledger).

    Returns
    -------
    DataFrame
        rule, title_zh, title_en, office, channel; n_alerts and n_households (ever), n_new, n_open, n_visited, n_verified_risk,
        n_verified_none, n_closed, n_overdue (not verified and past their day).
    """
    t = screening.alerts
    rules = _rules(screening)
    states = {f"n_{state}": t["state"] == state for state in ("open", "visited", "verified_risk", "verified_none", "closed")}
    rows = t[["village_code", "rule"]].assign(
        n_alerts=1, n_new=t["is_new"], **states, n_overdue=t["state"].isin(UNVERIFIED) & (t["due_on"] < screening.day)
    )
    homes = latest_alerts(t, by=["household_id", "rule"])[["village_code", "rule"]].assign(n_households=1)
    sums = summed(rows, by=["rule"]).join(summed(homes, by=["rule"]))
    order = ["n_alerts", "n_households", "n_new", *states, "n_overdue"]
    return on_areas_and_codes(areas, rules, sums[order], key="rule")


def latest_alerts(alerts: pd.DataFrame, *, by: Sequence[str]) -> pd.DataFrame:
    """The latest alert of each household: a household that moved has alerts in two villages and is counted in one of them."""
    return alerts.sort_values(["screened_on", "alert_id"]).drop_duplicates(list(by), keep="last")


def _rules(screening: Screening) -> pd.DataFrame:
    """Rules in force and of the ledger, by name; words as of the latest alert, else the pack's."""
    import pandas as pd

    known = screening.alerts.sort_values(["screened_on", "alert_id"]).drop_duplicates("rule", keep="last").set_index("rule")
    asked = screening.rules.set_index("rule")
    names = sorted({*known.index, *asked.index})
    rows = [[name, *(str((known if name in known.index else asked).at[name, column]) for column in RULE[1:])] for name in names]
    return pd.DataFrame(rows, columns=list(RULE))


def categories_by_area(areas: pd.DataFrame, screening: Screening, place: pd.Series[int]) -> pd.DataFrame:
    """Area and category in use: zh, en, n_yes, n_no, n_cannot_tell."""
    import pandas as pd

    t = screening.categories.select(["household_id", "category", "answer"]).to_pandas()
    answer = t["answer"]
    rows = pd.DataFrame({"village_code": t["household_id"].map(place), "category": t["category"]}).assign(
        n_yes=answer == 1, n_no=answer == 0, n_cannot_tell=answer.isna()
    )
    used = set(t["category"].unique())
    codes = pd.DataFrame([(c.code, c.zh, c.en) for c in CATEGORIES if c.code in used], columns=["category", "zh", "en"])
    return on_areas_and_codes(areas, codes, summed(rows, by=["category"]), key="category")


def states_by_area(areas: pd.DataFrame, screening: Screening, place: pd.Series[int]) -> pd.DataFrame:
    """Area and state of elimination (of the monitored): zh, en, n_households."""
    import pandas as pd

    t = screening.elimination.to_pandas()
    rows = pd.DataFrame({"village_code": t["household_id"].map(place), "state": t["state"].fillna(CANNOT_TELL)}).assign(
        n_households=1
    )
    words = {**STATES, CANNOT_TELL: ("无法判断", "cannot tell")}
    codes = pd.DataFrame([(state, zh, en) for state, (zh, en) in words.items()], columns=["state", "zh", "en"])
    return on_areas_and_codes(areas, codes, summed(rows, by=["state"]), key="state")


def checks_by_area(areas: pd.DataFrame, screening: Screening, place: pd.Series[int]) -> pd.DataFrame:
    """Area and check of the register: zh, en, n_problem, n_fine, n_cannot_tell (households it applies to)."""
    import pandas as pd

    t = screening.checks.to_pandas()
    results = {f"n_{result}": t["result"] == result for result in ("problem", "fine", CANNOT_TELL)}
    rows = pd.DataFrame({"village_code": t["household_id"].map(place), "code": t["code"]}).assign(**results)
    codes = pd.DataFrame([(c.code, c.zh, c.en) for c in CHECKS], columns=["code", "zh", "en"])
    return on_areas_and_codes(areas, codes, summed(rows, by=["code"]), key="code")
