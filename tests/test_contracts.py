"""Contracts: what is refused before any data is seen, and what a finished table is refused for."""

from __future__ import annotations

import copy
import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from returnrisk.contracts import (
    REFUSED_WORDS,
    Contract,
    check_table,
    load_contracts,
    load_order,
    parse_contract,
    refused_word,
    row_checks,
)
from returnrisk.errors import ContractError, ContractViolation, UnknownNameError
from returnrisk.ingest.headers import map_file, recognise_table
from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.ingest.readers import read_file
from returnrisk.ingest.sheets import expected_of
from returnrisk.ingest.table import ingest_table
from returnrisk.resources import data_folder
from returnrisk.simulate import simulate_county, write_inbox
from returnrisk.store.view import connect

CORE = (
    "delivery", "household", "household_roster", "identity", "income", "line", "medical", "member", "monitoring", "subsidy", "support",
    "village",
)  # fmt: skip
OFFICES = {
    "asset": ("民政局", "event", 30), "authorisation": ("民政局", "event", 5), "disability": ("残联", "monthly", 30),
    "disaster": ("应急管理局", "event", 15), "employment": ("人社局", "monthly", 30), "expense": ("民政局", "monthly", 30),
    "hazard": ("应急管理局", "event", 10), "industry_project": ("农业农村局", "monthly", 30), "insurance": ("金融办", "monthly", 30),
    "loan": ("金融办", "monthly", 20), "objection": ("乡村振兴局", "event", 5), "price": ("农业农村局", "monthly", 15),
    "schooling": ("教育局", "half-yearly", 45), "signal": ("乡村振兴局", "event", 5), "visit": ("乡镇", "monthly", 10),
    "visitor": ("乡镇", "monthly", 15),
}  # fmt: skip
"""Office, rhythm and declared delay of the tables beside the core."""
TABLES = tuple(sorted((*CORE, *OFFICES)))
FOLDER = data_folder("data_contracts")
ARROW = {
    "int64": pa.int64(),
    "string": pa.string(),
    "date": pa.date32(),
    "boolean": pa.bool_(),
    "decimal(18,2)": pa.decimal128(18, 2),
}
DAY = dt.date(2024, 1, 31)
SECRET_HEALTH, SECRET_NAME = "hepatitis-b", "张模拟甲"


