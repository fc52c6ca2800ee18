"""The records that made a fact true, and the day on which the last of them was recorded.

`found` facts rest on records: something is there. They are kept to the fewest that decide, in the order in which they were recorded, so
that what is recorded later never changes them: of a sum the rows up to the one that passed the threshold. `standing` facts (a category, an
account, nothing on file, little on file, a share) rest on no single record: they carry the year they are about instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from returnrisk.guarantees import COMPULSORY, OUT_OF_SCHOOL, UNSAFE_GRADES
from returnrisk.policy import Fact, FactWindow, GuaranteeFact, Policy, TableFact, TownshipFact
from returnrisk.policy.alerts import Condition
from returnrisk.screening.alert_facts import COMPARED, RISING, exact, holds, newest, threshold_of, unit_column, value_column
from returnrisk.screening.alert_windows import own_date, rows_of, span_of, township_days
from returnrisk.screening.windows import screening_windows
from returnrisk.store.view import View
from returnrisk.timeline import IncomeYear

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd


@dataclass(frozen=True, slots=True)
class FactRecords:
    """What a fact rests on in the households that fired.

    Attributes
    ----------
    kind
        "event": records of a day or period; "state": rows that say how something stands; "standing": no single record.
    frame
        One row per record: household_id, part (records of one part belong together), recorded_on, record (text). Of a standing
        fact one row per household whose `record` names fact and year.
    """

    kind: str
    frame: pd.DataFrame


def fact_records(view: View, fact: Fact, *, households: Sequence[int], policy: Policy) -> FactRecords:
    """Records of a fact that holds for `households`."""
    import ibis

    who = ibis.memtable({"household_id": sorted(households)}, schema={"household_id": "int64"})
    seen = guarantee_rows(fact) if isinstance(fact, GuaranteeFact) else fact
    if isinstance(seen, TableFact) and is_found(seen):
        frame = _frame(_deciding(view, seen, who))
        if rest := set(households) - set(frame["household_id"]):  # the guarantee's register says so in a row of another kind
            import pandas as pd

            others = ibis.memtable({"household_id": sorted(rest)}, schema={"household_id": "int64"})
            frame = pd.concat([frame, _frame(_standing(view, fact, others, policy))], ignore_index=True)
        return FactRecords("state" if seen.window.form == "now" else "event", frame)
    return FactRecords("standing", _frame(_standing(view, fact, who, policy)))


def guarantee_rows(fact: GuaranteeFact) -> TableFact | None:
    """The rows behind a missing guarantee; None for one that is held."""
    if not fact.missing:
        return None
    answers: dict[str, tuple[str, Any, str, tuple[str | int | bool, ...], tuple[Condition, ...]]] = {
        "housing": ("household", "household", "housing_grade", UNSAFE_GRADES, ()),
        "water": ("household", "household", "water_safe", (False,), ()),
        "schooling": ("schooling", "person", "status", OUT_OF_SCHOOL, (Condition("stage", values=COMPULSORY),)),
        "medical": ("member", "person", "health_cover", (False,), ()),
    }
    table, per, column, values, where = answers[fact.guarantee]
    return TableFact(
        table=table,
        per=per,
        aggregate="latest",
        column=column,
        where=where,
        window=FactWindow("now"),
        date=None,
        comparison="is",
        threshold=None,
        answers=values,
        wanted=True,
    )


def is_found(fact: TableFact) -> bool:
    """Whether the fact holds because of records that are there."""
    if fact.aggregate == "exists":
        return fact.wanted
    if fact.aggregate == "latest":
        return True
    if fact.aggregate == "min":
        return fact.comparison not in RISING
    return fact.aggregate != "share_of" and fact.comparison in RISING


def _only(t: ir.Table, who: ir.Table) -> ir.Table:
    return t.filter(t.household_id.isin(who.household_id))


def _frame(t: ir.Table) -> pd.DataFrame:
    import pandas as pd

    frame: pd.DataFrame = t.to_pandas()
    frame["recorded_on"] = pd.to_datetime(frame["recorded_on"]).dt.date
    return frame.sort_values(["household_id", "part", "recorded_on", "record"], ignore_index=True)


# -- found -------------------------------------------------------------------------------------------------------------------------


def _deciding(view: View, fact: TableFact, who: ir.Table) -> ir.Table:
    """household_id, part, recorded_on, record of the rows that decide.

    Parts: of a sum or count the household or person; else what was recorded on one day.
    """
    contract = view.store.contracts[fact.table]
    if fact.aggregate == "latest":
        t = _only(newest(view, fact), who)
        t = t.filter(t.judged.fill_null(False))
        return _texts(t, fact, contract, part=t.recorded_on.cast("string"))
    rows = _only(rows_of(view, fact), who)
    rows = rows.filter(holds(rows, fact.where).fill_null(False))
    if fact.aggregate == "exists":
        return _texts(rows, fact, contract, part=rows.recorded_on.cast("string"))
    number = threshold_of(fact)
    assert number is not None  # noqa: S101
    assert fact.comparison is not None  # noqa: S101
    compare = COMPARED[fact.comparison]
    if fact.aggregate in {"max", "min"}:
        t = rows.filter(compare(value_column(fact, rows), exact(number)))
        return _texts(t, fact, contract, part=t.recorded_on.cast("string"))
    return _until_crossed(rows, fact, contract, number)


def _until_crossed(rows: ir.Table, fact: TableFact, contract: Any, number: Decimal) -> ir.Table:
    """The rows of a sum or count, in the order they were recorded, up to the one with which it passed the threshold."""
    import ibis

    assert fact.comparison is not None  # noqa: S101
    compare = COMPARED[fact.comparison]
    rows = rows.mutate(unit=rows[unit_column(fact)])
    date = own_date(contract)
    order = [rows.recorded_on, *([rows[date]] if date else []), *(rows[k] for k in contract.key)]
    t = rows
    if fact.aggregate == "count" and fact.column:
        again = ibis.window(group_by=[rows.household_id, rows.unit, rows[fact.column]], order_by=order)
        t = (
            rows.mutate(place=ibis.row_number().over(again))
            .filter(lambda t: (t.place == 0) & t[fact.column].notnull())
            .drop("place")
        )
    value = value_column(fact, t) if fact.aggregate == "sum" else exact(Decimal(1))
    t = t.mutate(value=value.fill_null(exact(Decimal(0))))
    order = [t.recorded_on, *([t[date]] if date else []), *(t[k] for k in contract.key)]
    so_far = ibis.window(group_by=[t.household_id, t.unit], order_by=order, preceding=None, following=0)
    every = ibis.window(group_by=[t.household_id, t.unit])
    t = t.mutate(sum_here=t.value.sum().over(so_far), sum_all=t.value.sum().over(every))
    limit = exact(number)
    needed = compare(t.sum_all, limit) & (t.value != 0) & ~compare(t.sum_here - t.value, limit)
    t = t.filter(needed)
    return _texts(t, fact, contract, part=t.unit.cast("string"))


def _texts(t: ir.Table, fact: TableFact, contract: Any, *, part: Any) -> ir.Table:
    """Key of each row as text, with the state looked at where the key names no period: keys are pseudonyms, never names."""
    import ibis

    names = list(contract.key)
    if fact.aggregate == "latest" and fact.column:
        names += [fact.column, *([d] if (d := own_date(contract)) and d not in names else [])]
    elif fact.window.form == "now" or fact.date not in {None, own_date(contract)}:
        names += [c.column for c in fact.where if c.column not in names]
        names += [fact.date] if fact.date and fact.date not in names else []
    text = ibis.literal(f"{contract.name}:")
    for i, name in enumerate(names):
        value = t[name].cast("decimal(18,2)") if contract.field(name).type.startswith("decimal") else t[name]
        text = text + f"{'' if i == 0 else ','}{name}=" + value.cast("string").fill_null("")
    return t.select("household_id", part=part, recorded_on=t.recorded_on, record=text)


# -- standing ----------------------------------------------------------------------------------------------------------------------


def standing_year(view: View, fact: Fact, policy: Policy) -> str:
    """The year a standing fact is about: the calendar year of a calendar window, else the income year; of a township's fall the month."""
    if isinstance(fact, TownshipFact):
        return f"{township_days(view, fact)[1]:%Y-%m}"
    if isinstance(fact, TableFact):
        end = span_of(view, fact).ends_on
        if fact.window.form in {"calendar_year", "calendar_month"}:
            return f"{end.year}"
        return f"income_year_{IncomeYear.containing(min(end, span_of(view, fact).closed_on)).year}"
    if isinstance(fact, GuaranteeFact):
        return f"income_year_{IncomeYear.containing(view.day).year}"
    return f"income_year_{IncomeYear.containing(screening_windows(view, policy=policy).income_end).year}"


