"""What the reader of .xls files does not tell: the epoch of date serials, and which cells hold the error of a failed formula.

Sources: [MS-CFB] (the compound file around the workbook), [MS-XLS] 2.4 (records Date1904, BoundSheet8, BoolErr, Formula).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LAST = 0xFFFFFFFA
"""Sector numbers from here on mean: no sector follows."""
_NAMES = ("Workbook", "Book")
_ERRORS = {0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A"}
_FORMULA, _EOF, _DATE_1904, _SHEET, _BOOL_OR_ERROR = 0x06, 0x0A, 0x22, 0x85, 0x0205


@dataclass(frozen=True, slots=True)
class OldWorkbook:
    """Epoch (1900 or 1904), and per sheet, in the workbook's order, the errors by (row, column), both from 0."""

    epoch: int
    errors: tuple[dict[tuple[int, int], str], ...]


def read_old_workbook(path: Path) -> OldWorkbook | None:
    """Epoch and failed formulas of a .xls file; None when it is not laid out as the standard says."""
    try:
        stream = _workbook_stream(path.read_bytes())
        return _facts(stream) if stream else None
    except (struct.error, IndexError, ValueError):
        return None


def _facts(stream: bytes) -> OldWorkbook:
    epoch, starts = 1900, []
    for kind, body in _records(stream, 0):
        if kind == _DATE_1904 and struct.unpack_from("<H", body)[0] == 1:
            epoch = 1904
        elif kind == _SHEET:
            starts.append(struct.unpack_from("<I", body)[0])
    return OldWorkbook(epoch, tuple(_errors(stream, start) for start in starts))


def _errors(stream: bytes, start: int) -> dict[tuple[int, int], str]:
    found = {}
    for kind, body in _records(stream, start):
        is_value = kind == _BOOL_OR_ERROR and body[7] == 1
        is_result = kind == _FORMULA and body[12:14] == b"\xff\xff" and body[6] == 2
        if is_value or is_result:
            row, column = struct.unpack_from("<HH", body)
            found[row, column] = _ERRORS.get(body[6] if is_value else body[8], "#ERROR!")
    return found


def _records(stream: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Records of one substream, from its first to its end."""
    while start + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, start)
        yield kind, stream[start + 4 : start + 4 + length]
        if kind == _EOF:
            return
        start += 4 + length


def _workbook_stream(content: bytes) -> bytes | None:
    """The stream called Workbook (or Book) out of a compound file."""
    shift, mini_shift = struct.unpack_from("<HH", content, 30) if content.startswith(_SIGNATURE) else (0, 0)
    if shift not in (9, 12) or mini_shift != 6:
        return None
    file = _Sectors(content, 1 << shift)
    directory = file.chained(struct.unpack_from("<I", content, 48)[0])
    entries = [directory[i : i + 128] for i in range(0, len(directory), 128)]
    cutoff, first_mini_fat = struct.unpack_from("<II", content, 56)
    for entry in entries:
        name = entry[: max(0, struct.unpack_from("<H", entry, 64)[0] - 2)].decode("utf-16-le")
        if name in _NAMES:
            first, length = struct.unpack_from("<II", entry, 116)
            if length >= cutoff:
                return file.chained(first)[:length]
            small = file.chained(struct.unpack_from("<I", entries[0], 116)[0])  # small streams lie together in the root's
            parts = _chain(first, _numbers(file.chained(first_mini_fat)))
            return b"".join(small[n << mini_shift : (n + 1) << mini_shift] for n in parts)[:length]
    return None


class _Sectors:
    """The sectors of a compound file, and which follows which."""

    def __init__(self, content: bytes, size: int) -> None:
        self._content, self._size = content, size
        n_fat = struct.unpack_from("<I", content, 44)[0]
        fat = _numbers(content[76:512])
        follow = struct.unpack_from("<I", content, 68)[0]
        while len(fat) < n_fat and follow < _LAST:
            *more, follow = _numbers(self._sector(follow))
            fat += more
        self._next = [n for sector in fat[:n_fat] for n in _numbers(self._sector(sector))]

    def _sector(self, n: int) -> bytes:
        return self._content[(n + 1) * self._size : (n + 2) * self._size]

    def chained(self, first: int) -> bytes:
        return b"".join(self._sector(n) for n in _chain(first, self._next))


def _numbers(data: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(data) // 4}I", data))


def _chain(first: int, follow: list[int]) -> list[int]:
    """Sector numbers from the first one on; a ring is left after one turn."""
    found: list[int] = []
    while first < _LAST and len(found) <= len(follow):
        found.append(first)
        first = follow[first]
    return found
