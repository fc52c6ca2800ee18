"""The syntax of alert rules: keys of a pack's `alerts` to `AlertRule`, closed lists everywhere, every problem kept.

Names of tables, columns, codes and categories are checked where a rule is evaluated, against the contracts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

from returnrisk.errors import UnknownNameError
from returnrisk.policy import alerts as a
from returnrisk.policy.model import Multiple
from returnrisk.policy.parsing import Reader, read_multiple

RULE_KEYS = (
    "title", "on", "kind", "reference", "office", "channel", "cause", "must_visit", "due_days", "group", "facts", "from", "until",
)  # fmt: skip
NEEDED_KEYS = ("title", "on", "kind", "office", "channel", "cause", "must_visit", "facts")
TABLE_FACT_KEYS = ("table", "per", "where", "window", "date", *a.AGGREGATES, *a.COMPARISONS)
TOWNSHIP_FACT_KEYS = ("township", "where", "fall_in_months", "over", "at_least")
ACCOUNT_FACT_KEYS = ("account", "change", *a.NUMBER_COMPARISONS)
CALENDARS: Mapping[str, a.WindowForm] = {"year": "calendar_year", "month": "calendar_month", "income_year": "income_year"}


def merged_keys(entries: Sequence[a.AlertEntry]) -> Mapping[str, Any]:
    """Keys of one rule, farthest pack first: a nearer pack's replace them."""
    keys: dict[str, Any] = {}
    for entry in entries:
        keys |= entry.keys
    return keys


def override_problems(reader: Reader, entries: Sequence[a.AlertEntry]) -> None:
    """A pack that changes more of an inherited rule than its switch must say whether its change is a rule or assumed."""
    for entry in entries[1:]:
        if set(entry.keys) - {"on"} and "kind" not in entry.keys:
            text = "changes more than `on` of an inherited rule: say whether the change is a rule (with its document) or assumed"
            reader.wrong("POL023", entry.name, text)


def read_rule(reader: Reader, name: str, keys: Mapping[str, Any]) -> a.AlertRule:
    """One alert rule from its merged keys; what is wrong is kept by `reader` (the rule is then of no use)."""
    said = reader.mapping(keys, RULE_KEYS, key=name, code="POL020")
    if missing := [k for k in NEEDED_KEYS if k not in said]:
        reader.wrong("POL023", name, f"does not say {', '.join(missing)}")
    title = reader.label(said.get("title"), key=f"{name}.title", code="POL020") if "title" in said else None
    kind = reader.kind(said["kind"], key=f"{name}.kind", code="POL020") if "kind" in said else "assumed"
    reference = reader.reference(said.get("reference"), key=f"{name}.reference")
    if kind == "rule" and reference is None:
        reader.wrong("POL011", name, "is a rule: name the document it is written in, or say that it is assumed")
    zh, en = title or ("", "")
    return a.AlertRule(
        name=name,
        title_zh=zh,
        title_en=en,
        pack=reader.pack,
        kind=kind,
        reference=reference,
        office=_text(reader, said, "office", key=name),
        channel=cast("a.Channel", _one_of(reader, said, "channel", a.CHANNELS, key=name)),
        cause=_one_of(reader, said, "cause", a.CAUSES, key=name),
        must_visit=_flag(reader, said, "must_visit", key=name),
        due_days=_whole(reader, said["due_days"], key=f"{name}.due_days") if "due_days" in said else None,
        group=_group(reader, said.get("group"), key=f"{name}.group"),
        facts=_facts(reader, said.get("facts"), key=name) if "facts" in said else (),
        on=_flag(reader, said, "on", key=name),
        valid_from=_day(reader, said.get("from"), key=f"{name}.from"),
        until=_day(reader, said.get("until"), key=f"{name}.until"),
    )


def _facts(reader: Reader, content: Any, *, key: str) -> tuple[a.Fact, ...]:
    if not isinstance(content, list) or not content:
        reader.wrong("POL021", f"{key}.facts", "lists no fact: the rule would hold for everybody")
        return ()
    found = (_fact(reader, raw, key=f"{key}.facts[{i}]") for i, raw in enumerate(content, start=1))
    return tuple(f for f in found if f is not None)


def _fact(reader: Reader, content: Any, *, key: str) -> a.Fact | None:
    """A fact is known by the first of its keys: table, category, guarantee, account or township."""
    kinds = {
        "table": _table_fact,
        "category": _category_fact,
        "guarantee": _guarantee_fact,
        "account": _account_fact,
        "township": _township_fact,
    }
    named = [k for k in kinds if isinstance(content, Mapping) and k in content]
    if len(named) != 1:
        reader.wrong("POL020", key, f"is about {' and '.join(named) or 'nothing'}; expected one of {', '.join(kinds)}")
        return None
    return kinds[named[0]](reader, content, key=key)


def _category_fact(reader: Reader, content: Mapping[str, Any], *, key: str) -> a.Fact:
    said = reader.mapping(content, ("category", "answer"), key=key, code="POL020")
    answer = _one_of(reader, {"answer": _yes_no(said.get("answer"))}, "answer", ("yes", "no"), key=key)
    return a.CategoryFact(_text(reader, said, "category", key=key), answer == "yes")


