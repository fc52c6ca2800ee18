"""Messy store against clean store, with the key: everything planted must come out as it must, and nothing else may change.

Both stores are compared row by row and value by value (`superseded_on` apart: it follows from the rows). Rows of the clean store that
the messy one lacks, and rows only the messy one has, must all be explained by the key; so must every refused and every repeated row of
the messy inbox.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from returnrisk.contracts import Contract, load_contracts
from returnrisk.simulate.messy.key import PlantedKey
from returnrisk.store.pseudonyms import pseudonymise
from returnrisk.store.tables import read_manifest
from returnrisk.store.view import connect

if TYPE_CHECKING:
    import ibis.expr.types as ir

SET_ASIDE = {"ING022": "n_blank", "ING023": "n_total", "ING024": "n_note", "ING025": "n_repeated_header"}
PLACE = ["file", "sheet", "row_number"]
COUNTED = ("recovered", "quarantined", "duplicate", "set_aside", "dropped", "added", "not_sent")


@dataclass(frozen=True, slots=True)
class Accounting:
    """What the reader says of the messy inbox: the frames of its report, as they are."""

    files: pd.DataFrame
    quarantine: pd.DataFrame
    duplicates: pd.DataFrame
    notices: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a messy inbox came out.

    Attributes
    ----------
    items
        The key's items with `met`: whether what must become of it became of it.
    lost
        Rows of the clean store that the messy store lacks, and no item explains: table_name, file, origin.
    extra
        Rows of the messy store that the clean store lacks, and no item explains: table_name and the key's pseudonyms.
    unplanned
        Rows of the messy inbox refused, called repetitions or set aside that no item explains: table_name, file, sheet, row_number
        (0: some row of the file), code.
    """

    items: pd.DataFrame
    lost: pd.DataFrame
    extra: pd.DataFrame
    unplanned: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """One row per kind and code: planted, what became of it as it must, and missed."""
        rows = []
        for (kind, code), items in self.items.groupby(["kind", "code"], sort=True):
            counts = {o: int(((items.outcome == o) & items.met).sum()) for o in COUNTED}
            rows.append({"kind": kind, "code": code, "planted": len(items), **counts, "missed": int((~items.met).sum())})
        return pd.DataFrame(rows, columns=["kind", "code", "planted", *COUNTED, "missed"])

    def is_whole(self) -> bool:
        """Nothing missed, lost, invented or refused without a planted reason."""
        return bool(self.items.met.all()) and not len(self.lost) and not len(self.extra) and not len(self.unplanned)


def compare(key: PlantedKey, *, clean_store: Path, messy_store: Path, accounting: Accounting, pseudonym_key: bytes) -> Comparison:
    """Hold the store of a messy inbox against the store of the clean one.

    Parameters
    ----------
    key
        From `write_messy_inbox`.
    clean_store, messy_store
        Store folders, made with the same `pseudonym_key`.
    accounting
        Of the messy inbox.

    Returns
    -------
    Comparison
        Per item whether it came out as it must, and everything the key does not explain.

    Raises
    ------
    StoreError
        A folder holds no store.
    """
    contracts = load_contracts()
    clean, messy = read_manifest(clean_store), read_manifest(messy_store)
    con = connect()
    parts = [
        _compare_table(
            key.items[key.items.table_name == name],
            key,
            contracts[name],
            clean=con.read_parquet(clean_store / clean.tables[name].file),
            messy=con.read_parquet(messy_store / messy.tables[name].file),
            pseudonym_key=pseudonym_key,
        )
        for name in sorted(clean.tables)
    ]
    lost_rows = pd.concat([p.lost for p in parts], ignore_index=True)
    items = pd.concat([p.items for p in parts], ignore_index=True)
    items["met"] = _met(items, accounting)
    explained = items[items.outcome.isin(["quarantined", "not_sent"])]
    lost = _without(lost_rows, explained, ["file", "origin"])
    extra = pd.concat([p.extra for p in parts], ignore_index=True)
    return Comparison(items=items, lost=lost, extra=extra, unplanned=_unplanned(items, accounting))


@dataclass(frozen=True, slots=True)
class _Part:
    """One table: its items with `is_lost` and `is_stored`, and the origins of lost and the keys of extra rows."""

    items: pd.DataFrame
    lost: pd.DataFrame
    extra: pd.DataFrame


