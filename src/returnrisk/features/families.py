"""All families, in the order of a snapshot's columns. A new family is one file and one line here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from returnrisk.errors import UnknownNameError
from returnrisk.features import (
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


def catalogue(families: Iterable[str] | None = None) -> tuple[Feature, ...]:
    """Entries of all features of `families` (default: all), in snapshot order.

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
        if name not in FAMILIES:
            raise UnknownNameError("feature family", name, FAMILIES)
    return tuple(f for name in FAMILIES if name in wanted for f in FAMILIES[name].features)
