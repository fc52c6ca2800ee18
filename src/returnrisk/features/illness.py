"""Illness: what the household itself paid after every insurer, admissions, listed diseases, and members in poor health."""

from __future__ import annotations

from functools import partial
from typing import Any

from returnrisk.accounts import claims_of_households
from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import divide, in_last_months, months_since, zero_where_delivered

_f = partial(
    Feature,
    family="illness",
    record="medical",
    verify_zh="核对住院、慢病用药票据和报销情况：还要自付多少，医疗救助是否已到位",
    verify_en="Check bills, reimbursement and medicine: what is still to be paid, has medical aid arrived",
)
FEATURES = (
    _f("out_of_pocket_12m_line_ratio", unit="lines", zh="近12个月人均自付医疗费", en="out-of-pocket medical cost of 12 months per head", monotone=1),
    _f("out_of_pocket_3m_line_ratio", unit="lines", zh="近3个月人均自付医疗费", en="out-of-pocket medical cost of 3 months per head", monotone=1),
    _f("out_of_pocket_12m_cny", unit="cny", zh="近12个月自付医疗费", en="out-of-pocket medical cost of 12 months", monotone=1),
    _f("medical_total_12m_cny", unit="cny", zh="近12个月医疗总费用", en="total medical cost of 12 months", monotone=1),
    _f("out_of_pocket_share_12m", unit="share", zh="近12个月医疗费自付比例", en="share of medical cost paid out of pocket in 12 months", monotone=0),
    _f("n_inpatient_12m", unit="count", zh="近12个月住院次数", en="hospital stays in 12 months", monotone=1),
    _f("n_claims_12m", unit="count", zh="近12个月就诊结算次数", en="settled claims in 12 months", monotone=0),
    _f("listed_disease_24m", unit="flag", zh="近24个月有重大疾病结算", en="a listed serious disease in 24 months", monotone=1),
    _f("months_since_inpatient", unit="months", zh="距上次住院的月数", en="months since the last hospital stay", monotone=0),
    _f("n_seriously_ill", unit="count", zh="患大病成员数", en="members with a serious illness", monotone=1, record="member"),
    _f("n_chronically_ill", unit="count", zh="患长期慢性病成员数", en="members with a chronic illness", monotone=1, record="member"),
)  # fmt: skip
CLAIM_COLUMNS = (
    "out_of_pocket_12m_cny",
    "out_of_pocket_3m_cny",
    "medical_total_12m_cny",
    "n_inpatient_12m",
    "n_claims_12m",
    "listed_disease_24m",
)


def build(context: Context) -> Any:
    """One row per household of the day: the features, `on_medical` and `on_member`."""
    day = context.view.day
    who = context.members
    claims = claims_of_households(context.view)
    year, quarter = in_last_months(context, claims.treated_on, 12), in_last_months(context, claims.treated_on, 3)
    stay = claims.kind == "inpatient"
    rows = claims.group_by("household_id").agg(
        on_medical=claims.recorded_on.max(),
        out_of_pocket_12m_cny=claims.out_of_pocket_cny.sum(where=year),
        out_of_pocket_3m_cny=claims.out_of_pocket_cny.sum(where=quarter),
        medical_total_12m_cny=claims.total_cny.sum(where=year),
        n_inpatient_12m=claims.count(where=year & stay),
        n_claims_12m=claims.count(where=year),
        listed_disease_24m=(claims.disease_listed & in_last_months(context, claims.treated_on, 24)).any().cast("int8"),
        last_stay_on=claims.treated_on.max(where=stay),
    )
    t = zero_where_delivered(context, rows, table="medical", columns=CLAIM_COLUMNS)
    ill = who.group_by("household_id").agg(
        on_member=who.on_member.max(),
        n_seriously_ill=(who.health == "serious").cast("int64").sum(),
        n_chronically_ill=(who.health == "chronic").cast("int64").sum(),
    )
    t = t.left_join(ill, "household_id").drop("household_id_right")
    return t.mutate(
        out_of_pocket_12m_line_ratio=divide(t.out_of_pocket_12m_cny, t.line_heads),
        out_of_pocket_3m_line_ratio=divide(t.out_of_pocket_3m_cny, t.line_heads),
        out_of_pocket_share_12m=divide(t.out_of_pocket_12m_cny, t.medical_total_12m_cny),
        months_since_inpatient=months_since(day, t.last_stay_on),
    ).select("household_id", "on_medical", "on_member", *[f.name for f in FEATURES])


FAMILY = Family(name="illness", zh="疾病", en="illness", features=FEATURES, build=build)
