"""The command line: help from docstrings, promised exit codes, JSON that is only JSON, and never a traceback."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from returnrisk import cli
from returnrisk.demo import DemoResult

# The entry point reads sys.argv, as it does for people; Cyclopts suspects a mistake when it sees that under pytest.
pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens:UserWarning")
COMMANDS = {
    ("init",): cli.init,
    ("simulate",): cli.simulate,
    ("ingest",): cli.ingest,
    ("train",): cli.train,
    ("evaluate",): cli.evaluate,
    ("score",): cli.score,
    ("visits",): cli.visits,
    ("what-if",): cli.ask_what_if,
    ("report",): cli.report,
    ("run",): cli.run,
    ("models", "list"): cli.list_models,
    ("models", "promote"): cli.promote,
    ("models", "rollback"): cli.rollback,
    ("models", "recalibrate"): cli.recalibrate_model,
    ("backtest",): cli.backtest_models,
    ("tune",): cli.tune,
    ("benchmark", "eph"): cli.eph,
    ("demo",): cli.demo,
    ("policy", "show"): cli.show_policy,
    ("policy", "check"): cli.check_policy,
    ("policy", "account"): cli.show_account,
    ("screen",): cli.screen,
    ("export", "check"): cli.check_export,
    ("export", "fields"): cli.fields,
    ("audit", "leakage"): cli.check_leakage,
    ("audit", "stability"): cli.check_stability,
    ("audit", "verify"): cli.verify,
    ("audit", "reproduce"): cli.reproduce,
    ("audit", "drift"): cli.check_drift,
}
SCRIPT = Path(sys.executable).with_name("returnrisk")
SMALL_DAY = "2025-03-31"


@pytest.fixture(scope="module")
def project(demo: DemoResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy of the demo project that the commands of this file work on, one after the other."""
    return shutil.copytree(demo.folder, tmp_path_factory.mktemp("cli") / "county")


def script(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "200"} | environment,
        timeout=120,
        check=False,
    )


