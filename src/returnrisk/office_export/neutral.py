"""Alerts that rest on what somebody said of a household (complaint, hotline, media, a cadre, the household itself), worded as on visit lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

TELLING = (
    *(
        "rule",
        "title_zh",
        "title_en",
        "office",
        "evidence_zh",
        "evidence_en",
        "channel",
        "cause",
        "applied_by",
        "value",
        "threshold",
    ),
)
"""Fields of an alert that tell, or let one work out, that somebody spoke up. Dates, state and whether to visit are on every visit list."""
NEUTRAL_RULE = "general_check"
NEUTRAL_CAUSE = "other"


def neutral_values() -> Mapping[str, str | None]:
    """What stands in each of `TELLING` instead; None: blank.

    Examples
    --------
    >>> neutral_values()["title_zh"], neutral_values()["channel"]
    ('综合信息核查', None)
    """
    from returnrisk.reports.texts import text

    said = {part: text(f"screening.neutral_{part}") for part in ("title", "evidence", "office")}
    return {
        "rule": NEUTRAL_RULE,
        "title_zh": said["title"].zh,
        "title_en": said["title"].en,
        "office": said["office"].zh,
        "evidence_zh": said["evidence"].zh,
        "evidence_en": said["evidence"].en,
        "cause": NEUTRAL_CAUSE,
        **dict.fromkeys(("channel", "applied_by", "value", "threshold")),
    }


def neutral_alerts(alerts: pd.DataFrame, *, rules: pd.DataFrame) -> pd.DataFrame:
    """Alerts with neutral words where the visit lists have them: of every rule of complaints, and every rule that rests on a signal.

    Parameters
    ----------
    alerts
        One row per alert, with records (`Screening.alerts`).
    rules
        rule, channel of every rule (`Screening.rules`).
    """
    from returnrisk.reports.screening_content import neutral_rules

    hidden = alerts["rule"].isin(list(neutral_rules(rules, alerts)))
    return alerts.assign(**{name: alerts[name].mask(hidden, value) for name, value in neutral_values().items()})
