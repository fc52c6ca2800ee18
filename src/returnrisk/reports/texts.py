"""The zh/en catalogue: every word on a list or in a report comes from `texts.toml`."""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from returnrisk.errors import ConfigError, UnknownNameError


@dataclass(frozen=True, slots=True)
class Text:
    """The same words in Chinese and in English."""

    zh: str
    en: str


@cache
def catalogue() -> dict[str, Text]:
    """Every text by its key `section.name`.

    Raises
    ------
    ConfigError
        A text lacks one of the two languages.
    """
    sections = tomllib.loads(files("returnrisk.reports").joinpath("texts.toml").read_text(encoding="utf-8"))
    found = {}
    for section, entries in sections.items():
        for name, languages in entries.items():
            if set(languages) != {"zh", "en"}:
                raise ConfigError(f"text {section}.{name} has {', '.join(languages)}; expected zh and en")
            found[f"{section}.{name}"] = Text(zh=languages["zh"], en=languages["en"])
    return found


def text(key: str, **facts: object) -> Text:
    """Return the text `key`, its placeholders filled with `facts`.

    Raises
    ------
    UnknownNameError
        There is no such text.

    Examples
    --------
    >>> text("notes.model_version", model_version="fall-12m/3").zh
    '模型版本 fall-12m/3'
    >>> text("kind.modell")
    Traceback (most recent call last):
    returnrisk.errors.UnknownNameError: unknown text 'kind.modell'; did you mean 'kind.model'?...
    """
    found = catalogue().get(key)
    if found is None:
        raise UnknownNameError("text", key, catalogue())
    return Text(zh=found.zh.format(**facts), en=found.en.format(**facts)) if facts else found


def either(key: str, *, otherwise: str) -> Text:
    """Return the text `key`, or `otherwise` in both languages: for names that come from data, such as a new score.

    Examples
    --------
    >>> either("kind.model", otherwise="model").zh, either("kind.hazard", otherwise="hazard").zh
    ('模型', 'hazard')
    """
    return catalogue().get(key, Text(zh=otherwise, en=otherwise))


def meaning_of_probability(*, as_of: dt.date, horizon_months: int, at_end: bool) -> Text:
    """What a risk of this model says, and what it does not."""
    return text("probability.at_end" if at_end else "probability.first", as_of=as_of, months=horizon_months)
