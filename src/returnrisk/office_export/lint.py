"""A layout against what there is: tables, fields and codes of the screening and the contracts, and what may never be exported."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from returnrisk.contracts import Contract, refused_word
from returnrisk.errors import UnknownNameError
from returnrisk.office_export.codes import MappingProblem
from returnrisk.office_export.mapping import ExportColumn, ExportFile, ExportMapping
from returnrisk.office_export.tables import FILE_TABLES, JOINED_TABLES, ExportField, ExportTable, Kind, export_tables

UNITS: Mapping[Kind, Mapping[str, Decimal]] = {
    "money": {"元": Decimal(1), "千元": Decimal(1000), "万元": Decimal(10000)},
    "share": {"1": Decimal(1), "%": Decimal("0.01")},
}
"""By kind of field: unit word to what it is worth in the field's own unit. The first is the default."""
NUMBERS: tuple[Kind, ...] = ("whole", "money", "number", "share")
_CODED: tuple[Kind, ...] = ("code", "yes_no", "answer", "whole", "area", "text")
_FILTERED: tuple[Kind, ...] = (*_CODED, "day")
_UNKNOWN = (None, "unknown")
RESERVED = ("problems.csv", "manifest.json")
PLACEHOLDERS = {"day": "20240131", "year": "2024", "month": "01"}
_ID_FIELDS = re.compile(r"person_id|identity_number|id_number|id_card|sfz|身份证|证件号", re.IGNORECASE)
_TELLING = ("rule", "title_zh", "title_en", "office", "evidence_zh", "evidence_en", "channel", "cause", "value", "threshold")
"""Fields of an alert from which a reader learns, or works out, that somebody spoke of the household (`screening.neutral_rules`)."""
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f]')
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠].", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def begins_as_formula(text: str) -> bool:
    """Whether a spreadsheet would take a text for a formula; a plain negative number is none.

    Examples
    --------
    >>> begins_as_formula("=1+1"), begins_as_formula("-12.50"), begins_as_formula("-")
    (True, False, False)
    """
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None


