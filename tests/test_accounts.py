"""The register account: by hand, as a property of random ledgers, and against plain Python on a whole county."""

from __future__ import annotations

import datetime as dt
import functools
import math
import uuid
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from returnrisk.accounts import (
    SOURCES,
    delivered_months,
    lines_in_force,
    population,
    register_net,
    register_net_items,
    window_frame,
    window_sums,
)
from returnrisk.accounts.ledger import MOST_WINDOWS
from returnrisk.contracts import load_contracts
from returnrisk.errors import NotEnoughDataError
from returnrisk.store.tables import with_versions
from returnrisk.store.view import Store, View
from returnrisk.timeline import Window, add_months, month_end
from tests import hand_county
from tests.feature_households import (
    County,
    Ledger,
    Row,
    Tables,
    day,
    mini_folder,
    mini_store,
    month_starts,
    read_rows,
    rough_rows,
    rough_store,
    store_of,
)

YEAR = Window("trailing", 12)
VILLAGE_A, VILLAGE_B = hand_county.VILLAGE_A, hand_county.VILLAGE_B
VILLAGE_C, VILLAGE_D, VILLAGE_ELSEWHERE = 999901001002, 999901003001, 999902001001
SMITH, FARMER, ELDER = hand_county.SMITH, hand_county.FARMER, hand_county.ELDER
ON_LINE, ONE_CENT, DEBT, NOTHING, GROWN, GONE, OWN_LINE, NO_LINE, FEW_FILES = range(101, 110)
LATE, SPLIT_COST = 110, 111
RELATIVE_TOLERANCE = 1e-12
"""Net income per head is one division of an exact sum: only the last bits of a double may differ from another order of steps."""


def extended_rows() -> Tables:
    """The hand county and eleven more households, one for each rule of the account."""
    county = County(months=hand_county.months(), line=0)
    county.tables = hand_county.rows()
    for code in (VILLAGE_C, VILLAGE_D, VILLAGE_ELSEWHERE):
        county.village(code)
    _households(county)
    _ledgers(county)
    county.deliver(999902001, tables=("income",))
    county.deliver(999901003, tables=("income",), without={"income": [m for m in county.months if m > day("2023-09-01")]})
    base = dt.date(2021, 12, 31)
    for area, valid_from, amount, recorded in (
        (999901, "2024-01-01", 5500, base),
        (VILLAGE_C, "2022-06-01", 6000, base),
        (VILLAGE_C, "2023-12-31", 6500, base),
        (VILLAGE_C, "2024-02-01", 7000, base),
        (VILLAGE_B, "2024-01-01", 100, base),
        (999901001, "2020-01-01", 1, day("2024-05-05")),
    ):
        row = {"area_code": area, "valid_from": day(valid_from), "line_cny_year": amount, "recorded_on": recorded}
        county.tables["line"].append(row)
    return county.tables


def _households(county: County) -> None:
    since_ever: Row = {"joined_on": None}
    for number in (ON_LINE, ONE_CENT, DEBT, NOTHING, LATE):
        county.household(number, VILLAGE_A, members=[since_ever])
    for number, code in ((OWN_LINE, VILLAGE_C), (NO_LINE, VILLAGE_ELSEWHERE), (FEW_FILES, VILLAGE_D)):
        county.household(number, code, members=[since_ever])
    county.household(SPLIT_COST, VILLAGE_A, members=[since_ever, since_ever, since_ever])
    # one since ever, one born on 2023-07-01, one who came on 2023-12-31
    county.household(GROWN, VILLAGE_A, members=[since_ever, {"joined_on": day("2023-07-01")}, {"joined_on": day("2023-12-31")}])
    # both leave on 2023-09-30; one is back from 2023-11-15
    left = {"left_on": day("2023-09-30"), "spell_recorded_on": day("2023-10-04")}
    county.household(GONE, VILLAGE_A, members=[{**since_ever, **left}, left])
    back = next(r for r in county.tables["household_roster"] if r["household_id"] == GONE)
    spell = {"joined_on": day("2023-11-15"), "left_on": None, "recorded_on": day("2023-11-20")}
    county.tables["household_roster"].append({**back, **spell})


