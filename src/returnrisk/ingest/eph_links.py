"""Who is interviewed, and when two interviews of one dwelling are of one household: fates of rows, continuity, identifiers.

    dwelling 125113, household 1     2008Q1 ── 2008Q2 ────────── 2009Q1 ── 2009Q2
    ages of the woman, COMPONENTE 1    34        35                 61       61
                                       └─ one household ┘           └─ another ┘

The key of the survey is the dwelling, and a new family can move in. Two interviews in a row are of one household when at least one
person with the same COMPONENTE and sex has an age that moved by what the gap allows (mapping.yaml, `continuity`). The check uses
the true gap in quarters between interviews of the key, never row shifts over missing quarters.

Identifiers are the first 60 bits of SHA-256 over the survey's key and the quarter in which the household was first seen: the same
whatever the order of rows, and later quarters do not change them (earlier ones put into the folder may).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from returnrisk.ingest.eph_mapping import EphMapping

if TYPE_CHECKING:
    import ibis.expr.types as ir

KEY = ("dwelling", "number")
HASH_DIGITS = 15
"""Hexadecimal digits of an identifier: 60 bits stay positive in an int64."""

HOUSEHOLD_FATES = ("unreadable", "special_household", "not_interviewed", "duplicate_key", "no_regular_member")
PERSON_FATES = ("unreadable", "special_household", "special_person", "duplicate_key", "household_left_out")


def _repeated(table: ir.Table, key: tuple[str, ...]) -> Any:
    """Whether a row's key stands in an earlier row, in an order that the rows' own values give (not their place in the file)."""
    import ibis

    if not table.group_by(key).agg(n=table.count()).filter(lambda t: t.n > 1).count().to_pyarrow().as_py():
        return ibis.literal(False)
    order = [c for c in table.columns if c not in key]
    return ibis.row_number().over(ibis.window(group_by=list(key), order_by=order)) > 0


def _fate(*reasons: tuple[Any, str]) -> Any:
    import ibis

    return ibis.cases(*((condition.fill_null(False), name) for condition, name in reasons), else_=ibis.null("string"))


def household_fates(raw: ir.Table, mapping: EphMapping) -> ir.Table:
    """`raw` with `fate`: why a household row is left out before its persons are looked at, NULL when it is not."""
    unreadable = (
        raw.dwelling.isnull()
        | raw.number.isnull()
        | raw.region.isnull()
        | raw.agglomerate.isnull()
        | raw.weight.isnull()
        | raw.interviewed.isnull()
        | ~(raw.income >= 0).fill_null(False)
    )
    return raw.mutate(
        fate=_fate(
            (unreadable, "unreadable"),
            (raw.number.isin(mapping.household_file.special_codes), "special_household"),
            (~raw.interviewed.isin(mapping.interviewed_codes), "not_interviewed"),
            (_repeated(raw, (*KEY, "q")), "duplicate_key"),
        )
    )


def person_fates(raw: ir.Table, mapping: EphMapping) -> ir.Table:
    """`raw` with `fate`: why a person row is no member of any household, NULL when it may be."""
    unreadable = (
        raw.dwelling.isnull()
        | raw.number.isnull()
        | raw.component.isnull()
        | ~raw.sex.isin([1, 2]).fill_null(False)
        | raw.age.isnull()
    )
    return raw.mutate(
        fate=_fate(
            (unreadable, "unreadable"),
            (raw.number.isin(mapping.household_file.special_codes), "special_household"),
            (raw.component.isin(mapping.person_file.special_codes), "special_person"),
            (_repeated(raw, (*KEY, "q", "component")), "duplicate_key"),
        ),
        # Under one year is coded -1: a child born since then moves by one year, not two.
        age=raw.age.clip(lower=0),
    )


def settle_fates(households: ir.Table, persons: ir.Table) -> tuple[ir.Table, ir.Table]:
    """Fates that need both tables: households without a regular member, persons whose household is left out.

    Returns
    -------
    Households with `n_members` (regular members; 0 where left out for it) and final fate; persons with final fate.
    """
    import ibis

    at = [*KEY, "q"]
    members = persons.filter(persons.fate.isnull()).group_by(at).agg(n_members=lambda t: t.count())
    joined = households.left_join(members, at)
    counted = joined.select(households, n_members=joined.n_members.fill_null(0))
    nobody = counted.fate.isnull() & (counted.n_members == 0)
    counted = counted.mutate(fate=ibis.ifelse(nobody, "no_regular_member", counted.fate))
    kept = counted.filter(counted.fate.isnull()).select(*at).mutate(kept=ibis.literal(True))
    beside = persons.left_join(kept, at)
    homeless = persons.fate.isnull() & beside.kept.isnull()
    return counted, beside.select(persons, homeless=homeless).mutate(
        fate=lambda t: ibis.ifelse(t.homeless, "household_left_out", t.fate)
    ).drop("homeless")


def _same_person(table: ir.Table, moves: dict[int, tuple[int, int]]) -> Any:
    """Whether a person of the same COMPONENTE at the household's previous interview can be this one (needs `gap`)."""
    import ibis

    moved = table.age - table.previous_age
    allowed: Any = ibis.literal(False)
    for gap, (low, high) in sorted(moves.items()):
        allowed |= (table.gap == gap) & moved.between(low, high)
    there = table.previous_q_of_person == table.q - table.gap
    return (there & (table.previous_sex == table.sex) & allowed).fill_null(False)


