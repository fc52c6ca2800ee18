"""Housing and water: the safety of the house, water, and how the household lives; and a repair decided but not delivered."""

from __future__ import annotations

from functools import partial
from typing import Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import divide, zero_where_delivered
from returnrisk.guarantees import UNSAFE_GRADES

FUEL_GRADES = {"network": 1, "bottled": 2, "solid": 3}
HOUSING_GRADES = {"A": 1, "B": 2, "C": 3, "D": 4}
_f = partial(
    Feature,
    family="housing",
    record="household",
    verify_zh="查看住房安全、饮水和居住条件",
    verify_en="Look at the safety of the house, the water and how they live",
)
FEATURES = (
    _f("housing_grade", unit="grade", zh="住房安全等级（1为A级，4为D级）", en="housing grade (1 = A, 4 = D)", monotone=1),
    _f("housing_unsafe", unit="flag", zh="住房为C级或D级", en="house graded C or D", monotone=1),
    _f("water_unsafe", unit="flag", zh="饮水不安全", en="unsafe drinking water", monotone=1, responsible="office"),
    _f("fuel_grade", unit="grade", zh="燃料等级（1为管道燃气或电，3为柴草煤炭）", en="cooking fuel (1 = network, 3 = solid)", monotone=0),
    _f("no_private_toilet", unit="flag", zh="无独用厕所", en="no toilet of its own", monotone=0),
    _f("flood_prone", unit="flag", zh="位于易涝区", en="in a flood-prone place", monotone=0, responsible="market_or_nature"),
    _f("rooms_per_member", unit="ratio", zh="人均房间数", en="rooms per member", monotone=-1),
    _f("housing_repair_pending", unit="flag", zh="住房改造已定未落实", en="housing repair decided but not delivered", monotone=0, record="support", responsible="office",
       verify_zh="核对危房改造等住房措施为何未落实", verify_en="Check why the housing measure was not delivered"),
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features, `on_household` and `on_support`."""
    import ibis

    day = ibis.literal(context.view.day)
    s = context.view.table("support")
    s = s.filter((s.measure == "housing") & (s.started_on <= day))
    pending = ~s.delivered & ~(s.ended_on < day).fill_null(False)
    repairs = s.group_by("household_id").agg(on_support=s.recorded_on.max(), housing_repair_pending=pending.any().cast("int8"))
    t = zero_where_delivered(context, repairs, table="support", columns=("housing_repair_pending",))
    home = context.view.table("household").drop("village_code").rename(on_household="recorded_on")
    t = t.left_join(home, "household_id").drop("household_id_right")
    t = t.left_join(context.homes.select("household_id", "n_members"), "household_id").drop("household_id_right")
    return t.mutate(
        housing_unsafe=t.housing_grade.isin(UNSAFE_GRADES).cast("int8"),
        housing_grade=t.housing_grade.cases(*HOUSING_GRADES.items()),
        water_unsafe=(~t.water_safe).cast("int8"),
        flood_prone=t.flood_prone.cast("int8"),
        fuel_grade=t.cooking_fuel.cases(*FUEL_GRADES.items()),
        no_private_toilet=(~t.private_toilet).cast("int8"),
        rooms_per_member=divide(t.rooms, t.n_members),
    ).select("household_id", "on_household", "on_support", *[f.name for f in FEATURES])


FAMILY = Family(
    name="housing", zh="住房和饮水", en="housing and water", features=FEATURES, build=build, tables=("household", "support")
)