def _ledgers(county: County) -> None:
    def earn(number: int, source: str, item: str, month: str, gross: str, cost: str = "0", *, recorded: str = "") -> None:
        on = day(recorded) if recorded else None
        county.income(number, source, item, [day(f"{month}-01")], Decimal(gross), cost=Decimal(cost), recorded_on=on)

    earn(ON_LINE, "wage", "local_work", "2023-06", "5000.00")
    earn(ONE_CENT, "wage", "local_work", "2023-06", "4999.99")
    earn(DEBT, "operating", "livestock", "2023-03", "100.10", "3000.20")
    earn(NO_LINE, "wage", "local_work", "2023-06", "5000")
    earn(OWN_LINE, "wage", "local_work", "2023-06", "6500")
    earn(LATE, "wage", "local_work", "2023-06", "9000", recorded="2024-03-01")
    earn(SPLIT_COST, "operating", "crops", "2023-01", "0.10", "0.20")
    earn(SPLIT_COST, "operating", "livestock", "2023-01", "0.70")
    earn(SPLIT_COST, "property", "interest", "2023-12", "0.01")
    earn(SPLIT_COST, "unallocated", "unallocated", "2023-12", "10000.99")
    county.income(FEW_FILES, "wage", "local_work", month_starts("2023-01", "2023-09"), 400)


@functools.cache
def extended_store() -> Store:
    return store_of("accounts", extended_rows(), delay=20)


@pytest.fixture(scope="module")
def view() -> View:
    """Everything about 2023 is on file, and not yet the township's line."""
    return extended_store().as_of(day("2024-04-30"))


def table_of(expression: Any) -> pd.DataFrame:
    frame = expression.to_pandas()
    if "ending_on" in frame.columns:
        frame["ending_on"] = pd.to_datetime(frame["ending_on"]).dt.date
    return frame


@pytest.fixture(scope="module")
def year_2023(view: View) -> pd.DataFrame:
    return table_of(register_net(view, ends=[day("2023-12-31")], window=YEAR, min_months=12)).set_index("household_id")


def test_net_income_per_head_by_hand(year_2023: pd.DataFrame):
    expected = {
        SMITH: (2, "12000.00", 6000.0),  # 12 × 1 000 wages for two
        FARMER: (2, "10000.00", 5000.0),  # 12 000 crops − 2 000 cost for two
        ELDER: (1, "3600.00", 3600.0),  # 12 × 300; the spouse left on 30 June
        DEBT: (1, "-2900.10", -2900.10),
        NOTHING: (1, "0.00", 0.0),
        GROWN: (3, "0.00", 0.0),
        SPLIT_COST: (3, "10001.60", 10001.60 / 3),  # 0.10 − 0.20 + 0.70 + 0.01 + 10 000.99
    }
    for household, (members, net, per_head) in expected.items():
        row = year_2023.loc[household]
        assert (row["n_members"], row["net_cny"], row["months_delivered"]) == (members, Decimal(net), 12), household
        assert row["net_head_cny_year"] == pytest.approx(per_head, rel=RELATIVE_TOLERANCE), household


def test_sources_add_up_to_the_net_and_keep_their_sign(year_2023: pd.DataFrame):
    per_source = [f"net_{s}_cny" for s in SOURCES]
    assert (year_2023[per_source].sum(axis=1) == year_2023["net_cny"]).all()
    row = year_2023.loc[SPLIT_COST]
    assert [row[c] for c in per_source] == [Decimal("0.60"), Decimal(0), Decimal("0.01"), Decimal(0), Decimal("10000.99")]
    assert row["gross_cny"] == Decimal("10001.80")
    assert year_2023.loc[DEBT, "net_operating_cny"] == Decimal("-2900.10")


def test_a_household_exactly_on_the_line_is_not_below_it(year_2023: pd.DataFrame):
    assert year_2023.loc[ON_LINE, "line_cny_year"] == 5000
    assert not year_2023.loc[ON_LINE, "below"]
    assert year_2023.loc[ONE_CENT, "below"]
    assert year_2023.loc[ONE_CENT, "net_head_cny_year"] == pytest.approx(4999.99)
    assert not year_2023.loc[FARMER, "below"]  # 5 000 a head on a line of 5 000


def test_negative_and_empty_accounts_are_below_when_the_file_came(year_2023: pd.DataFrame):
    for household in (DEBT, NOTHING):
        assert year_2023.loc[household, "computable"]
        assert year_2023.loc[household, "below"]
    assert year_2023.loc[NOTHING, "gross_cny"] == 0


