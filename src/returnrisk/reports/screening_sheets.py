"""Tables of the screening workbooks: grouped heads, thousands and per cent, totals of the level above, print set-up, lines to sign."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from returnrisk.reports import numbers
from returnrisk.reports.cells import LINE_POINTS, Pen, lines_needed, printable
from returnrisk.reports.texts import Text, text

Row = Mapping[Any, Any]
NUMERIC = ("count", "yuan", "change", "share", "mean")
_FORMATS = {"count": "#,##0_ ", "yuan": "#,##0_ ", "change": "#,##0_ ;-#,##0_ ", "share": "0.0%_ ", "mean": "0.0_ "}
_MARKS = {"": {}, "_subtotal": {"bold": True, "bg_color": "#F2F2F2"}, "_total": {"bold": True, "bg_color": "#DCE6F1"}}
_A3, _A4 = 8, 9
_MOST_ON_A4 = 16
"""Columns; more would be printed smaller than one can read, and offices print wide tables on A3."""
_LONGEST_NAME = 40  # Excel allows 255 characters in a page header, its codes included
_SIGNATURE_POINTS = 40
_GAP_POINTS = 5
_TALLEST = 409.0  # points, Excel's limit for a row


@dataclass(frozen=True, slots=True)
class Place:
    """Whose workbook it is, for titles, page headers and file names."""

    code: int
    name: str
    county: str
    day: dt.date
    pack: str
    private: bool


@dataclass(frozen=True, slots=True)
class Field:
    """A column: what it shows of a row, its head, width in characters, shape of its cells, and the group its head stands under."""

    key: str
    head: Text
    width: float
    shape: str = "count"
    group: Text | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Where a table stands: its first head row, its last head row, its last row."""

    top: int
    head: int
    last: int


def field(key: str, width: float, shape: str = "count", *, group: str = "") -> Field:
    """A column whose head is the text `form.<key>`."""
    return Field(key, text(f"form.{key}"), width, shape, text(f"form_group.{group}") if group else None)


class FormPen(Pen):
    """A pen with the shapes of forms: numbers by kind, plain, in a subtotal and in a total."""

    def __init__(self, book: Any, sheet: Any) -> None:
        super().__init__(book, sheet)
        from returnrisk.reports.cells import FONT

        cell = {"font_name": FONT, "font_size": 10, "valign": "vcenter", "text_wrap": True, "border": 1, "border_color": "#8C8C8C"}
        for mark, look in _MARKS.items():
            for kind, number in _FORMATS.items():
                shape = look | {"align": "right", "num_format": number, "text_wrap": False, "shrink": True}  # small, never ####
                self.formats[kind + mark] = book.add_format(cell | shape)
            self.formats[f"words{mark}"] = book.add_format(cell | look | {"align": "left", "indent": 1})
            self.formats[f"middle{mark}"] = book.add_format(cell | look | {"align": "center"})
            self.formats[f"day{mark}"] = book.add_format(cell | look | {"align": "center", "num_format": "yyyy-mm-dd"})
        self.formats["small_words"] = book.add_format(cell | {"align": "left", "font_size": 9})
        self.formats["group"] = book.add_format(cell | {"bold": True, "align": "center", "bg_color": "#C5D9EE"})
        self.formats["part"] = book.add_format(cell | {"bold": True, "align": "left", "font_size": 11, "bg_color": "#C5D9EE"})
        self.formats["sign"] = book.add_format({"font_name": FONT, "font_size": 11, "valign": "bottom", "align": "left"})

    def across(self, row: int, first: int, last: int, value: str, shape: str) -> None:
        """One text over several columns of a row, or in one."""
        if first == last:
            self.text(row, first, value, shape)
        else:
            self._refuse(self.sheet.merge_range(row, first, row, last, printable(value), self.formats[shape]), row, first)

    def value(self, row: int, column: int, value: object, shape: str, mark: str = "") -> None:
        """Write what a row holds: a dash for what is missing, never 0 and never an empty cell that reads as 0."""
        if shape == "fill":
            self.blank(row, column, "words")
        elif missing(value):
            self.text(row, column, numbers.MISSING, f"middle{mark}")
        elif value == "":  # a head of a part, the total's number
            self.blank(row, column, f"words{mark}")
        elif shape in NUMERIC:
            self.number(row, column, plain(value), f"{shape}{mark}")
        elif shape == "middle" and isinstance(value, int):
            self.number(row, column, value, f"middle{mark}")
        elif shape == "day" and isinstance(value, dt.date):
            self._refuse(self.sheet.write_datetime(row, column, value, self.formats[f"day{mark}"]), row, column)
        elif shape == "small_words":
            self.text(row, column, str(value), "small_words")
        else:
            self.text(row, column, str(value), f"{shape}{mark}")


def missing(value: object) -> bool:
    """None, NaN, NaT or NA."""
    return value is None or (not isinstance(value, str) and bool(pd.isna(value)))  # type: ignore[call-overload]


