"""What a reader can work out of a published roll-up: smallest and largest value of every hidden count, by linear programming.

The reader knows every figure shown, every sum and inclusion below, and that a hidden count is not zero. Written apart from what hides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.optimize import linprog

from returnrisk.screening import Published, RollUp

KEYS = {"areas": None, "causes": "cause", "alerts": "rule", "categories": "category", "elimination": "state", "checks": "code", "coverage": None}  # fmt: skip
Cell = tuple[str, str, str, int]
"""Table, code, column, area."""


def is_count(column: str) -> bool:
    return column.startswith("arrived_") or (column.startswith("n_") and column != "n_sources_mean")


def cells(parts: Any) -> dict[Cell, Any]:
    """Every count of the county and the townships that is not the office's alone."""
    found = {}
    for table, key in KEYS.items():
        frame = getattr(parts, table)
        for row in frame[frame["level"] != "village"].to_dict("records"):
            code = "" if key is None else row[key]
            found |= {
                (table, code, c, row["area_code"]): row[c] for c in frame.columns if is_count(c) and c != "n_monitored_unknown"
            }
    return found


Relation = tuple[dict[Cell, int], bool]
"""A sum of count x coefficient that is zero (True), or at most zero."""
INSIDE = (
    ("n_monitored", "n_households"), ("n_screened", "n_households"), ("n_same_judged", "n_screened"), ("n_same_fall", "n_same_judged"),
    ("n_below_target", "n_screened"), ("n_below_line", "n_screened"), ("n_alerted", "n_alerts"), ("n_alerted", "n_households"),
    ("n_must_visit", "n_alerted"), ("n_overdue", "n_alerts"), ("n_new_alerts", "n_alerts"), ("n_fall", "n_below_target"),
    *((f"n_fall_{source}", "n_screened") for source in ("operating", "wage", "property", "transfer")),
)  # fmt: skip


def equal(whole: Cell, parts: list[Cell]) -> Relation:
    return {**dict.fromkeys(parts, 1), whole: -1}, True


def at_most(less: list[Cell], more: list[Cell]) -> Relation:
    return {**dict.fromkeys(less, 1), **dict.fromkeys(more, -1)}, False


def known_relations(shown: dict[Cell, Any], county: int, arrived: list[Cell]) -> Iterator[Relation]:
    """Sums over townships, and within each area. `arrived`: counts of households whose township's file came."""
    areas = sorted({c[3] for c in shown})
    codes: dict[str, set[str]] = defaultdict(set)
    for table, code, *_ in shown:
        codes[table].add(code)
    for table, code, column in sorted({c[:3] for c in shown}):
        yield equal((table, code, column, county), [(table, code, column, a) for a in areas if a != county])
    for a in areas:
        yield from of_area(a, codes)
        yield from of_causes(a, sorted(codes["causes"]))
        yield from of_alerts(a, sorted(codes["alerts"]))
    # a township's file comes for all its households, or for none
    yield from (equal(("areas", "", "n_households", c[3]), [c]) for c in arrived if c[3] != county)


def of_area(a: int, codes: dict[str, set[str]]) -> Iterator[Relation]:
    def of(column: str, table: str = "areas", code: str = "") -> Cell:
        return table, code, column, a

    yield equal(of("n_screened"), [of(f"n_{v}") for v in ("fall", "level", "rise", "unknown")])
    yield from (at_most([of(part)], [of(whole)]) for part, whole in INSIDE)
    # whose year can be judged, has the same period on file
    yield at_most([of("n_screened")], [of("n_same_judged"), of("n_unknown")])
    for code in codes["categories"]:
        yield equal(of("n_households"), [of(c, "categories", code) for c in ("n_yes", "n_no", "n_cannot_tell")])
    yield equal(of("n_monitored"), [of("n_households", "elimination", code) for code in codes["elimination"]])
    for code in codes["checks"]:
        yield at_most([of(c, "checks", code) for c in ("n_problem", "n_fine", "n_cannot_tell")], [of("n_households")])
    yield equal(of("n_households"), [of("n_households", "coverage")])
    yield equal(of("n_households"), [of("arrived_income", "coverage"), of("n_without_income", "coverage")])


def of_causes(a: int, codes: list[str]) -> Iterator[Relation]:
    falling: Cell = ("causes", codes[0], "n_fall_any", a)
    yield at_most([falling], [("areas", "", "n_screened", a)])
    yield at_most([("areas", "", "n_fall", a)], [falling])
    for code in codes:
        if code != codes[0]:
            yield equal(falling, [("causes", code, "n_fall_any", a)])
        yield at_most([("causes", code, "n_households", a)], [falling])
        yield at_most([("causes", code, "n_explained", a)], [("causes", code, "n_households", a)])


def of_alerts(a: int, codes: list[str]) -> Iterator[Relation]:
    def of(column: str, code: str) -> Cell:
        return "alerts", code, column, a

    for code in codes:
        every = of("n_alerts", code)
        yield equal(every, [of(c, code) for c in ("n_open", "n_visited", "n_verified_risk", "n_verified_none", "n_closed")])
        yield from (at_most([of(column, code)], [every]) for column in ("n_households", "n_new"))
        yield at_most([of("n_overdue", code)], [of("n_open", code), of("n_visited", code)])
    still = {of("n_alerts", code): 1 for code in codes} | {of("n_closed", code): -1 for code in codes}
    yield {**still, ("areas", "", "n_alerts", a): -1}, True
    yield equal(("areas", "", "n_overdue", a), [of("n_overdue", code) for code in codes])


