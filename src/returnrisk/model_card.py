"""What goes into a model bundle: states of the learners and curves, the feature contract, and the card that tells what it is."""

from __future__ import annotations

import math
from typing import Any

from returnrisk.accuracy import Accuracy
from returnrisk.config import EvaluationSpec, OutcomeSpec
from returnrisk.features.catalogue import fingerprint
from returnrisk.outcomes import OUTCOMES
from returnrisk.registry.bundle import BundleContent
from returnrisk.registry.card import GROUP
from returnrisk.reports.texts import text
from returnrisk.training import Training
from returnrisk.untreated import LEAST_EFFECTIVE, weak_tenths

LIMITS = (
    "The probability orders visits; it decides nothing about anybody.",
    "Outcomes come from the income ledger as reported; who is reported badly is predicted badly.",
    "It was measured on later days of the same county; another county needs its own measurement.",
)


def bundle_content(training: Training, *, data_fingerprint: str, reference: dict[str, Any] | None = None) -> BundleContent:
    """Everything needed to score, to explain and to judge the model, as plain values; `reference`: what later months are held against."""
    features = [
        {"name": f.name, "family": f.family, "unit": f.unit, "dtype": "float32", "monotone": f.monotone} for f in training.features
    ]
    return BundleContent(
        learners={name: score.learner.to_state() for name, score in training.scores.items()},
        calibration={name: score.calibration.to_state() for name, score in training.scores.items()},
        catalogue=fingerprint(training.features),
        features=features,
        spec=training.spec.as_dict(),
        card=model_card(training, data_fingerprint=data_fingerprint),
        reference=reference,
    )


def model_card(training: Training, *, data_fingerprint: str) -> dict[str, Any]:
    """The card: purpose, cohort, outcome, periods, counts, metrics with intervals, groups, limits."""
    spec, split = training.spec, training.split
    counts = training.label_counts.groupby(["part", "status"])["households"].sum()
    parts = ("fit", "calibrate", "test")
    known = ("event", "no_event")
    outcome = spec.outcome
    return {
        "name": spec.name,
        "purpose": f"{spec.title_zh} / {spec.title_en}",
        "cohort": OUTCOMES[outcome.kind].cohort,
        "outcome": f"{outcome.kind}, rule {outcome.rule}, {outcome.horizon_months} months, account {outcome.account}, window "
        f"{outcome.window.kind} {outcome.window.months} months, settlement {outcome.settlement}{_thresholds(outcome)}",
        "periods": {part: [d.isoformat() for d in getattr(split, part)] for part in parts},
        "known_on": training.known_on.isoformat(),
        "n": {part: int(sum(counts.get((part, s), 0) for s in known)) for part in parts},
        "events": {part: int(counts.get((part, "event"), 0)) for part in parts},
        "not_used": {part: {s: int(counts.get((part, s), 0)) for s in ("censored", "not_computable")} for part in parts},
        "set_aside": {why: part["feature"].tolist() for why, part in training.set_aside.groupby("why")},
        "metrics": metric_records(training.accuracy),
        "groups": group_records(training.accuracy, spec.evaluation),
        "limits": [
            *_said("estimand." + spec.estimand),
            *LIMITS,
            *(_said("estimand.untreated_figures") if training.overlap else ()),
            *_weak_overlap(training),
        ],
        "estimand": spec.estimand,
        **({"overlap": {part: dict(found) for part, found in training.overlap.items()}} if training.overlap else {}),
        "data_fingerprint": data_fingerprint,
    }


def _weak_overlap(training: Training) -> list[str]:
    """Said for the days learnt from: the tenths of risk in which nearly all alike were helped."""
    tenths = weak_tenths(training.overlap["learnt"]) if training.overlap else []
    if not tenths:
        return []
    words = text("estimand.weak_overlap", tenths=", ".join(map(str, tenths)), share=f"{LEAST_EFFECTIVE:.0%}")
    return [words.zh, words.en]


def metric_records(accuracy: Accuracy) -> list[dict[str, Any]]:
    """Metrics with intervals, n and base rate, as a card holds them."""
    keys = ("population", "score", "metric", "value", "low", "high", "n", "n_events", "base_rate", "n_clusters")
    return [{key: _plain(record[key]) for key in keys} for record in accuracy.frame().to_dict("records")]


def group_records(accuracy: Accuracy, settings: EvaluationSpec) -> list[dict[str, Any]]:
    """Recall of each group that was measured, against the rest, as a card holds it (`fairness.measure_fairness`, no intersections)."""
    table = accuracy.fairness(settings)
    shown = table[(table["grouping_2"] == "") & (table["status"] == "measured") & (table["grouping"] != "all")]
    return [{key: _plain(record[key]) for key in GROUP} for record in shown.to_dict("records")]


def _said(key: str) -> tuple[str, str]:
    """A text in both languages."""
    words = text(key)
    return words.zh, words.en


def _thresholds(outcome: OutcomeSpec) -> str:
    """What the kind's own settings add to its name; the thresholds are assumed."""
    if outcome.kind == "guarantee_gap":
        return f", watched: {', '.join(outcome.guarantees)}"
    if outcome.kind == "identified":
        return ". What offices did, not need"
    h = outcome.hardship
    texts = {
        "net_of_rigid": f"net income less rigid expenditure below {h.line_ratio} lines",
        "collapse": f"net income at least {h.collapse_share:.0%} lower than a year before",
        "surge": f"rigid expenditure above {h.surge_share:.0%} of net income",
    }
    return f", {texts[h.event]} (threshold assumed)" if outcome.kind == "hardship" else ""


def _plain(value: Any) -> Any:
    """NumPy numbers to Python's, NaN to None (JSON has no NaN)."""
    number = value.item() if hasattr(value, "item") else value
    return None if isinstance(number, float) and math.isnan(number) else number
