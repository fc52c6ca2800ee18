"""The whole screening of a day: bad input set aside, categories, elimination, checks, alerts and 减收排查, from one reading of the facts."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from returnrisk.errors import NotEnoughDataError, UsageError
from returnrisk.policy import Policy
from returnrisk.screening.alert_ledger import alert_states, merge_alerts
from returnrisk.screening.alert_yield import AlertYield, alert_yield
from returnrisk.screening.alerts import RaisedAlerts, raise_alerts
from returnrisk.screening.bad_input import bad_input, bad_input_counts, set_aside
from returnrisk.screening.categories import CATEGORIES, categories
from returnrisk.screening.consistency import consistency, consistency_counts
from returnrisk.screening.elimination import elimination
from returnrisk.screening.facts import kept_facts
from returnrisk.screening.income_screening import IncomeScreening, screen_income
from returnrisk.screening.projection import Projection, seasonal_projection
from returnrisk.store.view import View
from returnrisk.timeline import add_months, month_start

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True, slots=True, eq=False)
class Screening:
    """What the rules say of a county on a day. Leads to verify; nothing here decides about anybody.

    Attributes
    ----------
    day, pack
        The day, and the policy pack whose values of that day hold.
    households
        Arrow table, one row per household screened, by household_id: columns of `household_facts`.
    categories, elimination, checks
        Arrow tables by household_id and code: answers of `categories`; states of `elimination`; results of `consistency` other than
        not_applicable.
    check_counts
        `consistency_counts`.
    input_problems, input_counts
        What was wrong in the input, by household (Arrow, `bad_input` and village_code) and counted (`bad_input_counts`): the households marked
        sets_aside are in no other table.
    alerts
        DataFrame by alert_id: every alert of the ledger up to the day, with its state on the day; `is_new` marks those this day's
        screening was the first to raise.
    rules
        DataFrame, one row per alert rule in force: `alerts.RULE_COLUMNS`; n_alerts counts the new ones of the day.
    alert_yield
        What the alerts of the months before led to; None where no alert was raised in them.
    income
        减收排查.
    """

    day: dt.date
    pack: str
    households: pa.Table
    categories: pa.Table
    elimination: pa.Table
    checks: pa.Table
    check_counts: pd.DataFrame
    input_problems: pa.Table
    input_counts: pd.DataFrame
    alerts: pd.DataFrame
    rules: pd.DataFrame
    alert_yield: AlertYield | None
    income: IncomeScreening

    def frame(self) -> pd.DataFrame:
        """Totals of 减收排查, one row per household of the policy's groups."""
        return self.income.frame("totals")


@dataclass(frozen=True, slots=True, eq=False)
class AlertsSince:
    """Alerts whose deciding records were recorded since a day: what does not wait for the month.

    Attributes
    ----------
    day, since, pack
        The day, the first day of recording, and the pack.
    steps
        The county's steps of identification, in order: no alert takes the place of one.
    alerts, rules
        As of `Screening`; only new alerts, and those of an earlier run of the same day.
    """

    day: dt.date
    since: dt.date
    pack: str
    steps: tuple[str, ...]
    alerts: pd.DataFrame
    rules: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """The alerts."""
        return self.alerts


def screen(
    view: View, *, policy: Policy, known: pd.DataFrame | None = None, projection: Projection = seasonal_projection
) -> Screening:
    """Screen every household on the view's day.

    Parameters
    ----------
    view
        What was known on the day; nothing else is read.
    policy
        The county's pack.
    known
        The ledger of alerts (`read_alerts`); what it holds is not raised again. Alerts first raised after the day are not looked at.
    projection
        What the open months of this income year will bring.

    Raises
    ------
    NotEnoughDataError
        Nobody is on file on the day.
    PolicyError
        A parameter has no value on the day, a rule names what does not exist (POL024), or the pack is another area's (POL016).
    """
    day = view.day
    _require_area(view, policy)
    with view.kept("screening_bad_input", lambda: bad_input(view, policy=policy)) as found:
        aside = set_aside(found)
        problems, counts = _placed(view, found), bad_input_counts(view, found)
        with _facts(view, policy, aside) as facts, _answers(view, policy, facts) as answers:
            raised = _raise(view, policy, facts, answers, known=_until(known, day))
            with view.kept("screening_checks", lambda: consistency(view, facts, policy=policy)) as checks:
                check_counts = consistency_counts(checks)
                asked = _sorted(checks.filter(checks.result != "not_applicable"), "household_id", "code")
            parts = {
                "households": _sorted(facts, "household_id"),
                "categories": _sorted(answers, "household_id", "category"),
                "elimination": _sorted(elimination(facts, policy=policy, day=day), "household_id"),
            }
        income = screen_income(view, policy=policy, projection=projection, without=aside)
    alerts = _all_alerts(view, raised, _until(known, day))
    return Screening(
        day=day,
        pack=policy.name,
        checks=asked,
        check_counts=check_counts,
        input_problems=problems,
        input_counts=counts,
        alerts=alerts,
        rules=_counted(raised.rules, alerts),
        alert_yield=_yield(view, policy, merge_alerts(_until(known, day), raised.alerts)),
        income=income,
        **parts,
    )


