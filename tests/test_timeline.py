"""Days, windows, settlement days and splits; the embargo as a property."""

from __future__ import annotations

import calendar
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from returnrisk.errors import ConfigError, NotEnoughDataError
from returnrisk.timeline import (
    IncomeYear,
    Split,
    Window,
    add_months,
    last_closed_month_end,
    matured,
    month_end,
    month_start,
    months_between,
    settlement_days,
    temporal_split,
)

DAYS = st.dates(dt.date(2000, 1, 1), dt.date(2050, 12, 31))
MONTH_ENDS = DAYS.map(month_end)
ONE_DAY = dt.timedelta(days=1)


def d(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@given(DAYS)
def test_a_month_end_is_the_last_day_of_its_month(day: dt.date):
    last = month_end(day)
    assert (last.year, last.month) == (day.year, day.month)
    assert (last + ONE_DAY).day == 1
    assert month_start(last) == day.replace(day=1)


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2024-01-31", 1, "2024-02-29"),
        ("2023-01-31", 1, "2023-02-28"),
        ("2023-02-28", 1, "2023-03-31"),
        ("2024-02-28", 1, "2024-03-28"),
        ("2024-02-29", -12, "2023-02-28"),
        ("2024-12-31", 1, "2025-01-31"),
        ("2024-01-15", -1, "2023-12-15"),
        ("2024-01-30", 1, "2024-02-29"),
        ("2024-03-15", 0, "2024-03-15"),
    ],
)
def test_adding_months_by_hand(day: str, months: int, expected: str):
    assert add_months(d(day), months) == d(expected)


@given(MONTH_ENDS, st.integers(-120, 120))
def test_adding_months_to_a_month_end_can_be_undone(day: dt.date, months: int):
    moved = add_months(day, months)
    assert moved == month_end(moved)
    assert months_between(day, moved) == months
    assert add_months(moved, -months) == day


@given(DAYS, st.integers(0, 120))
def test_the_last_closed_month_is_the_latest_one_that_was_due(day: dt.date, delay: int):
    closed = last_closed_month_end(day, delay_days=delay)
    assert closed == month_end(closed)
    assert closed + dt.timedelta(days=delay) <= day
    assert month_end(closed + ONE_DAY) + dt.timedelta(days=delay) > day


@given(DAYS)
def test_an_income_year_runs_from_october_to_september(day: dt.date):
    year = IncomeYear.containing(day)
    assert year.first_day <= day <= year.last_day
    assert (year.first_day.month, year.first_day.day, year.last_day.month, year.last_day.day) == (10, 1, 9, 30)
    assert year.first_day + dt.timedelta(days=365 + calendar.isleap(year.year)) == year.last_day + ONE_DAY


@pytest.mark.parametrize(
    ("window", "end", "first"),
    [
        (Window("trailing", 12), "2024-09-30", "2023-10-01"),
        (Window("trailing", 1), "2024-02-29", "2024-02-01"),
        (Window("trailing", 3), "2024-02-29", "2023-12-01"),
        (Window("trailing", 24), "2024-02-29", "2022-03-01"),
        (Window("income_year"), "2024-09-30", "2023-10-01"),
        (Window("income_year"), "2024-10-31", "2024-10-01"),
        (Window("income_year"), "2024-01-31", "2023-10-01"),
    ],
)
def test_windows_by_hand(window: Window, end: str, first: str):
    assert window.bounds(d(end)) == (d(first), d(end))


@pytest.mark.parametrize(("kind", "months"), [("rolling", 12), ("trailing", 0), ("trailing", 61)])
def test_a_window_that_cannot_be_meant_is_refused(kind: str, months: int):
    with pytest.raises(ConfigError, match="window"):
        Window(kind, months)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("as_of", "horizon", "settlement", "expected"),
    [
        ("2024-06-30", 12, "quarter_end", ["2024-09-30", "2024-12-31", "2025-03-31", "2025-06-30"]),
        ("2024-05-31", 12, "quarter_end", ["2024-06-30", "2024-09-30", "2024-12-31", "2025-03-31"]),
        ("2024-06-30", 12, "income_year_end", ["2024-09-30"]),
        ("2024-09-30", 12, "income_year_end", ["2025-09-30"]),
        ("2024-08-31", 24, "income_year_end", ["2024-09-30", "2025-09-30"]),
        ("2024-01-31", 2, "month_end", ["2024-02-29", "2024-03-31"]),
        ("2024-01-15", 2, "month_end", ["2024-01-31", "2024-02-29"]),
        ("2024-02-29", 1, "month_end", ["2024-03-31"]),
    ],
)
def test_settlement_days_by_hand(as_of: str, horizon: int, settlement, expected: list[str]):
    assert settlement_days(d(as_of), horizon_months=horizon, settlement=settlement) == [d(x) for x in expected]


def test_a_horizon_without_a_settlement_day_is_refused():
    with pytest.raises(ConfigError, match="lengthen the horizon"):
        settlement_days(d("2024-09-30"), horizon_months=6, settlement="income_year_end")
    with pytest.raises(ConfigError, match="settlement is 'yearly'"):
        settlement_days(d("2024-09-30"), horizon_months=6, settlement="yearly")  # type: ignore[arg-type]