@dataclass(frozen=True)
class Reader:
    """What a reader of the published tables has: for each hidden count a variable, and linear conditions on them."""

    at: dict[Cell, int]
    conditions: dict[str, Any]

    def bound(self, cell: Cell, sign: int, least: int) -> float:
        """Smallest (sign 1) or largest (-1) value, every hidden count being at least `least`."""
        aim = np.zeros(len(self.at))
        aim[self.at[cell]] = sign
        found = linprog(aim, **self.conditions, bounds=(least, None), method="highs")
        if found.status == 3:
            return np.inf
        assert found.status == 0, found.message
        return float(sign * found.fun)


def reader(shown: dict[Cell, Any], truth: dict[Cell, int], county: int) -> Reader:
    at = {c: i for i, c in enumerate(c for c, value in shown.items() if pd.isna(value))}
    # a zero is shown, so that a reader knows which files came
    arrived = [c for c in shown if c[0] == "coverage" and c[2].startswith("arrived_") and truth[c]]
    rows: dict[bool, list[dict[Cell, int]]] = {True: [], False: []}
    for terms, exact in known_relations(shown, county, arrived):
        total = sum(k * truth[c] for c, k in terms.items())
        assert total == 0 if exact else total <= 0, terms
        if any(c in at for c in terms):
            rows[exact].append(terms)
    conditions = {}
    for exact, name in ((True, "eq"), (False, "ub")):
        entries = [(i, at[c], k) for i, terms in enumerate(rows[exact]) for c, k in terms.items() if c in at]
        place, cell, sign = zip(*entries, strict=True) if entries else ((), (), ())
        conditions[f"A_{name}"] = sp.csr_matrix((sign, (place, cell)), shape=(len(rows[exact]), len(at)))
        conditions[f"b_{name}"] = [-sum(k * shown[c] for c, k in terms.items() if c not in at) for terms in rows[exact]]
    return Reader(at, conditions)


def unsafe(published: Published, rollup: RollUp) -> list[tuple[Cell, int, float, float]]:
    """Small counts that are shown, or whose bounds leave out 1 or `smallest_cell` - 1: cell, truth, smallest, largest."""
    truth, shown = cells(rollup), cells(published)
    assert shown.keys() == truth.keys()
    left = [c for c, value in shown.items() if not pd.isna(value)]
    assert all(shown[c] == truth[c] for c in left)
    wrong = [(c, truth[c], truth[c], truth[c]) for c in left if 0 < truth[c] < rollup.smallest_cell]
    wrong += list(_small_differences(shown, truth, rollup.smallest_cell))
    knows = reader(shown, truth, rollup.county_code)
    assert all(truth[c] > 0 for c in knows.at), "zeros are shown"
    for cell in knows.at:
        if truth[cell] < rollup.smallest_cell:
            low, high = knows.bound(cell, 1, 0), knows.bound(cell, -1, 1)
            if low > 1 + 1e-6 or high < rollup.smallest_cell - 1 - 1e-6:
                wrong.append((cell, truth[cell], low, high))
    return wrong


def _small_differences(shown: dict[Cell, Any], truth: dict[Cell, int], smallest: int) -> Iterator[tuple[Cell, int, int, int]]:
    """Households screened and not judged on the same period: all of them unknown, had by subtraction where both are shown."""
    for cell in [c for c in truth if c[2] == "n_same_judged"]:
        whole = (*cell[:2], "n_screened", cell[3])
        rest = truth[whole] - truth[cell]
        if not pd.isna(shown[whole]) and not pd.isna(shown[cell]) and 0 < rest < smallest:
            yield cell, rest, rest, rest


def unsafe_yuan(published: Published, rollup: RollUp, households: dict[tuple[str, str], dict[tuple[int, str], int]]) -> list[Any]:
    """Sums shown of too few households, or hidden ones that can be had by subtraction. `households`: of how many each sum is, by (table,
    column), area and code."""
    wrong = []
    for (table, column), of in households.items():
        frame, key = getattr(published, table), KEYS[table]
        truth = getattr(rollup, table)
        truth = truth[truth["level"] != "village"].reset_index(drop=True)
        for code, part in [("", frame)] if key is None else frame.groupby(key):
            n = [of.get((a, code), 0) for a in part["area_code"]]
            hidden = part[column].isna().to_numpy()
            assert (part.loc[~hidden, column] == truth.loc[part.index][column][~hidden]).all()
            s = rollup.smallest_cell
            wrong += [(table, column, code, a) for a, k, h in zip(part["area_code"], n, hidden, strict=True) if 0 < k < s and not h]
            towns = np.flatnonzero(hidden[1:]) + 1
            together = sum(n[i] for i in towns)
            if hidden[0]:
                wrong += [] if len(towns) else [(table, column, code, "the county is the sum")]
            elif len(towns) and (len(towns) == 1 or together < s):
                wrong.append((table, column, code, "by subtraction"))
    return wrong
