"""What scores were worth on the test days: on everyone at risk, on entries and relapses apart, and at the list's real size.

At the real size means: on every test day each score fills the very list that `visits` would have made with it (must-visits first,
so many places a township), and precision and recall are those of the listed households whose outcome is known. Without a list
(a panel with no townships to visit) they are taken at the specification's share of households.

Falls reached in time are counted over one horizon of those lists (`evaluation.missed_visits`).

Beside the scores may stand two orders, which are no probabilities and have no calibration: the county's own alert rules, and chance.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from returnrisk.config import EvaluationSpec
from returnrisk.errors import NotEnoughDataError
from returnrisk.evaluation import Evaluation, evaluate, missed_visits
from returnrisk.evaluation.ranking import chance_of_place
from returnrisk.fairness import PREFIX, TOWNSHIP, group_calibration, groups_of, measure_fairness
from returnrisk.models.alert_rules import alert_position
from returnrisk.visits import listed

if TYPE_CHECKING:
    import datetime as dt

    import numpy as np
    import pandas as pd

    from returnrisk.features.snapshot import Snapshot

SCORES = ("model", "logistic", "income")
ORDERS = ("alerts", "random")
"""By the alert rules of the county's own pack, ties at chance; and at chance alone, whose figures are those expected (of its list: one draw)."""
RANKING = ("auc", "average_precision", "precision_at_capacity", "recall_at_capacity", "tie_share_at_capacity")
"""What an order that is no probability can be measured by."""
_ALERT_COUNTS = ("n_must_visit_alerts", "n_alerts")
POPULATIONS: Mapping[str, bool] = {"entry": False, "relapse": True}
"""Name of each part of those at risk, by `seen_below`."""

FEWEST_FALLS = 20
"""Falls under which no share of them is told (assumed): it would say more of single households than of the lists."""

RiskOf = Callable[["pd.DataFrame", str], "np.ndarray"]
"""Snapshot rows and the name of a score to probabilities, (n,)."""
AlertsOf = Callable[["dt.date"], "pd.DataFrame | None"]
"""A day to its alerts by household (`features.alerts.alert_counts`)."""
AttributesOf = Callable[["dt.date"], "pd.DataFrame"]
"""A day to its households' protected attributes (`fairness.household_attributes`)."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How good the scores were.

    Attributes
    ----------
    predictions
        One row per test household and day: household_id, as_of, village_code, seen_below, y, `p_<score>`, `group_<grouping>` (`fairness.groups_of`); with a list also
        `listed_<score>`.
    overall
        Everyone at risk.
    populations
        "entry" and "relapse": each alone; one with too few events to measure is not there.
    reached
        Falls that the lists of one horizon named in time, a row per score (`evaluation.missed_visits`); None without lists, or with fewer than
        `FEWEST_FALLS`.
    """

    predictions: pd.DataFrame
    overall: Evaluation
    populations: Mapping[str, Evaluation]
    reached: pd.DataFrame | None = None

    def frame(self) -> pd.DataFrame:
        """Metrics with intervals, one row per population ("all", "entry", "relapse"), score and metric."""
        import pandas as pd

        parts = {"all": self.overall, **self.populations}
        frame = pd.concat([part.frame().assign(population=name) for name, part in parts.items()], ignore_index=True)
        return frame[["population", *(c for c in frame.columns if c != "population")]]

    def by_group(self, settings: EvaluationSpec) -> pd.DataFrame:
        """Calibration of the model within townships, classes and groups easily overlooked (`fairness.group_calibration`)."""
        return group_calibration(self.predictions, settings)

    def fairness(self, settings: EvaluationSpec, *, groupings: Collection[str] | None = None) -> pd.DataFrame:
        """Whom the model's lists miss more (`fairness.measure_fairness`): its real lists, or without any the specification's share of each day.

        `groupings`: only these, so that fewer comparisons are controlled for; default all but townships.
        """
        rows, weight = self.predictions, "weight" if "weight" in self.predictions.columns else None
        asked = [c for c in rows.columns if c.startswith(PREFIX) and c != f"{PREFIX}{TOWNSHIP}"]
        groups = rows[[c for c in asked if groupings is None or c.removeprefix(PREFIX) in groupings]]
        listed = f"listed_{SCORES[0]}"
        if listed not in rows.columns:
            rows = rows.assign(**{listed: _chances(rows, f"p_{SCORES[0]}", weight=weight, share=settings.capacity)})
        return measure_fairness(
            rows,
            groups.rename(columns=lambda c: c.removeprefix(PREFIX)),
            selected=listed,
            score=f"p_{SCORES[0]}",
            weight=weight,
            min_events=settings.min_group_events,
            n_bootstrap=settings.n_bootstrap,
            seed=settings.seed,
        )


