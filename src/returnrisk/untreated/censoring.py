"""From the table of measures to weights: who was helped when, how likely that was by what was on file before, what the rest weigh.

Estimand "untreated": the probability of `fall` within the horizon if support held at `as_of` continues and no new measure starts.
Households helped before their outcome closed are censored in the month the measure started: the outcome that help left them is
not theirs without help. They are not dropped: those like them who were not helped count for them. Assumes that nothing beyond
the facts on file drives both help and falling (no unmeasured confounding), and that some like them were not helped (overlap).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from returnrisk.config import OutcomeSpec
from returnrisk.errors import NotEnoughDataError
from returnrisk.models import make_learner
from returnrisk.store.view import View
from returnrisk.timeline import add_months, month_end
from returnrisk.untreated.covariates import SnapshotMaker, facts_at
from returnrisk.untreated.weights import (
    LEAST_STAY,
    BoolArray,
    FloatArray,
    IntArray,
    PersonMonths,
    Weights,
    censoring_weights,
    person_months_of,
)

if TYPE_CHECKING:
    import pandas as pd

FEWEST_STARTS = 20
"""Starts of help under which their chance is not learnt (assumed): without help to speak of, every weight is one."""


LEAST_EFFECTIVE = 0.3
"""Effective size over rows of a tenth of risk, under which its weights are said to speak for nobody (assumed)."""


@dataclass(frozen=True, slots=True, eq=False)
class Censored:
    """Labelled household-days under "no new support".

    Attributes
    ----------
    rows
        household_id, as_of, y (1, 0; NA where censored by help), helped (bool), start_month (1 …; 0: none within the horizon), weight
        (of the population), fit_weight (steadied), stay (chance, by the facts of `as_of`, of staying unhelped over the horizon). One
        row per household-day given, in their order.
    weights
        The weights with their diagnostics.
    n_person_months, n_starts
        What the chance of a start was learnt from.
    """

    rows: pd.DataFrame
    weights: Weights
    n_person_months: int
    n_starts: int


def months_needed(days: list[dt.date], *, horizon_months: int) -> list[dt.date]:
    """Month ends whose facts the weights of `days` ask for, earliest first: from each day on, one before every month of the horizon."""
    return sorted({month_end(add_months(day, k)) for day in days for k in range(horizon_months)})


def censor_helped(labels: pd.DataFrame, *, known: View, spec: OutcomeSpec, snapshots: SnapshotMaker) -> Censored:
    """Censor household-days at the start of new support, and weight the others.

    Parameters
    ----------
    labels
        household_id, as_of (a month end), y, event_on: rows with a closed outcome, any number of days.
    known
        The view that closed the outcomes; its table `support` says when measures started.
    snapshots
        Gives the snapshot of any month end, with the families of `covariates.FAMILIES` (or some of them).
    """
    import pandas as pd

    rows = labels.reset_index(drop=True)
    start = _first_starts(rows, known, horizon=spec.horizon_months)
    fell = rows["y"].to_numpy(np.float64) == 1
    close = np.full(len(rows), spec.horizon_months)
    if spec.rule == "first":
        close[fell] = _months_from(rows["as_of"], rows["event_on"])[fell]
    laid = person_months_of(start, close)
    chance, stay = _chances(rows, laid, snapshots=snapshots)
    weights = censoring_weights(chance, laid, stay=stay, least_stay=LEAST_STAY)
    out = rows[["household_id", "as_of"]].assign(
        y=pd.array(np.where(laid.helped, 0, fell).astype(np.int8), dtype="Int8"),
        helped=laid.helped,
        start_month=start,
        weight=weights.population,
        fit_weight=weights.fitting,
        stay=stay,
    )
    out.loc[laid.helped, "y"] = pd.NA
    return Censored(rows=out, weights=weights, n_person_months=len(laid.row), n_starts=int(laid.started.sum()))


def with_weights(rows: pd.DataFrame, censored: Censored) -> pd.DataFrame:
    """The rows that were not helped before their outcome closed, with `weight`, `fit_weight` and `stay`; in their order."""
    found = censored.rows.loc[~censored.rows["helped"], ["household_id", "as_of", "weight", "fit_weight", "stay"]]
    return rows.merge(found, on=["household_id", "as_of"], how="inner", validate="one_to_one")


def _first_starts(rows: pd.DataFrame, known: View, *, horizon: int) -> IntArray:
    """Month after `as_of` of the first measure that started after it, (n,); 0: none within the horizon."""
    import pandas as pd

    table = known.table("support")
    starts = table.select("household_id", "started_on").distinct().to_pandas()
    starts["started_on"] = pd.to_datetime(starts["started_on"])
    pairs = rows[["household_id", "as_of"]].assign(row=np.arange(len(rows))).merge(starts, on="household_id")
    after = pairs[pairs["started_on"] > pairs["as_of"]]
    months = _months_from(after["as_of"], after["started_on"])
    within = months <= horizon
    first = np.full(len(rows), horizon + 1)
    np.minimum.at(first, after["row"].to_numpy()[within], months[within])
    return np.where(first > horizon, 0, first)


def _months_from(earlier: pd.Series, later: pd.Series) -> IntArray:
    """Whole calendar months between the months of two days, (n,); 0 where one is missing."""
    months = (later.dt.year - earlier.dt.year) * 12 + later.dt.month - earlier.dt.month
    return np.asarray(months.fillna(0), dtype=np.int64)


def _chances(rows: pd.DataFrame, laid: PersonMonths, *, snapshots: SnapshotMaker) -> tuple[FloatArray, FloatArray]:
    """Chance of a start in every person-month by the facts before it, and of none over the horizon by those of `as_of`.

    Days a quarter apart share months of a household: facts of a month before are the same for all of them, so the regression takes a
    household's month once, with as many rows as it stands for.
    """
    import pandas as pd

    day = rows["as_of"].dt.year.to_numpy() * 12 + rows["as_of"].dt.month.to_numpy() - 1
    household = rows["household_id"].to_numpy()
    before = day[laid.row] + laid.month - 1  # the month that ends before the one in question
    if laid.started.sum() < FEWEST_STARTS:
        return np.zeros(len(laid.row)), np.ones(len(rows))
    first = int(before.min())
    ends = [month_end(dt.date(m // 12, m % 12 + 1, 1)) for m in range(first, int(before.max()) + 1)]
    whose = pd.factorize(household)[0][laid.row].astype(np.int64)
    code, unique = pd.factorize(whose * len(ends) + before - first)
    facts, names = facts_at(
        pd.unique(household)[unique // len(ends)], np.asarray(unique % len(ends)), ends=ends, snapshots=snapshots
    )
    stands_for, starts = np.bincount(code), np.bincount(code, weights=laid.started)
    chance = _learnt(facts, starts > 0, stands_for.astype(np.float64), names)[code]
    at_start = laid.month == 1
    baseline = facts[code[at_start]]  # every row has a first month, and rows lie in order
    stay = 1.0 - _learnt(baseline, laid.helped, np.ones(len(rows)), names)
    return chance, stay


def _learnt(facts: FloatArray, happened: BoolArray, weight: FloatArray, names: list[str]) -> FloatArray:
    """Probability of each row by logistic regression on the facts."""
    if not 0 < happened.sum() < len(happened):
        raise NotEnoughDataError("support: every row is helped, or none: the chance of a start cannot be learnt")
    learner = make_learner("logistic", feature_names=names, monotone={}, params={"C": 1.0}).fit(
        facts, happened.astype(np.int8), sample_weight=weight
    )
    return np.asarray(learner.predict_proba(facts)[:, 1])


def overlap_of(
    rows: pd.DataFrame, *, risk: FloatArray | None = None, least_stay: float = LEAST_STAY
) -> Mapping[str, float | list[float]]:
    """Where the weighted rows can speak for all: counts, weights and effective sizes.

    Parameters
    ----------
    rows
        Of `Censored.rows`, one or more of them.
    risk
        (n,) predicted risk: the effective size is then also given by tenth of it, lowest first.

    Returns
    -------
    n_rows, n_helped (censored), share_helped, n_falls (kept), share_no_overlap (chance of staying unhelped under `least_stay`),
    largest_weight (after trimming), effective_size, effective_falls; by tenth of risk: effective_size_by_tenth, rows_by_tenth.
    """
    from returnrisk.untreated.weights import effective_size

    weight, event = rows["weight"].to_numpy(np.float64), (rows["y"] == 1).fillna(False).to_numpy(bool)
    out: dict[str, float | list[float]] = {
        "n_rows": len(rows),
        "n_helped": int(rows["helped"].sum()),
        "share_helped": float(rows["helped"].mean()),
        "n_falls": int(event.sum()),
        "share_no_overlap": float((rows["stay"] < least_stay).mean()),
        "largest_weight": float(weight.max()),
        "effective_size": effective_size(weight),
        "effective_falls": effective_size(weight[event]),
    }
    if risk is not None:
        tenths = np.array_split(np.argsort(risk, kind="stable"), 10)
        out["effective_size_by_tenth"] = [effective_size(weight[t]) for t in tenths]
        out["rows_by_tenth"] = [len(t) for t in tenths]
    return out


def weak_tenths(overlap: Mapping[str, float | list[float]]) -> list[int]:
    """Tenths of predicted risk (1 lowest … 10 highest) whose weights leave too small an effective sample: what is said of them rests on few.

    Parameters
    ----------
    overlap
        Of `overlap_of`, given risks.

    Examples
    --------
    >>> weak_tenths({"effective_size_by_tenth": [90.0] * 9 + [12.0], "rows_by_tenth": [100.0] * 10})
    [10]
    """
    size, rows = overlap.get("effective_size_by_tenth", []), overlap.get("rows_by_tenth", [])
    if not isinstance(size, list) or not isinstance(rows, list):
        raise TypeError("effective sizes by tenth of risk must be lists")
    return [k for k, (s, n) in enumerate(zip(size, rows, strict=True), start=1) if s < LEAST_EFFECTIVE * n]
