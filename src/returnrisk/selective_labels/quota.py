"""A label that a quota filled: entered is not the same as in need, so every figure is given for a range of assumptions.

Two shares, neither in the data: `let_in`, of the true cases the quota let in (c of Elkan and Noto 2008), and `true_share`, of those
entered who are true cases. Each pair gives a prevalence; recall and the rest follow only under a further assumption, that cases
entered look like cases left out (and non-cases likewise: class-conditional noise), and lie within bounds without it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from returnrisk.errors import ConfigError, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.evaluation import ranking as rk
from returnrisk.evaluation.bootstrap import draw_clusters

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
LET_IN = (1.0, 0.75, 0.5, 0.33, 0.2, 0.1)
TRUE_SHARES = (1.0, 0.75, 0.5, 0.25)
SMALLEST_RANGE = 3
BOUND = ("prevalence", "recall_if_alike", "precision_if_alike", "auc_if_alike", "risk_times")


def quota_sensitivity(
    rows: pd.DataFrame,
    *,
    let_in: Sequence[float] = LET_IN,
    true_shares: Sequence[float] = TRUE_SHARES,
    cluster: str = "village_code",
    n_bootstrap: int = 300,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """What a label filled by quota would mean, for every pair of assumptions.

    Parameters
    ----------
    rows
        One row per household: entered (0 or 1), risk (probability), listed (true or false), the cluster.
    let_in
        Assumed shares of true cases that were entered, at least three different ones: no single one is known.
    true_shares
        Assumed shares of those entered who are true cases.
    cluster, n_bootstrap, seed, level
        As in `evaluation.evaluate`; intervals are of the rows, given the assumption: what the assumption may be wrong by is the
        spread of the table.

    Returns
    -------
    pandas.DataFrame
        One row per pair: let_in, true_share; prevalence = true_share × entered / let_in; risk_times, by which all risks would have to be multiplied
        on average (prevalence / mean risk: 1 is calibrated in the large); recall_lowest, recall_highest, precision_lowest,
        precision_highest of the list, true however cases entered and left out differ; recall_if_alike, precision_if_alike, auc_if_alike
        under class-conditional noise, with `_low` and `_high`; alike_possible: False where that assumption contradicts the data (a share or area
        outside 0 to 1), the value then being NaN. Pairs with more cases than households are left out.

    Raises
    ------
    ConfigError
        Fewer than three shares let in, or one outside (0, 1].
    NotEnoughDataError
        Nobody entered, or everybody; fewer than two villages.

    References
    ----------
    Elkan and Noto (2008), Learning classifiers from only positive and unlabeled data; Menon, van Rooyen, Ong and Williamson (2015),
    Learning from corrupted binary labels (AUC and rates under class-conditional noise).

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"village_code": [1, 1, 2, 2] * 5, "entered": [1, 0, 0, 0] * 5, "risk": [0.4, 0.2, 0.1, 0.3] * 5,
    ...                      "listed": [True, False, False, True] * 5})
    >>> table = quota_sensitivity(rows, let_in=(1.0, 0.5, 0.25), true_shares=(1.0,), n_bootstrap=20)
    >>> table["prevalence"].tolist(), table["recall_lowest"].round(3).tolist()
    ([0.25, 0.5, 1.0], [1.0, 0.5, 0.5])
    """
    _check_assumptions(let_in, true_shares, n_bootstrap=n_bootstrap, level=level)
    entered, risk, listed, village, n_villages = _content(rows, cluster)
    ranking = rk.rank(risk, entered)
    draws = draw_clusters(n_villages, n_bootstrap=n_bootstrap, seed=seed)

    def counted(times_drawn: FloatArray) -> dict[str, FloatArray]:
        def per(values: FloatArray) -> FloatArray:
            return times_drawn @ np.bincount(village, weights=values, minlength=n_villages)

        w = np.take(times_drawn, village[ranking.order], axis=1)
        return {
            "n": per(np.ones(len(entered))), "entered": per(entered), "listed": per(listed), "both": per(entered * listed),
            "risk": per(risk), "auc": rk.areas(rk.cumulate_weights(w, ranking), ranking)[0],
        }  # fmt: skip

    point, replicates = counted(np.ones((1, n_villages))), counted(draws)
    records = []
    for c, f in itertools.product(sorted(let_in, reverse=True), sorted(true_shares, reverse=True)):
        values = {name: float(v[0]) for name, v in _under(point, let_in=c, true_share=f).items()}
        if values["prevalence"] > 1:
            continue
        drawn = _under(replicates, let_in=c, true_share=f)
        possible = _shares(values["recall_if_alike"], values["precision_if_alike"], values["auc_if_alike"])
        record: dict[str, object] = {"let_in": c, "true_share": f, "alike_possible": possible}
        for name, value in values.items():
            kept = possible or not name.endswith("_if_alike")
            record[name] = value if kept else np.nan
            if name in BOUND:
                record[f"{name}_low"], record[f"{name}_high"] = _interval(drawn[name], level) if kept else (np.nan, np.nan)
        records.append(record)
    import pandas as pd

    return pd.DataFrame(records)


def _under(counts: dict[str, FloatArray], *, let_in: float, true_share: float) -> dict[str, FloatArray]:
    """Every figure under one pair of assumptions, elementwise."""
    n, entered, listed, both = (counts[name] for name in ("n", "entered", "listed", "both"))
    inside = true_share * entered
    cases = inside / let_in
    outside = cases - inside
    left, left_listed = n - entered, listed - both
    lowest = np.maximum(0, inside - (entered - both)) + np.maximum(0, outside - (left - left_listed))
    highest = np.minimum(inside, both) + np.minimum(outside, left_listed)
    with np.errstate(invalid="ignore", divide="ignore"):
        false_left = outside / left  # share of true cases among those not entered
        p1, p0, apart = both / entered, left_listed / left, true_share - false_left
        recall = ((1 - false_left) * p1 - (1 - true_share) * p0) / apart
        return {
            "prevalence": cases / n,
            "risk_times": cases / counts["risk"],
            "recall_lowest": lowest / cases,
            "recall_highest": highest / cases,
            "precision_lowest": lowest / listed,
            "precision_highest": highest / listed,
            "recall_if_alike": recall,
            "precision_if_alike": recall * cases / listed,
            "auc_if_alike": 0.5 + (counts["auc"] - 0.5) / apart,
        }


def _shares(*values: float) -> bool:
    return all(-1e-9 <= value <= 1 + 1e-9 for value in values)


def _interval(replicates: FloatArray, level: float) -> tuple[float, float]:
    valid = replicates[np.isfinite(replicates)]
    if len(valid) < 2:
        return np.nan, np.nan
    low, high = np.quantile(valid, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _check_assumptions(let_in: Sequence[float], true_shares: Sequence[float], *, n_bootstrap: int, level: float) -> None:
    if len(set(let_in)) < SMALLEST_RANGE:
        raise ConfigError(
            f"let_in holds {len(set(let_in))} assumptions; give at least {SMALLEST_RANGE}: the data do not know which share of true cases"
            " the quota let in, and one figure would pretend that they do"
        )
    if not true_shares or not all(0 < share <= 1 for share in (*let_in, *true_shares)):
        raise ConfigError(f"let_in is {list(let_in)}, true_shares {list(true_shares)}; expected shares above 0 and at most 1")
    if n_bootstrap < 2 or not 0 < level < 1:
        raise ConfigError(f"n_bootstrap is {n_bootstrap} and level {level}; expected 2 or more, and a share such as 0.95")


def _content(rows: pd.DataFrame, cluster: str) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.int64], int]:
    import pandas as pd

    for column in ("entered", "risk", "listed", cluster):
        if column not in rows.columns:
            raise UnknownNameError("column", column, map(str, rows.columns))
    entered, risk = (rows[name].to_numpy(np.float64, na_value=np.nan) for name in ("entered", "risk"))
    if not np.isin(entered, (0.0, 1.0)).all() or not ((risk >= 0) & (risk <= 1)).all():
        raise DataError("entered must be 0 or 1 and risk a probability in every row; none may be missing")
    if not 0 < entered.sum() < len(entered):
        raise NotEnoughDataError(f"of {len(entered)} households {int(entered.sum())} were entered; expected some and not all")
    village, villages = pd.factorize(rows[cluster], sort=True)
    if len(villages) < 2:
        raise NotEnoughDataError(f"all rows lie in one '{cluster}'; intervals resample it: take at least 2")
    return entered, risk, rows["listed"].to_numpy(bool).astype(np.float64), village.astype(np.int64), len(villages)
