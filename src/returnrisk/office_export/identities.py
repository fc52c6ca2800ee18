"""Names, telephones and the office's own household numbers: what a layout asks for must be there, and no identity number among it."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.contracts import load_contracts
from returnrisk.errors import ContractViolation, DataError, UsageError
from returnrisk.ingest.id_numbers import id_number_verdicts
from returnrisk.ingest.spelling import plain_text
from returnrisk.store.pseudonyms import pseudonymise

if TYPE_CHECKING:
    import pandas as pd

_EIGHTEEN = re.compile(r"(?<![0-9])[0-9]{17}[0-9Xx](?![0-9])")


def household_numbers(numbers: Iterable[str], *, key: bytes) -> pd.DataFrame:
    """The office's own household numbers beside their pseudonyms, for `identities`.

    Parameters
    ----------
    numbers
        As the office's file has them (the register of households, read again by whoever holds it).
    key
        The project's key (`store.pseudonyms.read_key`).

    Returns
    -------
    DataFrame, one row per household, by household_id: household_id, household_number (text). Restricted, as every identity.

    Examples
    --------
    >>> household_numbers(["A-0001", " a-0001", "A-0002"], key=b"sixteen bytes at least")["household_number"].tolist()
    ['A-0001', 'A-0002']
    """
    import pandas as pd

    made = pseudonymise(sorted({plain_text(number) for number in numbers}), kind="household", key=key)
    frame = pd.DataFrame({"household_id": list(made.values()), "household_number": list(made)}).drop_duplicates("household_id")
    ordered: pd.DataFrame = frame.sort_values("household_id", ignore_index=True)
    return ordered


def read_household_numbers(path: Path) -> list[str]:
    r"""Household numbers of a csv file (UTF-8 or GB18030) with a column 户编号, such as the office's own list of households.

    Raises
    ------
    DataError
        No such column, or not a text file.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "list.csv")
    >>> _ = file.write_text("户号,村\nA-0001,甲村\n", encoding="gb18030")
    >>> read_household_numbers(file)
    ['A-0001']
    """
    field = load_contracts()["household"].field("household_id")
    wanted = (field.label_zh, *field.aliases, field.name)
    raw = path.read_bytes()
    for encoding in ("utf-8-sig", "gb18030"):
        with contextlib.suppress(UnicodeDecodeError):
            rows = list(csv.reader(io.StringIO(raw.decode(encoding), newline="")))
            break
    else:
        raise DataError(f"{path.name} is neither UTF-8 nor GB18030 text: save the list of household numbers as csv")
    header = [plain_text(cell) for cell in rows[0]] if rows else []
    column = next((header.index(name) for name in wanted if name in header), None)
    if column is None:
        raise DataError(
            f"{path.name} has no column {' or '.join(wanted)} in its first row: the household numbers are looked for there"
        )
    return [row[column] for row in rows[1:] if len(row) > column and row[column].strip()]


def check_identities(identities: pd.DataFrame | None, asked: tuple[str, ...]) -> None:
    """What a layout asks for must be there, once per household and as text.

    Raises
    ------
    UsageError
        EXP201: a column is missing.
    ContractViolation
        EXP205: a household twice, or a column that is not text. EXP206: a column that holds identity numbers.
    """
    if not asked:
        return
    missing = [name for name in asked if identities is None or name not in identities.columns]
    if missing or identities is None:
        said = ", ".join(missing)
        raise UsageError(
            f"EXP201 the layout asks for {said} of identities: give a table with household_id, {said}, or take them out"
        )
    if identities["household_id"].duplicated().any():
        n = int(identities["household_id"].duplicated().sum())
        raise ContractViolation(f"EXP205 identities: {n} households stand there more than once")
    for name in asked:
        if any(not isinstance(v, str) for v in identities[name].dropna()):
            raise ContractViolation(f"EXP205 identities: column {name} is not text: a number loses its leading zeros")
        if n := _n_identity_numbers(identities[name].dropna()):
            said = "they are never exported: give the office's own household numbers, or take the column out"
            raise ContractViolation(f"EXP206 identities: {n} cells of column {name} hold identity numbers; {said}")


def _n_identity_numbers(texts: Iterable[str]) -> int:
    """Texts with a number of 18 places whose check digit, birth date and division are those of a person."""
    import pyarrow as pa

    found = [number.upper() for text in texts for number in _EIGHTEEN.findall(unicodedata.normalize("NFKC", text))]
    verdicts = id_number_verdicts(pa.array(found, pa.string())).to_pylist() if found else []
    return sum(verdict == "right" for verdict in verdicts)
