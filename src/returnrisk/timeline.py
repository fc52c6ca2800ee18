"""Days, windows, settlement days and temporal splits: the vocabulary of time, without any data.

    fit days          calibration days        test days            today
    ──●──●──●──┐      ──●──●──┐               ──●──●──┐            ──●──
               └─ horizon ─┴─ delay ─┤        └─ horizon ─┴─ delay ─┤
    A day is used for fitting only if its outcome was known before the first calibration day, and for calibration only if its
    outcome was known before the first test day: the embargo is one horizon plus the reporting delay.

Days are calendar days of Asia/Shanghai (`datetime.date`). A month is a calendar month; an income year runs from 1 October to
30 September and carries the year in which it ends.
"""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass
from typing import Literal

from returnrisk.errors import ConfigError, NotEnoughDataError

Settlement = Literal["month_end", "quarter_end", "income_year_end"]
WindowKind = Literal["trailing", "income_year"]

_SETTLEMENT_MONTHS: dict[Settlement, frozenset[int]] = {
    "month_end": frozenset(range(1, 13)),
    "quarter_end": frozenset({3, 6, 9, 12}),
    "income_year_end": frozenset({9}),
}


def month_end(day: dt.date) -> dt.date:
    """Last day of the month of `day`.

    Examples
    --------
    >>> month_end(dt.date(2024, 2, 3))
    datetime.date(2024, 2, 29)
    """
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def month_start(day: dt.date) -> dt.date:
    """First day of the month of `day`."""
    return day.replace(day=1)


