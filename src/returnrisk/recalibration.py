"""A registered model follows new periods: its curve moves, its learner stays, and days that neither knew say whether it is truer.

    fit + calibration days ──outcomes closed──> new days ──outcomes closed──> held-out days
            learner, curve                     the update                     before against after, once

No outcome is used twice: a new day comes when every outcome the model was learnt from had closed, a held-out day when every outcome the
update is learnt from had. `calibration.recalibrate` chooses the update; this module chooses the days and keeps the account.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from returnrisk.accuracy import SCORES, Accuracy, measure_accuracy
from returnrisk.calibration import UpdatedCalibration, compare_calibrations, recalibrate
from returnrisk.config import EvaluationSpec, ModelSpec
from returnrisk.errors import BundleError, ConfigError, NotEnoughDataError
from returnrisk.fairness import household_attributes
from returnrisk.model_card import group_records, metric_records
from returnrisk.outcomes import closing_delay
from returnrisk.registry.bundle import MODEL, Bundle, BundleContent
from returnrisk.registry.serving import BundleScorer
from returnrisk.store.view import Store
from returnrisk.timeline import add_months, matured
from returnrisk.training import SnapshotMaker, labelled_rows, possible_days
from returnrisk.training_input import refuse_few, refuse_unweighted

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Asked = Literal["tested", "intercept", "line"]


@dataclass(frozen=True, slots=True)
class NewDays:
    """Days whose outcomes the update is learnt from, and later ones on which it is judged; earliest first."""

    learn: tuple[dt.date, ...]
    held_out: tuple[dt.date, ...]


@dataclass(frozen=True, slots=True)
class Recalibration:
    """A model's curves after a new period.

    Attributes
    ----------
    parent
        "name/version" whose learners and curves these are.
    days
        What was learnt from and judged on.
    known_on
        Day on which outcomes were looked at.
    updates
        Score to its moved curve. A baseline whose order the new period contradicts is not there: its curve stays.
    comparison
        The model before and after, on the held-out days (`calibration.compare_calibrations`).
    accuracy
        What all scores are worth on the held-out days, after.
    counts
        Households with a closed outcome and events among them: "learn" and "held_out" to (n, events).
    """

    parent: str
    days: NewDays
    known_on: dt.date
    updates: Mapping[str, UpdatedCalibration]
    comparison: pd.DataFrame
    accuracy: Accuracy
    counts: Mapping[str, tuple[int, int]]

    @property
    def changed(self) -> bool:
        """Whether the new period asks for another curve of the model."""
        return self.updates[MODEL].update != "none"

    def frame(self) -> pd.DataFrame:
        """The model before and after."""
        return self.comparison


def plan_new_days(
    days: Sequence[dt.date],
    *,
    rests_on: dt.date,
    known_on: dt.date,
    horizon_months: int,
    delay_days: int,
    n_held_out: int = 1,
) -> NewDays:
    """Choose the days of an update and of its judgement, an embargo of horizon and delay before each.

    Parameters
    ----------
    days
        Candidate `as_of` days, any order.
    rests_on
        The last day whose outcome the learner or its curve was learnt from.
    known_on
        The day on which outcomes are looked at.
    n_held_out
        How many of the latest days judge.

    Raises
    ------
    ConfigError
        No day is to be held out.
    NotEnoughDataError
        Nothing new has closed, or nothing that had closed by the first held-out day; with the day from which there is something.

    Examples
    --------
    >>> ends = [add_months(dt.date(2020, 12, 31), 3 * k) for k in range(20)]
    >>> plan_new_days(ends, rests_on=ends[0], known_on=ends[-1], horizon_months=12, delay_days=0).held_out
    (datetime.date(2024, 9, 30),)
    >>> plan_new_days(ends, rests_on=ends[0], known_on=ends[7], horizon_months=12, delay_days=0)
    Traceback (most recent call last):
        ...
    returnrisk.errors.NotEnoughDataError: nothing new has closed by 2022-09-30: ...
    """
    if n_held_out < 1:
        raise ConfigError(f"{n_held_out} days held out; expected 1 or more: an update nobody judged is not registered")

    def closed(day: dt.date, by: dt.date) -> bool:
        return matured(day, known_on=by, horizon_months=horizon_months, delay_days=delay_days)

    def closes(day: dt.date) -> dt.date:
        return add_months(day, horizon_months) + dt.timedelta(days=delay_days)

    free = closes(rests_on)
    new = [day for day in sorted(set(days)) if closed(rests_on, day) and closed(day, known_on)]
    if not new:
        raise NotEnoughDataError(
            f"nothing new has closed by {known_on}: the model rests on outcomes up to that of {rests_on}, which closed on {free}. The first day "
            f"that may be learnt from lies on or after it, and its own outcome closes on {closes(free)} or later"
        )
    held_out = new[-n_held_out:]
    learn = [day for day in new if closed(day, held_out[0])]
    if not learn:
        raise NotEnoughDataError(
            f"too little has closed by {known_on}: {len(new)} new days ({new[0]} to {new[-1]}), but no outcome of theirs had closed by "
            f"{held_out[0]}, the first day held out to judge on. Wait until about {closes(closes(new[0]))}{', or hold out fewer days' if len(held_out) > 1 else ''}"
        )
    return NewDays(learn=tuple(learn), held_out=tuple(held_out))


def recalibrate_bundle(  # noqa: PLR0913 (each is a table, a day or a choice that a caller must be able to make)
    store: Store,
    spec: ModelSpec,
    bundle: Bundle,
    *,
    parent: str,
    known_on: dt.date,
    snapshots: SnapshotMaker,
    n_held_out: int = 1,
    update: Asked = "tested",
    per_township: int | None = None,
) -> Recalibration:
    """Move the curves of a registered model to the outcomes that have closed since, and judge it on later days.

    The estimand stays the model's. The learner is not touched: the order of households is the same, ties included, wherever the curve
    kept it. What is learnt are at most two numbers (`calibration.recalibrate`); the curve that is judged is the curve that is kept.

    Parameters
    ----------
    spec
        The model's specification, as the caller's folder has it now (`Project.model` refuses another outcome).
    parent
        "name/version" of `bundle`.
    known_on
        Day whose view gives the outcomes of the held-out days; those learnt from are taken as known on the first held-out day.
    per_township
        As in `training.train`.

    Raises
    ------
    NotEnoughDataError
        Nothing new has closed, too few households or events on the new or the held-out days, or a learner that no longer ranks.
    ConfigError
        The estimand is "untreated": these outcomes are not weighted.
    BundleError
        The model was trained on other features than this version computes.
    """
    refuse_unweighted(spec, what="recalibration")
    days = new_days_of(store, spec, bundle, parent=parent, known_on=known_on, n_held_out=n_held_out)
    names = snapshots(days.learn[0]).names
    if bundle.feature_names != names:
        raise BundleError(f"{parent} was trained on other features than the {len(names)} this version computes: train again")
    learn, _ = labelled_rows(store, spec, days.learn, known_on=days.held_out[0], snapshots=snapshots)
    held_out, _ = labelled_rows(store, spec, days.held_out, known_on=known_on, snapshots=snapshots)
    refuse_few(learn, "the new days")
    refuse_few(held_out, "the held-out days")
    scorer = BundleScorer(bundle)
    updates = _updates(scorer, learn, update=update)
    before = scorer.risk(held_out)
    scorer.calibrations = {**scorer.calibrations, **updates}
    is_fall = spec.outcome.kind == "fall"
    settings = spec.evaluation
    accuracy = measure_accuracy(
        held_out,
        settings,
        risk=lambda frame, name: scorer.risk(frame, learner=name),
        snapshots=snapshots,
        per_township=per_township if is_fall else None,
        attributes=lambda day: household_attributes(store.as_of(day)),
        apart=is_fall,
    )
    return Recalibration(
        parent=parent,
        days=days,
        known_on=known_on,
        updates=updates,
        comparison=compare_calibrations(
            held_out["y"],
            before,
            accuracy.predictions[f"p_{MODEL}"],
            clusters=held_out["village_code"],
            n_bootstrap=settings.n_bootstrap,
            seed=settings.seed,
        ),
        accuracy=accuracy,
        counts={"learn": (len(learn), int(learn["y"].sum())), "held_out": (len(held_out), int(held_out["y"].sum()))},
    )


def new_days_of(store: Store, spec: ModelSpec, bundle: Bundle, *, parent: str, known_on: dt.date, n_held_out: int = 1) -> NewDays:
    """The days of an update of this bundle; errors as `plan_new_days`, and what to do about a model that was recalibrated already."""
    periods = bundle.card["periods"]
    rests_on = max(dt.date.fromisoformat(day) for part in ("fit", "calibrate") for day in periods[part])
    try:
        return plan_new_days(
            possible_days(store, spec, known_on=known_on),
            rests_on=rests_on,
            known_on=known_on,
            horizon_months=spec.outcome.horizon_months,
            delay_days=closing_delay(store.as_of(known_on), spec=spec.outcome),
            n_held_out=n_held_out,
        )
    except NotEnoughDataError as error:
        earlier = bundle.card.get("recalibration")
        if earlier is None:
            raise NotEnoughDataError(f"{parent}: {error}") from error
        raise NotEnoughDataError(
            f"{parent}: {error}. It was recalibrated already: recalibrate its parent {earlier['parent']} on all days since instead"
        ) from error


@dataclass(frozen=True, slots=True)
class SinceTest:
    """Days after a model's test days whose outcomes have matured, earliest first, and when the first of them closes (or closed)."""

    days: tuple[dt.date, ...]
    first_closes_on: dt.date


