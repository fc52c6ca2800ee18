"""How often each kind of dirt is planted: `rates.toml`, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from returnrisk.errors import ConfigError, UnknownNameError

RATES_FILE = Path(__file__).with_name("rates.toml")
SECTIONS = ("cell_row", "file", "delivery", "once")


@dataclass(frozen=True, slots=True)
class DirtRates:
    """Share of what can carry it, by kind of dirt (see `rates.toml` for what the share is of).

    Examples
    --------
    >>> default_rates().of["duplicate_row"]
    0.001
    >>> default_rates().changed({"duplicate_row": 0}).of["duplicate_row"]
    0.0
    >>> default_rates().changed({"duplicate_rows": 0})
    Traceback (most recent call last):
        ...
    returnrisk.errors.UnknownNameError: unknown kind of dirt 'duplicate_rows'; did you mean 'duplicate_row'? known: ...
    """

    of: Mapping[str, float]

    def changed(self, values: Mapping[str, float]) -> DirtRates:
        """A copy with some rates replaced; 0 plants none of that kind.

        Raises
        ------
        UnknownNameError
            No such kind.
        ConfigError
            A rate outside 0 to 1.
        """
        for kind, rate in values.items():
            if kind not in self.of:
                raise UnknownNameError("kind of dirt", kind, self.of)
            if not 0 <= rate <= 1:
                raise ConfigError(f"the rate of {kind} is {rate}; expected 0 to 1")
        return DirtRates({**self.of, **{kind: float(rate) for kind, rate in values.items()}})

    def none(self) -> DirtRates:
        """All rates 0: for planting a few kinds alone."""
        return DirtRates(dict.fromkeys(self.of, 0.0))


@cache
def default_rates() -> DirtRates:
    """The shipped rates.

    Raises
    ------
    ConfigError
        The file has an unknown section, or an entry without a rate between 0 and 1 and a source.
    """
    document = tomllib.loads(RATES_FILE.read_text(encoding="utf-8"))
    if tuple(document) != SECTIONS:
        raise ConfigError(f"{RATES_FILE.name} has the sections {', '.join(document)}; expected {', '.join(SECTIONS)}")
    rates = {}
    for section in document.values():
        for kind, entry in section.items():
            if set(entry) != {"rate", "source"} or not entry["source"] or not 0 <= entry["rate"] <= 1:
                raise ConfigError(f"{RATES_FILE.name}: {kind} must be written as {{ rate (0 to 1), source }}")
            rates[kind] = float(entry["rate"])
    return DirtRates(rates)
