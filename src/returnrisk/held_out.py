"""A registered model measured again on its held-out days, as it was when it was trained or on outcomes known since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from returnrisk.accuracy import Accuracy, AlertsOf, AttributesOf, measure_accuracy
from returnrisk.config import ModelSpec
from returnrisk.registry.bundle import Bundle
from returnrisk.registry.serving import BundleScorer
from returnrisk.store.view import Store
from returnrisk.training import SnapshotMaker, labelled_rows, weighted_rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def held_out_days(bundle: Bundle) -> list[dt.date]:
    """The days a model was tested on."""
    return [dt.date.fromisoformat(day) for day in bundle.card["periods"]["test"]]


def known_on(bundle: Bundle) -> dt.date:
    """The day on which the outcomes of its test days were looked at."""
    return dt.date.fromisoformat(bundle.card["known_on"])


def held_out_rows(
    store: Store,
    spec: ModelSpec,
    days: Sequence[dt.date],
    *,
    known_on: dt.date,
    snapshots: SnapshotMaker,
    monthly: Callable[[Sequence[dt.date]], SnapshotMaker | None],
) -> pd.DataFrame:
    """Household-days at risk with a known outcome, weighted as the estimand asks; `monthly` gives the snapshots that weights need."""
    rows, _ = labelled_rows(store, spec, days, known_on=known_on, snapshots=snapshots)
    return weighted_rows(store, spec, rows, known_on=known_on, monthly=monthly(days))


def measure_bundle(
    bundle: Bundle,
    rows: pd.DataFrame,
    spec: ModelSpec,
    *,
    snapshots: SnapshotMaker,
    per_township: int,
    alerts: AlertsOf | None = None,
    attributes: AttributesOf | None = None,
) -> Accuracy:
    """What a registered model and its baselines are worth on rows of `held_out_rows`; lists where the outcome is a fall.

    Raises
    ------
    NotEnoughDataError
        One class only, or fewer than two villages.
    """
    scorer = BundleScorer(bundle)

    def risk(frame: pd.DataFrame, name: str) -> np.ndarray:
        return scorer.risk(frame, learner=name)

    is_fall = spec.outcome.kind == "fall"
    return measure_accuracy(
        rows,
        spec.evaluation,
        risk=risk,
        snapshots=snapshots,
        per_township=per_township if is_fall else None,
        alerts=alerts,
        attributes=attributes,
        apart=is_fall,
    )
