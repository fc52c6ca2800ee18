"""A proposed mapping as a table to look at, and as the draft of a source mapping (`mapping.py`) that says `confirmed: false`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.contracts import Contract, load_contracts
from returnrisk.errors import ConfigError
from returnrisk.ingest.header_rows import header_key
from returnrisk.ingest.suggest import Suggestion
from returnrisk.store.files import write_atomically

if TYPE_CHECKING:
    from rich.table import Table


def suggestion_table(suggestion: Suggestion) -> Table:
    """One sheet's proposal for a terminal: a line per column, evidence folded, nothing cut off."""
    from rich.table import Table

    s = suggestion
    likely = "，".join(f"{name} {score:.2f}" for name, score in s.tables)
    title = f"{s.file} {s.sheet}\n数据表 table: {likely}；表头行 header row: {s.header_row}"
    caption = f"缺少必填字段 / required, no column: {'、'.join(s.missing)}" if s.missing else None
    table = Table(title=title, caption=caption, show_lines=True)
    for heading, share in (("列 column", 2), ("字段 field", 2), ("可信度", 1), ("依据 evidence", 5)):
        table.add_column(heading, overflow="fold", ratio=share)
    for c in s.columns:
        table.add_row(c.header, f"{c.name} {c.label_zh}" if c.name else "—", f"{c.confidence:.2f}", "\n".join(c.evidence))
    return table


def mapping_draft(suggestions: Sequence[Suggestion], *, name: str, contracts: Mapping[str, Contract] | None = None) -> str:
    """A source mapping in YAML with confidence and evidence as comments, `confirmed: false`.

    Parameters
    ----------
    suggestions
        Of the sheets of one file.
    name
        Of the source (the folder the draft goes to).
    """
    known = contracts or load_contracts()
    lines = [
        "# 由 returnrisk ingest --suggest 提出的草案：请逐行核对，改正后把 confirmed 改为 true，删去用不着的行。",
        "# Draft proposed by `returnrisk ingest --suggest`: check every line, correct it, then set confirmed to true.",
        "schema: 1",
        "kind: files",
        f"name: {_quoted(name)}",
        "office: " + _quoted(known[suggestions[0].table].office),
        "confirmed: false",
        "files:",
    ]
    for s in suggestions:
        others = "、".join(f"{table} {score:.2f}" for table, score in s.tables)
        lines += [
            f"  - pattern: {_quoted(_pattern(s.file))}",
            f"    table: {s.table}  # {others}",
            *([f"    sheet: {_quoted(s.sheet)}"] if s.sheet else []),
            f"    header_row: {s.header_row}",
            f"    header_rows: {s.header_rows}",
            "    columns:",
        ]
        placed = [c for c in s.columns if c.name]
        lines += [f"      {_quoted(c.header)}: {c.name}  # {c.confidence:.2f} {'；'.join(c.evidence)}" for c in placed]
        dropped = [c.header for c in s.columns if not c.name and header_key(c.header)]
        lines += [f"    ignore: [{', '.join(_quoted(h) for h in dropped)}]"] if dropped else []
        lines += _block("units", {c.header: c.unit for c in placed if c.unit})
        lines += _values_block({c.name: c.values for c in placed if c.name and c.values})
        lines += ["    date_epoch: 1900  # 日期按序列号存储，起算年须核对 / serials: check the first year"] if s.serials else []
        lines += [f"    # 缺少必填字段 / required, no column: {'、'.join(s.missing)}"] if s.missing else []
    return "\n".join(lines) + "\n"


def _block(key: str, content: Mapping[str, str]) -> list[str]:
    return [f"    {key}:", *(f"      {_quoted(k)}: {_quoted(v)}" for k, v in content.items())] if content else []


def _values_block(content: Mapping[str, Mapping[str, str]]) -> list[str]:
    lines = [line for name, labels in content.items() for line in (f"      {name}:", *(f"        {_quoted(k)}: {_quoted(v)}" for k, v in labels.items()))]  # fmt: skip
    return ["    values:", *lines] if lines else []


def _pattern(file: str) -> str:
    """A file's name with its figures (months, days, numbers of copies) left open."""
    return (
        re.sub(r"\*+", "*", re.sub(r"[\d年月日._()（） -]*\d[\d年月日_()（） -]*", "*", Path(file).stem)) + f"*{Path(file).suffix}"
    )


def _quoted(text: str) -> str:
    """A text as a YAML scalar that no reader takes for anything else."""
    return json.dumps(text, ensure_ascii=False)


def write_draft(text: str, path: Path) -> Path:
    """Write a draft where nothing stands yet.

    Raises
    ------
    ConfigError
        There is a file already: it may be a confirmed mapping.
    """
    if path.exists():
        raise ConfigError(f"{path.name} exists already in {path.parent.name}: name another place, a mapping is never overwritten")
    return write_atomically(path, lambda p: p.write_text(text, encoding="utf-8"))