def document(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def text_of(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)


def table_of(content: dict[str, Any]) -> dict[str, Any]:
    return content["schema"][0]


def column(content: dict[str, Any], name: str) -> dict[str, Any]:
    return next(p for p in table_of(content)["properties"] if p["name"] == name)


def custom(node: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in node["customProperties"] if c["property"] == name)


def refusal(content: dict[str, Any], *, where: str = "changed.yaml") -> str:
    with pytest.raises(ContractError) as caught:
        parse_contract(text_of(content), where=where)
    assert where in str(caught.value)
    return str(caught.value)


# ---------------------------------------------------------------------------------------------- shipped contracts


def test_all_canonical_tables_are_shipped_and_none_is_empty():
    contracts = load_contracts()
    assert tuple(contracts) == TABLES
    for contract in contracts.values():
        assert contract.key, contract.name
        assert contract.label_zh
        assert contract.office
        assert contract.file_aliases
        assert contract.delay_days >= 0
        assert "recorded_on" in contract.columns


@pytest.mark.parametrize("name", sorted(OFFICES))
def test_a_table_states_its_office_rhythm_and_delay(name):
    contract = load_contracts()[name]
    assert (contract.office, contract.rhythm, contract.delay_days) == OFFICES[name]


@pytest.mark.parametrize("name", TABLES)
def test_a_shipped_contract_validates_against_the_standard_s_own_schema(name):
    import json

    import jsonschema
    import open_data_contract_standard

    schema = json.loads(Path(open_data_contract_standard.__file__).with_name("schema.json").read_text(encoding="utf-8"))
    content = document(name)
    jsonschema.validate(content, schema)
    assert content["apiVersion"] == "v3.1.0"
    assert content["kind"] == "DataContract"
    logical = {"int64": "integer", "string": "string", "date": "date", "boolean": "boolean", "decimal(18,2)": "number"}
    for node in table_of(content)["properties"]:
        assert logical[node["physicalType"]] == node["logicalType"], node["name"]
        assert node["businessName"], node["name"]


def test_every_header_of_a_table_leads_to_one_place():
    for contract in load_contracts().values():
        headers = [h for f in contract.fields for h in set(f.headers)] + [w.header for w in contract.wide_columns]
        assert len(headers) == len(set(headers)), contract.name


def test_wide_columns_fill_columns_and_codes_that_exist():
    for contract in load_contracts().values():
        for wide in contract.wide_columns:
            assert contract.field(wide.measure).type == "decimal(18,2)"
            for name, value in wide.sets.items():
                assert value in (contract.field(name).valid_values or ()), (contract.name, wide.header)


def test_no_shipped_contract_names_a_refused_field():
    for contract in load_contracts().values():
        words = [h for f in contract.fields for h in (*f.headers, f.label_en, f.description_zh, f.description_en, *f.codes)]
        assert not [w for w in (*words, *(w.header for w in contract.wide_columns)) if refused_word(w)], contract.name


def test_names_telephones_and_addresses_are_restricted_and_numbers_are_pseudonyms():
    identity = load_contracts()["identity"]
    assert identity.restricted
    assert {f.name for f in identity.fields if f.classification == "restricted"} == {"head_name", "phone", "address"}
    for contract in load_contracts().values():
        for f in contract.fields:
            if f.name.endswith("_id") and f.name != "list_id":
                assert f.pseudonym, (contract.name, f.name)
                assert f.source_pattern, (contract.name, f.name)
                assert f.classification == "pseudonym"
    member = load_contracts()["member"]
    assert member.field("sex").protected
    assert member.field("ethnicity_group").protected


def test_what_is_sensitive_or_confidential_says_so_and_can_still_be_read():
    contracts = load_contracts()
    assert [name for name, c in contracts.items() if c.restricted] == ["identity"]
    confidential = {(n, f.name) for n, c in contracts.items() for f in c.fields if f.classification == "confidential"}
    assert confidential == {("signal", "channel")}
    sensitive = {(n, f.name) for n, c in contracts.items() for f in c.fields if f.classification == "sensitive"}
    assert sensitive >= {
        ("disability", "kind"), ("disability", "grade"), ("expense", "kind"), ("schooling", "stage"), ("schooling", "status"),
        ("loan", "balance_cny"), ("loan", "overdue"), ("asset", "kind"), ("asset", "value_cny"), ("signal", "code"),
        ("member", "health"), ("medical", "disease_listed"), ("insurance", "paid_out_cny"),
    }  # fmt: skip


def test_the_delivery_register_knows_every_table_by_its_file_s_name():
    contracts = load_contracts()
    table_name = contracts["delivery"].field("table_name")
    tables = set(contracts) - {"delivery"}
    assert set(table_name.valid_values or ()) == tables
    for name in tables:
        assert table_name.codes[contracts[name].file_aliases[0]] == name
        assert table_name.codes[contracts[name].label_zh] == name


def test_no_two_tables_claim_a_file_of_one_name():
    contracts = load_contracts()
    claims = [alias for c in contracts.values() for alias in {*c.file_aliases, c.name, c.label_zh}]
    assert len(claims) == len(set(claims))
    for contract in contracts.values():
        for alias in (*contract.file_aliases, contract.name):
            assert recognise_table(f"{alias}_2025-09.xlsx", contracts) is contract, alias


@pytest.mark.parametrize("name", sorted(OFFICES))
def test_no_row_of_a_new_table_is_recorded_before_what_it_tells(name):
    """Every day that lies in the past when the row is recorded is held to the recording day, or to one that is."""
    contract = load_contracts()[name]
    ahead = {
        "valid_from",
        "valid_until",
        "due_on",
        "recorded_on",
    }  # a cover, a post or a debt may be known before it begins or ends
    order = {(r.left, r.right) for r in contract.row_rules if r.op == "<="}
    held = {left for left, right in order if right == "recorded_on"}
    held |= {left for left, right in order if right in held}
    assert {f.name for f in contract.fields if f.type == "date"} - ahead <= held


@pytest.mark.parametrize("name", sorted(OFFICES))
def test_a_declared_recording_day_is_only_for_rows_that_nothing_is_added_to(name):
    """Where a later row brings an end, a payment or an answer, counting from the first day would show it too early."""
    contract = load_contracts()[name]
    later = {"ended_on", "withdrawn_on", "answered_on", "paid_on", "insured_paid_cny", "balance_cny", "status"}
    assert not (contract.recording_basis and later & set(contract.columns))


def test_tables_load_after_what_they_refer_to():
    contracts = load_contracts()
    order = load_order(contracts)
    assert sorted(order) == sorted(contracts)
    for contract in contracts.values():
        for f in contract.fields:
            if f.references:
                assert order.index(f.references[0]) < order.index(contract.name)


def test_a_misspelt_column_name_suggests_the_right_one():
    with pytest.raises(UnknownNameError, match="did you mean 'housing_grade'"):
        load_contracts()["household"].field("housing_grad")


# ------------------------------------------------------------------------------------- a contract that is wrong


def test_what_is_no_yaml_or_no_contract_is_refused():
    for text in ("", "[]", "a: [", "null", "{}", "just a sentence"):
        with pytest.raises(ContractError, match=r"x\.yaml"):
            parse_contract(text, where="x.yaml")


def test_a_misspelt_key_is_named():
    content = document("income")
    content["statuss"] = "active"
    assert "statuss" in refusal(content)
    content = document("income")
    column(content, "gross_cny")["requird"] = True
    assert "requird" in refusal(content)


def test_every_misspelt_key_is_listed_at_once():
    content = document("income")
    content["statuss"] = "active"
    column(content, "gross_cny")["requird"] = True
    column(content, "item")["logicalType"] = "strng"
    message = refusal(content)
    assert all(word in message for word in ("statuss", "requird", "strng"))


def test_a_wrong_logical_type_is_refused():
    content = document("income")
    column(content, "gross_cny")["logicalType"] = "numbr"
    message = refusal(content)
    assert "logicalType" in message
    assert "numbr" in message
    assert "'number'" in message


@pytest.mark.parametrize("physical", ["int32", "double", "timestamp", "decimal(18, 3)"])
def test_a_physical_type_the_engine_does_not_keep_is_refused(physical):
    content = document("income")
    column(content, "gross_cny")["physicalType"] = physical
    message = refusal(content)
    assert physical in message
    assert "gross_cny" in message
    assert "decimal(18,2)" in message


def test_two_tables_in_one_file_are_refused():
    content = document("income")
    content["schema"].append(copy.deepcopy(table_of(content)))
    assert "exactly one table" in refusal(content)
    content["schema"] = []
    assert "found 0" in refusal(content)


def test_a_header_claimed_twice_is_refused():
    content = document("income")
    custom(column(content, "gross_cny"), "aliases")["value"] = ["生产成本"]
    message = refusal(content)
    assert "生产成本" in message
    assert "gross_cny" in message
    assert "cost_cny" in message


@pytest.mark.parametrize("header", ["户编号", "养老金"])
def test_a_wide_header_claimed_twice_is_refused(header):
    content = document("income")
    custom(table_of(content), "wide_columns")["value"][0]["header"] = header
    assert header in refusal(content)


@pytest.mark.parametrize(
    "change", [{"set": {"source": "opperating", "item": "crops"}}, {"set": {"sourc": "operating"}}, {"measure": "gros_cny"}]
)
def test_a_wide_column_that_fills_nothing_that_exists_is_refused(change):
    content = document("income")
    custom(table_of(content), "wide_columns")["value"][0].update(change)
    assert "种植业收入" in refusal(content)


REFUSED_TEXTS = {
    "legal records": ("Criminal_record", "courtCase", "legal_status", "drug use", "served in prison", "违法记录", "是否服刑", "社区矫正人员", "失信被执行人"),
    "religion": ("religion", "religious_group", "church attendance", "宗教信仰", "是否信众"),
    "attitude": ("attitude_score", "motivation", "lazy", "work ethic", "等靠要思想", "工作态度", "内生动力不足", "懒汉"),
    "family planning": ("family planning record", "birth_control", "sterilised", "计划生育情况", "计生户", "超生子女"),
}  # fmt: skip
PLACES = ("name", "businessName", "alias", "description", "description_zh", "en", "code")


def test_every_kind_of_refused_field_is_tried_here():
    assert set(REFUSED_TEXTS) == set(REFUSED_WORDS)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in REFUSED_TEXTS.items() for text in texts])
