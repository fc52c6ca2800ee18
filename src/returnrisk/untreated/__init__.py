"""What would become of households if no new help came, and what their account is without the help they have (`docs/untreated.md`)."""

from returnrisk.untreated.account import SUPPORT_ITEMS, without_support
from returnrisk.untreated.censoring import (
    LEAST_EFFECTIVE,
    Censored,
    censor_helped,
    months_needed,
    overlap_of,
    weak_tenths,
    with_weights,
)
from returnrisk.untreated.covariates import FAMILIES
from returnrisk.untreated.weights import PersonMonths, Weights, censoring_weights, effective_size, person_months_of

__all__ = [
    "FAMILIES", "LEAST_EFFECTIVE", "SUPPORT_ITEMS", "Censored", "PersonMonths", "Weights", "censor_helped", "censoring_weights", "effective_size", "months_needed", "overlap_of",
    "person_months_of", "weak_tenths", "with_weights", "without_support",
]  # fmt: skip
