"""Who is visited first: capacity, must-visits, ties, and the list as a table (DOMAIN: the score orders visits, nothing else)."""

from returnrisk.visits.follow_up import follow_up, follow_up_counts
from returnrisk.visits.selection import VisitList, listed, lot_seed, select, strata, visit_plan
from returnrisk.visits.spec import MUST_VISIT_TIER, Tier, VisitSpec

__all__ = [
    "MUST_VISIT_TIER",
    "Tier",
    "VisitList",
    "VisitSpec",
    "follow_up",
    "follow_up_counts",
    "listed",
    "lot_seed",
    "select",
    "strata",
    "visit_plan",
]
