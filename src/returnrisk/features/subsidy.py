"""Subsidies: what is granted now, and what was reduced or cancelled lately (an administrative decision, worded as such)."""

from __future__ import annotations

from functools import partial
from typing import Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import divide, in_last_months, latest_subsidies, months_since, zero_where_delivered

_f = partial(
    Feature,
    family="subsidy",
    record="subsidy",
    responsible="office",
    verify_zh="核对补贴发放记录：停发或减发的原因，是否有替代政策",
    verify_en="Check payment records: why it was cut or ended, and whether something replaces it",
)
FEATURES = (
    _f("dibao_granted", unit="flag", zh="正在享受低保", en="receives the minimum living allowance", monotone=0),
    _f("dibao_cancelled_12m", unit="flag", zh="近12个月低保被停发", en="minimum living allowance ended in 12 months", monotone=1),
    _f("n_cancelled_12m", unit="count", zh="近12个月停发的补贴项数", en="subsidies ended in 12 months", monotone=1),
    _f("n_reduced_12m", unit="count", zh="近12个月减发的补贴项数", en="subsidies reduced in 12 months", monotone=1),
    _f("n_programmes_granted", unit="count", zh="正在发放的补贴项数", en="subsidies being paid", monotone=0),
    _f("subsidy_month_line_ratio", unit="lines", zh="人均补贴（年化）", en="subsidies per head, yearly", monotone=0),
    _f("months_since_subsidy_change", unit="months", zh="距最近一次补贴变动的月数", en="months since the last change of a subsidy", monotone=0),
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features and `on_subsidy`."""
    s = latest_subsidies(context)
    current, ended = s.current, s.is_latest & (s.status == "cancelled")
    lately = in_last_months(context, s.period_start, 12)
    dibao = s.programme == "dibao"
    rows = s.group_by("household_id").agg(
        on_subsidy=s.recorded_on.max(),
        dibao_granted=(current & dibao).any().cast("int8"),
        dibao_cancelled_12m=(dibao & ended & lately).any().cast("int8"),
        n_cancelled_12m=s.count(where=ended & lately),
        n_reduced_12m=s.count(where=(s.status == "reduced") & lately),
        n_programmes_granted=s.count(where=current),
        amount_cny=s.amount_cny.sum(where=current),
        changed_on=s.period_start.max(),
    )
    counted = [f.name for f in FEATURES if f.unit in ("flag", "count")]
    t = zero_where_delivered(context, rows, table="subsidy", columns=[*counted, "amount_cny"])
    return t.mutate(
        subsidy_month_line_ratio=divide(t.amount_cny * 12, t.line_heads),
        months_since_subsidy_change=months_since(context.view.day, t.changed_on),
    ).select("household_id", "on_subsidy", *[f.name for f in FEATURES])


FAMILY = Family(name="subsidy", zh="补贴", en="subsidy", features=FEATURES, build=build)
