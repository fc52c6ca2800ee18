"""Snapshots computed by several processes are those that one computes."""

from __future__ import annotations

import os
from dataclasses import replace

from returnrisk import snapshot_cache
from returnrisk.config import load_model_spec
from returnrisk.snapshot_cache import cached_snapshot, fill
from returnrisk.store.view import open_store
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
