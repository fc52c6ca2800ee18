"""The county before anything happens: villages, households and members, drawn once."""

from __future__ import annotations

import datetime as dt

import numpy as np

from returnrisk.simulate.groups import differ
from returnrisk.simulate.parameters import Parameters
from returnrisk.simulate.projects import draw_dividends
from returnrisk.simulate.state import (
    RELATIONS,
    Bools,
    CountyState,
    Floats,
    Households,
    Insured,
    Ints,
    Measure,
    Persons,
    Programme,
    Villages,
    Work,
    ages,
    first_day,
    month_number,
)

COUNTY_CODE = 999901
"""No division of the country begins with 99: neither codes nor ID numbers can be anybody's."""

HEAD, SPOUSE, CHILD, PARENT, GRANDCHILD, OTHER = range(len(RELATIONS))


def draw_population(rng: np.random.Generator, parameters: Parameters, *, n_households: int, month: int) -> CountyState:
    """Villages, households and persons on the first day of `month`, with no income yet."""
    villages = _villages(rng, parameters, n_households)
    size = 1 + rng.choice(7, n_households, p=parameters.household.size_shares)
    households = _households(rng, parameters, villages, size)
    persons = _persons(rng, parameters, households, size, month)
    young = np.bincount(persons.household, ages(persons.born_day, month) < parameters.group.old_age, n_households)
    differ(rng, parameters, households, old_alone=young == 0)
    p = parameters
    market = np.array([p.work.market_sd, p.farm.price_sd, p.price.crop_sd, p.price.cash_crop_sd]) * rng.standard_normal(4)
    return CountyState(
        month=month,
        n_claims=0,
        market=np.array([market]),
        identified=np.zeros(villages.township.max() + 1, dtype=np.int64),
        villages=villages,
        households=households,
        persons=persons,
    )


def _villages(rng: np.random.Generator, parameters: Parameters, n_households: int) -> Villages:
    p = parameters.village
    n = max(1, round(n_households / p.households_per_village))
    n_townships = min(n, int(np.clip(round(n / 8), p.min_townships, p.max_townships)))
    township = np.sort(np.arange(n) % n_townships)
    number = np.arange(n) - np.searchsorted(township, township)
    poverty = rng.random(n) < p.p_poverty_village
    remote = rng.random(n) < p.p_remote
    return Villages(
        code=COUNTY_CODE * 1_000_000 + (101 + township) * 1000 + 201 + number,
        county=np.zeros(n, dtype=np.int64),
        township=township,
        poverty=poverty,
        key=poverty & (rng.random(n) < p.p_key_village / p.p_poverty_village),
        resettlement=rng.random(n) < p.p_resettlement_site,
        remote=remote,
        minority=rng.random(n) < p.p_minority_area * np.where(remote, 2.0, 2 / 3),
        prosperity=p.sd_prosperity * rng.standard_normal(n) + np.where(remote, p.remote_prosperity, 0.0),
        hazard=np.exp(p.sd_harvest_hazard * rng.standard_normal(n) - p.sd_harvest_hazard**2 / 2),
        crop_damage=np.zeros(n),
        flood_damage=np.zeros(n),
        herd_damage=np.zeros(n),
        project=np.ones(n, dtype=np.int64),
        dividend=draw_dividends(rng, parameters, n),
    )


