"""Rows that are no data: totals, notes and signatures, the header repeated. Told by their words, and only where no identifier stands.

A few kernels over the first columns find the suspects; each suspect is then judged on its own. A row that names a household or a
person is always data, whatever else it says.
"""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from returnrisk.ingest.header_rows import FoundColumn, plain_header
from returnrisk.ingest.units import stated_units

LOOKED_AT_COLUMNS = 3
TAIL = 20
"""So many last rows are looked at one by one: notes below a table need no key word after the first of them."""

_WORDS = r"[合小总共]\s*计|^\(?(注|备\s*注|说\s*明|填\s*表|填\s*报|制\s*表|审\s*核|复\s*核|报\s*送|经\s*办|负\s*责\s*人|单\s*位|盖\s*章|数\s*据\s*来\s*源|资\s*料\s*来\s*源|打\s*印|附)"
_TOTAL = re.compile(r"[^\d,.:：]{0,16}(?:合|小|总|共)\s*计\s*(?:[(（][^)）]*[)）])?\s*[:：]?(?:\s*[\d,.]+\s*[户人元万条笔]*)?")
_NOTE = re.compile(
    r"\s*[(（【]?\s*(?:注|备\s*注|说\s*明|填\s*表|填\s*报|制\s*表|审\s*核|复\s*核|报\s*送|经\s*办|负\s*责\s*人|单\s*位|盖\s*章|数\s*据\s*来\s*源|资\s*料\s*来\s*源|打\s*印|附)"
)
_LABELLED = re.compile(r"^[^:：]{1,12}[:：]")
_WORDY = re.compile(r"[\u4e00-\u9fff]")


