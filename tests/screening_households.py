"""Households worked out by hand on 31 January 2025 under the national pack: dibao line 5800, margin 8700, other low income 11600, local income 23119.

Income is of the calendar year 2024, last year's of 2023. Amounts of crops count whole in both accounts.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from tests.feature_households import County, Row, day, month_starts

DAY = dt.date(2025, 1, 31)
WHOLE, HALF_INCOME, NO_MEDICAL, NO_EXPENSE, NO_SUBSIDY, NOTHING = (999902000001 + 1000 * k for k in range(1, 7))
"""A village of each township: every file came; income for half of 2024; one file never came; none but income."""
ADULT: Row = {"labour_capacity": "full", "disability_grade": 0, "health": "healthy", "health_cover": True}
TABLES = (
    "income",
    "medical",
    "expense",
    "subsidy",
    "support",
    "monitoring",
    "disability",
    "disaster",
    "employment",
    "schooling",
    "visit",
)
ENQUIRED = {"granted": "2024-01-10", "until": "2025-12-31", "checked": "2024-02-01"}


def county() -> County:
    """Months from 2022 to 2024 and the townships above, without households."""
    made = County(months=month_starts("2022-01", "2024-12"), line=7000)
    late = month_starts("2024-07", "2024-12")
    for village in (WHOLE, HALF_INCOME, NO_MEDICAL, NO_EXPENSE, NO_SUBSIDY, NOTHING):
        made.village(village)
    made.deliver(WHOLE // 1000, tables=TABLES)
    made.deliver(HALF_INCOME // 1000, tables=TABLES, without={"income": late})
    for village, table in ((NO_MEDICAL, "medical"), (NO_EXPENSE, "expense"), (NO_SUBSIDY, "subsidy")):
        made.deliver(village // 1000, tables=tuple(t for t in TABLES if t != table))
    made.deliver(NOTHING // 1000, tables=("income",))
    return made


def add_home(
    made: County,
    number: int,
    *,
    year: Any = "20000",
    last_year: Any = "20000",
    village: int = WHOLE,
    people: list[Row] | None = None,
    enquiry: Row | None = ENQUIRED,
    assets: dict[str, Any] | None = None,
    ledger: list[tuple[str, str, str, str, str]] = (),  # type: ignore[assignment]
    own: Any = None,
    listed: bool = False,
    claim_kind: str = "inpatient",
    expenses: dict[str, Any] | None = None,
    certificates: list[tuple[int, str, int, str | None]] = (),  # type: ignore[assignment]
    dibao: str = "",
    **columns: Any,
) -> None:
    """One household. `year` and `last_year`: crops of 2024 and 2023 (None: no ledger); `ledger`: source, item, month, gross, cost."""
    made.household(number, village, members=people or [ADULT], **{"housing_grade": "A", "water_safe": True, **columns})
    for amount, month in ((year, "2024-06-01"), (last_year, "2023-06-01")):
        if amount is not None:
            made.income(number, "operating", "crops", [day(month)], Decimal(amount))
    for source, item, month, gross, cost in ledger:
        made.income(number, source, item, [day(f"{month}-01")], Decimal(gross), cost=Decimal(cost))
    if enquiry:
        _enquire(made, number, enquiry, assets or {"savings": 1000})
    if own is not None or listed:
        made.claim(number, number * 10 + 1, "2024-05-05", claim_kind, Decimal(own or 0), Decimal(own or 0), listed=listed)
    for kind, amount in (expenses or {}).items():
        row = {
            "household_id": number,
            "kind": kind,
            "period_start": day("2024-05-01"),
            "period_end": day("2024-05-31"),
            "amount_cny": Decimal(amount),
        }
        made.tables["expense"].append({**row, "recorded_on": day("2024-06-10")})
    for member, kind, grade, until in certificates:
        made.tables["disability"].append(
            {"person_id": number * 10 + member, "kind": kind, "grade": grade, "issued_on": day("2020-01-01"),
             "valid_until": day(until) if until else None, "recorded_on": day("2021-01-01")}
        )  # fmt: skip
    if dibao:
        made.subsidy(number, "dibao", "2024-01-01", "granted", 300)
        if dibao == "cancelled":
            made.subsidy(number, "dibao", "2024-12-01", "cancelled", 0)


def _enquire(made: County, number: int, enquiry: Row, assets: dict[str, Any]) -> None:
    withdrawn = enquiry.get("withdrawn")
    made.tables["authorisation"].append(
        {"household_id": number, "scope": enquiry.get("scope", "asset_query"), "granted_on": day(enquiry["granted"]), "valid_until": day(enquiry["until"]),
         "withdrawn_on": day(withdrawn) if withdrawn else None, "recorded_on": day(withdrawn or enquiry["granted"])}
    )  # fmt: skip
    if enquiry.get("checked"):
        for kind, value in assets.items():
            row = {"household_id": number, "kind": kind, "value_cny": Decimal(value), "checked_on": day(enquiry["checked"])}
            made.tables["asset"].append({**row, "recorded_on": day(enquiry["checked"])})


def person(**columns: Any) -> Row:
    return {**ADULT, **columns}


OLD, CHILD = person(born_on=dt.date(1955, 1, 1)), person(born_on=dt.date(2015, 1, 1), labour_capacity=None)
INCOME, ASSETS, LAST, MEDICAL = "assistance_head_cny_year", "asset_checked_on", "last_year_head_cny_year", "medical_own_12m_cny"
THREE = [ADULT, ADULT, CHILD]
CASES: dict[str, tuple[Row, dict[str, Any]]] = {
    # income against the dibao line; a text is the missing fields of "cannot tell"
    "on the dibao line": ({"year": "5800"}, {"dibao": 0, "dibao_margin": 1, "other_low_income": 0}),
    "a fen below it": ({"year": "5799.99"}, {"dibao": 1, "dibao_margin": 0, "other_low_income": 0}),
    "zero income": ({"year": "0"}, {"dibao": 1, "dibao_margin": 0, "hard_expenditure": 0}),
    "no ledger": ({"year": None, "last_year": None}, {"dibao": INCOME, "dibao_margin": INCOME, "other_low_income": INCOME, "serious_illness": 0}),
    "half a year of ledger": ({"year": "100", "village": HALF_INCOME}, {"dibao": INCOME, "dibao_margin": INCOME}),
    "six months of rows, all files": ({"year": None, "ledger": [("operating", "crops", f"2024-0{m}", "900", "0") for m in range(1, 7)]}, {"dibao": 1}),
    "came in July": ({"people": [person(joined_on=dt.date(2024, 7, 1))], "year": "100"}, {"dibao": INCOME, "gradual_exit": 0}),
    "three heads on the line": ({"people": THREE, "year": "17400"}, {"dibao": 0, "dibao_margin": 1}),
    "three heads a fen below": ({"people": THREE, "year": "17399.99"}, {"dibao": 1, "dibao_margin": 0}),
    "on the margin line": ({"year": "8700"}, {"dibao_margin": 0, "other_low_income": 1}),
    "a fen below the margin": ({"year": "8699.99"}, {"dibao_margin": 1, "other_low_income": 0}),
    "on the other line": ({"year": "11600"}, {"other_low_income": 0}),
    "a fen below the other line": ({"year": "11599.99"}, {"other_low_income": 1}),
    "a loss": ({"year": "100", "ledger": [("operating", "crops", "2024-03", "0", "900")]}, {"dibao": 1}),
    "cost of production": ({"year": None, "ledger": [("operating", "crops", "2024-03", "10000", "5000")]}, {"dibao": 1}),
    "pension does not count": ({"year": "5000", "ledger": [("transfer", "pension", "2024-03", "3000", "0")]}, {"dibao": 1}),
    "subsidy counts": ({"year": "5000", "ledger": [("transfer", "policy_subsidy", "2024-03", "3000", "0")]}, {"dibao": 0, "dibao_margin": 1}),
    "a fifth of wages is cost": ({"year": None, "ledger": [("wage", "migrant_work", "2024-03", "7250", "0")]}, {"dibao": 0, "dibao_margin": 1}),
    "a fifth of wages, below": ({"year": None, "ledger": [("wage", "migrant_work", "2024-03", "7249", "0")]}, {"dibao": 1}),
    # assets
    "never authorised": ({"year": "5000", "enquiry": None}, {"dibao": ASSETS, "dibao_margin": 0, "single_dibao": 0}),
    "never authorised, not poor": ({"enquiry": None}, {"dibao": 0, "dibao_margin": 0, "hard_expenditure": 0}),
    "authorised for sharing only": ({"year": "5000", "enquiry": {**ENQUIRED, "scope": "data_sharing"}}, {"dibao": ASSETS}),
    "authorisation lapsed yesterday": ({"year": "5000", "enquiry": {**ENQUIRED, "until": "2025-01-30"}}, {"dibao": ASSETS}),
    "authorisation lapses today": ({"year": "5000", "enquiry": {**ENQUIRED, "until": "2025-01-31"}}, {"dibao": 1}),
    "withdrawn today": ({"year": "5000", "enquiry": {**ENQUIRED, "withdrawn": "2025-01-31"}}, {"dibao": ASSETS}),
    "authorised, no enquiry": ({"year": "5000", "enquiry": {**ENQUIRED, "checked": ""}}, {"dibao": ASSETS}),
    "enquiry before authorised": ({"year": "5000", "enquiry": {**ENQUIRED, "checked": "2024-01-09"}}, {"dibao": ASSETS}),
    "savings at the limit": ({"year": "5000", "assets": {"savings": "11600"}}, {"dibao": 1}),
    "savings over the limit": ({"year": "5000", "assets": {"savings": "11600.01"}}, {"dibao": 0}),
    "savings of three": ({"year": "5000", "people": THREE, "assets": {"savings": "34800"}}, {"dibao": 1}),
    "a vehicle": ({"year": "5000", "assets": {"vehicle": 30000}}, {"dibao": 0}),
    "a business": ({"year": "5000", "assets": {"business": 1}}, {"dibao": 0}),
    "one house": ({"year": "5000", "assets": {"house": 90000, "savings": 1}}, {"dibao": 1}),
    # gradual exit: below the line in the twelve months to June 2024 (line then 4866.67), not below it now
    "risen": ({"year": "100", "last_year": "100", "ledger": [("operating", "crops", "2024-10", "6000", "0")], "dibao": "granted"}, {"gradual_exit": 1, "dibao": 0, "expenditure_hardship": 0}),
    "above for long": ({"dibao": "granted"}, {"gradual_exit": 0}),
    "still below": ({"year": "5000", "dibao": "granted"}, {"gradual_exit": 0, "dibao": 1}),
    "risen, aid ended": ({"year": "100", "ledger": [("operating", "crops", "2024-10", "6000", "0")], "dibao": "cancelled"}, {"gradual_exit": 0}),
    "risen, no file of aid": ({"year": "100", "ledger": [("operating", "crops", "2024-10", "6000", "0")], "village": NO_SUBSIDY}, {"gradual_exit": "receives_dibao"}),
    # illness: own cost against last year's 20000
    "cost equals income": ({"own": "20000"}, {"serious_illness": 0, "attention_major_illness": 1}),
    "cost over income": ({"own": "20000.01"}, {"serious_illness": 1}),
    "no cost": ({"last_year": None}, {"serious_illness": 0, "attention_major_illness": 0}),
    "cost, no ledger last year": ({"last_year": None, "own": "100"}, {"serious_illness": LAST}),
    "cost, zero income last year": ({"last_year": "0", "own": "0.01"}, {"serious_illness": 1}),
    "listed disease": ({"listed": True}, {"serious_illness": 1, "attention_major_illness": 1}),
    "files missing, cost over": ({"own": "20000.01", "village": NO_MEDICAL}, {"serious_illness": 1, "attention_major_illness": 1}),
    "files missing, little cost": ({"own": "100", "village": NO_MEDICAL}, {"serious_illness": f"has_listed_disease,{MEDICAL}", "attention_chronic_illness": MEDICAL}),
    "inpatient 4999.99": ({"own": "4999.99"}, {"attention_major_illness": 0}),
    "inpatient 5000": ({"own": "5000"}, {"attention_major_illness": 1}),
    "chronic 500 a month": ({"own": "6000", "claim_kind": "outpatient_chronic"}, {"attention_chronic_illness": 1, "attention_major_illness": 0}),
    "chronic a fen less": ({"own": "5999.99", "claim_kind": "outpatient_chronic"}, {"attention_chronic_illness": 0}),
    # disability
    "grade 2": ({"certificates": [(1, "physical", 2, None)]}, {"severe_disability": 1, "attention_several_disabled": 0}),
    "grade 3 physical": ({"certificates": [(1, "physical", 3, None)]}, {"severe_disability": 0, "attention_unaided": 1}),
    "grade 3 mental": ({"certificates": [(1, "mental", 3, None)]}, {"severe_disability": 1}),
    "grade 4 mental": ({"certificates": [(1, "mental", 4, None)]}, {"severe_disability": 0}),
    "grade 3 multiple": ({"certificates": [(1, "multiple", 3, None)]}, {"severe_disability": "has_severe_disability"}),
    "certificate lapsed": ({"certificates": [(1, "physical", 1, "2025-01-30")]}, {"severe_disability": 0}),
    "certificate lapses today": ({"certificates": [(1, "physical", 1, "2025-01-31")]}, {"severe_disability": 1}),
    "register 1, no certificate": ({"people": [person(disability_grade=1)]}, {"severe_disability": 1}),
    "register 3, no certificate": ({"people": [person(disability_grade=3)]}, {"severe_disability": "has_severe_disability"}),
    "register without grade": ({"people": [person(disability_grade=9)]}, {"severe_disability": "has_severe_disability"}),
    "register empty, file came": ({"people": [person(disability_grade=None)]}, {"severe_disability": 0}),
    "register empty, no file": ({"people": [person(disability_grade=None)], "village": NOTHING}, {"severe_disability": "has_severe_disability"}),
    "two disabled": ({"people": [ADULT, ADULT], "certificates": [(1, "vision", 4, None), (2, "vision", 4, None)]}, {"attention_several_disabled": 1}),
    "one and one unknown": ({"people": [person(disability_grade=4), person(disability_grade=None)], "village": NOTHING}, {"attention_several_disabled": "several_disabled"}),
    "old keeps disabled": ({"people": [OLD, person(disability_grade=4)]}, {"attention_old_keep_disabled": 1}),
    "old and able keep disabled": ({"people": [OLD, person(disability_grade=4), ADULT]}, {"attention_old_keep_disabled": 0}),
    # single person
    "margin and severe": ({"year": "6000", "certificates": [(1, "vision", 1, None)]}, {"single_dibao": 1, "dibao": 0}),
    "margin and listed": ({"year": "6000", "listed": True}, {"single_dibao": 1}),
    "margin, nobody ill": ({"year": "6000"}, {"single_dibao": 0}),
    "below dibao and severe": ({"year": "5000", "certificates": [(1, "vision", 1, None)]}, {"single_dibao": 0, "dibao": 1}),
    "margin, grade unknown": ({"year": "6000", "people": [person(disability_grade=9)]}, {"single_dibao": "has_severe_disability"}),
    # expenditure hardship: income 12000
    "tuition to the line": ({"year": "12000", "expenses": {"tuition": "3300"}}, {"expenditure_hardship": 0, "hard_expenditure": 0}),
    "tuition below the line": ({"year": "12000", "expenses": {"tuition": "3300.01"}}, {"expenditure_hardship": 1}),
    "local income": ({"year": "23119", "expenses": {"tuition": "20000"}}, {"expenditure_hardship": 0, "hard_expenditure": 0}),
    "a fen below local income": ({"year": "23118.99", "expenses": {"tuition": "20000"}}, {"expenditure_hardship": 1, "hard_expenditure": 1}),
    "expense files missing": ({"year": "12000", "village": NO_EXPENSE}, {"expenditure_hardship": "rigid_12m_cny", "hard_expenditure": "rigid_12m_cny"}),
    "missing files, enough on file": ({"year": "12000", "village": NO_EXPENSE, "expenses": {"tuition": "7200.01"}}, {"expenditure_hardship": 1, "hard_expenditure": 1}),
    "on dibao": ({"year": "12000", "expenses": {"tuition": "9000"}, "dibao": "granted"}, {"expenditure_hardship": 0, "hard_expenditure": 0}),
    # DOMAIN §2: "Rigid: serious illness, severe disability, ...", and 重病: above last year's income (20000 unless said), or listed
    "the same bills twice": ({"year": "12000", "own": "2000", "listed": True, "expenses": {"illness": "2000"}}, {"expenditure_hardship": 0}),
    "the larger of two": ({"year": "12000", "own": "2000", "listed": True, "expenses": {"illness": "3300.01"}}, {"expenditure_hardship": 1}),
    "a fen short of the larger": ({"year": "12000", "own": "2000", "listed": True, "expenses": {"illness": "3300"}}, {"expenditure_hardship": 0}),
    "bills, not serious": ({"year": "12000", "own": "9000", "expenses": {"illness": "20000"}}, {"expenditure_hardship": 0, "hard_expenditure": 0}),
    "bills over last year's income": ({"year": "12000", "expenses": {"illness": "20000.01"}}, {"expenditure_hardship": 1, "hard_expenditure": 1}),
    "claims over last year's income": ({"year": "12000", "own": "20000.01"}, {"expenditure_hardship": 1, "hard_expenditure": 1}),
    "bills, last year unknown": ({"year": "12000", "last_year": None, "own": "9000"}, {"expenditure_hardship": "rigid_12m_cny"}),
    "no bills, last year unknown": ({"year": "12000", "last_year": None}, {"expenditure_hardship": 0}),
    "care, not severe": ({"year": "12000", "expenses": {"disability_care": "9000"}, "certificates": [(1, "mental", 4, None)]}, {"expenditure_hardship": 0}),
    "care, severe": ({"year": "12000", "expenses": {"disability_care": "9000"}, "certificates": [(1, "mental", 2, None)]}, {"expenditure_hardship": 1}),
    "care, grade unknown": ({"year": "12000", "expenses": {"disability_care": "9000"}, "people": [person(disability_grade=9)]}, {"expenditure_hardship": "rigid_12m_cny"}),
    "no kind of the list": ({"year": "12000", "expenses": {"other_rigid": "9000"}}, {"expenditure_hardship": 0}),
    # FACTS: "12-month rigid spending ÷ income above a local ratio": exactly on it is not above it
    "60 percent": ({"year": "12000", "expenses": {"tuition": "7200"}}, {"hard_expenditure": 0}),
    "a fen more": ({"year": "12000", "expenses": {"tuition": "7200.01"}}, {"hard_expenditure": 1}),
    "60 percent at the margin": ({"year": "8000", "expenses": {"tuition": "7200"}}, {"hard_expenditure": 0, "dibao_margin": 1}),
    "poor and unable: perhaps in care": ({"year": "5000", "people": [person(labour_capacity="none")], "expenses": {"tuition": "9000"}}, {"expenditure_hardship": "receives_tekun", "hard_expenditure": "receives_tekun"}),
    # attention
    "80 today": ({"people": [OLD, person(born_on=dt.date(1945, 1, 31))]}, {"attention_frail_elder": 1}),
    "80 tomorrow": ({"people": [OLD, person(born_on=dt.date(1945, 2, 1))]}, {"attention_frail_elder": 0}),
    "old and severely disabled": ({"people": [OLD], "certificates": [(1, "vision", 1, None)]}, {"attention_frail_elder": 1}),
    "weak labour only, unaided": ({"people": [person(labour_capacity="weak")]}, {"attention_unaided": 1}),
    "weak labour only, on dibao": ({"people": [person(labour_capacity="weak")], "dibao": "granted"}, {"attention_unaided": 0}),
    "nothing special": ({}, {"attention_unaided": 0, "dibao": 0, "severe_disability": 0, "gradual_exit": 0}),
    "nothing came": ({"village": NOTHING, "people": [person(labour_capacity="weak")]}, {"attention_unaided": "monitored,receives_dibao,supported"}),
}  # fmt: skip
NUMBERS = {name: 101 + k for k, name in enumerate(CASES)}