def days_since_test(store: Store, spec: ModelSpec, bundle: Bundle, *, known_on: dt.date) -> SinceTest:
    """Days that the model was neither learnt from nor tested on and whose outcomes are known by a day: what drift of calibration is judged by.

    Raises
    ------
    NotEnoughDataError
        No income is on file.
    """
    last = max(dt.date.fromisoformat(day) for day in bundle.card["periods"]["test"])
    horizon, delay = spec.outcome.horizon_months, closing_delay(store.as_of(known_on), spec=spec.outcome)
    days = [
        day
        for day in possible_days(store, spec, known_on=known_on)
        if day > last and matured(day, known_on=known_on, horizon_months=horizon, delay_days=delay)
    ]
    first = days[0] if days else add_months(last, spec.split.step_months)
    return SinceTest(days=tuple(days), first_closes_on=add_months(first, horizon) + dt.timedelta(days=delay))


def _updates(scorer: BundleScorer, rows: pd.DataFrame, *, update: Asked) -> dict[str, UpdatedCalibration]:
    villages = rows["village_code"].astype(str).to_numpy()
    found = {}
    for name in SCORES:
        learner = scorer.learners[name]
        log_odds: np.ndarray = learner.decision_function(rows[list(learner.feature_names_)].to_numpy("float64"))
        try:
            found[name] = recalibrate(scorer.calibrations[name], log_odds, rows["y"].to_numpy(), update=update, clusters=villages)
        except NotEnoughDataError as error:
            if name == MODEL:
                raise NotEnoughDataError(f"the new days: {error}") from error
    return found


