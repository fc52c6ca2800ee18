"""Income: level against the line, history, the four sources and their change, concentration, and what is left without support."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from returnrisk.accounts import delivered_months, window_frame, window_income, window_sums
from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import divide, log_ratio, where
from returnrisk.timeline import Window, add_months

if TYPE_CHECKING:
    import ibis.expr.types as ir

BENEFIT_ITEMS = ("dibao", "temporary_relief", "policy_subsidy", "disability_subsidy", "cash_benefit", "unemployment_benefit")
STABLE_WAGE_ITEMS = ("formal_wage", "public_post")
ONE_OFF_ITEMS = ("unallocated", "temporary_relief", "severance")
"""Not to be counted on next time: relief, severance, and what a ledger could not place (bonuses, mostly)."""
CASUAL_WAGE_ITEMS = ("informal_wage", "local_work", "migrant_work", "other_job")

# Only the total and its history are monotone: a part's sign, the total being known, is a matter of fact and not of logic.
_f = partial(
    Feature,
    family="income",
    record="income",
    verify_zh="核对收入台账：打工、种养、补贴是否与实际一致，近几个月有无变化",
    verify_en="Check the income ledger: do wages, farming and transfers match, and what has changed in recent months",
)
FEATURES = (
    _f("income_line_ratio", unit="lines", zh="人均纯收入", en="net income per head", monotone=-1),
    _f("income_log_ratio", unit="log_ratio", shown_as="income_line_ratio", zh="人均纯收入（对数）", en="net income per head (log)", monotone=-1),
    _f("income_prior_mean", unit="log_ratio", zh="前两年人均纯收入的平均", en="mean income in the two years before", monotone=-1),
    _f("income_prior_min", unit="log_ratio", zh="前两年人均纯收入的最低值", en="lowest income in the two years before", monotone=-1),
    _f("income_prior_max", unit="log_ratio", zh="前两年人均纯收入的最高值", en="highest income in the two years before", monotone=-1),
    _f("income_prior_last", unit="log_ratio", zh="上一次核算的人均纯收入", en="income at the last account before", monotone=-1),
    _f("income_mean_log_ratio", unit="log_ratio", zh="本期及前两年人均纯收入的平均", en="mean income now and in the two years before", monotone=-1),
    _f("n_prior_below_line", unit="count", zh="前两年低于监测线的季末次数", en="quarter-ends below the line in the two years before", monotone=1),
    _f("n_prior_settlements", unit="count", zh="前两年可核算的季末次数", en="quarter-ends with a computable account in the two years before", monotone=0),
    _f("income_change_3m", unit="log_change", zh="人均纯收入较3个月前的变化", en="change of net income per head on three months before", monotone=0),
    _f("income_change_12m", unit="log_change", zh="人均纯收入较上年同期的变化", en="change of net income per head on a year before", monotone=0),
    _f("income_change_last", unit="log_change", zh="人均纯收入较上一次核算的变化", en="change of net income per head on the last account before", monotone=0),
    _f("recent_income_change", unit="lines", zh="近3个月人均纯收入较上年同期的变化", en="last three months' net income per head against the same months a year before", monotone=0),
    _f("recent_income_line_ratio", unit="lines", zh="近3个月人均纯收入（折年）", en="net income per head of the last three months, as a year's", monotone=0),
    _f("income_last_month", unit="lines", zh="最近一个账期月人均纯收入（折年）", en="net income per head of the last closed month, as a year's", monotone=0),
    _f("income_month_before_last", unit="lines", zh="上一账期月人均纯收入（折年）", en="net income per head of the month before the last closed one, as a year's", monotone=0),
    _f("recent_remittance", unit="lines", zh="近3个月人均赡养及汇款（折年）", en="remittances per head of the last three months, as a year's", monotone=0),
    _f("remittance_last_month", unit="lines", zh="最近一个账期月人均赡养及汇款（折年）", en="remittances per head of the last closed month, as a year's", monotone=0),
    _f("operating_line_ratio", unit="lines", zh="人均经营性净收入", en="operating income per head", monotone=0),
    _f("wage_line_ratio", unit="lines", zh="人均工资性收入", en="wage income per head", monotone=0),
    _f("property_line_ratio", unit="lines", zh="人均财产性收入", en="property income per head", monotone=0),
    _f("transfer_line_ratio", unit="lines", zh="人均转移性收入", en="transfer income per head", monotone=0),
    _f("operating_prior_mean", unit="lines", zh="前两年人均经营性净收入的平均", en="mean operating income per head in the two years before", monotone=0),
    _f("wage_prior_mean", unit="lines", zh="前两年人均工资性收入的平均", en="mean wage income per head in the two years before", monotone=0),
    _f("transfer_prior_mean", unit="lines", zh="前两年人均转移性收入的平均", en="mean transfer income per head in the two years before", monotone=0),
    _f("operating_change_12m", unit="lines", zh="人均经营性净收入较上年的变化", en="change of operating income per head on a year before", monotone=0),
    _f("wage_change_12m", unit="lines", zh="人均工资性收入较上年的变化", en="change of wage income per head on a year before", monotone=0),
    _f("transfer_change_12m", unit="lines", zh="人均转移性收入较上年的变化", en="change of transfer income per head on a year before", monotone=0),
    _f("wage_months_6m", unit="count", zh="近6个月有工资收入的账期数", en="periods with wage income in the last six months", monotone=0),
    _f("recent_wage_change", unit="lines", zh="近3个月人均工资较上年同期的变化", en="last three months' wages per head against the same months a year before", monotone=0),
    _f("stable_wage_line_ratio", unit="lines", zh="人均稳定工资", en="wages of regular jobs and public posts per head", monotone=-1),
    _f("casual_wage_line_ratio", unit="lines", zh="人均零散务工工资", en="casual and migrant wages per head", monotone=0),
    _f("pension_line_ratio", unit="lines", zh="人均养老金", en="pensions per head", monotone=0),
    _f("remittance_line_ratio", unit="lines", zh="人均赡养及汇款", en="remittances per head", monotone=0),
    _f("benefit_share", unit="share", zh="补助补贴占总收入的比重", en="share of benefits and subsidies in gross income", monotone=0),
    _f("income_without_benefits", unit="lines", zh="扣除补助补贴后的人均纯收入", en="net income per head without benefits", monotone=0),
    _f("regular_income_line_ratio", unit="lines", zh="扣除一次性收入后的人均纯收入", en="net income per head without one-off income", monotone=0),
    _f("income_without_top_item", unit="lines", zh="扣除最大一项收入后的人均纯收入", en="net income per head without its largest item", monotone=0),
    _f("income_without_top_earner", unit="lines", zh="扣除最高收入成员后的人均纯收入", en="net income per head without the top earner's", monotone=0),
    _f("secure_line_ratio", unit="lines", zh="人均稳定工资和养老金", en="regular wages and pensions per head", monotone=0),
    _f("core_income_line_ratio", unit="lines", zh="扣除补助补贴和一次性收入后的人均纯收入", en="net income per head without benefits and one-off income", monotone=0),
    _f("income_without_casual", unit="lines", zh="扣除零散务工和经营收入后的人均纯收入", en="net income per head without casual wages and own business", monotone=0),
    _f("regular_income_without_top_earner", unit="lines", zh="扣除最高收入成员和一次性收入后的人均纯收入", en="net income per head without the top earner's and one-off income", monotone=0),
    _f("income_by_root_of_members", unit="lines", zh="家庭纯收入除以人口的平方根", en="net household income over the square root of its members", monotone=0),
    _f("n_earners", unit="count", zh="有个人收入记录的成员数", en="members with an income of their own on record", monotone=0),
    _f("top_item_share", unit="share", zh="最大一项收入占总收入的比重", en="share of the largest item in gross income", monotone=0),
    _f("n_income_items", unit="count", zh="收入项目数", en="number of income items", monotone=0),
    _f("estimated_income_share", unit="share", zh="估算收入占总收入的比重", en="share of estimated amounts in gross income", monotone=0, responsible="office"),
    _f("production_cost_share", unit="share", zh="生产成本占经营收入的比重", en="share of production cost in gross operating income", monotone=0),
    _f("income_variation", unit="ratio", zh="月度纯收入的波动（变异系数）", en="variation of monthly net income (coefficient of variation)", monotone=0),
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household with a computable or partial account: the features and `on_income`."""
    levels, items, recent = _levels(context), _items(context), _recent(context)
    joined = levels.left_join(items, "household_id").drop("household_id_right")
    joined = joined.left_join(recent, "household_id").drop("household_id_right")
    unit = joined.line_months  # CNY of the window that one line per head would be
    return joined.mutate(
        income_without_benefits=divide(joined.net_cny - joined.benefits_cny.fill_null(0), unit),
        regular_income_line_ratio=divide(joined.net_cny - joined.one_off_cny.fill_null(0), unit),
        income_without_top_item=divide(joined.net_cny - joined.top_item_cny.fill_null(0), unit),
        income_without_top_earner=divide(joined.net_cny - joined.top_earner_cny, unit),
        secure_line_ratio=_in_lines(joined, "secure_cny"),
        core_income_line_ratio=divide(joined.net_cny - joined.not_core_cny.fill_null(0), unit),
        income_without_casual=divide(joined.net_cny - joined.insecure_cny.fill_null(0), unit),
        regular_income_without_top_earner=divide(joined.net_cny - joined.top_earner_cny - joined.one_off_cny.fill_null(0), unit),
        income_by_root_of_members=joined.income_line_ratio * joined.n_members.sqrt(),
        stable_wage_line_ratio=_in_lines(joined, "stable_cny"),
        casual_wage_line_ratio=_in_lines(joined, "casual_cny"),
        pension_line_ratio=_in_lines(joined, "pension_cny"),
        remittance_line_ratio=_in_lines(joined, "remittance_cny"),
        benefit_share=divide(joined.benefits_cny, joined.gross_cny),
        top_item_share=divide(joined.top_item_cny, joined.gross_cny),
        recent_income_change=divide(joined.recent_net_cny - joined.recent_net_before_cny, joined.line_heads),
        recent_wage_change=divide(joined.recent_wage_cny - joined.recent_wage_before_cny, joined.line_heads),
        recent_income_line_ratio=divide(joined.recent_net_cny.cast("float64") * 4, joined.line_heads),
        income_last_month=divide(joined.last_net_cny.cast("float64") * 12, joined.line_heads),
        income_month_before_last=divide(joined.second_net_cny.cast("float64") * 12, joined.line_heads),
        recent_remittance=divide(joined.recent_remittance_cny.cast("float64") * 4, joined.line_heads),
        remittance_last_month=divide(joined.last_remittance_cny.cast("float64") * 12, joined.line_heads),
        n_income_items=where(joined.computable, joined.n_income_items.fill_null(0)),
        income_variation=_variation(joined),
    ).select("household_id", "on_income", *[f.name for f in FEATURES])


