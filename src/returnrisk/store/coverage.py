"""What the store holds as of a day, table by table: rows, files, periods, and which townships delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from returnrisk.store.view import View

if TYPE_CHECKING:
    import pandas as pd

COVERAGE_COLUMNS = (
    "table_name", "zh", "n_rows", "n_files", "n_input", "n_accepted", "n_duplicate", "n_quarantined", "first_period", "last_period",
    "delivered_share",
)  # fmt: skip
_PERIOD = {
    "income": "period_end",
    "medical": "treated_on",
    "subsidy": "period_start",
    "support": "started_on",
    "monitoring": "identified_on",
    "hazard": "started_on",
    "price": "period_start",
    "industry_project": "state_on",
    "expense": "period_end",
    "disability": "issued_on",
    "disaster": "happened_on",
    "employment": "started_on",
    "schooling": "term_start",
    "loan": "granted_on",
    "insurance": "valid_from",
    "signal": "raised_on",
    "visit": "visited_on",
    "asset": "checked_on",
    "authorisation": "granted_on",
    "objection": "raised_on",
    "alert_closure": "applied_on",
    "visitor": "valid_from",
}
_COUNTS = ("n_input", "n_accepted", "n_duplicate", "n_quarantined")


def coverage(view: View) -> pd.DataFrame:
    """One row per contract that may be read, also those never delivered.

    Returns
    -------
    DataFrame
        Columns `COVERAGE_COLUMNS`: n_rows known on the day; file counts of the whole inbox; first and last period or event on file;
        delivered_share, the share of townships whose file of that table arrived in the last twelve months (missing where the
        delivery register does not speak of the table).
    """
    import pandas as pd

    rows = []
    shares = _delivered_shares(view)
    for name, contract in sorted(view.store.contracts.items()):
        if contract.restricted:
            continue
        sources = [s for s in view.store.manifest.sources if s["table_name"] == name]
        n_rows, first, last = _extent(view, name)
        counts = {c: sum(int(s[c]) for s in sources) for c in _COUNTS}
        rows.append(
            {"table_name": name, "zh": contract.label_zh, "n_rows": n_rows, "n_files": len({s["file"] for s in sources}), **counts,
             "first_period": first, "last_period": last, "delivered_share": shares.get(name, float("nan"))}
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COVERAGE_COLUMNS))


def _extent(view: View, name: str) -> tuple[int, Any, Any]:
    import pandas as pd

    table = view.table(name)
    date = _PERIOD.get(name)
    measures = {"n": table.count()} | ({"first": table[date].min(), "last": table[date].max()} if date else {})
    found = table.aggregate(**measures).to_pandas().iloc[0]
    return int(found["n"]), pd.to_datetime(found.get("first")), pd.to_datetime(found.get("last"))


def _delivered_shares(view: View) -> dict[str, float]:
    import ibis

    from returnrisk.timeline import add_months

    files = view.table("delivery")
    recent = files.filter(files.period_end > ibis.literal(add_months(view.day, -12)))
    villages = view.table("village")
    n_townships = (villages.village_code // 1000).nunique().execute()
    arrived = recent.group_by("table_name").agg(n=recent.township_code.nunique()).to_pandas()
    return {str(r["table_name"]): min(1.0, r["n"] / n_townships) for r in arrived.to_dict("records")} if n_townships else {}
