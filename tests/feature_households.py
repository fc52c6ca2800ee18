"""Counties for tests: hand-worked households with every feature's expected value, and the small simulated county as plain rows.

Rows are canonical rows by table (lists of dicts), so that a test can read, change and write them again. Stores are made once per
test run and shared.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from returnrisk.contracts import load_contracts
from returnrisk.store.tables import VERSION_COLUMNS, read_manifest, write_store
from returnrisk.store.view import Store, open_store
from returnrisk.timeline import add_months, month_end, month_start
from tests.hand_county import typed
from tests.made_once import SHARED, made_once
from tests.office_rows import add_office_rows

Row = dict[str, Any]
Tables = dict[str, list[Row]]
BASE = dt.date(2021, 12, 31)
DELIVERED = ("income", "medical", "subsidy", "support", "monitoring")


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def scratch_folder(name: str) -> Path:
    """A folder of its own under this run's shared folder, removed when the run ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=os.environ[SHARED]))
    shutil.rmtree(folder)
    return folder


def write_rows(name: str, tables: Mapping[str, list[Row]], *, delay: int | None = None) -> Path:
    """Rows as a store in a scratch folder; `delay` days for every table, default the contracts'."""
    contracts = load_contracts()
    folder = scratch_folder(name)
    write_store(folder, typed(tables), contracts=contracts, delays=None if delay is None else dict.fromkeys(contracts, delay))
    return folder


def store_of(name: str, tables: Mapping[str, list[Row]], *, delay: int | None = None) -> Store:
    return open_store(write_rows(name, tables, delay=delay))


def read_rows(folder: Path) -> Tables:
    """Every canonical row of a store, all versions, without the columns the store adds."""
    manifest = read_manifest(folder)
    return {
        name: pq.read_table(folder / stored.file).drop_columns(list(VERSION_COLUMNS)).to_pylist()
        for name, stored in manifest.tables.items()
    }


def copy_rows(tables: Mapping[str, list[Row]]) -> Tables:
    return {name: [dict(row) for row in rows] for name, rows in tables.items()}


def month_starts(first: str, last: str) -> list[dt.date]:
    """First days of the months from `first` to `last` (both `YYYY-MM`)."""
    start, end = day(f"{first}-01"), day(f"{last}-01")
    return [add_months(start, k) for k in range((end.year - start.year) * 12 + end.month - start.month + 1)]


