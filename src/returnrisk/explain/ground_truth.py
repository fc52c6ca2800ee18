"""Do the reasons name the shock? Measured where the shock is known: on a simulated county.

A reason names a shock if it is of a family, or shown by a feature, that says it (`NAMED_BY`). The share of households whose top
reasons name theirs is held against two simpler things that could be read out at the door: the families that matter most on the
whole (grouped permutation importance; Breiman 2001), the same for everybody, and families drawn by lot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, Any

from returnrisk.errors import DataError
from returnrisk.explain.contributions import Contributions
from returnrisk.explain.reasons import families_of, shown_features
from returnrisk.features.catalogue import Feature
from returnrisk.simulate.state import Shock

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Naming:
    """What says a shock: any reason of these families, or one shown by these features of another."""

    families: frozenset[str]
    features: frozenset[str] = frozenset()


_WAGES = frozenset({"recent_wage_change", "wage_change_12m", "wage_months_6m"})
_IDLE = frozenset({"n_unemployed", "n_working", "working_share", "head_works", "n_livelihood_signals_12m"})
_WORK = Naming(frozenset({"employment"}), _WAGES | _IDLE)
_FIELD = frozenset({"operating_change_12m"})
_FROM_FAMILY = frozenset({"transfer_change_12m", "remittance_line_ratio", "recent_remittance", "remittance_last_month"})
NAMED_BY: Mapping[Shock, Naming] = {
    Shock.ILLNESS: Naming(frozenset({"illness"}), frozenset({"n_health_signals_12m"})),
    Shock.DISABILITY: Naming(frozenset({"disability"})),
    Shock.JOB_LOSS: _WORK,
    Shock.LAID_OFF_TOGETHER: _WORK,
    Shock.WAGE_DEFAULT: Naming(frozenset(), _WAGES),
    Shock.WEATHER: Naming(frozenset({"disaster"}), _FIELD),
    Shock.HARVEST: Naming(frozenset({"disaster"}), _FIELD),
    Shock.HERD: Naming(frozenset({"disaster", "industry"}), _FIELD),
    Shock.CALAMITY: Naming(frozenset({"disaster", "housing"})),
    Shock.DEATH: Naming(frozenset({"household"})),
    Shock.DIBAO_LOST: Naming(frozenset({"subsidy"})),
    Shock.REMITTANCE_LOST: Naming(frozenset(), _FROM_FAMILY),
    Shock.BUSINESS_FAILED: Naming(frozenset({"industry", "employment"}), _FIELD),
}
"""By kind of shock. That income is low, or a signal of no stated kind, names none."""

ALL_CAUSES = "all"


def family_importance(
    learner: Any, X: np.ndarray, y: np.ndarray, *, features: tuple[Feature, ...], repeats: int = 3, seed: int = 0
) -> pd.Series[float]:
    """Fall of the area under the curve when all of a family's columns are shuffled together, by family, largest first.

    Shuffled together, since a family's features stand in for each other (grouped permutation importance).

    Parameters
    ----------
    X, y
        (n, p) and (n,): rows that the learner has not seen, and what became of them (0 or 1).
    """
    import numpy as np
    import pandas as pd
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(seed)
    whole = roc_auc_score(y, learner.decision_function(X))
    fall = {}
    for family, columns in families_of(features).items():
        shuffled, areas = X.copy(), []
        for _ in range(repeats):
            shuffled[:, columns] = X[rng.permutation(len(X))][:, columns]
            areas.append(roc_auc_score(y, learner.decision_function(shuffled)))
        fall[family] = whole - float(np.mean(areas))
    return pd.Series(fall, name="importance").sort_values(ascending=False, kind="stable")


def reasons_against_truth(
    rows: pd.DataFrame,
    contributions: Contributions,
    shocks: pd.DataFrame,
    *,
    features: tuple[Feature, ...],
    importance: pd.Series[float],
    top: int = 3,
) -> pd.DataFrame:
    """Whether the top reasons of each struck household name what struck it, beside two simpler choices of families.

    All three are shown by the same features of the household; only the choice of families differs.

    Parameters
    ----------
    rows, contributions
        Snapshot rows of the households (household_id, village_code and the features), and their contributions in the same order.
    shocks
        household_id and cause (a `Shock` in lower case), further columns are kept; shocks of households not among `rows` are left out.
    importance
        By family, as `family_importance` gives it.
    top
        Reasons a household gets.

    Returns
    -------
    DataFrame
        One row per household and shock: the columns of `shocks`, village_code, model and importance (0 or 1: named by the top
        reasons, or by the families most important on the whole), elsewhere (share of the households that this did not strike whose
        reasons say the same: naming it to everybody is no art), and chance (probability that families drawn by lot name it).

    Raises
    ------
    DataError
        A cause that is no shock.
    """
    import numpy as np

    if unknown := sorted(set(shocks["cause"]) - {shock.name.lower() for shock in Shock}):
        raise DataError(f"no shocks, but causes of another kind: {', '.join(unknown)}; leave their rows out")
    groups = families_of(features)
    families = list(groups)
    values = rows[[f.name for f in features]].to_numpy("float64")
    sums = np.column_stack([contributions.values[:, columns].sum(axis=1) for columns in groups.values()])
    shown = np.column_stack([shown_features(contributions.values, values, columns) for columns in groups.values()])
    place = np.argsort(np.argsort(-sums, axis=1, kind="stable"), axis=1)
    given = (place < top) & ((sums > 0) | (place == 0))  # as `reasons_for` gives them
    constant = np.isin(families, importance.sort_values(ascending=False, kind="stable").index[:top])
    at = {household: i for i, household in enumerate(rows["household_id"].tolist())}
    found = shocks[shocks["household_id"].isin(at)].reset_index(drop=True)
    of = found["household_id"].map(at).to_numpy("int64")
    names = np.array([f.name for f in features])
    named, elsewhere = np.zeros((len(found), len(families)), dtype=bool), np.zeros(len(found))
    for cause in sorted(found["cause"].unique()):
        naming, mine = NAMED_BY[Shock[cause.upper()]], (found["cause"] == cause).to_numpy()
        says = np.isin(families, list(naming.families)) | np.isin(names[shown], list(naming.features))
        named[mine] = says[of[mine]]
        spared = np.setdiff1d(np.arange(len(rows)), of[mine])
        elsewhere[mine] = (says & given)[spared].any(axis=1).mean() if len(spared) else np.nan
    drawn = [1 - comb(len(families) - k, top) / comb(len(families), top) for k in range(len(families) + 1)]
    return found.assign(
        village_code=rows["village_code"].to_numpy()[of],
        model=(named & given[of]).any(axis=1).astype("int8"),
        elsewhere=elsewhere,
        importance=(named & constant).any(axis=1).astype("int8"),
        chance=np.array(drawn)[named.sum(axis=1)],
    )


def shares_by_cause(found: pd.DataFrame, *, n_bootstrap: int = 1000, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """Shares of `reasons_against_truth` by cause, and of all together, with intervals over villages (what strikes one strikes others).

    Returns
    -------
    DataFrame
        cause, n, model with low and high, elsewhere, importance, chance, and better (model less importance) with better_low and better_high; most
        frequent first, all together last. Intervals are missing where fewer than two villages have a case.
    """
    import numpy as np
    import pandas as pd

    from returnrisk.evaluation.bootstrap import draw_clusters

    made, tail = [], [(1 - level) / 2, (1 + level) / 2]
    for cause in [*found["cause"].value_counts().index, ALL_CAUSES]:
        mine = found if cause == ALL_CAUSES else found[found["cause"] == cause]
        sums = mine.groupby("village_code")[["model", "importance"]].sum().to_numpy("float64")
        n = mine.groupby("village_code").size().to_numpy("float64")
        row = {"cause": cause, "n": len(mine), **mine[["model", "elsewhere", "importance", "chance"]].mean().to_dict()}
        row["better"] = row["model"] - row["importance"]
        ends = np.full((2, 2), np.nan)
        if len(n) > 1:
            draws = draw_clusters(len(n), n_bootstrap=n_bootstrap, seed=seed)
            model, constant = (draws @ sums / (draws @ n)[:, None]).T
            ends = np.array([np.quantile(model, tail), np.quantile(model - constant, tail)])
        made.append(row | dict(zip(("low", "high", "better_low", "better_high"), ends.ravel().tolist(), strict=True)))
    columns = ["cause", "n", "model", "low", "high", "elsewhere", "importance", "chance", "better", "better_low", "better_high"]
    return pd.DataFrame(made, columns=columns)