def _households(rng: np.random.Generator, parameters: Parameters, villages: Villages, size: Ints) -> Households:
    p, farm, noise, n = parameters.household, parameters.farm, parameters.noise, len(size)
    village = np.sort(rng.integers(0, len(villages.code), n))
    inside = villages.poverty[village]
    share = parameters.village.p_poverty_village
    outside_share = (p.share_ex_poor - share * p.share_ex_poor_in_poverty_village) / (1 - share)
    ex_poor = rng.random(n) < np.where(inside, p.share_ex_poor_in_poverty_village, outside_share)
    in_minority = villages.minority[village]
    registered = rng.integers(month_day(2014, 1), month_day(2018, 1), n)
    remote = villages.remote[village]
    draw = rng.random(n)
    grower, herder = draw < farm.p_grower, draw > 1 - farm.p_herder
    land = p.land_mu_head * size * np.exp(p.sd_log_land * rng.standard_normal(n) - p.sd_log_land**2 / 2)
    subsidies = np.zeros((n, len(Programme)))
    ecology = rng.random(n) < parameters.transfer.p_ecology * np.where(remote, 2.0, 2 / 3)
    subsidies[:, Programme.ECOLOGY] = np.where(ecology, parameters.transfer.ecology_year / 12, 0.0)
    none, months = np.zeros(n, dtype=np.int64), np.zeros((n, 12))
    measures = np.zeros((n, len(Measure)), dtype=np.int64)
    return Households(
        village=village,
        ex_poor=ex_poor,
        registered_day=np.where(ex_poor, registered, -1),
        resettled=villages.resettlement[village] | (rng.random(n) < p.p_resettled_outside_site),
        housing=rng.choice(4, n, p=p.housing_shares),
        water_safe=rng.random(n) < p.p_water_safe,
        flood_prone=rng.random(n) < p.p_flood_prone,
        rooms=rng.integers(2, 7, n),
        land_mu=np.round(land * np.where(grower, farm.grower_land_factor, 1.0), 1),
        minority=rng.random(n) < np.where(in_minority, p.p_minority_inside, p.p_minority_outside),
        commercial_cover=rng.random(n) < p.p_commercial_cover,
        ability=p.sd_ability * rng.standard_normal(n) + villages.prosperity[village] + np.where(ex_poor, p.ex_poor_ability, 0.0),
        noise=rng.standard_normal((n, 3)) * (noise.sd_operating, noise.sd_wage, noise.sd_remittance),
        herd=herder | (rng.random(n) < farm.p_herd),
        grower=grower,
        herder=herder,
        harvest_kept=np.ones(n),
        herd_kept=np.ones(n),
        paid_yearly=rng.random(n) < parameters.work.p_paid_yearly,
        owed=np.zeros(n),
        remittance=np.zeros(n, dtype=bool),
        review_month=np.arange(n) % 12,
        subsidies=subsidies,
        net12=months,
        countable12=months.copy(),
        out_of_pocket=np.zeros(n),
        shock_month=none - 1,
        shock_kind=none.copy(),
        monitored=np.zeros(n, dtype=bool),
        monitored_day=none - 1,
        monitored_recorded=none - 1,
        category=none.copy(),
        risk_type=none.copy(),
        channel=none.copy(),
        support_left=measures,
        support_day=measures.copy(),
        support_delivered=np.zeros(measures.shape, dtype=bool),
        support_recorded=measures - 1,
        recorded=none - 1,
        identity_recorded=none - 1,
        insured=np.zeros((n, len(Insured)), dtype=bool),
        paid_out=np.zeros((n, len(Insured))),
        payout_due=np.zeros((n, 2)),
        loan_cny=np.zeros(n),
        loan_day=none - 1,
        loan_due=none - 1,
        overdue=np.zeros(n, dtype=bool),
        link_recorded=none - 1,
        insurance_recorded=none - 1,
        loan_recorded=none - 1,
    )


