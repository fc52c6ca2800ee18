"""Whom the list misses more: rates of every group and of every two groups together, against all other households, with intervals.

Estimand. Of the household-days at risk whose outcome closed: `recall` is the share of those that fell who were on that day's list, `missed` the
rest; a group's harm is that its recall lies below that of everybody outside it. It is compared as it is: nothing is adjusted for, so a group whose falls are
harder to foresee shows here. Why, and what under-recorded falls hide, the table cannot say (docs/fairness.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from returnrisk.errors import ConfigError, ContractViolation, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.evaluation.bootstrap import draw_clusters
from returnrisk.fairness.comparisons import compare_to_chance
from returnrisk.fairness.groupings import in_order, words_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RATES = ("base_rate", "selection_rate", "recall", "missed", "precision", "false_positive_rate", "observed_over_expected")
AGAINST_REST = ("recall_difference", "recall_ratio")
COUNTS = ("n", "n_households", "n_events", "n_fallen", "n_clusters")
COLUMNS = (
    "grouping", "group", "grouping_2", "group_2", "zh", "en", "status", *COUNTS,
    *(f"{name}{end}" for name in (*RATES, *AGAINST_REST) for end in ("", "_low", "_high")),
    "p_value", "p_adjusted", "claimed",
)  # fmt: skip
ONE_WAY_SHARE = 0.8
"""Of the error that is allowed, the groups have so much and their intersections, of which there are far more, the rest."""


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Checked rows in an order of their own.

    amounts
        (rows, 5): weight, and of it those that fell, were listed, both, and the risk.
    groups
        Grouping to every row's number among its groups, and their names.
    """

    village: IntArray
    household: IntArray
    fell: NDArray[np.bool_]
    amounts: FloatArray
    n_villages: int
    groups: Mapping[str, tuple[IntArray, list[str]]]


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Groups, or intersections.

    names
        grouping, group, grouping_2, group_2.
    counts
        (g, 6): `COUNTS`, and the households that fell (also) outside the group.
    sums
        (villages, g, 5) of `_Rows.amounts`.
    """

    names: list[tuple[str, str, str, str]]
    counts: IntArray
    sums: FloatArray


def measure_fairness(  # noqa: PLR0913 (each is rows, or one decision of the evaluator with a default)
    predictions: pd.DataFrame,
    groups: pd.DataFrame,
    *,
    selected: str,
    score: str = "p_model",
    weight: str | None = None,
    min_events: int = 20,
    n_bootstrap: int = 300,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Rates of every group, and of every two together, with how they differ from those of all other households.

    Parameters
    ----------
    predictions
        One row per household and day, at risk and with a known outcome: household_id, as_of, village_code, y (0 or 1), the score (risk in
        [0, 1]) and `selected`.
    groups
        A column of text per grouping, rows as `predictions`; "" or missing is unknown: a group of its own, in no intersection.
    selected
        Column of true and false: on the day's list. A number between 0 and 1 is the chance of being on it (ties).
    weight
        Column: how many households a row stands for. Counts are of rows without it.
    min_events
        Households that fell under which a group (or the rest, for comparing) is not measured, and an intersection is not in the table: a
        household that fell is one event on however many days it was looked at.
    n_bootstrap, seed, level
        Villages drawn with replacement for intervals, the same draws for every group; the seed, also of the p-values; the level of
        intervals and, less from 1, the chance of even one false claim.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`. First everyone, then every grouping's groups, then intersections (`grouping_2` not ""). status: "measured"; "no_events",
        "too_few" or "one_village" (of falls): counts only. n household-days, n_households, n_events (n that fell), n_fallen (households that
        fell), n_clusters (villages). Rates with percentile intervals; recall_difference (the group's less that of all others: below 0 it is missed more),
        recall_ratio. p_value (two-sided, this comparison alone), p_adjusted (all comparisons; `ONE_WAY_SHARE`), claimed: missed more, and it
        stands after control.

    Raises
    ------
    ContractViolation
        A household twice on a day; groups that are not of these rows.
    DataError
        Outcomes, chances or risks that cannot be, missing villages or households, weights below 0.
    NotEnoughDataError
        Nobody fell, or all live in one village.
    UnknownNameError, ConfigError
        A column that is not there; settings that cannot be meant.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> n = 4000
    >>> old = rng.random(n) < 0.3
    >>> fell = rng.random(n) < 0.1
    >>> rows = pd.DataFrame({
    ...     "household_id": range(n), "as_of": "2024-03-31", "village_code": rng.integers(0, 50, n), "y": fell.astype(int),
    ...     "p_model": 0.1, "on_list": rng.random(n) < np.where(fell, np.where(old, 0.3, 0.6), 0.1),
    ... })
    >>> table = measure_fairness(rows, pd.DataFrame({"old": np.where(old, "yes", "no")}), selected="on_list", n_bootstrap=100)
    >>> table[["grouping", "group", "n_fallen", "recall", "recall_difference", "claimed"]].round(2).values.tolist()
    [['all', '', 415, 0.48, nan, False], ['old', 'no', 290, 0.56, 0.25, False], ['old', 'yes', 125, 0.3, -0.25, True]]
    >>> measure_fairness(pd.concat([rows, rows.head(2)]), pd.DataFrame(), selected="on_list")
    Traceback (most recent call last):
        ...
    returnrisk.errors.ContractViolation: 2 rows are of a household and day that stand there already; one row per household and day is expected
    """
    if min_events < 1 or n_bootstrap < 2 or not 0 < level < 1:
        raise ConfigError(
            f"min_events {min_events}, n_bootstrap {n_bootstrap}, level {level}: expected 1, 2 or more, and within (0, 1)"
        )
    rows = _checked(predictions, groups, selected=selected, score=score, weight=weight)
    one_way, intersections = _one_way(rows), _intersections(rows, min_events=min_events)
    draws = draw_clusters(rows.n_villages, n_bootstrap=n_bootstrap, seed=seed)
    parts = [
        _table(cells, one_way, draws, min_events=min_events, share=share, seed=seed, level=level)
        for cells, share in ((one_way, ONE_WAY_SHARE), (intersections, 1 - ONE_WAY_SHARE))
        if cells.names
    ]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def _table(
    cells: _Cells, everyone: _Cells, draws: FloatArray, *, min_events: int, share: float, seed: int, level: float
) -> pd.DataFrame:
    """One family of comparisons."""
    counts = pd.DataFrame(cells.counts[:, :-1], columns=list(COUNTS))
    names = pd.DataFrame(cells.names, columns=["grouping", "group", "grouping_2", "group_2"])
    words = [_words(*name) for name in cells.names]
    villages_with_falls = (cells.sums[:, :, 1] > 0).sum(axis=0)
    status = np.select(
        [counts["n_events"] == 0, counts["n_fallen"] < min_events, villages_with_falls < 2],
        ["no_events", "too_few", "one_village"],
        "measured",
    )
    measured = status == "measured"
    whole = everyone.sums[:, :1]
    ends = ((1 - level) / 2, (1 + level) / 2)
    once = np.ones((1, len(draws[0])))
    point, drawn = (_rates(_drawn(times, cells.sums), _drawn(times, whole)) for times in (once, draws))
    table = pd.concat([names, counts], axis=1).assign(zh=[zh for zh, _ in words], en=[en for _, en in words], status=status)
    compared = measured & (cells.counts[:, -1] >= min_events)
    for name in (*RATES, *AGAINST_REST):
        shown = compared if name in AGAINST_REST else measured
        table[name] = np.where(shown, point[name][0], np.nan)
        table[f"{name}_low"], table[f"{name}_high"] = np.where(shown, _interval(drawn[name], ends), np.nan)
    table["p_value"], table["p_adjusted"] = np.nan, np.nan
    if compared.any():
        found = compare_to_chance(_pulls(cells.sums[:, compared], whole), seed=seed)
        table.loc[compared, "p_value"] = found.p_value
        table.loc[compared, "p_adjusted"] = np.minimum(found.p_adjusted / share, 1.0)
    table["claimed"] = (table["recall_difference"] < 0) & (table["p_adjusted"] <= 1 - level)
    return table


