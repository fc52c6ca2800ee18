"""Labels that are not of everybody: outcomes looked up only where somebody went, lists filled to a quota, rows drawn by outcome.

docs/labels.md says what is estimated, on what assumption, and what it showed where the truth is known.
"""

from returnrisk.selective_labels.chances import chance_over_rounds, observed_share
from returnrisk.selective_labels.learning import learn_from_verified
from returnrisk.selective_labels.outcome_sampling import corrected_for_sampling
from returnrisk.selective_labels.quota import quota_sensitivity
from returnrisk.selective_labels.verified import VerifiedEstimates, effective_sample, estimate_from_verified

__all__ = [
    "VerifiedEstimates",
    "chance_over_rounds",
    "corrected_for_sampling",
    "effective_sample",
    "estimate_from_verified",
    "learn_from_verified",
    "observed_share",
    "quota_sensitivity",
]
