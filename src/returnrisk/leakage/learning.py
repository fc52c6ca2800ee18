"""What is learnt on training days and held against later outcomes.

LEAK002: the AUC on the test days of one feature alone, its event rates learnt in bins on the training days, so that no direction need
be known and a missing value may tell. LEAK003: the AUC on the test days of boosted trees, with the features of one record
(one table, mostly) as they are, as they stood a month earlier, and left out. A table whose rows carry the day they speak of instead
of the day they were written passes every comparison of recording days; a month's delay takes its foreknowledge away, and of what is
honest it takes little.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from returnrisk.config import ModelSpec
from returnrisk.features.catalogue import Feature
from returnrisk.leakage.panel import Panel
from returnrisk.leakage.result import Finding, Result
from returnrisk.models import make_learner
from returnrisk.outcomes import is_about_the_line
from returnrisk.timeline import add_months

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NEAR = 0.05
"""A single feature's interval is drawn where its AUC is at most this far below the threshold."""
SMOOTHING_ROWS = 20
"""Rows at the overall rate that are added to every bin."""


def single_features(panel: Panel, *, progress: Callable[[int, int], None]) -> Finding:
    """LEAK002."""
    from returnrisk.leakage.ranking import auc, auc_draws, interval

    if few := panel.too_few():
        return Finding("LEAK002", "cannot_tell", few)
    settings = panel.settings
    train, test = panel.train_rows(), panel.test_rows()
    y = test["y"].to_numpy("float64")
    cluster, draws = _draws(panel, test)
    figures, guilty, best = [], [], ("", 0.0)
    names = [f.name for f in panel.features]
    for i, name in enumerate(names):
        progress(i, len(names))
        score = _binned_rate(train[name], train["y"], test[name], n_bins=settings.n_bins)
        value, low, high = auc(score, y), float("nan"), float("nan")
        if value > settings.implausible_auc - NEAR:
            low, high = interval(auc_draws(score, y, cluster=cluster, draws=draws), level=settings.level)
        if low > settings.implausible_auc:
            guilty.append(name)
        best = max(best, (name, value), key=lambda pair: pair[1])
        figures.append({"what": name, "measure": "auc", "value": value, "low": low, "high": high})
    measured = f"AUC {best[1]:.3f} ({best[0]}), n = {len(test)}, events {int(y.sum())}"
    threshold = f"lower end of the {settings.level:.0%} interval above {settings.implausible_auc} (assumed)"
    why = "no feature alone tells the outcome implausibly well"
    if guilty:
        why = "alone, on days it was not learnt on, it tells the outcome better than anything known beforehand plausibly can"
    result: Result = "problem" if guilty else "fine"
    return Finding("LEAK002", result, why, what=tuple(guilty), measured=measured, threshold=threshold, figures=tuple(figures))


def _binned_rate(train: pd.Series, y: pd.Series, test: pd.Series, *, n_bins: int) -> np.ndarray:
    """Event rate, learnt on `train`, of the quantile bin that each value of `test` falls into; missing is a bin of its own."""
    import numpy as np

    known = train.dropna().to_numpy("float64")
    # the ends are cut finer: what tells of a rare event is itself rare
    shares = np.unique([*np.linspace(0, 1, n_bins + 1), 0.005, 0.01, 0.02, 0.98, 0.99, 0.995])
    edges = np.unique(np.quantile(known, shares, method="lower")) if len(known) else np.empty(0)

    def bins(values: pd.Series) -> np.ndarray:
        found = np.asarray(np.searchsorted(edges, values.to_numpy("float64"), side="left"))
        return np.where(values.isna().to_numpy(), len(edges) + 1, found)

    at, overall = bins(train), float(y.mean())
    n = np.bincount(at, minlength=len(edges) + 2)
    events = np.bincount(at, weights=y.to_numpy("float64"), minlength=len(edges) + 2)
    rate: np.ndarray = ((events + SMOOTHING_ROWS * overall) / (n + SMOOTHING_ROWS))[bins(test)]
    return rate


