"""Area: how the neighbours did, without the household itself and only before its own latest window; and the village's flags."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import divide, log_ratio, where
from returnrisk.timeline import add_months

if TYPE_CHECKING:
    import ibis.expr.types as ir

UNITS = 1_000_000_000
"""Billionths in one: places are added up in whole ones."""
MINIMUM_NEIGHBOURS = 5
"""Fewer neighbours than this give no figure: it would say more about one of them than about the place."""

_f = partial(
    Feature,
    family="area",
    record="neighbours",
    responsible="area",
    verify_zh="了解本村普遍情况：务工、产业、灾害",
    verify_en="Ask about the village: jobs, industries, disasters",
)
FEATURES = (
    _f("village_below_share", unit="share", zh="3个月前本村其他户低于监测线的比重", en="share of other households in the village below the line three months before", monotone=0),
    _f("village_mean_log_ratio", unit="log_ratio", zh="3个月前本村其他户平均收入水平", en="mean income of others in the village three months before", monotone=0),
    _f("village_below_share_2y", unit="share", zh="前两年本村其他户低于监测线的平均比重", en="mean share of other households in the village below the line in the two years before", monotone=0),
    _f("village_mean_log_ratio_2y", unit="log_ratio", zh="前两年本村其他户平均收入水平", en="mean income of others in the village over the two years before", monotone=0),
    _f("village_income_change", unit="log_change", zh="本村其他户收入较上年的变化（3个月前）", en="change of others' income in the village on a year before (three months ago)", monotone=0),
    _f("village_year_before_log_ratio", unit="log_ratio", zh="上年本村其他户平均收入水平", en="mean income of others in the village a year before", monotone=0),
    _f("township_below_share", unit="share", zh="3个月前本乡镇其他户低于监测线的比重", en="share of other households in the township below the line three months before", monotone=0),
    _f("poverty_village", unit="flag", zh="脱贫村", en="village that left poverty", monotone=0, record="village"),
    _f("key_village", unit="flag", zh="重点村", en="key village", monotone=0, record="village"),
    _f("resettlement_site", unit="flag", zh="易地搬迁安置村", en="resettlement site", monotone=0, record="village"),
    _f("remote_village", unit="flag", zh="偏远高寒村", en="remote or high village", monotone=0, record="village"),
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features, `on_village` and `on_neighbours`."""
    import ibis

    p = context.path
    p = p.mutate(log_ratio=log_ratio(divide(p.net_head_cny_year, p.line_cny_year)), township_code=p.village_code // 1000)
    p = p.mutate(log_units=_units(p.log_ratio), below_units=_units(p.below.cast("float64")))
    own = p.group_by("household_id").agg(
        **{f"log_{lag}": p.log_units.max(where=p.lag_months == lag) for lag in (3, 12, 15)},
        below_3=p.below_units.max(where=p.lag_months == 3),
        below_2y=p.below_units.mean(where=p.lag_months > 0).round().cast("int64"),
        log_2y=p.log_units.mean(where=(p.lag_months > 0) & p.settled).round().cast("int64"),
        lived_in=p.village_code.max(),
    )
    own = own.mutate(change=own.log_3 - own.log_15)
    own = own.mutate(lived_township=own.lived_in // 1000)
    t = context.homes.left_join(own, "household_id").drop("household_id_right")
    for value, place, name in (
        ("below_3", "village_code", "village_below_share"),
        ("log_3", "village_code", "village_mean_log_ratio"),
        ("below_2y", "village_code", "village_below_share_2y"),
        ("log_2y", "village_code", "village_mean_log_ratio_2y"),
        ("change", "village_code", "village_income_change"),
        ("log_12", "village_code", "village_year_before_log_ratio"),
        ("below_3", "township_code", "township_below_share"),
    ):
        t = _others_mean(t, own, value=value, place=place, name=name)
    village = context.view.table("village")
    flags = village.select(
        "village_code",
        on_village="recorded_on",
        poverty_village=village.poverty_village.cast("int8"),
        key_village=village.key_village.cast("int8"),
        resettlement_site=village.resettlement_site.cast("int8"),
        remote_village=village.remote.cast("int8"),
    )
    t = t.left_join(flags, "village_code")
    # the date a statement about neighbours rests on is the last day of the window it looks at
    t = t.mutate(on_neighbours=ibis.literal(add_months(context.ending_on, -3)))
    return t.select("household_id", "on_village", "on_neighbours", *[f.name for f in FEATURES])


def _units(value: Any) -> Any:
    """Whole billionths: they are added up over a place, and a sum of doubles depends on the order in which the engine adds."""
    return (value * UNITS).round().cast("int64")


def _others_mean(t: ir.Table, own: ir.Table, *, value: str, place: str, name: str) -> ir.Table:
    """Add the mean of `value` (in units) over the other households of the same place; NULL with fewer than `MINIMUM_NEIGHBOURS`."""
    lived = {"village_code": "lived_in", "township_code": "lived_township"}[place]
    sums = own.group_by(**{place: own[lived]}).agg(place_sum=own[value].sum(), place_n=own[value].count())
    joined = t.left_join(sums, place).drop(f"{place}_right")
    mine = (joined[value].notnull() & (joined[lived] == joined[place])).fill_null(False)
    others = joined.place_n - mine.cast("int64")
    total = joined.place_sum - where(mine, joined[value]).fill_null(0)
    mean = where(others >= MINIMUM_NEIGHBOURS, total.cast("float64") / others.nullif(0) / UNITS)
    return joined.mutate(**{name: mean}).drop("place_sum", "place_n")


FAMILY = Family(name="area", zh="所在地", en="area", features=FEATURES, build=build)
