"""Which counts are hidden so that no small one can be worked out: a witness for every small count, found by linear programming.

A count from 1 to `smallest` - 1 is small and hidden. For each, two tables are found that agree with everything shown and with every
relation: one where it is 1, one where it is `smallest`. What must differ from the truth to get there, at the least loss, is hidden too. Hiding more
never takes a witness away, so one pass is enough. Both always exist: all counts multiplied by the same number fulfil every relation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.screening.small_cells_relations import CODES, HOMES, NOT_SAME_JUDGED, Count, Counts, relations

if TYPE_CHECKING:
    import numpy as np
    import scipy.sparse as sp

COUNTY_LOSS, TOTAL_LOSS, TIE = 50.0, 8.0, 1e-4
"""What hiding costs: a figure of the county, a total that others are parts of; and how much later cells cost more, so that no two are alike."""
TOTALS = frozenset({"n_households", "n_screened", "n_monitored", "n_alerts", "n_fall_any", "n_fall", "n_same_judged"})
STILL = 1e-6


@dataclass(slots=True)
class _Search:
    """Cells (counts x areas, flat), their relations, and what is hidden and proven so far."""

    truth: np.ndarray[Any, Any]
    """float64"""
    same: np.ndarray[Any, Any]
    """of each cell, the one whose value it repeats"""
    matrix: sp.csr_matrix
    """relations x cells"""
    exact: np.ndarray[Any, Any]
    loss: np.ndarray[Any, Any]
    table: np.ndarray[Any, Any]
    group: np.ndarray[Any, Any]
    of_areas: np.ndarray[Any, Any]
    hidden: np.ndarray[Any, Any]
    proven: dict[bool, np.ndarray[Any, Any]]
    """of upwards (True) and downwards (False)"""


def hidden_counts(counts: Counts, *, smallest: int) -> np.ndarray[Any, Any]:
    """Which counts are hidden.

    Parameters
    ----------
    counts
        Of the county and its townships.
    smallest
        Smallest count that may be known.

    Returns
    -------
    bool array as `counts.values`. Zeros are never hidden.
    """
    import numpy as np

    search = _search(counts, smallest)
    small = np.flatnonzero((search.same == np.arange(len(search.same))) & (search.truth > 0) & (search.truth < smallest))
    for cell in small:
        for up in (True, False):
            if not search.proven[up][cell]:
                _protect(search, int(cell), target=smallest if up else 1, up=up)
    found: np.ndarray[Any, Any] = search.hidden[search.same].reshape(counts.values.shape)
    return found


def _search(counts: Counts, smallest: int) -> _Search:
    import numpy as np

    truth = counts.values.ravel().astype("float64")
    same = _repeats(counts)
    matrix, exact = _relations(counts, same)
    n, areas = counts.values.shape
    loss = np.repeat([TOTAL_LOSS if name[2] in TOTALS else 1.0 for name in counts.names], areas)
    loss = loss * np.tile([COUNTY_LOSS, *[1.0] * (areas - 1)], n) * (1 + TIE * np.arange(n * areas) / (n * areas))
    groups = sorted({_group(name) for name in counts.names})
    printed = np.repeat([name != NOT_SAME_JUDGED for name in counts.names], areas)
    return _Search(
        truth=truth,
        same=same,
        matrix=matrix,
        exact=exact,
        loss=loss,
        table=np.repeat([list(CODES).index(name[0]) for name in counts.names], areas),
        of_areas=np.repeat([name[0] == "areas" for name in counts.names], areas),
        group=np.repeat([groups.index(_group(name)) for name in counts.names], areas),
        hidden=((truth > 0) & (truth < smallest)) | ~printed,
        proven={True: np.zeros(len(truth), dtype=bool), False: truth <= 1},
    )


def _group(name: Count) -> tuple[str, str]:
    """What is looked at together first: the codes of a table apart, 减收 with its causes, alerts of an area, households."""
    table, code, column = name
    if table == "coverage" or name == HOMES:
        return "coverage", ""
    if table == "areas":
        kind = {"n_monitored": "elimination", "n_set_aside": "aside"}
        return kind.get(column, "of_alerts" if "alert" in column or column in {"n_overdue", "n_must_visit"} else "causes"), ""
    return (table, "") if table in {"causes", "elimination"} else (table, code)


def _repeats(counts: Counts) -> np.ndarray[Any, Any]:
    """A file came for all households of a township or for none: those cells repeat the township's households."""
    import numpy as np

    n, areas = counts.values.shape
    same = np.arange(n * areas).reshape(n, areas)
    if HOMES not in counts.names:
        return same.ravel()
    homes = counts.names.index(HOMES)
    for i, name in enumerate(counts.names):
        if name[0] == "coverage":
            equal = (counts.values[i] == counts.values[homes]) & (counts.values[i] > 0)
            same[i, equal] = same[homes, equal]
    return same.ravel()


