"""What a backtest writes: `outputs/<day>/backtest/<first specification>/`, tables as csv and the predictions by pseudonym.

comparison.csv   a row per score, best first       figures.csv      every metric of every origin, with intervals
origins.csv      days learnt from and tested on    choice.csv       worth and place by every rule
followed.csv     what following each rule would have brought        predictions.parquet
set_aside.csv    features that never differed at an origin         left_out.csv   specifications that could not be learnt, and why
manifest.json    last: checksums, and what it was made from
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.backtest import Backtest
from returnrisk.run_manifest import seal, unseal
from returnrisk.stage_results import BacktestResult
from returnrisk.store.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd


def write_backtest(found: Backtest, folder: Path, *, fingerprint: str) -> BacktestResult:
    """Write everything of a backtest to `folder`; its manifest last, so that a folder without one is not a whole backtest.

    Parameters
    ----------
    fingerprint
        Of the store.

    Raises
    ------
    OSError
        The folder cannot be written or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unseal(folder)
    tables = {
        "comparison": found.table(),
        "figures": found.frame(),
        "origins": found.origins_frame(),
        "choice": found.choice.by_rule,
        "followed": found.choice.followed,
        "set_aside": found.set_aside,
        "left_out": found.left_out,
    }
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv")
    write_atomically(folder / "predictions.parquet", lambda p: found.predictions.to_parquet(p, index=False))
    seal(
        folder,
        known_on=found.known_on.isoformat(),
        specs=[spec.as_dict() for spec in found.specs],
        metric=found.choice.metric,
        rule=found.choice.rule,
        chosen=found.choice.chosen,
        store_fingerprint=fingerprint,
    )
    return BacktestResult(found=found, folder=folder)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """A table as csv that a spreadsheet opens with its Chinese, whole or not at all."""
    text = table.to_csv(index=False, lineterminator="\n", float_format="%.10g")
    write_atomically(path, lambda p: p.write_bytes(text.encode("utf-8-sig")))
