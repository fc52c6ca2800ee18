"""`returnrisk what-if`: what the model would say had a fact been otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from returnrisk.cli.common import HERE, AsJson, AsOf, ProjectDir, app, project_at, show
from returnrisk.cli.stages import which_version

if TYPE_CHECKING:
    import pandas as pd


@app.command(name="what-if")
def ask_what_if(change: str, *, as_of: AsOf, project: ProjectDir = HERE, model: str = "champion", json_: AsJson = False) -> None:
    """Risk before and after a change of the records. A model's answer, not an effect.

    Parameters
    ----------
    change
        bills_reimbursed, dibao_goes_on or work_found.
    model
        Alias (candidate, champion, previous) or version number.
    """
    with project_at(project, quiet=json_) as opened:
        found = opened.what_if(change, as_of=as_of, which=which_version(model))
    content = {
        "change_zh": found.change.zh,
        "change": found.change.en,
        "possible_for_zh": found.change.who_zh,
        "possible_for": found.change.who_en,
        "households": found.n_possible,
        "at_risk": found.n_at_risk,
        "label_zh": found.label_zh,
        "label": found.label_en,
    }
    show(content, as_json=json_, table=_spread(found.frame()))


def _spread(frame: pd.DataFrame) -> pd.DataFrame:
    """Means, and the spread of the difference over households (not an interval: nothing is estimated)."""
    import pandas as pd

    quantiles = frame["difference"].quantile([0.05, 0.5, 0.95])
    row = {
        "risk_before": frame["risk_before"].mean(),
        "risk_after": frame["risk_after"].mean(),
        "difference": frame["difference"].mean(),
        "p05": quantiles[0.05],
        "p50": quantiles[0.5],
        "p95": quantiles[0.95],
        "share_lower": (frame["difference"] < 0).mean(),
    }
    return pd.DataFrame([{name: round(float(value), 5) for name, value in row.items()}])
