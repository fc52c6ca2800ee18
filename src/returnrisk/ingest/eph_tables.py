"""Canonical tables out of linked interviews: each function returns rows of one contract, not yet cast and ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Contract
from returnrisk.ingest.eph_mapping import EphMapping, fits, value_by_rules

if TYPE_CHECKING:
    import ibis.expr.types as ir

VILLAGE_DIGITS = 1000
"""Region and agglomerate take three digits each of a 12-digit village code."""


def first_day(q: Any) -> Any:
    """First day of the quarter with number `q` (year x 4 + quarter - 1)."""
    import ibis

    return ibis.date(q // 4, (q % 4) * 3 + 1, 1)


def last_day(q: Any) -> Any:
    """Last day of the quarter with number `q`."""
    import ibis

    return (first_day(q + 1) - ibis.interval(days=1)).cast("date")


def township_code(table: ir.Table, mapping: EphMapping) -> Any:
    """9-digit code of a row's region."""
    return table.region + mapping.county_code * VILLAGE_DIGITS


def village_code(table: ir.Table, mapping: EphMapping) -> Any:
    """12-digit code of a row's agglomerate."""
    return township_code(table, mapping) * VILLAGE_DIGITS + table.agglomerate


def conform(rows: ir.Table, contract: Contract) -> ir.Table:
    """`rows` with exactly the contract's columns and types, in its order; a column that `rows` lack is NULL."""
    import ibis

    return rows.select(
        **{f.name: rows[f.name].cast(f.type) if f.name in rows.columns else ibis.null(f.type) for f in contract.fields}
    )


def _named(code: Any, names: dict[int, str], *, other: str) -> Any:
    import ibis

    return ibis.cases(*((code == number, name) for number, name in sorted(names.items())), else_=other + code.cast("string"))


def village_rows(households: ir.Table, mapping: EphMapping) -> ir.Table:
    """One row per agglomerate, recorded with its first quarter."""
    seen = households.group_by("region", "agglomerate").agg(q=lambda t: t.q.min())
    return seen.select(
        village_code=village_code(seen, mapping),
        village_name=_named(seen.agglomerate, dict(mapping.agglomerates), other="Aglomerado "),
        township_name=_named(seen.region, dict(mapping.regions), other="Región "),
        recorded_on=last_day(seen.q),
    )


def household_rows(households: ir.Table, mapping: EphMapping, contract: Contract) -> ir.Table:
    """One row per household and interview, with the dwelling as it was then."""
    import ibis

    low, high = mapping.rooms_between
    rooms = [ibis.ifelse(households[c].between(low, high), households[c], ibis.null("int64")) for c in mapping.rooms_columns]
    fields = {n: value_by_rules(households, r, type_=contract.field(n).type) for n, r in mapping.fields["household"].items()}
    return households.select(
        household_id=households.household_id,
        village_code=village_code(households, mapping),
        rooms=ibis.coalesce(*rooms),
        recorded_on=last_day(households.q),
        **fields,
    )


def roster_rows(members: ir.Table, mapping: EphMapping, contract: Contract) -> ir.Table:
    """One spell per person and interview, the quarter of the interview: a household that was not interviewed has no member then."""
    relation = value_by_rules(members, mapping.fields["household_roster"]["relation"], type_=contract.field("relation").type)
    return members.select(
        "person_id",
        "household_id",
        relation=relation,
        joined_on=first_day(members.q),
        left_on=last_day(members.q),
        recorded_on=last_day(members.q),
    )


def member_rows(members: ir.Table, mapping: EphMapping, contract: Contract) -> ir.Table:
    """One row per person and interview; the birthday is the first day of the quarter, age years before."""
    fields = {n: value_by_rules(members, r, type_=contract.field(n).type) for n, r in mapping.fields["member"].items()}
    return members.select(
        person_id=members.person_id,
        born_on=first_day(members.birth_q - members.birth_age * 4),
        recorded_on=last_day(members.q),
        **fields,
    )


