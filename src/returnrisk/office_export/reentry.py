"""What need not be entered again (不重复填表): for every column of a layout and every field a cadre's form would ask for, where it is on file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from returnrisk.accounts.residents import population
from returnrisk.contracts import Contract, Field, refused_word
from returnrisk.errors import NotEnoughDataError
from returnrisk.office_export.identities import check_identities
from returnrisk.office_export.mapping import ExportColumn, ExportMapping
from returnrisk.office_export.rows import Sources
from returnrisk.screening import Screening
from returnrisk.store.view import View
from returnrisk.timeline import Window, month_end

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

COLUMNS = (
    "part", "file", "header", "table_name", "field", "label_zh", "label_en", "office", "entry", "entry_zh", "entry_en",
    "n_households", "n_on_file", "n_not_named", "share_on_file", "share_answered",
)  # fmt: skip
ENTRIES: Mapping[str, tuple[str, str]] = {
    "none": ("各户均已有或已知没有，不必再填", "on file, or known not to be there, for every household: strike it from the form"),
    "where_missing": ("只填缺的户", "to be asked only of the households without it"),
    "all": ("各户均无，须填", "on file for no household: it has to be asked"),
    "computed": ("由本软件算出，不必填", "worked out from the files: never entered"),
    "constant": ("各行相同，由映射给出", "the same in every row: given by the layout"),
    "blank": ("库中没有，导出后由持有部门填", "not in the store: the office that holds it fills it in"),
    "not_looked_at": ("未提供联系信息，无法判断", "identities were not given: cannot tell"),
    "never": ("不得采集，勿填", "may never be collected: not to be asked"),
}
"""What a column or field asks of people: Chinese, English."""
FORM_TABLES = (
    "household", "identity", "household_roster", "member", "income", "expense", "medical", "subsidy", "support", "monitoring", "disability",
    "disaster", "employment", "schooling", "loan", "insurance", "industry_project", "asset", "authorisation",
)  # fmt: skip
"""Tables whose fields a household form asks for; visits, signals and objections are what people newly bring."""
_EVERYBODY = ("household", "household_roster", "member", "income", "asset", "authorisation")
"""Tables in which every household ought to stand: not to be named there is not an answer."""
_OF_TWELVE_MONTHS = {"income": "period_end", "expense": "period_end", "medical": "treated_on", "disaster": "happened_on"}
"""Flows: what is older than twelve months does not answer this year's form. Other tables hold states."""
_FLOWS_BY_MONTH = ("income", "expense", "medical")
"""Flows of which every one of the twelve months must have come: a month that is missing has to be asked."""
_EMPTY_ANSWERS: Mapping[tuple[str, str], Callable[[ir.Table], Any]] = {
    ("household", "registered_on"): lambda t: t.registered_type == "general",
    ("household_roster", "joined_on"): lambda t: t.joined_on.isnull(),
    ("household_roster", "left_on"): lambda t: t.left_on.isnull(),
    ("employment", "ended_on"): lambda t: t.ended_on.isnull(),
    ("employment", "end_reason"): lambda t: t.ended_on.isnull(),
    ("support", "ended_on"): lambda t: t.ended_on.isnull(),
    ("monitoring", "eliminated_on"): lambda t: t.eliminated_on.isnull(),
    ("authorisation", "valid_until"): lambda t: t.valid_until.isnull(),
    ("authorisation", "withdrawn_on"): lambda t: t.withdrawn_on.isnull(),
    ("disability", "valid_until"): lambda t: t.valid_until.isnull(),
    ("insurance", "paid_on"): lambda t: t.paid_out_cny == 0,
    ("income", "person_id"): lambda t: t.person_id.isnull(),
}
"""Where an empty cell of a delivered row says something: there since before the register, not ended, not eliminated, of the household as a whole."""
_FROM_THE_REGISTER = ("household_id", "village_code", "registered_type", "resettled")
"""Fields that a table of the screening passes on from the register of households."""


