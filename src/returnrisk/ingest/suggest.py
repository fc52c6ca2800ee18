"""What a foreign file may be: which table, which column is which field, in which unit and form; for a person to confirm.

A bounded sample is read (the top of every visible sheet), every table of the contracts is tried, and the assignment of columns to
fields that fits best as a whole is proposed, with the evidence and a confidence for each line. No cell is shown: headers, shares, forms and rounded ranges are, and labels that many rows
share.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.contracts import Contract, load_contracts
from returnrisk.errors import IngestError
from returnrisk.ingest.header_rows import FoundHeader, find_header, known_headers, plain_header
from returnrisk.ingest.headers import derivable
from returnrisk.ingest.sample import SampledSheet, sample_file
from returnrisk.ingest.suggest_columns import (
    Candidate,
    ContentReader,
    Fit,
    SampledColumn,
    candidates,
    date_forms,
    evidence_of,
    labels_of,
    small_amounts,
)
from returnrisk.ingest.units import UNIT_WORDS, factors

if TYPE_CHECKING:
    import pandas as pd

LEAST_CONFIDENCE = 0.35
"""A pair below it is not proposed: the column then belongs nowhere."""
_DIGITS = re.compile(r"\d{6,}")


@dataclass(frozen=True, slots=True)
class ColumnSuggestion:
    """What one column may be. `name` is a field or a wide header, None where it belongs nowhere; `confidence` is 0 to 1."""

    header: str
    name: str | None
    label_zh: str
    confidence: float
    evidence: tuple[str, ...]
    unit: str | None = None
    values: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A proposed mapping of one sheet.

    `header_row` counts from 1; `tables` are the likeliest tables with their scores (0 to 1), the proposed one first; `missing` are
    required fields without a column; `serials` says that dates are serial numbers, whose first year the file does not tell.
    """

    file: str
    sheet: str
    n_sampled: int
    header_row: int
    header_rows: int
    tables: tuple[tuple[str, float], ...]
    columns: tuple[ColumnSuggestion, ...]
    missing: tuple[str, ...]
    serials: bool

    @property
    def table(self) -> str:
        """The proposed table."""
        return self.tables[0][0]

    def frame(self) -> pd.DataFrame:
        """One row per column of the file, in its order."""
        import pandas as pd

        return pd.DataFrame(
            {
                "header": [c.header for c in self.columns],
                "field": [c.name or "" for c in self.columns],
                "label_zh": [c.label_zh for c in self.columns],
                "confidence": [round(c.confidence, 2) for c in self.columns],
                "unit": [c.unit or "" for c in self.columns],
                "evidence": ["；".join(c.evidence) for c in self.columns],
            }
        )


def suggest_mapping(path: Path, *, contracts: Mapping[str, Contract] | None = None) -> list[Suggestion]:
    """Propose a mapping for every visible sheet of a foreign file.

    Parameters
    ----------
    path
        csv, xlsx, xls or Parquet; its first rows are read.

    Returns
    -------
    list of Suggestion
        In the order of the sheets; the same file gives the same.

    Raises
    ------
    IngestError
        It cannot be read, or no sheet has a header over rows.
    """
    known = contracts or load_contracts()
    found = [s for sheet in sample_file(path) if (s := _suggest_sheet(sheet, known)) is not None]
    if not found:
        raise IngestError(f"{path.name}: no sheet has a row of column names above rows of data, so nothing can be proposed")
    return found


def _suggest_sheet(sheet: SampledSheet, contracts: Mapping[str, Contract]) -> Suggestion | None:
    layout = _header_of(sheet.rows, contracts)
    if layout is None:
        return None
    first, depth, levels = layout
    columns = sheet.columns(first + depth, levels)
    reader = ContentReader()
    tried = []
    for contract in contracts.values():
        for wide in (False, True) if contract.wide_columns else (False,):
            pairs = _assign(columns, candidates(contract, wide=wide), reader)
            tried.append((_table_score(contract, pairs, columns, sheet.file, wide=wide), contract.name, wide, pairs))
    tried.sort(key=lambda t: (-t[0], t[1], t[2]))
    best: dict[str, float] = {}
    for score, name, _, _ in tried:
        best.setdefault(name, round(score, 2))
    _, name, wide, pairs = tried[0]
    proposed = tuple(_line(c, pairs.get(c.position)) for c in columns)
    return Suggestion(
        file=sheet.file,
        sheet=sheet.sheet,
        n_sampled=len(sheet.rows) - first - depth,
        header_row=first + 1,
        header_rows=depth,
        tables=tuple(best.items())[:3],
        columns=proposed,
        missing=_missing(contracts[name], pairs, wide=wide),
        serials=any(
            pair[0].field.type == "date" and any("serial" in form for form in date_forms(c))
            for c in columns
            if (pair := pairs.get(c.position))
        ),
    )


# -------------------------------------------------------------------------------------------------------------- header


