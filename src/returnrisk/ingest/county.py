"""Which county a project is of, and which rows are another's: by the first six digits of area codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Check, Contract
from returnrisk.ingest.codes import code
from returnrisk.ingest.headers import HeaderMap
from returnrisk.ingest.sheets import RawSheet
from returnrisk.ingest.spelling import plain_text

if TYPE_CHECKING:
    import ibis.expr.types as ir

AREA_FIELDS = ("area_code", "county_code", "township_code", "village_code")
"""Fields with codes of 6 (county), 9 (township) or 12 (village) digits."""


def home_county(sheets: Iterable[tuple[RawSheet, HeaderMap]]) -> int | None:
    """The county of most rows of the village table; the lowest number of several; None when no code can be read."""
    import re

    import pyarrow.compute as pc

    counts: Counter[int] = Counter()
    for sheet, headers in sheets:
        for header, name in headers.fields.items():
            if name == "village_code":
                for entry in pc.value_counts(sheet.table[header]).to_pylist():
                    told = re.fullmatch(r"['‘’]?(\d{6})\d{6}(\.0+)?", plain_text(entry["values"] or ""))
                    if told:
                        counts[int(told[1])] += entry["counts"]
    return min(counts, key=lambda county: (-counts[county], county)) if counts else None


def outside_county(table: ir.Table, contract: Contract, county: int) -> list[Check]:
    """Checks that the area codes of a row lie in the county; a code of another length is left to the contract."""
    import ibis

    says = code("ING019")
    checks = []
    for f in contract.fields:
        if f.name not in AREA_FIELDS or f.type != "int64":
            continue
        area: Any = table[f.name]
        lengths = [(area.between(10 ** (n - 1), 10**n - 1), (area // 10 ** (n - 6))) for n in (6, 9, 12)]
        own = ibis.cases(*lengths, else_=ibis.null("int64"))
        checks.append(
            Check("ING019", f.name, (own == county).fill_null(True), f"{f.label_zh}{says.text_zh}", f"{f.name} {says.text_en}")
        )
    return checks
