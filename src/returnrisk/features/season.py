"""Season: the quarter of the year. On request only, for outcomes that close within the year: a whole year ahead holds every season."""

from __future__ import annotations

from functools import partial
from typing import Any

from returnrisk.features.catalogue import Context, Family, Feature

_f = partial(
    Feature,
    family="season",
    monotone=0,
    record="season",
    responsible="market_or_nature",
    verify_zh="了解本季节常有的收入和支出",
    verify_en="Ask about the income and expenditure usual in this season",
)
FEATURES = (
    _f("quarter_of_year", unit="count", zh="所在季度", en="quarter of the year"),
    # a bonus paid every half-year raises the line and everybody's income in every other quarter
    _f("second_or_fourth_quarter", unit="flag", zh="二季度或四季度", en="second or fourth quarter"),
)


def build(context: Context) -> Any:
    """One row per household of the day: the features and `on_season`."""
    import ibis

    day = context.view.day
    quarter = (day.month + 2) // 3
    return context.homes.select("household_id").mutate(
        on_season=ibis.literal(day),
        quarter_of_year=ibis.literal(quarter),
        second_or_fourth_quarter=ibis.literal(int(quarter % 2 == 0)),
    )


FAMILY = Family(name="season", zh="季节", en="season", features=FEATURES, build=build)
