"""What the rules say the county must look at, with or without a model: facts of households, categories, elimination, checks.

    with kept_facts(view, policy=policy) as facts:
        categories(facts, policy=policy, day=view.day)

Every answer is yes, no or cannot tell, with the missing fact named; "cannot tell" is never "no". Nothing here decides about anybody:
categories and alerts are leads that people verify.
"""

from returnrisk.screening.facts import FACT_LABELS, household_facts, kept_facts

__all__ = ["FACT_LABELS", "household_facts", "kept_facts"]
