"""The search for a sheet's header leaves out rows that cannot hold it, and finds the same header as a search that looks everywhere."""

from __future__ import annotations

import random

import pytest

from returnrisk.contracts import load_contracts
from returnrisk.ingest import header_rows
from returnrisk.ingest.header_rows import LOOKED_AT, MOST_LEVELS, find_header, known_headers

TABLES = ("income", "household", "medical", "hazard")
VALUES = ("H-0001", "2024-01", "1200", "是", "种植业", "脱贫户", "云溪镇小计", "单位：万元", "3.5", "(元)", "*", "甲", "1", "2")


def random_sheet(rng: random.Random, table: str) -> list[list[str | None]]:
    """Titles, a header over one to three rows with odd spellings and gaps, rows of data among which the header may stand again."""
    known = sorted(known_headers(load_contracts()[table]).exact)
    width = rng.randint(1, 8)

    def cell(words: tuple[str, ...] | list[str], *, p_empty: float) -> str | None:
        text = rng.choice(words)
        return (
            None
            if rng.random() < p_empty
            else rng.choice((text, f"*{text}", f"{text}（元）", f" {text}", text[: len(text) // 2], text[len(text) // 2 :]))
        )

    header = [[cell(known, p_empty=0.3) or None for _ in range(width)] for _ in range(rng.randint(1, MOST_LEVELS))]
    data = [[cell(VALUES, p_empty=0.2) or None for _ in range(rng.randint(1, width))] for _ in range(rng.randint(0, 12))]
    above = [[cell(VALUES, p_empty=0.1)] for _ in range(rng.randint(0, 3))]
    return [*above, *header, *data, *(header if rng.random() < 0.3 else [])]


@pytest.mark.parametrize("table", TABLES)
def test_the_header_is_the_one_that_a_search_of_every_row_finds(monkeypatch, table):
    rng = random.Random(table)  # noqa: S311 (a fixed choice of sheets, no secret)
    known = known_headers(load_contracts()[table])
    sheets = [random_sheet(rng, table) for _ in range(300)]
    found = [find_header(rows, known) for rows in sheets]
    monkeypatch.setattr(header_rows, "_most_known", lambda _: 10**6)
    assert found == [find_header(rows, known) for rows in sheets]
    assert sum(f is not None for f in found) > 100
    assert {f.depth for f in found if f} >= {1, 2}


def test_rows_of_data_are_not_tried_as_headers(monkeypatch):
    tried = []
    at = header_rows._header_at
    monkeypatch.setattr(
        header_rows, "_header_at", lambda rows, first, depth, known: (tried.append(first), at(rows, first, depth, known=known))[1]
    )
    rows = [["收入台账"], ["户编号", "月份", "养老金", "备注"], *([f"H-{i:04d}", "2024-01", str(i), "x"] for i in range(LOOKED_AT))]
    header = find_header(rows, known_headers(load_contracts()["income"]))
    assert header is not None
    assert (header.first, header.depth, header.n_known) == (1, 1, 3)
    assert len(tried) <= 3
