"""Who is visited first: capacity, must-visits, ties, and the list as a table (DOMAIN: the score orders visits, nothing else)."""

from returnrisk.visits.selection import VisitList, listed, select, strata
from returnrisk.visits.spec import MUST_VISIT_TIER, Tier, VisitSpec

__all__ = ["MUST_VISIT_TIER", "Tier", "VisitList", "VisitSpec", "listed", "select", "strata"]
