r"""Cells as offices write them to cells as the engine reads them: `１,２３４.50元` to `1234.50`, `2024年6月1日` to `2024-6-1`.

A column is looked at as a whole first: where every cell is already plain nothing more happens. Otherwise each *distinct* odd text is
respelt once. Nothing is guessed: what is not understood stays as it is and is refused by its field; what could mean two things
becomes a mark (a control character and a code), which no field accepts and which says why.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as default
from decimal import Decimal
from typing import Any

from returnrisk.contracts import Field
from returnrisk.ingest.units import factors

MARK = "\x1a"
"""First character of a mark, which no office types; the engine cannot hold `\\x00` in its texts."""
ROWS_SHOWN = 10

PLACEHOLDERS = frozenset({"-", "--", "---", "—", "——", "–", "−", "/", "\\", "//", "无", "n/a", "na", "null", "none", "nil", "空", "未填", "未填写", "*", "...", "…"})  # fmt: skip
OPEN_ENDED = frozenset({"长期", "长期有效", "永久", "永久有效"})
"""What stands for no end in a field of a last day."""
YES = frozenset({"是", "true", "1", "有", "y", "yes", "√", "✓", "✔", "☑", "对"})
NO = frozenset({"否", "false", "0", "无", "n", "no", "×", "✗", "✘", "✕", "☒", "错"})
PLAIN_YES_NO = ("是", "否", "有", "无", "1", "0", "true", "false", "True", "False", "TRUE", "FALSE", "Y", "N")

PLAIN_NUMBERS = {"int64": r"^[+-]?\d{1,18}(\.0+)?$", "decimal(18,2)": r"^[+-]?\d{1,15}(\.\d+)?$"}
PLAIN_DATE = r"^(19|20|21)\d{2}[-/]\d{1,2}([-/]\d{1,2}( 00:00:00(\.0+)?)?)?$"
ODD_CHARACTERS = r"[\x{3000}\x{00a0}\x{2000}-\x{200d}\x{202f}\x{feff}Ａ-Ｚａ-ｚ０-９－]"
"""What is put right in free text; Chinese punctuation stays as written."""

_SPACES = re.compile(r"[\s\u200b-\u200d\ufeff]+")
_DASHES = str.maketrans("−–‐‑", "----")
_WIDE = {ord(wide): ord(wide) - 0xFEE0 for wide in map(chr, range(0xFF10, 0xFF5B)) if wide.isalnum()} | {ord("－"): ord("-")}
_ODD_SPACES = dict.fromkeys([0x3000, 0xA0, 0x202F, *range(0x2000, 0x200B)], " ") | dict.fromkeys([0x200B, 0x200C, 0x200D, 0xFEFF])

_NUMBER = re.compile(
    r"(?P<open>\()?(?P<sign>[+-]?)(?P<currency>¥|rmb|cny|人民币)?(?P<minus>-?)"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,15}(?:\.\d+)?|\.\d+)(?P<unit>[^\d()]{0,4})(?P<close>\))?"
)
_DATES = (
    re.compile(r"(?P<y>\d{4})年(?P<m>\d{1,2})月(?:(?P<d>\d{1,2})[日号]?)?"),
    re.compile(r"(?P<y>\d{4})\.(?P<m>\d{1,2})(?:\.(?P<d>\d{1,2}))?\.?"),
    re.compile(r"(?P<y>(?:19|20|21)\d{2})(?P<m>\d{2})(?P<d>\d{2})?"),
    re.compile(r"(?P<y>\d{4})[-/](?P<m>\d{1,2})(?:[-/](?P<d>\d{1,2}))?(?:[ T]?\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?"),
)
_TWO_DIGIT_YEAR = re.compile(r"\d{2}[-/.年]\d{1,2}(?:[-/.月](?:\d{1,2}日?)?)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2}")
_SERIAL = re.compile(r"[2-7]\d{4}(?:\.0+)?")
_POINT_ONE = re.compile(r"(?:19|20|21)\d{2}\.1")
_POINT_TELLS = r"^(19|20|21)\d{2}\.(10|0\d)$"
_EPOCHS = {1900: dt.date(1899, 12, 30), 1904: dt.date(1904, 1, 1)}
_ROUNDED = re.compile(r"\d(?:\.\d+)?e\+?\d{2}", re.IGNORECASE)
_LEADING = "'‘’`\"“”"


@dataclass(frozen=True, slots=True)
class Spelt:
    """A text respelt (None: a missing value), and the codes of what was put right."""

    text: str | None
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a column beyond its text.

    `factor` turns its numbers into the field's unit; `typed` says that a spreadsheet kept its texts as texts (so 2023.1 was typed);
    `epoch` is the year that date serials count from, None where nothing tells it; `labels` are a source's own labels for codes;
    `unit_unclear` says that the unit of its numbers is nobody's to know, unless a cell names its own.
    """

    factor: Decimal = Decimal(1)
    typed: bool = False
    epoch: int | None = None
    labels: Mapping[str, str] = default(default_factory=dict)
    unit_unclear: bool = False


