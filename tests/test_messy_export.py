"""The messy inbox against the clean one: everything planted comes out as it must, nothing else is lost, changed or invented."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from returnrisk.contracts import load_contracts
from returnrisk.errors import ConfigError, UnknownNameError
from returnrisk.ingest.codes import CODES
from returnrisk.ingest.inbox import ingest_inbox
from returnrisk.simulate import SimulatedCounty, simulate_county, write_inbox
from returnrisk.simulate.attitudes import ATTITUDE_COLUMNS, attitude_columns
from returnrisk.simulate.messy import (
    Accounting,
    Comparison,
    PlantedKey,
    compare,
    default_rates,
    without_own_faults,
    write_messy_inbox,
)
from returnrisk.simulate.messy.files import write_sheet
from returnrisk.simulate.messy.sheet import clean_sheet
from returnrisk.store.tables import read_manifest

KEY = b"key of the messy export's tests"
MORE = 20
"""So many times the shipped rates: a small county then carries several of every kind."""
MOST = 0.25
"""No rate above this, so that kinds which never meet in one file all find theirs."""
ONCE = ("half_delivered", "other_county_file", "attitude_columns")
EFFECT = {
    "recovered": "recovers",
    "quarantined": "quarantines",
    "duplicate": "duplicate",
    "set_aside": "set_aside",
    "dropped": "notice",
    "added": "notice",
}
NOT_PLANTED = {
    "ING036": "planted as negative_in_brackets: the county has no amount below nought, so the row is refused (CON003)",
    "ING037": "no table has a column of shares",
    "ING051": "a source's mapping, not dirt",
    "CON002": "a label out of the list is met as ING012 first",
    "CON004": "identifiers of another form are met as ING014 first; area codes and months have one, tested with the contracts",
}
"""Codes of rows and cells that the messy export cannot plant, and why."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A small county, both inboxes, both stores, and the comparison."""

    county: SimulatedCounty
    folder: Path
    key: PlantedKey
    accounting: Accounting
    compared: Comparison

    def compare(self, key: PlantedKey, messy_store: Path | None = None) -> Comparison:
        return compare(
            key,
            clean_store=self.folder / "clean-store",
            messy_store=messy_store or self.folder / "messy-store",
            accounting=self.accounting,
            pseudonym_key=KEY,
        )


def run_both(county: SimulatedCounty, folder: Path, *, more: float) -> Run:
    rates = default_rates()
    rates = (
        rates if more == 1 else rates.changed({kind: min(MOST, rate * more) for kind, rate in rates.of.items() if kind not in ONCE})
    )
    write_inbox(without_own_faults(county), folder / "clean")
    key = write_messy_inbox(county, folder / "messy", rates=rates)
    clean = ingest_inbox(folder / "clean", folder / "clean-store", key=KEY).report
    assert not len(clean.quarantine)
    assert not len(clean.duplicates)
    report = ingest_inbox(folder / "messy", folder / "messy-store", key=KEY).report
    accounting = Accounting(report.files, report.quarantine, report.duplicates, report.notices)
    stores = {"clean_store": folder / "clean-store", "messy_store": folder / "messy-store"}
    return Run(county, folder, key, accounting, compare(key, **stores, accounting=accounting, pseudonym_key=KEY))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    county = simulate_county(n_households=150, months=15, start=dt.date(2023, 10, 1), seed=7)
    return run_both(county, tmp_path_factory.mktemp("dirt"), more=MORE)


def what_is_wrong(compared: Comparison) -> str:
    frame = compared.frame()
    parts = (frame[frame.missed > 0], compared.lost, compared.extra, compared.unplanned)
    return "\n".join(part.head(20).to_string() for part in parts)


def test_everything_planted_comes_out_as_it_must(run: Run) -> None:
    assert run.compared.is_whole(), what_is_wrong(run.compared)
    assert int(run.compared.frame().missed.sum()) == 0


def test_every_kind_is_planted(run: Run) -> None:
    assert set(default_rates().of) <= set(run.key.items.kind)


