"""减收排查: every household's income by source, last year's ledger against the same period and the projected year.

Account: `register_net` (its rows, each net of production cost), as the household's total; the line is per head and shown beside it.
Time basis: what the view knew on its day; months as `comparison_months` says. A verdict is `rise` 增收, `fall` 减收, `level` 持平 (within the
tolerance, its edge included) or `unknown`, and then `missing` names why. Source: DOMAIN §3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from returnrisk.accounts import SOURCES, lines_in_force, population, window_income
from returnrisk.policy import Policy
from returnrisk.screening.comparison_months import (
    YEAR,
    Comparison,
    Hold,
    month_counts,
    period_states,
)
from returnrisk.screening.facts import arrivals
from returnrisk.screening.projection import Projection, seasonal_projection
from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir

TOTAL = "total"
VERDICTS = {
    "rise": ("增收", "rise"),
    "fall": ("减收", "fall"),
    "level": ("持平", "unchanged"),
    "unknown": ("无法判断", "cannot tell"),
}
SOURCE_LABELS = {
    "operating": ("经营性收入", "operating income"), "wage": ("工资性收入", "wages"), "property": ("财产性收入", "property income"),
    "transfer": ("转移性收入", "transfers"), "unallocated": ("未分来源收入", "income of no source"), TOTAL: ("家庭总收入", "total income"),
}  # fmt: skip
MISSING = {
    "new_household": ("新立户，上年台账月份不足", "the household is too new to have a year before"),
    "last_year_not_on_file": ("上年台账月份不足", "too few months of last year are on file"),
    "this_year_not_on_file": ("本年同期台账月份不足", "too few months of this year are on file"),
    "not_in_ledger": ("两年台账均无该户", "the ledger has no row of the household in either year"),
    "no_projection": ("未到账月份无法预计", "the open months cannot be projected"),
}
AMOUNTS = tuple(f"{part}_{side}_cny" for part in ("last", "same_last", "same_this") for side in ("gross", "cost"))
_GRAIN = ("household_id", "village_code", "township_code")


def screened_households(view: View, *, policy: Policy) -> ir.Table:
    """Households of the policy's `income_change_groups` with a member on the view's day.

    Returns
    -------
    Ibis table, one row per household: household_id, village_code, township_code, n_members, registered_type, monitored (on the day; NULL:
    no case is known, and the register of cases did not come).
    """
    import ibis

    day = ibis.literal(view.day)
    cases = view.table("monitoring")
    running = (cases.identified_on <= day) & (cases.eliminated_on.isnull() | (cases.eliminated_on > day))
    watched = cases.filter(running).select("household_id").distinct().mutate(monitored=True)
    kinds = view.table("household").select("household_id", "registered_type")
    t = population(view, [view.day]).drop("ending_on").inner_join(kinds, "household_id")
    t = t.left_join(watched, "household_id").drop("household_id_right")
    t = t.mutate(township_code=t.village_code // 1000)
    came = arrivals(view).select("township_code", "arrived_monitoring")
    t = t.left_join(came, "township_code").drop("township_code_right")
    t = t.mutate(monitored=t.monitored.fill_null(ibis.cases((t.arrived_monitoring, False)))).drop("arrived_monitoring")
    groups = policy.listed("income_change_groups", view.day)
    # who may be monitored and is in no other group is not screened: the roll-up counts who that cannot be told of
    return t.filter(t.registered_type.isin(groups) | (t.monitored.fill_null(False) & ibis.literal("monitored" in groups)))


def compared_items(view: View, households: ir.Table, states: ir.Table, comparison: Comparison) -> ir.Table:
    """The ledger of both years by item, on the months that are compared.

    Parameters
    ----------
    households, states
        `compared_classes` and `month_states` of the same view and comparison.

    Returns
    -------
    Ibis table, one row per household, source and item: household_id, source, item, months_last, months_same, last_gross_cny,
    last_cost_cny (last year), same_last_* and same_this_* (months on file in both years), all CNY decimals; recorded_on (its
    latest row).
    """
    rows = window_income(view, ends=comparison.ends, window=YEAR)
    placed = rows.inner_join(households.select("household_id", "class_id"), "household_id")
    t = placed.inner_join(period_states(view, states, comparison), ["class_id", "period_start", "period_end"])
    parts = {"last": ~t.is_this, "same_last": ~t.is_this & t.is_compared, "same_this": t.is_this & t.is_compared}
    sums = {
        f"{part}_{side}_cny": t[f"{side}_cny"].sum(where=held).fill_null(0).cast("decimal(18,2)")
        for part, held in parts.items()
        for side in ("gross", "cost")
    }
    items = t.group_by("household_id", "class_id", "source", "item").agg(**sums, recorded_on=t.recorded_on.max())
    return items.inner_join(month_counts(states), "class_id").drop("class_id", "months_arrived")


def income_changes(
    view: View,
    *,
    policy: Policy,
    households: ir.Table,
    states: ir.Table,
    items: ir.Table,
    projection: Projection = seasonal_projection,
    hold: Hold = lambda _, table: table,
) -> ir.Table:
    """Change of every source and of the total.

    Parameters
    ----------
    households, states, items
        `compared_classes` of `screened_households`, `month_states` and `compared_items` of the same view.
    projection
        What the open months will bring.
    hold
        Computes a table once.

    Returns
    -------
    Ibis table, one row per household and source (operating, wage, property, transfer, total; unallocated where there is any):
    household_id, village_code, township_code, source, months_last, months_same, last_cny (last year's ledger), same_last_cny, same_this_cny,
    same_change_cny, same_change_share, same_verdict (months on file in both years), projected_cny, change_cny, change_share, verdict,
    missing (why a verdict is unknown; NULL where it is not). CNY of the household in the compared months; sources add up to the
    total. NULL: unknown.
    """
    opens = hold("open_months", projection(view, items=items, policy=policy).select("household_id", "source", "open_cny"))
    t = _with_unknowns(view, policy, hold("sums", _by_source(households, states, items, opens)))
    tolerance = policy.number("income_change_tolerance", view.day)
    for prefix, before, now in (("same_", t.same_last_cny, t.same_this_cny), ("", t.last_cny, t.projected_cny)):
        change = (now - before).cast("decimal(18,2)")
        share = change.cast("float64") / before.cast("float64").abs().nullif(0)
        t = t.mutate(**{f"{prefix}change_cny": change, f"{prefix}change_share": share})
        t = t.mutate(**{f"{prefix}verdict": _verdict(t[f"{prefix}change_cny"], before, tolerance)})
    return t.select(
        *_GRAIN, "source", "months_last", "months_same", "last_cny", "same_last_cny", "same_this_cny", "same_change_cny",
        "same_change_share", "same_verdict", "projected_cny", "change_cny", "change_share", "verdict", "missing",
    )  # fmt: skip


def _by_source(households: ir.Table, states: ir.Table, items: ir.Table, opens: ir.Table) -> ir.Table:
    """Sums by source and in total, with the months of each household."""
    import ibis

    homes = households.select(*_GRAIN, "class_id", "known_from")
    homes = homes.inner_join(month_counts(states), "class_id").drop("class_id")
    nets = {part: (items[f"{part}_gross_cny"] - items[f"{part}_cost_cny"]).sum() for part in ("last", "same_last", "same_this")}
    sums = items.group_by("household_id", "source").agg(**{f"{part}_cny": net.cast("decimal(18,2)") for part, net in nets.items()})
    found = sums.left_join(opens, ["household_id", "source"]).drop("household_id_right", "source_right")
    found = found.mutate(projected_cny=(found.same_this_cny + found.open_cny).cast("decimal(18,2)"))
    names = ibis.memtable({"source": list(SOURCES)}, schema={"source": "string"})
    t = homes.cross_join(names).left_join(found, ["household_id", "source"]).drop("household_id_right", "source_right", "open_cny")
    # no row of a source is nothing earned by it; a row without a projection is unknown
    zero = ibis.literal(0, "decimal(18,2)")
    has_row = t.last_cny.notnull()
    amounts = ("last_cny", "same_last_cny", "same_this_cny", "projected_cny")
    t = t.mutate(**{name: has_row.ifelse(t[name], zero) for name in amounts}, n_rows=has_row.cast("int64"))
    keys = [*_GRAIN, "known_from", "months_last", "months_same", "months_arrived"]
    said = t.projected_cny.notnull().cast("int8").min() == 1
    totals = {name: t[name].sum().cast("decimal(18,2)") for name in amounts}
    totals["projected_cny"] = ibis.cases((said, totals["projected_cny"]))
    whole = t.group_by(keys).agg(source=ibis.literal(TOTAL), **totals, n_rows=t.n_rows.sum())
    in_ledger = whole.select("household_id", in_ledger=whole.n_rows > 0)
    parts = t.filter((t.source != "unallocated") | (t.n_rows > 0))
    columns = [*keys, "source", *amounts]
    return parts.select(columns).union(whole.select(columns)).inner_join(in_ledger, "household_id")


def _with_unknowns(view: View, policy: Policy, t: ir.Table) -> ir.Table:
    """Amounts that nobody can know become NULL, with the reason in `missing`."""
    import ibis

    fewest_last = int(policy.number("min_months", view.day))
    fewest_same = int(policy.number("same_period_min_months", view.day))
    is_new = t.known_from.notnull() & (t.months_arrived >= fewest_last)
    has_last, has_same = t.months_last >= fewest_last, t.months_same >= fewest_same
    missing = ibis.cases(
        (~has_last & is_new, "new_household"),
        (~has_last, "last_year_not_on_file"),
        (~has_same, "this_year_not_on_file"),
        (~t.in_ledger, "not_in_ledger"),
        (t.projected_cny.isnull(), "no_projection"),
    )
    return t.mutate(
        missing=missing,
        last_cny=ibis.cases((t.in_ledger & (t.months_last > 0), t.last_cny)),
        same_last_cny=ibis.cases((t.in_ledger & has_same, t.same_last_cny)),
        same_this_cny=ibis.cases((t.in_ledger & has_same, t.same_this_cny)),
        projected_cny=ibis.cases((missing.isnull(), t.projected_cny)),
    )


def _verdict(change: Any, before: Any, tolerance: Any) -> Any:
    """Exact: on the tolerance is still level; against nothing, any change is one."""
    import ibis

    edge = before.abs().cast("decimal(18,6)") * ibis.literal(tolerance, "decimal(18,6)")
    is_level = change.abs().cast("decimal(18,6)") <= edge
    return ibis.cases((change.isnull(), "unknown"), (is_level, "level"), (change > 0, "rise"), else_="fall")


def income_totals(view: View, changes: ir.Table, *, policy: Policy, households: ir.Table, comparison: Comparison) -> ir.Table:
    """One row per household: the total's change, the target, and the line.

    Returns
    -------
    Ibis table: household_id, village_code, township_code, registered_type, monitored, n_members, columns of the total in `changes`,
    n_sources_falling, target_cny (last year's income and the growth asked for), gap_target_cny (household income short of it; 0 at or
    above), projected_head_cny_year (float64; per present member, scaled to twelve months), line_cny_year (in force at the end of
    this year; where no file says, the pack's), gap_line_head_cny (per head and year short of the line; 0 at or above). NULL: unknown.
    """
    import ibis

    is_total = changes.source == TOTAL
    whole = changes.filter(is_total).drop("source", "village_code", "township_code")
    falling = changes.filter(~is_total).group_by("household_id").agg(n_sources_falling=lambda t: t.count(where=t.verdict == "fall"))
    t = households.drop("class_id", "known_from").inner_join(whole, "household_id").inner_join(falling, "household_id")
    at = households.select("household_id", "village_code", ending_on=ibis.literal(comparison.this_end))
    lines = lines_in_force(view, at).select("household_id", "line_cny_year")
    t = t.left_join(lines, "household_id").drop("household_id_right")
    # a township whose line was never delivered has the pack's, as everywhere in the screening
    t = t.mutate(
        line_cny_year=ibis.coalesce(t.line_cny_year, ibis.literal(policy.number("monitoring_line", view.day), "decimal(18,2)"))
    )
    growth = ibis.literal(policy.number("income_growth_target", view.day), "decimal(18,6)")
    zero = ibis.literal(0, "decimal(18,2)")
    known = t.missing.isnull()
    target = t.last_cny + (t.last_cny.abs().cast("decimal(18,6)") * growth).round(2).cast("decimal(18,2)")
    head = t.projected_cny.cast("float64") / t.n_members.cast("float64") * 12 / t.months_last.nullif(0).cast("float64")
    t = t.mutate(target_cny=ibis.cases((known, target)), projected_head_cny_year=head)
    gap_target, gap_line = t.target_cny - t.projected_cny, t.line_cny_year.cast("float64") - t.projected_head_cny_year
    return t.mutate(
        gap_target_cny=ibis.cases((known, ibis.greatest(gap_target, zero).cast("decimal(18,2)"))),
        gap_line_head_cny=ibis.cases((gap_line.notnull(), ibis.greatest(gap_line, 0.0).round(2))),
    )