def test_no_line_in_force_is_not_computable_and_never_low(year_2023: pd.DataFrame):
    row = year_2023.loc[NO_LINE]
    assert row["months_delivered"] == 12
    assert pd.isna(row["line_cny_year"])
    assert not row["computable"]
    assert pd.isna(row["below"])
    assert pd.isna(row["net_head_cny_year"])


@pytest.mark.parametrize(("min_months", "computable"), [(9, True), (10, False), (12, False)])
def test_missing_months_are_scaled_or_not_computable(view: View, min_months: int, computable: bool):  # noqa: FBT001
    account = table_of(register_net(view, ends=[day("2023-12-31")], window=YEAR, min_months=min_months)).set_index("household_id")
    row = account.loc[FEW_FILES]
    assert row["months_delivered"] == 9
    assert row["net_cny"] == 3600
    if computable:
        assert row["net_head_cny_year"] == pytest.approx(4800)  # 9 × 400, scaled to twelve months
        assert row["below"]
    else:
        assert not row["computable"]
        assert pd.isna(row["below"])
        assert pd.isna(row["net_head_cny_year"])


def test_no_file_at_all_is_not_computable(view: View):
    account = table_of(register_net(view, ends=[day("2021-06-30")], window=YEAR, min_months=1)).set_index("household_id")
    assert (account["months_delivered"] == 0).all()
    assert not account["computable"].any()
    assert account["below"].isna().all()
    assert account["net_head_cny_year"].isna().all()


def test_members_are_counted_on_the_last_day_of_the_window(view: View):
    ends = [day(x) for x in ("2023-06-30", "2023-07-31", "2023-09-30", "2023-10-31", "2023-11-30", "2023-12-31")]
    people = table_of(population(view, ends)).set_index(["household_id", "ending_on"])["n_members"]
    assert [people[GROWN, e] for e in ends] == [1, 2, 2, 2, 2, 3]
    assert [people.get((GONE, e), 0) for e in ends] == [2, 2, 2, 0, 1, 1]
    assert [people[ELDER, e] for e in ends[:2]] == [2, 1]  # the last day of a spell still counts
    account = table_of(register_net(view, ends=ends, window=YEAR, min_months=1)).set_index(["household_id", "ending_on"])
    assert (GONE, day("2023-10-31")) not in account.index
    assert account.index.is_unique


def test_a_person_with_two_open_spells_in_a_household_is_one_person():
    tables = extended_rows()
    first = next(r for r in tables["household_roster"] if r["household_id"] == SMITH)
    tables["household_roster"].append({**first, "joined_on": day("2015-01-01"), "recorded_on": day("2022-05-01")})
    view = store_of("two-spells", tables, delay=20).as_of(day("2024-04-30"))
    people = table_of(population(view, [day("2023-12-31")])).set_index("household_id")["n_members"]
    assert people[SMITH] == 2


def test_the_most_specific_area_and_its_latest_line_win(view: View):
    ends = [day(x) for x in ("2022-05-31", "2022-06-30", "2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29")]
    lines = table_of(lines_in_force(view, population(view, ends))).set_index(["household_id", "ending_on"])["line_cny_year"]
    assert [lines[OWN_LINE, e] for e in ends] == [5000, 6000, 6000, 6500, 6500, 7000]
    assert [lines[SMITH, e] for e in ends] == [5000, 5000, 5000, 5000, 5500, 5500]
    assert [lines[ELDER, e] for e in ends] == [5000, 5000, 5000, 5000, 100, 100]
    assert all(pd.isna(lines[NO_LINE, e]) for e in ends)


def test_a_line_recorded_later_is_not_known_before():
    """The township's line of 1 yuan is valid since 2020 and was put on file on 2024-05-05."""
    after = extended_store().as_of(day("2024-05-05"))
    lines = table_of(lines_in_force(after, population(after, [day("2023-12-31")]))).set_index("household_id")["line_cny_year"]
    assert lines[SMITH] == 1
    assert lines[OWN_LINE] == 6500  # the village's own still wins


