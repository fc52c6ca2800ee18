"""The EPH mapping file: which column of a foreign survey becomes which field, read into frozen dataclasses and refused when wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from returnrisk.contracts import load_contracts
from returnrisk.errors import ContractError, UnknownNameError
from returnrisk.resources import data_folder

if TYPE_CHECKING:
    import ibis.expr.types as ir

FileKind = Literal["household", "person"]
FILE_KINDS: tuple[FileKind, ...] = ("household", "person")
SCHEMA = 1

_ROLES: dict[FileKind, tuple[str, ...]] = {
    "household": (
        "dwelling",
        "number",
        "year",
        "quarter",
        "region",
        "agglomerate",
        "weight",
        "interviewed",
        "head_count",
        "income",
        "income_per_head",
    ),
    "person": ("dwelling", "number", "component", "year", "quarter", "sex", "age"),
}
_TABLES = ("household", "household_roster", "member")
_SECTIONS = ("schema", "name", "area", "files", "continuity", *_TABLES, "income", "delivery", "line")

Codes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Rule:
    """`value` for rows whose columns all hold one of the listed codes."""

    value: Any
    when: Codes


@dataclass(frozen=True, slots=True)
class ItemRule:
    """An income item: the sum of some amount columns, for persons that fit `when` and not `unless`."""

    source: str
    item: str
    columns: tuple[str, ...]
    when: Codes
    unless: Codes


@dataclass(frozen=True, slots=True)
class FileLayout:
    """One kind of file: what its columns are for, and which must be there."""

    kind: FileKind
    name_starts_with: str
    roles: Mapping[str, str]
    required: frozenset[str]
    special_codes: tuple[int, ...]
    coded: tuple[str, ...]
    amounts: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, sorted."""
        return tuple(sorted({*self.roles.values(), *self.required, *self.coded, *self.amounts}))


@dataclass(frozen=True, slots=True)
class EphMapping:
    """The whole mapping file."""

    county_code: int
    regions: Mapping[int, str]
    agglomerates: Mapping[int, str]
    household_file: FileLayout
    person_file: FileLayout
    interviewed_codes: tuple[int, ...]
    age_moves: Mapping[int, tuple[int, int]]
    same_birthday_moves: tuple[int, int]
    fields: Mapping[str, Mapping[str, tuple[Rule, ...]]]
    rooms_columns: tuple[str, ...]
    rooms_between: tuple[int, int]
    income_months: int
    estimated_column: str
    items: tuple[ItemRule, ...]
    delivered_tables: tuple[str, ...]
    line_share: float


def _codes(node: Mapping[str, Iterable[int]] | None) -> Codes:
    return {column: tuple(codes) for column, codes in (node or {}).items()}


def _rules(node: Iterable[Mapping[str, Any]]) -> tuple[Rule, ...]:
    return tuple(Rule(value=r["value"], when=_codes(r["when"])) for r in node)


def _items(node: Iterable[Mapping[str, Any]]) -> tuple[ItemRule, ...]:
    return tuple(
        ItemRule(
            source=i["source"],
            item=i["item"],
            columns=tuple(i["columns"]),
            when=_codes(i.get("when")),
            unless=_codes(i.get("unless")),
        )
        for i in node
    )


def _fields(document: Mapping[str, Any]) -> dict[str, dict[str, tuple[Rule, ...]]]:
    return {table: {name: _rules(node) for name, node in document[table].items() if isinstance(node, list)} for table in _TABLES}


def _layout(document: Mapping[str, Any], kind: FileKind, *, coded: Iterable[str], amounts: Iterable[str]) -> FileLayout:
    node = document["files"][kind]
    if missing := [role for role in _ROLES[kind] if role not in node["roles"]]:
        raise ContractError(f"EPH mapping: files.{kind}.roles names no column for {', '.join(missing)}")
    roles = {role: node["roles"][role] for role in _ROLES[kind]}
    return FileLayout(
        kind=kind,
        name_starts_with=node["name_starts_with"],
        roles=roles,
        required=frozenset({*roles.values(), *node["required"]}),
        special_codes=tuple(node["special_codes"]),
        coded=tuple(sorted(set(coded))),
        amounts=tuple(sorted(set(amounts))),
    )