class County:
    """Builds canonical rows by hand; every row of a month is recorded 20 days after it ended unless said otherwise."""

    def __init__(self, *, months: list[dt.date], line: int, county: int = 999902) -> None:
        self.months, self.tables = months, defaultdict(list)
        self.county = county
        self.tables["line"].append(
            {"area_code": county, "valid_from": dt.date(2020, 1, 1), "line_cny_year": line, "recorded_on": BASE}
        )

    def village(self, code: int, **flags: bool) -> int:
        self.tables["village"].append(
            {
                "village_code": code,
                "village_name": f"村{code % 1000}",
                "township_name": f"镇{code // 1000 % 1000}",
                "recorded_on": BASE,
                **flags,
            }
        )
        return code

    def deliver(
        self, township: int, *, tables: tuple[str, ...] = DELIVERED, without: Mapping[str, list[dt.date]] | None = None
    ) -> None:
        for table in tables:
            for month in self.months:
                if month not in (without or {}).get(table, []):
                    self.tables["delivery"].append(
                        {"table_name": table, "township_code": township, "period_start": month, "period_end": month_end(month),
                         "recorded_on": month_end(month) + dt.timedelta(days=20)}
                    )  # fmt: skip

    def household(self, number: int, village: int, *, members: list[Row] | None = None, **columns: Any) -> int:
        """A household and its members; member 1 of household 101 is person 1011. Spell keys: joined_on, left_on, relation."""
        self.tables["household"].append(
            {"household_id": number, "village_code": village, "registered_type": "general", "recorded_on": BASE, **columns}
        )
        for i, person in enumerate(members or [{}], start=1):
            spell = {k: person[k] for k in ("relation", "joined_on", "left_on") if k in person}
            state = {k: v for k, v in person.items() if k not in spell and k != "spell_recorded_on"}
            key = {"person_id": number * 10 + i}
            self.tables["household_roster"].append(
                {**key, "household_id": number, "relation": "head" if i == 1 else "other", "joined_on": dt.date(2010, 1, 1),
                 "recorded_on": person.get("spell_recorded_on", BASE), **spell}
            )  # fmt: skip
            self.tables["member"].append({**key, "sex": "female", "born_on": dt.date(1980, 1, 1), "recorded_on": BASE, **state})
        return number

    def income(
        self, household: int, source: str, item: str, months: list[dt.date], gross: Any, *, cost: Any = 0, person: int | None = None,
        recorded_on: dt.date | None = None,
        estimated: bool | None = None,
    ) -> None:  # fmt: skip
        for month in months:
            self.tables["income"].append(
                {"household_id": household, "person_id": person, "source": source, "item": item, "period_start": month,
                 "period_end": month_end(month), "gross_cny": gross, "cost_cny": cost, "estimated": estimated,
                 "recorded_on": recorded_on or month_end(month) + dt.timedelta(days=20)}
            )  # fmt: skip

    def claim(
        self,
        number: int,
        person: int,
        treated_on: str,
        kind: str,
        total: Any,
        own: Any,
        *,
        listed: bool | None = False,
        recorded: str = "",
    ) -> None:
        self.tables["medical"].append(
            {"claim_id": number, "person_id": person, "treated_on": day(treated_on), "kind": kind, "disease_listed": listed,
             "total_cny": total, "in_scope_cny": total, "basic_paid_cny": 0, "serious_paid_cny": 0, "commercial_paid_cny": None,
             "aid_paid_cny": 0, "out_of_pocket_cny": own,
             "recorded_on": day(recorded) if recorded else day(treated_on) + dt.timedelta(days=10)}
        )  # fmt: skip

    def subsidy(self, household: int, programme: str, start: str, status: str, amount: Any, *, recorded: str = "") -> None:
        self.tables["subsidy"].append(
            {"household_id": household, "programme": programme, "period_start": day(start), "status": status, "amount_cny": amount,
             "recorded_on": day(recorded or start) + dt.timedelta(days=0 if recorded else 14)}
        )  # fmt: skip

    def support(
        self, household: int, measure: str, start: str, *, delivered: bool = True, ended: str = "", recorded: str = ""
    ) -> None:
        self.tables["support"].append(
            {"household_id": household, "measure": measure, "started_on": day(start), "delivered": delivered,
             "ended_on": day(ended) if ended else None, "recorded_on": day(recorded or start)}
        )  # fmt: skip

    def monitoring(self, household: int, identified: str, risk_type: str, *, eliminated: str = "", recorded: str = "") -> None:
        self.tables["monitoring"].append(
            {"household_id": household, "identified_on": day(identified), "category": "marginal", "risk_type": risk_type, "channel": "cadre",
             "eliminated_on": day(eliminated) if eliminated else None, "recorded_on": day(recorded or identified)}
        )  # fmt: skip


# -- the simulated county ------------------------------------------------------------------------------------------------------

MINI_START = dt.date(2019, 10, 1)
MINI_MONTHS = 36
MINI_KEY = b"a key for tests of this package"


@functools.cache
def mini_folder() -> Path:
    """Store of 80 simulated households × 36 months that went through files and ingest."""
    from returnrisk.ingest.inbox import ingest_inbox
    from returnrisk.simulate import simulate_county, write_inbox

    def make(folder: Path) -> None:
        write_inbox(simulate_county(n_households=80, months=MINI_MONTHS, start=MINI_START, seed=5), folder / "inbox")
        ingest_inbox(folder / "inbox", folder / "store", key=MINI_KEY)

    return made_once("mini", make) / "store"


@functools.cache
def mini_store() -> Store:
    return open_store(mini_folder())


@functools.cache
def rough_rows() -> Tables:
    """The mini county made less convenient: six villages in three townships, three lines, files that never came, people who left,
    incomes with a person, amounts not of a source, cents, ungraded disability, empty cells.

    Deterministic; read only (use `copy_rows`).
    """
    tables = read_rows(mini_folder())
    homes = sorted({row["household_id"] for row in tables["household"]})
    villages = _more_villages(tables)
    place = {h: villages[i % len(villages)] for i, h in enumerate(homes)}
    _more_lines(tables, villages)
    _place_households(tables, place)
    _lose_files(tables, place)
    _move_people(tables, homes)
    _spoil_amounts(tables)
    _spoil_states(tables)
    add_office_rows(tables, first_people(tables))
    return tables


