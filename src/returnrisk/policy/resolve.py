"""A county's rules on a day: the nearest pack that has a value in force gives it, multiples are worked out from the county's end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from returnrisk.errors import PolicyDateError, PolicyNameError, PolicyPackError, UnknownNameError
from returnrisk.policy.alert_parsing import merged_keys, read_rule
from returnrisk.policy.alerts import AccountFact, AlertRule, Fact, TableFact, Threshold, TownshipFact
from returnrisk.policy.model import UNITS, DatedValue, Multiple, Pack, Parameter, Resolved, ValueType
from returnrisk.policy.parsing import Reader

if TYPE_CHECKING:
    import pandas as pd

FEN = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Policy:
    """A pack and what it inherits, nearest first; made by `load_policy`, which has checked it.

    Examples
    --------
    >>> from returnrisk.policy import load_policy
    >>> policy = load_policy("national")
    >>> policy.number("monitoring_line", dt.date(2022, 6, 30)), policy.flag("deduct_employment_cost", dt.date(2022, 6, 30))
    (Decimal('6600'), True)
    >>> policy.value("dibao_margin_line", dt.date(2022, 6, 30)).steps[0]
    'dibao_margin_line = 1.5 × dibao_line = 6600.00 [national, 2020-01-01]'
    >>> policy.number("monitorin_line", dt.date(2022, 6, 30))
    Traceback (most recent call last):
        ...
    returnrisk.errors.PolicyNameError: POL005 national: unknown parameter 'monitorin_line'; did you mean 'monitoring_line'? known: ...
    """

    packs: tuple[Pack, ...]

    @property
    def name(self) -> str:
        """Name of the pack nearest to the county."""
        return self.packs[0].name

    @property
    def names(self) -> tuple[str, ...]:
        """All parameters, as the farthest pack orders them; a nearer pack's own come after."""
        return tuple(dict.fromkeys(name for pack in reversed(self.packs) for name in pack.parameters))

    def unit(self, name: str) -> str | None:
        """Unit of a parameter (a key of `UNITS`): said where it first appears."""
        return next((p.unit for p in reversed(self._declared(name)) if p.unit), None)

    def choices(self, name: str) -> tuple[str, ...] | None:
        """The words a choice or a list may use; None where any may."""
        return next((p.choices for p in self._declared(name) if p.choices), None)

    def bounds(self, name: str) -> tuple[Decimal | None, Decimal | None]:
        """Least and most a number may be, or a list may have words: said where it first appears."""
        farthest = self._declared(name)[-1]
        return farthest.least, farthest.most

    def label(self, name: str) -> tuple[str, str]:
        """Chinese and English name of a parameter, of the nearest pack that says one."""
        declared = self._declared(name)
        return next(((p.label_zh, p.label_en) for p in declared if p.label_zh and p.label_en), (name, name))

    def value(self, name: str, day: dt.date) -> Resolved:
        """The value of a parameter on a day, with the pack it comes from and the steps that led to it.

        Raises
        ------
        PolicyNameError
            POL005: no such parameter.
        PolicyDateError
            POL006, POL007: no value is in force on the day, in any pack.
        PolicyPackError
            POL012: multiples lead back to themselves (found when the pack is loaded, too).
        """
        return self._resolve(name, day, ())

    def number(self, name: str, day: dt.date) -> Decimal:
        """A number; its unit is `unit(name)`. Raises as `value` does, and PolicyNameError (POL017) for what is no number."""
        found: Decimal = self._typed(name, day, "number")
        return found

    def flag(self, name: str, day: dt.date) -> bool:
        """True or false. Raises as `number` does."""
        found: bool = self._typed(name, day, "flag")
        return found

    def choice(self, name: str, day: dt.date) -> str:
        """One word of a closed list. Raises as `number` does."""
        found: str = self._typed(name, day, "choice")
        return found

    def listed(self, name: str, day: dt.date) -> tuple[str, ...]:
        """Words in the pack's order (numbers as text: disability grades are "1", "2"). Raises as `number` does."""
        found: tuple[str, ...] = self._typed(name, day, "list")
        return found

    def serves(self, division_code: int | str) -> bool:
        """Whether every pack of the chain may be used for a division code (6, 9 or 12 digits)."""
        return all(not p.areas or str(division_code).startswith(p.areas) for p in self.packs)

    def require_area(self, division_code: int | str) -> None:
        """Refuse to serve another province: PolicyPackError (POL016)."""
        if not self.serves(division_code):
            pack = next(p for p in self.packs if p.areas and not str(division_code).startswith(p.areas))
            raise PolicyPackError(
                f"POL016 {pack.name}, areas: is for division codes beginning with {', '.join(pack.areas)}, not for {division_code}",
                codes=("POL016",),
            )

    def frame(self, day: dt.date) -> pd.DataFrame:
        """All parameters on a day, one row each.

        Returns
        -------
        DataFrame
            name, label_zh, label_en, value (Decimal, bool, str or tuple; None where none is in force), unit, kind, pack, valid_from,
            document, article; in the order of `names`.

        Raises
        ------
        PolicyDateError
            POL006: not one parameter has a value on the day.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for name in self.names:
            zh, en = self.label(name)
            row: dict[str, Any] = {"name": name, "label_zh": zh, "label_en": en, "value": None, "unit": self.unit(name)}
            try:
                found = self.value(name, day)
            except PolicyDateError as error:
                if not any(value.valid_from <= day for pack in self.packs for p in pack.parameters.values() for value in p.values):
                    raise error from None
                rows.append(row)
                continue
            said = found.reference
            row |= {"value": found.value, "kind": found.kind, "pack": found.pack, "valid_from": found.valid_from}
            rows.append(row | {"document": said and said.document, "article": said and said.article})
        columns = ["name", "label_zh", "label_en", "value", "unit", "kind", "pack", "valid_from", "document", "article"]
        return pd.DataFrame(rows, columns=columns, dtype=object)

    def alert_rules(self, day: dt.date, *, every: bool = False) -> tuple[AlertRule, ...]:
        """Alert rules that are switched on and in force on a day, by name, thresholds worked out for the day.

        Parameters
        ----------
        day
            The day of screening.
        every
            Also those switched off, or not in force.

        Raises
        ------
        PolicyDateError
            A threshold is a multiple of a parameter without a value on the day.
        """
        rules = []
        for name in sorted({name for pack in self.packs for name in pack.alerts}):
            entries = [pack.alerts[name] for pack in reversed(self.packs) if name in pack.alerts]
            rule = read_rule(Reader(entries[-1].pack), name, merged_keys(entries))
            in_force = (rule.valid_from is None or rule.valid_from <= day) and (rule.until is None or day <= rule.until)
            if every or (rule.on and in_force):
                due = int(self.number("alert_due_days", day)) if rule.due_days is None else rule.due_days
                rules.append(replace(rule, due_days=due, facts=tuple(self._on_day(fact, day) for fact in rule.facts)))
        return tuple(rules)

    # -- how ------------------------------------------------------------------------------------------------------------------

    def _declared(self, name: str) -> Sequence[Parameter]:
        """What each pack says of a parameter, nearest first."""
        found = [pack.parameters[name] for pack in self.packs if name in pack.parameters]
        if not found:
            unknown = UnknownNameError("parameter", name, self.names)
            raise PolicyNameError(f"POL005 {self.name}: {unknown}", codes=("POL005",))
        return found

    def _typed(self, name: str, day: dt.date, wanted: ValueType) -> Any:
        found = self.value(name, day)
        if UNITS[found.unit].type != wanted:
            text = f"holds {UNITS[found.unit].en} ({found.unit}), but was asked for as {wanted}"
            raise PolicyNameError(f"POL017 {self.name}, {name}: {text}", codes=("POL017",))
        return found.value

    def _resolve(self, name: str, day: dt.date, path: tuple[str, ...]) -> Resolved:
        if name in path:
            circle = " → ".join((*path[path.index(name) :], name))
            raise PolicyPackError(f"POL012 {self.name}, {name}: multiples lead back to themselves: {circle}", codes=("POL012",))
        declared = self._declared(name)
        skipped: list[str] = []
        for pack in self.packs:
            if (parameter := pack.parameters.get(name)) is None:
                continue
            if (dated := parameter.on(day)) is not None:
                found = self._worked_out(pack, parameter, dated, day, path)
                return replace(found, steps=(*skipped, *found.steps))
            skipped.append(f"{name}: {pack.name} 在 {day} 无生效值 / has no value in force on {day}")
        raise self._no_value(name, declared, day)

    def _worked_out(self, pack: Pack, parameter: Parameter, dated: DatedValue, day: dt.date, path: tuple[str, ...]) -> Resolved:
        """The value of one pack: as it stands, or as a multiple of another parameter's value on the same day."""
        name, unit = parameter.name, self.unit(parameter.name) or ""
        place = f"[{pack.name}, {dated.valid_from}]"
        value = dated.content
        steps: tuple[str, ...]
        if isinstance(value, Multiple):
            base = self._resolve(value.base, day, (*path, name))
            product = _times(value, base.value, money=UNITS[unit].money)
            steps = (f"{name} = {value.factor} × {value.base} = {product} {place}", *base.steps)
            value = product
        else:
            steps = (f"{name} = {value_text(value)} {place}",)
        return Resolved(
            name=name,
            value=value,
            unit=unit,
            pack=pack.name,
            valid_from=dated.valid_from,
            kind=parameter.kind,
            reference=dated.reference or parameter.reference,
            steps=steps,
        )

    def _no_value(self, name: str, declared: Sequence[Parameter], day: dt.date) -> PolicyDateError:
        values = [v for p in declared for v in p.values]
        owner = next(pack.name for pack in reversed(self.packs) if name in pack.parameters)
        first = min(v.valid_from for v in values)
        if day < first:
            text = f"no value on {day}: the first is in force from {first}"
            code = "POL006"
        else:
            ended = max(v.until for v in values if v.until is not None and v.until < day)
            text, code = f"no value on {day}: the last one ended on {ended}", "POL007"
        text += ". Look at another day, or give a value for it in the county's own pack"
        return PolicyDateError(f"{code} {owner}, {name}: {text}", codes=(code,))

    def _on_day(self, fact: Fact, day: dt.date) -> Fact:
        """A fact whose threshold is the number of the day."""
        if (
            not isinstance(fact, (TableFact, AccountFact, TownshipFact))
            or fact.threshold is None
            or isinstance(fact.threshold, Threshold)
        ):
            return fact
        if isinstance(fact.threshold, Decimal):
            return replace(fact, threshold=Threshold(fact.threshold, str(fact.threshold)))
        multiple = fact.threshold
        base = self.number(multiple.base, day)
        if multiple.factor == 1:
            return replace(fact, threshold=Threshold(base, f"{multiple.base} = {base}"))
        number = _times(multiple, base, money=UNITS[self.unit(multiple.base) or ""].money)
        return replace(fact, threshold=Threshold(number, f"{multiple.factor} × {multiple.base} = {number}"))


def value_text(value: Any) -> str:
    """A value as people read it; words are parted by the Chinese comma.

    Examples
    --------
    >>> value_text(True), value_text(("pension", "dibao")), value_text(Decimal("0.10"))
    ('是 true', 'pension、dibao', '0.10')
    """
    if isinstance(value, bool):
        return "是 true" if value else "否 false"
    return "、".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


def _times(multiple: Multiple, base: Any, *, money: bool) -> Decimal:
    """Exact; money is rounded to the fen."""
    if not isinstance(base, Decimal):
        raise PolicyNameError(f"POL017 {multiple.base}: is no number that could be multiplied", codes=("POL017",))
    product = multiple.factor * base
    return product.quantize(FEN, rounding=ROUND_HALF_UP) if money else product
