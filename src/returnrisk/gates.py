"""Promotion gates: what a version must show on its held-out days before lists are made with it (`docs/gates.md`).

Each gate gets the figures it decides by and answers in words: passed, failed, off (switched off in the specification) or not
applicable (nothing to compare with). What cannot be measured fails: a gate that nobody could fail would be none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from returnrisk.config import GatesSpec
from returnrisk.registry.card import card_problems

if TYPE_CHECKING:
    from returnrisk.evaluation import Evaluation

Result = Literal["passed", "failed", "off", "not_applicable"]
RECALL = "recall_at_capacity"
AGAIN = ("auc", "average_precision", "brier", "ece")
"""Figures of the card that are measured again: the places a county has may have changed since, these do not depend on them."""
MOST_GROUPS = 3
"""Groups that are named in one answer."""
SAME = 1e-6
"""How far a figure of the card may lie from the same figure measured again (they differ by rounding of the JSON at most)."""


@dataclass(frozen=True, slots=True)
class GateText:
    """A gate and its code, which never changes its meaning."""

    code: str
    zh: str
    en: str


GATES: Mapping[str, GateText] = {
    g.code: g
    for g in (
        GateText("GATE001", "检验期事件足够判断", "enough held-out events to judge by"),
        GateText("GATE002", "优于仅按收入排序", "better than income alone"),
        GateText("GATE003", "概率可信（校准）", "calibrated"),
        GateText("GATE004", "名单找到的不比现用模型少", "the list finds no fewer than the champion's"),
        GateText("GATE005", "没有一类农户被漏掉得过多", "no group is missed far more than the rest"),
        GateText("GATE006", "未发现数据泄漏", "the leakage linter finds nothing"),
        GateText("GATE007", "模型卡完整、数据来源可查、数字可复算", "card complete, data known, figures measured again"),
        GateText("GATE008", "理由相加等于评分", "reasons add up to the score"),
    )
}


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What one gate said, by which figure and against which limit."""

    code: str
    result: Result
    measured: str
    limit: str

    def __str__(self) -> str:
        """For a message: code, what it asks, figure and limit."""
        return f"{self.code} {GATES[self.code].en}: {self.measured} (limit: {self.limit})"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the gates look at, measured on the version's held-out days.

    Attributes
    ----------
    measured
        Of the version, everyone at risk.
    against
        Version and champion on days that neither learnt from, with the same draws of villages; None where there is nothing to compare with, and
        `no_champion` says why.
    groups
        Recall of every group against the rest (`fairness.measure_fairness`). None: not measured.
    leaks
        What the linter found, a text each; None: it was not asked.
    card, data_known
        The version's card, and whether its data fingerprint is that of a store this project has had.
    additivity_gap
        Largest gap between summed reasons and score, log-odds; None: they could not be computed.
    """

    measured: Evaluation
    card: Mapping[str, Any]
    data_known: bool
    additivity_gap: float | None
    against: tuple[Evaluation, Evaluation] | None = None
    no_champion: str = ""
    groups: pd.DataFrame | None = None
    leaks: Sequence[str] | None = None


def judge(evidence: Evidence, spec: GatesSpec) -> tuple[GateAnswer, ...]:
    """The answer of every gate, in the order of their codes.

    Parameters
    ----------
    spec
        Limits, and which gates are on.

    Returns
    -------
    tuple of GateAnswer
        One per gate of `GATES`.
    """
    answers = (
        _enough_events(evidence, spec),
        _better_than_income(evidence, spec),
        _calibrated(evidence, spec),
        _not_below_champion(evidence, spec),
        _no_group_missed(evidence, spec),
        _no_leak(evidence, spec),
        _card(evidence),
        _additive(evidence),
    )
    return tuple(answers)


def failed(answers: Sequence[GateAnswer]) -> tuple[GateAnswer, ...]:
    """Those that refuse."""
    return tuple(a for a in answers if a.result == "failed")


def gate_table(answers: Sequence[GateAnswer]) -> pd.DataFrame:
    """One row per gate: code, zh, en, result, measured, limit."""
    rows = [(a.code, GATES[a.code].zh, GATES[a.code].en, a.result, a.measured, a.limit) for a in answers]
    return pd.DataFrame(rows, columns=["code", "zh", "en", "result", "measured", "limit"])


def _answer(code: str, *, passed: bool, measured: str, limit: str) -> GateAnswer:
    return GateAnswer(code, "passed" if passed else "failed", measured, limit)


def _enough_events(evidence: Evidence, spec: GatesSpec) -> GateAnswer:
    n = evidence.measured.n_events
    return _answer("GATE001", passed=n >= spec.min_events, measured=f"{n} events", limit=f"{spec.min_events} or more")


def _better_than_income(evidence: Evidence, spec: GatesSpec) -> GateAnswer:
    limit = "AUC above income's, interval above 0"
    if not spec.better_than_income:
        return GateAnswer("GATE002", "off", "", limit)
    value, low, high = _difference(evidence.measured, "auc", baseline="income")
    return _answer("GATE002", passed=low > 0, measured=f"{value:+.3f} ({low:+.3f} to {high:+.3f})", limit=limit)


def _calibrated(evidence: Evidence, spec: GatesSpec) -> GateAnswer:
    """Fails where the data contradict calibration: an interval wholly outside its band, or an expected error above its limit."""
    records = evidence.measured.frame().to_dict("records")
    figures = {r["metric"]: (float(r["value"]), float(r["low"]), float(r["high"])) for r in records if r["score"] == "model"}
    slope, level, ece = figures["calibration_slope"], figures["calibration_intercept"], figures["ece"][0]
    passed = (
        _meets(slope, (spec.min_calibration_slope, spec.max_calibration_slope))
        and _meets(level, (-spec.max_calibration_level, spec.max_calibration_level))
        and ece <= spec.max_ece
    )
    return _answer(
        "GATE003",
        passed=passed,
        measured=f"slope {slope[0]:.2f} ({slope[1]:.2f} to {slope[2]:.2f}), level {level[0]:+.2f} ({level[1]:+.2f} to {level[2]:+.2f}) "
        f"log-odds, ECE {ece:.4f}",
        limit=f"slope's interval meets {spec.min_calibration_slope:g} to {spec.max_calibration_slope:g}, level's meets "
        f"±{spec.max_calibration_level:g}, ECE {spec.max_ece:g} at most",
    )


def _meets(figure: tuple[float, ...], band: tuple[float, float]) -> bool:
    """Whether the interval has a value of the band; one that could not be computed has none."""
    _, low, high = figure
    return low <= band[1] and high >= band[0]


def _not_below_champion(evidence: Evidence, spec: GatesSpec) -> GateAnswer:
    limit = f"at most {spec.max_recall_loss:g} below the champion's recall"
    if evidence.against is None:
        return GateAnswer("GATE004", "not_applicable", evidence.no_champion, limit)
    ours, champions = evidence.against
    value = ours.point["model"][RECALL] - champions.point["model"][RECALL]
    drawn = ours.replicates["model"][RECALL] - champions.replicates["model"][RECALL]
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) > 1 else (math.nan, math.nan)
    return _answer(
        "GATE004",
        passed=value >= -spec.max_recall_loss,
        measured=f"{value:+.3f} ({low:+.3f} to {high:+.3f}), {ours.n_events} events of days that neither learnt from",
        limit=limit,
    )


def _no_group_missed(evidence: Evidence, spec: GatesSpec) -> GateAnswer:
    limit = f"no group's recall below {spec.min_group_ratio:g} of the rest's, shown against chance"
    if not spec.groups:
        return GateAnswer("GATE005", "off", "", limit)
    measured = None if evidence.groups is None else evidence.groups.dropna(subset="recall_ratio")
    if measured is None or not len(measured):
        return GateAnswer("GATE005", "failed", "no group had enough falls to be measured", limit)
    harmed = measured[measured["claimed"] & (measured["recall_ratio"] < spec.min_group_ratio)]
    farthest = (harmed if len(harmed) else measured).nsmallest(MOST_GROUPS if len(harmed) else 1, "recall_ratio")
    texts = [
        f"{r.zh} ({r.en}): {r.recall_ratio:.2f} ({r.recall_ratio_low:.2f} to {r.recall_ratio_high:.2f}) of the rest's, "
        f"{r.n_fallen} households that fell"
        for r in farthest.itertuples()
    ]
    words = "; ".join(texts) if len(harmed) else f"none; the least: {texts[0]}"
    more = f"; {len(harmed) - MOST_GROUPS} more" if len(harmed) > MOST_GROUPS else ""
    return _answer("GATE005", passed=not len(harmed), measured=words + more, limit=limit)


def _no_leak(evidence: Evidence, spec: GatesSpec) -> GateAnswer:
    limit = "no problem found"
    if not spec.leakage:
        return GateAnswer("GATE006", "off", "", limit)
    if evidence.leaks is None:
        return GateAnswer("GATE006", "failed", "the linter could not be run", limit)
    return _answer("GATE006", passed=not evidence.leaks, measured="; ".join(evidence.leaks) or "nothing found", limit=limit)


def _card(evidence: Evidence) -> GateAnswer:
    problems = [*_card_problems(evidence)]
    return _answer("GATE007", passed=not problems, measured="; ".join(problems) or "complete", limit="complete, known, repeatable")


def _card_problems(evidence: Evidence) -> Iterator[str]:
    yield from card_problems(evidence.card)
    if empty := [key for key in ("purpose", "cohort", "outcome", "limits", "metrics", "estimand") if not evidence.card.get(key)]:
        yield f"card says nothing of {', '.join(empty)}"
    if not evidence.data_known:
        yield f"data fingerprint {str(evidence.card.get('data_fingerprint', 'none'))[:16]} is of no store this project has had"
    measured = evidence.measured.point["model"]
    for record in evidence.card.get("metrics", ()):
        if (record.get("population"), record.get("score")) != ("all", "model") or record.get("metric") not in AGAIN:
            continue
        said, found = record.get("value"), measured[record["metric"]]
        if said is None or not abs(float(said) - found) <= SAME:
            yield f"card says {record['metric']} {said}, measured again it is {found:.6f}"


def _additive(evidence: Evidence) -> GateAnswer:
    gap = evidence.additivity_gap
    limit = "reasons add up within their tolerance"
    if gap is None:
        return GateAnswer("GATE008", "failed", "contributions do not add up to the score", limit)
    return GateAnswer("GATE008", "passed", f"largest gap {gap:.2g} log-odds", limit)


def _difference(found: Evaluation, metric: str, *, baseline: str) -> tuple[float, float, float]:
    """The model's metric less a baseline's, with its interval."""
    rows = found.differences(baseline)
    row = rows[(rows["score"] == "model") & (rows["metric"] == metric)].iloc[0]
    return float(row["difference"]), float(row["low"]), float(row["high"])
