"""Every error this package raises on purpose, and the exit code each one ends a command with.

    ReturnRiskError                      1  something failed, with a reason
    ├── UsageError                       2  what was asked for cannot be meant
    │   ├── ConfigError                     returnrisk.toml, or a model specification, is wrong
    │   ├── UnknownNameError                a name that does not exist (did you mean ...)
    │   └── PolicyError                     something is wrong with the rules as data (POL codes)
    │       ├── PolicyPackError             a pack cannot be used; every problem listed
    │       ├── PolicyNameError             no such pack or parameter, or not of the kind asked for
    │       └── PolicyDateError             no value of a parameter is in force on the day
    ├── DataError                        3  the data cannot be used as they are
    │   ├── ContractError                   a contract file itself is wrong
    │   ├── ContractViolation               a table breaks its contract; every failure listed by key
    │   ├── IngestError                     a file cannot be read, or cannot be told what it is
    │   ├── PseudonymKeyError               no key to make pseudonyms with
    │   ├── StoreError                      the store is missing, damaged or of another schema
    │   └── NotEnoughDataError              too few days, events or households for what was asked
    ├── ModelError                       1
    │   ├── BundleError                     a model bundle is damaged, incomplete or of another schema
    │   ├── RegistryError                   the model registry cannot be reached or does not hold it
    │   └── ExplanationError                contributions do not add up to the score
    └── GateRefusedError                 4  a promotion gate said no

No message carries a name, a telephone or an identity number: keys are pseudonyms.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class ReturnRiskError(Exception):
    """Root of the tree; `exit_code` is what a command line ends with."""

    exit_code: ClassVar[int] = 1


class UsageError(ReturnRiskError):
    """What was asked for cannot be meant."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file or a model specification is wrong."""


class UnknownNameError(UsageError):
    """A name that does not exist; suggests the nearest that do.

    Examples
    --------
    >>> str(UnknownNameError("table", "incom", ["income", "member"]))
    "unknown table 'incom'; did you mean 'income'? known: income, member"
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ";"
        super().__init__(f"unknown {kind} '{name}'{hint} known: {', '.join(names) or 'none'}")


class PolicyError(UsageError):
    """The rules as data cannot be used or asked like this; `codes` are the POL codes of `docs/policy.md`."""

    def __init__(self, message: str, *, codes: tuple[str, ...]) -> None:
        self.codes = codes
        super().__init__(message)


class PolicyPackError(PolicyError):
    """A pack cannot be used; the message lists every problem with pack and key."""


class PolicyNameError(PolicyError):
    """No such pack or parameter, or the parameter is not of the kind that was asked for."""


class PolicyDateError(PolicyError):
    """No value of a parameter is in force on the day: nothing is guessed."""


class DataError(ReturnRiskError):
    """The data cannot be used as they are."""

    exit_code = 3


class ContractError(DataError):
    """A contract file itself is wrong."""


class ContractViolation(DataError):  # noqa: N818 (the term of the field)
    """A table breaks its contract; the message lists every failed check with counts and keys."""


class IngestError(DataError):
    """A file cannot be read, or cannot be told what it is."""


class PseudonymKeyError(DataError):
    """There is no key to make pseudonyms with."""


class StoreError(DataError):
    """The store is missing, damaged or of another schema."""


class NotEnoughDataError(DataError):
    """Too few days, events or households for what was asked."""


class ModelError(ReturnRiskError):
    """Something is wrong with a model."""


class BundleError(ModelError):
    """A model bundle is damaged, incomplete or of another schema."""


class RegistryError(ModelError):
    """The model registry cannot be reached, or does not hold what was asked for."""


class ExplanationError(ModelError):
    """Contributions do not add up to the score they explain."""


class GateRefusedError(ReturnRiskError):
    """A promotion gate said no."""

    exit_code = 4