def no_reentry(
    view: View, *, mapping: ExportMapping, screening: Screening | None = None, identities: pd.DataFrame | None = None
) -> pd.DataFrame:
    """What a county may strike from its forms.

    A field is on file for a household with members on the day when

    - register (household): its row has it; members (household_roster, member): every present member has it;
    - other tables: a file that speaks of the last twelve months came from its township (for income, expenditure and treatment: all
      twelve months up to the last one whose file was due), the household or a present member has a row (of those months, also for
      disasters), and every row has it (an empty end says "not ended"). Assets count only under an authorisation in force.

    A household that such a file does not name is counted apart (`n_not_named`): no treatment, no loan. That is an answer, except
    where every household ought to stand (the ledger, assets, authorisations). No file, no row, no value: it has to be asked.

    Parameters
    ----------
    view
        What was known on a day.
    mapping
        The layout.
    screening
        Of the same day; then columns that are worked out have the share for which they could be, of the households of their table.
    identities
        Restricted, as of `export_screening`; only counted.

    Returns
    -------
    DataFrame, one row per column of the layout (part "layout"), then per field of `FORM_TABLES` (part "form"): `COLUMNS`. `entry` is a
    key of `ENTRIES`, by share_answered: those who have it and those not named, of all. Counts and shares are missing where nothing is counted.

    Raises
    ------
    NotEnoughDataError
        No household has a member on the day.
    """
    import pandas as pd

    if identities is not None:
        check_identities(identities, tuple(name for name in mapping.asks_identities if name in identities.columns))
    counts = _Counts(view, identities)
    if counts.n_households == 0:
        raise NotEnoughDataError(f"nobody is on file on {view.day}: there is nothing to strike from a form")
    rows = [*_layout_rows(mapping, counts, screening), *_form_rows(counts)]
    made = [
        {"n_households": counts.n_households, **row, "entry_zh": ENTRIES[row["entry"]][0], "entry_en": ENTRIES[row["entry"]][1]}
        for row in rows
    ]
    frame = pd.DataFrame(made, columns=list(COLUMNS))
    for name in ("n_households", "n_on_file", "n_not_named"):
        frame[name] = frame[name].astype("Int64")
    households = frame["n_households"].replace(0, pd.NA)
    frame["share_on_file"] = frame["n_on_file"].astype("Float64") / households
    frame["share_answered"] = (frame["n_on_file"] + frame["n_not_named"].fillna(0)).astype("Float64") / households
    return frame


Row = dict[str, Any]


def _layout_rows(mapping: ExportMapping, counts: _Counts, screening: Screening | None) -> Iterator[Row]:
    sources = None if screening is None else Sources(screening, counts.view, None)
    for file in mapping.files:
        for column in file.columns:
            place = {"part": "layout", "file": f"{file.pattern} {file.sheet}".strip(), "header": column.header}
            yield {**place, **_layout_row(column, counts, sources)}


def _layout_row(column: ExportColumn, counts: _Counts, sources: Sources | None) -> Row:
    said = {"label_zh": column.header, "label_en": column.field.replace("_", " ")}
    if not column.field:
        entry = "never" if refused_word(column.header) else "blank" if column.constant is None else "constant"
        return {**said, "entry": entry}
    table = "household" if column.field in _FROM_THE_REGISTER and column.table != "village" else column.table
    contract = counts.view.store.contracts.get(table)
    field = None if contract is None else next((f for f in contract.fields if f.name == column.field), None)
    if contract is not None and field is not None and table != "village":
        return _field_row(contract, field, counts)
    if table in ("village", "identity"):  # a place's name; the office's own number of a household
        return {**said, "table_name": table, "field": column.field, **_named_row(table, column.field, counts)}
    counted = {"n_households": None} if sources is None else _computed(sources, column)
    return {**said, "table_name": column.table, "field": column.field, "entry": "computed", **counted}


def _form_rows(counts: _Counts) -> Iterator[Row]:
    for name in FORM_TABLES:
        contract = counts.view.store.contracts[name]
        for field in contract.fields:
            if field.name != "recorded_on" and not (field.pseudonym == "household" and name != "household"):
                yield {"part": "form", "file": "", "header": "", **_field_row(contract, field, counts)}


def _field_row(contract: Contract, field: Field, counts: _Counts) -> Row:
    named = {"table_name": contract.name, "field": field.name, "label_zh": field.label_zh, "label_en": field.label_en}
    return {**named, "office": contract.office, **counts.answer(contract, field.name)}


def _named_row(table: str, field: str, counts: _Counts) -> Row:
    contract = counts.view.store.contracts[table]
    return {"office": contract.office, **(counts.places(field) if table == "village" else counts.identity(field))}


def _computed(sources: Sources, column: ExportColumn) -> Row:
    """Households of a table of the screening, and those for which all of their rows have the field."""
    frame = sources.table(column.table).select(["household_id", column.field]).to_pandas()
    known = frame[column.field].notna().groupby(frame["household_id"]).all()
    return {"n_households": len(known), "n_on_file": int(known.sum())}


