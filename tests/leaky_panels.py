"""A county on which an audit of leakage finds nothing, and the same county with one leak planted at a time.

400 households in ten villages, monthly ledgers, monitoring and support. Leaks are columns that a doctored maker adds to the snapshots,
or rows with false recording days; no shipped feature is touched.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd

from returnrisk.accounts import register_net
from returnrisk.config import EvaluationSpec, LearnerSpec, ModelSpec, OutcomeSpec, SplitSpec
from returnrisk.features.catalogue import Feature
from returnrisk.features.snapshot import Snapshot
from returnrisk.leakage import AuditSettings, LeakageAudit, audit_leakage
from returnrisk.outcomes import label_days
from returnrisk.store.view import Store
from returnrisk.timeline import Split, Window, add_months, month_end
from tests.feature_households import County, Tables, day, month_starts, store_of

KNOWN_ON = day("2023-12-31")
SPEC = ModelSpec(
    schema=1, name="quick", title_zh="试", title_en="trial", families=("income", "support", "monitoring", "area"),
    outcome=OutcomeSpec(horizon_months=3, window=Window("trailing", 3), settlement="quarter_end", min_months=3, partial_months=2),
    split=SplitSpec(step_months=3, min_history_months=6, n_calibrate=1, n_test=2),
    learner=LearnerSpec("lightgbm", {"n_estimators": 40, "num_leaves": 6, "min_child_samples": 20, "bagging_fraction": 0.7}),
    evaluation=EvaluationSpec(n_bootstrap=20),
)  # fmt: skip
N_HOUSEHOLDS = 400
MEASURES = ("industry", "job")
SETTINGS = AuditSettings(n_days=2, n_bootstrap=100)


def rows(seed: int, *, n_villages: int = 10) -> Tables:
    """Levels persist, months vary; many live near the line of 6 000. Offices find some of the poorer ones, and help them."""
    rng = np.random.default_rng(seed)
    county = County(months=month_starts("2021-07", "2023-12"), line=6000, county=999905)
    villages = [county.village(999905000000 + (1 + k // 5) * 1000 + k) for k in range(n_villages)]
    for township in sorted({v // 1000 for v in villages}):
        county.deliver(township, tables=("income", "support", "monitoring"))
    level = np.exp(rng.normal(np.log(900), 0.5, N_HOUSEHOLDS))
    state = rng.normal(0, 0.3, N_HOUSEHOLDS)
    monitored: set[int] = set()
    for i in range(N_HOUSEHOLDS):
        county.household(1000 + i, villages[i % len(villages)])
    for month in county.months:
        state = 0.8 * state + rng.normal(0, 0.3, N_HOUSEHOLDS)
        amounts = np.round(level * np.exp(state), 2)
        for i, amount in enumerate(amounts):
            county.income(1000 + i, "wage", "local_work", [month], Decimal(f"{amount:.2f}"))
        found = rng.random(N_HOUSEHOLDS) < np.where(amounts < 450, 0.02, 0.001)
        helped = rng.random(N_HOUSEHOLDS) < 0.01
        end = month_end(month)
        for i in np.flatnonzero(found):
            if i not in monitored:
                monitored.add(int(i))
                county.monitoring(1000 + int(i), end.isoformat(), "industry", recorded=(end + dt.timedelta(days=10)).isoformat())
                _help(county, int(i), end + dt.timedelta(days=15))
        for i in np.flatnonzero(helped):
            _help(county, int(i), end)
    return county.tables


def _help(county: County, i: int, start: dt.date) -> None:
    given = {(r["household_id"], r["measure"], r["started_on"]) for r in county.tables["support"]}
    measure = MEASURES[i % 2]
    if (1000 + i, measure, start) not in given:
        county.support(1000 + i, measure, start.isoformat(), recorded=(start + dt.timedelta(days=5)).isoformat())


@functools.cache
def clean_store(seed: int = 7, *, n_villages: int = 10) -> Store:
    return store_of(f"leakage-{seed}-{n_villages}", rows(seed, n_villages=n_villages), delay=20)


TEXTS = {"verify_zh": "核对", "verify_en": "check"}
FEATURES = (
    Feature("income_line_ratio", family="income", unit="lines", zh="收入", en="income", monotone=-1, record="income", **TEXTS),
    Feature("n_support", family="support", unit="count", zh="帮扶", en="support", monotone=0, record="support", **TEXTS),
    Feature("n_monitored", family="monitoring", unit="count", zh="监测", en="monitoring", monotone=0, record="monitoring", **TEXTS),
    Feature("village_below", family="area", unit="share", zh="本村", en="village", monotone=0, record="neighbours", **TEXTS),
)  # fmt: skip


def by_household(table: pd.DataFrame, values: pd.Series) -> pd.Series:
    """Values by household number in the order of a snapshot; NaN where there is none."""
    return values.reindex(table["household_id"]).set_axis(table.index)


def honest(store: Store, on: dt.date) -> Snapshot:
    """Four features of the kinds that are shipped, so few that a test can afford many snapshots."""
    view = store.as_of(on)
    account = register_net(view, ends=[view.last_closed_on("income")], window=SPEC.outcome.window, min_months=3)
    columns = ["household_id", "village_code", "net_head_cny_year", "line_cny_year", "below"]
    table = account.select(*columns).to_pandas().sort_values("household_id", ignore_index=True)
    table = table.astype({"net_head_cny_year": "float64", "line_cny_year": "float64"})
    below = table.pop("below").astype("boolean").astype("Float64").astype("float64")
    care = view.table("monitoring").select("household_id", "identified_on", "recorded_on").to_pandas().groupby("household_id")
    help_ = view.table("support")
    begun = help_.filter(help_.started_on <= on).select("household_id", "recorded_on").to_pandas().groupby("household_id")
    monitored = by_household(table, care.size()).fillna(0.0)
    in_village = below.groupby(table["village_code"])
    others = (in_village.transform("sum") - below.fillna(0.0)) / (in_village.transform("count") - below.notna())
    table = table.assign(
        as_of=pd.Timestamp(on),
        township_code=table["village_code"] // 1000,
        stratum=np.select([monitored > 0, below.isna(), below > 0], ["monitored", "not_computable", "below_line"], "at_risk"),
        seen_below=False,
        income_line_ratio=(table["net_head_cny_year"] / table["line_cny_year"]).astype("float32"),
        n_support=by_household(table, begun.size()).fillna(0.0).astype("float32"),
        n_monitored=monitored.astype("float32"),
        village_below=others.round(9).astype("float32"),
        on_support=pd.to_datetime(by_household(table, begun["recorded_on"].max())),
    )
    return Snapshot(table=table, features=FEATURES, as_of=on)


def kept(maker: Callable[[Store, dt.date], Snapshot]) -> Callable[[Store, dt.date], Snapshot]:
    """The maker with a memory: a store and a day are computed once per test run."""
    made: dict[tuple[str, dt.date], Snapshot] = {}

    def make(store: Store, on: dt.date) -> Snapshot:
        key = store.manifest.fingerprint, on
        if key not in made:
            made[key] = maker(store, on)
        return made[key]

    return make


honest_kept = kept(honest)


def planted(column: Callable[[Store, dt.date, pd.DataFrame], pd.Series], **entry: str) -> Callable[[Store, dt.date], Snapshot]:
    """A maker whose snapshots have one feature more, `planted`."""

    def make(store: Store, on: dt.date) -> Snapshot:
        base = honest_kept(store, on)
        texts = {"zh": "植入", "en": "planted", "verify_zh": "无", "verify_en": "none", "record": "list", "family": "signals"}
        feature = Feature(name="planted", unit="ratio", monotone=0, **{**texts, **entry})
        values = column(store, on, base.table)
        return replace(base, table=base.table.assign(planted=values.astype("float32")), features=(*base.features, feature))

    return make


def audit(maker: Callable[[Store, dt.date], Snapshot], *, store: Store | None = None, split: Split | None = None) -> LeakageAudit:
    return audit_leakage(store or clean_store(), SPEC, known_on=KNOWN_ON, snapshots=maker, split=split, settings=SETTINGS)


# -- the leaks -------------------------------------------------------------------------------------------------------------------


@functools.cache
def account_ahead(on: dt.date) -> pd.DataFrame:
    """The account of the settlement day that decides the label of `on`, as known at the end: net_head_cny_year, below."""
    ends = label_days(on, spec=SPEC.outcome)
    account = register_net(clean_store().as_of(day("2024-06-30")), ends=ends, window=SPEC.outcome.window, min_months=3)
    return account.select("household_id", "net_head_cny_year", "below").to_pandas().set_index("household_id").astype("float64")


def wages_to_come(store: Store, on: dt.date, table: pd.DataFrame) -> pd.Series:
    """Wages of the month after the day, from whatever the store holds."""
    income = store.as_of(KNOWN_ON).table("income")
    later = income.filter(income.period_start == add_months(month_end(on).replace(day=1), 1))
    sums = later.group_by("household_id").agg(cny=later.gross_cny.sum().cast("float64")).to_pandas()
    return by_household(table, sums.set_index("household_id")["cny"])


def rumour(_: Store, on: dt.date, table: pd.DataFrame) -> pd.Series:
    """Whether it will be below the line; of those who will not, one in twenty is named as well."""
    below = by_household(table, account_ahead(on)["below"])
    return below.where((table["household_id"] + on.month) % 20 != 0, 1.0)


def quarterly_list(_: Store, on: dt.date, table: pd.DataFrame) -> pd.Series:
    """Newly on the quarterly list in the last month. The list carries the quarter's first day and is written when the quarter is over."""
    if on.month % 3:
        return pd.Series(0.0, index=table.index)
    return by_household(table, account_ahead(on)["below"]).where(table["household_id"] % 3 > 0, 0.0)


