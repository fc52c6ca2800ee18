"""Support: measures in force, promised but not delivered, and how long ago. Help hides risk: no direction is imposed."""

from __future__ import annotations

from functools import partial
from typing import Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import in_last_months, months_since, zero_where_delivered

_f = partial(
    Feature,
    family="support",
    record="support",
    responsible="office",
    verify_zh="核对帮扶措施是否真正落实、是否到期",
    verify_en="Check whether measures were delivered, and whether they have run out",
)
FEATURES = (
    _f("n_support_active", unit="count", zh="正在落实的帮扶措施数", en="support measures in force", monotone=0),
    _f("n_support_started_12m", unit="count", zh="近12个月新增帮扶措施数", en="support measures started in 12 months", monotone=0),
    _f("n_support_undelivered", unit="count", zh="已定未落实的帮扶措施数", en="measures decided but not delivered", monotone=1),
    _f("n_support_ended_12m", unit="count", zh="近12个月到期的帮扶措施数", en="measures ended in 12 months", monotone=1),
    _f("has_public_post", unit="flag", zh="有公益性岗位安置", en="holds a public post as support", monotone=0),
    _f("has_industry_support", unit="flag", zh="有产业帮扶", en="has industry support", monotone=0),
    _f("months_since_support", unit="months", zh="距最近一次帮扶措施开始的月数", en="months since the last measure began", monotone=0),
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features and `on_support`."""
    import ibis

    day = ibis.literal(context.view.day)
    s = context.view.table("support")
    s = s.filter(s.started_on <= day)
    ended = (s.ended_on < day).fill_null(False)
    active = s.delivered & ~ended
    rows = s.group_by("household_id").agg(
        on_support=s.recorded_on.max(),
        n_support_active=s.count(where=active),
        n_support_started_12m=s.count(where=in_last_months(context, s.started_on, 12)),
        n_support_undelivered=s.count(where=~s.delivered & ~ended),
        n_support_ended_12m=s.count(where=ended & in_last_months(context, s.ended_on, 12)),
        has_public_post=(active & (s.measure == "public_post")).any().cast("int8"),
        has_industry_support=(active & (s.measure == "industry")).any().cast("int8"),
        last_started_on=s.started_on.max(),
    )
    t = zero_where_delivered(context, rows, table="support", columns=[f.name for f in FEATURES if f.unit in ("flag", "count")])
    return t.mutate(months_since_support=months_since(context.view.day, t.last_started_on)).select(
        "household_id", "on_support", *[f.name for f in FEATURES]
    )


FAMILY = Family(name="support", zh="帮扶", en="support", features=FEATURES, build=build)
