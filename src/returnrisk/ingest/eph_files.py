"""Quarterly text files of the survey: found, checked byte by byte, and read as text into typed tables with a fate for every row.

Each file is decompressed once by Python before the engine sees it: that verifies the checksum (a truncated file is otherwise a file
with fewer rows), the number of columns of every line and the encoding, and counts the rows independently of the engine's parser.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.errors import IngestError, UsageError
from returnrisk.ingest.eph_mapping import FILE_KINDS, EphMapping, FileKind, FileLayout

if TYPE_CHECKING:
    import ibis.expr.types as ir

_QUARTER = re.compile(r"([12]\d{3})Q([1-4])")
_NAMED_QUARTER = re.compile(r"a(\d\d)t([1-4])(?!\d)")
_SUFFIX = ".tsv.gz"


@dataclass(frozen=True, slots=True)
class EphFile:
    """One file: `quarter` counts quarters (year x 4 + quarter - 1), `n_rows` without the header."""

    kind: FileKind
    path: Path
    name: str
    quarter: int
    columns: tuple[str, ...]
    n_rows: int


def quarter_number(text: str) -> int:
    """Number of a quarter written `2008Q1`, so that differences are true gaps.

    Raises
    ------
    UsageError
        Not a quarter.

    Examples
    --------
    >>> quarter_number("2009Q1") - quarter_number("2008Q4")
    1
    >>> quarter_number("2009-1")
    Traceback (most recent call last):
        ...
    returnrisk.errors.UsageError: '2009-1' is not a quarter; write it like 2008Q1
    """
    if not (match := _QUARTER.fullmatch(text)):
        raise UsageError(f"'{text}' is not a quarter; write it like 2008Q1")
    return int(match[1]) * 4 + int(match[2]) - 1


def quarter_text(number: int) -> str:
    """`2008Q1` of a quarter's number.

    Examples
    --------
    >>> quarter_text(quarter_number("2012Q4") + 1)
    '2013Q1'
    """
    return f"{number // 4}Q{number % 4 + 1}"


def find_files(folder: Path, mapping: EphMapping, *, quarters: tuple[str, str] | None) -> list[EphFile]:
    """Every quarter's two files, in order of quarter, checked.

    Parameters
    ----------
    folder
        Holds `hogar*.tsv.gz` and `indiv*.tsv.gz`, beside each other or in subfolders. A file named otherwise is told by its columns.
    quarters
        First and last quarter to read (`("2008Q1", "2010Q4")`), or None for all.

    Raises
    ------
    IngestError
        No files, a damaged one, a required column missing, a row with another number of cells, a quarter with one file of the two
        or with two of a kind.
    UsageError
        `quarters` is not a range of quarters.
    """
    first, last = (quarter_number(q) for q in quarters) if quarters else (0, 4 * 10**4)
    if first > last:
        raise UsageError(f"quarters {quarters} run backwards")
    if not folder.is_dir():
        raise IngestError(f"{folder.name}: no such folder; give the one that holds the EPH files")
    paths = sorted(folder.rglob(f"*{_SUFFIX}"))
    wanted = [
        f for f in (_open(path, folder, mapping) for path in paths if _may_be_of(path, first, last)) if first <= f.quarter <= last
    ]
    if not wanted:
        span = f" for {quarters[0]} to {quarters[1]}" if quarters else ""
        raise IngestError(f"{folder.name}: no EPH files (*{_SUFFIX}){span}; {len(paths)} others")
    _refuse_unpaired(wanted)
    order = {kind: i for i, kind in enumerate(FILE_KINDS)}
    return [_scanned(f) for f in sorted(wanted, key=lambda f: (f.quarter, order[f.kind]))]


def _named_quarter(path: Path) -> int | None:
    """Quarter that a name like `hogar_a08t1.tsv.gz` states (the survey in this form began in 2003)."""
    match = _NAMED_QUARTER.search(path.name)
    return (2000 + int(match[1])) * 4 + int(match[2]) - 1 if match else None


def _may_be_of(path: Path, first: int, last: int) -> bool:
    """Whether a file can be of the quarters asked for: one that is named for another is not even opened."""
    named = _named_quarter(path)
    return named is None or first <= named <= last


def _refuse_unpaired(files: list[EphFile]) -> None:
    by_quarter: defaultdict[int, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for f in files:
        by_quarter[f.quarter][f.kind].append(f.name)
    problems = []
    for quarter, kinds in sorted(by_quarter.items()):
        for kind in FILE_KINDS:
            if not kinds[kind]:
                there = ", ".join(name for names in kinds.values() for name in names)
                problems.append(f"{quarter_text(quarter)} has no {kind} file (there is {there})")
            elif len(kinds[kind]) > 1:
                problems.append(f"{quarter_text(quarter)} has {len(kinds[kind])} {kind} files: {', '.join(kinds[kind])}")
    if problems:
        raise IngestError("each quarter needs one household and one person file:\n  " + "\n  ".join(problems))


def _open(path: Path, folder: Path, mapping: EphMapping) -> EphFile:
    """Kind, columns and quarter, from the name, the header and the first row."""
    name = path.relative_to(folder).as_posix()
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as text:
            header, first = text.readline().rstrip("\r\n").split("\t"), text.readline().rstrip("\r\n").split("\t")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise IngestError(
            f"{name} cannot be read as gzip-compressed UTF-8 text ({type(error).__name__}): fetch it again"
        ) from error
    if header == [""]:
        raise IngestError(f"{name} is empty: fetch it again")
    if repeated := sorted({c for c in header if header.count(c) > 1}):
        raise IngestError(f"{name} names column {', '.join(repeated)} more than once")
    layout = _layout_of(path, header, mapping, name=name)
    if missing := sorted(layout.required - set(header)):
        raise IngestError(f"{name} lacks column {', '.join(missing)}, which a {layout.kind} file needs")
    row = dict(zip(header, first, strict=False))
    year, quarter = (row.get(layout.roles[role], "") for role in ("year", "quarter"))
    if not (re.fullmatch(r"[12]\d{3}", year) and re.fullmatch(r"[1-4]", quarter)):
        raise IngestError(
            f"{name}: the first row gives no year and quarter in {layout.roles['year']} and {layout.roles['quarter']}"
        )
    number = int(year) * 4 + int(quarter) - 1
    if _named_quarter(path) not in (None, number):
        raise IngestError(f"{name} holds {quarter_text(number)}, which is not the quarter of its name")
    return EphFile(kind=layout.kind, path=path, name=name, quarter=number, columns=tuple(header), n_rows=-1)


def _layout_of(path: Path, header: list[str], mapping: EphMapping, *, name: str) -> FileLayout:
    layouts = (mapping.household_file, mapping.person_file)
    for layout in layouts:
        if path.name.lower().startswith(layout.name_starts_with):
            return layout
    if mapping.person_file.roles["component"] in header:
        return mapping.person_file
    if mapping.household_file.roles["interviewed"] in header:
        return mapping.household_file
    raise IngestError(
        f"{name} is neither a household nor a person file: its name does not start with "
        f"{' or '.join(layout.name_starts_with for layout in layouts)}, and the columns that tell them apart are not there"
    )


def _scanned(file: EphFile) -> EphFile:
    """The same with its rows counted; every line decompressed and held to the header's number of cells."""
    tabs, n_rows, line_number = len(file.columns) - 1, 0, 0
    try:
        with gzip.open(file.path, "rb") as lines:
            for line_number, line in enumerate(lines, start=1):
                if line.count(b"\t") != tabs and line.strip():
                    raise IngestError(
                        f"{file.name}: line {line_number} has {line.count(bytes([9])) + 1} cells, the header has {tabs + 1}"
                    )
                if not line.isascii():
                    line.decode("utf-8")
                n_rows += bool(line.strip())
    except UnicodeDecodeError as error:
        raise IngestError(f"{file.name}: line {line_number} is not UTF-8; convert the file or fetch it again") from error
    except (OSError, EOFError, zlib.error) as error:
        raise IngestError(
            f"{file.name} is truncated or damaged after line {line_number} ({type(error).__name__}): fetch it again"
        ) from error
    return EphFile(kind=file.kind, path=file.path, name=file.name, quarter=file.quarter, columns=file.columns, n_rows=n_rows - 1)