def _header_of(
    rows: Sequence[Sequence[str | None]], contracts: Mapping[str, Contract]
) -> tuple[int, int, list[tuple[str, ...]]] | None:
    """First row of the header, number of its rows, and the levels of each column's name.

    The header a contract recognises best, else the row that looks most like one: filled, all different, no numbers, and rows below.
    """
    best: FoundHeader | None = None
    for contract in contracts.values():
        found = find_header(rows[:40], known_headers(contract))
        if found is not None and found.n_known >= 2 and (best is None or found.n_known > best.n_known):
            best = found
    guess = _likely_header(rows)
    if best is not None and (guess is None or best.first + best.depth - 1 >= guess):
        width = len(best.columns)
        return best.first, best.depth, [_shown(best.columns[j].levels) for j in range(width)]
    if guess is None:
        return None
    return guess, 1, [_shown((cell,)) if cell else () for cell in rows[guess]]


def _shown(levels: Sequence[str]) -> tuple[str, ...]:
    """Levels of a header; one with many digits is a cell of data, and not repeated."""
    return tuple("（数据？）" if _DIGITS.search(level) else re.sub(r"\s+", "", level) for level in levels)


def _likely_header(rows: Sequence[Sequence[str | None]]) -> int | None:
    width = max((sum(c is not None for c in row) for row in rows), default=0)
    best: tuple[float, int] | None = None
    for i, row in enumerate(rows[:40]):
        cells = [c for c in row if c is not None]
        below = rows[i + 1 : i + 6]
        if len(cells) < 2 or not any(any(row) for row in below):
            continue
        words = sum(not re.fullmatch(r"[-+\d.,/:年月日%¥\s]+", c) and not _DIGITS.search(c) and len(c) <= 30 for c in cells)
        score = words / len(cells) * len(set(cells)) / len(cells) + len(cells) / width - 0.01 * i
        if words == len(cells) and (best is None or score > best[0]):
            best = (score, i)
    return best[1] if best and best[0] > 1.2 else None


# ---------------------------------------------------------------------------------------------------------- assignment


def _assign(
    columns: Sequence[SampledColumn], fields: Sequence[Candidate], reader: ContentReader
) -> dict[int, tuple[Candidate, Fit]]:
    """Column position to candidate: the one-to-one assignment with the greatest sum of confidences."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    columns = sorted(
        columns, key=lambda c: (c.header, c.position)
    )  # equally good assignments must not hang on the order of columns
    fits = [[reader.fit(c, f) for f in fields] for c in columns]
    gain = np.array([[f.confidence if f.confidence >= LEAST_CONFIDENCE else 0.0 for f in row] for row in fits])
    if not gain.size:
        return {}
    return {
        columns[i].position: (fields[j], fits[i][j])
        for i, j in zip(*linear_sum_assignment(-gain), strict=True)
        if gain[i, j] >= LEAST_CONFIDENCE
    }


def _table_score(
    contract: Contract, pairs: Mapping[int, tuple[Candidate, Fit]], columns: Sequence[SampledColumn], file: str, *, wide: bool
) -> float:
    """Half for required fields found, a third for columns explained, the rest for the file's name."""
    by_name = {c.name: fit.confidence for c, fit in pairs.values()}
    optional = set(derivable(contract))
    required = [c.name for c in candidates(contract, wide=wide) if c.required and c.name not in optional]
    found = sum(by_name.get(name, 0.0) for name in required) / max(1, len(required))
    explained = sum(by_name.values()) / max(1, len(columns))
    amounts = not wide or any(name in by_name for name in (w.header for w in contract.wide_columns))
    named = any(alias in file for alias in (*contract.file_aliases, contract.label_zh, contract.name))
    return (0.5 * found + 0.35 * explained + 0.15 * named) * (1.0 if amounts else 0.3)


def _missing(contract: Contract, pairs: Mapping[int, tuple[Candidate, Fit]], *, wide: bool) -> tuple[str, ...]:
    names = {c.name for c, _ in pairs.values()}
    optional = set(derivable(contract))
    return tuple(c.name for c in candidates(contract, wide=wide) if c.required and c.name not in names and c.name not in optional)


def _line(column: SampledColumn, pair: tuple[Candidate, Fit] | None) -> ColumnSuggestion:
    if pair is None:
        said = "没有合适的字段，不入库 / fits no field: dropped"
        return ColumnSuggestion(column.header or f"（第{column.position + 1}列）", None, "", 0.0, (said,))
    candidate, fit = pair
    field = candidate.field
    evidence = list(evidence_of(column, candidate, fit))
    unit = _unit_of(column, candidate)
    if unit:
        evidence.append(f"列名注明{unit} / the header says {unit}")
    elif "万元" in factors(field) and small_amounts(column, field):
        evidence.append("数值偏小，可能以万元计，请核对 / small amounts: perhaps 万元, please check")
    values, left = labels_of(column, field) if field.codes else ({}, 0)
    if values:
        evidence.append(f"{len(values)}种写法对应到代码 / labels matched to codes")
    if left:
        evidence.append(f"{left}种写法须人工对应 / labels left to a person")
    return ColumnSuggestion(
        column.header, candidate.name, candidate.label_zh, fit.confidence, tuple(evidence), unit, values or None
    )


def _unit_of(column: SampledColumn, candidate: Candidate) -> str | None:
    """The unit a header states, where it is not the field's own."""
    stated = [unit for level in column.levels if (unit := plain_header(level)[1])]
    known = factors(candidate.field)
    return stated[-1] if stated and stated[-1] in UNIT_WORDS and known.get(stated[-1], 1) != 1 else None
