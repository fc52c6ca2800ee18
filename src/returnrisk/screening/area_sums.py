"""Villages, townships and the county: what is counted by village, added up level by level, exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

AREA = ("level", "area_code", "parent_code", "area_zh")
LEVELS = ("county", "township", "village")
_DIGITS = {"county": 1_000_000, "township": 1_000, "village": 1}


def areas_of(villages: pd.DataFrame, *, seen: Sequence[int]) -> pd.DataFrame:
    """One row per area: the county, its townships, its villages, each by code.

    Parameters
    ----------
    villages
        village_code, village_name, township_name, county_name.
    seen
        Village codes of households; one without a name is called by its code.

    Returns
    -------
    DataFrame
        level, area_code, parent_code (0 of the county), area_zh.
    """
    import pandas as pd

    codes = sorted({*map(int, villages["village_code"]), *map(int, seen)})
    county, township, village = (
        dict(zip(villages["village_code"] // _DIGITS[level], villages[f"{level}_name"], strict=True)) for level in LEVELS
    )
    named = {"county": county, "township": township, "village": village}
    rows = []
    for level in LEVELS:
        for code in sorted({c // _DIGITS[level] for c in codes}):
            parent = {"county": 0, "township": code // 1000, "village": code // 1000}[level]
            rows.append((level, code, parent, str(named[level].get(code, code))))
    return pd.DataFrame(rows, columns=list(AREA)).astype({"area_code": "int64", "parent_code": "int64"})


def summed(rows: pd.DataFrame, *, by: Sequence[str] = ()) -> pd.DataFrame:
    """Sums of every level.

    Parameters
    ----------
    rows
        village_code, the columns of `by`, and columns to add up: numbers or yes and no (missing counts as nothing); columns named
        `..._cny` hold Decimals and stay exact.
    by
        Further columns of the grain.

    Returns
    -------
    DataFrame
        Indexed by area_code (and `by`): the columns, int64 or Decimal. Areas without rows are absent.
    """
    import pandas as pd

    values = [c for c in rows.columns if c != "village_code" and c not in by]
    fen = rows[["village_code", *by]].assign(**{c: _whole(rows[c], money=c.endswith("_cny")) for c in values})
    parts = []
    for level in LEVELS:
        keyed = fen.assign(area_code=fen["village_code"] // _DIGITS[level]).drop(columns="village_code")
        parts.append(keyed.groupby(["area_code", *by], sort=True)[values].sum())
    found = pd.concat(parts)
    yuan: dict[str, Any] = {c: [Decimal(int(n)).scaleb(-2) for n in found[c]] for c in values if c.endswith("_cny")}
    return found.assign(**yuan)


def _whole(values: pd.Series[Any], *, money: bool) -> pd.Series[Any]:
    """Whole numbers: yuan in fen."""
    import pandas as pd

    if not money:
        return values.fillna(False).astype("int64")
    return pd.Series([0 if v is None or v != v else int(v.scaleb(2)) for v in values], index=values.index, dtype="int64")  # noqa: PLR0124 (NaN)


def on_areas(areas: pd.DataFrame, sums: pd.DataFrame) -> pd.DataFrame:
    """`areas` with the sums; zero where an area has no row."""
    return _filled(areas[list(AREA)].join(sums, on="area_code"), sums.columns)


def on_areas_and_codes(areas: pd.DataFrame, codes: pd.DataFrame, sums: pd.DataFrame, *, key: str) -> pd.DataFrame:
    """Every area with every code of `codes` (first column `key`), and the sums of both; zero where there are none."""
    every = areas[list(AREA)].merge(codes, how="cross")
    return _filled(every.join(sums, on=["area_code", key]), sums.columns)


def _filled(found: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    import pandas as pd

    zero = Decimal("0.00")
    filled: dict[str, Any] = {}
    for column in columns:
        money = column.endswith("_cny")
        filled[column] = [zero if pd.isna(v) else v for v in found[column]] if money else found[column].fillna(0).astype("int64")
    return found.assign(**filled)


def share(part: pd.Series[Any], whole: pd.Series[Any]) -> pd.Series[Any]:
    """Part / whole as float64; missing where the whole is zero."""
    divided: pd.Series[Any] = part.astype("float64") / whole.astype("float64").where(whole != 0)
    return divided


def change(before: pd.Series[Any], now: pd.Series[Any]) -> pd.Series[Any]:
    """(now - before) / |before|; missing where before is zero."""
    return share(now - before, before.abs())
