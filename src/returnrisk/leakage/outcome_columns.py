"""LEAK004: features that are columns of the outcome's own window.

Held against each other on a test day: every feature, and every column that defines the outcome after it (the event, how soon it came;
for outcomes about the line also the account, its change and its multiple of the line on each settlement day, and whether it is below). Measure: the
rank correlation of the two given what the same account said on the day itself (partial Spearman correlation): 1 for a copy of the
future column in whatever unit, near 0 for anything made from the present account, however steady incomes are.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from returnrisk.accounts import register_net
from returnrisk.leakage.panel import Panel
from returnrisk.leakage.result import Finding
from returnrisk.outcomes import is_about_the_line, label_days, outcome_labels
from returnrisk.timeline import add_months

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
LEAST_ROWS = 50
"""Pairs of values under which a correlation is not looked at."""
STEADY = 0.9999
"""Rank correlation of the present and the future account above which one cannot be told from the other."""
LOOKED_AT_TWICE = 0.5
"""Partial correlation above which it is computed again on the rows that have all three values."""


def outcome_columns(panel: Panel) -> Finding:
    """LEAK004."""
    import pandas as pd

    if few := panel.too_few():
        return Finding("LEAK004", "cannot_tell", few)
    rows = panel.test_rows()
    events = rows.groupby("as_of")["y"].sum()
    # a day without events says nothing of the event
    day = max(panel.test_days, key=lambda d: (events.get(pd.Timestamp(d), 0), -d.toordinal()))
    rows = rows[rows["as_of"] == pd.Timestamp(day)].set_index("household_id")
    future, present = _defining_columns(panel, rows, day)
    figures, guilty = [], []
    found = _partial_correlations(rows[[f.name for f in panel.features]], future, present)
    for name, (column, value) in found.items():
        figures.append({"what": name, "measure": f"partial rank correlation with {column}", "value": value})
        if abs(value) >= panel.settings.copy_correlation:
            guilty.append(name)
    threshold = f"{panel.settings.copy_correlation} (assumed)"
    if not found:
        return Finding("LEAK004", "cannot_tell", f"fewer than {LEAST_ROWS} households to compare on {day}", threshold=threshold)
    top = max(found, key=lambda n: abs(found[n][1]))
    measured = f"{found[top][1]:+.3f} ({top} with {found[top][0]}), n = {len(rows)}"
    why = "no feature repeats a column that defines the outcome"
    if guilty:
        why = "it repeats, given the present account, a column of the window that the outcome is made of"
    return Finding(
        "LEAK004", "problem" if guilty else "fine", why, what=tuple(guilty), measured=measured, threshold=threshold, figures=tuple(figures)
    )  # fmt: skip


def _defining_columns(panel: Panel, rows: pd.DataFrame, day: dt.date) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """Columns of the window after `day`, by household; and for those that the day itself has a counterpart of, that counterpart."""
    import pandas as pd

    spec, known = panel.spec.outcome, panel.store.as_of(panel.known_on)
    labels = outcome_labels(rows.index.to_frame(index=False), as_of=day, known=known, spec=spec).frame().set_index("household_id")
    event = labels["y"].astype("float64").reindex(rows.index)
    end = pd.Timestamp(add_months(day, spec.horizon_months))
    soon = ((end - labels["event_on"]).dt.days + 1).reindex(rows.index).fillna(0.0)
    columns, present = {"event": event, "nearness of the event": soon}, {}
    if is_about_the_line(spec):
        account = register_net(known, ends=label_days(day, spec=spec), window=spec.window, min_months=spec.min_months)
        wanted = account.select("household_id", "ending_on", "net_head_cny_year", "line_cny_year", "below").to_pandas()
        now = rows["net_head_cny_year"]
        for on, part in wanted.groupby("ending_on"):
            seen = part.set_index("household_id").reindex(rows.index)
            net = seen["net_head_cny_year"].astype("float64")
            label = f"{pd.Timestamp(str(on)).date()}"
            columns[f"net income per head on {label}"] = net
            columns[f"change of net income per head to {label}"] = net - now
            columns[f"multiple of the line on {label}"] = net / seen["line_cny_year"].astype("float64")
            columns[f"below on {label}"] = seen["below"].astype("boolean").astype("Float64").astype("float64")
            present[f"net income per head on {label}"] = now
            present[f"change of net income per head to {label}"] = now
            present[f"multiple of the line on {label}"] = now / rows["line_cny_year"]
    return pd.DataFrame(columns), present


def _partial_correlations(
    features: pd.DataFrame, future: pd.DataFrame, present: dict[str, pd.Series]
) -> dict[str, tuple[str, float]]:
    """Feature to the column it is nearest to and the partial rank correlation with it."""
    import pandas as pd

    now = pd.DataFrame({f"now: {name}": values for name, values in present.items()}, index=features.index)
    together = pd.concat([features.rename(columns=lambda c: f"feature: {c}"), future, now], axis=1)
    matrix = together.rank().corr(min_periods=LEAST_ROWS).to_numpy()
    at = {str(c): i for i, c in enumerate(together.columns)}
    best: dict[str, tuple[str, float]] = {}
    for name in map(str, features.columns):
        for column in map(str, future.columns):
            trio = [at[f"feature: {name}"], at[column], *([at[f"now: {column}"]] if column in present else [])]
            value = partial_correlation(matrix[np.ix_(trio, trio)])
            # the matrix is of pairs; where values are missing a partial correlation needs all three
            if abs(value) > LOOKED_AT_TWICE:
                whole = together.iloc[:, trio].dropna()
                value = partial_correlation(whole.rank().corr().to_numpy()) if len(whole) >= LEAST_ROWS else float("nan")
            if np.isfinite(value) and abs(value) > abs(best.get(name, ("", 0.0))[1]):
                best[name] = (column, value)
    return best


def partial_correlation(r: FloatArray) -> float:
    """Correlation of the first two given the third, or of the two; NaN where the third settles either."""
    if len(r) == 2:
        return float(r[0, 1])
    a, b = float(r[0, 2]), float(r[1, 2])
    if not max(abs(a), abs(b)) < STEADY:
        return float("nan")
    return float((r[0, 1] - a * b) / np.sqrt((1 - a**2) * (1 - b**2)))
