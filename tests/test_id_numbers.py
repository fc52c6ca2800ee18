"""Check digit, birth date and province of citizen numbers, against a computation of another kind."""

from __future__ import annotations

import calendar
import datetime as dt

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from returnrisk.contracts import load_contracts
from returnrisk.ingest.codes import CODES
from returnrisk.ingest.headers import map_headers
from returnrisk.ingest.id_numbers import PROVINCES, VERDICT_CODES, id_number_verdict, id_number_verdicts
from returnrisk.ingest.readers import read_file
from returnrisk.ingest.sheets import expected_of
from returnrisk.ingest.table import ingest_table
from returnrisk.simulate.names import identity_numbers
from returnrisk.store.view import connect

STANDARD = "11010519491231002X"
"""The example of GB 11643-1999 itself; its other one is of a man born in 1880."""
OF_1880 = "440524188001010014"
ON = dt.date(2025, 9, 30)


def oracle(number: str) -> str:
    """ISO 7064 MOD 11-2 by its recursion (no weights), dates by the calendar module."""
    if len(number) != 18 or not all(c in "0123456789" for c in number[:17]) or number[17] not in "0123456789Xx":
        return "form"
    remainder = 0
    for digit in number[:17]:
        remainder = (remainder + int(digit)) * 2 % 11
    if (remainder + (10 if number[17] in "Xx" else int(number[17]))) % 11 != 1:
        return "check_digit"
    year, month, day = int(number[6:10]), int(number[10:12]), int(number[12:14])
    if not (year >= 1900 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(max(year, 1), month)[1]):
        return "date"
    if (year, month, day) > (ON.year, ON.month, ON.day):
        return "date"
    return "right" if number[:2] in {*PROVINCES, "99"} else "division"


def completed(body: str) -> str:
    """A body of 17 digits with the one last digit that fits, found by trial."""
    (fits,) = [c for c in "0123456789X" if oracle(body + c) != "check_digit"]
    return body + fits


def judged(numbers: list[str | None]) -> list[str | None]:
    return id_number_verdicts(pa.array(numbers, pa.string()), on=ON).to_pylist()


def test_the_examples_of_the_standard():
    assert judged([STANDARD, OF_1880, STANDARD[:-1] + "1", STANDARD.lower(), None]) == [
        "right",
        "date",
        "check_digit",
        "right",
        None,
    ]


def test_a_hundred_thousand_numbers_agree_with_the_oracle():
    rng = np.random.default_rng(7)
    n = 100_000
    parts = (rng.integers(0, 10**6, n), rng.integers(1890, 2040, n), rng.integers(0, 14, n), rng.integers(0, 33, n))
    bodies = [f"{a:06d}{y:04d}{m:02d}{d:02d}{s:03d}" for a, y, m, d, s in zip(*parts, rng.integers(0, 1000, n), strict=True)]
    numbers = [completed(b) for b in bodies[: n // 2]] + [b + c for b, c in zip(bodies[n // 2 :], rng.choice(list("0123456789X"), n // 2), strict=True)]  # fmt: skip
    found = judged(numbers)
    assert found == [oracle(x) for x in numbers]
    assert set(found) == {"right", "check_digit", "date", "division"}


def test_one_wrong_digit_or_two_neighbours_swapped_are_always_found():
    """What MOD 11-2 promises."""
    wrong = [STANDARD[:i] + d + STANDARD[i + 1 :] for i in range(17) for d in "0123456789" if d != STANDARD[i]]
    swapped = [
        STANDARD[:i] + STANDARD[i + 1] + STANDARD[i] + STANDARD[i + 2 :] for i in range(16) if STANDARD[i] != STANDARD[i + 1]
    ]
    assert set(judged(wrong + swapped)) == {"check_digit"}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(alphabet="0123456789Xx 一-", max_size=20), min_size=1, max_size=50))
def test_any_text_gets_the_oracles_verdict(texts):
    assert judged(list(texts)) == [oracle(t) for t in texts]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "123",
        "110105194912310021x",
        "1101051949123100２X",
        "1.10105194912310E+17",
        STANDARD[:15],
        " " + STANDARD,
        STANDARD + "\n",
    ],
)
def test_what_is_no_number_of_18_digits_is_of_the_wrong_form(text):
    assert judged([text]) == ["form"]


def test_29_february_and_the_day_itself():
    assert judged([completed("11010520000229001"), completed("11010519000229001")]) == ["right", "date"]  # 1900 was no leap year
    assert judged([completed("11010520250930001"), completed("11010520251001001")]) == ["right", "date"]


def test_numbers_of_the_simulated_county_are_right_and_pass_only_where_fiction_may():
    days = np.array([dt.date(1931, 2, 28).toordinal(), dt.date(1999, 12, 31).toordinal()] * 200) - dt.date(1970, 1, 1).toordinal()
    made = identity_numbers(days, np.arange(400) % 3 == 0, county=999901)
    numbers = pa.array([str(x) for x in made])
    assert set(id_number_verdicts(numbers).to_pylist()) == {"right"}
    assert set(id_number_verdicts(numbers, fictitious=False).to_pylist()) == {"division"}


def test_the_expression_runs_in_the_engine_and_keeps_the_order():
    con = connect()
    table = con.create_table("numbers", pa.table({"row": [3, 1, 2], "n": [STANDARD, None, STANDARD[:-1] + "0"]}), temp=True)
    found = table.mutate(v=id_number_verdict(table.n, on=ON)).order_by("row").to_pyarrow()
    assert found["v"].to_pylist() == [None, "check_digit", "right"]


def test_the_expression_compiles_for_spark():
    table = ibis.table({"n": "string"}, name="t")
    assert "CASE" in ibis.to_sql(table.select(v=id_number_verdict(table.n, on=ON)), dialect="pyspark")


def test_every_verdict_has_a_code_with_both_texts():
    assert {CODES[c].effect for c in VERDICT_CODES.values()} == {"quarantines"}
    assert set(VERDICT_CODES) == {"check_digit", "form", "date", "division"}


def test_ingest_quarantines_each_impossible_number_under_its_own_code(tmp_path):
    contract = load_contracts()["member"]
    numbers = {
        "999901198001010016": None,
        "999901198001010013": "ING060",
        "99990119800101001": "ING014",
        completed("99990119801301001"): "ING062",
        completed("19990119800101001"): "ING063",
        "99990119810101003x": None,
    }
    rows = "".join(f"{n},男,1980-01-01,2020-01-01\n" for n in numbers)
    (tmp_path / "家庭成员信息.csv").write_text("身份证号码,性别,出生日期,登记日期\n" + rows, encoding="utf-8")
    (sheet,) = read_file(tmp_path / "家庭成员信息.csv", expected=expected_of(contract))
    result = ingest_table(
        connect(), contract, sheets=[(sheet, map_headers(sheet, contract))], parents={}, key=b"sixteen bytes at least", delay_days=0
    )
    assert [(r["row"], r["code"]) for r in result.quarantined] == [(i, c) for i, c in enumerate(numbers.values()) if c]
    assert all(r["text_zh"].startswith("身份证号码") for r in result.quarantined)
    assert not any(n in str(result.quarantined) for n in numbers)
