"""The assistance account and the itemised form of both accounts: by hand, as properties of every ledger, and against plain Python."""

from __future__ import annotations

import datetime as dt
import functools
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from returnrisk.accounts import (
    ACCOUNTS,
    SOURCES,
    account_items,
    account_net,
    household_account,
    is_below,
    register_net,
    register_net_items,
)
from returnrisk.errors import NotEnoughDataError, PolicyDateError, UnknownNameError, UsageError
from returnrisk.policy import Policy, load_policy
from returnrisk.store.view import Store, View
from returnrisk.timeline import add_months, month_end, month_start
from tests.feature_households import County, Ledger, day, month_starts, rough_rows, rough_store, scratch_folder, store_of
from tests.test_accounts import ENDS, ENTRY, YEAR, ledger_view, table_of

TOWN, LOST = 999902001001, 999902002001
YEAR_2024, JUNE, DECEMBER = month_starts("2024-01", "2024-12"), day("2024-06-30"), day("2024-12-31")
FULL = {"labour_capacity": "full", "employment": "employee_informal"}

PACK = """\
schema: 1
name: hand-county
title: {zh: 手工县, en: Hand County}
parent: national
parameters:
  minimum_wage_month: {kind: assumed, values: {2020-01-01: {value: 1000}, 2024-07-01: {value: 1200}}}
  employment_cost_share: {kind: assumed, values: {2020-01-01: {value: 0.15}}}
"""
PLAIN = (
    PACK.replace("hand-county", "plain-county")
    + """\
  assistance_excluded_items: {kind: assumed, values: {2020-01-01: {value: []}}}
  deduct_employment_cost: {kind: assumed, values: {2020-01-01: {value: false}}}
  unverified_wage_is_minimum: {kind: assumed, values: {2020-01-01: {value: false}}}
"""
)
TYPO = (
    PACK.replace("hand-county", "typo-county")
    + """\
  assistance_excluded_items: {kind: assumed, choices: [pensoin, pension, disability_subsidy, dibao, survivor_allowance, preferential_allowance], values: {2020-01-01: {value: [pensoin]}}}
"""
)


@functools.cache
def packs() -> Path:
    folder = scratch_folder("packs")
    folder.mkdir()
    for name, text in (("hand-county", PACK), ("plain-county", PLAIN), ("typo-county", TYPO)):
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


@functools.cache
def pack(name: str) -> Policy:
    return load_policy(name, folder=packs())


# -- by hand -------------------------------------------------------------------------------------------------------------------


