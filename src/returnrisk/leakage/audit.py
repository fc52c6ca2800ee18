"""The audit: seven checks for knowledge of the outcome that a prediction could not have had."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial

from returnrisk.config import ModelSpec
from returnrisk.leakage.area import area_aggregates
from returnrisk.leakage.learning import lagged_records, single_features
from returnrisk.leakage.outcome_columns import outcome_columns
from returnrisk.leakage.panel import Panel, StoreSnapshots
from returnrisk.leakage.rebuilding import after_identification, recorded_later
from returnrisk.leakage.result import AuditSettings, Finding, LeakageAudit
from returnrisk.leakage.windows import overlapping_windows
from returnrisk.store.view import Store
from returnrisk.timeline import Split
from returnrisk.training import Progress, plan_split


def audit_leakage(
    store: Store,
    spec: ModelSpec,
    *,
    known_on: dt.date,
    snapshots: StoreSnapshots,
    split: Split | None = None,
    settings: AuditSettings | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> LeakageAudit:
    """Look for leakage in what a specification would train on.

    Parameters
    ----------
    known_on
        Day on which everything is looked at; the test outcomes are those known by it.
    snapshots
        Makes the snapshot of a day from the store it is given, such as
        ``lambda store, day: build_snapshot(store.as_of(day), spec=spec.outcome, families=spec.families)``. It must read from that
        store only: a feature that does not is reported as one that cannot be audited.
    split
        Days of training and test; default those that training would take.
    settings
        Thresholds (assumed values).
    seed
        Of the sampled households, the draws of villages and the learner.
    progress
        Called with the code of a check, steps done and steps in all.

    Raises
    ------
    NotEnoughDataError
        History too short for fit, calibration and test.

    Notes
    -----
    LEAK001, LEAK005 and LEAK007 prove by making snapshots again from a store with fewer rows (the last training day and the first test
    day); LEAK006 compares days; LEAK002, LEAK003 and LEAK004 are statistical, out of time, and can miss what is rare or weak. An audit
    that finds nothing has found nothing; it does not prove that there is nothing.
    """
    report = progress or (lambda *_: None)
    panel = Panel(
        store=store,
        spec=spec,
        known_on=known_on,
        snapshots=snapshots,
        split=split or plan_split(store, spec, known_on=known_on),
        settings=settings or AuditSettings(),
        seed=seed,
    )
    checks: dict[str, Callable[[Panel], Finding]] = {
        "LEAK002": partial(single_features, progress=partial(report, "LEAK002")),
        "LEAK003": partial(lagged_records, progress=partial(report, "LEAK003")),
        "LEAK004": outcome_columns,
        "LEAK005": after_identification,
        "LEAK007": area_aggregates,
        "LEAK001": recorded_later,  # these two last: they also look at every snapshot that the others made
        "LEAK006": overlapping_windows,
    }
    findings = []
    for code, check in checks.items():
        report(code, 0, 1)
        findings.append(check(panel))
    return LeakageAudit(
        spec_name=spec.name,
        known_on=known_on,
        days=tuple(panel.days_made()),
        settings=panel.settings,
        findings=tuple(sorted(findings, key=lambda f: f.code)),
    )
