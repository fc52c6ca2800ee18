"""Monitoring history: whether, why and how long ago the household was under monitoring."""

from __future__ import annotations

from functools import partial
from typing import Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import months_since, zero_where_delivered

_f = partial(
    Feature,
    family="monitoring",
    record="monitoring",
    verify_zh="核对监测档案：原风险是否真正消除，有无新的风险",
    verify_en="Check the monitoring file: is the old risk truly gone, is there a new one",
)
FEATURES = (
    _f("n_times_monitored", unit="count", zh="曾被纳入监测的次数", en="times under monitoring", monotone=0),
    _f("months_since_elimination", unit="months", zh="距上次风险消除的月数", en="months since the risk was declared gone", monotone=0),
    _f("months_since_identification", unit="months", zh="距上次识别的月数", en="months since the last identification", monotone=0),
    _f("was_monitored_for_illness_or_disability", unit="flag", zh="曾因病或因残被监测", en="was monitored for illness or disability", monotone=0),
    _f("was_monitored_for_income", unit="flag", zh="曾因就业、产业或灾害被监测", en="was monitored for jobs, industry or disaster", monotone=0),
    _f("years_since_registration", unit="years", zh="建档年限", en="years since registration as poor", monotone=0, record="household"),
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features, `on_monitoring` and `on_household`."""
    import ibis

    m = context.view.table("monitoring")
    ended = m.eliminated_on <= ibis.literal(context.view.day)
    rows = m.group_by("household_id").agg(
        on_monitoring=m.recorded_on.max(),
        n_times_monitored=m.count(),
        eliminated_on=m.eliminated_on.max(where=ended),
        identified_on=m.identified_on.max(),
        was_monitored_for_illness_or_disability=m.risk_type.isin(("illness", "disability")).any().cast("int8"),
        was_monitored_for_income=m.risk_type.isin(("job_loss", "industry", "disaster")).any().cast("int8"),
    )
    t = zero_where_delivered(context, rows, table="monitoring", columns=[f.name for f in FEATURES if f.unit in ("flag", "count")])
    home = context.view.table("household").select("household_id", "registered_on", on_household="recorded_on")
    t = t.left_join(home, "household_id").drop("household_id_right")
    day = context.view.day
    return t.mutate(
        months_since_elimination=months_since(day, t.eliminated_on),
        months_since_identification=months_since(day, t.identified_on),
        years_since_registration=day.year - t.registered_on.year(),
    ).select("household_id", "on_monitoring", "on_household", *[f.name for f in FEATURES])


FAMILY = Family(name="monitoring", zh="监测史", en="monitoring history", features=FEATURES, build=build)
