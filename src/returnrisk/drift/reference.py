"""What a month is held against: the test days of a model, as shares of households, and how far earlier days had moved.

Made at training and sealed in the bundle (`reference.json`), so that a later month needs no training data. It holds edges rounded to four
digits, shares of at least ten households a day, and percentiles; nothing of single households.

The accuracy that a model is trusted for was measured on its test days, so drift is drift away from them. They lie a horizon and a delay
before the training, and a county moves in that time by itself: `past` is the largest index that any of the model's days had against as many
days in a row that lie as far off, up to a year more (before or after it: the index is the same both ways). Only what goes beyond that is news.
Days of the first year are left out where there are others: features look years back, and what was not on file yet is no movement.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from returnrisk.drift.stability_index import Bins, FloatArray, edges_of, psi
from returnrisk.errors import BundleError, NotEnoughDataError
from returnrisk.timeline import months_between

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.features.catalogue import Feature
    from returnrisk.features.snapshot import Snapshot

SCHEMA = 1
LEAST_A_DAY = 10
"""Households a day under which a bin is joined to its neighbour (assumed)."""
LEAST_PAIRS = 3
"""Pairs of a day and days far off under which the past tells nothing."""
A_YEAR = 12
CALENDAR = ("season",)
"""Families that tell the day and not the households."""
RISK = "risk"
POINTS = 100


@dataclass(frozen=True, slots=True, eq=False)
class RiskReference:
    """Log-odds of the households at risk, before the curve: a model that is recalibrated keeps them.

    `points`: their percentiles from 0.5 to 99.5; `past_ratio`: the largest change of the mean risk among the pairs of days, as a ratio.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    points: tuple[float, ...]
    past: float | None
    past_ratio: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Shares by bin of a model's test days.

    Attributes
    ----------
    days
        They, earliest first.
    households, at_risk
        Household-days in all, and of those at risk.
    family_of
        Feature to its family, in the model's order, without those that only tell the calendar.
    edges, shares
        By feature; the first share is that of the missing.
    past
        By feature, the largest index of a day against days as far off as the test days are from the training; None: too few days to tell.
    tables
        What was delivered in the year to the last of the days.
    """

    days: tuple[dt.date, ...]
    households: int
    at_risk: int
    family_of: Mapping[str, str]
    edges: Mapping[str, tuple[float, ...]]
    shares: Mapping[str, tuple[float, ...]]
    past: Mapping[str, float] | None
    risk: RiskReference
    tables: tuple[str, ...]

    def to_state(self) -> dict[str, Any]:
        """JSON-able content of `reference.json`."""
        state = {"schema": SCHEMA, **asdict(self), "days": [day.isoformat() for day in self.days]}
        plain: dict[str, Any] = json.loads(json.dumps(state))  # lists, as they will be read back
        return plain

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Reference:
        """Read back what `to_state` gave.

        Raises
        ------
        BundleError
            Another schema, or a part is missing.

        Examples
        --------
        >>> Reference.from_state({"schema": 7})
        Traceback (most recent call last):
            ...
        returnrisk.errors.BundleError: reference.json of the bundle has schema 7; this version reads 1: train the model again
        """
        if state.get("schema") != SCHEMA:
            raise BundleError(
                f"reference.json of the bundle has schema {state.get('schema')}; this version reads {SCHEMA}: train the model again"
            )
        try:
            risk: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in state["risk"].items()}
            plain = {name: state[name] for name in ("households", "at_risk", "family_of", "past")}
            return cls(
                days=tuple(dt.date.fromisoformat(day) for day in state["days"]),
                edges={name: tuple(values) for name, values in state["edges"].items()},
                shares={name: tuple(values) for name, values in state["shares"].items()},
                risk=RiskReference(**risk),
                tables=tuple(state["tables"]),
                **plain,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"reference.json of the bundle is not readable ({type(error).__name__}: {error}): train the model again"
            ) from error

    @property
    def bins(self) -> Bins:
        """The features' bins."""
        return Bins.of(self.edges)

    def counts(self) -> FloatArray:
        """Household-days in every bin, (features, width)."""
        return _padded(list(self.shares.values()), self.bins.width) * self.households


