"""The shipped contracts: every table, its office and rhythm, its headers, what is sensitive, what may not be collected."""

from __future__ import annotations

from pathlib import Path

import pytest

from returnrisk.contracts import load_contracts, load_order, refused_word
from returnrisk.errors import UnknownNameError
from returnrisk.ingest.headers import recognise_table
from tests.contract_documents import CORE, document, table_of

OFFICES = {
    "alert_closure": ("乡村振兴局", "event", 5),
    "asset": ("民政局", "event", 30), "authorisation": ("民政局", "event", 5), "disability": ("残联", "monthly", 30),
    "disaster": ("应急管理局", "event", 15), "employment": ("人社局", "monthly", 30), "expense": ("民政局", "monthly", 30),
    "hazard": ("应急管理局", "event", 10), "industry_project": ("农业农村局", "monthly", 30), "insurance": ("金融办", "monthly", 30),
    "loan": ("金融办", "monthly", 20), "objection": ("乡村振兴局", "event", 5), "price": ("农业农村局", "monthly", 15),
    "schooling": ("教育局", "half-yearly", 45), "signal": ("乡村振兴局", "event", 5), "visit": ("乡镇", "monthly", 10),
    "visitor": ("乡镇", "monthly", 15),
}  # fmt: skip
"""Office, rhythm and declared delay of the tables beside the core."""
TABLES = tuple(sorted((*CORE, *OFFICES)))


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
            if f.name.endswith("_id") and f.name not in {"list_id", "alert_id"}:  # numbers that this program gave
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