def _in_lines(table: ir.Table, column: str) -> Any:
    return where(table.computable, divide(table[column].fill_null(0), table.line_months))


def _levels(context: Context) -> ir.Table:
    """From the account's path: one row per household with a latest window."""
    p = context.path
    p = p.mutate(ratio=divide(p.net_head_cny_year, p.line_cny_year))
    scale = p.months_delivered * p.n_members * p.line_cny_year.cast("float64") / 12
    p = p.mutate(log_ratio=log_ratio(p.ratio), line_months=where(p.computable, scale), line_heads=p.n_members * p.line_cny_year)
    p = p.mutate(**{f"{s}_ratio": divide(p[f"net_{s}_cny"], p.line_months) for s in ("operating", "wage", "property", "transfer")})

    def at(lag: int, column: str) -> Any:
        return p[column].max(where=p.lag_months == lag)

    earlier = (p.lag_months > 0) & p.settled  # the past is told by whole accounts, today's may be scaled
    last = p.log_ratio.argmin(p.lag_months, where=earlier & p.log_ratio.notnull())
    return p.group_by("household_id").agg(
        net_cny=at(0, "net_cny"),
        gross_cny=at(0, "gross_cny"),
        n_members=at(0, "n_members"),
        computable=at(0, "computable"),
        line_months=at(0, "line_months"),
        line_heads=at(0, "line_heads"),
        months_delivered=at(0, "months_delivered"),
        income_line_ratio=at(0, "ratio"),
        income_log_ratio=at(0, "log_ratio"),
        income_prior_mean=p.log_ratio.mean(where=earlier).round(9),
        income_mean_log_ratio=p.log_ratio.mean(where=earlier | (p.lag_months == 0)).round(9),
        income_prior_min=p.log_ratio.min(where=earlier),
        income_prior_max=p.log_ratio.max(where=earlier),
        income_prior_last=last,
        income_change_last=at(0, "log_ratio") - last,
        n_prior_below_line=p.below.cast("int64").sum(where=earlier),
        n_prior_settlements=p.log_ratio.count(where=earlier),
        income_change_3m=at(0, "log_ratio") - at(3, "log_ratio"),
        income_change_12m=at(0, "log_ratio") - at(12, "log_ratio"),
        **{f"{s}_line_ratio": at(0, f"{s}_ratio") for s in ("operating", "wage", "property", "transfer")},
        **{f"{s}_prior_mean": p[f"{s}_ratio"].mean(where=earlier).round(9) for s in ("operating", "wage", "transfer")},
        **{f"{s}_change_12m": at(0, f"{s}_ratio") - at(12, f"{s}_ratio") for s in ("operating", "wage", "transfer")},
    )


