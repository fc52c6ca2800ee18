"""The county as the files its departments send: Chinese headers and labels, monthly and yearly, in two encodings, with a few faults.

Only rows recorded by the county's last day are written: what is on file that day. Duplicate rows and cells that are no number are
planted at the rates of `parameters.toml`, and `planted_faults` names every one.
"""

from __future__ import annotations

import datetime as dt
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from returnrisk.contracts import Contract, load_contracts
from returnrisk.simulate.county import SimulatedCounty

XLSX_FILES = {
    "village": "行政村名单",
    "household": "农户基本信息",
    "household_roster": "家庭成员关系",
    "identity": "户主联系信息",
    "line": "监测线",
    "monitoring": "监测对象",
    "support": "帮扶措施",
    "hazard": "灾害事件",
    "price": "农产品价格",
    "visitor": "走访力量",
}
YEARLY_CSV = {
    "industry_project": ("产业项目", "recorded_on"),
    "expense": ("刚性支出", "period_end"),
    "disability": ("残疾人证", "recorded_on"),
    "disaster": ("农户受灾", "happened_on"),
    "employment": ("就业务工", "recorded_on"),
    "schooling": ("在学情况", "term_start"),
    "loan": ("贷款信息", "recorded_on"),
    "insurance": ("保险参保", "recorded_on"),
    "signal": ("风险线索", "raised_on"),
    "visit": ("入户走访", "visited_on"),
    "asset": ("经济状况核对", "checked_on"),
    "authorisation": ("授权书", "recorded_on"),
    "objection": ("异议申诉", "recorded_on"),
}
"""Name of the file, and the day that tells its year; no rows, no file."""
BAD_AMOUNTS = ("待核实", "约3000", "见附表")
_CREATED = dt.datetime(2020, 1, 1)  # noqa: DTZ001 (a fixed property, so that the same data give the same bytes)


@dataclass(frozen=True, slots=True)
class InboxFile:
    """One file to be written: text and number columns under Chinese headers."""

    name: str
    frame: pd.DataFrame
    encoding: str


def write_inbox(county: SimulatedCounty, folder: Path) -> list[Path]:
    """Write everything on file at the county's end as departments would send it.

    Parameters
    ----------
    county
        From `simulate_county`.
    folder
        Made if it is not there; files of the same names are replaced.

    Returns
    -------
    list of Path
        The files, sorted by name. The same county gives the same bytes.

    Examples
    --------
    >>> import tempfile
    >>> from returnrisk.simulate import simulate_county
    >>> county = simulate_county(n_households=60, months=4, start=dt.date(2024, 1, 1), seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     names = [path.name for path in write_inbox(county, Path(folder))]
    >>> [name for name in names if name.startswith(('行政村', '补贴'))]
    ['行政村名单.xlsx', '补贴发放_2023.csv', '补贴发放_2024.csv']
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for file in inbox_files(county):
        path = folder / file.name
        if path.suffix == ".csv":
            path.write_bytes(_csv_bytes(file))
        else:
            _write_xlsx(file, path)
        paths.append(path)
    return sorted(paths)


def planted_faults(county: SimulatedCounty) -> pd.DataFrame:
    """Every fault that `write_inbox` plants.

    Returns
    -------
    DataFrame
        One row per fault: file, kind (`duplicate` or `bad_amount`), row (1 is the first line after the header; for a duplicate,
        the repetition), column (empty for a duplicate).
    """
    parts = [faults for _, faults in _faulty_files(county)]
    columns = {"file": "str", "kind": "str", "row": "int64", "column": "str"}
    return pd.concat([pd.DataFrame(columns=list(columns)).astype(columns), *parts], ignore_index=True)


def inbox_files(county: SimulatedCounty) -> Iterator[InboxFile]:
    """The files of `write_inbox`, not yet written."""
    for file, _ in _faulty_files(county):
        yield file


def _faulty_files(county: SimulatedCounty) -> Iterator[tuple[InboxFile, pd.DataFrame]]:
    """Files with their faults planted, and the key to the faults."""
    nothing = pd.DataFrame({"file": [], "kind": [], "row": [], "column": []})
    p = county.parameters.export
    for table, name in XLSX_FILES.items():
        yield InboxFile(f"{name}.xlsx", _labelled(_on_file(county, table), load_contracts()[table]), "xlsx"), nothing
    yield InboxFile("数据送达登记.csv", _labelled(_on_file(county, "delivery"), load_contracts()["delivery"]), "utf-8-sig"), nothing
    for name, year, frame, amounts in _csv_parts(county):
        encoding = "gb18030" if year == p.gb18030_year else "utf-8-sig"
        rng = np.random.default_rng([county.seed, zlib.crc32(name.encode())])
        planted, faults = _plant(rng, frame, amounts, p_duplicate=p.p_duplicate_row, p_bad=p.p_bad_cell)
        yield InboxFile(name, planted, encoding), faults.assign(file=name)


def _csv_parts(county: SimulatedCounty) -> Iterator[tuple[str, int, pd.DataFrame, list[str]]]:
    """Name, year, content and amount columns of every csv file that may carry faults."""
    members = _labelled(_on_file(county, "member"), load_contracts()["member"])
    yield "家庭成员信息.csv", 0, members, []
    yield from _ledger_parts(county)
    for table, (name, day) in YEARLY_CSV.items():
        on_file, contract = _on_file(county, table), load_contracts()[table]
        for year, rows in on_file.groupby(on_file[day].dt.year, sort=True):
            yield f"{name}_{year}.csv", int(str(year)), _labelled(rows, contract), []
    claims = _on_file(county, "medical")
    label = load_contracts()["medical"].field
    amounts = [label(c).label_zh for c in claims.columns if c.endswith("_cny")]
    for period, rows in claims.groupby(claims["treated_on"].dt.strftime("%Y-%m"), sort=True):
        yield f"医疗费用结算_{period}.csv", int(str(period)[:4]), _labelled(rows, load_contracts()["medical"]), amounts
    subsidies = _on_file(county, "subsidy")
    for year, rows in subsidies.groupby(subsidies["period_start"].dt.year, sort=True):
        frame = _labelled(rows, load_contracts()["subsidy"]).rename(columns={"所属期起": "月份"})
        frame["月份"] = frame["月份"].str.slice(0, 7)
        yield f"补贴发放_{year}.csv", int(str(year)), frame, []


def _ledger_parts(county: SimulatedCounty) -> Iterator[tuple[str, int, pd.DataFrame, list[str]]]:
    ledger = county.ledger[county.ledger["recorded_on"] <= pd.Timestamp(county.end)]
    amounts = [column.header for column in load_contracts()["income"].wide_columns]
    wide = ledger[amounts].astype("Int64")
    wide.insert(0, "户编号", ledger["household_id"])
    wide.insert(1, "月份", ledger["period_start"].dt.strftime("%Y-%m"))
    wide["登记日期"] = ledger["recorded_on"].dt.strftime("%Y-%m-%d")
    for month, rows in wide.groupby(ledger["file_month"], sort=True):
        year, calendar = divmod(int(str(month)), 12)
        yield f"收入台账_{year}-{calendar + 1:02d}.csv", year, rows.reset_index(drop=True), amounts


def _on_file(county: SimulatedCounty, table: str) -> pd.DataFrame:
    frame = county.tables[table]
    return frame[frame["recorded_on"] <= pd.Timestamp(county.end)].reset_index(drop=True)


def _labelled(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Chinese headers, labels for codes, 是/否, dates and long codes as text."""
    columns: dict[str, Any] = {}
    for field in (f for f in contract.fields if f.name in frame):
        values = frame[field.name].reset_index(drop=True)
        if field.codes:
            labels: dict[Any, str] = {}
            for label, code in field.codes.items():
                labels.setdefault(code, label)
            values = values.map(labels)
        elif field.type == "boolean":
            values = values.map({True: "是", False: "否"})
        elif field.type == "date":
            values = values.dt.strftime("%Y-%m-%d")
        elif field.name.endswith("_code"):
            values = values.astype("str")
        columns[field.label_zh] = values
    return pd.DataFrame(columns)