def _place_households(tables: Tables, place: Mapping[int, int]) -> None:
    for i, row in enumerate(tables["household"]):
        row |= {
            "village_code": place[row["household_id"]],
            "water_safe": None if i % 9 == 0 else i % 7 != 0,
            "resettled": i % 5 == 0,
        }
        row |= {"cooking_fuel": (None, "network", "bottled", "solid", "other")[i % 5], "private_toilet": (None, True, False)[i % 3]}
    tables["household"] += [
        {**row, "rooms": 1, "housing_grade": "D", "recorded_on": day("2022-05-20")}
        for row in tables["household"]
        if row["household_id"] % 4 == 0
    ]


def first_people(tables: Tables) -> dict[int, list[int]]:
    """Household to the people of its first register, sorted."""
    first = min(spell["recorded_on"] for spell in tables["household_roster"])
    people = defaultdict(set)
    for spell in tables["household_roster"]:
        if spell["recorded_on"] == first:
            people[spell["household_id"]].add(spell["person_id"])
    return {household: sorted(who) for household, who in people.items()}


def _spoil_amounts(tables: Tables) -> None:
    """Cents, a person for most wages, amounts of no source, estimates."""
    people = first_people(tables)
    for i, row in enumerate(tables["income"]):
        row["gross_cny"] += Decimal(i % 100) / 100
        row["estimated"] = (None, True, False)[i % 3]
        if row["source"] == "wage" and row["household_id"] % 3 and row["household_id"] in people:
            row["person_id"] = people[row["household_id"]][row["period_start"].month % 2 and -1]
        if row["item"] == "land_rent" and row["household_id"] % 2:
            row |= {"source": "unallocated", "item": "unallocated"}


def _spoil_states(tables: Tables) -> None:
    """Empty cells, ungraded disability, measures not delivered, 低保 granted and ended, twenty more cases of monitoring, most closed."""
    homes = sorted({row["household_id"] for row in tables["household"]})
    for i, household in enumerate(homes[::4]):
        begun = add_months(day("2020-06-10"), i)
        case = {"household_id": household, "identified_on": begun, "category": "sudden", "risk_type": ("illness", "industry", "other", "disability", "job_loss")[i % 5],
                "channel": "cadre", "eliminated_on": None, "recorded_on": begun + dt.timedelta(days=9)}  # fmt: skip
        ended = add_months(begun, 4 + i % 3)
        tables["monitoring"] += [case, {**case, "eliminated_on": ended, "recorded_on": ended + dt.timedelta(days=12)}]
    for i, row in enumerate(tables["member"]):
        row["employee_insurance"] = (None, True, False)[i % 3]
        if row["disability_grade"] and i % 2:
            row["disability_grade"] = 9
        if i % 13 == 0:
            row["employment"] = ("self_employed", "employer")[i % 2]
        if i % 17 == 0:
            row |= {"health_cover": None, "education": None, "works_away": None, "employment": None}
    for i, row in enumerate(tables["support"]):
        row["delivered"] = i % 6 != 0
    for i, household in enumerate(homes[::6]):
        begun = add_months(day("2020-04-01"), i)
        paid = {"household_id": household, "programme": "dibao", "period_start": begun, "status": "granted", "amount_cny": Decimal("310.00"),
                "recorded_on": begun + dt.timedelta(days=9)}  # fmt: skip
        ended = add_months(begun, 9)
        tables["subsidy"] += [
            paid,
            {**paid, "period_start": ended, "status": "cancelled", "amount_cny": Decimal(0), "recorded_on": ended},
        ]
    for i, household in enumerate(homes[::3]):
        decided = add_months(day("2020-03-08"), i)
        tables["support"].append({"household_id": household, "measure": "housing", "started_on": decided, "delivered": i % 2 == 0, "ended_on": None,
                                  "recorded_on": decided + dt.timedelta(days=9)})  # fmt: skip


