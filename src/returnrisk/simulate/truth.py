"""The true probability of `fall`: the share of re-run futures of one state in which a household falls.

    states_at(days) → state → true_risk (2 000 futures, stored by content) → TrueRisk.frame()
                                                                           → foreseeable.ceiling(true risks, what happened)

What is estimated, how far it can be trusted and what it showed: docs/truth.md.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from returnrisk.errors import ConfigError
from returnrisk.simulate import names
from returnrisk.simulate.county import initial_state, month_rng
from returnrisk.simulate.futures import Falls, run_futures
from returnrisk.simulate.parameters import Parameters, default_parameters
from returnrisk.simulate.population import COUNTY_CODE
from returnrisk.simulate.process import advance
from returnrisk.simulate.state import Arrays, Bools, CountyState, Floats, Ints, as_date, first_day, month_number
from returnrisk.timeline import Settlement, month_end, months_between, settlement_days

NO_SUPPORT = {"support.targeted": False}
"""No measure starts; those running go on, entitlements by rule (pensions, 低保, subsidies) too."""


@dataclass(frozen=True, slots=True)
class TrueRisk:
    """What became of the households at risk on a day, in `n_futures` futures of the same state.

    Attributes
    ----------
    as_of
        Last day of the state's past.
    at_risk
        One entry per household: not monitored and at or above the line on `as_of`, by the **true** state, whatever is on file.
    household, future
        One entry per fall of a household at risk: its index and the future's number; sorted by future, then household.
    new_support
        Whether measures may start after `as_of`.
    """

    as_of: dt.date
    n_futures: int
    new_support: bool
    at_risk: Bools
    household: Ints
    future: Ints

    def counts(self, first: int = 0, last: int | None = None) -> Ints:
        """Falls of every household in the futures numbered `first` to before `last`."""
        among = (self.future >= first) & (self.future < (self.n_futures if last is None else last))
        return np.bincount(self.household[among], minlength=len(self.at_risk))

    def p_fall(self) -> Floats:
        """Share of futures with a fall, one entry per household; NaN where it is not at risk."""
        return np.where(self.at_risk, self.counts() / self.n_futures, np.nan)

    def frame(self) -> pd.DataFrame:
        """One row per household at risk: household_id, as_of, n_futures, n_falls, p_fall, se.

        `se` is `sqrt(p (1 - p) / n)` with half a fall added to falls and to others: futures are independent, so a household's falls
        are binomial, and a household never seen to fall is not known never to.
        """
        who, counts = np.flatnonzero(self.at_risk), self.counts()[self.at_risk]
        p = (counts + 0.5) / (self.n_futures + 1)
        return pd.DataFrame(
            {
                "household_id": names.household_numbers(len(self.at_risk), county=COUNTY_CODE).take(who),
                "as_of": pd.Timestamp(self.as_of),
                "n_futures": self.n_futures,
                "n_falls": counts,
                "p_fall": counts / self.n_futures,
                "se": np.sqrt(p * (1 - p) / self.n_futures),
            }
        )


def at_risk_now(state: CountyState, parameters: Parameters) -> Bools:
    """Households with members, not monitored, at or above the line in force on the state's last day: by the true state."""
    day = as_date(first_day(state.month) - 1)
    members = np.bincount(state.persons.household[state.persons.present], minlength=state.n_households)
    above = state.households.net12.sum(axis=1) >= parameters.line_on(day) * members
    return np.asarray(above & (members > 0) & ~state.households.monitored)


def true_risk(
    state: CountyState,
    *,
    parameters: Parameters,
    n_futures: int = 2000,
    seed: int = 0,
    horizon_months: int = 12,
    settlement: Settlement = "quarter_end",
    new_support: bool = True,
    folder: Path | None = None,
) -> TrueRisk:
    """Probability of falling below the line within the horizon, for every household at risk on the state's day.

    Parameters
    ----------
    state
        The county at the end of a month (`states_at`); unchanged.
    n_futures
        Futures; 2 000 give a standard error of at most 0.011.
    seed
        Of the futures; has nothing to do with the county's own.
    horizon_months, settlement
        A fall: below the line then in force on at least one settlement day in (day, day + horizon].
    new_support
        False: no measure starts after the day (`NO_SUPPORT`).
    folder
        Where results are kept, by content: the same state, parameters, futures, seed, question and simulator are computed once.

    Returns
    -------
    TrueRisk
        Falls by household and future.

    Raises
    ------
    ConfigError
        Fewer than 100 futures, or no settlement day within the horizon.

    Examples
    --------
    >>> from returnrisk.simulate import default_parameters
    >>> state = states_at([dt.date(2021, 12, 31)], n_households=100, start=dt.date(2021, 1, 1), seed=1)[dt.date(2021, 12, 31)]
    >>> risk = true_risk(state, parameters=default_parameters(), n_futures=200)
    >>> risk.frame().columns.tolist()
    ['household_id', 'as_of', 'n_futures', 'n_falls', 'p_fall', 'se']
    >>> true_risk(state, parameters=default_parameters(), n_futures=10)
    Traceback (most recent call last):
        ...
    returnrisk.errors.ConfigError: n_futures is 10; expected at least 100
    """
    if n_futures < 100:
        raise ConfigError(f"n_futures is {n_futures}; expected at least 100")
    as_of = as_date(first_day(state.month) - 1)
    days = settlement_days(as_of, horizon_months=horizon_months, settlement=settlement)
    settled_after = tuple(months_between(as_of, day) for day in days)
    lived = parameters if new_support else parameters.changed(NO_SUPPORT)
    at_risk = at_risk_now(state, parameters)
    question = {"n_futures": n_futures, "seed": seed, "settled_after": settled_after}
    path = None if folder is None else folder / f"{as_of}-{content_key(state, lived, question)}.npz"
    falls = _read(path) if path is not None and path.exists() else None
    if falls is None:
        falls = run_futures(state, parameters=lived, n_futures=n_futures, seed=seed, settled_after=settled_after)
        if path is not None:
            _write(path, falls)
    mine = at_risk[falls.household]
    return TrueRisk(
        as_of=as_of,
        n_futures=n_futures,
        new_support=new_support,
        at_risk=at_risk,
        household=falls.household[mine],
        future=falls.future[mine],
    )


