"""Facts of how the household stands with the offices on the day: assets, aid, monitoring, support, visits, emergencies.

A register without a row is "no" where the township's file came within twelve months, else not known. Assets are known only from an
enquiry that an authorisation covered, while one is in force (unless the pack asks for none); a kind the enquiry has no row of was not
found by it.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from returnrisk.policy import Policy
from returnrisk.screening.logic import when
from returnrisk.store.view import View
from returnrisk.timeline import add_months

if TYPE_CHECKING:
    import ibis.expr.types as ir

DISABILITY_PROGRAMMES = ("disability_living", "disability_care")


def standing_facts(view: View, homes: ir.Table, *, policy: Policy) -> ir.Table:
    """One row per household of `homes` (household_id and arrived_<table>); columns in `facts.household_facts`."""
    t = homes
    parts = (
        _assets(view, policy=policy),
        _aid(view),
        _monitoring(view),
        _support(view),
        _emergencies(view, policy),
        _visits(view, policy),
    )
    for right in parts:
        t = t.left_join(right, "household_id").drop("household_id_right")
    answers = {
        "receives_dibao": "subsidy",
        "receives_disability_subsidy": "subsidy",
        "monitored": "monitoring",
        "ever_monitored": "monitoring",
        "supported": "support",
        "on_safety_net": "support",
        "had_emergency": "disaster",
    }
    t = t.mutate(**{name: _settled(t[name], t[f"arrived_{table}"]) for name, table in answers.items()})
    # a granted subsidy of which nothing was heard for a year is not known to go on
    return t.mutate(**{name: when(t.arrived_subsidy, t[name]) for name in ("receives_dibao", "receives_disability_subsidy")})


def _settled(found: Any, arrived: Any) -> Any:
    """What the register says; no row is "no" where its file came."""
    return found.fill_null(when(arrived, False))


def _latest(rows: ir.Table, keys: list[str], order: str) -> ir.Table:
    import ibis

    newest = ibis.window(group_by=[rows[k] for k in keys], order_by=rows[order].desc())
    return rows.mutate(place=ibis.row_number().over(newest)).filter(lambda t: t.place == 0).drop("place")


def _assets(view: View, *, policy: Policy) -> ir.Table:
    import ibis

    day, a, u = ibis.literal(view.day), view.table("asset"), view.table("authorisation")
    a = a.filter(a.checked_on <= day).select("household_id", "kind", "value_cny", "checked_on")
    if policy.flag("authorisation_needed", view.day):
        u = u.filter((u.scope == "asset_query") & (u.granted_on <= day))
        u = u.filter((u.withdrawn_on.isnull() | (u.withdrawn_on > day)) & (u.valid_until.isnull() | (u.valid_until >= day)))
        u = u.select("household_id", "granted_on", "valid_until")
        a = a.semi_join(u, [a.household_id == u.household_id, a.checked_on >= u.granted_on])
    latest = a.group_by("household_id").agg(asset_checked_on=a.checked_on.max())
    a = a.inner_join(latest, ["household_id", a.checked_on == latest.asset_checked_on])
    found = a.value_cny > 0
    zero = ibis.literal(0, "decimal(18,2)")
    return a.group_by("household_id").agg(
        asset_checked_on=a.asset_checked_on.max(),
        savings_cny=a.value_cny.sum(where=a.kind == "savings").fill_null(zero).cast("decimal(18,2)"),
        n_houses=(found & (a.kind == "house")).cast("int64").sum(),
        has_vehicle=(found & (a.kind == "vehicle")).any(),
        has_business=(found & (a.kind == "business")).any(),
    )


def _aid(view: View) -> ir.Table:
    import ibis

    s = view.table("subsidy")
    s = s.filter((s.period_start <= ibis.literal(view.day)) & s.programme.isin(("dibao", *DISABILITY_PROGRAMMES)))
    s = _latest(s, ["household_id", "programme"], "period_start")
    dibao, paid = s.programme == "dibao", s.status != "cancelled"
    return s.group_by("household_id").agg(
        receives_dibao=(dibao & paid).any(),
        receives_disability_subsidy=(s.programme.isin(DISABILITY_PROGRAMMES) & paid).any(),
        dibao_on=s.period_start.max(where=dibao),
    )


def _monitoring(view: View) -> ir.Table:
    import ibis

    day, m = ibis.literal(view.day), view.table("monitoring")
    m = _latest(m.filter(m.identified_on <= day), ["household_id"], "identified_on")
    return m.select(
        "household_id",
        "identified_on",
        "eliminated_on",
        "risk_type",
        monitored_category=m.category,
        monitored=m.eliminated_on.isnull() | (m.eliminated_on > day),
        ever_monitored=ibis.literal(True),
    )


def _support(view: View) -> ir.Table:
    import ibis

    day, s = ibis.literal(view.day), view.table("support")
    s = s.filter((s.started_on <= day) & (s.ended_on.isnull() | (s.ended_on >= day)) & s.delivered)
    return s.group_by("household_id").agg(supported=s.count() > 0, on_safety_net=(s.measure == "safety_net").any())


def _emergencies(view: View, policy: Policy) -> ir.Table:
    d = _recent(view, "disaster", "happened_on", int(policy.number("emergency_months", view.day)))
    return d.group_by("household_id").agg(had_emergency=d.count() > 0, last_disaster_on=d.happened_on.max())


def _visits(view: View, policy: Policy) -> ir.Table:
    """The latest finding at the door within `stable_months`; that nobody was at home finds nothing."""
    v = _recent(view, "visit", "visited_on", int(policy.number("stable_months", view.day)))
    v = _latest(v.filter(v.finding.isin(("risk_confirmed", "no_risk"))), ["household_id"], "visited_on")
    return v.select("household_id", "visited_on", risk_confirmed=v.finding == "risk_confirmed")


def _recent(view: View, table: str, date: str, months: int) -> ir.Table:
    import ibis

    rows, start = view.table(table), add_months(view.day, -months) + dt.timedelta(days=1)
    return rows.filter((rows[date] >= ibis.literal(start)) & (rows[date] <= ibis.literal(view.day)))
