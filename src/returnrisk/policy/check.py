"""What makes a chain of packs unusable: collected over all of them, so that a person sees everything at once."""

from __future__ import annotations

import datetime as dt
import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from returnrisk.errors import PolicyError, UnknownNameError
from returnrisk.policy.alert_parsing import merged_keys, override_problems, read_rule
from returnrisk.policy.alerts import AccountFact, AlertEntry, AlertRule, TableFact, TownshipFact
from returnrisk.policy.codes import Problem
from returnrisk.policy.model import UNITS, DatedValue, Multiple, Pack, Parameter, UnitForm, Value
from returnrisk.policy.parsing import Reader
from returnrisk.policy.resolve import Policy

LINES = ("dibao_line", "dibao_margin_line", "other_low_income_line")
"""None of them lies below the one before it."""


def chain_problems(packs: Sequence[Pack]) -> list[Problem]:
    """Everything wrong with packs that inherit from each other, nearest first."""
    return [
        *_area_problems(packs),
        *_parameter_problems(packs),
        *_circle_problems(packs),
        *_bound_problems(packs),
        *_alert_problems(packs),
    ]


def alert_entries(packs: Sequence[Pack]) -> Mapping[str, tuple[AlertEntry, ...]]:
    """What each pack says of each alert rule, by name, farthest pack first."""
    names = dict.fromkeys(name for pack in reversed(packs) for name in pack.alerts)
    return {name: tuple(p.alerts[name] for p in reversed(packs) if name in p.alerts) for name in names}


def _area_problems(packs: Sequence[Pack]) -> Iterator[Problem]:
    for pack, parent in itertools.pairwise(packs):
        outside = [a for a in pack.areas if parent.areas and not a.startswith(parent.areas)]
        if outside:
            yield Problem("POL016", pack.name, "areas", f"{', '.join(outside)} is outside the areas of its parent {parent.name}")


def _parameter_problems(packs: Sequence[Pack]) -> Iterator[Problem]:
    policy = Policy(tuple(packs))
    for i, pack in enumerate(packs):
        farther = Policy(tuple(packs[i + 1 :])) if packs[i + 1 :] else None
        for parameter in pack.parameters.values():
            inherited = farther is not None and parameter.name in farther.names
            if not inherited and (parameter.label_zh is None or parameter.unit is None):
                text = "appears here first: give its label in both languages, and its unit"
                yield Problem("POL015", pack.name, parameter.name, text)
            if inherited and farther is not None and parameter.unit not in {None, farther.unit(parameter.name)}:
                text = f"has unit {parameter.unit}, but {farther.unit(parameter.name)} where it is inherited from"
                yield Problem("POL010", pack.name, parameter.name, text)
            elif (unit := policy.unit(parameter.name)) is not None:
                yield from _value_problems(policy, pack, parameter, unit)


def _value_problems(policy: Policy, pack: Pack, parameter: Parameter, unit: str) -> Iterator[Problem]:
    form = UNITS[unit]
    choices = policy.choices(parameter.name)
    if form.type == "choice" and choices is None:
        yield Problem("POL015", pack.name, parameter.name, "is a choice without a list of choices")
    for value in parameter.values:
        key = f"{parameter.name}.{value.valid_from}"
        if isinstance(value.content, Multiple):
            yield from _multiple_problems(policy, pack, key, value.content, form)
        elif (text := _misfit(value, form, unit)) is not None:
            yield Problem("POL009", pack.name, key, text)
        elif choices is not None:
            words = value.content if isinstance(value.content, tuple) else (str(value.content),)
            for word in words:
                if word not in choices:
                    yield Problem("POL014", pack.name, key, str(UnknownNameError("choice", word, choices)))


def _multiple_problems(policy: Policy, pack: Pack, key: str, multiple: Multiple, form: UnitForm) -> Iterator[Problem]:
    if form.type != "number":
        yield Problem("POL013", pack.name, key, f"is a multiple, but its unit holds {form.en}")
    elif multiple.base not in policy.names:
        yield Problem("POL013", pack.name, key, _unknown(policy, multiple.base))
    elif (unit := policy.unit(multiple.base)) is not None and (UNITS[unit].type != "number" or not _alike(form, UNITS[unit])):
        yield Problem("POL013", pack.name, key, f"is {form.en}, but a multiple of {multiple.base}, which is {UNITS[unit].en}")


def _alike(one: UnitForm, other: UnitForm) -> bool:
    """Money of money, days of days; a share is a ratio."""
    plain = {UNITS["share"], UNITS["ratio"]}
    return one == other or (one.money and other.money) or {one, other} <= plain


def _unknown(policy: Policy, name: str) -> str:
    """An unknown parameter: with the name that was probably meant, and only without one with all there are."""
    near = difflib.get_close_matches(name, policy.names, n=1)
    if near:
        return f"unknown parameter '{name}'; did you mean '{near[0]}'?"
    return str(UnknownNameError("parameter", name, policy.names))


def _misfit(value: DatedValue, form: UnitForm, unit: str) -> str | None:
    """Why a plain value cannot have this unit."""
    content = value.content
    fits: Mapping[str, type] = {"number": Decimal, "flag": bool, "choice": str, "list": tuple}
    if isinstance(content, bool) is not (form.type == "flag") or not isinstance(content, fits[form.type]):
        return f"is {_shown(content)}, but unit {unit} holds {form.en}"
    if isinstance(content, tuple) and len(set(content)) < len(content):
        return "names a word twice"
    if isinstance(content, Decimal):
        if content < 0 or (form.maximum is not None and content > form.maximum):
            return f"is {content}; expected {'0 to ' + str(form.maximum) if form.maximum is not None else '0 or more'} ({form.en})"
        if form.whole and content != int(content):
            return f"is {content}; expected a whole number ({form.en})"
    return None


