"""What the model would say had other rows been on file: facts are changed in the records, and everything is computed anew from them.

That is an answer of the model, not an effect: the model has learnt who falls, not what a subsidy or a job would do to a household.
Every household's answer is its own: its neighbours stay as they are, so the features of its surroundings are kept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from returnrisk.accounts import claims_of_households, living_members, window_income
from returnrisk.config import ModelSpec
from returnrisk.errors import NotEnoughDataError, UnknownNameError
from returnrisk.features.families import catalogue
from returnrisk.features.snapshot import build_snapshot
from returnrisk.registry.serving import BundleScorer
from returnrisk.store.view import Store, View
from returnrisk.timeline import Window, add_months, month_end

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

LABEL_ZH = "模型的回答，不是效果"
LABEL_EN = "a model's answer, not an effect"
Rewriting = Mapping[str, Callable[["ir.Table"], "ir.Table"]]
"""By table: every version of its rows → what they would be."""
SURROUNDINGS = "area"


@dataclass(frozen=True, slots=True)
class Change:
    """A fact that could be otherwise.

    Attributes
    ----------
    name, zh, en
        Name, and what is changed in words.
    who_zh, who_en
        For whom it is possible.
    possible
        View → household_id of those for whom it is possible, one row each.
    rewriting
        View → the tables that would be otherwise; only rows of those for whom it is possible are touched.
    """

    name: str
    zh: str
    en: str
    who_zh: str
    who_en: str
    possible: Callable[[View], ir.Table]
    rewriting: Callable[[View], Rewriting]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a model answers.

    Attributes
    ----------
    table
        One row per household: household_id, township_code, risk_before, risk_after, difference (probabilities), label_zh, label_en.
    change
        What was changed.
    as_of
        The day.
    n_possible, n_at_risk
        Households at risk for whom the change is possible, of all at risk.
    label_zh, label_en
        What the answer is, to be shown wherever it is.
    """

    table: pd.DataFrame
    change: Change
    as_of: dt.date
    n_possible: int
    n_at_risk: int

    label_zh: str = LABEL_ZH
    label_en: str = LABEL_EN

    def frame(self) -> pd.DataFrame:
        """The table, largest fall of the risk first."""
        return self.table


# -- the changes -------------------------------------------------------------------------------------------------------------------


def _dibao_cancelled(view: View) -> ir.Table:
    """The latest 低保 row of each household, if it is a cancellation of the last year, and what was granted before it."""
    import ibis

    day = ibis.literal(view.day)
    s = view.table("subsidy")
    s = s.filter((s.programme == "dibao") & (s.period_start <= day))
    in_order = ibis.window(group_by="household_id", order_by=s.period_start)
    s = s.mutate(
        before_cny=s.amount_cny.lag().over(in_order), is_last=s.period_start == s.period_start.max().over(group_by="household_id")
    )
    cancelled = (
        s.is_last & (s.status == "cancelled") & (s.period_start > ibis.literal(add_months(view.day, -12))) & (s.before_cny > 0)
    )
    return s.filter(cancelled).select("household_id", "before_cny", cancelled_on="period_start")


def _dibao_goes_on(view: View) -> Rewriting:
    lost = _dibao_cancelled(view).rename(home="household_id")

    def subsidy(rows: ir.Table) -> ir.Table:
        return rows.anti_join(
            lost, [rows.household_id == lost.home, rows.period_start == lost.cancelled_on, rows.programme == "dibao"]
        )

    def income(rows: ir.Table) -> ir.Table:
        paid = lost.cross_join(_closed_months(view))
        paid = paid.filter(paid.month_end >= paid.cancelled_on)
        return _with_income(rows, paid.select("home", "month_start", "month_end", amount_cny="before_cny"), "transfer", "dibao")

    return {"subsidy": subsidy, "income": income}


def _able_without_work(view: View) -> ir.Table:
    """Of each household with a member of 18 to 59 who could work, does not and is not at school: one such person."""
    p = living_members(view)
    able = p.labour_capacity.isin(("full", "weak")) & p.employment.isin(("unemployed", "inactive")) & ~p.in_school.fill_null(False)
    return p.filter(able & p.age_years.between(18, 59)).group_by("household_id").agg(person_id=lambda t: t.person_id.min())


