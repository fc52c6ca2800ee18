"""Leakage: whether a model's features know what they could not have known. `docs/leakage.md` has the checks and the planted leaks."""

from returnrisk.leakage.audit import audit_leakage
from returnrisk.leakage.panel import StoreSnapshots, days_of_audit
from returnrisk.leakage.result import CHECKS, AuditSettings, Finding, LeakageAudit

__all__ = ["CHECKS", "AuditSettings", "Finding", "LeakageAudit", "StoreSnapshots", "audit_leakage", "days_of_audit"]
