"""What a model would say had a fact been otherwise: the records are changed and everything follows from them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from returnrisk.config import load_model_spec
from returnrisk.errors import NotEnoughDataError, UnknownNameError
from returnrisk.features.families import catalogue
from returnrisk.features.snapshot import build_snapshot
from returnrisk.store.view import Store
from returnrisk.what_if import CHANGES, LABEL_EN, LABEL_ZH, WhatIf, what_if
from tests.feature_households import County, day, month_starts, store_of

DAY = day("2024-09-30")  # a delay of 20 days: the account is that of September 2023 to August 2024
VILLAGE, OTHER = 999904001001, 999904002001
LOST, IDLE, WORKER, SICK, YOUNG, ELSEWHERE = 101, 102, 103, 104, 105, 106
LINE = 6000
FAMILIES = ("area", "household", "illness", "income", "subsidy")
SPEC = replace(load_model_spec("fall-12m"), families=FAMILIES)


@dataclass
class ByIncome:
    """The plainest score there is: the lower the income, the higher."""

    def risk(self, frame: pd.DataFrame, *, learner: str = "model") -> np.ndarray:  # noqa: ARG002 (as a bundle's)
        return 1 / (2 + frame["income_line_ratio"].to_numpy("float64"))


@functools.cache
def store() -> Store:
    county = County(months=month_starts("2021-01", "2024-12"), line=LINE, county=999904)
    for village in (VILLAGE, OTHER):
        county.village(village)
        county.deliver(village // 1000)
    adult = {"born_on": day("1990-01-01"), "labour_capacity": "full", "employment": "employee_informal"}
    county.household(LOST, VILLAGE, members=[adult])
    county.income(LOST, "wage", "local_work", county.months, 1000)
    county.income(LOST, "transfer", "dibao", month_starts("2022-05", "2024-02"), 200)
    county.subsidy(LOST, "dibao", "2022-05-01", "granted", 200)
    county.subsidy(LOST, "dibao", "2024-03-01", "cancelled", 0)
    county.household(IDLE, VILLAGE, members=[{**adult, "employment": "unemployed"}, {**adult, "employment": "inactive"}])
    county.income(IDLE, "transfer", "remittance", county.months, 1100)
    county.household(WORKER, VILLAGE, members=[adult])
    county.income(WORKER, "wage", "local_work", county.months, 2000)
    county.household(SICK, VILLAGE, members=[adult])
    county.income(SICK, "wage", "local_work", county.months, 1600)
    county.claim(1, SICK * 10 + 1, "2024-05-10", "inpatient", 1000, 400)
    county.claim(2, SICK * 10 + 1, "2022-05-10", "inpatient", 1000, 300)  # more than a year ago: stays
    # a student, and somebody of 60, neither of whom is looking for work
    idle = {"labour_capacity": "full", "employment": "inactive"}
    county.household(
        YOUNG,
        VILLAGE,
        members=[adult, {**idle, "born_on": day("2005-01-01"), "in_school": True}, {**idle, "born_on": day("1964-09-01")}],
    )
    county.income(YOUNG, "wage", "local_work", county.months, 1600)
    county.household(ELSEWHERE, OTHER, members=[adult])
    county.income(ELSEWHERE, "wage", "local_work", county.months, 9000)  # another township's wages do not count
    return store_of("what-if", county.tables, delay=20)


@functools.cache
def answer(change: str) -> WhatIf:
    return what_if(store(), SPEC, ByIncome(), as_of=DAY, change=change)


@functools.cache
def rewritten(change: str) -> pd.DataFrame:
    """Features had the records been otherwise, by household."""
    parts = CHANGES[change].rewriting(store().as_of(DAY))
    other = store().rewritten(lambda name, rows: parts[name](rows) if name in parts else rows, name=f"test {change}")
    return build_snapshot(other.as_of(DAY), spec=SPEC.outcome, families=FAMILIES).frame().set_index("household_id")


@functools.cache
def as_it_is() -> pd.DataFrame:
    return build_snapshot(store().as_of(DAY), spec=SPEC.outcome, families=FAMILIES).frame().set_index("household_id")


def risk(net_cny: float, members: int = 1) -> float:
    return 1 / (2 + net_cny / members / LINE)


@pytest.mark.parametrize(
    ("change", "household", "before", "after"),
    [
        pytest.param("dibao_goes_on", LOST, risk(12 * 1000 + 6 * 200), risk(12 * 1000 + 12 * 200), marks=pytest.mark.slow),
        # the township's wages of a month: 1 000, 1 600 twice and 2 000 by household
        ("work_found", IDLE, risk(12 * 1100, 2), risk(12 * (1100 + 1600), 2)),
        pytest.param("bills_reimbursed", SICK, risk(12 * 1600), risk(12 * 1600), marks=pytest.mark.slow),
    ],
)
def test_the_answer_for_the_only_household_concerned(change: str, household: int, before: float, after: float):
    found = answer(change)
    assert found.frame()["household_id"].tolist() == [household]
    row = found.frame().iloc[0]
    assert row["risk_before"] == pytest.approx(before, rel=1e-6)
    assert row["risk_after"] == pytest.approx(after, rel=1e-6)
    assert row["difference"] == pytest.approx(after - before, abs=1e-7)
    assert (row["label_zh"], row["label_en"]) == (found.label_zh, found.label_en) == (LABEL_ZH, LABEL_EN)
    assert (found.n_possible, found.n_at_risk) == (1, 6)


@pytest.mark.slow
def test_every_figure_follows_from_the_records():
    was, goes_on = as_it_is().loc[LOST], rewritten("dibao_goes_on").loc[LOST]
    assert (was["dibao_granted"], was["dibao_cancelled_12m"], was["benefit_share"]) == (0, 1, pytest.approx(1200 / 13200))
    assert (goes_on["dibao_granted"], goes_on["dibao_cancelled_12m"], goes_on["benefit_share"]) == (
        1,
        0,
        pytest.approx(2400 / 14400),
    )


def test_work_shows_in_the_roster_and_in_the_ledger():
    was, found = as_it_is().loc[IDLE], rewritten("work_found").loc[IDLE]
    assert (was["n_working"], was["n_informal_employees"], was["casual_wage_line_ratio"]) == (0, 0, 0)
    assert (found["n_working"], found["n_informal_employees"]) == (1, 1)
    assert found["casual_wage_line_ratio"] == pytest.approx(12 * 1600 / 2 / LINE)


@pytest.mark.slow
def test_bills_paid_are_nobodys_burden():
    was, paid = as_it_is().loc[SICK], rewritten("bills_reimbursed").loc[SICK]
    assert (was["out_of_pocket_12m_cny"], was["medical_total_12m_cny"]) == (400, 1000)
    assert (paid["out_of_pocket_12m_cny"], paid["medical_total_12m_cny"]) == (0, 1000)


@pytest.mark.parametrize(
    ("change", "household"),
    [
        ("work_found", IDLE),
        *(pytest.param(*p, marks=pytest.mark.slow) for p in (("dibao_goes_on", LOST), ("bills_reimbursed", SICK))),
    ],
)
def test_nobody_else_is_touched(change: str, household: int):
    """Neighbours' incomes show in the features of the surroundings; the answer keeps those as they were."""
    own = [f.name for f in catalogue(FAMILIES) if f.family != "area"]
    others = [h for h in as_it_is().index if h != household]
    pd.testing.assert_frame_equal(rewritten(change).loc[others, own], as_it_is().loc[others, own])


def test_an_unknown_change_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="work_found"):
        what_if(store(), SPEC, ByIncome(), as_of=DAY, change="work_fund")


def test_nobody_for_whom_it_is_possible():
    with pytest.raises(NotEnoughDataError, match="cancelled in the last twelve months"):
        what_if(store(), SPEC, ByIncome(), as_of=day("2023-12-31"), change="dibao_goes_on")
