"""The EPH benchmark: a real household panel through the same accounts, features, outcome and model code.

Entry: everyone at risk. Relapse: those of them seen below the line at an earlier interview. Horizons of one and four quarters;
status at the end. Outcomes for training are realised up to a quarter; test rows start at a later one. Unweighted; top 10% within
each set. Source of data: INDEC, Encuesta Permanente de Hogares, public-use microdata.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.accuracy import SCORES, measure_rows
from returnrisk.config import ModelSpec, load_model_spec
from returnrisk.contracts import load_contracts
from returnrisk.errors import UsageError
from returnrisk.evaluation import Evaluation
from returnrisk.features.snapshot import build_snapshot
from returnrisk.store.files import write_atomically
from returnrisk.store.tables import write_store
from returnrisk.store.view import Store, connect, open_store
from returnrisk.timeline import month_end
from returnrisk.training import Training, plan_split, train

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
SPECS: Mapping[int, str] = {1: "panel-fall-1q", 4: "panel-fall-4q"}
METRIC_NAMES = {
    "auc": "auc", "average_precision": "ap", "precision_at_capacity": "precision_at_10", "recall_at_capacity": "recall_at_10",
    "brier": "brier", "ece": "ece", "calibration_slope": "calibration_slope", "calibration_intercept": "calibration_intercept",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """Records of the benchmark: one per set, horizon and score."""

    records: tuple[dict[str, Any], ...]
    trainings: Mapping[int, Training]
    accounting: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """All records."""
        import pandas as pd

        return pd.DataFrame(list(self.records))

    def rows(self) -> str:
        """One line on what became of the input rows."""
        counts = self.accounting.select_dtypes("number").sum()
        left_out = {str(k): int(v) for k, v in counts.items() if v and not str(k).startswith("n_") and k != "quarter"}
        reasons = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in left_out.items()) or "none"
        return f"rows: {int(counts['n_input']):,} in {len(self.accounting)} files, {int(counts['n_accepted']):,} accepted; left out: {reasons}"

    def table(self) -> pd.DataFrame:
        """As people read it: figures with their intervals."""
        frame = self.frame()
        shown = frame[["set", "quarters", "n", "base_rate", "score"]].copy()
        shown["base_rate"] = shown["base_rate"].map("{:.3f}".format)
        for name in ("auc", "ap", "precision_at_10", "recall_at_10", "brier", "ece"):
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


def run_eph(data: Path, *, train_until: str, test_from: str, seed: int = 0, progress: Progress | None = None) -> BenchmarkResult:
    """Map, train and test at both horizons.

    Parameters
    ----------
    data
        Folder with the panel's files; quarters are whatever lies there.
    train_until, test_from
        Quarters like `2010Q4`.

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
    if start <= until:
        raise UsageError(f"test rows from {test_from} would start before training outcomes end at {train_until}")
    with tempfile.TemporaryDirectory() as scratch:
        report("read", 0, 1)
        store, accounting = eph_store(data, Path(scratch))
        known_on = store.last_recorded_on()
        trainings, records = {}, []
        for quarters, name in SPECS.items():
            spec = load_model_spec(name)
            trainings[quarters] = _train(store, spec, known_on=known_on, until=until, start=start, seed=seed, progress=report)
            records += _records(trainings[quarters], quarters)
        store.con.disconnect()
    return BenchmarkResult(records=tuple(records), trainings=trainings, accounting=accounting)


def _train(
    store: Store, spec: ModelSpec, *, known_on: dt.date, until: dt.date, start: dt.date, seed: int, progress: Progress
) -> Training:
    split = plan_split(store, spec, known_on=known_on, train_known_on=until, test_from=start)
    days = sorted({*split.refit, *split.fit, *split.calibrate, *split.test})
    snapshots = {}
    for i, day in enumerate(days):
        progress(f"snapshot {spec.name}", i, len(days))
        snapshots[day] = build_snapshot(store.as_of(day), spec=spec.outcome, families=spec.families)
    return train(
        store,
        spec,
        split=split,
        known_on=known_on,
        snapshots=snapshots.__getitem__,
        seed=seed,
        train_known_on=until,
        progress=progress,
    )


def _records(training: Training, quarters: int) -> list[dict[str, Any]]:
    """Entry is everyone at risk; relapse those seen below the line before; capacity is taken within each set as a whole."""
    rows = training.accuracy.predictions
    records = []
    for name, part in (("entry", rows), ("relapse", rows[rows["seen_below"]])):
        measured = measure_rows(part, training.spec.evaluation, by_day=False)
        records += [_record(measured, name, quarters, score) for score in SCORES]
    return records


def _record(measured: Evaluation, name: str, quarters: int, score: str) -> dict[str, Any]:
    wide = measured.wide()
    row = wide[wide["score"] == score].iloc[0].to_dict()
    figures = {
        f"{short}{end}": _plain(row[f"{long}{end}"]) for long, short in METRIC_NAMES.items() for end in ("", "_low", "_high")
    }
    return {"set": name, "quarters": quarters, "score": score, "n": int(row["n"]), "base_rate": float(row["base_rate"]), **figures}


def _plain(value: Any) -> float | None:
    """A number JSON can hold."""
    return None if value != value else float(value)  # noqa: PLR0124 (NaN)


def write_records(result: BenchmarkResult, path: Path) -> Path:
    """Write the records as a JSON list."""
    text = json.dumps(list(result.records), indent=2, allow_nan=False) + "\n"
    return write_atomically(path, lambda p: p.write_text(text, encoding="utf-8"))