def test_outcomes_agree_with_the_catalogue_of_codes(run: Run) -> None:
    for row in run.key.frame().itertuples():
        if row.code:
            assert CODES[row.code].effect == EFFECT[row.outcome], row.kind


def test_every_code_of_rows_and_cells_is_planted(run: Run) -> None:
    wanted = {c for c, entry in CODES.items() if entry.effect != "stops" and c < "ING060"} | {
        "CON001",
        "CON003",
        "CON006",
        "CON007",
    }
    assert wanted - set(run.key.items.code) - NOT_PLANTED.keys() == set()


def test_no_row_is_soiled_twice(run: Run) -> None:
    own = run.key.items[run.key.items.origin >= 0]
    assert not own.duplicated(["file", "origin"]).any()


def test_refused_rows_bring_their_dependants_with_them(run: Run) -> None:
    """A refused household or person makes orphans of all its rows: planted, and refused for that reason."""
    frame = run.compared.frame().set_index("kind")
    assert frame.loc["knock_on", "quarantined"] == frame.loc["knock_on", "planted"] > 0


def test_refused_rows_are_as_many_as_were_planted(run: Run) -> None:
    planted = run.key.items[run.key.items.outcome == "quarantined"].groupby("code").size()
    refused = run.accounting.quarantine.drop_duplicates(["file", "sheet", "row_number", "code"]).groupby("code").size()
    assert refused.to_dict() == planted.to_dict()


def files_in(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_the_same_county_gives_the_same_bytes_and_key(run: Run, tmp_path: Path) -> None:
    rates = default_rates()
    first = write_messy_inbox(run.county, tmp_path / "one", rates=rates)
    again = write_messy_inbox(run.county, tmp_path / "two", rates=rates)
    pd.testing.assert_frame_equal(first.items, again.items)
    files = files_in(tmp_path / "one")
    assert files == files_in(tmp_path / "two")
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


def test_a_rate_of_nought_plants_nothing(run: Run, tmp_path: Path) -> None:
    none = default_rates().none()
    assert not len(write_messy_inbox(run.county, tmp_path / "none", rates=none).items)
    only = write_messy_inbox(run.county, tmp_path / "one", rates=none.changed({"duplicate_row": 0.01}))
    assert set(only.items.kind) == {"duplicate_row"}


def test_attitude_columns_come_with_their_trap_and_stop_at_the_door(run: Run, tmp_path: Path) -> None:
    """The one home of what they say is `attitude_columns`; the reader drops and names them, the store holds none."""
    only = default_rates().none().changed({"attitude_columns": 1.0})
    write_messy_inbox(run.county, tmp_path / "on", rates=only)
    (file,) = (tmp_path / "on").glob("农户基本信息*.xlsx")
    read = pd.read_excel(file, dtype=str, engine="calamine").set_index("户编号")[list(ATTITUDE_COLUMNS)]
    said = attitude_columns(run.county).set_index("household_id")
    assert (read == said.loc[read.index]).all().all()
    assert read["是否等靠要"].nunique() == 2
    dropped = run.accounting.notices[run.accounting.notices.code == "ING044"]
    assert set(ATTITUDE_COLUMNS) <= set(dropped.field[dropped.table_name == "household"])
    off = dataclasses.replace(run.county, parameters=run.county.parameters.changed({"traps.attitude_fields": False}))
    assert not len(write_messy_inbox(off, tmp_path / "off", rates=only).items)


def test_cells_beyond_the_last_column_stand_in_their_own_row_where_others_hold_line_breaks(tmp_path: Path) -> None:
    frame = pd.DataFrame({"地区代码": [999901] * 4, "生效日期": [f"202{i}-01-01" for i in range(4)], "监测线标准": [7000.0] * 4})
    sheet = clean_sheet("监测线.csv", frame, load_contracts()["line"])
    sheet.layout.extra_columns["备注"] = ["见附件，\n已核", None, '"甲"\n乙\n', "丙"]
    sheet.layout.columns.append("备注")
    sheet.layout.more_cells[3] = ["见备注", "1"]
    text = write_sheet(sheet, tmp_path).read_text(encoding="utf-8-sig")
    assert [len(record) for record in csv.reader(io.StringIO(text, newline=""))] == [4, 4, 4, 4, 6]


def test_unknown_kinds_and_impossible_rates_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="duplicate_row"):
        default_rates().changed({"duplicate_rows": 0.1})
    with pytest.raises(ConfigError, match="expected 0 to 1"):
        default_rates().changed({"duplicate_row": 2})


