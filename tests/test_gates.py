"""Each gate on figures of known truth: what must refuse refuses, for its own reason, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from returnrisk.config import GatesSpec, load_model_spec, parse_model_spec
from returnrisk.errors import ConfigError, UnknownNameError
from returnrisk.evaluation import Evaluation, evaluate
from returnrisk.fairness import measure_fairness
from returnrisk.gates import GATES, Evidence, failed, gate_table, judge

N = 12_000
CARD = {
    "name": "fall-12m", "purpose": "orders visits", "cohort": "at risk", "outcome": "fall", "data_fingerprint": "d" * 64,
    "periods": {"fit": ["2022-03-31"], "calibrate": ["2023-03-31"], "test": ["2024-03-31"]},
    "n": dict.fromkeys(("fit", "calibrate", "test"), N), "events": dict.fromkeys(("fit", "calibrate", "test"), 300),
    "limits": ["simulated"], "estimand": "observed",
}  # fmt: skip


@pytest.fixture(scope="module")
def county() -> pd.DataFrame:
    """Household-days of 60 villages with known risks; income knows a part of them."""
    rng = np.random.default_rng(5)
    income, other = rng.normal(size=N), rng.normal(size=N)
    risk = expit(-4.2 + 0.6 * income + 1.1 * other)
    return pd.DataFrame({
        "household_id": np.arange(N), "as_of": pd.Timestamp("2024-03-31"), "village_code": rng.integers(0, 60, N),
        "y": (rng.random(N) < risk).astype(int), "p_model": risk, "p_income": expit(-3.6 + 0.6 * income),
        "old": np.where(rng.random(N) < 0.3, "yes", "no"),
    })  # fmt: skip


def measured(rows: pd.DataFrame) -> Evaluation:
    return evaluate(
        rows, score_columns={"model": "p_model", "income": "p_income"}, capacity=0.1, within="as_of", n_bootstrap=200, seed=0
    )


def groups(rows: pd.DataFrame) -> pd.DataFrame:
    listed = rows.assign(on_list=rows["p_model"] >= rows["p_model"].quantile(0.9))
    return measure_fairness(listed, rows[["old"]], selected="on_list", n_bootstrap=100)


def evidence(rows: pd.DataFrame, **changed: Any) -> Evidence:
    found = measured(rows)
    metrics = [
        {
            "population": "all",
            "score": r["score"],
            "metric": r["metric"],
            **{k: r[k] for k in ("value", "low", "high", "n", "base_rate")},
        }
        for r in found.frame().to_dict("records")
    ]
    whole = Evidence(
        measured=found, card={**CARD, "metrics": metrics}, data_known=True, additivity_gap=1e-12,
        no_champion="there is no champion yet", groups=groups(rows), leaks=[],
    )  # fmt: skip
    return replace(whole, **changed)


def refused(found: Evidence, spec: GatesSpec | None = None) -> list[str]:
    return [a.code for a in failed(judge(found, spec or GatesSpec()))]


def test_a_good_model_passes_every_gate(county):
    answers = judge(evidence(county), GatesSpec())
    assert [a.code for a in answers] == list(GATES)
    assert {a.code: a.result for a in answers if a.result != "passed"} == {"GATE004": "not_applicable"}
    table = gate_table(answers)
    assert table["zh"].str.len().min() > 3
    assert (table["limit"] != "").all()


def test_too_few_events_are_no_proof(county):
    few = county.drop(county.index[county["y"] == 1][30:])
    assert "GATE001" in refused(evidence(few))


def test_no_better_than_income(county):
    assert refused(evidence(county.assign(p_model=county["p_income"]))) == ["GATE002"]
    assert refused(evidence(county.assign(p_model=county["p_income"])), GatesSpec(better_than_income=False)) == []


@pytest.mark.parametrize(
    "bend",
    [
        pytest.param(lambda p: expit(logit(p) + 0.8), id="all risks too high"),
        pytest.param(lambda p: expit(logit(p) - 0.8), id="all too low"),
        pytest.param(lambda p: expit(-3.6 + 2.0 * (logit(p) + 3.6)), id="too sure of itself"),
        pytest.param(lambda p: expit(-3.4 + 0.5 * (logit(p) + 3.6)), id="too timid"),
    ],
)
def test_a_miscalibrated_model_fails_that_gate_alone(county, bend):
    assert refused(evidence(county.assign(p_model=bend(county["p_model"])))) == ["GATE003"]


def test_the_champion_is_compared_draw_by_draw(county):
    good = measured(county)
    worse = measured(county.assign(p_model=county["p_income"]))
    equal = evidence(county, against=(good, good))
    answer = next(a for a in judge(equal, GatesSpec()) if a.code == "GATE004")
    assert answer.result == "passed"
    assert answer.measured.startswith("+0.000 (+0.000 to +0.000)")
    assert refused(evidence(county, against=(worse, good))) == ["GATE004"]
    gap = good.point["model"]["recall_at_capacity"] - worse.point["model"]["recall_at_capacity"]
    assert refused(evidence(county, against=(worse, good)), GatesSpec(max_recall_loss=gap + 1e-9)) == []


def test_a_harm_of_a_group_is_refused_and_named(county):
    """The old fall as often; a score that halves their log-odds ratio leaves them off the list."""
    harmful = county.assign(p_model=np.where(county["old"] == "yes", county["p_model"] * 0.2, county["p_model"]))
    answers = {a.code: a for a in judge(evidence(harmful), GatesSpec())}
    assert answers["GATE005"].result == "failed"
    assert "old" in answers["GATE005"].measured
    assert answers["GATE002"].result == "passed", "it still beats income: only this gate sees the harm"
    wide = GatesSpec(min_group_ratio=0.05)
    assert "GATE005" not in refused(evidence(harmful), wide)
    assert {a.result for a in judge(evidence(harmful), GatesSpec(groups=())) if a.code == "GATE005"} == {"off"}


def test_groups_that_cannot_be_measured_are_not_passed_over(county):
    assert refused(evidence(county, groups=None)) == ["GATE005"]


def test_a_leak_or_a_linter_that_was_not_run_refuses(county):
    found = judge(evidence(county, leaks=["LEAK001 wage: 40 of 900 household-days differ"]), GatesSpec())
    assert [(a.code, a.measured) for a in failed(found)] == [("GATE006", "LEAK001 wage: 40 of 900 household-days differ")]
    assert refused(evidence(county, leaks=None)) == ["GATE006"]
    assert refused(evidence(county, leaks=None), GatesSpec(leakage=False)) == []


def test_the_card_must_be_complete_true_and_of_known_data(county):
    card = dict(evidence(county).card)
    assert refused(evidence(county, data_known=False)) == ["GATE007"]
    assert refused(evidence(county, card={k: v for k, v in card.items() if k != "limits"})) == ["GATE007"]
    assert refused(evidence(county, card={**card, "purpose": ""})) == ["GATE007"]
    better = [{**m, "value": m["value"] + 0.01} if (m["score"], m["metric"]) == ("model", "auc") else m for m in card["metrics"]]
    answer = failed(judge(evidence(county, card={**card, "metrics": better}), GatesSpec()))
    assert [a.code for a in answer] == ["GATE007"]
    assert "measured again it is" in answer[0].measured
    other_places = [{**m, "value": 0.9} if m["metric"] == "recall_at_capacity" else m for m in card["metrics"]]
    assert refused(evidence(county, card={**card, "metrics": other_places})) == [], "places may have changed since"


def test_reasons_that_do_not_add_up(county):
    assert refused(evidence(county, additivity_gap=None)) == ["GATE008"]


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ({"max_ece": 2.0}, "gates.max_ece is 2"),
        ({"min_events": 5}, "gates.min_events is 5"),
        ({"min_group_ratio": 1.5}, "gates.min_group_ratio is 1.5"),
        ({"min_calibration_slope": 1.5}, "gates.min_calibration_slope is 1.5"),
    ],
)
def test_limits_that_cannot_be_meant_are_refused(gates, message):
    spec = load_model_spec("fall-12m").as_dict()
    with pytest.raises(ConfigError, match=message):
        parse_model_spec({**spec, "families": list(spec["families"]), "gates": gates})


def test_an_unknown_gate_is_refused_with_the_nearest_name():
    spec = load_model_spec("fall-12m").as_dict()
    with pytest.raises(UnknownNameError, match="did you mean 'max_ece'"):
        parse_model_spec({**spec, "families": list(spec["families"]), "gates": {"max_ecce": 0.1}})


def test_the_shipped_file_states_the_defaults():
    assert load_model_spec("fall-12m").gates == GatesSpec()
