"""A whole simulated county, written in every way that offices write: the store is that of the clean files, byte for byte."""

from __future__ import annotations

import csv
import io
import random
from decimal import Decimal
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from returnrisk.contracts import load_contracts
from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.ingest.readers import decode
from returnrisk.simulate import simulate_county, write_inbox

KEY = b"a key for the ingest tests"
WIDE_DIGITS = str.maketrans("0123456789", "０１２３４５６７８９")
RECOVERED = {f"ING0{n}" for n in (23, 24, 25, 27, 28, 29, 32, 33, 34, 35, 38, 40, 42, 43)}


def rows_of(path: Path) -> list[list[str]]:
    if path.suffix == ".csv":
        return list(csv.reader(io.StringIO(decode(path).text)))
    cells = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    return [[str(int(c)) if isinstance(c, float) and c.is_integer() else str(c) for c in row] for row in cells]


def amount(rng: random.Random, text: str, *, wan: bool) -> str:
    if not text:
        return rng.choice(["", "—", "/", "-"])
    if wan:
        return f"{Decimal(text) / 10000:f}"
    return rng.choice([text, f"{Decimal(text):,}元", f"￥{text}", text.translate(WIDE_DIGITS), f" {text}\u3000"])


def day(rng: random.Random, text: str) -> str:
    year, month, *days = text.split("-")
    d = days[0] if days else ""
    forms = [
        text,
        f"{year}年{int(month)}月" + (f"{int(d)}日" if d else ""),
        f"{year}{month}{d}",
        "/".join([year, str(int(month)), *days]),
    ]
    return rng.choice([*forms, ".".join([year, month, *days])])


def messy(path: Path, place: int) -> bytes:
    """The same content in another layout: titles, notes, totals, the header again, another delimiter and encoding."""
    rng = random.Random(place)  # noqa: S311
    contract = next(c for c in load_contracts().values() if any(path.name.startswith(a) for a in c.file_aliases))
    amounts = {w.header for w in contract.wide_columns} | {f.label_zh for f in contract.fields if f.name.endswith("_cny")}
    days = {h for f in contract.fields if f.type == "date" for h in f.headers}
    numbers = {h for f in contract.fields if f.pseudonym in ("household", "person") for h in f.headers}
    header, *body = rows_of(path)
    wan = {h for i, h in enumerate(header) if h in amounts and i % 2}
    said = [f"*{h}（万元）" if h in wan else rng.choice([h, f" {h}", f"{h}（必填）"]) for h in header]
    rest = [""] * (len(header) - 1)
    lines: list[list[str]] = [["模拟县报表", *rest], ["", *rest], ["填报单位：县局", "填报日期：2024-01-01"], said]
    for row in body:
        line = []
        for h, cell in zip(header, row, strict=True):
            if h in amounts:
                line.append(amount(rng, cell, wan=h in wan))
            elif h in days and cell:
                line.append(day(rng, cell))
            elif h in numbers and cell:
                line.append(rng.choice([cell, f"'{cell}", cell.lower(), f"{cell} ", cell.translate(WIDE_DIGITS)]))
            else:
                line.append({"是": "√", "否": "×"}.get(cell, cell))
        lines.append(line)
        if rng.random() < 0.05:
            lines.append(rng.choice([["东镇小计", *rest], said]))
    lines += [["合计", *rest], ["注：截至月底", *rest], ["填表人：某某", "审核人：某某"]]
    out = io.StringIO()
    csv.writer(out, delimiter=",\t;"[place % 3], lineterminator=("\n", "\r\n")[place % 2]).writerows(lines)
    return out.getvalue().encode(("utf-8", "gb18030", "utf-16", "utf-8-sig")[place % 4])


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("messy")
    write_inbox(simulate_county(n_households=60, months=6), folder / "clean" / "inbox")
    (folder / "messy" / "inbox").mkdir(parents=True)
    for place, path in enumerate(sorted((folder / "clean" / "inbox").iterdir())):
        (folder / "messy" / "inbox" / f"{path.stem}.csv").write_bytes(messy(path, place))
    return {n: ingest_inbox(folder / n / "inbox", folder / n / "store", key=KEY) for n in ("clean", "messy")}


def test_every_table_is_the_same_to_the_byte(stores):
    clean, found = stores["clean"].manifest, stores["messy"].manifest
    assert {n: t.sha256 for n, t in found.tables.items()} == {n: t.sha256 for n, t in clean.tables.items()}
    assert found.fingerprint == clean.fingerprint


def test_nothing_more_is_quarantined_and_what_was_put_right_is_counted(stores):
    for name in ("quarantine", "duplicates"):
        assert len(getattr(stores["messy"].report, name)) == len(getattr(stores["clean"].report, name))
    counted = stores["messy"].report.notices.groupby("code")["n"].sum()
    assert set(counted.index) >= RECOVERED
    assert set(stores["clean"].report.notices.code) <= {"ING027", "ING045"}


def test_every_line_of_every_messy_file_is_accounted_for(stores):
    files = stores["messy"].report.files
    kinds = ["n_input", "n_header", "n_blank", "n_total", "n_note", "n_repeated_header"]
    clean = stores["clean"].report.files
    assert files.n_input.sum() == clean.n_input.sum()
    assert (files.n_note == 4).all()
    assert (files.n_blank == 1).all()
    assert (files[kinds].sum(axis=1) >= files.n_input + 6).all()
