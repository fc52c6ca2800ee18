"""Disability: members, severity, certificates, and whether the two subsidies reach them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import divide, latest_subsidies, where, zero_where_delivered

if TYPE_CHECKING:
    import ibis.expr.types as ir

UNGRADED = 9
_f = partial(
    Feature,
    family="disability",
    record="member",
    verify_zh="核对残疾证、照护负担和两项补贴是否发放",
    verify_en="Check certificates, the burden of care, and whether the two subsidies are paid",
)
_certificate = partial(
    _f,
    record="disability",
    verify_zh="核对残疾证类别、等级和有效期，需换证的协助办理",
    verify_en="Check kind, grade and validity of certificates",
)
FEATURES = (
    _f("n_disabled", unit="count", zh="残疾成员数", en="disabled members", monotone=1),
    _f("n_severely_disabled", unit="count", zh="重度残疾成员数（一、二级）", en="severely disabled members (grades 1 and 2)", monotone=1),
    _f("disabled_share", unit="share", zh="残疾成员占比", en="share of disabled members", monotone=1),
    _f("worst_disability_grade", unit="grade", zh="最重残疾等级", en="most severe grade (1 most severe)", monotone=0),
    _f("n_disabled_working_age", unit="count", zh="劳动年龄残疾成员数", en="disabled members of working age", monotone=1),
    _f("disabled_without_subsidy", unit="flag", zh="有重度残疾成员但无残疾补贴发放记录", en="severely disabled member, no disability subsidy on record", monotone=1, record="subsidy", responsible="office"),
    _certificate("n_mentally_or_intellectually_disabled", unit="count", zh="持智力或精神残疾证的成员数", en="members with a certificate of mental or intellectual disability", monotone=0),
    _certificate("n_certificates_lapsed", unit="count", zh="已过期的残疾证数", en="disability certificates that have lapsed", monotone=0, responsible="office"),
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features, `on_member` and `on_subsidy`."""
    who = context.members
    grade = who.disability_grade
    disabled, severe = grade > 0, grade.isin((1, 2))
    rows = who.group_by("household_id").agg(
        on_member=who.on_member.max(),
        n_disabled=disabled.cast("int64").sum(),
        n_severely_disabled=severe.cast("int64").sum(),
        n_members=who.count(),
        worst_disability_grade=grade.min(where=disabled & (grade < UNGRADED)),
        n_disabled_working_age=(disabled & who.age_years.between(16, 59)).cast("int64").sum(),
    )
    rows = rows.mutate(disabled_share=divide(rows.n_disabled, rows.n_members))
    subsidies = latest_subsidies(context)
    paid = subsidies.filter(subsidies.programme.isin(("disability_living", "disability_care")) & subsidies.current)
    has_subsidy = paid.group_by("household_id").agg(is_paid=paid.count() > 0, on_subsidy=paid.recorded_on.max())
    t = rows.left_join(has_subsidy, "household_id").drop("household_id_right")
    arrived = context.homes.select("household_id", has_arrived="arrived_subsidy")
    t = t.left_join(arrived, "household_id").drop("household_id_right")
    t = t.left_join(_certificates(context), "household_id").drop("household_id_right")
    missing = where(t.has_arrived, ((t.n_severely_disabled > 0) & ~t.is_paid.fill_null(False)).cast("int8"))
    return t.mutate(disabled_without_subsidy=missing).select(
        "household_id", "on_member", "on_subsidy", "on_disability", *[f.name for f in FEATURES]
    )


def _certificates(context: Context) -> ir.Table:
    import ibis

    day = ibis.literal(context.view.day)
    c = context.view.table("disability")
    c = c.filter(c.issued_on <= day).inner_join(context.members.select("person_id", "household_id"), "person_id")
    lapsed = (c.valid_until < day).fill_null(False)
    persons = c.group_by("household_id", "person_id").agg(
        on_disability=c.recorded_on.max(),
        is_mental=(~lapsed & c.kind.isin(("mental", "intellectual", "multiple"))).any(),
        # one certificate in force is enough: an older one that lapsed was replaced
        has_lapsed=lapsed.all(),
    )
    rows = persons.group_by("household_id").agg(
        on_disability=persons.on_disability.max(),
        n_mentally_or_intellectually_disabled=persons.count(where=persons.is_mental),
        n_certificates_lapsed=persons.count(where=persons.has_lapsed),
    )
    counted = ("n_mentally_or_intellectually_disabled", "n_certificates_lapsed")
    return zero_where_delivered(context, rows, table="disability", columns=counted).drop("line_heads")


FAMILY = Family(name="disability", zh="残疾", en="disability", features=FEATURES, build=build)