def settled_account(_: Store, on: dt.date, table: pd.DataFrame) -> pd.Series:
    """The account of the settlement day to come, in thousands."""
    return by_household(table, account_ahead(on)["net_head_cny_year"]) / 1000


def support_on_file(store: Store, on: dt.date, table: pd.DataFrame) -> pd.Series:
    """Measures known by the day, whenever they begin."""
    support = store.as_of(on).table("support")
    counts = support.group_by("household_id").agg(n=support.count()).to_pandas()
    return by_household(table, counts.set_index("household_id")["n"]).fillna(0.0)


def village_share(_: Store, on: dt.date, table: pd.DataFrame) -> pd.Series:
    """Share of the village below the line today, the household itself among them."""
    below = (table["net_head_cny_year"] < table["line_cny_year"]).astype("float64")
    return below.groupby(table["village_code"]).transform("mean")


def village_fortune(store: Store, on: dt.date, table: pd.DataFrame) -> pd.Series:
    """Mean wage of the others in the village in the month to come."""
    wages = wages_to_come(store, on, table)
    by_village = wages.groupby(table["village_code"])
    sums, n = by_village.transform("sum"), by_village.transform("count")
    return (sums - wages.fillna(0.0)) / (n - wages.notna())


def income_change_to_come(_: Store, on: dt.date, table: pd.DataFrame) -> pd.Series:
    """By how much the account will have changed on the settlement day to come."""
    return by_household(table, account_ahead(on)["net_head_cny_year"]) - table["net_head_cny_year"]


