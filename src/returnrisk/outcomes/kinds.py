"""The kinds of outcome, side by side: who is at risk, what the event is, and how the labels are made. Never merged into one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from returnrisk.config import OutcomeKind, OutcomeSpec
from returnrisk.outcomes import fall, guarantees, hardship, identified
from returnrisk.outcomes.labels import Labels
from returnrisk.store.view import View

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Outcome:
    """One kind.

    Attributes
    ----------
    cohort
        Who is at risk, as the model card says it.
    at_risk
        Snapshot rows, the view of the day and the specification to a mask of the rows at risk.
    label
        `fall_labels`, or a function with its arguments.
    tables
        Tables whose reporting delay must be over before a label is closed.
    """

    kind: OutcomeKind
    zh: str
    en: str
    cohort: str
    at_risk: Callable[..., pd.Series]
    label: Callable[..., Labels]
    tables: Callable[[OutcomeSpec], tuple[str, ...]]


def _above(table: pd.DataFrame, *, view: View, spec: OutcomeSpec) -> pd.Series:
    del view, spec
    return table["stratum"] == "at_risk"


def _above_and_seen(table: pd.DataFrame, *, view: View, spec: OutcomeSpec) -> pd.Series:
    del view, spec
    return (table["stratum"] == "at_risk") & table["seen_below"].astype(bool)


def _above_and_never_seen(table: pd.DataFrame, *, view: View, spec: OutcomeSpec) -> pd.Series:
    del view, spec
    return (table["stratum"] == "at_risk") & ~table["seen_below"].astype(bool)


def _below(table: pd.DataFrame, *, view: View, spec: OutcomeSpec) -> pd.Series:
    del view, spec
    return table["stratum"] == "below_line"


def _unmonitored(table: pd.DataFrame, *, view: View, spec: OutcomeSpec) -> pd.Series:
    del view, spec
    return table["stratum"] != "monitored"


def _income(spec: OutcomeSpec) -> tuple[str, ...]:
    del spec
    return ("income",)


def _monitoring(spec: OutcomeSpec) -> tuple[str, ...]:
    del spec
    return ("monitoring",)


def _nothing(spec: OutcomeSpec) -> tuple[str, ...]:
    """States on file are dated by their record: nothing more comes in."""
    del spec
    return ()


_ABOVE = "households with a member on the day, register net income per head at or above the line, not under monitoring"
OUTCOMES: Mapping[OutcomeKind, Outcome] = {
    o.kind: o
    for o in (
        Outcome("fall", "返贫致贫", "falling below the line", _ABOVE, _above, fall.fall_labels, _income),
        Outcome(
            "entry", "致贫", "falling below the line for the first time",
            f"{_ABOVE}; never registered, monitored or seen below the line before", _above_and_never_seen, fall.fall_labels, _income,
        ),
        Outcome(
            "relapse", "返贫", "falling below the line again",
            f"{_ABOVE}; registered, monitored or seen below the line before", _above_and_seen, fall.fall_labels, _income,
        ),
        Outcome(
            "persistence", "持续低于监测线", "staying below the line",
            "households with a member on the day, register net income per head below the line, not under monitoring",
            _below, fall.fall_labels, _income,
        ),
        Outcome(
            "hardship", "支出型困难、收入骤减或支出骤增", "hardship: income after rigid expenditure, collapse, or surge",
            "households with a member on the day, not under monitoring, whatever their income, of which the hardship can be computed and is not there yet",
            hardship.hardship_at_risk, hardship.hardship_labels, hardship.closing_tables,
        ),
        Outcome(
            "guarantee_gap", "保障缺项", "a guarantee found missing",
            "households with a member on the day, not under monitoring, every watched guarantee on file and held",
            guarantees.guarantee_at_risk, guarantees.guarantee_labels, _nothing,
        ),
        Outcome(
            "identified", "被识别为监测对象", "put under monitoring by the offices",
            "households with a member on the day, not under monitoring, whatever their income",
            _unmonitored, identified.identified_labels, _monitoring,
        ),
    )
}  # fmt: skip


def is_about_the_line(spec: OutcomeSpec) -> bool:
    """Whether the event is being below the line: only then do the catalogue's directions hold, and poorer means riskier."""
    return spec.kind in ("fall", "entry", "relapse", "persistence") or (
        spec.kind == "hardship" and spec.hardship.event == "net_of_rigid"
    )


def at_risk_rows(table: pd.DataFrame, *, view: View, spec: OutcomeSpec) -> pd.DataFrame:
    """Snapshot rows of the households at risk of the specification's outcome on the view's day."""
    return table[OUTCOMES[spec.kind].at_risk(table, view=view, spec=spec)]


def outcome_labels(at_risk: pd.DataFrame, *, as_of: dt.date, known: View, spec: OutcomeSpec) -> Labels:
    """What became of the households at risk on `as_of`, as known to the view `known`.

    Parameters
    ----------
    at_risk
        Column household_id; one row per household at risk on `as_of`.
    known
        The view whose day says how much of the future has closed: nothing learnt after it enters.
    """
    return OUTCOMES[spec.kind].label(at_risk, as_of=as_of, known=known, spec=spec)


def closing_delay(view: View, *, spec: OutcomeSpec) -> int:
    """Days after the horizon until every table the outcome rests on has been reported."""
    return max((view.store.delay_days(name) for name in OUTCOMES[spec.kind].tables(spec)), default=0)
