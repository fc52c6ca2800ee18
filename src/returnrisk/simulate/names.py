"""Names and numbers that are nobody's: household numbers, ID numbers, villages, persons, telephones.

ID numbers carry a correct check digit (GB 11643) and division 999901, which does not exist; names contain 模拟 ("simulated");
telephones begin with 100, which no operator gives out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from returnrisk.simulate.state import Bools, Ints

TOWNSHIPS = ("云溪镇", "石桥镇", "青山乡", "白河镇", "竹林乡", "龙泉镇", "松坪乡", "平安镇")
_VILLAGE_FIRST = "东西南北上下大小新老"
_VILLAGE_SECOND = "坪湾塘坝沟岭坡田桥井"
_SURNAMES = "赵钱孙李周吴郑王冯陈"
_GIVEN = "甲乙丙丁戊己庚辛壬癸"
_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
_CHECK = np.frombuffer(b"10X98765432", dtype=np.uint8)


def household_numbers(n: int, *, county: int) -> Any:
    """Numbers like `999901-0001234`.

    Examples
    --------
    >>> list(household_numbers(2, county=999901))
    ['999901-0000001', '999901-0000002']
    """
    return pd.array([f"{county}-{i:07d}" for i in range(1, n + 1)], dtype="str")


def identity_numbers(born_day: Ints, male: Bools, *, county: int) -> Any:
    """18-character ID numbers in order: later persons never change the numbers of earlier ones.

    Examples
    --------
    >>> list(identity_numbers(np.array([0, 0]), np.array([True, False]), county=999901))
    ['999901197001010011', '99990119700101002X']
    """
    dates = pd.DatetimeIndex(born_day.astype("datetime64[D]"))
    rank = pd.DataFrame({"day": born_day, "male": male}).groupby(["day", "male"]).cumcount().to_numpy()
    order = np.where(male, 2 * rank + 1, 2 * rank + 2)
    number = (
        (dates.year.astype("int64") * 10_000 + dates.month * 100 + dates.day).to_numpy(np.int64) * 1000 + order + county * 10**11
    )
    digits = number[:, None] // 10 ** np.arange(16, -1, -1) % 10
    check = _CHECK[(digits * _WEIGHTS).sum(axis=1) % 11]
    characters = np.column_stack([digits.astype(np.uint8) + ord("0"), check]).astype(np.uint8)
    return pd.array(np.ascontiguousarray(characters).view("S18").ravel().astype("U18"), dtype="str")


def village_names(n: int) -> list[str]:
    """Names of the villages, all different."""
    names = []
    for i in range(n):
        name = _VILLAGE_FIRST[i % 10] + _VILLAGE_SECOND[i // 10 % 10] + "村"
        names.append(name if i < 100 else f"{name}{i // 100 + 1}")
    return names


def person_names(persons: Ints) -> list[str]:
    """Names of persons by index."""
    return [f"{_SURNAMES[i * 7 % 10]}模拟{_GIVEN[i // 10 % 10]}{_GIVEN[i // 100 % 10]}" for i in persons.tolist()]


def telephones(households: Ints) -> list[str]:
    """Telephones of households by index."""
    return [f"100{(i * 7919 + 13) % 10**8:08d}" for i in households.tolist()]
