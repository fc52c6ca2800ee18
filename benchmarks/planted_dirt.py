"""The table of docs/planted-dirt.md: python benchmarks/planted_dirt.py [households] [months]; the budget is that of `make demo`.

Writes the clean and the messy inbox of one county, ingests both, compares the stores with the key, and prints what became of every kind
of dirt, with the seconds each step took.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from returnrisk.ingest.codes import CODES
from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.simulate import simulate_county, write_inbox
from returnrisk.simulate.messy import Accounting, Comparison, compare, without_own_faults, write_messy_inbox

KEY = b"published key of the benchmark"


def timed(what: str, action: Callable[[], Any]) -> Any:
    """Run and print the seconds."""
    begin = time.perf_counter()
    made = action()
    print(f"{what:22} {time.perf_counter() - begin:6.1f} s")
    return made


def table(compared: Comparison) -> str:
    """Markdown: one row per kind and code."""
    head = "| 污染 kind | 代码 code | 含义 | planted | recovered | quarantined | duplicate | set aside | left out | added | not sent | missed |"
    lines = [head, "|---|---|---|" + "--:|" * 9]
    for row in compared.frame().itertuples():
        meaning = CODES[row.code].text_zh if row.code else ""
        counts = (row.recovered, row.quarantined, row.duplicate, row.set_aside, row.dropped, row.added, row.not_sent)
        shown = " | ".join(f"{n:,}" if n else "" for n in counts)
        lines.append(f"| {row.kind} | {row.code} | {meaning} | {row.planted:,} | {shown} | {row.missed:,} |")
    return "\n".join(lines)


def main(households: int = 5000, months: int = 84) -> None:
    """Print seconds and the table."""
    county = timed("simulate", lambda: simulate_county(n_households=households, months=months, start=dt.date(2018, 10, 1), seed=0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timed("write clean inbox", lambda: write_inbox(without_own_faults(county), folder / "clean"))
        key = timed("write messy inbox", lambda: write_messy_inbox(county, folder / "messy"))
        clean = timed("ingest clean inbox", lambda: ingest_inbox(folder / "clean", folder / "clean-store", key=KEY))
        messy = timed("ingest messy inbox", lambda: ingest_inbox(folder / "messy", folder / "messy-store", key=KEY)).report
        stores = {"clean_store": folder / "clean-store", "messy_store": folder / "messy-store"}
        accounting = Accounting(messy.files, messy.quarantine, messy.duplicates, messy.notices)
        compared = timed("compare", lambda: compare(key, **stores, accounting=accounting, pseudonym_key=KEY))
    n_rows, n_stored = int(messy.files.n_input.sum()), sum(t.n_rows for t in clean.manifest.tables.values())
    print(f"\n{messy.files.file.nunique()} files, {n_rows:,} rows of data; clean store {n_stored:,} rows")
    print(
        f"lost {len(compared.lost)}, invented {len(compared.extra)}, refused without a planted reason {len(compared.unplanned)}\n"
    )
    print(table(compared))
    if not compared.is_whole():
        for wrong in (compared.items[~compared.items.met], compared.lost, compared.extra, compared.unplanned):
            print(wrong.to_string())


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
