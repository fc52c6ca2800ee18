"""What a drift audit writes: `outputs/<day>/drift/`, counts and shares only.

checks.csv       every check with its answer        summary.csv    a row per code
features.csv     index of every feature             families.csv   share of every family's that moved      risks.csv   index and mean of the risks
deliveries.csv   age of every source, by township   rows.csv       rows recorded in the month
codes.csv        shares of codes                    units.csv      medians of amounts
calibration.csv  matured outcomes against risks (where there are any)
manifest.json    last: checksums, and what it was made from
"""

from __future__ import annotations

from pathlib import Path

from returnrisk.backtest_outputs import write_csv
from returnrisk.drift import MonthDrift
from returnrisk.run_manifest import seal, unseal


def write_drift(found: MonthDrift, folder: Path, *, fingerprint: str) -> Path:
    """Write everything of a month's drift to `folder`; its manifest last, so that a folder without one is not a whole audit.

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
    tables = {"checks": found.frame(), "summary": found.summary(), **found.tables}
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv")
    for stale in set(folder.glob("*.csv")) - {folder / f"{name}.csv" for name in tables}:
        stale.unlink()  # figures of an earlier audit that this one has none of
    seal(
        folder,
        as_of=found.as_of.isoformat(),
        model_version=found.model_version,
        reference_days=[day.isoformat() for day in found.reference_days],
        store_fingerprint=fingerprint,
    )
    return folder
