"""What `[calibration]` of a specification does in a training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from returnrisk.calibration import CALIBRATIONS
from returnrisk.config import CalibrationSpec
from returnrisk.errors import NotEnoughDataError
from returnrisk.training import plan_split, train
from tests.test_training import KNOWN_ON, SPEC, snapshots, store


def trained(calibration, **split):
    spec = replace(SPEC, calibration=calibration, split=replace(SPEC.split, **split))
    days = plan_split(store(), spec, known_on=KNOWN_ON)
    return days, train(store(), spec, split=days, known_on=KNOWN_ON, snapshots=snapshots())


@pytest.mark.slow
def test_the_curve_comes_from_the_days_it_says():
    _, later = trained(CalibrationSpec())
    days, crossed = trained(CalibrationSpec(curve_from="cross_fitted"))
    for name, score in crossed.scores.items():
        assert score.calibration.n > later.scores[name].calibration.n
    assert len(days.refit) > len(days.calibrate)
    # the learner is the same: only the curve is another
    X = np.linspace(0.2, 4, 50)[:, None] * np.ones((1, len(crossed.features)))
    for name, score in crossed.scores.items():
        np.testing.assert_array_equal(score.learner.decision_function(X), later.scores[name].learner.decision_function(X))


@pytest.mark.slow
def test_auto_takes_what_the_days_choose_and_says_so_in_its_state():
    _, found = trained(CalibrationSpec(method="auto", curve_from="cross_fitted"))
    for score in found.scores.values():
        assert score.calibration.to_state()["method"] in CALIBRATIONS
    with pytest.raises(NotEnoughDataError, match="of 1 calibration days could be judged"):
        trained(CalibrationSpec(method="auto"))
