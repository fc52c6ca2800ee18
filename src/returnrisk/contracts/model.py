"""What a contract says: fields, row rules and wide columns of one canonical table, as frozen dataclasses."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from returnrisk.errors import UnknownNameError

FieldType = Literal["int64", "string", "date", "boolean", "decimal(18,2)"]
FIELD_TYPES: tuple[FieldType, ...] = ("int64", "string", "date", "boolean", "decimal(18,2)")
RHYTHMS = ("event", "monthly", "quarterly", "half-yearly", "yearly")
"""How often an office sends a table; `event`: whenever something happened."""
CLASSIFICATIONS = ("internal", "pseudonym", "sensitive", "confidential", "restricted")
"""How a column may travel: inside the county; only as a keyed hash; only where a task needs it; never outside the bureau that keeps
it; never anywhere but in a rendered list."""
PSEUDONYM_KINDS = ("household", "person", "claim", "project", "loan", "signal", "objection", "visitor")
"""Kinds of natural number: the same text of two kinds gives two pseudonyms."""
OPERATORS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq}


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a canonical table.

    `pattern` is the form of its values as text: a whole number in digits, a day as YYYY-MM-DD.
    """

    name: str
    label_zh: str
    label_en: str
    description_zh: str
    description_en: str
    type: FieldType
    required: bool
    is_key: bool
    classification: str
    aliases: tuple[str, ...]
    codes: Mapping[str, Any]
    valid_values: tuple[Any, ...] | None
    minimum: float | None
    maximum: float | None
    pattern: str | None
    pseudonym: str | None
    source_pattern: str | None
    protected: bool
    unit: str | None
    references: tuple[str, str] | None

    @property
    def headers(self) -> tuple[str, ...]:
        """Column headers a file may use for this field."""
        return (self.label_zh, *self.aliases, self.name)


@dataclass(frozen=True, slots=True)
class RowRule:
    """Two fields of one row that must compare; an empty field passes."""

    left: str
    op: str
    right: str


@dataclass(frozen=True, slots=True)
class WideColumn:
    """A header of a wide file that holds one measure of one canonical row."""

    header: str
    sets: Mapping[str, str]
    measure: str


@dataclass(frozen=True, slots=True)
class Contract:
    """One canonical table: grain, columns, owner and rhythm.

    `recording_basis` is the date to which `delay_days` is added where a file says no recording day (None: it must say).
    """

    name: str
    label_zh: str
    label_en: str
    description_zh: str
    description_en: str
    version: str
    office: str
    rhythm: str
    delay_days: int
    recording_basis: str | None
    restricted: bool
    file_aliases: tuple[str, ...]
    fields: tuple[Field, ...]
    row_rules: tuple[RowRule, ...]
    wide_columns: tuple[WideColumn, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """Columns that name the thing; with `recorded_on` they name one version of it."""
        return tuple(f.name for f in self.fields if f.is_key)

    @property
    def columns(self) -> tuple[str, ...]:
        """All column names, in the contract's order."""
        return tuple(f.name for f in self.fields)

    def field(self, name: str) -> Field:
        """The field called `name`; UnknownNameError otherwise."""
        for f in self.fields:
            if f.name == name:
                return f
        raise UnknownNameError(f"column of {self.name}", name, self.columns)

    def headers(self) -> dict[str, str]:
        """File header to field name, for every header the contract knows."""
        return {header: f.name for f in self.fields for header in f.headers}
