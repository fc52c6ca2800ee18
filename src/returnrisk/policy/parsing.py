"""One pack file to a `Pack`: shape and words of the file itself; what depends on its parents is checked in `check.py`.

Everything wrong is collected, so that a person sees it at once.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from returnrisk.errors import UnknownNameError
from returnrisk.policy.alerts import AlertEntry
from returnrisk.policy.codes import Problem
from returnrisk.policy.model import UNITS, DatedValue, Kind, Multiple, Pack, Parameter, Reference, Value

PACK_SCHEMA = 1
PACK_KEYS = ("schema", "name", "title", "parent", "areas", "parameters", "alerts")
PARAMETER_KEYS = ("label", "unit", "kind", "reference", "choices", "range", "values")
VALUE_KEYS = ("value", "times", "factor", "until", "reference")
KINDS: tuple[Kind, ...] = ("rule", "assumed")


class Reader:
    """Reads parts of one pack and keeps what is wrong with them."""

    def __init__(self, pack: str) -> None:
        self.pack = pack
        self.problems: list[Problem] = []

    def wrong(self, code: str, key: str, text: str) -> None:
        """Keep a problem."""
        self.problems.append(Problem(code, self.pack, key, text))

    def mapping(self, content: Any, known: tuple[str, ...], *, key: str, code: str = "POL002") -> Mapping[str, Any]:
        """`content` as a mapping of known keys (the unknown ones are problems, and left out)."""
        if not isinstance(content, Mapping):
            self.wrong(code, key, f"is {_said(content)}; expected keys {', '.join(known)}")
            return {}
        for name in content:
            if name not in known:
                self.wrong(code, key, str(UnknownNameError("key", str(name), known)))
        return {k: v for k, v in content.items() if k in known}

    def label(self, content: Any, *, key: str, code: str = "POL002") -> tuple[str, str] | None:
        """A text in both languages."""
        both = self.mapping(content, ("zh", "en"), key=key, code=code)
        zh, en = both.get("zh"), both.get("en")
        if isinstance(zh, str) and isinstance(en, str) and zh.strip() and en.strip():
            return zh, en
        self.wrong(code, key, "is not said in both languages: {zh: ..., en: ...}")
        return None

    def reference(self, content: Any, *, key: str) -> Reference | None:
        """Document and article."""
        if content is None:
            return None
        said = self.mapping(content, ("document", "article"), key=key)
        document, article = said.get("document"), said.get("article", "")
        if not isinstance(document, str) or not document.strip():
            self.wrong("POL011", key, "names no document: {document: ..., article: ...}")
            return None
        return Reference(document, str(article))

    def kind(self, content: Any, *, key: str, code: str = "POL002") -> Kind:
        """Rule or assumed; assumed where it is neither."""
        for kind in KINDS:
            if content == kind:
                return kind
        self.wrong(code, key, f"is {_said(content)}; expected rule or assumed")
        return "assumed"


def parse_pack(content: Any, *, name: str) -> tuple[Pack, list[Problem]]:
    """A pack from the content of its file, and everything wrong with the file by itself.

    Parameters
    ----------
    content
        What `read_yaml` gave.
    name
        The file's name without `.yaml`: the pack must call itself so.

    Examples
    --------
    >>> content = {"schema": Decimal(1), "name": "mine", "title": {"zh": "甲", "en": "A"}, "parent": "national", "paramters": {}}
    >>> print(*parse_pack(content, name="mine")[1])
    POL002 mine: unknown key 'paramters'; did you mean 'parameters'? known: ...
    """
    reader = Reader(name)
    said = reader.mapping(content, PACK_KEYS, key="")
    if said.get("schema") != PACK_SCHEMA:
        reader.wrong("POL002", "schema", f"is {_said(said.get('schema'))}; this version reads schema {PACK_SCHEMA}")
    if said.get("name") != name:
        reader.wrong("POL002", "name", f"is {_said(said.get('name'))}, but the file is called {name}.yaml")
    title = reader.label(said.get("title"), key="title") or ("", "")
    parent = said.get("parent")
    if parent is not None and not isinstance(parent, str):
        reader.wrong("POL002", "parent", f"is {_said(parent)}; expected the name of a pack")
        parent = None
    parameters = _named(reader, said.get("parameters"), key="parameters")
    alerts = _named(reader, said.get("alerts"), key="alerts")
    pack = Pack(
        name=name,
        title_zh=title[0],
        title_en=title[1],
        parent=parent,
        areas=_areas(reader, said.get("areas")),
        parameters={key: _parameter(reader, key, raw) for key, raw in parameters.items()},
        alerts={key: AlertEntry(key, name, raw if isinstance(raw, Mapping) else {}) for key, raw in alerts.items()},
    )
    for key, raw in alerts.items():
        if not isinstance(raw, Mapping):
            reader.wrong("POL020", key, f"is {_said(raw)}; expected the keys of an alert rule")
    return pack, reader.problems


def _named(reader: Reader, content: Any, *, key: str) -> Mapping[str, Any]:
    """Things by name: the names are lower-case words."""
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        reader.wrong("POL002", key, f"is {_said(content)}; expected names with what they mean")
        return {}
    for name in content:
        if not (isinstance(name, str) and name.isidentifier() and name.isascii() and name == name.lower()):
            reader.wrong("POL002", key, f"holds the name {name!r}; expected lower-case letters, digits and _")
    return {k: v for k, v in content.items() if isinstance(k, str)}


def _areas(reader: Reader, content: Any) -> tuple[str, ...]:
    """Prefixes of division codes (two, four, six, nine or twelve digits)."""
    if content is None:
        return ()
    found = tuple(str(a) for a in content) if isinstance(content, list) else ()
    if not found or any(not a.isdigit() or len(a) not in {2, 4, 6, 9, 12} for a in found):
        reader.wrong("POL002", "areas", f"is {_said(content)}; expected a list of division codes of 2, 4, 6, 9 or 12 digits")
        return ()
    return found


def _parameter(reader: Reader, name: str, content: Any) -> Parameter:
    said = reader.mapping(content, PARAMETER_KEYS, key=name)
    label = reader.label(said["label"], key=f"{name}.label") if "label" in said else None
    kind = reader.kind(said.get("kind"), key=f"{name}.kind")
    reference = reader.reference(said.get("reference"), key=f"{name}.reference")
    unit = said.get("unit")
    if unit is not None and unit not in UNITS:
        reader.wrong("POL002", f"{name}.unit", str(UnknownNameError("unit", str(unit), UNITS)))
        unit = None
    values = _values(reader, name, said.get("values"))
    if kind == "rule" and reference is None and any(v.reference is None for v in values):
        reader.wrong("POL011", name, "is a rule: name the document it is written in, or say that it is assumed")
    return Parameter(
        name=name,
        kind=kind,
        values=values,
        label_zh=label and label[0],
        label_en=label and label[1],
        unit=unit,
        choices=_choices(reader, said.get("choices"), key=f"{name}.choices"),
        reference=reference,
        **_range(reader, said.get("range"), key=f"{name}.range"),
    )


def _range(reader: Reader, content: Any, *, key: str) -> dict[str, Decimal]:
    """`{least: NUMBER, most: NUMBER}`, or one of them."""
    if content is None:
        return {}
    said = reader.mapping(content, ("least", "most"), key=key)
    found = {name: bound for name, bound in said.items() if isinstance(bound, Decimal)}
    if not found or len(found) < len(said) or found.get("least", Decimal(0)) > found.get("most", Decimal("Infinity")):
        reader.wrong("POL002", key, "is no range: {least: NUMBER, most: NUMBER}, or one of them")
        return {}
    return found


def _choices(reader: Reader, content: Any, *, key: str) -> tuple[str, ...] | None:
    if content is None:
        return None
    if not isinstance(content, list) or not content or len(set(map(str, content))) < len(content):
        reader.wrong("POL002", key, "is not a list of different words")
        return None
    return tuple(map(str, content))


def _values(reader: Reader, name: str, content: Any) -> tuple[DatedValue, ...]:
    """Values by first day in force, earliest first; no two in force on one day."""
    if not isinstance(content, Mapping) or not content:
        reader.wrong("POL002", f"{name}.values", "holds no value: values: {2021-01-01: {value: ...}}")
        return ()
    found = []
    for day, raw in content.items():
        if type(day) is not dt.date:
            reader.wrong("POL002", f"{name}.values", f"has {day!r} as first day in force; expected a day such as 2021-01-01")
        elif (value := _dated(reader, f"{name}.{day}", day, raw)) is not None:
            found.append(value)
    found.sort(key=lambda v: v.valid_from)
    for value, following in itertools.pairwise(found):
        if value.until is not None and value.until >= following.valid_from:
            text = f"is in force until {value.until}, but the next value begins on {following.valid_from}"
            reader.wrong("POL008", f"{name}.{value.valid_from}", text)
    return tuple(found)


def _dated(reader: Reader, key: str, day: dt.date, content: Any) -> DatedValue | None:
    said = reader.mapping(content, VALUE_KEYS, key=key)
    until = said.get("until")
    if until is not None and (type(until) is not dt.date or until < day):
        reader.wrong("POL002", f"{key}.until", f"is {_said(until)}; expected a day from {day} on")
        until = None
    value = _content(reader, key, said)
    if value is None:
        return None
    return DatedValue(day, value, until, reader.reference(said.get("reference"), key=f"{key}.reference"))


def _content(reader: Reader, key: str, said: Mapping[str, Any]) -> Value | Multiple | None:
    """A plain value, or a multiple of another parameter."""
    multiple = "times" in said or "factor" in said
    if multiple == ("value" in said):
        reader.wrong("POL002", key, "is neither {value: ...} nor {times: NAME, factor: NUMBER}")
        return None
    if multiple:
        return read_multiple(reader, said, key=key)
    value = said["value"]
    if isinstance(value, list):
        if all(isinstance(v, (str, Decimal)) for v in value):
            return tuple(map(str, value))
        value = None
    if not isinstance(value, (bool, Decimal, str)):
        reader.wrong(
            "POL009", key, f"has a value that is {_said(said['value'])}; expected a number, true, false, a word or a list of words"
        )
        return None
    return value


def read_multiple(reader: Reader, said: Mapping[str, Any], *, key: str, code: str = "POL002") -> Multiple | None:
    """`{times: NAME, factor: NUMBER}`."""
    base, factor = said.get("times"), said.get("factor")
    if not isinstance(base, str) or not isinstance(factor, Decimal) or factor <= 0:
        reader.wrong(code, key, "is no multiple: {times: NAME, factor: NUMBER above zero}")
        return None
    return Multiple(base, factor)


def _said(content: Any) -> str:
    """What was found, as a person wrote it; nothing longer than a line."""
    if content is None:
        return "missing"
    if isinstance(content, Mapping):
        return "a mapping"
    text = "true" if content is True else "false" if content is False else str(content)
    return f"'{text[:60]}'"
