"""What makes a contract unusable, or a folder of contracts: collected, so that a person sees everything at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from returnrisk.contracts.model import CLASSIFICATIONS, OPERATORS, PSEUDONYM_KINDS, RHYTHMS, Contract, Field
from returnrisk.contracts.refused import names_protected, refused_word
from returnrisk.errors import UnknownNameError

LONGEST_DELAY_DAYS = 366
"""A longer declared delay is a slip of the pen: a year later nothing could be visited for it."""


def contract_problems(contract: Contract) -> list[str]:
    """Everything that makes one contract unusable."""
    return [
        *_office_problems(contract),
        *_refused_problems(contract),
        *_header_problems(contract),
        *_wide_problems(contract),
        *_structure_problems(contract),
        *(problem for f in contract.fields for problem in _field_problems(f, restricted_table=contract.restricted)),
    ]


def folder_problems(contracts: Mapping[str, Contract]) -> list[str]:
    """References that lead nowhere or to another kind of pseudonym, and file names that two tables claim."""
    problems = []
    owners: dict[str, str] = {}
    for contract in contracts.values():
        for alias in dict.fromkeys((*contract.file_aliases, contract.name)):
            if alias in owners:
                problems.append(f"files named '{alias}' are claimed by both {owners[alias]} and {contract.name}")
            owners[alias] = contract.name
        for f in (f for f in contract.fields if f.references):
            table, column = f.references or ("", "")
            if table not in contracts or column not in contracts[table].columns:
                problems.append(f"{contract.name}.{f.name} refers to {table}.{column}, which no contract describes")
            elif contracts[table].field(column).pseudonym != f.pseudonym:
                problems.append(f"{contract.name}.{f.name} is another kind of pseudonym than {table}.{column}: nothing would match")
    return problems


def _office_problems(contract: Contract) -> Iterator[str]:
    if not contract.office.strip():
        yield "office is empty: nobody could be asked"
    if contract.rhythm not in RHYTHMS:
        yield str(UnknownNameError("rhythm", contract.rhythm, RHYTHMS))
    delay = contract.delay_days
    if type(delay) is not int or not 0 <= delay <= LONGEST_DELAY_DAYS:
        yield f"delay_days is {delay!r}; expected whole days from 0 to {LONGEST_DELAY_DAYS}"
    if not contract.file_aliases:
        yield "file_aliases is empty: no file could be recognised"
    if not contract.label_en:
        yield "the table has no English label ('en')"
    if not (contract.description_zh and contract.description_en):
        yield "the table is not described in both languages ('description_zh' and 'description')"


def _texts(contract: Contract) -> Iterator[str]:
    """Everything said of the table and its columns, code labels and codes included."""
    yield from (
        contract.name,
        contract.label_zh,
        contract.label_en,
        contract.description_zh,
        contract.description_en,
        *contract.file_aliases,
    )
    yield from (w.header for w in contract.wide_columns)
    for f in contract.fields:
        yield from (*f.headers, f.label_en, f.description_zh, f.description_en)
        yield from (str(said) for said in (*f.codes, *(f.valid_values or ())))


def _refused_problems(contract: Contract) -> Iterator[str]:
    for text in dict.fromkeys(_texts(contract)):
        if found := refused_word(text):
            kind, word = found
            yield f"'{text}' may not be collected ({kind}: '{word}'): attitudes, religion, legal and family-planning records never enter"
    for f in contract.fields:
        if not f.protected and (named := next((h for h in (*f.headers, f.label_en) if names_protected(h)), None)):
            yield f"column {f.name} ('{named}') names sex or ethnicity and is not marked protected: it could be scored"


def _header_problems(contract: Contract) -> Iterator[str]:
    seen: dict[str, str] = {}
    claims = [(h, f.name) for f in contract.fields for h in dict.fromkeys(f.headers)]
    for header, owner in [*claims, *((w.header, f"wide column {w.header}") for w in contract.wide_columns)]:
        if header in seen:
            yield f"header '{header}' is claimed by both {seen[header]} and {owner}"
        seen[header] = owner


def _wide_problems(contract: Contract) -> Iterator[str]:
    for w in contract.wide_columns:
        if {*w.sets, w.measure} - set(contract.columns):
            yield f"wide column '{w.header}' sets an unknown column"
        for name, value in w.sets.items():
            if name in contract.columns and value not in (contract.field(name).valid_values or (value,)):
                yield f"wide column '{w.header}' sets {name} to '{value}', which is not in its code list"


def _structure_problems(contract: Contract) -> Iterator[str]:
    names = contract.columns
    if twice := sorted({n for n in names if names.count(n) > 1}):
        yield f"columns described twice: {', '.join(twice)}"
    for rule in contract.row_rules:
        if {rule.left, rule.right} - set(names) or rule.op not in OPERATORS:
            yield f"row rule {rule.left} {rule.op} {rule.right} names an unknown column or operator"
    basis = contract.recording_basis
    if basis is not None and (basis not in names or contract.field(basis).type != "date"):
        yield f"recording_basis '{basis}' is not a column of dates"
    if not contract.key:
        yield "no column is a primary key"
    if "recorded_on" not in names:
        yield "no column recorded_on: nothing could be seen as of a day"


def _field_problems(f: Field, *, restricted_table: bool) -> Iterator[str]:
    if not f.label_en:
        yield f"column {f.name} has no English label ('en')"
    if bool(f.description_zh) != bool(f.description_en):
        yield f"column {f.name} is described in one language only ('description_zh' and 'description')"
    if f.classification not in CLASSIFICATIONS:
        yield f"column {f.name}: {UnknownNameError('classification', f.classification, CLASSIFICATIONS)}"
    if f.classification == "restricted" and not restricted_table:
        yield f"column {f.name} is restricted in a table that is not: features could read it"
    if bad := set(f.codes.values()) - set(f.valid_values or ()):
        yield f"column {f.name}: codes lead to values that are not valid: {sorted(map(str, bad))}"
    if f.minimum is not None and f.maximum is not None and f.minimum > f.maximum:
        yield f"column {f.name}: minimum {f.minimum} is above maximum {f.maximum}"
    yield from _form_problems(f)


def _form_problems(f: Field) -> Iterator[str]:
    if f.pseudonym and not f.source_pattern:
        yield f"column {f.name} is a pseudonym without a source_pattern: anything would be accepted as a number"
    if f.pseudonym and f.pseudonym not in PSEUDONYM_KINDS:
        yield f"column {f.name}: {UnknownNameError('kind of pseudonym', f.pseudonym, PSEUDONYM_KINDS)}"
    for pattern in (f.pattern, f.source_pattern):
        try:
            re.compile(pattern or "")
        except re.error as error:
            yield f"column {f.name}: '{pattern}' is not a pattern ({error})"