def test_the_line_decides_at_the_windows_end(view: View):
    account = table_of(register_net(view, ends=[day("2023-12-31")], window=YEAR, min_months=12)).set_index("household_id")
    assert not account.loc[OWN_LINE, "below"]  # 6 500 on 6 500
    ends = [day("2024-02-29")]
    later = table_of(register_net(view, ends=ends, window=YEAR, min_months=12)).set_index("household_id")
    assert later.loc[OWN_LINE, "below"]  # 6 500 on 7 000
    assert later.loc[ON_LINE, "below"]  # 5 000 on 5 500


def test_late_entries_are_invisible_until_recorded():
    store = extended_store()
    ends = [day("2023-12-31")]
    before, after = (
        table_of(register_net(store.as_of(day(x)), ends=ends, window=YEAR, min_months=12)).set_index("household_id")
        for x in ("2024-02-29", "2024-03-01")
    )
    assert before.loc[LATE, "net_cny"] == 0
    assert after.loc[LATE, "net_cny"] == 9000
    others = before.index.drop(LATE)
    pd.testing.assert_frame_equal(before.loc[others].sort_index(), after.loc[others].sort_index())


def test_income_year_and_trailing_window_hold_different_months(view: View):
    """Farmer: 12 000 each October, 2 000 cost each April. On 31 March 2024 the income year holds the October, not an April."""
    ends = [day("2023-09-30"), day("2024-03-31")]
    by_year = table_of(register_net(view, ends=ends, window=Window("income_year"), min_months=6)).set_index(
        ["household_id", "ending_on"]
    )
    trailing = table_of(register_net(view, ends=ends, window=YEAR, min_months=6)).set_index(["household_id", "ending_on"])
    september, march = ((FARMER, e) for e in ends)
    assert by_year.loc[september, "net_cny"] == trailing.loc[september, "net_cny"] == 10000
    assert by_year.loc[march, "net_cny"] == 12000
    assert by_year.loc[march, "months_delivered"] == 6
    assert by_year.loc[march, "net_head_cny_year"] == pytest.approx(12000)  # 12 000 of six months, scaled, for two
    assert trailing.loc[march, "net_cny"] == 10000
    assert trailing.loc[march, "months_delivered"] == 12


def test_a_period_that_crosses_the_windows_edge_is_left_out():
    tables = extended_rows()
    tables["income"] += [
        {"household_id": NOTHING, "source": "property", "item": "rent", "period_start": day(start), "period_end": day(end),
         "gross_cny": amount, "cost_cny": 0, "recorded_on": day("2024-02-01")}
        for start, end, amount in (("2022-12-01", "2023-02-28", 100), ("2023-10-01", "2023-12-31", 20), ("2023-12-01", "2024-01-31", 3000))
    ]  # fmt: skip
    view = store_of("edges", tables, delay=20).as_of(day("2024-04-30"))
    account = table_of(register_net(view, ends=[day("2023-12-31")], window=YEAR, min_months=12)).set_index("household_id")
    assert account.loc[NOTHING, "net_cny"] == 20


def test_no_window_is_refused(view: View):
    with pytest.raises(NotEnoughDataError, match="no window"):
        register_net(view, ends=[], window=YEAR, min_months=12)


# -- what the delivery register says -------------------------------------------------------------------------------------------


def _changed_delivery(name: str, *, drop: list[str] = (), add: list[tuple[str, str]] = ()) -> pd.DataFrame:  # type: ignore[assignment]
    tables = extended_rows()
    lost = {(999901001, day(f"{m}-01")) for m in drop}
    tables["delivery"] = [
        r for r in tables["delivery"] if r["table_name"] != "income" or (r["township_code"], r["period_start"]) not in lost
    ]
    tables["delivery"] += [
        {
            "table_name": "income",
            "township_code": 999901001,
            "period_start": day(a),
            "period_end": day(b),
            "recorded_on": day("2024-02-02"),
        }
        for a, b in add
    ]
    view = store_of(name, tables, delay=20).as_of(day("2024-04-30"))
    return table_of(register_net(view, ends=[day("2023-12-31")], window=YEAR, min_months=6)).set_index("household_id")


def test_quarterly_deliveries_count_three_months():
    account = _changed_delivery("quarterly", drop=["2023-01", "2023-02", "2023-03"], add=[("2023-01-01", "2023-03-31")])
    assert account.loc[SMITH, "months_delivered"] == 12
    assert account.loc[SMITH, "net_head_cny_year"] == pytest.approx(6000)


