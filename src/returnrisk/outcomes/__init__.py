"""Who is at risk on a day, and what became of them. `docs/outcomes.md` has the kinds side by side; each file states its estimand."""

from returnrisk.outcomes.fall import fall_labels
from returnrisk.outcomes.kinds import OUTCOMES, Outcome, at_risk_rows, closing_delay, is_about_the_line, outcome_labels
from returnrisk.outcomes.labels import Labels, label_days
from returnrisk.outcomes.status import account_end, account_path, strata

__all__ = [
    "OUTCOMES", "Labels", "Outcome", "account_end", "account_path", "at_risk_rows", "closing_delay", "fall_labels", "is_about_the_line",
    "label_days", "outcome_labels", "strata",
]  # fmt: skip
