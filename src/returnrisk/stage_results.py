"""What each stage of a project gives back: the result itself, the files it was written to, and `.frame()`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.accuracy import Accuracy
    from returnrisk.backtest import Backtest
    from returnrisk.drift import MonthDrift
    from returnrisk.gates import GateAnswer
    from returnrisk.ingest.inbox import IngestResult
    from returnrisk.office_export import ExportResult
    from returnrisk.recalibration import Recalibration
    from returnrisk.registry.bundle import Bundle
    from returnrisk.registry.catalogue import ModelVersion
    from returnrisk.scoring import Scores
    from returnrisk.screening import AlertsSince, RollUp, Screening
    from returnrisk.stability import ListChange
    from returnrisk.training import Training
    from returnrisk.tuning import Tuned
    from returnrisk.visits import VisitList


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A trained model: what was measured, the bundle that holds it, its version in the registry, and the tables written to `folder`."""

    training: Training
    bundle: Bundle
    version: ModelVersion
    tables: Mapping[str, pd.DataFrame]
    folder: Path

    def frame(self) -> pd.DataFrame:
        """Metrics on the test days, one row per score."""
        return self.training.accuracy.overall.wide()


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version that was made champion, what every gate said, and whether one that refused was overridden."""

    version: ModelVersion
    gates: tuple[GateAnswer, ...]
    overridden: bool

    def frame(self) -> pd.DataFrame:
        """One row per gate."""
        from returnrisk.gates import gate_table

        return gate_table(self.gates)


@dataclass(frozen=True, slots=True)
class RecalibrationResult:
    """A model's curve after a new period; without bundle and version where the new period asks for no other curve."""

    found: Recalibration
    bundle: Bundle | None
    version: ModelVersion | None

    def frame(self) -> pd.DataFrame:
        """The model before and after, on the held-out days."""
        return self.found.frame()


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """Models of one outcome compared over past days, and the folder it was written to."""

    found: Backtest
    folder: Path

    def frame(self) -> pd.DataFrame:
        """One row per score, best first."""
        return self.found.table()


@dataclass(frozen=True, slots=True)
class TuneResult:
    """A search for hyper-parameters, the folder of its trials, and the specification that was written."""

    found: Tuned
    folder: Path
    specification: Path

    def frame(self) -> pd.DataFrame:
        """One row per trial."""
        return self.found.trials


@dataclass(frozen=True, slots=True)
class VisitResult:
    """A visit list, the register of those whose follow-up goes on (`visits.follow_up`), how far the month has drifted, and the files written."""

    visit_list: VisitList
    follow_up: pd.DataFrame
    drift: MonthDrift
    workbooks: tuple[Path, ...]
    parquet: Path

    def frame(self) -> pd.DataFrame:
        """The list, without identities."""
        return self.visit_list.frame()


@dataclass(frozen=True, slots=True)
class ReportResult:
    """The evaluator's page and the accuracy it shows."""

    path: Path
    accuracy: Accuracy

    def frame(self) -> pd.DataFrame:
        """Metrics with intervals: everyone at risk, entries, relapses."""
        return self.accuracy.frame()


@dataclass(frozen=True, slots=True)
class RunResult:
    """Everything one monthly run wrote; `change` says why its list differs from that of the last run (None: there is none to compare)."""

    ingest: IngestResult
    scores: Scores
    visits: VisitResult
    report: Path
    model_version: str
    change: ListChange | None = None

    def frame(self) -> pd.DataFrame:
        """The visit list."""
        return self.visits.frame()


@dataclass(frozen=True, slots=True, eq=False)
class ScreenResult:
    """A screening, its roll-up, and the files they were written to.

    Attributes
    ----------
    folder
        `outputs/<day>/screening/`.
    county_workbook, township_workbooks, page
        The county's workbook, one a township (with identities), the page to publish.
    exported
        Files of the county's existing system; None where none were asked for.
    in_ledger
        Whether the county's ledger took the alerts in: not of a trial with another pack, nor of a day that was looked back at.
    """

    screening: Screening
    rollup: RollUp
    folder: Path
    county_workbook: Path
    township_workbooks: tuple[Path, ...]
    page: Path
    exported: ExportResult | None
    in_ledger: bool = False

    def frame(self) -> pd.DataFrame:
        """One row per township: counts of `RollUp.areas`."""
        areas = self.rollup.areas
        return areas[areas["level"] == "township"].reset_index(drop=True)


@dataclass(frozen=True, slots=True, eq=False)
class AlertResult:
    """Alerts since a day, and a workbook for each township that has one; `in_ledger` as of `ScreenResult`."""

    found: AlertsSince
    folder: Path
    workbooks: tuple[Path, ...]
    in_ledger: bool = False

    def frame(self) -> pd.DataFrame:
        """The alerts, one row each."""
        return self.found.frame()
