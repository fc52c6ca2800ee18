"""Models of any kind of outcome: trained, measured, told in their card, and refused where a visit list is asked for."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from returnrisk import training_input
from returnrisk.config import EvaluationSpec, HardshipSpec, LearnerSpec, ModelSpec, OutcomeSpec, load_model_spec, parse_model_spec
from returnrisk.errors import ConfigError
from returnrisk.features.snapshot import Snapshot, build_snapshot
from returnrisk.model_card import model_card
from returnrisk.project import init_project
from returnrisk.store.view import Store
from returnrisk.timeline import Window, month_end
from returnrisk.training import plan_split, train
from tests.feature_households import Tables, copy_rows, day, month_starts, store_of
from tests.test_training import KNOWN_ON, SPEC
from tests.test_training import rows as income_rows

QUICK = replace(
    SPEC,
    learner=LearnerSpec("lightgbm", {"n_estimators": 10, "num_leaves": 4, "min_child_samples": 20}),
    evaluation=EvaluationSpec(n_bootstrap=3),
)
KINDS: Mapping[str, dict[str, Any]] = {
    "fall": {"kind": "fall"},
    "entry": {"kind": "entry"},
    "relapse": {"kind": "relapse"},
    "persistence": {"kind": "persistence", "rule": "at_end"},
    "net_of_rigid": {"kind": "hardship", "hardship": HardshipSpec("net_of_rigid", line_ratio=1.5)},
    "collapse": {"kind": "hardship", "hardship": HardshipSpec("collapse", collapse_share=0.3), "horizon_months": 1},
    "surge": {"kind": "hardship", "hardship": HardshipSpec("surge", surge_share=0.2)},
    "guarantee_gap": {"kind": "guarantee_gap", "guarantees": ("housing", "medical")},
    "identified": {"kind": "identified"},
}


def rows() -> Tables:
    """The county of the training tests with the registers that the other outcomes rest on."""
    tables, rng = copy_rows(income_rows()), np.random.default_rng(3)
    months = month_starts("2021-07", "2023-06")
    townships = sorted({row["township_code"] for row in tables["delivery"]})
    for table in ("monitoring", "expense", "medical"):
        tables["delivery"] += [
            {"table_name": table, "township_code": township, "period_start": month, "period_end": month_end(month), "recorded_on": month_end(month)}
            for township in townships
            for month in months
        ]  # fmt: skip
    homes, earned = list(tables["household"]), dict.fromkeys((home["household_id"] for home in tables["household"]), Decimal(0))
    for row in tables["income"]:
        earned[row["household_id"]] += row["gross_cny"]
    middle = sorted(earned.values())[len(earned) // 2]
    tables |= {"monitoring": [], "expense": []}
    for home in homes:
        household = home["household_id"]
        home["housing_grade"] = "A"
        chance = 0.06 if earned[household] < middle else 0.01  # a month; offices and damage find the poor
        for start in months[6:23]:
            if rng.random() < chance:
                case = {"household_id": household, "identified_on": start, "category": "sudden", "risk_type": "other", "channel": "cadre",
                        "recorded_on": start}  # fmt: skip
                tables["monitoring"] += [case, {**case, "eliminated_on": month_end(start), "recorded_on": month_end(start)}]
            if rng.random() < chance:
                tables["household"] += [
                    {**home, "housing_grade": grade, "recorded_on": on}
                    for grade, on in (("D", start), ("A", start + dt.timedelta(days=35)))
                ]
        for month in months:
            amount = Decimal(int(rng.integers(0, 400)))
            tables["expense"].append({"household_id": household, "kind": "elder_care", "period_start": month, "period_end": month_end(month),
                                      "amount_cny": amount, "recorded_on": month_end(month)})  # fmt: skip
    for person in tables["member"]:
        person["health_cover"] = True
    return tables


@functools.cache
def store() -> Store:
    return store_of("kinds", rows(), delay=20)


@functools.cache
def snapshot(on: dt.date) -> Snapshot:
    return build_snapshot(store().as_of(on), spec=QUICK.outcome, families=QUICK.families)


def spec_of(name: str) -> ModelSpec:
    spec = replace(QUICK, outcome=replace(QUICK.outcome, **KINDS[name]))
    # those who were never seen below the line fall so rarely that one day has too few events
    return replace(spec, split=replace(spec.split, n_calibrate=2, n_test=3)) if name == "entry" else spec


IN_EVERY_RUN = ("fall", "relapse", "collapse")
"""A fall, a part of one, and what is not about the line; the other kinds go the same way and are slow tests."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in IN_EVERY_RUN)) for n in KINDS])
def test_a_model_of_any_kind_is_trained_measured_and_described(name: str, monkeypatch: pytest.MonkeyPatch):
    if name == "persistence":  # this county has some eighty households below the line
        monkeypatch.setattr(training_input, "MINIMUM_HOUSEHOLDS", 50)
    spec = spec_of(name)
    split = plan_split(store(), spec, known_on=KNOWN_ON)
    training = train(store(), spec, split=split, known_on=KNOWN_ON, snapshots=snapshot, per_township=5)
    counts = training.label_counts.groupby(["part", "status"])["households"].sum()
    predictions = training.accuracy.predictions
    assert len(predictions) == counts["test"].get("event", 0) + counts["test"].get("no_event", 0) > 0
    assert predictions["p_model"].between(0, 1).all()
    is_fall = spec.outcome.kind == "fall"
    assert ("listed_model" in predictions) is is_fall
    assert bool(training.accuracy.populations) is is_fall
    card = model_card(training, data_fingerprint="x")
    assert card["outcome"].startswith(spec.outcome.kind)
    if name == "relapse":
        assert card["cohort"].endswith("registered, monitored or seen below the line before")
        assert predictions["seen_below"].all()
    if name == "entry":
        assert not predictions["seen_below"].any()
    if spec.outcome.kind == "hardship":
        assert "(threshold assumed)" in card["outcome"]
    if name == "identified":
        assert "not need" in card["outcome"]