def _check_values(mapping: EphMapping) -> None:
    """Every target must exist in its contract, and every value must be one the contract accepts."""
    contracts = load_contracts()
    problems = []
    for table, fields in mapping.fields.items():
        for name, rules in fields.items():
            valid = contracts[table].field(name).valid_values
            problems += [f"{table}.{name}: {r.value!r}" for r in rules if valid is not None and r.value not in valid]
    for item in mapping.items:
        for name, value in (("source", item.source), ("item", item.item)):
            if value not in (contracts["income"].field(name).valid_values or ()):
                problems.append(f"income.{name}: {value!r}")
    valid_tables = contracts["delivery"].field("table_name").valid_values or ()
    problems += [f"delivery.table_name: {t!r}" for t in mapping.delivered_tables if t not in valid_tables]
    if problems:
        raise ContractError("EPH mapping gives values that the contracts do not know:\n  " + "\n  ".join(problems))


def load_eph_mapping(file: Path | None = None) -> EphMapping:
    """Read the mapping (default: the shipped `data_contracts/sources/eph/mapping.yaml`).

    Raises
    ------
    ContractError
        Not YAML, of another schema, a section or role is missing, or a rule gives a value that its contract does not know.

    Examples
    --------
    >>> mapping = load_eph_mapping()
    >>> mapping.regions[43], mapping.income_months
    ('Pampeana', 3)
    """
    import yaml

    file = file or data_folder("data_contracts") / "sources" / "eph" / "mapping.yaml"
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise ContractError(f"{file.name} is of schema {document['schema']}; this version reads schema {SCHEMA}")
        mapping = _parse(document)
    except yaml.YAMLError as error:
        raise ContractError(f"{file.name} is not YAML: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ContractError(
            f"{file.name} is not a whole mapping: {type(error).__name__} {error}; sections: {', '.join(_SECTIONS)}"
        ) from error
    _check_values(mapping)
    return mapping


def _parse(document: Mapping[str, Any]) -> EphMapping:
    if unknown := sorted(set(document) - set(_SECTIONS)):
        raise UnknownNameError("section of the EPH mapping", unknown[0], _SECTIONS)
    fields, items = _fields(document), _items(document["income"]["items"])
    person_rules = [c for t in ("household_roster", "member") for rules in fields[t].values() for r in rules for c in r.when]
    rooms = document["household"]["rooms"]
    continuity = document["continuity"]
    return EphMapping(
        county_code=int(document["area"]["county_code"]),
        regions=dict(document["area"]["regions"]),
        agglomerates=dict(document["area"]["agglomerates"]),
        household_file=_layout(
            document,
            "household",
            coded=[*(c for rules in fields["household"].values() for r in rules for c in r.when), *rooms["first_given_of"]],
            amounts=[],
        ),
        person_file=_layout(
            document,
            "person",
            coded=[*person_rules, *(c for i in items for c in (*i.when, *i.unless))],
            amounts=[*(c for i in items for c in i.columns), document["income"]["estimated_where_positive"]],
        ),
        interviewed_codes=tuple(document["files"]["household"]["interviewed_codes"]),
        age_moves={gap: (low, high) for gap, (low, high) in continuity["age_moves"].items()},
        same_birthday_moves=tuple(continuity["same_birthday_moves"]),
        fields=fields,
        rooms_columns=tuple(rooms["first_given_of"]),
        rooms_between=tuple(rooms["between"]),
        income_months=int(document["income"]["months"]),
        estimated_column=document["income"]["estimated_where_positive"],
        items=items,
        delivered_tables=tuple(document["delivery"]["tables"]),
        line_share=float(document["line"]["share_of_median"]),
    )


def fits(table: ir.Table, codes: Codes) -> Any:
    """Whether a row's columns all hold one of the listed codes: a boolean expression, never NULL (no columns: true)."""
    import ibis

    fitting: Any = ibis.literal(True)
    for column, values in codes.items():
        fitting &= table[column].isin(values).fill_null(False)
    return fitting


def value_by_rules(table: ir.Table, rules: Iterable[Rule], *, type_: str) -> Any:
    """The value of the first rule that fits each row, NULL where none does, as an expression of `type_`."""
    import ibis

    branches = [(fits(table, r.when), ibis.literal(r.value, type=type_)) for r in rules]
    return ibis.cases(*branches, else_=ibis.null(type_))
