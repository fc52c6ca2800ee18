"""What scores are worth when a department's files did not come: train with all, score with one source blank.

    table = missing_source_table({"as trained": model, "trained for it": other}, rows, features, per_township=40)

A source is the tables one department sends. Blank means: not delivered for a year, so that every feature that rests on its records is NaN
(`features.catalogue.Feature.record`), which is what a snapshot of such a store holds. `train_for_missing` learns from rows some of which
had a source taken away at random (source dropout: Srivastava et al. 2014 and, for whole inputs, Neverova et al. 2016).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from returnrisk.config import ModelSpec
from returnrisk.errors import ConfigError, NotEnoughDataError, UnknownNameError
from returnrisk.evaluation import evaluate
from returnrisk.evaluation.bootstrap import draw_clusters
from returnrisk.features.catalogue import Feature
from returnrisk.training import ScoredLearner, fit_score
from returnrisk.visits import listed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SOURCES: Mapping[str, tuple[str, ...]] = {
    "medical": ("medical",),
    "employment": ("employment",),
    "subsidy": ("subsidy",),
    "disaster": ("disaster", "hazard"),
    "disability": ("disability",),
    "schooling": ("schooling",),
    "loan": ("loan",),
    "insurance": ("insurance",),
    "industry": ("industry_project", "price"),
    "support": ("support",),
    "monitoring": ("monitoring",),
    "signal": ("signal",),
    "visit": ("visit",),
    "expense": ("expense",),
}
"""Source to the tables it delivers. Income and registers are none: without them nobody can be scored at all."""
COMPLETE = "none"
"""Name of the row in which no source is blank."""
METRICS = ("auc", "calibration_slope", "calibration_intercept", "ece")
DROPPED_SHARE = 0.5
"""Share of training rows that lose a source (assumed)."""


def features_of_source(source: str, features: Sequence[Feature]) -> list[str]:
    """Names of the features that rest on a source's records, in the order of `features`.

    Raises
    ------
    UnknownNameError
        No such source.

    Examples
    --------
    >>> from returnrisk.features.families import catalogue
    >>> features_of_source("expense", catalogue())
    ['rigid_expense_12m_line_ratio']
    """
    if source not in SOURCES:
        raise UnknownNameError("source", source, SOURCES)
    return [f.name for f in features if f.record in SOURCES[source]]


def without_source(rows: pd.DataFrame, features: Sequence[Feature], *, source: str) -> pd.DataFrame:
    """Rows as they would be had the source not been delivered: its features NaN, all else as it was.

    Raises
    ------
    UnknownNameError
        No such source.
    """
    return rows.assign(**dict.fromkeys(features_of_source(source, features), float("nan")))


def with_source_dropout(
    rows: pd.DataFrame, features: Sequence[Feature], *, sources: Sequence[str], share: float = DROPPED_SHARE, seed: int = 0
) -> pd.DataFrame:
    """Rows of which a share lost one source each, drawn at random, every source as likely; the others stay whole.

    Parameters
    ----------
    rows
        Snapshot columns; the draw goes by row, so give rows sorted by key.
    share
        Of the rows that lose a source, 0 to 1.

    Raises
    ------
    ConfigError
        A share outside 0 to 1, or no source.
    """
    import numpy as np

    if not 0 <= share <= 1 or not sources:
        raise ConfigError(f"share is {share}, of {len(sources)} sources; expected 0 to 1 and at least one source")
    lost = np.random.default_rng(seed).choice(len(sources) + 1, len(rows), p=[*[share / len(sources)] * len(sources), 1 - share])
    columns: dict[str, Any] = {}
    for place, source in enumerate(sources):
        for name in features_of_source(source, features):
            columns[name] = rows[name].where(lost != place)
    return rows.assign(**columns)


def train_for_missing(
    spec: ModelSpec,
    features: tuple[Feature, ...],
    parts: Mapping[str, pd.DataFrame],
    *,
    sources: Sequence[str] | None = None,
    share: float = DROPPED_SHARE,
    seed: int = 0,
) -> ScoredLearner:
    """Fit a specification's learner, and its curve, on rows that lost sources at random (`with_source_dropout`).

    Parameters
    ----------
    parts
        "fit", "calibrate" and "refit", as for `training.fit_score`; the curve is learnt from rows with the same losses.
    sources
        Those that may fail to come; default all that the features rest on.
    """
    wanted = _present(sources, features)
    dropped = {
        name: with_source_dropout(rows, features, sources=wanted, share=share, seed=seed + place)
        for place, (name, rows) in enumerate(sorted(parts.items()))
    }
    return fit_score(spec, features, dropped, seed=seed)


def missing_source_table(
    models: Mapping[str, ScoredLearner],
    rows: pd.DataFrame,
    features: Sequence[Feature],
    *,
    per_township: int,
    sources: Sequence[str] | None = None,
    n_bootstrap: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """What every model is worth with each source blank, beside itself with all of them.

    Estimand: accuracy on these households and days had the source not come at all, everything else being as it was; not what happens when
    it comes late or by half, nor what a department's withdrawal would change in how others record.

    Parameters
    ----------
    models
        Label to a calibrated learner, such as {"as trained": training.scores["model"]}.
    rows
        Test rows as `training.labelled_rows` gives them: household_id, as_of, village_code, township_code, stratum, the features, y.
    features
        Catalogue entries of the matrix's columns, in order.
    per_township
        Places of the list; its share that changes is of the places by model, over all days.
    sources
        Which to take away, one at a time; default all that the features rest on.
    n_bootstrap, seed, level
        Villages drawn with replacement, the same draws for every model and source.

    Returns
    -------
    pandas.DataFrame
        One row per model, source ("none" first) and metric: model, source, n_features (that became NaN), metric (auc, calibration_slope,
        calibration_intercept, ece, list_changed), value, low, high, change (from the same model with all sources), change_low, change_high.

    Raises
    ------
    UnknownNameError
        A source that does not exist.
    ConfigError
        A source on which no feature rests, or no model.
    NotEnoughDataError
        One outcome only, or fewer than two villages.
    """
    import pandas as pd

    if not models:
        raise ConfigError("models is empty; give at least one, such as {'as trained': training.scores['model']}")
    wanted = [COMPLETE, *_present(sources, features)]
    names = [f.name for f in features]
    parts = []
    for label, model in models.items():
        frame = rows[["household_id", "as_of", "village_code", "township_code", "stratum", "y"]].reset_index(drop=True)
        for source in wanted:
            seen = rows if source == COMPLETE else without_source(rows, features, source=source)
            frame[f"p_{source}"] = model.risk(seen[names].to_numpy("float64"))
        parts.append(
            _of_model(frame, wanted, per_township=per_township, n_bootstrap=n_bootstrap, seed=seed, level=level).assign(model=label)
        )
    table = pd.concat(parts, ignore_index=True)
    counts = {source: len(features_of_source(source, features)) for source in wanted[1:]}
    table["n_features"] = table["source"].map({COMPLETE: 0, **counts}).astype("int64")
    first = ["model", "source", "n_features"]
    return table[[*first, *(c for c in table.columns if c not in first)]]


def _present(sources: Sequence[str] | None, features: Sequence[Feature]) -> list[str]:
    resting = [name for name in SOURCES if features_of_source(name, features)]
    if sources is None:
        if not resting:
            raise ConfigError("no feature rests on a source that may fail to come: there is nothing to take away")
        return resting
    for name in sources:
        if not features_of_source(name, features):
            raise ConfigError(
                f"no feature of the model rests on source '{name}'; those that some do: {', '.join(resting) or 'none'}"
            )
    return list(dict.fromkeys(sources))


def _of_model(
    frame: pd.DataFrame, sources: Sequence[str], *, per_township: int, n_bootstrap: int, seed: int, level: float
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    found = evaluate(
        frame, score_columns={s: f"p_{s}" for s in sources}, capacity=None, n_bootstrap=n_bootstrap, seed=seed, level=level
    )
    tails = [(1 - level) / 2, (1 + level) / 2]

    def interval(values: np.ndarray) -> tuple[float, float]:
        valid = values[np.isfinite(values)]
        low, high = np.quantile(valid, tails) if len(valid) > 1 else (np.nan, np.nan)
        return float(low), float(high)

    records = []
    for source in sources:
        for metric in METRICS:
            value, whole = found.point[source][metric], found.point[COMPLETE][metric]
            drawn, whole_drawn = found.replicates[source][metric], found.replicates[COMPLETE][metric]
            (low, high), (change_low, change_high) = interval(drawn), interval(drawn - whole_drawn)
            records.append(
                {"source": source, "metric": metric, "value": value, "low": low, "high": high, "change": value - whole,
                 "change_low": change_low, "change_high": change_high}
            )  # fmt: skip
    return pd.DataFrame(
        [*records, *_lists(frame, sources, per_township=per_township, n_bootstrap=n_bootstrap, seed=seed, interval=interval)]
    )


def _lists(
    frame: pd.DataFrame, sources: Sequence[str], *, per_township: int, n_bootstrap: int, seed: int, interval: Any
) -> list[dict[str, object]]:
    """Share of the list with all sources that the list without one does not hold; who is left out counts, not in what order."""
    import numpy as np
    import pandas as pd

    codes, villages = pd.factorize(frame["village_code"], sort=True)
    draws = draw_clusters(len(villages), n_bootstrap=n_bootstrap, seed=seed)

    def chosen(source: str) -> np.ndarray:
        result = np.zeros(len(frame), dtype=bool)
        for _, day in frame.groupby("as_of"):
            scored = day[["household_id", "township_code", "stratum"]].assign(risk=day[f"p_{source}"])
            result[day.index] = listed(scored, per_township=per_township)
        return result

    whole = chosen(COMPLETE)
    if not whole.any():
        raise NotEnoughDataError(f"with {per_township} places per township nobody is listed; give at least 1")
    size = np.bincount(codes, weights=whole, minlength=len(villages))
    records: list[dict[str, object]] = []
    for source in sources:
        lost = np.bincount(codes, weights=whole & ~chosen(source), minlength=len(villages))
        value = float(lost.sum() / size.sum())
        with np.errstate(invalid="ignore"):
            low, high = interval((draws @ lost) / (draws @ size))
        records.append(
            {"source": source, "metric": "list_changed", "value": value, "low": low, "high": high, "change": value, "change_low": low,
             "change_high": high}
        )  # fmt: skip
    return records
