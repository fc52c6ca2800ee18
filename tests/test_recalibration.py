"""Following new periods without training again: which days may be used, what is compared, and the whole way through a project."""

from __future__ import annotations

import datetime as dt
import functools
import shutil
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from returnrisk.calibration import compare_calibrations
from returnrisk.calibration.comparison import COMPARED
from returnrisk.cli.recalibrate import named_version, recalibrate_model
from returnrisk.config import GatesSpec
from returnrisk.errors import BundleError, ConfigError, DataError, NotEnoughDataError, UsageError
from returnrisk.project import Project, init_project, open_project
from returnrisk.recalibration import plan_new_days
from returnrisk.timeline import add_months, matured
from returnrisk.tuning import specification_text
from tests.feature_households import Tables, copy_rows, write_rows
from tests.test_training import KNOWN_ON, SPEC, rows

# -- days ----------------------------------------------------------------------------------------------------------------------

QUARTERS = [add_months(dt.date(2020, 12, 31), 3 * k) for k in range(24)]


def plan(*, rests_on: dt.date, known_on: dt.date, **options: int):
    return plan_new_days(QUARTERS, rests_on=rests_on, known_on=known_on, horizon_months=12, delay_days=45, **options)


def test_the_days_by_hand():
    # of 31 December 2020 the outcome closed on 14 February 2022: the first day after it is 31 March 2022, closed on 15 May 2023; of the
    # days that had closed by 30 September 2025 the last is 30 June 2024, and those closed by then begin on 31 March 2022
    found = plan(rests_on=dt.date(2020, 12, 31), known_on=dt.date(2025, 9, 30))
    assert found.held_out == (dt.date(2024, 6, 30),)
    assert found.learn[0] == dt.date(2022, 3, 31)
    assert found.learn[-1] == dt.date(2023, 3, 31)
    more = plan(rests_on=dt.date(2020, 12, 31), known_on=dt.date(2025, 9, 30), n_held_out=3)
    assert more.held_out == (dt.date(2023, 12, 31), dt.date(2024, 3, 31), dt.date(2024, 6, 30))
    assert more.learn == found.learn[:3]


@given(st.integers(0, 20), st.integers(0, 90), st.integers(1, 4))
def test_no_outcome_is_used_twice(last: int, months: int, n_held_out: int):
    rests_on, known_on = QUARTERS[last], add_months(dt.date(2020, 12, 31), months)
    closed = functools.partial(matured, horizon_months=12, delay_days=45)
    try:
        found = plan(rests_on=rests_on, known_on=known_on, n_held_out=n_held_out)
    except NotEnoughDataError:
        return
    assert all(closed(rests_on, known_on=day) for day in found.learn)
    assert all(closed(day, known_on=found.held_out[0]) for day in found.learn)
    assert all(closed(day, known_on=known_on) for day in found.held_out)
    assert 1 <= len(found.held_out) <= n_held_out


def test_what_cannot_be_done_yet_is_said_with_the_day_it_can():
    with pytest.raises(
        NotEnoughDataError, match=r"nothing new has closed by 2023-01-31: .* on 2022-02-14\. .* closes on 2023-03-31"
    ):
        plan(rests_on=dt.date(2020, 12, 31), known_on=dt.date(2023, 1, 31))
    with pytest.raises(NotEnoughDataError, match=r"3 new days \(2022-03-31 to 2022-09-30\).*by 2022-09-30.*until about 2024-06-29"):
        plan(rests_on=dt.date(2020, 12, 31), known_on=dt.date(2023, 12, 31))
    with pytest.raises(ConfigError, match="0 days held out"):
        plan(rests_on=dt.date(2020, 12, 31), known_on=dt.date(2025, 9, 30), n_held_out=0)


# -- before and after ----------------------------------------------------------------------------------------------------------


@functools.cache
def county():
    rng = np.random.default_rng(3)
    p = 1 / (1 + np.exp(-rng.normal(-3, 1, 6000)))
    return (rng.random(6000) < p).astype(int), p, np.arange(6000) % 60


