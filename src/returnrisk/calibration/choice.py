"""Which calibration to take, decided on days that the curves had not seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from returnrisk.calibration.checks import FloatArray, checked_rows
from returnrisk.calibration.methods import CALIBRATIONS, FittedCalibration, fit_named
from returnrisk.errors import ConfigError, DataError, NotEnoughDataError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

Scheme = Literal["leave_one_out", "forward"]
FEWEST_DAYS = 2
NEGLIGIBLE = 1e-3
"""Share of the best log loss under which a difference is none (assumed): a few days can make a tiny difference look steady."""


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationChoice:
    """The calibration that later days chose, and how all of them did.

    Attributes
    ----------
    method
        The simplest whose log loss is within one standard error of the best, or within a thousandth of it (`NEGLIGIBLE`).
    table
        One row per method, simplest first: method, n_days, log_loss, brier (means over judged days, every day alike), worse (mean
        difference of log loss to the best), worse_se (standard error over days of that difference), chosen, problem (why it could
        not be judged, or "").
    per_day
        One row per method and judged day: method, day, n, n_events, log_loss, brier.
    """

    method: str
    table: pd.DataFrame
    per_day: pd.DataFrame


def choose_calibration(
    scores_by_day: Mapping[dt.date, ArrayLike],
    y_by_day: Mapping[dt.date, ArrayLike],
    *,
    methods: Sequence[str] = CALIBRATIONS,
    scheme: Scheme = "leave_one_out",
    embargo_days: int = 0,
) -> CalibrationChoice:
    """Choose among calibrations on held-out days: criterion log loss, and of those within one standard error the simplest.

    Every day is judged in turn by curves fitted on the others ("leave_one_out"), or on those before it only ("forward", from the
    second day on). The standard error is of the difference to the best method over days, since days differ much more in their base
    rate than methods in their loss (Breiman et al. 1984, the rule of one standard error). Calibration days a quarter apart with a
    horizon of a year share most of their outcomes: the standard error is then too small, and `embargo_days` leaves out of a fit all
    days nearer to the judged one than that (a horizon makes them honest, if there are days enough).

    Parameters
    ----------
    scores_by_day, y_by_day
        Day to (n,) log-odds of a learner that was fitted before, and to (n,) outcomes 0 or 1. The same days in both.
    methods
        Names of calibrations; they are ordered by simplicity, whatever the order here.

    Raises
    ------
    UnknownNameError
        A method or scheme that does not exist.
    ConfigError
        No method, or an embargo below 0.
    DataError
        The days of scores and outcomes differ, or a day's rows cannot be used.
    NotEnoughDataError
        Fewer than two days to judge on, or no method that can be fitted every time.

    Examples
    --------
    >>> import datetime as dt
    >>> rng = np.random.default_rng(0)
    >>> days = [dt.date(2022, month, 1) for month in (1, 4, 7, 10)]
    >>> scores = {day: rng.normal(-3, 1, 2000) for day in days}
    >>> outcomes = {day: (rng.random(2000) < 1 / (1 + np.exp(-x))).astype(int) for day, x in scores.items()}
    >>> choice = choose_calibration(scores, outcomes)
    >>> choice.method, choice.table["n_days"].tolist()
    ('sigmoid', [4, 4, 4, 4])
    """
    days, rows = _checked(scores_by_day, y_by_day, methods=methods, scheme=scheme, embargo_days=embargo_days)
    wanted = [m for m in CALIBRATIONS if m in methods]
    records: list[dict[str, object]] = []
    problems: dict[str, str] = dict.fromkeys(wanted, "")
    judged = 0
    for judge in days:
        learnt = [d for d in days if d != judge and abs((d - judge).days) >= embargo_days and (scheme != "forward" or d < judge)]
        if not learnt:
            continue
        judged += 1
        x, outcome = (np.concatenate([rows[d][i] for d in learnt]) for i in (0, 1))
        for method in (m for m in wanted if not problems[m]):
            try:
                risk = fit_named(method, x, outcome).apply(rows[judge][0])
            except NotEnoughDataError as error:
                problems[method] = f"{judge}: {error}"
                continue
            records.append({"method": method, "day": judge, **_losses(risk, rows[judge][1])})
    if judged < FEWEST_DAYS:
        raise NotEnoughDataError(
            f"{judged} of {len(days)} calibration days could be judged by curves of other days; choosing needs {FEWEST_DAYS}. Give more "
            f"calibration days, a shorter embargo than {embargo_days} days, or name the method"
        )
    if all(problems.values()):
        raise NotEnoughDataError(f"no calibration could be fitted on every split of {len(days)} days: {problems[wanted[0]]}")
    return _decide(records, problems)


def fit_calibration(
    method: str, log_odds: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *, day: ArrayLike | None = None
) -> FittedCalibration:
    """Fit the calibration that a model specification names: "sigmoid", "beta", "isotonic", "venn_abers", or "auto".

    "auto" fits, on all rows, the one that `choose_calibration` takes by leaving one day out; weights do not enter the choice.

    Parameters
    ----------
    log_odds, y, sample_weight
        As `SigmoidCalibration.fit`.
    day
        (n,) `as_of` of every row; only "auto" needs it.

    Raises
    ------
    UnknownNameError
        Another name.
    ConfigError
        "auto" without days.
    DataError, NotEnoughDataError
        As `SigmoidCalibration.fit` and `choose_calibration`.

    Examples
    --------
    >>> fit_calibration("sigmoid", [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0], [0, 0, 1, 0, 1, 1]).n_events
    3
    """
    if method == "auto":
        if day is None:
            raise ConfigError("calibration 'auto' needs the day of every row: it is chosen on held-out days")
        days, x, outcome = np.asarray(day, dtype="datetime64[D]"), np.asarray(log_odds, dtype=np.float64), np.asarray(y)
        if not days.shape == x.shape == outcome.shape:
            raise DataError(
                f"days, log-odds and outcomes have shapes {days.shape}, {x.shape}, {outcome.shape}; expected (n,) for all"
            )
        each: list[dt.date] = np.unique(days).tolist()
        on = {one: days == np.datetime64(one) for one in each}
        method = choose_calibration({d: x[rows] for d, rows in on.items()}, {d: outcome[rows] for d, rows in on.items()}).method
    return fit_named(method, log_odds, y, sample_weight)


def _decide(records: list[dict[str, object]], problems: Mapping[str, str]) -> CalibrationChoice:
    import pandas as pd

    per_day = pd.DataFrame(records)
    loss = per_day.pivot_table(index="day", columns="method", values="log_loss")
    fair = [m for m in problems if not problems[m]]
    best = loss[fair].mean().idxmin()
    rows = []
    for method in problems:
        row: dict[str, object] = {"method": method, "n_days": 0, "problem": problems[method]}
        if method in fair:
            own = per_day[per_day["method"] == method]
            worse = (loss[method] - loss[best]).to_numpy()
            row |= {"n_days": len(own), "log_loss": own["log_loss"].mean(), "brier": own["brier"].mean()}
            row |= {"worse": worse.mean(), "worse_se": worse.std(ddof=1) / np.sqrt(len(worse))}
        rows.append(row)
    least = NEGLIGIBLE * loss[best].mean()
    columns = ["method", "n_days", "log_loss", "brier", "worse", "worse_se"]
    table = pd.DataFrame(rows).reindex(columns=[*columns, "problem"])
    chosen = next(r["method"] for r in table.to_dict("records") if not r["problem"] and r["worse"] <= max(r["worse_se"], least))
    table.insert(len(columns), "chosen", table["method"] == chosen)
    return CalibrationChoice(method=str(chosen), table=table, per_day=per_day)


def _losses(risk: FloatArray, outcome: FloatArray) -> dict[str, object]:
    log_loss = -np.where(outcome == 1, np.log(risk), np.log1p(-risk)).mean()
    return {
        "n": len(risk),
        "n_events": int(outcome.sum()),
        "log_loss": float(log_loss),
        "brier": float(((risk - outcome) ** 2).mean()),
    }


def _checked(
    scores_by_day: Mapping[dt.date, ArrayLike],
    y_by_day: Mapping[dt.date, ArrayLike],
    *,
    methods: Sequence[str],
    scheme: str,
    embargo_days: int,
) -> tuple[list[dt.date], dict[dt.date, tuple[FloatArray, FloatArray]]]:
    for method in methods:
        if method not in CALIBRATIONS:
            raise UnknownNameError("calibration", method, CALIBRATIONS)
    if scheme not in ("leave_one_out", "forward"):
        raise UnknownNameError("scheme", scheme, ("leave_one_out", "forward"))
    if not methods or embargo_days < 0:
        raise ConfigError(
            f"methods {list(methods)} and embargo_days {embargo_days}: expected at least one method and 0 or more days"
        )
    if set(scores_by_day) != set(y_by_day):
        odd = sorted(set(scores_by_day) ^ set(y_by_day))
        raise DataError(f"scores and outcomes are not of the same days: {', '.join(map(str, odd))} in one of them only")
    rows = {}
    for day in scores_by_day:
        try:
            rows[day] = checked_rows(scores_by_day[day], y_by_day[day], None)[:2]
        except DataError as error:
            raise type(error)(f"{day}: {error}") from error
    return sorted(rows), rows
