"""What a stability audit writes: `outputs/<day>/stability/<specification>/`, by pseudonym.

agreement.csv       every comparison and metric     change.csv     households that entered or left, by cause
steps.csv           the list after each swap        orders.csv     causes had the swaps come in another order
households.parquet  selection frequency and spread of every risk   manifest.json   last: checksums, and what it was made from
"""

from __future__ import annotations

from pathlib import Path

from returnrisk.backtest_outputs import write_csv
from returnrisk.run_manifest import seal, unseal
from returnrisk.stability import StabilityAudit
from returnrisk.store.files import write_atomically


def write_stability(found: StabilityAudit, folder: Path, *, fingerprint: str, seed: int) -> Path:
    """Write everything of an audit to `folder`; its manifest last, so that a folder without one is not a whole audit.

    Raises
    ------
    OSError
        The folder cannot be written or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unseal(folder)
    tables = {
        "agreement": found.table,
        "change": found.change.frame(),
        "steps": found.change.steps,
        "orders": found.change.by_order,
    }
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv")
    write_atomically(folder / "households.parquet", lambda p: found.households.to_parquet(p, index=False))
    seal(
        folder,
        specification=found.spec_name,
        as_of=found.as_of.isoformat(),
        before=found.before.isoformat(),
        by_lot=found.chance,
        resamples_not_learnt=found.n_failed,
        seed=seed,
        store_fingerprint=fingerprint,
    )
    return folder
