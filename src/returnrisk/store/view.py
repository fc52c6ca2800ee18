"""As-of views: every table as it was known on a day. Nothing else in this package makes one.

A row is visible while `recorded_on <= day < superseded_on`. A late entry is invisible until recorded; a correction never changes
what an earlier day saw; a future date inside a recorded row (a due date) is visible, because it was known.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.contracts import Contract, load_contracts
from returnrisk.errors import StoreError, UnknownNameError
from returnrisk.store.tables import Manifest, read_manifest, verify_files
from returnrisk.timeline import add_months, last_closed_month_end, month_end

if TYPE_CHECKING:
    import ibis.expr.types as ir


def connect(*, memory_limit: str | None = None, threads: int | None = None) -> Any:
    """An in-memory DuckDB behind Ibis; it spills to disk and needs no server."""
    import ibis

    options: dict[str, Any] = {}
    if memory_limit:
        options["memory_limit"] = memory_limit
    if threads:
        options["threads"] = threads
    con = ibis.duckdb.connect(**options)
    con.raw_sql("SET enable_progress_bar = false")
    # offline; and what does not fit into memory is never written beside whatever folder the user happens to be in
    con.raw_sql("SET autoinstall_known_extensions = false")
    spill = Path(tempfile.gettempdir(), f"returnrisk-spill-{os.getpid()}").as_posix()
    con.raw_sql(f"SET temp_directory = '{spill}'")
    return con


@dataclass(frozen=True, slots=True)
class Store:
    """An opened store. `as_of(day)` is the only way to read it; `identity()` is for rendering a list."""

    con: Any
    manifest: Manifest
    contracts: Mapping[str, Contract]
    _tables: Mapping[str, Any]
    _absent: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def as_of(self, day: dt.date) -> View:
        """Every table as it was known at the end of `day`."""
        return View(store=self, day=day)

    def rewritten(self, change: Callable[[str, ir.Table], ir.Table], *, name: str) -> Store:
        """A store on the same engine, every table of which (all its versions) went through `change`; without identities.

        For asking what a computation would have seen had other rows been on file. `name` must say all that `change` depends on: two
        stores of one name count as one.
        """
        fingerprint = hashlib.sha256(f"{self.manifest.fingerprint} {name}".encode()).hexdigest()
        tables = {table: change(table, rows) for table, rows in self._tables.items() if not self.contracts[table].restricted}
        return replace(self, manifest=replace(self.manifest, fingerprint=fingerprint), _tables=tables)

    def delay_days(self, table: str) -> int:
        """Declared reporting delay of a table, in days."""
        stored = self.manifest.tables.get(table)
        return stored.delay_days if stored else self.contracts[table].delay_days

    def identity(self, day: dt.date) -> ir.Table | None:
        """Restricted: names, telephones, addresses as known on `day`, or None when none were delivered."""
        return _known(self._tables["identity"], day) if "identity" in self._tables else None

    def _versions(self, name: str) -> Any:
        """Every version of every row of a table; an empty table, made when it is first asked for, of one no office ever delivered."""
        import ibis

        if name in self._tables:
            return self._tables[name]
        if name not in self._absent:
            schema = {f.name: f.type for f in self.contracts[name].fields} | {
                "recorded_declared": "boolean",
                "superseded_on": "date",
            }
            unique = f"absent_{name}_{self.manifest.fingerprint[:12]}"
            self._absent[name] = self.con.create_table(unique, schema=ibis.schema(schema), temp=True, overwrite=True)
        return self._absent[name]

    def rows_recorded_by(self, day: dt.date) -> int:
        """Row versions of all tables recorded by the end of a day: when there are fewer than there were, rows were erased."""
        import ibis

        counts = [t.aggregate(n=t.count(where=t.recorded_on <= ibis.literal(day))) for name, t in sorted(self._tables.items())]
        return int(ibis.union(*counts).n.sum().execute()) if counts else 0

    def last_recorded_on(self) -> dt.date:
        """Latest recording day of any row: the last day a view can add to."""
        days = [t.recorded_on.max().execute() for n, t in sorted(self._tables.items()) if n != "identity"]
        known: list[dt.date] = [d.date() if hasattr(d, "date") else d for d in days if d is not None and d == d]  # noqa: PLR0124 (NaT)
        if not known:
            raise StoreError("the store holds no rows")
        return max(known)


@dataclass(frozen=True, slots=True)
class View:
    """The store as known at the end of `day`."""

    store: Store
    day: dt.date
    _seen: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    _days: dict[tuple[str, str], dt.date] = field(default_factory=dict, repr=False, compare=False)

    def table(self, name: str) -> ir.Table:
        """Canonical table `name` as known on the day: contract columns, one version per key.

        A table no office has ever delivered is an empty one: absence of rows never means zero by itself.

        Raises
        ------
        UnknownNameError
            No contract describes `name`, or it is restricted.
        """
        contracts = self.store.contracts
        if name not in contracts or contracts[name].restricted:
            raise UnknownNameError("table", name, [n for n, c in contracts.items() if not c.restricted])
        return self.derived(name, lambda: _known(self.store._versions(name), self.day))  # noqa: SLF001 (same module, same floor)

    def derived(self, name: str, make: Callable[[], ir.Table]) -> ir.Table:
        """A named view of the engine over this view's tables, made once.

        Expressions built on it stay small, and small expressions compile fast.
        """
        if name not in self._seen:
            unique = f"{name}_as_of_{self.day:%Y%m%d}_{self.store.manifest.fingerprint[:12]}"
            self._seen[name] = self.store.con.create_view(unique, make(), overwrite=True)
        return self._seen[name]

    @contextlib.contextmanager
    def kept(self, name: str, make: Callable[[], ir.Table]) -> Iterator[ir.Table]:
        """Hold `derived(name)` as a table, computed once, for as long as the block lasts."""
        unique = f"kept_{name}_{self.day:%Y%m%d}_{self.store.manifest.fingerprint[:12]}"
        before = self._seen.pop(name, None)
        self._seen[name] = self.store.con.create_table(unique, make(), temp=True, overwrite=True)
        try:
            yield self._seen[name]
        finally:
            self._seen.pop(name)
            if before is not None:
                self._seen[name] = before
            self.store.con.drop_table(unique)

    def delivered(self, table: str) -> ir.Table:
        """Calendar months of `table` that had arrived by the day: township_code, month_on (first day), period_start, period_end.

        One row per month of a delivered period (of up to twelve months); a month that came in two files has two.
        """
        return self.derived(f"delivered_{table}", lambda: _calendar(self.table("delivery"), table))

    def last_closed_on(self, table: str) -> dt.date:
        """Last day of the latest period of `table` whose reports were due by the day.

        The latest month end the declared delay allows; where offices report by the quarter, the end of the latest delivered period
        not more than a quarter before it.
        """
        import ibis

        due = last_closed_month_end(self.day, delay_days=self.store.delay_days(table))
        if ("closed", table) not in self._days:
            files = self.table("delivery")
            inside = (files.table_name == table) & (files.period_end <= ibis.literal(due))
            found = (
                files.filter(inside & (files.period_end > ibis.literal(add_months(due, -3)))).period_end.max().to_pyarrow().as_py()
            )
            self._days["closed", table] = due if found is None else month_end(found)
        return self._days["closed", table]


def _calendar(delivery: ir.Table, table: str) -> ir.Table:
    import ibis

    offsets = ibis.memtable({"k": list(range(12))}, schema={"k": "int64"})
    files = delivery.filter(delivery.table_name == table).cross_join(offsets)
    month_on = (files.period_start.truncate("M").cast("timestamp") + files.k.as_interval("M")).date()
    return (
        files.mutate(month_on=month_on)
        .filter(lambda t: t.month_on <= t.period_end)
        .select("township_code", "month_on", "period_start", "period_end")
        .distinct()
    )


def _known(table: ir.Table, day: dt.date) -> ir.Table:
    import ibis

    on = ibis.literal(day)
    visible = table.filter((table.recorded_on <= on) & (table.superseded_on.isnull() | (table.superseded_on > on)))
    return visible.drop("superseded_on")


def open_store(
    folder: Path, *, con: Any | None = None, contracts: Mapping[str, Contract] | None = None, verify: bool = True
) -> Store:
    """Open the store in `folder`.

    Raises
    ------
    StoreError
        There is none, it is of another schema, or a file is missing or changed.
    """
    manifest = read_manifest(folder)
    if verify:
        verify_files(folder, manifest)
    known = contracts or load_contracts()
    engine = con or connect()
    tables = {
        name: engine.read_parquet(folder / manifest.tables[name].file, table_name=f"stored_{name}_{manifest.fingerprint[:12]}")
        for name in known
        if name in manifest.tables
    }
    return Store(con=engine, manifest=manifest, contracts=known, _tables=tables)
