"""Every feature against a household worked out by hand, and what must hold of all of them."""

from __future__ import annotations

import functools
import math
import random
import statistics
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from returnrisk.config import OutcomeSpec
from returnrisk.contracts import load_contracts
from returnrisk.errors import NotEnoughDataError, UnknownNameError
from returnrisk.features.catalogue import fingerprint
from returnrisk.features.families import FAMILIES, catalogue
from returnrisk.features.snapshot import STATUS_COLUMNS, Snapshot, build_snapshot
from returnrisk.store.view import Store, connect, open_store
from returnrisk.timeline import Window, add_months, month_end
from tests.feature_households import (
    BASE,
    DELIVERED,
    County,
    Tables,
    copy_rows,
    day,
    month_starts,
    rough_rows,
    rough_store,
    store_of,
    write_rows,
)
from tests.office_households import AREA_COUNTED, OFFICE_TABLES, UNKNOWN_WITHOUT_A_ROW, add_offices
from tests.office_households import COUNTED as OFFICES_COUNTED
from tests.office_households import EXPECTED as OFFICES

DAY = day("2024-09-30")
"""With a delay of 20 days the latest closed ledger is August 2024; twelve months up to the day begin on 1 October 2023."""
SPEC = OutcomeSpec()
V1, V2, V3, V4 = 999904001001, 999904002001, 999904003001, 999904003002
(WORKER, POOR, EMPTY, COLLAPSED, DEBT, SICK, DISABLED, DISABLED_PAID, DISABLED_NEVER, SUBSIDISED, DIBAO, BIG, SUPPORTED, WATCHED, IDLE) = range(101, 116)  # fmt: skip
OLD_CLAIM, NOT_DELIVERED = 201, 202
NEIGHBOURS = (301, 302, 303, 304, 305, 306)
ALONE = 307
BEFORE = (500, 500, 500, 1000, 1000, 250)  # a month until May 2023, household by household; 500 a month is the line
AFTER = (250, 500, 1000, 2000, 500, 1000)  # from June 2023
FLOOR = math.log(0.05)


