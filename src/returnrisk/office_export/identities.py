"""Names, telephones and the office's own household numbers: what a layout asks for must be there, and no identity number among it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING

from returnrisk.errors import ContractViolation, UsageError
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