def content_key(state: CountyState, parameters: Parameters, question: dict[str, Any]) -> str:
    """Digest of everything a result depends on: the state, the parameters, the question, and the simulator's own sources."""
    digest = hashlib.sha256(_sources())
    digest.update(json.dumps([dataclasses.asdict(parameters), question], sort_keys=True).encode())
    for field in dataclasses.fields(state):
        part = getattr(state, field.name)
        arrays = part.items() if isinstance(part, Arrays) else [(field.name, np.asarray(part))]
        for name, array in arrays:
            digest.update(f"{field.name}.{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


@cache
def _sources() -> bytes:
    """Digest of this package's modules: another simulator has other futures."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes().replace(b"\r\n", b"\n"))
    return digest.digest()


def _read(path: Path) -> Falls | None:
    with np.load(path, allow_pickle=False) as file:
        return Falls(household=file["household"].astype(np.int64), future=file["future"].astype(np.int64))


def _write(path: Path, falls: Falls) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        np.savez_compressed(file, household=falls.household.astype(np.int32), future=falls.future.astype(np.int32))
    os.replace(temporary, path)  # noqa: PTH105 (the atomic one)


def states_at(
    days: Collection[dt.date],
    *,
    n_households: int = 5000,
    start: dt.date = dt.date(2019, 10, 1),
    seed: int = 0,
    parameters: Parameters | None = None,
) -> dict[dt.date, CountyState]:
    """The county that `simulate_county` makes of the same arguments, as it was at the end of some months.

    Nothing is put on file on the way: the states are the same but for the days of the last rows on file, and files cannot go on
    from them.

    Raises
    ------
    ConfigError
        A day is not the end of a month, or lies before `start`.

    Examples
    --------
    >>> states = states_at([dt.date(2020, 3, 31)], n_households=100, start=dt.date(2020, 1, 1), seed=3)
    >>> states[dt.date(2020, 3, 31)].month == month_number(dt.date(2020, 4, 1))
    True
    """
    if wrong := sorted(str(day) for day in days if day != month_end(day) or day < start):
        raise ConfigError(f"states are known at month ends from {start} on; not on {', '.join(wrong)}")
    parameters = parameters or default_parameters()
    state = initial_state(n_households=n_households, start=start, seed=seed, parameters=parameters)
    wanted = {month_number(day) + 1: day for day in days}
    kept: dict[dt.date, CountyState] = {}
    while len(kept) < len(wanted):
        advance(state, month_rng(seed, state.month), parameters)
        if state.month in wanted:
            kept[wanted[state.month]] = state.copy()
    return {day: kept[day] for day in sorted(kept)}


def fallen(
    truth: pd.DataFrame, *, as_of: dt.date, horizon_months: int = 12, settlement: Settlement = "quarter_end"
) -> pd.DataFrame:
    """What really became of the households at risk on a day.

    Parameters
    ----------
    truth
        `SimulatedCounty.truth`.

    Returns
    -------
    One row per household at risk: household_id, fell, fell_on (first settlement day below the line, or NaT).

    Raises
    ------
    ConfigError
        The truth does not reach from `as_of` to the last settlement day.
    """
    days = settlement_days(as_of, horizon_months=horizon_months, settlement=settlement)
    known = set(truth["month_end"].dt.date)
    if missing := [str(day) for day in (as_of, *days) if day not in known]:
        raise ConfigError(f"the truth does not cover {', '.join(missing)}: simulate more months")
    now = truth[truth["month_end"] == pd.Timestamp(as_of)]
    at_risk = now[~now["monitored"] & (now["n_members"] > 0) & (now["net_per_head_cny"] >= now["line_cny_year"])]
    later = truth[truth["month_end"].isin([pd.Timestamp(day) for day in days]) & (truth["n_members"] > 0)]
    below = later[later["net_per_head_cny"] < later["line_cny_year"]]
    first = below.groupby("household_id")["month_end"].min().rename("fell_on")
    out = at_risk[["household_id"]].merge(first, on="household_id", how="left", validate="one_to_one")
    return out.assign(fell=out["fell_on"].notna())[["household_id", "fell", "fell_on"]]
