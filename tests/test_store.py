"""The store: versions, views as of a day, files that are whole or absent, and damage that is noticed."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from returnrisk.contracts import load_contracts
from returnrisk.errors import ContractViolation, StoreError, UnknownNameError
from returnrisk.store.coverage import coverage
from returnrisk.store.pseudonyms import pseudonymise
from returnrisk.store.tables import Manifest, read_manifest, verify_files, write_store
from returnrisk.store.view import Store, connect, open_store

VILLAGE, OTHER_VILLAGE = 999901001001, 999901002001
ARROW = {
    "int64": pa.int64(),
    "string": pa.string(),
    "date": pa.date32(),
    "boolean": pa.bool_(),
    "decimal(18,2)": pa.decimal128(18, 2),
}
Rows = dict[str, list[dict[str, Any]]]


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def base() -> Rows:
    """One household in one village, with an identity, a measure and one month of pension."""
    start = day("2022-12-31")
    return {
        "village": [{"village_code": VILLAGE, "village_name": "甲村", "township_name": "东镇", "recorded_on": start}],
        "household": [
            {"household_id": h, "village_code": VILLAGE, "registered_type": "ex_poor", "rooms": 3, "recorded_on": start} for h in (11, 22)
        ],
        "household_roster": [
            {"person_id": 1, "household_id": 11, "relation": "head", "joined_on": day("2014-01-01"), "recorded_on": start}
        ],
        "member": [{"person_id": 1, "sex": "female", "born_on": day("1970-01-01"), "recorded_on": start}],
        "income": [income(11, "2023-01", 300, recorded="2023-02-20")],
        "delivery": [
            {"table_name": "income", "township_code": 999901001, "period_start": day("2023-01-01"), "period_end": day("2023-01-31"),
             "recorded_on": day("2023-02-20")}
        ],
        "line": [{"area_code": 999901, "valid_from": day("2022-01-01"), "line_cny_year": Decimal(5000), "recorded_on": start}],
        "identity": [{"household_id": 11, "head_name": "张模拟甲", "phone": "13800000001", "address": "一组", "recorded_on": start}],
    }  # fmt: skip


def income(household: int, month: str, gross: int, *, recorded: str, cost: int = 0, person: int | None = None) -> dict[str, Any]:
    start = day(f"{month}-01")
    end = (start.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)
    return {
        "household_id": household, "person_id": person, "source": "transfer", "item": "pension", "period_start": start,
        "period_end": end, "gross_cny": Decimal(gross), "cost_cny": Decimal(cost), "recorded_on": day(recorded),
    }  # fmt: skip


def typed(rows: Rows) -> dict[str, Any]:
    contracts = load_contracts()
    result = {}
    for name, content in rows.items():
        schema = pa.schema([(f.name, ARROW[f.type]) for f in contracts[name].fields])
        columns = contracts[name].columns
        result[name] = ibis.memtable(pa.Table.from_pylist([{c: r.get(c) for c in columns} for r in content], schema=schema))
    return result


def put(folder: Path, rows: Rows, **options: Any) -> Manifest:
    return write_store(folder, typed(rows), contracts=load_contracts(), **options)


def only(rows: Rows, *names: str) -> Rows:
    return {name: rows[name] for name in names}


def seen(store: Store, name: str, on: str) -> list[dict[str, Any]]:
    rows = store.as_of(day(on)).table(name).to_pyarrow().to_pylist()
    return sorted(rows, key=lambda r: [str(r[c]) for c in store.contracts[name].columns])


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*.parquet"))}


def state_of(folder: Path) -> str | None:
    """Fingerprint of a store whose files are all what the manifest says, None when there is none; StoreError otherwise."""
    if not (folder / "manifest.json").exists():
        return None
    manifest = read_manifest(folder)
    verify_files(folder, manifest)
    if manifest.accounting:  # what became of the input rows must be there, and speak of this very store
        text = (folder / manifest.accounting / "files.csv").read_text(encoding="utf-8-sig")
        assert text == f"inputs\n{manifest.inputs}\n" or text.startswith("table_name,file,")
    return manifest.fingerprint


def with_accounting(inputs: str) -> dict[str, Any]:
    return {"inputs": inputs, "accounting": {"files": pd.DataFrame({"inputs": [inputs]})}}


# ------------------------------------------------------------------------------------------------------- versions


def test_each_version_is_known_until_the_next_is_recorded(tmp_path):
    rows = only(base(), "village", "household", "income")
    rows["income"] = [
        income(11, "2023-01", 320, recorded="2023-05-10"),
        income(11, "2023-01", 300, recorded="2023-02-20"),
        income(11, "2023-01", 310, recorded="2023-03-01"),
        income(11, "2023-02", 300, recorded="2023-03-20"),
        income(22, "2023-01", 300, recorded="2023-04-20"),
        income(11, "2023-01", 7, recorded="2023-04-01", person=1),
    ]
    manifest = put(tmp_path, rows)
    stored = pq.read_table(tmp_path / manifest.tables["income"].file).to_pylist()
    versions = {(r["household_id"], r["person_id"], r["period_start"].month, r["recorded_on"]): r["superseded_on"] for r in stored}
    assert versions == {
        (11, None, 1, day("2023-02-20")): day("2023-03-01"),
        (11, None, 1, day("2023-03-01")): day("2023-05-10"),
        (11, None, 1, day("2023-05-10")): None,
        (11, None, 2, day("2023-03-20")): None,
        (22, None, 1, day("2023-04-20")): None,
        (11, 1, 1, day("2023-04-01")): None,  # the person's own row is another key, not a correction of the household's
    }
    assert not any(r["recorded_declared"] for r in stored)


def test_a_row_is_seen_from_its_day_to_the_day_before_the_next(tmp_path):
    rows = only(base(), "village", "household", "income")
    rows["income"].append(income(11, "2023-01", 555, recorded="2023-06-15"))
    put(tmp_path, rows)
    store = open_store(tmp_path)
    found = {on: [int(r["gross_cny"]) for r in seen(store, "income", on)] for on in
             ("2023-02-19", "2023-02-20", "2023-02-21", "2023-06-14", "2023-06-15", "2030-01-01")}  # fmt: skip
    assert found == {
        "2023-02-19": [], "2023-02-20": [300], "2023-02-21": [300], "2023-06-14": [300], "2023-06-15": [555], "2030-01-01": [555]
    }  # fmt: skip


def test_a_late_entry_is_invisible_until_recorded(tmp_path):
    rows = only(base(), "village", "household", "income")
    rows["income"].append(income(11, "2022-12", 999, recorded="2023-09-01"))
    put(tmp_path, rows)
    store = open_store(tmp_path)
    assert [r["period_start"].month for r in seen(store, "income", "2023-08-31")] == [1]
    assert sorted(r["period_start"].month for r in seen(store, "income", "2023-09-01")) == [1, 12]


def test_a_recorded_future_date_is_visible_because_it_was_known(tmp_path):
    rows = only(base(), "village", "household")
    rows["support"] = [
        {"household_id": 11, "measure": "public_post", "started_on": day("2023-01-10"), "delivered": True, "ended_on": day("2026-01-09"),
         "recorded_on": day("2023-01-12")}
    ]  # fmt: skip
    put(tmp_path, rows)
    store = open_store(tmp_path)
    assert [r["ended_on"] for r in seen(store, "support", "2023-01-12")] == [day("2026-01-09")]
    assert seen(store, "support", "2023-01-11") == []


def test_a_correction_never_changes_what_an_earlier_day_saw(tmp_path):
    before, after = base(), base()
    after["household"].append({**after["household"][0], "rooms": 9, "village_code": VILLAGE, "recorded_on": day("2023-07-01")})
    after["income"].append(income(11, "2023-01", 1, recorded="2023-07-01"))
    after["income"].append(income(22, "2022-12", 2, recorded="2023-07-01"))
    put(tmp_path / "before", before)
    put(tmp_path / "after", after)
    one, two = open_store(tmp_path / "before"), open_store(tmp_path / "after")
    for name in before:
        if name == "identity":
            continue
        for on in ("2022-12-30", "2022-12-31", "2023-02-20", "2023-06-30"):
            assert seen(one, name, on) == seen(two, name, on), (name, on)
    assert seen(one, "income", "2023-07-01") != seen(two, "income", "2023-07-01")


rows_of_a_key = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 6), st.integers(0, 60)), unique_by=lambda r: r[:2], min_size=1, max_size=14
)


@settings(max_examples=6, deadline=None)
@given(rows=rows_of_a_key)
def test_views_agree_with_versions_picked_by_hand(tmp_path_factory, rows):
    """Oracle: for every day and key the row with the latest recording day not after it."""
    folder = tmp_path_factory.mktemp("oracle")
    start = day("2023-01-01")
    content = [
        {
            "household_id": h,
            "village_code": VILLAGE,
            "registered_type": "general",
            "rooms": rooms,
            "recorded_on": start + dt.timedelta(days=d),
        }
        for h, d, rooms in rows
    ]
    put(folder, {"village": base()["village"], "household": content})
    store = open_store(folder)
    for offset in range(-1, 8):
        on = start + dt.timedelta(days=offset)
        latest: dict[int, dict[str, Any]] = {}
        for row in sorted(content, key=lambda r: r["recorded_on"]):
            if row["recorded_on"] <= on:
                latest[row["household_id"]] = row
        expected = {h: (r["rooms"], r["recorded_on"]) for h, r in latest.items()}
        found = store.as_of(on).table("household").to_pyarrow().to_pylist()
        assert len(found) == len(expected)
        assert {r["household_id"]: (r["rooms"], r["recorded_on"]) for r in found} == expected


def test_the_view_shows_contract_columns_and_whether_the_day_was_declared(tmp_path):
    put(tmp_path, base())
    store = open_store(tmp_path)
    for name in ("income", "medical"):  # one delivered, one never
        assert store.as_of(day("2024-01-01")).table(name).columns == (*load_contracts()[name].columns, "recorded_declared")


# ------------------------------------------------------------------------------------------------ bytes and fingerprint


def many_rows(n: int = 3000) -> Rows:
    rows = base()
    rows["household"] = [
        {"household_id": h * 7919 % 100_003, "village_code": VILLAGE, "registered_type": "general", "land_mu": Decimal(h) / 100,
         "recorded_on": day("2022-12-31")}
        for h in range(1, n + 1)
    ]  # fmt: skip
    return only(rows, "village", "household")


def test_the_order_of_rows_does_not_change_a_byte(tmp_path):
    rows = many_rows()
    first = put(tmp_path / "a", rows)
    rows["household"] = rows["household"][::-3] + rows["household"][-2::-3] + rows["household"][-3::-3]
    second = put(tmp_path / "b", rows)
    assert first.fingerprint == second.fingerprint
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_the_fingerprint_changes_exactly_when_content_or_delay_does(tmp_path):
    rows = only(base(), "village", "household")
    first = put(tmp_path / "a", rows).fingerprint
    assert put(tmp_path / "b", rows, sources=({"file": "x.csv", "n_input": 3},)).fingerprint == first
    assert put(tmp_path / "c", rows, delays={"household": 15}).fingerprint == first  # what the contract says anyway
    assert put(tmp_path / "d", rows, delays={"household": 16}).fingerprint != first
    rows["household"][0]["rooms"] = 4
    assert put(tmp_path / "e", rows).fingerprint != first


def test_the_manifest_tells_rows_delays_and_sources(tmp_path):
    written = put(tmp_path, base(), delays={"income": 20}, sources=({"file": "x.csv", "n_input": 3},))
    manifest = read_manifest(tmp_path)
    assert manifest == written
    assert {n: t.n_rows for n, t in manifest.tables.items()} == {n: len(r) for n, r in base().items()}
    assert manifest.tables["income"].delay_days == 20
    assert manifest.tables["household"].delay_days == 15
    assert [s["file"] for s in manifest.sources] == ["x.csv"]


# ---------------------------------------------------------------------------------------------------------- reading


def test_a_table_never_delivered_is_empty_and_says_so(tmp_path):
    put(tmp_path, base(), delays={"income": 45})
    store = open_store(tmp_path)
    view = store.as_of(day("2024-01-01"))
    assert view.table("medical").count().execute() == 0
    assert view.table("income").count().execute() == 1
    assert store.delay_days("income") == 45
    assert store.delay_days("medical") == load_contracts()["medical"].delay_days
    assert view.last_closed_on("income") == day("2023-10-31")
    assert view.last_closed_on("household") == day("2023-11-30")


def test_an_unknown_table_suggests_the_right_one(tmp_path):
    put(tmp_path, only(base(), "village"))
    with pytest.raises(UnknownNameError, match="did you mean 'income'"):
        open_store(tmp_path).as_of(day("2024-01-01")).table("incom")


def test_the_restricted_table_is_not_read_through_a_view(tmp_path):
    rows = base()
    rows["identity"].append({**rows["identity"][0], "phone": "13800000009", "recorded_on": day("2023-06-01")})
    manifest = put(tmp_path, rows)
    store = open_store(tmp_path)
    with pytest.raises(UnknownNameError) as caught:
        store.as_of(day("2024-01-01")).table("identity")
    assert "identity" not in str(caught.value).split("known:")[1]
    assert manifest.tables["identity"].file.startswith("restricted/identity/")
    assert manifest.tables["identity"].restricted
    for on, phones in (("2022-12-30", []), ("2023-05-31", ["13800000001"]), ("2023-06-01", ["13800000009"])):
        identity = store.identity(day(on))
        assert identity is not None
        assert identity.phone.execute().tolist() == phones


def test_without_identities_there_are_none(tmp_path):
    put(tmp_path, only(base(), "village", "household"))
    assert open_store(tmp_path).identity(day("2024-01-01")) is None


def test_the_last_recording_day_is_that_of_what_a_view_can_show(tmp_path):
    rows = base()
    rows["identity"].append({**rows["identity"][0], "phone": "13800000009", "recorded_on": day("2025-06-01")})
    put(tmp_path / "full", rows)
    assert open_store(tmp_path / "full").last_recorded_on() == day("2023-02-20")
    put(tmp_path / "empty", {"village": []})
    with pytest.raises(StoreError, match="no rows"):
        open_store(tmp_path / "empty").last_recorded_on()


def test_two_stores_on_one_connection_stay_apart(tmp_path):
    rows = only(base(), "village")
    put(tmp_path / "a", rows)
    rows["village"][0]["village_name"] = "乙村"
    put(tmp_path / "b", rows)
    con = connect()
    first = open_store(tmp_path / "a", con=con)
    view = first.as_of(day("2024-01-01"))
    assert view.table("village").village_name.execute().tolist() == ["甲村"]
    second = open_store(tmp_path / "b", con=con)
    assert second.as_of(day("2024-01-01")).table("village").village_name.execute().tolist() == ["乙村"]
    assert view.table("village").village_name.execute().tolist() == ["甲村"]
    assert first.as_of(day("2024-01-01")).table("village").village_name.execute().tolist() == ["甲村"]


def test_coverage_counts_what_is_known_and_keeps_silent_about_identities(tmp_path):
    source = {"table_name": "income", "file": "收入台账.csv", "n_input": 5, "n_accepted": 3, "n_duplicate": 1, "n_quarantined": 1}
    put(tmp_path, base(), sources=(source,))
    frame = coverage(open_store(tmp_path).as_of(day("2023-03-01"))).set_index("table_name")
    assert list(frame.index) == sorted(n for n, c in load_contracts().items() if not c.restricted)
    assert frame.loc["income", ["n_rows", "n_files", "n_input", "n_accepted", "n_duplicate", "n_quarantined"]].tolist() == [
        1,
        1,
        5,
        3,
        1,
        1,
    ]
    assert frame.loc["income", "delivered_share"] == 1.0
    assert frame["delivered_share"].isna().sum() == len(frame) - 1
    assert frame.loc["medical", "n_rows"] == 0
    earlier = coverage(open_store(tmp_path).as_of(day("2023-01-31"))).set_index("table_name")
    assert earlier.loc["income", "n_rows"] == 0


# ---------------------------------------------------------------------------------------------------------- damage


def test_no_store_yet_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match="returnrisk ingest"):
        open_store(tmp_path)


def test_a_flipped_bit_in_any_file_is_noticed(tmp_path):
    manifest = put(tmp_path, base())
    for stored in manifest.tables.values():
        path = tmp_path / stored.file
        good = path.read_bytes()
        for position in (4, len(good) // 2, len(good) - 9):
            path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
            with pytest.raises(StoreError, match=f"{stored.file} has changed"):
                open_store(tmp_path)
        path.write_bytes(good)
    assert state_of(tmp_path) == manifest.fingerprint


def test_every_missing_and_changed_file_is_listed_at_once(tmp_path):
    manifest = put(tmp_path, base())
    (tmp_path / manifest.tables["income"].file).unlink()
    with (tmp_path / manifest.tables["line"].file).open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(StoreError, match=r"income/.* is missing.*line/.* has changed.*returnrisk ingest"):
        open_store(tmp_path)


def test_a_manifest_of_another_schema_is_refused(tmp_path):
    put(tmp_path, only(base(), "village"))
    path = tmp_path / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "schema": 99}), encoding="utf-8")
    with pytest.raises(StoreError, match="schema 99"):
        open_store(tmp_path)


def damaged_manifests(good: bytes) -> dict[str, bytes]:
    content = json.loads(good)
    village = content["tables"]["village"]
    damaged = {
        "cut": good[: len(good) // 2],
        "empty": b"",
        "null": b"null",
        "list": b"[]",
        "not utf-8": good[:30] + b"\xff" + good[31:],
        "tables a list": json.dumps({**content, "tables": []}).encode(),
        "tables null": json.dumps({**content, "tables": None}).encode(),
        "no fingerprint": json.dumps({k: v for k, v in content.items() if k != "fingerprint"}).encode(),
        "entry without sha256": json.dumps(
            {**content, "tables": {"village": {k: v for k, v in village.items() if k != "sha256"}}}
        ).encode(),
        "another delay": json.dumps({**content, "tables": {"village": {**village, "delay_days": 7}}}).encode(),
        "a table gone": json.dumps({**content, "tables": {}}).encode(),
        "another checksum": good.replace(village["sha256"].encode(), b"0" * 64),
    }
    assert all(v != good for v in damaged.values())
    return damaged


@pytest.mark.parametrize(
    "damage",
    ["cut", "empty", "null", "list", "not utf-8", "tables a list", "tables null", "no fingerprint", "entry without sha256", "another delay",
     "a table gone", "another checksum"],
)  # fmt: skip
def test_a_damaged_manifest_is_a_store_error(tmp_path, damage):
    put(tmp_path, only(base(), "village"))
    path = tmp_path / "manifest.json"
    path.write_bytes(damaged_manifests(path.read_bytes())[damage])
    with pytest.raises(StoreError):
        open_store(tmp_path)


# ------------------------------------------------------------------------------------------------------- whole or absent


def changed() -> Rows:
    rows = base()
    rows["income"].append(income(22, "2023-02", 777, recorded="2023-03-20"))
    rows["village"][0]["village_name"] = "丙村"
    return rows


def test_a_table_that_breaks_its_contract_changes_nothing(tmp_path):
    old = put(tmp_path, base())
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    rows = changed()
    rows["member"][0]["sex"] = "unknown"
    with pytest.raises(ContractViolation, match=r"CON002 sex .*person_id=1"):
        put(tmp_path, rows)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    assert state_of(tmp_path) == old.fingerprint


def test_an_orphan_breaks_the_contract_of_the_whole_store(tmp_path):
    rows = base()
    rows["income"].append(income(404, "2023-02", 1, recorded="2023-03-20"))
    with pytest.raises(ContractViolation, match=r"CON006 household_id .*household_id=404"):
        put(tmp_path, rows)
    assert not (tmp_path / "manifest.json").exists()


def test_a_write_that_fails_anywhere_leaves_the_old_store_in_force(tmp_path, monkeypatch):
    tables = ("village", "household", "income")
    old = put(tmp_path, only(base(), *tables), **with_accounting("a" * 64))
    real = os.fsync
    n_flushed = 0

    def fail_at(limit):
        def fsync(descriptor):
            nonlocal n_flushed
            n_flushed += 1
            if n_flushed == limit:
                raise OSError(28, "No space left on device")
            real(descriptor)

        return fsync

    limit = 0
    while True:
        limit, n_flushed = limit + 1, 0
        monkeypatch.setattr(os, "fsync", fail_at(limit))
        try:
            new = put(tmp_path, only(changed(), *tables), **with_accounting("b" * 64))
        except OSError:
            assert state_of(tmp_path) == old.fingerprint
            assert not list(tmp_path.rglob(".part-*")), "a failed write left its temporary file"
            continue
        break
    assert limit == len(tables) + 3, "every table, the accounting and the manifest were made to fail once"
    assert state_of(tmp_path) == new.fingerprint != old.fingerprint
    assert len(list(tmp_path.rglob("*.parquet"))) == len(tables), "failed attempts left files behind"


def test_a_full_disk_leaves_the_old_store_in_force(tmp_path):
    """The limit on file sizes makes the engine itself fail while it writes Parquet."""
    resource = pytest.importorskip("resource")
    old = put(tmp_path, many_rows(200))
    tables = typed(many_rows(3000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(Exception, match=r"(?i)file|space|write"):
            write_store(tmp_path, tables, contracts=load_contracts())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert state_of(tmp_path) == old.fingerprint
    assert open_store(tmp_path).as_of(day("2024-01-01")).table("household").count().execute() == 200
    new = put(tmp_path, many_rows(3000))
    assert state_of(tmp_path) == new.fingerprint
    assert sorted(bytes_of(tmp_path)) == sorted(t.file for t in new.tables.values()), "rubbish of the failed attempt is still there"


class Killed(BaseException):
    """What a dead process does: nothing more, not even tidy up."""


def die_before(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the given flush, rename or removal on, none happens any more."""
    n_steps = 0

    def dying(function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal n_steps
            n_steps += 1
            if n_steps >= step:
                raise Killed
            return function(*arguments, **options)

        return call

    for name in ("fsync", "replace", "unlink"):
        monkeypatch.setattr(os, name, dying(getattr(os, name)))


@pytest.mark.parametrize("mode", ["fresh", "replacing"])
def test_a_death_before_any_step_leaves_old_or_new_and_nothing_between(tmp_path, mode):
    """Every flush, rename and removal is once the first thing a process no longer did."""
    tables = ("village", "line") if mode == "replacing" else ("village",)
    old = put(tmp_path / "old", only(base(), *tables), **with_accounting("a" * 64)) if mode == "replacing" else None
    new = put(tmp_path / "new", only(changed(), *tables), **with_accounting("b" * 64))
    before, after = old.fingerprint if old else None, new.fingerprint
    store = tmp_path / "store"
    states = []
    for step in range(1, 100):
        shutil.rmtree(store, ignore_errors=True)
        if old:
            shutil.copytree(tmp_path / "old", store)
        with pytest.MonkeyPatch.context() as patch:
            die_before(step, patch)
            try:
                put(store, only(changed(), *tables), **with_accounting("b" * 64))
            except Killed:
                died = True
            else:
                died = False
        states.append(state_of(store))
        put(store, only(changed(), *tables), **with_accounting("b" * 64))
        assert state_of(store) == after, "a run after the death did not succeed"
        assert len(bytes_of(store)) == len(tables), "rubbish is still there after a whole run"
        assert len(list((store / "accounting").iterdir())) == 1
        if not died:
            break
    assert len(states) >= 8
    assert set(states) == {before, after}
    assert states == sorted(states, key=lambda s: s == after), "once new, always new"
    assert states[0] == before


def test_what_no_manifest_names_is_removed_and_what_is_not_ours_stays(tmp_path):
    rows = base()
    rows["support"] = [
        {"household_id": 11, "measure": "job", "started_on": day("2023-01-10"), "delivered": True, "recorded_on": day("2023-01-12")}
    ]
    first = put(tmp_path, rows)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "keep.txt").write_text("the county's own", encoding="utf-8")
    second = put(tmp_path, {k: v for k, v in changed().items() if k not in ("support", "identity")})
    assert first.tables["identity"].file not in bytes_of(tmp_path), "names that are no longer in force stay on disk"
    assert sorted(bytes_of(tmp_path)) == sorted(t.file for t in second.tables.values())
    assert (tmp_path / "notes" / "keep.txt").is_file()