@dataclass(frozen=True, slots=True)
class Respelt:
    """A column respelt, per code the positions it was put right at, and the marks that now stand in it."""

    column: Any
    positions: Mapping[str, Any]
    marks: frozenset[str]


def mark(code: str) -> str:
    """The text that stands in for a cell refused under `code`."""
    return MARK + code


def plain_text(text: str) -> str:
    """Compatibility forms (full width) to plain ones, all dashes to `-`, no space at the ends."""
    return unicodedata.normalize("NFKC", text).translate(_DASHES).strip()


def serial_date(serial: int, *, epoch: int) -> str:
    """The day of an Excel serial number.

    Examples
    --------
    >>> serial_date(45444, epoch=1900), serial_date(43982, epoch=1904)
    ('2024-06-01', '2024-06-01')
    """
    return (_EPOCHS[epoch] + dt.timedelta(days=serial)).isoformat()


def spell_number(text: str, f: Field, reading: Reading) -> Spelt:
    """An amount or count as plain digits in the field's unit; as it was when it is not understood.

    Examples
    --------
    >>> from returnrisk.contracts import load_contracts
    >>> gross = load_contracts()["income"].field("gross_cny")
    >>> spell_number("￥１,234.50元", gross, Reading())
    Spelt(text='1234.50', codes=('ING032', 'ING033'))
    >>> spell_number("1.2万元", gross, Reading()).text, spell_number("约3000", gross, Reading()).text
    ('12000', '约3000')
    """
    plain = _SPACES.sub("", plain_text(text)) if re.fullmatch(r"\D*[\d,.]+\D*", plain_text(text)) else plain_text(text)
    plain = plain.replace("，", ",").lstrip(_LEADING)
    if plain.casefold() in PLACEHOLDERS:
        return Spelt(None, ("ING035",))
    found = _NUMBER.fullmatch(plain.casefold())
    units = factors(f)
    is_money = "元" in units
    if (
        not found
        or bool(found["open"]) != bool(found["close"])
        or (found["sign"] and (found["minus"] or found["open"]))
        or (found["currency"] and not is_money)
        or (found["unit"] and found["unit"] not in units)
    ):
        return Spelt(text)
    value = Decimal(found["digits"].replace(",", ""))
    if reading.unit_unclear and value and not found["unit"]:  # nought is nought in every unit
        return Spelt(mark("ING052"))
    factor = units[found["unit"]] if found["unit"] else reading.factor
    negative = bool(found["open"]) or "-" in (found["sign"], found["minus"])
    value = (-value if negative else value) * factor
    odd = (
        ("ING032", unicodedata.normalize("NFKC", text) != text or any(c.isspace() or c in _LEADING for c in text)),
        ("ING033", bool("," in found["digits"] or found["currency"] or found["unit"] in ("元", "圆", "元整"))),
        ("ING034", factor != 1 and found["unit"] != "%"),
        ("ING036", bool(found["open"])),
        ("ING037", found["unit"] == "%"),
    )
    return Spelt(format(value if factor == 1 else value.normalize(), "f"), tuple(c for c, is_so in odd if is_so))


