"""Writing cells that lose nothing: text stays text, a refused write is an error, and rows are high enough to read on paper."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from returnrisk.errors import ContractViolation

FONT = "Microsoft YaHei"  # on every office PC; elsewhere the system substitutes its own Chinese font
LINE_POINTS = 14.5  # height of one printed line at 10 points
# XML 1.0 allows no control character but tab and newline, no half of a surrogate pair and no noncharacter.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list: its text key, its width in characters, and whether its cells are centred."""

    key: str
    width: float
    centred: bool = False


class Pen:
    """Writes text and numbers into one sheet with the workbook's formats, and refuses to lose anything."""

    def __init__(self, book: Any, sheet: Any) -> None:
        base = {"font_name": FONT, "font_size": 10, "valign": "vcenter"}
        cell = base | {"text_wrap": True, "border": 1, "border_color": "#8C8C8C"}
        shapes = {
            "title": base | {"bold": True, "font_size": 18, "align": "center"},
            "line": base | {"align": "center", "font_size": 11},
            "notice": base
            | {"bold": True, "text_wrap": True, "font_size": 11, "bg_color": "#FFF4D6", "border": 1, "border_color": "#B58900"},
            "small": base | {"text_wrap": True, "font_size": 9, "font_color": "#404040"},
            "header": cell | {"bold": True, "align": "center", "bg_color": "#DCE6F1"},
            "cell": cell | {"align": "left", "indent": 1},
            "centred": cell | {"align": "center"},
            "must": cell | {"align": "center", "bold": True, "bg_color": "#E4E4E4"},
            "percent": cell | {"align": "center", "num_format": "0.0%"},
            "date": cell | {"align": "center", "num_format": "yyyy-mm-dd"},
            "heading": base | {"bold": True, "font_size": 12, "bottom": 2},
            "note": base | {"text_wrap": True, "valign": "top"},
        }
        self.formats = {name: book.add_format(shape) for name, shape in shapes.items()}
        self.sheet = sheet

    def text(self, row: int, column: int, value: str, shape: str) -> None:
        """Write `value` as text whatever it looks like; XlsxWriter would shorten an overlong one without a word."""
        if not value:
            return self.blank(row, column, shape)
        return self._refuse(self.sheet.write_string(row, column, printable(value), self.formats[shape]), row, column)

    def number(self, row: int, column: int, value: float, shape: str) -> None:
        """Write a number."""
        self._refuse(self.sheet.write_number(row, column, value, self.formats[shape]), row, column)

    def blank(self, row: int, column: int, shape: str) -> None:
        """Leave an empty cell with a border, to be filled in."""
        self._refuse(self.sheet.write_blank(row, column, None, self.formats[shape]), row, column)

    def band(self, row: int, last_column: int, value: str, shape: str) -> None:
        """One text across the whole width."""
        self._refuse(self.sheet.merge_range(row, 0, row, last_column, printable(value), self.formats[shape]), row, 0)

    @staticmethod
    def _refuse(code: int, row: int, column: int) -> None:
        if code != 0:
            what = "a text is longer than the 32 767 characters a cell holds" if code == -2 else "it lies outside a sheet's limits"
            raise ContractViolation(f"row {row + 1}, column {column + 1} of the workbook cannot be written: {what}")


def lines_needed(value: str, width: float) -> int:
    r"""Lines a text takes in a column of `width` characters; a Chinese character is two wide.

    Examples
    --------
    >>> lines_needed("工资性收入减少", 10), lines_needed("a\nb", 10)
    (2, 2)
    """
    widths = (sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in part) for part in value.split("\n"))
    return sum(max(1, math.ceil(each / width)) for each in widths)


def printable(value: str) -> str:
    r"""`value` without the characters a workbook cannot hold.

    Examples
    --------
    >>> printable("张\x01三\ud800")
    '张三'
    """
    return _FORBIDDEN.sub("", value)
