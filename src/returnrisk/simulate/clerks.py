"""Which clerk keeps which of the further tables; each has random numbers of its own, so that what one writes changes no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from returnrisk.simulate import (
    burdens,
    certificates,
    doorstep,
    hazards,
    loans,
    means,
    policies,
    prices,
    project_links,
    schools,
    spells,
    voices,
)
from returnrisk.simulate.coding import Naming
from returnrisk.simulate.filing import Decoder, Note, Sheet, frame
from returnrisk.simulate.month import Month


@dataclass(frozen=True, slots=True)
class Clerk:
    """Columns of a table, what is filed every month, and what is on file on the first day."""

    columns: Mapping[str, Decoder]
    monthly: Callable[[Note], Sheet] | None
    opening: Callable[[Month], Sheet] | None = None


CLERKS = {
    "hazard": Clerk(hazards.HAZARD, hazards.file_hazards),
    "price": Clerk(prices.PRICE, prices.file_prices),
    "industry_project": Clerk(project_links.INDUSTRY_PROJECT, project_links.file_links, project_links.open_links),
    "expense": Clerk(burdens.EXPENSE, burdens.file_expenses),
    "disability": Clerk(certificates.DISABILITY, certificates.file_certificates, certificates.open_certificates),
    "disaster": Clerk(hazards.DISASTER, hazards.file_disasters),
    "employment": Clerk(spells.EMPLOYMENT, spells.file_spells, spells.open_spells),
    "schooling": Clerk(schools.SCHOOLING, schools.file_schools, schools.open_schools),
    "loan": Clerk(loans.LOAN, loans.file_loans, loans.open_loans),
    "insurance": Clerk(policies.INSURANCE, policies.file_policies, policies.open_policies),
    "signal": Clerk(voices.SIGNAL, voices.file_signals),
    "visit": Clerk(doorstep.VISIT, doorstep.file_visits),
    "visitor": Clerk(doorstep.VISITOR, doorstep.file_visitors, doorstep.open_visitors),
    "asset": Clerk(means.ASSET, None),  # written with the authorisations it rests on
    "authorisation": Clerk(means.AUTHORISATION, means.file_authorisations),
    "objection": Clerk(voices.OBJECTION, voices.file_objections),
}
FURTHER_TABLES = tuple(CLERKS)


def file_all(note: Note) -> dict[str, Sheet]:
    """The month's rows of every further table."""
    month, sheets = note.month, {}
    streams = dict(zip(FURTHER_TABLES, month.rng.spawn(len(FURTHER_TABLES)), strict=True))
    for table, clerk in CLERKS.items():
        if clerk.monthly is not None:
            month.rng = streams[table]
            sheets[table] = clerk.monthly(note)
    month.rng = streams["asset"]
    sheets["asset"] = means.file_assets(note, sheets["authorisation"])
    return sheets


def open_all(start: Month) -> dict[str, Sheet]:
    """What every further table has on file on the first day; notes in the state what was written."""
    sheets = {}
    streams = dict(zip(FURTHER_TABLES, start.rng.spawn(len(FURTHER_TABLES)), strict=True))
    for table, clerk in CLERKS.items():
        if clerk.opening is not None:
            start.rng = streams[table]
            sheets[table] = clerk.opening(start)
    return sheets


def further_frames(naming: Naming, opening: Mapping[str, Sheet], monthly: Sequence[Mapping[str, Sheet]]) -> dict[str, pd.DataFrame]:
    """Every further table in canonical columns, rows in the order in which they were recorded."""
    frames = {}
    for table, clerk in CLERKS.items():
        sheets = [*([opening[table]] if table in opening else []), *(sheets[table] for sheets in monthly)]
        whole = frame(naming, clerk.columns, sheets)
        frames[table] = whole.iloc[np.argsort(whole["recorded_on"].to_numpy(), kind="stable")].reset_index(drop=True)
    return frames