def _guarantee_fact(reader: Reader, content: Mapping[str, Any], *, key: str) -> a.Fact:
    said = reader.mapping(content, ("guarantee", "missing"), key=key, code="POL020")
    guarantee = _one_of(reader, said, "guarantee", a.GUARANTEES, key=key)
    return a.GuaranteeFact(guarantee, _flag(reader, said, "missing", key=key))


def _account_fact(reader: Reader, content: Mapping[str, Any], *, key: str) -> a.Fact | None:
    said = reader.mapping(content, ACCOUNT_FACT_KEYS, key=key, code="POL020")
    account = _one_of(reader, said, "account", a.ACCOUNTS, key=key)
    change = said.get("change")
    if change not in {None, "fall", "rise"}:
        reader.wrong("POL020", f"{key}.change", f"is {change!r}; expected fall or rise")
    compared = _compared(reader, said, a.NUMBER_COMPARISONS, key=key)
    if compared is None:
        return None
    threshold = _threshold(reader, said[compared], key=f"{key}.{compared}")
    return None if threshold is None else a.AccountFact(account, change, compared, threshold)


def _township_fact(reader: Reader, content: Mapping[str, Any], *, key: str) -> a.Fact | None:
    said = reader.mapping(content, TOWNSHIP_FACT_KEYS, key=key, code="POL020")
    months = said.get("fall_in_months")
    if not isinstance(months, Decimal) or months != int(months) or months < 1:
        reader.wrong("POL020", f"{key}.fall_in_months", "expected a whole number of months, from 1")
        return None
    compared = _compared(reader, said, a.RISING_COMPARISONS, key=key)
    if compared is None:
        return None
    threshold = _threshold(reader, said[compared], key=f"{key}.{compared}")
    if threshold is None:
        return None
    where = _where(reader, said.get("where"), key=f"{key}.where")
    return a.TownshipFact(_text(reader, said, "township", key=key), where, int(months), compared, threshold)


def _table_fact(reader: Reader, content: Mapping[str, Any], *, key: str) -> a.Fact | None:
    said = reader.mapping(content, TABLE_FACT_KEYS, key=key, code="POL020")
    asked = [g for g in a.AGGREGATES if g in said]
    if len(asked) != 1:
        reader.wrong("POL020", key, f"asks for {' and '.join(asked) or 'nothing'}; expected one of {', '.join(a.AGGREGATES)}")
        return None
    aggregate = asked[0]
    of = said[aggregate]
    if not isinstance(of, bool if aggregate == "exists" else str):
        reader.wrong(
            "POL020", f"{key}.{aggregate}", "expected true or false" if aggregate == "exists" else "expected the name of a column"
        )
        return None
    comparison, threshold, answers = _comparison(reader, said, aggregate, key=key)
    date = _text(reader, said, "date", key=key) if "date" in said else None
    return a.TableFact(
        table=_text(reader, said, "table", key=key),
        per="person"
        if _one_of(reader, {"per": "household", **said}, "per", ("household", "person"), key=key) == "person"
        else "household",
        aggregate=aggregate,
        column=None if aggregate == "exists" or (aggregate == "count" and of == "rows") else str(of),
        where=_where(reader, said.get("where"), key=f"{key}.where"),
        window=_window(reader, said.get("window", "now" if aggregate == "latest" else None), key=f"{key}.window"),
        date=date,
        comparison=comparison,
        threshold=threshold,
        answers=answers,
        wanted=of is not False,
    )


def _comparison(
    reader: Reader, said: Mapping[str, Any], aggregate: a.Aggregate, *, key: str
) -> tuple[a.Comparison | None, Multiple | Decimal | None, tuple[str | int | bool, ...]]:
    """What the aggregate is compared with: nothing (exists), a number, or codes (latest)."""
    if aggregate == "exists":
        if extra := [c for c in a.COMPARISONS if c in said]:
            reader.wrong("POL020", key, f"asks whether a row exists: {', '.join(extra)} means nothing there")
        return None, None, ()
    compared = _compared(reader, said, a.COMPARISONS if aggregate == "latest" else a.NUMBER_COMPARISONS, key=key)
    if compared is None:
        return None, None, ()
    if compared in {"is", "not"}:
        return compared, None, _codes(reader, said[compared], key=f"{key}.{compared}")
    return compared, _threshold(reader, said[compared], key=f"{key}.{compared}"), ()


def _compared(reader: Reader, said: Mapping[str, Any], known: tuple[a.Comparison, ...], *, key: str) -> a.Comparison | None:
    found = [c for c in a.COMPARISONS if c in said]
    if len(found) != 1 or found[0] not in known:
        reader.wrong("POL020", key, f"is compared by {' and '.join(found) or 'nothing'}; expected one of {', '.join(known)}")
        return None
    return found[0]


