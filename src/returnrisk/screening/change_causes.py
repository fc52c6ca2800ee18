"""Why a household's income fell: the ten causes of the plan, inferred from records, several per household, each with its evidence.

Only households with a fall (of a source, or in total) have causes. A cause is kept where the source it bears on fell, or the total did. The
tenth, `other`, is where a fall has none of the nine. Evidence is a record and its days, and what the ledger shows: the fall, on the months
on file, of the items the cause bears on. A cause is what the records suggest, to be verified at the door; it is never the household's
fault, and `support_not_delivered` is the office's.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from returnrisk.policy import Policy
from returnrisk.screening.cause_catalogue import AMOUNT, CAUSES, wording
from returnrisk.screening.cause_evidence import COLUMNS, EVIDENCE, Falling
from returnrisk.screening.comparison_months import Comparison, Hold
from returnrisk.screening.income_change import TOTAL
from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir

ITEM_GROUPS = {
    "farming": ("crops", "livestock", "forestry"),
    "operating": ("crops", "livestock", "forestry", "small_business", "self_employment"),
    "job": ("migrant_work", "local_work", "formal_wage", "informal_wage", "other_job"),
    "post": ("public_post",),
    "dividend": ("collective_dividend",),
    "dibao": ("dibao",),
    "subsidy": ("policy_subsidy", "disability_subsidy", "cash_benefit"),
}
"""Items of income that a cause's evidence bears on."""


def change_causes(
    view: View,
    changes: ir.Table,
    *,
    policy: Policy,
    households: ir.Table,
    items: ir.Table,
    comparison: Comparison,
    hold: Hold = lambda _, table: table,
) -> ir.Table:
    """Causes of every fall.

    Parameters
    ----------
    changes, households, items, comparison
        `income_changes`, `screened_households`, `compared_items` and `comparison_on` of the same view.
    hold
        Computes a table once.

    Returns
    -------
    Ibis table, one row per household and cause: household_id, village_code, township_code, cause, number (1 to 10), place (1: explains
    most yuan), source, table_name (where the evidence lies), detail (a code of it), event_on, recorded_on, n_records,
    explained_cny (fall on the months on file of the items it bears on, CNY; NULL: cannot be said), text_zh, text_en.
    """
    import ibis

    fallen = hold("fallen", changes.filter(changes.verdict == "fall").select("household_id", "source", "change_cny"))
    who = households.select("household_id", "village_code").semi_join(fallen, "household_id")
    members = hold("members", _members(view, who))
    ledger = hold("ledger", _ledger(view, who, items, policy))
    x = Falling(view=view, policy=policy, comparison=comparison, base=ledger, members=members)
    departures = hold("departures", _departures(x, who))
    x = replace(x, base=hold("falling", _with_departures(ledger, departures)))
    named = ibis.union(*(hold(evidence.__name__, evidence(x).select(COLUMNS)) for evidence in EVIDENCE))
    named = hold("named", _of_fallen_sources(named, fallen))
    other = _other(fallen, named, items, departures, closed_on=comparison.closed_on)
    best = _best(named).union(_best(hold("unexplained", other.select(COLUMNS))))
    numbers = ibis.memtable([{"cause": c.code, "number": c.number} for c in CAUSES], schema={"cause": "string", "number": "int64"})
    t = best.inner_join(numbers, "cause").inner_join(
        households.select("household_id", "village_code", "township_code"), "household_id"
    )
    order = [t.explained_cny.fill_null(0).desc(), t.number]
    t = t.mutate(place=ibis.row_number().over(ibis.window(group_by=t.household_id, order_by=order)) + 1)
    return _in_words(view, t)


def _ledger(view: View, who: ir.Table, items: ir.Table, policy: Policy) -> ir.Table:
    """What the ledger shows of each group of items of these households; no row of a group is no fall of it."""
    import ibis

    sums: dict[str, Any] = {}
    for group, names in ITEM_GROUPS.items():
        held = items.item.isin(names)
        for part in ("last", "same_last", "same_this"):
            net = (items[f"{part}_gross_cny"] - items[f"{part}_cost_cny"]).sum(where=held)
            sums[f"{part}_{group}"] = net.fill_null(0).cast("decimal(18,2)")
        sums[f"recorded_{group}"] = items.recorded_on.max(where=held)
    t = who.left_join(items.group_by("household_id").agg(**sums), "household_id").drop("household_id_right")
    tolerance, steep = (policy.number(name, view.day) for name in ("income_change_tolerance", "cause_ledger_drop"))
    columns: dict[str, Any] = {}
    for group in ITEM_GROUPS:
        before, dropped = t[f"same_last_{group}"], t[f"same_last_{group}"] - t[f"same_this_{group}"]
        size = before.abs().cast("decimal(18,6)")
        edge = (size * ibis.literal(tolerance, "decimal(18,6)")).round(2).cast("decimal(18,2)")
        is_steep = (before > 0) & (dropped.cast("decimal(18,6)") >= size * ibis.literal(steep, "decimal(18,6)"))
        columns |= {
            f"fell_{group}": (dropped > edge).fill_null(False),
            f"dropped_{group}": ibis.cases((dropped > 0, dropped.cast("decimal(18,2)"))),
            f"edge_{group}": edge,
            f"steep_{group}": is_steep.fill_null(False),
            f"unseen_{group}": ((before == 0) & (t[f"last_{group}"] > 0)).fill_null(False),
            f"recorded_{group}": t[f"recorded_{group}"],
        }
    return t.select("household_id", "village_code", **columns)


