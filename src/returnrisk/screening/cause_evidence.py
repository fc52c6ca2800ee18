"""Evidence for the causes of a fall, one function a cause: the records that name it, held against what the ledger shows.

Every function returns rows household_id, cause, source (whose fall it explains), table_name, detail (a code of that table), event_on,
recorded_on, explained_cny (fall of the items it bears on, months on file; NULL where it cannot be said), strength (1 a record that names
the cause, 2 a weaker one, 3 the ledger alone). A record counts if the ledger agrees that the items it bears on fell, or cannot show it yet:
it is later than the last closed month, or the income it bears on is one of the open months.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from returnrisk.policy import Policy
from returnrisk.screening.comparison_months import Comparison
from returnrisk.store.view import View
from returnrisk.timeline import add_months

if TYPE_CHECKING:
    import ibis.expr.types as ir

EMPLOYED = ("employee_formal", "employee_informal")
POSTS = ("public_post", "workshop")
NOT_FARMING = ("fire", "accident")
CROP_HAZARDS = ("drought", "flood", "hail", "frost", "landslide", "animal_disease")
CUT_PROGRAMMES = ("disability_living", "disability_care", "farm_support", "ecology", "transport")
SOURCE_OF_MEASURE = {
    "industry": "operating", "micro_credit": "operating", "job": "wage", "public_post": "wage", "skills": "wage",
    "temporary_relief": "transfer", "safety_net": "transfer",
}  # fmt: skip
"""Measures that bring income; the others (housing, school, medical aid) cannot explain a fall of it."""
COLUMNS = ("household_id", "cause", "source", "table_name", "detail", "event_on", "recorded_on", "explained_cny", "strength")


@dataclass(frozen=True, slots=True)
class Falling:
    """Households with a fall, and what their records are held against.

    `base`: one row per household: household_id, village_code, and for each group of items g fell_g, dropped_g (CNY), steep_g, unseen_g,
    recorded_g. `members`: person_id, household_id of who lives there on the day.
    """

    view: View
    policy: Policy
    comparison: Comparison
    base: Any
    members: Any

    def since(self, parameter: str) -> dt.date:
        """First day of the events that may explain a fall."""
        return add_months(self.comparison.this_start, -int(self.policy.number(parameter, self.view.day)))

    def recent(self, dates: Any, parameter: str = "cause_lookback_months") -> Any:
        """Whether `dates` are days on which something may have happened that explains a fall."""
        import ibis

        return (dates >= ibis.literal(self.since(parameter))) & (dates <= ibis.literal(self.view.day))

    def agrees(self, rows: ir.Table, group: str) -> Any:
        """Whether the ledger shows the fall, or cannot show it yet; `rows` are joined with `base`."""
        import ibis

        return rows[f"fell_{group}"] | rows[f"unseen_{group}"] | (rows.event_on > ibis.literal(self.comparison.closed_on))

    def with_base(self, rows: ir.Table) -> ir.Table:
        """Rows of the falling households, with their ledger."""
        return rows.inner_join(self.base, "household_id")

    def of_members(self, rows: ir.Table) -> ir.Table:
        """Rows of persons, with the household they live in."""
        return rows.inner_join(self.members, "person_id")


def _rows(
    t: ir.Table, cause: str, table: str, *, source: Any, detail: Any = "", explained: Any = None, strength: int = 1
) -> ir.Table:
    import ibis

    return t.select(
        "household_id",
        cause=ibis.literal(cause),
        source=ibis.literal(source) if isinstance(source, str) else source,
        table_name=ibis.literal(table),
        detail=ibis.literal(detail) if isinstance(detail, str) else detail,
        event_on=t.event_on,
        recorded_on=t.recorded_on,
        explained_cny=ibis.null("decimal(18,2)") if explained is None else explained,
        strength=ibis.literal(strength, "int8"),
    )


def _ledger_alone(x: Falling, cause: str, group: str, source: str, *, where: Any = None) -> ir.Table:
    """The ledger fell steeply, and nobody wrote down why."""
    import ibis

    t = x.base if where is None else x.base.filter(where)
    t = t.filter(t[f"steep_{group}"]).mutate(event_on=ibis.literal(x.comparison.closed_on))
    t = t.mutate(recorded_on=t[f"recorded_{group}"])
    return _rows(t, cause, "income", source=source, explained=t[f"dropped_{group}"], strength=3)


def _ended_spells(x: Falling, kinds: tuple[str, ...]) -> ir.Table:
    """Spells of these kinds that ended, of present members: household_id, kind, place, event_on, recorded_on, out_of_work, and the base."""
    import ibis

    day = ibis.literal(x.view.day)
    spells = x.of_members(x.view.table("employment"))
    has_work = ((spells.started_on <= day) & (spells.ended_on.isnull() | (spells.ended_on >= day))).any()
    has_work = has_work.over(ibis.window(group_by=spells.person_id))
    t = spells.mutate(out_of_work=~has_work, event_on=spells.ended_on)
    t = t.filter(t.kind.isin(kinds) & x.recent(t.ended_on))
    return x.with_base(t.select("household_id", "kind", "place", "event_on", "recorded_on", "out_of_work"))


def job_lost(x: Falling) -> ir.Table:
    """A job as an employee ended, or somebody is out of work, or wages fell steeply and no member left."""
    import ibis

    t = _ended_spells(x, EMPLOYED)
    late = t.out_of_work & (t.event_on > ibis.literal(x.comparison.closed_on))
    t = t.filter(t.fell_job | late)
    spells = _rows(t, "job_lost", "employment", source="wage", detail=t.place, explained=t.dropped_job)
    m = x.of_members(x.view.table("member").filter(lambda t: t.employment == "unemployed"))
    m = x.with_base(m.select("household_id", "employment", "recorded_on", event_on="recorded_on"))
    m = m.filter(m.fell_job & x.recent(m.event_on))
    idle = _rows(m, "job_lost", "member", source="wage", detail=m.employment, explained=m.dropped_job, strength=2)
    return ibis.union(spells, idle, _ledger_alone(x, "job_lost", "job", "wage", where=~x.base.member_left))


def post_lost(x: Falling) -> ir.Table:
    """A public post or a workshop's job ended, as the labour office, the measure or the ledger has it."""
    import ibis

    t = _ended_spells(x, POSTS)
    late = t.out_of_work & (t.event_on > ibis.literal(x.comparison.closed_on))
    in_workshop = (t.kind == "workshop") & t.fell_job
    t = t.filter(t.fell_post | in_workshop | late)
    dropped = (t.kind == "workshop").ifelse(t.dropped_job, t.dropped_post)
    spells = _rows(t, "post_lost", "employment", source="wage", detail=t.kind, explained=dropped)
    s = _ended_measures(x, "public_post")
    s = s.filter(x.agrees(s, "post"))
    measures = _rows(s, "post_lost", "support", source="wage", detail=s.measure, explained=s.dropped_post, strength=2)
    return ibis.union(spells, measures, _ledger_alone(x, "post_lost", "post", "wage", where=~x.base.member_left))


