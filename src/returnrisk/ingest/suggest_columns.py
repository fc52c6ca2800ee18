"""How well a column of a foreign file fits a field: by its header, and by what its cells look like; never by a cell that is shown.

A pair's confidence is `(1 - (1 - name) * (1 - content)) * fit`: likeness of the header and of the cells each speak for a pair, and the
share of cells that can be read as the field speaks against it. How much content proves depends on the field: 18 digits with a right
check digit are a person's number whatever the header; a number may be any amount.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from returnrisk.contracts import Contract, Field
from returnrisk.ingest.header_rows import plain_header
from returnrisk.ingest.spelling import PLAIN_DATE, PLAIN_NUMBERS, PLAIN_YES_NO, Reading, label_key, respell

DISTINCT = 400
"""So many distinct cells of a column are read for every field."""
LEAST_LIKENESS = 0.45
"""Two headers less alike than this say nothing of each other."""
FEWEST_OF_A_LABEL, MOST_LABELS, LONGEST_LABEL = 3, 30, 16
"""A label is shown only when so many rows have it, in a column of so few labels, none of them long: then it is a category."""
_KINDS = {
    "day": ("时间", "日期", "年月日", "日"),
    "number": ("号码", "编号", "编码", "代码", "号"),
    "amount": ("金额", "费用", "额", "款"),
    "name": ("名称", "姓名"),
    "class": ("类别", "类型", "种类", "等级", "级别", "状态", "情况"),
    "flag": ("标识", "标记", "标志"),
}
"""Endings that say what kind of thing a column holds, not which."""
_DATE_FORMS = (
    ("2024-06-01", r"^\d{4}-\d{1,2}-\d{1,2}"),
    ("2024/6/1", r"^\d{4}/\d{1,2}/\d{1,2}"),
    ("2024-06", r"^\d{4}[-/]\d{1,2}$"),
    ("2024年6月1日", r"^\d{4}年\d{1,2}月\d{1,2}[日号]$"),
    ("2024年6月", r"^\d{4}年\d{1,2}月$"),
    ("20240601", r"^(19|20)\d{6}$"),
    ("202406", r"^(19|20)\d{4}$"),
    ("2024.6", r"^\d{4}\.\d{1,2}$"),
    ("2024.6.1", r"^\d{4}\.\d{1,2}\.\d{1,2}$"),
    ("序列号 serial", r"^[2-7]\d{4}(\.0+)?$"),
)


@dataclass(frozen=True, slots=True)
class SampledColumn:
    """A column of the sample: position, levels of its header, its distinct cells and how many rows have each (Arrow, aligned).

    `right_ids` is the share of filled rows that hold a citizen number with a right check digit.
    """

    position: int
    levels: tuple[str, ...]
    cells: Any
    counts: tuple[int, ...]
    n_filled: int
    n_rows: int
    right_ids: float

    @property
    def header(self) -> str:
        """Levels parted by `|`, as a mapping writes them."""
        return "|".join(self.levels)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a column could be: a field, or the wide column of that header (whose measure `field` then is)."""

    name: str
    label_zh: str
    headers: tuple[str, ...]
    field: Field
    required: bool


@dataclass(frozen=True, slots=True)
class Fit:
    """How well one column fits one candidate: all shares of 0 to 1.

    `name` likeness of the headers (1: one of the contract's own), `like` the contract's header it is like; `readable` share of filled
    rows that can be read as the field; `content` how much the cells alone say for it.
    """

    name: float
    like: str
    readable: float
    content: float

    @property
    def confidence(self) -> float:
        """Of the pair."""
        by_name = 0.97 if self.name == 1 else 0.9 * max(0.0, (self.name - LEAST_LIKENESS) / (1 - LEAST_LIKENESS))
        return (1 - (1 - by_name) * (1 - self.content)) * self.readable


def candidates(contract: Contract, *, wide: bool) -> list[Candidate]:
    """What columns of a table's file may be: its fields, or with `wide` its wide columns in place of the fields they set."""
    by_wide = {name for w in contract.wide_columns for name in (*w.sets, w.measure)} if wide else set()
    found = [Candidate(f.name, f.label_zh, f.headers, f, f.required) for f in contract.fields if f.name not in by_wide]
    if wide:
        found += [
            Candidate(w.header, w.header, (w.header,), contract.field(w.measure), required=False) for w in contract.wide_columns
        ]
    return found