def recalibrated_content(bundle: Bundle, found: Recalibration, *, data_fingerprint: str, settings: EvaluationSpec) -> BundleContent:
    """The parent's bundle with the moved curves, and a card that says so; learners, features and specification are the same values.

    The card's calibration days are the parent's and the new ones, since the curve rests on both; its test days are the held-out ones.
    """
    old = bundle.card
    days = {"learn": [d.isoformat() for d in found.days.learn], "held_out": [d.isoformat() for d in found.days.held_out]}
    (n_learn, events_learn), (n_held, events_held) = found.counts["learn"], found.counts["held_out"]
    card = {
        **old,
        "periods": {**old["periods"], "calibrate": [*old["periods"]["calibrate"], *days["learn"]], "test": days["held_out"]},
        "known_on": found.known_on.isoformat(),
        "n": {**old["n"], "calibrate": old["n"]["calibrate"] + n_learn, "test": n_held},
        "events": {**old["events"], "calibrate": old["events"]["calibrate"] + events_learn, "test": events_held},
        "metrics": metric_records(found.accuracy),
        "groups": group_records(found.accuracy, settings),
        "data_fingerprint": data_fingerprint,
        "recalibration": {
            **recalibration_facts(found),
            "parent_fingerprint": bundle.fingerprint,
            "parent_data_fingerprint": bundle.data_fingerprint,
            "n": {"learn": n_learn, "held_out": n_held},
            "events": {"learn": events_learn, "held_out": events_held},
            "updates": {
                name: {"update": u.update, "intercept": u.intercept, "slope": u.slope, "p_values": dict(u.p_values)}
                for name, u in found.updates.items()
            },
            "before_and_after": _plain_records(found.comparison),
        },
    }
    card.pop("not_used", None)  # counted for the parent's parts
    calibration: dict[str, dict[str, Any]] = {
        name: found.updates[name].to_state() if name in found.updates else state for name, state in bundle.calibration.items()
    }
    return replace(bundle.content, calibration=calibration, card=card)


def recalibration_facts(found: Recalibration) -> dict[str, str]:
    """Parent, periods and method as texts: tags of the run, and the head of the card's entry."""

    def span(days: Sequence[dt.date]) -> str:
        return f"{days[0]} to {days[-1]} ({len(days)})"

    return {
        "parent": found.parent,
        "learner": "unchanged",
        "method": f"recalibration of the curve, {found.updates[MODEL].update}",
        "learnt_from": span(found.days.learn),
        "judged_on": span(found.days.held_out),
    }


def _plain_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON holds them: NaN is null."""
    import json

    records: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return records