def flat(text: str) -> str:
    """Help as one line, without boxes: what it says, however it is broken."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def paragraphs(function: Callable[..., object]) -> tuple[str, list[str]]:
    """First paragraph of a docstring, and what it says of its parameters."""
    text = inspect.getdoc(function) or ""
    summary, _, parameters = text.partition("\n\nParameters\n")
    described = [line.strip() for line in parameters.splitlines() if line.startswith("    ")]
    return " ".join(summary.split()), described


# ---- help ----------------------------------------------------------------------------------------------------------------------


def test_every_promised_command_is_there():
    promised = [
        "init",
        "simulate",
        "ingest",
        "train",
        "evaluate",
        "score",
        "visits",
        "report",
        "run",
        "models",
        "tune",
        "backtest",
        "benchmark",
        "demo",
        "policy",
        "screen",
        "export",
        "audit",
        "what-if",
    ]
    assert {name for name in cli.app if not name.startswith("-")} == set(promised)
    assert {name[0] for name in COMMANDS} == set(promised)
    assert {name for name in cli.models_app if not name.startswith("-")} == {"list", "promote", "rollback", "recalibrate"}
    assert {name for name in cli.policy_app if not name.startswith("-")} == {"show", "check", "account"}
    assert {name for name in cli.audit_app if not name.startswith("-")} == {"leakage", "stability", "drift", "verify", "reproduce"}
    assert {name for name in cli.export_app if not name.startswith("-")} == {"check", "fields"}


@pytest.mark.parametrize("name", COMMANDS, ids=" ".join)
def test_help_is_the_docstring(returnrisk, name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = returnrisk(*name, "--help")
    summary, described = paragraphs(COMMANDS[name])
    assert shown.code == 0
    assert summary in flat(shown.out)
    for line in described:
        assert line.replace("`", "") in flat(shown.out)
    options = re.findall(r"--[a-z-]+", shown.out)
    if "--project" in options and name != ("init",):
        assert "项目文件夹" in shown.out
        assert "The project folder" in shown.out


def test_help_names_all_commands_in_both_languages(returnrisk):
    shown = returnrisk("--help")
    assert shown.code == 0
    assert "返贫风险" in shown.out
    assert "whom to visit first" in flat(shown.out)
    for name in COMMANDS:
        assert name[0] in shown.out


# ---- exit codes without a model ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("nosuch",),
        ("models", "nosuch"),
        ("train", "--nosuch"),
        ("score",),
        ("simulate",),
        ("score", "--as-of", "2025-13-40"),
        ("score", "--as-of", "yesterday"),
        ("demo", "--households", "many"),
        ("audit", "leakage"),
        ("audit", "stability"),
        ("models", "promote", "--version", "first"),
        ("benchmark", "eph"),
        ("benchmark", "eph", "--data", ".", "--train-until", "2010-Q4"),
        ("benchmark", "eph", "--data", ".", "--train-until", "2011Q1", "--test-from", "2011Q1"),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_a_reason(returnrisk, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = returnrisk(*arguments)
    assert ended.code == 2
    assert ended.err.strip()
    assert not list(tmp_path.iterdir())


WITHOUT_PROJECT = {("init",), ("simulate",), ("benchmark", "eph"), ("demo",), ("export", "check")}
"""They make one, or need none: shipped layouts may be checked anywhere."""


@pytest.mark.parametrize("name", [n for n in COMMANDS if n not in WITHOUT_PROJECT], ids=" ".join)
def test_where_there_is_no_project_every_command_ends_with_2_and_advice(returnrisk, name, tmp_path):
    dated = {"score", "visits", "report", "run", "show", "screen", "fields", "account", "what-if", "reproduce"}
    asked = [
        *(["fall-12m"] if name in (("audit", "leakage"), ("audit", "stability"), ("models", "recalibrate")) else []),
        *(["work_found"] if name == ("what-if",) else []),
        *(["--known-on", "2025-09-30"] if name[-1] == "recalibrate" else []),
        *(["H-0001"] if name[-1] == "account" else []),
        *(["--as-of", "2025-09-30"] if name[-1] in dated else []),
    ]
    ended = returnrisk(*name, *asked, "--project", tmp_path / "nowhere")
    assert ended.code == 2
    assert "returnrisk init" in ended.err
    assert "--project" in ended.err
    assert not (tmp_path / "nowhere").exists()


def test_init_makes_a_project_once(returnrisk, tmp_path):
    folder = tmp_path / "p"
    first = returnrisk("init", "--project", folder, "--county-zh", "测试县")
    assert first.code == 0
    assert "inbox/" in first.out
    before = (folder / "returnrisk.toml").read_bytes(), (folder / "pseudonym.key").read_bytes()
    second = returnrisk("init", "--project", folder)
    assert second.code == 2
    assert "exists already" in second.err
    assert ((folder / "returnrisk.toml").read_bytes(), (folder / "pseudonym.key").read_bytes()) == before
    assert before[1].decode() not in first.out + first.err + second.err


def test_an_empty_or_missing_inbox_ends_with_3(returnrisk, tmp_path):
    returnrisk("init", "--project", tmp_path / "p")
    for _ in range(2):
        ended = returnrisk("ingest", "--project", tmp_path / "p")
        assert ended.code == 3
        assert "inbox" in ended.err
        shutil.rmtree(tmp_path / "p" / "inbox", ignore_errors=True)


def test_a_missing_key_and_an_unreadable_file_end_with_3(returnrisk, small_copy):
    project = small_copy()
    (project.root / "inbox" / "收入台账_2024-05.csv").write_bytes(b"\xff\xfe\xff\xff\x81")
    unreadable = returnrisk("ingest", "--project", project.root)
    assert unreadable.code == 3
    assert "收入台账_2024-05.csv" in unreadable.err
    (project.root / "pseudonym.key").unlink()
    keyless = returnrisk("ingest", "--project", project.root)
    assert keyless.code == 3
    assert "pseudonym.key" in keyless.err


def test_simulate_and_ingest_account_for_rows(returnrisk, small, tmp_path):
    made = returnrisk("simulate", tmp_path / "files", "--households", 60, "--months", 3, "--seed", 4)
    assert made.code == 0
    n_files = len(list((tmp_path / "files").iterdir()))
    assert f"{n_files} files" in made.out
    # the small county is ingested already: again, with a cell that is no number
    folder = shutil.copytree(small.root, tmp_path / "p")
    ledger = next((folder / "inbox").glob("收入台账_2024-06*.csv"))
    raw = ledger.read_bytes()
    encoding = "utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "gb18030"
    lines = raw.decode(encoding).split("\r\n")
    number = re.search(r'"(\d+)",', lines[1].split(",", 2)[2] + ",")
    lines[1] = lines[1].replace(number[0], '"待核实",')
    ledger.write_bytes("\r\n".join(lines).encode(encoding))
    ended = returnrisk("ingest", "--project", folder, "--json")
    assert ended.code == 3
    assert ended.err == ""
    content = json.loads(ended.out)
    assert content["quarantined"] == sum(row["n_quarantined"] for row in content["table"]) > 0
    for row in content["table"]:
        assert row["n_input"] == row["n_accepted"] + row["n_duplicate"] + row["n_quarantined"]
    assert "待核实" not in ended.out


def test_without_a_model_lists_end_with_1_and_advice(returnrisk, small):
    for name in ("score", "visits", "report", "run"):
        ended = returnrisk(name, "--project", small.root, "--as-of", SMALL_DAY)
        assert ended.code == 1, name
        assert "returnrisk train" in ended.err
        assert "models promote" in ended.err
    listed = returnrisk("models", "list", "--project", small.root)
    assert listed.code == 0
    assert "Empty DataFrame" not in listed.out  # said in words
    assert json.loads(returnrisk("models", "list", "--project", small.root, "--json").out)["table"] == []
    assert returnrisk("models", "promote", "--project", small.root).code in {1, 2}


def test_a_model_is_not_recalibrated_before_anything_new_has_closed(returnrisk, demo):
    ended = returnrisk("models", "recalibrate", "fall-12m@champion", "--known-on", demo.as_of, "--project", demo.folder)
    assert ended.code == 3
    assert "fall-12m/1: too little has closed" in ended.err
    ended = returnrisk("models", "recalibrate", "fall-12m@nobody", "--known-on", demo.as_of, "--project", demo.folder)
    assert ended.code == 1
    assert "champion" in ended.err


def test_too_little_history_ends_with_3(returnrisk, small):
    ended = returnrisk("train", "--project", small.root)
    assert ended.code == 3
    assert "history" in ended.err
    for name in ("score", "run"):
        assert returnrisk(name, "--project", small.root, "--as-of", "1999-12-31").code in {1, 3}


def test_benchmark_without_its_folder_ends_with_3(returnrisk, tmp_path):
    ended = returnrisk("benchmark", "eph", "--data", tmp_path / "nowhere")
    assert ended.code == 3
    assert "nowhere" in ended.err


def test_demo_refuses_a_folder_that_is_not_its_own(returnrisk, tmp_path):
    (tmp_path / "keep.txt").write_text("mine", encoding="utf-8")
    ended = returnrisk("demo", "--out", tmp_path, "--households", 50)
    assert ended.code == 2
    assert "not an earlier demo" in ended.err
    assert (tmp_path / "keep.txt").read_text(encoding="utf-8") == "mine"


# ---- the whole round with a model ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_round_gives_json_and_nothing_but_json(returnrisk, demo, project):
    at = ("--project", project, "--as-of", demo.as_of)
    trained = returnrisk("train", *at, "--json")
    assert (trained.code, trained.err) == (0, "")
    content = json.loads(trained.out)
    assert content["model"] == "fall-12m/1"
    assert content["fingerprint"] == demo.training.bundle.fingerprint
    assert (project / content["bundle"] / "manifest.json").is_file()
    assert {"n", "events", "base_rate"} <= content["table"][0].keys()
    evaluated = returnrisk("evaluate", "--project", project, "--json")
    assert (evaluated.code, evaluated.err) == (0, "")
    assert json.loads(evaluated.out)["table"] == content["table"]
    listed = json.loads(returnrisk("models", "list", "--project", project, "--json").out)["table"]
    assert [(row["name"], row["version"], row["aliases"]) for row in listed] == [("fall-12m", 1, "candidate, champion")]
    promoted = json.loads(returnrisk("models", "promote", "--project", project, "--version", 1, "--json").out)
    assert promoted == {"champion": "fall-12m/1", "fingerprint": demo.training.bundle.fingerprint}
    nothing_before = returnrisk("models", "rollback", "--project", project)
    assert nothing_before.code == 1
    assert "nothing to roll back to" in flat(nothing_before.err)
    results = {}
    for name in ("score", "visits", "report"):
        ended = returnrisk(name, *at, "--json")
        assert (ended.code, ended.err) == (0, ""), name
        results[name] = json.loads(ended.out)
    assert sum(row["households"] for row in results["score"]["table"]) == len(demo.run.scores.frame())
    assert results["visits"]["listed"] == len(demo.run.frame())
    assert len(results["visits"]["workbooks"]) == len(demo.run.visits.workbooks)
    assert Path(results["report"]["report"]).read_bytes() == demo.run.report.read_bytes()


def test_people_read_figures_with_their_intervals(returnrisk, demo, project):
    for arguments in (("evaluate",), ("train", "--as-of", demo.as_of)):
        shown = returnrisk(*arguments, "--project", project)
        assert shown.code == 0
        assert "nan" not in shown.out.lower()
        header, *lines = shown.out.splitlines()
        assert {"metric", "model", "logistic", "income", "alerts", "random", "n", "events", "base_rate"} <= set(header.split())
        auc = next(line for line in lines if line.split()[:2] == ["all", "auc"])
        assert len(re.findall(r"0\.\d{3} \(0\.\d{3}–[01]\.\d{3}\)", auc)) == 5
        (missed,) = (i for i, line in enumerate(lines) if line.startswith("谁被漏掉得更多 who is missed more: "))
        assert re.search(r"on the list \d+\.\d% \(.*–.*\), [+-]\d+\.\d pp \(.*\), n \d+, fell \d+$", lines[missed + 1])


def test_the_monthly_job_run_inside_the_folder(returnrisk, demo, project, monkeypatch):
    monkeypatch.chdir(project)
    ended = returnrisk("run", "--as-of", demo.as_of, "--json")
    assert (ended.code, ended.err) == (0, "")
    content = json.loads(ended.out)
    assert content["model"] == "fall-12m/1"
    assert content["listed"] == len(demo.run.frame())
    assert (project / content["lists"]).is_dir()
    assert (project / content["report"]).is_file()
    trained = json.loads(returnrisk("train", "--as-of", demo.as_of, "--json").out)
    assert trained["bundle"] == f"models/exported/{demo.training.bundle.path.name}"


def test_what_does_not_exist_is_named_with_what_does(returnrisk, demo, project):
    for arguments in (
        ("models", "promote", "--version", 99),
        ("evaluate", "--model", "champoin"),
        ("score", "--as-of", demo.as_of, "--model", "99"),
    ):
        ended = returnrisk(*arguments, "--project", project)
        assert ended.code in {1, 2}
        assert "champion" in ended.err


def test_a_damaged_bundle_ends_with_1(returnrisk, demo, tmp_path):
    folder = shutil.copytree(demo.folder, tmp_path / "p")
    booster = folder / "models" / "exported" / demo.training.bundle.path.name / "booster.txt"
    booster.write_text("tree\n", encoding="utf-8")
    ended = returnrisk("score", "--project", folder, "--as-of", demo.as_of)
    assert ended.code == 1
    assert "booster.txt" in ended.err
    booster.parent.joinpath("manifest.json").unlink()
    assert returnrisk("evaluate", "--project", folder).code == 1


def test_a_damaged_store_ends_with_3_and_a_damaged_catalogue_with_1(returnrisk, demo, tmp_path):
    folder = shutil.copytree(demo.folder, tmp_path / "p")
    (folder / "mlruns" / "mlflow.db").write_bytes(b"not a database, but long enough to be read as one" * 100)
    ended = returnrisk("models", "list", "--project", folder)
    assert ended.code == 1
    assert "mlflow.db" in ended.err
    income = next((folder / "store" / "income").glob("*.parquet"))
    income.write_bytes(b"PAR1")
    ended = returnrisk("train", "--project", folder)
    assert ended.code == 3
    assert "returnrisk ingest" in ended.err


def test_no_stream_shows_who_somebody_is(returnrisk, demo, project):
    """Names, telephones, natural numbers of the inbox in nothing the commands print."""
    from python_calamine import CalamineWorkbook

    rows = CalamineWorkbook.from_path(str(project / "inbox" / "户主联系信息.xlsx")).get_sheet_by_index(0).to_python()[1:]
    people = CalamineWorkbook.from_path(str(project / "inbox" / "家庭成员关系.xlsx")).get_sheet_by_index(0).to_python()[1:]
    secrets = {str(cell) for row in rows for cell in row[:4]} | {str(row[0]) for row in people}
    assert len(secrets) > 3000
    streams = demo.text()
    at = ("--project", project, "--as-of", demo.as_of)
    for command in (("score", *at), ("visits", *at), ("evaluate", "--project", project), ("models", "list", "--project", project)):
        ended = returnrisk(*command)
        streams += ended.out + ended.err
    assert len(streams) > 1000
    assert not [secret for secret in secrets if secret in streams]


# ---- the installed script ------------------------------------------------------------------------------------------------------


def test_the_script_ends_with_the_same_codes(tmp_path):
    version = script("--version", cwd=tmp_path)
    assert (version.returncode, version.stderr) == (0, "")
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", version.stdout)
    unknown = script("trian", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "train" in unknown.stderr
    missing = script("ingest", cwd=tmp_path)
    assert missing.returncode == 2
    assert missing.stdout == ""
    assert missing.stderr.strip().startswith("错误 / error: no returnrisk.toml")
    assert script("init", "--project", "p", cwd=tmp_path).returncode == 0
    assert script("ingest", "--project", "p", cwd=tmp_path).returncode == 3


def test_a_chinese_windows_console_can_show_it(tmp_path):
    shown = script("init", "--project", "p", cwd=tmp_path, PYTHONIOENCODING="gbk")
    assert shown.returncode == 0
    assert "把各部门文件放入" in shown.stdout
    helped = script("train", "--help", cwd=tmp_path, PYTHONIOENCODING="gbk")
    assert helped.returncode == 0
    assert "项目文件夹" in helped.stdout


@pytest.mark.slow
def test_an_outcome_that_cannot_be_compared_does_not_keep_the_others_from_it(returnrisk, demo, tmp_path):
    folder = shutil.copytree(demo.folder, tmp_path / "p")
    own = (folder / "models" / "fall-12m.toml").read_text(encoding="utf-8")
    longer = folder / "models" / "fall-60m.toml"
    longer.write_text(
        own.replace('"fall-12m"', '"fall-60m"').replace("horizon_months = 12", "horizon_months = 60"), encoding="utf-8"
    )
    ended = returnrisk("backtest", longer, folder / "models" / "fall-12m.toml", "--project", folder, "--origins", 1, "--step", 5)
    assert ended.code == 3
    assert "fall-60m: " in ended.err
    assert "fall-12m" in ended.out
    assert "income" in ended.out
    assert (folder / "outputs" / str(demo.as_of) / "backtest" / "fall-12m" / "comparison.csv").is_file()
    assert not (folder / "outputs" / str(demo.as_of) / "backtest" / "fall-60m").exists()
    ended = returnrisk("backtest", longer, "fall-12m", "--project", folder, "--origins", 1, "--step", 5, "--json")
    assert ended.code == 3
    told = json.loads(ended.out)
    assert len(told["backtests"]) == len(told["refused"]) == 1
