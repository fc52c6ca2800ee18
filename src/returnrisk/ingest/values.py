"""Text to typed values, as engine expressions; identifiers to pseudonyms.

Cells have been respelt before (`spelling`), so that a cell is either read for sure or holds a mark that says why not; only of a date
the calendar is asked here. ING011 not a number, date or yes/no · ING012 not in the code list · ING014, ING015, ING017 identifier
malformed, stored as a number, of the old 15 digits · ING060, ING062, ING063 impossible as a citizen number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Field
from returnrisk.errors import PseudonymKeyError
from returnrisk.ingest.id_numbers import VERDICT_CODES, id_number_verdicts
from returnrisk.ingest.spelling import MARK, PLAIN_NUMBERS, Spelt, mark, spell_identifier
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


def refusal(field: Field) -> str | None:
    """Code of a cell of this field that cannot be read; None for free text, which always can."""
    return PARSE_TEXTS["string"][0] if field.codes else PARSE_TEXTS[field.type][0] if field.type != "string" else None


def parse_value(text: ir.StringValue, field: Field) -> ir.Value:
    """Typed value of a respelt text column; NULL for a mark, and for a day that the calendar does not have."""
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
    return text.try_cast(field.type) if field.type in PLAIN_NUMBERS else text  # money is rounded to the cent


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


def pseudonymise_columns(columns: Sequence[Any], field: Field, *, key: bytes | None) -> list[Pseudonymised]:
    """Identifier texts (one Arrow string column per sheet) to pseudonyms; malformed ones become NULL and keep the mark that says why.

    The same people stand in file after file: each distinct text of all sheets is proved and hashed once.

    Raises
    ------
    PseudonymKeyError
        There is no key.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if key is None:
        raise PseudonymKeyError("files with identifiers cannot be ingested without a pseudonym key")
    encoded = pa.chunked_array([c.combine_chunks() for c in columns], pa.string()).combine_chunks().dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    odd = _odd_identifiers(texts, field)
    spelt = [odd[i].text if i in odd else t for i, t in enumerate(texts)] if odd else texts
    spelt = _proved(spelt) if field.pseudonym == "person" else spelt
    good = [t for t in spelt if t is not None and not t.startswith(MARK)]
    made: Mapping[str, int] = pseudonymise(good, kind=str(field.pseudonym), key=key)
    pseudonyms = pa.array([made.get(str(t)) for t in spelt], pa.int64())
    presence = pa.array([t if t and t.startswith(MARK) else PRESENT for t in spelt], pa.string())
    mended = pa.array([i in odd and bool(odd[i].codes) for i in range(len(texts))], pa.bool_())
    done, start = [], 0
    for column in columns:
        here = encoded.indices.slice(start, len(column))
        start += len(column)
        said = presence.take(here)
        marks = frozenset(t[1:] for t in said.unique().to_pylist() if t and t.startswith(MARK))
        rows = pc.indices_nonzero(pc.fill_null(mended.take(here), fill_value=False)) if odd else ()
        done.append(Pseudonymised(pseudonyms.take(here), said, marks, {"ING042": rows} if len(rows) else {}))
    return done


def _odd_identifiers(texts: Sequence[str], field: Field) -> dict[int, Spelt]:
    """Of the distinct identifiers those not in canonical form, by their place, respelt."""
    import re

    pattern = re.compile(field.source_pattern or "")
    is_person = field.pseudonym == "person"
    return {i: spell_identifier(t, field) for i, t in enumerate(texts) if not pattern.search(t) or (is_person and t[-1:] == "x")}


def _proved(numbers: list[str | None]) -> list[str | None]:
    """Citizen numbers whose check digit, birth date or province cannot be right become the mark that says which."""
    import pyarrow as pa

    verdicts = id_number_verdicts(pa.array(numbers, pa.string())).to_pylist()
    return [
        mark(VERDICT_CODES[v]) if v in VERDICT_CODES and n is not None and not n.startswith(MARK) else n
        for n, v in zip(numbers, verdicts, strict=True)
    ]
