"""Tuning: a specification's hyper-parameters searched in its training past only, within a budget, by seed.

tuned = tune(store, spec, split=split, known_on=day, snapshots=snapshots, settings=TuningSettings(n_trials=30))
tuned.tuned, tuned.trials, tuned.gain
"""

from returnrisk.tuning.folds import Fold, inner_folds, plan_folds, tuning_days
from returnrisk.tuning.spaces import SPACES, Range, Real, Whole, space_of
from returnrisk.tuning.specification_text import specification_text
from returnrisk.tuning.study import Tuned, TuningSettings, days_of_tuning, tune

__all__ = [
    "SPACES",
    "Fold",
    "Range",
    "Real",
    "Tuned",
    "TuningSettings",
    "Whole",
    "days_of_tuning",
    "inner_folds",
    "plan_folds",
    "space_of",
    "specification_text",
    "tune",
    "tuning_days",
]