def test_a_refused_field_is_refused_wherever_it_shows(kind, text):
    for place in PLACES:
        content = document("household")
        node = column(content, "cooking_fuel")
        if place == "alias":
            custom(node, "aliases")["value"] = [text]
        elif place == "en":
            custom(node, "en")["value"] = text
        elif place == "description_zh":
            node["customProperties"].append({"property": place, "value": text})
        elif place == "code":
            custom(node, "codes")["value"][text] = "other"
        else:
            node[place] = text
        message = refusal(content)
        assert "may not be collected" in message, place
        assert kind in message, place


def test_a_refused_table_or_wide_column_is_refused():
    content = document("household")
    custom(table_of(content), "file_aliases")["value"] = ["服刑人员名单"]
    assert "legal records" in refusal(content)
    content = document("income")
    custom(table_of(content), "wide_columns")["value"][0]["header"] = "计生奖励"
    assert "family planning" in refusal(content)


@pytest.mark.parametrize(
    "text",
    [
        "courtyard area",
        "section",
        "sector",
        "crimson",
        "illness",
        "通信教育",
        "懂技术",
        "结算单号",
        "信访",
        "信用社",
        "法定代表人",
        "指定监护人",
        "idle land",
    ],
)
def test_a_harmless_word_is_not_refused(text):
    assert refused_word(text) is None