def _shown(content: Value | Multiple) -> str:
    if isinstance(content, tuple):
        return "a list of words"
    return {True: "true", False: "false"}[content] if isinstance(content, bool) else f"'{content}'"


def _circle_problems(packs: Sequence[Pack]) -> Iterator[Problem]:
    """Multiples that cannot be worked out on the day they begin, or on any day on which another value begins or ends."""
    policy = Policy(tuple(packs))
    seen: set[tuple[str, str]] = set()
    for day in _days(packs):
        for name in policy.names:
            found = _in_force(packs, name, day)
            if found is None or not isinstance(found[1].content, Multiple) or found[1].content.base not in policy.names:
                continue
            pack, value = found
            try:
                policy.value(name, day)
            except PolicyError as error:
                key = f"{name}.{value.valid_from}"
                # POL005, POL017: the base is unknown or no number, which is said once, where it is written
                if (error.codes[0], key) not in seen and error.codes[0] not in {"POL005", "POL017"}:
                    seen.add((error.codes[0], key))
                    yield Problem(error.codes[0], pack.name, key, f"on {day}: {str(error).split(': ', 1)[-1]}")


def _days(packs: Sequence[Pack]) -> list[dt.date]:
    """Days on which a value begins, or has ended."""
    values = [v for pack in packs for p in pack.parameters.values() for v in p.values]
    return sorted({v.valid_from for v in values} | {v.until + dt.timedelta(days=1) for v in values if v.until})


def _in_force(packs: Sequence[Pack], name: str, day: dt.date) -> tuple[Pack, DatedValue] | None:
    """The value of the nearest pack that has one in force, and that pack."""
    return next(((p, v) for p in packs if name in p.parameters and (v := p.parameters[name].on(day))), None)


def _bound_problems(packs: Sequence[Pack]) -> Iterator[Problem]:
    """Values out of bounds, and lines in the wrong order, as worked out on the days on which something changes; each once."""
    policy = Policy(tuple(packs))
    seen: set[str] = set()
    for day in _days(packs):
        values = {name: found for name in policy.names if (found := _value_on(policy, name, day)) is not None}
        for name, value in values.items():
            holder = _in_force(packs, name, day)
            if holder is None:
                continue
            pack, dated = holder
            text = _out_of_bounds(policy, name, value, multiple=isinstance(dated.content, Multiple))
            key = f"{name}.{dated.valid_from}"
            if text is not None and key not in seen:
                seen.add(key)
                yield Problem("POL009", pack.name, key, f"on {day}: {text}")
        for lower, upper in itertools.pairwise(name for name in LINES if name in values):
            below, above = values[lower], values[upper]
            wrong = isinstance(below, Decimal) and isinstance(above, Decimal) and above < below
            if wrong and upper not in seen:
                seen.add(upper)
                yield Problem("POL018", policy.name, upper, f"on {day}: is {above}, below {lower}, which is {below}")


def _value_on(policy: Policy, name: str, day: dt.date) -> Value | None:
    """The value; None where there is none, or what is wrong with it is said elsewhere."""
    unit = policy.unit(name)
    try:
        found = None if unit is None else policy.value(name, day).value
    except PolicyError:
        return None
    kinds: Mapping[str, type] = {"number": Decimal, "flag": bool, "choice": str, "list": tuple}
    return found if unit is not None and isinstance(found, kinds[UNITS[unit].type]) else None


def _out_of_bounds(policy: Policy, name: str, value: Value, *, multiple: bool) -> str | None:
    """Why a value cannot be; that a multiple is zero is its base's fault."""
    least, most = policy.bounds(name)
    if isinstance(value, Decimal):
        if UNITS[policy.unit(name) or ""].positive and value == 0 and not multiple:
            return "is 0; expected more than 0"
        size, said = value, str(value)
    elif isinstance(value, tuple):
        size = Decimal(len(value))
        said = f"a list of {size} words"
    else:
        return None
    if least is not None and size < least:
        return f"is {said}; expected at least {least}"
    return f"is {said}; expected at most {most}" if most is not None and size > most else None


def _alert_problems(packs: Sequence[Pack]) -> Iterator[Problem]:
    policy = Policy(tuple(packs))
    for name, entries in alert_entries(packs).items():
        reader = Reader(entries[-1].pack)
        override_problems(reader, entries)
        rule = read_rule(reader, name, merged_keys(entries))
        yield from reader.problems
        yield from _base_problems(policy, rule)


def _base_problems(policy: Policy, rule: AlertRule) -> Iterator[Problem]:
    """Thresholds that are multiples of what is no number, and a due date that nothing gives."""
    if rule.due_days is None and "alert_due_days" not in policy.names:
        yield Problem("POL022", rule.pack, rule.name, "has no due_days, and no pack has the parameter alert_due_days")
    for fact in rule.facts:
        if isinstance(fact, (TableFact, AccountFact, TownshipFact)) and isinstance(fact.threshold, Multiple):
            base = fact.threshold.base
            if base not in policy.names:
                yield Problem("POL022", rule.pack, rule.name, _unknown(policy, base))
            elif (unit := policy.unit(base)) is not None and UNITS[unit].type != "number":
                yield Problem("POL022", rule.pack, rule.name, f"compares with {base}, which is {UNITS[unit].en}")
