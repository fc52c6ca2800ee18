"""Mappings of foreign files as data: `data_contracts/sources/<name>/mapping.yaml`, confirmed by a person, read here.

A mapping says of files by name which table they are, where the header stands, which header is which field, in which unit its amounts
are and what its labels mean. What it does not say is recognised as in any other file. (The survey mapping of `eph_mapping` is of
another kind and is left alone.)
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from returnrisk.contracts import Contract, load_contracts
from returnrisk.errors import ContractError, IngestError, UnknownNameError
from returnrisk.ingest.codes import stop
from returnrisk.ingest.header_rows import header_key
from returnrisk.ingest.units import UNIT_WORDS
from returnrisk.resources import data_folder

SCHEMA = 1
KIND = "files"
EPOCHS = (1900, 1904)
_TOP = ("schema", "kind", "name", "office", "description", "confirmed", "files")
_FILE = (
    "pattern",
    "table",
    "sheet",
    "header_row",
    "header_rows",
    "columns",
    "ignore",
    "units",
    "values",
    "constants",
    "date_epoch",
)


@dataclass(frozen=True, slots=True)
class FileMapping:
    """How files of one name pattern are read.

    Attributes
    ----------
    source
        Name of the source the mapping belongs to.
    pattern, sheet
        Shell patterns (`*`, `?`) of the file's and the sheet's name; no sheet means every visible one.
    header_row, header_rows
        Row of the header (1 is the top of the sheet; None: looked for) and over how many rows it stands.
    columns
        File header (levels parted by `|`) to field, or to a wide header of the contract.
    ignore
        Headers known and not wanted: dropped without a notice.
    units
        File header or field to unit word, e.g. 万元.
    values
        Field to (file's label to label or code of the contract).
    constants
        Field to the value every row of the file has.
    date_epoch
        1900 or 1904: what date serials of a text file count from.
    """

    source: str
    pattern: str
    table: str
    sheet: str | None
    header_row: int | None
    header_rows: int
    columns: Mapping[str, str]
    ignore: tuple[str, ...]
    units: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]]
    constants: Mapping[str, str]
    date_epoch: int | None

    def unit_of(self, header: str, field_name: str) -> str | None:
        """The unit stated for a column."""
        by_key = {header_key(h): unit for h, unit in self.units.items()}
        return by_key.get(header_key(header)) or self.units.get(field_name)

    def ignores(self, header: str) -> bool:
        """Whether a column is known and not wanted."""
        return header_key(header) in {header_key(h) for h in self.ignore}

    def takes_sheet(self, name: str) -> bool:
        """Whether this sheet is meant."""
        return self.sheet is None or fnmatch.fnmatchcase(name, self.sheet)


def load_mappings(folder: Path | None = None, *, contracts: Mapping[str, Contract] | None = None) -> tuple[FileMapping, ...]:
    """All file mappings of a folder of sources (default: the shipped one), sorted by source and pattern.

    Raises
    ------
    ContractError
        Not YAML, of another schema, an unknown key, or it names a table, field, label or unit that does not exist.

    Examples
    --------
    >>> [m.table for m in load_mappings() if m.source == "yibao_settlement"]
    ['medical']
    """
    folder = folder or data_folder("data_contracts") / "sources"
    known = contracts or load_contracts()
    found: list[FileMapping] = []
    for file in sorted(folder.glob("*/mapping.yaml")):
        found += read_mapping(file.read_text(encoding="utf-8"), where=f"{file.parent.name}/{file.name}", contracts=known)
    return tuple(sorted(found, key=lambda m: (m.source, m.pattern)))


def read_mapping(text: str, *, where: str, contracts: Mapping[str, Contract]) -> list[FileMapping]:
    """The file mappings of one YAML document; none when it is a mapping of another kind.

    Raises
    ------
    ContractError
        See `load_mappings`.
    """
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ContractError(f"{where} is not YAML: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        return []
    try:
        if document["schema"] != SCHEMA:
            raise ContractError(f"{where} is of schema {document['schema']}; this version reads schema {SCHEMA}")
        _refuse_unknown("key", document, _TOP, where=where)
        if document.get("confirmed", True) is not True:
            raise ContractError(f"{where} is a draft: check every line, then set confirmed to true")
        mappings = [_parse(node, source=document["name"], where=where) for node in document["files"]]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ContractError(f"{where} is not a whole mapping: {type(error).__name__} {error}") from error
    problems = [problem for m in mappings for problem in _problems(m, contracts)]
    if problems:
        raise ContractError(f"{where} cannot be used:\n  " + "\n  ".join(problems))
    return mappings


def _refuse_unknown(kind: str, names: Iterable[str], known: tuple[str, ...], *, where: str) -> None:
    for name in names:
        if name not in known:
            raise ContractError(f"{where}: {UnknownNameError(kind, name, known)}")


def _texts(node: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(k): str(v) for k, v in (node or {}).items()}


def _parse(node: Mapping[str, Any], *, source: str, where: str) -> FileMapping:
    _refuse_unknown("key of a file", node, _FILE, where=where)
    return FileMapping(
        source=source,
        pattern=node["pattern"],
        table=node["table"],
        sheet=node.get("sheet"),
        header_row=int(node["header_row"]) if "header_row" in node else None,
        header_rows=int(node.get("header_rows", 1)),
        columns=_texts(node["columns"]),
        ignore=tuple(str(h) for h in node.get("ignore", ())),
        units=_texts(node.get("units")),
        values={str(f): _texts(labels) for f, labels in (node.get("values") or {}).items()},
        constants=_texts(node.get("constants")),
        date_epoch=node.get("date_epoch"),
    )


def _problems(m: FileMapping, contracts: Mapping[str, Contract]) -> list[str]:
    if m.table not in contracts:
        return [str(UnknownNameError("table", m.table, contracts))]
    contract = contracts[m.table]
    targets = {*contract.columns, *(w.header for w in contract.wide_columns)}
    named = [*m.columns.values(), *m.constants]
    problems = [f"{m.pattern}: {UnknownNameError('field', name, targets)}" for name in named if name not in targets]
    problems += [f"{m.pattern}: {f} is given by two columns" for f in sorted({n for n in named if named.count(n) > 1})]
    problems += [f"{m.pattern}: '{unit}' is no known unit" for unit in m.units.values() if unit not in UNIT_WORDS]
    stated = {*m.columns, *m.columns.values()}
    problems += [f"{m.pattern}: a unit is given for '{h}', which is no column" for h in m.units if h not in stated]
    for name, labels in m.values.items():
        if name not in contract.columns:
            problems.append(f"{m.pattern}: {UnknownNameError('field', name, contract.columns)}")
            continue
        field = contract.field(name)
        allowed = {str(k) for k in field.codes} | {str(v) for v in field.valid_values or ()}
        problems += [
            f"{m.pattern}: '{label}' of {name} leads to '{v}', which is in no code list"
            for label, v in labels.items()
            if v not in allowed
        ]
    if m.date_epoch not in (None, *EPOCHS):
        problems.append(f"{m.pattern}: date_epoch is {m.date_epoch}; expected one of {EPOCHS}")
    if m.header_row is not None and (m.header_row < 1 or m.header_rows < 1):
        problems.append(f"{m.pattern}: header_row and header_rows count from 1")
    return problems


def mapping_of(file_name: str, mappings: Iterable[FileMapping]) -> FileMapping | None:
    """The mapping whose pattern fits a file's name.

    Raises
    ------
    IngestError
        Patterns of several mappings do.
    """
    fitting = [m for m in mappings if fnmatch.fnmatchcase(file_name, m.pattern)]
    if len(fitting) > 1:
        names = ", ".join(f"{m.source} ({m.pattern})" for m in fitting)
        raise IngestError(stop("ING005", file_name, f"several mappings fit: {names}; make their patterns narrower"))
    return fitting[0] if fitting else None
