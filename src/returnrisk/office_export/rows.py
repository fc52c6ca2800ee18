"""The rows of an output file: those of its table that the filter takes, with fields of other tables joined by household or village."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from returnrisk.errors import UsageError
from returnrisk.office_export.cells import code_of
from returnrisk.office_export.mapping import ExportFile
from returnrisk.office_export.tables import ExportTable, export_tables
from returnrisk.screening import Screening
from returnrisk.screening.neutral_rules import neutral_alerts, neutral_rules
from returnrisk.store.pseudonyms import pseudonym_text
from returnrisk.store.view import View

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


NEUTRAL_ALERTS = "alerts under neutral words"


@dataclass(frozen=True, slots=True)
class FileRows:
    """The selected rows of one file, in the order of their keys.

    Attributes
    ----------
    n_all
        Rows of the table before the filter.
    households, keys
        Per row: the household's pseudonym as people read it, and what else names the row; no personal data.
    values
        Per column of the layout: one value per row (None: unknown); an empty list for a constant or a blank column.
    """

    n_all: int
    households: list[str]
    keys: list[str]
    values: list[list[Any]]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the fields of a layout come from; every table is fetched once."""

    screening: Screening
    view: View
    identities: pd.DataFrame | None
    tables: Mapping[str, ExportTable] = field(default_factory=export_tables)
    _read: dict[str, pa.Table] = field(default_factory=dict, repr=False)

    def table(self, name: str) -> pa.Table:
        """A table of the catalogue as Arrow."""
        if name not in self._read:
            self._read[name] = self._fetch(name)
        return self._read[name]

    def _fetch(self, name: str) -> pa.Table:
        import pyarrow as pa

        screening = self.screening
        if name.startswith("income_"):
            found: pa.Table = getattr(screening.income, name.removeprefix("income_"))
            return found
        if name in ("alerts", NEUTRAL_ALERTS):
            frame = screening.alerts
            if name == NEUTRAL_ALERTS:
                frame = neutral_alerts(frame, neutral_rules(screening.rules, frame))
            frame = frame.drop(columns="records")
            return pa.table({c: pa.array(frame[c].tolist(), from_pandas=True) for c in frame.columns})
        if name == "identity":
            return _identity_table(self.identities)
        if name in ("household", "village", "monitoring"):
            known = self.view.table(name)
            known = known.mutate(township_code=known.village_code // 1000) if name == "village" else known
            return known.to_pyarrow()
        return screening.households if name == "household_facts" else getattr(screening, name)

    def rows(self, file: ExportFile) -> FileRows:
        """The selected rows of a file."""
        own = self.tables[file.table]
        table = self.table(NEUTRAL_ALERTS if (file.table, file.complaints) == ("alerts", "neutral") else file.table)
        table = table.sort_by([(name, "ascending") for name in ("household_id", *own.keys)])
        chosen = table
        for reference, codes in file.where.items():
            kind = self.tables[reference[0]].fields[reference[1]].kind
            values = self._values(chosen, file.table, reference)
            chosen = chosen.filter(_mask([code_of(v, kind) in codes for v in values]))
        return FileRows(
            n_all=table.num_rows,
            households=[pseudonym_text(h) for h in chosen["household_id"].to_pylist()],
            keys=_keys(chosen, own),
            values=[self._values(chosen, file.table, (c.table, c.field)) if c.field else [] for c in file.columns],
        )

    def _values(self, rows: pa.Table, table: str, reference: tuple[str, str]) -> list[Any]:
        place, name = reference
        if place == table:
            return [_plain(v) for v in rows[name].to_pylist()]
        other = self.table(place)
        key = "village_code" if place == "village" else "household_id"
        mine = (
            rows[key]
            if key in rows.column_names
            else _looked_up(self.table("household"), rows["household_id"], "household_id", key)
        )
        return [_plain(v) for v in _looked_up(other, mine, key, name).to_pylist()]


def _looked_up(table: pa.Table, wanted: Any, key: str, name: str) -> Any:
    """`name` of the rows of `table` whose key is wanted; null where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = table[key].combine_chunks() if isinstance(table[key], pa.ChunkedArray) else table[key]
    return table[name].take(pc.index_in(wanted.cast(known.type), value_set=known, skip_nulls=True))


def _mask(chosen: list[bool]) -> Any:
    import pyarrow as pa

    return pa.array(chosen, pa.bool_())


def _plain(value: Any) -> Any:
    """A value without a clock, and no number where there is none."""
    if isinstance(value, dt.datetime):
        return value.date()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _keys(rows: pa.Table, table: ExportTable) -> list[str]:
    columns = [rows[name].to_pylist() for name in table.keys]
    texts = (zip(*columns, strict=True)) if columns else iter([()] * rows.num_rows)
    return [" ".join(f"{name}={value}" for name, value in zip(table.keys, row, strict=True)) for row in texts]


def _identity_table(identities: pd.DataFrame | None) -> pa.Table:
    import pyarrow as pa

    if identities is None:
        raise UsageError("EXP201 the layout asks for identities: give them")
    texts = {c: pa.array(identities[c].tolist(), pa.string(), from_pandas=True) for c in identities.columns if c != "household_id"}
    return pa.table({"household_id": pa.array(identities["household_id"].tolist(), pa.int64()), **texts})