def load_typed(con: Any, files: list[EphFile], layout: FileLayout, *, table_name: str) -> ir.Table:
    """Rows of all files of one kind as a temporary table: roles and codes as whole numbers, amounts as decimal(18,2).

    Columns: the roles' names (`dwelling` string; `q`, the quarter's number, in place of year and quarter), coded and amount columns
    under the survey's own names, and `file` (its path). What cannot be read as a number, and a column a file lacks, is NULL.

    Raises
    ------
    IngestError
        The engine cannot read a file, counts its rows otherwise than `find_files` did, or finds rows of another quarter.

    Notes
    -----
    Files are read in groups of the same header, with the header's columns stated: sniffing them cost twice the reading.
    """
    import duckdb
    import ibis

    groups: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for f in files:
        if f.kind == layout.kind:
            groups[f.columns].append(str(f.path))
    views = {f"{table_name}_{i}": group for i, group in enumerate(sorted(groups.items()))}
    try:
        parts = [_typed(_as_text(con, view, *group), layout) for view, group in views.items()]
        table: ir.Table = con.create_table(table_name, ibis.union(*parts) if len(parts) > 1 else parts[0], temp=True)
    except duckdb.Error as error:
        # The engine quotes the offending row, which may not be shown.
        raise IngestError(f"the {layout.kind} files cannot be read as tab-separated text ({type(error).__name__})") from None
    finally:
        for view in views:
            con.drop_view(view, force=True)
    _refuse_lost_or_foreign_rows(table, files, layout.kind)
    return table