def file_name(pattern: str, values: Mapping[str, str]) -> str:
    """A pattern with its placeholders filled in."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), pattern)


def mapping_problems(mapping: ExportMapping, contracts: Mapping[str, Contract] | None = None) -> list[MappingProblem]:
    """Everything that is wrong with what a layout asks for, in the order of its files."""
    tables = export_tables(contracts)
    found = [] if mapping.confirmed else [("EXP111", "confirmed", "check every line, then set confirmed to true")]
    for n, file in enumerate(mapping.files, start=1):
        found += [(code, f"files[{n}].{key}", text) for code, key, text in _file_problems(file, tables)]
    found += _name_problems(mapping.files)
    return [MappingProblem(code, mapping.name, key, text) for code, key, text in found]


Found = Iterator[tuple[str, str, str]]


def _file_problems(file: ExportFile, tables: Mapping[str, ExportTable]) -> Found:
    if file.table not in FILE_TABLES:
        yield "EXP104", "table", str(UnknownNameError("table", file.table, FILE_TABLES))
        return
    if not re.fullmatch(r"(?:%[Ymd]|[^%])+", file.date_format) or "%Y" not in file.date_format:
        yield "EXP108", "date_format", f"is '{file.date_format}'; made of %Y, %m, %d and what stands between them"
    if file.complaints == "named" and file.table != "alerts":
        yield "EXP108", "complaints", "is for a file of alerts"
    for reference, codes in file.where.items():
        key = f"where.{'.'.join(reference)}"
        field, problem = _field(reference, file, tables, key=key)
        if problem:
            yield problem
        elif field and field.kind not in _FILTERED:
            yield "EXP108", key, f"rows are chosen by equality, which says nothing of a {field.kind}"
        elif field:
            yield from (("EXP106", key, _no_code(c, field)) for c in codes if not _is_code(c, field))
    for column in file.columns:
        yield from _column_problems(column, file, tables, key=f"columns.{column.header}")
    yield from _complaint_problems(file)


def _complaint_problems(file: ExportFile) -> Found:
    """Where readers of the file would learn of whom somebody complained."""
    telling = {"alerts": _TELLING if file.complaints == "named" else (), "monitoring": ("channel",)}.get(file.table, ())
    asked = [(f"columns.{c.header}", c.table, c.field) for c in file.columns]
    asked += [(f"where.{'.'.join(reference)}", *reference) for reference in file.where]
    for key, table, name in asked:
        if table == file.table and name in telling:
            mend = "`complaints: neutral` (the default)" if table == "alerts" else "`blank: true`"
            yield (
                "EXP113",
                key,
                f"{table}.{name} shows who complained or was reported: {mend} unless only the bureau that keeps the complaints reads it",
            )


def _field(
    reference: tuple[str, str], file: ExportFile, tables: Mapping[str, ExportTable], *, key: str
) -> tuple[ExportField | None, tuple[str, str, str] | None]:
    table, name = reference
    if _ID_FIELDS.search(name):
        return None, ("EXP107", key, "identity numbers never enter the store and cannot be exported: use `blank: true`")
    if table not in (file.table, *JOINED_TABLES):
        return None, ("EXP104", key, str(UnknownNameError("table", table, (file.table, *JOINED_TABLES))))
    fields = tables[table].fields
    if name not in fields:
        return None, ("EXP105", key, str(UnknownNameError(f"field of {table}", name, fields)))
    return fields[name], None


def _column_problems(c: ExportColumn, file: ExportFile, tables: Mapping[str, ExportTable], *, key: str) -> Found:
    texts = [c.header, *([c.constant] if c.constant else []), *(c.values or {}).values()]
    if file.format == "csv" and any(begins_as_formula(t) for t in texts):
        yield "EXP108", key, "a header, constant or code begins as a formula (= + - @): a csv cannot hold it as it is"
    yield from (("EXP108", key, f"cannot be written in {file.encoding}") for t in texts if not _encodes(t, file))
    if not c.field:
        if c.constant is None and c.required:
            yield "EXP108", f"{key}.required", "a blank column would leave out every row"
        if any(x is not None for x in (c.values, c.unit, c.decimals)):
            yield "EXP108", key, "values, unit and decimals are for a field"
        return
    if _ID_FIELDS.search(c.header):
        yield "EXP107", key, "identity numbers never enter the store and cannot be exported: use `blank: true`"
    if word := refused_word(c.header):
        yield "EXP112", key, f"{word[0]} is never collected (DOMAIN §7): use `blank: true`"
    field, problem = _field((c.table, c.field), file, tables, key=key)
    if problem:
        yield problem
    elif field:
        yield from _setting_problems(c, field, key=key)


def _setting_problems(c: ExportColumn, field: ExportField, *, key: str) -> Found:
    units = UNITS.get(field.kind, {})
    if c.unit is not None and c.unit not in units:
        yield "EXP108", f"{key}.unit", f"is {c.unit}; {c.source} may have {', '.join(units) or 'none'}"
    if c.decimals is not None and field.kind not in ("money", "number", "share"):
        yield "EXP108", f"{key}.decimals", f"{c.source} is no amount, number or share"
    if c.values is None:
        return
    if field.kind not in _CODED:
        yield "EXP108", f"{key}.values", f"{c.source} has no codes"
        return
    yield from (("EXP106", f"{key}.values", _no_code(code, field)) for code in c.values if not _is_code(code, field))
    for unknown in _UNKNOWN:
        theirs = c.values.get(unknown)
        if theirs and any(v == theirs for code, v in c.values.items() if code not in _UNKNOWN):
            yield "EXP110", f"{key}.values", f"'{theirs}' stands for unknown and for an answer: cannot tell needs a code of its own"


def _is_code(code: str | None, field: ExportField) -> bool:
    if code is None:
        return True
    if field.kind == "yes_no":
        return code in ("true", "false")
    if field.kind == "answer":
        return code in ("yes", "no")
    return field.codes is None or code in field.codes


def _no_code(code: str | None, field: ExportField) -> str:
    known = {"yes_no": ("true", "false"), "answer": ("yes", "no")}.get(field.kind, tuple(field.codes or ()))
    return str(UnknownNameError(f"code of {field.name}", str(code), known))


def _encodes(text: str, file: ExportFile) -> bool:
    try:
        text.encode(file.encoding if file.format == "csv" else "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _name_problems(files: Iterable[ExportFile]) -> Found:
    """File and sheet names, over the whole layout."""
    seen: Counter[tuple[str, str]] = Counter()
    for n, file in enumerate(files, start=1):
        key, name = f"files[{n}].pattern", file_name(file.pattern, PLACEHOLDERS)
        if "{" in name or "}" in name:
            yield "EXP109", key, f"'{file.pattern}': placeholders are {', '.join('{' + p + '}' for p in PLACEHOLDERS)}"
        elif _NOT_IN_NAMES.search(name) or name.startswith(".") or name.casefold() in RESERVED:
            yield "EXP109", key, f"'{file.pattern}' is no file name that every system takes"
        elif name.casefold().endswith(".xlsx") != (file.format == "xlsx"):
            yield (
                "EXP109",
                key,
                f"'{file.pattern}' and format {file.format} do not go together: a workbook, and nothing else, ends in .xlsx",
            )
        if file.sheet and file.format == "csv":
            yield "EXP109", f"files[{n}].sheet", "a csv has no sheets"
        elif file.sheet and (len(file.sheet) > 31 or re.search(r"[\[\]:*?/\\]|^'|'$", file.sheet)):
            yield (
                "EXP109",
                f"files[{n}].sheet",
                f"'{file.sheet}' is no name of a sheet: at most 31 characters, none of [ ] : * ? / \\",
            )
        same = (name.casefold(), file.sheet.casefold())
        seen[same] += 1
        if seen[same] == 2:
            yield "EXP109", key, f"'{file.pattern}' is written twice: sheets of one workbook need names of their own"