def add_months(day: dt.date, months: int) -> dt.date:
    """`day` moved by whole months; a month end stays a month end.

    Examples
    --------
    >>> add_months(dt.date(2024, 2, 29), 12), add_months(dt.date(2024, 3, 31), -1)
    (datetime.date(2025, 2, 28), datetime.date(2024, 2, 29))
    """
    index = day.year * 12 + day.month - 1 + months
    first = dt.date(index // 12, index % 12 + 1, 1)
    last = month_end(first)
    return last if day == month_end(day) else first.replace(day=min(day.day, last.day))


def months_between(earlier: dt.date, later: dt.date) -> int:
    """Whole calendar months from the month of `earlier` to the month of `later` (may be negative)."""
    return (later.year - earlier.year) * 12 + later.month - earlier.month


def last_closed_month_end(day: dt.date, *, delay_days: int) -> dt.date:
    """Latest month end whose records, `delay_days` late, were due by `day`.

    Examples
    --------
    >>> last_closed_month_end(dt.date(2025, 9, 30), delay_days=45)
    datetime.date(2025, 7, 31)
    >>> last_closed_month_end(dt.date(2025, 9, 30), delay_days=0)
    datetime.date(2025, 9, 30)
    """
    latest = day - dt.timedelta(days=delay_days)
    return latest if latest == month_end(latest) else month_start(latest) - dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class IncomeYear:
    """The year 1 October to 30 September in which household income is settled; `year` is the one it ends in.

    Examples
    --------
    >>> IncomeYear.containing(dt.date(2024, 10, 1))
    IncomeYear(year=2025)
    >>> IncomeYear(2025).first_day, IncomeYear(2025).last_day
    (datetime.date(2024, 10, 1), datetime.date(2025, 9, 30))
    """

    year: int

    @classmethod
    def containing(cls, day: dt.date) -> IncomeYear:
        """The income year that holds `day`."""
        return cls(day.year + (day.month >= 10))

    @property
    def first_day(self) -> dt.date:
        """1 October of the calendar year before."""
        return dt.date(self.year - 1, 10, 1)

    @property
    def last_day(self) -> dt.date:
        """30 September, the settlement day."""
        return dt.date(self.year, 9, 30)


@dataclass(frozen=True, slots=True)
class Window:
    """The months an account adds up: the last `months` months, or the income year up to a day.

    Examples
    --------
    >>> Window("trailing", 12).bounds(dt.date(2025, 7, 31))
    (datetime.date(2024, 8, 1), datetime.date(2025, 7, 31))
    >>> Window("income_year").bounds(dt.date(2025, 7, 31))
    (datetime.date(2024, 10, 1), datetime.date(2025, 7, 31))
    """

    kind: WindowKind = "trailing"
    months: int = 12

    def __post_init__(self) -> None:
        if self.kind not in ("trailing", "income_year"):
            raise ConfigError(f"window kind is '{self.kind}'; expected 'trailing' or 'income_year'")
        if not 1 <= self.months <= 60:
            raise ConfigError(f"window months is {self.months}; expected 1 to 60")

    def bounds(self, ending_on: dt.date) -> tuple[dt.date, dt.date]:
        """First and last day of the window that ends on `ending_on` (a month end)."""
        if self.kind == "income_year":
            return IncomeYear.containing(ending_on).first_day, ending_on
        return month_start(add_months(ending_on, 1 - self.months)), ending_on


def settlement_days(as_of: dt.date, *, horizon_months: int, settlement: Settlement) -> list[dt.date]:
    """Settlement days in (as_of, as_of + horizon], earliest first.

    Raises
    ------
    ConfigError
        The horizon holds no settlement day at all.

    Examples
    --------
    >>> settlement_days(dt.date(2024, 1, 31), horizon_months=6, settlement="quarter_end")
    [datetime.date(2024, 3, 31), datetime.date(2024, 6, 30)]
    """
    if settlement not in _SETTLEMENT_MONTHS:
        raise ConfigError(f"settlement is '{settlement}'; expected one of {', '.join(_SETTLEMENT_MONTHS)}")
    last = add_months(as_of, horizon_months)
    ends = (month_end(add_months(month_start(as_of), k)) for k in range(horizon_months + 1))
    days = [d for d in ends if as_of < d <= last and d.month in _SETTLEMENT_MONTHS[settlement]]
    if not days:
        raise ConfigError(f"no {settlement} within {horizon_months} months after {as_of}: lengthen the horizon")
    return days


@dataclass(frozen=True, slots=True)
class Split:
    """Days for fitting, calibrating and testing, in this order of time, each a tuple of `as_of` days.

    `refit` are all days whose outcome was known before the first test day: those of fit and calibration, and those between.
    """

    fit: tuple[dt.date, ...]
    calibrate: tuple[dt.date, ...]
    test: tuple[dt.date, ...]
    refit: tuple[dt.date, ...]


def matured(day: dt.date, *, known_on: dt.date, horizon_months: int, delay_days: int) -> bool:
    """Whether the outcome of `day` had closed, reporting delay over, by `known_on`."""
    return add_months(day, horizon_months) + dt.timedelta(days=delay_days) <= known_on


def temporal_split(
    days: list[dt.date],
    *,
    known_on: dt.date,
    horizon_months: int,
    delay_days: int,
    n_calibrate: int,
    n_test: int,
    train_known_on: dt.date | None = None,
) -> Split:
    """Cut `days` into fit, calibrate and test with an embargo of one horizon plus the delay between each.

    Parameters
    ----------
    days
        Candidate `as_of` days, any order.
    known_on
        The day on which outcomes are looked at; a day whose outcome was not known by then is left out (censored).
    n_calibrate, n_test
        How many of the latest possible days go to calibration and to the test.
    train_known_on
        Outcomes for fitting and calibrating must be known by this day; default the first test day. Given, every matured day
        after it is a test day and `n_test` is not used.

    Raises
    ------
    NotEnoughDataError
        One of the three parts would be empty.

    Examples
    --------
    >>> ends = [add_months(dt.date(2020, 1, 31), 3 * k) for k in range(24)]
    >>> cut = temporal_split(ends, known_on=ends[-1], horizon_months=12, delay_days=0, n_calibrate=1, n_test=2)
    >>> cut.fit[-1], cut.calibrate, cut.test[0]
    (datetime.date(2022, 7, 31), (datetime.date(2023, 7, 31),), datetime.date(2024, 7, 31))
    """

    def closed(day: dt.date, by: dt.date) -> bool:
        return matured(day, known_on=by, horizon_months=horizon_months, delay_days=delay_days)

    usable = sorted(d for d in set(days) if closed(d, known_on))
    test = usable[-n_test:] if train_known_on is None else [d for d in usable if d > train_known_on]
    boundary = train_known_on or (test[0] if test else known_on)
    refit = [d for d in usable if closed(d, boundary)]
    calibrate = refit[-n_calibrate:]
    fit = [d for d in usable if calibrate and closed(d, calibrate[0])]
    parts = {"fit": fit, "calibrate": calibrate, "test": test}
    if empty := [name for name, part in parts.items() if not part]:
        raise NotEnoughDataError(
            f"no days left to {' or '.join(empty)}: {len(set(days))} candidate days, {len(usable)} with a closed outcome by "
            f"{known_on}, horizon {horizon_months} months, delay {delay_days} days. Give more history, a shorter horizon or "
            f"fewer calibration and test days."
        )
    return Split(fit=tuple(fit), calibrate=tuple(calibrate), test=tuple(test), refit=tuple(refit))
