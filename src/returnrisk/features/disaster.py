"""Disaster: the household's own losses after insurance, and hazards reported for its village, township or county."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import divide, in_last_months, months_since, zero_where_delivered

if TYPE_CHECKING:
    import ibis.expr.types as ir

SEVERITY_GRADES = {"light": 1, "moderate": 2, "severe": 3}
_f = partial(
    Feature,
    family="disaster",
    record="disaster",
    responsible="market_or_nature",
    verify_zh="查看受灾损失和恢复情况：保险是否理赔，救灾款是否到位",
    verify_en="Look at the damage and the recovery: has insurance paid, has relief arrived",
)
_area = partial(
    _f,
    record="hazard",
    verify_zh="了解灾害对本户种养、住房和务工的影响",
    verify_en="Ask what the hazard did to this household's crops, animals, house and work",
)
FEATURES = (
    _f("disaster_loss_12m_line_ratio", unit="lines", zh="近12个月人均未获理赔的灾害损失", en="disaster losses of 12 months not covered by insurance, per head", monotone=1),
    _f("disaster_uninsured_share_12m", unit="share", zh="近12个月灾害损失未获理赔比例", en="share of disaster losses of 12 months not covered by insurance", monotone=0),
    _f("n_disasters_24m", unit="count", zh="近24个月本户受灾次数", en="disasters that hit the household in 24 months", monotone=1),
    _f("house_damaged_24m", unit="flag", zh="近24个月住房因灾受损", en="house damaged by a disaster in 24 months", monotone=1),
    _f("months_since_disaster", unit="months", zh="距上次受灾的月数", en="months since the household was last hit", monotone=0),
    _area("n_area_hazards_12m", unit="count", zh="近12个月所在地发生的灾害种数", en="kinds of hazards in the area in 12 months", monotone=0),
    _area("worst_area_hazard_12m", unit="grade", zh="近12个月所在地灾害最重程度（0为无，3为重）", en="worst hazard in the area in 12 months (0 = none, 3 = severe)", monotone=0),
    _area("months_since_area_hazard", unit="months", zh="距所在地上次灾害的月数", en="months since the last hazard in the area", monotone=0),
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features, `on_disaster` and `on_hazard`."""
    own, area = _own(context), _around(context)
    t = own.left_join(area, "household_id").drop("household_id_right")
    return t.select("household_id", "on_disaster", "on_hazard", *[f.name for f in FEATURES])


def _own(context: Context) -> ir.Table:
    import ibis

    d = context.view.table("disaster")
    d = d.filter(d.happened_on <= ibis.literal(context.view.day))
    year, two_years = in_last_months(context, d.happened_on, 12), in_last_months(context, d.happened_on, 24)
    zero = ibis.literal(0, "decimal(18,2)")
    uninsured = ibis.greatest(d.loss_cny - d.insured_paid_cny.fill_null(zero), zero)
    rows = d.group_by("household_id").agg(
        on_disaster=d.recorded_on.max(),
        uninsured_cny=uninsured.sum(where=year),
        loss_cny=d.loss_cny.sum(where=year),
        n_disasters_24m=d.count(where=two_years),
        house_damaged_24m=(d.house_damaged.fill_null(False) & two_years).any().cast("int8"),
        hit_on=d.happened_on.max(),
    )
    counted = ("uninsured_cny", "loss_cny", "n_disasters_24m", "house_damaged_24m")
    t = zero_where_delivered(context, rows, table="disaster", columns=counted)
    return t.mutate(
        disaster_loss_12m_line_ratio=divide(t.uninsured_cny, t.line_heads),
        disaster_uninsured_share_12m=divide(t.uninsured_cny, t.loss_cny),
        months_since_disaster=months_since(context.view.day, t.hit_on),
    )


def _around(context: Context) -> ir.Table:
    """Hazards of the village, of its township and of its county, by household."""
    import ibis

    h = context.view.table("hazard")
    h = h.filter(h.started_on <= ibis.literal(context.view.day))
    places = context.homes.select("village_code").distinct()
    inside = ibis.union(*(places.mutate(area_code=places.village_code // 10**digits) for digits in (0, 3, 6)))
    near = inside.inner_join(h, "area_code")
    year = in_last_months(context, near.started_on, 12)
    by_village = near.group_by("village_code").agg(
        on_hazard=near.recorded_on.max(),
        n_area_hazards_12m=near.hazard_kind.nunique(where=year),
        worst_area_hazard_12m=near.severity.cases(*SEVERITY_GRADES.items()).max(where=year),
        started_on=near.started_on.max(),
    )
    rows = context.homes.select("household_id", "village_code").inner_join(by_village, "village_code").drop("village_code")
    counted = ("n_area_hazards_12m", "worst_area_hazard_12m")
    t = zero_where_delivered(context, rows, table="hazard", columns=counted)
    return t.mutate(months_since_area_hazard=months_since(context.view.day, t.started_on))


FAMILY = Family(name="disaster", zh="灾害", en="disaster", features=FEATURES, build=build, tables=("disaster", "hazard"))