def _drawn(times: FloatArray, sums: FloatArray) -> list[FloatArray]:
    """The five amounts when villages are drawn so often, (b, g) each."""
    return [times @ sums[:, :, k] for k in range(sums.shape[2])]


def _rates(part: list[FloatArray], whole: list[FloatArray]) -> dict[str, FloatArray]:
    """`RATES` and `AGAINST_REST`, (b, g) each; NaN where a rate is of nobody."""
    weight, fell, listed, hit, risk = part
    recall = _ratio(hit, fell)
    elsewhere = _ratio(whole[3] - hit, whole[1] - fell)
    return {
        "base_rate": _ratio(fell, weight),
        "selection_rate": _ratio(listed, weight),
        "recall": recall,
        "missed": 1 - recall,
        "precision": _ratio(hit, listed),
        "false_positive_rate": _ratio(listed - hit, weight - fell),
        "observed_over_expected": _ratio(fell, risk),
        "recall_difference": recall - elsewhere,
        "recall_ratio": _ratio(recall, elsewhere),
    }


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    found: FloatArray = np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)
    return found


def _interval(values: FloatArray, ends: tuple[float, float]) -> FloatArray:
    """(2, g); NaN where no draw has a value."""
    found = np.full((2, values.shape[1]), np.nan)
    missing = np.isnan(values)
    whole, some = ~missing.any(axis=0), ~missing.all(axis=0)
    found[:, whole] = np.quantile(values[:, whole], ends, axis=0)
    found[:, some & ~whole] = np.nanquantile(values[:, some & ~whole], ends, axis=0)  # column by column, and so much slower
    return found


