"""A real rotating household panel as canonical tables: Argentina's EPH (INDEC public-use microdata), quarter by quarter.

The survey observes one month per interview, up to four interviews per household. Here the month stands for its quarter: amounts are
those of three such months, the period is the quarter, and everything is recorded on the quarter's last day. Nothing is carried
forward: a household that is not interviewed in a quarter has no household, member or income row for it, while one interviewed with
no income at all has a household row and one income row of zero (deliveries are known by region only and cannot tell the two apart).

The survey knows no illness cost, subsidy roll, support or monitoring: those tables are absent, not empty.

Source: INDEC, Encuesta Permanente de Hogares, bases de microdatos. Columns and codes: `data_contracts/sources/eph/mapping.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import load_contracts
from returnrisk.errors import UsageError
from returnrisk.ingest import eph_links as links
from returnrisk.ingest import eph_tables as tables
from returnrisk.ingest.eph_files import EphFile, find_files, load_typed, quarter_text
from returnrisk.ingest.eph_mapping import EphMapping, load_eph_mapping

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir
    import pandas as pd

TABLES = ("village", "household", "household_roster", "member", "income", "delivery", "line")
PER_HEAD_TOLERANCE = 0.011
"""Early files round income per head to the cent."""


@dataclass(frozen=True, slots=True)
class EphTables:
    """What was read.

    `tables` holds one engine table per contract, with its columns and types, ordered by key and recording day. `accounting` has one
    row per file (see `read_eph`). `quarters` are those read, in order, written `2008Q1`.
    """

    tables: Mapping[str, ir.Table]
    accounting: pd.DataFrame
    quarters: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """The accounting: one row per file."""
        return self.accounting


def read_eph(folder: Path, con: ibis.BaseBackend, *, quarters: tuple[str, str] | None = None) -> EphTables:
    """Map the quarterly files of a folder into canonical tables.

    Parameters
    ----------
    folder
        Holds one household file and one person file (`*.tsv.gz`) per quarter, beside each other or in subfolders.
    con
        DuckDB through Ibis; the tables are made in it as temporary ones.
    quarters
        First and last quarter to read, such as `("2008Q1", "2010Q4")`; None reads all that lie there.

    Returns
    -------
    Tables village, household, household_roster, member, income (CNY columns hold the survey's pesos of the quarter), delivery, line.
    The accounting's rows are files; n_input = n_accepted + the counts left out by reason: `unreadable` (a key, sex, age or total
    income that is no number), `special_household` and `special_person` (live-in servants, boarders), `not_interviewed`,
    `duplicate_key`, `no_regular_member`, `household_left_out`. Accepted households whose stated head count is not that of their
    regular members, or whose income per head differs from the file's by more than a cent, are counted in `n_head_count_differs` and
    `n_per_head_differs`; `n_linked` and `n_broken` count interviews of a known dwelling that are of the same, or of another,
    household. `absent_columns` names optional columns the file does not have.

    Raises
    ------
    IngestError
        A file is damaged, lacks a column, holds another quarter, or a quarter has one file of the two.
    UsageError
        `quarters` is no range of quarters, or `con` is not DuckDB.

    Examples
    --------
    >>> import ibis
    >>> read_eph(Path("no-such-folder"), ibis.duckdb.connect())
    Traceback (most recent call last):
        ...
    returnrisk.errors.IngestError: no-such-folder: no such folder; give the one that holds the EPH files
    """
    if con.name != "duckdb":
        raise UsageError(f"the survey's text files are read by DuckDB, not by {con.name}; read them there and copy the tables")
    mapping = load_eph_mapping()
    files = find_files(Path(folder), mapping, quarters=quarters)
    scratch = _Scratch(con)
    try:
        households, persons = _read(scratch, files, mapping)
        linked = scratch.keep(
            links.link_households(households.filter(households.fate.isnull()), persons.filter(persons.fate.isnull()), mapping)
        )
        accounting = _accounting(files, households, persons, linked, mapping)
        done = _canonical(con, scratch, households, persons, linked, mapping)
    finally:
        scratch.drop()
    return EphTables(tables=done, accounting=accounting, quarters=tuple(sorted({quarter_text(f.quarter) for f in files})))


class _Scratch:
    """Intermediate temporary tables, so that no expression is computed twice; each is freed as soon as its last reader is done."""

    def __init__(self, con: Any) -> None:
        self.con = con
        self.names: list[str] = []

    def new_name(self) -> str:
        """Name for a table that `drop` will free."""
        from ibis.util import gen_name

        self.names.append(gen_name("eph_scratch"))
        return self.names[-1]

    def keep(self, expression: ir.Table, *, instead_of: tuple[ir.Table, ...] = ()) -> ir.Table:
        """The expression computed once; `instead_of` are kept tables that nobody needs any more."""
        table: ir.Table = self.con.create_table(self.new_name(), expression, temp=True)
        for old in instead_of:
            self.con.drop_table(old.op().name)
            self.names.remove(old.op().name)
        return table

    def drop(self) -> None:
        """Free what is left."""
        for name in self.names:
            self.con.drop_table(name, force=True)
        self.names.clear()


def _read(scratch: _Scratch, files: list[EphFile], mapping: EphMapping) -> tuple[ir.Table, ir.Table]:
    """Household and person rows with their final fates."""
    raw_households, raw_persons = (
        load_typed(scratch.con, files, layout, table_name=scratch.new_name())
        for layout in (mapping.household_file, mapping.person_file)
    )
    households = scratch.keep(links.household_fates(raw_households.drop("file"), mapping), instead_of=(raw_households,))
    persons = scratch.keep(links.person_fates(raw_persons.drop("file"), mapping), instead_of=(raw_persons,))
    settled_households, settled_persons = links.settle_fates(households, persons)
    settled_households = scratch.keep(settled_households)
    return settled_households, scratch.keep(settled_persons, instead_of=(households, persons))


def _canonical(
    con: Any, scratch: _Scratch, households: ir.Table, persons: ir.Table, linked: ir.Table, mapping: EphMapping
) -> dict[str, ir.Table]:
    """The contracts' tables. `persons` is freed on the way."""
    from ibis.util import gen_name

    contracts = load_contracts()
    members = scratch.keep(links.link_members(persons.filter(persons.fate.isnull()), linked, mapping), instead_of=(persons,))
    items = scratch.keep(tables.item_rows(members, mapping))
    surveyed = households.filter(households.fate.isnull() | (households.fate == "no_regular_member"))
    rows = {
        "village": tables.village_rows(linked, mapping),
        "household": tables.household_rows(linked, mapping, contracts["household"]),
        "household_roster": tables.roster_rows(members, mapping, contracts["household_roster"]),
        "member": tables.member_rows(members, mapping, contracts["member"]),
        "income": tables.income_rows(items, linked, mapping),
        "delivery": tables.delivery_rows(linked, mapping),
        "line": tables.line_rows(surveyed, mapping),
    }
    done = {}
    for name in TABLES:
        contract = contracts[name]
        ordered = tables.conform(rows[name], contract).order_by([*contract.key, "recorded_on"])
        done[name] = con.create_table(gen_name(f"eph_{name}"), ordered, temp=True)
    return done