def _more_villages(tables: Tables) -> list[int]:
    first = tables["village"][0]
    county = first["village_code"] // 1_000_000
    codes = [county * 1_000_000 + township * 1000 + village for township in (101, 102, 103) for village in (1, 2)]
    tables["village"] = [
        {**first, "village_code": code, "poverty_village": i % 2 == 0, "key_village": i % 3 == 0, "resettlement_site": i == 1,
         "remote": None if i == 5 else i > 3}
        for i, code in enumerate(codes)
    ]  # fmt: skip
    tables["village"] += [{**row, "remote": True, "recorded_on": day("2022-06-15")} for row in tables["village"][:2]]
    old = [row for row in tables["delivery"] if row["township_code"] == min(r["township_code"] for r in tables["delivery"])]
    tables["delivery"] = [{**row, "township_code": code // 1000} for code in codes[::2] for row in old]
    return codes


def _more_lines(tables: Tables, villages: list[int]) -> None:
    """A township's and a village's own line beside the county's; the village's begins late and is corrected later."""
    for area, valid_from, amount, recorded in (
        (villages[2] // 1000, "2021-01-01", "9000.50", "2020-12-20"),
        (villages[3], "2021-06-01", "12000.00", "2021-05-20"),
        (villages[3], "2021-06-01", "11000.00", "2022-01-10"),
        (villages[3], "2022-01-01", "10500.00", "2021-12-20"),
        (villages[0], "2021-01-01", "11111.11", "2022-04-20"),
    ):
        tables["line"].append(
            {
                "area_code": area,
                "valid_from": day(valid_from),
                "line_cny_year": Decimal(amount),
                "reference": None,
                "recorded_on": day(recorded),
            }
        )


def _lose_files(tables: Tables, place: Mapping[int, int]) -> None:
    """Township 103: two ledgers never came, and no medical file after 2020; so their rows are not there either."""
    lost = max(place.values()) // 1000
    ledgers = {day("2021-02-01"), day("2021-07-01")}

    def is_lost(row: Row) -> bool:
        gone = row["table_name"] == "income" and row["period_start"] in ledgers
        return row["township_code"] == lost and (
            gone or (row["table_name"] == "medical" and row["period_start"] >= day("2021-01-01"))
        )

    tables["delivery"] = [row for row in tables["delivery"] if not is_lost(row)]
    tables["income"] = [
        row for row in tables["income"] if not (place[row["household_id"]] // 1000 == lost and row["period_start"] in ledgers)
    ]
    home = {row["person_id"]: row["household_id"] for row in tables["household_roster"]}
    tables["medical"] = [
        row
        for row in tables["medical"]
        if not (place[home[row["person_id"]]] // 1000 == lost and row["treated_on"] >= day("2021-01-01"))
    ]


def _move_people(tables: Tables, homes: list[int]) -> None:
    """Three households leave altogether, on three days; one comes back after a year."""
    away = {homes[3]: day("2021-08-15"), homes[17]: day("2021-12-31"), homes[40]: day("2022-01-31")}
    kept = []
    for spell in tables["household_roster"]:
        left = away.get(spell["household_id"])
        if left is None or spell["recorded_on"] <= left:
            kept.append(spell)
        if left and spell["left_on"] is None and spell["recorded_on"] <= left:
            kept.append({**spell, "left_on": left, "recorded_on": left + dt.timedelta(days=3)})
            if spell["household_id"] == homes[3]:
                back = left + dt.timedelta(days=300)
                kept.append({**spell, "joined_on": back, "left_on": None, "recorded_on": back})
    latest = {}
    for spell in kept:  # one row per key and recording day
        latest[spell["person_id"], spell["household_id"], spell["joined_on"], spell["recorded_on"]] = spell
    tables["household_roster"] = list(latest.values())


@functools.cache
def rough_folder() -> Path:
    return made_once("rough", lambda folder: write_store(folder, typed(rough_rows()), contracts=load_contracts()))


@functools.cache
def rough_store() -> Store:
    return open_store(rough_folder())


# -- an account by hand: plain Python, exact ------------------------------------------------------------------------------------


class Ledger:
    """The same account computed without the engine: dictionaries, `Decimal` and `Fraction`."""

    def __init__(self, tables: Mapping[str, list[Row]], known_on: dt.date) -> None:
        self.known_on = known_on
        self.tables = {name: self._latest(name, rows) for name, rows in tables.items()}

    def _latest(self, name: str, rows: list[Row]) -> list[Row]:
        """The last version of each key that was recorded by the day."""
        key = load_contracts()[name].key
        found: dict[tuple[Any, ...], Row] = {}
        for row in sorted((r for r in rows if r["recorded_on"] <= self.known_on), key=lambda r: r["recorded_on"]):
            found[tuple(row[k] for k in key)] = row
        return list(found.values())

    @functools.cached_property
    def village_of(self) -> dict[int, int]:
        return {row["household_id"]: row["village_code"] for row in self.tables["household"]}

    def members(self, on: dt.date) -> dict[int, int]:
        """Household to number of people living there on a day."""
        people = defaultdict(set)
        for spell in self.tables["household_roster"]:
            joined, left = spell["joined_on"], spell["left_on"]
            if (joined is None or joined <= on) and (left is None or on <= left):
                people[spell["household_id"]].add(spell["person_id"])
        return {h: len(who) for h, who in people.items()}

    def known_from(self, household: int, on: dt.date) -> dt.date:
        """First day of the first whole month of the stay that holds `on`, walking back day by day over its members' spells."""
        spells = [
            (r["joined_on"] or dt.date.min, r["left_on"] or dt.date.max)
            for r in self.tables["household_roster"]
            if r["household_id"] == household
        ]
        begun = on
        while earlier := [joined for joined, left in spells if joined < begun <= left + dt.timedelta(days=left != dt.date.max)]:
            begun = min(earlier)
        return begun if begun.day == 1 else add_months(month_start(begun), 1)

    def delivered(self, township: int, table: str = "income") -> set[dt.date]:
        """First days of the months that a township's files of a table speak of."""
        covered = set()
        for file in self.tables["delivery"]:
            if (file["table_name"], file["township_code"]) == (table, township):
                month = month_start(file["period_start"])
                while month <= file["period_end"]:
                    covered.add(month)
                    month = add_months(month, 1)
        return covered

    def line(self, village: int, on: dt.date) -> Decimal | None:
        for area in (village, village // 1000, village // 1_000_000):
            valid = [r for r in self.tables["line"] if r["area_code"] == area and r["valid_from"] <= on]
            if valid:
                return max(valid, key=lambda r: r["valid_from"])["line_cny_year"]
        return None

    def account(self, start: dt.date, end: dt.date, *, min_months: int) -> dict[int, Row]:
        """Household to its account of the window [start, end]."""
        net, by_source, gross = defaultdict(Decimal), defaultdict(Decimal), defaultdict(Decimal)
        delivered = {t: self.delivered(t) for t in {v // 1000 for v in self.village_of.values()}}
        there = self.members(end)
        since = {household: self.known_from(household, end) for household in there}
        for row in self.tables["income"]:
            month = month_start(row["period_start"])
            came = month in delivered[self.village_of[row["household_id"]] // 1000] and month >= since.get(
                row["household_id"], dt.date.min
            )
            if came and start <= row["period_start"] and row["period_end"] <= end:
                amount = row["gross_cny"] - row["cost_cny"]
                net[row["household_id"]] += amount
                gross[row["household_id"]] += row["gross_cny"]
                by_source[row["household_id"], row["source"]] += amount
        result = {}
        for household, n in there.items():
            village = self.village_of[household]
            months = sum(max(start, since[household]) <= month <= end for month in delivered[village // 1000])
            line = self.line(village, end)
            computable = months >= min_months and line is not None
            result[household] = {
                "village_code": village, "n_members": n, "months_delivered": months, "line_cny_year": line, "computable": computable,
                "net_cny": net[household], "gross_cny": gross[household],
                **{f"net_{s}_cny": by_source[household, s] for s in ("operating", "wage", "property", "transfer", "unallocated")},
                "below": net[household] * 12 < line * n * months if computable else None,
                "net_head_cny_year": float(net[household]) * 12 / (months * n) if computable else math.nan,
            }  # fmt: skip
        return result
