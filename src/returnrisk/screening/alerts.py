"""Alerts: every rule of the pack that is switched on, for every household, with the records it rests on.

An alert is a rule, a household and the records that made the rule true; its id is a hash of these, so that the same facts give the same
alert on any later day or run, and new facts a new one. What cannot be told raises nothing and is counted.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.errors import UsageError
from returnrisk.policy import AlertRule, CategoryFact, Policy
from returnrisk.screening.alert_checks import check_alert_rules
from returnrisk.screening.alert_evidence import fact_words, with_amount
from returnrisk.screening.alert_facts import category_answer, fact_answers, threshold_of
from returnrisk.screening.alert_ledger import RAISED_COLUMNS, STATE_COLUMNS, alert_states, approvals
from returnrisk.screening.alert_records import FactRecords, fact_records
from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

GROUP_FACTS = {"monitored": "monitored", "resettled": "resettled", "with_labour": "has_labour"}
RECORD_SEPARATOR = ";"
RULE_COLUMNS = ("rule", "title_zh", "title_en", "office", "channel", "n_households", "n_yes", "n_no", "n_cannot_tell", "n_alerts")


@dataclass(frozen=True, slots=True)
class RaisedAlerts:
    """What a screening raised.

    Attributes
    ----------
    alerts
        One row per alert, by alert_id: `alert_ledger.RAISED_COLUMNS` and `STATE_COLUMNS`.
    rules
        One row per rule that was looked at, by name, `RULE_COLUMNS`: names, office and channel; households screened, for how many it holds, does not, or cannot
        be told (n_yes + n_no + n_cannot_tell = n_households), and alerts in `alerts`.
    """

    alerts: pd.DataFrame
    rules: pd.DataFrame


def raise_alerts(
    view: View,
    *,
    policy: Policy,
    facts: ir.Table,
    categories: ir.Table | None = None,
    category_labels: Mapping[str, tuple[str, str]] | None = None,
    since: dt.date | None = None,
    known: pd.DataFrame | None = None,
    rules: Sequence[AlertRule] | None = None,
) -> RaisedAlerts:
    """Alerts of the view's day.

    Parameters
    ----------
    facts
        One row per household (`household_facts`); hold it as a table (`kept_facts`), every rule reads it.
    categories
        Long answers of the categories (household_id, category, answer); needed by rules that ask for one.
    category_labels
        Code of every category to its Chinese and English name: rules are checked against it and evidence speaks in it.
    since
        Only alerts whose deciding record was recorded on or after this day.
    known
        The ledger so far: an alert in it, or one that rests on nothing but records of earlier alerts of its rule and household, is
        not raised again.
    rules
        Rules to look at, thresholds worked out for the day; by default those of the pack that are switched on and in force.

    Raises
    ------
    PolicyNameError
        POL024: a rule names a table, column, code or category that does not exist.
    UsageError
        A rule asks for a category and there are none.
    """
    import pandas as pd

    asked = policy.alert_rules(view.day) if rules is None else tuple(rules)
    check_alert_rules(asked, contracts=view.store.contracts, categories=None if category_labels is None else set(category_labels))
    if categories is None and (names := [r.name for r in asked if _asks_category(r)]):
        raise UsageError(f"rules {', '.join(names)} ask for a category: give the categories of the day")
    n_households = int(facts.count().to_pyarrow().as_py())
    closed = approvals(view)
    seen = _Seen.of(known)
    frames, counts = [], []
    for rule in asked:
        answers = _answers(view, rule, facts=facts, categories=categories, policy=policy)
        fired = answers[answers["answer"].notna()]
        raised = _alerts_of(view, rule, fired, policy=policy, closed=closed, category_labels=category_labels)
        if since is not None:
            raised = raised[raised["raised_on"] >= since]
        raised = raised[seen.new(raised)]
        frames.append(raised)
        n_open = len(answers) - len(fired)
        said = (rule.name, rule.title_zh, rule.title_en, rule.office, rule.channel)
        counts.append((*said, n_households, len(fired), n_households - len(answers), n_open, len(raised)))
    columns = list(RAISED_COLUMNS)
    alerts = pd.concat([f for f in frames if len(f)], ignore_index=True) if any(map(len, frames)) else pd.DataFrame(columns=columns)
    alerts = alert_states(view, alerts[columns].sort_values("alert_id", ignore_index=True))
    return RaisedAlerts(alerts[[*columns, *STATE_COLUMNS]], pd.DataFrame(counts, columns=list(RULE_COLUMNS)))


@dataclass(frozen=True, slots=True)
class _Seen:
    """Alerts of the ledger, and the records earlier alerts of a rule and household rest on."""

    ids: frozenset[str]
    records: Mapping[tuple[str, int], frozenset[str]]

    @classmethod
    def of(cls, known: pd.DataFrame | None) -> _Seen:
        if known is None or known.empty:
            return cls(frozenset(), {})
        found: dict[tuple[str, int], frozenset[str]] = {}
        for rule, household, records in zip(known["rule"], known["household_id"], known["records"], strict=True):
            key = (rule, int(household))
            found[key] = found.get(key, frozenset()) | frozenset(records.split(RECORD_SEPARATOR))
        return cls(frozenset(known["alert_id"]), found)

    def new(self, raised: pd.DataFrame) -> pd.Series:
        """Which alerts are not known yet. One raised again after its closure rests on known records and is new all the same."""
        import pandas as pd

        def is_new(alert_id: str, rule: str, household: int, records: str, again: bool) -> bool:  # noqa: FBT001
            if alert_id in self.ids:
                return False
            return again or not set(records.split(RECORD_SEPARATOR)) <= self.records.get((rule, household), frozenset())

        columns = (raised[c] for c in ("alert_id", "rule", "household_id", "records", "again"))
        return pd.Series([is_new(*row) for row in zip(*columns, strict=True)], index=raised.index, dtype=bool)


def _asks_category(rule: AlertRule) -> bool:
    return "category" in rule.group or any(isinstance(f, CategoryFact) for f in rule.facts)


# -- who ---------------------------------------------------------------------------------------------------------------------------


def _answers(view: View, rule: AlertRule, *, facts: ir.Table, categories: ir.Table | None, policy: Policy) -> pd.DataFrame:
    """Households for which the rule holds (`answer` true) or cannot be told (missing): with place, and the amount of each fact."""
    group = _in_group(rule, facts, categories)
    t = facts.select("household_id", "village_code", "township_code").left_join(group, "household_id").drop("household_id_right")
    for i, fact in enumerate(rule.facts):
        found = fact_answers(view, fact, facts=facts, categories=categories, policy=policy)
        found = found.select("household_id", **{f"answer_{i}": found.answer, f"amount_{i}": found.amount})
        t = t.left_join(found, "household_id").drop("household_id_right")
    answer = functools.reduce(operator.and_, [t.is_in, *(t[f"answer_{i}"] for i in range(len(rule.facts)))])
    amounts = [f"amount_{i}" for i in range(len(rule.facts))]
    t = t.select("household_id", "village_code", "township_code", *amounts, answer=answer)
    frame: pd.DataFrame = t.filter(t.answer.isnull() | t.answer).order_by("household_id").to_pandas()
    return frame.astype({"answer": "boolean"})


def _in_group(rule: AlertRule, facts: ir.Table, categories: ir.Table | None) -> ir.Table:
    """Whether a household is one the rule is for: household_id, is_in (NULL: cannot tell)."""
    import ibis

    t = facts.select("household_id", "registered_type", *GROUP_FACTS.values())
    found = []
    for name, wanted in sorted(rule.group.items()):
        if name == "registered":
            found.append(t.registered_type.isin(wanted))
        elif name != "category":
            found.append(t[GROUP_FACTS[name]] if wanted else ~t[GROUP_FACTS[name]])
    t = t.mutate(is_in=functools.reduce(operator.and_, found, ibis.literal(True))).select("household_id", "is_in")
    codes = rule.group.get("category")
    if not isinstance(codes, tuple):
        return t
    assert categories is not None  # noqa: S101 (checked before)
    of = category_answer(categories, codes).rename(of_category="is_in")
    t = t.left_join(of, "household_id")
    return t.select("household_id", is_in=t.is_in & t.of_category)


# -- the alerts themselves ---------------------------------------------------------------------------------------------------------


def _alerts_of(
    view: View,
    rule: AlertRule,
    fired: pd.DataFrame,
    *,
    policy: Policy,
    closed: Mapping[str, Any],
    category_labels: Mapping[str, tuple[str, str]] | None,
) -> pd.DataFrame:
    """One row per alert of one rule: `RAISED_COLUMNS` and `again` (raised once more after its closure)."""
    import pandas as pd

    if fired.empty:
        return pd.DataFrame(columns=[*RAISED_COLUMNS, "again"])
    households = [int(h) for h in fired["household_id"]]
    records = [fact_records(view, fact, households=households, policy=policy) for fact in rule.facts]
    t = _parts(records)
    ids = [
        _identified(rule.name, *row, stands=all(r.kind != "event" for r in records), closed=closed)
        for row in zip(t["household_id"], t["records"], t["recorded_on"], strict=True)
    ]
    t = t.assign(alert_id=[i for i, _ in ids], again=[a for _, a in ids]).merge(fired, on="household_id")
    return _described(view, rule, t, policy=policy, category_labels=category_labels)


def _parts(records: Sequence[FactRecords]) -> pd.DataFrame:
    """One row per alert: household_id, records (sorted, joined), recorded_on (of the main fact's), raised_on.

    The main fact is the first that rests on events, else on states, else the first: each of its parts is an alert. Another fact adds
    the part of it that was on file first. Where events decide, standing facts add nothing: what changes with the year would make new
    alerts of old facts.
    """
    kinds = [r.kind for r in records]
    main = next((kinds.index(kind) for kind in ("event", "state") if kind in kinds), 0)
    t = _joined(records[main].frame, ["household_id", "part"]).drop(columns="part")
    t["raised_on"] = t["recorded_on"]
    for i, other in enumerate(records):
        if i == main or ("event" in kinds and other.kind == "standing"):
            continue
        first = _joined(other.frame, ["household_id", "part"]).sort_values(["household_id", "recorded_on", "records"])
        first = first.drop_duplicates("household_id")[["household_id", "records", "recorded_on"]]
        t = t.merge(first, on="household_id", suffixes=("", "_too"))
        t["records"] = [_sorted_records(a, b) for a, b in zip(t["records"], t["records_too"], strict=True)]
        t["raised_on"] = [max(a, b) for a, b in zip(t["raised_on"], t["recorded_on_too"], strict=True)]
        t = t.drop(columns=["records_too", "recorded_on_too"])
    return t


def _joined(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    ordered = frame.sort_values([*by, "record"])
    t = ordered.groupby(by, as_index=False).agg(records=("record", RECORD_SEPARATOR.join), recorded_on=("recorded_on", "max"))
    return t.assign(records=[_sorted_records(r) for r in t["records"]])


def _sorted_records(*texts: str) -> str:
    return RECORD_SEPARATOR.join(sorted({record for text in texts for record in text.split(RECORD_SEPARATOR)}))


def _identified(
    rule: str, household: int, records: str, recorded_on: dt.date, *, stands: bool, closed: Mapping[str, Any]
) -> tuple[str, bool]:
    """The alert's id, and whether it is raised again: its closure was approved, and how things stand was recorded anew after that."""
    found, again = _alert_id(rule, household, records), False
    while stands and found in closed and recorded_on > closed[found]:
        found, again = _alert_id(rule, household, f"{records}{RECORD_SEPARATOR}again_after={closed[found]}"), True
    return found, again


def _alert_id(rule: str, household: int, records: str) -> str:
    """A letter (so that no office program takes it for a number) and fifteen hexadecimal digits: chance of a shared one among a million < 1e-6."""
    return "a" + hashlib.sha256(f"{rule}\x1f{household}\x1f{records}".encode()).hexdigest()[:15]


def _described(
    view: View, rule: AlertRule, t: pd.DataFrame, *, policy: Policy, category_labels: Mapping[str, tuple[str, str]] | None
) -> pd.DataFrame:
    """Office, days, number and evidence of each alert."""
    words = [fact_words(view, fact, policy=policy, categories=category_labels) for fact in rule.facts]
    amounts = [t[f"amount_{i}"].astype("float64") for i in range(len(rule.facts))]
    evidence = {}
    for k, (lang, mark) in enumerate((("zh", "；"), ("en", "; "))):
        rows = zip(*amounts, strict=True)
        evidence[f"evidence_{lang}"] = [mark.join(with_amount(w[k], a) for w, a in zip(words, row, strict=True)) for row in rows]
    numbered = next((i for i, fact in enumerate(rule.facts) if _number(fact) is not None), None)
    assert rule.due_days is not None  # noqa: S101 (`Policy.alert_rules` says it)
    t = t.assign(
        rule=rule.name,
        title_zh=rule.title_zh,
        title_en=rule.title_en,
        office=rule.office,
        channel=rule.channel,
        cause=rule.cause,
        must_visit=rule.must_visit,
        screened_on=view.day,
        due_on=view.day + dt.timedelta(days=rule.due_days),
        value=float("nan") if numbered is None else amounts[numbered],
        threshold=float("nan") if numbered is None else float(_number(rule.facts[numbered]) or 0),
        **evidence,
    )
    return t[[*RAISED_COLUMNS, "again"]]


def _number(fact: Any) -> Any:
    return threshold_of(fact) if hasattr(fact, "threshold") else None
