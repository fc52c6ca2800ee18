"""Population stability index: how far shares over fixed bins have moved, and how far they move by chance alone.

    PSI = sum over bins of (q - p) ln(q / p),    p, q = (count + 1/2) / (n + k/2)

p is the reference, q the month, k the number of bins. Half a household is added to every bin, so that an empty one is not infinitely far.
Missing is a bin of its own. Two random samples of one population differ by about (k - 1)(1/n + 1/m); households of a village share much,
so chance is measured by drawing villages instead (`by_chance`), which is that times the design effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from returnrisk.evaluation.bootstrap import draw_clusters

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_BINS = 10
"""Tenths of the reference; fewer where values repeat."""
MOST_VALUES = 12
"""Up to so many different values each is a bin of its own: flags, grades, small counts."""
DIGITS = 4
"""Significant digits of an edge: enough to cut by, too few to point at a household."""
SMOOTHING = 0.5
DRAWS = 100
CHANCE_LEVEL = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Fixed edges of several columns.

    Attributes
    ----------
    edges
        Column to its inner edges, rising; a value at an edge lies below it. k edges cut k + 1 bins, beside that of the missing.
    width
        Bins of the widest column with the missing one: the second dimension of counts, later ones stay 0 for narrower columns.
    """

    edges: Mapping[str, FloatArray]
    width: int

    @classmethod
    def of(cls, edges: Mapping[str, Sequence[float] | FloatArray]) -> Bins:
        """Bins of given edges."""
        kept = {name: np.asarray(values, dtype=np.float64) for name, values in edges.items()}
        return cls(kept, max((len(values) for values in kept.values()), default=0) + 2)

    @property
    def sizes(self) -> IntArray:
        """Number of bins of each column with the missing one, (columns,)."""
        return np.array([len(values) + 2 for values in self.edges.values()], dtype=np.int64)

    def codes(self, table: pd.DataFrame) -> NDArray[np.uint8]:
        """The bin of every row and column, (columns, rows): 0 where missing, then from low to high."""
        codes = np.zeros((len(self.edges), len(table)), dtype=np.uint8)
        for place, (name, edges) in enumerate(self.edges.items()):
            values = table[name].to_numpy(dtype=np.float64)
            codes[place] = np.where(np.isnan(values), 0, np.searchsorted(edges, values, side="left") + 1)
        return codes

    def counts(self, table: pd.DataFrame) -> IntArray:
        """Rows in every bin, (columns, width)."""
        return self.counts_of(self.codes(table))

    def counts_of(self, codes: NDArray[np.uint8]) -> IntArray:
        """Rows in every bin, (columns, width), from their codes."""
        found: IntArray = np.stack([np.bincount(column, minlength=self.width) for column in codes]).astype(np.int64)
        return found

    def counts_by(self, codes: NDArray[np.uint8], group: IntArray, *, n_groups: int) -> FloatArray:
        """Rows of every group in every bin, (groups, columns, width)."""
        found = np.zeros((n_groups, len(codes), self.width))
        for place, column in enumerate(codes):
            flat = np.bincount(group * self.width + column, minlength=n_groups * self.width)
            found[:, place] = flat.reshape(n_groups, self.width)
        return found


def edges_of(values: FloatArray, *, least: int) -> FloatArray:
    """Edges by which a column is cut: between its values where they are few, else its tenths; no bin holds fewer than `least` rows.

    Parameters
    ----------
    values
        (n,) of the reference, NaN where missing.
    least
        Rows under which neighbouring bins become one.

    Examples
    --------
    >>> edges_of(np.repeat([0.0, 1.0, 2.0], [50, 40, 3]), least=10)
    array([0.5])
    >>> edges_of(np.arange(100.0), least=10).tolist()
    [9.9, 19.8, 29.7, 39.6, 49.5, 59.4, 69.3, 79.2, 89.1]
    >>> edges_of(np.array([np.nan, 4.0, 4.0]), least=1)
    array([], dtype=float64)
    """
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return np.empty(0)
    different = np.unique(known)
    tenths = np.quantile(known, np.arange(1, MOST_BINS) / MOST_BINS)
    asked = (different[:-1] + different[1:]) / 2 if len(different) <= MOST_VALUES else np.unique(tenths)
    edges = np.unique([_rounded(edge) for edge in asked])
    edges = edges[edges < different[-1]]
    kept: list[float] = []
    below = 0
    for edge, reached in zip(edges, np.searchsorted(np.sort(known), edges, side="right"), strict=True):
        if reached - below >= least and len(known) - reached >= least:
            kept.append(float(edge))
            below = int(reached)
    return np.array(kept)


def _rounded(edge: float) -> float:
    return float(f"{edge:.{DIGITS - 1}e}")


def shares_of(counts: Any, sizes: Any) -> FloatArray:
    """Smoothed shares of bins; bins beyond a column's size have 1, which is no distance from 1."""
    counts = np.asarray(counts, dtype=np.float64)
    size = np.asarray(sizes)[..., None]
    total = counts.sum(axis=-1, keepdims=True)
    valid = np.arange(counts.shape[-1]) < size
    found: FloatArray = np.where(valid, (counts + SMOOTHING) / (total + SMOOTHING * size), 1.0)
    return found


def psi(reference: Any, month: Any, sizes: Any) -> FloatArray:
    """Population stability index of counts against counts, over the last axis.

    Parameters
    ----------
    reference, month
        (..., width) households in every bin.
    sizes
        (...) how many of the bins there are.

    Examples
    --------
    >>> bool(psi([90, 10], [90, 10], 2) < 1e-12)
    True
    >>> round(float(psi([900, 100], [500, 500], 2)), 2)  # 0.4 ln 5 + 0.4 ln 1.8, nearly
    0.88
    """
    p, q = shares_of(reference, sizes), shares_of(month, sizes)
    found: FloatArray = ((q - p) * np.log(q / p)).sum(axis=-1)
    return found


def by_chance(counts: FloatArray, sizes: IntArray, *, seed: int = 0) -> FloatArray:
    """What pairs of samples of the same villages differ by: PSI of draws of villages, (DRAWS, columns).

    Each draw takes as many villages as there are, with replacement, and is held against the next draw.

    Parameters
    ----------
    counts
        (villages, columns, width) as `Bins.counts_by` gives them.
    """
    n, columns, width = counts.shape
    drawn = (draw_clusters(n, n_bootstrap=DRAWS, seed=seed) @ counts.reshape(n, -1)).reshape(DRAWS, columns, width)
    return psi(drawn, np.roll(drawn, 1, axis=0), sizes)


def chance_point(draws: FloatArray) -> FloatArray:
    """The value that nineteen of twenty draws stay under, over the first axis."""
    found: FloatArray = np.quantile(draws, CHANCE_LEVEL, axis=0)
    return found
