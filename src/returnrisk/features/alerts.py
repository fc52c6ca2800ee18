"""Alerts: how many rules of the shipped national pack hold for the household on the day, and how many of them ask for a visit.

What a county with rules and no model would rank by. Computed on request only: it takes a whole reading of the facts, and a model is
compared with the rules, not built on them. A rule that cannot be told raises nothing, as in the screening. Days before the pack's first
values are unknown.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from returnrisk.errors import PolicyDateError
from returnrisk.features.catalogue import Context, Family, Feature
from returnrisk.policy import Policy, load_policy
from returnrisk.screening import CATEGORIES, bad_input, categories, household_facts, raise_alerts, set_aside
from returnrisk.store.view import View

if TYPE_CHECKING:
    import pandas as pd

PACK = "national"
"""The rules of a county's own pack may raise others: a snapshot does not know the pack, and must not change with it unseen. For comparing,
`alert_counts` takes any pack."""
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


def alert_counts(view: View, *, policy: Policy) -> pd.DataFrame | None:
    """Alerts that hold on the view's day by the rules of a pack; None where the pack has no values on the day.

    Returns
    -------
    pandas.DataFrame
        One row per household with an alert: household_id, n_alerts, n_must_visit_alerts (int64), on_alert (the latest record's day).
    """
    con = view.store.con

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
    by_household = raised.groupby("household_id", sort=True)
    counts = by_household.agg(
        n_alerts=("must_visit", "size"), n_must_visit_alerts=("must_visit", "sum"), on_alert=("raised_on", "max")
    )
    return counts.reset_index().astype({"household_id": "int64", "n_alerts": "int64", "n_must_visit_alerts": "int64"})


def build(context: Context) -> Any:
    """One row per household of the day: the features and `on_alert`; None where the pack has no values on the day."""
    import ibis
    import pyarrow as pa

    counts = alert_counts(context.view, policy=load_policy(PACK))
    if counts is None:
        return None
    types = {"household_id": pa.int64(), "on_alert": pa.date32(), "n_alerts": pa.int64(), "n_must_visit_alerts": pa.int64()}
    found = ibis.memtable(pa.table({name: pa.array(counts[name], kind) for name, kind in types.items()}))
    t = context.homes.select("household_id").left_join(found, "household_id").drop("household_id_right")
    return t.mutate(**{f.name: t[f.name].fill_null(0) for f in FEATURES})


FAMILY = Family(name="alerts", zh="预警", en="alerts", features=FEATURES, build=build)
