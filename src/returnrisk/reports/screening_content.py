"""What the screening's workbooks are made from, and the parts of it that may go to a township."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.policy import Policy
from returnrisk.reports.screening_sheets import one_line
from returnrisk.reports.texts import Text, text
from returnrisk.screening import Screening

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.screening.rollup import RollUp


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """A screening, its roll-up, and the pack: what every sheet is made from; `neutral` are the rules without a title of their own."""

    rollup: RollUp
    screening: Screening
    policy: Policy
    neutral: frozenset[str]

    def number(self, name: str) -> float:
        """A parameter of the pack on the day."""
        return float(self.policy.number(name, self.screening.day))

    def steps(self) -> tuple[str, ...]:
        """The county's steps of identification, in order."""
        return self.policy.listed("identification_steps", self.screening.day)

    def facts(self) -> Text:
        """Day, years, ledger and pack, for the line under a title."""
        years = self.screening.income.comparison
        return text(
            "screening.facts",
            day=self.screening.day,
            last_start=years.last_start,
            last_end=years.last_end,
            this_start=years.this_start,
            this_end=years.this_end,
            closed_on=years.closed_on,
            pack=self.screening.pack,
        )


def of_area(frame: pd.DataFrame, area: int) -> pd.DataFrame:
    """Rows of one area."""
    return frame.loc[frame["area_code"] == area]


def named(frame: pd.DataFrame) -> dict[int, str]:
    """Area codes to names on one line."""
    return {int(code): one_line(name) or str(code) for code, name in zip(frame["area_code"], frame["area_zh"], strict=True)}


def records(frame: pd.DataFrame) -> list[Mapping[Any, Any]]:
    """Rows as dictionaries."""
    return list(frame.to_dict("records"))