def _plant(
    rng: np.random.Generator, frame: pd.DataFrame, amounts: list[str], *, p_duplicate: float, p_bad: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make some amounts no number, then repeat some rows at the end."""
    n = len(frame)
    faults: list[tuple[str, int, str]] = []
    bad = np.flatnonzero(rng.random(n) < p_bad) if amounts else np.empty(0, dtype=np.int64)
    spoilt = frame.copy()
    for row in bad.tolist():
        filled = [a for a in amounts if not pd.isna(frame[a].iloc[row])]
        column = filled[int(rng.integers(len(filled)))]
        if spoilt[column].dtype != object:
            spoilt[column] = _as_text(spoilt[column])
        spoilt.loc[row, column] = BAD_AMOUNTS[int(rng.integers(len(BAD_AMOUNTS)))]
        faults.append(("bad_amount", row + 1, column))
    again = np.setdiff1d(np.flatnonzero(rng.random(n) < p_duplicate), bad)
    faults += [("duplicate", n + 1 + i, "") for i in range(len(again))]
    planted = pd.concat([spoilt, spoilt.iloc[again]], ignore_index=True) if len(again) else spoilt
    return planted, pd.DataFrame(faults, columns=["kind", "row", "column"])


def _as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers as the csv shows them; missing stays missing."""
    decimals = column.dtype.kind == "f"
    return column.map(lambda v: None if pd.isna(v) else f"{v:.2f}" if decimals else str(int(v))).astype(object)


def _csv_bytes(file: InboxFile) -> bytes:
    import pyarrow as pa
    import pyarrow.csv as pc

    columns = []
    for name in file.frame.columns:
        array = pa.Array.from_pandas(file.frame[name])
        if pa.types.is_floating(array.type):
            array = array.cast(pa.decimal128(18, 2))
        columns.append(array.cast(pa.string()))
    sink = io.BytesIO()
    options = pc.WriteOptions(quoting_style="needed")
    pc.write_csv(pa.Table.from_arrays(columns, names=list(file.frame.columns)), sink, options)
    text = sink.getvalue().decode("utf-8").replace("\n", "\r\n")
    return text.encode(file.encoding)


def _write_xlsx(file: InboxFile, path: Path) -> None:
    """Text cells for everything that is not a quantity; fixed creation date."""
    import xlsxwriter

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        book.set_properties({"created": _CREATED})
        sheet = book.add_worksheet("数据")
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, list(file.frame.columns))
        frame = file.frame.astype(object).where(file.frame.notna(), None)
        for row, values in enumerate(frame.itertuples(index=False, name=None), start=1):
            for column, value in enumerate(values):
                if isinstance(value, str):
                    sheet.write_string(row, column, value)
                elif value is not None:
                    sheet.write_number(row, column, value)
