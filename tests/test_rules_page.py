"""The page of rules: what is committed is what the registries give, and every rule is on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from returnrisk.screening import CATEGORIES, CHECKS, CRITERIA, INPUT_CHECKS
from returnrisk.screening.cause_catalogue import CAUSES
from returnrisk.screening.rules_page import main, rules_page

PAGE = Path(__file__).resolve().parents[1] / "docs" / "rules.md"


def test_the_committed_page_is_what_the_registries_give():
    assert PAGE.read_text(encoding="utf-8") == rules_page(), "run `make dictionary` and commit docs/rules.md"


def test_the_command_writes_the_page(tmp_path):
    main([str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_bytes() == PAGE.read_bytes()
    with pytest.raises(SystemExit, match="usage"):
        main([])


def test_every_rule_is_on_the_page_in_both_languages():
    page = rules_page()
    clauses = [clause for category in CATEGORIES for clause in category.clauses]
    for rule in (*CATEGORIES, *clauses, *CRITERIA, *CHECKS, *INPUT_CHECKS, *CAUSES):
        assert f"{rule.zh} {rule.en}" in page, rule.code
    widths = [line.count("|") for line in page.splitlines() if line.startswith("|")]
    assert set(widths) == {3, 4, 5}
