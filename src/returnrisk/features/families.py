"""All families, in the order of a snapshot's columns. A new family is one file and one line here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from returnrisk.errors import UnknownNameError
from returnrisk.features import (
    alerts,
    area,
    disability,
    disaster,
    employment,
    household,
    housing,
    illness,
    income,
    industry,
    insurance,
    loans,
    monitoring,
    schooling,
    season,
    signals,
    subsidy,
    support,
)
from returnrisk.features.catalogue import Family, Feature

FAMILIES: Mapping[str, Family] = {
    module.FAMILY.name: module.FAMILY
    for module in (
        income, illness, disability, disaster, subsidy, employment, household, schooling, housing, loans, insurance, industry, support,
        monitoring, signals, area,
    )
}  # fmt: skip

ON_REQUEST: Mapping[str, Family] = {module.FAMILY.name: module.FAMILY for module in (alerts, season)}
"""Families that are in a snapshot only where they are named: alerts are for comparing with, the season is for outcomes within the year."""
EVERY: Mapping[str, Family] = {**FAMILIES, **ON_REQUEST}


def catalogue(families: Iterable[str] | None = None) -> tuple[Feature, ...]:
    """Entries of all features of `families` (default: all but those on request), in snapshot order.

    Raises
    ------
    UnknownNameError
        A family that does not exist.

    Examples
    --------
    >>> len(catalogue()) >= 40
    True
    >>> catalogue(["incom"])
    Traceback (most recent call last):
        ...
    returnrisk.errors.UnknownNameError: unknown feature family 'incom'; did you mean 'income'? known: ...
    """
    wanted = list(FAMILIES) if families is None else list(families)
    for name in wanted:
        if name not in EVERY:
            raise UnknownNameError("feature family", name, EVERY)
    return tuple(f for name in EVERY if name in wanted for f in EVERY[name].features)
