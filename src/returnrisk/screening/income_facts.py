"""Facts of income: both accounts in the pack's window, last year's register account, and whether income stayed above the line.

A household without one row in its ledger has no computable income, in either account: nobody wrote down that it earns nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from returnrisk.accounts import account_net, head_year, lines_in_force
from returnrisk.policy import Policy
from returnrisk.screening.logic import money, when
from returnrisk.screening.windows import YEAR, ScreeningWindows
from returnrisk.store.view import View
from returnrisk.timeline import Window, add_months

if TYPE_CHECKING:
    import ibis.expr.types as ir

Keep = Callable[[str, "ir.Table"], "ir.Table"]


def income_facts(view: View, homes: ir.Table, *, policy: Policy, windows: ScreeningWindows, keep: Keep) -> ir.Table:
    """One row per household of `homes` (household_id, village_code); columns in `facts.household_facts`; `keep` holds each account."""
    import ibis

    w, day = windows, windows.day
    register = keep("register", _account(view, "register_net", [w.income_end, w.last_year_end], windows=w))
    t = homes.select("household_id", "village_code")
    t = _joined(t, _of(register, w.income_end, "register"))
    t = _joined(t, _of(register, w.last_year_end, "last_year"))
    before = add_months(w.income_end, -int(policy.number("gradual_exit_months", day)))
    if w.income == YEAR:
        both = _account(view, "assistance_countable", [w.income_end, before], windows=w, policy=policy)
        assistance = earlier = keep("assistance", both)
    else:
        assistance = keep("assistance", _account(view, "assistance_countable", [w.income_end], windows=w, policy=policy))
        earlier = keep("earlier", _account(view, "assistance_countable", [before], windows=w, policy=policy, window=YEAR))
    t = _joined(t, _of(assistance, w.income_end, "assistance"))
    t = _joined(t, _was_below_dibao(earlier, before, policy=policy))
    t = _joined(t, keep("stability", _stability(view, policy=policy, windows=w)))
    at = homes.select("household_id", "village_code", ending_on=ibis.literal(day))
    lines = lines_in_force(view, at).select("household_id", "line_cny_year")
    t = _joined(t, lines)
    pack_line = ibis.literal(policy.number("monitoring_line", day), "decimal(18,2)")
    return t.drop("village_code").mutate(
        line_cny_year=ibis.coalesce(t.line_cny_year, pack_line), income_ending_on=ibis.literal(w.income_end)
    )


def _account(
    view: View,
    account: Any,
    ends: list[dt.date],
    *,
    windows: ScreeningWindows,
    policy: Policy | None = None,
    window: Window | None = None,
) -> ir.Table:
    """The account at each end, not computable either for a household without any row in the window's ledger."""
    import ibis

    looked = window or windows.income
    t = account_net(view, account=account, ends=ends, window=looked, min_months=windows.min_months, policy=policy)
    bounds = [(*looked.bounds(end), end) for end in sorted(set(ends))]
    rows = view.table("income").select("household_id", "period_start", "period_end")
    first, last = min(b[0] for b in bounds), max(b[1] for b in bounds)
    rows = rows.filter((rows.period_start >= ibis.literal(first)) & (rows.period_end <= ibis.literal(last)))
    held = rows.group_by("household_id").agg(
        **{f"has_{k}": ((rows.period_start >= ibis.literal(a)) & (rows.period_end <= ibis.literal(b))).any() for k, (a, b, _) in enumerate(bounds)}
    )  # fmt: skip
    t = t.left_join(held, "household_id").drop("household_id_right")
    has_ledger = ibis.cases(*((t.ending_on == ibis.literal(end), t[f"has_{k}"]) for k, (_, _, end) in enumerate(bounds))).fill_null(
        False
    )
    return t.mutate(has_ledger=has_ledger, enough=(t.months_delivered >= windows.min_months) & has_ledger)


def _of(account: ir.Table, end: dt.date, prefix: str) -> ir.Table:
    import ibis

    t = account.filter(account.ending_on == ibis.literal(end))
    return t.select(
        "household_id",
        **{
            f"{prefix}_net_cny": t.net_cny.cast("decimal(18,2)"),
            f"{prefix}_members": t.n_members,
            f"{prefix}_months": t.months_delivered,
            f"{prefix}_computable": t.enough,
            f"{prefix}_head_cny_year": when(t.enough, head_year(t)),
        },
    )


def _was_below_dibao(account: ir.Table, end: dt.date, *, policy: Policy) -> ir.Table:
    """Whether countable income of the twelve months up to a gradual exit's months ago was below the dibao line of that day."""
    import ibis

    t = account.filter(account.ending_on == ibis.literal(end))
    below = t.net_cny.cast("decimal(18,2)") * 12 < money(policy.number("dibao_line", end)) * (t.n_members * t.months_delivered)
    return t.select("household_id", was_below_dibao=when(t.enough, below))


def _stability(view: View, *, policy: Policy, windows: ScreeningWindows) -> ir.Table:
    """Whether the register account stayed above the line at every month end of `stable_months`, over the twelve months before each."""
    import ibis

    day = windows.day
    ends = [add_months(windows.income_end, -k) for k in range(int(policy.number("stable_months", day)) + 1)]
    t = _account(view, "register_net", ends, windows=windows, window=YEAR)
    pack_lines = {end: ibis.literal(policy.number("monitoring_line", end), "decimal(18,2)") for end in ends}
    line = ibis.coalesce(
        t.line_cny_year, ibis.cases(*((t.ending_on == ibis.literal(end), value) for end, value in pack_lines.items()))
    )
    needed = (line.cast("decimal(18,2)") * money(policy.number("elimination_above", day))).cast("decimal(18,2)")
    above = t.net_cny.cast("decimal(18,2)") * 12 > needed * (t.n_members * t.months_delivered)
    t = t.mutate(above=when(t.enough, above))
    return t.group_by("household_id").agg(
        stably_above=ibis.cases(((~t.above).any(), False), ((t.count() == len(ends)) & (t.above.count() == len(ends)), True))
    )


def _joined(t: ir.Table, other: ir.Table) -> ir.Table:
    return t.left_join(other, "household_id").drop("household_id_right")
