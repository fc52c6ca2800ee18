"""Schooling: children by stage, who is out of school, and what schooling costs after aid; the latest term of those who live there."""

from __future__ import annotations

from functools import partial
from typing import Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import divide, in_last_months, where, zero_where_delivered
from returnrisk.guarantees import COMPULSORY, OUT_OF_SCHOOL

_f = partial(
    Feature,
    family="schooling",
    record="schooling",
    verify_zh="核对孩子就学：是否在校、费用多少、教育资助和助学贷款是否到位",
    verify_en="Check the children's schooling: attending, what it costs, and whether aid and student loans have come",
)
FEATURES = (
    _f("n_compulsory_pupils", unit="count", zh="义务教育在校人数", en="pupils in compulsory school", monotone=0),
    _f("n_upper_secondary_students", unit="count", zh="高中及中职在校人数", en="students in upper secondary or vocational school", monotone=0),
    _f("n_tertiary_students", unit="count", zh="高等教育在校人数", en="students in higher education", monotone=0),
    _f("n_out_of_compulsory_school", unit="count", zh="义务教育阶段辍学或休学人数", en="children out of compulsory school", monotone=0),
    _f("n_boarders", unit="count", zh="寄宿学生人数", en="boarders", monotone=0),
    _f("n_left_school_12m", unit="count", zh="近12个月毕业或离校人数（义务教育以上）", en="graduated or left beyond compulsory school in 12 months", monotone=0),
    _f("schooling_cost_line_ratio", unit="lines", zh="人均教育支出（扣除资助，年）", en="cost of schooling after aid per head, yearly", monotone=0),
    _f("school_aid_share", unit="share", zh="教育费用由资助承担的比例", en="share of the cost of schooling covered by aid", monotone=0, responsible="office"),
)  # fmt: skip
COUNTED = (
    "n_compulsory_pupils", "n_upper_secondary_students", "n_tertiary_students", "n_out_of_compulsory_school", "n_boarders", "n_left_school_12m",
    "cost_cny", "n_without_fee",
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features and `on_schooling`."""
    import ibis

    rows = context.view.table("schooling")
    rows = rows.filter(in_last_months(context, rows.term_start, 12))
    latest = ibis.row_number().over(ibis.window(group_by=rows.person_id, order_by=rows.term_start.desc())) == 0
    who = context.members.select("person_id", "household_id")
    s = rows.mutate(is_latest=latest).filter(lambda t: t.is_latest).inner_join(who, "person_id")
    enrolled, compulsory = s.status == "enrolled", s.stage.isin(COMPULSORY)
    zero = ibis.literal(0, "decimal(18,2)")
    aid = s.aid_cny_year.fill_null(zero)
    households = s.group_by("household_id").agg(
        on_schooling=s.recorded_on.max(),
        n_compulsory_pupils=s.count(where=enrolled & compulsory),
        n_upper_secondary_students=s.count(where=enrolled & s.stage.isin(("upper_secondary", "vocational"))),
        n_tertiary_students=s.count(where=enrolled & (s.stage == "tertiary")),
        n_out_of_compulsory_school=s.count(where=compulsory & s.status.isin(OUT_OF_SCHOOL)),
        n_boarders=s.count(where=enrolled & s.boarding.fill_null(False)),
        n_left_school_12m=s.count(where=~compulsory & (s.stage != "preschool") & ~enrolled),
        cost_cny=ibis.greatest(s.fee_cny_year - aid, zero).sum(where=enrolled & s.fee_cny_year.notnull()),
        covered_cny=ibis.least(aid, s.fee_cny_year).sum(where=enrolled & s.fee_cny_year.notnull()),
        fee_cny=s.fee_cny_year.sum(where=enrolled),
        n_without_fee=s.count(where=enrolled & s.fee_cny_year.isnull()),
    )
    t = zero_where_delivered(context, households, table="schooling", columns=COUNTED)
    return t.mutate(
        # a fee that nobody stated is unknown, not nought
        schooling_cost_line_ratio=where(t.n_without_fee == 0, divide(t.cost_cny, t.line_heads)),
        school_aid_share=divide(t.covered_cny, t.fee_cny),
    ).select("household_id", "on_schooling", *[f.name for f in FEATURES])


FAMILY = Family(name="schooling", zh="就学", en="schooling", features=FEATURES, build=build, tables=("schooling",))