def _relations(counts: Counts, same: np.ndarray[Any, Any]) -> tuple[sp.csr_matrix, np.ndarray[Any, Any]]:
    """Every relation of every area, and the sums over townships. One that the data do not fulfil tells a reader nothing, and is left out."""
    import numpy as np
    import scipy.sparse as sp

    n, areas = counts.values.shape
    at = {name: i for i, name in enumerate(counts.names)}
    rows: list[tuple[list[int], list[int], bool]] = []
    for relation in relations(counts.names):
        if all(name in at for name, _ in relation.terms):
            signs = [sign for _, sign in relation.terms]
            rows += [([at[name] * areas + a for name, _ in relation.terms], signs, relation.exact) for a in range(areas)]
    rows += [(list(range(i * areas, (i + 1) * areas)), [-1, *[1] * (areas - 1)], True) for i in range(n)]
    truth = counts.values.ravel()
    rows = [
        r for r in rows if (total := sum(s * truth[c] for c, s in zip(r[0], r[1], strict=True))) == 0 or (not r[2] and total < 0)
    ]
    data = [(k, same[c], s) for k, row in enumerate(rows) for c, s in zip(row[0], row[1], strict=True)]
    place, cell, sign = zip(*data, strict=True) if data else ((), (), ())
    matrix = sp.csr_matrix((np.array(sign, dtype="float64"), (place, cell)), shape=(len(rows), n * areas))
    return matrix, np.array([row[2] for row in rows], dtype=bool)


def _protect(search: _Search, cell: int, *, target: int, up: bool) -> None:
    """Find the witness among few cells, else among more, else among all; hide what it moves."""
    import numpy as np

    alive = (search.truth > 0) & (search.same == np.arange(len(search.same)))
    near = alive & (search.group == search.group[cell])
    wider = near | (alive & search.hidden & (search.table == search.table[cell]))
    totals = wider | (alive & search.of_areas)
    for among in (near, wider, totals, alive):
        moved = _witness(search, np.flatnonzero(among), cell, target=target, up=up)
        if moved is not None:
            break
    else:
        raise AssertionError("no witness though all counts may be scaled")  # pragma: no cover
    search.hidden |= np.abs(moved) > STILL
    reached = search.truth + moved
    search.proven[True] |= up & (reached >= target - STILL)
    search.proven[False] |= reached <= 1 + STILL


def _witness(search: _Search, cells: np.ndarray[Any, Any], cell: int, *, target: int, up: bool) -> np.ndarray[Any, Any] | None:
    """Least costly change of the truth with `cell` at `target`, or None. A reader knows that what is hidden is not zero: upwards, no cell gets below 1."""
    import numpy as np
    import scipy.sparse as sp
    from scipy.optimize import linprog

    part = search.matrix[:, cells]
    touched = np.diff(part.indptr) > 0
    part, exact = part[touched], search.exact[touched]
    slack = -(search.matrix[touched] @ search.truth)
    loss = np.where(search.hidden[cells], search.loss[cells] * TIE, search.loss[cells])
    room = search.truth[cells] - (1 if up else 0)
    bounds = np.column_stack([np.zeros(2 * len(cells)), np.concatenate([np.full(len(cells), np.inf), room])])
    aim = int(np.searchsorted(cells, cell))
    step = target - search.truth[cell]
    bounds[aim], bounds[len(cells) + aim] = (max(step, 0),) * 2, (max(-step, 0),) * 2
    both = sp.hstack([part, -part]).tocsr()
    found = linprog(
        np.concatenate([loss, loss]),
        A_ub=both[~exact] if (~exact).any() else None,
        b_ub=slack[~exact] if (~exact).any() else None,
        A_eq=both[exact] if exact.any() else None,
        b_eq=np.zeros(int(exact.sum())) if exact.any() else None,
        bounds=bounds,
        method="highs",
    )
    if found.status != 0:
        return None
    moved = np.zeros(len(search.truth))
    moved[cells] = found.x[: len(cells)] - found.x[len(cells) :]
    return moved