def _items(context: Context) -> ir.Table:
    """From the items of the latest window: one row per household with any income row."""
    by_item, rows = context.items, context.ledger

    def total(items: tuple[str, ...]) -> Any:
        return by_item.net_cny.sum(where=by_item.item.isin(items)).fill_null(0)

    operating = by_item.source == "operating"
    household = by_item.group_by("household_id").agg(
        on_income=by_item.on_income.max(),
        benefits_cny=total(BENEFIT_ITEMS),
        one_off_cny=total(ONE_OFF_ITEMS),
        stable_cny=total(STABLE_WAGE_ITEMS),
        casual_cny=total(CASUAL_WAGE_ITEMS),
        pension_cny=total(("pension",)),
        secure_cny=total((*STABLE_WAGE_ITEMS, "pension")),
        not_core_cny=total(tuple(dict.fromkeys((*BENEFIT_ITEMS, *ONE_OFF_ITEMS)))),
        insecure_cny=by_item.net_cny.sum(where=by_item.item.isin(CASUAL_WAGE_ITEMS) | operating).fill_null(0),
        remittance_cny=total(("remittance",)),
        top_item_cny=by_item.net_cny.max(),
        n_income_items=by_item.item.nunique(),
        estimated_income_share=divide(by_item.estimated_cny.sum().fill_null(0), by_item.stated_cny.sum()),
        production_cost_share=divide(by_item.cost_cny.sum(where=operating), by_item.gross_cny.sum(where=operating)),
    )
    earners = rows.filter(rows.person_id.notnull()).group_by("household_id", "person_id").agg(own_cny=lambda t: t.net_cny.sum())
    earned = earners.group_by("household_id").agg(top_earner_cny=earners.own_cny.max(), n_earners=earners.count())
    periods = _by_period(rows)
    periods = periods.mutate(amount_cny=periods.net_cny.cast("float64"))
    years = periods.period_end.year() - periods.period_start.year()
    p = periods.mutate(months=years * 12 + periods.period_end.month() - periods.period_start.month() + 1)
    # an amount for several months is spread over them evenly
    spread = p.group_by("household_id").agg(sum_cny=p.amount_cny.sum(), squares=(p.amount_cny * p.amount_cny / p.months).sum())
    joined = household.left_join(earned, "household_id").drop("household_id_right")
    return joined.left_join(spread, "household_id").drop("household_id_right")


