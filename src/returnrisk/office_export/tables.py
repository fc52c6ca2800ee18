"""What may be exported: the tables of a screening and those of the store that go with them, field by field, with their codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from returnrisk.contracts import Contract, load_contracts
from returnrisk.contracts.model import Field
from returnrisk.policy.alerts import CAUSES as ALERT_CAUSES
from returnrisk.policy.alerts import CHANNELS
from returnrisk.screening import ALERT_STATES, CATEGORIES, CHECKS, CRITERIA, RESULTS, STATES, TRACK
from returnrisk.screening.cause_catalogue import CAUSES
from returnrisk.screening.elimination import ALL_HOLD
from returnrisk.screening.income_change import MISSING, SOURCE_LABELS, VERDICTS
from returnrisk.screening.measures import LABOUR, MEASURES

Kind = Literal["household", "area", "text", "code", "yes_no", "answer", "whole", "money", "number", "share", "day", "identity"]
"""household: its pseudonym, as people read it aloud; area: a division code; answer: yes, no or unknown; identity: restricted."""


@dataclass(frozen=True, slots=True)
class ExportField:
    """A field that a column may be made from; `codes` is None where any value may come."""

    name: str
    kind: Kind
    codes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ExportTable:
    """A table: its fields, and the columns that name a row besides the household (rows are written in their order)."""

    name: str
    keys: tuple[str, ...]
    fields: Mapping[str, ExportField]


def _fields(**by_kind: str) -> dict[str, ExportField]:
    """Fields given as kind="name name ..."."""
    return {name: ExportField(name, kind, _CODES.get(name)) for kind, names in by_kind.items() for name in names.split()}  # type: ignore[arg-type]


def _codes(*names: Iterable[str]) -> frozenset[str]:
    return frozenset(code for each in names for code in each)


@cache
def _contract_codes(table: str, field: str) -> frozenset[str]:
    return frozenset(str(v) for v in load_contracts()[table].field(field).valid_values or ())


_VERDICTS = _codes(VERDICTS, ("unknown",))
_CODES: dict[str, frozenset[str]] = {
    "registered_type": _contract_codes("household", "registered_type"),
    "risk_type": _contract_codes("monitoring", "risk_type"),
    "monitored_category": _contract_codes("monitoring", "category"),
    "verdict": _VERDICTS,
    "same_verdict": _VERDICTS,
    "missing": _codes(MISSING),
    "labour": _codes(LABOUR),
    "result": _codes(RESULTS) - {"not_applicable"},
    "channel": _codes(CHANNELS),
    "applied_by": _contract_codes("alert_closure", "applied_by"),
}
_ARRIVED = "income medical expense subsidy support monitoring disability disaster employment schooling loan insurance industry_project signal visit asset"
_FACTS = _fields(
    household="household_id",
    area="village_code township_code",
    code="registered_type risk_type monitored_category",
    whole=(
        "n_members n_disabled n_persons_severe_disability n_severe_for_expenditure n_seriously_ill n_chronically_ill n_elders n_children "
        "n_full_labour n_weak_labour n_with_labour register_members register_months last_year_members last_year_months "
        "assistance_members assistance_months medical_months expense_months n_listed_disease n_houses"
    ),
    yes_no=(
        "resettled has_labour has_full_labour has_disabled several_disabled has_severe_disability "
        "has_severe_disability_for_expenditure has_seriously_ill_member has_paid_work has_unemployed_member has_frail_elder elders_keep_disabled "
        "register_computable last_year_computable assistance_computable was_below_dibao stably_above has_listed_disease "
        "has_elder_care_cost has_vehicle has_business receives_dibao receives_disability_subsidy monitored ever_monitored supported "
        "on_safety_net had_emergency risk_confirmed held_housing held_water held_schooling held_medical receives_tekun "
    )
    + " ".join(f"arrived_{name}" for name in _ARRIVED.split()),
    money=(
        "register_net_cny register_head_cny_year last_year_net_cny last_year_head_cny_year assistance_net_cny assistance_head_cny_year "
        "line_cny_year medical_on_file_cny medical_person_max_on_file_cny inpatient_on_file_cny chronic_person_max_on_file_cny "
        "medical_own_12m_cny rigid_on_file_cny rigid_12m_cny savings_cny"
    ),
    day="income_ending_on asset_checked_on dibao_on identified_on eliminated_on last_disaster_on visited_on",
)
_PLACE = {"household": "household_id", "area": "village_code township_code"}
_CHANGE = {
    "whole": "months_last months_same",
    "money": "last_cny same_last_cny same_this_cny same_change_cny projected_cny change_cny",
    "share": "same_change_share change_share",
}
_SCREENED: dict[str, tuple[tuple[str, ...], dict[str, ExportField]]] = {
    "household_facts": ((), _FACTS),
    "income_totals": (
        (),
        _fields(
            **_PLACE,
            code="registered_type same_verdict verdict missing",
            yes_no="monitored",
            whole=f"n_members n_sources_falling {_CHANGE['whole']}",
            money=f"{_CHANGE['money']} line_cny_year target_cny projected_head_cny_year gap_target_cny gap_line_head_cny",
            share=_CHANGE["share"],
        ),
    ),
    "income_changes": (("source",), _fields(**_PLACE, **_CHANGE, code="same_verdict verdict missing source")),
    "income_causes": (
        ("number",),
        _fields(
            **_PLACE, code="cause source", whole="number place n_records", text="table_name detail text_zh text_en", day="event_on recorded_on",
            money="explained_cny",
        ),
    ),
    "income_measures": (("number", "measure"), _fields(**_PLACE, code="cause labour measure", whole="number", text="text_zh text_en")),
    "alerts": (
        ("alert_id",),
        _fields(
            **_PLACE, text="alert_id rule title_zh title_en office evidence_zh evidence_en", code="channel cause state applied_by",
            yes_no="must_visit is_new", day="raised_on screened_on due_on visited_on verified_on applied_on closed_on", number="value threshold",
        ),
    ),
    "elimination": ((), _fields(household="household_id", code="state criterion", text="missing_fields")),
    "categories": (
        ("category",),
        _fields(household="household_id", code="category", answer="answer", text="clauses_met clauses_failed clauses_unknown missing_fields"),
    ),
    "checks": (("code",), _fields(household="household_id", code="code result", text="missing_fields why_not")),
}  # fmt: skip
_OWN_CODES: dict[tuple[str, str], frozenset[str]] = {
    ("income_changes", "source"): _codes(SOURCE_LABELS),
    ("income_causes", "cause"): _codes(c.code for c in CAUSES),
    ("income_measures", "cause"): _codes(c.code for c in CAUSES),
    ("income_measures", "measure"): _codes(m.code for m in MEASURES),
    ("alerts", "cause"): _codes(ALERT_CAUSES),
    ("alerts", "state"): _codes(ALERT_STATES),
    ("elimination", "state"): _codes(STATES),
    ("elimination", "criterion"): _codes((c.code for c in CRITERIA), (TRACK.code, ALL_HOLD)),
    ("categories", "category"): _codes(c.code for c in CATEGORIES),
    ("checks", "code"): _codes(c.code for c in CHECKS),
}
"""Codes of fields whose name means something else in another table."""
IDENTITY_FIELDS = ("head_name", "phone", "address", "household_number")
"""Columns of `identities`. `household_number`: as the office's own file has it, read again by whoever holds the files; the store has
only its pseudonym."""
FILE_TABLES = (*_SCREENED, "monitoring")
"""Tables that a file may be made from."""
JOINED_TABLES = ("household", "village", "household_facts", "income_totals", "elimination", "identity")
"""Tables of which any file may take a field as `table.field`: one row per household, or per village."""
_KINDS: dict[str, Kind] = {"int64": "whole", "string": "text", "date": "day", "boolean": "yes_no", "decimal(18,2)": "money"}


def export_tables(contracts: Mapping[str, Contract] | None = None) -> dict[str, ExportTable]:
    """Every table that a mapping may name, by name.

    Parameters
    ----------
    contracts
        Default: the shipped ones. `household`, `village` and `monitoring` have their fields from there.

    Examples
    --------
    >>> sorted(export_tables()["elimination"].fields)
    ['criterion', 'household_id', 'missing_fields', 'state']
    >>> sorted(export_tables()["monitoring"].fields["category"].codes)
    ['marginal', 'sudden', 'unstable']
    """
    known = contracts or load_contracts()
    made = {
        name: ExportTable(name, keys, {f.name: ExportField(f.name, f.kind, _OWN_CODES.get((name, f.name), f.codes)) for f in fields.values()})
        for name, (keys, fields) in _SCREENED.items()
    }  # fmt: skip
    for name, keys in (("monitoring", ("identified_on",)), ("household", ()), ("village", ())):
        made[name] = ExportTable(name, keys, {f.name: _of_contract(f) for f in known[name].fields})
    place = ExportField("township_code", "area")
    made["village"] = ExportTable("village", (), {**made["village"].fields, place.name: place})
    made["identity"] = ExportTable("identity", (), {n: ExportField(n, "identity") for n in IDENTITY_FIELDS})
    return made


def _of_contract(field: Field) -> ExportField:
    if field.pseudonym == "household":
        return ExportField(field.name, "household")
    if field.name == "village_code":
        return ExportField(field.name, "area")
    codes = frozenset(str(v) for v in field.valid_values) if field.valid_values and field.type == "string" else None
    kind = (
        "code"
        if codes
        else "number"
        if field.type == "decimal(18,2)" and not (field.unit or "").startswith("CNY")
        else _KINDS[field.type]
    )
    return ExportField(field.name, kind, codes)
