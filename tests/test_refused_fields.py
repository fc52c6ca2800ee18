"""Fields that may not even be described, and those that must be marked protected: refused wherever they show."""

from __future__ import annotations

import pytest

from returnrisk.contracts import REFUSED_WORDS, load_contracts, parse_contract, refused_word
from tests.contract_documents import column, custom, document, refusal, table_of, text_of

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
