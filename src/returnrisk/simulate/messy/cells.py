"""Dirt in single cells: each kind says which cells it fits and how they are then written.

A kind's `soil` answers None where it cannot soil that cell without changing what it means.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import numpy as np

from returnrisk.simulate.messy.sheet import Cell, Column, Formula, Outcome, Shape, Sheet, pick

Soil = Callable[[np.random.Generator, str, Column, Sheet], Cell]

WIDE_DIGITS = str.maketrans("0123456789-", "０１２３４５６７８９－")
BAD_AMOUNTS = ("待核实", "约3000", "见附表", "三千元左右", "#REF!")
BAD_DATES = ("不详", "2023-13-45", "待补", "去年秋天")
EPOCHS = {False: dt.date(1899, 12, 30), True: dt.date(1904, 1, 1)}
FIRST_SERIAL = 20_000


@dataclass(frozen=True, slots=True)
class CellDirt:
    """One kind of dirt in a cell: its shapes, whether only in text files or only in workbooks, whether the cell must be empty.

    `of_whom`: whose identifiers only (empty: anybody's); `uncompared`: only columns that the contract compares with no other, so that
    the row is refused for this reason alone.
    """

    kind: str
    code: str
    outcome: Outcome
    shapes: tuple[Shape, ...]
    soil: Soil
    only: Literal["csv", "xlsx", ""] = ""
    on_empty: bool = False
    of_whom: str = ""
    uncompared: bool = False

    def fits(self, sheet: Sheet, column: Column) -> bool:
        """Whether the kind may stand in this column."""
        if column.shape not in self.shapes or column.header in sheet.locked or self.of_whom not in ("", column.field.pseudonym):
            return False
        if self.uncompared and any(column.field.name in (rule.left, rule.right) for rule in sheet.contract.row_rules):
            return False
        return not self.only or (self.only == "xlsx") == sheet.is_workbook


def _digits(text: str) -> tuple[int, int, int] | None:
    """Year, month and day (0: a month) of a clean date."""
    parts = [int(p) for p in text.split("-")]
    return (parts[0], parts[1], parts[2] if len(parts) > 2 else 0)


def full_width(rng: np.random.Generator, text: str, column: Column, _: Sheet) -> Cell:
    """`１２３４.50`, or digits among odd spaces."""
    if column.shape == "date":
        return text.translate(WIDE_DIGITS)
    return str(pick(rng, (text.translate(WIDE_DIGITS), f"{text[:1].translate(WIDE_DIGITS)}{text[1:]}")))


def thousands(rng: np.random.Generator, text: str, _: Column, __: Sheet) -> Cell:
    """`1,234.50元`."""
    grouped = f"{Decimal(text):,}"
    return str(pick(rng, (f"{text}元", f"{grouped}元", f"¥{grouped}", f"￥{grouped}", f"{text} 元")))


def scaled_cell(_: np.random.Generator, text: str, __: Column, ___: Sheet) -> Cell:
    """`0.12345万元`."""
    return f"{(Decimal(text) / 10_000).normalize():f}万元"


def placeholder(rng: np.random.Generator, _: str, __: Column, ___: Sheet) -> Cell:
    """A sign where nothing is."""
    return str(pick(rng, ("—", "——", "/", "-", "N/A", "未填")))


def negative_in_brackets(_: np.random.Generator, text: str, column: Column, __: Sheet) -> Cell:
    """`(1,234.00)`: read as a negative amount, which no field of the county allows."""
    return f"({Decimal(text):,})" if column.field.minimum == 0 and Decimal(text) > 0 else None


def other_date_form(rng: np.random.Generator, text: str, _: Column, sheet: Sheet) -> Cell:
    """`2023.5`, `20230501`, `2024年6月1日`; in a workbook also as numbers."""
    year, month, day = _digits(text) or (0, 0, 0)
    if not day:
        forms: list[Cell] = [f"{year}年{month}月", f"{year}{month:02d}", f"{year}年{month:02d}月"]
        if month not in (1, 10):
            forms.append(float(f"{year}.{month}") if sheet.is_workbook else f"{year}.{month}")
        return forms[int(rng.integers(len(forms)))]
    return str(
        pick(
            rng,
            (f"{year}年{month}月{day}日", f"{year}{month:02d}{day:02d}", f"{year}.{month}.{day}", f"{year}.{month:02d}.{day:02d}"),
        )
    )


def ambiguous_month(_: np.random.Generator, text: str, __: Column, sheet: Sheet) -> Cell:
    """`2023.1`: January, or an October that lost its nought; in a workbook only as a number, for a text was typed so."""
    year, month, day = _digits(text) or (0, 0, 0)
    if day or month not in (1, 10):
        return None
    return float(f"{year}.1") if sheet.is_workbook else f"{year}.1"


def date_serial(_: np.random.Generator, text: str, __: Column, sheet: Sheet) -> Cell:
    """A day as the number a spreadsheet keeps, in the epoch of its workbook; a text file has none to tell."""
    year, month, day = _digits(text) or (0, 0, 0)
    serial = (dt.date(year, month, day or 1) - EPOCHS[sheet.layout.date_1904]).days
    if serial < FIRST_SERIAL:
        return None
    return serial if sheet.is_workbook else str(serial)


def two_digit_year(rng: np.random.Generator, text: str, _: Column, __: Sheet) -> Cell:
    """`23-5-1`, of no century."""
    year, month, day = _digits(text) or (0, 0, 0)
    mark = pick(rng, ("-", ".", "/"))
    return f"{year % 100:02d}{mark}{month}" + (f"{mark}{day}" if day else "")


def yes_no_sign(rng: np.random.Generator, text: str, __: Column, ___: Sheet) -> Cell:
    """A tick or a cross."""
    signs = {"是": ("√", "✓", "☑"), "否": ("×", "✗", "☒")}.get(text)
    return str(pick(rng, signs)) if signs else None


def label_spelling(rng: np.random.Generator, text: str, _: Column, __: Sheet) -> Cell:
    """A label with spaces inside, or its letters in full width."""
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text)
    spaced = f"{text[:1]}　{text[1:]}" if len(text) > 1 else None
    return str(pick(rng, [s for s in (wide, spaced) if s and s != text])) if len(text) > 1 or wide != text else None


def unknown_label(rng: np.random.Generator, _: str, column: Column, __: Sheet) -> Cell:
    """A label nobody agreed on."""
    label = str(pick(rng, ("待定类别", "以上都不是", "见说明栏")))
    return None if label in column.field.codes else label


def unreadable_value(rng: np.random.Generator, _: str, column: Column, __: Sheet) -> Cell:
    """Words where a number, a day or a yes should be."""
    if column.shape == "date":
        return str(pick(rng, BAD_DATES))
    return "也许" if column.shape == "boolean" else str(pick(rng, BAD_AMOUNTS))


def formula(_: np.random.Generator, text: str, __: Column, ___: Sheet) -> Cell:
    """An amount that a formula works out."""
    return Formula(f"=2*{text}/2", float(text))


def failed_formula(_: np.random.Generator, __: str, ___: Column, ____: Sheet) -> Cell:
    """A formula that shows `#DIV/0!`."""
    return Formula("=1/0", "#DIV/0!")


def required_empty(_: np.random.Generator, __: str, column: Column, ___: Sheet) -> Cell:
    """Nothing, where something must be."""
    return "" if column.field.required and not column.wide else None


def out_of_range(_: np.random.Generator, __: str, column: Column, ___: Sheet) -> Cell:
    """A number beyond the field's greatest."""
    own = column.field
    return str(int(own.maximum) * 10 + 9) if own.maximum is not None and own.maximum < 10**12 else None


def id_spelling(rng: np.random.Generator, text: str, column: Column, _: Sheet) -> Cell:
    """An identifier with an apostrophe, spaces, full-width digits, or a lower-case x."""
    forms = [f"'{text}", f"{text[:6]} {text[6:]}", f"{text}\u200b", text.translate(WIDE_DIGITS)]
    if column.field.pseudonym == "person" and text.endswith("X"):
        forms = [text[:-1] + "x"]
    return str(pick(rng, forms))


def id_as_number(_: np.random.Generator, text: str, __: Column, sheet: Sheet) -> Cell:
    """An identity number that a spreadsheet took for a number."""
    if not text.isdigit():
        return None
    return float(int(text)) if sheet.is_workbook else f"{int(text):.5E}"


def id_15_digits(_: np.random.Generator, text: str, __: Column, ___: Sheet) -> Cell:
    """The number as it was before 1999: no century, no check digit."""
    return text[:6] + text[8:17]


def wrong_check_digit(rng: np.random.Generator, text: str, _: Column, __: Sheet) -> Cell:
    """A number with its last digit mistyped."""
    return text[:-1] + str(pick(rng, [c for c in "0123456789X" if c != text[-1]]))


def impossible_birth(_: np.random.Generator, text: str, __: Column, ___: Sheet) -> Cell:
    """A number whose month of birth is the thirteenth, and whose check digit fits."""
    body = f"{text[:10]}13{text[12:17]}"
    return body + "10X98765432"[sum(int(c) * 2 ** (17 - i) for i, c in enumerate(body)) % 11]


def malformed_id(rng: np.random.Generator, text: str, column: Column, _: Sheet) -> Cell:
    """An identifier masked or cut short."""
    cut = str(pick(rng, (f"{text[:6]}****{text[-4:]}", f"{text[:4]}…")))
    return None if re.search(column.field.source_pattern or "", cut) else cut


CELL_DIRT = (
    CellDirt("full_width", "ING032", "recovered", ("money", "measure", "count", "date"), full_width),
    CellDirt("thousands_or_currency", "ING033", "recovered", ("money",), thousands),
    CellDirt("scaled_cell", "ING034", "recovered", ("money",), scaled_cell),
    CellDirt(
        "placeholder", "ING035", "recovered", ("money", "measure", "count", "date", "code", "text"), placeholder, on_empty=True
    ),
    CellDirt("other_date_form", "ING038", "recovered", ("date",), other_date_form),
    CellDirt("date_serial", "ING039", "recovered", ("date",), date_serial, only="xlsx"),
    CellDirt("yes_no_sign", "ING040", "recovered", ("boolean",), yes_no_sign),
    CellDirt("label_spelling", "ING041", "recovered", ("code",), label_spelling),
    CellDirt("id_spelling", "ING042", "recovered", ("identifier",), id_spelling),
    CellDirt("formula", "", "recovered", ("money", "measure"), formula, only="xlsx"),
    CellDirt("failed_formula", "ING011", "quarantined", ("money", "measure"), failed_formula, only="xlsx"),
    CellDirt("unreadable_value", "ING011", "quarantined", ("money", "measure", "date", "boolean"), unreadable_value),
    CellDirt("unknown_label", "ING012", "quarantined", ("code",), unknown_label),
    CellDirt("two_digit_year", "ING013", "quarantined", ("date",), two_digit_year),
    CellDirt("malformed_id", "ING014", "quarantined", ("identifier",), malformed_id),
    CellDirt("id_as_number", "ING015", "quarantined", ("identifier",), id_as_number, of_whom="person"),
    CellDirt("id_15_digits", "ING017", "quarantined", ("identifier",), id_15_digits, of_whom="person"),
    CellDirt("wrong_check_digit", "ING060", "quarantined", ("identifier",), wrong_check_digit, of_whom="person"),
    CellDirt("impossible_birth", "ING062", "quarantined", ("identifier",), impossible_birth, of_whom="person"),
    CellDirt("ambiguous_month", "ING046", "quarantined", ("date",), ambiguous_month),
    CellDirt("serial_without_epoch", "ING047", "quarantined", ("date",), date_serial, only="csv"),
    CellDirt("required_empty", "CON001", "quarantined", ("code", "date", "text", "identifier"), required_empty),
    CellDirt("out_of_range", "CON003", "quarantined", ("money", "measure", "count"), out_of_range, uncompared=True),
    CellDirt("negative_in_brackets", "CON003", "quarantined", ("money", "measure"), negative_in_brackets, uncompared=True),
)
"""Every kind of dirt in a cell; the codes are those of the readers' catalogue."""
