"""The bytes of an export, and a folder that is replaced as a whole or not at all."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from returnrisk.errors import UsageError
from returnrisk.store.files import folder_in_place, sha256_of

MANIFEST = "manifest.json"
KIND = "office_export"
SHEET_ROWS = 1_048_576
"""Rows of a sheet, its header included."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table to be written: header, rows of texts, and for each column its digits behind the point (None: text)."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    decimals: Sequence[int | None]


def csv_bytes(header: Sequence[str], rows: Sequence[Sequence[str]], *, encoding: str, delimiter: str) -> bytes:
    r"""A csv as office programs expect it.

    Examples
    --------
    >>> csv_bytes(["村", "户数"], [["大田,村", "3"]], encoding="gb18030", delimiter=",").decode("gb18030")
    '村,户数\r\n"大田,村",3\r\n'
    """
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue().encode(encoding)


def workbook_bytes(sheets: Sequence[Sheet], *, day: dt.date) -> bytes:
    """A workbook of plain tables, for a system that reads it: a header row, texts as texts, numbers as numbers, dates as texts.

    Its created date is the day of the screening, never the clock's.
    """
    import xlsxwriter

    stream = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(stream, options) as book:
        created = dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
        book.set_properties({"author": "returnrisk", "created": created})
        head = book.add_format({"bold": True})
        shapes = {
            n: book.add_format({"num_format": f"0.{'0' * n}" if n else "0"}) for s in sheets for n in s.decimals if n is not None
        }
        for sheet in sheets:
            page = book.add_worksheet(sheet.name or None)
            page.freeze_panes(1, 0)
            page.set_column(0, len(sheet.header) - 1, 16)
            for column, text in enumerate(sheet.header):
                page.write_string(0, column, text, head)
            for number, row in enumerate(sheet.rows, start=1):
                for column, (text, decimals) in enumerate(zip(row, sheet.decimals, strict=True)):
                    if not text:
                        continue
                    if decimals is None:
                        page.write_string(number, column, text)
                    else:
                        page.write_number(number, column, float(text), shapes[decimals])
    return stream.getvalue()


def require_free(folder: Path) -> None:
    """An export replaces an earlier export, and nothing else.

    Raises
    ------
    UsageError
        EXP203: the folder holds something else.
    """
    if not folder.exists():
        return
    if folder.is_dir() and (not any(folder.iterdir()) or _is_export(folder)):
        return
    raise UsageError(f"EXP203 {folder.name} holds something that is no export: give a folder of its own")


def _is_export(folder: Path) -> bool:
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("kind") == KIND


def replace_folder(folder: Path, files: Mapping[str, bytes], *, manifest: Mapping[str, object]) -> None:
    """Write the files with a manifest beside `folder`, then put them in its place; on any failure it stays as it was.

    Raises
    ------
    OSError
        The disk is full, or another program holds a file of the earlier export open (Windows).
    """
    # households, and names where a layout asks for them: for the owner only
    with folder_in_place(folder, mode=0o700) as fresh:
        for name, content in files.items():
            _write(fresh / name, content)
        sums = {name: sha256_of(fresh / name) for name in sorted(files)}
        text = json.dumps({"kind": KIND, "schema": 1, **manifest, "files": sums}, ensure_ascii=False, indent=2, sort_keys=True)
        _write(fresh / MANIFEST, f"{text}\n".encode())


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
