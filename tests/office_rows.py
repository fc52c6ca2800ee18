"""Rows of the further offices for the rough county: every table, every household in some, before and after the day that tests look at.

Whatever the simulator makes of these tables is replaced, so that the tests do not depend on it. Deterministic, no two alike.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from returnrisk.contracts import load_contracts
from returnrisk.timeline import add_months, month_end

Row = dict[str, Any]
FIRST, MONTHS = dt.date(2020, 1, 1), 33
DELIVERED = (
    "expense", "disability", "disaster", "hazard", "employment", "schooling", "loan", "insurance", "industry_project", "signal", "visit",
)  # fmt: skip
DAYS = dt.timedelta(days=1)


def add_office_rows(tables: dict[str, list[Row]], people: Mapping[int, list[int]]) -> None:
    """Fill the tables of the further offices in place.

    `people` are the persons of each household's first register.
    """
    villages = sorted({row["village_code"] for row in tables["village"]})
    homes = sorted(people)
    made: dict[str, list[Row]] = {
        "hazard": list(_hazards(villages)),
        "price": list(_prices()),
        "visitor": list(_visitors(villages)),
        **{name: [] for name in (*_OF_A_HOUSEHOLD, *_OF_PERSONS)},
    }
    for i, household in enumerate(homes):
        for name, of_household in _OF_A_HOUSEHOLD.items():
            made[name] += [{"household_id": household, **row} for row in of_household(i)]
        for name, of_persons in _OF_PERSONS.items():
            made[name] += list(of_persons(i, people[household]))
    tables |= {name: _one_version_a_day(name, rows) for name, rows in made.items()}
    townships = sorted({code // 1000 for code in villages})
    tables["delivery"] = [row for row in tables["delivery"] if row["table_name"] not in DELIVERED]
    for name in DELIVERED:
        for township in townships:
            if (name, township) == ("loan", townships[-1]):
                continue  # a bank that never reported for one township
            tables["delivery"] += [
                {"table_name": name, "township_code": township, "period_start": month, "period_end": month_end(month),
                 "recorded_on": month_end(month) + 20 * DAYS}
                for month in _months()
            ]  # fmt: skip


def _one_version_a_day(name: str, rows: list[Row]) -> list[Row]:
    key = load_contracts()[name].key
    return list({(*(row[k] for k in key), row["recorded_on"]): row for row in rows}.values())


def _months() -> list[dt.date]:
    return [add_months(FIRST, k) for k in range(MONTHS)]


def _number(kind: int, i: int, k: int = 0) -> int:
    """A pseudonym as large as real ones."""
    return kind * 10**16 + i * 10**6 + k * 1000 + 1


def _expenses(i: int) -> Iterator[Row]:
    kinds = ("illness", "disability_care", "elder_care", "disaster", "accident", "tuition", "other_rigid")
    for k, month in enumerate(_months()):
        if (i + k) % 4 == 0:
            amount = Decimal(100 * (1 + (i + k) % 13)) + Decimal(i % 100) / 100
            yield {"kind": kinds[(i + k // 4) % 7], "period_start": month, "period_end": month_end(month), "amount_cny": amount,
                   "recorded_on": month_end(month) + 20 * DAYS}  # fmt: skip


def _disasters(i: int) -> Iterator[Row]:
    kinds = ("flood", "drought", "hail", "frost", "fire", "accident", "landslide")
    for k in range(3):
        happened = add_months(dt.date(2020, 6, 1 + i % 25), (5 * i + 9 * k) % 27)
        row: Row = {"hazard_kind": kinds[(i + k) % 7], "happened_on": happened, "loss_cny": Decimal(400 + 37 * i + 11 * k),
                    "insured_paid_cny": None, "house_damaged": (None, True, False)[(i + k) % 3], "recorded_on": happened + 9 * DAYS}  # fmt: skip
        yield row
        if (i + k) % 2:  # the insurer pays two months later
            yield {**row, "insured_paid_cny": Decimal(150 + i), "recorded_on": happened + 60 * DAYS}


def _hazards(villages: list[int]) -> Iterator[Row]:
    kinds = ("drought", "flood", "hail", "frost", "animal_disease", "earthquake", "landslide", "epidemic")
    areas = [*villages, *{v // 1000: 0 for v in villages}, villages[0] // 10**6]
    for i, area in enumerate(areas):
        for k in range(4):
            started = add_months(dt.date(2020, 3, 2 + i), (7 * i + 6 * k) % 29)
            row: Row = {"area_code": area, "hazard_kind": kinds[(3 * i + k) % 8], "started_on": started, "ended_on": None,
                        "severity": ("light", "moderate", "severe")[(i + k) % 3], "affected_mu": Decimal(10 * i), "recorded_on": started + 5 * DAYS}  # fmt: skip
            yield row
            yield {**row, "ended_on": started + 20 * DAYS, "recorded_on": started + 30 * DAYS}


def _prices() -> Iterator[Row]:
    products = ("grain", "cash_crop", "vegetable", "fruit", "pig", "cattle_sheep", "poultry", "other")
    for i, product in enumerate(products):
        for k in range(36):
            month = add_months(dt.date(2019, 10, 1), k)
            yield {"product": product, "period_start": month, "price_cny_kg": Decimal(200 + 10 * i + (7 * k + 3 * i) % 41) / 100,
                   "recorded_on": month + (25 + i) * DAYS}  # fmt: skip


def _loans(i: int) -> Iterator[Row]:
    for k in range(1 + i % 2):
        granted, amount = add_months(dt.date(2019, 5, 10), (i + 6 * k) % 20), Decimal(5000 + 100 * i)
        for version in range(5):
            recorded = granted + (10 + 180 * version) * DAYS
            yield {"loan_id": _number(1, i, k), "kind": ("micro_credit", "student", "other")[(i + k) % 3], "amount_cny": amount, "granted_on": granted,
                   "due_on": add_months(granted, 36), "balance_cny": amount * (5 - version) / 5, "overdue": (i + version) % 3 == 0,
                   "recorded_on": recorded}  # fmt: skip


def _policies(i: int) -> Iterator[Row]:
    kinds = ("poverty_guard", "crop", "livestock", "accident", "house")
    for k in range(6):
        start = add_months(dt.date(2019, 11, 1), (i + 5 * k) % 30)
        row: Row = {"kind": kinds[(i + k) % 5], "valid_from": start, "valid_until": add_months(start, 12) - DAYS, "premium_cny": Decimal(20 + i),
                    "paid_out_cny": Decimal(0), "paid_on": None, "recorded_on": start + 15 * DAYS}  # fmt: skip
        yield row
        if (i + k) % 2:
            paid = start + (70 + i) * DAYS
            yield {**row, "paid_out_cny": Decimal(300 + 10 * i), "paid_on": paid, "recorded_on": paid + 12 * DAYS}


def _projects(i: int) -> Iterator[Row]:
    for k in range(1 + i % 2):
        linked = add_months(dt.date(2019, 2, 1), (3 * i + k) % 24)
        row: Row = {"project_id": _number(2, i % 11, k), "project_kind": ("planting", "livestock", "tourism", "processing")[(i + k) % 4],
                    "linked_on": linked, "state": "running", "state_on": linked, "dividend_cny_year": Decimal(300 + 20 * i),
                    "recorded_on": linked + 10 * DAYS}  # fmt: skip
        yield row
        changed = add_months(dt.date(2021, 3, 5), (5 * i) % 17)
        state = ("suspended", "failed", "ended", "running")[(i + k) % 4]
        yield {**row, "state": state, "state_on": changed, "recorded_on": changed + 15 * DAYS}


def _signals(i: int) -> Iterator[Row]:
    codes = ("illness", "injury", "job_lost", "income_low", "disaster", "housing", "water", "schooling", "debt", "food", "other")
    for k in range(4):
        raised = add_months(dt.date(2020, 2, 3 + i % 25), (i + 7 * k) % 31)
        yield {"signal_id": _number(3, i, k), "channel": ("self_report", "complaint", "hotline", "media", "cadre")[(i + k) % 5],
               "code": codes[(3 * i + k) % 11], "raised_on": raised, "recorded_on": raised + 3 * DAYS}  # fmt: skip


def _visits(i: int) -> Iterator[Row]:
    risks = ("illness", "disability", "schooling", "disaster", "job_loss", "industry", "housing", "water", "other")
    for k in range(5):
        visited = add_months(dt.date(2020, 1, 4 + i % 25), (i + 6 * k) % 32)
        finding = ("risk_confirmed", "no_risk", "not_at_home", "risk_confirmed")[(i + k) % 4]
        yield {"visited_on": visited, "finding": finding, "verified_risk": risks[(2 * i + k) % 9] if finding == "risk_confirmed" else None,
               "list_id": None, "recorded_on": visited + 8 * DAYS}  # fmt: skip


def _assets(i: int) -> Iterator[Row]:
    checked = add_months(dt.date(2021, 1, 5), i % 20)
    yield {"kind": ("savings", "house", "vehicle", "business")[i % 4], "value_cny": Decimal(900 + i), "checked_on": checked, "recorded_on": checked + 20 * DAYS}  # fmt: skip


def _authorisations(i: int) -> Iterator[Row]:
    granted = add_months(dt.date(2020, 12, 5), i % 20)
    row: Row = {"scope": ("asset_query", "data_sharing")[i % 2], "granted_on": granted, "valid_until": add_months(granted, 24), "withdrawn_on": None,
                "recorded_on": granted}  # fmt: skip
    yield row
    if i % 5 == 0:
        yield {**row, "withdrawn_on": granted + 200 * DAYS, "recorded_on": granted + 203 * DAYS}


def _objections(i: int) -> Iterator[Row]:
    raised = add_months(dt.date(2020, 12, 7), i % 20)
    row: Row = {"objection_id": _number(4, i), "raised_on": raised, "subject": ("listed", "not_listed", "data_wrong", "eliminated")[i % 4],
                "answer": None, "answered_on": None, "recorded_on": raised + 2 * DAYS}  # fmt: skip
    yield row
    yield {**row, "answer": "partly", "answered_on": raised + 30 * DAYS, "recorded_on": raised + 33 * DAYS}


def _visitors(villages: list[int]) -> Iterator[Row]:
    for i, village in enumerate(villages):
        for k, recorded in enumerate((dt.date(2021, 1, 15), dt.date(2022, 6, 15))):
            yield {"visitor_id": _number(5, i, k), "village_code": village, "role": "grid_worker", "capacity_month": 20 + i, "valid_from": dt.date(2021, 1, 1),
                   "valid_until": None, "recorded_on": recorded}  # fmt: skip


def _jobs(i: int, people: list[int]) -> Iterator[Row]:
    for k, person in enumerate(people[:3]):
        for spell in range(2):
            started = add_months(dt.date(2019, 8, 1 + i % 25), (i + 3 * k + 17 * spell) % 30)
            row: Row = {"person_id": person, "started_on": started, "kind": ("employee_formal", "employee_informal", "public_post", "workshop")[(i + k) % 4],
                        "place": ("village", "county", "province", "outside")[(i + k + spell) % 4],
                        "sector": ("manufacturing", "construction", "services", "agriculture")[(i + spell) % 4],
                        "monthly_wage_cny": None if (i + k) % 7 == 0 else Decimal(900 + 30 * i + 100 * k), "ended_on": None, "end_reason": None,
                        "recorded_on": started + 20 * DAYS}  # fmt: skip
            yield row
            if (i + k + spell) % 3:
                ended = started + (120 + 40 * (i % 9)) * DAYS
                yield {**row, "ended_on": ended, "end_reason": ("dismissed", "contract_ended", "firm_closed", "illness", "care", "other")[(i + k) % 6],
                       "recorded_on": ended + 20 * DAYS}  # fmt: skip


def _pupils(i: int, people: list[int]) -> Iterator[Row]:
    stages = ("primary", "lower_secondary", "upper_secondary", "vocational", "tertiary", "preschool")
    for k, person in enumerate(people[-3:]):
        for term in (dt.date(2020, 9, 1), dt.date(2021, 3, 1), dt.date(2021, 9, 1), dt.date(2022, 3, 1)):
            yield {"person_id": person, "term_start": term, "stage": stages[(i + k) % 6],
                   "status": ("enrolled", "enrolled", "suspended", "enrolled", "dropped_out", "graduated")[(i + 2 * k + term.month) % 6],
                   "boarding": (None, True, False)[(i + k) % 3], "fee_cny_year": None if (i + k) % 5 == 0 else Decimal(1000 + 50 * i),
                   "aid_cny_year": None if i % 3 == 0 else Decimal(300 + 10 * i), "recorded_on": term + 40 * DAYS}  # fmt: skip


def _certificates(i: int, people: list[int]) -> Iterator[Row]:
    kinds = ("vision", "hearing", "speech", "physical", "intellectual", "mental", "multiple")
    if i % 2 == 0:
        row: Row = {"person_id": people[0], "kind": kinds[i // 2 % 7], "grade": 1 + i % 4, "issued_on": dt.date(2019, 4, 1),
                    "valid_until": None if i % 4 else add_months(dt.date(2021, 6, 30), i % 20), "recorded_on": dt.date(2020, 4, 1) + i * DAYS}  # fmt: skip
        yield row
        if i % 3 == 0:
            yield {**row, "valid_until": dt.date(2026, 6, 30), "recorded_on": dt.date(2022, 5, 10)}


_OF_A_HOUSEHOLD = {
    "expense": _expenses, "disaster": _disasters, "loan": _loans, "insurance": _policies, "industry_project": _projects, "signal": _signals,
    "visit": _visits, "asset": _assets, "authorisation": _authorisations, "objection": _objections,
}  # fmt: skip
_OF_PERSONS = {"employment": _jobs, "schooling": _pupils, "disability": _certificates}
