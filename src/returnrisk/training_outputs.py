"""What a training writes beside its bundle: `outputs/<day>/training/<specification>/`, the same tables as in its MLflow run.

metrics.csv                every metric of every score, with intervals      differences.csv   each score against the model, draw by draw
falls_reached.csv          falls that one horizon of lists named in time, and the missed-visit rate (of lists of falls only)
calibration_groups.csv     calibration within townships, classes and groups easily overlooked
fairness.csv               whom the lists miss more: groups and intersections against all others (for the office: small counts stand in it)
manifest.json              last: checksums, and what it was made from
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.run_manifest import seal, unseal
from returnrisk.store.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.accuracy import Accuracy
    from returnrisk.config import ModelSpec


def training_tables(accuracy: Accuracy, spec: ModelSpec) -> dict[str, pd.DataFrame]:
    """The tables, by name."""
    return {
        "metrics": accuracy.frame(),
        "differences": accuracy.overall.differences("model"),
        "calibration_groups": accuracy.by_group(spec.evaluation),
        "fairness": accuracy.fairness(spec.evaluation),
        **({} if accuracy.reached is None else {"falls_reached": accuracy.reached}),
    }


def csv_files(tables: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    """The tables as files that every spreadsheet opens: name to content."""
    texts = {name: table.to_csv(index=False, lineterminator="\n", float_format="%.10g") for name, table in tables.items()}
    return {f"{name}.csv": text.encode("utf-8-sig") for name, text in texts.items()}


def write_training(tables: Mapping[str, pd.DataFrame], folder: Path, **made_from: Any) -> Path:
    """Write the tables to `folder` and give it back; the manifest last, so that a folder without one is not a whole training.

    Raises
    ------
    OSError
        The folder cannot be written or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unseal(folder)
    for name, content in csv_files(tables).items():
        write_atomically(folder / name, partial(Path.write_bytes, data=content))
    seal(folder, **made_from)
    return folder