class Verdict(enum.Enum):
    """What a row is."""

    DATA = "data"
    BLANK = "blank"
    TOTAL = "total"
    NOTE = "note"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class UnitTold:
    """What a row that is no data says of units: the header repeated with another unit (or none) behind a column, or a note (no column)."""

    column: str
    unit: str | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A sheet without the rows that are no data.

    `counts` how many of each kind were set aside (malformed records included), `malformed` the numbers of malformed records that are
    data after all, `units` what the rows set aside say of units.
    """

    table: Any
    counts: Mapping[Verdict, int]
    malformed: tuple[int, ...]
    units: tuple[UnitTold, ...]


def judge(cells: Sequence[str | None], *, headers: Sequence[frozenset[str]], has_identifier: bool) -> Verdict:
    """What one row is, from its cells.

    Parameters
    ----------
    headers
        For each column the texts of its header, in their plain form.
    has_identifier
        Whether a cell of an identifier column holds a well-formed identifier.

    Examples
    --------
    >>> judge(["合计", None, "1234"], headers=[frozenset()] * 3, has_identifier=False)
    <Verdict.TOTAL: 'total'>
    >>> judge(["填表人：", None, None], headers=[frozenset()] * 3, has_identifier=False)
    <Verdict.NOTE: 'note'>
    """
    said = [c for c in cells if c]
    if not said:
        return Verdict.BLANK
    if has_identifier:
        return Verdict.DATA
    repeated = sum(c is not None and plain_header(c)[0] in own for c, own in zip(cells, headers, strict=False))
    if 2 * repeated >= len(said) and (repeated > 1 or len(headers) == 1):
        return Verdict.HEADER
    if any(c and _TOTAL.fullmatch(c) for c in cells[:LOOKED_AT_COLUMNS]) or _TOTAL.fullmatch(said[0]):
        return Verdict.TOTAL
    if _NOTE.match(said[0]) and (len(said) <= 2 or all(_NOTE.match(c) or _LABELLED.match(c) for c in said)):
        return Verdict.NOTE
    return Verdict.DATA


def judge_rows(
    table: Any, columns: Sequence[FoundColumn], *, patterns: Mapping[str, str], malformed: Mapping[int, Sequence[str]]
) -> Judged:
    """Set aside the rows of `table`, and the records of `malformed`, that are no data."""
    import pyarrow as pa

    headers = [frozenset(plain_header(level)[0] for level in c.levels) for c in columns]
    identifiers = [i for i, c in enumerate(columns) if c.target is not None and c.target.field in patterns]
    forms = {i: re.compile(patterns[columns[i].target.field]) for i in identifiers}  # type: ignore[union-attr]
    counts: Counter[Verdict] = Counter()
    drop: list[int] = []
    told: dict[UnitTold, None] = {}
    last_note = -1
    for row in _suspects(table, columns, headers, forms):
        cells = [table.column(i)[row].as_py() for i in range(len(columns))]
        verdict = judge(cells, headers=headers, has_identifier=any(_well_formed(cells[i], forms[i]) for i in identifiers))
        said = [c for c in cells if c]
        if verdict is Verdict.DATA and last_note == row - 1 and len(said) == 1 and _WORDY.search(said[0]) and len(columns) > 2:
            verdict = Verdict.NOTE  # the note goes on
        if verdict is not Verdict.DATA:
            drop.append(row)
            counts[verdict] += 1
            told.update(dict.fromkeys(_units_told(verdict, cells, columns)))
        last_note = row if verdict is Verdict.NOTE else last_note
    still = []
    for number, record in sorted(malformed.items()):
        record_cells = [c.strip() or None for c in record]
        verdict = judge(record_cells, headers=headers, has_identifier=False)
        if verdict is Verdict.DATA:
            still.append(number)
        else:
            counts[verdict] += 1
            told.update(dict.fromkeys(_units_told(verdict, record_cells, columns)))
    if drop:
        keep = pa.array([True] * table.num_rows).to_numpy(zero_copy_only=False).copy()
        keep[drop] = False
        table = table.filter(pa.array(keep))
    return Judged(table, counts, tuple(still), tuple(told))


def _units_told(verdict: Verdict, cells: Sequence[str | None], columns: Sequence[FoundColumn]) -> list[UnitTold]:
    if verdict is Verdict.NOTE:
        return [UnitTold("", unit) for cell in cells if cell for unit in sorted(stated_units(cell))]
    told = []
    for cell, column in zip(cells, columns, strict=False) if verdict is Verdict.HEADER else ():
        name, unit = plain_header(cell) if cell else ("", None)
        own = [stated for level, stated in map(plain_header, column.levels) if level == name]
        if own and unit not in own:
            told.append(UnitTold(column.name, unit))
    return told


def _suspects(
    table: Any, columns: Sequence[FoundColumn], headers: Sequence[frozenset[str]], forms: Mapping[int, re.Pattern[str]]
) -> list[int]:
    """Rows worth a look, in order: a telling word or the header's own text in the first columns or an identifier's, and the tail."""
    import pyarrow as pa
    import pyarrow.compute as pc

    hit = pa.array([False] * table.num_rows, pa.bool_())
    for i in sorted({*range(min(LOOKED_AT_COLUMNS, len(columns))), *forms}):
        column = table.column(i).combine_chunks()
        own = pa.array(sorted({level.strip() for level in columns[i].levels} | headers[i]), pa.string())
        hit = pc.or_(hit, pc.fill_null(pc.match_substring_regex(column, _WORDS), fill_value=False))
        hit = pc.or_(hit, pc.is_in(column, own))
    found = pc.indices_nonzero(hit)
    for i, form in forms.items():  # a row that names somebody is data: no need to look at it alone
        if len(found):
            named = pc.match_substring_regex(table.column(i).combine_chunks().take(found), form.pattern)
            found = found.filter(pc.invert(pc.fill_null(named, fill_value=False)))
    return sorted(set(found.to_pylist()) | set(range(max(0, table.num_rows - TAIL), table.num_rows)))


def _well_formed(cell: str | None, form: re.Pattern[str]) -> bool:
    return cell is not None and form.search(cell) is not None
