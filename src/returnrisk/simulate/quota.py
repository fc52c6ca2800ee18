"""Labels follow quotas (DOMAIN 7.2): a township enters exactly what it was allotted."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.groups import seen_factor
from returnrisk.simulate.month import Month
from returnrisk.simulate.state import Bools, Ints


def allotted(month: Month) -> Ints:
    """New monitored households allotted to every township for the calendar year."""
    townships = month.state.villages.township[month.state.households.village[month.alive()]]
    size = np.bincount(townships, minlength=len(month.state.identified))
    return np.asarray(np.rint(month.parameters.monitoring.quota_year * size), dtype=np.int64)


def within_quota(month: Month, found: Ints, may: Bools) -> Ints:
    """Of the households `found` at risk, those whom the quota lets in; in December it is filled up from those who `may` be seen.

    A month may use an even share of what is left of the year, the first of the found in random order; in December the poorest
    (as offices see it) of those who may be entered fill what is left, so that the year ends exactly on the quota.
    """
    left = allotted(month) - month.state.identified
    room = np.maximum(np.ceil(left / (12 - month.calendar)).astype(np.int64), 0)
    entered = _first(month, month.rng.permutation(found), room)
    if month.calendar < 11:
        return np.sort(entered)
    may = may & month.chance(seen_factor(month))
    may[entered] = False
    others = np.flatnonzero(may)
    poorest = others[np.argsort(month.income_per_head()[others], kind="stable")]
    return np.sort(np.concatenate([entered, _first(month, poorest, room - _by_township(month, entered))]))


def _by_township(month: Month, households: Ints) -> Ints:
    township = month.state.villages.township[month.state.households.village[households]]
    return np.bincount(township, minlength=len(month.state.identified))


def _first(month: Month, ordered: Ints, room: Ints) -> Ints:
    """The first `room` of every township, in the order given."""
    township = month.state.villages.township[month.state.households.village[ordered]]
    order = np.argsort(township, kind="stable")
    starts = np.searchsorted(township[order], np.arange(len(room)))
    rank = np.arange(len(order)) - starts[township[order]]
    return ordered[order[rank < room[township[order]]]]
