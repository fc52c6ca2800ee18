"""Text to typed values, as engine expressions, with the code a cell gets that cannot be read.

ING011 not a number, date or yes/no · ING012 not in the code list ·
ING014 identifier malformed or stored as a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Field
from returnrisk.errors import PseudonymKeyError
from returnrisk.store.pseudonyms import pseudonymise

if TYPE_CHECKING:
    import ibis.expr.types as ir

YES = ("是", "true", "True", "TRUE", "1", "有", "Y")
NO = ("否", "false", "False", "FALSE", "0", "无", "N")

MONTH = r"^(19|20|21)\d{2}-\d{1,2}$"
DAY = r"^(19|20|21)\d{2}-\d{1,2}-\d{1,2}( 00:00:00(\.0+)?)?$"  # with the midnight that databases export
# stricter than the engine's casts, which round 3.7 to 4 and read 9.99901E+11, 0x10 and 1_0; money is rounded to the cent
NUMBERS = {"int64": r"^[+-]?\d{1,18}(\.0+)?$", "decimal(18,2)": r"^[+-]?\d{1,15}(\.\d+)?$"}

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
    if field.type in NUMBERS:
        return ibis.cases((text.re_search(NUMBERS[field.type]), text)).try_cast(field.type)
    return text


def unreadable(text: ir.StringValue, value: ir.Value) -> ir.BooleanValue:
    """Whether a cell holds something that `parse_value` could not read."""
    return text.notnull() & value.isnull()


def pseudonymise_column(column: Any, field: Field, *, key: bytes | None) -> Any:
    """Identifier texts (Arrow string array) to pseudonyms (Arrow int64); malformed ones become NULL.

    Raises
    ------
    PseudonymKeyError
        There is no key.
    """
    import re

    import pyarrow as pa

    if key is None:
        raise PseudonymKeyError("files with identifiers cannot be ingested without a pseudonym key")
    encoded = column.combine_chunks().dictionary_encode()
    pattern = re.compile(field.source_pattern or "")
    texts = encoded.dictionary.to_pylist()
    good = [t for t in texts if pattern.search(t)]
    made: Mapping[str, int] = pseudonymise(good, kind=str(field.pseudonym), key=key)
    return pa.array([made.get(t) for t in texts], pa.int64()).take(encoded.indices)