def _with_departures(ledger: ir.Table, departures: ir.Table) -> ir.Table:
    """The ledger's columns and member_left."""
    gone = departures.select("household_id").distinct().mutate(is_left=True)
    t = ledger.left_join(gone, "household_id").drop("household_id_right")
    return t.mutate(member_left=t.is_left.fill_null(False)).drop("is_left")


def _members(view: View, who: ir.Table) -> ir.Table:
    """Persons who live in the households on the view's day: person_id, household_id."""
    import ibis

    day, spells = ibis.literal(view.day), view.table("household_roster")
    here = (spells.joined_on.isnull() | (spells.joined_on <= day)) & (spells.left_on.isnull() | (spells.left_on >= day))
    return spells.filter(here).semi_join(who, "household_id").select("person_id", "household_id").distinct()


def _departures(x: Falling, who: ir.Table) -> ir.Table:
    """Persons who left a household lately and have not come back: household_id, event_on, recorded_on."""
    spells = x.view.table("household_roster").semi_join(who, "household_id")
    gone = spells.filter(x.recent(spells.left_on)).anti_join(x.members, ["person_id", "household_id"])
    return gone.select("household_id", "recorded_on", event_on="left_on")


def _of_fallen_sources(named: ir.Table, fallen: ir.Table) -> ir.Table:
    """Causes whose source fell, or of households whose total did."""
    exact = named.semi_join(fallen, ["household_id", "source"])
    whole = named.anti_join(fallen, ["household_id", "source"])
    return exact.union(whole.semi_join(fallen.filter(fallen.source == TOTAL), "household_id"))


def _best(rows: ir.Table) -> ir.Table:
    """One row per household and cause: the strongest and latest evidence, with the number of records of its table."""
    import ibis

    same = ibis.window(group_by=[rows.household_id, rows.cause, rows.table_name, rows.strength])
    t = rows.mutate(n_records=rows.count().over(same))
    order = [t.strength, t.event_on.desc(), t.recorded_on.desc(), t.detail, t.source]
    first = ibis.row_number().over(ibis.window(group_by=[t.household_id, t.cause], order_by=order)) == 0
    return t.mutate(is_first=first).filter(lambda t: t.is_first).drop("is_first", "strength")


def _other(fallen: ir.Table, named: ir.Table, items: ir.Table, departures: ir.Table, *, closed_on: dt.date) -> ir.Table:
    """The worst fall that no cause explains, one a household: a member left, else the item that fell most."""
    import ibis

    parts = fallen.filter(fallen.source != TOTAL).anti_join(named, ["household_id", "source"])
    # a total that fell though no source did, and nothing named
    whole = fallen.filter(fallen.source == TOTAL).anti_join(fallen.filter(fallen.source != TOTAL), "household_id")
    open_falls = parts.union(whole.anti_join(named, "household_id"))
    worst = ibis.row_number().over(
        ibis.window(group_by=open_falls.household_id, order_by=[open_falls.change_cny, open_falls.source])
    )
    t = open_falls.mutate(is_worst=worst == 0).filter(lambda t: t.is_worst).select("household_id", "source")
    drops = items.mutate(
        dropped_cny=(items.same_last_gross_cny - items.same_last_cost_cny - items.same_this_gross_cny + items.same_this_cost_cny)
    )
    drops = drops.filter(drops.dropped_cny > 0).select("household_id", "source", "item", "recorded_on", "dropped_cny")
    everywhere = drops.union(drops.mutate(source=ibis.literal(TOTAL)))
    first = ibis.row_number().over(
        ibis.window(
            group_by=[everywhere.household_id, everywhere.source], order_by=[everywhere.dropped_cny.desc(), everywhere.item]
        )
    )
    largest = everywhere.mutate(is_first=first == 0).filter(lambda t: t.is_first)
    by_item = t.left_join(largest, ["household_id", "source"]).drop("household_id_right", "source_right")
    fell = _other_rows(
        by_item.mutate(event_on=ibis.literal(closed_on)), "income", detail=by_item.item.fill_null(""),
        explained=by_item.dropped_cny.cast("decimal(18,2)"), strength=2,
    )  # fmt: skip
    left = t.inner_join(departures, "household_id")
    return fell.union(
        _other_rows(left, "household_roster", detail=ibis.literal(""), explained=ibis.null("decimal(18,2)"), strength=1)
    )


def _other_rows(t: ir.Table, table: str, *, detail: Any, explained: Any, strength: int) -> ir.Table:
    import ibis

    return t.select(
        "household_id", "source", "event_on", "recorded_on", cause=ibis.literal("other"), table_name=ibis.literal(table), detail=detail,
        explained_cny=explained, strength=ibis.literal(strength, "int8"),
    ).select(COLUMNS)  # fmt: skip


def _in_words(view: View, t: ir.Table) -> ir.Table:
    """Texts of the evidence in both languages."""
    import ibis

    schema = dict.fromkeys(("cause", "table_name", "detail", "text_zh", "text_en"), "string")
    words = ibis.memtable(wording(view), schema=schema)
    t = t.left_join(words, ["cause", "table_name", "detail"]).drop("cause_right", "table_name_right", "detail_right")
    on, cny = t.event_on.cast("string"), t.explained_cny.cast("string")
    texts = {}
    for language, clause in zip(("zh", "en"), AMOUNT, strict=True):
        amount = ibis.cases((cny.notnull(), ibis.literal(clause).replace("{cny}", cny)), else_="")
        texts[f"text_{language}"] = t[f"text_{language}"].replace("{on}", on) + amount
    return t.mutate(**texts).select(
        "household_id", "village_code", "township_code", "cause", "number", "place", "source", "table_name", "detail", "event_on",
        "recorded_on", "n_records", "explained_cny", "text_zh", "text_en",
    )  # fmt: skip
