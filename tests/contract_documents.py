"""The shipped contracts as YAML documents, to change one thing in them and see it refused."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import pytest
import yaml

from returnrisk.contracts import parse_contract
from returnrisk.errors import ContractError
from returnrisk.resources import data_folder

CORE = (
    "delivery", "household", "household_roster", "identity", "income", "line", "medical", "member", "monitoring", "subsidy", "support",
    "village",
)  # fmt: skip
FOLDER = data_folder("data_contracts")


@functools.cache
def _document(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def document(name: str) -> dict[str, Any]:
    """One of its own, to be changed."""
    return copy.deepcopy(_document(name))


def text_of(content: dict[str, Any]) -> str:
    fast = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper
    return yaml.dump(content, Dumper=fast, allow_unicode=True, sort_keys=False)


def table_of(content: dict[str, Any]) -> dict[str, Any]:
    return content["schema"][0]


def column(content: dict[str, Any], name: str) -> dict[str, Any]:
    return next(p for p in table_of(content)["properties"] if p["name"] == name)


def custom(node: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in node["customProperties"] if c["property"] == name)


def refusal(content: dict[str, Any], *, where: str = "changed.yaml") -> str:
    with pytest.raises(ContractError) as caught:
        parse_contract(text_of(content), where=where)
    assert where in str(caught.value)
    return str(caught.value)


def write_folder(folder: Path, **contents: dict[str, Any]) -> Path:
    for name, content in contents.items():
        (folder / f"{name}.yaml").write_text(text_of(content), encoding="utf-8")
    return folder