def _relations_and_ages(rng: np.random.Generator, parameters: Parameters, size: Ints) -> tuple[Ints, Ints, Floats]:
    """Household, relation and age of every member, slot by slot (head, spouse, then the rest)."""
    p, n = parameters.member, len(size)
    alone = np.where(size == 1, 8.0, 0.0)
    head_age = np.clip(p.head_age_mean + alone + p.head_age_sd * rng.standard_normal(n), 21, 88)
    household, relation, age = [np.arange(n)], [np.full(n, HEAD)], [head_age]
    n_parents = np.zeros(n, dtype=np.int64)
    for slot in range(1, int(size.max())):
        here = np.flatnonzero(size > slot)
        old = head_age[here]
        draw = rng.random(len(here))
        p_child = np.select([old < 35, old < 50, old < 62], [0.70, 0.65, 0.60], 0.45)
        p_parent = np.select([old < 35, old < 50, old < 62], [0.30, 0.35, 0.15], 0.0)
        kind = np.select([draw < p_child, draw < p_child + p_parent, old >= 50], [CHILD, PARENT, GRANDCHILD], OTHER)
        kind = np.where((kind == PARENT) & (n_parents[here] >= 2), CHILD, kind)
        if slot == 1:
            kind = np.where(rng.random(len(here)) < p.p_spouse, SPOUSE, kind)
        n_parents[here] += kind == PARENT
        gap = rng.standard_normal(len(here))
        years = np.select(
            [kind == SPOUSE, kind == CHILD, kind == PARENT, kind == GRANDCHILD],
            [old + 3 * gap, old - 25 - 4 * np.abs(gap), np.minimum(old + 25 + 3 * gap, 90), old - 50 - 4 * np.abs(gap)],
            20 + 50 * rng.random(len(here)),
        )
        household.append(here)
        relation.append(kind)
        age.append(np.where(kind == SPOUSE, np.maximum(years, 20), np.maximum(years, 0.3 + 4 * rng.random(len(here)))))
    order = np.argsort(np.concatenate(household), kind="stable")
    return np.concatenate(household)[order], np.concatenate(relation)[order], np.concatenate(age)[order]


def _persons(rng: np.random.Generator, parameters: Parameters, households: Households, size: Ints, month: int) -> Persons:
    household, relation, age = _relations_and_ages(rng, parameters, size)
    n = len(household)
    head_male = rng.random(len(size)) < parameters.member.p_head_male
    male = np.select([relation == HEAD, relation == SPOUSE], [head_male[household], ~head_male[household]], rng.random(n) < 0.52)
    persons = new_persons(
        rng,
        parameters,
        household=household,
        relation=relation,
        male=male.astype(bool),
        born_day=first_day(month) - 1 - (age * 365.2425).astype(np.int64),
    )
    years = np.floor(age).astype(np.int64)
    _draw_health(rng, parameters, persons, years)
    _draw_school(rng, parameters, persons, years)
    _draw_work(rng, parameters, households, persons, years)
    elderly = np.bincount(household, years < 60, len(size)) == 0
    t = parameters.transfer
    households.remittance[:] = rng.random(len(size)) < np.where(elderly, t.p_remittance_elderly, t.p_remittance)
    return persons


def new_persons(
    rng: np.random.Generator, parameters: Parameters, *, household: Ints, relation: Ints, male: Bools, born_day: Ints
) -> Persons:
    """Persons of given household, relation, sex and birthday; healthy, at home, without work."""
    n = len(household)
    zero = np.zeros(n, dtype=np.int64)
    return Persons(
        household=household.astype(np.int64),
        present=np.ones(n, dtype=bool),
        relation=relation.astype(np.int64),
        male=male,
        born_day=born_day.astype(np.int64),
        education=zero.copy(),
        in_school=np.zeros(n, dtype=bool),
        work=zero.copy(),
        away=np.zeros(n, dtype=bool),
        skill=parameters.member.sd_skill * rng.standard_normal(n),
        months_out=zero.copy(),
        carer_left=zero.copy(),
        chronic=np.zeros(n, dtype=bool),
        ill_left=zero.copy(),
        disability=zero.copy(),
        cover=rng.random(n) < parameters.member.p_cover,
        own_in_scope=np.zeros(n),
        joined_day=zero - 1,
        member_recorded=zero - 1,
        roster_recorded=zero - 1,
        job_day=zero - 1,
        job_recorded=zero - 1,
    )


