"""Export layouts as data: `data_contracts/export/<name>.yaml` or a county's own, read here into frozen dataclasses.

The words are those of the mappings of ingest (`pattern`, `table`, `sheet`, `columns`, `values`, `constants` in a column), turned round:
a header leads to one of our fields, and `values` from our code to theirs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, cast, get_args

from returnrisk.contracts import Contract
from returnrisk.errors import ContractError, PolicyPackError, UnknownNameError
from returnrisk.office_export.codes import MappingProblem
from returnrisk.policy.strict_yaml import read_yaml
from returnrisk.resources import data_folder

SCHEMA = 1
KIND = "export"
Format = Literal["csv", "xlsx"]
Unmapped = Literal["error", "blank", "keep"]
Complaints = Literal["neutral", "named"]
FORMATS: tuple[Format, ...] = get_args(Format)
UNMAPPED: tuple[Unmapped, ...] = get_args(Unmapped)
COMPLAINTS: tuple[Complaints, ...] = get_args(Complaints)
ENCODINGS = ("utf-8-sig", "gb18030", "gbk")
DELIMITERS = (",", ";", "\t", "|")
_TOP = ("schema", "kind", "name", "office", "description", "confirmed", "files")
_FILE = ("pattern", "table", "sheet", "format", "encoding", "delimiter", "date_format", "where", "complaints", "columns")
_COLUMN = ("field", "constant", "blank", "values", "unmapped", "unit", "decimals", "required", "max_length")

Codes = Mapping[str | None, str]
"""Our code, as text (None: unknown), to theirs."""


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """One column of an output file.

    Attributes
    ----------
    header
        As their file has it.
    table, field
        Where it comes from; both empty for a constant or a blank column. `table` is the file's own, or one of `JOINED_TABLES`.
    constant
        Text that every row has; None for another kind of column.
    values, unmapped
        Our codes and theirs, None where codes are written as they are; and what becomes of a code that is not listed.
    unit, decimals
        元 (default), 千元, 万元 or %; digits behind the point (None: as many as lose nothing, 4 for a share or number).
    required, max_length
        Whether a row without it is left out; the longest text allowed, in characters.
    """

    header: str
    table: str = ""
    field: str = ""
    constant: str | None = None
    values: Codes | None = None
    unmapped: Unmapped = "error"
    unit: str | None = None
    decimals: int | None = None
    required: bool = False
    max_length: int | None = None

    @property
    def source(self) -> str:
        """`table.field`, or nothing."""
        return f"{self.table}.{self.field}" if self.field else ""


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One csv, or one sheet of a workbook: from which table, which rows, which columns in order.

    `where` leads from a (table, field) to the codes of the rows that are written; None among them is "unknown". `complaints`: whether
    alerts on what somebody said of a household stand under neutral words (`neutral_alerts`) or are named.
    """

    pattern: str
    table: str
    sheet: str
    format: Format
    encoding: str
    delimiter: str
    date_format: str
    where: Mapping[tuple[str, str], tuple[str | None, ...]]
    complaints: Complaints
    columns: tuple[ExportColumn, ...]


@dataclass(frozen=True, slots=True)
class ExportMapping:
    """A whole layout."""

    name: str
    office: str
    description: str
    confirmed: bool
    files: tuple[ExportFile, ...]

    @property
    def asks_identities(self) -> tuple[str, ...]:
        """Columns of `identities` that it asks for, sorted."""
        return tuple(sorted({c.field for f in self.files for c in f.columns if c.table == "identity"}))


def export_mappings(folder: Path | None = None) -> list[str]:
    """Names of the layouts that may be loaded, sorted: those of a county's `folder` and the shipped ones.

    Examples
    --------
    >>> export_mappings()
    ['national-style']
    """
    return sorted({path.stem for place in _places(folder) for path in place.glob("*.yaml")})


def load_export_mapping(name: str, folder: Path | None = None, *, contracts: Mapping[str, Contract] | None = None) -> ExportMapping:
    """A layout, checked.

    Parameters
    ----------
    name
        Name of the file without `.yaml`.
    folder
        Where a county's own layouts lie, looked at before the shipped ones (a name taken there hides the shipped one).
    contracts
        Default: the shipped ones.

    Raises
    ------
    UnknownNameError
        EXP103: there is no such layout.
    ContractError
        It cannot be used; every problem with its code, file and key.

    Examples
    --------
    >>> [file.table for file in load_export_mapping("national-style").files]
    ['alerts', 'income_totals', 'monitoring']
    """
    mapping, problems = read_export_mapping(name, folder, contracts=contracts)
    blocking = [p for p in problems if p.blocks]
    if blocking or mapping is None:
        raise ContractError("\n  ".join(map(str, blocking)))
    return mapping