def _threshold(reader: Reader, content: Any, *, key: str) -> Multiple | Decimal | None:
    """A number, `{times: NAME, factor: NUMBER}`, or `{parameter: NAME}`."""
    if isinstance(content, Decimal):
        return content
    if isinstance(content, Mapping) and set(content) == {"parameter"} and isinstance(content["parameter"], str):
        return Multiple(content["parameter"], Decimal(1))
    if isinstance(content, Mapping) and set(content) == {"times", "factor"}:
        return read_multiple(reader, content, key=key, code="POL020")
    reader.wrong("POL020", key, "expected a number, {times: NAME, factor: NUMBER} or {parameter: NAME}")
    return None


def _where(reader: Reader, content: Any, *, key: str) -> tuple[a.Condition, ...]:
    """Columns with the codes a row may have, or with one comparison: all of them hold for a row that counts."""
    if content is None:
        return ()
    if not isinstance(content, Mapping):
        reader.wrong("POL020", key, "expected columns with their codes: {kind: [inpatient]}")
        return ()
    found = []
    for column, wanted in content.items():
        if isinstance(wanted, Mapping):
            (name, number) = next(iter(wanted.items()), (None, None))
            if len(wanted) != 1 or name not in a.NUMBER_COMPARISONS or not isinstance(number, Decimal):
                reader.wrong(
                    "POL020", f"{key}.{column}", f"expected codes, or one of {', '.join(a.NUMBER_COMPARISONS)} with a number"
                )
                continue
            found.append(a.Condition(str(column), comparison=name, number=number))
        else:
            found.append(a.Condition(str(column), values=_codes(reader, wanted, key=f"{key}.{column}")))
    return tuple(found)


def _window(reader: Reader, content: Any, *, key: str) -> a.FactWindow:
    """`now`, `{months: 12}`, `{days: 31}` (each with `skip`), `{calendar: year | month | income_year}`."""
    if content == "now":
        return a.FactWindow("now")
    if isinstance(content, Mapping) and set(content) == {"calendar"} and content["calendar"] in CALENDARS:
        return a.FactWindow(CALENDARS[content["calendar"]])
    for form in ("months", "days"):
        if isinstance(content, Mapping) and form in content and set(content) <= {form, "skip"}:
            length, skip = content[form], content.get("skip", Decimal(0))
            if all(isinstance(n, Decimal) and n == int(n) and n >= 0 for n in (length, skip)) and length >= 1:
                return a.FactWindow(form, int(length), int(skip))
    reader.wrong("POL020", key, "expected now, {months: 12}, {days: 31} or {calendar: year | month | income_year}")
    return a.FactWindow("now")


def _group(reader: Reader, content: Any, *, key: str) -> Mapping[str, tuple[str, ...] | bool]:
    if content is None:
        return {}
    found: dict[str, tuple[str, ...] | bool] = {}
    for name, wanted in reader.mapping(content, a.GROUP_KEYS, key=key, code="POL020").items():
        if name in {"registered", "category"}:
            found[name] = tuple(map(str, _codes(reader, wanted, key=f"{key}.{name}")))
        elif isinstance(wanted, bool):
            found[name] = wanted
        else:
            reader.wrong("POL020", f"{key}.{name}", "expected true or false")
    return found


def _codes(reader: Reader, content: Any, *, key: str) -> tuple[str | int | bool, ...]:
    """One code or a list of them: words, whole numbers, true or false."""
    found = content if isinstance(content, list) else [content]
    good = [c for c in found if isinstance(c, (str, bool)) or (isinstance(c, Decimal) and c == int(c))]
    if not good or len(good) < len(found):
        reader.wrong("POL020", key, "expected codes: words, whole numbers, true or false")
    return tuple(int(c) if isinstance(c, Decimal) else c for c in good)


def _text(reader: Reader, said: Mapping[str, Any], name: str, *, key: str) -> str:
    content = said.get(name)
    if isinstance(content, str) and content.strip():
        return content
    if name in said:
        reader.wrong("POL020", f"{key}.{name}", "expected a word")
    return ""


def _one_of(reader: Reader, said: Mapping[str, Any], name: str, known: Iterable[str], *, key: str) -> str:
    content = said.get(name)
    if isinstance(content, str) and content in set(known):
        return content
    if name in said:
        reader.wrong("POL020", f"{key}.{name}", str(UnknownNameError(name, str(content), known)))
    return next(iter(known))


def _yes_no(content: Any) -> Any:
    return {True: "yes", False: "no"}[content] if isinstance(content, bool) else content


def _flag(reader: Reader, said: Mapping[str, Any], name: str, *, key: str) -> bool:
    content = said.get(name)
    if isinstance(content, bool):
        return content
    if name in said:
        reader.wrong("POL020", f"{key}.{name}", "expected true or false")
    return False


def _whole(reader: Reader, content: Any, *, key: str) -> int | None:
    if isinstance(content, Decimal) and content == int(content) and content >= 0:
        return int(content)
    reader.wrong("POL020", key, "expected a whole number of days")
    return None


def _day(reader: Reader, content: Any, *, key: str) -> dt.date | None:
    if content is None or type(content) is dt.date:
        return content
    reader.wrong("POL020", key, "expected a day such as 2024-01-01")
    return None
