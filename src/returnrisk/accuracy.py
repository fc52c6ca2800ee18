"""What scores were worth on the test days: on everyone at risk, on entries and relapses apart, and at the list's real size.

At the real size means: on every test day each score fills the very list that `visits` would have made with it (must-visits first,
so many places a township), and precision and recall are those of the listed households whose outcome is known. Without a list
(a panel with no townships to visit) they are taken at the specification's share of households.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from returnrisk.config import EvaluationSpec
from returnrisk.errors import NotEnoughDataError
from returnrisk.evaluation import Evaluation, evaluate
from returnrisk.visits import listed

if TYPE_CHECKING:
    import datetime as dt

    import numpy as np
    import pandas as pd

    from returnrisk.features.snapshot import Snapshot

SCORES = ("model", "logistic", "income")
POPULATIONS: Mapping[str, bool] = {"entry": False, "relapse": True}
"""Name of each part of those at risk, by `seen_below`."""

RiskOf = Callable[["pd.DataFrame", str], "np.ndarray"]
"""Snapshot rows and the name of a score to probabilities, (n,)."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How good the scores were.

    Attributes
    ----------
    predictions
        One row per test household and day: household_id, as_of, village_code, seen_below, y, `p_<score>`; with a list also
        `listed_<score>`.
    overall
        Everyone at risk.
    populations
        "entry" and "relapse": each alone; one with too few events to measure is not there.
    """

    predictions: pd.DataFrame
    overall: Evaluation
    populations: Mapping[str, Evaluation]

    def frame(self) -> pd.DataFrame:
        """Metrics with intervals, one row per population ("all", "entry", "relapse"), score and metric."""
        import pandas as pd

        parts = {"all": self.overall, **self.populations}
        frame = pd.concat([part.frame().assign(population=name) for name, part in parts.items()], ignore_index=True)
        return frame[["population", *(c for c in frame.columns if c != "population")]]


def predict(
    rows: pd.DataFrame, *, risk: RiskOf, snapshots: Callable[[dt.date], Snapshot], per_township: int | None = None
) -> pd.DataFrame:
    """Probabilities of labelled household-days, and which of them each score's own list would have held.

    Parameters
    ----------
    rows
        Snapshot columns and y of households at risk with a known outcome, one row per household and day; with a column `weight`,
        how many households each stands for.
    snapshots
        Gives the whole snapshot of a day: also who is below the line or not computable takes places of the list.
    per_township
        Places per township; None for no lists.
    """
    import pandas as pd

    weighted = ["weight"] if "weight" in rows.columns else []
    frame = rows[["household_id", "as_of", "village_code", "seen_below", "y", *weighted]].copy()
    for name in SCORES:
        frame[f"p_{name}"] = risk(rows, name)
    if per_township is None:
        return frame
    lists = []
    for day in sorted(frame["as_of"].unique()):
        everyone = snapshots(pd.Timestamp(day).date()).frame()
        chosen = everyone[["household_id", "as_of"]].copy()
        for name in SCORES:
            scored = everyone[["household_id", "township_code", "stratum"]].assign(risk=risk(everyone, name))
            chosen[f"listed_{name}"] = listed(scored, per_township=per_township)
        lists.append(chosen)
    return frame.merge(pd.concat(lists, ignore_index=True), on=["household_id", "as_of"], how="left", validate="one_to_one")


def measure_accuracy(predictions: pd.DataFrame, settings: EvaluationSpec, *, apart: bool = True) -> Accuracy:
    """Measure what `predict` gave; entries and relapses `apart` too (parts of a fall, of no other outcome).

    Raises
    ------
    NotEnoughDataError
        One class only, or fewer than two villages, among everyone at risk.
    """
    populations = {}
    for name, seen in POPULATIONS.items() if apart else ():
        try:
            populations[name] = measure_rows(predictions[predictions["seen_below"] == seen], settings)
        except NotEnoughDataError:
            continue
    return Accuracy(predictions=predictions, overall=measure_rows(predictions, settings), populations=populations)


def measure_rows(rows: pd.DataFrame, settings: EvaluationSpec, *, by_day: bool = True) -> Evaluation:
    """Metrics of all scores on some rows of `predict`; a share of households is taken `by_day` or of all rows together."""
    has_lists = f"listed_{SCORES[0]}" in rows.columns
    return evaluate(
        rows,
        score_columns={name: f"p_{name}" for name in SCORES},
        capacity=None if has_lists else settings.capacity,
        selected={name: f"listed_{name}" for name in SCORES} if has_lists else None,
        within="as_of" if by_day else None,
        weight="weight" if "weight" in rows.columns else None,
        n_bootstrap=settings.n_bootstrap,
        seed=settings.seed,
    )