def check_export_mapping(
    name: str, folder: Path | None = None, *, contracts: Mapping[str, Contract] | None = None
) -> list[MappingProblem]:
    """Everything that is wrong with a layout, and what its office should know; it can be used when none of it `blocks`.

    Raises
    ------
    UnknownNameError
        EXP103: there is no such layout.

    Examples
    --------
    >>> check_export_mapping("national-style")
    []
    """
    return read_export_mapping(name, folder, contracts=contracts)[1]


def read_export_mapping(
    name: str, folder: Path | None = None, *, contracts: Mapping[str, Contract] | None = None
) -> tuple[ExportMapping | None, list[MappingProblem]]:
    """A layout (None when it cannot even be parsed) and everything that is wrong with it.

    Raises
    ------
    UnknownNameError
        EXP103: there is no such layout.
    """
    from returnrisk.office_export.lint import mapping_problems

    for place in _places(folder):
        if (file := place / f"{name}.yaml").is_file():
            break
    else:
        raise UnknownNameError("export mapping (EXP103)", name, export_mappings(folder))
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return None, [MappingProblem("EXP101", name, "", "is not in UTF-8")]
    mapping, problems = parse_export_mapping(text, name=name)
    return mapping, problems if mapping is None else [*problems, *mapping_problems(mapping, contracts)]


def _places(folder: Path | None) -> list[Path]:
    return [*([folder] if folder is not None else []), data_folder("data_contracts") / "export"]


def parse_export_mapping(text: str, *, name: str) -> tuple[ExportMapping | None, list[MappingProblem]]:
    """A layout from its text, and what is wrong with its form; what its words mean is looked at by `lint`."""
    try:
        content = read_yaml(text, where=name)
    except PolicyPackError as error:
        return None, [MappingProblem("EXP101", name, "", str(error).partition(": ")[2])]
    reader = _Reader(name)
    top = reader.mapping(content, _TOP, key="")
    if top.get("schema") != SCHEMA or top.get("kind") != KIND:
        reader.wrong("", f"is not `schema: {SCHEMA}`, `kind: {KIND}`")
        return None, reader.problems
    if top.get("name") != name:
        reader.wrong("name", f"is {top.get('name')}; the file is called {name}.yaml")
    files = top.get("files")
    if not isinstance(files, list) or not files:
        reader.wrong("files", "is no list of files")
        files = []
    parsed = [reader.file(node, key=f"files[{n}]") for n, node in enumerate(files, start=1)]
    mapping = ExportMapping(
        name=name,
        office=str(top.get("office") or ""),
        description=str(top.get("description") or ""),
        confirmed=reader.yes_no(top.get("confirmed", True), key="confirmed"),
        files=tuple(f for f in parsed if f is not None),
    )
    return mapping, reader.problems


