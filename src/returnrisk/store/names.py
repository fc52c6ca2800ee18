"""Names of places, and the restricted names of people, as known on a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from returnrisk.store.view import View

if TYPE_CHECKING:
    import pandas as pd


def village_names(view: View, *, county_zh: str) -> pd.DataFrame:
    """Names of villages and townships as known on the view's day."""
    table = view.table("village").select("village_code", "village_name", "township_name").to_pandas()
    table["township_code"] = table["village_code"] // 1000
    named: pd.DataFrame = table.assign(county_name=county_zh or "本县").sort_values("village_code", ignore_index=True)
    return named


def identities(view: View) -> pd.DataFrame | None:
    """Restricted: household_id, head_name, phone, address, read only to render a list; None where there are none."""
    rows = view.store.identity(view.day)
    return None if rows is None else rows.select("household_id", "head_name", "phone", "address").to_pandas()