# the comparison itself: it must be able to say that something is wrong

FORGOTTEN = ("unreadable_value", "knock_on", "conflicting_rows", "duplicate_row", "total_row", "two_names")


@pytest.fixture(scope="module")
def misled(run: Run) -> Comparison:
    """The same stores held against a key that forgets six kinds, and is wrong about two."""
    items = run.key.items[~run.key.items.kind.isin(FORGOTTEN)].reset_index(drop=True)
    items.loc[items.kind == "unknown_label", "code"] = "ING011"
    items.loc[items.kind == "two_digit_year", ["outcome", "code"]] = ["recovered", ""]
    return run.compare(dataclasses.replace(run.key, items=items, added=pd.DataFrame()))


def planted(run: Run, kind: str) -> int:
    return int((run.key.items.kind == kind).sum())


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("unreadable_value", "ING011"),
        ("knock_on", "CON006"),
        ("conflicting_rows", "ING016"),
        ("duplicate_row", "ING021"),
        ("total_row", "ING023"),
    ],
)
def test_rows_refused_repeated_or_set_aside_for_no_planted_reason_are_shown(misled: Comparison, kind: str, code: str) -> None:
    assert not misled.is_whole()
    assert (misled.unplanned.code == code).any(), kind


def test_lost_rows_are_shown(run: Run, misled: Comparison) -> None:
    forgotten = run.key.items[
        run.key.items.kind.isin(FORGOTTEN) & (run.key.items.outcome == "quarantined") & (run.key.items.origin >= 0)
    ]
    lost = set(misled.lost[["file", "origin"]].itertuples(index=False, name=None))
    assert set(forgotten[["file", "origin"]].itertuples(index=False, name=None)) <= lost


def test_an_invented_row_is_shown(run: Run, misled: Comparison) -> None:
    assert len(misled.extra) == planted(run, "two_names") > 0


def test_a_refusal_under_another_code_is_missed(run: Run, misled: Comparison) -> None:
    frame = misled.frame().set_index("kind")
    assert frame.loc["unknown_label", "missed"] == planted(run, "unknown_label") > 0


def test_a_recovery_that_did_not_happen_is_missed(run: Run, misled: Comparison) -> None:
    frame = misled.frame().set_index("kind")
    assert frame.loc["two_digit_year", "missed"] == planted(run, "two_digit_year") > 0


@pytest.fixture
def altered_store(run: Run, tmp_path: Path) -> Iterator[Path]:
    """The messy store with one amount a cent higher."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    store = shutil.copytree(run.folder / "messy-store", tmp_path / "altered")
    file = store / read_manifest(store).tables["income"].file
    table = pq.read_table(file)
    place = table.column_names.index("gross_cny")
    raised = pc.add(table["gross_cny"].combine_chunks(), pa.scalar(1, pa.decimal128(3, 2)))
    mask = pa.array([i == 0 for i in range(table.num_rows)])
    amounts = pc.if_else(mask, raised.cast(table.schema.field(place).type), table["gross_cny"].combine_chunks())
    pq.write_table(table.set_column(place, table.schema.field(place), amounts), file)
    yield store
    shutil.rmtree(store)


def test_one_changed_amount_is_shown(run: Run, altered_store: Path) -> None:
    compared = run.compare(run.key, altered_store)
    assert (len(compared.lost), len(compared.extra)) == (1, 1)


@pytest.mark.slow
def test_the_demos_county_comes_out_whole(tmp_path: Path) -> None:
    """The table of docs/planted-dirt.md, as `benchmarks/planted_dirt.py` prints it."""
    county = simulate_county(n_households=5000, months=84, start=dt.date(2018, 10, 1), seed=0)
    compared = run_both(county, tmp_path, more=1).compared
    assert compared.is_whole(), what_is_wrong(compared)
