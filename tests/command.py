"""The command line in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from returnrisk import cli


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Command = Callable[..., Ended]


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Call the entry point with arguments: exit code and both streams; a traceback is never what a user sees."""

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["returnrisk", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        streams = capsys.readouterr()
        assert "Traceback" not in streams.out + streams.err
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0 if code is None else 1, streams.out, streams.err)

    return call
