"""One file while it is being soiled: its clean rows, what was done to their cells, the rows and columns added, its layout, its plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from returnrisk.contracts import Contract, Field

Outcome = Literal["recovered", "quarantined", "duplicate", "set_aside", "dropped", "added", "not_sent"]
"""recovered: the store equals the clean one · quarantined: the row waits · duplicate: the row repeats another · set_aside: no row of data ·
dropped: a column or sheet is left out · added: a row the clean county does not have and the store must · not_sent: the row never came."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A spreadsheet's formula and the value it showed when it was saved."""

    expression: str
    value: str | float


Cell = str | int | float | Formula | None
Shape = Literal["money", "measure", "count", "date", "code", "boolean", "identifier", "text"]


SECOND_SHEET = "数据（续）"
FEW_ROWS = 4


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a clean file: its header, the field it feeds, and what its cells look like."""

    header: str
    field: Field
    shape: Shape
    wide: bool


@dataclass(slots=True)
class ExtraRow:
    """A row the clean file does not have: after which clean row it stands (n: at the end), whose cells it repeats (-1: nobody's)."""

    after: int
    source: int
    cells: dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Planned:
    """One thing planted: on a clean row (`row`), on an added one (`extra`), or on the whole file (neither)."""

    kind: str
    code: str
    outcome: Outcome
    row: int = -1
    extra: int = -1
    field: str = ""


@dataclass(slots=True)
class Layout:
    """How a file is laid out, beyond its rows.

    `titles` are headers as shown, `parents` those of a header over two rows; `columns` the headers in file order; `factors` what the
    numbers of a column are divided by; `order` the clean rows in file order; `merged` runs of clean rows under one cell; `more_cells`
    cells beyond the last column; `second_sheet_at` the clean row from which on the rows stand on a second sheet (0: on one); `empty_lines`
    at the end of a csv.
    """

    encoding: str = "utf-8-sig"
    delimiter: str = ","
    above: list[list[str]] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    extra_columns: dict[str, list[Cell]] = field(default_factory=dict)
    factors: dict[str, int] = field(default_factory=dict)
    order: Any = None
    merged: list[tuple[str, list[int]]] = field(default_factory=list)
    more_cells: dict[int, list[str]] = field(default_factory=dict)
    hidden_sheets: dict[str, list[list[Cell]]] = field(default_factory=dict)
    note_sheets: dict[str, list[list[Cell]]] = field(default_factory=dict)
    date_1904: bool = False
    date_columns: set[str] = field(default_factory=set)
    hidden_rows: list[int] = field(default_factory=list)
    second_sheet_at: int = 0
    line_end: str = "\r\n"
    empty_lines: int = 0


@dataclass(slots=True)
class Sheet:
    """One file.

    `taken` marks clean rows that something was done to, so that no row is soiled twice; `locked` are columns that the layout owns;
    `siblings` the other files of its table; `arrays` the clean columns looked into so far.
    """

    table: str
    contract: Contract
    name: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    taken: Any
    silent: Any
    layout: Layout
    patches: dict[str, dict[int, Cell]] = field(default_factory=dict)
    extras: list[ExtraRow] = field(default_factory=list)
    removed: set[int] = field(default_factory=set)
    planned: list[Planned] = field(default_factory=list)
    locked: set[str] = field(default_factory=set)
    siblings: list[Sheet] = field(default_factory=list)
    arrays: dict[str, Any] = field(default_factory=dict)

    @property
    def is_workbook(self) -> bool:
        """Whether it is written as xlsx."""
        return self.name.lower().endswith(".xlsx")

    @property
    def sheet_name(self) -> str:
        """As the reader will call it: a csv has none."""
        return "数据" if self.is_workbook else ""

    def text(self, row: int, header: str) -> str | None:
        """A clean cell as the csv would show it."""
        if header not in self.arrays:
            self.arrays[header] = self.frame[header].array
        value: Any = self.arrays[header][row]
        if value is None or pd.isna(value):
            return None
        return f"{value:.2f}" if isinstance(value, float) else str(value)

    def column_of(self, name: str) -> Column | None:
        """The column that feeds a field; None where the file has none."""
        return next((c for c in self.columns if c.field.name == name and not c.wide), None)

    def is_free(self, row: int) -> bool:
        """Whether nothing was done to the row yet and it says anything at all."""
        return not self.taken[row] and not self.silent[row]

    def plan(self, planned: Planned) -> None:
        """Record one planted thing and close its clean row to others."""
        self.planned.append(planned)
        if planned.row >= 0:
            self.taken[planned.row] = True

    def soil(self, row: int, column: Column, value: Cell, planned: Planned) -> None:
        """Replace one cell."""
        self.patches.setdefault(column.header, {})[row] = value
        self.plan(planned)

    def put_above(self, rows: list[list[str]]) -> None:
        """Rows above the header; each is counted as one that is no data."""
        self.layout.above += rows
        for row in rows:
            kind, code = ("line_above_header", "ING024") if row[0] else ("blank_row", "ING022")
            self.plan(Planned(kind, code, "set_aside"))

    @property
    def can_be_parted(self) -> bool:
        """Whether its rows can stand on two sheets. A unit said once above the first would hold for that one alone."""
        layout = self.layout
        is_plain = layout.order is None and not layout.merged and not layout.parents and ["单位：万元"] not in layout.above
        return is_plain and len(self.frame) >= FEW_ROWS

    def insert(self, extra: ExtraRow) -> int:
        """Add a row; at the end where cells are merged over rows, which nothing may come between."""
        if self.layout.merged:
            extra.after = len(self.frame)
        self.extras.append(extra)
        return len(self.extras) - 1

    def lines(self) -> Any:
        """The rows of the file in order: a clean row's position, or -1-k for the k-th added one."""
        n, order = len(self.frame), self.layout.order
        place = np.arange(n + 1)
        if order is not None:
            place[order] = np.arange(n)
        kept = np.array([i for i in range(n) if i not in self.removed]) if self.removed else np.arange(n)
        if not self.extras:
            return kept[np.argsort(place[kept], kind="stable")]
        after = np.array([place[e.after] for e in self.extras])
        entries = np.concatenate([kept, -1 - np.arange(len(after))])
        # notes and totals stand below rows that were added at the end
        rank = np.concatenate([np.zeros(len(kept)), [1 + k + (e.source < 0) * 10**9 for k, e in enumerate(self.extras)]])
        return entries[np.lexsort((rank, np.concatenate([place[kept], after])))]

    def places(self, lines: Any) -> list[tuple[str, int]]:
        """Sheet and row number (1 is the first row) of each of `lines()`."""
        at, n = self.layout.second_sheet_at, len(lines)
        split = int(np.argmax(lines >= at)) if at and (lines >= at).any() else n
        first = [(self.sheet_name, i + self.n_above + 1) for i in range(split)]
        return first + [(SECOND_SHEET, i + self.n_above - len(self.layout.above) + 1) for i in range(n - split)]

    @property
    def n_above(self) -> int:
        """Rows above the first row of data."""
        return len(self.layout.above) + (2 if self.layout.parents else 1)


def columns_of(frame: pd.DataFrame, contract: Contract) -> tuple[Column, ...]:
    """What each column of a clean file is."""
    known = contract.headers()
    wide = {w.header: contract.field(w.measure) for w in contract.wide_columns}
    found = []
    for header in frame.columns:
        own = wide.get(header) or contract.field(known[header])
        found.append(Column(header, own, _shape(own), header in wide))
    return tuple(found)


def _shape(own: Field) -> Shape:
    if own.pseudonym:
        return "identifier"
    if own.codes:
        return "code"
    if own.type == "decimal(18,2)":
        return "money" if (own.unit or "").startswith("CNY") else "measure"
    shapes: dict[str, Shape] = {"int64": "count", "date": "date", "boolean": "boolean"}
    return shapes.get(own.type, "text")


def clean_sheet(name: str, frame: pd.DataFrame, contract: Contract) -> Sheet:
    """A file nothing was done to yet."""
    frame = frame.reset_index(drop=True)
    columns = columns_of(frame, contract)
    amounts = [c.header for c in columns if c.wide]
    silent = frame[amounts].isna().all(axis=1).to_numpy() if amounts else np.zeros(len(frame), dtype=bool)
    return Sheet(
        table=contract.name,
        contract=contract,
        name=name,
        frame=frame,
        columns=columns,
        taken=np.zeros(len(frame), dtype=bool),
        silent=silent,
        layout=Layout(columns=list(frame.columns)),
    )


def pick(rng: np.random.Generator, choices: Sequence[Any]) -> Any:
    """One of several, evenly."""
    return choices[int(rng.integers(len(choices)))]
