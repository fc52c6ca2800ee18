"""The chain of the audit trail: what breaks it is said with its line; what a killed process leaves does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from returnrisk.audit_trail import HEAD, MAX_TEXT, START, TRAIL, append, read_trail, verify_trail
from returnrisk.errors import StoreError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for month in range(1, 7):
        append(tmp_path / "audit", "run", by="batch", as_of=f"2025-{month:02d}-28", model="fall-12m/1")
    return tmp_path / "audit"


def texts(folder: Path) -> list[str]:
    return (folder / TRAIL).read_text(encoding="utf-8").splitlines()


def rewrite(folder: Path, lines: list[str]) -> None:
    (folder / TRAIL).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def test_a_whole_trail_is_whole(folder):
    found = verify_trail(folder)
    assert (found.problems, found.torn, found.exit_code) == ((), (), 0)
    assert [line.n for line in found.lines] == list(range(1, 7))
    assert found.lines[0].before == START
    assert found.frame()["event"].tolist() == ["run"] * 6
    assert json.loads(found.frame()["facts"].iloc[2]) == {"as_of": "2025-03-28", "model": "fall-12m/1"}
    assert list(read_trail(folder)) == list(found.lines)


def test_no_trail_is_an_empty_one(tmp_path):
    found = verify_trail(tmp_path / "audit")
    assert (found.lines, found.problems, found.head, found.exit_code) == ((), (), START, 0)
    assert found.frame().empty


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5), st.sampled_from(["n", "at", "by", "event", "facts", "before", "hash"]))
def test_any_changed_part_of_any_line_is_found(tmp_path_factory, which, part):
    folder = tmp_path_factory.mktemp("trail")
    for n in range(6):
        append(folder, "list", by="analyst", place=n)
    lines = texts(folder)
    content = json.loads(lines[which])
    content[part] = {"n": 99, "facts": {"place": 77}}.get(part, f"{content[part]}x")
    rewrite(folder, [*lines[:which], json.dumps(content), *lines[which + 1 :]])
    found = verify_trail(folder)
    assert found.exit_code == 3
    assert {p.line for p in found.problems} <= {which + 1, which + 2, 6}
    assert all(p.zh and p.en for p in found.problems)


@pytest.mark.parametrize("gone", [0, 2, 5])
def test_a_missing_line_is_found_wherever_it_was(folder, gone):
    lines = texts(folder)
    rewrite(folder, lines[:gone] + lines[gone + 1 :])
    said = verify_trail(folder).problems[0].en
    assert ("cut off" if gone == 5 else "missing or moved") in said


def test_moved_lines_are_found(folder):
    lines = texts(folder)
    rewrite(folder, [*lines[:2], lines[3], lines[2], *lines[4:]])
    assert any("missing or moved" in p.en for p in verify_trail(folder).problems)


def test_a_new_trail_in_place_of_the_old_one_is_found_by_a_head_that_was_noted(folder, tmp_path):
    noted = verify_trail(folder).head
    other = tmp_path / "other"
    for month in range(1, 7):
        append(other, "run", by="batch", as_of=f"2025-{month:02d}-27")
    assert verify_trail(other).exit_code == 0, "whole in itself"
    said = verify_trail(other, head=noted).problems
    assert [p.en for p in said] == ["no line has the hash that was given: it is lost or was changed"]
    append(folder, "promote", by="chief", model="fall-12m/2")
    assert verify_trail(folder, head=noted).exit_code == 0, "an earlier head is still a line of it"
    with pytest.raises(UsageError, match="64 hexadecimal"):
        verify_trail(folder, head="abc")


def test_a_head_that_is_lost_or_cannot_be_read_is_said(folder):
    (folder / HEAD).write_text("{", encoding="utf-8")
    assert verify_trail(folder).problems[0].en == "head.json cannot be read"
    (folder / HEAD).unlink()
    assert "head.json is missing" in verify_trail(folder).problems[0].en


def test_what_a_killed_process_left_half_written_breaks_nothing(folder):
    with (folder / TRAIL).open("ab") as stream:
        stream.write(b'{"n":7,"at":"2025-07')
    found = verify_trail(folder)
    assert (found.problems, found.torn) == ((), (7,))
    line = append(folder, "run", by="batch", as_of="2025-07-28")
    assert line.n == 7
    after = verify_trail(folder)
    assert (after.problems, after.torn, len(after.lines)) == ((), (7,), 7)


def test_a_process_killed_before_the_head_was_written_breaks_nothing(folder):
    head = (folder / HEAD).read_bytes()
    append(folder, "run", by="batch", as_of="2025-07-28")
    (folder / HEAD).write_bytes(head)
    assert verify_trail(folder).problems == ()


def test_personal_data_and_long_texts_are_refused_and_nothing_is_written(folder):
    before = (folder / TRAIL).read_bytes()
    for text in ("11010519491231002X", "电话13800138000，已核实", "x" * (MAX_TEXT + 1)):
        with pytest.raises(UsageError, match="reason") as refused:
            append(folder, "override", by="chief", reason=text)
        assert text not in str(refused.value)
    with pytest.raises(UsageError, match=r"^by "):
        append(folder, "override", by="13800138000")
    assert (folder / TRAIL).read_bytes() == before
    fingerprint = "a13800138000" + "0" * 52
    assert append(folder, "train", by="analyst", bundle=fingerprint).facts == {"bundle": fingerprint}


def test_a_file_that_is_no_trail_is_left_alone(tmp_path):
    (tmp_path / TRAIL).write_text("notes of a meeting\n", encoding="utf-8")
    with pytest.raises(StoreError, match="no line of an audit trail"):
        append(tmp_path, "run", by="batch")
    assert (tmp_path / TRAIL).read_text(encoding="utf-8") == "notes of a meeting\n"
    assert verify_trail(tmp_path).torn == (1,)


def test_the_account_is_written_where_nobody_is_named(tmp_path):
    import getpass

    assert append(tmp_path, "run").by == getpass.getuser()


def test_many_processes_write_one_chain(tmp_path):
    code = "import sys; from pathlib import Path; from returnrisk.audit_trail import append\n"
    code += "for i in range(15): append(Path(sys.argv[1]), 'list', by=sys.argv[2], place=i)"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), f"w{k}"], env=os.environ) for k in range(3)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    found = verify_trail(tmp_path)
    assert (len(found.lines), found.problems, found.torn) == (45, (), ())
    for k in range(3):
        assert [line.facts["place"] for line in found.lines if line.by == f"w{k}"] == list(range(15))
