"""Whom the list misses more, and whose risks are not true: groups of households, what scores and lists are worth in each, and harm.

    rows of a day + attributes of the day → groups_of → measure_fairness, group_calibration

Protected attributes (sex, ethnicity) enter here and nowhere else: harm is assessed with them, nothing is scored with them. What a
difference means and what no table can see: docs/fairness.md.
"""

from __future__ import annotations

from returnrisk.fairness.attributes import ATTRIBUTES, household_attributes
from returnrisk.fairness.calibration import group_calibration, standing_out
from returnrisk.fairness.comparisons import Compared, compare_to_chance
from returnrisk.fairness.groupings import GROUPINGS, PREFIX, TOWNSHIP, Grouping, groups_of, words_of
from returnrisk.fairness.measure import COLUMNS, measure_fairness

__all__ = [
    "ATTRIBUTES",
    "COLUMNS",
    "GROUPINGS",
    "PREFIX",
    "TOWNSHIP",
    "Compared",
    "Grouping",
    "compare_to_chance",
    "group_calibration",
    "groups_of",
    "household_attributes",
    "measure_fairness",
    "standing_out",
    "words_of",
]