def _work_found(view: View) -> Rewriting:
    worker = _able_without_work(view)
    homes = view.table("household").select("household_id", "village_code")
    homes = homes.select("household_id", township_code=homes.village_code // 1000)

    def member(rows: ir.Table) -> ir.Table:
        import ibis

        worker_ids = worker.select(worker="person_id")
        joined = rows.left_join(worker_ids, rows.person_id == worker_ids.worker)
        return joined.mutate(employment=ibis.cases((joined.worker.notnull(), "employee_informal"), else_=joined.employment)).select(
            *rows.columns
        )

    def income(rows: ir.Table) -> ir.Table:
        paid = worker.inner_join(homes, "household_id").inner_join(_usual_wage(view, homes), "township_code")
        paid = paid.select("amount_cny", home="household_id").cross_join(_closed_months(view))
        return _with_income(rows, paid, "wage", "informal_wage")

    return {"member": member, "income": income}


def _usual_wage(view: View, homes: ir.Table) -> ir.Table:
    """township_code, amount_cny: median of what a household with wages has in a month of wages, over the last twelve closed ones."""
    end = view.last_closed_on("income")
    rows = window_income(view, ends=[end], window=Window("trailing", 12))
    wages = rows.filter((rows.source == "wage") & (rows.period_start.truncate("M") == rows.period_end.truncate("M")))
    months = wages.group_by("household_id", "period_start").agg(amount_cny=wages.net_cny.sum().cast("float64"))
    by_home = months.filter(months.amount_cny > 0).inner_join(homes, "household_id")
    return by_home.group_by("township_code").agg(amount_cny=by_home.amount_cny.median().round(0).cast("decimal(18,2)"))


def _bills(view: View) -> ir.Table:
    """Claims of the last twelve months of which a household bore something: claim_id, household_id."""
    import ibis

    c = claims_of_households(view)
    recent = (c.treated_on > ibis.literal(add_months(view.day, -12))) & (c.treated_on <= ibis.literal(view.day))
    return c.filter(recent & (c.out_of_pocket_cny > 0)).select("claim_id", "household_id")


def _bills_reimbursed(view: View) -> Rewriting:
    bills = _bills(view).select(bill="claim_id").distinct()

    def medical(rows: ir.Table) -> ir.Table:
        import ibis

        joined = rows.left_join(bills, rows.claim_id == bills.bill)
        paid = ibis.cases((joined.bill.notnull(), joined.out_of_pocket_cny), else_=ibis.literal(0).cast("decimal(18,2)"))
        return joined.mutate(
            aid_paid_cny=(joined.aid_paid_cny + paid).cast("decimal(18,2)"),
            out_of_pocket_cny=(joined.out_of_pocket_cny - paid).cast("decimal(18,2)"),
        ).select(*rows.columns)

    return {"medical": medical}


def _closed_months(view: View) -> ir.Table:
    """month_start and month_end of the twelve months of the account."""
    import ibis

    end = view.last_closed_on("income")
    ends = [month_end(add_months(end, -k)) for k in range(12)]
    rows = [{"month_start": e.replace(day=1), "month_end": e} for e in ends]
    return ibis.memtable(rows, schema={"month_start": "date", "month_end": "date"})


def _with_income(rows: ir.Table, paid: ir.Table, source: str, item: str) -> ir.Table:
    """The ledger with `amount_cny` of an item in these months of these homes; what it had of the item there is replaced."""
    import ibis

    same = [rows.household_id == paid.home, rows.period_start == paid.month_start, rows.source == source, rows.item == item]
    kept = rows.anti_join(paid, same)
    values = {
        "household_id": paid.home, "person_id": None, "source": source, "item": item, "period_start": paid.month_start,
        "period_end": paid.month_end, "gross_cny": paid.amount_cny, "cost_cny": 0, "estimated": None, "recorded_on": paid.month_end,
        "recorded_declared": False, "superseded_on": None,
    }  # fmt: skip
    types = rows.schema()
    added = paid.select(
        **{c: (ibis.literal(v) if not hasattr(v, "cast") else v).cast(types[c]) for c, v in values.items() if c in types}
    )
    return kept.select(*added.columns).union(added)


CHANGES: Mapping[str, Change] = {
    c.name: c
    for c in (
        Change(
            "dibao_goes_on",
            zh="低保没有停发，按原数额发到现在",
            en="低保 (subsistence allowance) had not been stopped and went on as before",
            who_zh="近12个月低保被取消的户",
            who_en="households whose 低保 was cancelled in the last twelve months",
            possible=_dibao_cancelled,
            rewriting=_dibao_goes_on,
        ),
        Change(
            "work_found",
            zh="一名有劳动能力而未就业的成员，近12个月按本乡镇务工月工资中位数就业",
            en="one able member without work had worked for the twelve months at the township's median monthly wages",
            who_zh="有18至59岁、有劳动能力、未就业、不在校成员的户",
            who_en="households with a member of 18 to 59 who could work, does not and is not at school",
            possible=_able_without_work,
            rewriting=_work_found,
        ),
        Change(
            "bills_reimbursed",
            zh="近12个月的医疗自付费用全部由救助支付",
            en="aid had paid what the household bore of its medical bills of the last twelve months",
            who_zh="近12个月有医疗自付费用的户",
            who_en="households that bore medical cost in the last twelve months",
            possible=_bills,
            rewriting=_bills_reimbursed,
        ),
    )
}
"""What may be asked. A change that no household could make (younger, another village) is none."""


def what_if(store: Store, spec: ModelSpec, scorer: BundleScorer, *, as_of: dt.date, change: str) -> WhatIf:
    """Risk before and after a change of the records, for every household at risk for which the change is possible.

    The records are changed and every feature, also the account, is computed anew from them; no feature is set by hand. What the model
    makes of it rests on who has fallen in the past: it is no estimate of what the measure would do.

    Parameters
    ----------
    spec
        The specification the model was trained with.
    as_of
        Day of the snapshot, and the last day of which anything is known.
    change
        One of `CHANGES`.

    Raises
    ------
    UnknownNameError
        No such change.
    NotEnoughDataError
        There is no household at risk for which it is possible.

    Examples
    --------
    >>> sorted(CHANGES)
    ['bills_reimbursed', 'dibao_goes_on', 'work_found']
    """
    if change not in CHANGES:
        raise UnknownNameError("change", change, CHANGES)
    asked, view = CHANGES[change], store.as_of(as_of)
    before = _features(store, spec, as_of)
    at_risk = before["stratum"] == "at_risk"
    mine = before.index[at_risk & before.index.isin(asked.possible(view).household_id.to_pyarrow().to_pylist())]
    if mine.empty:
        raise NotEnoughDataError(
            f"no household at risk on {as_of} for which '{change}' is possible ({asked.who_en}): nothing to ask"
        )
    rewriting = asked.rewriting(view)
    other = store.rewritten(
        lambda name, rows: rewriting[name](rows) if name in rewriting else rows, name=f"what if {change} on {as_of}"
    )
    after = _features(other, spec, as_of)
    changed = after.loc[mine].copy()
    surroundings = [f.name for f in catalogue(spec.families) if f.family == SURROUNDINGS]
    changed[surroundings] = before.loc[mine, surroundings]
    table = before.loc[mine, ["household_id", "township_code"]].reset_index(drop=True)
    table = table.assign(risk_before=scorer.risk(before.loc[mine]), risk_after=scorer.risk(changed))
    table = table.assign(difference=table["risk_after"] - table["risk_before"], label_zh=LABEL_ZH, label_en=LABEL_EN)
    table = table.sort_values(["difference", "household_id"], kind="stable", ignore_index=True)
    return WhatIf(table=table, change=asked, as_of=as_of, n_possible=len(mine), n_at_risk=int(at_risk.sum()))


def _features(store: Store, spec: ModelSpec, as_of: dt.date) -> pd.DataFrame:
    table = build_snapshot(store.as_of(as_of), spec=spec.outcome, families=spec.families).frame()
    return table.set_index("household_id", drop=False)
