"""From values to what stands in a cell: codes, units, dates, lengths; and what of it cannot be written."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from returnrisk.office_export.lint import NUMBERS, UNITS, begins_as_formula
from returnrisk.office_export.mapping import ExportColumn, ExportFile, code_text
from returnrisk.office_export.tables import Kind
from returnrisk.store.pseudonyms import pseudonym_text

# what neither a workbook nor an office's reader of lines can hold: control characters, halves of a pair, noncharacters
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ANSWERS = {1: "yes", 0: "no"}
_YES_NO = {True: "是", False: "否"}
_ANSWER_WORDS = {1: "是", 0: "否"}
_CELL = 32_767
"""Characters a cell of a workbook holds."""


def code_of(value: Any, kind: Kind | None) -> str | None:
    """What `values` and `where` compare a value by; None where it is unknown.

    Examples
    --------
    >>> code_of(0, "answer"), code_of(True, "yes_no"), code_of(dt.date(2024, 1, 31), "day"), code_of(None, "code")
    ('no', 'true', '2024-01-31', None)
    """
    return _ANSWERS.get(value) if kind == "answer" else code_text(value)


@dataclass(frozen=True, slots=True)
class Cell:
    """What is written, and the code and detail of what is wrong with it (empty: nothing)."""

    text: str
    problem: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CellWriter:
    """Makes the cells of one column.

    Examples
    --------
    >>> from returnrisk.office_export.mapping import load_export_mapping
    >>> file = load_export_mapping("national-style").files[1]
    >>> amount = CellWriter(file, file.columns[6], "money")
    >>> amount.column.header, amount.cell(Decimal("70949.00")), amount.cell(None).problem
    ('上年家庭纯收入（万元）', Cell(text='7.0949', problem='', detail=''), 'EXP001')
    """

    file: ExportFile
    column: ExportColumn
    kind: Kind | None

    @property
    def is_number(self) -> bool:
        """Whether a workbook gets a number: not a code."""
        return self.kind in NUMBERS and self.column.values is None

    @property
    def decimals(self) -> int:
        """Digits behind the point."""
        if self.column.decimals is not None or self.kind == "whole":
            return self.column.decimals or 0
        if self.kind == "money":  # a cent stays a cent
            return 2 + max(0, self._unit.adjusted())
        return 4

    @property
    def _unit(self) -> Decimal:
        units = UNITS.get(self.kind, {}) if self.kind else {}
        return units[self.column.unit] if self.column.unit else Decimal(1)

    def cells(self, values: list[Any], n_rows: int) -> list[Cell]:
        """One cell per row; each value is looked at once."""
        if self.kind is None:
            return [self.cell(self.column.constant)] * n_rows
        made: dict[Any, Cell] = {}
        for value in values:
            if value not in made:
                made[value] = self.cell(value)
        return [made[value] for value in values]

    def cell(self, value: Any) -> Cell:
        """One cell."""
        column = self.column
        text = self._text(value)
        if text is None:
            return Cell("", "EXP002", "unknown" if value is None else str(code_of(value, self.kind)))
        if not text:
            return Cell("", "EXP001" if column.required else "")
        if not text.isascii() and not self._writable(text):
            return Cell("", "EXP003")
        if _UNWRITABLE.search(text):
            return Cell("", "EXP003")
        escaped = self.file.format == "csv" and not self.is_number and begins_as_formula(text)
        text = f"'{text}" if escaped else text
        if len(text) > (column.max_length or _CELL):
            return Cell("", "EXP004", f"{len(text)} > {column.max_length or _CELL}")
        return Cell(text, "EXP005" if escaped else "")

    def _writable(self, text: str) -> bool:
        try:
            text.encode(self.file.encoding if self.file.format == "csv" else "utf-8")
        except UnicodeEncodeError:
            return False
        return True

    def _text(self, value: Any) -> str | None:
        """Text of a value; None for a code without one of theirs."""
        if self.column.values is not None:
            code = code_of(value, self.kind)
            if code in self.column.values:
                return self.column.values[code]
            if value is None or self.column.unmapped == "blank":
                return ""
            if self.column.unmapped == "error":
                return None
        return "" if value is None else self._as_is(value)

    def _as_is(self, value: Any) -> str:
        if self.kind == "yes_no":
            return _YES_NO[value]
        if self.kind == "answer":
            return _ANSWER_WORDS[value]
        if self.kind == "household":
            return pseudonym_text(value)
        if self.kind == "day":
            return day_text(value, self.file.date_format)
        return plain_number(value, self._unit, self.decimals) if self.is_number else str(value)


def day_text(day: dt.date, form: str) -> str:
    """A day by %Y, %m and %d, the same on every system.

    Examples
    --------
    >>> day_text(dt.date(2025, 1, 31), "%Y年%m月%d日")
    '2025年01月31日'
    """
    return form.replace("%Y", f"{day.year:04d}").replace("%m", f"{day.month:02d}").replace("%d", f"{day.day:02d}")


def plain_number(value: Any, unit: Decimal, decimals: int) -> str:
    """A number in a unit, without exponent or thousands; a half goes up, and nothing is minus zero.

    Examples
    --------
    >>> plain_number(Decimal("12345.00"), Decimal(10000), 2), plain_number(-0.0001, Decimal("0.01"), 1)
    ('1.23', '0.0')
    """
    rounded = (Decimal(str(value)) / unit).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    return f"{abs(rounded) if rounded.is_zero() else rounded:f}"
