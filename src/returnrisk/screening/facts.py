"""What is known of every household on a day: the one table that categories, elimination, checks and alerts are expressions over.

A fact is NULL when it is not known; NULL is never zero and never "no". Accounts are named in their columns and never mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from returnrisk.accounts import kept_periods, population
from returnrisk.guarantees import GUARANTEES, guarantee_gaps
from returnrisk.policy import Policy
from returnrisk.screening.cost_facts import JUDGED_BY, cost_facts
from returnrisk.screening.income_facts import income_facts
from returnrisk.screening.people_facts import people_facts
from returnrisk.screening.standing_facts import standing_facts
from returnrisk.screening.windows import screening_windows
from returnrisk.store.view import View
from returnrisk.timeline import Window, month_end

if TYPE_CHECKING:
    import ibis.expr.types as ir

ARRIVING = (
    "income", "medical", "expense", "subsidy", "support", "monitoring", "disability", "disaster", "employment", "schooling", "loan", "insurance",
    "industry_project", "signal", "visit", "asset",
)  # fmt: skip
"""Tables whose missing file is told from an empty one by the delivery register."""
FACT_LABELS: Mapping[str, tuple[str, str]] = {
    "assistance_head_cny_year": ("人均可计算收入（收入台账不足）", "countable income per head (ledger)"),
    "last_year_head_cny_year": ("上年家庭收入（收入台账不足）", "last year's household income (ledger)"),
    "register_head_cny_year": ("人均纯收入（收入台账不足）", "net income per head (ledger)"),
    "stably_above": ("近几个月收入是否稳定高于监测线", "whether income stayed above the line"),
    "was_below_dibao": ("渐退期前的收入", "income before the gradual exit"),
    "asset_checked_on": ("家庭资产（无有效授权或未核查）", "assets (no authorisation in force, or no enquiry)"),
    "medical_own_12m_cny": ("近12个月自付医疗费（医保数据未送齐）", "own medical cost of 12 months (files missing)"),
    "rigid_12m_cny": (
        "近12个月刚性支出（数据未送齐，或是否重病、重残不明）",
        "rigid expenditure of 12 months (files missing, or how serious an illness or disability is)",
    ),
    "has_listed_disease": ("是否患目录内重大疾病", "whether a listed disease was treated"),
    "has_seriously_ill_member": ("成员健康状况", "health of members"),
    "has_disabled": ("成员残疾情况", "disability of members"),
    "several_disabled": ("成员残疾情况（人数）", "how many members are disabled"),
    "has_severe_disability": ("成员残疾等级", "grade of disability of members"),
    "has_labour": ("成员劳动能力", "members' capacity to work"),
    "has_full_labour": ("成员劳动能力（普通劳动力）", "members' full capacity to work"),
    "has_frail_elder": ("高龄或失能老人", "frail old members"),
    "has_elder_care_cost": ("老人照料支出", "cost of care for the old"),
    "elders_keep_disabled": ("成员年龄和残疾情况", "ages and disability of members"),
    "has_paid_work": ("成员务工情况", "whether a member has paid work"),
    "has_unemployed_member": ("成员失业情况", "whether a member is out of work"),
    "receives_dibao": ("低保发放记录", "record of dibao"),
    "receives_tekun": ("是否特困供养（无此数据）", "whether in destitute care (no such data)"),
    "monitored": ("监测对象记录", "record of monitoring"),
    "supported": ("帮扶措施记录", "record of support"),
    "on_safety_net": ("兜底保障记录", "record of the safety net"),
    "had_emergency": ("受灾记录", "record of disasters"),
    "held_housing": ("住房安全", "safe housing"),
    "held_water": ("饮水安全", "safe water"),
    "held_schooling": ("义务教育", "compulsory schooling"),
    "held_medical": ("基本医疗", "medical cover"),
    "risk_confirmed": ("近期入户核实结果", "a recent finding at the door"),
}
"""What a missing fact is called: Chinese, English."""


def household_facts(view: View, *, policy: Policy, without: ir.Table | None = None) -> ir.Table:
    """Facts of every household with members on the view's day.

    Parameters
    ----------
    view
        What was known on the day.
    policy
        The county's pack; its values of the day decide windows, grades and kinds of expenditure.
    without
        Households (household_id) to go on without: those that `bad_input.set_aside` names.

    Returns
    -------
    Ibis table, one row per household: household_id, village_code, township_code, registered_type, resettled, n_members;

    - arrived_<table>: whether a file of the township came within twelve months (never NULL);
    - members (`people_facts`): n_... counts of those known, has_... answers, several_disabled, elders_keep_disabled;
    - accounts: register_, assistance_ and last_year_ (register, one year before) each with net_cny (of the window), members, months,
      computable and head_cny_year; stably_above, was_below_dibao, line_cny_year (monitoring line), income_ending_on;
    - cost of twelve months: medical_own_12m_cny, rigid_12m_cny (NULL unless all files came), ..._on_file_cny (lower bounds),
      medical_months, expense_months, n_listed_disease, has_listed_disease, has_elder_care_cost;
    - assets: asset_checked_on, savings_cny, n_houses, has_vehicle, has_business (all NULL where not known);
    - aid and monitoring: receives_dibao, receives_tekun, receives_disability_subsidy, dibao_on, monitored, ever_monitored,
      identified_on, eliminated_on, risk_type, monitored_category, supported, on_safety_net, had_emergency, last_disaster_on,
      visited_on, risk_confirmed;
    - held_<guarantee>: housing, water, schooling, medical.

    Amounts are CNY (decimals); ..._head_cny_year is float64, for showing: compare exactly with `logic.head_below`.

    Raises
    ------
    PolicyDateError
        A parameter has no value on the day.
    """
    return _facts(view, policy=policy, without=without, keep=lambda _, part: part)


@contextmanager
def kept_facts(view: View, *, policy: Policy, without: ir.Table | None = None) -> Iterator[ir.Table]:
    """`household_facts`, computed once, part by part, and held as a table for as long as the block lasts (one at a time for a view)."""
    with ExitStack() as held:
        held.enter_context(kept_periods(view))

        def keep(name: str, part: ir.Table) -> ir.Table:
            return held.enter_context(view.kept(f"screening_{name}", lambda: part))

        yield keep("facts", _facts(view, policy=policy, without=without, keep=keep))


def _facts(view: View, *, policy: Policy, without: ir.Table | None, keep: Callable[[str, ir.Table], ir.Table]) -> ir.Table:
    """The facts; `keep` holds a part that later ones read, so that it is worked out once."""
    import ibis

    windows = screening_windows(view, policy=policy)
    found = _homes(view)
    homes = keep("homes", found if without is None else found.anti_join(without, "household_id"))
    people = keep(
        "people", people_facts(view, homes.select("household_id", "arrived_disability", "arrived_employment"), policy=policy)
    )
    living = homes.select("household_id", "village_code")
    income = keep("income", income_facts(view, living, policy=policy, windows=windows, keep=keep))
    judged = homes.select("household_id", "township_code")
    for part in (people, income):
        judged = _joined(judged, part.select("household_id", *(name for name in JUDGED_BY if name in part.columns)))
    cost = keep("cost", cost_facts(view, judged, policy=policy, windows=windows))
    arrived = homes.select("household_id", *(f"arrived_{name}" for name in ("subsidy", "monitoring", "support", "disaster")))
    standing = standing_facts(view, arrived, policy=policy)
    standing = keep("standing", standing.drop(*(c for c in standing.columns if c.startswith("arrived_"))))
    gaps = guarantee_gaps(view)
    held = keep("held", gaps.select("household_id", **{f"held_{name}": ~gaps[f"gap_{name}"] for name in GUARANTEES}))
    t = homes
    for part in (people, income, cost, standing, held):
        t = _joined(t, part)
    # destitute care has no file; who can work, or earns the dibao line, is not in it
    dibao = ibis.literal(policy.number("dibao_line", view.day), "decimal(18,2)")
    earns = t.assistance_computable & (t.assistance_net_cny * 12 >= dibao * (t.assistance_members * t.assistance_months))
    return t.mutate(receives_tekun=ibis.cases((t.has_labour | earns, False), else_=ibis.null("boolean")))


def _homes(view: View) -> ir.Table:
    """Households of the day with what the register says of them, and which files came."""
    people = population(view, [view.day]).drop("ending_on")
    state = view.table("household").select("household_id", "registered_type", "resettled")
    t = _joined(people, state).mutate(township_code=lambda t: t.village_code // 1000)
    t = t.left_join(arrivals(view), "township_code").drop("township_code_right")
    return t.mutate(**{f"arrived_{name}": t[f"arrived_{name}"].fill_null(False) for name in ARRIVING})


def arrivals(view: View) -> ir.Table:
    """Townships, and whether a file of each table came that speaks of the twelve months up to the day: township_code, arrived_<table>."""
    import ibis

    start = Window("trailing", 12).bounds(month_end(view.day))[0]
    files = view.table("delivery")
    files = files.filter((files.period_end >= ibis.literal(start)) & (files.period_start <= ibis.literal(view.day)))
    return files.group_by("township_code").agg(**{f"arrived_{name}": (files.table_name == name).any() for name in ARRIVING})


def _joined(t: ir.Table, other: ir.Table) -> ir.Table:
    return t.left_join(other, "household_id").drop("household_id_right")
