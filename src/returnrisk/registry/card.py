"""A model's card: what it is for, what it was fitted on, how well it did, where it must not be trusted.

A card is a plain dictionary so that it travels as JSON:

    name, purpose, cohort, outcome, data_fingerprint      text
    periods     {"fit": [days], "calibrate": [days], "test": [days]}, ISO dates
    n, events   {"fit": int, "calibrate": int, "test": int}, household-days and falls
    metrics     [{"population", "score", "metric", "value", "low", "high", "n", "base_rate"}, ...], no figure without its interval and base rate
    limits      [text, ...]
    groups      [{"zh", "en", "n", "n_fallen", "recall", ...}, ...], how much of each group's falls the lists hold (not of cards of before)

`recalibration` is what moved since the parent (`returnrisk.recalibration`). Further keys are kept and shown at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_TEXTS = ("name", "purpose", "cohort", "outcome", "data_fingerprint")
_PARTS = ("fit", "calibrate", "test")
_METRIC = ("population", "score", "metric", "value", "low", "high", "n", "base_rate")
_COMPARED = ("before", "after", "difference")
GROUP = (
    "zh",
    "en",
    "n",
    "n_fallen",
    "recall",
    "recall_low",
    "recall_high",
    "recall_ratio",
    "recall_ratio_low",
    "recall_ratio_high",
    "claimed",
)
"""Of one group: household-days, households that fell, recall of the list, its ratio to that of all others, and whether "missed more" stands."""
_KNOWN = (*_TEXTS, "periods", "n", "events", "metrics", "limits")


def card_problems(card: Mapping[str, Any]) -> list[str]:
    """Everything a card lacks; empty when it is complete.

    Examples
    --------
    >>> card_problems({"name": "fall-12m"})[0]
    'card lacks purpose, cohort, outcome, data_fingerprint, periods, n, events, metrics, limits'
    """
    problems = [f"card lacks {', '.join(missing)}"] if (missing := [key for key in _KNOWN if key not in card]) else []
    problems += [f"card: {key} is not a text" for key in _TEXTS if not isinstance(card.get(key, ""), str)]
    for key in ("periods", "n", "events"):
        value = card.get(key, dict.fromkeys(_PARTS))
        if not isinstance(value, Mapping) or set(_PARTS) - set(value):
            problems.append(f"card: {key} needs {', '.join(_PARTS)}")
    for position, record in enumerate(card.get("groups", ())):
        if absent := [key for key in GROUP if key not in record]:
            problems.append(f"card: group {position} lacks {', '.join(absent)}: no group without its size and interval")
    for position, record in enumerate(card.get("metrics", ())):
        absent = [key for key in _METRIC if key not in record]
        if absent:
            problems.append(f"card: metric {position} lacks {', '.join(absent)}: no figure without n, base rate and interval")
    return problems


def render_card(card: Mapping[str, Any]) -> str:
    """The card as Markdown, every fact of the dictionary in it, in a fixed order.

    Raises
    ------
    KeyError
        The card is incomplete; ask `card_problems` first.
    """
    lines = [f"# {card['name']}", "", str(card["purpose"]), ""]
    lines += [f"- Cohort: {card['cohort']}", f"- Outcome: {card['outcome']}", f"- Data: `{card['data_fingerprint']}`", ""]
    lines += ["## Periods", "", "| part | first day | last day | days | household-days | falls |", "|---|---|---|---:|---:|---:|"]
    for part in _PARTS:
        days = [str(day) for day in card["periods"][part]]
        ends = (min(days), max(days)) if days else ("none", "none")
        lines.append(f"| {part} | {ends[0]} | {ends[1]} | {len(days)} | {card['n'][part]} | {card['events'][part]} |")
    lines += [
        "",
        "## How well it did",
        "",
        "| at risk | score | metric | value | interval | n | base rate |",
        "|---|---|---|---:|---|---:|---:|",
    ]
    lines += [
        f"| {r['population']} | {r['score']} | {r['metric']} | {_figure(r['value'])} | {_figure(r['low'])} to {_figure(r['high'])} | {r['n']} | {_figure(r['base_rate'])} |"
        for r in card["metrics"]
    ]
    lines += _groups(card.get("groups", ()))
    lines += ["", "## Limits", "", *[f"- {limit}" for limit in card["limits"]], ""]
    lines += _recalibration(card.get("recalibration"))
    if extra := sorted(set(card) - {*_KNOWN, "groups", "recalibration"}):
        lines += ["## Further facts", "", *[f"- {key}: {card[key]}" for key in extra], ""]
    return "\n".join(lines)


def _groups(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Whom the lists missed more on the test days."""
    if not records:
        return []
    head = [
        "| group | household-days | households that fell | recall of the list | times that of all others | missed more, beyond chance |"
    ]
    rows = [
        f"| {r['zh']} / {r['en']} | {r['n']} | {r['n_fallen']} | {_figure(r['recall'])} ({_figure(r['recall_low'])} to {_figure(r['recall_high'])}) | "
        f"{_figure(r['recall_ratio'])} ({_figure(r['recall_ratio_low'])} to {_figure(r['recall_ratio_high'])}) | {'yes' if r['claimed'] else 'no'} |"
        for r in records
    ]
    return ["", "## Groups", "", *head, "|---|---:|---:|---|---|---|", *rows]


def _recalibration(facts: Mapping[str, Any] | None) -> list[str]:
    """What moved since the parent, and whether it was for the better on days neither had seen; nothing of a model that was trained."""
    if facts is None:
        return []
    compared = facts["before_and_after"]
    rows = [
        f"| {r['metric']} | "
        + " | ".join(f"{_figure(r[c])} ({_figure(r[f'{c}_low'])} to {_figure(r[f'{c}_high'])})" for c in _COMPARED)
        + " |"
        for r in compared
    ]
    said = [f"- {key}: {value}" for key, value in facts.items() if key != "before_and_after"]
    head = ["| held-out days | before | after | difference |", "|---|---|---|---|"]
    return ["## Recalibrated", "", *said, "", *head, *rows, ""]


def _figure(value: float | None) -> str:
    return "not computable" if value is None else f"{value:.4f}"
