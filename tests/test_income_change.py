"""减收排查: verdicts of hand-worked households with every boundary, target and line, sums, and nothing after the day."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any

import ibis
import pandas as pd
import pytest

from returnrisk.errors import UnknownNameError
from returnrisk.policy import load_policy
from returnrisk.screening.comparison_months import comparison_on
from returnrisk.screening.income_screening import PARTS, IncomeScreening, screen_income
from returnrisk.store.view import Store
from tests.feature_households import copy_rows, day, rough_rows, rough_store, store_of
from tests.income_change_households import ALSO, DAY, changes_store, changes_tables
from tests.test_as_of_mutation import DAY as ROUGH_DAY
from tests.test_as_of_mutation import REWRITINGS, rewrite_earlier_rows, rewritten_store

POLICY = load_policy("national")


@functools.cache
def found() -> IncomeScreening:
    return screen_income(changes_store().as_of(DAY), policy=POLICY)


@functools.cache
def by_source() -> dict[tuple[int, str], dict[str, Any]]:
    return {(r["household_id"], r["source"]): r for r in found().changes.to_pylist()}


@functools.cache
def totals() -> dict[int, dict[str, Any]]:
    return {r["household_id"]: r for r in found().totals.to_pylist()}


def test_the_two_years_are_income_years_closed_to_june():
    years = found().comparison
    assert (years.last_start, years.last_end) == (day("2023-10-01"), day("2024-09-30"))
    assert (years.this_start, years.this_end, years.closed_on) == (day("2024-10-01"), day("2025-09-30"), day("2025-06-30"))


@pytest.mark.parametrize(
    ("household", "projected", "change", "verdict"),
    [
        (1, "14400.00", "2400.00", "rise"),
        (2, "9600.00", "-2400.00", "fall"),
        (3, "11400.00", "-600.00", "level"),  # exactly on the tolerance of five per cent
        (4, "11399.88", "-600.12", "fall"),
        (5, "12600.00", "600.00", "level"),
        (6, "12600.12", "600.12", "rise"),
        (22, "0.00", "-12000.00", "fall"),
    ],
)
def test_the_year_is_projected_and_judged(household: int, projected: str, change: str, verdict: str):
    row = by_source()[household, "wage"]
    assert (row["months_last"], row["months_same"], row["last_cny"]) == (12, 9, Decimal(12000))
    assert (row["projected_cny"], row["change_cny"], row["verdict"]) == (Decimal(projected), Decimal(change), verdict)
    assert row["missing"] is None
    assert row["change_share"] == pytest.approx(float(change) / 12000, abs=1e-12)


def test_the_same_period_holds_the_months_on_file_only():
    row = by_source()[2, "wage"]
    assert (row["same_last_cny"], row["same_this_cny"], row["same_change_cny"]) == (Decimal(9000), Decimal(7200), Decimal(-1800))
    assert (row["same_change_share"], row["same_verdict"]) == (pytest.approx(-0.2), "fall")


def test_nothing_last_year_and_something_now_is_a_rise_without_a_share():
    row = by_source()[7, "wage"]
    # 500 in each of nine months; a wage that is new goes on at its mean
    assert (row["last_cny"], row["projected_cny"], row["verdict"], row["change_share"]) == (0, Decimal(6000), "rise", None)
    nothing = by_source()[7, "operating"]
    assert (nothing["last_cny"], nothing["projected_cny"], nothing["verdict"]) == (0, 0, "level")


def test_a_smaller_loss_is_a_rise():
    row = by_source()[19, "operating"]
    assert (row["last_cny"], row["projected_cny"], row["verdict"]) == (Decimal(-1200), Decimal(-600), "rise")
    assert totals()[19]["target_cny"] == Decimal(-1080)


def test_a_ratio_of_few_months_income_is_not_used():
    row = by_source()[20, "operating"]
    assert (row["same_change_cny"], row["projected_cny"]) == (Decimal(-810), Decimal(9090))


@pytest.mark.parametrize(
    ("household", "missing"),
    [(8, "new_household"), (11, "last_year_not_on_file"), (12, "this_year_not_on_file"), (14, "not_in_ledger")],
)
def test_unknown_stays_unknown_and_says_why(household: int, missing: str):
    rows = [r for (number, _), r in by_source().items() if number == household]
    assert {r["source"] for r in rows} == {"operating", "wage", "property", "transfer", "total"}
    for row in rows:
        assert (row["verdict"], row["missing"]) == ("unknown", missing)
        assert row["projected_cny"] is None
        assert row["change_cny"] is None
    whole = totals()[household]
    assert (whole["target_cny"], whole["gap_target_cny"], whole["gap_line_head_cny"]) == (None, None, None)


@pytest.mark.parametrize(
    ("household", "months", "last", "same"),
    [(9, (12, 8), 12000, 8000), (10, (11, 8), 11000, 8000), (13, (9, 6), 9000, 6000), (18, (12, 8), 12000, 8000)],
)
def test_a_month_counts_only_if_both_years_have_it(household: int, months: tuple[int, int], last: int, same: int):
    """A month lacking this year is open, one lacking last year is in neither; a quarter counts whole; after a move the new township's files."""
    row = by_source()[household, "wage"]
    assert (row["months_last"], row["months_same"]) == months
    assert (row["last_cny"], row["same_last_cny"], row["same_this_cny"]) == (last, same, same)
    if months[0] >= 10:
        assert (row["projected_cny"], row["verdict"]) == (last, "level")
    else:
        assert row["missing"] == "last_year_not_on_file"