class Hand(County):
    """Households by name, each with the ledger and members that one rule of the account is about."""

    def __init__(self) -> None:
        super().__init__(months=month_starts("2023-01", "2024-12"), line=7000)
        self.numbers: dict[str, int] = {}
        for code in (TOWN, LOST):
            self.village(code)
        self.deliver(TOWN // 1000, tables=("income",))
        self.deliver(LOST // 1000, tables=("income",), without={"income": month_starts("2024-11", "2024-12")})

    def home(self, name: str, *members: dict[str, Any], village: int = TOWN) -> int:
        self.numbers[name] = 100 + len(self.numbers)
        return self.household(self.numbers[name], village, members=list(members) or [{}])

    def job(self, household: int, member: int, started: str, ended: str = "", *, kind: str = "employee_formal") -> None:
        spell = {
            "person_id": household * 10 + member,
            "started_on": day(started),
            "kind": kind,
            "place": "county",
            "sector": "services",
        }
        self.tables["employment"].append({**spell, "recorded_on": day(started)})
        if ended:
            self.tables["employment"].append({**spell, "ended_on": day(ended), "recorded_on": day(ended)})

    def wage(self, household: int, start: str, end: str, gross: Any, *, recorded: str = "") -> None:
        """A wage of a period, of the household as a whole."""
        self.tables["income"].append(
            {"household_id": household, "source": "wage", "item": "local_work", "period_start": day(start), "period_end": day(end),
             "gross_cny": gross, "cost_cny": 0, "recorded_on": day(recorded or "2025-01-20")}
        )  # fmt: skip


def _with_ledgers(county: Hand) -> None:
    elder = county.home("PENSIONER", {"labour_capacity": "none"})
    for item, gross in (
        ("pension", 200),
        ("disability_subsidy", 100),
        ("dibao", 300),
        ("survivor_allowance", 50),
        ("preferential_allowance", 40),
        ("remittance", 500),
    ):
        county.income(elder, "transfer", item, YEAR_2024, gross)
    county.income(county.home("MIGRANT", FULL, {}), "wage", "migrant_work", YEAR_2024, 3000)
    county.income(county.home("POST", FULL), "wage", "public_post", YEAR_2024, 800)
    county.income(county.home("WAGE_COST"), "wage", "migrant_work", YEAR_2024[:1], 10_000, cost=2000)
    county.income(county.home("HALF_FEN"), "wage", "migrant_work", YEAR_2024[:1], Decimal("0.10"))
    loss = county.home("LOSS")
    county.income(loss, "operating", "livestock", YEAR_2024[5:6], 100, cost=3000)
    county.income(loss, "transfer", "pension", YEAR_2024[5:6], 5000)
    costly = county.home("COSTLY_WAGE")  # more cost than wage: nothing that employment cost could be a share of
    county.income(costly, "wage", "local_work", YEAR_2024[:1], 100, cost=300)
    county.income(county.home("ZERO_WAGE", FULL), "wage", "local_work", YEAR_2024, 0)
    county.home("NOTHING")


def _with_unstated_wages(county: Hand) -> None:
    weak, farmer = {**FULL, "labour_capacity": "weak"}, {**FULL, "employment": "farming"}
    county.home("UNSTATED", FULL)
    county.home("TWO_UNSTATED", FULL, {**FULL, "employment": "public_post"})
    county.home("WEAK", weak)
    county.home("NO_CAPACITY_ON_FILE", {**FULL, "labour_capacity": None})
    county.home("NO_STATE_ON_FILE", {"labour_capacity": "full"})
    county.home("FARMER", farmer)
    county.home("OWN_BUSINESS", {**FULL, "employment": "self_employed"})
    county.home("LOST_FILES", FULL, village=LOST)
    county.job(county.home("SPELL", FULL), 1, "2024-03-15", "2024-08-30")
    county.job(county.home("SPELL_TO_MONTH_END", FULL), 1, "2024-03-31", "2024-08-31", kind="workshop")
    county.job(county.home("SPELL_OWN", FULL), 1, "2020-03-15", kind="self_employed")
    county.job(county.home("SPELL_SINCE", farmer), 1, "2024-11-01", kind="public_post")
    county.home("NEW", {**FULL, "joined_on": day("2024-07-15")})
    county.home("NEW_ON_FIRST", {**FULL, "joined_on": day("2024-08-01")})
    county.home("LEFT", {"labour_capacity": "none"}, {**FULL, "left_on": day("2024-05-31")})
    county.home("LEFT_BEFORE", {"labour_capacity": "none"}, {**FULL, "left_on": day("2024-05-30")})
    county.home("MOVED_FROM", {}, {**FULL, "left_on": day("2024-06-30")})
    county.home("MOVED_TO", {})
    mover = county.numbers["MOVED_FROM"] * 10 + 2
    county.tables["household_roster"].append(
        {"person_id": mover, "household_id": county.numbers["MOVED_TO"], "relation": "other", "joined_on": day("2024-07-01"),
         "recorded_on": day("2024-07-01")}
    )  # fmt: skip
    paid = county.numbers["MOVED_FROM"]  # one month's wage, filed with the household that was left
    county.income(paid, "wage", "local_work", [day("2024-12-01")], 700, person=mover)
    some = county.home("PARTLY_STATED", FULL, FULL)
    county.income(some, "wage", "local_work", month_starts("2024-01", "2024-06"), 2000, person=some * 10 + 1)
    county.income(some, "wage", "local_work", month_starts("2024-07", "2024-09"), 100)
    county.wage(county.home("QUARTER", FULL), "2024-01-01", "2024-03-31", 9000)
    county.wage(county.home("ACROSS_THE_EDGE", FULL), "2023-12-01", "2024-02-29", 5000)
    county.wage(county.home("LATE_WAGE", FULL), "2024-04-01", "2024-04-30", 2000, recorded="2025-03-01")


@functools.cache
def hand() -> tuple[Store, dict[str, int]]:
    county = Hand()
    _with_ledgers(county)
    _with_unstated_wages(county)
    return store_of("assistance", county.tables, delay=20), county.numbers


def net_of(
    name: str = "hand-county", *, known_on: str = "2025-02-28", end: dt.date = DECEMBER, min_months: int = 10
) -> pd.DataFrame:
    view = hand()[0].as_of(day(known_on))
    table = account_net(view, account="assistance_countable", ends=[end], window=YEAR, min_months=min_months, policy=pack(name))
    names = {number: text for text, number in hand()[1].items()}
    return table_of(table).assign(name=lambda t: t["household_id"].map(names)).set_index("name")


NET_2024 = {
    "PENSIONER": "6000.00",  # 12 × 500 remittance; pension, subsidy, 抚恤金, 优待金 and 低保 do not count
    "MIGRANT": "30600.00",  # 36 000 − 15%
    "POST": "9600.00",  # a public post costs no travel: not among the items
    "WAGE_COST": "6800.00",  # 10 000 − 2 000, less 15% of 8 000
    "HALF_FEN": "0.08",  # 15% of 0.10 is 0.015, taken as 0.02
    "LOSS": "-2900.00",  # a pension does not fill it
    "COSTLY_WAGE": "-200.00",
    "ZERO_WAGE": "0.00",  # zero is a statement
    "NOTHING": "0.00",
    "UNSTATED": "14400.00",  # 12 × 1 200, no employment cost
    "TWO_UNSTATED": "28800.00",
    "WEAK": "0.00",
    "NO_CAPACITY_ON_FILE": "0.00",
    "NO_STATE_ON_FILE": "0.00",
    "FARMER": "0.00",
    "OWN_BUSINESS": "0.00",
    "LOST_FILES": "12000.00",  # ten months came
    "SPELL": "6000.00",  # on the last day of March to July
    "SPELL_TO_MONTH_END": "7200.00",  # March to August
    "SPELL_OWN": "0.00",  # the spell, not the state, says how
    "SPELL_SINCE": "2400.00",  # November and December
    "NEW": "6000.00",  # since August, the first whole month
    "NEW_ON_FIRST": "6000.00",
    "LEFT": "6000.00",  # January to May
    "LEFT_BEFORE": "4800.00",
    "MOVED_FROM": "7795.00",  # January to June, and 700 less 15%
    "MOVED_TO": "6000.00",  # July to November: December's wage is on file elsewhere
    "PARTLY_STATED": "24855.00",  # 12 000 + 300, less 15%; 3 months of the one and 9 of the other
    "QUARTER": "18450.00",  # 9 000 − 15%, and nine months
    "ACROSS_THE_EDGE": "12000.00",  # its quarter does not count, and says of January and February that there was a wage
    "LATE_WAGE": "14400.00",
}


def test_net_income_by_hand():
    found = net_of()
    assert set(found.index) == set(NET_2024)
    assert {name: str(net) for name, net in found["net_cny"].items()} == NET_2024
    for name, row in found.iterrows():
        assert row["computable"] == (name not in ("NEW", "NEW_ON_FIRST")), name
        assert sum(row[f"net_{s}_cny"] for s in SOURCES) == row["net_cny"], name


def test_per_head_and_months_as_the_register_account_has_them():
    found = net_of(min_months=5)
    expected = {"MIGRANT": (2, 12, 15_300.0), "NEW": (1, 5, 14_400.0), "LOST_FILES": (1, 10, 14_400.0), "LOSS": (1, 12, -2900.0)}
    for name, (members, months, head) in expected.items():
        row = found.loc[name]
        assert (row["n_members"], row["months_delivered"]) == (members, months), name
        assert row["net_head_cny_year"] == pytest.approx(head, rel=1e-12), name
    assert pd.isna(net_of(min_months=6).loc["NEW", "net_head_cny_year"])  # unknown, never low


def test_a_wage_recorded_late_is_assumed_until_it_is_known():
    assert net_of(known_on="2025-02-28").loc["LATE_WAGE", "net_cny"] == 14_400
    assert net_of(known_on="2025-03-01").loc["LATE_WAGE", "net_cny"] == 11 * 1200 + 2000 - 300


def test_the_rules_are_those_of_the_windows_last_day():
    assert net_of(end=JUNE).loc["UNSTATED", "net_cny"] == 12 * 1000
    assert net_of(end=day("2024-07-31")).loc["UNSTATED", "net_cny"] == 12 * 1200
    both = account_net(
        hand()[0].as_of(day("2025-02-28")),
        account="assistance_countable",
        ends=[DECEMBER, JUNE],
        window=YEAR,
        min_months=10,
        policy=pack("hand-county"),
    )
    rows = table_of(both.filter(both.household_id == hand()[1]["UNSTATED"])).set_index("ending_on")["net_cny"]
    assert rows.to_dict() == {JUNE: 12_000, DECEMBER: 14_400}


def test_the_shipped_packs_differ_as_their_rules_do():
    nets = {name: net_of(name).loc["MIGRANT", "net_cny"] for name in ("national", "gansu-style", "guangxi-style")}
    shares = {name: pack(name).number("employment_cost_share", DECEMBER) for name in nets}
    assert nets["national"] == 36_000 * (1 - shares["national"])
    assert nets["guangxi-style"] == 36_000 * (1 - shares["guangxi-style"])
    assert nets["gansu-style"] == 36_000  # deducts no employment cost
    for name in nets:
        assert net_of(name).loc["UNSTATED", "net_cny"] == 12 * pack(name).number("minimum_wage_month", DECEMBER)


def test_on_the_line_is_not_below_it():
    view = hand()[0].as_of(day("2025-02-28"))
    account = account_net(
        view, account="assistance_countable", ends=[DECEMBER], window=YEAR, min_months=10, policy=pack("hand-county")
    )
    for line, below in (("15300.00", False), ("15300.01", True), ("15299.99", False)):
        literal = ibis.literal(Decimal(line), "decimal(18,2)")
        table = account.mutate(low=is_below(account, literal)).to_pandas().set_index("household_id")
        assert table.loc[hand()[1]["MIGRANT"], "low"] == below, line


def test_what_cannot_be_meant_is_refused():
    view, asked = hand()[0].as_of(day("2025-02-28")), {"ends": [DECEMBER], "window": YEAR}
    with pytest.raises(UnknownNameError, match="assistance_countable"):
        account_items(view, account="assistance_countabel", policy=pack("national"), **asked)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="needs a policy pack"):
        account_net(view, account="assistance_countable", min_months=10, **asked)
    with pytest.raises(UnknownNameError, match=r"assistance_excluded_items.*did you mean 'pension'"):
        account_items(view, account="assistance_countable", policy=pack("typo-county"), **asked)
    with pytest.raises(NotEnoughDataError, match="no window"):
        account_items(view, account="assistance_countable", policy=pack("national"), ends=[], window=YEAR)
    with pytest.raises(PolicyDateError, match="POL006"):
        account_items(view, account="assistance_countable", policy=pack("national"), ends=[day("2019-12-31")], window=YEAR)


# -- one household ---------------------------------------------------------------------------------------------------------------


def statement(name: str, **changed: Any) -> Any:
    asked = {
        "account": "assistance_countable",
        "ending_on": DECEMBER,
        "window": YEAR,
        "min_months": 10,
        "policy": pack("hand-county"),
    }
    view = hand()[0].as_of(day("2025-02-28"))
    return household_account(view, hand()[1][name], **(asked | changed))


def test_one_household_in_words():
    found = statement("PENSIONER")
    assert (found.n_members, found.months_delivered, found.net_cny, found.computable) == (1, 12, Decimal(6000), True)
    assert (found.starts_on, found.ending_on, found.net_head_cny_year) == (day("2024-01-01"), DECEMBER, 6000.0)
    rows = found.frame()[["part_zh", "source_zh", "item_zh", "item_en", "gross_cny", "amount_cny", "assumed"]].to_numpy().tolist()
    assert rows == [
        ["计入", "转移性收入", "赡养及汇款", "remittance", Decimal(6000), Decimal(6000), False],
        ["不计入", "转移性收入", "低保金", "dibao", Decimal(3600), Decimal(0), False],
        ["不计入", "转移性收入", "残疾补贴", "disability subsidy", Decimal(1200), Decimal(0), False],
        ["不计入", "转移性收入", "养老金", "pension", Decimal(2400), Decimal(0), False],
        ["不计入", "转移性收入", "优待金", "preferential allowance", Decimal(480), Decimal(0), False],
        ["不计入", "转移性收入", "抚恤金", "survivor allowance", Decimal(600), Decimal(0), False],
    ]
    register = statement("PENSIONER", account="register_net", policy=None)
    assert register.net_cny == 12 * 1190
    assert set(register.frame()["part"]) == {"counted"}


def test_what_a_rule_made_is_marked():
    rows = statement("PARTLY_STATED").frame().set_index("item")
    assert rows["assumed"].to_dict() == {"local_work": False, "minimum_wage_assumed": True, "employment_cost": True}
    assert rows.loc["minimum_wage_assumed", ["gross_cny", "amount_cny"]].tolist() == [Decimal(14_400), Decimal(14_400)]
    assert rows.loc["employment_cost", ["part", "gross_cny", "cost_cny", "amount_cny"]].tolist() == [
        "deducted",
        Decimal(0),
        Decimal(1845),
        Decimal(-1845),
    ]
    assert rows["item_zh"].str.contains("估算").to_dict() == rows["assumed"].to_dict()


def test_a_household_without_rows_or_members():
    empty = statement("NOTHING")
    assert (len(empty.frame()), empty.net_cny, empty.net_head_cny_year) == (0, 0, 0.0)
    assert statement("NEW").net_head_cny_year is None
    with pytest.raises(NotEnoughDataError, match=f"household {hand()[1]['NEW']}: it has no member on 2024-06-30"):
        statement("NEW", ending_on=JUNE)


# -- properties of every ledger --------------------------------------------------------------------------------------------------

EXCLUDED = ("pension", "disability_subsidy", "dibao", "survivor_allowance", "preferential_allowance")
ROW = ENTRY | st.tuples(ENTRY, st.sampled_from(EXCLUDED)).map(lambda pair: {**pair[0], "kind": ("transfer", pair[1])})


def items_of(view: View, account: str) -> pd.DataFrame:
    return table_of(account_items(view, account=account, ends=ENDS, window=YEAR, policy=pack("hand-county")))


def nets_of(view: View, account: str, *, pack_name: str = "hand-county") -> pd.DataFrame:
    return table_of(account_net(view, account=account, ends=ENDS, window=YEAR, policy=pack(pack_name), min_months=9))


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(ROW, min_size=1, max_size=60))
def test_items_of_both_accounts_add_up_to_the_net(entries: list[dict[str, Any]]):
    view, _ = ledger_view(entries)
    for account in ACCOUNTS:
        items, nets = items_of(view, account), nets_of(view, account)
        by_household: dict[Any, Decimal] = defaultdict(Decimal)
        for row in items.itertuples():
            by_household[row.household_id, row.ending_on] += row.amount_cny
            expected = {"counted": row.gross_cny - row.cost_cny, "deducted": -row.cost_cny, "excluded": 0}[row.part]
            assert row.amount_cny == expected
        assert not items.duplicated(["household_id", "ending_on", "source", "item", "part"]).any()
        assert nets.set_index(["household_id", "ending_on"]).index.is_unique
        for row in nets.itertuples():
            assert row.net_cny == by_household[row.household_id, row.ending_on], account
            if row.computable:
                exact = Fraction(row.net_cny) * 12 / (int(row.months_delivered) * int(row.n_members))
                assert row.net_head_cny_year == pytest.approx(float(exact), rel=1e-12, abs=1e-9)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(ROW, min_size=1, max_size=60))
