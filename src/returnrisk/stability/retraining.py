"""The list had the model been learnt from other households: retrain on resamples, score the same day, compare with the list as it is.

Estimand: agreement between the list of a day and the list that the same specification would have given, on the same day, had it been
learnt from another sample of villages (or households) of the same size, from the county these came from: the bootstrap distribution of
the learner's output (Efron 1979; whole villages are drawn because shocks are shared). What is drawn stays together: all rows of a drawn
village or household in every part, as often as it was drawn. The scored day is as it was. The share of resamples that list a household
is its selection frequency (Meinshausen and Bühlmann 2010). "seed" draws nobody and only changes the learner's seed: the part of the
change that is the learner's own chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from returnrisk.errors import ConfigError, NotEnoughDataError
from returnrisk.explain import explain_rows, reasons_for
from returnrisk.stability.agreement import RANKED, ListAgreement, compare_lists
from returnrisk.training import fit_score
from returnrisk.visits import listed

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd

    from returnrisk.config import ModelSpec
    from returnrisk.features.snapshot import Snapshot
    from returnrisk.store.view import Store
    from returnrisk.timeline import Split
    from returnrisk.training import ScoredLearner

Resample = Literal["villages", "households", "seed"]
_DRAWN_BY: Mapping[str, str] = {"villages": "village_code", "households": "household_id"}
Progress = Callable[[str, int, int], None]
TOP_REASONS = 3
"""Reasons per household that are compared: as many as a list shows by default."""


@dataclass(frozen=True, slots=True, eq=False)
class Retraining:
    """How a day's list fared over resamples.

    Attributes
    ----------
    replicates
        One row per resample and metric of `compare_lists`: replicate, metric, value.
    households
        One row per household that the model ranks: household_id, village_code, township_code, risk, listed (as things are), frequency
        (share of resamples that list it), risk_low, risk_high (2.5% and 97.5% points of its risk over resamples).
    n_failed
        Resamples that could not be learnt from (too few events in a part): left out of everything.
    """

    replicates: pd.DataFrame
    households: pd.DataFrame
    resample: Resample
    n_failed: int

    def frame(self) -> pd.DataFrame:
        """One row per metric: metric, mean, low, high (2.5% and 97.5% points over resamples), n (resamples), resample."""
        grouped = self.replicates.groupby("metric", sort=False)["value"]
        table = grouped.agg(mean="mean", low=lambda v: v.quantile(0.025), high=lambda v: v.quantile(0.975), n="count")
        return table.reset_index().assign(resample=self.resample)


def training_parts(
    store: Store, spec: ModelSpec, split: Split, *, snapshots: Callable[[dt.date], Snapshot]
) -> dict[str, pd.DataFrame]:
    """What `training.train` learns from: "fit", "calibrate" and "refit" of a split, labelled as known on its first test day.

    Raises
    ------
    ConfigError
        The estimand "untreated": its rows would have to be weighted again in every resample.
    """
    from returnrisk.training import labelled_rows

    if spec.estimand != "observed":
        raise ConfigError(f"{spec.name} has the estimand {spec.estimand!r}: stability is measured of the estimand 'observed' only")
    days = {"fit": split.fit, "calibrate": split.calibrate, "refit": split.refit if spec.calibration.refit else split.fit}
    then = split.test[0]
    return {name: labelled_rows(store, spec, of, known_on=then, snapshots=snapshots)[0] for name, of in days.items()}


def retrain_on_resamples(  # noqa: PLR0913 (what is drawn, how often, what is compared)
    spec: ModelSpec,
    parts: Mapping[str, pd.DataFrame],
    snapshot: Snapshot,
    *,
    per_township: int,
    resample: Resample = "villages",
    n_resamples: int = 20,
    with_reasons: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Retraining:
    """Retrain on `n_resamples` draws and compare each one's list, ranking and reasons with those of all rows.

    Parameters
    ----------
    parts
        "fit", "calibrate" and "refit" (`training_parts`).
    snapshot
        The day that is listed.
    with_reasons
        Compare the reasons too; without for a learner that gives none.
    seed
        Of the draws and of the learner; the learner's is the same in every resample, but with "seed".

    Raises
    ------
    ConfigError
        An unknown way to resample, or fewer than two resamples.
    NotEnoughDataError
        The specification cannot be learnt from all rows, or from none of the resamples.
    """
    import numpy as np
    import pandas as pd

    if resample not in ("villages", "households", "seed") or n_resamples < 2:
        raise ConfigError(f"resample is {resample!r}, {n_resamples} times; expected villages, households or seed, at least twice")
    report = progress or (lambda *_: None)
    table = snapshot.frame()
    status = table[["household_id", "village_code", "township_code", "stratum"]]
    model = fit_score(spec, snapshot.features, parts, seed=seed)
    whole = status.assign(risk=model.risk(snapshot.matrix()))
    original = list_reasons(snapshot, model, whole, per_township=per_township) if with_reasons else None
    records, risks, lists, failed = [], [], [], 0
    for k in range(n_resamples):
        report("resample", k, n_resamples)
        drawn = parts if resample == "seed" else resampled(parts, by=_DRAWN_BY[resample], seed=seed + k)
        try:
            other = fit_score(spec, snapshot.features, drawn, seed=seed + 1 + k if resample == "seed" else seed)
        except NotEnoughDataError:
            failed += 1
            continue
        scores = status.assign(risk=other.risk(snapshot.matrix()))
        reasons = None if original is None else (original, list_reasons(snapshot, other, scores, per_township=per_township))
        found = compare_lists(whole, scores, per_township=per_township, reasons=reasons, n_bootstrap=0).frame()
        records.append(found[["metric", "value"]].assign(replicate=k))
        risks.append(scores["risk"].to_numpy())
        lists.append(listed(scores, per_township=per_township))
    if not records:
        raise NotEnoughDataError(f"none of {n_resamples} resamples held enough events to learn from: use more days, or households")
    households = whole.assign(
        listed=listed(whole, per_township=per_township),
        frequency=np.mean(lists, axis=0),
        risk_low=np.quantile(risks, 0.025, axis=0),
        risk_high=np.quantile(risks, 0.975, axis=0),
    )
    households = households[households["stratum"].isin(RANKED)].drop(columns="stratum").reset_index(drop=True)
    replicates = pd.concat(records, ignore_index=True)[["replicate", "metric", "value"]]
    return Retraining(replicates=replicates, households=households, resample=resample, n_failed=failed)


def resampled(parts: Mapping[str, pd.DataFrame], *, by: str, seed: int) -> dict[str, pd.DataFrame]:
    """Every part with the rows of each value of `by` as often as it was drawn: as many draws as values, with replacement.

    The values of all parts are drawn once, so that a household's days stay together; rows keep their order.
    """
    import numpy as np

    known = np.unique(np.concatenate([rows[by].to_numpy() for rows in parts.values()]))
    counts = np.random.default_rng(seed).multinomial(len(known), np.full(len(known), 1 / len(known)))
    return {
        name: rows.iloc[np.repeat(np.arange(len(rows)), counts[np.searchsorted(known, rows[by].to_numpy())])].reset_index(drop=True)
        for name, rows in parts.items()
    }


def list_reasons(
    snapshot: Snapshot, model: ScoredLearner, scores: pd.DataFrame, *, per_township: int, top: int = TOP_REASONS
) -> pd.DataFrame:
    """Reasons of the households that a model's own list holds by its ranking."""
    import numpy as np

    chosen = listed(scores, per_township=per_township) & scores["stratum"].isin(RANKED).to_numpy()
    table = snapshot.frame()
    rows = table[np.asarray(chosen)]
    contributions = explain_rows(model.learner, rows[snapshot.names].to_numpy("float64"))
    return reasons_for(rows, contributions, features=snapshot.features, population=table, top=top)


def compare_models(
    first: tuple[Snapshot, ScoredLearner],
    second: tuple[Snapshot, ScoredLearner],
    *,
    per_township: int,
    with_reasons: bool = True,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> ListAgreement:
    """Agreement of two lists with their reasons: of two models on one day, or of two days (`compare_lists`)."""
    scores: list[Any] = []
    reasons: list[Any] = []
    for snapshot, model in (first, second):
        status = snapshot.frame()[["household_id", "village_code", "township_code", "stratum"]]
        scores.append(status.assign(risk=model.risk(snapshot.matrix())))
        if with_reasons:
            reasons.append(list_reasons(snapshot, model, scores[-1], per_township=per_township))
    both = (reasons[0], reasons[1]) if with_reasons else None
    return compare_lists(*scores, per_township=per_township, reasons=both, n_bootstrap=n_bootstrap, seed=seed)
