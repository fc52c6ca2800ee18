"""Division codes over time: a dated table of codes and their successors, and old codes in files read as today's.

Townships are merged and counties become districts; files go on using the codes of before. A code that no village of the project has is
looked up in the table (`data_contracts/divisions/divisions.csv`, or the county's own `divisions.csv` in its project folder) and read as
its successor, whatever the row's date: households are compared over years, so all of them stand in today's villages. A code the
project's own villages have is never touched. Nothing is read past a day by this: it changes the name of a place, not what happened.

Columns: code (6, 9 or 12 digits), name_zh, valid_from, valid_until (exclusive; blank: open), successor (blank: none, or split among
several), complete_to (on a county: `township` or `village` when the table lists all of its codes down to that level), source.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from returnrisk.contracts import Contract
from returnrisk.errors import ContractError
from returnrisk.ingest.accounting import ReadSheet
from returnrisk.ingest.county import AREA_FIELDS
from returnrisk.ingest.sheets import Notice
from returnrisk.ingest.spelling import ROWS_SHOWN
from returnrisk.resources import data_folder

COLUMNS = ("code", "name_zh", "valid_from", "valid_until", "successor", "complete_to", "source")
_LEVELS = {"": 0, "township": 9, "village": 12}


@dataclass(frozen=True, slots=True)
class Division:
    """One code while it meant one place: valid on days from `valid_from` (None: always) before `valid_until` (None: still)."""

    code: int
    name_zh: str
    valid_from: dt.date | None
    valid_until: dt.date | None
    successor: int | None
    complete_to: str
    source: str

    def on(self, day: dt.date) -> bool:
        """Whether the code was in force on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_until is None or day < self.valid_until)


@dataclass(frozen=True, slots=True)
class Divisions:
    """The whole table, by code and date."""

    rows: tuple[Division, ...]

    def resolve(self, code: int, *, on: dt.date) -> int | None:
        """The code that stands on `on` for what `code` means or meant; None when the table does not know, or names no one successor.

        Examples
        --------
        >>> import datetime as dt
        >>> known = load_divisions()
        >>> known.resolve(350681, on=dt.date(2020, 1, 1)), known.resolve(350681, on=dt.date(2024, 1, 1))
        (350681, 350604)
        >>> known.resolve(123456, on=dt.date(2024, 1, 1)) is None
        True
        """
        by_code = self._by_code()
        seen: set[int] = set()
        while code not in seen:
            seen.add(code)
            meanings = by_code.get(code, [])
            if any(m.on(on) for m in meanings):
                return code
            past = [m for m in meanings if m.valid_until is not None and m.valid_until <= on]
            if not past or past[-1].successor is None:
                return None
            code = past[-1].successor
        return None

    def successors(self, codes: Iterable[int], *, current: Collection[int]) -> dict[int, int]:
        """Old code to the code now in use (one of `current`), for those of `codes` that are not in use themselves."""
        by_code = self._by_code()
        found = {}
        for code in codes:
            seen = {code}
            after = code
            while (
                after not in current
                and after in by_code
                and (then := by_code[after][-1].successor) is not None
                and then not in seen
            ):
                after = then
                seen.add(then)
            if after != code and after in current:
                found[code] = after
        return found

    def unknown(self, codes: Iterable[int]) -> list[int]:
        """Those of `codes` that the table does not hold although it holds all codes of their county at that level, sorted."""
        complete = {d.code: _LEVELS[d.complete_to] for d in self.rows if d.complete_to}
        held = {d.code for d in self.rows}
        absent = []
        for code in codes:
            length = len(str(code))
            county = int(str(code)[:6])
            if county in complete and any(int(str(code)[:n]) not in held for n in (9, 12) if n <= min(length, complete[county])):
                absent.append(code)
        return sorted(absent)

    def _by_code(self) -> dict[int, list[Division]]:
        found: dict[int, list[Division]] = {}
        for d in self.rows:
            found.setdefault(d.code, []).append(d)
        return found


def load_divisions(path: Path | None = None) -> Divisions:
    """The table in `path` (utf-8 or gb18030), or the shipped example when there is none.

    Raises
    ------
    ContractError
        It is no such table; every problem with its line.
    """
    path = path if path is not None and path.is_file() else data_folder("data_contracts") / "divisions" / "divisions.csv"
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030", "replace")
    return parse_divisions(text, where=path.name)