def test_an_excluded_item_never_changes_the_net(entries: list[dict[str, Any]]):
    with_all, _ = ledger_view(entries)
    nothing = {**entries[0], "kind": ("property", "rent"), "gross_cny": Decimal(0), "cost_cny": Decimal(0)}
    without, _ = ledger_view([e for e in entries if e["kind"][1] not in EXCLUDED] or [nothing])
    keys = ["household_id", "ending_on"]
    nets = [nets_of(view, "assistance_countable").sort_values(keys, ignore_index=True) for view in (with_all, without)]
    pd.testing.assert_frame_equal(*nets)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(ROW, min_size=1, max_size=60))
def test_without_exclusions_and_deductions_the_two_accounts_are_one(entries: list[dict[str, Any]]):
    view, _ = ledger_view(entries)
    keys = ["household_id", "ending_on"]
    register, assistance = (nets_of(view, account, pack_name="plain-county") for account in ACCOUNTS)
    shared = [c for c in assistance.columns if c not in ("net_head_cny_year", "computable")]  # no line is needed
    assert set(register.columns) - set(assistance.columns) == {"line_cny_year", "below"}
    pd.testing.assert_frame_equal(*(t[shared].sort_values(keys, ignore_index=True) for t in (register, assistance)))


def test_the_register_account_by_name_is_the_register_account():
    view, asked = hand()[0].as_of(day("2025-02-28")), {"ends": [JUNE, DECEMBER], "window": YEAR}
    keys = ["household_id", "ending_on"]
    tables = (register_net(view, min_months=10, **asked), account_net(view, account="register_net", min_months=10, **asked))
    pd.testing.assert_frame_equal(*(table_of(t).sort_values(keys, ignore_index=True) for t in tables))
    items = table_of(account_items(view, account="register_net", **asked)).rename(columns={"amount_cny": "net_cny"})
    old = table_of(register_net_items(view, **asked))
    keys += ["source", "item"]
    pd.testing.assert_frame_equal(*(t[list(old.columns)].sort_values(keys, ignore_index=True) for t in (old, items)))
    assert set(items["part"]) == {"counted"}
    assert not items["assumed"].any()


