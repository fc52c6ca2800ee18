"""Facts about who lives in the household on the day: ages, capacity to work, disability by certificate and register, health.

Severe disability: a certificate in force decides (grade, and for intellectual and mental ones a wider list of grades); without one the
member register's grade does, as far as it can: grade 3 may or may not be intellectual or mental. Nobody is "not disabled" because a
file is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from returnrisk.accounts import living_members
from returnrisk.policy import Policy
from returnrisk.screening.logic import any_of, at_least
from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir

ADULT_YEARS = 16
UNGRADED = 9
WAGE_STATES = ("employee_formal", "employee_informal", "public_post", "self_employed", "employer")
MIND = ("intellectual", "mental")


def people_facts(view: View, homes: ir.Table, *, policy: Policy) -> ir.Table:
    """One row per household of `homes` (household_id, arrived_disability, arrived_employment): counts of those known, and answers.

    Counts (`n_...`) are of members of whom it is known; answers (`has_...`, and the rest) are true, false or NULL.
    """
    people = _people(view, homes, policy=policy)
    t = people.group_by("household_id").agg(
        **{name: condition.cast("int64").sum().fill_null(0) for name, condition in _counts(people, policy, view).items()}
    )
    return t.mutate(
        n_with_labour=t.n_full_labour + t.n_weak_labour,
        has_labour=any_of(t.n_full_labour + t.n_weak_labour, t.u_labour),
        has_full_labour=any_of(t.n_full_labour, t.u_labour),
        has_disabled=any_of(t.n_disabled, t.u_disabled),
        several_disabled=at_least(t.n_disabled, t.u_disabled, int(policy.number("several_disabled", view.day))),
        has_severe_disability=any_of(t.n_persons_severe_disability, t.u_severe),
        has_severe_disability_for_expenditure=any_of(t.n_severe_for_expenditure, t.u_severe_for_expenditure),
        has_seriously_ill_member=any_of(t.n_seriously_ill, t.u_health),
        has_paid_work=any_of(t.n_paid, t.u_paid),
        has_unemployed_member=any_of(t.n_unemployed, t.u_unemployed),
        has_frail_elder=any_of(t.n_frail, t.u_frail),
        elders_keep_disabled=any_of(t.n_young_disabled, t.u_young_disabled)
        & ~any_of(t.n_able_adult, t.u_able_adult)
        & any_of(t.n_elders, t.u_elders),
    ).drop(*(name for name in t.columns if name.startswith("u_") or name in ("n_paid", "n_frail", "n_young_disabled", "n_able_adult", "n_unemployed")))  # fmt: skip


def _counts(people: ir.Table, policy: Policy, view: View) -> dict[str, Any]:
    """Conditions that are counted: n_x certainly so, u_x not known."""
    elder_age, frail_age = (int(policy.number(name, view.day)) for name in ("elder_age", "frail_elder_age"))
    age, capacity = people.age_years, people.labour_capacity
    able_age = (age >= ADULT_YEARS) & (age < elder_age)
    child = (age < ADULT_YEARS).fill_null(False)
    frail = (age >= frail_age) | ((age >= elder_age) & people.severe)
    young_disabled, able_adult = (age < elder_age) & people.disabled, able_age & ~people.disabled
    conditions = {
        "disabled": people.disabled,
        "persons_severe_disability": people.severe,
        "severe_for_expenditure": people.severe_for_expenditure,
        "seriously_ill": people.health == "serious",
        "chronically_ill": people.health == "chronic",
        "elders": age >= elder_age,
        "frail": frail,
        "young_disabled": young_disabled,
        "able_adult": able_adult,
        "paid": people.is_paid,
        "unemployed": (people.employment == "unemployed") & ~people.is_paid,
    }
    counts = {f"n_{name}": condition.fill_null(False) for name, condition in conditions.items()}
    counts |= {
        "n_children": child,
        "n_full_labour": ((capacity == "full") & ~child).fill_null(False),
        "n_weak_labour": ((capacity == "weak") & ~child).fill_null(False),
        # a child does no work: that nobody wrote a capacity down leaves nothing open
        "u_labour": capacity.isnull() & ~child,
        "u_disabled": people.disabled.isnull(),
        "u_severe": people.severe.isnull(),
        "u_severe_for_expenditure": people.severe_for_expenditure.isnull(),
        "u_health": people.health.isnull(),
        "u_elders": age.isnull(),
        "u_frail": frail.isnull(),
        "u_young_disabled": young_disabled.isnull(),
        "u_able_adult": able_adult.isnull(),
        "u_paid": people.is_paid.isnull() & ~child,
        "u_unemployed": people.is_paid.isnull() & people.employment.isnull() & ~child,
    }
    return counts


def _people(view: View, homes: ir.Table, *, policy: Policy) -> ir.Table:
    """Members with what is known of each: disabled, severe, severe_for_expenditure, is_paid (true, false or NULL)."""
    import ibis

    day = view.day
    who = living_members(view).inner_join(homes, "household_id")
    t = who.left_join(_certificates(view, policy=policy), "person_id").drop("person_id_right")
    certified, grade = t.certified.fill_null(False), t.disability_grade
    plain = _numbers(policy.listed("severe_disability_grades", day))

    def severe(name: str, yes: Any, maybe: Any) -> Any:
        wider = [g for g in _numbers(policy.listed(name, day)) if g not in plain]
        return ibis.cases(
            (certified & yes, True),
            (certified & maybe, None),
            (certified, False),
            (grade.isin(plain), True),
            (grade.isin([*wider, UNGRADED]), None),
            (grade.notnull() | t.arrived_disability, False),
        )

    registered = ibis.cases((certified | (grade > 0), True), (grade.notnull() | t.arrived_disability, False))
    return t.mutate(
        disabled=registered,
        severe=severe("severe_disability_grades_intellectual_mental", t.severe_yes, t.severe_maybe),
        severe_for_expenditure=severe("expenditure_disability_grades_intellectual_mental", t.wider_yes, t.wider_maybe),
        is_paid=_paid(view, t),
    )


def _paid(view: View, t: ir.Table) -> Any:
    """In paid work on the day: a running spell, or the register's state of a person without spells on file."""
    import ibis

    day = ibis.literal(view.day)
    spells = view.table("employment")
    running = (spells.started_on <= day) & (spells.ended_on.isnull() | (spells.ended_on >= day))
    at_work = spells.filter(running).person_id
    return ibis.cases(
        (t.person_id.isin(at_work), True),
        (t.person_id.isin(spells.person_id), False),
        (t.employment.notnull(), t.employment.isin(WAGE_STATES)),
    )


def _certificates(view: View, *, policy: Policy) -> ir.Table:
    """Persons with a certificate in force: whether one makes the disability severe, certainly or perhaps, by either list."""
    import ibis

    day = ibis.literal(view.day)
    c = view.table("disability")
    c = c.filter((c.issued_on <= day) & (c.valid_until.isnull() | (c.valid_until >= day)))
    plain = _numbers(policy.listed("severe_disability_grades", view.day))
    found: dict[str, Any] = {"certified": c.count() > 0}
    for prefix, name in (
        ("severe", "severe_disability_grades_intellectual_mental"),
        ("wider", "expenditure_disability_grades_intellectual_mental"),
    ):
        wider = c.grade.isin(_numbers(policy.listed(name, view.day)))
        found[f"{prefix}_yes"] = (c.grade.isin(plain) | (c.kind.isin(MIND) & wider)).any()
        # several disabilities together: the certificate does not say which
        found[f"{prefix}_maybe"] = ((c.kind == "multiple") & wider).any()
    return c.group_by("person_id").agg(**found)


def _numbers(texts: tuple[str, ...]) -> list[int]:
    return [int(text) for text in texts]
