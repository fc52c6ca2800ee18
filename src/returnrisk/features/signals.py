"""Signals: what households and others reported, by subject, and what visits found.

The channel of a signal is never read: the person complained about may be the one who visits. Nor who raised it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.features.common import in_last_months, months_since, zero_where_delivered

LIVELIHOOD = ("job_lost", "income_low", "debt", "food")
HEALTH = ("illness", "injury")
GUARANTEES = ("housing", "water", "schooling")
_f = partial(
    Feature,
    family="signals",
    record="signal",
    verify_zh="核实所反映的困难是否属实、是否已解决",
    verify_en="Find out whether the reported difficulty is real and whether it has been solved",
)
_visit = partial(
    _f,
    record="visit",
    verify_zh="核对上次走访发现的问题是否已解决",
    verify_en="Check whether what the last visit found has been solved",
)
FEATURES = (
    _f("n_signals_3m", unit="count", zh="近3个月困难线索数", en="reports of difficulty in 3 months", monotone=0),
    _f("n_signals_12m", unit="count", zh="近12个月困难线索数", en="reports of difficulty in 12 months", monotone=0),
    _f("n_livelihood_signals_12m", unit="count", zh="近12个月失业、收入、债务或吃穿方面的线索数", en="reports on jobs, income, debt or food in 12 months", monotone=0),
    _f("n_health_signals_12m", unit="count", zh="近12个月患病或受伤方面的线索数", en="reports on illness or injury in 12 months", monotone=0),
    _f("n_guarantee_signals_12m", unit="count", zh="近12个月住房、饮水或就学方面的线索数", en="reports on housing, water or schooling in 12 months", monotone=0),
    _visit("risk_confirmed_12m", unit="flag", zh="近12个月走访核实有风险", en="a visit confirmed a risk in 12 months", monotone=0),
    _visit("livelihood_risk_confirmed_12m", unit="flag", zh="近12个月走访核实有失业、产业或灾害风险", en="a visit confirmed a risk from jobs, industry or disaster in 12 months", monotone=0),
    _visit("months_since_visit", unit="months", zh="距上次走访的月数", en="months since the last visit", monotone=0),
)  # fmt: skip


def build(context: Context) -> Any:
    """One row per household of the day: the features, `on_signal` and `on_visit`."""
    import ibis

    day = ibis.literal(context.view.day)
    s = context.view.table("signal").drop("channel")
    s = s.filter(s.raised_on <= day)
    year = in_last_months(context, s.raised_on, 12)
    raised = s.group_by("household_id").agg(
        on_signal=s.recorded_on.max(),
        n_signals_3m=s.count(where=in_last_months(context, s.raised_on, 3)),
        n_signals_12m=s.count(where=year),
        n_livelihood_signals_12m=s.count(where=year & s.code.isin(LIVELIHOOD)),
        n_health_signals_12m=s.count(where=year & s.code.isin(HEALTH)),
        n_guarantee_signals_12m=s.count(where=year & s.code.isin(GUARANTEES)),
    )
    t = zero_where_delivered(context, raised, table="signal", columns=[f.name for f in FEATURES if f.record == "signal"])
    v = context.view.table("visit")
    v = v.filter(v.visited_on <= day)
    confirmed = (v.finding == "risk_confirmed") & in_last_months(context, v.visited_on, 12)
    found = v.group_by("household_id").agg(
        on_visit=v.recorded_on.max(),
        risk_confirmed_12m=confirmed.any().cast("int8"),
        livelihood_risk_confirmed_12m=(confirmed & v.verified_risk.isin(("job_loss", "industry", "disaster")).fill_null(False))
        .any()
        .cast("int8"),
        visited_on=v.visited_on.max(),
    )
    seen = zero_where_delivered(context, found, table="visit", columns=("risk_confirmed_12m", "livelihood_risk_confirmed_12m"))
    t = t.left_join(seen, "household_id").drop("household_id_right")
    return t.mutate(months_since_visit=months_since(context.view.day, t.visited_on)).select(
        "household_id", "on_signal", "on_visit", *[f.name for f in FEATURES]
    )


FAMILY = Family(
    name="signals", zh="线索和走访", en="signals and visits", features=FEATURES, build=build, tables=("signal", "visit")
)
