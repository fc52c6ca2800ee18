"""Hand-worked households of 减收排查, seen on 28 July 2025: the ledger is closed to June, so October to June are compared and July to
September are open."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any

from returnrisk.store.view import Store
from tests.feature_households import County, Tables, day, month_starts, store_of
from tests.office_households import row

DAY = day("2025-07-28")
LAST, THIS = month_starts("2023-10", "2024-09"), month_starts("2024-10", "2025-06")
SAME = LAST[:9]
CODE = 999902
(PLAIN, GAP_THIS, GAP_LAST, FEW_LAST, FEW_THIS, QUARTERS, ALSO, NO_CASES) = (CODE * 1000 + k for k in range(1, 9))


def village(township: int) -> int:
    return township * 1000 + 1


def make_county() -> County:
    """Townships with their files, no households: GAP_THIS lacks this February, GAP_LAST last February, FEW_LAST five months of last
    year, NO_CASES the register of cases, FEW_THIS all but two of this; QUARTERS files this year by the quarter and lacks last February."""
    county = County(months=[*LAST, *THIS], line=8000, county=CODE)
    lacking: dict[int, list[Any]] = {
        PLAIN: [], GAP_THIS: [day("2025-02-01")], GAP_LAST: [day("2024-02-01")], FEW_LAST: LAST[:5], FEW_THIS: THIS[2:],
        ALSO: [day("2025-03-01")],
    }  # fmt: skip
    for township, months in lacking.items():
        county.village(village(township))
        county.deliver(township, without={"income": months})
    county.village(village(NO_CASES))
    county.deliver(NO_CASES, without={"monitoring": [*LAST, *THIS]})
    county.village(village(QUARTERS))
    county.months = [m for m in LAST if m != day("2024-02-01")]
    county.deliver(QUARTERS)
    for start, end in (("2024-10-01", "2024-12-31"), ("2025-01-01", "2025-03-31"), ("2025-04-01", "2025-06-30")):
        row(
            county,
            "delivery",
            table_name="income",
            township_code=QUARTERS,
            period_start=start,
            period_end=end,
            recorded="2025-07-20",
        )
    county.months = [*LAST, *THIS]
    return county


def poor(county: County, number: int, township: int = PLAIN, **columns: Any) -> int:
    """A 脱贫户 of one member with full labour; `members` for others."""
    members = columns.pop("members", [{"labour_capacity": "full"}])
    county.household(number, village(township), registered_type="ex_poor", members=members, **columns)
    return number


def both_years(
    county: County, household: int, source: str, item: str, last: Any, this: Any, *, last_cost: Any = 0, this_cost: Any = 0
) -> None:
    county.income(household, source, item, LAST, last, cost=last_cost)
    county.income(household, source, item, THIS, this, cost=this_cost)


@functools.cache
def changes_store() -> Store:
    return store_of("income-changes", changes_tables(), delay=20)


def changes_tables() -> Tables:
    """Households 1 to 22 of the verdicts."""
    county = make_county()
    for number, this in ((1, 1200), (2, 800), (3, 950), (4, Decimal("949.99")), (5, 1050), (6, Decimal("1050.01"))):
        poor(county, number)
        both_years(county, number, "wage", "local_work", 1000, this)
    poor(county, 7)  # wages where there were none, and a pension as it was
    county.income(7, "wage", "local_work", THIS, 500)
    both_years(county, 7, "transfer", "pension", 100, 100)
    poor(county, 8, members=[{"joined_on": day("2025-01-01")}])
    county.income(8, "wage", "local_work", THIS[3:], 900)
    for number, township in ((9, GAP_THIS), (10, GAP_LAST), (11, FEW_LAST), (12, FEW_THIS)):
        poor(county, number, township)
        both_years(county, number, "wage", "local_work", 1000, 1000)
    poor(county, 13, QUARTERS)
    both_years(county, 13, "wage", "local_work", 1000, 1000)
    poor(county, 14)  # never in the ledger
    county.household(15, village(PLAIN))  # never registered, and monitored; 16 no longer, 17 never
    county.monitoring(15, "2025-01-10", "illness")
    county.household(16, village(PLAIN))
    county.monitoring(16, "2024-01-10", "illness", eliminated="2025-06-30", recorded="2025-07-01")
    county.household(17, village(PLAIN))
    poor(county, 23, NO_CASES)  # its township never sent the register of cases; 24 has a case all the same
    county.household(24, village(NO_CASES))
    county.monitoring(24, "2025-01-10", "illness")
    county.household(25, village(NO_CASES))
    for number in (15, 16, 17, 23, 24, 25):
        both_years(county, number, "wage", "local_work", 1000, 1000)
    poor(county, 18)  # moved to the township that lacks this March
    county.tables["household"].append(
        {
            "household_id": 18,
            "village_code": village(ALSO),
            "registered_type": "ex_poor",
            "recorded_on": day("2025-03-10"),
        }
    )
    both_years(county, 18, "wage", "local_work", 1000, 1000)
    poor(county, 19)  # a loss last year, half of it this year
    both_years(county, 19, "operating", "crops", 0, 0, last_cost=100, this_cost=50)
    poor(county, 20)  # harvest in September: the same months held 900 of 9 900, too little to go by
    county.income(20, "operating", "crops", [LAST[0]], 900)
    county.income(20, "operating", "crops", [LAST[11]], 9000)
    county.income(20, "operating", "crops", [THIS[0]], 90)
    poor(county, 21)  # an amount of no source
    both_years(county, 21, "unallocated", "unallocated", 100, 110)
    both_years(county, 21, "property", "land_rent", 50, 10)
    poor(county, 22)  # everything gone
    county.income(22, "wage", "local_work", LAST, 1000)
    return county.tables


@functools.cache
def causes_store() -> Store:
    return store_of("income-causes", causes_tables(), delay=20)


def causes_tables() -> Tables:
    """Households of the causes; each source that falls is 1 000 a month last year and 400 this: 5 400 less in the nine months."""
    county = make_county()
    for add in (_farming, _jobs, _posts, _projects, _credit, _entitlements, _support, _others):
        add(county)
    return county.tables


def fallen(county: County, number: int, source: str, item: str, *, members: Any = None, this: int = 400) -> int:
    poor(county, number, **({} if members is None else {"members": members}))
    both_years(county, number, source, item, 1000, this)
    return number


def _farming(county: County) -> None:
    fallen(county, 101, "operating", "crops")
    for number, loss, paid in ((102, 4000, 1000), (103, 9000, None)):
        fallen(county, number, "operating", "crops")
        row(county, "disaster", household_id=number, hazard_kind="flood", happened_on="2024-11-05", loss_cny=loss, insured_paid_cny=paid,
            recorded="2024-11-20")  # fmt: skip
    poor(county, 104, ALSO)
    both_years(county, 104, "operating", "livestock", 1000, 400)
    row(
        county,
        "hazard",
        area_code=ALSO,
        hazard_kind="animal_disease",
        started_on="2024-12-01",
        severity="moderate",
        recorded="2024-12-05",
    )
    fallen(county, 105, "operating", "crops")  # a fire takes no crops, and the other disaster is too long ago
    for kind, happened in (("fire", "2024-11-05"), ("flood", "2024-03-31")):
        row(county, "disaster", household_id=105, hazard_kind=kind, happened_on=happened, loss_cny=9000, recorded="2024-11-20")


def job(county: County, person: int, kind: str, ended: str, *, started: str = "2023-01-01") -> None:
    row(county, "employment", person_id=person, started_on=started, kind=kind, place="outside", sector="services", ended_on=ended or None,
        end_reason="dismissed" if ended else None, recorded=ended or started)  # fmt: skip


def _jobs(county: County) -> None:
    fallen(county, 111, "wage", "migrant_work")
    job(county, 1111, "employee_informal", "2024-12-15")
    fallen(county, 112, "wage", "migrant_work", members=[{"labour_capacity": "full", "employment": "unemployed", "recorded_on": day("2024-12-20")}])  # fmt: skip
    fallen(county, 113, "wage", "migrant_work")  # the ledger alone, more than half
    fallen(county, 114, "wage", "migrant_work", this=600)  # not half, and no record: nobody knows
    fallen(county, 115, "transfer", "remittance")  # wages as before, the job ended after the last closed month
    both_years(county, 115, "wage", "migrant_work", 1000, 1000)
    job(county, 1151, "employee_formal", "2025-07-10")
    fallen(county, 116, "transfer", "remittance")  # the same, and another job already
    both_years(county, 116, "wage", "migrant_work", 1000, 1000)
    job(county, 1161, "employee_formal", "2025-07-10")
    job(county, 1161, "employee_formal", "", started="2025-07-11")
    fallen(county, 117, "wage", "migrant_work")  # long ago
    job(county, 1171, "employee_informal", "2023-09-30")


def _posts(county: County) -> None:
    fallen(county, 121, "wage", "public_post")
    job(county, 1211, "public_post", "2025-01-31")
    fallen(county, 122, "wage", "public_post")
    county.support(122, "public_post", "2023-01-01", ended="2025-02-28", recorded="2025-03-05")
    fallen(county, 123, "wage", "public_post")
    fallen(county, 124, "wage", "local_work")
    job(county, 1241, "workshop", "2025-01-31")


def _projects(county: County) -> None:
    def project(household: int, state: str) -> None:
        row(county, "industry_project", project_id=household, household_id=household, project_kind="livestock", state=state,
            linked_on="2022-01-01", state_on="2024-12-10", dividend_cny_year=2000, recorded="2025-01-09")  # fmt: skip

    for number in (131, 132, 133):
        poor(county, number)
        both_years(county, number, "transfer", "pension", 100, 100)
    county.income(131, "property", "collective_dividend", [LAST[3]], 2000)
    county.income(131, "property", "collective_dividend", [THIS[3]], 500)
    project(131, "failed")
    county.income(132, "property", "collective_dividend", [LAST[3]], 2000)  # steep, and no record
    county.income(133, "property", "collective_dividend", [LAST[3]], 2000)  # two causes: the project's animals, too
    both_years(county, 133, "operating", "livestock", 1000, 400)
    project(133, "suspended")


def _credit(county: County) -> None:
    def loan(household: int, number: int, due: str, balance: int) -> None:
        row(county, "loan", loan_id=number, household_id=household, kind="micro_credit", amount_cny=50000, granted_on="2022-01-05", due_on=due,
            balance_cny=balance, overdue=False, recorded="2025-01-20")  # fmt: skip

    for number in (141, 142, 143):
        fallen(county, number, "operating", "small_business")
    loan(141, 1, "2025-01-05", 0)
    loan(142, 2, "2025-01-05", 0)
    loan(142, 3, "2027-01-05", 40000)
    county.support(143, "micro_credit", "2022-01-01", ended="2025-02-01", recorded="2025-02-09")


def _entitlements(county: County) -> None:
    for number in (151, 152, 153):
        fallen(county, number, "transfer", "dibao")
    county.subsidy(151, "dibao", "2022-01-01", "granted", 1000)
    county.subsidy(151, "dibao", "2024-12-01", "cancelled", 0)
    county.subsidy(152, "dibao", "2024-12-01", "cancelled", 0)
    county.subsidy(152, "dibao", "2025-04-01", "granted", 400)  # granted again, at less: a smaller payment is no cancellation
    for number in (161, 162, 163):
        fallen(county, number, "transfer", "policy_subsidy")
    county.subsidy(161, "ecology", "2025-01-01", "reduced", 40)
    county.subsidy(162, "farm_support", "2025-02-01", "cancelled", 0)
    county.subsidy(163, "pension", "2025-02-01", "cancelled", 0)  # is not a policy subsidy


def _support(county: County) -> None:
    for number in (171, 172, 173, 174):
        fallen(county, number, "operating", "small_business")
    county.support(171, "industry", "2025-01-10", delivered=False)
    county.support(172, "medical_aid", "2025-01-10", delivered=False)  # brings no income
    county.support(173, "industry", "2025-01-10", delivered=False)
    county.support(173, "industry", "2025-03-10", delivered=True)
    county.support(174, "industry", "2025-07-10", delivered=False)  # not due yet


def _others(county: County) -> None:
    fallen(county, 181, "transfer", "remittance")
    gone = {"left_on": day("2025-01-15"), "spell_recorded_on": day("2025-01-20")}
    fallen(county, 182, "wage", "migrant_work", members=[{"labour_capacity": "full"}, gone])
    fallen(county, 183, "wage", "migrant_work")  # two falls, two causes
    both_years(county, 183, "transfer", "dibao", 500, 0)
    job(county, 1831, "employee_informal", "2024-12-15")
    county.subsidy(183, "dibao", "2024-10-01", "cancelled", 0)
    poor(county, 184)  # no fall, though the job ended
    both_years(county, 184, "wage", "migrant_work", 1000, 1100)
    job(county, 1841, "employee_informal", "2024-12-15")
    poor(county, 185)  # each source within the tolerance of its own, the total not: a loss beside an income
    both_years(county, 185, "wage", "local_work", 1000, 960)
    both_years(county, 185, "operating", "crops", 0, 0, last_cost=500, this_cost=520)
    for number, labours in ((191, ("none", "weak")), (192, ("none",)), (193, ("none", None))):
        fallen(county, number, "wage", "migrant_work", members=[{"labour_capacity": labour} for labour in labours])
    for number, adult, child in ((194, "none", "full"), (195, "weak", None)):  # a child does no work, whatever was written down
        members = [{"labour_capacity": adult}, {"labour_capacity": child, "born_on": day("2015-03-01")}]
        fallen(county, number, "wage", "migrant_work", members=members)
