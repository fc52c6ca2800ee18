"""Loans: what is owed, what is overdue, and what falls due within a year."""

from __future__ import annotations

from functools import partial
from typing import Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import divide, zero_where_delivered
from returnrisk.timeline import add_months, month_end

_f = partial(
    Feature,
    family="loans",
    record="loan",
    verify_zh="核对贷款余额和还款安排：用在哪里，能否按期还款，是否需要展期或续贷",
    verify_en="Check the loan: what it was used for, whether it can be repaid on time, whether it needs an extension",
)
FEATURES = (
    _f("n_loans_outstanding", unit="count", zh="未还清贷款笔数", en="loans not yet repaid", monotone=0),
    _f("loan_balance_line_ratio", unit="lines", zh="人均贷款余额", en="loan balance per head", monotone=0),
    _f("n_loans_overdue", unit="count", zh="逾期贷款笔数", en="overdue loans", monotone=1),
    _f("overdue_balance_line_ratio", unit="lines", zh="人均逾期贷款余额", en="overdue balance per head", monotone=1),
    _f("loan_due_12m_line_ratio", unit="lines", zh="未来12个月人均到期贷款", en="loans due within 12 months, per head", monotone=0),
    _f("months_until_loan_due", unit="months", zh="距最近一笔贷款到期的月数", en="months until the next loan is due", monotone=0),
    _f("has_micro_credit", unit="flag", zh="有未还清的小额信贷", en="micro-credit not yet repaid", monotone=0),
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features and `on_loan`."""
    import ibis

    day = context.view.day
    loans = context.view.table("loan")
    loans = loans.filter(loans.granted_on <= ibis.literal(day))
    owed = loans.balance_cny > 0
    ahead = owed & (loans.due_on > ibis.literal(day))
    due = ahead & (loans.due_on <= ibis.literal(month_end(add_months(day, 12))))
    rows = loans.group_by("household_id").agg(
        on_loan=loans.recorded_on.max(),
        n_loans_outstanding=loans.count(where=owed),
        balance_cny=loans.balance_cny.sum(where=owed),
        n_loans_overdue=loans.count(where=owed & loans.overdue),
        overdue_cny=loans.balance_cny.sum(where=owed & loans.overdue),
        due_cny=loans.balance_cny.sum(where=due),
        next_due_on=loans.due_on.min(where=ahead),
        has_micro_credit=(owed & (loans.kind == "micro_credit")).any().cast("int8"),
    )
    counted = ("n_loans_outstanding", "balance_cny", "n_loans_overdue", "overdue_cny", "due_cny", "has_micro_credit")
    t = zero_where_delivered(context, rows, table="loan", columns=counted)
    return t.mutate(
        loan_balance_line_ratio=divide(t.balance_cny, t.line_heads),
        overdue_balance_line_ratio=divide(t.overdue_cny, t.line_heads),
        loan_due_12m_line_ratio=divide(t.due_cny, t.line_heads),
        months_until_loan_due=(t.next_due_on.year() - day.year) * 12 + t.next_due_on.month() - day.month,
    ).select("household_id", "on_loan", *[f.name for f in FEATURES])


FAMILY = Family(name="loans", zh="贷款", en="loans", features=FEATURES, build=build, tables=("loan",))