# --------------------------------------------------------------------------------------------------- kill −9 at random

INBOX = {
    "行政村名单.csv": "村代码,村名称,乡镇名称,登记日期\n999901001001,甲村,东镇,2020-01-01\n",
    "农户基本信息.csv": "户编号,村代码,农户类型,登记日期\n"
    + "".join(f"H-{i:04d},999901001001,一般农户,2020-01-01\n" for i in range(300)),
    "家庭成员关系.csv": "身份证号码,户编号,与户主关系,加入日期,登记日期\n999901198001010016,H-0001,户主,2014-01-01,2020-01-01\n",
    "家庭成员信息.csv": "身份证号码,性别,出生日期,登记日期\n999901198001010016,男,1980-01-01,2020-01-01\n",
    "数据送达登记.csv": "数据表,乡镇代码,所属期起,所属期止,送达日期\n收入台账,999901001,2024-01-01,2024-01-31,2024-02-15\n",
    "监测线.csv": "地区代码,生效日期,监测线标准,登记日期\n999901,2020-01-01,5000,2020-01-01\n",
}
INGEST_FOREVER = """
import sys
from pathlib import Path
from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.store.files import write_atomically
project, store, first, n = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
print("ready", flush=True)
for i in range(first, first + n):
    rows = "".join(f"H-{h:04d},2024-01,{100 + h + i % 2},2024-02-10\\n" for h in range(300))
    ledger = "户编号,月份,养老金,登记日期\\n" + rows
    write_atomically(project / "inbox" / "收入台账_2024-01.csv", lambda p: p.write_text(ledger, encoding="utf-8"))
    ingest_inbox(project / "inbox", store, key=b"a key for the kill harness")
    print("done", flush=True)
"""


