"""Promotion: what the gates are shown of a version, measured on days it never learnt from (`gates` answers, `Project.promote` acts)."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from returnrisk.accuracy import Accuracy
from returnrisk.config import ModelSpec
from returnrisk.errors import ExplanationError, NotEnoughDataError, UnknownNameError
from returnrisk.explain import explain_rows
from returnrisk.fairness import GROUPINGS, household_attributes
from returnrisk.features.catalogue import fingerprint
from returnrisk.features.families import catalogue
from returnrisk.gates import Evidence
from returnrisk.held_out import held_out_days, held_out_rows, known_on, measure_bundle
from returnrisk.leakage import AuditSettings, LeakageAudit
from returnrisk.registry.bundle import Bundle
from returnrisk.registry.serving import BundleScorer
from returnrisk.snapshot_cache import CACHE_SCHEMA
from returnrisk.store.files import write_json
from returnrisk.store.view import Store
from returnrisk.training import SnapshotMaker

EXPLAINED = 2000
"""Held-out rows, evenly spread, whose reasons are added up."""
LEAKS_SCHEMA = 1


def gather(
    store: Store,
    spec: ModelSpec,
    bundle: Bundle,
    *,
    champion: Bundle | None,
    no_champion: str,
    snapshots: SnapshotMaker,
    monthly: Callable[[Sequence[dt.date]], SnapshotMaker | None],
    per_township: int,
) -> Evidence:
    """Measure everything that the gates ask of a version; what the linter says and whether its data are known is the caller's to add.

    Parameters
    ----------
    champion
        What it is compared with, on those of its test days that the champion did not learn from; None, and `no_champion` says why.

    Raises
    ------
    NotEnoughDataError
        The held-out days hold one class only, or fewer than two villages.
    """
    days, known = held_out_days(bundle), known_on(bundle)
    rows = held_out_rows(store, spec, days, known_on=known, snapshots=snapshots, monthly=monthly)
    accuracy = measure_bundle(
        bundle,
        rows,
        spec,
        snapshots=snapshots,
        per_township=per_township,
        attributes=lambda day: household_attributes(store.as_of(day)),
    )
    against, why = None, no_champion
    if champion is not None:
        unseen = [day for day in days if day >= min(held_out_days(champion))]
        if not unseen:
            why = f"the champion learnt from the days up to {min(held_out_days(champion))}: on these days it would look better than it is"
        else:
            kept = rows[rows["as_of"].isin(pd.to_datetime(unseen))]
            against, why = _side_by_side(bundle, champion, kept, spec, snapshots=snapshots, per_township=per_township)
    return Evidence(
        measured=accuracy.overall,
        card=bundle.card,
        data_known=False,
        additivity_gap=_additivity_gap(bundle, rows),
        against=None if against is None else (against[0].overall, against[1].overall),
        no_champion=why,
        groups=_groups(accuracy, spec),
    )


def _groups(accuracy: Accuracy, spec: ModelSpec) -> pd.DataFrame | None:
    """The groups that the specification's gate names, without intersections; None where it names none."""
    if not spec.gates.groups:
        return None
    table = accuracy.fairness(spec.evaluation, groupings=spec.gates.groups)
    return table[table["grouping_2"] == ""]


def refuse_unknown_groups(spec: ModelSpec) -> None:
    """Before anything is measured.

    Raises
    ------
    UnknownNameError
        The gate names a grouping that there is not.
    """
    for name in spec.gates.groups:
        if name not in GROUPINGS:
            raise UnknownNameError(f"grouping in {spec.name}.gates.groups", name, GROUPINGS)


def _side_by_side(
    ours: Bundle, champion: Bundle, rows: pd.DataFrame, spec: ModelSpec, *, snapshots: SnapshotMaker, per_township: int
) -> tuple[tuple[Accuracy, Accuracy] | None, str]:
    """Both on the same rows: the same villages and seed give the same draws, so that differences can be taken draw by draw."""
    try:
        a, b = (measure_bundle(each, rows, spec, snapshots=snapshots, per_township=per_township) for each in (ours, champion))
    except NotEnoughDataError as error:
        return None, f"days that neither learnt from hold too little: {error}"
    return (a, b), ""


def _additivity_gap(bundle: Bundle, rows: pd.DataFrame) -> float | None:
    """Largest gap between summed reasons and score; None where the explanation refuses."""
    spread = rows.iloc[:: max(1, len(rows) // EXPLAINED)]
    try:
        return explain_rows(BundleScorer(bundle).learners["model"], spread[bundle.feature_names].to_numpy("float64")).largest_gap
    except ExplanationError:
        return None


def leaks_found(folder: Path, store: Store, spec: ModelSpec, *, known_on: dt.date, audit: Callable[[], LeakageAudit]) -> list[str]:
    """What the linter finds in what `spec` is trained on: code and names, one text each; kept in `folder` by content, since it takes long."""
    asked = [
        LEAKS_SCHEMA,
        CACHE_SCHEMA,
        store.manifest.fingerprint,
        fingerprint(catalogue(spec.families)),
        known_on.isoformat(),
        asdict(AuditSettings()),
    ]
    asked += [spec.as_dict()[part] for part in ("estimand", "outcome", "split", "learner")]
    identity = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:16]
    path = folder / f"leaks-{known_on.isoformat()}-{identity}.json"
    if path.is_file():
        kept: list[str] = json.loads(path.read_text(encoding="utf-8"))["problems"]
        return kept
    problems = [f"{f.code} {', '.join(f.what[:3])}: {f.measured}" for f in audit().problems]
    write_json(path, {"problems": problems})
    return problems
