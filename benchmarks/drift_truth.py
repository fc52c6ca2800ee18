"""False alarms of clean months, and planted drift found: python benchmarks/drift_truth.py FOLDER HOUSEHOLDS SEED...

For every seed a county of 84 + 12 months is simulated, a model is trained on what was known after 84 months, and the twelve months that follow are
held against it as they come: nothing is planted, so every alarm is a false one. Then single causes are planted into the last of these months.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis

from returnrisk.config import DriftSpec
from returnrisk.drift import MonthDrift, month_drift
from returnrisk.features.snapshot import Snapshot, build_snapshot
from returnrisk.project import Project, init_project, open_project
from returnrisk.registry.serving import BundleScorer
from returnrisk.simulate import simulate_county, write_inbox
from returnrisk.store.view import Store
from returnrisk.timeline import add_months, month_end

START = dt.date(2018, 10, 1)
TRAINED, MONTHS = 84, 12
TRAINED_ON = month_end(add_months(START, TRAINED - 1))


def county(folder: Path, *, households: int, seed: int) -> Project:
    """A project with a model of what was known after 84 months, made once."""
    root = folder / f"{households}-{seed}"
    if not (root / "store" / "manifest.json").is_file():
        project = init_project(root, key=b"key of the drift benchmark", synthetic=True)
        write_inbox(simulate_county(n_households=households, months=TRAINED + MONTHS, start=START, seed=seed), root / "inbox")
        project.ingest()
    project = open_project(root)
    if not (root / "mlruns").is_dir():
        project.train(as_of=TRAINED_ON)
        project.promote()
    return project


def in_month(rows: Any, day: dt.date, column: str = "recorded_on") -> Any:
    """Whether rows were recorded in the month that ends with `day`."""
    return (rows[column] > ibis.literal(add_months(day, -1))) & (rows[column] <= ibis.literal(day))


def planted(day: dt.date) -> dict[str, tuple[str, Callable[[str, Any], Any]]]:
    """Cause to the code that must name it and the change of the store."""

    def income_down(name: str, rows: Any) -> Any:
        """Every amount of the last year, a third lower."""
        if name != "income":
            return rows
        year = rows.period_end > ibis.literal(add_months(day, -14))
        return rows.mutate(gross_cny=ibis.ifelse(year, rows.gross_cny * 2 / 3, rows.gross_cny).cast("decimal(18, 2)"))

    def late(name: str, rows: Any) -> Any:
        return rows.filter(~((rows.table_name == "medical") & in_month(rows, day))) if name == "delivery" else rows

    def one_township(name: str, rows: Any) -> Any:
        here = rows.township_code == rows.township_code.min() if name == "delivery" else None
        return rows.filter(~((rows.table_name == "medical") & in_month(rows, day) & here)) if name == "delivery" else rows

    def a_part(name: str, rows: Any) -> Any:
        return rows.filter(~(in_month(rows, day) & (rows.person_id % 10 < 7))) if name == "medical" else rows

    def vanished(name: str, rows: Any) -> Any:
        outpatient = in_month(rows, day) & (rows.kind == "outpatient_chronic") if name == "medical" else None
        return rows.mutate(kind=ibis.ifelse(outpatient, "outpatient", rows.kind)) if name == "medical" else rows

    def shares(name: str, rows: Any) -> Any:
        other = in_month(rows, day) & (rows.person_id % 10 < 6) if name == "medical" else None
        return rows.mutate(kind=ibis.ifelse(other, "inpatient", rows.kind)) if name == "medical" else rows

    def tenfold(name: str, rows: Any) -> Any:
        if name != "medical":
            return rows
        amounts = [c for c in rows.columns if c.endswith("_cny")]
        return rows.mutate(**{c: ibis.ifelse(in_month(rows, day), rows[c] * 10, rows[c]).cast("decimal(18, 2)") for c in amounts})

    return {
        "incomes of a year a third lower": ("DRIFT001", income_down),
        "medical claims not delivered": ("DRIFT005", late),
        "the same of one township": ("DRIFT006", one_township),
        "seven of ten claims missing": ("DRIFT007", a_part),
        "a kind of claim no longer used": ("DRIFT008", vanished),
        "six of ten claims called inpatient": ("DRIFT009", shares),
        "claims in tenths of a yuan": ("DRIFT010", tenfold),
    }


def month_of(
    project: Project, store: Store, scorer: BundleScorer, day: dt.date, rule: DriftSpec, *, snapshot: Snapshot | None = None
) -> MonthDrift:
    """The month as the monthly run would see it."""
    return month_drift(snapshot or project.snapshot(day, store=store), store.as_of(day), scorer, rule=rule, model_version="")


def main(folder: str, households: str, *seeds: str) -> None:
    """Print every alarm of clean months and every answer to planted causes."""
    rule, n, counted, found = DriftSpec(), 0, Counter[str](), Counter[str]()
    for seed in seeds:
        project = county(Path(folder), households=int(households), seed=int(seed))
        store, scorer = project.store(), BundleScorer(project.model()[1])
        days = [add_months(TRAINED_ON, k) for k in range(1, MONTHS + 1)]
        for day in days:
            since = time.perf_counter()
            month = month_of(project, store, scorer, day, rule)
            n += 1
            counted.update({check.code for check in month.alarms})
            print(
                f"seed {seed} {day} {time.perf_counter() - since:.1f} s:",
                *(f"{c.code} {c.subject} {c.part} {c.value:.2f}>{c.threshold:.2f}" for c in month.alarms),
            )
        last = days[-1]
        usual = {(c.code, c.subject, c.part) for c in month.alarms}
        for cause, (code, change) in planted(last).items():
            changed = store.rewritten(change, name=f"drift benchmark: {cause}")
            snapshot = build_snapshot(changed.as_of(last), spec=project.spec.outcome, families=project.spec.families)
            new = [
                c
                for c in month_of(project, changed, scorer, last, rule, snapshot=snapshot).alarms
                if (c.code, c.subject, c.part) not in usual
            ]
            found[cause] += code in {c.code for c in new}
            print(f"seed {seed} planted: {cause} ({code}):", *(f"{c.code} {c.subject} {c.part}" for c in new))
    print(f"{n} clean months; with a false alarm of", *(f"{code}: {of} ({of / n:.1%});" for code, of in sorted(counted.items())))
    print(*(f"{cause}: {of} of {len(seeds)};" for cause, of in found.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
