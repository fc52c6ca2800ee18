"""Whether a list would stay, and why it changed: agreement of lists, retraining on resamples, change by data, model and capacity."""

from returnrisk.stability.agreement import ListAgreement, compare_lists, persistence, rank_biased_overlap, weight_of_top
from returnrisk.stability.audit import StabilityAudit, audit_stability, days_of_stability
from returnrisk.stability.change import ORDER, WORDS, ListChange, ListState, explain_change
from returnrisk.stability.retraining import Retraining, compare_models, retrain_on_resamples, training_parts

__all__ = [
    "ORDER",
    "WORDS",
    "ListAgreement",
    "ListChange",
    "ListState",
    "Retraining",
    "StabilityAudit",
    "audit_stability",
    "compare_lists",
    "compare_models",
    "days_of_stability",
    "explain_change",
    "persistence",
    "rank_biased_overlap",
    "retrain_on_resamples",
    "training_parts",
    "weight_of_top",
]
