"""Hand-worked households of the further offices: disasters, jobs, schools, loans, insurance, projects, signals; with what is expected."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tests.feature_households import County, Row, day, month_starts

OFFICE_TABLES = (
    "expense", "disability", "disaster", "hazard", "employment", "schooling", "loan", "insurance", "industry_project", "price", "signal", "visit",
)  # fmt: skip
DATES = {
    "started_on", "ended_on", "happened_on", "term_start", "granted_on", "due_on", "valid_from", "valid_until", "paid_on", "linked_on", "state_on",
    "issued_on", "period_start", "period_end", "raised_on", "visited_on",
}  # fmt: skip
(HIT, JOBS, PUPILS, HOUSED, BORROWER, INSURED, LINKED, SPENDER, CERTIFIED, SIGNALLED, UNPAID, JOBLESS, UNPRICED) = range(121, 134)


def row(county: County, table: str, *, recorded: str, **columns: Any) -> None:
    """A row of any table; dates as text."""
    made: Row = {name: day(value) if name in DATES and value else value for name, value in columns.items()}
    county.tables[table].append({**made, "recorded_on": day(recorded)})


def add_offices(county: County, village: int) -> None:
    """The households, all in one village whose township delivers every table."""
    county.household(HIT, village)
    county.household(JOBS, village, members=[{}, {}, {}])
    county.household(PUPILS, village, members=[{}] * 7)
    county.household(HOUSED, village, housing_grade="C", water_safe=True)
    county.household(BORROWER, village, members=[{}, {}])
    county.household(INSURED, village)
    county.household(LINKED, village, members=[{}, {}])
    county.household(SPENDER, village)
    county.household(CERTIFIED, village, members=[{}, {}, {}])
    for number in (SIGNALLED, UNPAID, JOBLESS, UNPRICED):
        county.household(number, village)
    for add in (_disasters, _hazards, _jobs, _pupils, _loans, _policies, _projects, _prices, _expenses, _certificates, _signals):
        add(county)
    county.support(HOUSED, "housing", "2024-05-01", delivered=False)


def _disasters(county: County) -> None:
    for kind, happened, loss, paid, damaged in (
        ("flood", "2024-07-10", 3000, 1200, True),
        ("drought", "2023-10-01", 600, 900, None),  # insurance paid more than was lost
        ("hail", "2023-05-01", 1000, None, False),  # in the 24 months, not in the twelve
        ("fire", "2022-09-30", 500, 0, True),  # a day too early for either
    ):
        row(county, "disaster", household_id=HIT, hazard_kind=kind, happened_on=happened, loss_cny=loss, insured_paid_cny=paid,
            house_damaged=damaged, recorded=happened)  # fmt: skip
    row(county, "disaster", household_id=HIT, hazard_kind="accident", happened_on="2024-09-25", loss_cny=9, recorded="2024-10-02")


def _hazards(county: County) -> None:
    code = county.tables["village"][0]["village_code"]
    for area, kind, started, severity, recorded in (
        (code, "hail", "2024-03-05", "light", "2024-03-09"),
        (code // 1000, "flood", "2024-07-08", "severe", "2024-07-12"),
        (code // 10**6, "flood", "2024-07-01", "moderate", "2024-07-12"),
        (code // 10**6, "frost", "2023-10-01", "moderate", "2023-10-09"),
        (code // 10**6, "drought", "2023-08-01", "severe", "2023-08-09"),  # longer ago than twelve months
        (code // 1000 + 2, "epidemic", "2024-08-01", "severe", "2024-08-09"),  # another township's
        (code, "earthquake", "2024-09-20", "severe", "2024-10-02"),  # not recorded yet
    ):
        row(county, "hazard", area_code=area, hazard_kind=kind, started_on=started, severity=severity, recorded=recorded)


def _jobs(county: County) -> None:
    def job(person: int, started: str, ended: str, wage: int | None, *, reason: str = "", **columns: str) -> None:
        common = {"kind": "employee_informal", "place": "county", "sector": "services", **columns}
        if ended:  # the office learns of the end when it comes
            row(county, "employment", person_id=person, started_on=started, monthly_wage_cny=wage, recorded=started, **common)
        row(county, "employment", person_id=person, started_on=started, monthly_wage_cny=wage, ended_on=ended or None,
            end_reason=reason or None, recorded=ended or started, **common)  # fmt: skip

    first, second, third = (JOBS * 10 + k for k in (1, 2, 3))
    job(first, "2022-05-01", "2024-07-15", 3000, reason="firm_closed", sector="manufacturing", place="outside")
    job(first, "2024-08-01", "", 800, kind="public_post", place="village")
    job(second, "2023-02-01", "2024-04-20", 2500, reason="care", sector="construction", place="outside")
    job(third, "2023-01-01", "2023-12-31", 1500, reason="contract_ended", sector="manufacturing")
    job(third, "2024-03-01", "", 2000, sector="construction", place="outside")
    job(UNPAID * 10 + 1, "2023-01-01", "", None)
    job(JOBLESS * 10 + 1, "2023-01-01", "2024-05-31", 1000, reason="other")


def _pupils(county: County) -> None:
    def term(child: int, start: str, stage: str, status: str, *, recorded: str = "", **columns: Any) -> None:
        row(county, "schooling", person_id=PUPILS * 10 + child, term_start=start, stage=stage, status=status, recorded=recorded or start, **columns)  # fmt: skip

    term(2, "2024-03-01", "primary", "enrolled", boarding=True, fee_cny_year=1000, aid_cny_year=1500)
    term(2, "2024-09-01", "primary", "suspended", recorded="2024-10-10")  # not recorded yet
    term(3, "2024-03-01", "lower_secondary", "dropped_out")
    term(4, "2024-03-01", "tertiary", "enrolled", fee_cny_year=8000, aid_cny_year=3000)
    term(5, "2024-03-01", "vocational", "graduated")
    term(6, "2023-10-01", "upper_secondary", "enrolled", boarding=True, fee_cny_year=9000)
    term(6, "2024-03-01", "vocational", "enrolled", fee_cny_year=2000)  # the latest term counts alone
    term(7, "2023-09-01", "primary", "enrolled", fee_cny_year=700)  # longer ago than twelve months


def _loans(county: County) -> None:
    for number, kind, amount, granted, due, balance, overdue in (
        (1, "micro_credit", 50000, "2023-01-01", "2025-03-31", 30000, False),
        (2, "student", 8000, "2022-09-01", "2027-08-31", 6000, False),
        (3, "other", 4000, "2022-09-01", "2024-01-31", 0, False),
        (4, "other", 5000, "2022-09-01", "2024-06-30", 2400, True),
    ):
        row(county, "loan", loan_id=number, household_id=BORROWER, kind=kind, amount_cny=amount, granted_on=granted, due_on=due,
            balance_cny=balance, overdue=overdue, recorded="2024-07-15")  # fmt: skip


def _policies(county: County) -> None:
    for household, kind, start, end, paid, paid_on in (
        (INSURED, "poverty_guard", "2024-01-01", "2024-12-31", 900, "2024-05-05"),
        (INSURED, "crop", "2023-03-01", "2024-02-29", 0, ""),  # not renewed
        (INSURED, "livestock", "2023-06-01", "2024-05-31", 600, "2023-10-02"),
        (INSURED, "livestock", "2024-06-01", "2025-05-31", 0, ""),
        (INSURED, "accident", "2024-09-30", "2025-09-29", 0, ""),  # begins today
        (INSURED, "house", "2022-10-01", "2023-09-30", 0, ""),  # lapsed a day too early
        (HOUSED, "house", "2023-10-01", "2024-09-30", 0, ""),  # ends today
    ):
        row(county, "insurance", household_id=household, kind=kind, valid_from=start, valid_until=end, paid_out_cny=paid,
            paid_on=paid_on or None, recorded=paid_on or start)  # fmt: skip


def _projects(county: County) -> None:
    for number, kind, linked, state, on, dividend in (
        (1, "planting", "2023-01-01", "running", "2023-01-01", 1000),
        (2, "livestock", "2022-01-01", "suspended", "2024-06-10", 600),
        (3, "tourism", "2022-01-01", "failed", "2023-09-30", 500),  # longer ago than twelve months
        (4, "other", "2022-01-01", "ended", "2024-07-15", 700),
    ):
        row(county, "industry_project", project_id=number, household_id=LINKED, project_kind=kind, linked_on=linked, state=state, state_on=on,
            dividend_cny_year=dividend, recorded=on)  # fmt: skip
    county.income(LINKED, "operating", "crops", [day("2023-10-01")], 9000, cost=8000)
    county.income(LINKED, "operating", "livestock", [day("2024-05-01")], 3000)
    county.income(LINKED, "property", "collective_dividend", [day("2024-02-01")], 400)
    county.income(UNPRICED, "operating", "livestock", [day("2024-05-01")], 3000)


def _prices(county: County) -> None:
    for product, before, now in (("grain", 2, Decimal("2.20")), ("fruit", 10, 7), ("pig", 20, 15), ("other", 1, 50)):
        for months, price in ((month_starts("2023-06", "2023-08"), before), (month_starts("2024-06", "2024-08"), now)):
            for month in months:
                row(county, "price", product=product, period_start=f"{month}", price_cny_kg=price, recorded=f"{month:%Y-%m}-28")
    row(county, "price", product="pig", period_start="2024-09-01", price_cny_kg=99, recorded="2024-09-28")  # later than the account
    row(
        county, "price", product="poultry", period_start="2024-07-01", price_cny_kg=9, recorded="2024-07-28"
    )  # without a year before


def _expenses(county: County) -> None:
    for kind, start, end, amount in (
        ("elder_care", "2024-01-01", "2024-01-31", 500),
        ("tuition", "2024-08-01", "2024-08-31", 1000),
        ("illness", "2024-08-01", "2024-08-31", 9999),  # told by the claims
        ("disaster", "2023-09-01", "2023-09-30", 800),  # a day too early
    ):
        row(county, "expense", household_id=SPENDER, kind=kind, period_start=start, period_end=end, amount_cny=amount, recorded=end)


def _certificates(county: County) -> None:
    for person, kind, grade, until in (
        (1, "mental", 2, None),
        (2, "physical", 3, "2024-05-31"),
        (3, "intellectual", 3, "2023-01-01"),
        (3, "vision", 4, "2026-01-01"),
    ):
        row(county, "disability", person_id=CERTIFIED * 10 + person, kind=kind, grade=grade, issued_on="2022-03-01", valid_until=until,
            recorded="2022-03-05")  # fmt: skip


def _signals(county: County) -> None:
    for number, (code, raised) in enumerate(
        (("job_lost", "2024-08-10"), ("illness", "2024-01-10"), ("water", "2023-10-01"), ("debt", "2023-09-30"), ("other", "2024-07-01")), start=1
    ):  # fmt: skip
        row(
            county,
            "signal",
            signal_id=number,
            household_id=SIGNALLED,
            channel="hotline",
            code=code,
            raised_on=raised,
            recorded=raised,
        )
    for visited, finding, risk in (
        ("2023-09-15", "risk_confirmed", "illness"),  # longer ago than twelve months
        ("2024-02-02", "risk_confirmed", "job_loss"),
        ("2024-06-20", "no_risk", None),
    ):
        row(county, "visit", household_id=SIGNALLED, visited_on=visited, finding=finding, verified_risk=risk, recorded=visited)


COUNTED = (
    "disaster_loss_12m_line_ratio", "n_disasters_24m", "house_damaged_24m", "n_with_job", "n_jobs_ended_3m", "n_jobs_ended_6m",
    "n_jobs_ended_12m", "n_out_of_work_12m", "laid_off_12m", "left_for_illness_or_care_12m", "job_wage_line_ratio", "n_jobs_outside_province",
    "n_jobs_in_construction", "n_compulsory_pupils", "n_upper_secondary_students", "n_tertiary_students", "n_out_of_compulsory_school",
    "n_boarders", "n_left_school_12m", "schooling_cost_line_ratio", "housing_repair_pending", "n_loans_outstanding", "loan_balance_line_ratio",
    "n_loans_overdue", "overdue_balance_line_ratio", "loan_due_12m_line_ratio", "has_micro_credit", "poverty_guard_cover", "farm_cover",
    "accident_cover", "house_cover", "n_covers_lapsed_12m", "insurance_paid_12m_line_ratio", "n_projects_running", "n_projects_stopped",
    "project_stopped_12m", "promised_dividend_line_ratio", "rigid_expense_12m_line_ratio", "n_mentally_or_intellectually_disabled",
    "n_certificates_lapsed", "n_signals_3m", "n_signals_12m", "n_livelihood_signals_12m", "n_health_signals_12m", "n_guarantee_signals_12m",
    "risk_confirmed_12m", "livelihood_risk_confirmed_12m",
)  # fmt: skip
"""Zero where the file came without a row of the household, unknown where no file came."""
UNKNOWN_WITHOUT_A_ROW = (
    "disaster_uninsured_share_12m", "months_since_disaster", "months_since_job_ended", "job_wage_change_12m", "school_aid_share",
    "months_until_loan_due", "months_since_payout", "months_since_project_change", "dividend_received_share", "product_price_change_12m",
    "months_since_visit",
)  # fmt: skip
AREA_COUNTED = ("n_area_hazards_12m", "worst_area_hazard_12m")

EXPECTED: Mapping[int, Mapping[str, float | None]] = {
    HIT: {
        "disaster_loss_12m_line_ratio": 1800 / 6000, "disaster_uninsured_share_12m": 1800 / 3600, "n_disasters_24m": 3, "house_damaged_24m": 1,
        "months_since_disaster": 2, "n_area_hazards_12m": 3, "worst_area_hazard_12m": 3, "months_since_area_hazard": 2,
    },
    JOBS: {
        "n_with_job": 2, "n_jobs_ended_3m": 1, "n_jobs_ended_6m": 2, "n_jobs_ended_12m": 3, "n_out_of_work_12m": 1, "laid_off_12m": 1,
        "left_for_illness_or_care_12m": 1, "months_since_job_ended": 2, "job_wage_line_ratio": 2800 * 12 / 18000,
        "job_wage_change_12m": math.log(2800 / 7000), "n_jobs_outside_province": 1, "n_jobs_in_construction": 1,
    },
    UNPAID: {"n_with_job": 1, "job_wage_line_ratio": None, "job_wage_change_12m": None},  # a wage nobody stated is unknown
    JOBLESS: {"n_with_job": 0, "n_out_of_work_12m": 1, "laid_off_12m": 0, "job_wage_line_ratio": 0, "job_wage_change_12m": math.log(0.05)},
    PUPILS: {
        "n_compulsory_pupils": 1, "n_upper_secondary_students": 1, "n_tertiary_students": 1, "n_out_of_compulsory_school": 1, "n_boarders": 1,
        "n_left_school_12m": 1, "schooling_cost_line_ratio": (5000 + 2000) / 42000, "school_aid_share": 4000 / 11000,
    },
    HOUSED: {"housing_grade": 3, "housing_unsafe": 1, "water_unsafe": 0, "housing_repair_pending": 1, "house_cover": 1},
    BORROWER: {
        "n_loans_outstanding": 3, "loan_balance_line_ratio": 38400 / 12000, "n_loans_overdue": 1, "overdue_balance_line_ratio": 2400 / 12000,
        "loan_due_12m_line_ratio": 30000 / 12000, "months_until_loan_due": 6, "has_micro_credit": 1,
    },
    INSURED: {
        "poverty_guard_cover": 1, "farm_cover": 1, "accident_cover": 1, "house_cover": 0, "n_covers_lapsed_12m": 1,
        "insurance_paid_12m_line_ratio": 1500 / 6000, "months_since_payout": 4,
    },
    LINKED: {
        "n_projects_running": 1, "n_projects_stopped": 2, "project_stopped_12m": 1, "months_since_project_change": 2,
        "promised_dividend_line_ratio": 1600 / 12000, "dividend_received_share": 400 / 1600,
        # crops: the mean of +10% and −30%; livestock −25%; weighed by what each brought in, 9 000 and 3 000
        "product_price_change_12m": math.log(1 - (9000 * 0.1 + 3000 * 0.25) / 12000),
    },
    UNPRICED: {"product_price_change_12m": math.log(0.75), "dividend_received_share": None},
    SPENDER: {"rigid_expense_12m_line_ratio": 1500 / 6000},
    CERTIFIED: {"n_mentally_or_intellectually_disabled": 1, "n_certificates_lapsed": 1},
    SIGNALLED: {
        "n_signals_3m": 2, "n_signals_12m": 4, "n_livelihood_signals_12m": 1, "n_health_signals_12m": 1, "n_guarantee_signals_12m": 1,
        "risk_confirmed_12m": 1, "livelihood_risk_confirmed_12m": 1, "months_since_visit": 3,
    },
}  # fmt: skip
