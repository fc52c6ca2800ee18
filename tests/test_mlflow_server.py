"""The catalogue on a real `mlflow server`, started here on the loopback: promoters at once, one of them wins and the others are told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from returnrisk.errors import RegistryError
from returnrisk.registry import Bundle, BundleContent, Catalogue, write_bundle
from returnrisk.registry import catalogue as catalogue_module
from tests.test_registry import content, other

__all__ = ["content"]  # a fixture
pytestmark = pytest.mark.slow  # a server takes half a minute to come up
PROMOTE = """
    import sys
    from pathlib import Path
    from returnrisk.errors import RegistryError
    from returnrisk.registry import Catalogue
    mlruns, uri, version, expected = sys.argv[1:]
    try:
        Catalogue(Path(mlruns), uri or None).promote("fall-12m", version=int(version), expected_champion=int(expected))
    except RegistryError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server of its own; gone with the tests."""
    home = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    arguments += ["--backend-store-uri", f"sqlite:///{home / 'server.db'}", "--artifacts-destination", str(home / "artifacts")]
    with (home / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *arguments], stdout=log, stderr=log, cwd=home, start_new_session=True
        )
        try:
            yield _awaited(f"http://127.0.0.1:{port}", process, home / "log.txt")
        finally:
            os.killpg(process.pid, 15)
            process.wait(30)


def _awaited(address: str, process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(240):
        assert process.poll() is None, log.read_text(encoding="utf-8")[-2000:]
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:  # noqa: S310 (our own server)
                if answer.status == 200:
                    return address
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text(encoding="utf-8")[-2000:])


@pytest.fixture
def registered(server: str, content: BundleContent, tmp_path: Path) -> tuple[Catalogue, list[int]]:
    """A catalogue of this folder on the server, and six more versions registered from it."""
    mine = Catalogue(tmp_path / "here" / "mlruns", server)
    versions = []
    for number in range(6):
        bundle: Bundle = write_bundle(other(content, int.from_bytes(os.urandom(4)) * 10 + number), folder=tmp_path / "exported")
        where = f"models/exported/{bundle.path.name}"
        versions.append(mine.log_training(bundle, metrics={"auc": 0.8}, params={}, tags={}, bundle_location=where).version)
    return mine, versions


def champion_of(catalogue: Catalogue) -> int:
    return catalogue.resolve("fall-12m", "champion").version


def promoting(mlruns: Path, address: str, version: int, expected: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROMOTE), str(mlruns), address, str(version), str(expected)],
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_server_holds_versions_aliases_and_the_model_itself(registered, tmp_path):
    mine, versions = registered
    mine.promote("fall-12m", version=versions[0], tags={"approved_by": "chief"})
    mine.promote("fall-12m", version=versions[1])
    elsewhere = Catalogue(tmp_path / "elsewhere" / "mlruns", mine.tracking_uri)
    assert champion_of(elsewhere) == versions[1], "another folder sees the same champion"
    assert elsewhere.rollback("fall-12m").version == versions[0]
    assert champion_of(mine) == versions[0]
    assert not (tmp_path / "here" / "mlruns" / "mlflow.db").exists(), "nothing is registered in the folder itself"


def test_promoters_of_one_folder_are_let_through_one_by_one_and_only_the_first_was_judged_right(registered, tmp_path):
    mine, versions = registered
    mine.promote("fall-12m", version=versions[0])
    racers = [promoting(tmp_path / "here" / "mlruns", mine.tracking_uri, v, versions[0]) for v in versions[1:5]]
    said = [racer.communicate(timeout=180)[1] for racer in racers]
    codes = [racer.returncode for racer in racers]
    assert sorted(codes) == [0, 1, 1, 1], said
    winner = versions[1:5][codes.index(0)]
    assert champion_of(mine) == winner
    assert all("somebody promoted meanwhile" in text for text, code in zip(said, codes, strict=True) if code)
    assert mine.resolve("fall-12m", "previous").version == versions[0]


def test_promoters_of_different_folders_may_race_and_none_loses_in_silence(registered, tmp_path):
    """No lock is shared and the server takes whoever writes last: whoever ended well must have seen itself as champion."""
    mine, versions = registered
    mine.promote("fall-12m", version=versions[0])
    racers = [promoting(tmp_path / f"folder{v}" / "mlruns", mine.tracking_uri, v, versions[0]) for v in versions[1:4]]
    said = [racer.communicate(timeout=180)[1] for racer in racers]
    codes = [racer.returncode for racer in racers]
    assert champion_of(mine) in versions[1:4]
    assert 0 in codes, said
    lost = [text for text, code in zip(said, codes, strict=True) if code]
    assert all("somebody promoted meanwhile" in text or "came at the same moment" in text for text in lost)


def test_a_lost_race_is_reported(registered, tmp_path, monkeypatch):
    """Between our writing of the alias and reading it back another folder promotes: the moment a server cannot guard."""
    mine, versions = registered
    mine.promote("fall-12m", version=versions[0])
    rival = Catalogue(tmp_path / "rival" / "mlruns", mine.tracking_uri)
    read_back = catalogue_module._read_back
    answered = []

    def rival_first(*arguments):
        if not answered:
            answered.append(True)
            rival.promote("fall-12m", version=versions[2])
        return read_back(*arguments)

    monkeypatch.setattr(catalogue_module, "_read_back", rival_first)
    with pytest.raises(RegistryError, match=f"{versions[1]} was made champion, but fall-12m/{versions[2]} is"):
        mine.promote("fall-12m", version=versions[1])
    assert champion_of(mine) == versions[2]


def test_a_server_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match="the server of tracking_uri answers") as refused:
        Catalogue(tmp_path / "mlruns", "http://reader:secret@127.0.0.1:9").versions()
    assert "secret" not in str(refused.value)
