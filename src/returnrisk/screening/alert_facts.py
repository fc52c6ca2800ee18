"""One fact of an alert rule for every household: yes, no, or not known (NULL), with the amount it was decided by.

What is on file is a lower bound while files are missing: a sum that is over its threshold already is over it, whatever comes; that a
sum is not over it, or that nothing is there, is only said where every file that was due has come.
"""

from __future__ import annotations

import datetime as dt
import functools
import operator
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from returnrisk.accounts import ACCOUNTS, account_net
from returnrisk.policy import AccountFact, CategoryFact, Fact, GuaranteeFact, Policy, TableFact, Threshold, TownshipFact
from returnrisk.policy.alerts import RISING_COMPARISONS, Comparison, Condition
from returnrisk.screening.alert_windows import REGISTERS, complete, complete_for_township, held_on, own_date, rows_of, township_days
from returnrisk.screening.windows import screening_windows
from returnrisk.store.view import View

if TYPE_CHECKING:
    import ibis.expr.types as ir

COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "over": operator.gt,
    "under": operator.lt,
    "at_least": operator.ge,
    "at_most": operator.le,
}
RISING: tuple[Comparison | None, ...] = RISING_COMPARISONS
ACCOUNT_PREFIX = {"register_net": "register", "assistance_countable": "assistance"}


def exact(value: Decimal) -> Any:
    """A number of a rule as an exact constant (up to four digits behind the point)."""
    import ibis

    return ibis.literal(value, "decimal(18,4)")


def fact_answers(view: View, fact: Fact, *, facts: ir.Table, categories: ir.Table | None, policy: Policy) -> ir.Table:
    """Answers of one fact.

    Parameters
    ----------
    facts
        One row per household (`household_facts`).
    categories
        Long answers of the categories (household_id, category, answer); needed by facts about them.

    Returns
    -------
    Ibis table, one row per household of `facts`: household_id, answer (boolean, NULL: cannot tell), amount (float64, for showing:
    what was compared; NULL where nothing was).
    """
    if isinstance(fact, TableFact):
        return _table_answers(view, fact, facts)
    if isinstance(fact, GuaranteeFact):
        held = facts[f"held_{fact.guarantee}"]
        return facts.select("household_id", answer=~held if fact.missing else held, amount=_no_amount())
    if isinstance(fact, CategoryFact):
        return _category_answers(fact, facts, categories)
    if isinstance(fact, TownshipFact):
        return _township_answers(view, fact, facts)
    return _account_answers(view, fact, facts, policy)


def threshold_of(fact: TableFact | AccountFact | TownshipFact) -> Decimal | None:
    """The number a fact is compared with; `Policy.alert_rules` has worked it out for the day."""
    return fact.threshold.number if isinstance(fact.threshold, Threshold) else None


def value_column(fact: TableFact, rows: ir.Table) -> Any:
    """What a row adds to a sum, a largest or smallest value, or a share: an exact number."""
    return rows[fact.column].cast("decimal(18,4)")


def holds(rows: ir.Table, conditions: tuple[Condition, ...]) -> Any:
    """Whether a row counts; NULL where a cell that decides is empty."""
    import ibis

    found = [_condition(rows, c) for c in conditions]
    return functools.reduce(operator.and_, found) if found else ibis.literal(True)


def _condition(rows: ir.Table, condition: Condition) -> Any:
    column = rows[condition.column]
    if condition.comparison is not None and condition.number is not None:
        return COMPARED[condition.comparison](column.cast("decimal(18,4)"), exact(condition.number))
    return column.isin(condition.values)


def _no_amount() -> Any:
    import ibis

    return ibis.null("float64")


# -- tables ------------------------------------------------------------------------------------------------------------------------