def screen_since(view: View, *, policy: Policy, since: dt.date, known: pd.DataFrame | None = None) -> AlertsSince:
    """Alerts on what was recorded since a day: emergencies, applications, department signals. Runs on any day of the month.

    Parameters
    ----------
    view, policy, known
        As of `screen`.
    since
        First day of recording that is looked at; not after the view's day.

    Raises
    ------
    UsageError
        `since` lies after the day.
    NotEnoughDataError, PolicyError
        As `screen`.
    """
    day = view.day
    if since > day:
        raise UsageError(f"--since {since} lies after --as-of {day}: give the first day whose records are to be looked at")
    _require_area(view, policy)
    with (
        view.kept("screening_bad_input", lambda: bad_input(view, policy=policy)) as found,
        _facts(view, policy, set_aside(found)) as facts,
        _answers(view, policy, facts) as answers,
    ):
        raised = _raise(view, policy, facts, answers, known=_until(known, day), since=since)
    alerts = _all_alerts(view, raised, _until(known, day))
    fresh = alerts[alerts["is_new"] & (alerts["raised_on"] >= since)].reset_index(drop=True)
    steps, rules = policy.listed("identification_steps", day), _counted(raised.rules, fresh)
    return AlertsSince(day=day, since=since, pack=policy.name, steps=steps, alerts=fresh, rules=rules)


def _require_area(view: View, policy: Policy) -> None:
    """Another province's rules are not this county's."""
    villages = view.table("village")
    for code in (
        villages.select(code=villages.village_code // 1_000_000).distinct().order_by("code").to_pyarrow()["code"].to_pylist()
    ):
        policy.require_area(code)


@contextlib.contextmanager
def _facts(view: View, policy: Policy, aside: ir.Table) -> Iterator[ir.Table]:
    with kept_facts(view, policy=policy, without=aside) as facts:
        if facts.count().to_pyarrow().as_py() == 0:
            raise NotEnoughDataError(f"nobody is on file on {view.day}: is the day right, and have the registers been delivered?")
        yield facts


def _answers(view: View, policy: Policy, facts: ir.Table) -> contextlib.AbstractContextManager[ir.Table]:
    return view.kept("screening_categories", lambda: categories(facts, policy=policy, day=view.day))


def _raise(
    view: View, policy: Policy, facts: ir.Table, answers: ir.Table, *, known: pd.DataFrame | None, since: dt.date | None = None
) -> RaisedAlerts:
    labels = {c.code: (c.zh, c.en) for c in CATEGORIES}
    return raise_alerts(view, policy=policy, facts=facts, categories=answers, category_labels=labels, since=since, known=known)


def _all_alerts(view: View, raised: RaisedAlerts, known: pd.DataFrame | None) -> pd.DataFrame:
    """The ledger with what was raised now, how far each alert has come, and whether it is of this day."""
    alerts = alert_states(view, merge_alerts(known, raised.alerts))
    return alerts.assign(is_new=[d == view.day for d in alerts["screened_on"]])


def _counted(rules: pd.DataFrame, alerts: pd.DataFrame) -> pd.DataFrame:
    """New alerts of the day by rule: the same in a run that is repeated, when the ledger has them already."""
    new = alerts.loc[alerts["is_new"], "rule"].value_counts()
    return rules.assign(n_alerts=rules["rule"].map(new).fillna(0).astype("int64"))


def _until(known: pd.DataFrame | None, day: dt.date) -> pd.DataFrame | None:
    """The ledger as it was: a past day is screened as if the later ones had not been."""
    return None if known is None else known[known["screened_on"] <= day]


def _yield(view: View, policy: Policy, ledger: pd.DataFrame) -> AlertYield | None:
    n = int(policy.number("alert_yield_months", view.day))
    months = [add_months(month_start(view.day), -k) for k in range(1, n + 1)]
    return alert_yield(view, ledger, months=months) if any(month_start(d) in months for d in ledger["screened_on"]) else None


def _placed(view: View, found: ir.Table) -> pa.Table:
    """Problems with the household's village as on file (NULL: the household is not)."""
    homes = view.table("household").select("household_id", "village_code")
    return _sorted(found.left_join(homes, "household_id").drop("household_id_right"), "household_id", "code")


def _sorted(table: ir.Table, *keys: str) -> pa.Table:
    return table.order_by(*keys).to_pyarrow()
