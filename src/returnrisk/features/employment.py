"""Employment: jobs that ended, why, and what the jobs in force pay against a year before; the spells of those who live there today."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import divide, in_last_months, log_ratio, months_since, where, zero_where_delivered
from returnrisk.timeline import add_months

if TYPE_CHECKING:
    import ibis.expr.types as ir

LAID_OFF = ("dismissed", "contract_ended", "firm_closed")
HAD_TO_LEAVE = ("illness", "care")
_f = partial(
    Feature,
    family="employment",
    record="employment",
    verify_zh="核对务工就业：是否仍在岗、工资是否按月发放、离岗后是否找到新工作",
    verify_en="Check jobs: still held, paid every month, and whether a new one was found",
)
_market = partial(_f, responsible="market_or_nature")
FEATURES = (
    _f("n_with_job", unit="count", zh="在岗务工人数", en="members with a job on record", monotone=-1),
    _f("n_jobs_ended_3m", unit="count", zh="近3个月离岗次数", en="jobs ended in 3 months", monotone=0),
    _f("n_jobs_ended_6m", unit="count", zh="近6个月离岗次数", en="jobs ended in 6 months", monotone=0),
    _f("n_jobs_ended_12m", unit="count", zh="近12个月离岗次数", en="jobs ended in 12 months", monotone=0),
    _f("n_out_of_work_12m", unit="count", zh="近12个月离岗且未再就业人数", en="members whose job ended in 12 months without a new one", monotone=1),
    _market("laid_off_12m", unit="flag", zh="近12个月有人被辞退、合同到期或企业关停", en="dismissed, contract ended or firm closed in 12 months", monotone=0),
    _f("left_for_illness_or_care_12m", unit="flag", zh="近12个月有人因病或照料家人离岗", en="job left for illness or care in 12 months", monotone=0),
    _f("months_since_job_ended", unit="months", zh="距最近一次离岗的月数", en="months since a job last ended", monotone=0),
    _f("job_wage_line_ratio", unit="lines", zh="在岗人均工资（年化）", en="wages of jobs in force per head, yearly", monotone=0),
    _f("job_wage_change_12m", unit="log_change", zh="在岗工资较上年同期的变化", en="change of wages of jobs in force on a year before", monotone=0),
    _f("n_jobs_outside_province", unit="count", zh="省外务工人数", en="jobs outside the province", monotone=0),
    _f("n_jobs_in_construction", unit="count", zh="建筑业务工人数", en="jobs in construction", monotone=0),
)  # fmt: skip
COUNTED = (
    "n_with_job", "n_jobs_ended_3m", "n_jobs_ended_6m", "n_jobs_ended_12m", "n_out_of_work_12m", "laid_off_12m", "left_for_illness_or_care_12m",
    "wage_cny", "n_jobs_outside_province", "n_jobs_in_construction", "n_unpaid",
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features and `on_employment`."""
    t = zero_where_delivered(context, _households(context), table="employment", columns=COUNTED)
    known, compared = t.n_unpaid == 0, (t.n_unpaid == 0) & (t.n_unpaid_before == 0)
    return t.mutate(
        months_since_job_ended=months_since(context.view.day, t.ended_on),
        job_wage_line_ratio=where(known, divide(t.wage_cny * 12, t.line_heads)),
        job_wage_change_12m=where(compared, log_ratio(divide(t.wage_cny, t.wage_before_cny))),
    ).select("household_id", "on_employment", *[f.name for f in FEATURES])


def _households(context: Context) -> ir.Table:
    import ibis

    day, before = context.view.day, add_months(context.view.day, -12)
    spells = context.view.table("employment")
    who = context.members.select("person_id", "household_id")
    s = spells.filter(spells.started_on <= ibis.literal(day)).inner_join(who, "person_id")
    ended = (s.ended_on < ibis.literal(day)).fill_null(False)
    then = (s.started_on <= ibis.literal(before)) & (s.ended_on >= ibis.literal(before)).fill_null(True)
    lately = {months: ended & in_last_months(context, s.ended_on, months) for months in (3, 6, 12)}
    persons = s.group_by("household_id", "person_id").agg(
        on_employment=s.recorded_on.max(),
        n_jobs=s.count(where=~ended),
        **{f"n_jobs_ended_{months}m": s.count(where=inside) for months, inside in lately.items()},
        n_laid_off=s.count(where=lately[12] & s.end_reason.isin(LAID_OFF)),
        n_had_to_leave=s.count(where=lately[12] & s.end_reason.isin(HAD_TO_LEAVE)),
        ended_on=s.ended_on.max(where=ended),
        wage_cny=s.monthly_wage_cny.sum(where=~ended),
        wage_before_cny=s.monthly_wage_cny.sum(where=then),
        n_unpaid=s.count(where=~ended & s.monthly_wage_cny.isnull()),
        n_unpaid_before=s.count(where=then & s.monthly_wage_cny.isnull()),
        n_jobs_outside_province=s.count(where=~ended & (s.place == "outside")),
        n_jobs_in_construction=s.count(where=~ended & (s.sector == "construction")),
    )
    p = persons
    added = (
        "n_jobs_ended_3m", "n_jobs_ended_6m", "n_jobs_ended_12m", "wage_cny", "wage_before_cny", "n_unpaid", "n_unpaid_before",
        "n_jobs_outside_province", "n_jobs_in_construction",
    )  # fmt: skip
    return p.group_by("household_id").agg(
        **{name: p[name].sum() for name in added},
        on_employment=p.on_employment.max(),
        ended_on=p.ended_on.max(),
        n_with_job=p.count(where=p.n_jobs > 0),
        n_out_of_work_12m=p.count(where=(p.n_jobs == 0) & (p.n_jobs_ended_12m > 0)),
        laid_off_12m=(p.n_laid_off > 0).any().cast("int8"),
        left_for_illness_or_care_12m=(p.n_had_to_leave > 0).any().cast("int8"),
    )


FAMILY = Family(name="employment", zh="就业", en="employment", features=FEATURES, build=build, tables=("employment",))
