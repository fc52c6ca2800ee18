"""Policy packs: which value holds on a day, where it comes from, and every way in which a pack is refused."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import returnrisk
from returnrisk.contracts import load_contracts
from returnrisk.errors import PolicyDateError, PolicyError, PolicyNameError, PolicyPackError
from returnrisk.policy import CODES, UNITS, Policy, load_policy, policy_names, read_policy
from returnrisk.policy.parsing import parse_pack
from returnrisk.policy.strict_yaml import read_yaml
from returnrisk.resources import data_folder

DAY = dt.date(2024, 7, 1)
DOCS = Path(__file__).resolve().parents[1] / "docs"
LABEL = "label: {zh: 甲, en: a}"


def pack(name: str, body: str, *, parent: str | None = None) -> str:
    head = f"schema: 1\nname: {name}\ntitle: {{zh: 某, en: some}}\n"
    return head + (f"parent: {parent}\n" if parent else "") + body


def number(name: str, values: str, *, unit: str = "cny_per_head_year", label: str = LABEL) -> str:
    return f"  {name}:\n    {label}\n    unit: {unit}\n    kind: assumed\n    values: {{{values}}}\n"


@pytest.fixture
def write(tmp_path):
    """Write packs by name and body (with its parent's name), and return their folder."""

    def put(**bodies: str | tuple[str, str]) -> Path:
        for name, body in bodies.items():
            text, parent = (body, None) if isinstance(body, str) else body
            (tmp_path / f"{name}.yaml").write_text(pack(name, text, parent=parent), encoding="utf-8")
        return tmp_path

    return put


def codes_of(name: str, folder: Path) -> list[str]:
    try:
        return [problem.code for problem in read_policy(name, folder)[1]]
    except PolicyError as error:
        return list(error.codes)


# ---- the shipped packs ---------------------------------------------------------------------------------------------------------


def test_the_shipped_packs_can_be_used():
    assert policy_names() == ["gansu-style", "guangxi-style", "national"]
    for name in policy_names():
        policy, problems = read_policy(name)
        assert problems == []
        frame = policy.frame(DAY)
        assert frame["name"].is_unique
        assert frame["value"].notna().all()
        assert set(frame["kind"]) == {"rule", "assumed"}
        assert frame.loc[frame["kind"] == "rule", "document"].str.len().gt(0).all()


def test_the_regional_packs_differ_where_the_plans_do():
    gansu, guangxi = load_policy("gansu-style"), load_policy("guangxi-style")
    line = Decimal("4866.67")
    assert gansu.number("dibao_margin_line", DAY) == (line * Decimal("1.5")).quantize(Decimal("0.01"), "ROUND_HALF_UP")
    assert guangxi.number("dibao_margin_line", DAY) == line * 2
    assert (gansu.choice("income_window", DAY), guangxi.choice("income_window", DAY)) == ("income_year", "trailing_12")
    assert (gansu.flag("deduct_employment_cost", DAY), guangxi.flag("deduct_employment_cost", DAY)) == (False, True)
    assert guangxi.listed("expenditure_disability_grades_intellectual_mental", DAY) == ("1", "2", "3", "4")
    assert gansu.serves(620102)
    assert not gansu.serves(450102001)
    with pytest.raises(PolicyPackError, match="POL016 gansu-style, areas"):
        gansu.require_area(450102)


def test_published_lines_are_in_force_in_their_year():
    policy = load_policy("national")
    at = {year: policy.number("monitoring_line", dt.date(year, 12, 31)) for year in (2020, 2021, 2022, 2023, 2024, 2025)}
    assert at == {2020: 6000, 2021: 6000, 2022: 6600, 2023: 7300, 2024: 7300, 2025: 8700}
    incomes = {year: policy.number("regional_disposable_income", dt.date(year, 1, 1)) for year in (2022, 2023, 2024, 2025)}
    assert incomes == {2022: 18931, 2023: 20133, 2024: 21691, 2025: 23119}
    assert policy.value("monitoring_line", dt.date(2021, 12, 31)).valid_from == dt.date(2020, 1, 1)
    assert policy.value("monitoring_line", dt.date(2022, 1, 1)).reference.document == "2022年西部地区监测标准"


@pytest.mark.parametrize(
    ("parameter", "table", "column"),
    [
        ("assistance_excluded_items", "income", "item"),
        ("employment_cost_items", "income", "item"),
        ("rigid_kinds", "expense", "kind"),
        ("severe_disability_grades", "disability", "grade"),
        ("severe_disability_grades_intellectual_mental", "disability", "grade"),
        ("expenditure_disability_grades_intellectual_mental", "disability", "grade"),
    ],
)
def test_lists_offer_the_codes_of_the_contracts(parameter, table, column):
    codes = load_contracts()[table].field(column).valid_values
    assert load_policy("national").choices(parameter) == tuple(map(str, codes))


def test_a_value_says_how_it_came_about():
    found = load_policy("guangxi-style").value("savings_head_limit", DAY)
    assert found.value == Decimal("9733.34")
    assert (found.pack, found.unit, found.kind) == ("national", "cny_per_head", "assumed")
    assert found.steps == (
        "savings_head_limit = 2 × dibao_line = 9733.34 [national, 2020-01-01]",
        "dibao_line = 4866.67 [national, 2023-01-01]",
    )


def test_what_one_place_decided_is_no_rule_of_the_country():
    (national,) = load_policy("national").packs
    place = re.compile(r"（(?:广西|甘肃)）|省|(?:市|县|州)[0-9]{4}")
    said = {p.name: p.reference.document for p in national.parameters.values() if p.kind == "rule" and p.reference}
    assert len(said) > 10
    assert {name: document for name, document in said.items() if place.search(document)} == {}
    assert national.parameters["dibao_margin_line"].kind == national.parameters["income_window"].kind == "assumed"


def test_every_parameter_of_a_shipped_pack_is_read_somewhere():
    sources = "\n".join(path.read_text(encoding="utf-8") for path in Path(returnrisk.__file__).parent.rglob("*.py"))
    texts = [path.read_text(encoding="utf-8") for path in data_folder("data_contracts").joinpath("policy").glob("*.yaml")]
    packs = [yaml.safe_load(text) for text in texts]
    bases = set(re.findall(r"(?:times|parameter): ([a-z_0-9]+)", "\n".join(texts)))
    names = {name for pack in packs for name in pack["parameters"]}
    assert names > {"identification_steps"}
    assert {name for name in names if f'"{name}"' not in sources} <= bases


SENSELESS = {
    "money from days": ("POL013", "  dibao_line: {kind: assumed, values: {2020-01-01: {times: alert_due_days, factor: 300}}}\n"),
    "margin below dibao": (
        "POL018",
        "  dibao_margin_line: {kind: assumed, values: {2020-01-01: {times: dibao_line, factor: 0.9}}}\n",
    ),
    "other below margin": ("POL018", "  other_low_income_line: {kind: assumed, values: {2024-01-01: {value: 7000}}}\n"),
    "dibao of nothing": ("POL009", "  dibao_line: {kind: assumed, values: {2020-01-01: {value: 0}}}\n"),
    "thirteen months of twelve": ("POL009", "  min_months: {kind: assumed, values: {2020-01-01: {value: 13}}}\n"),
    "no month at all": ("POL009", "  min_cost_months: {kind: assumed, values: {2020-01-01: {value: 0}}}\n"),
    "nothing is rigid": ("POL009", "  rigid_kinds: {kind: assumed, values: {2020-01-01: {value: []}}}\n"),
}


@pytest.mark.parametrize("case", SENSELESS)
def test_what_no_county_can_mean_is_refused(write, case):
    code, body = SENSELESS[case]
    assert codes_of("mine", write(mine=("parameters:\n" + body, "national"))) == [code]


def test_the_edges_of_what_a_county_can_mean(write):
    body = "parameters:\n  min_months: {kind: assumed, values: {2020-01-01: {value: 12}}}\n"
    body += "  dibao_margin_line: {kind: assumed, values: {2020-01-01: {times: dibao_line, factor: 1}}}\n"
    body += "  assistance_excluded_items: {kind: assumed, values: {2020-01-01: {value: []}}}\n"  # every item counts
    assert codes_of("mine", write(mine=(body, "national"))) == []


def test_one_typo_is_one_problem_that_names_what_was_meant(write):
    body = "parameters:\n  dibao_line: {kind: assumed, values: {2020-01-01: {times: monitoring_lin, factor: 0.6}}}\n"
    (problem,) = read_policy("mine", write(mine=(body, "national")))[1]
    assert problem.code == "POL013"
    assert problem.text == "unknown parameter 'monitoring_lin'; did you mean 'monitoring_line'?"


# ---- resolution ----------------------------------------------------------------------------------------------------------------


def test_the_nearest_pack_with_a_value_in_force_gives_it(write):
    folder = write(
        root="parameters:\n" + number("line", "2020-01-01: {value: 100}") + number("twice", "2020-01-01: {times: line, factor: 2}"),
        mid=("parameters:\n  line: {kind: assumed, values: {2022-01-01: {value: 70, until: 2022-12-31}}}\n", "root"),
        own=("parameters:\n  line: {kind: assumed, values: {2024-01-01: {value: 130.50}}}\n", "mid"),
    )
    policy = load_policy("own", folder)
    days = [dt.date(2020, 1, 1), dt.date(2022, 1, 1), dt.date(2022, 12, 31), dt.date(2023, 1, 1), dt.date(2024, 1, 1)]
    assert [policy.number("line", day) for day in days] == [100, 70, 70, 100, Decimal("130.50")]
    # a parent's multiple is worked out from the county's end of the chain
    assert [policy.number("twice", day) for day in days] == [200, 140, 140, 200, 261]
    assert policy.value("line", dt.date(2023, 1, 1)).steps == (
        "line: own 在 2023-01-01 无生效值 / has no value in force on 2023-01-01",
        "line: mid 在 2023-01-01 无生效值 / has no value in force on 2023-01-01",
        "line = 100 [root, 2020-01-01]",
    )
    assert load_policy("mid", folder).number("line", dt.date(2024, 1, 1)) == 100


def test_a_countys_own_pack_inherits_a_shipped_one_and_hides_its_namesake(write):
    folder = write(
        mine=("parameters:\n  dibao_line:\n    kind: assumed\n    values: {2024-01-01: {value: 5000}}\n", "guangxi-style"),
        national="parameters:\n" + number("only", "2020-01-01: {value: 1}"),
    )
    assert load_policy("national", folder).names == ("only",)
    (folder / "national.yaml").unlink()
    policy = load_policy("mine", folder)
    assert [p.name for p in policy.packs] == ["mine", "guangxi-style", "national"]
    assert policy.number("dibao_margin_line", DAY) == 10000


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20) | st.none(), st.integers(1, 9)), min_size=1, max_size=4)


