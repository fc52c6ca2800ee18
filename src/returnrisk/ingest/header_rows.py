"""Where the header of a sheet stands, over how many rows, and which field each of its columns is.

Known are the headers of the table's contract (and of a source's mapping): the rows that hold most of them are the header. Levels are
joined (`种植业 | 收入` is the contract's 种植业收入; `工资性收入 | 外出务工` names the item by its labels), and a header's own spaces,
width, numbering, `*` and units in brackets do not matter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from returnrisk.contracts import Contract
from returnrisk.ingest.units import UNIT_WORDS

LOOKED_AT = 40
"""How many rows from the top a header is looked for in."""
MOST_LEVELS = 3

Grid = Sequence[Sequence[str | None]]

_SPACES = re.compile(r"[\s\u200b-\u200d\ufeff]+")
_NUMBERING = re.compile(r"^(\(\d{1,2}\)|\d{1,2}[、.)])")
_BRACKET = re.compile(r"^(.+?)[(\[【](?:单位:)?([^()\[\]【】]*)[)\]】]$")
_STEMS = frozenset("甲乙丙丁戊己庚辛壬癸")
_HINT = re.compile(r"^(必填|选填|可空|可不填|文本|文本格式|是/否|y/n|下拉选择|y{2,4}.*|例[:如].*|格式.*)$")


@dataclass(frozen=True, slots=True)
class Target:
    """What a column is: a field, or the wide column of that number; several candidates make it unclear which."""

    field: str = ""
    wide: int = -1
    unclear: bool = False


@dataclass(frozen=True, slots=True)
class KnownHeaders:
    """Every header a sheet of one table may carry.

    `exact` are headers as the contract spells them, `plain` the same without spaces, width and units; `paths` are the labels whose
    join names a wide column: per wide column the labels of what it sets, and of its measure. `tails` are the words that the lowest level
    of a known column can be: any end of a header, any label of a path.
    """

    exact: frozenset[str]
    plain: Mapping[str, Target]
    paths: tuple[tuple[int, tuple[frozenset[str], ...], frozenset[str]], ...]
    tails: frozenset[str]


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """One column of a sheet: position, unique name (its levels joined), what it is, its stated unit, and whether spelt otherwise."""

    position: int
    name: str
    levels: tuple[str, ...]
    target: Target | None
    unit: str | None
    renamed: bool


@dataclass(frozen=True, slots=True)
class FoundHeader:
    """First row of the header (0 is the top of the sheet), number of its rows, and its columns."""

    first: int
    depth: int
    columns: tuple[FoundColumn, ...]

    @property
    def n_known(self) -> int:
        """How many fields and wide columns are found."""
        return len({c.target for c in self.columns if c.target and not c.target.unclear})

    @property
    def rank(self) -> tuple[int, int]:
        """Of two readings of the top of a sheet the one with the higher rank is right."""
        return self.n_known, sum(c.target is not None and c.target.unclear for c in self.columns)


@lru_cache(maxsize=10_000)
def plain_header(text: str) -> tuple[str, str | None]:
    """A header without spaces, width, numbering and brackets that hold a unit or a hint; and that unit.

    Examples
    --------
    >>> plain_header("*收入金额 （万元）")
    ('收入金额', '万元')
    >>> plain_header("收入（去年）")
    ('收入(去年)', None)
    """
    plain = _NUMBERING.sub("", _SPACES.sub("", unicodedata.normalize("NFKC", text)).casefold().strip("*★:"))
    unit = None
    while (bracket := _BRACKET.match(plain)) and (bracket[2] in UNIT_WORDS or _HINT.match(bracket[2])):
        plain = bracket[1]
        unit = bracket[2] if bracket[2] in UNIT_WORDS else unit
    return plain, unit


def known_headers(contract: Contract, extra: Mapping[str, str] | None = None) -> KnownHeaders:
    """The headers of a contract and, with `extra` (header to field or wide header), those of a source's mapping."""
    wide = {w.header: i for i, w in enumerate(contract.wide_columns)}
    targets = {h: Target(field=f) for h, f in contract.headers().items()} | {h: Target(wide=i) for h, i in wide.items()}
    exact = frozenset(targets)
    plain = {plain_header(h)[0]: target for h, target in targets.items()}
    for header, name in (extra or {}).items():
        target = Target(wide=wide[name]) if name in wide else Target(field=name)
        plain |= {header_key(header): target}
    paths = []
    for i, w in enumerate(contract.wide_columns):
        labels = tuple(
            frozenset(plain_header(str(label))[0] for label, value in contract.field(f).codes.items() if value == v)
            for f, v in w.sets.items()
        )
        names = {plain_header(h)[0] for h in contract.field(w.measure).headers}
        paths.append((i, labels, frozenset(names | {n.removesuffix("金额") for n in names})))
    ends = (name[i:] for name in plain for i in range(len(name)))
    tails = frozenset(ends).union(*(measure.union(*labels) for _, labels, measure in paths))
    return KnownHeaders(exact | frozenset(extra or ()), plain, tuple(paths), tails)


def header_key(header: str) -> str:
    """A header, its levels parted by `|`, in the form that two spellings of it share."""
    return "".join(plain_header(level)[0] for level in header.split("|"))