# -- a whole county, computed a second time ----------------------------------------------------------------------------------------


def plain_assistance(ledger: Ledger, end: dt.date, policy: Policy) -> dict[int, Decimal]:
    """Net countable income of every household with members, by dictionaries and `Decimal`."""
    start = YEAR.bounds(end)[0]
    out, costly = (set(policy.listed(name, end)) for name in ("assistance_excluded_items", "employment_cost_items"))
    net, base = defaultdict(Decimal), defaultdict(Decimal)
    months, there = _months_of_households(ledger, start, end), ledger.members(end)
    for row in ledger.tables["income"]:
        inside = start <= row["period_start"] and row["period_end"] <= end
        if inside and row["item"] not in out and month_start(row["period_start"]) in months[row["household_id"]]:
            amount = row["gross_cny"] - row["cost_cny"]
            net[row["household_id"]] += amount
            base[row["household_id"]] += amount if row["item"] in costly else 0
    for household in _unstated(ledger, months):
        net[household] += policy.number("minimum_wage_month", end)
    if policy.flag("deduct_employment_cost", end):
        for household, earned in base.items():
            share = (earned * policy.number("employment_cost_share", end)).quantize(Decimal("0.01"), ROUND_HALF_UP)
            net[household] -= max(share, Decimal(0))
    return {household: net[household] for household in there}