def _pulls(sums: FloatArray, whole: FloatArray) -> FloatArray:
    """What each village adds to a group's recall less that of the rest, were both that of everyone: (v, g)."""
    fell, hit = sums[:, :, 1], sums[:, :, 3]
    recall = whole[:, 0, 3].sum() / whole[:, 0, 1].sum()
    rest_fell, rest_hit = whole[:, :, 1] - fell, whole[:, :, 3] - hit
    return np.asarray((hit - recall * fell) / fell.sum(axis=0) - (rest_hit - recall * rest_fell) / rest_fell.sum(axis=0))


def _words(grouping: str, group: str, grouping_2: str, group_2: str) -> tuple[str, str]:
    zh, en = words_of(grouping, group)
    if not grouping_2:
        return zh, en
    more_zh, more_en = words_of(grouping_2, group_2)
    return f"{zh}，{more_zh}", f"{en}; {more_en}"


def _one_way(rows: _Rows) -> _Cells:
    parts = [_cells(rows, [("all", "", "", "")], np.zeros(len(rows.village), dtype=np.int64))]
    for name, (code, labels) in rows.groups.items():
        parts.append(_cells(rows, [(name, label, "", "") for label in labels], code))
    return _joined(parts, rows)


def _intersections(rows: _Rows, *, min_events: int) -> _Cells:
    """Every two known groups of different groupings, where at least so many households fell; one that is a whole group is none."""
    return _joined(list(_crossed(rows, min_events=min_events)), rows)


def _crossed(rows: _Rows, *, min_events: int) -> Iterator[_Cells]:
    sizes = {name: np.bincount(code, minlength=len(labels)) for name, (code, labels) in rows.groups.items()}
    for first, second in itertools.combinations(rows.groups, 2):
        (code, labels), (code_2, labels_2) = rows.groups[first], rows.groups[second]
        cells = _cells(
            rows, [(first, a, second, b) for a in labels for b in labels_2], code * len(labels_2) + code_2, min_fallen=min_events
        )
        kept = [
            i
            for i, (_, a, _, b) in enumerate(cells.names)
            if a and b and cells.counts[i, 0] < min(sizes[first][labels.index(a)], sizes[second][labels_2.index(b)])
        ]
        yield _Cells([cells.names[i] for i in kept], cells.counts[kept], cells.sums[:, kept])


def _coded(labels: pd.Series) -> tuple[IntArray, list[str]]:
    names = in_order(str(labels.name), labels.unique().tolist())
    return pd.Index(names).get_indexer(pd.Index(labels)).astype(np.int64), names


def _cells(rows: _Rows, names: list[tuple[str, str, str, str]], code: IntArray, *, min_fallen: int = 0) -> _Cells:
    """Counts and sums of the rows with each code; those in which fewer households fell are left out before anything is added up."""
    k, n_amounts = len(names), rows.amounts.shape[1]
    households, _ = _distinct(rows.household, code, k)
    fallen, elsewhere = _distinct(rows.household[rows.fell], code[rows.fell], k)
    n, n_events = np.bincount(code, minlength=k), np.bincount(code[rows.fell], minlength=k)
    kept = np.flatnonzero(fallen >= min_fallen)
    place = np.full(k, -1)
    place[kept] = np.arange(len(kept))
    inside = place[code] >= 0
    at = rows.village[inside] * len(kept) + place[code[inside]]
    size = rows.n_villages * len(kept)
    sums = np.stack([np.bincount(at, rows.amounts[inside, j], size).astype(np.float64) for j in range(n_amounts)], axis=-1)
    clusters = (np.bincount(at, minlength=size).reshape(rows.n_villages, len(kept)) > 0).sum(axis=0)
    counts = np.column_stack([*(c[kept] for c in (n, households, n_events, fallen)), clusters, elsewhere[kept]]).astype(np.int64)
    return _Cells([names[i] for i in kept], counts, sums.reshape(rows.n_villages, len(kept), n_amounts))


