"""The package as it is installed and committed: light to import, complete in its wheel, free of machine paths and package hosts."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import returnrisk
from returnrisk import errors

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {
    "numpy",
    "pandas",
    "pyarrow",
    "ibis",
    "duckdb",
    "lightgbm",
    "sklearn",
    "mlflow",
    "altair",
    "scipy",
    "statsmodels",
    "xlsxwriter",
    "shap",
    "rich",
    "cyclopts",
}
PIN = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)


def python(code: str, *, cwd: Path, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


# ---- import --------------------------------------------------------------------------------------------------------------------


def test_importing_loads_nothing_heavy_and_changes_nothing(tmp_path):
    code = (
        "import os, sys, json, logging; before = dict(os.environ), list(logging.getLogger().handlers)\n"
        "import returnrisk; dir(returnrisk)\n"
        "assert (dict(os.environ), list(logging.getLogger().handlers)) == before\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    assert not HEAVY & set(json.loads(python(code, cwd=tmp_path)))
    assert not list(tmp_path.iterdir())


def test_the_command_line_loads_nothing_heavy_before_it_is_asked_to(tmp_path):
    code = "import sys, json, returnrisk.cli; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    assert not (HEAVY - {"rich", "cyclopts"}) & set(json.loads(python(code, cwd=tmp_path)))


def test_public_names():
    assert returnrisk.__all__ == ["Project", "init_project", "open_project"]
    assert dir(returnrisk) == sorted(returnrisk.__all__)
    from returnrisk import project

    for name in returnrisk.__all__:
        assert getattr(returnrisk, name) is getattr(project, name)
        assert inspect.getdoc(getattr(returnrisk, name))
    with pytest.raises(AttributeError, match="train_model"):
        returnrisk.train_model  # noqa: B018 (the look-up is the test)


# ---- the tree of errors --------------------------------------------------------------------------------------------------------


def drawn_tree() -> dict[str, tuple[str, int]]:
    """Class, its parent and its exit code, as the docstring of `errors` draws them."""
    drawn: dict[str, tuple[str, int]] = {}
    path: list[tuple[int, str, int]] = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"^(?P<indent>[\s│├└─]*)(?P<name>[A-Z]\w*(?:Error|Violation))\b\s*(?P<code>\d)?", line)
        if not found:
            continue
        depth = len(found["indent"])
        path = [step for step in path if step[0] < depth]
        code = int(found["code"]) if found["code"] else path[-1][2]
        drawn[found["name"]] = (path[-1][1] if path else "Exception", code)
        path.append((depth, found["name"], code))
    return drawn


def test_the_error_tree_is_the_one_drawn():
    classes = {n: c for n, c in vars(errors).items() if inspect.isclass(c) and issubclass(c, Exception)}
    assert drawn_tree() == {name: (c.__base__.__name__, c.exit_code) for name, c in classes.items()}
    assert {c.exit_code for c in classes.values()} == {1, 2, 3, 4}


# ---- the wheel -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the checkout in which somebody has trained a model and kept a project."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("src", "data_contracts", "models"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "exported"))
    for name in ("pyproject.toml", "README.md", ".gitignore"):
        shutil.copy(ROOT / name, copy / name)
    private = copy / "models" / "exported" / "fall-12m-000000000000"
    private.mkdir(parents=True)
    (private / "card.json").write_text("{}", encoding="utf-8")
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=copy,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*command, "--target", str(target), str(wheel)], cwd=target, check=True, capture_output=True, timeout=120)
    return target


def test_the_wheel_carries_all_it_needs_and_nobodys_models(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {"returnrisk/py.typed", "returnrisk/simulate/parameters.toml", "returnrisk/reports/texts.toml"}
    wanted |= {
        f"returnrisk/_data/data_contracts/{p.relative_to(ROOT / 'data_contracts').as_posix()}"
        for p in (ROOT / "data_contracts").rglob("*.yaml")
    }
    wanted |= {f"returnrisk/_data/models/{p.name}" for p in (ROOT / "models").glob("*.toml")}
    wanted |= {
        f"returnrisk/reports/templates/{p.name}" for p in (ROOT / "src/returnrisk/reports/templates").iterdir() if p.is_file()
    }
    wanted |= {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src").rglob("*.py")}
    assert len(wanted) > 100
    assert wanted <= names
    strange = {n for n in names - wanted if ".dist-info/" not in n}
    assert not {n for n in strange if "exported" in n or n.endswith((".pyc", ".parquet", ".db", ".key"))}
    assert {n.split("/")[0] for n in names} == {"returnrisk", next(n for n in names if ".dist-info/" in n).split("/")[0]}


def test_the_wheel_needs_what_the_project_says(wheel):
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read(next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))).decode()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {
        re.split(r"[\[<>=!~; ]", line.removeprefix("Requires-Dist: "))[0]
        for line in metadata.splitlines()
        if line.startswith("Requires-Dist: ") and "extra ==" not in line
    }
    assert needed == {re.split(r"[\[<>=!~; ]", d)[0] for d in project["dependencies"]}
    assert f"\nVersion: {project['version']}\n" in metadata
    entry_points = archive.read(next(n for n in archive.namelist() if n.endswith("entry_points.txt"))).decode()
    assert "returnrisk = returnrisk.cli:main" in entry_points


def test_an_installed_package_works_outside_the_checkout(installed, tmp_path):
    code = """
