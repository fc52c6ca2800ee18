"""The assistance account: what civil affairs counts for 低保 and its neighbours, itemised. Never mixed with the register account.

`assistance_countable` = the ledger's net income (production cost deducted, as in `register_net`)
− the items that the pack excludes (pensions, disability subsidies, 抚恤金, 优待金, 低保 itself)
− cost of employment, where the pack deducts one: a share of the items it names, as far as they count and less the cost that the
ledger has for them; the wage assumed below is none of them
+ the local minimum wage for wages nobody stated, where the pack says so.

**Wages nobody stated.** A member with full labour capacity is on file as employed for wages, and there is no wage row for a month
that counts: neither one of the member's, wherever it was filed, nor one of the household's that names no member (a ledger kept by
household states the wages of all). Employed for wages in a month is who was in a paid spell on its last day; who has no spell of
work on file, whose state in the member register says so. The month must be one of the household's (delivered, since its present
stay began) and the member must live there on its last day. A wage row of zero is a statement. The larger estimate is never taken: a
wage that is assumed can cost a household its aid.

Window, months and young households are those of the register account. The rules are those in force on the window's last day,
for all of its months; states of members are those on file on the view's day. Source: DOMAIN §2; that no employment
cost comes off the assumed wage is assumed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from returnrisk.accounts.ledger import ledger_periods
from returnrisk.accounts.months import delivered_inside, window_frame
from returnrisk.accounts.policy_values import PolicyValues, employment_cost_shares, excluded_items, minimum_wages
from returnrisk.accounts.register import register_net_items
from returnrisk.accounts.residents import young
from returnrisk.store.view import View
from returnrisk.timeline import Window, add_months, month_end, months_between

if TYPE_CHECKING:
    import ibis.expr.types as ir

MINIMUM_WAGE, EMPLOYMENT_COST = "minimum_wage_assumed", "employment_cost"
"""Items that the account adds to those of the ledger: made by a rule, stated by nobody."""
EARNING_STATES = ("employee_formal", "employee_informal", "public_post")
EARNING_SPELLS = (*EARNING_STATES, "workshop")
"""Work for a wage. Who works for himself earns operating income, which the ledger has or has not."""
COLUMNS = ("household_id", "ending_on", "source", "item", "part", "gross_cny", "cost_cny", "amount_cny", "assumed")


def assistance_items(view: View, *, ends: Sequence[dt.date], window: Window, policy: PolicyValues) -> ir.Table:
    """The account, itemised (columns as of `account_items`, which is what to call)."""
    stated = _stated_items(view, excluded_items(view, policy, ends=ends), ends=ends, window=window)
    wages = minimum_wages(policy, ends=ends)
    items = stated if wages is None else stated.union(_assumed_wages(view, wages, ends=ends, window=window))
    shares = employment_cost_shares(view, policy, ends=ends)
    return items if shares is None else items.union(_employment_costs(stated, shares))


def item_rows(table: ir.Table, *, assumed: bool = False, **columns: Any) -> ir.Table:
    """Rows in the columns and types that every part of an account has; a text or a number is the same in every row."""
    import ibis

    made = {name: ibis.literal(value) if isinstance(value, str | int) else value for name, value in columns.items()}
    made |= {name: made[name].cast("decimal(38,2)") for name in ("gross_cny", "cost_cny", "amount_cny")}
    return table.mutate(**made, assumed=ibis.literal(assumed)).select(*COLUMNS)


def _stated_items(view: View, excluded: ir.Table, *, ends: Sequence[dt.date], window: Window) -> ir.Table:
    import ibis

    t = register_net_items(view, ends=ends, window=window).left_join(excluded, ["ending_on", "item"])
    out = t.is_excluded.fill_null(False)
    return item_rows(
        t,
        part=ibis.ifelse(out, "excluded", "counted"),
        gross_cny=t.gross_cny,
        cost_cny=t.cost_cny,
        amount_cny=ibis.ifelse(out, ibis.literal(0, "decimal(38,2)"), t.net_cny.cast("decimal(38,2)")),
    )


def _assumed_wages(view: View, wages: ir.Table, *, ends: Sequence[dt.date], window: Window) -> ir.Table:
    months = unstated_wage_months(view, ends=ends, window=window)
    counted = months.group_by("household_id", "ending_on").agg(n_months=months.count())
    t = counted.inner_join(wages, "ending_on")
    amount = t.n_months.cast("decimal(9,0)") * t.month_cny
    named = {"source": "wage", "item": MINIMUM_WAGE, "part": "counted"}
    return item_rows(t, **named, gross_cny=amount, cost_cny=0, amount_cny=amount, assumed=True)


def _employment_costs(items: ir.Table, shares: ir.Table) -> ir.Table:
    t = items.filter(items.part == "counted").inner_join(shares, ["ending_on", "item"])
    # both of one type, for the engine to multiply exactly, and of one wide enough for the product
    earned = t.group_by("household_id", "ending_on", "cost_share").agg(earned_cny=t.amount_cny.sum().cast("decimal(20,6)"))
    taken = earned.mutate(taken_cny=(earned.earned_cny * earned.cost_share).cast("decimal(18,2)"))  # half up, to the fen
    t = taken.filter(taken.taken_cny > 0)
    named = {"source": "wage", "item": EMPLOYMENT_COST, "part": "deducted"}
    return item_rows(t, **named, gross_cny=0, cost_cny=t.taken_cny, amount_cny=-t.taken_cny, assumed=True)


def unstated_wage_months(view: View, *, ends: Sequence[dt.date], window: Window) -> ir.Table:
    """Months in which a member is on file as employed for wages and no wage is.

    Returns
    -------
    Ibis table, one row per household, member, window end and month: household_id, person_id, ending_on, month_on (its first day).
    """
    worked = _worked_months(view, _lived_months(view, window_frame(ends, window=window)))
    first, last = min(window.bounds(end)[0] for end in ends), max(ends)
    stated = _stated_wage_months(view, first=first, last=last)
    by_member = stated.filter(stated.person_id.notnull()).select("person_id", "month_on").distinct()
    by_household = stated.filter(stated.person_id.isnull()).select("household_id", "month_on").distinct()
    return worked.anti_join(by_member, ["person_id", "month_on"]).anti_join(by_household, ["household_id", "month_on"])


def _lived_months(view: View, windows: ir.Table) -> ir.Table:
    """Months that count for a household, with every member of full labour capacity who lived in it on the month's last day."""
    import ibis

    homes = view.table("household").select("household_id", township_code=lambda t: t.village_code // 1000)
    able = view.table("member").filter(lambda t: t.labour_capacity == "full").select("person_id", "employment")
    spells = view.table("household_roster").select("household_id", "person_id", "joined_on", "left_on")
    months = delivered_inside(view, windows)
    months = months.mutate(last_on=(months.month_on + ibis.interval(months=1) - ibis.interval(days=1)).cast("date"))
    t = spells.inner_join(able, "person_id").inner_join(homes, "household_id").inner_join(months, "township_code")
    here = (t.joined_on.isnull() | (t.joined_on <= t.last_on)) & (t.left_on.isnull() | (t.left_on >= t.last_on))
    t = t.filter(here).select("household_id", "person_id", "employment", "ending_on", "month_on", "last_on").distinct()
    new = young(view, windows)
    t = t.left_join(new, ["household_id", "ending_on"]).drop("household_id_right", "ending_on_right")
    return t.filter(t.known_from.isnull() | (t.month_on >= t.known_from)).drop("known_from")


def _worked_months(view: View, lived: ir.Table) -> ir.Table:
    """Those of the months in which the member is on file as employed for wages."""
    spells = view.table("employment").select("person_id", "kind", "started_on", "ended_on")
    known = spells.select("person_id").distinct()
    by_state = lived.filter(lived.employment.isin(EARNING_STATES)).anti_join(known, "person_id")
    paid = spells.filter(spells.kind.isin(EARNING_SPELLS))
    # joined by equality, then filtered: a join on the days too compares every member with every spell
    spans = paid.select("person_id", "started_on", "ended_on")
    t = lived.inner_join(spans, "person_id")
    by_spell = t.filter((t.started_on <= t.last_on) & (t.ended_on.isnull() | (t.ended_on >= t.last_on)))
    columns = ("household_id", "person_id", "ending_on", "month_on")
    return by_state.select(*columns).union(by_spell.select(*columns).distinct())


def _stated_wage_months(view: View, *, first: dt.date, last: dt.date) -> ir.Table:
    """Months that a wage row covers, also one that does not count: household_id, person_id, month_on."""
    import ibis

    wages = view.table("income").filter(lambda t: t.source == "wage")
    rows = wages.filter((wages.period_start <= ibis.literal(last)) & (wages.period_end >= ibis.literal(first)))
    starts = [add_months(first, k) for k in range(months_between(first, last) + 1)]
    months = ibis.memtable(
        [{"month_on": start, "last_on": month_end(start)} for start in starts], schema={"month_on": "date", "last_on": "date"}
    )
    # there are few periods: which months each covers is settled on them, and the many rows are joined by equality
    periods = ledger_periods(view)
    covered = periods.join(months, [periods.period_start <= months.last_on, periods.period_end >= months.month_on]).drop("last_on")
    return rows.inner_join(covered, ["period_start", "period_end"]).select("household_id", "person_id", "month_on")