def _ended_measures(x: Falling, measure: str) -> ir.Table:
    """Delivered measures of a kind that ended and were not begun again, with the base."""
    import ibis

    s = x.view.table("support").filter(lambda t: (t.measure == measure) & t.delivered)
    running = (s.ended_on.isnull() | (s.ended_on > ibis.literal(x.view.day))).any()
    s = s.mutate(is_running=running.over(ibis.window(group_by=s.household_id)), event_on=s.ended_on)
    s = s.filter(~s.is_running & x.recent(s.event_on))
    return x.with_base(s.select("household_id", "measure", "event_on", "recorded_on"))


def dividend_cut(x: Falling) -> ir.Table:
    """The linked project stopped or failed, and dividends or what the project brought fell; or dividends fell steeply."""
    import ibis

    p = x.view.table("industry_project").filter(lambda t: t.state != "running")
    p = p.filter(x.recent(p.state_on)).select("household_id", "state", "recorded_on", event_on="state_on")
    p = x.with_base(p)
    by_dividend = p.fell_dividend | p.unseen_dividend
    p = p.filter(by_dividend | p.fell_farming | (p.event_on > ibis.literal(x.comparison.closed_on)))
    by_dividend = p.fell_dividend | p.unseen_dividend
    source = (p.fell_farming & ~by_dividend).ifelse("operating", "property")
    projects = _rows(
        p,
        "dividend_cut",
        "industry_project",
        source=source,
        detail=p.state,
        explained=ibis.cases((by_dividend, p.dropped_dividend)),
    )
    return ibis.union(projects, _ledger_alone(x, "dividend_cut", "dividend", "property"))