@given(packs=st.lists(SPANS, min_size=1, max_size=3), day=st.integers(0, 90))
@settings(max_examples=150, deadline=None)
def test_every_day_of_every_chain_is_what_a_reader_would_say(packs, day, tmp_path_factory):
    """Against a plain loop over all entries: nearest pack first, latest start, not yet ended."""
    start = dt.date(2020, 1, 1)
    folder = tmp_path_factory.mktemp("packs")
    expected = None
    for i, spans in enumerate(packs):
        entries: dict[int, tuple[int | None, int]] = {}
        for begin, length, value in sorted(spans, key=lambda s: s[0]):
            entries.setdefault(begin, (None if length is None else begin + length, value))
        begins = sorted(entries)
        # no entry reaches into the next
        for begin, following in itertools.pairwise(begins):
            until, value = entries[begin]
            entries[begin] = (None if until is None else min(until, following - 1), value)
        running = [b for b in begins if b <= day]
        if expected is None and running and (entries[running[-1]][0] is None or entries[running[-1]][0] >= day):
            expected = entries[running[-1]][1]
        date = [start + dt.timedelta(days=n) for n in range(200)]
        values = ", ".join(
            f"{date[b]}: {{value: {v}{'' if u is None else f', until: {date[u]}'}}}" for b, (u, v) in reversed(entries.items())
        )
        parent = f"p{i + 1}" if i + 1 < len(packs) else None
        (folder / f"p{i}.yaml").write_text(pack(f"p{i}", "parameters:\n" + number("x", values), parent=parent), encoding="utf-8")
    policy = load_policy("p0", folder)
    if expected is None:
        with pytest.raises(PolicyDateError) as refused:
            policy.number("x", start + dt.timedelta(days=day))
        assert refused.value.codes[0] in {"POL006", "POL007"}
    else:
        assert policy.number("x", start + dt.timedelta(days=day)) == expected


