"""Alerts that must not tell that somebody complained: complaints, and whatever rests on a signal, under one title, office and evidence.

What a department or a cadre is asked to do is to look at the household; who said what about whom stays with the bureau that heard it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SIGNAL_RECORDS = "signal:"
"""How the text of a record of `signal` begins: what somebody said of a household, through a channel that never leaves the bureau."""
NEUTRAL_TITLE = ("综合信息核查", "general check")
NEUTRAL_OFFICE = ("县级主管部门", "county office")
NEUTRAL_EVIDENCE = (
    "请入户全面核实收入、支出、住房、饮水、教育、医疗情况",
    "look at income, expenditure, housing, water, schooling and medical cover",
)
NEUTRAL_RULE = "general_check"


def neutral_rules(rules: pd.DataFrame, alerts: pd.DataFrame) -> frozenset[str]:
    """Rules that are shown under one neutral title: complaints, and whatever rests on a signal, so that no title means a complaint.

    Parameters
    ----------
    rules
        rule, channel, of every rule (`RollUp.alerts` and `Screening.rules` have them).
    alerts
        rule, channel, records, of every alert.
    """
    said = alerts.loc[alerts["records"].fillna("").str.contains(SIGNAL_RECORDS, regex=False), "rule"]
    complaints = rules.loc[rules["channel"] == "complaint", "rule"]
    return frozenset({*map(str, said), *map(str, complaints), *map(str, alerts.loc[alerts["channel"] == "complaint", "rule"])})


def neutral_alerts(alerts: pd.DataFrame, neutral: frozenset[str]) -> pd.DataFrame:
    """Alerts of the neutral rules with the neutral words in place of rule, title, office and evidence, and without channel, cause and numbers."""
    hidden = alerts["rule"].isin(list(neutral))
    words = {
        "rule": NEUTRAL_RULE,
        "title_zh": NEUTRAL_TITLE[0],
        "title_en": NEUTRAL_TITLE[1],
        "office": NEUTRAL_OFFICE[0],
        "evidence_zh": NEUTRAL_EVIDENCE[0],
        "evidence_en": NEUTRAL_EVIDENCE[1],
    }
    blanks = ("channel", "cause", "value", "threshold")
    return alerts.assign(
        **{c: alerts[c].mask(hidden, word) for c, word in words.items()}, **{c: alerts[c].mask(hidden) for c in blanks}
    )