def rows() -> Tables:
    county = County(months=month_starts("2022-01", "2024-12"), line=6000, county=999904)
    flags = ("poverty_village", "key_village", "resettlement_site", "remote")
    county.village(V1, **dict.fromkeys(flags, False))
    county.village(V2)
    county.village(V3, **dict.fromkeys(flags, True))
    county.village(V4, poverty_village=True, key_village=False, resettlement_site=False, remote=False)
    county.deliver(V1 // 1000, tables=(*DELIVERED, *OFFICE_TABLES))
    county.deliver(V3 // 1000)
    since_july_2023 = [m for m in county.months if m >= day("2023-07-01")]
    county.deliver(V2 // 1000, without=dict.fromkeys(("medical", "subsidy", "support", "monitoring"), since_july_2023))
    _earners(county)
    _sick_and_disabled(county)
    _registers(county)
    _big_household(county)
    _idle_household(county)
    _not_delivered(county)
    _neighbours(county)
    add_offices(county, V1)
    return county.tables


def _earners(county: County) -> None:
    county.household(WORKER, V1, members=[{}, {"relation": "spouse"}])
    head, spouse = 1011, 1012

    def earn(source: str, item: str, months: list[Any], gross: int, **more: Any) -> None:
        county.income(WORKER, source, item, months, gross, **more)

    earn("wage", "migrant_work", month_starts("2022-01", "2024-05"), 1000, person=head, estimated=False)
    earn("wage", "public_post", county.months, 300, person=head, estimated=False)
    earn("transfer", "pension", month_starts("2023-09", "2024-12"), 100, person=spouse)
    earn("transfer", "dibao", county.months, 50)
    earn("transfer", "remittance", [day("2024-02-01")], 600)
    earn("transfer", "temporary_relief", [day("2024-01-01")], 240)
    earn("operating", "crops", [day("2022-10-01")], 3000)
    earn("operating", "crops", [day("2023-10-01")], 2400, estimated=True)
    earn("operating", "crops", [day("2022-04-01"), day("2023-04-01"), day("2024-04-01")], 0, cost=900)
    earn("property", "land_rent", [day("2022-12-01"), day("2023-12-01")], 360)
    county.household(POOR, V1, members=[{}, {}, {}])
    county.income(POOR, "wage", "informal_wage", county.months, 1200)
    county.household(EMPTY, V1)
    county.household(COLLAPSED, V1)
    county.income(COLLAPSED, "wage", "local_work", month_starts("2022-01", "2024-05"), 1000)
    county.household(DEBT, V1)
    county.income(DEBT, "operating", "livestock", [day("2024-03-01")], 600, cost=3600)


def _sick_and_disabled(county: County) -> None:
    county.household(SICK, V1, members=[{"health": "serious"}, {"health": "chronic"}])
    county.income(SICK, "transfer", "remittance", [day("2024-06-01"), day("2024-08-01")], 300)
    patient, other = SICK * 10 + 1, SICK * 10 + 2
    county.claim(1, patient, "2024-03-10", "inpatient", 10000, 3000, listed=True)
    county.claim(2, other, "2024-08-05", "outpatient", 500, 200, listed=None)
    county.claim(3, patient, "2023-10-01", "inpatient", 2000, 1000)
    county.claim(4, patient, "2023-09-30", "inpatient", 7777, 777)  # a day too early for the twelve months
    county.claim(5, other, "2024-09-25", "inpatient", 900, 900, recorded="2024-10-15")  # not recorded yet
    thirty, seventy, fifty = ({"born_on": day(f"{year}-01-01")} for year in (1994, 1954, 1974))
    county.household(
        DISABLED,
        V1,
        members=[
            {"disability_grade": 0},
            {**thirty, "disability_grade": 1},
            {**seventy, "disability_grade": 3},
            {**fifty, "disability_grade": 9},
        ],
    )
    county.subsidy(DISABLED, "disability_care", "2022-03-01", "granted", 80)
    county.subsidy(DISABLED, "disability_care", "2023-05-01", "cancelled", 0)
    county.household(DISABLED_PAID, V1, members=[{"disability_grade": 2}])
    county.subsidy(DISABLED_PAID, "disability_living", "2022-03-01", "granted", 80)
    county.household(DISABLED_NEVER, V1, members=[{"disability_grade": 1}])


def _registers(county: County) -> None:
    county.household(SUBSIDISED, V1, members=[{}, {}])
    for programme, start, status, amount in (
        ("dibao", "2023-01-01", "granted", 300),
        ("dibao", "2024-02-01", "reduced", 200),
        ("dibao", "2024-06-01", "cancelled", 0),
        ("ecology", "2023-05-01", "granted", 100),
        ("farm_support", "2022-01-01", "granted", 50),
        ("farm_support", "2023-12-01", "reduced", 40),
        ("transport", "2022-12-01", "granted", 30),
        ("transport", "2023-08-01", "cancelled", 0),  # longer ago than twelve months
    ):
        county.subsidy(SUBSIDISED, programme, start, status, amount)
    county.subsidy(SUBSIDISED, "ecology", "2024-11-01", "cancelled", 0, recorded="2024-09-10")  # known, but to come
    county.household(DIBAO, V1)
    county.subsidy(DIBAO, "dibao", "2024-01-01", "granted", 250)
    county.support(DIBAO, "skills", "2024-02-10")
    county.household(SUPPORTED, V1)
    county.support(SUPPORTED, "public_post", "2024-03-01")
    county.support(SUPPORTED, "industry", "2022-05-01")
    county.support(SUPPORTED, "job", "2023-11-01", ended="2024-05-31", recorded="2024-06-01")
    county.support(SUPPORTED, "skills", "2024-08-01", delivered=False)
    county.support(SUPPORTED, "housing", "2022-01-05", ended="2023-09-30", recorded="2023-10-01")  # ended a day too early
    county.support(SUPPORTED, "medical_aid", "2024-09-15", ended="2024-09-30", recorded="2024-09-20")  # ends today: still in force
    county.support(SUPPORTED, "school_aid", "2024-10-05", recorded="2024-09-20")  # known, but to come
    county.household(WATCHED, V1)
    county.monitoring(WATCHED, "2021-06-05", "illness", eliminated="2022-12-20", recorded="2022-12-28")
    county.monitoring(WATCHED, "2023-02-01", "job_loss", eliminated="2024-03-15", recorded="2024-03-20")


def _big_household(county: County) -> None:
    away: dict[str, Any] = {"works_away": False, "employee_insurance": False, "health_cover": True, "in_school": False}
    county.household(
        BIG,
        V1,
        members=[
            {**away, "born_on": day("1984-10-01"), "labour_capacity": "full", "employment": "employee_formal", "education": "upper_secondary",
             "works_away": True, "employee_insurance": True},  # 39 until tomorrow
            {**away, "relation": "spouse", "born_on": day("1984-09-30"), "labour_capacity": "weak", "employment": "self_employed",
             "education": "lower_secondary", "health_cover": False},  # 40 today
            {**away, "relation": "child", "born_on": day("2008-09-30"), "labour_capacity": "none", "employment": "inactive",
             "education": "primary", "in_school": True},  # 16 today
            {**away, "relation": "child", "born_on": day("2008-10-01"), "education": "none", "in_school": True},  # 15 until tomorrow
            {**away, "relation": "parent", "born_on": day("1964-09-30"), "labour_capacity": "none", "employment": "unemployed",
             "education": "none"},  # 60 today
            {**away, "born_on": day("1990-01-01"), "labour_capacity": "full", "employment": "employee_informal"},
            {**away, "born_on": day("1900-01-01"), "left_on": day("2024-09-29"), "spell_recorded_on": day("2024-09-30")},
            {**away, "born_on": day("2024-01-01"), "joined_on": day("2024-10-01")},
        ],
        registered_type="ex_poor", registered_on=day("2014-05-01"), housing_grade="D", water_safe=False, cooking_fuel="solid",
        private_toilet=False, flood_prone=True, rooms=9, land_mu=Decimal("4.50"), resettled=True,
    )  # fmt: skip


def _idle_household(county: County) -> None:
    members = [
        {"employment": "inactive"},
        {"relation": "spouse", "employment": "unemployed", "education": "primary"},
        {"born_on": day("2018-10-01"), "employment": "inactive"},  # 5 until tomorrow
        {"born_on": day("2018-09-30"), "employment": "inactive"},  # 6 today
    ]
    county.household(IDLE, V1, members=members)


def _not_delivered(county: County) -> None:
    """Township 2 sent no file on medicine, subsidies, support and monitoring since July 2023."""
    for number in (OLD_CLAIM, NOT_DELIVERED):
        county.household(number, V2, members=[{"disability_grade": 1}])
        county.income(number, "wage", "formal_wage", county.months, 1000)
    county.claim(9, OLD_CLAIM * 10 + 1, "2022-05-05", "inpatient", 400, 100, listed=True)
    county.subsidy(OLD_CLAIM, "dibao", "2022-05-01", "granted", 100)
    county.support(OLD_CLAIM, "job", "2022-05-01", ended="2022-09-01", recorded="2022-09-01")


def _neighbours(county: County) -> None:
    for number, before, after in zip(NEIGHBOURS, BEFORE, AFTER, strict=True):
        county.household(number, V3)
        county.income(number, "wage", "local_work", month_starts("2022-01", "2023-05"), before)
        county.income(number, "wage", "local_work", month_starts("2023-06", "2024-12"), after)
    county.household(ALONE, V4)
    county.income(ALONE, "wage", "local_work", county.months, 1500)


# WORKER: monthly net income September 2023 to August 2024 (1 450 = 1 000 + 300 + 100 + 50; no migrant wage from June)
WORKER_MONTHS = [1450, 1450 + 2400, 1450, 1450 + 360, 1450 + 240, 1450 + 600, 1450, 1450 - 900, 1450, 450, 450, 450]
WORKER_NET, WORKER_GROSS, WORKER_LINE = sum(WORKER_MONTHS), 18000, 12000
# net of the windows that end 3, 6, 9, 12, 15 and 18 months earlier, in lines
WORKER_PRIOR = [19800 / 12000, 19500 / 12000, 18360 / 12000, 18660 / 12000, 18660 / 12000, 18660 / 12000]
WORKER_NOW = WORKER_NET / WORKER_LINE


def mean_log(values: list[float]) -> float:
    return statistics.fmean(math.log(v) for v in values)


def path_of(number: int) -> list[float]:
    """Income of a neighbour in lines in the windows that end 3, 6, 9, 12, 15 and 18 months earlier: so many months after the change."""
    before, after = BEFORE[number], AFTER[number]
    return [(n * after + (12 - n) * before) / 12 / 500 for n in (12, 9, 6, 3, 0, 0)]


EXPECTED: Mapping[int, Mapping[str, float | None]] = {
    **OFFICES,
    WORKER: {
        "income_line_ratio": 1.425,
        "income_log_ratio": math.log(WORKER_NOW),
        "income_prior_mean": mean_log(WORKER_PRIOR),
        "income_mean_log_ratio": mean_log([WORKER_NOW, *WORKER_PRIOR]),
        "income_prior_min": math.log(1.53),
        "income_prior_max": math.log(1.65),
        "income_prior_last": math.log(1.65),
        "income_change_last": math.log(1.425 / 1.65),
        "n_prior_below_line": 0,
        "n_prior_settlements": 6,  # the windows 21 and 24 months back reach before the first ledger
        "income_change_3m": math.log(1.425 / 1.65),
        "income_change_12m": math.log(1.425 / 1.555),
        "recent_income_change": (1350 - 4050) / 12000,  # June to August: 900 + 300 + 150 against 3 000 + 900 + 150
        "recent_wage_change": (900 - 3900) / 12000,
        "recent_income_line_ratio": 4 * 1350 / 12000,
        "income_last_month": 12 * 450 / 12000,
        "income_month_before_last": 12 * 450 / 12000,
        "recent_remittance": 0,  # the only one came in February
        "remittance_last_month": 0,
        "operating_line_ratio": (2400 - 900) / 12000,
        "wage_line_ratio": (9000 + 3600) / 12000,
        "property_line_ratio": 360 / 12000,
        "transfer_line_ratio": (1200 + 600 + 600 + 240) / 12000,
        "operating_prior_mean": (1500 * 3 + 2100 * 3) / 6 / 12000,
        "wage_prior_mean": 15600 / 12000,
        "transfer_prior_mean": (2340 + 2040 + 900 + 600 * 3) / 6 / 12000,
        "operating_change_12m": (1500 - 2100) / 12000,
        "wage_change_12m": (12600 - 15600) / 12000,
        "transfer_change_12m": (2640 - 600) / 12000,
        "wage_months_6m": 6,
        "stable_wage_line_ratio": 3600 / 12000,
        "casual_wage_line_ratio": 9000 / 12000,
        "pension_line_ratio": 1200 / 12000,
        "remittance_line_ratio": 600 / 12000,
        "benefit_share": 840 / 18000,
        "income_without_benefits": (17100 - 840) / 12000,
        "regular_income_line_ratio": (17100 - 240) / 12000,
        "income_without_top_item": (17100 - 9000) / 12000,
        "income_without_top_earner": (17100 - 9000 - 3600) / 12000,
        "secure_line_ratio": (3600 + 1200) / 12000,
        "core_income_line_ratio": (17100 - 600 - 240) / 12000,  # temporary relief is both a benefit and one-off: left out once
        "income_without_casual": (17100 - 9000 - 1500) / 12000,
        "regular_income_without_top_earner": (17100 - 9000 - 3600 - 240) / 12000,
        "income_by_root_of_members": 17100 / 6000 / math.sqrt(2),
        "n_earners": 2,
        "top_item_share": 9000 / 18000,
        "n_income_items": 8,
        "estimated_income_share": 2400 / (9000 + 3600 + 2400),  # of the amounts for which it is said
        "production_cost_share": 900 / 2400,
        "income_variation": statistics.pstdev(WORKER_MONTHS) / statistics.fmean(WORKER_MONTHS),
        "n_times_monitored": 0,
        "ex_poor": 0,
        "years_since_registration": None,
        "poverty_village": 0,
    },
    POOR: {"income_line_ratio": 0.8, "n_prior_below_line": 6, "income_prior_min": math.log(0.8), "income_variation": 0, "income_change_12m": 0},
    EMPTY: {
        # delivered, and nothing in it: zero, not unknown
        "income_line_ratio": 0, "income_log_ratio": FLOOR, "wage_line_ratio": 0, "income_without_benefits": 0, "stable_wage_line_ratio": 0,
        "n_prior_below_line": 6, "n_income_items": 0, "wage_months_6m": 0, "recent_income_change": 0, "recent_wage_change": 0,
        "recent_income_line_ratio": 0, "income_last_month": 0, "income_month_before_last": 0, "recent_remittance": 0,
        "top_item_share": None, "benefit_share": None, "estimated_income_share": None, "production_cost_share": None, "n_earners": None,
        "out_of_pocket_12m_line_ratio": 0, "out_of_pocket_3m_line_ratio": 0, "out_of_pocket_12m_cny": 0, "medical_total_12m_cny": 0,
        "out_of_pocket_share_12m": None, "n_inpatient_12m": 0, "n_claims_12m": 0, "listed_disease_24m": 0, "months_since_inpatient": None,
        "dibao_granted": 0, "dibao_cancelled_12m": 0, "n_cancelled_12m": 0, "n_reduced_12m": 0, "n_programmes_granted": 0,
        "subsidy_month_line_ratio": 0, "months_since_subsidy_change": None,
        "n_support_active": 0, "n_support_started_12m": 0, "n_support_undelivered": 0, "n_support_ended_12m": 0, "has_public_post": 0,
        "has_industry_support": 0, "months_since_support": None,
        "n_times_monitored": 0, "months_since_elimination": None, "months_since_identification": None,
        "was_monitored_for_illness_or_disability": 0, "was_monitored_for_income": 0,
        **dict.fromkeys(OFFICES_COUNTED, 0), **dict.fromkeys(UNKNOWN_WITHOUT_A_ROW),
    },
    COLLAPSED: {
        "income_line_ratio": 1.5, "recent_income_change": -3000 / 6000, "recent_wage_change": -3000 / 6000, "wage_months_6m": 3,
        "income_variation": statistics.pstdev([1000] * 9 + [0] * 3) / 750,  # months delivered empty are months without income
    },
    DEBT: {
        "income_line_ratio": -0.5, "income_log_ratio": FLOOR, "production_cost_share": 6, "operating_line_ratio": -0.5, "wage_months_6m": 0,
        "recent_income_change": 0,
    },
    SICK: {
        "out_of_pocket_12m_line_ratio": 4200 / 12000, "out_of_pocket_3m_line_ratio": 200 / 12000, "out_of_pocket_12m_cny": 4200,
        "medical_total_12m_cny": 12500, "out_of_pocket_share_12m": 0.336, "n_inpatient_12m": 2, "n_claims_12m": 3, "listed_disease_24m": 1,
        "months_since_inpatient": 6, "n_seriously_ill": 1, "n_chronically_ill": 1,
        "recent_remittance": 4 * 600 / 12000, "remittance_last_month": 12 * 300 / 12000, "income_month_before_last": 0,
    },
    DISABLED: {
        "n_disabled": 3, "n_severely_disabled": 1, "disabled_share": 0.75, "worst_disability_grade": 1, "n_disabled_working_age": 2,
        "disabled_without_subsidy": 1,  # granted once, cancelled since
    },
    DISABLED_PAID: {"n_severely_disabled": 1, "worst_disability_grade": 2, "disabled_without_subsidy": 0},
    DISABLED_NEVER: {"disabled_without_subsidy": 1},
    SUBSIDISED: {
        "dibao_granted": 0, "dibao_cancelled_12m": 1, "n_cancelled_12m": 1, "n_reduced_12m": 2, "n_programmes_granted": 2,
        "subsidy_month_line_ratio": (100 + 40) * 12 / 12000, "months_since_subsidy_change": 3,
    },
    DIBAO: {
        "dibao_granted": 1, "dibao_cancelled_12m": 0, "n_programmes_granted": 1, "subsidy_month_line_ratio": 0.5,
        "months_since_subsidy_change": 8, "months_since_support": 7, "has_public_post": 0,
    },
    BIG: {
        "n_members": 6, "n_children": 1, "n_old": 1, "n_working_age": 4, "n_full_labour": 2, "n_weak_labour": 1, "dependency_ratio": 1 / 3,
        "head_age": 39, "youngest_age": 15, "oldest_age": 60, "mean_age": 34, "adult_education_years": 27 / 4, "head_education_years": 12,
        "n_under_6": 0, "best_education_years": 12, "spouse_works": 1,
        "n_idle_adults": 0,  # one is at school, one is 60
        "n_students": 1, "n_working": 3, "working_share": 0.5, "n_formal_employees": 1, "n_informal_employees": 1, "n_own_account": 1,
        "head_works": 1, "n_unemployed": 1, "n_away": 1, "n_employee_insured": 1, "n_without_health_cover": 1, "housing_grade": 4, "housing_unsafe": 1,
        "water_unsafe": 1, "fuel_grade": 3, "no_private_toilet": 1, "flood_prone": 1, "rooms_per_member": 1.5, "land_per_member": 0.75,
        "resettled": 1, "ex_poor": 1, "years_since_registration": 10,
    },
    IDLE: {"n_under_6": 1, "spouse_works": 0, "n_idle_adults": 2, "best_education_years": 6},
    SUPPORTED: {
        "n_support_active": 3, "n_support_started_12m": 4, "n_support_undelivered": 1, "n_support_ended_12m": 1, "has_public_post": 1,
        "has_industry_support": 1, "months_since_support": 0,
    },
    WATCHED: {
        "n_times_monitored": 2, "months_since_elimination": 6, "months_since_identification": 19,
        "was_monitored_for_illness_or_disability": 1, "was_monitored_for_income": 1,
    },
    NOT_DELIVERED: {
        # no file: unknown, not zero
        **dict.fromkeys(
            ("out_of_pocket_12m_line_ratio", "out_of_pocket_3m_line_ratio", "out_of_pocket_12m_cny", "medical_total_12m_cny",
             "n_inpatient_12m", "n_claims_12m", "listed_disease_24m", "dibao_granted", "dibao_cancelled_12m", "n_cancelled_12m",
             "n_reduced_12m", "n_programmes_granted", "subsidy_month_line_ratio", "n_support_active", "n_support_started_12m",
             "n_support_undelivered", "n_support_ended_12m", "has_public_post", "has_industry_support", "n_times_monitored",
             "was_monitored_for_illness_or_disability", "was_monitored_for_income", "disabled_without_subsidy",
             *OFFICES_COUNTED, *UNKNOWN_WITHOUT_A_ROW, *AREA_COUNTED)
        ),
        "n_seriously_ill": None, "n_disabled": 1, "income_line_ratio": 2, "poverty_village": None, "remote_village": None,
        "housing_grade": None, "housing_unsafe": None, "water_unsafe": None, "rooms_per_member": None, "adult_education_years": None, "n_away": None,
    },
    OLD_CLAIM: dict.fromkeys(
        ("out_of_pocket_12m_cny", "n_inpatient_12m", "n_claims_12m", "dibao_cancelled_12m", "n_cancelled_12m", "n_reduced_12m",
         "n_support_started_12m", "n_support_ended_12m")
    ),
    NEIGHBOURS[0]: {
        # of others: 500, 1 000, 2 000, 500, 1 000 now; 500, 500, 1 000, 1 000, 250 before; nine months before and three after
        "village_below_share": 0,
        "village_mean_log_ratio": mean_log([1, 2, 4, 1, 2]),
        "village_below_share_2y": (3 / 6) / 5,  # the last one, before its wage rose
        "village_mean_log_ratio_2y": statistics.fmean(mean_log(path_of(i)) for i in (1, 2, 3, 4, 5)),
        "village_income_change": mean_log([1, 2, 2, 0.5, 4]),
        "village_year_before_log_ratio": mean_log([1, 1.25, 2.5, 1.75, 0.875]),
        "township_below_share": 0,
        "poverty_village": 1, "key_village": 1, "resettlement_site": 1, "remote_village": 1,
    },
    NEIGHBOURS[1]: {
        "village_below_share": 1 / 5,
        "village_below_share_2y": (4 / 6 + 3 / 6) / 5,
        "village_mean_log_ratio": mean_log([0.5, 2, 4, 1, 2]),
        "township_below_share": 1 / 6,
    },
    ALONE: {
        # nobody else in the village, six in the township
        **dict.fromkeys(
            ("village_below_share", "village_mean_log_ratio", "village_below_share_2y", "village_mean_log_ratio_2y", "village_income_change",
             "village_year_before_log_ratio")
        ),
        "township_below_share": 1 / 6, "poverty_village": 1, "key_village": 0, "resettlement_site": 0, "remote_village": 0,
    },
}  # fmt: skip
CASES = [(household, feature) for household, features in EXPECTED.items() for feature in features]
FLOAT32_TOLERANCE = 2e-7
"""A snapshot rounds once to float32 (24 bits: 6e-8 relative)."""
ROUNDED = {"income_variation"}
"""Rounded to six digits, since it comes from sums of doubles."""


@functools.cache
def hand_store() -> Store:
    return store_of("features", rows(), delay=20)


@functools.cache
def hand_snapshot() -> Snapshot:
    return build_snapshot(hand_store().as_of(DAY), spec=SPEC)


def features_of(name: str, tables: Tables, *families: str, spec: OutcomeSpec = SPEC) -> pd.DataFrame:
    """Features of some families on the day, from changed rows, by household."""
    view = store_of(name, tables, delay=20).as_of(DAY)
    return build_snapshot(view, spec=spec, families=families).frame().set_index("household_id")


@functools.cache
def by_household() -> pd.DataFrame:
    return hand_snapshot().frame().set_index("household_id")


@pytest.mark.parametrize(("household", "feature"), CASES, ids=str)
def test_a_feature_by_hand(household: int, feature: str):
    found, expected = float(by_household().loc[household, feature]), EXPECTED[household][feature]
    if expected is None:
        assert math.isnan(found)
    else:
        rounded = 1e-6 if feature in ROUNDED else 1e-9
        assert found == pytest.approx(expected, rel=FLOAT32_TOLERANCE, abs=rounded)


def test_every_feature_has_a_value_worked_out_by_hand():
    """At least one that is neither missing nor zero, so that a column of nothing cannot pass."""
    worked_out = {feature for features in EXPECTED.values() for feature, value in features.items() if value}
    assert {f.name for f in catalogue()} - worked_out == set()


def test_no_name_in_the_expectations_is_outdated():
    assert {feature for _, feature in CASES} - {f.name for f in catalogue()} == set()


def test_record_dates_are_the_latest_record_a_value_rests_on():
    frame = by_household()

    def on(household: int, record: str) -> str:
        value = frame.loc[household, f"on_{record}"]
        return "" if pd.isna(value) else f"{value:%Y-%m-%d}"

    assert on(WORKER, "income") == "2024-09-20"  # August's ledger
    assert on(DEBT, "income") == "2024-04-20"
    assert on(EMPTY, "income") == ""
    assert on(SICK, "medical") == "2024-08-15"
    assert on(SUBSIDISED, "subsidy") in ("2024-06-15", "2024-09-10")  # the last change in force, or the one already announced
    assert on(SUPPORTED, "support") == "2024-09-20"
    assert on(WATCHED, "monitoring") == "2024-03-20"
    assert on(BIG, "member") == on(BIG, "household") == on(BIG, "village") == f"{BASE}"


# -- the first year: what was never delivered is not zero --------------------------------------------------------------------------


def test_a_quarter_before_the_first_ledger_is_unknown_and_no_rise():
    """On 31 January 2023 the same months a year before are October to December 2021, of which no ledger exists."""
    view = hand_store().as_of(day("2023-01-31"))
    frame = build_snapshot(view, spec=SPEC, families=["income"]).frame().set_index("household_id")
    assert frame.loc[WORKER, "income_line_ratio"] == pytest.approx(18660 / 12000, rel=FLOAT32_TOLERANCE)
    for feature in ("recent_income_change", "recent_wage_change", "wage_change_12m", "income_change_12m"):
        assert frame[feature].isna().all(), feature


def test_lost_ledgers_are_unknown_and_no_collapse():
    """July and August 2024 never came for township 3; with nine months enough, nobody there may seem to have lost income."""
    tables = rows()
    lost = {day("2024-07-01"), day("2024-08-01")}
    tables["delivery"] = [r for r in tables["delivery"] if not (r["township_code"] == V3 // 1000 and r["period_start"] in lost)]
    tables["income"] = [r for r in tables["income"] if not (r["household_id"] in NEIGHBOURS and r["period_start"] in lost)]
    frame = features_of("lost-ledgers", tables, "income", spec=replace(SPEC, min_months=9)).loc[list(NEIGHBOURS)]
    assert list(frame["income_line_ratio"]) == pytest.approx([a / 500 for a in AFTER], rel=FLOAT32_TOLERANCE)
    for feature in ("recent_income_change", "recent_wage_change"):
        assert not (frame[feature] < 0).any(), feature
    for feature in ("recent_income_line_ratio", "income_last_month", "income_month_before_last"):
        assert not (frame[feature] <= 0).any(), feature  # what they have, or unknown
    assert list(frame["income_variation"]) == pytest.approx([0] * 6, abs=1e-6)
    assert not (frame["wage_months_6m"] < 6).any()  # they had a wage every month of which a ledger came: six, or unknown


def test_a_remittance_for_two_months_is_spread_over_them():
    """300 in June and 600 for July and August together, among three members."""
    tables = rows()
    wage = next(r for r in tables["income"] if r["household_id"] == POOR and r["period_start"] == day("2024-06-01"))
    june = {**wage, "source": "transfer", "item": "remittance", "gross_cny": 300}
    later = {**june, "gross_cny": 600, "period_start": day("2024-07-01"), "period_end": day("2024-08-31"), "recorded_on": DAY}
    tables["income"] += [june, later]
    poor = features_of("remittance", tables, "income").loc[POOR]
    assert poor["recent_remittance"] == pytest.approx(4 * 900 / 18000, rel=FLOAT32_TOLERANCE)
    assert poor["remittance_last_month"] == pytest.approx(12 * 300 / 18000, rel=FLOAT32_TOLERANCE)
    assert poor["income_month_before_last"] == pytest.approx(12 * (1200 + 300) / 18000, rel=FLOAT32_TOLERANCE)
    assert poor["recent_income_line_ratio"] == pytest.approx(4 * (3600 + 900) / 18000, rel=FLOAT32_TOLERANCE)


def test_quarterly_ledgers_of_a_steady_income_do_not_vary():
    """A county may report by the quarter: 3 000 a quarter is as steady as 1 000 a month."""
    tables = rows()
    quarters = [m for m in month_starts("2022-01", "2024-12") if m.month % 3 == 1]
    tables["income"] = [
        {**row, "gross_cny": row["gross_cny"] * 3, "period_end": month_end(add_months(row["period_start"], 2)), "recorded_on": DAY}
        for row in tables["income"]
        if row["household_id"] == POOR and row["period_start"] in quarters and row["period_start"] < day("2024-07-01")
    ]
    spec = replace(SPEC, window=Window("trailing", 15))  # to August 2024: the quarters from July 2023 to June 2024 lie inside
    frame = features_of("quarterly", tables, "income", spec=spec)
    assert frame.loc[POOR, "income_line_ratio"] > 0
    assert not frame.loc[POOR, "income_variation"] > 0.6  # unknown, or that of twelve equal months and three without a ledger


# -- one person, one count ---------------------------------------------------------------------------------------------------------


@functools.cache
def with_three_oddities() -> pd.DataFrame:
    """A person of SICK with two open spells, one of POOR without particulars, and a case of WATCHED that the office has recorded to
    end in December."""
    tables = rows()
    spell = next(r for r in tables["household_roster"] if r["person_id"] == SICK * 10 + 1)
    tables["household_roster"].append({**spell, "joined_on": day("2011-01-01"), "recorded_on": day("2022-05-01")})
    tables["member"] = [r for r in tables["member"] if r["person_id"] != POOR * 10 + 2]
    for case in tables["monitoring"]:
        if case["identified_on"] == day("2023-02-01"):
            case["eliminated_on"] = day("2024-12-31")
    return features_of("oddities", tables, "illness", "disability", "household", "income", "monitoring")


def test_a_person_with_two_open_spells_is_counted_once():
    names = [f.name for f in catalogue(("illness", "disability", "household"))]
    pd.testing.assert_series_equal(with_three_oddities().loc[SICK, names], by_household().loc[SICK, names])


def test_a_member_without_particulars_is_still_a_member():
    found = with_three_oddities()
    assert found.loc[POOR, "income_line_ratio"] == pytest.approx(0.8)
    assert found.loc[POOR, "n_members"] == 3


def test_what_the_household_paid_for_a_member_who_died_is_still_paid():
    """The patient died on 15 August; the bill of March is the household's all the same. It is not the bill of where a person lives later."""
    tables = rows()
    patient = SICK * 10 + 1
    spell = next(r for r in tables["household_roster"] if r["person_id"] == patient)
    tables["household_roster"].append({**spell, "left_on": day("2024-08-15"), "recorded_on": day("2024-08-20")})
    moved = {**spell, "household_id": EMPTY, "joined_on": day("2024-08-16"), "recorded_on": day("2024-08-20")}
    for name, spells in (("died", []), ("moved", [moved])):
        changed = {**tables, "household_roster": tables["household_roster"] + spells}
        found = features_of(name, changed, "illness")
        assert found.loc[SICK, "out_of_pocket_12m_cny"] == 4200, name
        assert found.loc[SICK, "n_inpatient_12m"] == 2, name
        assert found.loc[SICK, "n_seriously_ill"] == 0, name
        assert found.loc[EMPTY, "out_of_pocket_12m_cny"] == 0, name


def test_a_case_that_will_be_closed_later_has_not_been_closed_for_some_months():
    """Months since elimination cannot be negative."""
    found = with_three_oddities()
    assert found.loc[WATCHED, "stratum"] == "monitored"
    assert found.loc[WATCHED, "months_since_elimination"] == 21  # the first case, in December 2022


# -- the season ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "quarter"), [("2024-07-31", 3), ("2024-09-30", 3), ("2024-06-30", 2), ("2024-03-31", 1), ("2023-12-31", 4)]
)
def test_the_season_is_that_of_the_day_and_there_on_request_only(on: str, quarter: int):
    frame = build_snapshot(hand_store().as_of(day(on)), spec=SPEC, families=["season"]).frame()
    assert (frame["quarter_of_year"] == quarter).all()
    assert (frame["second_or_fourth_quarter"] == (quarter in (2, 4))).all()
    assert (frame["on_season"] == pd.Timestamp(on)).all()
    assert "season" not in {f.family for f in catalogue()}


# -- the catalogue -----------------------------------------------------------------------------------------------------------------


def test_the_catalogue_is_complete_and_in_order():
    entries = catalogue()
    names = [f.name for f in entries]
    assert len(names) >= 40
    assert len(set(names)) == len(names)
    assert [name for name, family in FAMILIES.items() for _ in family.features] == [f.family for f in entries]
    for f in entries:
        texts = (f.zh, f.en, f.verify_zh, f.verify_en)
        assert all(t.strip() == t and t for t in texts), f.name
        assert any("一" <= c <= "鿿" for c in f.zh), f.name
        assert f.en.isascii(), f.name
        assert f.monotone in (-1, 0, 1)
    assert names == hand_snapshot().names


def test_every_feature_rests_on_a_record_whose_date_is_in_the_snapshot():
    assert {f"on_{f.record}" for f in catalogue()} <= set(hand_snapshot().frame().columns)


def test_the_words_for_a_cadre_are_unambiguous_within_a_family():
    """Two features of one family that read alike could not be told apart in a reason, unless they are the same figure."""
    same_figure = {"income_line_ratio", "income_log_ratio"}
    shown = [(f.family, f.zh) for f in catalogue() if f.name not in same_figure]
    assert len(set(shown)) == len(shown)


def test_the_fingerprint_follows_every_entry():
    entries = catalogue()
    assert fingerprint(entries) == fingerprint(catalogue())
    assert fingerprint((replace(entries[0], verify_en="another"), *entries[1:])) != fingerprint(entries)
    assert fingerprint(entries[::-1]) != fingerprint(entries)


def test_protected_columns_and_the_channel_of_a_signal_are_not_used():
    """Another sex, ethnicity and minority flag for everybody, another channel for every signal (the person complained about may be
    the one who visits): neither a feature nor a date moves."""
    protected = {(name, f.name) for name, c in load_contracts().items() for f in c.fields if f.protected}
    assert protected == {("member", "sex"), ("member", "ethnicity_group"), ("village", "minority_area")}
    tables = copy_rows(rough_rows())
    for row in tables["member"]:
        row |= {
            "sex": "male" if row["sex"] == "female" else "female",
            "ethnicity_group": "majority" if row["ethnicity_group"] == "minority" else "minority",
        }
    for row in tables["village"]:
        row["minority_area"] = not row["minority_area"]
    for row in tables["signal"]:
        row["channel"] = "media" if row["channel"] == "complaint" else "complaint"
    other = build_snapshot(store_of("protected", tables).as_of(day("2022-03-31")), spec=SPEC).frame()
    pd.testing.assert_frame_equal(other, rough_snapshot().frame(), check_exact=True)


# -- area --------------------------------------------------------------------------------------------------------------------------

AREA = [f.name for f in FAMILIES["area"].features]


def area_of(tables: Tables) -> pd.DataFrame:
    return features_of("area", tables, "area")[AREA]


def test_ones_own_income_moves_the_neighbours_figures_and_never_ones_own():
    tables = rows()
    for row in tables["income"]:
        if row["household_id"] == NEIGHBOURS[0]:
            row["gross_cny"] = row["gross_cny"] * (5 if row["period_start"].year == 2023 else 7)
    found, expected = area_of(tables), by_household()[AREA]
    pd.testing.assert_series_equal(found.loc[NEIGHBOURS[0]], expected.loc[NEIGHBOURS[0]])
    moved = [
        "village_below_share",
        "village_mean_log_ratio",
        "village_income_change",
        "village_year_before_log_ratio",
        "township_below_share",
    ]
    for neighbour in NEIGHBOURS[1:]:
        assert (found.loc[neighbour, moved] != expected.loc[neighbour, moved]).all(), neighbour
    pd.testing.assert_frame_equal(found.drop([*NEIGHBOURS, ALONE]), expected.drop([*NEIGHBOURS, ALONE]))


def test_area_looks_at_earlier_windows_only():
    """What neighbours earned in the last three closed months does not enter: it is not earlier than one's own latest window."""
    tables = rows()
    for row in tables["income"]:
        if row["period_start"] >= day("2024-06-01"):
            row["gross_cny"] = row["gross_cny"] * 9 + 100
    pd.testing.assert_frame_equal(area_of(tables), by_household()[AREA])


# -- the snapshot ------------------------------------------------------------------------------------------------------------------


@functools.cache
def rough_snapshot() -> Snapshot:
    return build_snapshot(rough_store().as_of(day("2022-03-31")), spec=SPEC)


@pytest.mark.parametrize("which", ["hand", "rough"])
def test_one_row_per_household_float32_and_sorted(which: str):
    snapshot = hand_snapshot() if which == "hand" else rough_snapshot()
    frame = snapshot.frame()
    assert frame["household_id"].is_unique
    assert frame["household_id"].is_monotonic_increasing
    assert list(frame.columns[: len(STATUS_COLUMNS)]) == list(STATUS_COLUMNS)
    assert set(frame[snapshot.names].dtypes) == {np.dtype("float32")}
    matrix = snapshot.matrix()
    assert matrix.dtype == np.float64
    assert matrix.shape == (len(frame), len(catalogue()))
    assert not np.isinf(matrix).any()
    assert (matrix.astype("float32").astype("float64") == matrix)[~np.isnan(matrix)].all()


def test_flags_shares_and_counts_keep_to_their_range():
    frame = rough_snapshot().frame()
    for f in catalogue():
        values = frame[f.name].dropna()
        if f.unit == "flag":
            assert set(values) <= {0.0, 1.0}, f.name
        if f.unit == "share" and f.name != "production_cost_share":  # cost may be more than what came in
            assert values.le(1).all(), f.name
        if f.unit in ("count", "months", "years", "cny", "grade", "mu", "rooms"):
            assert values.ge(0).all(), f.name


def test_every_stratum_is_in_the_snapshot():
    assert set(rough_snapshot().frame()["stratum"]) == {"at_risk", "below_line", "monitored", "not_computable"}


def test_shuffled_rows_and_another_number_of_threads_give_the_same_bits():
    """Sums of doubles depend on the order of adding; what enters a snapshot may not."""
    rng = random.Random(1)  # noqa: S311 (an order, not a secret)
    shuffled = {name: rng.sample(table, len(table)) for name, table in rough_rows().items()}
    store = open_store(write_rows("shuffled", shuffled), con=connect(threads=1))
    assert store.manifest.fingerprint == rough_store().manifest.fingerprint
    other = build_snapshot(store.as_of(day("2022-03-31")), spec=SPEC)
    assert other.matrix().tobytes() == rough_snapshot().matrix().tobytes()
    pd.testing.assert_frame_equal(other.frame(), rough_snapshot().frame(), check_exact=True)


def test_households_under_other_numbers_have_the_same_features():
    """Pseudonyms name households and say nothing: another key gives the same rows under other names."""
    tables, renamed = rows(), rows()
    new = {h["household_id"]: 10**6 - 7 * h["household_id"] for h in tables["household"]}
    for table in renamed.values():
        for row in table:
            if "household_id" in row:
                row["household_id"] = new[row["household_id"]]
    found = build_snapshot(store_of("renamed", renamed, delay=20).as_of(DAY), spec=SPEC).frame().set_index("household_id")
    expected = by_household()
    names = [*hand_snapshot().names, "stratum"]
    pd.testing.assert_frame_equal(found.loc[[new[h] for h in expected.index], names].set_axis(expected.index), expected[names])


def test_a_few_families_give_the_same_values():
    some = build_snapshot(hand_store().as_of(DAY), spec=SPEC, families=["area", "income", "support"])
    assert some.names == [f.name for f in catalogue() if f.family in ("area", "income", "support")]
    pd.testing.assert_frame_equal(some.frame()[some.names], hand_snapshot().frame()[some.names])


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'income'"):
        build_snapshot(hand_store().as_of(DAY), spec=SPEC, families=["incomes"])
    with pytest.raises(NotEnoughDataError, match="no household has a member on 2021-06-30"):
        build_snapshot(hand_store().as_of(day("2021-06-30")), spec=SPEC)