def draw_education(rng: np.random.Generator, age: Ints) -> Ints:
    """Final education of grown-ups by cohort (index of `EDUCATIONS`)."""
    draw = rng.random(len(age))
    cuts = np.select(
        [(age >= 65)[:, None], (age >= 45)[:, None], (age >= 30)[:, None]],
        [np.array([[0.30, 0.75, 0.95, 0.99]]), np.array([[0.08, 0.45, 0.88, 0.98]]), np.array([[0.02, 0.18, 0.75, 0.93]])],
        np.array([[0.01, 0.08, 0.50, 0.80]]),
    )
    return np.asarray((draw[:, None] > cuts).sum(axis=1), dtype=np.int64)


def draw_disability_grade(rng: np.random.Generator, parameters: Parameters, n: int) -> Ints:
    """Grades 1 to 4; the severe ones are 1 and 2."""
    severe = rng.random(n) < parameters.member.p_severe
    return np.where(severe, 1, 3) + rng.integers(0, 2, n)


def _draw_health(rng: np.random.Generator, parameters: Parameters, persons: Persons, age: Ints) -> None:
    p, n = parameters.member, len(age)
    share = np.interp(age, [20, 40, 75], [0.01, p.p_chronic_at_40, p.p_chronic_at_75])
    persons.chronic[:] = rng.random(n) < share
    risk = np.interp(age, [0, 20, 60, 90], [0.3, 0.5, 1.4, 2.6])
    disabled = rng.random(n) < p.p_disabled * risk / risk.mean()
    persons.disability[:] = np.where(disabled, draw_disability_grade(rng, parameters, n), 0)


def _draw_school(rng: np.random.Generator, parameters: Parameters, persons: Persons, age: Ints) -> None:
    p = parameters.member
    stays = np.select([age < 6, age < 16, age < 19, age < 23], [0.0, 1.0, p.p_school_16_18, p.p_school_19_22], 0.0)
    persons.in_school[:] = (rng.random(len(age)) < stays) & ~np.isin(persons.disability, (1, 2))
    grown = draw_education(rng, age)
    at_school = np.select([age < 13, age < 16, age < 19], [0, 1, 2], 3)
    persons.education[:] = np.where(persons.in_school | (age < 16), at_school, grown)


def _draw_work(rng: np.random.Generator, parameters: Parameters, households: Households, persons: Persons, age: Ints) -> None:
    p, n = parameters.work, len(age)
    band = age_band(age)
    able = (age >= 16) & (age < p.retires_at) & ~persons.in_school & ~np.isin(persons.disability, (1, 2))
    lift = np.where(persons.male, 1.2, 0.8) * np.where(households.ex_poor[persons.household], 0.85, 1.06)
    special = (households.grower | households.herder)[persons.household]
    lift = lift * np.where(special, p.grower_job_factor, 1.0)
    lift = lift * np.where(persons.chronic | (persons.disability > 0), 0.6, 1.0)
    migrant = np.array(p.p_migrant_by_age)[band] * lift
    local = np.array(p.p_local_by_age)[band] * np.where(special, p.grower_job_factor, 1.0)
    draw = rng.random(n)
    formal = rng.random(n) < p.p_formal * np.where(persons.education >= 3, 2.0, 0.8)
    job = np.where(formal, Work.FORMAL, Work.INFORMAL)
    away = able & (draw < migrant)
    near = able & ~away & (draw < migrant + local)
    own = able & ~away & ~near & (draw < migrant + local + p.p_self_employed)
    farms = (age >= 16) & (age < 76) & ~persons.in_school & ~np.isin(persons.disability, (1, 2))
    persons.work[:] = np.select([away | near, own, farms], [job, Work.SELF, Work.FARMING], Work.INACTIVE)
    persons.away[:] = away


def age_band(age: Ints) -> Ints:
    """Index of 16-29, 30-44, 45-54, 55 and more."""
    return np.searchsorted([30, 45, 55], age, side="right")


def month_day(year: int, month: int) -> int:
    """First day of a calendar month as a day number."""
    return first_day(month_number(dt.date(year, month, 1)))