def _months_of_households(ledger: Ledger, start: dt.date, end: dt.date) -> dict[int, set[dt.date]]:
    there = ledger.members(end)
    delivered = {t: ledger.delivered(t) for t in {v // 1000 for v in ledger.village_of.values()}}
    return {
        h: {m for m in delivered[v // 1000] if max(start, ledger.known_from(h, end) if h in there else start) <= m <= end}
        for h, v in ledger.village_of.items()
    }


def _unstated(ledger: Ledger, months: dict[int, set[dt.date]]) -> list[int]:
    """The household of every member and month with paid work and no wage on file."""
    able = {r["person_id"]: r for r in ledger.tables["member"] if r["labour_capacity"] == "full"}
    jobs = defaultdict(list)
    for spell in ledger.tables["employment"]:
        jobs[spell["person_id"]].append(spell)
    stated = set()
    for row in ledger.tables["income"]:
        month = month_start(row["period_start"])
        while row["source"] == "wage" and month <= row["period_end"]:
            stated.add((("member", row["person_id"]) if row["person_id"] else ("home", row["household_id"]), month))
            month = add_months(month, 1)
    found = {
        (r["household_id"], r["person_id"], m)
        for r in ledger.tables["household_roster"]
        if r["person_id"] in able
        for m in months[r["household_id"]]
        if (r["joined_on"] or dt.date.min) <= month_end(m) <= (r["left_on"] or dt.date.max)
        and _employed(able[r["person_id"]], jobs[r["person_id"]], month_end(m))
        and not {(("member", r["person_id"]), m), (("home", r["household_id"]), m)} & stated
    }
    return [household for household, _, _ in found]


def _employed(member: dict[str, Any], jobs: list[dict[str, Any]], on: dt.date) -> bool:
    if not jobs:
        return member["employment"] in ("employee_formal", "employee_informal", "public_post")
    paid = [j for j in jobs if j["kind"] != "self_employed"]
    return any(j["started_on"] <= on and (j["ended_on"] is None or on <= j["ended_on"]) for j in paid)


@pytest.mark.parametrize("name", ["national", pytest.param("gansu-style", marks=pytest.mark.slow)])
def test_every_account_of_a_county_equals_plain_python_to_the_cent(name: str):
    ends, known_on = [day("2021-09-30"), day("2022-01-31")], day("2022-09-30")
    view, ledger = rough_store().as_of(known_on), Ledger(rough_rows(), known_on)
    asked = {"account": "assistance_countable", "ends": ends, "window": YEAR, "policy": pack(name)}
    nets = table_of(account_net(view, min_months=10, **asked)).set_index(["household_id", "ending_on"])["net_cny"]
    expected = {(h, end): net for end in ends for h, net in plain_assistance(ledger, end, pack(name)).items()}
    assert nets.to_dict() == expected
    items = table_of(account_items(view, **asked))
    assert {"counted", "excluded"} <= set(items["part"])
    assert items.loc[items["item"] == "minimum_wage_assumed", "household_id"].nunique() > 10