def plain(value: object) -> float:
    """The number as a cell holds it: whole, or with two decimals where it was money."""
    if isinstance(value, Decimal):
        return float(round(value, 2))
    return float(value)  # type: ignore[arg-type]


def one_line(value: object) -> str:
    r"""A name on one line, without what a workbook cannot hold; a name is data and may be anything.

    Examples
    --------
    >>> one_line("大\n田\x07 村"), one_line(None)
    ('大 田 村', '')
    """
    return "" if missing(value) else " ".join(printable(str(value)).split())


def write_bands(pen: FormPen, last_column: int, *, title: str, lines: Sequence[tuple[str, str]], width: float) -> int:
    """Title and the lines under it, each over the whole width; the row after them."""
    pen.band(0, last_column, title, "title")
    pen.sheet.set_row(0, 32)
    for row, (words, shape) in enumerate(lines, start=1):
        pen.band(row, last_column, words, shape)
        pen.sheet.set_row(row, lines_needed(words, width * 0.88) * (LINE_POINTS + 1.5) + 8)
    pen.sheet.set_row(1 + len(lines), _GAP_POINTS)
    return 2 + len(lines)


def write_table(pen: FormPen, top: int, fields: Sequence[Field], rows: Sequence[Row], *, language: str = "zh") -> Span:
    """Heads (two rows where columns have groups) and rows; a row's `mark` is "", "_subtotal" or "_total"."""
    head = _write_heads(pen, top, fields, language)
    row = head
    for row, each in enumerate(rows, start=head + 1):
        mark = str(each.get("mark", ""))
        tallest = 1
        for at, column in enumerate(fields):
            value = each.get(column.key)
            pen.value(row, at, value, column.shape, mark)
            if isinstance(value, str) and column.shape in ("words", "middle", "small_words"):
                tallest = max(tallest, lines_needed(value, column.width - (1.5 if column.shape == "words" else 0.3)))
        least = 3 if any(column.shape == "fill" for column in fields) else 1.25  # room to write by hand
        pen.sheet.set_row(row, min(max(tallest * LINE_POINTS + 4, least * LINE_POINTS), _TALLEST))
    return Span(top, head, row)


def _write_heads(pen: FormPen, top: int, fields: Sequence[Field], language: str) -> int:
    grouped = any(column.group for column in fields)
    head = top + int(grouped)
    at, groups_tall = 0, 1
    while grouped and at < len(fields):
        end = at
        while end + 1 < len(fields) and fields[end + 1].group == fields[at].group and fields[at].group is not None:
            end += 1
        group = fields[at].group
        words = getattr(group, language) if group else " "
        pen.across(top, at, end, words, "group")
        room = sum(column.width for column in fields[at : end + 1]) - 1
        groups_tall, at = max(groups_tall, lines_needed(words, room)), end + 1
    if grouped:
        pen.sheet.set_row(top, groups_tall * LINE_POINTS + 4)
    tallest = 1
    for column_at, column in enumerate(fields):
        words = getattr(column.head, language)
        pen.text(head, column_at, words, "header")
        tallest = max(tallest, lines_needed(words, column.width - 0.8))
    pen.sheet.set_row(head, tallest * LINE_POINTS + 6)
    return head


def set_widths(pen: FormPen, fields: Sequence[Field]) -> float:
    """Set the columns' widths; their sum."""
    for at, column in enumerate(fields):
        pen.sheet.set_column(at, at, column.width)
    return sum(column.width for column in fields)


def write_signatures(pen: FormPen, row: int, last_column: int) -> int:
    """The lines that the office signs and stamps, one row below the table; the row they stand in."""
    pen.band(row + 1, last_column, text("screening.signatures").zh, "sign")
    pen.sheet.set_row(row + 1, _SIGNATURE_POINTS)
    return row + 1


def print_set_up(
    sheet: Any, place: Place, *, last_row: int, last_column: int, heads: tuple[int, int] | None = None, one_page: bool = False
) -> None:
    """Landscape, one page wide, on A4 or (many columns) A3; head rows again on every page, or all on one page."""
    sheet.set_landscape()
    sheet.set_paper(_A3 if last_column >= _MOST_ON_A4 and not one_page else _A4)
    sheet.set_margins(left=0.35, right=0.35, top=0.55, bottom=0.55)
    sheet.fit_to_pages(1, int(one_page))
    if heads is not None:
        sheet.repeat_rows(*heads)
    sheet.print_area(0, 0, last_row, last_column)
    sheet.center_horizontally()
    name = one_line(place.name)[:_LONGEST_NAME].replace("&", "&&")
    day = text("screening.header_day", day=place.day).zh
    sheet.set_header(f"&L&9{name}&R&9{day}", {"margin": 0.25})
    page = text("workbook.page", page="&P", pages="&N").zh
    private = f"&R&9{text('workbook.footer_private').zh}" if place.private else f"&R&9{text('screening.footer_office').zh}"
    sheet.set_footer(f"&L&9{text('screening.footer_pack', pack=place.pack).zh}&C&9{page}{private}", {"margin": 0.25})
