"""Drift: whether a month is still like the days its model was tested on, and whether its sources came as usual (`docs/drift.md`)."""

from returnrisk.drift.alarms import CODES, Check
from returnrisk.drift.calibration import calibration_drift
from returnrisk.drift.month import MonthDrift, curve_of, delivered_tables, log_odds_of, month_drift, source_tables
from returnrisk.drift.reference import Reference, make_reference
from returnrisk.drift.stability_index import Bins, edges_of, psi

__all__ = [
    "CODES",
    "Bins",
    "Check",
    "MonthDrift",
    "Reference",
    "calibration_drift",
    "curve_of",
    "delivered_tables",
    "edges_of",
    "log_odds_of",
    "make_reference",
    "month_drift",
    "psi",
    "source_tables",
]