class _Reader:
    """Reads parts of one layout and keeps what is wrong with their form."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[MappingProblem] = []

    def wrong(self, key: str, text: str) -> None:
        self.problems.append(MappingProblem("EXP102", self.name, key, text))

    def mapping(self, content: Any, known: tuple[str, ...] | None, *, key: str) -> dict[Any, Any]:
        """`content` as a mapping of known keys (any, if None); the unknown ones are problems, and left out."""
        if not isinstance(content, Mapping):
            self.wrong(key, f"is no mapping{' of ' if known else ''}{', '.join(known or ())}")
            return {}
        for name in content if known is not None else ():
            if name not in (known or ()):
                self.wrong(key, str(UnknownNameError("key", str(name), known or ())))
        return {k: v for k, v in content.items() if known is None or k in known}

    def yes_no(self, value: Any, *, key: str) -> bool:
        if not isinstance(value, bool):
            self.wrong(key, "is neither true nor false")
        return value is True

    def whole(self, value: Any, *, key: str, least: int) -> int | None:
        if value is None:
            return None
        if not isinstance(value, Decimal) or value != value.to_integral_value() or value < least:
            self.wrong(key, f"is no whole number of at least {least}")
            return None
        return int(value)

    def one_of(self, value: Any, known: tuple[str, ...], *, key: str) -> str:
        if value not in known:
            self.wrong(key, str(UnknownNameError("value", str(value), known)))
            return known[0]
        return str(value)

    def text(self, node: Mapping[str, Any], name: str, *, key: str) -> str:
        value = node.get(name)
        if not isinstance(value, str) or not value.strip():
            self.wrong(f"{key}.{name}", "is missing, or no text")
            return ""
        return value

    def file(self, content: Any, *, key: str) -> ExportFile | None:
        before = len(self.problems)
        node = self.mapping(content, _FILE, key=key)
        pattern, table = self.text(node, "pattern", key=key), self.text(node, "table", key=key)
        where = self.mapping(node.get("where", {}), None, key=f"{key}.where")
        columns = self.mapping(node.get("columns"), None, key=f"{key}.columns")
        made = ExportFile(
            pattern=pattern,
            table=table,
            sheet=str(node.get("sheet") or ("Sheet1" if node.get("format") == "xlsx" else "")),
            format=cast("Format", self.one_of(node.get("format", "csv"), FORMATS, key=f"{key}.format")),
            encoding=self.one_of(node.get("encoding", ENCODINGS[0]), ENCODINGS, key=f"{key}.encoding"),
            delimiter=self.one_of(node.get("delimiter", ","), DELIMITERS, key=f"{key}.delimiter"),
            date_format=str(node.get("date_format", "%Y-%m-%d")),
            where={_reference(str(f), table): _listed(v) for f, v in where.items()},
            complaints=cast("Complaints", self.one_of(node.get("complaints", "neutral"), COMPLAINTS, key=f"{key}.complaints")),
            columns=tuple(self.column(str(h), v, table, key=f"{key}.columns.{h}") for h, v in columns.items()),
        )
        if not columns:
            self.wrong(f"{key}.columns", "has no column")
        return made if len(self.problems) == before else None

    def column(self, header: str, content: Any, table: str, *, key: str) -> ExportColumn:
        if isinstance(content, str):
            place, field = _reference(content, table)
            return ExportColumn(header, place, field)
        if not isinstance(content, Mapping):
            self.wrong(key, f"is neither a field nor a mapping of {', '.join(_COLUMN)}")
            return ExportColumn(header)
        node = self.mapping(content, _COLUMN, key=key)
        said = [name for name in ("field", "constant", "blank") if name in node]
        if len(said) != 1:
            self.wrong(key, "needs one of field, constant, blank: true")
            return ExportColumn(header)
        made = ExportColumn(
            header,
            values=None
            if "values" not in node
            else {
                code_text(k): str(code_text(v) or "") for k, v in self.mapping(node["values"], None, key=f"{key}.values").items()
            },
            unmapped=cast("Unmapped", self.one_of(node.get("unmapped", "error"), UNMAPPED, key=f"{key}.unmapped")),
            unit=None if node.get("unit") is None else str(node["unit"]),
            decimals=self.whole(node.get("decimals"), key=f"{key}.decimals", least=0),
            required=self.yes_no(node.get("required", False), key=f"{key}.required"),
            max_length=self.whole(node.get("max_length"), key=f"{key}.max_length", least=1),
        )
        if said == ["field"]:
            place, field = _reference(self.text(node, "field", key=key), table)
            return dataclasses.replace(made, table=place, field=field)
        if said == ["constant"]:
            return dataclasses.replace(made, constant=code_text(node["constant"]) or "")
        if not self.yes_no(node["blank"], key=f"{key}.blank"):
            self.wrong(f"{key}.blank", "can only be true")
        return made


def _reference(text: str, table: str) -> tuple[str, str]:
    """`field` of the file's own table, or `table.field`."""
    place, dot, field = text.strip().partition(".")
    return (place, field) if dot else (table, place)


def _listed(value: Any) -> tuple[str | None, ...]:
    return tuple(code_text(v) for v in value) if isinstance(value, list) else (code_text(value),)


def code_text(value: Any) -> str | None:
    """A code as the text that mappings are compared by: true, 3, 2024-01-31; None where unknown.

    Examples
    --------
    >>> code_text(True), code_text(Decimal("3")), code_text(None), code_text("a")
    ('true', '3', None, 'a')
    """
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)