def start(project: Path, *, first: int, n: int, store: Path | None = None) -> subprocess.Popen[str]:
    (project / "inbox").mkdir(parents=True, exist_ok=True)
    for name, text in INBOX.items():
        (project / "inbox" / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", INGEST_FOREVER, str(project), str(store or project / "store"), str(first), str(n)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(child: subprocess.Popen[str]) -> None:
    _, errors = child.communicate(timeout=300)
    assert child.returncode == 0, errors


def test_two_writers_at_once_leave_one_whole_store(tmp_path):
    """Each removes what no manifest names: without a lock one would take the other's fresh files for leftovers."""
    store = tmp_path / "store"
    writers = [start(tmp_path / f"inbox{k}", first=k, n=3, store=store) for k in (0, 1)]
    for writer in writers:
        finish(writer)
    manifest = read_manifest(store)
    verify_files(store, manifest)
    assert len(list(store.rglob("*.parquet"))) == len(manifest.tables)
    open_store(store).con.disconnect()


@pytest.mark.slow
def test_kill_9_at_random_moments_leaves_old_or_new_and_a_rerun_succeeds(tmp_path):
    allowed: set[str | None] = {None}
    for first in (0, 1):
        finish(start(tmp_path / f"whole{first}", first=first, n=1))
        allowed.add(state_of(tmp_path / f"whole{first}" / "store"))
    assert len(allowed) == 3
    project = tmp_path / "project"
    rng = random.Random(20261101)  # noqa: S311 (moments to kill at)
    states, round_seconds = [], 2.0
    for k in range(8):
        with start(project, first=k, n=1000) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            if k % 2:
                began = time.monotonic()
                assert child.stdout.readline() == "done\n"
                round_seconds = time.monotonic() - began
            time.sleep(rng.uniform(0.0, round_seconds))
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
        states.append(state_of(project / "store"))
    assert set(states) <= allowed, states
    assert len(set(states)) > 1, "the kills all fell into the same state: nothing was tried"
    finish(start(project, first=0, n=1))
    assert state_of(project / "store") == state_of(tmp_path / "whole0" / "store")
    manifest = read_manifest(project / "store")
    assert len(list((project / "store").rglob("*.parquet"))) == len(manifest.tables)
    assert not list((project / "store").rglob(".part-*"))
    pseudonym = pseudonymise(["H-0007"], kind="household", key=b"a key for the kill harness")["H-0007"]
    rows = open_store(project / "store").as_of(day("2024-03-01")).table("income")
    assert rows.filter(rows.household_id == pseudonym).gross_cny.execute().tolist() == [Decimal(107)]
