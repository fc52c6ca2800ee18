"""The EPH benchmark: a real household panel through the same accounts, features, outcome and model code.

Entry: everyone at risk. Relapse: those of them seen below the line at an earlier interview. Horizons of one and four quarters;
status at the end. Outcomes for training are realised up to a quarter; test rows start at a later one. Unweighted; top 10% within
each set, and of that list the recall of households whose head is 65 or over beside the rest. Source of data: INDEC, Encuesta Permanente de Hogares, public-use microdata.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.accuracy import SCORES, measure_rows
from returnrisk.config import EvaluationSpec, ModelSpec, load_model_spec
from returnrisk.contracts import load_contracts
from returnrisk.errors import NotEnoughDataError, UsageError
from returnrisk.evaluation import Evaluation
from returnrisk.evaluation.bootstrap import draw_clusters
from returnrisk.features.snapshot import Snapshot, build_snapshot
from returnrisk.store.files import write_atomically
from returnrisk.store.tables import write_store
from returnrisk.store.view import Store, connect, open_store
from returnrisk.timeline import add_months, month_end
from returnrisk.training import Training, plan_split, train

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Progress = Callable[[str, int, int], None]
SPECS: Mapping[int, str] = {1: "panel-fall-1q", 4: "panel-fall-4q"}
METRIC_NAMES = {
    "auc": "auc", "average_precision": "ap", "precision_at_capacity": "precision_at_10", "recall_at_capacity": "recall_at_10",
    "brier": "brier", "ece": "ece", "calibration_slope": "calibration_slope", "calibration_intercept": "calibration_intercept",
}  # fmt: skip
HEAD_AGE, OLD_HEAD_YEARS = "head_age", 65
PARTS = ("head_65", "head_under_65")
"""Whose recall stands beside each other: households whose head is 65 or over, and all others."""
ROLLING_QUARTERS = 4
"""A further split is tested on the starts of so many quarters after its training ends: a year, since seasons differ."""


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """Records of the benchmark: one per split, set, horizon and score.

    Attributes
    ----------
    records
        Those of the split that was asked for.
    rolling
        Those of the further splits, each tested on the year after its training.
    trainings
        Those of the split that was asked for, by quarters ahead.
    """

    records: tuple[dict[str, Any], ...]
    rolling: tuple[dict[str, Any], ...]
    trainings: Mapping[int, Training]
    accounting: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """All records."""
        import pandas as pd

        return pd.DataFrame([*self.records, *self.rolling])

    def rows(self) -> str:
        """One line on what became of the input rows."""
        counts = self.accounting.select_dtypes("number").sum()
        left_out = {str(k): int(v) for k, v in counts.items() if v and not str(k).startswith("n_") and k != "quarter"}
        reasons = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in left_out.items()) or "none"
        return f"rows: {int(counts['n_input']):,} in {len(self.accounting)} files, {int(counts['n_accepted']):,} accepted; left out: {reasons}"

    def table(self) -> pd.DataFrame:
        """As people read it: figures with their intervals."""
        frame = self.frame()
        shown = frame[["train_until", "set", "quarters", "n", "base_rate", "score"]].copy()
        shown["base_rate"] = shown["base_rate"].map("{:.3f}".format)
        recalls = [f"recall_at_10_{part}" for part in PARTS]
        slopes = ["calibration_slope", "calibration_intercept"]
        for name in ("auc", "ap", "precision_at_10", "recall_at_10", *recalls, "brier", "ece", *slopes):
            shown[name] = [
                f"{v:.3f} ({lo:.3f}–{hi:.3f})"
                for v, lo, hi in zip(frame[name], frame[f"{name}_low"], frame[f"{name}_high"], strict=True)
            ]
        return shown


def quarter_end(text: str) -> dt.date:
    """Last day of a quarter written like `2010Q4`.

    Raises
    ------
    UsageError
        Not of that form.

    Examples
    --------
    >>> quarter_end("2010Q4")
    datetime.date(2010, 12, 31)
    """
    found = re.fullmatch(r"(\d{4})Q([1-4])", text.strip().upper())
    if not found:
        raise UsageError(f"'{text}' is not a quarter; expected something like 2010Q4")
    return month_end(dt.date(int(found[1]), 3 * int(found[2]), 1))


def eph_store(data: Path, folder: Path) -> tuple[Store, pd.DataFrame]:
    """Map the panel in `data` into a store in `folder`: canonical tables, contract-checked, versions resolved.

    Returns
    -------
    The store, and the fate of the rows of every file.
    """
    from returnrisk.ingest.eph import read_eph

    con = connect()
    mapped = read_eph(data, con)
    write_store(folder, mapped.tables, contracts=load_contracts(), delays=dict.fromkeys(mapped.tables, 0))
    return open_store(folder), mapped.frame()


def run_eph(
    data: Path,
    *,
    train_until: str,
    test_from: str,
    rolling: Sequence[str] = (),
    seed: int = 0,
    progress: Progress | None = None,
) -> BenchmarkResult:
    """Map, train and test at both horizons.

    Parameters
    ----------
    data
        Folder with the panel's files; quarters are whatever lies there.
    train_until, test_from
        Quarters like `2010Q4`.
    rolling
        Further splits, by the quarter up to which their training outcomes are realised; each is tested on the starts of the four quarters
        after it. A horizon for which a split has too few quarters is left out.

    Raises
    ------
    UsageError
        A quarter is malformed, or testing would start before training ends.
    IngestError
        Files are missing or damaged.
    NotEnoughDataError
        Too few quarters for a horizon.
    """
    report = progress or (lambda *_: None)
    until, start = quarter_end(train_until), quarter_end(test_from)
    origins = [quarter_end(text) for text in rolling]
    if start <= until:
        raise UsageError(f"test rows from {test_from} would start before training outcomes end at {train_until}")
    with tempfile.TemporaryDirectory() as scratch:
        report("read", 0, 1)
        store, accounting = eph_store(data, Path(scratch))
        panel = _Panel(store, known_on=store.last_recorded_on(), seed=seed, progress=report)
        trainings = {quarters: panel.train(load_model_spec(name), until=until, start=start) for quarters, name in SPECS.items()}
        records = [r for quarters, done in trainings.items() for r in panel.records(done, quarters, until=until)]
        further = [r for origin in origins for r in panel.rolled(origin)]
        store.con.disconnect()
    return BenchmarkResult(records=tuple(records), rolling=tuple(further), trainings=trainings, accounting=accounting)


class _Panel:
    """The panel's store with what every split shares: a day's features are computed once, for both horizons."""

    def __init__(self, store: Store, *, known_on: dt.date, seed: int, progress: Progress) -> None:
        self.store, self.known_on, self.seed, self.progress = store, known_on, seed, progress
        self.snapshots: dict[tuple[Any, ...], Snapshot] = {}

    def snapshot(self, day: dt.date, spec: ModelSpec) -> Snapshot:
        """Features of a day; the horizon does not enter them."""
        key = (day, spec.families, replace(spec.outcome, horizon_months=0))
        if key not in self.snapshots:
            self.progress(f"snapshot {day}", 0, 1)
            self.snapshots[key] = build_snapshot(self.store.as_of(day), spec=spec.outcome, families=spec.families)
        return self.snapshots[key]

    def train(self, spec: ModelSpec, *, until: dt.date, start: dt.date, known_on: dt.date | None = None) -> Training:
        """Train on outcomes realised by `until`, test on the starts from `start` whose outcomes are known on `known_on`."""
        seen = known_on or self.known_on
        split = plan_split(self.store, spec, known_on=seen, train_known_on=until, test_from=start)
        return train(
            self.store,
            spec,
            split=split,
            known_on=seen,
            snapshots=partial(self.snapshot, spec=spec),
            seed=self.seed,
            train_known_on=until,
            progress=self.progress,
        )

    def rolled(self, until: dt.date) -> list[dict[str, Any]]:
        """Records of a further split: tested on the starts of the year after `until`."""
        records = []
        for quarters, name in SPECS.items():
            seen = min(self.known_on, month_end(add_months(until, 3 * (ROLLING_QUARTERS + quarters))))
            try:
                done = self.train(load_model_spec(name), until=until, start=month_end(add_months(until, 3)), known_on=seen)
            except NotEnoughDataError:
                continue
            records += self.records(done, quarters, until=until)
        return records

    def records(self, training: Training, quarters: int, *, until: dt.date) -> list[dict[str, Any]]:
        """Entry is everyone at risk; relapse those seen below the line before; capacity is taken within each set as a whole."""
        import pandas as pd

        days = [self.snapshot(day, training.spec).frame()[["household_id", "as_of", HEAD_AGE]] for day in training.split.test]
        rows = training.accuracy.predictions
        rows = rows.merge(pd.concat(days), on=["household_id", "as_of"], how="left", validate="one_to_one")
        records = []
        for name, part in (("entry", rows), ("relapse", rows[rows["seen_below"]])):
            measured = measure_rows(part, training.spec.evaluation, by_day=False)
            first = {"train_until": quarter_text(until), "test_from": quarter_text(training.split.test[0]), "set": name}
            for score in SCORES:
                recalls = recall_by_head(part, f"p_{score}", training.spec.evaluation)
                records.append(first | _record(measured, quarters, score) | recalls)
        return records


def quarter_text(day: dt.date) -> str:
    """The quarter of a day.

    Examples
    --------
    >>> quarter_text(dt.date(2010, 12, 31))
    '2010Q4'
    """
    return f"{day.year}Q{(day.month + 2) // 3}"


def recall_by_head(rows: pd.DataFrame, score: str, settings: EvaluationSpec) -> dict[str, float | None]:
    """Share of the events on the list of the top `capacity`, apart by the age of the head; intervals by resampling villages.

    Parameters
    ----------
    rows
        household_id, as_of, village_code, y, head_age, and the column `score`. Ties are cut by household and day. A household without a
        recorded head is among the rest.

    Returns
    -------
    For each of `PARTS`: `recall_at_10_<part>` with `_low` and `_high` (95%; the list itself is held); None where a part has no event.
    """
    import numpy as np

    ordered = rows.sort_values([score, "household_id", "as_of"], ascending=[False, True, True])
    listed = np.arange(len(ordered)) < round(settings.capacity * len(ordered))
    village, codes = np.unique(ordered["village_code"].to_numpy(), return_inverse=True)
    draws = draw_clusters(len(village), n_bootstrap=settings.n_bootstrap, seed=settings.seed)
    is_old = ordered[HEAD_AGE].to_numpy() >= OLD_HEAD_YEARS
    figures: dict[str, float | None] = {}
    for part, chosen in zip(PARTS, (is_old, ~is_old), strict=True):
        event = chosen * ordered["y"].to_numpy("float64")
        events, found = (np.bincount(codes, weights=w, minlength=len(village)) for w in (event, event * listed))
        drawn = _shares(draws @ found, draws @ events)
        low, high = np.percentile(drawn, (2.5, 97.5)) if len(drawn) else (np.nan, np.nan)
        share = found.sum() / events.sum() if events.sum() else np.nan
        figures |= {f"recall_at_10_{part}{end}": _plain(v) for end, v in (("", share), ("_low", low), ("_high", high))}
    return figures


def _shares(found: np.ndarray, events: np.ndarray) -> np.ndarray:
    """`found / events` of the draws that hold an event."""
    shares: np.ndarray = found[events > 0] / events[events > 0]
    return shares


def _record(measured: Evaluation, quarters: int, score: str) -> dict[str, Any]:
    wide = measured.wide()
    row = wide[wide["score"] == score].iloc[0].to_dict()
    figures = {
        f"{short}{end}": _plain(row[f"{long}{end}"]) for long, short in METRIC_NAMES.items() for end in ("", "_low", "_high")
    }
    return {"quarters": quarters, "score": score, "n": int(row["n"]), "base_rate": float(row["base_rate"]), **figures}


def _plain(value: Any) -> float | None:
    """A number JSON can hold."""
    return None if value != value else float(value)  # noqa: PLR0124 (NaN)


def write_records(result: BenchmarkResult, path: Path) -> Path:
    """Write the records as a JSON list, those of the further splits after those of the one that was asked for."""
    text = json.dumps([*result.records, *result.rolling], indent=2, allow_nan=False) + "\n"
    return write_atomically(path, lambda p: p.write_text(text, encoding="utf-8"))