def no_micro_credit(x: Falling) -> ir.Table:
    """Micro-credit ended without a new one, and operating income fell; how much of the fall it explains cannot be said."""
    import ibis

    day = ibis.literal(x.view.day)
    loans = x.view.table("loan").filter(lambda t: (t.kind == "micro_credit") & (t.granted_on <= day))
    is_over = (loans.balance_cny == 0) | (loans.due_on <= day)
    still = (~is_over).any().over(ibis.window(group_by=loans.household_id))
    event_on = (loans.due_on <= day).ifelse(loans.due_on, loans.recorded_on)
    t = loans.mutate(has_one=still, event_on=event_on).filter(lambda t: ~t.has_one & x.recent(t.event_on))
    t = x.with_base(t.select("household_id", "event_on", "recorded_on"))
    repaid = _rows(t.filter(t.fell_operating), "no_micro_credit", "loan", source="operating")
    s = _ended_measures(x, "micro_credit")
    current = loans.filter(~is_over).select("household_id")
    s = s.filter(s.fell_operating).anti_join(current, "household_id")
    return ibis.union(repaid, _rows(s, "no_micro_credit", "support", source="operating", detail=s.measure, strength=2))


def _cut_entitlements(x: Falling, programmes: tuple[str, ...], statuses: tuple[str, ...]) -> ir.Table:
    """Entitlements reduced or cancelled and not granted again at a later day, with the base."""
    import ibis

    s = x.view.table("subsidy")
    s = s.filter(s.programme.isin(programmes) & (s.period_start <= ibis.literal(x.view.day)))
    by_programme = ibis.window(group_by=[s.household_id, s.programme])
    granted_on = s.period_start.max(where=s.status == "granted").over(by_programme)
    again = (s.status == "cancelled") & (granted_on > s.period_start).fill_null(False)
    s = s.mutate(is_again=again, event_on=s.period_start)
    s = s.filter(s.status.isin(statuses) & ~s.is_again & x.recent(s.event_on))
    return x.with_base(s.select("household_id", "programme", "event_on", "recorded_on"))


def _dibao_in_force(x: Falling) -> ir.Table:
    """Households whose latest decision about 低保 is no cancellation."""
    import ibis

    s = x.view.table("subsidy")
    s = s.filter((s.programme == "dibao") & (s.period_start <= ibis.literal(x.view.day)))
    newest = s.period_start == s.period_start.max().over(ibis.window(group_by=s.household_id))
    return s.mutate(is_newest=newest).filter(lambda t: t.is_newest & (t.status != "cancelled")).select("household_id").distinct()


def dibao_cancelled(x: Falling) -> ir.Table:
    """低保 was cancelled, as decided or, where no decision in force says otherwise, as the ledger has it."""
    import ibis

    t = _cut_entitlements(x, ("dibao",), ("cancelled",))
    t = t.filter(x.agrees(t, "dibao"))
    decided = _rows(t, "dibao_cancelled", "subsidy", source="transfer", explained=t.dropped_dibao)
    alone = _ledger_alone(x, "dibao_cancelled", "dibao", "transfer")
    return ibis.union(decided, alone.anti_join(_dibao_in_force(x), "household_id"))


def subsidy_cut(x: Falling) -> ir.Table:
    """A subsidy other than 低保 and pension was reduced or cancelled, as decided or as the ledger has it."""
    import ibis

    t = _cut_entitlements(x, CUT_PROGRAMMES, ("reduced", "cancelled"))
    t = t.filter(x.agrees(t, "subsidy"))
    decided = _rows(t, "subsidy_cut", "subsidy", source="transfer", detail=t.programme, explained=t.dropped_subsidy)
    return ibis.union(decided, _ledger_alone(x, "subsidy_cut", "subsidy", "transfer"))


