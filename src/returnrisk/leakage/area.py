"""LEAK007: what is said of a place must leave out the household itself, later rows, and the outcomes that are tested on.

By rebuilding: the snapshot without later rows, and without every row of a few households, one of each township at a time. By the
outcomes: the mean of the feature in a village against the share of its test rows with an event, given that share among the training
rows (partial Spearman correlation over villages): 1 for an area's rate learnt on the test days themselves, wherever it was learnt.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from returnrisk.leakage.outcome_columns import partial_correlation
from returnrisk.leakage.panel import Panel
from returnrisk.leakage.rebuilding import REGISTERS, known_then, moved, not_read
from returnrisk.leakage.result import Finding
from returnrisk.store.view import Store

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

ROUNDING = 1e-6
"""A sum less one of its terms is not the sum of the others to the last bit."""
ROUNDS = 3
"""Households asked of every township, one at a time: so many that most tables have a row of one of them."""
LEAST_VILLAGES_CORRELATED = 20
"""Villages under which a correlation over villages is not looked at: with few, a good feature and a copied one look the same."""


def area_aggregates(panel: Panel) -> Finding:
    """LEAK007."""
    day = panel.test_days[0]
    whole = panel.made(day).frame()
    names = _area_features(panel, whole)
    if not names:
        return Finding("LEAK007", "not_applicable", "no feature says anything of a place")
    later = moved(whole, panel.made(day, store=known_then(panel.store, day)).frame(), columns=names)
    own: dict[str, int] = {}
    n_asked = 0
    for homes in _asked(panel, whole, day):
        n_asked += len(homes)
        alone = panel.made(day, store=_without_own_rows(panel, homes, day)).frame()
        pair = (t[t["household_id"].isin(homes)] for t in (whole, alone))
        for name, n in moved(*pair, columns=names, rounding=ROUNDING).items():
            own[name] = own.get(name, 0) + n
    rates = _with_test_rates(panel, names)
    copies = {name: value for name, value in rates.items() if abs(value) >= panel.settings.copy_correlation}
    figures = [{"what": n, "measure": "households that differ without later rows", "value": v} for n, v in later.items()]
    figures += [{"what": n, "measure": "households that differ without their own rows", "value": v} for n, v in own.items()]
    figures += [
        {"what": n, "measure": "partial rank correlation with the villages' test outcomes", "value": v} for n, v in rates.items()
    ]
    threshold = f"0 households; correlation {panel.settings.copy_correlation} over villages (assumed)"
    measured = f"{len(own)} features hold the household itself, {len(later)} later rows, {len(copies)} the outcomes tested on; {n_asked} households asked"
    if guilty := tuple(n for n in names if n in later or n in own or n in copies):
        return Finding(
            "LEAK007", "problem",
            "what is said of a household's place changes when its own rows are taken away, or rows recorded after the day, "
            "or repeats the outcomes of the test days: it holds its own outcome",
            what=guilty, measured=measured, threshold=threshold, figures=tuple(figures),
        )  # fmt: skip
    if unread := tuple(n for n in not_read(panel) if n in names):
        return Finding(
            "LEAK007", "cannot_tell",
            "these are not computed from the store, so that taking rows away proves nothing of them; see also LEAK001",
            what=unread, measured=f"{len(unread)} of {len(names)} features", threshold=threshold, figures=tuple(figures),
        )  # fmt: skip
    return Finding(
        "LEAK007", "fine", "what is said of a place leaves the household itself and later rows out",
        measured=f"0 of {len(names)} features; {n_asked} households asked", threshold=threshold, figures=tuple(figures),
    )  # fmt: skip


def _area_features(panel: Panel, table: pd.DataFrame) -> list[str]:
    """Features of the area family, and any other that has one value in every village."""
    by_village = table.groupby("village_code")
    crowded = by_village.size().max() > 1
    shared = by_village[[f.name for f in panel.features]].nunique(dropna=False).max() <= 1
    return [
        f.name
        for f in panel.features
        if f.family == "area" or f.responsible == "area" or (crowded and shared[f.name] and table[f.name].nunique(dropna=False) > 1)
    ]


def _asked(panel: Panel, table: pd.DataFrame, day: dt.date) -> list[list[int]]:
    """Households whose own rows are taken away, one of every township in each round: more would be each other's neighbours.

    Those with rows in most tables that none of their township asked before had a row in. First one above the line, where there is
    one: without rows its income is zero, which moves every share and mean that holds it.
    """
    import numpy as np

    tables = _tables_by_household(panel, day)
    random = np.random.default_rng(panel.seed)
    order = dict(zip(np.sort(table["household_id"].to_numpy()).tolist(), random.permutation(len(table)).tolist(), strict=True))
    above = set(table.loc[table["net_head_cny_year"] >= table["line_cny_year"], "household_id"].tolist())
    rounds: list[list[int]] = [[] for _ in range(ROUNDS)]
    for _, homes in table.groupby("township_code")["household_id"]:
        left, seen = set(homes.tolist()), set[str]()
        for k, chosen in enumerate(rounds):
            able = (left & above or left) if k == 0 else left
            best = max(able, key=lambda h: (len(tables.get(h, set()) - seen), order[h]), default=None)
            if best is None or (k and not tables.get(best, set()) - seen):
                break
            chosen.append(best)
            left.discard(best)
            seen |= tables.get(best, set())
    return [sorted(chosen) for chosen in rounds if chosen]


def _tables_by_household(panel: Panel, day: dt.date) -> dict[int, set[str]]:
    """Names of the tables that hold a row of the household itself on `day`."""
    view, found = panel.store.as_of(day), dict[int, set[str]]()
    for name in sorted(set(panel.store.manifest.tables) - {*REGISTERS}):
        if panel.store.contracts[name].restricted or "household_id" not in (rows := view.table(name)).columns:
            continue
        for home in (
            rows.filter(rows.household_id.notnull()).select("household_id").distinct().to_pyarrow()["household_id"].to_pylist()
        ):
            found.setdefault(home, set()).add(name)
    return found


def _without_own_rows(panel: Panel, homes: list[int], day: dt.date) -> Store:
    """Nothing that happened to `homes` or to anybody who ever belonged to them; who lives where stays."""
    roster = panel.store.as_of(day).table("household_roster")
    people = roster.filter(roster.household_id.isin(homes)).select("person_id").distinct().to_pyarrow()["person_id"].to_pylist()

    def change(name: str, rows: ir.Table) -> ir.Table:
        if name in REGISTERS:
            return rows
        if "household_id" in rows.columns:
            return rows.filter(rows.household_id.notin(homes))
        return rows.filter(rows.person_id.notin(people)) if "person_id" in rows.columns else rows

    return panel.store.rewritten(change, name=f"without the rows of {sorted(homes)} on {day}")


def _with_test_rates(panel: Panel, names: list[str]) -> dict[str, float]:
    """Feature to its partial rank correlation, over villages, with the share of test rows that have an event; none where too few."""
    import numpy as np

    if panel.too_few():
        return {}
    test = panel.test_rows()
    by_village = test.groupby("village_code")[["y", *names]].mean().rename(columns={"y": "rate"})
    by_village["before"] = panel.train_rows().groupby("village_code")["y"].mean()
    found = {}
    for name in names:
        trio = by_village[[name, "rate", "before"]].dropna()
        if len(trio) < LEAST_VILLAGES_CORRELATED or trio.nunique().min() < 2:
            continue
        value = partial_correlation(trio.rank().corr().to_numpy())
        if np.isfinite(value):
            found[name] = value
    return found