@given(MONTH_ENDS, st.integers(3, 48), st.sampled_from(["month_end", "quarter_end"]))
def test_settlement_days_lie_inside_the_horizon_and_none_is_left_out(as_of: dt.date, horizon: int, settlement):
    days = settlement_days(as_of, horizon_months=horizon, settlement=settlement)
    assert days == sorted(set(days))
    step = {"month_end": 1, "quarter_end": 3}[settlement]
    assert len(days) == horizon // step + (settlement == "quarter_end" and as_of.month % 3 + horizon % 3 >= 3)
    assert all(as_of < day <= add_months(as_of, horizon) and day.month % step == 0 for day in days)


def test_matured_waits_for_horizon_and_delay():
    assert matured(d("2023-06-30"), known_on=d("2024-08-14"), horizon_months=12, delay_days=45)
    assert not matured(d("2023-06-30"), known_on=d("2024-08-13"), horizon_months=12, delay_days=45)


def test_a_split_by_hand():
    days = [add_months(d("2020-03-31"), 3 * k) for k in range(19)]  # to 2024-09-30
    split = temporal_split(days, known_on=d("2024-09-30"), horizon_months=12, delay_days=45, n_calibrate=2, n_test=2)
    # known by 2024-09-30 with 45 days: outcomes closed by 2024-08-16, so the last usable day is 2023-06-30
    assert split.test == (d("2023-03-31"), d("2023-06-30"))
    # known by 2023-03-31: closed by 2023-02-14, last day 2021-12-31
    assert split.calibrate == (d("2021-09-30"), d("2021-12-31"))
    # known by 2021-09-30: closed by 2021-08-16, last day 2020-06-30
    assert split.fit == (d("2020-03-31"), d("2020-06-30"))


PLANS = st.fixed_dictionaries(
    {
        "horizon_months": st.integers(1, 24),
        "delay_days": st.integers(0, 90),
        "n_calibrate": st.integers(1, 4),
        "n_test": st.integers(1, 4),
    }
)


@given(
    first=MONTH_ENDS,
    n_days=st.integers(1, 60),
    step=st.sampled_from([1, 3, 6]),
    plan=PLANS,
    later=st.tuples(st.integers(0, 36), st.none() | st.integers(0, 80)),
    rng=st.randoms(use_true_random=False),
)
def test_no_label_window_reaches_into_what_comes_later(first, n_days, step, plan, later, rng):
    horizon, n_calibrate, n_test = plan["horizon_months"], plan["n_calibrate"], plan["n_test"]
    days = [add_months(first, step * k) for k in range(n_days)]
    known_on = add_months(days[-1], later[0])
    train_known_on = None if later[1] is None else add_months(first, later[1])
    shuffled = rng.sample(days, len(days)) + days[:2]  # any order, repeated days
    try:
        split = temporal_split(shuffled, known_on=known_on, train_known_on=train_known_on, **plan)
    except NotEnoughDataError as error:
        assert f"{len(days)} candidate days" in str(error)  # noqa: PT017 (a property: either a split or this error)
        return
    assert all(list(part) == sorted(set(part)) and set(part) <= set(days) for part in (split.fit, split.calibrate, split.test))
    reported = dt.timedelta(days=plan["delay_days"])
    assert add_months(split.fit[-1], horizon) + reported <= split.calibrate[0]
    assert add_months(split.calibrate[-1], horizon) + reported <= (train_known_on or split.test[0])
    assert add_months(split.test[-1], horizon) + reported <= known_on
    assert split.calibrate[-1] < split.test[0]
    assert len(split.calibrate) <= n_calibrate
    if train_known_on is None:
        assert len(split.test) <= n_test
    else:
        assert split.test[0] > train_known_on
    _assert_nothing_usable_is_left_out(split, days, known_on, horizon, reported, train_known_on, n_calibrate)


def _assert_nothing_usable_is_left_out(
    split: Split,
    days: list[dt.date],
    known_on: dt.date,
    horizon: int,
    reported: dt.timedelta,
    train_known_on: dt.date | None,
    n_calibrate: int,
):
    def closed(day: dt.date, by: dt.date) -> bool:
        return add_months(day, horizon) + reported <= by

    assert set(split.fit) == {x for x in days if closed(x, split.calibrate[0])}
    boundary = train_known_on or split.test[0]
    assert list(split.calibrate) == [x for x in days if closed(x, min(boundary, known_on))][-n_calibrate:]
    assert max(split.test) == max(x for x in days if closed(x, known_on))


def test_a_history_too_short_says_what_is_missing_and_what_to_do():
    days = [add_months(d("2023-03-31"), 3 * k) for k in range(5)]
    with pytest.raises(
        NotEnoughDataError, match=r"fit or calibrate: 5 candidate days, 1 with a closed outcome by 2024-06-30"
    ) as caught:
        temporal_split(days, known_on=d("2024-06-30"), horizon_months=12, delay_days=45, n_calibrate=1, n_test=1)
    assert "Give more history" in str(caught.value)
    with pytest.raises(NotEnoughDataError, match="0 candidate days"):
        temporal_split([], known_on=d("2024-06-30"), horizon_months=12, delay_days=45, n_calibrate=1, n_test=1)


@pytest.mark.parametrize("part", ["n_calibrate", "n_test"])
def test_no_days_asked_for_is_not_all_days(part: str):
    """Zero days to calibrate or test on cannot be meant; `[-0:]` must not quietly give every day to it."""
    days = [add_months(d("2018-03-31"), 3 * k) for k in range(28)]
    asked = {"n_calibrate": 2, "n_test": 2, part: 0}
    with pytest.raises((NotEnoughDataError, ConfigError)):
        temporal_split(days, known_on=d("2025-09-30"), horizon_months=12, delay_days=45, **asked)
