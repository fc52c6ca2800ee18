"""The catalogue of codes: every number once, both languages, and a test for each elsewhere."""

from __future__ import annotations

import re

from returnrisk.ingest.codes import _CATALOGUE, CODES

KNOWN_FOR_GOOD = {
    "ING011": "unreadable_value",
    "ING012": "unknown_label",
    "ING014": "malformed_id",
    "ING016": "conflicting_rows",
    "ING018": "wrong_cell_count",
}


def test_no_number_and_no_name_is_given_twice():
    assert len(CODES) == len(_CATALOGUE)
    assert len({c.dirt for c in CODES.values()}) == len(CODES)


def test_every_code_speaks_both_languages():
    for entry in CODES.values():
        assert re.fullmatch(r"(ING|CON)\d{3}", entry.code)
        assert re.search(r"[\u4e00-\u9fff]", entry.text_zh), entry.code
        assert re.search(r"[a-z]{3}", entry.text_en), entry.code


def test_numbers_that_have_been_written_into_stores_keep_their_meaning():
    assert {number: CODES[number].dirt for number in KNOWN_FOR_GOOD} == KNOWN_FOR_GOOD