def test_a_moved_household_is_counted_where_it_lives_now():
    assert totals()[18]["township_code"] == ALSO


def test_who_is_screened_is_a_matter_of_policy():
    assert {15} == {15, 16, 17} & set(totals())
    assert (totals()[15]["monitored"], totals()[1]["monitored"]) == (True, False)


def test_whether_a_household_is_monitored_is_unknown_where_the_register_of_cases_never_came():
    assert {23: totals()[23]["monitored"], 24: totals()[24]["monitored"]} == {23: None, 24: True}
    assert 25 not in totals()  # in no group that is known of; the roll-up counts it as unknown


@pytest.mark.parametrize(("on", "last", "this"), [("2025-12-28", 2024, 2025), ("2026-03-28", 2025, 2026)])
def test_until_three_months_have_closed_the_year_just_settled_is_compared(on: str, last: int, this: int):
    """Income years end on 30 September; on 28 December October alone has closed."""
    years = comparison_on(changes_store().as_of(day(on)), policy=POLICY)
    assert (years.last_end, years.this_end) == (day(f"{last}-09-30"), day(f"{this}-09-30"))


def test_where_no_file_names_a_line_the_pack_s_is_held_against_the_income():
    tables = copy_rows(changes_tables())
    tables["line"] = [{**row, "area_code": 110101} for row in tables["line"]]
    view = store_of("income-no-line", tables, delay=20).as_of(DAY)
    whole = {row["household_id"]: row for row in screen_income(view, policy=POLICY).totals.to_pylist()}
    line = float(POLICY.number("monitoring_line", DAY))
    assert {row["line_cny_year"] for row in whole.values()} == {Decimal(str(line)).quantize(Decimal("0.01"))}
    assert whole[2]["gap_line_head_cny"] == max(0.0, round(line - whole[2]["projected_head_cny_year"], 2))


def test_the_target_is_of_the_household_and_the_line_per_head():
    one, two = totals()[1], totals()[2]
    assert (one["target_cny"], one["gap_target_cny"]) == (Decimal(13200), 0)
    assert (two["target_cny"], two["gap_target_cny"]) == (Decimal(13200), Decimal(3600))
    assert (two["n_members"], two["line_cny_year"], two["projected_head_cny_year"], two["gap_line_head_cny"]) == (
        1,
        8000,
        9600.0,
        0.0,
    )
    assert totals()[22]["gap_line_head_cny"] == 8000.0
    assert totals()[22]["n_sources_falling"] == 1


def test_income_of_no_source_is_shown_where_there_is_any_and_counts_in_the_total():
    assert by_source()[21, "unallocated"]["projected_cny"] == Decimal(1320)
    assert (1, "unallocated") not in by_source()
    assert by_source()[21, "total"]["projected_cny"] == Decimal(1440)


def check_sums(changes: pd.DataFrame) -> None:
    for column in ("last_cny", "same_last_cny", "same_this_cny", "same_change_cny", "projected_cny", "change_cny"):
        known = changes[changes[column].notna()]
        parts = known[known["source"] != "total"].groupby("household_id")[column].sum()
        whole = known[known["source"] == "total"].set_index("household_id")[column]
        assert len(whole)
        assert (parts.sort_index() == whole.sort_index()).all(), column


