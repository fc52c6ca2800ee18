"""Rules as data: packs of dated, referenced parameters and alert rules, national → province → county (`docs/policy.md`).

    policy = load_policy("guangxi-style", folder=None)
    policy.number("dibao_line", day)        # also flag, choice, listed; value(...) says where it came from
    policy.alert_rules(day)                 # those the county has switched on

A threshold, window or list that a county decides is here and nowhere in code. Nothing is guessed: a day before the first value, an
unknown name, two values in force on one day are errors with a POL code that name pack and key.
"""

from returnrisk.policy.alerts import (
    AccountFact,
    AlertRule,
    CategoryFact,
    Condition,
    Fact,
    FactWindow,
    GuaranteeFact,
    TableFact,
    Threshold,
    TownshipFact,
)
from returnrisk.policy.codes import CODES, Problem
from returnrisk.policy.loading import load_policy, policy_names, read_policy
from returnrisk.policy.model import UNITS, Reference, Resolved
from returnrisk.policy.resolve import Policy, value_text

__all__ = [
    "CODES",
    "UNITS",
    "AccountFact",
    "AlertRule",
    "CategoryFact",
    "Condition",
    "Fact",
    "FactWindow",
    "GuaranteeFact",
    "Policy",
    "Problem",
    "Reference",
    "Resolved",
    "TableFact",
    "Threshold",
    "TownshipFact",
    "load_policy",
    "policy_names",
    "read_policy",
    "value_text",
]