def _table_answers(view: View, fact: TableFact, facts: ir.Table) -> ir.Table:
    import ibis

    found = _found(view, fact)
    homes = facts.select("household_id", "township_code")
    whole = complete(view, fact)
    if whole is None:
        homes = homes.mutate(all_came=ibis.literal(True))
    else:
        homes = homes.left_join(whole, "township_code").mutate(all_came=lambda t: t.township_code_right.notnull())
    t = homes.select("household_id", "all_came").left_join(found, "household_id").drop("household_id_right")
    yes, no = t.yes.fill_null(False), t.no.fill_null(False)
    settled = t.all_came & ~t.is_open.fill_null(False) & ~no
    if fact.table in REGISTERS:
        settled = settled & t.yes.notnull()
    if fact.aggregate == "exists" and not fact.wanted:
        answer = ibis.cases((yes, False), (settled, True))
    else:
        answer = ibis.cases((yes, True), (no, False), (settled, t.if_all_came.fill_null(_if_nothing(fact))))
    return t.select("household_id", answer=answer, amount=t.amount)


def _if_nothing(fact: TableFact) -> Any:
    """The answer where all files came and no row is there: sums and counts are zero; there is no largest, latest or share."""
    import ibis

    number = threshold_of(fact)
    if fact.aggregate in {"sum", "count"} and number is not None and fact.comparison is not None:
        return ibis.literal(bool(COMPARED[fact.comparison](Decimal(0), number)))
    return ibis.null("boolean") if fact.aggregate == "share_of" else ibis.literal(False)


def _found(view: View, fact: TableFact) -> ir.Table:
    """Per household with rows: yes and no (certain already), is_open (a cell that decides is empty), if_all_came, amount."""
    if fact.aggregate == "exists":
        return _existing(view, fact)
    units = _latest_units(view, fact) if fact.aggregate == "latest" else _unit_values(view, fact)
    extreme = units.amount.max() if fact.comparison in {*RISING, None, "is", "not"} else units.amount.min()
    return units.group_by("household_id").agg(
        # any person is enough for yes; for no, every one must be a no
        yes=units.yes.fill_null(False).any(),
        no=units.no.fill_null(False).all(),
        is_open=(units.is_open & ~units.no.fill_null(False)).any(),
        if_all_came=(units.if_all_came.fill_null(False) & ~units.is_open).any(),
        amount=extreme.cast("float64"),
    )


def _existing(view: View, fact: TableFact) -> ir.Table:
    import ibis

    rows = rows_of(view, fact)
    ok = holds(rows, fact.where)
    t = rows.mutate(ok=ok)
    return t.group_by("household_id").agg(
        yes=t.ok.fill_null(False).any(),
        no=ibis.literal(False),
        is_open=(t.ok.isnull()).any(),
        if_all_came=ibis.literal(False),
        amount=_no_amount(),
    )


def unit_column(fact: TableFact) -> str:
    """What a fact is added up by: the household, or each person of it."""
    return "person_id" if fact.per == "person" else "household_id"


def _unit_values(view: View, fact: TableFact) -> ir.Table:
    """Per household and unit: the aggregate's answers."""
    import ibis

    rows = rows_of(view, fact)
    contract = view.store.contracts[fact.table]
    t = rows.mutate(unit=rows[unit_column(fact)], ok=holds(rows, fact.where))
    t = t.filter(t.unit.notnull())
    counted = fact.aggregate == "count"
    t = t.mutate(value=exact(Decimal(1)) if counted else value_column(fact, t))
    sure = t.ok.fill_null(False)
    open_cell = t.ok.isnull() | (sure & (t[fact.column].isnull() if fact.column else ibis.literal(False)))
    zero = exact(Decimal(0))
    total = t.value.sum(where=sure).fill_null(zero)
    number = t[fact.column].nunique(where=sure) if counted and fact.column else sure.cast("int64").sum()
    amounts = {"sum": total, "share_of": total, "count": number, "max": t.value.max(where=sure), "min": t.value.min(where=sure)}
    u = t.group_by("household_id", "unit").agg(
        amount=amounts[fact.aggregate],
        whole=t.value.sum().fill_null(zero),
        is_open=open_cell.any() | ((fact.aggregate == "share_of") & t.value.isnull().any()),
    )
    only_grows = counted or fact.aggregate == "max" or (fact.aggregate == "sum" and _never_negative(contract, fact))
    return _judged(u, fact, only_grows=only_grows)


def _never_negative(contract: Any, fact: TableFact) -> bool:
    minimum = contract.field(fact.column).minimum
    return minimum is not None and minimum >= 0


