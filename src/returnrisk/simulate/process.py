"""One month of the county: `step` changes the state and returns what the offices put on file because of it.

weather, markets → births, deaths, school → illness and bills → jobs → entitlements → measures → income → monitoring → records
"""

from __future__ import annotations

import numpy as np

from returnrisk.simulate.clerks import file_all
from returnrisk.simulate.credit import lend
from returnrisk.simulate.earnings import earn
from returnrisk.simulate.families import end_empty, rearrange
from returnrisk.simulate.filing import Note
from returnrisk.simulate.health import Settled, fall_ill, file_claims
from returnrisk.simulate.life import live
from returnrisk.simulate.losses import suffer
from returnrisk.simulate.month import Month, labour_capacity
from returnrisk.simulate.parameters import Parameters
from returnrisk.simulate.programmes import entitle
from returnrisk.simulate.projects import run_projects
from returnrisk.simulate.records import MonthRecords, Photograph, deliveries, file_ledger, month_truth, photograph
from returnrisk.simulate.state import SIGNS, CountyState, Floats, Item
from returnrisk.simulate.watch import MonitoringRows, SupportRows, help_out, identify, note_shocks
from returnrisk.simulate.weather import strike
from returnrisk.simulate.work import change_jobs

_NOT_COUNTABLE = [Item.DIBAO, Item.PENSION, Item.DISABILITY, Item.RELIEF]


def step(state: CountyState, rng: np.random.Generator, parameters: Parameters, *, deciding: bool = True) -> MonthRecords:
    """Let the county live through `state.month`.

    Parameters
    ----------
    state
        Changed in place; take `state.copy()` first to branch.
    rng
        All randomness of the month. The same state and generator give the same month.
    parameters
        See `parameters.toml`.
    deciding
        Whether offices decide on 低保, monitoring and measures; False only in the first year of the burn-in, when no year of
        income is known yet.

    Returns
    -------
    MonthRecords
        What was put on file, each row with the day it was recorded.

    Examples
    --------
    >>> import datetime as dt
    >>> from returnrisk.simulate import default_parameters, initial_state, month_rng
    >>> state = initial_state(n_households=200, start=dt.date(2020, 1, 1), seed=1)
    >>> records = step(state, month_rng(1, state.month), default_parameters())
    >>> records.ledger.items.shape[1], bool((records.truth.members > 0).sum() > 190)
    (17, True)
    """
    before = photograph(Month(state=state, rng=rng, parameters=parameters))
    month = rearrange(state, rng, parameters)
    settled, support, monitoring = _live_through(month, deciding=deciding)
    records = _on_file(month, before, settled, monitoring)
    records.support, records.monitoring = support, monitoring
    state.month += 1
    return records


def advance(state: CountyState, rng: np.random.Generator, parameters: Parameters, *, deciding: bool = True) -> Month:
    """`step` without anything put on file: the same month for the same generator, in two thirds of the time.

    Only the days of the last row on file (`..._recorded` of the state) stay behind, so files cannot go on from such a state.

    Examples
    --------
    >>> import datetime as dt
    >>> from returnrisk.simulate import default_parameters, initial_state, month_rng
    >>> state = initial_state(n_households=200, start=dt.date(2020, 1, 1), seed=1)
    >>> other = state.copy()
    >>> truth = step(state, month_rng(1, state.month), default_parameters()).truth
    >>> month = advance(other, month_rng(1, other.month), default_parameters())
    >>> bool((truth.net12 == month.net_year()).all())
    True
    """
    month = rearrange(state, rng, parameters)
    _live_through(month, deciding=deciding)
    state.month += 1
    return month


def _live_through(month: Month, *, deciding: bool) -> tuple[Settled, SupportRows | None, MonitoringRows | None]:
    """Everything that happens in the month, and what three offices note of it at once."""
    strike(month)
    suffer(month)
    end_empty(month, live(month))
    settled = fall_ill(month)
    month.known_capacity = labour_capacity(month)
    change_jobs(month)
    entitle(month, deciding=deciding)
    run_projects(month)
    support = help_out(month) if deciding else None
    lend(month)
    month.ledger = earn(month)
    _remember(month, month.ledger)
    note_shocks(month)
    monitoring = identify(month) if deciding else None
    return settled, support, monitoring


def _remember(month: Month, income: Floats) -> None:
    """Put the month into the twelve-month memories."""
    households, net = month.state.households, np.einsum("ij,j->i", income, SIGNS)  # `@` would start threads
    year = month.net_year()
    year += net - households.net12[:, month.calendar]
    month.known_per_head = None
    households.net12[:, month.calendar] = net
    households.countable12[:, month.calendar] = net - sum(income[:, item] for item in _NOT_COUNTABLE)


def _on_file(month: Month, before: Photograph, settled: Settled, monitoring: MonitoringRows | None) -> MonthRecords:
    month.rng = month.rng.spawn(1)[0]  # what clerks draw changes nothing that happens: `advance` lives the same month
    claims, after = file_claims(month, settled), photograph(month)
    never = month.chance(month.parameters.reporting.p_township_missing, len(month.state.identified))
    records = MonthRecords(
        month=month.state.month,
        roster=before.changed_roster(month, after),
        member=before.changed_members(month, after),
        household=before.changed_households(month, after),
        identity=before.changed_heads(month, after),
        subsidy=before.changed_subsidies(month, after),
        delivery=deliveries(month, never=never),
        ledger=file_ledger(month, month.ledger, never=never),
        truth=month_truth(month),
        claims=claims,
    )
    records.sheets = file_all(Note(month=month, before=before, after=after, claims=claims, monitoring=monitoring))
    return records