@pytest.mark.parametrize(
    ("place", "text"), [("name", "gender"), ("businessName", "民族"), ("alias", "性别"), ("en", "ethnic group")]
)
def test_sex_and_ethnicity_must_be_protected(place, text):
    content = document("household")
    node = column(content, "cooking_fuel")
    if place in ("alias", "en"):
        custom(node, "aliases" if place == "alias" else "en")["value"] = [text] if place == "alias" else text
    else:
        node[place] = text
    assert "not marked protected" in refusal(content)
    node["customProperties"].append({"property": "protected", "value": True})
    parse_contract(text_of(content))


def test_the_protected_columns_are_these():
    protected = {(name, f.name) for name, c in load_contracts().items() for f in c.fields if f.protected}
    assert protected == {("member", "sex"), ("member", "ethnicity_group"), ("village", "minority_area")}


def test_a_code_that_leads_to_no_valid_value_is_refused():
    content = document("income")
    custom(column(content, "source"), "codes")["value"]["别的收入"] = "other_thing"
    message = refusal(content)
    assert "other_thing" in message
    assert "source" in message


def test_a_row_rule_of_unknown_columns_or_operators_is_refused():
    for change in ({"left": "period_strt"}, {"op": "=<"}):
        content = document("income")
        custom(table_of(content), "row_rules")["value"][0].update(change)
        assert next(iter(change.values())) in refusal(content)