def _distinct(household: IntArray, code: IntArray, k: int) -> tuple[IntArray, IntArray]:
    """Different households with each code, and with any other one."""
    who, its_code = np.divmod(np.unique(household * k + code), k)
    _, place, n_codes = np.unique(who, return_inverse=True, return_counts=True)
    only_here = np.bincount(its_code[n_codes[place] == 1], minlength=k)
    return np.bincount(its_code, minlength=k), len(n_codes) - only_here


def _joined(parts: list[_Cells], rows: _Rows) -> _Cells:
    empty = np.zeros((rows.n_villages, 0, rows.amounts.shape[1]))
    return _Cells(
        names=[name for part in parts for name in part.names],
        counts=np.concatenate([np.zeros((0, len(COUNTS) + 1), dtype=np.int64), *(part.counts for part in parts)]),
        sums=np.concatenate([empty, *(part.sums for part in parts)], axis=1),
    )


def _checked(predictions: pd.DataFrame, groups: pd.DataFrame, *, selected: str, score: str, weight: str | None) -> _Rows:
    """Refuse what cannot be measured, and put the rows into an order of their own."""
    named = ["household_id", "as_of", "village_code", "y", score, selected, *([weight] if weight else [])]
    for column in named:
        if column not in predictions.columns:
            raise UnknownNameError("column", column, map(str, predictions.columns))
    n = len(predictions)
    if twice := int(predictions.duplicated(["household_id", "as_of"]).sum()):
        raise ContractViolation(
            f"{twice} rows are of a household and day that stand there already; one row per household and day is expected"
        )
    if len(groups.columns) and not groups.index.equals(predictions.index):
        raise ContractViolation(
            f"groups has {len(groups)} rows of other households than the {n} predictions; expected the same index"
        )
    amount = {c: predictions[c].to_numpy(dtype=np.float64, na_value=np.nan) for c in named[3:]}
    wrong = {
        "'y' that is neither 0 nor 1": ~np.isin(amount["y"], (0.0, 1.0)),
        f"'{score}' that is missing or outside [0, 1]": ~((amount[score] >= 0) & (amount[score] <= 1)),
        f"'{selected}' that is missing or no chance": ~((amount[selected] >= 0) & (amount[selected] <= 1)),
        "household, day or village that is missing": predictions[named[:3]].isna().any(axis=1).to_numpy(),
        f"'{weight}' that is missing or below 0": ~(amount[weight] >= 0) if weight else np.zeros(n, dtype=bool),
    }
    for what, bad in wrong.items():
        if bad.any():
            raise DataError(f"{int(bad.sum())} of {n} rows have a {what}")
    stands_for = amount[weight] if weight else np.ones(n)
    if not (stands_for * amount["y"]).sum() > 0:
        raise NotEnoughDataError(f"of {n} rows none is an event: who was missed cannot be said; take more test days")
    household, village = (pd.factorize(predictions[c], sort=True)[0].astype(np.int64) for c in ("household_id", "village_code"))
    if village.max() == 0:
        raise NotEnoughDataError(f"all {n} rows lie in one village; intervals draw villages: take at least 2, better 30 or more")
    # sums of doubles depend on their order: the same rows give the same bits however they came
    order = np.lexsort((pd.factorize(predictions["as_of"], sort=True)[0], household))
    parts = [stands_for, stands_for * amount["y"], stands_for * amount[selected]]
    parts += [parts[2] * amount["y"], stands_for * amount[score]]
    return _Rows(
        village=village[order],
        household=household[order],
        fell=amount["y"][order] > 0,
        amounts=np.column_stack(parts)[order],
        n_villages=int(village.max()) + 1,
        groups={str(c): _coded(groups[c].astype(object).fillna("").astype(str).iloc[order]) for c in groups.columns},
    )
