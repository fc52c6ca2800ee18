"""Which table a file is, and whether its columns are those the table needs: decided by the contracts' aliases alone."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from returnrisk.contracts import Contract
from returnrisk.errors import IngestError
from returnrisk.ingest.codes import stop
from returnrisk.ingest.mapping import FileMapping
from returnrisk.ingest.sheets import RawSheet, factor_of
from returnrisk.ingest.unclear_units import unclear_units


@dataclass(frozen=True, slots=True)
class HeaderMap:
    """Column to field, to wide column, and the columns nobody asked for.

    `factors` holds, for columns in another unit, what their numbers are multiplied with; `unit_unclear` the columns that state no
    unit while another is stated elsewhere in the file; `constants` the fields a mapping fills.
    """

    fields: Mapping[str, str]
    wide: Mapping[str, int]
    unknown: tuple[str, ...]
    factors: Mapping[str, Decimal]
    mapping: FileMapping | None = None
    unit_unclear: frozenset[str] = frozenset()

    @property
    def constants(self) -> Mapping[str, str]:
        """Field to the value that every row of the file has."""
        return self.mapping.constants if self.mapping else {}


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
        raise IngestError(stop("ING005", file_name, f"the name fits {found}; name the file after its table, one of {known}"))
    return contracts[best.pop()]


def map_file(sheets: Sequence[RawSheet], contract: Contract, mapping: FileMapping | None = None) -> list[HeaderMap]:
    """Check the columns of all sheets of one file, each by itself (`map_headers`) and their units against each other.

    Raises
    ------
    IngestError
        See `map_headers`.
    """
    unclear = unclear_units(sheets, contract, mapping)
    return [replace(map_headers(s, contract, mapping), unit_unclear=u) for s, u in zip(sheets, unclear, strict=True)]


def map_headers(sheet: RawSheet, contract: Contract, mapping: FileMapping | None = None) -> HeaderMap:
    """Check a sheet's columns against the contract.

    Raises
    ------
    IngestError
        Two columns claim one field, a header fits several, a required field has no column, or the file is long and wide at once.
    """
    fields = {c.name: c.target.field for c in sheet.columns if c.target and c.target.field}
    wide = {c.name: c.target.wide for c in sheet.columns if c.target and c.target.wide >= 0}
    if unclear := [c.name for c in sheet.columns if c.target and c.target.unclear]:
        raise IngestError(
            stop(
                "ING008", sheet.where, f"{', '.join(unclear)} may be income as well as cost; name the columns as the contract does"
            )
        )
    claimed = [*fields.values(), *(contract.wide_columns[i].header for i in wide.values())]
    if twice := sorted({f for f in claimed if claimed.count(f) > 1}):
        raise IngestError(stop("ING008", sheet.where, f"several columns claim {', '.join(twice)}; keep one of each"))
    constants = mapping.constants if mapping else {}
    by_wide = {k for w in contract.wide_columns for k in (*w.sets, w.measure)} if wide else set()
    if both := sorted(by_wide & {*fields.values(), *constants}):
        detail = f"holds both a column per item and the columns {', '.join(both)}; send one form or the other"
        raise IngestError(stop("ING008", sheet.where, detail))
    unknown = tuple(c.name for c in sheet.columns if c.target is None)
    _refuse_missing(sheet, contract, found={*fields.values(), *by_wide, *constants}, shown=(*fields, *wide), unknown=unknown)
    found_factors = {
        c.name: factor
        for c in sheet.columns
        if (factor := factor_of(c, contract, sheet_unit=sheet.unit, mapping=mapping, where=sheet.where)) != 1
    }
    return HeaderMap(fields=fields, wide=wide, unknown=unknown, factors=found_factors, mapping=mapping)


def _refuse_missing(
    sheet: RawSheet, contract: Contract, *, found: set[str], shown: tuple[str, ...], unknown: tuple[str, ...]
) -> None:
    optional = set(derivable(contract))
    missing = [f for f in contract.fields if f.required and f.name not in found and f.name not in optional]
    if missing:
        hints = [f"{f.label_zh} ({f.name}){_near(f.headers, unknown)}" for f in missing]
        # an unknown header may be a data cell of a file without a header: it is counted, not shown
        detail = f"no column for {'; '.join(hints)}. Known columns found: {', '.join(shown) or 'none'}; {len(unknown)} unknown ones"
        raise IngestError(stop("ING007", sheet.where, detail))


def derivable(contract: Contract) -> tuple[str, ...]:
    """Required fields a file may lack: the period's end, and the recording day where the contract names a date to count from."""
    return ("period_end", "recorded_on") if contract.recording_basis else ("period_end",)


def _near(headers: tuple[str, ...], unknown: tuple[str, ...]) -> str:
    near = [u for h in headers for u in difflib.get_close_matches(h, unknown, n=1)]
    return f", is it '{near[0]}'?" if near else ""
