"""Alerts: how many rules of the shipped national pack hold for the household on the day, and how many of them ask for a visit.

What a county with rules and no model would rank by. Computed on request only: it takes a whole reading of the facts, and a model is
compared with the rules, not built on them. A rule that cannot be told raises nothing, as in the screening. Days before the pack's first
values are unknown.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from returnrisk.errors import PolicyDateError
from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.policy import load_policy
from returnrisk.screening import CATEGORIES, bad_input, categories, household_facts, raise_alerts, set_aside

PACK = "national"
"""The rules of a county's own pack may raise others: a snapshot does not know the pack, and must not change with it unseen."""
_f = partial(
    Feature,
    family="alerts",
    unit="count",
    monotone=0,
    record="alert",
    verify_zh="逐条核实预警所依据的记录",
    verify_en="Check the records that each alert rests on",
)
FEATURES = (
    _f("n_alerts", zh="当日成立的预警条数", en="alerts that hold on the day"),
    _f("n_must_visit_alerts", zh="其中须入户核实的预警条数", en="alerts on the day that ask for a visit"),
)


def build(context: Context) -> Any:
    """One row per household of the day: the features and `on_alert`; None where the pack has no values on the day."""
    import ibis
    import pyarrow as pa

    view, policy, con = context.view, load_policy(PACK), context.view.store.con

    def kept(name: str, rows: Any) -> Any:
        return con.create_table(f"snapshot_alert_{name}", rows, temp=True, overwrite=True)

    try:
        aside = kept("aside", set_aside(kept("bad_input", bad_input(view, policy=policy))))
        facts = kept("facts", household_facts(view, policy=policy).anti_join(aside, "household_id"))
        answers = kept("categories", categories(facts, policy=policy, day=view.day))
        labels = {c.code: (c.zh, c.en) for c in CATEGORIES}
        raised = raise_alerts(view, policy=policy, facts=facts, categories=answers, category_labels=labels).alerts
    except PolicyDateError:
        return None
    held = pa.table(
        {
            "household_id": pa.array(raised["household_id"], pa.int64()),
            "must_visit": pa.array(raised["must_visit"], pa.bool_()),
            "raised_on": pa.array(raised["raised_on"], pa.date32()),
        }
    )
    a = kept("held", ibis.memtable(held))
    found = a.group_by("household_id").agg(
        on_alert=a.raised_on.max(), n_alerts=a.count(), n_must_visit_alerts=a.count(where=a.must_visit)
    )
    t = context.homes.select("household_id").left_join(found, "household_id").drop("household_id_right")
    return t.mutate(**{f.name: t[f.name].fill_null(0) for f in FEATURES})


FAMILY = Family(name="alerts", zh="预警", en="alerts", features=FEATURES, build=build)
