"""What ties the counts of a roll-up together: what a reader of some of them could work out of the others.

A count is named (table, code, column); its cells are the county and the townships. Relations are of counts in one area, and every
township's count adds to the county's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.screening.rollup import SOURCES, VERDICTS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Count = tuple[str, str, str]
CODES = {"areas": "", "causes": "cause", "alerts": "rule", "categories": "category", "elimination": "state", "checks": "code", "coverage": ""}  # fmt: skip
"""Published tables, and the column that with the area makes their rows."""
ALERT_STATES = ("n_open", "n_visited", "n_verified_risk", "n_verified_none", "n_closed")
HOMES: Count = ("areas", "", "n_households")
NOT_SAME_JUDGED: Count = ("areas", "", "n_not_same_judged")


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of the county (place 0) and its townships.

    Attributes
    ----------
    names
        What is counted, each once.
    values
        int64, counts x areas.
    """

    names: tuple[Count, ...]
    values: np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Relation:
    """In every area: the sum of coefficient x count is zero (`exact`), or at most zero."""

    terms: tuple[tuple[Count, int], ...]
    exact: bool


def counts_of(tables: dict[str, pd.DataFrame]) -> Counts:
    """Every count of the tables (county and townships only, sorted), and `NOT_SAME_JUDGED`."""
    import numpy as np

    names: list[Count] = []
    values = []
    for table, key in CODES.items():
        frame = _with_rest(tables[table])
        parts = [("", frame)] if not key else [(str(code), part) for code, part in frame.groupby(key, sort=True)]
        for code, part in parts:
            for column in count_columns(part):
                name = one_name(table, code, column)
                if name not in names:
                    names.append(name)
                    values.append(part[column].to_numpy(dtype="int64"))
    return Counts(tuple(names), np.array(values, dtype="int64"))


def _with_rest(frame: pd.DataFrame) -> pd.DataFrame:
    """Households screened whose same period cannot be judged: nowhere printed, but the difference of two figures that are."""
    if not {"n_screened", "n_same_judged"} <= set(frame.columns):
        return frame
    return frame.assign(**{NOT_SAME_JUDGED[2]: frame["n_screened"] - frame["n_same_judged"]})


def count_columns(frame: pd.DataFrame) -> list[str]:
    """Columns that hold counts."""
    return [c for c in frame.columns if c.startswith(("n_", "arrived_")) and not c.endswith("_mean")]


def one_name(table: str, code: str, column: str) -> Count:
    """The count's name; the same for what several rows or tables repeat."""
    if (table, column) == ("causes", "n_fall_any"):
        return table, "", column
    return HOMES if (table, column) == ("coverage", "n_households") else (table, code, column)


def relations(names: tuple[Count, ...]) -> list[Relation]:
    """Sums and inclusions that hold by what the counts mean."""
    codes: dict[str, list[str]] = {table: sorted({n[1] for n in names if n[0] == table and n[1]}) for table in CODES}
    return [
        *_of_areas(),
        *_of_causes(codes["causes"]),
        *_of_alerts(codes["alerts"]),
        *(_sums(HOMES, [("categories", code, c) for c in ("n_yes", "n_no", "n_cannot_tell")]) for code in codes["categories"]),
        _sums(_area("n_monitored"), [("elimination", code, "n_households") for code in codes["elimination"]]),
        *_of_checks(codes["checks"]),
        *_of_coverage(names),
    ]


def _of_areas() -> Iterator[Relation]:
    yield _sums(_area("n_screened"), [_area(f"n_{verdict}") for verdict in VERDICTS])
    yield _sums(_area("n_screened"), [_area("n_same_judged"), NOT_SAME_JUDGED])
    inside = [
        (NOT_SAME_JUDGED[2], "n_unknown"),  # whose year can be judged, has the same period on file
        ("n_monitored", "n_households"),
        ("n_screened", "n_households"),
        ("n_same_fall", "n_same_judged"),
        ("n_below_line", "n_screened"),
        ("n_fall", "n_below_target"),
        *((f"n_fall_{source}", "n_screened") for source in SOURCES),
        ("n_alerted", "n_alerts"),
        ("n_alerted", "n_households"),
        ("n_must_visit", "n_alerted"),
        ("n_new_alerts", "n_alerts"),
        ("n_overdue", "n_alerts"),
    ]
    yield from (_within(_area(part), _area(whole)) for part, whole in inside)
    yield _at_most([_area("n_below_target"), _area("n_unknown")], [_area("n_screened")])


def _of_causes(codes: list[str]) -> Iterator[Relation]:
    """A household with a fall, in any source or in all, has a cause."""
    falling = ("causes", "", "n_fall_any")
    sources = [_area(f"n_fall_{source}") for source in SOURCES]
    yield _within(falling, _area("n_screened"))
    yield from (_within(part, falling) for part in (_area("n_fall"), *sources))
    yield _at_most([falling], [_area("n_fall"), *sources])
    yield _at_most([falling], [("causes", code, "n_households") for code in codes])
    for code in codes:
        yield _within(("causes", code, "n_households"), falling)
        yield _within(("causes", code, "n_explained"), ("causes", code, "n_households"))


def _of_alerts(codes: list[str]) -> Iterator[Relation]:
    for code in codes:
        every = ("alerts", code, "n_alerts")
        yield _sums(every, [("alerts", code, state) for state in ALERT_STATES])
        yield _at_most([("alerts", code, "n_overdue")], [("alerts", code, "n_open"), ("alerts", code, "n_visited")])
        yield _within(("alerts", code, "n_new"), every)
        yield _within(("alerts", code, "n_households"), every)
        yield _within(("alerts", code, "n_households"), HOMES)
    still = [(("alerts", code, column), sign) for code in codes for column, sign in (("n_alerts", 1), ("n_closed", -1))]
    yield Relation((*still, (_area("n_alerts"), -1)), exact=True)
    yield _sums(_area("n_overdue"), [("alerts", code, "n_overdue") for code in codes])
    yield _sums(_area("n_new_alerts"), [("alerts", code, "n_new") for code in codes])
    yield _at_most([_area("n_new_alerts")], [("alerts", code, "n_new") for code in codes])


def _of_checks(codes: list[str]) -> Iterator[Relation]:
    for code in codes:
        results = [("checks", code, c) for c in ("n_problem", "n_fine", "n_cannot_tell")]
        yield from (_at_most(results, [whole]) for whole in (HOMES, _area("n_monitored")))


def _of_coverage(names: tuple[Count, ...]) -> Iterator[Relation]:
    arrived = [n for n in names if n[2].startswith("arrived_")]
    yield _sums(HOMES, [("coverage", "", "arrived_income"), ("coverage", "", "n_without_income")])
    for name in arrived:
        yield _at_most([name, ("coverage", "", "n_without_any")], [HOMES])


def _area(column: str) -> Count:
    return "areas", "", column


def _sums(whole: Count, parts: list[Count]) -> Relation:
    return Relation((*((part, 1) for part in parts), (whole, -1)), exact=True)


def _within(part: Count, whole: Count) -> Relation:
    return _at_most([part], [whole])


def _at_most(less: list[Count], more: list[Count]) -> Relation:
    return Relation((*((n, 1) for n in less), *((n, -1) for n in more)), exact=False)
