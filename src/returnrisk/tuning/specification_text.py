"""A model specification as the text of a TOML file: what `load_model_spec` reads back as the same specification."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from returnrisk.config import ModelSpec, parse_model_spec
from returnrisk.errors import ConfigError


def specification_text(spec: ModelSpec, *, comment: str = "") -> str:
    """The specification as TOML, `comment` lines first; every setting is written out, defaults too.

    Raises
    ------
    ConfigError
        It holds a value that TOML cannot say, or that does not come back the same.

    Examples
    --------
    >>> from returnrisk.config import load_model_spec
    >>> print(specification_text(load_model_spec("fall-12m-logistic-short"), comment="as shipped").splitlines()[:3])
    ['# as shipped', 'schema = 1', 'name = "fall-12m-logistic-short"']
    """
    import tomllib

    lines = [f"# {line}" for line in comment.splitlines()] + _table(spec.as_dict(), path=())
    text = "\n".join(lines) + "\n"
    if parse_model_spec(tomllib.loads(text)).as_dict() != parse_model_spec(json.loads(json.dumps(spec.as_dict()))).as_dict():
        raise ConfigError(f"{spec.name} cannot be written as TOML: a value does not come back the same")
    return text


def _table(content: Mapping[str, Any], *, path: tuple[str, ...]) -> list[str]:
    tables = {k: v for k, v in content.items() if isinstance(v, Mapping) or _holds_tables(v)}
    lines = [f"{_key(k)} = {_value(v, where='.'.join((*path, k)))}" for k, v in content.items() if k not in tables]
    for key, value in tables.items():
        inner = (*path, key)
        head = ".".join(_key(k) for k in inner)
        if isinstance(value, Mapping):
            lines += ["", f"[{head}]", *_table(value, path=inner)]
        else:  # an array of tables; a table inside one belongs to the last
            lines += [line for member in value for line in ("", f"[[{head}]]", *_table(member, path=inner))]
    return lines


def _holds_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(member, Mapping) for member in value)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key, ensure_ascii=False)


def _value(value: Any, *, where: str) -> str:
    if isinstance(value, bool | str):  # JSON's words for both are TOML's
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(v, where=where) for v in value)}]"
    raise ConfigError(f"{where} is {value!r}, which TOML cannot say")
