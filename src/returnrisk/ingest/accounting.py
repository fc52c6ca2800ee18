"""Row accounting: every input row ends accepted, duplicate of another, or quarantined because; nothing is lost silently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.errors import IngestError

if TYPE_CHECKING:
    import pandas as pd

QUARANTINE_COLUMNS = ("table_name", "file", "sheet", "row_number", "code", "field", "text_zh", "text_en")
DUPLICATE_COLUMNS = ("table_name", "file", "sheet", "row_number", "of_file", "of_sheet", "of_row_number")
FILE_COLUMNS = (
    "table_name", "file", "sheet", "sha256", "n_input", "n_accepted", "n_duplicate", "n_quarantined", "n_withdrawn", "n_blank", "unknown_columns", "n_unknown_cells",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of every row.

    Attributes
    ----------
    files
        One row per file and sheet: counts that add up (n_input = n_accepted + n_duplicate + n_quarantined), blank and withdrawn rows
        apart, and the columns nobody asked for with the number of filled cells dropped.
    quarantine
        One row per quarantined input row and reason: file, sheet, row number, code, field, text in both languages. No cell value.
    duplicates
        One row per duplicate input row, naming the row it repeats.
    corrections
        One row per line of a quarantine workbook sent back: the row it is about and what became of it. Corrected rows are counted
        in the file they were first sent in; rows the office has withdrawn since are `n_withdrawn` there and no longer input.
    """

    files: pd.DataFrame
    quarantine: pd.DataFrame
    duplicates: pd.DataFrame
    corrections: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Counts by table."""
        counts = ["n_input", "n_accepted", "n_duplicate", "n_quarantined", "n_withdrawn", "n_blank"]
        by_table = self.files.groupby("table_name", sort=True)
        return by_table[counts].sum().assign(n_files=by_table["file"].nunique()).reset_index()

    def require_balance(self) -> None:
        """IngestError when a file's counts do not add up (a defect of this package, never of the data)."""
        f = self.files
        off = f[f.n_input != f.n_accepted + f.n_duplicate + f.n_quarantined]
        if len(off):
            raise IngestError(f"row accounting does not add up for {', '.join(off.file)}: nothing was written; please report this")


def frame_of(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    """A DataFrame of `rows` with these columns, sorted by all of them, also when there are none."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(columns))
    return frame.sort_values(list(columns), kind="stable").reset_index(drop=True)