def test_money_is_exact_and_multiples_are_rounded_to_the_fen(write):
    folder = write(
        a="parameters:\n"
        + number("base", "2020-01-01: {value: 4866.67}")
        + number("times", "2020-01-01: {times: base, factor: 1.5}")
        + number("tenth", "2020-01-01: {value: 0.1}", unit="share")
    )
    policy = load_policy("a", folder)
    assert str(policy.number("times", DAY)) == "7300.01"  # 7300.005
    assert policy.number("tenth", DAY) * 3 == Decimal("0.3")


# ---- what is refused -----------------------------------------------------------------------------------------------------------


def test_asking_for_what_is_not_there():
    policy = load_policy("national")
    with pytest.raises(PolicyNameError, match=r"POL005 national: unknown parameter 'dibao_lin'; did you mean 'dibao_line'"):
        policy.number("dibao_lin", DAY)
    with pytest.raises(
        PolicyDateError, match=r"POL006 national, dibao_line: no value on 2019-12-31: the first is in force from 2020-01-01"
    ):
        policy.number("dibao_line", dt.date(2019, 12, 31))
    with pytest.raises(PolicyDateError, match="POL006"):
        policy.frame(dt.date(2019, 12, 31))
    for wrong in (policy.flag, policy.choice, policy.listed):
        with pytest.raises(PolicyNameError, match=r"POL017 national, dibao_line: .* was asked for as"):
            wrong("dibao_line", DAY)
    with pytest.raises(PolicyNameError, match=r"POL003 guangxi: .* did you mean 'guangxi-style'"):
        load_policy("guangxi")