def test_a_table_without_recording_day_or_key_is_refused():
    content = document("household")
    table_of(content)["properties"].remove(column(content, "recorded_on"))
    assert "recorded_on" in refusal(content)
    content = document("household")
    del column(content, "household_id")["primaryKey"]
    assert "key" in refusal(content).lower()


def test_a_column_described_twice_is_refused():
    content = document("household")
    table_of(content)["properties"].append(copy.deepcopy(column(content, "rooms")))
    assert "rooms" in refusal(content)


@pytest.mark.parametrize("name", ["office", "rhythm", "delay_days", "file_aliases"])
def test_a_missing_custom_property_of_the_table_is_a_contract_error(name):
    content = document("household")
    table_of(content)["customProperties"].remove(custom(table_of(content), name))
    assert name in refusal(content)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("office", " ", "office is empty"),
        ("rhythm", "monthy", "did you mean 'monthly'"),
        ("rhythm", "daily", "unknown rhythm 'daily'"),
        ("delay_days", -1, "whole days from 0"),
        ("delay_days", "15", "whole days from 0"),
        ("delay_days", 15.5, "whole days from 0"),
        ("delay_days", True, "whole days from 0"),
        ("delay_days", 400, "whole days from 0"),
        ("file_aliases", [], "no file could be recognised"),
        ("en", "", "no English label"),
        ("description_zh", "", "not described in both languages"),
    ],
)
def test_an_office_rhythm_or_delay_that_cannot_be_is_refused(name, value, words):
    content = document("household")
    custom(table_of(content), name)["value"] = value
    assert words in refusal(content)


def test_a_column_of_another_class_kind_of_pseudonym_or_without_english_label_is_refused():
    content = document("household")
    column(content, "rooms")["classification"] = "secret"
    custom(column(content, "household_id"), "pseudonym")["value"] = "houshold"
    column(content, "land_mu")["customProperties"].remove(custom(column(content, "land_mu"), "en"))
    column(content, "resettled")["description"] = "Moved by the programme."
    message = refusal(content)
    assert "unknown classification 'secret'" in message
    assert "did you mean 'household'" in message
    assert "column land_mu has no English label" in message
    assert "column resettled is described in one language only" in message


def test_a_restricted_column_stands_only_in_a_restricted_table():
    content = document("household")
    column(content, "rooms")["classification"] = "restricted"
    assert "rooms is restricted in a table that is not" in refusal(content)


@pytest.mark.parametrize("basis", ["rooms", "recorded"])
def test_a_recording_basis_is_a_column_of_dates(basis):
    content = document("household")
    table_of(content)["customProperties"].append({"property": "recording_basis", "value": basis})
    assert f"'{basis}' is not a column of dates" in refusal(content)


@pytest.mark.parametrize("name", ["physicalType", "businessName"])
def test_a_missing_property_of_a_column_is_a_contract_error(name):
    content = document("household")
    del column(content, "rooms")[name]
    message = refusal(content)
    assert name in message
    assert "rooms" in message


@pytest.mark.parametrize(("where", "right", "wrong"), [("column", "aliases", "aliasses"), ("table", "restricted", "restrictd")])
def test_a_misspelt_custom_property_is_refused(where, right, wrong):
    content = document("identity")
    node = column(content, "phone") if where == "column" else table_of(content)
    custom(node, right)["property"] = wrong
    assert wrong in refusal(content)


def test_a_pseudonym_without_a_form_is_refused():
    content = document("household")
    node = column(content, "household_id")
    node["customProperties"].remove(custom(node, "source_pattern"))
    assert "household_id" in refusal(content)


def test_a_form_is_for_whole_numbers_and_days_and_must_be_a_pattern():
    content = document("household")
    column(content, "rooms")["customProperties"].append({"property": "form", "value": "[0-9"})
    assert "'[0-9' is not a pattern" in refusal(content)
    for name in ("land_mu", "resettled", "registered_type"):
        content = document("household")
        column(content, name)["customProperties"].append({"property": "form", "value": "^1"})
        assert f"column {name} has a form; only int64 and date columns do" in refusal(content)


