"""Facts about a household's township: fewer persons with such a row than some months before."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from returnrisk.errors import PolicyNameError
from returnrisk.policy import Condition, Threshold, TownshipFact
from returnrisk.policy.alert_parsing import read_rule
from returnrisk.policy.parsing import Reader
from tests.alert_county import CALM, DAY, FIRED, OTHER_TOWNSHIP, SOURCES, VILLAGE, county, raised, rule_of
from tests.feature_households import County, Tables, day

AWAY = (Condition("place", values=("province", "outside")),)
LATER = dt.date(2024, 8, 31)  # July's files of jobs are due on 30 August; here they came by 20 August


def falls(*, comparison: str = "over", share: str = "0.1", months: int = 1, where=AWAY, table="employment") -> TownshipFact:
    return TownshipFact(table, where, months, comparison, Threshold(Decimal(share), share))


def job(c: County, person: int, *, until: str | None = None, start: str = "2023-01-01", place: str = "outside") -> None:
    c.tables["employment"].append(
        {"person_id": person, "started_on": day(start), "kind": "employee_informal", "place": place, "sector": "services", "monthly_wage_cny": 4000,
         "ended_on": until and day(until), "end_reason": until and "care", "recorded_on": day("2024-07-05") if until else day("2023-02-01")}
    )  # fmt: skip


def ten_away(
    *, back: int, without: dict[str, list[dt.date]] | None = None, until: str = "2024-06-20", place: str = "outside"
) -> Tables:
    """Ten persons of one township away, some of whom came back in June; one of another township away throughout."""
    c = county()
    c.tables["delivery"].clear()
    for township in (VILLAGE // 1000, OTHER_TOWNSHIP // 1000):
        c.deliver(township, tables=SOURCES, without=without if township == VILLAGE // 1000 else None)
    c.household(FIRED, VILLAGE, members=[{} for _ in range(9)])
    c.household(CALM, VILLAGE, members=[{}])
    c.household(103, OTHER_TOWNSHIP, members=[{}])
    everybody = [FIRED * 10 + i for i in range(1, 10)] + [CALM * 10 + 1]
    for i, person in enumerate(everybody):
        job(c, person, until=until if i < back else None, place=place)
    job(c, 103 * 10 + 1)
    return c.tables


def answers(tables: Tables, fact: TownshipFact, *, on: dt.date = DAY) -> tuple[int, int, int]:
    """Households for which it holds, does not, cannot be told."""
    row = raised(tables, rule_of(fact), on=on).rules.iloc[0]
    return row["n_yes"], row["n_no"], row["n_cannot_tell"]


@pytest.mark.parametrize(
    ("back", "comparison", "expected"),
    [(1, "over", (0, 3, 0)), (1, "at_least", (2, 1, 0)), (2, "over", (2, 1, 0)), (0, "at_least", (0, 3, 0))],
)
def test_every_household_of_the_township_has_its_answer_and_the_share_is_compared_exactly(back, comparison, expected):
    assert answers(ten_away(back=back), falls(comparison=comparison)) == expected


def test_only_rows_of_the_condition_count():
    assert answers(ten_away(back=5, place="county"), falls()) == (0, 3, 0)
    assert answers(ten_away(back=5, place="county"), falls(where=())) == (2, 1, 0)


def test_it_is_the_end_of_the_last_month_whose_files_were_due_against_months_before():
    may = ten_away(back=5, until="2024-05-20")
    assert answers(may, falls()) == (0, 3, 0)  # May's end and June's: the fall was before
    assert answers(may, falls(months=2)) == (2, 1, 0)
    july = ten_away(back=5, until="2024-07-02")
    assert answers(july, falls()) == (0, 3, 0)  # July is not closed on its last day
    assert answers(july, falls(), on=LATER) == (2, 1, 0)


@pytest.mark.parametrize("lost", ["2024-05-01", "2024-06-01"])
def test_a_month_whose_file_did_not_come_leaves_the_township_untold(lost):
    assert answers(ten_away(back=5, without={"employment": [day(lost)]}), falls()) == (0, 1, 2)


def test_who_starts_makes_up_for_who_came_back():
    tables = ten_away(back=2)
    c = county()
    job(c, FIRED * 10 + 1, start="2024-06-25")
    tables["employment"] += [r | {"recorded_on": day("2024-07-10")} for r in c.tables["employment"]]
    assert answers(tables, falls(comparison="at_least", share="0.2")) == (0, 3, 0)


def test_the_alert_says_the_months_and_the_share_and_is_raised_once_a_month():
    tables = ten_away(back=3)
    first = raised(tables, rule_of(falls())).alerts
    assert set(first["household_id"]) == {FIRED, CALM}
    assert "2024-05-31至2024-06-30" in first["evidence_zh"].iloc[0]
    assert "人数下降 0.3000，高于 0.1" in first["evidence_zh"].iloc[0]
    assert "persons fell by 0.3000, above 0.1" in first["evidence_en"].iloc[0]
    later = ten_away(back=3, until="2024-07-02")
    assert set(raised(later, rule_of(falls()), on=LATER).alerts["alert_id"]).isdisjoint(first["alert_id"])
    same = raised(ten_away(back=4), rule_of(falls())).alerts  # one more came back in the same month: the same alert
    assert set(same["alert_id"]) == set(first["alert_id"])


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        (falls(table="employmnt"), "did you mean 'employment'"),
        (falls(table="medical"), "from a day to a day"),
        (falls(table="household_roster"), "from a day to a day"),
        (falls(where=(Condition("place", values=("abroad",)),)), "unknown code of place"),
    ],
)
def test_what_does_not_exist_stops_before_anything_runs(fact, message):
    with pytest.raises(PolicyNameError, match=message):
        answers(ten_away(back=1), fact)


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        ({"township": "employment", "over": Decimal("0.1")}, "whole number of months"),
        ({"township": "employment", "fall_in_months": Decimal("1.5"), "over": Decimal("0.1")}, "whole number of months"),
        ({"township": "employment", "fall_in_months": Decimal(1)}, "compared by nothing; expected one of over, at_least"),
        ({"township": "employment", "fall_in_months": Decimal(1), "under": Decimal("0.1")}, "under"),
    ],
)
def test_a_pack_that_says_it_wrongly_is_told_what_is_expected(fact, message):
    reader = Reader("hand")
    read_rule(reader, "hand", {"facts": [fact]})
    assert any(message in p.text for p in reader.problems), reader.problems
