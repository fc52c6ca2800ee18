"""What the open months of this year will bring: a plain rule, behind a seam that forecasting may take its place in.

Rule of `seasonal_projection`, for gross income and cost apart. Income of a kind in the open months = last year's amount of the same months
× the same-period ratio (this year's over last year's, on months on file), at most `projection_ratio_most`. The ratio is used only where the
same months held at least `projection_least_share` of last year's amount; else last year's months are taken as they were. A wage or a
monthly transfer that last year's same months did not have goes on at its mean of the months on file; any other new income adds what is
on file and nothing more. Kinds: every item of operating and transfer income; wages and property each as a whole, because one job, or one
rent, takes another's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from returnrisk.policy import Policy
from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir

MONTHLY_TRANSFERS = (
    "dibao", "pension", "survivor_allowance", "preferential_allowance", "disability_subsidy", "remittance", "unemployment_benefit",
)  # fmt: skip
BY_ITEM = ("operating", "transfer")


class Projection(Protocol):
    """`Projection = Callable[[View, ...], ir.Table]`: what a household's sources bring in the open months of this year."""

    def __call__(self, view: View, *, items: ir.Table, policy: Policy) -> ir.Table:
        """Project.

        Parameters
        ----------
        view
            What was known on the day; nothing else may be read.
        items
            `compared_items` of the view: one row per household, source and item.
        policy
            The county's pack.

        Returns
        -------
        Ibis table, one row per household and source of `items`: household_id, source, open_cny (net CNY of the open months, decimal;
        0 where none is open; NULL: cannot be said, and the verdict is then unknown).
        """


def seasonal_projection(view: View, *, items: ir.Table, policy: Policy) -> ir.Table:
    """Last year's open months times the same-period ratio (see the file's head); the form is that of `Projection`."""
    kind = items.source.isin(BY_ITEM).ifelse(items.item, items.source)
    monthly = (items.source == "wage") | items.item.isin(MONTHLY_TRANSFERS)
    keys = items.mutate(kind=kind, is_monthly=monthly)
    names = [f"{part}_{side}_cny" for part in ("last", "same_last", "same_this") for side in ("gross", "cost")]
    t = keys.group_by("household_id", "source", "kind", "is_monthly").agg(
        months_last=keys.months_last.max(),
        months_same=keys.months_same.max(),
        **{name: keys[name].sum().cast("decimal(18,2)") for name in names},
    )
    open_net = _open_amount(view, t, "gross", policy) - _open_amount(view, t, "cost", policy)
    t = t.mutate(open_cny=open_net)
    return t.group_by("household_id", "source").agg(open_cny=t.open_cny.sum().cast("decimal(18,2)"))


def _open_amount(view: View, t: ir.Table, side: str, policy: Policy) -> Any:
    """Gross income or cost of the open months, CNY."""
    import ibis

    most, least = (float(policy.number(name, view.day)) for name in ("projection_ratio_most", "projection_least_share"))
    whole, same_last, same_this = (t[f"{part}_{side}_cny"].cast("float64") for part in ("last", "same_last", "same_this"))
    left = whole - same_last
    ratio = ibis.least(same_this / same_last.nullif(0), ibis.literal(most))
    goes_on = same_this / t.months_same.nullif(0).cast("float64") * (t.months_last - t.months_same).cast("float64")
    known = (same_last > 0) & (same_last >= least * whole)
    is_new = t.is_monthly & (same_last == 0) & (same_this > 0)
    amount = ibis.cases((known, left * ratio), (is_new, goes_on), else_=left)
    return amount.round(2).cast("decimal(18,2)")
