"""Published frames as Parquet: whole or absent, and the same bytes for the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.store.files import write_atomically

if TYPE_CHECKING:
    import pyarrow as pa


def write_table(table: pa.Table, path: Path) -> Path:
    """Write `table` as Parquet with page checksums; no pandas metadata, which would name library versions.

    Raises
    ------
    OSError
        The folder cannot be written or the disk is full; an older file at `path` is then untouched.

    Examples
    --------
    >>> import pyarrow as pa, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> table = pa.table({"n": [1, 2]})
    >>> write_table(table, folder / "a.parquet").read_bytes() == write_table(table, folder / "b.parquet").read_bytes()
    True
    """
    import pyarrow.parquet as pq

    plain = table.replace_schema_metadata(None)
    return write_atomically(path, lambda p: pq.write_table(plain, p, compression="zstd", write_page_checksum=True))
