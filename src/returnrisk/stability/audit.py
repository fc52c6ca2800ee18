"""How far a list would stay: had the model been learnt from other villages, and from one month to the next, and what moved it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from returnrisk.stability.agreement import RANKED
from returnrisk.stability.change import ListChange, ListState, explain_change
from returnrisk.stability.retraining import Progress, compare_models, retrain_on_resamples, training_parts
from returnrisk.timeline import add_months, month_end
from returnrisk.training import fit_score, plan_split, score_spec
from returnrisk.visits import listed

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.config import ModelSpec
    from returnrisk.features.snapshot import Snapshot
    from returnrisk.store.view import Store
    from returnrisk.timeline import Split

INCOME = "income"
NAMES = {
    "kept": ("名单保留", "kept on the list"),
    "jaccard": ("重合度（交并比）", "overlap (Jaccard)"),
    "kept_with_must_visits": ("名单保留（含必访）", "kept, must-visits counted"),
    "spearman": ("风险排序相关", "rank correlation of risks"),
    "rbo": ("排序重合（RBO，重前列）", "rank-biased overlap"),
    "first_reason": ("首要理由相同", "same first reason"),
    "same_reasons": ("理由相同", "same reasons"),
    "shared_reasons": ("理由重合度", "reasons shared"),
}
"""What each metric of `compare_lists` is called."""


@dataclass(frozen=True, slots=True, eq=False)
class StabilityAudit:
    """What a list owes to the villages it was learnt from, to the learner's chance, to a month, and to luck.

    Attributes
    ----------
    spec_name, as_of, before
        Specification, the day listed, and the month end before it.
    table
        One row per comparison and metric: against ("villages" and "seed": retrained on resamples; "month": list and model of the month
        before), score ("model" or "income", the simplest a county could do), metric, value (mean over resamples), low, high (points
        over resamples, or an interval over villages), n.
    chance
        Share of the list that a list drawn by lot in every township would share with it.
    change
        Why the list differs from that of the month before.
    households
        `Retraining.households` of the model over villages: selection frequency and spread of every risk.
    n_failed
        Resamples that could not be learnt from.
    """

    spec_name: str
    as_of: dt.date
    before: dt.date
    table: pd.DataFrame
    chance: float
    change: ListChange
    households: pd.DataFrame
    n_failed: int

    def frame(self) -> pd.DataFrame:
        """The comparisons."""
        return self.table


def days_of_stability(store: Store, spec: ModelSpec, *, as_of: dt.date) -> list[dt.date]:
    """Every day a snapshot will be asked for; fails as `audit_stability` would, before anything is computed."""
    before = _month_before(as_of)
    splits = [plan_split(store, spec, known_on=day) for day in (before, as_of)]
    return sorted({as_of, before, *(day for split in splits for day in (*split.fit, *split.calibrate, *split.refit))})


def audit_stability(
    store: Store,
    spec: ModelSpec,
    *,
    as_of: dt.date,
    per_township: int,
    snapshots: Callable[[dt.date], Snapshot],
    n_resamples: int = 20,
    seed: int = 0,
    progress: Progress | None = None,
) -> StabilityAudit:
    """Retrain on resampled villages, on other seeds, and as of a month before, and compare the lists at capacity.

    Parameters
    ----------
    as_of
        The day listed, a month end. What models learn from was known on it, or on the month end before.
    per_township
        Places of the list.
    n_resamples
        Draws of villages; a quarter as many, at least two, of the learner's seed.

    Raises
    ------
    NotEnoughDataError
        History too short to train a month before, or too few events in every resample.
    ConfigError
        The estimand is not "observed".
    """
    import pandas as pd

    before = _month_before(as_of)
    now, then = snapshots(as_of), snapshots(before)
    parts = training_parts(store, spec, plan_split(store, spec, known_on=as_of), snapshots=snapshots)
    tables = []
    over = {}
    for against, score, n in (
        ("villages", "model", n_resamples),
        ("villages", INCOME, n_resamples),
        ("seed", "model", max(2, n_resamples // 4)),
    ):
        found = retrain_on_resamples(
            score_spec(score, spec),
            parts,
            now,
            per_township=per_township,
            resample="seed" if against == "seed" else "villages",
            n_resamples=n,
            with_reasons=score == "model",
            seed=seed,
            progress=progress,
        )
        over[against, score] = found
        tables.append(found.frame().drop(columns="resample").rename(columns={"mean": "value"}).assign(against=against, score=score))
    earlier = _parts_of(store, spec, before, snapshots)
    for score in ("model", INCOME):
        asked = score_spec(score, spec)
        first, second = (fit_score(asked, now.features, of, seed=seed) for of in (earlier, parts))
        pair = (then, first), (now, second)
        found_months = compare_models(*pair, per_township=per_township, with_reasons=score == "model", seed=seed)
        tables.append(found_months.frame().drop(columns="resampled").assign(against="month", score=score))
        if score == "model":
            change = explain_change(ListState(then, first, per_township), ListState(now, second, per_township))
    columns = ["against", "score", "metric", "value", "low", "high", "n"]
    whole = over["villages", "model"]
    return StabilityAudit(
        spec_name=spec.name,
        as_of=as_of,
        before=before,
        table=pd.concat(tables, ignore_index=True)[columns],
        chance=_by_lot(now, per_township=per_township),
        change=change,
        households=whole.households,
        n_failed=whole.n_failed,
    )


def _month_before(as_of: dt.date) -> dt.date:
    return month_end(add_months(as_of, -1))


def _parts_of(
    store: Store, spec: ModelSpec, known_on: dt.date, snapshots: Callable[[dt.date], Snapshot]
) -> dict[str, pd.DataFrame]:
    split: Split = plan_split(store, spec, known_on=known_on)
    return training_parts(store, spec, split, snapshots=snapshots)


def _by_lot(snapshot: Snapshot, *, per_township: int) -> float:
    """Expected share of the places by model that a list drawn by lot, township by township, would hold too."""
    import numpy as np

    table = snapshot.frame()[["household_id", "township_code", "stratum"]]
    ranked = table["stratum"].isin(RANKED)
    placed = listed(table.assign(risk=np.zeros(len(table))), per_township=per_township) & ranked.to_numpy()
    by_town = table[ranked].assign(placed=placed[ranked.to_numpy()]).groupby("township_code")["placed"].agg(["sum", "size"])
    return float((by_town["sum"] ** 2 / by_town["size"]).sum() / max(by_town["sum"].sum(), 1))