def lagged_records(panel: Panel, *, progress: Callable[[int, int], None]) -> Finding:
    """LEAK003."""
    from returnrisk.leakage.ranking import auc, auc_draws, interval

    if few := panel.too_few():
        return Finding("LEAK003", "cannot_tell", few)
    settings, features = panel.settings, panel.features
    train, test = panel.train_rows(), panel.test_rows()
    late_train, late_test = _a_month_earlier(panel, train), _a_month_earlier(panel, test)
    y = test["y"].to_numpy("float64")
    cluster, draws = _draws(panel, test)

    def score(names: list[str], late: tuple[str, ...] = ()) -> Any:
        chosen = [f for f in features if f.name in names]
        fitted = _fitted(panel.spec, chosen, _with(train, late_train, late), seed=panel.seed)
        return fitted.decision_function(_with(test, late_test, late)[[f.name for f in chosen]].to_numpy("float64"))

    everything = [f.name for f in features]
    whole = score(everything)
    whole_auc, whole_draws = auc(whole, y), auc_draws(whole, y, cluster=cluster, draws=draws)
    records = list(dict.fromkeys(f.record for f in features))
    figures, guilty, worst = [], [], ("none", 0.0)
    for i, record in enumerate(records):
        progress(i, len(records))
        mine = tuple(f.name for f in features if f.record == record)
        others = [n for n in everything if n not in mine]
        late = score(everything, mine)
        drop = whole_auc - auc(late, y)
        low, high = interval(whole_draws - auc_draws(late, y, cluster=cluster, draws=draws), level=settings.level)
        figures.append({"what": record, "measure": "drop in AUC, a month later", "value": drop, "low": low, "high": high})
        worst = max(worst, (record, drop), key=lambda pair: pair[1])
        lost = False
        if low >= settings.least_drop:
            worth = whole_auc - (auc(score(others), y) if others else 0.5)
            figures.append({"what": record, "measure": "drop in AUC, left out", "value": worth})
            lost = worth >= settings.least_drop and drop >= settings.collapse_share * worth
        # alone: two records that tell the same hide each other's loss above
        now, then = score(list(mine)), score(list(mine), mine)
        alone = auc(now, y)
        fall = alone - auc(then, y)
        apart = auc_draws(now, y, cluster=cluster, draws=draws) - auc_draws(then, y, cluster=cluster, draws=draws)
        low, high = interval(apart, level=settings.level)
        figures.append({"what": record, "measure": "AUC alone", "value": alone})
        figures.append({"what": record, "measure": "drop in AUC alone, a month later", "value": fall, "low": low, "high": high})
        lost |= low >= settings.least_drop_alone and fall >= settings.collapse_share * (alone - 0.5)
        guilty += [record] if lost else []
    measured = f"largest drop {worst[1]:.3f} ({worst[0]}) of AUC {whole_auc:.3f}; n = {len(test)}, events {int(y.sum())}"
    threshold = (
        f"drop at least {settings.collapse_share:.0%} of what the record is worth, its {settings.level:.0%} interval from "
        f"{settings.least_drop} up; alone from {settings.least_drop_alone} up (assumed)"
    )
    why = "no record loses most of its worth when it is seen one month later"
    if guilty:
        why = "seen one month later, the record loses most of what it told: its rows know what came after the day they carry"
    result: Result = "problem" if guilty else "fine"
    return Finding("LEAK003", result, why, what=tuple(guilty), measured=measured, threshold=threshold, figures=tuple(figures))


def _fitted(spec: ModelSpec, features: list[Feature], rows: pd.DataFrame, *, seed: int) -> Any:
    """Boosted trees, those of the specification where it names them: what is asked is what the columns know, and they need no list."""
    monotone = {f.name: f.monotone for f in features if f.monotone and is_about_the_line(spec.outcome)}
    params = {**(spec.learner.params if spec.learner.name == "lightgbm" else {}), "seed": seed}
    names = [f.name for f in features]
    learner = make_learner("lightgbm", feature_names=names, monotone=monotone, params=params)
    return learner.fit(rows[names].to_numpy("float64"), rows["y"].to_numpy())


def _a_month_earlier(panel: Panel, rows: pd.DataFrame) -> pd.DataFrame:
    """The features of `rows` as they stood a month before each row's day; missing for a household that was not there."""
    import pandas as pd

    names = [f.name for f in panel.features]
    days = list(rows["as_of"].unique())
    parts = [panel.made(add_months(pd.Timestamp(day).date(), -1)).frame()[["household_id", *names]] for day in days]
    earlier = pd.concat(parts, keys=days, names=["as_of"]).reset_index("as_of")
    keys = ["household_id", "as_of"]
    return rows[keys].merge(earlier, on=keys, how="left", validate="one_to_one")


def _with(rows: pd.DataFrame, earlier: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    return rows.assign(**{name: earlier[name].to_numpy() for name in names}) if names else rows


def _draws(panel: Panel, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Village of every row as a number, and how often each was drawn."""
    import numpy as np
    import pandas as pd

    from returnrisk.evaluation.bootstrap import draw_clusters

    codes, villages = pd.factorize(rows["village_code"], sort=True)
    return codes.astype(np.int64), draw_clusters(len(villages), n_bootstrap=panel.settings.n_bootstrap, seed=panel.seed)