def make_reference(
    snapshots: Callable[[dt.date], Snapshot],
    *,
    days: Sequence[dt.date],
    earlier: Sequence[dt.date],
    known_on: dt.date,
    log_odds: Callable[[pd.DataFrame], FloatArray],
    curve: Callable[[FloatArray], FloatArray],
    tables: Sequence[str],
) -> Reference:
    """Count the whole population of the test days, and how far earlier days had moved over as long a time.

    Parameters
    ----------
    snapshots
        Gives the snapshot of a day.
    days, earlier
        The model's test days; all its other days.
    known_on
        The day of training: what lies between the last test day and it is the time over which movement is expected.
    log_odds, curve
        Snapshot rows to the model's log-odds, and these to risks.
    tables
        What was delivered in the year to the last test day.

    Raises
    ------
    NotEnoughDataError
        Nobody is at risk on the test days.
    """
    reference_days, all_days = sorted(days), sorted({*days, *earlier})
    made = {day: snapshots(day) for day in reference_days}
    features = [f for f in made[reference_days[0]].features if f.family not in CALENDAR]
    least = LEAST_A_DAY * len(reference_days)
    bins = Bins.of(
        {
            f.name: edges_of(np.concatenate([s.table[f.name].to_numpy("float64") for s in made.values()]), least=least)
            for f in features
        }
    )
    scored = {day: log_odds(at_risk_of(made[day].table)) for day in reference_days}
    pooled = np.sort(np.concatenate(list(scored.values())))
    if len(pooled) < least:
        raise NotEnoughDataError(f"{len(pooled)} household-days at risk on the test days; a reference needs {least} or more")
    risk_bins = Bins.of({RISK: edges_of(pooled, least=least)})
    counts, risk_counts, mean_risk = {}, {}, {}
    for day in all_days:
        snapshot = made.pop(day, None) or snapshots(day)
        found = scored.pop(day, None)
        found = log_odds(at_risk_of(snapshot.table)) if found is None else found
        counts[day] = bins.counts(snapshot.table)
        risk_counts[day] = _risk_counts(risk_bins, found)
        mean_risk[day] = float(curve(found).mean()) if len(found) else float("nan")
    windows = _pairs(all_days, like=reference_days, lag=months_between(reference_days[-1], known_on))
    own, own_risk = (np.sum([of[day] for day in reference_days], axis=0) for of in (counts, risk_counts))
    past = [psi(np.sum([counts[d] for d in window], axis=0), counts[day], bins.sizes) for day, window in windows]
    past_risk = [
        float(psi(np.sum([risk_counts[d] for d in w], axis=0), risk_counts[day], risk_bins.sizes)[0]) for day, w in windows
    ]
    ratios = [abs(float(np.log(mean_risk[day] / np.mean([mean_risk[d] for d in window])))) for day, window in windows]
    enough = len(windows) >= LEAST_PAIRS
    return Reference(
        days=tuple(reference_days),
        households=int(own[0].sum()),
        at_risk=len(pooled),
        family_of={f.name: f.family for f in features},
        edges={name: tuple(values.tolist()) for name, values in bins.edges.items()},
        shares=_published(own, bins, features=features, least=least),
        past={f.name: round(float(v), 6) for f, v in zip(features, np.max(past, axis=0), strict=True)} if enough else None,
        risk=RiskReference(
            edges=tuple(risk_bins.edges[RISK].tolist()),
            shares=tuple(np.round(own_risk[0] / own_risk[0].sum(), 6).tolist()),
            points=tuple(np.round(np.quantile(pooled, (np.arange(POINTS) + 0.5) / POINTS), 4).tolist()),
            past=round(max(past_risk), 6) if enough else None,
            past_ratio=round(float(np.exp(max(ratios))), 6) if enough else None,
        ),
        tables=tuple(sorted(tables)),
    )


def at_risk_of(table: pd.DataFrame) -> pd.DataFrame:
    """Snapshot rows of the households that a probability of falling is said of."""
    return table[table["stratum"] == "at_risk"]


def risk_bins_of(reference: Reference) -> tuple[Bins, FloatArray]:
    """Bins of the log-odds, and the reference's households in them (1, width)."""
    bins = Bins.of({RISK: reference.risk.edges})
    return bins, np.array([reference.risk.shares]) * reference.at_risk


def _risk_counts(bins: Bins, log_odds: FloatArray) -> Any:
    import pandas as pd

    return bins.counts(pd.DataFrame({RISK: log_odds}))


def _pairs(days: Sequence[dt.date], *, like: Sequence[dt.date], lag: int) -> list[tuple[dt.date, list[dt.date]]]:
    """Days with every run of days `like` these that lies `lag` months to a year more away from them, before or after.

    Examples
    --------
    >>> ends = [dt.date(year, 12, 31) for year in range(2018, 2024)]
    >>> [(day.year, [d.year for d in run]) for day, run in _pairs(ends, like=ends[-1:], lag=30)]
    [(2019, [2022]), (2020, [2023]), (2022, [2019]), (2023, [2020])]
    """
    n, span = len(like), months_between(like[0], like[-1])
    later = [day for day in days if months_between(days[0], day) >= A_YEAR]
    found: list[tuple[dt.date, list[dt.date]]] = []
    for used in (later, days):
        runs = [list(used[i : i + n]) for i in range(len(used) - n + 1) if months_between(used[i], used[i + n - 1]) <= span]
        away = [(day, run, max(months_between(run[-1], day), months_between(day, run[0]))) for day in used for run in runs]
        found = [(day, run) for day, run, months in away if lag <= months <= lag + A_YEAR]
        if len(found) >= LEAST_PAIRS:
            break
    return found


def _published(counts: Any, bins: Bins, *, features: Sequence[Feature], least: int) -> dict[str, tuple[float, ...]]:
    """Shares by feature; fewer than `least` missing (or known) household-days are not told: they count as none."""
    found = {}
    for feature, row, size in zip(features, counts, bins.sizes, strict=True):
        kept = row[:size].astype(np.float64)
        if kept[0] < least:
            kept[0] = 0
        if kept[1:].sum() < least:
            kept[1:] = 0
        found[feature.name] = tuple(np.round(kept / kept.sum(), 6).tolist())
    return found


def _padded(rows: Sequence[Sequence[float]], width: int) -> FloatArray:
    return np.array([[*row, *[0.0] * (width - len(row))] for row in rows])
