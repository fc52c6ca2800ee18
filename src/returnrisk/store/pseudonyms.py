"""Pseudonyms: keyed hashes in place of household numbers and identity numbers, and the text a person reads aloud.

A pseudonym is the first 63 bits of HMAC-SHA256(key, kind + natural number). Without the key nobody can compute or reverse it;
with another key the same household gets another pseudonym. Source: RFC 2104; PIPL art. 51 names de-identification.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path

from returnrisk.errors import PseudonymKeyError

MINIMUM_KEY_BYTES = 16
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U, so that it survives a telephone line."""


def read_key(path: Path) -> bytes:
    """The key in `path`, white space trimmed.

    Raises
    ------
    PseudonymKeyError
        No such file, or fewer than 16 bytes.
    """
    if not path.is_file():
        raise PseudonymKeyError(
            f"no pseudonym key at {path.name}: household and identity numbers never enter the store in clear. Make one with "
            f"`returnrisk init`, or put the county's own there. Losing it means losing the link to earlier months."
        )
    key = path.read_bytes().strip()
    if len(key) < MINIMUM_KEY_BYTES:
        raise PseudonymKeyError(f"the pseudonym key in {path.name} has {len(key)} bytes; at least {MINIMUM_KEY_BYTES} are needed")
    return key


def pseudonymise(values: Iterable[str], *, kind: str, key: bytes) -> dict[str, int]:
    """Map each distinct natural number to its pseudonym.

    Parameters
    ----------
    values
        Natural numbers as text; case and surrounding white space do not matter.
    kind
        `household`, `person` or `claim`: the same text of two kinds gives two pseudonyms.
    key
        Secret bytes the user holds.

    Returns
    -------
    dict
        Value as given to an integer in [0, 2**63).

    Raises
    ------
    PseudonymKeyError
        Two different numbers met in one pseudonym (chance below 1e-6 for four million numbers): use another key.

    Examples
    --------
    >>> made = pseudonymise(["A-1", "a-1 "], kind="household", key=b"sixteen bytes at least")
    >>> made["A-1"] == made["a-1 "]
    True
    """
    made: dict[str, int] = {}
    owner: dict[int, str] = {}
    for value in values:
        natural = value.strip().upper()
        digest = hmac.digest(key, f"{kind}\x1f{natural}".encode(), hashlib.sha256)
        number = int.from_bytes(digest[:8], "big") >> 1
        if owner.setdefault(number, natural) != natural:
            raise PseudonymKeyError(f"two {kind} numbers share one pseudonym under this key: use another key")
        made[value] = number
    return made


def pseudonym_text(household_id: int) -> str:
    """Text of a pseudonym for paper: 13 characters in groups, never ambiguous when read aloud.

    Examples
    --------
    >>> pseudonym_text(1234567890123456789)
    '128G-GYHY-YK08N'
    """
    digits = []
    rest = int(household_id)
    for _ in range(13):
        rest, digit = divmod(rest, 32)
        digits.append(_ALPHABET[digit])
    text = "".join(reversed(digits))
    return f"{text[:4]}-{text[4:8]}-{text[8:]}"


def read_pseudonym_text(text: str) -> int:
    """The pseudonym that `pseudonym_text` wrote; a reader's O, I and L are taken for 0, 1 and 1.

    Raises
    ------
    ValueError
        It is no such text.

    Examples
    --------
    >>> read_pseudonym_text("128g-gyhy-yko8n")
    1234567890123456789
    """
    number = 0
    groups = text.strip().upper().translate(str.maketrans("OIL", "011")).split("-")
    digits = "".join(groups)
    if [len(group) for group in groups] != [4, 4, 5] or set(digits) - set(_ALPHABET):
        raise ValueError("not a household code of a list: expected 13 letters and digits, as XXXX-XXXX-XXXXX")
    for digit in digits:
        number = number * 32 + _ALPHABET.index(digit)
    return number