def test_a_value_that_has_ended_is_not_prolonged(write):
    folder = write(
        a="parameters:\n" + number("x", "2020-01-01: {value: 1, until: 2020-12-31}") + number("y", "2020-01-01: {value: 2}")
    )
    policy = load_policy("a", folder)
    with pytest.raises(PolicyDateError, match="POL007 a, x: no value on 2021-01-01: the last one ended on 2020-12-31"):
        policy.number("x", dt.date(2021, 1, 1))
    frame = policy.frame(dt.date(2021, 1, 1)).set_index("name")
    assert frame.loc["x", ["value", "pack", "valid_from"]].isna().all()
    assert frame.loc["y", "value"] == 2


REFUSED = {
    "not yaml": ("POL001", "parameters: [1"),
    "a key twice": ("POL001", "parameters:\n" + number("x", "2020-01-01: {value: 1}") * 2),
    "a day twice": ("POL001", "parameters:\n" + number("x", "2020-01-01: {value: 1}, 2020-01-01: {value: 2}")),
    "no such day": ("POL001", "parameters:\n" + number("x", "2020-02-30: {value: 1}")),
    "unknown key of the pack": ("POL002", "paramters: {}"),
    "unknown key of a parameter": ("POL002", f"parameters:\n  x: {{{LABEL}, unit: days, kind: assumed, vlaues: {{}}}}"),
    "unknown key of a value": ("POL002", "parameters:\n" + number("x", "2020-01-01: {value: 1, untill: 2020-02-01}")),
    "neither value nor multiple": ("POL002", "parameters:\n" + number("x", "2020-01-01: {until: 2020-02-01}")),
    "both value and multiple": ("POL002", "parameters:\n" + number("x", "2020-01-01: {value: 1, times: x, factor: 2}")),
    "no values": ("POL002", "parameters:\n" + number("x", "")),
    "a day as text": ("POL002", "parameters:\n" + number("x", "'2020-01-01': {value: 1}")),
    "until before from": ("POL002", "parameters:\n" + number("x", "2020-01-01: {value: 1, until: 2019-01-01}")),
    "label in one language": ("POL002", "parameters:\n" + number("x", "2020-01-01: {value: 1}", label="label: {zh: 甲}")),
    "unknown unit": ("POL002", "parameters:\n" + number("x", "2020-01-01: {value: 1}", unit="yuan")),
    "unknown kind": ("POL002", f"parameters:\n  x: {{{LABEL}, unit: days, kind: guess, values: {{2020-01-01: {{value: 1}}}}}}"),
    "no range": (
        "POL002",
        "parameters:\n" + number("x", "2020-01-01: {value: 1}", label=f"{LABEL}\n    range: {{least: 3, most: 2}}"),
    ),
    "out of its range": (
        "POL009",
        "parameters:\n" + number("x", "2020-01-01: {value: 3}", label=f"{LABEL}\n    range: {{most: 2}}"),
    ),
    "area that is none": ("POL002", "areas: [Gansu]"),
    "overlap": ("POL008", "parameters:\n" + number("x", "2020-01-01: {value: 1, until: 2022-01-01}, 2022-01-01: {value: 2}")),
    "text for a number": ("POL009", "parameters:\n" + number("x", "2020-01-01: {value: many}")),
    "on for a flag": ("POL009", "parameters:\n" + number("x", "2020-01-01: {value: on}", unit="flag")),
    "flag for a number": ("POL009", "parameters:\n" + number("x", "2020-01-01: {value: true}")),
    "negative": ("POL009", "parameters:\n" + number("x", "2020-01-01: {value: -1}")),
    "share above one": ("POL009", "parameters:\n" + number("x", "2020-01-01: {value: 1.01}", unit="share")),
    "half a day": ("POL009", "parameters:\n" + number("x", "2020-01-01: {value: 0.5}", unit="days")),
    "a word twice": ("POL009", "parameters:\n" + number("x", "2020-01-01: {value: [a, a]}", unit="list")),
    "rule without document": (
        "POL011",
        f"parameters:\n  x: {{{LABEL}, unit: days, kind: rule, values: {{2020-01-01: {{value: 1}}}}}}",
    ),
    "reference without document": ("POL011", "parameters:\n" + number("x", "2020-01-01: {value: 1, reference: {article: 三}}")),
    "circle of multiples": (
        "POL012",
        "parameters:\n" + number("x", "2020-01-01: {times: y, factor: 2}") + number("y", "2020-01-01: {times: x, factor: 2}"),
    ),
    "multiple of nothing": ("POL013", "parameters:\n" + number("x", "2020-01-01: {times: z, factor: 2}")),
    "multiple of a flag": (
        "POL013",
        "parameters:\n" + number("x", "2020-01-01: {times: f, factor: 2}") + number("f", "2020-01-01: {value: true}", unit="flag"),
    ),
    "multiple before its base": (
        "POL006",
        "parameters:\n" + number("x", "2020-01-01: {times: y, factor: 2}") + number("y", "2021-01-01: {value: 1}"),
    ),
    "outside the choices": (
        "POL014",
        "parameters:\n" + number("x", "2020-01-01: {value: c}", unit="choice", label=f"{LABEL}\n    choices: [a, b]"),
    ),
    "a choice of nothing": ("POL015", "parameters:\n" + number("x", "2020-01-01: {value: c}", unit="choice")),
    "no label": ("POL015", "parameters:\n  x: {unit: days, kind: assumed, values: {2020-01-01: {value: 1}}}"),
    "no such parent": ("POL003", "parent: natoinal"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_pack_is_refused_with_its_code_and_named(write, case):
    code, body = REFUSED[case]
    folder = write(mine=body)
    assert code in codes_of("mine", folder)
    with pytest.raises(PolicyError) as refused:
        load_policy("mine", folder)
    assert f"{code} mine" in str(refused.value)


def test_circles_units_and_areas_between_packs(write):
    folder = write(a=("areas: ['62']", "b"), b=("", "c"), c=("", "b"))
    assert codes_of("a", folder) == ["POL004"]
    with pytest.raises(PolicyPackError, match="b → c → b"):
        load_policy("a", folder)
    folder = write(
        own=("areas: ['45']\nparameters:\n" + number("x", "2020-01-01: {value: 1}", unit="cny"), "up"),
        up="areas: ['62']\nparameters:\n" + number("x", "2020-01-01: {value: 1}", unit="days"),
    )
    assert codes_of("own", folder) == ["POL016", "POL010"]
    # a multiple of the parent that only the county's own value turns into a circle
    folder = write(
        one=("parameters:\n  y: {kind: assumed, values: {2023-01-01: {times: x, factor: 2}}}\n", "two"),
        two="parameters:\n" + number("x", "2020-01-01: {times: y, factor: 2}") + number("y", "2020-01-01: {value: 5}"),
    )
    assert set(codes_of("one", folder)) == {"POL012"}
    assert codes_of("two", folder) == []


def test_every_problem_is_told_at_once(write):
    body = "parameters:\n" + number("x", "2020-01-01: {value: many}") + number("y", "2020-01-01: {value: -1}", unit="yuan")
    with pytest.raises(PolicyPackError) as refused:
        load_policy("mine", write(mine=body))
    assert set(refused.value.codes) == {"POL002", "POL009", "POL015"}
    assert len(str(refused.value).splitlines()) == 3


def test_a_file_must_be_called_as_its_pack_and_be_utf8(tmp_path):
    (tmp_path / "a.yaml").write_text(pack("b", ""), encoding="utf-8")
    assert codes_of("a", tmp_path) == ["POL002"]
    (tmp_path / "a.yaml").write_bytes("title: 甲".encode("gb18030"))
    assert codes_of("a", tmp_path) == ["POL001"]


def test_the_order_of_a_file_changes_nothing():
    path = data_folder("data_contracts") / "policy" / "national.yaml"
    content = read_yaml(path.read_text(encoding="utf-8"), where="national")
    content["parameters"] = {
        name: {**said, "values": dict(reversed(said["values"].items()))} for name, said in reversed(content["parameters"].items())
    }
    content["alerts"] = dict(reversed(content["alerts"].items()))
    shuffled, problems = parse_pack(content, name="national")
    assert problems == []
    as_shipped = load_policy("national")
    left = as_shipped.frame(DAY).sort_values("name").to_dict("records")
    assert Policy((shuffled,)).frame(DAY).sort_values("name").to_dict("records") == left
    assert Policy((shuffled,)).alert_rules(DAY, every=True) == as_shipped.alert_rules(DAY, every=True)


# ---- the page ------------------------------------------------------------------------------------------------------------------


def test_the_page_lists_every_code_and_unit():
    page = (DOCS / "policy.md").read_text(encoding="utf-8")
    for code, (zh, en) in CODES.items():
        assert f"| {code} | {zh} | {en} |" in page
    for unit, form in UNITS.items():
        assert f"| `{unit}` | {form.zh} | {form.en} |" in page


def test_the_example_of_the_page_can_be_used(tmp_path):
    page = (DOCS / "policy.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    name = yaml.safe_load(example)["name"]
    (tmp_path / f"{name}.yaml").write_text(example, encoding="utf-8")
    assert read_policy(name, tmp_path)[1] == []
