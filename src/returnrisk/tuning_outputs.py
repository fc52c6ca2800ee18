"""What a search writes: the tuned specification beside the project's own, and `outputs/<day>/tuning/<name>/` with every trial.

models/<name>-tuned.toml      the specification with the best parameters; an existing file is never overwritten
trials.csv                    a row per trial      manifest.json   last: checksums, and what it was made from
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from returnrisk.errors import ConfigError
from returnrisk.run_manifest import seal, unseal
from returnrisk.stage_results import TuneResult
from returnrisk.store.files import write_atomically
from returnrisk.tuning import Tuned, specification_text


def refuse_existing(path: Path) -> None:
    """Refuse a specification that is there already: it may be somebody's work. Asked before the search as well as after it."""
    if path.exists():
        raise ConfigError(f"models/{path.name} exists already and is not overwritten: rename or remove it first")


def write_tuning(found: Tuned, folder: Path, *, specification: Path, known_on: dt.date, fingerprint: str) -> TuneResult:
    """Write everything of a search; the specification first, the manifest last.

    Raises
    ------
    ConfigError
        The specification is there already.
    OSError
        Nothing can be written there or the disk is full.
    """
    refuse_existing(specification)
    folder.mkdir(parents=True, exist_ok=True)
    specification.parent.mkdir(parents=True, exist_ok=True)
    unseal(folder)
    days = f"{found.folds[0].day} to {found.folds[-1].day}"
    comment = (
        f"{found.spec.name} 的调参结果，未经往期检验 / {found.spec.name}, tuned on {len(found.folds)} inner folds ({days}), "
        f"{len(found.trials)} trials, seed {found.seed}\n"
        f"{found.settings.metric} {found.gain:+.4f} ({found.low:+.4f}, {found.high:+.4f}) against it on the folds it was chosen by: backtest both"
    )
    text = specification_text(found.tuned, comment=comment)
    write_atomically(specification, lambda p: p.write_bytes(text.encode("utf-8")))
    trials = found.trials.drop(columns="seconds").to_csv(index=False, lineterminator="\n", float_format="%.10g")
    write_atomically(folder / "trials.csv", lambda p: p.write_bytes(trials.encode("utf-8-sig")))
    seal(
        folder,
        known_on=known_on.isoformat(),
        spec=found.spec.as_dict(),
        tuned=found.tuned.as_dict(),
        seed=found.seed,
        folds=[
            {"fit": [d.isoformat() for d in f.fit], "day": f.day.isoformat(), "known_on": f.known_on.isoformat()}
            for f in found.folds
        ],
        store_fingerprint=fingerprint,
    )
    return TuneResult(found=found, folder=folder, specification=specification)
