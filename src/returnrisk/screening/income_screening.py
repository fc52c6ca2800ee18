"""The income-decline screening (减收排查) of a day: changes, totals, causes and measures, computed once."""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from returnrisk.errors import UnknownNameError
from returnrisk.policy import Policy
from returnrisk.screening.change_causes import change_causes
from returnrisk.screening.comparison_months import Comparison, compared_classes, comparison_on, month_states
from returnrisk.screening.income_change import compared_items, income_changes, income_totals, screened_households
from returnrisk.screening.measures import suggested_measures
from returnrisk.screening.projection import Projection, seasonal_projection
from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd
    import pyarrow as pa

Part = Literal["totals", "changes", "causes", "measures"]
PARTS: tuple[Part, ...] = get_args(Part)
_ORDER = {
    "totals": ("household_id",),
    "changes": ("household_id", "source"),
    "causes": ("household_id", "number"),
    "measures": ("household_id", "number", "measure"),
}


@dataclass(frozen=True, slots=True)
class IncomeScreening:
    """What 减收排查 found, as known on `day`.

    Attributes
    ----------
    day, comparison
        The day, and the two years that are compared.
    totals, changes, causes, measures
        Arrow tables, sorted: one row per household; household and source; household and cause; household, cause and measure. Their
        columns: `income_totals`, `income_changes`, `change_causes`, `suggested_measures`.
    """

    day: dt.date
    comparison: Comparison
    totals: pa.Table
    changes: pa.Table
    causes: pa.Table
    measures: pa.Table

    def frame(self, part: Part = "totals") -> pd.DataFrame:
        """One of the four tables; money as Decimal.

        Raises
        ------
        UnknownNameError
            There is no such part.
        """
        if part not in PARTS:
            raise UnknownNameError("part of the income screening", part, PARTS)
        table: pa.Table = getattr(self, part)
        frame: pd.DataFrame = table.to_pandas()
        return frame


def screen_income(
    view: View, *, policy: Policy, projection: Projection = seasonal_projection, without: ir.Table | None = None
) -> IncomeScreening:
    """Screen every household of the policy's groups for a fall in income.

    Parameters
    ----------
    view
        What was known on a day; nothing else is read.
    policy
        The county's pack: groups, window, tolerance, target, and the numbers of the rules.
    projection
        What the open months of this year will bring.
    without
        Households (household_id) to go on without: those that `bad_input.set_aside` names.

    Raises
    ------
    PolicyDateError
        A parameter has no value on the view's day.
    """
    comparison = comparison_on(view, policy=policy)
    with contextlib.ExitStack() as kept:

        def hold(name: str, table: ir.Table) -> ir.Table:
            return kept.enter_context(view.kept(f"income_change_{name}", lambda: table))

        screened = screened_households(view, policy=policy)
        screened = screened if without is None else screened.anti_join(without, "household_id")
        homes = hold("households", compared_classes(view, screened, comparison))
        states = hold("months", month_states(view, homes, comparison))
        items = hold("items", compared_items(view, homes, states, comparison))
        found = {"policy": policy, "households": homes, "items": items, "hold": hold}
        changes = hold("changes", income_changes(view, states=states, projection=projection, **found))
        causes = hold("causes", change_causes(view, changes, comparison=comparison, **found))
        parts = {
            "totals": income_totals(view, changes, policy=policy, households=homes, comparison=comparison),
            "changes": changes,
            "causes": causes,
            "measures": suggested_measures(view, causes, households=homes),
        }
        tables = {name: _sorted(part, _ORDER[name]) for name, part in parts.items()}
    return IncomeScreening(day=view.day, comparison=comparison, **tables)


def _sorted(table: ir.Table, keys: tuple[str, ...]) -> pa.Table:
    return table.order_by(*keys).to_pyarrow()
