"""A delivery that holds far less than usual does not count as delivered.

The rule, for tables that hold a row per household and period (the income ledger): a delivery of a township and period counts when the
household-periods on file for it reach `share` of the median of that township's earlier deliveries of the same length. Both are
counted as known on the day the delivery is used from (it arrived, and the table's reporting delay is over), so that a later
re-delivery makes the period count from its own arrival on, and never changes what an earlier day saw. Without enough earlier
deliveries, or where a township is so small that chance decides, nothing is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from returnrisk.config import HalfDeliverySpec
from returnrisk.contracts import Check, Contract
from returnrisk.errors import ConfigError, UnknownNameError
from returnrisk.ingest.agreement import reason
from returnrisk.ingest.codes import code

if TYPE_CHECKING:
    import ibis.expr.types as ir


PERIOD_OF_A_HOUSEHOLD = ("household_id", "period_start", "period_end")


def refuse_unknown_tables(rule: HalfDeliverySpec, contracts: Mapping[str, Contract]) -> None:
    """Hold the tables that the rule names against the contracts.

    Raises
    ------
    UnknownNameError
        No such table.
    ConfigError
        The table does not hold rows of a household and period.
    """
    for name in rule.shares:
        if name not in contracts:
            raise UnknownNameError("table in half_delivery.shares of returnrisk.toml", name, contracts)
        if missing := sorted(set(PERIOD_OF_A_HOUSEHOLD) - set(contracts[name].columns)):
            raise ConfigError(
                f"half_delivery.shares of returnrisk.toml names {name}, which has no {', '.join(missing)}: only a table with a row per "
                "household and period can be half delivered"
            )


def half_delivered(
    deliveries: ir.Table,
    *,
    tables: Mapping[str, ir.Table],
    delays: Mapping[str, int],
    rule: HalfDeliverySpec,
) -> list[dict[str, Any]]:
    """Reasons (ING020) of the delivery rows that do not count.

    Parameters
    ----------
    deliveries
        Rows of the delivery table with their input `row`.
    tables
        Accepted tables: `household` and those of `rule.shares`.
    delays
        Reporting delay in days by table.
    """
    says = code("ING020")
    found: list[dict[str, Any]] = []
    for name, share in sorted(rule.shares.items()):
        if name not in tables or "household" not in tables:
            continue
        counted = _counted(deliveries.filter(deliveries.table_name == name), tables[name], tables["household"], delay=delays[name])
        rows = _below_usual(counted, share=share, rule=rule).select("row").to_pyarrow()["row"].to_pylist()
        check = Check("ING020", "period_start", None, says.text_zh, says.text_en)
        found += [reason(row, check) for row in sorted(rows)]
    return found


def _day_after(day: Any, days: int) -> Any:
    import ibis

    return (day.cast("timestamp") + ibis.interval(days=days)).date()


def _counted(deliveries: ir.Table, table: ir.Table, household: ir.Table, *, delay: int) -> ir.Table:
    """Deliveries with the day they are used from and the household-periods on file for them by that day (`n`)."""
    import ibis

    homes = (
        household.mutate(township_code=household.village_code // 1000)
        .group_by("household_id", "township_code")
        .agg(home_known=lambda t: t.recorded_on.min())
    )
    said = table.group_by("household_id", "period_start", "period_end").agg(said_on=table.recorded_on.min())
    lived = said.join(homes, "household_id")
    lived = lived.mutate(known_on=ibis.greatest(lived.said_on, lived.home_known))
    cells = lived.group_by("township_code", "period_start", "period_end", "known_on").agg(n_known=lived.count())
    due = _day_after(deliveries.period_end, delay)
    used = deliveries.mutate(used_from=ibis.greatest(deliveries.recorded_on, due)).select(
        "row", "township_code", "period_start", "period_end", "used_from"
    )
    cells = cells.rename(cell_township="township_code", cell_start="period_start", cell_end="period_end")
    inside = used.join(
        cells,
        [
            used.township_code == cells.cell_township,
            cells.cell_start >= used.period_start,
            cells.cell_end <= used.period_end,
            cells.known_on <= used.used_from,
        ],
        how="left",
    )
    return inside.group_by("row", "township_code", "period_start", "period_end", "used_from").agg(
        n=inside.n_known.sum().fill_null(0).cast("int64")
    )


def _below_usual(counted: ir.Table, *, share: float, rule: HalfDeliverySpec) -> ir.Table:
    import ibis

    months = (
        (counted.period_end.year() - counted.period_start.year()) * 12 + counted.period_end.month() - counted.period_start.month()
    )
    own = counted.mutate(length=months)
    earlier = own.select(
        e_township="township_code", e_start="period_start", e_end="period_end", e_used="used_from", e_length="length", e_n="n"
    )
    oldest = (own.period_start.cast("timestamp") - ibis.interval(months=rule.months)).date()
    before = own.join(
        earlier,
        [
            own.township_code == earlier.e_township,
            own.length == earlier.e_length,
            earlier.e_end < own.period_start,
            earlier.e_start >= oldest,
            earlier.e_used <= own.used_from,
        ],
    )
    usual = before.group_by("row", "n").agg(usual=before.e_n.median(), n_earlier=before.e_start.nunique())
    return usual.filter(
        (usual.n_earlier >= rule.min_earlier) & (usual.usual >= rule.min_usual) & (usual.n.cast("float64") < share * usual.usual)
    )
