"""Scoring: a snapshot and a verified model bundle to risks with reasons."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from returnrisk.config import VisitsSpec
from returnrisk.errors import BundleError, NotEnoughDataError
from returnrisk.explain import below_line_reasons, explain_rows, reasons_for
from returnrisk.features.snapshot import Snapshot
from returnrisk.registry.serving import BundleScorer
from returnrisk.visits import lot_seed, visit_plan

if TYPE_CHECKING:
    import pandas as pd

RISK_COLUMNS = {"risk": "model", "risk_logistic": "logistic", "risk_income_only": "income"}


@dataclass(frozen=True, slots=True)
class Scores:
    """Risks of one day.

    Attributes
    ----------
    table
        One row per household: household_id, as_of, village_code, township_code, stratum, risk, risk_logistic, risk_income_only
        (probabilities), net_head_cny_year, line_cny_year.
    reasons
        Household × position, for every household that may stand on a list.
    must_visit_reasons
        The same for households below the line.
    as_of, model_version, fingerprint
        Day, `name/version`, and the bundle's fingerprint.
    """

    table: pd.DataFrame
    reasons: pd.DataFrame
    must_visit_reasons: pd.DataFrame
    as_of: dt.date
    model_version: str
    fingerprint: str

    def frame(self) -> pd.DataFrame:
        """The risks."""
        return self.table


def score_snapshot(snapshot: Snapshot, scorer: BundleScorer, *, visits: VisitsSpec, model_version: str, seed: int = 0) -> Scores:
    """Score every household of a snapshot and explain those that may be listed.

    Parameters
    ----------
    snapshot
        Features of the day.
    scorer
        The model; its feature contract must be the snapshot's.
    visits
        Capacity: in each township at least so many of the highest risks are explained, and whom the lot draws.
    seed
        The project's, of the lot.

    Raises
    ------
    BundleError
        The model was trained on other features than this version computes.
    ExplanationError
        Contributions do not add up.
    NotEnoughDataError
        No unmonitored household's income is computable on the day.
    """
    if scorer.bundle.feature_names != snapshot.names:
        raise BundleError(
            f"{scorer.bundle.path.name} was trained on {len(scorer.bundle.feature_names)} features that are not the "
            f"{len(snapshot.names)} this version computes: train again"
        )
    table = snapshot.frame()
    if not table["stratum"].isin(("at_risk", "below_line")).any():
        until = f"{table['account_on'].iloc[0]:%Y-%m-%d}"
        raise NotEnoughDataError(
            f"no unmonitored household's income is computable on {snapshot.as_of}: too few of the months up to {until} were delivered. "
            f"Is the day right, and has the ledger of the last closed month arrived?"
        )
    scores = table[
        ["household_id", "as_of", "village_code", "township_code", "stratum", "net_head_cny_year", "line_cny_year"]
    ].copy()
    for column, name in RISK_COLUMNS.items():
        scores[column] = scorer.risk(table, learner=name)
    eligible = scores["stratum"].isin(("at_risk", "not_computable"))
    rank = scores["risk"].where(eligible).groupby(scores["township_code"]).rank(ascending=False, method="min")
    places = {"per_township": visits.per_township, "random_places": visits.random_places}
    plan = visit_plan(scores, **places, seed=lot_seed(seed, snapshot.as_of))
    rows = table[((rank <= visits.per_township) | (plan["slot"] != "none").to_numpy()).to_numpy()]
    contributions = explain_rows(scorer.learners["model"], rows[snapshot.names].to_numpy("float64"))
    reasons = reasons_for(rows, contributions, features=snapshot.features, population=table, top=visits.top_reasons)
    below = below_line_reasons(table[table["stratum"] == "below_line"])
    # that the income is below the line is said already: another income figure would only repeat it
    said = reasons["household_id"].isin(below["household_id"]) & (reasons["family"] == "income")
    reasons = reasons[~said].reset_index(drop=True)
    reasons["position"] = reasons.groupby("household_id").cumcount() + 1
    return Scores(
        table=scores,
        reasons=reasons,
        must_visit_reasons=below,
        as_of=snapshot.as_of,
        model_version=model_version,
        fingerprint=scorer.bundle.fingerprint,
    )
