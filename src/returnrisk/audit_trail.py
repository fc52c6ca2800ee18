"""The audit trail: one line for every run, list, training, promotion and override, each chained to the line before it.

    audit/trail.jsonl   one JSON object a line: n, at (UTC), by, event, facts, before (hash of the line before), hash
    audit/head.json     number and hash of the last whole line: a trail that ends before it has lost lines

A line's hash is the SHA-256 of its content, the hash before it included: a line that is changed, left out or moved breaks the chain.
Who may write the folder may write a whole new trail; note the head elsewhere (`returnrisk audit verify` prints it) and give it back
to `verify_trail`. The trail holds fingerprints, numbers and roles, no data of households, so that data can be erased and it stays whole.
"""

from __future__ import annotations

import datetime as dt
import getpass
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from returnrisk.errors import StoreError, UsageError
from returnrisk.store.files import write_json
from returnrisk.store.lock import exclusive

if TYPE_CHECKING:
    import pandas as pd

Event = Literal[
    "ingest", "train", "recalibrate", "list", "run", "promote", "rollback", "override", "refused", "not_moved", "reproduce"
]
TRAIL, HEAD, LOCK = "trail.jsonl", "head.json", "trail.lock"
START = "0" * 64
"""What the first line is chained to."""
_PERSONAL = re.compile(r"(?<![0-9A-Za-z])(\d{17}[\dXx]|1[3-9]\d{9})(?![0-9A-Za-z])")
"""An identity or mobile number that stands alone; digits inside a fingerprint are none."""
_HASH = re.compile(r"[0-9a-f]{64}")
MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class TrailLine:
    """One line: its number from 1, when (UTC, to the second), who (a role or an account), what, and the chain."""

    n: int
    at: str
    by: str
    event: str
    facts: Mapping[str, Any]
    before: str
    hash: str