def likeness(levels: Sequence[str], headers: Sequence[str]) -> tuple[float, str]:
    """Likeness of a column's header to the nearest of a field's headers (1: the same but for spaces, width and units), and that header.

    Examples
    --------
    >>> likeness(["*户编号"], ["户编号", "户号"])
    (1.0, '户编号')
    >>> round(likeness(["农户编号"], ["户编号", "姓名"])[0], 2), likeness(["备注"], ["户编号"])[0]
    (0.75, 0.0)
    """
    own = [plain_header(level)[0] for level in levels]
    spellings = {"".join(own), own[-1]} if own else set()
    best = (0.0, "")
    for header in headers:
        plain = plain_header(header)[0]
        for spelling in spellings:
            score = 1.0 if spelling == plain else min(0.95, _alike(spelling, plain))
            best = max(best, (score, header), key=lambda pair: pair[0])
    return best


def _alike(a: str, b: str) -> float:
    """Likeness of two plain headers: what they are about counts three times what kind of thing it is (a day, a number, an amount)."""
    (stem_a, kind_a), (stem_b, kind_b) = _parts(a), _parts(b)
    stems = SequenceMatcher(None, stem_a, stem_b, autojunk=False).ratio() if stem_a or stem_b else 1.0
    if not kind_a or not kind_b:
        return max(SequenceMatcher(None, a, b, autojunk=False).ratio(), 0.9 * stems)
    return 0.75 * stems + (0.25 if kind_a == kind_b else 0.0)


def _parts(header: str) -> tuple[str, str]:
    for kind, words in _KINDS.items():
        for word in words:
            if header.endswith(word):
                return header.removesuffix(word), kind
    return header, ""


class ContentReader:
    """Reads the distinct cells of columns as fields, each kind of field once per column."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, str], tuple[float, float]] = {}

    def fit(self, column: SampledColumn, candidate: Candidate) -> Fit:
        """How well a column fits a candidate."""
        name, like = likeness(column.levels, candidate.headers)
        kind = (id(column), repr(_signature(candidate.field)))
        if kind not in self._seen:
            self._seen[kind] = _content(column, candidate.field)
        readable, content = self._seen[kind]
        return Fit(name, like, readable, content)


def _signature(f: Field) -> tuple[Any, ...]:
    return (f.type, f.pseudonym, f.source_pattern, f.pattern, f.minimum, f.maximum, tuple(f.codes.items()), f.valid_values, f.unit)


def _content(column: SampledColumn, f: Field) -> tuple[float, float]:
    """Share of filled rows readable as the field, and how much that says for it."""
    if not column.n_filled:
        return 0.8, 0.0  # nothing speaks against it, nothing for it
    if f.pseudonym:
        readable = _share(column, f.source_pattern or "")
        return readable, _identifier_proof(column, f, readable)
    good = readable_cells(column, f)
    share = sum(n for n, is_good in zip(column.counts, good, strict=True) if is_good) / column.n_filled
    distinct = sum(good)
    if f.codes:
        proof = 0.85 if distinct >= 2 and f.type == "string" else 0.3
        # labels of a source's own are expected: what is not in the code list weighs little against a header that is
        return 0.75 + 0.25 * share, proof * share
    if f.type == "boolean":
        return share, 0.3 * share if distinct >= 2 else 0.1 * share
    if f.type == "date":
        return share, 0.45 * share
    if f.type == "int64":
        area = f.minimum is not None and f.minimum >= 10**5
        return share, (0.7 if area else 0.1) * share
    if f.type in PLAIN_NUMBERS:
        return share, 0.1 * share
    return (share if f.pattern else 1.0 if not _looks_numeric(column) else 0.6), 0.0


def _share(column: SampledColumn, pattern: str) -> float:
    import pyarrow.compute as pc

    if not column.n_filled:
        return 0.0
    fits = pc.match_substring_regex(column.cells, pattern.replace("\\Z", "$")).to_pylist()
    return sum(n for n, is_fit in zip(column.counts, fits, strict=True) if is_fit) / column.n_filled


def _identifier_proof(column: SampledColumn, f: Field, readable: float) -> float:
    """A person's number proves itself by its check digit; any other identifier by being distinct and made of digits or letters."""
    if f.pseudonym == "person":
        return 0.95 * column.right_ids
    digits = _share(column, r"\d") if readable > 0.9 else 0.0
    not_a_person = 1 - column.right_ids
    looks_like_more = _share(column, r"^\d{4}[-/.年]\d{1,2}([-/.月]\d{1,2}日?)?$") + _share(column, r"^-?\d+\.\d+$")
    return 0.25 * readable * digits * not_a_person * max(0.0, 1 - looks_like_more)


