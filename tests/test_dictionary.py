"""The data dictionary: the committed page is what the contracts give, in both languages, and says everything they say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from returnrisk.contracts import load_contracts
from returnrisk.contracts.dictionary import OFFICES_EN, data_dictionary, main

PAGE = Path(__file__).resolve().parents[1] / "docs" / "data-dictionary.md"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
CONTRACTS = load_contracts()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def column_rows(name: str) -> list[list[str]]:
    """Rows of the table of columns in one table's section."""
    section = PAGE.read_text(encoding="utf-8").split(f'<a id="{name}"></a>')[1].split("<a id=")[0]
    lines = section[section.index("| 列 Column") :].split("\n\n")[0].splitlines()[2:]
    return [cells(line) for line in lines]


def test_the_committed_page_is_what_the_contracts_give():
    given = data_dictionary(CONTRACTS)
    assert PAGE.read_text(encoding="utf-8") == given, "run `make dictionary` and commit docs/data-dictionary.md"


def test_the_command_writes_the_page(tmp_path):
    main([str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_bytes() == PAGE.read_bytes()
    with pytest.raises(SystemExit, match="usage"):
        main([])


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_every_column_has_a_row_with_a_label_in_each_language(name):
    rows = column_rows(name)
    assert [row[0] for row in rows] == [f"`{c}`" for c in CONTRACTS[name].columns]
    for row in rows:
        assert len(row) == 8
        assert CHINESE.search(row[1]), row
        assert re.fullmatch(r"[A-Za-z0-9 ,'()-]+", row[2]), row
        if row[7]:
            assert CHINESE.search(row[7].split("。")[0]), row
            assert re.search(r"[a-z]{3}", row[7]), row


def test_offices_have_an_english_name_and_classes_of_columns_are_shown():
    assert {c.office for c in CONTRACTS.values()} == set(OFFICES_EN)
    marks = {(c, row[0]): row[4] for c in CONTRACTS for row in column_rows(c)}
    assert "保密 confidential" in marks["signal", "`channel`"]
    assert "敏感 sensitive" in marks["disability", "`grade`"]
    assert "受限 restricted" in marks["identity", "`phone`"]
    assert "保护 protected" in marks["member", "`sex`"]
    assert "→ `household.household_id`" in marks["loan", "`household_id`"]


def test_a_change_of_a_contract_changes_the_page():
    before = data_dictionary(CONTRACTS)
    loan = CONTRACTS["loan"]
    renamed = [replace(f, label_en="rest of the debt") if f.name == "balance_cny" else f for f in loan.fields]
    for change in ({"delay_days": 21}, {"office": "某局"}, {"fields": tuple(renamed)}, {"rhythm": "quarterly"}, {"row_rules": ()}):
        assert data_dictionary({**CONTRACTS, "loan": replace(loan, **change)}) != before, change