import datetime as dt, json, sys
from pathlib import Path
import returnrisk
from returnrisk.config import load_model_spec, model_spec_names
from returnrisk.contracts import load_contracts
from returnrisk.ingest.eph_mapping import load_eph_mapping
from returnrisk.reports.texts import text
from returnrisk.resources import data_folder
from returnrisk.simulate import simulate_county, write_inbox
import jinja2
template = jinja2.PackageLoader("returnrisk.reports", "templates").get_source(jinja2.Environment(), "report.html.j2")[0]
project = returnrisk.init_project(Path("county"), county_zh="甲县")
write_inbox(simulate_county(n_households=60, months=15, start=dt.date(2024, 1, 1), seed=3), project.root / "inbox")
ingested = project.ingest()
snapshot = returnrisk.open_project("county").snapshot(dt.date(2025, 3, 31))
load_eph_mapping()
print(json.dumps({
    "home": returnrisk.__file__,
    "data": [str(data_folder("data_contracts")), str(data_folder("models"))],
    "contracts": sorted(load_contracts()),
    "specs": model_spec_names(),
    "loaded": [load_model_spec(n).name for n in model_spec_names()],
    "text": text("workbook.title", township="河口镇").zh,
    "template": len(template),
    "households": len(snapshot.frame()),
    "rows": int(ingested.report.frame()["n_input"].sum()),
    "outside": sorted(p for p in sys.path if p and Path(p, "returnrisk").is_dir())[:1],
}))
"""
    found = json.loads(python(code, cwd=tmp_path, PYTHONPATH=str(installed)).splitlines()[-1])
    home = installed / "returnrisk"
    assert Path(found["home"]).parent == home
    assert [Path(p) for p in found["data"]] == [home / "_data" / "data_contracts", home / "_data" / "models"]
    assert found["contracts"] == sorted(p.stem for p in (ROOT / "data_contracts").glob("*.yaml"))
    assert found["specs"] == found["loaded"] == sorted(p.stem for p in (ROOT / "models").glob("*.toml"))
    assert "河口镇" in found["text"]
    assert found["template"] > 500
    assert found["households"] > 50
    assert found["rows"] > 500
    assert sorted(p.name for p in tmp_path.iterdir()) == ["county"]


# ---- what is committed ---------------------------------------------------------------------------------------------------------


def committed() -> list[Path]:
    """Files that are tracked, or would be by `git add .`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [p for name in listed.stdout.decode().split("\0") if name and (p := ROOT / name).is_file()]


def test_no_committed_file_names_a_machine_path_or_a_package_host():
    machine = re.compile(r"(?:^|[^\w.~-])/(?:work|root|home/[a-z]\w+|Users/\w+)/|[A-Z]:\\\\?Users\\", re.MULTILINE)
    host = re.compile(
        r"(?<!no-emit-)(?:extra-)?index-url\b|--find-links\b|https?://[^\s\"'<>)]*(?:pypi|pythonhosted|conda\.anaconda|/simple\b)",
        re.IGNORECASE,
    )
    assert machine.search("see /" + "root/x")
    assert host.search("https://" + "pypi.org/simple")
    files = committed()
    assert len(files) > 100
    found = []
    for path in files:
        if path == Path(__file__).resolve():
            continue
        try:
            content = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a binary file: none is expected, see below
        found += [f"{path.relative_to(ROOT)}: {m[0]!r}" for pattern in (machine, host) for m in pattern.finditer(content)]
    assert found == []


def test_nothing_private_or_binary_is_committed():
    names = [p.relative_to(ROOT).as_posix() for p in committed()]
    assert not [n for n in names if n.endswith((".parquet", ".db", ".key", ".pyc", ".xlsx", ".duckdb", ".whl", ".pkl"))]
    assert not [n for n in names if n.startswith(("mlruns/", "models/exported/")) and not n.endswith("README.md")]
    assert not [n for n in names if "eph" in n and n.endswith((".gz", ".tsv", ".txt"))]


@pytest.mark.parametrize("lock", ["requirements.lock", "tests/requirements.lock"])
def test_every_pin_has_a_hash(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", "\n" + text.split("\n", 1)[1] if text.startswith("#") else "\n" + text)
    pins = [e.strip() for e in entries if e.strip() and not e.strip().startswith("#")]
    assert len(pins) > 50
    for pin in pins:
        assert PIN.match(pin), pin.splitlines()[0]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", pin), pin.splitlines()[0]
    assert not re.search(r"https?://|file:", text)


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_locks_agree_and_hold_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    run, test = (
        {normalised(m["name"]): m["version"] for m in PIN.finditer((ROOT / name).read_text(encoding="utf-8"))}
        for name in ("requirements.lock", "tests/requirements.lock")
    )
    extras = project["optional-dependencies"]
    wanted = {normalised(re.split(r"[\[<>=!~; ]", d)[0]) for d in project["dependencies"] + extras["build"]}
    assert wanted <= set(run)
    asked = {normalised(re.split(r"[\[<>=!~; ]", d)[0]) for d in extras["test"] + extras["notebook"]} - {"returnrisk"}
    assert wanted | asked <= set(test)
    assert {name: test[name] for name in run} == run
