"""Which specification to use, by a rule stated beforehand, and what following each rule would have brought.

The rules look at one metric, origin by origin. Ideas: model selection over time in triage's audition (dssg/triage, `audition`); here
with what was known at the time: at an origin only earlier origins whose outcomes had closed by then may speak.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
LOWER_IS_BETTER = ("brier", "ece")


def best_mean(values: FloatArray, *, penalty: float) -> FloatArray:  # noqa: ARG001 (rules share one form)
    """Mean over origins, (s,) of values (origins, s)."""
    return np.asarray(values.mean(axis=0))


def least_regret(values: FloatArray, *, penalty: float) -> FloatArray:  # noqa: ARG001
    """Minus the largest distance to the best of an origin."""
    return -np.asarray((values.max(axis=1, keepdims=True) - values).max(axis=0))


def variance_penalised(values: FloatArray, *, penalty: float) -> FloatArray:
    """Mean less `penalty` standard deviations over origins; of one origin, the mean."""
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else 0.0
    return np.asarray(values.mean(axis=0) - penalty * spread)


RULES: Mapping[str, Callable[..., FloatArray]] = {
    "best_mean": best_mean,
    "least_regret": least_regret,
    "variance_penalised": variance_penalised,
}
"""Rule → worth of every score, the highest wins; a tie goes to the one named first."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the rules choose.

    Attributes
    ----------
    metric, rule, penalty
        What is compared, and the rule that decides.
    chosen, runner_up
        First and second by the rule; runner_up is None where there is one score only.
    difference, low, high, share_better
        The chosen's mean metric over origins less the runner-up's (better is positive), its interval over villages drawn with replacement, the
        same draws for both and for every origin, and the share of draws in which the chosen is better. NaN without a runner-up.
    by_rule
        One row per rule and score: rule, score, worth, place.
    followed
        One row per rule and origin: rule, origin, n_known (earlier origins whose outcomes had closed), chosen (None: nothing was known
        yet), value and regret (distance to the best of that origin).
    """

    metric: str
    rule: str
    penalty: float
    chosen: str
    runner_up: str | None
    difference: float
    low: float
    high: float
    share_better: float
    by_rule: pd.DataFrame
    followed: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Every rule and score, by place."""
        return self.by_rule


def choose(  # noqa: PLR0913 (figures, their names, and the four things that decide)
    point: FloatArray,
    replicates: FloatArray,
    *,
    scores: Sequence[str],
    days: Sequence[dt.date],
    closed_by: Callable[[dt.date, dt.date], bool],
    metric: str,
    rule: str,
    penalty: float,
    level: float,
) -> Choice:
    """Apply every rule; `rule` decides.

    Parameters
    ----------
    point
        (origins, scores), the metric as it is.
    replicates
        (draws, origins, scores), NaN where a draw has one class only.
    closed_by
        Whether the outcome of one day had closed by another.
    """
    import pandas as pd

    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    values, draws = sign * point, sign * replicates
    rows = []
    for name, worth_of in RULES.items():
        worth = worth_of(values, penalty=penalty)
        order = np.argsort(-worth, kind="stable")
        rows += [{"rule": name, "score": scores[s], "worth": float(worth[s]), "place": k} for k, s in enumerate(order, start=1)]
    by_rule = pd.DataFrame(rows)
    ranked = by_rule[by_rule["rule"] == rule].sort_values("place")["score"].tolist()
    chosen, runner_up = str(ranked[0]), str(ranked[1]) if len(ranked) > 1 else None
    difference, low, high, better = _paired(
        values, draws, scores.index(chosen), None if runner_up is None else scores.index(runner_up), level=level
    )
    return Choice(
        metric=metric,
        rule=rule,
        penalty=penalty,
        chosen=chosen,
        runner_up=runner_up,
        difference=difference,
        low=low,
        high=high,
        share_better=better,
        by_rule=by_rule,
        followed=_followed(values, scores=scores, days=days, closed_by=closed_by, penalty=penalty, sign=sign),
    )


def _paired(
    values: FloatArray, draws: FloatArray, first: int, second: int | None, *, level: float
) -> tuple[float, float, float, float]:
    nan = float("nan")
    if second is None:
        return nan, nan, nan, nan
    difference = float((values[:, first] - values[:, second]).mean())
    drawn = (draws[:, :, first] - draws[:, :, second]).mean(axis=1)
    valid = drawn[np.isfinite(drawn)]
    if len(valid) < 2:
        return difference, nan, nan, nan
    low, high = np.quantile(valid, [(1 - level) / 2, (1 + level) / 2])
    return difference, float(low), float(high), float((valid > 0).mean())


def _followed(
    values: FloatArray,
    *,
    scores: Sequence[str],
    days: Sequence[dt.date],
    closed_by: Callable[[dt.date, dt.date], bool],
    penalty: float,
    sign: float,
) -> pd.DataFrame:
    """At each origin, what every rule would have chosen from the origins known by then."""
    import pandas as pd

    rows = []
    for name, worth_of in RULES.items():
        for k, day in enumerate(days):
            known = [j for j in range(k) if closed_by(days[j], day)]
            row: dict[str, object] = {
                "rule": name,
                "origin": day,
                "n_known": len(known),
                "chosen": None,
                "value": np.nan,
                "regret": np.nan,
            }
            if known:
                s = int(np.argmax(worth_of(values[known], penalty=penalty)))
                row |= {"chosen": scores[s], "value": sign * float(values[k, s]), "regret": float(values[k].max() - values[k, s])}
            rows.append(row)
    return pd.DataFrame(rows)