def test_sources_add_up_to_the_total_to_the_cent():
    check_sums(found().frame("changes"))
    check_sums(screen_income(rough_store().as_of(ROUGH_DAY), policy=POLICY).frame("changes"))


def test_an_account_is_the_ledger_of_last_year():
    """Last year's total is the register account's net of the same window, where all of it is in the comparison."""
    from returnrisk.accounts import register_net
    from returnrisk.timeline import Window

    view = rough_store().as_of(ROUGH_DAY)
    screening = screen_income(view, policy=POLICY)
    nets = register_net(view, ends=[screening.comparison.last_end], window=Window("trailing", 12), min_months=12)
    account = nets.filter(nets.computable).to_pandas().set_index("household_id")["net_cny"]
    whole = screening.frame("totals").set_index("household_id")
    whole = whole[whole["missing"].isna() & (whole["months_last"] == 12)]["last_cny"]
    both = whole.index.intersection(account.index)
    assert len(both) >= 10
    assert (whole[both] == account[both]).all()


def test_twelve_months_to_the_last_closed_one_have_nothing_open(tmp_path):
    (tmp_path / "rolling.yaml").write_text(
        "schema: 1\nname: rolling\ntitle: {zh: 滚动, en: rolling}\nparent: national\nparameters:\n  income_change_window:\n    kind: assumed\n"
        "    values: {2020-01-01: {value: trailing_12}}\n",
        encoding="utf-8",
    )
    screening = screen_income(changes_store().as_of(DAY), policy=load_policy("rolling", folder=tmp_path))
    assert screening.comparison.this_end == day("2025-06-30")
    row = next(r for r in screening.changes.to_pylist() if (r["household_id"], r["source"]) == (2, "wage"))
    assert row["months_last"] == row["months_same"] == 9  # the ledger begins in October 2023: nine of last year's twelve
    assert row["missing"] == "last_year_not_on_file"


def test_a_forecast_takes_the_rules_place():
    def nothing_more(_view, *, items, policy):
        zero = ibis.literal(0, "decimal(18,2)")
        return items.select("household_id", "source").distinct().mutate(open_cny=zero)

    def nobody_knows(_view, *, items, policy):
        cents = ibis.cases((items.source == "wage", ibis.null("decimal(18,2)")), else_=ibis.literal(0, "decimal(18,2)"))
        return items.select("household_id", "source", open_cny=cents).distinct()

    view = changes_store().as_of(DAY)
    rows = screen_income(view, policy=POLICY, projection=nothing_more).changes.to_pylist()
    assert next(r for r in rows if (r["household_id"], r["source"]) == (1, "wage"))["projected_cny"] == Decimal(10800)
    rows = screen_income(view, policy=POLICY, projection=nobody_knows).changes.to_pylist()
    unknown = {r["source"]: r["missing"] for r in rows if r["household_id"] == 7}
    assert (unknown["wage"], unknown["total"], unknown["transfer"]) == ("no_projection", "no_projection", None)


def test_an_unknown_part_is_refused():
    with pytest.raises(UnknownNameError, match="changes"):
        found().frame("change")  # type: ignore[arg-type]


# -- nothing after the day, and no order of rows ----------------------------------------------------------------------------------


def results(store: Store, on: Any) -> dict[str, bytes]:
    screening = screen_income(store.as_of(on), policy=POLICY)
    return {part: repr(getattr(screening, part).to_pylist()).encode() for part in PARTS}


@functools.cache
def rough_results() -> dict[str, bytes]:
    return results(rough_store(), ROUGH_DAY)


@pytest.mark.parametrize("name", REWRITINGS)
def test_what_was_recorded_later_changes_not_one_bit(name: str):
    assert results(rewritten_store(name), ROUGH_DAY) == rough_results()


def test_rewriting_the_past_changes_every_part():
    changed = results(store_of("income-change-control", rewrite_earlier_rows(copy_rows(rough_rows()))), ROUGH_DAY)
    assert {part for part in PARTS if changed[part] != rough_results()[part]} == set(PARTS)


def test_rows_in_another_order_give_the_same():
    turned = {name: rows[::-1] for name, rows in changes_tables().items()}
    assert results(store_of("income-changes-turned", turned, delay=20), DAY) == results(changes_store(), DAY)
