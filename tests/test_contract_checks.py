"""A table that breaks its contract: every failure by its code and its keys, and no value that is sensitive."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from returnrisk.contracts import Contract, check_table, load_contracts, parse_contract, row_checks
from returnrisk.errors import ContractViolation
from returnrisk.ingest.headers import map_file
from returnrisk.ingest.readers import read_file
from returnrisk.ingest.sheets import expected_of
from returnrisk.ingest.table import ingest_table
from returnrisk.store.tables import read_manifest
from returnrisk.store.view import connect
from tests.contract_documents import CORE, column, custom, document, table_of, text_of
from tests.feature_households import mini_folder

ARROW = {
    "int64": pa.int64(),
    "string": pa.string(),
    "date": pa.date32(),
    "boolean": pa.bool_(),
    "decimal(18,2)": pa.decimal128(18, 2),
}
DAY = dt.date(2024, 1, 31)
SECRET_HEALTH, SECRET_NAME = "hepatitis-b", "张模拟甲"


def probe_contract() -> Contract:
    """A table with every kind of check, and with a sensitive and a restricted column that fail too."""
    content = document("household")
    table = table_of(content)
    table["name"] = "probe"
    custom(column(content, "rooms"), "aliases")["value"] = ["间数"]
    table["customProperties"].append(
        {"property": "row_rules", "value": [{"left": "registered_on", "op": "<=", "right": "recorded_on"}]}
    )
    table["customProperties"].append({"property": "restricted", "value": True})
    extra = {
        "logicalType": "string", "physicalType": "string", "required": False,
        "customProperties": [{"property": "en", "value": "probed"}],
    }  # fmt: skip
    table["properties"] += [
        {"name": "phone", "businessName": "电话", "classification": "restricted", "logicalTypeOptions": {"pattern": "^[0-9]{11}$"}, **extra},
        {"name": "health", "businessName": "健康", "classification": "sensitive", **extra,
         "quality": [{"type": "library", "metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": ["healthy", "chronic"]}}]},
    ]  # fmt: skip
    return parse_contract(text_of(content), where="probe.yaml")


def arrow_table(contract: Contract, rows: list[dict[str, Any]]) -> Any:
    schema = pa.schema([(f.name, ARROW[f.type]) for f in contract.fields])
    return ibis.memtable(pa.Table.from_pylist([{c: row.get(c) for c in contract.columns} for row in rows], schema=schema))


def good_rows() -> list[dict[str, Any]]:
    return [
        {"household_id": 9_000_000_000_000_000_000 + i, "village_code": 999901001001, "registered_type": "general", "rooms": 4,
         "land_mu": Decimal("1.50"), "registered_on": dt.date(2014, 1, 1), "phone": "13800000001", "health": "chronic", "recorded_on": DAY}
        for i in range(20)
    ]  # fmt: skip


PLANTS: dict[str, tuple[dict[str, Any], str]] = {
    "CON001": ({"registered_type": None}, "registered_type is empty"),
    "CON002": ({"health": SECRET_HEALTH}, "health is not in the code list"),
    "CON003": ({"rooms": 61}, "rooms is above 60"),
    "CON004": ({"phone": SECRET_NAME}, "phone is not of the stated form"),
    "CON006": ({"village_code": 999901001999}, "village_code refers to village.village_code"),
    "CON007": ({"registered_on": dt.date(2024, 2, 1)}, "registered_on should be <= recorded_on"),
}
CODES = ("CON001", "CON002", "CON003", "CON004", "CON005", "CON006", "CON007", "CON008")


def villages() -> dict[str, Any]:
    return {"village": ibis.memtable(pa.table({"village_code": pa.array([999901001001], pa.int64())}))}


def violation(rows: list[dict[str, Any]]) -> str:
    contract = probe_contract()
    with pytest.raises(ContractViolation) as caught:
        check_table(arrow_table(contract, rows), contract, referenced=villages())
    return str(caught.value)


def test_a_good_table_passes():
    contract = probe_contract()
    check_table(arrow_table(contract, good_rows()), contract, referenced=villages())


def test_empty_optional_values_and_an_empty_table_pass():
    contract = probe_contract()
    needed = ("household_id", "village_code", "registered_type", "recorded_on")
    check_table(arrow_table(contract, [{k: r[k] for k in needed} for r in good_rows()]), contract, referenced=villages())
    check_table(arrow_table(contract, []), contract, referenced=villages())


@pytest.mark.parametrize("code", sorted(PLANTS))
def test_one_planted_violation_is_named_with_its_key_and_nothing_else(code):
    change, words = PLANTS[code]
    rows = good_rows()
    rows[7].update(change)
    message = violation(rows)
    assert [c for c in CODES if c in message] == [code]
    assert words in message
    assert "1 rows" in message
    assert "household_id=9000000000000000007" in message
    assert "9000000000000000006" not in message


def test_a_key_that_is_not_unique_is_con005_with_its_key():
    rows = good_rows()
    rows[3] = dict(rows[4])
    message = violation(rows)
    assert [c for c in CODES if c in message] == ["CON005"]
    assert "household_id=9000000000000000004" in message
    rows[3]["recorded_on"] = dt.date(2024, 2, 1)  # another version of the same key is no repetition
    contract = probe_contract()
    check_table(arrow_table(contract, rows), contract, referenced=villages())


def test_a_key_with_an_empty_part_is_still_a_key():
    contract = load_contracts()["income"]
    row = {"household_id": 1, "source": "wage", "item": "local_work", "period_start": dt.date(2024, 1, 1), "period_end": DAY,
           "gross_cny": Decimal(1), "cost_cny": Decimal(0), "recorded_on": dt.date(2024, 2, 1)}  # fmt: skip
    check_table(arrow_table(contract, [row, {**row, "person_id": 5}]), contract, referenced={})
    with pytest.raises(ContractViolation, match="CON005"):
        check_table(arrow_table(contract, [row, row]), contract, referenced={})


def test_all_failures_are_listed_at_once_and_no_sensitive_value_is_shown():
    rows = good_rows()
    for i, (change, _) in enumerate(PLANTS.values()):
        rows[i].update(change)
    rows[19] = dict(rows[18])
    message = violation(rows)
    assert [c for c in CODES if c in message] == list(CODES[:7])
    for i in range(6):
        assert f"household_id={9_000_000_000_000_000_000 + i}" in message
    assert SECRET_HEALTH not in message
    assert SECRET_NAME not in message
    assert "13800000001" not in message
    assert "chronic" not in message


def test_many_failing_rows_are_counted_and_few_are_shown():
    rows = good_rows()
    for row in rows:
        row["rooms"] = -1
    message = violation(rows)
    assert "20 rows" in message
    assert "rooms is below 0" in message
    assert message.count("household_id=") == 5


def test_the_answer_does_not_depend_on_the_order_of_rows():
    rows = good_rows()
    for i in range(0, 20, 2):
        rows[i].update(rooms=99, phone="x")
    assert violation(rows) == violation(rows[::-1])


def test_columns_missing_unknown_or_of_another_type_are_con008_all_at_once():
    contract = probe_contract()
    table = arrow_table(contract, good_rows())
    wrong = table.drop("phone").mutate(favourite=ibis.literal("x"), rooms=table.rooms.cast("float64"))
    with pytest.raises(ContractViolation) as caught:
        check_table(wrong, contract, referenced=villages())
    message = str(caught.value)
    assert "CON008 column phone is missing" in message
    assert "CON008 column favourite is unknown" in message
    assert "CON008 column rooms is float64, expected int64" in message


def test_row_checks_are_never_null():
    contract = probe_contract()
    rows = good_rows()
    for row in rows[::2]:
        row.update(dict.fromkeys(("rooms", "phone", "health", "registered_on", "land_mu", "registered_type")))
    table = arrow_table(contract, rows)
    answers = table.select(**{f"c{i}": c.passes for i, c in enumerate(row_checks(table, contract))}).to_pyarrow()
    assert sum(answers[c].null_count for c in answers.column_names) == 0


@pytest.mark.parametrize(
    ("table", "name", "good", "bad"),
    [
        ("hazard", "area_code", [999901, 999901001, 999901001001], [9999010, 99990100, 9999010010, 99990100100]),
        ("line", "area_code", [999901, 999901001, 999901001001], [9999010, 99990100, 9999010010, 99990100100]),
        (
            "price",
            "period_start",
            [dt.date(2024, 5, 1), dt.date(2024, 12, 1)],
            [dt.date(2024, 5, 2), dt.date(2024, 1, 31), dt.date(2024, 5, 11)],
        ),
    ],
)
def test_area_codes_have_the_digits_of_a_division_and_a_price_s_month_begins_on_its_first(table, name, good, bad):
    contract = load_contracts()[table]
    rows = arrow_table(contract, [{name: value} for value in (*good, *bad)])
    (check,) = [c for c in row_checks(rows, contract) if (c.code, c.field) == ("CON004", name)]
    assert rows.select(passes=check.passes).to_pyarrow()["passes"].to_pylist() == [True] * len(good) + [False] * len(bad)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (
            "hazard",
            "受灾地区代码,灾种,发生日期,灾情等级,上报日期\n999901001,洪涝,2024-06-01,较重,2024-06-03\n9999010,洪涝,2024-06-01,较重,2024-06-03\n",
        ),
        ("price", "品种,监测月份,收购价,登记日期\n生猪,2024-05,15.2,2024-06-10\n牛羊,2024-05-15,60,2024-06-10\n"),
    ],
)
def test_a_row_of_another_form_waits_for_its_office(tmp_path, table, text):
    contract = load_contracts()[table]
    (tmp_path / "file.csv").write_text(text, encoding="utf-8")
    sheets = read_file(tmp_path / "file.csv", expected=expected_of(contract))
    pairs = list(zip(sheets, map_file(sheets, contract), strict=True))
    result = ingest_table(connect(), contract, sheets=pairs, parents={}, key=None, delay_days=0)
    assert [(r["row"], r["code"], r["field"]) for r in result.quarantined] == [
        (1, "CON004", contract.key[0] if table == "hazard" else "period_start")
    ]
    assert result.accepted_rows == [0]


def test_the_store_of_a_simulated_county_keeps_its_contracts():
    folder, manifest = mini_folder(), read_manifest(mini_folder())
    contracts = load_contracts()
    assert set(CORE) <= set(manifest.tables) <= set(contracts)
    tables = {
        name: ibis.memtable(pq.read_table(folder / stored.file).drop_columns(["recorded_declared", "superseded_on"]))
        for name, stored in manifest.tables.items()
    }
    for name, table in tables.items():
        assert manifest.tables[name].n_rows > 0 or name not in CORE, name
        check_table(table, contracts[name], referenced=tables)


def test_a_store_s_table_with_one_planted_error_is_refused():
    folder, manifest = mini_folder(), read_manifest(mini_folder())
    contract = load_contracts()["income"]
    rows = pq.read_table(folder / manifest.tables["income"].file).drop_columns(["recorded_declared", "superseded_on"]).to_pylist()
    rows[5]["cost_cny"] = Decimal("-0.01")
    with pytest.raises(ContractViolation, match="CON003 cost_cny is below 0: 1 rows"):
        check_table(arrow_table(contract, rows), contract, referenced={})