class _Counts:
    """Households of the day for which a field is on file; each table is counted once, in the engine."""

    def __init__(self, view: View, identities: pd.DataFrame | None) -> None:
        self.view = view
        self.identities = identities
        people = population(view, [view.day]).select("household_id", "village_code")
        self.base = people.mutate(township_code=people.village_code // 1000)
        self.households = set(self.base.household_id.to_pyarrow().to_pylist())
        self.n_households = len(self.households)
        self._counted: dict[str, dict[str, int]] = {}

    def answer(self, contract: Contract, field: str) -> Row:
        """Counts of a field, and what it asks of people."""
        if contract.name == "identity":
            return self.identity(field)
        if contract.name not in self._counted:
            self._counted[contract.name] = self._count(contract)
        found = self._counted[contract.name]
        n, not_named = found[field], 0 if contract.name in _EVERYBODY else found["not_named"]
        return {"entry": self._entry(n + not_named), "n_on_file": n, "n_not_named": not_named}

    def identity(self, field: str) -> Row:
        """As `answer`, of what the caller gave."""
        if self.identities is None or field not in self.identities.columns:
            return {"entry": "not_looked_at"}
        known = self.identities.loc[self.identities[field].notna(), "household_id"]
        n = len(self.households & set(known.tolist()))
        return {"entry": self._entry(n), "n_on_file": n, "n_not_named": 0}

    def places(self, field: str) -> Row:
        """As `answer`, of the household's village."""
        villages = self.view.table("village")
        villages = villages.mutate(township_code=villages.village_code // 1000)
        named = self.base.semi_join(villages.filter(villages[field].notnull()), "village_code")
        n = int(named.count().to_pyarrow().as_py())
        return {"entry": self._entry(n), "n_on_file": n, "n_not_named": 0}

    def _entry(self, n_answered: int) -> str:
        if n_answered == self.n_households:
            return "none"
        return "where_missing" if n_answered else "all"

    def _count(self, contract: Contract) -> dict[str, int]:
        """Per field the households that have it; `not_named`: those that a delivered file does not name."""
        fields = [f.name for f in contract.fields]
        rows = self._rows(contract)
        known = {f: rows[f].notnull() for f in fields if f != "household_id"}
        known |= {f: known[f] | says(rows) for (table, f), says in _EMPTY_ANSWERS.items() if table == contract.name}
        whole = rows.group_by("household_id").agg(**{f"all_{f}": is_known.all() for f, is_known in known.items()})
        t = self.base.left_join(whole.mutate(is_named=True), "household_id").drop("household_id_right")
        t = t.mutate(is_named=t.is_named.fill_null(False))
        if contract.name not in ("household", "household_roster", "member"):
            arrived = self._arrived(contract.name)
            t = t.left_join(arrived.mutate(is_delivered=True), "township_code").drop("township_code_right")
            t = t.mutate(is_delivered=t.is_delivered.fill_null(False))
        else:
            t = t.mutate(is_delivered=True)
        measures = {f: (t.is_delivered & t.is_named & (t[f"all_{f}"] if f != "household_id" else t.is_named)).sum() for f in fields}
        found = t.aggregate(**measures, not_named=(t.is_delivered & ~t.is_named).sum()).to_pyarrow().to_pylist()[0]
        return {name: int(n or 0) for name, n in found.items()}

    def _rows(self, contract: Contract) -> ir.Table:
        """Rows that answer a form of the day, with the household they are of."""
        import ibis

        t, day = self.view.table(contract.name), ibis.literal(self.view.day)
        if contract.name == "household_roster":
            return _present(t, day)
        if contract.name == "asset":
            t = _authorised(t, self.view, day)
        if contract.name == "authorisation":
            t = _in_force(t, day)
        if contract.name in _OF_TWELVE_MONTHS:
            t = t.filter(t[_OF_TWELVE_MONTHS[contract.name]] >= ibis.literal(_twelve_months(self.view, contract.name)[0]))
        if "household_id" in contract.columns:
            return t
        here = _present(self.view.table("household_roster"), day).select("household_id", "person_id").distinct()
        # a member without a row has nothing on file; in the other tables of persons only those with a row stand
        joined = here.left_join(t, "person_id") if contract.name == "member" else here.inner_join(t, "person_id")
        if contract.name == "member":
            joined = joined.mutate(person_id=joined.person_id_right).drop("person_id_right")
        return joined

    def _arrived(self, table: str) -> ir.Table:
        """Townships of which a file came that speaks of the twelve months up to the day."""
        import ibis

        if table in _FLOWS_BY_MONTH:
            start, end = _twelve_months(self.view, table)
            months = self.view.delivered(table)
            months = months.filter((months.month_on >= ibis.literal(start)) & (months.month_on <= ibis.literal(end)))
            n = months.group_by("township_code").agg(n_months=months.month_on.nunique())
            return n.filter(n.n_months >= 12).select("township_code")
        files = self.view.table("delivery")
        start = _twelve_months(self.view, table)[0]
        inside = (files.period_end >= ibis.literal(start)) & (files.period_start <= ibis.literal(self.view.day))
        return files.filter((files.table_name == table) & inside).select("township_code").distinct()


def _twelve_months(view: View, table: str) -> tuple[dt.date, dt.date]:
    """The twelve months up to the day; of a monthly flow, those whose files were due."""
    return Window("trailing", 12).bounds(view.last_closed_on(table) if table in _FLOWS_BY_MONTH else month_end(view.day))


def _present(spells: ir.Table, day: Any) -> ir.Table:
    return spells.filter(
        (spells.joined_on.isnull() | (spells.joined_on <= day)) & (spells.left_on.isnull() | (spells.left_on >= day))
    )


def _in_force(given: ir.Table, day: Any) -> ir.Table:
    """Authorisations that hold on the day."""
    held = (given.withdrawn_on.isnull() | (given.withdrawn_on > day)) & (given.valid_until.isnull() | (given.valid_until >= day))
    return given.filter((given.granted_on <= day) & held)


def _authorised(assets: ir.Table, view: View, day: Any) -> ir.Table:
    """Enquiries under an authorisation to enquire that is in force on the day and was when the enquiry was made."""
    given = _in_force(view.table("authorisation"), day)
    given = given.filter(given.scope == "asset_query").select("household_id", "granted_on")
    return assets.semi_join(given, [assets.household_id == given.household_id, assets.checked_on >= given.granted_on])