def _counts(table: ir.Table, fates: tuple[str, ...], **more: Any) -> dict[int, dict[str, int]]:
    """Per quarter: rows, rows accepted, rows left out by fate, and `more` sums."""
    grouped = table.group_by("q").agg(
        n_input=table.count(),
        n_accepted=table.fate.isnull().sum(),
        **{fate: (table.fate == fate).sum().fill_null(0) for fate in fates},
        **{name: condition.fill_null(False).sum() for name, condition in more.items()},
    )
    return {row.pop("q"): row for row in grouped.to_pyarrow().to_pylist()}


def _accounting(
    files: list[EphFile], households: ir.Table, persons: ir.Table, linked: ir.Table, mapping: EphMapping
) -> pd.DataFrame:
    import pandas as pd

    kept = households.fate.isnull()
    per_head = households.income.cast("float64") / households.n_members.cast("float64").nullif(0)
    counts = {
        "household": _counts(
            households,
            links.HOUSEHOLD_FATES,
            n_head_count_differs=kept & (households.head_count != households.n_members),
            n_per_head_differs=kept & ((per_head - households.income_per_head.cast("float64")).abs() > PER_HEAD_TOLERANCE),
        ),
        "person": _counts(persons, links.PERSON_FATES),
    }
    known = linked.filter(linked.gap.notnull()).group_by("q")
    pairs = known.agg(n_linked=lambda t: t.continuous.sum(), n_broken=lambda t: (~t.continuous).sum())
    for row in pairs.to_pyarrow().to_pylist():
        counts["household"][row["q"]].update(n_linked=row["n_linked"], n_broken=row["n_broken"])
    layouts = {"household": mapping.household_file, "person": mapping.person_file}
    columns = ["n_input", "n_accepted", *dict.fromkeys((*links.HOUSEHOLD_FATES, *links.PERSON_FATES))]
    columns += ["n_head_count_differs", "n_per_head_differs", "n_linked", "n_broken"]
    rows = [
        {"file": f.name, "kind": f.kind, "quarter": quarter_text(f.quarter)}
        | {c: counts[f.kind][f.quarter].get(c, 0) for c in columns}
        | {"absent_columns": ", ".join(c for c in layouts[f.kind].columns if c not in f.columns)}
        for f in files
    ]
    return pd.DataFrame(rows)
