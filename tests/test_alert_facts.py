"""Facts of alert rules by hand: every aggregate and boundary, windows, empty cells, files missing."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import replace
from decimal import Decimal

import pytest

from returnrisk.policy import (
    AccountFact,
    Condition,
    FactWindow,
    TableFact,
    Threshold,
)
from returnrisk.screening.alert_windows import span_of
from tests.alert_county import (
    DAY,
    FIRED,
    VILLAGE,
    claims,
    county,
    raised,
    rule_of,
    shipped,
    store_for,
    table_fact,
)
from tests.feature_households import Tables, day


def answers(tables: Tables, fact: TableFact) -> tuple[int, int, int]:
    """For how many households the fact holds, does not, cannot be told."""
    row = raised(tables, rule_of(fact)).rules.iloc[0]
    return int(row["n_yes"]), int(row["n_no"]), int(row["n_cannot_tell"])


# -- aggregates and boundaries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comparison", "amounts", "complete", "expected"),
    [
        ("over", (600, 400), True, (0, 1, 0)),
        ("over", (600, 400.01), True, (1, 0, 0)),
        ("over", (600, 400.01), False, (1, 0, 0)),
        ("over", (600,), False, (0, 0, 1)),
        ("over", (), True, (0, 1, 0)),
        ("over", (), False, (0, 0, 1)),
        ("at_least", (600, 400), True, (1, 0, 0)),
        ("at_least", (600, 399.99), True, (0, 1, 0)),
        ("under", (600, 400), True, (0, 1, 0)),
        ("under", (600, 399.99), True, (1, 0, 0)),
        ("under", (600,), False, (0, 0, 1)),
        ("under", (600, 400), False, (0, 1, 0)),
        ("under", (), True, (1, 0, 0)),
        ("at_most", (600, 400), True, (1, 0, 0)),
        ("at_most", (600, 400.01), False, (0, 1, 0)),
    ],
)
def test_a_sum_at_its_threshold_and_with_files_missing(comparison, amounts, complete, expected):
    fact = table_fact("medical", "sum", "out_of_pocket_cny", comparison=comparison, number=1000)
    assert answers(claims(*amounts, complete=complete), fact) == expected


@pytest.mark.parametrize(
    ("aggregate", "comparison", "number", "expected", "expected_incomplete"),
    [
        ("max", "over", 599.99, (1, 0, 0), (1, 0, 0)),
        ("max", "over", 600, (0, 1, 0), (0, 0, 1)),
        ("max", "under", 600, (0, 1, 0), (0, 1, 0)),
        ("max", "under", 600.01, (1, 0, 0), (0, 0, 1)),
        ("min", "under", 400.01, (1, 0, 0), (1, 0, 0)),
        ("min", "at_most", 399.99, (0, 1, 0), (0, 0, 1)),
        ("min", "over", 400, (0, 1, 0), (0, 1, 0)),
        ("min", "at_least", 400, (1, 0, 0), (0, 0, 1)),
        ("count", "at_least", 2, (1, 0, 0), (1, 0, 0)),
        ("count", "over", 2, (0, 1, 0), (0, 0, 1)),
    ],
)
def test_largest_smallest_and_number(aggregate, comparison, number, expected, expected_incomplete):
    fact = table_fact(
        "medical", aggregate, None if aggregate == "count" else "out_of_pocket_cny", comparison=comparison, number=number
    )
    assert answers(claims(600, 400), fact) == expected
    assert answers(claims(600, 400, complete=False), fact) == expected_incomplete


def test_a_count_of_different_values_counts_a_person_once():
    fact = table_fact("medical", "count", "person_id", comparison="at_least", number=2)
    assert answers(claims(600, 400), fact) == (0, 1, 0)


def test_a_share_is_of_all_rows_of_the_window():
    tables = claims(600, 400)
    tables["medical"][0]["kind"] = "outpatient_chronic"
    where = (Condition("kind", values=("outpatient_chronic",)),)
    share = functools.partial(table_fact, "medical", "share_of", "out_of_pocket_cny", where=where)
    assert answers(tables, share(comparison="at_least", number=0.6)) == (1, 0, 0)
    assert answers(tables, share(comparison="over", number=0.6)) == (0, 1, 0)
    assert answers(claims(), share(comparison="over", number=0.6)) == (0, 0, 1)


def test_an_empty_cell_that_decides_is_not_a_no():
    tables = claims(600)
    tables["medical"][0]["disease_listed"] = None
    listed = (Condition("disease_listed", values=(True,)),)
    assert answers(tables, table_fact("medical", "exists", where=listed)) == (0, 0, 1)
    assert answers(tables, table_fact("medical", "exists", where=listed, wanted=False)) == (0, 0, 1)
    assert answers(claims(600), table_fact("medical", "exists", where=listed)) == (0, 1, 0)
    assert answers(claims(600), table_fact("medical", "exists", where=listed, wanted=False)) == (1, 0, 0)


def test_per_person_takes_the_person_with_most_and_per_household_all_of_them():
    c = county()
    c.household(FIRED, VILLAGE, members=[{}, {}])
    for i in (1, 2):
        c.claim(i, FIRED * 10 + i, "2024-05-05", "inpatient", 9999, 600)
    of = functools.partial(table_fact, "medical", "sum", "out_of_pocket_cny", comparison="over", number=1000)
    assert answers(c.tables, of()) == (1, 0, 0)
    assert answers(c.tables, of(per="person")) == (0, 1, 0)


def test_the_latest_row_decides_and_must_itself_fulfil_what_is_asked():
    c = county()
    c.household(FIRED, VILLAGE)
    for start, stage, status in (("2023-09-01", "lower_secondary", "dropped_out"), ("2024-03-01", "upper_secondary", "enrolled")):
        c.tables["schooling"].append(
            {"person_id": FIRED * 10 + 1, "term_start": day(start), "stage": stage, "status": status, "recorded_on": day(start)}
        )
    fact = shipped()["dropout_suspected"].facts[0]
    assert answers(c.tables, fact) == (0, 1, 0)
    c.tables["schooling"].pop()
    assert answers(c.tables, fact) == (1, 0, 0)
    assert answers(c.tables, replace(fact, comparison="not")) == (0, 1, 0)


@pytest.mark.parametrize(
    ("window", "aggregate", "on", "first", "last"),
    [
        # medical files are due 45 days after the month: on 31 July those of May are the latest
        (FactWindow("months", 1), "sum", DAY, "2024-05-01", "2024-05-31"),
        (FactWindow("months", 1), "exists", DAY, "2024-05-01", "2024-07-31"),
        (FactWindow("months", 12, 1), "exists", DAY, "2023-05-01", "2024-04-30"),
        (FactWindow("days", 31), "exists", DAY, "2024-07-01", "2024-07-31"),
        (FactWindow("days", 10, 5), "exists", DAY, "2024-07-17", "2024-07-26"),
        (FactWindow("calendar_year"), "sum", DAY, "2024-01-01", "2024-07-31"),
        (FactWindow("calendar_year"), "sum", dt.date(2024, 1, 31), "2023-01-01", "2023-12-31"),
        (FactWindow("calendar_month"), "sum", DAY, "2024-05-01", "2024-05-31"),
        (FactWindow("income_year"), "sum", DAY, "2023-10-01", "2024-07-31"),
        (FactWindow("now"), "latest", DAY, "2023-08-01", "2024-07-31"),
    ],
)
def test_a_window_ends_with_what_can_be_on_file(window, aggregate, on, first, last):
    view = store_for(claims()).as_of(on)
    span = span_of(view, table_fact("medical", aggregate, window=window))
    assert (span.starts_on and str(span.starts_on), str(span.ends_on)) == (first, last)


@pytest.mark.parametrize(
    ("net", "last", "comparison", "expected"),
    [(7000, 10000, "over", (0, 1, 0)), (6999.99, 10000, "over", (1, 0, 0)), (7000, 10000, "at_least", (1, 0, 0)), (7000, 0, "over", (0, 0, 1)), (-5, 10000, "over", (1, 0, 0)), (None, 10000, "over", (0, 0, 1))],
)  # fmt: skip
def test_a_fall_is_compared_exactly_and_needs_both_years(net, last, comparison, expected):
    c = county()
    c.household(FIRED, VILLAGE)
    facts = {"register_net_cny": net, "register_members": 2, "register_months": 12, "register_computable": net is not None}
    facts |= {"last_year_net_cny": last, "last_year_members": 2, "last_year_months": 12, "last_year_computable": True}
    fact = AccountFact("register_net", "fall", comparison, Threshold(Decimal("0.3"), "0.3"))
    found = raised(
        c.tables,
        rule_of(fact),
        facts={k: {FIRED: None if v is None else Decimal(str(v)) if "cny" in k else v} for k, v in facts.items()},
    )
    assert tuple(found.rules.iloc[0][["n_yes", "n_no", "n_cannot_tell"]]) == expected


@pytest.mark.parametrize(("comparison", "expected"), [("under", 0), ("at_most", 1), ("at_least", 1), ("over", 0)])
def test_an_account_exactly_on_the_number(comparison, expected):
    c = county()
    c.household(FIRED, VILLAGE)
    facts = {"register_net_cny": Decimal(6000), "register_members": 3, "register_months": 6, "register_computable": True}
    fact = AccountFact("register_net", None, comparison, Threshold(Decimal(4000), "4000"))
    found = raised(c.tables, rule_of(fact), facts={k: {FIRED: v} for k, v in facts.items()})
    assert len(found.alerts) == expected