def _variation(t: ir.Table) -> Any:
    """Coefficient of variation over the delivered months, an empty month being a zero; from six months on."""
    import ibis

    n = t.months_delivered.nullif(0)
    mean = t.sum_cny / n
    # rounded before the root: a sum of doubles depends on the order in which the engine adds, and a steady income has none
    relative = (t.squares / n / (mean * mean).nullif(0) - 1).round(12)
    return where((t.months_delivered >= 6) & (mean > 1), ibis.greatest(relative, 0.0).sqrt())


def _recent(context: Context) -> ir.Table:
    """The last three closed months against the same months a year before, and in how many of the last six there was a wage.

    A quarter counts where its three months were delivered and the household had members; without income it is then zero.
    """
    import ibis

    now, three, six = context.ending_on, Window("trailing", 3), Window("trailing", 6)
    before = add_months(now, -12)
    quarter, rows = window_frame([now, before], window=three), _periods_up_to_now(context, three)
    latest = _months_of(rows, now)
    past = window_sums(context.view, ends=[before], window=three)
    past = past.select("household_id", "ending_on", "net_cny", wage_cny="net_wage_cny")
    sums = latest.mutate(ending_on=ibis.literal(now)).select(*past.columns).union(past)
    known = _present(context, quarter, minimum=3).left_join(sums, ["household_id", "ending_on"])
    known = known.drop("household_id_right", "ending_on_right")
    own = latest.drop("net_cny", "wage_cny")
    known = known.left_join(own, "household_id").drop("household_id_right")
    is_now = known.lag_months == 0

    def at(amount: Any, condition: Any) -> Any:
        return amount.fill_null(0).cast("decimal(38,2)").max(where=condition)

    change = known.group_by("household_id").agg(
        recent_net_cny=at(known.net_cny, is_now),
        recent_net_before_cny=at(known.net_cny, ~is_now),
        recent_wage_cny=at(known.wage_cny, is_now),
        **{c: at(known[c], is_now) for c in own.columns if c != "household_id"},
        recent_wage_before_cny=at(known.wage_cny, ~is_now),
    )
    half, rows = window_frame([now], window=six), _periods_up_to_now(context, six)
    paid = rows.group_by("household_id").agg(n_paid=rows.period_start.nunique(where=rows.n_wages > 0))
    seen = _present(context, half, minimum=6).left_join(paid, "household_id").drop("household_id_right")
    wages = seen.select("household_id", wage_months_6m=seen.n_paid.fill_null(0))
    return wages.left_join(change, "household_id").drop("household_id_right")


