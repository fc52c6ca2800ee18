"""Text to typed values, as engine expressions; identifiers to pseudonyms.

Cells have been respelt before (`spelling`): what is still not plain here is refused. ING011 not a number, date or yes/no · ING012 not
in the code list · ING014, ING015, ING017 identifier malformed, stored as a number, of the old 15 digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Field
from returnrisk.errors import PseudonymKeyError
from returnrisk.ingest.spelling import MARK, PLAIN_NUMBERS, spell_identifier
from returnrisk.store.pseudonyms import pseudonymise

if TYPE_CHECKING:
    import ibis.expr.types as ir

YES = ("是", "true", "True", "TRUE", "1", "有", "Y")
NO = ("否", "false", "False", "FALSE", "0", "无", "N")

MONTH = r"^(19|20|21)\d{2}-\d{1,2}$"
DAY = r"^(19|20|21)\d{2}-\d{1,2}-\d{1,2}( 00:00:00(\.0+)?)?$"  # with the midnight that databases export
PRESENT = "present"

PARSE_TEXTS = {
    "int64": ("ING011", "不是整数", "is not a whole number"),
    "decimal(18,2)": ("ING011", "不是数字", "is not a number"),
    "date": ("ING011", "不是日期", "is not a date"),
    "boolean": ("ING011", "不是“是/否”", "is not yes or no"),
    "string": ("ING012", "不在代码表内", "is not in the code list"),
}


def parse_value(text: ir.StringValue, field: Field) -> ir.Value:
    """Typed value of a trimmed text column; NULL where the text cannot be read (the caller compares with the text)."""
    import ibis

    if field.codes:
        codes = {**{str(k): v for k, v in field.codes.items()}, **{str(v): v for v in field.valid_values or ()}}
        looked_up = text.cases(*[(k, ibis.literal(v, field.type)) for k, v in codes.items()], else_=ibis.null(field.type))
        return looked_up if isinstance(looked_up, ibis.expr.types.Value) else ibis.null(field.type)
    if field.type == "boolean":
        return ibis.cases((text.isin(YES), True), (text.isin(NO), False), else_=ibis.null("boolean"))
    if field.type == "date":
        iso = text.replace("/", "-")
        whole = ibis.cases((iso.re_search(MONTH), iso.concat("-01")), (iso.re_search(DAY), iso))
        return whole.try_cast("date")
    if field.type in PLAIN_NUMBERS:
        # stricter than the engine's casts, which round 3.7 to 4 and read 9.99901E+11, 0x10 and 1_0; money is rounded to the cent
        return ibis.cases((text.re_search(PLAIN_NUMBERS[field.type]), text)).try_cast(field.type)
    return text


def unreadable(text: ir.StringValue, value: ir.Value) -> ir.BooleanValue:
    """Whether a cell holds something that `parse_value` could not read."""
    return text.notnull() & value.isnull()


@dataclass(frozen=True, slots=True)
class Pseudonymised:
    """An identifier column: its pseudonyms (Arrow int64), whether and how a cell was filled, and what was put right or refused."""

    pseudonyms: Any
    presence: Any
    marks: frozenset[str]
    positions: Mapping[str, Any]


def pseudonymise_column(column: Any, field: Field, *, key: bytes | None) -> Pseudonymised:
    """Identifier texts (Arrow string array) to pseudonyms; malformed ones become NULL and keep the mark that says why.

    Raises
    ------
    PseudonymKeyError
        There is no key.
    """
    import re

    import pyarrow as pa
    import pyarrow.compute as pc

    if key is None:
        raise PseudonymKeyError("files with identifiers cannot be ingested without a pseudonym key")
    encoded = column.combine_chunks().dictionary_encode()
    pattern = re.compile(field.source_pattern or "")
    is_person = field.pseudonym == "person"
    texts = encoded.dictionary.to_pylist()
    odd = {i: spell_identifier(t, field) for i, t in enumerate(texts) if not pattern.search(t) or (is_person and t[-1:] == "x")}
    spelt = [odd[i].text if i in odd else t for i, t in enumerate(texts)]
    good = [t for t in spelt if t is not None and not t.startswith(MARK)]
    made: Mapping[str, int] = pseudonymise(good, kind=str(field.pseudonym), key=key)
    presence = [t if t and t.startswith(MARK) else PRESENT for t in spelt]
    mended = pa.array([i in odd and bool(odd[i].codes) for i in range(len(texts))], pa.bool_()).take(encoded.indices)
    rows = pc.indices_nonzero(pc.fill_null(mended, fill_value=False))
    return Pseudonymised(
        pseudonyms=pa.array([made.get(str(t)) for t in spelt], pa.int64()).take(encoded.indices),
        presence=pa.array(presence, pa.string()).take(encoded.indices),
        marks=frozenset(p[1:] for p in presence if p.startswith(MARK)),
        positions={"ING042": rows} if len(rows) else {},
    )
