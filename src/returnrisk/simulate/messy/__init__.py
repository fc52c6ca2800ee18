"""The messy inbox: the county's files as hurried offices send them, with a key of all that was planted.

    write_messy_inbox(county, folder) → PlantedKey → compare(key, clean_store, messy_store, accounting) → per kind: planted, missed

What each kind is, and what was seen to become of it: docs/planted-dirt.md. Every rate: rates.toml.
"""

from __future__ import annotations

from returnrisk.simulate.messy.comparison import Accounting, Comparison, compare
from returnrisk.simulate.messy.inbox import soiled_sheets, without_own_faults, write_messy_inbox
from returnrisk.simulate.messy.key import PlantedKey
from returnrisk.simulate.messy.rates import DirtRates, default_rates

__all__ = [
    "Accounting",
    "Comparison",
    "DirtRates",
    "PlantedKey",
    "compare",
    "default_rates",
    "soiled_sheets",
    "without_own_faults",
    "write_messy_inbox",
]