def own_losses(x: Falling) -> ir.Table:
    """Losses of crops and stock by a disaster: household_id, hazard_kind, event_on, recorded_on, loss_cny (not paid by insurers)."""
    import ibis

    zero = ibis.literal(0, "decimal(18,2)")
    d = x.view.table("disaster").filter(lambda t: ~t.hazard_kind.isin(NOT_FARMING))
    d = d.filter(x.recent(d.happened_on, "disaster_lookback_months"))
    loss = ibis.greatest(d.loss_cny - d.insured_paid_cny.fill_null(zero), zero).cast("decimal(18,2)")
    return d.select("household_id", "hazard_kind", "recorded_on", event_on="happened_on", loss_cny=loss)


def area_hazards(x: Falling) -> ir.Table:
    """Moderate and severe hazards to crops or stock of the village, township or county: village_code, hazard_kind, event_on, recorded_on."""
    import ibis

    h = x.view.table("hazard").filter(lambda t: t.severity.isin(("moderate", "severe")) & t.hazard_kind.isin(CROP_HAZARDS))
    h = h.filter(x.recent(h.started_on, "disaster_lookback_months"))
    places = x.base.select("village_code").distinct()
    inside = ibis.union(*(places.mutate(area_code=places.village_code // 10**digits) for digits in (0, 3, 6)))
    return inside.inner_join(h, "area_code").select("village_code", "hazard_kind", "recorded_on", event_on="started_on")


def disaster(x: Falling) -> ir.Table:
    """The household's own loss; or a hazard of its area, where farm income fell and no loss is on file."""
    import ibis

    losses = x.with_base(own_losses(x))
    losses = losses.filter(x.agrees(losses, "farming"))
    own = ibis.least(losses.dropped_farming, losses.loss_cny)
    hit = _rows(losses, "disaster", "disaster", source="operating", detail=losses.hazard_kind, explained=own)
    near = x.base.filter(x.base.fell_farming).select("household_id", "village_code").inner_join(area_hazards(x), "village_code")
    return ibis.union(hit, _rows(near, "disaster", "hazard", source="operating", detail=near.hazard_kind, strength=2))


def farming_shrank(x: Falling) -> ir.Table:
    """Farm income fell, and by more than disasters explain."""
    import ibis

    zero = ibis.literal(0, "decimal(18,2)")
    losses = own_losses(x).group_by("household_id").agg(loss_cny=lambda t: t.loss_cny.sum().cast("decimal(18,2)"))
    t = x.base.filter(x.base.fell_farming).left_join(losses, "household_id").drop("household_id_right")
    rest = (t.dropped_farming - t.loss_cny.fill_null(zero)).cast("decimal(18,2)")
    t = t.mutate(rest_cny=rest, event_on=ibis.literal(x.comparison.closed_on), recorded_on=t.recorded_farming)
    unexplained = t.filter(t.loss_cny.notnull() & (t.rest_cny > t.edge_farming))
    nothing = t.filter(t.loss_cny.isnull()).anti_join(area_hazards(x).select("village_code").distinct(), "village_code")
    t = unexplained.union(nothing.select(unexplained.columns))
    return _rows(t, "farming_shrank", "income", source="operating", explained=t.rest_cny)


def support_not_delivered(x: Falling) -> ir.Table:
    """A measure that brings income was registered, was due, and no office has delivered it."""
    import ibis

    day = ibis.literal(x.view.day)
    due = ibis.literal(add_months(x.view.day, -int(x.policy.number("measure_due_months", x.view.day))))
    s = x.view.table("support").filter(lambda t: t.measure.isin(tuple(SOURCE_OF_MEASURE)))
    delivered_on = s.started_on.max(where=s.delivered).over(ibis.window(group_by=[s.household_id, s.measure]))
    later = (delivered_on >= s.started_on).fill_null(False)
    s = s.mutate(is_later=later, event_on=s.started_on)
    waits = ~s.delivered & ~s.is_later & (s.ended_on.isnull() | (s.ended_on > day)) & (s.started_on <= due)
    s = x.with_base(s.filter(waits & x.recent(s.event_on)).select("household_id", "measure", "event_on", "recorded_on"))
    source = s.measure.cases(*SOURCE_OF_MEASURE.items(), else_="total")
    return _rows(s, "support_not_delivered", "support", source=source, detail=s.measure)


EVIDENCE = (
    farming_shrank, job_lost, post_lost, dividend_cut, no_micro_credit, dibao_cancelled, subsidy_cut, disaster, support_not_delivered,
)  # fmt: skip
"""By the number of the cause; the tenth is what none of these explains."""