def _compare_table(
    items: pd.DataFrame, key: PlantedKey, contract: Contract, *, clean: ir.Table, messy: ir.Table, pseudonym_key: bytes
) -> _Part:
    columns = [*contract.columns, "recorded_declared"]
    lost = _plain(clean.select(columns).difference(messy.select(columns), distinct=False).to_pandas(), contract)
    extra = _plain(messy.select(columns).difference(clean.select(columns), distinct=False).to_pandas(), contract)
    origins = _origins(key, contract, pseudonym_key)
    on = [c for c in origins.columns if c not in ("file", "origin")]
    lost = lost.reset_index(drop=True).rename_axis("lost").reset_index().merge(origins, on=on, how="left")
    lost, extra, kept_otherwise = _with_dropped_fields(lost, extra, items, contract)
    lost, extra, stored = _with_added(lost, extra, key.added, contract, pseudonym_key)
    gone = lost[["file", "origin"]].drop_duplicates()
    items = items.merge(gone.assign(is_lost=True), on=["file", "origin"], how="left")
    items["is_lost"] = items["is_lost"].eq(True) | (
        (items.row_number == 0) & items.file.isin(_files_with_other_losses(gone, items))
    )
    items["is_stored"] = np.where(items.outcome == "added", stored, kept_otherwise)
    return _Part(
        items=items,
        lost=gone.assign(table_name=contract.name)[["table_name", "file", "origin"]],
        extra=pd.DataFrame({"table_name": contract.name, "key": _key_texts(extra, contract)}),
    )


def _key_texts(rows: pd.DataFrame, contract: Contract) -> list[str]:
    """Key and recording day of each row as one text: pseudonyms, no natural number."""
    return [" ".join(map(str, values)) for values in rows[[*contract.key, "recorded_on"]].itertuples(index=False, name=None)]


def _files_with_other_losses(gone: pd.DataFrame, items: pd.DataFrame) -> set[str]:
    """Files with a lost row that no item explains: nothing said of the whole file holds."""
    explained = items[items.outcome.isin(["quarantined", "not_sent"])]
    return set(_without(gone, explained, ["file", "origin"]).file)


def _without(frame: pd.DataFrame, others: pd.DataFrame, on: list[str]) -> pd.DataFrame:
    marked = frame.merge(others[on].drop_duplicates(), on=on, how="left", indicator=True)
    return marked[marked["_merge"] == "left_only"].drop(columns="_merge").reset_index(drop=True)