def test_a_household_that_is_young_or_back_is_not_poor_for_want_of_a_past():
    """Smith earns 1 000 a month since ever; the same ledger under a first spell that begins in the window, or after an absence."""
    for begun, whole in (("2023-03-01", 10), ("2023-03-02", 9), ("2023-12-31", 0)):
        account = _changed_roster(f"young-{begun}", [{"joined_on": day(begun), "left_on": None}])
        assert account.loc[SMITH, "months_delivered"] == whole
        assert account.loc[SMITH, "computable"] == (whole >= 9)
        assert account.loc[SMITH, "net_head_cny_year"] == pytest.approx(6000 if whole >= 9 else math.nan, nan_ok=True)
    away = {"joined_on": None, "left_on": day("2023-01-31")}
    back = _changed_roster("back", [away, {"joined_on": day("2023-03-10"), "left_on": None}])
    assert back.loc[SMITH, "months_delivered"] == 9
    assert back.loc[SMITH, "net_head_cny_year"] == pytest.approx(6000)
    without_a_day_between = _changed_roster("stayed", [away, {"joined_on": day("2023-02-01"), "left_on": None}])
    assert without_a_day_between.loc[SMITH, "months_delivered"] == 12


def test_every_window_begins_with_the_stay_it_ends_in():
    """1 000 a month in two households: one comes back twice, one only the second time. Whole months of the present stay count."""
    first, second, third = {"joined_on": None}, {"joined_on": day("2023-01-10")}, {"joined_on": day("2023-07-05"), "left_on": None}
    away = {"left_on": day("2023-05-20")}
    twice = [{**first, "left_on": day("2022-10-31")}, {**second, **away}, third]
    view = _view_with_spells("twice-back", {SMITH: twice, NOTHING: [{**first, **away}, third]}, earning=NOTHING)
    ends = ("2022-10-31", "2023-01-31", "2023-04-30", "2023-07-31", "2023-12-31")
    account = table_of(register_net(view, ends=[day(end) for end in ends], window=YEAR, min_months=1))
    for household, months in ((SMITH, (10, 0, 3, 0, 5)), (NOTHING, (10, 12, 12, 0, 5))):
        found = account[account["household_id"] == household].set_index("ending_on")
        assert [found.loc[day(end), "months_delivered"] for end in ends] == list(months)
        assert [found.loc[day(end), "net_cny"] for end in ends] == [1000 * n for n in months]


def test_any_number_of_windows_is_added_up(view: View, monkeypatch: pytest.MonkeyPatch):
    """As many windows as a whole number holds at once, and the same in parts."""
    ends = [month_end(add_months(day("2019-02-01"), k)) for k in range(MOST_WINDOWS)]
    at_once = table_of(window_sums(view, ends=ends, window=YEAR))
    monkeypatch.setattr("returnrisk.accounts.ledger.MOST_WINDOWS", 5)
    in_parts = table_of(window_sums(view, ends=ends, window=YEAR))
    keys = ["household_id", "ending_on"]
    pd.testing.assert_frame_equal(*(t.sort_values(keys, ignore_index=True) for t in (at_once, in_parts)))
    assert at_once["ending_on"].max() == ends[-1] == day("2024-01-31")


def _changed_roster(name: str, spells: list[Row]) -> pd.DataFrame:
    """Everybody of Smith's household with these spells instead of one; the account of 2023."""
    view = _view_with_spells(name, {SMITH: spells})
    return table_of(register_net(view, ends=[day("2023-12-31")], window=YEAR, min_months=9)).set_index("household_id")


def _view_with_spells(name: str, spells: dict[int, list[Row]], *, earning: int = SMITH) -> View:
    """Everybody of the households with these spells instead of one; the household `earning` has Smith's ledger too."""
    tables = extended_rows()
    members = {r["person_id"]: r for r in tables["household_roster"] if r["household_id"] in spells}
    others = [r for r in tables["household_roster"] if r["household_id"] not in spells]
    tables["household_roster"] = others + [{**row, **spell} for row in members.values() for spell in spells[row["household_id"]]]
    if earning != SMITH:
        tables["income"] += [{**row, "household_id": earning} for row in tables["income"] if row["household_id"] == SMITH]
    return store_of(name, tables, delay=20).as_of(day("2024-04-30"))


