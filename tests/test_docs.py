"""Pages that repeat what code knows are held against it."""

from __future__ import annotations

import re
from pathlib import Path

from returnrisk.ingest.codes import CODES

DOCS = Path(__file__).resolve().parents[1] / "docs"


def code_table() -> str:
    rows = [f"| {c.code} | {c.effect} | {c.text_zh} | {c.text_en} |" for c in sorted(CODES.values(), key=lambda c: c.code)]
    return "\n".join(["| 代码 code | effect | 中文 | English |", "|---|---|---|---|", *rows])


def test_the_page_on_ingest_lists_every_code_as_the_catalogue_has_it():
    page = (DOCS / "ingest.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- codes -->\n(.*)\n<!-- /codes -->", page, flags=re.DOTALL)
    assert found is not None
    assert found[1] == code_table(), "paste the table that code_table() gives between the marks"


def test_every_link_between_pages_leads_somewhere():
    root = DOCS.parent
    for page in (*DOCS.glob("*.md"), root / "README.md"):
        for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