def test_the_comparison_is_what_others_compute():
    y, p, village = county()
    table = compare_calibrations(y, p / 2, p, clusters=village, n_bootstrap=50).set_index("metric")
    assert table.index.tolist() == list(COMPARED)
    for side, risk in (("before", p / 2), ("after", p)):
        log_odds = np.log(risk / (1 - risk))
        line = sm.Logit(y, sm.add_constant(log_odds)).fit(disp=0)
        level = sm.GLM(y, np.ones((len(y), 1)), family=sm.families.Binomial(), offset=log_odds).fit()
        expected = (log_loss(y, risk), brier_score_loss(y, risk), y.sum() / risk.sum(), line.params[1], level.params[0])
        np.testing.assert_allclose(table.loc[list(COMPARED[:5]), side], expected, rtol=1e-6)
    assert table.loc["log_loss", "difference_high"] < 0  # half the risk is a worse risk
    assert table.loc["observed_over_expected", "before"] == pytest.approx(2 * table.loc["observed_over_expected", "after"])
    np.testing.assert_allclose(table["difference"], table["after"] - table["before"])


def test_the_interval_is_of_villages_and_of_the_difference():
    y, p, village = county()
    table = compare_calibrations(y, p / 2, p, clusters=village, n_bootstrap=300).set_index("metric").loc["log_loss"]
    alone = [
        log_loss(y, p) - log_loss(y, p / 2)
        for k in range(200)
        for drawn in [np.random.default_rng(k).integers(0, 60, 60)]
        for rows in [np.concatenate([np.flatnonzero(village == v) for v in drawn])]
        for y, p in [(county()[0][rows], county()[1][rows])]
    ]
    np.testing.assert_allclose([table["difference_low"], table["difference_high"]], np.quantile(alone, [0.025, 0.975]), atol=2e-3)
    # drawn together, what makes a draw hard for both cancels out
    apart = np.hypot(table["before_high"] - table["before_low"], table["after_high"] - table["after_low"])
    assert table["difference_high"] - table["difference_low"] < apart


def test_the_same_rows_in_another_order_are_the_same_to_the_last_bit():
    y, p, village = county()
    order = np.random.default_rng(0).permutation(len(y))
    first = compare_calibrations(y, p / 2, p, clusters=village, n_bootstrap=20)
    assert first.equals(compare_calibrations(y[order], p[order] / 2, p[order], clusters=village[order], n_bootstrap=20))


def test_rows_that_cannot_be_compared_are_refused():
    for arguments, error, match in (
        (([0, 1], [0.1, 0.2], [0.1]), DataError, "shapes differ"),
        (([0, 2], [0.1, 0.2], [0.1, 0.2]), DataError, "1 of 2 outcomes are neither 0 nor 1"),
        (([0, 1], [0.1, 0.2], [0.1, 1.2]), DataError, "1 of 2 risks after are missing or outside"),
        (([0, 0], [0.1, 0.2], [0.1, 0.2]), NotEnoughDataError, "0 events"),
    ):
        with pytest.raises(error, match=match):
            compare_calibrations(*arguments, clusters=["a", "b"])
    with pytest.raises(ConfigError, match="n_bootstrap 1"):
        compare_calibrations([0, 1], [0.1, 0.2], [0.1, 0.2], clusters=["a", "b"], n_bootstrap=1)


def test_a_version_is_named_in_three_ways():
    assert named_version("a-b.c") == ("a-b.c", "champion")
    assert named_version("a@candidate") == ("a", "candidate")
    assert named_version("a/12") == ("a", 12)
    for wrong in ("", "a/b", "a@", "a@b@c", "../a", "a/1/2"):
        with pytest.raises(UsageError, match="names no model version"):
            named_version(wrong)


# -- through a project ---------------------------------------------------------------------------------------------------------


def poorer_since(tables: Tables, day: dt.date, *, by: str) -> Tables:
    """Every income of the months from a day on is lower by a factor: households keep their order, more of them fall."""
    changed = copy_rows(tables)
    for row in changed["income"]:
        if row["period_start"] >= day:
            row["gross_cny"] = (row["gross_cny"] * Decimal(by)).quantize(Decimal("0.01"))
    return changed


def project_of(root: Path, tables: Tables) -> Project:
    project = init_project(root)
    shutil.copytree(write_rows("recalibration", tables, delay=20), root / "store", dirs_exist_ok=True)
    (root / "models").mkdir()
    text = specification_text(replace(SPEC, gates=GatesSpec(leakage=False)), comment="quick")
    (root / "models" / "quick.toml").write_text(text, encoding="utf-8")
    config = (root / "returnrisk.toml").read_text(encoding="utf-8")
    (root / "returnrisk.toml").write_text(config.replace('model = "fall-12m"', 'model = "quick"'), encoding="utf-8")
    return open_project(project.root)