def _months_of(rows: ir.Table, now: Any) -> ir.Table:
    """Sums of `_by_period` by household: net_cny, wage_cny, recent_remittance_cny, and of single months, an amount for several spread evenly."""
    months = (rows.period_end.year() - rows.period_start.year()) * 12 + rows.period_end.month() - rows.period_start.month() + 1
    lag = (now.year - rows.period_end.year()) * 12 + now.month - rows.period_end.month()

    def of(column: str, k: int) -> Any:
        share = (rows[column] / months).cast("decimal(38,2)")
        return share.sum(where=(lag <= k) & (lag + months > k))

    return rows.group_by("household_id").agg(
        net_cny=rows.net_cny.sum(),
        wage_cny=rows.wage_cny.sum(),
        recent_remittance_cny=rows.remittance_cny.sum(),
        last_net_cny=of("net_cny", 0),
        second_net_cny=of("net_cny", 1),
        last_remittance_cny=of("remittance_cny", 0),
    )


def _by_period(rows: ir.Table) -> ir.Table:
    """Rows of the ledger by household and period: net_cny, wage_cny (net), n_wages (wages above zero)."""
    wage = rows.source == "wage"
    return rows.group_by("household_id", "period_start", "period_end").agg(
        net_cny=rows.net_cny.sum(),
        wage_cny=rows.net_cny.sum(where=wage),
        remittance_cny=rows.net_cny.sum(where=rows.item == "remittance"),
        n_wages=rows.count(where=wage & (rows.net_cny > 0)),
    )


def _periods_up_to_now(context: Context, window: Window) -> ir.Table:
    """`_by_period` of a window that ends with the account's, for townships that delivered all of it."""
    now, start = context.ending_on, window.bounds(context.ending_on)[0]
    if start < context.spec.window.bounds(now)[0]:
        return _by_period(window_income(context.view, ends=[now], window=window))
    return _by_period(context.ledger).filter(lambda t: t.period_start >= start)


def _present(context: Context, windows: ir.Table, *, minimum: int) -> ir.Table:
    """Households with members on a window's last day whose township delivered at least `minimum` of its months."""
    path = context.path.filter(context.path.lag_months.isin((0, 12)))
    homes = path.select("household_id", "ending_on", "lag_months", township_code=path.village_code // 1000)
    months = delivered_months(context.view, windows)
    return homes.semi_join(months.filter(months.months_delivered >= minimum), ["township_code", "ending_on"]).drop("township_code")


FAMILY = Family(name="income", zh="收入", en="income", features=FEATURES, build=build)