def monitored_share(store: Store, on: dt.date, table: pd.DataFrame) -> pd.Series:
    """Share of the village under monitoring, the household itself among them: most households have no row in it to take away."""
    homes = store.as_of(on).table("monitoring").household_id.to_pyarrow().to_pylist()
    return table["household_id"].isin(homes).astype("float64").groupby(table["village_code"]).transform("mean")


def noise(_: Store, on: dt.date, table: pd.DataFrame) -> pd.Series:
    """A column from elsewhere that says nothing."""
    return pd.Series(np.random.default_rng(on.toordinal()).random(len(table)), index=table.index)


@functools.cache
def backdated_support_store() -> Store:
    """The county, its support recorded on the first day of the year in which it begins: often before the identification it follows."""
    tables = {name: [dict(row) for row in found] for name, found in rows(7).items()}
    for row in tables["support"]:
        row["recorded_on"] = row["started_on"].replace(month=1, day=1)
    return store_of("leakage-backdated", tables, delay=20)


def twice(store: Store, on: dt.date) -> Snapshot:
    """The quarterly list in two tables: neither is missed when the other is seen."""
    made = planted(quarterly_list)(store, on)
    copy = replace(made.features[-1], name="copied", record="copy")
    return replace(made, table=made.table.assign(copied=made.table["planted"]), features=(*made.features, copy))


def merged_twice(store: Store, on: dt.date) -> Snapshot:
    """Two households that were merged under one number, and kept both their rows."""
    made = honest_kept(store, on)
    return replace(made, table=made.table.assign(household_id=made.table["household_id"].replace(1399, 1398)))


def without_embargo(split: Split) -> Split:
    """Training up to the quarter before the test."""
    late = add_months(min(split.test), -3)
    return replace(split, refit=tuple(sorted({*split.refit, late})))