@pytest.mark.slow
def test_a_model_follows_a_poorer_year(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Incomes shrink while the outcomes of the new days run: the curve rises, the learner is the same to the byte, later days say better."""
    project = project_of(tmp_path / "county", poorer_since(rows(), dt.date(2022, 10, 1), by="0.97"))
    trained = project.train(as_of=dt.date(2023, 1, 31))
    project.promote(override=True, reason="a trial on few households", by="analyst")
    with pytest.raises(NotEnoughDataError, match="quick/1: too little has closed by 2023-01-31"):
        project.recalibrate(known_on=dt.date(2023, 1, 31))
    with pytest.raises(NotEnoughDataError, match="quick/1: nothing new has closed by 2022-10-31"):
        project.recalibrate(known_on=dt.date(2022, 10, 31))
    result = project.recalibrate("quick", which=1, known_on=KNOWN_ON, update="intercept")
    found = result.found
    assert found.updates["model"].update == "intercept"
    assert found.updates["model"].intercept > 0
    assert result.bundle is not None
    assert result.version is not None
    assert (result.version.version, result.version.aliases) == (2, ("candidate",))
    # the learner, the features and the specification are the parent's
    for name in ("learners.json", "booster.txt", "features.json", "spec.json"):
        assert (result.bundle.path / name).read_bytes() == (trained.bundle.path / name).read_bytes()
    assert result.bundle.calibration["model"]["base"] == trained.bundle.calibration["model"]
    # the card says what it is
    card = result.bundle.card
    said = card["recalibration"]
    assert (said["parent"], said["learner"], said["parent_fingerprint"]) == ("quick/1", "unchanged", trained.bundle.fingerprint)
    assert card["periods"]["fit"] == trained.bundle.card["periods"]["fit"]
    assert card["periods"]["test"] == [d.isoformat() for d in found.days.held_out]
    assert card["n"]["test"] == found.counts["held_out"][0]
    assert "## Recalibrated" in (result.bundle.path / "card.md").read_text(encoding="utf-8")
    assert "- parent: quick/1" in (result.bundle.path / "card.md").read_text(encoding="utf-8")
    # measured again, from the registry, on the held-out days: the figures of the comparison
    again = project.evaluate(which=2).overall.frame().set_index(["score", "metric"])["value"]
    compared = found.frame().set_index("metric")["after"]
    for metric in ("brier", "ece", "calibration_slope", "calibration_intercept"):
        assert again["model", metric] == pytest.approx(compared[metric])
    # asked again on the command line: the same version, said in words
    recalibrate_model("quick/1", known_on=KNOWN_ON, project=project.root, update="intercept")
    shown = capsys.readouterr().out
    assert "log_loss" in shown
    assert "model: quick/2" in shown
    assert "学习器不变" in shown
    # nothing is left for a second time, and the parent is named
    with pytest.raises(NotEnoughDataError, match="recalibrated already: recalibrate its parent quick/1"):
        project.recalibrate(which=2, known_on=KNOWN_ON)
    with pytest.raises(NotEnoughDataError, match=r"the new days: .* at least 100 of each outcome"):
        project.recalibrate(which=1, known_on=dt.date(2023, 5, 31), update="line")
    # another question than the model's
    path = project.root / "models" / "quick.toml"
    path.write_text(
        specification_text(replace(SPEC, outcome=replace(SPEC.outcome, horizon_months=4)), comment="x"), encoding="utf-8"
    )
    with pytest.raises(BundleError, match="trained with another outcome"):
        open_project(project.root).recalibrate(which=1, known_on=KNOWN_ON)


@pytest.mark.slow
def test_a_year_like_the_last_changes_nothing_and_registers_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    project = project_of(tmp_path / "county", rows())
    project.train(as_of=dt.date(2023, 1, 31))
    result = project.recalibrate(which="candidate", known_on=KNOWN_ON)
    assert not result.found.changed
    assert (result.bundle, result.version) == (None, None)
    assert len(project.catalogue().versions("quick")) == 1
    assert (result.frame()["difference"] == 0).all()
    recalibrate_model("quick@candidate", known_on=KNOWN_ON, project=project.root)
    assert "quick/1 stays, nothing is registered" in capsys.readouterr().out
