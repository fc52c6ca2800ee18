"""Snapshots computed by several processes are those that one computes."""

from __future__ import annotations

import os
from dataclasses import replace

import pandas as pd

from returnrisk import snapshot_cache
from returnrisk.config import load_model_spec
from returnrisk.features.snapshot import build_snapshot
from returnrisk.snapshot_cache import cached_snapshot, fill
from returnrisk.store.view import open_store
from returnrisk.timeline import Window
from tests import hand_county
from tests.feature_households import day

DAYS = [day("2024-03-31"), day("2024-06-30")]


def test_another_process_computes_its_days_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot_cache, "WORTH_A_PROCESS", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    hand_county.write(tmp_path / "store")
    store, spec = open_store(tmp_path / "store"), replace(load_model_spec("fall-12m"), families=("household", "subsidy"))
    here: list[int] = []
    fill(
        tmp_path / "several",
        store,
        DAYS,
        spec=spec,
        store_folder=tmp_path / "store",
        progress=lambda _, done, __: here.append(done),
    )
    assert here == [0], "one day each"
    made = {p.name: p.read_bytes() for p in (tmp_path / "several").iterdir()}
    for on in DAYS:
        cached_snapshot(tmp_path / "one", store, on, spec=spec)
    assert made == {p.name: p.read_bytes() for p in (tmp_path / "one").iterdir()}
    assert len(made) == len(DAYS)


def test_one_snapshot_serves_every_outcome_of_the_same_account(small, tmp_path):
    store, fall = small.store(), load_model_spec("fall-12m")
    on = store.last_recorded_on()
    others = [
        load_model_spec("hardship-12m").outcome,
        replace(fall.outcome, kind="persistence", rule="every", horizon_months=3, guarantees=("water",)),
    ]
    cached_snapshot(tmp_path, store, on, spec=fall)
    (kept,) = tmp_path.iterdir()
    plain = build_snapshot(store.as_of(on), spec=fall.outcome)
    for outcome in others:
        cached_snapshot(tmp_path, store, on, spec=replace(fall, outcome=outcome))
        pd.testing.assert_frame_equal(build_snapshot(store.as_of(on), spec=outcome).table, plain.table)
    assert list(tmp_path.iterdir()) == [kept]
    for changed in ({"min_months": 11}, {"partial_months": 9}, {"settlement": "month_end"}, {"window": Window("trailing", 6)}):
        other = replace(fall, outcome=replace(fall.outcome, **changed), families=("household",))
        cached_snapshot(tmp_path / "others", store, on, spec=other)
    assert len(list((tmp_path / "others").iterdir())) == 4
