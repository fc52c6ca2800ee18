"""What a report is made from: frames of counts and metrics, checked, sorted, and never one row per household."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from returnrisk.config import Estimand
from returnrisk.errors import ContractViolation
from returnrisk.evaluation import METRICS
from returnrisk.evaluation.missed_visits import COLUMNS as MISSED_VISITS
from returnrisk.fairness import COLUMNS as FAIRNESS
from returnrisk.fairness import GROUPINGS
from returnrisk.reports.small_counts import publish_groups, publish_make_up, publish_strata

# Frame name to the columns it needs; the first group is its grain, by which rows are sorted or which they must not repeat.
_CONTEXT = ("n", "n_events", "base_rate", "n_clusters")
_NEEDED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "strata": (("stratum",), ("households", "expected_falls")),
    "make_up": (
        ("level", "area_code"),
        ("area_name", "capacity", "households", "eligible", "monitored", "must_visit", "model", "random", "listed"),
    ),
    "coverage": (
        ("table_name",),
        (
            "zh",
            "n_rows",
            "n_files",
            "n_input",
            "n_accepted",
            "n_duplicate",
            "n_quarantined",
            "first_period",
            "last_period",
            "delivered_share",
        ),
    ),
    "metrics": (("score", "metric"), ("value", "low", "high", *_CONTEXT)),
    "populations": (("population", "score", "metric"), ("value", "low", "high", *_CONTEXT)),
    "differences": (("score", "baseline", "metric"), ("difference", "low", "high", *_CONTEXT)),
    "calibration_curve": (("score", "bin"), ("mean_predicted", "observed", "low", "high", "n")),
    "lift_curve": (("score", "share"), ("recall", "precision", "lift")),
    "reached": (("score",), MISSED_VISITS[1:]),
    "fairness": (("grouping", "group", "grouping_2", "group_2"), FAIRNESS[4:]),
    "drift": (("code",), ("zh", "en", "n_checked", "n_alarms", "n_cannot_tell", "said_zh", "said_en")),
}
_OPTIONAL = ("reached", "fairness", "drift")
PERSONAL = ("household_id", "person_id", "pseudonym", "head_name", "phone", "address")
SCORE_ORDER = ("model", "logistic", "income")
_ORDERS: dict[str, tuple[str, ...]] = {
    "score": SCORE_ORDER,
    "metric": METRICS,
    "population": ("entry", "relapse"),
    "stratum": ("at_risk", "below_line", "not_computable", "monitored"),
    "level": ("township", "county"),
    "grouping": ("all", *GROUPINGS),
    "group": (*dict.fromkeys(group for grouping in GROUPINGS.values() for group in grouping.groups), ""),
}


@dataclass(frozen=True, slots=True, eq=False)
class ReportContent:
    """Facts and frames of one report.

    Attributes
    ----------
    as_of, area, model_version
        Day of the list, name of the county, version of the model.
    horizon_months, at_end
        What the model predicts: below the line within so many months, or at their end.
    evaluated_from, evaluated_until
        First and last `as_of` day of the test.
    capacity
        Share of households that precision and recall "at capacity" refer to; None when they are those of real lists.
    level
        Level of every interval, such as 0.95.
    strata
        `visits.strata(scores)`: stratum, households, expected_falls.
    make_up
        `VisitList.make_up()`.
    coverage
        One row per canonical table, also of those never delivered: table_name, zh, n_rows (in the store as of the day), n_files,
        n_input, n_accepted, n_duplicate, n_quarantined, first_period, last_period, delivered_share (of townships, 0 to 1).
    populations
        Metrics of parts of those at risk, such as "entry" and "relapse": columns as `metrics`, with population.
    metrics, differences, calibration_curve, lift_curve
        `Evaluation.frame()`, `.differences("income")`, `.calibration_curve`, `.lift_curve`.
    synthetic
        True for a simulated county: the page says so on top.
    reached
        `evaluation.missed_visits`: falls that one horizon of lists named in time; None where there are no lists, or nobody fell.
    fairness
        `fairness.measure_fairness` of the model's lists: whom they miss more; None: not measured.
    estimand
        What the risk is of: as households are helped, or without new help (the figures are then weighted); the page says it.
    drift, drift_days
        `drift.MonthDrift.summary()` and the days the month was held against (none: the model's bundle holds no reference).
    """

    as_of: dt.date
    area: str
    model_version: str
    horizon_months: int
    at_end: bool
    evaluated_from: dt.date
    evaluated_until: dt.date
    capacity: float | None
    level: float
    strata: pd.DataFrame
    make_up: pd.DataFrame
    coverage: pd.DataFrame
    metrics: pd.DataFrame
    populations: pd.DataFrame
    differences: pd.DataFrame
    calibration_curve: pd.DataFrame
    lift_curve: pd.DataFrame
    reached: pd.DataFrame | None = None
    fairness: pd.DataFrame | None = None
    synthetic: bool = False
    estimand: Estimand = "observed"
    drift: pd.DataFrame | None = None
    drift_days: tuple[dt.date, ...] = ()


def publishable(content: ReportContent) -> dict[str, pd.DataFrame]:
    """Check every frame, sort it, and replace small counts; what comes out is all that a reader may see.

    Raises
    ------
    ContractViolation
        A frame lacks a column, repeats its grain, holds one row per household, has counts that do not add up, or compares scores
        measured on different households.
    """
    given = [name for name in _NEEDED if name not in _OPTIONAL or getattr(content, name) is not None]
    frames = {name: _checked(getattr(content, name), name) for name in given}
    _refuse_unequal_ground(frames["metrics"], by=["metric"])
    _refuse_unequal_ground(frames["populations"], by=["population", "metric"])
    _refuse_lost_rows(frames["coverage"])
    frames["make_up"] = publish_make_up(frames["make_up"])
    frames["strata"] = publish_strata(frames["strata"], frames["make_up"])
    if "fairness" in frames:
        frames["fairness"] = publish_groups(frames["fairness"]).drop(columns=["grouping_2", "group_2"])
    return frames


def _checked(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    grain, rest = _NEEDED[name]
    if missing := [column for column in (*grain, *rest) if column not in frame.columns]:
        raise ContractViolation(
            f"the report's {name} has no column {', '.join(missing)}; found {', '.join(map(str, frame.columns))}"
        )
    if personal := [column for column in PERSONAL if column in frame.columns]:
        raise ContractViolation(f"the report's {name} has column {', '.join(personal)}; a report never shows single households")
    if (twice := frame.duplicated(list(grain))).any():
        raise ContractViolation(
            f"the report's {name} repeats {int(twice.sum())} rows of the same {', '.join(grain)}; expected one each"
        )
    return frame.sort_values(list(grain), key=_order, kind="stable", ignore_index=True)


def _order(column: pd.Series) -> pd.Series:
    """Scores, metrics, strata and levels in the order people expect, unknown ones after them by name; the rest as it is."""
    known = _ORDERS.get(str(column.name))
    if known is None:
        return column
    return column.map(lambda name: (known.index(name) if name in known else len(known), str(name)))


def _refuse_unequal_ground(metrics: pd.DataFrame, *, by: list[str]) -> None:
    differing = metrics.groupby(by)[list(_CONTEXT)].nunique(dropna=False).gt(1).any(axis=1)
    if differing.any():
        named = sorted(set(differing.index[differing].get_level_values("metric")))
        raise ContractViolation(
            f"{', '.join(named)}: scores were measured on different households; one table compares scores on the same ones only"
        )


def _refuse_lost_rows(coverage: pd.DataFrame) -> None:
    counts = coverage.loc[:, ["n_input", "n_accepted", "n_duplicate", "n_quarantined"]].fillna(0)
    off = counts["n_input"] != counts["n_accepted"] + counts["n_duplicate"] + counts["n_quarantined"]
    if off.any():
        names = ", ".join(coverage.loc[off, "table_name"])
        raise ContractViolation(f"input rows of {names} are not the sum of accepted, duplicate and quarantined ones; ingest again")


def metric_context(metrics: pd.DataFrame) -> Mapping[str, float]:
    """n, n_events, base_rate and n_clusters, the same for all scores."""
    first = metrics.iloc[0]
    return {name: float(first[name]) for name in _CONTEXT}