def spell_date(text: str, reading: Reading, *, months_told: bool = True) -> Spelt:
    """A day as `YYYY-MM-DD` or a month as `YYYY-MM`; a mark where two readings are possible or the century is not given.

    Parameters
    ----------
    months_told
        Whether `2023.1` is known to be January (the column also holds `2023.10` or `2023.01`, or was typed as text).

    Examples
    --------
    >>> spell_date("2024年6月1日", Reading()).text, spell_date("2023.5", Reading()).text, spell_date("20230501", Reading()).text
    ('2024-06-01', '2023-05', '2023-05-01')
    >>> spell_date("24-6-1", Reading()).text == mark("ING013")
    True
    """
    plain = plain_text(text)
    width = ("ING032",) if unicodedata.normalize("NFKC", text) != text else ()
    if plain.casefold() in PLACEHOLDERS:
        return Spelt(None, ("ING035",))
    if _POINT_ONE.fullmatch(plain) and not months_told:
        return Spelt(mark("ING046"))
    tight = _SPACES.sub("", plain) if "年" in plain else plain
    for form in _DATES:
        if found := form.fullmatch(tight):
            try:
                day = dt.date(int(found["y"]), int(found["m"]), int(found["d"] or 1))
            except ValueError:
                return Spelt(text)
            if not 1900 <= day.year <= 2199:
                return Spelt(text)
            same = re.match(PLAIN_DATE, tight) is not None
            return Spelt(day.isoformat() if found["d"] else day.isoformat()[:7], width if same else (*width, "ING038"))
    if _SERIAL.fullmatch(plain):
        if reading.epoch is None:
            return Spelt(mark("ING047"))
        return Spelt(serial_date(int(float(plain)), epoch=reading.epoch), ("ING039",))
    return Spelt(mark("ING013")) if _TWO_DIGIT_YEAR.fullmatch(tight) else Spelt(text)


def spell_yes_no(text: str) -> Spelt:
    """`是` or `否` for every way of saying so; as it was otherwise.

    Examples
    --------
    >>> spell_yes_no("√").text, spell_yes_no("×").text, spell_yes_no("也许").text
    ('是', '否', '也许')
    """
    plain = plain_text(text).casefold()
    width = ("ING032",) if unicodedata.normalize("NFKC", text) != text else ()
    if plain in YES or plain in NO:
        spelt = "是" if plain in YES else "否"
        return Spelt(spelt, (*width, *(() if plain in {p.casefold() for p in PLAIN_YES_NO} else ("ING040",))))
    return Spelt(None, ("ING035",)) if plain in PLACEHOLDERS else Spelt(text)


def label_key(text: str) -> str:
    """What two spellings of one label share: no spaces, one width, one case."""
    return _SPACES.sub("", plain_text(text)).casefold()


def spell_label(text: str, labels: Mapping[str, str]) -> Spelt:
    """A label of the code list as the list spells it (`labels`: by `label_key`)."""
    key = label_key(text)
    if key in labels:
        return Spelt(labels[key], () if labels[key] == text else ("ING041",))
    return Spelt(None, ("ING035",)) if key in PLACEHOLDERS else Spelt(text)


def spell_text(text: str) -> Spelt:
    """Free text with plain digits, letters and spaces; a sign for nothing becomes a missing value."""
    plain = text.translate(_ODD_SPACES).translate(_WIDE).strip()
    if plain.casefold() in PLACEHOLDERS:
        return Spelt(None, ("ING035",))
    return Spelt(plain, ("ING032",) if plain != text else ())


def spell_identifier(text: str, f: Field) -> Spelt:
    """An identifier in its canonical form, or the mark that says why it is none.

    Examples
    --------
    >>> from returnrisk.contracts import load_contracts
    >>> person = load_contracts()["member"].field("person_id")
    >>> spell_identifier("'99990119800101002x", person)
    Spelt(text='99990119800101002X', codes=('ING042',))
    >>> spell_identifier("999901800101002", person).text == mark("ING017")
    True
    """
    if text.startswith(MARK):
        return Spelt(text)
    spelt = _SPACES.sub("", plain_text(text)).lstrip(_LEADING).rstrip(_LEADING)
    if f.pseudonym == "person":
        spelt = spelt.upper()
    if re.search(f.source_pattern or "", spelt):
        return Spelt(spelt, () if spelt == text else ("ING042",))
    if _ROUNDED.fullmatch(spelt):
        return Spelt(mark("ING015"))
    if f.pseudonym == "person" and re.fullmatch(r"\d{15}", spelt):
        return Spelt(mark("ING017"))
    return Spelt(mark("ING014"))