def parse_divisions(text: str, *, where: str) -> Divisions:
    r"""The table out of csv text; see `load_divisions`.

    Examples
    --------
    >>> parse_divisions("code,name_zh,valid_from,valid_until,successor,complete_to,source\n12,甲,,,,,x\n", where="divisions.csv")
    Traceback (most recent call last):
        ...
    returnrisk.errors.ContractError: divisions.csv cannot be used:
      line 2: code '12' has not 6, 9 or 12 digits
    """
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ContractError(f"{where}: expected the columns {', '.join(COLUMNS)}")
    rows, problems = [], []
    for line, record in enumerate(reader, start=2):
        try:
            rows.append(_division({k: (v or "").strip() for k, v in record.items() if k}))
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    problems += _contradictions(rows)
    if problems:
        raise ContractError(f"{where} cannot be used:\n  " + "\n  ".join(problems))
    return Divisions(tuple(sorted(rows, key=lambda d: (d.code, d.valid_until or dt.date.max))))


def _division(record: Mapping[str, str]) -> Division:
    for name in ("code", "successor"):
        if record[name] or name == "code":
            _require(
                re.fullmatch(r"[1-9]\d{5}(\d{3}(\d{3})?)?", record[name]), f"{name} '{record[name]}' has not 6, 9 or 12 digits"
            )
    _require(record["complete_to"] in _LEVELS, f"complete_to '{record['complete_to']}' is neither township nor village")
    _require(record["complete_to"] == "" or len(record["code"]) == 6, "complete_to stands on a county")
    _require(record["successor"] == "" or record["valid_until"], "a successor needs the day from which it stands (valid_until)")
    days = {name: dt.date.fromisoformat(record[name]) if record[name] else None for name in ("valid_from", "valid_until")}
    if days["valid_from"] and days["valid_until"]:
        _require(days["valid_from"] < days["valid_until"], "valid_from is not before valid_until")
    return Division(
        code=int(record["code"]),
        name_zh=record["name_zh"],
        valid_from=days["valid_from"],
        valid_until=days["valid_until"],
        successor=int(record["successor"]) if record["successor"] else None,
        complete_to=record["complete_to"],
        source=record["source"],
    )


def _require(holds: Any, text: str) -> None:
    if not holds:
        raise ValueError(text)


def _contradictions(rows: Iterable[Division]) -> list[str]:
    """A code that means two places on one day, and successors that lead in a circle."""
    by_code: dict[int, list[Division]] = {}
    for d in sorted(rows, key=lambda d: (d.code, d.valid_from or dt.date.min)):
        by_code.setdefault(d.code, []).append(d)
    problems = []
    for code, meanings in by_code.items():
        for a, b in pairwise(meanings):
            if a.valid_until is None or b.valid_from is None or b.valid_from < a.valid_until:
                problems.append(f"{code} means two places on one day")
        after, seen = code, {code}
        while after in by_code and (then := by_code[after][-1].successor) is not None:
            if then in seen:
                problems.append(f"{code} is succeeded by itself in the end")
                break
            seen.add(then)
            after = then
    return problems


def with_current_codes(
    sheets: list[ReadSheet], contract: Contract, divisions: Divisions, *, villages: Collection[int]
) -> list[ReadSheet]:
    """Sheets whose old area codes are replaced by those of the project's own villages, with a notice of what was replaced or is unknown.

    Parameters
    ----------
    villages
        Codes of the accepted villages; with their townships and counties they are the codes in use.

    Notes
    -----
    The village table itself is left alone: it says what the villages are.
    """
    if contract.name == "village":
        return sheets
    current = {*villages, *(v // 10**3 for v in villages), *(v // 10**6 for v in villages)}
    return [_current(s, divisions, current) for s in sheets]


def _current(sheet: ReadSheet, divisions: Divisions, current: Collection[int]) -> ReadSheet:
    import pyarrow as pa
    import pyarrow.compute as pc

    raw = sheet.raw
    table, said = raw.table, []
    for header, name in sheet.headers.fields.items():
        if name not in AREA_FIELDS:
            continue
        column = table[header].combine_chunks()
        stray = {int(t) for t in pc.unique(column).to_pylist() if t and re.fullmatch(r"[1-9]\d{5}(\d{3}(\d{3})?)?", t)} - set(
            current
        )
        after = divisions.successors(sorted(stray), current=current)
        unknown = divisions.unknown(stray - set(after))
        for number, codes in (("ING065", sorted(after)), ("ING066", unknown)):
            if codes:
                hit = pc.is_in(column, pa.array([str(c) for c in codes], pa.string()))
                rows = table["row_number"].filter(hit).to_pylist()
                said.append(
                    Notice(
                        number, f"{header}：{'、'.join(str(c) for c in codes[:ROWS_SHOWN])}", len(rows), tuple(rows[:ROWS_SHOWN])
                    )
                )
        if after:
            old, new = pa.array([str(c) for c in after], pa.string()), pa.array([str(c) for c in after.values()], pa.string())
            at = pc.index_in(column, old)
            table = table.set_column(table.column_names.index(header), header, pc.coalesce(new.take(at), column))
    return replace(sheet, raw=replace(raw, table=table, notices=(*raw.notices, *said))) if said else sheet