def right_share(cells: Any, counts: Sequence[int]) -> float:
    """Share of filled rows that hold a citizen number with a right check digit."""
    import pyarrow.compute as pc

    from returnrisk.ingest.id_numbers import id_number_verdicts

    if not sum(counts) or not pc.any(pc.match_substring_regex(cells, r"^\d{17}[\dXx]$")).as_py():
        return 0.0
    return sum(n for n, v in zip(counts, id_number_verdicts(cells).to_pylist(), strict=True) if v == "right") / sum(counts)


def readable_cells(column: SampledColumn, f: Field, *, epoch: int | None = 1900) -> list[bool]:
    """Which distinct cells can be read as the field, with everything that reading puts right, inside its range."""
    import pyarrow.compute as pc

    done = respell(column.cells, f, Reading(typed=True, epoch=epoch)).column
    if f.codes:
        known = {str(k) for k in f.codes} | {str(v) for v in f.valid_values or ()}
        return [text is not None and text in known for text in done.to_pylist()]
    pattern = {"boolean": "^(" + "|".join(PLAIN_YES_NO) + ")$", "date": PLAIN_DATE, **PLAIN_NUMBERS}.get(f.type, f.pattern or "")
    good: list[bool] = pc.fill_null(
        pc.match_substring_regex(done, pattern), fill_value=True
    ).to_pylist()  # a sign for nothing is readable
    if f.type in PLAIN_NUMBERS and (f.minimum is not None or f.maximum is not None):
        low = float("-inf") if f.minimum is None else f.minimum
        high = float("inf") if f.maximum is None else f.maximum
        texts = done.to_pylist()
        good = [g and (t is None or low <= float(t) <= high) for g, t in zip(good, texts, strict=True)]
    return good


def _looks_numeric(column: SampledColumn) -> bool:
    return _share(column, r"^-?[\d,]+(\.\d+)?$") > 0.9


# ------------------------------------------------------------------------------------------------------ what may be said


def evidence_of(column: SampledColumn, candidate: Candidate, fit: Fit) -> tuple[str, ...]:
    """Why a pair was made, in Chinese and English, without any cell of it."""
    said = []
    if fit.name == 1:
        said.append(f"列名即“{fit.like}” / the header is '{fit.like}'")
    elif fit.name > LEAST_LIKENESS:
        said.append(f"列名与“{fit.like}”相似{fit.name:.0%} / header like '{fit.like}'")
    if not column.n_filled:
        return (*said, "样本中全为空 / empty in the sample")
    said.append(
        f"{_readable_share(column, candidate.field):.0%}可读为{_kind_zh(candidate.field)} / readable as {_kind_en(candidate.field)}"
    )
    if candidate.field.pseudonym == "person":
        said.append(f"{column.right_ids:.0%}校验码相符 / check digits right")
    elif candidate.field.type == "date":
        said.append(f"写法 {'、'.join(date_forms(column))} / forms")
    elif candidate.field.type in PLAIN_NUMBERS and not candidate.field.codes and not candidate.field.pseudonym:
        said.append(_range(column, candidate.field))
    said.append(f"{len(column.cells)}{'+' if len(column.cells) >= DISTINCT else ''}种取值 / distinct")
    if column.n_filled < column.n_rows:
        said.append(f"{1 - column.n_filled / column.n_rows:.0%}为空 / empty")
    return tuple(s for s in said if s)


