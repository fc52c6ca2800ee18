"""Rows against rows: repetitions set aside, contradictions and orphans refused, what several rows say kept once.

Suspects are found by their keys first, so that everything costly is done on few rows. No order of rows decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Check, Contract
from returnrisk.ingest.codes import code

if TYPE_CHECKING:
    import ibis.expr.types as ir

NAMED_ONCE = {"identity": "head_name"}
"""Tables that name somebody: two names under one key are worth a look."""


def reason(row: int, check: Check) -> dict[str, Any]:
    """One reason of one quarantined row."""
    return {"row": row, "code": check.code, "field": check.field, "text_zh": check.text_zh, "text_en": check.text_en}


def wide_names(table: ir.Table, contract: Contract) -> list[str]:
    """Wide columns that stand in `table`."""
    return [f"wide_{i}" for i in range(len(contract.wide_columns)) if f"wide_{i}" in table.columns]


def two_names(table: ir.Table, contract: Contract) -> list[int]:
    """Rows whose key stands under another name in another row, whenever recorded: a new head, or two people under one number."""
    name = NAMED_ONCE.get(contract.name)
    if name is None:
        return []
    key = list(contract.key)
    several = table.group_by(key).agg(n_names=table[name].nunique()).filter(lambda t: t.n_names > 1)
    return sorted(table.semi_join(several, key).select("row").to_pyarrow()["row"].to_pylist())


def keys_repeat(table: ir.Table, contract: Contract) -> bool:
    """Whether any key stands more than once on a recording day; in most files none does, and no row needs comparing with another."""
    counted = table.group_by([*contract.key, "recorded_on"]).agg(n_same=table.count())
    return bool(counted.filter(counted.n_same > 1).count().execute())


def without_duplicates(con: Any, table: ir.Table, contract: Contract) -> tuple[ir.Table, list[dict[str, Any]]]:
    """Rows whose every value repeats an earlier row's are set aside; the earliest (one with a stated day first) stays."""
    import ibis

    values = [*contract.columns, *wide_names(table, contract)]
    suspects = _repeated(con, table, [*contract.key, "recorded_on"], name=f"suspect_{contract.name}")
    # a stated recording day outweighs the same day declared, whatever the order of files
    suspects = suspects.mutate(weight=suspects.row + suspects.recorded_declared.cast("int64") * 2**40)
    first = suspects.weight.min().over(ibis.window(group_by=[suspects[v] for v in values])) % 2**40
    repeated = suspects.mutate(first_row=first).filter(lambda t: t.row != t.first_row).select("row", "first_row")
    pairs = sorted(repeated.to_pyarrow().to_pylist(), key=lambda pair: pair["row"])
    kept = con.create_table(f"first_{contract.name}", without_rows(table, [p["row"] for p in pairs]), temp=True, overwrite=True)
    return kept, pairs


def _repeated(con: Any, table: ir.Table, key: list[str], *, name: str) -> ir.Table:
    """Rows whose key stands more than once: few, so that everything costly is done on them alone."""
    twice = table.group_by(key).agg(n_same=table.count()).filter(lambda t: t.n_same > 1).drop("n_same")
    return con.create_table(name, table.semi_join(twice, [table[k].identical_to(twice[k]) for k in key]), temp=True, overwrite=True)


def without_rows(table: ir.Table, rows: list[int]) -> ir.Table:
    """`table` without the given input rows."""
    import ibis

    if not rows:
        return table
    return table.anti_join(ibis.memtable({"row": sorted(set(rows))}, schema={"row": "int64"}), "row")


def without_conflicts(con: Any, rows: ir.Table, contract: Contract) -> tuple[ir.Table, list[dict[str, Any]]]:
    """Input rows that contradict another about the same key on the same recording day are all quarantined."""
    import ibis

    key = [*contract.key, "recorded_on"]
    suspects = _repeated(con, rows, key, name=f"said_twice_{contract.name}")
    if not suspects.count().execute():
        return rows, []
    first = suspects.row.min().over(ibis.window(group_by=[suspects[c] for c in contract.columns]))
    distinct = suspects.mutate(first_row=first).filter(lambda t: t.row == t.first_row)
    conflicting = _repeated(con, distinct, key, name=f"conflict_{contract.name}").select(key).distinct()
    hit = suspects.semi_join(conflicting, [suspects[k].identical_to(conflicting[k]) for k in key]).select("row").distinct()
    positions = sorted(hit.to_pyarrow()["row"].to_pylist())
    text = Check("ING016", ",".join(contract.key), None, code("ING016").text_zh, code("ING016").text_en)
    kept = con.create_table(f"kept_{contract.name}", without_rows(rows, positions), temp=True, overwrite=True)
    return kept, [reason(p, text) for p in positions]


def said_once(con: Any, rows: ir.Table, contract: Contract) -> ir.Table:
    """What several input rows say in the same words (two offices, one item) is stored once; all of them are accepted."""
    key = [*contract.key, "recorded_on"]
    again = _repeated(con, rows, key, name=f"again_{contract.name}")
    if not again.count().execute():
        return rows
    weighed = again.mutate(weight=again.row + again.recorded_declared.cast("int64") * 2**40)
    first = weighed.group_by(key).agg(row=weighed.weight.min() % 2**40)
    later = again.anti_join(first, [again.row == first.row, *(again[k].identical_to(first[k]) for k in key)])
    once = rows.anti_join(later, [rows.row == later.row, *(rows[k].identical_to(later[k]) for k in key)])
    return con.create_table(f"once_{contract.name}", once, temp=True, overwrite=True)


def without_orphans(
    con: Any, rows: ir.Table, contract: Contract, parents: Mapping[str, ir.Table]
) -> tuple[ir.Table, list[dict[str, Any]]]:
    """Input rows that refer to a household, person or village that was not accepted."""
    found: list[dict[str, Any]] = []
    for f in contract.fields:
        if not f.references or f.references[0] not in parents:
            continue
        parent = parents[f.references[0]]
        known = parent.select(**{f.name: parent[f.references[1]]}).distinct()
        orphan = rows.filter(rows[f.name].notnull()).anti_join(known, f.name).select("row").distinct()
        positions = sorted(orphan.to_pyarrow()["row"].to_pylist())
        if not positions:
            continue
        text = Check(
            "CON006",
            f.name,
            None,
            f"{f.label_zh}在{f.references[0]}中不存在",
            f"{f.name} names no accepted row of {f.references[0]}",
        )
        found += [reason(p, text) for p in positions]
        rows = con.create_table(f"kept_{contract.name}_{f.name}", without_rows(rows, positions), temp=True, overwrite=True)
    return rows, found