def _as_text(con: Any, view: str, header: tuple[str, ...], paths: list[str]) -> ir.Table:
    text: ir.Table = con.read_csv(
        paths,
        table_name=view,
        columns=dict.fromkeys(header, "string"),
        delim="\t",
        header=True,
        quote="",  # 2008Q1 has a stray quote
        escape="",
        filename="file",
    )
    return text


def _typed(text: ir.Table, layout: FileLayout) -> ir.Table:
    import ibis

    def column(name: str, type_: str) -> Any:
        return text[name].try_cast(type_) if name in text.columns else ibis.null(type_)

    roles = {r: c for r, c in layout.roles.items() if r not in ("dwelling", "year", "quarter", "income", "income_per_head")}
    q = column(layout.roles["year"], "int64") * 4 + column(layout.roles["quarter"], "int64") - 1
    exact = {r: column(layout.roles[r], "decimal(18,2)") for r in ("income", "income_per_head") if r in layout.roles}
    return text.select(
        file=text.file,
        dwelling=text[layout.roles["dwelling"]].strip().nullif("").nullif("None"),
        q=q.cast("int64"),
        **{role: column(name, "int64") for role, name in roles.items()},
        **exact,
        **{name: column(name, "int16") for name in layout.coded},
        **{name: column(name, "decimal(18,2)") for name in layout.amounts},
    )


def _refuse_lost_or_foreign_rows(table: ir.Table, files: list[EphFile], kind: FileKind) -> None:
    """Hold the engine's rows to the independent count of each file, and each file to its one quarter."""
    rows = table.group_by("file", "q").agg(n=table.count()).to_pyarrow().to_pylist()
    problems = []
    for f in files:
        if f.kind != kind:
            continue
        here = {row["q"]: row["n"] for row in rows if Path(row["file"]).resolve() == f.path.resolve()}
        if foreign := sum(n for q, n in here.items() if q != f.quarter):
            problems.append(f"{f.name}: {foreign} rows are not of {quarter_text(f.quarter)}")
        if sum(here.values()) != f.n_rows:
            problems.append(f"{f.name}: {f.n_rows} rows in the file, {sum(here.values())} read")
    if problems:
        raise IngestError("the files cannot be read as they are:\n  " + "\n  ".join(sorted(problems)))
