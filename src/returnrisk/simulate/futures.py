"""The future re-run many times from one state: many counties side by side in one state, stepped together.

    state → tiled (k counties that share nothing) → advance, advance … → who is below the line on a settlement day → again

Counties are laid side by side because a month costs a fixed number of array operations, whatever their length. Each round has its
own random numbers, made of seed, month of the state and round: the answer does not depend on how many processes computed it.
"""

from __future__ import annotations

import dataclasses
import gc
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from returnrisk.simulate.parameters import Parameters
from returnrisk.simulate.process import advance
from returnrisk.simulate.state import Arrays, CountyState, Ints

HOUSEHOLDS_AT_ONCE = 100_000
"""Households stepped together: fewer pay too much for each step, more leave the cache."""

WORTH_A_PROCESS = 6_000_000
"""Household-months under which a second process would cost more time than it saves."""


CODES_AND_MONTHS = frozenset(
    {
        *("relation", "education", "work", "months_out", "carer_left", "ill_left", "disability"),
        *("housing", "rooms", "review_month", "shock_kind", "category", "risk_type", "channel", "support_left"),
    }
)
"""Small numbers, which a year of futures leaves small."""


@dataclass(frozen=True, slots=True)
class Falls:
    """Who fell in which future: one entry per household (index) and future in which it was below the line on a settlement day."""

    household: Ints
    future: Ints


def tiled(state: CountyState, copies: int) -> CountyState:
    """`copies` counties side by side that start alike and share nothing, without the persons who are gone.

    Household i of copy c is household `c * state.n_households + i`.

    Examples
    --------
    >>> import datetime as dt
    >>> from returnrisk.simulate import initial_state
    >>> state = initial_state(n_households=100, start=dt.date(2020, 1, 1), seed=3)
    >>> twice = tiled(state, 2)
    >>> twice.n_households, twice.n_counties, len(twice.identified) == 2 * len(state.identified)
    (200, 2, True)
    """
    present = np.flatnonzero(state.persons.present)
    sizes = {
        "county": state.n_counties,
        "township": len(state.identified),
        "village": len(state.villages.code),
        "household": state.n_households,
    }

    def repeated(name: str, array: Any, *, small: bool) -> Any:
        if name in sizes:  # an index: every copy points into itself
            shift = np.repeat(np.arange(copies) * sizes[name], len(array))
            return np.tile(array, copies) + shift
        if small and array.dtype == np.int64:  # fewer bytes to look at
            array = array.astype(np.int8 if name in CODES_AND_MONTHS and np.abs(array).max(initial=0) <= 100 else np.int32)
        if array.ndim == 1:
            return np.tile(array, copies)
        together = np.tile(array, (copies, 1))
        return np.asfortranarray(together) if array.dtype == np.float64 else together  # columns in one piece

    parts: dict[str, Any] = {}
    for field in dataclasses.fields(state):
        part = getattr(state, field.name)
        if isinstance(part, Arrays):
            rows = present if field.name == "persons" else slice(None)
            small = field.name != "villages"  # whose codes need more, and which are few
            columns = {name: repeated(name, array[rows], small=small) for name, array in part.items()}
            parts[field.name] = type(part)(**columns)
        elif isinstance(part, np.ndarray):
            parts[field.name] = np.tile(part, (copies, 1)) if part.ndim > 1 else np.tile(part, copies)
        else:
            parts[field.name] = part
    return CountyState(**parts)


def run_futures(
    state: CountyState,
    *,
    parameters: Parameters,
    n_futures: int,
    seed: int,
    settled_after: tuple[int, ...],
    processes: int = 2,
) -> Falls:
    """Live `n_futures` futures of a county and note who is below the line when it is settled.

    Parameters
    ----------
    state
        One county at the end of a month; unchanged.
    settled_after
        Months from the state's day after which income is settled, ascending; the futures end with the last one.
    processes
        Processes to share the work, if there is enough; the answer is the same for any number.

    Returns
    -------
    Falls
        Entries sorted by future, then household; each pair at most once.
    """
    copies = max(1, HOUSEHOLDS_AT_ONCE // state.n_households)
    rounds = range(-(-n_futures // copies))
    work = _Work(state=state, parameters=parameters, seed=seed, settled_after=settled_after, copies=copies, n_futures=n_futures)
    little = n_futures * state.n_households * settled_after[-1] < WORTH_A_PROCESS
    if processes == 1 or len(rounds) == 1 or little:
        found = [work.run(number) for number in rounds]
    else:
        context = multiprocessing.get_context("spawn")  # the caller may hold threads, which a forked process would inherit half
        with ProcessPoolExecutor(processes, mp_context=context, initializer=_take, initargs=(work,)) as pool:
            found = list(pool.map(_run, rounds))
    fell = np.concatenate(found)
    future, household = np.divmod(fell, state.n_households)
    return Falls(household=household, future=future)


@dataclass(slots=True)
class _Work:
    """What every round needs; `run` gives `future * n_households + household` of everybody who fell in it, ascending."""

    state: CountyState
    parameters: Parameters
    seed: int
    settled_after: tuple[int, ...]
    copies: int
    n_futures: int
    start: CountyState | None = None

    def run(self, number: int) -> Ints:
        first = number * self.copies
        copies = min(self.copies, self.n_futures - first)
        if self.start is None or self.start.n_counties != copies * self.state.n_counties:
            self.start = tiled(self.state, copies)
        state = self.start.copy(room=self.start.n_households // 20)
        rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence([self.seed, state.month, number])))
        n = state.n_households  # those founded later come after them
        fell = np.zeros(n, dtype=bool)
        for after in range(1, self.settled_after[-1] + 1):
            month = advance(state, rng, self.parameters)
            if after in self.settled_after:
                fell |= (month.net_year() < month.line * month.members())[:n]  # never one that has ended
        return np.flatnonzero(fell) + first * self.state.n_households


_work: _Work | None = None


def _take(work: _Work) -> None:
    """Keep the work in a new process, so that the state travels once."""
    global _work  # noqa: PLW0603 (a worker process's own)
    _work = work
    gc.freeze()  # what was imported is never looked through again


def _run(number: int) -> Ints:
    if _work is None:  # pragma: no cover
        raise RuntimeError("a worker was started without its work")
    return _work.run(number)