@dataclass(frozen=True, slots=True)
class TrailProblem:
    """What is wrong, and at which line of the file."""

    line: int
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A trail that was read from end to end.

    Attributes
    ----------
    lines
        Whole lines, in order.
    problems
        Lines changed, missing or moved; none: the trail is whole.
    torn
        Lines of the file that a killed process left half-written; nothing was done under them, and the chain goes on around them.
    """

    lines: tuple[TrailLine, ...]
    problems: tuple[TrailProblem, ...]
    torn: tuple[int, ...]

    @property
    def head(self) -> str:
        """Hash of the last line; what to note elsewhere."""
        return self.lines[-1].hash if self.lines else START

    @property
    def exit_code(self) -> int:
        """3 where something is wrong, else 0."""
        return 3 if self.problems else 0

    def frame(self) -> pd.DataFrame:
        """One row per line: n, at, by, event, facts (as JSON), hash."""
        import pandas as pd

        rows = [{**{f.name: getattr(line, f.name) for f in fields(line)}, "facts": _canonical(line.facts)} for line in self.lines]
        return pd.DataFrame(rows, columns=["n", "at", "by", "event", "facts", "hash"])


def append(folder: Path, event: Event, *, by: str | None = None, **facts: Any) -> TrailLine:
    """Write one line at the end of the trail in `folder`, flushed to disk before this returns.

    Parameters
    ----------
    folder
        `<project>/audit`; made when absent.
    by
        Role or account that did it; default the account of the operating system.
    facts
        Plain values: fingerprints, versions, days, counts, a reason. No data of households.

    Raises
    ------
    UsageError
        A text holds what looks like an identity or telephone number, or is longer than 500 characters.
    StoreError
        The trail's last line is no line of a trail: nothing is written after it.
    OSError
        The folder cannot be written, or the disk is full: the line is not there.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> append(folder, "promote", by="analyst", model="fall-12m/1").n
    1
    >>> append(folder, "run", by="batch", as_of="2025-12-31").n
    2
    >>> verify_trail(folder).problems
    ()
    """
    who = by or _account()
    _refuse_personal({"by": who, **facts})
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / LOCK):
        last, needs_break = _last_line(folder / TRAIL)
        content = {
            "n": (last.n if last else 0) + 1,
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "by": who,
            "event": event,
            "facts": json.loads(_canonical(facts)),
            "before": last.hash if last else START,
        }
        line = TrailLine(**content, hash=_hash_of(content))
        text = ("\n" if needs_break else "") + _canonical({**content, "hash": line.hash}) + "\n"
        with (folder / TRAIL).open("ab") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        write_json(folder / HEAD, {"n": line.n, "hash": line.hash})
    return line


def read_trail(folder: Path) -> Iterator[TrailLine]:
    """Whole lines in order; none where there is no trail. Nothing is checked: `verify_trail` does."""
    for _, line in _lines(folder / TRAIL):
        if line is not None:
            yield line


def verify_trail(folder: Path, *, head: str | None = None) -> Verified:
    """Read the trail and say every line that is changed, missing or moved.

    Parameters
    ----------
    head
        A hash noted earlier and elsewhere: it must be that of one of the lines.

    Raises
    ------
    UsageError
        `head` is not 64 hexadecimal digits.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for day in ("2025-11-30", "2025-12-31"):
    ...     _ = append(folder, "run", by="batch", as_of=day)
    >>> trail = folder / "trail.jsonl"
    >>> _ = trail.write_text(trail.read_text().replace("2025-11-30", "2025-10-31"))
    >>> [problem.en for problem in verify_trail(folder).problems]
    ['line 1 was changed: its content does not give its hash']
    """
    if head is not None and not _HASH.fullmatch(head):
        raise UsageError(f"head is '{head[:80]}'; expected the 64 hexadecimal digits that `returnrisk audit verify` printed")
    lines: list[TrailLine] = []
    problems: list[TrailProblem] = []
    broken: list[int] = []
    for number, line in _lines(folder / TRAIL):
        if line is None:
            broken.append(number)
            continue
        before = lines[-1] if lines else None
        problems += _problems_of(line, before, number)
        lines.append(line)
    known = {line.hash for line in lines}
    problems += _missing_end(folder / HEAD, lines, known)
    if head is not None and head != START and head not in known:
        problems.append(
            TrailProblem(
                len(lines),
                "没有以所给哈希结尾的行：该行已丢失或更改",
                "no line has the hash that was given: it is lost or was changed",
            )
        )
    return Verified(lines=tuple(lines), problems=tuple(problems), torn=tuple(broken))


def _problems_of(line: TrailLine, before: TrailLine | None, number: int) -> Iterator[TrailProblem]:
    content = {f.name: getattr(line, f.name) for f in fields(line) if f.name != "hash"}
    if _hash_of(content) != line.hash:
        yield TrailProblem(
            number, f"第{number}行被更改：内容与其哈希不符", f"line {number} was changed: its content does not give its hash"
        )
    expected = (before.n if before else 0) + 1
    if line.n != expected:
        yield TrailProblem(
            number,
            f"第{number}行之前缺行或次序被改：编号{line.n}，应为{expected}",
            f"before line {number} lines are missing or moved: it is number {line.n}, expected {expected}",
        )
    elif line.before != (before.hash if before else START):
        yield TrailProblem(number, f"第{number}行与上一行不相连", f"line {number} is not chained to the line before it")


def _missing_end(path: Path, lines: list[TrailLine], known: set[str]) -> list[TrailProblem]:
    """Lines cut off at the end leave a whole chain; the head knows of them."""
    end = len(lines)
    if not path.is_file():
        return (
            [
                TrailProblem(
                    end,
                    "缺少 head.json，无法判断末尾是否缺行",
                    "head.json is missing: whether lines are cut off at the end cannot be told",
                )
            ]
            if lines
            else []
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        n, last = int(content["n"]), str(content["hash"])
    except (ValueError, KeyError, TypeError):
        return [TrailProblem(end, "head.json 不可读", "head.json cannot be read")]
    if last in known:
        return []
    return [
        TrailProblem(
            end, f"末尾缺行或被更改：应有编号{n}的行", f"lines are cut off or changed at the end: one numbered {n} was there"
        )
    ]


def _lines(path: Path) -> Iterator[tuple[int, TrailLine | None]]:
    """Number in the file and line; None for what cannot be read as one."""
    if not path.is_file():
        return
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            if raw.strip():
                yield number, _parsed(raw)


def _parsed(raw: bytes) -> TrailLine | None:
    try:
        content = json.loads(raw)
        line = TrailLine(**content)
    except (ValueError, TypeError):
        return None
    whole = isinstance(line.n, int) and isinstance(line.facts, dict) and isinstance(line.hash, str)
    return line if whole else None


def _last_line(path: Path) -> tuple[TrailLine | None, bool]:
    """The last whole line, and whether a torn one after it (of a killed process) must be closed first."""
    last, torn = None, False
    for _, line in _lines(path):
        torn = line is None
        last = line or last
    if torn and last is None:
        raise StoreError(f"{path.parent.name}/{path.name} holds no line of an audit trail: move it away, then repeat")
    if not path.is_file() or not path.stat().st_size:
        return last, False
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return last, stream.read(1) != b"\n"


def _account() -> str:
    """The operating system's account; "unknown" where it has no name (some containers)."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _refuse_personal(facts: Mapping[str, Any]) -> None:
    for name, value in facts.items():
        if not isinstance(value, str):
            continue
        if _PERSONAL.search(value):
            raise UsageError(
                f"{name} holds what looks like an identity or telephone number: the audit trail keeps no personal data; say it without"
            )
        if len(value) > MAX_TEXT:
            raise UsageError(f"{name} has {len(value)} characters; the audit trail takes {MAX_TEXT} at most")


def _hash_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
