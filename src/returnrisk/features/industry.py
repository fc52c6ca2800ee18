"""Industry: projects the household is linked to, dividends promised and received, and the price of what it grows or raises."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import divide, in_last_months, log_ratio, months_since, where, zero_where_delivered
from returnrisk.timeline import Window, add_months

if TYPE_CHECKING:
    import ibis.expr.types as ir

STOPPED = ("suspended", "failed")
CROP_PRODUCTS = ("grain", "cash_crop", "vegetable", "fruit")
LIVESTOCK_PRODUCTS = ("pig", "cattle_sheep", "poultry")
_f = partial(
    Feature,
    family="industry",
    record="industry_project",
    responsible="office",
    verify_zh="核对产业项目：是否正常运行，分红是否按约定兑现，停产的有无替代项目",
    verify_en="Check the projects: running, dividends paid as promised, and what replaces one that stopped",
)
FEATURES = (
    _f("n_projects_running", unit="count", zh="正常运行的联结产业项目数", en="linked projects running", monotone=0),
    _f("n_projects_stopped", unit="count", zh="停产或失败的联结产业项目数", en="linked projects suspended or failed", monotone=1),
    _f("project_stopped_12m", unit="flag", zh="近12个月联结产业项目停产或失败", en="a linked project suspended or failed in 12 months", monotone=1),
    _f("months_since_project_change", unit="months", zh="距联结产业项目最近一次状态变动的月数", en="months since the state of a linked project changed", monotone=0),
    _f("promised_dividend_line_ratio", unit="lines", zh="人均约定分红（年）", en="promised dividends per head, yearly", monotone=0),
    _f("dividend_received_share", unit="ratio", zh="实收分红与约定分红之比", en="dividends received against those promised", monotone=0),
    _f("product_price_change_12m", unit="log_change", zh="主要农产品价格较上年同期的变化", en="change of its main products' prices on a year before", monotone=0, record="price", responsible="market_or_nature",
       verify_zh="了解主要种养产品的销路和价格", verify_en="Ask how its main products sell and at what price"),
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features, `on_industry_project` and `on_price`."""
    import ibis

    p = context.view.table("industry_project")
    p = p.filter((p.linked_on <= ibis.literal(context.view.day)) & (p.state_on <= ibis.literal(context.view.day)))
    stopped, running = p.state.isin(STOPPED), p.state == "running"
    rows = p.group_by("household_id").agg(
        on_industry_project=p.recorded_on.max(),
        n_projects_running=p.count(where=running),
        n_projects_stopped=p.count(where=stopped),
        project_stopped_12m=(stopped & in_last_months(context, p.state_on, 12)).any().cast("int8"),
        # what a project that stopped within the year had promised is still what the household counted on
        promised_cny=p.dividend_cny_year.sum(where=running | (stopped & in_last_months(context, p.state_on, 12))),
        changed_on=p.state_on.max(),
    )
    counted = ("n_projects_running", "n_projects_stopped", "project_stopped_12m", "promised_cny")
    t = zero_where_delivered(context, rows, table="industry_project", columns=counted)
    for right in (_earned(context), _prices(context)):
        t = t.left_join(right, "household_id").drop("household_id_right")
    received = t.dividend_cny.fill_null(0).cast("float64") * 12 / t.months_delivered.nullif(0)
    return t.mutate(
        months_since_project_change=months_since(context.view.day, t.changed_on),
        promised_dividend_line_ratio=divide(t.promised_cny, t.line_heads),
        dividend_received_share=where(t.months_delivered.notnull(), received / t.promised_cny.nullif(0)),
    ).select("household_id", "on_industry_project", "on_price", *[f.name for f in FEATURES])


def _earned(context: Context) -> ir.Table:
    """Dividends in the account's latest window, and its delivered months."""
    rows = context.items
    rows = rows.filter(rows.item == "collective_dividend").group_by("household_id").agg(dividend_cny=lambda t: t.gross_cny.sum())
    now = context.now.filter(context.now.computable).select("household_id", "months_delivered")
    return now.left_join(rows, "household_id").drop("household_id_right")


def _prices(context: Context) -> ir.Table:
    """Price change of growers' and herders' products, weighed by what each brings in gross; a county's ledger names no crop.

    The last three months of the account against the same months a year before, each product alone, products of a kind averaged.
    """
    import ibis

    start, end = Window("trailing", 3).bounds(context.ending_on)
    year_start = add_months(start, -12)
    price = context.view.table("price")
    now = (price.period_start >= ibis.literal(start)) & (price.period_start <= ibis.literal(end))
    before = (price.period_start >= ibis.literal(year_start)) & (price.period_start < ibis.literal(add_months(year_start, 3)))
    products = price.group_by("product").agg(
        now_cny=price.price_cny_kg.cast("float64").mean(where=now),
        before_cny=price.price_cny_kg.cast("float64").mean(where=before),
        recorded_on=price.recorded_on.max(where=now),
    )
    changes = products.mutate(change=products.now_cny / products.before_cny.nullif(0) - 1)
    kinds = changes.aggregate(
        crop_change=changes.change.mean(where=changes["product"].isin(CROP_PRODUCTS)),
        livestock_change=changes.change.mean(where=changes["product"].isin(LIVESTOCK_PRODUCTS)),
        on_price=changes.recorded_on.max(),
    )
    items = context.items
    sold = items.filter(items.item.isin(("crops", "livestock")))
    sold = sold.group_by("household_id").agg(
        crops_cny=sold.gross_cny.sum(where=sold.item == "crops").cast("float64").fill_null(0.0),
        livestock_cny=sold.gross_cny.sum(where=sold.item == "livestock").cast("float64").fill_null(0.0),
    )
    t = sold.cross_join(kinds)
    # a kind that is not sold needs no price; one that is sold and has none leaves the change unknown
    crops = ibis.cases((t.crops_cny > 0, t.crops_cny * t.crop_change), else_=0.0)
    livestock = ibis.cases((t.livestock_cny > 0, t.livestock_cny * t.livestock_change), else_=0.0)
    ratio = (1 + (crops + livestock) / (t.crops_cny + t.livestock_cny).nullif(0)).round(9)
    change = log_ratio(ratio)
    return t.select("household_id", product_price_change_12m=change, on_price=where(change.notnull(), t.on_price))


FAMILY = Family(name="industry", zh="产业", en="industry", features=FEATURES, build=build, tables=("industry_project", "price"))
