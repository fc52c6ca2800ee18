"""A contract, or a folder of them, that is wrong: refused before any data is seen, with what is wrong."""

from __future__ import annotations

import copy

import pytest

from returnrisk.contracts import load_contracts, load_order, parse_contract
from returnrisk.errors import ContractError
from tests.contract_documents import column, custom, document, refusal, table_of, write_folder


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