def _chances(rows: pd.DataFrame, score: str, *, weight: str | None, share: float) -> pd.Series:
    """Chance of each row to be among the day's top share."""
    import numpy as np
    import pandas as pd

    chance = pd.Series(0.0, index=rows.index)
    for _, day in rows.groupby("as_of"):
        stands_for = day[weight].to_numpy("float64") if weight else np.ones(len(day))
        chance[day.index] = chance_of_place(day[score].to_numpy("float64"), stands_for, share=share)
    return chance


def measure_accuracy(
    rows: pd.DataFrame,
    settings: EvaluationSpec,
    *,
    risk: RiskOf,
    snapshots: Callable[[dt.date], Snapshot],
    per_township: int | None = None,
    alerts: AlertsOf | None = None,
    attributes: AttributesOf | None = None,
    apart: bool = True,
) -> Accuracy:
    """Measure every score on labelled household-days, and the lists that each of them would have made.

    Parameters
    ----------
    rows
        Snapshot columns, y and event_on of households at risk with a known outcome, one row per household and day; with a column `weight`,
        how many households each stands for.
    risk
        Rows and the name of a score to probabilities.
    snapshots
        Gives the whole snapshot of a day: also who is below the line or not computable takes places of the list.
    per_township
        Places per township; None for no lists.
    alerts
        Gives the alerts of a day: `ORDERS` then stand beside the scores. On a day without any the rules rank nobody before another.
    attributes
        Gives the protected attributes of a day, by which groups are told apart that no snapshot knows; nothing is scored with them.
    apart
        Entries and relapses too (parts of a fall, of no other outcome).

    Raises
    ------
    NotEnoughDataError
        One class only, or fewer than two villages, among everyone at risk.
    """
    import pandas as pd

    names = (*SCORES, *(ORDERS if alerts else ()))

    def place(households: pd.DataFrame, name: str) -> np.ndarray:
        return risk(households, name) if name in SCORES or alerts is None else _order(households, name, alerts=alerts)

    weighted = ["weight"] if "weight" in rows.columns else []
    predictions = rows[["household_id", "as_of", "village_code", "seen_below", "y", *weighted]].copy()
    for name in names:
        predictions[f"p_{name}"] = place(rows, name)
    predictions = pd.concat([predictions, groups_of(_with_attributes(rows, attributes))], axis=1)
    reached = None
    if per_township is not None:
        lists = _lists(sorted(rows["as_of"].unique()), names, place=place, snapshots=snapshots, per_township=per_township)
        predictions = predictions.merge(lists, on=["household_id", "as_of"], how="left", validate="one_to_one")
        reached = _reached(rows, lists, names, settings)
    populations = {}
    for name, seen in POPULATIONS.items() if apart else ():
        try:
            populations[name] = measure_rows(predictions[predictions["seen_below"] == seen], settings)
        except NotEnoughDataError:
            continue
    return Accuracy(predictions=predictions, overall=measure_rows(predictions, settings), populations=populations, reached=reached)


