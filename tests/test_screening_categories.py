"""Categories: a table of hand-worked households, both regional packs, and a county against plain pandas."""

from __future__ import annotations

import functools
from pathlib import Path

import pandas as pd
import pytest

from returnrisk.policy import Policy, load_policy
from returnrisk.screening import CATEGORIES, FACT_LABELS, categories, categories_in_use, kept_facts
from returnrisk.store.view import Store
from tests.feature_households import store_of
from tests.screening_households import CASES, DAY, NUMBERS, add_home, county

NATIONAL = load_policy("national")


@functools.cache
def store() -> Store:
    made = county()
    for name, (columns, _) in CASES.items():
        add_home(made, NUMBERS[name], **columns)
    return store_of("screening", made.tables, delay=20)


@functools.cache
def answers(pack: str = "national") -> pd.DataFrame:
    return answers_of(load_policy(pack))


def answers_of(policy: Policy) -> pd.DataFrame:
    with kept_facts(store().as_of(DAY), policy=policy) as facts:
        return categories(facts, policy=policy, day=DAY).to_pandas().set_index(["household_id", "category"]).sort_index()


@pytest.mark.parametrize("name", CASES)
def test_hand_worked_households(name: str):
    for category, expected in CASES[name][1].items():
        row = answers().loc[NUMBERS[name], category]
        found = row["missing_fields"] if pd.isna(row["answer"]) else int(row["answer"])
        assert found == expected, (category, dict(row))


def test_every_category_of_every_household_is_answered_once():
    table = answers()
    assert len(table) == len(CASES) * len(CATEGORIES) == len(table.index.unique())
    assert ((table["missing_fields"] == "") == table["answer"].notna()).all()
    tested = {
        (category, answer if isinstance(answer, int) else None)
        for _, expected in CASES.values()
        for category, answer in expected.items()
    }
    assert {category.code for category in CATEGORIES} == {category for category, _ in tested}
    certain = {c.code for c in CATEGORIES}
    assert {(c, a) for c in certain for a in (0, 1)} <= tested  # every category is met and failed by hand


def test_the_clauses_it_rests_on():
    row = answers().loc[NUMBERS["never authorised"], "dibao"]
    assert (row["clauses_met"], row["clauses_failed"], row["clauses_unknown"]) == ("below_dibao_line", "", "assets_within_limits")
    row = answers().loc[NUMBERS["on the margin line"], "dibao_margin"]
    assert (row["clauses_met"], row["clauses_failed"]) == ("assets_within_limits,not_below_dibao_line", "below_margin_line")


def test_the_registry_names_facts_and_parameters_that_exist():
    view = store().as_of(DAY)
    with kept_facts(view, policy=NATIONAL) as facts:
        columns = set(facts.columns)
    assert set(FACT_LABELS) <= columns
    for category in CATEGORIES:
        for clause in category.clauses:
            assert set(clause.needs) <= set(FACT_LABELS), clause.code
            assert set(clause.parameters) <= set(NATIONAL.names), clause.code


def test_regional_packs_differ():
    # Guangxi: margin twice the dibao line; grade 4 mental is severe where expenditure is looked at
    guangxi = answers("guangxi-style")
    assert guangxi.loc[(NUMBERS["on the margin line"], "dibao_margin"), "answer"] == 1
    assert guangxi.loc[(NUMBERS["care, not severe"], "expenditure_hardship"), "answer"] == 1
    # Gansu: wages count whole; only the ratio form is in use
    gansu = answers("gansu-style")
    assert "expenditure_hardship" not in gansu.index.get_level_values("category")
    assert {c.code for c in categories_in_use(load_policy("gansu-style"), DAY)} < {c.code for c in CATEGORIES}


def test_a_pack_may_count_every_medical_cost_as_rigid(tmp_path: Path):
    text = "schema: 1\nname: all-bills\ntitle: {zh: 甲, en: A}\nparent: national\n"
    text += "parameters: {rigid_illness_serious_only: {kind: assumed, values: {2020-01-01: {value: false}}}}\n"
    (tmp_path / "all-bills.yaml").write_text(text, encoding="utf-8")
    policy = load_policy("all-bills", folder=tmp_path)
    home = NUMBERS["bills, not serious"]
    found = answers_of(policy)["answer"].loc[home]
    assert (found["expenditure_hardship"], found["hard_expenditure"]) == (1, 1)
    assert answers().loc[(home, "hard_expenditure"), "answer"] == 0
