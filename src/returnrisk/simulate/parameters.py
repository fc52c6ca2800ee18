"""The numbers of the simulated county: `parameters.toml`, read and checked.

Values, units and sources stand in the toml only; `parameter_sections` says which parameters there are and of what type, so that a
misspelt, missing or unknown one is refused by name.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from returnrisk.errors import ConfigError, UnknownNameError
from returnrisk.simulate import office_sections
from returnrisk.simulate import parameter_sections as sections

PARAMETER_FILE = Path(__file__).with_name("parameters.toml")
SETTING_FILE = Path(__file__).with_name("settings.toml")
DEFAULT_SETTING = "default"


@dataclass(frozen=True, slots=True)
class Parameters:
    """All parameters, by section.

    Examples
    --------
    >>> default_parameters().support.targeted
    True
    >>> default_parameters().changed({"support.targeted": False}).support.targeted
    False
    >>> default_parameters().changed({"support.targetted": False})
    Traceback (most recent call last):
        ...
    returnrisk.errors.UnknownNameError: unknown parameter of support 'targetted'; did you mean 'targeted'? known: ...
    """

    clock: sections.ClockParameters
    line: sections.LineParameters
    village: sections.VillageParameters
    household: sections.HouseholdParameters
    member: sections.MemberParameters
    life: sections.LifeParameters
    work: sections.WorkParameters
    farm: sections.FarmParameters
    business: sections.BusinessParameters
    noise: sections.NoiseParameters
    weather: sections.WeatherParameters
    health: sections.HealthParameters
    insurance: sections.InsuranceParameters
    transfer: sections.TransferParameters
    dibao: sections.DibaoParameters
    monitoring: sections.MonitoringParameters
    support: sections.SupportParameters
    reporting: sections.ReportingParameters
    export: sections.ExportParameters
    group: office_sections.GroupParameters
    traps: office_sections.TrapParameters
    family: office_sections.FamilyParameters
    loss: office_sections.LossParameters
    price: office_sections.PriceParameters
    project: office_sections.ProjectParameters
    expense: office_sections.ExpenseParameters
    certificate: office_sections.CertificateParameters
    spell: office_sections.SpellParameters
    school: office_sections.SchoolParameters
    loan: office_sections.LoanParameters
    cover: office_sections.CoverParameters
    signal: office_sections.SignalParameters
    visit: office_sections.VisitParameters
    means: office_sections.MeansParameters
    office: office_sections.OfficeParameters

    def changed(self, values: Mapping[str, Any]) -> Parameters:
        """A copy with some values replaced, named `section.parameter`.

        Raises
        ------
        UnknownNameError
            No such section or parameter.
        ConfigError
            The value is of another type.
        """
        changed = self
        for name, value in values.items():
            section_name, _, key = name.partition(".")
            names = {f.name for f in dataclasses.fields(self)}
            if section_name not in names:
                raise UnknownNameError("section of the simulator's parameters", section_name, names)
            section = getattr(changed, section_name)
            hints = typing.get_type_hints(type(section))
            if key not in hints:
                raise UnknownNameError(f"parameter of {section_name}", key, hints)
            typed = _typed(value, hints[key], where=name)
            changed = dataclasses.replace(changed, **{section_name: dataclasses.replace(section, **{key: typed})})
        return changed

    def line_on(self, day: dt.date) -> float:
        """Monitoring line in force on `day`, CNY a head and year.

        Raises
        ------
        ConfigError
            `day` lies before the first line.

        Examples
        --------
        >>> default_parameters().line_on(dt.date(2025, 6, 30))
        8700.0
        """
        lines = sorted(zip(self.line.valid_from, self.line.cny_year, strict=True))
        in_force = [amount for first_day, amount in lines if dt.date.fromisoformat(first_day) <= day]
        if not in_force:
            raise ConfigError(f"no monitoring line is in force on {day}; the first begins on {lines[0][0]}")
        return float(in_force[-1])


def load_parameters(path: Path | None = None) -> Parameters:
    """Read a parameter file.

    Parameters
    ----------
    path
        A toml file with every parameter as `name = {value, unit, source}`; default the shipped one.

    Raises
    ------
    ConfigError
        Not toml, a section, parameter, unit or source is missing or unknown, or a value is of another type. Every problem is listed.
    """
    file = path or PARAMETER_FILE
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file.name} is not toml: {error}") from error
    known = typing.get_type_hints(Parameters)
    problems = _difference(document, known, where="section")
    read: dict[str, Any] = {}
    for name in sorted(known.keys() & document.keys()):
        hints = typing.get_type_hints(known[name])
        problems += _difference(document[name], hints, where=f"parameter of {name}")
        values: dict[str, Any] = {}
        for key in sorted(hints.keys() & document[name].keys()):
            try:
                values[key] = _entry(document[name][key], hints[key], where=f"{name}.{key}")
            except ConfigError as error:
                problems.append(str(error))
        if len(values) == len(hints):
            read[name] = known[name](**values)
    if problems:
        raise ConfigError(f"{file.name} cannot be used:\n  " + "\n  ".join(sorted(problems)))
    return Parameters(**read)


@cache
def default_parameters() -> Parameters:
    """The shipped parameters."""
    return load_parameters()


def setting_names() -> tuple[str, ...]:
    """The settings there are.

    Examples
    --------
    >>> setting_names()
    ('default', 'stable')
    """
    return (DEFAULT_SETTING, *sorted(_settings()))


def setting_parameters(name: str) -> Parameters:
    """The parameters of a setting: `default` (2 to 4% of those at risk fall in a year) or `stable` (0.8 to 1.2%).

    Raises
    ------
    UnknownNameError
        No such setting.

    Examples
    --------
    >>> setting_parameters("stable").work.job_loss_month < default_parameters().work.job_loss_month
    True
    """
    if name == DEFAULT_SETTING:
        return default_parameters()
    settings = _settings()
    if name not in settings:
        raise UnknownNameError("setting of the simulator", name, setting_names())
    values = {}
    for key, entry in settings[name].items():
        if not isinstance(entry, dict) or set(entry) != {"value", "unit", "source"}:
            raise ConfigError(f"{SETTING_FILE.name}: {key} of {name} must be written as {{ value, unit, source }} and nothing else")
        values[key] = entry["value"]
    return default_parameters().changed(values)


@cache
def _settings() -> dict[str, dict[str, Any]]:
    return tomllib.loads(SETTING_FILE.read_text(encoding="utf-8"))


def _difference(found: Mapping[str, Any], expected: Mapping[str, Any], *, where: str) -> list[str]:
    unknown = [str(UnknownNameError(where, name, expected)) for name in found if name not in expected]
    return unknown + [f"{where} '{name}' is missing" for name in expected if name not in found]


def _entry(entry: Any, hint: Any, *, where: str) -> Any:
    if not isinstance(entry, dict) or set(entry) != {"value", "unit", "source"}:
        raise ConfigError(f"{where} must be written as {{ value, unit, source }} and nothing else")
    if not (entry["unit"] and entry["source"]):
        raise ConfigError(f"{where} needs a unit and a source (or the word 'assumed')")
    return _typed(entry["value"], hint, where=where)


def _typed(value: Any, hint: Any, *, where: str) -> Any:
    """`value` as the type of its parameter; a whole number may stand for a float, nothing else is converted."""
    if isinstance(hint, types.GenericAlias):
        if not isinstance(value, list | tuple) or not value:
            raise ConfigError(f"{where} is {value!r}; expected a list")
        return tuple(_typed(item, hint.__args__[0], where=where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise ConfigError(f"{where} is {value!r}; expected {hint.__name__}")
    return value