def _judged(u: ir.Table, fact: TableFact, *, only_grows: bool) -> ir.Table:
    """Compare each unit's amount; `yes` and `no` are what no further row can change."""
    import ibis

    number = threshold_of(fact)
    assert number is not None  # noqa: S101 (parsing gives every one of these a number)
    assert fact.comparison is not None  # noqa: S101
    compare = COMPARED[fact.comparison]
    if fact.aggregate == "share_of":
        judged = ibis.cases((u.whole > 0, compare(u.amount, exact(number) * u.whole)))
        share = u.amount.cast("float64") / u.whole.cast("float64").nullif(0)
        return u.mutate(
            yes=ibis.literal(False), no=ibis.literal(False), is_open=u.is_open | judged.isnull(), if_all_came=judged, amount=share
        )
    judged = compare(u.amount, exact(number))
    rising = fact.comparison in RISING
    only_falls = fact.aggregate == "min"
    sure_yes = (only_grows and rising) or (only_falls and not rising)
    sure_no = (only_grows and not rising) or (only_falls and rising)
    never = ibis.literal(False)
    return u.mutate(yes=judged if sure_yes else never, no=~judged if sure_no else never, if_all_came=judged)


def newest(view: View, fact: TableFact) -> ir.Table:
    """The latest row of every unit and series, with `judged`: whether it is what the fact looks for (NULL: a cell is empty).

    A series is one value of the table's coded key columns (a programme, a kind). Conditions on these choose series; the others are asked
    of the latest row itself.
    """
    import ibis

    contract = view.store.contracts[fact.table]
    rows = rows_of(view, fact)
    series = [k for k in contract.key if contract.field(k).valid_values]
    chosen = tuple(c for c in fact.where if c.column in series)
    asked = tuple(c for c in fact.where if c.column not in series)
    rows = rows.filter(holds(rows, chosen))
    date = fact.date or own_date(contract)
    order = [rows[c].desc() for c in ([date] if date else [])] + [rows[c].desc() for c in ("recorded_on", *contract.key)]
    over = ibis.window(group_by=[rows.household_id, rows[unit_column(fact)], *(rows[s] for s in series)], order_by=order)
    t = rows.mutate(place=ibis.row_number().over(over)).filter(lambda t: t.place == 0).drop("place")
    column = t[fact.column]
    if fact.comparison in {"is", "not"}:
        matches = column.isin(fact.answers)
        matches = ~matches if fact.comparison == "not" else matches
    else:
        number = threshold_of(fact)
        assert number is not None  # noqa: S101
        assert fact.comparison is not None  # noqa: S101
        matches = COMPARED[fact.comparison](column.cast("decimal(18,4)"), exact(number))
    return t.mutate(judged=holds(t, asked) & matches)


def _latest_units(view: View, fact: TableFact) -> ir.Table:
    import ibis

    t = newest(view, fact)
    numeric = fact.comparison not in {"is", "not"}
    return t.select(
        "household_id",
        yes=t.judged,
        no=ibis.literal(False),  # a file that is missing may hold another series, or a later row
        is_open=t.judged.isnull(),
        if_all_came=t.judged,
        amount=t[fact.column].cast("float64") if numeric else _no_amount(),
    )


# -- categories and accounts ---------------------------------------------------------------------------------------------------------


def category_answer(categories: ir.Table, codes: tuple[str, ...]) -> ir.Table:
    """Whether any of the categories is answered yes: household_id, is_in (NULL: cannot tell)."""
    import ibis

    t = categories.filter(categories.category.isin(codes))
    yes = (t.answer == 1).fill_null(False)
    return t.group_by("household_id").agg(is_in=ibis.cases((yes.any(), True), ((t.answer == 0).fill_null(False).all(), False)))


def _category_answers(fact: CategoryFact, facts: ir.Table, categories: ir.Table | None) -> ir.Table:
    assert categories is not None  # noqa: S101 (checked before)
    found = category_answer(categories, (fact.category,))
    t = facts.select("household_id").left_join(found, "household_id").drop("household_id_right")
    return t.select("household_id", answer=t.is_in if fact.answer else ~t.is_in, amount=_no_amount())


