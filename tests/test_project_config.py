"""`returnrisk.toml`: what a county may set, and what is said of a value that cannot be."""

from __future__ import annotations

import dataclasses
import datetime as dt
import tomllib
from pathlib import Path

import pytest

from returnrisk.config import HalfDeliverySpec, ProjectConfig, load_model_spec, load_project_config
from returnrisk.errors import ConfigError, UnknownNameError
from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.project import init_project, open_project
from returnrisk.project_texts import CONFIG_TEMPLATE


@pytest.fixture
def config(tmp_path: Path):
    def load(text: str) -> ProjectConfig:
        file = tmp_path / "returnrisk.toml"
        file.write_text(f"schema = 1\n{text}", encoding="utf-8")
        return load_project_config(file)

    return load


def test_half_deliveries_are_judged_as_the_county_sets(config):
    assert config("").half_delivery == HalfDeliverySpec({"income": 0.5}, months=12, min_earlier=3, min_usual=20)
    found = config("[half_delivery]\nshares = { income = 0.8 }\nmonths = 6\nmin_earlier = 2\nmin_usual = 5\n")
    assert found.half_delivery == HalfDeliverySpec({"income": 0.8}, months=6, min_earlier=2, min_usual=5)
    assert config("[half_delivery]\nshares = {}\n").half_delivery.shares == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("shares = { income = 0 }", "half_delivery.shares.income is 0; expected 0.01 to 1"),
        ("shares = { income = 50 }", "half_delivery.shares.income is 50; expected 0.01 to 1"),
        ('shares = { income = "0.5" }', "half_delivery.shares.income is '0.5'; expected float"),
        ("shares = 0.5", "half_delivery.shares is 0.5; expected Mapping"),
        ("months = 0", "half_delivery.months is 0; expected 1 to 60"),
        ("months = 12.5", "half_delivery.months is 12.5; expected int"),
        ("months = 2", "half_delivery.min_earlier is 3; expected 1 to 2"),
        ("min_usual = 0", "half_delivery.min_usual is 0; expected 1 to 1000000"),
    ],
)
def test_values_that_cannot_be_are_refused_by_file_and_key(config, line, said):
    with pytest.raises(ConfigError) as caught:
        config(f"[half_delivery]\n{line}\n")
    assert str(caught.value).startswith(f"returnrisk.toml.{said}")


def test_delays_are_numbers_of_days(config):
    assert config("[delay_days]\nincome = 30\n").delay_days == {"income": 30}
    with pytest.raises(ConfigError, match=r"returnrisk\.toml\.delay_days\.income is '30'; expected int"):
        config('[delay_days]\nincome = "30"\n')


@pytest.mark.parametrize(
    ("table", "error", "said"),
    [
        ("incme", UnknownNameError, "table in half_delivery.shares of returnrisk.toml 'incme'; did you mean 'income'"),
        ("loan", ConfigError, "half_delivery.shares of returnrisk.toml names loan, which has no period_end, period_start"),
    ],
)
def test_only_tables_with_rows_of_a_household_and_period_can_be_half_delivered(tmp_path, table, error, said):
    with pytest.raises(error, match=said):
        ingest_inbox(tmp_path, tmp_path / "store", key=b"k", half_delivery=HalfDeliverySpec({table: 0.5}))


def test_a_project_hands_its_settings_to_the_reader(tmp_path, monkeypatch):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "pseudonym.key").write_bytes(b"0" * 64)
    (tmp_path / "returnrisk.toml").write_text("schema = 1\n[half_delivery]\nshares = { incme = 0.5 }\n", encoding="utf-8")
    with pytest.raises(UnknownNameError, match=r"half_delivery\.shares"):
        open_project(tmp_path).ingest()


def test_what_a_new_project_s_file_shows_as_a_comment_is_what_holds_without_it(config):
    shown = CONFIG_TEMPLATE.format(county_zh='""', county_en='""', synthetic="false")
    start = shown.index("# [half_delivery]")
    lines = [line.removeprefix("# ") for line in shown[start:].split("\n\n")[0].splitlines()]
    assert HalfDeliverySpec(**tomllib.loads("\n".join(lines))["half_delivery"]) == HalfDeliverySpec()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("entry-12m", "entry"), ("relapse-12m", "relapse"), ("hardship-12m", "hardship")],
)
def test_a_project_may_predict_another_outcome_and_makes_no_list_of_it(tmp_path, name, kind):
    """As `fall-12m` in everything but what is predicted."""
    project = init_project(tmp_path / "county")
    file = project.root / "returnrisk.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('"fall-12m"', f'"{name}"'), encoding="utf-8")
    spec, fall = open_project(project.root).spec, load_model_spec("fall-12m")
    assert (spec.name, spec.outcome.kind) == (name, kind)
    assert dataclasses.replace(spec.outcome, kind="fall", rule="first") == fall.outcome
    assert dataclasses.replace(spec, name=fall.name, title_zh=fall.title_zh, title_en=fall.title_en, outcome=fall.outcome) == fall
    with pytest.raises(ConfigError, match=f"predicts {kind}; visit lists are made with a specification of kind fall"):
        open_project(project.root).score(as_of=dt.date(2024, 6, 30))