# ------------------------------------------------------------------------------------------ a folder that is wrong


def write_folder(folder: Path, **contents: dict[str, Any]) -> Path:
    for name, content in contents.items():
        (folder / f"{name}.yaml").write_text(text_of(content), encoding="utf-8")
    return folder


def test_a_reference_to_nowhere_is_refused(tmp_path):
    household = document("household")
    write_folder(tmp_path, household=household)
    with pytest.raises(ContractError, match=r"household\.village_code refers to village\.village_code"):
        load_contracts(tmp_path)
    column(household, "village_code")["relationships"][0]["to"] = "village.village_cod"
    other = tmp_path / "other"
    other.mkdir()
    write_folder(other, household=household, village=document("village"))
    with pytest.raises(ContractError, match=r"village\.village_cod\b"):
        load_contracts(other)


def test_a_reference_to_another_kind_of_pseudonym_is_refused(tmp_path):
    household = document("household")
    custom(column(household, "household_id"), "pseudonym")["value"] = "person"
    write_folder(tmp_path, village=document("village"), household=household, loan=document("loan"))
    with pytest.raises(ContractError, match=r"loan\.household_id is another kind of pseudonym than household\.household_id"):
        load_contracts(tmp_path)


def test_a_file_name_that_two_tables_claim_is_refused(tmp_path):
    household = document("household")
    custom(table_of(household), "file_aliases")["value"] = ["村名单"]
    write_folder(tmp_path, village=document("village"), household=household)
    with pytest.raises(ContractError, match=r"files named '村名单' are claimed by both household and village"):
        load_contracts(tmp_path)


def test_two_files_for_one_table_are_refused(tmp_path):
    write_folder(tmp_path, village=document("village"), village_again=document("village"))
    with pytest.raises(ContractError, match=r"village_again\.yaml.*village"):
        load_contracts(tmp_path)


def test_tables_that_refer_to_each_other_in_a_circle_are_refused(tmp_path):
    village, household = document("village"), document("household")
    column(village, "village_code")["relationships"] = [{"type": "foreignKey", "to": "household.village_code"}]
    write_folder(tmp_path, village=village, household=household)
    with pytest.raises(ContractError, match=r"circle.*household.*village|circle.*village.*household"):
        load_order(load_contracts(tmp_path))


# ---------------------------------------------------------------------------------- a table that breaks its contract


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


@pytest.fixture(scope="module")
def county_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")
    write_inbox(simulate_county(n_households=60, months=14), folder / "inbox")
    result = ingest_inbox(folder / "inbox", folder / "store", key=b"a key for the contract tests")
    return folder / "store", result.manifest


def test_the_store_of_a_simulated_county_keeps_its_contracts(county_store):
    folder, manifest = county_store
    contracts = load_contracts()
    assert set(CORE) <= set(manifest.tables) <= set(contracts)
    tables = {
        name: ibis.memtable(pq.read_table(folder / stored.file).drop_columns(["recorded_declared", "superseded_on"]))
        for name, stored in manifest.tables.items()
    }
    for name, table in tables.items():
        assert manifest.tables[name].n_rows > 0 or name not in CORE, name
        check_table(table, contracts[name], referenced=tables)


def test_a_store_s_table_with_one_planted_error_is_refused(county_store):
    folder, manifest = county_store
    contract = load_contracts()["income"]
    rows = pq.read_table(folder / manifest.tables["income"].file).drop_columns(["recorded_declared", "superseded_on"]).to_pylist()
    rows[5]["cost_cny"] = Decimal("-0.01")
    with pytest.raises(ContractViolation, match="CON003 cost_cny is below 0: 1 rows"):
        check_table(arrow_table(contract, rows), contract, referenced={})