def recognise(levels: Sequence[str], known: KnownHeaders) -> tuple[Target | None, str | None]:
    """What the levels of one column's header name together, and the unit they state."""
    parts = [plain_header(level) for level in levels]
    unit = next((u for _, u in reversed(parts) if u), None)
    names = [name for name, _ in parts if name]
    if not names:
        return None, unit
    for joined in ("".join(names), "".join(names[-2:])):
        if joined in known.plain:
            return known.plain[joined], unit
    if len(names) > 1:
        fitting = [i for i, labels, measure in known.paths if _fits(names, labels, measure)]
        if fitting:
            return (Target(wide=fitting[0]) if len(fitting) == 1 else Target(unclear=True)), unit
    return known.plain.get(names[-1]), unit


def _fits(names: Sequence[str], labels: tuple[frozenset[str], ...], measure: frozenset[str]) -> bool:
    """Every level is a label of the column or of its measure, and the last thing it sets is among them."""
    return all(name in measure or any(name in own for own in labels) for name in names) and any(n in labels[-1] for n in names)


def find_header(rows: Grid, known: KnownHeaders, *, fixed: tuple[int, int] | None = None) -> FoundHeader | None:
    """The header rows of a sheet; None where no row names the table's columns.

    Parameters
    ----------
    rows
        The first rows of the sheet as text, merged header cells filled in.
    fixed
        First row and number of rows, where a mapping states them.
    """
    if fixed:
        return _with_rows_below(rows, _header_at(rows, *fixed, known=known)) if sum(fixed) <= len(rows) else None
    best: FoundHeader | None = None
    looked_at = min(len(rows), LOOKED_AT)
    may_end = [[None if cell is None else _may_end_a_header(cell, known) for cell in row] for row in rows[:looked_at]]
    for depth in range(1, MOST_LEVELS + 1):
        for first in range(looked_at - depth + 1):
            if best is not None and (_most_known(may_end[first : first + depth]), 0) <= best.rank:
                continue
            found = _header_at(rows, first, depth, known=known)
            if best is None or found.rank > best.rank:
                best = found
            if depth == 1 and first == 0 and found.n_known and found.n_known == sum(bool(c.levels) for c in found.columns):
                return _with_rows_below(rows, found)
    if best is None:
        return None
    n_named = sum(bool(c.levels) for c in best.columns)
    return _with_rows_below(rows, best) if best.n_known >= 3 or 2 * best.n_known >= n_named > 0 else None


def _may_end_a_header(cell: str, known: KnownHeaders) -> bool:
    name = plain_header(cell)[0]
    return not name or name in known.tails


def _most_known(may_end: Sequence[Sequence[bool | None]]) -> int:
    """How many columns of these rows could be known at most: those whose lowest cell may end a known header."""
    lowest: dict[int, bool] = {}
    for row in may_end:
        lowest.update((j, may) for j, may in enumerate(row) if may is not None)
    return sum(lowest.values())


def _with_rows_below(rows: Grid, header: FoundHeader) -> FoundHeader:
    """The header with a row of units (`元`, `亩`) and a row of column numbers (`甲 乙 1 2`) below it."""
    columns, depth = header.columns, header.depth
    below = rows[header.first + depth] if header.first + depth < len(rows) else ()
    units = [plain_header(cell)[0].strip("()") if cell else None for cell in below]
    if any(units) and all(u is None or u in UNIT_WORDS for u in units):
        columns = tuple(replace(c, unit=(units[c.position] if c.position < len(units) else None) or c.unit) for c in columns)
        depth += 1
        below = rows[header.first + depth] if header.first + depth < len(rows) else ()
    numbers = [cell.strip() for cell in below if cell]
    counted = [n for n in numbers if n not in _STEMS]
    first = int(counted[0]) if counted and counted[0] in ("0", "1") else None
    if len(numbers) > 2 and first is not None and counted == [str(first + i) for i in range(len(counted))]:
        depth += 1
    return replace(header, depth=depth, columns=columns)


def _header_at(rows: Grid, first: int, depth: int, *, known: KnownHeaders) -> FoundHeader:
    width = max(len(rows[i]) for i in range(first, first + depth))
    levels = [[*rows[i], *[None] * (width - len(rows[i]))] for i in range(first, first + depth)]
    leaf = levels[-1]
    for parents in levels[:-1]:
        carried = None
        for j in range(width):  # a parent that spans columns stands in the first of them only
            carried = parents[j] or carried
            if parents[j] is None and leaf[j] is not None:
                parents[j] = carried
    columns = []
    for j in range(width):
        own: list[str] = []
        for level in levels:
            if level[j] is not None and (not own or own[-1] != level[j]):
                own.append(str(level[j]))
        target, unit = recognise(own, known) if own else (None, None)
        renamed = target is not None and len(own) == 1 and own[0].strip() not in known.exact
        columns.append(FoundColumn(j, " | ".join(_SPACES.sub("", o) for o in own), tuple(own), target, unit, renamed))
    return FoundHeader(first, depth, _named_apart(columns))


def _named_apart(columns: Sequence[FoundColumn]) -> tuple[FoundColumn, ...]:
    """Every column under a name of its own; one without a header is called by its place."""
    taken: set[str] = set()
    named = []
    for c in columns:
        name = c.name or f"（第{c.position + 1}列）"
        name = f"{name}（第{c.position + 1}列）" if name in taken else name
        taken.add(name)
        named.append(replace(c, name=name))
    return tuple(named)
