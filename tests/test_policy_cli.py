"""`returnrisk policy`: what is shown, what is explained, and how a wrong pack ends."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from returnrisk import cli
from returnrisk.project import init_project

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens:UserWarning")
Ended = tuple[int, str, str]
OWN = """schema: 1
name: jia
title: {zh: 甲县, en: Jia}
parent: gansu-style
parameters:
  dibao_line:
    kind: rule
    reference: {document: 甲县2024年标准}
    values: {2024-01-01: {value: 5600, until: 2024-12-31}}
"""


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["returnrisk", "policy", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "400")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        streams = capsys.readouterr()
        assert "Traceback" not in streams.out + streams.err
        return int(ended.value.code or 0), streams.out, streams.err

    return call


@pytest.fixture
def county(tmp_path: Path) -> Path:
    """A project whose configuration names a pack of its own."""
    root = init_project(tmp_path / "county").root
    config = root / "returnrisk.toml"
    config.write_text(config.read_text(encoding="utf-8").replace('pack = "national"', 'pack = "jia"'), encoding="utf-8")
    (root / "policy").mkdir()
    (root / "policy" / "jia.yaml").write_text(OWN, encoding="utf-8")
    return root


def test_a_new_project_works_under_the_national_pack(policy, tmp_path):
    root = init_project(tmp_path / "p").root
    code, out, _ = policy("show", "--as-of", "2024-07-01", "--project", root, "--json")
    assert code == 0
    assert json.loads(out)["chain"] == ["national"]


def test_show_names_value_pack_and_document_of_everything(policy, county, monkeypatch):
    code, out, err = policy("show", "--as-of", "2024-07-01", "--project", county, "--json")
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert content["chain"] == ["jia", "gansu-style", "national"]
    assert content["areas"] == {"jia": [], "gansu-style": ["62"], "national": []}
    rows = {row["name"]: row for row in content["table"]}
    assert (rows["dibao_line"]["value"], rows["dibao_line"]["pack"], rows["dibao_line"]["document"]) == (
        "5600",
        "jia",
        "甲县2024年标准",
    )
    assert rows["dibao_margin_line"]["value"] == "8400.00"
    assert rows["income_window"]["value"] == "income_year"
    assert {row["name"] for row in content["alerts"] if row["on"]} >= {"water_missing", "self_paid_over_half"}
    code, out, _ = policy("show", "--as-of", "2024-07-01", "--project", county)
    assert code == 0
    for row in rows.values():
        assert row["name"] in out
        assert row["label_zh"] in out.replace("\n", "")
    assert "甲县2024年标准" in out
    assert "gansu-style: 区划代码以 62 开头 for division codes beginning so · national: 各地 anywhere" in out
    assert "自付医疗费" in out
    monkeypatch.setattr("rich.console.Console.width", 80)
    assert "…" not in policy("show", "--as-of", "2024-07-01", "--project", county)[1]


def test_explain_gives_every_step(policy, county):
    code, out, _ = policy("show", "--as-of", "2025-07-01", "--project", county, "--explain", "dibao_margin_line")
    assert code == 0
    assert out.splitlines()[1].endswith(
        "县市工作方案（甘肃） 低保标准1.5倍以下 · gansu-style: 区划代码以 62 开头 for division codes beginning so"
    )
    assert out.splitlines()[2:] == [
        "  dibao_margin_line = 1.5 × dibao_line = 8700.00 [gansu-style, 2020-01-01]",
        "  dibao_line: jia 在 2025-07-01 无生效值 / has no value in force on 2025-07-01",
        "  dibao_line = 5800 [national, 2025-01-01]",
    ]
    code, out, _ = policy("show", "--as-of", "2024-07-01", "--project", county, "--explain", "dibao_line", "--json")
    assert json.loads(out)["reference"] == "甲县2024年标准"
    code, _, err = policy("show", "--as-of", "2024-07-01", "--project", county, "--explain", "dibao")
    assert code == 2
    assert "POL005" in err
    code, _, err = policy("show", "--as-of", "2019-07-01", "--project", county, "--explain", "dibao_line")
    assert code == 2
    assert "POL006" in err


def test_check_of_good_and_bad_packs(policy, county, tmp_path):
    code, out, _ = policy("check", "--project", county)
    assert code == 0
    assert "jia → gansu-style → national" in out
    bad = county / "policy" / "yi.yaml"
    bad.write_text(OWN.replace("name: jia", "name: yi").replace("5600", "many"), encoding="utf-8")
    code, out, _ = policy("check", "--project", county)
    assert code == 3
    assert "POL009 yi, dibao_line.2024-01-01" in out
    code, out, _ = policy("check", bad, "--json")
    assert code == 3
    assert json.loads(out)["problems"] == 1
    code, _, err = policy("show", "--as-of", "2024-07-01", "--pack", "yi", "--project", county)
    assert code == 2
    assert "POL009" in err
    bad.write_text("a: 1\na: 2\n", encoding="utf-8")
    code, out, _ = policy("check", "yi", "--project", county)
    assert code == 3
    assert "POL001 yi" in out
    bad.write_text(OWN.replace("name: jia", "name: yi").replace("gansu-style", "gansu"), encoding="utf-8")
    assert policy("check", "yi", "--project", county)[0] == 3
    assert policy("check", "bing", "--project", county)[0] == 2
    assert policy("check", tmp_path / "nowhere.yaml")[0] == 2


def test_shipped_packs_need_no_project(policy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert policy("check", "guangxi-style")[0] == 0
    assert policy("show", "--as-of", dt.date(2024, 7, 1), "--pack", "guangxi-style")[0] == 0
    assert not list(tmp_path.iterdir())