def test_a_month_delivered_twice_counts_once():
    """A yearly file beside the monthly ones brings no month twice: nobody becomes poor by it."""
    account = _changed_delivery("twice", add=[("2023-01-02", "2023-06-30"), ("2023-03-15", "2023-12-31")])
    assert account.loc[SMITH, "months_delivered"] == 12
    assert account.loc[SMITH, "net_head_cny_year"] == pytest.approx(6000)
    assert not account.loc[SMITH, "below"]


def test_income_of_a_month_that_was_not_delivered_does_not_inflate_the_year():
    """Smith earns 1 000 every month. Two ledgers are not in the register, though rows of theirs are on file: still 6 000 a head."""
    account = _changed_delivery("undelivered", drop=["2023-02", "2023-03"])
    assert account.loc[SMITH, "months_delivered"] == 10
    assert account.loc[SMITH, "net_head_cny_year"] == pytest.approx(6000)


# -- a property of every ledger ------------------------------------------------------------------------------------------------

ENDS = [day("2023-06-30"), day("2023-12-31"), day("2024-03-31")]
KINDS = [("wage", "local_work"), ("wage", "migrant_work"), ("operating", "crops"), ("property", "rent"), ("transfer", "pension"),
         ("unallocated", "unallocated")]  # fmt: skip
CENTS = st.integers(0, 10**9).map(lambda n: Decimal(n) / 100) | st.integers(0, 60_000).map(lambda n: Decimal(n) / 100)
ENTRY = st.fixed_dictionaries(
    {"household_id": st.sampled_from([SMITH, FARMER, ELDER, NOTHING, GROWN, GONE, NO_LINE, FEW_FILES, OWN_LINE]),
     "kind": st.sampled_from(KINDS), "month": st.integers(0, 26), "months": st.sampled_from([1, 1, 1, 3]), "gross_cny": CENTS, "cost_cny": CENTS}
)  # fmt: skip


def ledger_view(entries: list[dict[str, Any]]) -> tuple[View, list[dict[str, Any]]]:
    """The extended county with another ledger, without writing files: one row per key (the first wins)."""
    contract, rows = load_contracts()["income"], {}
    for entry in entries:
        start = add_months(day("2022-01-01"), entry["month"])
        source, item = entry["kind"]
        key = (entry["household_id"], source, item, start)
        rows.setdefault(key, {
            "household_id": entry["household_id"], "person_id": None, "source": source, "item": item, "period_start": start,
            "period_end": month_end(add_months(start, entry["months"] - 1)), "gross_cny": entry["gross_cny"], "cost_cny": entry["cost_cny"],
            "recorded_on": day("2024-04-01"),
        })  # fmt: skip
    store = extended_store()
    income = with_versions(hand_county.typed({"income": list(rows.values())})["income"], contract)
    manifest = replace(store.manifest, fingerprint=uuid.uuid4().hex)  # views of the engine are named by it
    changed = replace(store, _tables={**store._tables, "income": income}, manifest=manifest)
    return changed.as_of(day("2024-04-30")), list(rows.values())


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(ENTRY, min_size=1, max_size=60))
def test_every_ledger_adds_up_exactly(entries: list[dict[str, Any]]):
    view, rows = ledger_view(entries)
    items = table_of(register_net_items(view, ends=ENDS, window=YEAR))
    account = table_of(register_net(view, ends=ENDS, window=YEAR, min_months=9)).set_index(["household_id", "ending_on"])
    assert account.index.is_unique
    assert (items["gross_cny"] - items["cost_cny"] == items["net_cny"]).all()
    assert not items.duplicated(["household_id", "ending_on", "source", "item"]).any()
    by_household: dict[Any, Decimal] = defaultdict(Decimal)
    for row in items.itertuples():
        by_household[row.household_id, row.ending_on] += row.net_cny
    expected = _sums(rows)
    assert {k: v for k, v in by_household.items() if v} == {k: v for k, v in expected.items() if v}
    for key, row in account.iterrows():
        assert row["net_cny"] == expected[key]
        assert sum(row[f"net_{s}_cny"] for s in SOURCES) == row["net_cny"]
        if row["computable"]:
            exact = Fraction(row["net_cny"]) * 12 / (int(row["n_members"]) * int(row["months_delivered"]))
            assert row["below"] == (exact < Fraction(row["line_cny_year"]))
            assert row["net_head_cny_year"] == pytest.approx(float(exact), rel=RELATIVE_TOLERANCE, abs=1e-9)
        else:
            assert pd.isna(row["below"])