def item_rows(members: ir.Table, mapping: EphMapping) -> ir.Table:
    """One row per person, interview and income item with a positive amount.

    Columns: household_id, person_id, q, source, item, estimated, gross_cny.
    """
    import ibis

    parts = []
    for rule in mapping.items:
        month: Any = ibis.literal(0).cast("decimal(18,2)")
        for column in rule.columns:
            month += ibis.ifelse(members[column] > 0, members[column], 0)
        chosen = fits(members, rule.when)
        if rule.unless:
            chosen &= ~fits(members, rule.unless)
        rows = members.select(
            "household_id",
            "person_id",
            "q",
            source=ibis.literal(rule.source),
            item=ibis.literal(rule.item),
            estimated=members[mapping.estimated_column] > 0,
            gross_cny=ibis.ifelse(chosen, (month * mapping.income_months).cast("decimal(18,2)"), 0).cast("decimal(18,2)"),
        )
        parts.append(rows.filter(rows.gross_cny > 0))
    return ibis.union(*parts)


def income_rows(items: ir.Table, households: ir.Table, mapping: EphMapping) -> ir.Table:
    """Items and, per household and quarter, the rest of its total income, so that gross - cost adds up to it exactly.

    A rest below zero (items above the total) stands as cost with no gross income. A household without any income has no row: the
    roster says that it was interviewed, the delivery that its quarter arrived.
    """
    import ibis

    zero = ibis.literal(0).cast("decimal(18,2)")
    itemised = items.group_by("household_id", "q").agg(itemised=lambda t: t.gross_cny.sum())
    joined = households.select("household_id", "q", "income").left_join(itemised, ["household_id", "q"])
    rest = joined.select(
        household_id=households.household_id,
        q=households.q,
        rest=(households.income * mapping.income_months - joined.itemised.fill_null(0)).cast("decimal(18,2)"),
    )
    rest = rest.filter(rest.rest != 0)
    unallocated = rest.select(
        "household_id",
        "q",
        person_id=ibis.null("int64"),
        source=ibis.literal("unallocated"),
        item=ibis.literal("unallocated"),
        estimated=ibis.null("boolean"),
        gross_cny=ibis.ifelse(rest.rest > 0, rest.rest, zero),
        cost_cny=ibis.ifelse(rest.rest < 0, -rest.rest, zero),
    )
    columns = list(unallocated.columns)
    rows = items.mutate(cost_cny=zero).select(columns).union(unallocated)
    return rows.mutate(period_start=first_day(rows.q), period_end=last_day(rows.q), recorded_on=last_day(rows.q)).drop("q")


def delivery_rows(households: ir.Table, mapping: EphMapping) -> ir.Table:
    """One row per table, region and quarter for which interviews are there."""
    import ibis

    seen = households.select("region", "q").distinct()
    parts = [seen.mutate(table_name=ibis.literal(name)) for name in mapping.delivered_tables]
    rows = ibis.union(*parts)
    return rows.select(
        table_name=rows.table_name,
        township_code=township_code(rows, mapping),
        period_start=first_day(rows.q),
        period_end=last_day(rows.q),
        recorded_on=last_day(rows.q),
    )


def line_rows(households: ir.Table, mapping: EphMapping) -> ir.Table:
    """The relative line of each quarter, per head and year: a share of the weighted median income per head of that quarter.

    Parameters
    ----------
    households
        Every interviewed household that is not a special one, also those without a regular member.

    Notes
    -----
    The median is the smallest income per head at which the weights, added up from below, reach half of their total.
    """
    import ibis

    heads = households.head_count.cast("float64").nullif(0)
    valued = households.select("q", "weight", per_head=households.income.cast("float64") / heads)
    valued = valued.filter(valued.per_head.notnull())
    whole = ibis.window(group_by="q")
    below = ibis.window(group_by="q", order_by="per_head", preceding=None, following=0)
    ranked = valued.mutate(reached=valued.weight.sum().over(below), total=valued.weight.sum().over(whole))
    median = ranked.filter(ranked.reached * 2 >= ranked.total).group_by("q").agg(median=lambda t: t.per_head.min())
    quarter = (median.q // 4).cast("string") + "Q" + (median.q % 4 + 1).cast("string")
    return median.select(
        area_code=ibis.literal(mapping.county_code, type="int64"),
        valid_from=first_day(median.q),
        line_cny_year=(median.median * 12 * mapping.line_share).cast("decimal(18,2)"),
        reference=ibis.literal(f"{mapping.line_share:.0%} of the weighted median income per head of ") + quarter,
        recorded_on=last_day(median.q),
    )
