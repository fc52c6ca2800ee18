"""ODCS v3.1.0 YAML to contracts: validated by the standard's own schema, then by what this package needs of them.

`strict_columns`, aliases, wide columns, row rules and the recording basis are custom properties, from a closed list; so is `form`, the
pattern of a whole number or a day, for which the standard has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from returnrisk.contracts.model import FIELD_TYPES, Contract, Field, RowRule, WideColumn
from returnrisk.contracts.soundness import contract_problems, folder_problems
from returnrisk.errors import ContractError, UnknownNameError
from returnrisk.resources import data_folder

TABLE_PROPERTIES = (
    "en", "description_zh", "strict_columns", "office", "rhythm", "delay_days", "recording_basis", "file_aliases", "restricted", "row_rules", "wide_columns",
)  # fmt: skip
FIELD_PROPERTIES = ("en", "description_zh", "aliases", "codes", "unit", "pseudonym", "source_pattern", "form", "protected")
FORM_TYPES = ("int64", "date")


@cache
def _schema_validator() -> Any:
    import jsonschema
    import open_data_contract_standard

    schema_file = Path(open_data_contract_standard.__file__).with_name("schema.json")
    schema = json.loads(schema_file.read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(schema)(schema)


@cache
def _strict_loader() -> Any:
    import yaml

    class StrictLoader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]  # libyaml: ten times faster
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 (PyYAML's signature)
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            if twice := [k for i, k in enumerate(keys) if k in keys[:i]]:
                raise yaml.constructor.ConstructorError(None, None, f"key given twice: {twice[0]}", node.start_mark)
            return super().construct_mapping(node, deep=deep)

    return StrictLoader


def _custom(node: Mapping[str, Any], known: tuple[str, ...], *, where: str) -> dict[str, Any]:
    """Custom properties of a table or column, all of them known ones (a misspelt `protected` would let a column be scored)."""
    found = {p["property"]: p["value"] for p in node.get("customProperties", [])}
    for name in found:
        if name not in known:
            raise ContractError(f"{where}, {node['name']}: {UnknownNameError('custom property', name, known)}")
    return found


def _valid_values(node: Mapping[str, Any]) -> tuple[Any, ...] | None:
    for rule in node.get("quality", []):
        if rule.get("metric") == "invalidValues":
            return tuple(rule["arguments"]["validValues"])
    return None


def _reference(node: Mapping[str, Any]) -> tuple[str, str] | None:
    for relation in node.get("relationships", []):
        table, _, column = str(relation["to"]).partition(".")
        return table, column
    return None


def _parse_field(node: Mapping[str, Any], *, where: str) -> Field:
    if missing := [part for part in ("physicalType", "businessName") if part not in node]:
        raise ContractError(f"{where}: column {node['name']} has no {' and no '.join(missing)}")
    custom, options = _custom(node, FIELD_PROPERTIES, where=where), node.get("logicalTypeOptions", {})
    if node["physicalType"] not in FIELD_TYPES:
        raise ContractError(
            f"{where}: column {node['name']} has physicalType '{node['physicalType']}'; expected one of {FIELD_TYPES}"
        )
    if "form" in custom and node["physicalType"] not in FORM_TYPES:
        raise ContractError(
            f"{where}: column {node['name']} has a form; only {' and '.join(FORM_TYPES)} columns do, a text has logicalTypeOptions.pattern"
        )
    return Field(
        name=node["name"],
        label_zh=node["businessName"],
        label_en=str(custom.get("en", "")),
        description_zh=str(custom.get("description_zh", "")),
        description_en=str(node.get("description", "")),
        type=node["physicalType"],
        required=bool(node.get("required", False)),
        is_key=bool(node.get("primaryKey", False)),
        classification=node.get("classification", "internal"),
        aliases=tuple(custom.get("aliases", ())),
        codes=custom.get("codes", {}),
        valid_values=_valid_values(node),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        pattern=options.get("pattern", custom.get("form")),
        pseudonym=custom.get("pseudonym"),
        source_pattern=custom.get("source_pattern"),
        protected=bool(custom.get("protected", False)),
        unit=custom.get("unit"),
        references=_reference(node),
    )


def parse_contract(text: str, *, where: str = "contract") -> Contract:
    """Read one ODCS document.

    Parameters
    ----------
    text
        YAML. Keys and types are validated against the standard's own JSON schema.
    where
        Name used in messages (a file name).

    Raises
    ------
    ContractError
        Not YAML, not ODCS, more than one table, a type this engine does not keep, a header claimed by two columns, or a field
        that may not be collected at all.
    """
    import yaml

    try:
        document = yaml.load(text, Loader=_strict_loader())  # noqa: S506 (a SafeLoader that also refuses a key given twice)
    except yaml.YAMLError as error:
        raise ContractError(f"{where} is not YAML: {error}") from error
    problems = [f"{'/'.join(map(str, e.absolute_path)) or '(top)'}: {e.message}" for e in _schema_validator().iter_errors(document)]
    if problems:
        raise ContractError(f"{where} is not a valid ODCS v3.1.0 contract:\n  " + "\n  ".join(sorted(problems)))
    if len(document.get("schema", [])) != 1:
        raise ContractError(f"{where}: expected exactly one table under 'schema', found {len(document.get('schema', []))}")
    try:
        contract = _parse_table(document, where=where)
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError(f"{where} lacks or misstates a part: {type(error).__name__} {error}") from error
    if problems := contract_problems(contract):
        raise ContractError(f"{where} cannot be used:\n  " + "\n  ".join(problems))
    return contract


def _parse_table(document: Mapping[str, Any], *, where: str) -> Contract:
    table = document["schema"][0]
    custom = _custom(table, TABLE_PROPERTIES, where=where)
    return Contract(
        name=table["name"],
        label_zh=table["businessName"],
        label_en=str(custom.get("en", "")),
        description_zh=str(custom.get("description_zh", "")),
        description_en=str(table.get("description", "")),
        version=document["version"],
        office=str(custom["office"]),
        rhythm=str(custom["rhythm"]),
        delay_days=custom["delay_days"],
        recording_basis=custom.get("recording_basis"),
        restricted=bool(custom.get("restricted", False)),
        file_aliases=tuple(custom["file_aliases"]),
        fields=tuple(_parse_field(p, where=where) for p in table["properties"]),
        row_rules=tuple(RowRule(r["left"], r["op"], r["right"]) for r in custom.get("row_rules", ())),
        wide_columns=tuple(WideColumn(w["header"], w["set"], w["measure"]) for w in custom.get("wide_columns", ())),
    )


@cache
def load_contracts(folder: Path | None = None) -> Mapping[str, Contract]:
    """All contracts of a folder (default: the shipped ones), by table name, sorted.

    Raises
    ------
    ContractError
        A file is wrong, two files describe one table, or a reference leads nowhere.

    Examples
    --------
    >>> contracts = load_contracts()
    >>> contracts["income"].key
    ('household_id', 'person_id', 'source', 'item', 'period_start')
    >>> contracts["member"].field("sexx")
    Traceback (most recent call last):
        ...
    returnrisk.errors.UnknownNameError: unknown column of member 'sexx'; did you mean 'sex'? known: ...
    """
    folder = folder or data_folder("data_contracts")
    contracts: dict[str, Contract] = {}
    for file in sorted(folder.glob("*.yaml")):
        contract = parse_contract(file.read_text(encoding="utf-8"), where=file.name)
        if contract.name in contracts:
            raise ContractError(f"{file.name} describes table {contract.name}, which another file already does")
        contracts[contract.name] = contract
    if problems := folder_problems(contracts):
        raise ContractError("the contracts do not fit together:\n  " + "\n  ".join(problems))
    return contracts


def load_order(contracts: Mapping[str, Contract]) -> list[str]:
    """Table names such that every table comes after the ones it refers to (ties by name; the graph has no cycle)."""
    order: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in order:
            return
        if name in path:
            raise ContractError(f"tables refer to each other in a circle: {' → '.join((*path, name))}")
        for table in sorted({f.references[0] for f in contracts[name].fields if f.references and f.references[0] != name}):
            visit(table, (*path, name))
        order.append(name)

    for name in sorted(contracts):
        visit(name, ())
    return order
