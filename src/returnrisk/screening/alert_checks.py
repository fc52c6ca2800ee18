"""Names in alert rules against the contracts: tables, columns, codes and categories that do not exist are errors before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from returnrisk.contracts import Contract, Field
from returnrisk.errors import PolicyNameError, UnknownNameError
from returnrisk.policy import AlertRule, CategoryFact, Condition, Fact, TableFact, TownshipFact
from returnrisk.screening.alert_windows import HELD_BETWEEN, REGISTERS, own_date

CODE = "POL024"
NUMBERS = ("decimal(18,2)", "int64")


def check_alert_rules(
    rules: Sequence[AlertRule], *, contracts: Mapping[str, Contract], categories: Collection[str] | None = None
) -> None:
    """Refuse rules that speak of what does not exist.

    Parameters
    ----------
    categories
        Codes of the categories that are answered; None: not checked.

    Raises
    ------
    PolicyNameError
        POL024, one line for every name that is wrong: pack, rule, fact (from 1), and the nearest name that exists.
    """
    problems = [
        f"{CODE} {rule.pack}, {rule.name}.{place}: {text}"
        for rule in rules
        for place, text in _problems(rule, contracts=contracts, categories=categories)
    ]
    if problems:
        raise PolicyNameError("\n".join(problems), codes=(CODE,))


def _problems(
    rule: AlertRule, *, contracts: Mapping[str, Contract], categories: Collection[str] | None
) -> Iterator[tuple[str, str]]:
    known = {f.name: f for f in contracts["household"].fields}
    for name, wanted in sorted(rule.group.items()):
        if name == "registered" and isinstance(wanted, tuple):
            yield from ((f"group.{name}", text) for text in _wrong_codes(known["registered_type"], wanted))
        if name == "category" and isinstance(wanted, tuple):
            yield from ((f"group.{name}", text) for code in wanted for text in _wrong_category(code, categories))
    for i, fact in enumerate(rule.facts, start=1):
        yield from ((f"facts[{i}]", text) for text in _fact_problems(fact, contracts, categories))


def _fact_problems(fact: Fact, contracts: Mapping[str, Contract], categories: Collection[str] | None) -> Iterator[str]:
    if isinstance(fact, CategoryFact):
        yield from _wrong_category(fact.category, categories)
    if isinstance(fact, TownshipFact):
        yield from _township_problems(fact, contracts)
    if not isinstance(fact, TableFact):
        return
    usable = [n for n, c in contracts.items() if not c.restricted and {"household_id", "person_id"} & set(c.columns)]
    if fact.table not in contracts:
        yield str(UnknownNameError("table", fact.table, usable))
        return
    if fact.table not in usable:
        yield f"table '{fact.table}' is about no household and no person, or is restricted; known: {', '.join(sorted(usable))}"
        return
    contract = contracts[fact.table]
    if fact.per == "person" and "person_id" not in contract.columns:
        yield f"table '{fact.table}' does not say which person: only `per: household` can be asked"
    yield from _column_problems(fact, contract)
    for condition in fact.where:
        yield from _condition_problems(condition, contract)
    yield from _date_problems(fact, contract)


def _township_problems(fact: TownshipFact, contracts: Mapping[str, Contract]) -> Iterator[str]:
    usable = sorted(n for n in HELD_BETWEEN if n in contracts and n not in REGISTERS and not contracts[n].restricted)
    if fact.table not in usable:
        yield str(UnknownNameError("table whose rows hold from a day to a day", fact.table, usable))
        return
    for condition in fact.where:
        yield from _condition_problems(condition, contracts[fact.table])


def _column_problems(fact: TableFact, contract: Contract) -> Iterator[str]:
    if fact.column is None:
        return
    field, problem = _field(contract, fact.column)
    if field is None:
        yield problem
        return
    numeric = field.type in NUMBERS and field.pseudonym is None
    if (fact.aggregate in {"sum", "max", "min", "share_of"} or (fact.aggregate == "latest" and not fact.answers)) and not numeric:
        yield f"column '{field.name}' of {contract.name} is no number ({field.type}): it has no {fact.aggregate} to compare"
    yield from _wrong_codes(field, fact.answers)


def _condition_problems(condition: Condition, contract: Contract) -> Iterator[str]:
    field, problem = _field(contract, condition.column)
    if field is None:
        yield problem
    elif condition.comparison is not None and (field.type not in NUMBERS or field.pseudonym is not None):
        yield f"column '{field.name}' of {contract.name} is no number ({field.type}): it cannot be {condition.comparison} one"
    else:
        yield from _wrong_codes(field, condition.values)


def _date_problems(fact: TableFact, contract: Contract) -> Iterator[str]:
    if fact.date is not None:
        field, problem = _field(contract, fact.date)
        if field is None:
            yield problem
        elif field.type != "date":
            yield f"column '{field.name}' of {contract.name} is no date ({field.type})"
    elif fact.window.form != "now" and own_date(contract) is None:
        yield f"rows of {contract.name} have no date of their own: only `window: now` can be asked, or name a `date`"
    if fact.table in REGISTERS and fact.aggregate == "exists" and not fact.where:
        yield f"every household has a row in {contract.name}: say which by `where`"


def _field(contract: Contract, name: str) -> tuple[Field | None, str]:
    known = [f.name for f in contract.fields if not f.protected]
    if name not in known:
        return None, str(UnknownNameError(f"column of {contract.name}", name, known))
    return contract.field(name), ""


def _wrong_codes(field: Field, wanted: Sequence[str | int | bool]) -> Iterator[str]:
    """Codes that a column cannot hold: not in its list, or not of its type."""
    for code in wanted:
        if field.type == "boolean":
            if not isinstance(code, bool):
                yield f"column '{field.name}' is true or false, not {code!r}"
        elif field.valid_values is not None:
            if code not in field.valid_values or isinstance(code, bool):
                yield str(UnknownNameError(f"code of {field.name}", str(code), [str(v) for v in field.valid_values]))
        elif (
            not isinstance(code, int if field.type == "int64" else str)
            or isinstance(code, bool)
            or field.type not in {"int64", "string"}
        ):
            yield f"column '{field.name}' ({field.type}) has no code {code!r}"


def _wrong_category(code: str, categories: Collection[str] | None) -> Iterator[str]:
    if categories is not None and code not in categories:
        yield str(UnknownNameError("category", code, categories))