def link_households(households: ir.Table, persons: ir.Table, mapping: EphMapping) -> ir.Table:
    """Accepted households with the identity that holds from interview to interview.

    Parameters
    ----------
    households, persons
        Accepted rows only, keyed by dwelling, number and q (persons also component).

    Returns
    -------
    Ibis table, one row per household and interview: the columns of `households` and gap (quarters since the key's previous
    interview, NULL at the first), continuous (false where the gap's household is another), first_q, household_id.
    """
    import ibis

    by_key = ibis.window(group_by=list(KEY), order_by="q")
    dated = households.mutate(gap=households.q - households.q.lag().over(by_key))
    by_person = ibis.window(group_by=[*KEY, "component"], order_by="q")
    seen = persons.select(*KEY, "q", "component", "sex", "age").mutate(
        previous_q_of_person=lambda t: t.q.lag().over(by_person),
        previous_sex=lambda t: t.sex.lag().over(by_person),
        previous_age=lambda t: t.age.lag().over(by_person),
    )
    met = seen.inner_join(dated.select(*KEY, "q", "gap"), [*KEY, "q"])
    verdict = met.group_by(*KEY, "q").agg(continuous=_same_person(met, dict(mapping.age_moves)).any())
    judged = dated.inner_join(verdict, [*KEY, "q"])
    up_to_now = ibis.window(group_by=list(KEY), order_by="q", preceding=None, following=0)
    first = ibis.ifelse(judged.continuous, ibis.null("int64"), judged.q).max().over(up_to_now)
    named = judged.mutate(first_q=first)
    return named.mutate(household_id=identifier(named.dwelling, named.number, named.first_q))


def link_members(persons: ir.Table, linked: ir.Table, mapping: EphMapping) -> ir.Table:
    """Accepted persons with their household's identity and their own.

    Returns
    -------
    Ibis table, one row per person and interview: the columns of `persons` and household_id, person_id, first_q, birth_q and
    birth_age (the interview that the birthday is taken from).
    """
    import ibis

    at = [*KEY, "q"]
    homes = linked.select(*at, "household_id", "first_q")
    here = persons.inner_join(homes, at)
    here = here.mutate(person_id=identifier(here.dwelling, here.number, here.first_q, here.component))
    own = ibis.window(group_by="person_id", order_by="q")
    sex, age = here.sex.lag().over(own), here.age.lag().over(own)
    low, high = mapping.same_birthday_moves
    same = ((sex == here.sex) & (here.age - age).between(low, high)).fill_null(False)
    here = here.mutate(same_birthday=same)
    up_to_now = ibis.window(group_by="person_id", order_by="q", preceding=None, following=0)
    # Latest interview that set the birthday, and the age then, in one running maximum.
    anchor = ibis.ifelse(here.same_birthday, ibis.null("int64"), here.q * 1000 + here.age).max().over(up_to_now)
    here = here.mutate(anchor=anchor)
    return here.mutate(birth_q=here.anchor // 1000, birth_age=here.anchor % 1000).drop("same_birthday", "anchor")


def identifier(*parts: Any) -> Any:
    """A positive int64 that depends on nothing but the values of `parts`."""
    import ibis

    text = parts[0].cast("string")
    for part in parts[1:]:
        text = text + "|" + part.cast("string")
    return (ibis.literal("0x") + text.hexdigest("sha256").substr(0, HASH_DIGITS)).cast("int64")