def _plain(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Columns that merge alike: days as datetime64[s], money as text, the rest as it is, NULL as None."""
    out: dict[str, Any] = {}
    for name in frame.columns:
        values = frame[name]
        own = contract.field(name).type if name in contract.columns else "boolean"
        if own == "date":
            out[name] = pd.to_datetime(values).astype("datetime64[s]")
        elif own == "int64":
            out[name] = values.astype("Int64")
        else:
            out[name] = values.map(lambda v: None if v is None or v is pd.NA or v != v else str(v)).astype("str")  # noqa: PLR0124
    return pd.DataFrame(out)


def _origins(key: PlantedKey, contract: Contract, pseudonym_key: bytes) -> pd.DataFrame:
    """Typed key columns of every clean row of a table, with file and position."""
    parts = [
        frame.assign(file=file, origin=np.arange(len(frame)))
        for file, frame in key.origins.items()
        if key.tables[file] == contract.name
    ]
    if not parts:
        return pd.DataFrame({"file": pd.Series(dtype="str"), "origin": pd.Series(dtype="int64")})
    whole = pd.concat(parts, ignore_index=True)
    typed = {name: _typed(whole[name], name, contract, pseudonym_key) for name in whole.columns if name not in ("file", "origin")}
    return pd.DataFrame({**typed, "file": whole["file"], "origin": whole["origin"]})


def _typed(values: pd.Series[Any], name: str, contract: Contract, pseudonym_key: bytes) -> pd.Series[Any]:
    own = contract.field(name)
    if own.pseudonym:
        made: Mapping[str, int] = pseudonymise(values.dropna().unique().tolist(), kind=own.pseudonym, key=pseudonym_key)
        return values.map(made).astype("Int64")
    if own.type == "date":
        return pd.to_datetime(values.where(values.str.len() != len("2024-01"), values + "-01")).astype("datetime64[s]")
    if own.codes:
        values = values.map(own.codes)
    return values.astype("Int64") if own.type == "int64" else values.astype("str")


def _with_dropped_fields(
    lost: pd.DataFrame, extra: pd.DataFrame, items: pd.DataFrame, contract: Contract
) -> tuple[pd.DataFrame, pd.DataFrame, Any]:
    """Rows that differ only by a field whose column was left away are neither lost nor extra; and which items' rows those are."""
    met = np.ones(len(items), dtype=bool)
    compared = [*contract.columns, "recorded_declared"]
    for i, item in enumerate(_records(items)):
        name = item["field"]
        if item["outcome"] != "dropped" or name not in contract.columns:
            continue
        here = lost[(lost.file == item["file"]) & lost[name].notna()].copy()
        here[name] = pd.Series(pd.NA, index=here.index, dtype=here[name].dtype)
        pairs = here.merge(extra.rename_axis("extra").reset_index(), on=compared, how="inner")
        lost = lost[~lost["lost"].isin(pairs["lost"])]
        extra = extra[~extra.index.isin(pairs["extra"])]
        met[i] = len(pairs) > 0
    return lost, extra, met


def _with_added(
    lost: pd.DataFrame, extra: pd.DataFrame, added: pd.DataFrame, contract: Contract, pseudonym_key: bytes
) -> tuple[pd.DataFrame, pd.DataFrame, bool]:
    """Extra rows that were added on purpose are expected; and whether all of them are there."""
    own = added[added.table_name == contract.name] if len(added) else added
    if not len(own):
        return lost, extra, True
    names = [n for n in own.columns if n in contract.columns]
    expected = pd.DataFrame({n: _typed(own[n], n, contract, pseudonym_key) for n in names})
    pairs = expected.merge(extra.rename_axis("extra").reset_index(), on=names, how="inner")
    return lost, extra[~extra.index.isin(pairs["extra"])], pairs["extra"].nunique() == len(expected)


def _records(items: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in items.to_dict("records")]


def _met(items: pd.DataFrame, accounting: Accounting) -> Any:
    """Whether each item came out as it must."""
    refused = set(accounting.quarantine[[*PLACE, "code"]].itertuples(index=False, name=None))
    refused_at = {place[:3] for place in refused}
    repeated = set(accounting.duplicates[PLACE].itertuples(index=False, name=None))
    said = set(accounting.notices[["file", "code"]].itertuples(index=False, name=None))
    set_aside = _counts_agree(items, accounting.files)
    met = []
    for item in _records(items):
        place = (item["file"], item["sheet"], item["row_number"])
        has_notice = not item["code"] or (item["file"], item["code"]) in said
        is_right = {
            "recovered": not item["is_lost"] and place not in refused_at and has_notice,
            "quarantined": (item["is_lost"] or item["origin"] < 0) and (*place, item["code"]) in refused,
            "duplicate": not item["is_lost"] and place in repeated,
            "set_aside": (item["file"], item["code"]) in set_aside,
            "dropped": item["is_stored"] and has_notice,
            "added": item["is_stored"] and has_notice and place not in refused_at,
            "not_sent": item["is_lost"],
        }
        met.append(bool(is_right[item["outcome"]]))
    return np.array(met, dtype=bool)


def _counts_agree(items: pd.DataFrame, files: pd.DataFrame) -> set[tuple[str, str]]:
    """Files and codes where as many rows were set aside as were planted: a row that is no data has no number of its own."""
    planted = Counter((item["file"], item["code"]) for item in _records(items[items.outcome == "set_aside"]))
    found: Counter[tuple[str, str]] = Counter()
    for f in _records(files):
        found.update({(f["file"], code): f[column] for code, column in SET_ASIDE.items()})
    return {place for place, n in planted.items() if found[place] == n}


def _unplanned(items: pd.DataFrame, accounting: Accounting) -> pd.DataFrame:
    """Rows refused, called repetitions or set aside that nobody planted."""
    planned = items[items.outcome == "quarantined"]
    refused = _without(accounting.quarantine[["table_name", *PLACE, "code"]], planned, [*PLACE, "code"])
    again = accounting.duplicates[["table_name", *PLACE]].assign(code="ING021")
    repeated = _without(again, items[items.outcome == "duplicate"], PLACE)
    aside = items[items.outcome == "set_aside"]
    planted = Counter(zip(aside.file, aside.code, strict=True))
    others = [
        {"table_name": f["table_name"], "file": f["file"], "sheet": f["sheet"], "row_number": 0, "code": code}
        for f in _records(accounting.files)
        for code, column in SET_ASIDE.items()
        if f[column] > planted[f["file"], code]
    ]
    return pd.concat([refused, repeated, pd.DataFrame(others, columns=refused.columns)], ignore_index=True)