def _standing(view: View, fact: Fact, who: ir.Table, policy: Policy) -> ir.Table:
    import ibis

    homes = _only(view.table("household"), who)
    homes = homes.select("household_id", "recorded_on", township_code=homes.village_code // 1000)
    text = f"{standing_name(fact)}@{standing_year(view, fact, policy)}"
    if isinstance(fact, (TableFact, TownshipFact)):
        files = view.table("delivery")
        closed = ibis.literal(span_of(view, fact).closed_on if isinstance(fact, TableFact) else township_days(view, fact)[1])
        files = files.filter((files.table_name == fact.table) & (files.period_end <= closed))
        last = files.group_by("township_code").agg(last_on=files.recorded_on.max())
        t = homes.left_join(last, "township_code").select("household_id", "recorded_on", "last_on")
    else:
        rows = _only(view.table("income"), who)
        last = rows.group_by("household_id").agg(last_on=rows.recorded_on.max())
        t = homes.left_join(last, "household_id").select("household_id", "recorded_on", "last_on")
    day = ibis.coalesce(t.last_on, t.recorded_on)
    return t.select("household_id", part=ibis.literal(""), recorded_on=day, record=ibis.literal(text))


def standing_name(fact: Fact) -> str:
    """What a standing fact says, in a form that does not change with its threshold's number."""
    from returnrisk.policy import AccountFact, CategoryFact

    if isinstance(fact, CategoryFact):
        return f"category:{fact.category}={'yes' if fact.answer else 'no'}"
    if isinstance(fact, AccountFact):
        return f"account:{fact.account},{fact.change or 'amount'},{fact.comparison}"
    if isinstance(fact, GuaranteeFact):
        return f"guarantee:{fact.guarantee}=held"
    where = ",".join(f"{c.column}={'|'.join(map(str, c.values)) or c.comparison}" for c in fact.where)
    if isinstance(fact, TownshipFact):
        return f"township:{fact.table},{fact.months}{f',{where}' if where else ''}"
    return f"{fact.table}:{fact.aggregate}{f',{where}' if where else ''}"