def _readable_share(column: SampledColumn, f: Field) -> float:
    if f.pseudonym:
        return _share(column, f.source_pattern or "")
    good = readable_cells(column, f)
    return sum(n for n, g in zip(column.counts, good, strict=True) if g) / column.n_filled


def _kind_zh(f: Field) -> str:
    return {"int64": "整数", "decimal(18,2)": "数字", "date": "日期", "boolean": "是否", "string": "文字"}[f.type] if not (f.codes or f.pseudonym) else ("代码" if f.codes else "编号")  # fmt: skip


def _kind_en(f: Field) -> str:
    return {"int64": "whole numbers", "decimal(18,2)": "numbers", "date": "dates", "boolean": "yes/no", "string": "text"}[f.type] if not (f.codes or f.pseudonym) else ("codes" if f.codes else "identifiers")  # fmt: skip


def date_forms(column: SampledColumn) -> list[str]:
    """Forms that dates are written in, commonest first."""
    shares = [(name, _share(column, pattern)) for name, pattern in _DATE_FORMS]
    return [name for name, share in sorted(shares, key=lambda pair: -pair[1]) if share > 0.005]


def _numbers(column: SampledColumn, f: Field) -> list[float]:
    texts = respell(column.cells, f, Reading(typed=True)).column.to_pylist()
    return sorted(float(t) for t in texts if t is not None and re.match(PLAIN_NUMBERS["decimal(18,2)"], t))


def _range(column: SampledColumn, f: Field) -> str:
    """Where nine tenths of the numbers lie, to two figures: never an exact amount of anybody."""
    numbers = _numbers(column, f)
    if len(numbers) < 10 or (f.minimum or 0) >= 10**5:  # few numbers would show somebody's; codes of areas have no range
        return ""
    low, high = numbers[len(numbers) // 20], numbers[-1 - len(numbers) // 20]
    return f"多在{_rounded(low)}至{_rounded(high)} / mostly {_rounded(low)} to {_rounded(high)}"


def _rounded(number: float) -> str:
    """Two figures, written out."""
    return f"{float(f'{number:.2g}'):g}" if abs(number) < 1e6 else f"{float(f'{number:.2g}'):.0f}"


def small_amounts(column: SampledColumn, f: Field) -> bool:
    """Whether amounts are so small and so often broken that 万元 may be meant."""
    numbers = [n for n in _numbers(column, f) if n]
    return len(numbers) >= 10 and numbers[len(numbers) // 2] < 20 and sum(n != int(n) for n in numbers) > len(numbers) / 2


def labels_of(column: SampledColumn, f: Field) -> tuple[Mapping[str, str], int]:
    """Labels of the file's own with the code they are most like, and the number of labels left for a person to assign."""
    known = {label_key(str(k)): str(v) for k, v in f.codes.items()} | {label_key(str(v)): str(v) for v in f.valid_values or ()}
    pairs = list(zip(column.cells.to_pylist(), column.counts, strict=True))
    if len(pairs) > MOST_LABELS:
        return {}, 0
    found: dict[str, str] = {}
    left = 0
    for text, n in sorted(pairs):
        key = label_key(text)
        if key in known or not respell_label(column, f, text):
            continue
        near = sorted(((_label_likeness(key, k), k) for k in known), reverse=True)
        if near and near[0][0] >= 0.5 and n >= FEWEST_OF_A_LABEL and len(text) <= LONGEST_LABEL:
            found[text] = known[near[0][1]]
        else:
            left += 1
    return found, left


def respell_label(column: SampledColumn, f: Field, text: str) -> bool:
    """Whether a cell says something: a sign for a missing value is no label."""
    import pyarrow as pa

    return respell(pa.array([text], column.cells.type), f, Reading()).column[0].as_py() is not None


def _label_likeness(a: str, b: str) -> float:
    contained = min(len(a), len(b)) >= 2 and (a in b or b in a)
    return max(0.8 if contained else 0.0, SequenceMatcher(None, a, b, autojunk=False).ratio())
