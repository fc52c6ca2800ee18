"""Which table a file is, and which field each of its columns is: decided by the contracts' aliases alone."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from returnrisk.contracts import Contract
from returnrisk.errors import IngestError
from returnrisk.ingest.readers import RawSheet


@dataclass(frozen=True, slots=True)
class HeaderMap:
    """File header to field, to wide column, and the columns nobody asked for."""

    fields: Mapping[str, str]
    wide: Mapping[str, int]
    unknown: tuple[str, ...]


def recognise_table(file_name: str, contracts: Mapping[str, Contract]) -> Contract:
    """The contract whose file alias (the longest, if several) stands in the file's name.

    Raises
    ------
    IngestError
        No alias stands in the name, or two tables' aliases of the same length do.

    Examples
    --------
    >>> from returnrisk.contracts import load_contracts
    >>> recognise_table("收入台账_2025-09.csv", load_contracts()).name
    'income'
    """
    hits = [(len(alias), c.name) for c in contracts.values() for alias in (*c.file_aliases, c.name) if alias in file_name]
    best = {name for length, name in hits if length == max(h[0] for h in hits)}
    if len(best) != 1:
        known = "、".join(c.file_aliases[0] for c in contracts.values())
        found = f"several tables ({', '.join(sorted(best))})" if best else "no table"
        raise IngestError(f"{file_name}: the name fits {found}; name the file after its table, one of {known}")
    return contracts[best.pop()]


def map_headers(sheet: RawSheet, contract: Contract) -> HeaderMap:
    """Match a sheet's headers with the contract's.

    Raises
    ------
    IngestError
        Two columns claim one field, a required field has no column, or the file is long and wide at once.
    """
    known = contract.headers()
    wide = {w.header: i for i, w in enumerate(contract.wide_columns)}
    fields = {h: known[h] for h in sheet.headers if h in known}
    wide_found = {h: wide[h] for h in sheet.headers if h in wide}
    where = f"{sheet.file}{f', sheet {sheet.sheet}' if sheet.sheet else ''}"
    claimed = list(fields.values())
    if twice := sorted({f for f in claimed if claimed.count(f) > 1}):
        raise IngestError(f"{where}: several columns claim {', '.join(twice)}; keep one of each")
    by_wide = {k for w in contract.wide_columns for k in (*w.sets, w.measure)} if wide_found else set()
    if both := sorted(by_wide & set(claimed)):
        raise IngestError(f"{where}: holds both a column per item and the columns {', '.join(both)}; send one form or the other")
    optional = set(derivable(contract))
    missing = [
        f for f in contract.fields if f.required and f.name not in claimed and f.name not in by_wide and f.name not in optional
    ]
    unknown = tuple(h for h in sheet.headers if h not in known and h not in wide)
    if missing:
        hints = [f"{f.label_zh} ({f.name}){_near(f.headers, unknown)}" for f in missing]
        found = ", ".join((*fields, *wide_found)) or "none"
        # an unknown header may be a data cell of a file without a header: it is counted, not shown
        raise IngestError(f"{where}: no column for {'; '.join(hints)}. Known columns found: {found}; {len(unknown)} unknown ones")
    return HeaderMap(fields=fields, wide=wide_found, unknown=unknown)


def derivable(contract: Contract) -> tuple[str, ...]:
    """Required fields a file may lack: the period's end, and the recording day where the contract names a date to count from."""
    return ("period_end", "recorded_on") if contract.recording_basis else ("period_end",)


def _near(headers: tuple[str, ...], unknown: tuple[str, ...]) -> str:
    near = [u for h in headers for u in difflib.get_close_matches(h, unknown, n=1)]
    return f", is it '{near[0]}'?" if near else ""
