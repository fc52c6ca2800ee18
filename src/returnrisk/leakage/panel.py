"""What the checks look at: the days, the snapshots of the store and of stores with other rows, and the labelled rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from returnrisk.config import ModelSpec
from returnrisk.features.catalogue import Feature
from returnrisk.features.snapshot import Snapshot
from returnrisk.leakage.result import AuditSettings
from returnrisk.store.view import Store
from returnrisk.timeline import Split, add_months
from returnrisk.training import labelled_rows
from returnrisk.training_input import MINIMUM_EVENTS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LEAST_VILLAGES, LEAST_VILLAGES_WITH_EVENTS = 10, 5
"""Villages under which drawing them again tells nothing of how far a figure could be off (assumed; such intervals are too narrow)."""

StoreSnapshots = Callable[[Store, dt.date], Snapshot]
"""Makes the snapshot of a day from whatever store it is given: the one under audit, or one with other rows."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The material of an audit; snapshots and rows are made once.

    Attributes
    ----------
    train_days, test_days
        The days that the statistical checks look at, of those of the split.
    """

    store: Store
    spec: ModelSpec
    known_on: dt.date
    snapshots: StoreSnapshots
    split: Split
    settings: AuditSettings
    seed: int
    _made: dict[tuple[str, dt.date], Snapshot] = field(default_factory=dict, repr=False)
    _rows: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)
    _strangers: dict[tuple[str, dt.date], int] = field(default_factory=dict, repr=False)

    @property
    def train_days(self) -> tuple[dt.date, ...]:
        """Latest training days."""
        return training_days(self.split)[-self.settings.n_days :]

    @property
    def test_days(self) -> tuple[dt.date, ...]:
        """First test days."""
        return tuple(sorted(self.split.test))[: self.settings.n_days]

    @property
    def rebuilt_days(self) -> tuple[dt.date, ...]:
        """The days whose snapshots are made again from other stores: the last training day and the first test day."""
        return tuple(dict.fromkeys((self.train_days[-1], self.test_days[0])))

    def made(self, day: dt.date, *, store: Store | None = None) -> Snapshot:
        """The sound rows of the snapshot of `day` from `store` (default: the one under audit)."""
        source = store or self.store
        key = source.manifest.fingerprint, day
        if key not in self._made:
            self._made[key], self._strangers[key] = _sound(self.snapshots(source, day), day)
        return self._made[key]

    def strangers(self) -> dict[dt.date, int]:
        """Days whose snapshot held rows that are not sound, with how many: of another day, or of a household that has several."""
        return {day: n for (name, day), n in sorted(self._strangers.items()) if n and name == self.store.manifest.fingerprint}

    def days_made(self) -> list[dt.date]:
        """Days of which a snapshot of the store under audit was made, sorted."""
        return sorted(day for name, day in self._made if name == self.store.manifest.fingerprint)

    @property
    def features(self) -> tuple[Feature, ...]:
        """Features under audit."""
        return self.made(self.test_days[0]).features

    def train_rows(self) -> pd.DataFrame:
        """Labelled household-days of the training days, outcomes as known on the first test day."""
        return self._labelled("train", self.train_days, known_on=min(self.split.test))

    def test_rows(self) -> pd.DataFrame:
        """Labelled household-days of the test days, outcomes as known on `known_on`."""
        return self._labelled("test", self.test_days, known_on=self.known_on)

    def _labelled(self, part: str, days: Iterable[dt.date], *, known_on: dt.date) -> pd.DataFrame:
        if part not in self._rows:
            rows, _ = labelled_rows(self.store, self.spec, list(days), known_on=known_on, snapshots=self.made)
            self._rows[part] = _fewer(rows, most=self.settings.max_rows, seed=self.seed)
        return self._rows[part]

    def too_few(self) -> str | None:
        """Why nothing can be learnt or tested, or None."""
        for part, rows in (("training", self.train_rows()), ("test", self.test_rows())):
            events = int(rows["y"].sum())
            if min(events, len(rows) - events) < MINIMUM_EVENTS:
                return f"{part}: {events} events among {len(rows)} household-days; at least {MINIMUM_EVENTS} of each are needed"
        test = self.test_rows()
        villages, with_events = test["village_code"].nunique(), test.loc[test["y"] > 0, "village_code"].nunique()
        if villages < LEAST_VILLAGES or with_events < LEAST_VILLAGES_WITH_EVENTS:
            return (
                f"test: {villages} villages, {with_events} of them with events; intervals draw villages again, and need at least "
                f"{LEAST_VILLAGES}, {LEAST_VILLAGES_WITH_EVENTS} of them with events"
            )
        return None


def training_days(split: Split) -> tuple[dt.date, ...]:
    """Every day that something is learnt from, sorted."""
    return tuple(sorted({*split.fit, *split.calibrate, *split.refit}))


def days_of_audit(split: Split, settings: AuditSettings | None = None) -> tuple[dt.date, ...]:
    """The days whose snapshots an audit takes from the store under audit, sorted: those it learns from and tests on, each also a month earlier."""
    n = (settings or AuditSettings()).n_days
    days = (*training_days(split)[-n:], *sorted(split.test)[:n])
    return tuple(sorted({*days, *(add_months(day, -1) for day in days)}))


def _sound(made: Snapshot, day: dt.date) -> tuple[Snapshot, int]:
    """The snapshot without rows of another day and without households that have several rows, and how many rows that took away."""
    import pandas as pd

    table = made.frame()
    bad = (table["as_of"] != pd.Timestamp(day)) | table["household_id"].duplicated(keep=False)
    n = int(bad.sum())
    return (replace(made, table=table[~bad].reset_index(drop=True)) if n else made), n


def _fewer(rows: pd.DataFrame, *, most: int, seed: int) -> pd.DataFrame:
    """Rows of as many households, drawn at random, as give about `most` rows."""
    import numpy as np

    if len(rows) <= most:
        return rows
    homes: np.ndarray = np.sort(rows["household_id"].unique())
    kept = np.random.default_rng(seed).choice(homes, size=max(1, len(homes) * most // len(rows)), replace=False)
    return rows[rows["household_id"].isin(kept)].reset_index(drop=True)