def respell(column: Any, f: Field, reading: Reading, *, refuse: str | None = None) -> Respelt:
    """A column of trimmed texts (Arrow, NULL for empty) as the engine reads its field.

    Parameters
    ----------
    refuse
        Code of the mark that takes the place of what was not understood; None leaves it as it was. A date of plain form stays in
        either case: whether the calendar has it, the engine says.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from returnrisk.contracts import load_contracts
    >>> done = respell(pa.array(["1,200", "3", "—"]), load_contracts()["income"].field("gross_cny"), Reading())
    >>> done.column.to_pylist(), sorted(done.positions)
    (['1200', '3', None], ['ING033', 'ING035'])
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    odd = pc.fill_null(_odd(column, f, reading), fill_value=False)
    if not pc.any(odd).as_py():
        return Respelt(column, {}, frozenset())
    where = pc.indices_nonzero(odd)
    encoded = column.take(where).dictionary_encode()
    spell = _speller(column, f, reading)
    spelt = [spell(text) for text in encoded.dictionary.to_pylist()]
    if refuse:
        is_plain = _plain(f)
        spelt = [s if s.text is None or s.text.startswith(MARK) or is_plain(s.text) else Spelt(mark(refuse)) for s in spelt]
    respelt = pa.array([s.text for s in spelt], pa.string()).take(encoded.indices)
    positions = {}
    for code in sorted({c for s in spelt for c in s.codes}):
        having = pa.array([code in s.codes for s in spelt])
        positions[code] = where.filter(having.take(encoded.indices))
    marks = frozenset(s.text[1:] for s in spelt if s.text and s.text.startswith(MARK))
    return Respelt(pc.replace_with_mask(column, odd, respelt), positions, marks)


def _odd(column: Any, f: Field, reading: Reading) -> Any:
    """Which cells are not plain: a few kernels over the whole column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if f.codes:
        return pc.and_not(pc.is_valid(column), pc.is_in(column, pa.array([str(c) for c in f.codes], pa.string())))
    if f.type == "boolean":
        return pc.and_not(pc.is_valid(column), pc.is_in(column, pa.array(PLAIN_YES_NO)))
    if f.type == "date":
        return pc.invert(pc.match_substring_regex(column, PLAIN_DATE))
    if f.type in PLAIN_NUMBERS:
        if reading.factor != 1 or reading.unit_unclear:
            return pc.is_valid(column)
        return pc.invert(pc.match_substring_regex(column, PLAIN_NUMBERS[f.type]))
    signs = pa.array(sorted({s for p in PLACEHOLDERS for s in (p, p.upper(), p.title())}))
    return pc.or_(pc.match_substring_regex(column, ODD_CHARACTERS), pc.is_in(column, signs))


def _plain(f: Field) -> Callable[[str], bool]:
    """Whether a text is one that the engine reads for sure (a date: if the calendar has it)."""
    if f.codes:
        known = {*map(str, f.codes), *map(str, f.valid_values or ())}
        return lambda text: text in known
    if f.type == "boolean":
        return lambda text: text in PLAIN_YES_NO
    form = re.compile(PLAIN_DATE if f.type == "date" else PLAIN_NUMBERS.get(f.type, ""))
    return lambda text: form.search(text) is not None


def _speller(column: Any, f: Field, reading: Reading) -> Callable[[str], Spelt]:
    import pyarrow.compute as pc

    def unmarked(spell: Callable[[str], Spelt]) -> Callable[[str], Spelt]:
        return lambda text: Spelt(text) if text.startswith(MARK) else spell(text)

    if f.codes:
        labels = {label_key(str(v)): str(v) for v in f.valid_values or ()} | {label_key(str(k)): str(k) for k in f.codes}
        labels |= {label_key(k): v for k, v in reading.labels.items()}
        return unmarked(lambda text: spell_label(text, labels))
    if f.type == "boolean":
        return unmarked(spell_yes_no)
    if f.type == "date":
        told = reading.typed or bool(pc.any(pc.match_substring_regex(column, _POINT_TELLS)).as_py())
        open_ended = OPEN_ENDED if f.name.endswith("_until") else frozenset()
        nothing = Spelt(None, ("ING035",))
        return unmarked(lambda text: nothing if plain_text(text) in open_ended else spell_date(text, reading, months_told=told))
    if f.type in PLAIN_NUMBERS:
        return unmarked(lambda text: spell_number(text, f, reading))
    return unmarked(spell_text)