def _account_answers(view: View, fact: AccountFact, facts: ir.Table, policy: Policy) -> ir.Table:
    """Net income per head and year, or its change against one year before as a share; exact, by cross-multiplied decimals."""
    import ibis

    number = threshold_of(fact)
    assert number is not None  # noqa: S101
    compare = COMPARED[fact.comparison]
    prefix = ACCOUNT_PREFIX[fact.account]
    t = facts.select(
        "household_id",
        net=facts[f"{prefix}_net_cny"] * 12,
        heads=facts[f"{prefix}_members"] * facts[f"{prefix}_months"],
        known=facts[f"{prefix}_computable"].fill_null(False),
    )
    if fact.change is None:
        head = t.net.cast("float64") / t.heads.cast("float64").nullif(0)
        answer = ibis.cases((t.known & (t.heads > 0), compare(t.net, exact(number) * t.heads)))
        return t.select("household_id", answer=answer, amount=ibis.cases((t.known, head)))
    t = t.inner_join(_year_before(view, fact, facts, policy), "household_id")
    # per head and year: net / heads against last_net / last_heads
    this, last = t.net * t.last_heads, t.last_net * t.heads
    fell = last - this if fact.change == "fall" else this - last
    known = t.known & t.last_known & (last > 0)
    answer = ibis.cases((known, compare(fell, exact(number) * last)))
    share = fell.cast("float64") / last.cast("float64").nullif(0)
    return t.select("household_id", answer=answer, amount=ibis.cases((known, share)))


def _township_answers(view: View, fact: TownshipFact, facts: ir.Table) -> ir.Table:
    """How far the count of the household's township fell, as a share of the earlier count; every household of it has one answer."""
    number = threshold_of(fact)
    assert number is not None  # noqa: S101
    before, now = (_held_in_townships(view, fact, day) for day in township_days(view, fact))
    came = complete_for_township(view, fact)
    t = facts.select("household_id", "township_code").inner_join(came, "township_code")
    t = t.left_join(before.rename(n_before="n"), "township_code").drop("township_code_right")
    t = t.left_join(now.rename(n_now="n"), "township_code")
    t = t.select("household_id", before=t.n_before.fill_null(0), lost=t.n_before.fill_null(0) - t.n_now.fill_null(0))
    judged = COMPARED[fact.comparison](t.lost.cast("decimal(18,4)"), exact(number) * t.before) & (t.before > 0)
    t = t.select("household_id", judged=judged, share=t.lost.cast("float64") / t.before.cast("float64").nullif(0))
    found = facts.select("household_id").left_join(t, "household_id")
    return found.select("household_id", answer=found.judged, amount=found.share)


def _held_in_townships(view: View, fact: TownshipFact, day: dt.date) -> ir.Table:
    """township_code, n: how many persons (or households) a row held for on a day."""
    rows = held_on(view, fact.table, day)
    rows = rows.filter(holds(rows, fact.where).fill_null(False))
    homes = view.table("household").select("household_id", township_code=lambda t: t.village_code // 1000)
    unit = "person_id" if "person_id" in rows.columns else "household_id"
    t = rows.inner_join(homes, "household_id")
    return t.group_by("township_code").agg(n=t[unit].nunique())


def _year_before(view: View, fact: AccountFact, facts: ir.Table, policy: Policy) -> ir.Table:
    """The account's window one year before: household_id, last_net (twelve times), last_heads, last_known."""
    if fact.account == ACCOUNTS[0]:
        return facts.select(
            "household_id",
            last_net=facts.last_year_net_cny * 12,
            last_heads=facts.last_year_members * facts.last_year_months,
            last_known=facts.last_year_computable.fill_null(False),
        )
    w = screening_windows(view, policy=policy)
    t = account_net(
        view, account="assistance_countable", ends=[w.last_year_end], window=w.income, min_months=w.min_months, policy=policy
    )
    t = facts.select("household_id").left_join(t, "household_id").drop("household_id_right")
    net = t.net_cny.cast("decimal(18,2)") * 12
    return t.select(
        "household_id", last_net=net, last_heads=t.n_members * t.months_delivered, last_known=t.computable.fill_null(False)
    )
