"""YAML as packs are written in: each key once, numbers exact, `on` and `yes` plain words, dates only as 2021-01-01.

PyYAML reads YAML 1.1, where `on:` is a true key, 012 is ten, 1:30 is ninety and 0.1 a binary fraction. A rule must mean what a
reader takes it to mean, so that only true, false, decimal numbers, ISO days and null are more than text here.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from functools import cache
from typing import Any

from returnrisk.errors import PolicyPackError

_SCALARS = (
    ("null", re.compile(r"^(?:~|null|)$"), ("~", "n", "")),
    ("bool", re.compile(r"^(?:true|false)$"), ("t", "f")),
    ("number", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$"), tuple("-+0123456789")),
    ("day", re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), tuple("0123456789")),
)


@cache
def _loader() -> Any:
    import yaml

    class PackLoader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own form)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 (PyYAML's signature)
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            if twice := [k for i, k in enumerate(keys) if k in keys[:i]]:
                raise yaml.constructor.ConstructorError(None, None, f"key given twice: {twice[0]}", node.start_mark)
            return super().construct_mapping(node, deep=deep)

    def day(loader: Any, node: Any) -> dt.date:
        try:
            return dt.date.fromisoformat(loader.construct_scalar(node))
        except ValueError:
            raise yaml.constructor.ConstructorError(None, None, f"no such day: {node.value}", node.start_mark) from None

    constructors = {
        "null": lambda *_: None,
        "bool": lambda loader, node: loader.construct_scalar(node) == "true",
        "number": lambda loader, node: Decimal(loader.construct_scalar(node)),
        "day": day,
    }
    for name, pattern, first in _SCALARS:
        PackLoader.add_implicit_resolver(f"!{name}", pattern, first)
        PackLoader.add_constructor(f"!{name}", constructors[name])
    return PackLoader


def read_yaml(text: str, *, where: str) -> Any:
    r"""The content of a pack: mappings, lists, texts, bool, `Decimal`, `date` and None.

    Raises
    ------
    PolicyPackError
        POL001: not YAML, a key given twice, or a day that does not exist.

    Examples
    --------
    >>> read_yaml("on: false\nfactor: 0.10\nsays: yes", where="a")
    {'on': False, 'factor': Decimal('0.10'), 'says': 'yes'}
    >>> read_yaml("a: 1\na: 2", where="mine")
    Traceback (most recent call last):
        ...
    returnrisk.errors.PolicyPackError: POL001 mine: not YAML, or a key given twice: key given twice: a (line 1)
    """
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 (a SafeLoader with fewer types)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise PolicyPackError(
            f"POL001 {where}: not YAML, or a key given twice: {error.problem} (line {line})", codes=("POL001",)
        ) from error
    except (yaml.YAMLError, TypeError) as error:
        raise PolicyPackError(f"POL001 {where}: not YAML: {type(error).__name__}", codes=("POL001",)) from error