def test_a_visit_list_is_refused_for_any_other_kind(tmp_path: Path):
    """Before anything is read or written."""
    project = init_project(tmp_path / "county")
    (project.root / "models").mkdir()
    text = (Path(__file__).parents[1] / "models" / "fall-12m.toml").read_text(encoding="utf-8")
    (project.root / "models" / "fall-12m.toml").write_text(text.replace('kind = "fall"', 'kind = "identified"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="predicts identified; visit lists are made with a specification of kind fall"):
        project.score(as_of=day("2023-09-30"))
    assert not (project.root / "outputs" / "2023-09-30").exists()


BASE = {"schema": 1, "name": "a", "title_zh": "甲", "title_en": "A", "families": ["income"]}


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ({"window": {"kind": "income_year"}}, "holds as few as 3 months"),
        ({"window": {"kind": "income_year"}, "settlement": "month_end", "min_months": 2}, "holds as few as 1 months"),
        ({"settlement": "income_year_end", "horizon_months": 6}, "expected 12 to 60"),
        ({"horizon_months": 2}, "expected 3 to 60"),
        ({"min_months": 0}, "expected 1 or more"),
        ({"window": {"kind": "trailing", "months": 6}}, "more than the window's 6 months"),
        ({"rule": "every"}, "expected 'first' or 'at_end' for fall"),
        ({"kind": "persistence"}, "expected 'at_end' or 'every' for persistence"),
        ({"kind": "identified", "rule": "at_end"}, "expected 'first' for identified"),
        ({"kind": "hardship", "hardship": {"collapse_share": 1.0}}, "collapse_share is 1.0"),
        ({"kind": "hardship", "hardship": {"line_ratio": 0.0}}, "line_ratio is 0.0"),
        ({"kind": "guarantee_gap", "guarantees": []}, "guarantees is empty"),
        ({"kind": "guarantee_gap", "guarantees": ["roof"]}, "'roof'"),
        ({"kind": "falling"}, "'falling'"),
    ],
)
def test_what_could_never_be_settled_is_refused(outcome: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        parse_model_spec({**BASE, "outcome": outcome})


def test_what_can_be_settled_is_read():
    year = parse_model_spec({**BASE, "outcome": {"window": {"kind": "income_year"}, "settlement": "income_year_end"}})
    assert year.outcome.window == Window("income_year")
    content = {"kind": "hardship", "hardship": {"event": "surge", "surge_share": 0.9}}
    assert parse_model_spec({**BASE, "outcome": content}).outcome.hardship == HardshipSpec("surge", surge_share=0.9)
    assert load_model_spec("fall-12m").outcome == OutcomeSpec()
