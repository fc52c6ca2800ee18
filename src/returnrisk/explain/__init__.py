"""Reasons: exact contributions of a model's score, summed into families, put into words a cadre can check."""

from returnrisk.explain.contributions import Contributions, explain_rows
from returnrisk.explain.reasons import below_line_reasons, reasons_for

__all__ = ["Contributions", "below_line_reasons", "explain_rows", "reasons_for"]
