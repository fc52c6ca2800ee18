"""Proof by rebuilding: the same snapshot from a store with fewer rows. What moves was computed from the rows taken away.

LEAK001: rows recorded after the day are taken away. LEAK005: support and monitoring that began after a later identification.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from returnrisk.leakage.panel import Panel
from returnrisk.leakage.result import Finding
from returnrisk.store.view import Store

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

REGISTERS = ("village", "household", "household_roster", "member", "line", "delivery")
"""Who lives where, the lines, and which files came: they stay when what happened to a household is taken away."""
REGISTER_RECORDS = ("village", "household", "roster", "member")


def known_then(store: Store, day: dt.date) -> Store:
    """What the store held on `day`: nothing recorded later, and no word of a later correction."""
    import ibis

    on = ibis.literal(day)

    def change(_: str, rows: ir.Table) -> ir.Table:
        return rows.filter(rows.recorded_on <= on).mutate(superseded_on=ibis.cases((rows.superseded_on <= on, rows.superseded_on)))

    return store.rewritten(change, name=f"known on {day}")


def registers_only(store: Store) -> Store:
    """Households and places, and nothing that happened to them; no file was ever delivered."""
    kept = {*REGISTERS} - {"delivery"}
    return store.rewritten(lambda name, rows: rows if name in kept else rows.limit(0), name="registers only")


def moved(left: pd.DataFrame, right: pd.DataFrame, *, columns: Sequence[str], rounding: float = 0.0) -> dict[str, int]:
    """Columns of `left` that differ in any bit in `right`, with the number of households (NaN equals NaN); by household.

    Households that only one of the two holds differ in every column. Numbers may differ by `rounding` of their size.
    """
    import numpy as np

    a, b = left.set_index("household_id"), right.set_index("household_id").reindex(left["household_id"])
    lost = ~left["household_id"].isin(right["household_id"]).to_numpy()
    extra = int((~right["household_id"].isin(left["household_id"])).sum())
    found = {}
    for name in columns:
        if name not in b:
            found[name] = len(a)
            continue
        x, y = a[name].to_numpy(), b[name].to_numpy()
        equal = np.asarray(x == y)
        if rounding and a[name].dtype.kind == "f":
            equal |= np.isclose(x, y, rtol=rounding, atol=0.0)
        differ = ~(equal | (a[name].isna().to_numpy() & b[name].isna().to_numpy())) | lost
        if n := int(differ.sum()) + extra:
            found[name] = n
    return found


def recorded_later(panel: Panel) -> Finding:
    """LEAK001."""
    figures: list[dict[str, Any]] = []
    guilty: dict[str, int] = {}
    total = 0
    for day in panel.rebuilt_days:
        whole = panel.made(day).frame()
        then = panel.made(day, store=known_then(panel.store, day)).frame()
        changed = moved(whole, then, columns=[c for c in whole.columns if c not in ("household_id", "as_of")])
        total += len(whole)
        for name, n in changed.items():
            guilty[name] = guilty.get(name, 0) + n
            figures.append({"what": name, "measure": f"households that differ on {day}", "value": n})
    for name, n in _dates_after(panel).items():
        guilty[name] = guilty.get(name, 0) + n
        figures.append({"what": name, "measure": "record dates after as_of", "value": n})
    if guilty:
        worst = max(guilty.values())
        return Finding(
            "LEAK001", "problem", "the value changes when rows recorded after the day are taken away, or the record is dated after it",
            what=tuple(guilty), measured=f"up to {worst} of {total} household-days differ", threshold="0 (bit for bit)", figures=tuple(figures),
        )  # fmt: skip
    if unread := not_read(panel):
        return Finding(
            "LEAK001", "cannot_tell",
            "these stay as they are also when every record is taken away: they are not computed from the store, so nothing is proved",
            what=unread, measured=f"{len(unread)} features", threshold="0",
        )  # fmt: skip
    return Finding(
        "LEAK001", "fine", f"the same bits without later rows on {', '.join(map(str, panel.rebuilt_days))}",
        measured=f"0 of {total} household-days differ", threshold="0 (bit for bit)",
    )  # fmt: skip


def _dates_after(panel: Panel) -> dict[str, int]:
    import pandas as pd

    found: dict[str, int] = {}
    for day in panel.days_made():
        table = panel.made(day).frame()
        for name in (c for c in table.columns if c.startswith("on_")):
            if n := int((table[name] > pd.Timestamp(day)).sum()):
                found[name] = found.get(name, 0) + n
    return found


def not_read(panel: Panel) -> tuple[str, ...]:
    """Features, not of a register, that have values and keep every one of them when there are no records."""
    day = panel.test_days[0]
    whole = panel.made(day).frame()
    names = [f.name for f in panel.features if f.record not in REGISTER_RECORDS and whole[f.name].nunique() > 1]
    bare = panel.made(day, store=registers_only(panel.store)).frame()
    changed = moved(whole, bare, columns=names)
    return tuple(name for name in names if name not in changed)


def after_identification(panel: Panel) -> Finding:
    """LEAK005."""
    stored = panel.store.manifest.tables
    if "monitoring" not in stored or stored["monitoring"].n_rows == 0:
        return Finding("LEAK005", "not_applicable", "no monitoring register is on file")
    guilty: dict[str, int] = {}
    figures, removed = [], 0
    for day in panel.rebuilt_days:
        first = _first_identified(panel, day)
        removed += int(first.count().execute())
        without = panel.store.rewritten(
            _without_later_care(first, day), name=f"no care after identifications of {day} to {panel.known_on}"
        )
        whole = panel.made(day).frame()
        changed = moved(whole, panel.made(day, store=without).frame(), columns=[f.name for f in panel.features])
        for name, n in changed.items():
            guilty[name] = guilty.get(name, 0) + n
            figures.append({"what": name, "measure": f"households that differ on {day}", "value": n})
    if guilty:
        return Finding(
            "LEAK005", "problem", "the value changes when support and monitoring from a household's next identification on are taken away",
            what=tuple(guilty), measured=f"up to {max(guilty.values())} households differ", threshold="0", figures=tuple(figures),
        )  # fmt: skip
    if not removed:
        return Finding("LEAK005", "cannot_tell", "nobody was identified after the days looked at", measured="0 identifications")
    return Finding(
        "LEAK005", "fine", "no feature hears of support or monitoring that began with or after the next identification",
        measured=f"0 features move; {removed} households identified later", threshold="0",
    )  # fmt: skip


def _first_identified(panel: Panel, day: dt.date) -> ir.Table:
    """Households put under monitoring after `day`, as known now, with the first such day: household_id, first_on."""
    import ibis

    cases = panel.store.as_of(panel.known_on).table("monitoring")
    later = cases.filter(cases.identified_on > ibis.literal(day))
    return later.group_by("household_id").agg(first_on=later.identified_on.min())


def _without_later_care(first: ir.Table, day: dt.date) -> Any:
    import ibis

    def change(name: str, rows: ir.Table) -> ir.Table:
        if name == "monitoring":
            return rows.filter(rows.identified_on <= ibis.literal(day))
        if name == "support":
            later = first.rename(identified_home="household_id")
            t = rows.left_join(later, rows.household_id == later.identified_home)
            return t.filter(t.first_on.isnull() | (t.started_on < t.first_on)).drop("identified_home", "first_on")
        return rows

    return change
