"""Many groups, one error: p-values of differences between groups and the rest that account for how many were looked at.

Method. Under the hypothesis that a group's share is that of the rest, every village pulls the difference one way or the other by chance;
turning the signs of whole villages at random (the same signs for every group) shows how large the largest difference of all gets. Exact where
pulls are as likely up as down, else close to it in large counties; with few villages it says too little rather than too much: of six villages no sign pattern is
rarer than 1 in 32. Step-down over the ordered statistics (Westfall and Young 1993; score version of the wild cluster bootstrap, Kline and
Santos 2012): the chance of even one false claim is at most the level, whichever groups are truly harmed, and groups that overlap cost less than separate ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

N_FLIPS = 4000
SAME = 1e-9
"""Statistics that differ by less are equal: a sign pattern and its mirror image may differ in the last bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """p-values of each comparison, (g,): on its own, and after control for all of them."""

    p_value: FloatArray
    p_adjusted: FloatArray


def compare_to_chance(pulls: FloatArray, *, n_flips: int = N_FLIPS, seed: int = 0) -> Compared:
    """Two-sided p-values of sums of village contributions, each on its own and with the family-wise error controlled.

    Parameters
    ----------
    pulls
        (v, g): what each village adds to each difference, computed under the hypothesis that there is none; a column's sum is the
        difference. A column of zeros has p-value 1.
    n_flips, seed
        Sign patterns drawn, and their seed.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=(60, 5))
    >>> harmed = noise + np.array([1.0, 0, 0, 0, 0])
    >>> found = compare_to_chance(harmed)
    >>> bool(found.p_adjusted[0] < 0.01), bool((found.p_adjusted[1:] > 0.05).all())
    (True, True)
    """
    spread = np.sqrt((pulls**2).sum(axis=0))
    scaled = np.divide(pulls, spread, out=np.zeros_like(pulls), where=spread > 0)
    observed = np.abs(scaled.sum(axis=0))
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(n_flips, len(pulls)))
    by_chance = np.abs(signs @ scaled) + SAME

    def p(of: FloatArray, at: FloatArray) -> FloatArray:
        return np.asarray((1 + (of >= at).sum(axis=0)) / (n_flips + 1))

    largest_first = np.argsort(-observed, kind="stable")
    at_least = np.maximum.accumulate(by_chance[:, largest_first[::-1]], axis=1)[:, ::-1]
    adjusted = np.empty(len(observed))
    adjusted[largest_first] = np.maximum.accumulate(p(at_least, observed[largest_first]))
    return Compared(p_value=p(by_chance, observed), p_adjusted=adjusted)
