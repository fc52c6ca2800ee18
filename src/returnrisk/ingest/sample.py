"""The top of a file of unknown layout as rows of text: nothing is recognised yet, nothing but cell types is interpreted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from returnrisk.errors import IngestError
from returnrisk.ingest.codes import stop
from returnrisk.ingest.readers import DELIMITERS, READABLE, TEXT_KINDS, WORKBOOK_KINDS, decode
from returnrisk.ingest.suggest_columns import DISTINCT, SampledColumn, right_share

ROWS = 2000
"""So many rows from the top are looked at."""


@dataclass(frozen=True, slots=True)
class SampledSheet:
    """The first rows of one sheet as trimmed text, all of one width; None is an empty cell."""

    file: str
    sheet: str
    rows: tuple[tuple[str | None, ...], ...]

    def columns(self, below: int, levels: Sequence[tuple[str, ...]]) -> list[SampledColumn]:
        """Columns of the rows from `below` on; those without header and without cells are left out."""
        import pyarrow as pa

        rows = [row for row in self.rows[below:] if any(row)]
        found = []
        for j, own in enumerate(levels):
            counts = Counter(row[j] for row in rows if j < len(row) and row[j] is not None)
            if not own and not counts:
                continue
            # the commonest cells, and of equally common ones always the same
            common = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))[:DISTINCT]
            cells = pa.array([cell for cell, _ in common], pa.string())
            n = tuple(n for _, n in common)
            n_rows = sum(n) + len(rows) - sum(counts.values())
            found.append(SampledColumn(j, tuple(own), cells, n, sum(n), n_rows, right_share(cells, n)))
        return found


def sample_file(path: Path) -> list[SampledSheet]:
    """The top of every visible sheet.

    Raises
    ------
    IngestError
        Empty, damaged, of an unknown kind or encoding.
    """
    kind = path.suffix.lower()
    if kind in TEXT_KINDS:
        return [SampledSheet(path.name, "", _even(_text_rows(decode(path).text)))]
    if kind in WORKBOOK_KINDS:
        return [SampledSheet(path.name, name, _even(rows)) for name, rows in _workbook_rows(path)]
    if kind == ".parquet":
        return [SampledSheet(path.name, "", _even(_parquet_rows(path)))]
    raise IngestError(
        stop("ING003", path.name, f"files of kind '{path.suffix}' are not read; expected one of {', '.join(READABLE)}")
    )


def _even(rows: Sequence[Sequence[str | None]]) -> tuple[tuple[str | None, ...], ...]:
    width = max((len(row) for row in rows), default=0)
    return tuple((*row, *[None] * (width - len(row))) for row in rows)


def _text_rows(text: str) -> list[list[str | None]]:
    """Records under the delimiter that cuts most of them into equally many cells."""
    import csv
    import io

    best: tuple[int, list[list[str | None]]] = (0, [])
    for delimiter in DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [[cell.strip() or None for cell in record] for record in islice(reader, ROWS)]
        widths = Counter(len(row) for row in rows if len(row) > 1)
        agreeing = max((n * width for width, n in widths.items()), default=0)
        if agreeing > best[0]:
            best = (agreeing, rows)
    return best[1]


def _workbook_rows(path: Path) -> list[tuple[str, list[list[str | None]]]]:
    from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

    try:
        book = CalamineWorkbook.from_path(str(path))
        visible = [m.name for m in book.sheets_metadata if m.visible == SheetVisibleEnum.Visible]
        read = {name: book.get_sheet_by_name(name) for name in visible}
        contents = {name: sheet.to_python(skip_empty_area=False, nrows=ROWS) for name, sheet in read.items()}
        merged = {name: sheet.merged_cell_ranges or () for name, sheet in read.items()}
    except (CalamineError, OSError, ValueError) as error:
        raise IngestError(
            stop("ING004", path.name, f"it cannot be read ({type(error).__name__}): open it and save it again")
        ) from error
    sheets = []
    for name, rows in contents.items():
        texts = [[_cell_text(cell) for cell in row] for row in rows]
        for (first, left), (last, right) in merged[name]:
            for i in range(first, min(last + 1, len(texts))):
                for j in range(left, min(right + 1, len(texts[i]))):
                    texts[i][j] = texts[first][left]
        sheets.append((name, texts))
    return sheets


def _cell_text(cell: Any) -> str | None:
    import datetime as dt

    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, dt.datetime | dt.date):
        return cell.isoformat()[:10]
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else f"{cell:.6f}".rstrip("0").rstrip(".")
    return str(cell).strip() or None if cell is not None else None


def _parquet_rows(path: Path) -> list[list[str | None]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        batch = next(pq.ParquetFile(path).iter_batches(batch_size=ROWS), None)
        names = pq.ParquetFile(path).schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise IngestError(stop("ING004", path.name, f"it cannot be read as Parquet ({type(error).__name__})")) from None
    rows = [[_cell_text(v) for v in record.values()] for record in (batch.to_pylist() if batch is not None else [])]
    return [list(names), *rows]
