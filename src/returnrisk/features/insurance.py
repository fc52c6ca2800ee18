"""Insurance: cover in force by kind, cover that lapsed, and what was paid out."""

from __future__ import annotations

from functools import partial
from typing import Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import divide, in_last_months, months_since, zero_where_delivered

_f = partial(
    Feature,
    family="insurance",
    record="insurance",
    verify_zh="核对参保和理赔：保单是否有效，符合条件的是否已报案理赔",
    verify_en="Check policies and claims: is the cover valid, and has what can be claimed been claimed",
)
FEATURES = (
    _f("poverty_guard_cover", unit="flag", zh="防贫保有效", en="poverty-guard insurance in force", monotone=0, responsible="office"),
    _f("farm_cover", unit="flag", zh="种养业保险有效", en="crop or livestock insurance in force", monotone=0),
    _f("accident_cover", unit="flag", zh="意外险有效", en="accident insurance in force", monotone=0),
    _f("house_cover", unit="flag", zh="住房保险有效", en="house insurance in force", monotone=0),
    _f("n_covers_lapsed_12m", unit="count", zh="近12个月到期未续保的险种数", en="kinds of insurance lapsed in 12 months", monotone=0),
    _f("insurance_paid_12m_line_ratio", unit="lines", zh="近12个月人均保险理赔款", en="insurance payments of 12 months per head", monotone=0),
    _f("months_since_payout", unit="months", zh="距上次理赔的月数", en="months since insurance last paid", monotone=0),
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features and `on_insurance`."""
    import ibis

    day = ibis.literal(context.view.day)
    policies = context.view.table("insurance")
    p = policies.filter(policies.valid_from <= day)
    valid, paid = p.valid_until >= day, (p.paid_on <= day) & (p.paid_out_cny > 0)
    kinds = p.group_by("household_id", "kind").agg(
        recorded_on=p.recorded_on.max(),
        in_force=valid.any(),
        lapsed=(~valid & in_last_months(context, p.valid_until, 12)).any(),
        paid_cny=p.paid_out_cny.sum(where=paid & in_last_months(context, p.paid_on, 12)),
        paid_on=p.paid_on.max(where=paid),
    )

    def covered(*names: str) -> Any:
        return (kinds.in_force & kinds.kind.isin(names)).any().cast("int8")

    rows = kinds.group_by("household_id").agg(
        on_insurance=kinds.recorded_on.max(),
        poverty_guard_cover=covered("poverty_guard"),
        farm_cover=covered("crop", "livestock"),
        accident_cover=covered("accident"),
        house_cover=covered("house"),
        n_covers_lapsed_12m=kinds.count(where=kinds.lapsed & ~kinds.in_force),
        paid_cny=kinds.paid_cny.sum(),
        last_paid_on=kinds.paid_on.max(),
    )
    counted = ("poverty_guard_cover", "farm_cover", "accident_cover", "house_cover", "n_covers_lapsed_12m", "paid_cny")
    t = zero_where_delivered(context, rows, table="insurance", columns=counted)
    return t.mutate(
        insurance_paid_12m_line_ratio=divide(t.paid_cny, t.line_heads),
        months_since_payout=months_since(context.view.day, t.last_paid_on),
    ).select("household_id", "on_insurance", *[f.name for f in FEATURES])


FAMILY = Family(name="insurance", zh="保险", en="insurance", features=FEATURES, build=build, tables=("insurance",))