def _with_attributes(rows: pd.DataFrame, attributes: AttributesOf | None) -> pd.DataFrame:
    """The rows, and beside them what their households are by the attributes of the same day."""
    import pandas as pd

    if attributes is None:
        return rows
    days = [pd.Timestamp(day) for day in sorted(rows["as_of"].unique())]
    told = pd.concat([attributes(day.date()).assign(as_of=day) for day in days], ignore_index=True)
    told["as_of"] = told["as_of"].astype(rows["as_of"].dtype)
    return rows.merge(told, on=["household_id", "as_of"], how="left", validate="one_to_one").set_axis(rows.index)


def _lists(
    days: Sequence[Any], names: Sequence[str], *, place: RiskOf, snapshots: Callable[[dt.date], Snapshot], per_township: int
) -> pd.DataFrame:
    """Who each score's own list would have held: household_id, as_of, `listed_<score>`, one row per household of each day."""
    import pandas as pd

    parts = []
    for day in days:
        everyone = snapshots(pd.Timestamp(day).date()).frame()
        chosen = everyone[["household_id", "as_of"]].copy()
        for name in names:
            scored = everyone[["household_id", "township_code", "stratum"]].assign(risk=place(everyone, name))
            chosen[f"listed_{name}"] = listed(scored, per_township=per_township)
        parts.append(chosen)
    return pd.concat(parts, ignore_index=True)


def _reached(rows: pd.DataFrame, lists: pd.DataFrame, names: Sequence[str], settings: EvaluationSpec) -> pd.DataFrame | None:
    """Falls that each score's lists named in time; None where too few fell, or in one village only."""
    try:
        found = missed_visits(
            rows,
            lists,
            score_columns={name: f"listed_{name}" for name in names},
            lead_days=settings.lead_days,
            weight="weight" if "weight" in rows.columns else None,
            n_bootstrap=settings.n_bootstrap,
            seed=settings.seed,
        )
    except NotEnoughDataError:
        return None
    return found if found["n_falls"].iloc[0] >= FEWEST_FALLS else None


def _order(households: pd.DataFrame, name: str, *, alerts: AlertsOf) -> np.ndarray:
    """Numbers in [0, 1) that rise with an order's place, (n,)."""
    import numpy as np
    import pandas as pd

    place = np.full(len(households), 0.5)
    if name == "random":
        return place
    for day in households["as_of"].unique():
        index = np.flatnonzero(households["as_of"] == day)
        counts = alerts(pd.Timestamp(day).date())
        who = households["household_id"].iloc[index]
        n = (who.map(counts.set_index("household_id")[c]).fillna(0) if counts is not None else who * 0 for c in _ALERT_COUNTS)
        position = alert_position(*n)
        place[index] = position / (1 + position)
    return place


def measure_rows(rows: pd.DataFrame, settings: EvaluationSpec, *, by_day: bool = True) -> Evaluation:
    """Metrics of all scores on some rows of `Accuracy.predictions`; a share of households is taken `by_day` or of all rows together."""
    names = [name for name in (*SCORES, *ORDERS) if f"p_{name}" in rows.columns]
    has_lists = f"listed_{SCORES[0]}" in rows.columns
    found = evaluate(
        rows,
        score_columns={name: f"p_{name}" for name in names},
        capacity=None if has_lists else settings.capacity,
        selected={name: f"listed_{name}" for name in names} if has_lists else None,
        within="as_of" if by_day else None,
        weight="weight" if "weight" in rows.columns else None,
        n_bootstrap=settings.n_bootstrap,
        seed=settings.seed,
    )

    def measurable(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        return {name: {m: v for m, v in values[name].items() if name in SCORES or m in RANKING} for name in names}

    curve = found.calibration_curve
    return replace(
        found,
        point=measurable(found.point),
        replicates=measurable(found.replicates),
        calibration_curve=curve[~curve["score"].isin(ORDERS)].reset_index(drop=True),
    )