def _sums(rows: list[dict[str, Any]]) -> dict[Any, Decimal]:
    """Rows wholly inside a window; FEW_FILES' township delivered nothing after September 2023; GONE is back since mid-November."""
    sums: dict[Any, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row["household_id"] == FEW_FILES and row["period_start"] > day("2023-09-30"):
            continue
        for end in ENDS:
            if row["household_id"] == GONE and row["period_start"] < day("2023-12-01") <= end:
                continue
            if YEAR.bounds(end)[0] <= row["period_start"] and row["period_end"] <= end:
                sums[row["household_id"], end] += row["gross_cny"] - row["cost_cny"]
    return sums


# -- a whole county, computed a second time --------------------------------------------------------------------------------------

WINDOWS = {
    "year": (YEAR, 12), "lenient": (YEAR, 9), "quarter": (Window("trailing", 3), 3), "income-year": (Window("income_year"), 4),
}  # fmt: skip


@functools.cache
def county(name: str) -> tuple[Store, Tables]:
    return (mini_store(), read_rows(mini_folder())) if name == "mini" else (rough_store(), rough_rows())


@pytest.mark.parametrize(
    ("name", "known_on", "window"),
    [("mini", "2022-09-30", "year"), ("rough", "2022-03-31", "year"), ("rough", "2022-09-30", "lenient"), ("rough", "2022-03-15", "quarter"),
     ("rough", "2021-12-31", "income-year")],
)  # fmt: skip
def test_every_account_of_a_county_equals_plain_python_to_the_cent(name: str, known_on: str, window: str):
    store, tables = county(name)
    spec, min_months = WINDOWS[window]
    ends = [day(x) for x in ("2020-09-30", "2020-10-31", "2021-02-28", "2021-08-31", "2021-12-31", "2022-01-31")]
    view = store.as_of(day(known_on))
    account = table_of(register_net(view, ends=ends, window=spec, min_months=min_months)).set_index(["household_id", "ending_on"])
    ledger = Ledger(tables, day(known_on))
    expected = {(h, end): row for end in ends for h, row in ledger.account(spec.bounds(end)[0], end, min_months=min_months).items()}
    assert set(account.index) == set(expected)
    assert any(row["computable"] for row in expected.values())
    for key, want in expected.items():
        found = account.loc[key]
        for column in ("village_code", "n_members", "months_delivered", "net_cny", "gross_cny", "computable"):
            assert found[column] == want[column], (key, column)
        for source in SOURCES:
            assert found[f"net_{source}_cny"] == want[f"net_{source}_cny"], (key, source)
        assert _same(found["line_cny_year"], want["line_cny_year"]), key
        assert _same(found["below"], want["below"]), key
        assert found["net_head_cny_year"] == pytest.approx(want["net_head_cny_year"], rel=RELATIVE_TOLERANCE, nan_ok=True), key


def _same(found: Any, want: Any) -> bool:
    return pd.isna(found) if want is None else bool(found == want)


def test_the_counties_hold_what_the_comparison_is_for():
    """Computable and not, below and not, several lines, households that are away: else the comparison would prove little."""
    ledger = Ledger(rough_rows(), day("2022-09-30"))
    account = ledger.account(day("2021-02-01"), day("2022-01-31"), min_months=12)
    assert {row["below"] for row in account.values()} == {True, False, None}
    assert len({row["line_cny_year"] for row in account.values()}) >= 3
    assert len(account) < len(ledger.village_of)
    assert {row["months_delivered"] for row in account.values()} == {10, 12}
    assert not math.isnan(next(row["net_head_cny_year"] for row in account.values() if row["computable"]))


def test_delivered_months_by_township(view: View):
    months = table_of(delivered_months(view, window_frame([day("2023-12-31")], window=YEAR))).set_index("township_code")[
        "months_delivered"
    ]
    assert months.to_dict() == {999901001: 12, 999901002: 12, 999901003: 9, 999902001: 12}


def test_rows_in_another_order_give_the_same_store():
    tables = {name: rows[::-1] for name, rows in extended_rows().items()}
    assert store_of("reversed", tables, delay=20).manifest.fingerprint == extended_store().manifest.fingerprint
